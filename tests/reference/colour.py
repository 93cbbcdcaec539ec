"""Colour by the formulas of ITU-R BT.601/709/2020, H.273 and T.871 (JFIF), float64."""

from __future__ import annotations

import numpy as np

KR_KB = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11),
}
MATRICES = (*KR_KB, "ycgco")


def to_rgb(y, cb, cr, depth: int, full: bool, matrix: str) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Codes of ``depth`` bits to R, G, B (first axis) in 0..255, not rounded, not clipped."""
    y, cb, cr = (np.asarray(v, np.float64) for v in (y, cb, cr))
    if full:
        top = 2.0**depth - 1
        y, cb, cr = y / top, (cb - 2.0 ** (depth - 1)) / top, (cr - 2.0 ** (depth - 1)) / top
    else:
        k = 2.0 ** (depth - 8)
        y, cb, cr = (y / k - 16) / 219, (cb / k - 128) / 224, (cr / k - 128) / 224
    if matrix == "ycgco":
        rgb = (y - cb + cr, y + cb, y - cb - cr)
    else:
        kr, kb = KR_KB[matrix]
        r = y + 2 * (1 - kr) * cr
        b = y + 2 * (1 - kb) * cb
        rgb = (r, (y - kr * r - kb * b) / (1 - kr - kb), b)
    return 255 * np.stack(rgb)


def rgb_codes(r, g, b, depth: int, full: bool) -> np.ndarray:  # type: ignore[no-untyped-def]
    """R, G, B codes to 0..255."""
    rgb = np.stack([np.asarray(v, np.float64) for v in (r, g, b)])
    if full:
        return 255 * rgb / (2.0**depth - 1)
    return 255 * (rgb / 2.0 ** (depth - 8) - 16) / 219


def to_jfif(rgb: np.ndarray) -> np.ndarray:
    """R, G, B (first axis) in 0..255 to Y, Cb, Cr of T.871, not rounded."""
    r, g, b = np.asarray(rgb, np.float64)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return np.stack([y, (b - y) / 1.772 + 128, (r - y) / 1.402 + 128])


def from_jfif(y, cb, cr) -> np.ndarray:  # type: ignore[no-untyped-def]
    """T.871 codes to R, G, B in 0..255, not rounded."""
    return to_rgb(y, cb, cr, 8, True, "bt601")


def rounded(values: np.ndarray) -> np.ndarray:
    """To the nearest, halves upward, clipped to 8 bits; int64."""
    return np.clip(np.floor(np.asarray(values) + 0.5), 0, 255).astype(np.int64)


def blend(plane: np.ndarray, axis: int, target: int, site: int) -> np.ndarray:
    """Linear interpolation from half the samples along ``axis`` to ``target`` luma positions.

    ``site``: -1 when sample i lies on luma 2i, 0 on 2i + 0.5, 1 on 2i + 1.
    """
    plane = np.moveaxis(np.asarray(plane, np.float64), axis, 0)
    at = (np.arange(target) - (site + 1) * 0.5) / 2
    i = np.floor(at).astype(int)
    part = (at - i).reshape(-1, *[1] * (plane.ndim - 1))
    last = len(plane) - 1
    out = plane[np.clip(i, 0, last)] * (1 - part) + plane[np.clip(i + 1, 0, last)] * part
    return np.moveaxis(out, 0, axis)
