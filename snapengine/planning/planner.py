"""Instants and an index -> a :class:`Plan`. Pure: no I/O, no decoding, no clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ..model.media import Keyframe, KeyframeIndex
from ..model.plan import Plan, Run, Target
from ..model.time import to_pts


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
    by_pts: dict[int, list[int]] = {}
    for number, seconds in enumerate(requested):
        pts = clock.start_pts + max(0, to_pts(seconds, clock.time_base))
        by_pts.setdefault(pts, []).append(number)
    tolerance = int(accuracy / clock.time_base) if isinstance(accuracy, Fraction) else 0
    kind = accuracy if isinstance(accuracy, str) else "tolerance"
    targets = [
        Target(
            pts=pts,
            requests=tuple(by_pts[pts]),
            kind=kind,  # type: ignore[arg-type]
            tolerance=tolerance,
            distinct=distinct,
        )
        for pts in sorted(by_pts)
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
    #: (start of decoding, its targets); targets that want the keyframe itself have its pts
    groups: list[tuple[Keyframe, list[Target]]] = []
    used: int | None = None  # pts of the keyframe the previous target was answered with
    for target in targets:
        floor = index.floor(target.pts)
        if floor is None:
            # Before the first keyframe: what is shown there is the first frame.
            floor = index.ceil(target.pts)
            if floor is None:
                return [_search(targets, clock)]
            target = replace(target, kind="exact", pts=max(target.pts, clock.start_pts))
            _append(groups, floor, target)
            used = None
            continue
        if target.kind == "exact":
            _append(groups, floor, target)
            continue
        nearest = floor
        ceil = index.ceil(target.pts)
        if ceil is not None and ceil.pts - target.pts < target.pts - floor.pts:
            nearest = ceil
        near = abs(nearest.pts - target.pts)
        if target.kind == "keyframe" or (
            near <= target.tolerance and not (target.distinct and nearest.pts == used)
        ):
            used = nearest.pts
            _append(groups, nearest, replace(target, kind="keyframe", pts=nearest.pts))
        else:
            used = None
            _append(groups, floor, replace(target, kind="exact"))
    groups.sort(key=lambda g: g[0].stamp)
    return [_run(key, _merged(members), index, clock) for key, members in groups]


def _append(groups: list[tuple[Keyframe, list[Target]]], key: Keyframe, target: Target) -> None:
    # Targets are sorted, but one that takes the keyframe behind it may precede one that decodes on
    # from the keyframe before: look at the last two groups.
    for known, members in reversed(groups[-2:]):
        if known.stamp == key.stamp:
            members.append(target)
            return
    groups.append((key, [target]))


def _merged(members: list[Target]) -> list[Target]:
    """Sorted, with targets of equal pts and kind made one."""
    merged: dict[int, Target] = {}
    for target in members:
        known = merged.get(target.pts)
        if known is not None:
            requests = known.requests + target.requests
            kind = known.kind if known.kind == target.kind else "exact"
            target = replace(target, requests=requests, kind=kind)
        merged[target.pts] = target
    return [merged[pts] for pts in sorted(merged)]


def _run(key: Keyframe, targets: list[Target], index: KeyframeIndex, clock: StreamClock) -> Run:
    if all(t.kind == "keyframe" for t in targets):
        return Run(
            kind="keyframe",
            keyframe=key,
            targets=tuple(targets),
            packets=1,
            frames=1,
            bytes=key.size,
        )
    last = targets[-1].pts
    packets = max(1, (last - key.pts) // max(1, clock.frame) + 1)
    return Run(
        kind="exact",
        keyframe=key,
        targets=tuple(targets),
        packets=packets,
        frames=packets,
        bytes=index.bytes_between(key.pts, last),
    )
