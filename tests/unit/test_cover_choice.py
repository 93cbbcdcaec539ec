"""From judged candidates to a set: likeness, shots, typicality, mixes, diversity, stability."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.model.frame import Picture
from snapengine.scoring.proxy import Proxy, proxy_size
from snapengine.scoring.score import (
    BLAME,
    PRAISE,
    REJECT,
    WEIGHTS,
    quality,
    reasons,
    rejected_for,
    score,
    soundness,
)
from snapengine.scoring.selection import (
    NEAR_DUPLICATE,
    SAME_SHOT,
    choose,
    likeness_matrix,
    mixtures,
    shots,
    softness,
    typicality,
)
from snapengine.scoring.signature import cell_means, likeness, signature

unit = st.floats(0, 1)


def proxy_of(y: np.ndarray, cb: np.ndarray | None = None, cr: np.ndarray | None = None) -> Proxy:
    picture = Picture(y.shape[1], y.shape[0], "444")
    picture.y[:] = y
    picture.u[:] = 128 if cb is None else cb
    picture.v[:] = 128 if cr is None else cr
    return Proxy(picture)


def scene(seed: int, *, shift: int = 0, size: tuple[int, int] = (180, 320)) -> Proxy:
    """A smooth coloured scene; ``shift`` pans it."""
    rng = np.random.default_rng(seed)
    planes = []
    for low, high in ((30, 220), (80, 176), (80, 176)):
        coarse = rng.uniform(low, high, (6, 12))
        wide = np.kron(coarse, np.ones((size[0] // 6, size[1] * 2 // 12)))
        planes.append(wide[:, shift : shift + size[1]].astype(np.uint8))
    return proxy_of(*planes)


# -- likeness -------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 40))
def test_cell_means_are_means_over_whole_samples(width: int, height: int) -> None:
    rng = np.random.default_rng(width * 41 + height)
    plane = rng.integers(0, 256, (height, width), np.uint8)
    got = cell_means(plane, (16, 9))
    for j in range(9):
        for i in range(16):
            y0, y1 = j * height // 9, (j + 1) * height // 9
            x0, x1 = i * width // 16, (i + 1) * width // 16
            part = plane[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].astype(np.float64)
            assert got[j, i] == pytest.approx(part.mean(), abs=1e-3)


def test_likeness_orders_what_a_person_would() -> None:
    here = signature(scene(1))
    same = likeness(here, here)
    panned = likeness(here, signature(scene(1, shift=20)))
    other = likeness(here, signature(scene(2)))
    assert same == pytest.approx(1.0, abs=1e-5)
    assert same > NEAR_DUPLICATE > SAME_SHOT > other
    assert same > panned > other


def test_the_matrix_is_likeness_of_pairs() -> None:
    signatures = [signature(scene(seed)) for seed in range(5)]
    matrix = likeness_matrix(signatures)
    for i in range(5):
        for j in range(5):
            assert matrix[i, j] == pytest.approx(likeness(signatures[i], signatures[j]), abs=1e-5)


def test_bars_do_not_make_pictures_alike() -> None:
    def barred(seed: int) -> Proxy:
        inner = scene(seed, size=(90, 320))
        y = np.full((180, 320), 16, np.uint8)
        y[45:135] = inner.y
        cb = np.full_like(y, 128)
        cb[45:135] = inner.cb
        return proxy_of(y, cb)

    assert barred(1).active == (0, 45, 320, 90)
    assert likeness(signature(barred(1)), signature(barred(2))) < SAME_SHOT


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (1920, 1080), (1080, 1920), (10_000, 2)])
def test_a_proxy_has_the_shape_of_the_picture_and_is_small(size: tuple[int, int]) -> None:
    from snapengine.model.geometry import Size

    width, height = proxy_size(Size(*size))
    assert 1 <= width <= size[0]
    assert 1 <= height <= size[1]
    assert width * height <= 320 * 180 * 1.1


# -- shots and how typical they are ---------------------------------------------------------


def test_shots_are_stretches_of_alike_neighbours() -> None:
    proxies = [scene(1), scene(1, shift=2), scene(2), scene(2, shift=2), scene(1)]
    alike = likeness_matrix([signature(p) for p in proxies])
    times = [Fraction(t) for t in range(5)]
    assert shots(alike, times) == [0, 0, 1, 1, 2]
    order = [3, 0, 4, 1, 2]  # any order of candidates, the same shots
    shuffled = likeness_matrix([signature(proxies[i]) for i in order])
    assert shots(shuffled, [times[i] for i in order]) == [1, 0, 2, 0, 1]


def test_what_fills_more_of_the_video_is_more_typical() -> None:
    proxies = [scene(1), scene(1), scene(1), scene(2)]
    alike = likeness_matrix([signature(p) for p in proxies])
    typical = typicality(alike, [Fraction(t) for t in (10, 50, 80, 95)], Fraction(100))
    assert typical[0] == typical[1] == typical[2] == 1.0
    assert 0 < typical[3] < 1.0


def test_one_more_candidate_hardly_changes_how_typical_the_others_are() -> None:
    proxies = [scene(n // 3) for n in range(30)]
    times = [Fraction(n) for n in range(30)]
    before = typicality(likeness_matrix([signature(p) for p in proxies]), times, Fraction(30))
    proxies.append(scene(50))
    times.append(Fraction(61, 4))
    after = typicality(likeness_matrix([signature(p) for p in proxies]), times, Fraction(30))
    assert max(abs(a - b) for a, b in zip(before, after, strict=False)) < 0.2


# -- mixes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_dissolve_between_its_neighbours_is_seen(share: float) -> None:
    before, after = scene(3), scene(4)
    planes = [
        (share * getattr(before, p).astype(float) + (1 - share) * getattr(after, p)).astype(
            np.uint8
        )
        for p in ("y", "cb", "cr")
    ]
    found = mixtures([signature(before), signature(proxy_of(*planes)), signature(after)])
    assert found[1] > REJECT
    assert found[0] == found[2] == 0.0


def test_neighbours_themselves_and_strangers_are_no_mix() -> None:
    a, b, c = scene(3), scene(4), scene(5)
    assert mixtures([signature(p) for p in (a, a, b)])[1] < 0.1
    assert mixtures([signature(p) for p in (a, c, b)])[1] < 0.1
    assert mixtures([signature(p) for p in (a, a, a)])[1] == 0.0


# -- the choice -----------------------------------------------------------------------------


def block_matrix(groups: list[int], inside: float = 0.9, outside: float = 0.3) -> np.ndarray:
    g = np.array(groups)
    matrix = np.where(g[:, None] == g[None], inside, outside).astype(np.float32)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def test_the_best_first_then_other_scenes() -> None:
    alike = block_matrix([0, 0, 1, 2])
    assert choose([0.9, 0.89, 0.6, 0.5], alike, 3) == [0, 2, 3]


def test_what_repeats_is_worth_less_than_something_new() -> None:
    alike = np.array([[1, 0.7, 0.3], [0.7, 1, 0.3], [0.3, 0.3, 1]], np.float32)
    assert choose([0.9, 0.85, 0.75], alike, 2) == [0, 2]
    assert choose([0.9, 0.85, 0.75], alike, 2, diversity=0.0) == [0, 1]
    assert choose([-0.1, -0.15, -0.17], alike, 2) == [0, 2]


def test_settled_ones_stay_first() -> None:
    assert choose([0.9, 0.8, 0.7], np.eye(3, dtype=np.float32), 3, settled=[2]) == [2, 0, 1]


def test_near_duplicates_come_only_when_nothing_else_is_left() -> None:
    alike = block_matrix([0, 0, 1])
    assert choose([0.9, 0.89, 0.05], alike, 3) == [0, 2, 1]


def test_rejected_ones_come_only_when_all_are() -> None:
    alike = block_matrix([0, 0, 1, 2])
    assert choose([0.9, 0.8, 0.2, 0.1], alike, 3, [False, False, True, True]) == [0, 1]
    assert choose([0.2, 0.1, 0.1, 0.1], alike, 3, [True] * 4) == [0, 2, 3]


def test_the_same_picture_never_comes_twice() -> None:
    assert choose([0.9, 0.9, 0.9], np.ones((3, 3), np.float32), 3) == [0]


def test_softer_than_its_kind_is_blurred_alone_it_is_not() -> None:
    alike = block_matrix([0, 0, 1])
    found = softness(alike, [1.0, 0.5, 0.5])
    assert found[0] == 0.0
    assert found[1] >= REJECT
    assert found[2] == 0.0


def test_fewer_candidates_than_wanted() -> None:
    assert choose([0.4], np.ones((1, 1), np.float32), 3) == [0]
    assert choose([], np.ones((0, 0), np.float32), 3) == []


@given(st.lists(st.tuples(unit, st.integers(0, 5)), min_size=1, max_size=20), st.integers(1, 5))
def test_one_more_poor_candidate_of_another_scene_changes_nothing(
    rows: list[tuple[float, int]], count: int
) -> None:
    scores = [0.2 + 0.8 * s for s, _ in rows]
    groups = [g for _, g in rows]
    before = choose(scores, block_matrix(groups), count)
    after = choose([*scores, 0.0], block_matrix([*groups, 99]), count)
    distinct = len(set(groups))
    assert after[: min(count, distinct)] == before[: min(count, distinct)]


# -- the score ------------------------------------------------------------------------------


def test_everything_weighed_can_be_said() -> None:
    assert set(PRAISE) == set(WEIGHTS)
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


@given(
    st.dictionaries(st.sampled_from(sorted(WEIGHTS)), unit),
    st.dictionaries(st.sampled_from(sorted(BLAME)), unit),
)
def test_scores_stay_between_0_and_1(measures: dict[str, float], defects: dict[str, float]) -> None:
    assert 0.0 <= score(measures, defects) <= 1.0
    assert soundness({}) == 1.0


@given(st.dictionaries(st.sampled_from(sorted(WEIGHTS)), unit, min_size=2), st.data())
def test_a_better_measure_never_lowers_a_score(
    measures: dict[str, float], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(measures)))
    better = {**measures, name: min(1.0, measures[name] + 0.1)}
    assert quality(better) >= quality(measures) - 1e-9


@given(unit, unit)
def test_a_worse_defect_never_raises_a_score(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert soundness({"black": high}) <= soundness({"black": low})


def test_a_measure_that_is_not_there_leaves_its_weight_to_the_others() -> None:
    assert quality({"sharpness": 0.7, "exposure": 0.7}) == pytest.approx(0.7)


def test_a_rejected_picture_never_beats_a_sound_one_of_a_third_of_its_quality() -> None:
    best = dict.fromkeys(WEIGHTS, 1.0)
    poor = dict.fromkeys(WEIGHTS, 0.34)
    assert score(best, {"black": 0.75}) < score(poor, {})


def test_reasons_of_a_rejected_picture_are_its_faults() -> None:
    defects = {"black": 0.95, "flat": 0.6, "noise": 0.1}
    assert rejected_for(defects) == ("black", "flat")
    assert reasons({"sharpness": 0.9}, defects) == ("black (0.95)", "shows next to nothing (0.60)")


def test_reasons_of_a_good_picture_are_what_sets_it_apart() -> None:
    measures = {"sharpness": 0.9, "contrast": 0.8, "exposure": 0.3}
    usual = {"sharpness": 0.9, "contrast": 0.2, "exposure": 0.1}
    assert reasons(measures, {"black": 0.1}, usual) == ("full of contrast (0.80)", "sharp (0.90)")
    assert reasons({"sharpness": 0.1}, {}) == ("the best there is, with no merit of its own",)
