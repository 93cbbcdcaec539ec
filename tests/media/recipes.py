"""Test videos as recipes: a value that says everything about a file, and the code that makes it.

``build(recipe)`` returns the path of the finished file. Files live in one cache folder per user,
named by the hash of the recipe, of this code and of the encoder versions, so a changed recipe is a
new file and an old file is never trusted by name alone. Creation is write-aside-and-rename:
parallel test runs may do the work twice, but never see half a file.

Nothing here imports snapengine. The only inputs are PyAV and numpy.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt

from .barcode import draw_luma

__all__ = ["MAX_BYTES", "Recipe", "build", "cache_folder", "shown_size"]

MAX_BYTES = 200_000
"""House rule: no fixture is larger (times ``repeat``); keeps the cache in the low megabytes."""

Pattern = Literal["cfr", "vfr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One test video. Sizes are (as coded) pixels, times are counted in frames of ``rate``."""

    name: str
    codec: str = "h264"
    container: str = "mp4"  # file name suffix
    width: int = 160
    height: int = 96
    frames: int = 60
    rate: int = 25
    gop: int = 12
    bframes: int = 0
    open_gop: bool = False
    pattern: Pattern = "cfr"
    start_frames: int = 0  # first pts, in frames; negative: an edit list hides the beginning
    last_frames: int = 1  # how long the last frame stays, in frames
    pix_fmt: str = "yuv420p"
    rotation: int = 0  # degrees clockwise that a player turns the stored picture
    sar: tuple[int, int] = (1, 1)
    full_range: bool = False
    matrix: int = 2  # H.273 codes; 2 is "unspecified"
    primaries: int = 2
    transfer: int = 2
    interlaced: bool = False
    audio_seconds: float = 0.0
    encoder_options: tuple[tuple[str, str], ...] = ()
    muxer_options: tuple[tuple[str, str], ...] = ()
    repeat: int = 1  # the same packets written again, later (a longer file, no new encode)
    still_from: int | None = None  # frames from here on all look like this one
    neutral: bool = False  # no colour: chroma is 128 everywhere
    damage: str = ""  # "truncate:0.5" | "flip:<count>:<seed>" | "hole:0.3:0.4"

    @property
    def key(self) -> str:
        """Hash over every field, and over the code and library versions that shape the bytes."""
        text = repr((_code_hash(), av.__version__, sorted(av.library_versions.items()), self))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def pts_in_ticks(self) -> tuple[Fraction, list[int]]:
        """(seconds per tick, pts of each frame), before ``repeat``."""
        if self.pattern == "cfr":
            return Fraction(1, self.rate), [self.start_frames + i for i in range(self.frames)]
        # Irregular: gaps of 1/4 to 6 frames, never two alike for long. Seeded by the name.
        dice = random.Random(f"pts:{self.name}")
        fine = 1 if self.codec in ("mpeg2video", "mpeg4") else 4
        ticks, now = [], self.start_frames * fine
        for _ in range(self.frames):
            ticks.append(now)
            now += (
                dice.choice([1, 2, 3, 4, 4, 4, 5, 9, 24]) if fine == 4 else dice.choice([1, 2, 5])
            )
        return Fraction(1, self.rate * fine), ticks

    def ordinal(self, index: int) -> int:
        """The number drawn into frame ``index`` (presentation order, before ``repeat``)."""
        return index if self.still_from is None else min(index, self.still_from)


def shown_size(recipe: Recipe) -> tuple[int, int]:
    """(width, height) as a player shows it: square pixels (wider, never lower), upright."""
    num, den = recipe.sar
    width, height = recipe.width, recipe.height
    if num > den:
        width = round(width * num / den)
    elif den > num:
        height = round(height * den / num)
    return (height, width) if recipe.rotation % 180 else (width, height)


def cache_folder() -> Path:
    """SNAPENGINE_MEDIA_CACHE, or a folder in the temporary directory for this user alone."""
    named = os.environ.get("SNAPENGINE_MEDIA_CACHE")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(named) if named else Path(tempfile.gettempdir()) / f"snapengine-media-{user}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not named and hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to someone else")
    return folder


@functools.cache
def _code_hash() -> str:
    here = Path(__file__)
    sources = b"".join(path.read_bytes() for path in (here, here.with_name("barcode.py")))
    return hashlib.sha256(sources).hexdigest()


def build(recipe: Recipe) -> Path:
    """The file of this recipe, made on first use."""
    path = cache_folder() / f"{recipe.name}-{recipe.key}.{recipe.container}"
    if path.exists():
        return path
    handle, aside = tempfile.mkstemp(
        suffix=f".{recipe.container}", prefix=".making-", dir=path.parent
    )
    os.close(handle)
    try:
        if recipe.damage:
            whole = build(dataclasses.replace(recipe, damage="")).read_bytes()
            Path(aside).write_bytes(_damaged(whole, recipe.damage))
        else:
            _write(recipe, aside)
        size = os.path.getsize(aside)
        limit = MAX_BYTES * recipe.repeat
        if not 0 < size <= limit:
            raise ValueError(f"recipe {recipe.name}: {size} bytes, limit {limit}")
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.unlink(aside)
    return path


def _damaged(data: bytes, damage: str) -> bytes:
    kind, *numbers = damage.split(":")
    if kind == "truncate":
        return data[: int(len(data) * float(numbers[0]))]
    if kind == "flip":
        dice, out = random.Random(int(numbers[1])), bytearray(data)
        for _ in range(int(numbers[0])):
            # The first 5 % are spared: a broken header is a different test (it just fails to open).
            out[dice.randrange(len(out) // 20, len(out))] ^= 1 << dice.randrange(8)
        return bytes(out)
    if kind == "hole":
        first, last = (int(len(data) * float(n)) for n in numbers)
        return data[:first] + bytes(last - first) + data[last:]
    raise ValueError(f"unknown damage {damage!r}")


# --- encoders ------------------------------------------------------------------------------------


_MPEG_LIKE = ("mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "h263", "flv", "wmv2", "msmpeg4")


def _encoder(recipe: Recipe) -> tuple[str, dict[str, str]]:
    """(encoder name, private options). One thread each: same input, same bytes."""
    gop, bframes, open_gop = recipe.gop, recipe.bframes, int(recipe.open_gop)
    options: dict[str, str]
    if recipe.codec == "h264":
        options = {
            "preset": "veryfast",
            "crf": "30",
            "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={bframes}:b-adapt=0"
            f":b-pyramid={'normal' if bframes > 1 else 'none'}:open-gop={open_gop}:threads=1"
            # Without mbtree=0 the first encodes of a process differed from the later ones.
            f":rc-lookahead={min(10, gop)}:ref=3:mbtree=0{':tff=1' if recipe.interlaced else ''}",
        }
        name = "libx264"
    elif recipe.codec == "hevc":
        options = {
            "preset": "ultrafast",
            "crf": "30",
            "x265-params": f"log-level=none:pools=1:frame-threads=1:keyint={gop}:min-keyint={gop}"
            f":scenecut=0:bframes={bframes}:b-adapt=0:open-gop={open_gop}:rc-lookahead=10",
        }
        name = "libx265"
    elif recipe.codec in ("vp8", "vp9"):
        name = "libvpx" if recipe.codec == "vp8" else "libvpx-vp9"
        options = {"deadline": "realtime", "cpu-used": "8", "crf": "40", "b": "300k"}
        if recipe.codec == "vp9":
            # Hidden alternate reference frames: packets that show nothing of their own.
            options |= {"auto-alt-ref": "1", "lag-in-frames": "12", "deadline": "good"}
    elif recipe.codec == "av1":
        options = {"preset": "12", "crf": "45", "svtav1-params": f"keyint={gop}:lp=1"}
        name = "libsvtav1"
    elif recipe.codec in _MPEG_LIKE:
        options, name = {"qmin": "3", "qmax": "12", "sc_threshold": "1000000000"}, recipe.codec
        if recipe.codec == "mjpeg":
            options = {"q:v": "8"}
    elif recipe.codec == "prores":
        options, name = {"profile": "0"}, "prores_ks"
    elif recipe.codec == "dnxhd":
        options, name = {"profile": "dnxhr_lb"}, "dnxhd"
    else:
        options, name = {}, recipe.codec
    return name, options | dict(recipe.encoder_options)


def _plane_of(frame: Any, index: int, samples: npt.NDArray[Any]) -> None:
    plane = frame.planes[index]
    rows = np.zeros((plane.height, plane.line_size), np.uint8)
    raw = np.ascontiguousarray(samples).view(np.uint8).reshape(samples.shape[0], -1)
    rows[: raw.shape[0], : raw.shape[1]] = raw
    plane.update(rows.tobytes())


@functools.lru_cache(maxsize=4096)
def _upright_luma(ordinal: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    return draw_luma(ordinal, width, height)


def draw_frame(recipe: Recipe, ordinal: int) -> Any:
    """The av.VideoFrame of one ordinal, turned so that the player's rotation makes it upright."""
    turned = recipe.rotation % 180 != 0
    size = (recipe.height, recipe.width) if turned else (recipe.width, recipe.height)
    luma = np.rot90(_upright_luma(ordinal, *size), recipe.rotation // 90)
    frame = av.VideoFrame(recipe.width, recipe.height, recipe.pix_fmt)
    deep = frame.format.components[0].bits > 8
    shift = frame.format.components[0].bits - 8
    if recipe.full_range:
        luma = ((luma.astype(np.int32) - 16) * 255 // 219).astype(np.uint8)
    for index, plane in enumerate(frame.planes):
        samples = luma
        if index:
            y = np.arange(plane.height)[:, None]
            x = np.arange(plane.width)[None, :]
            wave = np.sin((x + y + ordinal * (3 - index)) / 6.0 + index)
            samples = (128 + (0 if recipe.neutral else 40) * wave).astype(np.uint8)
        deeper = samples.astype(np.uint16) << shift if deep else samples
        _plane_of(frame, index, deeper)
    frame.color_range = 2 if recipe.full_range else 1
    frame.colorspace = recipe.matrix
    frame.color_primaries = recipe.primaries
    frame.color_trc = recipe.transfer
    return frame


def _write(recipe: Recipe, path: str) -> None:
    os.environ.setdefault("SVT_LOG", "-1")  # the AV1 encoder writes to stderr otherwise
    tick, ticks = recipe.pts_in_ticks()
    formats = {
        "mkv": "matroska", "ts": "mpegts", "m2ts": "mpegts", "ps": "mpeg", "m2v": "mpeg2video",
        "m1v": "mpeg1video", "wmv": "asf", "y4m": "yuv4mpegpipe", "265": "hevc",
    }  # fmt: skip
    options = dict(recipe.muxer_options)
    if recipe.start_frames < 0:
        options.setdefault("avoid_negative_ts", "disabled")
    with av.open(
        path, "w", format=formats.get(recipe.container, recipe.container), options=options
    ) as out:
        out.flags |= 0x0400  # AVFMT_FLAG_BITEXACT: no random ids, no dates
        name, private = _encoder(recipe)
        stream: Any = out.add_stream(name, rate=recipe.rate, options=private)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = recipe.width, recipe.height, recipe.pix_fmt
        context.time_base = tick
        context.gop_size = recipe.gop
        if recipe.codec in ("mpeg4", "mpeg2video", "mpeg1video"):
            context.max_b_frames = recipe.bframes
        if recipe.codec not in ("hevc", "av1"):
            context.thread_count = 1
        context.sample_aspect_ratio = Fraction(*recipe.sar)
        context.color_range = 2 if recipe.full_range else 1
        context.colorspace = recipe.matrix
        context.color_primaries = recipe.primaries
        context.color_trc = recipe.transfer
        if recipe.interlaced:
            context.flags |= 0x20040000  # AV_CODEC_FLAG_INTERLACED_DCT | _ME
        if recipe.rotation:
            # The display matrix counts counter-clockwise; the recipe counts clockwise.
            stream.set_display_rotation(-recipe.rotation)
        audio: Any = None
        if recipe.audio_seconds:
            coder = {"avi": "mp2", "ts": "mp2", "webm": "libopus", "ps": "mp2"}
            rate = 48_000
            audio = out.add_stream(coder.get(recipe.container, "aac"), rate=rate, layout="mono")
            audio.codec_context.bit_rate = 32_000
        out.start_encoding()
        packets = list(_encode(recipe, context, tick, ticks))
        video = list(_repeated(recipe, packets, tick, ticks))
        sound = list(_silence(audio, recipe.audio_seconds)) if audio is not None else []
        for packet in video:
            packet.stream = stream
        for packet in sound:
            packet.stream = audio
        # Interleaved by decode time, as a real muxer run would see them.
        merged = sorted(video + sound, key=_decode_seconds)
        for packet in merged:
            out.mux_one(packet)


def _decode_seconds(packet: Any) -> Fraction:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return stamp * Fraction(packet.time_base)


def _encode(recipe: Recipe, context: Any, tick: Fraction, ticks: list[int]) -> Iterator[Any]:
    for index, pts in enumerate(ticks):
        frame = draw_frame(recipe, recipe.ordinal(index))
        frame.pts, frame.time_base = pts, tick
        yield from context.encode(frame)
    yield from context.encode(None)


def _repeated(
    recipe: Recipe, packets: list[Any], tick: Fraction, ticks: list[int]
) -> Iterator[Any]:
    """The encoded packets ``recipe.repeat`` times, each round moved behind the one before."""
    frame_ticks = int(Fraction(1, recipe.rate) / tick)
    gaps = [b - a for a, b in itertools.pairwise(ticks)]
    duration = dict(zip(ticks, [*gaps, recipe.last_frames * frame_ticks], strict=True))
    length = ticks[-1] - ticks[0] + recipe.last_frames * frame_ticks
    for round_ in range(recipe.repeat):
        for packet in packets:
            if recipe.repeat == 1:
                copy = packet
            else:
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.is_keyframe = packet.is_keyframe
            base = Fraction(copy.time_base)
            scale = int(tick / base) if tick >= base else 0
            if scale:
                copy.duration = duration.get(packet.pts // scale, frame_ticks) * scale
            if round_:
                copy.pts += round_ * length * scale
                copy.dts += round_ * length * scale
            yield copy


def _silence(stream: Any, seconds: float) -> Iterator[Any]:
    context = stream.codec_context
    context.open(strict=False)
    size, rate = context.frame_size or 1024, context.sample_rate
    layout = context.format.name
    for index in range(int(seconds * rate / size)):
        dtype = np.float32 if layout.startswith("flt") else np.int16
        frame = av.AudioFrame.from_ndarray(np.zeros((1, size), dtype), format=layout, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, index * size, Fraction(1, rate)
        yield from context.encode(frame)
    yield from context.encode(None)
