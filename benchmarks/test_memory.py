"""Peak memory above the imported libraries, 1080p: whatever the number of cells or the length."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import probes

# (corpus file, what, how many)
JOBS = (
    ("h264-1080p-12min", "keyframe", 100),
    ("h264-1080p-12min", "keyframe", 300),
    ("h264-1080p-12min", "snapshots", 20),
    pytest.param("h264-1080p-12min", "exact", 100, marks=pytest.mark.full),
    pytest.param("h264-1080p-12min", "keyframe", 1000, marks=pytest.mark.full),
    pytest.param("h264-1080p-2h", "keyframe", 100, marks=pytest.mark.full),
    pytest.param("h264-1080p-2h", "keyframe", 1000, marks=pytest.mark.full),
)


@pytest.mark.parametrize(("name", "what", "count"), JOBS)
def test_peak_memory(suite: Any, name: str, what: str, count: int) -> None:
    path = suite.file(name).path
    measured = probes.peak_memory(path, what, count, rounds=suite.rounds(quick=2, full=3))
    suite.probe(f"memory/{what}-{count}/{name}", measured)
    worst = suite.results["probes"].get("memory-worst", {"median": 0})
    if measured["above_libraries"] > worst["median"]:
        suite.results["probes"]["memory-worst"] = {
            "median": measured["above_libraries"],
            "min": measured["lowest"],
            "max": measured["highest"],
            "job": f"{what}-{count}/{name}",
        }
