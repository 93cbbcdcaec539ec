"""Alibaba's calls about videos: taking them in, describing, listing and deleting them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from snapengine.service.domain.records import IngestRequest
from tests.service.aliyun_wire import AK2, BASE, HOST, PROJECT, Desk, make_service, rpc
from tests.service.test_aliyun_requests import register
from tests.service.web_kit import add_picture

NOBODY = "0" * 32


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    service = make_service(tmp_path)
    yield Desk(service)
    service.close()


def info(desk: Desk, **given: str) -> dict[str, Any]:
    return dict(desk.ok("GetVideoInfo", **given)["Video"])


def plan(desk: Desk, id: str) -> IngestRequest:
    _, [job] = desk.service.jobs(PROJECT, asset_id=id, kinds=("ingest",))
    assert isinstance(job.request, IngestRequest)
    return job.request


def test_a_registered_video_with_all_that_is_said_of_it(desk: Desk, tmp_path: Path) -> None:
    id = register(
        desk,
        tmp_path,
        Title="Café ☕",
        Description="d",
        Tags="one, two,,",
        CateId="12",
        ReferenceId="my-own_id",
        CoverURL="http://h/a b.jpg?x=1&y=2",
        UserData='{"Extend":"e"}',
    )
    video = info(desk, VideoId=id)
    assert {name: video[name] for name in video if not name.endswith("Time")} == {
        "VideoId": id, "Title": "Café ☕", "Description": "d", "Tags": "one,two", "CateId": 12,
        "ReferenceId": "my-own_id", "CoverURL": "http://h/a b.jpg?x=1&y=2",
        "UserData": '{"Extend":"e"}', "Status": "UploadSucc", "Snapshots": {"Snapshot": []},
        "AuditStatus": "Normal", "AppId": "app-1000000", "StorageLocation": "",
        "RegionId": "cn-shanghai", "TemplateGroupId": "",
    }  # fmt: skip
    assert info(desk, ReferenceId="my-own_id") == video
    assert plan(desk, id).cover_url == "http://h/a b.jpg?x=1&y=2"


def test_registering_again_gives_the_same_video(desk: Desk, tmp_path: Path) -> None:
    id = register(desk, tmp_path)
    [again] = desk.ok(
        "RegisterMedia",
        RegisterMetadatas=json.dumps({"FileURL": (tmp_path / "a.mp4").as_uri(), "Title": "B"}),
    )["RegisteredMediaList"]
    assert (again["MediaId"], again["NewRegister"]) == (id, False)
    assert desk.ok("GetVideoList")["Total"] == 1


def test_some_sources_are_refused_and_the_others_taken(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "b.mp4").write_bytes(b"x")
    good = (tmp_path / "b.mp4").as_uri()
    bad = ["file:///etc/passwd", "gopher://h/x", "no address", (tmp_path / "none.mp4").as_uri()]
    items = [{"FileURL": url, "Title": "t"} for url in (*bad, good, "https://h.example/v.mp4")]
    body = desk.ok("RegisterMedia", RegisterMetadatas=json.dumps(items))
    assert body["FailedFileURLs"] == bad
    assert [one["FileURL"] for one in body["RegisteredMediaList"]] == [
        good, "https://h.example/v.mp4"
    ]  # fmt: skip
    assert all(one["NewRegister"] is True for one in body["RegisteredMediaList"])


def test_the_first_frame_as_cover(desk: Desk, tmp_path: Path) -> None:
    assert plan(desk, register(desk, tmp_path, "1.mp4")).cover_choice == "middle"
    (tmp_path / "2.mp4").write_bytes(b"x")
    items = json.dumps([{"FileURL": (tmp_path / "2.mp4").as_uri(), "Title": "t"}])
    [media] = desk.ok("RegisterMedia", RegisterMetadatas=items, EnableFirstFrameCover="true")[
        "RegisteredMediaList"
    ]
    assert plan(desk, media["MediaId"]).cover_choice == "head"


@pytest.mark.parametrize("escaped", [False, True])
def test_uploads_by_address(desk: Desk, escaped: bool) -> None:
    urls = ["http://h.example/a,b.mp4?x=1", "https://h.example/c%20d.mp4"]
    said = [
        {"SourceURL": urls[1], "Title": "Named", "CoverURL": "http://h.example/c.png",
         "FileSize": "1"}
    ]  # fmt: skip
    given = ",".join(quote(url, safe="") if escaped else url for url in urls)
    first, second = desk.ok(
        "UploadMediaByURL",
        UploadURLs=given,
        UploadMetadatas=json.dumps(said),
        UserData='{"Extend":"x"}',
    )["UploadJobs"]
    assert [first["SourceURL"], second["SourceURL"]] == urls
    infos = desk.ok("GetURLUploadInfos", JobIds=f"{first['JobId']},{second['JobId']},{NOBODY}")
    assert infos["NonExists"] == [NOBODY]
    one, two = infos["URLUploadInfoList"]
    assert (one["UploadURL"], one["Status"], one["UserData"]) == (
        urls[0], "PENDING", '{"Extend":"x"}'
    )  # fmt: skip
    assert info(desk, VideoId=one["MediaId"])["Title"] == "a,b.mp4"
    named = info(desk, VideoId=two["MediaId"])
    assert (named["Title"], named["CoverURL"]) == ("Named", "http://h.example/c.png")
    by_url = desk.ok("GetURLUploadInfos", UploadURLs=quote(urls[1], safe=""))
    assert [each["MediaId"] for each in by_url["URLUploadInfoList"]] == [two["MediaId"]]


def test_every_upload_by_address_is_a_new_video(desk: Desk) -> None:
    jobs = [
        desk.ok("UploadMediaByURL", UploadURLs="http://h.example/a.mp4")["UploadJobs"][0]["JobId"]
        for _ in range(2)
    ]
    assert len(set(jobs)) == 2 and desk.ok("GetVideoList")["Total"] == 2


def test_credentials_to_upload_with(desk: Desk) -> None:
    body = desk.ok(
        "CreateUploadVideo", Title="Mine", FileName="D:\\films\\my film.MP4", FileSize="1000",
        CoverURL="http://h.example/c.jpg", Tags="a", ReferenceId="reference_1",
    )  # fmt: skip
    video = info(desk, VideoId=body["VideoId"])
    assert (video["Status"], video["Title"], video["ReferenceId"]) == (
        "Uploading", "Mine", "reference_1"
    )  # fmt: skip
    address = json.loads(base64.b64decode(body["UploadAddress"]))
    auth = json.loads(base64.b64decode(body["UploadAuth"]))
    assert set(address) == {"Endpoint", "Bucket", "FileName"}
    assert address["Endpoint"] == BASE and address["FileName"].endswith("my_film.MP4")
    assert set(auth) == {
        "AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration", "ExpireUTCTime"
    }  # fmt: skip
    assert auth["Expiration"] == "3000" and auth["ExpireUTCTime"].endswith("Z")
    refreshed = desk.ok("RefreshUploadVideo", VideoId=body["VideoId"])
    assert refreshed["UploadAddress"] == body["UploadAddress"]
    assert refreshed["UploadAuth"] != body["UploadAuth"]
    assert desk.call("RefreshUploadVideo", {"VideoId": body["VideoId"]}, ak=AK2).status == 404


def test_links_hold_as_long_as_asked_for(tmp_path: Path) -> None:
    service = make_service(tmp_path, signed_urls=600)
    try:
        desk = Desk(service)
        id = register(desk, tmp_path)
        add_picture(service, service.asset(PROJECT, id), "{asset}/covers/{job}-00001.jpg", b"x")

        def held(**given: str) -> float:
            given = {"VideoId": id, "SnapshotType": "NormalSnapshot", **given}
            found = desk.ok("ListSnapshots", **given)["MediaSnapshot"]
            url = found["Snapshots"]["Snapshot"][0]["Url"]
            path, _, query = url.removeprefix(f"{BASE}/files/").partition("?")
            ends = {name: value for name, _, value in (p.partition("=") for p in query.split("&"))}
            service.links.check(path, ends["expires"], ends["sign"])
            return int(ends["expires"]) - time.time()

        assert held() == pytest.approx(3600, abs=60)
        assert held(AuthTimeout="10") == pytest.approx(3600, abs=60)
        assert held(AuthTimeout="2592000") == pytest.approx(2592000, abs=60)
    finally:
        service.close()


def test_what_was_uploaded_has_no_address(desk: Desk, tmp_path: Path) -> None:
    id = desk.ok("CreateUploadVideo", Title="a", FileName="a.mp4")["VideoId"]
    (tmp_path / "sent").write_bytes(b"x")
    desk.service.receive_upload(PROJECT, id, tmp_path / "sent")
    _, [job] = desk.service.jobs(PROJECT, asset_id=id)
    body = desk.ok("GetURLUploadInfos", JobIds=job.id)
    assert (body["URLUploadInfoList"], body["NonExists"]) == ([], [job.id])


def test_a_reference_is_given_once(desk: Desk) -> None:
    given = {"Title": "a", "FileName": "a.mp4", "ReferenceId": "reference_1"}
    desk.ok("CreateUploadVideo", **given)
    assert desk.fault("CreateUploadVideo", **given)[1] == "InvalidReferenceId"
    assert desk.call("CreateUploadVideo", given, ak=AK2).status == 200


def test_only_what_is_given_changes(desk: Desk, tmp_path: Path) -> None:
    id = register(desk, tmp_path, Title="a", Description="b", Tags="c", CateId=1)
    desk.ok("UpdateVideoInfo", VideoId=id, Title="A2")
    video = info(desk, VideoId=id)
    assert [video[n] for n in ("Title", "Description", "Tags", "CateId")] == ["A2", "b", "c", 1]
    desk.ok("UpdateVideoInfo", VideoId=id, Title="", Description="", Tags="", CateId="-1")
    video = info(desk, VideoId=id)
    assert [video[n] for n in ("Title", "Description", "Tags", "CateId")] == ["A2", "", "", -1]


def test_several_are_changed_at_once(desk: Desk, tmp_path: Path) -> None:
    one = register(desk, tmp_path, "1.mp4")
    register(desk, tmp_path, "2.mp4", ReferenceId="second")
    items = [
        {"VideoId": one, "Title": "first"},
        {"ReferenceId": "second", "Tags": "x,y"},
        {"VideoId": NOBODY, "Title": "z"},
        {"ReferenceId": "nobody", "Title": "z"},
    ]
    body = desk.ok("UpdateVideoInfos", UpdateContent=json.dumps(items))
    assert (body["NonExistVideoIds"], body["NonExistReferenceIds"]) == ([NOBODY], ["nobody"])
    assert body["ForbiddenVideoIds"] == []
    assert info(desk, VideoId=one)["Title"] == "first"
    assert info(desk, ReferenceId="second")["Tags"] == "x,y"


def test_one_bad_item_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    id = register(desk, tmp_path)
    items = [{"VideoId": id, "Title": "first"}, {"VideoId": id, "Title": "x" * 129}]
    assert desk.fault("UpdateVideoInfos", UpdateContent=json.dumps(items))[1] == "LengthExceededMax"
    assert info(desk, VideoId=id)["Title"] == "A"


def test_several_are_asked_for_and_deleted(desk: Desk, tmp_path: Path) -> None:
    ids = [register(desk, tmp_path, f"{n}.mp4", Title=str(n)) for n in range(3)]
    body = desk.ok("GetVideoInfos", VideoIds=f"{ids[2]},{NOBODY}, {ids[0]}")
    assert [video["Title"] for video in body["VideoList"]] == ["2", "0"]
    assert body["VideoList"][0]["Snapshots"] == []
    assert body["NonExistVideoIds"] == [NOBODY]
    gone = desk.ok("DeleteVideo", VideoIds=f"{ids[0]},{ids[0]},{NOBODY}")
    assert (gone["NonExistVideoIds"], gone["ForbiddenVideoIds"]) == ([NOBODY], [])
    assert desk.fault("GetVideoInfo", VideoId=ids[0])[:2] == (404, "InvalidVideo.NotFound")
    assert desk.ok("GetVideoList")["Total"] == 2


def test_lists_are_paged_and_searched(desk: Desk, tmp_path: Path) -> None:
    for n in range(5):
        register(desk, tmp_path, f"{n}.mp4", Title=str(n), CateId=n % 2)
    desk.ok("CreateUploadVideo", Title="up", FileName="a.mp4")

    def titles(**given: str) -> tuple[int, list[str]]:
        body = desk.ok("GetVideoList", **given)
        return body["Total"], [video["Title"] for video in body["VideoList"]["Video"]]

    assert titles() == (6, ["up", "4", "3", "2", "1", "0"])
    assert titles(PageSize="2", PageNo="2") == (6, ["3", "2"])
    assert titles(PageSize="100", PageNo="2147483647") == (6, [])
    assert titles(SortBy="CreationTime:Asc", PageSize="2") == (6, ["0", "1"])
    assert titles(CateId="1") == (2, ["3", "1"])
    assert titles(Status="Uploading,Normal") == (1, ["up"])
    assert titles(StartTime="2999-01-01T00:00:00Z") == (0, [])
    assert titles(EndTime="2999-01-01T00:00:00Z", Status="UploadSucc", PageSize="1") == (5, ["4"])


def test_jobs_of_a_video(desk: Desk, tmp_path: Path) -> None:
    id = register(desk, tmp_path)
    job = desk.ok(
        "SubmitSnapshotJob", VideoId=id, Count="3", Interval="0", SpecifiedOffsetTime="1500",
        Width="64", SpriteSnapshotConfig='{"CellWidth":32}',
    )["SnapshotJob"]["JobId"]  # fmt: skip
    body = desk.ok("ListJobInfo", MediaId=id, JobType="snapshot")
    assert (body["MediaId"], body["JobType"]) == (id, "Snapshot")
    assert body["JobInfoList"][0]["JobId"] == job and len(body["JobInfoList"]) == 2
    assert {each["Status"] for each in body["JobInfoList"]} == {"Processing"}
    detail = desk.ok("GetJobDetail", JobId=job, JobType="SNAPSHOT")
    shown = detail["SnapshotJobDetail"]
    assert (detail["JobType"], shown["Trigger"], shown["VideoId"]) == ("Snapshot", "Manual", id)
    assert json.loads(shown["NormalConfig"]) == {
        "SpecifiedOffsetTime": 1500, "FrameType": "normal", "Count": 3, "Interval": 0, "Width": 64,
    }  # fmt: skip
    assert json.loads(shown["SpriteConfig"]) == {
        "CellWidth": 32, "Columns": 10, "Lines": 10, "Padding": 0, "Margin": 0, "Color": "black",
        "KeepCellPic": "keep",
    }  # fmt: skip
    assert desk.ok("ListJobInfo", MediaId=id, JobType="Transcode")["JobInfoList"] == []
    assert desk.fault("GetJobDetail", JobId=job, JobType="AI")[1] == "NoSuchResource"


def test_callbacks_are_set_shown_and_deleted(desk: Desk) -> None:
    given = {
        "CallbackType": "HTTP", "CallbackURL": "http://h.example/cb",
        "EventTypeList": "SnapshotComplete,AIComplete", "AuthSwitch": "on", "AuthKey": "Test1234",
    }  # fmt: skip
    desk.ok("SetMessageCallback", **given)
    shown = desk.ok("GetMessageCallback")["MessageCallback"]
    assert shown == {**given, "AppId": "app-1000000"}
    kept = desk.service.callback(PROJECT, "aliyun")
    assert kept.key == "Test1234" and kept.events == {"SnapshotComplete", "AIComplete"}
    desk.ok("SetMessageCallback", CallbackURL="http://h.example/2", AuthKey="Test1234")
    kept = desk.service.callback(PROJECT, "aliyun")
    assert (kept.key, kept.events, kept.url) == (None, frozenset(), "http://h.example/2")
    desk.ok("DeleteMessageCallback")
    assert desk.fault("GetMessageCallback")[:2] == (404, "NoSuchResource")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        (HOST, HOST),
        (f"http://{HOST}", HOST),
        ("vod.cn-shanghai.aliyuncs.com", "vod.cn-shanghai.aliyuncs.com"),
        ("[::1]:80", "[::1]:80"),
        ("<script>", ""),
        ("a\xffb", ""),
        ("", ""),
    ],
)
def test_the_host_of_an_error_is_nothing_but_a_host(desk: Desk, host: str, shown: str) -> None:
    request = replace(rpc("None"), headers=((b"host", host.encode("latin-1")),))
    assert desk.send(request).body["HostId"] == shown
