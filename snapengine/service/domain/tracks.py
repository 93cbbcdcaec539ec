"""Names of files in a row, and the text of a WebVTT track over sheets or single pictures.

The player this track is for takes the place in the sheet from the query, ``?xywh=x,y,w,h``, not
from the media fragment ``#xywh=`` of W3C's recommendation, and the size of a single picture from
``?wh=w,h``. Players that want the fragment get it by ``mark``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

from ...model.geometry import Size
from ...model.result import Cue
from ...outputs.webvtt import webvtt
from .fields import InvalidField
from .sizes import SheetPlan

__all__ = ["Mark", "numbered", "picture_track", "sheet_track"]

#: What stands between the picture's address and the place in it.
Mark = Literal["?", "#"]
_Span = tuple[Fraction, Fraction]

_DIGITS: Final = 5
#: The engine's form. Addresses are quoted, so nothing else in a track holds a "#".
_PLACE: Final = re.compile(r"#xywh=([0-9]+,[0-9]+),([0-9]+,[0-9]+)$", re.ASCII | re.MULTILINE)


def numbered(number: int) -> str:
    """The number of a file as its name has it: from "00001", five digits or more."""
    if number < 1:
        raise ValueError(f"files are numbered from 1, not {number}")
    return f"{number:0{_DIGITS}d}"


def sheet_track(
    spans: Sequence[_Span], plan: SheetPlan, names: Sequence[str], *, mark: Mark = "?"
) -> str:
    """The track of the cells of ``plan``: ``spans`` of the cells, ``names`` of the sheets, relative
    to the track. Raises :class:`InvalidField` when there are not as many as planned."""
    _as_many("spans", spans, plan.count)
    _as_many("names", names, plan.sheet_count)
    cues = []
    for cell, span in enumerate(spans):
        sheet, rect = plan.place(cell)
        cues.append(_cue(span, sheet, (rect.x, rect.y), Size(rect.width, rect.height)))
    return _PLACE.sub(rf"{mark}xywh=\1,\2", webvtt(cues, names))


def picture_track(
    spans: Sequence[_Span], size: Size, names: Sequence[str], *, mark: Mark = "?"
) -> str:
    """The track of single pictures of ``size``, one of ``names`` for each of ``spans``."""
    _as_many("names", names, len(spans))
    cues = [_cue(span, page, (0, 0), size) for page, span in enumerate(spans)]
    return _PLACE.sub(rf"{mark}wh=\2", webvtt(cues, names))


def _cue(span: _Span, page: int, corner: tuple[int, int], size: Size) -> Cue:
    return Cue(
        start=span[0], end=span[1], time=span[0], page=page,
        x=corner[0], y=corner[1], width=size.width, height=size.height,
    )  # fmt: skip


def _as_many(field: str, values: Sequence[object], count: int) -> None:
    if len(values) != count:
        raise InvalidField.of(field, len(values), f"must be {count}", "number")
