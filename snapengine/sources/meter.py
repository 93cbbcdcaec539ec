"""What one call may fetch from a remote source, and what it has fetched."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator

from ..errors import LimitExceeded, SnapError

#: Seconds between two looks at the limits while waiting.
_LOOK = 0.5


class Meter:
    """Counts requests and bytes of one call and stops it at its limits. Thread-safe.

    ``max_requests``, ``max_bytes``: ``None`` is no limit. ``deadline``: on ``time.monotonic``'s
    clock. ``requests`` counts those sent, retries and redirects included; ``retries`` those of them
    that repeat a failed one; ``bytes_fetched`` what arrived of bodies, whether used or not;
    ``waited_seconds`` how long readers had to wait for it.
    """

    def __init__(
        self,
        *,
        max_requests: int | None = None,
        max_bytes: int | None = None,
        deadline: float | None = None,
    ) -> None:
        self.max_requests = max_requests
        self.max_bytes = max_bytes
        self.deadline = deadline
        self._began = time.monotonic()
        self.requests = 0
        self.retries = 0
        self.bytes_fetched = 0
        self.waited_seconds = 0.0
        self._awaited = 0  # bytes of requests under way, at most
        self._open: set[Request] = set()  # those of them whose answers have not told their size
        self._stopped: SnapError | None = None
        self._on_stop: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)

    @contextlib.contextmanager
    def request(
        self, size: int, *, retry: bool = False, least: int | None = None
    ) -> Iterator[Request]:
        """One more request for ``size`` bytes, for as long as the ``with`` block lasts.

        Gives what is to be called with the number of bytes of each piece that arrives. Both raise
        what :meth:`check` raises. A request whose bytes, with those that are still awaited by
        others, would exceed the limit is not sent: :class:`LimitExceeded`. It waits for that until
        the others' answers have told whether they are smaller than what was asked for. With
        ``least`` it is made smaller instead, down to so many bytes or what the limit leaves.
        """
        request = Request(self, size)
        with self._settled:
            while True:
                self.check()
                if self.max_requests is not None and self.requests >= self.max_requests:
                    raise _exceeded(
                        "max_requests", self.max_requests, self.requests + 1, "requests"
                    )
                if least is not None:
                    # As much as there is room for, but not so little that it is not worth it.
                    most = max(self._room(), least if self._open else 1)
                    request.size = int(min(size, most))
                if self._room() >= request.size or not self._open:
                    break
                self._settled.wait(self.remaining(_LOOK) + 0.001)
            self._may_fetch(request.size)
            self.requests += 1
            self.retries += retry
            request.begin()
        try:
            yield request
        finally:
            request.promised(0)

    def _room(self) -> float:
        """Bytes that may still be asked for."""
        if self.max_bytes is None:
            return math.inf
        return self.max_bytes - self.bytes_fetched - self._awaited

    def _may_fetch(self, size: int) -> None:
        if self.max_bytes is not None and size > self._room():
            seen = self.bytes_fetched + self._awaited + size
            raise _exceeded("max_bytes_read", self.max_bytes, seen, "bytes fetched")

    def check(self) -> None:
        """Raise if the call was stopped or its time is over. Cheap: to be asked often."""
        if self._stopped is not None:
            raise self._stopped
        now = time.monotonic()
        if self.deadline is not None and now > self.deadline:
            allowed = round(self.deadline - self._began, 3)
            raise LimitExceeded(
                f"deadline of {allowed:g} s passed while bytes were being fetched", stage="open",
                limit="deadline_seconds", allowed=allowed, seen=round(now - self._began, 3),
            )  # fmt: skip

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped is not None

    def remaining(self, most: float) -> float:
        """Seconds that may still be waited, at most ``most``."""
        if self.deadline is None:
            return most
        return max(0.0, min(most, self.deadline - time.monotonic()))

    def stop(self, error: SnapError) -> None:
        """Let every further :meth:`check` raise ``error``, and end what waits in a socket."""
        with self._lock:
            if self._stopped is None:
                self._stopped = error
            waiting, self._on_stop = self._on_stop, []
            self._settled.notify_all()
        for wake in waiting:
            wake()

    def on_stop(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called once by :meth:`stop`, from its thread; returns how to take it back.

        For what :meth:`check` cannot reach: a thread that waits in a socket.
        """
        with self._lock:
            stopped = self._stopped is not None
            if not stopped:
                self._on_stop.append(wake)
        if stopped:
            wake()

        def forget() -> None:
            with self._lock:
                if wake in self._on_stop:
                    self._on_stop.remove(wake)

        return forget


class Request:
    """One request under way, for ``size`` bytes. Of a :class:`Meter`, and as thread-safe."""

    def __init__(self, meter: Meter, size: int) -> None:
        self.size = size
        self._meter = meter
        self._left = 0

    def begin(self) -> None:
        """It is going to be sent. With the meter's lock held."""
        self._left = self.size
        self._meter._awaited += self.size
        if self.size:
            self._meter._open.add(self)

    def __call__(self, count: int) -> None:
        """So many bytes came. Raises what :meth:`Meter.check` does, or that they are too many."""
        meter = self._meter
        with meter._settled:
            expected = min(count, self._left)
            self._left -= expected
            meter._awaited -= expected
            meter.bytes_fetched += count
            if count > expected:
                meter._may_fetch(0)
        meter.check()

    def promised(self, size: int) -> None:
        """The answer says that no more than so many bytes will come: others may ask for theirs."""
        meter = self._meter
        with meter._settled:
            spare = max(0, self._left - size)
            self._left -= spare
            meter._awaited -= spare
            meter._open.discard(self)
            meter._settled.notify_all()


def _exceeded(limit: str, allowed: int, seen: int, what: str) -> LimitExceeded:
    return LimitExceeded(
        f"more than {allowed} {what}", stage="open", limit=limit, allowed=allowed, seen=seen
    )
