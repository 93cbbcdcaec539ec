"""The first elements of a Matroska or WebM file (RFC 8794, RFC 9559), and whether it has cues.

libavformat does not tell the latter: without cues its index holds the keyframes that happened to be
read so far, which looks the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..sources.base import Source

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_SEEK_HEAD, _CUES, _CLUSTER = 0x114D9B74, 0x1C53BB6B, 0x1F43B675
_CUES_BYTES = _CUES.to_bytes(4, "big")
_BLOCK_GROUP = 0xA0
#: Elements before the first cluster: a handful. Larger numbers are hostile.
_MAX_ELEMENTS = 256
_MAX_SEEK_HEAD = 1 << 16


def has_cues(source: Source) -> bool:
    """True if cues stand before the first cluster or the seek head names them."""
    for kind, start, size in top_level(source):
        if kind == _CUES:
            return True
        # An entry's SeekID holds the id it points to, byte by byte.
        if (
            kind == _SEEK_HEAD
            and size is not None
            and _CUES_BYTES in source.read_at(start, min(size, _MAX_SEEK_HEAD))
        ):
            return True
    return False


def is_contiguous(source: Source, start: int, stop: int) -> bool:
    """Whether whole elements fill the bytes from ``start``, behind a block, to ``stop``: the body
    of another block, or the end of the file. A damaged stretch is not, nor what moved over it.
    """
    position = start
    try:
        while position < stop:
            kind, body, size = _element(source, position)
            if body == stop or kind in (_CLUSTER, _BLOCK_GROUP):
                position = body
            elif size is None:
                return False
            else:
                position = body + size
    except ValueError:
        return False
    return position == stop


def segment_is_cut_off(source: Source) -> bool:
    """Whether the segment claims more bytes than the file has; live recordings do not tell."""
    try:
        kind, start, size = _element(source, 0)
        if kind != _EBML or size is None:
            return False
        kind, start, size = _element(source, start + size)
    except ValueError:
        return False
    if kind != _SEGMENT or size is None or source.size is None:
        return False
    return start + size > source.size


def top_level(source: Source) -> Iterator[tuple[int, int, int | None]]:
    """(id, offset of the body, its size) of what the segment holds before its first cluster.

    Nothing for other files; ends where the file is cut off or damaged.
    """
    try:
        kind, start, size = _element(source, 0)
        if kind != _EBML or size is None:
            return
        kind, position, _ = _element(source, start + size)
        if kind != _SEGMENT:
            return
        for _ in range(_MAX_ELEMENTS):
            kind, start, size = _element(source, position)
            if kind == _CLUSTER:
                return
            yield kind, start, size
            if size is None:
                return
            position = start + size
    except ValueError:
        return  # cut off or damaged: nothing to rely on


def _element(source: Source, position: int) -> tuple[int, int, int | None]:
    """(id, offset of the body, its size or ``None`` if unknown) of the element at ``position``."""
    head = source.read_at(position, 12)
    if not head or head[0] < 0x10:
        raise ValueError("no element id")
    id_length = 9 - head[0].bit_length()
    kind = int.from_bytes(head[:id_length], "big")
    if len(head) <= id_length or not head[id_length]:
        raise ValueError("no element size")
    length = 9 - head[id_length].bit_length()
    field = head[id_length : id_length + length]
    if len(field) < length:
        raise ValueError("cut off")
    size = int.from_bytes(field, "big") & ((1 << 7 * length) - 1)
    unknown = size == (1 << 7 * length) - 1
    return kind, position + id_length + length, None if unknown else size
