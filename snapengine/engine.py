"""The public verbs: :func:`open` and :class:`Video`. Composes the stages, decides nothing."""

from __future__ import annotations

import contextlib
import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Final, Literal

from .animating import (
    DEFAULT_RATE,
    DEFAULT_WIDTH,
    Animation,
    Output,
    animate,
    check_animation_request,
    check_output,
)
from .cover_search import CoverSearch, first_plan
from .covers import Cover
from .errors import InvalidGeometry, InvalidOption, NoFrameAtTarget, PictureWarning
from .imaging.scaler import color_ycc
from .inspection import Scorer
from .manifests import Manifest
from .media.decoder import Delivery
from .model.geometry import Fit, Size, check_side
from .model.limits import Limits
from .model.media import VideoInfo
from .model.network import Network
from .model.plan import Plan
from .model.stats import RunStats
from .model.time import Percent
from .planning.layout import SheetLayout
from .planning.sampling import MAX_TARGETS, Sampling, check_accuracy, make_sampling
from .renditions import Renditions, find_manifest
from .request import (
    Choice,
    OnMissing,
    PictureOptions,
    check_choice,
    check_count,
    check_on_missing,
    check_picture_options,
    check_pixels,
)
from .results import Snapshot, SpriteSheet
from .session import Session, new_meter
from .sheet import PaintedCells, SheetPainter
from .shooting import aim, may_skip_loop_filter, shoot
from .sources import Meter, Source, open_source

Accuracy = Literal["exact", "keyframe"] | float | int | Fraction
Progress = Callable[[int, int], None]

_DEFAULT_CELL_WIDTH: Final = 160
_VERBS: Final = ("snapshot", "snapshots", "sprite", "covers", "animate")
#: How many requests that are not in order of time are planned together.
_WINDOW: Final = 32


def open(
    source: object,
    *,
    stream: int | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    network: Network | None = None,
) -> Video:
    """Open a video: reads its header, decodes nothing.

    ``source``: a path, a URL (http, https, s3, oss, gs, abfs and what else ``network`` allows),
    bytes, a seekable binary file object, or an object with ``read_at(offset, size)`` and ``size``,
    called from several threads at a time. Of URLs and such objects only the bytes are fetched that
    the pictures need. ``network``: see :class:`Network`. ``stream``: which video stream, from 0,
    attached pictures not counted; ``None`` the best. ``threads``: decoding threads for this video,
    at most the process's budget; ``None`` all of it. ``limits``: see :class:`Limits`.

    Raises ``SourceNotFound``, ``SourceDenied``, ``SourceTimeout``, ``UnrecognizedContainer``,
    ``NoVideoStream``, ``UnsupportedCodec``, ``LimitExceeded``, ``InvalidOption``; warns with
    ``PictureWarning`` when the colours of its pictures will be approximate. Close the result, or
    use ``with``.
    """
    if stream is not None and (isinstance(stream, bool) or not isinstance(stream, int)):
        raise InvalidOption(f"stream must be a whole number, not {stream!r}")
    if threads is not None and (
        isinstance(threads, bool) or not isinstance(threads, int) or threads < 1
    ):
        raise InvalidOption(f"threads must be at least 1, not {threads!r}")
    opened = open_source(source, network)
    bounds = limits or Limits()
    try:
        meter = new_meter(bounds)
        manifest = find_manifest(source, opened, network or Network(), meter)
        video = Video(
            opened, stream=stream, threads=threads, limits=bounds, manifest=manifest, meter=meter
        )
    except BaseException:
        opened.close()
        raise
    for warning in video._session.info.warnings:
        warnings.warn(f"{opened.name}: {warning}", PictureWarning, stacklevel=2)
    return video


class Video:
    """An opened video. Thread-safe: concurrent calls get a demuxer each and share the decoders."""

    def __init__(
        self,
        source: Source,
        *,
        stream: int | None,
        threads: int | None,
        limits: Limits,
        manifest: Manifest | None = None,
        meter: Meter | None = None,
    ) -> None:
        def open_session(source: Source, meter: Meter) -> Session:
            return Session(source, stream=stream, threads=threads, limits=limits, meter=meter)

        self._renditions = Renditions(
            source, manifest, open_session, limits, meter or new_meter(limits)
        )

    # -- lifetime ---------------------------------------------------------------------------

    def close(self) -> None:
        """Release file handles and decoders. Calls under way end with ``EngineClosed``."""
        self._renditions.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        i = self._session.info
        return f"<Video {self._session.name!r} {i.codec} {i.width}x{i.height}>"

    @property
    def _session(self) -> Session:
        """That of a file; of a manifest, the one that was opened first."""
        return self._renditions.first

    # -- facts ------------------------------------------------------------------------------

    @property
    def info(self) -> VideoInfo:
        """What the file holds; of a manifest, its largest rendition. Looks at the end of the file
        for a duration its header lacks."""
        session = self._renditions.best()
        session.find_end()
        return session.info

    @property
    def stats(self) -> RunStats:
        """What opening cost; of a manifest, all its renditions that have been opened."""
        return self._renditions.open_stats

    # -- pictures ---------------------------------------------------------------------------

    def snapshot(
        self,
        at: object,
        *,
        width: int | None = None,
        height: int | None = None,
        fit: Fit = "contain",
        accuracy: Accuracy = "exact",
        color: object = "black",
        deinterlace: bool = True,
        tone_map: bool = True,
        on_missing: OnMissing = "nearest",
    ) -> Snapshot:
        """One picture of the time ``at``: seconds, "HH:MM:SS.mmm", or "50%".

        Before the first frame the first is shown, at or after the end the last. ``width`` or
        ``height`` alone keep the display aspect; both obey ``fit``: "contain" on a background of
        ``color``, "cover" (crops around the middle), "smart" (crops around what matters in the
        picture, faces first), "stretch". ``accuracy``: "exact", "keyframe" (the nearest), or a
        tolerance in seconds.

        Interlaced pictures are deinterlaced and HDR is mapped to SDR unless ``deinterlace`` or
        ``tone_map`` is false; transparent ones are laid on ``color`` where the format has no alpha.
        ``on_missing``: what to do when damage hides the frame; see :meth:`snapshots`.

        Raises ``InvalidTime``, ``InvalidGeometry``, ``InvalidOption`` before any work;
        ``NoFrameAtTarget``, ``LimitExceeded`` or a ``SourceError`` from it.
        """
        for shot in self.snapshots(
            at=[at], width=width, height=height, fit=fit, accuracy=accuracy, color=color,
            deinterlace=deinterlace, tone_map=tone_map, on_missing=on_missing,
        ):  # fmt: skip
            return shot
        name = self._session.name
        raise NoFrameAtTarget(f"{name}: no frame at {at!r}", stage="decode", time=at)

    def snapshots(
        self,
        *,
        at: Sequence[object] | None = None,
        interval: object = None,
        count: int | None = None,
        start: object = None,
        end: object = None,
        limit: int | None = None,
        width: int | None = None,
        height: int | None = None,
        fit: Fit = "contain",
        accuracy: Accuracy = "exact",
        color: object = "black",
        deinterlace: bool = True,
        tone_map: bool = True,
        on_missing: OnMissing = "nearest",
        progress: Progress | None = None,
    ) -> Iterator[Snapshot]:
        """Pictures of many times, one after the other as they get ready, in the order asked for.

        ``at``: these times. ``interval``: start, start + interval, ... while before the end.
        ``count``: the middle of each of so many equal parts. ``start``, ``end`` bound the last two,
        ``limit`` keeps the first so many. The rest as :meth:`snapshot`. Arguments are checked at
        once, work begins with the first picture taken. Leaving the loop early stops the work.

        ``on_missing`` decides about frames that cannot be had whole, because the file is damaged:
        "nearest" takes the damaged frame (``corrupt``) or, where nothing decodes, the nearest one
        that can be had (``replaced``); "blank" leaves the picture out, "fail" raises
        ``NoFrameAtTarget``. So does every policy when there is no picture at all.
        """
        sampling = make_sampling(
            at=at, interval=interval, count=count, start=start, end=end, limit=limit
        )
        how = check_accuracy(accuracy)
        options = check_picture_options(
            width=width, height=height, fit=fit, color=color, deinterlace=deinterlace,
            tone_map=tone_map,
        )  # fmt: skip
        policy = check_on_missing(on_missing)
        session = self._renditions.serving(options)
        session.check_open()
        if options.box != (None, None):
            check_pixels(session.view(session.info.coded_size, options).size)
        return self._snapshots(session, sampling, how, options, policy, progress)

    def _snapshots(
        self,
        session: Session,
        sampling: Sampling,
        accuracy: str | Fraction,
        options: PictureOptions,
        policy: OnMissing,
        progress: Progress | None,
    ) -> Iterator[Snapshot]:
        times, _ = session.times(sampling)
        done = 0
        with session.call() as call:
            first = 0
            for window in _windows(times):
                waiting: dict[int, Snapshot] = {}
                following = made = 0
                for number, shot in shoot(
                    session, call, window, accuracy, options, policy, Snapshot, first
                ):
                    waiting[number] = shot
                    made += 1
                    while following in waiting:
                        call.count()
                        done += 1
                        if progress is not None:
                            progress(done, len(times))
                        yield waiting.pop(following)
                        session.check_open()
                        following += 1
                if policy == "fail" and made < len(window):
                    left = [t for n, t in enumerate(window) if n >= following and n not in waiting]
                    raise session.no_frame(left)
                for number in sorted(waiting):
                    done += 1
                    yield waiting.pop(number)
                first += len(window)
        if not done:
            raise session.no_frame(times)

    # -- sprite sheets ----------------------------------------------------------------------

    def sprite(
        self,
        *,
        at: Sequence[object] | None = None,
        interval: object = None,
        count: int | None = None,
        start: object = None,
        end: object = None,
        limit: int | None = None,
        cell: tuple[int | None, int | None] | None = None,
        columns: int = 10,
        rows: int | None = 10,
        padding: int = 0,
        margin: int = 0,
        full_pages: bool = False,
        color: object = "black",
        fit: Fit = "contain",
        accuracy: Accuracy | None = None,
        deinterlace: bool = True,
        tone_map: bool = True,
        on_missing: OnMissing = "nearest",
        progress: Progress | None = None,
    ) -> SpriteSheet:
        """Sheets of small pictures, with the cues of a thumbnail track.

        Times as :meth:`snapshots`. ``cell`` is (width, height) in pixels; one of them ``None``
        follows the display aspect; ``None`` alone means 160 wide. ``columns`` x ``rows`` cells to a
        page (``rows`` ``None``: one page if it fits), ``padding`` pixels between cells, ``margin``
        around the grid, both and all bars in ``color``. ``full_pages``: every page has all columns
        and rows, its empty cells in ``color``; one that does not fit is ``LayoutTooLarge``.
        ``accuracy`` ``None`` is a tolerance of half the spacing, and no two cells show the same
        frame while there are different ones.

        ``on_missing`` as in :meth:`snapshots`: "nearest" fills the cells of damaged stretches with
        what can be had, "blank" leaves them in ``color``, "fail" raises. Whatever it does, the
        sheet's ``damaged`` names every cell concerned and ``missing`` those left blank.

        Raises ``InvalidGeometry``, ``LayoutTooLarge``, ``InvalidTime``, ``InvalidOption`` before
        any work; ``NoFrameAtTarget`` when no cell can be filled.
        """
        sampling = make_sampling(
            at=at, interval=interval, count=count, start=start, end=end, limit=limit
        )
        how = None if accuracy is None else check_accuracy(accuracy)
        size = self._cell_size(cell)
        options = check_picture_options(
            width=size.width, height=size.height, fit=fit, color=color, deinterlace=deinterlace,
            tone_map=tone_map,
        )  # fmt: skip
        policy = check_on_missing(on_missing)
        session = self._renditions.serving(options)
        session.check_open()
        # A first layout with one cell checks the geometry before any I/O.
        _layout(size, columns, rows, padding, margin, MAX_TARGETS, full_pages)
        times, duration = session.times(sampling)
        layout = _layout(size, columns, rows, padding, margin, len(times), full_pages)
        with session.call() as call:
            plan = session.plan(
                call,
                times,
                sampling.spacing(times) / 2 if how is None else how,
                distinct=how is None,
            )
            painter = SheetPainter(
                layout,
                times,
                color_ycc(options.background),
                session.info,
                tells_time=session.tells_time,
            )
            align = 2 if layout.subsampling == "420" else 1
            view = session.view(session.info.coded_size, options)

            def paint(delivery: Delivery, stats: RunStats) -> PaintedCells | None:
                if policy != "nearest" and not delivery.is_sound:
                    return None
                frame = session.raw(delivery, options)
                view = aim(session, frame, options, stats, align)
                began = time.perf_counter()
                painted = painter.paint(frame, view, delivery)
                stats.scale_seconds += time.perf_counter() - began
                return painted

            answers = call.pipeline.execute(
                plan,
                paint,
                call.stats,
                skip_loop_filter=may_skip_loop_filter(session, view),
                neighbours=policy == "nearest",
            )
            with contextlib.closing(answers):
                for answer in answers:
                    if answer.value is None:
                        continue
                    painter.accept(answer.value)
                    if progress is not None:
                        progress(painter.done, len(times))
        blank = painter.blank
        if len(blank) == len(times) or (blank and policy == "fail"):
            raise session.no_frame(blank)
        return painter.finish(sampling.spans(times, duration), call.stats)

    # -- covers -----------------------------------------------------------------------------

    def covers(
        self,
        *,
        count: int | None = None,
        choose: str | Scorer = "smart",
        width: int | None = None,
        height: int | None = None,
        fit: Fit = "contain",
        color: object = "black",
        deinterlace: bool = True,
        tone_map: bool = True,
        progress: Progress | None = None,
    ) -> list[Cover]:
        """The frames that stand best for the video, best first, each with its score and reasons.

        ``choose`` "smart": at most some 100 keyframes all over the video, however long, are judged
        by their small pictures (:mod:`snapengine.scoring`); black, faded, blurred, mixed, text and
        test pictures only where there is nothing better. The ``count`` (default 3, at most 50)
        differ from each other; fewer come back when the video has no more different frames. The
        same file gives the same answer.

        Other ways to choose: "head", the first frame that is not black; a percentage such as "25%",
        the frame shown there (both give one cover); a callable, which gets each candidate as a
        small uint8 RGB array (height, width, 3) in the calling thread and returns a number: the
        highest win, nothing is rejected. What it raises, this raises.

        ``width`` to ``tone_map`` as :meth:`snapshot`; ``progress`` counts candidates. Raises
        ``InvalidOption``, ``InvalidGeometry`` before any work; ``NoFrameAtTarget`` when nothing can
        be decoded, ``InvalidTime`` for a percentage of an unknown length.
        """
        how = check_choice(choose)
        single = how == "head" or isinstance(how, Percent)
        wanted = (1 if single else 3) if count is None else check_count(count)
        if single and wanted > 1:
            raise InvalidOption(f"choose={choose!r} gives one cover, not count={count!r}")
        options = check_picture_options(
            width=width, height=height, fit=fit, color=color, deinterlace=deinterlace,
            tone_map=tone_map,
        )  # fmt: skip
        session = self._renditions.serving(options)
        session.check_open()
        if options.box != (None, None):
            check_pixels(session.view(session.info.coded_size, options).size)
        session.find_end()
        with session.call() as call:
            search = CoverSearch(
                session,
                call,
                options,
                how if callable(how) else None,
                progress,
                faces=how == "smart",
            )
            return search.covers(how, wanted)

    def animate(
        self,
        out: Output,
        *,
        start: object = None,
        end: object = None,
        length: object = None,
        rate: object = DEFAULT_RATE,
        width: int | None = None,
        height: int | None = None,
        fit: Fit = "contain",
        color: object = "black",
        deinterlace: bool = True,
        tone_map: bool = True,
        format: str | None = None,
        quality: int | None = None,
        loop: int = 0,
        progress: Progress | None = None,
    ) -> Animation:
        """An animated cover, written to ``out``: the best moments of the video, or a range of it.

        ``out``: a path ending in .gif, .webp or .avif, or a binary file object with ``format=``.
        Without ``start`` and ``end`` the surroundings of the best covers are shown, about a second
        each, in order of time, never across a cut; a video not longer than ``length`` seconds
        (default 4, at most 60) is shown whole. With them, that range: from ``start`` (default 0) to
        ``end``, or ``length`` from ``start`` on.

        ``rate``: frames a second, 1 to 50 (default 10), each the frame a player shows at that time.
        ``width`` alone, ``height`` alone or both as :meth:`snapshot`; neither makes it at most 320
        wide. ``quality`` 1 to 100, ``None`` the format's own; ``loop`` 0 for ever, else how often.

        Raises ``InvalidOption``, ``InvalidTime``, ``InvalidGeometry``, ``LayoutTooLarge`` before
        any work; ``NoFrameAtTarget``, ``EncodeError``, ``StoreError`` from it. Nothing is written
        unless everything succeeds.
        """
        kind = check_output(out, format)
        request = check_animation_request(start, end, length, rate)
        if width is None and height is None:
            width = min(DEFAULT_WIDTH, self._renditions.width)
        options = check_picture_options(
            width=width, height=height, fit=fit, color=color, deinterlace=deinterlace,
            tone_map=tone_map,
        )  # fmt: skip
        session = self._renditions.serving(options)
        session.check_open()
        session.find_end()
        with session.call() as call:
            return animate(
                session, call, out, kind, request, options,
                quality=quality, loop=loop, progress=progress,
            )  # fmt: skip

    def _cell_size(self, cell: object) -> Size:
        info = self._session.info
        if cell is None:
            cell = (_DEFAULT_CELL_WIDTH, None)
        if not isinstance(cell, (tuple, list)) or len(cell) != 2:
            raise InvalidGeometry(f"cell must be (width, height), not {cell!r}")
        width, height = cell
        if width is None and height is None:
            raise InvalidGeometry("cell needs a width or a height")
        if width is not None:
            check_side("cell width", width)
        if height is not None:
            check_side("cell height", height)
        if height is None:
            height = max(2, round(width * info.height / info.width / 2) * 2)
        if width is None:
            width = max(2, round(height * info.width / info.height / 2) * 2)
        return Size(width, height)

    # -- dry run ----------------------------------------------------------------------------

    def plan(self, verb: str = "snapshots", /, *where: object, **request: Any) -> Plan:
        """What a call would do - seeks, packets, frames, bytes - without decoding anything.

        ``video.plan("sprite", interval=5)`` plans ``video.sprite(interval=5)``; verbs are
        "snapshot", "snapshots" (the default), "sprite", "covers" and "animate". Of covers, and of
        an animation of the best moments, it is the first look at the video: what follows depends
        on what that shows. Options that do not change the work (sizes, colours) are accepted and
        ignored. ``print()`` the result.
        """
        if verb not in _VERBS:
            raise InvalidOption(f"verb must be one of {', '.join(_VERBS)}, not {verb!r}")
        if where:
            if verb != "snapshot" or len(where) > 1:
                raise InvalidOption("only plan('snapshot', time) takes a bare time")
            request["at"] = [where[0]]
        elif verb == "snapshot" and "at" in request:
            request["at"] = [request["at"]]
        if verb in ("covers", "animate"):
            return self._plan_covers(verb, request)
        named = {k: request.get(k) for k in ("at", "interval", "count", "start", "end", "limit")}
        sampling = make_sampling(**named)
        accuracy = request.get("accuracy")
        if accuracy is None and verb != "sprite":
            accuracy = "exact"
        session = self._planned(request)
        session.check_open()
        times, _ = session.times(sampling)
        how = sampling.spacing(times) / 2 if accuracy is None else check_accuracy(accuracy)
        with session.call() as call:
            return session.plan(call, times, how, distinct=accuracy is None)

    def _plan_covers(self, verb: str, request: dict[str, Any]) -> Plan:
        if verb == "animate":
            stretch = check_animation_request(**{
                k: request[k] for k in ("start", "end", "length", "rate") if k in request
            })  # fmt: skip
            how: Choice = "smart"
        else:
            stretch = None
            how = check_choice(request.get("choose", "smart"))
            if request.get("count") is not None:
                check_count(request["count"])
        session = self._planned(request)
        session.check_open()
        session.find_end()
        with session.call() as call:
            if stretch is not None and stretch.is_given:
                times = stretch.instants(session.duration())
                return session.plan(call, times, "exact")
            return first_plan(session, call, how)

    def _planned(self, request: dict[str, Any]) -> Session:
        """The session that would serve a request."""
        cell = request.get("cell")
        width, height = cell if cell is not None else (request.get("width"), request.get("height"))
        return self._renditions.serving(check_picture_options(width=width, height=height))


def _windows(times: Sequence[Fraction]) -> Iterator[Sequence[Fraction]]:
    """Cut requests that run backwards into pieces, so that few pictures wait for their turn.

    Pictures are made in order of time and handed out in order of request.
    """
    if all(a <= b for a, b in itertools.pairwise(times)):
        yield times
        return
    for begin in range(0, len(times), _WINDOW):
        yield times[begin : begin + _WINDOW]


def _layout(
    cell: Size, columns: int, rows: int | None, padding: int, margin: int, count: int, full: bool
) -> SheetLayout:
    return SheetLayout(
        cell=cell, count=count, columns=columns, rows=rows, padding=padding, margin=margin,
        full=full,
    )  # fmt: skip
