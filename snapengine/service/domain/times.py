"""When: the instants that a request means in a video of a given length.

Exact seconds from the first shown frame, in order, each once. A video of ``duration`` shows frames
for ``0 <= t < duration``; points beyond are dropped, so there may be none left. 0 is always
within: the first frame is there however short the video.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from ...errors import LimitExceeded
from ...planning.sampling import Sampling
from .fields import InvalidField
from .requests import SnapshotRequest, ThumbnailRequest

__all__ = [
    "COVER_CANDIDATES",
    "Thumbnail",
    "cover_candidates",
    "cover_of",
    "middle",
    "snapshot_instants",
    "spans",
    "thumbnails",
    "whole_duration",
]

#: Pictures that every new video gets, one of which becomes its cover ...
COVER_CANDIDATES: Final = 8
#: ... the first of them this many seconds in.
_FIRST_CANDIDATE: Final = Fraction(5, 1000)
_SECOND: Final = Fraction(1)


def snapshot_instants(request: SnapshotRequest, duration: Fraction | None) -> tuple[Fraction, ...]:
    """The instants of ``request``.

    ==========================  ==================================================================
    given                       instants
    ==========================  ==================================================================
    ``at``                      these, whatever else is given
    nothing, or ``count`` 1     ``offset``
    ``count``                   ``offset``, a second apart, at most ``count``
    ``count`` and ``interval``  ``offset``, ``interval`` apart, at most ``count``
    ``interval``                the same to the end
    ``interval`` 0              ``offset + k * (duration - offset) / count``, k from 0; without
                                ``count`` one
    ==========================  ==================================================================

    ``duration`` ``None``: the video does not tell it, so nothing is dropped, and what needs the end
    raises. Raises :class:`InvalidField` for that and for more pictures than a job may have.
    """
    if request.at:
        return _within(request.at, duration)
    step = _SECOND if request.interval is None else request.interval
    count = request.count
    if count is None and (request.interval is None or step == 0):
        count = 1
    if not _is_within(request.offset, duration):
        return ()
    if count == 1:
        return (request.offset,)
    if step == 0:
        assert count is not None
        return _evenly(request.offset, duration, count)
    return _stepping(request.offset, step, duration, count)


def spans(times: Sequence[Fraction], duration: Fraction | None) -> list[tuple[Fraction, Fraction]]:
    """The stretch each of ``times`` stands for: up to the next one, the last to the end."""
    return Sampling(at=tuple(times)).spans(times, duration) if times else []


def _is_within(time: Fraction, duration: Fraction | None) -> bool:
    return duration is None or time < duration or time == 0


def _within(times: Iterable[Fraction], duration: Fraction | None) -> tuple[Fraction, ...]:
    return tuple(time for time in times if _is_within(time, duration))


def _evenly(start: Fraction, duration: Fraction | None, count: int) -> tuple[Fraction, ...]:
    """``start`` and ``count - 1`` more that cut the rest of the video into equal parts."""
    if duration is None:
        raise InvalidField.of(
            "interval", 0, "must be more than 0 in a video that does not tell its duration"
        )
    return _stepping(start, (duration - start) / count, duration, count)


def _stepping(
    start: Fraction, step: Fraction, duration: Fraction | None, count: int | None
) -> tuple[Fraction, ...]:
    if duration is None and count is None:
        raise InvalidField.of(
            "count", None, "must be given for a video that does not tell its duration", "missing"
        )
    if duration == 0:  # one frame, at 0; Sampling takes a length of 0 for an unknown one
        return (start,)
    end = None if count is None else start + step * count
    try:
        return Sampling(interval=step, start=start, end=end, limit=count).times(duration)
    except LimitExceeded as exc:
        raise InvalidField.of(
            "interval", str(step), f"must make at most {exc.context['allowed']} pictures", "size"
        ) from exc


# -- thumbnails -----------------------------------------------------------------------------


class Thumbnail(NamedTuple):
    """One picture of a thumbnail job: its instant, its whole second, and its file's name.

    ``offset`` is rounded down. ``name`` is the offset, with a number after it where an earlier
    picture lies in the same second: "8", "8_2".
    """

    time: Fraction
    offset: int
    name: str


def thumbnails(
    request: ThumbnailRequest, duration: Fraction | None, last_frame: Fraction | None = None
) -> tuple[Thumbnail, ...]:
    """The pictures of ``request``. ``last_frame``: its instant; ``None``: the duration stands for
    it, since every instant from there on shows the last frame.

    Raises :class:`InvalidField` when the video does not tell a duration that the rule needs.
    """
    if request.rule == "at":
        return _named(_within(request.at, duration))
    if request.rule == "count":
        assert request.count is not None
        if request.spacing:
            steps = _stepping(Fraction(0), Fraction(request.spacing), duration, request.count)
            return _named(steps)
        if duration is None:
            raise InvalidField.of(
                "spacing", request.spacing, "must be given for a video without a duration"
            )
        return _named(_evenly(Fraction(0), duration, request.count))
    last = duration if last_frame is None else last_frame
    if last is None:
        raise InvalidField.of("rule", request.rule, "needs a video that tells its duration")
    if duration is not None:
        last = min(last, duration)
    if last <= 0:  # a single frame is the first and the last
        return _named((Fraction(0),))
    return _named((*_stepping(Fraction(0), Fraction(request.every), last, None), last))


def _named(times: Sequence[Fraction]) -> tuple[Thumbnail, ...]:
    seen: dict[int, int] = {}
    made = []
    for time in times:
        offset = int(time)
        seen[offset] = number = seen.get(offset, 0) + 1
        made.append(Thumbnail(time, offset, str(offset) if number == 1 else f"{offset}_{number}"))
    return tuple(made)


def whole_duration(duration: Fraction) -> int:
    """A duration in whole seconds: rounded down, at least 1."""
    return max(1, int(duration))


# -- covers ---------------------------------------------------------------------------------


def cover_candidates(duration: Fraction | None) -> tuple[Fraction, ...]:
    """The instants of a new video's pictures: at most :data:`COVER_CANDIDATES`, spread evenly.

    To be answered by keyframes; where two are answered by the same one, it counts once.
    """
    if duration is None or duration <= _FIRST_CANDIDATE:
        return (Fraction(0),)
    return _evenly(_FIRST_CANDIDATE, duration, COVER_CANDIDATES)


def middle(count: int) -> int:
    """Which of ``count`` pictures is the middle one, from 0: the later one of two."""
    if count < 1:
        raise ValueError(f"no picture is the middle one of {count}")
    return count // 2


def cover_of(position: int, count: int) -> int:
    """Which of ``count`` pictures a cover position means, from 0. A job may make fewer pictures
    than its caller thought: a position beyond the last means the last."""
    if count < 1:
        raise ValueError(f"no picture is number {position} of {count}")
    return min(position, count) - 1
