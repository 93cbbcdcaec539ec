"""One keyframe as a JPEG 640 pixels wide, the file opened fresh, the process warm."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.jobs import CoverJob
from benchmarks.rivals import RIVALS

OTHER_FILES = (
    "h264-1080p-2h",
    "hevc-1080p-12min",
    "vp9-1080p-12min",
    "av1-1080p-12min",
    "h264-2160p-12min",
)


def _job(file: Any) -> CoverJob:
    table = file.table
    return CoverJob(path=str(file.path), at=table.middle_of(table.typical_keyframe()))


def test_cover(suite: Any, benchmark: Any) -> None:
    file = suite.file("h264-1080p-12min")
    suite.compare(
        benchmark,
        name="cover/h264-1080p-12min",
        title="one keyframe cover, file opened fresh, process warm, 12-min 1080p H.264",
        file=file,
        job=_job(file),
        contestants=["limit", *RIVALS],
        rounds=suite.rounds(quick=15, full=31),
    )


@pytest.mark.full
@pytest.mark.parametrize("name", OTHER_FILES)
def test_cover_of_other_files(suite: Any, benchmark: Any, name: str) -> None:
    file = suite.file(name)
    suite.compare(
        benchmark,
        name=f"cover/{name}",
        title=f"one keyframe cover, {name}",
        file=file,
        job=_job(file),
        contestants=["limit", *RIVALS],
        rounds=9,
    )
