"""What may be passed over: readers against headers written bit by bit, and against nonsense."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.media.bitstream import READERS, PacketReader
from snapengine.media.bitstream.bits import BitReader, Malformed
from snapengine.media.bitstream.hevc import HevcReader
from snapengine.media.bitstream.mpeg4 import Mpeg4Reader
from tests.unit._bitstream import Bits, Sequence

READER_NAMES = sorted(READERS)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("ue"), st.integers(0, 2**31 - 2)),
            st.tuples(st.just("se"), st.integers(-(2**30), 2**30)),
            st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 2**n - 1))),
        ),
        max_size=20,
    )
)
def test_numbers_are_read_as_written(fields: list[tuple[Any, int]]) -> None:
    bits = Bits()
    for kind, value in fields:
        bits.u(kind, value) if isinstance(kind, int) else getattr(bits, kind)(value)
    reader = BitReader(bits.data())
    for kind, value in fields:
        read = reader.u(kind) if isinstance(kind, int) else getattr(reader, kind)()
        assert read == value
    with pytest.raises(Malformed):
        reader.u(9)


# -- HEVC ------------------------------------------------------------------------------------------


def nal(kind: int, tid: int = 0, layer: int = 0, body: bytes = b"\x80\x80\x80") -> bytes:
    return bytes([kind << 1 | layer >> 5, (layer & 31) << 3 | tid + 1]) + body


def sps(sub_layers: int) -> bytes:
    return nal(33, body=bytes([(sub_layers - 1) << 1 | 1]) + b"\x01\x60" + bytes([128] * 9))


def vps(layers: int) -> bytes:
    return nal(
        32, body=Bits().u(4, 0).u(2, 3).u(6, layers - 1).u(3, 0).u(1, 1).data() + b"\xff\xff"
    )


def annex_b(*units: bytes) -> bytes:
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)


def prefixed(*units: bytes, size: int = 4) -> bytes:
    return b"".join(len(unit).to_bytes(size) + unit for unit in units)


def hvcc(*sets: bytes, size: int = 4) -> bytes:
    arrays = b"".join(bytes([unit[0] >> 1, 0, 1]) + prefixed(unit, size=2) for unit in sets)
    return b"\x01" + bytes(20) + bytes([0xFC | size - 1, len(sets)]) + arrays


def free(reader: PacketReader, packet: bytes) -> bool:
    part = reader.part(memoryview(packet))
    assert part in (b"", packet)
    return not part


@pytest.mark.parametrize("size", [0, 2, 4])
@pytest.mark.parametrize("sub_layers", [1, 2, 3])
def test_hevc_only_the_top_sub_layers_even_types(sub_layers: int, size: int) -> None:
    sets = vps(1), sps(sub_layers)
    reader = HevcReader(hvcc(*sets, size=size) if size else annex_b(*sets))
    for kind in range(32):
        for tid in range(4):
            unit = nal(kind, tid)
            packet = prefixed(unit, size=size) if size else annex_b(nal(35), unit)
            wanted = kind in {0, 2, 4, 6, 8, 10, 12, 14} and tid == sub_layers - 1
            assert free(reader, packet) == wanted, (kind, tid)


def test_hevc_without_parameter_sets_nothing_is_free() -> None:
    assert not free(HevcReader(None), annex_b(nal(0)))


def test_hevc_parameter_sets_in_the_stream_count() -> None:
    reader = HevcReader(None)
    assert not free(reader, annex_b(vps(1), sps(1), nal(34), nal(19)))
    assert free(reader, annex_b(nal(35), nal(39), nal(0)))
    assert not free(reader, annex_b(sps(2), nal(19)))
    assert not free(reader, annex_b(nal(0)))
    assert free(reader, annex_b(nal(0, 1)))
    assert not free(reader, annex_b(sps(1), nal(19))) and not free(reader, annex_b(nal(0)))


@pytest.mark.parametrize("extra", [vps(2), nal(33, layer=1), nal(34, layer=1)])
def test_hevc_with_more_layers_nothing_is_free(extra: bytes) -> None:
    assert free(HevcReader(hvcc(vps(1), sps(1))), prefixed(nal(0)))
    assert not free(HevcReader(hvcc(vps(1), sps(1), extra)), prefixed(nal(0)))


# -- MPEG-4 part 2 ---------------------------------------------------------------------------------


def test_mpeg4_only_a_lone_b_vop() -> None:
    reader = Mpeg4Reader(None)
    vops = [b"\x00\x00\x01\xb6" + bytes([kind << 6 | 17]) + bytes([7] * 30) for kind in range(4)]
    assert [free(reader, vop) for vop in vops] == [False, False, True, False]
    assert not free(reader, vops[1] + vops[2]) and not free(reader, vops[2] + vops[1])
    assert not free(reader, b"\x00\x00\x01\xb2DivX503b1393p" + vops[2])
    assert not free(reader, vops[2][:4])


# -- nonsense --------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", READER_NAMES)
@given(extradata=st.none() | st.binary(max_size=80), packets=st.lists(st.binary(max_size=200)))
def test_any_bytes_are_survived(codec: str, extradata: bytes | None, packets: list[bytes]) -> None:
    reader = READERS[codec](extradata)
    for packet in packets:
        assert len(reader.part(memoryview(packet))) <= len(packet)


@pytest.mark.parametrize("codec", READER_NAMES)
@pytest.mark.parametrize(
    "pattern", [b"\x00\x00\x01", b"\x00\x00\x01\x46\x01", b"\x7a\x00", b"\x00\x00\x00\x01", b"\x00"]
)
def test_large_packets_cost_nothing_worth_mentioning(codec: str, pattern: bytes) -> None:
    extradata = {"av1": Sequence().bytes(), "hevc": hvcc(vps(1), sps(1))}.get(codec)
    packet = memoryview(bytes(pattern * (8 << 20 >> len(pattern).bit_length())))
    for extra in (extradata, None):
        reader = READERS[codec](extra)
        tracemalloc.start()
        began = time.thread_time()
        reader.look_ahead([(packet, False)])
        reader.part(packet)
        spent = time.thread_time() - began
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert spent < 0.5
        assert peak < 1_000_000, "a packet was copied"
