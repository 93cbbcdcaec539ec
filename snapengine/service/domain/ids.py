"""Ids and the time of records."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

__all__ = ["new_id", "now"]


def new_id() -> str:
    """An id that cannot be guessed: 32 hexadecimal digits, 128 random bits."""
    return secrets.token_hex(16)


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
