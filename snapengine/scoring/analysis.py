"""What all measures and defects of one picture read: counted once.

Blocks of about 8x8 samples cover the active part of a proxy; each part of the work is done when it
is first asked for. Every count is the same from either side: a mirrored picture gives the mirrored
blocks, whatever its size.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..kernels import survey
from ..model.frame import U8
from ..model.geometry import Rect
from .proxy import Proxy

F32 = NDArray[np.float32]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]

#: Samples along the side of a block.
BLOCK: Final = 8
#: Spacings, in samples, at which second differences are taken.
SCALES: Final = (1, 2, 4)
#: Luma (codes) by which neighbours differ at an edge.
STEP: Final = 8


def ramp(value: float, start: float, end: float) -> float:
    """0 at ``start`` and before, 1 at ``end`` and beyond, straight between them."""
    return min(1.0, max(0.0, (value - start) / (end - start)))


@lru_cache(maxsize=256)
def split(length: int, margin: int, count: int) -> I32:
    """Where ``count`` blocks (an odd number) between margins begin and end, the same from both
    ends. With fewer samples than blocks some are empty."""
    span = length - 2 * margin
    half = [margin + i * span // count for i in range(count // 2 + 1)]
    made = np.array(half + [length - v for v in reversed(half)], np.int32)
    made.flags.writeable = False
    return made


def bounds(length: int, size: int = BLOCK) -> I32:
    """Where blocks of about ``size`` samples along a side begin and end, see :func:`split`."""
    return split(length, 0, (length // size - 1) | 1 if length // size else 1)


def sums(plane: NDArray[Any], down: I32, across: I32) -> F32:
    """Sums over blocks, none of which may be empty."""
    rows = np.add.reduceat(plane, down[:-1], axis=0, dtype=np.float32)
    made: F32 = np.add.reduceat(rows, across[:-1], axis=1)
    return made


def means(plane: U8, part: Rect, down: I32, across: I32) -> F32:
    """Means over blocks of a part of a plane; none may be empty."""
    inside = plane[part.y : part.y + part.height, part.x : part.x + part.width]
    made = np.empty((down.size - 1, across.size - 1), np.float32)
    survey.shrink(
        np.ascontiguousarray(inside).reshape(-1), part.width, across, across.size - 1,
        down, down.size - 1, made.reshape(-1), np.empty(part.width, np.int32),
    )  # fmt: skip
    return made


def padded(blocks: F32, edge: int) -> F32:
    """``blocks`` with ``edge`` zeros around its last but two and last but one axes.

    ``numpy.pad`` takes ten times as long for arrays this small.
    """
    layers, rows, columns = blocks.shape[:3]
    made = np.zeros((layers, rows + 2 * edge, columns + 2 * edge, *blocks.shape[3:]), np.float32)
    made[:, edge : edge + rows, edge : edge + columns] = blocks
    return made


def sizes(down: I32, across: I32) -> F32:
    """Samples in each block."""
    return np.outer(np.diff(down), np.diff(across)).astype(np.float32)


def either(one: Rect, two: Rect) -> Rect:
    """The least rectangle around both: what is active in one or the other of two frames."""
    x, y = min(one.x, two.x), min(one.y, two.y)
    right = max(one.x + one.width, two.x + two.width)
    bottom = max(one.y + one.height, two.y + two.height)
    return Rect(x, y, right - x, bottom - y)


class Analysis:
    """Counts of one proxy; ``blocks`` arrays have the shape (rows, columns) of blocks.

    Immutable; parts are made when first asked for and kept, by one thread at a time.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.active = part = proxy.active
        self.width, self.height = part.width, part.height
        inside = (slice(part.y, part.y + part.height), slice(part.x, part.x + part.width))
        self.y = np.ascontiguousarray(proxy.y[inside])
        self.cb = np.ascontiguousarray(proxy.cb[inside])
        self.cr = np.ascontiguousarray(proxy.cr[inside])
        #: What others derive from it and want to keep, by name.
        self.kept: dict[str, Any] = {}
        self._across, self._down = bounds(self.width), bounds(self.height)
        self.columns, self.rows = self._across.size - 1, self._down.size - 1

    @cached_property
    def _tally(self) -> tuple[I32, I32]:
        levels = np.zeros(256, np.int32)
        out = np.empty(self.rows * self.columns * survey.TALLIES, np.int32)
        survey.tally(
            self.y.reshape(-1), self.cb.reshape(-1), self.cr.reshape(-1), self.width,
            self._across, self.columns, self._down, self.rows,
            levels, out, np.empty(survey.TALLIES * self.width, np.int32),
        )  # fmt: skip
        shaped = out.reshape(self.rows * self.columns, survey.TALLIES).T
        return levels, np.ascontiguousarray(shaped).reshape(-1, self.rows, self.columns)

    @property
    def histogram(self) -> I32:
        """How many samples have each of the 256 levels of luma."""
        return self._tally[0]

    @cached_property
    def cumulative(self) -> NDArray[np.float64]:
        """Share of samples at or below each level."""
        total: NDArray[np.float64] = np.cumsum(self.histogram) / self.y.size
        return total

    def percentile(self, share: float) -> int:
        """The lowest level that at least ``share`` (0..1) of the samples do not exceed."""
        return min(255, int(np.searchsorted(self.cumulative, share - 1e-9)))

    @cached_property
    def sizes(self) -> F32:
        """Samples in each block."""
        return sizes(self._down, self._across)

    @cached_property
    def mean(self) -> F32:
        """Mean luma of each block, in codes."""
        made: F32 = self._tally[1][0] / self.sizes
        return made

    @cached_property
    def variance(self) -> F32:
        """Variance of luma in each block, in squared codes."""
        made: F32 = np.maximum(self._tally[1][1] / self.sizes - self.mean**2, 0)
        return made

    @property
    def low(self) -> I32:
        """Least luma in each block."""
        made: I32 = self._tally[1][2]
        return made

    @property
    def high(self) -> I32:
        """Largest luma in each block."""
        made: I32 = self._tally[1][3]
        return made

    @cached_property
    def spread(self) -> I32:
        """Largest less least luma in each block."""
        return self.high - self.low

    @cached_property
    def chroma_spread(self) -> I32:
        """The larger of both chroma components' ranges in each block."""
        t = self._tally[1]
        made: I32 = np.maximum(t[7] - t[6], t[11] - t[10])
        return made

    @cached_property
    def mean_cb(self) -> F32:
        made: F32 = self._tally[1][4] / self.sizes
        return made

    @cached_property
    def mean_cr(self) -> F32:
        made: F32 = self._tally[1][8] / self.sizes
        return made

    @cached_property
    def chroma_moments(self) -> tuple[float, float, float, float, float]:
        """Means of cb and cr, their variances, and their covariance, in codes."""
        t = self._tally[1][[4, 8, 5, 9, 12]].sum(axis=(1, 2), dtype=np.int64) / self.y.size
        b, r = float(t[0]), float(t[1])
        return (
            b,
            r,
            max(float(t[2]) - b * b, 0.0),
            max(float(t[3]) - r * r, 0.0),
            float(t[4]) - b * r,
        )

    def block_sums(self, plane: NDArray[Any]) -> F32:
        """Sums of a plane of the active part's size over each block."""
        return sums(plane, self._down, self._across)

    @property
    def edges(self) -> tuple[I32, I32]:
        """How many rows have a step of luma at each place between columns, and the reverse."""
        return self._layers[3:]

    @cached_property
    def likeness(self) -> float:
        """Correlation of luma with its neighbours, mean of both directions.

        0 for white noise, near 1 for pictures and for pictures without any contrast.
        """
        y = self.y.astype(np.float32) - np.float32(self.y.mean())
        power = float(np.vdot(y, y)) / y.size
        if power < 1e-3 or min(y.shape) < 2:
            return 1.0
        beside = float((y[:, 1:] * y[:, :-1]).mean())
        below = float((y[1:] * y[:-1]).mean())
        return (beside + below) / 2 / power

    @cached_property
    def _layers(self) -> tuple[I16, I16, I16, I32, I32]:
        """Luma averaged over 1, 2x2 and 4x4 samples, in quarters of a code, and where it steps."""
        width, height = self.width, self.height
        one, two, four = (
            np.empty((max(0, height - n), max(0, width - n)), np.int16) for n in (0, 1, 3)
        )
        down, across = np.zeros(width - 1, np.int32), np.zeros(height - 1, np.int32)
        survey.layers(
            self.y.reshape(-1), width, height, STEP,
            one.reshape(-1), two.reshape(-1), four.reshape(-1), down, across,
        )  # fmt: skip
        return one, two, four, down, across

    @cached_property
    def bends(self) -> F32:
        """Mean squared second difference of each block, shape (scales, rows, columns, 4).

        At scale s of 1, 2, 4: of the means of s x s samples, s apart; in squared codes; along the
        row, the column and both diagonals. Zeros where the picture is too small for a scale.
        """
        made = np.zeros((len(SCALES), self.rows, self.columns, survey.DIRECTIONS), np.float32)
        for i, (scale, plane) in enumerate(zip(SCALES, self._layers[:3], strict=True)):
            if plane.size and min(plane.shape) > 2 * scale:
                self._bend(plane, scale, made[i])
        return made

    def _bend(self, plane: I16, scale: int, made: F32) -> None:
        height, width = plane.shape
        # As many blocks at every scale: they lie over each other but for a few samples.
        across = split(width, scale, self.columns)
        down = split(height, scale, self.rows)
        out = np.empty((self.rows, self.columns, survey.DIRECTIONS), np.int32)
        survey.bends(
            plane.reshape(-1), width, scale, across, self.columns, down, self.rows,
            out.reshape(-1), np.empty(survey.DIRECTIONS * width, np.int32),
        )  # fmt: skip
        np.divide(out, _squares(height, width, scale, self.rows, self.columns), out=made)


@lru_cache(maxsize=64)
def _squares(height: int, width: int, margin: int, rows: int, columns: int) -> F32:
    """16 for each sample of a block: quarters of a code, squared; shape (rows, columns, 1)."""
    made = sizes(split(height, margin, rows), split(width, margin, columns))
    return 16 * np.maximum(made, 1)[..., None]


def analyse(proxy: Proxy) -> Analysis:
    """What all measures and defects of this picture read."""
    return Analysis(proxy)
