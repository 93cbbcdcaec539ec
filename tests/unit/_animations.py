"""Pictures that move, and decoders for what was made of them."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import av
import numpy as np
from PIL import Image

from snapengine.outputs.animation import AnimationFormat

U8 = np.ndarray


# -- pictures -------------------------------------------------------------------------------


def smooth(width: int, height: int, seed: int = 3) -> U8:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (-(-height // 12) + 1, -(-width // 12) + 1, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def flat(colour: tuple[int, int, int], width: int = 24, height: int = 16) -> U8:
    return np.full((height, width, 3), colour, np.uint8)


def scene(frames: int, width: int = 96, height: int = 64, seed: int = 5) -> list[U8]:
    """A square that moves before a still ground with sensor noise of one level."""
    ground, rng = smooth(width, height, seed), np.random.default_rng(seed)
    side, found = height // 4, []
    for i in range(frames):
        noise = rng.integers(-1, 2, ground.shape)
        frame = np.clip(ground + noise, 0, 255).astype(np.uint8)
        x = 4 + i * 3
        frame[height // 3 : height // 3 + side, x : x + side] = (230, 40, 30)
        found.append(frame)
    return found


def fade(frames: int) -> list[U8]:
    """One level darker per frame, less than is worth writing, while something else moves."""
    base = smooth(64, 48).astype(np.int64) // 2 + 100
    found = []
    for i in range(frames):
        frame = np.clip(base - i, 0, 255).astype(np.uint8)
        frame[2:6, i : i + 4] = 255
        found.append(frame)
    return found


def psnr(seen: U8, wanted: U8) -> float:
    error = np.mean((seen.astype(np.float64) - wanted) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


# -- decoders -------------------------------------------------------------------------------


def by_pillow(data: bytes) -> tuple[list[U8], list[int]]:
    """Frames and their milliseconds."""
    frames, times = [], []
    with Image.open(io.BytesIO(data)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
            times.append(round(image.info.get("duration", 0)))
    return frames, times


def by_libav(data: bytes) -> tuple[list[U8], list[int]]:
    """Frames and their milliseconds; the last one's is not told by every demuxer."""
    frames, stamps, last = [], [], 0
    with av.open(io.BytesIO(data)) as container:
        # An AVIF shows its first picture as a still of its own, too.
        stream = max(container.streams.video, key=lambda stream: stream.frames)
        for frame in container.decode(stream):
            assert frame.pts is not None and frame.time_base is not None
            frames.append(frame.to_ndarray(format="rgb24"))
            stamps.append(round(frame.pts * frame.time_base * 1000))
            last = round((frame.duration or 0) * frame.time_base * 1000)
    return frames, [*np.diff(stamps).tolist(), last]


def decoded(data: bytes, kind: AnimationFormat) -> tuple[list[U8], list[int]]:
    """By a decoder that is not the encoder's: GIF by libavcodec; WebP and AVIF by libwebp's and
    libavif's own, as nothing else here reads animated WebP (AVIF by dav1d below as well)."""
    return by_libav(data) if kind == "gif" else by_pillow(data)


def gif_delays(data: bytes) -> list[int]:
    """Hundredths of every frame, read from the file's own blocks (GIF89a)."""
    at = 13 + (3 * (2 << (data[10] & 7)) if data[10] & 0x80 else 0)
    delays: list[int] = []
    while data[at] != 0x3B:
        if data[at] == 0x21:
            if data[at + 1] == 0xF9:
                delays.append(struct.unpack_from("<H", data, at + 4)[0])
            at += 2
        else:
            assert data[at] == 0x2C
            at += 11 + (3 * (2 << (data[at + 9] & 7)) if data[at + 9] & 0x80 else 0)
        while data[at]:
            at += data[at] + 1
        at += 1
    assert at == len(data) - 1
    return delays


def shown_at(frames: Sequence[U8], times: Sequence[int], ms: float) -> U8:
    ends = np.cumsum(times)
    return frames[min(int(np.searchsorted(ends, ms, "right")), len(frames) - 1)]
