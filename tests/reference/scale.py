"""A whole frame scaled by the book, float64: what the scaler does in stages, done in one go."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import colour, resize


def chroma_start(luma: float, factor: int, site: int) -> float:
    """Where a luma position (edge coordinates) lies on a chroma axis with ``1/factor`` samples.

    ``site`` -1: chroma sample i is centred on luma sample ``factor * i``; 0: on the middle of its
    ``factor`` luma samples; 1: on the last of them.
    """
    middle = {-1: 0.5, 0: factor / 2, 1: factor - 0.5}[site]
    return (luma - middle) / factor + 0.5


def component(
    plane: np.ndarray,
    log2: tuple[int, int],
    site: tuple[int, int],
    crop: tuple[float, float, float, float],
    scaled: tuple[int, int],
    grid: tuple[int, int, int, int, int],
) -> np.ndarray:
    """One component on ``grid`` (x, y, width, height, step in pixels of the scaled picture)."""
    axes = []
    for i in (0, 1):
        factor, step = 1 << log2[i], crop[2 + i] / scaled[i]
        start = chroma_start(crop[i] + grid[i] * step, factor, site[i] if log2[i] else 0)
        axes.append((start, grid[2 + i] * grid[4] * step / factor, grid[2 + i]))
    return resize.resample(plane, axes[0], axes[1])


def jfif(
    planes: list[np.ndarray],
    *,
    log2: tuple[int, int],
    site: tuple[int, int],
    depth: int,
    full: bool,
    matrix: str,
    crop: tuple[float, float, float, float],
    scaled: tuple[int, int],
    half: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, Cb, Cr in JFIF codes, not rounded; chroma at half size when ``half`` is 1."""
    w, h = scaled
    cw, ch = (w + half) >> half, (h + half) >> half
    y = component(planes[0], (0, 0), (0, 0), crop, scaled, (0, 0, w, h, 1))
    cb, cr = (component(p, log2, site, crop, scaled, (0, 0, cw, ch, 1 + half)) for p in planes[1:3])
    gray = np.full_like(cb, 2.0 ** (depth - 1))

    def convert(*codes: Any) -> np.ndarray:
        return colour.to_jfif(colour.to_rgb(*codes, depth, full, matrix))

    chroma = convert(gray, cb, cr)
    shade = chroma[0] - convert(gray, gray, gray)[0]
    if half:
        shade = colour.blend(colour.blend(shade, 0, 2 * ch, 0), 1, 2 * cw, 0)[:h, :w]
    middle = np.full_like(y, 2.0 ** (depth - 1))
    return convert(y, middle, middle)[0] + shade, chroma[1], chroma[2]


def rgb(
    planes: list[np.ndarray],
    *,
    log2: tuple[int, int],
    site: tuple[int, int],
    depth: int,
    full: bool,
    matrix: str,
    crop: tuple[float, float, float, float],
    scaled: tuple[int, int],
) -> np.ndarray:
    """R, G, B (height, width, 3) in 0..255, not rounded."""
    grid = (0, 0, *scaled, 1)
    y = component(planes[0], (0, 0), (0, 0), crop, scaled, grid)
    cb, cr = (component(p, log2, site, crop, scaled, grid) for p in planes[1:3])
    return np.moveaxis(colour.to_rgb(y, cb, cr, depth, full, matrix), 0, 2)
