"""Where the cells of a sprite sheet go: columns, rows, padding, margin, pages.

Pure arithmetic on whole pixels; nothing here allocates, so any sheet can be planned before any I/O.

::

    margin
      +--------+ padding +--------+
      |  cell  |         |  cell  |      width = 2 * margin + columns * w + (columns - 1) * padding
      +--------+         +--------+
        padding
      +--------+
      |  cell  |                         cells run left to right, then down, then to the next page
      +--------+
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Final, Literal, NamedTuple

from ..errors import InvalidGeometry, LayoutTooLarge
from ..model.geometry import JPEG_MAX_SIDE, Rect, Size

__all__ = ["MAX_PAGE_PIXELS", "SheetLayout", "SheetPage"]

#: Largest area of one page. A 4:2:0 canvas of this size takes 150 MB, its RGB form in the reader's
#: browser 400 MB; common browsers and decoders refuse pictures not far above it.
MAX_PAGE_PIXELS: Final = 100_000_000


class SheetPage(NamedTuple):
    """One picture of a sheet: its size, the index of its first cell, how many cells and rows."""

    size: Size
    first: int
    cells: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetLayout:
    """The plan of a sprite sheet of ``count`` cells.

    Asked for: ``cell`` (width, height), ``columns``, ``rows`` per page (None: as many as needed),
    ``padding`` between cells and ``margin`` around the grid, all in pixels. After construction
    ``columns`` and ``rows`` hold what is used, which can be less than what was asked for:

    * ``columns`` is at most ``count``: a sheet never has empty columns by accident;
    * ``rows`` is at most what the cells need and what fits ``max_side`` (pixels of a page's side)
      and ``max_pixels`` (area of a page). What does not fit goes to further pages.

    Every page has the same width; the last one is only as high as the rows it needs. With ``full``
    every page has all ``columns`` and ``rows`` (which must be given), used or not; a page that does
    not fit is then refused.

    Raises :class:`InvalidGeometry` for values that make no sense and :class:`LayoutTooLarge` when
    a cell or a single row of ``columns`` cells does not fit a page. Immutable: share at will.
    """

    cell: Size
    count: int
    columns: int = 10
    rows: int | None = None
    padding: int = 0
    margin: int = 0
    full: bool = False
    max_side: int = JPEG_MAX_SIDE
    max_pixels: int = MAX_PAGE_PIXELS

    def __post_init__(self) -> None:
        if not isinstance(self.cell, tuple | list) or len(self.cell) != 2:
            raise InvalidGeometry(f"cell must be a pair (width, height), not {self.cell!r}")
        w = _whole("cell width", self.cell[0], 1)
        h = _whole("cell height", self.cell[1], 1)
        count = _whole("count", self.count, 1)
        columns = _whole("columns", self.columns, 1)
        if not self.full:
            columns = min(columns, count)
        asked_rows = None if self.rows is None else _whole("rows", self.rows, 1)
        padding, margin = _whole("padding", self.padding, 0), _whole("margin", self.margin, 0)
        max_side = _whole("max_side", self.max_side, 1)
        max_pixels = _whole("max_pixels", self.max_pixels, 1)

        alone = Size(w + 2 * margin, h + 2 * margin)
        if max(alone) > max_side:
            raise LayoutTooLarge(
                f"a cell of {w}x{h} with a margin of {margin} makes a page of "
                f"{alone.width}x{alone.height} pixels; a side may have at most {max_side}",
                limit="max_side", allowed=max_side, seen=max(alone),
            )  # fmt: skip
        width = _span(columns, w, padding, margin)
        if width > max_side:
            raise LayoutTooLarge(
                f"a row of {columns} cells of {w} pixels with padding {padding} and margin "
                f"{margin} is {width} pixels wide; a side may have at most {max_side}",
                limit="max_side", allowed=max_side, seen=width,
            )  # fmt: skip
        if width * alone.height > max_pixels:
            raise LayoutTooLarge(
                f"a page of one row is {width}x{alone.height}, {width * alone.height} pixels; "
                f"a page may have at most {max_pixels}",
                limit="max_pixels", allowed=max_pixels, seen=width * alone.height,
            )  # fmt: skip
        max_height = min(max_side, max_pixels // width)
        fitting = (max_height - 2 * margin + padding) // (h + padding)
        if self.full:
            if asked_rows is None:
                raise InvalidGeometry("full pages need a number of rows")
            if asked_rows > fitting:
                height = _span(asked_rows, h, padding, margin)
                raise LayoutTooLarge(
                    f"a full page is {width}x{height}; a page of that width may be {max_height} "
                    f"pixels high",
                    limit="max_height", allowed=max_height, seen=height,
                )  # fmt: skip
            rows = asked_rows
        else:
            rows = min(-(-count // columns), fitting)
            if asked_rows is not None:
                rows = min(rows, asked_rows)

        object.__setattr__(self, "cell", Size(w, h))
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "rows", rows)

    @property
    def rows_per_page(self) -> int:
        """``rows`` as a plain int: rows of a full page."""
        assert self.rows is not None  # set by __post_init__
        return self.rows

    @property
    def cells_per_page(self) -> int:
        """Cells of a full page."""
        return self.columns * self.rows_per_page

    @property
    def page_count(self) -> int:
        return -(-self.count // self.cells_per_page)

    def page(self, index: int) -> SheetPage:
        """Page ``index``, counted from 0; :class:`IndexError` beyond the last."""
        if not 0 <= index < self.page_count:
            raise IndexError(f"page {index} of {self.page_count}")
        first = index * self.cells_per_page
        cells = min(self.cells_per_page, self.count - first)
        rows = self.rows_per_page if self.full else -(-cells // self.columns)
        size = Size(
            _span(self.columns, self.cell.width, self.padding, self.margin),
            _span(rows, self.cell.height, self.padding, self.margin),
        )
        return SheetPage(size, first, cells, rows)

    @property
    def pages(self) -> tuple[SheetPage, ...]:
        """All pages in order. Made anew at each call; use :meth:`page` for one of very many."""
        return tuple(self.page(index) for index in range(self.page_count))

    def rect(self, index: int) -> tuple[int, Rect]:
        """Page and place of cell ``index``, counted from 0; :class:`IndexError` beyond the last."""
        if not 0 <= index < self.count:
            raise IndexError(f"cell {index} of {self.count}")
        page, on_page = divmod(index, self.cells_per_page)
        row, column = divmod(on_page, self.columns)
        w, h = self.cell
        x = self.margin + column * (w + self.padding)
        y = self.margin + row * (h + self.padding)
        return page, Rect(x, y, w, h)

    @property
    def subsampling(self) -> Literal["420", "444"]:
        """ "420" when every cell's origin and size is even, else "444".

        On the even grid each chroma sample belongs to one cell. Off it a chroma sample would be
        shared by two cells, whose colours would bleed into each other.
        """
        w, h = self.cell
        even = w % 2 == 0 and h % 2 == 0 and self.margin % 2 == 0
        if self.columns > 1 or self.rows_per_page > 1:  # one cell alone has no gap
            even = even and self.padding % 2 == 0
        return "420" if even else "444"


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InvalidGeometry(f"{name} must be a whole number, not {value!r}", value=value)
    value = int(value)
    if value < least:
        raise InvalidGeometry(f"{name} must be at least {least}, not {value}", value=value)
    return value


def _span(cells: int, side: int, padding: int, margin: int) -> int:
    """Length in pixels of ``cells`` cells in a line, gaps and margins included."""
    return 2 * margin + cells * side + (cells - 1) * padding
