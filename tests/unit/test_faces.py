"""Faces: what is told of those found, and the optional detector on drawn faces."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from snapengine.scoring.faces import (
    Face,
    FaceDetector,
    face_measure,
    face_parts,
    load_detector,
)
from tests.conftest import required
from tests.unit.test_saliency import disc, noise, proxy_of


def needed() -> FaceDetector:
    found = load_detector()
    if found is None:
        message = "no face detector: install snapengine[faces]"
        if required("faces"):
            pytest.fail(f"SNAPENGINE_REQUIRE names faces: {message}")
        pytest.skip(message)
    return found


@pytest.fixture
def detector() -> FaceDetector:
    return needed()


def drawn_face(
    x: float, y: float, size: float, width: int = 320, height: int = 180,
    turn: float = 0, blur: float = 0.7, ground: int = 110,
) -> np.ndarray:  # fmt: skip
    """A simple face seen from the front: ``size`` samples wide, its middle at (x, y) in samples."""
    fine = 4
    image = Image.new("L", (width * fine, height * fine), ground)
    draw = ImageDraw.Draw(image)

    def oval(dx: float, dy: float, rx: float, ry: float, level: int) -> None:
        cx, cy = x + dx * size, y + dy * size
        box = (cx - rx * size, cy - ry * size, cx + rx * size, cy + ry * size)
        draw.ellipse([v * fine for v in box], fill=level)

    oval(0, -0.12, 0.58, 0.72, 50)  # hair
    oval(0, 0.08, 0.48, 0.62, 200)
    for side in (-0.2, 0.2):
        oval(side, -0.10, 0.13, 0.045, 60)  # brow, its lower half covered
        oval(side, -0.075, 0.14, 0.04, 200)
        oval(side, 0.03, 0.11, 0.075, 130)
        oval(side, 0.035, 0.095, 0.045, 240)
        oval(side, 0.035, 0.042, 0.045, 30)
    oval(0, 0.2, 0.06, 0.12, 180)  # nose
    oval(0, 0.315, 0.1, 0.02, 150)
    oval(0, 0.46, 0.17, 0.05, 95)  # mouth
    oval(0, 0.44, 0.14, 0.018, 60)
    image = image.rotate(turn, center=(x * fine, y * fine), fillcolor=ground)
    small = image.resize((width, height), Image.Resampling.BOX)
    return np.asarray(small.filter(ImageFilter.GaussianBlur(blur)))


# -- what is told of faces ------------------------------------------------------------------


def at(x: float, y: float, side: float, confidence: float = 1.0, eyes: int | None = None) -> Face:
    """A square face in a 16:9 picture: middle at (x, y), ``side`` of the height."""
    wide = side * 9 / 16
    return Face(x - wide / 2, y - side / 2, wide, side, confidence, eyes)


def test_no_face_says_nothing() -> None:
    assert face_parts(()) == {}
    assert face_measure(()) is None


def test_a_good_face() -> None:
    assert face_parts([at(0.5, 0.5, 0.4)]) == {"present": 1.0, "large": 1.0, "whole": 1.0}
    assert face_measure([at(0.5, 0.5, 0.4)]) == 1.0
    assert face_measure([at(0.5, 0.5, 0.4, confidence=0.7)]) == pytest.approx(0.7)


def test_larger_is_better_up_to_a_close_up() -> None:
    large = [face_parts([at(0.5, 0.5, side)])["large"] for side in (0.05, 0.1, 0.2, 0.3, 0.5)]
    assert large == pytest.approx([0, 0, 0.5, 1, 1])
    # The same face in a standing picture is measured by the other side.
    assert face_parts([Face(0.4, 0.4, 0.2, 0.2 * 9 / 16, 1)])["large"] == pytest.approx(0.5)


@pytest.mark.parametrize("way", [(-1, 0), (1, 0), (0, -1), (0, 1)])
def test_the_further_out_the_less_whole(way: tuple[int, int]) -> None:
    dx, dy = way
    whole = [
        face_parts([at(0.5 + dx * d, 0.5 + dy * d, 0.4)])["whole"]
        for d in (0, 0.2, 0.35, 0.4, 0.45, 0.5, 0.55)
    ]
    assert whole[0] == 1 and whole[-1] == 0
    assert whole == sorted(whole, reverse=True)


def test_a_cut_head_by_hand() -> None:
    """The head ends 0.35 of the box above it: of 1.5 boxes, 0.1 are above the picture."""
    parts = face_parts([Face(0.4, 0.25 * 0.4, 0.2, 0.4, 1)])
    assert parts["whole"] == pytest.approx((1.4 / 1.5 - 0.7) / 0.3)


def test_open_eyes_count_where_they_are_told() -> None:
    told = [face_measure([at(0.5, 0.5, 0.4, eyes=eyes)]) for eyes in (0, 1, 2)]
    assert told == pytest.approx([2 / 3, 2.5 / 3, 1])
    assert "open" not in face_parts([at(0.5, 0.5, 0.4)])


def test_the_largest_face_counts() -> None:
    crowd = [at(0.2, 0.5, 0.1), at(0.6, 0.5, 0.35, confidence=0.8), at(0.9, 0.5, 0.2)]
    assert face_parts(crowd) == face_parts([crowd[1]])


FACES = st.builds(
    Face, *[st.floats(-3, 3)] * 4, st.floats(0, 1), st.sampled_from([None, 0, 1, 2, 5])
)


@given(st.lists(FACES, min_size=1, max_size=3))
def test_parts_of_any_faces(faces: list[Face]) -> None:
    assert all(0 <= part <= 1 for part in face_parts(faces).values())
    told = face_measure(faces)
    assert told is not None and 0 <= told <= 1


# -- the detector ---------------------------------------------------------------------------


def test_without_the_extra_there_is_no_detector_and_no_error() -> None:
    """In a process of its own, where the library cannot be imported."""
    code = (
        "import sys; sys.modules['dlib'] = None\n"
        "from snapengine.scoring.faces import load_detector\n"
        "assert load_detector() is None and load_detector() is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_loading_twice_gives_the_same_detector(detector: FaceDetector) -> None:
    assert load_detector() is detector


@pytest.mark.parametrize(
    ("x", "y", "size"),
    [(160, 90, 60), (80, 100, 60), (250, 85, 70), (160, 95, 100), (150, 80, 48), (100, 120, 52)],
)
def test_a_planted_face_is_found_where_it_is(
    detector: FaceDetector, x: int, y: int, size: int
) -> None:
    faces = detector.find(proxy_of(drawn_face(x, y, size)))
    assert len(faces) == 1
    face = faces[0]
    # The box goes from the brows to the chin: a little below the middle of the head.
    assert (face.x + face.width / 2) * 320 == pytest.approx(x, abs=0.15 * size)
    assert (face.y + face.height / 2) * 180 == pytest.approx(y + 0.2 * size, abs=0.25 * size)
    assert face.width * 320 == pytest.approx(0.95 * size, rel=0.25)
    assert face.width * 320 == pytest.approx(face.height * 180, rel=0.05)
    assert 0.5 < face.confidence <= 1 and face.eyes is None


def test_two_faces_the_larger_first(detector: FaceDetector) -> None:
    both = np.hstack([drawn_face(80, 90, 55, 160), drawn_face(80, 90, 85, 160)])
    first, second = detector.find(proxy_of(both))
    assert first.width > second.width and first.x > 0.5 > second.x


def test_a_little_turned_or_soft_is_still_a_face(detector: FaceDetector) -> None:
    for turn, blur in ((-8, 0.7), (8, 0.7), (0, 2.0)):
        assert detector.find(proxy_of(drawn_face(160, 90, 70, turn=turn, blur=blur)))


def test_large_only_finds_large_ones(detector: FaceDetector) -> None:
    large, small = proxy_of(drawn_face(160, 85, 110)), proxy_of(drawn_face(160, 90, 45))
    assert detector.find(large, large_only=True) and not detector.find(small, large_only=True)
    assert detector.find(small)


def test_what_is_no_face_is_none(detector: FaceDetector) -> None:
    """A false face hurts more than a missed one."""
    upside_down = drawn_face(160, 90, 90)[::-1]
    ys, xs = np.mgrid[0:180, 0:320]
    checks = np.where((ys // 20 + xs // 20) % 2, 200, 60)
    stripes = np.where(xs // 9 % 2, 230, 30)
    for picture in (upside_down, disc(0.5, 0.5, 60), checks, stripes):
        assert detector.find(proxy_of(picture)) == ()
    for seed in range(3):
        assert detector.find(noise(320, 180, seed)) == ()


@settings(max_examples=25)
@given(width=st.integers(1, 160), height=st.integers(1, 160), level=st.integers(0, 255))
def test_no_picture_makes_it_fail(width: int, height: int, level: int) -> None:
    found = needed()
    assert found.find(proxy_of(np.full((height, width), level))) == ()
    assert isinstance(found.find(noise(width, height, level)), tuple)


@pytest.mark.parametrize(("width", "height"), list(product((1, 2, 8), repeat=2)))
def test_tiny_pictures(detector: FaceDetector, width: int, height: int) -> None:
    assert detector.find(noise(width, height, 1)) == ()
    assert detector.find(noise(width, height, 1), large_only=True) == ()


def test_threads_find_what_one_finds(detector: FaceDetector) -> None:
    pictures = [proxy_of(drawn_face(60 + 25 * k, 90, 55 + 4 * k)) for k in range(8)]
    alone = [detector.find(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(detector.find, pictures)) == alone


def test_the_picture_is_left_alone(detector: FaceDetector) -> None:
    picture = proxy_of(drawn_face(160, 90, 60))
    before = picture.y.copy()
    detector.find(picture)
    assert np.array_equal(picture.y, before)
