"""A decoder's frame -> :class:`RawFrame`: views into its memory, with their meaning.

Formats that are not planar (packed RGB, palettes, NV12 and the like) are first brought to the
planar format of the same family by swscale, without any change of size, range or matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ..errors import UnsupportedCodec
from ..model.color import ColorInfo, LightLevels, Matrix, Range
from ..model.frame import FieldOrder, PixelFormat, Plane, RawFrame
from ..model.geometry import Orientation, Size
from .frame_notes import FrameNotes
from .parameters import has_alpha_stream

#: AVColorSpace (libavutil/pixfmt.h) -> our matrix names.
_MATRICES: dict[int, Matrix] = {
    0: "rgb",
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020",
    10: "bt2020",
    14: "ictcp",
    15: "ipt-c2",
}
_RANGES: dict[int, Range] = {1: "limited", 2: "full"}
_PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
_TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361",
    13: "srgb",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}


@dataclass(frozen=True, slots=True)
class _Layout:
    """How to read one pixel format: convert to ``via`` first if set."""

    via: str | None
    format: PixelFormat


@lru_cache(maxsize=256)
def layout_of(name: str) -> _Layout:
    """The planar layout a pixel format is read as. Raises :class:`UnsupportedCodec`."""
    try:
        native = av.VideoFormat(name, 64, 64)
    except ValueError as exc:
        raise UnsupportedCodec(f"unknown pixel format {name!r}", stage="decode") from exc
    parts = native.components
    depth = max(c.bits for c in parts)
    alpha = any(c.is_alpha for c in parts)
    planar = len({c.plane for c in parts}) == len(parts) and not name.endswith("be")
    # Packed bits (monow, monob) are no bytes.
    plain = planar and 8 <= depth <= 16 and not native.has_palette and "f32" not in name
    shift = 16 - depth if name.startswith(("p0", "p2", "p4")) or "msb" in name else 0
    if native.is_rgb or native.has_palette:
        if plain and name.startswith("gbr"):
            return _Layout(None, PixelFormat(name=name, model="rgb", depth=depth, alpha=alpha))
        via = ("gbrap" if alpha else "gbrp") + ("" if depth <= 8 else "16le")
        return _Layout(via, layout_of(via).format)
    luma, *chroma = [c for c in parts if not c.is_alpha]
    if not chroma:
        if plain:
            return _Layout(
                None, PixelFormat(name=name, model="gray", depth=depth, shift=shift, alpha=alpha)
            )
        # Grey with alpha becomes RGB: there is no planar format of two components.
        via = "gbrap" if alpha else "gray"
        via += "" if depth <= 8 else "16le"
        return _Layout(via, layout_of(via).format)
    log2_w = (luma.width // max(1, chroma[0].width)).bit_length() - 1
    log2_h = (luma.height // max(1, chroma[0].height)).bit_length() - 1
    if plain:
        return _Layout(
            None,
            PixelFormat(
                name=name,
                model="yuv",
                depth=depth,
                shift=shift,
                log2_chroma_w=log2_w,
                log2_chroma_h=log2_h,
                alpha=alpha,
            ),
        )
    family = {(1, 1): "420", (1, 0): "422", (0, 0): "444", (0, 1): "440"}.get((log2_w, log2_h))
    if family is None:
        raise UnsupportedCodec(f"cannot read pixel format {name!r}", stage="decode")
    # NV12 and P010 are moved to planes here; the samples stay as they are.
    bits = "" if depth <= 8 else f"{10 if depth <= 10 else 12 if depth <= 12 else 16}le"
    via = f"yuv{'a' if alpha else ''}{family}p{bits}"
    return _Layout(via, layout_of(via).format)


#: What the base layer of Dolby Vision profile 5 holds; its bitstream does not say so.
DOLBY_VISION_5 = ColorInfo(range="full", matrix="ipt-c2", primaries="bt2020", transfer="smpte2084")


def has_alpha(stream: VideoStream) -> bool:
    """Whether pictures of the stream have an alpha plane, or a second stream of it in the packets
    (WebM's ``AlphaMode``)."""
    if has_alpha_stream(stream):
        return True
    name = stream.codec_context.pix_fmt
    try:
        return name is not None and any(c.is_alpha for c in av.VideoFormat(name).components)
    except ValueError:
        return False


#: AVColorSpace numbers whose samples are read as something else, and what they are called.
_MISREAD = {
    10: "BT.2020 constant luminance",
    11: "SMPTE ST 2085",
    12: "chromaticity-derived non-constant luminance",
    13: "chromaticity-derived constant luminance",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}


def color_warnings(color: ColorInfo, matrix: int) -> tuple[str, ...]:
    """Sentences for people about colours that will not be quite right."""
    if color.matrix == "ipt-c2":
        return (
            "Dolby Vision profile 5: its dynamic metadata is not applied, colours are approximate",
        )
    name = _MISREAD.get(int(matrix))
    return () if name is None else (f"colour matrix {name} is not known: colours are approximate",)


def color_of(
    color_range: int, matrix: int, primaries: int, transfer: int, pix_fmt: str | None
) -> ColorInfo:
    """FFmpeg's numbers -> names; unspecified and unknown ones are ``None``."""
    found = ColorInfo(
        range=_RANGES.get(int(color_range)),
        matrix=_MATRICES.get(int(matrix)),
        primaries=_PRIMARIES.get(int(primaries)),
        transfer=_TRANSFERS.get(int(transfer)),
    )
    name = pix_fmt or ""
    if name.startswith("yuvj"):
        found = replace(found, range="full")
    if found.matrix == "rgb" and not name.startswith(("gbr", "rgb", "bgr")) and name:
        found = replace(found, matrix=None)  # YUV samples tagged as RGB: the tag is wrong
    return found


#: AVFieldOrder: which field is shown first. libavcodec/defs.h says of 4 and 5 (one field coded
#: first, the other shown first) the opposite of what its muxers write and its decoders find in the
#: bitstream (ffmpeg_enc.c; ProRes frame headers): there the first letter is the field shown first.
_FIELD_ORDERS: dict[int, FieldOrder] = {2: "top", 3: "bottom", 4: "top", 5: "bottom"}


def field_order_of(order: int) -> FieldOrder:
    """AVFieldOrder -> which field is shown first; unknown counts as progressive."""
    return _FIELD_ORDERS.get(int(order), "progressive")


def raw_frame(
    frame: VideoFrame,
    *,
    color: ColorInfo,
    sample_aspect_ratio: Fraction,
    orientation: Orientation,
    field_order: FieldOrder,
    light: LightLevels | None,
    notes: FrameNotes,
    keyframe: bool,
    pts: int,
    time_base: Fraction,
) -> RawFrame:
    """Views into ``frame``. The stream's colour fills in what the frame does not say.

    So does its ``light``. ``notes``: of this stream. ``field_order``: the stream's; a frame says
    only whether it is interlaced at all.
    """
    source = frame
    layout = layout_of(frame.format.name)
    if layout.via is not None:
        frame = frame.reformat(format=layout.via)
    own = color_of(
        source.color_range,
        source.colorspace,
        source.color_primaries,
        source.color_trc,
        source.format.name,
    )
    if color.matrix == "ipt-c2" or (own.matrix is None and notes.is_ipt(source)):
        own = DOLBY_VISION_5
    merged = ColorInfo(
        range=own.range or color.range,
        matrix=own.matrix or color.matrix,
        primaries=own.primaries or color.primaries,
        transfer=own.transfer or color.transfer,
        chroma_location=color.chroma_location,
    )
    planes = [_plane(p, layout.format) for p in frame.planes]
    if layout.format.model == "rgb":
        planes[:3] = [planes[2], planes[0], planes[1]]  # stored as G, B, R
    return RawFrame(
        planes=tuple(planes),
        format=layout.format,
        size=Size(frame.width, frame.height),
        color=merged,
        sample_aspect_ratio=sample_aspect_ratio,
        orientation=notes.orientation(source) or orientation,
        pts=pts,
        time_base=time_base,
        keyframe=keyframe,
        corrupt=source.is_corrupt,
        field_order=_frame_field_order(source, field_order),
        light=(notes.light(source) or light) if merged.is_hdr else None,
        picture_type=_PICTURE_TYPES.get(int(source.pict_type), "?"),
        owner=frame,
    )


def _frame_field_order(frame: VideoFrame, stream: FieldOrder) -> FieldOrder:
    if not frame.interlaced_frame:
        return "progressive"
    return "bottom" if stream == "bottom" else "top"


_PICTURE_TYPES = {1: "I", 2: "P", 3: "B", 4: "S", 5: "SI", 6: "SP", 7: "BI"}


def _plane(plane: Any, fmt: PixelFormat) -> Plane:
    wide = fmt.depth > 8
    data: np.ndarray[Any, Any] = np.frombuffer(plane, np.uint16 if wide else np.uint8)
    stride = plane.line_size
    if stride < 0:
        # Bottom-up: the buffer starts at the last row. Rare enough (some AVI) to copy.
        rows = data.reshape(plane.height, -1)[::-1]
        data = np.ascontiguousarray(rows).reshape(-1)
        stride = -stride
    return Plane(
        data=data, stride=stride // (2 if wide else 1), width=plane.width, height=plane.height
    )
