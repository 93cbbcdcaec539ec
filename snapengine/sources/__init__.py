"""Bytes in. A :class:`Source` is random access to one immutable file; it counts what it reads."""

from __future__ import annotations

from .base import Source, SourceReader
from .local import FileObjectSource, LocalSource, MemorySource
from .resolve import open_source

__all__ = [
    "FileObjectSource",
    "LocalSource",
    "MemorySource",
    "Source",
    "SourceReader",
    "open_source",
]
