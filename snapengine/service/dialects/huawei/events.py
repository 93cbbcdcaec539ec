"""Events: what became of a new asset's own cover, and of thumbnails.

One message for each thing that a caller waits for: when a new asset is to get thumbnails, its cover
comes from them, and only their event is sent. ``coverComplete`` tells of covers that were made
because nobody gave one, so not of those that a call has set.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ....errors import InvalidOption
from ...domain.records import (
    CallbackMessage,
    CallbackSettings,
    Event,
    Failure,
    IngestRequest,
    Job,
    Picture,
)
from ...domain.requests import ThumbnailRequest
from ..base import Draft
from .faults import HEAD_COVER, SNAPSHOT, Fault
from .thumbnails import LISTS, shown

if TYPE_CHECKING:
    from ...facade import Service

__all__ = ["COVER", "THUMBNAIL", "Targets", "drafts", "signing_headers"]

COVER: Final = "coverComplete"
THUMBNAIL: Final = "thumbnailComplete"
_BOTH: Final = frozenset((COVER, THUMBNAIL))
_URL: Final = re.compile(r"https?://\S+", re.IGNORECASE)
#: A comma may be part of a URL: only one before another project's ends it.
_NEXT: Final = re.compile(r",\s*(?=[A-Za-z0-9_-]{1,64}=https?://)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Targets:
    """Where events go: ``everybody``'s, or those of one project."""

    everybody: str | None
    projects: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Targets:
        """A URL, or ``project_id=url,...``. Raises :class:`InvalidOption`."""
        text = text.strip()
        if not text:
            return cls(None, {})
        if _URL.fullmatch(text):
            return cls(text, {})
        projects = {}
        for part in _NEXT.split(text):
            project, _, url = part.strip().partition("=")
            if not project or not _URL.fullmatch(url):
                raise InvalidOption(
                    "huawei_callback_url must be a URL, or project_id=url[,project_id=url...]"
                )
            projects[project] = url
        return cls(None, projects)

    def of(self, project: str) -> str | None:
        return self.projects.get(project, self.everybody)


def drafts(
    service: Service, targets: Targets, event: Event, settings: CallbackSettings | None
) -> Sequence[Draft]:
    """The message of an event, if it is one that the vendor sends and somebody wants it."""
    if settings is not None:
        url, key, wanted = settings.url, settings.key, settings.events & _BOTH
    else:
        url = targets.of(event.asset.tenant) or ""
        key, wanted = service.settings.huawei_callback_key or None, _BOTH
    if event.kind != "job_done" or event.job is None or not url:
        return ()
    message = _message(service, event, event.job, wanted)
    if message is None:
        return ()
    body = json.dumps({"message": _compact(message)}, ensure_ascii=False)
    return (Draft(url=url, body=body.encode("utf-8"), key=key),)


def signing_headers(message: CallbackMessage, now: float) -> dict[str, str]:
    """``auth_timestamp`` and ``auth_sign``, when a key is set."""
    if message.key is None:
        return {}
    text = json.loads(message.body)["message"]
    stamp = str(int(now))
    signed = hmac.digest(message.key.encode(), f"VOD_{stamp}_{text}".encode(), hashlib.sha256)
    return {"auth_timestamp": stamp, "auth_sign": signed.hex()}


def _compact(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _message(
    service: Service, event: Event, job: Job, wanted: frozenset[str]
) -> dict[str, Any] | None:
    done = job.status == "succeeded"
    if job.status == "cancelled":
        return None
    request = job.request
    if isinstance(request, ThumbnailRequest):
        return _thumbnails(service, event, job, request) if THUMBNAIL in wanted else None
    if not isinstance(request, IngestRequest):
        return None
    if request.thumbnails is not None and THUMBNAIL in wanted:
        # Their own event follows, unless there is nothing to make them of.
        return None if done else _thumbnails(service, event, job, request.thumbnails)
    if COVER not in wanted or not request.own_cover or request.cover_url is not None:
        return None
    cover = event.asset.cover
    if done and cover is not None and cover.origin != "auto":  # set by a call meanwhile
        return None
    return _cover(service, event, job.failure if not done else _no_cover(event))


def _no_cover(event: Event) -> Failure | None:
    """A failure where the asset came and no picture of it could be its cover."""
    return None if event.asset.cover is not None else Failure(code="", message=HEAD_COVER.message)


def _cover(service: Service, event: Event, failure: Failure | None) -> dict[str, Any]:
    info: dict[str, Any] = {
        "status": "SUCCEED" if failure is None else "FAILED",
        "title": event.asset.title,
        "asset_id": event.asset.id,
        "cover_type": "HEAD_FRAME_COVER",
    }
    if failure is not None:
        info |= _why(HEAD_COVER, failure)
    elif event.cover_path is not None:
        shows = [p.time for p in event.pictures if p.path == event.cover_path]
        offset = int(shows[0]) if shows and shows[0] is not None else 0
        info["cover_urls"] = [{"offset": offset, "url": service.link(event.cover_path, event.via)}]
    return {"event_type": COVER, "cover_info": info}


def _thumbnails(
    service: Service, event: Event, job: Job, request: ThumbnailRequest
) -> dict[str, Any]:
    info: dict[str, Any] = {"asset_id": event.asset.id, "status": "SUCCEED"}
    if job.status == "succeeded":
        lists: dict[str, list[dict[str, Any]]] = {"sample": [], "dots": []}
        lists[LISTS[request.rule]] = shown(service, _made(event), event.via)
        info |= lists
    else:
        info["status"] = "FAILED"
        info |= _why(SNAPSHOT, job.failure)
    return {"event_type": THUMBNAIL, "thumbnail_info": info}


def _made(event: Event) -> list[Picture]:
    made = [picture for picture in event.pictures if picture.kind == "thumbnail"]
    return sorted(made, key=lambda picture: picture.number)


def _why(fault: Fault, failure: Failure | None) -> dict[str, str]:
    said = fault.message
    if failure is not None and failure.message and failure.message != said:
        said = f"{said} ({failure.message})"
    return {"error_code": fault.code, "error_msg": said}
