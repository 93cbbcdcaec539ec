"""How remote videos are reached, and what they may not reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidOption

if TYPE_CHECKING:
    import os
    import ssl

#: Schemes that are opened unless a :class:`Network` says otherwise. A closed list: fsspec knows
#: many more, among them some that read local files or run programs.
SCHEMES = frozenset({"http", "https", "s3", "oss", "gs", "gcs", "abfs", "abfss", "az"})

#: A server that ignores ``Range``: an error, or its whole answer is taken, up to a limit.
WithoutRanges = Literal["error", "stream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Rules and options for remote sources. Immutable, may be shared by any number of videos.

    ``schemes``: the closed list of URL schemes. ``allow_private``: whether loopback, private,
    link-local, metadata and other addresses that are not of the public Internet may be connected
    to; ``allow_networks``: those that may although they are not ("10.1.0.0/16", "::1/128").
    Checked on the address that is connected to, redirects included.

    ``headers`` go to the URL's own origin only, never to where it redirects. ``renew`` is called
    with a URL that was refused (401, 403) and returns a fresh one for the same file.
    ``storage_options`` go to the fsspec file system of an object store. ``tls``: an SSL context
    instead of the default one.

    ``connections``: at most so many at a time to one video. ``connect_seconds``,
    ``silence_seconds`` (the longest wait for the next byte) and ``request_seconds`` (one range with
    all its retries) bound the waiting; less than ``least_rate`` bytes a second over
    ``silence_seconds`` counts as silence. ``retries``: so many for one range, with growing pauses.
    ``redirects``: at most so many for one request.

    ``without_ranges``: what to do with a server that ignores ``Range``: ``"error"``, or
    ``"stream"``: read its whole answer into a temporary file, at most ``stream_bytes``.

    ``cache_bytes``: memory for the blocks of one video. ``cache_folder``: where blocks are kept
    between calls and processes, for files that have a validator (ETag, Last-Modified); at most
    ``cache_folder_bytes``, the oldest go first.
    """

    schemes: frozenset[str] = SCHEMES
    allow_private: bool = False
    allow_networks: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    renew: Callable[[str], str] | None = None
    storage_options: Mapping[str, object] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    connections: int = 8
    connect_seconds: float = 10.0
    silence_seconds: float = 20.0
    request_seconds: float = 60.0
    least_rate: int = 1024
    retries: int = 5
    redirects: int = 5
    without_ranges: WithoutRanges = "error"
    stream_bytes: int = 1 << 30
    cache_bytes: int = 64 << 20
    cache_folder: str | os.PathLike[str] | None = None
    cache_folder_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        schemes: object = self.schemes
        if isinstance(schemes, str):
            raise InvalidOption(f"schemes must be a set of names, not {schemes!r}")
        object.__setattr__(self, "schemes", frozenset(s.lower() for s in self.schemes))
        for name in ("connect_seconds", "silence_seconds", "request_seconds"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and value > 0 and math.isfinite(value)):
                raise InvalidOption(f"{name} must be a positive number of seconds, not {value!r}")
        least = {"connections": 1, "stream_bytes": 1, "cache_bytes": 1, "cache_folder_bytes": 1}
        for name in (*least, "least_rate", "retries", "redirects"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least.get(name, 0):
                raise InvalidOption(
                    f"{name} must be a whole number from {least.get(name, 0)} on, not {value!r}"
                )
        if self.without_ranges not in ("error", "stream"):
            raise InvalidOption(
                f'without_ranges must be "error" or "stream", not {self.without_ranges!r}'
            )
        for network in self.allow_networks:
            try:
                ip_network(network)
            except ValueError as exc:
                raise InvalidOption(f"allow_networks: {exc}", value=network) from exc
        for name, text in self.headers.items():
            if any(c in f"{name}{text}" for c in "\r\n\0"):
                raise InvalidOption(f"header {name!r} has a line break in it", value=name)
