"""AV1: what wanted frames depend on; headers written bit by bit, and a naive decoder as judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.media.bitstream import PacketReader
from snapengine.media.bitstream.av1_reader import Av1Reader
from tests.unit._bitstream import AV1C, DELIMITER, Frame, Sequence, obu


def sent(reader: PacketReader, packet: bytes) -> int:
    """How many bytes of a packet are needed for others."""
    return len(reader.part(memoryview(packet)))


sequences = st.builds(
    Sequence,
    profile=st.integers(0, 2),
    timing=st.booleans(),
    equal=st.booleans(),
    model=st.booleans(),
    lengths=st.tuples(st.integers(1, 32), st.integers(1, 32), st.integers(1, 32)),
    display=st.booleans(),
    points=st.lists(
        st.tuples(st.sampled_from([0, 0x101, 0x103]), st.integers(0, 20), st.booleans()),
        min_size=1, max_size=3,
    ),
    screen=st.integers(0, 2),
    integer_mv=st.integers(0, 2),
    order_bits=st.integers(0, 8),
)  # fmt: skip
frames = st.builds(
    Frame,
    kind=st.integers(0, 3),
    show=st.booleans(),
    resilient=st.booleans(),
    screen=st.booleans(),
    removal=st.booleans(),
    refresh=st.sampled_from([0, 0, 1, 2, 0x80, 0x40, 0x10, 0xFE]),
    layers=st.sampled_from([None, (0, 0), (1, 0), (2, 0)]),
)


@given(seq=sequences, frame=frames, in_band=st.booleans())
def test_av1_the_flags_are_found_behind_whatever_is_before_them(
    seq: Sequence, frame: Frame, in_band: bool
) -> None:
    if in_band:
        reader = Av1Reader(None)
        first = DELIMITER + seq.bytes() + Frame(kind=0).bytes(seq)
        assert sent(reader, first) == len(first)
    else:
        reader = Av1Reader(AV1C + seq.bytes())
    packet = DELIMITER + frame.bytes(seq)
    affects_none = frame.kind in (1, 2) and frame.show and frame.refresh == 0
    assert sent(reader, packet) == (0 if affects_none else len(packet))


def test_av1_of_several_frames_only_those_that_matter_are_sent() -> None:
    seq = Sequence()
    reader = Av1Reader(AV1C + seq.bytes())
    hidden, leaf = Frame(show=False, refresh=4).bytes(seq), Frame().bytes(seq)
    shown = obu(3, b"\x80")  # show_existing_frame, perhaps of a key frame, which refreshes slots
    captions, light = obu(5, b"\x04\xb5\x00"), obu(5, b"\x01\x00\x00\x00\x00")
    for packet, expected in (
        (DELIMITER + hidden + leaf, DELIMITER + hidden),
        (DELIMITER + hidden * 3 + leaf, DELIMITER + hidden * 3),
        (DELIMITER + shown, DELIMITER + shown),
        (captions + hidden + leaf, hidden),
        (DELIMITER + captions + leaf, b""),
        (captions + shown, captions + shown),
        (light + leaf, light),  # lasts until the next sequence
        (leaf + obu(15, b"\x00") + leaf, b""),
    ):
        assert reader.part(memoryview(packet)) == expected


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(obu(8, b"\x00"), id="tile list"),
        pytest.param(obu(9), id="reserved"),
        pytest.param(b"\x80", id="forbidden bit"),
        pytest.param(b"\x7a\x05", id="cut off"),
        pytest.param(b"\x7a" + b"\xff" * 9, id="endless length"),
    ],
)
def test_av1_what_is_not_understood_is_sent(extra: bytes) -> None:
    seq = Sequence()
    reader = Av1Reader(AV1C + seq.bytes())
    leaf = Frame().bytes(seq)
    assert sent(reader, DELIMITER + leaf) == 0
    for packet in (extra + leaf, leaf + extra):
        assert sent(reader, packet) == len(packet)


pictures = st.one_of(
    st.builds(
        Frame,
        kind=st.sampled_from([0, 1, 1, 1, 1, 1, 1, 2]),
        show=st.booleans(),
        resilient=st.sampled_from([False] * 7 + [True]),
        refresh=st.sampled_from([0, 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x81, 0x3C]),
        refs=st.lists(st.integers(0, 7), min_size=1, max_size=3).map(lambda r: tuple((r * 7)[:7])),
        short=st.sampled_from([False] * 9 + [True]),
    ),
    st.builds(Frame, existing=st.integers(0, 7)),
)


def decoded(packets: list[bytes], by_number: dict[int, Frame], order: bool) -> dict[int, object]:
    """What a decoder shows: a frame's content is its number and all that it is made of (7.20)."""
    slots: list[Any] = [None] * 8
    shown: dict[int, object] = {}
    for packet in packets:
        at = 0
        while at < len(packet):
            size = packet[at + 1]  # under 128
            body = packet[at + 2 : at + 2 + size]
            if packet[at] >> 3 in (3, 6):
                number = int.from_bytes(body[-2:])
                frame = by_number[number]
                if frame.existing is not None:
                    content = slots[frame.existing]
                    shown[number] = content
                    if content[1] == 0:
                        slots = [content] * 8
                else:
                    whole = frame.kind == 0 and frame.show
                    used: list[Any] = [slots[s] for s in frame.refs] if frame.kind == 1 else []
                    if order and (frame.resilient or (frame.short and frame.kind == 1)):
                        used = [] if whole else list(slots)
                    content = (number, frame.kind, tuple(used))
                    if frame.show:
                        shown[number] = content
                    for slot in range(8):
                        if whole or frame.refresh >> slot & 1:
                            slots[slot] = content
            at += 2 + size
    return shown


@given(
    units=st.lists(st.lists(pictures, min_size=1, max_size=4), max_size=14),
    wanted=st.sets(st.integers(0, 14)),
    order=st.booleans(),
)
def test_av1_with_the_future_known_what_is_wanted_comes_out_the_same(
    units: list[list[Frame]], wanted: set[int], order: bool
) -> None:
    seq = Sequence(order_bits=7 if order else 0)
    units = [[Frame(kind=0)], *units]
    frames = [replace(f, number=n) for n, f in enumerate(f for unit in units for f in unit)]
    by_number = {f.number: f for f in frames}
    left = iter(frames)
    packets = [b"".join(next(left).bytes(seq) for _ in unit) for unit in units]
    reader = Av1Reader(AV1C + seq.bytes())
    reader.look_ahead([(memoryview(p), i in wanted) for i, p in enumerate(packets)])
    parts = [bytes(reader.part(memoryview(packet))) for packet in packets]
    whole = decoded(packets, by_number, order)
    partly = decoded(parts, by_number, order)
    assert whole.items() >= partly.items()
    left = iter(frames)
    for index, unit in enumerate(units):
        for frame in [next(left) for _ in unit]:
            if index in wanted and frame.number in whole:
                assert frame.number in partly
    if not wanted:
        assert not any(parts[1:])


@pytest.mark.parametrize(
    "seq", [Sequence(ids=True), Sequence(points=[(0x301, 8, True)])], ids=["ids", "spatial"]
)
def test_av1_streams_that_are_left_alone(seq: Sequence) -> None:
    packet = Frame().bytes(seq)
    assert sent(Av1Reader(AV1C + seq.bytes()), packet) == len(packet)
    assert sent(Av1Reader(None), packet) == len(packet)
