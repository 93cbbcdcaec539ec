"""What a contestant is asked to do, and what it hands back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

__all__ = [
    "CoverJob",
    "Job",
    "Outcome",
    "RankingJob",
    "Reply",
    "SnapshotsJob",
    "SpriteJob",
    "Stretch",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverJob:
    """One keyframe as a JPEG of this size, the file opened fresh.

    ``at`` lies inside the stretch in which a keyframe is shown, so a tool that knows only exact
    frames has to decode nothing else either.
    """

    path: str
    at: float
    width: int = 640
    height: int = 360
    quality: int = 85


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotsJob:
    """The exact frames at these (unsorted) times, at full size, as RGB arrays in that order."""

    path: str
    times: tuple[float, ...]
    frame_seconds: float
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SpriteJob:
    """One page with a cell for each of these (sorted) times, as a JPEG.

    ``frame_seconds``, the length of a frame, is for tools that count frames or cut between them.
    ``accuracy`` is ``"keyframe"``, ``"exact"`` or a tolerance in seconds. ``step`` is the spacing
    of the times, for tools that take a rate instead of times.
    """

    path: str
    times: tuple[float, ...]
    accuracy: str | float
    step: float
    frame_seconds: float
    cell: tuple[int, int] = (160, 90)
    columns: int = 10
    quality: int = 85

    @property
    def rows(self) -> int:
        return -(-len(self.times) // self.columns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Packets from ``first`` to ``last`` in decode order, and the frames ``wanted`` among them.

    All by pts, in ticks of the stream.
    """

    first: int
    last: int
    wanted: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingJob:
    """The ``count`` best frames of a file, different ones, as JPEGs ``width`` pixels wide.

    Which frames is the contestant's choice. ``times`` (seconds) and ``decoded`` are for the
    limits: the engine's candidates, and everything it decodes on the way to its covers, noted in a
    run before the timing. ``keyframes``, ``frames`` and ``seconds``, how much there is of the
    file, are for tools that have to be told how much they are to choose from.
    """

    path: str
    times: tuple[float, ...]
    decoded: tuple[Stretch, ...]
    keyframes: int
    frames: int
    seconds: float
    count: int = 3
    width: int = 640
    quality: int = 85


Job = CoverJob | SnapshotsJob | SpriteJob | RankingJob


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What one run made.

    ``jpeg`` for a cover or a sprite, ``jpegs`` for a ranking, ``pictures`` for snapshots. ``shown``
    is what the contestant itself says about which frames these are, in seconds from the first shown
    frame, where it says anything. The limits make no pictures, only ``shown``.
    """

    jpeg: bytes | None = None
    jpegs: list[bytes] | None = None
    pictures: list[np.ndarray] | None = None
    shown: list[float] | None = None
    counters: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Literal["jpeg", "jpegs", "pictures", "nothing"]:
        if self.jpegs:
            return "jpegs"
        return "jpeg" if self.jpeg else "pictures" if self.pictures else "nothing"


@dataclass(kw_only=True, slots=True)
class Reply:
    """One timed run. ``cpu_seconds`` includes processes the contestant started."""

    seconds: float
    cpu_seconds: float
    outcome: Outcome = field(default_factory=Outcome)
