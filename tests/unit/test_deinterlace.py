"""Interlaced frames: no teeth where something moved, all lines where nothing did, no shift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest

from snapengine.imaging import deinterlace, scaler
from snapengine.kernels import deinterlace as kernels
from snapengine.model.frame import Picture, RawFrame
from tests.reference import deinterlace as twin
from tests.unit._frames import SITES, frame, noise, smooth, view

ORDERS = ("top", "bottom")


# --- the kernel ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_kernel_matches_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, height = int(rng.integers(1, 90)), int(rng.integers(4, 40))
    deep, other = seed % 2, seed // 2 % 2
    down, kind = (4, np.uint16) if deep else (0, np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    # A soft picture that jumps sideways between the fields, and some noise.
    base = 128 + 90 * np.sin((x + 9 * (y % 2)) / 5 + y / 7) + rng.normal(0, 4, (height, width))
    plane = base.clip(0, 255).astype(kind) << down
    if deep:
        plane = plane + rng.integers(0, 16, plane.shape, kind)
    stride = width + int(rng.integers(0, 9))
    source = np.zeros((height, stride), kind)
    source[:, :width] = plane
    flat = source.reshape(-1)[: stride * (height - 1) + width]
    run = kernels.fields_u16 if deep else kernels.fields_u8
    span = width + 2 * kernels.MARGIN
    small, wide = np.zeros(15 * span, np.int16), np.zeros(4 * span, np.int32)
    tiles = np.zeros((-(-height // 16), -(-width // 32)), np.uint8)
    fenced = np.full(width * height + 8, 77, kind)
    run(
        fenced, flat, stride, width, height, other, down, 6, 27, 0, tiles.reshape(-1), small, wide
    )  # fmt: skip
    assert (fenced == 77).all()
    assert np.array_equal(tiles, twin.count(plane, other, down, 6, 27))
    for flags in (
        np.zeros_like(tiles),
        np.ones_like(tiles),
        tiles,
        tiles[::-1] * 0 + 1 - tiles % 2,
    ):
        flags = np.ascontiguousarray(flags)
        run(
            fenced, flat, stride, width, height, other, down, 2, 8, 1, flags.reshape(-1),
            small, wide,
        )  # fmt: skip
        want = twin.complete(plane, other, down, 2, 8, flags)
        assert np.array_equal(fenced[: width * height].reshape(height, width), want)
        assert (fenced[width * height :] == 77).all()


# --- scenes --------------------------------------------------------------------------------------

WIDTH, HEIGHT = 384, 288


def texture(seed: int, width: int, height: int, low: float = 0.12) -> np.ndarray:
    """A natural-looking field in 0..1: noise whose spectrum falls off like that of pictures."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.normal(size=(height, width)))
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    radius = np.hypot(fy, fx)
    shaped = np.fft.irfft2(
        spectrum * np.exp(-((radius / low) ** 2)) / (radius + 0.01), (height, width)
    )
    return np.asarray((shaped - shaped.min()) / np.ptp(shaped))


def pan(time: float) -> np.ndarray:
    """A camera that moves to the left, 7 samples in each field."""
    wide = texture(1, WIDTH + 400, HEIGHT)
    return np.asarray(20 + 215 * wide[:, int(7 * time) :][:, :WIDTH])


def tilt(time: float) -> np.ndarray:
    """A camera that moves upwards, 3 lines in each field."""
    high = texture(2, WIDTH, HEIGHT + 200)
    return np.asarray(20 + 215 * high[int(3 * time) :][:HEIGHT])


def discs(time: float) -> np.ndarray:
    """Bright and dark discs crossing a still background."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    scene = 40 + 120 * texture(3, WIDTH, HEIGHT)
    for k, (radius, shade) in enumerate(((40, 230.0), (25, 15.0), (60, 200.0))):
        cx, cy = 60 + 110 * k + (6 + 3 * k) * time, 70 + 60 * k + (2 - k) * time
        inside = (radius - np.hypot(x - cx, y - cy) + 0.5).clip(0, 1)
        scene = scene * (1 - inside) + shade * inside
    return scene


def spokes(time: float) -> np.ndarray:
    """A wheel that turns: edges of every direction."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    angle = np.arctan2(y - HEIGHT / 2, x - WIDTH / 2) + 0.03 * time
    return np.asarray(128 + 90 * np.tanh(3 * np.sin(12 * angle)))


SCENES: list[Callable[[float], np.ndarray]] = [pan, tilt, discs, spokes]


def woven(scene: Callable[[float], np.ndarray], first: float, order: str) -> np.ndarray:
    """One frame: its first field at ``first``, the other one field later."""
    early, late = (np.rint(scene(t)).astype(np.uint8) for t in (first, first + 1))
    even = (np.arange(early.shape[0]) % 2 == 0)[:, None]
    return np.where(even == (order == "top"), early, late)


def gray(plane: np.ndarray, order: Any) -> RawFrame:
    return replace(frame([plane], model="gray", range="full", pad=3), field_order=order)


def shown(plane: np.ndarray, order: Any, factor: float = 1) -> np.ndarray:
    source = gray(plane, order)
    picture = Picture(round(WIDTH / factor), round(HEIGHT / factor))
    scaler.render(source, view(source, *picture.size), picture)
    return picture.y.copy()


def psnr(got: np.ndarray, want: np.ndarray) -> float:
    error = np.mean((got.astype(np.float64) - want) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def teeth(plane: np.ndarray) -> float:
    """Mean alternation from line to line beyond what lines of one field have."""
    p = plane.astype(np.float64)
    fine = abs(p[:-4] - 4 * p[1:-3] + 6 * p[2:-2] - 4 * p[3:-1] + p[4:]) / 16
    coarse = abs(p[:-4] - 2 * p[2:-2] + p[4:]) / 4
    return float((fine - coarse).clip(0).mean())


def filtered(frames: list[np.ndarray], name: str, order: str) -> list[np.ndarray]:
    """FFmpeg's deinterlacers on a whole sequence: they see the neighbours of each frame too."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=WIDTH, height=HEIGHT, format="gray", time_base="1/25")
    parity = "tff" if order == "top" else "bff"
    node = graph.add(name, f"mode=send_frame:parity={parity}:deint=all")
    sink = graph.add("buffersink")
    source.link_to(node)
    node.link_to(sink)
    graph.configure()
    out = []
    for i, samples in enumerate([*frames, None]):
        picture = None if samples is None else av.VideoFrame.from_ndarray(samples, format="gray")
        if picture is not None:
            picture.pts = i
        source.push(picture)
        while True:
            try:
                out.append(sink.pull().to_ndarray())
            except (av.BlockingIOError, av.EOFError):
                break
    return out


# --- what moves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.__name__)
def test_moving_pictures_compare_with_ffmpeg(scene: Any, order: str) -> None:
    times = [0, 2, 4, 6, 8]
    frames = [woven(scene, t, order) for t in times]
    truth = scene(4)
    ours = shown(frames[2], order)
    assert psnr(ours, truth) > psnr(frames[2], truth) + 6
    for name in ("yadif", "bwdif"):
        rival = filtered(frames, name, order)[2]
        # They look at the frames before and after, which ours may not; bwdif has longer filters.
        # The wheel's hub, where spokes are finer than lines, is the worst for us.
        margin = 10.0 if name == "bwdif" else 2.5 if scene is spokes else 1.0
        assert psnr(ours, truth) >= psnr(rival, truth) - margin, name
    # Teeth: next to none, measured against what the woven frame has and the truth has.
    assert teeth(ours) <= teeth(truth) + 0.05 * teeth(frames[2])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("factor", [1.5, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.__name__)
def test_shrunk_pictures_show_one_instant(scene: Any, factor: float, order: str) -> None:
    plane = woven(scene, 4, order)
    still = shown(np.rint(scene(4)).astype(np.uint8), "progressive", factor)
    ours, ghosts = shown(plane, order, factor), shown(plane, "progressive", factor)
    assert psnr(ours, still) > 36
    assert psnr(ours, still) > psnr(ghosts, still) + 4


def test_the_other_order_would_be_another_instant() -> None:
    """Fields are told apart by the order alone; the first one's instant is shown."""
    for factor in (1, 4):
        stills = [shown(np.rint(discs(t)).astype(np.uint8), "progressive", factor) for t in (4, 5)]
        for order, wrong in (ORDERS, ORDERS[::-1]):
            plane = woven(discs, 4, order)
            assert psnr(shown(plane, order, factor), stills[0]) > 34
            assert psnr(shown(plane, wrong, factor), stills[1]) > 34
            assert psnr(shown(plane, wrong, factor), stills[0]) < 30


# --- what stands still ---------------------------------------------------------------------------


def writing(seed: int) -> np.ndarray:
    """Something like sharp text: strokes of one and two samples, all directions."""
    rng = np.random.default_rng(seed)
    page = np.full((HEIGHT, WIDTH), 30, np.uint8)
    for _ in range(300):
        x, y = int(rng.integers(0, WIDTH - 20)), int(rng.integers(0, HEIGHT - 20))
        thick, long = int(rng.integers(1, 3)), int(rng.integers(4, 16))
        if rng.random() < 0.5:
            page[y : y + thick, x : x + long] = 220
        else:
            page[y : y + long, x : x + thick] = 220
    return page


@pytest.mark.parametrize("order", ORDERS)
def test_still_pictures_lose_nothing(order: str) -> None:
    """Flagged interlaced, yet progressive: as broadcasts of films are."""
    for scene in (*SCENES, lambda _: texture(7, WIDTH, HEIGHT, 0.4) * 255):
        plane = np.rint(scene(3)).astype(np.uint8)
        for factor in (1, 1.5, 3):
            assert np.array_equal(shown(plane, order, factor), shown(plane, "progressive", factor))
        for factor in (4, 8):
            assert psnr(shown(plane, order, factor), shown(plane, "progressive", factor)) > 40
    for seed in range(4, 8):
        page = writing(seed)
        assert np.array_equal(shown(page, order), page)
    assert psnr(shown(page, order, 4), shown(page, "progressive", 4)) > 29  # one field alone


def test_still_parts_stay_beside_moving_ones() -> None:
    plane = woven(discs, 4, "top")
    plane[:, :32] = still = writing(6)[:, :32]
    # A tile away from what moves (the leftmost disc keeps its distance at the bottom).
    ours = shown(plane, "top")
    assert psnr(ours[200:, :24], still[200:, :24]) > 50


def test_a_frame_without_motion_is_not_copied() -> None:
    source = replace(smooth(200, 160), field_order="top")
    same = deinterlace.progressive(source, view(source, 200, 160))
    for now, before in zip(same.planes, source.planes, strict=True):
        assert now.data is before.data
    plain = replace(source, field_order="progressive")
    assert deinterlace.progressive(plain, view(plain, 200, 160)) is plain
    one = deinterlace.progressive(source, view(source, 50, 40))
    for now, before in zip(one.planes, source.planes, strict=True):
        assert np.shares_memory(now.data, before.data)
        assert now.stride == 2 * before.stride


# --- where samples lie ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("site", sorted(SITES))
@pytest.mark.parametrize("log2", [(1, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize("factor", [1, 2, 4, 7.3, 12])
def test_ramps_do_not_shift(factor: float, log2: tuple[int, int], site: str, order: Any) -> None:
    """A ramp down the picture has the same values through one field as through all lines.

    12 bits, 24 codes a line: a tenth of a line is 0.15 of a step of the result, and the half line
    by which fields differ 0.75.
    """
    w, h = 48, 144
    place = SITES[site]

    def ramp(width: int, height: int, factor: int, p: int) -> np.ndarray:
        at = np.arange(height) * factor + {-1: 0.5, 0: factor / 2, 1: factor - 0.5}[p]
        return np.tile(np.rint(300 + 24 * at).astype(np.uint16)[:, None], (1, width))

    chroma = ramp(w >> log2[0], h >> log2[1], 1 << log2[1], place[1] if log2[1] else 0)
    source = frame(
        [ramp(w, h, 1, 0), chroma, chroma], log2_chroma=log2, depth=12, range="full",
        matrix="bt601", chroma_location=site,
    )  # fmt: skip
    tw, th = round(w / factor) & ~1 or 2, round(h / factor) & ~1
    pictures = []
    for field_order in (order, "progressive"):
        picture = Picture(tw, th, "444")
        given = replace(source, field_order=field_order)
        scaler.render(given, view(given, tw, th), picture)
        pictures.append(picture)
    # Away from the ends, where the first field has no line as far out as the frame.
    edge = max(2, round(8 / factor) + 2)
    for got, want in zip(pictures[0].planes, pictures[1].planes, strict=True):
        inner = np.s_[edge:-edge]
        difference = got[inner].astype(np.float64) - want[inner]
        assert difference.size > 0
        assert np.abs(difference).max() <= 1
        assert abs(difference.mean()) <= 0.1


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("shift", [0, 6])
@pytest.mark.parametrize("log2", [(1, 1), (1, 0), (0, 0)])
def test_every_format(log2: tuple[int, int], depth: int, shift: int, order: Any) -> None:
    """Luma and chroma of a moving picture, at every depth, are those of the first instant."""
    if depth == 8 and shift:
        shift = 0
    kind = np.uint8 if depth == 8 else np.uint16
    even = (np.arange(HEIGHT) % 2 == 0)[:, None]

    def planes(times: tuple[int, int]) -> list[np.ndarray]:
        found = []
        for sx, sy, scene in ((0, 0, discs), (*log2, discs), (*log2, pan)):
            early, late = (
                scene(t).reshape(HEIGHT >> sy, 1 << sy, WIDTH >> sx, 1 << sx).mean(axis=(1, 3))
                for t in times
            )
            top = even[: early.shape[0]] == (order == "top")
            found.append(np.rint(np.where(top, early, late)).astype(kind) << (depth - 8))
        return found

    options: Any = {
        "log2_chroma": log2, "depth": depth, "shift": shift, "range": "full", "matrix": "bt601"
    }  # fmt: skip
    moving = replace(frame(planes((4, 5)), **options), field_order=order)
    still = frame(planes((4, 4)), **options)
    for factor in (1, 2, 5):
        tw, th = WIDTH // factor & ~1, HEIGHT // factor & ~1
        pictures = [Picture(tw, th) for _ in range(3)]
        for picture, source in zip(
            pictures, (moving, still, replace(moving, field_order="progressive")), strict=True
        ):
            scaler.render(source, view(source, tw, th), picture)
        for got, want, ghosts in zip(*(p.planes for p in pictures), strict=True):
            assert psnr(got, want) > 29 and psnr(got, want) > psnr(ghosts, want) + 3


def test_chroma_follows_luma() -> None:
    """Chroma that is unsure of its own motion takes the word of luma that moves there."""
    even = (np.arange(HEIGHT // 2) % 2 == 0)[:, None]
    early, late = (tilt(t).reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3)) for t in (4, 5))
    chroma = np.rint(np.where(even, early, late)).astype(np.uint8)
    found = []
    for luma in (woven(pan, 4, "top"), np.rint(pan(4)).astype(np.uint8)):
        source = frame([luma, chroma, chroma], log2_chroma=(1, 1), range="full", matrix="bt601")
        source = replace(source, field_order="top")
        whole = deinterlace.progressive(source, view(source, WIDTH, HEIGHT))
        found.append(psnr(whole.planes[1].array(), early))
    assert found[0] > found[1] + 1


@pytest.mark.parametrize("size", [(1, 1), (5, 2), (3, 3), (4, 5), (7, 9), (33, 17)])
@pytest.mark.parametrize("order", ORDERS)
def test_small_and_odd_frames(size: tuple[int, int], order: Any) -> None:
    """Nothing to check but that every size works and a flat colour stays."""
    rng = np.random.default_rng(1)
    source = replace(noise(rng, *size, matrix="bt601"), field_order=order)
    for target in (size, (2, 1), (2 * size[0], 3 * size[1])):
        assert scaler.render_rgb(source, view(source, *target)).shape == (*target[::-1], 3)
    flat = replace(gray(np.full(size[::-1], 90, np.uint8), order))
    for target in (size, (2, 1)):
        assert (scaler.render_rgb(flat, view(flat, *target)) == 90).all()
