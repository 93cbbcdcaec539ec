"""Whoever chooses covers, as adapters: snapengine and the tools used for it today, at their best.

An adapter answers with a first choice, and with three choices if it can give three. A choice is
(seconds after the first frame or None, RGB picture or None); ``tests.media.cover_judge`` finds the
frame. Where three choices need another call than one, both are made.
"""

from __future__ import annotations

import io
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["CONTENDERS", "Answer", "Choice", "Contender", "Facts", "keyframe_count"]

U8 = npt.NDArray[np.uint8]
Choice = tuple[float | None, U8 | None]

_SIDE = (128, 72)  # of pictures that are only looked at to find their frame


@dataclass(frozen=True, slots=True)
class Facts:
    """What every contender may know of a file before it starts."""

    times: tuple[float, ...]  # of all frames, after the first
    keyframes: int

    @property
    def frames(self) -> int:
        return len(self.times)

    @property
    def seconds(self) -> float:
        step = self.times[-1] / max(1, self.frames - 1)
        return self.times[-1] + step


@dataclass(frozen=True, slots=True)
class Answer:
    """``three`` is None for who cannot give more than one."""

    first: Choice
    three: tuple[Choice, ...] | None
    scores: tuple[float, ...] = ()
    reasons: tuple[str, ...] = ()


def keyframe_count(path: Path) -> int:
    with av.open(str(path), metadata_errors="replace") as container:
        packets = container.demux(container.streams.video[0])
        return max(1, sum(packet.is_keyframe for packet in packets if packet.size))


class Contender:
    """One way to choose. ``recipe`` says how it is called."""

    name = ""
    recipe = ""

    def version(self) -> str:
        """Raises ImportError if it is not installed."""
        raise NotImplementedError

    def choose(self, path: Path, facts: Facts) -> Answer:
        raise NotImplementedError


class Snapengine(Contender):
    name = "snapengine"
    recipe = "video.covers(count=3)"

    def version(self) -> str:
        import snapengine

        if not hasattr(snapengine.Video, "covers"):
            raise ImportError("this snapengine has no Video.covers")
        return str(snapengine.__version__)

    def choose(self, path: Path, facts: Facts) -> Answer:
        import snapengine

        with snapengine.open(str(path)) as video:
            covers: list[Any] = list(video.covers(count=3))
            choices = tuple((float(one.time), one.to_ndarray()) for one in covers)
        return Answer(
            choices[0], choices,
            tuple(float(one.score) for one in covers),
            tuple(str(one.reasons) for one in covers),
        )  # fmt: skip


# --- ffmpeg --------------------------------------------------------------------------------------


class ThumbnailFilter(Contender):
    """The picture whose histogram is nearest to the mean of its batch."""

    def __init__(self, keyframes: bool) -> None:
        self.keyframes = keyframes
        self.name = "ffmpeg thumbnail" + (", keyframes" if keyframes else "")
        skip = "-skip_frame nokey " if keyframes else ""
        self.recipe = f"ffmpeg {skip}-i F -vf thumbnail=n=N; N all frames, then a third of them"

    def version(self) -> str:
        return _ffmpeg_version()

    def choose(self, path: Path, facts: Facts) -> Answer:
        count = facts.keyframes if self.keyframes else facts.frames
        one = self._run(path, max(2, count))
        three = self._run(path, max(2, math.ceil(count / 3)))[:3]
        return Answer(one[0], tuple(three))

    def _run(self, path: Path, batch: int) -> list[Choice]:
        # The filter keeps its whole batch in memory, so large pictures come to it scaled.
        scale = "scale='min(640,iw)':-2"
        asked = f"{scale},thumbnail=n={batch},showinfo,scale={_SIDE[0]}:{_SIDE[1]}"
        command = ["ffmpeg", "-hide_banner", "-nostdin"]
        command += ["-skip_frame", "nokey"] if self.keyframes else []
        command += ["-i", str(path), "-map", "0:v:0", "-vf", asked, "-vsync", "passthrough"]
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        done = subprocess.run(command, capture_output=True, check=True)
        shown = re.findall(rb"Parsed_showinfo.* pts_time: *(-?[\d.]+)", done.stderr)
        size = _SIDE[0] * _SIDE[1] * 3
        pictures = [
            np.frombuffer(done.stdout, np.uint8, size, start).reshape(_SIDE[1], _SIDE[0], 3)
            for start in range(0, len(done.stdout), size)
        ]
        return [(float(at), picture) for at, picture in zip(shown, pictures, strict=True)]


def _ffmpeg_version() -> str:
    if not shutil.which("ffmpeg"):
        raise ImportError("no ffmpeg on the path")
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout
    return said.split()[2]


# --- ffmpegthumbnailer ---------------------------------------------------------------------------


class Ffmpegthumbnailer(Contender):
    def __init__(self, at: str) -> None:
        self.at = at
        self.name = f"ffmpegthumbnailer {at}"
        self.recipe = f"ffmpegthumbnailer -i F -s 128 -t {at}; three at 25, 50 and 75 %"

    def version(self) -> str:
        if not shutil.which("ffmpegthumbnailer"):
            raise ImportError("no ffmpegthumbnailer on the path")
        said = subprocess.run(["ffmpegthumbnailer", "-v"], capture_output=True, text=True)
        return said.stdout.split(":")[-1].strip()

    def choose(self, path: Path, facts: Facts) -> Answer:
        three = tuple(self._at(path, share) for share in ("25%", "50%", "75%"))
        return Answer(self._at(path, self.at), three)

    def _at(self, path: Path, share: str) -> Choice:
        command = ["ffmpegthumbnailer", "-i", str(path), "-o", "-", "-c", "png", "-s", "128"]
        done = subprocess.run([*command, "-t", share], capture_output=True, check=True)
        return None, np.asarray(Image.open(io.BytesIO(done.stdout)).convert("RGB"))


# --- Python packages -----------------------------------------------------------------------------


class PySceneDetect(Contender):
    name = "PySceneDetect save-images"
    recipe = "detect(F, ContentDetector(), start_in_scene=True), save_images(num_images=1), longest"

    def version(self) -> str:
        import scenedetect

        return str(scenedetect.__version__)

    def choose(self, path: Path, facts: Facts) -> Answer:
        import scenedetect

        scenes = scenedetect.detect(str(path), scenedetect.ContentDetector(), start_in_scene=True)
        scenes.sort(key=lambda scene: scene[0] - scene[1])
        video = scenedetect.open_video(str(path))
        choices: list[Choice] = []
        with tempfile.TemporaryDirectory() as folder:
            saved = scenedetect.save_images(
                scenes[:3], video, num_images=1, width=_SIDE[0] * 2, output_dir=folder
            )
            for number, (start, end) in enumerate(scenes[:3]):
                image = Image.open(Path(folder) / saved[number][0]).convert("RGB")
                middle = (start.get_seconds() + end.get_seconds()) / 2
                choices.append((middle, np.asarray(image)))
        return Answer(choices[0], tuple(choices))


class Katna(Contender):
    name = "Katna"
    recipe = "Video().extract_video_keyframes(no_of_frames=3), in its order"

    @property
    def _python(self) -> str:
        return os.environ.get("SNAPENGINE_KATNA_PYTHON", sys.executable)

    def version(self) -> str:
        ask = "from importlib import metadata; import Katna.video; print(metadata.version('Katna'))"
        done = subprocess.run([self._python, "-c", ask], capture_output=True, text=True)
        if done.returncode:
            raise ImportError(done.stderr.strip().splitlines()[-1])
        return done.stdout.split()[-1]

    def choose(self, path: Path, facts: Facts) -> Answer:
        helper = Path(__file__).with_name("cover_katna.py")
        with tempfile.TemporaryDirectory() as folder:
            # It refuses files by the end of their names, so each gets a link with one it takes.
            link = Path(folder) / "video.mp4"
            link.symlink_to(path)
            out = Path(folder) / "out"
            out.mkdir()
            command = [self._python, str(helper), str(link), str(out)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=600)
            files = sorted(out.iterdir())
            if not files:
                said = (done.stderr or done.stdout).strip().splitlines() or ["nothing said"]
                raise RuntimeError(said[-1])
            choices = tuple((None, np.asarray(Image.open(one).convert("RGB"))) for one in files)
        return Answer(choices[0], choices[:3])


# --- without looking -----------------------------------------------------------------------------


class Fixed(Contender):
    """Frames at fixed places."""

    def __init__(self, name: str, shares: tuple[float, ...]) -> None:
        self.name, self.shares = name, shares
        self.recipe = " and ".join(f"{share:.0%}" for share in shares) + " of the frames"

    def version(self) -> str:
        return metadata.version("av")

    def choose(self, path: Path, facts: Facts) -> Answer:
        last = facts.frames - 1
        choices: tuple[Choice, ...] = tuple(
            (facts.times[round(share * last)], None) for share in self.shares
        )
        return Answer(choices[0], choices if len(choices) == 3 else None)


CONTENDERS: tuple[Contender, ...] = (
    Snapengine(),
    ThumbnailFilter(keyframes=False),
    ThumbnailFilter(keyframes=True),
    Ffmpegthumbnailer("10%"),
    Ffmpegthumbnailer("50%"),
    PySceneDetect(),
    Katna(),
    Fixed("first frame", (0.0,)),
    Fixed("middle frame", (0.5,)),
    Fixed("parts", (0.25, 0.5, 0.75)),
)
"""All but the random choice, which ``covers`` reckons from the labels."""
