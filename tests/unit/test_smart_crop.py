"""Where the smart fit crops: planted subjects and faces stay whole, nothing fails."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from snapengine.model.geometry import Size
from snapengine.scoring import crop as module
from snapengine.scoring.crop import focus
from snapengine.scoring.faces import Face
from snapengine.scoring.proxy import Proxy, proxy_size
from tests.unit.test_saliency import disc, noise, proxy_of

WIDE, TALL = (320, 180), (180, 320)
ASPECTS = st.one_of(st.floats(0.05, 20), st.sampled_from([9 / 16, 1.0, 4 / 3, 16 / 9, 2.4]))


def window(proxy: Proxy, aspect: float, centre: tuple[float, float]) -> tuple[float, ...]:
    """Left, top, right, bottom in fractions of the largest window of that shape at a centre."""
    shape = proxy.width / proxy.height
    wide, high = min(1.0, aspect / shape), min(1.0, shape / aspect)
    x, y = centre
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def plain(size: tuple[int, int]) -> Proxy:
    return proxy_of(np.full(size[::-1], 100))


# -- subjects -------------------------------------------------------------------------------


@pytest.mark.parametrize("x", np.linspace(0.08, 0.92, 15))
@pytest.mark.parametrize("size", [WIDE, TALL], ids=["wide", "tall"])
@pytest.mark.parametrize("radius", [12, 40])
def test_a_subject_anywhere_stays_whole(x: float, size: tuple[int, int], radius: int) -> None:
    across = size is WIDE
    x = min(max(x, radius / 320), 1 - radius / 320)
    place = (x, 0.5) if across else (0.5, x)
    proxy = proxy_of(disc(*place, radius=radius, width=size[0], height=size[1]))
    aspect = 9 / 16 if across else 16 / 9
    edges = window(proxy, aspect, focus(proxy, aspect))
    low, high = (edges[0], edges[2]) if across else (edges[1], edges[3])
    assert low * 320 <= x * 320 - radius + 1 and high * 320 >= x * 320 + radius - 1
    # In the middle of the window where there is room.
    half = (high - low) / 2
    assert (low + high) / 2 == pytest.approx(min(max(x, half), 1 - half), abs=0.08)


def test_of_two_subjects_the_stronger_is_kept_whole() -> None:
    """A window in the middle would hold half of each."""
    for strong, weak in ((0.2, 0.8), (0.8, 0.2)):
        picture = disc(strong, 0.5, radius=30, levels=(80, 220))
        picture = np.maximum(picture, disc(weak, 0.5, radius=30, levels=(80, 150)))
        proxy = proxy_of(picture)
        left, _, right, _ = window(proxy, 9 / 16, focus(proxy, 9 / 16))
        assert left <= strong - 30 / 320 + 0.01 and right >= strong + 30 / 320 - 0.01


def test_two_subjects_that_fit_are_both_kept() -> None:
    proxy = proxy_of(np.maximum(disc(0.42, 0.5, radius=14), disc(0.78, 0.5, radius=14)))
    left, _, right, _ = window(proxy, 1.0, focus(proxy, 1.0))
    assert left <= 0.38 and right >= 0.82


def test_flat_pictures_are_cropped_in_the_middle() -> None:
    for size, aspect in product((WIDE, TALL, (200, 200)), (0.2, 9 / 16, 1.0, 16 / 9, 5.0)):
        assert focus(plain(size), aspect) == (0.5, 0.5)
    for seed in range(4):
        grain = proxy_of(np.random.default_rng(seed).normal(120, 3, (180, 320)))
        assert focus(grain, 9 / 16)[0] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("x", "aspect"), list(product((0.15, 0.4, 0.7), (9 / 16, 1.0, 2.4))))
def test_noise_does_not_move_it(x: float, aspect: float) -> None:
    picture = disc(x, 0.4, grain=0)
    still = focus(proxy_of(picture), aspect)
    for seed in range(5):
        grains = np.random.default_rng(seed).normal(0, 4, picture.shape)
        assert focus(proxy_of(picture + grains), aspect) == pytest.approx(still, abs=0.03)


def test_a_subject_that_moves_is_followed_without_jumps() -> None:
    places = [focus(proxy_of(disc(x, 0.5)), 9 / 16)[0] for x in np.linspace(0.1, 0.9, 33)]
    steps = np.diff(places)
    assert steps.min() > -0.02 and steps.max() < 0.08
    assert places[0] < 0.2 and places[-1] > 0.8


# -- properties -----------------------------------------------------------------------------


@settings(max_examples=80)
@given(width=st.integers(1, 70), height=st.integers(1, 70), aspect=ASPECTS,
       seed=st.integers(0, 9))  # fmt: skip
def test_the_window_lies_in_the_picture(width: int, height: int, aspect: float, seed: int) -> None:
    proxy = noise(width, height, seed)
    centre = focus(proxy, aspect)
    assert 0.5 in centre
    edges = window(proxy, aspect, centre)
    assert min(edges[:2]) >= -1e-9 and max(edges[2:]) <= 1 + 1e-9


@settings(max_examples=30)
@given(x=st.floats(0.1, 0.9), y=st.floats(0.1, 0.9), aspect=st.floats(0.3, 6),
       level=st.integers(110, 255))  # fmt: skip
def test_a_mirrored_picture_has_the_mirrored_focus(
    x: float, y: float, aspect: float, level: int
) -> None:
    """Of windows that hold the subject: narrower ones may be as good at either side of it."""
    picture = np.rint(disc(x, y, levels=(90, level), grain=0))
    there = focus(proxy_of(picture), aspect)
    assert focus(proxy_of(picture[:, ::-1]), aspect) == pytest.approx(
        (1 - there[0], there[1]), abs=0.02
    )
    assert focus(proxy_of(picture[::-1]), aspect) == pytest.approx(
        (there[0], 1 - there[1]), abs=0.02
    )


@pytest.mark.parametrize("aspect", [0.0, -1.0, float("nan"), float("inf"), 1e-300, 1e300, 1.0])
def test_tiny_pictures_and_odd_shapes_never_fail(aspect: float) -> None:
    faces = [
        Face(0.2, 0.2, 0.5, 0.5, 0.9), Face(0.5, 0.5, 1e-160, 1e-170, 0.9),
        Face(0, 0, 1, 2e-313, 0.9), Face(2, 0, 1, 1, 0.9), Face(-9, -9, 20, 20, 0.9),
    ]  # fmt: skip
    for width, height in product((1, 2, 3, 8), repeat=2):
        for proxy in (noise(width, height, 2), plain((width, height))):
            for some in ([], faces[:1], faces[1:3], faces):
                x, y = focus(proxy, aspect, some)
                assert 0 <= x <= 1 and 0 <= y <= 1


# -- faces ----------------------------------------------------------------------------------


def square(x: float, y: float, side: float, size: tuple[int, int] = WIDE) -> Face:
    """A face with its centre at (x, y) and ``side`` samples wide."""
    wide, high = side / size[0], side / size[1]
    return Face(x - wide / 2, y - high / 2, wide, high, 0.9)


@pytest.mark.parametrize("x", [0.15, 0.3, 0.5, 0.7, 0.85])
def test_a_face_is_kept_whole_with_its_surroundings(x: float) -> None:
    """Against a subject elsewhere that draws the eye."""
    proxy = proxy_of(disc(1 - x, 0.5, radius=25))
    face = square(x, 0.4, 50)
    left, _, right, _ = window(proxy, 9 / 16, focus(proxy, 9 / 16, [face]))
    assert left <= max(0.0, face.x - 0.2 * face.width)
    assert right >= min(1.0, face.x + 1.2 * face.width)


def test_faces_are_all_kept_when_they_fit_and_the_largest_when_not() -> None:
    faces = [square(0.55, 0.4, 40), square(0.8, 0.4, 40)]
    left, _, right, _ = window(plain(WIDE), 1.0, focus(plain(WIDE), 1.0, faces))
    assert left <= faces[0].x and right >= faces[1].x + faces[1].width
    apart = [square(0.12, 0.4, 40), square(0.85, 0.4, 60)]
    left, _, right, _ = window(plain(WIDE), 9 / 16, focus(plain(WIDE), 9 / 16, apart))
    assert left <= apart[1].x and right >= apart[1].x + apart[1].width


@pytest.mark.parametrize("y", [0.2, 0.35, 0.5, 0.7])
def test_eyes_are_above_the_middle(y: float) -> None:
    face = square(0.5, y, 60, TALL)
    proxy = plain(TALL)
    _, top, _, bottom = window(proxy, 1.0, focus(proxy, 1.0, [face]))
    assert top <= face.y and bottom >= face.y + face.height
    eyes = face.y + 0.4 * face.height
    assert (eyes - top) / (bottom - top) < 0.5


def test_a_face_larger_than_the_window_shows_its_middle() -> None:
    face = square(0.62, 0.5, 150)
    assert focus(plain(WIDE), 0.3, [face])[0] == pytest.approx(0.62, abs=0.15)


@settings(max_examples=80)
@given(
    faces=st.lists(
        st.builds(
            Face, *[st.floats(-2, 2)] * 2, *[st.floats(-1, 2)] * 2, st.floats(0, 1), st.none()
        ),
        max_size=4,
    ),
    aspect=ASPECTS,
    tall=st.booleans(),
)
def test_any_faces_keep_the_window_inside(faces: list[Face], aspect: float, tall: bool) -> None:
    proxy = plain(TALL if tall else WIDE)
    edges = window(proxy, aspect, focus(proxy, aspect, faces))
    assert min(edges[:2]) >= -1e-9 and max(edges[2:]) <= 1 + 1e-9


# -- the weights of a window ----------------------------------------------------------------


@pytest.mark.parametrize(("cells", "share"), [(64, 0.316), (36, 0.5), (7, 0.9), (1, 0.4)])
def test_window_weights_agree_with_a_sampled_twin(cells: int, share: float) -> None:
    """The closed integral against many thin slices of the tapered window."""
    table = module._window(cells, share)
    steps = np.linspace(-1, 1, table.shape[0])
    fine = 400
    at = (np.arange(cells * fine) + 0.5) / (cells * fine)
    for place in (0, 40, 96, 150, 192):
        centre = 0.5 + steps[place] * (1 - share) / 2
        away = np.abs(at - centre) / (share / 2)
        ramp = 0.5 + 0.5 * np.cos(np.pi * np.clip((away - 0.4) / 0.6, 0, 1))
        want = (ramp * (away <= 1)).reshape(cells, fine).mean(axis=1)
        want *= share / want.sum()
        assert np.allclose(table[place], want, atol=2e-4)


# -- real frames ----------------------------------------------------------------------------

#: File -> (seconds, where the subject's middle is across the picture, judged by eye).
REAL = {
    "h264_768x432_10fps_139s_faststart.mp4": (86.0, 0.78),  # a man leaves to the right
    "avi_mpeg4_asp_960x400.avi": (2.0, 0.43),  # a bird
    "ts_mpeg2_interlaced_576i_sar16x11.ts": (1.0, 0.56),  # a speaker above a ticker
}


def test_the_subject_of_a_real_frame_is_in_the_portrait_crop(real_file: Path) -> None:
    seconds, x = REAL[real_file.name]
    with av.open(str(real_file)) as container:
        stream = container.streams.video[0]
        begin = stream.start_time or 0
        assert stream.time_base is not None
        container.seek(begin + int(seconds / stream.time_base), stream=stream)
        frame = next(
            f for f in container.decode(stream)
            if f.pts is not None and (f.pts - begin) * stream.time_base >= seconds
        )  # fmt: skip
        ratio = float(stream.sample_aspect_ratio or 1)
        image = frame.to_image()
    size = proxy_size(Size(round(image.width * ratio), image.height))
    planes = image.resize(size, Image.Resampling.BOX).convert("YCbCr").split()
    proxy = proxy_of(*map(np.asarray, planes))
    left, _, right, _ = window(proxy, 9 / 16, focus(proxy, 9 / 16))
    room = 0.25 * (right - left)
    assert left + room <= x <= right - room


test_the_subject_of_a_real_frame_is_in_the_portrait_crop.real_file_wanted = (  # type: ignore[attr-defined]
    lambda path: path.name in REAL
)
