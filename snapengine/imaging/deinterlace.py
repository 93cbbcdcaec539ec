"""Interlaced frames: the picture of their first field, from the frame alone.

Two instants are woven into the lines of such a frame. What is shown is the first, whose time the
frame's is. The lines of the other field are used where they fit (ITU-T H.262 7.12, H.264 6.2: which
samples belong to which field, and where its chroma lies).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..kernels import deinterlace as kernels
from ..model.frame import Plane, RawFrame
from ..model.geometry import View

#: From this shrink factor down, the first field alone has lines enough.
FIELD_FROM: Final = 4.0

#: A sample is combed when it alternates from line to line at least ``_SURE`` / 4 times as strongly
#: as within fields, and by half a code more. That a thin line does too; but not ``_CERTAIN`` of the
#: 128 samples looked at in a tile, which one tile of a frame needs before anything is done to it.
#: ``_COUNT`` then make a tile a moving one.
_SURE: Final = 7
_SURE_BAR: Final = 14
_CERTAIN: Final = 36
_COUNT: Final = 2

#: Evidence needed for a sample in and around moving tiles. More leaves combs in moving texture,
#: less spoils sharp writing that stands still beside motion.
_LIKELY: Final = 2
_BAR: Final = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FieldFrame(RawFrame):
    """A frame whose planes hold every second line only, from line ``parity`` on.

    ``size`` is still that of the whole frame, and views count its samples.
    """

    parity: int

    def span(self, start: float, length: float) -> tuple[float, float]:
        """A stretch of a whole plane's rows (edge coordinates) in rows of the field's plane."""
        return (start + 0.5 - self.parity) / 2, length / 2


def progressive(frame: RawFrame, view: View) -> RawFrame:
    """The frame as it should be sampled for ``view``; itself when it is not interlaced.

    Strongly shrunk: its first field, without a copy. Otherwise a new frame whose second field has
    been replaced where it shows another instant than the first. Threads: any.
    """
    if frame.field_order == "progressive" or frame.planes[0].height < 2:
        return frame
    parity = int(frame.field_order == "bottom")
    if view.crop[3] / view.scaled.height >= FIELD_FROM:
        planes = tuple(_field(plane, parity) for plane in frame.planes)
        return FieldFrame(**_values(frame, planes), parity=parity)
    down = max(0, frame.format.depth + frame.format.shift - 8)
    scans = [_Scan(plane, 1 - parity, down) for plane in frame.planes]
    moving = [scan.moving() for scan in scans]
    if not any(tiles.any() for tiles in moving):
        return RawFrame(**_values(frame, frame.planes))
    # Chroma, which shows less, moves where luma does.
    across, rows = 1 << frame.format.log2_chroma_w, 1 << frame.format.log2_chroma_h
    for i in (1, 2) if frame.format.model == "yuv" else ():
        coarse = np.logical_or.reduceat(moving[0], range(0, moving[0].shape[0], rows), axis=0)
        coarse = np.logical_or.reduceat(coarse, range(0, coarse.shape[1], across), axis=1)
        moving[i] = moving[i] | coarse
    planes = tuple(scan.completed(tiles) for scan, tiles in zip(scans, moving, strict=True))
    return RawFrame(**_values(frame, planes))


def _values(frame: RawFrame, planes: tuple[Plane, ...]) -> dict[str, Any]:
    values = {f.name: getattr(frame, f.name) for f in fields(RawFrame)}
    return values | {"planes": planes, "field_order": "progressive"}


def _field(plane: Plane, parity: int) -> Plane:
    if plane.height < 2:
        return plane
    return Plane(
        data=plane.data[parity * plane.stride :],
        stride=2 * plane.stride,
        width=plane.width,
        height=(plane.height + 1 - parity) // 2,
    )


class _Scan:
    """One plane and its scratch: what moves in it, and the plane made whole."""

    def __init__(self, plane: Plane, other: int, down: int) -> None:
        self._plane = plane
        span = plane.width + 2 * kernels.MARGIN
        self._source = (plane.data, plane.stride, plane.width, plane.height, other, down)
        self._scratch = (
            np.empty(15 * span, np.int16),
            np.empty(4 * span, np.int32),
        )
        self._run = kernels.fields_u8 if plane.data.dtype == np.uint8 else kernels.fields_u16

    def moving(self) -> NDArray[np.bool_]:
        """Which tiles show motion, or border on one that does."""
        plane = self._plane
        rows, across = (
            -(-plane.height // kernels.TILE_HEIGHT),
            -(-plane.width // kernels.TILE_WIDTH),
        )
        tiles = np.zeros((rows, across), np.uint8)
        if plane.height < 4:
            return tiles > 0
        none = np.empty(0, plane.data.dtype)
        self._run(none, *self._source, _SURE, _SURE_BAR, 0, tiles.reshape(-1), *self._scratch)
        if tiles.max() < _CERTAIN:
            return np.zeros_like(tiles, bool)
        found = np.pad(tiles >= _COUNT, 1)
        for axis in (0, 1):
            found = found | np.roll(found, 1, axis) | np.roll(found, -1, axis)
        return found[1:-1, 1:-1]

    def completed(self, moving: NDArray[np.bool_]) -> Plane:
        """The plane; without a copy when nothing moves."""
        plane = self._plane
        if plane.height < 4 or not moving.any():
            return plane
        data = np.empty(plane.width * plane.height, plane.data.dtype)
        tiles = moving.astype(np.uint8).reshape(-1)
        self._run(data, *self._source, _LIKELY, _BAR, 1, tiles, *self._scratch)
        return Plane(data=data, stride=plane.width, width=plane.width, height=plane.height)
