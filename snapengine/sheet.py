"""Painting a sprite sheet: cells come in any order, from several threads; pages leave whole."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .imaging.scaler import render
from .media.decoder import Delivery
from .model.frame import Picture, RawFrame
from .model.geometry import View
from .model.media import VideoInfo
from .model.result import Cue
from .model.stats import RunStats
from .model.time import to_seconds
from .outputs.spool import PageSpool
from .planning.layout import SheetLayout
from .results import Cell, SpritePage, SpriteSheet


@dataclass(frozen=True, slots=True)
class PaintedCells:
    """What a worker reports of one frame, without its samples: (cell, exact) for each filled."""

    pts: int
    cells: list[tuple[int, bool]]
    keyframe: bool
    corrupt: bool
    replaced: bool


class SheetPainter:
    """The canvases of one sheet while it is being made.

    ``paint`` is called by workers, several at once, for cells that do not overlap. ``accept`` and
    ``finish`` belong to the calling thread. A page is set aside as soon as its last cell is there,
    so a sheet of any number of pages holds a few canvases at a time.
    """

    def __init__(
        self,
        layout: SheetLayout,
        times: Sequence[Fraction],
        background: tuple[int, int, int],
        info: VideoInfo,
        *,
        tells_time: bool = True,
    ) -> None:
        self.done = 0
        self._tells_time = tells_time
        self._layout = layout
        self._times = times
        self._background = background
        self._info = info
        self._cells: list[Cell] = [_blank(t) for t in times]
        self._left = [page.cells for page in layout.pages]
        self._open: dict[int, Picture] = {}
        self._lock = threading.Lock()
        self._spool = PageSpool()

    def _canvas(self, page: int) -> Picture:
        with self._lock:
            canvas = self._open.get(page)
            if canvas is None:
                canvas = Picture(*self._layout.page(page).size, self._layout.subsampling)
                canvas.fill(self._background)
                self._open[page] = canvas
        return canvas

    def paint(self, frame: RawFrame, view: View, delivery: Delivery) -> PaintedCells:
        """Draw one frame into the cells it answers."""
        cells = [
            (number, delivery.answers(target) and self._tells_time)
            for target in delivery.targets
            for number in target.requests
        ]
        for number, _ in cells:
            page, rect = self._layout.rect(number)
            render(frame, view, self._canvas(page), rect.x, rect.y)
        return PaintedCells(
            delivery.pts, cells, frame.keyframe, delivery.corrupt, not delivery.exact
        )

    def accept(self, painted: PaintedCells) -> None:
        """Record what was painted; sets pages aside that are complete."""
        info = self._info
        for number, exact in painted.cells:
            self._cells[number] = Cell(
                requested=float(self._times[number]),
                time=to_seconds(painted.pts - info.start_pts, info.time_base),
                pts=painted.pts,
                exact=exact,
                keyframe=painted.keyframe,
                corrupt=painted.corrupt,
                replaced=painted.replaced,
            )
            self.done += 1
            page, _ = self._layout.rect(number)
            self._left[page] -= 1
            if self._left[page] == 0:
                self._spool.add(page, self._open.pop(page))

    @property
    def blank(self) -> list[Fraction]:
        """The times of cells that nothing was painted into so far."""
        return [t for t, cell in zip(self._times, self._cells, strict=True) if cell.pts is None]

    def finish(self, spans: Sequence[tuple[Fraction, Fraction]], stats: RunStats) -> SpriteSheet:
        """The sheet. Cells that nothing was painted into stay background."""
        layout = self._layout
        for page, left in enumerate(self._left):
            if left:
                self._spool.add(page, self._canvas(page))
                self._open.pop(page)
        cues = []
        for number, ((start, end), cell) in enumerate(zip(spans, self._cells, strict=True)):
            page, rect = layout.rect(number)
            cues.append(
                Cue(
                    start=float(start),
                    end=float(end),
                    time=cell.requested if cell.time is None else cell.time,
                    page=page,
                    x=rect.x,
                    y=rect.y,
                    width=rect.width,
                    height=rect.height,
                )
            )
        return SpriteSheet(
            pages=[SpritePage(i, page.size, self._spool) for i, page in enumerate(layout.pages)],
            cues=cues,
            cells=self._cells,
            columns=layout.columns,
            rows=layout.rows_per_page,
            stats=stats,
        )


def _blank(time: Fraction) -> Cell:
    return Cell(
        requested=float(time), time=None, pts=None, exact=False, keyframe=False, corrupt=False,
        replaced=False,
    )  # fmt: skip
