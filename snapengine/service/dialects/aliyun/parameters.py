"""Reading parameters, strictly: everything is text on the wire, whatever its type is called.

A blank value counts as absent, except where a call may blank something out: see :meth:`text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from ...domain.fields import MAX_WHOLE
from .faults import illegal_characters, invalid, missing, not_unicode, too_long, too_many

__all__ = ["Parameters", "check_text", "check_url", "is_id", "whole_of"]

_WHOLE: Final = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
#: NUL and its like, which neither XML nor every database can hold; tab and line ends are fine.
_CONTROL: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
#: A comma between addresses, not one within an address.
_BETWEEN_URLS: Final = re.compile(r",(?=\s*[A-Za-z][A-Za-z0-9+.-]{0,31}(?:://|%3A%2F%2F))", re.I)

_Named = TypeVar("_Named")


class Parameters:
    """The parameters of one call, by their names on the wire."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._given = dict(pairs)

    def has(self, name: str) -> bool:
        """Whether it is there and not blank."""
        return bool(self._given.get(name.encode()))

    def raw(self, name: str) -> str | None:
        """As it came, ``""`` for a blank one. Raises for bytes that are no UTF-8."""
        value = self._given.get(name.encode())
        if value is None:
            return None
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise not_unicode() from None

    def text(self, name: str, most: int) -> str | None:
        """A text of at most ``most`` bytes; ``None`` if absent, ``""`` if blank."""
        value = self.raw(name)
        return None if value is None else check_text(name, value, most)

    def required(self, name: str, most: int) -> str:
        """A text that must be there."""
        value = self.text(name, most)
        if not value:
            raise missing(name)
        return value

    def whole(self, name: str, least: int, most: int = MAX_WHOLE) -> int | None:
        """A whole number; ``None`` if absent or blank."""
        value = self.raw(name)
        return whole_of(name, value, least, most) if value else None

    def flag(self, name: str) -> bool:
        """``true`` or ``false`` in any case; false if absent."""
        return self.word(name, {"true": True, "false": False}, "false")

    def word(self, name: str, words: Mapping[str, _Named], default: str | None = None) -> _Named:
        """What one of ``words`` (lower case) stands for, written in any case.

        Without a ``default`` it must be given.
        """
        value = self.raw(name) or default
        if value is None:
            raise missing(name)
        try:
            return words[value.lower()]
        except KeyError:
            raise invalid(name) from None

    def id(self, name: str) -> str | None:
        """An id; ``None`` if absent, or ``""`` for what cannot be one, which nothing has."""
        value = self.raw(name)
        if not value:
            return None
        return value if is_id(value) else ""

    def ids(self, name: str, most: int) -> list[str]:
        """Ids with commas between, each once; empty if absent. What cannot be one stays in."""
        value = self.raw(name) or ""
        return _listed(name, (piece.strip() for piece in value.split(",")), most)

    def urls(self, name: str, most: int) -> list[str]:
        """Addresses with commas between, each once, escaped as a whole or not."""
        value = self.raw(name) or ""
        pieces = (piece.strip() for piece in _BETWEEN_URLS.split(value))
        return _listed(name, (p if "://" in p else unquote(p) for p in pieces), most)

    def numbered(self, name: str) -> list[str]:
        """``Name.1``, ``Name.2`` ...: how some SDKs send a list; empty if there are none."""
        values: list[str] = []
        while (value := self.raw(f"{name}.{len(values) + 1}")) is not None:
            values.append(value)
        return values


def _listed(name: str, pieces: Iterable[str], most: int) -> list[str]:
    found = list(dict.fromkeys(piece for piece in pieces if piece))
    if len(found) > most:
        raise too_many(name, most)
    return found


def is_id(value: str) -> bool:
    """Whether it can be an id of anything here."""
    return _ID.fullmatch(value) is not None


def check_text(name: str, value: object, most: int) -> str:
    """A text that can be kept and sent, of at most ``most`` bytes."""
    if not isinstance(value, str):
        raise invalid(name)
    if _CONTROL.search(value):
        raise illegal_characters(name)
    if len(value.encode()) > most:
        raise too_long(name, most)
    return value


def whole_of(name: str, value: object, least: int, most: int = MAX_WHOLE) -> int:
    """A whole number, as digits or as JSON has it: samples write both."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    else:
        raise invalid(name)
    if not least <= number <= most:
        raise invalid(name)
    return number


def check_url(name: str, value: object, most: int) -> str:
    """An http address of at most ``most`` bytes; blanks within are taken as they are."""
    url = check_text(name, value, most).strip()
    # urlsplit() passes over line ends, whoever writes a request line does not.
    plain = url.isprintable() and url.lower().startswith(("http://", "https://"))
    if not plain or not _has_host(url):
        raise invalid(name)
    return url


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
