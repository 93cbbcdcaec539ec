"""Keyframes found by reading: the nearest is that of the whole list, however little was read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from snapengine.media.surroundings import Surroundings


@dataclass
class Fake:
    """A packet of a stream without reordering."""

    pts: int | None
    is_keyframe: bool
    is_discard: bool = False

    @property
    def dts(self) -> int | None:
        return self.pts


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Fake], list[Fraction]]:
    gaps = draw(st.lists(st.integers(1, 9), min_size=2, max_size=60))
    keys = draw(st.lists(st.booleans(), min_size=len(gaps), max_size=len(gaps)))
    pts, packets = 0, []
    for gap, key in zip(gaps, keys, strict=True):
        packets.append(Fake(pts, key or not packets))
        pts += gap
    targets = sorted(draw(st.lists(st.fractions(0, pts + 5, max_denominator=4), min_size=1)))
    return packets, targets


def read_until_covered(around: Surroundings, unread: list[Any], pts: Fraction) -> int:
    count = 0
    while not around.covers(pts):
        if not unread:
            around.ended = True
            break
        around.add(unread.pop(0))
        count += 1
    return count


@given(streams())
def test_nearest_of_what_was_read_is_the_nearest_of_all(
    case: tuple[list[Fake], list[Fraction]],
) -> None:
    packets, targets = case
    keys = [p.pts for p in packets if p.is_keyframe and p.pts is not None]
    around, unread = Surroundings(), list(packets)
    for pts in targets:
        read_until_covered(around, unread, pts)
        found = around.nearest(pts)
        assert found is not None
        best = min(abs(key - pts) for key in keys)
        assert abs(found.pts - pts) == best
        # Of two equally near the earlier, as an index would find it.
        assert found.pts == min(key for key in keys if abs(key - pts) == best)


def test_every_frame_a_keyframe_reads_no_farther_than_the_next_but_one() -> None:
    packets = [Fake(10 * n, True) for n in range(100)]
    around, unread = Surroundings(), list(packets)
    assert read_until_covered(around, unread, Fraction(31)) == 6
    assert around.nearest(Fraction(31)).pts == 30  # type: ignore[union-attr]
    assert read_until_covered(around, unread, Fraction(36)) == 0
    assert around.nearest(Fraction(36)).pts == 40  # type: ignore[union-attr]


def test_discarded_packets_are_no_places_and_do_not_advance_the_clock() -> None:
    around = Surroundings()
    around.add(Fake(0, True))  # type: ignore[arg-type]
    around.add(Fake(500, True, is_discard=True))  # type: ignore[arg-type]
    assert around.clock == 0
    assert not around.covers(Fraction(100))
    assert around.before(Fraction(600)).pts == 0  # type: ignore[union-attr]


def test_companion_and_what_is_shown_next_are_remembered() -> None:
    around = Surroundings()
    key, field, late, early = Fake(10, True), Fake(None, False), Fake(40, False), Fake(20, False)
    for packet in (key, field, late, early):
        around.add(packet)  # type: ignore[arg-type]
    found = around.before(Fraction(15))
    assert found is not None
    assert found.companion is field
    assert found.following == 20
    assert found.shown_at(19)
    assert not found.shown_at(20)
    assert not found.shown_at(9)
    around.forget()
    assert around.clock is None
    assert around.nearest(Fraction(15)) is None
