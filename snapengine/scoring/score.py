"""One number of many measures, and why in words. All weights of the cover choice are here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .defects import REJECT

#: What each measure (all 0..1, 1 is better) contributes. A measure that is not there - no face
#: detector, no second frame to tell motion by - leaves its weight to the others.
WEIGHTS: Final[Mapping[str, float]] = {
    "sharpness": 0.26,
    "exposure": 0.11,
    "contrast": 0.07,
    "detail": 0.03,
    "colourfulness": 0.08,
    "composition": 0.03,
    "salience": 0.04,
    "textless": 0.09,
    "typical": 0.12,
    "stillness": 0.05,
    "faces": 0.12,
}
#: What a picture without a face counts for beside others with one, where a detector looked.
NO_FACE: Final = 0.5
#: Severity up to the first leaves a score alone, from the second on it leaves ``_REMAINS`` of it;
#: between them the loss is smooth, so that a little more noise never turns a ranking over.
_HARMLESS, _FATAL = 0.25, 0.7
_REMAINS: Final = 0.1

#: What a person is told of a measure that speaks for a picture.
PRAISE: Final[Mapping[str, str]] = {
    "sharpness": "sharp",
    "exposure": "well exposed",
    "contrast": "full of contrast",
    "detail": "rich in tones",
    "colourfulness": "colourful",
    "composition": "well composed",
    "salience": "has a clear subject",
    "textless": "free of text",
    "typical": "typical of the video",
    "stillness": "still",
    "faces": "shows a face well",
}
#: ... and of a defect; of two as severe, the one that explains the other comes first.
BLAME: Final[Mapping[str, str]] = {
    "black": "black",
    "white": "white",
    "test_card": "a test card",
    "text_only": "text on plain ground",
    "noise": "noise without a picture",
    "bars_only": "hardly more than black bars",
    "flat": "shows next to nothing",
    "overexposed": "overexposed",
    "faded": "in the middle of a fade",
    "transition": "between two shots",
    "damaged": "damaged",
    "blurred": "blurred",
    "softer": "blurred beside others of its kind",
}
#: How many reasons are told at most, and from where on a measure is a merit.
_TOLD: Final = 4
_MERIT: Final = 0.6


def quality(measures: Mapping[str, float]) -> float:
    """Weighted mean of the known measures, 0..1."""
    known = {name: weight for name, weight in WEIGHTS.items() if name in measures}
    total = sum(known.values())
    if not total:
        return 0.0
    return sum(measures[name] * weight for name, weight in known.items()) / total


def soundness(defects: Mapping[str, float]) -> float:
    """What the defects leave of a score: 1 for none, near 0 for several fatal ones."""
    left = 1.0
    for severity in defects.values():
        depth = min(1.0, max(0.0, (severity - _HARMLESS) / (_FATAL - _HARMLESS)))
        smooth = depth * depth * (3 - 2 * depth)
        left *= 1.0 - (1.0 - _REMAINS) * smooth
    return left


def score(measures: Mapping[str, float], defects: Mapping[str, float]) -> float:
    """0 (worthless) to 1. Comparable between videos: nothing in it is relative to a video but how
    typical of it the picture is."""
    return quality(measures) * soundness(defects)


def rejected_for(defects: Mapping[str, float]) -> tuple[str, ...]:
    """The defects that reject, worst first."""
    order = list(BLAME)
    worst = sorted(defects.items(), key=lambda d: (-d[1], order.index(d[0])))
    return tuple(name for name, severity in worst if severity >= REJECT)


def reasons(
    measures: Mapping[str, float],
    defects: Mapping[str, float],
    usual: Mapping[str, float] | None = None,
) -> tuple[str, ...]:
    """Why a picture was chosen, for a person.

    Of a rejected one, what is wrong with it. Of others their merits: measures of at least 0.6,
    ordered by how far they are ahead of ``usual``, those of the video's other candidates.
    """
    wrong = rejected_for(defects)
    if wrong:
        return tuple(f"{BLAME.get(name, name)} ({defects[name]:.2f})" for name in wrong[:_TOLD])
    other = usual or {}
    merits = sorted(
        (name for name in WEIGHTS if measures.get(name, 0.0) >= _MERIT),
        key=lambda name: (-WEIGHTS[name] * (measures[name] - other.get(name, 0.0)), name),
    )
    if not merits:
        return ("the best there is, with no merit of its own",)
    return tuple(f"{PRAISE[name]} ({measures[name]:.2f})" for name in merits[:_TOLD])
