"""Batches of packets -> frames. One decoder per thread; it never seeks and never scales.

Decoders are made from the stream's parameters, not taken from the container, so that several can
work on one opened file. Which frame answers which target is decided by the frames' own pts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import cast

import av
import av.error
from av.codec.context import CodecContext, ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from ..errors import InvariantBroken, UnsupportedCodec
from ..model.stats import RunStats
from .batch import Batch
from .bitstream import READERS
from .demuxer import VideoPacket
from .holes import has_hole
from .parameters import CodecParameters, is_encrypted
from .picker import Delivery, Picker
from .selection import Action

__all__ = ["SKIPPABLE", "Decoder", "Delivery"]

#: Codecs whose "non-reference" marking is a promise of the bitstream that libavcodec goes by: a
#: picture with nal_ref_idc 0 (H.264, 7.4.1) or a B picture (MPEG-1/2) is never predicted from, so
#: passing over it changes no other picture. For others :mod:`.bitstream` looks at each packet.
SKIPPABLE = frozenset({"h264", "mpeg2video", "mpeg1video"})
#: Codecs whose decoders show nothing before they have met a picture to begin with, whatever the
#: container calls a keyframe. Others begin at any picture, and show what they make of it.
CAREFUL = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "vp8", "vp9", "av1"})


class Decoder:
    """One codec context. Not thread-safe; reusable for any number of batches."""

    def __init__(
        self, parameters: CodecParameters, *, threads: int = 1, skip_loop_filter: bool = False
    ) -> None:
        self.parameters = parameters
        self.threads = threads
        self.skip_loop_filter = skip_loop_filter
        make_reader = READERS.get(parameters.codec)
        self._reader = None if make_reader is None else make_reader(parameters.extradata)
        may_skip = self._reader is not None or parameters.codec in SKIPPABLE
        self._may_skip = may_skip and parameters.field_order <= 1
        self._skipping = False
        #: whether packets brought parameter sets that replace those of the header
        self._redefined = False
        self._context = self._open()

    def _open(self) -> VideoCodecContext:
        """A context that has seen nothing of the stream."""
        parameters, threads = self.parameters, self.threads
        try:
            context = CodecContext.create(parameters.decoder, "r")
        except (ValueError, av.error.FFmpegError) as exc:
            raise UnsupportedCodec(f"no decoder {parameters.decoder!r}", stage="decode") from exc
        if not isinstance(context, VideoCodecContext):
            raise InvariantBroken(f"{parameters.decoder} is no video decoder")
        if parameters.extradata:
            context.extradata = parameters.extradata
        context.width, context.height = parameters.width, parameters.height
        if parameters.pix_fmt:
            context.pix_fmt = parameters.pix_fmt
        context.codec_tag = parameters.codec_tag
        (
            context.color_range,
            context.colorspace,
            context.color_primaries,
            context.color_trc,
        ) = parameters.color
        context.field_order = parameters.field_order
        if parameters.sample_aspect_ratio:
            context.sample_aspect_ratio = parameters.sample_aspect_ratio
        context.thread_count = threads
        context.thread_type = ThreadType.FRAME if threads > 1 else ThreadType.NONE
        options = {
            "bits_per_coded_sample": str(parameters.bits_per_coded_sample),
            "pkt_timebase": f"{parameters.time_base.numerator}/{parameters.time_base.denominator}",
        }
        if self.skip_loop_filter:
            options["skip_loop_filter"] = "all"
        context.options = options
        context.reorder_depth = parameters.reorder_depth
        try:
            context.open()
        except av.error.FFmpegError as exc:
            raise UnsupportedCodec(
                f"decoder {parameters.decoder!r} refuses this stream: {exc}", stage="decode"
            ) from exc
        return context

    def _follow_headers(self, packet: VideoPacket, *, first: bool) -> None:
        """A batch whose packets bring no parameter sets goes by those of the header."""
        if packet.is_keyframe and packet.has_sidedata("new_extradata"):
            self._redefined = True
        elif first and self._redefined:
            self._context = self._open()
            self._redefined = False

    def _reset(self) -> None:
        # avcodec_flush_buffers forgets the reorder depth that was told or learned (H.264 without
        # bitstream restriction): pictures would be output too early and late ones dropped.
        depth = self._context.reorder_depth
        self._context.flush_buffers()
        self._context.reorder_depth = depth
        self._pass_over(False)

    def _pass_over(self, skip: bool) -> None:
        if skip != self._skipping:
            self._context.skip_frame = "NONREF" if skip else "DEFAULT"
            self._skipping = skip

    def _relieve(self, packet: VideoPacket, skip: bool) -> tuple[VideoPacket | None, bool]:
        """What of a packet must be sent, and whether something of it is passed over.

        Shows every packet to the reader, if there is one.
        """
        reader = self._reader
        if reader is None:
            self._pass_over(skip)
            return packet, skip
        if packet.is_keyframe and packet.has_sidedata("new_extradata"):
            self._may_skip = False  # parameter sets that the reader does not get
        needed = reader.part(memoryview(packet))
        skip &= len(needed) < packet.size and self._may_skip and not packet.is_corrupt
        self._pass_over(skip and not reader.withholds)
        if not skip or not reader.withholds:
            return packet, skip
        if not needed:
            return None, True
        part = cast("VideoPacket", Packet(bytes(needed)))
        part.pts, part.dts, part.time_base = packet.pts, packet.dts, packet.time_base
        return part, True

    def decode(
        self,
        batch: Batch,
        stats: RunStats,
        *,
        skip: bool = True,
        cancelled: Callable[[], bool] = bool,
    ) -> Iterator[Delivery]:
        """Decode a batch; yields the frames that answer its targets, in order of time.

        Targets that got no frame, or only a doubtful one, are simply not delivered: the caller
        compares. With ``skip`` unneeded non-reference frames are passed over and a target counts as
        answered only if the very packet that was wanted came out; without, the frame with the
        largest pts at or before the target is the answer.
        """
        skip = skip and self._may_skip and batch.reliable and not batch.key_only
        if batch.head and self._context.reorder_depth != self.parameters.reorder_depth:
            # Playing from the start, a decoder that must learn how far pictures are reordered drops
            # those that come too late for it; one that has learned would show them.
            self._context = self._open()
        depth = self._context.reorder_depth
        picker = Picker(
            batch.targets,
            proved_only=skip,
            reliable=batch.reliable,
            from_start=batch.from_start,
            key_only=batch.key_only,
            rebuilds_pts=self.parameters.rebuilds_pts,
            delay=depth,
            gaps=batch.gaps,
            cut=batch.cut,
            codec=self.parameters.codec if self.parameters.field_order <= 1 else "",
            gullible=self.parameters.codec not in CAREFUL,
        )
        if self._reader is not None:
            # What is streamed cannot be known in advance.
            known = batch.items if skip and batch.rest is None else []
            self._reader.look_ahead([(memoryview(p), a is not Action.SKIP) for p, a in known])
        errors = 0
        drained = False
        try:
            for packet, action in batch.pairs():
                if cancelled():
                    return
                if action is Action.WANT and packet.pts is not None:
                    picker.wanted.append(packet.pts)
                damaged = (
                    packet.is_corrupt
                    or (self.parameters.encrypted and is_encrypted(packet))
                    or has_hole(packet, self.parameters.codec)
                )
                errors += damaged
                picker.sent(packet, damaged=damaged)
                self._follow_headers(packet, first=picker.packets == 1)
                part, relieved = self._relieve(packet, skip and action is Action.SKIP)
                stats.packets_skipped += relieved
                if part is None:
                    continue
                if not relieved:
                    picker.expect(packet)
                stats.packets_sent += 1
                began = time.perf_counter()
                try:
                    frames = self._context.decode(part)
                except (av.error.InvalidDataError, av.error.UndefinedError):
                    frames = []
                    errors += 1
                    stats.decode_errors += 1
                except av.error.FFmpegError as exc:
                    raise UnsupportedCodec(
                        f"{self.parameters.decoder}: {exc}", stage="decode"
                    ) from exc
                finally:
                    stats.decode_seconds += time.perf_counter() - began
                picker.disordered |= self._context.reorder_depth > depth and not batch.head
                for frame in frames:
                    stats.frames_decoded += 1
                    yield from picker.take(frame, errors)
                if picker.satisfied:
                    return
            self._pass_over(False)
            began = time.perf_counter()
            try:
                frames = self._context.decode(None)
            except av.error.FFmpegError:
                frames = []
                errors += 1
                stats.decode_errors += 1
            drained = True
            picker.disordered |= self._context.reorder_depth > depth and not batch.head
            stats.decode_seconds += time.perf_counter() - began
            for frame in frames:
                stats.frames_decoded += 1
                yield from picker.take(frame, errors)
            yield from picker.end(errors, batch.truncated)
        finally:
            stats.false_keyframes += picker.false_start
            if not drained and self.threads > 1:
                # A frame-threaded decoder must be drained before it is flushed or closed.
                try:
                    self._context.decode(None)
                except av.error.FFmpegError:
                    stats.decode_errors += 1
            self._reset()
