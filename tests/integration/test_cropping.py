"""A clean aperture (MP4) or cropping (Matroska) is what a player shows; nothing hidden leaks in."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import snapengine
from tests.reference.boxes import grown

#: Coded 160x96: 16 columns of red left, 8 right, 4 lines above and 12 below hide a grey picture.
LEFT, RIGHT, TOP, BOTTOM = 16, 8, 4, 12
WIDTH, HEIGHT = 160, 96
INNER = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)


def framed() -> Any:
    rgb = np.full((HEIGHT, WIDTH, 3), (230, 20, 20), np.uint8)
    inner = rgb[TOP : HEIGHT - BOTTOM, LEFT : WIDTH - RIGHT]
    inner[:] = np.linspace(60, 200, INNER[0], dtype=np.uint8)[None, :, None]
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv444p")


def encoded(path: Path, sar: Fraction = Fraction(1)) -> None:
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25, options={"qp": "0", "profile": "high444"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        stream.sample_aspect_ratio = sar
        for number in range(4):
            frame = framed()
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def cropped_mp4(tmp_path: Path, sar: Fraction = Fraction(1)) -> bytes:
    encoded(tmp_path / "a.mp4", sar)
    x, y = Fraction(LEFT - RIGHT, 2), Fraction(TOP - BOTTOM, 2)
    clap = struct.pack(
        ">I4s8i", 40, b"clap", INNER[0], 1, INNER[1], 1,
        x.numerator, x.denominator, y.numerator, y.denominator,
    )  # fmt: skip
    path = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
    return grown((tmp_path / "a.mp4").read_bytes(), path, clap)


def cropped_mkv(tmp_path: Path) -> bytes:
    """The four elements take the place of the writer's name, which nobody needs."""
    encoded(tmp_path / "a.mkv")
    data = (tmp_path / "a.mkv").read_bytes()
    sides = ((0x54CC, LEFT), (0x54DD, RIGHT), (0x54BB, TOP), (0x54AA, BOTTOM))
    crop = b"".join(kind.to_bytes(2, "big") + b"\x81" + bytes((value,)) for kind, value in sides)
    # Inside of Video (0xE0), behind PixelHeight: shift by shrinking a Void of the track list is
    # not to be had, so the whole Segment is written with an unknown size.
    at = data.find(b"\xba\x81" + bytes((HEIGHT,))) + 3
    video = data.rfind(b"\xe0", 0, at)
    entry = data.rfind(b"\xae", 0, video)
    tracks = data.rfind(b"\x16\x54\xae\x6b", 0, entry)
    segment = data.find(b"\x18\x53\x80\x67")
    out = bytearray(data)
    for start, length in ((video, 1), (entry, 1), (tracks, 4)):
        size = start + length
        width = 9 - out[size].bit_length()
        value = int.from_bytes(out[size : size + width], "big") + len(crop)
        out[size : size + width] = value.to_bytes(width, "big")
    out[segment + 4 : segment + 12] = b"\x01" + b"\xff" * 7
    out[at:at] = crop
    return bytes(out)


def check(data: bytes, width: int, height: int) -> None:
    with snapengine.open(data) as video:
        assert video.info.crop == (LEFT, TOP, *INNER)
        assert (video.info.width, video.info.height) == (width, height)
        assert (video.info.coded_width, video.info.coded_height) == (WIDTH, HEIGHT)
        for asked in ({}, {"width": width // 2}, {"width": 40, "height": 40, "fit": "cover"}):
            rgb = video.snapshot(0.04, **asked).to_ndarray().astype(int)
            # No red anywhere, not even at the rim.
            assert np.ptp(rgb, axis=2).max() <= 3, asked
        whole = video.snapshot(0.04).to_ndarray()
        assert whole.shape == (height, width, 3)
        assert abs(int(whole[height // 2, 0, 0]) - 60) <= 3
        assert abs(int(whole[height // 2, -1, 0]) - 200) <= 3
        sheet = video.sprite(count=2, cell=(48, None), columns=2, rows=1)
        page = sheet.pages[0].to_ndarray().astype(int)
        assert np.ptp(page, axis=2).max() <= 6


def test_clean_aperture(tmp_path: Path) -> None:
    check(cropped_mp4(tmp_path), *INNER)


def test_clean_aperture_comes_before_pixel_shape(tmp_path: Path) -> None:
    check(cropped_mp4(tmp_path, Fraction(3, 2)), INNER[0] * 3 // 2, INNER[1])


def test_matroska_cropping(tmp_path: Path) -> None:
    check(cropped_mkv(tmp_path), *INNER)


def test_without_the_box_all_is_shown(tmp_path: Path) -> None:
    encoded(tmp_path / "a.mp4")
    with snapengine.open(tmp_path / "a.mp4") as video:
        assert video.info.crop is None
        assert video.snapshot(0).to_ndarray()[2, 2] == pytest.approx((230, 20, 20), abs=4)
