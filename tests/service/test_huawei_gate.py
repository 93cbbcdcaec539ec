"""Who gets through to Huawei's operations, and the two calls of its IAM."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.errors import InvalidOption
from snapengine.service.auth import tokens
from snapengine.service.auth.keys import KeyRing
from snapengine.service.auth.wire import SignedRequest
from snapengine.service.dialects.huawei import HuaweiDialect
from tests.service.huawei_kit import BASE, KEY, OTHER, ask, body, fault, plain, signed
from tests.service.huawei_recorder import ID, Recorder, dialect
from tests.service.vectors import CAPTURED, Signed, recorded, recorded_files

#: A request that is made when it is sent: signatures do not last as long as all tests take.
Late = Callable[[], SignedRequest]
DETAILS = f"/v1.0/{KEY.project_id}/asset/details"
QUERY = [("asset_id", ID)]


@pytest.fixture
def huawei() -> HuaweiDialect:
    return dialect(Recorder())


def token_body(access: str = KEY.id, secret: str = KEY.secret, **scope: object) -> dict[str, Any]:
    identity = {
        "methods": ["hw_ak_sk"],
        "hw_ak_sk": {"access": {"key": access}, "secret": {"key": secret}},
    }
    return {"auth": {"identity": identity, **({"scope": scope} if scope else {})}}


def post_token(given: object) -> SignedRequest:
    return plain("POST", "/v3/auth/tokens", [("nocatalog", "true")], json.dumps(given).encode(),
                 {"content-type": "application/json;charset=utf8"})  # fmt: skip


def with_token(token: str, path: str = DETAILS) -> SignedRequest:
    return plain("GET", path, QUERY, headers={"x-auth-token": token})


# -- paths and methods ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1.0"),
        ("GET", "/v1.0/"),
        ("GET", "/v1.0/{p}"),
        ("GET", "/v1.0/{p}/"),
        ("GET", "/v1.0/{p}/asset"),
        ("GET", "/v1.0/{p}/asset/cover"),
        ("POST", "/v1.0/{p}/asset/cover"),
        ("HEAD", "/v1.0/{p}/asset/details"),
        ("OPTIONS", "/v1.0/{p}/asset/details"),
        ("BREW", "/v1.0/{p}/asset/details"),
        ("get", "/v1.0/{p}/asset/details"),
        ("GET", "/v1.0/{p}/asset/details/more"),
        ("GET", "/v1.0/{p}//asset/details"),
        ("GET", "/v1.0//{p}/asset/details"),
        ("GET", "/v1.0/{p}/Asset/details"),
        ("GET", "/v1.1/{p}/asset/authority"),
        ("GET", "/v2/{p}/asset/details"),
        ("GET", "/v3/{p}/asset/details"),
        ("GET", "/v3"),
        ("POST", "/v3/projects"),
        ("GET", "/v3/auth/tokens"),
        ("DELETE", "/v3/auth/tokens"),
    ],
)
def test_what_there_is_not(huawei: HuaweiDialect, method: str, path: str) -> None:
    path = path.replace("{p}", KEY.project_id)
    assert fault(ask(huawei, plain(method, path, QUERY))) == (404, "APIGW.0101")
    assert fault(ask(huawei, signed(method, path, QUERY))) == (404, "APIGW.0101")


def test_an_escaped_slash_is_no_slash_of_the_path(huawei: HuaweiDialect) -> None:
    request = replace(signed("GET", DETAILS, QUERY), raw_path=DETAILS[:-8].encode() + b"%2Fdetails")
    assert fault(ask(huawei, request)) == (404, "APIGW.0101")


@pytest.mark.parametrize("path", [DETAILS, DETAILS + "/", DETAILS.replace("v1.0", "v1")])
def test_both_versions_and_a_slash_at_the_end(huawei: HuaweiDialect, path: str) -> None:
    assert body(ask(huawei, signed("GET", path, QUERY)))["asset_id"] == ID


def test_an_escaped_path_is_that_path(huawei: HuaweiDialect) -> None:
    request = replace(
        signed("GET", DETAILS, QUERY), raw_path=DETAILS.replace("asset", "%61sset").encode()
    )
    assert body(ask(huawei, request))["asset_id"] == ID


# -- signatures and tokens ------------------------------------------------------------------


def test_without_credentials(huawei: HuaweiDialect) -> None:
    reply = ask(huawei, plain("GET", DETAILS, QUERY))
    assert fault(reply) == (401, "APIGW.0301")
    assert body(reply, 401)["request_id"] == "request-id"
    assert "x-auth-token not found" in body(reply, 401)["error_msg"]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (lambda: signed("GET", DETAILS, QUERY, key=replace(KEY, secret="wrong-secret")),
         "verify aksk signature fail"),
        (lambda: signed("GET", DETAILS, QUERY, key=replace(KEY, id="SEnobody")), "ak not exist"),
        (lambda: signed("GET", DETAILS, QUERY, now=datetime.now(UTC) - timedelta(minutes=16)),
         "x-sdk-date"),
        (lambda: replace(signed("GET", DETAILS, QUERY), raw_query=b"asset_id=x"),
         "verify aksk signature fail"),
        (lambda: replace(signed("PUT", "/v1.0/{p}/asset/cover", (), {}), body=b"{ }"),
         "verify aksk signature fail"),
        (lambda: plain("GET", DETAILS, QUERY, headers={"authorization": "Bearer x"}), ""),
        (lambda: plain("GET", DETAILS, QUERY, headers={"authorization": "V11-HMAC-SHA256 x"}), ""),
        (lambda: plain("GET", DETAILS, QUERY,
                       headers={"authorization": "SDK-HMAC-SHA256 Access=x"}), ""),
        (lambda: plain("GET", DETAILS, QUERY, headers={"x-auth-token": ""}), ""),
    ],
)  # fmt: skip
def test_wrong_signatures(huawei: HuaweiDialect, request_: Late, said: str) -> None:
    reply = ask(huawei, request_())
    assert fault(reply) == (401, "APIGW.0301")
    assert said in body(reply, 401)["error_msg"]
    assert KEY.secret not in str(reply.body)


def test_a_key_that_is_switched_off() -> None:
    service = Recorder()
    service.keys = KeyRing([replace(KEY, disabled=True)])
    assert fault(ask(dialect(service), signed("GET", DETAILS, QUERY))) == (403, "VOD.10056")


def test_another_project_than_the_keys(huawei: HuaweiDialect) -> None:
    for path in (DETAILS, "/v1.0//asset/details"):
        reply = ask(huawei, signed("GET", path, QUERY, key=OTHER))
        assert fault(reply) == (403, "VOD.10057")
    token = tokens.issue(OTHER).value
    assert fault(ask(huawei, with_token(token))) == (403, "VOD.10057")


def test_a_signature_wins_over_a_token(huawei: HuaweiDialect) -> None:
    request = signed("GET", DETAILS, QUERY, x_auth_token="nonsense")
    assert body(ask(huawei, request))["asset_id"] == ID
    request = replace(request, headers=(*request.headers[:-1], (b"authorization", b"Basic eDp5")))
    assert fault(ask(huawei, request)) == (401, "APIGW.0307")


@pytest.mark.parametrize("content_type", ["application/json", "application/json;charset=UTF-8",
                                          "Application/JSON ; x=y", ""])  # fmt: skip
def test_content_types_that_are_json(huawei: HuaweiDialect, content_type: str) -> None:
    given = {"asset_id": ID}
    request = signed("POST", "/v1.0/{p}/asset/smart_cover", (), given, content_type=content_type)
    assert ask(huawei, request).status == 204


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "x"])
def test_content_types_that_are_not(huawei: HuaweiDialect, content_type: str) -> None:
    given = {"asset_id": ID}
    request = signed("POST", "/v1.0/{p}/asset/smart_cover", (), given, content_type=content_type)
    assert fault(ask(huawei, request)) == (403, "VOD.10059")


def recordings() -> list[Signed]:
    """Those that are written down here, and those of the optional folder."""
    files = [path for path in recorded_files() if "huawei" in path.stem]
    found = [*CAPTURED, *(sent for path in files for sent in recorded(path))]
    return [sent for sent in found if sent.scheme == "huawei"]


@pytest.mark.parametrize("sent", recordings(), ids=lambda sent: sent.name)
def test_recorded_requests_of_the_sdks_reach_their_operations(sent: Signed) -> None:
    """Python and Node, permanent and temporary keys, ``{}`` as the body of a GET."""
    service = Recorder()
    parts = sent.request.raw_path.decode().split("/")
    project = KEY.project_id if parts[1] == "v3" else parts[2]
    service.keys = KeyRing([replace(sent.key, project_id=project)])
    reply = ask(HuaweiDialect(service, lambda: sent.now), sent.request)  # type: ignore[arg-type]
    assert reply.status in (200, 202, 204, 400), reply
    if reply.status == 400:  # the recorder was asked for ids and addresses that are none
        assert reply.body is not None
        assert reply.body["error_code"] in ("VOD.10062", "VOD.10053")


# -- IAM ------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [[("name", "cn-north-4")], []])
def test_there_is_one_project_for_every_region(
    huawei: HuaweiDialect, query: list[tuple[str, str]]
) -> None:
    found = body(ask(huawei, signed("GET", "/v3/projects", query, content_type="")))
    (project,) = found["projects"]
    assert project["id"] == KEY.project_id
    assert project["name"] == (query[0][1] if query else KEY.project_id)
    assert fault(ask(huawei, plain("GET", "/v3/projects", query))) == (401, "APIGW.0301")


PASSWORD = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": KEY.id, "password": KEY.secret, "domain": {"name": "x"}}},
        },
        "scope": {"project": {"name": "cn-north-4"}},
    }
}
FLAT = {"auth": {"identity": {"hw_ak_sk": {"access_key": KEY.id, "secret_key": KEY.secret}}}}


@pytest.mark.parametrize(
    "request_",
    [
        lambda: post_token(token_body()),
        lambda: post_token(token_body(project={"name": "cn-north-4"})),
        lambda: post_token(token_body(project={"id": KEY.project_id})),
        lambda: post_token(token_body(domain={"name": "x"})),
        lambda: post_token(PASSWORD),
        lambda: post_token(FLAT),
        lambda: signed("POST", "/v3/auth/tokens"),
        lambda: signed(
            "POST", "/v3/auth/tokens", (), {"auth": {"scope": {"project": {"name": "x"}}}}
        ),
    ],
)
def test_a_token_comes_from_the_key_pair_and_opens_the_api(
    huawei: HuaweiDialect, request_: Late
) -> None:
    reply = ask(huawei, request_())
    described = body(reply, 201)["token"]
    assert described["project"]["id"] == KEY.project_id
    assert described["methods"] in (["hw_ak_sk"], ["password"])
    ends = datetime.strptime(described["expires_at"], "%Y-%m-%dT%H:%M:%S.%fZ")
    left = ends.replace(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    token = reply.headers["X-Subject-Token"]
    assert token not in json.dumps(described)
    assert body(ask(huawei, with_token(token)))["asset_id"] == ID


def test_a_token_that_is_none_or_has_ended(huawei: HuaweiDialect) -> None:
    token = tokens.issue(KEY).value
    for wrong in ("x", token[:-1], token + "0", "é", tokens.issue(replace(KEY, id="SEno")).value):
        assert fault(ask(huawei, with_token(wrong))) == (401, "APIGW.0307")
    old = tokens.issue(KEY, lambda: time.time() - tokens.LIFETIME - 1).value
    assert fault(ask(huawei, with_token(old))) == (401, "APIGW.0307")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (token_body(secret="wrong"), (401, "IAM.0001")),
        (token_body(access="SEnobody"), (401, "IAM.0001")),
        (token_body(access="nobody", secret="-" * 40), (401, "IAM.0001")),
        (token_body(access="é"), (401, "IAM.0001")),
        (token_body(access=""), (400, "VOD.10053")),
        (token_body(project={"id": "another"}), (401, "IAM.0001")),
        ({}, (400, "VOD.10053")),
        ({"auth": {"identity": {}}}, (400, "IAM.0011")),
        ({"auth": {"identity": {"methods": ["totp"]}}}, (400, "IAM.0011")),
        ({"auth": {"identity": {"password": {"user": 5}}}}, (400, "VOD.10053")),
        ([], (400, "VOD.10081")),
        ({"auth": "x" * 20_000}, (413, "APIGW.0201")),
    ],
)
def test_tokens_that_are_not_given(
    huawei: HuaweiDialect, given: object, expected: tuple[int, str]
) -> None:
    reply = ask(huawei, post_token(given))
    assert fault(reply) == expected
    assert not reply.headers.get("X-Subject-Token")


def test_a_wrong_signature_gets_no_token(huawei: HuaweiDialect) -> None:
    request = signed("POST", "/v3/auth/tokens", key=replace(KEY, secret="wrong-secret"))
    assert fault(ask(huawei, request)) == (401, "APIGW.0301")


def test_guesses_are_slowed_down_for_each_key() -> None:
    now = time.time()
    huawei = HuaweiDialect(Recorder(), lambda: now)  # type: ignore[arg-type]
    for _ in range(10):
        assert fault(ask(huawei, post_token(token_body(secret="guess")))) == (401, "IAM.0001")
    for _ in range(2):  # right or wrong, nothing is said any more
        for secret in (KEY.secret, "guess"):
            reply = ask(huawei, post_token(token_body(secret=secret)))
            assert fault(reply) == (429, "APIGW.0308")
    assert ask(huawei, post_token(token_body(OTHER.id, OTHER.secret))).status == 201
    assert ask(huawei, signed("POST", "/v3/auth/tokens")).status == 201
    now += 61
    assert ask(huawei, post_token(token_body())).status == 201


def test_nobody_shares_the_guesses_of_those_without_a_key() -> None:
    now = time.time()
    huawei = HuaweiDialect(Recorder(), lambda: now)  # type: ignore[arg-type]
    for number in range(30):
        reply = ask(huawei, post_token(token_body(access=f"SE{number}")))
        assert fault(reply) in ((401, "IAM.0001"), (429, "APIGW.0308"))
    assert ask(huawei, post_token(token_body())).status == 201


# -- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ftp://h/", "x", "=http://h/", "p=ftp://h", "p=http://h/ x"])
def test_targets_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InvalidOption, match="huawei_callback_url"):
        dialect(Recorder(huawei_callback_url=text))


@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.binary(max_size=30),
    st.binary(max_size=30),
)
def test_no_bytes_upset_the_gate(method: str, path: str, query: bytes, data: bytes) -> None:
    request = replace(plain(method, f"/v1.0/{path}", (), data), raw_query=query)
    assert fault(ask(dialect(Recorder()), request)) in ((404, "APIGW.0101"), (401, "APIGW.0301"))


def test_the_dialect_says_how_its_calls_come(huawei: HuaweiDialect) -> None:
    via = huawei.via(BASE)
    assert (huawei.name, via.dialect, via.base_url) == ("huawei", "huawei", BASE)
    assert via.naming.pattern("cover") == "asset/{asset}/cover/Cover0.{suffix}"
