"""Where to look for a cover: a few keyframes all over the video, more only where those are poor.

Pure decisions. Instants are exact seconds from the first shown frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Final

#: Candidates of the first round: one for so many seconds ...
_SECONDS_EACH: Final = 2
#: ... but at least and at most so many, those of short clips a quarter of a second apart. A film
#: of two hours is judged by one keyframe every two minutes.
FEWEST: Final = 12
_CLOSEST: Final = Fraction(1, 4)
_LEAST: Final = 3
MOST: Final = 60
#: Candidates of later rounds together, so that a film costs 60 to 100 keyframes, whatever it shows.
MOST_LATER: Final = 40
#: Left out at the start (logos, titles) and at the end (credits): a share of the length, at most
#: so many seconds. What survives of them is for the measures to reject.
_TRIM_START: Final = (Fraction(2, 100), Fraction(60))
_TRIM_END: Final = (Fraction(4, 100), Fraction(180))
#: Videos that do not tell their length are looked at from the start, ever more sparsely.
_UNKNOWN_GROWTH: Final = Fraction(5, 4)
_UNKNOWN_COUNT: Final = 30


def first_round(duration: Fraction | None) -> tuple[Fraction, ...]:
    """The instants of the first round, in order."""
    if duration is None:
        steps = itertools.accumulate(
            itertools.repeat(_UNKNOWN_GROWTH, _UNKNOWN_COUNT - 1),
            lambda at, growth: (at + 1) * growth - Fraction(1, 2),
            initial=Fraction(0),
        )
        return tuple(steps)
    begin = min(duration * _TRIM_START[0], _TRIM_START[1])
    end = duration - min(duration * _TRIM_END[0], _TRIM_END[1])
    wanted = max(FEWEST, min(MOST, int(duration / _SECONDS_EACH)))
    wanted = max(_LEAST, min(wanted, int(duration / _CLOSEST)))
    step = _even_step((end - begin) / wanted)
    first = ceil(begin / step - Fraction(1, 2))
    last = ceil(end / step - Fraction(1, 2))
    return tuple(step * (2 * i + 1) / 2 for i in range(first, last)) or ((begin + end) / 2,)


def _even_step(least: Fraction) -> Fraction:
    """The smallest of ..., 1/2, 3/4, 1, 3/2, 2, 3, 4, 6, ... seconds that is at least ``least``.

    Instants are on the same grid for videos of nearly one length: a second more at the end adds a
    candidate and moves none.
    """
    power = Fraction(1)
    while power < least:
        power *= 2
    while power / 2 >= least:
        power /= 2
    return power * 3 / 4 if power * 3 / 4 >= least else power


def between(
    looked: Sequence[Fraction], wanted: Sequence[Fraction], duration: Fraction | None, limit: int
) -> tuple[Fraction, ...]:
    """Instants in the middle of the widest gaps around those of ``looked`` that are ``wanted``.

    ``looked``: the instants known so far. At most ``limit``, the widest gaps first; those that are
    shorter than a picture is worth (a fifth of a second) are left alone.
    """
    marks = sorted(set(looked))
    if not marks:
        return ()
    edges = [Fraction(0), *marks, duration if duration is not None else marks[-1]]
    around = set(wanted)
    gaps = {
        (a, b)
        for a, b in itertools.pairwise(edges)
        if (a in around or b in around) and b - a >= Fraction(2, 5)
    }
    widest = sorted(gaps, key=lambda gap: (gap[0] - gap[1], gap[0]))[:limit]
    return tuple(sorted((a + b) / 2 for a, b in widest))
