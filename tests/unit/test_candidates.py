"""Where covers are looked for: bounded in number, spread over the length, stable."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.planning.candidates import FEWEST, MOST, between, first_round

durations = st.fractions(min_value=Fraction(1, 1000), max_value=100_000, max_denominator=90_000)


@given(durations)
def test_the_first_round_is_bounded_and_spread(duration: Fraction) -> None:
    instants = first_round(duration)
    wanted = max(3, min(MOST, max(FEWEST, int(duration / 2)), int(duration * 4)))
    assert wanted / 2 - 1 <= len(instants) <= max(wanted, 3) + 1
    assert all(0 < t < duration for t in instants)
    steps = {b - a for a, b in itertools.pairwise(instants)}
    assert len(steps) <= 1  # evenly


@given(durations)
def test_a_longer_video_soon_costs_no_more(duration: Fraction) -> None:
    assert len(first_round(duration)) <= MOST + 1


@given(st.integers(20, 20_000), st.integers(1, 10))
def test_a_little_more_at_the_end_moves_no_candidate(duration: int, more: int) -> None:
    """Unless it takes the next wider grid, which is rare."""
    here, longer = set(first_round(Fraction(duration))), set(first_round(Fraction(duration + more)))
    if min(b - a for a, b in itertools.pairwise(sorted(here))) == min(
        b - a for a, b in itertools.pairwise(sorted(longer))
    ):
        assert len(here - longer) <= 1  # at the start, which is trimmed by a share
    else:
        assert len(longer) <= len(here)


def test_two_hours_cost_some_sixty() -> None:
    assert 40 <= len(first_round(Fraction(7200))) <= 60
    assert 40 <= len(first_round(Fraction(720))) <= 60


def test_logos_and_credits_are_trimmed_within_bounds() -> None:
    film = first_round(Fraction(7200))
    assert 60 <= film[0] <= 60 + 130
    assert 7200 - 180 - 130 <= film[-1] <= 7200 - 180


def test_an_unknown_length_is_looked_at_ever_more_sparsely() -> None:
    instants = first_round(None)
    steps = [b - a for a, b in itertools.pairwise(instants)]
    assert instants[0] == 0
    assert steps == sorted(steps)
    assert instants[-1] > 600
    assert len(instants) <= MOST


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=30, unique=True),
    st.data(),
    st.integers(1, 50),
)
def test_more_candidates_lie_beside_the_poor_ones(
    marks: list[int], data: st.DataObject, limit: int
) -> None:
    looked = sorted(Fraction(m, 4) for m in marks)
    poor = data.draw(st.lists(st.sampled_from(looked), unique=True))
    duration = looked[-1] + 5
    fresh = between(looked, poor, duration, limit)
    assert len(fresh) <= limit
    assert list(fresh) == sorted(set(fresh))
    assert not set(fresh) & set(looked)
    edges = [Fraction(0), *looked, duration]
    for instant in fresh:
        left = max(t for t in edges if t <= instant)
        right = min(t for t in edges if t > instant)
        assert left in poor or right in poor
        assert right - left >= Fraction(2, 5)


@pytest.mark.parametrize("looked", [[], [Fraction(1)]])
def test_nothing_poor_asks_for_nothing(looked: list[Fraction]) -> None:
    assert between(looked, [], Fraction(10), 40) == ()
