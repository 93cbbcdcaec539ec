"""Merging of planned ranges: everything needed is there, the waste is bounded."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from snapengine.media.ranges import _TINY_GAP, _WASTE, _WASTE_PART, merge
from snapengine.sources.base import ByteRange

some_ranges = st.lists(
    st.builds(ByteRange, st.integers(0, 1 << 24), st.integers(1, 1 << 18)), max_size=40
)


@given(some_ranges)
def test_holds_all_that_is_needed_in_order_and_apart(ranges: list[ByteRange]) -> None:
    merged = merge(ranges)
    for offset, size in ranges:
        assert any(m.offset <= offset and offset + size <= m.offset + m.size for m in merged)
    for a, b in itertools.pairwise(merged):
        assert a.offset + a.size + _TINY_GAP < b.offset


@given(some_ranges)
def test_waste_is_bounded(ranges: list[ByteRange]) -> None:
    joined = sorted(ranges)
    needed = end = 0
    for offset, size in joined:
        start = max(end, offset)
        needed += max(0, offset + size - start)
        end = max(end, offset + size)
    merged = merge(ranges)
    wasted = sum(size for _, size in merged) - needed
    tiny = _TINY_GAP * len(ranges)
    assert 0 <= wasted <= needed // _WASTE_PART + _WASTE + tiny


def test_smallest_gaps_first() -> None:
    size = 200 << 10
    far, near = 40 << 10, 30 << 10
    ranges = [
        ByteRange(0, size),
        ByteRange(size + far, size),
        ByteRange(2 * size + far + near, size),
    ]
    assert merge(ranges) == [ByteRange(0, size), ByteRange(size + far, 2 * size + near)]


def test_nothing_gives_nothing() -> None:
    assert merge([]) == []
