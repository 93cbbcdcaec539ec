"""How large the service's pictures and sheets are, and the tracks made of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import InvalidOption
from snapengine.model.geometry import UPRIGHT, Rect, Size, make_view
from snapengine.planning.layout import MAX_PAGE_PIXELS, SheetLayout
from snapengine.service.domain.fields import InvalidField
from snapengine.service.domain.requests import (
    SnapshotRequest,
    SpriteRequest,
    ThumbnailRequest,
)
from snapengine.service.domain.sizes import cell_size, plan_sheets, snapshot_size, thumbnail_size
from snapengine.service.domain.times import (
    spans,
)
from snapengine.service.domain.tracks import numbered, picture_track, sheet_track

F = Fraction
OFFSETS = st.fractions(0, 2500, max_denominator=1000)
SOME_LENGTH = st.fractions(F(1, 100), 2000, max_denominator=1000)
SIDES = st.integers(8, 4096)
HD = Size(1920, 1080)


# -- sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "source", "wanted"),
    [
        ({}, HD, HD),
        ({}, Size(7680, 4320), Size(7680, 4320)),
        ({"width": 1280, "height": 720}, HD, Size(1280, 720)),
        ({"width": 100, "height": 100}, HD, Size(100, 100)),
        ({"width": 1280}, HD, Size(1280, 720)),
        ({"height": 720}, HD, Size(1280, 720)),
        ({"width": 270}, Size(1080, 1920), Size(270, 480)),
        ({"width": 8}, Size(4096, 8), Size(8, 1)),
        ({"width": 4096, "height": 8}, HD, Size(4096, 8)),
    ],
)
def test_snapshot_size(asked: dict[str, Any], source: Size, wanted: Size) -> None:
    assert snapshot_size(SnapshotRequest(**asked), source) == wanted


@given(width=st.none() | SIDES, height=st.none() | SIDES, source=st.tuples(SIDES, SIDES))
def test_sizes_are_those_the_engine_makes(
    width: int | None, height: int | None, source: tuple[int, int]
) -> None:
    request = SnapshotRequest(width=width, height=height)
    try:
        size = snapshot_size(request, Size(*source))
    except InvalidField as failure:
        assert failure.why == "size" and failure.value in (width, height)
        return
    view = make_view(Size(*source), F(1), UPRIGHT, width=width, height=height, fit="stretch")
    assert size == view.size


@pytest.mark.parametrize(
    ("asked", "source", "wanted"),
    [
        ({}, HD, Size(480, 270)),
        ({}, Size(1080, 1920), Size(270, 480)),
        ({"longest_side": 1280}, HD, Size(1280, 720)),
        ({"longest_side": 100}, Size(640, 640), Size(100, 100)),
        ({"wide": True}, Size(640, 480), Size(480, 270)),
        ({"wide": True, "longest_side": 1280}, Size(1080, 1920), Size(1280, 720)),
    ],
)
def test_thumbnail_size(asked: dict[str, Any], source: Size, wanted: Size) -> None:
    assert thumbnail_size(ThumbnailRequest(rule="every", **asked), source) == wanted


@given(longest=SIDES, source=st.tuples(SIDES, SIDES))
def test_the_longest_side_is_the_one_asked_for(longest: int, source: tuple[int, int]) -> None:
    size = thumbnail_size(ThumbnailRequest(rule="every", longest_side=longest), Size(*source))
    assert max(size) == longest
    assert (size.width >= size.height) or source[0] < source[1]


# -- sheets ---------------------------------------------------------------------------------


def test_sprite_defaults() -> None:
    sprite = SpriteRequest()
    assert (sprite.padding, sprite.margin, sprite.color) == (0, 0, "black")
    assert (sprite.columns, sprite.lines, sprite.keep_cells) == (10, 10, True)
    assert cell_size(sprite, Size(1280, 720)) == (1280, 720)
    assert cell_size(SpriteRequest(cell_width=120), Size(1280, 720)) == (120, 68)
    assert cell_size(SpriteRequest(cell_height=90), Size(1280, 720)) == (160, 90)
    assert cell_size(SpriteRequest(cell_width=7, cell_height=9), HD) == (7, 9)


EXAMPLE = SpriteRequest(cell_width=120, cell_height=68, columns=3, lines=10, padding=20, margin=50)


def test_the_vendors_example_of_a_sheet() -> None:
    """Padding lies between the cells, margin around them; 50 cells make sheets of 30 and 20."""
    plan = plan_sheets(EXAMPLE, Size(120, 68), 50)
    assert plan.full and plan.sheet_count == 2
    assert [plan.sheet_size(i) for i in range(2)] == [(500, 960), (500, 960)]
    assert [len(plan.cells_on(i)) for i in range(2)] == [30, 20]
    assert plan.place(0) == (0, Rect(50, 50, 120, 68))
    assert plan.place(1) == (0, Rect(190, 50, 120, 68))
    assert plan.place(3) == (0, Rect(50, 138, 120, 68))
    assert plan.place(29) == (0, Rect(330, 842, 120, 68))
    assert plan.place(30) == (1, Rect(50, 50, 120, 68))
    for wrong in (lambda: plan.place(50), lambda: plan.sheet_size(2), lambda: plan.cells_on(2)):
        with pytest.raises(IndexError):
            wrong()


def test_a_sheet_larger_than_a_picture_can_be_has_only_what_is_needed() -> None:
    one = plan_sheets(SpriteRequest(), HD, 1)  # 10 x 10 of these are 19200 x 10800
    assert not one.full and one.sheet_count == 1 and one.sheet_size(0) == HD
    many = plan_sheets(SpriteRequest(), HD, 100)
    assert [many.sheet_size(i) for i in range(many.sheet_count)] == [
        (19200, 4320), (19200, 4320), (19200, 2160),
    ]  # fmt: skip
    strip = plan_sheets(SpriteRequest(columns=10_000, lines=10_000), Size(120, 68), 5)
    assert strip.sheet_size(0) == (600, 68)
    with pytest.raises(InvalidField) as caught:
        plan_sheets(SpriteRequest(columns=10_000), Size(120, 68), 10_000)
    assert (caught.value.field, caught.value.why) == ("columns", "size")


@settings(deadline=None)
@given(
    cell=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    columns=st.integers(1, 40),
    lines=st.integers(1, 40),
    padding=st.integers(0, 30),
    margin=st.integers(0, 30),
    count=st.integers(1, 5000),
    data=st.data(),
)
def test_sheets_are_laid_out_as_planning_does(
    cell: tuple[int, int], columns: int, lines: int, padding: int, margin: int, count: int,
    data: st.DataObject,
) -> None:  # fmt: skip
    sprite = SpriteRequest(columns=columns, lines=lines, padding=padding, margin=margin)
    w, h = cell
    plan = plan_sheets(sprite, Size(w, h), count)
    width = 2 * margin + columns * w + (columns - 1) * padding
    height = 2 * margin + lines * h + (lines - 1) * padding
    assert plan.full == (width * height <= MAX_PAGE_PIXELS and max(width, height) <= 65500)
    layout = SheetLayout(
        cell=Size(w, h), count=count, columns=columns, rows=lines, padding=padding, margin=margin
    )
    if plan.full:
        assert plan.cells_per_sheet == columns * lines
        assert plan.sheet_count == -(-count // (columns * lines))
        assert {plan.sheet_size(i) for i in range(plan.sheet_count)} == {(width, height)}
    else:
        assert [plan.sheet_size(i) for i in range(plan.sheet_count)] == [
            page.size for page in layout.pages
        ]
    assert [c for i in range(plan.sheet_count) for c in plan.cells_on(i)] == list(range(count))
    index = data.draw(st.integers(0, count - 1))
    if columns <= count:  # else planning's sheets are narrower, and those asked for are not
        assert plan.place(index) == layout.rect(index)
    sheet, rect = plan.place(index)
    assert index in plan.cells_on(sheet)
    assert rect.x + rect.width + margin <= plan.sheet_size(sheet).width
    assert rect.y + rect.height + margin <= plan.sheet_size(sheet).height


# -- tracks ---------------------------------------------------------------------------------


def test_numbers_of_files() -> None:
    assert [numbered(n) for n in (1, 2, 99_999, 100_000)] == ["00001", "00002", "99999", "100000"]
    with pytest.raises(ValueError, match="from 1"):
        numbered(0)


def test_a_track_of_single_pictures() -> None:
    times = spans([F(0), F(9174, 1000)], F(12))
    assert picture_track(times, Size(120, 53), ["x-00001.jpg", "x-00002.jpg"]) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:09.174\nx-00001.jpg?wh=120,53\n\n"
        "00:00:09.174 --> 00:00:12.000\nx-00002.jpg?wh=120,53\n"
    )


def test_a_track_of_sheets() -> None:
    sprite = SpriteRequest(columns=2, lines=1, padding=4, margin=6)
    plan = plan_sheets(sprite, Size(120, 53), 3)
    times = spans([F(0), F(5), F(3700)], F(3701))
    assert sheet_track(times, plan, ["a b.jpg", "#xywh=1,2,3,4"]) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:05.000\na%20b.jpg?xywh=6,6,120,53\n\n"
        "00:00:05.000 --> 01:01:40.000\na%20b.jpg?xywh=130,6,120,53\n\n"
        "01:01:40.000 --> 01:01:41.000\n%23xywh%3D1%2C2%2C3%2C4?xywh=6,6,120,53\n"
    )
    assert "a%20b.jpg#xywh=130,6,120,53\n" in sheet_track(
        times, plan, ["a b.jpg", "c.jpg"], mark="#"
    )


def test_tracks_need_a_name_for_each_file() -> None:
    plan = plan_sheets(SpriteRequest(), Size(16, 9), 2)
    times = spans([F(0), F(1)], F(2))
    for wrong in (
        lambda: sheet_track(times, plan, []),
        lambda: sheet_track(times[:1], plan, ["a.jpg"]),
        lambda: picture_track(times, Size(16, 9), ["a.jpg"]),
    ):
        with pytest.raises(InvalidField):
            wrong()
    with pytest.raises(InvalidOption):
        picture_track(times[:1], Size(16, 9), [""])


@settings(deadline=None)
@given(times=st.lists(OFFSETS, min_size=1, max_size=40, unique=True), more=SOME_LENGTH)
def test_every_cell_has_its_cue(times: list[Fraction], more: Fraction) -> None:
    ordered = sorted(times)
    stretches = spans(ordered, ordered[-1] + more)
    assert [start for start, _ in stretches] == ordered
    assert [end for _, end in stretches] == [*ordered[1:], ordered[-1] + more]
    plan = plan_sheets(EXAMPLE, Size(120, 68), len(ordered))
    names = [f"{numbered(i + 1)}.jpg" for i in range(plan.sheet_count)]
    lines = sheet_track(stretches, plan, names).split("\n")
    places = [line for line in lines if "?" in line]
    assert places == [
        f"{names[sheet]}?xywh={x},{y},{w},{h}"
        for sheet, (x, y, w, h) in map(plan.place, range(len(ordered)))
    ]
    assert "#" not in "".join(lines)


def test_no_stretches_of_no_times() -> None:
    assert spans([], F(5)) == []
    assert picture_track([], Size(16, 9), []) == "WEBVTT\n"
