"""What the caller passed to ``open`` -> a :class:`Source`."""

from __future__ import annotations

import os
import re
from typing import BinaryIO, cast

from ..errors import InvalidOption
from .base import Source
from .local import FileObjectSource, LocalSource, MemorySource

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def open_source(what: object) -> Source:
    """A path, bytes-like object, binary file object, or something that has ``read_at``.

    URLs are refused here, not handed to FFmpeg: its protocols reach other files and the network.
    """
    if isinstance(what, (str, os.PathLike)):
        text = os.fspath(what)
        if isinstance(text, bytes):
            text = os.fsdecode(text)
        if _URL.match(text):
            scheme, _, rest = text.partition("://")
            if scheme.lower() == "file":
                return LocalSource(rest)
            raise InvalidOption(f"cannot open {scheme}:// URLs: {text!r}", stage="open", value=text)
        return LocalSource(text)
    if isinstance(what, (bytes, bytearray, memoryview)):
        return MemorySource(what)
    if hasattr(what, "read_at") and hasattr(what, "size"):
        return cast(Source, what)
    if hasattr(what, "read") and hasattr(what, "seek"):
        return FileObjectSource(cast(BinaryIO, what))
    raise InvalidOption(
        f"expected a path, bytes or a binary file object, not {type(what).__name__}",
        stage="open",
    )
