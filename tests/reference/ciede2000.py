"""CIEDE2000 colour difference: CIE 142-2001, in the notation of Sharma, Wu and Dalal (2005)."""

from __future__ import annotations

import numpy as np

#: CIE XYZ of R, G, B light with BT.709 primaries and D65 (IEC 61966-2-1).
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB codes 0..255 (last axis) to CIE L*a*b* under D65."""
    code = np.asarray(rgb, np.float64) / 255
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    ratio = light @ _XYZ.T / _XYZ.sum(axis=1)
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Difference of two L*a*b* colours (last axis), all weights 1."""
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(np.asarray(v, np.float64), -1, 0) for v in (one, two))
    mean_c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0
    dh = (h2 - h1 + 180) % 360 - 180
    dh = np.where(np.abs(h2 - h1) == 180, h2 - h1, dh)
    dh = np.where(grey, 0.0, dh)
    far = np.abs(h1 - h2) > 180
    mean_h = np.where(far, (h1 + h2 + np.where(h1 + h2 < 360, 360, -360)) / 2, (h1 + h2) / 2)
    mean_h = np.where(grey, h1 + h2, mean_h)
    d_l, d_c = l2 - l1, c2 - c1
    d_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh / 2))
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(np.radians(mean_h - 30))
        + 0.24 * np.cos(np.radians(2 * mean_h))
        + 0.32 * np.cos(np.radians(3 * mean_h + 6))
        - 0.20 * np.cos(np.radians(4 * mean_h - 63))
    )
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    s_c, s_h = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    turn = np.radians(60 * np.exp(-(((mean_h - 275) / 25) ** 2)))
    r_t = -2 * np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)) * np.sin(turn)
    l, c, h = d_l / s_l, d_c / s_c, d_h / s_h  # noqa: E741 - the letters of the formula
    return np.sqrt(np.maximum(l**2 + c**2 + h**2 + r_t * c * h, 0.0))


def difference(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """CIEDE2000 of two arrays of sRGB codes 0..255 (last axis)."""
    return delta(lab(one), lab(two))
