"""What one call may fetch from a remote source, and what it has fetched."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from ..errors import LimitExceeded, SnapError


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
        self.requests = 0
        self.retries = 0
        self.bytes_fetched = 0
        self.waited_seconds = 0.0
        self._awaited = 0
        self._stopped: SnapError | None = None
        self._on_stop: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def request(self, size: int, *, retry: bool = False) -> Iterator[Callable[[int], None]]:
        """One more request for ``size`` bytes, for as long as the ``with`` block lasts.

        Gives a function to be called with the number of bytes of each piece that arrives. Both
        raise what :meth:`check` raises. A request whose bytes, with those that are still awaited by
        others, would exceed the limit is not sent: :class:`LimitExceeded`.
        """
        self.check()
        with self._lock:
            if self.max_requests is not None and self.requests >= self.max_requests:
                raise _exceeded("max_requests", self.max_requests, self.requests + 1, "requests")
            self._may_fetch(size)
            self.requests += 1
            self.retries += retry
            self._awaited += size
        left = size

        def received(count: int) -> None:
            nonlocal left
            with self._lock:
                expected = min(count, left)
                left -= expected
                self._awaited -= expected
                self.bytes_fetched += count
                if count > expected:
                    self._may_fetch(0)
            self.check()

        try:
            yield received
        finally:
            with self._lock:
                self._awaited -= left
                left = 0

    def _may_fetch(self, size: int) -> None:
        seen = self.bytes_fetched + self._awaited + size
        if self.max_bytes is not None and seen > self.max_bytes:
            raise _exceeded("max_bytes_read", self.max_bytes, seen, "bytes fetched")

    def check(self) -> None:
        """Raise if the call was stopped or its time is over. Cheap: to be asked often."""
        if self._stopped is not None:
            raise self._stopped
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise LimitExceeded(
                "the deadline passed while bytes were being fetched", stage="open",
                limit="deadline_seconds", allowed=None, seen=None,
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


def _exceeded(limit: str, allowed: int, seen: int, what: str) -> LimitExceeded:
    return LimitExceeded(
        f"more than {allowed} {what}", stage="open", limit=limit, allowed=allowed, seen=seen
    )
