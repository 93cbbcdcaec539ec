"""FLV without an index: the place that is found is the last keyframe's before the time."""

from __future__ import annotations

import random
import struct
from bisect import bisect_right

from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.media.flv import landing, tags
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
    expected = film.first if number < 0 else film.keys[number][1]
    assert landing(MemorySource(film.data), time) == expected


def test_reads_little_of_a_long_film() -> None:
    film = Film(1, 3000, 50, 20_000)
    source = Counting(film.data)
    assert len(film.data) > 30 << 20
    assert landing(source, (film.keys[0][0] + film.end) // 2) is not None
    assert source.read < 3 << 20


def test_enhanced_codecs_mark_keyframes_in_other_bits() -> None:
    """Enhanced RTMP: the uppermost bit, three of the kind of frame, four of the packet's."""
    data = b"FLV\x01\x01\0\0\0\x09" + bytes(4)
    for first in (0x90, 0xA0):
        one = tag(VIDEO, 0, bytes([first]) + b"hvc1" + bytes(50))
        data += one + struct.pack(">I", len(one))
    assert [t.keyframe for t in tags(MemorySource(data), 13, len(data))] == [True, False]


def test_other_files_are_not_looked_into() -> None:
    assert landing(MemorySource(b"RIFF" + bytes(100)), 0) is None
    assert landing(MemorySource(b"FLV"), 0) is None
