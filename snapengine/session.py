"""One opened video from the inside: its source, demuxers, decoders and facts, lent to calls."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from . import cancelling
from .budget import BUDGET
from .errors import EngineClosed, LimitExceeded, NoFrameAtTarget, SnapError
from .media.batching import Batcher
from .media.decoder import Delivery
from .media.demuxer import Demuxer
from .media.frame_notes import FrameNotes
from .media.guard import ReadGuard
from .media.parameters import CodecParameters
from .media.planes import raw_frame
from .media.probe import probe
from .media.wrapped import unwrap
from .model.frame import RawFrame
from .model.geometry import Size, View, make_view
from .model.limits import Limits
from .model.plan import Plan
from .model.stats import RunStats
from .pipeline import DecoderPool, Pipeline
from .planning.planner import StreamClock, make_plan
from .planning.sampling import Sampling
from .request import PictureOptions
from .sources import Meter, PlannedSource, Source
from .sources.segments import lend

#: No video has more pictures a second than this; those that say so are taken for the second.
_FASTEST: Final = 480
_ORDINARY: Final = Fraction(1, 25)


def _count_fetched(stats: RunStats, meter: Meter) -> None:
    stats.requests, stats.request_retries = meter.requests, meter.retries
    stats.bytes_fetched, stats.wait_seconds = meter.bytes_fetched, meter.waited_seconds


def new_meter(limits: Limits) -> Meter:
    """What one call may fetch; stopped when the task that wants it is cancelled."""
    allowed = limits.deadline_seconds
    meter = Meter(
        max_requests=limits.max_requests,
        max_bytes=limits.max_bytes_read,
        deadline=None if allowed is None else time.monotonic() + allowed,
    )
    cancelling.on_cancel(meter.stop)
    return meter


@dataclass(slots=True)
class Call:
    """One public call under way: its demuxer and its counters."""

    demuxer: Demuxer
    pipeline: Pipeline
    stats: RunStats
    meter: Meter
    bytes_before: int
    began: float

    def count(self) -> None:
        """Bring the counters up to date."""
        self.stats.bytes_read = self.demuxer.opened.reader.bytes_read - self.bytes_before
        _count_fetched(self.stats, self.meter)
        self.stats.wall_seconds = time.perf_counter() - self.began


class Session:
    """Thread-safe: concurrent calls get a demuxer each and share the decoders."""

    def __init__(
        self,
        source: Source,
        *,
        stream: int | None,
        threads: int | None,
        limits: Limits,
        meter: Meter | None = None,
    ) -> None:
        self.limits = limits
        meter = new_meter(limits) if meter is None else meter
        self._remote = source if isinstance(source, PlannedSource) else None
        #: the source on behalf of one call, for what is inside of other files
        self._shared = None if self._remote is None else lend(self._remote, meter)
        if self._shared is not None:
            self._shared.read_some(0, 1)  # only an answer tells the size
        view = self._shared or source
        inside = unwrap(view, limits, ReadGuard(limits).started())
        self._source = source if inside.source is view else inside.source
        self._stream = stream
        self._threads = threads
        self._lock = threading.Lock()
        self._idle: list[Demuxer] = []
        self._closed = False
        self._open_stats, self._open_meter = RunStats(), meter
        demuxer = self._open_demuxer(self._open_stats, meter)
        try:
            demuxer.peek_first()
            self._parameters = CodecParameters.of(
                demuxer.stream,
                rebuilds_pts=demuxer.rebuilds_pts,
                encrypted=demuxer.opened.facts.encrypted,
            )
            self.info = probe(demuxer.opened, demuxer, self._parameters, limits)
            if inside.kind is not None:
                self.info = replace(
                    self.info, container=inside.kind, codec=inside.kind, size_bytes=source.size
                )
            demuxer.end_glimpse()
        except BaseException:
            demuxer.close()
            raise
        self._pool = DecoderPool(self._parameters)
        self._notes = FrameNotes(self._parameters.codec)
        #: whether the stream's stamps can be believed; if not, no frame is called exact
        self.tells_time = not demuxer.opened.stamps_lie
        self._first_stamps = demuxer.index.first_stamps
        self._open_stats.bytes_read = demuxer.opened.reader.bytes_read
        self._end_sought = False
        self._idle.append(demuxer)

    @property
    def open_stats(self) -> RunStats:
        """What opening cost, and looking for the end. The last bytes of a remote header may still
        be on their way."""
        stats, fetched = self._open_stats.snapshot(), RunStats()
        _count_fetched(fetched, self._open_meter)
        stats.add(fetched)
        return stats

    def close(self) -> None:
        """Release file handles and decoders. Calls under way end with ``EngineClosed``."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for demuxer in idle:
            demuxer.close()
        self._pool.close()
        self._source.close()

    def check_open(self) -> None:
        """Raise :class:`EngineClosed` after :meth:`close`."""
        if self._closed:
            raise EngineClosed(f"{self.name}: the video is closed")

    @property
    def name(self) -> str:
        return self._source.name

    def _open_demuxer(self, stats: RunStats, meter: Meter) -> Demuxer:
        source = self._source
        if source is self._remote:
            source = lend(self._remote, meter)
        elif self._shared is not None:
            self._shared.meter = meter
        return Demuxer.open(source, stats, self.limits, self._stream)

    @contextlib.contextmanager
    def call(self) -> Iterator[Call]:
        """Lend a demuxer to one call, count its work, take the demuxer back."""
        cancelling.check()
        with self._lock:
            self.check_open()
            demuxer = self._idle.pop() if self._idle else None
        stats, meter = RunStats(), new_meter(self.limits)
        if demuxer is None:
            demuxer = self._open_demuxer(stats, meter)
            demuxer.peek_first()  # what decoders are told once is told there
            demuxer.end_glimpse()
            if self._first_stamps is not None:
                demuxer.index.learn(*self._first_stamps)
            before = 0
        else:
            before = demuxer.opened.reader.bytes_read
        began = time.perf_counter()
        if self._shared is not None:
            self._shared.meter = meter
        demuxer.begin(stats, before, meter)
        call = Call(
            demuxer,
            Pipeline(Batcher(demuxer), self._pool, threads=self._threads),
            stats,
            meter,
            before,
            began,
        )
        usable = True
        try:
            yield call
        except SnapError:
            # libavformat keeps an error of our reader (a limit that was reached) for ever.
            usable = False
            raise
        finally:
            call.count()
            if self._remote is not None:
                self._remote.dismiss(meter)
            with self._lock:
                keep = usable and not self._closed and not self._idle
                if keep:
                    self._idle.append(demuxer)
            if not keep:
                demuxer.close()

    def find_end(self) -> None:
        """Look at the tail of the file for a duration that the header lacks; once."""
        if self._end_sought or self._closed or self.info.duration_pts is not None:
            return
        with self.call() as call:
            found = call.demuxer.last_stamp()
        self._open_stats.add(call.stats)
        self._end_sought = True
        if found is None:
            return
        pts, length = found
        if length <= 0 and self.info.average_rate:
            length = int(1 / self.info.average_rate / self.info.time_base)
        ticks = max(1, pts + length - self.info.start_pts)
        self.info = replace(
            self.info, duration_pts=ticks, duration=float(ticks * self.info.time_base)
        )

    def duration(self) -> Fraction | None:
        """Exact seconds from the first shown frame to the end of the last, as far as known."""
        ticks = self.info.duration_pts
        return None if ticks is None else ticks * self.info.time_base

    def times(self, sampling: Sampling) -> tuple[tuple[Fraction, ...], Fraction | None]:
        """The instants a request means, and the duration as far as it is known (seconds)."""
        cancelling.check()
        if sampling.needs_duration:
            self.find_end()
        duration = self.duration()
        return sampling.times(duration), duration

    @property
    def threads(self) -> int:
        """How many threads a call may use."""
        return min(self._threads or BUDGET.size, BUDGET.size)

    def no_frame(self, times: Sequence[Fraction]) -> NoFrameAtTarget:
        """What to raise when none of ``times`` (seconds) could be answered."""
        return NoFrameAtTarget(
            f"{self.name}: no sound frame for {len(times)} of the times asked for, "
            f"from {float(times[0]):g} s",
            stage="decode",
            times=[float(t) for t in times[:10]],
        )

    @property
    def typical_frame(self) -> Fraction:
        """Seconds a frame is shown, for estimates only. Some containers (Matroska, FLV) give the
        rate of their clock instead of that of the frames."""
        rate = self.info.average_rate
        return 1 / rate if rate and rate <= _FASTEST else _ORDINARY

    def _clock(self) -> StreamClock:
        info = self.info
        return StreamClock(
            start_pts=info.start_pts,
            time_base=info.time_base,
            frame=max(1, round(self.typical_frame / info.time_base)),
        )

    def plan(
        self,
        call: Call,
        times: Sequence[Fraction],
        accuracy: str | Fraction,
        distinct: bool = False,
    ) -> Plan:
        """What to do for ``times``; decodes nothing."""
        call.demuxer.prepare_index()
        return make_plan(times, call.demuxer.index, self._clock(), accuracy, distinct=distinct)

    def raw(self, delivery: Delivery, options: PictureOptions) -> RawFrame:
        """A delivered frame with its meaning. Raises ``LimitExceeded`` when it is too large."""
        info = self.info
        frame = raw_frame(
            delivery.frame,
            color=info.color,
            sample_aspect_ratio=info.sample_aspect_ratio,
            orientation=info.orientation,
            field_order=info.field_order,
            light=info.light,
            notes=self._notes,
            keyframe=delivery.keyframe,
            pts=delivery.pts,
            time_base=info.time_base,
        )
        if not options.deinterlace:
            frame = replace(frame, field_order="progressive")
        if not options.tone_map and frame.color.is_hdr:
            frame = replace(frame, color=replace(frame.color, transfer=None))
        allowed = self.limits.max_pixels
        if allowed is not None and frame.size.width * frame.size.height > allowed:
            raise LimitExceeded(
                f"a frame of {frame.size.width}x{frame.size.height} exceeds {allowed} pixels",
                stage="decode", limit="max_pixels", allowed=allowed,
                seen=frame.size.width * frame.size.height,
            )  # fmt: skip
        return frame

    def view(
        self,
        coded: Size,
        options: PictureOptions,
        frame: RawFrame | None = None,
        align: int = 1,
        focus: tuple[float, float] = (0.5, 0.5),
    ) -> View:
        """How a frame of ``coded`` size becomes the picture asked for; ``focus``: of "smart"."""
        info = self.info
        return make_view(
            coded,
            frame.sample_aspect_ratio if frame else info.sample_aspect_ratio,
            frame.orientation if frame else info.orientation,
            width=options.box[0],
            height=options.box[1],
            fit=options.fit,
            align=align,
            # A stream may change its size on the way; the crop was meant for the first.
            crop=info.crop if coded == info.coded_size else None,
            background=options.background,
            focus=focus,
        )
