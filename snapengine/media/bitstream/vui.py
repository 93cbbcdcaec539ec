"""Video usability information as far as H.264 (Annex E) and HEVC (Annex E) share it."""

from __future__ import annotations

from .bits import BitReader, Malformed

#: ``chroma_sample_loc_type`` (H.264 figure E-1, H.265 figure E.1) by FFmpeg's names.
_LOCATIONS = ("left", "center", "topleft", "top", "bottomleft", "bottom")
_EXTENDED_SAR = 255


def chroma_location_of(bits: BitReader) -> str:
    """Read ``vui_parameters()`` up to the chroma location. Raises :class:`Malformed`.

    The top field's counts, as in libavcodec. Without one the standards infer type 0, left.
    """
    if bits.flag() and bits.u(8) == _EXTENDED_SAR:  # aspect_ratio_info
        bits.skip(32)
    if bits.flag():  # overscan_info
        bits.skip(1)
    if bits.flag():  # video_signal_type
        bits.skip(4)
        if bits.flag():  # colour_description
            bits.skip(24)
    if not bits.flag():
        return _LOCATIONS[0]
    kind = bits.ue()
    if kind >= len(_LOCATIONS):
        raise Malformed(f"chroma_sample_loc_type {kind}")
    return _LOCATIONS[kind]
