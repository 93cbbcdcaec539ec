"""NAL units of H.264 and HEVC: where they begin, and their payload as plain bits.

Packets hold them either behind start codes (Annex B of both standards) or behind lengths
(ISO/IEC 14496-15); which of the two is told by the first bytes of the extradata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .bits import BitReader

#: Parameter sets are some dozens of bytes, with large scaling lists under two thousand.
_MAX_BYTES = 4096
#: More units before the first slice are an attack on our time, not a picture.
MAX_UNITS = 256

_START = re.compile(rb"\x00\x00\x01")
#: What no NAL unit contains (H.264 7.4.1, H.265 7.4.2.1): it ends before.
_END = re.compile(rb"\x00\x00[\x00\x01]")


def annex_b(data: memoryview) -> Iterator[memoryview]:
    """Units behind start codes. Each view reaches to the end of ``data``, not of the unit.

    So nothing is searched behind the unit at which the caller stops: a packet is a few small units
    and then, to its end, the picture.
    """
    for _ in range(MAX_UNITS):
        start = _START.search(data)
        if start is None:
            return
        data = data[start.end() :]
        yield data


def length_prefixed(data: memoryview, size: int) -> Iterator[memoryview]:
    """Units behind lengths of ``size`` bytes; ends at the first that does not fit."""
    at, end = 0, len(data)
    for _ in range(MAX_UNITS):
        if at + size >= end:
            return
        length = int.from_bytes(data[at : at + size])
        at += size
        if length == 0 or at + length > end:
            return
        yield data[at : at + length]
        at += length


def payload(unit: memoryview, header: int) -> BitReader:
    """The bits of a unit behind its header of so many bytes, emulation prevention taken out."""
    data = bytes(unit[header:_MAX_BYTES])
    end = _END.search(data)
    if end is not None:
        data = data[: end.start()]
    return BitReader(data.replace(b"\x00\x00\x03", b"\x00\x00"))


def uses_lengths(extradata: memoryview) -> bool:
    """Whether extradata is an ``avcC`` or ``hvcC`` record (FFmpeg's test: no start code)."""
    return len(extradata) > 6 and (extradata[0] != 0 or extradata[1] != 0 or extradata[2] > 1)
