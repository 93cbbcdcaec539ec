"""Whether each packet follows the one before it. Demuxers look for the next sound place silently.

What they pass over shows in positions: AVI lists every chunk, Matroska's elements fill the file,
transport packets count. A packet in front of which data is missing is flagged ``is_corrupt``.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from .ebml import is_contiguous, segment_is_cut_off
from .joints import is_joint
from .opener import OpenedContainer

if TYPE_CHECKING:
    from .demuxer import VideoPacket

#: Bytes of an AVI chunk before its data: its name and size.
_CHUNK_HEAD = 8
#: Bytes of a Matroska block before its data: track number (one byte up to 127), time, flags.
_BLOCK_HEAD = 4
#: Two blocks nearer to each other than this have lost none between them.
_BLOCK_GAP = 256


class Continuity:
    """Watches the packets of one demuxer, in the order they are read; same thread rule."""

    def __init__(self, opened: OpenedContainer) -> None:
        self._opened = opened
        entries = opened.stream.index_entries
        self._entries = entries if opened.format_name == "avi" and len(entries) else None
        # Parts of packets may be stored elsewhere (header stripping): then positions tell nothing,
        # which two blocks in a row show.
        self._blocks = "matroska" in opened.format_name
        self._calibrated = False
        self.restart()

    def restart(self) -> None:
        """After a seek."""
        self._broken = False
        self._moved = 0
        self._end: int | None = None
        self._latest: int | None = None

    def follow(self, packet: VideoPacket) -> None:
        """Flag the packet if it does not follow the one before; give it its own number in AVI."""
        # libavformat flags the packet that was open when it found data missing; what is left of
        # those behind it comes with the next one, under stamps that are not its own.
        if packet.is_corrupt and self._is_joint(packet):
            packet.is_corrupt = False
        broken, self._broken = self._broken, packet.is_corrupt
        if broken:
            packet.is_corrupt = True
        if self._entries is not None:
            self._place(packet)
        if self._blocks:
            self._follow_block(packet)

    def ended_early(self) -> bool:
        """Whether the data stopped where more should follow; known of Matroska alone."""
        size = self._opened.reader.size
        if not self._blocks or not self._calibrated or self._end is None or size is None:
            return False
        source = self._opened.source
        return segment_is_cut_off(source) or not is_contiguous(source, self._end, size)

    def _is_joint(self, packet: VideoPacket) -> bool:
        if self._opened.format_name != "mpegts" or packet.pos is None or packet.pos < 0:
            return False
        return is_joint(self._opened.source, packet.pos, packet.duration or 0)

    def _place(self, packet: VideoPacket) -> None:
        """AVI numbers chunks as they are read, so those behind a hole get the numbers of others."""
        assert self._entries is not None
        if packet.pos is None or packet.dts is None:
            return
        position = packet.pos - _CHUNK_HEAD
        number = self._entries.search_timestamp(packet.dts, backward=True, any_frame=True)
        if number >= 0 and self._entries[number].pos == position:
            return
        number = bisect_left(self._entries, position, key=lambda entry: entry.pos)
        if number < len(self._entries) and self._entries[number].pos == position:
            moved = self._entries[number].timestamp - packet.dts
            packet.dts += moved
            if packet.pts is not None:
                packet.pts += moved
            if moved != self._moved:
                packet.is_corrupt = True
            self._moved = moved
        else:
            packet.is_corrupt = True

    def _follow_block(self, packet: VideoPacket) -> None:
        """Looked into only where both place and time leave room for others between."""
        end, latest = self._end, self._latest
        if packet.pos is None or packet.pts is None:
            self._end = None
            return
        self._end = packet.pos + _BLOCK_HEAD + packet.size
        self._latest = packet.pts if latest is None else max(latest, packet.pts)
        if end is None or latest is None:
            return
        late = packet.pts - latest > 1.5 * (packet.duration or 0)
        if not self._calibrated and not late:
            self._calibrated = True
            self._blocks = is_contiguous(self._opened.source, end, packet.pos)
        elif (
            late
            and packet.pos - end > _BLOCK_GAP
            and not is_contiguous(self._opened.source, end, packet.pos)
        ):
            packet.is_corrupt = True
