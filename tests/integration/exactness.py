"""One file against the oracle: any time, any order, any accuracy. Used over atlas and real files.

A shot is right when it is the frame of the sequential decode, sample for sample, and says which one
it is. Where that decode itself reports damage a shot may differ, but only if it says so.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import snapengine
from snapengine.errors import NoFrameAtTarget
from tests.integration.common import asked, is_shown
from tests.media.oracle import Truth

__all__ = ["check_accuracies", "check_every_order", "check_times", "times_of"]

SEED = 20_260_321
PLACES = 10
RANDOM_TIMES = 50


def times_of(truth: Truth, places: int = PLACES, chance: int = RANDOM_TIMES) -> list[Fraction]:
    """First, last, past the end, both sides of the frames around some places, and random times."""
    dice = random.Random(f"{SEED}:{truth.path.name}")
    tick, frames = truth.time_base, truth.frames
    chosen = {0, len(frames) - 1}
    for _ in range(places):
        at = dice.randrange(len(frames))
        chosen |= {at, min(at + 1, len(frames) - 1)}
    # Runs of decoding meet at keyframes.
    for key in dice.sample(truth.keyframes, min(3, len(truth.keyframes))):
        chosen |= {max(0, key.index - 1), key.index}
    times = {truth.end, truth.end + 5}
    for index in chosen:
        start = truth.time_of(frames[index])
        times |= {t for t in (start - tick, start, start + tick / 2) if t >= 0}
    span = float(truth.end)
    random_times = [Fraction(repr(dice.uniform(0, span))) for _ in range(chance)]
    return sorted({*times, *random_times})


def is_damaged(truth: Truth) -> bool:
    """Whether the sequential decode itself met damage."""
    return truth.decode_errors > 0 or any(frame.suspect for frame in truth.frames)


def check_shot(truth: Truth, shot: Any, time: Fraction, note: str) -> None:
    """The frame shown then, or where the sequential decode met damage, one that says it is not."""
    frames = truth.shown_at(time)
    right = is_shown(truth, shot, frames)
    if right and shot.exact:
        return
    damaged = is_damaged(truth)
    wanted = [(f.index, f.pts, float(truth.time_of(f))) for f in frames]
    where = f"{truth.path.name} {note} at {time} ({float(time)}): {shot!r}, wanted {wanted}"
    assert damaged, f"{where}: {'not called exact' if right else 'not that frame'}"
    assert right or shot.corrupt or not shot.exact, f"{where}: another one, not marked"


def check_times(
    truth: Truth, video: snapengine.Video, times: Sequence[Fraction], note: str
) -> None:
    """All in one call. A damaged stream may have nothing for some."""
    shots = list(video.snapshots(at=times))
    assert shots
    assert len(shots) == len(times) or is_damaged(truth)
    for shot in shots:
        assert shot.requested == float(times[shot.index])
        check_shot(truth, shot, times[shot.index], note)


def check_every_order(
    truth: Truth,
    times: Sequence[Fraction],
    *,
    stream: int | None = None,
    back: int | None = None,
    alone: int = RANDOM_TIMES,
) -> None:
    """Forward and reversed in one call each, shuffled one by one.

    ``back`` and ``alone``: so many of the times, where decoding them all again is dear.
    """
    forward = sorted(times)
    step = 1 if back is None else max(1, len(forward) // back)
    with snapengine.open(truth.path, stream=stream) as video:
        assert truth.stamps_rebuilt or video.info.start_pts == truth.origin
        check_times(truth, video, forward, "forward")
        check_times(truth, video, forward[::-step], "reversed")
        dice = random.Random(SEED)
        for time in dice.sample(forward, min(alone, len(forward))):
            try:
                shot = video.snapshot(time)
            except NoFrameAtTarget:
                assert is_damaged(truth), f"{truth.path.name}: nothing at {time}"
                continue
            check_shot(truth, shot, time, "alone")


def check_accuracies(truth: Truth, *, stream: int | None = None, count: int = 6) -> None:
    """ "keyframe" is the nearest one; a tolerance is a keyframe that near, else the exact frame."""
    dice = random.Random(SEED)
    times = [0.0, float(truth.end), *(dice.uniform(0, float(truth.end)) for _ in range(count))]
    with snapengine.open(truth.path, stream=stream) as video:
        for time in times:
            keys = truth.nearest_keyframes(asked(time))
            shot = video.snapshot(time, accuracy="keyframe")
            if truth.jumps:  # near by the stamps of one part is not near by those of another
                assert is_shown(truth, shot, truth.keyframes), f"{truth.path.name}: {shot!r}"
                continue
            assert is_shown(truth, shot, keys), f"{truth.path.name}: keyframe near {time}: {shot!r}"
            shown = is_shown(truth, shot, truth.shown_at(asked(time)))
            assert shot.exact == shown, f"{truth.path.name}: {shot!r} at {time}"
            away = abs(truth.time_of(keys[0]) - asked(time))
            near = video.snapshot(time, accuracy=float(away) + 0.002)
            assert is_shown(truth, near, (*keys, *truth.shown_at(asked(time)))), f"{time}: {near!r}"
            if away > Fraction(4, 1000):
                far = video.snapshot(time, accuracy=float(away) - 0.002)
                check_shot(truth, far, asked(time), "no keyframe in reach")
