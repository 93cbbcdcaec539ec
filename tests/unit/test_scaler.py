"""Frames to pictures: against float64 maths, and by what must stay true whatever the maths."""

from __future__ import annotations

import threading
import tracemalloc
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.imaging import _resample, _scratch, scaler
from snapengine.model.frame import Picture, Plane, RawFrame
from snapengine.model.geometry import Orientation
from tests.reference import colour as book
from tests.reference import scale as twin
from tests.unit._frames import EIGHT, SITES, frame, noise, oriented, smooth, view


def arrays(source: RawFrame) -> list[np.ndarray]:
    return [p.array() >> source.format.shift for p in source.planes]


def meaning(source: RawFrame) -> dict[str, Any]:
    """What the twins need to know of a frame."""
    color, format = source.color.resolved(*source.size), source.format
    return {
        "log2": (format.log2_chroma_w, format.log2_chroma_h),
        "site": SITES[color.chroma_location or "left"],
        "depth": format.depth,
        "full": color.range == "full",
        "matrix": color.matrix,
    }


def close(got: np.ndarray, exact: np.ndarray, slack: float = 0.06) -> None:
    """``got`` is ``exact`` rounded once: within half a step and the error of the arithmetic."""
    assert got.shape == exact.shape
    error = np.abs(got.astype(np.float64) - exact.clip(0, 255))
    assert error.max() <= 0.5 + slack, f"off by {error.max()}"


@pytest.mark.parametrize("seed", range(40))
def test_render_matches_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, h = (int(v) for v in rng.integers(1, 120, 2))
    log2 = [(1, 1), (1, 0), (0, 0), (2, 0)][seed % 4]
    source = noise(
        rng, w, h, log2,
        depth=[8, 8, 10, 12][seed // 2 % 4],
        pad=int(rng.integers(0, 9)),
        range=str(rng.choice(["limited", "full"])),
        matrix=str(rng.choice(book.MATRICES)),
        chroma_location=str(rng.choice(list(SITES))),
    )  # fmt: skip
    tw, th = (w, h) if seed % 5 == 0 else (int(v) for v in rng.integers(1, 90, 2))
    crop = (0.0, 0.0, float(w), float(h))
    if seed % 3 == 1:
        crop = (0.3 * w, 0.1 * h, 0.6 * w, 0.7 * h)
    for subsampling in ("420", "444"):
        picture = Picture(tw, th, subsampling)  # type: ignore[arg-type]
        scaler.render(source, view(source, tw, th, crop=crop), picture)
        want = twin.jfif(
            arrays(source), crop=crop, scaled=(tw, th), half=int(subsampling == "420"),
            **meaning(source),
        )  # fmt: skip
        for got, exact in zip(picture.planes, want, strict=True):
            close(got, exact)


@pytest.mark.parametrize("seed", range(24))
def test_render_rgb_matches_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, h = (int(v) for v in rng.integers(1, 100, 2))
    source = noise(
        rng, w, h, [(1, 1), (1, 0), (0, 0)][seed % 3],
        depth=[8, 10][seed % 2],
        range=str(rng.choice(["limited", "full"])),
        matrix=str(rng.choice(book.MATRICES)),
        chroma_location=str(rng.choice(list(SITES))),
    )  # fmt: skip
    tw, th = (int(v) for v in rng.integers(1, 130, 2))
    crop = (0.1 * w, 0.0, 0.7 * w, float(h))
    got = scaler.render_rgb(source, view(source, tw, th, crop=crop))
    close(got, twin.rgb(arrays(source), crop=crop, scaled=(tw, th), **meaning(source)))


@pytest.mark.parametrize("site", sorted(SITES))
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_full_size_jfif_moves_chroma_to_the_middle(site: str, matrix: str) -> None:
    rng = np.random.default_rng(8)
    for w, h in ((64, 36), (33, 17), (1, 1), (5, 2)):
        source = noise(rng, w, h, matrix=matrix, chroma_location=site)
        want = twin.jfif(
            arrays(source), crop=(0, 0, w, h), scaled=(w, h), half=1, **meaning(source)
        )
        for got, exact in zip(scaler.jfif_planes(source).planes, want, strict=True):
            close(got, exact)


@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("model", ["yuv", "rgb"])
@pytest.mark.parametrize("orientation", EIGHT)
def test_bands_join_without_a_seam(
    monkeypatch: pytest.MonkeyPatch, model: Any, subsampling: Any, orientation: Orientation
) -> None:
    """Large pictures are made in bands of rows; the result does not depend on their height."""
    rng = np.random.default_rng(7)
    planes = rng.integers(0, 256, (3, 70, 50), np.uint8)
    source = frame(list(planes), model=model, matrix="bt709", range="limited")
    shown = view(source, 41, 57, orientation=orientation)

    def both() -> list[np.ndarray]:
        picture = Picture(*shown.size, subsampling)
        scaler.render(source, shown, picture)
        return [*picture.planes, scaler.render_rgb(source, shown)]

    whole = both()
    monkeypatch.setattr(_resample, "BAND_SAMPLES", 41 * 5)
    for one, banded in zip(whole, both(), strict=True):
        np.testing.assert_array_equal(one, banded)


@pytest.mark.parametrize("log2", [(1, 1), (1, 0), (0, 0), (0, 1)])
@pytest.mark.parametrize("site", sorted(SITES))
def test_full_size_rgb_blends_chroma_linearly(log2: tuple[int, int], site: str) -> None:
    rng = np.random.default_rng(5)
    for w, h in ((64, 36), (33, 17), (1, 1), (2, 3)):
        source = noise(rng, w, h, log2, matrix="bt709", chroma_location=site)
        y, cb, cr = (p.astype(np.float64) for p in arrays(source))
        for axis, on in ((1, log2[0]), (0, log2[1])):
            if on:
                at = SITES[site][1 - axis]
                cb, cr = (book.blend(c, axis, (h, w)[axis], at) for c in (cb, cr))
        exact = np.moveaxis(book.to_rgb(y, cb, cr, 8, False, "bt709"), 0, 2)
        close(scaler.render_rgb(source, view(source, w, h)), exact)


# --- colour -----------------------------------------------------------------------------------


def patches(depth: int, full: bool, matrix: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of 27 colours and of some whose RGB lies outside of the cube, one per row."""
    rng = np.random.default_rng(3)
    top = (1 << depth) - 1
    codes = rng.integers(0, top + 1, (20, 3))
    unit = np.eye(3)
    basis = np.stack([book.to_rgb(*row, depth, full, matrix) for row in unit * top], axis=1)
    offset = book.to_rgb(0, 0, 0, depth, full, matrix)
    colours = np.array(list(product((0, 128, 255), repeat=3)), np.float64)
    solved = np.linalg.solve((basis - offset[:, None]) / top, (colours - offset).T).T
    codes = np.vstack([codes, np.clip(np.round(solved), 0, top).astype(int)])
    kind = np.uint8 if depth == 8 else np.uint16
    return tuple(codes[:, i].astype(kind) for i in range(3))  # type: ignore[return-value]


@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", book.MATRICES)
def test_colour_patches(matrix: str, full: bool, depth: int) -> None:
    y, cb, cr = patches(depth, full, matrix)
    exact = book.to_rgb(y, cb, cr, depth, full, matrix)
    assert len(y) == 47
    shift = 16 - depth if depth == 10 else 0  # P010 keeps its bits at the top
    for log2, (w, h) in product(((0, 0), (1, 1)), ((16, 16), (4, 4), (20, 20))):
        for i in range(len(y)):
            planes = [
                np.full((16, 16) if n == 0 else (16 >> log2[1], 16 >> log2[0]), c[i], c.dtype)
                for n, c in enumerate((y, cb, cr))
            ]
            source = frame(
                planes, log2_chroma=log2, depth=depth, shift=shift,
                range="full" if full else "limited", matrix=matrix,
            )  # fmt: skip
            if i >= 20 or w == 4:
                rgb = scaler.render_rgb(source, view(source, w, h))
                want = book.rounded(exact[:, i])
                assert np.abs(rgb.astype(int) - want).max() <= 1
                assert (rgb == rgb[0, 0]).all()
            if w == 20 and i < 20:
                continue
            picture = Picture(w, h, "420" if log2 == (1, 1) else "444")
            scaler.render(source, view(source, w, h), picture)
            for plane, value in zip(picture.planes, book.to_jfif(exact[:, i]), strict=True):
                close(plane, np.full(plane.shape, value), slack=0.04)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("subsampling", ["420", "444"])
def test_rgb_frames(full: bool, depth: int, subsampling: Any) -> None:
    rng = np.random.default_rng(1)
    kind = np.uint8 if depth == 8 else np.uint16
    low, high = (0, (1 << depth) - 1) if full else (16 << depth - 8, 235 << depth - 8)
    codes = rng.integers(low, high + 1, (3, 1, 1), kind)
    r, g, b = np.broadcast_to(codes, (3, 30, 40))
    source = frame(
        [r, g, b], model="rgb", depth=depth, range="full" if full else "limited", matrix="rgb"
    )
    exact = book.rgb_codes(r, g, b, depth, full)
    for w, h in ((40, 30), (13, 7)):
        rgb = scaler.render_rgb(source, view(source, w, h))
        close(rgb, np.broadcast_to(exact[:, 0, 0], rgb.shape))
        picture = Picture(w, h, subsampling)
        scaler.render(source, view(source, w, h), picture)
        for plane, value in zip(picture.planes, book.to_jfif(exact[:, 0, 0]), strict=True):
            close(plane, np.full(plane.shape, value))


@pytest.mark.parametrize("orientation", EIGHT)
def test_rgb_frames_of_noise_average_chroma_in_upright_blocks(orientation: Orientation) -> None:
    rng = np.random.default_rng(2)
    planes = rng.integers(0, 256, (3, 31, 45), np.uint8)
    source = frame(list(planes), model="rgb", range="full")
    ycc = [oriented(p, orientation) for p in book.to_jfif(planes)]
    height, width = ycc[0].shape
    picture = Picture(width, height)
    scaler.render(source, view(source, 45, 31, orientation=orientation), picture)
    close(picture.y, ycc[0])
    for got, exact in zip((picture.u, picture.v), ycc[1:], strict=True):
        even = np.pad(exact, ((0, height & 1), (0, width & 1)), mode="edge")
        close(got, even.reshape(got.shape[0], 2, got.shape[1], 2).mean(axis=(1, 3)))


def test_gray_frames() -> None:
    y = np.tile(np.arange(16, 236, dtype=np.uint8), (8, 1))
    source = frame([y], model="gray", range="limited")
    exact = (y - 16.0) / 219 * 255
    rgb = scaler.render_rgb(source, view(source, 220, 8))
    close(rgb, np.repeat(exact[:, :, None], 3, axis=2))
    for subsampling in ("420", "444"):
        picture = Picture(220, 8, subsampling)  # type: ignore[arg-type]
        scaler.render(source, view(source, 220, 8), picture)
        close(picture.y, exact)
        assert (picture.u == 128).all() and (picture.v == 128).all()


def test_every_grey_is_rounded_to_the_nearest() -> None:
    y = np.arange(256, dtype=np.uint8).reshape(1, 256)
    c = np.full((1, 128), 128, np.uint8)
    source = frame([y, c, c], log2_chroma=(1, 1), matrix="bt709")
    want = book.rounded((y - 16.0) * 255 / 219)
    np.testing.assert_array_equal(scaler.jfif_planes(source).y, want)
    rgb = scaler.render_rgb(source, view(source, 256, 1))
    for i in range(3):
        close(rgb[:, :, i], (y - 16.0) * 255 / 219, slack=0.02)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_color_ycc(color: tuple[int, int, int]) -> None:
    exact = book.to_jfif(np.array(color))
    assert np.abs(np.array(scaler.color_ycc(color)) - exact.clip(0, 255)).max() <= 0.5 + 1e-6


def test_color_ycc_of_greys_and_primaries() -> None:
    assert all(scaler.color_ycc((v, v, v)) == (v, 128, 128) for v in range(256))
    assert scaler.color_ycc((255, 0, 0)) == (76, 85, 255)
    assert scaler.color_ycc((0, 0, 255)) == (29, 255, 107)


def test_an_untagged_frame_is_shown_by_the_rule_of_players() -> None:
    """The matrix depends on the size of the frame, the range is limited."""
    for (w, h), matrix in (((1280, 4), "bt709"), ((640, 4), "bt601")):
        source = frame([np.full((h, w), v, np.uint8) for v in (120, 100, 180)])
        want = book.rounded(book.to_rgb(120, 100, 180, 8, False, matrix))
        other = book.to_rgb(120, 100, 180, 8, False, "bt601" if matrix == "bt709" else "bt709")
        assert np.abs(want - other).max() > 5
        assert np.abs(scaler.render_rgb(source, view(source, 8, 2)) - want).max() <= 1


# --- finished pictures ----------------------------------------------------------------------------


@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("size", [(40, 30), (41, 31), (1, 1)])
def test_picture_rgb_is_jfif(subsampling: Any, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(9)
    picture = Picture(*size, subsampling)
    for plane in picture.planes:
        plane[:] = rng.integers(0, 256, plane.shape, np.uint8)
    y, u, v = (p.astype(np.float64) for p in picture.planes)
    if subsampling == "420":
        u, v = (book.blend(book.blend(c, 0, size[1], 0), 1, size[0], 0) for c in (u, v))
    got = scaler.picture_rgb(picture)
    assert got.flags.owndata and got.flags.c_contiguous
    close(got, np.moveaxis(book.from_jfif(y, u, v), 0, 2))


def test_frames_that_are_jfif_already_are_copied() -> None:
    rng = np.random.default_rng(4)
    for log2, name in (((1, 1), "420"), ((0, 0), "444")):
        source = noise(
            rng, 51, 37, log2, range="full", matrix="bt601", chroma_location="center", pad=2
        )
        picture = scaler.jfif_planes(source)
        assert picture.subsampling == name
        for got, want in zip(picture.planes, arrays(source), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("log2", "name"), [((1, 1), "420"), ((1, 0), "444"), ((0, 0), "444")])
def test_jfif_planes_ignores_orientation(log2: tuple[int, int], name: str) -> None:
    source = noise(np.random.default_rng(4), 50, 37, log2, cell=6, matrix="bt709")
    picture = scaler.jfif_planes(source)
    assert (picture.size, picture.subsampling) == (source.size, name)
    want = twin.jfif(
        arrays(source), crop=(0, 0, 50, 37), scaled=(50, 37), half=int(name == "420"),
        **meaning(source),
    )  # fmt: skip
    for got, exact in zip(picture.planes, want, strict=True):
        close(got, exact)


@pytest.mark.parametrize("size", [(160, 120), (90, 68), (40, 30)])
def test_a_jpeg_decoder_gets_the_source_colour_back(size: tuple[int, int]) -> None:
    """Luma of a "420" picture holds what the decoder's blended chroma leaves open."""
    source = smooth(160, 120)
    picture = Picture(*size)
    scaler.render(source, view(source, *size), picture)
    direct = scaler.render_rgb(source, view(source, *size)).astype(int)
    error = np.abs(scaler.picture_rgb(picture) - direct)[2:-2, 2:-2]
    assert 0 < error.max() <= 5 and error.mean() < 1


def test_alpha_is_ignored() -> None:
    source = noise(np.random.default_rng(1), 40, 30, (0, 0))
    opaque = scaler.render_rgb(source, view(source, 20, 15))
    alpha = Plane(data=np.zeros(1200, np.uint8), stride=40, width=40, height=30)
    with_alpha = RawFrame(
        planes=(*source.planes, alpha), format=source.format, size=source.size, color=source.color
    )
    np.testing.assert_array_equal(scaler.render_rgb(with_alpha, view(source, 20, 15)), opaque)


# --- resources ------------------------------------------------------------------------------------


def test_memory_of_a_small_picture_is_bounded() -> None:
    """4K to 160x90 needs less than 1 MB besides the picture; not a float copy of the frame."""
    source = noise(np.random.default_rng(0), 3840, 2160, (1, 1), matrix="bt709")
    page = Picture(160, 90)

    def draw() -> None:
        scaler.render(source, view(source, 160, 90), page)

    draw()  # compiles
    tracemalloc.start()
    worker = threading.Thread(target=draw)  # a new thread has no buffers yet
    worker.start()
    worker.join()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 10_000 < peak < 1_000_000


def test_large_scratch_is_not_kept() -> None:
    small, large = 1000, _scratch.KEEP_SAMPLES + 1
    assert np.shares_memory(_scratch.scratch("test", small), _scratch.scratch("test", small))
    first = _scratch.scratch("test", large)
    assert first.size >= large
    assert not np.shares_memory(first, _scratch.scratch("test", large))


def test_threads_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(0)
    sources = [noise(rng, 300 + 10 * i, 200, (1, 1), matrix="bt709") for i in range(4)]
    alone = [scaler.render_rgb(s, view(s, 90, 50)) for s in sources]
    page = Picture(2 * 90, 2 * 50)
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(30):
            if not np.array_equal(
                scaler.render_rgb(sources[i], view(sources[i], 90, 50)), alone[i]
            ):
                wrong.append(i)
            scaler.render(sources[i], view(sources[i], 90, 50), page, i % 2 * 90, i // 2 * 50)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    for i, source in enumerate(sources):
        cell = Picture(90, 50)
        scaler.render(source, view(source, 90, 50), cell)
        x, y = i % 2 * 90, i // 2 * 50
        np.testing.assert_array_equal(page.y[y : y + 50, x : x + 90], cell.y)
        np.testing.assert_array_equal(page.u[y // 2 : y // 2 + 25, x // 2 : x // 2 + 45], cell.u)
