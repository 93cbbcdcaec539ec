"""Good pictures for the cover set: excerpts and stills of real clips, and drawn scenes.

A scene belongs to one part of the set: what a held-out video shows is never shown by the others.
``picture(name, seconds, size)`` gives the scene as it looks so long after its beginning: excerpts
play forth and back, stills and drawings are panned over or zoomed into.

Real clips come from ``media_folder()``; without it only the drawn scenes are to be had.
"""

from __future__ import annotations

import functools
import hashlib
import io
import math
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from .cover_drawings import DRAWINGS
from .recipes import cache_folder

__all__ = ["SCENES", "RGB", "Excerpt", "media_folder", "picture", "prepare"]

RGB = npt.NDArray[np.uint8]

_RATE = 20  # frames per second kept of an excerpt
_STILL_SIDE, _PLAYED_SIDE = 1280, 640  # longest side kept: a still is zoomed into
_PAN_SECONDS = 7.0  # from one end of the way to the other


@dataclass(frozen=True, slots=True)
class Excerpt:
    """``seconds`` of a real clip from ``start`` (0: its first frame); 0 seconds: one still."""

    file: str
    start: float
    seconds: float = 0.0
    held_out: bool = False
    turn: int = 0  # degrees clockwise to make it upright
    interlaced: bool = False  # only the first field is kept
    sar: float = 1.0  # width of a sample, in heights
    stretch: bool = False  # levels are stretched: HDR samples look grey as they are


_BBB30, _BBB62 = "h264_1080p24_bframes_30s.mp4", "h264_1080p25_bbb_62s.ts"
_BIKES, _AD = "h264_640x272_multishot_10s.mp4", "wmv2_vfr_35s.wmv"
_PARROT, _DOG = "h264_720p20_live_14s.mp4", "mp4_rotate180_720p.mp4"
_ROOM, _NEWS = "h264_768x432_10fps_139s_faststart.mp4", "ts_h264_1080i25_broadcast.ts"

SCENES: dict[str, Excerpt | str] = {
    "hill": Excerpt(_BBB30, 7.5, 4.0),
    "stream": Excerpt(_BBB30, 12.4, 3.0),
    "bird": Excerpt(_BBB30, 16.2, 4.0),
    "burrow": Excerpt(_BBB30, 24.2),
    "cave": Excerpt(_BBB62, 2.0, 4.0),
    "smile": Excerpt(_BBB62, 13.0, 2.2),
    "flowers": Excerpt(_BBB62, 17.0),
    "butterfly": Excerpt(_BBB62, 29.5, 2.5),
    "meadow": Excerpt(_BBB62, 38.0, 4.0),
    "squirrel": Excerpt(_BBB62, 52.3, 2.0),
    "grump": Excerpt(_BBB62, 57.5, 4.0),
    "parrot": Excerpt(_PARROT, 9.1, 1.8),
    "crest": Excerpt(_PARROT, 12.2, 1.6),
    "customer": Excerpt(_ROOM, 10.0, 4.0),
    "reader": Excerpt(_ROOM, 104.0, 4.0),
    "bedroom": Excerpt(_DOG, 0.3, 1.2),
    "dog": Excerpt(_DOG, 4.2, 0.7),
    "colleague": Excerpt("mkv_h264.mkv", 0.5),
    "cyclist": Excerpt(_BIKES, 4.5, 0.9, held_out=True),
    "crossing": Excerpt(_BIKES, 5.8, 1.5, held_out=True),
    "bicycle": Excerpt(_BIKES, 8.6, held_out=True),
    "couple": Excerpt(_AD, 4.0, 2.6, held_out=True),
    "cafe": Excerpt(_AD, 9.0, 4.0, held_out=True),
    "phone": Excerpt(_AD, 20.0, 2.6, held_out=True),
    "expert": Excerpt(
        "ts_mpeg2_interlaced_576i_sar16x11.ts", 0.5, 4.0, True, interlaced=True, sar=16 / 11
    ),
    "statue": Excerpt(_NEWS, 0.4, held_out=True, interlaced=True),
    "gate": Excerpt(
        "hevc_dolbyvision84_hlg_rotate90_editlist.mp4", 1.0, held_out=True, turn=90, stretch=True
    ),
    "selfie": Excerpt("hevc_8bit_vfr_rotate270_topshots.mp4", 0.3, held_out=True, turn=270),
    "rooftop": Excerpt("hevc_10bit_hdr10plus_1080p.mp4", 0.3, held_out=True, stretch=True),
    "valley": Excerpt("av1_10bit_hdr10_1080p60.mp4", 0.3, held_out=True, stretch=True),
    **{name: name for name in DRAWINGS},
}
"""Everything a recipe may show. A drawing's part is said in :data:`DRAWINGS`."""


def held_out(scene: str) -> bool:
    """Which part of the set the scene belongs to."""
    entry = SCENES[scene]
    return DRAWINGS[entry][0] if isinstance(entry, str) else entry.held_out


def media_folder() -> Path | None:
    """SNAPENGINE_MEDIA, or the folder ``shared/media`` beside the checkout; None if missing."""
    named = os.environ.get("SNAPENGINE_MEDIA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "media"
    return folder if folder.is_dir() else None


def _archive(name: str, entry: Excerpt) -> Path:
    text = repr((name, entry, av.__version__)).encode() + Path(__file__).read_bytes()
    key = hashlib.sha256(text).hexdigest()[:16]
    return cache_folder() / f"scene-{name}-{key}.zip"


def prepare(names: set[str]) -> None:
    """Cut the excerpts that are not in the cache yet; each clip is decoded once for all."""
    wanted: dict[str, list[tuple[str, Excerpt]]] = {}
    for name in sorted(names):
        entry = SCENES[name]
        if isinstance(entry, Excerpt) and not _archive(name, entry).exists():
            wanted.setdefault(entry.file, []).append((name, entry))
    folder = media_folder()
    for file, scenes in wanted.items():
        if folder is None or not (folder / file).exists():
            raise FileNotFoundError(f"{file}: no such clip, so no scene {scenes[0][0]!r}")
        _cut(folder / file, scenes)


def _cut(path: Path, scenes: list[tuple[str, Excerpt]]) -> None:
    kept: dict[str, list[bytes]] = {name: [] for name, _ in scenes}
    last = max(entry.start + entry.seconds for _, entry in scenes)
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        first: float | None = None
        for frame in container.decode(stream):
            first = float(frame.time) if first is None else first
            now = float(frame.time) - first
            for name, entry in scenes:
                count = max(1, round(entry.seconds * _RATE))
                # A clip of fewer frames a second repeats them, so that its time stays true.
                while len(kept[name]) < count and now >= entry.start + len(kept[name]) / _RATE:
                    kept[name].append(_jpeg(frame, entry))
            if now > last + 0.5:
                break
    for name, entry in scenes:
        handle, aside = tempfile.mkstemp(prefix=".making-", dir=cache_folder())
        with os.fdopen(handle, "wb") as out, zipfile.ZipFile(out, "w") as archive:
            for number, data in enumerate(kept[name]):
                archive.writestr(zipfile.ZipInfo(f"{number:03}.jpg"), data)
        os.replace(aside, _archive(name, entry))


def _jpeg(frame: Any, entry: Excerpt) -> bytes:
    width, height = round(frame.width * float(entry.sar)), frame.height
    side = _PLAYED_SIDE if entry.seconds else _STILL_SIDE
    scale = min(1.0, side / max(width, height))
    size = round(width * scale), round(height * scale)
    if entry.interlaced:
        image = frame.to_image()
        image = image.resize((image.width, frame.height // 2), Image.Resampling.NEAREST)
        image = image.resize(size, Image.Resampling.LANCZOS)
    else:
        image = frame.to_image(width=size[0], height=size[1], interpolation="AREA")
    if entry.turn:
        image = image.rotate(-entry.turn, expand=True)
    if entry.stretch:
        samples = np.asarray(image).astype(np.float32)
        low, high = np.percentile(samples, (1, 99))
        samples = np.clip((samples - low) / (high - low), 0, 1) ** 0.9 * 255
        image = Image.fromarray(samples.astype(np.uint8))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=93)
    return out.getvalue()


@functools.lru_cache(maxsize=12)
def _images(name: str) -> list[Image.Image]:
    """The scene's frames as kept, decoded."""
    entry = SCENES[name]
    if isinstance(entry, str):
        return [DRAWINGS[entry][1]()]
    prepare({name})
    with zipfile.ZipFile(_archive(name, entry)) as archive:
        return [
            Image.open(io.BytesIO(archive.read(one))).convert("RGB") for one in archive.namelist()
        ]


@functools.lru_cache(maxsize=900)
def _played(name: str, number: int, size: tuple[int, int]) -> RGB:
    image = _images(name)[number]
    return _shown(image, size, _covering(image.size, size))


def picture(name: str, seconds: float, size: tuple[int, int]) -> RGB:
    """The scene so long after its beginning: (height, width, 3). Not to be written to."""
    images = _images(name)
    if len(images) > 1:
        step = int(seconds * _RATE)
        turn = 2 * (len(images) - 1)
        at = step % turn
        return _played(name, min(at, turn - at), size)
    box = _covering(images[0].size, size)
    dice = hashlib.sha256(name.encode()).digest()
    progress = 0.5 - 0.5 * math.cos(math.pi * seconds / _PAN_SECONDS)
    progress = 1 - progress if dice[0] & 1 else progress
    across = progress if dice[1] & 1 else 0.5
    zoom = 0.78 if dice[1] & 1 else 1.0 - 0.28 * progress
    width, height = (box[2] - box[0]) * zoom, (box[3] - box[1]) * zoom
    left = box[0] + (box[2] - box[0] - width) * across
    top = box[1] + (box[3] - box[1] - height) * (0.3 + 0.4 * across)
    return _shown(images[0], size, (left, top, left + width, top + height))


def _covering(have: tuple[int, int], want: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest box of the wanted shape in the middle of what there is."""
    scale = min(have[0] / want[0], have[1] / want[1])
    width, height = want[0] * scale, want[1] * scale
    left, top = (have[0] - width) / 2, (have[1] - height) / 2
    return left, top, left + width, top + height


def _shown(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]
) -> RGB:
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
