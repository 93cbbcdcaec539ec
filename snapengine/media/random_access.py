"""The index at the end of a fragmented MP4 (``mfra``, ISO/IEC 14496-12, 8.8.9 to 11)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ..sources.base import ByteRange, Source
from .isobmff import boxes

#: The head of a fragment, and of its media data behind it.
_HEAD = 4096
_MAX_INDEX = 16 << 20


def fragment_heads(source: Source, start: int, size: int) -> list[ByteRange]:
    """Where the fragments of a remote file begin, by the index at its end (``mfra``).

    libavformat walks from one to the next while it opens a file, unless a ``sidx`` comes first.
    """
    try:
        return _fragment_heads(source, start, size)
    except (struct.error, ValueError):
        return []  # a damaged index only means that they are not fetched ahead


def _fragment_heads(source: Source, start: int, size: int) -> list[ByteRange]:
    if size - start < 24 or source.read_at(start + 4, 4) == b"sidx":
        return []
    # The last box tells how far before the end the index begins (``mfro``, 8.8.11).
    length, kind, back = struct.unpack(">I4s4xI", source.read_at(size - 16, 16))
    if (length, kind) != (16, b"mfro") or not 24 <= back <= min(size - start, _MAX_INDEX):
        return []
    found: set[int] = set()
    for box in boxes(source, size - back + 8, size - 16):
        if box.kind == b"tfra":
            found.update(_random_access(source.read_at(box.body, box.end - box.body)))
    return [ByteRange(offset, _HEAD) for offset in sorted(found) if start <= offset < size]


def _random_access(table: bytes) -> Iterator[int]:
    """Offsets of the fragments that a ``tfra`` box lists (8.8.10)."""
    version, lengths, count = struct.unpack_from(">B7xII", table)
    offset = ">8xQ" if version == 1 else ">4xI"
    step = (16 if version == 1 else 8) + sum((lengths >> s & 3) + 1 for s in (4, 2, 0))
    for position in range(16, min(len(table), 16 + count * step) - step + 1, step):
        yield struct.unpack_from(offset, table, position)[0]
