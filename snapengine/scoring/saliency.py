"""What of a picture draws the eye: a saliency map on a coarse grid, and two measures of it.

Two published cues are added, each good where the other is not:

- *contrast to the border* finds whole subjects, large ones too: the four borders of a picture are
  mostly background, so what differs in colour from them (Mahalanobis distance; the nearest border
  counts for nothing, a subject may touch it) is subject. J. Zhang et al., "Minimum Barrier Salient
  Object Detection at 80 FPS", ICCV 2015, 3.3 (its "backgroundness" cue).
- *image signature* finds small conspicuous spots on plain ground: the signs of the discrete cosine
  transform alone, turned back, squared and smoothed. X. Hou, J. Harel and C. Koch, "Image
  Signature: Highlighting Sparse Salient Regions", IEEE TPAMI 34(1), 2012.

A mild preference for the middle is multiplied in (B. Tatler, "The central fixation bias in scene
viewing", Journal of Vision 7(14), 2007), and cells full of letter-like strokes count less, so that
tickers, subtitles and channel logos do not win. All of it is in absolute terms: noise on a flat
picture gives a map near 0, not a stretched one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..model.geometry import Rect
from .proxy import Proxy

F32 = NDArray[np.float32]

#: The most cells on either side of a map.
GRID: Final = 64
#: Width of the borders that count as background, as a share of the side.
_BORDER: Final = 0.1
#: Standard deviation, in luma or chroma levels, that every background has at least: compression,
#: grain, slow gradients.
_GRAIN: Final = 4.5
#: Distances below this many deviations are not stretched to a full map.
_FAR: Final = 9.0
#: Spans of the two cues below which they are not stretched; those of real pictures are larger.
_UNLIKE: Final = 0.5
_SPREAD: Final = 50.0
#: Smoothing of the signature, as a share of the long side (the paper's 0.045).
_SMOOTH: Final = 0.045
#: A map whose peak is lower than this is not stretched to 1 either.
_FAINT: Final = 0.4
#: What the border's contrast and the signature count for.
_SHARES: Final = (0.6, 0.4)
#: The middle's advantage: 1 there, this much at the corners and less, and how wide it is.
_RIM, _PRIOR_WIDTH = 0.2, 0.28
#: Bend of luma, in levels, that halves a cell's saliency: in films only text gets there.
_TEXT: Final = 28.0
#: Rule of thirds and visual balance: how fast the score falls with the distance (L. Liu et al.,
#: "Optimizing Photo Composition", Computer Graphics Forum 29(2), 2010, equations 1 to 6).
_THIRDS_WIDTH, _BALANCE_WIDTH = 0.17, 0.2
#: Share of the salient mass between the limits of one axis (Y. Ke, X. Tang and F. Jing, "The Design
#: of High-Level Features for Photo Quality Assessment", CVPR 2006, 3.1).
_KEPT: Final = 0.9
#: A subject is cut when the rim is this many times as salient as the picture on average.
_CUT: Final = 4.0


def saliency(proxy: Proxy) -> F32:
    """How much each cell of a coarse grid draws the eye: float32 (rows, columns) in 0..1.

    The grid covers the picture with square cells, 64 or a few less on the long side (as many as
    there are samples when there are fewer). Black bars are 0. A flat picture gives a map of nearly
    0. Mirroring the picture mirrors the map; where cells do not fill it evenly, up to one sample.
    Any thread.
    """
    cells = _cells(proxy)
    x, y, width, height = _active_cells(proxy, *cells.shape[1:])
    whole = np.zeros(cells.shape[1:], np.float32)
    active = np.s_[y : y + height, x : x + width]
    whole[active] = _attention(cells[:, *active], _strokes(proxy)[active])
    return whole


def measure(proxy: Proxy, attention: F32 | None = None) -> dict[str, float]:
    """:func:`salience` and :func:`composition` of the part of a picture without black bars.

    ``attention``: its :func:`saliency` when that is there already.
    """
    if attention is None:
        attention = saliency(proxy)
    x, y, width, height = _active_cells(proxy, *attention.shape)
    seen = attention[y : y + height, x : x + width]
    return {"salience": salience(seen), "composition": composition(seen)}


def salience(attention: F32) -> float:
    """How much attention gathers in one place: 0 clutter or nothing at all, 1 one small clear spot.

    One minus the area of the box that holds 90 % of the salient mass along either axis (Ke et al.
    2006 do so with edges: the simpler the picture, the smaller the box), times how much the
    strongest cell stands out. Mass is what exceeds the mean.
    """
    mass, total = _mass(attention)
    if total <= 0:
        return 0.0
    across = _extent(mass.sum(axis=0)) / attention.shape[1]
    down = _extent(mass.sum(axis=1)) / attention.shape[0]
    return float(np.clip((1 - across * down) * float(attention.max()), 0, 1))


def composition(attention: F32) -> float:
    """Whether the subject is well placed: 1 on a power point or in the middle, and not cut.

    The better of the rule of thirds (distance of the subject from the nearest crossing of the
    thirds) and of visual balance (distance from the middle), both as Liu et al. 2010 score them,
    R. Datta et al. (ECCV 2006) being the first to measure thirds. The subject is the centre of the
    salient mass. It loses up to half when the left, right or upper rim is salient: then something
    is cut. The lower rim may cut (half-length portraits, ground). 0.5 when nothing is salient.
    """
    mass, total = _mass(attention)
    if total <= 0:
        return 0.5
    rows, columns = attention.shape
    x = float(mass.sum(axis=0) @ _middles(columns)) / total
    y = float(mass.sum(axis=1) @ _middles(rows)) / total
    thirds = min(abs(x - 1 / 3), abs(x - 2 / 3)) ** 2 + min(abs(y - 1 / 3), abs(y - 2 / 3)) ** 2
    balance = (x - 0.5) ** 2 + (y - 0.5) ** 2
    placed = max(
        np.exp(-thirds / (2 * _THIRDS_WIDTH**2)), np.exp(-balance / (2 * _BALANCE_WIDTH**2))
    )
    rim = max(mass[0].mean(), mass[:, 0].mean(), mass[:, -1].mean()) * mass.size / total
    return float(np.clip(placed * (1 - 0.5 * min(1.0, float(rim) / _CUT)), 0, 1))


# -- the grid -------------------------------------------------------------------------------


def _cells(proxy: Proxy) -> F32:
    """Mean Y, Cb, Cr of square cells: (3, rows, columns).

    Samples that fill no cell are left out, half of them at either side: less than a cell.
    """
    return np.stack([_pooled(plane) for plane in (proxy.y, proxy.cb, proxy.cr)])


def _strokes(proxy: Proxy) -> F32:
    """How much luma bends along the rows of each cell, in levels: letters most of all."""
    y = proxy.y.astype(np.int16)
    bend = np.zeros_like(y)
    inner = bend[:, 1:-1]
    np.add(y[:, 1:-1], y[:, 1:-1], out=inner)
    inner -= y[:, :-2]
    inner -= y[:, 2:]
    np.abs(inner, out=inner)
    return _pooled(bend) / np.float32(2)


def _pooled(plane: NDArray[Any]) -> F32:
    """Mean of each cell."""
    height, width = plane.shape
    side = -(-max(width, height) // GRID)
    (left, wide, columns), (top, high, rows) = _cut(width, side), _cut(height, side)
    part = plane[top : top + rows * high, left : left + columns * wide]
    lines = part[::high].astype(np.int32)
    for k in range(1, high):
        lines += part[k::high]
    sums = lines[:, ::wide].astype(np.float32)
    for k in range(1, wide):
        sums += lines[:, k::wide]
    sums /= wide * high
    return sums


def _cut(samples: int, side: int) -> tuple[int, int, int]:
    """Cells along one axis: where they begin, how large and how many they are."""
    side = min(side, samples)
    cells = samples // side
    return (samples - cells * side) // 2, side, cells


def _active_cells(proxy: Proxy, rows: int, columns: int) -> Rect:
    """The cells that lie within the part without black bars; all of them when none does."""
    side = -(-max(proxy.width, proxy.height) // GRID)
    x, y, width, height = proxy.active
    left, right = _within(_cut(proxy.width, side), x, x + width)
    top, bottom = _within(_cut(proxy.height, side), y, y + height)
    if right <= left or bottom <= top:
        return Rect(0, 0, columns, rows)
    return Rect(left, top, right - left, bottom - top)


def _within(cut: tuple[int, int, int], first: int, end: int) -> tuple[int, int]:
    begin, side, cells = cut
    return max(0, -((begin - first) // side)), min(cells, (end - begin) // side)


# -- the cues -------------------------------------------------------------------------------


def _attention(cells: F32, strokes: F32) -> F32:
    rows, columns = strokes.shape
    strokes = _blurred(strokes, 1.0)
    both = _SHARES[0] * _contrast(cells) + _SHARES[1] * _signature(cells)
    both *= _prior(rows, columns) / (1 + (strokes / _TEXT) ** 4)
    return _over(both, max(float(both.max()), _FAINT))


def _contrast(cells: F32) -> F32:
    """How unlike the four borders each cell is, in 0..1."""
    rows, columns = cells.shape[1:]
    high, wide = max(1, round(rows * _BORDER)), max(1, round(columns * _BORDER))
    flat = cells.reshape(3, -1)
    borders = (cells[:, :high], cells[:, -high:], cells[:, :, :wide], cells[:, :, -wide:])
    means = np.empty((4, 3, 1), np.float32)
    spreads = np.empty((4, 3, 3), np.float32)
    for k, border in enumerate(borders):
        samples = border.reshape(3, -1)
        means[k] = samples.mean(axis=1, keepdims=True)
        around = samples - means[k]
        spreads[k] = around @ around.T / samples.shape[1]
    spreads += _GRAIN**2 * np.eye(3, dtype=np.float32)
    # Whitened by the inverse of the Cholesky factor, Mahalanobis distances are plain ones.
    white = np.linalg.inv(np.linalg.cholesky(spreads))
    apart = white.reshape(12, 3) @ flat - (white @ means).reshape(12, 1)
    distances = np.sqrt(np.square(apart).reshape(4, 3, -1).sum(axis=1))
    distances /= np.maximum(distances.max(axis=1, keepdims=True), _FAR)
    unlike = (distances.sum(axis=0) - distances.max(axis=0)).reshape(rows, columns)
    unlike = _blurred(unlike, 1.0)
    return _scaled(unlike, _UNLIKE)


def _signature(cells: F32) -> F32:
    """The image signature of the three channels, each weighted by its contrast, in 0..1.

    Slopes across the picture (skies, vignettes) are taken out first: to a cosine transform they end
    in a jump, which lights up the rim.
    """
    rows, columns = cells.shape[1:]
    down, across = _cosines(rows), _cosines(columns)
    cells = cells - _slopes(cells.mean(axis=2))[:, :, None] - _slopes(cells.mean(axis=1))[:, None]
    turned = down @ cells @ across.T
    # Coefficients that are rounding noise have no sign.
    signs = np.sign(turned) * (np.abs(turned) > 1e-2)
    back = down.T @ signs @ across
    weights = cells.reshape(3, -1).std(axis=1)
    energy = np.einsum("i,ijk->jk", weights, back * back)
    smooth = _blurred(energy, _SMOOTH * max(rows, columns))
    return _scaled(smooth, _SPREAD)


def _slopes(profiles: F32) -> F32:
    """The straight line through each profile (least squares), without its mean."""
    at = _middles(profiles.shape[1]) - np.float32(0.5)
    slopes = profiles @ at / np.maximum(at @ at, 1e-6)
    return (slopes[:, None] * at).astype(np.float32, copy=False)


def _scaled(plane: F32, least: float) -> F32:
    """From 0 up to 1, or less when all of it spans less than ``least``."""
    above = plane - plane.min()
    return _over(above, max(float(above.max()), least))


def _over(plane: F32, top: float) -> F32:
    divided: F32 = np.divide(plane, top, dtype=np.float32)
    return divided


def _blurred(plane: F32, sigma: float) -> F32:
    rows, columns = plane.shape
    blurred = _gauss(rows, sigma) @ plane @ _gauss(columns, sigma).T
    return blurred.astype(np.float32, copy=False)


@lru_cache(maxsize=64)
def _gauss(cells: int, sigma: float) -> F32:
    """Smoothing as a matrix: each row a Gaussian, cut at the ends and summing to 1."""
    at = np.arange(cells)
    weights: NDArray[np.float64] = np.exp(-((at[:, None] - at) ** 2) / (2 * sigma**2))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


@lru_cache(maxsize=64)
def _cosines(cells: int) -> F32:
    """The orthonormal DCT-II as a matrix."""
    k, x = np.arange(cells)[:, None], np.arange(cells)
    waves: NDArray[np.float64] = np.cos(np.pi * k * (2 * x + 1) / (2 * cells)) * (2 / cells) ** 0.5
    waves[0] *= 0.5**0.5
    return waves.astype(np.float32)


@lru_cache(maxsize=64)
def _prior(rows: int, columns: int) -> F32:
    y, x = _middles(rows)[:, None] - 0.5, _middles(columns) - 0.5
    bell = np.exp(-(x * x + y * y) / (2 * _PRIOR_WIDTH**2))
    return (_RIM + (1 - _RIM) * bell).astype(np.float32)


@lru_cache(maxsize=64)
def _middles(cells: int) -> F32:
    """Where the middle of each cell is, in 0..1."""
    return ((np.arange(cells) + 0.5) / cells).astype(np.float32)


# -- mass -----------------------------------------------------------------------------------


def _mass(attention: F32) -> tuple[F32, float]:
    """What of a map exceeds its mean, and its sum."""
    mass = np.maximum(attention - attention.mean(), 0)
    total = float(mass.sum())
    # A map that is the same everywhere up to rounding has none.
    return mass, total if total > 1e-4 * attention.size else 0.0


def _extent(profile: F32) -> float:
    """Cells, in parts too, from where 5 % of a profile's sum is passed to where 95 % is."""
    sums = np.concatenate([[0.0], np.cumsum(profile, dtype=np.float64)])
    outside = (1 - _KEPT) / 2 * sums[-1]
    first, last = np.interp([outside, sums[-1] - outside], sums, np.arange(sums.size))
    return float(last - first)
