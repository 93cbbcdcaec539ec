"""One connection to one server, read with a bound on every wait."""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

from ..errors import EngineClosed, SourceTimeout
from .http_url import Origin
from .meter import Meter

#: More of status line, headers and interim answers is an attack or no HTTP.
HEAD_BYTES = 256 << 10
#: ``settimeout(0)`` would mean not to wait at all.
_SHORTEST = 0.001
#: Pieces are at most so long.
PIECE = 64 << 10
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[^\r\n]*)?\r?\n")
_CHUNK_LINE = 4096
_TRAILERS = 100
#: How long bytes may take that only keep a connection usable.
_HURRY_SECONDS = 0.25


class HeadTooLong(http.client.HTTPException):
    """The server's head does not end."""


class BadChunk(http.client.HTTPException):
    """A chunked body that is none."""


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
        self._silence = self._patience = silence
        self._least = least_rate * silence
        self._reader = io.BufferedReader(_Incoming(self), PIECE)  # each answer has its own
        self._waiting: Waiting | None = None
        self._in_head = False
        self._waited = 0.0
        self._counted = 0

    def ask(self, head: bytes, waiting: Waiting) -> http.client.HTTPResponse:
        """Send a request and read the head of its answer."""
        self.reusable = False
        self.asked += 1
        self.received = 0
        self._patience = self._silence
        self._count_anew(in_head=True)
        self._waiting = waiting
        waiting.watch(self._socket)
        self._socket.settimeout(waiting.left(self._silence))
        self._socket.sendall(head)
        self._reader = io.BufferedReader(_Incoming(self), PIECE)
        while True:
            response = http.client.HTTPResponse(cast(socket.socket, self), method="GET")
            try:
                response.begin()
            except BaseException:
                response.close()
                raise
            if not 100 < response.status < 200:
                break
            # An interim answer (103) that http.client takes for the real one; that one follows.
            response.fp = None  # type: ignore[assignment]
        self._count_anew(in_head=False)
        return response

    def _count_anew(self, *, in_head: bool) -> None:
        self._in_head = in_head
        self._waited = 0.0
        self._counted = 0

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """What ``http.client`` reads from."""
        return cast(io.BufferedReader, self._reader)

    def fill(self, buffer: memoryview) -> int | None:
        """One ``recv``; ``None`` if nothing may be waited for."""
        waiting = self._waiting
        if waiting is None:
            return None
        while True:
            self._socket.settimeout(waiting.left(self._patience - self._waited))
            begun = time.monotonic()
            try:
                count = self._socket.recv_into(buffer)
            except TimeoutError:
                count = -1
            self._waited += time.monotonic() - begun
            if count == 0 and self._in_head and self.received:
                # http.client would take what came for the whole head.
                raise ConnectionError("closed in the middle of the head")
            if count > 0:
                self.received += count
                self._counted += count
                if self._in_head and self.received > HEAD_BYTES:
                    raise HeadTooLong(f"more than {HEAD_BYTES} bytes before the body")
            if self._waited >= self._patience - _SHORTEST and count:
                if self._in_head or self._counted < self._least or count < 0:
                    raise TimeoutError(
                        f"{self._counted} bytes in {self._patience:g} s, "
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
        # Not response.read1: at the end it does one thing or another, as the version goes, and it
        # takes a negative size of a chunk for one.
        chunks = _chunks(response.fp) if response.chunked else None
        left = size
        while left is None or left > 0:
            most = PIECE if left is None else min(left, PIECE)
            piece = response.fp.read1(most) if chunks is None else next(chunks, b"")
            if not piece:
                self.reusable = chunks is not None and size is None and not response.will_close
                return
            if left is None:
                yield piece
                continue
            left -= len(piece)
            yield piece if left >= 0 else piece[:left]
        if not response.will_close and left == 0:
            self.reusable = self._at_end(response.fp, chunks)

    def _at_end(self, body: io.BufferedReader, chunks: Iterator[bytes] | None) -> bool:
        if chunks is None:
            self._waiting = None
            return body.peek(1) == b""
        # The last chunk's header may still be under way. A body that goes on is cut off.
        self.hurry()
        try:
            return next(chunks, None) is None
        except (OSError, http.client.HTTPException):
            return False

    def hurry(self) -> None:
        """What now comes of this answer is not worth a wait."""
        self._patience = _HURRY_SECONDS
        self._count_anew(in_head=False)

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


def _chunks(body: io.BufferedReader) -> Iterator[bytes]:
    """The bytes of a chunked body (RFC 9112 section 7.1). Extensions and trailers are dropped."""
    while True:
        match = _CHUNK.fullmatch(body.readline(_CHUNK_LINE))
        if match is None:
            raise BadChunk("no size of a chunk where one must be")
        left = int(match[1], 16)
        if not left:
            for _ in range(_TRAILERS):
                if body.readline(_CHUNK_LINE) in (b"\r\n", b"\n"):
                    return
            raise BadChunk("the trailers do not end")
        while left:
            piece = body.read1(min(left, PIECE))
            if not piece:
                raise ConnectionError("closed in the middle of a chunk")
            left -= len(piece)
            yield piece
        if body.readline(3) not in (b"\r\n", b"\n"):
            raise BadChunk("a chunk is longer than its size")


class _Incoming(io.RawIOBase):
    """The bytes of one answer. Closing it leaves the connection alone."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        return self._connection.fill(memoryview(buffer))
