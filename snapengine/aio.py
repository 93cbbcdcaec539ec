"""The same verbs for asyncio: ``await snapengine.aio.open(...)``.

    >>> async with await snapengine.aio.open("https://host/movie.mp4") as video:
    ...     shot = await video.snapshot(12.5, width=640)
    ...     async for shot in video.snapshots(interval=10, width=320):
    ...         await asyncio.to_thread(shot.save, f"{shot.index}.jpg")

The work is done in threads of this module's own, at most :func:`set_threads` at a time in the
process, beside the CPU budget that all decoding shares; the event loop never waits. Importing this
module loads the codecs: do it when a service starts.

Cancelling the task that awaits (``asyncio.timeout`` does) stops the work between two packets, two
reads, or while it waits for the network, and goes on when everything is released; the video stays
usable.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from . import engine
from .cancelling import Cancellation
from .engine import Video
from .errors import Cancelled, InvalidOption

if TYPE_CHECKING:
    from .model.media import VideoInfo
    from .model.stats import RunStats
    from .results import Snapshot

__all__ = ["AsyncVideo", "open", "set_threads"]

P = ParamSpec("P")
T = TypeVar("T")

#: Most of them wait for a network; what computes is bounded by the CPU budget.
_THREADS: Final = 64
#: Closing never queues behind calls that wait for something.
_CLOSING_THREADS: Final = 4
#: How long a cancelled call is waited for: it stops within a fraction of that, except in a single
#: long step of somebody else's code (an encoder, a source's ``read_at``), which ends by itself.
_PATIENCE_SECONDS: Final = 1.0


class _Threads:
    """Our threads, made when they are needed. Used by event loops in any number of threads."""

    def __init__(self) -> None:
        self.start(_THREADS)

    def start(self, size: int) -> None:
        self.working = ThreadPoolExecutor(size, thread_name_prefix="snapengine-aio")
        self.closing = ThreadPoolExecutor(
            _CLOSING_THREADS, thread_name_prefix="snapengine-aio-close"
        )
        self.size = size


_threads = _Threads()


def _in_child() -> None:
    """A forked process has none of its parent's threads."""
    _threads.start(_threads.size)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def set_threads(count: int) -> None:
    """How many calls may be under way at once in the process, whatever they wait for; default 64.

    Further ones wait for their turn. Calls under way go on. Raises
    :class:`~snapengine.errors.InvalidOption`.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidOption(f"threads must be at least 1, not {count!r}")
    before = _threads.working, _threads.closing
    _threads.start(count)
    for pool in before:
        pool.shutdown(wait=False)


# -- waiting for threads ----------------------------------------------------------------------


def _begin(
    pool: ThreadPoolExecutor,
    cancellation: Cancellation,
    work: Callable[P, T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Future[T]:
    """Have a thread do the work, in the context of who asks for it."""
    return pool.submit(functools.partial(cancellation.context().run, work, *args, **kwargs))


async def _result(future: Future[T], cancellation: Cancellation | None = None) -> T:
    """What a thread makes. When the caller is cancelled, ``cancellation`` is, and waited for."""
    done = asyncio.wrap_future(future)
    # Nobody may be left to look at an error; asyncio would complain of that.
    done.add_done_callback(lambda f: None if f.cancelled() else f.exception())
    try:
        await asyncio.wait([done])
    except asyncio.CancelledError:
        if cancellation is not None and not future.cancel():
            cancellation.cancel()
            await asyncio.wait([done], timeout=_PATIENCE_SECONDS)
        raise
    return done.result()


async def _run(work: Callable[[], T]) -> T:
    """Call ``work`` in a thread; here and at once if that needs no bytes and no decoding.

    Everything that is wrong with arguments shows before the first step that would: a call that is
    cancelled from the start gets just that far.
    """
    first = Cancellation()
    first.cancel()
    try:
        return first.context().run(work)
    except Cancelled:
        pass
    cancellation = Cancellation()
    future = _begin(_threads.working, cancellation, work)
    return await _result(future, cancellation)


def _on_loop(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Options whose ``progress`` is called by the event loop, not by a thread."""
    progress = kwargs.get("progress")
    if not callable(progress):
        return kwargs
    loop = asyncio.get_running_loop()
    return {**kwargs, "progress": functools.partial(loop.call_soon_threadsafe, progress)}


def _awaited(
    verb: Callable[Concatenate[Video, P], T],
) -> Callable[Concatenate[AsyncVideo, P], Coroutine[Any, Any, T]]:
    """A verb of :class:`Video` as one to be awaited, with its arguments and its documentation."""

    @functools.wraps(verb)
    async def call(self: AsyncVideo, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await _run(functools.partial(verb, self._video, *args, **_on_loop(kwargs)))

    call.__qualname__ = f"AsyncVideo.{verb.__name__}"
    call.__module__ = __name__
    return call


def _iterated(
    verb: Callable[Concatenate[Video, P], Any],
) -> Callable[Concatenate[AsyncVideo, P], AsyncGenerator[Snapshot, None]]:
    """:meth:`Video.snapshots` for ``async for``: one picture is asked for at a time."""

    @functools.wraps(verb)
    def call(
        self: AsyncVideo, /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncGenerator[Snapshot, None]:
        return _pulled(verb(self._video, *args, **_on_loop(kwargs)))

    call.__qualname__ = f"AsyncVideo.{verb.__name__}"
    call.__module__ = __name__
    return call


async def _pulled(shots: Generator[Snapshot, None, None]) -> AsyncGenerator[Snapshot, None]:
    def following() -> Snapshot | None:
        return next(shots, None)

    cancellation = Cancellation()
    try:
        while True:
            future = _begin(_threads.working, cancellation, following)
            if (shot := await _result(future, cancellation)) is None:
                return
            yield shot
    except (GeneratorExit, asyncio.CancelledError):
        # The loop was left: what was begun ahead is stopped and joined.
        cancellation.cancel()
        if inspect.getgeneratorstate(shots) == inspect.GEN_SUSPENDED:
            await _result(_begin(_threads.closing, cancellation, shots.close))
        raise


# -- what is offered --------------------------------------------------------------------------


class AsyncVideo:
    """An opened video for asyncio: the verbs of :class:`snapengine.Video`, to be awaited.

    Arguments, results and errors are the same; arguments are checked before any thread is used.
    ``progress`` is called by the event loop; ``choose`` of covers, and the file object an animation
    is written to, in a thread. Results are plain values: encoding them, as ``jpeg()`` and
    ``save()`` do, is work for ``asyncio.to_thread``. Cancelling what awaits a picture ends its
    ``async for``.

    Any number of calls may be awaited at once, also from several event loops.
    """

    def __init__(self, video: Video) -> None:
        self._video = video

    async def close(self) -> None:
        """Release file handles, connections and decoders. Calls under way end with
        ``EngineClosed``."""
        await _result(_threads.closing.submit(self._video.close))

    async def __aenter__(self) -> AsyncVideo:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return repr(self._video).replace("<Video", "<AsyncVideo", 1)

    async def info(self) -> VideoInfo:
        """What the file holds. Awaited, because where the header lacks the duration it is looked
        for at the end of the file, once."""
        return await _run(lambda: self._video.info)

    @property
    def stats(self) -> RunStats:
        """What opening cost."""
        return self._video.stats

    snapshot = _awaited(Video.snapshot)
    snapshots = _iterated(Video.snapshots)
    sprite = _awaited(Video.sprite)
    covers = _awaited(Video.covers)
    animate = _awaited(Video.animate)
    plan = _awaited(Video.plan)


def _opened(opener: Callable[P, Video]) -> Callable[P, Coroutine[Any, Any, AsyncVideo]]:
    @functools.wraps(opener)
    async def open(*args: P.args, **kwargs: P.kwargs) -> AsyncVideo:
        cancellation = Cancellation()
        future = _begin(_threads.working, cancellation, opener, *args, **kwargs)
        try:
            return AsyncVideo(await _result(future, cancellation))
        except asyncio.CancelledError:
            future.add_done_callback(_close_unwanted)
            raise

    open.__module__ = __name__
    return open


def _close_unwanted(future: Future[Video]) -> None:
    """It was opened just when nobody waited for it any more."""
    if not future.cancelled() and future.exception() is None:
        _threads.closing.submit(future.result().close)


open = _opened(engine.open)
