"""Looking for places by seeking and reading: a keyframe before an instant, the end of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SeekFailed

if TYPE_CHECKING:
    from .demuxer import Demuxer, VideoPacket

#: First step back, in seconds, when a landing had no keyframe before the target; then doubled.
STEP_BACK_SECONDS = 1.0


def last_stamp(demuxer: Demuxer) -> tuple[int, int] | None:
    """(pts, duration) of the last frame in presentation order, by looking at the tail."""
    last = demuxer.index.last_key
    attempts: list[int] = []
    if last is not None:
        attempts.append(last.pts)
    else:
        guess = demuxer.opened.container.duration
        if guess:
            at = int(guess / 1_000_000 / demuxer.time_base) + (demuxer.start_time or 0)
            attempts += [at - demuxer.ticks(s) for s in (2.0, 10.0, 60.0)]
    for stamp in [*attempts, None]:
        try:
            if stamp is None:
                demuxer.rewind()
            else:
                demuxer.seek(stamp)
        except SeekFailed:
            continue
        best: tuple[int, int] | None = None
        before = None  # the pts shown before it
        while (packet := demuxer.next()) is not None:
            if packet.pts is None or packet.is_discard:
                continue
            found = (packet.pts, packet.duration or 0)
            if best is None or found > best:
                best, before = found, best[0] if best else None
            elif before is None or before < packet.pts < best[0]:
                before = packet.pts
        if best is not None:
            pts, length = best
            if length <= 1 and before is not None:
                length = pts - before  # a stamp of one tick says nothing; its neighbour does
            return pts, length
    return None


def seek_before(demuxer: Demuxer, pts: int, *, shown: bool = False) -> None:
    """Seek so that a keyframe at or before ``pts`` comes; steps back until one does.

    ``shown``: one that is shown, not one that an edit list keeps for decoding only.
    """
    if demuxer.keys_lie:
        demuxer.rewind()
        return
    step = 0.0
    start = demuxer.stream.start_time
    while True:
        stamp = demuxer.edge(pts) - int(step / demuxer.time_base)
        if (start is not None and stamp <= start) or step > 1e6:
            demuxer.rewind()
            return
        taken: list[VideoPacket] = []
        found = False
        step = step * 2 if step else STEP_BACK_SECONDS
        try:
            demuxer.seek(stamp)
        except SeekFailed:
            continue  # transport streams: into a stretch without packets
        while (packet := demuxer.next()) is not None:
            if not taken and not packet.is_keyframe:
                clock = packet.pts if packet.dts is None else packet.dts
                if clock is not None and clock > pts:
                    break
                continue
            taken.append(packet)
            usable = not (shown and packet.is_discard)
            found = packet.pts is not None and packet.pts <= pts and usable
            break
        if found:
            demuxer.put_back(taken)
            return
