"""How alike two frames are: small colour layouts and colour histograms, compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .proxy import Proxy
from .transitions import thumb

#: Cells of the layout, across and down. MPEG-7's colour layout descriptor (ISO/IEC 15938-3, 6.6)
#: has 8x8; a little more tells two pictures of one room apart.
LAYOUT: Final = (16, 9)
#: Histogram bins for Y', Cb, Cr. Chroma is finer than it looks: most pictures fill its middle.
_BINS: Final = (8, 8, 8)
#: Mean difference of two layouts (of 255) at which pictures are half alike: the same scene with
#: its subject elsewhere gives 8 to 15, other scenes 30 and more.
_HALF_ALIKE: Final = 18.0


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """What is kept of a candidate for comparing it.

    ``layout`` (3, 9, 16) float32: mean Y', Cb, Cr of the part without bars; ``histogram`` of joint
    colours, float32, sum 1; ``thumb``: the whole picture for
    :func:`~snapengine.scoring.transitions.mixed`.
    """

    layout: NDArray[np.float32]
    histogram: NDArray[np.float32]
    thumb: NDArray[np.float32]


def signature(proxy: Proxy) -> Signature:
    """The signature of a picture, of the part without bars."""
    x, y, width, height = proxy.active
    planes = [p[y : y + height, x : x + width] for p in (proxy.y, proxy.cb, proxy.cr)]
    layout = np.stack([cell_means(plane, LAYOUT) for plane in planes])
    return Signature(layout, _histogram(planes), thumb(proxy))


def cell_means(plane: NDArray[np.uint8], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Means of ``plane`` over a grid of (columns, rows) cells, as even as whole samples allow.

    A cell that would be empty, because there are fewer samples than cells, is the sample there.
    """
    down = _averaging(plane.shape[0], grid[1])
    across = _averaging(plane.shape[1], grid[0])
    return np.asarray(down @ plane.astype(np.float32) @ across.T, np.float32)


@lru_cache(maxsize=64)
def _averaging(side: int, cells: int) -> NDArray[np.float32]:
    """Means of stretches of an axis as a matrix, (cells, side)."""
    first = np.arange(cells) * side // cells
    end = np.maximum(first + 1, (np.arange(cells) + 1) * side // cells)
    at = np.arange(side)
    inside = (at >= first[:, None]) & (at < end[:, None])
    return np.asarray(inside / (end - first)[:, None], np.float32)


def _histogram(planes: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    # Every second sample: the shape of the histogram does not change, its price does.
    luma, cb, cr = (p[::2, ::2].astype(np.int32) for p in planes)
    # Chroma of real pictures lives in the middle half of its range.
    cb = np.clip(cb - 64, 0, 127)
    cr = np.clip(cr - 64, 0, 127)
    code = (luma * _BINS[0] >> 8) * (_BINS[1] * _BINS[2])
    code += (cb * _BINS[1] >> 7) * _BINS[2] + (cr * _BINS[2] >> 7)
    counts = np.bincount(code.ravel(), minlength=_BINS[0] * _BINS[1] * _BINS[2])
    grid = counts.astype(np.float32).reshape(_BINS)
    for axis in range(3):  # neighbouring bins share: a shade more light is not another colour
        grid = _smeared(grid, axis)
    total = grid.sum()
    return (grid / total if total else grid).ravel()


def _smeared(grid: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """A quarter of each bin goes to either neighbour; what has none stays."""
    grid = np.moveaxis(grid, axis, 0)
    smeared = grid * np.float32(0.5)
    smeared[1:] += np.float32(0.25) * grid[:-1]
    smeared[:-1] += np.float32(0.25) * grid[1:]
    smeared[0] += np.float32(0.25) * grid[0]
    smeared[-1] += np.float32(0.25) * grid[-1]
    return np.moveaxis(smeared, 0, axis)


def likeness(a: Signature, b: Signature) -> float:
    """0 (nothing in common) to 1 (the same picture): layout and colours, half each.

    Layout alone takes a pan for another scene, colours alone take another scene in the same light
    for the same. Layouts are compared by their mean absolute difference, histograms by their
    intersection (Swain & Ballard, "Color indexing", IJCV 1991).
    """
    return float(
        likenesses(a.layout.ravel(), a.histogram, b.layout.ravel()[None], b.histogram[None])[0]
    )


def likenesses(
    layout: NDArray[np.float32],
    histogram: NDArray[np.float32],
    layouts: NDArray[np.float32],
    histograms: NDArray[np.float32],
) -> NDArray[np.float32]:
    """:func:`likeness` of one picture to many: flat layouts (n, 432), histograms (n, 512)."""
    difference = np.abs(layouts - layout).mean(axis=1)
    colours = np.minimum(histograms, histogram).sum(axis=1)
    return np.asarray(0.5 * 0.5 ** (difference / _HALF_ALIKE) + 0.5 * colours, np.float32)
