"""Lines of text in a picture, and grounds that carry nothing else.

Text is told by its strokes: along a row, luma goes up and down many times in a short stretch, and
all peaks or all valleys reach one level, the ink's or the paper's (Lienhart & Effelsberg,
"Automatic text segmentation and text recognition for video indexing", 2000: contrast, monochrome
characters, horizontal runs; here without segmenting characters). Grass and gravel go up and down,
too, but to many levels.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np

from ..kernels import survey
from .analysis import Analysis

#: Strokes over a picture must stand out this much (codes): subtitles and captions are made to.
_CAPTION_RISE: Final = 56
#: Turning points of a caption lie no further apart than this share of the picture's width ...
_CAPTION_GAP: Final = 1 / 40
#: ... and there are so many: four strokes, two letters.
_CAPTION_LEAST: Final = 8
#: On an even ground faint and large letters count as well: mid-fade credits, a title of one word.
_CARD_RISE: Final = 20
_CARD_GAP: Final = 1 / 10
_CARD_LEAST: Final = 6
#: Least gap in samples: letters of small pictures have strokes as wide as a sample.
_GAP_FLOOR: Final = 6
#: Samples of a block that runs must cover to make it text.
_COVERED: Final = 0.3
#: Ranges of luma and chroma (codes) within a block of ground: compression, gradients, no drawing.
_EVEN_LUMA: Final = 13
_EVEN_CHROMA: Final = 14
#: A block belongs to the ground when its mean is this near to the smooth surface (codes).
_NEAR: Final = 14.0
#: What ink does not reach beyond the ground on the other side (codes): ringing of compression.
_ASIDE: Final = 22.0
#: One surface beyond doubt: no other beginning is tried.
_SMOOTH_ENOUGH: Final = 0.9
#: Keeps the fit defined for few blocks; far too small to bend it.
_SOFT: Final = 1e-3


def run_strokes(analysis: Analysis, rise: int, gap: float, least: int) -> tuple[Any, Any]:
    """The mask of ``survey.strokes`` (height, width) and its four counts."""
    y = analysis.y
    mask = np.empty(y.size, np.uint8)
    counts = np.zeros(4, np.int32)
    reach = max(_GAP_FLOOR, round(analysis.width * gap))
    survey.strokes(
        y.reshape(-1), analysis.width, analysis.height, rise, reach, least,
        mask, counts, np.empty(2 * analysis.width + 4, np.int32),
    )  # fmt: skip
    return mask.reshape(y.shape), counts


def card_strokes(analysis: Analysis) -> tuple[float, float]:
    """How much of all ups and downs is text-like, and how many text-like ones there are (in
    hundreds), on a ground that is otherwise even."""
    _, counts = run_strokes(analysis, _CARD_RISE, _CARD_GAP, _CARD_LEAST)
    return float(counts[1] / max(1, counts[0])), float(counts[1]) / 100


def caption_blocks(analysis: Analysis) -> Any:
    """Which blocks hold text-like strokes over a picture, bool (rows, columns)."""
    mask, counts = run_strokes(analysis, _CAPTION_RISE, _CAPTION_GAP, _CAPTION_LEAST)
    if not counts[2]:
        return np.zeros((analysis.rows, analysis.columns), bool)
    share = analysis.block_sums(mask) / analysis.sizes
    found = share >= _COVERED
    # Lines of text are long: a block counts with two others beside it.
    wide = np.pad(found, ((0, 0), (2, 2)))
    n = analysis.columns
    beside = [wide[:, i : i + n] for i in range(5)]
    return found & ((beside[0] & beside[1]) | (beside[1] & beside[3]) | (beside[3] & beside[4]))


class Ground:
    """The even part of a picture, and how far it is one smooth surface.

    ``even``: blocks without drawing; ``share``: how many of all they are, 0..1.
    """

    def __init__(self, analysis: Analysis) -> None:
        self.even = (analysis.spread <= _EVEN_LUMA) & (analysis.chroma_spread <= _EVEN_CHROMA)
        self.share = float(self.even.mean())
        self._analysis = analysis

    @cached_property
    def surface(self) -> tuple[float, float]:
        """How far the ground is one surface, and what is on it ink: two shares, 0..1.

        The first: of the even blocks, those on one quadratic surface of luma and chroma (a colour,
        a gradient, a vignette). The second: of the other blocks, those that hold something lighter
        than this surface alone, or darker alone, whichever are more. Ink does; leaves before the
        sky, faces and buildings do not.
        """
        analysis = self._analysis
        if not self.even.any():
            return 0.0, 0.0
        even = self.even.reshape(-1)
        basis = _basis(analysis.rows, analysis.columns)
        means = (analysis.mean, analysis.mean_cb, analysis.mean_cr)
        values = np.stack([m.reshape(-1)[even] for m in means], axis=1).astype(np.float64)
        middle = np.median(values, axis=0)
        values -= middle
        ground = basis[even]
        best, smooth = np.zeros((6, 3)), 0.0
        # Fit, drop what is far, fit again: a header bar does not bend the paper. Begun from all
        # blocks, for gradients, and from those of the commonest colour.
        for near in (np.ones(len(values), bool), np.abs(values).max(axis=1) <= _NEAR):
            fit = np.zeros((6, 3))
            for _ in range(2):
                if near.sum() < 6:
                    break
                b = ground[near]
                fit = np.linalg.solve(b.T @ b + np.eye(6) * _SOFT, b.T @ values[near])
                near = np.abs(values - ground @ fit).max(axis=1) <= _NEAR
            share = float(near.mean())
            if share > smooth:
                smooth, best = share, fit
            if smooth > _SMOOTH_ENOUGH:
                break
        if even.all():
            return smooth, 0.0
        level = (basis @ best)[~even, 0] + middle[0]
        up = analysis.high.reshape(-1)[~even] - level < _ASIDE
        down = level - analysis.low.reshape(-1)[~even] < _ASIDE
        return smooth, float(max(up.mean(), down.mean()))


@lru_cache(maxsize=64)
def _basis(rows: int, columns: int) -> Any:
    """1, x, y, x^2, xy, y^2 of block centres in -1..1, shape (rows * columns, 6)."""
    y = (np.arange(rows) * 2 - (rows - 1)) / max(rows - 1, 1)
    x = (np.arange(columns) * 2 - (columns - 1)) / max(columns - 1, 1)
    gx, gy = np.meshgrid(x, y)
    flat = [np.ones(gx.size), gx.ravel(), gy.ravel()]
    return np.stack([*flat, flat[1] ** 2, flat[1] * flat[2], flat[2] ** 2], axis=1)
