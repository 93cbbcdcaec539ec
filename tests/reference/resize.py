"""Resampling by the book, float64: a dense matrix for each axis, no tables, no tricks."""

from __future__ import annotations

import math

import numpy as np


def catmull_rom(x: float) -> float:
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    if x < 2:
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return 0.0


def axis(source: int, start: float, length: float, target: int) -> np.ndarray:
    """[target, source]: weights that map ``[start, start + length)`` to ``target`` samples."""
    scale = length / target
    matrix = np.zeros((target, source))
    for j in range(target):
        low, high = start + j * scale, start + (j + 1) * scale
        reach = max(2.0, 2 * scale)
        centre = (low + high) / 2
        for k in range(math.floor(centre - reach) - 2, math.ceil(centre + reach) + 3):
            if scale >= 2.5:
                weight = max(0.0, min(high, k + 1) - max(low, k))
            else:
                weight = catmull_rom((k + 0.5 - centre) / max(1.0, scale))
            matrix[j, min(max(k, 0), source - 1)] += weight
    return matrix / matrix.sum(axis=1, keepdims=True)


def resample(
    plane: np.ndarray,
    x: tuple[float, float, int],
    y: tuple[float, float, int],
) -> np.ndarray:
    """``x`` and ``y``: (start, length, target) on each axis; float64 [y target, x target]."""
    height, width = plane.shape
    return axis(height, *y) @ plane.astype(np.float64) @ axis(width, *x).T
