"""Requests read from ASGI servers: paths, addresses, bodies within bounds."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from snapengine.service.auth.wire import SignedRequest
from snapengine.service.settings import Settings
from snapengine.service.web import reading
from snapengine.service.web.reading import (
    ROOT,
    BodyCutOff,
    BodyTooLarge,
    BodyTooSlow,
    base_url,
    body_pieces,
    call,
    raw_path,
    read_request,
)
from tests.service.web_kit import client, exchange, served

pytestmark = pytest.mark.usefixtures("no_leftovers", "settled")


def scope(**more: Any) -> dict[str, Any]:
    return {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [], "scheme": "http", "server": ("127.0.0.1", 8080), "root_path": "", **more,
    }  # fmt: skip


def request_of(pieces: Iterable[bytes | None], **more: Any) -> Request:
    """A request whose body comes in these pieces; ``None``: the client leaves."""
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        if not left:
            await anyio.sleep_forever()
        piece = left.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    return Request(scope(method="POST", **more), receive)


def read(request: Request, *bounds: Any) -> SignedRequest:
    async def run() -> SignedRequest:
        return await read_request(request, *bounds)

    return anyio.run(run)


# -- bodies ---------------------------------------------------------------------------------


def test_everything_comes_through_as_it_was_sent() -> None:
    headers = [(b"X-A", b" caf\xe9 "), (b"x-a", b"2"), (b"Host", b"h")]
    found = read(
        request_of(
            [b"ab", b"", b"\x00c"],
            raw_path=b"/%41%2f/x",
            query_string=b"a=&b=+%20",
            headers=headers,
        )
    )
    assert found == SignedRequest(
        "POST", b"/%41%2f/x", b"a=&b=+%20",
        ((b"x-a", b" caf\xe9 "), (b"x-a", b"2"), (b"host", b"h")), b"ab\x00c",
    )  # fmt: skip


@pytest.mark.parametrize("pieces", [[b"12345"], [b"123", b"45"], [b"1234", b"", b"5"]])
def test_a_body_may_be_as_large_as_allowed_and_no_larger(pieces: list[bytes]) -> None:
    assert read(request_of(pieces), 5).body == b"12345"
    with pytest.raises(BodyTooLarge) as caught:
        read(request_of(pieces), 4)
    assert caught.value.status == 413


def test_a_length_that_is_announced_is_believed_only_if_it_is_too_large() -> None:
    large = [(b"content-length", b"6")]
    with pytest.raises(BodyTooLarge):  # before a byte has come
        read(request_of([], headers=large), 5, 60.0)
    for lie in (b"1", b"-9", b"99999999999999999999999", b"x", b""):
        assert read(request_of([b"12345"], headers=[(b"content-length", lie)]), 5).body == b"12345"


def test_a_client_that_leaves_is_told_apart() -> None:
    with pytest.raises(BodyCutOff):
        read(request_of([b"12", None]), 5)


def test_a_slow_body_ends() -> None:
    with pytest.raises(BodyTooSlow) as caught:
        read(request_of([]), 5, 0.05)
    assert caught.value.status == 408

    async def trickle() -> None:
        async def receive() -> dict[str, Any]:
            await checkpoint()
            return {"type": "http.request", "body": b"x", "more_body": True}

        await read_request(Request(scope(), receive), 10**9, 0.1)

    with pytest.raises(BodyTooSlow):
        anyio.run(trickle)


def test_a_body_of_any_length_may_take_its_time_while_enough_comes() -> None:
    async def run(size: int) -> int:
        left = 40

        async def receive() -> dict[str, Any]:
            nonlocal left
            left -= 1
            await anyio.sleep(0.02)
            return {"type": "http.request", "body": b"x" * size, "more_body": left > 0}

        request = Request(scope(), receive)
        return sum([len(piece) async for piece in body_pieces(request, 10**6, 0.3, 1000)])

    assert anyio.run(run, 200) == 8000  # 0.8 s, 10,000 bytes a second
    with pytest.raises(BodyTooSlow):
        anyio.run(run, 5)


def test_the_time_that_the_reader_takes_does_not_count() -> None:
    async def run() -> int:
        pieces = 0
        async for _ in body_pieces(request_of([b"a"] * 5), 10, 0.1):
            pieces += 1
            await anyio.sleep(0.05)
        return pieces

    assert anyio.run(run) == 5


# -- the path -------------------------------------------------------------------------------


SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="/?#"), min_size=1, max_size=8)


def escaped(text: str, every: Callable[[int], bool]) -> bytes:
    """One of the ways to write a text in a path; which bytes are escaped is ``every``'s choice."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~:@!$&'()*+,;="
    return b"".join(
        bytes([byte]) if byte in plain and not every(i) else b"%%%02x" % byte
        for i, byte in enumerate(text.encode())
    )


@given(st.lists(SEGMENT, max_size=3), st.lists(SEGMENT, max_size=3), st.sets(st.integers(0, 30)))
def test_the_prefix_of_a_mount_is_no_part_of_the_path(
    roots: list[str], rest: list[str], some: set[int]
) -> None:
    def written(parts: list[str]) -> bytes:
        return b"".join(b"/" + escaped(part, some.__contains__) for part in parts)

    root = "".join(f"/{part}" for part in roots)
    raw = written(roots) + written(rest)
    found = raw_path(scope(root_path=root, path=unquote(raw.decode()), raw_path=raw))
    assert found == (written(rest) or b"/")
    # What is mounted further inside changes nothing: the root is that of our application.
    inside = scope(path=unquote(raw.decode()), raw_path=raw, root_path=f"{root}/x", **{ROOT: root})
    assert raw_path(inside) == found


@pytest.mark.parametrize(
    ("raw", "root", "path"),
    [
        (b"/vod/x", "/vod/", b"/x"),
        (b"/vodx", "/vod", b"/vodx"),  # not below it
        (b"/vod", "/vod", b"/"),
        (b"/%76od/%78", "/vod", b"/%78"),
        (b"/other/x", "/vod", b"/other/x"),
        (b"/v%zz", "/v%zz", b"/"),
        (b"/vo", "/vod", b"/vo"),
        (b"/x?y=1", "", b"/x"),
        (b"", "", b"/"),
        (b"http://a:80/v1.0/x", "", b"/v1.0/x"),
        (b"HTTPS://a", "", b"/"),
        (b"/http://a/", "", b"/http://a/"),
        (b"/a//b/", "", b"/a//b/"),
        (b"/\xff\xe9", "", b"/\xff\xe9"),
    ],
)
def test_paths_by_example(raw: bytes, root: str, path: bytes) -> None:
    assert raw_path(scope(raw_path=raw, root_path=root, path="?")) == path


def test_a_server_that_keeps_no_raw_path_has_its_path_escaped_again() -> None:
    given = scope(path="/vod/a b/ü:@/c", root_path="/vod", raw_path=None)
    assert raw_path(given) == b"/a%20b/%C3%BC:@/c"
    del given["raw_path"]
    assert raw_path(given) == b"/a%20b/%C3%BC:@/c"


# -- the address ----------------------------------------------------------------------------


def address(*hosts: bytes, public_url: str = "", **more: Any) -> str:
    headers = [(b"Host", host) for host in hosts]
    return base_url(Request(scope(headers=headers, **more)), Settings(public_url=public_url))


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:65535", "[::ffff:1.2.3.4]", "a-b.c_d.e.",
     "EXAMPLE.com"],
)  # fmt: skip
def test_links_begin_with_what_the_client_asked(host: str) -> None:
    assert address(host.encode()) == f"http://{host}"
    assert address(host.encode(), scheme="https") == f"https://{host}"


@pytest.mark.parametrize(
    "host",
    [b"http://127.0.0.1:8080", b"", b"a b", b"a/b", b"a?b", b"a#b", b"u@a", b"a:", b"a:0",
     b"a:99999", b"a:-1", b"a..b", b"[::1", b"[::g]", b"[]", b"[1.2.3.4]", b"\xff", b"a\r\nX: y",
     b"-a", b"a-", b"a<script>", b"a" * 300, b"a:8080:9"],
)  # fmt: skip
def test_a_host_that_is_none_gives_way_to_the_address_of_the_connection(host: bytes) -> None:
    assert address(host) == "http://127.0.0.1:8080"


def test_of_two_hosts_neither_is_believed() -> None:
    assert address(b"a", b"b") == "http://127.0.0.1:8080"
    assert address() == "http://127.0.0.1:8080"


def test_addresses_of_the_connection() -> None:
    assert address(server=("::1", 80)) == "http://[::1]"
    assert address(server=("::1", 443), scheme="https") == "https://[::1]"
    assert address(server=("fe80::1%eth0", 8080)) == "http://[fe80::1]:8080"
    assert address(server=("/run/socket", None)) == "http://localhost"
    assert address(server=None) == "http://localhost"


def test_a_prefix_and_a_setting_count() -> None:
    assert address(b"h", root_path="/vod/ü") == "http://h/vod/%C3%BC"
    assert address(b"h", root_path="/a/b", **{ROOT: "/a"}) == "http://h/a"
    assert address(b"h", root_path="/a", public_url="https://x/y/") == "https://x/y"


@given(st.binary(max_size=60))
def test_whatever_a_client_says_a_link_has_the_form_of_one(host: bytes) -> None:
    found = urlsplit(address(host))
    assert (found.scheme, found.path, found.query, found.fragment) == ("http", "", "", "")
    assert found.username is None
    assert found.hostname and found.netloc.isascii() and found.netloc.isprintable()
    assert not set(found.netloc) & set("\"'<>\\ ")
    assert found.port is None or 0 < found.port < 65536


# -- threads --------------------------------------------------------------------------------


def test_calls_run_beside_the_loop_so_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "THREADS", 3)
    lock = threading.Lock()
    together = threading.Barrier(3)
    inside = most = 0

    def work(number: int, *, add: int) -> int:
        nonlocal inside, most
        assert threading.current_thread() is not threading.main_thread()
        with lock:
            inside += 1
            most = max(most, inside)
        together.wait(10)  # three are in here at once, or this breaks
        with lock:
            inside -= 1
        return number + add

    async def run() -> list[int]:
        found = []

        async def one(number: int) -> None:
            found.append(await call(work, number, add=100))

        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(one, number)
        return sorted(found)

    assert anyio.run(run) == list(range(100, 112))
    assert most == 3
    assert anyio.run(run) == list(range(100, 112))  # in another loop, too


def test_what_a_call_raises_comes_through() -> None:
    async def run() -> None:
        await call(int, "x")

    with pytest.raises(ValueError):
        anyio.run(run)


# -- through a server -----------------------------------------------------------------------


async def echo(request: Request) -> Response:
    found = await read_request(request, 100)
    return JSONResponse(
        {
            "path": found.raw_path.decode("latin-1"),
            "query": found.raw_query.decode("latin-1"),
            "body": found.body.decode("latin-1"),
            "base": base_url(request, Settings()),
        }
    )


def test_through_a_server_and_a_mount() -> None:
    app = Starlette(routes=[Mount("/v od", routes=[Route("/{rest:path}", echo, methods=["PUT"])])])
    with served(app) as base, client(base) as http:
        found = http.put("/v%20od/%41/b%2Fc?x=%20+&y", content=iter([b"ab", b"c"])).json()
    assert found == {
        "path": "/%41/b%2Fc", "query": "x=%20+&y", "body": "abc", "base": f"{base}/v%20od"
    }  # fmt: skip


def test_odd_bytes_in_a_request_line() -> None:
    app = Starlette(routes=[Route("/{rest:path}", echo, methods=["GET"])])
    line = b"GET /%%41\"<>'?a=%ff&\"' HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n"
    with served(app) as base:
        answer = json.loads(exchange(base, line).partition(b"\r\n\r\n")[2])
        bad = exchange(base, b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer == {
        "path": "/%%41\"<>'", "query": "a=%ff&\"'", "body": "", "base": "http://h:1"
    }  # fmt: skip
    assert bad.startswith(b"HTTP/1.1 400 ")
