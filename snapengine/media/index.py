"""The container's own index as a :class:`~snapengine.model.media.KeyframeIndex`.

Asked by search: ``av_index_search_timestamp`` is O(log n), walking 170,000 entries is not.
What an entry's stamp means depends on the demuxer: dts in MP4/MOV, pts in Matroska's cues. The
difference between the two at a keyframe is learned once from the first packet.
"""

from __future__ import annotations

from av.index import IndexEntry

from ..model.media import Keyframe
from .opener import OpenedContainer

#: Demuxers that list every sample while opening.
_FULL = {"mov", "mp4", "avi"}
#: Demuxers whose entries are seek points stamped with pts, read at the first seek.
_CUES = {"matroska", "webm"}


class ContainerIndex:
    """Search over the index entries of one stream. Valid while the container is open."""

    def __init__(self, opened: OpenedContainer) -> None:
        names = set(opened.format_name.split(","))
        self._entries = opened.stream.index_entries
        fragmented = opened.iso is not None and opened.iso.fragmented
        self._full = bool(names & _FULL) and not fragmented and len(self._entries) > 0
        self._cues = False
        #: cues are read by libavformat at the first seek; until :meth:`settle` they do not count
        self.wants_seek = bool(names & _CUES)
        #: pts - stamp of a keyframe's entry, learned by the probe
        self.offset = 0

    @property
    def complete(self) -> bool:
        """Whether the entries can be trusted to name the keyframes."""
        return self._full or self._cues

    @property
    def exhaustive(self) -> bool:
        """Whether every packet is listed, so that keyframe flags come from the same table."""
        return self._full

    def settle(self) -> None:
        """Decide, right after the first seek, whether cues came. Later entries do not count: they
        are only the keyframes that happened to be read."""
        self._cues = self.wants_seek and len(self._entries) > 1
        self.wants_seek = False

    def distrust(self) -> None:
        """The entries turned out not to be keyframes (cues of a careless muxer): search instead."""
        self._full = self._cues = False

    @property
    def first_stamp(self) -> int | None:
        """Stamp of the first entry."""
        return self._entries[0].timestamp if self._full and len(self._entries) else None

    @property
    def end_stamp(self) -> int | None:
        """Stamp of the last entry, keyframe or not; ``None`` when samples are not all listed."""
        return self._entries[len(self._entries) - 1].timestamp if self._full else None

    @property
    def last_stamp(self) -> int | None:
        """Stamp of the last keyframe's entry."""
        if not self.complete:
            return None
        found = self._entries.search_timestamp(1 << 62, backward=True)
        return self._entries[found].timestamp if found >= 0 else None

    def floor(self, pts: int) -> Keyframe | None:
        """The last listed keyframe at or before ``pts``."""
        if not self.complete:
            return None
        return self._at(self._entries.search_timestamp(pts - self.offset, backward=True))

    def ceil(self, pts: int) -> Keyframe | None:
        """The first listed keyframe at or after ``pts``."""
        if not self.complete:
            return None
        return self._at(self._entries.search_timestamp(pts - self.offset, backward=False))

    def _at(self, number: int) -> Keyframe | None:
        if number < 0:
            return None
        entry: IndexEntry = self._entries[number]
        if not entry.is_keyframe:
            return None
        return Keyframe(
            pts=entry.timestamp + self.offset,
            stamp=entry.timestamp,
            pos=entry.pos,
            size=entry.size or None,
        )

    def entries_between(self, start: int, stop: int) -> int | None:
        """How many packets lie from dts ``start`` to ``stop``; ``None`` without a full index."""
        if not self._full:
            return None
        first = self._entries.search_timestamp(start, backward=True, any_frame=True)
        last = self._entries.search_timestamp(stop, backward=True, any_frame=True)
        return last - first if first >= 0 and last >= 0 else None

    def bytes_between(self, start: int, stop: int) -> int | None:
        """Bytes of the packets shown from ``start`` up to and including ``stop`` (pts)."""
        if not self._full:
            return None
        first = self._entries.search_timestamp(start - self.offset, backward=True, any_frame=True)
        last = self._entries.search_timestamp(stop, backward=True, any_frame=True)
        if first < 0 or last < first:
            return None
        if last - first > 4096:  # an estimate need not add up a whole film
            head, tail = self._entries[first], self._entries[last]
            return max(0, tail.pos + tail.size - head.pos)
        return sum(self._entries[i].size for i in range(first, last + 1))
