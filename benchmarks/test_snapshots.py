"""20 scattered exact snapshots at full size."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.jobs import SnapshotsJob
from benchmarks.rivals import LIMITS, RIVALS

COUNT = 20
OTHER_FILES = (
    "h264-1080p-gop10-12min",
    "hevc-1080p-12min",
    "vp9-1080p-12min",
    "av1-1080p-12min",
    "h264-2160p-12min",
)
FEW = ["limit", "torchcodec", "torchcodec x2", "decord", "OpenCV"]


def _job(file: Any) -> SnapshotsJob:
    recipe = file.recipe
    return SnapshotsJob(
        path=str(file.path),
        times=tuple(file.table.scatter(COUNT)),
        frame_seconds=file.table.frame_seconds,
        width=recipe.width,
        height=recipe.height,
    )


def test_scattered(suite: Any, benchmark: Any) -> None:
    file = suite.file("h264-1080p-12min")
    suite.compare(
        benchmark,
        name="snapshots-20/h264-1080p-12min",
        title="20 scattered exact snapshots at full size, 12-min 1080p H.264",
        file=file,
        job=_job(file),
        contestants=[*(["limit"] if suite.quick else LIMITS), *RIVALS],
        rounds=suite.rounds(quick=4, full=9),
    )


@pytest.mark.full
@pytest.mark.parametrize("name", OTHER_FILES)
def test_scattered_in_other_files(suite: Any, benchmark: Any, name: str) -> None:
    file = suite.file(name)
    suite.compare(
        benchmark,
        name=f"snapshots-20/{name}",
        title=f"20 scattered exact snapshots at full size, {name}",
        file=file,
        job=_job(file),
        contestants=FEW,
        rounds=3,
    )
