"""The bound on connections holds over all segments of a video."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from snapengine.errors import EngineClosed
from snapengine.sources.gate import Gate, GatedFetcher
from snapengine.sources.meter import Meter


class Slow:
    """Each fetch lasts until ``go`` is set; counts how many last at a time."""

    name = "slow"
    size = 10
    validator = None
    location = "https://there"

    def __init__(self) -> None:
        self.now = self.most = 0
        self.go = threading.Event()
        self.busy = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.closed = False

    def fetch(self, offset: int, size: int, sink: Callable[[bytes], object], meter: Meter) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.busy.release()
        self.go.wait(10)
        sink(bytes(size))
        with self.lock:
            self.now -= 1

    def close(self) -> None:
        self.closed = True


def test_no_more_than_allowed_at_a_time() -> None:
    slow, gate, got = Slow(), Gate(3), bytearray()
    files = [GatedFetcher(slow, gate) for _ in range(9)]
    threads = [threading.Thread(target=f.fetch, args=(0, 7, got.extend, Meter())) for f in files]
    for thread in threads:
        thread.start()
    for _ in range(3):
        slow.busy.acquire()
    assert slow.now == 3
    slow.go.set()
    for thread in threads:
        thread.join()
    assert (slow.most, len(got)) == (3, 63)
    assert (files[0].name, files[0].size, files[0].validator) == ("slow", 10, None)
    assert files[0].location == "https://there"
    files[0].close()
    assert slow.closed


def test_who_waits_can_be_stopped() -> None:
    slow, gate, meter = Slow(), Gate(1), Meter()
    errors: list[BaseException] = []
    first = threading.Thread(target=GatedFetcher(slow, gate).fetch, args=(0, 1, len, Meter()))
    first.start()
    slow.busy.acquire()

    def wait() -> None:
        try:
            GatedFetcher(slow, gate).fetch(0, 1, len, meter)
        except EngineClosed as exc:
            errors.append(exc)

    second = threading.Thread(target=wait)
    second.start()
    meter.stop(EngineClosed("over"))
    second.join(5)
    assert len(errors) == 1
    slow.go.set()
    first.join()
    with gate.passing(Meter()):
        pass
    with pytest.raises(ValueError, match="out"), gate.passing(Meter()):
        raise ValueError("out")
    with gate.passing(Meter()):
        pass
