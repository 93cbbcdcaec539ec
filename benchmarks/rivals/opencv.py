"""OpenCV: VideoCapture with its FFmpeg backend, seeking by frame number.

``CAP_PROP_POS_MSEC`` rounds the time to the nearest frame number, which is the next frame for half
of all times; ``CAP_PROP_POS_FRAMES`` with the number computed by us shows the right one as long as
the frame rate is constant, as it is in this corpus. Grabbing through the whole file is slower in
every case here.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from benchmarks.jobs import CoverJob, Outcome, SnapshotsJob, SpriteJob
from benchmarks.rivals.base import Contestant, NotOffered, cores, tile_rgb

__all__ = ["OpenCV"]


class OpenCV(Contestant):
    recipe = "VideoCapture, POS_FRAMES seeks in order, N_THREADS = cores, INTER_AREA, imencode"

    def version(self) -> str:
        return str(cv2.__version__)

    def cover(self, job: CoverJob) -> Outcome:
        capture = self._open(job.path)
        picture = self._read(capture, job.at)
        size = (job.width, job.height)
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return Outcome(jpeg=_jpeg(small, job.quality))

    def snapshots(self, job: SnapshotsJob) -> Outcome:
        capture = self._open(job.path)
        found = {}
        for seconds in sorted(set(job.times)):
            found[seconds] = cv2.cvtColor(self._read(capture, seconds), cv2.COLOR_BGR2RGB)
        return Outcome(pictures=[found[seconds] for seconds in job.times])

    def sprite(self, job: SpriteJob) -> Outcome:
        if job.accuracy != "exact":
            raise NotOffered  # it has no way to ask for keyframes
        capture = self._open(job.path)
        cells = [
            cv2.resize(self._read(capture, seconds), job.cell, interpolation=cv2.INTER_AREA)
            for seconds in job.times
        ]
        return Outcome(jpeg=_jpeg(tile_rgb(cells, job), job.quality))

    def _open(self, path: str) -> Any:
        return cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, cores()])

    def _read(self, capture: Any, seconds: float) -> np.ndarray:
        capture.set(cv2.CAP_PROP_POS_FRAMES, math.floor(seconds * capture.get(cv2.CAP_PROP_FPS)))
        good, picture = capture.read()
        if not good:
            raise RuntimeError(f"no frame at {seconds}")
        array: np.ndarray = picture
        return array


def _jpeg(bgr: np.ndarray, quality: int) -> bytes:
    good, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert good
    return bytes(data)
