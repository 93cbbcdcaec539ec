"""Videos: what is known of them, changing it, letting them go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ....domain.failures import UnknownAsset
from ....domain.records import Asset, AssetChanges
from .. import config
from ..calls import Action, Call, Reply
from ..faults import invalid, missing, no_such_video
from ..parameters import is_id
from ..replies import Value
from ..shapes import changes_of, cover_snapshots, member, video_info, video_status
from .snapshots import page_of

__all__ = ["VIDEOS"]

#: Videos that one call may name.
_MOST: Final = 20
#: Videos that a search looks at, newest first; the vendor's looks no further either.
_SEARCHED: Final = 5000
_PAGE_SIZE: Final = 10
_STEP: Final = 500
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_SORTS: Final = {"creationtime:desc": False, "creationtime:asc": True}


# -- one ------------------------------------------------------------------------------------


def get(call: Call) -> Reply:
    """``GetVideoInfo``."""
    asset = call.asset()
    pictures = cover_snapshots(call, asset)
    return {"Video": {**video_info(call, asset), "Snapshots": {"Snapshot": pictures}}}


def update(call: Call) -> Reply:
    """``UpdateVideoInfo``: what is not given stays."""
    changes = changes_of(call.given)
    call.service.update(call.tenant, call.asset().id, changes, call.via)
    return {}


# -- several --------------------------------------------------------------------------------


def _found(call: Call, id: str, reference: bool) -> Asset | None:
    try:
        if not is_id(id):
            return None
        if reference:
            return call.service.asset_by_reference(call.tenant, id)
        return call.service.asset(call.tenant, id)
    except UnknownAsset:
        return None


class _Named:
    """Assets of a call that names several; those that are not there are remembered."""

    def __init__(self, call: Call) -> None:
        ids = call.given.ids("VideoIds", _MOST)
        references = call.given.ids("ReferenceIds", _MOST)
        if not ids and not references:
            raise missing("VideoIds")
        self.no_ids: list[str] = []
        self.no_references: list[str] = []
        self.assets: dict[str, Asset] = {}
        for named, reference, absent in (
            (ids, False, self.no_ids),
            (references, True, self.no_references),
        ):
            for id in named:
                asset = _found(call, id, reference)
                if asset is None:
                    absent.append(id[:128])
                else:
                    self.assets[asset.id] = asset

    @property
    def absent(self) -> dict[str, Value]:
        return {"NonExistVideoIds": self.no_ids, "NonExistReferenceIds": self.no_references}


def get_several(call: Call) -> Reply:
    """``GetVideoInfos``."""
    named = _Named(call)
    videos: list[Value] = [
        {**video_info(call, asset), "Snapshots": cover_snapshots(call, asset)}
        for asset in named.assets.values()
    ]
    return {"VideoList": videos, **named.absent}


def delete(call: Call) -> Reply:
    """``DeleteVideo``. Where none of them is there, that is an error."""
    named = _Named(call)
    gone = 0
    for id in named.assets:
        try:
            call.service.delete(call.tenant, id, call.via)
            gone += 1
        except UnknownAsset:  # somebody else was faster
            named.no_ids.append(id)
    if not gone:
        raise no_such_video()
    return {**named.absent, "ForbiddenVideoIds": []}


def update_several(call: Call) -> Reply:
    """``UpdateVideoInfos``. All of it is read before anything is changed."""
    text = call.given.required("UpdateContent", 256 * 1024)
    items = config.items_of("UpdateContent", text, _MOST)
    if not items:
        raise missing("UpdateContent")
    read = [(*_identity(item), changes_of(item)) for item in items]
    no_ids: list[str] = []
    no_references: list[str] = []
    for id, reference, changes in read:
        if not _update(call, id, reference, changes):
            (no_references if reference else no_ids).append(id[:128])
    return {
        "NonExistVideoIds": no_ids,
        "ForbiddenVideoIds": [],
        "NonExistReferenceIds": no_references,
    }


def _identity(item: Mapping[str, Any]) -> tuple[str, bool]:
    get = member(item)
    for name, reference in (("VideoId", False), ("ReferenceId", True)):
        value = get(name)
        if value not in (None, ""):
            if not isinstance(value, str):
                raise invalid(name)
            return value, reference
    raise missing("VideoId")


def _update(call: Call, id: str, reference: bool, changes: AssetChanges) -> bool:
    asset = _found(call, id, reference)
    if asset is None:
        return False
    try:
        call.service.update(call.tenant, asset.id, changes, call.via)
    except UnknownAsset:
        return False
    return True


# -- all ------------------------------------------------------------------------------------


def listed(call: Call) -> Reply:
    """``GetVideoList``, newest first unless told otherwise."""
    given = call.given
    offset, limit = page_of(call, _PAGE_SIZE)
    oldest_first = given.word("SortBy", _SORTS, "creationtime:desc")
    statuses = given.ids("Status", _MOST)
    category = given.whole("CateId", -1)
    since, until = _time(call, "StartTime"), _time(call, "EndTime")
    if statuses or category is not None or since or until or oldest_first:
        found = [
            asset
            for asset in _all(call)
            if (not statuses or video_status(asset) in statuses)
            and (category is None or asset.category == category)
            and (since is None or asset.created >= since)
            and (until is None or asset.created <= until)
        ]
        if oldest_first:
            found.reverse()
        total, page = len(found), found[offset : offset + limit]
    else:
        total, page = call.service.assets(call.tenant, offset=offset, limit=limit)
    videos: list[Value] = [
        {**video_info(call, asset), "Snapshots": {"Snapshot": cover_snapshots(call, asset)}}
        for asset in page
    ]
    return {"Total": total, "VideoList": {"Video": videos}}


def _all(call: Call) -> Iterator[Asset]:
    for offset in range(0, _SEARCHED, _STEP):
        _, page = call.service.assets(call.tenant, offset=offset, limit=_STEP)
        yield from page
        if len(page) < _STEP:
            return


def _time(call: Call, name: str) -> datetime | None:
    text = call.given.raw(name)
    if not text:
        return None
    if not _TIME.fullmatch(text):
        raise invalid(name)
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise invalid(name) from None


VIDEOS: Final = {
    "GetVideoInfo": Action(get, ("VideoId|ReferenceId",)),
    "GetVideoInfos": Action(get_several, ("VideoIds|ReferenceIds",)),
    "GetVideoList": Action(listed),
    "UpdateVideoInfo": Action(update, ("VideoId|ReferenceId",)),
    "UpdateVideoInfos": Action(update_several, ("UpdateContent",)),
    "DeleteVideo": Action(delete, ("VideoIds|ReferenceIds",)),
}
