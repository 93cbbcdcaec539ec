"""Pictures with transparency: scaled so that hidden colours do not show, and laid on a background.

Colour is weighted by its opacity before it is scaled (Porter and Duff 1984): a transparent sample
has no colour, whatever is stored there. Alpha is straight and of full range (ITU-T H.264 7.4.2.1.2,
FFmpeg's AV_PIX_FMT_FLAG_ALPHA); blending is done on R'G'B' codes, as browsers and FFmpeg do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..model.color import ColorInfo
from ..model.frame import U8, PixelFormat, Plane, RawFrame
from ..model.geometry import Size, View
from ._resample import Grid, plane_taps, resample

_COLOR: Final = ColorInfo(range="full", matrix="rgb", primaries="bt709", transfer="srgb")
_DEEP: Final = PixelFormat(name="gbrap16le", model="rgb", depth=16, alpha=True)
_FLAT: Final = PixelFormat(name="gbrp", model="rgb")


def is_opaque(frame: RawFrame) -> bool:
    """Whether nothing can be seen through the frame."""
    format = frame.format
    top = ((1 << format.depth) - 1) << format.shift
    return not format.alpha or int(frame.planes[-1].array().min()) >= top


def without_alpha(frame: RawFrame) -> RawFrame:
    """The frame's colours alone, no copy."""
    if not frame.format.alpha:
        return frame
    return replace(frame, planes=frame.planes[:-1], format=replace(frame.format, alpha=False))


def scaled_rgba(frame: RawFrame, rgb: U8, view: View) -> U8:
    """Straight RGBA, uint8 (height, width, 4), scaled as ``view`` says, not turned.

    ``rgb``: the whole frame in R'G'B', (height, width, 3). Where nothing is left of the picture,
    the colour is black.
    """
    color, opacity = _scaled(frame, rgb, view)
    out = np.empty((*opacity.shape, 4), np.uint8)
    out[..., 3] = opacity * np.float32(1 / 257) + np.float32(0.5)
    # Less than half a step of opacity is none.
    straight = np.where(out[..., 3] > 0, np.float32(255) / np.maximum(opacity, 1), np.float32(0))
    for i in range(3):
        out[..., i] = np.minimum(color[i] * straight, 255) + np.float32(0.5)
    return out


def flattened(frame: RawFrame, rgb: U8, view: View) -> tuple[RawFrame, View]:
    """What ``view`` shows, laid on its background, as an opaque RGB frame; and a view of that.

    ``rgb`` as in :func:`scaled_rgba`. The new frame is scaled but not turned.
    """
    color, opacity = _scaled(frame, rgb, view)
    height, width = opacity.shape
    clear = 1 - opacity * np.float32(1 / 65535)
    planes = []
    for i, behind in enumerate(view.background):
        mixed = color[i] * np.float32(1 / 257) + clear * np.float32(behind) + np.float32(0.5)
        planes.append(_plane(np.minimum(mixed, 255).astype(np.uint8)))
    size = Size(width, height)
    flat = replace(
        without_alpha(frame), planes=tuple(planes), format=_FLAT, size=size, color=_COLOR
    )
    crop = (0.0, 0.0, float(width), float(height))
    return flat, replace(view, coded=size, crop=crop, window=None)


def _scaled(frame: RawFrame, rgb: U8, view: View) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Premultiplied R, G, B (3, height, width) and opacity (height, width), both 0..65535."""
    format = frame.format
    top = np.uint32((1 << format.depth) - 1)
    stored = frame.planes[-1].array().astype(np.uint32) >> np.uint32(format.shift)
    opacity = (stored * np.uint32(65535) + top // 2) // top
    planes = [(rgb[..., i] * opacity + np.uint32(127)) // np.uint32(255) for i in range(3)]
    deep = replace(
        frame,
        planes=tuple(_plane(p.astype(np.uint16)) for p in (*planes, opacity)),
        format=_DEEP,
        color=_COLOR,
    )
    width, height = view.scaled
    out = np.empty((4, height, width), np.float32)
    for i, plane in enumerate(deep.planes):
        across, down = plane_taps(deep, _COLOR, view, i, Grid(0, 0, width, height))
        resample(plane, across, down, out[i].reshape(-1))
    # Negative lobes of the filter must not make more colour than there is opacity.
    np.clip(out[3], 0, 65535, out=out[3])
    np.clip(out[:3], 0, out[3], out=out[:3])
    return out[:3], out[3]


def _plane(samples: NDArray[Any]) -> Plane:
    height, width = samples.shape
    return Plane(
        data=np.ascontiguousarray(samples).reshape(-1), stride=width, width=width, height=height
    )
