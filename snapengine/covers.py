"""What the cover verbs return: :class:`Cover`, and the candidates it is chosen from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from .results import Snapshot
from .scoring.judge import Judgement
from .scoring.score import reasons, rejected_for, score


class Cover(Snapshot):
    """A snapshot that was chosen, and why.

    ``score``: 0 (worthless) to 1; with a callable of the user's own whatever that returned.
    ``reasons``: in words, for a person. ``measures`` and ``defects``: the numbers behind them,
    0..1 each, see :mod:`snapengine.scoring`; a defect of 0.5 or more rejects, and a rejected
    picture is only chosen when there is nothing better. ``index`` is the rank, from 0.
    """

    __slots__ = ("defects", "measures", "reasons", "score")

    def __init__(self, chosen: Candidate, **facts: Any) -> None:
        super().__init__(**facts)
        self.score = chosen.score
        self.reasons = chosen.reasons
        self.measures: Mapping[str, float] = dict(chosen.judgement.measures)
        self.defects: Mapping[str, float] = dict(chosen.judgement.defects)

    @property
    def is_rejected(self) -> bool:
        """Whether it is one that would be left out if there were anything better."""
        return bool(rejected_for(self.defects))

    def __repr__(self) -> str:
        return f"<Cover {self.width}x{self.height} {self.score:.2f} at {self.time:.3f} s>"


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A frame that was looked at. ``time`` in seconds from the first shown frame."""

    pts: int
    time: Fraction
    judgement: Judgement
    #: what the user's callable made of it
    given: float | None = None
    confirmed: bool = False
    #: measures as they usually are among its company
    usual: Mapping[str, float] = field(default_factory=dict)
    #: what is to be said of it before its merits
    because: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        if self.given is not None:
            return self.given
        return score(self.judgement.measures, self.judgement.defects)

    @property
    def reasons(self) -> tuple[str, ...]:
        if self.given is not None:
            return ("by the score of the caller's own",)
        return self.because + reasons(self.judgement.measures, self.judgement.defects, self.usual)

    @property
    def is_rejected(self) -> bool:
        """Whether a defect rejects it; the caller's own score rejects nothing."""
        return self.given is None and bool(rejected_for(self.judgement.defects))

    def told(
        self,
        measures: Mapping[str, float],
        defects: Mapping[str, float],
        *,
        confirmed: bool = False,
    ) -> Candidate:
        """With more measures and defects."""
        judgement = replace(
            self.judgement,
            measures={**self.judgement.measures, **measures},
            defects={**self.judgement.defects, **defects},
        )
        return replace(self, judgement=judgement, confirmed=confirmed or self.confirmed)
