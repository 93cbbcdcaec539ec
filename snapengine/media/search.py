"""Finding the places of many instants in a file without an index, in few rounds.

Each round reads a little for every instant whose place is not known yet; all of it is announced
before any is read, so that a round over a network costs as much as one read. Near what is known of
an instant the file is read contiguously, which decoding needs anyway; else where it should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..sources.base import ByteRange, Source, expect
from .places import Around, Form, Mark, Span, Spans

#: Read at a place that is only guessed.
_PROBE: Final = 32 << 10
#: Nothing begins in so many bytes: it is no video.
_MOST: Final = 4 << 20
#: So many bytes in front of an instant are read rather than searched: they are needed.
_CLOSE: Final = 160 << 10
#: Bytes read beyond what should suffice.
_SPARE: Final = 16 << 10
#: Between two known places so many guesses are made at once: what they find helps the others.
_AT_ONCE: Final = 8
_ROUNDS: Final = 32
#: The last few goals that lack only what follows: one in so many.
_FEW: Final = 8
#: From so many goals on it pays to learn first how far keyframes are from each other, from so many
#: bytes of the beginning at most, so many at a time.
_MANY: Final = 8
_HEAD, _HEAD_STEP = 1 << 20, 256 << 10
#: So many distances tell what is usual.
_SAMPLES: Final = 16
#: Marks remembered, at most, before a search begins.
_MARKS: Final = 1 << 16
#: Pictures that come out of libavformat's parsers only when the ones behind them begin.
_DELAY: Final = 2

Purpose = Literal["land", "exact", "nearest"]


@dataclass(slots=True, eq=False)
class Goal:
    """An instant (pts) to be found.

    ``purpose``: "land" wants ``key``, the last mark at or before it where decoding may begin;
    "exact" also the bytes from there until the picture shown has been read; "nearest" those until
    the nearest keyframe is known. ``end``: of those bytes. ``settled``: nothing more can be learnt.
    """

    stamp: int
    purpose: Purpose = "land"
    key: Mark | None = None
    end: int | None = None
    settled: bool = False
    sound: bool = True
    #: rounds that looked for it, and those of them that read backward from it, and forward
    tries: int = 0
    back: int = 0
    ahead: int = 0


@dataclass(slots=True)
class _Wish:
    """Bytes to be read next. ``between``: the known places around a mere guess. ``way``: on from
    what is known around the goal, if so: -1 to what lies before it, 1 to what lies behind."""

    begin: int
    end: int
    between: tuple[int, int] | None = None
    way: int = 0


class Search:
    """What is known of one file, and how to learn more. Same thread rule as its source.

    ``begins``, ``ends``: clocks of the first and last marks, roughly; for guesses only.
    """

    def __init__(self, source: Source, size: int, form: Form, *, begins: int, ends: int) -> None:
        self._source = source
        self._size = size
        self._form = form
        self._begins = begins
        self._ends = max(ends, begins + 1)
        self._spans = Spans()
        self._period: int | None = None
        self._key_bytes = 0
        self._empty = 0  # bytes read before the first mark was found
        #: whether places can be believed: not when clocks run backwards
        self.usable = True

    def landing(self, stamp: int) -> Mark | None:
        """The last mark where decoding may begin, shown at or before ``stamp``."""
        goal = Goal(stamp)
        self.look([goal])
        return goal.key if goal.sound and self.usable else None

    def look(self, goals: Sequence[Goal], *, roughly: bool = False) -> None:
        """Settle the goals, in order of their stamps. ``roughly``: only so far that what is still
        to be read lies near."""
        if self._spans.count > _MARKS:
            self._spans.clear()
        for number in range(_ROUNDS):
            if not self.usable:
                return
            self._period, self._key_bytes = self._spans.usual(_SAMPLES)
            wishes: list[_Wish] = []
            for goal in goals:
                if not goal.settled:
                    mine = self._wishes(goal)
                    if roughly:
                        mine = [wish for wish in mine if wish.between is not None]
                    goal.tries += 1
                    goal.back += any(wish.way < 0 for wish in mine)
                    goal.ahead += any(wish.way > 0 for wish in mine)
                    wishes += mine
            if not wishes or (roughly and number and 4 * len(wishes) < len(goals)):
                return  # what is left is found along with what lies near it
            if self._period is None and len(goals) >= _MANY:
                wishes += self._head()
            if all(w.way > 0 for w in wishes) and _FEW * len(wishes) <= len(goals):
                return  # whoever reads reads on
            self._read_all(_few(wishes))

    def announce(self, goals: Sequence[Goal]) -> None:
        """Let the source fetch what :meth:`look` will read first."""
        if self.usable:
            wishes = [wish for goal in goals if not goal.settled for wish in self._wishes(goal)]
            expect(self._source, [needed for _, _, needed in self._parts(_few(wishes))])

    def rate(self) -> float:
        """Bytes for a tick, on average."""
        return (self._size - self._form.first) / (self._ends - self._begins)

    def period(self) -> int | None:
        """Ticks between places where decoding may begin, as a rule."""
        return self._period

    # -- reading ----------------------------------------------------------------------------

    def _parts(self, wishes: Iterable[_Wish]) -> list[tuple[int, int, ByteRange]]:
        """What to read for the wishes, each byte once: from where to where marks are looked for,
        and the bytes needed for that."""
        parts: list[tuple[int, int]] = []
        for wish in sorted(wishes, key=lambda w: (w.begin, w.end)):
            begin, end = wish.begin, min(wish.end, self._size)
            if parts and begin <= parts[-1][1]:
                begin, end = parts[-1][0], max(end, parts.pop()[1])
            parts.append((begin, end))
        found = []
        for begin, end in parts:
            offset = max(0, begin - self._form.lead)
            size = min(end + self._form.tail, self._size) - offset
            found.append((begin, end, ByteRange(offset, size)))
        return found

    def _read_all(self, wishes: Iterable[_Wish]) -> None:
        parts = self._parts(wishes)
        expect(self._source, [needed for _, _, needed in parts])
        lead, tail = self._form.lead, self._form.tail
        for begin, end, (offset, size) in parts:
            data = self._source.read_at(offset, size)
            while begin < end:  # between them something may be known
                start, stop = self._spans.free(begin, end)
                if start >= stop:
                    break
                low = max(0, start - lead - offset)
                marks, sound = self._form.marks(
                    data[low : stop + tail - offset], offset + low, start, stop
                )
                self._spans.add(Span(start, stop, marks, sound))
                begin = stop
            self._empty += size
        if self._spans.count:
            self._empty = 0
        self.usable = self._spans.in_order and self._empty <= _MOST

    # -- deciding ---------------------------------------------------------------------------

    def _wishes(self, goal: Goal) -> list[_Wish]:
        around = self._spans.around(goal.stamp)
        span = around.low_span
        if around.low is None or span is None:
            first = around.high_span
            if first is not None and first.begin <= self._form.first:
                goal.settled = True  # nothing lies before
                return []
            return self._narrow(goal, around)
        at_end = around.high is None and span.end >= self._size
        if around.high_span is not span and not at_end:
            return self._narrow(goal, around)
        key = goal.key = _last_key(span, around.low, goal.stamp)
        wishes: list[_Wish] = []
        if key is None and span.begin > self._form.first:
            wishes.append(self._back(goal, span))
        if goal.purpose != "land":
            wishes += self._ahead(goal, span, key)
        if not wishes:
            goal.settled, goal.sound = True, span.sound
        return wishes

    def _head(self) -> list[_Wish]:
        limit = min(self._form.first + _HEAD, self._size)
        start, stop = self._spans.free(self._form.first, limit)
        return [_Wish(start, min(stop, start + _HEAD_STEP))] if start < stop else []

    def _narrow(self, goal: Goal, around: Around) -> list[_Wish]:
        """The place lies somewhere between two marks that are not next to each other."""
        low, low_span, high, high_span = around
        begin, since = (self._form.first, self._begins) if low is None else (low.offset, low.clock)
        if high is None:
            end, until = self._size, max(self._ends, goal.stamp + 1)
        else:
            end, until = high.offset, high.clock
        share = (goal.stamp - since) / (until - since) if until > since else 0.5
        share = min(1.0, max(0.0, share))
        ahead = int((end - begin) * share)
        if low_span is not None and ahead <= _CLOSE:
            start, stop = self._spans.free(low_span.end, end)
            due = self._due_before(low_span, goal.stamp)
            further = 0
            if due is not None and self._period is not None and goal.purpose == "nearest":
                # Up to the next place, or until that cannot be the nearest any more.
                further = min(goal.stamp - due, due + self._period - goal.stamp)
                more = 0 if goal.stamp - due == further else self._key_bytes
                further = int(further * (end - begin) / (until - since)) + more
            wishes = [_Wish(start, min(stop, max(start, begin + ahead + further) + _PROBE))]
            if due is not None and due < low_span.marks[0].clock:
                wishes.append(self._back(goal, low_span))
            return wishes
        if high_span is not None and end - begin - ahead <= _CLOSE:
            floor = self._form.first if low_span is None else low_span.end
            start = max(floor, min(begin + ahead, high_span.begin) - _PROBE)
            return [self._before(start, high_span.begin)]
        if goal.tries > 3 and goal.tries % 2:
            ahead = (end - begin) // 2
        # A little early: what follows is needed.
        return [self._probe(begin + max(0, ahead - _SPARE), begin, end)]

    def _probe(self, place: int, low: int, high: int) -> _Wish:
        place = max(low, min(place, high - _PROBE))
        known = self._spans.at(place)
        length = _PROBE
        if known is not None and not known.marks:
            length = min(_MOST, max(_PROBE, 2 * (known.end - known.begin)))
        start, stop = self._spans.free(place, high)
        if start >= stop:  # all is known up to there: what lies before it
            assert known is not None
            return self._before(max(low, known.begin - length), known.begin)
        return _Wish(start, min(stop, start + length), (low, high))

    def _before(self, begin: int, end: int, way: int = 0) -> _Wish:
        """The last part of a range of which nothing is known; nothing is of its last byte."""
        while True:
            start, stop = self._spans.free(begin, end)
            if stop >= end:
                return _Wish(start, end, way=way)
            known = self._spans.at(stop)
            assert known is not None
            begin = known.end

    def _back(self, goal: Goal, span: Span) -> _Wish:
        """No place where decoding may begin is known yet before the goal."""
        length = _PROBE << min(7, goal.back + 1)
        due = self._due_before(span, goal.stamp) if span.marks and goal.back < 3 else None
        if due is not None:
            length = self._since_key(span.marks[0].clock - due, self._rate_at(span)) + 2 * _SPARE
        length = min(_MOST, max(_PROBE, length))
        return self._before(max(self._form.first, span.begin - length), span.begin, -1)

    def _ahead(self, goal: Goal, span: Span, key: Mark | None) -> list[_Wish]:
        """What must still be read behind the goal; sets ``goal.end`` once that is nothing."""
        limit = goal.stamp
        if goal.purpose == "nearest":
            if key is None or key.shown is None:
                return []  # it is looked for first
            limit = 2 * goal.stamp - key.shown
            following = next((k for k in span.keys if (k.shown or 0) > goal.stamp), None)
            if following is not None:
                limit = min(limit, following.clock)
        number = _count_until(span, limit) + _DELAY
        if number < len(span.marks):
            goal.end = span.marks[number].offset + self._form.tail
            return []
        if span.end >= self._size:
            goal.end = self._size
            return []
        last, more = span.marks[-1].clock, 3 * _SPARE
        if goal.purpose == "nearest" and self._period is not None and key is not None:
            due = (key.shown or 0) + self._period
            if last < due < limit:
                limit, more = due, more + self._key_bytes
        length = int(max(0, limit - last) * self._rate_at(span)) + more
        length = min(max(length, _PROBE), _CLOSE << min(6, goal.ahead))
        start, stop = self._spans.free(span.end, self._size)
        return [_Wish(start, min(stop, start + length), way=1)]

    def _due_before(self, span: Span, stamp: int) -> int | None:
        """When the place that is looked for should be, if they come at even intervals."""
        if self._period is None:
            return None
        near = [span, *(s for s in self._spans.neighbours(span) if s is not None)]
        known = next((s.keys[0].shown for s in near if s.keys), None)
        if known is None:
            return None
        return known + (stamp - known) // self._period * self._period

    def _since_key(self, ticks: int, rate: float) -> int:
        """Bytes from a place where decoding may begin to ``ticks`` later: what stands there is
        larger than what follows."""
        assert self._period is not None
        rest = max(0.0, 1 - max(0, ticks) / self._period)
        return int(ticks * rate + rest * self._key_bytes)

    def _rate_at(self, span: Span) -> float:
        """Bytes for a tick around a span."""
        before, behind = self._spans.neighbours(span)
        first = span.marks[0] if before is None else before.marks[-1]
        last = span.marks[-1] if behind is None else behind.marks[0]
        if last.clock - first.clock > 0:
            return (last.offset - first.offset) / (last.clock - first.clock)
        return self.rate()


def _few(wishes: list[_Wish]) -> list[_Wish]:
    """Of guesses between the same two places only some, evenly spread."""
    guesses: dict[tuple[int, int], list[_Wish]] = {}
    found = []
    for wish in wishes:
        if wish.between is None:
            found.append(wish)
        else:
            guesses.setdefault(wish.between, []).append(wish)
    for same in guesses.values():
        count = min(len(same), _AT_ONCE)
        found += [same[(2 * i + 1) * len(same) // (2 * count)] for i in range(count)]
    return found


def _last_key(span: Span, low: Mark, stamp: int) -> Mark | None:
    for key in reversed(span.keys):
        if key.offset <= low.offset and key.shown is not None and key.shown <= stamp:
            return key
    return None


def _count_until(span: Span, clock: int) -> int:
    """Number of the first mark behind a clock."""
    for number in range(len(span.marks) - 1, -1, -1):
        if span.marks[number].clock <= clock:
            return number + 1
    return 0
