"""Where a stream ends, when its header does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SeekFailed

if TYPE_CHECKING:
    from .demuxer import Demuxer


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
