"""Alibaba's RPC signature, version 1: HMAC-SHA1 over all parameters.

Headers are not signed, nor is a body that is not a form: an action must be read from
:meth:`SignedRequest.parameters`, never from ``x-acs-action``. Source: Alibaba Cloud, "Request
signatures" of the RPC style; ``SignatureMethod`` HMAC-SHA1, ``SignatureVersion`` 1.0.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

from . import clock as clocks
from .clock import Clock
from .failures import Malformed, Missing, SchemeUnsupported, SignatureMismatch
from .keys import Key, KeyRing
from .nonces import Nonces
from .wire import MAX_NONCE, MAX_PATH, Pairs, SignedRequest, canonical_query, checked_method, encode

_METHOD, _VERSION = b"HMAC-SHA1", b"1.0"


def recognises(request: SignedRequest) -> bool:
    """Whether the request is signed in this way, rightly or not.

    Raises :class:`Malformed` for parameters that cannot be read.
    """
    return any(name == b"Signature" for name, _ in request.parameters())


def verify(request: SignedRequest, keys: KeyRing, nonces: Nonces, clock: Clock = time.time) -> Key:
    """The key that signed the request. Thread-safe.

    Looked at in this order: key, method and version of the signature, time, nonce, signature.
    Raises :class:`~snapengine.service.auth.failures.AuthFailure`.
    """
    pairs = request.parameters()
    given = dict(pairs)
    key = keys.find(_required(given, b"AccessKeyId"), parameter="AccessKeyId")
    for name, wanted in ((b"SignatureMethod", _METHOD), (b"SignatureVersion", _VERSION)):
        if _required(given, name) != wanted:
            raise SchemeUnsupported(f"{name.decode()} is not supported", parameter=name.decode())
    stamp = clocks.stamp(
        _required(given, b"Timestamp"), clocks.EXTENDED, parameter="Timestamp", now=clock()
    )
    nonce = _required(given, b"SignatureNonce")
    if len(nonce) > MAX_NONCE:
        raise Malformed("SignatureNonce is too long", parameter="SignatureNonce")
    nonces.check(key.id, nonce, parameter="SignatureNonce")
    signature = _required(given, b"Signature")

    text = _string_to_sign(request, pairs)
    mac = hmac.digest(f"{key.secret}&".encode(), text.encode(), hashlib.sha1)
    if not hmac.compare_digest(base64.b64encode(mac), signature):
        raise SignatureMismatch("the signature does not match", string_to_sign=text)
    nonces.use(key.id, nonce, stamp=stamp, parameter="SignatureNonce")
    return key


def _string_to_sign(request: SignedRequest, pairs: Pairs) -> str:
    """ASCII. Clients sign ``/`` whatever they ask for, so a call of any other path cannot match."""
    query = canonical_query([pair for pair in pairs if pair[0] != b"Signature"]).encode()
    return f"{checked_method(request)}&{encode(request.raw_path[:MAX_PATH])}&{encode(query)}"


def _required(given: dict[bytes, bytes], name: bytes) -> bytes:
    value = given.get(name)
    if not value:
        raise Missing(f"{name.decode()} is missing", parameter=name.decode())
    return value
