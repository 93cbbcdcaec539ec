"""Which decoded frame answers which target. Decided by the frames' own pts, never by counting."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from av.video.frame import VideoFrame

from ..model.plan import Target
from .demuxer import VideoPacket

#: So many frames wait for what follows before they are given in place of others.
_MAX_LATE = 16
#: Codecs of which every packet shows a frame. Others hide some (VP8), repeat one by an empty packet
#: (MPEG-4), or drop pictures by right (H.264, HEVC).
_EVERY_SHOWN = frozenset({"av1", "mjpeg", "mpeg1video", "mpeg2video", "prores"})
#: Codecs of which the loss of a picture may go unnoticed by the pictures predicted from it.
_PREDICTING = frozenset({"av1", "mpeg1video", "mpeg2video"})
#: AV_PICTURE_TYPE_I; _P, _B and _S.
_INTRA, _PREDICTED = 1, (2, 3, 4)


@dataclass(slots=True)
class Delivery:
    """One frame and the targets it answers.

    ``exact``: proved to be the frame that was asked for: the one shown at the target, or the
    keyframe where that was wanted. ``corrupt``: parts of it, or of what it was predicted from, had
    to be made up. ``keyframe``: its packet was marked as one.
    """

    frame: VideoFrame
    pts: int
    targets: list[Target]
    exact: bool
    corrupt: bool = False
    keyframe: bool = False

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


class Picker:
    """Matches frames, which come in order of presentation, with targets.

    A frame answers every target from its own pts up to the next relevant frame's. With
    ``proved_only`` only frames of wanted packets are relevant (others may be missing around them).
    """

    def __init__(
        self,
        targets: list[Target],
        *,
        proved_only: bool,
        reliable: bool,
        from_start: bool,
        key_only: bool,
        rebuilds_pts: bool,
        delay: int = 0,
        codec: str = "",
        gullible: bool = False,
        gaps: list[int] | None = None,
        cut: int | None = None,
    ) -> None:
        self._open = list(targets)
        self._key_only = key_only
        self._proved_only = proved_only
        self._reliable = reliable
        self._from_start = from_start
        self._held: tuple[VideoFrame, int, bool] | None = None
        self._gaps = [] if gaps is None else gaps
        self._cut = cut
        self._every_shown = codec in _EVERY_SHOWN
        self._gullible = gullible and not from_start
        #: whether the batch began at a keyframe that is none
        self.false_start = False
        self._tracks_losses = codec in _PREDICTING
        #: pts of packets that were sent whole and whose frames have not come out
        self._due: list[int] = []
        self._tainted = False  # a damaged frame was seen since the last sound keyframe
        self._errors = 0
        self._damaged: set[int] = set()
        #: place of every packet in the order of decoding, by pts
        self._order: dict[int, int] = {}
        #: frames that may still turn out to be predicted from a damaged one that is shown later:
        #: with the number of frames that had come out by then
        self._queue: deque[tuple[int, Delivery]] = deque()
        self._delay = 0 if key_only else delay
        self._frames = 0
        self._seen: set[int] = set()
        #: pts of the keyframes sent, and whether the first of them came out late
        self._keys: list[int] = []
        self._gradual: bool | None = None
        #: stamps of decode order not yet given to a frame, when there are no others
        self._stamps: list[int] | None = [] if rebuilds_pts else None
        #: pts of the keyframe that counting starts from, until it comes out
        self._anchor: int | None = None
        self.packets = 0
        #: pts of packets whose frames were asked for, as far as they have been sent
        self.wanted: list[int] = []
        #: frames given in place of wanted ones that did not come, or not yet
        self._late: deque[Delivery] = deque()
        #: whether the decoder learned, after the batch began, that pictures are reordered farther
        self.disordered = False

    @property
    def satisfied(self) -> bool:
        return not (self._open or self._late or self._queue)

    def sent(self, packet: VideoPacket, *, damaged: bool = False) -> None:
        """A packet was given to the decoder. ``damaged``: what it holds is known to be unsound."""
        if packet.pts is not None:
            self._order[packet.pts] = self.packets
            if damaged:
                self._damaged.add(packet.pts)
        self.packets += 1
        if packet.is_corrupt and packet.pts is not None:
            self._gaps.append(packet.pts)
        if self._stamps is not None and packet.dts is not None:
            heapq.heappush(self._stamps, packet.dts)
        if packet.is_keyframe and packet.pts is not None and not packet.is_discard:
            if self._stamps is not None and not self._keys and not self._from_start:
                self._anchor = packet.pts
            self._keys.append(packet.pts)

    def expect(self, packet: VideoPacket) -> None:
        """A packet was given to the decoder whole, so a frame must come of it."""
        if self._tracks_losses and packet.pts is not None and not packet.is_discard:
            heapq.heappush(self._due, packet.pts)

    def _lost_before(self, pts: int) -> bool:
        """Whether a frame that should have come out before ``pts`` did not: what follows may be
        predicted from something else in its place, without the decoder's noticing."""
        lost = False
        while self._due and self._due[0] <= pts:
            due = heapq.heappop(self._due)
            # Pictures shown before the first keyframe (RASL) are dropped by right.
            lost |= due < pts and bool(self._keys) and due >= self._keys[0]
        return lost

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
        """The next frame came out; yields what can be delivered by now."""
        self._frames += 1
        for delivery in self._match(frame, errors):
            self._queue.append((self._frames, delivery))
        if frame.is_corrupt:
            self._taint_waiting(frame)
        while self._queue and self._frames - self._queue[0][0] >= self._delay:
            yield self._queue.popleft()[1]

    def _taint_waiting(self, damaged: VideoFrame) -> None:
        """What was decoded after a damaged frame, and is shown before it, may be made from it."""
        place = self._order.get(damaged.pts if damaged.pts is not None else -1, -1)

        def reached(frame: VideoFrame, pts: int) -> bool:
            return not frame.key_frame and self._order.get(pts, place + 1) > place

        if self._held is not None and reached(*self._held[:2]):
            self._held = (*self._held[:2], True)
        for delivery in self._late:
            delivery.corrupt |= reached(delivery.frame, delivery.pts)
        for number, delivery in list(self._queue):
            if reached(delivery.frame, delivery.pts):
                delivery.corrupt = True
                if self._proved_only:
                    self._queue.remove((number, delivery))

    def _match(self, frame: VideoFrame, errors: int) -> Iterator[Delivery]:
        pts = frame.pts if frame.pts is not None else frame.dts
        if self._anchor is not None:
            if not frame.key_frame:
                return  # predicted from pictures before the keyframe
            pts, self._anchor = self._anchor, None
            while self._stamps and self._stamps[0] <= pts:
                heapq.heappop(self._stamps)
        elif self._stamps:
            # Reordering permutes frames, never instants: the k-th frame shown has the k-th stamp,
            # counted from the start or from a keyframe.
            pts = heapq.heappop(self._stamps)
        if pts is None:
            return
        if self._recovering(pts):
            return
        if self._gullible:
            # Until a picture comes that stands on its own. What does not say what it is may be
            # made up (MPEG-4: in place of a reference).
            self._gullible = int(frame.pict_type) != _INTRA
            self.false_start |= int(frame.pict_type) in _PREDICTED
        corrupt = self._is_tainted(frame, errors, self._lost_before(pts))
        if self._key_only:
            # One keyframe was sent and whatever comes of it is the answer to all.
            mine, self._open = self._open, []
            if mine:
                yield self._delivery(frame, pts, mine, errors == 0, corrupt)
            return
        if self._proved_only and pts not in self.wanted:
            return
        if self._held is None:
            if self._from_start and not self._proved_only:
                # Before the first frame the first frame is shown.
                early = [t for t in self._open if t.wanted < pts]
                if early:
                    self._open = self._open[len(early) :]
                    yield self._delivery(frame, pts, early, errors == 0, corrupt)
        elif pts > self._held[1]:
            yield from self._answer(pts, errors)
        else:
            return  # a decoder that goes back in time: a leftover of broken stamps
        self._held = frame, pts, corrupt
        self._seen.add(pts)

    def _delivery(
        self, frame: VideoFrame, pts: int, targets: list[Target], exact: bool, corrupt: bool
    ) -> Delivery:
        # Some decoders (libvpx, QuickTime RLE) do not mark their frames. Where pts were rebuilt
        # the packets' say nothing.
        marked = frame.key_frame or (self._stamps is None and pts in self._keys)
        return Delivery(frame, pts, targets, exact and not self.false_start, corrupt, marked)

    def _is_tainted(self, frame: VideoFrame, errors: int, lost: bool) -> bool:
        """Whether a frame is damaged, or was predicted from one that is.

        What a decoder makes up depends on the pictures it saw before. So a damaged frame is never
        taken as proved where pictures were passed over: it is decoded again with all of them.
        """
        # Frames come out later than their packets: a keyframe behind damage may itself be damaged.
        if frame.is_corrupt or errors > self._errors or frame.pts in self._damaged:
            self._tainted = True
        elif frame.key_frame and (self._stamps is not None or frame.pts in self._keys):
            self._tainted = False
        elif lost:
            self._tainted = True
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
        meant = not self._reliable or pts in self.wanted
        proved = [t for t in mine if meant and not any(w <= t.wanted for w in lost)]
        doubtful = [t for t in mine if t not in proved]
        # What was shown between this frame and the next may be what is missing.
        gap = any(pts < g and (before is None or g <= before) for g in self._gaps)
        gap |= self._cut is not None and (before is None or before > self._cut)
        uncertain = [t for t in proved if gap and t.wanted > pts]
        proved = [t for t in proved if t not in uncertain]
        if uncertain and not self._proved_only:
            yield self._delivery(frame, pts, uncertain, False, corrupt)
        if proved and not (corrupt and self._proved_only):
            # Counted stamps are those of other frames once one is missing.
            counted = errors > 0 and self._stamps is not None
            yield self._delivery(frame, pts, proved, not counted, corrupt)
        if doubtful and not self._proved_only:
            self._late.append(self._delivery(frame, pts, doubtful, True, corrupt))
            if len(self._late) > _MAX_LATE:
                yield self._judged(self._late.popleft(), errors)

    def _judged(self, delivery: Delivery, errors: int) -> Delivery:
        """The wanted packet gave no frame: it was hidden (VP8 golden frames), half of one (fields),
        or a player never shows it. Unless something was damaged, or came too late for the order
        of presentation that the decoder believed in."""
        delivery.exact = errors == 0 and not self.disordered and not self._every_shown
        return delivery

    def end(self, errors: int, truncated: bool) -> Iterator[Delivery]:
        """No more frames: the last one is shown until the end, if this is the end."""
        last = list(self._answer(None, errors)) if self._held is not None else []
        last += [self._judged(delivery, errors) for delivery in self._late]
        self._late.clear()
        for delivery in last:
            if truncated and any(t.wanted > delivery.pts for t in delivery.targets):
                delivery.exact = False
        waiting = [delivery for _, delivery in self._queue]
        self._queue.clear()
        yield from (*waiting, *last)
