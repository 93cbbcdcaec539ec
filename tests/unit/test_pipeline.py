"""Threads: the budget is kept, decoders are reused, and whatever ends a call ends its threads."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import pytest

import snapengine
from snapengine.budget import BUDGET, CpuBudget, available_cores
from snapengine.errors import InvalidOption
from snapengine.media.batching import Batcher
from snapengine.media.demuxer import Demuxer
from snapengine.media.parameters import CodecParameters
from snapengine.media.probe import probe
from snapengine.model.limits import Limits
from snapengine.model.plan import Plan
from snapengine.model.stats import RunStats
from snapengine.pipeline import DecoderPool, Pipeline
from snapengine.planning.planner import StreamClock, make_plan
from snapengine.sources import LocalSource
from tests.media.atlas import recipe
from tests.media.recipes import build

NAME = "h264-mp4-bpyramid"


def workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("snapengine-decode")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    size = BUDGET.size
    yield
    snapengine.set_cpu_budget(size)
    assert not workers()


# -- budget ---------------------------------------------------------------------------------


class Gauge:
    """How many permits are out, and the most there ever were."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def add(self, permits: int) -> None:
        with self._lock:
            self.now += permits
            self.most = max(self.most, self.now)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_never_more_than_the_budget(size: int) -> None:
    budget, gauge, dice = CpuBudget(size), Gauge(), random.Random(size)
    wishes = [dice.choice([1, 1, 2, 5]) for _ in range(60)]

    def work(wanted: int) -> int:
        with budget.take(wanted) as taken:
            gauge.add(taken)
            time.sleep(0.0005)
            gauge.add(-taken)
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(work, wishes))
    assert gauge.most == size
    assert all(1 <= t <= min(w, size) for t, w in zip(taken, wishes, strict=True))
    with budget.take(99) as everything:
        assert everything == size, "every permit came back"


def test_permits_come_back_after_an_exception() -> None:
    budget = CpuBudget(2)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.take(2):
            raise ZeroDivisionError
    with budget.take(2) as taken:
        assert taken == 2


def test_a_larger_budget_wakes_those_who_wait() -> None:
    budget = CpuBudget(1)
    entered = threading.Event()

    def work() -> None:
        with budget.take():
            entered.set()

    with budget.take():
        waiting = threading.Thread(target=work)
        waiting.start()
        assert not entered.wait(0.05)
        budget.resize(2)
        assert entered.wait(5)
        waiting.join(5)
    assert budget.size == 2


def test_a_smaller_budget_lets_those_who_run_finish() -> None:
    budget, gauge = CpuBudget(3), Gauge()

    def work(_: int) -> None:
        with budget.take() as taken:
            gauge.add(taken)
            time.sleep(0.0005)
            gauge.add(-taken)

    with budget.take(3) as taken:
        assert taken == 3
        budget.resize(1)
        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(work, i) for i in range(12)]
            time.sleep(0.02)
            assert gauge.most == 0, "nobody may begin while three of one are out"
            # Give the permits back while the others wait.
            budget.resize(4)
            for future in done:
                future.result(5)
    budget.resize(1)
    gauge.most = 0
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(12)))
    assert gauge.most == 1


def test_the_default_is_what_the_process_may_use() -> None:
    assert CpuBudget().size == available_cores() >= 1


@pytest.mark.parametrize("bad", [0, -1, 1.0, "2", None, True])
def test_unusable_budgets(bad: Any) -> None:
    before = BUDGET.size
    with pytest.raises(InvalidOption) as caught:
        snapengine.set_cpu_budget(bad)
    assert repr(bad) in str(caught.value)
    assert BUDGET.size == before


def test_the_budget_of_the_process_is_set() -> None:
    snapengine.set_cpu_budget(5)
    assert BUDGET.size == 5
    with BUDGET.take(99) as taken:
        assert taken == 5


# -- one opened stream ----------------------------------------------------------------------


class Stream:
    """What a call has in its hands, without the public verbs around it."""

    def __init__(self, threads: int) -> None:
        self.stats = RunStats()
        source = LocalSource(build(recipe(NAME)))
        self.demuxer = Demuxer.open(source, self.stats, Limits(), None)
        self.demuxer.peek_first()
        self.pool = DecoderPool(CodecParameters.of(self.demuxer.stream))
        info = probe(self.demuxer.opened, self.demuxer, self.pool.parameters, Limits())
        self.clock = StreamClock(start_pts=info.start_pts, time_base=info.time_base, frame=512)
        self.demuxer.prepare_index()
        self.budget = CpuBudget(threads)
        self.pipeline = Pipeline(
            Batcher(self.demuxer), self.pool, threads=threads, budget=self.budget
        )

    def plan(self, *seconds: Any, accuracy: Any = "exact") -> Plan:
        times = [Fraction(s) for s in seconds]
        return make_plan(times, self.demuxer.index, self.clock, accuracy)


@pytest.fixture(params=[1, 2, 3], ids=lambda n: f"threads{n}")
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    opened = Stream(request.param)
    yield opened
    opened.pool.close()
    opened.demuxer.close()
    with opened.budget.take(99) as taken:
        assert taken == opened.budget.size, "a permit was not given back"


TIMES = [Fraction(i, 4) for i in range(16)]  # 4 GOPs of a second


def test_answers_come_in_order_of_time(stream: Stream) -> None:
    plan = stream.plan(*TIMES)
    answers = list(stream.pipeline.execute(plan, lambda d, _: d.pts, stream.stats))
    assert [n for a in answers for t in a.targets for n in t.requests] == list(range(16))
    assert [a.value for a in answers] == sorted(a.value for a in answers)
    assert stream.stats.frames_used == 16


def test_an_exception_of_the_consumer_arrives_and_ends_all(stream: Stream) -> None:
    class OwnError(Exception):
        pass

    def consume(delivery: Any, stats: RunStats) -> int:
        if delivery.targets[0].requests[0] >= 5:
            raise OwnError("no more")
        return int(delivery.targets[0].requests[0])

    got = []
    with pytest.raises(OwnError, match="no more"):
        for answer in stream.pipeline.execute(stream.plan(*TIMES), consume, stream.stats):
            got.append(answer.value)
    assert got == list(range(len(got))) and len(got) <= 5
    assert not workers()
    # What is left serves the next call.
    again = stream.pipeline.execute(stream.plan(*TIMES), lambda d, _: d.pts, stream.stats)
    assert len(list(again)) == 16


def test_closing_the_generator_joins_every_thread(stream: Stream) -> None:
    seen: set[str] = set()

    def consume(delivery: Any, stats: RunStats) -> int:
        seen.add(threading.current_thread().name)
        return int(delivery.pts)

    answers = stream.pipeline.execute(stream.plan(*TIMES), consume, stream.stats)
    next(answers)
    if stream.budget.size > 1:
        assert workers()
    answers.close()
    assert not workers()
    assert any(name.startswith("snapengine") for name in seen) == (stream.budget.size > 1)


def test_one_batch_is_decoded_by_the_caller(stream: Stream) -> None:
    names: list[str] = []

    def consume(delivery: Any, stats: RunStats) -> int:
        names.append(threading.current_thread().name)
        return 0

    list(stream.pipeline.execute(stream.plan(1, "1.5"), consume, stream.stats))
    assert names == [threading.current_thread().name] * 2


def test_workers_never_exceed_the_budget(stream: Stream) -> None:
    gauge = Gauge()

    def consume(delivery: Any, stats: RunStats) -> int:
        gauge.add(1)
        time.sleep(0.002)
        gauge.add(-1)
        return 0

    list(stream.pipeline.execute(stream.plan(*TIMES), consume, stream.stats))
    assert 1 <= gauge.most <= stream.budget.size


# -- decoders -------------------------------------------------------------------------------


def test_decoders_are_lent_again() -> None:
    pool = Stream(1).pool
    with pool.lend(1, False) as first, pool.lend(1, False) as second:
        assert first is not second
    with pool.lend(1, False) as third:
        assert third in (first, second)
        assert (third.threads, third.skip_loop_filter) == (1, False)
    for threads, loop_off in ((2, False), (1, True)):
        with pool.lend(threads, loop_off) as other:
            assert other not in (first, second)
            assert (other.threads, other.skip_loop_filter) == (threads, loop_off)
    pool.close()
    with pool.lend(1, False) as fresh:
        assert fresh not in (first, second)


def test_a_decoder_that_failed_is_not_used_again() -> None:
    pool = Stream(1).pool
    with pytest.raises(ZeroDivisionError), pool.lend(1, False) as broken:
        raise ZeroDivisionError
    with pool.lend(1, False) as next_one:
        assert next_one is not broken


def test_a_decoder_serves_many_batches_alike(stream: Stream) -> None:
    def pictures(*seconds: Any) -> list[bytes]:
        found = stream.pipeline.execute(
            stream.plan(*seconds), lambda d, _: bytes(d.frame.planes[0]), stream.stats
        )
        return [answer.value for answer in found]

    whole = pictures(*TIMES)
    assert len(set(whole)) == 16
    assert [pictures(t)[0] for t in reversed(TIMES)] == whole[::-1]


# -- through the public verbs ---------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_leaving_the_loop_early_leaves_no_thread(threads: int) -> None:
    with snapengine.open(build(recipe(NAME)), threads=threads) as video:
        shots: Any = video.snapshots(count=30, width=32)
        for _ in range(3):
            next(shots)
        shots.close()
        assert not workers()
        assert video.snapshot(1).exact


def test_an_exception_of_progress_leaves_no_thread() -> None:
    class Stop(Exception):
        pass

    def progress(done: int, total: int) -> None:
        if done >= 3:
            raise Stop

    with snapengine.open(build(recipe(NAME)), threads=2) as video:
        with pytest.raises(Stop):
            video.sprite(count=30, cell=(32, 20), progress=progress)
        assert not workers()
        with pytest.raises(Stop):
            list(video.snapshots(count=30, width=32, progress=progress))
        assert not workers()


def test_another_attempt_has_no_more_threads_than_the_video() -> None:
    data = bytearray(build(recipe(NAME)).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = bytes(6000)
    with snapengine.open(bytes(data), threads=1) as video:
        shots = list(video.snapshots(interval=0.1, width=32))
        assert shots[-1].stats.retries > 0
        assert {threads for threads, _ in video._session._pool._idle} == {1}
