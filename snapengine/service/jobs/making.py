"""From an order to files: what each kind of job makes of a video, by the engine.

The right pictures at the least decoding: a job opens its video once; sheets and the pictures in
their cells come of one pass. Two passes are made only where sheets are wanted beside pictures of
another size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Final

from ... import Cover, Snapshot, SpriteSheet, Video
from ...errors import LimitExceeded, NoFrameAtTarget, SourceError
from ...model.geometry import Size
from ...model.time import exact_seconds
from ...outputs.stores import write_file
from ..covers import fetch_cover
from ..domain.colors import settle_color
from ..domain.failures import CoverRefused
from ..domain.records import (
    IngestRequest,
    MediaType,
    PictureKind,
    SmartCoverRequest,
)
from ..domain.requests import Accuracy, SnapshotRequest, SpriteRequest, ThumbnailRequest
from ..domain.sizes import FIT, SheetPlan, cell_size, plan_sheets, snapshot_size, thumbnail_size
from ..domain.times import (
    cover_candidates,
    cover_of,
    middle,
    snapshot_instants,
    spans,
    thumbnails,
)
from ..domain.tracks import numbered, picture_track, sheet_track
from .facts import facts_of
from .opening import opened
from .orders import Made, MadeFile, WorkOrder

__all__ = ["facts_of", "make"]

Progress = Callable[[float], None]

#: Pictures of one pass lie in memory together where many are of one group of frames: so many bytes
#: of them at most. More take several passes, each of which begins at a keyframe.
_HELD: Final = 256 << 20
#: Bytes of a picture's sample, at most (4:4:4).
_SAMPLE: Final = 3
#: How much of the progress is decoding; the rest is writing sheets.
_DECODING: Final = 0.9
_SUFFIXES: Final[dict[MediaType, str]] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "text/vtt": "vtt",
}


def make(order: WorkOrder, progress: Progress) -> Made:
    """Do the work of ``order`` and leave its files in ``order.folder``.

    ``progress`` is called with 0 to 1, in this thread. Raises what the engine raises,
    :class:`SourceRefused`, and :class:`~snapengine.service.domain.fields.InvalidField` for a
    request that this video cannot answer; then the folder may hold some files.
    """
    with opened(order) as video:
        maker = _Maker(order, video, progress)
        request = order.request
        if isinstance(request, IngestRequest):
            return maker.ingest(request)
        if isinstance(request, SnapshotRequest):
            return maker.snapshots(request)
        if isinstance(request, ThumbnailRequest):
            return maker.thumbnails(request)
        return maker.smart_cover(request)


class _Maker:
    """One order under way: its video, and the files there are so far."""

    def __init__(self, order: WorkOrder, video: Video, progress: Progress) -> None:
        self._order = order
        self._video = video
        self._progress = progress
        info = video.info
        ticks = info.duration_pts
        self._duration = None if ticks is None else ticks * info.time_base
        self._shown = info.display_size
        self._facts = facts_of(info, self._duration)
        self._files: list[MadeFile] = []
        #: The share of the progress that is over, and that the pass under way is.
        self._over, self._share, self._reached = 0.0, 1.0, 0.0

    # -- kinds of jobs ----------------------------------------------------------------------

    def ingest(self, request: IngestRequest) -> Made:
        """Facts, candidates, and a cover unless one was given that can be had."""
        made = 0
        seen: set[int] = set()
        for _, shot in self._shots(cover_candidates(self._duration), accuracy="keyframe"):
            if shot.pts not in seen:
                seen.add(shot.pts)
                made += 1
                self._picture("candidate", made, shot)
        if request.cover_url is not None:
            try:
                self._fetched(request.cover_url)
            except CoverRefused as refused:
                cover = self._own_cover(request, made)
                return self._made(cover, refused.message)
            except (SourceError, LimitExceeded):
                return self._made()  # players may reach what we cannot, now
            return self._made(("cover", 1))
        return self._made(self._own_cover(request, made) if request.own_cover else None)

    def snapshots(self, request: SnapshotRequest) -> Made:
        """Pictures, sheets of them, or a track."""
        times = snapshot_instants(request, self._duration)
        if not times:
            raise NoFrameAtTarget("no time asked for lies within the video", stage="plan")
        size = snapshot_size(request, self._shown)
        sprite = request.sheets
        if sprite is None:
            kind: PictureKind = "snapshot" if request.kind == "normal" else "track_picture"
            times = self._pictures(kind, request, times)
            if request.kind == "webvtt":
                names = [self._in_track(number + 1) for number in range(len(times))]
                stretches = spans(times, self._duration)
                self._track(picture_track(stretches, size, names, mark=self._order.mark))
            return self._made()
        cell = cell_size(sprite, size)
        plan_sheets(sprite, cell, len(times))  # raises before any work
        beside = request.kind == "normal" and cell != size
        if beside:
            self._share = 0.5
            times = self._pictures("snapshot", request, times)
            self._over = 0.5
        sheet, times, plan = self._sheet(request, sprite, cell, times)
        if request.kind == "webvtt":
            names = self._pages("track_picture", sheet)
            stretches = spans(times, self._duration)
            self._track(sheet_track(stretches, plan, names, mark=self._order.mark))
            return self._made()
        self._pages("sprite", sheet)
        kinds: list[PictureKind] = ["sprite_cell"] if sprite.keep_cells else []
        if request.kind == "normal" and not beside:
            kinds.append("snapshot")
        self._cells(kinds, sheet, times)
        return self._made()

    def thumbnails(self, request: ThumbnailRequest) -> Made:
        """Thumbnails, and which of them becomes the cover."""
        wanted = thumbnails(request, self._duration)
        if not wanted:
            raise NoFrameAtTarget("no time asked for lies within the video", stage="plan")
        size = thumbnail_size(request, self._shown)
        times = [one.time for one in wanted]
        made = 0
        for index, shot in self._shots(times, size=size):
            made += 1
            one = wanted[index]
            self._picture("thumbnail", made, shot, requested=one.time, name=one.name)
        return self._made(("thumbnail", cover_of(request.cover_position, made) + 1))

    def smart_cover(self, request: SmartCoverRequest) -> Made:
        """The best pictures, or an animation of the best moments."""
        if request.format == "gif":
            path = os.path.join(self._order.folder, "smart-00001.gif")
            moving = self._video.animate(path, progress=self._step)
            self._add("smart", 1, "image/gif", size=Size(moving.width, moving.height))
        else:
            covers = self._video.covers(count=request.count, progress=self._step)
            for number, cover in enumerate(covers, 1):
                self._picture("smart", number, cover, png=request.format == "png")
        return self._made(("smart", 1) if request.set_cover else None)

    # -- covers of new videos ---------------------------------------------------------------

    def _own_cover(self, request: IngestRequest, candidates: int) -> tuple[PictureKind, int]:
        if request.cover_choice == "middle":
            return "candidate", middle(candidates) + 1
        self._picture("cover", 1, self._video.covers(choose="head")[0])
        return "cover", 1

    def _fetched(self, url: str) -> None:
        cover = fetch_cover(url, self._order.network)
        size = Size(cover.width, cover.height)
        self._write("cover", 1, cover.data, cover.media_type, size=size)

    # -- pictures, sheets, tracks -----------------------------------------------------------

    def _shots(
        self, times: Sequence[Fraction], *, size: Size | None = None, accuracy: Accuracy = "exact"
    ) -> Iterator[tuple[int, Snapshot]]:
        """A picture of each time, with its index among them; where none can be had, none comes."""
        width, height = size or (None, None)
        large = size or self._shown
        most = max(1, _HELD // (_SAMPLE * large.width * large.height))
        whole = (self._over, self._share)
        found = False
        for first in range(0, len(times), most):
            some = times[first : first + most]
            self._over = whole[0] + whole[1] * first / len(times)
            self._share = whole[1] * len(some) / len(times)
            try:
                for shot in self._video.snapshots(
                    at=some, width=width, height=height, fit=FIT, accuracy=accuracy,
                    progress=self._step,
                ):  # fmt: skip
                    found = True
                    yield first + shot.index, shot
            except NoFrameAtTarget:
                # None at all is an error; none of these is not, while others have theirs.
                if not found and first + most >= len(times):
                    raise
        self._over, self._share = whole

    def _pictures(
        self, kind: PictureKind, request: SnapshotRequest, times: Sequence[Fraction]
    ) -> tuple[Fraction, ...]:
        """Single pictures of a request; the times of those that were made."""
        # Frames that are wanted as they are need not be scaled; a track names one size for all.
        plain = request.width is None and request.height is None and request.kind == "normal"
        size = None if plain else snapshot_size(request, self._shown)
        made: list[Fraction] = []
        seen: set[int] = set()
        for index, shot in self._shots(times, size=size, accuracy=request.accuracy):
            if shot.pts in seen and _is_distinct(request):
                continue
            seen.add(shot.pts)
            made.append(times[index])
            self._picture(kind, len(made), shot, requested=made[-1])
        return tuple(made)

    def _sheet(
        self,
        request: SnapshotRequest,
        sprite: SpriteRequest,
        cell: Size,
        times: Sequence[Fraction],
    ) -> tuple[SpriteSheet, tuple[Fraction, ...], SheetPlan]:
        """The sheets of these times, the times of the cells, and where these lie."""
        plan = plan_sheets(sprite, cell, len(times))
        sheet = self._video.sprite(
            at=times,
            cell=cell,
            columns=plan.layout.columns,
            rows=plan.layout.rows_per_page,
            padding=sprite.padding,
            margin=sprite.margin,
            full_pages=plan.full,
            color=settle_color(sprite.color, self._order.job_id),
            fit=FIT,
            accuracy=request.accuracy,
            progress=self._step,
        )
        if _is_distinct(request):
            first: dict[int | None, Fraction] = {}
            for shown, time in zip(sheet.cells, times, strict=True):
                first.setdefault(shown.pts, time)
            if len(first) < len(times):  # keyframes only, so once more costs little
                return self._sheet(request, sprite, cell, tuple(first.values()))
        return sheet, tuple(times), plan

    def _pages(self, kind: PictureKind, sheet: SpriteSheet) -> list[str]:
        """Write the sheets; their names as a track says them."""
        for number, page in enumerate(sheet.pages, 1):
            data = page.jpeg(self._order.quality)
            self._write(kind, number, data, "image/jpeg", size=page.size)
        return [self._in_track(number + 1) for number in range(len(sheet.pages))]

    def _cells(
        self, kinds: Sequence[PictureKind], sheet: SpriteSheet, times: Sequence[Fraction]
    ) -> None:
        """Write the pictures in the cells, once for each of ``kinds``."""
        if not kinds:
            return
        for number, picture in enumerate(sheet.cell_pictures(), 1):
            data = picture.jpeg(self._order.quality)
            for kind in kinds:
                self._write(
                    kind,
                    number,
                    data,
                    "image/jpeg",
                    size=picture.size,
                    requested=times[picture.index],
                    time=_exact(sheet.cells[picture.index].time),
                )

    def _track(self, text: str) -> None:
        self._write("track", 1, text.encode(), "text/vtt")

    def _in_track(self, number: int) -> str:
        pattern = self._order.track_pictures
        return pattern.replace("{number}", numbered(number)).replace("{name}", str(number))

    # -- files ------------------------------------------------------------------------------

    def _picture(
        self,
        kind: PictureKind,
        number: int,
        shot: Snapshot,
        *,
        requested: Fraction | None = None,
        name: str | None = None,
        png: bool = False,
    ) -> None:
        self._write(
            kind,
            number,
            shot.encode("png") if png else shot.jpeg(self._order.quality),
            "image/png" if png else "image/jpeg",
            size=shot.size,
            name=name,
            requested=_exact(shot.requested) if requested is None else requested,
            time=_exact(shot.time),
            score=shot.score if isinstance(shot, Cover) else None,
        )

    def _write(
        self, kind: PictureKind, number: int, data: bytes, media_type: MediaType, **facts: Any
    ) -> None:
        write_file(self._add(kind, number, media_type, **facts), data)

    def _add(
        self,
        kind: PictureKind,
        number: int,
        media_type: MediaType,
        *,
        size: Size | None = None,
        name: str | None = None,
        requested: Fraction | None = None,
        time: Fraction | None = None,
        score: float | None = None,
    ) -> str:
        """Take a file in; the path to write it to."""
        file = f"{kind}-{numbered(number)}.{_SUFFIXES[media_type]}"
        self._files.append(
            MadeFile(
                kind=kind,
                number=number,
                name=str(number) if name is None else name,
                file=file,
                media_type=media_type,
                width=None if size is None else size.width,
                height=None if size is None else size.height,
                requested=requested,
                time=time,
                score=score,
            )
        )
        return os.path.join(self._order.folder, file)

    def _made(
        self, cover: tuple[PictureKind, int] | None = None, problem: str | None = None
    ) -> Made:
        self._progress(1.0)
        return Made(facts=self._facts, files=tuple(self._files), cover=cover, cover_problem=problem)

    def _step(self, done: int, total: int) -> None:
        """The engine's progress in the pass under way; what it counts may grow on the way."""
        share = min(1.0, done / max(1, total))
        self._reached = max(self._reached, _DECODING * (self._over + self._share * share))
        self._progress(self._reached)


def _is_distinct(request: SnapshotRequest) -> bool:
    """Whether a keyframe that answers several of the times is meant once: spread evenly there may
    be fewer keyframes than pictures; where the times are given each is to be answered."""
    return request.accuracy == "keyframe" and request.interval == 0 and not request.at


def _exact(seconds: float | None) -> Fraction | None:
    """The decimal that a time of the engine stands for."""
    return None if seconds is None else exact_seconds(seconds)
