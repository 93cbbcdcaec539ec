"""From coded frame to upright picture: display size, the four fits, the eight orientations."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import InvalidGeometry, InvalidOption, LayoutTooLarge
from snapengine.model.geometry import (
    FITS,
    JPEG_MAX_SIDE,
    UPRIGHT,
    Crop,
    Orientation,
    Size,
    View,
    check_fit,
    check_side,
    display_size,
    make_view,
    orientation_of_matrix,
)

EIGHT = [Orientation(rotation=r, mirror=m) for r in (0, 90, 180, 270) for m in (False, True)]
SQUARE = Fraction(1)
SIDES = st.integers(1, 4096)
SIZES = st.builds(Size, SIDES, SIDES)
SHAPES = st.sampled_from(
    [SQUARE] * 3 + [Fraction(n, d) for n, d in ((16, 11), (64, 45), (8, 9), (1, 3), (2, 1))]
)
TURNS = st.sampled_from(EIGHT)
BOXES = st.integers(1, 2000)


# -- display size ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coded", "sar", "rotation", "shown"),
    [
        ((720, 576), "16/11", 0, (1047, 576)),
        ((720, 576), "16/11", 90, (576, 1047)),
        ((720, 480), "8/9", 0, (720, 540)),
        ((720, 480), "8/9", 270, (540, 720)),
        ((1920, 1080), "1", 180, (1920, 1080)),
        ((1, 1), "1/1000", 0, (1, 1000)),
        ((100, 50), "0", 0, (100, 50)),
        ((100, 50), "-1", 0, (100, 50)),
    ],
)
def test_display_size(coded: Any, sar: str, rotation: int, shown: Any) -> None:
    found = display_size(Size(*coded), Fraction(sar), Orientation(rotation=rotation))
    assert found == shown


@given(coded=SIZES, sar=SHAPES, orientation=TURNS)
def test_display_size_never_throws_lines_away(
    coded: Size, sar: Fraction, orientation: Orientation
) -> None:
    shown = display_size(coded, sar, orientation)
    w, h = (shown.height, shown.width) if orientation.swaps_sides else shown
    assert w >= coded.width and h >= coded.height
    assert w == coded.width or h == coded.height
    # Half a pixel of rounding at most.
    assert abs(w - coded.width * max(sar, SQUARE)) <= Fraction(1, 2)
    assert abs(h - coded.height / min(sar, SQUARE)) <= Fraction(1, 2)


# -- views ----------------------------------------------------------------------------------


def inner(view: View) -> tuple[int, int, int, int]:
    """Left, top, width, height of what the frame covers."""
    return (view.x, view.y, *view.upright)


def crop_inside(view: View) -> bool:
    x, y, w, h = view.crop
    slack = 1e-6 * max(view.coded)
    return (
        -slack <= x and -slack <= y and w > 0 and h > 0
        and x + w <= view.coded.width + slack and y + h <= view.coded.height + slack
    )  # fmt: skip


@settings(max_examples=150)
@given(coded=SIZES, sar=SHAPES, turn=TURNS, width=BOXES, height=BOXES,
       fit=st.sampled_from(FITS), align=st.sampled_from([1, 2]))  # fmt: skip
def test_every_view_lies_in_its_box(
    coded: Size, sar: Fraction, turn: Orientation, width: int, height: int, fit: Any, align: int
) -> None:
    view = make_view(coded, sar, turn, width=width, height=height, fit=fit, align=align)
    assert view.size == (width, height)
    assert (view.coded, view.orientation) == (coded, turn)
    x, y, w, h = inner(view)
    assert min(x, y) >= 0 and min(w, h) >= 1
    assert x + w <= width and y + h <= height
    assert crop_inside(view)
    # Crop and margins are centred.
    left, top, cw, ch = view.crop
    assert left * 2 + cw == pytest.approx(coded.width)
    assert top * 2 + ch == pytest.approx(coded.height)
    assert abs(width - w - 2 * x) <= 2 * align - 1 and abs(height - h - 2 * y) <= 2 * align - 1


@settings(max_examples=150)
@given(coded=SIZES, sar=SHAPES, turn=TURNS, width=BOXES, height=BOXES)
def test_contain_shows_all_at_the_display_aspect(
    coded: Size, sar: Fraction, turn: Orientation, width: int, height: int
) -> None:
    view = make_view(coded, sar, turn, width=width, height=height, fit="contain")
    shown = display_size(coded, sar, turn)
    x, y, w, h = inner(view)
    assert view.crop == pytest.approx((0, 0, *coded))
    assert w == width or h == height
    # Neither side is off by more than a pixel from what the other asks for.
    scale = min(Fraction(width, shown.width), Fraction(height, shown.height))
    assert abs(w - shown.width * scale) <= 1 and abs(h - shown.height * scale) <= 1
    assert x in ((width - w) // 2, 0) and y in ((height - h) // 2, 0)


@settings(max_examples=150)
@given(coded=SIZES, sar=SHAPES, turn=TURNS, width=BOXES, height=BOXES)
def test_contain_on_the_chroma_grid(
    coded: Size, sar: Fraction, turn: Orientation, width: int, height: int
) -> None:
    view = make_view(coded, sar, turn, width=width, height=height, fit="contain", align=2)
    x, y, w, h = inner(view)
    assert x % 2 == 0 and y % 2 == 0
    assert w % 2 == 0 or w == width
    assert h % 2 == 0 or h == height
    shown = display_size(coded, sar, turn)
    scale = min(Fraction(width, shown.width), Fraction(height, shown.height))
    assert abs(w - max(2, shown.width * scale)) <= 2 and abs(h - max(2, shown.height * scale)) <= 2


@settings(max_examples=150)
@given(coded=SIZES, sar=SHAPES, turn=TURNS, width=BOXES, height=BOXES)
def test_cover_fills_the_box_and_crops_one_side(
    coded: Size, sar: Fraction, turn: Orientation, width: int, height: int
) -> None:
    view = make_view(coded, sar, turn, width=width, height=height, fit="cover")
    assert inner(view) == (0, 0, width, height)
    _, _, cw, ch = view.crop
    assert cw == pytest.approx(coded.width) or ch == pytest.approx(coded.height)
    # What is taken has, as displayed, the shape of the box.
    shown = display_size(coded, sar, turn)
    w, h = (shown.height, shown.width) if turn.swaps_sides else shown
    taken_w, taken_h = cw * w / coded.width, ch * h / coded.height
    if turn.swaps_sides:
        taken_w, taken_h = taken_h, taken_w
    assert taken_w * height == pytest.approx(taken_h * width, rel=1e-6)


@given(coded=SIZES, sar=SHAPES, turn=TURNS, width=BOXES, height=BOXES)
def test_stretch_takes_all_to_all(
    coded: Size, sar: Fraction, turn: Orientation, width: int, height: int
) -> None:
    view = make_view(coded, sar, turn, width=width, height=height, fit="stretch")
    assert view.crop == pytest.approx((0, 0, *coded))
    assert inner(view) == (0, 0, width, height)
    assert view.scaled == ((height, width) if turn.swaps_sides else (width, height))


@settings(max_examples=150)
@given(coded=SIZES, sar=SHAPES, turn=TURNS, side=BOXES, across=st.booleans(),
       fit=st.sampled_from(FITS))  # fmt: skip
def test_one_side_keeps_the_display_aspect(
    coded: Size, sar: Fraction, turn: Orientation, side: int, across: bool, fit: Any
) -> None:
    shown = display_size(coded, sar, turn)
    view = make_view(coded, sar, turn, fit=fit, **({"width": side} if across else {"height": side}))
    aspect = Fraction(shown.width, shown.height)
    wanted = side / aspect if across else side * aspect
    other = view.size.height if across else view.size.width
    assert (view.size.width if across else view.size.height) == side
    assert abs(other - max(1, wanted)) <= Fraction(1, 2)
    assert inner(view) == (0, 0, *view.size)
    assert view.crop == pytest.approx((0, 0, *coded))


@given(coded=SIZES, sar=SHAPES, turn=TURNS)
def test_no_side_is_the_display_size(coded: Size, sar: Fraction, turn: Orientation) -> None:
    view = make_view(coded, sar, turn)
    assert view.size == display_size(coded, sar, turn)
    assert view.is_unscaled == (view.scaled == coded)
    if sar == 1:
        assert view.is_unscaled


def test_examples() -> None:
    wide = make_view(Size(1920, 1080), SQUARE, UPRIGHT, width=160, height=160)
    assert inner(wide) == (0, 35, 160, 90)
    aligned = make_view(Size(1920, 1080), SQUARE, UPRIGHT, width=160, height=160, align=2)
    assert inner(aligned) == (0, 34, 160, 90)
    tall = make_view(Size(1920, 1080), SQUARE, EIGHT[2], width=160, height=90)
    assert (tall.scaled, tall.upright, inner(tall)) == ((90, 51), (51, 90), (54, 0, 51, 90))
    square = make_view(Size(1920, 1080), SQUARE, UPRIGHT, width=100, height=100, fit="cover")
    assert square.crop == (420, 0, 1080, 1080)
    turned = make_view(Size(1920, 1080), SQUARE, EIGHT[2], width=100, height=200, fit="cover")
    assert turned.crop == pytest.approx((0, 60, 1920, 960))


def test_shrink_is_the_smaller_of_the_two() -> None:
    view = make_view(Size(640, 480), SQUARE, UPRIGHT, width=160, height=60, fit="stretch")
    assert view.shrink == 4.0
    assert make_view(Size(640, 480), SQUARE, UPRIGHT, width=1280).shrink == 0.5
    cropped = make_view(Size(640, 480), SQUARE, UPRIGHT, width=100, height=400, fit="cover")
    assert cropped.shrink == pytest.approx(1.2)


# -- cropping -------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.floats(-50, 5000), st.floats(), st.fractions(-50, 5000, max_denominator=9), st.integers()
)
CROPS = st.builds(Crop, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
INSIDE = st.tuples(*[st.floats(0, 1)] * 4)


def crop_of(coded: Size, parts: tuple[float, float, float, float]) -> Crop:
    """A crop that lies within the frame, at least one sample large."""
    w, h = 1 + parts[2] * (coded.width - 1), 1 + parts[3] * (coded.height - 1)
    return Crop(parts[0] * (coded.width - w), parts[1] * (coded.height - h), w, h)


@given(coded=SIZES, crop=CROPS)
def test_nonsense_is_clamped(coded: Size, crop: Crop) -> None:
    x, y, w, h = crop.fitted(coded)
    assert x >= 0 and y >= 0 and w >= 1 and h >= 1
    assert x + w <= coded.width * (1 + 1e-12) and y + h <= coded.height * (1 + 1e-12)
    assert make_view(coded, SQUARE, UPRIGHT, crop=crop).size == display_size(
        coded, SQUARE, UPRIGHT, crop
    )


def test_what_does_not_fit_is_cut_or_ignored() -> None:
    coded, nan, inf = Size(100, 80), float("nan"), float("inf")
    whole = (0, 0, 100, 80)
    assert Crop(10, -5, 200, 50).fitted(coded) == (10, 0, 90, 45)
    for bad in ((200, 0, 50, 50), (0, 0, 0, 10), (0, 0, -3, 10), (nan, 0, 9, 9), (0, 0, inf, 9),
                (99.5, 0, 3, 3), (0, 79.5, 9, 9)):  # fmt: skip
        assert Crop(*bad).fitted(coded) == whole
    assert make_view(coded, SQUARE, UPRIGHT, crop=Crop(*whole)) == make_view(coded, SQUARE, UPRIGHT)


@settings(max_examples=150)
@given(coded=SIZES, sar=SHAPES, turn=TURNS, parts=INSIDE, width=BOXES, height=BOXES,
       fit=st.sampled_from(FITS), align=st.sampled_from([1, 2]))  # fmt: skip
def test_a_cropped_frame_is_like_a_smaller_one(
    coded: Size, sar: Fraction, turn: Orientation, parts: Any, width: int, height: int, fit: Any,
    align: int,
) -> None:  # fmt: skip
    """Whole crops: the view is that of a frame of the crop's size, moved to where the crop lies."""
    crop = Crop(*(float(round(v)) for v in crop_of(coded, parts)))
    small = Size(int(crop.width), int(crop.height))
    box: Any = {"width": width, "height": height, "fit": fit, "align": align}
    got = make_view(coded, sar, turn, crop=crop, **box)
    want = make_view(small, sar, turn, **box)
    assert (got.size, got.scaled, got.x, got.y) == (want.size, want.scaled, want.x, want.y)
    moved = (want.crop[0] + crop.x, want.crop[1] + crop.y, *want.crop[2:])
    assert got.crop == pytest.approx(moved, abs=1e-6)
    assert got.window == (crop if small != coded else None)
    assert got.is_unscaled == (want.is_unscaled and small == coded)


def test_crop_comes_before_pixel_shape_and_orientation() -> None:
    crop = Crop(8.0, 0.0, 704.0, 576.0)
    sar = Fraction(16, 11)
    assert display_size(Size(720, 576), sar, UPRIGHT, crop) == (1024, 576)
    assert display_size(Size(720, 576), sar, EIGHT[2], crop) == (576, 1024)
    view = make_view(Size(720, 576), sar, EIGHT[2], width=288, crop=crop)
    assert (view.size, view.scaled) == ((288, 512), (512, 288))
    assert view.crop == pytest.approx(crop) and view.window == crop
    half = Crop(0.25, 0.5, 99.5, 49.5)
    assert display_size(Size(100, 50), SQUARE, UPRIGHT, half) == (100, 50)
    assert make_view(Size(100, 50), SQUARE, UPRIGHT, crop=half).crop == pytest.approx(half)


# -- the smart fit --------------------------------------------------------------------------

FOCI = st.tuples(st.floats(0, 1), st.floats(0, 1))


def put_upright(samples: np.ndarray, turn: Orientation) -> np.ndarray:
    """What :class:`Orientation` says in words: mirror left-right first, then turn clockwise."""
    return np.rot90(np.fliplr(samples) if turn.mirror else samples, -turn.rotation // 90)


@pytest.mark.parametrize("turn", EIGHT, ids=repr)
@pytest.mark.parametrize("sar", [SQUARE, Fraction(16, 11), Fraction(1, 3)], ids=str)
@pytest.mark.parametrize("crop", [None, Crop(3.0, 2.0, 17.0, 10.0)], ids=["whole", "cropped"])
@pytest.mark.parametrize("box", [(30, 90), (64, 64), (90, 20)], ids=str)
def test_smart_takes_the_samples_a_window_shows(
    turn: Orientation, sar: Fraction, crop: Crop | None, box: tuple[int, int]
) -> None:
    """Every sample is put upright one by one; those under the window are those that are taken."""
    coded = Size(24, 14)
    x, y, w, h = (int(v) for v in crop or (0, 0, *coded))
    ys, xs = np.mgrid[y : y + h, x : x + w] + 0.5
    ys, xs = put_upright(ys, turn), put_upright(xs, turn)
    down, across = ((np.mgrid[0 : n, 0 : m] + 0.5)[k] / (n, m)[k]
                    for k, (n, m) in enumerate([ys.shape] * 2))  # fmt: skip
    shown = display_size(coded, sar, turn, crop)
    scale = max(box[0] / shown.width, box[1] / shown.height)
    wide, high = (side / scale / full for side, full in zip(box, shown, strict=True))
    for focus in [(0.5, 0.5), (0.31, 0.64), (0.0, 1.0), (0.97, 0.13), (0.55, 0.42)]:
        cx, cy = (min(max(f, n / 2), 1 - n / 2) for f, n in zip(focus, (wide, high), strict=True))
        seen = (np.abs(across - cx) < wide / 2 - 1e-6) & (np.abs(down - cy) < high / 2 - 1e-6)
        hidden = (np.abs(across - cx) > wide / 2 + 1e-6) | (np.abs(down - cy) > high / 2 + 1e-6)
        view = make_view(
            coded, sar, turn, width=box[0], height=box[1], fit="smart", crop=crop, focus=focus
        )
        left, top, cw, ch = view.crop
        taken = (xs > left) & (xs < left + cw) & (ys > top) & (ys < top + ch)
        assert taken[seen].all() and not taken[hidden].any()
        assert seen.any() and inner(view) == (0, 0, *box)


@settings(max_examples=150)
@given(coded=SIZES, sar=SHAPES, turn=TURNS, parts=INSIDE, width=BOXES, height=BOXES, focus=FOCI)
def test_smart_is_cover_moved_within_the_picture(
    coded: Size, sar: Fraction, turn: Orientation, parts: Any, width: int, height: int, focus: Any
) -> None:
    crop = crop_of(coded, parts).fitted(coded)
    box: Any = {"width": width, "height": height, "crop": crop}
    cover = make_view(coded, sar, turn, fit="cover", **box)
    smart = make_view(coded, sar, turn, fit="smart", focus=focus, **box)
    assert smart.crop[2:] == cover.crop[2:]
    assert (smart.scaled, smart.size, smart.x, smart.y) == (
        cover.scaled, cover.size, cover.x, cover.y
    )  # fmt: skip
    slack = 1e-6 * max(coded)
    for start, size, first, full in zip(smart.crop[:2], smart.crop[2:], crop[:2], crop[2:],
                                        strict=True):  # fmt: skip
        assert first - slack <= start and start + size <= first + full + slack
    assert make_view(coded, sar, turn, fit="smart", **box) == cover


@given(coded=SIZES, sar=SHAPES, turn=TURNS, focus=FOCI, side=BOXES)
def test_only_smart_with_both_sides_looks_at_the_focus(
    coded: Size, sar: Fraction, turn: Orientation, focus: Any, side: int
) -> None:
    for given_sides in ({}, {"width": side}, {"height": side}):
        smart = make_view(coded, sar, turn, fit="smart", focus=focus, **given_sides)
        assert smart == make_view(coded, sar, turn, fit="cover", **given_sides)
    for fit in ("stretch", "contain", "cover"):
        box: Any = {"width": side, "height": 77, "fit": fit}
        assert make_view(coded, sar, turn, focus=focus, **box) == make_view(coded, sar, turn, **box)


def test_smart_examples() -> None:
    box: Any = {"width": 90, "height": 160, "fit": "smart"}
    for x, left in ((0.5, 656.25), (0.25, 176.25), (0.0, 0.0), (-3.0, 0.0), (1.0, 1312.5)):
        view = make_view(Size(1920, 1080), SQUARE, UPRIGHT, focus=(x, 0.9), **box)
        assert view.crop == pytest.approx((left, 0, 607.5, 1080))
    # A phone video: coded lying, shown standing. Its top is the left of the coded frame.
    turned = make_view(
        Size(1920, 1080), SQUARE, Orientation(rotation=90), width=100, height=100, fit="smart",
        focus=(0.5, 0.3),
    )  # fmt: skip
    assert turned.crop == pytest.approx((0.3 * 1920 - 540, 0, 1080, 1080))


# -- orientation ----------------------------------------------------------------------------


def matrix_of(orientation: Orientation) -> np.ndarray:
    """x' = a x + c y, y' = b x + d y with y down: mirror x, then turn clockwise."""
    angle = np.deg2rad(orientation.rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([-1.0 if orientation.mirror else 1.0, 1.0])


def nine(two: np.ndarray, unit: int = 65536) -> tuple[int, ...]:
    (a, c), (b, d) = np.rint(two * unit).astype(int).tolist()
    return (a, b, 0, c, d, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("orientation", EIGHT, ids=repr)
@pytest.mark.parametrize("unit", [1, 65536, 1 << 30])
def test_matrix_of_each_orientation(orientation: Orientation, unit: int) -> None:
    assert orientation_of_matrix(nine(matrix_of(orientation), unit)) == orientation


@pytest.mark.parametrize("orientation", EIGHT, ids=repr)
def test_matrix_moves_samples_as_the_orientation_says(orientation: Orientation) -> None:
    samples = np.arange(12).reshape(3, 4)
    ys, xs = np.mgrid[0:3, 0:4]
    # Doubled, from the centre: whole numbers.
    x, y = matrix_of(orientation) @ np.stack([xs.ravel() * 2 - 3, ys.ravel() * 2 - 2])
    x, y = np.rint((x - x.min()) / 2).astype(int), np.rint((y - y.min()) / 2).astype(int)
    moved = np.empty((y.max() + 1, x.max() + 1), int)
    moved[y, x] = samples.ravel()
    wanted = np.fliplr(samples) if orientation.mirror else samples
    assert np.array_equal(moved, np.rot90(wanted, -orientation.rotation // 90))
    assert orientation.swaps_sides == (moved.shape != samples.shape)


@given(orientation=TURNS, angle=st.floats(-40, 40), scale=st.floats(0.2, 5))
def test_the_nearest_orientation_is_taken(
    orientation: Orientation, angle: float, scale: float
) -> None:
    turn = np.deg2rad(angle)
    tilt = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    assert orientation_of_matrix(nine(tilt @ matrix_of(orientation))) == orientation


@pytest.mark.parametrize(
    "matrix", [(0,) * 9, (1, 1, 0, 1, 1, 0, 0, 0, 1), (1, 0, 0, 0, 0, 0, 0, 0, 0)]
)
def test_unusable_matrices_are_upright(matrix: tuple[int, ...]) -> None:
    assert orientation_of_matrix(matrix) == UPRIGHT


def test_orientations_are_values() -> None:
    assert Orientation() == UPRIGHT
    assert UPRIGHT.is_identity and not Orientation(mirror=True).is_identity
    assert len(set(EIGHT)) == 8
    for bad in (45, 360, -90, 1):
        with pytest.raises(InvalidGeometry, match=str(bad)):
            Orientation(rotation=bad)


# -- checks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, -1, 1.0, "9", None, True])
def test_unusable_sides(bad: Any) -> None:
    with pytest.raises(InvalidGeometry) as caught:
        check_side("width", bad)
    assert "width" in str(caught.value) and str(bad) in str(caught.value)


def test_usable_sides() -> None:
    assert check_side("width", 1) == 1
    assert check_side("width", JPEG_MAX_SIDE) == JPEG_MAX_SIDE
    with pytest.raises(LayoutTooLarge, match=str(JPEG_MAX_SIDE + 1)):
        check_side("width", JPEG_MAX_SIDE + 1)
    with pytest.raises(LayoutTooLarge):
        check_side("cell", 11, 10)


def test_fits() -> None:
    assert [check_fit(f) for f in FITS] == ["stretch", "contain", "cover", "smart"]
    for bad in ("fill", "", None, 1, "Cover"):
        with pytest.raises(InvalidOption) as caught:
            check_fit(bad)
        assert repr(bad) in str(caught.value)
