"""Limits of a call, checked where the cost is paid: before each read."""

from __future__ import annotations

import time

from .. import cancelling
from ..errors import LimitExceeded
from ..model.limits import Limits


class ReadGuard:
    """Stops reads that exceed the limits of a call, or of one that was cancelled; called by the
    reader before each."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.base = 0
        self.deadline: float | None = None

    def started(self) -> ReadGuard:
        """Itself, with its time running from now on."""
        allowed = self.limits.deadline_seconds
        self.deadline = None if allowed is None else time.monotonic() + allowed
        return self

    def __call__(self, bytes_read: int) -> None:
        allowed = self.limits.max_bytes_read
        if allowed is not None and bytes_read - self.base > allowed:
            raise LimitExceeded(
                f"more than {allowed} bytes read",
                stage="decode",
                limit="max_bytes_read",
                allowed=allowed,
                seen=bytes_read - self.base,
            )
        self.check_time()

    def check_time(self) -> None:
        """Raise if time is up or the call was cancelled."""
        cancelling.check()
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise LimitExceeded(
                f"deadline of {self.limits.deadline_seconds} s passed",
                stage="decode",
                limit="deadline_seconds",
                allowed=self.limits.deadline_seconds,
                seen=self.limits.deadline_seconds,
            )
