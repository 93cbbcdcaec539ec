"""Sprite sheet layout: every promise as a property over random sheets."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import InvalidGeometry, LayoutTooLarge
from snapengine.model.geometry import Rect, Size
from snapengine.planning.layout import MAX_PAGE_PIXELS, SheetLayout

BASE: dict[str, Any] = {"cell": (160, 90), "count": 100}


@st.composite
def layouts(draw: st.DrawFn) -> SheetLayout:
    """Sheets small enough to look at every cell, often of several pages."""
    side = st.integers(1, 9) | st.sampled_from((2, 4, 8))  # even often enough for "420"
    w, h = draw(side), draw(side)
    count, columns = draw(st.integers(1, 60)), draw(st.integers(1, 12))
    padding, margin = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    used = min(columns, count)
    width = 2 * margin + used * w + (used - 1) * padding
    row = h + 2 * margin
    return SheetLayout(
        cell=Size(w, h),
        count=count,
        columns=columns,
        rows=draw(st.none() | st.integers(1, 8)),
        padding=padding,
        margin=margin,
        max_side=draw(st.integers(max(width, row), max(width, row) + 60)),
        max_pixels=draw(st.integers(width * row, width * row + 3000)),
    )


def by_page(layout: SheetLayout) -> list[list[Rect]]:
    pages: list[list[Rect]] = [[] for _ in range(layout.page_count)]
    for index in range(layout.count):
        page, rect = layout.rect(index)
        pages[page].append(rect)
    return pages


@given(layouts())
def test_cells_lie_inside_and_never_overlap(layout: SheetLayout) -> None:
    for page, rects in zip(layout.pages, by_page(layout), strict=True):
        painted: set[tuple[int, int]] = set()
        for rect in rects:
            assert (rect.width, rect.height) == layout.cell
            pixels = {
                (x, y)
                for x in range(rect.x, rect.x + rect.width)
                for y in range(rect.y, rect.y + rect.height)
            }
            assert not pixels & painted
            painted |= pixels
        assert all(0 <= x < page.size.width and 0 <= y < page.size.height for x, y in painted)


@given(layouts())
def test_gaps_are_exactly_padding_and_margins_exactly_margin(layout: SheetLayout) -> None:
    for page, rects in zip(layout.pages, by_page(layout), strict=True):
        lefts, tops = sorted({r.x for r in rects}), sorted({r.y for r in rects})
        w, h = layout.cell
        assert all(b - a - w == layout.padding for a, b in pairwise(lefts))
        assert all(b - a - h == layout.padding for a, b in pairwise(tops))
        assert lefts[0] == tops[0] == layout.margin
        assert page.size.height - (tops[-1] + h) == layout.margin
        if len(rects) >= layout.columns:
            assert page.size.width - (lefts[-1] + w) == layout.margin


@given(layouts())
def test_row_major_over_consecutive_pages(layout: SheetLayout) -> None:
    places = [layout.rect(i) for i in range(layout.count)]
    order = [(page, rect.y, rect.x) for page, rect in places]
    assert order == sorted(order)
    assert len(set(order)) == layout.count
    first = 0
    for number, page in enumerate(layout.pages):
        assert page.first == first
        assert [p for p, _ in places].count(number) == page.cells
        assert len({r.y for p, r in places if p == number}) == page.rows
        first += page.cells
    assert first == layout.count


@given(layouts())
def test_pages_have_one_width_respect_limits_and_waste_no_row(layout: SheetLayout) -> None:
    pages = layout.pages
    assert len({page.size.width for page in pages}) == 1
    assert len({page.size.height for page in pages[:-1]}) <= 1
    for page in pages:
        assert max(page.size) <= layout.max_side
        assert page.size.width * page.size.height <= layout.max_pixels
    assert pages[-1].size.height <= pages[0].size.height
    assert (pages[-1].rows - 1) * layout.columns < pages[-1].cells


@given(layouts(), st.integers(1, 9))
def test_rows_are_the_most_that_fit(layout: SheetLayout, rows: int) -> None:
    """One more row per page would break a limit, the request, or the number of cells."""
    taller = layout.pages[0].size.height + layout.cell.height + layout.padding
    width = layout.pages[0].size.width
    asked = SheetLayout(
        cell=layout.cell, count=layout.count, columns=layout.columns, rows=rows,
        padding=layout.padding, margin=layout.margin,
        max_side=layout.max_side, max_pixels=layout.max_pixels,
    )  # fmt: skip
    assert asked.rows_per_page <= rows
    unbounded = SheetLayout(
        cell=layout.cell, count=layout.count, columns=layout.columns,
        padding=layout.padding, margin=layout.margin,
        max_side=layout.max_side, max_pixels=layout.max_pixels,
    )  # fmt: skip
    assert asked.rows_per_page == min(rows, unbounded.rows_per_page)
    if unbounded.page_count > 1 and unbounded.rows_per_page == layout.rows_per_page:
        assert taller > layout.max_side or taller * width > layout.max_pixels


@given(layouts())
@settings(max_examples=500)
def test_420_exactly_when_all_cells_are_on_the_chroma_grid(layout: SheetLayout) -> None:
    rects = [layout.rect(i)[1] for i in range(layout.count)]
    even = all(side % 2 == 0 for rect in rects for side in rect)
    assert layout.subsampling == ("420" if even else "444")


@pytest.mark.parametrize(
    ("wanted", "subsampling"),
    [
        ({}, "420"),
        ({"cell": (161, 90)}, "444"),
        ({"cell": (160, 91)}, "444"),
        ({"margin": 3}, "444"),
        ({"padding": 1}, "444"),
        ({"padding": 1, "columns": 1}, "444"),
        ({"padding": 1, "count": 1}, "420"),
        ({"padding": 1, "columns": 1, "rows": 1}, "420"),
        ({"padding": 2, "margin": 4}, "420"),
    ],
)
def test_subsampling(wanted: dict[str, Any], subsampling: str) -> None:
    assert SheetLayout(**(BASE | wanted)).subsampling == subsampling


def test_the_example_of_the_brief() -> None:
    layout = SheetLayout(cell=Size(160, 90), count=237, columns=10, rows=10, padding=2, margin=4)
    assert [(p.size, p.first, p.cells) for p in layout.pages] == [
        (Size(1626, 926), 0, 100),
        (Size(1626, 926), 100, 100),
        (Size(1626, 374), 200, 37),
    ]
    assert layout.rect(0) == (0, Rect(4, 4, 160, 90))
    assert layout.rect(236) == (2, Rect(4 + 6 * 162, 4 + 3 * 92, 160, 90))
    assert layout.subsampling == "420"


def test_columns_shrink_to_the_count() -> None:
    layout = SheetLayout(cell=Size(16, 10), count=3, columns=10, padding=2)
    assert (layout.columns, layout.rows) == (3, 1)
    assert layout.pages[0].size == Size(52, 10)


def test_a_sheet_above_the_jpeg_limit_becomes_pages() -> None:
    layout = SheetLayout(cell=Size(100, 1000), count=200, columns=1)
    assert layout.rows == 65
    assert [p.size.height for p in layout.pages] == [65000, 65000, 65000, 5000]


def test_a_sheet_above_the_pixel_limit_becomes_pages() -> None:
    layout = SheetLayout(cell=Size(1000, 1000), count=250, columns=10)
    assert layout.rows == 10
    assert layout.page_count == 3
    assert layout.pages[0].size.width * layout.pages[0].size.height == MAX_PAGE_PIXELS


def test_a_list_is_a_cell_too() -> None:
    assert SheetLayout(cell=[4, 2], count=1).cell == Size(4, 2)  # type: ignore[arg-type]


def test_huge_counts_cost_nothing() -> None:
    layout = SheetLayout(cell=Size(100, 100), count=10**15, columns=10)
    assert layout.rect(10**15 - 1)[0] == layout.page_count - 1
    assert layout.page(layout.page_count - 1).cells >= 1


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"cell": (65501, 10)}, ["65501x10", "65500"]),
        ({"cell": (10, 65501)}, ["10x65501", "65500"]),
        ({"margin": 40000}, ["80160", "65500"]),
        ({"columns": 1000, "count": 1000}, ["1000 cells", "160000", "65500"]),
        ({"columns": 2, "padding": 65500}, ["65820", "65500"]),
        ({"cell": (60000, 60000), "columns": 1}, ["3600000000", "100000000"]),
        ({"max_pixels": 159 * 90, "columns": 1}, ["14400", "14310"]),
    ],
)
def test_too_large_says_by_how_much(wanted: dict[str, Any], numbers: list[str]) -> None:
    with pytest.raises(LayoutTooLarge) as caught:
        SheetLayout(**(BASE | wanted))
    for number in numbers:
        assert number in str(caught.value)
    assert caught.value.context["seen"] > caught.value.context["allowed"]  # type: ignore[operator]


@given(
    cell=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    count=st.integers(1, 60),
    columns=st.integers(1, 12),
    rows=st.integers(1, 8),
    padding=st.integers(0, 4),
    margin=st.integers(0, 4),
)
def test_full_pages_have_all_columns_and_rows(
    cell: tuple[int, int], count: int, columns: int, rows: int, padding: int, margin: int
) -> None:
    asked: dict[str, Any] = {
        "cell": cell, "columns": columns, "rows": rows, "padding": padding, "margin": margin,
    }  # fmt: skip
    layout = SheetLayout(count=count, full=True, **asked)
    size = (
        2 * margin + columns * cell[0] + (columns - 1) * padding,
        2 * margin + rows * cell[1] + (rows - 1) * padding,
    )
    assert [page.size for page in layout.pages] == [size] * -(-count // (columns * rows))
    assert sum(page.cells for page in layout.pages) == count
    assert {page.rows for page in layout.pages} == {rows}
    # Cells lie where those of a sheet lie that needs them all.
    filled = SheetLayout(count=columns * rows, **asked)
    for index in range(count):
        page, on_page = divmod(index, columns * rows)
        assert layout.rect(index) == (page, filled.rect(on_page)[1])
    assert layout.subsampling == filled.subsampling


def test_full_pages_need_their_rows() -> None:
    with pytest.raises(InvalidGeometry, match="rows"):
        SheetLayout(**BASE, columns=10, full=True)


@pytest.mark.parametrize(
    "wanted",
    [
        {"columns": 2, "rows": 3, "max_side": 269},
        {"columns": 2, "rows": 3, "max_pixels": 320 * 270 - 1},
        {"columns": 2, "rows": 3, "padding": 1, "max_side": 320},
    ],
)
def test_a_full_page_that_does_not_fit_is_refused_whatever_it_would_hold(
    wanted: dict[str, Any],
) -> None:
    """A sheet of one cell would fit; the page that was asked for does not."""
    base = {"cell": (160, 90), "count": 1} | wanted
    assert SheetLayout(**base).page_count == 1
    with pytest.raises(LayoutTooLarge) as caught:
        SheetLayout(**base, full=True)
    assert caught.value.context["seen"] > caught.value.context["allowed"]  # type: ignore[operator]
    fits = {"max_side": 321, "max_pixels": 320 * 272} | {"padding": 0}
    assert SheetLayout(**(base | fits), full=True).page_count == 1


@pytest.mark.parametrize("value", [-1, True, 2.0, "3", float("nan"), [1]])
@pytest.mark.parametrize(
    "name", ["count", "columns", "rows", "padding", "margin", "max_side", "max_pixels"]
)
def test_bad_numbers_name_parameter_and_value(name: str, value: Any) -> None:
    with pytest.raises(InvalidGeometry, match=f"^{name} must") as caught:
        SheetLayout(**(BASE | {name: value}))
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("name", ["count", "columns", "rows", "max_side", "max_pixels"])
def test_zero_is_too_few(name: str) -> None:
    with pytest.raises(InvalidGeometry, match=f"{name} must be at least 1, not 0"):
        SheetLayout(**(BASE | {name: 0}))


@pytest.mark.parametrize(
    "cell", [(0, 90), (160, -1), (160.0, 90), (True, 90), (160,), (1, 2, 3), 160, "160x90", None]
)
def test_bad_cells(cell: Any) -> None:
    with pytest.raises(InvalidGeometry, match="cell"):
        SheetLayout(cell=cell, count=1)


def test_indices_beyond_the_end() -> None:
    layout = SheetLayout(cell=Size(4, 4), count=5, columns=2, rows=2)
    for index in (-1, 5):
        with pytest.raises(IndexError):
            layout.rect(index)
    for index in (-1, 2):
        with pytest.raises(IndexError):
            layout.page(index)
