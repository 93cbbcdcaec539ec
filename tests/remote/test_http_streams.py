"""Servers without ranges: an error, or the whole file as a stream."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from snapengine.errors import (
    LimitExceeded,
    RangesUnsupported,
    SourceChanged,
    SourceError,
    SourceTimeout,
)
from snapengine.sources.meter import Meter

from .fault_server import FaultServer, Served, answer, chunked, cut
from .reader import DATA, OTHER, PATH, Reader

pytestmark = pytest.mark.usefixtures("no_leftovers")


@pytest.fixture
def whole(server: FaultServer) -> FaultServer:
    server.ranges = False
    return server


def test_without_ranges_is_an_error_by_default(whole: FaultServer) -> None:
    with Reader(whole.url(PATH)) as reader:
        with pytest.raises(RangesUnsupported, match="stream"):
            reader.get(0, 100)
        with pytest.raises(RangesUnsupported):
            reader.get(100, 100)
        assert reader.meter.bytes_fetched == 0
    assert len(whole.requests) == 2


def test_a_small_file_is_taken_whole(whole: FaultServer) -> None:
    whole.put(PATH, DATA[:5000])
    with Reader(whole.url(PATH)) as reader:
        assert reader.get(0, 64 << 10) == DATA[:5000]
        assert reader.fetcher.size == 5000
        whole.faults.append(cut("middle", "reset", after=2000))
        assert reader.get(0, 64 << 10) == DATA[:5000]


def test_a_server_that_forgets_ranges_now_and_then(server: FaultServer) -> None:
    forget = answer(200, body=DATA, Content_Range=None)
    with Reader(server.url(PATH), retries=1) as reader:
        reader.check(0, 100)
        server.faults.append(forget)
        reader.check(100, 100)
        server.faults.append(answer(200, body=DATA, Content_Range=None, times=None))
        with pytest.raises(RangesUnsupported):
            reader.get(200, 100)


def test_streaming(whole: FaultServer) -> None:
    with Reader(whole.url(PATH), without_ranges="stream") as reader:
        reader.check(1000, 500)
        reader.check(0, 500)
        reader.check(250_000, 100_000)
        reader.check(200_000, 1000)
        assert reader.get(400_000, 10) == b""
        assert reader.fetcher.size == len(DATA)
        assert reader.meter.requests == 1
        assert reader.meter.bytes_fetched == len(DATA)
    assert len(whole.requests) == 1


def test_streaming_without_a_length(whole: FaultServer) -> None:
    whole.faults.append(chunked(5000, times=None))
    with Reader(whole.url(PATH), without_ranges="stream") as reader:
        reader.check(1000, 500)
        assert reader.fetcher.size is None
        reader.check(299_999, 50)
        assert reader.fetcher.size == len(DATA)
        assert reader.get(300_000, 1) == b""


def test_streaming_reads_no_more_than_is_wanted(whole: FaultServer) -> None:
    whole.faults.append(cut("middle", "hang", after=100_000))
    with Reader(whole.url(PATH), without_ranges="stream", retries=0) as reader:
        reader.check(0, 100_000)
        assert len(whole.requests) == 1


def test_streaming_is_limited(whole: FaultServer) -> None:
    with (
        Reader(whole.url(PATH), without_ranges="stream", stream_bytes=299_999) as reader,
        pytest.raises(LimitExceeded) as info,
    ):
        reader.get(0, 100)
    assert info.value.context["limit"] == "stream_bytes"
    assert reader.meter.bytes_fetched == 0
    whole.faults.append(chunked(5000, times=None))
    with Reader(whole.url(PATH), without_ranges="stream", stream_bytes=200_000) as reader:
        reader.check(0, 1000)
        with pytest.raises(LimitExceeded) as info:
            reader.get(250_000, 1000)
        assert info.value.context["limit"] == "stream_bytes"


def test_streaming_counts_against_the_meter(whole: FaultServer) -> None:
    meter = Meter(max_bytes=100_000)
    with Reader(whole.url(PATH), meter, without_ranges="stream") as reader:
        reader.check(0, 1000)
        with pytest.raises(LimitExceeded):
            reader.get(250_000, 1000)
    assert meter.bytes_fetched <= 100_000 + (64 << 10)


def test_a_stream_that_breaks_off_starts_again(whole: FaultServer) -> None:
    whole.faults.append(cut("middle", "reset", after=100_000))
    whole.faults.append(cut("middle", "close", after=50_000))
    with Reader(whole.url(PATH), without_ranges="stream") as reader:
        reader.check(0, 300_000)
        assert reader.meter.retries == 2
        reader.check(1000, 1000)


@pytest.mark.parametrize("validators", [True, False])
def test_a_stream_that_starts_again_must_be_the_same(whole: FaultServer, validators: bool) -> None:
    more: dict[str, Any] = {} if validators else {"etag": None, "modified": None}
    whole.put(PATH, Served(DATA, **more))
    whole.faults.append(cut("middle", "close", after=100_000))
    with Reader(whole.url(PATH), without_ranges="stream") as reader:
        reader.check(0, 90_000)
        whole.put(PATH, Served(OTHER, **more))
        with pytest.raises(SourceChanged):
            reader.get(200_000, 1000)


def test_a_stream_for_many_threads(whole: FaultServer) -> None:
    with Reader(whole.url(PATH), without_ranges="stream") as reader:
        results: dict[int, bytes] = {}

        def work(k: int) -> None:
            got = bytearray()
            reader.fetcher.fetch(k * 50_000, 50_000, got.extend, Meter())
            results[k] = bytes(got)

        threads = [threading.Thread(target=work, args=(k,)) for k in (5, 0, 3, 1, 4, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert results == {k: DATA[k * 50_000 : (k + 1) * 50_000] for k in range(6)}
    # Each may have asked before the first answer told that there are no ranges.
    assert len(whole.requests) <= 6


def test_a_stream_that_later_serves_ranges(whole: FaultServer) -> None:
    whole.faults.append(cut("middle", "close", after=1000))
    with Reader(whole.url(PATH), without_ranges="stream") as reader:
        reader.check(0, 1000)
        whole.ranges = True
        reader.check(200_000, 1000)
        reader.check(0, 5000)


def test_each_call_counts_what_it_reads_of_a_stream(whole: FaultServer) -> None:
    with Reader(whole.url(PATH), without_ranges="stream") as reader:
        reader.check(0, 1000)
        first, reader.meter = reader.meter, Meter()
        reader.check(250_000, 50_000)
        reader.check(0, 300_000)
        assert reader.meter.requests == 1  # it did not send one, and goes on in another's
        assert first.bytes_fetched + reader.meter.bytes_fetched == len(DATA)
        assert reader.meter.bytes_fetched > 50_000
    assert len(whole.requests) == 1


def test_a_stream_may_take_longer_than_a_range(whole: FaultServer) -> None:
    """As long as bytes come; ``request_seconds`` is for those who get none."""
    whole.faults.append(cut("body", "drip", pause=0.001))
    with Reader(
        whole.url(PATH), without_ranges="stream", request_seconds=0.3, least_rate=1, retries=0
    ) as reader:
        begun = time.monotonic()
        waited = bytearray()
        other = threading.Thread(
            target=reader.fetcher.fetch, args=(790, 10, waited.extend, reader.meter)
        )
        reader.check(0, 1)  # so that the other one waits, or reads, and sends no request
        other.start()
        reader.check(0, 800)
        other.join(5)
        assert bytes(waited) == DATA[790:800]
        assert time.monotonic() - begun > 0.4
    whole.faults = [cut("body", "hang")]
    with (
        Reader(whole.url(PATH), without_ranges="stream", request_seconds=0.3) as reader,
        pytest.raises(SourceTimeout),
    ):
        reader.get(0, 800)


def test_a_stream_that_is_too_long_is_not_read_again(whole: FaultServer) -> None:
    whole.faults.append(chunked(5000, times=None))
    with Reader(whole.url(PATH), without_ranges="stream", stream_bytes=200_000) as reader:
        for _ in range(3):
            with pytest.raises(LimitExceeded):
                reader.get(250_000, 1000)
        reader.check(100_000, 1000)
    assert len(whole.requests) == 1


def test_a_temporary_file_that_cannot_be_made(
    whole: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with (
        Reader(whole.url(PATH), without_ranges="stream") as reader,
        pytest.raises(SourceError, match="No space left"),
    ):
        reader.get(0, 800)
