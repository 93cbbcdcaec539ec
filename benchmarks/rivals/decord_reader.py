"""decord: VideoReader scaling in its filter graph, get_batch over indices from its own table."""

from __future__ import annotations

import decord
import numpy as np
import simplejpeg

from benchmarks.jobs import CoverJob, Outcome, SnapshotsJob, SpriteJob
from benchmarks.rivals.base import Contestant, cores, tile_rgb

__all__ = ["Decord"]


class Decord(Contestant):
    recipe = "VideoReader(num_threads=cores, width, height), get_batch(indices by timestamp)"

    def version(self) -> str:
        return str(decord.__version__)

    def cover(self, job: CoverJob) -> Outcome:
        reader = decord.VideoReader(job.path, num_threads=1, width=job.width, height=job.height)
        indices, shown = _indices(reader, (job.at,))
        picture = reader[indices[0]].asnumpy()
        jpeg = simplejpeg.encode_jpeg(picture, quality=job.quality, colorsubsampling="420")
        return Outcome(jpeg=jpeg, shown=shown)

    def snapshots(self, job: SnapshotsJob) -> Outcome:
        reader = decord.VideoReader(job.path, num_threads=cores())
        times = sorted(set(job.times))
        indices, shown = _indices(reader, tuple(times))
        batch = reader.get_batch(indices).asnumpy()
        where = {seconds: number for number, seconds in enumerate(times)}
        order = [where[seconds] for seconds in job.times]
        return Outcome(pictures=[batch[i] for i in order], shown=[shown[i] for i in order])

    def sprite(self, job: SpriteJob) -> Outcome:
        width, height = job.cell
        reader = decord.VideoReader(job.path, num_threads=cores(), width=width, height=height)
        indices, shown = _indices(reader, job.times, keyframes=job.accuracy != "exact")
        page = tile_rgb(reader.get_batch(indices).asnumpy(), job)
        jpeg = simplejpeg.encode_jpeg(page, quality=job.quality, colorsubsampling="420")
        return Outcome(jpeg=jpeg, shown=shown)


def _indices(
    reader: decord.VideoReader, times: tuple[float, ...], keyframes: bool = False
) -> tuple[list[int], list[float]]:
    """Frame numbers for these times, and the times of those frames."""
    starts = reader.get_frame_timestamp(np.arange(len(reader)))[:, 0]
    if keyframes:
        keys = np.asarray(reader.get_key_indices())
        chosen = [int(keys[np.argmin(np.abs(starts[keys] - seconds))]) for seconds in times]
    else:
        chosen = [int(i) for i in np.searchsorted(starts, np.asarray(times), side="right") - 1]
    return chosen, [float(starts[i] - starts[0]) for i in chosen]
