"""Frames made of arrays, for tests of everything that works on samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snapengine.model.color import ColorInfo
from snapengine.model.frame import PixelFormat, Plane, RawFrame
from snapengine.model.geometry import UPRIGHT, Orientation, Size, View

#: Where chroma samples lie, (across, down): -1 on the first luma sample of a group, 0 midway.
SITES = {"left": (-1, 0), "center": (0, 0), "topleft": (-1, -1), "bottomleft": (-1, 1)}
#: The eight ways to put a picture upright.
EIGHT = [Orientation(rotation=r, mirror=m) for r in (0, 90, 180, 270) for m in (False, True)]


def plane(samples: Any, pad: int = 0, guard: int = 251) -> Plane:
    """A plane whose rows are followed by ``pad`` guard samples; its memory is read-only."""
    samples = np.asarray(samples)
    assert samples.dtype in (np.uint8, np.uint16)
    height, width = samples.shape
    flat = np.full((height, width + pad), guard, samples.dtype)
    flat[:, :width] = samples
    data = flat.reshape(-1)[: (width + pad) * (height - 1) + width]
    data.flags.writeable = False
    return Plane(data=data, stride=width + pad, width=width, height=height)


def frame(
    planes: Sequence[Any],
    *,
    log2_chroma: tuple[int, int] = (0, 0),
    depth: int = 8,
    shift: int = 0,
    model: Any = "yuv",
    pad: int = 0,
    **color: Any,
) -> RawFrame:
    """A frame of 2-D arrays of codes; they are stored shifted left by ``shift``."""
    stored = [np.asarray(p) << shift if shift else np.asarray(p) for p in planes]
    return RawFrame(
        planes=tuple(plane(p, pad) for p in stored),
        format=PixelFormat(
            name="test",
            model=model,
            depth=depth,
            shift=shift,
            log2_chroma_w=log2_chroma[0],
            log2_chroma_h=log2_chroma[1],
        ),
        size=Size(stored[0].shape[1], stored[0].shape[0]),
        color=ColorInfo(**color),
    )


def noise(
    rng: np.random.Generator,
    width: int,
    height: int,
    log2_chroma: tuple[int, int] = (1, 1),
    depth: int = 8,
    cell: int = 1,
    **rest: Any,
) -> RawFrame:
    """A YUV frame of random codes, constant within ``cell`` x ``cell`` samples."""
    kind = np.uint8 if depth == 8 else np.uint16
    cw, ch = -(-width // (1 << log2_chroma[0])), -(-height // (1 << log2_chroma[1]))
    planes = []
    for w, h in ((width, height), (cw, ch), (cw, ch)):
        small = rng.integers(0, 1 << depth, (-(-h // cell), -(-w // cell)), kind)
        planes.append(small.repeat(cell, 0).repeat(cell, 1)[:h, :w])
    return frame(planes, log2_chroma=log2_chroma, depth=depth, **rest)


def view(
    source: RawFrame,
    width: int,
    height: int,
    *,
    crop: tuple[float, float, float, float] | None = None,
    orientation: Orientation = UPRIGHT,
) -> View:
    """All of the frame, or ``crop``, scaled to ``width`` x ``height`` and then turned."""
    w, h = source.size
    upright = Size(height, width) if orientation.swaps_sides else Size(width, height)
    return View(
        coded=source.size,
        crop=crop or (0.0, 0.0, float(w), float(h)),
        scaled=Size(width, height),
        orientation=orientation,
        size=upright,
    )


def oriented(samples: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Mirror left-right, then turn clockwise, by index arithmetic alone."""
    if orientation.mirror:
        samples = samples[:, ::-1]
    for _ in range(orientation.rotation // 90):
        samples = np.swapaxes(samples, 0, 1)[:, ::-1]
    return samples


def smooth(width: int, height: int) -> RawFrame:
    """Gentle waves without symmetry, 4:2:0."""

    def wave(w: int, h: int, k: float) -> np.ndarray:
        y, x = np.mgrid[0:h, 0:w]
        return np.asarray(
            128 + 60 * np.sin(k + 5 * x / w + 2 * y / h) + 30 * (y / h - x / w), np.uint8
        )

    cw, ch = (width + 1) // 2, (height + 1) // 2
    planes = [wave(width, height, 1), wave(cw, ch, 2), wave(cw, ch, 4)]
    return frame(planes, log2_chroma=(1, 1), pad=5, matrix="bt709")
