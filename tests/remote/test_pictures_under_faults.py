"""Every misbehaviour of a server at every stage of a video's life: the local file's pictures, or a
typed error within the deadline; afterwards the video is usable and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

import snapengine
from snapengine import aio
from snapengine.errors import (
    EngineClosed,
    LimitExceeded,
    RangesUnsupported,
    SnapError,
    SourceBusy,
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceTimeout,
)
from snapengine.sources.http import HttpFetcher
from tests.integration.gates import until

from .fault_server import (
    Fault,
    FaultServer,
    Reply,
    Request,
    answer,
    chunked,
    cut,
    extra,
    raw,
    redirect,
    shorter,
)
from .films import VERBS, Trap, begun, fetching, film, local, nothing_left, served, settled
from .reader import PATIENT, PROMPT

DEADLINE = 3.0
#: Little patience; the servers' misbehaviour is not to be waited for.
NETWORK: dict[str, Any] = {
    "allow_networks": ("127.0.0.1/32",), "connect_seconds": 1, "silence_seconds": 1,
    "least_rate": 1000, "request_seconds": 2,
}  # fmt: skip
#: Stage -> the file, how many requests go well before, and what is done.
STAGES: dict[str, tuple[str, int, str]] = {
    "opening": ("mp4", 0, "snapshot"),
    "index": ("mp4-moov-last", 1, "snapshot"),
    "snapshot": ("mp4", 0, "snapshot"),
    "sprite": ("mp4", 1, "sprite"),
    "covers": ("mp4", 1, "covers"),
    "animate": ("mp4", 0, "animate"),
    "leave": ("mp4", 0, "leave"),
}


def _another_size(request: Request, reply: Reply) -> None:
    said = reply.headers.get("Content-Range", "")
    reply.headers["Content-Range"] = re.sub(r"/(\d+)", lambda m: f"/{int(m[1]) + 1000}", said)


def _another_place(request: Request, reply: Reply) -> None:
    def moved(match: re.Match[str]) -> str:
        return f"bytes {int(match[1]) - 16}-{int(match[2]) - 16}/"

    said = reply.headers.get("Content-Range", "")
    reply.headers["Content-Range"] = re.sub(r"bytes (\d+)-(\d+)/", moved, said)


def _whole(request: Request, reply: Reply) -> None:
    data = film("mp4-moov-last" if request.path == "/last" else "mp4")
    reply.status, reply.body = 200, data
    reply.headers.pop("Content-Range", None)
    reply.headers["Content-Length"] = str(len(data))


def _expired(request: Request) -> bool:
    return request.query != "signed=new"


def _renewed(url: str) -> str:
    return url.partition("?")[0] + "?signed=new"


@dataclass(frozen=True)
class Case:
    """``once``, ``ever``: what comes of it when it happens once and when it goes on; ``None``: the
    pictures."""

    fault: Callable[[int | None], Fault]
    once: type[SnapError] | None
    ever: type[SnapError] | None
    options: tuple[tuple[str, Any], ...] = ()


C = Case
CASES: dict[str, Case] = {
    "etag": C(lambda n: answer(ETag='"other"', times=n), SourceChanged, SourceChanged),
    "weak-etag": C(lambda n: answer(ETag='W/"x"', times=n), SourceChanged, SourceChanged),
    "modified": C(
        lambda n: answer(Last_Modified="Sun, 02 Aug 2026 08:00:00 GMT", times=n),
        SourceChanged, SourceChanged,
    ),
    "size": C(lambda n: Fault(_another_size, n), SourceChanged, SourceChanged),
    "no-ranges": C(lambda n: Fault(_whole, n), None, RangesUnsupported),
    "no-ranges-stream": C(
        lambda n: Fault(_whole, n), None, RangesUnsupported,
        options=(("without_ranges", "stream"),),
    ),
    "redirect": C(
        lambda n: redirect("/again", times=n, on=lambda r: r.path != "/again"), None, None
    ),
    "redirect-loop": C(lambda n: redirect("/film", times=n), SourceError, SourceError),
    "redirect-inside": C(
        lambda n: redirect("http://127.0.0.2:1/film", times=n), SourceDenied, SourceDenied
    ),
    "expired": C(lambda n: answer(403, body=b"no", times=n), SourceDenied, SourceDenied),
    "renewed": C(
        lambda n: answer(403, body=b"no", times=n, on=_expired), None, None,
        options=(("renew", _renewed),),
    ),
    "renewed-in-vain": C(
        lambda n: answer(403, body=b"no", times=n), None, SourceDenied,
        options=(("renew", _renewed),),
    ),
    "gone": C(lambda n: answer(404, body=b"no", times=n), SourceNotFound, SourceNotFound),
    "gzip": C(lambda n: answer(Content_Encoding="gzip", times=n), None, SourceError),
    "wrong-range": C(lambda n: Fault(_another_place, n), None, SourceError),
    "no-range-header": C(lambda n: answer(Content_Range=None, times=n), None, SourceError),
    "drip": C(lambda n: cut("body", "drip", times=n), None, SourceTimeout),
    "drip-head": C(lambda n: cut("headers", "drip", times=n), None, SourceTimeout),
    "reset": C(lambda n: cut("status", "reset", times=n), None, SourceBusy),
    "reset-body": C(lambda n: cut("middle", "reset", after=99, times=n), None, SourceBusy),
    "429": C(lambda n: answer(429, body=b"busy", times=n, Retry_After="0"), None, SourceBusy),
    "503": C(lambda n: answer(503, body=b"busy", times=n, Retry_After="0"), None, SourceBusy),
    "503-for-long": C(
        lambda n: answer(503, body=b"busy", times=n, Retry_After="999"), SourceBusy, SourceBusy
    ),
    "hang": C(lambda n: cut("status", "hang", times=n), None, SourceTimeout),
    "hang-body": C(lambda n: cut("middle", "hang", after=99, times=n), None, SourceTimeout),
    "short": C(lambda n: cut("middle", "close", after=99, times=n), None, SourceBusy),
    "no-http": C(lambda n: raw(b"220 hello\r\n\r\n", times=n), None, SourceError),
    # Unusual, and right all the same.
    "chunked": C(lambda n: chunked(3000, times=n), None, None),
    "in-small-parts": C(lambda n: shorter(9000, times=n), None, None),
    "more-than-promised": C(lambda n: extra(b"HTTP/1.1 200 OK\r\n\r\nno", times=n), None, None),
}  # fmt: skip

#: A first answer is believed: what it says of the file is what later ones are compared with.
#: Contradicted at once, for ever the same lie.
AT_FIRST: dict[str, tuple[type[SnapError] | None, type[SnapError] | None]] = {
    "etag": (SourceChanged, RangesUnsupported),  # If-Range names it, and it is not the file's
    "weak-etag": (SourceChanged, None),
    "modified": (SourceChanged, None),
    "size": (SourceChanged, SourceError),
    "no-ranges": (RangesUnsupported, RangesUnsupported),
    "no-ranges-stream": (None, None),
}
SILENT = {"drip", "drip-head", "hang", "hang-body"}


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retries are not waited for, and what is made once in a process is made before."""
    monkeypatch.setitem(HttpFetcher.__init__.__kwdefaults__ or {}, "pause", 0.002)
    local("mp4")
    local("mp4-moov-last")
    return iter(())


def opened(server: FaultServer, path: str = "/film", **options: Any) -> snapengine.Video:
    limits = snapengine.Limits(deadline_seconds=options.pop("deadline", DEADLINE))
    network = snapengine.Network(**{**NETWORK, **options})
    return snapengine.open(server.url(path), network=network, limits=limits)


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "ever"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", CASES)
def test_each_misbehaviour_at_each_stage(name: str, stage: str, lasting: bool) -> None:
    case, (kind, skip, verb) = CASES[name], STAGES[stage]
    right, expected = local(kind), case.ever if lasting else case.once
    if stage == "opening" and name in AT_FIRST:
        expected = AT_FIRST[name][lasting]
    options: dict[str, Any] = {"retries": 1 if lasting else 4, **dict(case.options)}
    if name in SILENT:
        options["silence_seconds"] = 0.1
    video: snapengine.Video | None = None
    error: SnapError | None = None
    with nothing_left(), FaultServer(served(kind)[1]) as server, contextlib.ExitStack() as stack:
        if stage not in ("opening", "index"):
            video = stack.enter_context(opened(server, **options))
        trap = Trap(server, case.fault(None if lasting else 1), skip)
        began = time.monotonic()
        try:
            video = video or stack.enter_context(opened(server, **options))
            if verb == "leave":
                pictures = leave_when(trap.struck, video)
            else:
                pictures = VERBS[verb](video)
        except SnapError as exc:
            error = exc
        else:
            assert pictures == right[verb]
        assert time.monotonic() - began < DEADLINE + PROMPT
        assert trap.struck.is_set()
        # The first picture may be there before the error of what comes behind it, or not.
        assert (stage == "leave" and error is None) or type(error) is (expected or type(None))
        assert settled(lambda: not fetching()), "threads of a call that is over"
        server.faults.clear()
        if video is not None:
            asked = len(server.requests)
            if stage != "opening" or name not in AT_FIRST:
                assert VERBS["snapshots"](video) == right["snapshots"]
                assert stage == "covers" or len(server.requests) > asked  # covers saw them all
            video.close()
            with pytest.raises(EngineClosed):
                video.snapshot(1)
            assert settled(lambda: server.open_connections == 0)


def leave_when(struck: threading.Event, video: snapengine.Video) -> list[bytes]:
    """One picture, and away while the next ones are on their way."""
    shots = begun(video)
    try:
        first = next(shots)
        assert struck.wait(PROMPT)
    finally:
        began = time.monotonic()
        shots.close()
        assert time.monotonic() - began < PROMPT
    return [first.to_ndarray().tobytes()]


# -- ends from outside ----------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["hang", "drip"])
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "leave"])
def test_the_deadline_of_a_call_comes_before_any_patience(
    stage: str, act: Literal["hang", "drip"]
) -> None:
    kind, skip, verb = STAGES[stage]
    patient = {**PATIENT, "least_rate": 0, "deadline": 0.4}
    with nothing_left(), FaultServer(served(kind)[1]) as server, contextlib.ExitStack() as stack:
        if stage in ("opening", "index"):
            Trap(server, cut("body", act, times=None), skip)
            began = time.monotonic()
            with pytest.raises(LimitExceeded) as caught:
                VERBS[verb](stack.enter_context(opened(server, **patient)))
        else:
            video = stack.enter_context(opened(server, **patient))
            Trap(server, cut("body", act, times=None), skip)
            began = time.monotonic()
            with pytest.raises(LimitExceeded) as caught:
                VERBS[verb](video)
            server.faults.clear()
            assert VERBS["snapshot"](video) == local(kind)["snapshot"]
        assert caught.value.context["limit"] == "deadline_seconds"
        assert time.monotonic() - began < 0.4 + PROMPT


@pytest.mark.parametrize("stage", ["snapshot", "sprite", "covers", "animate"])
def test_closing_ends_a_call_that_waits(stage: str) -> None:
    kind, _, verb = STAGES[stage]
    errors: list[BaseException] = []
    with nothing_left(), FaultServer(served(kind)[1]) as server:
        video = opened(server, deadline=60, **PATIENT)
        trap = Trap(server, cut("status", "hang", times=None))

        def work() -> None:
            try:
                VERBS[verb](video)
            except SnapError as exc:
                errors.append(exc)

        thread = threading.Thread(target=work)
        thread.start()
        struck = trap.struck.wait(5)
        began = time.monotonic()
        video.close()
        thread.join(5)
        assert time.monotonic() - began < PROMPT
        assert struck
        assert [type(error) for error in errors] == [EngineClosed]


# -- asyncio --------------------------------------------------------------------------------------


async def _leave(video: aio.AsyncVideo) -> None:
    async for _ in video.snapshots(count=6, accuracy="keyframe"):
        pass


AWAITED: dict[str, Callable[[aio.AsyncVideo], Coroutine[Any, Any, object]]] = {
    "snapshot": lambda video: video.snapshot(7.3),
    "snapshots": _leave,
    "sprite": lambda video: video.sprite(count=6, cell=(48, None), accuracy="keyframe"),
    "covers": lambda video: video.covers(count=2, width=64),
    "animate": lambda video: video.animate(io.BytesIO(), format="gif", start=3, end=6),
}


@pytest.mark.parametrize("where", ["status", "middle"])
@pytest.mark.parametrize("verb", ["open", "open-index", *AWAITED])
def test_cancelling_under_a_server_that_hangs(
    verb: str, where: Literal["status", "middle"]
) -> None:
    kind = "mp4-moov-last" if verb == "open-index" else "mp4"
    right = local(kind)["snapshot"]

    async def run(server: FaultServer) -> None:
        network = snapengine.Network(**{**NETWORK, **PATIENT})
        opening = aio.open(server.url("/film"), network=network)
        video = None if verb.startswith("open") else await opening
        trap = Trap(
            server, cut(where, "hang", after=50, times=None), 1 if verb == "open-index" else 0
        )
        work = asyncio.ensure_future(opening if video is None else AWAITED[verb](video))
        await until(trap.struck.is_set)
        began = time.monotonic()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert time.monotonic() - began < 0.5
        server.faults.clear()
        if video is not None:
            shot = await video.snapshot(7.3)
            assert [shot.to_ndarray().tobytes()] == right
            await video.close()

    with nothing_left(), FaultServer(served(kind)[1]) as server:
        asyncio.run(run(server))
