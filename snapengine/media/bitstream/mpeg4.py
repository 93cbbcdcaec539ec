"""MPEG-4 part 2 (ISO/IEC 14496-2): B-VOPs, which are never predicted from (6.1.3.6)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_VOP = b"\x00\x00\x01\xb6"
_B_VOP = 2  # vop_coding_type (6.3.5)
#: Of anything that may follow; resynchronisation inside a VOP looks different (6.2.1).
_START = re.compile(rb"\x00\x00\x01")
#: Larger pictures are decoded rather than searched.
_MAX_BYTES = 1 << 20


class Mpeg4Reader:
    """Tells which packets are one B-VOP and nothing else. Keeps nothing, so it may be shared.

    A packed stream (DivX) puts a B-VOP behind the picture it refers to and later sends an empty one
    in its place; both packets begin with another kind of VOP and are decoded.
    """

    #: the decoder passes over them: so it still reads the clock in the header
    withholds = False

    def __init__(self, extradata: bytes | None) -> None:
        del extradata

    def look_ahead(self, packets: Sequence[tuple[memoryview, bool]]) -> None:
        """Of no use here: every other VOP is referred to by the next."""

    def part(self, packet: memoryview) -> memoryview | bytes:
        """What must be decoded for the sake of others: nothing of a B-VOP alone, else all."""
        if not 5 <= len(packet) <= _MAX_BYTES or bytes(packet[:4]) != _VOP:
            return packet
        alone = packet[4] >> 6 == _B_VOP and _START.search(packet[4:]) is None
        return b"" if alone else packet
