"""Damaged stretches that took long to get over, remembered so that nobody pays for them twice.

libavformat looks for the next sound place byte by byte, each time it is sent into a destroyed
stretch or comes to one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .demuxer import VideoPacket

#: Bytes read for one packet, beside its own, from which on they are remembered.
_FAR = 1 << 20
#: So many stretches are remembered.
_MOST = 64
#: What was read before a stretch comes out of libavformat's parsers up to so many packets later.
DELAYED = 4


@dataclass(slots=True)
class Stretch:
    """``packets``: those that come next, the last of them from behind it; none if it is the end."""

    since: int
    packets: list[VideoPacket] = field(default_factory=list)
    ended: bool = False

    def until(self) -> int | None:
        return None if self.ended else self.packets[-1].pts

    def holds(self, pts: int) -> bool:
        stop = self.until()
        return self.since < pts and (stop is None or pts < stop)


class Gaps:
    """The stretches that one demuxer has come to; same thread rule."""

    def __init__(self, *, lands_by_index: bool, reordered: int) -> None:
        """``reordered``: ticks that no packet is shown later than it is decoded."""
        self._lands_by_index = lands_by_index
        self._reordered = reordered
        #: by (pts, position) of the packet before
        self._behind: dict[tuple[int, int], Stretch] = {}
        self._landings: list[Stretch] = []
        #: the packet that was read last
        self._before: tuple[int, int] | None = None
        #: where a seek was sent, until a packet comes
        self._asked: int | None = None
        #: a stretch of which nothing from behind it has come yet, and the packet before it
        self._open: tuple[tuple[int, int], Stretch] | None = None

    def sought(self, stamp: int) -> None:
        """The demuxer was sent to ``stamp``."""
        self._before, self._asked, self._open = None, stamp, None

    def landing(self, stamp: int) -> Stretch | None:
        """The stretch that a seek to ``stamp`` is known to end behind.

        Entries of an index are in order: who is sent between one of them and the place it led to
        is led there too.
        """
        return next((s for s in self._landings if s.since == stamp or s.holds(stamp)), None)

    def edge(self, pts: int) -> int:
        """``pts``, or the last one before the stretch that it lies in."""
        return next((s.since for s in self._behind.values() if s.holds(pts)), pts)

    def following(self) -> Stretch | None:
        """The stretch that is known to follow the packet read last."""
        return None if self._before is None else self._behind.get(self._before)

    def way_to(self, packet: VideoPacket) -> int | None:
        """Where to seek to so that a packet out of memory comes next; ``None``: read on."""
        if not self._lands_by_index:
            return None
        if packet.is_keyframe:
            return packet.pts
        # From behind a stretch it is reached as it was before, through the stretch.
        return None if self._before is not None else self._asked

    def read(self, packet: VideoPacket | None, cost: int) -> None:
        """A packet was read, or the end reached, at the cost of so many bytes."""
        far = cost > _FAR + (0 if packet is None else 2 * packet.size)
        if far and self._lands_by_index and packet is not None and packet.pts is not None:
            # Its dts is none, or derived from what was read before the stretch.
            earliest = packet.pts - self._reordered
            packet.dts = earliest if packet.dts is None else max(earliest, packet.dts)
        if far and len(self._behind) + len(self._landings) < _MOST:
            if self._before is not None:
                self._open = self._before, Stretch(self._before[0])
            elif self._lands_by_index and self._asked is not None:
                stretch = Stretch(self._asked, [] if packet is None else [packet], packet is None)
                if packet is None or (packet.pts or 0) > self._asked:
                    self._landings.append(stretch)
        if self._open is not None:
            self._continue(packet, *self._open)
        self._asked = self._before = None
        if packet is not None and packet.pts is not None and packet.pos is not None:
            self._before = packet.pts, packet.pos

    def _continue(
        self, packet: VideoPacket | None, before: tuple[int, int], stretch: Stretch
    ) -> None:
        if packet is None:
            stretch.ended = True
        else:
            stretch.packets.append(packet)
        if packet is None or (packet.pts or 0) > stretch.since + self._reordered:
            self._behind[before] = stretch
            self._open = None
        elif len(stretch.packets) == DELAYED:
            self._open = None
