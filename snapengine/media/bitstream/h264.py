"""H.264 (ITU-T H.264): the sequence parameter set, up to where chroma lies."""

from __future__ import annotations

from collections.abc import Iterator

from .bits import BitReader
from .nal import annex_b, length_prefixed, payload, uses_lengths
from .vui import chroma_location_of

_SPS, _SLICES = 7, range(1, 6)
#: profile_idc of those that tell chroma_format_idc and scaling matrices (7.3.2.1.1).
_HIGH = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})


def chroma_location(data: memoryview) -> str | None:
    """The location told by the first sequence parameter set in extradata or in a packet.

    ``None``: there is none, or chroma is not subsampled, so that it lies nowhere else than luma.
    Raises :class:`Malformed`.
    """
    for unit in _units(data):
        if unit[0] & 31 in _SLICES:
            break
        if unit[0] & 31 == _SPS:
            return _location_in(payload(unit, 1))
    return None


def _units(data: memoryview) -> Iterator[memoryview]:
    if uses_lengths(data) and data[0] == 1:  # avcC: version 1, then one list of sets
        return (u for u in length_prefixed(data[6:], 2) if u[0] & 31 == _SPS)
    return (u for u in annex_b(data) if len(u))


def _location_in(bits: BitReader) -> str | None:
    profile = bits.u(8)
    bits.skip(16)
    bits.ue()  # seq_parameter_set_id
    chroma = 1
    if profile in _HIGH:
        chroma = bits.ue()
        if chroma == 3:
            bits.skip(1)
        bits.ue()
        bits.ue()  # bit depths
        bits.skip(1)
        if bits.flag():  # seq_scaling_matrix
            for index in range(8 if chroma != 3 else 12):
                if bits.flag():
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.ue()  # log2_max_frame_num_minus4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.skip(1)
        bits.se()
        bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue()  # max_num_ref_frames
    bits.skip(1)
    bits.ue()
    bits.ue()  # size in macroblocks
    if not bits.flag():  # frame_mbs_only
        bits.skip(1)
    bits.skip(1)
    if bits.flag():  # frame_cropping
        for _ in range(4):
            bits.ue()
    if chroma not in (1, 2):
        return None
    return chroma_location_of(bits) if bits.flag() else "left"


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last
