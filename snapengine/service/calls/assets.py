"""Assets: taking videos in, describing them, letting them go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from ..covers import check_url
from ..domain.failures import ServiceUnavailable, WrongStatus
from ..domain.fields import InvalidField, text
from ..domain.ids import new_id, now
from ..domain.records import (
    HERE,
    Asset,
    AssetChanges,
    Cover,
    CoverChoice,
    Event,
    IngestRequest,
    Job,
    NewAsset,
    Via,
)
from ..domain.requests import check_reference_id
from ..source_rules import check_source
from ..storage.database import Bounds
from .core import unknown_asset
from .covers import CoverCalls

__all__ = ["AssetCalls"]

#: Bytes.
_MAX_TITLE: Final = 1024
_MAX_TEXT: Final = 64 * 1024
#: Seconds that a call waits for others.
_PATIENCE: Final = 10.0


class AssetCalls(CoverCalls):
    """Videos and what is said of them."""

    def register(
        self, tenant: str, new: NewAsset, via: Via = HERE, *, anew: bool = False
    ) -> tuple[Asset, bool]:
        """Take a video in: an asset, looked at at once in the background.

        The second value is false when the tenant has an asset of that source already; then that
        one is given back (and looked at again, if its source could not be used), unless one is
        to be made ``anew``.
        Raises :class:`SourceRefused`, :class:`CoverRefused`, :class:`InvalidField`,
        :class:`QueueFull`.
        """
        if new.source is None:
            raise InvalidField.of("source", None, "must be given", "missing")
        check_source(new.source, self.settings)
        asset = self._new_asset(tenant, new, via, "arrived")
        if anew:
            self._add(asset, via, self._ingest(asset))
            return asset, True
        # Or two calls at once would make two assets of one source (those of two hosts still can).
        if not self.registering.acquire(timeout=_PATIENCE):
            raise ServiceUnavailable("too many assets are being registered")
        try:
            known = self.database.asset_by_source(tenant, new.source)
            if known is not None:
                return self._tried_again(known), False
            self._add(asset, via, self._ingest(asset))
            return asset, True
        finally:
            self.registering.release()

    def create_upload(self, tenant: str, new: NewAsset, via: Via = HERE) -> Asset:
        """An asset whose video will be uploaded."""
        asset = self._new_asset(tenant, new, via, "awaited")
        self._add(asset, via, None)
        return asset

    def receive_upload(self, tenant: str, asset_id: str, file: Path) -> Asset:
        """Take the video of an awaited asset: ``file`` is moved, whole or not at all.

        Raises :class:`UnknownAsset`, :class:`WrongStatus` when it has come already.
        """
        asset = self.asset(tenant, asset_id)
        _expect_awaited(asset)
        self.uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = self.uploads / asset_id

        def arrive(asset: Asset) -> Asset:
            _expect_awaited(asset)
            os.replace(file, kept)
            return replace(asset, status="arrived", source=str(kept), modified=now())

        changed = self.database.change_asset(tenant, asset_id, arrive, job=self._ingest(asset))
        if changed is None:
            raise unknown_asset(asset_id)
        self.notify()
        return changed[1]

    def asset_by_reference(self, tenant: str, reference_id: str) -> Asset:
        """The asset that the caller gave this id. Raises :class:`UnknownAsset`."""
        asset = self.database.asset_by_reference(tenant, reference_id)
        if asset is None:
            raise unknown_asset(reference_id)
        return asset

    def assets(self, tenant: str, *, offset: int = 0, limit: int = 100) -> tuple[int, list[Asset]]:
        """How many there are, and those from ``offset`` on, newest first."""
        return self.database.assets(tenant, offset=offset, limit=limit)

    def update(self, tenant: str, id: str, changes: AssetChanges, via: Via = HERE) -> Asset:
        """Change what is said of an asset, and its cover.

        ``cover_url`` may be a link to one of the tenant's own pictures or any other address; that
        one is fetched and checked, and where its server does not answer it is kept unchecked.
        Raises :class:`UnknownAsset`, :class:`CoverRefused`, :class:`InvalidField`.
        """
        self.asset(tenant, id)
        _check_texts(changes.title, changes.description, changes.user_data, changes.tags)
        cover = None
        if changes.cover_url is not None:
            cover = self._given_cover(tenant, id, changes.cover_url, via)
        given = {
            name: value
            for name in ("title", "description", "tags", "category", "user_data")
            if (value := getattr(changes, name)) is not None
        }
        return self._change(tenant, id, lambda asset: replace(asset, **given), via, cover)

    def delete(self, tenant: str, id: str, via: Via = HERE) -> None:
        """Remove an asset with all that belongs to it; its jobs end. Raises
        :class:`UnknownAsset`."""
        asset = self.asset(tenant, id)
        event = Event(
            kind="asset_deleted", time=now(), asset=asset, via=via,
            cover_path=self.cover_path(asset),
        )  # fmt: skip
        if not self.database.delete_asset(tenant, id, self.messages(event)):
            raise unknown_asset(id)
        self.notify()
        self.clear_garbage()

    def _new_asset(
        self, tenant: str, new: NewAsset, via: Via, status: Literal["awaited", "arrived"]
    ) -> Asset:
        _check_texts(new.title, new.description, new.user_data, new.tags)
        if new.reference_id is not None:
            check_reference_id(new.reference_id)
        if new.cover_url is not None:
            check_url(new.cover_url)
        at = now()
        return Asset(
            id=new_id(),
            tenant=tenant,
            title=new.title,
            status=status,
            source=new.source,
            description=new.description,
            tags=new.tags,
            category=new.category,
            user_data=new.user_data,
            reference_id=new.reference_id,
            file_name=new.file_name,
            cover=None if new.cover_url is None else Cover(origin="external", url=new.cover_url),
            plan=IngestRequest(
                cover_choice=self._cover_choice(new, via),
                cover_url=new.cover_url,
                own_cover=new.own_cover,
                thumbnails=new.thumbnails,
            ),
            via=via,
            created=at,
            modified=at,
        )

    def _tried_again(self, asset: Asset) -> Asset:
        """A known asset; one whose source could not be used is looked at once more."""
        if asset.status != "failed":
            return asset

        def begin(asset: Asset) -> Asset:
            return replace(asset, status="arrived", failure=None, modified=now())

        changed = self.database.change_asset(asset.tenant, asset.id, begin, job=self._ingest(asset))
        self.notify()
        return asset if changed is None else changed[1]

    def _ingest(self, asset: Asset) -> Job:
        return self._job(asset, "ingest", asset.plan, asset.via)

    def _cover_choice(self, new: NewAsset, via: Via) -> CoverChoice:
        if new.cover_choice is not None:
            return new.cover_choice
        return via.cover_choice if self.settings.cover == "vendor" else self.settings.cover

    def _add(self, asset: Asset, via: Via, job: Job | None) -> None:
        event = Event(kind="asset_changed", time=now(), asset=asset, via=via)
        bounds = Bounds(self.settings.queue, self.settings.tenant_queue)
        self.database.add_asset(asset, job=job, bounds=bounds, messages=self.messages(event))
        self.notify()


def _expect_awaited(asset: Asset) -> None:
    if asset.status != "awaited":
        raise WrongStatus(
            "the asset's video is there already", stage="request", id=asset.id, status=asset.status
        )


def _check_texts(
    title: str | None, description: str | None, user_data: str | None, tags: Sequence[str] | None
) -> None:
    if title is not None:
        text("title", title, _MAX_TITLE)
    for name, value in (("description", description), ("user_data", user_data)):
        if value is not None:
            text(name, value, _MAX_TEXT)
    for tag in tags or ():
        text("tags", tag, _MAX_TITLE)
