"""A web server that is as far away and as slow as a real one: latency and bandwidth, by the clock.

    python -m benchmarks.throttled_server FOLDER --latency 0.04 --megabits 50
    with ThrottledServer(folder) as server: server.url("a.mp4"), server.reset(), server.counts()

Each request is answered ``latency`` seconds after its last byte came in. Byte k of a body leaves
k / rate seconds after that, or after the body before it on the same connection: a body of n bytes
takes latency + n / rate, whatever its size, because no credit is given for waiting. It leaves in
pieces of what is due every ``TICK_SECONDS``, the first packet's worth at once. Every connection
has the whole rate for itself, as from a server that is far from its own limits.

Connecting costs nothing here, as on any loopback; on a real way it costs one more round trip.
``--connect SECONDS`` adds that to the first request of each connection.

Plain files of one folder, by name; GET and HEAD, one range per request (others are ignored, as the
standard allows), If-Range, strong ETag, Last-Modified, keep-alive; requests sent ahead are answered
in turn. One process, one thread, sendfile: some per cent of one core at eight connections.
``/-/counts`` (JSON) and ``/-/reset`` are answered at once and not counted. Bytes are counted when
they are handed to the kernel. A client that hangs up in the middle has therefore been sent up to
two socket buffers more than it took: at most ``SEND_BUFFER`` here and its own receive buffer, never
more than the rate allows. On a real way those bytes would have been under way just the same.
"""

from __future__ import annotations

import argparse
import email.utils
import heapq
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["LATENCY_SECONDS", "MEGABITS", "ThrottledServer", "serve"]

LATENCY_SECONDS = 0.04
MEGABITS = 50.0
TICK_SECONDS = 0.005
FIRST_PIECE = 1448  # what one packet carries
SEND_BUFFER = 1 << 17
MOST_HEADER = 1 << 16


class ThrottledServer:
    """The server in a process of its own, on a free port of the loopback address."""

    def __init__(
        self,
        folder: Path | str,
        *,
        latency: float = LATENCY_SECONDS,
        megabits: float = MEGABITS,
        connect: float = 0.0,
    ) -> None:
        command = [sys.executable, "-m", "benchmarks.throttled_server", str(folder)]
        command += ["--latency", str(latency), "--megabits", str(megabits)]
        command += ["--connect", str(connect)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # its end is the server's end, however the parent goes
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parent.parent,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended with status {self._process.wait()}")
        self.port = int(line)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{urllib.parse.quote(name)}"

    def counts(self) -> dict[str, Any]:
        """Since the last :meth:`reset`: ``requests``, ``connections``, ``body_bytes`` sent,
        ``asked_bytes``, ``cut`` (bodies the client did not take to their end), ``most_connections``
        with a body or an answer pending at a time, ``cpu_seconds`` of the server, and ``ranges``:
        first byte, bytes asked, bytes sent of each request, milliseconds from the reset to its
        coming in and the number of its connection, in that order.
        """
        counts: dict[str, Any] = json.loads(self._control("counts"))
        return counts

    def reset(self) -> None:
        self._control("reset")

    def _control(self, word: str) -> bytes:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/-/{word}", timeout=10) as answer:
            data: bytes = answer.read()
        return data

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def __enter__(self) -> ThrottledServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


# -- the server's side -------------------------------------------------------------------------


class _Counts:
    def __init__(self) -> None:
        self.requests = self.connections = self.most_connections = 0
        self.body_bytes = self.asked_bytes = self.cut = 0
        self.ranges: list[list[int]] = []
        self.cpu, self.since = time.process_time(), time.monotonic()

    def as_json(self) -> bytes:
        said = {name: value for name, value in vars(self).items() if name not in ("cpu", "since")}
        said["cpu_seconds"] = round(time.process_time() - self.cpu, 4)
        return json.dumps(said).encode()


class _Answer:
    """One answer: header, then ``size`` bytes of ``file`` from ``offset`` on."""

    def __init__(self, head: bytes, keep: bool, due: float = 0.0) -> None:
        self.due, self.head, self.keep, self.file = due, head, keep, -1
        self.first = self.offset = self.size = self.sent = 0
        self.began: float | None = None
        self.row: list[int] | None = None


class _Connection:
    def __init__(self, line: socket.socket, extra: float) -> None:
        self.line = line
        self.number = line.fileno()
        self.extra = extra  # seconds, for the first request only
        self.buffer = bytearray()
        self.queue: deque[_Answer] = deque()
        self.blocked = False  # the client's buffers are full
        self.counted = False
        self.closed = False


class _Server:
    def __init__(self, folder: Path, latency: float, rate: float, connect: float) -> None:
        self.folder, self.latency, self.rate, self.connect = folder, latency, rate, connect
        self.counts = _Counts()
        self.open: dict[int, _Connection] = {}
        self.files: dict[str, tuple[int, int, str, str]] = {}
        self.timers: list[tuple[float, int, _Connection]] = []
        self.serial = 0
        self.busy = 0

    def run(self, listener: socket.socket, until: int) -> None:
        """Serve until the file descriptor ``until`` is readable (its other end was closed)."""
        while True:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                connection = heapq.heappop(self.timers)[2]
                if not connection.closed and not connection.blocked:
                    self.guard(connection, self.push)
                now = time.monotonic()
            wait = max(0.0, self.timers[0][0] - now) if self.timers else None
            writers = [one.number for one in self.open.values() if one.blocked]
            # select, because epoll rounds its timeout to whole milliseconds.
            ready, free, _ = select.select([listener, until, *self.open], writers, [], wait)
            for number in free:
                connection = self.open[number]
                connection.blocked = False
                answer = connection.queue[0]
                if answer.began is not None:
                    # Nothing is made up for the time in which the client took nothing.
                    began = time.monotonic() - answer.sent / self.rate
                    answer.began = max(answer.began, began)
                self.guard(connection, self.push)
            for one in ready:
                if one is listener:
                    self.accept(listener)
                elif one == until:
                    return
                elif one in self.open:
                    self.guard(self.open[one], self.receive)

    def guard(self, connection: _Connection, action: Callable[[_Connection], None]) -> None:
        """A client that went away ends its connection and nothing else."""
        try:
            action(connection)
        except OSError:
            self.drop(connection)

    def accept(self, listener: socket.socket) -> None:
        line, _ = listener.accept()
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER // 2)  # Linux doubles it
        self.open[line.fileno()] = _Connection(line, self.connect)

    def drop(self, connection: _Connection) -> None:
        if connection.closed:
            return
        connection.closed = True
        del self.open[connection.number]
        if connection.queue:
            self.busy -= 1
        for answer in connection.queue:
            self.counts.cut += answer.row is not None
        connection.line.close()

    def receive(self, connection: _Connection) -> None:
        try:
            data = connection.line.recv(65536)
        except BlockingIOError:
            return
        if not data:
            self.drop(connection)
            return
        now = time.monotonic()
        connection.buffer += data
        while (end := connection.buffer.find(b"\r\n\r\n")) >= 0:
            text = bytes(connection.buffer[:end]).decode("latin-1")
            del connection.buffer[: end + 4]
            self.request(connection, text, now)
        if len(connection.buffer) > MOST_HEADER:
            self.drop(connection)

    def request(self, connection: _Connection, text: str, now: float) -> None:
        first, *lines = text.split("\r\n")
        method, target, version, *_ = [*first.split(" "), "", "", ""]
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        said = fields.get("connection", "").lower()
        keep = "close" not in said and (version == "HTTP/1.1" or "keep-alive" in said)
        name = urllib.parse.unquote(target.split("?", maxsplit=1)[0])
        if name.startswith("/-/"):
            if name == "/-/reset":
                self.counts = _Counts()
            body = self.counts.as_json()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            answer = _Answer(head + body, keep, now)
        else:
            self.counts.requests += 1
            self.counts.connections += not connection.counted
            connection.counted = True
            answer = self.answer(method, name[1:], fields, keep)
            if answer.row is not None:
                answer.row += [round(1000 * (now - self.counts.since)), connection.number]
            answer.due = now + self.latency + connection.extra
            connection.extra = 0.0
        connection.queue.append(answer)
        if len(connection.queue) == 1:
            self.busy += 1
            self.counts.most_connections = max(self.counts.most_connections, self.busy)
            self.at(answer.due, connection)

    def answer(self, method: str, name: str, fields: dict[str, str], keep: bool) -> _Answer:
        known = self.find(name)
        if method not in ("GET", "HEAD") or known is None:
            code = "404 Not Found" if known is None else "405 Method Not Allowed"
            return _Answer(_head(code, {"Content-Length": "0"}, keep), keep)
        file, size, tag, stamp = known
        head = {"Content-Type": "video/mp4", "Accept-Ranges": "bytes", "ETag": tag}
        head["Last-Modified"] = stamp
        code, low, high = "200 OK", 0, size
        if fields.get("if-range", tag) in (tag, stamp) and "range" in fields:
            span = _range(fields["range"], size)
            if span == (0, 0):
                head |= {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
                return _Answer(_head("416 Range Not Satisfiable", head, keep), keep)
            if span is not None:
                code, (low, high) = "206 Partial Content", span
                head["Content-Range"] = f"bytes {low}-{high - 1}/{size}"
        head["Content-Length"] = str(high - low)
        answer = _Answer(_head(code, head, keep), keep)
        answer.row = [low, high - low, 0]
        if method == "GET":
            answer.file, answer.first, answer.offset, answer.size = file, low, low, high - low
            self.counts.asked_bytes += high - low
        self.counts.ranges.append(answer.row)
        return answer

    def find(self, name: str) -> tuple[int, int, str, str] | None:
        """Descriptor, size and validators of a file of the folder; opened once."""
        if name not in self.files:
            path = self.folder / name
            if "/" in name or name.startswith(".") or not path.is_file():
                return None
            file = os.open(path, os.O_RDONLY)
            about = os.fstat(file)
            tag = f'"{about.st_size:x}-{about.st_mtime_ns:x}"'
            stamp = email.utils.formatdate(about.st_mtime, usegmt=True)
            self.files[name] = (file, about.st_size, tag, stamp)
        return self.files[name]

    def at(self, when: float, connection: _Connection) -> None:
        self.serial += 1
        heapq.heappush(self.timers, (when, self.serial, connection))

    def push(self, connection: _Connection) -> None:
        """Send what is due on this connection, and come back when more is."""
        while connection.queue:
            answer = connection.queue[0]
            now = time.monotonic()
            if answer.began is None:
                if now < answer.due:
                    return self.at(answer.due, connection)
                # By the clock, not by when we got here: a late wake-up is not the client's loss.
                answer.began = answer.due
            if answer.head and not self.send_head(connection, answer):
                return None
            due = max(FIRST_PIECE, int((now - answer.began) * self.rate))
            while answer.sent < min(due, answer.size):
                if not self.send_body(connection, answer, min(due, answer.size)):
                    return None
            if answer.sent < answer.size:
                left = (answer.size - answer.sent) / self.rate
                return self.at(now + min(TICK_SECONDS, left), connection)
            connection.queue.popleft()
            if connection.queue:
                follower = connection.queue[0]
                follower.due = max(follower.due, answer.began + answer.size / self.rate)
            else:
                self.busy -= 1
            if not answer.keep:
                return self.drop(connection)
        return None

    def send_head(self, connection: _Connection, answer: _Answer) -> bool:
        try:
            done = connection.line.send(answer.head, socket.MSG_MORE if answer.size else 0)
        except BlockingIOError:
            done = 0
        answer.head = answer.head[done:]
        connection.blocked = bool(answer.head)
        return not answer.head

    def send_body(self, connection: _Connection, answer: _Answer, until: int) -> bool:
        try:
            done = os.sendfile(connection.number, answer.file, answer.offset, until - answer.sent)
        except BlockingIOError:
            connection.blocked = True
            return False
        if not done:
            raise OSError("the file has become shorter")
        answer.offset += done
        answer.sent += done
        self.counts.body_bytes += done
        assert answer.row is not None
        answer.row[2] = answer.sent
        return True


def _head(code: str, fields: dict[str, str], keep: bool) -> bytes:
    fields = {**fields, "Connection": "keep-alive" if keep else "close"}
    lines = [f"HTTP/1.1 {code}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _range(text: str, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last; None: not one range, (0, 0): outside the file."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text.replace(" ", ""))
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        return (max(0, size - int(found[2])), size) if int(found[2]) else (0, 0)
    low, high = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    return (low, high) if low < high else (0, 0)


def serve(folder: Path, latency: float, megabits: float, connect: float, port: int = 0) -> None:
    """Print the port, serve until standard input ends."""
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        _Server(folder, latency, megabits * 1e6 / 8, connect).run(listener, sys.stdin.fileno())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throttled_server")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency", type=float, default=LATENCY_SECONDS, help="seconds")
    parser.add_argument("--megabits", type=float, default=MEGABITS, help="per second, connection")
    parser.add_argument("--connect", type=float, default=0.0, help="seconds per connection")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    serve(options.folder, options.latency, options.megabits, options.connect, options.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
