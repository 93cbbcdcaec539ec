"""The one thing the engine leaves out: the loop filter of keyframes decoded alone and shrunk.

How large the error is, that it is made nowhere else, and that these tests would see it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snapengine
from snapengine import shooting
from tests.integration.common import check_shot
from tests.media.atlas import recipe
from tests.media.oracle import Truth
from tests.media.recipes import Recipe, build

BOUND_DB = 38.0
"""Luma PSNR that ARCHITECTURE.md promises; above 40 dB a difference is not seen side by side."""

SHRINK = shooting.LOOP_FILTER_SHRINK
NEVER, ALWAYS = math.inf, 0.0


def coarse(codec: str, crf: int) -> Recipe:
    """Few bits per picture: the coarser the quantiser, the more the loop filter changes."""
    return Recipe(
        name=f"loop-{codec}-{crf}", codec=codec, width=640, height=384, frames=24, gop=6,
        encoder_options=(("crf", str(crf)),),
    )  # fmt: skip


COARSE = [coarse("h264", 28), coarse("h264", 34), coarse("h264", 40), coarse("hevc", 38)]
each_coarse = pytest.mark.parametrize("made", COARSE, ids=lambda r: r.name)


def luma(
    monkeypatch: pytest.MonkeyPatch, path: Path, threshold: float, shrink: float | None, **how: Any
) -> list[np.ndarray]:
    """Luma of keyframes, shrunk by at least ``shrink`` (``None``: full size)."""
    monkeypatch.setattr(shooting, "LOOP_FILTER_SHRINK", threshold)
    how.setdefault("accuracy", "keyframe")
    with snapengine.open(path) as video:
        # Whichever side a player turns up, no side is shrunk less.
        size = {} if shrink is None else {"width": max(1, int(video.info.width / shrink))}
        shots = list(video.snapshots(count=4, **size, **how))
    assert how["accuracy"] != "keyframe" or all(shot.keyframe for shot in shots)
    return [shot.planes[0].astype(np.int32) for shot in shots]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = float(np.mean((one - other) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255 * 255 / error)


def test_the_threshold_is_what_the_bound_was_measured_for() -> None:
    assert SHRINK == 4.0


@each_coarse
def test_small_pictures_stay_above_the_bound(monkeypatch: pytest.MonkeyPatch, made: Recipe) -> None:
    path = build(made)
    skipped = luma(monkeypatch, path, SHRINK, SHRINK)
    filtered = luma(monkeypatch, path, NEVER, SHRINK)
    values = [psnr(a, b) for a, b in zip(skipped, filtered, strict=True)]
    assert min(values) > BOUND_DB
    assert min(values) < math.inf, "the same pictures twice prove nothing"


@each_coarse
def test_the_filter_matters_at_full_size(monkeypatch: pytest.MonkeyPatch, made: Recipe) -> None:
    path = build(made)
    skipped = luma(monkeypatch, path, ALWAYS, None)
    filtered = luma(monkeypatch, path, NEVER, None)
    assert all(psnr(a, b) < math.inf for a, b in zip(skipped, filtered, strict=True))


@each_coarse
def test_just_below_the_threshold_it_is_not_skipped(
    monkeypatch: pytest.MonkeyPatch, made: Recipe
) -> None:
    path, less = build(made), SHRINK * 0.98
    for one, other in zip(
        luma(monkeypatch, path, SHRINK, less), luma(monkeypatch, path, NEVER, less), strict=True
    ):
        assert np.array_equal(one, other)
    changed = luma(monkeypatch, path, ALWAYS, less)
    assert any(
        psnr(a, b) < math.inf
        for a, b in zip(changed, luma(monkeypatch, path, NEVER, less), strict=True)
    )


@pytest.mark.parametrize("made", COARSE[1:2], ids=lambda r: r.name)
def test_cells_of_a_sheet_stay_above_the_bound(
    monkeypatch: pytest.MonkeyPatch, made: Recipe
) -> None:
    def sheet(threshold: float) -> np.ndarray:
        monkeypatch.setattr(shooting, "LOOP_FILTER_SHRINK", threshold)
        with snapengine.open(build(made)) as video:
            made_of = video.sprite(count=4, cell=(160, 96), columns=2, accuracy="keyframe")
        assert not made_of.missing
        return made_of.pages[0].to_ndarray().astype(np.int32)

    assert BOUND_DB < psnr(sheet(SHRINK), sheet(NEVER)) < math.inf


@pytest.mark.parametrize("shrink", [SHRINK, 8.0, 16.0])
def test_exact_pictures_never_skip_it(monkeypatch: pytest.MonkeyPatch, shrink: float) -> None:
    # The middles of four parts lie inside of GOPs: those frames are predicted from others.
    path = build(coarse("h264", 34))
    exact = [
        luma(monkeypatch, path, threshold, shrink, accuracy="exact")
        for threshold in (ALWAYS, NEVER)
    ]
    for one, other in zip(*exact, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "name", ["h264-mp4-bpyramid", "h264-ts", "hevc-mp4", "vp8-webm", "mpeg2-ts"]
)
def test_exact_is_bit_identical_whatever_the_threshold(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(shooting, "LOOP_FILTER_SHRINK", ALWAYS)
    truth = Truth.of(build(recipe(name)))
    frames = [*truth.keyframes[:3], *truth.frames[3::17]]
    with snapengine.open(truth.path) as video:
        for shot, frame in zip(
            video.snapshots(at=[truth.time_of(f) for f in frames]), frames, strict=True
        ):
            check_shot(truth, shot, frame)


def test_a_keyframe_that_others_are_predicted_from_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One keyframe cell and one exact cell from the same GOP: one run, decoded with the filter.
    path = build(coarse("h264", 34))
    truth = Truth.of(path)
    key, later = truth.keyframes[1], truth.frames[truth.keyframes[1].index + 3]
    times = [truth.time_of(key), truth.time_of(later)]
    monkeypatch.setattr(shooting, "LOOP_FILTER_SHRINK", ALWAYS)
    with snapengine.open(path) as video:
        shots = list(video.snapshots(at=times, accuracy=Fraction(1, 100)))
    for shot, frame in zip(shots, (key, later), strict=True):
        check_shot(truth, shot, frame)


def test_real_clips_stay_above_the_bound(real_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skipped = luma(monkeypatch, real_file, SHRINK, SHRINK)
    filtered = luma(monkeypatch, real_file, NEVER, SHRINK)
    assert min(psnr(a, b) for a, b in zip(skipped, filtered, strict=True)) > BOUND_DB


def _h264(path: Path) -> bool:
    return "h264" in path.name


test_real_clips_stay_above_the_bound.real_file_wanted = _h264  # type: ignore[attr-defined]
