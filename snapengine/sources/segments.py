"""Videos in pieces: segments of HLS and DASH, each a small file of its own."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol, runtime_checkable

from .base import MeteredSource, PlannedSource
from .meter import Meter


class Segment(NamedTuple):
    """When a segment is shown, as the manifest says: seconds from the beginning of the video.

    ``run`` counts the places before it where stamps begin anew. ``init`` numbers what stands before
    its bytes (``EXT-X-MAP``, an initialization segment): equal numbers, equal bytes. ``missing``:
    the manifest says that there is nothing to fetch (``EXT-X-GAP``).
    """

    start: Fraction
    duration: Fraction
    run: int = 0
    init: int = 0
    missing: bool = False


@runtime_checkable
class SegmentedSource(PlannedSource, Protocol):
    """One rendition of a manifest. Thread-safe.

    ``size`` is ``None``; as a plain source it has the bytes of its first segment. ``kind``: "hls"
    or "dash". ``anchors`` belongs to those who demux: for each run the ticks to add to its stamps.
    """

    @property
    def kind(self) -> str: ...

    @property
    def segments(self) -> Sequence[Segment]: ...

    @property
    def anchors(self) -> dict[int, int]: ...

    def init(self, number: int, meter: Meter) -> bytes:
        """What stands before the bytes of segment ``number``."""
        ...

    def segment(self, number: int, meter: Meter) -> bytes:
        """All bytes of one segment. Blocks until they are here."""
        ...

    def expect_segments(self, numbers: Sequence[int], meter: Meter) -> None:
        """These are going to be read, in this order: begin to fetch them. Does not block."""
        ...


class MeteredSegments(MeteredSource):
    """A :class:`SegmentedSource` on behalf of one call at a time: that of ``meter``."""

    def __init__(self, source: SegmentedSource, meter: Meter) -> None:
        super().__init__(source, meter)
        self.parts = source
        #: about how far keyframes are apart (seconds), as those who demux have found
        self.key_interval = Fraction(0)

    @property
    def segments(self) -> Sequence[Segment]:
        return self.parts.segments

    @property
    def duration(self) -> Fraction:
        """Seconds from the beginning of the first segment to the end of the last."""
        last = self.segments[-1]
        return last.start + last.duration

    def segment(self, number: int) -> bytes:
        """All bytes of one segment."""
        return self.parts.segment(number, self.meter)

    def init(self, number: int) -> bytes:
        """What stands before the bytes of a segment."""
        return self.parts.init(number, self.meter)

    def at(self, seconds: Fraction) -> int:
        """Number of the segment that is shown at ``seconds``; the first or last beyond the ends."""
        number = bisect.bisect_right(self.segments, seconds, key=lambda s: s.start) - 1
        return max(0, number)

    def expect_times(self, times: Sequence[tuple[Fraction, bool]]) -> None:
        """The segments that hold these instants (seconds) are going to be read, in this order.

        With each instant: whether the keyframe nearest to it is wanted, which may be the first of
        the next segment.
        """
        numbers: dict[int, None] = {}
        for time, nearest in times:
            numbers[self.at(time)] = None
            if nearest:
                numbers[self.at(time + self.key_interval / 2)] = None
        self.parts.expect_segments(list(numbers), self.meter)


def lend(source: PlannedSource, meter: Meter) -> MeteredSource:
    """A planned source for the use of one call at a time."""
    if isinstance(source, SegmentedSource):
        return MeteredSegments(source, meter)
    return MeteredSource(source, meter)
