"""Tokens for ``X-Auth-Token``: issued from a key, good for a day, remembered nowhere.

A token names its key, project, end and a nonce, under an HMAC whose key is derived from the access
key's secret. So it outlives a restart, and ends with its key: disabled, removed, or given another
secret or project.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field

from .clock import Clock
from .failures import DisabledKey, TokenExpired, TokenInvalid, UnknownKey
from .keys import Key, KeyRing

#: Seconds that a token is good for.
LIFETIME = 24 * 60 * 60
#: Bytes of a token at most; ours have some 300.
MAX_TOKEN = 1024

_PREFIX = b"se1"
#: Keeps the secret's use here apart from its use for signatures.
_PURPOSE = b"snapengine X-Auth-Token 1"
_NAMED = re.compile(rb"[A-Za-z0-9_-]+")
_END = re.compile(rb"[0-9]{1,12}")
_PARAMETER = "x-auth-token"


@dataclass(frozen=True, slots=True)
class Token:
    """``value`` is the credential; ``expires``: seconds since 1970, no longer good from then on."""

    value: str = field(repr=False)
    expires: int


def issue(key: Key, clock: Clock = time.time) -> Token:
    """A token for the project of ``key``. Thread-safe."""
    expires = int(clock()) + LIFETIME
    fields = (key.id, key.project_id, str(expires), secrets.token_hex(16))
    named = base64.urlsafe_b64encode("\n".join(fields).encode()).rstrip(b"=")
    signed = b".".join((_PREFIX, named))
    return Token((signed + b"." + _mac(key, signed)).decode(), expires)


def verify(token: bytes, keys: KeyRing, clock: Clock = time.time) -> Key:
    """The key that the token was issued from. Thread-safe.

    Raises :class:`TokenInvalid`, or :class:`TokenExpired` for one that was good.
    """
    signed, _, mac = token.rpartition(b".")
    prefix, _, named = signed.partition(b".")
    if len(token) > MAX_TOKEN or prefix != _PREFIX:
        raise _invalid()
    if not _NAMED.fullmatch(named):
        raise _invalid()
    try:
        text = base64.urlsafe_b64decode(named + b"=" * (-len(named) % 4))
    except binascii.Error:
        raise _invalid() from None
    fields = text.split(b"\n")
    if len(fields) != 4 or not _END.fullmatch(fields[2]):
        raise _invalid()
    try:
        key = keys.find(fields[0], parameter=_PARAMETER)
    except (UnknownKey, DisabledKey):
        raise _invalid() from None
    if not hmac.compare_digest(_mac(key, signed), mac) or fields[1] != key.project_id.encode():
        raise _invalid()
    if clock() >= int(fields[2]):
        raise TokenExpired("the token has expired", parameter=_PARAMETER)
    return key


def _mac(key: Key, signed: bytes) -> bytes:
    derived = hmac.digest(key.secret.encode(), _PURPOSE, hashlib.sha256)
    return hmac.new(derived, signed, hashlib.sha256).hexdigest().encode()


def _invalid() -> TokenInvalid:
    return TokenInvalid("the token is not valid", parameter=_PARAMETER)
