"""Packet selection against a twin that knows the whole stream: nothing lost, nothing sent in vain.

Streams are random: reordering of any depth, open GOPs, irregular stamps, discarded packets.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.media.selection import Action, Selector


@dataclass(frozen=True, slots=True)
class Packet:
    """``number`` is the place in decode order."""

    number: int
    pts: int | None
    dts: int | None
    size: int = 10
    is_keyframe: bool = False
    is_discard: bool = False


def stamped(order: list[int], keys: set[int], gaps: list[int], late: int = 0) -> list[Packet]:
    """Packets of frames given by their places in display order; ``keys`` are places too.

    Decode stamps are the display stamps in order, moved back as far as reordering needs.
    """
    times = [0]
    for place in range(len(order) - 1):
        times.append(times[-1] + gaps[place % len(gaps)])
    delay = max(times[i] - times[place] for i, place in enumerate(order)) + late
    return [
        Packet(i, times[place], times[i] - delay, 7 + place % 5, place in keys)
        for i, place in enumerate(order)
    ]


@st.composite
def streams(draw: st.DrawFn, *, reordered: bool = True, discards: bool = False) -> list[Packet]:
    """A stream of closed and open GOPs; each group of frames is decoded with its last one first."""
    order: list[int] = []
    keys: set[int] = set()
    shown = 0
    for gop in range(draw(st.integers(1, 5))):
        leading = draw(st.integers(0, 3)) if gop and reordered else 0
        key = shown + leading
        keys.add(key)
        order += [key, *draw(st.permutations(range(shown, key)))]
        shown = key + 1
        for _ in range(draw(st.integers(0, 3))):
            size = draw(st.integers(1, 5))
            group = range(shown, shown + size)
            if reordered:
                order += [group[-1], *draw(st.permutations(group[:-1]))]
            else:
                order += group
            shown += size
    gaps = draw(st.lists(st.sampled_from([1, 1, 2, 3, 8]), min_size=1, max_size=6))
    late = draw(st.sampled_from([0, 0, 1, 5])) if reordered else 0
    packets = stamped(order, keys, gaps, late)
    if discards:
        hidden = draw(
            st.lists(st.sampled_from([False] * 4 + [True]), min_size=shown, max_size=shown)
        )
        packets = [replace(p, is_discard=h) for p, h in zip(packets, hidden, strict=True)]
    return packets


def targets_for(packets: list[Packet]) -> st.SearchStrategy[list[int]]:
    stamps = [p.pts for p in packets if p.pts is not None]
    instants = st.integers(min(stamps) - 3, max(stamps) + 6)
    return st.lists(instants, min_size=1, max_size=6).map(sorted)


@st.composite
def cases(
    draw: st.DrawFn, *, reordered: bool = True, discards: bool = False
) -> tuple[list[Packet], list[int]]:
    packets = draw(streams(reordered=reordered, discards=discards))
    return packets, draw(targets_for(packets))


def shown_at(packets: list[Packet], targets: list[int]) -> set[int]:
    """The twin: numbers of the packets whose frames are shown at the targets."""
    visible = sorted((p.pts, p.number) for p in packets if not p.is_discard and p.pts is not None)
    found = set()
    for target in targets:
        place = bisect_right(visible, target, key=lambda v: v[0])
        if place:
            found.add(visible[place - 1][1])
    return found


@dataclass
class Reading:
    """What came of feeding a stream: per batch the pairs, the targets answered, what was read."""

    batches: list[tuple[list[tuple[Packet, Action]], list[int]]]
    read: list[Packet]
    dropped: list[Packet]
    selector: Selector[Packet]

    @property
    def pairs(self) -> list[tuple[Packet, Action]]:
        return [pair for items, _ in self.batches for pair in items]

    @property
    def sent(self) -> list[int]:
        return [packet.number for packet, _ in self.pairs]

    def numbers(self, action: Action) -> set[int]:
        return {packet.number for packet, done in self.pairs if done is action}


def fed(packets: list[Packet], targets: list[int], **options: bool) -> Reading:
    """Pushed one after the other, without starting afresh anywhere."""
    selector: Selector[Packet] = Selector(targets, **options)
    items: list[tuple[Packet, Action]] = []
    read = []
    for packet in packets:
        if selector.done:
            break
        read.append(packet)
        items += selector.push(packet)
    if not selector.done:
        items += selector.end()
    return Reading([(items, targets)], read, [], selector)


def batched(
    packets: list[Packet], targets: list[int], *, held: int = 1 << 30, field_pairs: bool = False
) -> Reading:
    """As the batcher does it: approach, start afresh where possible, push, bound what is held."""
    selector: Selector[Packet] = Selector(targets, field_pairs=field_pairs)
    batches: list[tuple[list[tuple[Packet, Action]], list[int]]] = []
    items: list[tuple[Packet, Action]] = []
    remaining, read, dropped = targets, [], []
    for packet in packets:
        if selector.done:
            break
        items += selector.approach(packet)
        if selector.starts_afresh(packet):
            sent = selector.sent
            answered = selector.restart()
            assert answered == remaining[: len(answered)]
            if answered:
                batches.append((items, answered))
                remaining, items = remaining[len(answered) :], []
            elif sent:
                dropped += [p for p, _ in items]
                items = []
            assert selector.targets == remaining
            kept = {p.number for batch, _ in batches for p, _ in batch}
            known = kept | {p.number for p in dropped}
            dropped += [p for p in read if p.number not in known]
        read.append(packet)
        items += selector.push(packet)
        if selector.held_bytes > held:
            items += selector.release()
        if not selector.done:
            away = {p.number for p in dropped} | {p.number for b, _ in batches for p, _ in b}
            away |= {p.number for p, _ in items}
            assert selector.held_bytes == sum(p.size for p in read if p.number not in away)
    if not selector.done:
        items += selector.end()
    batches.append((items, remaining))
    return Reading(batches, read, dropped, selector)


def check_complete(reading: Reading) -> None:
    """Everything read is somewhere, once, in decode order."""
    unsent = [p.number for p in reading.selector.unsent]
    assert reading.sent == sorted(set(reading.sent))
    assert unsent == sorted(set(unsent))
    everything = [*reading.sent, *unsent, *(p.number for p in reading.dropped)]
    assert sorted(everything) == [p.number for p in reading.read]


anything = cases(discards=True)


@settings(max_examples=150)
@given(case=anything)
def test_wanted_is_what_is_shown(case: tuple[list[Packet], list[int]]) -> None:
    packets, targets = case
    reading = fed(packets, targets)
    assert reading.selector.reliable
    assert reading.numbers(Action.WANT) == shown_at(packets, targets)
    check_complete(reading)


@settings(max_examples=100)
@given(case=anything)
def test_nothing_is_sent_beyond_the_last_wanted(case: tuple[list[Packet], list[int]]) -> None:
    packets, targets = case
    reading = fed(packets, targets)
    wanted = shown_at(packets, targets)
    # Everything up to the last wanted, since any of it may be a reference; nothing after it.
    assert reading.sent == list(range(max(wanted) + 1 if wanted else 0))
    assert reading.selector.done


@settings(max_examples=100)
@given(case=cases())
def test_reading_stops_when_the_clock_has_passed(case: tuple[list[Packet], list[int]]) -> None:
    packets, targets = case
    reading = fed(packets, targets)
    passed = [p.number for p in packets if p.dts is not None and p.dts > targets[-1]]
    if passed:
        assert reading.read[-1].number <= passed[0]


@settings(max_examples=200)
@given(case=anything)
def test_starting_afresh_loses_nothing(case: tuple[list[Packet], list[int]]) -> None:
    packets, targets = case
    reading = batched(packets, targets)
    assert reading.numbers(Action.WANT) == shown_at(packets, targets)
    check_complete(reading)
    assert [t for _, answered in reading.batches for t in answered] == targets
    for items, answered in reading.batches:
        wanted = {p.number for p, action in items if action is Action.WANT}
        assert wanted == shown_at(packets, answered)


@settings(max_examples=200)
@given(case=anything)
def test_each_batch_can_be_decoded_alone(case: tuple[list[Packet], list[int]]) -> None:
    packets, targets = case
    for items, _ in batched(packets, targets).batches:
        if not items:
            continue
        numbers = [p.number for p, _ in items]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), "a gap"
        assert items[-1][1] is Action.WANT, "sent in vain"
        first = items[0][0]
        if first.number:
            assert first.is_keyframe and not first.is_discard
            # Pictures shown before the keyframe may need what came before it.
            for packet, action in items:
                if action is Action.WANT:
                    assert packet.pts is not None and first.pts is not None
                    assert packet.pts >= first.pts


@settings(max_examples=150)
@given(case=cases(reordered=False))
def test_without_reordering_only_what_is_needed_is_sent(
    case: tuple[list[Packet], list[int]],
) -> None:
    packets, targets = case
    needed: set[int] = set()
    for number in shown_at(packets, targets):
        key = max(p.number for p in packets[: number + 1] if p.is_keyframe)
        needed |= set(range(key, number + 1))
    assert set(batched(packets, targets).sent) == needed


@settings(max_examples=100)
@given(case=anything, data=st.data())
def test_a_run_may_begin_at_any_keyframe_before_its_targets(
    case: tuple[list[Packet], list[int]], data: st.DataObject
) -> None:
    packets, targets = case
    starts = [
        p.number
        for p in packets
        if p.is_keyframe and not p.is_discard and p.pts is not None and p.pts <= targets[0]
    ]
    if starts:
        start = data.draw(st.sampled_from(starts))
        reading = batched(packets[start:], targets)
        assert reading.numbers(Action.WANT) == shown_at(packets[start:], targets)
        # Reading from farther on can only miss what was decoded before and shown later.
        if not any(p.pts > packets[start].pts for p in packets[:start] if not p.is_discard):  # type: ignore[operator]
            assert reading.numbers(Action.WANT) == shown_at(packets, targets)


@settings(max_examples=100)
@given(case=anything, held=st.integers(0, 60))
def test_a_bound_on_memory_loses_nothing(case: tuple[list[Packet], list[int]], held: int) -> None:
    packets, targets = case
    reading = batched(packets, targets, held=held)
    assert reading.numbers(Action.WANT) == shown_at(packets, targets)
    check_complete(reading)


@settings(max_examples=60)
@given(case=anything)
def test_skippable_is_only_what_is_not_wanted(case: tuple[list[Packet], list[int]]) -> None:
    packets, targets = case
    reading = fed(packets, targets)
    assert reading.numbers(Action.SEND) == set()
    assert reading.numbers(Action.SKIP) == set(reading.sent) - shown_at(packets, targets)


@settings(max_examples=60)
@given(case=cases())
def test_asking_twice_for_an_instant_changes_nothing(case: tuple[list[Packet], list[int]]) -> None:
    packets, targets = case
    once, twice = sorted(set(targets)), sorted(targets * 2)
    assert batched(packets, once).pairs == batched(packets, twice).pairs


# -- interlaced -----------------------------------------------------------------------------


@st.composite
def field_cases(draw: st.DrawFn) -> tuple[list[Packet], list[int], dict[int, set[int]]]:
    """Each frame as two packets; the second without pts, or (for one target) with one between.

    Also returns which packets make up the frame of each first packet.
    """
    frames, targets = draw(cases())
    own_stamp = draw(st.booleans())
    packets: list[Packet] = []
    whole: dict[int, set[int]] = {}
    for frame in frames:
        assert frame.pts is not None and frame.dts is not None
        pts, dts = 2 * frame.pts, 2 * frame.dts
        first = replace(frame, number=len(packets), pts=pts, dts=dts)
        second = replace(
            frame, number=len(packets) + 1, pts=pts + 1 if own_stamp else None,
            dts=dts + 1 if own_stamp else None, is_keyframe=False,
        )  # fmt: skip
        whole[first.number] = whole[second.number] = {first.number, second.number}
        packets += [first, second]
    return packets, [2 * t for t in targets[: 1 if own_stamp else None]], whole


@settings(max_examples=150)
@given(case=field_cases())
def test_both_fields_of_a_wanted_frame_are_sent(
    case: tuple[list[Packet], list[int], dict[int, set[int]]],
) -> None:
    packets, targets, whole = case
    for reading in (
        fed(packets, targets, field_pairs=True),
        batched(packets, targets, field_pairs=True),
    ):
        wanted = shown_at(packets, targets)
        assert set().union(*(whole[n] for n in wanted)) <= set(reading.sent)
        assert reading.selector.reliable
        assert not reading.numbers(Action.SKIP)
        assert reading.numbers(Action.WANT) <= wanted
        check_complete(reading)
        for items, answered in reading.batches:
            if items:
                last = max(shown_at(packets, answered))
                assert items[-1][0].number <= last + 1


@settings(max_examples=100)
@given(case=cases())
def test_whole_frames_in_an_interlaced_stream_are_sent(
    case: tuple[list[Packet], list[int]],
) -> None:
    packets, targets = case
    wanted = shown_at(packets, targets)
    for reading in (
        fed(packets, targets, field_pairs=True),
        batched(packets, targets, field_pairs=True),
    ):
        assert wanted <= set(reading.sent)
        assert reading.numbers(Action.WANT) <= wanted
        if wanted:
            assert reading.sent[-1] <= max(wanted) + 1
        check_complete(reading)


@pytest.mark.parametrize(
    ("packets", "targets", "needed"),
    [
        pytest.param(
            # PAFF: a frame of one packet, then one of two.
            [Packet(0, 0, 0, is_keyframe=True), Packet(1, 2, 2), Packet(2, None, 3),
             Packet(3, 4, 4), Packet(4, None, 5)],
            [0, 2], {0, 1, 2}, id="mixed",
        ),
        pytest.param(
            # Fields with stamps of their own; the target lies in the second half of a frame.
            [Packet(i, i, i, is_keyframe=i == 0) for i in range(6)],
            [1, 2], {0, 1, 2, 3}, id="stamped",
        ),
    ],
)  # fmt: skip
def test_both_fields_of_two_neighbours_are_sent(
    packets: list[Packet], targets: list[int], needed: set[int]
) -> None:
    assert needed <= set(fed(packets, targets, field_pairs=True).sent)


# -- stamps that cannot be relied on --------------------------------------------------------


@settings(max_examples=100)
@given(case=cases(), data=st.data())
def test_a_missing_stamp_ends_selection(
    case: tuple[list[Packet], list[int]], data: st.DataObject
) -> None:
    packets, targets = case
    broken = data.draw(st.integers(0, len(packets) - 1))
    how = data.draw(st.sampled_from(["missing", "backwards"]))
    was = packets[broken]
    assert was.dts is not None
    packets[broken] = replace(was, pts=None if how == "missing" else was.dts - 1)
    reading = fed(packets, targets)
    if reading.read[-1].number < broken:
        assert reading.selector.reliable
        return
    assert not reading.selector.reliable
    # The caller decides by the frames that come out when it has seen enough.
    assert reading.sent == list(range(len(packets)))
    late = [action for p, action in reading.pairs if p.number >= broken]
    assert set(late) <= {Action.SEND}
    assert not reading.selector.unsent


@given(case=cases())
def test_unreliable_from_the_beginning_sends_everything(
    case: tuple[list[Packet], list[int]],
) -> None:
    packets, targets = case
    reading = fed(packets, targets, reliable=False)
    assert reading.sent == list(range(len(packets)))
    assert reading.numbers(Action.SEND) == set(reading.sent)
    assert not any(reading.selector.starts_afresh(p) for p in packets)


# -- the examples of the text ---------------------------------------------------------------


def test_the_example_of_the_module() -> None:
    order = [0, 3, 1, 2, 6, 4, 5]
    packets = stamped(order, {0}, [1])
    reading = fed(packets, [4])
    actions = {p.pts: action for p, action in reading.pairs}
    assert actions == {
        0: Action.SKIP, 3: Action.SKIP, 1: Action.SKIP, 2: Action.SKIP, 6: Action.SKIP,
        4: Action.WANT,
    }  # fmt: skip


def test_gops_between_two_targets_are_not_sent() -> None:
    packets = stamped(list(range(60)), set(range(0, 60, 10)), [1])
    reading = batched(packets, [3, 45])
    assert [[p.number for p, _ in items] for items, _ in reading.batches] == [
        [0, 1, 2, 3],
        [40, 41, 42, 43, 44, 45],
    ]
    assert [answered for _, answered in reading.batches] == [[3], [45]]


def test_leading_pictures_keep_the_gop_before() -> None:
    # I0 P1 P2 | I5 with 3 and 4 shown before it: 4 needs what came before the keyframe.
    packets = stamped([0, 1, 2, 5, 3, 4, 6], {0, 5}, [1])
    (items, answered), *rest = batched(packets, [4]).batches
    assert ([p.number for p, _ in items], answered, rest) == ([0, 1, 2, 3, 4, 5], [4], [])
    ((items, _),) = [b for b in batched(packets, [5]).batches if b[0]]
    assert [p.pts for p, _ in items] == [5]


def test_targets_before_everything_want_nothing() -> None:
    packets = stamped([0, 1, 2], {0}, [1])
    reading = fed(packets, [-5, -1])
    assert reading.sent == []
    assert reading.selector.done


def test_what_is_discarded_may_run_ahead() -> None:
    packets = [
        Packet(0, 0, 0, is_keyframe=True),
        Packet(1, 50, 50, is_discard=True),  # an edit list goes back after it
        Packet(2, 10, 10),
        Packet(3, 30, 30),
    ]
    for reading in (fed(packets, [20]), batched(packets, [20])):
        assert reading.numbers(Action.WANT) == {2}
