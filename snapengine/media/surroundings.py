"""Which keyframes lie around an instant of a stream without an index, as reading finds them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

from .demuxer import VideoPacket


@dataclass(slots=True)
class Neighbour:
    """A keyframe that was read, the packet after it (in field-coded video its second field), and
    the smallest pts above its own among the packets behind it: until then it is shown."""

    packet: VideoPacket
    pts: int
    companion: VideoPacket | None = None
    following: int | None = None

    def see(self, packet: VideoPacket) -> None:
        """Take note of a packet read after it."""
        if self.companion is None:
            self.companion = packet
        if packet.pts is not None and packet.pts > self.pts and not packet.is_discard:
            self.following = min(packet.pts, self.following or packet.pts)

    def shown_at(self, pts: int) -> bool:
        """Whether it is the frame shown at ``pts``, as far as packets have been seen."""
        return self.pts <= pts and (self.following is None or pts < self.following)


@dataclass(slots=True)
class Surroundings:
    """The keyframes around a place that moves forward through the stream.

    ``clock`` is the decode time up to which packets have been seen.
    """

    clock: int | None = None
    ended: bool = False
    _known: deque[Neighbour] = field(default_factory=deque)

    def forget(self) -> None:
        """The place to read from has changed."""
        self.clock = None
        self.ended = False
        self._known.clear()

    def add(self, packet: VideoPacket) -> None:
        """Take note of the next packet."""
        for neighbour in self._known:
            neighbour.see(packet)
        if packet.is_keyframe and packet.pts is not None and not packet.is_discard:
            self._known.append(Neighbour(packet, packet.pts))
        stamp = packet.dts if packet.dts is not None else packet.pts
        # What an edit list discards may run ahead of what is played after it.
        if stamp is not None and not packet.is_discard:
            self.clock = stamp

    def before(self, pts: Fraction) -> Neighbour | None:
        """The last known keyframe at or before ``pts``. Those before it are forgotten."""
        while len(self._known) > 1 and self._known[1].pts <= pts:
            self._known.popleft()
        return self._known[0] if self._known and self._known[0].pts <= pts else None

    def _after(self, pts: Fraction) -> Neighbour | None:
        return next((known for known in self._known if known.pts > pts), None)

    def covers(self, pts: Fraction) -> bool:
        """Whether nothing that could still be read is nearer to ``pts``."""
        if self.ended:
            return True
        before, after = self.before(pts), self._after(pts)
        if before is None:
            return False
        if after is not None:
            return after.companion is not None
        return self.clock is not None and self.clock - pts > pts - before.pts

    def nearest(self, pts: Fraction) -> Neighbour | None:
        """The nearer keyframe; of two equally near the earlier, as an index would find it."""
        sides = [side for side in (self.before(pts), self._after(pts)) if side is not None]
        return min(sides, key=lambda side: abs(side.pts - pts), default=None)
