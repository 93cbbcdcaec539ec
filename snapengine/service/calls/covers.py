"""Covers: which picture stands for an asset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ...errors import SourceError
from ..covers import CheckedCover, check_cover, check_url, fetch_cover
from ..domain.failures import UnknownPicture
from ..domain.ids import new_id, now
from ..domain.records import (
    HERE,
    Asset,
    CallbackMessage,
    Cover,
    Event,
    MediaType,
    Picture,
    PictureSet,
    Via,
)
from ..naming import (
    blob_name,
    has_fixed_covers,
    is_fixed,
    path_in,
    public_path,
    set_pattern,
    suffix_of,
)
from .core import STORING, Core, unknown_asset

__all__ = ["CoverCalls"]


class _NewCover(NamedTuple):
    """What becomes the cover, its public path, and the picture to be kept for it."""

    cover: Cover
    path: str | None
    kept: tuple[PictureSet, list[Picture]] | None = None


class CoverCalls(Core):
    """Setting and finding covers."""

    def set_cover_picture(self, tenant: str, url: str, via: Via = HERE) -> Asset:
        """Make one of an asset's pictures, named by its link, the asset's cover.

        Raises :class:`UnknownPicture`."""
        picture = self._own_picture(tenant, url)
        if picture is None:
            raise UnknownPicture("there is no such picture", stage="request", id=url[:200])
        cover = self._of_picture(picture, via)
        return self._change(tenant, picture.asset_id, lambda asset: asset, via, cover)

    def set_cover_bytes(self, tenant: str, asset_id: str, data: bytes, via: Via = HERE) -> Asset:
        """Make a file the cover. Raises :class:`CoverRefused`, :class:`UnknownAsset`."""
        self.asset(tenant, asset_id)
        kept = self._keep_checked(tenant, asset_id, check_cover(data), via)
        picture = kept[1][0]
        cover = Cover(origin="upload", picture_id=picture.id)
        return self._change(
            tenant, asset_id, lambda asset: asset, via, _NewCover(cover, picture.path, kept)
        )

    def cover_picture(self, asset: Asset) -> Picture | None:
        """The picture that is kept as its cover."""
        if asset.cover is None or asset.cover.picture_id is None:
            return None
        return self.database.picture(asset.cover.picture_id)

    def picture_at(self, path: str) -> Picture | None:
        """The picture that a public path leads to, now: an address that stays the same for all of
        an asset's covers leads to the one that is set, whichever dialect has set it."""
        picture = self.database.picture_at(path)
        if picture is None or picture.kind != "cover" or not is_fixed(path, picture.asset_id):
            return picture
        asset = self.database.asset(picture.tenant, picture.asset_id)
        return (None if asset is None else self.cover_picture(asset)) or picture

    def cover_path(self, asset: Asset) -> str | None:
        """The public path of the picture that is kept as its cover."""
        picture = self.cover_picture(asset)
        return None if picture is None else picture.path

    def cover_url(self, asset: Asset, via: Via = HERE) -> str | None:
        """Where the cover is: the caller's own address where one was given, else a link."""
        if asset.cover is None:
            return None
        if asset.cover.url is not None:
            return asset.cover.url
        path = self.cover_path(asset)
        return None if path is None else self.link(path, via)

    def _change(
        self,
        tenant: str,
        id: str,
        change: Callable[[Asset], Asset],
        via: Via,
        cover: _NewCover | None = None,
    ) -> Asset:
        """Change an asset and tell of it; all or nothing."""
        settings = self.callback_of(tenant, via)
        old_path = self.cover_path(self.asset(tenant, id))

        def changed_too(asset: Asset) -> Asset:
            after = change(asset)
            return replace(
                after, modified=now(), cover=after.cover if cover is None else cover.cover
            )

        def tell(before: Asset, after: Asset) -> list[CallbackMessage]:
            event = Event(
                kind="asset_changed", time=now(), asset=after, before=before, via=via,
                cover_path=old_path if cover is None else cover.path,
                cover_path_before=old_path,
            )  # fmt: skip
            return self.messages_of(event, settings)

        kept = () if cover is None or cover.kept is None else (cover.kept,)
        changed = self.database.change_asset(tenant, id, changed_too, pictures=kept, messages=tell)
        if changed is None:
            raise unknown_asset(id)
        self.notify()
        return changed[1]

    def _given_cover(self, tenant: str, asset_id: str, url: str, via: Via) -> _NewCover:
        picture = self._own_picture(tenant, url)
        if picture is not None:
            return self._of_picture(picture, via, asset_id)
        check_url(url)
        try:
            with self.fetching.place(tenant):
                checked = fetch_cover(url, self.settings.network)
        except SourceError:
            # The vendors take any address: a server that only players reach is no mistake.
            return _NewCover(Cover(origin="external", url=url), None)
        kept = self._keep_checked(tenant, asset_id, checked, via)
        picture = kept[1][0]
        cover = Cover(origin="external", url=url, picture_id=picture.id)
        return _NewCover(cover, picture.path, kept)

    def _own_picture(self, tenant: str, url: str) -> Picture | None:
        """The tenant's picture that a link leads to, whatever host the caller reached us by."""
        path = path_in(url)
        picture = None if path is None else self.picture_at(path)
        if picture is None or picture.tenant != tenant or picture.media_type == "text/vtt":
            return None
        return picture

    def _keep_checked(
        self, tenant: str, asset_id: str, checked: CheckedCover, via: Via
    ) -> tuple[PictureSet, list[Picture]]:
        size = (checked.width, checked.height)
        return self._keep_cover(tenant, asset_id, checked.data, checked.media_type, size, via)

    def _of_picture(self, picture: Picture, via: Via, asset_id: str | None = None) -> _NewCover:
        """One of the tenant's pictures as the cover of its own asset, or of another one."""
        whose = asset_id or picture.asset_id
        if whose == picture.asset_id and not has_fixed_covers(via.naming):
            return _NewCover(Cover(origin="picture", picture_id=picture.id), picture.path)
        # A copy: it has an address of its own, or must outlive the asset that it was taken from.
        data = self.store.read(picture.blob, 0, picture.size)
        kept = self._keep_cover(
            picture.tenant, whose, data, picture.media_type, (picture.width, picture.height), via
        )
        copy = kept[1][0]
        return _NewCover(Cover(origin="picture", picture_id=copy.id), copy.path, kept)

    def _keep_cover(
        self,
        tenant: str,
        asset_id: str,
        data: bytes,
        media_type: MediaType,
        size: tuple[int | None, int | None],
        via: Via,
    ) -> tuple[PictureSet, list[Picture]]:
        at, made, suffix = now(), new_id(), suffix_of(media_type)
        blob = blob_name(tenant, asset_id, made, f"cover.{suffix}")
        self.database.expect_blobs([blob], at + STORING)
        self.store.put_bytes(blob, data)
        kept = PictureSet(
            id=new_id(), tenant=tenant, asset_id=asset_id, job_id=None, kind="cover",
            pattern=set_pattern(via.naming, "cover", asset_id, made, suffix), count=1,
            created=at,
        )  # fmt: skip
        picture = Picture(
            id=new_id(), set_id=kept.id, tenant=tenant, asset_id=asset_id, kind="cover", number=1,
            name="1", path=public_path(kept.pattern, 1, "1"), blob=blob,
            media_type=media_type, size=len(data), digest=hashlib.sha256(data).hexdigest(),
            width=size[0], height=size[1], created=at,
        )  # fmt: skip
        return kept, [picture]
