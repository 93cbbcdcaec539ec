"""Access keys, the memory of nonces, and tokens."""

from __future__ import annotations

import base64
import contextlib
import pickle
import threading
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from snapengine.errors import InvalidOption
from snapengine.service.auth import tokens
from snapengine.service.auth.failures import (
    AuthFailure,
    DisabledKey,
    NoncesExhausted,
    NonceUsed,
    SignatureMismatch,
    TokenExpired,
    TokenInvalid,
    UnknownKey,
)
from snapengine.service.auth.keys import Key, KeyRing, fresh_key
from snapengine.service.auth.nonces import Nonces
from tests.service.vectors import KEY, NOW

OTHER = Key("SEother", "another-secret", "elsewhere")
RING = KeyRing([KEY, OTHER])


class Now:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> float:
        return self.time


# Keys.


def test_keys_of_a_configuration() -> None:
    ring = KeyRing.parse(" ak1:secret-one:p1 , ak2:s/e+c=r~et!:p2")
    assert list(ring) == [Key("ak1", "secret-one", "p1"), Key("ak2", "s/e+c=r~et!", "p2")]
    assert ring.find(b"ak2", parameter="AccessKeyId").project_id == "p2"
    assert len(ring) == 2


@pytest.mark.parametrize("text", [
    "", "ak", "ak:a-secret", "ak:a-secret:p:q", "ak:a-secret:p,", ":a-secret:p", "ak::p",
    "ak:a-secret:", "ak:short:p", "a k:a-secret:p", "ak:a-se cret:p", "ak:a-secret:p q",
    "ak:a-secr\u00e9t:p", "ak:a-secret:p,ak:a-secret2:q", "\u00e9:a-secret:p", "ak:a-secret:p/../q",
])  # fmt: skip
def test_keys_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InvalidOption) as failure:
        KeyRing.parse(text)
    assert "secr" not in str(failure.value).replace("the secret of", "")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=3) | st.text("ak:-, "))
def test_parsing_keys_is_total(text: str) -> None:
    with contextlib.suppress(InvalidOption):
        assert len(KeyRing.parse(text)) >= 1


@given(st.binary())
def test_looking_for_a_key_is_total(id: bytes) -> None:
    assume(id not in (b"SEkey", b"SEother"))
    with pytest.raises(UnknownKey) as failure:
        RING.find(id, parameter="AccessKeyId")
    assert failure.value.parameter == "AccessKeyId"


def test_a_disabled_key_is_found_and_refused() -> None:
    with pytest.raises(DisabledKey):
        KeyRing([replace(KEY, disabled=True)]).find(b"SEkey", parameter="AccessKeyId")


def test_fresh_keys() -> None:
    fresh = [fresh_key() for _ in range(50)]
    for part in ("id", "secret", "project_id"):
        assert len({getattr(key, part) for key in fresh}) == 50
    assert fresh_key("mine").project_id == "mine"
    key = fresh[0]
    assert list(KeyRing.parse(f"{key.id}:{key.secret}:{key.project_id}")) == [key]
    with pytest.raises(InvalidOption):
        fresh_key("not one")


def test_failures_survive_a_process() -> None:
    there = pickle.loads(pickle.dumps(SignatureMismatch("no", string_to_sign="GET&")))
    assert type(there) is SignatureMismatch
    assert there.string_to_sign == "GET&"
    assert there.parameter is None


# Nonces.


def test_nonces_belong_to_their_key() -> None:
    nonces = Nonces(clock=lambda: NOW)
    nonces.use("one", b"n", stamp=NOW, parameter="p")
    nonces.check("two", b"n", parameter="p")
    nonces.use("two", b"n", stamp=NOW, parameter="p")
    for key in ("one", "two"):
        with pytest.raises(NonceUsed):
            nonces.check(key, b"n", parameter="p")
        with pytest.raises(NonceUsed):
            nonces.use(key, b"n", stamp=NOW, parameter="p")


@pytest.mark.parametrize(("ahead", "kept"), [(0.0, 900.0), (-900.0, 900.0), (900.0, 1800.0)])
def test_nonces_are_kept_while_their_request_is_in_time(ahead: float, kept: float) -> None:
    now = Now()
    nonces = Nonces(clock=now)
    nonces.use("k", b"n", stamp=NOW + ahead, parameter="p")
    now.time = NOW + kept
    with pytest.raises(NonceUsed):
        nonces.check("k", b"n", parameter="p")
    now.time = NOW + kept + 0.5
    nonces.check("k", b"n", parameter="p")
    assert len(nonces) == 0


def test_a_full_memory_refuses_rather_than_forgets() -> None:
    now = Now()
    nonces = Nonces(clock=now, per_key=3)
    for n in (b"1", b"2", b"3"):
        nonces.use("k", n, stamp=NOW, parameter="p")
    with pytest.raises(NoncesExhausted):
        nonces.use("k", b"4", stamp=NOW, parameter="p")
    with pytest.raises(NonceUsed):
        nonces.use("k", b"1", stamp=NOW, parameter="p")
    nonces.use("another", b"4", stamp=NOW, parameter="p")
    now.time += 901
    nonces.use("k", b"4", stamp=now.time, parameter="p")
    assert len(nonces) == 2


def test_of_threads_with_one_nonce_one_wins() -> None:
    nonces = Nonces(clock=lambda: NOW)
    start, won = threading.Barrier(8), []

    def race() -> None:
        start.wait()
        for n in range(50):
            try:
                nonces.use("k", b"%d" % n, stamp=NOW, parameter="p")
            except NonceUsed:
                continue
            won.append(n)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(50))


# Tokens.


def test_a_token_is_good_for_a_day_and_its_key() -> None:
    now = Now()
    token = tokens.issue(KEY, now)
    assert token.expires == NOW + 24 * 3600
    assert tokens.verify(token.value.encode(), RING, now) is KEY
    assert tokens.issue(KEY, now).value != token.value
    assert token.value not in repr(token)
    now.time = token.expires - 0.5
    assert tokens.verify(token.value.encode(), RING, now) is KEY
    now.time = float(token.expires)
    with pytest.raises(TokenExpired):
        tokens.verify(token.value.encode(), RING, now)


@pytest.mark.parametrize("ring", [
    KeyRing([OTHER]), KeyRing([replace(KEY, disabled=True)]),
    KeyRing([replace(KEY, secret="a-new-secret")]), KeyRing([replace(KEY, project_id="new")]),
], ids=["removed", "disabled", "another secret", "another project"])  # fmt: skip
def test_a_token_ends_with_its_key(ring: KeyRing) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(tokens.issue(KEY, lambda: NOW).value.encode(), ring, lambda: NOW)


@pytest.mark.parametrize("fields", [
    ("SEother", "elsewhere", "9999999999", "0" * 32), ("SEkey", "elsewhere", "9999999999", "0"),
    ("SEkey", "project", "9999999999", "0" * 32),
])  # fmt: skip
def test_a_token_cannot_be_rewritten(fields: tuple[str, ...]) -> None:
    """Other fields under the mac of a good token, and under one made with what is public."""
    good = tokens.issue(KEY, lambda: NOW).value.encode()
    named = base64.urlsafe_b64encode("\n".join(fields).encode()).rstrip(b"=")
    public = tokens.issue(replace(KEY, secret="SEkeyproject"), lambda: NOW).value.encode()
    for mac in (good.rpartition(b".")[2], public.rpartition(b".")[2], b""):
        with pytest.raises(TokenInvalid):
            tokens.verify(b"se1." + named + b"." + mac, RING, lambda: NOW)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=1), st.sampled_from([0, 1]))
def test_every_change_of_a_token_fails(at: int, byte: bytes, less: int) -> None:
    good = tokens.issue(KEY, lambda: NOW).value.encode()
    other = good[:at] + byte + good[at + less :]
    assume(other != good)
    with pytest.raises(TokenInvalid):
        tokens.verify(other, RING, lambda: NOW)


@given(st.binary() | st.builds(lambda named, mac: b"se1.%b.%b" % (
    base64.urlsafe_b64encode(named).rstrip(b"="), mac), st.sampled_from([
        b"SEkey\nproject\n9\n", b"SEkey\nproject\n\xff\nx", b"\n\n\n", b"\xff\n\n9\n"])
        | st.binary(), st.binary()))  # fmt: skip
def test_any_bytes_are_no_token(token: bytes) -> None:
    with pytest.raises(AuthFailure) as failure:
        tokens.verify(token, RING, lambda: NOW)
    assert type(failure.value) is TokenInvalid
