"""Counts over blocks of a small picture: kernels against naive twins, for every size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.kernels import survey
from snapengine.model.geometry import Rect
from snapengine.scoring import analysis as module
from snapengine.scoring.analysis import Analysis, bounds, means, split
from tests.reference import measures as book
from tests.unit._scenes import INTERPRETED, MOST, planes, proxy_of_planes


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
