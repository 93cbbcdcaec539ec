"""What comes out of the engine besides pictures: the cues of a sprite sheet."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Cue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One cell of a sprite sheet and the stretch of the video it stands for.

    ``start``, ``end`` and ``time`` are seconds from the first shown frame. The cell is shown for
    ``start <= t < end``; ``time`` is the delivered time: that of the frame in the cell, which may
    lie outside the stretch. ``page`` counts from 0; ``x``, ``y``, ``width``, ``height`` are the
    cell in pixels of that page.
    """

    start: float | Fraction
    end: float | Fraction
    time: float | Fraction
    page: int
    x: int
    y: int
    width: int
    height: int
