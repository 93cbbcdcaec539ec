"""Calls that nobody waits for any more: they stop between two packets, two reads, or while they
wait, and leave nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import snapengine
from snapengine import aio
from snapengine.budget import BUDGET
from snapengine.cancelling import Cancellation
from snapengine.errors import Cancelled, EngineClosed
from snapengine.media.decoder import Decoder
from tests.integration.gates import LONG, SOON, Gated, seconds, until, workers
from tests.media.atlas import recipe
from tests.media.recipes import build
from tests.remote.fault_server import Act, FaultServer, Stage, cut


@pytest.fixture(scope="module")
def film() -> str:
    return str(build(recipe("h264-mp4-bpyramid")))  # 4 s


@pytest.fixture(scope="module")
def long() -> str:
    return str(build(LONG))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given up: a call that does not stop by itself would fail its test."""
    monkeypatch.setattr(aio, "_PATIENCE_SECONDS", 60.0)


@pytest.mark.parametrize(
    "verb",
    [
        lambda v, _: v.snapshot(3.9),
        lambda v, _: v.sprite(count=40, accuracy="exact"),
        lambda v, _: v.covers(),
        lambda v, folder: v.animate(folder / "a.gif"),
        lambda v, _: anext(v.snapshots(count=40)),
    ],
    ids=["snapshot", "sprite", "covers", "animate", "snapshots"],
)
@pytest.mark.usefixtures("patient")
def test_cancelled_between_two_reads(
    verb: Callable[[aio.AsyncVideo, Path], Awaitable[Any]], long: str, tmp_path: Path
) -> None:
    async def ours() -> None:
        source = Gated(long)
        async with await aio.open(source) as video:
            source.shut()
            task = asyncio.ensure_future(verb(video, tmp_path))
            await until(source.entered.is_set)
            task.cancel()
            await asyncio.sleep(0)
            before = source.reads
            source.gate.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert source.reads <= before + 1
            assert not workers()
            assert (await video.snapshot(0.5)).exact  # the video is as good as before
        assert source.closed
        assert not list(tmp_path.iterdir())

    asyncio.run(ours())


@pytest.mark.usefixtures("patient")
def test_a_timeout_stops_what_waits_for_a_processor(film: str) -> None:
    """All permits are taken, and stay so until the call is over."""

    async def ours() -> None:
        async with await aio.open(film) as video:
            for work in (lambda: video.snapshot(1), lambda: video.sprite(count=8)):
                with BUDGET.take(BUDGET.size), pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await work()
                assert not workers()
            assert (await video.snapshot(1)).exact

    began = asyncio.run(seconds(ours()))
    assert began < SOON


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_decoding_stops_between_two_packets(
    long: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a batch that is in memory whole, so that no read would notice."""
    cancellation = Cancellation()
    sent = 0
    relieve = Decoder._relieve

    def noted(self: Decoder, *args: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == 20:
            cancellation.cancel()
        return relieve(self, *args)

    with snapengine.open(long, threads=threads) as video:
        with monkeypatch.context() as patched:
            patched.setattr(Decoder, "_relieve", noted)
            with pytest.raises(Cancelled):
                cancellation.context().run(video.snapshot, 7.9)
            assert sent <= 20
            with pytest.raises(Cancelled):
                cancellation.context().run(list, video.snapshots(count=3))
            assert sent <= 20
        assert video.snapshot(7.9).exact


@pytest.mark.usefixtures("patient")
def test_parallel_decoding_stops_between_two_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    film = build(dataclasses.replace(LONG, name="aio-gops", gop=50))
    cancellation = Cancellation()
    sent, lock = 0, threading.Lock()
    relieve = Decoder._relieve

    def noted(self: Decoder, *args: Any) -> Any:
        nonlocal sent
        with lock:
            sent += 1
            now = sent
        if now == 20:
            cancellation.cancel()
        return relieve(self, *args)

    with snapengine.open(film) as video:
        with monkeypatch.context() as patched:
            patched.setattr(BUDGET, "_size", 4)
            patched.setattr(BUDGET, "_free", 4)
            patched.setattr(Decoder, "_relieve", noted)
            with pytest.raises(Cancelled):
                cancellation.context().run(list, video.snapshots(at=[1.9, 3.9, 5.9, 7.9]))
        assert sent <= 20 + 4
        assert not workers()


@pytest.mark.usefixtures("patient")
def test_what_waits_for_a_fetch_stops_at_once(long: str) -> None:
    """The fetch itself is stuck in somebody else's code until the call is over."""

    class Mine:
        """A user's object: fetched from by threads of its own, like a remote file."""

        def __init__(self) -> None:
            self.gated = Gated(long)
            self.size = self.gated.size

        def read_at(self, offset: int, size: int) -> bytes:
            return self.gated.read_at(offset, size)

    async def ours() -> None:
        source = Mine()
        async with await aio.open(source) as video:
            source.gated.shut()
            task = asyncio.create_task(video.snapshot(7.9))
            await until(source.gated.entered.is_set)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not source.gated.gate.is_set()
            source.gated.gate.set()
            assert (await video.snapshot(7.9)).exact

    began = asyncio.run(seconds(ours()))
    assert began < SOON


def test_what_does_not_stop_is_left_to_end_by_itself(
    film: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "_PATIENCE_SECONDS", 0.01)

    async def ours() -> None:
        source = Gated(film)
        async with await aio.open(source) as video:
            source.shut()
            for stuck in (video.snapshot(3.9), anext(video.snapshots(count=5))):
                source.entered.clear()
                task = asyncio.ensure_future(stuck)
                await until(source.entered.is_set)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            source.gate.set()
            assert (await video.snapshot(3.9)).exact
        await until(lambda: not workers())

    asyncio.run(ours())


@pytest.mark.usefixtures("patient")
def test_a_loop_that_is_left_stops_the_work(long: str) -> None:
    async def ours() -> None:
        source = Gated(long)
        async with await aio.open(source) as video:
            async with contextlib.aclosing(video.snapshots(count=40)) as shots:
                async for _ in shots:
                    break
            reads = source.reads
            assert not workers()
            async for _ in video.snapshots(count=40):  # let go without a word: the loop tidies up
                break
            await until(lambda: not workers())
            assert [s.index async for s in video.snapshots(count=3)] == [0, 1, 2]
            assert source.reads > reads
            never = video.snapshots(count=3)
            del never

    asyncio.run(ours())


@pytest.mark.usefixtures("patient")
def test_one_picture_at_a_time_is_asked_for(long: str) -> None:
    """Whoever takes pictures slowly does not find them piled up, nor keeps a thread waiting."""
    asked: list[int] = []

    async def ours() -> None:
        async with await aio.open(long) as video:
            async for shot in video.snapshots(
                count=60, progress=lambda done, _: asked.append(done)
            ):
                for _ in range(50):
                    await asyncio.sleep(0)
                assert asked[-1] == shot.index + 1
                if shot.index == 5:
                    break
            assert asked == [1, 2, 3, 4, 5, 6]

    asyncio.run(ours())


def test_a_video_that_nobody_waits_for_is_closed(film: str) -> None:
    async def ours() -> None:
        source = Gated(film)
        source.shut()
        task = asyncio.ensure_future(aio.open(source))
        await until(source.entered.is_set)
        task.cancel()
        await asyncio.sleep(0)
        source.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: source.closed)

    asyncio.run(ours())


def test_a_video_opened_too_late_is_closed(film: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very moment at which the work is done and the caller gives up."""
    source = Gated(film)
    video = snapengine.open(source)
    opened, go = threading.Event(), threading.Event()

    def opener() -> snapengine.Video:
        opened.set()
        assert go.wait(60)
        return video

    async def ours() -> None:
        task = asyncio.ensure_future(aio._opened(opener)())
        await until(opened.is_set)
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: source.closed)

    asyncio.run(ours())


def test_closing_ends_calls_under_way(film: str) -> None:
    async def ours() -> None:
        source = Gated(film)
        video = await aio.open(source)
        shots = video.snapshots(count=30)
        await anext(shots)
        await video.close()
        with pytest.raises(EngineClosed):
            await anext(shots)

    asyncio.run(ours())


def test_nothing_is_left_behind(long: str) -> None:
    """Neither threads, files nor complaints about results that nobody took."""
    complaints: list[Any] = []

    async def ours() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, c: complaints.append(c))
        async with await aio.open(long) as video:
            for _ in range(10):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await video.sprite(count=60, accuracy="exact")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        async for _shot in video.snapshots(count=60):
                            pass
        await until(lambda: not workers())

    asyncio.run(ours())  # begins the threads that last
    files = len(os.listdir("/proc/self/fd"))
    asyncio.run(ours())
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == files
    assert not complaints
    assert not workers()


@pytest.mark.usefixtures("patient")
def test_stopping_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """libavformat reads on after an error of ours; PyAV would print each further one."""

    async def ours() -> None:
        source = Gated(
            str(build(dataclasses.replace(LONG, name="aio-ts", container="ts", repeat=8)))
        )
        async with await aio.open(source) as video:
            source.shut()
            task = asyncio.create_task(video.snapshot(50))
            await until(source.entered.is_set)
            task.cancel()
            await asyncio.sleep(0)
            source.gate.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await video.snapshot(50)).exact

    asyncio.run(ours())
    assert capfd.readouterr() == ("", "")


# -- over HTTP --------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["status", "headers", "body", "middle"])
@pytest.mark.parametrize("act", ["hang", "drip"])
@pytest.mark.usefixtures("patient")
def test_what_waits_for_a_server_stops_at_once(act: Act, stage: Stage) -> None:
    """At each stage of an answer that does not come; the same connections serve the next call."""
    film = build(dataclasses.replace(LONG, name="aio-served", repeat=3))  # 24 s

    async def ours() -> None:
        network = snapengine.Network(allow_private=True)
        with FaultServer({"/film.mp4": film.read_bytes()}) as server:
            async with await aio.open(server.url("/film.mp4"), network=network) as video:
                asked = len(server.requests)
                server.faults.append(cut(stage, act, times=None))
                task = asyncio.create_task(video.snapshot(20))
                await until(lambda: len(server.requests) > asked)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                server.faults.clear()
                assert (await video.snapshot(20)).exact
            with pytest.raises(TimeoutError):
                server.faults.append(cut(stage, act, times=None))
                async with asyncio.timeout(0.05):
                    await aio.open(server.url("/film.mp4"), network=network)

    assert asyncio.run(seconds(ours())) < SOON
    assert not workers()
