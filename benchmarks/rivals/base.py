"""What every contestant has in common."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.jobs import CoverJob, Job, Outcome, RankingJob, SnapshotsJob, SpriteJob

__all__ = ["Contestant", "NotOffered", "cores", "tile_rgb"]


class NotOffered(Exception):
    """The tool cannot do this job at all."""


def cores() -> int:
    """The cores this process may use: the same for every contestant of a run."""
    return len(os.sched_getaffinity(0))


class Contestant:
    """One tool, called in one way.

    ``recipe`` says in a line how it is called, for the report. ``whole_file`` marks one that reads
    through everything whatever is asked, and is therefore run fewer times.
    """

    recipe = ""
    whole_file = False

    def version(self) -> str:
        """Version of the tool, as it reports it. Raises where it is not installed."""
        raise NotImplementedError

    def prepare(self, job: Job) -> Any:
        """Anything outside the clock. Only the limits use it: they are handed their packets."""
        return None

    def run(self, job: Job, prepared: Any) -> Outcome:
        """Do the job; this is what is timed."""
        match job:
            case CoverJob():
                return self.cover(job)
            case SnapshotsJob():
                return self.snapshots(job)
            case SpriteJob():
                return self.sprite(job)
            case RankingJob():
                return self.ranking(job)

    def cover(self, job: CoverJob) -> Outcome:
        raise NotOffered

    def snapshots(self, job: SnapshotsJob) -> Outcome:
        raise NotOffered

    def sprite(self, job: SpriteJob) -> Outcome:
        raise NotOffered

    def ranking(self, job: RankingJob) -> Outcome:
        raise NotOffered


def tile_rgb(cells: list[np.ndarray] | np.ndarray, job: SpriteJob) -> np.ndarray:
    """Put RGB cells on one page, as a user of an array library does."""
    width, height = job.cell
    page = np.zeros((job.rows * height, job.columns * width, 3), np.uint8)
    for number, cell in enumerate(cells):
        row, column = divmod(number, job.columns)
        top, left = row * height, column * width
        page[top : top + height, left : left + width] = cell
    return page
