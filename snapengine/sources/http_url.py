"""URLs as we ask for them: checked before any I/O, quoted, and shown without what is secret."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from ..errors import InvalidOption, SourceDenied, SourceError

#: The schemes that are asked for here, with their ports.
PORTS = {"http": 80, "https": 443}
#: What stands as it is in a target: RFC 3986's reserved and unreserved signs, and escapes.
_SAFE = "%/:=&?~+!$,;'@()*[]"
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?", re.ASCII)
_HOST_LENGTH = 253


class Origin(NamedTuple):
    """Whom headers and credentials belong to. ``host``: lower case, IPv6 without brackets."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Location:
    """Where one request goes.

    ``target`` (path and query) and ``authorization`` may be secret, so they are in no ``repr``.
    ``name`` is for messages: no credentials, no query, no fragment.
    """

    origin: Origin
    target: str = field(repr=False)
    authorization: str | None = field(repr=False)
    name: str

    @property
    def host_header(self) -> str:
        """The value of ``Host``: no default port, no zone of an address."""
        host = self.origin.host.partition("%")[0]
        host = f"[{host}]" if ":" in host else host
        if self.origin.port == PORTS[self.origin.scheme]:
            return host
        return f"{host}:{self.origin.port}"

    @property
    def url(self) -> str:
        """What a relative redirect is relative to; without credentials. Secret."""
        return f"{self.origin.scheme}://{_authority(self.origin)}{self.target}"


class _Unusable(ValueError):
    """Says what is wrong without quoting what may be secret."""


def parse_url(url: str, schemes: frozenset[str]) -> Location:
    """Raises :class:`~snapengine.errors.InvalidOption`; no message quotes query or credentials."""
    try:
        return _parse(url, schemes)
    except _Unusable as exc:
        raise InvalidOption(f"unusable URL: {exc}") from None


def follow(place: Location, location: str | None, schemes: frozenset[str]) -> Location:
    """Where a redirect from ``place`` leads, ``location`` being the header as it came.

    Raises :class:`SourceError` if it leads nowhere, :class:`SourceDenied` if it must not be
    followed: another scheme, away from TLS, or with credentials in it.
    """
    name = place.name
    if not location:
        raise SourceError(f"{name}: redirected without saying where to", stage="open", source=name)
    try:
        # Servers write UTF-8 there although they should not; latin-1 gives its bytes back.
        text = quote(location.encode("latin-1", "replace"), safe=_SAFE + "#")
        joined = urljoin(place.url, text)
        scheme = urlsplit(joined).scheme.lower()
        if scheme not in PORTS or scheme not in schemes:
            raise SourceDenied(
                f"{name}: redirected to the scheme {scheme[:20]!r}, which is not allowed",
                stage="open", source=name,
            )  # fmt: skip
        if "@" in urlsplit(joined).netloc:
            raise SourceDenied(
                f"{name}: redirected to a URL with credentials in it", stage="open", source=name
            )
        found = _parse(joined, schemes)
    except _Unusable as exc:
        raise SourceError(
            f"{name}: redirected to an unusable URL: {exc}", stage="open", source=name
        ) from None
    except ValueError:
        raise SourceError(
            f"{name}: redirected to an unusable URL", stage="open", source=name
        ) from None
    if place.origin.scheme == "https" and found.origin.scheme == "http":
        raise SourceDenied(
            f"{name}: redirected from https to http, to {found.name}", stage="open", source=name
        )
    return found


def _parse(url: str, schemes: frozenset[str]) -> Location:
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in url) or url != url.strip():
        raise _Unusable("it has control characters or spaces around it")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError:
        # What Python says quotes a part of the URL, which can be one of a password.
        raise _Unusable("its host or port cannot be read") from None
    scheme = parts.scheme.lower()
    if scheme not in PORTS or scheme not in schemes:
        raise _Unusable(f"the scheme {scheme[:20]!r} is not one of {sorted(schemes & {*PORTS})}")
    if not host:
        raise _Unusable("it has no host")
    if port == 0:
        raise _Unusable("port 0")
    origin = Origin(scheme, _host(host), port or PORTS[scheme])
    path = quote(parts.path, safe=_SAFE) or "/"
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    name = f"{scheme}://{_authority(origin)}{path}"
    return Location(origin, path + query, _authorization(parts), name)


def _authority(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == PORTS[origin.scheme] else f"{host}:{origin.port}"


def _host(host: str) -> str:
    if ":" in host:
        address, _, zone = host.partition("%")
        zone = zone.removeprefix("25")  # RFC 6874 writes the sign before it as an escape
        try:
            shown = str(IPv6Address(address))
        except ValueError:
            raise _Unusable("its host is no IPv6 address") from None
        if not zone:
            return shown
        if not re.fullmatch(r"[A-Za-z0-9._~-]+", zone):
            raise _Unusable("its host's zone cannot be read")
        return f"{shown}%{zone}"
    try:
        host = host.lower() if host.isascii() else host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise _Unusable("its host is no name of a host") from None
    if len(host) > _HOST_LENGTH or not _HOST.fullmatch(host):
        raise _Unusable("its host is no name of a host")
    return host


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None and parts.password is None:
        return None
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")
