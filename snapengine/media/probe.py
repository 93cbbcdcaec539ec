"""What the header tells: :class:`VideoInfo`. Decodes nothing unless the start is in doubt."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..errors import CorruptMedia, LimitExceeded
from ..model.geometry import Size, display_size
from ..model.limits import Limits
from ..model.media import VideoInfo
from ..model.plan import Target
from ..model.stats import RunStats
from .batching import Batcher
from .bitstream import chroma_location
from .decoder import Decoder
from .demuxer import Demuxer, VideoPacket
from .opener import OpenedContainer
from .parameters import CodecParameters
from .planes import DOLBY_VISION_5, color_of, color_warnings, field_order_of, has_alpha

#: A stamp before any: the first frame is the answer to it.
_BEFORE_ALL = -(1 << 62)
#: Parameter sets stand at the beginning of a packet.
_PARAMETER_BYTES = 4096
#: Containers whose first packet begins the timeline. A broadcast may be joined anywhere.
_TIMED = frozenset({"avi", "flv", "matroska", "mov", "mp4", "webm"})


def probe(
    opened: OpenedContainer, demuxer: Demuxer, parameters: CodecParameters, limits: Limits
) -> VideoInfo:
    """Read off what libavformat found while opening. Raises :class:`LimitExceeded` (pixels)."""
    stream, context = opened.stream, opened.stream.codec_context
    coded = Size(context.width, context.height)
    if coded.width < 1 or coded.height < 1:
        raise CorruptMedia(f"{opened.reader.name}: no picture size", stage="probe")
    if limits.max_pixels is not None and coded.width * coded.height > limits.max_pixels:
        raise LimitExceeded(
            f"{opened.reader.name}: frames of {coded.width}x{coded.height} exceed "
            f"{limits.max_pixels} pixels",
            stage="probe",
            limit="max_pixels",
            allowed=limits.max_pixels,
            seen=coded.width * coded.height,
        )
    sar = stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1)
    sar = Fraction(sar) if sar and sar > 0 else Fraction(1)
    facts = opened.facts
    orientation = facts.orientation
    shown = display_size(coded, sar, orientation, facts.crop)
    first = demuxer.peek_first()
    if first is None:
        raise CorruptMedia("no video packet could be read", stage="probe")
    start_pts = find_start(demuxer, parameters, first)
    time_base = demuxer.time_base
    duration = _duration(opened, demuxer, start_pts)
    color = color_of(
        context.color_range,
        context.colorspace,
        context.color_primaries,
        context.color_trc,
        context.pix_fmt,
    )
    color = replace(color, chroma_location=_chroma_location(parameters, first))
    if facts.dolby_vision is not None and facts.dolby_vision.profile == 5:
        color = DOLBY_VISION_5
    rate = stream.average_rate or stream.guessed_rate
    return VideoInfo(
        container=opened.format_name.split(",")[0],
        codec=parameters.codec,
        profile=context.profile,
        pix_fmt=context.pix_fmt,
        width=shown.width,
        height=shown.height,
        coded_width=coded.width,
        coded_height=coded.height,
        rotation=orientation.rotation,
        mirrored=orientation.mirror,
        sample_aspect_ratio=sar,
        average_rate=Fraction(rate) if rate else None,
        duration=None if duration is None else float(duration * time_base),
        duration_pts=duration,
        start_pts=start_pts,
        time_base=time_base,
        frames=stream.frames or None,
        bit_rate=context.bit_rate or opened.container.bit_rate or None,
        color=color,
        is_hdr=color.is_hdr,
        # DV is bottom first, in both of its systems (IEC 61834-2); containers do not say so.
        field_order="bottom"
        if parameters.codec == "dvvideo"
        else field_order_of(context.field_order),
        has_alpha=has_alpha(opened.stream),
        crop=facts.crop,
        light=facts.light,
        dolby_vision=facts.dolby_vision,
        encrypted=facts.encrypted,
        stream_index=opened.video_streams.index(stream),
        video_streams=len(opened.video_streams),
        attached_pictures=opened.attached_pictures,
        size_bytes=opened.reader.size,
        indexed=demuxer.index.complete or demuxer.index.wants_seek,
        warnings=color_warnings(color, context.colorspace),
        metadata=dict(opened.container.metadata),
    )


def _chroma_location(parameters: CodecParameters, first: VideoPacket) -> str | None:
    told = chroma_location(parameters.codec, parameters.extradata)
    # Parameter sets may travel in the stream alone.
    return told or chroma_location(parameters.codec, memoryview(first)[:_PARAMETER_BYTES])


def find_start(demuxer: Demuxer, parameters: CodecParameters, first: VideoPacket) -> int:
    """pts of the first frame that a player shows.

    The ``first`` packet says it when it is a keyframe stamped with the stream's start time.
    Otherwise (an edit list that discards, a recording cut inside a GOP) only decoding tells.
    """
    stream_start = demuxer.start_time
    assert first.pts is not None
    if first.dts is not None:
        demuxer.index.learn(first.dts, first.pts)
    if first.is_keyframe and first.pts == (first.pts if stream_start is None else stream_start):
        return first.pts
    demuxer.end_glimpse()
    decoder = Decoder(parameters)
    scratch = RunStats()
    for batch in Batcher(demuxer).head(Target(pts=_BEFORE_ALL, requests=(0,))):
        for delivery in decoder.decode(batch, scratch, skip=False):
            if scratch.decode_errors and _TIMED & set(demuxer.opened.format_name.split(",")):
                break  # what comes first is destroyed; the times of what follows stay
            return delivery.pts
    return first.pts


def _duration(opened: OpenedContainer, demuxer: Demuxer, start_pts: int) -> int | None:
    """Ticks from the first shown frame to the end of the last, as the header says."""
    stream = opened.stream
    if opened.duration is not None:
        assert stream.time_base is not None
        return max(1, round(opened.duration / stream.time_base))
    if stream.duration and stream.duration > 0:
        begin = stream.start_time if stream.start_time is not None else start_pts
        ticks, iso, track = stream.duration, opened.iso, opened.iso_track
        if iso is not None and iso.options and track is not None and track.played is not None:
            # libavformat was told to pass over the edit list; it may end before the last frame.
            assert stream.time_base is not None
            played, scale = track.played
            if Fraction(played + 1, scale) < ticks * stream.time_base:
                ticks = round(Fraction(played, scale) / stream.time_base)
        return max(1, ticks - max(0, start_pts - begin))
    return None
