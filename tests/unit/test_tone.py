"""Light: curves, roll-off, primaries and gamut against float64, and what must never change."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.imaging import _resample, scaler, tone
from snapengine.kernels import convert
from snapengine.kernels import tone as kernels
from snapengine.model.color import ColorInfo, LightLevels
from snapengine.model.frame import Picture, RawFrame
from snapengine.model.geometry import Orientation
from tests.reference import ciede2000
from tests.reference import colour as book
from tests.reference import tone as twin
from tests.unit._frames import EIGHT, frame, noise, oriented, view

INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
TRANSFERS = {"pq": "smpte2084", "hlg": "arib-std-b67", "sdr": "bt709"}
CONVERTED = sorted(set(tone.PRIMARIES) - {"bt709"})
UNIT = np.eye(3, 4, dtype=np.float32).reshape(-1)


def look(mode: str, primaries: str = "bt2020", light: LightLevels | None = None) -> tone.Look:
    color = ColorInfo(range="full", matrix="bt2020", primaries=primaries, transfer=TRANSFERS[mode])
    found = tone.look_of(color, light)
    assert found is not None
    return found


def run(signal: np.ndarray, how: tone.Look) -> np.ndarray:
    planes = [np.ascontiguousarray(signal[:, i], np.float32) for i in range(3)]
    return np.stack(tone.show(planes, len(signal), UNIT, how), axis=1)


# --- against the book -----------------------------------------------------------------------------


@pytest.mark.parametrize("primaries", ["bt2020", "smpte432", "smpte431", "bt470m", "smpte170m"])
@pytest.mark.parametrize("mode", list(TRANSFERS))
def test_tables_and_kernel_match_the_formulas(mode: str, primaries: str) -> None:
    """Over all of the cube, dark corners too; 1100 samples: more than one stretch of the kernel."""
    rng = np.random.default_rng(1)
    count = 60 if INTERPRETED else 1100
    signal = rng.uniform(-0.1, 1.1, (count, 3)) * rng.choice([0.1, 0.4, 0.8, 1], (count, 1))
    got, want = run(signal, look(mode, primaries)), twin.shown(signal, mode, primaries)
    assert got.min() >= 0 and got.max() <= 255
    assert np.abs(got - want).mean() < 0.03
    assert ciede2000.difference(got, want).max() < 0.2


@pytest.mark.parametrize("mode", list(TRANSFERS))
def test_greys_stay_grey_and_are_accurate(mode: str) -> None:
    signal = np.linspace(0, 1, 1001)[:, None].repeat(3, 1)
    got, want = run(signal, look(mode)), twin.shown(signal, mode, "bt2020")
    assert np.ptp(got, axis=1).max() < 0.05
    assert np.abs(got - want).max() < 0.15
    assert (np.diff(got[:, 0]) > -0.15).all()
    assert got[0, 0] == 0 and got[-1, 0] == pytest.approx(255, abs=0.15)


@pytest.mark.parametrize("name", sorted(tone.PRIMARIES))
def test_primaries_by_other_algebra(name: str) -> None:
    matrix = tone.to_bt709(tone.PRIMARIES[name])
    np.testing.assert_allclose(matrix, twin.between(name, "bt709"), atol=1e-9)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-9)


def test_published_matrix_of_bt2020_to_bt709() -> None:
    """BT.2087-0, annex 2, gives the inverse (BT.709 to BT.2020) with four digits."""
    published = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    found = np.linalg.inv(tone.to_bt709(tone.PRIMARIES["bt2020"]))
    np.testing.assert_allclose(found, published, atol=1e-4)


def test_published_points_of_the_curves() -> None:
    """BT.2408: 75 % HLG and 58 % PQ are reference white; BT.2100: the ends."""
    pq = tone.pq_decode(np.array([0.0, 0.5081, 0.5807, 0.7518, 1.0]))
    np.testing.assert_allclose(pq, [0, 100, 203, 1000, 10000], rtol=2e-3)
    codes = np.linspace(0, 1, 50)
    np.testing.assert_allclose(tone.pq_encode(tone.pq_decode(codes)), codes, atol=1e-6)
    hlg = tone.hlg_decode(np.array([0, 0.5, 0.75, 1]))
    np.testing.assert_allclose(hlg, [0, 1 / 12, 0.2650, 1], atol=1e-4)
    np.testing.assert_allclose(1000 * 0.2650**1.2, tone.REFERENCE_WHITE, rtol=2e-3)


@given(st.floats(203, 10000))
def test_roll_off_keeps_order_and_never_brightens(peak: float) -> None:
    """Below the knee light stays exactly; the peak becomes white; it is never more than light."""
    light = np.geomspace(1e-4, 10000, 100) / twin.WHITE
    factor = tone._roll_off(light, peak)
    mapped = light * factor
    assert (factor <= 1 + 1e-9).all() and (np.diff(mapped) >= -1e-9).all()
    assert mapped.max() <= 1 + 1e-9
    assert mapped[light * twin.WHITE >= peak] == pytest.approx(1.0)
    want = [twin.eetf(v * twin.WHITE, peak) / twin.WHITE for v in light]
    np.testing.assert_allclose(mapped, want, atol=1e-6)


# --- which peak -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "peak"),
    [
        ({}, 1000),
        ({"content_max": 400.0}, 400),
        ({"content_max": 400.0, "mastering_max": 1000.0}, 400),
        ({"content_max": 4000.0, "mastering_max": 1000.0}, 4000),
        ({"mastering_max": 4000.0, "mastering_min": 0.0001}, 4000),
        ({"content_max": 203.0}, 203),
        ({"content_max": 10000.0}, 10000),
        ({"content_max": 0.0}, 1000),
        ({"content_max": 100.0, "mastering_max": 1.0}, 1000),
        ({"content_max": 65535.0, "mastering_max": 600.0}, 600),
        ({"content_max": 300.0, "content_average": 500.0}, 1000),
        ({"content_max": float("nan"), "mastering_max": float("inf")}, 1000),
        ({"content_max": -5.0, "mastering_max": 429496.0}, 1000),
    ],
)
def test_peak(levels: dict[str, float], peak: float) -> None:
    assert tone.peak_of(LightLevels(**levels)) == peak


@given(st.builds(LightLevels, **{n: st.none() | st.floats() for n in LightLevels.__slots__}))
def test_no_lie_breaks_the_picture(light: LightLevels) -> None:
    assert tone.REFERENCE_WHITE <= tone.peak_of(light) <= 10000
    assert tone.peak_of(None) == 1000


# --- which pictures -------------------------------------------------------------------------------


@pytest.mark.parametrize("primaries", [None, "bt709", "smpte428", "unheard of"])
@pytest.mark.parametrize("transfer", [None, "bt709", "srgb", "smpte170m", "bt2020-10"])
def test_sdr_of_the_screen_is_not_touched(primaries: str | None, transfer: str | None) -> None:
    color = ColorInfo(primaries=primaries, transfer=transfer).resolved(320, 240)
    assert color.primaries == primaries
    assert tone.look_of(color, None) is None


def test_grey_has_no_primaries_but_light() -> None:
    assert tone.look_of(ColorInfo(primaries="bt2020"), None, gray=True) is None
    assert tone.look_of(ColorInfo(transfer="smpte2084"), None, gray=True) is not None


def test_untagged_hdr_is_bt2020() -> None:
    color = ColorInfo(transfer="arib-std-b67").resolved(320, 240)
    assert (color.primaries, color.matrix) == ("bt2020", "bt2020")


def test_ipt_c2_is_full_range() -> None:
    assert ColorInfo(matrix="ipt-c2").resolved(320, 240).range == "full"


def test_looks_are_made_once() -> None:
    assert look("pq") is look("pq") and look("hlg") is not look("pq")
    assert look("pq", light=LightLevels(content_max=600.0)) is not look("pq")
    # HLG has no absolute light: what the file says of it does not matter.
    assert look("hlg", light=LightLevels(content_max=600.0)) is look("hlg")


@pytest.mark.parametrize("range", ["full", "limited"])
@pytest.mark.parametrize("primaries", CONVERTED)
def test_sdr_greys_keep_their_codes(primaries: str, range: str) -> None:
    """All 256, through the scaler, in RGB and in JFIF, as if no primaries were named.

    In full range they are whole codes and stay exactly; in limited range those that lie within the
    tables' error of a half may be rounded the other way.
    """
    y = np.arange(256, dtype=np.uint8).reshape(8, 32)
    c = np.full((8, 32), 128, np.uint8)
    plain, named = (
        frame([y, c, c], matrix="bt709", range=range, primaries=p) for p in (None, primaries)
    )
    shown = view(plain, 32, 8)
    got, want = scaler.render_rgb(named, shown), scaler.render_rgb(plain, shown)
    assert (got == got[:, :, :1]).all()
    error = np.abs(got.astype(int) - want)
    assert error.max() <= (range == "limited") and (error > 0).mean() < 0.05
    jfif = scaler.jfif_planes(named)
    assert (jfif.u == 128).all() and (jfif.v == 128).all()
    np.testing.assert_array_equal(jfif.y, got[:, :, 0])


def test_tone_mapping_is_off_when_the_transfer_is_replaced() -> None:
    """PQ codes of BT.709 primaries are then shown as they are; the frame decides, nothing else."""
    source = noise(np.random.default_rng(4), 40, 30, depth=10, range="limited", matrix="bt709",
                   primaries="bt709", transfer="smpte2084", cell=10)  # fmt: skip
    off = replace(source, color=replace(source.color, transfer="bt709"))
    plain = replace(source, color=replace(source.color, transfer=None, primaries=None))
    shown = view(source, 20, 15)
    got = scaler.render_rgb(off, shown)
    np.testing.assert_array_equal(got, scaler.render_rgb(plain, shown))
    assert np.abs(got.astype(int) - scaler.render_rgb(source, shown)).mean() > 20


# --- LMS ------------------------------------------------------------------------------------------


def ictcp(signal: np.ndarray, transfer: str) -> np.ndarray:
    """R'G'B' of BT.2020 to I, Ct, Cp by BT.2100 table 7."""
    to_lms = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096
    rows = [[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]
    decode, encode = twin.pq_light, twin.pq_signal
    if transfer == "hlg":
        rows = [[2048, 2048, 0], [3625, -7465, 3840], [9500, -9212, -288]]
        decode, encode = twin.hlg_scene, twin.hlg_signal
    lms = np.vectorize(decode)(signal) @ to_lms.T
    return np.asarray(np.vectorize(encode)(lms) @ np.array(rows).T / 4096)


@pytest.mark.parametrize(
    ("matrix", "transfer"), [("ipt-c2", "pq"), ("ictcp", "pq"), ("ictcp", "hlg")]
)
def test_lms_becomes_the_colour_it_was(matrix: Any, transfer: str) -> None:
    """Opponent colours made by independent formulas; full range, 12 bits."""
    rng = np.random.default_rng(6)
    signal = rng.uniform(0.15, 0.65, (64, 3))
    opponents = twin.ipt_c2(signal) if matrix == "ipt-c2" else ictcp(signal, transfer)
    codes = np.round(4095 * opponents + [0, 2048, 2048]).astype(np.uint16)
    planes = [codes[:, i].reshape(8, 8).repeat(4, 0).repeat(4, 1) for i in range(3)]
    source = frame(
        planes, depth=12, range="full", matrix=matrix, primaries="bt2020",
        transfer=TRANSFERS[transfer],
    )  # fmt: skip
    got = scaler.render_rgb(source, view(source, 8, 8)).reshape(-1, 3)
    error = ciede2000.difference(got, twin.shown(signal, transfer, "bt2020"))
    assert error.mean() < 0.5 and error.max() < 1.5


def test_published_cones() -> None:
    """The matrix taken from libplacebo, with its crosstalk, is Hunt-Pointer-Estevez under D65."""
    cones = np.array([[0.4002, 0.7076, -0.0808], [-0.2263, 1.1653, 0.0457], [0, 0, 0.9182]])
    want = (0.02 + 0.94 * np.eye(3)) @ cones @ twin.xyz("bt2020")
    np.testing.assert_allclose(np.linalg.inv(tone._IPT_TO_RGB), want, atol=1e-3)
    for matrix in (tone._IPT_TO_RGB, tone._ICTCP_TO_RGB):
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-3)


def test_lms_with_tone_mapping_off_is_pq_shown_as_it_is() -> None:
    signal = np.linspace(0, 1, 33)[:, None] * [1.0, 0.9, 0.8]
    codes = np.round(4095 * twin.ipt_c2(signal) + [0, 2048, 2048]).astype(np.uint16)
    planes = [codes[:, i].reshape(3, 11) for i in range(3)]
    source = frame(planes, depth=12, range="full", matrix="ipt-c2", transfer="bt709")
    got = scaler.render_rgb(source, view(source, 11, 3)).reshape(-1, 3)
    assert np.abs(got - 255 * signal)[8:].max() < 3


# --- through the scaler ---------------------------------------------------------------------------


def hdr(rng: np.random.Generator, width: int, height: int, **how: Any) -> RawFrame:
    return noise(
        rng, width, height, depth=10, range="limited", matrix="bt2020", primaries="bt2020",
        transfer=how.pop("transfer", "smpte2084"), **how,
    )  # fmt: skip


@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("orientation", EIGHT)
def test_hdr_bands_join_without_a_seam(
    monkeypatch: pytest.MonkeyPatch, subsampling: Any, orientation: Orientation
) -> None:
    source = hdr(np.random.default_rng(7), 50, 70, log2_chroma=(1, 1))
    shown = view(source, 41, 57, orientation=orientation)

    def both() -> list[np.ndarray]:
        picture = Picture(*shown.size, subsampling)
        scaler.render(source, shown, picture)
        return [*picture.planes, scaler.render_rgb(source, shown)]

    whole = both()
    monkeypatch.setattr(_resample, "BAND_SAMPLES", 41 * 5)
    for one, banded in zip(whole, both(), strict=True):
        np.testing.assert_array_equal(one, banded)


@pytest.mark.parametrize("orientation", EIGHT)
@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("size", [(45, 31), (22, 16), (7, 9)])
def test_jfif_and_rgb_of_hdr_agree(
    size: tuple[int, int], subsampling: Any, orientation: Orientation
) -> None:
    """A picture in JFIF is the RGB one in Y, Cb, Cr, chroma in upright blocks of 2x2."""
    source = hdr(np.random.default_rng(3), 45, 31, log2_chroma=(1, 1), transfer="arib-std-b67")
    shown = view(source, *size, orientation=orientation)
    rgb = np.moveaxis(scaler.render_rgb(source, shown).astype(np.float64), 2, 0)
    picture = Picture(*shown.size, subsampling)
    scaler.render(source, shown, picture)
    y, *chroma = book.to_jfif(rgb)
    assert np.abs(picture.y - y).max() <= 1.05
    height, width = y.shape
    for got, exact in zip((picture.u, picture.v), chroma, strict=True):
        if subsampling == "420":
            even = np.pad(exact, ((0, height & 1), (0, width & 1)), mode="edge")
            exact = even.reshape(got.shape[0], 2, got.shape[1], 2).mean(axis=(1, 3))
        assert np.abs(got - exact).max() <= 1.05


def test_a_cell_of_a_page_is_the_picture_alone() -> None:
    source = hdr(np.random.default_rng(5), 80, 60, log2_chroma=(1, 1))
    shown = view(source, 40, 30)
    page, cell = Picture(120, 90), Picture(40, 30)
    page.fill((9, 8, 7))
    scaler.render(source, shown, page, 42, 34)
    scaler.render(source, shown, cell)
    np.testing.assert_array_equal(page.y[34:64, 42:82], cell.y)
    np.testing.assert_array_equal(page.u[17:32, 21:41], cell.u)
    page.y[34:64, 42:82], page.u[17:32, 21:41], page.v[17:32, 21:41] = 9, 8, 7
    assert (page.y == 9).all() and (page.u == 8).all() and (page.v == 7).all()


def test_grey_hdr_video() -> None:
    codes = np.round(64 + 876 * np.linspace(0, 1, 64)).astype(np.uint16).reshape(4, 16)
    source = frame([codes], model="gray", depth=10, range="limited", transfer="smpte2084")
    signal = ((codes.reshape(-1) - 64) / 876)[:, None].repeat(3, 1)
    got = scaler.render_rgb(source, view(source, 16, 4)).reshape(-1, 3)
    assert np.abs(got - twin.shown(signal, "pq", "bt2020")).max() < 0.7
    picture = scaler.jfif_planes(source)
    np.testing.assert_array_equal(picture.y.reshape(-1), got[:, 0])
    assert (picture.u == 128).all() and (picture.v == 128).all()


def test_untagged_rgb_video_uses_its_whole_range() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (3, 12, 14), np.uint8)
    source = frame(list(planes), model="rgb")
    np.testing.assert_array_equal(
        scaler.render_rgb(source, view(source, 14, 12)), np.moveaxis(planes, 0, 2)
    )


# --- kernels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(TRANSFERS))
@pytest.mark.parametrize("samples", [1, 7, 1023, 1024, 1025, 2050])
def test_show_writes_its_samples_and_no_others(samples: int, mode: str) -> None:
    """Also with signals far outside: tables are never left."""
    samples = min(samples, 40) if INTERPRETED else samples
    how = look(mode)
    wild = np.resize(np.float32([0.3, 1e30, -1e30, 0.9, -0.0]), samples)
    dst = np.full(3 * samples + 16, 777, np.float32)
    kernels.show(
        dst, wild, wild[::-1].copy(), wild, samples, how.kind, UNIT, how.numbers, how.tables
    )
    assert (dst[3 * samples :] == 777).all()
    assert (dst[: 3 * samples] >= 0).all() and (dst[: 3 * samples] <= 255).all()


@pytest.mark.parametrize("seed", range(4 if INTERPRETED else 40))
def test_jfif_out_matches_its_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, rows = (int(v) for v in rng.integers(1, 9 if INTERPRETED else 40, 2))
    half, px, py = seed & 1, seed >> 1 & 1, seed >> 2 & 1
    px, py = px * half, py * half
    a, b = rng.normal(0, 0.4, (3, 3)) + np.eye(3), rng.normal(0, 20, 3)
    affine = np.column_stack([a, b]).astype(np.float32)
    planes = rng.uniform(-20, 280, (3, rows * width)).astype(np.float32)
    cw, ch = ((width + px + 1) >> 1, (rows + py + 1) >> 1) if half else (width, rows)
    ys, cs = width + int(rng.integers(0, 4)), cw + int(rng.integers(0, 4))
    fences = [np.full(s * h + 32, 173, np.uint8) for s, h in ((ys, rows), (cs, ch), (cs, ch))]
    line = np.full(6 * (width + 2) + 8, np.nan, np.float32)
    convert.jfif_out(
        *fences, ys, cs, *planes, width, rows, affine.reshape(-1), scaler._TO_JFIF,
        half, px, py, line,
    )  # fmt: skip
    rgb = np.clip(affine[:, :3].astype(float) @ planes + affine[:, 3:], 0, 255)
    ycc = book.to_jfif(rgb).reshape(3, rows, width)
    wants = [ycc[0]]
    for plane in ycc[1:]:
        if half:
            right, below = 2 * cw - width - px, 2 * ch - rows - py
            plane = np.pad(plane, ((py, below), (px, right)), mode="edge")
            plane = plane.reshape(ch, 2, cw, 2).mean(axis=(1, 3))
        wants.append(plane)
    for flat, stride, want in zip(fences, (ys, cs, cs), wants, strict=True):
        height, wide = want.shape
        got = flat[: stride * height].reshape(height, stride)
        assert np.abs(got[:, :wide] - want).max() <= 0.51
        assert (got[:, wide:] == 173).all() and (flat[stride * height :] == 173).all()
    assert np.isnan(line[-8:]).all()


def test_hdr_turned_is_hdr_then_turned() -> None:
    source = hdr(np.random.default_rng(9), 30, 20, log2_chroma=(0, 0))
    upright = scaler.render_rgb(source, view(source, 30, 20))
    for orientation in EIGHT:
        got = scaler.render_rgb(source, view(source, 30, 20, orientation=orientation))
        np.testing.assert_array_equal(got, oriented(upright, orientation))
