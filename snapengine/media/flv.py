"""Where pictures begin in an FLV file, and when they are decoded, told by any place of it.

libavformat reads such a file from where it is to where it is asked to go. A tag shows what it is:
type, size, time, a stream id that is always 0, and in front of it the size of the tag before (Adobe
Flash Video File Format Specification 10.1, annex E.3 and E.4.1). So any place of the file leads to
the next tag and to its time; the rest is search.
"""

from __future__ import annotations

import re
from typing import Final

from ..sources.base import Source
from .places import Mark

#: Size of the tag before, type (video), size, time, its upper 8 bits, stream id 0, and the first
#: byte: the kind of frame and the codec.
_TAG: Final = re.compile(rb"\0...(?=\x09......[\0-\x7f]\0\0\0.)", re.DOTALL)
_BEFORE, _HEAD = 4, 11
_TYPES: Final = (8, 9, 18)  # sound, video, script
_KEYFRAME = 1
#: Codecs that say in the next bytes what a packet is and how much later it is shown.
_AVC = 7
_TIMED: Final = (b"avc1", b"hvc1", b"vvc1")


class FlvForm:
    """The marks of video tags; times in milliseconds."""

    lead = _BEFORE
    #: of a tag: its head, and what the video says of itself
    tail = _BEFORE + _HEAD + 8

    def __init__(self, first: int, size: int | None = None) -> None:
        self.first = first
        self._size = size

    @classmethod
    def of(cls, source: Source) -> FlvForm | None:
        """``None`` if this is no such file."""
        head = source.read_at(0, 9)
        if len(head) < 9 or head[:3] != b"FLV":
            return None
        return cls(int.from_bytes(head[5:9], "big") + _BEFORE, source.size)

    def marks(self, data: bytes, offset: int, begin: int, end: int) -> tuple[list[Mark], bool]:
        """See :class:`Form`."""
        found, inside = [], 0
        for match in _TAG.finditer(data):
            at = match.end()
            if at < inside:
                continue
            size = int.from_bytes(data[at + 1 : at + 4], "big")
            if not self._is_tag(data, at, size, offset):
                continue
            inside = at + _HEAD + size
            if begin <= offset + at < end:
                mark = self._mark(data[at : at + _HEAD + 8], offset + at)
                if mark is not None:
                    found.append(mark)
        return found, True

    def _is_tag(self, data: bytes, at: int, size: int, offset: int) -> bool:
        """Whether what looks like a tag at ``at`` is one, as far as ``data`` tells."""
        if self._size is not None and offset + at + _HEAD + size > self._size:
            return False
        behind = data[at + _HEAD + size : at + _HEAD + size + _BEFORE]
        if len(behind) == _BEFORE:
            # Some writers do not count the head, or nothing at all.
            return int.from_bytes(behind, "big") in (_HEAD + size, size, 0)
        before = _follows(data, at)
        if before is not None:
            return before
        # A stream id that is the beginning of the size behind a payload: then a tag comes there.
        return not _follows(data, at + _HEAD + 1)

    def _mark(self, tag: bytes, offset: int) -> Mark | None:
        clock = tag[7] << 24 | int.from_bytes(tag[4:7], "big")
        body = tag[_HEAD:].ljust(8, b"\0")
        later = 0
        if body[0] & 0x80:  # enhanced codecs: kind of packet, then the codec's name
            kind = body[0] & 15
            if kind not in (1, 3):
                return None  # no picture: what decoders are told, the end, metadata
            later = 0 if kind == 3 or body[1:5] not in _TIMED else _signed(body[5:8])
        elif body[0] & 15 == _AVC:
            if body[1] != 1:
                return None
            later = _signed(body[2:5])
        key = body[0] >> 4 & 7 == _KEYFRAME
        return Mark(offset, clock, clock + later if key else None)


def _follows(data: bytes, at: int) -> bool | None:
    """Whether a tag ends at ``at`` with its size; ``None`` if it begins in front of ``data``."""
    told = int.from_bytes(data[at - _BEFORE : at], "big")
    if not told or at > len(data):
        return None
    for size in (told, told + _HEAD):  # some writers do not count the head
        begin = at - _BEFORE - size
        if begin < 0:
            return None
        inner = int.from_bytes(data[begin + 1 : begin + 4], "big")
        if data[begin] in _TYPES and inner == size - _HEAD:
            return True
    return False


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)
