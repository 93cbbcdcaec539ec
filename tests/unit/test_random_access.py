"""The index of a fragmented MP4 names its fragments; a damaged one is no harm."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import snapengine
from snapengine.media.isobmff import boxes, read_header
from snapengine.media.random_access import fragment_heads
from snapengine.sources.local import MemorySource
from tests.integration.test_remote import Far, write_film

FLAGS = {"movflags": "+frag_keyframe+empty_moov+default_base_moof"}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("fragments") / "film.mp4", 60, **FLAGS)


def fragments(data: bytes) -> list[int]:
    source = MemorySource(data)
    return [box.start for box in boxes(source, 0, len(data)) if box.kind == b"moof"]


def test_every_fragment_is_named(film: Path) -> None:
    data = film.read_bytes()
    source = MemorySource(data)
    header = read_header(source)
    assert header is not None and header.fragmented
    heads = fragment_heads(source, header.end, len(data))
    found = [offset for offset, _ in heads]
    assert len(found) >= 60
    assert set(found) <= set(fragments(data))


def test_opening_reads_their_heads_and_not_the_film(film: Path) -> None:
    far = Far(film)
    with snapengine.open(far) as video:
        assert far.bytes < 0.25 * far.size
        assert len(far.threads) > 1, "one after the other"
        shot = video.snapshot("70%", accuracy="keyframe")
        assert far.bytes < 0.35 * far.size
    with snapengine.open(film) as video:
        assert video.snapshot("70%", accuracy="keyframe").pts == shot.pts


@given(at=st.integers(0, 200), byte=st.integers(0, 255))
def test_damage_is_no_harm(film: Path, at: int, byte: int) -> None:
    data = bytearray(film.read_bytes())
    data[-1 - at] = byte
    header = read_header(MemorySource(bytes(data)))
    assert header is not None
    for offset, size in fragment_heads(MemorySource(bytes(data)), header.end, len(data)):
        assert header.end <= offset < len(data) and size > 0


def test_without_an_index_there_is_nothing_to_say(film: Path) -> None:
    data = film.read_bytes()
    cut = data[: -struct.unpack(">I", data[-4:])[0]]
    header = read_header(MemorySource(cut))
    assert header is not None
    assert fragment_heads(MemorySource(cut), header.end, len(cut)) == []
