"""Plan -> frames, on as many cores as the process may use. The only place with threads.

The calling thread reads packets (it owns the demuxer) and hands batches to workers; each worker has
a single-threaded decoder and does everything with a frame that the caller wants done (scaling, most
of all), so that only small results travel. A plan of one batch, or a batch too large to be held, is
decoded by the calling thread with frame threads inside the decoder. The number of batches under
way is bounded, so memory does not grow with the number of targets.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from . import cancelling
from .budget import BUDGET, CpuBudget
from .media.batch import Batch
from .media.batching import KEYS_BEHIND, Batcher
from .media.decoder import Decoder, Delivery
from .media.parameters import CodecParameters
from .model.plan import Plan, Run, Target
from .model.stats import RunStats

#: How many batches per worker may be under way or wait for their turn to be handed out.
_WAITING = 4
#: Batches of fewer packets gain nothing from frame threads: starting them costs more.
_FRAME_THREAD_PACKETS = 6
#: A target without a proved frame is tried again from 1, 3, 7, ... keyframes further back. From
#: this attempt on a doubtful frame is accepted, and marked.
_ACCEPT_DOUBTFUL = 3
#: Where data is missing nothing comes at all; the steps double until some frame does.
_ATTEMPTS = 16
#: A pts behind the last keyframe.
_END = 1 << 62
#: When the best frame before lies farther away than this, a nearer keyframe behind is preferred.
_FAR_SECONDS = 0.5


T = TypeVar("T")
#: Makes the caller's result of a delivered frame. Called in a worker, several at once.
Consumer = Callable[[Delivery, RunStats], T]


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A result and the targets it answers. ``exact`` as in :class:`Delivery`."""

    value: T
    targets: list[Target]


@dataclass(slots=True)
class _Done(Generic[T]):
    answers: list[Answer[T]]
    missing: list[Target]


class DecoderPool:
    """Open decoders of one stream, lent to one thread each. Thread-safe."""

    def __init__(self, parameters: CodecParameters) -> None:
        self.parameters = parameters
        self._idle: dict[tuple[int, bool], list[Decoder]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def lend(self, threads: int, skip_loop_filter: bool) -> Iterator[Decoder]:
        """A decoder for the ``with`` block. One that failed is not used again."""
        key = (threads, skip_loop_filter)
        with self._lock:
            idle = self._idle.setdefault(key, [])
            decoder = idle.pop() if idle else None
        if decoder is None:
            decoder = Decoder(self.parameters, threads=threads, skip_loop_filter=skip_loop_filter)
        yield decoder
        with self._lock:
            self._idle.setdefault(key, []).append(decoder)

    def close(self) -> None:
        """Let go of idle decoders and the frames they hold."""
        with self._lock:
            self._idle.clear()


@dataclass(slots=True)
class _Dead:
    """The last stretch where nothing decodes, after ``before``. Searching it again for each target
    would let the work grow with the square of its length."""

    before: Delivery | None = None
    until: int | None = None
    #: a whole keyframe behind, the nearest that was found from ``sought`` on
    behind: Delivery | None = None
    sought: int = 0
    #: keyframes from ``sought`` up to here were tried; the first of them that gave a frame
    tried: int = -1
    doubtful: Delivery | None = None

    def covers(self, pts: int) -> bool:
        since = None if self.before is None else self.before.pts
        return self.until is not None and pts <= self.until and (since is None or since < pts)

    def until_before(self, target: Target) -> int | None:
        """Where it ends, if the target lies behind it."""
        return self.until if self.until is not None and self.until < target.wanted else None

    def is_passed(self, began: int, batch: Batch) -> bool:
        """Whether decoding from ``began`` on passes through it to targets behind."""
        return self.until is not None and began <= self.until < batch.targets[0].wanted


class Pipeline:
    """Executes plans over one batcher. One execution at a time."""

    def __init__(
        self,
        batcher: Batcher,
        pool: DecoderPool,
        *,
        threads: int | None = None,
        budget: CpuBudget = BUDGET,
    ) -> None:
        self._batcher = batcher
        self._pool = pool
        self._threads = threads
        self._budget = budget
        self._neighbours = True
        self._dead = _Dead()

    def execute(
        self,
        plan: Plan,
        consume: Consumer[T],
        stats: RunStats,
        *,
        skip_loop_filter: bool = False,
        neighbours: bool = True,
    ) -> Generator[Answer[T], None, None]:
        """Decode and consume; yields answers batch by batch, in order of time.

        ``skip_loop_filter`` applies to keyframes decoded alone, never to frames that others are
        predicted from. ``neighbours``: a target whose frame cannot be had is answered by the
        nearest that can, in a delivery that is not exact. Targets that cannot be answered at all
        are not yielded. Closing the generator cancels what is under way and joins every thread.
        """
        self._neighbours = neighbours
        self._dead = _Dead()
        cores = min(self._threads or self._budget.size, self._budget.size)
        several = sum(max(1, len(r.targets) if r.kind == "search" else 1) for r in plan.runs) > 1
        stop = threading.Event()

        def give_up(_: object) -> None:
            stop.set()
            self._budget.wake()

        cancelling.on_cancel(give_up)
        if cores == 1 or not several:
            for batch in self._batcher.batches(plan.runs):
                yield from self._in_place(batch, consume, stats, cores, skip_loop_filter)
            return
        yield from self._parallel(plan.runs, consume, stats, cores, skip_loop_filter, stop)

    def _parallel(
        self,
        runs: tuple[Run, ...],
        consume: Consumer[T],
        stats: RunStats,
        cores: int,
        skip_loop_filter: bool,
        stop: threading.Event,
    ) -> Generator[Answer[T], None, None]:
        pending: deque[Future[_Done[T]]] = deque()

        def work(batch: Batch) -> _Done[T]:
            mine = RunStats()
            try:
                with self._budget.take(1, stop.is_set):
                    loop_off = skip_loop_filter and batch.key_only
                    with self._pool.lend(1, loop_off) as decoder:
                        return self._decode(decoder, batch, consume, mine, stop.is_set)
            finally:
                stats.add(mine)

        executor = ThreadPoolExecutor(cores, thread_name_prefix="snapengine-decode")
        try:
            for batch in self._batcher.batches(runs):
                if batch.rest is not None:
                    # Too large to hold: streamed through here, after what was begun before it.
                    while pending:
                        yield from self._finish(pending.popleft().result(), consume, stats)
                    yield from self._in_place(batch, consume, stats, cores, skip_loop_filter)
                    continue
                pending.append(executor.submit(work, batch))
                # One batch ready for each worker beside the one it works on. Short batches finish
                # while a long one before them is still decoding; their results wait for it, but
                # no worker does.
                while pending:
                    under_way = [future for future in pending if not future.done()]
                    if pending[0].done() or len(pending) >= _WAITING * cores:
                        yield from self._finish(pending.popleft().result(), consume, stats)
                    elif len(under_way) >= 2 * cores:
                        wait(under_way, return_when=FIRST_COMPLETED)
                    else:
                        break
            while pending:
                yield from self._finish(pending.popleft().result(), consume, stats)
        finally:
            stop.set()
            self._budget.wake()
            for future in pending:
                future.cancel()
            executor.shutdown(wait=True)

    def _finish(self, done: _Done[T], consume: Consumer[T], stats: RunStats) -> Iterator[Answer[T]]:
        cancelling.check()  # then what was not answered is not missing
        yield from done.answers
        if done.missing:
            yield from self._again(done.missing, consume, stats)

    def _in_place(
        self,
        batch: Batch,
        consume: Consumer[T],
        stats: RunStats,
        cores: int,
        skip_loop_filter: bool,
    ) -> Generator[Answer[T], None, None]:
        """Decode in the calling thread, with frame threads when there is enough to decode."""
        large = batch.rest is not None or len(batch.items) >= _FRAME_THREAD_PACKETS
        with (
            self._budget.take(cores if large else 1, cancelling.is_cancelled) as threads,
            self._pool.lend(threads, skip_loop_filter and batch.key_only) as decoder,
        ):
            done = self._decode(decoder, batch, consume, stats, cancelling.is_cancelled)
        yield from self._finish(done, consume, stats)

    def _decode(
        self,
        decoder: Decoder,
        batch: Batch,
        consume: Consumer[T],
        stats: RunStats,
        cancelled: Callable[[], bool],
        *,
        skip: bool = True,
    ) -> _Done[T]:
        answers: list[Answer[T]] = []
        open_targets = {t.requests for t in batch.targets}
        for delivery in decoder.decode(batch, stats, skip=skip, cancelled=cancelled):
            if not delivery.exact and skip:
                continue  # doubtful: another attempt may do better
            open_targets -= {t.requests for t in delivery.targets}
            stats.frames_used += 1
            answers.append(Answer(consume(delivery, stats), delivery.targets))
        missing = [t for t in batch.targets if t.requests in open_targets]
        return _Done(answers, [] if cancelled() else missing)

    def _again(
        self, targets: list[Target], consume: Consumer[T], stats: RunStats
    ) -> Generator[Answer[T], None, None]:
        """Targets that got no proved frame: from further back, and without passing over anything.

        Some keyframes are none: a recovery point shows its first pictures only after a while, a
        damaged one never. In the end the nearest frame that can be had is taken and marked.
        """
        if stats.false_keyframes:
            self._batcher.distrust_keys()
            targets = [replace(t, key=None, kind="exact", shown=None) for t in targets]
        far: list[Delivery] = []
        dead = self._dead
        known = [t for t in targets if dead.covers(t.wanted)]
        targets = [t for t in targets if not dead.covers(t.wanted)]
        attempt, ends = 0, False
        attempts = _ATTEMPTS if self._neighbours else _ACCEPT_DOUBTFUL
        while targets and attempt < attempts and not ends:
            attempt += 1
            left: list[Target] = []
            for batch in self._batcher.earlier(targets, attempt, dead.until_before(targets[0])):
                stats.retries += 1
                # Further back lies nothing, or what is known to be dead.
                ends |= self._batcher.exhausted or dead.is_passed(self._batcher.began, batch)
                last = attempt >= _ACCEPT_DOUBTFUL or ends
                answered: set[tuple[int, ...]] = set()
                for delivery in self._decode_all(batch, stats):
                    if not (delivery.exact or (self._neighbours and last)):
                        continue
                    answered |= {t.requests for t in delivery.targets}
                    if delivery.exact or not self._is_far(delivery):
                        yield self._answer(delivery, consume, stats)
                    else:
                        far.append(delivery)
                left += [t for t in batch.targets if t.requests not in answered]
            targets = left
        if self._neighbours:
            waiting: list[tuple[Target, Delivery | None]]
            waiting = [(t, dead.before) for t in [*known, *targets]]
            waiting += [(t, delivery) for delivery in far for t in delivery.targets]
            if waiting:
                found = [delivery for _, delivery in waiting if delivery is not None]
                self._dead = replace(
                    dead,
                    before=max(found, key=lambda d: d.pts, default=None),
                    until=max(t.wanted for t, _ in waiting),
                )
            for delivery in self._nearest(waiting, stats):
                yield self._answer(delivery, consume, stats)

    def _answer(self, delivery: Delivery, consume: Consumer[T], stats: RunStats) -> Answer[T]:
        stats.frames_used += 1
        return Answer(consume(delivery, stats), delivery.targets)

    def _is_far(self, delivery: Delivery) -> bool:
        away = max(t.wanted for t in delivery.targets) - delivery.pts
        return away * self._pool.parameters.time_base > _FAR_SECONDS

    def _nearest(
        self, waiting: list[tuple[Target, Delivery | None]], stats: RunStats
    ) -> Iterator[Delivery]:
        """The frame before a target that was found, or the first keyframe behind it if nearer."""
        waiting.sort(key=lambda w: w[0].wanted)
        while waiting:
            behind = self._first_behind(waiting[0][0].wanted, stats)
            reach = [w for w in waiting if behind is None or w[0].wanted < behind.pts]
            waiting = waiting[len(reach) :]
            chosen: dict[int, tuple[Delivery, list[Target]]] = {}
            for target, before in reach:
                nearest = before
                if behind is not None and (
                    before is None or behind.pts - target.wanted < target.wanted - before.pts
                ):
                    nearest = behind
                if nearest is not None:
                    chosen.setdefault(nearest.pts, (nearest, []))[1].append(target)
            for nearest, targets in chosen.values():
                yield replace(nearest, targets=targets, exact=False)

    def _first_behind(self, pts: int, stats: RunStats) -> Delivery | None:
        """The first keyframe behind ``pts`` that is whole, else the first that decodes at all."""
        dead = self._dead
        if dead.behind is not None and dead.sought <= pts < dead.behind.pts:
            return dead.behind
        if not dead.sought <= pts <= dead.tried:
            dead.sought, dead.tried, dead.doubtful = pts, pts, None
        count = 0
        for batch in self._batcher.behind(dead.tried) if dead.tried < _END else ():
            count += 1
            dead.tried = max(dead.tried, batch.targets[0].wanted)
            for delivery in self._decode_all(batch, stats):
                if delivery.is_sound and delivery.pts > pts:
                    dead.behind = delivery
                    return delivery
                dead.doubtful = dead.doubtful or delivery
        if count < KEYS_BEHIND:
            dead.tried = _END
        first = dead.doubtful
        return first if first is not None and first.pts > pts else None

    def _decode_all(self, batch: Batch, stats: RunStats) -> Iterator[Delivery]:
        """Every frame of a batch, in the calling thread."""
        with (
            # With frame threads libavcodec hides damage differently each time, and loses its flag.
            self._budget.take(1, cancelling.is_cancelled) as threads,
            self._pool.lend(threads, False) as decoder,
        ):
            yield from decoder.decode(batch, stats, skip=False, cancelled=cancelling.is_cancelled)
        cancelling.check()
