"""The one failure of a request that breaks a limit, and the checks that raise it.

Fields have our names; a dialect knows which of its parameters became which field, and turns the
failure into its vendor's code.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from numbers import Integral
from typing import Final, Literal, TypeVar, cast

from ...errors import RequestError
from ...model.time import exact_seconds

__all__ = ["MAX_WHOLE", "InvalidField", "Why", "choice", "flag", "instants", "seconds", "text",
           "whole"]  # fmt: skip

#: ``missing``: it must be given; ``value``: not one of those allowed; ``length``: a text with too
#: many bytes; ``number``: a list with too many items; ``size``: what follows from it is too large.
Why = Literal["missing", "value", "length", "number", "size"]

#: Largest number of a signed 64-bit integer, which is what the vendors call a long.
MAX_WHOLE: Final = 2**63 - 1

_Word = TypeVar("_Word", bound=str)


class InvalidField(RequestError):
    """A field of a request breaks a limit. ``field`` is our name of it, ``value`` what was given.

    Survives pickling, like every :class:`SnapError`.
    """

    code = "invalid_field"

    @classmethod
    def of(cls, field: str, value: object, must: str, why: Why = "value") -> InvalidField:
        """The failure of ``field``: "{field} {must}, not {value}"."""
        said = "" if why == "missing" else f", not {_shown(value)}"
        return cls(f"{field} {must}{said}", stage="request", field=field, value=value, why=why)

    @property
    def field(self) -> str:
        return str(self.context["field"])

    @property
    def value(self) -> object:
        return self.context["value"]

    @property
    def why(self) -> Why:
        return cast(Why, self.context["why"])


def _shown(value: object) -> str:
    """The value for a message; hostile input is not repeated at full length."""
    try:
        shown = repr(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"
    return shown if len(shown) <= 80 else shown[:77] + "..."


def whole(field: str, value: object, least: int, most: int = MAX_WHOLE) -> int:
    """A whole number of ``least`` to ``most``."""
    if not isinstance(value, bool) and isinstance(value, Integral) and least <= int(value) <= most:
        return int(value)
    allowed = f"at least {least}" if most == MAX_WHOLE else f"{least} to {most}"
    raise InvalidField.of(field, value, f"must be a whole number, {allowed}")


def seconds(field: str, value: object) -> Fraction:
    """Exact seconds, at least 0."""
    try:
        return exact_seconds(value)
    except ValueError as exc:  # InvalidTime, or a number too long to be shown by it
        raise InvalidField.of(field, value, "must be a number of seconds, at least 0") from exc


def instants(field: str, values: object, most: int) -> tuple[Fraction, ...]:
    """At most ``most`` times in seconds, in order, each once."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidField.of(field, values, "must be a list of seconds")
    given = tuple(values)
    if len(given) > most:
        raise InvalidField.of(field, len(given), f"must be at most {most} times", "number")
    return tuple(sorted({seconds(field, value) for value in given}))


def text(field: str, value: object, most: int, least: int = 0) -> str:
    """A text of ``least`` to ``most`` bytes of UTF-8."""
    if not isinstance(value, str):
        raise InvalidField.of(field, value, "must be a text")
    try:
        length = len(value.encode())
    except UnicodeEncodeError as exc:
        raise InvalidField.of(field, value, "must be a text that UTF-8 can hold") from exc
    if length < least:
        raise InvalidField.of(field, value, f"must have at least {least} bytes", "missing")
    if length > most:
        raise InvalidField.of(field, value, f"must have at most {most} bytes", "length")
    return value


def choice(field: str, value: object, words: tuple[_Word, ...]) -> _Word:
    """One of ``words``."""
    for word in words:
        if value == word:
            return word
    raise InvalidField.of(field, value, f"must be one of {', '.join(words)}")


def flag(field: str, value: object) -> bool:
    """True or false, nothing that only looks like it."""
    if not isinstance(value, bool):
        raise InvalidField.of(field, value, "must be true or false")
    return value
