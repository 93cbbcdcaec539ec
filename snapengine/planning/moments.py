"""What an animated cover shows: a range of the video, or its best moments one after the other.

All times are exact seconds from the first frame. A *room* is the part of the video between two
neighbouring shot borders that are known; a stretch never leaves its room, so nothing is shown that
belongs to another shot.
"""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from ..errors import InvalidOption, InvalidTime
from ..model.time import Percent, exact_seconds, parse_time

__all__ = [
    "MAX_FRAMES",
    "MAX_LENGTH",
    "MAX_RATE",
    "Instant",
    "Moment",
    "Span",
    "Stretch",
    "beside_cut",
    "check_frames",
    "check_length",
    "check_rate",
    "drop_cut",
    "moments",
    "paced",
    "range_instants",
]

#: Frames per second. Browsers show what lasts less than 20 ms for 100 ms.
MAX_RATE: Final = 50
#: Seconds: a cover is looked at in passing.
MAX_LENGTH: Final = 60
#: What is shown more shortly no browser shows.
_LEAST_LENGTH: Final = Fraction(1, MAX_RATE)
#: More frames than this is a video, and should be one.
MAX_FRAMES: Final = 1200
#: Seconds that a moment is shown for: shorter is not understood, longer is not a summary.
_ABOUT: Final = Fraction(1)
#: The ranked picture lies behind this share of its stretch: a little of how it came about, more of
#: what follows.
_BEFORE: Final = Fraction(1, 4)
#: A cut: the difference of two frames is at least this, of 0 to 1 ...
_CUT_LEAST: Final = 0.12
#: ... and so many times the usual one of this stretch; fast motion is high all along.
_CUT_TIMES: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A picture worth showing: ``time``, and its shot's ``start`` and ``end`` where known."""

    time: Fraction
    start: Fraction | None = None
    end: Fraction | None = None


class Stretch(NamedTuple):
    """A part of the video that is shown: from ``start`` while before ``end``."""

    start: Fraction
    end: Fraction

    @property
    def length(self) -> Fraction:
        return self.end - self.start


class Instant(NamedTuple):
    """A frame of the animation: the ``time`` whose picture it shows, for so many ``seconds``."""

    time: Fraction
    seconds: Fraction


class Span(NamedTuple):
    """Frames ``first`` to ``stop`` (not included) of a stretch."""

    first: int
    stop: int


# -- arguments ------------------------------------------------------------------------------


def check_rate(rate: object) -> Fraction:
    """Frames per second, 1 to :data:`MAX_RATE`; :class:`InvalidOption` otherwise."""
    try:
        exact = exact_seconds(rate)
    except InvalidTime:
        exact = None
    if exact is None or not 1 <= exact <= MAX_RATE:
        raise InvalidOption(
            f"rate must be 1 to {MAX_RATE} frames a second, not {rate!r}", value=rate
        )
    return exact


def check_length(length: object) -> Fraction:
    """Seconds of the animation, 0.02 to :data:`MAX_LENGTH`; :class:`InvalidTime` otherwise."""
    exact = parse_time(length)
    if isinstance(exact, Percent) or not _LEAST_LENGTH <= exact <= MAX_LENGTH:
        raise InvalidTime(
            f"length must be {float(_LEAST_LENGTH)} to {MAX_LENGTH} seconds, not {length!r}",
            value=length,
        )
    return exact


def check_frames(length: Fraction, rate: Fraction) -> int:
    """How many frames that makes; :class:`InvalidOption` above :data:`MAX_FRAMES`."""
    frames = max(1, math.ceil(length * rate))
    if frames > MAX_FRAMES:
        raise InvalidOption(
            f"{float(length):g} s at {float(rate):g} frames a second make {frames} frames; at most "
            f"{MAX_FRAMES}",
            value=frames,
        )
    return frames


# -- instants -------------------------------------------------------------------------------


def range_instants(start: Fraction, end: Fraction, rate: Fraction) -> list[Fraction]:
    """``start``, and every 1/``rate`` after it while before ``end``: multiples, nothing adds up.

    Raises :class:`InvalidTime` for an empty range, :class:`InvalidOption` for too many instants.
    """
    if end <= start:
        raise InvalidTime(f"start {float(start):g} s is not before the end {float(end):g} s")
    return [start + i / rate for i in range(check_frames(end - start, rate))]


def paced(stretches: Sequence[Stretch], rate: Fraction) -> tuple[Instant, ...]:
    """Frames of the stretches, evenly within each: about ``rate`` a second, never more.

    Their times add up to exactly the stretches' lengths. Only a stretch shorter than 1/``rate`` has
    a frame shorter than that; one too short to be seen (1/:data:`MAX_RATE`) has none, and its time
    goes to the last frame.
    """
    seen = [s for s in stretches if s.length * MAX_RATE >= 1] or [*stretches][:1]
    found: list[Instant] = []
    for stretch in seen:
        count = max(1, math.floor(stretch.length * rate))
        step = stretch.length / count
        found += [Instant(stretch.start + i * step, step) for i in range(count)]
    lost = sum((s.length for s in stretches), Fraction(0)) - sum(i.seconds for i in found)
    if lost:
        found[-1] = Instant(found[-1].time, found[-1].seconds + lost)
    return tuple(found)


# -- moments --------------------------------------------------------------------------------


def moments(best: Sequence[Moment], duration: Fraction, length: Fraction) -> tuple[Stretch, ...]:
    """Which stretches of a video of ``duration`` make an animation of ``length``; in order of time.

    ``best``: moments, best first. About one second around each of the best, as many as ``length``
    has room for; fewer and longer ones when the video is not much longer than that, or has not so
    many moments far enough apart. A video not longer than ``length`` is shown whole, cuts and all.

    Otherwise the stretches are disjoint, none crosses a border of the shots given, and they are
    exactly ``length`` together: where shots are too short for that, more rooms are taken, those
    with further moments first, then the longest.

    Raises :class:`InvalidTime` when ``duration`` or ``length`` is not positive.
    """
    for name, value in (("duration", duration), ("length", length)):
        if value <= 0:
            raise InvalidTime(f"{name} must be more than 0 seconds, not {float(value):g}")
    if duration <= length:
        return (Stretch(Fraction(0), duration),)
    usable = [m for m in best if 0 <= m.time < duration]
    rooms = _Rooms(usable, duration)
    times = list(dict.fromkeys(m.time for m in usable))
    if not times:
        times = [max(rooms, key=lambda room: room.length).start]
    chosen = _far_apart(times, rooms, duration, length)
    _enlarge(chosen, times, rooms, length)
    return _joined(_placed(sorted(chosen), rooms, length), rooms)


class _Rooms:
    """The video, divided at all known borders."""

    def __init__(self, usable: Sequence[Moment], duration: Fraction) -> None:
        edges = {Fraction(0), duration}
        for moment in usable:
            edges.update(e for e in (moment.start, moment.end) if e is not None)
        self.edges = sorted(e for e in edges if 0 <= e <= duration)

    def __iter__(self) -> itertools.starmap[Stretch]:
        return itertools.starmap(Stretch, itertools.pairwise(self.edges))

    def of(self, time: Fraction) -> Stretch:
        after = bisect.bisect_right(self.edges, time)
        return Stretch(self.edges[after - 1], self.edges[after])


def _far_apart(
    times: Sequence[Fraction], rooms: _Rooms, duration: Fraction, length: Fraction
) -> list[Fraction]:
    """The best of ``times`` that can be shown side by side, for the same time each."""
    # Of a video hardly longer than the animation, scattered parts would only skip a little.
    count = max(1, min(round(length / _ABOUT), math.floor(duration / length)))
    for wanted in range(min(count, len(times)), 0, -1):
        share = length / wanted
        chosen: list[Fraction] = []
        for time in times:
            room = rooms.of(time)
            if room.length * 2 >= share and all(
                abs(time - other) >= share or rooms.of(other) != room for other in chosen
            ):
                chosen.append(time)
                if len(chosen) == wanted:
                    return chosen
    return [max(times, key=lambda time: rooms.of(time).length)]


def _enlarge(
    chosen: list[Fraction], times: Sequence[Fraction], rooms: _Rooms, length: Fraction
) -> None:
    """Add moments, then the middles of other rooms, until the rooms have place for ``length``."""
    used = {rooms.of(time) for time in chosen}
    least = length / (2 * max(1, len(chosen)))
    further = [time for time in times if rooms.of(time).length >= least]
    longest = sorted(rooms, key=lambda room: (-room.length, room.start))
    for time in itertools.chain(further, ((room.start + room.end) / 2 for room in longest)):
        if sum((room.length for room in used), Fraction(0)) >= length:
            return
        if rooms.of(time) not in used:
            used.add(rooms.of(time))
            chosen.append(time)


def _placed(ordered: Sequence[Fraction], rooms: _Rooms, length: Fraction) -> list[Stretch]:
    """A stretch around each time; as equal as their places allow, ``length`` together."""
    places: list[Stretch] = []
    for i, time in enumerate(ordered):
        start, end = room = rooms.of(time)
        # Those of one room divide it between them.
        if i and rooms.of(ordered[i - 1]) == room:
            start = (ordered[i - 1] + time) / 2
        if i + 1 < len(ordered) and rooms.of(ordered[i + 1]) == room:
            end = (time + ordered[i + 1]) / 2
        places.append(Stretch(start, end))
    share, left = Fraction(0), length
    capacities = sorted(place.length for place in places)
    for i, capacity in enumerate(capacities):
        share = left / (len(capacities) - i)
        if capacity >= share:
            break
        left -= capacity
    found = []
    for time, place in zip(ordered, places, strict=True):
        size = min(share, place.length)
        start = min(max(time - size * _BEFORE, place.start), place.end - size)
        found.append(Stretch(start, start + size))
    return found


def _joined(stretches: Sequence[Stretch], rooms: _Rooms) -> tuple[Stretch, ...]:
    """Neighbours that touch within a room are one."""
    found: list[Stretch] = []
    for stretch in stretches:
        if found and found[-1].end == stretch.start and stretch.start not in rooms.edges:
            stretch = Stretch(found.pop().start, stretch.end)
        found.append(stretch)
    return tuple(found)


# -- cuts that nobody knew of ---------------------------------------------------------------


def drop_cut(differences: Sequence[float], anchor: int) -> Span:
    """The frames around ``anchor`` up to the next hard cut on either side.

    ``differences[i]``: how much frame i + 1 differs from frame i, 0 (not) to 1; so there is one
    frame more than differences. A cut is a difference that stands out, against all and against the
    median of the others: motion is high all along, a cut once. A flash counts as two.

    Raises :class:`InvalidOption` when ``anchor`` is no frame of the stretch.
    """
    frames = len(differences) + 1
    if not 0 <= anchor < frames:
        raise InvalidOption(f"anchor must be one of {frames} frames, not {anchor}", value=anchor)
    cuts = []
    for i, difference in enumerate(differences):
        others = [*differences[:i], *differences[i + 1 :]]
        usual = statistics.median(others) if others else 0.0
        if difference >= max(_CUT_LEAST, _CUT_TIMES * usual):
            cuts.append(i + 1)
    after = bisect.bisect_right(cuts, anchor)
    return Span(cuts[after - 1] if after else 0, cuts[after] if after < len(cuts) else frames)


def beside_cut(stretch: Stretch, cut: Fraction, keep: Fraction, within: Stretch) -> Stretch:
    """``stretch`` moved to that side of ``cut`` where ``keep`` lies, inside of ``within``.

    As long as before where there is place for it, else shorter; unchanged when ``cut`` is not in
    it. The first frame of the new shot is shown at ``cut``, so a stretch before it may end there.
    """
    if not stretch.start < cut < stretch.end:
        return stretch
    if keep < cut:
        return Stretch(max(within.start, cut - stretch.length), cut)
    return Stretch(cut, min(within.end, cut + stretch.length))
