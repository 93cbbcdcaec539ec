"""Packets out of one container: open, seek, read on, go back a little. It never decodes.

One demuxer serves one call at a time. A seek is a wish: containers index dts, land early, land
late, or have no index at all; so a landing is judged by the packets that arrive.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import av.error
from av.packet import Packet

from ..errors import LimitExceeded, SeekFailed
from ..model.limits import Limits
from ..model.media import Keyframe
from ..model.plan import Run
from ..model.stats import RunStats
from ..sources.base import MeteredSource, Source
from ..sources.meter import Meter
from ..sources.segments import MeteredSegments
from .carried import Carried
from .continuity import Continuity
from .gaps import DELAYED, Gaps, Stretch
from .guard import ReadGuard
from .index import ContainerIndex
from .looking import last_stamp
from .native_errors import translating
from .opener import OpenedContainer, open_container
from .ranges import planned_ranges
from .scout import Scout
from .stamps import Stamper

if TYPE_CHECKING:
    from av.video.stream import VideoStream

    VideoPacket = Packet[VideoStream]
else:
    VideoPacket = Packet

#: With an index: read on instead of seeking when at most this many packets lie between.
_READ_ON_PACKETS = 8


class Demuxer:
    """Reads video packets of one stream. Not thread-safe: one call at a time."""

    @classmethod
    def open(cls, source: Source, stats: RunStats, limits: Limits, stream: int | None) -> Demuxer:
        """Open a container over ``source``; raises what :func:`open_container` raises."""
        guard = ReadGuard(limits)
        if limits.deadline_seconds is not None:
            guard.deadline = time.monotonic() + limits.deadline_seconds
        return cls(open_container(source, guard, stream), stats, limits, guard)

    def __init__(
        self, opened: OpenedContainer, stats: RunStats, limits: Limits, guard: ReadGuard
    ) -> None:
        self.opened = opened
        self.stream = opened.stream
        self.stats = stats
        self.index = ContainerIndex(opened)
        assert self.stream.time_base is not None
        self.time_base = self.stream.time_base
        self.start_time = self.stream.start_time
        #: AVFieldOrder: 0 unknown, 1 progressive, above: interlaced. Two packets may be one frame.
        self.field_pairs = self.stream.codec_context.field_order > 1
        self._container = opened.container
        self._stamper = Stamper(self.stream, rebuilds_pts=opened.rebuilds_pts)
        self._carried = Carried(opened)
        #: whether keyframe flags are worthless: then only the first packet counts as one
        self.keys_lie = opened.keys_lie
        self._limits = limits
        self._guard = guard
        self._packets: Iterator[VideoPacket] | None = None
        self._ahead: deque[VideoPacket] = deque()
        #: whether the first packet of the stream comes next
        # In raw MPEG-1 libavformat stamps the first picture differently before and after a seek.
        self.at_start = opened.format_name != "mpegvideo"
        self._clock: int | None = None  # dts of the last packet taken, None after a seek
        #: pts of the first keyframe of the stream, once it was read on the way from the start
        self.first_key: int | None = None
        self._since_start = True
        #: whether nothing was read from the container since it stood at its start
        self._untouched = True
        self._ended = False
        self._continuity = Continuity(opened)
        by_index = opened.format_name in ("avi", "matroska,webm")
        self._gaps = Gaps(lands_by_index=by_index, reordered=self.ticks(1.0))
        #: the packet that the container reads next, if it was handed out already, from memory
        self._owed: VideoPacket | None = None
        self._scout: Scout | None = None
        self._scouted = False

    @property
    def rebuilds_pts(self) -> bool:
        """Whether packets are stamped in decode order only: AVI, elementary streams."""
        return self._stamper.rebuilds_pts

    def begin(self, stats: RunStats, bytes_before: int, meter: Meter) -> None:
        """Start counting for a new call."""
        self.stats = stats
        if isinstance(self.opened.source, MeteredSource):
            self.opened.source.meter = meter
        if self._scout is not None:
            self._scout.forget()
        self._guard.base = bytes_before
        allowed = self._limits.deadline_seconds
        self._guard.deadline = None if allowed is None else time.monotonic() + allowed

    def close(self) -> None:
        """Close the container; the source stays open."""
        self._packets = None
        self._ahead.clear()
        self.opened.close()

    # -- one packet at a time ---------------------------------------------------------------

    def next(self) -> VideoPacket | None:
        """The next video packet, ``None`` at the end."""
        self._since_start |= self.at_start
        self.at_start = False
        if self._ahead:
            packet = self._ahead.popleft()
        else:
            found = None if self._ended else self._beyond()
            if found is None:
                self._ended = True
                return None
            packet = found
            self._check()
            if packet.is_keyframe and self._since_start:
                self._since_start = False
                self.first_key = packet.pts
        if packet.dts is not None:
            self._clock = packet.dts
        return packet

    def _beyond(self) -> VideoPacket | None:
        """The next packet: of the container, or from memory where that must pass a stretch."""
        left_over = None if self._owed is None else self._catch_up(self._owed)
        if left_over is not None:
            return left_over
        stretch = self._gaps.following()
        if stretch is None:
            return self._read()
        self._hand_out(stretch)
        return self._ahead.popleft() if self._ahead else None

    def _read(self) -> VideoPacket | None:
        """The next packet of the container, with all that is made known of it."""
        began, before = time.perf_counter(), self.opened.reader.bytes_read
        with translating("decode", self.opened.reader.name):
            packet = self._demuxed()
        self.stats.demux_seconds += time.perf_counter() - began
        if packet is not None:
            self.stats.packets_read += 1
            self._continuity.follow(packet)
            self._stamper.stamp(packet, self._clock)
            self._carried.carry(packet)
            packet.is_keyframe &= self._untouched or not self.keys_lie
            if packet.is_keyframe:
                self.index.met(packet.size)
            self._untouched = False
            if self._scout is not None and packet.dts is not None:
                self._scout.passed(packet.dts)
        self._gaps.read(packet, self.opened.reader.bytes_read - before)
        return packet

    def _hand_out(self, stretch: Stretch) -> None:
        """Let come from memory what comes behind a stretch."""
        self._ahead.extend(stretch.packets)
        self._ended = stretch.ended
        self._owed = None if stretch.ended else stretch.packets[-1]

    def _catch_up(self, owed: VideoPacket) -> VideoPacket | None:
        """Let the container, too, pass the stretch that memory led over; what it read too far."""
        stamp, self._owed = self._gaps.way_to(owed), None
        by_bytes = self.opened.format_name == "mpegts" and owed.pos is not None
        at = owed.pos if by_bytes else stamp
        if at is not None:
            self._packets = None
            self._continuity.restart()
            self._gaps.sought(at)
            self._container.seek(at, stream=self.stream, unsupported_byte_offset=by_bytes)
        for _ in range(2 * DELAYED):
            packet = self._read()
            if packet is None or packet.pos == owed.pos:
                return None
            if packet.pos is not None and owed.pos is not None and packet.pos > owed.pos:
                return packet
        return None

    def _demuxed(self) -> VideoPacket | None:
        while True:
            before = self.opened.reader.bytes_read
            if self._packets is None:
                self._packets = self._container.demux(self.stream)
            try:
                packet = next(self._packets, None)
            except av.error.BlockingIOError:
                # Transport streams: nothing sound in 64 KiB; asked again it goes on behind them.
                if self.opened.reader.bytes_read == before:
                    raise
                self._packets = None
            else:
                # PyAV ends with one empty packet per stream.
                return packet if packet is not None and packet.size else None

    def _check(self) -> None:
        allowed = self._limits.max_packets
        if allowed is not None and self.stats.packets_read > allowed:
            raise LimitExceeded(
                f"more than {allowed} packets read", stage="decode",
                limit="max_packets", allowed=allowed, seen=self.stats.packets_read,
            )  # fmt: skip
        self._guard.check_time()

    def seek(self, stamp: int) -> None:
        """Position at or before ``stamp`` (ticks), as far as the container manages.

        Raises :class:`SeekFailed`; the position is then unknown, not unchanged.
        """
        self._ahead.clear()
        self._packets = None
        self._clock = None
        self._ended, self._owed = False, None
        self._continuity.restart()
        landing = None if self._stamper.stampless else self._gaps.landing(stamp)
        self._gaps.sought(stamp)
        self.at_start = self._since_start = self._untouched = False
        self.stats.seeks += 1
        began = time.perf_counter()
        try:
            if self._stamper.stampless:
                # Only the beginning can be found again without reading everything before it.
                self._begin_again()
                self._stamper.restart()
                self.at_start = True
            else:
                if landing is not None:
                    self._hand_out(landing)
                elif not self._seek_by_bytes(stamp):
                    self._container.seek(stamp, stream=self.stream, backward=True)
        except av.error.FFmpegError as exc:
            raise SeekFailed(
                f"{self.opened.reader.name}: cannot seek to {stamp} x {self.time_base} s",
                stage="decode",
                pts=stamp,
            ) from exc
        finally:
            self.stats.demux_seconds += time.perf_counter() - began

    def _scouting(self) -> Scout | None:
        """What finds its way in this file better than libavformat, if anything does."""
        if not self._scouted:
            self._scouted = True
            self._scout = Scout.of(self.opened, listed=self.index.listed)
        return None if self.keys_lie or self.rebuilds_pts else self._scout

    def _seek_by_bytes(self, stamp: int) -> bool:
        """Seek where libavformat would read all the way (FLV), or here and there (MPEG-TS)."""
        scout = self._scouting()
        if scout is None:
            return False
        scout.passed(stamp)
        mark = scout.landing(stamp)
        if mark is None:
            return False
        self._container.seek(mark.offset, stream=self.stream, unsupported_byte_offset=True)
        if not scout.strict:
            return True
        packet = self._read()
        if packet is not None and packet.is_keyframe and packet.pts == mark.shown:
            self._ahead.append(packet)
            return True
        scout.distrust()
        self._packets = None
        self._continuity.restart()
        self._gaps.sought(stamp)
        return False

    def _begin_again(self) -> None:
        """Go to the first byte, for streams without stamps.

        Matroska's demuxer goes by its cues only: moved to a byte it believes to be where it was,
        moved to a time it passes over blocks without stamps (those before 0). It is opened anew.
        """
        old = self.opened
        if "matroska" not in old.format_name:
            self._container.seek(0, stream=self.stream, unsupported_byte_offset=True)
            return
        number = old.video_streams.index(self.stream)
        self.opened = fresh = open_container(old.source, self._guard, number)
        fresh.reader.bytes_read += old.reader.bytes_read
        old.close()
        self._container, self.stream = fresh.container, fresh.stream
        self.index, self._continuity = ContainerIndex(fresh), Continuity(fresh)
        self.index.distrust()

    def rewind(self) -> None:
        """Back to the first packet."""
        if self.at_start:
            return
        start = self.stream.start_time or 0
        # Without an index a seek is a bisection by dts that may land behind the first keyframe.
        early = start - self.ticks(10.0)
        for stamp in (start, early, 0) if self.index.exhaustive else (early, start, 0):
            try:
                self.seek(stamp)
            except SeekFailed:
                continue
            self.at_start = self._untouched = True
            return
        if self.opened.format_name == "mpegts":  # destroyed where it was looked into
            self._container.seek(0, stream=self.stream, unsupported_byte_offset=True)
            self.at_start = self._untouched = True
            return
        raise SeekFailed(f"{self.opened.reader.name}: cannot go back to the start", stage="decode")

    def end_glimpse(self) -> None:
        """Forget the packets that were read of a remote file for the sake of their stamps; from
        now on they come whole."""
        if self.opened.reader.withheld is None:
            return
        self.opened.reader.withheld = None
        first = self.first_key
        self.rewind_anew()
        self.first_key = first

    def rewind_anew(self) -> None:
        """Back to the first packet, although it was believed to come next."""
        self.at_start = False
        self.rewind()

    def expect(self, runs: Sequence[Run]) -> None:
        """Let a remote source fetch what these are going to read."""
        source, start = self.opened.source, self.start_time or 0
        if isinstance(source, MeteredSegments):
            targets = [t for run in runs for t in run.targets]
            source.expect_times(
                [((t.wanted - start) * self.time_base, t.kind != "exact") for t in targets]
            )
        elif isinstance(source, MeteredSource):
            ranges = planned_ranges(self.index, runs, field_pairs=self.field_pairs)
            source.expect(ranges)
            scout = self._scouting()
            sought = [t for run in runs if run.kind == "search" for t in run.targets]
            if scout is not None and sought:
                scout.plan(sought)

    def prepare_index(self) -> None:
        """Let the container load what it reads only when asked (Matroska cues), once."""
        if self._stamper.stampless is None:
            self.peek_first()  # how a stream is stamped shows at its start only
        if self.index.wants_seek:
            fresh = self.at_start and not self._ahead
            try:
                self.seek(self.start_time or 0)
                self.at_start = self._untouched = fresh
            except SeekFailed:
                self.rewind()  # then there is no index, and searching finds its own way
        self.index.settle()

    def ticks(self, seconds: float) -> int:
        return max(1, int(seconds / self.time_base))

    # -- looking ----------------------------------------------------------------------------

    def peek_first(self) -> VideoPacket | None:
        """The first packet of the stream that is shown, without losing it."""
        self.rewind()
        taken: list[VideoPacket] = []
        found = None
        while (packet := self.next()) is not None:
            taken.append(packet)
            if packet.pts is not None and not packet.is_discard:
                found = packet
                break
            if len(taken) >= 64:
                break
        if self._stamps_are_sparse(found):
            return self.peek_first()
        if self._stamper.stampless:
            self.index.distrust()  # its stamps are not those that are counted here
        self.put_back(taken)
        self.at_start = True
        return found

    def _stamps_are_sparse(self, first: VideoPacket | None) -> bool:
        """Whether packets behind the first lack stamps, and not because they are second fields.

        A program stream stamps a block of bytes, which may hold several pictures; libavformat fills
        in what is missing for MPEG-1/2 only. From then on they are counted in decode order.
        """
        if self._stamper.sparse is not None or self.opened.format_name != "mpeg":
            return False
        if first is None or first.pts is None or first.dts is None:
            return False
        some = [packet for _ in range(16) if (packet := self.next()) is not None]
        if any(self._stamper.lacks_stamps(packet) for packet in some):
            self._stamper.count_from(first.pts - first.dts)
            return True
        self.at_start = False
        self.rewind()
        return False

    def last_stamp(self) -> tuple[int, int] | None:
        """(pts, duration) of the last frame in presentation order, by looking at the tail."""
        return last_stamp(self)

    def go_to(self, key: Keyframe) -> None:
        """Position so that ``key`` comes next; reads on when that is cheaper than a seek.

        libavformat compares the stamp it is asked for with keyframes' pts in MP4, although the
        entries hold dts; asking for the entry's own stamp lands one GOP early.
        """
        stamp = key.stamp
        if self._ahead:
            head = self._ahead[0]
            if head.is_keyframe and key.pts == head.pts:
                self.stats.seeks_skipped += 1
                return
        if self.at_start and stamp == self.index.first_stamp:
            self.stats.seeks_skipped += 1
            return
        here = self._clock
        if here is not None and not self._ended and not self._ahead and here < stamp:
            gap = self.index.entries_between(here, stamp)
            if gap is not None and gap <= _READ_ON_PACKETS:
                self.stats.seeks_skipped += 1
                return
        self.seek(key.pts)

    def edge(self, pts: int) -> int:
        """``pts``, or the last one before the destroyed stretch that it is known to lie in."""
        return self._gaps.edge(pts)

    def put_back(self, packets: Sequence[VideoPacket]) -> None:
        """Packets just taken come next again, in this order."""
        self._ahead.extendleft(reversed(packets))
        self._clock = None

    def ended_early(self) -> bool:
        """Whether the data stopped before the index says it does."""
        promised = self.index.end_stamp
        if promised is None:
            return self._continuity.ended_early()
        return self._clock is None or self._clock < promised

    def start_stamp(self) -> int:
        first = self.index.first_stamp
        return first if first is not None else (self.start_time or 0)

    def keep(self, packets: Sequence[VideoPacket]) -> None:
        """Packets that were read and not used: what follows may begin with them.

        Only from their first keyframe on; what lies before it cannot be decoded without what came
        before.
        """
        self._ahead.extendleft(reversed(packets))
        while self._ahead and not self._ahead[0].is_keyframe:
            self._ahead.popleft()

    def reaches(self, pts: int, window: int) -> bool:
        """Whether reading on gets to ``pts`` within ``window`` ticks, sooner than a seek would."""
        here = self._clock
        if self._ahead:
            here = self._ahead[0].pts if self._ahead[0].is_keyframe else None
        near = not self._ended and here is not None and 0 <= pts - here <= window
        self.stats.seeks_skipped += near
        return near
