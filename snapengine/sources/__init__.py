"""Bytes in. A :class:`Source` is random access to one immutable file; it counts what it reads."""

from __future__ import annotations

from .base import MeteredSource, PlannedSource, Source, SourceReader
from .local import FileObjectSource, LocalSource, MemorySource
from .meter import Meter
from .resolve import open_remote, open_source

__all__ = [
    "FileObjectSource",
    "LocalSource",
    "MemorySource",
    "Meter",
    "MeteredSource",
    "PlannedSource",
    "Source",
    "SourceReader",
    "open_remote",
    "open_source",
]
