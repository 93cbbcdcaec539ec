"""Misbehaving servers: the right bytes or a typed error in time, and nothing left behind."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest
import trustme

from snapengine.errors import (
    EngineClosed,
    LimitExceeded,
    SnapError,
    SourceBusy,
    SourceTimeout,
)
from snapengine.model.network import Network
from snapengine.sources.http import HttpFetcher
from snapengine.sources.meter import Meter

from .fault_server import (
    ACTS,
    STAGES,
    Act,
    FaultServer,
    Stage,
    busy,
    cut,
)
from .reader import DATA, PATH, PATIENT, PROMPT, QUICK, fetcher, get

pytestmark = pytest.mark.usefixtures("no_leftovers")


# Every stage, every act ------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("act", ACTS)
def test_one_fault_is_got_over(server: FaultServer, stage: Stage, act: Act) -> None:
    server.faults.append(cut(stage, act))
    with fetcher(server) as http:
        meter = Meter()
        begun = time.monotonic()
        assert get(http, 1000, 50_000, meter) == DATA[1000:51_000]
        assert time.monotonic() - begun < PROMPT
        assert len(server.requests) <= meter.requests
        # What came before the fault is not fetched twice.
        assert meter.bytes_fetched == 50_000
        assert get(http, 0, 10) == DATA[:10]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("act", ACTS)
def test_a_fault_that_stays_is_an_error(server: FaultServer, stage: Stage, act: Act) -> None:
    # No byte of body gets through, so that retries do not come to an end by themselves.
    server.faults.append(cut(stage, act, times=None, after=0, pause=0.3))
    with fetcher(server, retries=2) as http:
        begun = time.monotonic()
        with pytest.raises((SourceBusy, SourceTimeout)) as info:
            get(http, 1000, 50_000)
        assert time.monotonic() - begun < 3 * 0.2 + PROMPT
        assert info.value.retryable
        assert (type(info.value) is SourceTimeout) == (act in ("hang", "drip"))
    assert server.connections == 3


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("act", ["hang", "drip"])
def test_the_time_for_one_range_ends_every_wait(
    server: FaultServer, stage: Stage, act: Act
) -> None:
    server.faults.append(cut(stage, act, times=None))
    with fetcher(server, silence_seconds=30, request_seconds=0.3, connect_seconds=30) as http:
        begun = time.monotonic()
        with pytest.raises(SourceTimeout, match=r"within 0\.3 s"):
            get(http, 0, 50_000)
        assert 0.25 < time.monotonic() - begun < PROMPT


@pytest.mark.parametrize("stage", STAGES)
def test_the_deadline_of_the_call_ends_every_wait(server: FaultServer, stage: Stage) -> None:
    server.faults.append(cut(stage, "hang", times=None))
    with fetcher(server, silence_seconds=30, request_seconds=30) as http:
        begun = time.monotonic()
        with pytest.raises(LimitExceeded) as info:
            get(http, 0, 50_000, Meter(deadline=begun + 0.2))
        assert info.value.context["limit"] == "deadline_seconds"
        assert 0.15 < time.monotonic() - begun < PROMPT


class Stopped(LimitExceeded):
    """What a test stops a call with."""


def interrupted(
    http: HttpFetcher, meter: Meter, ready: Callable[[], bool], stop: Callable[[], None]
) -> tuple[BaseException, float]:
    """What a fetch raised, and how long after ``stop``, which was called once it hung."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            get(http, 0, 50_000, meter)
        except SnapError as exc:
            raised.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    until = time.monotonic() + 5
    while not ready() and time.monotonic() < until:
        threading.Event().wait(0.005)
    threading.Event().wait(0.03)
    begun = time.monotonic()
    stop()
    thread.join(10)
    return raised[0], time.monotonic() - begun


@pytest.mark.parametrize("stage", STAGES)
def test_stopping_and_closing_end_every_wait(server: FaultServer, stage: Stage) -> None:
    server.faults.append(cut(stage, "hang", times=None))
    with fetcher(server, **PATIENT) as http:
        meter = Meter()
        error, seconds = interrupted(
            http, meter, lambda: server.connections == 1, lambda: meter.stop(Stopped("enough"))
        )
        assert isinstance(error, Stopped) and seconds < PROMPT
        error, seconds = interrupted(http, Meter(), lambda: server.connections == 2, http.close)
        assert isinstance(error, EngineClosed) and seconds < PROMPT


def test_stopping_and_closing_end_a_pause(server: FaultServer) -> None:
    server.faults.append(busy(503, after="20", times=None))
    with fetcher(server, **PATIENT) as http:
        meter = Meter()
        error, seconds = interrupted(
            http, meter, lambda: len(server.requests) == 1, lambda: meter.stop(Stopped("enough"))
        )
        assert isinstance(error, Stopped) and seconds < PROMPT
        error, seconds = interrupted(http, Meter(), lambda: len(server.requests) == 2, http.close)
        assert isinstance(error, EngineClosed) and seconds < PROMPT


def test_a_connect_that_hangs() -> None:
    """A listener whose queue is full: the handshake of TCP is not answered."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}/"
        http = HttpFetcher(url, Network(**{**QUICK, "retries": 1, "connect_seconds": 0.2}))
        stack.callback(http.close)
        begun = time.monotonic()
        with pytest.raises(SourceTimeout):
            get(http, 0, 10)
        assert 0.35 < time.monotonic() - begun < 2
        patient = HttpFetcher(url, Network(**{**QUICK, **PATIENT}))
        stack.callback(patient.close)
        meter = Meter()
        error, seconds = interrupted(
            patient, meter, lambda: True, lambda: meter.stop(Stopped("enough"))
        )
        assert isinstance(error, Stopped) and seconds < PROMPT


def test_a_stopped_call_begins_nothing(server: FaultServer) -> None:
    meter = Meter()
    meter.stop(Stopped("before"))
    with fetcher(server) as http, pytest.raises(Stopped):
        get(http, 0, 10, meter)
    assert server.connections == 0


def test_tls_handshakes_that_hang() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with FaultServer({PATH: DATA}, tls=context) as server:
        for act in ACTS:
            server.faults.append(cut("connect", act))
        for stage in STAGES[1:]:
            for act in ACTS:
                server.faults.append(cut(stage, act))
        with fetcher(server, pause=0, tls=trust, connect_seconds=0.2, retries=30) as http:
            assert get(http, 0, 100_000) == DATA[:100_000]
            server.faults.append(cut("connect", "hang", times=None))
            server.drop_connections()
            meter = Meter()
            error, seconds = interrupted(
                http, meter, lambda: False if server.faults == [] else server.connections > 17,
                lambda: meter.stop(Stopped("enough")),
            )  # fmt: skip
            assert isinstance(error, SnapError) and seconds < PROMPT


@pytest.mark.parametrize("ranges", [True, False])
def test_streams_and_faults_at_every_stage(server: FaultServer, ranges: bool) -> None:
    server.ranges = ranges
    server.faults += [cut(stage, act) for stage in STAGES for act in ACTS]
    with fetcher(server, pause=0, without_ranges="stream", retries=30) as http:
        assert get(http, 0, 100_000) == DATA[:100_000]
        assert get(http, 50_000, 100_000) == DATA[50_000:150_000]
