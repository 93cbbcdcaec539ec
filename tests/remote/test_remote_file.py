"""RemoteFile: the bytes are those of the file, none is fetched twice, nothing is left behind."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import EngineClosed, LimitExceeded, SourceBusy, SourceError
from snapengine.sources.base import ByteRange, MeteredSource
from snapengine.sources.disk_cache import DiskCache
from snapengine.sources.meter import Meter
from snapengine.sources.remote import FIRST_BYTES, RemoteFile

DATA = random.Random(5).randbytes(6 << 20)


class Fake:
    """A fetcher over bytes. ``gate``: every fetch waits for it; ``fail``: what to raise, where."""

    def __init__(self, data: bytes = DATA, piece: int = 64 << 10) -> None:
        self.data, self.piece = data, piece
        self.size: int | None = None
        self.validator: str | None = None
        self.name = "fake://file"
        self.fetched: list[ByteRange] = []
        self.fail: Callable[[int, int], Exception | None] = lambda offset, size: None
        self.gate: threading.Event | None = None
        self.started = threading.Semaphore(0)
        self.at_once = self.most_at_once = 0
        self.closed = False
        self._lock = threading.Lock()

    def fetch(self, offset: int, size: int, sink: Callable[[bytes], object], meter: Meter) -> None:
        with self._lock:
            self.fetched.append(ByteRange(offset, size))
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            self.started.release()
            with meter.request(size) as received:
                if self.gate is not None:
                    woken = threading.Event()
                    forget = meter.on_stop(woken.set)
                    while not (self.gate.wait(0.005) or woken.is_set()):
                        pass
                    forget()
                    meter.check()
                self.size, self.validator = len(self.data), '"v1"'
                end = min(offset + size, len(self.data))
                for start in range(offset, end, self.piece):
                    error = self.fail(offset, start - offset)
                    if error is not None:
                        raise error
                    part = self.data[start : min(start + self.piece, end)]
                    received(len(part))
                    sink(part)
        finally:
            with self._lock:
                self.at_once -= 1

    def close(self) -> None:
        self.closed = True


def remote(fetcher: Fake, **options: object) -> RemoteFile:
    return RemoteFile(fetcher, **{"connections": 4, "cache_bytes": 64 << 20, **options})  # type: ignore[arg-type]


def fetching() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "snapengine-fetch"]


def read(file: RemoteFile, offset: int, size: int, meter: Meter | None = None) -> bytes:
    return MeteredSource(file, meter or Meter()).read_at(offset, size)


def test_first_read_fetches_what_most_headers_need_and_tells_the_size() -> None:
    fake = Fake()
    file = remote(fake)
    assert file.size is None
    assert file.read_some(0, 12, Meter()) == DATA[:12]
    assert file.size == len(DATA)
    assert fake.fetched == [ByteRange(0, FIRST_BYTES)]
    assert file.read_some(40_000, 100, Meter()) == DATA[40_000:40_100]
    assert len(fake.fetched) == 1
    file.close()
    assert fake.closed


def test_what_was_expected_is_fetched_exactly_and_once() -> None:
    fake, meter = Fake(), Meter()
    file = remote(fake)
    file.read_some(0, 1, meter)
    wanted = [ByteRange(100_000, 5_000), ByteRange(900_000, 300_000), ByteRange(2 << 20, 10)]
    file.expect(wanted, meter)
    for offset, size in wanted:
        assert read(file, offset, size, meter) == DATA[offset : offset + size]
    file.expect(wanted, meter)
    assert sorted(fake.fetched[1:]) == wanted
    assert meter.bytes_fetched == FIRST_BYTES + sum(size for _, size in wanted)
    file.close()


def test_short_reads_stop_where_the_plan_stops() -> None:
    """libavformat asks for whole buffers; what lies behind the plan must not be fetched for it."""
    fake, meter = Fake(), Meter()
    file = remote(fake)
    file.read_some(0, 1, meter)
    file.expect([ByteRange(500_000, 1000)], meter)
    got = b""
    while len(got) < 1000:
        got += file.read_some(500_000 + len(got), 32768, meter)
    assert got == DATA[500_000:501_000]
    assert len(fake.fetched) == 2
    file.close()


def test_large_ranges_come_over_several_connections_at_a_time() -> None:
    fake, meter = Fake(), Meter()
    file = remote(fake, connections=3)
    file.read_some(0, 1, meter)
    fake.gate = threading.Event()
    file.expect([ByteRange(1 << 20, 4 << 20)], meter)
    for _ in range(4):  # the first read, and three at a time
        assert fake.started.acquire(timeout=5)
    fake.gate.set()
    assert read(file, 1 << 20, 4 << 20, meter) == DATA[1 << 20 : 5 << 20]
    assert max(r.size for r in fake.fetched) <= 1 << 20
    assert 1 < fake.most_at_once <= 3
    file.close()


def test_never_more_connections_than_allowed() -> None:
    fake = Fake(piece=4096)
    file = remote(fake, connections=2)
    meters = [Meter() for _ in range(6)]

    def work(number: int) -> None:
        for i in range(20):
            offset = (number * 131_071 + i * 261_893) % (len(DATA) - 5000)
            assert read(file, offset, 5000, meters[number]) == DATA[offset : offset + 5000]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.most_at_once <= 2
    file.close()
    assert not fetching()


def test_idle_files_hold_no_threads() -> None:
    fake, meter = Fake(), Meter()
    file = remote(fake)
    file.expect([ByteRange(0, 3 << 20)], meter)
    read(file, 0, 3 << 20, meter)
    for thread in fetching():
        thread.join(5)
    assert not fetching()
    file.close()


def test_memory_is_bounded_and_what_was_forgotten_comes_again() -> None:
    fake = Fake()
    file = remote(fake, cache_bytes=1 << 20)
    for start in range(0, len(DATA), 1 << 19):
        meter = Meter()
        assert read(file, start, 1 << 19, meter) == DATA[start : start + (1 << 19)]
        file.dismiss(meter)
        assert file._blocks.held <= (1 << 20) + (1 << 19)
    assert read(file, 0, 100) == DATA[:100]
    file.close()


def test_plans_larger_than_the_memory_are_fetched_a_stretch_ahead() -> None:
    fake, meter = Fake(), Meter()
    file = remote(fake, cache_bytes=2 << 20)
    file.read_some(0, 1, meter)
    ranges = [ByteRange(100_000 * i, 100_000) for i in range(1, 60)]
    file.expect(ranges, meter)
    for offset, size in ranges:
        assert read(file, offset, size, meter) == DATA[offset : offset + size]
        assert file._ahead <= file._ahead_bytes
    assert len(fake.fetched) == 1 + len(ranges)
    file.close()


@pytest.mark.parametrize("order", ["reversed", "shuffled"])
def test_reading_in_another_order_than_planned_never_hangs(order: str) -> None:
    fake, meter = Fake(), Meter()
    file = remote(fake, cache_bytes=1 << 20, connections=2)
    ranges = [ByteRange(100_000 * i, 90_000) for i in range(50)]
    file.expect(ranges, meter)
    if order == "reversed":
        ranges.reverse()
    else:
        random.Random(3).shuffle(ranges)
    for offset, size in ranges:
        assert read(file, offset, size, meter) == DATA[offset : offset + size]
    file.close()


def test_the_call_that_asked_gets_the_error_and_the_next_one_tries_again() -> None:
    fake, meter = Fake(), Meter()
    file = remote(fake)
    file.read_some(0, 1, meter)
    fake.fail = lambda offset, got: SourceBusy("no") if got >= 1 << 16 else None
    file.expect([ByteRange(1 << 20, 200_000)], meter)
    # What came before the error is good.
    assert read(file, 1 << 20, 1 << 16, meter) == DATA[1 << 20 : (1 << 20) + (1 << 16)]
    with pytest.raises(SourceBusy):
        read(file, 1 << 20, 200_000, meter)
    fake.fail = lambda offset, got: None
    assert read(file, 1 << 20, 200_000) == DATA[1 << 20 : (1 << 20) + 200_000]
    file.close()


def test_what_nobody_foresaw_is_a_source_error_with_its_cause() -> None:
    fake, meter = Fake(), Meter()
    file = remote(fake)
    fake.fail = lambda offset, got: ZeroDivisionError("oops")
    with pytest.raises(SourceError, match="oops") as caught:
        file.read_some(0, 10, meter)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    file.close()


def test_a_dismissed_call_gives_back_what_waits_and_another_goes_on() -> None:
    fake, first, second = Fake(), Meter(), Meter()
    file = remote(fake, connections=1)
    file.read_some(0, 1, first)
    fake.gate = threading.Event()
    while fake.started.acquire(blocking=False):
        pass
    file.expect([ByteRange(1 << 20, 1000), ByteRange(2 << 20, 1000)], first)
    assert fake.started.acquire(timeout=5)
    results: list[bytes] = []
    waiting = threading.Thread(
        target=lambda: results.append(file.read_some(1 << 20, 10, second)), daemon=True
    )
    waiting.start()
    file.dismiss(first)
    fake.gate.set()
    waiting.join(5)
    assert results == [DATA[1 << 20 : (1 << 20) + 10]]
    assert ByteRange(2 << 20, 1000) not in fake.fetched
    with pytest.raises(EngineClosed):
        file.read_some(3 << 20, 10, first)
    file.close()


def test_closing_ends_readers_and_fetches() -> None:
    fake = Fake()
    file = remote(fake)
    file.read_some(0, 1, Meter())
    fake.gate = threading.Event()
    while fake.started.acquire(blocking=False):
        pass
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            file.read_some(1 << 20, 10, Meter())
        except EngineClosed as exc:
            errors.append(exc)

    reader = threading.Thread(target=wait)
    reader.start()
    assert fake.started.acquire(timeout=5)
    file.close()
    reader.join(5)
    assert len(errors) == 1
    assert not fetching()
    with pytest.raises(EngineClosed):
        file.read_some(0, 1, Meter())


@pytest.mark.parametrize("limit", ["max_requests", "max_bytes"])
def test_limits_of_a_call_hold_for_what_is_fetched_ahead(limit: str) -> None:
    fake = Fake()
    meter = Meter(**{limit: 3 if limit == "max_requests" else 300_000})
    file = remote(fake)
    file.read_some(0, 1, meter)
    ranges = [ByteRange(100_000 * i, 90_000) for i in range(1, 30)]
    file.expect(ranges, meter)
    with pytest.raises(LimitExceeded):
        for offset, size in ranges:
            read(file, offset, size, meter)
    assert meter.requests <= 3 if limit == "max_requests" else meter.bytes_fetched <= 300_000
    file.close()


def test_deadline_ends_waiting() -> None:
    fake = Fake()
    fake.gate = threading.Event()
    file = remote(fake)
    with pytest.raises(LimitExceeded):
        file.read_some(0, 10, Meter(deadline=time.monotonic() + 0.05))
    fake.gate.set()
    file.close()


def test_files_that_do_not_tell_their_size_end_where_they_end() -> None:
    class Silent(Fake):
        def fetch(self, *args: object) -> None:  # type: ignore[override]
            super().fetch(*args)  # type: ignore[arg-type]
            self.size = None

    fake = Silent(DATA[:100_000])
    file = remote(fake)
    assert read(file, 0, 1 << 20) == DATA[:100_000]
    assert file.size == 100_000
    assert file.read_some(100_000, 10, Meter()) == b""
    file.close()


def test_blocks_on_disk_are_not_fetched_again(tmp_path: Path) -> None:
    first = Fake()
    file = remote(first, disk=DiskCache(tmp_path, 1 << 30))
    ranges = [ByteRange(1 << 20, 10_000), ByteRange(3 << 20, 2 << 20)]
    for offset, size in [ByteRange(0, 1), *ranges]:
        read(file, offset, size)
    file.close()

    second = Fake()
    file = remote(second, disk=DiskCache(tmp_path, 1 << 30))
    for offset, size in ranges:
        meter = Meter()
        file.read_some(0, 1, meter)
        file.expect([ByteRange(offset, size)], meter)
        assert read(file, offset, size, meter) == DATA[offset : offset + size]
    # The head alone, which shows that it is the same file.
    assert second.fetched == [ByteRange(0, FIRST_BYTES)]
    file.close()

    other = Fake(bytes(100) + DATA[100:])  # the same name, size and validator
    file = remote(other, disk=DiskCache(tmp_path, 1 << 30))
    for offset, size in [ByteRange(0, 1), ranges[0]]:
        assert read(file, offset, size) == other.data[offset : offset + size]
    assert other.fetched[-1].offset == 1 << 20
    file.close()


def test_one_call_that_is_stuck_holds_up_no_other() -> None:
    fake, stuck = Fake(), threading.Event()
    file = remote(fake, connections=2)
    file.read_some(0, 1, Meter())
    fetch = fake.fetch

    def slow(offset: int, *rest: Any) -> None:
        if offset == 1 << 20:
            stuck.wait(20)
        fetch(offset, *rest)

    fake.fetch = slow  # type: ignore[method-assign]
    file.expect([ByteRange(1 << 20, 1000)], Meter())
    assert read(file, 2 << 20, 1000) == DATA[2 << 20 : (2 << 20) + 1000]
    stuck.set()
    file.close()


def test_closing_does_not_wait_for_what_cannot_be_woken() -> None:
    fake, stuck = Fake(), threading.Event()
    file = remote(fake)
    fake.fetch = lambda *_: stuck.wait(20)  # type: ignore[method-assign]
    file.expect([ByteRange(0, 10)], Meter())
    began = time.monotonic()
    file.close()
    assert time.monotonic() - began < 5
    stuck.set()
    for thread in fetching():
        thread.join(5)


def test_what_failed_and_nobody_read_is_forgotten_with_its_call() -> None:
    fake = Fake()
    file = remote(fake, cache_bytes=1 << 20)
    file.read_some(0, 1, Meter())
    fake.fail = lambda offset, got: SourceBusy("no") if got else None
    for start in range(1 << 20, 6 << 20, 1 << 20):
        meter = Meter()
        file.expect([ByteRange(start + i * 100_000, 90_000) for i in range(10)], meter)
        for thread in fetching():
            thread.join(5)
        file.dismiss(meter)
        assert sum(len(b.data) for b in file._blocks) <= 2 << 20
    file.close()


def test_a_worker_that_cannot_start_leaves_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    file = remote(fake, connections=1)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            file.read_some(0, 1, Meter())
    assert file.read_some(0, 1, Meter(deadline=time.monotonic() + 10)) == DATA[:1]
    file.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_process_fetches_for_itself() -> None:
    """It has none of the threads, so what they were fetching would never come."""
    fake = Fake()
    file = remote(fake)
    file.read_some(0, 1, Meter())
    fake.gate = threading.Event()
    while fake.started.acquire(blocking=False):
        pass
    file.expect([ByteRange(1 << 20, 1000)], Meter())
    assert fake.started.acquire(timeout=5)
    child = os.fork()
    if not child:
        fake.gate = None
        fake._lock = threading.Lock()
        try:
            got = file.read_some(1 << 20, 10, Meter(deadline=time.monotonic() + 10))
            os._exit(0 if got == DATA[1 << 20 : (1 << 20) + 10] else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    fake.gate.set()
    file.close()


def test_the_disk_serves_what_memory_has_forgotten(tmp_path: Path) -> None:
    fake = Fake()
    file = remote(fake, cache_bytes=1, disk=DiskCache(tmp_path, 1 << 30))
    read(file, 0, 1)
    for _ in range(3):
        for offset in (1 << 20, 2 << 20, 3 << 20):
            assert read(file, offset, 50_000) == DATA[offset : offset + 50_000]
            for thread in fetching():
                thread.join(5)  # it stores, too
    assert len(fake.fetched) == 4
    file.close()


def test_what_vanished_from_disk_is_fetched(tmp_path: Path) -> None:
    """Overlapping ranges of two processes, swept away by a third."""
    first = remote(Fake(), disk=DiskCache(tmp_path, 1 << 30))
    read(first, 0, 1)
    read(first, 1 << 20, 50_000)
    first.close()
    key = first._disk._key  # type: ignore[union-attr]
    assert key is not None
    DiskCache(tmp_path, 1 << 30).put(key, (1 << 20) - 5000, DATA[(1 << 20) - 5000 :][:40_000])
    file = remote(Fake(), disk=DiskCache(tmp_path, 1 << 30))
    read(file, 0, 1)
    for block in tmp_path.rglob("*.block"):
        block.unlink()
    for offset in (1 << 20, (1 << 20) + 100, (1 << 20) - 1000):
        assert read(file, offset, 100) == DATA[offset : offset + 100]
    file.close()


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["read", "some", "expect", "dismiss"]),
            st.integers(0, 400_000),
            st.integers(1, 120_000),
        ),
        max_size=40,
    ),
    cache=st.sampled_from([20_000, 200_000, 1 << 24]),
    connections=st.integers(1, 4),
)
def test_any_sequence_gives_the_bytes_of_the_file(
    steps: list[tuple[str, int, int]], cache: int, connections: int
) -> None:
    data = DATA[:300_000]
    fake, meter = Fake(data, piece=7_000), Meter()
    file = remote(fake, cache_bytes=cache, connections=connections)
    for what, offset, size in steps:
        if what == "read":
            assert read(file, offset, size, meter) == data[offset : offset + size]
        elif what == "some":
            got = file.read_some(offset, size, meter)
            assert got == data[offset : offset + len(got)]
            assert (got == b"") == (offset >= len(data))
        elif what == "expect":
            file.expect([ByteRange(offset, size), ByteRange(offset // 2, size)], meter)
        else:
            file.dismiss(meter)
            meter = Meter()
    file.close()
    assert not fetching()
    if cache == 1 << 24:
        # Nothing was forgotten, and nothing comes twice.
        ordered = sorted(fake.fetched)
        assert all(a.offset + a.size <= b.offset for a, b in itertools.pairwise(ordered))
