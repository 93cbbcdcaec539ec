"""What is kept besides assets: pictures, templates, where events go."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..domain.failures import UnknownCallback, UnknownTemplate
from ..domain.ids import new_id, now
from ..domain.records import (
    CallbackSettings,
    Picture,
    PictureKind,
    PictureSet,
    SmartCoverRequest,
    StoredTemplate,
)
from ..domain.requests import Template
from .core import Core

__all__ = ["KeptCalls", "unknown_template"]


class KeptCalls(Core):
    """Pictures, templates and callbacks."""

    # -- pictures ---------------------------------------------------------------------------

    def latest(self, tenant: str, asset_id: str, kind: PictureKind) -> PictureSet | None:
        """What the last job that made pictures of this kind made."""
        return self.database.latest_set(tenant, asset_id, kind)

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
        """How many there are, and those from ``offset`` on, newest first."""
        return self.database.sets(
            tenant, asset_id=asset_id, job_id=job_id, kinds=kinds, offset=offset, limit=limit
        )

    def pictures(self, set: PictureSet, *, offset: int = 0, limit: int = 100) -> list[Picture]:
        """The pictures of a set by number, from the ``offset``-th on."""
        return self.database.pictures(set.tenant, set.id, offset=offset, limit=limit)

    def read(self, picture: Picture) -> bytes:
        """The file of a picture. Raises :class:`~snapengine.errors.StoreError`."""
        return self.store.read(picture.blob, 0, picture.size)

    def delete_sets(self, tenant: str, set_ids: Collection[str]) -> int:
        """Remove sets with their pictures (a cover's picture stays); how many there were."""
        removed = self.database.delete_sets(tenant, set_ids)
        self.clear_garbage()
        return removed

    # -- templates --------------------------------------------------------------------------

    def add_template(
        self, tenant: str, name: str, template: Template | SmartCoverRequest, as_given: str
    ) -> StoredTemplate:
        """Keep a template; ``as_given`` is given back with it, unchanged."""
        at = now()
        stored = StoredTemplate(
            id=new_id(), tenant=tenant, name=name, template=template, as_given=as_given,
            created=at, modified=at,
        )  # fmt: skip
        self.database.add_template(stored)
        return stored

    def update_template(
        self,
        tenant: str,
        id: str,
        *,
        name: str | None = None,
        template: Template | SmartCoverRequest | None = None,
        as_given: str | None = None,
    ) -> StoredTemplate:
        """Change what is given of a template. Jobs that are queued keep what it said.

        Raises :class:`UnknownTemplate`."""
        old = self.template(tenant, id)
        changed = replace(
            old,
            name=old.name if name is None else name,
            template=old.template if template is None else template,
            as_given=old.as_given if as_given is None else as_given,
            modified=now(),
        )
        if not self.database.replace_template(changed):
            raise unknown_template(id)
        return changed

    def template(self, tenant: str, id: str) -> StoredTemplate:
        """Raises :class:`UnknownTemplate`."""
        found = self.database.template(tenant, id)
        if found is None:
            raise unknown_template(id)
        return found

    def templates(self, tenant: str) -> list[StoredTemplate]:
        """All of a tenant's, in the order they were added."""
        return self.database.templates(tenant)

    def delete_template(self, tenant: str, id: str) -> None:
        """Raises :class:`UnknownTemplate`."""
        if not self.database.delete_template(tenant, id):
            raise unknown_template(id)

    # -- callbacks --------------------------------------------------------------------------

    def callback(self, tenant: str, dialect: str) -> CallbackSettings:
        """Raises :class:`UnknownCallback`."""
        found = self.database.callback(tenant, dialect)
        if found is None:
            raise UnknownCallback("no callback is configured", stage="request", id=dialect)
        return found

    def set_callback(self, settings: CallbackSettings) -> None:
        """Send a dialect's events there from now on."""
        self.database.set_callback(settings)

    def delete_callback(self, tenant: str, dialect: str) -> None:
        """Send no more events. Raises :class:`UnknownCallback`."""
        if not self.database.delete_callback(tenant, dialect):
            raise UnknownCallback("no callback is configured", stage="request", id=dialect)


def unknown_template(id: str) -> UnknownTemplate:
    return UnknownTemplate("there is no such template", stage="request", id=id)
