"""A real HTTP server on this machine that misbehaves as it is told.

::

    with FaultServer({"/v.mp4": data}) as server:
        server.faults.append(busy(503, after="1"))       # the next request
        server.faults.append(cut("middle", "reset", times=2))
        HttpFetcher(server.url("/v.mp4"), Network(allow_private=True)).fetch(...)
        assert [r.range for r in server.requests] == [...]

Each request is served as a good server would, then changed by the first fault in
:attr:`FaultServer.faults` that fits; a fault is used ``times`` times and then removed (``None``:
stays). ``on`` restricts it: a predicate of the :class:`Request`. Faults for the stage ``"connect"``
strike when a connection is accepted.

Nothing here sleeps: a server that hangs waits for the client to go away or for :meth:`stop`.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import struct
import threading
from collections.abc import Mapping

from .faults import (
    ACTS,
    STAGES,
    Act,
    Fault,
    Reply,
    Request,
    Served,
    Stage,
    answer,
    busy,
    chunked,
    cut,
    extra,
    raw,
    redirect,
    shorter,
)

__all__ = [
    "ACTS",
    "STAGES",
    "Act",
    "Fault",
    "FaultServer",
    "Reply",
    "Request",
    "Served",
    "Stage",
    "answer",
    "busy",
    "chunked",
    "cut",
    "extra",
    "leftovers",
    "raw",
    "redirect",
    "shorter",
]

_PIECE = 64 << 10


class FaultServer:
    """``files``: path -> bytes or :class:`Served`; may be changed while it runs.

    ``ranges=False``: whole files only. ``tls``: a server-side context.
    """

    def __init__(
        self,
        files: Mapping[str, bytes | Served],
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        ranges: bool = True,
    ) -> None:
        self.files: dict[str, Served] = {}
        for path, file in files.items():
            self.put(path, file)
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.connections = 0
        self.ranges = ranges
        self._tls = tls
        self._host = host
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def put(self, path: str, file: bytes | Served) -> None:
        self.files[path] = file if isinstance(file, Served) else Served(file)

    def url(self, path: str, *, host: str | None = None, userinfo: str = "") -> str:
        host = host or (f"[{self._host}]" if ":" in self._host else self._host)
        at = f"{userinfo}@" if userinfo else ""
        return f"{'https' if self._tls else 'http'}://{at}{host}:{self.port}{path}"

    @property
    def open_connections(self) -> int:
        with self._lock:
            return len(self._open)

    @property
    def bytes_sent(self) -> int:
        return sum(request.sent for request in self.requests)

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping.set()
        # Closing alone does not wake a thread in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        self.drop_connections()
        for thread in self._threads:
            thread.join(5)

    def drop_connections(self) -> None:
        """End all connections, idle ones too, as a server that is restarted does."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, peer = self._listener.accept()
            except OSError:
                return
            with self._lock:
                number = self.connections
                self.connections += 1
                thread = threading.Thread(
                    target=self._serve, args=(sock, peer[:2], number), daemon=True
                )
                self._open.add(sock)
                self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, peer: tuple[str, int], number: int) -> None:
        plain = sock
        try:
            fault = self._fault(None)
            if fault is not None and fault.connect is not None:
                _act(sock, fault.connect, b"HTTP/1.1 ", 0.05)
                return
            if self._tls is not None:
                sock.settimeout(5)
                sock = self._tls.wrap_socket(sock, server_side=True)
                sock.settimeout(None)
                with self._lock:
                    self._open.discard(plain)
                    self._open.add(sock)
                if self._stopping.is_set():
                    return
            with sock.makefile("rb") as lines:
                while True:
                    request = self._read(lines, number, peer)
                    if request is None or not self._reply(sock, request):
                        return
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open -= {sock, plain}
            sock.close()
            plain.close()

    def _read(self, lines: object, connection: int, peer: tuple[str, int]) -> Request | None:
        readline = lines.readline  # type: ignore[attr-defined]
        first = readline(65536).decode("latin-1").split()
        if len(first) != 3:
            return None
        headers: dict[str, str] = {}
        while line := readline(65536).strip().decode("latin-1"):
            name, _, text = line.partition(":")
            headers[name.strip().lower()] = text.strip()
        path, _, query = first[1].partition("?")
        with self._lock:
            request = Request(len(self.requests), first[0], path, query, headers, connection, peer)
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
            if match:
                request.range = (int(match[1]), int(match[2]) if match[2] else None)
            self.requests.append(request)
        return request

    def _fault(self, request: Request | None) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if (fault.connect is None) == (request is None):
                    continue
                if request is not None and fault.on is not None and not fault.on(request):
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.faults.remove(fault)
                return fault
        return None

    def _reply(self, sock: socket.socket, request: Request) -> bool:
        """Whether the connection goes on."""
        reply = self._good(request)
        fault = self._fault(request)
        if fault is not None:
            fault.change(request, reply)
        request.status = reply.status
        if reply.raw is not None:
            sock.sendall(reply.raw)
            return False
        body = reply.body if request.method != "HEAD" else b""
        lines = [f"HTTP/1.1 {reply.status} OK", *(f"{n}: {t}" for n, t in reply.headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if reply.chunked:
            framed = b"".join(
                b"%x\r\n%s\r\n" % (len(piece), piece)
                for i in range(0, len(body), reply.chunked)
                for piece in [body[i : i + reply.chunked]]
            )
            body = framed + b"0\r\n\r\n"
        stage, act, after = reply.stop or ("", "close", None)
        if stage == "status":
            _act(sock, act, head + body, reply.pause, request, len(head))
            return False
        if stage == "headers":
            half = len(head) // 2
            sock.sendall(head[:half])
            _act(sock, act, head[half:] + body, reply.pause, request, len(head) - half)
            return False
        if stage == "body":
            sock.sendall(head)
            _act(sock, act, body, reply.pause, request)
            return False
        if stage == "middle":
            after = len(body) // 2 if after is None else min(after, len(body))
            request.sent += after
            sock.sendall(head + body[:after])
            _act(sock, act, body[after:], reply.pause, request)
            return False
        for i in range(0, max(1, len(body)), _PIECE):
            piece = body[i : i + _PIECE]
            # What belongs together goes out together: tests must not hang on when it arrives.
            before = head if i == 0 else b""
            behind = reply.tail if i + _PIECE >= len(body) else b""
            request.sent += len(piece)  # first: whoever has read it may look at this at once
            sock.sendall(before + piece + behind)
        return not (reply.close or reply.headers.get("Connection") == "close")

    def _good(self, request: Request) -> Reply:
        file = self.files.get(request.path)
        if file is None:
            return Reply(404, {"Content-Length": "9"}, b"not here\n")
        headers = {"Content-Length": "0", "Accept-Ranges": "bytes"}
        if file.etag:
            headers["ETag"] = file.etag
        if file.modified:
            headers["Last-Modified"] = file.modified
        size = len(file.data)
        condition = request.headers.get("if-range")
        same = condition is None or condition in (file.etag, file.modified)
        body, status = file.data, 200
        if self.ranges and request.range is not None and same:
            first, last = request.range
            if first >= size:
                headers["Content-Range"] = f"bytes */{size}"
                return Reply(416, headers, b"")
            last = size - 1 if last is None else min(last, size - 1)
            body, status = file.data[first : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        headers["Content-Length"] = str(len(body))
        return Reply(status, headers, body)


def leftovers() -> tuple[int, list[str]]:
    """Open sockets of this process, and its threads: to be the same before and after a test."""
    sockets = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            sockets += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return sockets, sorted(thread.name for thread in threading.enumerate())


def _act(
    sock: socket.socket,
    act: Act,
    rest: bytes,
    pause: float,
    request: Request | None = None,
    head: int = 0,
) -> None:
    """Do it. The first ``head`` bytes of ``rest`` are no body; what is sent of that is counted."""
    if act == "reset":
        # No linger: what is unsent is thrown away and the other side gets a reset.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif act == "close":
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
    elif act == "hang":
        while sock.recv(_PIECE):
            continue
    else:
        sock.settimeout(pause)
        for i in range(len(rest)):
            if request is not None:
                request.sent += i >= head  # first: whoever has read it may look at this at once
            sock.sendall(rest[i : i + 1])
            try:
                while sock.recv(_PIECE):
                    continue
                break
            except TimeoutError:
                continue
        sock.settimeout(None)
