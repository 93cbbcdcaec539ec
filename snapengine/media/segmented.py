"""Segments of HLS and DASH as one container: each is read alone, their stamps are joined.

A segment begins with what is needed to read it, and the manifest says when it is shown. So nothing
but the segments that hold the wanted instants is ever read, no loss of those between can be taken
for damage, and what begins anew at a discontinuity is put where the manifest says.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from ..errors import CorruptMedia, SnapError, UnsupportedCodec
from ..sources.base import SourceReader
from ..sources.local import MemorySource
from ..sources.segments import MeteredSegments
from .fragments import FragmentTrack, has_fragments, read_samples, read_tracks
from .native_errors import translating

if TYPE_CHECKING:
    from .opener import OpenedContainer

#: So many segments of one demuxer are kept taken apart.
_KEPT = 2
#: Stamps of transport streams have 33 bits (ISO/IEC 13818-1, 2.4.3.7).
_WRAP = 1 << 33
#: A segment whose stamps lie farther from where the manifest says is put there.
_ASTRAY_SECONDS = 10
#: Nothing is decoded to find out what is known from the first segment (37 ms of 1080p each).
_OPTIONS = {"protocol_whitelist": "none", "codec_whitelist": "none"}


class _Sample(NamedTuple):
    pts: int | None
    dts: int | None
    duration: int
    key: bool
    corrupt: bool
    data: bytes


#: Takes the bytes of a segment apart: (number, what stands before it, its bytes).
_Reader = Callable[[int, bytes, bytes], list[_Sample]]


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
        read: _Reader,
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
        self._kept: OrderedDict[int, list[_Sample]] = OrderedDict()
        self._origin = 0
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
        number = self._source.at((stamp - self._origin) * self._time_base)
        number = max(self._first, number)
        last = len(self._source.segments) - 1
        ahead = self._position(number, stamp)
        if ahead is None:
            while ahead is None and number > self._first:
                number -= 1
                ahead = self._position(number, stamp)
        else:
            # Segments are longer or shorter than manifests say.
            while number < last and (end := self._end(number)) is not None and stamp >= end:
                later = self._position(number + 1, stamp)
                if later is None:
                    break
                number, ahead = number + 1, later
        self._number, self._next = number, ahead or 0

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

    def _packet(self, sample: _Sample) -> Packet[VideoStream]:
        packet = cast("Packet[VideoStream]", Packet(sample.data))
        packet.time_base = self._time_base
        packet.pts, packet.dts, packet.duration = sample.pts, sample.dts, sample.duration
        packet.is_keyframe, packet.is_corrupt = sample.key, sample.corrupt
        return packet

    # -- segments ---------------------------------------------------------------------------

    def _samples(self, number: int, expected: int | None = -1) -> list[_Sample]:
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
            if shift:
                samples = [_moved(sample, shift) for sample in samples]
        self._kept[number] = samples
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return samples

    def _raw(self, number: int) -> list[_Sample]:
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
        around = self._source.segments[max(0, number - 1) : number + 2]
        allowed = max(Fraction(_ASTRAY_SECONDS), 3 * max(one.duration for one in around))
        astray = abs(begin + shift - wanted) * self._time_base
        return wanted - begin if astray > allowed else shift

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


def _earliest(samples: list[_Sample]) -> int | None:
    return min((s.pts for s in samples if s.pts is not None), default=None)


def _moved(sample: _Sample, shift: int) -> _Sample:
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
            read = _fragment_reader(source, stream, init)
        else:
            read = _plain_reader(source, opened)
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


def _fragment_reader(source: MeteredSegments, stream: VideoStream, init: bytes) -> _Reader:
    own = read_tracks(init, source.name).get(stream.id)
    if own is None:
        raise CorruptMedia(f"{source.name}: no track {stream.id} in its header", stage="open")
    assert stream.time_base is not None
    ticks = 1 / stream.time_base
    tracks: dict[int, FragmentTrack] = {}

    def read(number: int, init: bytes, data: bytes) -> list[_Sample]:
        header = source.segments[number].init
        if header not in tracks:
            tracks[header] = _same_codec(source, stream.id, own, init, number)
        track = tracks[header]
        scale = ticks / track.timescale
        samples = read_samples(data, stream.id, track, source.name)
        found: list[_Sample] = []
        least: int | None = None
        for one in reversed(samples):
            # Composition offsets may be negative; nothing that follows is shown before its dts.
            least = one.pts if least is None else min(least, one.pts)
            found.append(
                _Sample(
                    int(one.pts * scale),
                    int(min(one.dts, least) * scale),
                    int(one.duration * scale),
                    one.key,
                    False,
                    data[one.offset : one.offset + one.size],
                )
            )
        return found[::-1]

    return read


def _same_codec(
    source: MeteredSegments, number: int, own: FragmentTrack, init: bytes, segment: int
) -> FragmentTrack:
    track = read_tracks(init, source.name).get(number)
    if track is None or track.entries != own.entries or not track.timescale:
        raise _other_codec(source, segment)
    return track


def _other_codec(source: MeteredSegments, segment: int) -> UnsupportedCodec:
    return UnsupportedCodec(
        f"{source.name}: segment {segment} is encoded in another way than the first one",
        stage="decode", segment=segment,
    )  # fmt: skip


def _plain_reader(source: MeteredSegments, opened: OpenedContainer) -> _Reader:
    """Segments that libavformat reads one by one: transport streams, WebM."""
    place = opened.video_streams.index(opened.stream)
    codec = opened.stream.codec_context.codec.canonical_name
    kind = opened.format_name.split(",")[0]
    time_base = opened.stream.time_base
    assert time_base is not None

    def read(number: int, init: bytes, data: bytes) -> list[_Sample]:
        if not data:
            return []
        memory = MemorySource(init + data, source.name)
        try:
            with (
                translating("decode", source.name),
                av.open(SourceReader(memory), "r", format=kind, options=_OPTIONS) as container,
            ):
                videos = container.streams.video
                if len(videos) <= place:
                    return []
                stream = videos[place]
                context = stream.codec_context
                if context is None or codec != context.codec.canonical_name:
                    raise _other_codec(source, number)
                for other in container.streams:
                    if other.index != stream.index:
                        other.discard = Discard.all
                scale = (stream.time_base or time_base) / time_base
                return [_copied(p, scale) for p in container.demux(stream) if p.size]
        except UnsupportedCodec:
            raise
        except SnapError as exc:
            raise CorruptMedia(
                f"{source.name}: segment {number} cannot be read: {exc}",
                stage="decode", segment=number,
            ) from exc  # fmt: skip

    return read


def _copied(packet: Packet[VideoStream], scale: Fraction) -> _Sample:
    def ticks(value: int | None) -> int | None:
        return value if value is None or scale == 1 else int(value * scale)

    return _Sample(
        ticks(packet.pts),
        ticks(packet.dts),
        ticks(packet.duration) or 0,
        packet.is_keyframe,
        packet.is_corrupt,
        bytes(packet),
    )
