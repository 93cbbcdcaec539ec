"""Source -> opened container, with FFmpeg's own reach into files and network cut off."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ..errors import InvalidOption, NoVideoStream, SourceDenied, UnrecognizedContainer
from ..errors import UnsupportedCodec as _UnsupportedCodec
from ..model.media import AttachedPicture
from ..sources.base import MeteredSource, Source, SourceReader, Withheld
from ..sources.segments import MeteredSegments
from .isobmff import IsoHeader, VideoTrack, lacks_index, read_header
from .matroska import read_tracks
from .native_errors import translating
from .random_access import fragment_heads
from .segmented import open_segmented
from .track_facts import NO_FACTS, TrackFacts

#: Demuxers that fetch other files, devices or hosts named inside the data.
_REFUSED_FORMATS = frozenset(
    {"concat", "dash", "hls", "image2", "imf", "lavfi", "rtp", "rtsp", "sap", "sdp", "tty"}
)
#: AVFMT_FLAG_GENPTS (libavformat/avformat.h), which PyAV sets on every container.
_GENPTS = 0x0001
#: (demuxer, codec): stamps of reordered pictures are wrong, and nothing gives them away.
_LYING = frozenset({("asf", "h264"), ("asf", "hevc"), ("mpeg", "mpeg4")})
#: Codecs that predict, and whose decoders do not tell which frames do.
_SILENT = frozenset({"cinepak", "msrle", "msvideo1", "qtrle", "rpza", "smc", "tscc"})
#: Codecs whose keyframes use tables of the frames before them.
_REMEMBERING = frozenset({"smc"})
#: So many index entries are looked at.
_SAMPLED = 64
#: Codecs of AVI that predict, and whose decoders begin at any picture.
_PREDICTING_IN_AVI = frozenset(
    {
        "cinepak", "flv1", "h263", "h263p", "indeo2", "indeo3", "indeo4", "indeo5", "msmpeg4v1",
        "msmpeg4v2", "msmpeg4v3", "msrle", "msvideo1", "snow", "svq1", "svq3", "tscc",
        "truemotion1", "truemotion2", "vp3", "vp5", "vp6", "wmv1", "wmv2", "zmbv",
    }
)  # fmt: skip
#: No protocol of libavformat's own: an SDP file would open sockets, a playlist files.
_OPTIONS = {"protocol_whitelist": "none"}
#: Codecs whose first bytes tell all that libavformat wants to know before decoding.
_TOLD_BY_GLIMPSE = frozenset({"av1", "h264", "hevc", "vp8", "vp9"})
#: AVIO buffer. A header is read in steps of this size; packets larger than it bypass the buffer.
_BUFFER_SIZE = 32768


@dataclass(slots=True)
class OpenedContainer:
    """A container positioned anywhere, its reader and the chosen video stream."""

    container: InputContainer
    stream: VideoStream
    reader: SourceReader
    iso: IsoHeader | None
    matroska: tuple[TrackFacts, ...]
    video_streams: tuple[VideoStream, ...]
    source: Source
    attached_pictures: tuple[AttachedPicture, ...] = ()
    #: seconds from the beginning to the end, where a manifest tells them
    duration: Fraction | None = None

    @property
    def rebuilds_pts(self) -> bool:
        """Whether packets carry no usable pts: H.264 and HEVC in AVI, where B-frames are reordered
        but only decode order is stamped."""
        context = self.stream.codec_context
        reordered = context.codec.canonical_name in ("h264", "hevc") and context.reorder_depth > 0
        return self.format_name == "avi" and reordered

    @property
    def stamps_lie(self) -> bool:
        """Whether stamps cannot be told from wrong ones: codecs that reorder, in containers made
        before them, whose muxers write what they like. No frame of such a file is called exact."""
        context = self.stream.codec_context
        codec = context.codec.canonical_name
        if self.format_name == "mxf":
            return codec in ("h264", "hevc") and context.reorder_depth > 0
        return (self.format_name, codec) in _LYING

    @property
    def keys_lie(self) -> bool:
        """Whether keyframe flags are worthless: in AVI they are in the index, and without it
        libavformat flags every packet, except where it looks into them (MPEG-4). Some encoders do
        the same."""
        codec, entries = self.stream.codec_context.codec.canonical_name, self.stream.index_entries
        if self.format_name == "avi" and len(entries) <= 1:
            return codec in _PREDICTING_IN_AVI
        # Where frames do not say what they are, flags that are all set are taken for unset ones.
        first = range(min(len(entries), _SAMPLED))
        all_set = len(first) > 1 and all(entries[i].is_keyframe for i in first)
        return codec in _REMEMBERING or (codec in _SILENT and all_set)

    @property
    def iso_track(self) -> VideoTrack | None:
        """The chosen stream's track as the header walk found it."""
        number = self.video_streams.index(self.stream)
        tracks = self.iso.tracks if self.iso is not None else ()
        # Attached pictures are not tracks, so the n-th video stream is the n-th video track.
        return tracks[number] if number < len(tracks) else None

    @property
    def facts(self) -> TrackFacts:
        """What the container says of the chosen stream beyond what libavformat passes on."""
        track = self.iso_track
        if track is not None:
            return track.facts
        number = self.video_streams.index(self.stream)
        return self.matroska[number] if number < len(self.matroska) else NO_FACTS

    @property
    def format_name(self) -> str:
        return self.container.format.name

    def close(self) -> None:
        self.container.close()


def open_container(source: Source, on_read: Any, stream: int | None) -> OpenedContainer:
    """Open, choose the stream, silence the others.

    ``stream`` counts video streams that are not attached pictures, from 0; ``None`` takes
    libavformat's best. Raises :class:`UnrecognizedContainer`, :class:`NoVideoStream`,
    :class:`UnsupportedCodec`, :class:`InvalidOption`.
    """
    if isinstance(source, MeteredSegments):
        return open_segmented(source, on_read, lambda s: _open_container(s, on_read, stream))
    try:
        return _open_by_glimpse(source, on_read, stream) or _open_container(source, on_read, stream)
    except UnrecognizedContainer as exc:
        if not lacks_index(source):
            raise
        raise UnrecognizedContainer(
            f"{source.name}: the file is cut off: it ends before its index (moov)", stage="open"
        ) from exc


def _open_by_glimpse(source: Source, on_read: Any, stream: int | None) -> OpenedContainer | None:
    """Open a remote file without fetching its first picture, if that tells all there is to know.

    libavformat reads it to learn pixel format and reordering. The beginning of the packet tells
    that, too: parameter sets, SEI, the first slice's header. The rest is shown as zeros, and that
    packet is thrown away afterwards (:meth:`Demuxer.end_glimpse`).
    """
    if not isinstance(source, MeteredSource):
        return None
    with translating("open", source.name):
        iso = read_header(source)
    # What is about as small as AVIO's buffer would be read into it when it is passed over.
    if iso is None or iso.needless is None or iso.needless[1] - iso.needless[0] <= 2 * _BUFFER_SIZE:
        return None
    filler = _rest_as_one_unit(source, iso)
    withheld = Withheld(*iso.needless, _BUFFER_SIZE, filler)
    opened = _open_container(source, on_read, stream, withheld)
    context = opened.stream.codec_context
    codec = context.codec.canonical_name
    # Of AV1 only whole pictures tell the shape of pixels, where the container does not.
    shaped = codec != "av1" or opened.stream.sample_aspect_ratio is not None
    if codec in _TOLD_BY_GLIMPSE and context.pix_fmt and context.width and shaped:
        return opened
    opened.close()
    return None


def _rest_as_one_unit(source: Source, iso: IsoHeader) -> tuple[int, bytes]:
    """What makes the part of the first sample that is not there one NAL unit (ISO/IEC 14496-15):
    units begin with their length, in four bytes as a rule, and one of no length ends it all."""
    (track,) = iso.tracks
    assert track.first_sample is not None and iso.needless is not None
    begin, size = track.first_sample
    position, seen = begin, iso.needless[0]
    while position + 4 <= seen:
        position += 4 + int.from_bytes(source.read_at(position, 4), "big")
    rest = begin + size - position - 4
    return (position, rest.to_bytes(4, "big")) if rest > 0 else (0, b"")


def _open_container(
    source: Source,
    on_read: Any,
    stream: int | None,
    withheld: Withheld | None = None,
) -> OpenedContainer:
    with translating("open", source.name):
        iso = read_header(source)
        if iso is not None and iso.fragmented and isinstance(source, MeteredSource):
            source.expect(fragment_heads(source, iso.end, source.size or 0))
        matroska = () if iso is not None else read_tracks(source)
        reader = SourceReader(source, on_read=on_read, patches=iso.patches if iso else ())
        reader.withheld = withheld
        container = av.open(
            reader,
            "r",
            format=_format_of(source),
            options={**_OPTIONS, **(iso.options if iso else {})},
            metadata_errors="replace",
            buffer_size=_BUFFER_SIZE,
            io_open=_refuse_other_files,
        )
    try:
        if _REFUSED_FORMATS & set(container.format.name.split(",")):
            raise UnrecognizedContainer(
                f"{source.name}: {container.format.name} refers to other files", stage="open"
            )
        videos = tuple(
            s
            for s in container.streams.video
            if not s.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)
        )
        pictures = _attached_pictures(container)
        if not videos:
            beside = f", only {len(pictures)} attached picture(s)" if pictures else ""
            raise NoVideoStream(
                f"{source.name}: no video stream{beside}",
                stage="open",
                source=source.name,
                attached_pictures=pictures,
            )
        if stream is None:
            best = container.streams.best("video")
            chosen = next((s for s in videos if best is not None and s is best), None)
            if chosen is None:
                chosen = next((s for s in videos if best and s.index == best.index), videos[0])
        elif 0 <= stream < len(videos):
            chosen = videos[stream]
        else:
            raise InvalidOption(
                f"stream must be 0..{len(videos) - 1} for this file, not {stream}", stage="open"
            )
        if chosen.codec_context is None:
            raise _UnsupportedCodec(f"{source.name}: no decoder for its video", stage="open")
        for other in container.streams:
            if other.index != chosen.index:
                other.discard = av.stream.Discard.all
    except BaseException:
        container.close()
        raise
    opened = OpenedContainer(container, chosen, reader, iso, matroska, videos, source, pictures)
    if opened.rebuilds_pts:
        # What libavformat would generate for them runs backwards.
        container.flags = container.flags & ~_GENPTS
    return opened


def _format_of(source: Source) -> str | None:
    """The demuxer to use where libavformat would go by the file's name: it takes "photo.jpg" for
    one of a numbered sequence, whose other files it would open."""
    name = source.name.lower()
    if name.endswith((".jpg", ".jpeg")) and source.read_at(0, 3) == b"\xff\xd8\xff":
        return "jpeg_pipe"
    return None


def _attached_pictures(container: InputContainer) -> tuple[AttachedPicture, ...]:
    """Cover art. libavformat has read it while opening and hands it out before anything else."""
    streams = {
        s.index: s
        for s in container.streams.video
        if s.disposition & Disposition.attached_pic and s.codec_context is not None
    }
    if not streams:
        return ()
    found = {}
    for packet in container.demux(list(streams.values())):
        stream = streams.get(packet.stream_index)
        if stream is not None and packet.size:
            context = stream.codec_context
            found[stream.index] = AttachedPicture(
                codec=context.codec.canonical_name,
                width=context.width,
                height=context.height,
                data=bytes(packet),
                title=stream.metadata.get("comment") or stream.metadata.get("title"),
            )
        if len(found) == len(streams) or not packet.size:
            break
    return tuple(found[index] for index in sorted(found))


def _refuse_other_files(url: str, *_: object) -> NoReturn:
    raise SourceDenied(f"the file asks for another one: {url!r}", stage="open", url=url)
