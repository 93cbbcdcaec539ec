"""Sets of pictures, and the list of files that nothing refers to any more."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select

from ..domain.fields import whole
from ..domain.ids import now
from ..domain.records import Picture, PictureKind, PictureSet
from .assets import unused
from .connections import Connections
from .rows import PICTURE, SET, discard, parts
from .tables import ASSETS, GARBAGE, PICTURES, SETS, digest

__all__ = ["Gallery"]


class Gallery(Connections):
    """The part of :class:`~.database.Database` that keeps sets and pictures."""

    def latest_set(self, tenant: str, asset_id: str, kind: PictureKind) -> PictureSet | None:
        """The newest set of that kind."""
        sets = SETS.c
        same = (sets.tenant == tenant, sets.asset_id == asset_id, sets.kind == kind)
        with self._reading() as connection:
            return SET.first(connection, SET.newest(*same))

    def sets(
        self,
        tenant: str,
        *,
        asset_id: str | None = None,
        job_id: str | None = None,
        kinds: Collection[PictureKind] | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[int, list[PictureSet]]:
        """How many there are, and a page of them, the newest first."""
        conditions: list[ColumnElement[bool]] = [SETS.c.tenant == tenant]
        if asset_id is not None:
            conditions.append(SETS.c.asset_id == asset_id)
        if job_id is not None:
            conditions.append(SETS.c.job_id == job_id)
        if kinds is not None:
            conditions.append(SETS.c.kind.in_(kinds))
        with self._reading() as connection:
            return SET.page(connection, *conditions, offset=offset, limit=limit)

    def pictures(
        self, tenant: str, set_id: str, *, offset: int = 0, limit: int = 100
    ) -> list[Picture]:
        """A page of a set's pictures, by number. None of a set that was deleted."""
        offset, limit = whole("offset", offset, 0), whole("limit", limit, 0)
        column = PICTURES.c
        there = exists().where(SETS.c.id == set_id, SETS.c.tenant == tenant)
        query = (
            select(PICTURES)
            .where(column.set_id == set_id, column.tenant == tenant, there)
            .order_by(column.number, column.seq)
            .offset(offset)
            .limit(limit)
        )
        with self._reading() as connection:
            return [PICTURE.record(row) for row in connection.execute(query)]

    def picture(self, id: str) -> Picture | None:
        """A picture of any tenant's: whoever has its address may see it."""
        with self._reading() as connection:
            return PICTURE.one(connection, id=id)

    def picture_at(self, path: str) -> Picture | None:
        """The newest picture with that public path."""
        with self._reading() as connection:
            return PICTURE.first(connection, PICTURE.newest(PICTURES.c.path_key == digest(path)))

    def delete_sets(self, tenant: str, set_ids: Collection[str]) -> int:
        """Delete sets with their pictures; how many there were.

        Their files go onto the list of garbage. A picture that is an asset's cover stays, until the
        cover is another one or the asset is deleted.
        """
        deleted = 0
        with self._writing() as connection:
            for ids in parts(dict.fromkeys(set_ids)):
                # By their ids alone: with a second condition SQLite would look through all that the
                # tenant has.
                query = select(SETS.c.id, SETS.c.asset_id, SETS.c.tenant).where(SETS.c.id.in_(ids))
                own = [row for row in connection.execute(query) if row.tenant == tenant]
                # Until the end no cover of these changes, and nobody deletes them. A set that comes
                # after this is not looked at: its asset is not locked.
                locked = connection.execute(
                    select(ASSETS.c.id)
                    .where(ASSETS.c.tenant == tenant)
                    .where(ASSETS.c.id.in_({row.asset_id for row in own}))
                    .order_by(ASSETS.c.id)
                    .with_for_update(key_share=True)
                )
                assets = set(locked.scalars())
                found = [row.id for row in own if row.asset_id in assets]
                column = PICTURES.c
                loose = (
                    column.set_id.in_(found),
                    ~exists().where(ASSETS.c.cover_picture == column.id),
                )
                blobs = connection.execute(select(column.blob).where(*loose)).scalars().all()
                connection.execute(PICTURES.delete().where(*loose))
                gone = connection.execute(SETS.delete().where(SETS.c.id.in_(found)))
                deleted += gone.rowcount
                discard(connection, unused(connection, blobs))
        return deleted

    def expect_blobs(self, blobs: Collection[str], until: datetime) -> None:
        """These are about to be stored. Unless pictures that have them are kept ``until`` then,
        they are garbage: whoever stores them may vanish."""
        with self._writing() as connection:
            discard(connection, [f"blob:{blob}" for blob in blobs], until)

    def garbage(self, limit: int = 100) -> list[str]:
        """Files to delete, the oldest first: ``"blob:<name>"`` or ``"upload:<path>"``."""
        column = GARBAGE.c
        query = (
            select(column.name)
            .where(column.due <= now())
            .order_by(column.due, column.seq)
            .limit(whole("limit", limit, 0))
        )
        with self._reading() as connection:
            return list(dict.fromkeys(connection.execute(query).scalars()))

    def forget_garbage(self, names: Collection[str]) -> None:
        """They are deleted."""
        with self._writing() as connection:
            for some in parts(names):
                keys = [digest(name) for name in some]
                connection.execute(GARBAGE.delete().where(GARBAGE.c.key.in_(keys)))
