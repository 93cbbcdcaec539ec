"""Goes ahead of a demuxer in a file without an index: where to land, and what will be read.

libavformat finds a time in such a file by trial, one read after the other. Here the places of many
targets are found together (:class:`~.search.Search`), and what decoding them reads is announced to
the source, a few dozen targets ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from ..model.plan import Target
from ..sources.base import ByteRange, MeteredSource, Source, expect
from ..sources.segments import MeteredSegments
from .flv import FlvForm
from .opener import OpenedContainer
from .places import Form, Mark
from .ranges import merge
from .search import Goal, Search
from .transport import TransportForm

#: Targets whose places are found roughly at a time, and those that are fetched ahead.
_ROUGH, _CHUNK = 128, 32
#: Bytes fetched ahead, about; a part of what a remote file keeps.
_CHUNK_BYTES: Final = 20 << 20
#: Without an index targets at most so many seconds apart are reached by reading on.
_READ_ON_SECONDS = 3
_TICK: Final = Fraction(1, 90_000)
_MICROSECONDS = 1_000_000


class Scout:
    """For one demuxer; same thread rule. ``strict``: a landing must prove to be the right one."""

    def __init__(self, source: Source, form: Form, search: Search, window: int) -> None:
        self.strict = isinstance(form, TransportForm)
        self._source = source
        self._form = form
        self._search = search
        self._window = window
        self._goals: list[Goal] = []
        self._next = self._rough = 0
        self._due: int | None = None
        self._trusted = True

    @classmethod
    def of(cls, opened: OpenedContainer, *, listed: bool) -> Scout | None:
        """``None`` where the container, or its index (``listed``), is left to libavformat."""
        source, stream = opened.source, opened.stream
        size, base, start = source.size, stream.time_base, stream.start_time
        if isinstance(source, MeteredSegments) or size is None or base is None:
            return None
        form: Form | None = None
        if opened.format_name == "flv" and not listed:
            form = FlvForm.of(source)
        # libavformat finds its way in local transport streams about as fast.
        far = opened.format_name == "mpegts" and isinstance(source, MeteredSource)
        if far and base == _TICK and start is not None:
            codec = stream.codec_context.codec.canonical_name
            form = TransportForm.of(source, stream.id, codec, start)
        if form is None:
            return None
        begins = start or 0
        length = Fraction(opened.container.duration or 0, _MICROSECONDS) / base
        search = Search(source, size, form, begins=begins, ends=begins + int(length))
        return cls(source, form, search, int(_READ_ON_SECONDS / base))

    def landing(self, stamp: int) -> Mark | None:
        """The last mark at or before ``stamp`` where decoding may begin; ``None`` if libavformat
        had better look for it."""
        if not self._trusted:
            return None
        mark = self._search.landing(stamp)
        if mark is None and self._search.usable and not self.strict:
            return Mark(self._form.first, stamp)
        return mark

    def distrust(self) -> None:
        """A landing was none: from now on leave all to libavformat."""
        self._trusted = False
        self._goals.clear()
        self._due = None

    # -- ahead ------------------------------------------------------------------------------

    def plan(self, targets: Sequence[Target]) -> None:
        """These are going to be read, in this order. Of a remote file what they need is fetched."""
        self.forget()
        if self._trusted and isinstance(self._source, MeteredSource):
            kinds = [(t.pts, t.kind == "exact") for t in targets]
            self._goals = [Goal(pts, "exact" if exact else "nearest") for pts, exact in kinds]
            self._go_on()

    def forget(self) -> None:
        """The call is over."""
        self._goals, self._next, self._rough, self._due = [], 0, 0, None

    def passed(self, stamp: int) -> None:
        """The demuxer has come to ``stamp``: time to go on, perhaps."""
        if self._due is not None and stamp >= self._due:
            self._go_on()

    def _go_on(self) -> None:
        if self._next >= self._rough:
            self._rough += _ROUGH
            self._search.look(self._goals[self._next : self._rough], roughly=True)
        chunk = self._goals[self._next : self._next + self._count()]
        self._next += len(chunk)
        self._due = chunk[len(chunk) // 2].stamp if self._next < len(self._goals) else None
        self._search.look(chunk)
        ranges: list[ByteRange] = []
        before: Goal | None = None
        for goal in chunk:
            if goal.key is None or goal.end is None:
                continue
            begin = goal.key.offset
            if before is not None and goal.stamp - before.stamp <= self._window:
                begin = min(begin, before.end or begin)
            ranges.append(ByteRange(begin, goal.end - begin))
            before = goal
        expect(self._source, merge(ranges))
        self._search.announce(self._goals[self._next : min(self._rough, self._next + len(chunk))])

    def _count(self) -> int:
        """How many targets may be fetched ahead."""
        each = (self._search.period() or self._window) * self._search.rate() * 1.5
        return max(2, min(_CHUNK, int(_CHUNK_BYTES / max(1.0, each))))
