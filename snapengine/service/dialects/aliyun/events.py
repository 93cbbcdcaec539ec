"""Events as the vendor sends them, and the headers that sign them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ...domain.records import (
    Asset,
    CallbackMessage,
    CallbackSettings,
    Event,
    Failure,
    Job,
    Picture,
    PictureKind,
)
from ...domain.requests import JobNote
from ..base import Draft
from .calls import stamp
from .config import kept_note
from .naming import AI_IMAGE, SNAPSHOT_COUNT
from .why import why_of

__all__ = ["ALL", "drafts", "signing_headers"]

#: In ``EventTypeList``: every event.
ALL: Final = "ALL"

#: Links to a public path.
_Link = Callable[[str], str]
_Body = Mapping[str, object]

_TYPES: Final[dict[PictureKind, str]] = {
    "candidate": "CoverSnapshot",
    "snapshot": "NormalSnapshot",
    "sprite": "SpriteSnapshot",
    "track": "WebVttSnapshot",
}


def drafts(event: Event, settings: CallbackSettings | None, link: _Link) -> Sequence[Draft]:
    """The messages of an event. A job's own address counts only where the tenant has one, and
    wants this event: so the vendor has it."""
    if settings is None:
        return ()
    body = _body(event, link)
    if body is None or not {ALL, str(body["EventType"])} & settings.events:
        return ()
    own = _note(event).callback_url
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return (Draft(url=own or settings.url, body=text, key=settings.key),)


def signing_headers(message: CallbackMessage, now: float) -> dict[str, str]:
    """``X-VOD-TIMESTAMP`` and ``X-VOD-SIGNATURE``, where a key was set."""
    if message.key is None:
        return {}
    moment = str(int(now))
    signed = f"{message.url}|{moment}|{message.key}".encode()
    return {
        "X-VOD-TIMESTAMP": moment,
        "X-VOD-SIGNATURE": hashlib.md5(signed, usedforsecurity=False).hexdigest(),
    }


def _note(event: Event) -> JobNote:
    """What the caller sent along: with the job, or with the asset for what follows by itself."""
    if event.job is not None and event.job.kind != "ingest":
        return event.job.note
    return kept_note(event.asset.user_data)


def _body(event: Event, link: _Link) -> _Body | None:
    if event.kind == "job_done" and event.job is not None:
        if event.job.kind in ("ingest", "snapshots"):
            return _snapshot_complete(event, event.job, link)
        if event.job.kind == "smart_cover":
            return _ai_complete(event, event.job, link)
    if event.kind in ("asset_changed", "asset_deleted"):
        return _media_base_change(event, link)
    return None


def _cover(asset: Asset | None, path: str | None, link: _Link) -> str | None:
    if asset is None or asset.cover is None:
        return None
    if asset.cover.url is not None:
        return asset.cover.url
    return None if path is None else link(path)


# -- jobs -----------------------------------------------------------------------------------


def _head(kind: str, event: Event, failure: Failure | None) -> dict[str, object]:
    return {
        "EventType": kind,
        "EventTime": stamp(event.time),
        "Status": "success" if failure is None else "fail",
    }


def _snapshot_complete(event: Event, job: Job, link: _Link) -> _Body:
    body = _head("SnapshotComplete", event, job.failure)
    body["VideoId"] = event.asset.id
    if job.kind == "snapshots":
        body["SubType"] = "SpecifiedTime"
    if job.failure is not None:
        body.update(why_of(job.failure))
    else:
        cover = _cover(event.asset, event.cover_path, link)
        if cover is not None:
            body["CoverUrl"] = cover
        body["SnapshotInfos"] = _snapshot_infos(event, job, link)
    extend = _note(event).extend
    if extend is not None:
        body["Extend"] = extend
    return body


def _snapshot_infos(event: Event, job: Job, link: _Link) -> list[dict[str, object]]:
    infos: list[dict[str, object]] = []
    for made in event.sets:
        kind = _TYPES.get(made.kind)
        if kind is None:
            continue
        infos.append(
            {
                "Status": "success",
                "SnapshotType": kind,
                "SnapshotCount": made.count,
                "SnapshotFormat": made.pattern.replace("{number}", SNAPSHOT_COUNT),
                "SnapshotRegular": link(made.pattern).replace("{number}", SNAPSHOT_COUNT),
                "JobId": job.id,
            }
        )
    return infos


def _ai_complete(event: Event, job: Job, link: _Link) -> _Body:
    body = _head("AIComplete", event, job.failure)
    body.update({"MediaId": event.asset.id, "JobId": job.id, "Type": AI_IMAGE})
    if job.failure is None:
        body.update({"Code": "Success", "Message": "OK", "Data": _data(event.pictures, link)})
    else:
        why = why_of(job.failure)
        body.update({"Code": why["ErrorCode"], "Message": why["ErrorMessage"]})
    extend = _note(event).extend
    if extend is not None:
        body["Extend"] = extend
    return body


def _data(pictures: Sequence[Picture], link: _Link) -> str:
    return json.dumps([{"Score": p.score, "Url": link(p.path)} for p in pictures])


# -- assets ---------------------------------------------------------------------------------


def _media_base_change(event: Event, link: _Link) -> _Body | None:
    deleted = event.kind == "asset_deleted"
    if deleted:
        old, new = _said(event.asset, event.cover_path, link), {}
        mode = "delete"
    else:
        new = _said(event.asset, event.cover_path, link)
        old = _said(event.before, event.cover_path_before, link)
        mode = "create" if event.before is None else "update"
    content = {
        name: _change(old.get(name), new.get(name))
        for name in ("Title", "Description", "CoverURL", "CateId", "Tags")
        if old.get(name) != new.get(name)
    }
    if not content and mode == "update":
        return None
    return {
        **_head("MediaBaseChangeComplete", event, None),
        "MediaId": event.asset.id,
        "MediaType": "video",
        "OperateMode": mode,
        "MediaContent": content,
    }


def _said(asset: Asset | None, cover_path: str | None, link: _Link) -> dict[str, object]:
    if asset is None:
        return {}
    given = {
        "Title": asset.title or None,
        "Description": asset.description or None,
        "CoverURL": _cover(asset, cover_path, link),
        "CateId": asset.category,
        "Tags": ",".join(asset.tags) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _change(old: object, new: object) -> str:
    """A JSON text, without what there is not: a new value has no old one."""
    given = {"OldValue": old, "NewValue": new}
    return json.dumps(
        {name: value for name, value in given.items() if value is not None}, ensure_ascii=False
    )
