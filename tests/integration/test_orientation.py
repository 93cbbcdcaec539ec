"""All eight orientations, alone and with pixel shape, through real files and every fit."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import snapengine
from tests.reference import colour, resize
from tests.unit._frames import EIGHT, oriented

#: a, b, c, d of x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 8.3.2), by what a player does:
#: mirror left-right, then turn clockwise.
MATRICES = {
    (0, False): (1, 0, 0, 1),
    (90, False): (0, 1, -1, 0),
    (180, False): (-1, 0, 0, -1),
    (270, False): (0, -1, 1, 0),
    (0, True): (-1, 0, 0, 1),
    (90, True): (0, -1, -1, 0),
    (180, True): (1, 0, 0, -1),
    (270, True): (0, 1, 1, 0),
}

#: Letters without any symmetry, and colours to tell sides apart.
GLYPHS = (
    ("####.", "#....", "###..", "#....", "#...."),
    ("#..#.", "#.#..", "##...", "#.#..", "#..##"),
)


def arrows(width: int, height: int) -> np.ndarray:
    """R, G, B (height, width, 3): an F and a K on a ground that grows right and down."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rgb = np.stack([40 + 90 * x / width, 40 + 90 * y / height, np.full_like(x, 60)], axis=-1)
    step = min(width, height) // 12
    for glyph, (left, top), ink in zip(
        GLYPHS, ((0.15, 0.1), (0.55, 0.5)), ((230, 220, 60), (240, 80, 200)), strict=True
    ):
        for row, line in enumerate(glyph):
            for column, mark in enumerate(line):
                if mark == "#":
                    a, b = int(top * height) + row * step, int(left * width) + column * step
                    rgb[a : a + step, b : b + step] = ink
    return np.rint(rgb).astype(np.uint8)


def write(
    path: Path, size: tuple[int, int], pix_fmt: str, sar: Fraction, turn: tuple[int, bool]
) -> bytes:
    width, height = size
    picture = av.VideoFrame.from_ndarray(arrows(width, height), format="rgb24")
    picture = picture.reformat(format=pix_fmt, dst_colorspace="ITU601")
    with av.open(str(path), "w") as out:
        profile = {"yuv420p": "high", "yuv444p": "high444"}[pix_fmt]
        stream: Any = out.add_stream("libx264", rate=25, options={"qp": "1", "profile": profile})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.sample_aspect_ratio = sar
        stream.codec_context.colorspace = 5
        for number in range(3):
            picture.pts = number
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd")
    assert data[at + 4] == 0  # version 0: the matrix lies 40 bytes behind
    a, b, c, d = (v * 65536 for v in MATRICES[turn])
    struct.pack_into(">9i", data, at + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return bytes(data)


def decoded(data: bytes, tmp_path: Path) -> np.ndarray:
    """The first frame in R'G'B' by the formulas, not turned: (height, width, 3), not rounded."""
    path = tmp_path / "plain.mp4"
    path.write_bytes(data)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    planes = []
    for plane in frame.planes[:3]:
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        planes.append(rows[:, : plane.width])
    y, *chroma = planes
    if chroma[0].shape != y.shape:
        chroma = [
            colour.blend(colour.blend(c, 1, y.shape[1], -1), 0, y.shape[0], 0) for c in chroma
        ]
    return np.moveaxis(colour.to_rgb(y, *chroma, 8, False, "bt601"), 0, -1).clip(0, 255)


def scaled(
    rgb: np.ndarray, crop: tuple[float, float, float, float], width: int, height: int
) -> np.ndarray:
    x, y = (crop[0], crop[2], width), (crop[1], crop[3], height)
    planes = [resize.resample(rgb[..., i], x, y) for i in range(3)]
    return np.stack(planes, axis=-1).clip(0, 255)


def fitted(
    rgb: np.ndarray, shown: tuple[int, int], box: tuple[int, int], fit: str
) -> tuple[np.ndarray, tuple[int, int]]:
    """An upright picture, of which ``shown`` is the size with square pixels, in a box."""
    (w, h), (bw, bh), (sh, sw) = shown, box, rgb.shape[:2]
    if fit == "stretch":
        return scaled(rgb, (0, 0, sw, sh), bw, bh), (0, 0)
    scale = (min if fit == "contain" else max)(bw / w, bh / h)
    if fit == "contain":
        tw, th = round(w * scale), round(h * scale)
        return scaled(rgb, (0, 0, sw, sh), tw, th), ((bw - tw) // 2, (bh - th) // 2)
    cw, ch = bw / scale * sw / w, bh / scale * sh / h
    return scaled(rgb, ((sw - cw) / 2, (sh - ch) / 2, cw, ch), bw, bh), (0, 0)


def near(got: np.ndarray, want: np.ndarray, mean: float, most: float) -> None:
    assert got.shape == want.shape
    error = np.abs(got.astype(np.float64) - want)
    assert error.mean() <= mean, f"mean error {error.mean():.2f}"
    assert np.quantile(error, 0.999) <= most, f"worst {np.quantile(error, 0.999):.1f}"


FORMS = [
    ((96, 64), "yuv444p", Fraction(1)),
    ((97, 63), "yuv444p", Fraction(4, 3)),
    ((96, 64), "yuv420p", Fraction(3, 4)),
    ((98, 66), "yuv420p", Fraction(16, 11)),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f"{f[0][0]}x{f[0][1]}-{f[1]}-{f[2]}")
@pytest.mark.parametrize("turn", sorted(MATRICES))
def test_upright_as_if_turned_first_and_scaled_then(
    turn: tuple[int, bool], form: Any, tmp_path: Path
) -> None:
    size, pix_fmt, sar = form
    data = write(tmp_path / "a.mp4", size, pix_fmt, sar, turn)
    orientation = next(o for o in EIGHT if (o.rotation, o.mirror) == turn)
    upright = oriented(decoded(data, tmp_path), orientation)
    # Full chroma stays full; 4:2:0 meets another filter on its way to a small picture.
    fine = pix_fmt == "yuv444p"
    mean, most = (0.8, 4) if fine else (2.5, 60)
    width, height = size
    if sar > 1:
        width = round(width * sar)
    elif sar < 1:
        height = round(height / sar)
    shown = (height, width) if orientation.swaps_sides else (width, height)
    with snapengine.open(data) as video:
        assert (video.info.width, video.info.height) == shown
        if turn[1] is False:
            assert video.info.rotation == turn[0]
        whole = (0, 0, upright.shape[1], upright.shape[0])
        near(video.snapshot(0).to_ndarray(), scaled(upright, whole, *shown), mean, most)
        for box in ((60, 45), (41, 70)):
            for fit in ("stretch", "contain", "cover"):
                want, (left, top) = fitted(upright, shown, box, fit)
                got = video.snapshot(0, width=box[0], height=box[1], fit=fit).to_ndarray()
                assert got.shape == (box[1], box[0], 3)
                part = got[top : top + want.shape[0], left : left + want.shape[1]]
                near(part, want, mean, most)
                margin = np.delete(got, np.s_[top : top + want.shape[0]], axis=0)
                assert fit == "contain" or not margin.size
                assert not margin.any()


@pytest.mark.parametrize("turn", sorted(MATRICES))
def test_sprite_cells_are_upright(turn: tuple[int, bool], tmp_path: Path) -> None:
    data = write(tmp_path / "a.mp4", (96, 64), "yuv444p", Fraction(3, 2), turn)
    orientation = next(o for o in EIGHT if (o.rotation, o.mirror) == turn)
    upright = oriented(decoded(data, tmp_path), orientation)
    with snapengine.open(data) as video:
        sheet = video.sprite(at=[0, 0.04], cell=(48, 40), fit="stretch", columns=2, rows=1)
        page = sheet.pages[0].to_ndarray()
    whole = (0, 0, upright.shape[1], upright.shape[0])
    want = scaled(upright, whole, 48, 40)
    # A page is 4:2:0: compare its luma.
    weights = np.array([0.299, 0.587, 0.114])
    for cue in sheet.cues:
        cell = page[cue.y : cue.y + 40, cue.x : cue.x + 48]
        near(cell @ weights, want @ weights, 1.5, 14)


def test_the_test_picture_has_no_symmetry() -> None:
    """Or the tests above would not notice a wrong turn."""
    square = arrows(64, 64)
    seen = [oriented(square, o) for o in EIGHT]
    for i, one in enumerate(seen):
        for other in seen[:i]:
            assert np.abs(one.astype(int) - other).mean() > 15
