"""A decoder's frame to a picture: crop, scale, colour, orientation. Pure functions on our values.

::

    planes --resample--> float planes --affine map, rounded once--> 8-bit planes --orient--> dst

Chroma goes straight to the grid of the result. Luma takes what chroma adds to it (the shade, when
the matrix changes) from there, so that a JPEG decoder, which blends chroma the same way, gets the
source's colour back. All functions may run in any number of threads on different destinations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..kernels import convert
from ..model.color import ColorInfo
from ..model.frame import U8, Picture, PixelFormat, Plane, RawFrame
from ..model.geometry import UPRIGHT, View
from . import colour
from ._full import can_draw_jfif, can_draw_rgb, draw_jfif, draw_rgb
from ._resample import Grid, band_rows, plane_taps, resample
from ._scratch import F32, scratch
from ._target import Target, before_turn, orient, turn, window
from .colour import color_ycc

__all__ = [
    "color_ycc",
    "halved",
    "jfif_planes",
    "picture_frame",
    "picture_rgb",
    "render",
    "render_rgb",
]

_JFIF_COLOR: Final = ColorInfo(range="full", matrix="bt601", chroma_location="center")
_JFIF_FORMAT: Final = {
    "420": PixelFormat(name="yuvj420p", model="yuv", log2_chroma_w=1, log2_chroma_h=1),
    "444": PixelFormat(name="yuvj444p", model="yuv"),
}


def render(frame: RawFrame, view: View, dst: Picture, x: int = 0, y: int = 0) -> None:
    """Draw ``view`` of ``frame`` at (``x``, ``y``) of ``dst``; writes the covered samples only.

    The rest of the view's box is background and stays as it is. In a "420" picture the covered
    part starts at even coordinates and has even sides, unless it ends at the picture's edge.
    Raises: InvariantBroken when it does not, or when it hangs over the picture.
    """
    color = frame.color.resolved(*frame.size)
    upright = window(dst, x + view.x, y + view.y, view.upright)
    turned = not view.orientation.is_identity
    target = before_turn(view, dst.subsampling) if turned else upright
    if can_draw_jfif(frame, color, view, target):
        draw_jfif(frame, color, target)
    elif _by_rgb(frame.format, color):
        _render_by_rgb(frame, color, view, target)
    else:
        _render_yuv(frame, color, view, target)
    if turned:
        orient(target, view.orientation, upright)


def render_rgb(frame: RawFrame, view: View, background: tuple[int, int, int] = (0, 0, 0)) -> U8:
    """The view as a new packed RGB array, uint8 (height, width, 3), rounded once."""
    color = frame.color.resolved(*frame.size)
    out = np.empty((view.size.height, view.size.width, 3), np.uint8)
    if view.upright != view.size:
        out[:] = background
    width, height = view.scaled
    turned = not view.orientation.is_identity
    covered = out[view.y : view.y + view.upright.height, view.x : view.x + view.upright.width]
    scaled = np.empty((height, width, 3), np.uint8) if turned else covered
    _scale_rgb(frame, color, view, scaled)
    if turned:
        turn(scaled, view.orientation, covered)
    return out


def picture_rgb(picture: Picture) -> U8:
    """A picture as a new packed RGB array, uint8 (height, width, 3), by the formulas of JFIF."""
    frame = picture_frame(picture)
    return render_rgb(frame, _identity(frame))


def jfif_planes(frame: RawFrame) -> Picture:
    """The frame as it is coded, unscaled and not turned, as a new picture.

    4:2:0 and grey give a "420" picture, everything else "444".
    """
    format = frame.format
    half = format.model == "gray" or (format.log2_chroma_w, format.log2_chroma_h) == (1, 1)
    picture = Picture(*frame.size, "420" if half else "444")
    render(frame, _identity(frame), picture)
    return picture


def halved(picture: Picture) -> Picture:
    """A "444" picture as a new "420" one: chroma averaged over 2x2 samples."""
    frame = picture_frame(picture)
    half = Picture(picture.width, picture.height, "420")
    render(frame, _identity(frame), half)
    return half


def picture_frame(picture: Picture) -> RawFrame:
    """A finished picture seen as a frame, without a copy: it can be scaled and cropped again."""
    target = window(picture, 0, 0, picture.size)
    (cw, ch), stride = target.chroma, target.c_stride
    return RawFrame(
        planes=(
            Plane(data=target.y, stride=target.y_stride, width=target.width, height=target.height),
            Plane(data=target.u, stride=stride, width=cw, height=ch),
            Plane(data=target.v, stride=stride, width=cw, height=ch),
        ),
        format=_JFIF_FORMAT[picture.subsampling],
        size=picture.size,
        color=_JFIF_COLOR,
        owner=picture,
    )


def _identity(frame: RawFrame) -> View:
    size = frame.size
    crop = (0.0, 0.0, float(size.width), float(size.height))
    return View(coded=size, crop=crop, scaled=size, orientation=UPRIGHT, size=size)


def _by_rgb(format: PixelFormat, color: ColorInfo) -> bool:
    """Whether a frame must become RGB on its way, because its chroma needs its luma.

    Frames with HDR transfer belong here as soon as ``_tone`` maps them.
    """
    return format.model == "rgb"


def _tone(rgb: NDArray[np.float32], color: ColorInfo) -> NDArray[np.float32]:
    """Transfer, primaries and tone mapping of scaled RGB, float32 (3, rows, width) in 0..255.

    The seam for HDR: nothing is mapped yet; PQ and HLG are shown as if they were BT.2020 SDR.
    """
    return rgb


def _bands(width: int, height: int, phase: int = 0) -> Iterator[tuple[int, int]]:
    """``(first, rows)`` of bands that fit the cache and do not split chroma blocks."""
    step = max(2, band_rows(width) & ~1)
    first = 0
    while first < height:
        rows = min(step - (phase if first == 0 else 0), height - first)
        yield first, rows
        first += rows


def _render_yuv(frame: RawFrame, color: ColorInfo, view: View, target: Target) -> None:
    a, b = colour.to_jfif(frame.format, color.range or "", color.matrix or "")
    width, height, half = target.width, target.height, target.half
    cw, ch = target.chroma
    gray = frame.format.model == "gray"
    if gray:
        _fill(target, 128)
    # The shade of a sample is below 2**-10 steps where the matrix stays the same.
    shaded = bool(np.abs(a[0, 1:]).max() * (1 << frame.format.depth + frame.format.shift) > 1e-3)
    # Luma needs shades of the chroma rows around it: all of them first, or, on the same grid, one
    # band at a time.
    whole = shaded and half == 1
    shade = scratch("shade", cw * ch if whole else min(ch, band_rows(cw) + 1) * cw)
    luma_taps = plane_taps(frame, color, view, 0, Grid(0, 0, width, height))
    grid = Grid(-target.phase_x, -target.phase_y, cw, ch, 1 + half)
    taps_b, taps_r = (plane_taps(frame, color, view, 0 if gray else i, grid) for i in (1, 2))

    def chroma(first: int, rows: int) -> None:
        cb, cr = scratch("cb", rows * cw), scratch("cr", rows * cw)
        resample(frame.planes[1], *taps_b, cb, first, rows)
        resample(frame.planes[2], *taps_r, cr, first, rows)
        skip = first * target.c_stride
        convert.chroma_out(
            target.u[skip:], target.v[skip:], target.c_stride, cb, cr,
            shade[first * cw :] if whole else shade, cw, rows,
            a[1, 1], a[1, 2], b[1], a[2, 1], a[2, 2], b[2], a[0, 1], a[0, 2],
        )  # fmt: skip

    if half == 1 and not gray:
        for first, rows in _bands(cw, ch):
            chroma(first, rows)
    for first, rows in _bands(width, height):
        if half == 0 and not gray:
            chroma(first, rows)
        luma = scratch("y", rows * width)
        resample(frame.planes[0], *luma_taps, luma, first, rows)
        convert.luma_out(
            target.y[first * target.y_stride :], target.y_stride, luma, width, width, rows,
            a[0, 0], b[0], shade, cw, ch, half, target.phase_x, target.phase_y,
            first if whole else 0, int(shaded), scratch("line", width + cw + 2),
        )  # fmt: skip


def _fill(target: Target, value: int) -> None:
    cw, ch = target.chroma
    for plane in (target.u, target.v):
        np.lib.stride_tricks.as_strided(plane, (ch, cw), (target.c_stride, 1))[:] = value


def _float_planes(
    frame: RawFrame, taps: list[Any], width: int, first: int, rows: int
) -> tuple[F32, F32, F32]:
    """One band of all components on the luma grid; a grey frame gives its luma three times."""
    planes = []
    for i, (across, down) in enumerate(taps):
        planes.append(scratch(f"plane{i}", rows * width))
        resample(frame.planes[i], across, down, planes[i], first, rows)
    return planes[0], planes[-2 if len(planes) > 2 else 0], planes[-1]


def _all_taps(frame: RawFrame, color: ColorInfo, view: View) -> list[Any]:
    count = 1 if frame.format.model == "gray" else 3
    grid = Grid(0, 0, *view.scaled)
    return [plane_taps(frame, color, view, i, grid) for i in range(count)]


def _scale_rgb(frame: RawFrame, color: ColorInfo, view: View, out: U8) -> None:
    """Scaled, not turned, RGB into ``out`` (height, width, 3), whose pixels are packed in rows."""
    a, b = colour.to_rgb(frame.format, color.range or "", color.matrix or "")
    width, height = view.scaled
    stride = out.strides[0]
    flat = np.lib.stride_tricks.as_strided(out, (stride * (height - 1) + 3 * width,), (1,))
    if can_draw_rgb(frame, view):
        draw_rgb(frame, color, flat, stride)
        return
    affine = np.column_stack([a, b]).astype(np.float32).reshape(-1)
    taps = _all_taps(frame, color, view)
    for first, rows in _bands(width, height):
        planes = _float_planes(frame, taps, width, first, rows)
        convert.rgb_out(flat[first * stride :], stride, *planes, width, rows, affine)


def _render_by_rgb(frame: RawFrame, color: ColorInfo, view: View, target: Target) -> None:
    """The long way, for RGB video: all components on the luma grid, RGB, tone, then JFIF."""
    a, b = colour.to_rgb(frame.format, color.range or "", color.matrix or "")
    a32, b32 = a.astype(np.float32), b.astype(np.float32)[:, None]
    back = colour.RGB_TO_JFIF.astype(np.float32)
    width, height, half = target.width, target.height, target.half
    cw = target.chroma.width
    taps = _all_taps(frame, color, view)
    for first, rows in _bands(width, height, target.phase_y):
        samples = rows * width
        planes = _float_planes(frame, taps, width, first, rows)
        rgb = a32 @ np.stack([p[:samples] for p in planes]) + b32
        rgb = np.clip(_tone(rgb.reshape(3, rows, width), color), 0, 255)
        y, cb, cr = (back @ rgb.reshape(3, -1)).reshape(3, rows, width)
        _write(y, target.y, target.y_stride, first)
        at = (first + target.phase_y) >> half
        for plane, flat in ((cb, target.u), (cr, target.v)):
            small = _blocks(plane, target, cw, first) if half else plane
            _write(small + np.float32(128), flat, target.c_stride, at)


def _blocks(plane: NDArray[np.float32], target: Target, cw: int, first: int) -> Any:
    """Means of 2x2 blocks; where a block hangs over, the outermost samples count twice."""
    rows, width = plane.shape
    top = target.phase_y if first == 0 else 0
    down = (top, (rows + top) & 1)
    across = (target.phase_x, 2 * cw - width - target.phase_x)
    padded = np.pad(plane, (down, across), mode="edge")
    return padded.reshape(padded.shape[0] // 2, 2, cw, 2).mean(axis=(1, 3), dtype=np.float32)


def _write(plane: Any, flat: U8, stride: int, first: int) -> None:
    """Round to the nearest, halves upward, clip, and store from row ``first`` on."""
    rounded = np.clip(np.floor(plane + np.float32(0.5)), 0, 255).astype(np.uint8)
    rows, width = rounded.shape
    np.lib.stride_tricks.as_strided(flat[first * stride :], (rows, width), (stride, 1))[:] = rounded
