"""Saliency: planted subjects are found, the cues agree with naive twins, nothing fails."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw, ImageFont

from snapengine.model.frame import Picture
from snapengine.scoring import saliency as module
from snapengine.scoring.proxy import Proxy
from snapengine.scoring.saliency import GRID, composition, measure, salience, saliency

SIDES = st.integers(1, 90)


def proxy_of(y: np.ndarray, cb: np.ndarray | int = 128, cr: np.ndarray | int = 128) -> Proxy:
    picture = Picture(y.shape[1], y.shape[0], "444")
    for plane, samples in zip(picture.planes, (y, cb, cr), strict=True):
        plane[:] = np.clip(samples, 0, 255)
    return Proxy(picture)


def noise(width: int, height: int, seed: int) -> Proxy:
    planes = np.random.default_rng(seed).integers(0, 256, (3, height, width))
    return proxy_of(*planes)


def disc(
    x: float, y: float, radius: float = 20, width: int = 320, height: int = 180,
    levels: tuple[int, int] = (80, 200), grain: float = 3.0,
) -> np.ndarray:  # fmt: skip
    """A bright disc with its centre at (x, y), in fractions, on plain ground with grain."""
    ys, xs = np.mgrid[0:height, 0:width]
    inside = np.hypot(xs + 0.5 - x * width, ys + 0.5 - y * height) < radius
    grains = np.random.default_rng(3).normal(0, grain, inside.shape)
    return np.where(inside, levels[1], levels[0]) + grains


def centre_of(attention: np.ndarray) -> tuple[float, float]:
    """Where the centre of what exceeds half of the peak is, in fractions."""
    strong = np.where(attention >= attention.max() / 2, attention, 0).astype(float)
    rows, columns = strong.shape
    x = strong.sum(axis=0) @ (np.arange(columns) + 0.5) / columns / strong.sum()
    y = strong.sum(axis=1) @ (np.arange(rows) + 0.5) / rows / strong.sum()
    return float(x), float(y)


# -- the map --------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y"), list(product((0.15, 0.3, 0.5, 0.8), (0.2, 0.5, 0.75))))
def test_a_planted_subject_is_found(x: float, y: float) -> None:
    attention = saliency(proxy_of(disc(x, y)))
    assert attention.max() == pytest.approx(1)
    assert centre_of(attention) == pytest.approx((x, y), abs=0.04)
    ys, xs = (np.mgrid[0:36, 0:64] + 0.5) / np.array([36, 64])[:, None, None]
    far = np.hypot((xs - x) * 16 / 9, ys - y) > 0.3
    assert attention[far].max() < 0.25


def test_a_subject_of_another_colour_only_is_found() -> None:
    grey = np.full((180, 320), 110)
    red = np.where(disc(0.7, 0.4, grain=0) > 100, 190, 128)
    assert centre_of(saliency(proxy_of(grey, 128, red))) == pytest.approx((0.7, 0.4), abs=0.03)


def test_a_large_subject_is_filled_and_not_only_outlined() -> None:
    """What the contrast to the border is for: edges alone would leave a hole."""
    attention = saliency(proxy_of(disc(0.5, 0.5, radius=60)))
    assert attention[18, 32] > 0.8


def test_a_subject_that_touches_a_border_is_found() -> None:
    """One of the four borders may belong to the subject."""
    picture = disc(0.5, 0.5, radius=0)
    picture[60:, 130:190] += 100
    x, y = centre_of(saliency(proxy_of(picture)))
    assert x == pytest.approx(0.5, abs=0.03) and y > 0.5


def test_flat_pictures_and_their_noise_draw_nothing() -> None:
    assert saliency(proxy_of(np.full((180, 320), 90))).max() == 0
    ramp = np.tile(np.linspace(60, 200, 320), (180, 1))
    assert saliency(proxy_of(ramp)).max() < 0.5
    for seed in range(4):
        grain = np.random.default_rng(seed).normal(120, 4, (180, 320))
        assert saliency(proxy_of(grain)).max() < 0.3


def test_black_bars_are_not_looked_at() -> None:
    inner = disc(0.3, 0.5, height=140)
    barred = np.full((180, 320), 16.0)
    barred[20:160] = inner
    attention = saliency(proxy_of(barred))
    assert attention.shape == (36, 64)
    assert not attention[:4].any() and not attention[32:].any()
    assert np.array_equal(attention[4:32], saliency(proxy_of(inner)))


def test_bars_at_the_sides_are_not_looked_at_either() -> None:
    """A bright subject that reaches the bar: the step to black is not part of the picture."""
    inner = disc(0.0, 0.5, radius=40, width=240)
    barred = np.full((180, 320), 16.0)
    barred[:, 40:280] = inner
    attention = saliency(proxy_of(barred))
    assert not attention[:, :8].any() and not attention[:, 56:].any()
    assert attention[18, 8] > 0.85 * attention[18, 9]


def test_burned_in_text_and_logos_do_not_win() -> None:
    """A ticker, a subtitle and a logo, all with more contrast than the subject."""
    ground = disc(0.6, 0.4, radius=30, levels=(90, 150))
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.text((16, 8), "NEWS 24", 240, font=ImageFont.load_default(14))
    draw.text((60, 130), "and this is what was said", 240, font=ImageFont.load_default(16))
    draw.text((0, 158), "ticker without an end " * 4, 255, font=ImageFont.load_default(12))
    attention = saliency(proxy_of(np.asarray(image)))
    assert attention[11:18, 35:42].min() > 0.7
    away = attention.copy()
    away[5:24, 29:48] = 0
    assert away.max() < 0.4


@settings(max_examples=60)
@given(width=SIDES, height=SIDES, seed=st.integers(0, 5))
def test_every_size_gives_a_map(width: int, height: int, seed: int) -> None:
    attention = saliency(noise(width, height, seed))
    assert attention.dtype == np.float32 and attention.ndim == 2
    assert min(attention.shape) >= 1 and max(attention.shape) <= GRID
    assert attention.min() >= 0 and attention.max() <= 1
    assert all(0 <= value <= 1 for value in measure(noise(width, height, seed)).values())


@pytest.mark.parametrize(("width", "height"), list(product((1, 2, 3, 8), (1, 2, 5, 8))))
def test_tiny_pictures(width: int, height: int) -> None:
    for level in (0, 128, 255):
        tiny = proxy_of(np.full((height, width), level))
        assert saliency(tiny).shape == (height, width)
        assert measure(tiny) == {"salience": 0.0, "composition": 0.5}
    assert np.isfinite(saliency(noise(width, height, 1))).all()


@settings(max_examples=30)
@given(width=st.integers(1, 60), height=st.integers(1, 40), seed=st.integers(0, 50),
       axis=st.sampled_from([0, 1]))  # fmt: skip
def test_a_mirrored_picture_has_the_mirrored_map(
    width: int, height: int, seed: int, axis: int
) -> None:
    planes = np.random.default_rng(seed).integers(0, 256, (3, height, width))
    there = saliency(proxy_of(*planes))
    back = saliency(proxy_of(*np.flip(planes, axis + 1)))
    assert np.allclose(np.flip(back, axis), there, atol=2e-3)


# -- naive twins ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height"), [(320, 180), (321, 179), (130, 400), (63, 9), (65, 2)]
)
def test_cells_are_means_of_squares(width: int, height: int) -> None:
    proxy = noise(width, height, 4)
    side = max(width, height) // GRID + (max(width, height) % GRID > 0)
    wide, high = min(side, width), min(side, height)
    left, top = width % wide // 2, height % high // 2
    cells = module._cells(proxy)
    assert cells.shape == (3, height // high, width // wide)
    for plane, got in zip((proxy.y, proxy.cb, proxy.cr), cells, strict=True):
        for row, column in product(range(got.shape[0]), range(got.shape[1])):
            y, x = top + row * high, left + column * wide
            want = plane[y : y + high, x : x + wide].astype(np.float64).mean()
            assert got[row, column] == pytest.approx(want, abs=1e-3)


def naive_blur(plane: np.ndarray, sigma: float) -> np.ndarray:
    out = np.zeros_like(plane)
    rows, columns = plane.shape
    for y, x in product(range(rows), range(columns)):
        down = np.exp(-((np.arange(rows) - y) ** 2) / (2 * sigma**2))
        across = np.exp(-((np.arange(columns) - x) ** 2) / (2 * sigma**2))
        out[y, x] = down @ plane @ across / down.sum() / across.sum()
    return out


def naive_contrast(cells: np.ndarray) -> np.ndarray:
    """Zhang et al. 2015, 3.3, as written: four Mahalanobis maps, scaled, less the largest."""
    rows, columns = cells.shape[1:]
    high, wide = max(1, round(rows * 0.1)), max(1, round(columns * 0.1))
    maps = []
    for border in (
        cells[:, :high], cells[:, rows - high :], cells[:, :, :wide], cells[:, :, columns - wide :]
    ):  # fmt: skip
        samples = border.reshape(3, -1)
        inverse = np.linalg.inv(np.cov(samples, bias=True) + 4.5**2 * np.eye(3))
        distance = np.zeros((rows, columns))
        for y, x in product(range(rows), range(columns)):
            away = cells[:, y, x] - samples.mean(axis=1)
            distance[y, x] = np.sqrt(away @ inverse @ away)
        maps.append(distance / max(distance.max(), 9.0))
    blurred = naive_blur(np.sum(maps, axis=0) - np.max(maps, axis=0), 1.0)
    return (blurred - blurred.min()) / max(np.ptp(blurred), 0.5)


def naive_signature(cells: np.ndarray) -> np.ndarray:
    """Hou et al. 2012, from the definition of the transform, of cells without their slopes."""
    rows, columns = cells.shape[1:]
    ys, xs = np.mgrid[0:rows, 0:columns]
    energy = np.zeros((rows, columns))
    for channel in cells.astype(np.float64):
        slopes = np.stack([(ys + 0.5) / rows - 0.5, (xs + 0.5) / columns - 0.5]).reshape(2, -1)
        fit = np.linalg.lstsq(slopes.T, (channel - channel.mean()).ravel(), rcond=None)[0]
        even = channel - (fit @ slopes).reshape(rows, columns)
        back = np.zeros((rows, columns))
        for v, u in product(range(rows), range(columns)):
            wave = np.cos(np.pi * v * (2 * ys + 1) / (2 * rows))
            wave *= np.cos(np.pi * u * (2 * xs + 1) / (2 * columns))
            wave /= np.sqrt((wave**2).sum())
            coefficient = (even * wave).sum()
            back += np.sign(coefficient) * (abs(coefficient) > 1e-2) * wave
        energy += even.std() * back**2
    smooth = naive_blur(energy, 0.045 * max(rows, columns))
    return (smooth - smooth.min()) / max(np.ptp(smooth), 50.0)


@pytest.mark.parametrize("cue", [("_contrast", naive_contrast), ("_signature", naive_signature)])
@pytest.mark.parametrize("size", [(9, 16), (12, 8), (7, 7)])
def test_cues_agree_with_naive_twins(
    cue: tuple[str, Callable[[np.ndarray], np.ndarray]], size: tuple[int, int]
) -> None:
    name, naive = cue
    for seed in range(3):
        rng = np.random.default_rng(seed)
        cells = rng.uniform(60, 120, (3, *size)).astype(np.float32)
        cells[:, 2:5, 3:6] += rng.uniform(-50, 100, (3, 1, 1))
        assert np.allclose(getattr(module, name)(cells), naive(cells), atol=2e-3)


# -- measures -------------------------------------------------------------------------------


def spots(*places: tuple[float, float], size: float = 0.06) -> np.ndarray:
    """A made map, 36x64: Gaussian spots at places in fractions."""
    ys, xs = (np.mgrid[0:36, 0:64] + 0.5) / np.array([36, 64])[:, None, None]
    attention = np.zeros((36, 64), np.float32)
    for x, y in places:
        bell = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * size**2))
        attention = np.maximum(attention, bell).astype(np.float32)
    return attention / attention.max()


def test_salience_falls_with_clutter() -> None:
    one = salience(spots((0.5, 0.5)))
    two = salience(spots((0.3, 0.4), (0.7, 0.6)))
    four = salience(spots((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)))
    assert one > 0.85 > two > four
    everywhere = np.random.default_rng(1).uniform(0, 1, (36, 64)).astype(np.float32)
    assert salience(everywhere) < 0.25
    assert salience(spots((0.5, 0.5)) * np.float32(0.3)) == pytest.approx(0.3 * one)
    sizes = [salience(spots((0.5, 0.5), size=s)) for s in (0.03, 0.06, 0.1, 0.15)]
    assert sizes == sorted(sizes, reverse=True)


def test_salience_of_a_known_box() -> None:
    """A box of 16x9 cells holds 90 % of itself in 14.4x8.1 of the 64x36."""
    attention = np.zeros((36, 64), np.float32)
    attention[10:19, 20:36] = 1
    assert salience(attention) == pytest.approx(1 - 14.4 * 8.1 / (64 * 36), abs=1e-3)


def test_composition_prefers_thirds_and_middle() -> None:
    for good in ((0.5, 0.5), (1 / 3, 1 / 3), (2 / 3, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 2 / 3)):
        assert composition(spots(good)) > 0.95
    assert composition(spots((0.15, 0.15))) < 0.6
    towards = [composition(spots((x, 0.5))) for x in (0.5, 0.75, 0.85, 0.92, 0.98)]
    assert towards == sorted(towards, reverse=True)


def test_composition_punishes_what_is_cut_but_not_at_the_bottom() -> None:
    cut = {
        side: composition(spots((0.5, 0.5), place, size=0.08))
        for side, place in {"left": (0, 0.5), "top": (0.5, 0), "bottom": (0.5, 1)}.items()
    }
    whole = composition(spots((0.5, 0.5), (0.75, 0.5), size=0.08))
    assert cut["left"] < 0.8 * whole and cut["top"] < 0.8 * cut["bottom"]


@settings(max_examples=60)
@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20),
                  elements=st.floats(0, 1, width=32)))  # fmt: skip
def test_measures_of_any_map(attention: np.ndarray) -> None:
    for value in (salience(attention), composition(attention)):
        assert isinstance(value, float) and 0 <= value <= 1
    assert salience(attention) == pytest.approx(salience(attention[:, ::-1]), abs=1e-4)
    assert composition(attention) == pytest.approx(composition(attention[:, ::-1]), abs=1e-4)


def test_measures_leave_bars_out() -> None:
    inner = disc(1 / 3, 0.5, height=140)
    barred = np.full((180, 320), 16.0)
    barred[20:160] = inner
    assert measure(proxy_of(barred)) == measure(proxy_of(inner))
    assert measure(proxy_of(inner), saliency(proxy_of(inner))) == measure(proxy_of(inner))
