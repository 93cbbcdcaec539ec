"""Which bytes of a file a plan's runs are going to read, as far as the container's index tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..model.plan import Run
from ..sources.base import ByteRange

if TYPE_CHECKING:
    from .index import ContainerIndex

#: Gaps up to this size are fetched along: a request costs as much.
_TINY_GAP = 16 << 10
#: Larger ones, smallest first, as long as they make this part of what is needed, and a little.
_WASTE_PART, _WASTE = 32, 32 << 10


def planned_ranges(
    index: ContainerIndex, runs: Sequence[Run], *, field_pairs: bool
) -> list[ByteRange]:
    """What the runs need, near parts merged, in the order in which it is going to be read."""
    needed: list[ByteRange] = []
    for run in runs:
        if run.kind == "search" or run.keyframe is None:
            continue
        wanted = [t.wanted for t in run.targets] if run.kind == "exact" else ()
        needed += index.ranges(run.keyframe, sorted(wanted), more=int(field_pairs))
    return merge(needed)


def merge(ranges: Iterable[ByteRange]) -> list[ByteRange]:
    """Ranges in order of offset, those with small gaps between them joined."""
    joined: list[ByteRange] = []
    for offset, size in sorted(ranges):
        if joined and offset <= joined[-1].offset + joined[-1].size:
            before = joined.pop()
            end = max(before.offset + before.size, offset + size)
            offset, size = before.offset, end - before.offset
        joined.append(ByteRange(offset, size))
    allowed = sum(r.size for r in joined) // _WASTE_PART + _WASTE
    gaps = sorted(b.offset - a.offset - a.size for a, b in pairwise(joined))
    largest = _TINY_GAP
    for gap in gaps:
        allowed -= gap
        if allowed < 0:
            break
        largest = max(largest, gap)
    found: list[ByteRange] = []
    for offset, size in joined:
        if found and offset - found[-1].offset - found[-1].size <= largest:
            before = found.pop()
            offset, size = before.offset, offset + size - before.offset
        found.append(ByteRange(offset, size))
    return found
