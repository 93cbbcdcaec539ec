"""Instants and an index -> a :class:`Plan`. Pure: no I/O, no decoding, no clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ..model.media import Keyframe, KeyframeIndex
from ..model.plan import Plan, Run, Target
from ..model.time import to_pts

_LAST_STAMP = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClock:
    """What the planner must know of a stream's time.

    ``start_pts`` and ``time_base`` as in :class:`~snapengine.model.media.VideoInfo`; ``frame``:
    typical ticks per frame, for estimates only.
    """

    start_pts: int
    time_base: Fraction
    frame: int = 1


def make_plan(
    requested: Sequence[Fraction],
    index: KeyframeIndex,
    clock: StreamClock,
    accuracy: str | Fraction,
    *,
    distinct: bool = False,
) -> Plan:
    """Sort, merge and group.

    Equal instants become one target. With a complete index every target gets its keyframe, and all
    targets of one GOP one run. ``accuracy`` is "exact", "keyframe" or a tolerance in seconds.
    ``distinct``: under a tolerance, two targets never share a keyframe while decoding on would give
    the second another frame.
    """
    kind = accuracy if isinstance(accuracy, str) else "tolerance"
    tolerance = accuracy / clock.time_base if isinstance(accuracy, Fraction) else Fraction(0)
    merged: dict[tuple[int, Fraction | None], list[int]] = {}
    instants: dict[tuple[int, Fraction | None], Fraction] = {}
    for number, seconds in enumerate(requested):
        seconds = max(Fraction(0), seconds)
        # Beyond any end, and within the 64 bits of a stamp.
        pts = min(clock.start_pts + to_pts(seconds, clock.time_base), _LAST_STAMP)
        instant = max(
            Fraction(pts), min(clock.start_pts + seconds / clock.time_base, Fraction(_LAST_STAMP))
        )
        # Within one tick the frame shown is the same, the nearest keyframe need not be.
        same = (pts, None if kind == "exact" else instant)
        merged.setdefault(same, []).append(number)
        instants[same] = instant
    targets = [
        Target(
            pts=same[0],
            instant=instants[same],
            requests=tuple(merged[same]),
            kind=kind,  # type: ignore[arg-type]
            tolerance=tolerance,
            distinct=distinct,
        )
        for same in sorted(merged, key=lambda s: instants[s])
    ]
    if index.complete:
        runs = _indexed(targets, index, clock)
    else:
        runs = [_search(targets, clock)]
    return Plan(
        runs=tuple(runs),
        requested=tuple(requested),
        start_pts=clock.start_pts,
        time_base=clock.time_base,
    )


def _search(targets: list[Target], clock: StreamClock) -> Run:
    """No index: execution finds the keyframes. The estimate assumes half a 2-second GOP each."""
    per_target = max(1, int(1 / clock.time_base / clock.frame))
    exact = sum(t.kind != "keyframe" for t in targets)
    packets = exact * per_target + (len(targets) - exact)
    return Run(
        kind="search",
        keyframe=None,
        targets=tuple(targets),
        packets=packets,
        frames=packets,
        bytes=None,
    )


def _indexed(targets: list[Target], index: KeyframeIndex, clock: StreamClock) -> list[Run]:
    groups: dict[int, tuple[Keyframe, list[Target]]] = {}
    used: int | None = None  # pts of the last keyframe taken in place of the frame shown
    for target in targets:
        floor = index.floor(target.pts)
        if floor is None:
            # Before the first keyframe: what is shown there is the first frame.
            floor = index.ceil(target.pts)
            if floor is None:
                return [_search(targets, clock)]
            _append(groups, floor, replace(target, kind="exact"))
            continue
        if target.kind == "exact":
            _append(groups, floor, target)
            continue
        sides = [k for k in (floor, index.ceil(target.pts + 1)) if k is not None and k.shown]
        nearest = min(sides, key=lambda k: abs(k.pts - target.instant), default=floor)
        near = abs(nearest.pts - target.instant)
        if not nearest.shown:
            _append(groups, floor, replace(target, kind="exact"))
        elif target.kind == "keyframe" or (
            near <= target.tolerance and not (target.distinct and nearest.pts == used)
        ):
            used = nearest.pts
            shown = index.shown_until(nearest, target.pts)
            _append(groups, nearest, replace(target, key=nearest.pts, shown=shown))
        else:
            _append(groups, floor, replace(target, kind="exact"))
    return [_run(*groups[stamp], index, clock) for stamp in sorted(groups)]


def _append(
    groups: dict[int, tuple[Keyframe, list[Target]]], key: Keyframe, target: Target
) -> None:
    # Targets are sorted, but one that takes the keyframe behind it may precede one that decodes on
    # from the keyframe before.
    groups.setdefault(key.stamp, (key, []))[1].append(target)


def _run(key: Keyframe, targets: list[Target], index: KeyframeIndex, clock: StreamClock) -> Run:
    targets.sort(key=lambda t: t.wanted)
    if all(t.key is not None for t in targets):
        return Run(
            kind="keyframe",
            keyframe=key,
            targets=tuple(targets),
            packets=1,
            frames=1,
            bytes=key.size,
        )
    last = max(t.wanted for t in targets)
    packets = max(1, (last - key.pts) // max(1, clock.frame) + 1)
    return Run(
        kind="exact",
        keyframe=key,
        targets=tuple(targets),
        packets=packets,
        frames=packets,
        bytes=index.bytes_between(key, last),
    )
