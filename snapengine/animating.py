"""Animated covers: the best moments of a video, or a range of it, as one short moving picture."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import IO, Final

import numpy as np

from . import cancelling
from .cover_search import CoverSearch
from .errors import InvalidOption, InvalidTime, LayoutTooLarge, StoreError
from .model.frame import U8
from .model.geometry import Size
from .model.stats import RunStats
from .model.time import Percent, Seconds, parse_time
from .outputs.animation import (
    AnimationFormat,
    animation_format_of,
    check_animation,
    encode_animation,
)
from .outputs.stores import write_file
from .planning.moments import (
    MAX_LENGTH,
    MAX_RATE,
    Instant,
    Moment,
    Span,
    Stretch,
    check_frames,
    check_length,
    check_rate,
    drop_cut,
    moments,
    paced,
    range_instants,
)
from .request import PictureOptions
from .results import Snapshot
from .scoring.analysis import analyse
from .scoring.defects import REJECT, defects
from .scoring.proxy import Proxy
from .scoring.signature import cell_means
from .session import Call, Session
from .shooting import shoot

#: Where a file goes: a path, or anything with ``write``.
Output = str | os.PathLike[str] | IO[bytes]

DEFAULT_LENGTH: Final = Fraction(4)
DEFAULT_RATE: Final = Fraction(10)
#: Width of an animation when nothing is asked for: what previews in lists of videos have.
DEFAULT_WIDTH: Final = 320
#: Samples of all frames together: they wait in memory for what follows the last of them.
_MAX_SAMPLES: Final = 1 << 28
#: How often the border of a shot is looked for anew within one stretch.
_CUTS: Final = 3
#: A moment lies before the border behind it, however near that is.
_INSTANT: Final = Fraction(1, 1000)
#: Defects that end a stretch, and how wide pictures are judged for them.
_EMPTY: Final = ("black", "white", "flat", "faded", "overexposed", "noise")
_JUDGED_WIDTH: Final = 320
#: Pictures are compared by so many cells across and down when cuts are looked for: what the
#: thresholds of :func:`drop_cut` were measured with.
_CUT_GRID: Final = (64, 36)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimatedFrame:
    """One frame: ``time`` and ``pts`` of the picture, how many seconds it is ``shown``.

    ``exact`` as in :class:`~snapengine.Snapshot`.
    """

    time: float
    pts: int
    exact: bool
    shown: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A part of the video that is shown, in seconds from the first frame: ``start <= t < end``."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Animation:
    """What was made, and of what.

    ``path`` is ``None`` when it was written to a file object. ``width``, ``height`` in pixels,
    ``size_bytes`` of the file, ``moments`` in the order shown, ``frames`` as they were asked for
    (equal ones are one in the file), ``stats`` of the call.
    """

    path: Path | None
    format: AnimationFormat
    width: int
    height: int
    size_bytes: int
    moments: tuple[Excerpt, ...]
    frames: tuple[AnimatedFrame, ...]
    stats: RunStats = field(repr=False)

    @property
    def duration(self) -> float:
        """Seconds until it starts again."""
        return math.fsum(frame.shown for frame in self.frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimationRequest:
    """What is to move, checked. ``start`` and ``end`` ``None``: the best moments."""

    start: Seconds | Percent | None
    end: Seconds | Percent | None
    length: Fraction | None
    rate: Fraction

    @property
    def is_given(self) -> bool:
        """Whether the caller says what is shown."""
        return self.start is not None or self.end is not None

    def stretch(self, duration: Fraction | None) -> Stretch:
        """The range asked for. Raises ``InvalidTime`` when it is empty or too long."""
        start = _placed(self.start or Fraction(0), duration)
        if self.end is not None:
            end = _placed(self.end, duration)
            if self.length is not None:
                end = min(end, start + self.length)
        else:
            end = start + (self.length or DEFAULT_LENGTH)
        if duration is not None:
            end = min(end, duration)
        if end <= start:
            raise InvalidTime(f"start {float(start):g} s is not before the end {float(end):g} s")
        if end - start > MAX_LENGTH:
            raise InvalidTime(
                f"{float(end - start):g} s are too much for an animation; at most {MAX_LENGTH} s"
            )
        return Stretch(start, end)

    def instants(self, duration: Fraction | None) -> list[Fraction]:
        """The times of the frames of the range asked for."""
        return range_instants(*self.stretch(duration), self.rate)


def check_animation_request(
    start: object = None, end: object = None, length: object = None, rate: object = DEFAULT_RATE
) -> AnimationRequest:
    """Raises ``InvalidTime`` or ``InvalidOption``, naming the value."""
    request = AnimationRequest(
        start=None if start is None else parse_time(start),
        end=None if end is None else parse_time(end),
        length=None if length is None else check_length(length),
        rate=check_rate(rate),
    )
    check_frames(request.length or DEFAULT_LENGTH, request.rate)
    return request


def check_output(out: object, format: object) -> AnimationFormat:
    """The format to write, told by ``format`` or by the name of the file."""
    if not isinstance(out, str | os.PathLike) and not callable(getattr(out, "write", None)):
        raise InvalidOption(f"out must be a path or a binary file object, not {out!r}")
    if isinstance(format, str):
        return animation_format_of(f".{format}")
    if format is not None:
        raise InvalidOption(f"format must be text, not {format!r}")
    if isinstance(out, str | os.PathLike):
        return animation_format_of(out)
    raise InvalidOption(f"format= must be given with {type(out).__name__!r}, which has no suffix")


def animate(
    session: Session,
    call: Call,
    out: Output,
    format: AnimationFormat,
    request: AnimationRequest,
    options: PictureOptions,
    *,
    quality: int | None,
    loop: int,
    progress: Callable[[int, int], None] | None,
) -> Animation:
    """Find what is to be shown, decode it, encode it, write it whole or not at all."""
    size = session.view(session.info.coded_size, options).size
    check_animation(format, size.width, size.height, quality, loop)
    duration = session.duration()
    if request.is_given:
        stretch = request.stretch(duration)
        times = range_instants(*stretch, request.rate)
        # The last one until the end of the range; shorter than that no browser shows anything.
        ends = [*times[1:], max(stretch.end, times[-1] + Fraction(1, MAX_RATE))]
        instants: Sequence[Instant] = [Instant(t, e - t) for t, e in zip(times, ends, strict=True)]
        _check_samples(size, len(instants))
        shown: Sequence[Stretch] = (stretch,)
        shots = _taken(session, call, instants, options)
    else:
        length = request.length or DEFAULT_LENGTH
        _check_samples(size, check_frames(length, request.rate))
        shown, instants, shots = _best(session, call, length, request.rate, duration, options)
    frames: list[AnimatedFrame] = []

    waited = 0.0  # for frames, while the encoder could have worked

    def pictures() -> Iterator[U8]:
        nonlocal waited
        for instant in instants:
            cancelling.check()
            began = time.perf_counter()
            _, shot = next(shots)
            waited += time.perf_counter() - began
            frames.append(
                AnimatedFrame(
                    time=shot.time, pts=shot.pts, exact=shot.exact, shown=float(instant.seconds)
                )
            )
            if progress is not None:
                progress(len(frames), len(instants))
            yield shot.to_ndarray()

    began = time.perf_counter()
    data = encode_animation(
        pictures(),
        [instant.seconds * 1000 for instant in instants],
        format,
        quality=quality,
        loop=loop,
        threads=session.threads,
    )
    call.stats.encode_seconds += time.perf_counter() - began - waited
    path = _write(out, data)
    call.count()
    return Animation(
        path=path,
        format=format,
        width=size.width,
        height=size.height,
        size_bytes=len(data),
        moments=tuple(Excerpt(start=float(s.start), end=float(s.end)) for s in shown),
        frames=tuple(frames),
        stats=call.stats,
    )


# -- what is shown --------------------------------------------------------------------------


def _taken(
    session: Session, call: Call, instants: Sequence[Instant], options: PictureOptions
) -> Iterator[tuple[int, Snapshot]]:
    """A picture for each instant, in order, as they get ready; of a lost one, that before it."""
    times = [instant.time for instant in instants]
    following = 0
    last: Snapshot | None = None
    for number, shot in shoot(session, call, times, "exact", options, "nearest", Snapshot):
        for lost in range(following, number):
            yield lost, last or shot
        yield number, shot
        following, last = number + 1, shot
    if last is None:
        raise session.no_frame(times)
    for lost in range(following, len(times)):
        yield lost, last


def _best(
    session: Session,
    call: Call,
    length: Fraction,
    rate: Fraction,
    duration: Fraction | None,
    options: PictureOptions,
) -> tuple[Sequence[Stretch], Sequence[Instant], Iterator[tuple[int, Snapshot]]]:
    """The stretches around the best covers, their frames, and pictures of these.

    Where a cut shows up in a stretch, its border is told to :func:`moments` and the stretches are
    laid out anew; frames that are there already are not decoded again.
    """
    chosen = CoverSearch(session, call, options).best(2 * max(1, round(length)))
    sound = [c for c in chosen if not c.is_rejected] or chosen[:1]
    found = [Moment(time=candidate.time) for candidate in sound]
    if duration is None:
        duration = max(moment.time for moment in found) + length
    kept: dict[Fraction, Snapshot] = {}
    for attempt in range(_CUTS + 1):
        shown = moments(found, duration, length)
        instants = paced(shown, rate)
        wanted = [i for i in instants if i.time not in kept]
        if wanted:
            for number, shot in _taken(session, call, wanted, options):
                kept[wanted[number].time] = shot
        if attempt == _CUTS or duration <= length:
            break
        bordered = _bordered(found, shown, instants, kept)
        if bordered == found:
            break
        found = bordered
    return shown, instants, ((n, kept[i.time]) for n, i in enumerate(instants))


def _bordered(
    found: Sequence[Moment],
    shown: Sequence[Stretch],
    instants: Sequence[Instant],
    kept: dict[Fraction, Snapshot],
) -> list[Moment]:
    """The moments with the cuts that were seen in their stretches."""
    told = list(found)
    for stretch in shown:
        times = [i.time for i in instants if stretch.start <= i.time < stretch.end]
        inside = [n for n, m in enumerate(told) if stretch.start <= m.time < stretch.end]
        middle = (stretch.start + stretch.end) / 2
        moment = told[inside[0]] if inside else Moment(time=middle)
        # The first of the frames that surely lies in the moment's shot: it may be the first of it.
        anchor = min(sum(t < moment.time for t in times), len(times) - 1)
        pictures = [kept[t] for t in times]
        span = _sound(pictures, anchor, drop_cut(_differences(pictures), anchor))
        if span.first > 0:
            moment = replace(moment, start=min(times[span.first], moment.time))
        if span.stop < len(times):
            # The cut lies between this frame and the next; the frame itself is safe.
            moment = replace(moment, end=max(times[span.stop - 1], moment.time + _INSTANT))
        if inside:
            told[inside[0]] = moment
        elif moment.start is not None or moment.end is not None:
            told.append(moment)
    return told


def _sound(shots: Sequence[Snapshot], anchor: int, span: Span) -> Span:
    """What of a span lies around ``anchor`` without black, faded, white or empty pictures."""
    if _is_empty(shots[anchor]):
        return span  # there is nothing better
    first, stop = anchor, anchor + 1
    while first > span.first and not _is_empty(shots[first - 1]):
        first -= 1
    while stop < span.stop and not _is_empty(shots[stop]):
        stop += 1
    return Span(first, stop)


def _is_empty(shot: Snapshot) -> bool:
    """Whether a scaled picture is one that nobody would want in between."""
    step = max(1, round(shot.width / _JUDGED_WIDTH))
    found = defects(analyse(Proxy.of_planes(*(p[::step, ::step] for p in shot.planes))))
    return any(found[name] >= REJECT for name in _EMPTY)


def _differences(shots: Sequence[Snapshot]) -> list[float]:
    """How much each picture differs from the one before, 0..1."""
    grids = []
    for shot in shots:
        rgb = shot.to_ndarray()
        grids.append(np.stack([cell_means(rgb[..., c], _CUT_GRID) for c in range(3)]))
    return [float(np.abs(b - a).mean()) / 255 for a, b in itertools.pairwise(grids)]


def _placed(where: Seconds | Percent, duration: Fraction | None) -> Fraction:
    if not isinstance(where, Percent):
        return where
    if duration is None:
        raise InvalidTime("the video does not tell its duration, so percentages cannot be placed")
    return where.of(duration)


def _check_samples(size: Size, frames: int) -> None:
    samples = size.width * size.height * frames
    if samples > _MAX_SAMPLES:
        raise LayoutTooLarge(
            f"{frames} frames of {size.width}x{size.height} are more than {_MAX_SAMPLES} pixels",
            limit="pixels", allowed=_MAX_SAMPLES, seen=samples,
        )  # fmt: skip


def _write(out: Output, data: bytes) -> Path | None:
    if isinstance(out, str | os.PathLike):
        return write_file(out, data)
    rest = memoryview(data)
    try:
        while rest:
            written = out.write(rest)
            # Raw files may take a part; others take all, some without saying so.
            rest = rest[len(rest) if written is None else written :]
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"cannot write the animation: {error}", stage="store") from error
    return None
