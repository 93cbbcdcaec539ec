"""Runs of zeros in packets: which are damage, and which are padding."""

from __future__ import annotations

import av
import pytest

from snapengine.media.holes import has_hole

DATA = bytes(range(2, 256)) * 40
START = b"\0\0\0\1\x65"


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp8", "vp9", "av1"])
def test_zeros_in_the_middle_are_a_hole(codec: str) -> None:
    assert has_hole(av.Packet(DATA + bytes(2000) + DATA), codec)
    assert has_hole(av.Packet(DATA[:40] + bytes(4000)), codec)
    assert has_hole(av.Packet(bytes(4000)), codec)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp8", "vp9", "av1", "mpeg2video"])
def test_data_and_padding_are_none(codec: str) -> None:
    assert not has_hole(av.Packet(DATA), codec)
    assert not has_hole(av.Packet(DATA + bytes(2000)), codec)
    assert not has_hole(av.Packet(DATA + bytes(12) + DATA), codec)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_zeros_before_a_start_code_are_padding(codec: str) -> None:
    assert not has_hole(av.Packet(START + DATA + bytes(300) + START + DATA), codec)
    assert has_hole(av.Packet(START + DATA + bytes(300) + DATA), codec)


def test_codecs_with_zeros_of_their_own_are_left_alone() -> None:
    assert not has_hole(av.Packet(DATA + bytes(4000) + DATA), "rawvideo")
