"""Alibaba's own SDKs against a served application, with a real video, from upload to callback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import numpy as np
import pytest

from tests.media.barcode import read_ordinal
from tests.service.aliyun_served import (
    AUTH_KEY,
    RATE,
    SDKS,
    SIZE,
    Place,
    Sdk,
    SdkError,
    a_place,
    no_proxies,
    signature,
    until,
)
from tests.service.aliyun_wire import AK2, SK2, rpc

__all__ = ["no_proxies"]

pytestmark = [
    pytest.mark.usefixtures("no_proxies"),
    # The old SDK leaves the sockets of its vendored requests to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with a_place(tmp_path_factory.mktemp("aliyun")) as place:
        yield place


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest, place: Place) -> Sdk:
    return place.sdk(request.param)


@pytest.fixture(scope="module")
def video(place: Place) -> str:
    """One that has been looked at already."""
    id = place.register(place.sdk())
    assert place.video(place.sdk(), id)["Status"] == "Normal"
    return id


# -- the whole way, by every SDK --------------------------------------------------------------


def test_from_a_video_to_its_cover(place: Place, sdk: Sdk) -> None:
    id = place.register(sdk, Tags="a,b", CateId=3)
    video = place.video(sdk, id)
    assert (video["Status"], video["Title"], video["Tags"], video["CateId"]) == (
        "Normal", "A film", "a,b", 3
    )  # fmt: skip
    assert video["Duration"] == pytest.approx(10, abs=0.05)
    assert video["Size"] == place.film.stat().st_size

    # Eight keyframes came by themselves, the first at 5 ms; the middle one is the cover.
    candidates = place.urls(sdk, id, "CoverSnapshot")
    assert video["Snapshots"]["Snapshot"] == candidates
    numbers = [place.number(url) for url in candidates]
    assert len(numbers) == 8 and numbers[0] == 0 and numbers == sorted(set(numbers))
    assert all(number % 25 == 0 for number in numbers)
    assert video["CoverURL"] == candidates[4]
    assert place.picture(video["CoverURL"]).shape == (SIZE[1], SIZE[0], 3)

    # Pictures and a sheet of them.
    given = {
        "SpecifiedOffsetTimes": [0, 1500, 9000],
        "Width": "80",
        "SpriteSnapshotConfig": "{'CellWidth': 40, 'Columns': 2, 'Lines': 2}",
    }
    detail = place.snap(sdk, id, **given)
    assert (detail["Status"], detail["Trigger"], detail["VideoId"]) == ("Success", "Manual", id)
    urls = place.urls(sdk, id, "NormalSnapshot")
    assert [place.number(url) for url in urls] == [0, 37, 225]
    assert {place.picture(url).shape for url in urls} == {(48, 80, 3)}
    [sheet] = place.urls(sdk, id, "SpriteSnapshot")
    assert place.picture(sheet).shape == (2 * 24, 2 * 40, 3)
    cells = place.urls(sdk, id, "SpriteOriginSnapshot")
    assert [place.number(url) for url in cells] == [0, 37, 225]
    assert {place.picture(url).shape for url in cells} == {(24, 40, 3)}

    # One of them becomes the cover.
    sdk("UpdateVideoInfo", VideoId=id, CoverURL=urls[2])
    assert sdk("GetVideoInfo", VideoId=id)["Video"]["CoverURL"] == urls[2]

    jobs = sdk("ListJobInfo", MediaId=id, JobType="Snapshot")["JobInfoList"]
    assert [job["Status"] for job in jobs] == ["Success"] * 2
    assert sdk("DeleteVideo", VideoIds=id)["NonExistVideoIds"] == []
    with pytest.raises(SdkError) as gone:
        sdk("GetVideoInfo", VideoId=id)
    assert (gone.value.code, gone.value.status) == ("InvalidVideo.NotFound", 404)
    assert httpx.get(urls[2], trust_env=False).status_code == 404


def test_templates(place: Place, sdk: Sdk, video: str) -> None:
    def template(kind: str, **config: object) -> str:
        given = {"SnapshotType": kind, "SnapshotConfig": config}
        body = sdk(
            "AddVodTemplate", Name=kind, TemplateType="Snapshot", TemplateConfig=json.dumps(given)
        )
        return str(body["VodTemplateId"])

    near = template("NormalSnapshot", FrameType="intra", Count=3, Interval=4)
    assert place.snap(sdk, video, SnapshotTemplateId=near, Count=1)["Status"] == "Success"
    numbers = [place.number(url) for url in place.urls(sdk, video, "NormalSnapshot")]
    assert numbers == [0, 100, 200]

    sheets = template(
        "SpriteSnapshot", FrameType="normal", Count=50, Interval=0,
        SpriteSnapshotConfig={"CellWidth": "120", "CellHeight": "68", "Columns": "3",
                              "Lines": "10", "Padding": "20", "Margin": "50", "Color": "Black",
                              "KeepCellPic": "delete"},
    )  # fmt: skip
    assert place.snap(sdk, video, SnapshotTemplateId=sheets)["Status"] == "Success"
    both = place.urls(sdk, video, "SpriteSnapshot")
    assert [place.picture(url).shape for url in both] == [(960, 500, 3)] * 2
    first = place.picture(both[0])
    assert [read_ordinal(cell(first, n)) for n in (0, 1, 2, 3, 29)] == [0, 5, 10, 15, 145]
    second = place.picture(both[1])
    assert read_ordinal(cell(second, 19)) == 245  # the last of fifty
    assert cell(second, 20).max() < 12 and first[:40].max() < 12  # nothing, and the margin
    listed = sdk("ListVodTemplate", TemplateType="Snapshot")["VodTemplateInfoList"]
    assert {near, sheets} <= {info["VodTemplateId"] for info in listed}
    for id in (near, sheets):
        sdk("DeleteVodTemplate", VodTemplateId=id)


def cell(
    sheet: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], number: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A cell of the vendor's example: 3 x 10 of 120 x 68, 20 between, 50 around."""
    line, column = divmod(number, 3)
    y, x = 50 + line * (68 + 20), 50 + column * (120 + 20)
    return sheet[y : y + 68, x : x + 120]


@pytest.mark.parametrize("tiled", ["true", "false"])
def test_tracks(place: Place, video: str, tiled: str) -> None:
    sdk = place.sdk("old")
    config = {
        "SnapshotType": "WebVttSnapshot",
        "SnapshotConfig": {
            "Format": "vtt", "Interval": 2, "Width": 160, "FrameType": "normal",
            "SubOut": {"IsSptFrag": tiled}, "SpriteSnapshotConfig": {"Columns": 2, "Lines": 2},
        },
    }  # fmt: skip
    template = sdk(
        "AddVodTemplate", Name="t", TemplateType="Snapshot", TemplateConfig=json.dumps(config)
    )["VodTemplateId"]
    assert place.snap(sdk, video, SnapshotTemplateId=template)["Status"] == "Success"
    [url] = place.urls(sdk, video, "WebVttSnapshot")
    text = place.fetch(url, "text/vtt").decode()
    cues = re.findall(r"(\S+) --> (\S+)\n([^\s?]+)\?(xywh|wh)=([0-9,]+)\n", text)
    assert text.startswith("WEBVTT\n\n") and len(cues) == 5
    for number, (start, end, name, mark, place_in) in enumerate(cues):
        assert start.endswith(f"00:{2 * number:02d}.000") and end.endswith(
            f"00:{2 * number + 2:02d}.000"
        )
        picture = place.picture(urljoin(url, name))
        if tiled == "true":
            assert mark == "xywh"
            x, y, width, height = map(int, place_in.split(","))
            assert (x, y) == (160 * (number % 2), 96 * (number // 2 % 2))
            picture = picture[y : y + height, x : x + width]
        else:
            assert (mark, place_in) == ("wh", "160,96")
        assert picture.shape == (96, 160, 3)
        assert read_ordinal(picture) == 2 * number * RATE


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ({}, [0]),
        ({"SpecifiedOffsetTime": 9999}, [249]),
        ({"Count": 3, "SpecifiedOffsetTime": 2000}, [50, 75, 100]),
        ({"Count": 3, "Interval": 4, "SpecifiedOffsetTime": 2000}, [50, 150]),
        ({"Interval": 3}, [0, 75, 150, 225]),
        ({"Count": 4, "Interval": 0}, [0, 62, 125, 187]),
        ({"Count": 2, "Interval": 0, "SpecifiedOffsetTime": 4000}, [100, 175]),
        ({"SpecifiedOffsetTimes": [500, 20000], "Count": 9, "Interval": 1}, [12]),
    ],
)  # fmt: skip
def test_times(place: Place, video: str, given: dict[str, object], numbers: list[int]) -> None:
    sdk = place.sdk()
    detail = place.snap(sdk, video, **given)
    assert detail["Status"] == "Success"
    urls = place.urls(sdk, video, "NormalSnapshot")
    assert [place.number(url) for url in urls] == numbers


def test_pages(place: Place, video: str) -> None:
    sdk = place.sdk("new-v2")
    place.snap(sdk, video, Count=5, Interval=1, Height="96")

    def page(**given: str) -> tuple[int, list[int]]:
        body = sdk("ListSnapshots", VideoId=video, SnapshotType="NormalSnapshot", **given)
        found = body["MediaSnapshot"]
        listed = found["Snapshots"]["Snapshot"]
        return found["Total"], [one["Index"] for one in listed]

    assert page() == (5, [1, 2, 3, 4, 5])
    assert page(PageNo="2", PageSize="2") == (5, [3, 4])
    assert page(PageNo="3", PageSize="2", AuthTimeout="10") == (5, [5])
    assert page(PageNo="4", PageSize="2") == (5, [])


def test_no_time_within_the_video(place: Place, video: str) -> None:
    sdk = place.sdk("old")
    detail = place.snap(sdk, video, SpecifiedOffsetTime=60_000)
    assert detail["Status"] == "Fail" and "no_frame_at_target" in detail["ErrorMessage"]


def test_a_file_that_is_no_video(place: Place) -> None:
    sdk = place.sdk("old")
    (place.folder / "text.mp4").write_text("no video at all " * 1000)
    id = place.register_url(sdk, (place.folder / "text.mp4").as_uri())
    assert place.video(sdk, id)["Status"] == "UploadFail"
    [job] = sdk("ListJobInfo", MediaId=id, JobType="Snapshot")["JobInfoList"]
    detail = place.done(sdk, job["JobId"])
    assert (detail["Status"], detail["Trigger"]) == ("Fail", "Auto")
    assert detail["ErrorCode"] == "InvalidParameter.ResourceContentBad"
    assert str(place.folder) not in detail["ErrorMessage"]
    with pytest.raises(SdkError) as refused:
        sdk("SubmitSnapshotJob", VideoId=id)
    assert (refused.value.code, refused.value.status) == ("Forbidden.IllegalStatus", 400)


# -- covers -----------------------------------------------------------------------------------


def cover(place: Place, sdk: Sdk, id: str) -> str:
    return str(place.video(sdk, id)["CoverURL"])


def test_covers_in_every_way(place: Place, sdk: Sdk) -> None:
    given = f"{place.outside.url}/a%20cover.jpg?x=1&y=2"
    id = place.register(sdk, CoverURL=given)
    assert cover(place, sdk, id) == given
    candidates = place.urls(sdk, id, "CoverSnapshot")
    for url in (candidates[0], f"{place.outside.url}/other.png", candidates[7]):
        sdk("UpdateVideoInfo", VideoId=id, CoverURL=url)
        assert cover(place, sdk, id) == url
    items = [{"VideoId": id, "CoverURL": given}, {"VideoId": "0" * 32, "CoverURL": given}]
    body = sdk("UpdateVideoInfos", UpdateContent=json.dumps(items))
    assert body["NonExistVideoIds"] == ["0" * 32]
    assert cover(place, sdk, id) == given
    with pytest.raises(SdkError) as refused:
        sdk("UpdateVideoInfo", VideoId=id, CoverURL=f"{place.outside.url}/text.jpg")
    assert (refused.value.code, refused.value.status) == ("InvalidCoverURL", 400)
    assert cover(place, sdk, id) == given


def test_an_address_with_a_blank_in_it(place: Place) -> None:
    """As it is given it is given back; that it cannot be fetched is no reason to refuse it."""
    sdk = place.sdk("old")
    url = f"{place.outside.url}/a cover.jpg?x=1&y=2"
    id = place.register(sdk)
    place.video(sdk, id)
    sdk("UpdateVideoInfo", VideoId=id, CoverURL=url)
    assert cover(place, sdk, id) == url


def test_nobody_takes_a_picture_of_somebody_else(place: Place, video: str) -> None:
    mine = place.urls(place.sdk(), video, "CoverSnapshot")[0]
    other = place.sdk("new", ak=AK2, sk=SK2)
    id = place.register(other)
    before = cover(place, other, id)
    other("UpdateVideoInfo", VideoId=id, CoverURL=mine)
    # For others it is an address like any other: what they could fetch anyway, nothing more.
    assert place.service.asset("projecttwo", id).cover is not None
    assert before != mine


def test_smart_covers(place: Place, video: str) -> None:
    for kind in ("png", "gif"):
        sdk = place.sdk("new" if kind == "png" else "old")
        config = json.dumps({"Format": kind, "SetDefaultCover": "false"})
        given = {"TemplateName": kind, "TemplateType": "AIImage", "TemplateConfig": config}
        template = sdk("AddAITemplate", **given)["TemplateId"]
        job = sdk("SubmitAIImageJob", VideoId=video, AITemplateId=template)["JobId"]
        [info] = [until_ended(sdk, job)]
        assert (info["Status"], info["Code"]) == ("success", "Success")
        found = [
            one
            for one in sdk("ListAIImageInfo", VideoId=video)["AIImageInfoList"]
            if one["JobId"] == job
        ]
        assert found and {one["Format"] for one in found} == {kind}
        assert len(json.loads(info["AIImageResult"])) == len(found)
        data = place.fetch(found[0]["FileURL"], f"image/{kind}")
        assert data.startswith(b"\x89PNG" if kind == "png" else b"GIF8")
        assert float(found[0]["Score"]) >= 0
        assert place.done(sdk, job, "AI")["Status"] == "Success"


def until_ended(sdk: Sdk, job: str) -> dict[str, str]:
    def ended() -> dict[str, str] | None:
        [info] = sdk("GetAIImageJobs", JobIds=job)["AIImageJobList"]
        return None if info["Status"] == "processing" else dict(info)

    return until(ended)


def test_a_smart_cover_becomes_the_cover(place: Place) -> None:
    sdk = place.sdk()
    id = place.register(sdk)
    before = cover(place, sdk, id)
    config = '{"Format":"png","SetDefaultCover":"true"}'
    given = {"TemplateName": "c", "TemplateType": "AIImage", "TemplateConfig": config}
    template = sdk("AddAITemplate", **given)["TemplateId"]
    job = sdk("SubmitAIImageJob", VideoId=id, AITemplateId=template)["JobId"]
    assert until_ended(sdk, job)["Status"] == "success"
    after = cover(place, sdk, id)
    assert after != before and after.endswith(".png")
    best = max(
        sdk("ListAIImageInfo", VideoId=id)["AIImageInfoList"], key=lambda one: float(one["Score"])
    )
    assert best["FileURL"] == after


# -- events -----------------------------------------------------------------------------------


def test_signed_events(place: Place, sdk: Sdk) -> None:
    outside = place.outside
    url = f"{outside.url}/call%20back?a=b"
    sdk(
        "SetMessageCallback", CallbackType="HTTP", CallbackURL=url, EventTypeList="ALL",
        AuthSwitch="on", AuthKey=AUTH_KEY,
    )  # fmt: skip
    try:
        id = place.register(sdk, UserData='{"Extend":{"n":1}}')
        path, headers, body = outside.event(EventType="SnapshotComplete", VideoId=id)
        assert path == "/call%20back?a=b"
        assert headers["content-type"] == "application/json"
        stamp = headers["x-vod-timestamp"]
        assert re.fullmatch("[0-9]{10}", stamp)
        assert headers["x-vod-signature"] == signature(url, stamp)
        assert (body["Status"], body["Extend"]) == ("success", '{"n":1}') and "SubType" not in body
        [info] = body["SnapshotInfos"]
        assert (info["SnapshotType"], info["SnapshotCount"]) == ("CoverSnapshot", 8)
        middle = info["SnapshotRegular"].replace("{SnapshotCount}", "00005")
        assert body["CoverUrl"] == middle == cover(place, sdk, id)
        assert place.number(middle) % 25 == 0

        own = f"{outside.url}/own"
        job = sdk(
            "SubmitSnapshotJob", VideoId=id, Count=2, SpriteSnapshotConfig="{'CellWidth': 64}",
            UserData=json.dumps({"MessageCallback": {"CallbackURL": own}, "Extend": "mine"}),
        )["SnapshotJob"]["JobId"]  # fmt: skip
        path, headers, body = outside.event(SubType="SpecifiedTime", VideoId=id)
        assert path == "/own"
        assert headers["x-vod-signature"] == signature(own, headers["x-vod-timestamp"])
        assert body["Extend"] == "mine"
        assert [(i["SnapshotType"], i["SnapshotCount"], i["JobId"]) for i in
                body["SnapshotInfos"]] == [("NormalSnapshot", 2, job), ("SpriteSnapshot", 1, job)] \
            or {i["SnapshotType"] for i in body["SnapshotInfos"]} == {
                "NormalSnapshot", "SpriteSnapshot"}  # fmt: skip
        for info in body["SnapshotInfos"]:
            assert info["SnapshotRegular"].endswith(info["SnapshotFormat"])
            place.fetch(info["SnapshotRegular"].replace("{SnapshotCount}", "00001"))

        sdk("UpdateVideoInfo", VideoId=id, Title="Other", CoverURL=middle[:-6] + "1.jpg")
        *_, body = outside.event(
            EventType="MediaBaseChangeComplete", MediaId=id, OperateMode="update"
        )
        assert json.loads(body["MediaContent"]["Title"]) == {
            "OldValue": "A film", "NewValue": "Other"
        }  # fmt: skip
        change = json.loads(body["MediaContent"]["CoverURL"])
        assert change == {"OldValue": middle, "NewValue": middle[:-6] + "1.jpg"}

        sdk("SubmitSnapshotJob", VideoId=id, SpecifiedOffsetTime=99_000)
        *_, body = outside.event(EventType="SnapshotComplete", VideoId=id, Status="fail")
        assert body["ErrorCode"] and body["ErrorMessage"] and "SnapshotInfos" not in body

        sdk("DeleteVideo", VideoIds=id)
        *_, body = outside.event(
            EventType="MediaBaseChangeComplete", MediaId=id, OperateMode="delete"
        )
        assert json.loads(body["MediaContent"]["Title"]) == {"OldValue": "Other"}
    finally:
        sdk("DeleteMessageCallback")


# -- errors -----------------------------------------------------------------------------------


def test_errors_as_a_user_sees_them(place: Place, sdk: Sdk, video: str) -> None:
    def seen(action: str, **given: str) -> tuple[str, int]:
        with pytest.raises(SdkError) as error:
            sdk(action, **given)
        assert error.value.kind in ("ServerException", "ClientException")
        return error.value.code, error.value.status

    assert seen("GetVideoInfo", VideoId="0" * 32) == ("InvalidVideo.NotFound", 404)
    assert seen("SubmitSnapshotJob", VideoId=video, Width="7") == ("InvalidWidth", 400)
    assert seen("GetVodTemplate", VodTemplateId="0" * 32) == ("NoSuchResource", 404)
    assert seen("UpdateVideoInfo", VideoId=video, Title="x" * 129) == ("LengthExceededMax", 400)
    assert seen("AddVodTemplate", Name="x") == ("MissingTemplateType", 400)
    assert seen("RegisterMedia", RegisterMetadatas="[") == ("InvalidRegisterMetadatas", 400)


@pytest.mark.parametrize("kind", SDKS)
def test_a_wrong_secret(place: Place, kind: str) -> None:
    sdk = place.sdk(kind, sk="SecretOfNobodyAtAll")
    with pytest.raises(SdkError) as error:
        sdk("GetVideoList")
    # The old one compares the text that we signed with its own, and concludes.
    expected = "InvalidAccessKeySecret" if kind == "old" else "SignatureDoesNotMatch"
    assert (error.value.code, error.value.status) == (expected, 400)
    with pytest.raises(SdkError) as error:
        place.sdk(kind, ak="LTAIofNobody")("GetVideoList")
    assert (error.value.code, error.value.status) == ("InvalidAccessKeyId.NotFound", 404)


def test_throttling(tmp_path_factory: pytest.TempPathFactory) -> None:
    with a_place(tmp_path_factory.mktemp("full"), workers=0, queue=2, tenant_queue=1) as place:
        for kind in SDKS:
            sdk = place.sdk(kind)
            if kind == "old":
                id = place.register(sdk)
                sdk("SubmitSnapshotJob", VideoId=id)
            with pytest.raises(SdkError) as error:
                sdk("SubmitSnapshotJob", VideoId=id)
            assert error.value.code == "Throttling.User"
            assert error.value.kind == {"old": "ServerException"}.get(kind, "ThrottlingException")


def test_by_hand_in_xml_and_by_get(place: Place, video: str) -> None:
    request = rpc("GetVideoInfo", {"VideoId": video, "Format": "XML"}, method="GET")
    found = httpx.get(f"{place.base}/?{request.raw_query.decode()}", trust_env=False)
    assert found.status_code == 200
    assert found.headers["content-type"] == "text/xml;charset=utf-8"
    assert f"<VideoId>{video}</VideoId>" in found.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "FOO", "HEAD"])
def test_other_methods(place: Place, method: str) -> None:
    found = httpx.request(method, place.base, trust_env=False)
    assert found.status_code == 404
    if method != "HEAD":
        assert found.json()["Code"] == "InvalidAction.NotFound"


def test_a_body_that_is_too_large(place: Place) -> None:
    found = httpx.post(place.base, content=b"x" * (1 << 20) + b"y", trust_env=False)
    assert (found.status_code, found.json()["Code"]) == (400, "LengthExceededMax")
