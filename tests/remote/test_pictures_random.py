"""Any faults in any order under any calls: the local file's pictures or a typed error, in time,
within the limits of each call, and nothing is left behind.

What is proven of the limits, in the servers' own counting:

- no more requests reach the servers than the calls counted, and no call counts more than
  ``max_requests``;
- no call takes more bytes of bodies than ``max_bytes_read``, but for one piece of a body that is
  longer than what was asked for; servers may have sent more, which nobody read;
- what calls say that they fetched is never more than what the servers sent;
- without faults both counts are equal to the servers'.

A verb is one call, or two where a file's header lacks the duration: looking for the end, once, has
limits of its own. So the time of a verb is bounded by twice the deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import snapengine
from snapengine import engine, session
from snapengine.errors import LimitExceeded, SnapError
from snapengine.sources.http import HttpFetcher
from snapengine.sources.meter import Meter

from .fault_server import (
    Fault,
    FaultServer,
    Reply,
    Request,
    answer,
    chunked,
    cut,
    extra,
    redirect,
    shorter,
)
from .films import KINDS, VERBS, Trap, fetching, local, nothing_left, served, settled
from .reader import PROMPT

DEADLINE = 0.8
#: Of a body, handed over at a time.
PIECE = 64 << 10
NETWORK: dict[str, Any] = {
    "allow_networks": ("127.0.0.1/32",), "connect_seconds": 0.5, "silence_seconds": 0.1,
    "least_rate": 1000, "request_seconds": 0.6, "retries": 2,
}  # fmt: skip


def _whole(request: Request, reply: Reply) -> None:
    data = FILES[request.path]
    reply.status, reply.body = 200, data
    reply.headers.pop("Content-Range", None)
    reply.headers["Content-Length"] = str(len(data))


#: All files of all kinds by their paths; set by each example.
FILES: dict[str, bytes] = {}

#: Functions, because a fault is used up by the run that it is in.
cuts = st.builds(
    lambda stage, act, after, times: lambda: cut(
        stage, act, after=after, times=times, pause=0.02
    ),
    st.sampled_from(["connect", "status", "headers", "body", "middle"]),
    st.sampled_from(["reset", "close", "hang", "drip"]),
    st.integers(0, 30_000),
    st.sampled_from([1, 2, 5, None]),
)  # fmt: skip
lies: st.SearchStrategy[Callable[[], Fault]] = st.builds(
    lambda make, times: lambda: make(times),
    st.sampled_from([
        lambda n: answer(503, body=b"busy", times=n, Retry_After="0"),
        lambda n: answer(429, body=b"busy", times=n),
        lambda n: answer(500, body=b"busy" * 3000, times=n, Retry_After="999"),
        lambda n: answer(403, body=b"no", times=n),
        lambda n: answer(404, body=b"no", times=n),
        lambda n: answer(302, times=n),
        lambda n: answer(Content_Encoding="gzip", times=n),
        lambda n: answer(Content_Range="bytes 400000-400001/500000", times=n),
        lambda n: answer(Content_Range=None, times=n),
        lambda n: answer(ETag='"other"', times=n),
        lambda n: answer(ETag=None, times=n),
        lambda n: Fault(_whole, n),
        lambda n: redirect("http://127.0.0.2:1/", times=n),
        lambda n: chunked(3333, times=n),
        lambda n: shorter(500, times=n),
        lambda n: shorter(1, times=n),
        lambda n: extra(b"more", times=n),
    ]),
    st.sampled_from([1, 2, 5, None]),
)  # fmt: skip
faults = st.tuples(st.integers(0, 8), st.one_of(cuts, lies))


class Meters:
    """Those of all calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Meter] = []
        make = session.new_meter

        def new_meter(limits: snapengine.Limits) -> Meter:
            self.made.append(make(limits))
            return self.made[-1]

        for module in (session, engine):
            monkeypatch.setattr(module, "new_meter", new_meter)

    @property
    def requests(self) -> int:
        return sum(meter.requests for meter in self.made)

    @property
    def bytes_fetched(self) -> int:
        return sum(meter.bytes_fetched for meter in self.made)


@pytest.fixture(scope="module")
def meters() -> Iterator[Meters]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(HttpFetcher.__init__.__kwdefaults__ or {}, "pause", 0.002)
        for kind in KINDS:
            local(kind)
        yield Meters(monkeypatch)


def attempt(work: Callable[[], Any]) -> Any:
    """What it gives, ``None`` for one of our errors; in time."""
    began = time.monotonic()
    try:
        return work()
    except SnapError:
        return None
    finally:
        assert time.monotonic() - began < 2 * DEADLINE + PROMPT


def arm(server: FaultServer, troubles: list[tuple[int, Callable[[], Fault]]]) -> None:
    for skip, make in troubles:
        trouble = make()
        if trouble.connect is None:
            Trap(server, trouble, skip)
        else:
            server.faults.append(trouble)


@settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    kind=st.sampled_from(KINDS),
    troubles=st.lists(faults, max_size=5),
    verbs=st.lists(st.sampled_from(sorted(VERBS)), min_size=1, max_size=3),
    after_opening=st.sampled_from([True, True, True, False]),
    max_requests=st.one_of(st.none(), st.none(), st.integers(2, 40)),
    max_bytes=st.one_of(st.none(), st.none(), st.integers(20_000, 700_000)),
    ranges=st.sampled_from(["yes", "yes", "yes", "yes", "yes", "no", "stream"]),
    cache=st.sampled_from([1, 100_000, 64 << 20]),
)
def test_random_faults(
    meters: Meters,
    kind: str,
    troubles: list[tuple[int, Callable[[], Fault]]],
    verbs: list[str],
    after_opening: bool,
    max_requests: int | None,
    max_bytes: int | None,
    ranges: str,
    cache: int,
) -> None:
    path, files = served(kind)
    FILES.clear()
    FILES.update(files)  # type: ignore[arg-type]
    meters.made.clear()
    limits = snapengine.Limits(
        max_requests=max_requests, max_bytes_read=max_bytes, deadline_seconds=DEADLINE
    )
    network = snapengine.Network(
        **NETWORK, cache_bytes=cache, without_ranges="stream" if ranges == "stream" else "error"
    )
    with nothing_left(), FaultServer(files, ranges=ranges == "yes") as server:
        if not after_opening:
            arm(server, troubles)
        video = attempt(lambda: snapengine.open(server.url(path), network=network, limits=limits))
        if after_opening:
            arm(server, troubles)
        for verb in verbs if video is not None else ():
            pictures = attempt(lambda: VERBS[verb](video))  # noqa: B023
            assert pictures is None or pictures == local(kind)[verb]
            event("an error" if pictures is None else "pictures")
            assert settled(lambda: not fetching())
        event("opened" if video is not None else "not opened")
        if video is not None:
            video.close()
        assert settled(lambda: server.open_connections == 0)
    for meter in meters.made:
        assert max_requests is None or meter.requests <= max_requests
        assert max_bytes is None or meter.bytes_fetched <= max_bytes + PIECE
    assert len(server.requests) <= meters.requests
    assert meters.bytes_fetched <= server.bytes_sent
    if not troubles and max_requests is max_bytes is None and ranges == "yes":
        assert video is not None
        if "leave" not in verbs:
            assert len(server.requests) == meters.requests
            assert meters.bytes_fetched == server.bytes_sent


@pytest.mark.parametrize("kind", KINDS)
def test_without_faults_both_sides_count_the_same(kind: str, meters: Meters) -> None:
    path, files = served(kind)
    network = snapengine.Network(**{**NETWORK, "silence_seconds": 5, "request_seconds": 20})
    with nothing_left(), FaultServer(files) as server:
        meters.made.clear()
        with snapengine.open(server.url(path), network=network) as video:
            for name, verb in VERBS.items():
                assert verb(video) == local(kind)[name], name
                assert settled(lambda: not fetching())
                if name == "leave":
                    assert len(server.requests) <= meters.requests
                else:
                    told = (meters.requests, meters.bytes_fetched)
                    assert (len(server.requests), server.bytes_sent) == told, name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [1, 3, 6])
def test_limits_hold_in_the_servers_counting(kind: str, most: int, meters: Meters) -> None:
    """One call at a time: what reaches the server for it is within its limits."""
    path, files = served(kind)
    network = snapengine.Network(**{**NETWORK, "silence_seconds": 5, "request_seconds": 20})
    stopped = 0
    with nothing_left(), FaultServer(files) as server:
        for limits in (
            snapengine.Limits(max_requests=most), snapengine.Limits(max_bytes_read=most * 7_000)
        ):  # fmt: skip
            for name, verb in VERBS.items():
                with snapengine.open(server.url(path), network=network) as video:
                    assert video.info.duration  # looking for the end is a call of its own
                    assert settled(lambda: not fetching())
                    server.requests.clear()
                    video._renditions.first.limits = limits
                    try:
                        assert verb(video) == local(kind)[name]
                    except LimitExceeded as exc:
                        stopped += 1
                        assert exc.context["limit"] in ("max_requests", "max_bytes_read")
                    assert settled(lambda: not fetching())
                    video._renditions.first.limits = snapengine.Limits()
                    requests, sent = len(server.requests), server.bytes_sent
                    assert verb(video) == local(kind)[name]
                assert requests <= (limits.max_requests or requests)
                assert sent <= (limits.max_bytes_read or sent)
    # Of a fragmented file so small and of short segments nothing may be left to fetch.
    assert stopped or kind in ("mp4-fragmented", "hls", "dash")
