"""Measures against the formulas they are from, and what they must do when a picture changes."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from snapengine.kernels import survey
from snapengine.model.geometry import Rect
from snapengine.scoring import analysis as module
from snapengine.scoring.analysis import Analysis, analyse, bounds, means, split
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
from tests.unit._scenes import proxy_of, proxy_of_planes, shrunk

#: Kernels as plain Python are a thousand times slower: smaller pictures then.
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
MOST = 12 if INTERPRETED else 60

NAMES = {"sharpness", "exposure", "contrast", "colourfulness", "detail", "textless"}


def planes(least: int = 1, most: int = MOST) -> st.SearchStrategy[np.ndarray]:
    """Three planes of any size: noise, few levels, or flat."""
    shapes = st.tuples(st.just(3), st.integers(least, most), st.integers(least, most))
    levels = st.sampled_from(
        [st.integers(0, 255), st.sampled_from([0, 16, 128, 235, 255]), st.integers(120, 124)]
    )
    return st.tuples(shapes, levels).flatmap(
        lambda both: hnp.arrays(np.uint8, both[0], elements=both[1])
    )


def looked_at(picture: Image.Image) -> Analysis:
    return analyse(proxy_of(shrunk(picture)))


# --- counting -------------------------------------------------------------------------------------


@given(planes())
def test_block_counts_match_numpy(samples: np.ndarray) -> None:
    y, cb, cr = samples
    a = Analysis(proxy_of_planes(y, cb, cr))
    part = (slice(a.active.y, a.active.y + a.height), slice(a.active.x, a.active.x + a.width))
    y, cb, cr = (p[part].astype(np.int64) for p in samples)
    assert np.array_equal(a.histogram, np.bincount(y.reshape(-1), minlength=256))
    down, across = bounds(a.height), bounds(a.width)
    for j in range(a.rows):
        for i in range(a.columns):
            inside = (slice(down[j], down[j + 1]), slice(across[i], across[i + 1]))
            block = y[inside]
            assert a.mean[j, i] == pytest.approx(block.mean(), rel=1e-6)
            assert a.variance[j, i] == pytest.approx(block.var(), rel=1e-4, abs=0.05)
            assert (a.low[j, i], a.high[j, i]) == (block.min(), block.max())
            assert a.chroma_spread[j, i] == max(np.ptp(cb[inside]), np.ptp(cr[inside]))
            assert a.mean_cb[j, i] == pytest.approx(cb[inside].mean(), rel=1e-6)
            assert a.mean_cr[j, i] == pytest.approx(cr[inside].mean(), rel=1e-6)
    both = np.cov(cb.reshape(-1), cr.reshape(-1), bias=True)
    expected = (cb.mean(), cr.mean(), both[0, 0], both[1, 1], both[0, 1])
    assert a.chroma_moments == pytest.approx(expected, abs=1e-6)


@settings(max_examples=25)
@given(planes(most=min(MOST, 34)))
def test_bends_match_the_twin(samples: np.ndarray) -> None:
    a = Analysis(proxy_of_planes(samples[0]))
    for index, scale in enumerate(module.SCALES):
        plane = book.pooled(a.y, scale)
        if not plane.size or min(plane.shape) <= 2 * scale:
            assert not a.bends[index].any()
            continue
        full = book.bends(np.floor(plane * 4) / 4 if scale == 4 else plane, scale)
        down, across = (
            split(n, scale, k) for n, k in zip(plane.shape, (a.rows, a.columns), strict=True)
        )
        for j in range(a.rows):
            for i in range(a.columns):
                block = full[
                    down[j] - scale : down[j + 1] - scale, across[i] - scale : across[i + 1] - scale
                ]
                expected = block.mean(axis=(0, 1)) if block.size else np.zeros(4)
                assert a.bends[index, j, i] == pytest.approx(expected, rel=1e-5, abs=1e-4)


@given(planes())
def test_steps_match_the_twin(samples: np.ndarray) -> None:
    a = Analysis(proxy_of_planes(samples[0]))
    down, across = a.edges
    assert np.array_equal(down, book.steps(a.y, module.STEP, 1))
    assert np.array_equal(across, book.steps(a.y, module.STEP, 0))


@given(planes(), st.data())
def test_means_of_any_blocks(samples: np.ndarray, data: st.DataObject) -> None:
    plane = samples[0]
    height, width = plane.shape
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    part = Rect(x, y, data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y)))
    down, across = bounds(part.height, 4), bounds(part.width, 4)
    made = means(plane, part, down, across)
    inside = plane[y : y + part.height, x : x + part.width].astype(np.float64)
    for j in range(down.size - 1):
        for i in range(across.size - 1):
            block = inside[down[j] : down[j + 1], across[i] : across[i + 1]]
            assert made[j, i] == pytest.approx(block.mean(), rel=1e-6)


@given(st.integers(1, 2000), st.integers(1, 20))
def test_blocks_are_the_same_from_both_ends(length: int, size: int) -> None:
    edges = bounds(length, size)
    assert edges[0] == 0
    assert edges[-1] == length
    assert (np.diff(edges) > 0).all()
    assert edges.size % 2 == 0
    assert np.array_equal(edges, length - edges[::-1])
    assert np.diff(edges).max() < 3 * size


@pytest.mark.skipif(INTERPRETED, reason="compares machine code with Python")
@settings(max_examples=25)
@given(planes(most=24), st.integers(1, 90), st.integers(1, 9), st.integers(2, 8))
def test_strokes_as_machine_code_and_as_python(
    samples: np.ndarray, rise: int, gap: int, least: int
) -> None:
    y = np.ascontiguousarray(samples[0])
    height, width = y.shape
    found = []
    for run in (survey.strokes, survey.strokes.function):
        mask, counts = np.full(y.size, 7, np.uint8), np.zeros(4, np.int32)
        scratch = np.zeros(2 * width + 4, np.int32)
        run(y.reshape(-1), width, height, rise, gap, least, mask, counts, scratch)
        found.append((mask.tolist(), counts.tolist()))
    assert found[0] == found[1]


def test_strokes_are_letters_and_not_grass() -> None:
    """Equal ups and downs are marked; such of many levels, or far apart, are not."""

    def marked(row: list[int], gap: int = 6) -> list[int]:
        y = np.array(row, np.uint8)
        mask, counts = np.empty(y.size, np.uint8), np.zeros(4, np.int32)
        survey.strokes(y, y.size, 1, 40, gap, 6, mask, counts, np.zeros(2 * y.size + 4, np.int32))
        return mask.tolist()

    ground, ink = [20, 20], [220, 220]
    letters = ground * 4 + (ink + ground) * 5 + ground * 4
    assert sum(marked(letters)) >= 18
    assert not marked(letters)[0]
    assert not sum(marked(letters, gap=1))
    assert not sum(marked(ground * 4 + (ink + ground) * 2 + ground * 4))
    grass = [20, 90, 10, 200, 120, 250, 60, 140, 90, 180, 5, 70, 20, 230, 160, 220]
    assert not sum(marked(grass))


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
    for sharper, softer in zip(values, values[1:], strict=False):
        assert softer < sharper + 0.01, values
    assert values[-1] < 0.3 * values[0]
    assert sharpness(looked_at(picture)) > 0.7


@slow_here
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["village", "leaves", "shirt"])
def test_motion_blur_is_less_sharp(name: str, axis: int) -> None:
    picture = SCENES[name]()
    values = [sharpness(looked_at(draw.smeared(picture, n, axis))) for n in (1, 10, 20, 40)]
    assert values[0] > values[1] > values[2] > values[3] - 0.03, values
    assert values[3] < 0.5 * values[0]


@slow_here
@pytest.mark.parametrize("name", ["village", "cartoon", "portrait"])
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
    assert 0.2 < exposure(looked_at(draw.night(1))) < best
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
@pytest.mark.parametrize("name", SCENES)
def test_bars_do_not_count(name: str) -> None:
    picture = shrunk(SCENES[name]())
    framed = Image.new("RGB", (picture.width + 80, picture.height + 60))
    framed.paste(picture, (40, 30))
    bare, boxed = proxy_of(picture), proxy_of(framed)
    if boxed.active != Rect(40, 30, picture.width, picture.height):
        pytest.skip("its own edges are as dark as bars")
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
    assert all(b < a for a, b in zip(values, values[1:], strict=False)), values
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


@settings(max_examples=150)
@given(planes())
def test_always_between_0_and_1_and_mirrored_alike(samples: np.ndarray) -> None:
    told = measure(analyse(proxy_of_planes(*samples)))
    assert set(told) == NAMES
    assert all(0 <= v <= 1 for v in told.values()), told
    for turned in (samples[:, :, ::-1], samples[:, ::-1]):
        mirrored = measure(analyse(proxy_of_planes(*np.ascontiguousarray(turned))))
        assert mirrored == pytest.approx(told, abs=1e-5)


@slow_here
@pytest.mark.parametrize("name", SCENES)
def test_mirrored_scenes_are_worth_the_same(name: str) -> None:
    picture = SCENES[name]().resize((319, 179))
    told = measure(analyse(proxy_of(picture)))
    assert measure(analyse(proxy_of(ImageOps.mirror(picture)))) == pytest.approx(told, abs=1e-4)
    assert measure(analyse(proxy_of(ImageOps.flip(picture)))) == pytest.approx(told, abs=1e-4)


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
