"""One connection to one server: opened to an allowed address, read with a bound on every wait."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from ..errors import EngineClosed, SourceDenied, SourceError, SourceNotFound, SourceTimeout
from .addresses import AddressPolicy
from .http_url import Origin
from .meter import Meter

#: What ``socket.getaddrinfo`` gives; tests put their own in its place.
Resolve = Callable[..., Iterable[tuple[Any, ...]]]

#: More of status line, headers and interim answers is an attack or no HTTP.
HEAD_BYTES = 256 << 10
#: ``settimeout(0)`` would mean not to wait at all.
_SHORTEST = 0.001
#: Pieces are at most so long.
PIECE = 64 << 10
#: How long the end of a chunked body may take once all bytes are there.
_TRAILER_SECONDS = 0.25


class HeadTooLong(http.client.HTTPException):
    """The server's head does not end."""


class Waiting:
    """One fetch: until when it may wait, and what wakes it. :meth:`wake` is for other threads."""

    def __init__(self, meter: Meter, seconds: float, name: str) -> None:
        self.meter = meter
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._name = name
        self._closed = False
        self._woken = threading.Event()
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def wake(self) -> None:
        """End every wait of this fetch, now and later; :meth:`check` then says why."""
        self._woken.set()
        with self._lock:
            if self._socket is not None:
                _shut_down(self._socket)

    def close(self) -> None:
        """The source was closed."""
        self._closed = True
        self.wake()

    def watch(self, sock: socket.socket | None) -> None:
        """The fetch waits in ``sock`` from now on, in none with ``None``."""
        with self._lock:
            self._socket = sock
            if sock is not None and self._woken.is_set():
                _shut_down(sock)

    def check(self, doing: str) -> None:
        """Raise what ended this fetch, if something did."""
        if self._closed:
            raise EngineClosed(f"{self._name}: the source is closed")
        self.meter.check()
        if time.monotonic() >= self._ends:
            raise SourceTimeout(
                f"{self._name}: not done within {self._seconds:g} s, {doing} at last",
                stage="open", source=self._name,
            )  # fmt: skip

    def extend(self) -> None:
        """Bytes came of something that is longer than one range: the time starts again."""
        self._ends = time.monotonic() + self._seconds

    def left(self, most: float) -> float:
        """Seconds that may be waited for one thing, at most ``most``; at least a moment."""
        here = min(most, self._ends - time.monotonic())
        return max(_SHORTEST, self.meter.remaining(here))

    def fits(self, seconds: float) -> bool:
        """Whether there is as much time."""
        return self.left(seconds + _SHORTEST) >= seconds

    def sleep(self, seconds: float, doing: str) -> None:
        self._woken.wait(self.left(seconds))
        self.check(doing)


def _shut_down(sock: socket.socket) -> None:
    # The plain socket's: an SSLSocket's own forgets its TLS state under the thread that reads.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Connection:
    """A keep-alive connection. Used by one thread at a time.

    ``silence``: seconds without a byte, or with less than ``least_rate`` bytes a second, after
    which :class:`TimeoutError` is raised; a head must be there within that time as a whole. Raises
    :class:`OSError` and :class:`http.client.HTTPException`.
    """

    def __init__(
        self, sock: socket.socket, origin: Origin, silence: float, least_rate: int
    ) -> None:
        self.origin = origin
        self.asked = 0  # requests sent
        self.received = 0  # bytes of the answer to the last one
        self.reusable = True
        self._socket = sock
        self._silence = silence
        self._least = least_rate * silence
        self._waiting: Waiting | None = None
        self._in_head = False
        self._waited = 0.0
        self._counted = 0

    def ask(self, head: bytes, waiting: Waiting) -> http.client.HTTPResponse:
        """Send a request and read the head of its answer."""
        self.reusable = False
        self.asked += 1
        self.received = 0
        self._count_anew(in_head=True)
        self._waiting = waiting
        waiting.watch(self._socket)
        self._socket.settimeout(waiting.left(self._silence))
        self._socket.sendall(head)
        response = http.client.HTTPResponse(cast(socket.socket, self), method="GET")
        try:
            response.begin()
        except BaseException:
            response.close()
            raise
        self._count_anew(in_head=False)
        return response

    def _count_anew(self, *, in_head: bool) -> None:
        self._in_head = in_head
        self._waited = 0.0
        self._counted = 0

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """What ``http.client`` reads from."""
        return io.BufferedReader(_Incoming(self), PIECE)

    def fill(self, buffer: memoryview) -> int | None:
        """One ``recv``; ``None`` if nothing may be waited for."""
        waiting = self._waiting
        if waiting is None:
            return None
        while True:
            self._socket.settimeout(waiting.left(self._silence - self._waited))
            begun = time.monotonic()
            try:
                count = self._socket.recv_into(buffer)
            except TimeoutError:
                count = -1
            self._waited += time.monotonic() - begun
            if count > 0:
                self.received += count
                self._counted += count
                if self._in_head and self.received > HEAD_BYTES:
                    raise HeadTooLong(f"more than {HEAD_BYTES} bytes before the body")
            if self._waited >= self._silence - _SHORTEST and count:
                if self._in_head or self._counted < self._least or count < 0:
                    raise TimeoutError(
                        f"{self._counted} bytes in {self._silence:g} s, "
                        f"{'waiting for the head' if self._in_head else 'reading the body'}"
                    )
                self._count_anew(in_head=False)
            if count >= 0:
                return count
            waiting.check("waiting for an answer" if self._in_head else "waiting for bytes")

    def pieces(self, response: http.client.HTTPResponse, size: int | None) -> Iterator[bytes]:
        """The next ``size`` bytes of the body as they arrive, all of them with ``None``.

        Ends early where the body ends. Afterwards :attr:`reusable` tells whether the connection
        stands where the next answer begins.
        """
        left = size
        body = cast(io.BufferedReader, response.fp)
        while left is None or left > 0:
            most = PIECE if left is None else min(left, PIECE)
            # Not response.read1 for plain bodies: what it does at the end differs by version.
            piece = response.read1(most) if response.chunked else body.read1(most)
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece
        if not response.will_close:
            self.reusable = self._at_end(response, body)

    def _at_end(self, response: http.client.HTTPResponse, body: io.BufferedReader) -> bool:
        waiting = self._waiting
        if response.chunked and waiting is not None:
            # The last chunk's header may still be under way. A body that goes on is cut off.
            self._silence, silence = _TRAILER_SECONDS, self._silence
            self._count_anew(in_head=False)
            try:
                return response.read1(1) == b""
            except (OSError, ValueError, http.client.HTTPException):
                return False
            finally:
                self._silence = silence
        self._waiting = None
        return body.peek(1) == b""

    def resume(self, waiting: Waiting) -> None:
        """Read on in an answer after a :meth:`rest`."""
        self._waiting = waiting
        self._count_anew(in_head=False)
        waiting.watch(self._socket)

    def rest(self, waiting: Waiting) -> None:
        """Nothing is waited for any more; ``waiting`` may not shut this connection down."""
        waiting.watch(None)
        self._waiting = None

    def is_open(self) -> bool:
        """Whether an idle connection can be used: neither closed nor spoken on by the server."""
        try:
            self._socket.settimeout(0)
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        self.reusable = False
        with contextlib.suppress(OSError):
            self._socket.close()


class _Incoming(io.RawIOBase):
    """The bytes of one answer. Closing it leaves the connection alone."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        return self._connection.fill(memoryview(buffer))


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
    return SourceDenied(
        f"{origin.host} is at {address}, which is not of the public Internet ({kind}); "
        f"Network(allow_private=True) or allow_networks lets it be read",
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
