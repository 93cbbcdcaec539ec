"""The CPU budget of the process: how many decoding threads may run at once, whoever called."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from .errors import Cancelled, InvalidOption


class CpuBudget:
    """How many decoding threads the whole process may run at once.

    Every decoder holds a permit per thread while it works, whoever called. The default is the
    number of processors this process may run on (``sched_getaffinity``; container quotas are not
    seen).
    """

    def __init__(self, size: int | None = None) -> None:
        self._size = size or available_cores()
        self._free = self._size
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        return self._size

    def resize(self, size: int) -> None:
        """Change the budget; running decoders finish first."""
        with self._changed:
            self._free += size - self._size
            self._size = size
            self._changed.notify_all()

    def wake(self) -> None:
        """Let those that wait for a permit look whether they were given up."""
        with self._changed:
            self._changed.notify_all()

    @contextlib.contextmanager
    def take(self, wanted: int = 1, given_up: Callable[[], bool] = bool) -> Iterator[int]:
        """Wait for one permit, take up to ``wanted``; yields how many.

        Raises :class:`Cancelled` when ``given_up`` is true, as it is asked at first and after each
        :meth:`wake`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 or given_up())
            if given_up():
                raise Cancelled("the call was cancelled")
            taken = max(1, min(wanted, self._free))
            self._free -= taken
        try:
            yield taken
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()


def available_cores() -> int:
    """Processors this process may use."""
    try:
        return len(os.sched_getaffinity(0)) or 1
    except AttributeError:
        return os.cpu_count() or 1


BUDGET = CpuBudget()


def set_cpu_budget(threads: int) -> None:
    """How many decoding threads the whole process may run at once; default: its processors.

    Shared by all videos and calls. Raises :class:`~snapengine.errors.InvalidOption`.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InvalidOption(f"threads must be at least 1, not {threads!r}")
    BUDGET.resize(threads)
