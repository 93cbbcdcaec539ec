"""What a snapshot request may not ask for, and how it is told."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import Any

import pytest
from PIL import ImageColor

from snapengine.errors import RequestError
from snapengine.planning.sampling import MAX_TARGETS
from snapengine.service.domain.colors import COLOR_NAMES, settle_color
from snapengine.service.domain.fields import InvalidField
from snapengine.service.domain.requests import (
    JobNote,
    SnapshotRequest,
    SpriteRequest,
    Template,
    ThumbnailRequest,
    check_reference_id,
)

F = Fraction


# -- colours --------------------------------------------------------------------------------


def test_colour_keywords_are_those_of_css() -> None:
    assert set(ImageColor.colormap) == COLOR_NAMES


@pytest.mark.parametrize(
    ("given_", "kept"),
    [("Black", "black"), ("WHITE", "white"), ("#FF8000", "#ff8000"), ("Random", "random")],
)
def test_colours(given_: str, kept: str) -> None:
    assert SpriteRequest(color=given_).color == kept


def test_a_random_colour_is_settled_by_the_job() -> None:
    first, second = settle_color("random", "job-1"), settle_color("random", "job-2")
    assert first == settle_color("random", "job-1") != second
    assert ImageColor.getrgb(first) != ImageColor.getrgb(second)
    assert settle_color("teal", "job-1") == "teal"


# -- limits ---------------------------------------------------------------------------------

SNAPSHOT_LIMITS: list[tuple[type, dict[str, Any], str, str]] = [
    (SnapshotRequest, {field: wrong}, field, "value")
    for field, values in {
        "width": (7, 4097, 0, -1, "640", 64.0, True),
        "height": (7, 4097),
        "offset": (-1, "soon", float("nan"), True, 10**16),
        "interval": (-1, "often", float("inf")),
        "count": (0, -5, 2**63, 1.5, True),
        "accuracy": ("intra", "", None),
        "kind": ("poster",),
        "tiled": (1, "true"),
        "sprite": ({}, "{}"),
        "at": (5, "5", (-1,), ("x",)),
    }.items()
    for wrong in values
]
LIMITS: list[tuple[type, dict[str, Any], str, str]] = [
    *SNAPSHOT_LIMITS,
    (SnapshotRequest, {"at": tuple(map(F, range(31)))}, "at", "number"),
    (SnapshotRequest, {"interval": 0, "count": MAX_TARGETS + 1}, "count", "value"),
    (SnapshotRequest, {"kind": "sprite"}, "sprite", "missing"),
    (SnapshotRequest, {"tiled": True}, "tiled", "value"),
    *(
        (SpriteRequest, {field: wrong}, field, "value")
        for field, values in {
            "cell_width": (0, 4097, "120"),
            "cell_height": (0, 4097),
            "padding": (-1, 4097, None),
            "margin": (-1, 4097),
            "columns": (0, 10_001),
            "lines": (0, 10_001),
            "color": ("blakc", "", "#12345", "#1234567", "#gg0000", "rgb(1,2,3)", 0, None),
            "keep_cells": ("keep", 1),
        }.items()
        for wrong in values
    ),
    (Template, {"name": "", "request": SnapshotRequest()}, "name", "missing"),
    (Template, {"name": "é" * 65, "request": SnapshotRequest()}, "name", "length"),
    (Template, {"name": 5, "request": SnapshotRequest()}, "name", "value"),
    (Template, {"name": "\ud800", "request": SnapshotRequest()}, "name", "value"),
    (Template, {"name": "a", "request": {}}, "request", "value"),
    (Template, {"name": "a", "request": SnapshotRequest(at=(F(1),))}, "at", "value"),
    *(
        (ThumbnailRequest, {"rule": "every", field: wrong}, field, "value")
        for field, values in {
            "rule": ("time", "quantity", None),
            "every": (-1, 101, F(5)),
            "count": (0, 11),
            "spacing": (-1, 2**31),
            "cover_position": (0, -1),
            "longest_side": (7, 4097),
            "wide": (1, 0),
        }.items()
        for wrong in values
    ),
    (ThumbnailRequest, {"rule": "at"}, "at", "missing"),
    (ThumbnailRequest, {"rule": "at", "at": tuple(map(F, range(11)))}, "at", "number"),
    (ThumbnailRequest, {"rule": "count"}, "count", "missing"),
    (JobNote, {"extend": "é" * 257}, "extend", "length"),
    (JobNote, {"extend": {}}, "extend", "value"),
    (JobNote, {"callback_url": "http://h/" + "a" * 248}, "callback_url", "length"),
    (JobNote, {"callback_url": ""}, "callback_url", "missing"),
]


@pytest.mark.parametrize(("kind", "asked", "field", "why"), LIMITS)
def test_a_broken_limit_names_the_field(
    kind: Any, asked: dict[str, Any], field: str, why: str
) -> None:
    with pytest.raises(InvalidField) as caught:
        kind(**asked)
    failure = caught.value
    assert (failure.field, failure.why) == (field, why)
    assert isinstance(failure, RequestError) and failure.stage == "request"
    assert str(failure).startswith(f"{field} ")
    copy = pickle.loads(pickle.dumps(failure))  # it crosses from worker processes
    assert (copy.field, copy.why, str(copy)) == (field, why, str(failure))
    assert type(copy.value) is type(failure.value)


def test_limits_themselves_are_allowed() -> None:
    SnapshotRequest(width=8, height=4096, at=tuple(map(F, range(30))), count=2**63 - 1)
    SnapshotRequest(interval=0, count=MAX_TARGETS)
    SpriteRequest(columns=10_000, lines=10_000, cell_width=1, padding=4096, margin=4096)
    Template(name="é" * 64, request=SnapshotRequest(kind="webvtt"))
    ThumbnailRequest(rule="at", at=tuple(map(F, range(10))))
    ThumbnailRequest(rule="every", every=100, longest_side=4096, cover_position=99)
    ThumbnailRequest(rule="count", count=10, spacing=2**31 - 1)
    JobNote(extend="é" * 256, callback_url="h" * 256)


def test_a_hostile_value_does_not_fill_the_message() -> None:
    for field in ("width", "offset", "kind", "at"):
        for value in (10**5000, "9" * 5000, [10**5000]):
            with pytest.raises(InvalidField) as caught:
                SnapshotRequest(**{field: value})  # type: ignore[arg-type]
            assert len(str(caught.value)) < 200 and caught.value.field == field


@pytest.mark.parametrize("wrong", ["abcde", "a" * 65, "abc def", "abcdef\n", "äbcdef", None, 7])
def test_reference_ids(wrong: object) -> None:
    with pytest.raises(InvalidField) as caught:
        check_reference_id(wrong)
    assert caught.value.field == "reference_id"
    assert check_reference_id("Az09_-") == "Az09_-"


def test_what_is_made_of_a_request() -> None:
    sprite = SpriteRequest(columns=3)
    assert SnapshotRequest().sheets is None
    assert SnapshotRequest(sprite=sprite).sheets == sprite
    assert SnapshotRequest(kind="sprite", sprite=sprite).sheets == sprite
    assert SnapshotRequest(kind="webvtt", tiled=True).sheets == SpriteRequest()
    assert SnapshotRequest(kind="webvtt", tiled=True, sprite=sprite).sheets == sprite
    assert SnapshotRequest(kind="webvtt", sprite=sprite).sheets is None
    assert Template(name="t", request=SnapshotRequest(kind="webvtt")).kind == "webvtt"
