"""Plain PyAV: what one writes after reading its documentation. Exact, sorted, all cores."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np

from benchmarks.jobs import CoverJob, Outcome, SnapshotsJob, SpriteJob
from benchmarks.rivals.base import Contestant, tile_rgb

__all__ = ["PlainPyAV"]


class PlainPyAV(Contestant):
    recipe = 'sorted seeks, thread_type="AUTO", to_ndarray(); NONKEY for keyframes'

    def version(self) -> str:
        return str(av.__version__)

    def cover(self, job: CoverJob) -> Outcome:
        with av.open(job.path) as container:
            stream = container.streams.video[0]
            stream.codec_context.skip_frame = "NONKEY"
            container.seek(int(job.at / stream.time_base), stream=stream)
            frame = next(container.decode(stream))
            image = frame.to_image(width=job.width, height=job.height)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=job.quality)
        return Outcome(jpeg=out.getvalue(), shown=[float(frame.time)])

    def snapshots(self, job: SnapshotsJob) -> Outcome:
        frames = self._exact(job.path, job.times, lambda frame: frame.to_ndarray(format="rgb24"))
        return Outcome(pictures=[p for p, _ in frames], shown=[t for _, t in frames])

    def sprite(self, job: SpriteJob) -> Outcome:
        import simplejpeg

        width, height = job.cell

        def small(frame: Any) -> np.ndarray:
            array: np.ndarray = frame.to_ndarray(
                format="rgb24", width=width, height=height, interpolation="AREA"
            )
            return array

        if job.accuracy == "exact":
            cells = self._exact(job.path, job.times, small)
        else:
            cells = self._keyframes(job.path, job.times, small)
        page = tile_rgb([cell for cell, _ in cells], job)
        jpeg = simplejpeg.encode_jpeg(page, quality=job.quality, colorsubsampling="420")
        return Outcome(jpeg=jpeg, shown=[seconds for _, seconds in cells])

    def _keyframes(self, path: str, times: tuple[float, ...], use: Any) -> list[Any]:
        """The keyframe before each time."""
        found = []
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.codec_context.skip_frame = "NONKEY"  # one frame per seek: threads gain nothing
            start = (stream.start_time or 0) * stream.time_base
            for seconds in times:
                container.seek(int((seconds + start) / stream.time_base), stream=stream)
                frame = next(container.decode(stream))
                found.append((use(frame), float(frame.time - start)))
        return found

    def _exact(self, path: str, times: tuple[float, ...], use: Any) -> list[Any]:
        """The frame shown at each time: seek where that helps, decode until past it."""
        found: dict[float, Any] = {}
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            start = (stream.start_time or 0) * stream.time_base
            for seconds in sorted(set(times)):
                target = seconds + start
                container.seek(int(target / stream.time_base), stream=stream)
                last = None
                for frame in container.decode(stream):
                    if frame.time > target:
                        break
                    last = frame
                assert last is not None
                found[seconds] = (use(last), float(last.time - start))
        return [found[seconds] for seconds in times]
