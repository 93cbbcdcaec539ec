"""Whatever is sent to Huawei's dialect is answered: in its form, never with 500, and soon."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapengine.service import Service, Settings, create_app
from snapengine.service.auth import tokens
from snapengine.service.dialects.huawei import HuaweiDialect
from snapengine.service.dialects.huawei.calls import Reply
from snapengine.service.dialects.huawei.dialect import _OPERATIONS
from snapengine.service.domain.records import NewAsset
from snapengine.service.domain.requests import ThumbnailRequest
from tests.service.huawei_kit import KEY, KEYS, ask, plain, served, signed
from tests.service.postgres import new_database, require_postgres

Place = tuple[HuaweiDialect, list[str]]
CALLS = [(method, path) for path, methods in _OPERATIONS.items() for method in methods]
NAMES = [
    "asset_id", "task_id", "categories", "offset", "limit", "page", "size", "order", "status",
    "title", "description", "tags", "category_id", "video_name", "video_type", "cover_type",
    "cover_id", "thumbnail", "thumbnailUrl", "upload_metadatas", "url", "type", "time", "dots",
    "quantity", "quantity_time", "cover_position", "format", "aspect_ratio", "max_length",
    "start_time", "end_time", "query_string", "media_type", "delete_type", "name", "auth",
    "identity", "hw_ak_sk", "access", "secret", "key", "password", "user", "scope", "project", "id",
]  # fmt: skip
WORDS = [
    "time", "dots", "quantity", "MP4", "mp3", "JPG", "PNG", "CREATED", "CANCELLED", "A", "",
    "https://h.test/a%00.mp4", "http://[::1", "https://h.test/\ud800.mp4", "\x00", "é" * 200,
    "20261121091011", "99999999999999", "base_info", "5", "-1", "9" * 30, KEY.id, KEY.secret,
]  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One whose jobs nobody does, so its queue is full some time. PostgreSQL is stricter about
    texts."""
    database = ""
    if request.param == "postgres":
        require_postgres()
        database = new_database()
    service = Service(
        Settings(
            keys=KEYS, data=str(tmp_path_factory.mktemp("fuzz")), workers=0, tenant_queue=150,
            database=database,
        )
    )  # fmt: skip
    yield service
    service.close()


@pytest.fixture(scope="module")
def place(service: Service) -> Place:
    dialect = service.dialects["huawei"]
    assert isinstance(dialect, HuaweiDialect)
    via = dialect.via("http://videos.test")
    tenant = KEY.project_id
    arrived = [
        service.register(tenant, NewAsset(title=t, source=f"https://h.test/{t}.mp4"), via)[0].id
        for t in "abc"
    ]
    awaited = service.create_upload(tenant, NewAsset(title="d", file_name="d.mp4"), via).id
    job = service.submit_thumbnails(tenant, arrived[0], ThumbnailRequest(rule="every"), via)
    return dialect, [*arrived, awaited, job.id, f"https://h/asset/{arrived[0]}/cover/Cover0.jpg"]


def values(known: list[str]) -> st.SearchStrategy[Any]:
    leaf = (
        st.sampled_from([*WORDS, *known])
        | st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-2, 2**70) | st.text(st.characters(), max_size=20)
    )  # fmt: skip
    return st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
        ),
        max_leaves=12,
    )


def good(known: list[str]) -> dict[tuple[str, str], tuple[list[tuple[str, str]], Any]]:
    """For each operation a query and a body that it takes."""
    id, awaited, task, picture = known[0], known[-3], known[-2], known[-1]
    dots = {"type": "dots", "dots": [1, 5], "cover_position": 2, "max_length": 99, "format": 1}
    item = {
        "url": "https://h.test/x.mp4", "title": "X", "video_type": "MP4", "tags": "a,b",
        "description": "d", "category_id": 1, "thumbnail": dots, "cover_type": "JPG",
    }  # fmt: skip
    return {
        ("POST", "asset"): ([], {**item, "video_name": "x.mp4", "url": None}),
        ("PUT", "asset"): ([], {"asset_id": id, "cover_id": 0, "cover_type": "PNG"}),
        ("DELETE", "asset"): ([("asset_id", "f" * 32), ("asset_id", "e" * 32)], None),
        ("PUT", "asset/cover"): ([], {"thumbnailUrl": picture}),
        ("GET", "asset/details"): ([("asset_id", id), ("categories", "base_info")], None),
        ("GET", "asset/info"): (
            [("asset_id", id), ("status", "CREATING"), ("assetStatus", "CREATING"),
             ("transcodeStatus", "UN_TRANSCODE"), ("size", "5")],
            None,
        ),
        ("PUT", "asset/info"): ([], {**item, "asset_id": id}),
        ("GET", "asset/list"): (
            [("status", "CREATING"), ("query_string", "a"), ("media_type", "MP4"), ("page", "0"),
             ("size", "5"), ("tags", "a"), ("start_time", "20200101000000"), ("order", "asc")],
            None,
        ),
        ("POST", "asset/process"): ([], {"asset_id": id, "thumbnail": dots}),
        ("POST", "asset/smart_cover"): ([], {"asset_id": id}),
        ("POST", "asset/status/uploaded"): ([], {"asset_id": awaited, "status": "CREATED"}),
        ("GET", "asset/thumbnail/details"): ([("task_id", task), ("limit", "5")], None),
        ("GET", "asset/thumbnails"): ([("asset_id", id), ("task_id", task)], None),
        ("DELETE", "asset/thumbnails"): ([("asset_id", id), ("task_id", task)], None),
        ("POST", "asset/upload_by_url"): ([], {"upload_metadatas": [item, item]}),
    }  # fmt: skip


def spoiled(draw: st.DrawFn, value: Any, some: st.SearchStrategy[Any]) -> Any:
    """``value`` with one thing in it changed, wherever that is."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: spoiled(draw, value[name], some)}
    if isinstance(value, list) and value and draw(st.booleans()):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], spoiled(draw, value[at], some), *value[at + 1 :]]
    if isinstance(value, dict) and draw(st.booleans()):
        return {**value, draw(st.sampled_from(NAMES)): draw(some)}
    return draw(some)


@st.composite
def calls(draw: st.DrawFn, known: list[str]) -> tuple[str, str, list[tuple[str, str]], Any]:
    """A good call with up to two things spoiled, or one of which nothing is good."""
    method, path = draw(st.sampled_from(CALLS))
    query, body = good(known)[method, path]
    some = values(known)
    text = st.sampled_from([w for w in [*WORDS, *known] if "\ud800" not in w]) | st.text(
        st.characters(exclude_categories=["Cs"]), max_size=9
    )
    pair = st.tuples(st.sampled_from(NAMES), text)
    for _ in range(draw(st.integers(0, 2))):
        if body is not None:
            body = spoiled(draw, body, some)
        elif query and draw(st.booleans()):
            at = draw(st.integers(0, len(query) - 1))
            query = [*query[:at], (query[at][0], draw(text)), *query[at + 1 :]]
        else:
            query = [*query, draw(pair)]
    return method, path, query, body


def check(reply: Reply, seconds: float) -> None:
    assert reply.status < 500, reply
    assert seconds < 5
    if reply.status == 204:
        assert reply.body is None
        return
    assert reply.body is not None
    json.loads(json.dumps(reply.body, ensure_ascii=False).encode("utf-8"))
    if reply.status >= 400:
        assert {"error_code", "error_msg"} <= set(reply.body), reply


def answered(dialect: HuaweiDialect, request: Any) -> Reply:
    begun = time.monotonic()
    reply = ask(dialect, request)
    check(reply, time.monotonic() - begun)
    return reply


SOON = settings(
    max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture,
                                             HealthCheck.too_slow]
)  # fmt: skip


def test_the_good_calls_are_good(place: Place) -> None:
    """Otherwise spoiling them would show nothing."""
    dialect, known = place
    for (method, path), (query, body) in good(known).items():
        reply = answered(dialect, signed(method, f"/v1/{{p}}/{path}", query, body))
        refused = {"asset/cover": "VOD.10062", "asset/status/uploaded": "VOD.10083"}
        if path in refused:  # no picture has been made, no upload has come
            assert reply.body is not None
            assert reply.body["error_code"] == refused[path]
        else:
            assert reply.status < 300, (method, path, reply)
    assert set(good(known)) == set(CALLS)


@SOON
@given(data=st.data())
def test_any_call_with_any_parameters(place: Place, data: st.DataObject) -> None:
    dialect, known = place
    method, path, query, body = data.draw(calls(known))
    version = data.draw(st.sampled_from(["v1.0", "v1"]))
    answered(dialect, signed(method, f"/{version}/{{p}}/{path}", query, body))


@SOON
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "x", "É"]),
    path=st.binary(max_size=40) | st.sampled_from([b"", b"/", b"v1.0/%", b"v3/auth/tokens"]),
    query=st.binary(max_size=60),
    data=st.binary(max_size=60),
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"x-sdk-date", b"x-auth-token", b"content-type",
                             b"host", b"x-sdk-content-sha256"]),
            st.binary(max_size=40)
            | st.just(b"SDK-HMAC-SHA256 Access=SEone, SignedHeaders=host, Signature=00"),
        ),
        max_size=6,
    ),
)  # fmt: skip
def test_any_bytes(
    place: Place, method: str, path: bytes, query: bytes, data: bytes, headers: list[Any]
) -> None:
    request = plain("GET", "/")
    request = replace(
        request, method=method, raw_path=b"/" + path, raw_query=query, body=data,
        headers=tuple(headers),
    )  # fmt: skip
    reply = answered(place[0], request)
    assert reply.status in (400, 401, 403, 404)


@SOON
@given(query=st.binary(max_size=40), data=st.binary(max_size=80), call=st.sampled_from(CALLS))
def test_any_bytes_of_somebody_with_a_token(
    place: Place, query: bytes, data: bytes, call: tuple[str, str]
) -> None:
    """A token signs nothing, so nothing has been looked at before."""
    token = tokens.issue(KEY).value
    method, path = call
    request = plain(method, f"/v1.0/{KEY.project_id}/{path}", headers={"x-auth-token": token})
    answered(place[0], replace(request, raw_query=query, body=data))


def test_the_queue_is_full_some_time(place: Place) -> None:
    """What follows many calls is a refusal that says when to come again."""
    dialect, known = place
    body = {"asset_id": known[0], "thumbnail": {"type": "time"}}
    for _ in range(200):
        reply = answered(dialect, signed("POST", "/v1.0/{p}/asset/process", (), body))
        if reply.status == 429:
            break
    assert reply.status == 429
    assert reply.body is not None
    assert reply.body["error_code"] == "APIGW.0308"
    assert int(reply.headers["Retry-After"]) >= 1


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    service = Service(Settings(keys=KEYS, data=str(tmp_path_factory.mktemp("wire")), workers=0))
    with served(create_app(service)) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        yield host, int(port)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from([b"GET", b"PUT", b"POST", b"DELETE", b"HEAD", b"BREW"]),
    version=st.sampled_from([b"v1.0", b"v1", b"v1.1", b"v2", b"v3"]),
    path=st.text("abc%2F0A/.;=~é \x7f", max_size=20) | st.just("%0A"),
    data=st.binary(max_size=50),
    kind=st.sampled_from([b"application/json", b"text/plain", b"\xe9"]),
)
def test_any_request_over_the_wire(
    address: tuple[str, int], method: bytes, version: bytes, path: str, data: bytes, kind: bytes
) -> None:
    """The server itself refuses what is no HTTP; all else is answered in the vendor's words."""
    target = b"/" + version + b"/" + path.replace(" ", "%20").encode("utf-8")
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(
            method + b" " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
            b"Content-Type: " + kind + b"\r\nContent-Length: %d\r\n\r\n" % len(data) + data
        )
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, rest = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if b"x-request-id:" not in head.lower():
        assert status == 400  # not HTTP
        return
    assert status in (400, 401, 403, 404)
    if method != b"HEAD":
        assert {"error_code", "error_msg"} <= set(json.loads(rest))


def test_a_body_that_is_too_large(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(
            b"PUT /v1.0/p/asset/cover HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
            b"Content-Length: 2000000\r\n\r\n{"
        )
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"413"
    assert json.loads(rest)["error_code"] == "APIGW.0201"
