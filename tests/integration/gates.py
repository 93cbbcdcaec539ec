"""What the tests of the asyncio verbs share: a source that can be held up, and waiting for what
surely comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from snapengine.sources.local import MemorySource
from tests.media.recipes import Recipe

LONG = Recipe(
    name="aio-long-gop", width=256, height=160, frames=200, gop=200, bframes=2,
    encoder_options=(("crf", "35"),),
)  # fmt: skip
"""One keyframe: the last picture takes decoding all."""

SOON = 5.0
"""Seconds that mean "at once" on a machine that is busy with other things."""


class Gated(MemorySource):
    """A file whose reads, once it is shut, wait at a gate; counts them and who makes them.

    As one of the engine's own sources it is read by the very thread that demuxes.
    """

    def __init__(self, path: str) -> None:
        super().__init__(Path(path).read_bytes())
        self.reads = 0
        self.threads: set[int] = set()
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.closed = False

    def read_at(self, offset: int, size: int) -> bytes:
        self.reads += 1
        self.threads.add(threading.get_ident())
        if not self.gate.is_set():
            self.entered.set()
            assert self.gate.wait(60)
        return super().read_at(offset, size)

    def shut(self) -> None:
        self.gate.clear()

    def close(self) -> None:
        self.closed = True
        super().close()


async def until(happened: Callable[[], bool]) -> None:
    """Let the loop go on until something that surely comes has come."""
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0)


def workers() -> list[str]:
    """Our threads that belong to a call, not to a pool that lasts."""
    names = (t.name for t in threading.enumerate())
    return [n for n in names if n.startswith("snapengine") and not n.startswith("snapengine-aio")]


async def seconds(work: Awaitable[None]) -> float:
    """How long it takes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await work
    return loop.time() - began
