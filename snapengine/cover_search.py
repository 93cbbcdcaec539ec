"""Choosing covers: which frames to look at, and which of them stand best for the video."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .covers import Candidate, Cover
from .errors import InvalidTime
from .inspection import Inspector, Scorer, seconds
from .model.plan import Plan
from .model.time import Percent
from .planning.candidates import FEWEST, MOST_LATER, between, first_round
from .planning.sampling import MAX_TARGETS
from .request import Choice, PictureOptions
from .scoring.defects import REJECT
from .scoring.selection import (
    DIVERSITY,
    choose,
    is_new,
    likeness_matrix,
    mixtures,
    shots,
    softness,
    typicality,
)
from .session import Call, Session
from .shooting import shoot

#: A candidate this good needs no company: the search ends when there are enough of them.
_GOOD: Final = 0.5
#: How many more good shots than covers are wanted the first round must show to be the last.
_SPARE: Final = 2
_ROUNDS: Final = 2
#: So many covers are settled first, whatever was asked.
_POOL: Final = 3
#: How often finalists that turn out bad may be replaced by others.
_CONFIRMATIONS: Final = 4
#: What the score of a frame that was not looked at closely counts for beside one that was: enough
#: that a finalist yields when it turns out bad, not when another of the same kind scores alike.
_DOUBT: Final = 0.9
#: ... and what it counts for when too many were looked at in vain.
_STRONG_DOUBT: Final = 0.5
#: The first light is looked for at instants that grow by this (plus a second), in videos of unknown
#: length up to this many seconds.
_HEAD_GROWTH: Final = Fraction(6, 5)
_HEAD_REACH: Final = Fraction(3600)


@dataclass(frozen=True, slots=True, eq=False)
class _Company:
    """What a set of candidates, in order of time, tells about each of them."""

    alike: NDArray[np.float32]
    typical: list[float]
    mixed: list[float]
    softer: list[float]

    @classmethod
    def of(cls, found: Sequence[Candidate], duration: Fraction | None) -> _Company:
        signatures = [c.judgement.signature for c in found]
        alike = likeness_matrix(signatures)
        return cls(
            alike,
            typicality(alike, [c.time for c in found], duration),
            mixtures(signatures),
            softness(alike, [c.judgement.measures["sharpness"] for c in found]),
        )


class CoverSearch:
    """One search for covers over one call. Used by one thread."""

    def __init__(
        self,
        session: Session,
        call: Call,
        options: PictureOptions,
        scorer: Scorer | None = None,
        progress: Callable[[int, int], None] | None = None,
        *,
        faces: bool = True,
    ) -> None:
        self._session = session
        self._call = call
        self._options = options
        self._has_scorer = scorer is not None
        self._inspector = Inspector(session, call, options, scorer, progress, faces=faces)
        self._seen = self._inspector.seen
        self._duration = session.duration()
        self._met: _Company | None = None
        #: candidates of later rounds that may still be looked at
        self._budget = MOST_LATER
        self._doubt = _DOUBT
        #: pts of the covers that stay the first ones, whatever else is found
        self._settled: list[int] = []

    def covers(self, how: Choice, count: int) -> list[Cover]:
        """The covers themselves, as pictures of the size asked for."""
        if isinstance(how, Percent):
            chosen = self.at(_place(how, self._duration), f"at {how} of the video")
        elif how == "head":
            chosen = self.head()
        else:
            chosen = self.best(count)

        covers = self._developed(chosen)
        self._call.count()
        return covers

    def _developed(self, chosen: Sequence[Candidate]) -> list[Cover]:
        """The pictures; those that were not kept by the way are decoded now."""
        kept = self._inspector.pictures
        covers = {
            rank: Cover(
                candidate,
                index=rank,
                requested=float(candidate.time),
                exact=self._session.tells_time,
                stats=self._call.stats,
                **kept[candidate.pts],
            )
            for rank, candidate in enumerate(chosen)
            if candidate.pts in kept
        }
        ranks = [rank for rank in range(len(chosen)) if rank not in covers]
        if not ranks:
            return list(covers.values())

        def make(index: int, **facts: Any) -> Cover:
            return Cover(chosen[ranks[index]], index=ranks[index], **facts)

        times = [chosen[rank].time for rank in ranks]
        made = shoot(self._session, self._call, times, "exact", self._options, "nearest", make)
        covers.update((ranks[number], cover) for number, cover in made)
        return [covers[rank] for rank in sorted(covers)]

    # -- the best ---------------------------------------------------------------------------

    def best(self, count: int) -> list[Candidate]:
        """The ``count`` best different frames, best first; fewer when there are not so many.

        Raises ``NoFrameAtTarget`` when nothing can be decoded at all.
        """
        self._look_around()
        if self._has_scorer:
            return self.ranking(count)
        # The first ones are settled as if no more were wanted, so that one cover is the first of
        # three, and three are the first of ten.
        self._settle(_POOL)
        if count > _POOL:
            self._settled = [c.pts for c in self.ranking(_POOL)]
            self._settle(count)
        return self.ranking(count)

    def _settle(self, count: int) -> None:
        """Look again where the first look was poor, then closely at those that would win."""
        for _ in range(_ROUNDS):
            instants = between(
                [c.time for c in self._seen.values()],
                self._poor(count),
                self._duration,
                self._budget,
            )
            before = len(self._seen)
            if stale := self._look_at_keys(instants):
                self._look_closely(stale)
            self._budget -= len(instants)
            if len(self._seen) == before or self._budget <= 0:
                break
        self._confirm(count)

    def _look_around(self) -> None:
        """The first round: keyframes all over; where they are too few, frames between them."""
        instants = first_round(self._duration)
        stale = self._look_at_keys(instants)
        missing = min(FEWEST, len(instants)) - len(self._seen)
        if missing > 0:
            # Without an index nobody knew how few keyframes there are.
            left = stale or instants
            self._look_closely(left[:: max(1, len(left) // missing)])
        if not self._seen:
            # Nothing whole among them: take what can be had.
            plan = self._session.plan(self._call, instants, "keyframe")
            self._inspector.look(plan, neighbours=True)
        if not self._seen:
            raise self._session.no_frame(instants)

    def _look_at_keys(self, instants: Sequence[Fraction]) -> tuple[Fraction, ...]:
        """Look at the keyframes nearest to ``instants``; those whose keyframe was known before."""
        fresh, stale = _split(self._session.plan(self._call, instants, "keyframe"), self._seen)
        if fresh is not None:
            self._inspector.look(fresh)
        return stale

    def _look_closely(self, instants: Sequence[Fraction]) -> None:
        if affordable := self._inspector.affordable(instants):
            self._inspector.look_closely(affordable, self._duration)

    def ranking(self, count: int) -> list[Candidate]:
        """The best ``count`` of what was looked at so far."""
        found, alike = self._company()
        worth = [
            c.score if c.confirmed or self._has_scorer else c.score * self._doubt for c in found
        ]
        rejected = [c.is_rejected for c in found]
        numbers = {c.pts: number for number, c in enumerate(found)}
        chosen = choose(
            worth,
            alike,
            count,
            rejected,
            settled=[numbers[pts] for pts in self._settled],
            diversity=0.0 if self._has_scorer else DIVERSITY,
        )
        names = {name for c in found for name in c.judgement.measures}
        usual = {
            name: statistics.median(
                c.judgement.measures[name] for c in found if name in c.judgement.measures
            )
            for name in names
        }
        return [replace(found[i], usual=usual) for i in chosen]

    def _company(self) -> tuple[list[Candidate], NDArray[np.float32]]:
        """All candidates in order of time, with what only their company tells; how alike they
        are."""
        found = sorted(self._seen.values(), key=lambda c: c.pts)
        if self._met is None or len(self._met.typical) != len(found):
            # None ever leaves.
            self._met = _Company.of(found, self._duration)
        met = self._met
        told = []
        for number, candidate in enumerate(found):
            mixed = max(met.mixed[number], candidate.judgement.defects.get("transition", 0.0))
            defects = {"transition": mixed, "softer": met.softer[number]}
            told.append(candidate.told({"typical": met.typical[number]}, defects))
        return told, met.alike

    def _poor(self, count: int) -> list[Fraction]:
        """Times around which to look again; none when there are good ones enough to choose from."""
        found, alike = self._company()
        chosen = choose([c.score for c in found], alike, count + _SPARE)
        good = [i for i in chosen if found[i].score >= _GOOD]
        if sum(is_new(i, good[:n], alike) for n, i in enumerate(good)) >= count + _SPARE:
            return []
        # A shot that has a good one needs no other.
        numbers = shots(alike, [c.time for c in found])
        fine = {n for n, c in zip(numbers, found, strict=True) if c.score >= _GOOD}
        poor = [c.time for n, c in zip(numbers, found, strict=True) if n not in fine]
        if poor or len(found) >= max(FEWEST, 2 * count):
            return poor
        # Nothing but good ones, and few: there may be others between any two.
        return [c.time for c in found]

    def _confirm(self, count: int) -> None:
        """Look closely at those that would win, until they still do.

        Where finalists turn out bad others come up; ever more of these are looked at together, for
        one bad frame may have many copies (a film played twice, a refrain).
        """
        for attempt in range(1, _CONFIRMATIONS + 1):
            if all(c.confirmed for c in self.ranking(count)):
                return
            doubtful = [c for c in self.ranking(count * attempt) if not c.confirmed]
            self._inspector.look_closely([c.time for c in doubtful], self._duration, keep=True)
            for candidate in doubtful:
                # It came out whole once; whatever happened now, it is not asked for again.
                self._seen[candidate.pts] = self._seen[candidate.pts].told({}, {}, confirmed=True)
        self._doubt = _STRONG_DOUBT

    # -- the simple kinds -------------------------------------------------------------------

    def at(self, instant: Fraction, because: str) -> list[Candidate]:
        """The frame shown at one instant, whatever it shows."""
        self._inspector.look(self._session.plan(self._call, [instant], "exact"), neighbours=True)
        if not self._seen:
            raise self._session.no_frame([instant])
        return [replace(c, because=(because,)) for c in self.ranking(1)]

    def head(self) -> list[Candidate]:
        """The first frame that is not black.

        Keyframes are looked at, ever more sparsely, up to the first that is not; then the frames
        between it and the black keyframe before it. A picture that comes and goes between two
        black keyframes is passed over. Behind the last keyframe so many frames are looked at as a
        round of covers may cost. Of a video that is black all over, its best frame.
        """
        dark: Candidate | None = None
        light: Candidate | None = None
        for instant in self._growing():
            seen = self._nearest_key(instant)
            if seen is None or (dark is not None and seen.pts <= dark.pts):
                continue
            if not _is_black(seen):
                light = seen
                break
            dark = seen
        first = light if dark is None else self._first_light(dark, light)
        if first is not None:
            return [replace(first, because=("the first not black",))]
        return self.ranking(1) if self._seen else self.at(Fraction(0), "the first")

    def _growing(self) -> Iterator[Fraction]:
        instant = Fraction(0)
        end = self._duration if self._duration is not None else _HEAD_REACH
        while instant < end:
            yield instant
            instant = instant * _HEAD_GROWTH + 1

    def _nearest_key(self, instant: Fraction) -> Candidate | None:
        known = set(self._seen)
        plan = self._session.plan(self._call, [instant], "keyframe")
        keys = [t.key for run in plan.runs for t in run.targets]
        if keys and keys[0] in self._seen:
            return self._seen[keys[0]]
        self._inspector.look(plan)
        return next((c for pts, c in self._seen.items() if pts not in known), None)

    def _first_light(self, dark: Candidate, light: Candidate | None) -> Candidate | None:
        """The first frame behind ``dark`` that is not black, ``light`` at the latest."""
        while light is not None:
            middle = self._nearest_key((dark.time + light.time) / 2)
            if middle is None or not dark.pts < middle.pts < light.pts:
                break
            dark, light = (middle, light) if _is_black(middle) else (dark, middle)
        frame = self._session.typical_frame
        end = self._duration if light is None else light.time
        count = MAX_TARGETS if light is not None else self._inspector.affordable_frames
        if end is not None:
            count = min(count, math.ceil((end - dark.time) / frame))
        known = set(self._seen)
        times = [dark.time + frame * i for i in range(1, count)]
        if times:
            plan = self._session.plan(self._call, times, "exact")
            self._inspector.look(plan, until=lambda c: not _is_black(c))
        fresh = [c for pts, c in self._seen.items() if pts not in known and not _is_black(c)]
        return min(fresh, key=lambda c: c.pts, default=light)


def first_plan(session: Session, call: Call, how: Choice) -> Plan:
    """What a search for covers does first."""
    duration = session.duration()
    if isinstance(how, Percent):
        return session.plan(call, [_place(how, duration)], "exact")
    if how == "head":
        return session.plan(call, [Fraction(0)], "keyframe")
    return session.plan(call, first_round(duration), "keyframe")


def _place(where: Percent, duration: Fraction | None) -> Fraction:
    if duration is None:
        raise InvalidTime("the video does not tell its duration, so percentages cannot be placed")
    return where.of(duration)


def _is_black(candidate: Candidate) -> bool:
    return candidate.judgement.defects["black"] >= REJECT


def _split(plan: Plan, seen: Mapping[int, Candidate]) -> tuple[Plan | None, tuple[Fraction, ...]]:
    """A plan without the keyframes that are known, and the instants that had only those."""
    runs = []
    stale: list[Fraction] = []
    taken = set(seen)
    for run in plan.runs:
        fresh = []
        for target in run.targets:
            if target.key is not None and target.key in taken:
                stale.append(seconds(plan, target.pts))
                continue
            if target.key is not None:
                taken.add(target.key)
            fresh.append(target)
        if fresh:
            runs.append(replace(run, targets=tuple(fresh)))
    return (replace(plan, runs=tuple(runs)) if runs else None), tuple(stale)
