"""Decisions taken before any decoding: targets, runs, plan. Pure data, printable, comparable."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from .media import Keyframe


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One instant that wants a frame.

    ``instant`` is exact, in stream ticks; ``pts`` the same rounded down: the frame shown is the one
    with the largest stamp at or before it. ``requests``: which of the caller's
    pictures this answers; equal instants share one target. ``kind``: ``exact`` wants the frame
    shown at ``pts``; ``keyframe`` the keyframe nearest to it; ``tolerance`` the nearest keyframe if
    at most ``tolerance`` ticks away, else the frame shown - for containers without an index, where
    only execution can tell. ``distinct``: a keyframe that already answered the target before does
    not count as near. Where a keyframe was chosen ``key`` is its pts, and ``shown`` says whether it
    is also the frame shown at the instant (``None``: the index cannot tell).
    """

    pts: int
    requests: tuple[int, ...]
    instant: Fraction = Fraction(0)
    kind: Literal["exact", "keyframe", "tolerance"] = "exact"
    tolerance: Fraction = Fraction(0)
    distinct: bool = False
    key: int | None = None
    shown: bool | None = None

    @property
    def wanted(self) -> int:
        """The instant whose frame is to be decoded: the chosen keyframe's own, if there is one."""
        return self.pts if self.key is None else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stretch of work: at most one seek, then packets in order up to the last target.

    ``keyframe`` is where it starts (``None``: to be found by seeking). ``kind``: ``keyframe`` reads
    and decodes that one packet; ``exact`` decodes from it to the last target; ``search`` finds its
    own keyframes. ``packets``, ``frames`` and ``bytes`` are estimates.
    """

    kind: Literal["keyframe", "exact", "search"]
    keyframe: Keyframe | None
    targets: tuple[Target, ...]
    packets: int
    frames: int
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a call is going to do, before it does it.

    ``requested``: the caller's instants in seconds from the first shown frame, in his order.
    ``start_pts``: pts of the first shown frame; ``time_base``: seconds per tick.
    """

    runs: tuple[Run, ...]
    requested: tuple[Fraction, ...]
    start_pts: int
    time_base: Fraction

    @property
    def targets(self) -> int:
        """Distinct instants."""
        return sum(len(run.targets) for run in self.runs)

    @property
    def seeks(self) -> int:
        return sum(len(run.targets) if run.kind == "search" else 1 for run in self.runs)

    @property
    def packets(self) -> int:
        """Packets to be sent to decoders, estimated."""
        return sum(run.packets for run in self.runs)

    @property
    def frames(self) -> int:
        """Frames to be decoded, estimated."""
        return sum(run.frames for run in self.runs)

    @property
    def bytes(self) -> int | None:
        """Bytes of those packets, estimated; ``None`` when the container does not tell."""
        known = [run.bytes for run in self.runs]
        return None if None in known else sum(b for b in known if b is not None)

    def explain(self) -> str:
        """A table a person can read: one line per run."""
        tb = self.time_base
        head = (
            f"{len(self.requested)} pictures, {self.targets} distinct times, "
            f"{len(self.runs)} runs: {self.seeks} seeks, about {self.packets} packets, "
            f"{self.frames} frames, "
            f"{'?' if self.bytes is None else f'{self.bytes / 1e6:.2f} MB'}"
        )
        lines = [head, f"{'run':>4}  {'kind':8}  {'from s':>10}  {'to s':>10}  targets  packets"]
        for number, run in enumerate(self.runs):
            first = run.keyframe.pts if run.keyframe else run.targets[0].pts
            lines.append(
                f"{number:>4}  {run.kind:8}  {float((first - self.start_pts) * tb):>10.3f}  "
                f"{float((run.targets[-1].pts - self.start_pts) * tb):>10.3f}  "
                f"{len(run.targets):>7}  {run.packets:>7}"
            )
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.explain()
