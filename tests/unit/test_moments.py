"""What an animated cover shows: ranges, moments and their stretches, cuts, what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snapengine.errors import InvalidOption, InvalidTime, RequestError
from snapengine.planning.moments import (
    MAX_FRAMES,
    MAX_LENGTH,
    MAX_RATE,
    Moment,
    Span,
    Stretch,
    beside_cut,
    check_frames,
    check_length,
    check_rate,
    drop_cut,
    moments,
    paced,
    range_instants,
)

F = Fraction
ZERO = F(0)
TIMES = st.fractions(0, 200, max_denominator=240)
RATES = st.fractions(1, 50, max_denominator=1001)


def at(*times: Any) -> list[Moment]:
    return [Moment(time=F(t)) for t in times]


def shots(*borders: Any) -> list[tuple[Fraction, Fraction]]:
    return list(itertools.pairwise(F(b) for b in borders))


def total(found: Sequence[Stretch]) -> Fraction:
    return sum((s.length for s in found), ZERO)


# -- arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [
        (1, 1),
        (50, 50),
        (12.5, F(25, 2)),
        (F(30000, 1001), F(30000, 1001)),
        (np.int64(10), 10),
        (Decimal("9.99"), F(999, 100)),
    ],
)
def test_rates(rate: object, wanted: Any) -> None:
    assert check_rate(rate) == wanted


@pytest.mark.parametrize(
    "rate", [0, 0.99, 50.01, 51, -5, True, "10", None, float("nan"), float("inf"), 1j, [10]]
)
def test_rates_refused(rate: object) -> None:
    with pytest.raises(InvalidOption, match="1 to 50") as caught:
        check_rate(rate)
    assert repr(rate) in str(caught.value)


@pytest.mark.parametrize(
    ("length", "wanted"),
    [(4, 4), (0.5, F(1, 2)), ("00:00:04.25", F(17, 4)), ("3", 3), (MAX_LENGTH, MAX_LENGTH)],
)
def test_lengths(length: object, wanted: Any) -> None:
    assert check_length(length) == wanted


@pytest.mark.parametrize("length", [0, -1, 60.01, "10%", "x", None, True, float("inf")])
def test_lengths_refused(length: object) -> None:
    with pytest.raises(InvalidTime):
        check_length(length)


def test_frames_are_bounded() -> None:
    assert check_frames(F(4), F(12)) == 48
    assert check_frames(F(1, 100), F(1)) == 1
    assert check_frames(F(MAX_FRAMES, 50), F(50)) == MAX_FRAMES
    with pytest.raises(InvalidOption, match=f"60 s at 50 frames.*3000 frames.*{MAX_FRAMES}"):
        check_frames(F(60), F(50))


# -- instants -------------------------------------------------------------------------------


@given(start=TIMES, length=st.fractions(F(1, 100), 20, max_denominator=240), rate=RATES)
def test_a_range_is_every_step_before_its_end(
    start: Fraction, length: Fraction, rate: Fraction
) -> None:
    found = range_instants(start, start + length, rate)
    assert found[0] == start
    assert found[-1] < start + length <= found[-1] + 1 / rate
    assert {b - a for a, b in itertools.pairwise(found)} <= {1 / rate}


def test_a_range_adds_nothing_up() -> None:
    found = range_instants(F(1, 3), F(1, 3) + 30, F(30000, 1001))
    assert found[899] == F(1, 3) + 899 * F(1001, 30000)
    assert len(range_instants(ZERO, F(3, 10), F(10))) == 3


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1)])
def test_an_empty_range(start: int, end: int) -> None:
    with pytest.raises(InvalidTime, match=f"start {start} s"):
        range_instants(F(start), F(end), F(10))


def test_a_range_of_too_many_frames() -> None:
    with pytest.raises(InvalidOption, match="100000 frames"):
        range_instants(ZERO, F(10_000), F(10))


@st.composite
def disjoint(draw: st.DrawFn) -> list[Stretch]:
    edges = sorted(draw(st.sets(st.fractions(0, 8, max_denominator=240), min_size=2, max_size=8)))
    return [Stretch(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]


@given(stretches=disjoint(), rate=RATES)
def test_paced_frames_fill_their_stretches(stretches: list[Stretch], rate: Fraction) -> None:
    found = paced(stretches, rate)
    assert sum((i.seconds for i in found), ZERO) == total(stretches)
    assert [i.time for i in found] == sorted({i.time for i in found})
    for stretch in stretches:
        inside = [i for i in found if stretch.start <= i.time < stretch.end]
        if stretch.length * MAX_RATE >= 1:
            assert inside[0].time == stretch.start
            assert len({b.time - a.time for a, b in itertools.pairwise(inside)}) <= 1
        assert len(inside) <= max(1, stretch.length * rate)
        assert len(inside) > stretch.length * rate - 1 or not inside
    if total(stretches) * MAX_RATE >= len(stretches):
        assert min(i.seconds for i in found) >= F(1, MAX_RATE)


def test_paced_frames_are_as_long_as_a_step_where_that_fits() -> None:
    found = paced([Stretch(F(2), F(3)), Stretch(F(7), F(17, 2))], F(12))
    assert len(found) == 12 + 18
    assert {i.seconds for i in found} == {F(1, 12)}
    assert found[12].time == 7


def test_what_is_too_short_to_be_seen_lengthens_the_last_frame() -> None:
    found = paced([Stretch(F(0), F(1)), Stretch(F(3), F(301, 100))], F(10))
    assert [i.time for i in found] == [F(i, 10) for i in range(10)]
    assert found[-1].seconds == F(11, 100)
    assert paced([Stretch(F(3), F(301, 100))], F(10)) == ((F(3), F(1, 100)),)


# -- moments --------------------------------------------------------------------------------


@st.composite
def videos(draw: st.DrawFn) -> tuple[list[Moment], Fraction, Fraction, list[Fraction]]:
    """Ranked moments of a video cut at ``borders``; some moments do not know their shot."""
    duration = draw(st.fractions(F(1, 10), 200, max_denominator=120))
    borders = draw(st.lists(st.fractions(0, 1, max_denominator=60), max_size=12))
    edges = sorted({ZERO, duration, *(duration * b for b in borders)})
    best = []
    for share in draw(st.lists(st.fractions(0, 1, max_denominator=500), max_size=12)):
        time = duration * share
        start = max((e for e in edges if e <= time), default=ZERO)
        end = min((e for e in edges if e > time), default=duration)
        known = draw(st.booleans())
        best.append(Moment(time=time, start=start if known else None, end=end if known else None))
    length = draw(st.fractions(F(1, 10), 10, max_denominator=120))
    known_edges = sorted(
        {e for m in best if m.time < duration for e in (m.start, m.end) if e is not None}
    )
    return best, duration, length, known_edges


@given(video=videos())
def test_stretches_of_any_video(
    video: tuple[list[Moment], Fraction, Fraction, list[Fraction]],
) -> None:
    best, duration, length, edges = video
    found = moments(best, duration, length)
    assert total(found) == min(length, duration)
    assert all(0 <= s.start < s.end <= duration for s in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
    if duration <= length:
        assert found == ((0, duration),)
        return
    for stretch in found:
        assert not [e for e in edges if stretch.start < e < stretch.end]
    assert moments(best, duration, length) == found


@settings(max_examples=60)
@given(video=videos())
def test_the_best_moment_is_shown_where_its_shot_is_long_enough(
    video: tuple[list[Moment], Fraction, Fraction, list[Fraction]],
) -> None:
    best, duration, length, edges = video
    usable = [m for m in best if m.time < duration]
    assume(usable and duration > length)
    first = usable[0].time
    room = min([e for e in edges if e > first], default=duration) - max(
        [e for e in edges if e <= first], default=ZERO
    )
    assume(room >= length)
    assert any(s.start <= first < s.end for s in moments(best, duration, length))


def test_four_moments_of_a_second_each_in_order_of_time() -> None:
    found = moments(at(50, 10, 30, 70, 90), F(100), F(4))
    assert found == tuple((F(t) - F(1, 4), F(t) + F(3, 4)) for t in (10, 30, 50, 70))


def test_moments_beside_each_other_count_once() -> None:
    found = moments(at(50, "50.2", "49.9", 10, "10.5", 80, 90), F(100), F(4))
    assert [s.start + F(1, 4) for s in found] == [10, 50, 80, 90]


def test_few_moments_are_shown_longer() -> None:
    assert moments(at(10, 60), F(100), F(4)) == ((F("9.5"), F("11.5")), (F("59.5"), F("61.5")))
    assert moments(at(10), F(100), F(4)) == ((9, 13),)


@pytest.mark.parametrize(("duration", "parts"), [(5, 1), (7, 1), (8, 2), (12, 3), (16, 4), (99, 4)])
def test_short_videos_have_fewer_stretches(duration: int, parts: int) -> None:
    spread = at(*(F(duration) * i / 10 for i in (1, 4, 7, 9, 2)))
    assert len(moments(spread, F(duration), F(4))) == parts


@pytest.mark.parametrize("duration", [F(1, 25), F(3), F(4)])
def test_a_video_not_longer_is_shown_whole(duration: Fraction) -> None:
    best = [Moment(time=ZERO, start=ZERO, end=duration / 2)]
    assert moments(best, duration, F(4)) == ((0, duration),)


def test_at_the_ends_of_the_video_and_of_the_shot() -> None:
    assert moments(at(0), F(100), F(2)) == ((0, 2),)
    assert moments(at("99.9"), F(100), F(2)) == ((98, 100),)
    inside = [Moment(time=F("50.1"), start=F(50), end=F(60))]
    assert moments(inside, F(100), F(4)) == ((50, 54),)
    inside = [Moment(time=F("59.5"), start=F(50), end=F(60))]
    assert moments(inside, F(100), F(4)) == ((56, 60),)


def test_a_border_that_only_another_moment_knows() -> None:
    best = [Moment(time=F("19.9")), Moment(time=F(22), start=F(20), end=F(24))]
    found = moments(best, F(30), F(4))
    assert found == ((18, 20), (F("21.5"), F("23.5")))


def test_neighbours_on_both_sides_of_a_border_stay_two() -> None:
    best = [Moment(time=F("19.9")), Moment(time=F("20.1"), start=F(20), end=F(24))]
    assert moments(best, F(30), F(4)) == ((18, 20), (20, 22))


def test_short_shots_are_filled_up_from_others() -> None:
    # A shot of half a second cannot hold its second; the others are shown longer.
    best = [Moment(time=F(t), start=F(a), end=F(b)) for t, a, b in
            ((5, F(19, 4), F(21, 4)), (15, 10, 20), (25, 20, 30), (35, 30, 40))]  # fmt: skip
    found = moments(best, F(40), F(4))
    assert found[0] == (F(19, 4), F(21, 4))
    assert {s.length for s in found[1:]} == {F(7, 6)}
    # Nothing but short shots: the rest comes from the longest room, not as a flash.
    best = [Moment(time=F(1), start=F(9, 10), end=F(11, 10))]
    found = moments(best, F(40), F(4))
    assert found[0] == (F(9, 10), F(11, 10))
    assert found[1].length == F(38, 10)


def test_rooms_with_further_moments_come_before_longer_ones() -> None:
    best = [Moment(time=F(t), start=F(a), end=F(b)) for t, a, b in
            (("0.5", 0, 1), ("1.5", 1, "2.5"), ("3.5", "2.5", 5))]  # fmt: skip
    found = moments(best, F(9), F(4))
    assert found == ((0, 1), (1, F("2.5")), (F("3.125"), F("4.625")))


def test_a_shot_too_short_for_half_its_share_is_passed_over() -> None:
    flash = Moment(time=F(5), start=F(24, 5), end=F(26, 5))
    found = moments([flash, *at(15, 25, 35, 45)], F(60), F(4))
    assert [s.start + F(1, 4) for s in found] == [15, 25, 35, 45]


def test_a_long_animation_of_one_shot_is_joined() -> None:
    best = at(*range(0, 40, 2))
    found = moments(best, F(41), F(20))
    assert total(found) == 20
    assert all(a.end < b.start for a, b in itertools.pairwise(found))


def test_no_moment_at_all() -> None:
    assert total(moments([], F(100), F(4))) == 4
    assert moments(at(100, 120), F(100), F(4)) == moments([], F(100), F(4))


@pytest.mark.parametrize(("duration", "length"), [(0, 4), (-1, 4), (4, 0), (4, -1)])
def test_no_time_at_all(duration: int, length: int) -> None:
    with pytest.raises(RequestError, match="more than 0"):
        moments(at(1), F(duration), F(length))


# -- cuts -----------------------------------------------------------------------------------


STILL = [0.01, 0.02, 0.01, 0.015]


@pytest.mark.parametrize(
    ("differences", "anchor", "wanted"),
    [
        ([], 0, (0, 1)),
        (STILL, 2, (0, 5)),
        ([0.5], 0, (0, 1)),
        ([0.5], 1, (1, 2)),
        ([*STILL, 0.6, *STILL], 1, (0, 5)),
        ([*STILL, 0.6, *STILL], 4, (0, 5)),
        ([*STILL, 0.6, *STILL], 5, (5, 10)),
        ([0.4, *STILL, 0.6, *STILL, 0.5], 5, (1, 6)),
        ([*STILL, 0.6, 0.6, *STILL], 5, (5, 6)),  # a flash
        # Fast motion all along is no cut, a cut within slower motion is one.
        ([0.2, 0.25, 0.22, 0.3, 0.21], 2, (0, 6)),
        ([0.1, 0.09, 0.11, 0.6, 0.1], 2, (0, 4)),
        ([0.0, 0.0, 0.1, 0.0, 0.0], 0, (0, 6)),  # stands out, and is small
    ],
)
def test_a_cut_ends_what_is_kept(
    differences: list[float], anchor: int, wanted: tuple[int, int]
) -> None:
    assert drop_cut(differences, anchor) == wanted
    assert drop_cut(np.array(differences, np.float32), anchor) == wanted  # type: ignore[arg-type]
    # The same backwards.
    last = len(differences)
    mirrored = drop_cut(differences[::-1], last - anchor)
    assert mirrored == (last + 1 - wanted[1], last + 1 - wanted[0])


@pytest.mark.parametrize("anchor", [-1, 5, 99])
def test_an_anchor_that_is_no_frame(anchor: int) -> None:
    with pytest.raises(InvalidOption, match=f"5 frames, not {anchor}"):
        drop_cut(STILL, anchor)


@given(quiet=st.lists(st.floats(0, 0.02), min_size=3, max_size=40), data=st.data())
def test_one_planted_cut_is_found(quiet: list[float], data: st.DataObject) -> None:
    where = data.draw(st.integers(0, len(quiet)))
    differences = [*quiet[:where], data.draw(st.floats(0.15, 1)), *quiet[where:]]
    for anchor in range(len(differences) + 1):
        wanted = Span(0, where + 1) if anchor <= where else Span(where + 1, len(differences) + 1)
        assert drop_cut(differences, anchor) == wanted


@given(edges=st.sets(TIMES, min_size=4, max_size=4), cut=TIMES, share=st.floats(0, 0.99))
def test_a_stretch_beside_a_cut(edges: set[Fraction], cut: Fraction, share: float) -> None:
    low, start, end, high = sorted(edges)
    stretch, within = Stretch(start, end), Stretch(low, high)
    keep = start + (end - start) * F(share)
    found = beside_cut(stretch, cut, keep, within)
    if not start < cut < end:
        assert found == stretch
        return
    assert low <= found.start < found.end <= high
    assert not found.start < cut < found.end
    assert found.start <= keep < found.end
    assert found.length <= stretch.length
    if found.length < stretch.length:
        assert found.start == low or found.end == high


def test_a_stretch_keeps_its_length_beside_a_cut() -> None:
    within = Stretch(F(0), F(100))
    assert beside_cut(Stretch(F(10), F(11)), F("10.8"), F(10), within) == (F("9.8"), F("10.8"))
    assert beside_cut(Stretch(F(10), F(11)), F("10.2"), F("10.5"), within) == (
        F("10.2"),
        F("11.2"),
    )
