"""What the caller passed to ``open`` -> a :class:`Source`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from ..errors import InvalidOption
from ..model.network import Network
from .base import Fetcher, PlannedSource, Source
from .gate import Gate, GatedFetcher
from .local import FileObjectSource, LocalSource, MemorySource

if TYPE_CHECKING:
    from .http_pool import ConnectionPool

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(?:::|://)")
#: What ``Path`` makes of a URL.
_COLLAPSED = re.compile(r"(?:https?|s3|oss|gs|gcs|az|abfss?|file):/(?!/)", re.IGNORECASE)


def open_source(what: object, network: Network | None = None) -> Source:
    """A path, a URL, bytes-like object, binary file object, or something that has ``read_at``.

    URLs are opened by our own reader, never by FFmpeg: its protocols reach other files and any
    network. Nothing is fetched yet.
    """
    if isinstance(what, (str, os.PathLike)):
        text = os.fspath(what)
        if isinstance(text, bytes):
            text = os.fsdecode(text)
        scheme = _URL.match(text)
        if scheme is None:
            if _COLLAPSED.match(text) and not os.path.exists(text):
                raise InvalidOption(
                    f"{text!r} is no URL: two slashes come behind the colon, and a URL must not be "
                    "made a Path",
                    stage="open",
                    value=text,
                )
            return LocalSource(text)
        if scheme[1].lower() == "file":
            return LocalSource(_path_of(text))
        return open_remote(text, network or Network())
    if isinstance(what, (bytes, bytearray, memoryview)):
        return MemorySource(what)
    if isinstance(what, (LocalSource, MemorySource, FileObjectSource, PlannedSource)):
        return what
    if hasattr(what, "read_at"):
        from .custom import CustomFetcher

        return _remote(CustomFetcher(what), network or Network())
    if hasattr(what, "read") and hasattr(what, "seek"):
        return FileObjectSource(cast(BinaryIO, what))
    raise InvalidOption(
        "expected a path, a URL, bytes, a binary file object or something with read_at(offset, "
        f"size), not {type(what).__name__}",
        stage="open",
    )


def _path_of(url: str) -> str:
    """The path in a ``file:`` URL (RFC 8089)."""
    parts = urlsplit(url)
    if parts.netloc.lower() not in ("", "localhost"):
        raise InvalidOption(
            f"{url!r} names a file of another machine: file:///path, with three slashes, is one of "
            "this machine",
            stage="open",
            value=url,
        )
    return unquote(parts.path)


def open_remote(
    url: str, network: Network, gate: Gate | None = None, pool: ConnectionPool | None = None
) -> PlannedSource:
    """The file behind a URL. Raises :class:`InvalidOption` for one that may not be opened.

    ``gate`` bounds its fetches together with those of other files, ``pool`` has the connections
    that it shares with them.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https"):
        from .http import HttpFetcher

        return _remote(HttpFetcher(url, network, pool=pool), network, gate)
    from .objects import open_object

    return _remote(open_object(url, network), network, gate)


def pool_behind(source: Source, network: Network) -> ConnectionPool:
    """Connections for the files that the one behind ``source`` refers to: its own over HTTP.

    Whoever asks closes them, after all files.
    """
    from .http import HttpFetcher
    from .http_pool import ConnectionPool
    from .remote import RemoteFile

    if isinstance(source, RemoteFile) and isinstance(source.fetcher, HttpFetcher):
        return source.fetcher.share_pool()
    return ConnectionPool(network)


def _remote(fetcher: Fetcher, network: Network, gate: Gate | None = None) -> PlannedSource:
    from .disk_cache import DiskCache
    from .remote import RemoteFile

    if gate is not None:
        fetcher = GatedFetcher(fetcher, gate)
    disk = None
    if network.cache_folder is not None:
        disk = DiskCache(network.cache_folder, network.cache_folder_bytes)
    return RemoteFile(
        fetcher, connections=network.connections, cache_bytes=network.cache_bytes, disk=disk
    )
