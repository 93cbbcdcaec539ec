"""Stretches of an animation: what is told of cuts and of empty pictures in them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from snapengine.animating import _bordered
from snapengine.model.frame import Picture
from snapengine.planning.moments import Instant, Moment, Stretch


class Shot:
    """As much of a snapshot as is looked at: a grey picture of one level with some texture."""

    def __init__(self, level: int) -> None:
        picture = Picture(160, 90, "444")
        y, x = np.mgrid[0:90, 0:160]
        picture.y[:] = np.clip(level + 60 * np.sin(x / 9) * np.cos(y / 7), 0, 255)
        picture.u[:] = picture.v[:] = 128
        self.planes = picture.planes
        self.width = 160

    def to_ndarray(self) -> np.ndarray:
        return np.repeat(np.asarray(self.planes[0])[..., None], 3, axis=2)


def told(moment: str, start: str, levels: list[int]) -> Moment:
    """What is known of a moment after pictures of ``levels``, 0.1 s apart from ``start``."""
    begin, step = Fraction(start), Fraction(1, 10)
    instants = [Instant(begin + i * step, step) for i in range(len(levels))]
    kept: dict[Fraction, Any] = {i.time: Shot(v) for i, v in zip(instants, levels, strict=True)}
    stretch = Stretch(begin, begin + len(levels) * step)
    (found,) = _bordered([Moment(time=Fraction(moment))], [stretch], instants, kept)
    return found


def test_a_moment_that_begins_a_shot_between_two_frames_keeps_its_own_shot() -> None:
    found = told("22.866", "22.616", [90] * 3 + [160] * 7)
    assert (found.start, found.end) == (Fraction("22.866"), None)


def test_a_cut_behind_a_moment_ends_its_shot_at_the_last_sure_frame() -> None:
    found = told("5.2", "5", [90] * 6 + [160] * 4)
    assert found.start is None
    assert Fraction("5.2") < found.end <= Fraction("5.6")


def test_no_cut_tells_nothing() -> None:
    found = told("5.2", "5", [90, 92, 94, 96, 98, 100, 102, 104, 106, 108])
    assert (found.start, found.end) == (None, None)


def test_black_ends_a_stretch_as_a_cut_does() -> None:
    # From dim to black in steps that are no cut.
    levels = [100, 100, 100, 100, 75, 50, 25, 0, -30, -70]
    found = told("5.1", "5", levels)
    assert found.start is None
    assert found.end is not None
    assert Fraction("5.2") <= found.end <= Fraction("5.8")


def test_a_moment_in_the_black_is_left_as_it_is() -> None:
    found = told("5.2", "5", [-90] * 10)
    assert (found.start, found.end) == (None, None)
