"""Huawei's assets: what is said of them, how they come, change and go.

The service is one that records what it is asked; the whole story is in ``test_huawei_story``.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from snapengine.service.domain.failures import SourceRefused
from snapengine.service.domain.requests import ThumbnailRequest
from tests.service.huawei_kit import BASE, ask, body, fault, signed
from tests.service.huawei_recorder import ASSET, ID, JOB, Recorder, dialect


@pytest.fixture
def service() -> Recorder:
    return Recorder()


# -- details and lists ----------------------------------------------------------------------


def test_details_say_everything(service: Recorder) -> None:
    request = signed("GET", "/v1.0/{p}/asset/details", [("asset_id", ID)])
    assert body(ask(dialect(service), request)) == {
        "asset_id": ID,
        "base_info": {
            "title": "Avatar 阿凡达",
            "video_name": "Avatar 480P.mp4",
            "description": "Science",
            "category_id": -1,
            "category_name": "Other",
            "create_time": "20261121091011",
            "last_modified": "20261121091011",
            "video_type": "MP4",
            "tags": "one,two",
            "cover_info_array": [{"cover_url": f"{BASE}/files/asset/{ID}/cover/Cover0.jpg"}],
            "video_url": "https://videos.test/in/Avatar%20480P.mp4?sign=1",
            "meta_data": {
                "pack_type": "MP4", "codec": "H.264", "duration": 131, "duration_ms": 131_900,
                "video_size": 4_942_645, "width": 1280, "hight": 720, "height": 720,
                "bit_rate": 300, "frame_rate": 30,
            },
        },
        "thumbnail_info": {
            "sample": [
                {"offset": 0, "url": f"{BASE}/files/asset/{ID}/snapshot/sample/0.jpg"},
                {"offset": 5, "url": f"{BASE}/files/asset/{ID}/snapshot/sample/5_2.jpg"},
            ],
            "dots": [],
            "quantity": [],
            "thumbnail_status": "THUMBNAIL_SUCCEED",
            "exec_desc": "Thumbnail success",
        },
    }  # fmt: skip


@pytest.mark.parametrize("status", ["queued", "running", "failed"])
def test_thumbnail_info_is_there_only_after_success(service: Recorder, status: Any) -> None:
    service.results["jobs"] = (2, [replace(JOB, status=status)])
    request = signed("GET", "/v1.0/{p}/asset/details", [("asset_id", ID)])
    assert "thumbnail_info" not in body(ask(dialect(service), request))


@pytest.mark.parametrize("spelled", [["base_info", "thumbnail_info"], ["base_info,thumbnail_info"]])
def test_categories_choose(service: Recorder, spelled: list[str]) -> None:
    query = [("asset_id", ID), *(("categories", word) for word in spelled)]
    found = body(ask(dialect(service), signed("GET", "/v1.0/{p}/asset/details", query)))
    assert set(found) == {"asset_id", "base_info", "thumbnail_info"}
    for only in ("base_info", "thumbnail_info"):
        query = [("asset_id", ID), ("categories", only)]
        found = body(ask(dialect(service), signed("GET", "/v1.0/{p}/asset/details", query)))
        assert set(found) == {"asset_id", only}
    query = [("asset_id", ID), ("categories", "review_info")]
    found = body(ask(dialect(service), signed("GET", "/v1.0/{p}/asset/details", query)))
    assert found == {"asset_id": ID}


def test_a_short_video_lasts_a_second(service: Recorder) -> None:
    assert ASSET.facts is not None
    facts = replace(ASSET.facts, duration=Fraction(1, 25), codec="hevc", bit_rate=None)
    service.results["asset"] = replace(ASSET, facts=facts, source=None, file_name="a.TS")
    request = signed("GET", "/v1.0/{p}/asset/details", [("asset_id", ID)])
    info = body(ask(dialect(service), request))["base_info"]
    assert info["meta_data"]["duration"] == 1
    assert info["meta_data"]["duration_ms"] == 40
    assert info["meta_data"]["codec"] == "H.265"
    assert (info["video_type"], info["video_name"]) == ("TS", "a.TS")
    assert "video_url" not in info


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([], True),
        ([("query_string", "AVATAR")], True),
        ([("query_string", "science")], True),
        ([("query_string", "other")], False),
        ([("tags", "two,three")], True),
        ([("tags", "three")], False),
        ([("media_type", "mp4")], True),
        ([("media_type", "TS")], False),
        ([("category_id", "-1")], True),
        ([("category_id", "1")], False),
        ([("status", "PUBLISHED")], True),
        ([("status", "THUMBNAIL_SUCCEED")], True),
        ([("status", "CREATING"), ("status", "FAILED")], False),
        ([("start_time", "20261121091011")], True),
        ([("start_time", "20261121091012")], False),
        ([("end_time", "20261121091011")], False),
        ([("asset_id", ID)], True),
        ([("asset_id", "x")], False),
        ([("order", "asc")], True),
    ],
)
def test_lists_find_by_what_is_asked(
    service: Recorder, query: list[tuple[str, str]], found: bool
) -> None:
    listed = body(ask(dialect(service), signed("GET", "/v1.0/{p}/asset/list", query)))
    assert (listed["total"], [one["asset_id"] for one in listed["assets"]]) == (
        (1, [ID]) if found else (0, [])
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([], True),
        ([("asset_id", ID), ("status", "PUBLISHED")], True),
        ([("status", "SERVER_ERROR")], False),
        ([("assetStatus", "PUBLISHED")], True),
        ([("assetStatus", "CREATED")], False),
        ([("transcodeStatus", "UN_TRANSCODE")], True),
        ([("transcodeStatus", "TRANSCODING")], False),
        ([("query_string", "nothing")], False),
    ],
)
def test_the_older_list(service: Recorder, query: list[tuple[str, str]], found: bool) -> None:
    listed = body(ask(dialect(service), signed("GET", "/v1.0/{p}/asset/info", query)))
    assert (listed["total"], listed["is_truncated"]) == (int(found), 0)
    assert [one["asset_id"] for one in listed["asset_info_array"]] == ([ID] if found else [])
    for one in listed["asset_info_array"]:
        assert (one["status"], one["play_info_array"]) == ("PUBLISHED", [])
        assert one["base_info"]["title"] == "Avatar 阿凡达"


def test_a_list_says_that_there_are_more(service: Recorder) -> None:
    service.results["assets"] = (12, [ASSET] * 5)
    query = [("page", "1"), ("size", "5")]
    listed = body(ask(dialect(service), signed("GET", "/v1.0/{p}/asset/info", query)))
    assert (listed["total"], listed["is_truncated"]) == (12, 1)
    (asked,) = [given for name, _, given in service.asked if name == "assets"]
    assert asked == {"offset": 5, "limit": 5}


# -- assets ---------------------------------------------------------------------------------


def test_a_pull_makes_an_asset_of_each_address_and_tells_what_is_wrong_with_one(
    service: Recorder,
) -> None:
    given = [
        {"url": "https://h/a.mp4", "title": "A", "video_type": "mp4", "tags": "x, y,x",
         "description": "d", "category_id": 3, "thumbnail": {"type": "dots", "dots": [1]}},
        {"url": "https://h/b", "title": "B", "video_type": "TS", "cover_type": "PNG"},
        {"url": "https://h/c.mp3", "title": "C", "video_type": "MP3"},
        {"url": "https://h/d.mp4", "title": "D", "video_type": "EXE"},
        {"url": "https://h/e.mp4", "title": "é" * 129, "video_type": "MP4"},
    ]  # fmt: skip
    request = signed("POST", "/v1.0/{p}/asset/upload_by_url", (), {"upload_metadatas": given})
    answers = body(ask(dialect(service), request))["upload_assets"]
    assert [one["url"] for one in answers] == [one["url"] for one in given]
    assert [one["asset_id"] for one in answers] == [ID, ID, None, None, None]
    assert [one["error_code"] for one in answers] == [
        None, None, "VOD.10063", "VOD.10053", "VOD.10053",
    ]  # fmt: skip
    asked = [args for name, args, _ in service.asked if name == "register"]
    first: Any = asked[0][1]
    assert (first.title, first.source, first.tags) == ("A", "https://h/a.mp4", ("x", "y"))
    assert (first.category, first.description, first.own_cover) == (3, "d", True)
    assert first.thumbnails == ThumbnailRequest(rule="at", at=(Fraction(1),))
    second: Any = asked[1][1]
    assert (second.file_name, second.own_cover, second.thumbnails) == ("b.ts", False, None)
    # A cloud pulls an address as often as it is told to.
    assert all(given == {"anew": True} for name, _, given in service.asked if name == "register")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (400, "VOD.10053")),
        ({"upload_metadatas": []}, (400, "VOD.10053")),
        ({"upload_metadatas": {}}, (400, "VOD.10053")),
        ({"upload_metadatas": [1]}, (400, "VOD.10053")),
        ({"upload_metadatas": [{"title": "A", "video_type": "MP4"}]}, (400, "VOD.10053")),
        ({"upload_metadatas": [{"url": "https://h/a.mp4"}] * 17}, (400, "VOD.10053")),
    ],
)
def test_a_pull_of_nothing_is_refused(service: Recorder, given: object, expected: object) -> None:
    request = signed("POST", "/v1.0/{p}/asset/upload_by_url", (), given)
    assert fault(ask(dialect(service), request)) == expected


def test_a_source_that_may_not_be_read(service: Recorder) -> None:
    service.failures["register"] = SourceRefused("no", stage="request")
    item = {"url": "ftp://h/a.mp4", "title": "A", "video_type": "MP4"}
    request = signed("POST", "/v1.0/{p}/asset/upload_by_url", (), {"upload_metadatas": [item]})
    (answer,) = body(ask(dialect(service), request))["upload_assets"]
    assert answer["error_code"] == "VOD.10053"
    assert "{url}" in answer["error_msg"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": None}, "title"),
        ({"video_name": None}, "video_name"),
        ({"video_name": "x" * 129}, "video_name"),
        ({"video_type": None}, "video_type"),
        ({"cover_type": "GIF"}, "cover_type"),
        ({"description": "x" * 1025}, "description"),
        ({"tags": "x" * 17}, "tags"),
        ({"tags": ",".join(str(n) for n in range(17))}, "tags"),
        ({"category_id": "five"}, "category_id"),
        ({"thumbnail": {"type": "no"}}, "type"),
    ],
)
def test_limits_of_a_new_asset(service: Recorder, changes: dict[str, object], field: str) -> None:
    given = {"title": "A", "video_name": "a.mp4", "video_type": "MP4", **changes}
    reply = ask(dialect(service), signed("POST", "/v1.0/{p}/asset", (), given))
    assert fault(reply) == (400, "VOD.10053")
    assert f"{{{field}}}" in body(reply, 400)["error_msg"]
    assert not service.asked


def test_what_is_said_of_an_asset_changes(service: Recorder) -> None:
    given = {"asset_id": ID, "title": "New", "tags": "", "category_id": 7}
    assert ask(dialect(service), signed("PUT", "/v1.0/{p}/asset/info", (), given)).status == 204
    _, id, changes, _ = service.only("update")
    assert id == ID
    assert (changes.title, changes.tags, changes.category, changes.description) == (  # type: ignore[attr-defined]
        "New", (), 7, None,
    )  # fmt: skip


@pytest.mark.parametrize("spelled", [[ID, "x"], [f"{ID},x"], [f" {ID} ,,x", ID]])
def test_assets_are_deleted_one_by_one(service: Recorder, spelled: list[str]) -> None:
    query = [("asset_id", value) for value in spelled]
    reply = ask(dialect(service), signed("DELETE", "/v1.0/{p}/asset", query))
    assert body(reply)["delete_result_array"] == [
        {"asset_id": ID, "status": "DELETED"}, {"asset_id": "x", "status": "FAILED"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [[], [("asset_id", ",".join(f"{n:032x}" for n in range(11)))],
     [("asset_id", ID), ("delete_type", "origin")]],
)  # fmt: skip
def test_limits_of_deleting(service: Recorder, query: list[tuple[str, str]]) -> None:
    reply = ask(dialect(service), signed("DELETE", "/v1.0/{p}/asset", query))
    assert fault(reply) == (400, "VOD.10053")
