"""One fetch and one answer to it: what the parts of the HTTP reader hand to each other."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable

from ..errors import SourceError
from .http_connection import Connection, Waiting
from .http_url import Location
from .meter import Meter, Request


class Failed(Exception):
    """An attempt failed and another may do better. ``error`` is what to raise if none does.

    ``after``: seconds the server wants to be left alone. ``once``: one more try tells enough.
    """

    def __init__(self, error: SourceError, *, after: float | None = None, once: bool = False):
        super().__init__(error.message)
        self.error = error
        self.after = after
        self.once = once


class Task:
    """One fetch: what is still to come, and how often it failed. Used by one thread.

    ``again``: the next request repeats a failed one. ``detours``: redirects found expired.
    ``if_range``: the validator that requests are made under. ``wanted``: bytes that the request
    under way asks for. ``least``: it may ask for so few if the meter allows no more.
    """

    def __init__(
        self, offset: int, size: int, sink: Callable[[bytes], object], waiting: Waiting
    ) -> None:
        self.first = self.offset = offset
        self.asked = self.left = self.wanted = size
        self.least: int | None = None
        self.sink = sink
        self.waiting = waiting
        self.meter = waiting.meter
        self.if_range: str | None = None
        self.failures = 0
        self.again = False
        self.detours = 0
        self.renewed = False

    def give(self, piece: bytes) -> None:
        self.offset += len(piece)
        self.left -= len(piece)
        self.sink(piece)

    def end(self) -> None:
        """The file ends here."""
        self.left = 0


class Answer:
    """A response whose head was read, and what belongs to it until it is closed.

    ``received`` is the meter's, to be told of what comes. ``place`` is whom redirects led to,
    ``ours`` whether the caller's headers went there.
    """

    def __init__(
        self,
        connection: Connection,
        response: http.client.HTTPResponse,
        received: Request,
        meter: Meter,
        stack: contextlib.ExitStack,
        place: Location,
        ours: bool,
    ) -> None:
        self.connection = connection
        self.response = response
        self.received = received
        self.place = place
        self.ours = ours
        self.status = response.status
        self._meter = meter
        self._stack = stack
        self._kept = False

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            self.close()

    def close(self) -> None:
        self.response.close()
        self._stack.close()

    def keep(self) -> Answer:
        """Stays open behind its ``with`` block; :meth:`close` it some day."""
        self._kept = True
        return self

    def go_on(self, task: Task) -> None:
        """``task`` reads on in an answer that was asked for by an earlier one."""
        self.connection.resume(task.waiting)
        if task.meter is not self._meter:
            # To a call that did not send it, it counts as a request all the same.
            self.received = self._stack.enter_context(task.meter.request(0))
            self._meter = task.meter
