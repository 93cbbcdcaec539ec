"""Transport streams: the place that is found is the last keyframe's before the time."""

from __future__ import annotations

import random
from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.media.search import Goal, Search
from snapengine.media.transport import TransportForm
from snapengine.sources.local import MemorySource

PID, OTHER = 0x1F1, 0x101
WRAP = 1 << 33
FRAME = 3600


def stamp(marker: int, ticks: int) -> bytes:
    ticks %= WRAP
    return bytes(
        [
            marker << 4 | ticks >> 30 << 1 | 1,
            ticks >> 22 & 255,
            ticks >> 14 & 254 | 1,
            ticks >> 7 & 255,
            (ticks & 127) << 1 | 1,
        ]
    )


def pes(pts: int, dts: int, body: bytes) -> bytes:
    both = pts != dts
    stamps = stamp(3, pts) + stamp(1, dts) if both else stamp(2, pts)
    head = bytes([0x80, 0xC0 if both else 0x80, len(stamps)])
    return b"\0\0\1\xe0\0\0" + head + stamps + body


class Film:
    """Packets of random pictures. ``keys``: (pts, offset) of the keyframes.

    ``stride``: 188, 192 with time codes in front, 204 with parity behind. ``flagged``: whether the
    packets tell random access, or only what is in them. ``begin``: the first dts.
    """

    def __init__(
        self,
        seed: int,
        frames: int,
        gop: int,
        largest: int,
        *,
        stride: int = 188,
        flagged: bool = True,
        begin: int = 126_000,
        delay: int = 2 * FRAME,
    ) -> None:
        self._dice = random.Random(seed)
        self._out = bytearray()
        self._stride, self._counter = stride, 0
        self.keys: list[tuple[int, int]] = []
        self.start = begin + delay
        self._packet(0, b"\0" * 184, begins=True)  # the first packets are tables
        dts = begin
        for number in range(frames):
            key = number % gop == 0
            size = self._dice.randrange(20, largest * (4 if key else 1))
            # No start codes by accident.
            body = bytes([1]) + bytes(self._dice.choices(range(2, 256), k=size))
            unit = b"\0\0\0\1\x09\xf0\0\0\0\1\x67" if key else b"\0\0\0\1\x09\xf0\0\0\0\1\x41"
            later = delay if key else self._dice.choice([0, FRAME, 2 * FRAME])
            if key:
                self.keys.append((dts + later, len(self._out) + self._lead))
            self._picture(pes(dts + later, dts, unit + body), access=key and flagged)
            dts += FRAME * self._dice.choice([1, 1, 1, 2])
        self.end = dts
        self.data = bytes(self._out)

    @property
    def _lead(self) -> int:
        return 4 if self._stride == 192 else 0

    def _packet(self, pid: int, payload: bytes, *, begins: bool, access: bool = False) -> None:
        room = 184 - len(payload)
        field = b""
        if room or access:
            flags = 0x40 if access else 0
            field = bytes([room - 1]) + (bytes([flags]) + b"\xff" * (room - 2) if room > 1 else b"")
        head = bytes([0x47, begins << 6 | pid >> 8, pid & 255])
        self._counter = self._counter + 1 & 15
        unit = head + bytes([0x10 | (0x20 if field else 0) | self._counter]) + field + payload
        assert len(unit) == 188
        self._out += bytes(self._lead) + unit + bytes(self._stride - 188 - self._lead)

    def _picture(self, data: bytes, *, access: bool) -> None:
        at, begins = 0, True
        while at < len(data):
            room = 182 if access and begins else 184
            self._packet(PID, data[at : at + room], begins=begins, access=access and begins)
            at, begins = at + room, False
            if self._dice.random() < 0.1:
                sound = b"\0\0\1\xc0\0\0\x80\x80\x05" + stamp(2, 7) + bytes(170)
                self._packet(OTHER, sound, begins=True)

    def expected(self, time: int) -> int | None:
        number = bisect_right(self.keys, (time, 1 << 62)) - 1
        return None if number < 0 else self.keys[number][1]


def searching(source: MemorySource, film: Film) -> Search:
    form = TransportForm.of(source, PID, "h264", film.start)
    assert form is not None and source.size is not None
    return Search(source, source.size, form, begins=film.start, ends=film.end)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    frames=st.integers(8, 200),
    gop=st.integers(1, 60),
    largest=st.sampled_from([40, 3000, 30_000]),
    stride=st.sampled_from([188, 192, 204]),
    flagged=st.booleans(),
    begin=st.sampled_from([126_000, 0, WRAP - 30 * FRAME]),
    part=st.floats(-0.1, 1.2),
)
def test_lands_on_the_last_keyframe_before(
    seed: int,
    frames: int,
    gop: int,
    largest: int,
    stride: int,
    flagged: bool,
    begin: int,
    part: float,
) -> None:
    film = Film(seed, frames, gop, largest, stride=stride, flagged=flagged, begin=begin)
    time = int(film.start + part * (film.end - film.start))
    found = searching(MemorySource(film.data), film).landing(time)
    assert (found and found.offset) == film.expected(time)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    gop=st.integers(5, 60),
    count=st.integers(2, 40),
    exact=st.booleans(),
)
def test_many_at_once_find_the_same_and_what_lies_behind(
    seed: int, gop: int, count: int, exact: bool
) -> None:
    film = Film(seed, 300, gop, 10_000)
    length = film.keys[-1][0] - film.start
    goals = [
        Goal(film.start + length * i // count, "exact" if exact else "nearest")
        for i in range(count)
    ]
    search = searching(MemorySource(film.data), film)
    search.look(goals, roughly=True)
    search.look(goals)
    everything, sound = TransportForm(0, 188, PID, "h264", film.start).marks(
        film.data, 0, 0, len(film.data)
    )
    assert sound
    for goal in goals:
        assert goal.key is not None and goal.key.offset == film.expected(goal.stamp)
        if goal.end is None:
            continue  # left to whoever reads
        read = [mark for mark in everything if mark.offset < goal.end]
        if exact:
            assert read[-1].clock > goal.stamp or read == everything
        else:
            keys = [m.shown for m in read if m.shown is not None]
            near = 2 * goal.stamp - (goal.key.shown or 0)
            assert read[-1].clock > near or max(keys) > goal.stamp or read == everything
    assert sum(goal.end is None for goal in goals) <= len(goals) // 8


class Recording(MemorySource):
    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.read: list[tuple[int, int]] = []

    def read_at(self, offset: int, size: int) -> bytes:
        data = super().read_at(offset, size)
        self.read.append((offset, len(data)))
        return data


def test_reads_little_of_a_long_film_and_nothing_twice() -> None:
    film = Film(1, 1500, 50, 12_000)
    source = Recording(film.data)
    search = searching(source, film)
    time = (film.start + film.end) // 2
    first = search.landing(time)
    assert first is not None
    assert sum(size for _, size in source.read) < 1 << 20 < len(film.data) // 8
    source.read.clear()
    assert search.landing(time) == first
    assert not source.read


def test_a_damaged_stretch_is_left_to_others() -> None:
    film = Film(2, 300, 25, 5000)
    (time, begin), (_, stop) = film.keys[5:7]
    data = bytearray(film.data)
    middle = (begin + stop) // 2
    data[middle : middle + 700] = bytes(700)
    assert searching(MemorySource(data), film).landing(time + 20 * FRAME) is None
    found = searching(MemorySource(data), film).landing(film.keys[10][0])
    assert found is not None and found.offset == film.keys[10][1]


def test_a_file_without_marks_is_soon_given_up() -> None:
    film = Film(6, 300, 25, 5000)
    source = Recording(film.data * 40)
    form = TransportForm.of(source, PID + 1, "h264", film.start)
    assert form is not None and source.size is not None and source.size > 20 << 20
    search = Search(source, source.size, form, begins=film.start, ends=film.end)
    goals = [Goal(film.start + FRAME * 10 * i, "nearest") for i in range(30)]
    search.look(goals)
    assert not search.usable
    assert sum(size for _, size in source.read) < 10 << 20


def test_clocks_that_run_backwards_are_not_believed() -> None:
    one, two = Film(3, 100, 10, 8000), Film(4, 100, 10, 8000)
    source = MemorySource(one.data + two.data)
    search = searching(source, one)
    search.look([Goal(one.start + FRAME * 10 * i, "nearest") for i in range(12)])
    assert not search.usable
    assert search.landing(one.keys[2][0]) is None


@pytest.mark.parametrize("codec", ["hevc", "mpeg2video", "vvc"])
def test_other_codecs_tell_keyframes_too(codec: str) -> None:
    unit = {"hevc": b"\0\0\1\x26\x01", "mpeg2video": b"\0\0\1\xb3\x16", "vvc": b"\0\0\1\0\x79"}[
        codec
    ]
    head = b"\x47" + bytes([0x40 | PID >> 8, PID & 255, 0x10])
    data = (head + pes(9000, 9000, unit + bytes(180)))[:188] * 8
    form = TransportForm.of(MemorySource(data), PID, codec, 9000)
    assert form is not None
    marks, sound = form.marks(data, 0, 0, len(data))
    assert sound and len(marks) == 8
    assert {mark.shown for mark in marks} == {None if codec == "vvc" else 9000}


def test_scrambled_and_torn_packets_tell_nothing() -> None:
    head = bytes([0x40 | PID >> 8, PID & 255])
    body = pes(9000, 9000, bytes(180))
    form = TransportForm(0, 188, PID, "h264", 0)
    scrambled = (b"\x47" + head + b"\x90" + body)[:188]
    torn = (b"\x47" + head + b"\x30" + bytes([174]) + bytes(174) + body)[:188]
    empty = (b"\x47" + head + b"\x20" + bytes([183]) + bytes(183))[:188]
    for unit in (scrambled, torn, empty):
        assert form.marks(unit, 0, 0, 188) == ([], True)


def test_other_files_are_not_looked_into() -> None:
    assert TransportForm.of(MemorySource(b"RIFF" + bytes(2000)), PID, "h264", 0) is None
    assert TransportForm.of(MemorySource(b"G"), PID, "h264", 0) is None
