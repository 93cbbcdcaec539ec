"""Published measures of pictures, as their papers write them: float64, slow, one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def rgb(y: Any, cb: Any, cr: Any) -> F64:
    """R'G'B' of full-range BT.601 (ITU-T T.871), not clipped; shape (height, width, 3)."""
    y, b, r = (np.asarray(a, np.float64) for a in (y, cb, cr))
    b, r = b - 128, r - 128
    green = y - (0.114 * 1.772 * b + 0.299 * 1.402 * r) / 0.587
    return np.stack([y + 1.402 * r, green, y + 1.772 * b], axis=-1)


def hasler_suesstrunk(picture: F64) -> float:
    """Measuring colourfulness in natural images (2003), the metric M(3) in sRGB."""
    r, g, b = picture[..., 0], picture[..., 1], picture[..., 2]
    rg = r - g
    yb = (r + g) / 2 - b
    sigma = np.sqrt(rg.std() ** 2 + yb.std() ** 2)
    mu = np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    return float(sigma + 0.3 * mu)


def middle_width(y: Any, share: float = 0.98) -> int:
    """Ke, Tang & Jing (2006): width of the histogram's middle mass, from the sorted samples."""
    flat = sorted(int(v) for v in np.asarray(y).reshape(-1))
    n = len(flat)

    def at(part: float) -> int:
        return flat[max(0, int(np.ceil(part * n - 1e-6)) - 1)]

    return at((1 + share) / 2) - at((1 - share) / 2)


def entropy(y: Any) -> float:
    """Shannon's, of the samples' levels, in bits."""
    _, counts = np.unique(np.asarray(y), return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum())


def pooled(y: Any, size: int) -> F64:
    """Means of ``size`` x ``size`` samples at every place where they fit."""
    y = np.asarray(y, np.float64)
    height, width = y.shape
    out = np.empty((max(0, height - size + 1), max(0, width - size + 1)))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = y[i : i + size, j : j + size].mean()
    return out


def bends(plane: F64, step: int) -> F64:
    """Squared second differences (height - 2 * step, width - 2 * step, 4): along the row, the
    column, the diagonal and the other one."""
    height, width = plane.shape
    out = np.empty((height - 2 * step, width - 2 * step, 4))
    ways = ((0, step), (step, 0), (step, step), (step, -step))
    for i in range(step, height - step):
        for j in range(step, width - step):
            for k, (down, right) in enumerate(ways):
                value = plane[i - down, j - right] - 2 * plane[i, j] + plane[i + down, j + right]
                out[i - step, j - step, k] = value * value
    return out


def steps(y: Any, least: int, axis: int) -> NDArray[np.int64]:
    """How many neighbours along ``axis`` differ by more than ``least``, at each place along it."""
    change = np.abs(np.diff(np.asarray(y, np.int64), axis=axis)) > least
    counted: NDArray[np.int64] = change.sum(axis=1 - axis)
    return counted


def mix_share(before: F64, picture: F64, after: F64) -> tuple[float, float]:
    """Least squares by numpy's solver: share of ``after``, and power left over the difference's."""
    way = (after - before).reshape(-1, 1)
    share, *_ = np.linalg.lstsq(way, (picture - before).reshape(-1), rcond=None)
    left = (picture - before).reshape(-1) - way[:, 0] * share[0]
    return float(share[0]), float((left**2).sum() / (way**2).sum())
