"""What the integration tests share: the expected frame of a time, and comparing a shot with it."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from tests.media.oracle import ShownFrame, Truth, hash_planes

__all__ = ["asked", "check_shot", "delivered", "expected", "is_shown", "total"]


def asked(time: object) -> Fraction:
    """What a caller means: a float is the decimal that Python prints for it."""
    return Fraction(repr(time)) if isinstance(time, float) else Fraction(time)  # type: ignore[arg-type]


def expected(truth: Truth, time: object) -> ShownFrame:
    """The frame shown at ``time``: pts <= t < next pts, or the last, or the first.

    A float that is the nearest one to a frame's start means that frame: 1/3 has no exact float,
    and ``snapshot(shot.time)`` must give the same frame again.
    """
    seconds = asked(time)
    frame = truth.frame_at(seconds)
    if isinstance(time, float) and frame.index + 1 < len(truth.frames):
        following = truth.frames[frame.index + 1]
        start = truth.time_of(following)
        if float(start) == time and start - seconds < truth.time_base / 100:
            return following
    return frame


def delivered(truth: Truth, shot: Any) -> list[int]:
    """Which frames of the truth have exactly the shot's samples (several in a still scene)."""
    digest = hash_planes(shot.planes)
    return [frame.index for frame in truth.frames if frame.sha1 == digest]


def check_shot(truth: Truth, shot: Any, frame: ShownFrame, note: str = "") -> None:
    """The shot is this frame: samples, time, pts."""
    where = f"{truth.path.name} {note}: wanted frame {frame.index}"
    assert frame.index in delivered(truth, shot), (
        f"{where}, samples are of {delivered(truth, shot) or 'no frame of the file'}, "
        f"time says {shot.time} (should be {float(truth.time_of(frame))})"
    )
    assert shot.time == float(truth.time_of(frame)), where
    if not truth.stamps_rebuilt:
        assert shot.pts == frame.pts, where


def is_shown(truth: Truth, shot: Any, frames: Iterable[ShownFrame]) -> bool:
    """Whether the shot is one of these frames: samples, time, pts."""
    digest = hash_planes(shot.planes)
    return any(
        digest == frame.sha1
        and shot.time == float(truth.time_of(frame))
        and (truth.stamps_rebuilt or shot.pts == frame.pts)
        for frame in frames
    )


def total(results: Iterable[Any], counter: str) -> int:
    """A counter over several results; results of one call may share one stats value."""
    seen = {id(result.stats): getattr(result.stats, counter) for result in results}
    return sum(seen.values())
