"""The ffmpeg command line, in every recipe worth trying.

For a keyframe sprite: ``nokey`` is the recipe in most guides. ``discard`` drops the other packets
in the demuxer already and gives each core one half of the file. ``inputs`` opens the file once per
cell with ``-ss`` before ``-i``. ``concat`` asks ffprobe for the keyframes, then reads only those
through the concat demuxer. For an exact one, ``common`` is what most people run. "x2" stands for
one process per core; the parts are stacked by one more call, as a script would.

For a ranking the ``thumbnail`` filter takes of each batch of n frames the one whose histogram is
nearest to the batch's mean; n is told it for free, a user would have to count first. ``thumbnail``
is how guides write it. ``thirds`` gives each picture's share of the file a process of its own and
scales before the filter, which then compares small pictures. Over all frames that is the only order
that fits into memory: a batch is held as RGB, and 5768 frames of 1080p are 36 GB. (Scaling by
fast_bilinear saves 7 % of the processor time, but its pictures do not pass as right.)
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.jobs import CoverJob, Outcome, RankingJob, SnapshotsJob, SpriteJob
from benchmarks.rivals.base import Contestant, NotOffered, cores

__all__ = ["Ffmpeg"]

_RECIPES = {
    "nokey": "-skip_frame nokey -i F -vf fps=1/N,scale,tile",
    "discard": "per core: -ss/-t a part, -discard nokey -i F -vf fps=1/N,scale,tile",
    "inputs": "per core: -ss T -i F once per picture, one decoder thread each",
    "concat": "ffprobe for keyframes; per core: concat demuxer with inpoint at each keyframe",
    "common": "-i F -vf fps=1/N,scale,tile",
    "thumbnail": "-skip_frame nokey -i F -vf thumbnail=n=KEYFRAMES/3,scale=640:-2 -frames:v 3",
    "thirds": "3 processes: -ss/-t a third, -skip_frame nokey -i F -vf scale=640:-2,thumbnail",
    "thumbnail-all": "-i F -vf scale=640:-2,thumbnail=n=FRAMES/3 -frames:v 3",
}
_RANKING = ("thumbnail", "thirds", "thumbnail-all")
_QUIET = ["ffmpeg", "-y", "-nostdin", "-v", "error"]


class Ffmpeg(Contestant):
    def __init__(self, recipe: str) -> None:
        self.name = recipe
        self.recipe = _RECIPES[recipe]
        self.whole_file = recipe in ("common", "thumbnail-all")

    def version(self) -> str:
        if not shutil.which("ffmpeg"):
            raise ImportError("no ffmpeg on the path")
        said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout
        return said.split("version ")[1].split()[0]

    def cover(self, job: CoverJob) -> Outcome:
        if self.name != "inputs":
            raise NotOffered
        command = [*_QUIET, "-threads", "1", "-skip_frame", "nokey", "-noaccurate_seek"]
        command += ["-ss", f"{job.at:.6f}", "-i", job.path, "-an", "-frames:v", "1"]
        command += ["-vf", f"scale={job.width}:{job.height}", "-q:v", "3", "-f", "mjpeg", "pipe:1"]
        return Outcome(jpeg=subprocess.run(command, capture_output=True, check=True).stdout)

    def snapshots(self, job: SnapshotsJob) -> Outcome:
        if self.name != "inputs":
            raise NotOffered
        size = job.width * job.height * 3
        order = sorted(range(len(job.times)), key=lambda i: job.times[i])

        def part(mine: list[int]) -> list[np.ndarray]:
            times = [job.times[i] - 0.75 * job.frame_seconds for i in mine]
            command = _inputs(job.path, times, "exact", "null", "null")
            command += ["-vsync", "0", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"]
            raw = subprocess.run(command, capture_output=True, check=True).stdout
            flat = np.frombuffer(raw, np.uint8)
            return [
                flat[n * size : (n + 1) * size].reshape(job.height, job.width, 3)
                for n in range(len(mine))
            ]

        pictures: list[np.ndarray] = [np.zeros(0)] * len(order)
        parts = _shares(order)
        with ThreadPoolExecutor(len(parts)) as pool:
            for mine, made in zip(parts, pool.map(part, parts), strict=True):
                for i, picture in zip(mine, made, strict=True):
                    pictures[i] = picture
        return Outcome(pictures=pictures)

    def sprite(self, job: SpriteJob) -> Outcome:
        exact = job.accuracy == "exact"
        if self.name in _RANKING:
            raise NotOffered
        if exact != (self.name == "common") and self.name != "inputs":
            raise NotOffered
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "page.jpg"
            if self.name in ("nokey", "common"):
                skip = ["-skip_frame", "nokey"] if self.name == "nokey" else []
                command = [*_QUIET, *skip, "-i", job.path, "-an", "-vf", _fps(job, job.rows)]
                subprocess.run([*command, "-frames:v", "1", "-q:v", "3", str(out)], check=True)
            elif self.name == "discard":
                self._halves(job, Path(folder), out, self._discard)
            elif self.name == "inputs":
                self._halves(job, Path(folder), out, self._inputs)
            else:
                keys = _keyframes(job.path)
                moved = {t: float(keys[np.argmin(np.abs(keys - t))]) for t in job.times}

                def concat(job: SpriteJob, rows: list[int], part: Path) -> list[str]:
                    return self._concat(job, rows, part, moved)

                self._halves(job, Path(folder), out, concat)
            return Outcome(jpeg=out.read_bytes())

    def ranking(self, job: RankingJob) -> Outcome:
        if self.name not in _RANKING:
            raise NotOffered
        scale = f"scale={job.width}:-2"
        if self.name == "thumbnail":
            batch = -(-job.keyframes // job.count)
            chain = f"thumbnail=n={batch},{scale}"
            made = _thumbnails(job, ["-skip_frame", "nokey"], chain, job.count)
        elif self.name == "thumbnail-all":
            batch = -(-job.frames // job.count)
            made = _thumbnails(job, [], f"{scale},thumbnail=n={batch}", job.count)
        else:
            threads, third = str(-(-cores() // job.count)), job.seconds / job.count

            def part(number: int) -> list[tuple[bytes, float]]:
                before = ["-threads", threads, "-skip_frame", "nokey"]
                before += ["-ss", f"{third * number:.6f}", "-t", f"{third:.6f}"]
                # A batch that never gets full ends with its part.
                return _thumbnails(job, before, f"{scale},thumbnail=n={job.keyframes}", 1)

            with ThreadPoolExecutor(job.count) as pool:
                made = [one for some in pool.map(part, range(job.count)) for one in some]
        return Outcome(jpegs=[jpeg for jpeg, _ in made], shown=[seconds for _, seconds in made])

    def _halves(
        self,
        job: SpriteJob,
        folder: Path,
        out: Path,
        build: Callable[[SpriteJob, list[int], Path], list[str]],
    ) -> None:
        """One process per core, each making some rows; then one call that stacks them."""
        shares = _shares(list(range(job.rows)))
        parts = [folder / f"part{number}.bmp" for number in range(len(shares))]

        def run(number: int) -> None:
            subprocess.run(build(job, shares[number], parts[number]), check=True)

        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(run, range(len(parts))))
        command = list(_QUIET)
        for part in parts:
            command += ["-i", str(part)]
        if len(parts) > 1:
            command += ["-filter_complex", f"vstack=inputs={len(parts)}"]
        subprocess.run([*command, "-q:v", "3", str(out)], check=True)

    def _discard(self, job: SpriteJob, rows: list[int], part: Path) -> list[str]:
        first, count = rows[0] * job.columns, len(rows) * job.columns
        command = [*_QUIET, "-threads", "1", "-discard", "nokey", "-skip_frame", "nokey"]
        command += ["-ss", f"{first * job.step:.6f}", "-t", f"{count * job.step:.6f}"]
        command += ["-i", job.path, "-an", "-vf", _fps(job, len(rows)), "-frames:v", "1"]
        return [*command, str(part)]

    def _inputs(self, job: SpriteJob, rows: list[int], part: Path) -> list[str]:
        # Accurate -ss shows the first frame that starts at or after the time given, not the one
        # shown then: a quarter of a frame before the start of a frame means that frame.
        early = 0.75 * job.frame_seconds if job.accuracy == "exact" else 0.0
        times = [seconds - early for seconds in _times(job, rows)]
        width, height = job.cell
        command = _inputs(
            job.path,
            times,
            str(job.accuracy),
            f"scale={width}:{height}",
            f"tile={job.columns}x{len(rows)}",
        )
        return [*command, "-frames:v", "1", str(part)]

    def _concat(
        self, job: SpriteJob, rows: list[int], part: Path, moved: dict[float, float]
    ) -> list[str]:
        listing = part.with_suffix(".txt")
        lines = ["ffconcat version 1.0"]
        for seconds in _times(job, rows):
            lines += [f"file '{job.path}'", f"inpoint {moved[seconds]:.6f}"]
            lines += [f"outpoint {moved[seconds] + 0.001:.6f}"]
        listing.write_text("\n".join(lines) + "\n")
        width, height = job.cell
        chain = f"scale={width}:{height},tile={job.columns}x{len(rows)}"
        command = [*_QUIET, "-threads", "1", "-skip_frame", "nokey", "-f", "concat", "-safe", "0"]
        command += ["-i", str(listing), "-an", "-vsync", "0", "-vf", chain, "-frames:v", "1"]
        return [*command, str(part)]


def _shares(items: list[int]) -> list[list[int]]:
    share = -(-len(items) // cores())
    return [items[i : i + share] for i in range(0, len(items), share)]


def _times(job: SpriteJob, rows: list[int]) -> list[float]:
    return list(job.times[rows[0] * job.columns : (rows[-1] + 1) * job.columns])


def _fps(job: SpriteJob, rows: int) -> str:
    width, height = job.cell
    return f"fps=1/{job.step:.6f},scale={width}:{height},tile={job.columns}x{rows}"


def _inputs(path: str, times: list[float], accuracy: str, each: str, after: str) -> list[str]:
    """One input per time, one frame of each, one after the other."""
    command = list(_QUIET)
    keyframe = [] if accuracy == "exact" else ["-noaccurate_seek", "-skip_frame", "nokey"]
    for seconds in times:
        command += ["-threads", "1", *keyframe, "-ss", f"{seconds:.6f}", "-t", "1", "-i", path]
    graph = ""
    for number in range(len(times)):
        graph += f"[{number}:v:0]trim=end_frame=1,{each},setpts=0[p{number}];"
    graph += "".join(f"[p{number}]" for number in range(len(times)))
    graph += f"concat=n={len(times)}:v=1:a=0,{after}[out]"
    return [*command, "-filter_complex", graph, "-map", "[out]"]


def _thumbnails(
    job: RankingJob, before: list[str], chain: str, count: int
) -> list[tuple[bytes, float]]:
    """JPEGs and seconds of the frames one call chooses."""
    command = ["ffmpeg", "-y", "-nostdin", "-hide_banner", "-nostats", "-copyts", "-start_at_zero"]
    command += [*before, "-i", job.path, "-an", "-vf", f"{chain},showinfo", "-vsync", "0"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "%d.jpg"
        command += ["-frames:v", str(count), "-q:v", "3", str(out)]
        said = subprocess.run(command, capture_output=True, check=True, text=True).stderr
        made = sorted(Path(folder).iterdir(), key=lambda path: int(path.stem))
        jpegs = [path.read_bytes() for path in made]
    base = re.search(r"showinfo.* time_base: (\d+/\d+)", said)
    assert base is not None, "no time base told"
    stamps = re.findall(r"showinfo.* n: *\d+ pts: *(\d+) ", said)
    times = [float(int(pts) * Fraction(base[1])) for pts in stamps]
    return list(zip(jpegs, times, strict=True))


def _keyframes(path: str) -> np.ndarray:
    """Times of all keyframes: packets only, nothing is decoded."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries"]
    command += ["packet=pts_time,flags", "-of", "csv=p=0", path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return np.array([float(line.split(",")[0]) for line in said.split() if ",K" in line])
