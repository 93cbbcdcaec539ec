"""Judges covers against the labels of the cover set: which frame is it, is it good, are they three?

The verdict is the same for everyone: a choice is found again among the frames of a sequential
decode, by its picture, near the time it claims if that fits; what counts is the label of the frame
found. So neither an offset in the clock of a file nor a wrongly reported time decides.
"""

from __future__ import annotations

import functools
import itertools
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from .cover_set import Labelled, Span
from .recipes import cache_folder

__all__ = ["DIFFERENT", "Film", "Verdict", "differ", "film", "judge", "thumb"]

DIFFERENT = 5.0
"""Least mean absolute difference (Y, Cb and Cr of 32x18 thumbnails, 0..255) of two pictures of one
shot that count as different. By eye: in a room seen by a fixed camera somebody entering makes
5.5 and more, shifting his weight 3; a head that speaks 4; a bird that spreads its wings 6."""

_NEAR = 6.0
"""A picture and the frame at the time it claims are the same thing up to here; above, it is looked
for everywhere."""

_THUMB = (32, 18)

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Film:
    """All frames of a video: times (seconds after the first), thumbnails (n, 18, 32, 3) YCbCr."""

    times: npt.NDArray[np.float64]
    thumbs: U8
    turned: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """``spans`` are what the choices show, in order; ``at`` the times of the frames found."""

    at: tuple[float, ...]
    spans: tuple[Span, ...]
    first_good: bool
    all_good: bool
    enough_different: bool

    @property
    def passed(self) -> bool:
        """All good, and as many different ones as the video has to offer."""
        return self.all_good and self.enough_different


def thumb(rgb: U8) -> U8:
    """(height, width, 3) RGB to (18, 32, 3) YCbCr; the shape is not kept."""
    image = Image.fromarray(np.ascontiguousarray(rgb)).resize(_THUMB, Image.Resampling.BOX)
    return np.asarray(image.convert("YCbCr"))


def distance(first: U8, second: U8) -> float:
    return float(np.abs(first.astype(np.int16) - second.astype(np.int16)).mean())


def differ(first: tuple[Span, U8], second: tuple[Span, U8]) -> bool:
    """Whether two choices show different things."""
    return first[0].shot != second[0].shot or distance(first[1], second[1]) >= DIFFERENT


def _decoded(path: Path) -> Film:
    times, thumbs, turned = [], [], False
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            times.append(float(frame.time))
            thumbs.append(thumb(_small(frame)))
            turned |= frame.rotation != 0
    clock = np.array(times)
    order = np.argsort(clock, kind="stable")
    return Film(clock[order] - clock.min(), np.stack(thumbs)[order], turned)


def _small(frame: Any) -> U8:
    """Upright RGB of 128x72, whatever the shape."""
    turned = frame.rotation % 180 != 0
    size = (72, 128) if turned else (128, 72)
    samples: U8 = frame.to_ndarray(
        format="rgb24", width=size[0], height=size[1], interpolation="AREA"
    )
    return np.rot90(samples, round(frame.rotation / 90))


@functools.lru_cache(maxsize=4)
def film(path: Path) -> Film:
    """All frames of the file; decoded once, then kept in the cache folder."""
    facts = path.stat()
    kept = cache_folder() / f"frames-{path.stem}-{facts.st_size}-{int(facts.st_mtime)}.npz"
    if not kept.exists():
        whole = _decoded(path)
        handle, aside = tempfile.mkstemp(prefix=".making-", dir=kept.parent)
        with os.fdopen(handle, "wb") as out:
            np.savez(out, times=whole.times, thumbs=whole.thumbs, turned=whole.turned)
        os.replace(aside, kept)
    with np.load(kept) as archive:
        return Film(archive["times"], archive["thumbs"], bool(archive["turned"]))


def find(whole: Film, picture: U8 | None, claimed: float | None) -> int:
    """The number of the frame that a choice shows."""
    near = None
    if claimed is not None:
        near = max(0, int(np.searchsorted(whole.times, claimed + 1e-3, side="right")) - 1)
        if picture is None:
            return near
    if picture is None:
        raise ValueError("neither a picture nor a time")
    # A tool that does not turn a portrait video is not judged for that.
    turns = range(4) if whole.turned else range(1)
    seen = [thumb(np.rot90(picture, turn)).astype(np.int16) for turn in turns]
    away = np.min([np.abs(whole.thumbs - one).mean(axis=(1, 2, 3)) for one in seen], axis=0)
    best = int(away.argmin())
    if near is None:
        return best
    return near if away[near] <= max(_NEAR, 1.5 * away[best]) else best


def judge(video: Labelled, whole: Film, choices: list[tuple[float | None, U8 | None]]) -> Verdict:
    """What three choices (time, picture), best first, are worth. Fewer are judged as they are."""
    found = [find(whole, picture, claimed) for claimed, picture in choices]
    at = tuple(float(whole.times[number]) for number in found)
    return judge_times(video, whole, at)


def judge_times(video: Labelled, whole: Film, at: tuple[float, ...]) -> Verdict:
    """As :func:`judge`, for times of frames."""
    numbers = np.clip(np.searchsorted(whole.times, np.array(at) + 1e-6, side="right") - 1, 0, None)
    shown = [(video.at(second), whole.thumbs[n]) for second, n in zip(at, numbers, strict=True)]
    spans = tuple(span for span, _ in shown)
    apart = [differ(a, b) for a, b in itertools.combinations(shown, 2)]
    # Of up to three things: all pairs, one pair, or nothing differs.
    groups = len(shown) if all(apart) else 2 if any(apart) else 1
    return Verdict(
        at, spans,
        first_good=bool(spans) and spans[0].good,
        all_good=bool(spans) and all(span.good for span in spans),
        enough_different=bool(spans) and groups >= video.different,
    )  # fmt: skip
