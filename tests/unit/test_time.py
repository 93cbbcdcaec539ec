"""Times: parsing, printing, and the way to pts and back."""

from __future__ import annotations

import math
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.errors import InvalidTime
from snapengine.model.time import (
    Percent,
    format_milliseconds,
    format_time,
    parse_time,
    to_milliseconds,
    to_pts,
    to_seconds,
)

MILLISECONDS = st.integers(0, 10**9)
TIME_BASES = st.sampled_from(
    [Fraction(1, n) for n in (1, 3, 25, 600, 1000, 12800, 48000, 90000, 10**6, 10**9)]
    + [Fraction(1001, 30000), Fraction(1001, 24000), Fraction(1, 2997), Fraction(7, 3)]
)


@pytest.mark.parametrize(
    "value",
    [10**5000, -(10**5000), Fraction(10**5000, 3)],
    ids=["whole", "negative", "fraction"],
)
def test_numbers_that_python_does_not_write(value: Any) -> None:
    """The refusal names the value, which has more digits than ``repr`` writes."""
    with pytest.raises(InvalidTime, match="digits") as caught:
        parse_time(value)
    assert caught.value.context["value"] is value


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0),
        (12, 12),
        (12.5, Fraction(25, 2)),
        (0.1, Fraction(1, 10)),
        (12.48, Fraction(312, 25)),
        (-0.0, 0),
        (1e-7, Fraction(1, 10**7)),
        (1e14, 10**14),
        (Fraction(1, 3), Fraction(1, 3)),
        (Decimal("12.480"), Fraction(312, 25)),
        (np.float64(0.1), Fraction(1, 10)),
        (np.int64(7), 7),
        (np.float32(0.5), Fraction(1, 2)),
        ("12.5", Fraction(25, 2)),
        (" 7 ", 7),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("007", 7),
        ("0.1000000000000000000001", Fraction(1000000000000000000001, 10**22)),
        ("01:02:03.456", Fraction(3723456, 1000)),
        ("1:2:3", 3723),
        ("02:03.5", Fraction(247, 2)),
        ("90:00", 5400),
        ("100:00:00", 360000),
        ("00:00:59.999", Fraction(59999, 1000)),
        ("-0", 0),
    ],
)
def test_seconds(value: Any, seconds: Fraction) -> None:
    parsed = parse_time(value)
    assert isinstance(parsed, Fraction)
    assert parsed == seconds


@pytest.mark.parametrize(
    ("text", "share"),
    [("37.5%", Fraction(75, 2)), ("0%", 0), ("100%", 100), ("33.333%", Fraction(33333, 1000))],
)
def test_percent(text: str, share: Fraction) -> None:
    parsed = parse_time(text)
    assert parsed == Percent(Fraction(share))
    assert isinstance(parsed, Percent)
    assert parsed.of(Fraction(300)) == 3 * share


@pytest.mark.parametrize(
    "value",
    [
        -1, -0.5, Fraction(-1, 3), Decimal("-1"), "-1", "-0.001", "-00:01", "-5%",
        math.nan, math.inf, -math.inf, np.nan, Decimal("nan"), Decimal("sNaN"), Decimal("inf"),
        "nan", "inf", "1e3", "1_000", "0x10", "+5",
        "", " ", ":", "1:", ":1", "1:99:00", "00:60", "00:00:60", "00:00:61.5", "1:2:3:4", "1:222",
        "1:-2", "100.001%", "1:00%", "5 %", "%", "12,5", "12.5s", "1.2.3", "٣", "1\n2",
        True, False, np.True_, None, [], (1, 2), b"5", 1j, object,
        Decimal("1e999999999"), Decimal("1e-999999999"), "9" * 65,
    ],
)  # fmt: skip
def test_garbage_is_refused_quickly_with_its_value(value: Any) -> None:
    began = time.perf_counter()
    with pytest.raises(InvalidTime, match="time") as caught:
        parse_time(value)
    assert time.perf_counter() - began < 0.5
    shown = repr(value)
    assert shown in str(caught.value) or shown[:20] in str(caught.value)


@given(MILLISECONDS)
def test_clock_round_trip(ms: int) -> None:
    text = format_milliseconds(ms)
    assert parse_time(text) == Fraction(ms, 1000)
    assert format_time(Fraction(ms, 1000)) == text
    assert format_time(ms / 1000) == text
    assert len(text) >= 12
    assert int(text[-6:-4]) < 60
    assert int(text[-9:-7]) < 60


@given(st.fractions(min_value=0, max_value=10**7))
def test_printing_is_within_half_a_millisecond(seconds: Fraction) -> None:
    parsed = parse_time(format_time(seconds))
    assert isinstance(parsed, Fraction)
    assert abs(parsed - seconds) <= Fraction(1, 2000)
    assert to_milliseconds(seconds) == parsed * 1000


@given(st.floats(0, 1e9, allow_subnormal=False))
def test_a_float_means_the_decimal_it_prints(number: float) -> None:
    parsed = parse_time(number)
    assert isinstance(parsed, Fraction)
    assert float(parsed) == number
    assert parsed == Fraction(Decimal(repr(number)))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00:00.000"),
        (59.9995, "00:01:00.000"),
        (59.99949, "00:00:59.999"),
        (3599.9999, "01:00:00.000"),
        (360000, "100:00:00.000"),
        (Decimal("1.0015"), "00:00:01.002"),
    ],
)
def test_format(seconds: Any, text: str) -> None:
    assert format_time(seconds) == text


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, None, True])
def test_what_has_no_clock_form(value: Any) -> None:
    with pytest.raises(InvalidTime):
        format_time(value)
    with pytest.raises(InvalidTime):
        format_milliseconds(-1)


@given(st.integers(0, 10**12), TIME_BASES)
def test_pts_floor_rule_on_exact_times(pts: int, time_base: Fraction) -> None:
    tick = pts * time_base
    assert to_pts(tick, time_base) == pts
    assert to_pts(tick + time_base / 2, time_base) == pts
    assert to_pts(tick + time_base * Fraction(98, 100), time_base) == pts
    if pts:
        assert to_pts(tick - time_base / 50, time_base) == pts - 1


@given(st.integers(-(10**6), -1), TIME_BASES)
def test_pts_floor_rule_before_zero(pts: int, time_base: Fraction) -> None:
    assert to_pts(pts * time_base, time_base) == pts
    assert to_pts(pts * time_base + time_base / 2, time_base) == pts


@given(st.integers(0, 10**5 * 3600), TIME_BASES)
def test_a_delivered_time_asked_again_is_the_same_tick(scale: int, time_base: Fraction) -> None:
    pts = int(scale / 3600 / time_base)  # up to 28 hours in any time base
    again = parse_time(to_seconds(pts, time_base))
    assert isinstance(again, Fraction)
    assert to_pts(again, time_base) == pts


def test_a_third_of_a_second_needs_the_exception() -> None:
    # 0.3333333333333333 lies below 1/3; plain floor would show the frame before.
    assert to_pts(Fraction("0.3333333333333333"), Fraction(1, 3)) == 1
    assert to_pts(Fraction("0.333333333333"), Fraction(1, 3)) == 0
    assert to_seconds(1, Fraction(1, 3)) == 1 / 3
    # Exact ticks that one float cannot tell apart stay apart.
    assert to_pts(Fraction(10**19 + 1, 2), Fraction(1)) == (10**19 + 1) // 2
