"""Bounds that make every call end."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for one opened video. ``None`` switches a bound off.

    ``max_pixels``: of one coded frame. ``max_bytes_read``, ``max_packets``: per call, all targets
    together. ``max_requests``: of one call to a remote source, retries and redirects included; for
    those ``max_bytes_read`` bounds what is fetched, too. ``deadline_seconds``: wall time of one
    call; checked where bytes are read or waited for and between packets. Opening is a call of its
    own, and so is looking for the end of a file whose header does not tell it, once.
    """

    max_pixels: int | None = 16384 * 16384
    max_bytes_read: int | None = None
    max_packets: int | None = None
    max_requests: int | None = None
    deadline_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in (
            "max_pixels",
            "max_bytes_read",
            "max_packets",
            "max_requests",
            "deadline_seconds",
        ):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not value > 0):
                raise InvalidOption(f"{name} must be positive or None, not {value!r}")
