"""Where a picture goes: flat windows into a :class:`Picture`, and putting pictures upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from ..errors import InvariantBroken
from ..model.frame import U8, Picture
from ..model.geometry import Orientation, Size, View

#: Columns that a turn copies at a time: source rows and target rows then both stay in L1.
_TURN_COLUMNS: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Writable 8-bit Y, Cb, Cr windows of ``width`` x ``height`` luma samples.

    ``y``, ``u``, ``v`` are flat from the first sample of the window on, rows ``y_stride`` and
    ``c_stride`` apart. With ``half`` 1 chroma sample ``((x + phase_x) >> 1, (y + phase_y) >> 1)``
    belongs to luma ``(x, y)``; with 0 the grids are the same.
    """

    y: U8
    u: U8
    v: U8
    y_stride: int
    c_stride: int
    width: int
    height: int
    half: int
    phase_x: int = 0
    phase_y: int = 0

    @property
    def chroma(self) -> Size:
        """Size of the chroma windows."""
        half = self.half
        return Size((self.width + half) >> half, (self.height + half) >> half)


def window(picture: Picture, x: int, y: int, size: Size) -> Target:
    """The window of ``size`` at (``x``, ``y``) of a picture, or :class:`InvariantBroken`."""
    width, height = size
    if x < 0 or y < 0 or x + width > picture.width or y + height > picture.height:
        raise InvariantBroken(
            f"{width}x{height} at ({x}, {y}) does not lie within {picture!r}", stage="scale"
        )
    half = 1 if picture.subsampling == "420" else 0
    if half and (
        x & 1
        or y & 1
        or (width & 1 and x + width != picture.width)
        or (height & 1 and y + height != picture.height)
    ):
        raise InvariantBroken(
            f"{width}x{height} at ({x}, {y}) splits a chroma sample of {picture!r}", stage="scale"
        )
    chroma_width, chroma_height = picture.u.shape[1], picture.u.shape[0]
    chroma = chroma_width * chroma_height
    luma = picture.buffer.size - 2 * chroma
    y_stride = chroma_width << half
    skip = (y >> half) * chroma_width + (x >> half)
    return Target(
        y=picture.buffer[y * y_stride + x : luma],
        u=picture.buffer[luma + skip : luma + chroma],
        v=picture.buffer[luma + chroma + skip :],
        y_stride=y_stride,
        c_stride=chroma_width,
        width=width,
        height=height,
        half=half,
    )


def before_turn(view: View, subsampling: Literal["420", "444"]) -> Target:
    """New memory for the scaled picture before it is put upright.

    Chroma blocks are counted from the upright picture's top left corner. Where turning brings the
    far end of an odd side there, the first block hangs over the near end: that is the phase.
    """
    width, height = view.scaled
    rotation, mirror = view.orientation.rotation, view.orientation.mirror
    target = window(Picture(width, height, subsampling), 0, 0, view.scaled)
    from_right = (rotation in (180, 270)) != mirror
    from_bottom = rotation in (90, 180)
    return Target(
        y=target.y,
        u=target.u,
        v=target.v,
        y_stride=target.y_stride,
        c_stride=target.c_stride,
        width=width,
        height=height,
        half=target.half,
        phase_x=width & 1 if from_right and target.half else 0,
        phase_y=height & 1 if from_bottom and target.half else 0,
    )


def orient(source: Target, orientation: Orientation, upright: Target) -> None:
    """Copy ``source``, mirrored and turned, to ``upright``."""
    for name in ("y", "u", "v"):
        chroma = name != "y"
        size = source.chroma if chroma else Size(source.width, source.height)
        up = upright.chroma if chroma else Size(upright.width, upright.height)
        turn(
            _window(getattr(source, name), source.c_stride if chroma else source.y_stride, size),
            orientation,
            _window(getattr(upright, name), upright.c_stride if chroma else upright.y_stride, up),
        )


def turn(source: U8, orientation: Orientation, upright: U8) -> None:
    """Copy (height, width[, 3]) samples, mirrored and then turned clockwise."""
    if orientation.mirror:
        source = source[:, ::-1]
    turned = np.rot90(source, -orientation.rotation // 90)
    if not orientation.swaps_sides:
        upright[...] = turned
        return
    for x in range(0, upright.shape[1], _TURN_COLUMNS):
        upright[:, x : x + _TURN_COLUMNS] = turned[:, x : x + _TURN_COLUMNS]


def _window(flat: U8, stride: int, size: Size) -> U8:
    return np.lib.stride_tricks.as_strided(flat, (size.height, size.width), (stride, 1))
