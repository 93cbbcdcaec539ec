"""The small picture of one frame that every measure looks at."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..model.frame import U8, Picture
from ..model.geometry import Rect, Size

#: Samples of a proxy: 320x180 and everything of that area. Blur, text and faces that matter on a
#: cover can still be told; a frame of any size costs the same to judge.
PROXY_SAMPLES: Final = 320 * 180
#: A row or column is a bar when it is this dark (full range) nearly everywhere ...
_BAR_LEVEL: Final = 24
#: ... that is, but for this share of its samples (rims of compression, a logo's edge).
_BAR_SPECKS: Final = 0.02
#: Beyond this the difference within a bar is texture, not noise of compression.
_BAR_SPREAD: Final = 10


def proxy_size(display: Size) -> Size:
    """Size of the proxy of a frame shown at ``display`` size: same shape, never enlarged."""
    shrink = min(1.0, (PROXY_SAMPLES / (display.width * display.height)) ** 0.5)
    return Size(
        max(1, round(display.width * shrink)),
        max(1, round(display.height * shrink)),
    )


class Proxy:
    """A small upright picture with square pixels: full-range BT.601 Y'CbCr 4:4:4.

    ``y``, ``cb``, ``cr`` are read-only uint8 arrays of shape (height, width). Derived arrays are
    made when first asked for and kept. Immutable; two threads may at worst derive one twice.
    """

    def __init__(self, picture: Picture) -> None:
        if picture.subsampling != "444":
            raise ValueError(f"a proxy needs chroma of full size, not {picture.subsampling}")
        self._hold(*picture.planes)

    @classmethod
    def of_planes(cls, y: U8, cb: U8, cr: U8) -> Proxy:
        """A proxy of three planes of one size, which need not be contiguous."""
        proxy = cls.__new__(cls)
        proxy._hold(*(np.ascontiguousarray(plane) for plane in (y, cb, cr)))
        return proxy

    def _hold(self, y: U8, cb: U8, cr: U8) -> None:
        self.y, self.cb, self.cr = y, cb, cr
        self.height, self.width = y.shape

    @cached_property
    def luma(self) -> NDArray[np.float32]:
        """Luma in 0..1."""
        return self.y * np.float32(1 / 255)

    @cached_property
    def rgb(self) -> U8:
        """R'G'B' of shape (height, width, 3), uint8 (ITU-T T.871, 7)."""
        y = self.y.astype(np.float32)
        cb = self.cb.astype(np.float32) - 128
        cr = self.cr.astype(np.float32) - 128
        rgb = np.empty((*self.y.shape, 3), np.float32)
        rgb[..., 0] = y + 1.402 * cr
        rgb[..., 1] = y - 0.344136286 * cb - 0.714136286 * cr
        rgb[..., 2] = y + 1.772 * cb
        return np.clip(rgb + 0.5, 0, 255).astype(np.uint8)

    @cached_property
    def active(self) -> Rect:
        """The part without black bars: all of it when there are none, or nothing but bars.

        Bars are dark even rows (or columns) at opposite edges.
        """
        top, bottom = _bars(self.y)
        left, right = _bars(self.y.T)
        width, height = self.width - left - right, self.height - top - bottom
        if width < 1 or height < 1:
            return Rect(0, 0, self.width, self.height)
        return Rect(left, top, width, height)

    def __repr__(self) -> str:
        return f"<Proxy {self.width}x{self.height}>"


def _bars(plane: U8) -> tuple[int, int]:
    """How many rows at the top and at the bottom belong to bars."""
    allowed = int(plane.shape[1] * _BAR_SPECKS)
    bright = np.count_nonzero(plane > _BAR_LEVEL, axis=1) > allowed
    if not bright.any():
        return plane.shape[0], 0
    first = int(bright.argmax())
    last = int(bright[::-1].argmax())
    # Bars come in pairs. A dark edge on one side only is part of the picture (a night sky).
    if first == 0 or last == 0:
        return 0, 0
    rows = np.concatenate([plane[:first], plane[plane.shape[0] - last :]])
    if int(np.percentile(rows, 98)) - int(np.percentile(rows, 2)) > _BAR_SPREAD:
        return 0, 0
    return first, last
