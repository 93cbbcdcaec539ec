"""Measures against the formulas they are from, and what they must do when a picture changes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from snapengine.model.geometry import Rect
from snapengine.scoring.analysis import Analysis, analyse
from snapengine.scoring.measures import (
    colourfulness,
    contrast,
    detail,
    exposure,
    focus,
    hasler_suesstrunk,
    measure,
    sharpness,
    stillness,
    textless,
)
from snapengine.scoring.proxy import Proxy
from tests.reference import measures as book
from tests.unit import _scenes as draw
from tests.unit._scenes import INTERPRETED, planes, proxy_of, proxy_of_planes, shrunk

NAMES = {"sharpness", "exposure", "contrast", "colourfulness", "detail", "textless"}


def looked_at(picture: Image.Image) -> Analysis:
    return analyse(proxy_of(shrunk(picture)))


# --- formulas -------------------------------------------------------------------------------------


@given(planes())
def test_colourfulness_is_hasler_and_suesstrunk(samples: np.ndarray) -> None:
    a = analyse(proxy_of_planes(*samples))
    part = (slice(a.active.y, a.active.y + a.height), slice(a.active.x, a.active.x + a.width))
    expected = book.hasler_suesstrunk(book.rgb(*(p[part] for p in samples)))
    assert hasler_suesstrunk(a) == pytest.approx(expected, rel=1e-5, abs=1e-4)
    assert colourfulness(a) == pytest.approx(expected / (expected + 30), rel=1e-5, abs=1e-5)


@given(planes())
def test_contrast_is_the_width_of_the_middle(samples: np.ndarray) -> None:
    a = analyse(proxy_of_planes(samples[0]))
    assert contrast(a) == pytest.approx(min(1.0, book.middle_width(a.y) / 200))


@given(planes())
def test_detail_is_entropy(samples: np.ndarray) -> None:
    a = analyse(proxy_of_planes(samples[0]))
    assert detail(a) == pytest.approx(min(1.0, book.entropy(a.y) / 7.2), abs=1e-9)


# --- behaviour ------------------------------------------------------------------------------------

SCENES: dict[str, Callable[[], Image.Image]] = {
    "village": lambda: draw.village(1),
    "cartoon": lambda: draw.cartoon(2),
    "leaves": lambda: draw.leaves(3),
    "night": lambda: draw.night(4),
    "shirt": lambda: draw.shirt(16),
    "portrait": draw.portrait,
}
slow_here = pytest.mark.skipif(INTERPRETED, reason="whole pictures need compiled kernels")


@slow_here
@pytest.mark.parametrize("name", SCENES)
def test_more_blur_is_less_sharp_all_along(name: str) -> None:
    picture = SCENES[name]()
    values = []
    for sigma in (0, 1, 1.5, 2, 3, 4, 6, 8):
        value = focus(looked_at(draw.blurred(picture, sigma)))
        assert value is not None
        values.append(value)
    for sharper, softer in pairwise(values):
        assert softer < sharper + 0.01, values
    assert values[-1] < 0.3 * values[0]
    assert sharpness(looked_at(picture)) > 0.6


@slow_here
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["village", "leaves"])
def test_motion_blur_is_less_sharp(name: str, axis: int) -> None:
    picture = SCENES[name]()
    values = [sharpness(looked_at(draw.smeared(picture, n, axis))) for n in (1, 10, 20, 40)]
    assert values[0] > values[1] > values[2] > values[3] - 0.03, values
    assert values[3] < 0.5 * values[0]


@slow_here
@pytest.mark.parametrize("name", ["village", "cartoon", "leaves"])
def test_noise_earns_no_sharpness(name: str) -> None:
    """Neither a clean picture nor a blurred one becomes much sharper by it."""
    picture = shrunk(SCENES[name]())
    clean = sharpness(analyse(proxy_of(picture)))
    soft = draw.blurred(picture, 3)
    dull = sharpness(analyse(proxy_of(soft)))
    for sigma in (3, 6, 10):
        assert sharpness(analyse(proxy_of(draw.noisy(picture, sigma)))) < clean + 0.12
        noisy = sharpness(analyse(proxy_of(draw.noisy(soft, sigma))))
        assert noisy < (dull + clean) / 2 + 0.1, (sigma, dull, noisy, clean)


@slow_here
def test_pure_noise_is_not_sharp() -> None:
    rng = np.random.default_rng(2)
    y = np.clip(rng.normal(128, 30, (180, 320)), 0, 255).astype(np.uint8)
    assert sharpness(analyse(proxy_of_planes(y))) < 0.5


@slow_here
def test_a_sharp_subject_before_a_soft_ground_is_sharp() -> None:
    sharp = draw.village(52)
    soft = draw.blurred(draw.village(51), 14)
    subject = sharp.crop((200, 100, 400, 300))
    both = soft.copy()
    both.paste(subject, (220, 80))
    assert sharpness(looked_at(both)) > 0.8 * sharpness(looked_at(sharp))
    assert sharpness(looked_at(soft)) < 0.3


@slow_here
def test_neither_captions_nor_bars_make_a_soft_picture_sharp() -> None:
    soft = draw.blurred(draw.village(53), 8)
    plain = sharpness(looked_at(soft))
    lines = ["Where have you been all night?", "- I told you already."]
    titled = looked_at(draw.written(soft, lines, 24, draw.WHITE, top=285))
    assert sharpness(titled) < plain + 0.2
    assert textless(titled) < textless(looked_at(soft)) - 0.05
    assert sharpness(looked_at(draw.boxed(soft, (0, 50, 640, 260)))) < plain + 0.1


@slow_here
def test_exposure_of_gain_and_offset() -> None:
    picture = draw.village(5)
    best = exposure(looked_at(picture))
    assert best > 0.9
    darker = [exposure(looked_at(draw.leveled(picture, g, 0))) for g in (1, 0.6, 0.35, 0.15)]
    lighter = [exposure(looked_at(draw.leveled(picture, 1, o))) for o in (0, 60, 110, 160)]
    assert darker == sorted(darker, reverse=True)
    assert lighter == sorted(lighter, reverse=True)
    assert darker[-1] < 0.5
    assert lighter[-1] < 0.2
    # Unusual light costs something, never all.
    assert 0.1 < exposure(looked_at(draw.night(1))) < best
    assert 0.2 < exposure(looked_at(draw.snow(1))) < best


@slow_here
def test_contrast_and_colour_follow_the_picture() -> None:
    picture = draw.village(6)
    widths = [
        contrast(looked_at(draw.leveled(picture, g, 128 * (1 - g)))) for g in (1, 0.6, 0.3, 0)
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0
    colours = [colourfulness(looked_at(draw.village(6, s))) for s in (1.4, 1, 0.5, 0)]
    assert colours == sorted(colours, reverse=True)
    assert colours[-1] < 0.02
    assert measure(looked_at(draw.village(6, 0)))["contrast"] > 0.5


@slow_here
def test_textless_counts_the_area_of_text() -> None:
    picture = draw.village(7)
    lines = ["The quick brown fox jumps over"] * 6
    values = [
        textless(looked_at(draw.written(picture, lines[:n], 22, draw.WHITE, top=100)))
        for n in (0, 1, 3, 6)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1
    assert 0.8 < values[1] < 1
    assert values[3] < 0.6


@slow_here
@pytest.mark.parametrize("name", ["village", "cartoon", "shirt", "portrait"])
def test_bars_do_not_count(name: str) -> None:
    picture = shrunk(SCENES[name]())
    framed = Image.new("RGB", (picture.width + 80, picture.height + 60))
    framed.paste(picture, (40, 30))
    bare, boxed = proxy_of(picture), proxy_of(framed)
    assert boxed.active == Rect(40, 30, picture.width, picture.height)
    assert measure(analyse(boxed)) == pytest.approx(measure(analyse(bare)), abs=1e-6)


# --- stillness ------------------------------------------------------------------------------------


def moved(picture: Image.Image, samples: int) -> tuple[Proxy, Proxy]:
    """Two cuts of a picture, so many samples apart."""
    small = shrunk(picture)
    width = small.width - 40
    return tuple(  # type: ignore[return-value]
        proxy_of(small.crop((x, 0, x + width, small.height))) for x in (0, samples)
    )


@slow_here
@pytest.mark.parametrize("name", SCENES)
def test_stillness_falls_with_movement(name: str) -> None:
    values = [stillness(*moved(SCENES[name](), n)) for n in (0, 1, 2, 4, 8)]
    assert values[0] == 1
    assert all(b < a for a, b in pairwise(values)), values
    assert values[-1] < 0.2


@slow_here
def test_stillness_is_not_about_contrast_or_noise() -> None:
    picture = draw.village(8)
    strong, weak = (stillness(*moved(draw.leveled(picture, g, 60), 2)) for g in (0.7, 0.35))
    assert weak == pytest.approx(strong, abs=0.1)
    small = shrunk(picture)
    grainy = stillness(proxy_of(draw.noisy(small, 4, 1)), proxy_of(draw.noisy(small, 4, 2)))
    assert grainy > 0.9


@slow_here
def test_a_walker_moves_less_of_the_picture_than_a_pan() -> None:
    scene, man = draw.village(9), draw.portrait().crop((240, 60, 400, 260))
    frames = []
    for x in (100, 116):
        frame = scene.copy()
        frame.paste(man, (x, 120))
        frames.append(proxy_of(shrunk(frame)))
    walker = stillness(frames[0], frames[1])
    assert stillness(*moved(scene, 8)) < walker < 0.95


def test_frames_of_different_sizes_are_not_still() -> None:
    a, b = (proxy_of_planes(np.zeros((n, 9), np.uint8)) for n in (5, 6))
    assert stillness(a, b) == 0


# --- always ---------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(planes())
def test_always_between_0_and_1_and_mirrored_alike(samples: np.ndarray) -> None:
    told = measure(analyse(proxy_of_planes(*samples)))
    assert set(told) == NAMES
    assert all(0 <= v <= 1 for v in told.values()), told
    for turned in (samples[:, :, ::-1], samples[:, ::-1]):
        mirrored = measure(analyse(proxy_of_planes(*np.ascontiguousarray(turned))))
        assert mirrored == pytest.approx(told, abs=1e-3)


@slow_here
@pytest.mark.parametrize("name", SCENES)
def test_mirrored_scenes_are_worth_the_same(name: str) -> None:
    picture = SCENES[name]().resize((319, 179))
    told = measure(analyse(proxy_of(picture)))
    assert measure(analyse(proxy_of(ImageOps.mirror(picture)))) == pytest.approx(told, abs=1e-3)
    assert measure(analyse(proxy_of(ImageOps.flip(picture)))) == pytest.approx(told, abs=1e-3)


@given(planes(), st.integers(0, 255))
def test_stillness_of_anything(samples: np.ndarray, level: int) -> None:
    one = proxy_of_planes(samples[0])
    other = proxy_of_planes(np.full_like(samples[0], level))
    assert stillness(one, one) == 1
    assert 0 <= stillness(one, other) <= 1


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2), (2, 1), (1, 57600), (57600, 1), (15, 15), (16, 16)]
)
def test_sizes_at_the_ends(size: tuple[int, int]) -> None:
    if INTERPRETED and max(size) > 100:
        pytest.skip("needs compiled kernels")
    rng = np.random.default_rng(1)
    for y in (rng.integers(0, 256, size, np.uint8), np.full(size, 90, np.uint8)):
        told = measure(analyse(proxy_of_planes(y)))
        assert all(0 <= v <= 1 for v in told.values())
