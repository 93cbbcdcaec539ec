"""Which instants a request means: at, interval or count -> exact seconds from the first frame."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral
from typing import Final

from ..errors import InvalidOption, InvalidTime, LimitExceeded
from ..model.time import Percent, Seconds, exact_seconds, parse_time

#: More pictures than this in one call is a mistake (an interval in the wrong unit).
MAX_TARGETS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """A validated request for instants. Exactly one of ``at``, ``interval``, ``count`` is set.

    ``start`` and ``end`` bound interval and count (``end`` ``None``: the end of the video);
    ``limit`` keeps the first so many.
    """

    at: tuple[Seconds | Percent, ...] | None = None
    interval: Seconds | None = None
    count: int | None = None
    start: Seconds | Percent = Fraction(0)
    end: Seconds | Percent | None = None
    limit: int | None = None

    @property
    def needs_duration(self) -> bool:
        """Whether the end of the video must be known."""
        if self.at is not None:
            return any(isinstance(t, Percent) for t in self.at)
        return self.end is None or isinstance(self.end, Percent) or isinstance(self.start, Percent)

    def times(self, duration: Fraction | None) -> tuple[Fraction, ...]:
        """The instants, in the caller's order. ``duration`` in seconds, where it is needed.

        Raises :class:`InvalidTime` when the stretch is empty, :class:`LimitExceeded` above
        :data:`MAX_TARGETS`.
        """
        if self.needs_duration and duration is None:
            raise InvalidTime("the video does not tell its duration, so percentages, counts and "
                              "open ends cannot be placed; give end= or at=")  # fmt: skip
        total = duration or Fraction(0)
        if self.at is not None:
            return tuple(_place(t, total) for t in self.at)[: self.limit]
        start = _place(self.start, total)
        end = total if self.end is None else _place(self.end, total)
        if duration is not None:
            end = min(end, duration) if duration > 0 else end
        if self.count is not None:
            if end < start or (end == start and start > 0):
                raise InvalidTime(
                    f"start {float(start):g} s is not before the end {float(end):g} s"
                )
            step = (end - start) / self.count
            wanted = self.count if self.limit is None else min(self.count, self.limit)
            return tuple(start + step * (2 * i + 1) / 2 for i in range(wanted))
        assert self.interval is not None
        if end < start or (end == start and start > 0):
            raise InvalidTime(f"start {float(start):g} s is not before the end {float(end):g} s")
        wanted = max(1, math.ceil((end - start) / self.interval))
        if self.limit is not None:
            wanted = min(wanted, self.limit)
        if wanted > MAX_TARGETS:
            raise LimitExceeded(
                f"an interval of {float(self.interval):g} s over {float(end - start):g} s makes "
                f"{wanted} pictures; at most {MAX_TARGETS} (see limit=)",
                stage="plan", limit="targets", allowed=MAX_TARGETS, seen=wanted,
            )  # fmt: skip
        return tuple(start + self.interval * i for i in range(wanted))

    def spans(
        self, times: Sequence[Fraction], duration: Fraction | None
    ) -> list[tuple[Fraction, Fraction]]:
        """For each of ``times`` (as :meth:`times` gave them) the stretch it stands for.

        Parts of a count: the part. Else from the time itself to the next later one; the last
        reaches to the end. Contiguous for interval and count.
        """
        total = duration if duration is not None else max(times, default=Fraction(0))
        if self.count is not None:
            start = _place(self.start, total)
            half = times[0] - start
            return [(t - half, t + half) for t in times]
        end = total if self.end is None else min(total, _place(self.end, total))
        later = sorted(set(times))
        following = dict(zip(later, [*later[1:], max(end, later[-1])], strict=True))
        return [(t, following[t]) for t in times]

    def spacing(self, times: Sequence[Fraction]) -> Fraction:
        """The smallest distance between two neighbouring times, 0 when there is only one."""
        if self.interval is not None:
            return self.interval
        ordered = sorted(set(times))
        return min((b - a for a, b in itertools.pairwise(ordered)), default=Fraction(0))


def _place(time: Seconds | Percent, duration: Fraction) -> Fraction:
    return time.of(duration) if isinstance(time, Percent) else time


def make_sampling(
    *,
    at: object = None,
    interval: object = None,
    count: object = None,
    start: object = None,
    end: object = None,
    limit: object = None,
) -> Sampling:
    """Check a request. Raises :class:`InvalidTime` or :class:`InvalidOption`, naming the value."""
    given = [n for n, v in (("at", at), ("interval", interval), ("count", count)) if v is not None]
    if len(given) != 1:
        raise InvalidOption(
            "give exactly one of at=, interval=, count="
            + (f", not {' and '.join(given)}" if given else "")
        )
    if at is not None:
        if start is not None or end is not None:
            raise InvalidOption("start= and end= go with interval= or count=, not with at=")
        if isinstance(at, str | bytes | bytearray) or not isinstance(at, Iterable):
            raise InvalidTime(f"at must be a list of times, not {at!r}")
        times = tuple(parse_time(t) for t in at)
        if not times:
            raise InvalidTime("at is empty")
        if len(times) > MAX_TARGETS:
            raise InvalidTime(f"at has {len(times)} times, at most {MAX_TARGETS}")
    else:
        times = None
    step: Seconds | None = None
    if interval is not None:
        parsed = parse_time(interval)
        if isinstance(parsed, Percent) or parsed <= 0:
            raise InvalidTime(f"interval must be more than 0 seconds, not {interval!r}")
        step = parsed
    return Sampling(
        at=times,
        interval=step,
        count=None if count is None else _whole("count", count),
        start=Fraction(0) if start is None else parse_time(start),
        end=None if end is None else parse_time(end),
        limit=None if limit is None else _whole("limit", limit),
    )


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InvalidTime(f"{name} must be a whole number, not {value!r}")
    value = int(value)
    if not 1 <= value <= MAX_TARGETS:
        raise InvalidTime(f"{name} must be 1 to {MAX_TARGETS}, not {value}")
    return value


def check_accuracy(accuracy: object) -> str | Fraction:
    """ "exact", "keyframe" or a tolerance in exact seconds; :class:`InvalidOption` otherwise."""
    if isinstance(accuracy, str):
        if accuracy not in ("exact", "keyframe"):
            raise InvalidOption(
                f"accuracy must be 'exact', 'keyframe' or a number of seconds, not {accuracy!r}"
            )
        return accuracy
    try:
        return exact_seconds(accuracy)
    except InvalidTime as exc:
        raise InvalidOption(
            f"accuracy must be 'exact', 'keyframe' or a number of seconds, not {accuracy!r}"
        ) from exc
