"""Where samples go: no shift, orientation, fit, placement; and nothing else is touched."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import InvariantBroken
from snapengine.imaging import scaler
from snapengine.model.frame import Picture
from snapengine.model.geometry import UPRIGHT, Orientation, Size, View, make_view
from tests.reference import colour as book
from tests.unit._frames import EIGHT, SITES, frame, oriented, smooth, view

# --- position ---------------------------------------------------------------------------------

SIZES = [(320, 180), (160, 90), (100, 57), (240, 170), (480, 270), (33, 21), (321, 181), (80, 120)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("site", sorted(SITES))
@pytest.mark.parametrize("along", ["x", "y"])
def test_ramps_do_not_shift(size: tuple[int, int], subsampling: Any, site: str, along: str) -> None:
    """A colour that grows linearly across the scene has, after scaling, the value of its place.

    Samples are 12 bits deep, so that even a tenth of a sample of shift would show.
    """
    w, h, (tw, th) = 320, 180, size

    def scene(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        at = x / w if along == "x" else y / h
        return np.asarray(400 + 3200 * at)

    def samples(width: int, height: int, factor: int, place: tuple[int, int]) -> np.ndarray:
        offset = [{-1: 0.5, 0: factor / 2, 1: factor - 0.5}[p] for p in place]
        x = np.arange(width) * factor + offset[0]
        y = np.arange(height) * factor + offset[1]
        return np.asarray(np.round(scene(*np.meshgrid(x, y))), np.uint16)

    luma, chroma = samples(w, h, 1, (0, 0)), samples(w // 2, h // 2, 2, SITES[site])
    source = frame(
        [luma, chroma, chroma], log2_chroma=(1, 1), depth=12, range="full", matrix="bt601",
        chroma_location=site,
    )  # fmt: skip
    picture = Picture(tw, th, subsampling)
    scaler.render(source, view(source, tw, th), picture)
    half = 2 if subsampling == "420" else 1
    for plane, step in ((picture.y, 1), (picture.u, half), (picture.v, half)):
        x = (np.arange(plane.shape[1]) + 0.5) * step * w / tw
        y = (np.arange(plane.shape[0]) + 0.5) * step * h / th
        want = scene(*np.meshgrid(x, y)) / 4095 * 255
        if plane is not picture.y:  # the middle of 12-bit codes is not that of 8-bit codes
            want = want - 2048 / 4095 * 255 + 128
        # Away from the ends, where a ramp cannot go on: the reach of the filter, two samples of
        # subsampled chroma or of the result, and the block that may hang over.
        ex, ey = (2 + int(np.ceil(2 * max(1, 2 * n / (k * step)))) for n, k in ((tw, w), (th, h)))
        ey, ex = (ey, 0) if along == "y" else (0, ex)
        inner = np.s_[ey : plane.shape[0] - ey, ex : plane.shape[1] - ex]
        assert want[inner].size > 0
        assert np.abs(plane[inner] - want[inner]).max() <= 0.5 + 0.1


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_fractional_crop_takes_the_place_asked_for(factor: int) -> None:
    """A quarter of a sample more on the left moves a steep ramp by exactly that."""
    ramp = np.tile(np.arange(200, dtype=np.uint16) * 16, (40, 1))
    flat = np.full((40, 200), 2048, np.uint16)
    source = frame([ramp, flat, flat], depth=12, range="full", matrix="bt601")
    for start in (20.0, 20.25, 20.5, 21.75):
        crop = (start, 3.5, 128.0, 32.0)
        got = scaler.render_rgb(source, view(source, 128 // factor, 32 // factor, crop=crop))
        centre = start + (np.arange(128 // factor) + 0.5) * factor
        want = (centre - 0.5) * 16 / 4095 * 255
        assert np.abs(got[:, :, 1] - want).max() <= 0.5 + 0.05


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    target=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    log2=st.sampled_from([(0, 0), (1, 0), (1, 1), (2, 0), (2, 2), (0, 1)]),
    codes=st.tuples(*[st.integers(16, 235)] * 3),
    site=st.sampled_from(sorted(SITES)),
)
@settings(deadline=None, max_examples=60)
def test_a_constant_stays_constant(
    size: tuple[int, int],
    target: tuple[int, int],
    log2: tuple[int, int],
    codes: tuple[int, int, int],
    site: str,
) -> None:
    w, h = size
    cw, ch = -(-w // (1 << log2[0])), -(-h // (1 << log2[1]))
    planes = [
        np.full(s, c, np.uint8) for s, c in zip(((h, w), (ch, cw), (ch, cw)), codes, strict=True)
    ]
    source = frame(planes, log2_chroma=log2, pad=3, matrix="bt709", chroma_location=site)
    exact = book.to_rgb(*codes, 8, False, "bt709")
    picture = Picture(*target)
    scaler.render(source, view(source, *target), picture)
    for plane, value in zip(picture.planes, book.to_jfif(exact), strict=True):
        assert (plane == plane[0, 0]).all() and abs(plane[0, 0] - value.clip(0, 255)) <= 0.55
    rgb = scaler.render_rgb(source, view(source, *target))
    assert (rgb == rgb[0, 0]).all() and np.abs(rgb[0, 0] - book.rounded(exact)).max() <= 1


# --- orientation, fit, placement ----------------------------------------------------------------


@pytest.mark.parametrize("orientation", EIGHT)
@pytest.mark.parametrize("size", [(64, 48), (63, 47), (64, 47), (160, 120), (161, 121)])
def test_all_orientations(orientation: Orientation, size: tuple[int, int]) -> None:
    source = smooth(*((160, 120) if size != (161, 121) else size))
    flat, turned = view(source, *size), view(source, *size, orientation=orientation)
    rgb = scaler.render_rgb(source, flat)
    np.testing.assert_array_equal(scaler.render_rgb(source, turned), oriented(rgb, orientation))

    plain = Picture(*size, "444")
    scaler.render(source, flat, plain)
    upright = Picture(*turned.size, "444")
    scaler.render(source, turned, upright)
    for got, want in zip(upright.planes, plain.planes, strict=True):
        np.testing.assert_array_equal(got, oriented(want, orientation))

    half = Picture(*turned.size)
    scaler.render(source, turned, half)
    assert np.abs(half.y.astype(int) - upright.y).max() <= 1
    for got, want in ((half.u, upright.u), (half.v, upright.v)):
        h, w = want.shape
        even = np.pad(want.astype(float), ((0, h & 1), (0, w & 1)), mode="edge")
        means = even.reshape(got.shape[0], 2, got.shape[1], 2).mean(axis=(1, 3))
        assert np.abs(got - means).max() <= 1.5
    if not orientation.is_identity:
        assert upright.size != plain.size or not np.array_equal(upright.y, plain.y)


def test_rotation_is_clockwise_after_the_mirror() -> None:
    y = np.full((16, 32), 50, np.uint8)
    y[:8, :16] = 200  # bright at the top left
    source = frame([y, y, y], range="full", matrix="bt601")
    for o in EIGHT:
        got = scaler.render_rgb(source, view(source, 32, 16, orientation=o))[:, :, 1]
        top, left = got.shape[0] // 4, got.shape[1] // 4
        picture = Picture(*got.shape[::-1])
        scaler.render(source, view(source, 32, 16, orientation=o), picture)
        places = [picture.y[v, h] > 120 for v in (top, -top) for h in (left, -left)]
        names = ["top left", "top right", "bottom left", "bottom right"]
        want = {
            (0, False): "top left", (90, False): "top right",
            (180, False): "bottom right", (270, False): "bottom left",
            (0, True): "top right", (90, True): "bottom right",
            (180, True): "bottom left", (270, True): "top left",
        }[o.rotation, o.mirror]  # fmt: skip
        assert [n for n, lit in zip(names, places, strict=True) if lit] == [want]


@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("orientation", [UPRIGHT, Orientation(rotation=90)])
def test_contain_leaves_the_background_and_the_neighbours(
    subsampling: Any, orientation: Orientation
) -> None:
    source = smooth(160, 120)
    tall = 32 if orientation.swaps_sides else 30
    box = make_view(source.size, Fraction(1), orientation, width=64, height=tall, fit="contain")
    w, h = box.upright
    assert w < 64 and w % 2 == box.x % 2 == 0
    page = Picture(100, 60, subsampling)
    page.fill((7, 8, 9))
    scaler.render(source, box, page, 20, 10)
    alone = Picture(w, h, subsampling)
    inner = View(
        coded=box.coded, crop=box.crop, scaled=box.scaled, orientation=orientation, size=Size(w, h)
    )
    scaler.render(source, inner, alone)
    for plane, want, value in zip(page.planes, alone.planes, (7, 8, 9), strict=True):
        k = page.width // plane.shape[1]
        x, y = (20 + box.x) // k, (10 + box.y) // k
        covered = np.s_[y : y + want.shape[0], x : x + want.shape[1]]
        np.testing.assert_array_equal(plane[covered], want)
        rest = plane.copy()
        rest[covered] = value
        assert (rest == value).all(), "painted outside of the covered part"
    rgb = scaler.render_rgb(source, box, (1, 2, 3))
    assert rgb.shape == (tall, 64, 3)
    seen = scaler.render_rgb(source, inner)
    np.testing.assert_array_equal(rgb[box.y : box.y + h, box.x : box.x + w], seen)
    rgb[box.y : box.y + h, box.x : box.x + w] = (1, 2, 3)
    assert (rgb == (1, 2, 3)).all()


@pytest.mark.parametrize("orientation", EIGHT)
def test_cover_shows_the_middle(orientation: Orientation) -> None:
    """Stripes at the two ends that cover cuts off must not be seen."""
    y = np.full((90, 160), 90, np.uint8)
    y[:, :30] = y[:, -30:] = 255
    if orientation.swaps_sides:
        y = np.full((90, 160), 90, np.uint8)
        y[:, :48] = y[:, -48:] = 255
    c = np.full((45, 80), 128, np.uint8)
    source = frame([y, c, c], log2_chroma=(1, 1), range="full", matrix="bt601")
    size = (40, 40) if not orientation.swaps_sides else (45, 32)
    box = make_view(
        source.size, Fraction(1), orientation, width=size[0], height=size[1], fit="cover"
    )
    assert box.upright == box.size == Size(*size)
    picture = Picture(*size)
    scaler.render(source, box, picture)
    assert np.abs(picture.y[2:-2, 2:-2].astype(int) - 90).max() <= 1


@pytest.mark.parametrize(
    ("x", "y", "size"),
    [
        (1, 0, (4, 4)),
        (0, 1, (4, 4)),
        (0, 0, (3, 4)),
        (0, 0, (4, 3)),
        (14, 0, (4, 4)),
        (-2, 0, (4, 4)),
    ],
)
def test_windows_that_split_chroma_or_hang_over_are_refused(
    x: int, y: int, size: tuple[int, int]
) -> None:
    source = smooth(32, 32)
    page = Picture(16, 16)
    page.fill((1, 2, 3))
    with pytest.raises(InvariantBroken):
        scaler.render(source, view(source, *size), page, x, y)
    assert (page.y == 1).all()


def test_odd_sizes_are_fine_at_the_far_edges() -> None:
    source = smooth(64, 64)
    page = Picture(33, 21)
    page.fill((0, 0, 0))
    scaler.render(source, view(source, 13, 11), page, 20, 10)
    assert (page.y[10:, 20:] > 20).all() and (page.u[5:, 10:] > 20).all()
    assert not page.y[:10].any() and not page.u[:, :10].any()
