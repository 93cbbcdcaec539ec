"""Animated GIF, WebP and AVIF, decoded again: frames, times, colours, size, and what is refused."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from snapengine.errors import (
    BackendMissing,
    EncodeError,
    InvalidOption,
    LayoutTooLarge,
    SourceTimeout,
)
from snapengine.outputs import animation as module
from snapengine.outputs import animation_frames
from snapengine.outputs.animation import (
    ANIMATION_FORMATS,
    ANIMATION_MEDIA_TYPES,
    AnimationFormat,
    animation_format_of,
    check_animation,
    encode_animation,
)
from tests.unit._animations import (
    U8,
    by_libav,
    by_pillow,
    decoded,
    fade,
    flat,
    gif_delays,
    psnr,
    scene,
    shown_at,
    smooth,
)

# -- what comes out -------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "least"), [("gif", 30), ("webp", 29), ("avif", 29)])
def test_a_moving_scene_is_shown_frame_by_frame(kind: AnimationFormat, least: float) -> None:
    wanted = scene(12)
    frames, times = decoded(encode_animation(wanted, [100] * 12, kind), kind)
    assert len(frames) == 12
    assert sum(times) == 1200 and set(times) == {100}
    for number, (seen, true) in enumerate(zip(frames, wanted, strict=True)):
        assert psnr(seen, true) > least, number
    # The square is where it was, not where it had been.
    assert psnr(frames[11], wanted[0]) < 25


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 2), (33, 17), (64, 48), (321, 241)])
def test_every_size(kind: AnimationFormat, size: tuple[int, int]) -> None:
    width, height = size
    wanted = [flat((250, 20, 20), *size), flat((20, 20, 250), *size), smooth(*size)]
    frames, times = decoded(encode_animation(wanted, [50, 60, 70], kind), kind)
    assert [f.shape for f in frames] == [(height, width, 3)] * 3
    assert times[:2] == [50, 60]
    for seen, true in zip(frames[:2], wanted[:2], strict=True):
        # Chroma of video range or quantisation: a few levels.
        assert np.abs(seen.astype(int) - true).max() <= (0 if kind == "gif" else 12)


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
def test_one_frame(kind: AnimationFormat) -> None:
    wanted = smooth(40, 30)
    for source in ([wanted], [wanted, wanted, wanted.copy()][: 1 if kind == "avif" else 3]):
        data = encode_animation(source, [40] * len(source), kind)
        frames, _ = by_pillow(data)
        assert len(frames) == 1
        assert psnr(frames[0], wanted) > 28


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_frames_that_do_not_differ_are_one_for_all_their_time(kind: AnimationFormat) -> None:
    a, b = smooth(48, 32, 1), smooth(48, 32, 2)
    frames, times = decoded(encode_animation([a, a, a, b, b, a], [40] * 6, kind), kind)
    assert len(frames) == 3
    assert times[:2] == [120, 80]


def test_repeated_frames_of_an_avif_cost_next_to_nothing() -> None:
    a, b = smooth(48, 32, 1), smooth(48, 32, 2)
    few, many = [a, b], [a] * 10 + [b] * 10
    data = encode_animation(many, [40] * 20, "avif")
    assert len(by_pillow(data)[0]) == 20
    assert len(data) < len(encode_animation(few, [400] * 2, "avif")) + 18 * 60


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_noise_below_the_tolerance_is_not_written(kind: AnimationFormat) -> None:
    ground, rng = smooth(48, 32), np.random.default_rng(0)
    noisy = [
        np.clip(ground + rng.integers(-1, 2, ground.shape), 0, 255).astype(np.uint8)
        for _ in range(9)
    ]
    data = encode_animation(noisy, [50] * 9, kind)
    assert len(by_pillow(data)[0]) == 1
    assert len(data) < 1.1 * len(encode_animation(noisy[:1], [50], kind)) + 100
    # All of it at quality 100.
    assert len(by_pillow(encode_animation(noisy, [50] * 9, kind, quality=100))[0]) == 9


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
def test_a_slow_fade_arrives(kind: AnimationFormat) -> None:
    """libwebp's animation encoder would show the first frame all along: 15 dB at the end."""
    wanted = fade(60)
    data = encode_animation(wanted, [40] * 60, kind)
    frames, times = by_pillow(data)
    assert sum(times) == 2400
    for number, true in enumerate(wanted):
        assert psnr(shown_at(frames, times, number * 40 + 20), true) > 30, number


def test_no_lines_at_the_edges_of_what_a_webp_leaves_out() -> None:
    """Where colours under transparency are not kept around what is seen, the codec's deblocking
    mixes them into it: lines of 30 to 50 levels instead of 15 at most."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(110, 146, (33, 61), dtype=np.uint8)
    grain = Image.fromarray(coarse).resize((240, 128), Image.Resampling.BICUBIC)
    ground = np.asarray(grain).astype(np.int64) + np.linspace(-90, 90, 240).astype(int)
    frames = []
    for i in range(10):
        blinking = np.kron(rng.random((16, 30)) < 0.3, np.ones((8, 8), np.int64))
        grey = np.clip(ground + 12 * (i % 2) * blinking, 0, 255).astype(np.uint8)
        frames.append(grey[..., None].repeat(3, 2))
    data = encode_animation(frames, [50] * 10, "webp")
    assert b"ALPH" in data and data[20] & 0x10
    for seen, true in zip(by_pillow(data)[0], frames, strict=True):
        assert np.abs(seen.astype(int) - true).max() <= 22
        assert psnr(seen, true) > 38


def test_avif_is_a_real_sequence_for_another_decoder() -> None:
    wanted = scene(8)
    data = encode_animation(wanted, [80] * 8, "avif")
    assert data[4:12] == b"ftypavis"
    frames, times = by_libav(data)
    assert times[:-1] == [80] * 7
    for seen, true in zip(frames, wanted, strict=True):
        # Chroma is not interpolated here, and a neighbouring frame would have 25 dB.
        assert psnr(seen, true) > 27


# -- times ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["webp", "avif"])
def test_times_in_milliseconds(kind: AnimationFormat) -> None:
    wanted = [smooth(16, 16, i) for i in range(30)]
    frames, times = by_pillow(encode_animation(wanted, [1000 / 24] * 30, kind))
    assert len(frames) == 30
    assert set(times) == {41, 42} and sum(times) == 1250


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
def test_a_still_longer_than_a_frame_may_be(kind: AnimationFormat) -> None:
    """25 minutes: more than the 16 bits of a GIF's delay, so it is divided."""
    data = encode_animation([smooth(8, 8)] * 25, [60_000] * 25, kind)
    assert sum(by_pillow(data)[1]) == 1_500_000
    if kind == "gif":
        assert sum(gif_delays(data)) == 150_000
    # Not the same, but to be shown so.
    near = [np.full((8, 8, 3), 100 + i % 2, np.uint8) for i in range(25)]
    assert sum(by_pillow(encode_animation(near, [60_000] * 25, kind))[1]) == 1_500_000


@pytest.mark.parametrize(
    ("kind", "loop", "wanted"),
    [("gif", 0, 0), ("gif", 1, None), ("gif", 2, 1), ("gif", 65535, 65534)]
    + [("webp", n, n) for n in (0, 1, 2, 65535)],
)
def test_loop_counts_how_often_it_is_played(
    kind: AnimationFormat, loop: int, wanted: int | None
) -> None:
    data = encode_animation([flat((0, 0, 0)), flat((9, 99, 9))], [50, 50], kind, loop=loop)
    at = data.find(b"NETSCAPE2.0\x03\x01" if kind == "gif" else b"ANIM")
    if wanted is None:
        assert at == -1
    else:
        assert struct.unpack_from("<H", data, at + (13 if kind == "gif" else 12))[0] == wanted


def test_a_webp_says_what_it_is() -> None:
    data = encode_animation(scene(3), [50] * 3, "webp")
    assert data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X"
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    assert bool(data[20] & 0x10) == (b"ALPH" in data) and data[20] & 0x02
    assert int.from_bytes(data[24:27], "little") == 95
    assert int.from_bytes(data[27:30], "little") == 63


# -- size and sameness ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
def test_quality_is_bytes_and_the_default_is_documented(kind: AnimationFormat) -> None:
    wanted = scene(5)
    sizes = [len(encode_animation(wanted, [80] * 5, kind, quality=q)) for q in (1, 40, 100)]
    assert sizes == sorted(set(sizes))
    default = {"gif": 75, "webp": 75, "avif": 60}[kind]
    assert encode_animation(wanted, [80] * 5, kind) == encode_animation(
        wanted, [80] * 5, kind, quality=default
    )


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_still_areas_cost_nothing(kind: AnimationFormat) -> None:
    one = len(encode_animation(scene(1, 192, 128), [80], kind))
    many = len(encode_animation(scene(12, 192, 128), [80] * 12, kind))
    assert many < 2.5 * one


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
def test_same_bytes_from_any_kind_of_input(kind: AnimationFormat) -> None:
    wanted = scene(5)
    data = encode_animation(wanted, [80] * 5, kind)
    assert encode_animation(iter(wanted), iter([80.0] * 5), kind) == data
    wide = [np.repeat(f, 2, 1)[:, ::2][::-1][::-1] for f in wanted]
    assert not wide[0].flags.c_contiguous
    assert encode_animation(wide, [Fraction(80)] * 5, kind) == data

    def reused() -> Iterator[U8]:
        buffer = np.empty_like(wanted[0])
        for frame in wanted:
            buffer[:] = frame
            yield buffer
            buffer[:] = 0

    assert encode_animation(reused(), [80] * 5, kind) == data
    for frame in wanted:
        frame.flags.writeable = False
    assert encode_animation(wanted, [80] * 5, kind) == data


def test_an_avif_does_not_tell_when_it_was_made() -> None:
    data = encode_animation(scene(3), [80] * 3, "avif")
    for name in (b"mvhd", b"tkhd", b"mdhd"):
        assert data.count(name) == 1
        at = data.index(name) + 4
        length = 16 if data[at] else 8
        assert data[at + 4 : at + 4 + length] == bytes(length), name
        # What follows is not: a time scale or the number of the track.
        assert any(data[at + 4 + length : at + 8 + length])


@pytest.mark.parametrize("kind", ["webp", "avif"])
def test_frames_are_taken_one_by_one(kind: AnimationFormat) -> None:
    """Nothing is collected first: the encoder has worked before the last frame is asked for."""
    events: list[str] = []
    real: Callable[..., Any] = Image.Image.tobytes if kind == "avif" else Image.Image.save

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kind == "webp" or self.size == (96, 64):
            events.append("encode")
        return real(self, *args, **kwargs)

    def frames() -> Iterator[U8]:
        for frame in scene(10):
            events.append("frame")
            yield frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "tobytes" if kind == "avif" else "save", watched)
        encode_animation(frames(), [80] * 10, kind)
    first = events.index("encode")
    assert events[:first].count("frame") <= 3
    assert events.count("encode") >= 10


# -- what is refused ------------------------------------------------------------------------


GOOD = [flat((1, 2, 3)), flat((41, 52, 63))]


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "at least one frame"),
        ([flat((0, 0, 0)), flat((0, 0, 0), 23)], "24x16, then 23x16"),
        ([np.zeros((4, 4), np.uint8)], "not uint8 of shape"),
        ([np.zeros((4, 4, 4), np.uint8)], "not uint8 of shape"),
        ([np.zeros((4, 4, 3), np.uint16)], "not uint16 of shape"),
        ([np.zeros((0, 4, 3), np.uint8)], r"\(0, 4, 3\)"),
    ],
)
def test_wrong_frames(kind: AnimationFormat, frames: list[U8], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        encode_animation(frames, [50] * len(frames), kind)


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
@pytest.mark.parametrize(
    ("durations", "words"),
    [
        ([50], "fewer durations"),
        ([50, 50, 50], "more durations"),
        ([50, 0], "not 0"),
        ([50, -1], "not -1"),
        ([float("nan"), 50], "not nan"),
        ([50, float("inf")], "not inf"),
        ([50, 60_001], "not 60001"),
        ([50, True], "not True"),
        (["50", 50], "not '50'"),
    ],
)
def test_wrong_durations(kind: AnimationFormat, durations: Iterable[Any], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        encode_animation(GOOD, durations, kind)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quality": 0}, "1 to 100, not 0"),
        ({"quality": 101}, "101"),
        ({"quality": 7.5}, "whole number, not 7.5"),
        ({"quality": True}, "not True"),
        ({"loop": -1}, "0 to 65535, not -1"),
        ({"loop": 65536}, "65536"),
        ({"loop": "2"}, "not '2'"),
    ],
)
def test_wrong_options(options: dict[str, Any], words: str) -> None:
    def never() -> Iterator[U8]:
        raise AssertionError("frames were asked for")
        yield

    for kind in ANIMATION_FORMATS:
        with pytest.raises(InvalidOption, match=words):
            encode_animation(never(), [50], kind, **options)
    with pytest.raises(InvalidOption, match="gif, webp, avif, not 'apng'"):
        encode_animation(never(), [50], "apng")  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="for ever"):
        encode_animation(never(), [50], "avif", loop=3)


@pytest.mark.parametrize(("kind", "side"), [("gif", 65535), ("webp", 16383), ("avif", 32768)])
def test_sides(kind: AnimationFormat, side: int) -> None:
    assert check_animation(kind, side, 1) > 0
    with pytest.raises(LayoutTooLarge, match=str(side)) as caught:
        check_animation(kind, 1, side + 1)
    assert caught.value.context["seen"] == side + 1
    with pytest.raises(LayoutTooLarge):
        encode_animation([np.zeros((side + 1, 1, 3), np.uint8)], [50], kind)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("cover.gif", "gif"),
        ("out/Cover.WEBP", "webp"),
        (".avif", "avif"),
        ("a.b.GiF", "gif"),
        (PurePosixPath("x/y.webp"), "webp"),
        ("C:\\clips.d\\a.gif", "gif"),
    ],
)
def test_format_by_suffix(path: Any, kind: str) -> None:
    assert animation_format_of(path) == kind


@pytest.mark.parametrize(
    "path", ["", "gif", "cover", "cover.png", "a.gif/cover", "cover.gif.", "."]
)
def test_format_unknown(path: str) -> None:
    with pytest.raises(InvalidOption, match=r"\.gif, \.webp, \.avif") as caught:
        animation_format_of(path)
    assert repr(path) in str(caught.value) and caught.value.context["value"] == path


def test_media_types() -> None:
    for kind in ANIMATION_FORMATS:
        data = encode_animation(GOOD, [50, 50], kind)
        assert Image.open(io.BytesIO(data)).get_format_mimetype() == ANIMATION_MEDIA_TYPES[kind]


# -- what goes wrong on the way ------------------------------------------------------------


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
@pytest.mark.parametrize("after", [0, 1, 2, 5])
@pytest.mark.parametrize(
    "error",
    [SourceTimeout("slow"), ValueError("v"), EOFError(), RuntimeError(), KeyboardInterrupt()],
)
def test_errors_of_the_frames_come_through(
    kind: AnimationFormat, after: int, error: BaseException
) -> None:
    def failing() -> Iterator[U8]:
        yield from scene(after)
        raise error

    with pytest.raises(type(error)) as caught:
        encode_animation(failing(), [50] * 9, kind)
    assert caught.value is error


@pytest.mark.parametrize("kind", ANIMATION_FORMATS)
def test_errors_of_pillow_are_ours(kind: AnimationFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    native = OSError("encoder error -2")

    def broken(*_args: object, **_options: object) -> None:
        raise native

    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(EncodeError, match=f"{kind.upper()} of 24x16: encoder error -2") as caught:
        encode_animation(GOOD, [50, 50], kind)
    assert caught.value.__cause__ is native and caught.value.stage == "encode"


def test_pillow_without_a_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda _feature: False)
    for kind in ("webp", "avif"):
        with pytest.raises(BackendMissing, match=kind.upper()):
            encode_animation(GOOD, [50, 50], kind)
    assert encode_animation(GOOD, [50, 50], "gif")


def test_tolerance_is_four_levels_by_default() -> None:
    assert [animation_frames.tolerance_of(q) for q in (1, 50, 75, 100)] == [16, 8, 4, 0]
    assert module.DEFAULT_QUALITY["gif"] == module.DEFAULT_QUALITY["webp"] == 75
