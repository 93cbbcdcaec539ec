"""The application as a whole: health, bounds, errors nobody expected, mounts, careful sockets."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from snapengine.service.domain.failures import ServiceUnavailable
from snapengine.service.domain.records import CallbackMessage, CallbackSettings, Event
from snapengine.service.facade import Service
from snapengine.service.web import serving
from snapengine.service.web.app import make_app
from snapengine.service.web.reading import base_url, call, read_request
from tests.service.web_kit import client, exchange, make_service, served

pytestmark = pytest.mark.usefixtures("no_leftovers", "settled")


class Probe:
    """A dialect whose endpoints do what a test wants to see."""

    name = "probe"

    def __init__(self, service: Service) -> None:
        self.service = service

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/", self.root, methods=["GET", "POST"]),
            Route("/probe/raise", self.fail),
            Route("/probe/half", self.half),
            Route("/probe/closed", self.closed),
            Route("/probe/large", self.large),
        ]

    async def root(self, request: Request) -> Response:
        found = await read_request(request, 1000, 0.3)
        here = base_url(request, self.service.settings)
        waiting = await call(self.service.database.waiting)
        return JSONResponse({"size": len(found.body), "base": here, "waiting": waiting})

    async def fail(self, request: Request) -> Response:
        raise RuntimeError("a secret of ours")

    async def half(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half of it"
            raise RuntimeError("a secret of ours")

        return StreamingResponse(pieces(), headers={"content-length": "20"})

    async def closed(self, request: Request) -> Response:
        raise ServiceUnavailable("the service is closing")

    async def large(self, request: Request) -> Response:
        return Response(b"x" * (64 << 20))

    def drafts(self, event: Event, settings: CallbackSettings | None) -> list[Any]:
        return []

    def signing_headers(self, message: CallbackMessage, now: float) -> dict[str, str]:
        return {}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with contextlib.closing(make_service(tmp_path)) as service:
        yield service


@pytest.fixture
def base(service: Service) -> Iterator[str]:
    with served(make_app(service, [Probe(service)])) as base:
        yield base


@pytest.fixture
def http(base: str) -> Iterator[httpx.Client]:
    with client(base) as http:
        yield http


def plain(answer: httpx.Response, status: int) -> str:
    """The reason that an answer in plain JSON gives."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert list(found) == ["error"]
    return str(found["error"])


# -- answers --------------------------------------------------------------------------------


def test_health(http: httpx.Client, service: Service) -> None:
    answer = http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"
    assert http.head("/healthz").status_code == 200
    service.close()
    ill = http.get("/healthz")
    assert (ill.status_code, ill.json()) == (503, {"status": "unavailable"})


@pytest.mark.parametrize("path", ["/nothing", "/files", "/upload/", "/healthz/", "/probe/"])
def test_what_nobody_listens_to(http: httpx.Client, path: str) -> None:
    plain(http.get(path), 404)


def test_methods_that_nobody_listens_to(http: httpx.Client) -> None:
    answer = http.delete("/healthz")
    plain(answer, 405)
    assert "GET" in answer.headers["allow"]


def test_an_error_that_nobody_expected_is_told_to_us_alone(
    http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert plain(http.get("/probe/raise"), 500) == "internal error"
    (record,) = [r for r in caplog.records if r.name == "snapengine.service"]
    assert record.levelno == logging.ERROR
    assert "a secret of ours" in caplog.text
    assert http.get("/healthz").status_code == 200


def test_half_an_answer_is_cut_off(
    base: str, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/probe/half")
    raw = exchange(base, b"GET /probe/half HTTP/1.1\r\nHost: h\r\n\r\n")
    assert raw.endswith(b"\r\n\r\nhalf of it")
    assert http.get("/healthz").status_code == 200


def test_a_service_that_is_closing_says_when_to_come_again(http: httpx.Client) -> None:
    answer = http.get("/probe/closed")
    assert "closing" in plain(answer, 503)
    assert answer.headers["retry-after"] == "5"


# -- bounds ---------------------------------------------------------------------------------


def test_bodies_that_are_too_large_are_answered_all_the_same(base: str, http: httpx.Client) -> None:
    plain(http.post("/", content=b"x" * 1001), 413)
    plain(http.post("/", content=iter([b"x" * 600] * 2)), 413)
    plain(http.post("/", content=b"x" * (4 << 20)), 413)
    assert http.post("/", content=b"x" * 1000).json()["size"] == 1000
    many = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n"
    assert exchange(base, many + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_bodies_that_are_too_slow(base: str) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
    assert exchange(base, head + b"abc").startswith(b"HTTP/1.1 408 ")


def test_a_client_that_leaves_is_no_error(
    base: str, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"
    assert exchange(base, head + b"abc", end=True) == b""
    assert http.get("/healthz").status_code == 200
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_heads_have_bounds(base: str, http: httpx.Client) -> None:
    plain(http.get("/" + "x" * 9000), 414)
    line = b"GET /?%b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    assert exchange(base, line % (b"x" * (257 << 10))).startswith(b"HTTP/1.1 414 ")
    assert exchange(base, line % (b"x" * (120 << 10))).startswith(b"HTTP/1.1 200 ")
    plain(http.get("/", headers=[(f"x-{i}", "1") for i in range(300)]), 431)
    plain(http.get("/", headers={"x": "1" * (129 << 10)}), 431)
    endless = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X-A: " + b"x" * (1 << 20)
    assert exchange(base, endless).startswith((b"HTTP/1.1 400 ", b""))


@pytest.mark.parametrize(
    "request_line",
    [b"GET", b"GET /", b"\x00\x01\x02", b"GET / HTTP/9.9", b"GET  /  HTTP/1.1",
     b"G\xc3\xa4T / HTTP/1.1", b"GET / HTTP/1.1\r\nContent-Length: -5",
     b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6",
     b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip", b"GET / HTTP/1.1\r\n Folded: x",
     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
)  # fmt: skip
def test_what_is_no_http_is_refused(base: str, http: httpx.Client, request_line: bytes) -> None:
    answer = exchange(base, request_line + b"\r\nHost: h\r\nConnection: close\r\n\r\n", end=True)
    assert answer == b"" or answer.split(b" ", 2)[1] in (b"400", b"501")
    assert http.get("/healthz").status_code == 200


def test_a_request_line_as_proxies_get_it(base: str) -> None:
    head = b"GET %b HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n"
    for url in (b"http://elsewhere:99/healthz", b"HTTP://x/healthz?a"):
        assert b'{"status":"ok"}' in exchange(base, head % url)
    assert b'"base":"http://h:1"' in exchange(base, head % b"http://elsewhere")
    for odd in (b"*", b"healthz", b"ftp://x/healthz"):
        assert exchange(base, head % odd).split(b" ", 2)[1] in (b"400", b"404")


# -- sockets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\nX: ",
     b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\nGET / HT"],
)  # fmt: skip
def test_a_head_that_does_not_end_ends_the_connection(
    base: str, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)
    answer = exchange(base, data)
    assert answer.count(b"HTTP/1.1 ") == data.count(b"\r\n\r\n")


def test_a_body_that_goes_on_behind_its_answer_ends(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n"
    assert exchange(base, head + b"some of it").startswith(b"HTTP/1.1 413 ")


def test_a_client_that_does_not_read_is_let_go(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "UNREAD_SECONDS", 0.2)
    host, port = base.removeprefix("http://").split(":")
    closed = threading.Event()
    real = serving.CarefulProtocol.connection_lost

    def lost(self: Any, exc: Exception | None) -> None:
        real(self, exc)
        closed.set()

    monkeypatch.setattr(serving.CarefulProtocol, "connection_lost", lost)
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(b"GET /probe/large HTTP/1.1\r\nHost: h\r\n\r\n")
        assert closed.wait(10)


def test_requests_one_behind_the_other_are_all_answered(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    assert exchange(base, one * 20 + last).count(b'{"status":"ok"}') == 21


# -- mounting -------------------------------------------------------------------------------


def test_mounted_it_starts_with_the_first_request(tmp_path: Path) -> None:
    started = threading.Event()

    class Watched(Service):
        def start(self) -> None:
            started.set()
            super().start()

    made = make_service(tmp_path)
    settings = made.settings
    made.close()
    with contextlib.closing(Watched(settings)) as service:
        inner = make_app(service, [Probe(service)])
        assert inner.state.service is service
        app = Starlette(
            routes=[Mount("/vod", inner), Route("/", lambda r: PlainTextResponse("me"))]
        )
        with served(app) as base, client(base) as http:
            assert http.get("/").text == "me"
            assert not started.is_set()
            assert http.get("/vod/").json()["base"] == f"{base}/vod"
            assert started.is_set()
            plain(http.get("/vod/nothing"), 404)
            assert http.get("/vod/healthz").json() == {"status": "ok"}
            assert http.get("/vod/files/nothing").status_code == 404
        assert service.database.waiting() == 0  # nobody closed it but us


def test_the_lifespan_starts_and_closes_it(service: Service) -> None:
    with served(make_app(service, [])) as base, client(base) as http:
        assert http.get("/healthz").status_code == 200
    with pytest.raises(ServiceUnavailable):
        service.start()


def test_in_any_asgi_server(service: Service) -> None:
    """One that keeps no raw path and knows no lifespan."""
    app = make_app(service, [Probe(service)])
    sent: list[Any] = []

    async def run() -> None:
        scope = {
            "type": "http", "method": "GET", "path": "/vod/", "root_path": "/vod", "headers": [],
            "query_string": b"", "asgi": {"version": "3.0"}, "scheme": "https",
            "http_version": "1.1", "server": ("h", 1), "client": None,
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)

    anyio.run(run)
    assert sent[0]["status"] == 200
    assert json.loads(sent[1]["body"])["base"] == "https://h:1/vod"
