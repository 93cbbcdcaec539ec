"""Who signed a request: vectors of others, a second signer, every mutation, any bytes.

The rules one by one are in ``test_signature_rules``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from snapengine.service.auth import acs3, rpc_v1, sdk_hmac
from snapengine.service.auth.failures import (
    AuthFailure,
    Malformed,
    SignatureMismatch,
)
from snapengine.service.auth.keys import KeyRing
from snapengine.service.auth.nonces import Nonces
from snapengine.service.auth.wire import SignedRequest
from tests.conftest import required
from tests.service import vectors
from tests.service.vectors import (
    ALI_TIME,
    CAPTURED,
    EMPTY,
    HUAWEI_TIME,
    KEY,
    NOW,
    PUBLISHED,
    SCHEMES,
    Signed,
    verify,
)

FORM = "application/x-www-form-urlencoded"


# Requests signed by the second implementation, spelled as some client might.

NAMES = st.text("ABCab.[]_-~ *:%+&=é中", min_size=1, max_size=6)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text(
    " +:,*/~%&=;?#\"'", max_size=6
)


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """Any spelling that decodes to ``text``."""
    out = []
    for byte in text.encode():
        sign = chr(byte)
        ways = [f"%{byte:02X}", f"%{byte:02x}"]
        if sign == " ":
            ways = ["+", "%20"]
        elif sign.isascii() and (sign.isalnum() or sign in "-_.~:,*/@!$'()"):
            ways = [sign, *ways]
        out.append(draw(st.sampled_from(ways)))
    return "".join(out)


@st.composite
def query_of(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> str:
    return "&".join(
        [f"{draw(spelled(k))}={draw(spelled(v))}" for k, v in draw(st.permutations(pairs))]
    )


@st.composite
def signed_requests(draw: st.DrawFn, scheme: str | None = None) -> Signed:
    scheme = scheme or draw(st.sampled_from(SCHEMES))
    given_ = list(draw(st.dictionaries(NAMES, VALUES, max_size=4)).items())
    method = draw(st.sampled_from(["GET", "POST"]))
    body = draw(st.binary(max_size=20))
    if scheme == "rpc":
        common = {
            "AccessKeyId": KEY.id, "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0",
            "SignatureNonce": draw(st.uuids()).hex, "Timestamp": ALI_TIME, "Action": "A",
        }  # fmt: skip
        everything = {**dict(given_), **common}
        everything["Signature"] = vectors.sign_rpc(KEY, method, everything)
        pairs = list(everything.items())
        cut = draw(st.integers(0, len(pairs)))
        target = "/?" + draw(query_of(pairs[:cut]))
        body = draw(query_of(pairs[cut:])).encode()
        request = vectors.request_of(method, target, [("Content-Type", FORM)], body)
    elif scheme == "acs3":
        headers = {
            "host": "h:1", "x-acs-action": "A", "x-acs-version": "V", "x-acs-date": ALI_TIME,
            "x-acs-signature-nonce": draw(st.uuids()).hex, "accept": draw(VALUES_OF_HEADERS),
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        }  # fmt: skip
        auth = vectors.sign_acs3(KEY, method, "/", given_, headers)
        sent = [*headers.items(), ("Authorization", auth), ("Content-Type", "text/plain")]
        request = vectors.request_of(method, "/?" + draw(query_of(given_)), sent, body)
    else:
        repeated = given_ + draw(st.lists(st.sampled_from(given_), max_size=2)) if given_ else []
        headers = {"host": "h", "x-sdk-date": HUAWEI_TIME, "accept": draw(VALUES_OF_HEADERS)}
        segments = draw(st.lists(st.text("ab *:é", min_size=1, max_size=3), min_size=1, max_size=3))
        auth = vectors.sign_huawei(KEY, method, "/" + "/".join(segments), repeated, headers, body)
        path = "".join("/" + draw(spelled(s)).replace("+", "%20") for s in segments)
        sent = [*headers.items(), ("Authorization", auth), ("User-Agent", "x")]
        request = vectors.request_of(method, f"{path}?{draw(query_of(repeated))}", sent, body)
    return Signed(scheme, scheme, request, KEY, NOW)


VALUES_OF_HEADERS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)


# Vectors.


@pytest.mark.parametrize("signed", [*PUBLISHED, *CAPTURED], ids=lambda signed: signed.name)
def test_published_and_captured_signatures_hold(signed: Signed) -> None:
    assert verify(signed) is signed.key
    with pytest.raises(SignatureMismatch):
        verify(signed, key=replace(signed.key, secret=signed.key.secret + "x"))


def _recordings() -> list[Path | None]:
    return [*vectors.recorded_files()] or [None]


@pytest.mark.parametrize("path", _recordings(), ids=lambda path: path.stem if path else "absent")
def test_recorded_signatures_hold(path: Path | None) -> None:
    if path is None:
        message = f"no recordings in {vectors.recorded_folder()} (see SNAPENGINE_RECORDED)"
        if required("recorded"):
            pytest.fail(message)
        pytest.skip(message)
    checks = json.loads(path.read_text(encoding="utf-8"))["signature_check"]
    all_signed = vectors.recorded(path)
    assert len(all_signed) == len(checks) > 0
    for signed, check in zip(all_signed, checks, strict=True):
        assert verify(signed) is signed.key
        with pytest.raises(SignatureMismatch) as wrong:
            verify(signed, key=replace(signed.key, secret="another-secret"))
        # Clients compare this with their own to tell a wrong secret from a wrong request.
        text = wrong.value.string_to_sign
        assert text is not None
        if "string_to_sign" in check:
            assert text == check["string_to_sign"]
        else:
            hashed = hashlib.sha256(check["canonical_request"].encode()).hexdigest()
            assert text.splitlines()[-1] == hashed


def mutated(signed: Signed) -> Iterator[SignedRequest]:
    """The request with each sign of its signature changed in turn."""
    request = signed.request
    for at, (name, value) in enumerate(request.headers):
        if name == b"authorization":
            start = value.index(b"Signature=") + len(b"Signature=")
            for i in range(start, len(value)):
                other = value[:i] + (b"1" if value[i : i + 1] == b"0" else b"0") + value[i + 1 :]
                headers = (*request.headers[:at], (name, other), *request.headers[at + 1 :])
                yield replace(request, headers=headers)
            return
    for part in ("raw_query", "body"):
        found = re.search(rb"(?<![A-Za-z])Signature=([^&]*)", getattr(request, part))
        if found:
            text = unquote_to_bytes(found[1].replace(b"+", b" ")).decode()
            for i, sign in enumerate(text):
                other = text[:i] + ("A" if sign != "A" else "B") + text[i + 1 :]
                whole = getattr(request, part)
                changed = whole[: found.start(1)] + quote(other, safe="").encode()
                yield replace(request, **{part: changed + whole[found.end(1) :]})


@pytest.mark.parametrize("path", _recordings(), ids=lambda path: path.stem if path else "absent")
def test_no_changed_signature_of_a_recording_holds(path: Path | None) -> None:
    if path is None:
        if required("recorded"):
            pytest.fail("no recordings")
        pytest.skip("no recordings (see SNAPENGINE_RECORDED)")
    for signed in vectors.recorded(path):
        others = list(mutated(signed))
        assert len(others) == (28 if signed.scheme == "rpc" else 64)
        for other in others:
            with pytest.raises(SignatureMismatch):
                verify(signed, other)


# Properties.


@given(signed_requests())
def test_what_another_signer_signs_holds(signed: Signed) -> None:
    assert verify(signed) is KEY


def meaning(signed: Signed, request: SignedRequest) -> object:
    """What is signed of a request, computed without the package."""

    def pairs(raw: bytes) -> list[tuple[str, str]]:
        return parse_qsl(raw.decode("latin-1"), keep_blank_values=True, encoding="latin-1")

    query, body = pairs(request.raw_query), request.body
    if signed.scheme == "rpc":
        return request.method, request.raw_path, sorted(query + pairs(body))
    path = [unquote_to_bytes(s) for s in request.raw_path.split(b"/")]
    if signed.scheme == "huawei" and path[-1] == b"":
        path.pop()
    names = dict(request.headers)[b"authorization"].partition(b"SignedHeaders=")[2]
    held = names.partition(b",")[0].split(b";")
    headers = {n: v.strip(b" \t") for n, v in request.headers if n in held}
    return request.method, path, sorted(query), body, headers


def _changed(draw: st.DrawFn, value: bytes) -> bytes:
    """One byte more, less or other."""
    at = draw(st.integers(0, len(value)))
    byte = draw(st.binary(min_size=1, max_size=1))
    tail = draw(st.sampled_from([value[at:], value[at + 1 :]]))
    return value[:at] + draw(st.sampled_from([b"", byte])) + tail


@given(signed_requests(), st.data())
def test_every_change_of_a_signed_part_fails(signed: Signed, data: st.DataObject) -> None:
    request = signed.request
    part = data.draw(st.sampled_from(["method", "path", "query", "body", "header"]))
    if part == "method":
        word = data.draw(st.sampled_from(["PUT", "GET", "POST", "get", "", "POST&", "ÿ", "\ud800"]))
        other = replace(request, method=word)
    elif part == "path":
        other = replace(request, raw_path=_changed(data.draw, request.raw_path))
    elif part == "query":
        other = replace(request, raw_query=_changed(data.draw, request.raw_query))
    elif part == "body":
        other = replace(request, body=_changed(data.draw, request.body))
    else:
        at = data.draw(st.integers(0, len(request.headers) - 1))
        name, value = request.headers[at]
        assume(name not in (b"authorization", b"content-type", b"user-agent"))
        headers = list(request.headers)
        headers[at] = (name, _changed(data.draw, value))
        other = replace(request, headers=tuple(headers))
    assume(meaning(signed, other) != meaning(signed, request))
    with pytest.raises(AuthFailure):
        verify(signed, other)


@given(signed_requests(), st.data())
def test_every_change_of_the_credential_fails(signed: Signed, data: st.DataObject) -> None:
    headers = dict(signed.request.headers)
    if b"authorization" in headers:
        whole = headers[b"authorization"]
        headers[b"authorization"] = _changed(data.draw, whole)
        # Blanks around its parts mean nothing.
        assume(
            [p.strip(b" \t") for p in headers[b"authorization"].split(b",")] != whole.split(b", ")
        )
        assume(
            [p.strip(b" \t") for p in headers[b"authorization"].split(b",")] != whole.split(b",")
        )
        with pytest.raises(AuthFailure):
            verify(signed, replace(signed.request, headers=tuple(headers.items())))
    secret = _changed(data.draw, KEY.secret.encode()).decode("latin-1")
    assume(secret != KEY.secret and secret.isascii() and secret.isprintable())
    assume(not set(secret) & set(" :,"))
    with pytest.raises(SignatureMismatch):
        verify(signed, key=replace(KEY, secret=secret))


@given(signed_requests(), st.sampled_from([b"accept-encoding", b"x-forwarded-for", b"cookie"]),
       st.binary(max_size=8))  # fmt: skip
def test_unsigned_parts_may_change(signed: Signed, name: bytes, value: bytes) -> None:
    headers = (*signed.request.headers, (name, value))
    assert verify(signed, replace(signed.request, headers=headers)) is KEY


RELEVANT = st.sampled_from([
    b"authorization", b"host", b"x-acs-date", b"x-acs-signature-nonce", b"x-acs-content-sha256",
    b"x-acs-action", b"x-acs-version", b"x-sdk-date", b"x-sdk-content-sha256", b"content-type",
])  # fmt: skip
CREDENTIALS = st.builds(
    lambda scheme, name, key, names, rest: b"%b %b=%b,SignedHeaders=%b,Signature=%b"
    % (scheme, name, key, names, rest),
    st.sampled_from([acs3.SCHEME, sdk_hmac.SCHEME]), st.sampled_from([b"Credential", b"Access"]),
    st.sampled_from([b"SEkey", b"\xff"]),
    st.sampled_from([b"host;x-sdk-date", b"host", b";", b"host;host"]) | st.binary(max_size=9),
    st.binary(max_size=9),
)  # fmt: skip
TELLING = st.sampled_from([ALI_TIME.encode(), HUAWEI_TIME.encode(), FORM.encode(), EMPTY.encode()])
HEADERS = st.lists(st.tuples(RELEVANT | st.binary(), st.binary() | TELLING | CREDENTIALS))
QUERIES = st.binary() | st.just(vectors.BLANK.request.raw_query) | st.lists(
    st.sampled_from([b"AccessKeyId=SEkey", b"&", b"Timestamp=" + ALI_TIME.encode(), b"Signature=",
                     b"SignatureMethod=HMAC-SHA1", b"SignatureVersion=1.0", b"=", b"%", b"%f"])
).map(b"&".join)  # fmt: skip


@given(st.builds(SignedRequest, st.text(), st.binary() | st.just(b"/"), QUERIES,
                 HEADERS.map(tuple), st.binary() | QUERIES))  # fmt: skip
@example(SignedRequest("\ud800", b"", b"%", ((b"", b""),), b""))
def test_any_bytes_meet_a_typed_failure(request: SignedRequest) -> None:
    ring, nonces = KeyRing([KEY]), Nonces(clock=lambda: NOW)
    calls: list[Callable[[], object]] = [
        lambda: rpc_v1.verify(request, ring, nonces, lambda: NOW),
        lambda: acs3.verify(request, ring, nonces, lambda: NOW),
        lambda: sdk_hmac.verify(request, ring, lambda: NOW),
    ]
    for call in calls:
        with pytest.raises(AuthFailure) as failure:
            call()
        assert KEY.secret not in f"{failure.value}{failure.value.context}"
    for scheme in (rpc_v1, acs3, sdk_hmac):
        try:
            scheme.recognises(request)
        except AuthFailure as failure:
            assert isinstance(failure, Malformed)
    assert len(nonces) == 0
