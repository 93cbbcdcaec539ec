"""Huawei's covers and thumbnails: what a call asks the service for, and what limits it has.

The service is one that records what it is asked; the whole story is in ``test_huawei_story``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.service.auth.wire import SignedRequest
from snapengine.service.dialects.huawei.reading import Body
from snapengine.service.dialects.huawei.thumbnails import para_of, thumbnail_of
from snapengine.service.domain.failures import (
    QueueFull,
    ServiceUnavailable,
    UnknownAsset,
    UnknownJob,
    UnknownPicture,
    WrongStatus,
)
from snapengine.service.domain.fields import InvalidField
from snapengine.service.domain.requests import ThumbnailRequest
from tests.service.huawei_kit import BASE, KEY, ask, body, fault, signed
from tests.service.huawei_recorder import ASSET, ID, TASK, Recorder, dialect


@pytest.fixture
def service() -> Recorder:
    return Recorder()


# -- covers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["https://355.cdn-vod.test/shield/", f"{BASE}/files/",
                                    "http://else.test/a/b/files/", ""])  # fmt: skip
@pytest.mark.parametrize("version", ["v1.0", "v1"])
def test_a_cover_is_the_picture_of_an_address_whatever_host_it_has(
    service: Recorder, prefix: str, version: str
) -> None:
    path = f"asset/{ID}/snapshot/sample/0.jpg"
    url = f"{prefix}{path}?sign=1&expires=2"
    reply = ask(
        dialect(service), signed("PUT", f"/{version}/{{p}}/asset/cover", (), {"thumbnailUrl": url})
    )
    assert (reply.status, reply.body) == (204, None)
    tenant, found, via = service.only("set_cover_picture")
    assert (tenant, found) == (KEY.project_id, path)
    assert (via.dialect, via.base_url, via.cover_choice) == ("huawei", BASE, "head")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"thumbnailUrl": "https://h/other/0.jpg"}, (400, "VOD.10062")),
        ({"thumbnailUrl": f"https://h/asset/{ID}/"}, (400, "VOD.10062")),
        ({"thumbnailUrl": "http://[::1"}, (400, "VOD.10062")),
        ({"thumbnailUrl": ""}, (400, "VOD.10053")),
        ({"thumbnailUrl": None}, (400, "VOD.10053")),
        ({"thumbnailUrl": 5}, (400, "VOD.10053")),
        ({"thumbnailUrl": "\ud800"}, (400, "VOD.10053")),
        ({"thumbnailUrl": "h\0"}, (400, "VOD.10053")),
        ({"thumbnail_url": "x"}, (400, "VOD.10053")),
        ([], (400, "VOD.10081")),
        (b"{", (400, "VOD.10081")),
        (b"\xff", (400, "VOD.10081")),
        (b"", (400, "VOD.10081")),
        (b"[" * 100_000, (400, "VOD.10081")),
        (b'{"thumbnailUrl": ' + b"1" * 5000 + b"}", (400, "VOD.10081")),
        (b'{"thumbnailUrl": NaN}', (400, "VOD.10081")),
    ],
)
def test_what_names_no_picture(service: Recorder, given: object, expected: object) -> None:
    request = signed("PUT", "/v1.0/{p}/asset/cover", (), given)
    assert fault(ask(dialect(service), request)) == expected
    assert not service.asked


def test_smart_cover_is_queued(service: Recorder) -> None:
    request = signed("POST", "/v1.0/{p}/asset/smart_cover", (), {"asset_id": ID})
    assert ask(dialect(service), request).status == 204
    tenant, id, asked, _ = service.only("submit_smart_cover")
    assert (tenant, id) == (KEY.project_id, ID)
    assert (asked.set_cover, asked.format) == (True, "jpg")  # type: ignore[attr-defined]


def test_smart_cover_is_offline_where_the_settings_say_so() -> None:
    service = Recorder(smart_cover=False)
    request = signed("POST", "/v1.0/{p}/asset/smart_cover", (), {"asset_id": ID})
    assert fault(ask(dialect(service), request)) == (403, "VOD.10136")
    assert not service.asked


# -- thumbnails -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "time"}, {"rule": "every"}),
        ({"type": "time", "time": 0}, {"rule": "every", "every": 12}),
        ({"type": "time", "time": 100}, {"rule": "every", "every": 100}),
        ({"type": "TIME", "time": "5"}, {"rule": "every", "every": 5}),
        ({"type": "time", "time": 5.0, "dots": [9], "quantity": 2},
         {"rule": "every", "every": 5, "count": 2}),
        ({"type": "dots", "dots": [9, 1, "5", 1]}, {"rule": "at", "at": (1, 5, 9)}),
        ({"type": "quantity", "quantity": 10}, {"rule": "count", "count": 10}),
        ({"type": "quantity", "quantity": 3, "quantity_time": 7},
         {"rule": "count", "count": 3, "spacing": 7}),
        ({"type": "time", "cover_position": 4, "format": 1, "aspect_ratio": 1, "max_length": 240},
         {"rule": "every", "cover_position": 4, "wide": True, "longest_side": 240}),
        ({"type": "time", "time": None, "max_length": None}, {"rule": "every"}),
    ],
)  # fmt: skip
def test_the_thumbnail_object(
    service: Recorder, given: dict[str, object], expected: dict[str, Any]
) -> None:
    request = signed("POST", "/v1.0/{p}/asset/process", (), {"asset_id": ID, "thumbnail": given})
    assert body(ask(dialect(service), request), 202) == {
        "asset_id": ID, "thumbnail_task_id": TASK,
    }  # fmt: skip
    tenant, id, asked, _ = service.only("submit_thumbnails")
    assert (tenant, id, asked) == (KEY.project_id, ID, ThumbnailRequest(**expected))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "type"),
        ({"type": "percent"}, "type"),
        ({"type": 1}, "type"),
        ({"type": "time", "time": 101}, "time"),
        ({"type": "time", "time": -1}, "time"),
        ({"type": "time", "time": 1.5}, "time"),
        ({"type": "time", "time": True}, "time"),
        ({"type": "time", "time": "x"}, "time"),
        ({"type": "time", "time": [1]}, "time"),
        ({"type": "dots"}, "dots"),
        ({"type": "dots", "dots": []}, "dots"),
        ({"type": "dots", "dots": 5}, "dots"),
        ({"type": "dots", "dots": [-1]}, "dots"),
        ({"type": "dots", "dots": [1.5]}, "dots"),
        ({"type": "dots", "dots": list(range(11))}, "dots"),
        ({"type": "quantity"}, "quantity"),
        ({"type": "quantity", "quantity": 0}, "quantity"),
        ({"type": "quantity", "quantity": 11}, "quantity"),
        ({"type": "quantity", "quantity": 1, "quantity_time": 2**31}, "quantity_time"),
        ({"type": "time", "cover_position": 0}, "cover_position"),
        ({"type": "time", "format": 2}, "format"),
        ({"type": "time", "aspect_ratio": 2}, "aspect_ratio"),
        ({"type": "time", "max_length": 4097}, "max_length"),
        ({"type": "time", "max_length": 7}, "max_length"),
        ("time", "thumbnail"),
        (None, "thumbnail"),
    ],
)
def test_limits_of_the_thumbnail_object(service: Recorder, given: object, field: str) -> None:
    request = signed("POST", "/v1.0/{p}/asset/process", (), {"asset_id": ID, "thumbnail": given})
    reply = ask(dialect(service), request)
    assert fault(reply) == (400, "VOD.10053")
    assert f"illegal field: {{{field}}}" in body(reply, 400)["error_msg"]


REQUESTS = st.builds(
    ThumbnailRequest,
    rule=st.just("every"), every=st.integers(1, 100), cover_position=st.integers(1, 99),
    longest_side=st.integers(8, 4096), wide=st.booleans(),
) | st.builds(
    ThumbnailRequest,
    rule=st.just("at"), at=st.lists(st.integers(0, 9999), min_size=1, max_size=10),
    wide=st.booleans(),
) | st.builds(
    ThumbnailRequest,
    rule=st.just("count"), count=st.integers(1, 10), spacing=st.none() | st.integers(1, 99),
)  # fmt: skip


@given(REQUESTS)
def test_thumbnail_para_says_what_was_asked_for(asked: ThumbnailRequest) -> None:
    assert thumbnail_of(Body(para_of(asked))) == asked


def test_thumbnails_are_listed_by_asset_and_by_task(service: Recorder) -> None:
    for query in ([("asset_id", ID)], [("task_id", TASK)], [("asset_id", ID), ("task_id", TASK)]):
        found = body(ask(dialect(service), signed("GET", "/v1/{p}/asset/thumbnails", query)))
        assert found["total"] == 1
        (listed,) = found["thumbnails"]
        assert (listed["task_id"], listed["thumbnail_count"]) == (TASK, 2)
        assert listed["thumbnail_para"]["time"] == 5
    request = signed("GET", "/v1/{p}/asset/thumbnail/details", [("task_id", TASK)])
    assert body(ask(dialect(service), request)) == {
        "total": 2,
        "thumbnail_result": [
            {"offset": 0, "url": f"{BASE}/files/asset/{ID}/snapshot/sample/0.jpg"},
            {"offset": 5, "url": f"{BASE}/files/asset/{ID}/snapshot/sample/5_2.jpg"},
        ],
    }


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("asset/thumbnails", [("limit", "0")], "VOD.10053"),
        ("asset/thumbnails", [("limit", "101")], "VOD.10053"),
        ("asset/thumbnails", [("offset", "20001")], "VOD.10053"),
        ("asset/thumbnails", [("asset_id", "x")], "VOD.10062"),
        ("asset/thumbnails", [("task_id", "x")], "VOD.10062"),
        ("asset/thumbnails", [("asset_id", ID), ("asset_id", ID)], "VOD.10053"),
        ("asset/thumbnail/details", [], "VOD.10053"),
        ("asset/thumbnail/details", [("task_id", TASK), ("limit", "ten")], "VOD.10053"),
        ("asset/thumbnail/details", [("task_id", "../x")], "VOD.10062"),
        ("asset/details", [], "VOD.10053"),
        ("asset/details", [("asset_id", "")], "VOD.10053"),
        ("asset/details", [("asset_id", "\ufffd")], "VOD.10062"),
        ("asset/details", [("asset_id", ID), ("categories", "base")], "VOD.10053"),
        ("asset/list", [("size", "101")], "VOD.10053"),
        ("asset/list", [("start_time", "2026")], "VOD.10053"),
        ("asset/list", [("end_time", "20261399000000")], "VOD.10053"),
        ("asset/list", [("asset_id", ",".join(f"{n:032x}" for n in range(11)))], "VOD.10053"),
    ],
)
def test_limits_of_queries(
    service: Recorder, path: str, query: list[tuple[str, str]], expected: str
) -> None:
    reply = ask(dialect(service), signed("GET", f"/v1/{{p}}/{path}", query))
    assert fault(reply) == (400, expected)


def test_a_query_that_is_no_text(service: Recorder) -> None:
    request = signed("GET", "/v1.0/{p}/asset/details", [("asset_id", "\udcff")[:1] * 2])
    request = replace(request, raw_query=b"asset_id=%FF")
    assert fault(ask(dialect(service), request))[0] == 401  # nobody signed that
    token = ask(dialect(service), signed("POST", "/v3/auth/tokens")).headers["X-Subject-Token"]
    request = replace(request, headers=((b"x-auth-token", token.encode()),))
    assert fault(ask(dialect(service), request)) == (400, "VOD.10081")


def test_thumbnails_are_deleted_by_task_and_by_asset(service: Recorder) -> None:
    path = "/v1/{p}/asset/thumbnails"
    deleted = {"asset_id": ID, "task_id": TASK, "status": "DELETED"}
    reply = ask(dialect(service), signed("DELETE", path, [("task_id", TASK), ("task_id", "x")]))
    assert body(reply)["delete_result_array"] == [
        deleted, {"asset_id": None, "task_id": "x", "status": "FAILED"},
    ]  # fmt: skip
    reply = ask(dialect(service), signed("DELETE", path, [("asset_id", ID)]))
    assert body(reply)["delete_result_array"] == [deleted]
    other = [("asset_id", "e" * 32), ("task_id", TASK)]
    service.results["asset"] = replace(ASSET, id="e" * 32)
    reply = ask(dialect(service), signed("DELETE", path, other))
    assert [one["status"] for one in body(reply)["delete_result_array"]] == ["FAILED"]
    assert fault(ask(dialect(service), signed("DELETE", path))) == (400, "VOD.10053")
    many = [("task_id", f"{n:032x}") for n in range(11)]
    assert fault(ask(dialect(service), signed("DELETE", path, many))) == (400, "VOD.10053")


# -- failures -------------------------------------------------------------------------------

THUMBNAIL = {"asset_id": ID, "thumbnail": {"type": "time"}}


def details() -> SignedRequest:
    return signed("GET", "/v1.0/{p}/asset/details", [("asset_id", ID)])


@pytest.mark.parametrize(
    ("call", "failure", "expected"),
    [
        ("asset", UnknownAsset("x"), (400, "VOD.10062")),
        ("job", UnknownJob("x"), (400, "VOD.10062")),
        ("set_cover_picture", UnknownPicture("x"), (400, "VOD.10062")),
        ("submit_thumbnails", WrongStatus("x", status="awaited"), (400, "VOD.10083")),
        ("submit_thumbnails", WrongStatus("x", status="failed"), (403, "VOD.10060")),
        ("submit_thumbnails", QueueFull("x", retry_after=7), (429, "APIGW.0308")),
        ("submit_thumbnails", InvalidField.of("every", 1, "x"), (400, "VOD.10053")),
        ("submit_smart_cover", UnknownAsset("x"), (400, "VOD.10062")),
        ("submit_smart_cover", WrongStatus("x", status="awaited"), (400, "VOD.10083")),
        ("update", InvalidField.of("category", 1, "x"), (400, "VOD.10053")),
        ("asset", ServiceUnavailable("x"), (403, "VOD.10052")),
        ("asset", RuntimeError("a bug"), (500, "VOD.10051")),
    ],
)
def test_every_failure_has_its_code(
    service: Recorder, call: str, failure: Exception, expected: tuple[int, str]
) -> None:
    requests = {
        "asset": details(),
        "job": signed("GET", "/v1/{p}/asset/thumbnail/details", [("task_id", TASK)]),
        "set_cover_picture": signed(
            "PUT", "/v1.0/{p}/asset/cover", (), {"thumbnailUrl": f"/asset/{ID}/snapshot/0.jpg"}
        ),
        "submit_thumbnails": signed("POST", "/v1.0/{p}/asset/process", (), THUMBNAIL),
        "submit_smart_cover": signed("POST", "/v1/{p}/asset/smart_cover", (), {"asset_id": ID}),
        "update": signed("PUT", "/v1/{p}/asset/info", (), {"asset_id": ID, "title": "T"}),
    }
    service.failures[call] = failure
    reply = ask(dialect(service), requests[call])
    assert fault(reply) == expected
    assert reply.headers.get("Retry-After") == ("7" if isinstance(failure, QueueFull) else None)
    assert "a bug" not in str(reply.body)


@pytest.mark.parametrize("status", [400, 403])
def test_the_status_of_an_unknown_asset_in_process_is_a_setting(status: Any) -> None:
    service = Recorder(process_status=status)
    service.failures["asset"] = UnknownAsset("x")
    request = signed("POST", "/v1.0/{p}/asset/process", (), THUMBNAIL)
    assert fault(ask(dialect(service), request)) == (status, "VOD.10062")
    request = signed("POST", "/v1.0/{p}/asset/process", (), {**THUMBNAIL, "asset_id": "x"})
    assert fault(ask(dialect(service), request)) == (status, "VOD.10062")
    assert fault(ask(dialect(service), details())) == (400, "VOD.10062")
