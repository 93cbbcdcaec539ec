"""JPEG through PyTurboJPEG (module ``turbojpeg``) and the system's libturbojpeg, 3 or later."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from ..errors import BackendMissing, EncodeError
from ..model.frame import Picture
from .jpeg import JpegBackend

__all__ = ["TurboJpegEncoder"]

_HINT: Final = (
    "install snapengine[turbojpeg] (PyTurboJPEG 2.5 or later) and libjpeg-turbo 3 or later, "
    'or use the backend "simplejpeg"'
)


class TurboJpegEncoder:
    """Passes the packed buffer of a picture; no copy. A handle per call, so thread-safe.

    Source: ``tj3CompressFromYUV8`` with row alignment 1, the layout of ``Picture.buffer``.
    """

    name: Final[JpegBackend] = "turbojpeg"

    def __init__(self) -> None:
        """Load module and library, and encode one pixel to know that both fit us.

        PyTurboJPEG before 2.5 has no alignment argument, PyTurboJPEG 2 refuses libjpeg-turbo 2, and
        another package on PyPI has the same module name: all of it is BackendMissing.
        """
        try:
            turbojpeg = import_module("turbojpeg")
            self._native: Any = turbojpeg.TurboJPEG()
            self._subsampling: Final[dict[str, int]] = {
                "420": turbojpeg.TJSAMP_420,
                "444": turbojpeg.TJSAMP_444,
            }
            self._call(Picture(1, 1), 50)
        except (ImportError, OSError, RuntimeError, AttributeError, TypeError) as error:
            raise BackendMissing(
                f"JPEG backend turbojpeg does not load: {_HINT} ({error})", stage="encode"
            ) from error

    def encode(self, picture: Picture, quality: int) -> bytes:
        try:
            return self._call(picture, quality)
        except (OSError, ValueError, RuntimeError, MemoryError, Warning) as error:
            raise EncodeError(
                f"turbojpeg refused {picture!r}: {error}", stage="encode", backend=self.name
            ) from error

    def _call(self, picture: Picture, quality: int) -> bytes:
        data: bytes = self._native.encode_from_yuv(
            picture.buffer,
            picture.height,
            picture.width,
            quality,
            jpeg_subsample=self._subsampling[picture.subsampling],
            align=1,
        )
        return data
