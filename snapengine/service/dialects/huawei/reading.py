"""Parameters of a call, read strictly: from the body's JSON and from the query.

Numbers may come as texts of digits, since some clients send them so. ``null`` is "not given".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from ...auth.failures import Malformed
from ...auth.wire import SignedRequest
from ...domain.fields import MAX_WHOLE, InvalidField
from ...domain.fields import text as checked_text
from .faults import CONTENT_TYPE, ILLEGAL, UNKNOWN, Refused, illegal

__all__ = ["Body", "Query", "asset_id", "body_of", "query_of"]

_Word = TypeVar("_Word", bound=str)

_DIGITS: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
#: No text of an API has these, and PostgreSQL keeps no zero.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def asset_id(value: str) -> str:
    """An id of ours. What cannot be one is answered as one that is not there."""
    if not _ID.fullmatch(value):
        raise Refused(UNKNOWN)
    return value


class Body:
    """The members of a JSON object. What is wrong raises :class:`Refused`, which names it."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def text(self, name: str, most: int, least: int = 1) -> str:
        """A text that must be given, of ``least`` to ``most`` characters (the vendor's older pages
        count bytes, its newer ones characters)."""
        value = self._members.get(name)
        try:
            found = checked_text(name, value, 4 * most, least)
        except InvalidField:
            raise Refused(illegal(name)) from None
        if len(found) > most or _CONTROL.search(found):
            raise Refused(illegal(name))
        return found

    def text_or(self, name: str, most: int, default: str | None = None) -> str | None:
        """A text of at most ``most`` characters, or ``default``."""
        return self.text(name, most, 0) if name in self else default

    def whole(
        self, name: str, least: int, most: int = MAX_WHOLE, default: int | None = None
    ) -> int | None:
        """A whole number of ``least`` to ``most``, or ``default``."""
        return _whole(name, self._members[name], least, most) if name in self else default

    def wholes(self, name: str, least: int, most: int) -> list[int] | None:
        """A list of whole numbers."""
        if name not in self:
            return None
        values = self._members[name]
        if not isinstance(values, list):
            raise Refused(illegal(name))
        return [_whole(name, value, least, most) for value in values]

    def word(self, name: str, words: Sequence[_Word]) -> _Word:
        """One of ``words``, in whatever case."""
        value = self._members.get(name)
        for word in words:
            if isinstance(value, str) and value.lower() == word.lower():
                return word
        raise Refused(illegal(name))

    def body(self, name: str) -> Body | None:
        """An object inside of this one."""
        if name not in self:
            return None
        value = self._members[name]
        if not isinstance(value, dict):
            raise Refused(illegal(name))
        return Body(value)

    def bodies(self, name: str, most: int) -> list[Body]:
        """A list of 1 to ``most`` objects, which must be given."""
        value = self._members.get(name)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            raise Refused(illegal(name))
        if not all(isinstance(item, dict) for item in value):
            raise Refused(illegal(name))
        return [Body(item) for item in value]


def body_of(request: SignedRequest) -> Body:
    """The JSON object that a request's body is. Raises :class:`Refused`."""
    try:
        kind = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    except Malformed:
        raise Refused(CONTENT_TYPE) from None
    if kind not in (b"", b"application/json"):
        raise Refused(CONTENT_TYPE)
    try:
        members = json.loads(request.body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):  # no UTF-8, no JSON, a number of thousands of digits
        raise Refused(ILLEGAL) from None
    if not isinstance(members, dict):
        raise Refused(ILLEGAL)
    return Body(members)


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


class Query:
    """The parameters of a query. What is wrong raises :class:`Refused`, which names it."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        """A value; blank is "not given". Twice is wrong: which one would be meant?"""
        values = self._values.get(name, [])
        if len(values) > 1:
            raise Refused(illegal(name))
        return values[0] if values and values[0] else None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Refused(illegal(name))
        return value

    def whole(self, name: str, least: int, most: int, default: int) -> int:
        value = self.text(name)
        return default if value is None else _whole(name, value, least, most)

    def many(self, name: str, most: int) -> list[str]:
        """The values of a list: the name again and again, or commas, each value once."""
        found = [part for value in self._values.get(name, []) for part in value.split(",")]
        given = list(dict.fromkeys(part.strip() for part in found if part.strip()))
        if len(given) > most:
            raise Refused(illegal(name))
        return given


def query_of(request: SignedRequest) -> Query:
    """The query of a request. Raises :class:`Refused`."""
    values: dict[str, list[str]] = {}
    try:
        for name, value in request.query():
            values.setdefault(name.decode("utf-8"), []).append(value.decode("utf-8"))
    except (Malformed, UnicodeDecodeError):
        raise Refused(ILLEGAL) from None
    return Query(values)


def _whole(name: str, value: object, least: int, most: int) -> int:
    digits = isinstance(value, str) and _DIGITS.fullmatch(value.strip())
    if digits or (isinstance(value, float) and value.is_integer() and abs(value) < 2**53):
        value = int(value)  # type: ignore[call-overload]  # a text or a float, as was just seen
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Refused(illegal(name))
    return value
