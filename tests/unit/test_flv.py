"""FLV without an index: the place that is found is the last keyframe's before the time."""

from __future__ import annotations

import random
import struct
from bisect import bisect_right

from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.media.flv import FlvForm
from snapengine.media.search import Goal, Search
from snapengine.sources.base import Source
from snapengine.sources.local import MemorySource

AUDIO, VIDEO, SCRIPT = 8, 9, 18


def tag(kind: int, time: int, body: bytes) -> bytes:
    head = bytes([kind]) + struct.pack(">I", len(body))[1:] + struct.pack(">I", time)[1:]
    return head + bytes([time >> 24]) + bytes(3) + body


class Film:
    """Tags of random sizes. ``keys``: (time, offset) of the keyframes."""

    def __init__(self, seed: int, frames: int, gop: int, largest: int) -> None:
        rng = random.Random(seed)
        out = bytearray(b"FLV\x01\x05\0\0\0\x09" + bytes(4))
        self.keys: list[tuple[int, int]] = []
        self.first = len(out)
        time = rng.choice([0, 5000, (1 << 24) - 1000])  # the upper byte of the time
        for number in range(frames):
            if number % gop == 0:
                self.keys.append((time, len(out)))
            key = number % gop == 0
            size = rng.randrange(5, largest * (4 if key else 1))
            first = 0x17 if key else 0x27
            for data in (
                tag(VIDEO, time, bytes([first, 1, 0, 0, 0]) + rng.randbytes(size)),
                tag(AUDIO, time + 3, b"\xaf\x01" + rng.randbytes(rng.randrange(200))),
            ):
                out += data + struct.pack(">I", len(data))
            time += rng.choice([33, 40, 400])
        self.end = time
        self.data = bytes(out)


def searching(source: Source, film: Film) -> Search:
    form = FlvForm.of(source)
    assert form is not None and source.size is not None
    return Search(source, source.size, form, begins=film.keys[0][0], ends=film.end)


class Counting(MemorySource):
    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.read = 0

    def read_at(self, offset: int, size: int) -> bytes:
        data = super().read_at(offset, size)
        self.read += len(data)
        return data


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    frames=st.integers(1, 300),
    gop=st.integers(1, 60),
    largest=st.sampled_from([10, 3000, 60_000]),
    part=st.floats(-0.1, 1.2),
)
def test_lands_on_the_last_keyframe_before(
    seed: int, frames: int, gop: int, largest: int, part: float
) -> None:
    film = Film(seed, frames, gop, largest)
    begin = film.keys[0][0]
    time = int(begin + part * (film.end - begin))
    number = bisect_right(film.keys, (time, 1 << 62)) - 1
    found = searching(MemorySource(film.data), film).landing(time)
    assert (found and found.offset) == (None if number < 0 else film.keys[number][1])


def test_bytes_that_look_like_a_tag_hide_none() -> None:
    """The stream id, always 0, may be the beginning of the size that stands behind a payload."""
    looks = bytes.fromhex("006e8fe4 09b6df29 598f183f".replace(" ", ""))
    body = bytes([0xAF, 1]) + bytes(30) + looks
    sound, film = tag(AUDIO, 0, body), tag(VIDEO, 40, b"\x17\x01\0\0\0" + bytes(60))
    data = b"FLV\x01\x05\0\0\0\x09" + bytes(4)
    for one in (sound, film):
        data += one + struct.pack(">I", len(one))
    form = FlvForm.of(MemorySource(data))
    assert form is not None
    marks, _ = form.marks(data, 0, 0, len(data))
    assert [mark.clock for mark in marks] == [40]


def test_reads_little_of_a_long_film() -> None:
    film = Film(1, 3000, 50, 20_000)
    source = Counting(film.data)
    assert len(film.data) > 30 << 20
    assert searching(source, film).landing((film.keys[0][0] + film.end) // 2) is not None
    assert source.read < 3 << 20


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), gop=st.integers(5, 60), count=st.integers(2, 40))
def test_many_at_once_find_the_same(seed: int, gop: int, count: int) -> None:
    film = Film(seed, 400, gop, 20_000)
    begin = film.keys[0][0]
    goals = [Goal(begin + (film.end - begin) * i // count, "nearest") for i in range(count)]
    search = searching(MemorySource(film.data), film)
    search.look(goals, roughly=True)
    search.look(goals)
    for goal in goals:
        number = bisect_right(film.keys, (goal.stamp, 1 << 62)) - 1
        assert goal.key is not None
        assert goal.key.offset == film.keys[number][1]


def test_enhanced_codecs_mark_keyframes_in_other_bits() -> None:
    """Enhanced RTMP: the uppermost bit, three of the kind of frame, four of the packet's."""
    data = b"FLV\x01\x01\0\0\0\x09" + bytes(4)
    for first in (0x93, 0xA3):
        one = tag(VIDEO, 0, bytes([first]) + b"hvc1" + bytes(50))
        data += one + struct.pack(">I", len(one))
    marks, _ = FlvForm(13).marks(data, 0, 13, len(data))
    assert [mark.shown for mark in marks] == [0, None]


def test_pictures_are_shown_later_than_they_are_decoded() -> None:
    avc = tag(VIDEO, 1000, b"\x17\x01\x00\x00\x53" + bytes(20))
    hevc = tag(VIDEO, 1000, b"\x91hvc1\xff\xff\xfb" + bytes(20))
    for one, shown in ((avc, 1083), (hevc, 995)):
        marks, _ = FlvForm(13).marks(bytes(17) + one, 0, 13, 17 + len(one))
        assert [(m.clock, m.shown) for m in marks] == [(1000, shown)]


def test_what_decoders_are_told_is_no_picture() -> None:
    for body in (b"\x17\x00\x00\x00\x00", b"\x17\x02\x00\x00\x00", b"\x90hvc1\x01", b"\x94hvc1"):
        one = tag(VIDEO, 0, body + bytes(20))
        assert FlvForm(13).marks(bytes(17) + one, 0, 13, 17 + len(one))[0] == []


def test_other_files_are_not_looked_into() -> None:
    assert FlvForm.of(MemorySource(b"RIFF" + bytes(100))) is None
    assert FlvForm.of(MemorySource(b"FLV")) is None
