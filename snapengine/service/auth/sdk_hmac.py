"""Huawei's signature: SDK-HMAC-SHA256 over path, query, chosen headers and the body's digest.

It has no nonce: the same request is good for as long as its time is. Source: Huawei Cloud,
"AK/SK signing and authentication algorithm". Temporary keys add a signed ``X-Security-Token``.
"""

from __future__ import annotations

import hashlib
import hmac
import time

from . import clock as clocks
from .clock import Clock
from .failures import SignatureMismatch
from .keys import Key, KeyRing
from .wire import SignedRequest, authorization, canonical_path, canonical_request

SCHEME = b"SDK-HMAC-SHA256"
#: The client's word that it did not sign the body: what the SDKs send with uploads.
UNSIGNED = b"UNSIGNED-PAYLOAD"
#: ``X-Project-Id`` need not be signed: the project is the key's, and that of the path, which is.
_ALWAYS = (b"host", b"x-sdk-date")
_TOKEN = b"x-security-token"


def recognises(request: SignedRequest) -> bool:
    """Whether the request is signed in this way, rightly or not. Raises :class:`Malformed`."""
    return (request.header(b"authorization") or b"").partition(b" ")[0] == SCHEME


def verify(request: SignedRequest, keys: KeyRing, clock: Clock = time.time) -> Key:
    """The key that signed the request. Thread-safe.

    Looked at in this order: key, time, what must be signed, the body's digest, signature.
    Raises :class:`~snapengine.service.auth.failures.AuthFailure`.
    """
    sent = authorization(request, SCHEME, b"Access")
    key = keys.find(sent.key_id, parameter="authorization")
    date = request.required(b"x-sdk-date")
    clocks.stamp(date, clocks.BASIC, parameter="x-sdk-date", now=clock())
    sent.require(*_ALWAYS, *([] if request.header(_TOKEN) is None else [_TOKEN]))

    body = hashlib.sha256(request.body).hexdigest().encode()
    claimed = request.header(b"x-sdk-content-sha256")
    payload = body if claimed is None else claimed
    # The digest that is claimed is what is signed. Unless it is that of the body, whoever repeats
    # an old digest could send another body under it.
    honest = payload == UNSIGNED or hmac.compare_digest(payload, body)

    # The SDKs sign a slash at the end that the request line does not have.
    path = canonical_path(request.raw_path)
    path = path if path.endswith("/") else f"{path}/"
    canonical = canonical_request(request, path, sent.signed_headers, payload)
    text = b"%b\n%b\n%b" % (SCHEME, date, hashlib.sha256(canonical).hexdigest().encode())
    expected = hmac.new(key.secret.encode(), text, hashlib.sha256).hexdigest().encode()
    if not (hmac.compare_digest(expected, sent.signature) & honest):
        raise SignatureMismatch("the signature does not match", string_to_sign=text.decode())
    return key
