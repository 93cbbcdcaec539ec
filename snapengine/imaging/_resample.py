"""One plane to float samples on a target grid: the bridge from geometry to the resize kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..kernels import resize
from ..model.color import ColorInfo
from ..model.frame import Plane, RawFrame
from ..model.geometry import View
from ._scratch import F32, scratch
from .colour import chroma_offset, siting
from .filters import Taps, make_taps

#: Float samples that a band of luma rows may take: with the source rows it fits a 1 MiB L2 cache.
BAND_SAMPLES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Grid:
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
    x, y, w, h = view.crop
    dx, dy = w / view.scaled.width, h / view.scaled.height
    across = make_taps(
        plane.width,
        (x + grid.x * dx) / sx + chroma_offset(sx, site_x),
        grid.width * grid.step * dx / sx,
        grid.width,
    )
    down = make_taps(
        plane.height,
        (y + grid.y * dy) / sy + chroma_offset(sy, site_y),
        grid.height * grid.step * dy / sy,
        grid.height,
    )
    return across, down


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
