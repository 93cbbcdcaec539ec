"""The rules of the snapshot service: every row of the vendors' tables, and what holds for all."""

from __future__ import annotations

import ast
import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import snapengine.service.domain as domain
from snapengine.planning.sampling import MAX_TARGETS
from snapengine.service.domain.fields import InvalidField
from snapengine.service.domain.requests import (
    SnapshotRequest,
    ThumbnailRequest,
)
from snapengine.service.domain.times import (
    COVER_CANDIDATES,
    cover_candidates,
    cover_of,
    middle,
    snapshot_instants,
    thumbnails,
    whole_duration,
)

F = Fraction
LENGTHS = st.fractions(0, 2000, max_denominator=1000)
SOME_LENGTH = st.fractions(F(1, 100), 2000, max_denominator=1000)
OFFSETS = st.fractions(0, 2500, max_denominator=1000)


# -- instants of snapshots ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "duration", "wanted"),
    [
        # nothing given: one picture, at the start or at the offset
        ({}, 10, [0]),
        ({"offset": F(3)}, 10, [3]),
        ({"offset": F("1.5")}, 10, [F("1.5")]),
        # one: at the offset, whatever the interval
        ({"count": 1}, 10, [0]),
        ({"count": 1, "interval": 7, "offset": 2}, 10, [2]),
        ({"count": 1, "interval": 0, "offset": 2}, 10, [2]),
        # several: the interval is a second unless given
        ({"count": 3}, 10, [0, 1, 2]),
        ({"count": 3, "interval": 4}, 10, [0, 4, 8]),
        # the vendor's example: a clip of 10 s, from 2 s
        ({"offset": 2, "interval": 1, "count": 3}, 10, [2, 3, 4]),
        # the smaller number wins: that of the count, or that of the interval
        ({"count": 2, "interval": 3}, 10, [0, 3]),
        ({"count": 99, "interval": 3}, 10, [0, 3, 6, 9]),
        ({"count": 2**63 - 1, "interval": 3}, 10, [0, 3, 6, 9]),
        # points beyond the end are dropped; no frame begins at the end itself
        ({"count": 5, "interval": 5}, 10, [0, 5]),
        ({"count": 5, "interval": 5}, F("10.001"), [0, 5, 10]),
        ({"offset": 10}, 10, []),
        ({"offset": 11, "count": 3}, 10, []),
        # evenly: offset + k * (duration - offset) / count
        ({"count": 4, "interval": 0}, 10, [0, F("2.5"), 5, F("7.5")]),
        ({"count": 4, "interval": 0, "offset": 2}, 10, [2, 4, 6, 8]),
        ({"count": 3, "interval": 0}, 1, [0, F(1, 3), F(2, 3)]),
        ({"interval": 0}, 10, [0]),
        ({"count": 3, "interval": 0}, 0, [0]),
        # only the interval: to the end
        ({"interval": 4}, 10, [0, 4, 8]),
        ({"interval": 4, "offset": 3}, 10, [3, 7]),
        ({"interval": 100}, 10, [0]),
        # explicit points win over everything else, in order, each once
        ({"at": (F(9), F(0), F("1.5"))}, 10, [0, F("1.5"), 9]),
        ({"at": (F(1), F(1), F(2))}, 10, [1, 2]),
        ({"at": (F(1), F(20), F(10))}, 10, [1]),
        ({"at": (F(5),), "offset": F(1), "count": 3, "interval": F(1)}, 10, [5]),
        ({"at": (F(5),), "count": 3, "interval": F(0)}, 10, [5]),
        # a single frame, or a video that does not tell its duration
        ({"count": 3}, 0, [0]),
        ({"count": 3, "interval": 2, "offset": 1}, None, [1, 3, 5]),
        ({"at": (F(5),)}, None, [5]),
        ({}, None, [0]),
    ],
)
def test_snapshot_instants(asked: dict[str, Any], duration: Any, wanted: list[Any]) -> None:
    length = None if duration is None else F(duration)
    assert list(snapshot_instants(SnapshotRequest(**asked), length)) == wanted


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"interval": 1}, "count"), ({"interval": 0, "count": 2}, "interval")],
)
def test_what_needs_the_end_says_so(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        snapshot_instants(SnapshotRequest(**asked), None)
    assert caught.value.field == field


def test_more_pictures_than_a_job_may_have() -> None:
    with pytest.raises(InvalidField, match=str(MAX_TARGETS)) as caught:
        snapshot_instants(SnapshotRequest(interval=F(1, 1000)), F(7200))
    assert (caught.value.field, caught.value.why) == ("interval", "size")


@example(duration=F(0), offset=F(0), count=3, interval=None, at=[])
@example(duration=F(0), offset=F(0), count=None, interval=F(1), at=[])
@given(
    duration=LENGTHS,
    offset=OFFSETS,
    count=st.none() | st.integers(1, 60) | st.just(2**40),
    interval=st.none() | st.just(F(0)) | st.fractions(F(1, 2), 300, max_denominator=1000),
    at=st.lists(OFFSETS, max_size=30),
)
def test_instants_are_few_within_sorted_and_distinct(
    duration: Fraction, offset: Fraction, count: int | None, interval: Fraction | None,
    at: list[Fraction],
) -> None:  # fmt: skip
    if interval == 0 and count == 2**40:
        count = 1000
    request = SnapshotRequest(offset=offset, count=count, interval=interval, at=tuple(at))
    times = snapshot_instants(request, duration)
    assert all(0 <= t < duration or t == 0 for t in times)
    assert all(a < b for a, b in itertools.pairwise(times))
    if at:
        assert set(times) == {t for t in at if t < duration or t == 0}
        return
    assert len(times) <= (count or (1 if not interval else len(times)))
    if offset < duration:
        assert times[0] == offset
        if interval == 0:
            assert len(times) == (count or 1)
            assert {b - a for a, b in itertools.pairwise(times)} <= {
                (duration - offset) / (count or 1)
            }
        elif count != 1:
            step = 1 if interval is None else interval
            assert {b - a for a, b in itertools.pairwise(times)} <= {step}
            # The next one would have been too many, or beyond the end.
            bound = count if count is not None else (None if interval else 1)
            assert len(times) == bound or times[-1] + step >= duration


# -- instants of thumbnails -----------------------------------------------------------------


def offsets(request: ThumbnailRequest, duration: Any, last: Any = None) -> list[Fraction]:
    return [t.time for t in thumbnails(request, F(duration), None if last is None else F(last))]


@pytest.mark.parametrize(
    ("asked", "duration", "last", "wanted"),
    [
        # the first frame, steps, the last frame
        ({"rule": "every", "every": 4}, 10, "9.96", [0, 4, 8, F("9.96")]),
        ({"rule": "every", "every": 4}, 8, "7.96", [0, 4, F("7.96")]),
        ({"rule": "every", "every": 4}, F("8.04"), 8, [0, 4, 8]),
        ({"rule": "every", "every": 4}, 10, None, [0, 4, 8, 10]),
        ({"rule": "every"}, 30, None, [0, 12, 24, 30]),
        ({"rule": "every", "every": 0}, 30, None, [0, 12, 24, 30]),
        ({"rule": "every", "every": 100}, 10, "9.96", [0, F("9.96")]),
        ({"rule": "every", "every": 1}, F("0.04"), 0, [0]),
        # a last frame that a wrong duration leaves no room for is the one at the end
        ({"rule": "every", "every": 4}, 10, 12, [0, 4, 8, 10]),
        # the points given
        ({"rule": "at", "at": (F(5), F(1), F(9))}, 10, None, [1, 5, 9]),
        ({"rule": "at", "at": (F(5), F(10), F(99))}, 10, None, [5]),
        # so many, evenly or at a distance
        ({"rule": "count", "count": 4}, 10, None, [0, F("2.5"), 5, F("7.5")]),
        ({"rule": "count", "count": 4, "spacing": 0}, 10, None, [0, F("2.5"), 5, F("7.5")]),
        ({"rule": "count", "count": 3, "spacing": 2}, 10, None, [0, 2, 4]),
        ({"rule": "count", "count": 3, "spacing": 8}, 10, None, [0, 8]),
        ({"rule": "count", "count": 1}, 10, None, [0]),
        # what belongs to another rule is ignored
        ({"rule": "count", "count": 2, "every": 3, "at": (F(7),)}, 10, None, [0, 5]),
    ],
)
def test_thumbnail_instants(
    asked: dict[str, Any], duration: Any, last: Any, wanted: list[Any]
) -> None:
    assert offsets(ThumbnailRequest(**asked), duration, last) == wanted


@pytest.mark.parametrize("rule", ["every", "count"])
def test_thumbnails_of_a_video_without_a_duration(rule: Any) -> None:
    with pytest.raises(InvalidField, match="duration"):
        thumbnails(ThumbnailRequest(rule=rule, count=2), None)
    spaced = ThumbnailRequest(rule="count", count=2, spacing=3)
    assert [t.time for t in thumbnails(spaced, None)] == [0, 3]


def test_thumbnails_are_named_by_their_second() -> None:
    every = thumbnails(ThumbnailRequest(rule="every", every=4), F("8.5"), F("8.46"))
    assert [(t.offset, t.name) for t in every] == [(0, "0"), (4, "4"), (8, "8"), (8, "8_2")]
    short = thumbnails(ThumbnailRequest(rule="count", count=4), F(1))
    assert [t.name for t in short] == ["0", "0_2", "0_3", "0_4"]


@given(
    duration=LENGTHS,
    ago=st.fractions(0, 1, max_denominator=100),
    every=st.integers(0, 100),
    count=st.integers(1, 10),
    spacing=st.none() | st.integers(0, 2**31 - 1),
    at=st.lists(OFFSETS, min_size=1, max_size=10),
    rule=st.sampled_from(["every", "at", "count"]),
)
def test_thumbnails_are_within_sorted_and_differ_in_name(
    duration: Fraction, ago: Fraction, every: int, count: int, spacing: int | None,
    at: list[Fraction], rule: Any,
) -> None:  # fmt: skip
    last = max(F(0), duration - ago)
    request = ThumbnailRequest(rule=rule, every=every, count=count, spacing=spacing, at=tuple(at))
    made = thumbnails(request, duration, last)
    times = [t.time for t in made]
    assert all(0 <= t <= duration for t in times)
    assert all(a < b for a, b in itertools.pairwise(times))
    assert all(t.offset <= t.time < t.offset + 1 for t in made)
    assert len({t.name for t in made}) == len(made)
    if rule == "every":
        assert times[0] == 0 and times[-1] == last
        assert all(t % request.every == 0 for t in times[:-1])
        assert len(times) == -(-last // request.every) + 1
    elif rule == "count":
        assert len(times) <= count
        assert spacing or duration == 0 or len(times) == count


@pytest.mark.parametrize(
    ("duration", "whole"), [("10", 10), ("10.99", 10), ("1", 1), ("0.5", 1), ("0", 1)]
)
def test_durations_are_rounded_down_but_never_to_nothing(duration: str, whole: int) -> None:
    assert whole_duration(F(duration)) == whole


# -- covers ---------------------------------------------------------------------------------


@given(SOME_LENGTH)
def test_candidates_begin_at_5_ms_and_are_spread_evenly(duration: Fraction) -> None:
    times = cover_candidates(duration)
    assert len(times) == COVER_CANDIDATES == 8
    assert times[0] == F(5, 1000)
    assert len({b - a for a, b in itertools.pairwise([*times, duration])}) == 1


@pytest.mark.parametrize("duration", [None, F(0), F(5, 1000)])
def test_candidate_of_a_video_with_one_frame(duration: Fraction | None) -> None:
    assert cover_candidates(duration) == (0,)


def test_the_middle_one_and_the_position() -> None:
    assert [middle(n) for n in range(1, 9)] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert [cover_of(position, 3) for position in (1, 2, 3, 4, 99)] == [0, 1, 2, 2, 2]
    for wrong in (lambda: middle(0), lambda: cover_of(1, 0)):
        with pytest.raises(ValueError, match="no picture"):
            wrong()


# -- the layer ------------------------------------------------------------------------------


def test_the_domain_knows_values_only_and_no_wire_names() -> None:
    allowed = ("errors", "model.", "planning.", "outputs.webvtt")
    for path in Path(domain.__path__[0]).glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.level == 3:
                assert node.module and node.module.startswith(allowed), (path.name, node.module)
            elif isinstance(node, ast.ImportFrom):
                assert node.level < 2, (path.name, node.module)
        for name in ("CellWidth", "SnapshotTemplateId", "IsSptFrag", "max_length", "quantity"):
            assert name not in source, (path.name, name)
