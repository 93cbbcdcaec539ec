"""What is asked for: snapshots, sprites, templates of both, thumbnails.

Checked when made: a value that exists is one that a job can be given. Times are exact seconds from
the first shown frame, sizes are pixels. Every broken limit raises :class:`InvalidField`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, get_args

from ...planning.sampling import MAX_TARGETS
from .colors import check_color
from .fields import InvalidField, choice, flag, instants, seconds, text, whole

__all__ = [
    "MAX_AT",
    "MAX_THUMBNAILS",
    "SIDE_LIMITS",
    "THUMBNAIL_STEP",
    "Accuracy",
    "JobNote",
    "SnapshotKind",
    "SnapshotRequest",
    "SpriteRequest",
    "Template",
    "ThumbnailRequest",
    "ThumbnailRule",
    "check_reference_id",
]

#: ``exact``: the frame shown at the instant; ``keyframe``: the nearest one, at less work.
Accuracy = Literal["exact", "keyframe"]
#: What a job makes: pictures; sheets of them; a track of them (with sheets or single pictures).
SnapshotKind = Literal["normal", "sprite", "webvtt"]
#: ``every``: first frame, steps, last frame; ``at``: these instants; ``count``: so many pictures.
ThumbnailRule = Literal["every", "at", "count"]

#: Pixels of a side that may be asked for.
SIDE_LIMITS: Final = (8, 4096)
#: Explicit instants of a snapshot job.
MAX_AT: Final = 30
#: Columns and lines of a sheet.
_MAX_GRID: Final = 10_000
#: Pixels between and around cells: beyond the largest picture there is nothing to set apart.
_MAX_GAP: Final = SIDE_LIMITS[1]
#: Instants, or pictures, of a thumbnail job.
MAX_THUMBNAILS: Final = 10
#: Seconds between thumbnails where nothing, or 0, is given ...
THUMBNAIL_STEP: Final = 12
#: ... and at most.
_MAX_THUMBNAIL_STEP: Final = 100
_MAX_SPACING: Final = 2**31 - 1
#: Pixels of a thumbnail's longest side where nothing is given.
_LONGEST_SIDE: Final = 480
#: Bytes.
_MAX_TEMPLATE_NAME: Final = 128
_MAX_EXTEND: Final = 512
_MAX_CALLBACK_URL: Final = 256
_REFERENCE_ID: Final = re.compile(r"[A-Za-z0-9_-]{6,64}", re.ASCII)


def _set(value: object, field: str, checked: object) -> None:
    object.__setattr__(value, field, checked)


def _side(field: str, value: object, least: int = SIDE_LIMITS[0]) -> int | None:
    return None if value is None else whole(field, value, least, SIDE_LIMITS[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class SpriteRequest:
    """A sheet: ``columns`` by ``lines`` cells, row by row.

    ``cell_width``, ``cell_height``: ``None`` for one follows the aspect, for both the snapshot's
    size. ``padding`` is the gap between cells, ``margin`` the frame around the sheet. ``color``
    fills both and the cells left empty. ``keep_cells``: the pictures in the cells stay as files.
    """

    cell_width: int | None = None
    cell_height: int | None = None
    padding: int = 0
    margin: int = 0
    color: str = "black"
    columns: int = 10
    lines: int = 10
    keep_cells: bool = True

    def __post_init__(self) -> None:
        _set(self, "cell_width", _side("cell_width", self.cell_width, 1))
        _set(self, "cell_height", _side("cell_height", self.cell_height, 1))
        _set(self, "padding", whole("padding", self.padding, 0, _MAX_GAP))
        _set(self, "margin", whole("margin", self.margin, 0, _MAX_GAP))
        _set(self, "color", check_color("color", self.color))
        _set(self, "columns", whole("columns", self.columns, 1, _MAX_GRID))
        _set(self, "lines", whole("lines", self.lines, 1, _MAX_GRID))
        flag("keep_cells", self.keep_cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRequest:
    """Pictures of a video, and what is made of them.

    Where: ``at`` (at most 30 instants) wins over the rest; else from ``offset`` at most ``count``
    pictures, ``interval`` seconds apart, 0 for evenly over the duration. ``None`` is "not given",
    which is not the same as the default: see :func:`snapshot_instants`.

    How large: ``width``, ``height``; see :func:`snapshot_size`.

    What: ``sprite`` makes sheets of the pictures. ``kind`` "webvtt" makes a track, of the sheets
    when it is ``tiled``, else of the single pictures.
    """

    offset: Fraction = Fraction(0)
    at: tuple[Fraction, ...] = ()
    count: int | None = None
    interval: Fraction | None = None
    width: int | None = None
    height: int | None = None
    accuracy: Accuracy = "exact"
    kind: SnapshotKind = "normal"
    sprite: SpriteRequest | None = None
    tiled: bool = False

    def __post_init__(self) -> None:
        _set(self, "offset", seconds("offset", self.offset))
        _set(self, "at", instants("at", self.at, MAX_AT))
        if self.count is not None:
            _set(self, "count", whole("count", self.count, 1))
        if self.interval is not None:
            _set(self, "interval", seconds("interval", self.interval))
        if self.interval == 0 and self.count is not None and not self.at:
            # Only here does the count alone decide how many; otherwise it is a bound.
            whole("count", self.count, 1, MAX_TARGETS)
        _set(self, "width", _side("width", self.width))
        _set(self, "height", _side("height", self.height))
        _set(self, "accuracy", choice("accuracy", self.accuracy, get_args(Accuracy)))
        _set(self, "kind", choice("kind", self.kind, get_args(SnapshotKind)))
        if self.sprite is not None and not isinstance(self.sprite, SpriteRequest):
            raise InvalidField.of("sprite", self.sprite, "must be a sprite request")
        flag("tiled", self.tiled)
        if self.tiled and self.kind != "webvtt":
            raise InvalidField.of("tiled", True, f"goes with a track, not with {self.kind!r}")
        if self.tiled and self.sprite is None:
            _set(self, "sprite", SpriteRequest())
        if self.kind == "sprite" and self.sprite is None:
            raise InvalidField.of("sprite", None, "must be given", "missing")

    @property
    def sheets(self) -> SpriteRequest | None:
        """How sheets are to be made; ``None``: none are. A track of single pictures has none."""
        return None if self.kind == "webvtt" and not self.tiled else self.sprite


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A named snapshot request, kept to be asked for by its id.

    It replaces everything else of a call: where it leaves something out, the default holds, never
    what the call says. It has no instants of its own (``request.at``).
    """

    name: str
    request: SnapshotRequest

    def __post_init__(self) -> None:
        text("name", self.name, _MAX_TEMPLATE_NAME, least=1)
        if not isinstance(self.request, SnapshotRequest):
            raise InvalidField.of("request", self.request, "must be a snapshot request")
        if self.request.at:
            raise InvalidField.of("at", self.request.at, "is not part of a template")

    @property
    def kind(self) -> SnapshotKind:
        return self.request.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ThumbnailRequest:
    """Thumbnails of an asset, one of which becomes its cover.

    ``rule`` "every": the first frame, one each ``every`` seconds (0: the default), the last frame.
    "at": the instants of ``at``. "count": ``count`` pictures, ``spacing`` seconds apart, evenly
    over the duration where that is ``None`` or 0. What belongs to another rule is ignored.

    ``longest_side`` pixels; ``wide``: 16:9 whatever the video is. ``cover_position`` counts from 1.
    """

    rule: ThumbnailRule
    every: int = THUMBNAIL_STEP
    at: tuple[Fraction, ...] = ()
    count: int | None = None
    spacing: int | None = None
    cover_position: int = 1
    longest_side: int = _LONGEST_SIDE
    wide: bool = False

    def __post_init__(self) -> None:
        _set(self, "rule", choice("rule", self.rule, get_args(ThumbnailRule)))
        every = whole("every", self.every, 0, _MAX_THUMBNAIL_STEP)
        _set(self, "every", every or THUMBNAIL_STEP)
        _set(self, "at", instants("at", self.at, MAX_THUMBNAILS))
        if self.count is not None:
            _set(self, "count", whole("count", self.count, 1, MAX_THUMBNAILS))
        if self.spacing is not None:
            _set(self, "spacing", whole("spacing", self.spacing, 0, _MAX_SPACING))
        if self.rule == "at" and not self.at:
            raise InvalidField.of("at", self.at, "must be given", "missing")
        if self.rule == "count" and self.count is None:
            raise InvalidField.of("count", None, "must be given", "missing")
        _set(self, "cover_position", whole("cover_position", self.cover_position, 1))
        _set(self, "longest_side", whole("longest_side", self.longest_side, *SIDE_LIMITS))
        flag("wide", self.wide)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNote:
    """What a caller sends along: ``extend`` comes back in the event as it is (at most 512 bytes),
    ``callback_url`` takes this job's event in place of the tenant's own address."""

    extend: str | None = None
    callback_url: str | None = None

    def __post_init__(self) -> None:
        if self.extend is not None:
            text("extend", self.extend, _MAX_EXTEND)
        if self.callback_url is not None:
            text("callback_url", self.callback_url, _MAX_CALLBACK_URL, least=1)


def check_reference_id(value: object) -> str:
    """A caller's own id of an asset: 6 to 64 letters, digits, "_" and "-"."""
    if not isinstance(value, str) or not _REFERENCE_ID.fullmatch(value):
        raise InvalidField.of(
            "reference_id", value, "must be 6 to 64 letters, digits, underscores and hyphens"
        )
    return value
