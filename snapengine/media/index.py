"""The container's own index as a :class:`~snapengine.model.media.KeyframeIndex`.

Asked by search: ``av_index_search_timestamp`` is O(log n), walking 170,000 entries is not.
What an entry's stamp means depends on the demuxer: dts in MP4/MOV, pts in Matroska's cues. In MP4
the track's own composition offsets turn one into the other; they differ from keyframe to keyframe
where GOPs are open.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

from av.index import IndexEntry

from ..model.media import Keyframe
from ..sources.base import ByteRange
from .ebml import has_cues
from .isobmff import CompositionOffsets
from .opener import OpenedContainer

#: Demuxers that list every sample while opening.
_FULL = {"mov", "mp4", "avi"}
#: Demuxers whose entries are seek points stamped with pts, read at the first seek.
_CUES = {"matroska", "webm"}
#: Frames shown between a keyframe and a later instant are looked for among so many samples in
#: decode order; reordering reaches no farther (H.264 and HEVC: 16 frames).
_LOOK_AHEAD = 32
#: Bytes of a chunk's name and size; entries point in front of them.
_AVI_CHUNK_HEAD = 8
#: Bytes of a cluster's head, and of a little sound, in front of its first picture.
_AROUND = 2048


class ContainerIndex:
    """Search over the index entries of one stream. Valid while the container is open."""

    def __init__(self, opened: OpenedContainer) -> None:
        names = set(opened.format_name.split(","))
        self._opened = opened
        self._entries = opened.stream.index_entries
        fragmented = opened.iso is not None and opened.iso.fragmented
        # AVI does not tell how far a keyframe's pts lies behind its dts.
        unknown = "avi" in names and opened.stream.codec_context.reorder_depth > 0
        # Several edits may play the same samples twice: then stamps are not in order.
        track = opened.iso_track
        unknown |= track is not None and track.edits > 1
        self._full = bool(names & _FULL) and not (fragmented or unknown or not len(self._entries))
        self._cues = False
        self._met: deque[int] = deque(maxlen=16)
        count = len(self._entries)
        #: whether there are entries of what was not read yet; others are what was met on the way
        self.listed = count > 0 and self._entries[count - 1].pos > opened.reader.tell()
        #: cues are read by libavformat at the first seek; until :meth:`settle` they do not count
        self.wants_seek = bool(names & _CUES) and has_cues(opened.source)
        self._offset = 0
        self._least = 0  # the smallest pts - stamp of any entry
        self._composition: CompositionOffsets | None = None
        self._settled = False
        #: what :meth:`learn` was told, for other containers over the same source
        self.first_stamps: tuple[int, int] | None = None

    @property
    def complete(self) -> bool:
        """Whether the entries can be trusted to name the keyframes."""
        return self._full or self._cues

    @property
    def exhaustive(self) -> bool:
        """Whether every packet is listed, so that keyframe flags come from the same table."""
        return self._full

    def learn(self, dts: int, pts: int) -> None:
        """Tell the stamps of one packet near the start of the stream."""
        self.first_stamps = (dts, pts)
        self._offset = self._least = pts - dts if self._full else 0

    def settle(self) -> None:
        """Read what the header knows beyond the entries. Once, before the first plan.

        For cues: call right after the first seek. Later entries do not count, they are only the
        keyframes that happened to be read.
        """
        if self._settled:
            return
        self._settled = True
        if self.wants_seek:
            self._cues = len(self._entries) > 1
            self.wants_seek = False
        track = self._opened.iso_track
        if not self._full or track is None:
            return
        offsets = track.composition_offsets(self._opened.source)
        if offsets is None:
            return
        if offsets.ends[-1:].tolist() != [len(self._entries)]:
            # An edit list removes or repeats samples: entry numbers are not those of the track,
            # so nobody knows when the keyframes are shown until they are read.
            self._full = False
        else:
            dts = self.first_stamps[0] if self.first_stamps else self._entries[0].timestamp
            number = self._entries.search_timestamp(dts, backward=True, any_frame=True)
            self._offset -= offsets[max(0, number)]
            self._composition = offsets
            self._least = self._offset + int(offsets.offsets.min())

    def distrust(self) -> None:
        """The entries turned out not to be keyframes (cues of a careless muxer): search instead."""
        self._full = self._cues = self.wants_seek = False

    @property
    def first_stamp(self) -> int | None:
        """Stamp of the first entry."""
        return self._entries[0].timestamp if self._full and len(self._entries) else None

    @property
    def end_stamp(self) -> int | None:
        """Stamp of the last entry, keyframe or not; ``None`` when samples are not all listed."""
        return self._entries[len(self._entries) - 1].timestamp if self._full else None

    @property
    def last_key(self) -> Keyframe | None:
        """The last listed keyframe."""
        return self.floor(1 << 61)

    def _pts(self, number: int, entry: IndexEntry) -> int:
        composition = 0 if self._composition is None else self._composition[number]
        return entry.timestamp + self._offset + composition

    def _key(self, stamp: int, *, backward: bool) -> int:
        return self._entries.search_timestamp(stamp, backward=backward)

    def _floor(self, pts: int) -> int:
        """Number of the last keyframe entry with pts at or before ``pts``, or -1."""
        # The keyframe wanted is this one at most; its composition offset may put it later.
        number = self._key(pts - self._least, backward=True)
        while number >= 0 and self._pts(number, self._entries[number]) > pts:
            number = self._key(self._entries[number].timestamp - 1, backward=True)
        return number

    def floor(self, pts: int) -> Keyframe | None:
        """The last listed keyframe at or before ``pts``."""
        return self._at(self._floor(pts)) if self.complete else None

    def ceil(self, pts: int) -> Keyframe | None:
        """The first listed keyframe at or after ``pts``."""
        if not self.complete:
            return None
        number = self._floor(pts)
        if number < 0:
            return self._at(self._key(-(1 << 62), backward=False))
        entry = self._entries[number]
        if self._pts(number, entry) < pts:
            number = self._key(entry.timestamp + 1, backward=False)
        return self._at(number)

    def _at(self, number: int) -> Keyframe | None:
        if number < 0:
            return None
        entry = self._entries[number]
        if not entry.is_keyframe:
            return None
        return Keyframe(
            pts=self._pts(number, entry),
            stamp=entry.timestamp,
            pos=entry.pos,
            size=entry.size or None,
            shown=not entry.is_discard,
        )

    def shown_until(self, key: Keyframe, pts: int) -> bool | None:
        """Whether ``key`` is still shown at ``pts``: no frame has a pts between.

        ``None`` when the index does not list every frame.
        """
        if pts < key.pts:
            return False
        if not self._full:
            return None
        number = self._key(key.stamp, backward=True)
        for other in range(number + 1, min(number + _LOOK_AHEAD, len(self._entries))):
            entry = self._entries[other]
            if entry.timestamp > pts:
                break
            if not entry.is_discard and key.pts < self._pts(other, entry) <= pts:
                return False
        else:
            return number + _LOOK_AHEAD > len(self._entries)
        return True

    def entries_between(self, start: int, stop: int) -> int | None:
        """How many packets lie from dts ``start`` to ``stop``; ``None`` without a full index."""
        if not self._full:
            return None
        first = self._entries.search_timestamp(start, backward=True, any_frame=True)
        last = self._entries.search_timestamp(stop, backward=True, any_frame=True)
        return last - first if first >= 0 and last >= 0 else None

    def ranges(
        self, key: Keyframe, wanted: Sequence[int] = (), *, more: int = 0
    ) -> list[ByteRange]:
        """Where the packets lie that are read for ``key``, and on up to the frames shown at
        ``wanted`` (pts, sorted). ``more``: so many beyond. Nothing where the index does not tell.
        """
        if self._cues:
            return self._about(key, wanted[-1] if wanted else None)
        if not self._full:
            return []
        first = self._key(key.stamp, backward=True)
        if first < 0:
            return []
        count = len(self._entries)
        stop = first + 1
        if wanted:
            last = self._last_shown(wanted)
            if last is None:
                behind = self._entries.search_timestamp(wanted[-1], backward=True, any_frame=True)
                last = behind + 1
            stop = last + 1
        stop = min(max(stop, first + 1) + more, count)
        head = _AVI_CHUNK_HEAD if self._opened.format_name == "avi" else 0
        found: list[ByteRange] = []
        for number in range(first, stop):
            entry = self._entries[number]
            found.append(ByteRange(entry.pos, entry.size + head))
        return found

    def last_needed(self, wanted: Sequence[int]) -> int | None:
        """dts of the last packet in decode order whose frame is shown at one of ``wanted`` (pts,
        sorted): nothing behind it is needed. ``None`` where stamps of entries are not those of
        packets."""
        number = self._last_shown(wanted)
        if number is None:
            return None
        dts = self._entries[number].timestamp
        # Of several with one stamp (samples of no duration), nobody knows which was read.
        for other in (number - 1, number + 1):
            if 0 <= other < len(self._entries) and self._entries[other].timestamp == dts:
                return None
        return dts

    def _last_shown(self, wanted: Sequence[int]) -> int | None:
        # An earlier one may be decoded later, but reordering reaches no farther than this.
        found: list[int] = []
        left = len(wanted)
        while left and len(found) < _LOOK_AHEAD:
            number = self._shown(wanted[left - 1])
            if number is None:
                left -= 1 if self._full else left
                continue
            found.append(number)
            # Any number of targets may mean one frame: on to those before it.
            left = bisect_left(wanted, self._pts(number, self._entries[number]), 0, left)
        return max(found, default=None)

    def _shown(self, pts: int) -> int | None:
        if not self._full or self._opened.iso is None:
            return None
        latest = pts - self._least
        last = self._entries.search_timestamp(latest, backward=True, any_frame=True)
        found, best = None, 0
        for number in range(last, max(-1, last - _LOOK_AHEAD), -1):
            entry = self._entries[number]
            shown = self._pts(number, entry)
            if shown <= pts and not entry.is_discard and (found is None or shown > best):
                found, best = number, shown
        return found

    def _about(self, key: Keyframe, last: int | None) -> list[ByteRange]:
        """The same by cues. They tell where GOPs begin, not how large keyframes are: those are
        taken to be as large as the ones met so far; what is missing is read when it is missed."""
        if key.pos is None:
            return []
        size = self.usual_key
        following = self.ceil(key.pts + 1)
        if following is None or following.pos is None or following.pos <= key.pos:
            return [ByteRange(key.pos, size)] if size else []
        gop = following.pos - key.pos
        if last is not None and last > key.pts:
            part = min(1.0, (last - key.pts) / (following.pts - key.pts))
            size += int(part * max(0, gop - size))
        return [ByteRange(key.pos, min(size, gop))]

    def met(self, size: int) -> None:
        """A keyframe of so many bytes was read."""
        self._met.append(size)

    @property
    def usual_key(self) -> int:
        """Bytes that hold most keyframes, judged by those that were met; 0 before any was."""
        if not self._met:
            return 0
        return sorted(self._met)[len(self._met) * 3 // 4] + _AROUND

    def bytes_between(self, key: Keyframe, stop: int) -> int | None:
        """Bytes of the packets from ``key`` on that are decoded no later than ``stop`` (pts)."""
        if not self._full:
            return None
        first = self._key(key.stamp, backward=True)
        last = self._entries.search_timestamp(stop, backward=True, any_frame=True)
        if first < 0 or last < first:
            return None
        if last - first > 4096:  # an estimate need not add up a whole film
            head, tail = self._entries[first], self._entries[last]
            return max(0, tail.pos + tail.size - head.pos)
        return sum(self._entries[i].size for i in range(first, last + 1))
