"""What makes a picture no cover at all, judged from itself alone: how severe, from 0 to 1.

Every severity is a ramp of what was measured, so that a tiny change of a picture moves it a
little; where a defect needs several signs it is the least of theirs. From ``REJECT`` on the picture
is to be left out. Thresholds were set on drawn and filmed pictures; what they stand for is said at
each.
What needs several pictures (dissolves, wipes) is in ``transitions.py``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .analysis import Analysis, ramp
from .measures import captions, focus
from .text import Ground, card_strokes

__all__ = ["REJECT", "defects"]

#: A severity from which on a picture is rejected.
REJECT: Final = 0.5

# Ramps: (no sign of it, beyond doubt). The middle is where a picture is rejected.
#: Luma (codes) above which something can be seen in the dark: 40 is 2 % of white's light (BT.1886).
_VISIBLE: Final = 40
#: Share of the picture that is visible. A city at night has 3 % and more, a black frame nothing.
_BLACK: Final = (0.03, 0.005)
#: Luma (codes) below which something stands out from white.
_SHADED: Final = 228
_WHITE: Final = (0.05, 0.01)
#: Share of blocks with any drawing in them. A bird in the sky is 2 % of the picture.
_FLAT: Final = (0.012, 0.004)
#: Codes between the darkest and the lightest parts, and strength of colour, together. Snow under a
#: grey sky has 70, desert and fog 90 and more, a scene faded to a fifth 45.
_FADED: Final = (75.0, 45.0)
#: The level that only 0.5 % exceed: below 70 (5 % of white's light) a fade is mostly done.
_DIM: Final = (90.0, 55.0)
#: Clipped at white: share of samples, and how many of the others are not nearly so. On a white
#: ground a portrait has a fifth and more of its samples in hair, eyes and shadows.
_BURNT: Final = (0.30, 0.50)
_BURNT_DARK: Final = (0.16, 0.06)
#: Focus (see ``measures.focus``): blur of 2.5 samples of 320 leaves at most 0.16 after compression,
#: of 1 sample 0.35; fog and soft films have 0.27 and more.
_BLURRED: Final = (0.28, 0.16)
#: Share of a frame that its bars leave. A film of 2.39 in a 4:3 frame has 56 %, phone video 32 %.
_BOXED: Final = (0.12, 0.05)
#: Share of dark, even blocks around one lit spot, and how much of the frame the spot's box takes.
_DARK_AROUND: Final = (0.94, 0.975)
_SPOT: Final = (0.25, 0.10)
#: Share of flat blocks in the saturated colours of bars; share of the fourth of these colours.
_BAR_COLORS: Final = (0.12, 0.28)
_BAR_FOURTH: Final = (0.006, 0.022)
#: Cards: share of the ground on one smooth surface, and of drawn blocks on one side of it.
_CARD_SMOOTH: Final = (0.72, 0.85)
_CARD_SIDE: Final = (0.70, 0.90)
#: Lines of text: share of ground, of ups and downs that are text-like, of drawn blocks with text.
_LINES_GROUND: Final = (0.30, 0.50)
_LINES_STROKES: Final = (0.50, 0.70)
_LINES_COVER: Final = (0.12, 0.28)
#: Fewer blocks are enough where nearly all ups and downs are text-like: thin grey letters. Lit
#: windows at night come near to it with three quarters.
_SURE_GROUND: Final = (0.50, 0.70)
_SURE_STROKES: Final = (0.70, 0.85)
_SURE_COVER: Final = (0.06, 0.14)
#: A word or two: more ground, and so many text-like ups and downs (hundreds).
_TITLE_GROUND: Final = (0.76, 0.86)
_TITLE_STROKES: Final = (0.46, 0.62)
_TITLE_TURNS: Final = (0.4, 1.0)
#: One figure or sign of even ink: share of what is not ground that has the ink's level, and of
#: drawn blocks with no colour but the ground's. Dark hair before a plain wall is even, too.
_SIGN_INK: Final = (0.50, 0.65)
_SIGN_PLAIN: Final = (0.60, 0.90)
#: Codes of chroma within which two colours are one.
_SIGN_COLOR: Final = 8.0
_SIGN_GROUND: Final = (0.50, 0.65)
#: A line is an edge along so much of the picture, with so little of one 3 samples beside it.
_LINE: Final = 0.75
_LINE_BESIDE: Final = 0.30
#: Ruled pictures: share of edges on lines from side to side, and how many of these there are.
_GRID_SHARE: Final = (0.30, 0.50)
_GRID_LINES: Final = (3.0, 6.0)
#: Few stripes and nothing else.
_STRIPES_SHARE: Final = (0.85, 0.95)
_STRIPES_LINES: Final = (0.5, 0.9)
_STRIPES_GROUND: Final = (0.70, 0.90)
#: The cross of a countdown leader: how far both arms reach, and the even ground behind it.
_CROSS_ARMS: Final = (0.35, 0.60)
_CROSS_GROUND: Final = (0.25, 0.50)
#: Snow: variance of block means against that within blocks (1/64 for white noise; pictures have
#: half of one, foliage 1/6), and correlation of neighbouring samples (foliage 0.7).
_SNOW_BLOCKS: Final = (0.09, 0.05)
_SNOW_ALIKE: Final = (0.55, 0.42)


def defects(analysis: Analysis) -> dict[str, float]:
    """Severity of every kind of defect of one picture, 0..1."""
    ground = Ground(analysis)
    return {
        "black": black(analysis),
        "white": white(analysis),
        "flat": flat(analysis),
        "faded": faded(analysis),
        "overexposed": overexposed(analysis),
        "blurred": blurred(analysis),
        "bars_only": bars_only(analysis),
        "test_card": test_card(analysis, ground),
        "text_only": text_only(analysis, ground),
        "noise": noise(analysis),
    }


def black(analysis: Analysis) -> float:
    """Nothing to be seen in the dark (FFmpeg's blackdetect counts dark samples the same way)."""
    visible = 1.0 - float(analysis.cumulative[_VISIBLE])
    return ramp(visible, *_BLACK)


def white(analysis: Analysis) -> float:
    """Nothing to be seen before white."""
    return ramp(float(analysis.cumulative[_SHADED - 1]), *_WHITE)


def flat(analysis: Analysis) -> float:
    """One colour or one gradient, with nothing in it."""
    drawn = (analysis.spread > 16) | (analysis.chroma_spread > 18)
    return ramp(float(drawn.mean()), *_FLAT)


def faded(analysis: Analysis) -> float:
    """Part of the way to black, grey or white: all levels lie close together.

    The width of the histogram's middle 98 % (Ke, Tang & Jing 2006) is multiplied by a fade.
    """
    width = analysis.percentile(0.995) - analysis.percentile(0.005)
    blue, red, blue_power, red_power, _ = analysis.chroma_moments
    color = ((blue - 128) ** 2 + (red - 128) ** 2) ** 0.5 + (blue_power + red_power) ** 0.5
    return max(
        ramp(width + 1.5 * color, *_FADED),
        ramp(analysis.percentile(0.995), *_DIM),
    )


def overexposed(analysis: Analysis) -> float:
    """A flash: much is clipped at white and nothing dark is left."""
    burnt = 1.0 - float(analysis.cumulative[249])
    dark = float(analysis.cumulative[180]) / max(1 - burnt, 1e-6)
    return min(ramp(burnt, *_BURNT), ramp(dark, *_BURNT_DARK))


def blurred(analysis: Analysis) -> float:
    """Nothing in it is sharp, or it is smeared along one direction."""
    sharp = focus(analysis)
    if sharp is None:
        return 0.0
    return ramp(sharp, *_BLURRED)


def bars_only(analysis: Analysis) -> float:
    """Bars with next to nothing between them, or one small spot (a logo) on black."""
    whole = analysis.proxy.width * analysis.proxy.height
    boxed = ramp(analysis.y.size / whole, *_BOXED)
    lit = (analysis.high > _VISIBLE) | (analysis.spread > 16)
    if not lit.any():
        return boxed
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    spot = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1) / lit.size
    around = min(ramp(1 - float(lit.mean()), *_DARK_AROUND), ramp(float(spot), *_SPOT))
    return max(boxed, around)


def test_card(analysis: Analysis, ground: Ground) -> float:
    """Colour bars, grids, wedges, countdown leaders."""
    return max(_bar_colors(analysis, ground), _ruled(analysis, ground))


def _bar_colors(analysis: Analysis, ground: Ground) -> float:
    """Flat areas in yellow, cyan, green, magenta, red and blue of 75 or 100 % (ITU-R BT.471)."""
    if not ground.even.any():
        return 0.0
    y, cb, cr = (
        m[ground.even] for m in (analysis.mean, analysis.mean_cb - 128, analysis.mean_cr - 128)
    )
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb])
    low, high = rgb.min(axis=0), rgb.max(axis=0)
    up, down = rgb > high - 30, rgb < low + 30
    pure = (high > 150) & (low < 60) & (up | down).all(axis=0)
    which = (up * np.array([[1], [2], [4]])).sum(axis=0)[pure]
    shares = np.bincount(which, minlength=8) / analysis.mean.size
    return min(
        ramp(float(shares.sum()), *_BAR_COLORS), ramp(float(np.sort(shares)[-4]), *_BAR_FOURTH)
    )


def _ruled(analysis: Analysis, ground: Ground) -> float:
    """Straight lines from edge to edge make up the picture."""
    down, across = analysis.edges
    height, width = analysis.y.shape
    total = float(down.sum() + across.sum())
    if not total:
        return 0.0
    lines_down, lines_across = _lines(down / height), _lines(across / width)
    ruled = float(down[lines_down].sum() + across[lines_across].sum()) / total
    number = float(down[lines_down].sum() / height + across[lines_across].sum() / width)
    grid = min(ramp(ruled, *_GRID_SHARE), ramp(number, *_GRID_LINES))
    stripes = min(
        ramp(ruled, *_STRIPES_SHARE),
        ramp(number, *_STRIPES_LINES),
        ramp(ground.share, *_STRIPES_GROUND),
    )
    middle_down = down[width // 2 - 3 : (width + 1) // 2 + 2]
    middle_across = across[height // 2 - 3 : (height + 1) // 2 + 2]
    cross = 0.0
    if middle_down.size and middle_across.size:
        cross = min(
            ramp(float(middle_down.max()) / height, *_CROSS_ARMS),
            ramp(float(middle_across.max()) / width, *_CROSS_ARMS),
            ramp(ground.share, *_CROSS_GROUND),
        )
    return max(grid, stripes, cross)


def _lines(profile: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places hold an edge nearly all the way along, and have places without beside them."""
    beside = np.pad(profile, 4, mode="constant")
    n = profile.size
    left = np.minimum(beside[0:n], beside[1 : n + 1])
    right = np.minimum(beside[7 : 7 + n], beside[8 : 8 + n])
    found: NDArray[np.bool_] = (profile >= _LINE) & (np.maximum(left, right) <= _LINE_BESIDE)
    return found


def text_only(analysis: Analysis, ground: Ground) -> float:
    """Credits, titles, slides: lines of text or one sign on an even ground."""
    whole = analysis.proxy.width * analysis.proxy.height
    # Bars are ground, too: what is left between bars around credits is mostly letters.
    share = 1 - (1 - ground.share) * analysis.y.size / whole
    covered = float(captions(analysis).mean()) / max(1 - ground.share, 1e-6)
    ways = (
        min(ramp(covered, *_LINES_COVER), ramp(share, *_LINES_GROUND)),
        min(ramp(covered, *_SURE_COVER), ramp(share, *_SURE_GROUND)),
        ramp(share, *_TITLE_GROUND),
        _sign(analysis, ground, share),
    )
    # The rest is dear, and most pictures are no cards.
    if not any(ways):
        return 0.0
    strokes, turns = card_strokes(analysis)
    found = max(
        min(ways[0], ramp(strokes, *_LINES_STROKES)),
        min(ways[1], ramp(strokes, *_SURE_STROKES)),
        min(ways[2], ramp(strokes, *_TITLE_STROKES), ramp(turns, *_TITLE_TURNS)),
        ways[3],
    )
    if not found:
        return 0.0
    smooth, one_sided = ground.surface
    return min(found, ramp(smooth, *_CARD_SMOOTH), ramp(one_sided, *_CARD_SIDE))


def _sign(analysis: Analysis, ground: Ground, share: float) -> float:
    """One figure of one ink, of no other colour than the ground's."""
    found = min(ramp(share, *_SIGN_GROUND), ramp(_ink(analysis), *_SIGN_INK))
    drawn = ~ground.even
    if not found or not drawn.any() or not ground.even.any():
        return 0.0
    blue, red = (
        np.abs(means[drawn] - np.median(means[ground.even]))
        for means in (analysis.mean_cb, analysis.mean_cr)
    )
    return min(found, ramp(float((blue + red < _SIGN_COLOR).mean()), *_SIGN_PLAIN))


def _ink(analysis: Analysis) -> float:
    """Share of one other level among the samples that are not of the commonest one."""
    levels = analysis.histogram.astype(np.float64) / analysis.y.size
    most = int(np.convolve(levels, np.ones(25), "same").argmax())
    rest = levels.copy()
    rest[max(0, most - 12) : most + 13] = 0
    left = float(rest.sum())
    rest[max(0, most - 64) : most + 65] = 0
    if left < 0.01:
        return 0.0
    return float(np.convolve(rest, np.ones(13), "same").max()) / left


def noise(analysis: Analysis) -> float:
    """Snow: neighbouring samples know nothing of each other, and blocks have one mean."""
    fine = float(analysis.variance.mean())
    coarse = float(analysis.mean.var())
    if fine < 4:
        return 0.0
    uneven = ramp(coarse / fine, *_SNOW_BLOCKS)
    return min(uneven, ramp(analysis.likeness, *_SNOW_ALIKE)) if uneven else 0.0
