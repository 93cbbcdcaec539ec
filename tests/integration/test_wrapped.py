"""Films inside of other files: motion photos of phones, animated WebP."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import snapengine
from snapengine.errors import LimitExceeded, SnapError
from tests.integration.common import check_shot
from tests.media.atlas import recipe
from tests.media.oracle import Truth
from tests.media.recipes import build

FILM = "h264-mp4-faststart"


def photo(xmp: bytes = b"") -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(3).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(noise).save(out, "JPEG", xmp=xmp) if xmp else Image.fromarray(noise).save(
        out, "JPEG"
    )
    return out.getvalue()


def film() -> bytes:
    return build(recipe(FILM)).read_bytes()


def micro_video() -> bytes:
    body = film()
    return photo(b'<x GCamera:MicroVideo="1" GCamera:MicroVideoOffset="%d"/>' % len(body)) + body


def motion_photo() -> bytes:
    body = film()
    item = b'<c Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="%d"/>' % len(body)
    return photo(item) + body


def samsung() -> bytes:
    return photo() + bytes(24) + b"MotionPhoto_Data" + film() + b"SEFT-trailer"


def heif() -> bytes:
    body = film()
    head = struct.pack(">I4s", 24, b"ftyp") + b"heic" + bytes(4) + b"mif1heic"
    return (
        head + struct.pack(">I4s", 108, b"meta") + bytes(100)
        + struct.pack(">I4s", 8 + len(body), b"mpvd") + body
    )  # fmt: skip


@pytest.mark.parametrize("make", [micro_video, motion_photo, samsung, heif])
def test_motion_photo_is_its_film(make: Any) -> None:
    truth = Truth.of(build(recipe(FILM)))
    with snapengine.open(make()) as video:
        assert (video.info.codec, video.info.width) == ("h264", 160)
        for frame in (truth.frames[0], truth.frames[23], truth.frames[-1]):
            shot = video.snapshot(truth.time_of(frame))
            check_shot(truth, shot, frame)
        assert len(video.sprite(count=4).cells) == 4


@pytest.mark.parametrize("lie", [b"0", b"1", b"999999999999"])
def test_a_lying_offset_does_not_hide_the_film(lie: bytes) -> None:
    data = photo(b'<x GCamera:MicroVideoOffset="' + lie + b'"/>') + film()
    with snapengine.open(data) as video:
        assert video.snapshot(0).exact


def test_a_photo_alone_is_one_picture() -> None:
    with snapengine.open(photo()) as video:
        assert video.info.codec == "mjpeg"
        assert video.snapshot(0).pts == video.snapshot(9).pts


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_photos_with_anything_behind_them_end(before: bytes, behind: bytes) -> None:
    for data in (
        photo() + before + b"\0\0\0\x18ftypmp42" + behind,
        struct.pack(">I4s", 24, b"ftyp") + b"heic" + before + b"\0\0\0\x40mpvd" + behind,
        b"RIFF\x10\0\0\0WEBPVP8X\x0a\0\0\0\x02" + behind,
    ):
        try:
            with snapengine.open(data) as video:
                assert video.snapshot(0).width
        except SnapError:
            pass


# -- animated WebP --------------------------------------------------------------------------

LENGTHS = [100, 40, 250, 100, 10]


def pages() -> list[np.ndarray]:
    """RGBA: a square that moves over a transparent ground and changes colour."""
    made = []
    for number in range(len(LENGTHS)):
        page = np.zeros((36, 50, 4), np.uint8)
        page[8:24, 4 + 6 * number : 20 + 6 * number] = (40 * number, 200, 90, 255)
        made.append(page)
    return made


def animation() -> bytes:
    first, *rest = [Image.fromarray(page) for page in pages()]
    out = io.BytesIO()
    # Not lossless: Pillow then forgets to say that there is alpha.
    first.save(out, "WEBP", save_all=True, append_images=rest, duration=LENGTHS, quality=100)
    return out.getvalue()


def test_animated_webp_is_a_video() -> None:
    with snapengine.open(animation()) as video:
        assert (video.info.container, video.info.codec) == ("webp", "webp")
        assert video.info.duration == pytest.approx(sum(LENGTHS) / 1000)
        assert video.info.has_alpha
        now = 0
        for number, (page, length) in enumerate(zip(pages(), LENGTHS, strict=True)):
            for at in (now / 1000, (now + length / 2) / 1000):
                shot = video.snapshot(at)
                assert shot.exact
                assert shot.time == pytest.approx(now / 1000), number
                rgba = shot.to_ndarray(alpha=True)
                assert np.array_equal(rgba[..., 3], page[..., 3])
                shown = page[..., 3] > 0
                assert np.abs(rgba[shown].astype(int) - page[shown]).mean() < 6
            now += length
        assert video.snapshot(99).pts == video.snapshot(0.499).pts
        assert len(video.sprite(count=5, color="white").cells) == 5


def test_animated_webp_obeys_limits() -> None:
    with pytest.raises(LimitExceeded, match="max_pixels"):
        snapengine.open(animation(), limits=snapengine.Limits(max_pixels=100))
    with pytest.raises(LimitExceeded, match="deadline"):
        snapengine.open(animation(), limits=snapengine.Limits(deadline_seconds=1e-9))


@given(st.data())
def test_damaged_webp_is_an_error_or_a_picture(data: st.DataObject) -> None:
    whole = animation()
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        with snapengine.open(bytes(broken)) as video:
            video.snapshot(0.1)
    except SnapError:
        pass
