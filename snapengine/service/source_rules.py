"""Which sources may be read: files below the allowed folders, addresses of the allowed schemes."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ..sources.addresses import AddressPolicy
from .domain.failures import SourceRefused
from .settings import Settings

__all__ = ["check_source", "readable"]

#: Bytes.
_MAX_ADDRESS: Final = 4096


def check_source(source: str, settings: Settings) -> None:
    """Raise :class:`SourceRefused` for a source that a caller may not name.

    A name that leads to a private address only the connection can tell: that is refused there.
    """
    if len(source.encode(errors="surrogatepass")) > _MAX_ADDRESS or any(
        ord(c) < 32 for c in source
    ):
        raise _refused(source, "the address is too long or has control characters in it")
    try:
        parts = urlsplit(source)
        host = parts.hostname
    except ValueError as exc:
        raise _refused(source, f"the address cannot be read: {exc}") from exc
    if parts.scheme == "file":
        readable(source, settings.media_roots)
        return
    if parts.scheme not in settings.source_schemes:
        allowed = ", ".join(("file", *settings.source_schemes))
        raise _refused(source, f"the scheme is not one of {allowed}")
    if not host:
        raise _refused(source, "the address has no host")
    kind = _literal_refusal(host, settings)
    if kind is not None:
        raise _refused(source, f"{host} is not of the public Internet ({kind})")


def _literal_refusal(host: str, settings: Settings) -> str | None:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:  # a name
        return None
    return AddressPolicy(settings.network).refusal(host)


def readable(source: str, roots: Sequence[str]) -> str:
    """The real path of a file that may be read: regular, and below one of ``roots`` once every
    link is followed. ``source``: ``file://`` address or path. Raises :class:`SourceRefused`."""
    if source.startswith("file:"):
        parts = urlsplit(source)
        if parts.netloc.lower() not in ("", "localhost") or not parts.path.startswith("/"):
            raise _refused(source, "file:///path, with three slashes, names a file")
        named = unquote(parts.path)
    else:
        named = source
    # Whether a file outside exists is nobody's business: both are refused in the same words.
    refusal = _refused(source, "no such file in the folders that may be read (media_roots)")
    try:
        real = Path(os.path.realpath(named, strict=True))
        inside = any(real.is_relative_to(os.path.realpath(root)) for root in roots)
        if not inside or not stat.S_ISREG(real.stat().st_mode):
            raise refusal
    except (OSError, ValueError) as exc:
        raise refusal from exc
    return str(real)


def _refused(source: str, why: str) -> SourceRefused:
    return SourceRefused(why, stage="request", source=source[:200])
