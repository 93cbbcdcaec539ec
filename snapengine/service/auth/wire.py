"""A request as it came over the wire, read within bounds and written canonically.

What is signed is never the wire's own spelling: clients send ``+`` or ``%20`` for a space and may
leave ``: , * /`` as they are. Everything is decoded, then encoded in the one way that all three
schemes sign (RFC 3986, unreserved characters as they are, ``%20``, upper-case escapes).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes, unquote_to_bytes

from .failures import Malformed, Missing, SchemeUnsupported

#: Bounds of what is read: bytes, or how many.
MAX_PATH = 8 * 1024
MAX_QUERY = 128 * 1024
MAX_FORM = 256 * 1024
MAX_PARAMETERS = 1024
MAX_HEADERS = 256
MAX_HEADER = 16 * 1024
MAX_NONCE = 256

FORM = b"application/x-www-form-urlencoded"

_METHOD = re.compile(r"[A-Z]{1,16}")
_HEADER_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]{1,256}")
_LINE_ENDS = re.compile(rb"[\r\n\0]")

#: Names and values, decoded, in the order of the wire.
Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a verifier looks at.

    ``raw_path`` and ``raw_query``: as sent, still escaped, the query without ``?``; the path as the
    client knows it, so without the prefix that an application is mounted at. ``headers``: names in
    lower case and values, in the order of the wire. They are in no ``repr``: they hold credentials.
    """

    method: str
    raw_path: bytes
    raw_query: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: bytes) -> bytes | None:
        """A header's value without blanks around it, ``None`` if it is absent.

        Raises :class:`Malformed` if it is there twice (which one would be signed, which one used?),
        too long, or able to end a line.
        """
        if len(self.headers) > MAX_HEADERS:
            raise Malformed(f"more than {MAX_HEADERS} headers")
        values = [value for found, value in self.headers if found == name]
        if not values:
            return None
        if len(values) > 1:
            raise Malformed(f"{_shown(name)} is given twice", parameter=_shown(name))
        if len(values[0]) > MAX_HEADER or _LINE_ENDS.search(values[0]):
            raise Malformed(f"{_shown(name)} cannot be read", parameter=_shown(name))
        return values[0].strip(b" \t")

    def required(self, name: bytes) -> bytes:
        """:meth:`header`, or :class:`Missing`."""
        value = self.header(name)
        if not value:
            raise Missing(f"{_shown(name)} is missing", parameter=_shown(name))
        return value

    def query(self) -> Pairs:
        """The query's parameters. Raises :class:`Malformed`."""
        return _pairs(self.raw_query, MAX_QUERY, "query")

    def parameters(self) -> Pairs:
        """Query and form together: what a call of Alibaba's asks for, and all that counts of it.

        A body that is not a form is no part of it. Raises :class:`Malformed`, also when a name
        comes twice: the signature does not tell which of them was meant.
        """
        pairs = self.query()
        kind = (self.header(b"content-type") or b"").partition(b";")[0].strip().lower()
        if kind == FORM:
            pairs += _pairs(self.body, MAX_FORM, "form")
        seen: set[bytes] = set()
        for name, _ in pairs:
            if name in seen:
                raise Malformed(f"{_shown(name)} is given twice", parameter=_shown(name))
            seen.add(name)
        return pairs


def _pairs(raw: bytes, limit: int, what: str) -> Pairs:
    """Blank values stay: they are signed, too."""
    if len(raw) > limit or raw.count(b"&") >= MAX_PARAMETERS:
        raise Malformed(f"the {what} is too large", parameter=what)
    pairs = []
    for piece in raw.split(b"&"):
        if piece:
            name, _, value = piece.replace(b"+", b" ").partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return pairs


def encode(value: bytes) -> str:
    """RFC 3986 with ``A-Z a-z 0-9 - _ . ~`` as they are, and nothing else."""
    return quote_from_bytes(value, safe="")


def canonical_query(pairs: Pairs) -> str:
    """Sorted by name, then value, as bytes."""
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(pairs))


def canonical_path(raw: bytes) -> str:
    """Segment by segment, so that an escaped slash stays apart from a real one.

    Raises :class:`Malformed`.
    """
    if not raw.startswith(b"/") or len(raw) > MAX_PATH:
        raise Malformed("the path cannot be read", parameter="path")
    return "/".join(encode(unquote_to_bytes(segment)) for segment in raw.split(b"/"))


def checked_method(request: SignedRequest) -> str:
    """The method, once it cannot be mistaken for anything else that is signed."""
    if not _METHOD.fullmatch(request.method):
        raise Malformed("the method cannot be read", parameter="method")
    return request.method


@dataclass(frozen=True, slots=True)
class Authorization:
    """An ``Authorization`` header: whose key, which headers are signed, the signature."""

    key_id: bytes
    signed_headers: tuple[bytes, ...]
    signature: bytes = field(repr=False)

    def require(self, *names: bytes) -> None:
        """Raise :class:`Malformed` unless all of these are signed: they carry the protection."""
        for name in names:
            if name not in self.signed_headers:
                raise Malformed(f"{_shown(name)} must be signed", parameter="SignedHeaders")


def authorization(request: SignedRequest, scheme: bytes, key_name: bytes) -> Authorization:
    """Read ``<scheme> <key_name>=..., SignedHeaders=a;b, Signature=...``.

    Raises :class:`Missing`, :class:`SchemeUnsupported` or :class:`Malformed`.
    """
    found, _, rest = request.required(b"authorization").partition(b" ")
    if found != scheme:
        raise SchemeUnsupported(f"not {_shown(scheme)}", parameter="authorization")
    parts: dict[bytes, bytes] = {}
    for part in rest.split(b","):
        name, equals, value = part.strip(b" \t").partition(b"=")
        if not equals or not value or name in parts:
            raise Malformed("authorization cannot be read", parameter="authorization")
        parts[name] = value
    if parts.keys() != {key_name, b"SignedHeaders", b"Signature"}:
        raise Malformed("authorization has not its three parts", parameter="authorization")
    names = tuple(parts[b"SignedHeaders"].split(b";"))
    if len(set(names)) < len(names) or not all(map(_HEADER_NAME.fullmatch, names)):
        raise Malformed("SignedHeaders cannot be read", parameter="SignedHeaders")
    if len(names) > MAX_HEADERS:
        raise Malformed("too many signed headers", parameter="SignedHeaders")
    return Authorization(parts[key_name], names, parts[b"Signature"])


def canonical_request(
    request: SignedRequest, path: str, signed_headers: Sequence[bytes], payload: bytes
) -> bytes:
    """The text under ACS3 and SDK-HMAC, whose headers are those that the client named.

    Raises :class:`Malformed`, also when a header that was signed has not arrived.
    """
    lines = [checked_method(request), path, canonical_query(request.query())]
    parts = ["\n".join(lines).encode("ascii") + b"\n"]
    for name in signed_headers:
        value = request.header(name)
        if value is None:
            raise Malformed(f"{_shown(name)} is signed and absent", parameter=_shown(name))
        parts.append(name + b":" + value + b"\n")
    return b"".join((*parts, b"\n", b";".join(signed_headers), b"\n", payload))


def _shown(name: bytes) -> str:
    """A name from the wire for a message: short, and nothing but printable ASCII."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in name[:64])
