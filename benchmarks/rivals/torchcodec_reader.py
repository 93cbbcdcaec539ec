"""torchcodec: VideoDecoder, batches by time, scaling inside the decoder.

Approximate seek mode skips the scan of the file and is exact for a constant frame rate, which this
corpus has. ``decoders="2"`` is the hand-written parallel form of torchcodec's own tutorial: one
decoder per core, each with one thread, over disjoint times.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import simplejpeg
import torch
import torchcodec
from torchcodec.decoders import VideoDecoder
from torchcodec.transforms import Resize

from benchmarks.jobs import CoverJob, Outcome, SnapshotsJob, SpriteJob
from benchmarks.rivals.base import Contestant, NotOffered, cores, tile_rgb

__all__ = ["Torchcodec"]


class Torchcodec(Contestant):
    def __init__(self, decoders: str) -> None:
        self.decoders = 1 if decoders == "1" else cores()
        self.threads = cores() if self.decoders == 1 else 1
        self.recipe = (
            f"seek_mode=approximate, {self.decoders} decoder(s) with num_ffmpeg_threads="
            f"{self.threads}, get_frames_played_at, NHWC, Resize inside the decoder"
        )

    def version(self) -> str:
        return f"{torchcodec.__version__} (torch {torch.__version__})"

    def cover(self, job: CoverJob) -> Outcome:
        if self.decoders > 1:
            raise NotOffered
        decoder = self._open(job.path, (job.height, job.width), threads=1)
        frame = decoder.get_frame_played_at(job.at)
        jpeg = simplejpeg.encode_jpeg(
            np.ascontiguousarray(frame.data.numpy()), quality=job.quality, colorsubsampling="420"
        )
        return Outcome(jpeg=jpeg, shown=[float(frame.pts_seconds)])

    def snapshots(self, job: SnapshotsJob) -> Outcome:
        pictures, shown = self._played_at(job.path, job.times, None)
        return Outcome(pictures=pictures, shown=shown)

    def sprite(self, job: SpriteJob) -> Outcome:
        if job.accuracy != "exact":
            raise NotOffered  # it has no way to ask for keyframes
        cells, shown = self._played_at(job.path, job.times, (job.cell[1], job.cell[0]))
        page = tile_rgb(cells, job)
        jpeg = simplejpeg.encode_jpeg(page, quality=job.quality, colorsubsampling="420")
        return Outcome(jpeg=jpeg, shown=shown)

    def _open(self, path: str, size: tuple[int, int] | None, threads: int) -> VideoDecoder:
        options: dict[str, Any] = {"transforms": [Resize(size)]} if size else {}
        return VideoDecoder(
            path,
            seek_mode="approximate",
            num_ffmpeg_threads=threads,
            dimension_order="NHWC",
            **options,
        )

    def _played_at(
        self, path: str, times: tuple[float, ...], size: tuple[int, int] | None
    ) -> tuple[list[np.ndarray], list[float]]:
        order = sorted(range(len(times)), key=lambda i: times[i])
        share = -(-len(order) // self.decoders)
        parts = [order[i : i + share] for i in range(0, len(order), share)]

        def part(mine: list[int]) -> Any:
            decoder = self._open(path, size, self.threads)
            return decoder.get_frames_played_at([times[i] for i in mine])

        with ThreadPoolExecutor(len(parts)) as pool:
            batches = list(pool.map(part, parts))
        pictures: list[Any] = [None] * len(times)
        shown = [0.0] * len(times)
        for mine, batch in zip(parts, batches, strict=True):
            data = batch.data.numpy()
            for number, i in enumerate(mine):
                pictures[i], shown[i] = data[number], float(batch.pts_seconds[number])
        return pictures, shown
