"""Events in Alibaba's words, and their signatures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from snapengine.errors import SnapError
from snapengine.service.dialects.aliyun import events
from snapengine.service.dialects.aliyun.naming import NAMING
from snapengine.service.dialects.aliyun.why import why_of
from snapengine.service.domain.records import (
    Asset,
    CallbackMessage,
    CallbackSettings,
    Cover,
    Event,
    Failure,
    IngestRequest,
    Job,
    JobKind,
    Picture,
    PictureKind,
    PictureSet,
    SmartCoverRequest,
    Via,
)
from snapengine.service.domain.requests import JobNote, SnapshotRequest
from tests.service.aliyun_wire import BASE, PROJECT

NOW = datetime(2018, 7, 31, 10, 7, 31, 999999, tzinfo=UTC)
URL = "https://www.example.com/your/callback"
VIDEO, JOB = "2327a6ec24b44844b3a5e2c1b6910000", "990f3820db2948b5b4a13d65d9a40000"
VIA = Via(dialect="aliyun", base_url=BASE, naming=NAMING)
ASSET = Asset(
    id=VIDEO, tenant=PROJECT, title="A", status="ready", source="http://h/v.mp4",
    cover=Cover(origin="auto", picture_id="p"), created=NOW, modified=NOW,
)  # fmt: skip
COVER = f"{VIDEO}/covers/{JOB}-00002.jpg"


def link(path: str) -> str:
    return f"{BASE}/files/{path}"


def settings(*names: str, key: str | None = "Test1234") -> CallbackSettings:
    return CallbackSettings(
        tenant=PROJECT, dialect="aliyun", url=URL, events=frozenset(names), key=key
    )


def job(kind: JobKind = "snapshots", **more: Any) -> Job:
    requests = {
        "snapshots": SnapshotRequest(), "ingest": IngestRequest(),
        "smart_cover": SmartCoverRequest(),
    }  # fmt: skip
    given = {"status": "succeeded", "note": JobNote(), **more}
    return Job(
        id=JOB, tenant=PROJECT, asset_id=VIDEO, kind=kind, request=requests[kind], via=VIA,
        created=NOW, **given,
    )  # fmt: skip


def made(kind: PictureKind, count: int) -> PictureSet:
    pattern = NAMING.pattern(kind).replace("{asset}", VIDEO).replace("{job}", JOB)
    return PictureSet(
        id=kind, tenant=PROJECT, asset_id=VIDEO, job_id=JOB, kind=kind, count=count, created=NOW,
        pattern=pattern.replace("{suffix}", "vtt" if kind == "track" else "jpg"),
    )  # fmt: skip


def sent(event: Event, *names: str) -> dict[str, Any]:
    [draft] = events.drafts(event, settings(*(names or ("ALL",))), link)
    assert draft.content_type == "application/json" and draft.key == "Test1234"
    body = json.loads(draft.body)
    assert body["EventTime"] == "2018-07-31T10:07:31Z"
    return dict(body)


def done(what: Job, *sets: PictureSet, **more: Any) -> Event:
    given = {"asset": ASSET, "cover_path": COVER, **more}
    return Event(kind="job_done", time=NOW, via=VIA, job=what, sets=sets, **given)


def test_a_snapshot_job_that_succeeded() -> None:
    note = JobNote(extend='{"localId":"x"}')
    cells = made("sprite_cell", 2)
    body = sent(done(job(note=note), made("snapshot", 2), made("sprite", 1), cells))
    form = f"{VIDEO}/covers/{JOB}-{{SnapshotCount}}.jpg"
    sheet = f"{VIDEO}/covers/sprite/{JOB}-{{SnapshotCount}}.jpg"
    common = {"Status": "success", "JobId": JOB}
    assert body == {
        "EventType": "SnapshotComplete",
        "EventTime": "2018-07-31T10:07:31Z",
        "VideoId": VIDEO,
        "Status": "success",
        "SubType": "SpecifiedTime",
        "CoverUrl": link(COVER),
        "Extend": '{"localId":"x"}',
        "SnapshotInfos": [
            {**common, "SnapshotType": "NormalSnapshot", "SnapshotCount": 2,
             "SnapshotFormat": form, "SnapshotRegular": link(form)},
            {**common, "SnapshotType": "SpriteSnapshot", "SnapshotCount": 1,
             "SnapshotFormat": sheet, "SnapshotRegular": link(sheet)},
        ],
    }  # fmt: skip


def test_the_pictures_that_come_by_themselves_have_no_sub_type() -> None:
    asset = replace(ASSET, user_data='{"Extend":{"a":1}}')
    body = sent(done(job("ingest"), made("candidate", 8), asset=asset))
    assert "SubType" not in body
    assert [each["SnapshotType"] for each in body["SnapshotInfos"]] == ["CoverSnapshot"]
    assert body["Extend"] == '{"a":1}'


def test_a_cover_of_somebody_elses_is_told_as_it_was_given() -> None:
    asset = replace(ASSET, cover=Cover(origin="external", url="http://other/c d.png"))
    assert sent(done(job("ingest"), asset=asset))["CoverUrl"] == "http://other/c d.png"
    bare = replace(ASSET, cover=None)
    assert "CoverUrl" not in sent(done(job("ingest"), asset=bare, cover_path=None))


def test_a_job_that_failed_says_why() -> None:
    failure = Failure(code="corrupt_media", message="no frame could be decoded")
    body = sent(done(job(status="failed", failure=failure)))
    assert body == {
        "EventType": "SnapshotComplete", "EventTime": "2018-07-31T10:07:31Z", "Status": "fail",
        "VideoId": VIDEO, "SubType": "SpecifiedTime",
        "ErrorCode": "InvalidParameter.ResourceContentBad",
        "ErrorMessage": "The resource operated is bad. (corrupt_media: no frame could be decoded)",
    }  # fmt: skip


def all_codes(root: type[SnapError]) -> set[str]:
    return {root.code}.union(*(all_codes(each) for each in root.__subclasses__()))


def test_every_failure_of_the_engine_has_a_word() -> None:
    assert why_of(Failure(code="no_such_code", message="m"))["ErrorCode"] == "InternalError"
    for code in ("source_not_found", "no_frame_at_target", "limit_exceeded", "invalid_field"):
        assert code in all_codes(SnapError)
        why = why_of(Failure(code=code, message="m"))
        assert why["ErrorCode"] != "InternalError" and f"({code}: m)" in why["ErrorMessage"]


def test_smart_covers() -> None:
    picture = Picture(
        id="p", set_id="smart", tenant=PROJECT, asset_id=VIDEO, kind="smart", number=1, name="1",
        path="a/1.gif", blob="b", media_type="image/gif", size=1, digest="", score=0.5,
        requested=Fraction(0), created=NOW,
    )  # fmt: skip
    event = done(job("smart_cover", note=JobNote(extend="e")), made("smart", 1))
    body = sent(replace(event, pictures=(picture,)))
    assert body == {
        "EventType": "AIComplete", "EventTime": "2018-07-31T10:07:31Z", "Status": "success",
        "MediaId": VIDEO, "JobId": JOB, "Type": "AIImage", "Code": "Success", "Message": "OK",
        "Data": json.dumps([{"Score": 0.5, "Url": link("a/1.gif")}]), "Extend": "e",
    }  # fmt: skip
    failed = job("smart_cover", status="failed", failure=Failure(code="x", message="m"))
    body = sent(done(failed))
    assert (body["Status"], body["Code"]) == ("fail", "InternalError") and "Data" not in body


def test_what_changed_of_a_video() -> None:
    before = replace(ASSET, title="old", tags=("a", "b"), cover=None)
    after = replace(ASSET, title="new", tags=("a", "b"), description="d", category=7)
    event = Event(
        kind="asset_changed", time=NOW, asset=after, before=before, via=VIA, cover_path=COVER
    )
    assert sent(event) == {
        "EventType": "MediaBaseChangeComplete", "EventTime": "2018-07-31T10:07:31Z",
        "Status": "success", "MediaId": VIDEO, "MediaType": "video", "OperateMode": "update",
        "MediaContent": {
            "Title": '{"OldValue": "old", "NewValue": "new"}',
            "Description": '{"NewValue": "d"}',
            "CoverURL": json.dumps({"NewValue": link(COVER)}),
            "CateId": '{"NewValue": 7}',
        },
    }  # fmt: skip


def test_a_new_cover_has_an_old_one() -> None:
    after = replace(ASSET, cover=Cover(origin="external", url="http://h/c.png"))
    event = Event(
        kind="asset_changed", time=NOW, asset=after, before=ASSET, via=VIA,
        cover_path_before=COVER,
    )  # fmt: skip
    content = sent(event)["MediaContent"]
    assert json.loads(content["CoverURL"]) == {
        "OldValue": link(COVER), "NewValue": "http://h/c.png"
    }  # fmt: skip
    assert set(content) == {"CoverURL"}


def test_a_video_that_is_new_or_gone() -> None:
    body = sent(Event(kind="asset_changed", time=NOW, asset=ASSET, via=VIA, cover_path=COVER))
    assert body["OperateMode"] == "create"
    assert body["MediaContent"]["Title"] == '{"NewValue": "A"}'
    body = sent(Event(kind="asset_deleted", time=NOW, asset=ASSET, via=VIA, cover_path=COVER))
    assert body["OperateMode"] == "delete"
    assert body["MediaContent"]["CoverURL"] == json.dumps({"OldValue": link(COVER)})


def test_nothing_changed_is_no_event() -> None:
    event = Event(
        kind="asset_changed", time=NOW, asset=ASSET, before=replace(ASSET), via=VIA,
        cover_path=COVER, cover_path_before=COVER,
    )  # fmt: skip
    assert events.drafts(event, settings("ALL"), link) == ()


@pytest.mark.parametrize(
    ("names", "heard"),
    [
        (("ALL",), True),
        (("SnapshotComplete",), True),
        (("AIComplete", "SnapshotComplete"), True),
        (("AIComplete",), False),
        ((), False),
    ],
)
def test_only_events_that_are_wanted(names: tuple[str, ...], heard: bool) -> None:
    assert bool(events.drafts(done(job()), settings(*names), link)) == heard


def test_a_jobs_own_address_counts_only_beside_the_tenants() -> None:
    event = done(job(note=JobNote(callback_url="http://own/cb")))
    assert events.drafts(event, None, link) == ()
    assert events.drafts(event, settings("AIComplete"), link) == ()
    [draft] = events.drafts(event, settings("SnapshotComplete"), link)
    assert (draft.url, draft.key) == ("http://own/cb", "Test1234")


def test_thumbnails_of_the_other_vendor_are_no_event_here() -> None:
    assert events.drafts(done(replace(job(), kind="thumbnails")), settings("ALL"), link) == ()


def test_the_vendors_example_of_a_signature() -> None:
    message = CallbackMessage(
        id="m", tenant=PROJECT, dialect="aliyun", url=URL, body=b"{}",
        content_type="application/json", key="test123", created=NOW, due=NOW,
    )  # fmt: skip
    assert events.signing_headers(message, 1519375990.7) == {
        "X-VOD-TIMESTAMP": "1519375990",
        "X-VOD-SIGNATURE": "c72b60894140fa98920f1279219b7ed4",
    }
    spaced = replace(message, url="http://h/a b?c=中")
    assert events.signing_headers(spaced, 5)["X-VOD-SIGNATURE"] == (
        hashlib.md5("http://h/a b?c=中|5|test123".encode()).hexdigest()
    )
    assert events.signing_headers(replace(message, key=None), 5) == {}


def test_an_event_never_tells_where_a_file_lies(tmp_path: Path) -> None:
    """What an event shows of a source is its link only, never where the file lies."""
    asset = replace(ASSET, source=f"file://{tmp_path}/v.mp4")
    [draft] = events.drafts(done(job("ingest"), asset=asset), settings("ALL"), link)
    assert str(tmp_path).encode() not in draft.body
