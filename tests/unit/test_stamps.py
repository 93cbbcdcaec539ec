"""Packets whose place in time the container does not tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.media.stamps import Stamper, is_packed, packed_before, starts_closed


@dataclass
class Fake:
    """A packet as far as stamping looks at it."""

    pts: int | None = None
    dts: int | None = None
    duration: int | None = None
    is_keyframe: bool = False
    data: bytes = field(default=b"")

    def __bytes__(self) -> bytes:
        return self.data


def stamper(codec: str = "h264", *, rebuilds: bool = False) -> Any:
    stream: Any = SimpleNamespace(
        codec_context=SimpleNamespace(name=codec, extradata=None),
        guessed_rate=25,
        time_base=Fraction(1, 1000),
    )
    return Stamper(stream, rebuilds_pts=rebuilds)


IDR, NO_IDR = b"\0\0\0\1\x67\x11\0\0\1\x65\x88", b"\0\0\1\x67\x11\0\0\1\x41\x9a"


@pytest.mark.parametrize(
    ("codec", "data", "closed"),
    [
        ("h264", IDR, True),
        ("h264", NO_IDR, False),
        ("hevc", b"\0\0\1\x40\1\0\0\1\x26\1\xaf", True),  # VPS, IDR_W_RADL
        ("hevc", b"\0\0\1\x40\1\0\0\1\x2a\1\xaf", False),  # CRA
        ("hevc", b"\0\0\1\x20\1\xaf", False),  # BLA_W_LP
        ("mpeg4", b"\0\0\1\xb6\x10", True),
        ("h264", b"\0\0\1", True),
        ("h264", b"", True),
    ],
)
def test_which_keyframes_start_a_closed_group(codec: str, data: bytes, closed: bool) -> None:
    assert starts_closed(data, codec) == closed


def test_packed_streams_are_known_by_their_user_data() -> None:
    mark = b"\0\0\1\xb0\1\0\0\1\xb2DivX503b1393p\0\0\1\xb6\x10"
    assert is_packed(mark, "mpeg4")
    assert is_packed(mark.replace(b"503b1393p", b"500Build413p"), "mpeg4")
    assert not is_packed(mark.replace(b"1393p", b"1393"), "mpeg4")
    assert not is_packed(mark, "h264")
    i, p, b = (b"\0\0\1\xb6" + bytes([kind << 6]) for kind in (0, 1, 2))
    assert [packed_before(d) for d in (i, p + b, i + b + b, b"\0\0\1\xb6")] == [0, 1, 2, 0]


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_unstamped_packets_follow_each_other(keys: list[bool]) -> None:
    made = stamper()
    for _ in range(2):
        clock = None
        for number, key in enumerate(keys):
            packet = Fake(is_keyframe=key, data=IDR if key else NO_IDR)
            made.stamp(packet, clock)
            assert (packet.pts, packet.dts, packet.duration) == (40 * number, 40 * number, 40)
            assert packet.is_keyframe == key
            clock = packet.dts
        made.restart()
    assert made.stampless
    assert made.rebuilds_pts


def test_stamped_packets_are_left_alone() -> None:
    made = stamper()
    packet = Fake(pts=80, dts=0, is_keyframe=True, data=NO_IDR)
    made.stamp(packet, None)
    assert packet == Fake(pts=80, dts=0, is_keyframe=True, data=NO_IDR)
    assert not made.rebuilds_pts


def test_decode_order_stamps_take_no_open_keyframe() -> None:
    made = stamper(rebuilds=True)
    closed = Fake(pts=None, dts=7, is_keyframe=True, data=IDR)
    opened = Fake(pts=99, dts=8, is_keyframe=True, data=NO_IDR)
    for packet in (closed, opened):
        made.stamp(packet, None)
    assert (closed.pts, closed.is_keyframe) == (7, True)
    assert (opened.pts, opened.is_keyframe) == (8, False)


def test_sparse_stamps_are_counted_on_and_nothing_is_guessed_after_a_seek() -> None:
    made = stamper()
    first = Fake(pts=180, dts=100, is_keyframe=True, data=IDR, duration=40)
    made.stamp(first, None)
    made.count_from(80)
    made.stamp(first, None)
    second, lost = Fake(duration=40), Fake(duration=40, is_keyframe=True, data=IDR)
    made.stamp(second, first.dts)
    made.stamp(lost, None)
    assert (first.pts, second.pts, second.dts) == (180, 220, 220)
    assert (lost.pts, lost.dts, lost.is_keyframe) == (None, None, False)
