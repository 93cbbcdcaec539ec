"""Segments of HLS and DASH as one container: each is read alone, their stamps are joined.

A segment begins with what is needed to read it, and the manifest says when it is shown. So nothing
but the segments that hold the wanted instants is ever read, no loss of those between can be taken
for damage, and what begins anew at a discontinuity is put where the manifest says.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from ..errors import CorruptMedia, UnsupportedCodec
from ..sources.base import SourceReader
from ..sources.local import MemorySource
from ..sources.segments import MeteredSegments
from .fragments import has_fragments
from .native_errors import translating
from .segment_parsers import Sample, SegmentParser, fragment_parser, plain_parser

if TYPE_CHECKING:
    from .opener import OpenedContainer

#: So many segments of one demuxer are kept taken apart.
_KEPT = 2
#: Stamps of transport streams have 33 bits (ISO/IEC 13818-1, 2.4.3.7).
_WRAP = 1 << 33
#: Seconds that a segment may begin earlier or later than the manifest says, beside rounding.
_NEAR = Fraction(1, 4)


class SegmentReader:
    """Counts the bytes of the segments that were read. In place of a :class:`SourceReader`."""

    size = None
    withheld = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.bytes_read = 0

    def tell(self) -> int:
        """Behind all that libavformat has listed: that is of the first segment only."""
        return 1 << 62


class SegmentedContainer:
    """What a demuxer uses of a container, over segments. Same thread rule."""

    duration = None
    bit_rate = 0
    flags = 0

    def __init__(
        self,
        source: MeteredSegments,
        stream: VideoStream,
        read: SegmentParser,
        reader: SegmentReader,
        on_read: Callable[[int], None],
        first: int,
    ) -> None:
        assert stream.time_base is not None
        self.format = SimpleNamespace(name=source.parts.kind)
        self.metadata: dict[str, str] = {}
        self._source = source
        self._time_base = stream.time_base
        self._stream = stream
        self._read = read
        self._reader = reader
        self._on_read = on_read
        self._first = first
        self._wraps = False
        self._kept: OrderedDict[int, list[Sample]] = OrderedDict()
        self._origin = 0
        #: when segments that were read begin (ticks), and their numbers
        self._begins: list[tuple[int, int]] = []
        self._number, self._next = first, 0

    def begin(self, shift: int, *, wraps: bool) -> None:
        """``shift``: ticks to add to the stamps of the first run. ``wraps``: stamps have 33 bits.

        Raises :class:`CorruptMedia` when the first segment holds no picture.
        """
        self._wraps = wraps
        anchors = self._source.parts.anchors
        first = self._source.segments[self._first]
        anchors[first.run] = shift
        samples = self._samples(self._first, expected=None)
        keys = sum(sample.key for sample in samples)
        self._source.key_interval = first.duration / max(1, keys)
        begin = _earliest(samples)
        if begin is None:
            raise CorruptMedia(f"{self._source.name}: no pictures in its first segment")
        self._origin = begin - self._ticks(first.start)

    def close(self) -> None:
        self._kept.clear()

    def _ticks(self, seconds: Fraction) -> int:
        return int(seconds / self._time_base)

    def seek(self, stamp: int, **_: Any) -> None:
        """Position at the last keyframe at or before ``stamp``, else at the first packet."""
        last = len(self._source.segments) - 1
        number, ahead = self._guess(stamp), None
        low, high = self._first, last  # where it may be, as far as is known
        while True:
            found = self._position(number, stamp)
            if found is not None:
                ahead, low = found, number
                end = self._end(number)
                if number == high or end is None or stamp < end:
                    break
                following = max(number + 1, min(self._guess(stamp), high))
            else:
                high = number - 1
                if number <= low:
                    break
                following = min(number - 1, max(self._guess(stamp), low))
                if ahead is not None and following == low:
                    number = low
                    break
            number = following
        self._number, self._next = max(self._first, number), ahead or 0

    def _guess(self, stamp: int) -> int:
        """The segment that should hold ``stamp``: as the manifest says, corrected by those that
        were read, as its times may be off by more and more."""
        segments, known = self._source.segments, self._begins
        place = bisect.bisect_right(known, stamp, key=lambda one: one[0])
        if not place:
            return max(self._first, self._source.at(self._seconds(stamp - self._origin)))
        (begin, number), rate = known[place - 1], Fraction(1)
        # On from the last that begins before it, at the pace of those around.
        other = known[place] if place < len(known) else known[max(0, place - 2)]
        passed = self._seconds(other[0] - begin)
        if passed:
            rate = abs((segments[other[1]].start - segments[number].start) / passed)
        seconds = segments[number].start + self._seconds(stamp - begin) * rate
        return max(self._first, self._source.at(seconds))

    def _seconds(self, ticks: int) -> Fraction:
        return ticks * self._time_base

    def _position(self, number: int, stamp: int) -> int | None:
        """Where in a segment its last keyframe at or before ``stamp`` is."""
        samples = self._samples(number)
        keys = (i for i, s in enumerate(samples) if s.key and s.pts is not None and s.pts <= stamp)
        return max(keys, default=None, key=lambda i: cast(int, samples[i].pts))

    def _end(self, number: int) -> int | None:
        ends = (s.pts + s.duration for s in self._samples(number) if s.pts is not None)
        return max(ends, default=None)

    def demux(self, *_: object) -> Iterator[Packet[VideoStream]]:
        """Packets from where it stands on. The next segment is read when its first is wanted."""
        while self._number < len(self._source.segments):
            samples = self._samples(self._number)
            while self._next < len(samples):
                sample = samples[self._next]
                self._next += 1
                yield self._packet(sample)
            self._number += 1
            self._next = 0

    def _packet(self, sample: Sample) -> Packet[VideoStream]:
        packet = cast("Packet[VideoStream]", Packet(sample.data))
        packet.time_base = self._time_base
        packet.pts, packet.dts, packet.duration = sample.pts, sample.dts, sample.duration
        packet.is_keyframe, packet.is_corrupt = sample.key, sample.corrupt
        return packet

    # -- segments ---------------------------------------------------------------------------

    def _samples(self, number: int, expected: int | None = -1) -> list[Sample]:
        """The packets of a segment, stamped for the time line of the whole."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        samples = self._raw(number)
        segment = self._source.segments[number]
        begin = _earliest(samples)
        if begin is not None:
            wanted = None if expected is None else self._origin + self._ticks(segment.start)
            shift = self._shift(number, begin, wanted)
            mark = begin + shift, number
            place = bisect.bisect_left(self._begins, mark)
            if self._begins[place : place + 1] != [mark]:
                self._begins.insert(place, mark)
            if shift:
                samples = [_moved(sample, shift) for sample in samples]
        self._kept[number] = samples
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return samples

    def _raw(self, number: int) -> list[Sample]:
        self._on_read(self._reader.bytes_read)
        if self._source.segments[number].missing:
            return []
        init, data = self._source.init(number), self._source.segment(number)
        self._reader.bytes_read += len(data)
        return self._read(number, init, data)

    def _shift(self, number: int, begin: int, wanted: int | None) -> int:
        """Ticks to add to the stamps of a segment, the first of which is ``begin``."""
        segment = self._source.segments[number]
        anchors = self._source.parts.anchors
        shift = anchors.get(segment.run)
        if wanted is None:
            return shift or 0
        if shift is None:
            shift = anchors[segment.run] = self._anchor(number, begin)
        if self._wraps:
            shift += round((wanted - begin - shift) / _WRAP) * _WRAP
        return shift if self._is_in_place(number, begin + shift) else wanted - begin

    def _is_in_place(self, number: int, begin: int) -> bool:
        """Whether a segment begins about when it should; if not, stamps begin anew untold."""
        segments = self._source.segments
        first = next(s for s in segments if s.run == segments[number].run)
        passed = begin * self._time_base - (self._origin * self._time_base + first.start)
        told = segments[number].start - first.start
        return told / 2 - _NEAR <= passed <= 2 * told + _NEAR

    def _anchor(self, number: int, begin: int) -> int:
        """For a run: what lets its first segment begin when the manifest says."""
        segments = self._source.segments
        run = segments[number].run
        first = number
        while first and segments[first - 1].run == run:
            first -= 1
        while first < number:
            found = _earliest(self._raw(first))
            if found is not None:
                begin = found
                break
            first += 1
        return self._origin + self._ticks(segments[first].start) - begin


def _earliest(samples: list[Sample]) -> int | None:
    return min((s.pts for s in samples if s.pts is not None), default=None)


def _moved(sample: Sample, shift: int) -> Sample:
    return sample._replace(
        pts=None if sample.pts is None else sample.pts + shift,
        dts=None if sample.dts is None else sample.dts + shift,
    )


# -- opening ----------------------------------------------------------------------------------


def open_segmented(
    source: MeteredSegments,
    on_read: Callable[[int], None],
    open_first: Callable[[MemorySource], OpenedContainer],
) -> OpenedContainer:
    """Open the first segment by ``open_first`` and put all of them behind it.

    Raises what that does, and :class:`UnsupportedCodec` for encrypted segments.
    """
    first = next(n for n, s in enumerate(source.segments) if not s.missing)
    init, data = source.init(first), source.segment(first)
    memory = MemorySource(init + data, source.name)
    opened = open_first(memory)
    try:
        if opened.facts.encrypted:
            raise UnsupportedCodec(f"{source.name}: its segments are encrypted", stage="open")
        stream = opened.stream
        reader = SegmentReader(source.name)
        fragmented = opened.iso is not None and has_fragments(data)
        if fragmented:
            read = fragment_parser(source, stream, init)
        else:
            read = plain_parser(source, opened)
        container = SegmentedContainer(source, stream, read, reader, on_read, first)
        shift = 0
        if fragmented:
            # What libavformat makes of an edit list holds for every segment.
            with translating("open", source.name):
                packet = next(opened.container.demux(stream), None)
            theirs = next(iter(read(first, init, data)), None)
            if packet is not None and packet.pts is not None and theirs is not None:
                shift = packet.pts - (theirs.pts or 0)
        container.begin(shift, wraps=opened.format_name == "mpegts")
    except BaseException:
        opened.close()
        raise
    return replace(
        opened,
        container=cast(InputContainer, container),
        reader=cast(SourceReader, reader),
        source=source,
        duration=source.duration,
    )
