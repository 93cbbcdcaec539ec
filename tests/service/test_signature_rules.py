"""The rules of the three signatures, one by one: times, nonces, order, what must be signed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from snapengine.service.auth.failures import (
    AuthFailure,
    DisabledKey,
    Malformed,
    Missing,
    NonceUsed,
    SchemeUnsupported,
    SignatureMismatch,
    TimeExpired,
    TimeMalformed,
    UnknownKey,
)
from snapengine.service.auth.keys import KeyRing
from snapengine.service.auth.nonces import Nonces
from snapengine.service.auth.wire import MAX_HEADERS, MAX_PARAMETERS, MAX_QUERY, SignedRequest
from tests.service import vectors
from tests.service.vectors import ALI_TIME, EMPTY, HUAWEI_TIME, KEY, NOW, SCHEMES, Signed, verify

each_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def rpc(**changed: str) -> Signed:
    """A signed call of the RPC scheme; ``(absent)`` leaves a parameter out."""
    given_ = {
        "AccessKeyId": KEY.id, "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0",
        "SignatureNonce": "n", "Timestamp": ALI_TIME, **changed,
    }  # fmt: skip
    given_ = {name: value for name, value in given_.items() if value != "(absent)"}
    given_.setdefault("Signature", vectors.sign_rpc(KEY, "GET", given_))
    query = "&".join(f"{vectors.enc(k)}={vectors.enc(v)}" for k, v in given_.items())
    return Signed("rpc", "rpc", vectors.request_of("GET", "/?" + query, ()), KEY, NOW)


def v3(body: bytes = b"", unsigned: tuple[tuple[str, str], ...] = (), **changed: str) -> Signed:
    """A signed call of the V3 scheme; ``_`` in names stands for ``-``."""
    headers = {
        "host": "h", "x-acs-action": "A", "x-acs-version": "V", "x-acs-date": ALI_TIME,
        "x-acs-signature-nonce": "n", "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
    }  # fmt: skip
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    headers = {name: value for name, value in headers.items() if value != "(absent)"}
    headers.setdefault("x-acs-content-sha256", EMPTY)
    auth = vectors.sign_acs3(KEY, "POST", "/", [], headers)
    sent = [*headers.items(), ("authorization", auth), *unsigned]
    return Signed("acs3", "acs3", vectors.request_of("POST", "/", sent, body), KEY, NOW)


def huawei(body: bytes = b"", unsigned: tuple[tuple[str, str], ...] = (), **changed: str) -> Signed:
    """A signed call of the Huawei scheme; ``_`` in names stands for ``-``."""
    headers = {"host": "h", "x-sdk-date": HUAWEI_TIME}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    auth = vectors.sign_huawei(KEY, "PUT", "/a", [], headers, body)
    sent = [*headers.items(), ("authorization", auth), *unsigned]
    return Signed("huawei", "huawei", vectors.request_of("PUT", "/a", sent, body), KEY, NOW)


MAKERS: dict[str, Callable[[], Signed]] = {"rpc": rpc, "acs3": v3, "huawei": huawei}


@each_scheme
@pytest.mark.parametrize("off", [-900.0, 0.0, 900.0])
def test_a_quarter_of_an_hour_is_near_enough(scheme: str, off: float) -> None:
    assert verify(MAKERS[scheme](), now=NOW + off) is KEY


@each_scheme
@pytest.mark.parametrize("off", [-900.5, 900.5, 1e9])
def test_further_off_is_not(scheme: str, off: float) -> None:
    with pytest.raises(TimeExpired):
        verify(MAKERS[scheme](), now=NOW + off)


@pytest.mark.parametrize("time", [
    HUAWEI_TIME, "2026-13-21T09:09:58Z", "2026-02-30T09:09:58Z", "2026-11-21T09:09:58",
    "2026-11-21T09:09:58+00:00", "2026-11-21 09:09:58Z", "0000-11-21T09:09:58Z", "1795252198",
    "2026-11-21T24:09:58Z", "２０２６-11-21T09:09:58Z", ALI_TIME + "x",
])  # fmt: skip
def test_times_of_another_form_are_refused(time: str) -> None:
    for signed in (rpc(Timestamp=time), v3(x_acs_date=time), huawei(x_sdk_date=time)):
        if signed.scheme != "huawei" or time != HUAWEI_TIME:
            with pytest.raises(TimeMalformed):
                verify(signed)
    with pytest.raises(TimeMalformed):
        verify(huawei(x_sdk_date=ALI_TIME))


@pytest.mark.parametrize("make", [rpc, v3])
def test_a_request_counts_once(make: Callable[[], Signed]) -> None:
    nonces = Nonces(clock=lambda: NOW)
    bad = replace(make().key, secret="another-secret")
    with pytest.raises(SignatureMismatch):
        verify(make(), nonces=nonces, key=bad)
    assert verify(make(), nonces=nonces) is KEY, "a forgery has used up the nonce"
    with pytest.raises(NonceUsed):
        verify(make(), nonces=nonces)


@pytest.mark.parametrize("make", [rpc, v3])
def test_what_is_wrong_first_is_said_first(make: Callable[[], Signed]) -> None:
    nonces = Nonces(clock=lambda: NOW)
    verify(make(), nonces=nonces)
    stranger, off = replace(KEY, id="other"), replace(KEY, disabled=True)
    wrong = replace(KEY, secret="another-secret")
    for key, now, failure in (
        (stranger, NOW + 9999, UnknownKey), (off, NOW + 9999, DisabledKey),
        (wrong, NOW + 9999, TimeExpired), (wrong, NOW, NonceUsed),
    ):  # fmt: skip
        with pytest.raises(failure):
            verify(make(), nonces=nonces, key=key, now=now)


@pytest.mark.parametrize("name", ["AccessKeyId", "SignatureMethod", "SignatureVersion",
                                  "SignatureNonce", "Timestamp", "Signature"])  # fmt: skip
def test_what_is_absent_or_blank_is_named(name: str) -> None:
    for value in ("", "(absent)"):
        signed = rpc(**{name: value})
        if (name, value) == ("Signature", "(absent)"):
            query = signed.request.raw_query.partition(b"&Signature=")[0]
            signed = replace(signed, request=replace(signed.request, raw_query=query))
        with pytest.raises(Missing) as failure:
            verify(signed)
        assert failure.value.parameter == name


@pytest.mark.parametrize(("changed", "failure"), [
    ({"SignatureMethod": "HMAC-SHA256"}, SchemeUnsupported),
    ({"SignatureVersion": "2.0"}, SchemeUnsupported),
    ({"SignatureNonce": "n" * 300}, Malformed),
])  # fmt: skip
def test_other_methods_of_signing(changed: dict[str, str], failure: type[AuthFailure]) -> None:
    with pytest.raises(failure):
        verify(rpc(**changed))


@pytest.mark.parametrize("signed", [
    v3(unsigned=(("x-acs-security-token", "slipped in"),)),
    v3(unsigned=(("x-acs-action", "Other"),)),
    v3(x_acs_accesskey_id="another"),
    v3(host="(absent)"), v3(host="(absent)", unsigned=(("host", "h"),)),
    v3(x_acs_action="(absent)"), v3(x_acs_action="(absent)", unsigned=(("x-acs-action", "A"),)),
    huawei(unsigned=(("x-security-token", "slipped in"),)),
    huawei(unsigned=(("host", "other"),)),
    vectors.Signed("twice", "rpc", replace(rpc(A="1").request, raw_query=rpc(
        A="1").request.raw_query + b"&A=1"), KEY, NOW),
])  # fmt: skip
def test_what_must_be_signed_must_be_signed_once(signed: Signed) -> None:
    with pytest.raises(Malformed):
        verify(signed)


def test_temporary_keys_are_named_in_signed_headers() -> None:
    assert verify(v3(x_acs_accesskey_id=KEY.id, x_acs_security_token="t")) is KEY
    assert verify(huawei(x_security_token="t")) is KEY
    assert verify(rpc(SecurityToken="t/+=")) is KEY


def test_another_body_under_an_old_digest() -> None:
    digest = hashlib.sha256(b"body").hexdigest()
    slipped = huawei(b"body", unsigned=(("x-sdk-content-sha256", digest),))
    for signed in (v3(b"body"), slipped, huawei(b"body", x_sdk_content_sha256=digest)):
        assert verify(signed) is KEY
        with pytest.raises(SignatureMismatch):
            verify(signed, replace(signed.request, body=b"other"))


def test_a_body_that_is_said_not_to_be_signed() -> None:
    signed = huawei(b"body", x_sdk_content_sha256="UNSIGNED-PAYLOAD")
    assert verify(signed, replace(signed.request, body=b"other")) is KEY
    claim = (*huawei(b"body").request.headers, (b"x-sdk-content-sha256", b"UNSIGNED-PAYLOAD"))
    with pytest.raises(SignatureMismatch):
        verify(huawei(), replace(huawei(b"body").request, headers=claim))


def test_an_escaped_slash_is_not_a_slash() -> None:
    auth = vectors.sign_huawei(
        KEY, "PUT", "/a/b", [], {"host": "h", "x-sdk-date": HUAWEI_TIME}, b""
    )
    headers = [("host", "h"), ("x-sdk-date", HUAWEI_TIME), ("authorization", auth)]
    for path, holds in (("/a/b", True), ("/a/b/", True), ("/%61/b", True), ("/a%2Fb", False)):
        signed = Signed("", "huawei", vectors.request_of("PUT", path, headers), KEY, NOW)
        if holds:
            assert verify(signed) is KEY
        else:
            with pytest.raises(SignatureMismatch):
                verify(signed)


@pytest.mark.parametrize("request_", [
    replace(rpc().request, raw_query=b"&" * MAX_PARAMETERS),
    replace(rpc().request, raw_query=b"a" * (MAX_QUERY + 1)),
    replace(rpc().request, headers=((b"a", b""),) * (MAX_HEADERS + 1)),
])  # fmt: skip
def test_bounds(request_: SignedRequest) -> None:
    with pytest.raises(Malformed):
        verify(rpc(), request_)


def test_credentials_are_in_no_repr() -> None:
    assert "Signature" not in repr(rpc().request) + repr(v3().request)
    assert KEY.secret not in repr(KEY) + repr(KeyRing([KEY]))


@each_scheme
@pytest.mark.parametrize("method", ["", "get", "GET\n", "\ud800"])
def test_methods_that_cannot_be_read(scheme: str, method: str) -> None:
    signed = MAKERS[scheme]()
    with pytest.raises(Malformed):
        verify(signed, replace(signed.request, method=method))
