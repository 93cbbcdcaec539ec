"""The samples of a movie fragment (ISO/IEC 14496-12, 8.8): what lies where, and when it is shown.

Segments of HLS and DASH are read with it, one by one and in any order, without opening a container
for each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import CorruptMedia

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"})
#: sample_is_non_sync_sample, and sample_depends_on: 1, others (8.8.3.1)
_NOT_SYNC, _DEPENDS = 0x10000, 0x1000000
#: Samples of one segment.
_MAX_SAMPLES = 1 << 18


class FragmentSample(NamedTuple):
    """``offset`` and ``size`` are bytes of the segment; the rest ticks of the track."""

    dts: int
    pts: int
    duration: int
    key: bool
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentTrack:
    """What a header says of a track: ``timescale``, its ``entries`` (the body of ``stsd``), and
    defaults of its samples (``trex``: duration, size, flags)."""

    timescale: int
    entries: bytes
    defaults: tuple[int, int, int]


class _Box(NamedTuple):
    kind: bytes
    start: int
    body: int
    end: int


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        elif size == 0:
            size = end - start
        if size < body - start:
            raise struct.error(f"box {kind!r} of {size} bytes")
        yield _Box(kind, start, body, min(start + size, end))
        start += size


def _walk(data: bytes, box: _Box) -> Iterator[_Box]:
    """Every box inside, outer ones first."""
    for child in _boxes(data, box.body, box.end):
        yield child
        if child.kind in _CONTAINERS:
            yield from _walk(data, child)


def read_tracks(header: bytes, name: str) -> dict[int, FragmentTrack]:
    """Tracks of an initialization segment by their numbers. Raises :class:`CorruptMedia`."""
    tracks: dict[int, FragmentTrack] = {}
    defaults: dict[int, tuple[int, int, int]] = {}
    try:
        for box in _boxes(header, 0, len(header)):
            if box.kind != b"moov":
                continue
            for child in _boxes(header, box.body, box.end):
                if child.kind == b"trak":
                    number, track = _read_track(header, child)
                    tracks[number] = track
                for part in _walk(header, child) if child.kind == b"mvex" else ():
                    if part.kind == b"trex":
                        number, _, *told = struct.unpack_from(">5I", header, part.body + 4)
                        defaults[number] = (told[0], told[1], told[2])
    except struct.error as exc:
        raise CorruptMedia(f"{name}: a broken header: {exc}", stage="open") from exc
    return {
        n: FragmentTrack(
            timescale=t.timescale, entries=t.entries, defaults=defaults.get(n, t.defaults)
        )
        for n, t in tracks.items()
    }


def _read_track(header: bytes, box: _Box) -> tuple[int, FragmentTrack]:
    number = timescale = 0
    entries = b""
    for part in _walk(header, box):
        # Times before the number wanted are of 32 or 64 bits.
        times = 16 if header[part.body : part.body + 1] == b"\x01" else 8
        if part.kind == b"tkhd":
            (number,) = struct.unpack_from(">I", header, part.body + 4 + times)
        elif part.kind == b"mdhd":
            (timescale,) = struct.unpack_from(">I", header, part.body + 4 + times)
        elif part.kind == b"stsd":
            entries = header[part.body : part.end]
    return number, FragmentTrack(timescale=timescale, entries=entries, defaults=(0, 0, 0))


def has_fragments(data: bytes) -> bool:
    """Whether these are boxes with a ``moof`` among them."""
    try:
        return any(box.kind == b"moof" for box in _boxes(data, 0, len(data)))
    except struct.error:
        return False


def read_samples(data: bytes, number: int, track: FragmentTrack, name: str) -> list[FragmentSample]:
    """Samples of track ``number`` in all fragments of a segment, in decode order.

    Stamps are those of the media (``tfdt``), edit lists not applied. Raises :class:`CorruptMedia`
    for what does not fit together.
    """
    samples: list[FragmentSample] = []
    try:
        for box in _boxes(data, 0, len(data)):
            if box.kind == b"moof":
                end = box.start
                for traf in _boxes(data, box.body, box.end):
                    if traf.kind == b"traf":
                        end = _read_traf(data, traf, box.start, end, number, track, samples)
    except struct.error as exc:
        raise CorruptMedia(f"{name}: a broken fragment: {exc}", stage="decode") from exc
    if any(s.offset < 0 or s.offset + s.size > len(data) for s in samples):
        raise CorruptMedia(f"{name}: samples lie outside of their segment", stage="decode")
    return samples


def _read_traf(
    data: bytes,
    traf: _Box,
    moof: int,
    behind: int,
    number: int,
    track: FragmentTrack,
    samples: list[FragmentSample],
) -> int:
    """Adds the samples of one track fragment; returns where its data end. ``behind``: where those
    of the one before do."""
    parts = list(_boxes(data, traf.body, traf.end))
    head = next((p for p in parts if p.kind == b"tfhd"), None)
    if head is None:
        raise struct.error("no tfhd")
    flags, owner = struct.unpack_from(">II", data, head.body)
    flags &= 0xFFFFFF
    at = head.body + 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    defaults = list(track.defaults)
    for i, bit in enumerate((0x8, 0x10, 0x20)):
        if flags & bit:
            (defaults[i],) = struct.unpack_from(">I", data, at)
            at += 4
    # An offset within the whole file (flag 1) is that of the fragment, whose place in that file
    # is not known here.
    base = moof if flags & 0x20001 else behind
    mine = owner == number
    time = next((p for p in parts if p.kind == b"tfdt"), None)
    if time is None and mine:
        raise struct.error("no time (tfdt)")
    clock = 0
    if time is not None:
        long = data[time.body] == 1
        (clock,) = struct.unpack_from(">Q" if long else ">I", data, time.body + 4)
    end = base
    for part in parts:
        if part.kind == b"trun":
            run = _read_run(data, part, base, end, clock, defaults)
            clock, end = run.clock, run.end
            if mine:
                samples += run.samples
            if len(samples) > _MAX_SAMPLES:
                raise struct.error(f"more than {_MAX_SAMPLES} samples")
    return end


class _Run(NamedTuple):
    samples: list[FragmentSample]
    clock: int
    end: int


def _read_run(data: bytes, box: _Box, base: int, end: int, clock: int, defaults: list[int]) -> _Run:
    flags, count = struct.unpack_from(">II", data, box.body)
    at = box.body + 8
    offset, first_flags = end, None
    if flags & 0x1:
        offset = base + struct.unpack_from(">i", data, at)[0]
        at += 4
    if flags & 0x4:
        (first_flags,) = struct.unpack_from(">I", data, at)
        at += 4
    bits = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    # Composition offsets are signed, also where the version says otherwise.
    row = struct.Struct(">" + "".join("i" if bit == 0x800 else "I" for bit in bits))
    if count > _MAX_SAMPLES or at + count * row.size > box.end:
        raise struct.error(f"a run of {count} samples")
    samples: list[FragmentSample] = []
    for i in range(count):
        told = dict(zip(bits, row.unpack_from(data, at + i * row.size), strict=True))
        duration = told.get(0x100, defaults[0])
        size = told.get(0x200, defaults[1])
        what = told.get(0x400, defaults[2])
        if not i and first_flags is not None:
            what = first_flags
        key = not what & (_NOT_SYNC | _DEPENDS)
        pts = clock + told.get(0x800, 0)
        samples.append(FragmentSample(clock, pts, duration, key, offset, size))
        clock += duration
        offset += size
    return _Run(samples, clock, offset)
