"""What a call may fetch: bytes are set aside for requests until it is known how many come."""

from __future__ import annotations

import threading
import time

import pytest

from snapengine.errors import EngineClosed, LimitExceeded
from snapengine.sources.meter import Meter

from .fault_server import FaultServer
from .reader import DATA, PATH, fetcher, get


def test_what_an_answer_does_not_have_is_set_free() -> None:
    meter = Meter(max_bytes=100)
    with meter.request(80) as first:
        first.promised(30)
        with meter.request(70) as second:
            second(70)
        first(30)
    assert meter.bytes_fetched == 100
    with pytest.raises(LimitExceeded) as info, meter.request(1):
        pass
    assert info.value.context["seen"] == 101
    assert meter.requests == 2


def test_who_finds_no_room_waits_for_the_answers_of_others() -> None:
    meter, got, asked = Meter(max_bytes=100), [], threading.Event()

    def other() -> None:
        asked.set()
        with meter.request(60) as request:
            got.append(request.size)
            request(60)

    thread = threading.Thread(target=other)
    with meter.request(80) as request:
        thread.start()
        assert asked.wait(5)
        assert not got
        request.promised(40)
        thread.join(5)
        request(40)
    assert (got, meter.bytes_fetched, meter.requests) == ([60], 100, 2)


def test_waiting_ends_with_the_call() -> None:
    meter = Meter(max_bytes=100)
    with meter.request(80):
        timer = threading.Timer(0.02, meter.stop, [EngineClosed("over")])
        timer.start()
        begun = time.monotonic()
        with pytest.raises(EngineClosed), meter.request(60):
            pass
        assert time.monotonic() - begun < 0.4
        timer.join()
    late = Meter(max_bytes=100, deadline=time.monotonic() + 0.05)
    with late.request(80), pytest.raises(LimitExceeded, match="deadline"), late.request(60):
        pass


def test_where_fewer_will_do_as_many_as_there_is_room_for() -> None:
    meter = Meter(max_bytes=100)
    with meter.request(60, least=10) as one, meter.request(60, least=10) as two:
        assert (one.size, two.size) == (60, 40)
        one(60)
        two(39)
    with meter.request(60, least=10) as three:
        assert three.size == 1
        three(1)
    with pytest.raises(LimitExceeded), meter.request(60, least=10):
        pass


def test_a_lie_about_the_size_does_not_pass_the_limit() -> None:
    meter = Meter(max_bytes=100)
    with meter.request(90) as request:
        request.promised(10)
        request(10)
        with meter.request(90), pytest.raises(LimitExceeded):
            request(1)


@pytest.mark.parametrize("most", [len(DATA), len(DATA) + 1, 1 << 30])
def test_a_file_of_unknown_size_within_the_limit(most: int) -> None:
    """More is asked for than the limit allows, and that much is not there."""
    with FaultServer({PATH: DATA}) as server, fetcher(server) as file:
        meter = Meter(max_bytes=most)
        assert get(file, 0, 1 << 20, meter) == DATA
        assert (meter.requests, meter.bytes_fetched) == (1, len(DATA))
        assert len(server.requests) == 1


def test_a_file_beyond_the_limit() -> None:
    with FaultServer({PATH: DATA}) as server, fetcher(server) as file:
        meter = Meter(max_bytes=100_000)
        with pytest.raises(LimitExceeded, match="bytes"):
            get(file, 0, 1 << 20, meter)
        assert server.bytes_sent == meter.bytes_fetched == 100_000
        assert meter.requests == len(server.requests) == 1
