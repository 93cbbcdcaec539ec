"""Covers that callers bring: fetched within bounds, and checked by decoding them.

At most 1 MB and 1920x1080, JPEG or PNG: what the vendors' consoles take.
"""

from __future__ import annotations

import io
import struct
import time
import warnings
import zlib
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from PIL import Image, UnidentifiedImageError

from ..errors import InvalidOption, LimitExceeded, SourceDenied, SourceTimeout
from ..model.network import Network
from ..sources import Meter, MeteredSource, open_remote
from .domain.failures import CoverRefused

__all__ = [
    "MAX_BYTES",
    "MAX_SIZE",
    "MAX_URL",
    "CheckedCover",
    "check_cover",
    "check_url",
    "fetch_cover",
]

MAX_BYTES: Final = 1 << 20
#: Pixels: width, height.
MAX_SIZE: Final = (1920, 1080)
#: Bytes.
MAX_URL: Final = 1024
#: Seconds that a caller is kept waiting for somebody else's server.
_PATIENCE: Final = 8.0
_FORMATS: Final[dict[str, Literal["image/jpeg", "image/png"]]] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
}
#: What Pillow raises for files that are not what they say; it has no root for these.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError,
           struct.error, zlib.error)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckedCover:
    """A file that can be a cover, as it came."""

    data: bytes = field(repr=False)
    media_type: Literal["image/jpeg", "image/png"]
    width: int
    height: int

    @property
    def suffix(self) -> str:
        return "jpg" if self.media_type == "image/jpeg" else "png"


def check_cover(data: bytes) -> CheckedCover:
    """Decode ``data`` whole. Raises :class:`CoverRefused`, which says why in ``context["why"]``."""
    if len(data) > MAX_BYTES:
        raise _refused("bytes", f"a cover has at most {MAX_BYTES} bytes, this one more")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=tuple(_FORMATS)) as image:
                width, height = image.size
                if width > MAX_SIZE[0] or height > MAX_SIZE[1]:
                    raise _refused(
                        "size",
                        f"a cover has at most {MAX_SIZE[0]}x{MAX_SIZE[1]} pixels, this one "
                        f"{width}x{height}",
                    )
                image.load()
                return CheckedCover(data, _FORMATS[str(image.format)], width, height)
    except UnidentifiedImageError as exc:
        raise _refused("format", "a cover is a JPEG or PNG file, and this is neither") from exc
    except Image.DecompressionBombError as exc:
        raise _refused("size", f"the cover is far too large: {exc}") from exc
    except CoverRefused:
        raise
    except _BROKEN as exc:
        raise _refused("damaged", f"the cover cannot be decoded: {exc}") from exc


def check_url(url: str) -> str:
    """An address that a cover may have. Raises :class:`CoverRefused`."""
    if len(url.encode(errors="surrogatepass")) > MAX_URL:
        raise _refused("url", f"the address of a cover has at most {MAX_URL} bytes")
    if not url.lower().startswith(("http://", "https://")) or any(ord(c) < 32 for c in url):
        raise _refused("url", "the address of a cover begins with http:// or https://")
    return url


def fetch_cover(url: str, network: Network) -> CheckedCover:
    """The cover behind an address, fetched and checked.

    Raises :class:`CoverRefused` when it cannot be one or may not be connected to, and a
    :class:`~snapengine.errors.SourceError` when it cannot be had, now.
    """
    check_url(url)
    bounded = replace(
        network,
        schemes=frozenset({"http", "https"}),
        without_ranges="stream",
        stream_bytes=MAX_BYTES + 1,
        connect_seconds=3.0,
        silence_seconds=4.0,
        request_seconds=_PATIENCE,
        retries=1,
        redirects=3,
        connections=1,
    )
    try:
        source = open_remote(url, bounded)
    except (InvalidOption, ValueError) as exc:
        raise _refused("url", f"the address of a cover cannot be read: {exc}") from exc
    try:
        meter = Meter(deadline=time.monotonic() + _PATIENCE)
        data = MeteredSource(source, meter).read_at(0, MAX_BYTES + 1)
    except LimitExceeded as exc:
        if exc.context.get("limit") == "stream_bytes":
            raise _refused(
                "bytes", f"a cover has at most {MAX_BYTES} bytes, this one more"
            ) from exc
        raise SourceTimeout(f"the cover took longer than {_PATIENCE:g} s", stage="open") from exc
    except SourceDenied as exc:
        if "address" not in exc.context:
            raise
        # What a name leads to inside is not told: callers would learn the network by asking.
        raise _refused("address", "the cover's address is not of the public Internet") from exc
    finally:
        source.close()
    return check_cover(data)


def _refused(why: str, message: str) -> CoverRefused:
    return CoverRefused(message, stage="request", why=why)
