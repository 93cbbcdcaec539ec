"""Opening connections: names to addresses, the policy for them, TLS."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import SourceDenied, SourceError, SourceNotFound
from .addresses import AddressPolicy
from .http_connection import Waiting
from .http_url import Origin

#: What ``socket.getaddrinfo`` gives; tests put their own in its place.
Resolve = Callable[..., Iterable[tuple[Any, ...]]]


def connect(
    origin: Origin,
    policy: AddressPolicy,
    resolve: Resolve,
    tls: Callable[[], ssl.SSLContext],
    waiting: Waiting,
    seconds: float,
) -> socket.socket:
    """A connected socket, with TLS if the origin wants it.

    The name is resolved once and the very address that was judged is connected to, so an answer of
    the DNS that changes in between (rebinding) changes nothing. Addresses that are not allowed are
    left out; :class:`SourceDenied` if no other is left. Raises :class:`OSError` if none answers.

    ``resolve`` cannot be interrupted: the system's resolver keeps to its own time.
    """
    found = _resolved(origin, resolve)
    waiting.check("looking up the host")
    refused: list[tuple[str, str]] = []
    allowed = []
    for family, sockaddr in found:
        kind = policy.refusal(str(sockaddr[0]))
        if kind is None:
            allowed.append((family, sockaddr))
        else:
            refused.append((str(sockaddr[0]), kind))
    if not allowed:
        raise _denied(origin, *refused[0])
    ends = time.monotonic() + seconds
    failed: OSError | None = None
    for i, (family, sockaddr) in enumerate(allowed):
        waiting.check("connecting")
        # Each gets its share of what is left, so that one that is silent leaves time for others.
        share = max(0.0, ends - time.monotonic()) / (len(allowed) - i)
        try:
            return _connected(origin, family, sockaddr, policy, tls, waiting, share)
        except ssl.SSLCertVerificationError as exc:
            raise SourceError(
                f"the certificate of {origin.host} is not valid: {exc.verify_message}",
                stage="open", host=origin.host,
            ) from exc  # fmt: skip
        except OSError as exc:
            if isinstance(exc, SourceError):
                raise
            failed = exc
    waiting.check("connecting")
    assert failed is not None
    raise failed


def _resolved(origin: Origin, resolve: Resolve) -> list[tuple[int, tuple[Any, ...]]]:
    try:
        answers = resolve(origin.host, origin.port, type=socket.SOCK_STREAM)
        families = (socket.AF_INET, socket.AF_INET6)
        found = [(a[0], a[4]) for a in answers if a[0] in families]
    except socket.gaierror as exc:
        if exc.errno == socket.EAI_AGAIN:
            raise
        raise SourceNotFound(
            f"no such host: {origin.host} ({exc.strerror})", stage="open", host=origin.host
        ) from exc
    except UnicodeError as exc:
        raise SourceNotFound(
            f"no such host: {origin.host}", stage="open", host=origin.host
        ) from exc
    if not found:
        raise SourceNotFound(f"no address for {origin.host}", stage="open", host=origin.host)
    return found


def _denied(origin: Origin, address: str, kind: str) -> SourceDenied:
    where = "" if address == origin.host else f" is at {address}, which"
    return SourceDenied(
        f"{origin.host}{where} is not of the public Internet ({kind}); "
        f"Network(allow_private=True) or allow_networks (--allow-private) lets it be read",
        stage="open", host=origin.host, address=address,
    )  # fmt: skip


def _connected(
    origin: Origin,
    family: int,
    sockaddr: tuple[Any, ...],
    policy: AddressPolicy,
    tls: Callable[[], ssl.SSLContext],
    waiting: Waiting,
    seconds: float,
) -> socket.socket:
    ends = time.monotonic() + seconds
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        waiting.watch(sock)
        sock.settimeout(waiting.left(seconds))
        sock.connect(sockaddr)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = str(sock.getpeername()[0])
        kind = policy.refusal(peer)
        if kind is not None:
            raise _denied(origin, peer, kind)
        if origin.scheme == "https":
            # A server that closes without TLS's goodbye may have been cut off: that is an error.
            wrapped = tls().wrap_socket(
                sock,
                server_hostname=origin.host.partition("%")[0].rstrip("."),
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )
            sock = wrapped
            waiting.watch(sock)
            sock.settimeout(waiting.left(ends - time.monotonic()))
            wrapped.do_handshake()
        return sock
    except BaseException:
        waiting.watch(None)
        sock.close()
        raise
