"""Finding a time in an FLV file without an index, by looking at few places of it.

libavformat reads such a file from where it is to where it is asked to go. A tag shows what it is:
type, size, time, a stream id that is always 0, and in front of it the size of the tag before (Adobe
Flash Video File Format Specification 10.1, annex E.3 and E.4.1). So any place of the file leads to
the next tag and to its time; the rest is search.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..sources.base import Source

#: Size of the tag before, type, size, time, its upper 8 bits, stream id 0, and the first byte: of
#: video the kind of frame and the codec.
_TAG = re.compile(rb"\0...(?=[\x08\x09]......[\0-\x7f]\0\0\0.)", re.DOTALL)
_BEFORE, _HEAD = 4, 11
#: Looked through at once; a keyframe may be larger, so that several are needed.
_STEP = 32 << 10
_MAX_TAG = 1 << 24
#: So near to each other that there is nothing left to search between two places.
_NEAR = 64 << 10
_VIDEO, _KEYFRAME = 9, 1


class Tag(NamedTuple):
    """Where a tag begins, its decode time in milliseconds, and whether it is a keyframe."""

    offset: int
    time: int
    keyframe: bool


def landing(source: Source, time: int) -> int | None:
    """Offset of the last keyframe's tag at or before ``time`` (milliseconds).

    ``None`` if this is no such file. The first tag, if no keyframe comes before.
    """
    size = source.size
    head = source.read_at(0, 9)
    if size is None or head[:3] != b"FLV" or len(head) < 9:
        return None
    first = int.from_bytes(head[5:9], "big") + _BEFORE
    low, high = Tag(first, 0, False), size
    late: int | None = None  # the time at ``high``
    halve = True
    while high - low.offset > _NEAR:
        share = 0.5
        if not halve and late is not None and late > low.time:
            # A little early: going on reading is cheap.
            share = min(0.95, max(0.05, (time - low.time) / (late - low.time) - 0.01))
        halve = not halve
        middle = low.offset + int((high - low.offset) * share)
        found = next(tags(source, middle, high), None)
        if found is None:
            high = middle
        elif found.time > time:
            high, late = middle, found.time
        else:
            low = found
    return _key_before(source, first, high, time)


def _key_before(source: Source, first: int, end: int, time: int) -> int:
    reach = _NEAR
    while True:
        begin = max(first, end - reach)
        keys = [t for t in tags(source, begin, end, end - begin) if t.keyframe and t.time <= time]
        if keys:
            return keys[-1].offset
        if begin == first:
            return first
        end, reach = begin, reach * 2


def tags(source: Source, start: int, end: int, step: int = _STEP) -> Iterator[Tag]:
    """Audio and video tags that begin from ``start`` on, before ``end``; read ``step`` by step."""
    position = max(start, _BEFORE) - _BEFORE
    while position < min(end, start + _MAX_TAG):
        data = source.read_at(position, step + _BEFORE + _HEAD + 1)
        for match in _TAG.finditer(data):
            offset = position + match.end()
            if match.start() >= step:
                break
            if offset >= end:
                return
            tag = data[match.end() : match.end() + _HEAD + 1]
            kind = tag[11] >> 4 & 7  # the uppermost bit marks enhanced codecs
            yield Tag(
                offset,
                tag[7] << 24 | int.from_bytes(tag[4:7], "big"),
                tag[0] == _VIDEO and kind == _KEYFRAME,
            )
        position += step
