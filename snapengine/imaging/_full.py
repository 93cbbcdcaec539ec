"""The fast ways for frames shown at their own size: integer kernels instead of float planes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np

from ..kernels import full
from ..model.color import ColorInfo
from ..model.frame import U8, PixelFormat, RawFrame
from ..model.geometry import View
from . import colour
from ._target import Target

#: Chroma samples i - 1 to i + 2 that make JFIF's sample i, which lies in the middle of its pair of
#: luma samples. Source there too: itself. Source on the left sample, a quarter of a chroma sample
#: away: Catmull-Rom at 1/4, whose weights are exact in 1/128.
_MOVE: Final = {0: (0.0, 1.0, 0.0, 0.0), -1: (-9 / 128, 111 / 128, 29 / 128, -3 / 128)}

#: Weights of chroma samples (i - 1, i) at the even and (i, i + 1) at the odd luma sample of a pair.
_BLEND: Final = {
    -1: (0.0, 1.0, 0.5, 0.5),
    0: (0.25, 0.75, 0.75, 0.25),
    1: (0.5, 0.5, 1.0, 0.0),
}


def can_draw_jfif(frame: RawFrame, color: ColorInfo, view: View, target: Target) -> bool:
    """Whether :func:`draw_jfif` can: 8-bit 4:2:0 to 4:2:0, one to one, chroma between the lines."""
    across, down = colour.siting(color)
    return (
        _one_to_one(frame, view)
        and (frame.format.log2_chroma_w, frame.format.log2_chroma_h) == (1, 1)
        and target.half == 1
        and (target.phase_x, target.phase_y) == (0, 0)
        and across in _MOVE
        and down == 0
    )


def can_draw_rgb(frame: RawFrame, view: View) -> bool:
    """Whether :func:`draw_rgb` can: 8-bit YUV, one to one, chroma at most halved on each axis."""
    return _one_to_one(frame, view) and max(_subsampling(frame.format)) <= 1


def draw_jfif(frame: RawFrame, color: ColorInfo, target: Target) -> None:
    """The whole frame into ``target``; see :func:`can_draw_jfif`."""
    matrix, gain, offset = _jfif_table(frame.format, color.range or "", color.matrix or "")
    y, u, v = frame.planes[:3]
    full.jfif_420(
        target.y, target.u, target.v, target.y_stride, target.c_stride,
        y.data, u.data, v.data, y.stride, u.stride, v.stride, y.width, y.height,
        matrix, _weights(_MOVE[colour.siting(color)[0]]), gain, offset,
        np.empty(3 * y.width + u.width, np.int16),
    )  # fmt: skip


def draw_rgb(frame: RawFrame, color: ColorInfo, flat: U8, stride: int) -> None:
    """The whole frame into packed RGB rows ``stride`` bytes apart; see :func:`can_draw_rgb`."""
    matrix, gain = _rgb_table(frame.format, color.range or "", color.matrix or "")
    y, u, v = frame.planes[:3]
    across, down = colour.siting(color)
    full.rgb_full(
        flat, stride, y.data, u.data, v.data, y.stride, u.stride, v.stride, y.width, y.height,
        *_subsampling(frame.format), matrix, _weights(_BLEND[across]), _weights(_BLEND[down]), gain,
        np.empty(3 * (u.width + 2), np.float32), np.empty(3 * y.width, np.int16),
    )  # fmt: skip


def _subsampling(format: PixelFormat) -> tuple[int, int]:
    return format.log2_chroma_w, format.log2_chroma_h


def _one_to_one(frame: RawFrame, view: View) -> bool:
    return (
        view.is_unscaled
        and frame.size == view.coded
        and frame.format.model == "yuv"
        and frame.format.depth == 8
        and all(plane.data.dtype == np.uint8 for plane in frame.planes[:3])
    )


@lru_cache(maxsize=32)
def _weights(values: tuple[float, ...]) -> Any:
    return np.array(values, np.float32)


@lru_cache(maxsize=32)
def _jfif_table(format: PixelFormat, range: str, matrix: str) -> tuple[Any, int, int]:
    """Chroma matrix, luma gain in 2**-15, luma offset in 2**-7 with half a step for rounding."""
    a, b = colour.to_jfif(format, range, matrix)
    table = np.array([a[1, 1], a[1, 2], b[1], a[2, 1], a[2, 2], b[2], a[0, 1], a[0, 2]], np.float32)
    table[np.abs(table) < 1e-6] = 0.0  # dust: the kernel skips what is exactly zero
    # The kernel takes the shade from chroma around its middle, 128.
    offset = b[0] + 128 * (a[0, 1] + a[0, 2])
    return table, round(a[0, 0] * (1 << 15)), round(offset * 128) + 64


@lru_cache(maxsize=32)
def _rgb_table(format: PixelFormat, range: str, matrix: str) -> tuple[Any, int]:
    """Chroma to R, G, B with offsets, float32 [9], and the luma gain in 2**-14."""
    a, b = colour.to_rgb(format, range, matrix)
    return np.column_stack([a[:, 1:], b]).astype(np.float32).reshape(-1), round(a[0, 0] * (1 << 14))
