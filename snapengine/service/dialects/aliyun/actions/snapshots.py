"""Snapshots: asking for them, and listing what was made."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from ....domain.failures import UnknownPicture
from ....domain.records import PictureKind, PictureSet
from ....domain.requests import MAX_AT, SnapshotRequest
from .. import config
from ..calls import Action, Call, Reply, stamp
from ..faults import invalid, no_such_resource
from ..naming import SNAPSHOT_COUNT, SNAPSHOT_TYPES
from ..parameters import is_id, whole_of

__all__ = ["SNAPSHOTS", "page_of", "regular"]

_PAGE_SIZE: Final = 20
_MAX_PAGE_SIZE: Final = 100
_MAX_PAGE: Final = 2**31 - 1
#: Seconds that links hold, where they expire.
_AUTH_SECONDS: Final = (3600, 2592000)

_KINDS: Final[dict[str, PictureKind]] = {
    name.lower(): kind for name, kind in SNAPSHOT_TYPES.items()
}


def submit_snapshot_job(call: Call) -> Reply:
    """``SubmitSnapshotJob``. A template takes the place of everything else but the video."""
    given = call.given
    template_id = given.raw("SnapshotTemplateId")
    if template_id:
        asset = call.asset()
        if not is_id(template_id):
            raise no_such_resource(template_id)
        job = call.service.submit_template(call.tenant, asset.id, template_id, call.via)
    else:
        note = config.user_data(given.raw("UserData"))
        request = _request(call)
        job = call.service.submit_snapshots(
            call.tenant, call.asset().id, request, call.via, note=note
        )
    return {"SnapshotJob": {"JobId": job.id}}


def _request(call: Call) -> SnapshotRequest:
    given = call.given
    interval = given.whole("Interval", 0)
    sprite = given.raw("SpriteSnapshotConfig")
    return SnapshotRequest(
        offset=config.milliseconds(given.whole("SpecifiedOffsetTime", 0)) or Fraction(0),
        at=_offsets(call),
        count=given.whole("Count", 1),
        interval=None if interval is None else Fraction(interval),
        width=given.whole("Width", 0),
        height=given.whole("Height", 0),
        sprite=config.sprite_request(sprite) if sprite else None,
    )


def _offsets(call: Call) -> tuple[Fraction, ...]:
    name = "SpecifiedOffsetTimes"
    text = call.given.raw(name)
    values: object = config.read_json(name, text) if text else call.given.numbered(name)
    if not isinstance(values, list):
        values = [whole_of(name, values, 0)]
    return config.offsets_of(name, values, MAX_AT)


def page_of(call: Call, size: int = _PAGE_SIZE) -> tuple[int, int]:
    """Offset and limit of the page asked for."""
    number = call.given.whole("PageNo", 1, _MAX_PAGE) or 1
    limit = call.given.whole("PageSize", 1, _MAX_PAGE_SIZE) or size
    return (number - 1) * limit, limit


def _link_seconds(call: Call) -> int:
    least, most = _AUTH_SECONDS
    seconds = call.given.whole("AuthTimeout", 0)
    if seconds is None:
        return least
    if seconds > most:
        raise invalid("AuthTimeout")
    return max(seconds, least)  # as its page says of less


def regular(pattern: str) -> str:
    """A pattern of ours in the vendor's writing."""
    return pattern.replace("{number}", SNAPSHOT_COUNT)


def list_snapshots(call: Call) -> Reply:
    """``ListSnapshots``: of the last job that made this kind."""
    kind = call.given.word("SnapshotType", _KINDS, "CoverSnapshot")
    offset, limit = page_of(call)
    seconds = _link_seconds(call)
    asset = call.usable()
    found = call.service.latest(call.tenant, asset.id, kind)
    if found is None:
        asked = call.given.raw("SnapshotType") or "CoverSnapshot"
        raise UnknownPicture("no such pictures yet", id=asked)
    return {"MediaSnapshot": _media_snapshot(call, found, offset, limit, seconds)}


def _media_snapshot(call: Call, found: PictureSet, offset: int, limit: int, seconds: int) -> Reply:
    pictures = []
    if offset < found.count:
        pictures = call.service.pictures(found, offset=offset, limit=limit)
    return {
        "Total": found.count,
        "Regular": regular(call.service.link(found.pattern, call.via, seconds=seconds)),
        "CreationTime": stamp(found.created),
        "JobId": found.job_id or "",
        "Snapshots": {
            "Snapshot": [
                {
                    "Index": picture.number,
                    "Url": call.service.link(picture.path, call.via, seconds=seconds),
                }
                for picture in pictures
            ]
        },
    }


SNAPSHOTS: Final = {
    "SubmitSnapshotJob": Action(submit_snapshot_job, ("VideoId|ReferenceId",)),
    "ListSnapshots": Action(list_snapshots, ("VideoId",)),
}
