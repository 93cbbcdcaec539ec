"""Covers and callbacks with Alibaba's own SDKs against a served application."""

from __future__ import annotations

import json
import re

import pytest

from tests.service.aliyun_served import (
    AUTH_KEY,
    SDK_MARKS,
    Place,
    Sdk,
    SdkError,
    no_proxies,
    place,
    sdk,
    signature,
    until,
    video,
)
from tests.service.aliyun_wire import AK2, PROJECT, PROJECT2, SK2

__all__ = ["no_proxies", "place", "sdk", "video"]

pytestmark = SDK_MARKS


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
    place.video(other, id)
    other("UpdateVideoInfo", VideoId=id, CoverURL=mine)
    # For others it is an address like any other, which they could have fetched anyway.
    kept = place.service.asset(PROJECT2, id).cover
    assert kept is not None and kept.origin == "external"
    place.sdk()("UpdateVideoInfo", VideoId=video, CoverURL=mine)
    kept = place.service.asset(PROJECT, video).cover
    assert kept is not None and kept.origin == "picture"


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
        infos = {info["SnapshotType"]: info for info in body["SnapshotInfos"]}
        assert [(name, infos[name]["SnapshotCount"]) for name in sorted(infos)] == [
            ("NormalSnapshot", 2), ("SpriteSnapshot", 1)
        ]  # fmt: skip
        assert {info["JobId"] for info in infos.values()} == {job}
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
