"""From judged candidates to a set of covers: shots, how typical each is, and a diverse choice."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .analysis import ramp
from .signature import Signature, likenesses
from .transitions import mixed

#: Neighbouring candidates at least this alike belong to one shot.
SAME_SHOT: Final = 0.72
#: Pictures at least this alike are the same picture to a person: never both while there is
#: another.
NEAR_DUPLICATE: Final = 0.80
#: Pictures at least this alike are never both chosen: nobody can tell which is which.
SAME: Final = 0.985
#: What a candidate loses for being like one that was chosen before it, at full likeness.
DIVERSITY: Final = 0.45
#: Likeness below this costs nothing: pictures of one film have much in common.
_UNLIKE: Final = 0.35
#: Less alike than this, pictures tell nothing about each other.
_KIN: Final = 0.5
#: A shot that fills this share of the video is as typical as can be.
_TYPICAL_SHARE: Final = 0.2
#: Sharpness by which kin must be ahead to tell that a picture is blurred: not at all, surely.
_SOFTER: Final = (0.15, 0.45)


def likeness_matrix(signatures: Sequence[Signature]) -> NDArray[np.float32]:
    """:func:`~snapengine.scoring.signature.likeness` of all pairs, (n, n), symmetric."""
    count = len(signatures)
    matrix = np.ones((count, count), np.float32)
    if not count:
        return matrix
    layouts = np.stack([s.layout.ravel() for s in signatures])
    histograms = np.stack([s.histogram for s in signatures])
    for i in range(count - 1):
        rest = slice(i + 1, None)
        row = likenesses(layouts[i], histograms[i], layouts[rest], histograms[rest])
        matrix[i, rest] = matrix[rest, i] = row
    return matrix


def shots(likenesses: NDArray[np.float32], times: Sequence[Fraction]) -> list[int]:
    """Number of the shot of each candidate: stretches of neighbours that are alike.

    Cuts are seen where candidates are; what lies between two of them stays unknown.
    """
    order = sorted(range(len(times)), key=lambda i: times[i])
    numbers = [0] * len(times)
    current = 0
    for before, here in itertools.pairwise(order):
        if likenesses[before, here] < SAME_SHOT:
            current += 1
        numbers[here] = current
    return numbers


def typicality(
    likenesses: NDArray[np.float32], times: Sequence[Fraction], duration: Fraction | None
) -> list[float]:
    """How much of the video looks like each candidate, 0..1.

    Every candidate stands for the stretch around it; its kin are those above the middle between
    unlike and the same, softly, so that one more candidate changes little. After "hecate" (Song et
    al., "To click or not to click", CIKM 2016), which takes its thumbnails from the largest
    clusters.
    """
    count = len(times)
    if count < 2:
        return [1.0] * count
    order = sorted(range(count), key=lambda i: times[i])
    ordered = [float(times[i]) for i in order]
    total = float(duration) if duration else ordered[-1] + 1e-3
    middles = [(a + b) / 2 for a, b in itertools.pairwise(ordered)]
    stretch = np.zeros(count)
    for place, i in enumerate(order):
        begin = middles[place - 1] if place else 0.0
        end = middles[place] if place < count - 1 else max(total, ordered[-1])
        stretch[i] = max(0.0, end - begin)
    weight = stretch / max(1e-9, stretch.sum())
    kin = np.clip((likenesses - _KIN) / (SAME_SHOT - _KIN), 0.0, 1.0)
    share = kin @ weight
    return [float(s) for s in np.minimum(1.0, share / _TYPICAL_SHARE)]


def softness(likenesses: NDArray[np.float32], sharpness: Sequence[float]) -> list[float]:
    """Severity, 0..1, of each being blurred where others of its kind are not.

    How sharp a picture can be depends on the scene; its neighbours of the same scene tell. Kin
    counts by likeness, softly.
    """
    sharp = np.asarray(sharpness, np.float32)
    kin = np.clip((likenesses - _KIN) / (SAME_SHOT - _KIN), 0.0, 1.0)
    ahead = ((sharp[None, :] - sharp[:, None]) * kin).max(axis=1, initial=0.0)
    return [ramp(float(a), *_SOFTER) for a in ahead]


def mixtures(signatures: Sequence[Signature]) -> list[float]:
    """Severity, 0..1, of each being a mix of its neighbours: a dissolve caught in the middle.

    ``signatures`` in order of time; see :func:`~snapengine.scoring.transitions.mixed`.
    """
    thumbs = [s.thumb for s in signatures]
    inner = [mixed(*thumbs[i - 1 : i + 2]) for i in range(1, len(thumbs) - 1)]
    return [0.0, *inner, 0.0][: len(thumbs)]


def choose(
    scores: Sequence[float],
    likenesses: NDArray[np.float32],
    count: int,
    rejected: Sequence[bool] | None = None,
    *,
    settled: Sequence[int] = (),
    diversity: float = DIVERSITY,
) -> list[int]:
    """Indices of the best diverse set, best first: maximal marginal relevance.

    Carbonell & Goldstein (SIGIR 1998): each choice is worth its score less what it repeats,
    ``diversity`` of it at full likeness; 0 goes by scores alone. Near duplicates of a chosen one
    come last, however good; the same picture never comes twice, and a rejected one only where all
    are: so fewer than ``count`` may come back. ``settled`` are chosen already and come first.
    Equal worth goes to the lower index, so the answer depends on nothing but the candidates.
    """
    left = [i for i in range(len(scores)) if i not in settled]
    if rejected is not None and not all(rejected):
        left = [i for i in left if not rejected[i]]
    chosen = list(settled)[:count]
    for one in chosen:
        left = [i for i in left if likenesses[i, one] < SAME]
    while left and len(chosen) < count:

        def worth(i: int) -> tuple[bool, float, int]:
            like = max((float(likenesses[i, c]) for c in chosen), default=0.0)
            repeated = max(0.0, like - _UNLIKE) / (1.0 - _UNLIKE)
            return like < NEAR_DUPLICATE, scores[i] - diversity * repeated * abs(scores[i]), -i

        best = max(left, key=worth)
        chosen.append(best)
        left = [i for i in left if i != best and likenesses[i, best] < SAME]
    return chosen


def is_new(candidate: int, chosen: Sequence[int], likenesses: NDArray[np.float32]) -> bool:
    """Whether it is no near duplicate of any chosen one."""
    return all(likenesses[candidate, other] < NEAR_DUPLICATE for other in chosen)
