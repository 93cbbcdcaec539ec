"""JPEG: one function, two interchangeable backends over libjpeg-turbo.

``simplejpeg`` carries its own libjpeg-turbo and is always installed. ``turbojpeg`` (PyTurboJPEG)
uses the system's libturbojpeg, version 3 or later, and comes with ``snapengine[turbojpeg]``; it is
used when asked for by name, or when it is the one that loads. Both take the planes of a
:class:`~snapengine.model.frame.Picture` as they lie in memory, without a copy.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Final, Literal, Protocol, get_args

from ..errors import BackendMissing, InvalidOption, LayoutTooLarge
from ..model.frame import Picture
from ..model.geometry import JPEG_MAX_SIDE

__all__ = [
    "JPEG_BACKENDS",
    "JPEG_BACKEND_VARIABLE",
    "JPEG_QUALITY",
    "JpegBackend",
    "JpegEncoder",
    "check_quality",
    "encode_jpeg",
    "jpeg_encoder",
]

JpegBackend = Literal["simplejpeg", "turbojpeg"]
#: In the order in which they are tried.
JPEG_BACKENDS: Final[tuple[JpegBackend, ...]] = get_args(JpegBackend)
#: Environment variable that names the backend where the caller does not.
JPEG_BACKEND_VARIABLE: Final = "SNAPENGINE_JPEG"
#: Default quality: no visible loss at normal viewing, about a third of the bytes of quality 95.
JPEG_QUALITY: Final = 85


class JpegEncoder(Protocol):
    """Makes one JPEG file of one picture. Instances are shared by all threads."""

    @property
    def name(self) -> JpegBackend:
        """The name under which it can be asked for."""

    def encode(self, picture: Picture, quality: int) -> bytes:
        """A complete JFIF file.

        The arguments are valid and the padding of ``picture`` is filled: :func:`encode_jpeg` saw
        to both. Releases the GIL while it works. Raises :class:`EncodeError`, native cause
        chained, for whatever the library refuses.
        """


def encode_jpeg(
    picture: Picture, quality: int = JPEG_QUALITY, *, backend: str | None = None
) -> bytes:
    """Encode ``picture`` as a baseline JFIF file with its own chroma subsampling.

    ``quality`` is libjpeg's, 1 to 100. ``backend``: "simplejpeg", "turbojpeg" or None, which asks
    the environment variable ``SNAPENGINE_JPEG`` and then takes the first that loads.

    Ownership: the samples are read in place; the padding of an odd-sided "420" picture (beyond
    its visible samples) is overwritten. Threads: any; one picture may be encoded by several.
    Raises :class:`InvalidOption`, :class:`LayoutTooLarge` (a side above 65500),
    :class:`BackendMissing` or :class:`EncodeError`.
    """
    quality = check_quality(quality)
    side = max(picture.width, picture.height)
    if side > JPEG_MAX_SIDE:
        raise LayoutTooLarge(
            f"a JPEG side may have at most {JPEG_MAX_SIDE} pixels, "
            f"not {side} ({picture.width}x{picture.height})",
            stage="encode", limit="side", allowed=JPEG_MAX_SIDE, seen=side,
        )  # fmt: skip
    encoder = jpeg_encoder(backend)
    _fill_padding(picture)
    return encoder.encode(picture, quality)


def check_quality(quality: object) -> int:
    """A quality from 1 to 100, or :class:`InvalidOption` that names the value."""
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise InvalidOption(
            f"quality must be a whole number from 1 to 100, not {quality!r}", value=quality
        )
    return quality


def jpeg_encoder(backend: str | None = None) -> JpegEncoder:
    """The encoder by name; None means the one ``SNAPENGINE_JPEG`` names, else the first that loads.

    Raises :class:`InvalidOption` for an unknown name, :class:`BackendMissing` for one that cannot
    be loaded. A backend that loaded is kept; one that failed is tried again at the next call.
    """
    origin = "backend"
    if backend is None and (named := os.environ.get(JPEG_BACKEND_VARIABLE, "").strip()):
        backend, origin = named, JPEG_BACKEND_VARIABLE
    if backend is None:
        return _first_that_loads()
    for known in JPEG_BACKENDS:
        if backend == known:
            return _load(known)
    raise InvalidOption(
        f"{origin} must be one of {', '.join(JPEG_BACKENDS)}, not {backend!r}", value=backend
    )


@lru_cache(maxsize=1)
def _first_that_loads() -> JpegEncoder:
    reasons: list[str] = []
    for name in JPEG_BACKENDS:
        try:
            return _load(name)
        except BackendMissing as error:
            reasons.append(error.message)
    raise BackendMissing("no JPEG backend loads: " + "; ".join(reasons), stage="encode")


@lru_cache(maxsize=len(JPEG_BACKENDS))
def _load(name: JpegBackend) -> JpegEncoder:
    # Imported here: a native library should cost nothing until the first picture is encoded.
    if name == "simplejpeg":
        from ._simplejpeg import SimpleJpegEncoder

        return SimpleJpegEncoder()
    from ._turbojpeg import TurboJpegEncoder

    return TurboJpegEncoder()


def _fill_padding(picture: Picture) -> None:
    """Repeat the last column and row into the padding of an odd-sided "420" picture.

    libjpeg-turbo reads luma up to the chroma grid, so the padding takes part in the transform of
    the outermost block. Left as it is, it would be old memory: a frayed edge, and bytes that
    differ from run to run.
    """
    if picture.subsampling != "420":
        return
    width, height = picture.width, picture.height
    padded_width, padded_height = (width + 1) // 2 * 2, (height + 1) // 2 * 2
    luma = picture.buffer[: padded_width * padded_height].reshape(padded_height, padded_width)
    if padded_width != width:
        luma[:height, width] = luma[:height, width - 1]
    if padded_height != height:
        luma[height] = luma[height - 1]
