"""Assets: adding, changing and deleting them, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, exists, select
from sqlalchemy.exc import IntegrityError

from ...errors import InvariantBroken
from ..domain.failures import UnknownPicture
from ..domain.fields import InvalidField
from ..domain.records import Asset, CallbackMessage, Job
from .connections import Connections
from .rows import (
    ASSET,
    PICTURE,
    Bounds,
    Pictures,
    check_room,
    discard,
    insert_job,
    insert_messages,
    insert_sets,
    upload_of,
)
from .tables import ASSETS, PICTURES, REFERENCE, SETS, digest

__all__ = ["Assets", "locked_asset", "write_asset"]


class Assets(Connections):
    """The part of :class:`~.database.Database` that keeps assets."""

    def add_asset(
        self,
        asset: Asset,
        *,
        job: Job | None = None,
        bounds: Bounds | None = None,
        messages: Sequence[CallbackMessage] = (),
    ) -> None:
        """Keep a new asset; ``job`` is queued, and counted where there are ``bounds``.

        Raises :class:`InvalidField` (``reference_id``) when another one of the tenant's has that,
        :class:`QueueFull`; then nothing is kept.
        """
        with self._writing() as connection:
            if job is not None and bounds is not None:
                self._lock_queue(connection)
                check_room(connection, asset.tenant, bounds)
            if asset.reference_id is not None and ASSET.one(
                connection, tenant=asset.tenant, reference_id=asset.reference_id
            ):
                raise _taken(asset)
            try:
                ASSET.insert(connection, asset)
            except IntegrityError as error:
                said = getattr(error.orig, "diag", None)
                if getattr(said, "constraint_name", None) == REFERENCE:
                    raise _taken(asset) from error
                raise
            if job is not None:
                _check_job(asset, job)
                insert_job(connection, job, bounded=bounds is not None)
            insert_messages(connection, messages)

    def asset(self, tenant: str, id: str) -> Asset | None:
        with self._reading() as connection:
            return ASSET.one(connection, tenant=tenant, id=id)

    def asset_by_reference(self, tenant: str, reference_id: str) -> Asset | None:
        with self._reading() as connection:
            return ASSET.one(connection, tenant=tenant, reference_id=reference_id)

    def asset_by_source(self, tenant: str, source: str) -> Asset | None:
        """The newest asset that is read from ``source``."""
        column = ASSETS.c
        same = (column.tenant == tenant, column.source_key == digest(source))
        with self._reading() as connection:
            return ASSET.first(connection, ASSET.newest(*same))

    def assets(self, tenant: str, *, offset: int = 0, limit: int = 100) -> tuple[int, list[Asset]]:
        """How many there are, and a page of them, the newest first."""
        with self._reading() as connection:
            return ASSET.page(connection, ASSETS.c.tenant == tenant, offset=offset, limit=limit)

    def change_asset(
        self,
        tenant: str,
        id: str,
        change: Callable[[Asset], Asset],
        *,
        job: Job | None = None,
        pictures: Pictures = (),
        messages: Callable[[Asset, Asset], Sequence[CallbackMessage]] | None = None,
    ) -> tuple[Asset, Asset] | None:
        """Change an asset in one transaction, in which nobody else changes it.

        ``change`` is given the asset as it is and returns it as it shall be; ``messages`` is given
        both. What they raise passes through and nothing is kept. They may not call the database.
        ``job`` is queued whatever the queue's bounds are. Returns both assets, ``None`` if there is
        no such asset. Raises :class:`UnknownPicture` for a new cover that is no picture of the
        tenant's.
        """
        with self._writing() as connection:
            before = locked_asset(connection, tenant, id)
            if before is None:
                return None
            after = change(before)
            insert_sets(connection, before, pictures)
            write_asset(connection, before, after)
            if job is not None:
                _check_job(after, job)
                insert_job(connection, job, bounded=False)
            if messages is not None:
                insert_messages(connection, messages(before, after))
            return before, after

    def delete_asset(self, tenant: str, id: str, messages: Sequence[CallbackMessage] = ()) -> bool:
        """Delete an asset with its jobs, sets and pictures; whether there was one.

        Its files, also an upload, go onto the list of garbage. Jobs that are running end with their
        next ``renew`` or ``finish``.
        """
        with self._writing() as connection:
            query = select(ASSETS).where(ASSETS.c.tenant == tenant, ASSETS.c.id == id)
            asset = ASSET.first(connection, query.with_for_update())
            if asset is None:
                return False
            own = (PICTURES.c.tenant == tenant, PICTURES.c.asset_id == id)
            blobs = connection.execute(select(PICTURES.c.blob).where(*own)).scalars().all()
            connection.execute(ASSETS.delete().where(ASSETS.c.tenant == tenant, ASSETS.c.id == id))
            discard(connection, unused(connection, blobs))
            if (upload := upload_of(asset)) is not None:
                discard(connection, [upload])
            insert_messages(connection, messages)
            return True


def locked_asset(connection: Connection, tenant: str, id: str) -> Asset | None:
    """The asset, which nobody else changes before the transaction ends. New jobs and pictures may
    refer to it meanwhile."""
    query = select(ASSETS).where(ASSETS.c.tenant == tenant, ASSETS.c.id == id)
    return ASSET.first(connection, query.with_for_update(key_share=True))


def write_asset(connection: Connection, before: Asset, after: Asset) -> None:
    """Write a locked asset as it is now. What nothing refers to any more becomes garbage: another
    upload, or a cover whose set is gone."""
    if (before.id, before.tenant, before.created) != (after.id, after.tenant, after.created):
        raise InvariantBroken("an asset that became another one")
    if before == after:
        return
    old = None if before.cover is None else before.cover.picture_id
    new = None if after.cover is None else after.cover.picture_id
    if new is not None and new != old:
        known = exists().where(PICTURES.c.id == new, PICTURES.c.tenant == after.tenant)
        if not connection.execute(select(known)).scalar():
            raise UnknownPicture(f"there is no picture {new!r}", id=new)
    try:
        found = ASSET.update(connection, after, ASSETS.c.id == after.id)
    except IntegrityError as error:
        if before.reference_id != after.reference_id:
            raise _taken(after) from error
        raise
    if not found:
        raise InvariantBroken("a locked asset that is gone")
    if (upload := upload_of(before)) is not None and upload != upload_of(after):
        discard(connection, [upload])
    if old is not None and old != new:
        _drop_stray(connection, before.tenant, old)


def unused(connection: Connection, blobs: Sequence[str]) -> list[str]:
    """Garbage's names of those blobs that no picture has."""
    named = dict.fromkeys(blobs)
    for blob in list(named):
        if connection.execute(select(exists().where(PICTURES.c.blob == blob))).scalar():
            del named[blob]
    return [f"blob:{blob}" for blob in named]


def _drop_stray(connection: Connection, tenant: str, id: str) -> None:
    """Delete a picture that only was kept because it was a cover."""
    picture = PICTURE.one(connection, id=id, tenant=tenant)
    if picture is None:
        return
    kept = exists().where(SETS.c.id == picture.set_id)
    cover = exists().where(ASSETS.c.cover_picture == id)
    if connection.execute(select(kept | cover)).scalar():
        return
    connection.execute(PICTURES.delete().where(PICTURES.c.id == id))
    discard(connection, unused(connection, [picture.blob]))


def _check_job(asset: Asset, job: Job) -> None:
    if (job.tenant, job.asset_id) != (asset.tenant, asset.id):
        raise InvariantBroken("a job of another asset")


def _taken(asset: Asset) -> InvalidField:
    return InvalidField.of("reference_id", asset.reference_id, "must be new")
