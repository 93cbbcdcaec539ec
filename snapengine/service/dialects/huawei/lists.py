"""Assets in lists, by what is asked of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ...domain.failures import UnknownAsset
from ...domain.records import Asset, AssetStatus
from ...domain.times import whole_duration
from .calls import Call, Reply
from .details import OTHER, UNSORTED, base_info, covers_of, kind_of
from .faults import Refused, illegal
from .naming import stamp
from .reading import asset_id
from .thumbnails import status_of

__all__ = ["listing", "metas"]

_Test = Callable[[Asset], bool]

_STATUS: Final[dict[AssetStatus, str]] = {
    "awaited": "CREATING",
    "arrived": "CREATING",
    "ready": "PUBLISHED",
    "failed": "FAILED",
}
#: The same in the older call's words.
_META_STATUS: Final[dict[AssetStatus, str]] = {**_STATUS, "failed": "SERVER_ERROR"}
_STAMP: Final = re.compile(r"[0-9]{14}", re.ASCII)
#: Assets that a list counts, as the vendor's do.
_COUNTED: Final = 20_000
_BATCH: Final = 500


def listing(call: Call) -> Reply:
    """``ListAssetList``: assets by what is asked of them, newest first."""
    states = frozenset(call.query.many("status", 16))
    oldest_first = (call.query.text("order") or "desc").lower() in ("asc", "1")
    total, assets = _chosen(
        call, [lambda asset: bool(states & _states(call, asset))] if states else [], oldest_first
    )
    return Reply(200, {"total": total, "assets": [_summary(call, asset) for asset in assets]})


def metas(call: Call) -> Reply:
    """``ShowAssetMeta``: the same in its older form, without thumbnails."""
    query = call.query
    states = frozenset(query.many("status", 16))
    published = frozenset(query.many("assetStatus", 16))
    transcoded = frozenset(query.many("transcodeStatus", 16))
    tests: list[_Test] = []
    if states:
        tests.append(lambda asset: _META_STATUS[asset.status] in states)
    if published:
        tests.append(lambda asset: _STATUS[asset.status] in published)
    if transcoded:
        tests.append(lambda _: "UN_TRANSCODE" in transcoded)
    total, assets = _chosen(call, tests)
    through = query.whole("page", 0, _COUNTED, 0) * query.whole("size", 1, 100, 10) + len(assets)
    found = [
        {
            "asset_id": asset.id,
            "status": _META_STATUS[asset.status],
            "description": asset.failure.message if asset.failure else "",
            "is_multi_transcode": False,
            "base_info": base_info(call.service, asset, call.via),
            "play_info_array": [],
        }
        for asset in assets
    ]
    return Reply(
        200, {"asset_info_array": found, "is_truncated": int(through < total), "total": total}
    )


def _chosen(
    call: Call, more: Sequence[_Test], oldest_first: bool = False
) -> tuple[int, list[Asset]]:
    """How many assets there are of what the query asks for and ``more`` lets through, and one
    page of them."""
    query = call.query
    page = query.whole("page", 0, _COUNTED, 0)
    size = query.whole("size", 1, 100, 10)
    ids = query.many("asset_id", 10)
    tests = [*_tests(call), *more]
    if not (ids or tests or oldest_first):
        total, assets = call.service.assets(call.tenant, offset=page * size, limit=size)
        return min(total, _COUNTED), assets
    found = list(_named(call, ids) if ids else _every(call))
    found = [asset for asset in found if all(test(asset) for test in tests)]
    if oldest_first:
        found.reverse()
    return len(found), found[page * size : (page + 1) * size]


def _tests(call: Call) -> list[_Test]:
    query = call.query
    tests: list[_Test] = []
    start, end = _time(call, "start_time"), _time(call, "end_time")
    if start is not None:
        tests.append(lambda asset: asset.created >= start)
    if end is not None:
        tests.append(lambda asset: asset.created < end)
    if query.text("category_id") is not None:
        category = query.whole("category_id", -1, 2**31 - 1, -1)
        tests.append(
            lambda asset: (UNSORTED if asset.category is None else asset.category) == category
        )
    tags = frozenset(query.many("tags", 16))
    if tags:
        tests.append(lambda asset: not tags.isdisjoint(asset.tags))
    kinds = frozenset(kind.upper() for kind in query.many("media_type", 20))
    if kinds:
        tests.append(lambda asset: kind_of(asset) in kinds)
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
        "category": OTHER if asset.category in (None, UNSORTED) else str(asset.category),
        "covers": covers_of(call.service, asset, call.via),
        "create_time": stamp(asset.created),
        "asset_status": _STATUS[asset.status],
        "transcode_status": "UN_TRANSCODE",
        "thumbnail_status": thumbnails,
        "review_status": "UN_REVIEW",
        "exec_desc": said,
        "media_type": kind_of(asset),
    }
