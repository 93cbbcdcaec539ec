"""Ending a call from outside: its work asks here between packets and between reads.

A :class:`Cancellation` belongs to one call. It is found through a context variable, so that nobody
has to hand it on; worker threads do not see it, their starter tells them (:func:`on_cancel`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context

from .errors import Cancelled, SnapError

_current: ContextVar[Cancellation | None] = ContextVar("snapengine_cancellation", default=None)


class Cancellation:
    """Whether a call has been given up. Thread-safe; once cancelled it stays so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[SnapError], object]] = []
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Let every :func:`check` of the call raise, and end what it waits for. Does not block."""
        with self._lock:
            self._cancelled = True
            ends, self._ends = self._ends, []
        for end in ends:
            end(_error())

    def context(self) -> Context:
        """A copy of the current context in which this is the call's cancellation."""
        context = copy_context()
        context.run(_current.set, self)
        return context

    def on_cancel(self, end: Callable[[SnapError], object]) -> None:
        """See :func:`on_cancel`."""
        with self._lock:
            if not self._cancelled:
                self._ends.append(end)
                return
        end(_error())


def is_cancelled() -> bool:
    """Whether the call that this thread works for has been given up."""
    current = _current.get()
    return current is not None and current.cancelled


def check() -> None:
    """Raise :class:`Cancelled` if so. Cheap: to be asked often."""
    if is_cancelled():
        raise _error()


def on_cancel(end: Callable[[SnapError], object]) -> None:
    """For what :func:`check` cannot reach, a thread that waits.

    ``end`` is called, with the error to be raised there, by whoever cancels the call; also when the
    work concerned is long over, so it must bear that, and it must not block.
    """
    current = _current.get()
    if current is not None:
        current.on_cancel(end)


def _error() -> Cancelled:
    return Cancelled("the call was cancelled")
