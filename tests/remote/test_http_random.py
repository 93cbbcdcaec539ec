"""Any faults in any order: the right bytes or one of our errors, in time, within the limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import (
    SnapError,
)
from snapengine.sources.http import HttpFetcher
from snapengine.sources.meter import Meter

from .fault_server import (
    ACTS,
    STAGES,
    Fault,
    FaultServer,
    Reply,
    Request,
    Served,
    answer,
    busy,
    chunked,
    cut,
    extra,
    leftovers,
    raw,
    redirect,
    shorter,
)
from .reader import DATA, PATH, PROMPT, fetcher

cuts = st.builds(
    lambda stage, act, after, times: lambda: cut(
        stage, act, after=after, times=times, pause=0.02
    ),
    st.sampled_from(STAGES), st.sampled_from(ACTS), st.integers(0, 3000), st.integers(1, 3),
)  # fmt: skip


def _short_by_header(request: Request, reply: Reply) -> None:
    # Not of a whole file: nobody could know better than a server that says so at first.
    if reply.status == 206:
        reply.headers["Content-Length"] = "7"


#: Functions, because a fault is used up by the run that it is in.
lies: st.SearchStrategy[Callable[[], Fault]] = st.sampled_from([
    lambda: busy(503), lambda: busy(429, after="0"), lambda: busy(500, after="999"),
    lambda: answer(403, body=b"no"), lambda: answer(404, body=b"no"), lambda: answer(302),
    lambda: answer(Content_Encoding="gzip"),
    lambda: answer(Content_Range="bytes 400000-400001/500000"),
    lambda: answer(Content_Range=None), lambda: answer(ETag='"other"'),
    lambda: answer(200, body=DATA, Content_Range=None),
    lambda: answer(416, body=b"", Content_Range="bytes */300000"),
    lambda: Fault(_short_by_header), lambda: answer(Content_Length=None),
    lambda: answer(Content_Length="400000"),
    lambda: redirect("/again", times=1), lambda: redirect(PATH, times=1),
    lambda: redirect("http://127.0.0.1:1/", times=1), lambda: raw(b"no HTTP"),
    lambda: extra(b"more"), lambda: chunked(333), lambda: shorter(500),
    lambda: shorter(1, times=3),
])  # fmt: skip
ranges = st.lists(
    st.tuples(st.integers(0, 310_000), st.integers(1, 30_000)), min_size=1, max_size=4
)


@settings(max_examples=150, deadline=None)
@given(
    faults=st.lists(st.one_of(cuts, lies), max_size=6),
    wanted=ranges,
    max_requests=st.integers(1, 20),
    max_bytes=st.integers(1, 100_000),
    stream=st.booleans(),
    served=st.booleans(),
)
def test_random_faults(
    faults: list[Callable[[], Fault]],
    wanted: list[tuple[int, int]],
    max_requests: int,
    max_bytes: int,
    stream: bool,
    served: bool,
) -> None:
    """The right bytes or one of our errors in time; within the meter's limits; nothing left."""
    before = leftovers()
    files = {PATH: Served(DATA), "/again": Served(DATA)}
    with FaultServer(files, ranges=served) as server:
        server.faults += [make() for make in faults]
        meter = Meter(max_requests=max_requests, max_bytes=max_bytes)
        handed = 0
        options: dict[str, Any] = {"without_ranges": "stream"} if stream else {}
        with fetcher(
            server, pause=0.001, silence_seconds=0.05, request_seconds=1, **options
        ) as http:
            for offset, size in wanted:
                got = bytearray()
                begun = time.monotonic()
                try:
                    http.fetch(offset, size, got.extend, meter)
                except SnapError:
                    assert DATA[offset:].startswith(got)
                else:
                    assert bytes(got) == DATA[offset : offset + size]
                assert time.monotonic() - begun < 1 + PROMPT
                handed += len(got)
        assert len(server.requests) <= meter.requests <= max_requests
        assert stream or handed <= max_bytes
        assert meter.bytes_fetched <= max_bytes + (64 << 10)
        # Only what comes from a stream's file is handed on without being fetched for it.
        assert stream or handed <= meter.bytes_fetched
    assert leftovers() == before


@settings(max_examples=25, deadline=None)
@given(faults=st.lists(st.one_of(cuts, lies), max_size=12), stream=st.booleans())
def test_random_faults_under_many_threads(faults: list[Callable[[], Fault]], stream: bool) -> None:
    """One fetcher, five threads, each with a meter of its own."""
    before = leftovers()
    files = {PATH: Served(DATA), "/again": Served(DATA)}
    wrong: list[object] = []

    def work(http: HttpFetcher, k: int) -> None:
        for offset in (k * 60_000, 200_000 - k * 37_000):
            got = bytearray()
            begun = time.monotonic()
            try:
                http.fetch(offset, 40_000, got.extend, Meter(max_requests=20))
            except SnapError:
                right = DATA[offset : offset + 40_000].startswith(got)
            except BaseException as exc:
                right = False
                wrong.append(exc)
                raise
            else:
                right = bytes(got) == DATA[offset : offset + 40_000]
            if not right or time.monotonic() - begun > 1 + PROMPT:
                wrong.append((offset, len(got), time.monotonic() - begun))

    with FaultServer(files, ranges=not stream) as server:
        server.faults += [make() for make in faults]
        with fetcher(
            server, pause=0.001, silence_seconds=0.05, request_seconds=1, without_ranges="stream"
        ) as http:
            threads = [threading.Thread(target=work, args=(http, k)) for k in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
    assert not wrong
    assert leftovers() == before
