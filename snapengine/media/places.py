"""What is known of a file without an index: where pictures begin, and when they are decoded.

Such a file tells its times at any place, if one looks there. What was looked at is remembered as
spans of bytes with all the marks in them.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, Protocol


class Mark(NamedTuple):
    """Where what holds a picture begins. ``clock``: when it is decoded, in ticks of the stream.
    ``shown``: when it is shown, of places where decoding may begin; ``None`` of others."""

    offset: int
    clock: int
    shown: int | None = None


class Form(Protocol):
    """How a container shows its marks.

    ``first``: where its data begins. To find the marks in a range so many bytes are needed in front
    of it (``lead``) and behind it (``tail``).
    """

    first: int
    lead: int
    tail: int

    def marks(self, data: bytes, offset: int, begin: int, end: int) -> tuple[list[Mark], bool]:
        """The marks from ``begin`` up to ``end``; ``data`` lies at ``offset``. And whether the data
        was as it should be."""
        ...


@dataclass(slots=True)
class Span:
    """A range of bytes all of whose marks are known, and those of them where decoding may begin.
    ``sound``: whether the data in it was as it should be."""

    begin: int
    end: int
    marks: list[Mark]
    sound: bool = True
    keys: list[Mark] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = [mark for mark in self.marks if mark.shown is not None]


class Around(NamedTuple):
    """The marks next to an instant, as far as known, and their spans."""

    low: Mark | None
    low_span: Span | None
    high: Mark | None
    high_span: Span | None


def _begin(span: Span) -> int:
    return span.begin


def _first_clock(span: Span) -> int:
    return span.marks[0].clock


class Spans:
    """Spans in order, none touching another. Not thread-safe."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._marked: list[Span] = []  # those with marks
        #: how many marks are known
        self.count = 0
        #: whether clocks follow the order of bytes, as far as known
        self.in_order = True

    def clear(self) -> None:
        """Forget everything, for the sake of memory."""
        self._spans.clear()
        self._marked.clear()
        self.count = 0

    def add(self, span: Span) -> None:
        """Enter a span over bytes of which nothing is known."""
        self.count += len(span.marks)
        number = bisect.bisect(self._spans, span.begin, key=_begin)
        if number < len(self._spans) and self._spans[number].begin == span.end:
            span = _joined(span, self._remove(number))
        if number and self._spans[number - 1].end == span.begin:
            number -= 1
            span = _joined(self._remove(number), span)
        self._spans.insert(number, span)
        if span.marks:
            place = bisect.bisect(self._marked, span.begin, key=_begin)
            self._marked.insert(place, span)
            clocks = [m.clock for m in span.marks]
            clocks[:0] = [s.marks[-1].clock for s in self._marked[max(0, place - 1) : place]]
            clocks += [s.marks[0].clock for s in self._marked[place + 1 : place + 2]]
            self.in_order &= all(a <= b for a, b in pairwise(clocks))

    def _remove(self, number: int) -> Span:
        span = self._spans.pop(number)
        if span.marks:
            del self._marked[bisect.bisect_left(self._marked, span.begin, key=_begin)]
        return span

    def at(self, offset: int) -> Span | None:
        """The span that holds the byte at ``offset``."""
        number = bisect.bisect(self._spans, offset, key=_begin) - 1
        if number >= 0 and offset < self._spans[number].end:
            return self._spans[number]
        return None

    def free(self, begin: int, end: int) -> tuple[int, int]:
        """The part of a range of which nothing is known: from its first such byte on, up to what is
        known behind that."""
        span = self.at(begin)
        begin = begin if span is None else span.end
        number = bisect.bisect(self._spans, begin, key=_begin)
        if number < len(self._spans):
            end = min(end, self._spans[number].begin)
        return begin, end

    def around(self, clock: int) -> Around:
        """The last mark at or before ``clock``, and the first behind it."""
        number = bisect.bisect(self._marked, clock, key=_first_clock)
        behind = self._marked[number] if number < len(self._marked) else None
        if not number:
            return Around(None, None, behind.marks[0] if behind else None, behind)
        span = self._marked[number - 1]
        place = bisect.bisect(span.marks, clock, key=lambda mark: mark.clock)
        if place < len(span.marks):
            return Around(span.marks[place - 1], span, span.marks[place], span)
        return Around(span.marks[-1], span, behind.marks[0] if behind else None, behind)

    def neighbours(self, span: Span) -> tuple[Span | None, Span | None]:
        """The spans with marks before and behind one that has some."""
        number = bisect.bisect_left(self._marked, span.begin, key=_begin)
        before = self._marked[number - 1] if number else None
        behind = self._marked[number + 1] if number + 1 < len(self._marked) else None
        return before, behind

    def usual(self, most: int) -> tuple[int | None, int]:
        """Ticks from one place where decoding may begin to the next, and bytes from there to the
        next mark: the middle ones of some that are known; ``None`` and 0 if none are."""
        ticks: list[int] = []
        sizes: list[int] = []
        for span in reversed(self._marked):
            for key, after in pairwise(span.keys):
                if key.shown is not None and after.shown is not None and after.shown > key.shown:
                    ticks.append(after.shown - key.shown)
            for key in span.keys[:2]:
                number = bisect.bisect(span.marks, key.offset, key=lambda mark: mark.offset)
                if number < len(span.marks):
                    sizes.append(span.marks[number].offset - key.offset)
            if len(ticks) >= most and len(sizes) >= most:
                break
        return (_middle(ticks) if ticks else None), (_middle(sizes) if sizes else 0)


def _middle(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]


def _joined(first: Span, second: Span) -> Span:
    joined = Span(first.begin, second.end, [], first.sound and second.sound)
    joined.marks = first.marks + second.marks
    joined.keys = first.keys + second.keys
    return joined
