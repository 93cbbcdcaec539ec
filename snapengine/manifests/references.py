"""What a manifest may refer to: other files of its own folder, or other URLs of its own kind."""

from __future__ import annotations

import functools
import os
import re
from urllib.parse import unquote, urljoin, urlsplit

from ..errors import SourceDenied

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROLS = re.compile(r"[\x00-\x20\x7f\\]")
#: From one of these to the others; never back from https to http.
_UPGRADES = {"http": frozenset({"http", "https"})}
_PORTS = {"http": 80, "https": 443}
#: Names of files beside the manifest, as nearly all references are: nothing else to them.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~-]*", re.ASCII)


def is_url(place: str) -> bool:
    """Whether a manifest's place is a URL, not the path of a local file."""
    return "://" in place and _URL.match(place) is not None


def resolve(base: str, reference: str) -> str:
    """The URL or path that ``reference`` means in a manifest at ``base``.

    Raises :class:`SourceDenied` for what it may not reach: another scheme (https from http is
    fine), credentials of its own, another bucket of an object store, and for local manifests
    everything outside of their folder.
    """
    reference = reference.strip()
    if not is_url(base):
        return _local(base, reference)
    if _PLAIN.fullmatch(reference):
        return _folder(base) + reference
    if _CONTROLS.search(reference):
        raise _denied(reference, "has a space, backslash or control character in it")
    try:
        url = urljoin(base, reference)
        parts, origin = urlsplit(url), urlsplit(base)
        named, known = "@" in parts.netloc, parts.netloc == origin.netloc
    except ValueError as exc:
        raise _denied(reference, "is no URL") from exc
    scheme = origin.scheme.lower()
    if parts.scheme.lower() not in _UPGRADES.get(scheme, {scheme}):
        raise _denied(url, f"is not reached by {scheme}")
    if named and not known:
        raise _denied(url, "brings credentials")
    if scheme not in _PORTS and not known:
        raise _denied(url, "is in another bucket, and credentials would open it")
    return url


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have scheme, host and port in common: only then credentials go along."""
    a, b = urlsplit(one), urlsplit(other)
    return (a.scheme.lower(), (a.hostname or "").lower(), a.port or _PORTS.get(a.scheme)) == (
        b.scheme.lower(), (b.hostname or "").lower(), b.port or _PORTS.get(b.scheme),
    )  # fmt: skip


def with_credentials(url: str, owner: str) -> str:
    """A URL of the same origin as ``owner`` with its user and password, if it has some."""
    credentials, at, _ = urlsplit(owner).netloc.rpartition("@")
    parts = urlsplit(url)
    return parts._replace(netloc=credentials + at + parts.netloc.rpartition("@")[2]).geturl()


def shown(url: str) -> str:
    """A URL for messages: without credentials, query and fragment."""
    if not is_url(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition(':')[0]}:..."
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@functools.lru_cache(maxsize=64)
def _folder(base: str) -> str:
    """The URL of the folder that a file lies in."""
    return urljoin(base, ".")


def _local(base: str, reference: str) -> str:
    if _URL.match(reference) or reference.startswith(("/", "\\")):
        raise _denied(reference, "is not a file beside its manifest")
    plain = unquote(re.split("[?#]", reference, maxsplit=1)[0])
    if "\0" in plain or "\\" in plain or plain.startswith("/") or ".." in plain.split("/"):
        raise _denied(reference, "leaves the folder of its manifest")
    folder = os.path.realpath(os.path.dirname(base) or ".")
    path = os.path.realpath(os.path.join(folder, plain))
    if os.path.commonpath((folder, path)) != folder:
        raise _denied(reference, "leads out of the folder of its manifest")
    return path


def _denied(reference: str, why: str) -> SourceDenied:
    name = shown(reference)
    return SourceDenied(f"a manifest refers to {name!r}, which {why}", stage="open", url=name)
