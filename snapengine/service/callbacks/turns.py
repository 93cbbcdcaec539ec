"""Whose message is sent next: nobody's slow receivers hold up the others."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import Final

from ..domain.records import CallbackMessage

__all__ = ["AT_A_TIME", "ATTEMPT_SECONDS", "Turns"]

#: Seconds for one attempt as a whole, as the vendors allow.
ATTEMPT_SECONDS: Final = 5.0
#: Attempts under way: altogether, of one tenant, to one host.
AT_A_TIME: Final = 16
PER_TENANT: Final = 4
PER_HOST: Final = 2
#: Messages taken from the database that wait for their turn: altogether, of one tenant.
WAITING: Final = 64
WAITING_PER_TENANT: Final = 8


class Turns:
    """Messages that wait, and those under way. Guarded by the caller's lock."""

    def __init__(self) -> None:
        self._waiting: deque[CallbackMessage] = deque()
        self._of_tenant: Counter[str] = Counter()
        self._running: Counter[tuple[str, str]] = Counter()
        self._under_way = 0
        self._paces: dict[str, float] = {}
        self._latest: dict[str, float] = {}

    def room(self) -> int:
        """How many more may be taken."""
        return WAITING - len(self._waiting)

    def add(self, message: CallbackMessage, now: float) -> float | None:
        """Let a message wait. Where its tenant's turn is too far off, it is not kept: the time
        (seconds since 1970) when to come again."""
        tenant = message.tenant
        if self._of_tenant[tenant] < WAITING_PER_TENANT:
            self._waiting.append(message)
            self._of_tenant[tenant] += 1
            self._latest.pop(tenant, None)
            return None
        # One after the other as fast as they have been going, so that a long row is not taken
        # from the database again and again.
        later = max(self._latest.get(tenant, 0.0), now + ATTEMPT_SECONDS / PER_TENANT)
        later += max(0.02, self._paces.get(tenant, 0.1) / PER_TENANT)
        self._latest[tenant] = later
        return later

    def ready(self) -> list[CallbackMessage]:
        """Those whose turn it is, in the order they came; they count as under way."""
        taken = []
        for message in list(self._waiting):
            if self._under_way >= AT_A_TIME:
                break
            tenant, host = _keys(message)
            if self._running[tenant] < PER_TENANT and self._running[host] < PER_HOST:
                self._running[tenant] += 1
                self._running[host] += 1
                self._under_way += 1
                self._waiting.remove(message)
                self._of_tenant[message.tenant] -= 1
                taken.append(message)
        return taken

    def ended(self, message: CallbackMessage, seconds: float) -> None:
        """One of them has been tried, and took so long."""
        for key in _keys(message):
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
        self._under_way -= 1
        tenant = message.tenant
        self._paces[tenant] = 0.8 * self._paces.get(tenant, seconds) + 0.2 * seconds
        if not self._of_tenant[tenant]:
            del self._of_tenant[tenant]
            if not self._running[("tenant", tenant)]:
                self._paces.pop(tenant, None)
                self._latest.pop(tenant, None)

    def rest(self) -> Iterator[CallbackMessage]:
        """Those whose turn has not come."""
        while self._waiting:
            yield self._waiting.popleft()


def _keys(message: CallbackMessage) -> tuple[tuple[str, str], tuple[str, str]]:
    host = message.url.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
    return ("tenant", message.tenant), ("host", host)
