"""Picture files: JPEG, PNG, WebP and AVIF, chosen by name or by file suffix.

=====  ==========  ===============  ========================================================
kind   by          default quality  why
=====  ==========  ===============  ========================================================
jpeg   jpeg.py     85               no visible loss at normal viewing
png    Pillow      none             lossless
webp   Pillow      80               about the look of JPEG 85 in two thirds of its bytes
avif   Pillow      60               about the look of JPEG 85 in half of its bytes
=====  ==========  ===============  ========================================================
"""

from __future__ import annotations

import io
import os
from typing import Final, Literal, get_args

import numpy as np

from ..errors import BackendMissing, EncodeError, InvalidOption, LayoutTooLarge
from ..model.frame import U8, Picture
from ..model.geometry import JPEG_MAX_SIDE
from .jpeg import JPEG_QUALITY, check_quality, encode_jpeg

__all__ = [
    "DEFAULT_QUALITY",
    "IMAGE_KINDS",
    "MAX_SIDE",
    "MEDIA_TYPES",
    "SUFFIXES",
    "ImageKind",
    "check_encodable",
    "encode",
    "format_of",
]

ImageKind = Literal["jpeg", "png", "webp", "avif"]
IMAGE_KINDS: Final[tuple[ImageKind, ...]] = get_args(ImageKind)

SUFFIXES: Final[dict[str, ImageKind]] = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".png": "png",
    ".webp": "webp",
    ".avif": "avif",
}
MEDIA_TYPES: Final[dict[ImageKind, str]] = {kind: f"image/{kind}" for kind in IMAGE_KINDS}
DEFAULT_QUALITY: Final[dict[ImageKind, int | None]] = {
    "jpeg": JPEG_QUALITY,
    "png": None,
    "webp": 80,
    "avif": 60,
}
#: Largest side in pixels. libjpeg: ``JPEG_MAX_DIMENSION``; WebP: 14 bits (RFC 9649, 2.5); PNG: 31
#: bits (W3C PNG, 11.2.1). AVIF: the format allows 65536, but libavif, with which browsers and
#: Pillow read, refuses more than 32768 by default (``AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT``).
MAX_SIDE: Final[dict[ImageKind, int]] = {
    "jpeg": JPEG_MAX_SIDE,
    "png": 2**31 - 1,
    "webp": 16383,
    "avif": 32768,
}


def format_of(path_or_suffix: str | os.PathLike[str]) -> ImageKind:
    """The format that a file name or suffix (".jpg", "out/Cover.PNG") stands for.

    Raises :class:`InvalidOption`, listing the known suffixes, for any other or none.
    """
    text = os.fspath(path_or_suffix)
    name = text.replace("\\", "/").rpartition("/")[2]
    suffix = "".join(name.rpartition(".")[1:]) if "." in name else ""
    kind = SUFFIXES.get(suffix.lower())
    if kind is None:
        raise InvalidOption(
            f"a picture file must end in one of {', '.join(SUFFIXES)}, not {text!r}", value=text
        )
    return kind


def check_encodable(kind: str, width: int, height: int, quality: int | None) -> int | None:
    """Everything that can be refused before there is a picture; returns the quality to use.

    Raises :class:`InvalidOption` (kind or quality) or :class:`LayoutTooLarge`.
    """
    for known in IMAGE_KINDS:
        if kind == known:
            break
    else:
        raise InvalidOption(
            f"format must be one of {', '.join(IMAGE_KINDS)}, not {kind!r}", value=kind
        )
    checked = DEFAULT_QUALITY[known] if quality is None else check_quality(quality)
    side, limit = max(width, height), MAX_SIDE[known]
    if side > limit:
        raise LayoutTooLarge(
            f"a {known.upper()} side may have at most {limit} pixels, not {side} "
            f"({width}x{height})",
            stage="encode", limit="side", allowed=limit, seen=side,
        )  # fmt: skip
    return checked


def encode(
    kind: ImageKind,
    picture: Picture | U8,
    quality: int | None = None,
    *,
    backend: str | None = None,
    threads: int = 1,
) -> bytes:
    """One picture as a complete file of format ``kind``.

    ``picture`` is a :class:`Picture` for JPEG, or RGB samples (uint8, shape (height, width, 3), any
    strides) for every format; JPEG of RGB keeps full chroma, as pictures made in RGB carry text.
    A fourth channel is straight alpha, which JPEG does not have.
    ``quality`` 1 to 100, None for the format's default; PNG is lossless, so it is checked and then
    ignored. ``backend`` is :func:`encode_jpeg`'s. ``threads`` bounds what AVIF may use.

    Ownership: reads only, except the padding of a Picture. Threads: any. Raises
    :class:`InvalidOption`, :class:`LayoutTooLarge`, :class:`BackendMissing`, :class:`EncodeError`.
    """
    if isinstance(picture, Picture):
        width, height = picture.size
    elif _is_rgb(picture, (3,) if kind == "jpeg" else (3, 4)):
        height, width, _ = picture.shape
    else:
        raise InvalidOption(
            f"RGB samples must be uint8 of shape (height, width, 3), with alpha (height, width, 4) "
            f"and no JPEG, not {picture.dtype} of shape {picture.shape}",
            stage="encode",
        )
    used = check_encodable(kind, width, height, quality)
    if isinstance(picture, Picture):
        if kind != "jpeg":
            raise InvalidOption(
                f"{kind.upper()} is made of RGB samples, not of {picture!r}", stage="encode"
            )
        assert used is not None
        return encode_jpeg(picture, used, backend=backend)
    return _encode_rgb(kind, picture, used, threads)


def _is_rgb(samples: U8, channels: tuple[int, ...]) -> bool:
    return (
        samples.ndim == 3
        and samples.shape[2] in channels
        and samples.dtype == np.uint8
        and samples.size > 0
    )


def _encode_rgb(kind: ImageKind, rgb: U8, quality: int | None, threads: int) -> bytes:
    # Imported here: Pillow and its plugins cost tens of milliseconds that JPEG never needs.
    from PIL import Image, features

    if kind in ("webp", "avif") and not features.check(kind):
        raise BackendMissing(
            f"this build of Pillow has no {kind.upper()}; install snapengine's own requirement "
            f"from its wheel",
            stage="encode", backend="pillow",
        )  # fmt: skip
    options: dict[str, object] = {} if kind == "png" else {"quality": quality}
    if kind == "jpeg":
        options["subsampling"] = "4:4:4"
    elif kind == "avif":
        # Pillow would start a thread per core; the engine shares one CPU budget.
        options["max_threads"] = threads
    out = io.BytesIO()
    try:
        Image.fromarray(rgb).save(out, format=kind, **options)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise EncodeError(
            f"Pillow could not encode a {kind.upper()} of {rgb.shape[1]}x{rgb.shape[0]}: {error}",
            stage="encode", backend="pillow",
        ) from error  # fmt: skip
    return out.getvalue()
