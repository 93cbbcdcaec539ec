"""One plane to float samples on a target grid: the bridge from geometry to the resize kernel."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Final, NamedTuple

import numpy as np

from ..kernels import resize
from ..model.color import ColorInfo
from ..model.frame import Plane, RawFrame
from ..model.geometry import View
from ._scratch import F32, scratch
from .colour import chroma_offset, siting
from .deinterlace import FieldFrame
from .filters import Taps, make_taps

#: Float samples that a band of luma rows may take: with the source rows it fits a 1 MiB L2 cache.
BAND_SAMPLES: Final = 1 << 16


class Grid(NamedTuple):
    """Target samples of one plane, in pixels of the scaled picture.

    Sample ``i`` covers ``x + i * step`` to ``x + (i + 1) * step`` across, likewise down.
    """

    x: int
    y: int
    width: int
    height: int
    step: int = 1


def plane_taps(
    frame: RawFrame, color: ColorInfo, view: View, index: int, grid: Grid
) -> tuple[Taps, Taps]:
    """Tables (across, down) that bring plane ``index`` onto ``grid``, siting included."""
    plane, format = frame.planes[index], frame.format
    chroma = index in (1, 2) and format.model == "yuv"
    sx = 1 << format.log2_chroma_w if chroma else 1
    sy = 1 << format.log2_chroma_h if chroma else 1
    site_x, site_y = siting(color)
    seen = view.window or (0.0, 0.0, *map(float, view.coded))
    taps = []
    for axis, (samples, factor, site) in enumerate(
        ((plane.width, sx, site_x), (plane.height, sy, site_y))
    ):
        step = view.crop[2 + axis] / view.scaled[axis]
        offset = chroma_offset(factor, site)
        start = (view.crop[axis] + grid[axis] * step) / factor + offset
        length = grid[2 + axis] * grid.step * step / factor
        first, reach = seen[axis] / factor + offset, seen[2 + axis] / factor
        if axis == 1 and isinstance(frame, FieldFrame):
            start, length = frame.span(start, length)
            first, reach = frame.span(first, reach)
        if view.window is None:
            taps.append(make_taps(samples, start, length, grid[2 + axis]))
        else:
            taps.append(_taps_within(samples, first, reach, start, length, grid[2 + axis]))
    return taps[0], taps[1]


def _taps_within(
    samples: int, first: float, reach: float, start: float, length: float, target: int
) -> Taps:
    """Like :func:`make_taps`, of the samples alone whose middle lies in a stretch of the plane."""
    low = min(max(0, ceil(first - 0.5)), samples - 1)
    high = max(low + 1, min(samples, ceil(first + reach - 0.5)))
    taps = make_taps(high - low, start - low, length, target)
    return replace(
        taps, starts=taps.starts + np.int32(low), low=taps.low + low, high=taps.high + low
    )


def resample(
    plane: Plane, across: Taps, down: Taps, dst: F32, first: int = 0, rows: int | None = None
) -> None:
    """Rows ``first`` to ``first + rows`` of the resampled plane into ``dst``, packed."""
    width = across.starts.size
    columns = across.high - across.low
    run = resize.resample_u8 if plane.data.dtype == np.uint8 else resize.resample_u16
    run(
        plane.data,
        dst,
        width,
        plane.stride,
        across.low,
        plane.height,
        columns,
        scratch("line", columns + across.taps),
        down.starts,
        down.weights,
        down.taps,
        across.starts,
        across.weights,
        across.taps,
        width,
        first,
        down.starts.size - first if rows is None else rows,
    )


def band_rows(width: int) -> int:
    """How many rows of ``width`` samples make a band."""
    return max(1, BAND_SAMPLES // width)
