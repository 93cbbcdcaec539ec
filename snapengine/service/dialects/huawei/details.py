"""What is known of one asset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...domain.records import Asset, Facts, Via
from ...domain.times import whole_duration
from .calls import Call, Reply
from .faults import Refused, illegal
from .naming import codec_name, last_name, media_type, stamp
from .reading import asset_id
from .thumbnails import thumbnail_info

if TYPE_CHECKING:
    from ...facade import Service

__all__ = ["OTHER", "UNSORTED", "base_info", "covers_of", "details", "kind_of"]

_CATEGORIES: Final = ("base_info", "transcode_info", "thumbnail_info", "review_info")
#: The category of what has none, by the vendor's number and by its name.
UNSORTED: Final = -1
OTHER: Final = "Other"


def details(call: Call) -> Reply:
    """``ShowAssetDetail``. There is no transcoding and no review, so there is no information of
    them: the vendor shows it only after they succeeded."""
    wanted = call.query.many("categories", len(_CATEGORIES))
    if not set(wanted) <= set(_CATEGORIES):
        raise Refused(illegal("categories"))
    asset = call.service.asset(call.tenant, asset_id(call.query.required("asset_id")))
    found: dict[str, Any] = {"asset_id": asset.id}
    if not wanted or "base_info" in wanted:
        found["base_info"] = base_info(call.service, asset, call.via)
    if not wanted or "thumbnail_info" in wanted:
        info = thumbnail_info(call.service, call.tenant, asset.id, call.via)
        if info is not None:
            found["thumbnail_info"] = info
    return Reply(200, found)


def base_info(service: Service, asset: Asset, via: Via) -> dict[str, Any]:
    """``base_info``; ``meta_data`` is in it once the video has been looked at."""
    info: dict[str, Any] = {
        "title": asset.title,
        "video_name": asset.file_name or _name_in(asset.source) or asset.title,
        "description": asset.description,
        "category_id": UNSORTED if asset.category is None else asset.category,
        "create_time": stamp(asset.created),
        "last_modified": stamp(asset.modified),
        "video_type": kind_of(asset),
        "tags": ",".join(asset.tags),
        "cover_info_array": covers_of(service, asset, via),
    }
    if asset.category in (None, UNSORTED):
        info["category_name"] = OTHER
    if asset.source is not None and asset.source.startswith(("http://", "https://")):
        info["video_url"] = asset.source
    if asset.facts is not None:
        info["meta_data"] = _meta_data(asset, asset.facts)
    return info


def _meta_data(asset: Asset, facts: Facts) -> dict[str, Any]:
    """``hight`` is the vendor's own spelling; newer clients read ``height``. What the video does
    not tell is 0, as there."""
    seconds = facts.duration
    return {
        "pack_type": kind_of(asset),
        "codec": codec_name(facts.codec),
        "duration": 0 if seconds is None else whole_duration(seconds),
        "duration_ms": 0 if seconds is None else int(seconds * 1000),
        "video_size": facts.size or 0,
        "width": facts.width,
        "hight": facts.height,
        "height": facts.height,
        "bit_rate": round((facts.bit_rate or 0) / 1000),
        "frame_rate": round(facts.frame_rate or 0),
    }


def covers_of(service: Service, asset: Asset, via: Via) -> list[dict[str, str]]:
    """``cover_info_array``: one cover or none."""
    url = service.cover_url(asset, via)
    return [] if url is None else [{"cover_url": url}]


def kind_of(asset: Asset) -> str:
    """``video_type``, as the file's name tells it."""
    return media_type(asset.file_name) or media_type(_name_in(asset.source)) or "MP4"


def _name_in(source: str | None) -> str | None:
    if source is None or "://" not in source:  # an upload's path is nobody's business
        return None
    return last_name(source) or None
