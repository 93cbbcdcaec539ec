"""Who gets in at Alibaba's door: actions, versions, keys, times, nonces, signatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapengine.service.auth.keys import Key, KeyRing
from tests.service.aliyun_wire import AK, AK2, HOST, PROJECT, SK, Desk, acs3, make_service, rpc
from tests.service.test_aliyun_requests import register


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    service = make_service(tmp_path)
    yield Desk(service)
    service.close()


@pytest.fixture
def video(desk: Desk, tmp_path: Path) -> str:
    return register(desk, tmp_path)


def early(minutes: int) -> str:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


MISMATCH = "Specified signature is not matched with our calculation. server string to sign is:"


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (lambda: rpc("NoSuchAction"), (404, "InvalidAction.NotFound",
         "Specified api is not found, please check your url and method.")),
        (lambda: rpc("submitsnapshotjob"), (404, "InvalidAction.NotFound",
         "Specified api is not found, please check your url and method.")),
        (lambda: rpc(None), (400, "MissingAction", "Action is mandatory for this action.")),
        (lambda: acs3("NoSuchAction"), (404, "InvalidAction.NotFound",
         "Specified api is not found, please check your url and method.")),
        (lambda: rpc("GetVideoInfo", common={"Version": "2016-01-01"}),
         (400, "InvalidVersion", "Specified parameter Version is not valid.")),
        (lambda: acs3("GetVideoInfo", version="2016-01-01"),
         (400, "InvalidVersion", "Specified parameter Version is not valid.")),
        (lambda: rpc("GetVideoInfo", common={"Version": None}),
         (400, "MissingVersion", "Version is mandatory for this action.")),
        (lambda: rpc("GetVideoInfo", ak="LTAIunknown"),
         (404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")),
        (lambda: acs3("GetVideoInfo", ak="LTAIunknown"),
         (404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")),
        (lambda: rpc("GetVideoInfo", common={"AccessKeyId": None}),
         (400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action.")),
        (lambda: rpc("GetVideoInfo", common={"Timestamp": "yesterday"}),
         (400, "InvalidTimeStamp.Format",
          "Specified time stamp or date value is not well formatted.")),
        (lambda: rpc("GetVideoInfo", common={"Timestamp": "2020-01-01T00:00:00Z"}),
         (400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")),
        (lambda: rpc("GetVideoInfo", common={"Timestamp": early(16)}),
         (400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")),
        (lambda: acs3("GetVideoInfo", more={"x-acs-date": "2020-01-01T00:00:00Z"}),
         (400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")),
        (lambda: rpc("GetVideoInfo", common={"SignatureMethod": "HMAC-MD5"}),
         (400, "InvalidSignatureMethod", "Specified signature method is not valid.")),
        (lambda: rpc("GetVideoInfo", common={"SignatureVersion": "2.0"}),
         (400, "InvalidSignatureVersion", "Specified parameter SignatureVersion is not valid.")),
        (lambda: rpc("GetVideoInfo", common={"SignatureNonce": None}),
         (400, "MissingSignatureNonce", "SignatureNonce is mandatory for this action.")),
        (lambda: rpc("GetVideoInfo", common={"Signature": None}),
         (400, "MissingSignature", "Signature is mandatory for this action.")),
        (lambda: rpc("GetVideoInfo", {"VideoId": b"\xff\xfe"}),
         (400, "InvalidParameter.Format", "Specified parameter format is not valid.")),
        (lambda: replace(rpc("GetVideoInfo"), method="PUT"), (404, "InvalidAction.NotFound",
         "Specified api is not found, please check your url and method.")),
        (lambda: replace(rpc("GetVideoInfo"), method="HEAD"), (404, "InvalidAction.NotFound",
         "Specified api is not found, please check your url and method.")),
    ],
)  # fmt: skip
def test_the_gate(desk: Desk, request_: Any, fault: tuple[int, str, str]) -> None:
    said = desk.send(request_())  # made now: signatures do not last as long as all tests take
    assert said.fault == fault
    assert said.body["HostId"] == HOST


def test_a_wrong_signature_is_told_what_we_signed(desk: Desk) -> None:
    """A colon and a text behind it: without them the old Python SDK raises IndexError."""
    said = desk.send(rpc("GetVideoInfo", sk="not the secret"))
    assert said.fault[:2] == (400, "SignatureDoesNotMatch")
    assert said.body["Message"].startswith(MISMATCH + "POST&%2F&AccessKeyId%3D" + AK)
    said = desk.send(acs3("GetVideoInfo", sk="not the secret"))
    assert said.fault[:2] == (400, "SignatureDoesNotMatch")
    assert said.body["Message"].startswith(MISMATCH + "ACS3-HMAC-SHA256\n")


def test_a_parameter_changed_on_the_way(desk: Desk, video: str) -> None:
    request = rpc("GetVideoInfo", {"VideoId": video})
    changed = replace(request, raw_query=request.raw_query.replace(video.encode(), b"0" * 32))
    assert desk.send(changed).code == "SignatureDoesNotMatch"


def test_a_request_is_good_once(desk: Desk, video: str) -> None:
    for request in (
        rpc("GetVideoInfo", {"VideoId": video}),
        acs3("GetVideoInfo", {"VideoId": video}),
    ):
        assert desk.send(request).status == 200
        assert desk.send(request).fault == (
            400, "SignatureNonceUsed", "Specified signature nonce was used already."
        )  # fmt: skip


def test_a_refused_request_uses_up_no_nonce(desk: Desk, video: str) -> None:
    common = {"SignatureNonce": "once"}
    assert desk.send(rpc("GetVideoInfo", {"VideoId": video}, sk="no", common=common)).code == (
        "SignatureDoesNotMatch"
    )
    assert desk.send(rpc("GetVideoInfo", {"VideoId": video}, common=common)).status == 200


def test_a_key_that_is_switched_off(desk: Desk) -> None:
    desk.service.keys = KeyRing([Key(AK, SK, PROJECT, disabled=True)])
    assert desk.fault("GetVideoList") == (
        400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."
    )  # fmt: skip


def test_a_header_that_cannot_be_read_or_is_missing(desk: Desk) -> None:
    request = acs3("GetVideoList")
    broken = tuple(
        (name, b"ACS3-HMAC-SHA256 Credential=x" if name == b"authorization" else value)
        for name, value in request.headers
    )
    assert desk.send(replace(request, headers=broken)).fault == (
        400, "IncompleteSignature", "The request signature does not conform to Aliyun standards."
    )  # fmt: skip
    short = tuple(pair for pair in request.headers if pair[0] != b"x-acs-date")
    said = desk.send(replace(request, headers=short))
    assert said.fault == (
        400,
        "MissingParameter",
        'The input parameter "x-acs-date" that is mandatory for processing this request'
        " is not supplied.",
    )
    twice = (*request.headers, (b"x-acs-action", b"GetVideoList"))
    assert desk.send(replace(request, headers=twice)).code == "InvalidParameter.Format"


def test_a_parameter_given_twice(desk: Desk) -> None:
    request = rpc("GetVideoList")
    twice = replace(request, raw_query=request.raw_query + b"&Action=DeleteVideo")
    assert desk.send(twice).code == "InvalidParameter.Format"


def test_the_action_in_a_header_does_not_count_where_it_is_not_signed(desk: Desk) -> None:
    said = desk.send(rpc("GetVideoList", headers=[(b"x-acs-action", b"DeleteVideo")]))
    assert said.status == 200 and "VideoList" in said.body


def test_no_keys_no_entry_without_signature(desk: Desk) -> None:
    assert desk.send(replace(rpc("GetVideoList"), raw_query=b"Action=GetVideoList&Version="
                             b"2017-03-21")).code == "MissingAccessKeyId"  # fmt: skip


# -- tenants ---------------------------------------------------------------------------------


def test_nobody_sees_what_others_have(desk: Desk, video: str) -> None:
    template = desk.ok(
        "AddVodTemplate", Name="t", TemplateType="Snapshot",
        TemplateConfig='{"SnapshotType":"NormalSnapshot"}',
    )["VodTemplateId"]  # fmt: skip
    job = desk.ok("SubmitSnapshotJob", VideoId=video)["SnapshotJob"]["JobId"]
    desk.ok("SetMessageCallback", CallbackURL="http://h/", EventTypeList="ALL")
    for action, given, code in (
        ("GetVideoInfo", {"VideoId": video}, "InvalidVideo.NotFound"),
        ("UpdateVideoInfo", {"VideoId": video, "Title": "b"}, "InvalidVideo.NotFound"),
        ("DeleteVideo", {"VideoIds": video}, "InvalidVideo.NotFound"),
        ("SubmitSnapshotJob", {"VideoId": video}, "InvalidVideo.NotFound"),
        ("ListSnapshots", {"VideoId": video}, "InvalidVideo.NotFound"),
        ("ListJobInfo", {"MediaId": video, "JobType": "Snapshot"}, "InvalidVideo.NotFound"),
        ("GetJobDetail", {"JobId": job, "JobType": "Snapshot"}, "NoSuchResource"),
        ("GetVodTemplate", {"VodTemplateId": template}, "NoSuchResource"),
        ("UpdateVodTemplate", {"VodTemplateId": template, "Name": "x"}, "NoSuchResource"),
        ("DeleteVodTemplate", {"VodTemplateId": template}, "NoSuchResource"),
        ("GetMessageCallback", {}, "NoSuchResource"),
    ):
        assert desk.call(action, given, ak=AK2).code == code
    assert desk.call("GetVideoList", ak=AK2).body["Total"] == 0
    assert desk.service.asset(PROJECT, video).title == "A"
