"""Videos with alpha: what is behind shows through, hidden colours never; from real files."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import snapengine
from tests.reference import alpha as book

WIDTH, HEIGHT = 128, 96
BEHIND = (30, 160, 220)

#: Name, encoder, its options, suffix, pixel format, mean and worst error that the codec may make.
KINDS = [
    ("qtrle", "qtrle", {}, "mov", "argb", 0.35, 1.5),
    ("png", "png", {}, "mov", "rgba", 0.35, 1.5),
    ("ffv1-rgba", "ffv1", {}, "mkv", "bgra", 0.35, 1.5),
    ("ffv1-yuva444", "ffv1", {}, "mkv", "yuva444p", 0.9, 4),
    ("ffv1-yuva420", "ffv1", {}, "mkv", "yuva420p", 0.9, 4),
    ("ffv1-yuva10", "ffv1", {}, "mkv", "yuva444p10le", 0.9, 4),
    ("prores4444", "prores_ks", {"profile": "4444", "alpha_bits": "16"}, "mov", "yuva444p10le",
     1.0, 6),
    ("vp9", "libvpx-vp9", {"crf": "4", "b:v": "0", "auto-alt-ref": "0"}, "webm", "yuva420p",
     1.6, 12),
    ("vp8", "libvpx", {"crf": "4", "b": "4M", "auto-alt-ref": "0"}, "webm", "yuva420p", 1.8, 14),
]  # fmt: skip


def scene(number: int, hidden: tuple[int, int, int] | None = (0, 255, 0)) -> np.ndarray:
    """R, G, B, A (height, width, 4): soft and hard holes, with the ``hidden`` colour in them."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    rgba = np.stack([120 + 70 * x / WIDTH, 110 + 0 * x, 190 - 90 * y / HEIGHT, 0 * x], axis=-1)
    soft = 1 - ((np.hypot(x - 44 - 2 * number, y - 48) - 18) / 18).clip(0, 1)
    hard = np.hypot(x - 96, y - 48) < 22
    rgba[..., 3] = np.rint(255 * np.maximum(soft, hard))
    if hidden is not None:
        rgba[rgba[..., 3] == 0, :3] = hidden
    return np.rint(rgba).astype(np.uint8)


def write(path: Path, kind: Any) -> None:
    _, encoder, options, _, pix_fmt, *_ = kind
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(encoder, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        stream.codec_context.time_base = Fraction(1, 25)
        for number in range(3):
            # In 4:2:0 the encoder's input has mixed hidden colours with seen ones already.
            hidden = None if "420" in pix_fmt else (0, 255, 0)
            frame = av.VideoFrame.from_ndarray(scene(number, hidden), format="rgba")
            frame = frame.reformat(format=pix_fmt, dst_colorspace="ITU601", interpolation="BICUBIC")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.fixture(scope="module", params=KINDS, ids=lambda k: k[0])
def clip(request: Any, tmp_path_factory: Any) -> tuple[Any, Path]:
    path = tmp_path_factory.mktemp("alpha") / f"a.{request.param[3]}"
    write(path, request.param)
    return request.param, path


def wanted(width: int, height: int, number: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rgba = scene(number).astype(np.float64)
    crop = (0.0, 0.0, float(WIDTH), float(HEIGHT))
    return book.scaled(rgba[..., :3], rgba[..., 3] / 255, crop, (width, height))


def near(got: np.ndarray, want: np.ndarray, kind: Any) -> None:
    error = np.abs(got.astype(np.float64) - want)
    assert error.mean() <= kind[5] and np.quantile(error, 0.99) <= kind[6], (
        error.mean(), np.quantile(error, 0.99),
    )  # fmt: skip


@pytest.mark.parametrize("width", [WIDTH, 200, 64, 32])
def test_background_shows_through(clip: tuple[Any, Path], width: int) -> None:
    kind, path = clip
    height = width * HEIGHT // WIDTH
    premultiplied, opacity = wanted(width, height)
    size = {} if width == WIDTH else {"width": width}
    with snapengine.open(path) as video:
        on_black = video.snapshot(0.04, **size).to_ndarray()
        on_color = video.snapshot(0.04, color=BEHIND, **size).to_ndarray()
    near(on_black, book.over(premultiplied, opacity, (0, 0, 0)), kind)
    near(on_color, book.over(premultiplied, opacity, BEHIND), kind)
    # The middle of the large hole is nothing but background.
    hole = np.s_[height // 16, width // 16]
    assert np.abs(on_color[hole].astype(int) - BEHIND).max() <= 2
    assert on_black[hole].max() <= 2


def test_straight_alpha_is_kept(clip: tuple[Any, Path]) -> None:
    kind, path = clip
    premultiplied, opacity = wanted(64, 48)
    with snapengine.open(path) as video:
        shot = video.snapshot(0.04, width=64)
        assert shot.has_alpha
        rgba = shot.to_ndarray(alpha=True)
    assert rgba.shape == (48, 64, 4)
    assert np.abs(rgba[..., 3] - 255 * opacity).mean() <= kind[5]
    seen = rgba[..., :3] * (rgba[..., 3:] / 255)
    near(seen, premultiplied, kind)
    assert (rgba[rgba[..., 3] == 0] == 0).all()


def test_files_keep_alpha_and_jpeg_gets_the_background(clip: tuple[Any, Path]) -> None:
    _, path = clip
    with snapengine.open(path) as video:
        shot = video.snapshot(0.04, width=64, color=BEHIND)
        rgba, flat = shot.to_ndarray(alpha=True), shot.to_ndarray()
        png = Image.open(io.BytesIO(shot.encode("png")))
        jpeg = np.asarray(Image.open(io.BytesIO(shot.jpeg(quality=95))), np.float64)
    assert png.mode == "RGBA" and np.array_equal(np.asarray(png), rgba)
    assert np.abs(jpeg - flat).mean() < 4


def test_sprite_cells_lie_on_the_background(clip: tuple[Any, Path]) -> None:
    kind, path = clip
    premultiplied, opacity = wanted(64, 48)
    with snapengine.open(path) as video:
        sheet = video.sprite(at=[0.0, 0.04], cell=(64, 48), columns=2, rows=1, color=BEHIND)
        page, cue = sheet.pages[0].to_ndarray(), sheet.cues[1]
    cell = page[cue.y : cue.y + 48, cue.x : cue.x + 64]
    weights = np.array([0.299, 0.587, 0.114])
    want = book.over(premultiplied, opacity, BEHIND) @ weights
    error = np.abs(cell @ weights - want)
    assert np.quantile(error, 0.99) <= kind[6] + 4  # pages are 4:2:0
    assert np.abs(cell[3, 3].astype(int) - BEHIND).max() <= 3
