"""The verbs for asyncio: the same answers, and an event loop that never waits. What happens when is
arranged by gates in a source, not by time.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snapengine
from snapengine import aio
from snapengine.errors import EngineClosed, InvalidGeometry, InvalidOption, InvalidTime
from snapengine.media.decoder import Decoder
from tests.integration.gates import SOON, Gated, until
from tests.media.atlas import recipe
from tests.media.recipes import build

NAME = "h264-mp4-bpyramid"  # 100 frames at 25 per second: 4 s
VERBS = ("snapshot", "snapshots", "sprite", "covers", "animate", "plan")


@pytest.fixture(scope="module")
def film() -> str:
    return str(build(recipe(NAME)))


# -- the same answers -------------------------------------------------------------------------


def test_the_verbs_and_their_arguments_are_the_same() -> None:
    for name in VERBS:
        ours, theirs = getattr(aio.AsyncVideo, name), getattr(snapengine.Video, name)
        assert (
            inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()
        )
        assert ours.__doc__ == theirs.__doc__
    assert inspect.signature(aio.open).parameters == inspect.signature(snapengine.open).parameters
    offered = {n for n in dir(snapengine.Video) if not n.startswith("_")}
    assert offered == {n for n in dir(aio.AsyncVideo) if not n.startswith("_")}


def test_the_answers_are_the_same(film: str, tmp_path: Path) -> None:
    async def ours() -> list[Any]:
        async with await aio.open(film, threads=2) as video:
            shot = await video.snapshot(1.5, width=80)
            shots = [s async for s in video.snapshots(count=7, width=64)]
            sheet = await video.sprite(count=6, cell=(32, 18), columns=3, rows=1)
            covers = await video.covers(count=2, width=64)
            moving = await video.animate(tmp_path / "ours.webp", start=1, end=2, width=64)
            plan = await video.plan("sprite", count=6)
            info = await video.info()
            assert video.stats.bytes_read > 0
            assert repr(video).startswith("<AsyncVideo")
        assert moving.size_bytes == os.path.getsize(tmp_path / "ours.webp")
        return [
            shot.jpeg(), [s.jpeg() for s in shots], [p.jpeg() for p in sheet.pages],
            [(c.jpeg(), c.score) for c in covers], plan.requested, info,
            (tmp_path / "ours.webp").read_bytes(),
        ]  # fmt: skip

    with snapengine.open(film, threads=2) as video:
        video.animate(tmp_path / "theirs.webp", start=1, end=2, width=64)
        theirs = [
            video.snapshot(1.5, width=80).jpeg(),
            [s.jpeg() for s in video.snapshots(count=7, width=64)],
            [p.jpeg() for p in video.sprite(count=6, cell=(32, 18), columns=3, rows=1).pages],
            [(c.jpeg(), c.score) for c in video.covers(count=2, width=64)],
            video.plan("sprite", count=6).requested, video.info,
            (tmp_path / "theirs.webp").read_bytes(),
        ]  # fmt: skip
    assert asyncio.run(ours()) == theirs


def test_a_duration_that_must_be_looked_for() -> None:
    path = str(build(recipe("h264-ts")))

    async def ours() -> Any:
        source = Gated(path)
        async with await aio.open(source) as video:
            source.threads.clear()
            found = await video.info()
            again = await video.info()
            assert threading.get_ident() not in source.threads
            assert found == again
            return found.duration

    with snapengine.open(path) as video:
        assert asyncio.run(ours()) == video.info.duration


def test_errors_are_the_same(film: str) -> None:
    async def ours() -> None:
        with pytest.raises(snapengine.errors.SourceNotFound):
            await aio.open("/nowhere/to/be/seen.mp4")
        with pytest.raises(InvalidOption, match="threads"):
            await aio.open(film, threads=0)
        video = await aio.open(film)
        await video.close()
        await video.close()
        with pytest.raises(EngineClosed):
            await video.snapshot(1)
        with pytest.raises(EngineClosed):
            video.snapshots(count=2)

    asyncio.run(ours())


def test_what_a_callable_raises_comes_out(film: str) -> None:
    class Mine(Exception):
        pass

    def choose(_: np.ndarray[Any, Any]) -> float:
        raise Mine

    async def ours() -> None:
        async with await aio.open(film) as video:
            with pytest.raises(Mine):
                await video.covers(choose=choose)
            assert (await video.snapshot(1)).exact

    asyncio.run(ours())


# -- the event loop ---------------------------------------------------------------------------


def test_arguments_are_checked_before_any_thread_is_used(
    film: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ours() -> None:
        async with await aio.open(film) as video:
            with monkeypatch.context() as patched:
                patched.setattr(aio._threads, "working", None)
                for error, wrong in (
                    (InvalidTime, lambda: video.snapshot("soon")),
                    (InvalidGeometry, lambda: video.snapshot(1, width=0)),
                    (InvalidOption, lambda: video.snapshot(1, fit="tight")),  # type: ignore[arg-type]
                    (InvalidTime, lambda: video.sprite(count=0)),
                    (InvalidGeometry, lambda: video.sprite(count=4, columns=0)),
                    (InvalidOption, lambda: video.covers(count=51)),
                    (InvalidOption, lambda: video.covers(choose="best")),
                    (InvalidOption, lambda: video.animate("a.mov")),
                    (InvalidTime, lambda: video.animate("a.gif", length=61)),
                    (InvalidOption, lambda: video.plan("film")),
                ):
                    with pytest.raises(error):
                        await wrong()
                with pytest.raises(InvalidTime):
                    video.snapshots(interval=-1)  # not even awaited

    asyncio.run(ours())


def test_the_loop_reads_and_decodes_nothing(film: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoding: set[int] = set()
    decode = Decoder.decode

    def noted(self: Decoder, *args: Any, **kwargs: Any) -> Any:
        decoding.add(threading.get_ident())
        return decode(self, *args, **kwargs)

    monkeypatch.setattr(Decoder, "decode", noted)

    async def ours() -> None:
        source = Gated(film)
        async with await aio.open(source) as video:
            await video.snapshot(3.9)
            await video.sprite(count=5, accuracy="exact")
            async for _ in video.snapshots(at=[3, 1, 2]):
                pass
            await video.covers()
            await video.info()
            await video.plan(count=3)
        assert decoding and source.threads
        assert threading.get_ident() not in decoding | source.threads

    asyncio.run(ours())


def test_the_loop_goes_on_while_bytes_do_not_come(film: str) -> None:
    async def ours() -> None:
        source = Gated(film)
        async with await aio.open(source) as video:
            source.shut()
            task = asyncio.create_task(video.snapshot(3.9))
            await until(source.entered.is_set)
            for _ in range(1000):
                await asyncio.sleep(0)
            assert not task.done()
            source.gate.set()
            assert (await task).exact

    asyncio.run(ours())


def test_fifty_videos_at_a_time(film: str) -> None:
    """All fifty wait for bytes at the same moment, or the barrier breaks."""
    together = threading.Barrier(50)

    class Met(Gated):
        def read_at(self, offset: int, size: int) -> bytes:
            if self.reads == 0:
                together.wait(60)
            return super().read_at(offset, size)

    async def one() -> float:
        async with await aio.open(Met(film)) as video:
            return (await video.snapshot(2)).time

    async def ours() -> list[float]:
        return await asyncio.gather(*(one() for _ in range(50)))

    assert asyncio.run(ours()) == [2.0] * 50


def test_how_many_calls_run_at_once_is_bounded(film: str) -> None:
    async def ours() -> None:
        sources = [Gated(film) for _ in range(3)]
        videos = [await aio.open(source) for source in sources]
        aio.set_threads(2)
        try:
            for source in sources:
                source.shut()
            tasks = [asyncio.create_task(video.snapshot(1)) for video in videos]
            await until(lambda: all(s.entered.is_set() for s in sources[:2]))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not sources[2].entered.is_set()
            tasks[2].cancel()  # has not begun: it need not
            with pytest.raises(asyncio.CancelledError):
                await tasks[2]
            for video in videos:  # closing does not wait for its turn
                async with asyncio.timeout(SOON):
                    await video.close()
            for source in sources:
                source.gate.set()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            aio.set_threads(64)

    asyncio.run(ours())
    for wrong in (0, -1, True, 2.5, "8"):
        with pytest.raises(InvalidOption, match="threads"):
            aio.set_threads(wrong)  # type: ignore[arg-type]


def test_progress_is_told_in_the_loop(film: str) -> None:
    told: list[tuple[int, int, int]] = []

    def progress(done: int, total: int) -> None:
        asyncio.get_running_loop()
        told.append((done, total, threading.get_ident()))

    async def ours() -> None:
        async with await aio.open(film) as video:
            seen = 0
            async for _ in video.snapshots(count=4, progress=progress):
                seen += 1
                assert len(told) == seen
            await video.sprite(count=5, progress=progress)

    asyncio.run(ours())
    here = threading.get_ident()
    assert told[:4] == [(n, 4, here) for n in range(1, 5)]
    assert told[-1] == (5, 5, here)


def test_a_forked_child_has_threads_of_its_own(film: str) -> None:
    before = aio._threads.working
    try:
        aio._in_child()
        assert aio._threads.working is not before
        asyncio.run(_open_and_close(film))
    finally:
        before.shutdown()


async def _open_and_close(film: str) -> None:
    async with await aio.open(film) as video:
        assert (await video.snapshot(1)).exact
