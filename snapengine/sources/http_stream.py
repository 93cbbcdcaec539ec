"""A server without ranges: its whole answer goes into a temporary file, as far as it is wanted."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator

from ..errors import EngineClosed, LimitExceeded, SnapError, SourceError
from .http_answer import Identity, Stated
from .http_client import HttpClient
from .http_connection import PIECE
from .http_task import Answer, Task


class Stream:
    """The bytes from the start on, kept in an unnamed temporary file. Thread-safe.

    The thread that wants bytes which are not there reads on, the others wait for it. It stops when
    it has its own; the connection then waits, and the server with it. An answer that broke off is
    asked for again from its beginning, and what is there already must come again as it was.

    Creator of the object is the thread that reads: it calls :meth:`feed` at once.
    """

    def __init__(self, client: HttpClient, identity: Identity, most: int) -> None:
        self._client = client
        self._identity = identity
        self._most = most
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
        except OSError as exc:
            raise self._no_room(exc) from exc
        self._have = 0
        self._done = False
        self._closed = False
        self._over: SnapError | None = None  # why no more bytes will come, however often asked
        self._reading: int | None = threading.get_ident()
        self._answer: Answer | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._length: int | None = None
        self._position = 0  # in the answer that is being read
        self._changed = threading.Condition()

    def serve(self, task: Task, ask: Callable[[], None]) -> None:
        """Hand on what ``task`` wants. ``ask`` sends the request anew and may call :meth:`feed`."""
        seen = -1
        while task.left > 0:
            with self._changed:
                self._check_open()
                if self._have > task.offset or self._done:
                    piece = self._stored(task.offset, min(task.left, PIECE))
                elif self._over is not None:
                    raise self._over
                elif self._reading is not None:
                    self._changed.wait(task.waiting.left(0.1))
                    if self._have != seen:
                        seen = self._have
                        task.waiting.extend()
                    piece = None
                else:
                    self._reading = threading.get_ident()
                    break
            task.waiting.check("waiting for bytes of the whole file")
            if piece:
                task.give(piece)
            elif piece is not None:
                task.end()
        else:
            return
        try:
            if self._answer is None:
                ask()
            else:
                self._read(self._answer, task)
        finally:
            self._let_go()

    def feed(self, answer: Answer, length: int | None, task: Task) -> None:
        """Read a new answer with the whole file; by the thread that reads."""
        if length is not None and length > self._most:
            raise self._too_long(length)
        self._length = length
        self._position = 0
        self._answer = answer = answer.keep()
        self._pieces = answer.connection.pieces(answer.response, length)
        self._read(answer, task)

    def feed_first(self, answer: Answer, length: int | None, task: Task) -> None:
        """The same for the thread that made the stream."""
        try:
            self.feed(answer, length, task)
        finally:
            self._let_go()

    def is_read_by_this_thread(self) -> bool:
        return self._reading == threading.get_ident()

    def _let_go(self) -> None:
        with self._changed:
            self._reading = None
            self._changed.notify_all()

    def _read(self, answer: Answer, task: Task) -> None:
        """Read on until ``task`` has what it wants, or the end comes."""
        with contextlib.ExitStack() as failed:
            failed.callback(self._drop)
            answer.go_on(task)
            while task.left > 0:
                piece = self._client.next_piece(answer, self._pieces, task)
                if not piece:
                    self._finish()
                    task.end()
                    break
                self._store(piece)
                task.waiting.extend()
                while task.left > 0 and task.offset < self._have:
                    with self._changed:
                        stored = self._stored(task.offset, min(task.left, PIECE))
                    task.give(stored)
            if not self._done:
                answer.connection.rest(task.waiting)
                failed.pop_all()

    def _store(self, piece: bytes) -> None:
        with self._changed:
            known = min(len(piece), max(0, self._have - self._position))
            if known and self._stored(self._position, known) != piece[:known]:
                self._over = self._identity.changed("its bytes are others")
                raise self._over
            self._position += len(piece)
            if self._position > self._most:
                self._over = self._too_long(self._position)
                raise self._over
            if known < len(piece):
                self._check_open()
                try:
                    self._file.seek(self._have)
                    self._file.write(piece[known:])
                    self._file.flush()
                except OSError as exc:
                    raise self._no_room(exc) from exc
                self._have = self._position
                self._changed.notify_all()

    def _stored(self, offset: int, size: int) -> bytes:
        self._check_open()
        self._file.seek(offset)
        return self._file.read(max(0, min(size, self._have - offset)))

    def _finish(self) -> None:
        if self._length is not None and self._position < self._length:
            raise self._client.broke_off(self._length - self._position)
        if self._position < self._have:
            raise self._identity.changed(
                f"it ends at {self._position}, and had {self._have} bytes before"
            )
        self._identity.agree(Stated(self._have, None, None))
        with self._changed:
            self._done = True
            self._changed.notify_all()

    def _drop(self) -> None:
        """The answer is over, or not to be trusted any more."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def close(self) -> None:
        """The thread that reads, if there is one, closes the connection."""
        with self._changed:
            self._closed = True
            with contextlib.suppress(OSError):  # what a full disk did not take
                self._file.close()
            idle = self._reading is None
            self._changed.notify_all()
        if idle:
            self._drop()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed(f"{self._client.name}: the source is closed")

    def _no_room(self, exc: OSError) -> SnapError:
        return self._client.error(
            SourceError, f"its whole content cannot be kept in a temporary file: {exc.strerror}"
        )

    def _too_long(self, seen: int) -> SnapError:
        return LimitExceeded(
            f"{self._client.name}: the server sends whole files only, and this one is longer than "
            f"{self._most} bytes",
            stage="open", limit="stream_bytes", allowed=self._most, seen=seen,
        )  # fmt: skip
