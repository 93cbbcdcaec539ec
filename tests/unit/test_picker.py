"""Frames and targets meet by pts alone; what cannot be proved is not called exact."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from snapengine.media.picker import Delivery, Picker
from snapengine.model.plan import Target


def frame(pts: int | None, *, key: bool = False, corrupt: bool = False) -> Any:
    return SimpleNamespace(pts=pts, dts=pts, key_frame=key, is_corrupt=corrupt)


def packet(pts: int | None, *, dts: int | None = None, key: bool = False) -> Any:
    return SimpleNamespace(
        pts=pts,
        dts=pts if dts is None else dts,
        is_keyframe=key,
        is_discard=False,
        is_corrupt=False,
    )


def targets(*pts: int) -> list[Target]:
    return [Target(pts=p, requests=(n,)) for n, p in enumerate(pts)]


def picker(wanted: list[Target], **options: Any) -> Picker:
    settings = {
        "proved_only": False, "reliable": True, "from_start": False, "key_only": False,
        "rebuilds_pts": False,
    }  # fmt: skip
    return Picker(wanted, **(settings | options))


def answers(deliveries: list[Delivery]) -> dict[int, tuple[int, bool]]:
    return {n: (d.pts, d.exact) for d in deliveries for t in d.targets for n in t.requests}


@given(
    shown=st.lists(st.integers(0, 200), min_size=1, unique=True),
    asked=st.lists(st.integers(0, 250), min_size=1, max_size=8, unique=True),
)
def test_every_target_gets_the_largest_pts_at_or_before_it(
    shown: list[int], asked: list[int]
) -> None:
    shown.sort()
    asked.sort()
    best = {t: max((p for p in shown if p <= t), default=None) for t in asked}
    made = picker(targets(*asked), from_start=True)
    made.wanted = sorted({p for p in best.values() if p is not None})
    found: list[Delivery] = []
    for pts in shown:
        found += made.take(frame(pts), 0)
    found += made.end(0, truncated=False)
    assert answers(found) == {
        number: (shown[0] if best[t] is None else best[t], True) for number, t in enumerate(asked)
    }


def test_a_frame_that_jumps_the_queue_is_no_proof() -> None:
    """A decoder that believes in too little reordering gives 30 before 20 and drops 20."""
    made = picker(targets(25))
    made.sent(packet(10, key=True))
    assert not [*made.take(frame(10, key=True), 0), *made.take(frame(30), 0)]
    made.wanted.append(20)
    made.disordered = True
    (found,) = made.end(0, truncated=False)
    assert (found.pts, found.exact) == (10, False)


def test_a_hidden_picture_is_covered_by_the_one_before_it() -> None:
    made = picker(targets(25))
    made.wanted.append(20)
    assert not [*made.take(frame(10), 0), *made.take(frame(30), 0)]
    assert not made.satisfied
    (found,) = made.end(0, truncated=False)
    assert (found.pts, found.exact) == (10, True)


def test_damage_makes_what_is_given_instead_doubtful() -> None:
    made = picker(targets(25))
    made.wanted.append(20)
    assert not [*made.take(frame(10), 0), *made.take(frame(30), 1)]
    (found,) = made.end(1, truncated=False)
    assert (found.pts, found.exact) == (10, False)


def test_a_damaged_packet_taints_its_own_frame_although_it_comes_late() -> None:
    made = picker(targets(10, 20))
    made.wanted += [10, 20]
    made.sent(packet(10, key=True))
    made.sent(packet(20, key=True), damaged=True)
    found = [*made.take(frame(10, key=True), 1), *made.take(frame(20, key=True), 1)]
    found += made.end(1, truncated=False)
    assert found[-1].pts == 20
    assert found[-1].corrupt


def test_counting_starts_from_the_keyframe_and_not_before() -> None:
    """Decode order stamps: what is predicted from before the keyframe has no number."""
    made = picker(targets(5, 6), rebuilds_pts=True, reliable=False)
    for dts, pts, key in ((4, 5, True), (5, 5, False), (6, 6, False)):
        made.sent(packet(pts, dts=dts, key=key))
    found = [d for f in (frame(None), frame(None, key=True), frame(None)) for d in made.take(f, 0)]
    found += made.end(0, truncated=False)
    assert answers(found) == {0: (5, True), 1: (6, True)}


def test_beyond_cut_off_data_nothing_is_exact() -> None:
    made = picker(targets(10, 90))
    made.wanted.append(10)
    found = [*made.take(frame(10), 0), *made.end(0, truncated=True)]
    assert answers(found)[1] == (10, False)


def test_damage_that_is_shown_later_reaches_what_was_made_from_it() -> None:
    """Decoded I, P, B; shown I, B, P: the P is damaged, the B between is made from it."""
    made = picker(targets(0, 10, 20), delay=2)
    made.wanted += [0, 10, 20]
    for pts, key in ((0, True), (20, False), (10, False)):
        made.sent(packet(pts, key=key))
    found: list[Delivery] = []
    for shown in (frame(0, key=True), frame(10), frame(20, corrupt=True)):
        found += made.take(shown, 0)
    found += made.end(0, truncated=False)
    assert {d.pts: d.corrupt for d in found} == {0: False, 10: True, 20: True}


def test_damage_reaches_the_last_picture_wanted_too() -> None:
    """Nothing wanted comes behind it, so it is still held when the damaged one comes out."""
    made = picker(targets(10), proved_only=True, delay=2)
    made.wanted.append(10)
    for pts, key in ((0, True), (20, False), (10, False)):
        made.sent(packet(pts, key=key))
    found: list[Delivery] = []
    for shown in (frame(0, key=True), frame(10), frame(20, corrupt=True)):
        found += made.take(shown, 0)
    assert not [*found, *made.end(0, truncated=False)]


def test_damage_decoded_later_does_not_reach_back() -> None:
    made = picker(targets(0, 10, 20), delay=2)
    made.wanted += [0, 10, 20]
    for pts, key in ((0, True), (10, False), (20, False)):
        made.sent(packet(pts, key=key))
    found: list[Delivery] = []
    for shown in (frame(0, key=True), frame(10), frame(20, corrupt=True)):
        found += made.take(shown, 0)
    found += made.end(0, truncated=False)
    assert {d.pts: d.corrupt for d in found} == {0: False, 10: False, 20: True}
