"""Picture files of every format, decoded again with Pillow."""

from __future__ import annotations

import io
from pathlib import PurePosixPath

import numpy as np
import pytest
from PIL import Image

from snapengine.errors import BackendMissing, EncodeError, InvalidOption, LayoutTooLarge
from snapengine.imaging import encode as module
from snapengine.imaging.encode import IMAGE_KINDS, ImageKind, check_encodable, encode, format_of
from snapengine.model.frame import U8, Picture


def smooth(width: int, height: int, seed: int = 3) -> U8:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-height // 8) + 1, -(-width // 8) + 1, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def decoded(data: bytes, kind: str) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.format == kind.upper()
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int64)


@pytest.mark.parametrize("kind", IMAGE_KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (64, 48), (321, 241)])
def test_every_format_in_every_size(kind: ImageKind, size: tuple[int, int]) -> None:
    rgb = smooth(*size)
    seen = decoded(encode(kind, rgb), kind)
    assert seen.shape == rgb.shape
    error = np.abs(seen - rgb).mean()
    if kind == "png":
        assert error == 0
    elif size == (321, 241):
        assert 0 < error < 8  # lossy, and the same picture
        assert np.abs(np.roll(seen, 8, 0) - rgb).mean() > 20
    else:
        assert error < 40  # a few pixels: chroma of one colour for all of them


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_quality_matters_and_the_default_is_the_documented_one(kind: ImageKind) -> None:
    rgb = smooth(160, 120)
    sizes = [len(encode(kind, rgb, q)) for q in (10, 50, 95)]
    assert sizes == sorted(set(sizes))
    default = {"jpeg": 85, "webp": 80, "avif": 60}[kind]
    assert encode(kind, rgb) == encode(kind, rgb, default)


def test_png_ignores_quality_but_checks_it() -> None:
    rgb = smooth(20, 20)
    assert encode("png", rgb, 10) == encode("png", rgb)
    with pytest.raises(InvalidOption, match="101"):
        encode("png", rgb, 101)


def test_jpeg_of_a_picture_keeps_its_planes_and_of_rgb_its_full_chroma() -> None:
    picture = Picture(32, 16)
    picture.fill((76, 85, 255))
    seen = decoded(encode("jpeg", picture), "jpeg")
    assert np.abs(seen - (254, 0, 0)).max() <= 3
    image = Image.open(io.BytesIO(encode("jpeg", smooth(32, 16))))
    assert image.layer[0][1:3] == (1, 1)  # type: ignore[attr-defined]


def test_strided_rgb_is_read_as_it_lies() -> None:
    rgb = smooth(40, 30)
    for view in (rgb[::-1], rgb[:, ::2], rgb[5:20, 3:17]):
        assert np.array_equal(decoded(encode("png", view), "png"), view)


@pytest.mark.parametrize(("kind", "limit"), [("jpeg", 65500), ("webp", 16383), ("avif", 32768)])
def test_side_limits_name_limit_and_value(kind: ImageKind, limit: int) -> None:
    check_encodable(kind, limit, limit, None)
    for shape in ((1, limit + 1, 3), (limit + 1, 1, 3)):
        with pytest.raises(LayoutTooLarge, match=f"{limit} pixels, not {limit + 1}") as caught:
            encode(kind, np.zeros(shape, np.uint8))
        assert caught.value.context["allowed"] == limit


@pytest.mark.parametrize(("kind", "limit"), [("jpeg", 65500), ("webp", 16383), ("avif", 32768)])
def test_the_limit_itself_can_be_encoded(kind: ImageKind, limit: int) -> None:
    data = encode(kind, np.full((1, limit, 3), 77, np.uint8))
    assert decoded(data, kind).shape == (1, limit, 3)  # and read again


def test_unknown_format_lists_the_known() -> None:
    with pytest.raises(InvalidOption, match=r"jpeg, png, webp, avif.*'gif'"):
        encode("gif", smooth(2, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(rgb: U8) -> None:
    with pytest.raises(InvalidOption, match="shape"):
        encode("png", rgb)


@pytest.mark.parametrize("kind", ["png", "webp", "avif"])
def test_alpha_survives(kind: ImageKind) -> None:
    rgba = np.dstack([smooth(64, 48), np.full((48, 64), 255, np.uint8)])
    rgba[:, :32, 3] = 0
    image = Image.open(io.BytesIO(encode(kind, rgba, 95)))
    assert image.mode == "RGBA"
    seen = np.asarray(image).astype(int)
    assert np.abs(seen[..., 3] - rgba[..., 3]).mean() < 2
    opaque = np.abs(seen[:, 36:, :3] - rgba[:, 36:, :3].astype(int)).mean()
    assert opaque == 0 if kind == "png" else opaque < 8


def test_jpeg_has_no_alpha() -> None:
    with pytest.raises(InvalidOption, match="alpha"):
        encode("jpeg", np.zeros((4, 4, 4), np.uint8))


def test_a_picture_is_no_png() -> None:
    with pytest.raises(InvalidOption, match="RGB"):
        encode("png", Picture(2, 2))


def test_pillow_failure_is_chained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise OSError("broken")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(EncodeError, match="broken") as caught:
        encode("webp", smooth(4, 4))
    assert isinstance(caught.value.__cause__, OSError)


def test_pillow_without_a_codec_is_backend_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda _name: False)
    with pytest.raises(BackendMissing, match="AVIF"):
        encode("avif", smooth(4, 4))
    assert encode("png", smooth(4, 4))


def test_avif_is_given_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(Image.Image, "save", lambda *_a, **o: seen.append(o["max_threads"]))
    encode("avif", smooth(4, 4))
    encode("avif", smooth(4, 4), threads=3)
    assert seen == [1, 3]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("cover.jpg", "jpeg"),
        ("a.b/cover.JPEG", "jpeg"),
        (".jpg", "jpeg"),
        (".Png", "png"),
        ("x.y.webp", "webp"),
        ("C:\\out\\x.avif", "avif"),
        (PurePosixPath("/tmp/x.AVIF"), "avif"),
    ],
)
def test_format_of(path: str | PurePosixPath, kind: str) -> None:
    assert format_of(path) == kind


@pytest.mark.parametrize(
    "path", ["", "jpg", "cover", "x.gif", "x.jpg/", "x.jpg/cover", "x.", "x.jpg "]
)
def test_format_of_the_unknown_lists_the_known(path: str) -> None:
    with pytest.raises(InvalidOption, match=r"\.jpg, \.jpeg, \.png, \.webp, \.avif") as caught:
        format_of(path)
    assert repr(path) in str(caught.value)


def test_tables_are_complete() -> None:
    assert set(module.SUFFIXES.values()) == set(IMAGE_KINDS)
    assert set(module.MEDIA_TYPES) == set(module.DEFAULT_QUALITY) == set(module.MAX_SIDE)
    assert set(module.MAX_SIDE) == set(IMAGE_KINDS)
