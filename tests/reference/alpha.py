"""Scaling and blending of transparent pictures by the book, float64."""

from __future__ import annotations

import numpy as np

from . import resize


def scaled(
    rgb: np.ndarray,
    opacity: np.ndarray,
    crop: tuple[float, float, float, float],
    size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """``rgb`` (height, width, 3) in 0..255 and ``opacity`` in 0..1 to premultiplied and opacity."""
    x, y = (crop[0], crop[2], size[0]), (crop[1], crop[3], size[1])
    alpha = resize.resample(opacity, x, y).clip(0, 1)
    color = [resize.resample(rgb[..., i] * opacity, x, y) for i in range(3)]
    return np.stack([c.clip(0, 255 * alpha) for c in color], axis=-1), alpha


def over(
    premultiplied: np.ndarray, opacity: np.ndarray, behind: tuple[int, int, int]
) -> np.ndarray:
    """Porter and Duff's "over" on an opaque colour."""
    return np.asarray(premultiplied + (1 - opacity)[..., None] * np.asarray(behind, np.float64))
