"""Whether Matroska cues are announced: hand-made elements, damage, and files of a real muxer."""

from __future__ import annotations

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.media.ebml import has_cues
from snapengine.sources import LocalSource, MemorySource
from tests.media.atlas import GEOMETRY, SHORT, STREAMS, recipe
from tests.media.recipes import build

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
SEEK_HEAD, SEEK, SEEK_ID, SEEK_POSITION = b"\x11\x4d\x9b\x74", b"\x4d\xbb", b"\x53\xab", b"\x53\xac"
INFO, TRACKS = b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b"
CUES, CLUSTER, VOID = b"\x1c\x53\xbb\x6b", b"\x1f\x43\xb6\x75", b"\xec"


def size_of(value: int | None, length: int = 0) -> bytes:
    """A size field of ``length`` bytes, or the shortest; ``None`` is "unknown"."""
    if value is None:
        length = length or 1
        return ((1 << 7 * length + 1) - 1).to_bytes(length, "big")
    length = length or next(n for n in range(1, 9) if value < (1 << 7 * n) - 1)
    return (value | 1 << 7 * length).to_bytes(length, "big")


def element(kind: bytes, body: bytes = b"", *, length: int = 0, unknown: bool = False) -> bytes:
    return kind + size_of(None if unknown else len(body), length) + body


def seek_head(*kinds: bytes, length: int = 0) -> bytes:
    entries = [
        element(SEEK, element(SEEK_ID, k) + element(SEEK_POSITION, b"\x10\x00")) for k in kinds
    ]
    return element(SEEK_HEAD, b"".join(entries), length=length)


HEAD = element(EBML, element(b"\x42\x82", b"matroska"))
A_CLUSTER = element(CLUSTER, element(b"\xe7", b"\0") + bytes(20))
A_CUE = element(CUES, element(b"\xbb", bytes(4)))
PRELUDE = element(INFO, bytes(9)) + element(TRACKS, bytes(200))


def cues_in(*elements: bytes, head: bytes = HEAD, unknown: bool = False) -> bool:
    body = b"".join(elements)
    return has_cues(MemorySource(head + element(SEGMENT, body, unknown=unknown)))


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize(
    ("elements", "told"),
    [
        ((seek_head(INFO, TRACKS, CUES), PRELUDE, A_CLUSTER, A_CUE), True),
        ((PRELUDE, A_CUE, A_CLUSTER), True),
        ((PRELUDE, seek_head(CUES), A_CLUSTER), True),
        ((seek_head(INFO, TRACKS), seek_head(CUES), A_CLUSTER), True),
        ((seek_head(INFO, TRACKS), PRELUDE, A_CLUSTER, A_CUE), False),  # nobody finds them
        ((PRELUDE, A_CLUSTER), False),
        ((A_CLUSTER,), False),
        ((A_CLUSTER, seek_head(CUES), A_CUE), False),
        ((PRELUDE,), False),
        ((), False),
        ((element(VOID, CUES), PRELUDE, A_CLUSTER), False),  # only bytes that look so
        ((element(VOID, bytes(70), length=8), seek_head(CUES, length=8), A_CLUSTER), True),
        ((PRELUDE, element(CLUSTER, bytes(30), unknown=True), A_CUE), False),
        ((element(INFO, unknown=True), A_CUE), False),  # no way to tell where it ends
    ],
)
def test_cues(elements: tuple[bytes, ...], told: bool, unknown: bool) -> None:
    assert cues_in(*elements, unknown=unknown) is told


@pytest.mark.parametrize("length", range(1, 9))
def test_size_fields_of_any_length(length: int) -> None:
    head = element(EBML, bytes(11), length=length)
    assert cues_in(element(VOID, bytes(5), length=length), A_CUE, head=head)
    assert not cues_in(element(VOID, bytes(5), length=length), A_CLUSTER, A_CUE, head=head)
    assert cues_in(element(VOID, bytes(5)), element(CUES, b"", unknown=True, length=length))


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\xff",
        EBML,
        HEAD,
        HEAD + SEGMENT,
        element(EBML, unknown=True) + element(SEGMENT, A_CUE),
        element(SEGMENT, A_CUE),
        HEAD + element(INFO) + element(SEGMENT, A_CUE),
        HEAD + HEAD + element(SEGMENT, A_CUE),
        element(EBML, bytes(4))[:5] + size_of((1 << 56) - 2, 8) + bytes(9),
        b"\x1a\x45\xdf\xa3\x00" + bytes(50),  # a size longer than eight bytes
        HEAD + SEGMENT + b"\x01\xff" + A_CUE,
    ],
)
def test_anything_else_has_none(data: bytes) -> None:
    assert has_cues(MemorySource(data)) is False


def test_the_walk_ends() -> None:
    assert not cues_in(element(VOID) * 5000, A_CUE)
    assert cues_in(element(VOID) * 200, A_CUE)


def test_a_long_seek_head_is_not_read_whole() -> None:
    class Counting(MemorySource):
        read = 0

        def read_at(self, offset: int, size: int) -> bytes:
            data = super().read_at(offset, size)
            Counting.read += len(data)
            return data

    body = element(SEEK_HEAD, bytes(1 << 20) + CUES) + A_CLUSTER
    assert not has_cues(Counting(HEAD + element(SEGMENT, body)))
    assert 0 < Counting.read < 1 << 17


WHOLE = HEAD + element(SEGMENT, seek_head(INFO, TRACKS, CUES) + PRELUDE + A_CLUSTER + A_CUE)


def test_cut_off_at_every_byte() -> None:
    told = [has_cues(MemorySource(WHOLE[:n])) for n in range(1, len(WHOLE) + 1)]
    # Once the seek head is there the answer is yes, and stays so.
    assert told == sorted(told)
    assert told.index(True) + 1 == WHOLE.index(CUES) + len(CUES)


@settings(max_examples=150)
@given(flips=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8))
def test_flipped_bytes_never_raise(flips: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for place, value in flips:
        data[place] = value
    assert has_cues(MemorySource(data)) in (True, False)


@settings(max_examples=150)
@given(body=st.binary(max_size=200), inside=st.booleans())
def test_noise_never_raises(body: bytes, inside: bool) -> None:
    data = HEAD + SEGMENT + size_of(None) + body if inside else EBML + body
    assert has_cues(MemorySource(data)) in (True, False)


@pytest.mark.parametrize(
    "name", [r.name for r in (*STREAMS, *SHORT, *GEOMETRY) if r.container in ("mkv", "webm")]
)
def test_files_of_a_real_muxer(name: str) -> None:
    path = build(recipe(name))
    told = has_cues(LocalSource(path))
    live = ("live", "1") in recipe(name).muxer_options
    assert told is not live
    assert (CUES in path.read_bytes()) is told
    if told:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            container.seek(0, stream=stream)  # reads the cues
            assert len(stream.index_entries) >= 1
