"""A decoder's frame to a picture: crop, scale, colour, orientation. Pure functions on our values.

::

    planes --resample--> float planes --affine map, rounded once--> 8-bit planes --orient--> dst
                              |  HDR, primaries of others: tone.py   ^
                              +---> R'G'B' ---> light ---> R'G'B' ---+

Chroma goes straight to the grid of the result. Luma takes what chroma adds to it (the shade, when
the matrix changes) from there, so that a JPEG decoder, which blends chroma the same way, gets the
source's colour back. All functions may run in any number of threads on different destinations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from ..kernels import convert
from ..model.color import ColorInfo
from ..model.frame import U8, Picture, PixelFormat, Plane, RawFrame
from ..model.geometry import UPRIGHT, Size, View
from . import colour, tone
from ._full import can_draw_jfif, can_draw_rgb, draw_jfif, draw_rgb
from ._resample import Grid, band_rows, plane_taps, resample
from ._scratch import F32, scratch
from ._target import Target, before_turn, orient, turn, window
from .alpha import flattened, is_opaque, scaled_rgba, without_alpha
from .colour import color_ycc
from .deinterlace import progressive

__all__ = [
    "color_ycc",
    "halved",
    "jfif_planes",
    "picture_frame",
    "picture_rgb",
    "render",
    "render_rgb",
    "render_rgba",
]

_JFIF_COLOR: Final = ColorInfo(range="full", matrix="bt601", chroma_location="center")
_TO_JFIF: Final = colour.RGB_TO_JFIF.astype(np.float32).reshape(-1)
#: R'G'B' that is done already, as an affine map for kernels.
_SHOWN: Final = np.eye(3, 4, dtype=np.float32).reshape(-1)
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
    frame, view = _prepared(frame, view)
    color, look = _meaning(frame)
    upright = window(dst, x + view.x, y + view.y, view.upright)
    turned = not view.orientation.is_identity
    target = before_turn(view, dst.subsampling) if turned else upright
    if look is not None or frame.format.model == "rgb":
        _render_by_rgb(frame, color, view, target, look)
    elif can_draw_jfif(frame, color, view, target):
        draw_jfif(frame, color, target)
    else:
        _render_yuv(frame, color, view, target)
    if turned:
        orient(target, view.orientation, upright)


def render_rgb(frame: RawFrame, view: View, background: tuple[int, int, int] | None = None) -> U8:
    """The view as a new packed RGB array, uint8 (height, width, 3), rounded once.

    ``background``: instead of the view's.
    """
    if background is not None:
        view = replace(view, background=background)
    frame, view = _prepared(frame, view)
    color, look = _meaning(frame)
    out = np.empty((view.size.height, view.size.width, 3), np.uint8)
    if view.upright != view.size:
        out[:] = view.background
    width, height = view.scaled
    turned = not view.orientation.is_identity
    covered = out[view.y : view.y + view.upright.height, view.x : view.x + view.upright.width]
    scaled = np.empty((height, width, 3), np.uint8) if turned else covered
    _scale_rgb(frame, color, view, scaled, look)
    if turned:
        turn(scaled, view.orientation, covered)
    return out


def render_rgba(frame: RawFrame, view: View) -> U8:
    """The view as a new array of R, G, B and straight alpha, uint8 (height, width, 4).

    What the frame does not cover is transparent, and black; so is the colour of what is.
    """
    whole = _identity(frame)
    frame = progressive(frame, whole)
    if is_opaque(frame):
        bare = replace(view, size=view.upright, x=0, y=0)
        shown = np.dstack([render_rgb(without_alpha(frame), bare), _full(bare.size)])
    else:
        scaled = scaled_rgba(frame, render_rgb(without_alpha(frame), whole), view)
        shown = np.empty((view.upright.height, view.upright.width, 4), np.uint8)
        turn(scaled, view.orientation, shown)
    out = np.zeros((view.size.height, view.size.width, 4), np.uint8)
    out[view.y : view.y + view.upright.height, view.x : view.x + view.upright.width] = shown
    return out


def picture_rgb(picture: Picture) -> U8:
    """A picture as a new packed RGB array, uint8 (height, width, 3), by the formulas of JFIF."""
    frame = picture_frame(picture)
    return render_rgb(frame, _identity(frame))


def jfif_planes(frame: RawFrame, background: tuple[int, int, int] = (0, 0, 0)) -> Picture:
    """The frame as it is coded, unscaled and not turned, as a new picture.

    4:2:0 and grey give a "420" picture, everything else "444".
    """
    format = frame.format
    half = format.model == "gray" or (format.log2_chroma_w, format.log2_chroma_h) == (1, 1)
    picture = Picture(*frame.size, "420" if half else "444")
    render(frame, replace(_identity(frame), background=background), picture)
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


def _prepared(frame: RawFrame, view: View) -> tuple[RawFrame, View]:
    """One instant, and nothing to be seen through."""
    if frame.format.alpha:
        whole = _identity(frame)
        frame = progressive(frame, whole)
        if not is_opaque(frame):
            return flattened(frame, render_rgb(without_alpha(frame), whole), view)
        frame = without_alpha(frame)
    return progressive(frame, view), view


def _full(size: Size) -> U8:
    return np.full((size.height, size.width), 255, np.uint8)


def _identity(frame: RawFrame) -> View:
    size = frame.size
    crop = (0.0, 0.0, float(size.width), float(size.height))
    return View(coded=size, crop=crop, scaled=size, orientation=UPRIGHT, size=size)


def _meaning(frame: RawFrame) -> tuple[ColorInfo, tone.Look | None]:
    """What the samples are, nothing left open, and what has to be done to their light."""
    color = frame.color.resolved(*frame.size)
    if frame.format.model == "rgb" and frame.color.range is None:
        color = replace(color, range="full")
    return color, tone.look_of(color, frame.light, frame.format.model == "gray")


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


def _shown_bands(
    frame: RawFrame, color: ColorInfo, view: View, look: tone.Look | None, phase: int = 0
) -> Iterator[tuple[int, int, Sequence[F32], F32]]:
    """``(first, rows, planes, affine)``: scaled components, and the map to R'G'B' in 0..255.

    The planes are valid until the next.
    """
    width, height = view.scaled
    matrix: str = color.matrix or ""
    if matrix == "ictcp" and color.transfer == "arib-std-b67":
        matrix = "ictcp-hlg"
    affine = colour.affine(frame.format, color.range or "", matrix, 255.0 if look is None else 1.0)
    taps = _all_taps(frame, color, view)
    for first, rows in _bands(width, height, phase):
        planes: Sequence[F32] = _float_planes(frame, taps, width, first, rows)
        if look is None:
            yield first, rows, planes, affine
        else:
            yield first, rows, tone.show(planes, rows * width, affine, look), _SHOWN


def _scale_rgb(
    frame: RawFrame, color: ColorInfo, view: View, out: U8, look: tone.Look | None
) -> None:
    """Scaled, not turned, RGB into ``out`` (height, width, 3), whose pixels are packed in rows."""
    width, height = view.scaled
    stride = out.strides[0]
    flat = np.lib.stride_tricks.as_strided(out, (stride * (height - 1) + 3 * width,), (1,))
    if look is None and can_draw_rgb(frame, view):
        draw_rgb(frame, color, flat, stride)
        return
    for first, rows, planes, affine in _shown_bands(frame, color, view, look):
        convert.rgb_out(flat[first * stride :], stride, *planes, width, rows, affine)


def _render_by_rgb(
    frame: RawFrame, color: ColorInfo, view: View, target: Target, look: tone.Look | None
) -> None:
    """The long way, for RGB video and for light that changes: all components on the luma grid."""
    width, half = target.width, target.half
    for first, rows, planes, affine in _shown_bands(frame, color, view, look, target.phase_y):
        skip = ((first + target.phase_y) >> half) * target.c_stride
        convert.jfif_out(
            target.y[first * target.y_stride :], target.u[skip:], target.v[skip:],
            target.y_stride, target.c_stride, *planes, width, rows, affine, _TO_JFIF,
            half, target.phase_x if half else 0, target.phase_y if half and first == 0 else 0,
            scratch("line", 6 * (width + 2)),
        )  # fmt: skip
