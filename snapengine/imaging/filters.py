"""Filter tables: which source samples make a target sample, and how much of each.

Positions are edge coordinates: source sample ``k`` covers ``[k, k + 1)``, centred on ``k + 0.5``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: From this shrink factor on, an area average, which reads each source sample once; below it,
#: Catmull-Rom widened by the factor. PSNR of luma against an 8-lobe sinc, mean of nine pictures:
#: at 1.5:1 Catmull-Rom 46.6 dB, area 42.9; at 2.5:1 43.3 and 40.7. Lanczos-3 comes 5 dB nearer to
#: the sinc, rings like it, and takes half as many samples again.
AREA_FROM: Final = 2.5

#: Weights below this are dust from rounding the positions; 2**-20 of a 16-bit sample is nothing.
_DUST: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """One axis: target sample ``j`` is the sum of ``weights[j, k] * source[starts[j] + k]``.

    ``taps`` (the second side of ``weights``, which is flat) is 1 or a multiple of 4; spare weights
    are zero and may lie past the edge. Samples ``low`` to ``high`` of the source are used.
    """

    starts: NDArray[np.int32]
    weights: NDArray[np.float32]
    taps: int
    low: int
    high: int


def _catmull_rom(x: NDArray[Any]) -> NDArray[Any]:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


@lru_cache(maxsize=128)
def make_taps(source: int, start: float, length: float, target: int) -> Taps:
    """Tables that map ``[start, start + length)`` of ``source`` samples to ``target`` samples.

    The interval may be fractional and may hang over the ends, where the outermost sample goes on.
    Weights of each target sample sum to 1. Pure; the result is shared: do not write into it.
    """
    scale = length / target
    centre = start + (np.arange(target) + 0.5) * scale
    if scale >= AREA_FROM:
        half = scale / 2
        first = np.floor(centre - half + _DUST).astype(np.int64)
        k = first[:, None] + np.arange(ceil(scale) + 1)
        lower = np.maximum(k, (centre - half)[:, None])
        upper = np.minimum(k + 1, (centre + half)[:, None])
        weights = np.maximum(upper - lower, 0.0)
    else:
        width = max(1.0, scale)
        first = np.floor(centre - 2 * width + 0.5 + _DUST).astype(np.int64)
        k = first[:, None] + np.arange(ceil(4 * width) + 1)
        weights = _catmull_rom((k + 0.5 - centre[:, None]) / width)
    weights[np.abs(weights) < _DUST] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)

    # Fold what hangs over the ends onto the outermost samples, then drop leading zeros.
    k = np.clip(k, 0, source - 1)
    used = weights != 0.0
    low = np.where(used, k, source).min(axis=1)
    count = int((np.where(used, k, -1).max(axis=1) - low).max()) + 1
    taps = 1 if count == 1 else -(-count // 4) * 4
    folded = np.zeros((target, taps))
    rows = np.broadcast_to(np.arange(target)[:, None], k.shape)
    np.add.at(folded, (rows[used], (k - low[:, None])[used]), weights[used])
    return Taps(
        starts=low.astype(np.int32),
        weights=np.ascontiguousarray(folded, np.float32).reshape(-1),
        taps=taps,
        low=int(low.min()),
        high=int(np.where(used, k, 0).max()) + 1,
    )
