"""Segments taken apart, one at a time: packets with the stamps that they carry themselves."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from ..errors import CorruptMedia, SnapError, UnsupportedCodec
from ..sources.base import SourceReader
from ..sources.local import MemorySource
from ..sources.segments import MeteredSegments
from .fragments import FragmentTrack, read_samples, read_tracks
from .native_errors import translating

if TYPE_CHECKING:
    from .opener import OpenedContainer

#: Nothing is decoded to find out what the first segment has told: 1 ms instead of 37 (1080p).
_OPTIONS = {"protocol_whitelist": "none", "codec_whitelist": "none"}
#: What is read without a header of its own, and carries its stamps along.
_PLAIN = frozenset({"matroska", "mpegts"})


class Sample(NamedTuple):
    """A packet: stamps and duration in ticks of the stream."""

    pts: int | None
    dts: int | None
    duration: int
    key: bool
    corrupt: bool
    data: bytes


#: Takes the bytes of a segment apart: (number, what stands before it, its bytes).
SegmentParser = Callable[[int, bytes, bytes], list[Sample]]


def fragment_parser(source: MeteredSegments, stream: VideoStream, init: bytes) -> SegmentParser:
    """For fragments of ISO BMFF; ``stream`` and ``init`` of the first segment."""
    own = read_tracks(init, source.name).get(stream.id)
    if own is None:
        raise CorruptMedia(f"{source.name}: no track {stream.id} in its header", stage="open")
    assert stream.time_base is not None
    ticks = 1 / stream.time_base
    tracks: dict[int, FragmentTrack] = {}

    def read(number: int, init: bytes, data: bytes) -> list[Sample]:
        header = source.segments[number].init
        if header not in tracks:
            tracks[header] = _same_codec(source, stream.id, own, init, number)
        track = tracks[header]
        scale = ticks / track.timescale
        samples = read_samples(data, stream.id, track, source.name)
        found: list[Sample] = []
        least: int | None = None
        for one in reversed(samples):
            # Composition offsets may be negative; nothing that follows is shown before its dts.
            least = one.pts if least is None else min(least, one.pts)
            found.append(
                Sample(
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


def plain_parser(source: MeteredSegments, opened: OpenedContainer) -> SegmentParser:
    """Segments that libavformat reads one by one: transport streams, WebM."""
    place = opened.video_streams.index(opened.stream)
    codec = opened.stream.codec_context.codec.canonical_name
    kind = opened.format_name.split(",")[0]
    if kind not in _PLAIN:
        raise UnsupportedCodec(f"{source.name}: segments of the kind {kind}", stage="open")
    time_base = opened.stream.time_base
    assert time_base is not None

    def read(number: int, init: bytes, data: bytes) -> list[Sample]:
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


def _copied(packet: Packet[VideoStream], scale: Fraction) -> Sample:
    def ticks(value: int | None) -> int | None:
        return value if value is None or scale == 1 else int(value * scale)

    return Sample(
        ticks(packet.pts),
        ticks(packet.dts),
        ticks(packet.duration) or 0,
        packet.is_keyframe,
        packet.is_corrupt,
        bytes(packet),
    )
