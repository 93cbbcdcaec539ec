"""Alibaba's own SDKs against a served application, with a real video: pictures, sheets, tracks."""

from __future__ import annotations

import json
import re
from urllib.parse import urljoin

import httpx
import numpy as np
import pytest

from tests.media.barcode import read_ordinal
from tests.service.aliyun_served import (
    RATE,
    SDK_MARKS,
    SIZE,
    Place,
    Sdk,
    SdkError,
    no_proxies,
    place,
    sdk,
    video,
)

__all__ = ["no_proxies", "place", "sdk", "video"]

pytestmark = SDK_MARKS


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
