"""Batches of packets -> frames. One decoder per thread; it never seeks and never scales.

Decoders are made from the stream's parameters, not taken from the container, so that several can
work on one opened file. Which frame answers which target is decided by the frames' own pts.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import av.error
from av.codec.context import CodecContext, ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from ..errors import InvariantBroken, UnsupportedCodec
from ..model.plan import Target
from ..model.stats import RunStats
from .batching import Batch
from .bitstream import READERS
from .demuxer import VideoPacket
from .parameters import CodecParameters, is_encrypted
from .selection import Action

#: Codecs whose "non-reference" marking is a promise of the bitstream that libavcodec goes by: a
#: picture with nal_ref_idc 0 (H.264, 7.4.1) or a B picture (MPEG-1/2) is never predicted from, so
#: passing over it changes no other picture. For others :mod:`.bitstream` looks at each packet.
SKIPPABLE = frozenset({"h264", "mpeg2video", "mpeg1video"})


@dataclass(slots=True)
class Delivery:
    """One frame and the targets it answers.

    ``exact``: proved to be the frame that was asked for: the one shown at the target, or the
    keyframe where that was wanted. ``corrupt``: parts of it, or of what it was predicted from, had
    to be made up.
    """

    frame: VideoFrame
    pts: int
    targets: list[Target]
    exact: bool
    corrupt: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether it is the frame that was meant, and whole."""
        return self.exact and not self.corrupt

    def answers(self, target: Target) -> bool:
        """Whether this is certainly the frame a player shows at the target's instant."""
        if target.key is None:
            return self.exact
        shown = target.pts == self.pts if target.shown is None else target.shown
        return self.exact and shown


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
        needed = reader.needed(memoryview(packet))
        skip &= needed < packet.size and self._may_skip and not packet.is_corrupt
        self._pass_over(skip and not reader.withholds)
        if not skip or not reader.withholds:
            return packet, skip
        if not needed:
            return None, True
        part: VideoPacket = Packet(bytes(memoryview(packet)[:needed]))
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
        picker = _Picker(
            batch.targets,
            proved_only=skip,
            from_start=batch.from_start,
            key_only=batch.key_only,
            rebuilds_pts=self.parameters.rebuilds_pts,
        )
        errors = 0
        drained = False
        try:
            for packet, action in batch.pairs():
                if cancelled():
                    return
                if action is Action.WANT and packet.pts is not None:
                    picker.wanted.append(packet.pts)
                picker.sent(packet)
                errors += packet.is_corrupt or (self.parameters.encrypted and is_encrypted(packet))
                part, relieved = self._relieve(packet, skip and action is Action.SKIP)
                stats.packets_skipped += relieved
                if part is None:
                    continue
                stats.packets_sent += 1
                began = time.perf_counter()
                try:
                    frames = self._context.decode(part)
                except (av.error.InvalidDataError, av.error.UndefinedError):
                    frames = []
                    errors += 1
                    stats.decode_errors += 1
                    # Perhaps the stream lies about what it refers to.
                    self._may_skip &= self._reader is None
                except av.error.FFmpegError as exc:
                    raise UnsupportedCodec(
                        f"{self.parameters.decoder}: {exc}", stage="decode"
                    ) from exc
                finally:
                    stats.decode_seconds += time.perf_counter() - began
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
            stats.decode_seconds += time.perf_counter() - began
            for frame in frames:
                stats.frames_decoded += 1
                yield from picker.take(frame, errors)
            yield from picker.end(errors, batch.truncated)
        finally:
            if not drained and self.threads > 1:
                # A frame-threaded decoder must be drained before it is flushed or closed.
                try:
                    self._context.decode(None)
                except av.error.FFmpegError:
                    stats.decode_errors += 1
            self._reset()


class _Picker:
    """Matches frames, which come in order of presentation, with targets.

    A frame answers every target from its own pts up to the next relevant frame's. With
    ``proved_only`` only frames of wanted packets are relevant (others may be missing around them).
    """

    def __init__(
        self,
        targets: list[Target],
        *,
        proved_only: bool,
        from_start: bool,
        key_only: bool,
        rebuilds_pts: bool,
    ) -> None:
        self._open = list(targets)
        self._key_only = key_only
        self._proved_only = proved_only
        self._from_start = from_start
        self._held: tuple[VideoFrame, int, bool] | None = None
        self._tainted = False  # a damaged frame was seen since the last sound keyframe
        self._errors = 0
        self._seen: set[int] = set()
        #: pts of the keyframes sent, and whether the first of them came out late
        self._keys: list[int] = []
        self._gradual: bool | None = None
        #: stamps of decode order not yet given to a frame, when there are no others
        self._stamps: list[int] | None = [] if rebuilds_pts else None
        #: pts of packets whose frames were asked for, as far as they have been sent
        self.wanted: list[int] = []

    @property
    def satisfied(self) -> bool:
        return not self._open

    def sent(self, packet: VideoPacket) -> None:
        """A packet was given to the decoder."""
        if self._stamps is not None and packet.dts is not None:
            heapq.heappush(self._stamps, packet.dts)
        if packet.is_keyframe and packet.pts is not None and not packet.is_discard:
            self._keys.append(packet.pts)

    def _recovering(self, pts: int) -> bool:
        """Whether a frame comes too soon after a start that was no clean one.

        When the keyframe itself did not come out it is a recovery point (H.264 and HEVC intra
        refresh): the picture is rebuilt little by little. Encoders announce that span too short;
        from the next such point on it is certainly whole.
        """
        if self._from_start or not self._keys:
            return False
        if self._gradual is None:
            self._gradual = pts > self._keys[0]
        return self._gradual and (len(self._keys) < 2 or pts < self._keys[1])

    def take(self, frame: VideoFrame, errors: int) -> Iterator[Delivery]:
        pts = frame.pts if frame.pts is not None else frame.dts
        if self._stamps:
            # Reordering permutes frames, never instants: the k-th frame shown has the k-th stamp.
            pts = heapq.heappop(self._stamps)
        if pts is None:
            return
        if self._recovering(pts):
            return
        corrupt = self._is_tainted(frame, errors)
        if self._key_only:
            # One keyframe was sent and whatever comes of it is the answer to all.
            mine, self._open = self._open, []
            if mine:
                yield Delivery(frame, pts, mine, errors == 0, corrupt)
            return
        if self._proved_only and pts not in self.wanted:
            return
        if self._held is None:
            if self._from_start and not self._proved_only:
                # Before the first frame the first frame is shown.
                early = [t for t in self._open if t.wanted < pts]
                if early:
                    self._open = self._open[len(early) :]
                    yield Delivery(frame, pts, early, True, corrupt)
        elif pts > self._held[1]:
            yield from self._answer(pts, errors)
        else:
            return  # a decoder that goes back in time: a leftover of broken stamps
        self._held = frame, pts, corrupt
        self._seen.add(pts)

    def _is_tainted(self, frame: VideoFrame, errors: int) -> bool:
        """Whether a frame is damaged, or was predicted from one that is.

        What a decoder makes up depends on the pictures it saw before. So a damaged frame is never
        taken as proved where pictures were passed over: it is decoded again with all of them.
        """
        if frame.is_corrupt or errors > self._errors:
            self._tainted = True
        elif frame.key_frame:
            self._tainted = False
        self._errors = errors
        return self._tainted

    def _answer(self, before: int | None, errors: int) -> Iterator[Delivery]:
        """Deliver the held frame to the open targets in [its pts, ``before``)."""
        assert self._held is not None
        frame, pts, corrupt = self._held
        mine: list[Target] = []
        rest: list[Target] = []
        for target in self._open:
            if before is not None and target.wanted >= before:
                rest.append(target)
            elif target.wanted >= pts:
                mine.append(target)
            # else: earlier than anything decoded; left to the caller
        self._open = rest
        if not mine:
            return
        lost = [w for w in self.wanted if w > pts and w not in self._seen]
        proved = [t for t in mine if not any(w <= t.wanted for w in lost)]
        doubtful = [t for t in mine if t not in proved]
        if proved and not (corrupt and self._proved_only):
            yield Delivery(frame, pts, proved, True, corrupt)
        if doubtful and not self._proved_only:
            # The wanted packet gave no frame: it was hidden (VP8 golden frames) or half of one
            # (fields), and then this is what a player shows - unless something was damaged.
            yield Delivery(frame, pts, doubtful, errors == 0, corrupt)

    def end(self, errors: int, truncated: bool) -> Iterator[Delivery]:
        """No more frames: the last one is shown until the end, if this is the end."""
        if self._held is not None:
            for delivery in self._answer(None, errors):
                pts = delivery.pts
                if truncated and any(t.wanted > pts for t in delivery.targets):
                    delivery.exact = False
                yield delivery
