"""The corpus: every benchmark video by recipe, made once, kept in a cache folder.

A short *loop* is taken from a real clip where one is present (``SNAPENGINE_MEDIA``, or
``../shared/media`` beside the repository) and generated otherwise; codecs, sizes and GOP lengths
come from transcoding the loop; length comes from repeating it by stream copy, which keeps packets,
B-frames and index as an encoder made them and takes seconds even for two hours.

Over 400 lines, because recipes, their making and the packet table are read together or not at all.

    python -m benchmarks.corpus            # list the recipes and what is there
    python -m benchmarks.corpus NAME ...   # make these
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["RECIPES", "CorpusFile", "FrameTable", "Recipe", "corpus_folder", "ensure"]

# Raise it whenever the code below makes other files from the same recipe.
CORPUS_VERSION = 3
REAL_CLIP = "h264_1080p24_bframes_30s.mp4"
RATE = 24

# What each codec is encoded with. Speed over size: the corpus has to be made on a laptop too.
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"preset": "veryfast", "crf": "23", "bf": "2", "sc_threshold": "0"}),
    "hevc": ("libx265", {"preset": "superfast", "crf": "26", "x265-params": "log-level=error"}),
    "vp9": ("libvpx-vp9", {"deadline": "good", "cpu-used": "5", "row-mt": "1", "crf": "34"}),
    "av1": ("libsvtav1", {"preset": "11", "crf": "36"}),
}
SUFFIX = {"h264": ".mp4", "hevc": ".mp4", "vp9": ".webm", "av1": ".mp4"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """One file of the corpus. ``gop_seconds=None`` keeps the packets of the clip itself."""

    name: str
    codec: str
    width: int
    height: int
    gop_seconds: float | None
    loop_seconds: float
    minutes: float

    def digest(self, origin: str) -> str:
        """A name for exactly these bytes: recipe, encoder settings and where the clip is from."""
        said = [asdict(self), ENCODERS[self.codec], origin, CORPUS_VERSION]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def _recipes() -> dict[str, Recipe]:
    made = []

    def add(name: str, codec: str, height: int, gop: float | None, minutes: float) -> None:
        loop = 30.0 if gop is None else (20.0 if gop > 2 else 10.0) if height == 1080 else 6.0
        made.append(
            Recipe(
                name=name,
                codec=codec,
                width=height * 16 // 9,
                height=height,
                gop_seconds=gop,
                loop_seconds=loop,
                minutes=minutes,
            )
        )

    for label, minutes in (("1min", 1), ("12min", 12), ("2h", 120)):
        add(f"h264-1080p-{label}", "h264", 1080, None, minutes)
    add("h264-1080p-gop1-12min", "h264", 1080, 1, 12)
    add("h264-1080p-gop10-12min", "h264", 1080, 10, 12)
    for codec in ("hevc", "vp9", "av1"):
        add(f"{codec}-1080p-12min", codec, 1080, 2, 12)
    for codec in ("h264", "hevc", "vp9", "av1"):
        add(f"{codec}-2160p-12min", codec, 2160, 2, 12)
    return {recipe.name: recipe for recipe in made}


RECIPES = _recipes()


def corpus_folder() -> Path:
    """``SNAPENGINE_CORPUS``, else a folder of ours under the user's cache folder."""
    named = os.environ.get("SNAPENGINE_CORPUS")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "snapengine" / "corpus"


def real_clip() -> Path | None:
    """The real clip the corpus is made from, or None where it is not at hand."""
    named = os.environ.get("SNAPENGINE_MEDIA")
    repository = Path(__file__).resolve().parent.parent
    folder = Path(named) if named else repository.parent / "shared" / "media"
    clip = folder / REAL_CLIP
    return clip if clip.is_file() else None


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameTable:
    """All video packets of a file in decode order, and what is shown when.

    ``pts``, ``dts`` are in ``time_base`` ticks, ``size`` in bytes; ``shown`` is ``pts`` sorted,
    without repeats. Seconds given to and taken from the engine count from the first shown frame.
    """

    pts: np.ndarray
    dts: np.ndarray
    key: np.ndarray
    size: np.ndarray
    shown: np.ndarray
    time_base: Fraction

    @property
    def start_pts(self) -> int:
        return int(self.shown[0])

    @property
    def frame_ticks(self) -> int:
        return int(np.median(np.diff(self.shown)))

    @property
    def frame_seconds(self) -> float:
        return float(self.frame_ticks * self.time_base)

    @property
    def seconds(self) -> float:
        """Length from the first shown frame to the end of the last."""
        ticks = int(self.shown[-1]) - self.start_pts + self.frame_ticks
        return float(ticks * self.time_base)

    @property
    def key_pts(self) -> np.ndarray:
        return np.sort(self.pts[self.key])

    def to_seconds(self, pts: int) -> float:
        return float((int(pts) - self.start_pts) * self.time_base)

    def to_pts(self, seconds: float) -> float:
        return float(seconds / self.time_base) + self.start_pts

    def frame_at(self, seconds: float) -> int:
        """pts of the frame shown at ``seconds``: the definition of exact."""
        where = int(np.searchsorted(self.shown, self.to_pts(seconds), side="right")) - 1
        return int(self.shown[max(0, where)])

    def keyframe_near(self, seconds: float) -> int:
        """pts of the keyframe nearest to ``seconds``."""
        keys = self.key_pts
        return int(keys[np.argmin(np.abs(keys - self.to_pts(seconds)))])

    def middle_of(self, pts: int) -> float:
        """A time safely inside the stretch in which this frame is shown.

        Every tool rounds seconds in its own way; half a frame from the edge all of them agree on
        which frame is meant, so a mismatch is the tool's and not the clock's.
        """
        return self.to_seconds(pts) + self.frame_seconds / 2

    def typical_keyframe(self) -> int:
        """pts of a keyframe of median size: neither a black picture nor the worst of the film."""
        keys = np.flatnonzero(self.key)
        order = keys[np.argsort(self.size[keys], kind="stable")]
        return int(self.pts[order[len(order) // 2]])

    def loop_frames(self) -> int:
        """After how many frames the file repeats, packet for packet.

        The pictures of one loop are the pictures of the whole file, because every loop starts at a
        keyframe that nothing refers across: a truth of 30 s serves for two hours.
        """
        for frames in np.flatnonzero(self.key)[1:]:
            same = np.array_equal(self.size[frames:], self.size[:-frames])
            if same and np.array_equal(self.key[frames:], self.key[:-frames]):
                return int(frames)
        return len(self.shown)

    def same_pictures(self, times: list[float], other: FrameTable) -> list[float]:
        """Times in the file of ``other``, as far apart as it is longer, that show the same frames.

        Both have to be repeats of one loop. Two lengths can be compared fairly only this way: with
        other frames the work would differ by the sizes of the keyframes that happen to be hit.
        """
        loop = self.loop_frames()
        repeats = len(other.shown) // loop
        moved = []
        for seconds in times:
            place = int(np.searchsorted(self.shown, self.frame_at(seconds)))
            share = seconds / self.seconds
            number = min(repeats - 1, int(share * repeats))
            moved.append(other.middle_of(int(other.shown[number * loop + place % loop])))
        return sorted(moved)

    def spread(self, count: int) -> list[float]:
        """The middle of each of ``count`` equal parts, moved inside the frame shown there."""
        step = self.seconds / count
        return [self.middle_of(self.frame_at((i + 0.5) * step)) for i in range(count)]

    def scatter(self, count: int, seed: int = 20) -> list[float]:
        """``count`` times all over the file, unsorted, the same on every machine."""
        chosen = np.random.default_rng(seed).choice(len(self.shown), size=count, replace=False)
        return [self.middle_of(int(self.shown[i])) for i in chosen]


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusFile:
    """A made file: where it is, what it was made from, and its packets."""

    recipe: Recipe
    path: Path
    origin: str
    table: FrameTable

    def facts(self) -> dict[str, Any]:
        """For the results file; says nothing about the machine it lies on."""
        size = self.path.stat().st_size
        seconds = self.table.seconds
        return {
            **asdict(self.recipe),
            "made_from": self.origin,
            "digest": self.recipe.digest(self.origin),
            "bytes": size,
            "seconds": round(seconds, 3),
            "bits_per_second": round(size * 8 / seconds),
            "frames": len(self.table.shown),
            "keyframes": int(self.table.key.sum()),
        }


def ensure(name: str, say: Callable[[str], None] = lambda line: None) -> CorpusFile:
    """The file called ``name``, made now if it is not there."""
    recipe = RECIPES[name]
    clip = real_clip()
    origin = f"real:{clip.name}:{clip.stat().st_size}" if clip else "generated"
    folder = corpus_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{recipe.digest(origin)}{SUFFIX[recipe.codec]}"
    if not path.exists():
        started = time.perf_counter()
        say(f"making {name} ...")
        loop = _loop(recipe, clip, origin, folder, say)
        _write(path, lambda part: _repeat(loop, part, recipe.minutes * 60))
        say(f"made {name} in {time.perf_counter() - started:.0f} s")
    return CorpusFile(recipe=recipe, path=path, origin=origin, table=_table(path))


def _write(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file under another name first, so that a broken run leaves nothing half made."""
    part = path.with_name(f"{path.stem}.part{os.getpid()}{path.suffix}")
    try:
        make(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


# -- the loop ----------------------------------------------------------------------------------


def _loop(
    recipe: Recipe, clip: Path | None, origin: str, folder: Path, say: Callable[[str], None]
) -> Path:
    """The short stretch a file is repeated from."""
    if recipe.gop_seconds is None and clip is not None:
        return clip
    said = [recipe.codec, recipe.height, recipe.gop_seconds, recipe.loop_seconds, origin]
    said += [ENCODERS[recipe.codec], CORPUS_VERSION]
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]
    path = folder / f"loop-{recipe.codec}-{recipe.height}p-{digest}{SUFFIX[recipe.codec]}"
    if not path.exists():
        say(f"encoding {recipe.loop_seconds:.0f} s of {recipe.codec} at {recipe.height}p ...")
        _write(path, lambda part: _encode(recipe, clip, part))
    return path


def _encode(recipe: Recipe, clip: Path | None, path: Path) -> None:
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    os.environ.setdefault("SVT_LOG", "1")  # errors only; it writes to stderr past everybody
    encoder, options = ENCODERS[recipe.codec]
    gop = round((recipe.gop_seconds or 2.0) * RATE)
    count = round(recipe.loop_seconds * RATE)
    frames = _real_frames(clip) if clip else _drawn_frames(recipe.width, recipe.height, count)
    options = dict(options)
    if recipe.codec == "hevc":
        options["x265-params"] += f":keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0"
    reformatter = VideoReformatter()
    grain = _grain(recipe.width, recipe.height) if clip and recipe.height > 1080 else None
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(encoder, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = os.cpu_count() or 1
        if recipe.codec == "vp9":
            stream.bit_rate = 0  # constant quality
        if recipe.codec == "hevc":
            stream.codec_context.codec_tag = "hvc1"
        for number, frame in enumerate(frames):
            if number == count:
                break
            frame = reformatter.reformat(
                frame,
                recipe.width,
                recipe.height,
                "yuv420p",
                interpolation=Interpolation.BICUBIC,
                threads=1,
            )
            if grain is not None:
                _add_grain(frame, grain[number % len(grain)])
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            frame.pict_type = av.video.frame.PictureType.NONE
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _real_frames(clip: Path) -> Iterator[Any]:
    """The clip from its fourth second on (it opens with a fade from black), again and again."""
    import av

    while True:
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                if frame.time is not None and frame.time >= 4.0:
                    yield frame


def _grain(width: int, height: int) -> np.ndarray:
    """A few noise fields: a 1080p picture blown up to 4K is too smooth to be a fair test."""
    noise = np.random.default_rng(4).normal(0.0, 2.5, size=(5, height, width))
    return noise.round().astype(np.int8)


def _add_grain(frame: Any, grain: np.ndarray) -> None:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
    luma = rows[:, : frame.width]
    luma[:] = np.clip(luma.astype(np.int16) + grain, 16, 235).astype(np.uint8)


def _drawn_frames(width: int, height: int, count: int) -> Iterator[Any]:
    """Shots of three seconds: a textured ground panning, things moving on it, a little grain."""
    import av
    from PIL import Image

    rng = np.random.default_rng(7)
    grain = rng.integers(-3, 4, size=(7, height, width, 1), dtype=np.int16)
    ground = np.zeros((1, 1, 3))
    for number in range(count + 1):
        shot, inside = divmod(number, 3 * RATE)
        if inside == 0:
            rng = np.random.default_rng(100 + shot)
            ground = np.zeros((height + 256, width + 256, 3), np.float32)
            for cells, strength in ((4, 80.0), (24, 45.0), (120, 25.0), (480, 12.0)):
                small = rng.random((cells * 9 // 16 + 1, cells, 3), np.float32)
                for channel in range(3):
                    image = Image.fromarray(small[:, :, channel])
                    size = (ground.shape[1], ground.shape[0])
                    grown = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
                    ground[:, :, channel] += grown * strength
        x, y = inside * 3 % 256, inside % 256
        picture = ground[y : y + height, x : x + width].astype(np.int16)
        for thing in range(6):
            side = height // (6 + thing)
            left = (inside * (5 + 3 * thing) + thing * width // 6) % (width - side)
            top = (inside * (2 + thing) + thing * height // 9) % (height - side)
            picture[top : top + side, left : left + side, thing % 3] += 70
        picture = np.clip(picture + grain[number % len(grain)], 0, 255).astype(np.uint8)
        yield av.VideoFrame.from_ndarray(picture, format="rgb24")


# -- repeating by stream copy ------------------------------------------------------------------


def _repeat(loop: Path, path: Path, seconds: float) -> None:
    """Write the packets of ``loop`` again and again until ``seconds`` are full.

    Each repeat moves all stamps by the exact length of the loop's pictures, so pts and dts go on
    rising over the joint. Audio is cut where the pictures end.
    """
    import av

    with av.open(str(loop)) as source:
        video = source.streams.video[0]
        audio = source.streams.audio[0] if source.streams.audio else None
        chosen = [stream for stream in (video, audio) if stream is not None]
        packets = []
        for packet in source.demux(chosen):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packets.append((packet.stream, packet.pts, packet.dts, packet.duration, packet))
        shown = sorted(pts for stream, pts, *_ in packets if stream is video)
        tick = round(float(np.median(np.diff(shown))))
        length = (shown[-1] - shown[0] + tick) * video.time_base
        repeats = max(1, round(seconds / float(length)))
        with av.open(str(path), "w") as out:
            target = {
                stream.index: out.add_stream_from_template(stream, opaque=True) for stream in chosen
            }
            bases = {stream.index: stream.time_base for stream in chosen}
            lines: dict[int, int] = {}
            # In order of decode time, so that the muxer never has to hold much.
            packets.sort(key=lambda entry: entry[2] * bases[entry[0].index])
            for number in range(repeats):
                for stream, pts, dts, duration, packet in packets:
                    base = bases[stream.index]
                    move = round(length * number / base)
                    if stream is not video and (pts + (duration or 0)) * base > length:
                        continue
                    if stream is not video and lines.get(stream.index, -(1 << 60)) >= dts + move:
                        continue
                    lines[stream.index] = dts + move
                    packet.stream = target[stream.index]
                    packet.time_base = base
                    packet.pts, packet.dts, packet.duration = pts + move, dts + move, duration
                    out.mux(packet)


def _table(path: Path) -> FrameTable:
    """Stamps of all video packets, from the file once and from a note beside it after that."""
    note = path.with_suffix(path.suffix + ".packets.npz")
    if not note.exists():
        import av

        stamps = []
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            base = stream.time_base
            assert base is not None
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    row = (packet.pts, packet.dts, packet.is_keyframe, packet.size)
                    stamps.append((*row, packet.is_discard))
        rows = np.array([row[:4] for row in stamps if not row[4]], dtype=np.int64)

        def save(part: Path) -> None:
            with part.open("wb") as file:
                tb = np.array([base.numerator, base.denominator])
                np.savez(file, rows=rows, time_base=tb)

        _write(note, save)
    with np.load(note) as kept:
        rows, (numerator, denominator) = kept["rows"], kept["time_base"]
    return FrameTable(
        pts=rows[:, 0],
        dts=rows[:, 1],
        key=rows[:, 2].astype(bool),
        size=rows[:, 3],
        shown=np.unique(rows[:, 0]),
        time_base=Fraction(int(numerator), int(denominator)),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*RECIPES, []], help="files to make")
    names = parser.parse_args().names
    if not names:
        made = {path.name for path in corpus_folder().glob("*")}
        clip = real_clip()
        print(f"clip: {clip.name if clip else 'none, will be generated'}")
        for recipe in RECIPES.values():
            there = any(name.startswith(recipe.name + "-") for name in made)
            print(f"{'made' if there else '    '}  {recipe.name}")
        return 0
    for name in names:
        facts = ensure(name, say=lambda line: print(line, file=sys.stderr)).facts()
        print(json.dumps(facts, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
