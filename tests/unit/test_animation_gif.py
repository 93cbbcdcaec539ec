"""GIF: colours, dithering and times, decoded by libavcodec and read from the blocks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from snapengine.errors import InvalidOption
from snapengine.outputs import animation_gif
from snapengine.outputs.animation import encode_animation
from tests.unit._animations import U8, by_libav, by_pillow, flat, gif_delays, psnr, scene, smooth

GOOD = [flat((1, 2, 3)), flat((41, 52, 63))]


def test_two_decoders_agree_on_a_gif() -> None:
    cut = [*scene(6), *scene(6, seed=9), *[255 - f for f in scene(4, seed=2)]]
    data = encode_animation(cut, [40] * 16, "gif")
    assert data.count(b"\x21\xf9\x04") == 16
    for a, b in zip(by_pillow(data)[0], by_libav(data)[0], strict=True):
        np.testing.assert_array_equal(a, b)


# -- GIF: colours ---------------------------------------------------------------------------


def test_few_colours_are_exact() -> None:
    near = [(254, 255, 255), (255, 255, 255), (255, 254, 255), (0, 0, 1), (0, 0, 0), (7, 7, 7)]
    picture = np.array(near, np.uint8)[np.random.default_rng(0).integers(0, 6, (31, 45))]
    shifted = np.roll(picture, 11, 1)
    frames, _ = by_libav(encode_animation([picture, shifted], [50, 50], "gif", quality=100))
    np.testing.assert_array_equal(frames[0], picture)
    np.testing.assert_array_equal(frames[1], shifted)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 127, 128, 254, 255, 256, 257])
def test_tables_of_every_size(count: int) -> None:
    """Also at 2, 4, ... 256, where the index for "as it was" needs another bit."""
    values = np.arange(count, dtype=np.int64) * 64997 % (1 << 24)
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], -1).astype(np.uint8)
    picture = np.resize(colours, (20, 30, 3))
    later = picture.copy()
    later[3:9, 5:11] = picture[0, 0]
    data = encode_animation([picture, later], [50, 50], "gif", quality=100)
    frames, _ = by_libav(data)
    for seen, true in zip(frames, [picture, later], strict=False):
        if count <= 255:
            np.testing.assert_array_equal(seen, true)
        else:
            assert psnr(seen, true) > 20
    assert len(frames) == (1 if count == 1 else 2)


def test_a_cut_brings_its_own_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    def tinted(channel: int, seed: int) -> list[U8]:
        out = []
        for frame in scene(5, 160, 96, seed):
            tint = np.clip(frame // 3 + 10, 0, 255)
            tint[..., channel] = frame[..., channel] // 2 + 120
            out.append(tint.astype(np.uint8))
        return out

    cut = [*tinted(0, 5), *tinted(1, 6), *tinted(2, 7)]

    def mean_psnr() -> float:
        seen, _ = by_libav(encode_animation(cut, [50] * 15, "gif"))
        return float(np.mean([psnr(s, w) for s, w in zip(seen, cut, strict=True)]))

    ours = mean_psnr()
    monkeypatch.setattr(animation_gif, "_ALIKE", 0.0)
    assert ours > mean_psnr() + 1


def test_a_long_shot_is_written_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = scene(12)
    for i, frame in enumerate(wanted):
        frame[-2:, -2:] = 20 * i  # so that what changes spans nearly all
    most = 0
    real = animation_gif._Gif._write

    def counted(self: Any, waiting: list[Any]) -> None:
        nonlocal most
        most = max(most, len(waiting))
        real(self, waiting)

    monkeypatch.setattr(animation_gif._Gif, "_write", counted)
    monkeypatch.setattr(animation_gif, "_WAITING", 4 * wanted[0].nbytes)
    frames, _ = by_libav(encode_animation(wanted, [50] * 12, "gif"))
    assert most <= 5
    for seen, true in zip(frames, wanted, strict=True):
        assert psnr(seen, true) > 29
    # New colours are no reason to write again what is still.
    for seen in frames[1:]:
        np.testing.assert_array_equal(seen[44:62], frames[0][44:62])


def test_the_pattern_of_dithering_is_fixed_to_the_picture() -> None:
    """What comes back is as it was, wherever the rectangle begins that it is written in."""
    before = smooth(64, 48)
    other = before.copy()
    other[5:30, 3:40] = 255 - other[5:30, 3:40]
    frames, _ = by_libav(encode_animation([before, other, before], [50] * 3, "gif"))
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > 255
    np.testing.assert_array_equal(frames[2], frames[0])


def test_dithering_has_the_right_mean_and_is_still() -> None:
    ramp = np.linspace(0, 255, 256)
    picture = np.zeros((128, 256, 3), np.uint8)
    picture[..., 0], picture[..., 1] = ramp[None], ramp[:128, None] * 2
    picture[..., 2] = (picture[..., 0].astype(int) + picture[..., 1]) // 2
    moving = picture.copy()
    moving[:8, :8] = 255
    frames, _ = by_libav(encode_animation([picture, moving], [50, 50], "gif"))

    def boxes(x: U8) -> np.ndarray:
        return x.reshape(16, 8, 32, 8, 3).astype(float).mean((1, 3))

    nearest = Image.fromarray(picture).quantize(255, dither=Image.Dither.NONE).convert("RGB")
    ours = np.abs(boxes(frames[0]) - boxes(picture)).mean()
    assert ours < 0.6 * np.abs(boxes(np.asarray(nearest)) - boxes(picture)).mean()
    np.testing.assert_array_equal(frames[0][8:], frames[1][8:])


# -- times and sizes ------------------------------------------------------------------------


@given(
    rate=st.one_of(st.integers(1, 50), st.fractions(1, 50, max_denominator=1001)),
    count=st.integers(1, 60),
)
@settings(max_examples=40)
def test_times_of_a_gif_end_within_half_a_hundredth(rate: int | Fraction, count: int) -> None:
    each = Fraction(1000) / rate
    pictures = [flat((i, 2 * i, 255 - i), 2, 1) for i in range(0, 4 * count, 4)]
    delays = gif_delays(encode_animation(pictures, [each] * count, "gif", quality=100))
    assert len(delays) == count
    assert min(delays) >= 2
    for number, end in enumerate(np.cumsum(delays).tolist(), 1):
        assert abs(end * 10 - each * number) <= 5


def test_a_gif_is_not_faster_than_browsers() -> None:
    with pytest.raises(InvalidOption, match=r"20 to 60000 milliseconds, not 19\.9"):
        encode_animation(GOOD, [20, 19.9], "gif")
    assert gif_delays(encode_animation(GOOD, [20, 20], "gif")) == [2, 2]


def test_the_longest_gif_line_is_decoded_again() -> None:
    wanted = np.resize(smooth(255, 1), (1, 65535, 3))
    assert np.asarray(by_pillow(encode_animation([wanted], [50], "gif"))[0]).shape[2] == 65535
