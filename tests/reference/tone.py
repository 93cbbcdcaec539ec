"""What an sRGB screen shall show of HDR and of other primaries: float64, one colour after another.

The operator, in words: PQ is light; HLG becomes light by the OOTF of a 1000 cd/m2 display. The
largest component goes through BT.2390's EETF from the content's peak to 203 cd/m2, the others keep
their ratio to it. White to white, BT.709 primaries. Outside of them: straight to the grey of the
same luminance until nothing is negative, then to black until nothing is above white. sRGB's curve.
"""

from __future__ import annotations

import math

import numpy as np

WHITE = 203.0
CHROMATICITIES = {
    "bt709": "0.640 0.330 0.300 0.600 0.150 0.060 0.3127 0.3290",
    "bt470m": "0.67 0.33 0.21 0.71 0.14 0.08 0.310 0.316",
    "bt470bg": "0.64 0.33 0.29 0.60 0.15 0.06 0.3127 0.3290",
    "smpte170m": "0.630 0.340 0.310 0.595 0.155 0.070 0.3127 0.3290",
    "smpte240m": "0.630 0.340 0.310 0.595 0.155 0.070 0.3127 0.3290",
    "film": "0.681 0.319 0.243 0.692 0.145 0.049 0.310 0.316",
    "bt2020": "0.708 0.292 0.170 0.797 0.131 0.046 0.3127 0.3290",
    "smpte431": "0.680 0.320 0.265 0.690 0.150 0.060 0.314 0.351",
    "smpte432": "0.680 0.320 0.265 0.690 0.150 0.060 0.3127 0.3290",
    "ebu3213": "0.630 0.340 0.295 0.605 0.155 0.077 0.3127 0.3290",
}
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def srgb_light(code: np.ndarray) -> np.ndarray:
    """0..1 to 0..1."""
    code = np.asarray(code, np.float64)
    return np.where(code > 0.04045, np.power((np.abs(code) + 0.055) / 1.055, 2.4), code / 12.92)


def srgb_code(light: np.ndarray) -> np.ndarray:
    """0..1 to 0..1."""
    light = np.asarray(light, np.float64)
    return np.where(
        light > 0.0031308, 1.055 * np.power(np.abs(light), 1 / 2.4) - 0.055, 12.92 * light
    )


def pq_light(signal: float) -> float:
    """ST 2084, equation 4.1: cd/m2."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    n = max(signal, 0.0) ** (1 / m2)
    return float(10000 * (max(n - c1, 0) / (c2 - c3 * n)) ** (1 / m1))


def pq_signal(light: float) -> float:
    """ST 2084, equation 5.2."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    y = (min(max(light, 0.0), 10000.0) / 10000) ** m1
    return float(((c1 + c2 * y) / (1 + c3 * y)) ** m2)


def hlg_scene(signal: float) -> float:
    """BT.2100 table 5, inverse OETF: 0..1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return signal * signal / 3 if signal <= 0.5 else (math.exp((signal - c) / a) + b) / 12


def hlg_signal(scene: float) -> float:
    """BT.2100 table 5, OETF."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return math.sqrt(3 * scene) if scene <= 1 / 12 else a * math.log(12 * scene - b) + c


def eetf(light: float, peak: float) -> float:
    """BT.2390-10, 5.4.1, from a mastering display of 0..``peak`` to one of 0..203 cd/m2."""
    top = pq_signal(peak)
    e1 = min(pq_signal(light) / top, 1.0)
    max_lum = pq_signal(WHITE) / top
    ks = 1.5 * max_lum - 0.5
    if e1 < ks or ks >= 1:
        return pq_light(e1 * top)
    t = (e1 - ks) / (1 - ks)
    e2 = (2 * t**3 - 3 * t**2 + 1) * ks + (t**3 - 2 * t**2 + t) * (1 - ks)
    return pq_light((e2 + (-2 * t**3 + 3 * t**2) * max_lum) * top)


def xyz(primaries: str) -> np.ndarray:
    """3x3, columns are the light of full R, G, B; their sum is the white point with Y = 1."""
    points = np.array(CHROMATICITIES[primaries].split(), float).reshape(4, 2)
    columns = np.array([[x, y, 1 - x - y] for x, y in points]).T
    white = columns[:, 3] / columns[1, 3]
    return columns[:, :3] @ np.diag(np.linalg.inv(columns[:, :3]) @ white)


def between(source: str, target: str) -> np.ndarray:
    """3x3: light of one set of primaries to light of another, white to white (Bradford)."""
    s, t = xyz(source), xyz(target)
    gains = (BRADFORD @ t.sum(axis=1)) / (BRADFORD @ s.sum(axis=1))
    return np.linalg.inv(t) @ np.linalg.inv(BRADFORD) @ np.diag(gains) @ BRADFORD @ s


def fit(light: np.ndarray) -> np.ndarray:
    """Into the cube of BT.709 light, by bisection."""
    grey = max(float(xyz("bt709")[1] @ light), 0.0)
    low, high = 0.0, 1.0
    if light.min() >= 0:
        low = 1.0
    else:
        for _ in range(60):
            middle = (low + high) / 2
            inside = (grey + middle * (light - grey)).min() >= 0
            low, high = (middle, high) if inside else (low, middle)
    moved = np.maximum(grey + low * (light - grey), 0.0)
    return np.asarray(moved / max(moved.max(), 1.0))


def shown(signal: np.ndarray, transfer: str, primaries: str, peak: float = 1000.0) -> np.ndarray:
    """Signals 0..1 [count, 3] to sRGB codes 0..255, not rounded. ``transfer``: pq, hlg or sdr."""
    result = []
    for color in np.clip(np.asarray(signal, np.float64), 0, 1):
        if transfer == "sdr":
            light = srgb_light(color)
        else:
            if transfer == "pq":
                nits = np.array([pq_light(v) for v in color])
            else:
                scene = np.array([hlg_scene(v) for v in color])
                luminance = float(xyz(primaries)[1] @ scene)
                nits = 1000 * (luminance**0.2 if luminance > 0 else 0.0) * scene
            nits = np.asarray(nits)
            largest = float(nits.max())
            light = nits / WHITE if largest <= 0 else nits / largest * eetf(largest, peak) / WHITE
        result.append(255 * srgb_code(fit(between(primaries, "bt709") @ light)))
    return np.array(result)


def ipt_c2(signal: np.ndarray) -> np.ndarray:
    """PQ R'G'B' of BT.2020 (last axis) to I in 0..1 and P, T in -0.5..0.5.

    Cones of Hunt, Pointer and Estevez normalised to D65, 2 % of crosstalk between them, PQ, and the
    matrix of Ebner and Fairchild's IPT.
    """
    cones = np.array([[0.4002, 0.7076, -0.0808], [-0.2263, 1.1653, 0.0457], [0, 0, 0.9182]])
    crosstalk = 0.02 + 0.94 * np.eye(3)
    opponents = np.array([[0.4, 0.4, 0.2], [4.455, -4.851, 0.396], [0.8056, 0.3572, -1.1628]])
    light = np.vectorize(pq_light)(signal) @ (crosstalk @ cones @ xyz("bt2020")).T
    return np.asarray(np.vectorize(pq_signal)(light) @ opponents.T)
