"""Remote files without an index: places are found for many targets at once, in few rounds."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import snapengine
from snapengine.sources.base import ByteRange
from snapengine.sources.meter import Meter
from tests.integration.test_remote import GOP, RATE, Far, write_film

GOPS = 60
KINDS = ("ts", "m2ts", "flv")
#: Blocks of a fetched file, so many bytes each.
_BLOCK = 64


@functools.cache
def made(kind: str, folder: Path) -> Path:
    return write_film(folder / f"film.{kind}", GOPS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("searched")


class Rounds:
    """A planned source over a network of endless width: what was expected comes, all of it, with
    the first byte that is missed. ``rounds`` counts how often one was: round trips, one after the
    other."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        self.name, self.size = path.name, len(self._data)
        self._here = bytearray(-(-self.size // _BLOCK))
        self._expected: list[ByteRange] = []
        self.rounds = self.fetched = self.most = 0

    def _fetch(self, offset: int, size: int) -> None:
        first, end = offset // _BLOCK, min(-(-(offset + size) // _BLOCK), len(self._here))
        self.fetched += self._here[first:end].count(0) * _BLOCK
        self._here[first:end] = b"\1" * (end - first)

    def read_some(self, offset: int, size: int, meter: Meter) -> bytes:
        if offset >= self.size or size <= 0:
            return b""
        if not self._here[offset // _BLOCK]:
            self.rounds += 1
            self.most = max(self.most, sum(r.size for r in self._expected))
            for expected in self._expected:
                self._fetch(*expected)
            self._expected.clear()
        if not self._here[offset // _BLOCK]:
            self._fetch(offset, max(size, 32 << 10))
        end = self._here.find(0, offset // _BLOCK)
        end = self.size if end < 0 else end * _BLOCK
        return self._data[offset : min(offset + size, end)]

    def expect(self, ranges: Sequence[ByteRange], meter: Meter) -> None:
        self._expected += ranges

    def dismiss(self, meter: Meter) -> None:
        self._expected.clear()

    def read_at(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]

    def close(self) -> None:
        pass


def look(source: object, count: int, accuracy: Any, **more: Any) -> list[Any]:
    with snapengine.open(source, **more) as video:
        shots = video.snapshots(count=count, accuracy=accuracy)
        return [(s.pts, s.time, s.exact, s.keyframe, s.to_ndarray().tobytes()) for s in shots]


@pytest.mark.parametrize("accuracy", ["keyframe", "exact", 0.2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_as_of_the_local_file(kind: str, accuracy: Any, folder: Path) -> None:
    path = made(kind, folder)
    for count in (7, 50):
        assert look(Far(path), count, accuracy) == look(path, count, accuracy)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_with_hardly_any_memory(kind: str, folder: Path) -> None:
    path = made(kind, folder)
    network = snapengine.Network(cache_bytes=1, connections=2)
    assert look(Far(path), 20, "keyframe", network=network) == look(path, 20, "keyframe")


@pytest.mark.parametrize("kind", KINDS)
def test_one_picture_takes_few_rounds(kind: str, folder: Path) -> None:
    path = made(kind, folder)
    for accuracy in ("keyframe", "exact"):
        source = Rounds(path)
        with snapengine.open(source) as video:
            _ = video.info.duration
            before = source.rounds
            video.snapshot(GOPS * GOP / RATE * 0.6, accuracy=accuracy)
        assert source.rounds - before <= 8


@pytest.mark.parametrize("kind", KINDS)
def test_many_pictures_take_few_rounds(kind: str, folder: Path) -> None:
    path = made(kind, folder)
    rounds = {}
    for count in (1, 30):
        for accuracy in ("keyframe", "exact"):
            source = Rounds(path)
            times = [GOPS * GOP / RATE * (i + 0.5) / count for i in range(count)]
            with snapengine.open(source) as video:
                before = source.rounds
                list(video.snapshots(at=times, accuracy=accuracy))
            rounds[count, accuracy] = source.rounds - before
    assert rounds[30, "keyframe"] <= 8
    assert rounds[30, "exact"] <= 8


@pytest.mark.parametrize("kind", KINDS)
def test_little_is_read_that_is_not_needed(kind: str, folder: Path) -> None:
    """From the keyframe before each target to the one behind it, and what finding them takes."""
    path = made(kind, folder)
    times = [GOPS * GOP / RATE * (i + 0.3) / 8 for i in range(8)]
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        base = packets[0].time_base
        assert base is not None
        stamps = [p.pts or 0 for p in packets]
        positions = [*(p.pos or 0 for p in packets), path.stat().st_size]
    needed = 0
    for time in times:
        pts = min(stamps) + time / base
        keys = [i for i, p in enumerate(packets) if p.is_keyframe]
        first = max(i for i in keys if stamps[i] <= pts)
        behind = min((i for i in keys if stamps[i] > pts), default=len(packets) - 1)
        needed += positions[behind + 1] - positions[first]
    source = Rounds(path)
    with snapengine.open(source) as video:
        before = source.fetched
        list(video.snapshots(at=times, accuracy="keyframe"))
    assert source.fetched - before <= 1.5 * needed + 8 * 64_000
    assert source.fetched - before <= path.stat().st_size * 0.7


def marks_of_access(data: bytearray) -> list[int]:
    """Where transport packets say that decoding may begin."""
    return [
        at
        for at in range(0, len(data), 188)
        if data[at + 1] & 0x40 and data[at + 3] & 0x20 and data[at + 4] and data[at + 5] & 0x40
    ]


def test_marks_that_lie_are_found_out(folder: Path, tmp_path: Path) -> None:
    """Packets that begin pictures which cannot be decoded alone say that they can."""
    path = made("ts", folder)
    data = bytearray(path.read_bytes())
    marked = marks_of_access(data)
    pid = bytes(data[marked[0] + 1 : marked[0] + 3])
    changed = 0
    for at in range(0, len(data), 188):
        if bytes(data[at + 1 : at + 3]) == pid and data[at + 3] & 0x20 and data[at + 4]:
            data[at + 5] |= 0x40
            changed += at not in marked
    assert changed > GOPS
    lying = tmp_path / "lying.ts"
    lying.write_bytes(data)
    for accuracy in ("keyframe", "exact"):
        assert look(Far(lying), 9, accuracy) == look(path, 9, accuracy)


def test_without_marks_pictures_tell_where_decoding_may_begin(folder: Path, tmp_path: Path) -> None:
    path = made("ts", folder)
    data = bytearray(path.read_bytes())
    for at in marks_of_access(data):
        data[at + 5] &= ~0x40 & 255
    silent = tmp_path / "silent.ts"
    silent.write_bytes(data)
    far = Far(silent)
    assert look(far, 9, "exact") == look(path, 9, "exact")
    assert far.bytes < len(data) * 0.6


def test_stamps_that_go_back_do_not_lead_astray(folder: Path, tmp_path: Path) -> None:
    path = made("ts", folder)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(path.read_bytes() * 2)
    times = [0.5 + 2.9 * i for i in range(9)]
    for some in (times, times[4:5]):
        with snapengine.open(Far(twice)) as video, snapengine.open(path) as once:
            for ours, theirs in zip(video.snapshots(at=some), once.snapshots(at=some), strict=True):
                assert (ours.pts, ours.exact) == (theirs.pts, theirs.exact)
                assert np.array_equal(ours.to_ndarray(), theirs.to_ndarray())


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_found_serves_the_next_call(kind: str, folder: Path) -> None:
    source = Rounds(made(kind, folder))
    with snapengine.open(source) as video:
        list(video.snapshots(count=12, accuracy="keyframe"))
        before = source.rounds
        list(video.snapshots(count=12, accuracy="keyframe"))
        assert source.rounds == before
