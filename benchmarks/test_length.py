"""The same pictures from two hours as from twelve minutes: the length must not matter."""

from __future__ import annotations

import io
import os
import statistics
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import probes
from benchmarks.jobs import SpriteJob
from benchmarks.rivals import ENGINE
from benchmarks.verify import verify

CELLS = 100


def _run(worker: Any, job: SpriteJob) -> float:
    worker.rest()
    return float(worker.run(job).seconds)


@pytest.mark.full
def test_time(suite: Any) -> None:
    """Alternates the two files; the cells show the same frames, so the decoding is the same."""
    short, long = suite.file("h264-1080p-12min"), suite.file("h264-1080p-2h")
    times = short.table.spread(CELLS)
    moved = short.table.same_pictures(times, long.table)
    jobs = []
    for file, chosen in ((short, times), (long, moved)):
        step = file.table.seconds / CELLS
        jobs.append(
            SpriteJob(
                path=str(file.path),
                times=tuple(chosen),
                accuracy="keyframe",
                step=step,
                frame_seconds=file.table.frame_seconds,
            )
        )
    worker = suite.worker(ENGINE)
    pages = []
    for file, job in zip((short, long), jobs, strict=True):
        outcome = worker.run(job, keep=True).outcome
        verdict = verify(file, job, outcome)
        assert verdict.ok, verdict
        pages.append(np.asarray(Image.open(io.BytesIO(outcome.jpeg or b""))).astype(np.int16))
    load = os.getloadavg()[0]
    pairs = []
    for _ in range(suite.rounds(quick=4, full=9)):
        first, second = (_run(worker, job) for job in jobs)
        pairs.append((first, second))
    ratios = [second / first for first, second in pairs]
    suite.probe(
        "length-time",
        {
            "median": round(statistics.median(ratios), 4),
            "min": round(min(ratios), 4),
            "max": round(max(ratios), 4),
            "seconds_12min": round(statistics.median(first for first, _ in pairs), 4),
            "seconds_2h": round(statistics.median(second for _, second in pairs), 4),
            "pages_differ_by": int(np.abs(pages[0] - pages[1]).max()),
            "load_before": round(load, 2),
            "pairs": [[round(first, 4), round(second, 4)] for first, second in pairs],
        },
    )


@pytest.mark.full
def test_memory(suite: Any) -> None:
    """Peak memory of the whole job (libraries, kernels and all), so as not to divide small sums."""
    values = {}
    for name in ("h264-1080p-12min", "h264-1080p-2h"):
        values[name] = probes.peak_memory(suite.file(name).path, "keyframe", CELLS)
    short, long = values["h264-1080p-12min"], values["h264-1080p-2h"]

    def ratio(key: str, other: str) -> float:
        whole = long["libraries"] + long[key]
        return round(float(whole / (short["libraries"] + short[other])), 4)

    suite.probe(
        "length-memory",
        {
            "median": ratio("above_libraries", "above_libraries"),
            "min": ratio("lowest", "highest"),
            "max": ratio("highest", "lowest"),
            "above_libraries_alone": round(long["above_libraries"] / short["above_libraries"], 4),
            "12min": short,
            "2h": long,
        },
    )
