"""Each kernel against its naive twin: sizes down to 1, odd sizes, strides, guards around dst."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.imaging import filters
from snapengine.kernels import _jit, _native, convert, full, resize
from snapengine.kernels.warmup import warm
from tests.reference import colour as book
from tests.reference import resize as twin

ROOT = Path(__file__).resolve().parents[2]
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
SEEDS = range(2 if INTERPRETED else 12)
GUARD = 173
compiled = pytest.mark.skipif(INTERPRETED, reason="about machine code")


def _sizes(rng: np.random.Generator, most: int) -> tuple[int, int]:
    """Width and height: 1 and 2 often, else anything; small without the compiler."""
    most = 9 if INTERPRETED else most
    w, h = (int(v) for v in rng.integers(1, most, 2))
    return (1 if rng.random() < 0.15 else w), (1 if rng.random() < 0.15 else h)


def _fenced(width: int, height: int, stride: int, dtype: type = np.uint8) -> np.ndarray:
    return np.full(stride * height + 64, GUARD, dtype)


def _open_fence(flat: np.ndarray, width: int, height: int, stride: int) -> np.ndarray:
    """The samples, after checking that all the others still hold the guard value."""
    inside = np.zeros(flat.size, bool)
    inside[: stride * height].reshape(height, stride)[:, :width] = True
    assert (flat[~inside] == GUARD).all(), "written outside of dst"
    return flat[: stride * height].reshape(height, stride)[:, :width].copy()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("seed", SEEDS)
def test_resample_matches_twin(seed: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    (sw, sh), (tw, th) = _sizes(rng, 150), _sizes(rng, 90)
    pad = int(rng.integers(0, 5))
    source = rng.integers(0, np.iinfo(dtype).max + 1, (sh, sw + pad), dtype)
    x = (float(rng.uniform(0, sw / 4)), float(rng.uniform(sw / 2, sw * 3 / 4)), tw)
    y = (float(rng.uniform(0, sh / 4)), float(rng.uniform(sh / 2, sh * 3 / 4)), th)
    if seed % 3 == 0:
        x, y = (0.0, float(sw), tw), (0.0, float(sh), th)
    across, down = filters.make_taps(sw, *x), filters.make_taps(sh, *y)
    run = resize.resample_u8 if dtype is np.uint8 else resize.resample_u16
    stride = tw + int(rng.integers(0, 4))
    dst = _fenced(tw, th, stride, np.float32)
    columns = across.high - across.low
    acc = np.full(columns + across.taps + 8, np.nan, np.float32)
    flat = source.reshape(-1)[: (sw + pad) * (sh - 1) + sw]
    half = th // 2
    for first, rows in ((0, half), (half, th - half)):
        run(
            flat, dst[first * stride :], stride, sw + pad, across.low, sh, columns, acc,
            down.starts, down.weights, down.taps, across.starts, across.weights, across.taps,
            tw, first, rows,
        )  # fmt: skip
    got = _open_fence(dst, tw, th, stride)
    want = twin.resample(source[:, :sw], x, y)
    assert np.abs(got - want).max() < np.iinfo(dtype).max / 255 * 0.01
    assert np.isnan(acc[columns + across.taps :]).all()


@given(
    source=st.integers(1, 80),
    target=st.integers(1, 80),
    start=st.floats(-3, 20),
    length=st.floats(0.5, 80),
)
@settings(deadline=None, max_examples=100)
def test_tables_are_the_twins(source: int, target: int, start: float, length: float) -> None:
    start, length = min(start, source - 0.5), min(length, float(source))
    taps = filters.make_taps(source, start, length, target)
    dense = np.zeros((target, source + taps.taps))
    for j in range(target):
        at = taps.starts[j]
        dense[j, at : at + taps.taps] += taps.weights[j * taps.taps : (j + 1) * taps.taps]
    assert not dense[:, source:].any(), "a weight lies past the edge"
    assert not dense[:, : taps.low].any() and not dense[:, taps.high : source].any()
    assert taps.taps == 1 or taps.taps % 4 == 0
    np.testing.assert_allclose(dense.sum(axis=1), 1, atol=1e-5)
    if abs(length / target - filters.AREA_FROM) > 1e-9:
        np.testing.assert_allclose(
            dense[:, :source], twin.axis(source, start, length, target), atol=2e-5
        )


def test_one_to_one_reads_one_sample() -> None:
    taps = filters.make_taps(31, 0.0, 31.0, 31)
    assert taps.taps == 1
    assert (taps.starts == np.arange(31)).all() and (taps.weights == 1).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("half", [0, 1])
def test_luma_out(seed: int, half: int) -> None:
    rng = np.random.default_rng(seed)
    w, h = _sizes(rng, 60)
    px, py = (int(rng.integers(0, 2)) * (n & 1) * half for n in (w, h))
    cw, ch = (w + half) >> half, (h + half) >> half
    src = rng.uniform(-20, 280, (h, w + 3)).astype(np.float32)
    shade = rng.uniform(-40, 40, (ch, cw)).astype(np.float32)
    gain, offset = float(rng.uniform(0.5, 1.2)), float(rng.uniform(-19, 3))
    for use in (0, 1):
        dst = _fenced(w, h, w + 5)
        line = np.full(w + cw + 2 + 4, np.float32(np.nan))
        first = h // 3
        for start, rows in ((0, first), (first, h - first)):
            convert.luma_out(
                dst[start * (w + 5) :], w + 5, src[start:].reshape(-1), w + 3, w, rows, gain,
                offset, shade.reshape(-1), cw, ch, half, px, py, start, use, line,
            )  # fmt: skip
        adds = shade.astype(np.float64)
        if half:
            adds = book.blend(book.blend(adds, 0, 2 * ch, 0), 1, 2 * cw, 0)
            adds = adds[py : py + h, px : px + w]
        want = book.rounded(gain * src[:, :w].astype(np.float64) + offset + use * adds)
        error = np.abs(_open_fence(dst, w, h, w + 5).astype(int) - want)
        assert error.max() <= 1 and (error > 0).mean() <= 0.01
        assert np.isnan(line[w + cw + 2 :]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_chroma_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, h = _sizes(rng, 60)
    cb, cr = rng.uniform(0, 255, (2, h, w)).astype(np.float32)
    m = rng.uniform(-1.2, 1.2, 8)
    m[[2, 5]] = rng.uniform(0, 200, 2)
    us, vs = _fenced(w, h, w + 2), _fenced(w, h, w + 2)
    shade = np.full(w * h + 4, np.nan, np.float32)
    convert.chroma_out(us, vs, w + 2, cb.reshape(-1), cr.reshape(-1), shade, w, h, *m)
    b, r = cb.astype(np.float64), cr.astype(np.float64)
    for got, want in (
        (us, m[0] * b + m[1] * r + m[2]),
        (vs, m[3] * b + m[4] * r + m[5]),
    ):
        error = np.abs(_open_fence(got, w, h, w + 2).astype(int) - book.rounded(want))
        assert error.max() <= 1 and (error > 0).mean() <= 0.01
    np.testing.assert_allclose(shade[: w * h].reshape(h, w), m[6] * b + m[7] * r, atol=1e-3)
    assert np.isnan(shade[w * h :]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_rgb_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, h = _sizes(rng, 60)
    planes = rng.uniform(0, 255, (3, h, w)).astype(np.float32)
    affine = rng.uniform(-1, 1, (3, 4))
    affine[:, 3] *= 100
    dst = _fenced(3 * w, h, 3 * w + 4)
    flat = [p.reshape(-1) for p in planes]
    convert.rgb_out(dst, 3 * w + 4, *flat, w, h, affine.astype(np.float32).reshape(-1))
    want = np.einsum("ck,khw->hwc", affine[:, :3], planes.astype(np.float64)) + affine[:, 3]
    got = _open_fence(dst, 3 * w, h, 3 * w + 4).reshape(h, w, 3).astype(int)
    error = np.abs(got - book.rounded(want))
    assert error.max() <= 1 and (error > 0).mean() <= 0.01


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("shaded", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_jfif_420(seed: int, moved: bool, shaded: bool) -> None:
    rng = np.random.default_rng(seed)
    w, h = _sizes(rng, 70)
    cw, ch = (w + 1) // 2, (h + 1) // 2
    y = rng.integers(0, 256, (h, w + 3), np.uint8)
    u = rng.integers(0, 256, (ch, cw + 1), np.uint8)
    v = rng.integers(0, 256, (ch, cw + 2), np.uint8)
    m = np.array([1.1, 0.1, -20, -0.07, 1.2, -15, 0.11, 0.2])
    m[6:] *= shaded
    site = np.array([-9, 111, 29, -3]) / 128 if moved else np.array([0, 1, 0, 0])
    gain, offset = 1.164, -18.6
    yd, ud, vd = _fenced(w, h, w + 4), _fenced(cw, ch, cw + 3), _fenced(cw, ch, cw + 3)
    ring = np.full(3 * w + cw + 8, 9999, np.int16)
    full.jfif_420(
        yd, ud, vd, w + 4, cw + 3, y.reshape(-1), u.reshape(-1), v.reshape(-1), w + 3, cw + 1,
        cw + 2, w, h, m.astype(np.float32), site.astype(np.float32),
        round(gain * 2**15), round(offset * 128) + 64, ring,
    )  # fmt: skip

    def move(plane: np.ndarray) -> np.ndarray:
        wide = np.pad(plane.astype(np.float64), ((0, 0), (1, 2)), mode="edge")
        return sum(site[k] * wide[:, k : k + cw] for k in range(4))

    b, r = move(u[:, :cw]), move(v[:, :cw])
    adds = m[6] * (b - 128) + m[7] * (r - 128)
    adds = book.blend(book.blend(adds, 0, 2 * ch, 0), 1, 2 * cw, 0)[:h, :w]
    for got, want, stride in (
        (yd, gain * y[:, :w] + offset + adds, w + 4),
        (ud, m[0] * b + m[1] * r + m[2], cw + 3),
        (vd, m[3] * b + m[4] * r + m[5], cw + 3),
    ):
        height, width = want.shape
        error = np.abs(_open_fence(got, width, height, stride) - want.clip(0, 255))
        assert error.max() <= 0.5 + 1 / 50
    assert (ring[3 * w + cw :] == 9999).all()


@pytest.mark.parametrize("half", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("seed", SEEDS)
def test_rgb_full(seed: int, half: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    w, h = _sizes(rng, 70)
    hx, hy = half
    cw, ch = (w + hx) >> hx, (h + hy) >> hy
    y = rng.integers(0, 256, (h, w + 3), np.uint8)
    u = rng.integers(0, 256, (ch, cw + 1), np.uint8)
    v = rng.integers(0, 256, (ch, cw + 2), np.uint8)
    weights = {-1: (0, 1, 0.5, 0.5), 0: (0.25, 0.75, 0.75, 0.25), 1: (0.5, 0.5, 1, 0)}
    sx, sy = (int(s) for s in rng.integers(-1, 2, 2))
    m = np.array([[0, 1.7, -230], [-0.2, -0.5, 80], [2.14, 0, -290]])
    dst = _fenced(3 * w, h, 3 * w + 5)
    line = np.full(3 * (cw + 2) + 5, np.nan, np.float32)
    adds = np.full(3 * w + 5, 9999, np.int16)
    full.rgb_full(
        dst, 3 * w + 5, y.reshape(-1), u.reshape(-1), v.reshape(-1), w + 3, cw + 1, cw + 2, w, h,
        hx, hy, m.astype(np.float32).reshape(-1), np.array(weights[sx], np.float32),
        np.array(weights[sy], np.float32), round(1.164 * 2**14), line, adds,
    )  # fmt: skip
    b, r = u[:, :cw].astype(np.float64), v[:, :cw].astype(np.float64)
    if hy:
        b, r = book.blend(b, 0, h, sy), book.blend(r, 0, h, sy)
    if hx:
        b, r = book.blend(b, 1, w, sx), book.blend(r, 1, w, sx)
    want = np.stack([1.164 * y[:, :w] + k[0] * b + k[1] * r + k[2] for k in m], axis=2)
    got = _open_fence(dst, 3 * w, h, 3 * w + 5).reshape(h, w, 3)
    assert np.abs(got - want.clip(0, 255)).max() <= 0.5 + 1 / 40
    assert np.isnan(line[3 * (cw + 2) :]).all() and (adds[3 * w :] == 9999).all()


def test_warm_covers_every_kernel() -> None:
    assert warm() == len(_jit.REGISTRY) >= 9
    assert all(k._run is not None for k in _jit.REGISTRY)
    assert len({(k.__name__, k.signature) for k in _jit.REGISTRY}) == len(_jit.REGISTRY)


def _python(code: str, **environ: str) -> str:
    """What a new interpreter prints on stderr; it must end well."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


#: Runs one kernel on one sample, and checks what it wrote.
RUN = """
import sys
import numpy as np
from snapengine.kernels import convert
u, v, s = np.zeros(1, np.uint8), np.zeros(1, np.uint8), np.zeros(1, np.float32)
c = np.full(1, 7, np.float32)
convert.chroma_out(u, v, 1, c, c, s, 1, 1, 1., 0., 0., 0., 1., 1., 0., 0.)
assert (u[0], v[0]) == (7, 8), (u, v)
"""


def test_importing_imaging_imports_no_compiler() -> None:
    _python(
        "import sys, snapengine.imaging.scaler\nassert not {'numba', 'llvmlite'} & set(sys.modules)"
    )


@pytest.mark.skipif(INTERPRETED, reason="is the interpreted run")
def test_same_results_without_the_compiler() -> None:
    """The subset of this file that is quick enough, interpreted: plain Python finds overflow."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-x", "-W", "error", "-p", "no:cacheprovider",
            __file__, "-k", "twin or out or jfif or rgb", "--deselect", "test_tables_are_the_twins",
        ],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


@compiled
def test_a_second_process_does_without_numba(tmp_path: Path) -> None:
    """Compiling once is dear; afterwards the stored code is loaded, and numba is not imported."""
    _python(RUN + "assert 'numba' in sys.modules", NUMBA_CACHE_DIR=str(tmp_path))
    assert len(list(tmp_path.glob("chroma_out-*.o"))) == 1
    _python(RUN + "assert 'numba' not in sys.modules", NUMBA_CACHE_DIR=str(tmp_path))


@compiled
def test_damaged_or_foreign_code_is_not_run(tmp_path: Path) -> None:
    kernel = convert.chroma_out
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_native, "_folders", lambda: iter([tmp_path]))
        _native._write("x.o", b"code")
        assert _native._read("x.o") == b"code"
        stored = (tmp_path / "x.o").read_bytes()
        for wrong in (stored[:-1], stored + b"x", b"", stored[:40] + b"?" + stored[41:]):
            (tmp_path / "x.o").write_bytes(wrong)
            assert _native._read("x.o") is None
        (tmp_path / "x.o").write_bytes(stored)
        assert _native._read("x.o") == b"code"
        if hasattr(os, "getuid"):
            (tmp_path / "x.o").chmod(0o666)
            assert _native._read("x.o") is None
        assert list(tmp_path.glob("*.o?*")) == [], "a temporary file is left over"
        # Nor is code of another signature or another text taken for this one.
        keys = {
            _native._key(kernel.function, kernel.signature),
            _native._key(kernel.function, kernel.signature[1:]),
            _native._key(convert.luma_out.function, kernel.signature),
        }
        assert len(keys) == 3


@compiled
def test_works_where_no_code_can_be_stored(tmp_path: Path) -> None:
    file = tmp_path / "file"  # a file where folders should be
    file.touch()
    code = (
        "import logging; logging.basicConfig()\n"
        "from pathlib import Path\n"
        "from snapengine.kernels import _native\n"
        f"_native._folders = lambda: iter([Path({str(file)!r}), Path({str(file / 'no')!r})])\n"
    )
    assert "no folder takes kernel chroma_out" in _python(code + RUN)


@compiled
def test_wrong_arguments_are_refused() -> None:
    u, v, s = np.zeros(4, np.uint8), np.zeros(4, np.uint8), np.zeros(4, np.float32)
    rest = (1, 1, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)
    convert.chroma_out(u, v, 1, s, s, s, *rest)
    readonly = u.view()
    readonly.flags.writeable = False
    for bad in (u.astype(np.int8), s, u[::2], u.reshape(2, 2), readonly, None, 5):
        with pytest.raises((ctypes.ArgumentError, AttributeError)):
            convert.chroma_out(bad, v, 1, s, s, s, *rest)


@compiled
def test_a_kernel_that_needs_numba_at_run_time_gets_it(caplog: pytest.LogCaptureFixture) -> None:
    def allocates(dst: Any, n: int) -> None:
        dst[0] = np.zeros(n, np.uint8).size

    made = _jit.Kernel(allocates, (_jit.U8, _jit.INT))
    dst = np.zeros(1, np.uint8)
    with caplog.at_level("WARNING"):
        made(dst, 7)
    assert dst[0] == 7
    assert "runs inside numba" in caplog.text
