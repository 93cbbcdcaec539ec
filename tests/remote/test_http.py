"""What goes over the wire, and what each answer means. Misbehaviour: ``test_faults.py``."""

from __future__ import annotations

import email.utils
import threading
import time

import pytest

import snapengine
from snapengine.errors import (
    EngineClosed,
    LimitExceeded,
    SourceBusy,
    SourceChanged,
    SourceError,
)
from snapengine.sources.base import Fetcher
from snapengine.sources.meter import Meter

from .fault_server import (
    FaultServer,
    Served,
    answer,
    busy,
    chunked,
    cut,
    extra,
    raw,
    redirect,
    shorter,
)
from .reader import DATA, OTHER, PATH, Reader

pytestmark = pytest.mark.usefixtures("no_leftovers")


def test_ranges_over_one_connection(server: FaultServer) -> None:
    with Reader(server.url(PATH + "?key=secret#part")) as reader:
        fetcher: Fetcher = reader.fetcher
        assert (fetcher.size, fetcher.validator) == (None, None)
        reader.check(1000, 500)
        assert fetcher.size == len(DATA)
        assert fetcher.validator == server.files[PATH].etag
        assert fetcher.name == f"http://127.0.0.1:{server.port}{PATH}"
        assert "secret" not in repr(fetcher)
        reader.check(0, 200_000)
        reader.check(299_990, 500)
        assert reader.get(300_000, 5) == b""
        assert reader.get(5, 0) == b""
        assert reader.meter.requests == 3 == len(server.requests)
        assert reader.meter.bytes_fetched == 200_510 == server.bytes_sent
        assert reader.meter.retries == 0
    assert server.connections == 1
    assert max(reader.pieces) <= 64 << 10
    first, second, third = server.requests
    assert [r.range for r in server.requests] == [(1000, 1499), (0, 199_999), (299_990, 299_999)]
    assert first.query == "key=secret"
    assert first.headers["accept-encoding"] == "identity"
    assert first.headers["user-agent"] == f"snapengine/{snapengine.__version__}"
    assert first.headers["host"] == f"127.0.0.1:{server.port}"
    assert "if-range" not in first.headers
    assert second.headers["if-range"] == third.headers["if-range"] == server.files[PATH].etag


def test_pieces_come_as_they_arrive(server: FaultServer) -> None:
    """The first bytes are handed on while the server still holds the others back."""
    server.faults.append(cut("middle", "hang", after=1000))
    with Reader(server.url(PATH), retries=0) as reader:
        got: list[bytes] = []

        def sink(piece: bytes) -> None:
            got.append(piece)
            if sum(map(len, got)) == 1000:
                raise KeyError("enough")

        with pytest.raises(KeyError):
            reader.fetcher.fetch(0, 5000, sink, reader.meter)
        assert b"".join(got) == DATA[:1000]


def test_what_the_sink_raises_is_neither_hidden_nor_retried(server: FaultServer) -> None:
    def sink(piece: bytes) -> None:
        raise ConnectionResetError("of the sink")

    with Reader(server.url(PATH)) as reader:
        with pytest.raises(ConnectionResetError, match="of the sink"):
            reader.fetcher.fetch(0, 100_000, sink, reader.meter)
        assert len(server.requests) == 1
        reader.check(0, 100)  # the broken-off connection is not used again
    assert server.connections == 2


def test_an_idle_connection_that_was_closed_is_no_failure(server: FaultServer) -> None:
    with Reader(server.url(PATH), retries=0) as reader:
        reader.check(0, 100)
        server.drop_connections()
        reader.check(100, 100)
        server.faults.append(cut("status", "close"))  # closed just as the request arrives
        reader.check(200, 100)
        server.faults.append(cut("status", "reset"))
        reader.check(300, 100)
        assert reader.meter.retries == 2


def test_many_threads(server: FaultServer) -> None:
    with Reader(server.url(PATH)) as reader:
        failed: list[BaseException] = []

        def work(k: int) -> None:
            try:
                for i in range(20):
                    offset = (i * 8 + k) * 1800
                    got = bytearray()
                    reader.fetcher.fetch(offset, 1800, got.extend, reader.meter)
                    assert bytes(got) == DATA[offset : offset + 1800]
            except BaseException as exc:
                failed.append(exc)
                raise

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert not failed
    assert server.connections <= 8


# Validators ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("etag", "modified", "if_range", "validator"),
    [
        ('"a"', "Sat, 01 Aug 2026 08:00:00 GMT", '"a"', '"a"'),
        (None, "Sat, 01 Aug 2026 08:00:00 GMT", "Sat, 01 Aug 2026 08:00:00 GMT",
         "Sat, 01 Aug 2026 08:00:00 GMT"),
        ('W/"a"', "Sat, 01 Aug 2026 08:00:00 GMT", None, "Sat, 01 Aug 2026 08:00:00 GMT"),
        ('W/"a"', None, None, None),
        (None, None, None, None),
    ],
)  # fmt: skip
def test_which_validator_is_used(
    server: FaultServer,
    etag: str | None,
    modified: str | None,
    if_range: str | None,
    validator: str | None,
) -> None:
    server.put(PATH, Served(DATA, etag, modified))
    with Reader(server.url(PATH)) as reader:
        reader.check(0, 100)
        reader.check(100, 100)
        assert server.requests[1].headers.get("if-range") == if_range
        assert reader.fetcher.validator == validator


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Served(DATA), Served(OTHER)),
        (Served(DATA, None), Served(OTHER, None, "Sat, 01 Aug 2026 09:00:00 GMT")),
        (Served(DATA, 'W/"1"', None), Served(OTHER, 'W/"2"', None)),
        (Served(DATA, None, None), Served(OTHER + b"x", None, None)),
        (Served(DATA), Served(OTHER[:1000])),
        (Served(DATA), Served(DATA, '"other"')),
        (Served(DATA), Served(OTHER, None, None)),  # nothing to compare, but If-Range said no
    ],
)
def test_a_file_that_changes_is_an_error(
    server: FaultServer, before: Served, after: Served
) -> None:
    server.put(PATH, before)
    with Reader(server.url(PATH)) as reader:
        reader.check(0, 100)
        server.put(PATH, after)
        with pytest.raises(SourceChanged, match="changed while it was being read"):
            reader.get(100, 100)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"other"'},
        {"Last_Modified": "Sat, 01 Aug 2026 09:00:00 GMT"},
        {"Content_Range": "bytes 100-199/300001"},
    ],
)
def test_a_part_of_another_file_is_an_error(
    server: FaultServer, headers: dict[str, str | None]
) -> None:
    with Reader(server.url(PATH)) as reader:
        reader.check(0, 100)
        server.faults.append(answer(**headers))  # type: ignore[arg-type]
        with pytest.raises(SourceChanged):
            reader.get(100, 100)


def test_a_change_between_two_attempts_is_no_mix(server: FaultServer) -> None:
    server.faults.append(cut("middle", "reset", after=5000))
    server.faults.append(answer(ETag='"other"'))
    with Reader(server.url(PATH)) as reader, pytest.raises(SourceChanged):
        reader.get(0, 100_000)


def test_headers_that_are_missing_later_are_no_change(server: FaultServer) -> None:
    with Reader(server.url(PATH)) as reader:
        reader.check(0, 100)
        server.faults.append(answer(ETag=None, Last_Modified=None))
        reader.check(100, 100)


def test_a_validator_with_line_breaks_gets_into_no_request(server: FaultServer) -> None:
    """http.client keeps the breaks of a header that was folded."""
    folded = b'HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/300000\r\nETag: "a\r\n X-Bad: b"\r\n\r\n'
    server.put(PATH, Served(DATA, None, None))
    server.faults.append(raw(folded + DATA[:10]))
    with Reader(server.url(PATH)) as reader:
        reader.check(0, 10)
        reader.check(10, 10)
    assert not {"if-range", "x-bad"} & server.requests[1].headers.keys()


# Sizes and ends --------------------------------------------------------------------------------


def test_a_size_that_is_not_told(server: FaultServer) -> None:
    with Reader(server.url(PATH)) as reader:
        server.faults.append(answer(Content_Range="bytes 0-99/*"))
        reader.check(0, 100)
        assert reader.fetcher.size is None
        assert reader.get(300_000, 100) == b""  # 416 tells it
        assert reader.fetcher.size == len(DATA)
        reader.check(299_950, 100)


def test_the_end_by_a_416_without_the_size(server: FaultServer) -> None:
    server.faults.append(answer(Content_Range="bytes 299900-299999/*"))
    server.faults.append(answer(416, Content_Range=None))
    with Reader(server.url(PATH)) as reader:
        reader.check(299_900, 200)
        assert reader.fetcher.size is None


@pytest.mark.parametrize("content_range", ["bytes */0", None])
def test_an_empty_file(server: FaultServer, content_range: str | None) -> None:
    server.put(PATH, b"")
    server.faults.append(answer(Content_Range=content_range))
    with Reader(server.url(PATH)) as reader:
        assert reader.get(0, 100) == b""
        assert reader.fetcher.size == 0


def test_an_empty_file_as_a_whole(server: FaultServer) -> None:
    server.put(PATH, b"")
    server.ranges = False
    with Reader(server.url(PATH)) as reader:
        assert reader.get(0, 100) == b""
        assert reader.fetcher.size == 0


def test_a_416_for_bytes_that_are_there(server: FaultServer) -> None:
    with Reader(server.url(PATH), retries=1) as reader:
        server.faults.append(answer(416, body=b"", Content_Range="bytes */300000", times=2))
        with pytest.raises(SourceError, match="says that there are none"):
            reader.get(0, 100)
        reader.check(0, 100)


def test_shorter_parts_are_gone_on_from(server: FaultServer) -> None:
    server.faults.append(shorter(4000, times=3))
    with Reader(server.url(PATH), retries=0) as reader:
        reader.check(1000, 20_000)
        assert [r.range for r in server.requests] == [
            (1000, 20_999), (5000, 20_999), (9000, 20_999), (13_000, 20_999)
        ]  # fmt: skip
        assert reader.meter.retries == 0


def test_a_chunked_part(server: FaultServer) -> None:
    server.faults.append(chunked(700, times=None))
    with Reader(server.url(PATH)) as reader:
        reader.check(1000, 150_000)
        reader.check(0, 10)
    assert server.connections == 1


def test_chunks_with_extensions_and_trailers(server: FaultServer) -> None:
    head = "HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/300000\r\nTransfer-Encoding: Chunked\r\n"
    server.faults.append(
        raw(head.encode() + b"\r\n4;a=b\r\n" + DATA[:4] + b"\r\n006 \r\n" + DATA[4:10]
            + b"\r\n0;x\r\nDigest: x\r\n\r\n")
    )  # fmt: skip
    with Reader(server.url(PATH), retries=0) as reader:
        reader.check(0, 10)


def test_interim_answers_are_passed_over(server: FaultServer) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    final = b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/300000\r\n\r\n"
    server.faults.append(raw(interim + interim + final + DATA[:10]))
    with Reader(server.url(PATH), retries=0) as reader:
        reader.check(0, 10)


def test_more_bytes_than_promised_are_cut_off(server: FaultServer) -> None:
    server.faults.append(extra(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", times=2))
    with Reader(server.url(PATH), retries=0) as reader:
        reader.check(0, 100)
        reader.check(100, 100)
        reader.check(200, 100)
        assert reader.meter.bytes_fetched == 300
    assert server.connections == 3


def test_a_body_until_the_connection_closes(server: FaultServer) -> None:
    server.faults.append(answer(Content_Length=None, Connection="close", times=2))
    with Reader(server.url(PATH)) as reader:
        reader.check(5, 1000)
        reader.check(2000, 1000)
    assert server.connections == 2


# Retries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_busy_servers_are_asked_again(server: FaultServer, status: int) -> None:
    server.faults.append(busy(status, times=3))
    with Reader(server.url(PATH), retries=3) as reader:
        reader.check(0, 100)
        assert (reader.meter.requests, reader.meter.retries) == (4, 3)
        server.faults.append(busy(status, times=None))
        with pytest.raises(SourceBusy, match=str(status)):
            reader.get(100, 100)
    assert len(server.requests) == 8
    assert server.connections == 1


@pytest.mark.parametrize("how", ["seconds", "date"])
def test_retry_after_is_waited_for(server: FaultServer, how: str) -> None:
    after = "1" if how == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)
    server.faults.append(busy(429, after=after))
    with Reader(server.url(PATH)) as reader:
        begun = time.monotonic()
        reader.check(0, 100)
        assert 0.9 < time.monotonic() - begun < 3


def test_retry_after_beyond_the_deadline_is_told_at_once(server: FaultServer) -> None:
    server.faults.append(busy(503, after="120", times=None))
    with Reader(server.url(PATH)) as reader:
        begun = time.monotonic()
        with pytest.raises(SourceBusy):
            reader.get(0, 100)
        reader.meter.deadline = time.monotonic() + 5
        server.faults[0] = busy(503, after="10", times=None)
        with pytest.raises(SourceBusy):
            reader.get(0, 100)
        assert time.monotonic() - begun < 1
    assert len(server.requests) == 2


def test_a_refused_connection() -> None:
    with FaultServer({}) as gone:
        url = gone.url(PATH)
    with Reader(url, retries=2) as reader, pytest.raises(SourceBusy, match="connection failed"):
        reader.get(0, 100)
    assert reader.meter.requests == 0


# Limits, stopping, closing ---------------------------------------------------------------------


def test_the_meters_limits(server: FaultServer) -> None:
    with Reader(server.url(PATH), Meter(max_requests=2)) as reader:
        reader.check(0, 100)
        reader.check(0, 100)
        with pytest.raises(LimitExceeded):
            reader.get(0, 100)
    assert len(server.requests) == 2
    with Reader(server.url(PATH), Meter(max_bytes=1000)) as reader:
        reader.check(0, 1000)
        with pytest.raises(LimitExceeded):
            reader.get(0, 1)
    assert len(server.requests) == 3


def test_redirects_count_as_requests(server: FaultServer) -> None:
    server.faults.append(redirect("/b", on=lambda r: r.path == PATH))
    server.put("/b", DATA)
    with (
        Reader(server.url(PATH), Meter(max_requests=1)) as reader,
        pytest.raises(LimitExceeded),
    ):
        reader.get(0, 100)
    assert len(server.requests) == 1


def test_after_close(server: FaultServer) -> None:
    with Reader(server.url(PATH)) as reader:
        reader.check(0, 100)
    with pytest.raises(EngineClosed):
        reader.get(0, 100)
    reader.fetcher.close()


def test_proxies_of_the_environment_are_not_used(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Reader(server.url(PATH)) as reader:
        reader.check(0, 100)
