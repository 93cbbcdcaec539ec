"""The times that requests carry, and how far they may be from ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from .failures import TimeExpired, TimeMalformed

#: Gives seconds since 1970, UTC; ``time.time`` or a test's own.
Clock = Callable[[], float]

#: Seconds that a request's time may be before or after ours; exactly as far is near enough.
TOLERANCE = 15 * 60

#: ``yyyy-MM-ddTHH:mm:ssZ``: Alibaba's ``Timestamp`` and ``x-acs-date``.
EXTENDED = re.compile(rb"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")
#: ``yyyyMMddTHHmmssZ``: Huawei's ``X-Sdk-Date``.
BASIC = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")


def stamp(value: bytes, form: re.Pattern[bytes], *, parameter: str, now: float) -> float:
    """The time that ``value`` names, in seconds since 1970, once it is near ``now``.

    Raises :class:`TimeMalformed` or :class:`TimeExpired`, which name ``parameter``.
    """
    found = form.fullmatch(value)
    if found is None:
        raise TimeMalformed(f"{parameter} is not a time in UTC", parameter=parameter)
    try:
        moment = datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        raise TimeMalformed(f"{parameter} is not a moment", parameter=parameter) from None
    seconds = moment.timestamp()
    if abs(now - seconds) > TOLERANCE:
        raise TimeExpired(f"{parameter} is too far from the present", parameter=parameter)
    return seconds
