"""Plans against a twin: which keyframe answers which instant, one run per GOP, nothing twice."""

from __future__ import annotations

import itertools
import json
from dataclasses import FrozenInstanceError, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from snapengine.model.media import Keyframe
from snapengine.model.plan import Plan, Target
from snapengine.planning.planner import StreamClock, make_plan

VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors" / "plans.json").read_text(encoding="utf-8")
)
TICK = Fraction(1, 100)
F = Fraction


@dataclass
class ListIndex:
    """Keyframes in a list, a frame every ``frame`` ticks, 100 bytes each."""

    keys: list[Keyframe]
    frame: int = 10
    complete: bool = True
    asked: list[str] = field(default_factory=list)

    def floor(self, pts: int) -> Keyframe | None:
        self.asked.append("floor")
        return max((k for k in self.keys if k.pts <= pts), key=lambda k: k.pts, default=None)

    def ceil(self, pts: int) -> Keyframe | None:
        self.asked.append("ceil")
        return min((k for k in self.keys if k.pts >= pts), key=lambda k: k.pts, default=None)

    def shown_until(self, key: Keyframe, pts: int) -> bool | None:
        return key.pts <= pts < key.pts + self.frame

    def bytes_between(self, key: Keyframe, stop: int) -> int | None:
        return 100 * (max(0, stop - key.pts) // self.frame + 1)


def index_of(
    stamps: list[int], *, delay: int = 0, hidden: frozenset[int] = frozenset()
) -> ListIndex:
    return ListIndex(
        [
            Keyframe(pts=p, stamp=p - delay, pos=p * 100, size=100, shown=p not in hidden)
            for p in stamps
        ]
    )


def clock(start: int = 0, frame: int = 10) -> StreamClock:
    return StreamClock(start_pts=start, time_base=TICK, frame=frame)


def all_targets(plan: Plan) -> list[Target]:
    return [target for run in plan.runs for target in run.targets]


@st.composite
def requests(draw: st.DrawFn) -> tuple[list[int], int, list[Fraction]]:
    """(keyframes, start, instants in seconds): on ticks, between them, repeated, unsorted."""
    gaps = draw(st.lists(st.integers(1, 60), min_size=1, max_size=8))
    keys = list(itertools.accumulate(gaps, initial=draw(st.integers(-20, 20))))
    start = draw(st.sampled_from([0, keys[0], keys[0] - 3, keys[0] + 4]))
    ticks = st.builds(
        F, st.integers(0, keys[-1] + 80 - min(0, start)), st.sampled_from([1, 1, 2, 3])
    )
    wanted = draw(st.lists(ticks, min_size=1, max_size=8))
    if draw(st.booleans()):
        wanted += wanted[:2]
    return keys, start, [max(F(0), t * TICK) for t in wanted]


# -- what holds for every plan --------------------------------------------------------------


ACCURACIES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["exact", "keyframe", F(0)]), st.builds(F, st.integers(0, 90), st.just(100))
)


@settings(max_examples=200)
@given(request=requests(), accuracy=ACCURACIES, distinct=st.booleans(), hide=st.booleans())
# A GOP whose keyframe served an earlier target was planned twice, as two others came between.
@example(
    request=([20, 23, 41], 0, [Fraction(n, 200) for n in (44, 78, 80, 45)]),
    accuracy=Fraction(1, 50), distinct=True, hide=False,
)  # fmt: skip
def test_every_plan_is_sorted_and_complete(
    request: tuple[list[int], int, list[Fraction]], accuracy: Any, distinct: bool, hide: bool
) -> None:
    keys, start, wanted = request
    hidden = frozenset(keys[::2]) if hide else frozenset()
    plan = make_plan(
        wanted, index_of(keys, hidden=hidden), clock(start), accuracy, distinct=distinct
    )
    assert plan.requested == tuple(wanted)
    answered = sorted(n for t in all_targets(plan) for n in t.requests)
    assert answered == list(range(len(wanted)))
    stamps = [run.keyframe.stamp for run in plan.runs if run.keyframe]
    assert len(stamps) == len(plan.runs)
    assert stamps == sorted(set(stamps)), "runs in order of time, one to a keyframe"
    for run in plan.runs:
        assert [t.wanted for t in run.targets] == sorted(t.wanted for t in run.targets)
        assert run.kind == ("keyframe" if all(t.key is not None for t in run.targets) else "exact")
        for target in run.targets:
            assert run.keyframe is not None
            if target.key is not None:
                assert target.key == run.keyframe.pts
                assert run.keyframe.shown
            for number in target.requests:
                at = start + wanted[number] / TICK
                assert target.pts == at // 1
                assert target.instant == at or target.kind == "exact"


@settings(max_examples=150)
@given(request=requests())
def test_exact_starts_at_the_last_keyframe_before(
    request: tuple[list[int], int, list[Fraction]],
) -> None:
    keys, start, wanted = request
    plan = make_plan(wanted, index_of(keys), clock(start), "exact")
    assert len({t.pts for t in all_targets(plan)}) == len(all_targets(plan))
    for run in plan.runs:
        for target in run.targets:
            before = [k for k in keys if k <= target.pts]
            assert run.keyframe is not None
            assert run.keyframe.pts == (before[-1] if before else keys[0])
            assert (target.key, target.shown, target.kind) == (None, None, "exact")


def nearest(keys: list[int], instant: Fraction) -> int:
    """The twin: of two equally near the earlier."""
    return min(keys, key=lambda k: (abs(k - instant), k))


@settings(max_examples=150)
@given(request=requests())
def test_keyframe_takes_the_nearest(request: tuple[list[int], int, list[Fraction]]) -> None:
    keys, start, wanted = request
    plan = make_plan(wanted, index_of(keys), clock(start), "keyframe")
    for target in all_targets(plan):
        if target.pts < keys[0]:
            assert target.key is None  # there the first frame is shown
            continue
        assert target.key == nearest(keys, target.instant)
        assert target.shown == (target.key <= target.pts < target.key + 10)


@settings(max_examples=150)
@given(request=requests(), ticks=st.integers(0, 60))
def test_tolerance_takes_a_keyframe_that_near_else_the_frame_shown(
    request: tuple[list[int], int, list[Fraction]], ticks: int
) -> None:
    keys, start, wanted = request
    plan = make_plan(wanted, index_of(keys), clock(start), ticks * TICK)
    for run in plan.runs:
        for target in run.targets:
            if target.pts < keys[0]:
                assert target.kind == "exact"
                continue
            key = nearest(keys, target.instant)
            if abs(key - target.instant) <= ticks:
                assert target.key == key
            else:
                assert (target.key, target.kind) == (None, "exact")
                assert run.keyframe is not None
                assert run.keyframe.pts == max(k for k in keys if k <= target.pts)


@settings(max_examples=150)
@given(gaps=st.lists(st.integers(1, 60), min_size=1, max_size=8), step=st.integers(2, 50))
def test_cells_of_a_sheet_never_share_a_keyframe(gaps: list[int], step: int) -> None:
    keys = list(itertools.accumulate(gaps, initial=0))
    wanted = [step * i * TICK for i in range((keys[-1] + 40) // step + 1)]
    plan = make_plan(wanted, index_of(keys), clock(), step * TICK / 2, distinct=True)
    used = [t.key for t in all_targets(plan) if t.key is not None]
    assert len(used) == len(set(used))
    plain = make_plan(wanted, index_of(keys), clock(), step * TICK / 2)
    # Every keyframe that is near something still answers something.
    assert set(used) == {t.key for t in all_targets(plain)} - {None}


def test_three_targets_around_one_keyframe_use_it_once() -> None:
    plan = make_plan([F(98, 100), F(100, 100), F(102, 100)], index_of([0, 100]), clock(frame=1),
                     F(5, 100), distinct=True)  # fmt: skip
    assert [t.key for t in all_targets(plan)].count(100) == 1


# -- corners --------------------------------------------------------------------------------


def test_ties_go_to_the_earlier_keyframe() -> None:
    index = index_of([0, 100])
    for at, wanted in ((F(50, 100), 0), (F(501, 1000), 100), (F(499, 1000), 0)):
        for accuracy in ("keyframe", F(1)):
            (target,) = all_targets(make_plan([at], index, clock(), accuracy))
            assert target.key == wanted, (at, accuracy)


def test_the_tolerance_itself_is_near() -> None:
    index = index_of([0, 100])
    for at, key in ((F(20, 100), 0), (F(2001, 10000), None), (F(80, 100), 100)):
        (target,) = all_targets(make_plan([at], index, clock(), F(20, 100)))
        assert target.key == key


def test_within_a_tick_exact_is_one_target_and_nearest_may_be_two() -> None:
    index = index_of([0, 101])
    wanted = [F(501, 1000), F(509, 1000)]
    assert len(all_targets(make_plan(wanted, index, clock(), "exact"))) == 1
    near = all_targets(make_plan(wanted, index, clock(), "keyframe"))
    assert [t.key for t in near] == [0, 101]


def test_before_the_first_keyframe_the_first_frame_is_wanted() -> None:
    for accuracy in ("exact", "keyframe", F(5)):
        plan = make_plan([F(0)], index_of([30, 90]), clock(start=10), accuracy)
        (run,) = plan.runs
        assert run.keyframe is not None
        assert (run.kind, run.keyframe.pts) == ("exact", 30)
        assert [(t.pts, t.key, t.kind) for t in run.targets] == [(10, None, "exact")]
        assert run.packets == 1


def test_a_negative_instant_is_the_start() -> None:
    plan = make_plan([F(-3), F(0)], index_of([7]), clock(start=7), "exact")
    assert [(t.pts, t.requests) for t in all_targets(plan)] == [(7, (0, 1))]


def test_a_keyframe_that_is_never_shown_answers_nothing_but_decoding_starts_there() -> None:
    index = index_of([0, 100, 200], hidden=frozenset({100}))
    for accuracy in ("keyframe", F(60, 100)):
        plan = make_plan([F(110, 100)], index, clock(), accuracy)
        (target,) = all_targets(plan)
        assert target.key == (200 if accuracy == "keyframe" else None)
    (run,) = make_plan([F(110, 100)], index, clock(), "exact").runs
    assert run.keyframe is not None and run.keyframe.pts == 100
    only = index_of([0], hidden=frozenset({0}))
    (run,) = make_plan([F(1, 10)], only, clock(), "keyframe").runs
    assert (run.kind, run.targets[0].kind, run.targets[0].key) == ("exact", "exact", None)


@pytest.mark.parametrize("accuracy", ["exact", "keyframe", F(1, 2)])
def test_without_an_index_one_run_searches(accuracy: Any) -> None:
    index = index_of([0, 100])
    index.complete = False
    wanted = [F(2), F(1), F(2)]
    plan = make_plan(wanted, index, clock(frame=4), accuracy, distinct=True)
    assert not index.asked
    (run,) = plan.runs
    assert (run.kind, run.keyframe, run.bytes) == ("search", None, None)
    assert [(t.pts, t.requests) for t in run.targets] == [(100, (1,)), (200, (0, 2))]
    kind = accuracy if isinstance(accuracy, str) else "tolerance"
    assert {(t.kind, t.distinct, t.key) for t in run.targets} == {(kind, True, None)}
    assert run.targets[0].tolerance == (50 if kind == "tolerance" else 0)
    # Half a GOP of two seconds each, or the keyframe alone.
    assert run.packets == (2 if accuracy == "keyframe" else 50)
    assert (plan.seeks, plan.bytes) == (2, None)


def test_a_complete_index_without_keyframes_is_searched() -> None:
    plan = make_plan([F(1), F(2)], index_of([]), clock(), "exact")
    assert [run.kind for run in plan.runs] == ["search"]
    assert plan.targets == 2


def test_a_delivered_time_is_the_same_tick_again() -> None:
    third = StreamClock(start_pts=5, time_base=F(1, 3))
    for pts in range(1, 200):
        plan = make_plan([F(repr(pts / 3))], index_of([0]), third, "exact")
        assert all_targets(plan)[0].pts == 5 + pts


def test_stamps_may_lag_behind_pts() -> None:
    plan = make_plan([F(1)], index_of([0, 100], delay=20), clock(), "exact")
    (run,) = plan.runs
    assert run.keyframe is not None
    assert (run.keyframe.pts, run.keyframe.stamp) == (100, 80)


# -- values ---------------------------------------------------------------------------------


def test_estimates_add_up() -> None:
    index = index_of([0, 100, 200])
    plan = make_plan([F(25, 100), F(1), F(299, 100)], index, clock(), F(1, 100))
    assert [(r.kind, r.packets, r.frames, r.bytes) for r in plan.runs] == [
        ("exact", 3, 3, 300),
        ("keyframe", 1, 1, 100),
        ("exact", 10, 10, 1000),
    ]
    assert (plan.seeks, plan.targets) == (3, 3)
    assert (plan.packets, plan.frames, plan.bytes) == (14, 14, 1400)


def test_plans_are_values() -> None:
    def make(wanted: list[Fraction]) -> Plan:
        return make_plan(wanted, index_of([0, 100]), clock(), "exact")

    assert make([F(1), F(2)]) == make([F(1), F(2)])
    assert hash(make([F(1)])) == hash(make([F(1)]))
    assert make([F(1)]) != make([F(1, 2)])
    assert make([F(1), F(2)]) != make([F(2), F(1)])
    with pytest.raises(FrozenInstanceError):
        make([F(1)]).start_pts = 3  # type: ignore[misc]


def test_a_plan_can_be_read() -> None:
    plan = make_plan([F(25, 100), F(25, 100), F(1)], index_of([0, 100]), clock(), F(0))
    head, columns, *lines = str(plan).splitlines()
    assert str(plan) == plan.explain()
    assert (
        head == "3 pictures, 2 distinct times, 2 runs: 2 seeks, about 4 packets, 4 frames, 0.00 MB"
    )
    assert columns.split() == ["run", "kind", "from", "s", "to", "s", "targets", "packets"]
    assert [line.split() for line in lines] == [
        ["0", "exact", "0.000", "0.250", "1", "3"],
        ["1", "keyframe", "1.000", "1.000", "1", "1"],
    ]
    unknown = make_plan([F(1)], ListIndex([], complete=False), clock(start=50), "exact")
    assert "? " not in str(unknown) and str(unknown).splitlines()[0].endswith(", ?")
    assert str(unknown).splitlines()[2].split()[:3] == ["0", "search", "1.000"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"].partition(":")[0])
def test_vectors(vector: dict[str, Any]) -> None:
    index = index_of(vector["keyframes"] or [])
    index.complete = vector["keyframes"] is not None
    accuracy = vector["accuracy"]
    plan = make_plan(
        [F(t) for t in vector["requested"]],
        index,
        clock(vector.get("start", 0), vector["frame"]),
        accuracy if accuracy in ("exact", "keyframe") else F(accuracy),
        distinct=vector.get("distinct", False),
    )
    found = [
        {
            "kind": run.kind,
            "keyframe": run.keyframe.pts if run.keyframe else None,
            "targets": [[t.pts, list(t.requests), t.key, t.shown] for t in run.targets],
            "packets": run.packets,
            "bytes": run.bytes,
        }
        for run in plan.runs
    ]
    assert found == vector["runs"], vector["name"]
