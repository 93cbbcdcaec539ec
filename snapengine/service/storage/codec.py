"""Records as JSON and back: every value of the domain, exactly, and nothing else.

What a field may hold is read from its annotation. A text may hold anything that UTF-8 can, a NUL as
well; fractions are exact (``"n/d"``), moments are whole microseconds, a value of one of several
classes carries the name of its own. A value that does not fit its annotation is refused when it
is written (:class:`InvalidField`), so what lies in a database can be read again.

A row that was written before a field existed gets the field's default. A field that nobody knows,
or one without a default that is missing, cannot be read (:class:`InvariantBroken`).
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from ...errors import InvariantBroken
from ..domain.fields import MAX_WHOLE, InvalidField

__all__ = ["dump", "load", "micros", "moment", "shape"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
#: Digits of a fraction's parts; Python writes no number of more than 4300.
_MAX_DIGITS: Final = 2000
#: Where the class of a value stands that may be of several.
_CLASS: Final = "="


def micros(value: datetime) -> int:
    """Microseconds since 1970 of an aware moment."""
    return (value - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Back again, in UTC."""
    return _EPOCH + value * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Shape:
    """How values of one type are packed into what JSON has; both take the field's name first.

    ``pack`` raises :class:`InvalidField`, ``unpack`` :class:`ValueError`.
    """

    pack: Callable[[str, Any], Any]
    unpack: Callable[[str, Any], Any]


def dump(plain: object) -> str:
    """JSON in ASCII, so that every database and encoding takes it."""
    return json.dumps(plain, separators=(",", ":"), allow_nan=False)


def load(text: str) -> Any:
    """Back again. Raises :class:`InvariantBroken`."""
    try:
        return json.loads(text)
    except ValueError as exc:
        raise InvariantBroken(f"a kept record is not JSON: {exc}") from exc


@cache
def shape(kind: Any) -> Shape:
    """How values annotated with ``kind`` are packed. Raises :class:`TypeError` for a type that no
    record has."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, items = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _word(items)
    if origin is tuple and len(items) == 2 and items[1] is Ellipsis:
        return _row(shape(items[0]))
    if origin is tuple:
        return _parts([shape(item) for item in items])
    if origin is frozenset:
        return _words(shape(items[0]))
    if origin in (Union, types.UnionType):
        return _either(items)
    if dataclasses.is_dataclass(kind):
        return _record(kind)
    raise TypeError(f"{kind!r} cannot be kept")


def _refuse(field: str, value: object, must: str) -> InvalidField:
    return InvalidField.of(field, value, must)


def _exactly(field: str, value: object, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{field} is no {kind.__name__} but {str(value)[:80]!r}")
    return value


# -- plain values ---------------------------------------------------------------------------


def _pack_text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _refuse(field, value, "must be a text")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise _refuse(field, value, "must be a text that UTF-8 can hold") from exc
    return value


def _pack_whole(field: str, value: Any) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not -MAX_WHOLE <= value <= MAX_WHOLE
    ):
        raise _refuse(field, value, "must be a whole number of 64 bits")
    return int(value)


def _pack_number(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refuse(field, value, "must be a number")
    try:
        number = float(value)
    except OverflowError as exc:
        raise _refuse(field, value, "must be a number of 64 bits") from exc
    if not math.isfinite(number):
        raise _refuse(field, value, "must be finite")
    return number


def _pack_flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refuse(field, value, "must be true or false")
    return value


def _pack_fraction(field: str, value: Any) -> str:
    if not isinstance(value, Fraction):
        raise _refuse(field, value, "must be exact")
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if bits > _MAX_DIGITS * math.log2(10):
        raise InvalidField.of(field, None, f"must be of at most {_MAX_DIGITS} digits", "length")
    return f"{value.numerator}/{value.denominator}"


def _unpack_fraction(field: str, value: Any) -> Fraction:
    above, _, below = _exactly(field, value, str).partition("/")
    return Fraction(int(above), int(below or "1"))


def _pack_moment(field: str, value: Any) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _refuse(field, value, "must be a moment with its time zone")
    return micros(value)


def _pack_bytes(field: str, value: Any) -> str:
    if not isinstance(value, bytes):
        raise _refuse(field, value, "must be bytes")
    return base64.b64encode(value).decode("ascii")


_PLAIN: Final[dict[Any, Shape]] = {
    str: Shape(_pack_text, lambda field, value: _exactly(field, value, str)),
    int: Shape(_pack_whole, lambda field, value: _exactly(field, value, int)),
    float: Shape(_pack_number, lambda field, value: _exactly(field, value, float)),
    bool: Shape(_pack_flag, lambda field, value: _exactly(field, value, bool)),
    Fraction: Shape(_pack_fraction, _unpack_fraction),
    datetime: Shape(_pack_moment, lambda field, value: moment(_exactly(field, value, int))),
    bytes: Shape(
        _pack_bytes,
        lambda field, value: base64.b64decode(_exactly(field, value, str), validate=True),
    ),
}


def _word(words: tuple[Any, ...]) -> Shape:
    def pack(field: str, value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise _refuse(field, value, f"must be one of {', '.join(words)}")
        return value

    def unpack(field: str, value: Any) -> Any:
        if value not in words:
            raise ValueError(f"{field} is {str(value)[:80]!r}, which is none of its words")
        return value

    return Shape(pack, unpack)


# -- several values -------------------------------------------------------------------------


def _row(item: Shape) -> Shape:
    def pack(field: str, value: Any) -> Any:
        if not isinstance(value, tuple):
            raise _refuse(field, value, "must be a tuple")
        return [item.pack(field, each) for each in value]

    def unpack(field: str, value: Any) -> Any:
        return tuple(item.unpack(field, each) for each in _exactly(field, value, list))

    return Shape(pack, unpack)


def _parts(items: list[Shape]) -> Shape:
    def pack(field: str, value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) != len(items):
            raise _refuse(field, value, f"must be {len(items)} values")
        return [item.pack(field, each) for item, each in zip(items, value, strict=True)]

    def unpack(field: str, value: Any) -> Any:
        given = zip(items, _exactly(field, value, list), strict=True)
        return tuple(item.unpack(field, each) for item, each in given)

    return Shape(pack, unpack)


def _words(item: Shape) -> Shape:
    def pack(field: str, value: Any) -> Any:
        if not isinstance(value, frozenset):
            raise _refuse(field, value, "must be a frozen set")
        return sorted(item.pack(field, each) for each in value)

    def unpack(field: str, value: Any) -> Any:
        return frozenset(item.unpack(field, each) for each in _exactly(field, value, list))

    return Shape(pack, unpack)


def _either(kinds: tuple[Any, ...]) -> Shape:
    """One of several: nothing, or a value whose class is named when more than one is possible."""
    others = [kind for kind in kinds if kind is not types.NoneType]
    optional = len(others) < len(kinds)
    if len(others) > 1 and not all(dataclasses.is_dataclass(kind) for kind in others):
        raise TypeError(f"one of {kinds!r} cannot be kept")
    one = shape(others[0]) if len(others) == 1 else _one_of(others)

    def pack(field: str, value: Any) -> Any:
        return None if optional and value is None else one.pack(field, value)

    def unpack(field: str, value: Any) -> Any:
        return None if optional and value is None else one.unpack(field, value)

    return Shape(pack, unpack)


def _one_of(classes: list[Any]) -> Shape:
    by_name = {each.__name__: each for each in classes}

    def pack(field: str, value: Any) -> Any:
        if type(value) not in classes:
            raise _refuse(field, value, f"must be one of {', '.join(by_name)}")
        name = type(value).__name__
        return {_CLASS: name, **shape(by_name[name]).pack(field, value)}

    def unpack(field: str, value: Any) -> Any:
        plain = dict(_exactly(field, value, dict))
        name = plain.pop(_CLASS, None)
        if name not in by_name:
            raise ValueError(f"{field} is of the class {str(name)[:80]!r}")
        return shape(by_name[name]).unpack(field, plain)

    return Shape(pack, unpack)


def _record(kind: Any) -> Shape:
    hints = get_type_hints(kind)
    fields = {each.name: shape(hints[each.name]) for each in dataclasses.fields(kind)}

    def pack(field: str, value: Any) -> Any:
        if type(value) is not kind:
            raise _refuse(field, value, f"must be of the class {kind.__name__}")
        return {name: inner.pack(name, getattr(value, name)) for name, inner in fields.items()}

    def unpack(field: str, value: Any) -> Any:
        plain = _exactly(field, value, dict)
        if unknown := plain.keys() - fields.keys():
            raise ValueError(f"{field} has {sorted(unknown)[0]!r}, which nobody knows")
        try:
            return kind(**{name: fields[name].unpack(name, each) for name, each in plain.items()})
        except TypeError as exc:  # one without a default is missing
            raise ValueError(f"{field}: {exc}") from exc

    return Shape(pack, unpack)
