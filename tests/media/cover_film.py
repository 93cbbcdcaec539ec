"""Renders and encodes the generated videos of the cover set into the cache folder.

Keyframes lie where the recipe wants them: one every ``gop`` seconds, wherever that falls, one in
the middle of every segment marked so, none for a change of scene.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from . import cover_defects as worse
from .cover_recipes import Segment, Video, scene_clock
from .cover_scenes import SCENES, picture
from .recipes import cache_folder

__all__ = ["build", "film_path", "frame_of"]

RGB = npt.NDArray[np.uint8]

_FORMATS = {"ts": "mpegts", "mkv": "matroska"}


@functools.cache
def _code_hash() -> str:
    here = Path(__file__)
    names = ("cover_film.py", "cover_scenes.py", "cover_drawings.py", "cover_defects.py")
    return hashlib.sha256(b"".join(here.with_name(one).read_bytes() for one in names)).hexdigest()


def film_path(video: Video) -> Path:
    """Where the file is or will be: named by everything that shapes its bytes."""
    plan = [SCENES[name] for name in sorted(video.scenes)]
    text = repr((_code_hash(), av.__version__, sorted(av.library_versions.items()), video, plan))
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return cache_folder() / f"cover-{video.name}-{key}.{video.container}"


def build(video: Video) -> Path:
    """The file, made on first use; never seen half written."""
    path = film_path(video)
    if path.exists():
        return path
    handle, aside = tempfile.mkstemp(
        suffix=f".{video.container}", prefix=".making-", dir=path.parent
    )
    os.close(handle)
    try:
        _write(video, aside)
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.unlink(aside)
    return path


# --- pictures ------------------------------------------------------------------------------------


def frame_of(video: Video, segment: Segment, number: int, clock: dict[str, int]) -> RGB:
    """The picture of one frame of a segment, upright, (height, width, 3)."""
    at, seed = segment.progress(number), int.from_bytes(video.name.encode()[-2:], "big")
    if segment.kind in worse.CARDS:
        # Odd seeds are for what is held out: titles there have other words and other colours.
        seed = 2 * (seed + segment.first) + video.held_out
        return worse.CARDS[segment.kind][1](video.size, seed, at)
    now = segment.first + number
    shown = [picture(name, (now - clock[name]) / video.rate, video.size) for name in segment.scenes]
    out = _worsened(segment, number, shown, seed)
    return worse.letterboxed(out) if video.boxed else out


def _worsened(segment: Segment, number: int, shown: list[RGB], seed: int) -> RGB:
    at, kind, first = segment.progress(number), segment.kind, shown[0]
    if kind == "scene":
        return first
    if kind == "mix":
        return worse.mixed(first, shown[1], at)
    if kind in ("in", "inw", "out", "outw"):
        share = at if kind.startswith("in") else 1 - at
        return worse.tinted(first, 255 if kind.endswith("w") else 0, share)
    if kind == "whip":
        return worse.whipped(shown[at >= 0.5], 0.16 + 0.1 * (0.5 - abs(at - 0.5)), 0.8 * at)
    if kind in ("focus", "defocus"):
        return worse.blurred(first, segment.focus(number))
    if kind in worse.BLURS:
        return worse.blurred(first, worse.BLURS[kind])
    if kind == "sub":
        return worse.subtitled(first, seed)
    if kind == "flash":
        return worse.flashed(first, 1.0 - 0.12 * (number % 2))
    if kind == "torch":
        return worse.torch(first, at)
    if kind == "grainy":
        return worse.grainy(first, number)
    return worse.dark(first)


# --- the file ------------------------------------------------------------------------------------


def _encoder(video: Video, gop: int) -> tuple[str, dict[str, str]]:
    if video.codec == "h264":
        params = f"keyint={gop}:min-keyint=1:scenecut=0:bframes=2:b-adapt=0:threads=1:mbtree=0"
        return "libx264", {
            "preset": "veryfast", "crf": "24", "forced-idr": "1",
            "x264-params": params + ":rc-lookahead=8",
        }  # fmt: skip
    if video.codec == "hevc":
        params = f"log-level=none:pools=1:frame-threads=1:keyint={gop}:min-keyint=1:scenecut=0"
        return "libx265", {
            "preset": "ultrafast", "crf": "25", "forced-idr": "1",
            "x265-params": params + ":bframes=2:rc-lookahead=8",
        }  # fmt: skip
    if video.codec == "vp9":
        return "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "1M"}
    return video.codec, {"qmin": "2", "qmax": "7", "sc_threshold": "1000000000"}


def _frames(video: Video) -> Iterator[Any]:
    clock = scene_clock(video)
    for segment in video.segments:
        for number in range(segment.frames):
            upright = frame_of(video, segment, number, clock)
            turned = np.ascontiguousarray(np.rot90(upright, video.rotation // 90))
            frame = av.VideoFrame.from_ndarray(turned, format="rgb24")
            width = round(frame.width * video.sar[1] / video.sar[0] / 2) * 2
            frame = frame.reformat(width=width, format="yuv420p", interpolation="BILINEAR")
            frame.pts, frame.time_base = segment.first + number, Fraction(1, video.rate)
            # 1 is AV_PICTURE_TYPE_I, 0 leaves it to the encoder.
            frame.pict_type = 1 if segment.key and number == segment.frames // 2 else 0
            yield frame


def _write(video: Video, path: str) -> None:
    gop = round(video.gop * video.rate)
    name, options = _encoder(video, gop)
    with av.open(path, "w", format=_FORMATS.get(video.container, video.container)) as out:
        out.flags |= 0x0400  # AVFMT_FLAG_BITEXACT: no random ids, no dates
        stream: Any = out.add_stream(name, rate=video.rate, options=options)
        context = stream.codec_context
        width, height = video.size[::-1] if video.rotation % 180 else video.size
        context.width = round(width * video.sar[1] / video.sar[0] / 2) * 2
        context.height, context.pix_fmt = height, "yuv420p"
        context.time_base = Fraction(1, video.rate)
        context.gop_size = gop
        context.sample_aspect_ratio = Fraction(*video.sar)
        if video.codec != "hevc":
            context.thread_count = 1
        if video.codec in ("mpeg4", "mpeg2video"):
            context.bit_rate = 2_500_000
        if video.rotation:
            # The display matrix counts counter-clockwise; the recipe counts clockwise.
            stream.set_display_rotation(-video.rotation)
        out.start_encoding()
        for frame in _frames(video):
            for packet in context.encode(frame):
                packet.stream = stream
                out.mux_one(packet)
        for packet in context.encode(None):
            packet.stream = stream
            out.mux_one(packet)
