"""What two or three frames tell: dissolves, fades, flashes and wipes, and not movement or cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from snapengine.scoring import transitions
from snapengine.scoring.defects import REJECT
from snapengine.scoring.proxy import Proxy
from snapengine.scoring.transitions import in_transition, thumb
from tests.reference import measures as book
from tests.unit import _scenes as draw
from tests.unit._gallery import GOOD, good
from tests.unit._scenes import INTERPRETED, planes, proxy_of, proxy_of_planes, shrunk

pytestmark = pytest.mark.skipif(INTERPRETED, reason="whole pictures need compiled kernels")

PAIRS = [
    ("village 1", "cartoon 1"),
    ("leaves", "snow 1"),
    ("portrait, dark hair", "balloon"),
    ("night 2", "village 2"),
]


def mixed(*proxies: Proxy) -> float:
    return transitions.mixed(*map(thumb, proxies))


def blend(one: Image.Image, other: Image.Image, share: float) -> Image.Image:
    return Image.blend(one, other, share)


def shifted(picture: Image.Image, across: int) -> Image.Image:
    """Cut so far from the left, of the width that a pan of 60 leaves."""
    return picture.crop((across, 0, across + picture.width - 60, picture.height))


def transition(one: Image.Image, other: Image.Image) -> float:
    return in_transition(proxy_of(shrunk(one)), proxy_of(shrunk(other)))


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("speed", [0.12, 0.2, 0.3])
def test_dissolves_are_seen(pair: tuple[str, str], speed: float) -> None:
    one, other = (good(name) for name in pair)
    for share in (0.25, 0.5):
        early, late = blend(one, other, share), blend(one, other, share + speed)
        assert transition(early, late) >= REJECT
        # ... with both shots moving a little.
        moving = blend(shifted(one, 0), shifted(other, 8), share)
        moved = blend(shifted(one, 4), shifted(other, 4), share + speed)
        assert transition(moving, moved) >= REJECT


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("name", ["village 1", "leaves", "cartoon 1"])
def test_fades_and_flashes_are_seen(name: str, level: int) -> None:
    for gain, later in ((0.7, 0.55), (0.5, 0.3), (1.0, 0.6)):
        frames = [draw.leveled(good(name), g, level * (1 - g)) for g in (gain, later)]
        assert transition(*frames) >= REJECT


@pytest.mark.parametrize("pair", PAIRS[:3])
@pytest.mark.parametrize("axis", [0, 1])
def test_wipes_are_seen(pair: tuple[str, str], axis: int) -> None:
    one, other = (np.asarray(good(name)) for name in pair)
    length = one.shape[axis]
    frames = []
    for share in (0.3, 0.55):
        frame = one.copy()
        part = [slice(None), slice(None)]
        part[axis] = slice(0, int(share * length))
        frame[tuple(part)] = other[tuple(part)]
        frames.append(Image.fromarray(frame))
    assert transition(*frames) >= REJECT


@pytest.mark.parametrize("name", GOOD)
def test_movement_is_no_transition(name: str) -> None:
    picture = good(name)
    still = proxy_of(shrunk(picture))
    assert in_transition(still, still) == 0
    for across in (2, 6, 16):
        assert transition(shifted(picture, 0), shifted(picture, across)) < REJECT
    grainy = [proxy_of(draw.noisy(shrunk(picture), 4, seed)) for seed in (1, 2)]
    assert in_transition(*grainy) < REJECT


def test_a_walker_is_no_transition() -> None:
    scene, man = good("village 1"), good("portrait, dark hair").crop((240, 60, 400, 260))
    frames = []
    for x in (100, 130):
        frame = scene.copy()
        frame.paste(man, (x, 120))
        frames.append(frame)
    assert transition(*frames) < REJECT


@pytest.mark.parametrize("pair", PAIRS)
def test_a_cut_is_no_defect_of_its_frames(pair: tuple[str, str]) -> None:
    one, other = (good(name) for name in pair)
    assert transition(one, other) < REJECT


@settings(max_examples=40)
@given(planes(), st.integers(0, 255))
def test_transition_of_anything(samples: np.ndarray, level: int) -> None:
    one, other = proxy_of_planes(*samples), proxy_of_planes(np.full_like(samples[0], level))
    assert in_transition(one, one) == 0
    assert 0 <= in_transition(one, other) <= 1
    assert 0 <= mixed(one, other, one) <= 1
    assert in_transition(one, proxy_of_planes(np.zeros((99, 1), np.uint8))) == 0


@pytest.mark.parametrize("pair", PAIRS)
def test_mixes_of_both_neighbours_are_seen(pair: tuple[str, str]) -> None:
    one, other = (shrunk(good(name)) for name in pair)
    before, after = proxy_of(one), proxy_of(other)
    for share in (0.2, 0.5, 0.8):
        assert mixed(before, proxy_of(blend(one, other, share)), after) >= REJECT
    for share in (0.0, 0.03, 0.97, 1.0):
        assert mixed(before, proxy_of(blend(one, other, share)), after) < REJECT


def test_other_pictures_are_no_mixes() -> None:
    proxies = {name: proxy_of(shrunk(picture)) for name in GOOD if (picture := good(name))}
    names = list(GOOD)
    for i, name in enumerate(names):
        before, after = proxies[names[i - 1]], proxies[names[i - 2]]
        assert mixed(before, proxies[name], after) < REJECT, (names[i - 1], name, names[i - 2])


def test_who_comes_and_goes_is_no_mix() -> None:
    """The scene stays; only somebody in it differs."""
    scene, man = good("village 1"), good("portrait, dark hair").crop((240, 60, 400, 260))
    frames = []
    for x, y in ((60, 120), (100, 125), (140, 120)):
        frame = scene.copy()
        frame.paste(man, (x, y))
        frames.append(proxy_of(shrunk(frame)))
    assert mixed(frames[0], frames[1], frames[2]) < REJECT


def test_share_and_rest_are_least_squares() -> None:
    """The twin finds the same share: severity is full in the middle and gone at a tenth of it."""
    rng = np.random.default_rng(4)
    a, b = (rng.integers(0, 256, (19, 33)).astype(np.float64) for _ in range(2))
    for share in (0.04, 0.12, 0.3, 0.5):
        picture = np.round(a + share * (b - a))
        found, left = book.mix_share(a, picture, b)
        assert found == pytest.approx(share, abs=0.01)
        assert left < 0.01
        told = mixed(*(proxy_of_planes(p.astype(np.uint8)) for p in (a, picture, b)))
        assert told == pytest.approx(min(1.0, max(0.0, (found - 0.06) / 0.12)), abs=1e-3)
