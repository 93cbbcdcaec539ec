"""Samples: a decoder's frame (:class:`RawFrame`) and a finished picture (:class:`Picture`)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InvariantBroken
from .color import ColorInfo, LightLevels
from .geometry import UPRIGHT, Orientation, Size

U8 = NDArray[np.uint8]

#: Which field of a frame was taken first: "top" (even lines), "bottom", or neither.
FieldOrder = Literal["progressive", "top", "bottom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """How samples of a frame lie in memory: planar, one component per plane.

    ``depth`` is the number of significant bits; a sample of more than 8 bits is a ``uint16`` whose
    value has been shifted left by ``shift`` (P010 and its kin). ``model``: ``yuv`` planes are
    Y, Cb, Cr; ``rgb`` planes are R, G, B; ``gray`` has Y alone. With ``alpha`` a last plane
    follows.
    """

    name: str
    model: Literal["yuv", "rgb", "gray"]
    depth: int = 8
    shift: int = 0
    log2_chroma_w: int = 0
    log2_chroma_h: int = 0
    alpha: bool = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Plane:
    """One component: a flat sample buffer, rows ``stride`` samples apart.

    ``data`` is 1-D ``uint8`` or ``uint16`` and at least ``stride * (height - 1) + width`` long.
    A view into the decoder's memory: valid while the owner of the frame lives.
    """

    data: NDArray[Any]
    stride: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.stride * (self.height - 1) + self.width > self.data.size:
            raise InvariantBroken(
                f"a plane of {self.width}x{self.height}, {self.stride} apart, in {self.data.size}"
            )

    def array(self) -> NDArray[Any]:
        """The visible samples as a (height, width) view, no copy."""
        item = self.data.itemsize
        return np.lib.stride_tricks.as_strided(
            self.data, (self.height, self.width), (self.stride * item, item), writeable=False
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RawFrame:
    """Decoded samples, untouched, with everything that is needed to show them.

    Zero copy: ``planes`` look into memory that ``owner`` keeps alive. ``pts`` counts ``time_base``.
    ``field_order`` other than "progressive": two instants are woven into the lines. ``light``: of
    HDR pictures.
    """

    planes: tuple[Plane, ...]
    format: PixelFormat
    size: Size
    color: ColorInfo
    sample_aspect_ratio: Fraction = Fraction(1)
    orientation: Orientation = UPRIGHT
    pts: int = 0
    time_base: Fraction = Fraction(1)
    keyframe: bool = False
    corrupt: bool = False
    field_order: FieldOrder = "progressive"
    light: LightLevels | None = None
    picture_type: str = "?"
    owner: object = None


class Picture:
    """A finished picture: full-range BT.601 YCbCr, upright, square pixels - what JFIF expects.

    One packed buffer holds Y, then Cb, then Cr, in the layout libjpeg-turbo reads without a copy
    (``tj3CompressFromYUV8`` with alignment 1): luma rows are padded to the chroma grid, chroma
    planes follow at once. ``y``, ``u``, ``v`` are writable 2-D views of the visible samples;
    ``u`` and ``v`` have (w + 1) // 2 x (h + 1) // 2 samples for ``subsampling`` "420", the size of
    ``y`` for "444". Not thread-safe for overlapping writes; disjoint cells may be written by
    different threads.
    """

    __slots__ = ("buffer", "height", "subsampling", "u", "v", "width", "y")

    def __init__(self, width: int, height: int, subsampling: Literal["420", "444"] = "420") -> None:
        self.width, self.height, self.subsampling = width, height, subsampling
        if subsampling == "420":
            cw, ch = (width + 1) // 2, (height + 1) // 2
            pw, ph = cw * 2, ch * 2
        else:
            cw, ch = pw, ph = width, height
        self.buffer: U8 = np.empty(pw * ph + 2 * cw * ch, np.uint8)
        luma, chroma = pw * ph, cw * ch
        self.y: U8 = self.buffer[:luma].reshape(ph, pw)[:height, :width]
        self.u: U8 = self.buffer[luma : luma + chroma].reshape(ch, cw)
        self.v: U8 = self.buffer[luma + chroma :].reshape(ch, cw)

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def planes(self) -> tuple[U8, U8, U8]:
        return self.y, self.u, self.v

    def fill(self, ycc: tuple[int, int, int]) -> None:
        """Paint all of it, padding samples included, in one full-range BT.601 colour."""
        chroma = self.u.size
        luma = self.buffer.size - 2 * chroma
        self.buffer[:luma] = ycc[0]
        self.buffer[luma : luma + chroma] = ycc[1]
        self.buffer[luma + chroma :] = ycc[2]

    def part(self, x: int, y: int, width: int, height: int) -> Picture:
        """A copy of a rectangle, sample by sample; on the chroma grid (even) where that is "420".

        Threads: any, while nobody writes there."""
        part = Picture(width, height, self.subsampling)
        steps = (1, 2, 2) if self.subsampling == "420" else (1, 1, 1)
        for target, plane, step in zip(part.planes, self.planes, steps, strict=True):
            rows, columns = target.shape
            target[:] = plane[y // step :, x // step :][:rows, :columns]
        return part

    def __repr__(self) -> str:
        return f"<Picture {self.width}x{self.height} {self.subsampling}>"
