"""Alibaba's V3 signature: ACS3-HMAC-SHA256 over query, chosen headers and the body's digest.

Source: Alibaba Cloud, "V3 request syntax and signature". Temporary keys add
``x-acs-accesskey-id`` and ``x-acs-security-token``, both signed.
"""

from __future__ import annotations

import hashlib
import hmac
import time

from . import clock as clocks
from .clock import Clock
from .failures import Malformed, SignatureMismatch
from .keys import Key, KeyRing
from .nonces import Nonces
from .wire import (
    MAX_NONCE,
    SignedRequest,
    authorization,
    canonical_path,
    canonical_request,
)

SCHEME = b"ACS3-HMAC-SHA256"
#: A signature that leaves one of these out would let it be replaced.
_ALWAYS = (
    b"host",
    b"x-acs-action",
    b"x-acs-content-sha256",
    b"x-acs-date",
    b"x-acs-signature-nonce",
    b"x-acs-version",
)
_PREFIX = b"x-acs-"


def recognises(request: SignedRequest) -> bool:
    """Whether the request is signed in this way, rightly or not. Raises :class:`Malformed`."""
    return (request.header(b"authorization") or b"").partition(b" ")[0] == SCHEME


def verify(request: SignedRequest, keys: KeyRing, nonces: Nonces, clock: Clock = time.time) -> Key:
    """The key that signed the request. Thread-safe.

    Looked at in this order: key, time, nonce, what must be signed, the body's digest, signature.
    Raises :class:`~snapengine.service.auth.failures.AuthFailure`.
    """
    sent = authorization(request, SCHEME, b"Credential")
    key = keys.find(sent.key_id, parameter="authorization")
    stamp = clocks.stamp(
        request.required(b"x-acs-date"), clocks.EXTENDED, parameter="x-acs-date", now=clock()
    )
    nonce = request.required(b"x-acs-signature-nonce")
    if len(nonce) > MAX_NONCE:
        raise Malformed("x-acs-signature-nonce is too long", parameter="x-acs-signature-nonce")
    nonces.check(key.id, nonce, parameter="x-acs-signature-nonce")

    digest = request.required(b"x-acs-content-sha256")
    # Every header of the scheme must be signed, so that none can be slipped in or taken over.
    sent.require(*_ALWAYS, *(name for name, _ in request.headers if name.startswith(_PREFIX)))
    named = request.header(b"x-acs-accesskey-id")
    if named is not None and named != sent.key_id:
        raise Malformed("two different access keys", parameter="x-acs-accesskey-id")

    path = canonical_path(request.raw_path)
    canonical = canonical_request(request, path, sent.signed_headers, digest)
    text = b"%b\n%b" % (SCHEME, hashlib.sha256(canonical).hexdigest().encode())
    expected = hmac.new(key.secret.encode(), text, hashlib.sha256).hexdigest().encode()
    body = hashlib.sha256(request.body).hexdigest().encode()
    # Not `and`: how long this takes should not tell which of the two is wrong.
    whole = hmac.compare_digest(body, digest) & hmac.compare_digest(expected, sent.signature)
    if not whole:
        raise SignatureMismatch("the signature does not match", string_to_sign=text.decode())
    nonces.use(key.id, nonce, stamp=stamp, parameter="x-acs-signature-nonce")
    return key
