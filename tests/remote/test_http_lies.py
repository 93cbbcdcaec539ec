"""Answers that are wrong, or no answers at all."""

from __future__ import annotations

import time
from typing import Any

import pytest

from snapengine.errors import (
    SourceError,
    SourceTimeout,
)

from .fault_server import (
    Fault,
    FaultServer,
    answer,
    chunked,
    cut,
    raw,
)
from .reader import DATA, PATIENT, PROMPT, fetcher, get

pytestmark = pytest.mark.usefixtures("no_leftovers")


LIES = {
    "another start": {"Content_Range": "bytes 0-49999/300000"},
    "beyond what was asked": {"Content_Range": "bytes 1000-51000/300000"},
    "end before start": {"Content_Range": "bytes 1000-999/300000"},
    "beyond the end": {"Content_Range": "bytes 1000-50999/50000"},
    "not the length": {"Content_Range": "bytes 1000-2000/300000"},
    "other units": {"Content_Range": "lines 1000-50999/300000"},
    "no numbers": {"Content_Range": "bytes 1e3-50999/300000"},
    "nothing": {"Content_Range": ""},
    "none": {"Content_Range": None},
    "huge": {"Content_Range": f"bytes 1000-50999/{'9' * 40}"},
    "multipart": {"Content_Type": "multipart/byteranges; boundary=x"},
    "length is no number": {"Content_Length": "5_0000"},
    "negative length": {"Content_Length": "-50000"},
    "a coding of the transfer": {"Transfer_Encoding": "gzip, chunked"},
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_about_the_range(server: FaultServer, lie: str) -> None:
    server.faults.append(answer(206, times=2, **LIES[lie]))  # type: ignore[arg-type]
    with fetcher(server) as http:
        assert get(http, 1000, 50_000) == DATA[1000:51_000]
        assert http.size == len(DATA)
        server.faults.append(answer(206, times=None, **LIES[lie]))  # type: ignore[arg-type]
        with pytest.raises(SourceError) as info:
            get(http, 1000, 50_000)
        if lie in ("another start", "not the length"):
            assert "1000-50999" in str(info.value)
            assert str(LIES[lie]["Content_Range"]) in str(info.value)
    assert len(server.requests) == 3 + 4


@pytest.mark.parametrize("coding", ["gzip", "br", "x-gzip, identity", "deflate"])
def test_encoded_bodies_are_never_taken_for_the_file(server: FaultServer, coding: str) -> None:
    server.faults.append(answer(Content_Encoding=coding))
    with fetcher(server) as http:
        assert get(http, 0, 1000) == DATA[:1000]
        server.faults.append(answer(Content_Encoding=coding, times=None))
        with pytest.raises(SourceError, match=coding):
            get(http, 0, 1000)
    assert len(server.requests) == 4
    with fetcher(server) as http, pytest.raises(SourceError, match=coding):
        server.ranges = False
        get(http, 0, 500_000)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\0" * 100, b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"SSH-2.0-x\r\n",
        b"HTTP/9.9 206 OK\r\n\r\n", b"<html>hello</html>", b"HTTP/1.1 206 OK",
        b"HTTP/1.1 99999 OK\r\n\r\n", b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/10\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-99/300000\r\nTransfer-Encoding: chunked\r\n"
        b"\r\n-5\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-99/300000\r\nTransfer-Encoding: chunked\r\n"
        b"\r\nzz\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-99/300000\r\nTransfer-Encoding: chunked\r\n"
        b"\r\n3\r\n" + DATA[:4] + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-99/300000\r\nTransfer-Encoding: chunked\r\n"
        b"\r\n40\r\n" + DATA[:3],
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n",
    ],
)  # fmt: skip
def test_garbage_instead_of_http(server: FaultServer, text: bytes) -> None:
    server.faults.append(raw(text))
    with fetcher(server) as http:
        assert get(http, 0, 100) == DATA[:100]
        server.faults.append(raw(text, times=None))
        server.drop_connections()
        with pytest.raises(SourceError):
            get(http, 100, 100)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 206 OK\r\nX: " + b"x" * 100_000,
        b"HTTP/1.1 206 " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 206 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 206 OK\r\n" + (b"X: " + b"y" * 60_000 + b"\r\n") * 90,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    ],
)
def test_heads_without_end(server: FaultServer, head: bytes) -> None:
    server.faults.append(raw(head, times=None))
    with fetcher(server) as http, pytest.raises(SourceError) as info:
        get(http, 0, 100)
    assert not info.value.retryable
    assert len(server.requests) == 1


def test_a_steady_trickle_is_silence(server: FaultServer) -> None:
    """Bytes come all the time, and too few of them."""
    server.faults.append(cut("middle", "drip", times=None, after=10, pause=0.001))
    with (
        fetcher(server, retries=0, least_rate=50_000) as http,
        pytest.raises(SourceTimeout, match=r"bytes in 0\.2 s"),
    ):
        get(http, 0, 100_000)


def test_a_slow_and_steady_stream_is_none(server: FaultServer) -> None:
    server.faults.append(cut("body", "drip", pause=0.001))
    with fetcher(server, retries=0, least_rate=10, silence_seconds=0.3) as http:
        assert get(http, 0, 600) == DATA[:600]


def test_a_body_that_is_of_no_use_is_not_waited_for(server: FaultServer) -> None:
    server.faults.append(Fault(lambda request, reply: _error_that_hangs(reply), times=None))
    with fetcher(server, **PATIENT) as http:
        begun = time.monotonic()
        with pytest.raises(SourceError, match="404"):
            get(http, 0, 100)
        assert time.monotonic() - begun < PROMPT


def _error_that_hangs(reply: Any) -> None:
    reply.status, reply.body = 404, b"x" * 100
    reply.headers["Content-Length"] = "100"
    reply.stop = ("middle", "hang", 50)


def test_a_chunked_body_without_an_end_is_not_waited_for(server: FaultServer) -> None:
    server.faults.append(chunked(1000))
    whole = server.faults[0].change

    def change(request: Any, reply: Any) -> None:
        whole(request, reply)
        reply.stop = ("middle", "hang", 5 * (1000 + 7))

    server.faults[0].change = change
    with fetcher(server, **PATIENT) as http:
        begun = time.monotonic()
        assert get(http, 0, 5000) == DATA[:5000]
        assert time.monotonic() - begun < PROMPT
