"""How good a picture is, part by part: each measure is 0..1, 1 is better, and stands for itself.

Nothing is normalised among candidates: another candidate never changes a picture's values. Black
bars do not count. All read one :class:`~snapengine.scoring.analysis.Analysis`, whose active part is
what a proxy shows between its bars.
"""

from __future__ import annotations

from math import exp, log
from typing import Any, Final

import numpy as np

from .analysis import F32, Analysis, bounds, either, means, padded
from .proxy import Proxy
from .text import caption_blocks

#: Share of the blocks, the sharpest ones, that make the subject: a face in a long shot.
_SUBJECT: Final = 0.05
#: Squared codes of coarse bends below which detail is too faint to tell sharp from blurred: the
#: steps that compression makes of smooth slopes are sharp, and fainter.
_FAINT: Final = 250.0
#: The least coarse bends (squared codes) by which anything can be told.
_NOTHING: Final = 8.0
#: Squared second differences, at scales 1, 2, 4, that such steps of one code make; rounding alone
#: makes a third of it.
_ROUNDING: Final = (1.5, 0.375, 0.09)
#: White noise loses 3/4 of its power when 2x2 samples are averaged.
_WHITE_GAIN: Final = 4 / 3
#: Noise is taken for a quarter more than in the block of median noise: it is not even.
_NOISE_SPREAD: Final = 1.25
#: Along one axis there is so much less fine detail than across it: motion. Nothing, all.
_SMEARED: Final = (0.15, 0.05)
#: Share of the blocks that speak against motion: the sun over a calm sea, all else being level.
_UNSMEARED: Final = 0.015
#: Focus that counts as 0 and as 1: blur of 4 samples of 320, and edges as crisp as samples allow.
_FOCUS_NONE: Final = 0.08
_FOCUS_ALL: Final = 1.0

#: Shares of samples that may be clipped at black and at white before it is seen as a fault, and
#: shares at which it is the picture.
_CLIPPED: Final = (0.02, 0.5)
#: Luma codes at or beyond which a sample is clipped.
_CLIPPED_LOW: Final = 3
_CLIPPED_HIGH: Final = 252
#: Mean luma that needs no correction: middle grey (18 % of white's light) is coded 118; half of
#: the score is lost this far from the range.
_MEAN_RANGE: Final = (80.0, 160.0)
_MEAN_HALF: Final = 45.0
#: Width of the histogram's middle 98 % that earns all of ``contrast``.
_FULL_WIDTH: Final = 200.0
#: Hasler and Suesstrunk's attribute "quite colourful" (59 of 0..109): half of ours lies at 30.
_COLOR_HALF: Final = 30.0
#: Entropy of luma, in bits, of a picture rich in tones.
_FULL_ENTROPY: Final = 7.2
#: Share of the picture under text that leaves nothing of ``textless``.
_TEXT_ALL: Final = 0.25

#: Columns of the small pictures that ``stillness`` compares.
_STILL_COLUMNS: Final = 80
#: Movement, in shares of the picture's width between both frames, that halves ``stillness``.
_STILL_HALF: Final = 0.004
#: Squared luma differences that compression makes between equal frames, of means of 4x4 samples.
_STILL_FLOOR: Final = 1.0


def measures(analysis: Analysis) -> dict[str, float]:
    """All measures of one picture by name."""
    return {
        "sharpness": sharpness(analysis),
        "exposure": exposure(analysis),
        "contrast": contrast(analysis),
        "colourfulness": colourfulness(analysis),
        "detail": detail(analysis),
        "textless": textless(analysis),
    }


#: The same under the name of its kind (``analyse``, ``measure``).
measure = measures


def sharpness(analysis: Analysis) -> float:
    """How crisp the sharpest part is that is large enough to be the subject.

    :func:`focus` on a logarithmic scale: each halving of the sharpest edges' steepness costs the
    same. A shallow depth of field costs nothing; noise, text and bars earn nothing. 0 for pictures
    without any detail and for those too small to tell (below 16 samples a side).
    """
    value = focus(analysis)
    if value is None or value <= _FOCUS_NONE:
        return 0.0
    return min(1.0, log(value / _FOCUS_NONE) / log(_FOCUS_ALL / _FOCUS_NONE))


def focus(analysis: Analysis) -> float | None:
    """Fine detail against coarse, in the sharpest blocks: about 1 in focus, 0.1 far out of it.

    Second differences (the modified Laplacian of Nayar & Nakagawa 1994, LAP2 of Pertuz, Puig &
    Garcia 2013) of single samples are divided by those of means of 4x4 samples, four apart. The
    statistics of differences in natural pictures are the same at every scale (Ruderman 1994), so
    the ratio does not depend on the subject or its contrast, as Laplacian energy alone does;
    blur takes the fine ones away first (the idea of Crete et al. 2007: what another blur would
    change tells how blurred it was). White noise is known by what averaging takes from it, and is
    taken off: locally, and everywhere by as much as half of the picture has. Where
    nearly all fine detail runs in one direction, that across it decides: motion blur.

    ``None``: nothing to judge by (flat, or below 16 samples a side).
    """
    if "focus" not in analysis.kept:
        analysis.kept["focus"] = _focus(analysis)
    kept: float | None = analysis.kept["focus"]
    return kept


def _focus(analysis: Analysis) -> float | None:
    if min(analysis.width, analysis.height) < 16:
        return None
    seen = ~_rim(captions(analysis))
    if not seen.any():
        return None
    bends = np.maximum(analysis.bends - np.array(_ROUNDING, np.float32)[:, None, None, None], 0)
    around = _around(bends * seen[..., None])
    fine, middle, coarse = around
    white = _WHITE_GAIN * np.maximum(fine - middle, 0)
    everywhere = _NOISE_SPREAD * _medians(white[seen])
    clean = np.maximum(fine - np.maximum(white, everywhere), 0)
    if float(coarse.sum(axis=-1).max()) < _NOTHING:
        return None
    whole = _sharpest(clean.sum(axis=-1), coarse.sum(axis=-1) + _FAINT, seen, _SUBJECT)
    # Both pairs of directions: along and across, both diagonals.
    power = clean.reshape(-1, 4).sum(axis=0, dtype=np.float64)
    base = coarse.mean(axis=-1) + _FAINT / 4
    result = whole
    for one, other in ((0, 1), (2, 3)):
        less = one if power[one] < power[other] else other
        more = one + other - less
        if power[more] <= 0:
            continue
        uneven = float(power[less] / power[more])
        smeared = min(1.0, max(0.0, (uneven - _SMEARED[0]) / (_SMEARED[1] - _SMEARED[0])))
        if smeared:
            across = _sharpest(clean[..., less], base, seen, _UNSMEARED)
            result = min(result, exp((1 - smeared) * _log(whole) + smeared * _log(across)))
    return result


def _rim(blocks: Any) -> Any:
    """These blocks, and those beside and above and below them: letters end within them."""
    if not blocks.any():
        return blocks
    p = np.pad(blocks, ((1, 1), (2, 2)))
    p = p[:-2] | p[1:-1] | p[2:]
    n = blocks.shape[1]
    return p[:, :n] | p[:, 1 : n + 1] | p[:, 2 : n + 2] | p[:, 3 : n + 3] | p[:, 4 : n + 4]


def _medians(values: F32) -> F32:
    """The (upper) median of each column; ``numpy.median`` takes three times as long."""
    middle = len(values) // 2
    made: F32 = np.partition(np.ascontiguousarray(values.T), middle)[:, middle]
    return made


def _log(value: float) -> float:
    return log(max(value, 1e-3))


def _sharpest(fine: F32, coarse: F32, seen: Any, share: float) -> float:
    """Root of the ratio, mean over the sharpest blocks."""
    ratios = np.sqrt(fine / coarse)[seen]
    count = max(1, round(ratios.size * share))
    return float(np.partition(ratios, ratios.size - count)[-count:].mean())


def _around(blocks: F32) -> F32:
    """Means over 3x3 blocks along axes 1 and 2; beyond the border there is nothing."""
    p = padded(blocks, 1)
    p = p[:, :-2] + p[:, 1:-1] + p[:, 2:]
    made: F32 = (p[:, :, :-2] + p[:, :, 1:-1] + p[:, :, 2:]) / np.float32(9)
    return made


def exposure(analysis: Analysis) -> float:
    """How well the levels are placed: nothing clipped away, neither too dark nor too bright.

    The product of two parts, as in automatic exposure: share of samples clipped at black or white
    (a little is in every picture), and distance of the mean from the range around middle grey.
    A night or a snow scene loses a part of it, never all.
    """
    low = float(analysis.cumulative[_CLIPPED_LOW])
    high = 1.0 - float(analysis.cumulative[_CLIPPED_HIGH - 1])
    start, end = _CLIPPED
    kept = 1.0 - min(1.0, max(0.0, (low + high - start) / (end - start)))
    mean = float(np.dot(analysis.histogram, np.arange(256))) / analysis.y.size
    far = max(_MEAN_RANGE[0] - mean, mean - _MEAN_RANGE[1], 0.0) / _MEAN_HALF
    return float(kept**0.5 / (1.0 + far * far))


def contrast(analysis: Analysis) -> float:
    """Width of the middle 98 % of the luma histogram (Ke, Tang & Jing 2006), 1 from 200 codes."""
    width = analysis.percentile(0.99) - analysis.percentile(0.01)
    return min(1.0, width / _FULL_WIDTH)


def colourfulness(analysis: Analysis) -> float:
    """Hasler & Suesstrunk 2003, M = sigma + 0.3 mu of the opponent colours, as M / (M + 30).

    R - G and (R + G) / 2 - B are linear in Cb and Cr, so their moments follow from those of Cb and
    Cr. (Their R'G'B' is not clipped to 0..255 here.) A grey film has 0: whoever weighs this against
    other measures should not let it decide there.
    """
    m = hasler_suesstrunk(analysis)
    return m / (m + _COLOR_HALF)


def hasler_suesstrunk(analysis: Analysis) -> float:
    """M of Hasler & Suesstrunk 2003; 0 "not", 15 "slightly", 33 "moderately", 59 "quite"."""
    blue, red, blue_power, red_power, both = analysis.chroma_moments
    sigma = mu = 0.0
    # Coefficients of Cb and Cr in R - G and in (R + G) / 2 - B (ITU-T T.871).
    for b, r in ((0.344136286, 2.116136286), (-1.944068143, 0.343931857)):
        mu += (b * (blue - 128) + r * (red - 128)) ** 2
        sigma += max(b * b * blue_power + r * r * red_power + 2 * b * r * both, 0.0)
    return float(sigma**0.5 + 0.3 * mu**0.5)


def detail(analysis: Analysis) -> float:
    """Entropy of the luma histogram (Shannon), 1 from 7.2 bits: how many tones there are."""
    shares = analysis.histogram[analysis.histogram > 0] / analysis.y.size
    return min(1.0, max(0.0, float(-(shares * np.log2(shares)).sum()) / _FULL_ENTROPY))


def textless(analysis: Analysis) -> float:
    """How little of the picture is text: 1 without any, 0 from a quarter of its area on.

    Two lines of subtitles cost 0.15, a channel's logo less.
    """
    return 1.0 - min(1.0, float(captions(analysis).mean()) / _TEXT_ALL)


def captions(analysis: Analysis) -> Any:
    """:func:`~snapengine.scoring.text.caption_blocks`, once for all who ask."""
    if "captions" not in analysis.kept:
        analysis.kept["captions"] = caption_blocks(analysis)
    return analysis.kept["captions"]


def stillness(proxy: Proxy, later: Proxy) -> float:
    """How little moves between two frames of one shot, a few frames apart: 1 when nothing does.

    The change in time over the change in space is a displacement (the brightness constancy of Horn
    & Schunck 1981), whatever the contrast; here its root mean square over the picture, so that a
    small part that moves fast counts like a large one that moves a little. Half is lost at 0.4 % of
    the width. Frames of different sizes have nothing to compare: 0.
    """
    if proxy.y.shape != later.y.shape:
        return 0.0
    part = either(proxy.active, later.active)
    step = max(1, round(part.width / _STILL_COLUMNS))
    down, across = bounds(part.height, step), bounds(part.width, step)
    before, after = (means(p.y, part, down, across) for p in (proxy, later))
    change = (after - before) ** 2
    middle = (after + before) / 2
    slope = np.zeros_like(middle)
    if middle.shape[1] > 1:
        right = (middle[:, 1:] - middle[:, :-1]) ** 2
        slope[:, 1:] += right / 2
        slope[:, :-1] += right / 2
    if middle.shape[0] > 1:
        below = (middle[1:] - middle[:-1]) ** 2
        slope[1:] += below / 2
        slope[:-1] += below / 2
    moved = max(0.0, float(change.mean()) - _STILL_FLOOR) / (float(slope.mean()) + _STILL_FLOOR)
    far = moved**0.5 * step / part.width
    return float(1.0 / (1.0 + (far / _STILL_HALF) ** 2))
