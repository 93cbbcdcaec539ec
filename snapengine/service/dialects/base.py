"""What the service needs of a dialect, and what it gives to one.

A dialect is one folder: it turns requests into calls of :class:`~snapengine.service.facade.Service`
and their results into answers, failures into its vendor's errors, events into messages. To add one,
write :class:`Dialect` and name it in ``dialects/known.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.routing import BaseRoute

from ..domain.records import CallbackMessage, CallbackSettings, Event

__all__ = ["Dialect", "Draft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message to be stored and delivered. ``key`` signs it when it is sent."""

    url: str
    body: bytes
    content_type: str = "application/json"
    key: str | None = None


class Dialect(Protocol):
    """One vendor's wire format. Made with the service it speaks for; thread-safe."""

    @property
    def name(self) -> str:
        """The word that ``Via.dialect`` has for it."""
        ...

    def routes(self) -> Sequence[BaseRoute]:
        """Where it listens. Its endpoints answer everything, and never raise."""
        ...

    def drafts(self, event: Event, settings: CallbackSettings | None) -> Sequence[Draft]:
        """The messages of an event whose ``via`` is this dialect's; none if nobody wants it.

        ``settings``: the tenant's for this dialect. Called within a transaction: it may not call
        the service."""
        ...

    def signing_headers(self, message: CallbackMessage, now: float) -> dict[str, str]:
        """Headers that sign a message sent ``now`` (seconds since 1970)."""
        ...
