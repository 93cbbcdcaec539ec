"""Requests as dialects see them: read within bounds, from any ASGI server, mounted anywhere."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable, MutableMapping
from ipaddress import AddressValueError, IPv6Address
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import quote, unquote

import anyio
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect, Request

from ..auth.wire import SignedRequest
from ..settings import Settings

__all__ = [
    "ROOT",
    "BodyCutOff",
    "BodyTooLarge",
    "BodyTooSlow",
    "BodyUnread",
    "base_url",
    "body_pieces",
    "call",
    "in_thread",
    "raw_path",
    "read_request",
    "to_origin_form",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Key in a scope: the prefix that the service is mounted at, as it was when its application was
#: entered. Routes inside of it may be mounted further.
ROOT: Final = "snapengine.root"

#: Seconds that the body of a call may take as a whole.
BODY_SECONDS: Final = 30.0
#: Calls of the service that run at a time; the others wait for a thread.
THREADS: Final = 24

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?)"
                   r"(?::([0-9]{1,5}))?")  # fmt: skip
_WHOLE = re.compile(rb"[0-9]{1,18}")
_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")

_threads: RunVar[anyio.CapacityLimiter] = RunVar("snapengine service threads")


class BodyUnread(Exception):
    """Root: a body that was not read to its end. ``status`` is what HTTP has for it."""

    status = 400


class BodyTooLarge(BodyUnread):
    """It has, or says that it has, more bytes than are allowed."""

    status = 413


class BodyTooSlow(BodyUnread):
    """It did not come within its time."""

    status = 408


class BodyCutOff(BodyUnread):
    """The client left before its body ended; nobody reads an answer."""


async def read_request(
    request: Request, most: int = 1 << 20, seconds: float = BODY_SECONDS
) -> SignedRequest:
    """The whole request, its body of at most ``most`` bytes within ``seconds``.

    The body is what came, whatever ``Content-Length`` says of it. Raises :class:`BodyTooLarge`,
    :class:`BodyTooSlow`, :class:`BodyCutOff`.
    """
    body = bytearray()
    async for piece in body_pieces(request, most, seconds):
        body += piece
    scope = request.scope
    return SignedRequest(
        method=str(scope["method"]),
        raw_path=raw_path(scope),
        raw_query=bytes(scope.get("query_string", b"")),
        headers=tuple((bytes(name).lower(), bytes(value)) for name, value in scope["headers"]),
        body=bytes(body),
    )


async def body_pieces(
    request: Request, most: int, seconds: float, least_rate: int | None = None
) -> AsyncIterator[bytes]:
    """The body piece by piece as it comes: at most ``most`` bytes.

    ``seconds`` bound the whole of it; with ``least_rate`` they bound each stretch in which not so
    many bytes a second come, for bodies of any length. The time in which the caller works on a
    piece does not count. Raises as :func:`read_request` does.
    """
    if _announced(request) > most:
        raise BodyTooLarge(f"a body of more than {most} bytes")
    stream = request.stream()
    size = since = 0
    left = seconds
    while True:
        begun = anyio.current_time()
        try:
            with anyio.fail_after(left):
                piece = await anext(stream, None)
        except TimeoutError:
            raise BodyTooSlow(f"the body did not come within {seconds:g} s") from None
        except ClientDisconnect:
            raise BodyCutOff("the client left") from None
        left = max(0.0, left - (anyio.current_time() - begun))
        if piece is None:
            return
        size += len(piece)
        since += len(piece)
        if size > most:
            raise BodyTooLarge(f"a body of more than {most} bytes")
        if least_rate is not None and since >= least_rate * seconds:
            left, since = seconds, 0
        if piece:
            yield piece


def _announced(request: Request) -> int:
    """What ``Content-Length`` says, 0 where it says nothing that can be read."""
    for name, value in request.scope["headers"]:
        if name.lower() == b"content-length" and _WHOLE.fullmatch(value.strip()):
            return int(value)
    return 0


def raw_path(scope: MutableMapping[str, Any]) -> bytes:
    """The path as it was sent, still escaped, without the prefix that the service is mounted at.

    A server that does not keep it gives only the decoded one, which is escaped again.
    """
    root = str(scope.get(ROOT, scope.get("root_path", ""))).rstrip("/")
    raw = scope.get("raw_path")
    if raw is None:
        path = str(scope["path"])
        if root and path.startswith(root) and path[len(root) :][:1] in ("", "/"):
            path = path[len(root) :]
        return quote(path or "/", safe="/:@!$&'()*+,;=~-._").encode("ascii")
    raw = _origin_form(bytes(raw).partition(b"?")[0])
    return _without(raw, root.encode("utf-8", "surrogateescape")) or b"/"


def to_origin_form(scope: MutableMapping[str, Any]) -> None:
    """Let a request line as proxies get them, with a whole URL, be what it means to an origin
    server (RFC 9112 section 3.2.2)."""
    raw = scope.get("raw_path")
    if raw is not None and not raw.startswith(b"/") and _ABSOLUTE.match(raw):
        scope["raw_path"] = _origin_form(raw) or b"/"
        scope["path"] = unquote(scope["raw_path"].decode("latin-1"))


def _origin_form(raw: bytes) -> bytes:
    found = _ABSOLUTE.match(raw)
    return raw if found is None else raw[found.end() :]


def _without(raw: bytes, root: bytes) -> bytes:
    """``raw`` behind the prefix that decodes to ``root``; all of it if it does not begin so."""
    at = 0
    for byte in root:
        if raw[at : at + 1] == b"%" and len(raw) > at + 2 and _HEX.issuperset(raw[at + 1 : at + 3]):
            found, at = int(raw[at + 1 : at + 3], 16), at + 3
        elif at < len(raw):
            found, at = raw[at], at + 1
        else:
            return raw
        if found != byte:
            return raw
    return raw[at:] if raw[at : at + 1] in (b"", b"/") else raw


def base_url(request: Request, settings: Settings) -> str:
    """What links begin with: scheme, host and prefix, without a slash at the end.

    The one that is set, else as the client addressed the service. A ``Host`` that is none (some
    clients send a whole URL there) gives way to the address that the connection came in on; so
    whatever a client says, a link made of it has the form of one.
    """
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scope = request.scope
    scheme = "https" if scope.get("scheme") == "https" else "http"
    hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
    host = _host(hosts[0].decode("latin-1")) if len(hosts) == 1 else None
    root = str(scope.get(ROOT, scope.get("root_path", ""))).rstrip("/")
    return f"{scheme}://{host or _own_address(scope, scheme)}{quote(root)}"


def _host(text: str) -> str | None:
    found = _HOST.fullmatch(text.strip())
    if found is None or (found[2] and not 0 < int(found[2]) < 65536) or ".." in found[1]:
        return None
    if found[1].startswith("["):
        try:
            IPv6Address(found[1][1:-1])
        except AddressValueError:
            return None
    return found[0]


def _own_address(scope: MutableMapping[str, Any], scheme: str) -> str:
    host, port = scope.get("server") or (None, None)
    if host is None or port is None:  # a socket in the file system has no name in a URL
        return "localhost"
    host = str(host).partition("%")[0]
    shown = _host(f"[{host}]" if ":" in host else host) or "localhost"
    return shown if port == (443 if scheme == "https" else 80) else f"{shown}:{port}"


async def call(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a blocking call of the service in a thread, at most :data:`THREADS` at a time.

    Not given up when the client leaves: what was begun is finished.
    """
    return await in_thread(_threads, THREADS, functools.partial(function, *args, **kwargs))


async def in_thread(
    variable: RunVar[anyio.CapacityLimiter], most: int, function: Callable[[], _T]
) -> _T:
    """Run ``function`` in one of ``most`` threads of a pool, which ``variable`` names."""
    try:
        limiter = variable.get()
    except LookupError:
        # One for each event loop: limiters belong to the loop that they are made in.
        limiter = anyio.CapacityLimiter(most)
        variable.set(limiter)
    return await run_sync(function, limiter=limiter)
