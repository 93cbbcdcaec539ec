"""One bound for the fetches of several files: those of one video in pieces."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from .base import Fetcher
from .meter import Meter

#: Seconds between two looks at a call's limits while waiting.
_LOOK = 0.5


class Gate:
    """Lets ``most`` fetches through at a time, the others wait. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def passing(self, meter: Meter) -> Iterator[None]:
        """Wait for a place and keep it for the ``with`` block. Raises what ``meter`` does."""

        def wake() -> None:
            with self._changed:
                self._changed.notify_all()

        forget = meter.on_stop(wake)
        try:
            with self._changed:
                while not self._free:
                    meter.check()
                    self._changed.wait(meter.remaining(_LOOK) + 0.001)
                self._free -= 1
        finally:
            forget()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify()


class GatedFetcher:
    """A :class:`Fetcher` whose fetches go through a gate."""

    def __init__(self, fetcher: Fetcher, gate: Gate) -> None:
        self._fetcher = fetcher
        self._gate = gate

    @property
    def name(self) -> str:
        return self._fetcher.name

    @property
    def size(self) -> int | None:
        return self._fetcher.size

    @property
    def validator(self) -> str | None:
        return self._fetcher.validator

    @property
    def location(self) -> str | None:
        found = getattr(self._fetcher, "location", None)
        return found if isinstance(found, str) else None

    def fetch(self, offset: int, size: int, sink: Callable[[bytes], object], meter: Meter) -> None:
        """See :class:`Fetcher`."""
        with self._gate.passing(meter):
            self._fetcher.fetch(offset, size, sink, meter)

    def close(self) -> None:
        self._fetcher.close()
