"""What the tests of callbacks have: a receiver, and a sender whose clock is set by hand."""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from snapengine.model.network import Network
from snapengine.service.callbacks.delivery import Sender
from snapengine.service.domain.ids import new_id
from snapengine.service.domain.records import CallbackMessage, CallbackSettings, Event
from snapengine.service.storage.database import Database
from tests.service import kept

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
START = 1_800_000_000.0
HERE = Network(allow_private=True)


class Receiver:
    """Somebody's server: keeps what it gets to the byte, answers in turn, the last for ever.

    An answer ``None`` is none: the connection stays as it is until :meth:`release` or the end.
    """

    def __init__(self, *answers: bytes | None, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers) or [OK]
        self.got: queue.Queue[bytes] = queue.Queue()
        self.most_at_once = 0
        self._inside = 0
        self._tls = tls
        self._lock = threading.Lock()
        self._held = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Receiver:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def release(self) -> None:
        self._held.set()

    def next(self) -> tuple[list[str], bytes]:
        """The lines of the next request's head, and its body."""
        head, _, body = self.got.get(timeout=20).partition(b"\r\n\r\n")
        return head.decode("latin-1").split("\r\n"), body

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(sock,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, plain: socket.socket) -> None:
        with self._lock:
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
        try:
            with contextlib.suppress(OSError), plain:
                plain.settimeout(20)
                sock = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
                with sock:
                    self._answer(sock)
        finally:
            with self._lock:
                self._inside -= 1

    def _answer(self, sock: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65536) or b"\r\n\r\n"
        length = re.search(rb"Content-Length: (\d+)", data)
        size = data.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
        while len(data) < size:
            data += sock.recv(65536)
        with self._lock:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.got.put(data)
        if answer is None:
            self._held.wait(20)
            answer = OK
        sock.sendall(answer)


class Signing:
    """A dialect that signs with the time."""

    name = "signing"

    def __init__(self) -> None:
        self.headers: Callable[[CallbackMessage, float], dict[str, str]] = lambda message, now: {
            "auth_timestamp": f"{now:.0f}",
            "X-VOD-SIGNATURE": f"{message.key}",
        }

    def routes(self) -> list[Any]:
        return []

    def drafts(self, event: Event, settings: CallbackSettings | None) -> list[Any]:
        return []

    def signing_headers(self, message: CallbackMessage, now: float) -> dict[str, str]:
        return self.headers(message, now)


class Watched(Database):
    """A database that tells what becomes of messages."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.ends: queue.Queue[tuple[str, str, datetime | None, int]] = queue.Queue()

    def delivered(self, id: str) -> None:
        self.drop(id, "delivered")

    def postpone(self, id: str, due: datetime, attempts: int) -> None:
        super().postpone(id, due, attempts)
        self.ends.put(("postponed", id, due, attempts))

    def drop(self, id: str, how: str = "dropped") -> None:
        super().drop(id)
        self.ends.put((how, id, None, 0))

    def end(self) -> tuple[str, str, datetime | None, int]:
        return self.ends.get(timeout=20)


class Office:
    """A database with messages, a clock that is set by hand, and senders."""

    def __init__(self, folder: Path) -> None:
        self.database = Watched(f"sqlite:///{folder / 'x.sqlite'}")
        self.now = START
        self.dialect = Signing()
        self._stack = contextlib.ExitStack()

    def add(self, url: str, count: int = 1, **more: Any) -> list[CallbackMessage]:
        given = {"tenant": "me", "dialect": "signing", "body": b'{"a": "\xc3\xa4"}',
                 "content_type": "application/json", "key": "key"}  # fmt: skip
        at = datetime.fromtimestamp(self.now, UTC)
        made = [
            CallbackMessage(id=new_id(), url=url, created=at, due=at, **{**given, **more})
            for _ in range(count)
        ]
        self.database.add_asset(kept.asset(made[0].tenant), messages=made)
        return made

    def sender(self, network: Network = HERE, attempts: int = 4, **more: Any) -> Sender:
        sender = Sender(
            self.database, {"signing": self.dialect}, network, attempts=attempts,
            clock=lambda: self.now, **more,
        )  # fmt: skip
        self._stack.callback(sender.close)
        sender.start()
        return sender

    def left(self) -> list[CallbackMessage]:
        """All that is still to be sent."""
        far = datetime.fromtimestamp(self.now, UTC) + timedelta(days=10)
        return self.database.due_messages(far, timedelta(0), 10_000)

    def close(self) -> None:
        self._stack.close()
        self.database.close()
