"""What only several pictures tell: dissolves, fades, flashes and wipes going on.

Severities from 0 to 1 as in ``defects.py``, from 0.5 on a reason to reject. All work on means of
small squares, the same from either side of a picture.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..model.geometry import Rect
from .analysis import F32, bounds, either, means, ramp, split
from .proxy import Proxy

#: Columns of cells in which two frames are compared: of 4 samples of 320 for what changes within
#: the picture, of 16 for its levels, in which neither texture nor a little movement matters.
_CELLS: Final = 80
_COARSE: Final = 20
#: Codes beyond what movement explains: noise, and what only another picture brings.
_CHANGED: Final = 1.0
_REPLACED: Final = 12.0
#: Cells by which a thing may move between both frames (1.2 and 2.5 % of the width) and be known for
#: it; how much correlation may be lost for nothing; and the share of changed cells against that
#: loss. Movement takes correlation first, a dissolve changes all of the picture before it does. The
#: short reach sees slow dissolves, the long one those of moving shots.
_MIXING: Final = ((1, 0.02, 1.2, 2.0), (2, 0.05, 0.40, 0.80))
#: Cells by which the whole picture may shift between both frames, and how much of the difference a
#: shift must explain to be believed.
_PAN: Final = 6
_PANNED: Final = 0.7
#: There must be so many changed cells.
_MIXED_CELLS: Final = (0.02, 0.07)
#: A fade or flash leaves the picture what it was (correlation) but for its levels (codes).
_SAME: Final = (0.91, 0.97)
_LEVELS: Final = (4.0, 10.0)
#: ... and no movement changes the level so much while the picture is still half of what it was.
_HALF_SAME: Final = (0.72, 0.82)
_JUMP: Final = (14.0, 24.0)
#: A wipe: share of changed cells in columns (or rows) of its band, in all others, and how much of
#: the picture those others are.
_BAND: Final = (0.40, 0.70)
_BESIDE: Final = (0.12, 0.04)
_REST: Final = (0.20, 0.35)

#: Rows and columns of the thumbnails that ``mixed`` compares; odd, see ``split``.
_THUMB: Final = (19, 33)
#: Root mean square difference of the neighbours (codes) from which a mix of them can be told.
_APART: Final = (6.0, 12.0)
#: Share of the later picture: in the middle it is a mix, at the ends it is one of the two.
_SHARE: Final = (0.06, 0.18)
#: How much of the picture the difference is spread over: another shot differs everywhere, somebody
#: who has come into view does not.
_SPREAD: Final = (0.20, 0.40)
#: What the mix leaves unexplained, against the difference of the neighbours.
_LEFT: Final = (0.16, 0.08)
#: ... and against the distance from the nearer of them: a plain picture is near to many mixes.
_LEFT_OF_LESSER: Final = (1.2, 0.6)


def in_transition(picture: Proxy, later: Proxy) -> float:
    """Severity that a dissolve, fade, flash or wipe is going on between two frames 0.1-0.3 s apart.

    Movement shifts what is there: a cell's new value lies between the least and the largest old
    ones around it, and the old between the new ones. Where neither holds, something else shines
    through (twin comparison of Zhang, Kankanhalli & Smoliar 1993, with movement explained away
    instead of compared with). In a dissolve there is a little of that everywhere while the picture
    as a whole is still the same; a cut replaces it and is no defect of either frame; in a fade or
    flash one gain and offset explain all (the constancy of Alattar 1997); in a wipe a band of whole
    columns or rows is replaced. Frames of different sizes have nothing to compare: 0.
    """
    if picture.y.shape != later.y.shape:
        return 0.0
    part = either(picture.active, later.active)
    coarse = (_cells(proxy, part, _COARSE) for proxy in (picture, later))
    before, after = (_cells(proxy, part, _CELLS) for proxy in (picture, later))
    return max(_fading(*coarse), _mixing(before, after))


def _fading(before: F32, after: F32) -> float:
    one, two = before[0], after[0]
    alike = _correlation(one, two)
    levels = abs(float(one.mean() - two.mean())) + abs(float(one.std() - two.std()))
    return max(
        min(ramp(alike, *_SAME), ramp(levels, *_LEVELS)),
        min(ramp(alike, *_HALF_SAME), ramp(levels, *_JUMP)),
    )


def _mixing(before: F32, after: F32) -> float:
    lost = 1 - _correlation(before[0], after[0])
    before, after = _aligned(before, after)
    # Exposure follows what comes into view: a common shift of level is no other picture.
    after = after - np.median(after - before, axis=(1, 2), keepdims=True)
    severity = 0.0
    for reach, free, start, end in _MIXING:
        strange = np.minimum(_beyond(before, after, reach), _beyond(after, before, reach))
        strange = strange.max(axis=0)
        changed = float(((strange > _CHANGED) & (strange < _REPLACED)).mean())
        mixing = min(ramp(changed / (free + lost), start, end), ramp(changed, *_MIXED_CELLS))
        severity = max(severity, mixing)
    # Of the last, the long reach.
    replaced = strange > 4 * _CHANGED
    return max(severity, _band(replaced.mean(axis=0)), _band(replaced.mean(axis=1)))


def _cells(proxy: Proxy, part: Rect, columns: int) -> F32:
    """Means of small squares of all components, shape (3, rows, columns)."""
    step = max(1, round(part.width / columns))
    down, across = bounds(part.height, step), bounds(part.width, step)
    return np.stack([means(a, part, down, across) for a in (proxy.y, proxy.cb, proxy.cr)])


def _aligned(before: F32, after: F32) -> tuple[F32, F32]:
    """What both show after the camera's movement, told by the means of columns and of rows."""
    for axis in (2, 1):
        length = before.shape[axis]
        if length < 4 * _PAN:
            continue
        one, two = before.mean(axis=3 - axis), after.mean(axis=3 - axis)
        costs = [
            float(
                abs(
                    one[:, max(0, s) : length + min(0, s)] - two[:, max(0, -s) : length - max(0, s)]
                ).mean()
            )
            for s in range(-_PAN, _PAN + 1)
        ]
        shift = int(np.argmin(costs)) - _PAN
        if costs[shift + _PAN] < _PANNED * costs[_PAN]:
            first, second = max(0, shift), max(0, -shift)
            kept = np.arange(length - abs(shift))
            before = before.take(kept + first, axis=axis)
            after = after.take(kept + second, axis=axis)
    return before, after


def _beyond(before: F32, after: F32, reach: int) -> F32:
    """How far cells of ``after`` are outside of what ``before`` holds around them."""
    least, most = _around(before, np.minimum, reach), _around(before, np.maximum, reach)
    made: F32 = np.maximum(np.maximum(after - most, least - after), 0)
    return made


def _around(cells: F32, pick: np.ufunc, reach: int) -> F32:
    """``pick`` over squares of 2 * reach + 1 cells."""
    _, rows, columns = cells.shape
    p = np.pad(cells, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    wide = p[:, :, :columns]
    for i in range(1, 2 * reach + 1):
        wide = pick(wide, p[:, :, i : i + columns])
    made = wide[:, :rows]
    for i in range(1, 2 * reach + 1):
        made = pick(made, wide[:, i : i + rows])
    return made


def _correlation(one: F32, two: F32) -> float:
    """Pearson's, of luma; 1 when either has no contrast, as a fade ends in none."""
    a, b = one - one.mean(), two - two.mean()
    power = float((a * a).mean()) * float((b * b).mean())
    if power < 1.0:
        return 1.0
    return float(min(1.0, float((a * b).mean()) / power**0.5))


def _band(profile: NDArray[np.float64]) -> float:
    """One band in which nearly all is replaced, and next to nothing beside it."""
    places = np.flatnonzero(profile >= _BAND[0])
    if not places.size:
        return 0.0
    first, end = int(places[0]), int(places[-1]) + 1
    rest = profile.size - (end - first)
    if not rest:
        return 0.0
    within = float(profile[first:end].mean())
    beside = float(profile.sum() - profile[first:end].sum()) / rest
    return min(ramp(within, *_BAND), ramp(beside, *_BESIDE), ramp(rest / profile.size, *_REST))


def mixed(before: F32, picture: F32, after: F32) -> float:
    """Severity that ``picture`` is a dissolve of its neighbours, which may be seconds away.

    All three are thumbnails by :func:`thumb`.

    Least squares: which share a of ``after`` and 1 - a of ``before`` comes nearest, in thumbnails
    of 33x19 means of luma and chroma, as a dissolve is an affine mix of two shots (Hampapur, Jain &
    Weymouth 1995). A mix has a in the middle, and little is left unexplained against the difference
    of the two. Neighbours too alike tell nothing: 0. So do different sizes.
    """
    if not before.shape == picture.shape == after.shape:
        return 0.0
    a, p, b = before, picture, after
    way = b - a
    power = float((way * way).mean())
    if power < _APART[0] ** 2:
        return 0.0
    size = np.abs(way).max(axis=0)
    spread = float(size.mean()) ** 2 / float((size * size).mean())
    share = float((way * (p - a)).mean()) / power
    left = p - a - share * way
    unexplained = float((left * left).mean()) / power
    lesser = min(share, 1 - share)
    if lesser <= 0:
        return 0.0
    return min(
        ramp(power**0.5, *_APART),
        ramp(spread, *_SPREAD),
        ramp(lesser, *_SHARE),
        ramp(unexplained, *_LEFT),
        ramp(unexplained / lesser**2, *_LEFT_OF_LESSER),
    )


def thumb(proxy: Proxy) -> F32:
    """Means of Y', Cb and Cr over 19 x 33 cells, (3, rows, columns); of tiny pictures fewer."""
    whole = Rect(0, 0, proxy.width, proxy.height)
    down, across = (
        split(side, 0, min(count, (side - 1) | 1))
        for count, side in zip(_THUMB, proxy.y.shape, strict=True)
    )
    return np.stack([means(a, whole, down, across) for a in (proxy.y, proxy.cb, proxy.cr)])
