"""Planted defects are rejected, ordinary pictures are not, and nothing turns over at a touch."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image, ImageOps

from snapengine.model.geometry import Size
from snapengine.scoring.analysis import analyse
from snapengine.scoring.defects import REJECT, defects
from snapengine.scoring.proxy import Proxy, proxy_size
from snapengine.scoring.transitions import in_transition, mixed, thumb
from tests.conftest import real_files, real_media_folder, required
from tests.unit import _scenes as draw
from tests.unit._gallery import BAD, GOOD, Maker, good
from tests.unit._scenes import (
    INTERPRETED,
    planes,
    proxy_of,
    proxy_of_planes,
    shrunk,
)

pytestmark = pytest.mark.skipif(INTERPRETED, reason="whole pictures need compiled kernels")


def judged(picture: Image.Image) -> dict[str, float]:
    return defects(analyse(proxy_of(shrunk(picture))))


@pytest.mark.parametrize("name", GOOD)
def test_ordinary_pictures_are_not_rejected(name: str) -> None:
    told = judged(good(name))
    assert set(told) == set(BAD)
    assert max(told.values()) < REJECT, told


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        pytest.param(kind, make, id=f"{kind}: {name}")
        for kind, several in BAD.items()
        for name, make in several
    ],
)
def test_planted_defects_are_rejected_for_what_they_are(kind: str, make: Maker) -> None:
    told = judged(make())
    assert told[kind] >= REJECT, told


@pytest.mark.parametrize("name", GOOD)
def test_a_touch_turns_nothing_over(name: str) -> None:
    """A little noise, a little gain, one line cut off: severities hardly move."""
    picture = shrunk(good(name))
    told = defects(analyse(proxy_of(picture)))
    for touched in (
        draw.noisy(picture, 1),
        draw.leveled(picture, 0.99, 1),
        picture.crop((0, 0, picture.width, picture.height - 1)),
    ):
        again = defects(analyse(proxy_of(touched)))
        assert max(abs(again[kind] - told[kind]) for kind in told) < 0.25, (told, again)
        assert max(again.values()) < REJECT


def test_fading_out_is_worse_all_along() -> None:
    for level in (0, 128, 255):
        values = []
        for gain in (1, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05):
            told = judged(draw.leveled(good("village 1"), gain, level * (1 - gain)))
            values.append(max(told[k] for k in ("faded", "black", "white", "flat")))
        assert values == sorted(values), values
        assert values[0] < 0.1
        assert values[-1] == 1


def test_blur_is_worse_all_along() -> None:
    for name in ("village 2", "cartoon 1", "leaves", "night 1"):
        values = [judged(draw.blurred(good(name), s))["blurred"] for s in (0, 1, 2, 3, 5, 8)]
        assert values == sorted(values), (name, values)
        assert values[0] < 0.1
        assert values[-1] == 1


@settings(max_examples=60)
@given(planes())
def test_always_between_0_and_1_and_mirrored_alike(samples: np.ndarray) -> None:
    told = defects(analyse(proxy_of_planes(*samples)))
    assert set(told) == set(BAD)
    assert all(0 <= v <= 1 for v in told.values()), told
    for turned in (samples[:, :, ::-1], samples[:, ::-1]):
        mirrored = defects(analyse(proxy_of_planes(*np.ascontiguousarray(turned))))
        assert mirrored == pytest.approx(told, abs=2e-3)


@pytest.mark.parametrize("name", ["village 1", "cartoon 1", "night 1"])
def test_mirrored_scenes_have_the_same_defects(name: str) -> None:
    picture = good(name).resize((319, 179))
    told = defects(analyse(proxy_of(picture)))
    assert defects(analyse(proxy_of(ImageOps.mirror(picture)))) == pytest.approx(told, abs=2e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 3), (1, 57600), (57600, 1)])
def test_sizes_at_the_ends(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for y in (rng.integers(0, 256, size, np.uint8), np.full(size, 90, np.uint8)):
        one = proxy_of_planes(y)
        assert all(0 <= v <= 1 for v in defects(analyse(one)).values())
        assert 0 <= in_transition(one, proxy_of_planes(255 - y)) <= 1
        assert 0 <= mixed(thumb(one), thumb(one), thumb(proxy_of_planes(255 - y))) <= 1


# --- filmed ---------------------------------------------------------------------------------------

#: What keyframes of real files show: nothing to reject ("good"), or one kind of defect.
REAL = {
    "h264_1080p25_bbb_62s.ts": "good",
    "h264_768x432_10fps_139s_faststart.mp4": "good",
    "vp8_1080p60.webm": "good",
    "mkv_h264.mkv": "good",
    "ts_mpeg2_interlaced_576i_sar16x11.ts": "good",
    "mp4_rotate180_720p.mp4": "good",
    "webm_vp9_no_duration_vfr.webm": "black",
    "mov_prores422_1080i.mov": "test_card",
    "h264_odd_321x241_yuv444p.mp4": "test_card",
}


def keyframes(name: str, most: int = 8) -> Iterator[Proxy]:
    """Proxies of keyframes spread over a file, by PyAV alone."""
    with av.open(str(real_media_folder() / name)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        frames = [
            frame.to_image().reduce(max(1, round(frame.width / 640)))
            for frame, _ in zip(container.decode(stream), range(40), strict=False)
        ]
    for image in frames[:: max(1, len(frames) // most)]:
        yield proxy_of(image.resize(proxy_size(Size(*image.size)), Image.Resampling.BOX))


def need(name: str) -> None:
    if real_media_folder() / name not in real_files():
        message = f"{name} is not in {real_media_folder()} (see SNAPENGINE_MEDIA)"
        if required("media"):
            pytest.fail(message)
        pytest.skip(message)


def test_a_film_of_one_take_goes_out_of_focus() -> None:
    """A bird comes too near to the camera: of five keyframes the last is blurred by motion."""
    name = "h264_720p20_live_14s.mp4"
    need(name)
    told = [defects(analyse(proxy)) for proxy in keyframes(name)]
    assert [t["blurred"] >= REJECT for t in told] == [False, False, False, False, True]
    assert all(max(t.values()) < REJECT for t in told[:4])


@pytest.mark.parametrize("name", REAL)
def test_real_frames(name: str) -> None:
    need(name)
    found = 0
    for proxy in keyframes(name):
        found += 1
        told = defects(analyse(proxy))
        if REAL[name] == "good":
            assert max(told.values()) < REJECT, told
        else:
            assert told[REAL[name]] >= REJECT, told
    assert found
