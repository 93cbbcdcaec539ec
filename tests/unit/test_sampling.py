"""Which instants a request means: interval, count, times; spans, spacing, and what is refused."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import InvalidOption, InvalidTime, LimitExceeded, RequestError
from snapengine.planning.sampling import MAX_TARGETS, check_accuracy, make_sampling

F = Fraction
SECONDS = st.fractions(0, 5000, max_denominator=600)
LENGTHS = st.fractions(F(1, 50), 5000, max_denominator=600)
STEPS = st.fractions(F(1, 10), 500, max_denominator=600)


def times(duration: Any = None, **request: Any) -> list[Fraction]:
    length = None if duration is None else F(duration)
    return list(make_sampling(**request).times(length))


# -- interval -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "duration", "wanted"),
    [
        ({"interval": 2}, 7, [0, 2, 4, 6]),
        ({"interval": 2}, 6, [0, 2, 4]),  # 6 is not before the end
        ({"interval": 2}, F(6001, 1000), [0, 2, 4, 6]),
        ({"interval": 10}, 3, [0]),
        ({"interval": 2, "start": 1}, 6, [1, 3, 5]),
        ({"interval": 2, "start": 1, "end": 5}, 60, [1, 3]),
        ({"interval": 2, "start": 1, "end": 5}, None, [1, 3]),
        ({"interval": 2, "end": 100}, 5, [0, 2, 4]),  # an end beyond the end is the end
        ({"interval": 2, "limit": 2}, 60, [0, 2]),
        ({"interval": 2, "limit": 99}, 5, [0, 2, 4]),
        ({"interval": 1, "start": "50%"}, 4, [2, 3]),
        ({"interval": 1, "end": "50%"}, 4, [0, 1]),
        ({"interval": "00:00:01.5"}, 4, [0, F(3, 2), 3]),
        ({"interval": 0.1, "end": 0.3}, None, [0, F(1, 10), F(2, 10)]),
    ],
)
def test_interval(request_: dict[str, Any], duration: Any, wanted: list[Any]) -> None:
    assert times(duration, **request_) == wanted


@given(step=STEPS, start=SECONDS, length=LENGTHS)
def test_interval_is_start_plus_multiples_while_before_the_end(
    step: Fraction, start: Fraction, length: Fraction
) -> None:
    end = start + length
    found = times(None, interval=step, start=start, end=end)
    assert found[0] == start
    assert all(b - a == step for a, b in itertools.pairwise(found))
    assert found[-1] < end <= found[-1] + step


# -- count ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "duration", "wanted"),
    [
        ({"count": 1}, 10, [5]),
        ({"count": 2}, 10, [F(5, 2), F(15, 2)]),
        ({"count": 3}, 1, [F(1, 6), F(1, 2), F(5, 6)]),
        ({"count": 2, "start": 4, "end": 8}, 10, [5, 7]),
        ({"count": 2, "start": 4}, 8, [5, 7]),
        ({"count": 2, "start": "25%", "end": "75%"}, 16, [6, 10]),
        ({"count": 4, "limit": 2}, 8, [1, 3]),
        ({"count": 2, "end": 99}, 8, [2, 6]),
    ],
)
def test_count(request_: dict[str, Any], duration: Any, wanted: list[Any]) -> None:
    assert times(duration, **request_) == wanted


@given(count=st.integers(1, 300), start=SECONDS, length=LENGTHS)
def test_count_takes_the_middle_of_equal_parts(
    count: int, start: Fraction, length: Fraction
) -> None:
    found = times(None, count=count, start=start, end=start + length)
    part = length / count
    assert found == [start + part * i + part / 2 for i in range(count)]


# -- at -------------------------------------------------------------------------------------


def test_at_keeps_order_and_repeats() -> None:
    assert times(None, at=[5, "1.5", 5, Decimal("0.25")]) == [5, F(3, 2), 5, F(1, 4)]
    assert times(8, at=["50%", 1]) == [4, 1]
    assert times(None, at=[3, 1, 2], limit=2) == [3, 1]
    assert times(2, at=[100]) == [100]  # after the end: the last frame, decided later
    assert times(None, at=(t for t in (1, 2))) == [1, 2]


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        ({"at": [1]}, False),
        ({"at": [1, "5%"]}, True),
        ({"interval": 1}, True),
        ({"count": 1}, True),
        ({"count": 1, "end": 5}, False),
        ({"count": 1, "end": "5%"}, True),
        ({"interval": 1, "end": 5, "start": "5%"}, True),
        ({"interval": 1, "end": 5, "start": 2}, False),
    ],
)
def test_when_the_duration_is_needed(request_: dict[str, Any], needed: bool) -> None:
    sampling = make_sampling(**request_)
    assert sampling.needs_duration is needed
    if needed:
        with pytest.raises(InvalidTime, match="duration"):
            sampling.times(None)
    else:
        assert sampling.times(None)


# -- spans and spacing ----------------------------------------------------------------------


@settings(max_examples=60)
@given(step=STEPS, start=SECONDS, length=LENGTHS, limit=st.none() | st.integers(1, 5))
def test_spans_of_an_interval_are_contiguous_to_the_end(
    step: Fraction, start: Fraction, length: Fraction, limit: int | None
) -> None:
    duration = start + length
    sampling = make_sampling(interval=step, start=start, limit=limit)
    found = sampling.times(duration)
    spans = sampling.spans(found, duration)
    assert [s for s, _ in spans] == list(found)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert spans[-1][1] == duration
    assert sampling.spacing(found) == step


@settings(max_examples=60)
@given(count=st.integers(1, 50), start=SECONDS, length=LENGTHS)
def test_spans_of_a_count_are_its_parts(count: int, start: Fraction, length: Fraction) -> None:
    duration = start + length
    sampling = make_sampling(count=count, start=start)
    found = sampling.times(duration)
    spans = sampling.spans(found, duration)
    assert spans[0][0] == start
    assert spans[-1][1] == duration
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert all(a < t < b for (a, b), t in zip(spans, found, strict=True))
    assert len({b - a for a, b in spans}) == 1
    assert sampling.spacing(found) == (length / count if count > 1 else 0)


def test_spans_of_times() -> None:
    sampling = make_sampling(at=[6, 1, 3, 1])
    found = sampling.times(F(10))
    assert sampling.spans(found, F(10)) == [(6, 10), (1, 3), (3, 6), (1, 3)]
    assert sampling.spans(found, None) == [(6, 6), (1, 3), (3, 6), (1, 3)]
    assert sampling.spacing(found) == 2
    assert make_sampling(at=[4, 4]).spacing((F(4), F(4))) == 0
    late = make_sampling(at=[1, 20])
    assert late.spans(late.times(F(10)), F(10)) == [(1, 20), (20, 20)]


def test_a_percentage_of_the_start_shifts_the_spans_of_a_count() -> None:
    sampling = make_sampling(count=2, start="50%")
    found = sampling.times(F(8))
    assert sampling.spans(found, F(8)) == [(4, 6), (6, 8)]


# -- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "error", "named"),
    [
        ({}, InvalidOption, "exactly one"),
        ({"at": [1], "count": 2}, InvalidOption, "at and count"),
        ({"interval": 1, "count": 2}, InvalidOption, "interval and count"),
        ({"at": [1], "start": 1}, InvalidOption, "start="),
        ({"at": [1], "end": 1}, InvalidOption, "end="),
        ({"at": []}, InvalidTime, "empty"),
        ({"at": "12"}, InvalidTime, "'12'"),
        ({"at": 12}, InvalidTime, "12"),
        ({"at": [1, -2]}, InvalidTime, "-2"),
        ({"at": [float("nan")]}, InvalidTime, "nan"),
        ({"at": [float("inf")]}, InvalidTime, "inf"),
        ({"at": ["soon"]}, InvalidTime, "soon"),
        ({"at": [True]}, InvalidTime, "True"),
        ({"at": [None]}, InvalidTime, "None"),
        ({"at": ["101%"]}, InvalidTime, "101%"),
        ({"at": range(MAX_TARGETS + 1)}, InvalidTime, str(MAX_TARGETS + 1)),
        ({"interval": 0}, InvalidTime, "0"),
        ({"interval": -1}, InvalidTime, "-1"),
        ({"interval": "5%"}, InvalidTime, "5%"),
        ({"interval": "x"}, InvalidTime, "x"),
        ({"count": 0}, InvalidTime, "0"),
        ({"count": -3}, InvalidTime, "-3"),
        ({"count": 2.0}, InvalidTime, "2.0"),
        ({"count": True}, InvalidTime, "True"),
        ({"count": "3"}, InvalidTime, "'3'"),
        ({"count": MAX_TARGETS + 1}, InvalidTime, str(MAX_TARGETS + 1)),
        ({"count": 1, "limit": 0}, InvalidTime, "limit"),
        ({"count": 1, "limit": 1.5}, InvalidTime, "1.5"),
        ({"interval": 1, "start": -1}, InvalidTime, "-1"),
        ({"interval": 1, "end": "never"}, InvalidTime, "never"),
    ],
)
def test_refused_with_the_value(
    request_: dict[str, Any], error: type[RequestError], named: str
) -> None:
    with pytest.raises(error) as caught:
        make_sampling(**request_)
    assert named in str(caught.value)


@pytest.mark.parametrize("how", [{"interval": 1}, {"count": 3}])
@pytest.mark.parametrize(("start", "end"), [(5, 5), (5, 4), (12, None), (10, None), (10, 11)])
def test_an_empty_stretch_is_refused(how: dict[str, Any], start: Any, end: Any) -> None:
    with pytest.raises(InvalidTime, match=rf"{start} s is not before"):
        make_sampling(**how, start=start, end=end).times(F(10))


def test_too_many_pictures_name_interval_and_number() -> None:
    with pytest.raises(LimitExceeded, match="limit=") as caught:
        make_sampling(interval=0.001).times(F(3600))
    assert caught.value.context == {
        "limit": "targets",
        "allowed": MAX_TARGETS,
        "seen": 3_600_000,
    }
    assert "0.001 s" in str(caught.value)
    assert len(make_sampling(interval=0.001, limit=5).times(F(3600))) == 5
    assert len(make_sampling(interval=1, end=MAX_TARGETS).times(None)) == MAX_TARGETS


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("exact", "exact"),
        ("keyframe", "keyframe"),
        (0, F(0)),
        (0.1, F(1, 10)),
        (2, F(2)),
        (F(1, 3), F(1, 3)),
    ],
)
def test_accuracy(given_: Any, wanted: Any) -> None:
    found = check_accuracy(given_)
    assert found == wanted
    assert isinstance(found, type(wanted))


@pytest.mark.parametrize("bad", ["fast", "", "1", -1, float("nan"), None, True, [1], b"exact"])
def test_accuracy_refused_with_the_value(bad: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        check_accuracy(bad)
    assert repr(bad) in str(caught.value)
