"""Times as people write them, as files store them, and the way between.

Inside the engine time is an integer ``pts`` counted in ``time_base`` (exact seconds per tick). At
the public edge it is seconds. :func:`parse_time` takes what callers write, :func:`to_pts` and
:func:`to_seconds` are the only places where one becomes the other. Exact fractions throughout.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Final, TypeAlias

from ..errors import InvalidTime

__all__ = [
    "Percent",
    "Seconds",
    "exact_seconds",
    "format_milliseconds",
    "format_time",
    "parse_time",
    "to_milliseconds",
    "to_pts",
    "to_seconds",
]

Seconds: TypeAlias = Fraction

_DECIMAL = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_NUMBER: Final = re.compile(rf"(-?)({_DECIMAL})(%?)", re.ASCII)
_CLOCK: Final = re.compile(r"(-?)(?:([0-9]+):)?([0-9]+):([0-9]{1,2}(?:\.[0-9]*)?)", re.ASCII)
#: Longer text is no time; the bound keeps hostile input from becoming huge integers.
_MAX_TEXT: Final = 64
#: Decimal exponents beyond this (a float's own range) are no time and would fill the memory.
_MAX_EXPONENT: Final = 400
#: No video is 30 million years long; larger numbers overflow the 64 bits of a stamp.
_MAX_SECONDS: Final = 10**15
#: How near below a tick a time must be, in ticks, to be taken for a rounded form of it.
_SNAP_TICKS: Final = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class Percent:
    """A place in a video by its share of the duration: ``value`` from 0 to 100, exact."""

    value: Fraction

    def of(self, duration: Fraction) -> Seconds:
        """The time at this share of ``duration`` (seconds)."""
        return duration * self.value / 100

    def __str__(self) -> str:
        return f"{float(self.value):g}%"


def parse_time(value: object) -> Seconds | Percent:
    """A time as given by a caller: exact seconds, or a :class:`Percent` of the duration.

    ``value`` is seconds (int, float, Fraction, Decimal, a numpy scalar, or text such as "12.5"),
    a clock time ("HH:MM:SS.mmm" or "MM:SS.mmm"; only the first field may exceed 59), or a
    percentage ("37.5%", 0 to 100). A float means the decimal that Python prints for it: 12.48 is
    312/25, not the binary neighbour just below, so a time typed by a person that falls on a frame
    boundary lands on the frame which starts there.

    Raises :class:`InvalidTime`, with the value, for anything else: negative, nan, infinite, empty.
    """
    if isinstance(value, str):
        return _parse_text(value)
    return exact_seconds(value)


def exact_seconds(value: object) -> Seconds:
    """A number of seconds as an exact fraction, at least 0; :class:`InvalidTime` otherwise."""
    if isinstance(value, bool):
        raise _invalid(value)
    if isinstance(value, Integral):
        seconds = Fraction(int(value))
    elif isinstance(value, Rational):
        seconds = Fraction(int(value.numerator), int(value.denominator))
    elif isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or max(abs(exponent), value.adjusted()) > _MAX_EXPONENT:
            raise _invalid(value)
        seconds = Fraction(value)
    elif isinstance(value, Real):
        number = float(value)
        if not math.isfinite(number):
            raise _invalid(value, "must be finite")
        seconds = Fraction(float.__repr__(number))
    else:
        raise _invalid(value)
    if seconds < 0:
        raise _invalid(value, "must not be negative")
    if seconds > _MAX_SECONDS:
        raise _invalid(value, f"must be at most {_MAX_SECONDS} s")
    return seconds


def _parse_text(text: str) -> Seconds | Percent:
    stripped = text.strip()
    if len(stripped) > _MAX_TEXT:
        raise _invalid(text[:_MAX_TEXT] + "...")
    if number := _NUMBER.fullmatch(stripped):
        sign, digits, percent = number.groups()
        seconds = Fraction(digits)
    elif clock := _CLOCK.fullmatch(stripped):
        percent = ""
        sign, hours, minutes, rest = clock.groups()
        if Fraction(rest) >= 60 or (hours is not None and int(minutes) > 59):
            raise _invalid(text, "has a field above 59")
        seconds = int(hours or 0) * 3600 + int(minutes) * 60 + Fraction(rest)
    else:
        raise _invalid(text)
    if sign and seconds:
        raise _invalid(text, "must not be negative")
    if not percent:
        return exact_seconds(seconds)
    if seconds > 100:
        raise _invalid(text, "must be at most 100%")
    return Percent(seconds)


def _invalid(value: object, why: str = "") -> InvalidTime:
    shown = _shown(value)
    return InvalidTime(
        f"time {why}: {shown}"
        if why
        else f"time must be seconds, HH:MM:SS.mmm or a percentage, not {shown}",
        stage="request",
        value=value,
    )


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"


def to_milliseconds(seconds: object) -> int:
    """The nearest whole millisecond (ties to even), rounded once from the exact value."""
    return round(exact_seconds(seconds) * 1000)


def format_milliseconds(milliseconds: int) -> str:
    """``HH:MM:SS.mmm``, hours of two digits or more. Integers only, so never 60.000 seconds."""
    if milliseconds < 0:
        raise _invalid(milliseconds, "must not be negative")
    rest, ms = divmod(milliseconds, 1000)
    rest, s = divmod(rest, 60)
    h, m = divmod(rest, 60)
    return f"{h:02d}:{m:02d}:{s:02d}.{ms:03d}"


def format_time(seconds: object) -> str:
    """Seconds (int, float, Fraction, Decimal) as ``HH:MM:SS.mmm``, to the nearest millisecond."""
    return format_milliseconds(to_milliseconds(seconds))


def to_pts(seconds: Fraction, time_base: Fraction) -> int:
    """The tick being shown at ``seconds``: the last one that is not later (floor).

    One exception closes the round trip: a time just below a tick (under a hundredth of one) that
    has the same float as that tick is that tick. So ``to_pts(exact(to_seconds(p, tb)), tb) == p``:
    a delivered time, asked for again, gives the same frame, although 1/3 has no exact float.
    """
    ticks = seconds / time_base
    floor = math.floor(ticks)
    above = floor + 1
    if above - ticks < _SNAP_TICKS and to_seconds(above, time_base) == float(seconds):
        return above
    return floor


def to_seconds(pts: int, time_base: Fraction) -> float:
    """Seconds of ``pts`` as the nearest float, rounded once."""
    return float(pts * time_base)
