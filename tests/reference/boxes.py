"""Changing MP4 files on the level of boxes (ISO/IEC 14496-12), for tests alone."""

from __future__ import annotations

import struct

#: Bytes between the header of a box and its children.
_BEFORE_CHILDREN = {b"stsd": 8, b"hev1": 78, b"hvc1": 78, b"avc1": 78, b"av01": 78, b"vp09": 78}


def grown(data: bytes, path: tuple[bytes, ...], addition: bytes) -> bytes:
    """``data`` with ``addition`` as the last child of the first box at ``path``.

    The boxes around it grow; chunk offsets are moved when the media data lies behind them.
    """
    out = bytearray(data)
    begin, end = 0, len(out)
    sizes = []
    for kind in path:
        position = begin
        while out[position + 4 : position + 8] != kind:
            position += struct.unpack_from(">I", out, position)[0]
            if position >= end:
                raise ValueError(f"no box {kind!r}")
        sizes.append(position)
        end = position + struct.unpack_from(">I", out, position)[0]
        begin = position + 8 + _BEFORE_CHILDREN.get(kind, 0)
    for position in sizes:
        size = struct.unpack_from(">I", out, position)[0]
        struct.pack_into(">I", out, position, size + len(addition))
    moved = data.find(b"mdat") > end
    out[end:end] = addition
    if moved:
        table = out.find(b"stco")
        while table >= 0:
            (count,) = struct.unpack_from(">I", out, table + 8)
            for entry in range(count):
                at = table + 12 + 4 * entry
                struct.pack_into(
                    ">I", out, at, struct.unpack_from(">I", out, at)[0] + len(addition)
                )
            table = out.find(b"stco", table + 4)
    return bytes(out)
