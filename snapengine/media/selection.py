"""Which packets a decoder must see to show the wanted frames, decided from stamps alone.

Pure logic over packets (anything with ``pts``, ``dts``, ``is_keyframe``, ``is_discard``, ``size``),
in decode order. The frame shown at an instant t is the one with the largest pts <= t. A packet is
therefore *wanted* when no other packet lies between it and some target, which is known as soon as
either such a packet was read, or the decode clock has passed the target (dts > t: because
pts >= dts, nothing that follows can be shown at or before t)::

    decode order   I0 P3 b1 b2 P6 b4 b5      target t = 4.5
    pts             0  3  1  2  6  4  5
    b4 is wanted when b5 (dts 6 > 4.5 or pts 5 > t) was read; b1, b2 are skippable: P3 is later.

Everything after the last wanted packet is handed back, not sent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Generic, Protocol, TypeVar


class PacketLike(Protocol):
    """The fields of a packet that selection looks at; stamps in stream ticks."""

    @property
    def pts(self) -> int | None: ...

    @property
    def dts(self) -> int | None: ...

    @property
    def size(self) -> int: ...

    @property
    def is_keyframe(self) -> bool: ...

    @property
    def is_discard(self) -> bool: ...


P = TypeVar("P", bound=PacketLike)


class Action(Enum):
    """What to do with a packet."""

    SEND = "send"  # decode it, whatever it is
    SKIP = "skip"  # the decoder may pass over it unless it is a reference
    WANT = "want"  # its frame is one of those asked for


class Selector(Generic[P]):
    """Turns packets in decode order into (packet, action) pairs for sorted ``targets`` (ticks).

    ``field_pairs``: two packets may make one frame (interlaced), so the packet after a wanted one
    is sent as well and nothing is skipped. ``reliable`` becomes false when stamps are missing or
    contradict each other; then every packet is sent and the caller must watch the frames' pts.
    """

    def __init__(
        self, targets: Sequence[int], *, field_pairs: bool = False, reliable: bool = True
    ) -> None:
        self.targets = list(targets)
        self.field_pairs = field_pairs
        self.reliable = reliable
        self.done = False
        self.sent = False
        #: packets read and not sent, oldest first: what the next run may begin with
        self.unsent: deque[P] = deque()
        self._best: list[int | None] = [None] * len(self.targets)
        self._closed = 0  # targets[:closed] can get no better packet
        self._undecided: deque[tuple[P, int]] = deque()
        self._settled: list[tuple[P, Action]] = []  # decided, behind the last wanted one
        self._companion = False
        self.held_bytes = 0

    def approach(self, packet: P) -> Iterator[tuple[P, Action]]:
        """Decide what the mere arrival of a keyframe decides, before :meth:`push`."""
        pts = packet.pts
        if not packet.is_keyframe or pts is None or packet.is_discard or not self.reliable:
            return
        self._note(pts)
        self._close(packet.dts)
        yield from self._settle()

    def _note(self, pts: int) -> int:
        """Enter a stamp into its bucket; returns the bucket, -1 beyond the last target."""
        bucket = bisect_left(self.targets, pts)
        if bucket == len(self.targets):
            return -1
        best = self._best[bucket]
        self._best[bucket] = pts if best is None else max(best, pts)
        return bucket

    def _close(self, dts: int | None) -> None:
        """Targets that the decode clock has passed can get no better packet."""
        if dts is not None:
            while self._closed < len(self.targets) and dts > self.targets[self._closed]:
                self._closed += 1

    def starts_afresh(self, packet: P) -> bool:
        """Whether decoding may start anew at ``packet`` with everything still held dropped.

        To be asked after :meth:`approach`. True for a keyframe at or before the next open target,
        when no packet that is still held can be wanted.
        """
        if not (packet.is_keyframe and self.reliable and not packet.is_discard):
            return False
        pts = packet.pts
        if pts is None or self._closed >= len(self.targets) or pts > self.targets[self._closed]:
            return False
        if self._companion:
            return False
        return not self._has_wanted() and all(
            p.pts is None or p.pts < pts for p, _ in self._undecided
        )

    def restart(self) -> list[int]:
        """Drop what is held; returns the targets that were answered before this point."""
        answered = self.targets[: self._closed]
        self.targets = self.targets[self._closed :]
        self._best = self._best[self._closed :]
        self._closed = 0
        self._undecided.clear()
        self._settled.clear()
        self.held_bytes = 0
        self.sent = False
        return answered

    def push(self, packet: P) -> Iterator[tuple[P, Action]]:
        """Take the next packet; yields the pairs that have become ready, in decode order."""
        self.held_bytes += packet.size
        pts, dts = packet.pts, packet.dts
        if self._companion:
            # The second field of a wanted frame follows it at once in decode order.
            self._companion = False
            yield self._emit(packet, Action.SEND)
            pts = None
        elif pts is None and self.field_pairs:
            self._undecided.append((packet, -1))
        elif pts is None or (dts is not None and pts < dts and not packet.is_discard):
            self.reliable = False
            self._undecided.append((packet, -1))
        elif packet.is_discard:
            self._undecided.append((packet, -1))
        else:
            self._undecided.append((packet, self._note(pts)))
        # What an edit list discards may run ahead of what is played after it.
        self._close(None if packet.is_discard else dts)
        if not self.reliable:
            yield from self._release_all()
            return
        yield from self._settle()
        if self._closed == len(self.targets) and not self._companion and not self._has_wanted():
            self._finish()

    def end(self) -> Iterator[tuple[P, Action]]:
        """The stream is over: everything can be decided."""
        self._closed = len(self.targets)
        if self.reliable:
            yield from self._settle()
            self._finish()
        else:
            yield from self._release_all()
            self.done = True

    def release(self) -> Iterator[tuple[P, Action]]:
        """Send what is already decided, to bound memory: the held part has become too large."""
        ready, self._settled = self._settled, []
        for packet, action in ready:
            yield self._emit(packet, action)

    def _emit(self, packet: P, action: Action) -> tuple[P, Action]:
        self.sent = True
        self.held_bytes -= packet.size
        return packet, Action.SEND if self.field_pairs and action is Action.SKIP else action

    def _settle(self) -> Iterator[tuple[P, Action]]:
        while self._undecided:
            packet, bucket = self._undecided[0]
            if bucket < 0 or packet.pts != self._best[bucket]:
                action = Action.SKIP
            elif bucket < self._closed:
                action = Action.WANT
            else:
                return
            self._undecided.popleft()
            self._settled.append((packet, action))
            if action is Action.WANT:
                yield from self.release()
                if self.field_pairs:
                    # The second field goes along, unless what follows is wanted for itself: then
                    # it is another frame, and takes its own companion with it.
                    if not self._undecided:
                        self._companion = True
                    elif not self._may_be_wanted(*self._undecided[0]):
                        yield self._emit(self._undecided.popleft()[0], Action.SEND)

    def _release_all(self) -> Iterator[tuple[P, Action]]:
        for packet, _ in self._settled:
            yield self._emit(packet, Action.SEND)
        for packet, _ in self._undecided:
            yield self._emit(packet, Action.SEND)
        self._settled.clear()
        self._undecided.clear()

    def _has_wanted(self) -> bool:
        """Whether a packet that is or may become wanted is still held."""
        return any(self._may_be_wanted(packet, bucket) for packet, bucket in self._undecided)

    def _may_be_wanted(self, packet: P, bucket: int) -> bool:
        return bucket >= 0 and packet.pts == self._best[bucket]

    def _finish(self) -> None:
        self.done = True
        self.unsent.extend(packet for packet, _ in self._settled)
        self.unsent.extend(packet for packet, _ in self._undecided)
        self._settled.clear()
        self._undecided.clear()
