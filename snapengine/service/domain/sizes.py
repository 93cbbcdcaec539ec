"""How large: pictures and sheets, before any of them is made. Sizes are (width, height) in pixels.

Where both sides are given the picture is stretched to them: the vendors know no bars here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ...errors import LayoutTooLarge
from ...model.geometry import JPEG_MAX_SIDE, Fit, Rect, Size
from ...planning.layout import SheetLayout
from .fields import InvalidField
from .requests import SnapshotRequest, SpriteRequest, ThumbnailRequest

__all__ = ["FIT", "SheetPlan", "cell_size", "plan_sheets", "snapshot_size", "thumbnail_size"]

#: How a frame fills the sizes of this module.
FIT: Final[Fit] = "stretch"
_WIDE: Final = Fraction(16, 9)


def snapshot_size(request: SnapshotRequest, source: Size) -> Size:
    """The size of the request's pictures of a video that is shown in ``source``.

    One side given: the other follows the aspect. None: the source's own.
    """
    return _sized(source, request.width, request.height, "width", "height")


def cell_size(sprite: SpriteRequest, snapshot: Size) -> Size:
    """The size of a cell: like the snapshot where nothing is given, in its aspect where one is."""
    return _sized(snapshot, sprite.cell_width, sprite.cell_height, "cell_width", "cell_height")


def thumbnail_size(request: ThumbnailRequest, source: Size) -> Size:
    """The size whose longest side is the one asked for, in the source's aspect or in 16:9."""
    longest = request.longest_side
    if request.wide:
        return Size(longest, max(1, round(longest / _WIDE)))
    if source.width >= source.height:
        return _sized(source, longest, None, "longest_side", "longest_side")
    return _sized(source, None, longest, "longest_side", "longest_side")


def _sized(
    aspect: Size, width: int | None, height: int | None, width_name: str, height_name: str
) -> Size:
    """As :func:`make_view` would, so that what is announced is what is made."""
    if width is None and height is None:
        return aspect
    if height is None:
        assert width is not None
        height = max(1, round(width * aspect.height / aspect.width))
        if height > JPEG_MAX_SIDE:
            raise InvalidField.of(width_name, width, f"makes a height of {height} pixels", "size")
    elif width is None:
        width = max(1, round(height * aspect.width / aspect.height))
        if width > JPEG_MAX_SIDE:
            raise InvalidField.of(height_name, height, f"makes a width of {width} pixels", "size")
    return Size(width, height)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPlan:
    """Which cell goes where: ``count`` cells on sheets laid out by ``layout``.

    ``full``: ``layout`` is one whole sheet, and every sheet is as large, the last one with empty
    cells. Otherwise ``layout`` is that of all cells, whose pages end with their last row.
    """

    count: int
    layout: SheetLayout
    full: bool

    @property
    def cells_per_sheet(self) -> int:
        return self.layout.cells_per_page

    @property
    def sheet_count(self) -> int:
        return -(-self.count // self.cells_per_sheet)

    def sheet_size(self, index: int) -> Size:
        """The size of sheet ``index``, from 0; :class:`IndexError` beyond the last."""
        if not 0 <= index < self.sheet_count:
            raise IndexError(f"sheet {index} of {self.sheet_count}")
        return self.layout.page(0 if self.full else index).size

    def cells_on(self, index: int) -> range:
        """The cells on sheet ``index``, counted from 0 over all sheets."""
        if not 0 <= index < self.sheet_count:
            raise IndexError(f"sheet {index} of {self.sheet_count}")
        first = index * self.cells_per_sheet
        return range(first, min(first + self.cells_per_sheet, self.count))

    def place(self, cell: int) -> tuple[int, Rect]:
        """Sheet and rectangle of a cell, both counted from 0."""
        if not 0 <= cell < self.count:
            raise IndexError(f"cell {cell} of {self.count}")
        sheet, on_sheet = divmod(cell, self.cells_per_sheet)
        return sheet, self.layout.rect(on_sheet)[1]


def plan_sheets(sprite: SpriteRequest, cell: Size, count: int) -> SheetPlan:
    """The sheets of ``count`` cells of size ``cell``.

    Every sheet has the size that its columns and lines make::

        2 * margin + columns * width + (columns - 1) * padding     (and so the height)

    unless that is larger than a picture may be (65,500 pixels a side, 100 million in all): the
    defaults, ten by ten cells in the size of the video, are 19200 x 10800. Then sheets have only
    the columns and rows that the cells need and a picture can hold, as :class:`SheetLayout` does
    it. Raises :class:`InvalidField` when not even one row fits.
    """
    if count < 1:
        raise ValueError(f"a sheet of {count} cells")
    cells = sprite.columns * sprite.lines
    try:
        layout = _layout(sprite, cell, cells)
        if layout.rows_per_page == sprite.lines:
            return SheetPlan(count=count, layout=layout, full=True)
    except LayoutTooLarge:
        pass  # a row of all columns does not fit; one of those needed may
    try:
        return SheetPlan(count=count, layout=_layout(sprite, cell, count), full=False)
    except LayoutTooLarge as exc:
        asked = f"{sprite.columns}x{sprite.lines} cells of {cell.width}x{cell.height}"
        raise InvalidField.of("columns", asked, "must make a sheet that fits", "size") from exc


def _layout(sprite: SpriteRequest, cell: Size, count: int) -> SheetLayout:
    return SheetLayout(
        cell=cell,
        count=count,
        columns=sprite.columns,
        rows=sprite.lines,
        padding=sprite.padding,
        margin=sprite.margin,
    )
