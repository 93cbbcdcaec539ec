"""Covers: one of the thumbnails, or one that is chosen by what it shows."""

from __future__ import annotations

from typing import Final

from ...domain.records import SmartCoverRequest
from .calls import Call, Reply
from .faults import OFFLINE, UNKNOWN, Refused
from .naming import picture_path
from .reading import asset_id

__all__ = ["by_thumbnail", "smart"]

#: Characters.
_MAX_URL: Final = 4096
#: ``Cover0.jpg`` is what clients expect.
_SMART: Final = SmartCoverRequest(format="jpg", count=1, set_cover=True)


def by_thumbnail(call: Call) -> Reply:
    """``UpdateCoverByThumbnail``: the picture at an address becomes its asset's cover."""
    path = picture_path(call.body.text("thumbnailUrl", _MAX_URL))
    if path is None:
        raise Refused(UNKNOWN)
    call.service.set_cover_picture(call.tenant, path, call.via)
    return Reply(204)


def smart(call: Call) -> Reply:
    """The smart cover, which the vendor has taken offline; ``Settings.smart_cover`` says whether
    it answers here. The search runs in the background."""
    if not call.service.settings.smart_cover:
        raise Refused(OFFLINE)
    id = asset_id(call.body.text("asset_id", 64))
    call.service.submit_smart_cover(call.tenant, id, _SMART, call.via)
    return Reply(204)
