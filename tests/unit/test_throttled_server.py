"""The slow and distant server of the benchmarks keeps its promises, and counts right."""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.throttled_server import ThrottledServer

DATA = random.Random(5).randbytes(1 << 20)
LATENCY = 0.03
MEGABITS = 40.0  # 5 MB a second


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrottledServer]:
    folder: Path = tmp_path_factory.mktemp("served")
    (folder / "film.mp4").write_bytes(DATA)
    (folder.parent / "outside").write_bytes(b"secret")
    with ThrottledServer(folder, latency=LATENCY, megabits=MEGABITS) as running:
        yield running


def _get(
    line: http.client.HTTPConnection, headers: dict[str, str], name: str = "/film.mp4"
) -> tuple[http.client.HTTPResponse, bytes]:
    line.request("GET", name, headers=headers)
    answer = line.getresponse()
    return answer, answer.read()


@pytest.fixture
def line(server: ThrottledServer) -> Iterator[http.client.HTTPConnection]:
    server.reset()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("asked", "low", "high"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-70999", 1000, 71000),
        (f"bytes={len(DATA) - 10}-{len(DATA) + 10}", len(DATA) - 10, len(DATA)),
        ("bytes=-20", len(DATA) - 20, len(DATA)),
        (f"bytes={len(DATA) - 5}-", len(DATA) - 5, len(DATA)),
    ],
)
def test_ranges(line: http.client.HTTPConnection, asked: str, low: int, high: int) -> None:
    answer, body = _get(line, {"Range": asked})
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {low}-{high - 1}/{len(DATA)}"
    assert body == DATA[low:high]


def test_what_is_no_range_of_this_file(line: http.client.HTTPConnection) -> None:
    answer, body = _get(line, {"Range": f"bytes={len(DATA)}-"})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")
    assert body == b""
    whole = [
        _get(line, {"Range": "bytes=0-1,5-6"}),
        _get(line, {"If-Range": '"x"', "Range": "bytes=0-1"}),
    ]
    assert [(answer.status, body == DATA) for answer, body in whole] == [(200, True)] * 2
    for name in ("/other.mp4", "/../outside", "/%2e%2e/outside"):
        assert _get(line, {}, name)[0].status == 404


def test_latency_and_pace(server: ThrottledServer, line: http.client.HTTPConnection) -> None:
    """No sooner than promised; not much later, which leaves room for a busy machine."""
    for size in (1, 250_000):
        promised = LATENCY + size / (MEGABITS * 1e6 / 8)
        taken = []
        for _ in range(3):
            began = time.monotonic()
            _get(line, {"Range": f"bytes=0-{size - 1}"})
            taken.append(time.monotonic() - began)
        assert min(taken) >= promised - 0.001  # the clocks of two processes, rounded
        assert min(taken) < 2 * promised + 0.1


def test_requests_sent_ahead_share_one_rate(server: ThrottledServer) -> None:
    server.reset()
    size = 100_000
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        for number in range(3):
            span = f"{number * size}-{(number + 1) * size - 1}"
            last = "Connection: close\r\n" if number == 2 else ""
            line.sendall(f"GET /film.mp4 HTTP/1.1\r\nRange: bytes={span}\r\n{last}\r\n".encode())
        said = b""
        while piece := line.recv(1 << 16):
            said += piece
    assert time.monotonic() - began >= LATENCY + 3 * size / (MEGABITS * 1e6 / 8) - 0.001
    parts = said.split(b"\r\n\r\n", 1)[1]
    assert parts.startswith(DATA[:size]) and said.endswith(DATA[2 * size : 3 * size])
    assert server.counts()["requests"] == 3


def test_counts(server: ThrottledServer, line: http.client.HTTPConnection) -> None:
    sizes = [1, 5000, 60_000]
    for size in sizes:
        _get(line, {"Range": f"bytes=7-{6 + size}"})

    def other() -> None:
        second = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        _get(second, {"Range": "bytes=0-9"})
        second.close()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    counts = server.counts()
    assert counts["requests"] == 4
    assert counts["connections"] == 2
    assert counts["body_bytes"] == counts["asked_bytes"] == sum(sizes) + 10
    assert counts["cut"] == 0
    assert [row[:3] for row in counts["ranges"]] == [[7, s, s] for s in sizes] + [[0, 10, 10]]
    server.reset()
    assert server.counts()["requests"] == 0


def test_a_body_that_is_not_taken_to_its_end(server: ThrottledServer) -> None:
    server.reset()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(b"GET /film.mp4 HTTP/1.1\r\n\r\n")
        assert line.recv(1000).startswith(b"HTTP/1.1 200 OK")
    while not server.counts()["cut"]:  # it is told of the end, by and by
        pass
    counts = server.counts()
    assert counts["asked_bytes"] == len(DATA)
    assert 0 < counts["body_bytes"] < len(DATA)
