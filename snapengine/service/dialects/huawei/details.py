"""What is known of assets: one in detail, or many in a list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ...domain.failures import UnknownAsset
from ...domain.records import Asset, Facts, Via
from ...domain.times import whole_duration
from .calls import Call, Reply
from .faults import Refused, illegal
from .naming import codec_name, last_name, media_type, stamp
from .reading import asset_id
from .thumbnails import status_of, thumbnail_info

if TYPE_CHECKING:
    from ...facade import Service

__all__ = ["details", "listing"]

_CATEGORIES: Final = ("base_info", "transcode_info", "thumbnail_info", "review_info")
_STATUS: Final = {
    "awaited": "CREATING", "arrived": "CREATING", "ready": "PUBLISHED", "failed": "FAILED",
}  # fmt: skip
_UNSORTED: Final = -1
_OTHER: Final = "Other"
_STAMP: Final = re.compile(r"[0-9]{14}", re.ASCII)
#: Assets that a list counts, as the vendor's do.
_COUNTED: Final = 20_000
_BATCH: Final = 500


def details(call: Call) -> Reply:
    """``ShowAssetDetail``. There is no transcoding and no review, so there is no information of
    them: the vendor shows it only after they succeeded."""
    wanted = call.query.many("categories", len(_CATEGORIES))
    if not set(wanted) <= set(_CATEGORIES):
        raise Refused(illegal("categories"))
    asset = call.service.asset(call.tenant, asset_id(call.query.required("asset_id")))
    found: dict[str, Any] = {"asset_id": asset.id}
    if not wanted or "base_info" in wanted:
        found["base_info"] = _base_info(call.service, asset, call.via)
    if not wanted or "thumbnail_info" in wanted:
        info = thumbnail_info(call.service, call.tenant, asset.id, call.via)
        if info is not None:
            found["thumbnail_info"] = info
    return Reply(200, found)


def _base_info(service: Service, asset: Asset, via: Via) -> dict[str, Any]:
    info: dict[str, Any] = {
        "title": asset.title,
        "video_name": asset.file_name or _name_in(asset.source) or asset.title,
        "description": asset.description,
        "category_id": _UNSORTED if asset.category is None else asset.category,
        "create_time": stamp(asset.created),
        "last_modified": stamp(asset.modified),
        "video_type": _kind(asset),
        "tags": ",".join(asset.tags),
        "cover_info_array": _covers(service, asset, via),
    }
    if asset.category in (None, _UNSORTED):
        info["category_name"] = _OTHER
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
        "pack_type": _kind(asset),
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


def _covers(service: Service, asset: Asset, via: Via) -> list[dict[str, str]]:
    url = service.cover_url(asset, via)
    return [] if url is None else [{"cover_url": url}]


def _kind(asset: Asset) -> str:
    return media_type(asset.file_name) or media_type(_name_in(asset.source)) or "MP4"


def _name_in(source: str | None) -> str | None:
    if source is None or "://" not in source:  # an upload's path is nobody's business
        return None
    return last_name(source) or None


# -- lists ----------------------------------------------------------------------------------


def listing(call: Call) -> Reply:
    """``ListAssetList``: assets by what is asked of them, newest first."""
    query = call.query
    page = query.whole("page", 0, _COUNTED, 0)
    size = query.whole("size", 1, 100, 10)
    ids = query.many("asset_id", 10)
    states = frozenset(query.many("status", 16))
    tests = _tests(call)
    oldest_first = (query.text("order") or "desc").lower() in ("asc", "1")
    if not (ids or states or tests or oldest_first):
        total, assets = call.service.assets(call.tenant, offset=page * size, limit=size)
        total = min(total, _COUNTED)
    else:
        found = list(_named(call, ids) if ids else _every(call))
        found = [asset for asset in found if all(test(asset) for test in tests)]
        if states:
            found = [asset for asset in found if states & _states(call, asset)]
        if oldest_first:
            found.reverse()
        total, assets = len(found), found[page * size : (page + 1) * size]
    return Reply(200, {"total": total, "assets": [_summary(call, asset) for asset in assets]})


def _tests(call: Call) -> list[Callable[[Asset], bool]]:
    query = call.query
    tests: list[Callable[[Asset], bool]] = []
    start, end = _time(call, "start_time"), _time(call, "end_time")
    if start is not None:
        tests.append(lambda asset: asset.created >= start)
    if end is not None:
        tests.append(lambda asset: asset.created < end)
    if query.text("category_id") is not None:
        category = query.whole("category_id", -1, 2**31 - 1, -1)
        tests.append(
            lambda asset: (_UNSORTED if asset.category is None else asset.category) == category
        )
    tags = frozenset(query.many("tags", 16))
    if tags:
        tests.append(lambda asset: not tags.isdisjoint(asset.tags))
    kinds = frozenset(kind.upper() for kind in query.many("media_type", 20))
    if kinds:
        tests.append(lambda asset: _kind(asset) in kinds)
    words = query.text("query_string")
    if words is not None:
        folded = words.casefold()
        tests.append(lambda asset: folded in f"{asset.title}\n{asset.description}".casefold())
    return tests


def _time(call: Call, name: str) -> datetime | None:
    value = call.query.text(name)
    if value is None:
        return None
    try:
        if not _STAMP.fullmatch(value):
            raise ValueError(value)
        return datetime.strptime(value, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise Refused(illegal(name)) from None


def _named(call: Call, ids: list[str]) -> Iterator[Asset]:
    for id in ids:
        try:
            yield call.service.asset(call.tenant, asset_id(id))
        except (UnknownAsset, Refused):
            continue


def _every(call: Call) -> Iterator[Asset]:
    for offset in range(0, _COUNTED, _BATCH):
        _, assets = call.service.assets(call.tenant, offset=offset, limit=_BATCH)
        yield from assets
        if len(assets) < _BATCH:
            return


def _states(call: Call, asset: Asset) -> frozenset[str]:
    """All the words that ``status`` may have for an asset."""
    return frozenset(
        (
            _STATUS[asset.status], "UN_TRANSCODE", "UN_REVIEW",
            status_of(call.service, call.tenant, asset.id)[0],
        )
    )  # fmt: skip


def _summary(call: Call, asset: Asset) -> dict[str, Any]:
    facts = asset.facts
    seconds = None if facts is None else facts.duration
    thumbnails, job = status_of(call.service, call.tenant, asset.id)
    said = f"asset_exec_desc:{asset.failure.message if asset.failure else asset.status};"
    if job is not None:
        said += f"thumbnail_exec_desc:{job.failure.message if job.failure else job.status};"
    return {
        "asset_id": asset.id,
        "title": asset.title,
        "description": asset.description,
        "duration": 0 if seconds is None else whole_duration(seconds),
        "duration_ms": 0 if seconds is None else int(seconds * 1000),
        "size": 0 if facts is None or facts.size is None else facts.size,
        "category": _OTHER if asset.category in (None, _UNSORTED) else str(asset.category),
        "covers": _covers(call.service, asset, call.via),
        "create_time": stamp(asset.created),
        "asset_status": _STATUS[asset.status],
        "transcode_status": "UN_TRANSCODE",
        "thumbnail_status": thumbnails,
        "review_status": "UN_REVIEW",
        "exec_desc": said,
        "media_type": _kind(asset),
    }
