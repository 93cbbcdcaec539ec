"""What the service remembers."""

from __future__ import annotations

from .assets import Assets
from .jobs import Jobs, Settled
from .messages import Messages
from .pictures import Gallery
from .rows import Bounds

__all__ = ["Bounds", "Database", "Settled"]


class Database(Assets, Jobs, Gallery, Messages):
    """Assets, jobs, pictures, templates, callbacks, messages: in SQLite or PostgreSQL.

    Any number of threads and processes, on any number of hosts with PostgreSQL, may use one
    database. Each method is one transaction, kept whole or not at all. ``tenant`` always limits
    what is seen to that tenant's: what is another's looks like what is not there.

    Raises :class:`ServiceUnavailable` when the database is locked, gone or closed, and
    :class:`InvalidField` for a value that cannot be kept (no UTF-8, no 64 bits).
    """
