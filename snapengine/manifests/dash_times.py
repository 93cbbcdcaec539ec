"""When the segments of a DASH representation are shown (ISO/IEC 23009-1, 5.3.9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, overload

from .presentation import MAX_SEGMENTS, bad
from .xml_tree import Element

_NUMBER = re.compile(r"\d{1,18}")
_DURATION = re.compile(
    r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9}(?:\.\d{1,12})?)S)?)?"
)


class TimedSegment(NamedTuple):
    """``number`` and ``stamp`` fill in templates; ``start`` and ``duration`` are seconds of the
    period."""

    number: int
    stamp: int
    start: Fraction
    duration: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What a ``SegmentTemplate`` or ``SegmentList`` says. ``offset``: the stamp at the period's
    start; ``length``: its seconds; ``count``: how many segments a list has."""

    timescale: int
    duration: int | None
    timeline: Element | None
    number: int
    last: int | None
    offset: int
    length: Fraction | None
    count: int | None


@overload
def whole_number(text: str | None) -> int | None: ...


@overload
def whole_number(text: str | None, *, default: int) -> int: ...


def whole_number(text: str | None, *, default: int | None = None) -> int | None:
    """An unsigned number, ``default`` for anything else."""
    return int(text) if text is not None and _NUMBER.fullmatch(text.strip()) else default


def duration_of(text: str | None, name: str) -> Fraction | None:
    """Seconds of an ``xs:duration`` without years and months, which nobody uses for videos."""
    if text is None:
        return None
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise bad(name, f"no duration: {text[:40]!r}")
    days, hours, minutes, seconds = (Fraction(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def segment_times(times: Times, name: str) -> list[TimedSegment]:
    """One entry for each segment. Raises :class:`CorruptMedia` for what does not make sense."""
    found: list[TimedSegment] = []
    for segment in _timeline(times, name) if times.timeline is not None else _even(times, name):
        if times.count is not None and len(found) >= times.count:
            break
        if len(found) >= MAX_SEGMENTS:
            raise bad(name, f"more than {MAX_SEGMENTS} segments")
        found.append(segment)
    if times.count is not None and len(found) < times.count:
        raise bad(name, "a SegmentList with more segments than times")
    return found


def _even(times: Times, name: str) -> Iterator[TimedSegment]:
    if not times.duration:
        if times.count == 1 and times.length is not None:
            yield TimedSegment(times.number, times.offset, Fraction(0), times.length)
            return
        raise bad(name, "segments without a duration")
    each = Fraction(times.duration, times.timescale)
    if times.last is not None:
        count = max(0, times.last - times.number + 1)
    elif times.count is not None:
        count = times.count
    elif times.length is not None:
        count = -(-times.length // each)
    else:
        raise bad(name, "neither a duration nor a number of segments")
    for i in range(min(count, MAX_SEGMENTS + 1)):
        start = i * each
        left = each if times.length is None else min(each, max(times.length - start, Fraction(0)))
        yield TimedSegment(times.number + i, i * times.duration, start, left)


def _timeline(times: Times, name: str) -> Iterator[TimedSegment]:
    assert times.timeline is not None
    number, clock = times.number, 0
    entries = list(times.timeline.all("S"))
    end = None if times.length is None else times.offset + times.length * times.timescale
    for position, entry in enumerate(entries):
        clock = whole_number(entry.get("t"), default=clock)
        length = whole_number(entry.get("d"))
        if not length:
            raise bad(name, "a SegmentTimeline with a segment of no duration")
        told = (entry.get("r") or "0").strip()
        if told.startswith("-"):
            until: Fraction | int | None = end
            if position + 1 < len(entries):
                until = whole_number(entries[position + 1].get("t"))
            if until is None:
                raise bad(name, "a SegmentTimeline that repeats without an end")
            repeats = -(-(until - clock) // length) - 1
        else:
            repeats = whole_number(told, default=0)
        for _ in range(min(int(repeats) + 1, MAX_SEGMENTS + 1)):
            if times.last is not None and number > times.last:
                return
            start = Fraction(clock - times.offset, times.timescale)
            yield TimedSegment(number, clock, start, Fraction(length, times.timescale))
            number += 1
            clock += length
