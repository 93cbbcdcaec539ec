"""Scaling judged by pictures: zone plates, writing, steps, phase; against the filter in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snapengine.imaging import scaler
from snapengine.model.frame import Picture, RawFrame
from snapengine.model.geometry import UPRIGHT, Crop, Size, make_view
from tests.reference import resize
from tests.unit._frames import EIGHT, frame, noise, oriented, view

WIDTH, HEIGHT = 360, 264
#: Shrink factors; below 1 the picture grows.
RATIOS = [0.4, 0.75, 1.0, 1.5, 2.5, 4.0, 7.3, 12.0]


def zone_plate() -> np.ndarray:
    """Every frequency in every direction, up to the highest at the middle of the sides."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    x, y = x - (WIDTH - 1) / 2, y - (HEIGHT - 1) / 2
    return np.asarray(np.rint(127.5 + 120 * np.cos(np.pi * (x * x + y * y) / HEIGHT)), np.uint8)


def writing() -> np.ndarray:
    """Black strokes of one to three samples on white, like small print."""
    rng = np.random.default_rng(11)
    page = np.full((HEIGHT, WIDTH), 250, np.uint8)
    for _ in range(900):
        x, y = int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))
        thick, long = int(rng.integers(1, 4)), int(rng.integers(3, 12))
        across = bool(rng.integers(0, 2))
        page[y : y + (thick if across else long), x : x + (long if across else thick)] = 10
    return page


PAGES = [zone_plate, writing]


def gray(page: np.ndarray) -> RawFrame:
    return frame([page], model="gray", range="full", pad=7)


def luma(page: np.ndarray, width: int, height: int) -> np.ndarray:
    picture = Picture(width, height)
    source = gray(page)
    scaler.render(source, view(source, width, height), picture)
    return picture.y


def psnr(got: np.ndarray, want: np.ndarray) -> float:
    error = np.mean((got.astype(np.float64) - want) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Mean structural similarity (Wang et al. 2004) over 8 x 8 windows."""
    rows, columns = (n // 8 * 8 for n in a.shape)
    p, q = (
        np.asarray(v, np.float64)[:rows, :columns]
        .reshape(rows // 8, 8, columns // 8, 8)
        .swapaxes(1, 2)
        .reshape(-1, 64)
        for v in (a, b)
    )
    mp, mq = p.mean(1), q.mean(1)
    both = ((p - mp[:, None]) * (q - mq[:, None])).mean(1)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mp * mq + c1) * (2 * both + c2)
    return float((top / ((mp**2 + mq**2 + c1) * (p.var(1) + q.var(1) + c2))).mean())


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.__name__)
def test_pictures_are_those_of_the_filter(page: Any, ratio: float) -> None:
    """Only the one rounding lies between ours and float64: 58.9 dB on average for noise."""
    samples = page()
    width, height = round(WIDTH / ratio), round(HEIGHT / ratio)
    want = resize.resample(samples, (0, WIDTH, width), (0, HEIGHT, height)).clip(0, 255)
    got = luma(samples, width, height)
    assert psnr(got, want) >= 58 and ssim(got, want) >= 0.998
    assert np.abs(got - want).max() <= 0.51
    source = gray(samples)
    rgb = scaler.render_rgb(source, view(source, width, height))
    assert np.array_equal(rgb, np.repeat(got[..., None], 3, axis=2))


@pytest.mark.parametrize("ratio", [2.5, 4.0, 7.3, 12.0])
def test_fine_detail_does_not_come_back_as_coarse(ratio: float) -> None:
    """What is too fine for the result turns grey: at most a part of it folds back."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    for frequency in (0.5, 0.4, 0.3):
        page = np.rint(127.5 + 120 * np.cos(2 * np.pi * frequency * x + 0.3 * y)).astype(np.uint8)
        small = luma(page, round(WIDTH / ratio), round(HEIGHT / ratio)).astype(np.float64)
        # An average over r samples passes at most 1 / (r sin(pi f)) of an amplitude.
        bound = 120 / (ratio * np.sin(np.pi * frequency)) + 1.5
        assert np.abs(small[2:-2, 2:-2] - 127.5).max() <= bound


# --- phase ---------------------------------------------------------------------------------------


def shift_of(samples: np.ndarray, want: np.ndarray, axis: int) -> float:
    """By how many samples ``samples`` lies behind ``want`` (least squares against its slope)."""
    error = samples.astype(np.float64) - want
    slope = np.gradient(want, axis=axis)
    inner = np.s_[4:-4, 4:-4]
    return float(-(error[inner] * slope[inner]).sum() / (slope[inner] ** 2).sum())


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("orientation", [UPRIGHT, EIGHT[3], EIGHT[6]], ids=repr)
def test_nothing_moves_by_a_fiftieth_of_a_pixel(
    ratio: float, subsampling: Any, orientation: Any
) -> None:
    """Slow waves lie, in luma and chroma, where they lay: measured to 0.02 pixels."""

    def waves(width: int, height: int, at: Any) -> np.ndarray:
        x, y = at(width, WIDTH), at(height, HEIGHT)
        return np.asarray(
            2048
            + 900 * np.sin(2 * np.pi * x / 180 + 0.7)[None, :]
            + 900 * np.sin(2 * np.pi * y / 150 + 1.9)[:, None]
        )

    def centres(count: int, length: float) -> np.ndarray:
        return (np.arange(count) + 0.5) * length / count

    def left(count: int, length: float) -> np.ndarray:  # chroma on the left of two luma samples
        return np.arange(count) * 2 + 0.5 if length == WIDTH else centres(count, length)

    chroma = np.rint(waves(WIDTH // 2, HEIGHT // 2, left)).astype(np.uint16)
    source = frame(
        [np.rint(waves(WIDTH, HEIGHT, centres)).astype(np.uint16), chroma, chroma],
        log2_chroma=(1, 1), depth=12, range="full", matrix="bt601", chroma_location="left",
    )  # fmt: skip
    width, height = round(WIDTH / ratio) & ~1, round(HEIGHT / ratio) & ~1
    shown = view(source, width, height, orientation=orientation)
    picture = Picture(*shown.size, subsampling)
    scaler.render(source, shown, picture)
    half = 2 if subsampling == "420" else 1
    for plane, step in ((picture.y, 1), (picture.u, half), (picture.v, half)):
        if min(plane.shape) < 14:
            continue
        want = oriented(waves(width // step, height // step, centres), orientation)
        want = want * 255 / 4095 + (0 if plane is picture.y else 128 - 2048 * 255 / 4095)
        for axis in (0, 1):
            assert abs(shift_of(plane, want, axis)) < 0.02


# --- ringing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.4, 0.75, 1.0, 1.3, 1.5, 2.0, 2.4, 2.5, 3.0, 4.0, 7.3, 12.0])
@pytest.mark.parametrize("down", [False, True])
def test_a_step_overshoots_no_more_than_the_filter(ratio: float, down: bool) -> None:
    """Catmull-Rom's step response reaches 1 + 2/27 when it grows, a little more between its taps
    when it shrinks: 9 % bounds both. An area average never leaves the step's two values.
    """
    low, high = 64, 192
    for at in range(100, 113):
        step = np.where(np.arange(WIDTH if not down else HEIGHT) < at, low, high).astype(np.uint8)
        page = np.tile(step[:, None], (1, WIDTH)) if down else np.tile(step, (HEIGHT, 1))
        width, height = round(WIDTH / ratio), int(HEIGHT / ratio)
        got = luma(page, width, height).astype(int)
        if ratio >= 2.5 or ratio == 1.0:
            assert got.min() == low and got.max() == high
            line = got[:, 0] if down else got[0]
            assert (np.diff(line) >= 0).all()
        else:
            over = max(low - got.min(), got.max() - high) / (high - low)
            assert 0 < over <= 0.09


# --- what is hidden around a crop ----------------------------------------------------------------


@pytest.mark.parametrize("log2", [(1, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize("site", ["left", "center", "topleft"])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.5, 3.0, 4.7])
def test_a_crop_is_as_if_the_rest_did_not_exist(
    ratio: float, site: str, log2: tuple[int, int]
) -> None:
    """Whole crops on the chroma grid: the same picture as from the cut-out planes, to the bit."""
    source = noise(
        np.random.default_rng(4), 96, 72, log2, cell=1, matrix="bt709", chroma_location=site
    )
    crop = Crop(12.0, 8.0, 60.0, 40.0)
    cut = [
        p.array()[8 >> sy : 48 >> sy, 12 >> sx : 72 >> sx].copy()
        for p, (sx, sy) in zip(source.planes, ((0, 0), log2, log2), strict=True)
    ]
    alone = frame(cut, log2_chroma=log2, matrix="bt709", range=None, chroma_location=site)
    size: Any = {"width": round(60 / ratio), "height": round(40 / ratio), "fit": "stretch"}
    shown = make_view(source.size, 1, UPRIGHT, crop=crop, **size)
    plain = make_view(Size(60, 40), 1, UPRIGHT, **size)
    if ratio != 1.0:  # at its own size the whole frame has a way of its own, one rounding apart
        assert np.array_equal(scaler.render_rgb(source, shown), scaler.render_rgb(alone, plain))
    pictures = [Picture(*plain.size, "444") for _ in range(2)]
    scaler.render(source, shown, pictures[0])
    scaler.render(alone, plain, pictures[1])
    assert np.array_equal(pictures[0].buffer, pictures[1].buffer)


@pytest.mark.parametrize("order", ["progressive", "top", "bottom"])
@pytest.mark.parametrize("width", [30, 61, 20, 122, 12])
def test_a_fractional_crop_does_not_show_its_surroundings(width: int, order: Any) -> None:
    """Red around grey: no red, wherever between two samples the crop ends."""
    page = np.full((3, 60, 90), 0, np.uint8)
    page[0] = 255
    page[:, 10:50, 15:76] = 100
    source = replace(frame(list(page), model="rgb", range="full"), field_order=order)
    for crop in (Crop(15.0, 10.0, 61.0, 40.0), Crop(15.4, 10.7, 60.1, 38.6)):
        shown = make_view(source.size, 1, UPRIGHT, width=width, crop=crop)
        assert (scaler.render_rgb(source, shown) == 100).all()
