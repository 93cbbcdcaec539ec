"""A sprite of 100 cells: by keyframe, by tolerance, exact."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.jobs import SpriteJob
from benchmarks.rivals import LIMITS, RIVALS

CELLS = 100
OTHER_FILES = (
    "h264-1080p-gop1-12min",
    "h264-1080p-gop10-12min",
    "hevc-1080p-12min",
    "vp9-1080p-12min",
    "av1-1080p-12min",
    "h264-2160p-12min",
    "hevc-2160p-12min",
    "vp9-2160p-12min",
    "av1-2160p-12min",
)
# The long tail of rivals adds nothing per codec but half an hour.
FEW = ["limit", "ffmpeg skip_frame nokey", "ffmpeg discard nokey x2", "ffmpeg concat x2"]
FEW_EXACT = ["limit", "torchcodec", "torchcodec x2"]


def _job(file: Any, accuracy: str | float) -> SpriteJob:
    table = file.table
    return SpriteJob(
        path=str(file.path),
        times=tuple(table.spread(CELLS)),
        accuracy=accuracy,
        step=table.seconds / CELLS,
        frame_seconds=table.frame_seconds,
    )


def test_keyframe(suite: Any, benchmark: Any) -> None:
    file = suite.file("h264-1080p-12min")
    suite.compare(
        benchmark,
        name="sprite-keyframe/h264-1080p-12min",
        title="100-cell sprite, keyframe accuracy, 12-min 1080p H.264",
        file=file,
        job=_job(file, "keyframe"),
        contestants=[*(["limit"] if suite.quick else LIMITS), *RIVALS],
        rounds=suite.rounds(quick=2, full=7),
    )


def test_tolerance(suite: Any, benchmark: Any) -> None:
    file = suite.file("h264-1080p-12min")
    suite.compare(
        benchmark,
        name="sprite-tolerance/h264-1080p-12min",
        title="100-cell sprite, within 0.5 s, 12-min 1080p H.264",
        file=file,
        job=_job(file, 0.5),
        contestants=["limit"],
        rounds=suite.rounds(quick=2, full=5),
    )


def test_exact(suite: Any, benchmark: Any) -> None:
    file = suite.file("h264-1080p-12min")
    suite.compare(
        benchmark,
        name="sprite-exact/h264-1080p-12min",
        title="100-cell sprite, exact, 12-min 1080p H.264",
        file=file,
        job=_job(file, "exact"),
        contestants=[*(["limit"] if suite.quick else LIMITS), *RIVALS],
        rounds=suite.rounds(quick=2, full=4),
    )


@pytest.mark.full
@pytest.mark.parametrize("name", OTHER_FILES)
def test_keyframe_of_other_files(suite: Any, benchmark: Any, name: str) -> None:
    file = suite.file(name)
    suite.compare(
        benchmark,
        name=f"sprite-keyframe/{name}",
        title=f"100-cell sprite, keyframe accuracy, {name}",
        file=file,
        job=_job(file, "keyframe"),
        contestants=FEW,
        rounds=3,
    )


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in OTHER_FILES if "1080p" in name])
def test_exact_of_other_files(suite: Any, benchmark: Any, name: str) -> None:
    file = suite.file(name)
    suite.compare(
        benchmark,
        name=f"sprite-exact/{name}",
        title=f"100-cell sprite, exact, {name}",
        file=file,
        job=_job(file, "exact"),
        contestants=FEW_EXACT,
        rounds=2,
    )
