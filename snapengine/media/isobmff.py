"""A short look into an MP4/MOV header, before libavformat reads all of it.

libavformat builds the sample tables of every track while it opens a file: for a two-hour film the
audio track costs more time and memory than the video. We find the tracks that are not video by
walking box headers (ISO/IEC 14496-12) and show the demuxer a ``free`` box in their place. The
walk also yields what libavformat knows but PyAV does not tell without decoding: the display matrix.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..model.geometry import UPRIGHT, Orientation, orientation_of_matrix
from ..sources.base import ByteRange, Source, expect
from .track_facts import NO_FACTS, TrackFacts, parse_sample_entries

_TOP_LEVEL = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"uuid"}
#: A header with more top-level boxes before ``moov`` than this is not worth walking.
_MAX_BOXES = 4096
#: Sample entries take some hundred bytes; one may carry an ICC profile.
_MAX_STSD = 1 << 18
#: Frames in decode order among which the last one shown is.
_REORDERED = 32
#: So much of the first sample is looked at while a remote file is opened: parameter sets, SEI and
#: the header of the first slice stand there. A small sample is taken whole.
_GLIMPSE = 4096
_SMALL_SAMPLE = 40 << 10
#: What lies behind the media data of a remote file is its header as a rule, and fetched at once if
#: it is not more than this, or this part of the file (a film of two hours: a thousandth).
_TAIL, _TAIL_PART, _MAX_TAIL = 2 << 20, 64, 16 << 20


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    body: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTrack:
    """A video track: what its header says of its pictures, where its composition offsets lie
    (``ctts``), and how many stretches of it an edit list plays. ``plays_whole``: that list only
    shifts the track, from its first picture to its end, as nearly every muxer writes it for files
    with B-frames. ``descriptions``: sample entries; samples may change from one to the other.
    ``first_sample``: where it lies (``stco``, ``co64``), and its size (``stsz``)."""

    facts: TrackFacts
    ctts: tuple[int, int] | None
    edits: int
    plays_whole: bool
    descriptions: int = 1
    first_sample: tuple[int, int] | None = None
    #: what its only edit plays, and the ticks of a second it is counted in
    played: tuple[int, int] | None = None

    def composition_offsets(self, source: Source) -> CompositionOffsets | None:
        """pts - dts of every sample, run-length coded; ``None`` when all are shown as decoded."""
        if self.ctts is None:
            return None
        start, end = self.ctts
        data = source.read_at(start, end - start)
        if len(data) < 8:
            return None
        (count,) = struct.unpack_from(">I", data, 4)
        table = np.frombuffer(data, ">u4", min(count, (len(data) - 8) // 8) * 2, 8).reshape(-1, 2)
        # 32 bits: a film of two hours has 170,000 runs, kept as long as the video is open.
        ends = np.cumsum(table[:, 0], dtype=np.int64)
        if ends[-1:].max(initial=0) >= 1 << 31:
            return None  # a lie: more samples than stsz can list
        return CompositionOffsets(ends.astype(np.int32), table[:, 1].astype(np.int32))


@dataclass(frozen=True, slots=True, eq=False)
class CompositionOffsets:
    """``offsets[i]`` holds for the samples before number ``ends[i]``; ticks of the track."""

    ends: NDArray[np.int32]
    offsets: NDArray[np.int32]

    def __getitem__(self, sample: int) -> int:
        run = int(np.searchsorted(self.ends, sample, side="right"))
        return int(self.offsets[run]) if run < len(self.offsets) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoHeader:
    """What the walk found.

    ``patches`` hide the tracks that are not video: (offset, bytes) pairs. ``tracks`` are the video
    tracks in file order. ``fragmented``: samples lie in ``moof`` boxes, so the
    index after opening lists only what has been seen. ``media``: begin and end of the ``mdat`` that
    the first sample lies in, if it is one. ``end``: of ``moov``.
    """

    patches: tuple[tuple[int, bytes], ...]
    tracks: tuple[VideoTrack, ...]
    fragmented: bool
    media: tuple[int, int] | None = None
    end: int = 0

    @property
    def needless(self) -> tuple[int, int] | None:
        """Offsets between which lies nothing that opening must have read: behind the beginning of
        the first sample, to the end of that ``mdat``. ``None`` where the first packet is not the
        first sample, or nobody knows."""
        if len(self.tracks) != 1 or self.fragmented or self.media is None:
            return None
        (track,) = self.tracks
        if track.first_sample is None or not track.plays_whole or track.descriptions != 1:
            return None
        offset, size = track.first_sample
        needed, end = offset + (size if size <= _SMALL_SAMPLE else _GLIMPSE), self.media[1]
        return (needed, end) if needed < end else None

    @property
    def options(self) -> dict[str, str]:
        """What to tell libavformat's demuxer: its full treatment of edit lists, which rebuilds the
        whole index, only where a list cuts or repeats something."""
        whole = all(track.plays_whole for track in self.tracks)
        return {"advanced_editlist": "0"} if whole and self.tracks and not self.fragmented else {}


def read_header(source: Source) -> IsoHeader | None:
    """Walk ``moov``; ``None`` when this is no ISO BMFF file or its header is not plain."""
    if source.size is None or source.read_at(4, 4) not in _TOP_LEVEL:
        return None
    try:
        for box in _top_level(source, source.size):
            if box.kind == b"moov":
                header = _read_moov(source, box)
                return replace(header, end=box.end, media=_media_of(source, header, source.size))
    except (struct.error, ValueError):
        pass  # A damaged header is libavformat's to judge; we only meant to save it work.
    return None


def lacks_index(source: Source) -> bool:
    """Whether this is an MP4 or MOV whose ``moov`` never comes: an upload or recording cut off."""
    if source.size is None or source.read_at(4, 4) not in _TOP_LEVEL:
        return False
    try:
        return all(box.kind != b"moov" for box in _top_level(source, source.size))
    except (struct.error, ValueError):
        return False


def _top_level(source: Source, size: int) -> Iterator[_Box]:
    """The boxes of the file. Sources that plan are told what is going to be read of them."""
    for box in boxes(source, 0, size):
        if box.kind == b"moov":
            # As a rule the first sample lies right behind it.
            expect(source, [ByteRange(box.start, box.end + _GLIMPSE - box.start)])
        elif box.kind == b"mdat":
            tail = size - box.end
            if 0 < tail <= min(max(_TAIL, size // _TAIL_PART), _MAX_TAIL):
                expect(source, [ByteRange(box.end, tail)])
        yield box


def _media_of(source: Source, header: IsoHeader, size: int) -> tuple[int, int] | None:
    first = min((t.first_sample for t in header.tracks if t.first_sample is not None), default=None)
    if first is None or header.fragmented:
        return None
    for box in boxes(source, 0, size):
        if box.start <= first[0] < box.end:
            return (box.start, box.end) if box.kind == b"mdat" else None
    return None


def boxes(source: Source, start: int, end: int) -> Iterator[_Box]:
    """The boxes from ``start`` to ``end``. Raises ``ValueError``, ``struct.error``."""
    position = start
    for _ in range(_MAX_BOXES):
        if position + 8 > end:
            return
        head = source.read_at(position, 16)
        size, kind = struct.unpack_from(">I4s", head)
        body = position + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", head, 8)
            body += 8
        elif size == 0:
            size = end - position
        if size < body - position:
            raise ValueError(f"box {kind!r} at {position} claims {size} bytes")
        yield _Box(kind, position, body, min(position + size, end))
        position += size


def _find(source: Source, parent: _Box, *path: bytes) -> _Box | None:
    for name in path:
        for child in boxes(source, parent.body, parent.end):
            if child.kind == name:
                parent = child
                break
        else:
            return None
    return parent


def _read_moov(source: Source, moov: _Box) -> IsoHeader:
    patches: list[tuple[int, bytes]] = []
    tracks: list[VideoTrack] = []
    movie: tuple[int, ...] | None = None
    timescale = 0
    fragmented = False
    for box in boxes(source, moov.body, moov.end):
        if box.kind == b"mvex":
            fragmented = True
        elif box.kind == b"mvhd":
            # version/flags, times (12 or 20 bytes), duration.., rate, volume, reserved, matrix
            version = source.read_at(box.body, 1)
            movie = _matrix(source, box.body + (48 if version == b"\x01" else 36))
            (timescale,) = struct.unpack(
                ">I", source.read_at(box.body + (20 if version == b"\x01" else 12), 4)
            )
        elif box.kind == b"trak":
            handler = _find(source, box, b"mdia", b"hdlr")
            kind = source.read_at(handler.body + 8, 4) if handler else b""
            if kind == b"vide":
                edits = _edits(source, box)
                header = _find(source, box, b"tkhd")
                matrix = None
                if header is not None:
                    version = source.read_at(header.body, 1)
                    matrix = _matrix(source, header.body + (52 if version == b"\x01" else 40))
                ctts = _find(source, box, b"mdia", b"minf", b"stbl", b"ctts")
                tracks.append(
                    VideoTrack(
                        facts=replace(_facts(source, box), orientation=_combine(matrix, movie)),
                        ctts=(ctts.body, ctts.end) if ctts else None,
                        edits=1 if edits is None else sum(media >= 0 for _, media in edits),
                        plays_whole=_plays_whole(source, box, edits, ctts, timescale),
                        descriptions=_descriptions(source, box),
                        first_sample=_first_sample(source, box),
                        played=(edits[0][0], timescale) if edits and len(edits) == 1 else None,
                    )
                )
            elif kind:
                patches.append((box.start + 4, b"free"))
    if fragmented or not tracks:
        # Fragments name tracks by id; a hidden one would read as damage.
        patches = []
    return IsoHeader(
        patches=tuple(patches),
        tracks=tuple(tracks),
        fragmented=fragmented,
    )


def _facts(source: Source, track: _Box) -> TrackFacts:
    stsd = _find(source, track, b"mdia", b"minf", b"stbl", b"stsd")
    if stsd is None:
        return NO_FACTS
    return parse_sample_entries(source.read_at(stsd.body, min(stsd.end - stsd.body, _MAX_STSD)))


def _descriptions(source: Source, track: _Box) -> int:
    stsd = _find(source, track, b"mdia", b"minf", b"stbl", b"stsd")
    if stsd is None:
        return 0
    (count,) = struct.unpack(">I", source.read_at(stsd.body + 4, 4))
    return int(count)


def _first_sample(source: Source, track: _Box) -> tuple[int, int] | None:
    """Offset and size, if the tables are plain."""
    sizes = _find(source, track, b"mdia", b"minf", b"stbl", b"stsz")
    if sizes is None:
        return None
    every, count, first = struct.unpack_from(">III", source.read_at(sizes.body + 4, 12).ljust(12))
    if not count:
        return None
    for name, entry in ((b"stco", ">I"), (b"co64", ">Q")):
        table = _find(source, track, b"mdia", b"minf", b"stbl", name)
        if table is not None:
            data = source.read_at(table.body + 4, 4 + struct.calcsize(entry))
            (count,) = struct.unpack_from(">I", data)
            return (struct.unpack_from(entry, data, 4)[0], every or first) if count else None
    return None


def _edits(source: Source, track: _Box) -> list[tuple[int, int]] | None:
    """The edit list: (duration in movie ticks, media time in track ticks, -1 for an empty edit)."""
    elst = _find(source, track, b"edts", b"elst")
    if elst is None:
        return None
    version, count = struct.unpack(">B3xI", source.read_at(elst.body, 8))
    entry = struct.Struct(">qqi" if version == 1 else ">Iii")
    count = min(count, (elst.end - elst.body - 8) // entry.size, 1024)
    data = source.read_at(elst.body + 8, count * entry.size)
    return [(duration, media_time) for duration, media_time, _ in entry.iter_unpack(data)]


def _plays_whole(
    source: Source,
    track: _Box,
    edits: list[tuple[int, int]] | None,
    ctts: _Box | None,
    timescale: int,
) -> bool:
    """Whether the edit list starts at the first picture shown and reaches to the end."""
    if not edits:
        return True
    mdhd = _find(source, track, b"mdia", b"mdhd")
    if len(edits) != 1 or mdhd is None or not timescale:
        return False
    duration, media_time = edits[0]
    first = 0
    if ctts is not None:
        (count, _, first) = struct.unpack(">4xIIi", source.read_at(ctts.body, 16))
        if not count:
            return False
    head = source.read_at(mdhd.body, 32)
    if head[:1] == b"\x01":
        ticks, length = struct.unpack_from(">IQ", head, 20)
    else:
        ticks, length = struct.unpack_from(">II", head, 12)
    if media_time != first or not ticks:
        return False
    # The list counts in ticks of the movie, often milliseconds: it may be short by one of those.
    if (duration + 1) * ticks >= length * timescale:
        return True
    # Some muxers write a media duration that no frame needs.
    last = _last_shown(source, track)
    return last is not None and duration * ticks > (last - media_time) * timescale


def _last_shown(source: Source, track: _Box) -> int | None:
    """When the last frame begins to be shown, in ticks of the track."""
    stts, ctts = (
        _find(source, track, b"mdia", b"minf", b"stbl", name) for name in (b"stts", b"ctts")
    )
    if stts is None:
        return None
    counts, deltas = _runs(source, stts)
    ends = np.cumsum(counts * deltas)
    if not len(ends):
        return None
    # The last ones in decode order; reordering reaches no farther.
    dts = [int(ends[-1])]
    for run in range(len(counts) - 1, -1, -1):
        for _ in range(min(int(counts[run]), _REORDERED + 1 - len(dts))):
            dts.append(dts[-1] - int(deltas[run]))
    del dts[0]
    offsets = [0] * len(dts)
    if ctts is not None:
        counts, values = _runs(source, ctts)
        offsets = []
        for run in range(len(counts) - 1, -1, -1):
            count = min(int(counts[run]), len(dts) - len(offsets))
            offsets += [int(values[run].astype(np.int32))] * count
        if len(offsets) != len(dts):
            return None
    return max(map(sum, zip(dts, offsets, strict=True)))


def _runs(source: Source, box: _Box) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A run-length coded table: counts and values."""
    data = source.read_at(box.body + 4, box.end - box.body - 4)
    (count,) = struct.unpack_from(">I", data)
    table = np.frombuffer(data, ">u4", min(count, (len(data) - 4) // 8) * 2, 4).reshape(-1, 2)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)


def _matrix(source: Source, offset: int) -> tuple[int, ...] | None:
    data = source.read_at(offset, 36)
    return struct.unpack(">9i", data) if len(data) == 36 else None


def _combine(track: tuple[int, ...] | None, movie: tuple[int, ...] | None) -> Orientation:
    """Track matrix times movie matrix, as libavformat does (``mov_read_tkhd``)."""
    if track is None:
        return UPRIGHT
    if movie is None:
        return orientation_of_matrix(track)
    product = tuple(
        sum(track[3 * i + k] * movie[3 * k + j] for k in range(3))
        for i in range(3)
        for j in range(3)
    )
    return orientation_of_matrix(product)
