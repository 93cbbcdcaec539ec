"""JPEG through ``simplejpeg``, which carries its own libjpeg-turbo."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from ..errors import BackendMissing, EncodeError
from ..model.frame import Picture
from .jpeg import JpegBackend

__all__ = ["SimpleJpegEncoder"]


class SimpleJpegEncoder:
    """Passes pointers and strides of the three planes; no copy. Stateless, so thread-safe.

    Source: ``tjCompressFromYUVPlanes``. The library tells the subsampling from the shapes; where a
    side of one pixel makes "420" look like "440" or "444", the planes, and so the picture, are
    the same. Below quality 96 it uses libjpeg-turbo's fast DCT (the meaning of the older API's
    default), which costs under 0.1 dB at 85 against the accurate one of ``_turbojpeg``.
    """

    name: Final[JpegBackend] = "simplejpeg"

    def __init__(self) -> None:
        try:
            self._native: Any = import_module("simplejpeg").encode_jpeg_yuv_planes
        except (ImportError, AttributeError) as error:
            raise BackendMissing(
                f"JPEG backend simplejpeg does not load ({error}); install simplejpeg 1.8 or "
                f'later, or use the backend "turbojpeg" (snapengine[turbojpeg])',
                stage="encode",
            ) from error

    def encode(self, picture: Picture, quality: int) -> bytes:
        try:
            data: bytes = self._native(*picture.planes, quality=quality)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise EncodeError(
                f"simplejpeg refused {picture!r}: {error}", stage="encode", backend=self.name
            ) from error
        return data
