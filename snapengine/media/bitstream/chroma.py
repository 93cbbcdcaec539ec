"""Where chroma samples lie, by FFmpeg's names: what the bitstream says, or its standard fixes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from . import av1, h264, hevc
from .bits import Malformed

_TOLD: Mapping[str, Callable[[memoryview], str | None]] = MappingProxyType(
    {"h264": h264.chroma_location, "hevc": hevc.chroma_location, "av1": av1.chroma_location}
)
#: libavcodec's values; where it gives none (H.261, FLV1), those of the standard it follows. They
#: are for 4:2:0, but MJPEG's and MPEG-1's, which hold for any subsampling.
_FIXED: Mapping[str, str] = MappingProxyType(
    {
        "dvvideo": "topleft",
        "flv1": "center",
        "h261": "center",
        "h263": "center",
        "h263i": "center",
        "h263p": "center",
        "mjpeg": "center",
        "mjpegb": "center",
        "mpeg1video": "center",
        "mpeg2video": "left",
        "mpeg4": "left",
        "theora": "center",
    }
)


def chroma_location(codec: str, data: bytes | memoryview | None) -> str | None:
    """Where 4:2:0 (or 4:2:2) chroma lies: "left", "center", "topleft", "top", "bottomleft",
    "bottom" (``AVChromaLocation``), or ``None`` when nobody says.

    ``codec`` by libavcodec's canonical name. ``data`` is the stream's extradata or, where that
    holds no parameter sets (Annex B, bare OBUs), its first packet; only H.264, HEVC and AV1 look at
    it, and only at the first few kilobytes. Never raises: broken data says nothing. VP8 and VP9
    have no such field (VP9's containers may). May be called from any thread.
    """
    read = _TOLD.get(codec)
    if read is None:
        return _FIXED.get(codec)
    if not data:
        return None
    try:
        return read(memoryview(data))
    except (Malformed, IndexError):
        return None
