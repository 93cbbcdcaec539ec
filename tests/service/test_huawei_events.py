"""Huawei's events: which one goes out for what, what it says, how it is signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from snapengine.service.domain.records import (
    CallbackMessage,
    CallbackSettings,
    Cover,
    Event,
    Failure,
    IngestRequest,
    Job,
    SmartCoverRequest,
)
from snapengine.service.domain.requests import ThumbnailRequest
from tests.service.huawei_kit import BASE, KEY, OTHER
from tests.service.huawei_recorder import ASSET, AT, ID, JOB, Recorder, dialect, picture

URL = "http://receiver.test/events?a=1,b=2"
COVER = f"asset/{ID}/cover/Cover0.jpg"
EVERY, DOTS = ThumbnailRequest(rule="every"), ThumbnailRequest(rule="at", at=(Fraction(5),))
COUNT = ThumbnailRequest(rule="count", count=2)


def event_of(job: Job, **changes: Any) -> Event:
    via = dialect(Recorder()).via(BASE)
    pictures = (picture(2, "5_2"), picture(1, "0"))  # by number, whatever order they come in
    head = replace(picture(1, "1"), kind="cover", path=COVER, time=Fraction(7, 2))
    given = {"asset": ASSET, "job": job, "via": via, "cover_path": COVER}
    given["pictures"] = pictures if job.kind == "thumbnails" else (head,)
    return Event(kind="job_done", time=AT, **{**given, **changes})


def said(event: Event, settings: CallbackSettings | None = None, **set: Any) -> Any:
    """What the one message of an event says; ``None`` if there is none."""
    drafts = dialect(Recorder(**{"huawei_callback_url": URL, **set})).drafts(event, settings)
    if not drafts:
        return None
    (draft,) = drafts
    outer = json.loads(draft.body)
    assert list(outer) == ["message"]
    assert isinstance(outer["message"], str)
    return json.loads(outer["message"])


def ingest(status: Any = "succeeded", **request: Any) -> Job:
    failure = Failure(code="corrupt", message="nothing to see") if status == "failed" else None
    return replace(
        JOB, kind="ingest", request=IngestRequest(**request), status=status, failure=failure
    )


def test_a_new_assets_own_cover() -> None:
    assert said(event_of(ingest())) == {
        "event_type": "coverComplete",
        "cover_info": {
            "status": "SUCCEED",
            "title": "Avatar 阿凡达",
            "asset_id": ID,
            "cover_type": "HEAD_FRAME_COVER",
            "cover_urls": [{"offset": 3, "url": f"{BASE}/files/{COVER}"}],
        },
    }


def test_a_new_asset_that_cannot_be_used() -> None:
    assert said(event_of(ingest("failed"), cover_path=None)) == {
        "event_type": "coverComplete",
        "cover_info": {
            "status": "FAILED",
            "title": "Avatar 阿凡达",
            "asset_id": ID,
            "cover_type": "HEAD_FRAME_COVER",
            "error_code": "VOD.10013",
            "error_msg": "The cover could not be generated. (nothing to see)",
        },
    }


@pytest.mark.parametrize(
    ("request_", "list_"), [(EVERY, "sample"), (DOTS, "dots"), (COUNT, "quantity")]
)
def test_thumbnails(request_: ThumbnailRequest, list_: str) -> None:
    shown = [
        {"offset": 0, "url": f"{BASE}/files/asset/{ID}/snapshot/sample/0.jpg"},
        {"offset": 5, "url": f"{BASE}/files/asset/{ID}/snapshot/sample/5_2.jpg"},
    ]
    assert said(event_of(replace(JOB, request=request_))) == {
        "event_type": "thumbnailComplete",
        "thumbnail_info": {
            "asset_id": ID, "status": "SUCCEED", "sample": [], "dots": [], list_: shown,
        },
    }  # fmt: skip


def test_thumbnails_that_failed() -> None:
    job = replace(JOB, status="failed", failure=Failure(code="x", message="no frame at 9 s"))
    assert said(event_of(job)) == {
        "event_type": "thumbnailComplete",
        "thumbnail_info": {
            "asset_id": ID, "status": "FAILED", "error_code": "VOD.10104",
            "error_msg": "The snapshot task failed. (no frame at 9 s)",
        },
    }  # fmt: skip


def kinds(*words: str) -> CallbackSettings:
    return CallbackSettings(
        tenant=KEY.project_id, dialect="huawei", url=URL, events=frozenset(words)
    )


BOTH = kinds("coverComplete", "thumbnailComplete")


@pytest.mark.parametrize(
    ("job", "settings", "expected"),
    [
        # With thumbnails asked for, their event is the only one ...
        (ingest(thumbnails=DOTS), None, None),
        (ingest(thumbnails=DOTS), BOTH, None),
        (ingest("failed", thumbnails=DOTS), None, "thumbnailComplete"),
        # ... unless nobody wants that one.
        (ingest(thumbnails=DOTS), kinds("coverComplete"), "coverComplete"),
        (ingest("failed", thumbnails=DOTS), kinds("coverComplete"), "coverComplete"),
        (ingest(), kinds("thumbnailComplete"), None),
        (JOB, kinds("coverComplete"), None),
        (JOB, kinds(), None),
        # Nothing is told of covers that a call brought, nor of what was given up.
        (ingest(own_cover=False), None, None),
        (ingest("failed", own_cover=False), None, None),
        (ingest(cover_url="http://h/c.jpg"), None, None),
        (ingest("cancelled"), None, None),
        (replace(JOB, status="cancelled"), None, None),
        # No event is documented for the others.
        (replace(JOB, kind="smart_cover", request=SmartCoverRequest()), None, None),
    ],
)
def test_which_event_goes_out(
    job: Job, settings: CallbackSettings | None, expected: str | None
) -> None:
    found = said(event_of(job), settings)
    assert (None if found is None else found["event_type"]) == expected


def test_a_cover_that_was_set_meanwhile_is_not_told_of() -> None:
    asset = replace(ASSET, cover=Cover(origin="picture", picture_id="x"))
    assert said(event_of(ingest(), asset=asset)) is None
    assert said(event_of(ingest(), asset=replace(ASSET, cover=None), cover_path=None))[
        "cover_info"
    ]["status"] == "FAILED"  # fmt: skip


def test_changes_and_removals_are_not_told_of() -> None:
    for kind in ("asset_changed", "asset_deleted"):
        assert said(replace(event_of(ingest()), kind=kind, job=None)) is None  # type: ignore[arg-type]


def test_where_events_go() -> None:
    event = event_of(ingest())
    assert said(event, huawei_callback_url="") is None

    def url(targets: str, settings: CallbackSettings | None = None) -> str | None:
        service = Recorder(huawei_callback_url=targets, huawei_callback_key="k1")
        drafts = dialect(service).drafts(event, settings)
        return drafts[0].url if drafts else None

    both = f"{OTHER.project_id}=http://two.test/x, {KEY.project_id}={URL}"
    assert url(URL) == URL
    assert url(both) == URL
    assert url(f"{OTHER.project_id}=http://two.test/") is None
    own = replace(BOTH, url="http://own.test/", key="k2")
    assert url(URL, own) == "http://own.test/"
    service = Recorder(huawei_callback_url=URL, huawei_callback_key="k1")
    assert [draft.key for draft in dialect(service).drafts(event, None)] == ["k1"]
    assert [draft.key for draft in dialect(service).drafts(event, own)] == ["k2"]


def test_messages_are_signed_as_they_are_sent() -> None:
    (draft,) = dialect(Recorder(huawei_callback_url=URL)).drafts(event_of(ingest()), None)
    message = CallbackMessage(
        id="m", tenant=KEY.project_id, dialect="huawei", url=draft.url, body=draft.body,
        content_type=draft.content_type, key="key of é", created=AT, due=AT,
    )  # fmt: skip
    found = dialect(Recorder()).signing_headers(message, 1_519_375_990.7)
    text = json.loads(draft.body.decode("utf-8"))["message"]
    signed = hmac.new("key of é".encode(), f"VOD_1519375990_{text}".encode(), hashlib.sha256)
    assert found == {"auth_timestamp": "1519375990", "auth_sign": signed.hexdigest()}
    assert dialect(Recorder()).signing_headers(replace(message, key=None), 1.0) == {}
