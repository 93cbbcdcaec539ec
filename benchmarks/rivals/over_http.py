"""Tools called for a URL, where the best way to call them is not the one for a local file.

With a URL ``-skip_frame nokey`` costs a tool most of its time: a decoder that passes over the
frames behind a keyframe does not give the keyframe out before two more of them have been read, or
the end: 3.4 MB for one cover instead of 1.2. So the keyframe is the first frame after a seek here.
``-multiple_requests``, ``-seekable``, ``-short_seek_size``, ``-probesize 32`` with
``-analyzeduration 0``, ``-flags low_delay`` and ``-fflags nobuffer`` changed nothing on this server
(a new connection costs nothing on it), within 2 %: the first two and the probing are left in, as
they help elsewhere. libavformat asks for a file from some byte to its end and hangs up when it has
to go elsewhere, which is one round trip for each place, and whatever is under way is lost.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.jobs import CoverJob, Outcome, SnapshotsJob, SpriteJob
from benchmarks.rivals.base import Contestant, NotOffered
from benchmarks.rivals.ffmpeg_cli import Ffmpeg, _shares, _times
from benchmarks.rivals.pyav import PlainPyAV

__all__ = ["FfmpegHttp", "PyAVHttp"]

_QUIET = ["ffmpeg", "-y", "-nostdin", "-v", "error"]
_BEFORE = ["-multiple_requests", "1", "-seekable", "1", "-probesize", "32"]
_BEFORE += ["-analyzeduration", "0", "-threads", "1", "-noaccurate_seek"]
_SAID = " ".join(_BEFORE)
_AT_ONCE = 8

_RECIPES = {
    "one": f"{_SAID} -ss T -i URL -frames:v 1",
    "inputs": f"per core: {_SAID} -ss T -i URL once per picture, one decoder thread each",
    "each": f"one process per picture, {_AT_ONCE} at a time: {_SAID} -ss T -i URL; tiled by one",
}


class FfmpegHttp(Contestant):
    """``one``: a cover. ``inputs``, ``each``: a sprite."""

    def __init__(self, recipe: str) -> None:
        self.name = recipe
        self.recipe = _RECIPES[recipe]

    def version(self) -> str:
        return Ffmpeg("nokey").version()

    def cover(self, job: CoverJob) -> Outcome:
        if self.name != "one":
            raise NotOffered
        command = [*_QUIET, *_BEFORE, "-ss", f"{job.at:.6f}", "-i", job.path, "-an"]
        command += ["-frames:v", "1", "-vf", f"scale={job.width}:{job.height}", "-q:v", "3"]
        command += ["-f", "mjpeg", "pipe:1"]
        return Outcome(jpeg=subprocess.run(command, capture_output=True, check=True).stdout)

    def snapshots(self, job: SnapshotsJob) -> Outcome:
        """Exact frames, one process per core, one input per picture: decoded from the keyframe."""
        if self.name != "inputs":
            raise NotOffered
        return Ffmpeg("inputs").snapshots(job)

    def sprite(self, job: SpriteJob) -> Outcome:
        if self.name == "one" or job.accuracy != "keyframe":
            raise NotOffered
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "page.jpg"
            (self._inputs if self.name == "inputs" else self._each)(job, Path(folder), out)
            return Outcome(jpeg=out.read_bytes())

    def _inputs(self, job: SpriteJob, folder: Path, out: Path) -> None:
        parts = [folder / f"{number}.png" for number in range(len(_shares(list(range(job.rows)))))]

        def part(rows: list[int], made: Path) -> None:
            command, graph, times = list(_QUIET), "", _times(job, rows)
            for number, seconds in enumerate(times):
                command += [*_BEFORE, "-ss", f"{seconds:.6f}", "-t", "1", "-i", job.path]
                graph += f"[{number}:v:0]trim=end_frame=1,{_scale(job)},setpts=0[p{number}];"
            graph += "".join(f"[p{number}]" for number in range(len(times)))
            graph += f"concat=n={len(times)}:v=1:a=0,tile={job.columns}x{len(rows)}[out]"
            command += ["-filter_complex", graph, "-map", "[out]", "-frames:v", "1", str(made)]
            subprocess.run(command, check=True, capture_output=True)

        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(part, _shares(list(range(job.rows))), parts))
        command = list(_QUIET)
        for made in parts:
            command += ["-i", str(made)]
        if len(parts) > 1:
            command += ["-filter_complex", f"vstack=inputs={len(parts)}"]
        subprocess.run([*command, "-frames:v", "1", "-q:v", "3", str(out)], check=True)

    def _each(self, job: SpriteJob, folder: Path, out: Path) -> None:
        def one(number: int) -> None:
            command = [*_QUIET, *_BEFORE, "-ss", f"{job.times[number]:.6f}", "-i", job.path, "-an"]
            # Else what lies before the time is dropped after all.
            command += ["-vsync", "0", "-frames:v", "1", "-vf", _scale(job)]
            command += [str(folder / f"{number:04}.png")]
            subprocess.run(command, check=True, capture_output=True)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(one, range(len(job.times))))
        command = [*_QUIET, "-i", str(folder / "%04d.png"), "-vf", f"tile={job.columns}x{job.rows}"]
        subprocess.run([*command, "-frames:v", "1", "-q:v", "3", str(out)], check=True)


class PyAVHttp(PlainPyAV):
    """One open, one seek per picture. ``multiple_requests`` and its kind changed nothing here."""

    recipe = 'one open, a seek per picture and its first frame; exact: thread_type="AUTO"'

    def cover(self, job: CoverJob) -> Outcome:
        with av.open(job.path) as container:
            stream = container.streams.video[0]
            container.seek(int(job.at / stream.time_base), stream=stream)
            frame = next(container.decode(stream))
            image = frame.to_image(width=job.width, height=job.height)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=job.quality)
        return Outcome(jpeg=out.getvalue(), shown=[float(frame.time)])

    def sprite(self, job: SpriteJob) -> Outcome:
        if job.accuracy != "keyframe":
            raise NotOffered
        return super().sprite(job)

    def _keyframes(self, path: str, times: tuple[float, ...], use: Any) -> list[Any]:
        found: list[tuple[np.ndarray, float]] = []
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # frame threads would have to be filled first
            start = (stream.start_time or 0) * stream.time_base
            for seconds in times:
                container.seek(int((seconds + start) / stream.time_base), stream=stream)
                frame = next(container.decode(stream))
                found.append((use(frame), float(frame.time - start)))
        return found


def _scale(job: SpriteJob) -> str:
    return f"scale={job.cell[0]}:{job.cell[1]}"
