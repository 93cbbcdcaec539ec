"""Every error of Alibaba's that can be met here: code, status and sentence, each by a call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapengine.errors import SnapError, StoreError
from snapengine.service.auth import failures as auth
from snapengine.service.dialects.aliyun.faults import Fault, fault_of
from snapengine.service.domain import failures as domain
from snapengine.service.domain.failures import CoverRefused, ServiceUnavailable, TooMany
from snapengine.service.domain.fields import InvalidField
from tests.service.aliyun_wire import (
    AK2,
    PROJECT,
    SK,
    Desk,
    look,
    make_service,
    rpc,
)
from tests.service.test_aliyun_requests import register

NOBODY = "0" * 32


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    service = make_service(tmp_path)
    yield Desk(service)
    service.close()


@pytest.fixture
def video(desk: Desk, tmp_path: Path) -> str:
    return register(desk, tmp_path)


# -- parameters ------------------------------------------------------------------------------

#: Action -> what must be given, in the order in which it is missed.
REQUIRED = {
    "SubmitSnapshotJob": ["VideoId"],
    "ListSnapshots": ["VideoId"],
    "AddVodTemplate": ["Name", "TemplateType", "TemplateConfig"],
    "UpdateVodTemplate": ["VodTemplateId"],
    "GetVodTemplate": ["VodTemplateId"],
    "ListVodTemplate": ["TemplateType"],
    "DeleteVodTemplate": ["VodTemplateId"],
    "GetJobDetail": ["JobId", "JobType"],
    "ListJobInfo": ["MediaId", "JobType"],
    "RegisterMedia": ["RegisterMetadatas"],
    "UploadMediaByURL": ["UploadURLs"],
    "GetURLUploadInfos": ["JobIds"],
    "CreateUploadVideo": ["FileName", "Title"],
    "RefreshUploadVideo": ["VideoId"],
    "UpdateVideoInfo": ["VideoId"],
    "UpdateVideoInfos": ["UpdateContent"],
    "GetVideoInfo": ["VideoId"],
    "GetVideoInfos": ["VideoIds"],
    "DeleteVideo": ["VideoIds"],
    "SetMessageCallback": ["CallbackURL"],
    "AddAITemplate": ["TemplateName", "TemplateType", "TemplateConfig"],
    "UpdateAITemplate": ["TemplateId"],
    "GetAITemplate": ["TemplateId"],
    "ListAITemplate": ["TemplateType"],
    "DeleteAITemplate": ["TemplateId"],
    "SubmitAIImageJob": ["VideoId", "AITemplateId"],
    "ListAIImageInfo": ["VideoId"],
    "GetAIImageJobs": ["JobIds"],
}


@pytest.mark.parametrize("action", REQUIRED)
def test_what_must_be_given_is_missed_in_order(desk: Desk, action: str) -> None:
    given: dict[str, str] = {}
    for name in REQUIRED[action]:
        for blank in ({}, {name: ""}):
            assert desk.fault(action, **given, **blank) == (
                400, f"Missing{name}", f"{name} is mandatory for this action."
            )  # fmt: skip
        given[name] = "x"


def test_missing_comes_before_wrong_and_wrong_before_unknown(desk: Desk) -> None:
    assert desk.fault("SubmitSnapshotJob", Count="x")[1] == "MissingVideoId"
    assert desk.fault("SubmitSnapshotJob", Count="x", VideoId=NOBODY)[1] == "InvalidCount"
    assert desk.fault("SubmitSnapshotJob", Count="1", VideoId=NOBODY)[1] == "InvalidVideo.NotFound"


SNAPSHOT_FAULTS = [
    ({"Count": "0"}, "InvalidCount"),
    ({"Count": "-1"}, "InvalidCount"),
    ({"Count": " 1"}, "InvalidCount"),
    ({"Count": "1.5"}, "InvalidCount"),
    ({"Count": "+1"}, "InvalidCount"),
    ({"Count": "1_0"}, "InvalidCount"),
    ({"Count": "１"}, "InvalidCount"),
    ({"Count": "9223372036854775808"}, "InvalidCount"),
    ({"Count": "9" * 5000}, "InvalidCount"),
    ({"Count": "100000000", "Interval": "0"}, "InvalidCount"),
    ({"Interval": "-1"}, "InvalidInterval"),
    ({"Interval": "0.5"}, "InvalidInterval"),
    ({"SpecifiedOffsetTime": "-1"}, "InvalidSpecifiedOffsetTime"),
    ({"SpecifiedOffsetTime": "1e3"}, "InvalidSpecifiedOffsetTime"),
    ({"Width": "7"}, "InvalidWidth"),
    ({"Width": "4097"}, "InvalidWidth"),
    ({"Height": "0"}, "InvalidHeight"),
    ({"Height": "tall"}, "InvalidHeight"),
    ({"SpecifiedOffsetTimes": "[-1]"}, "InvalidSpecifiedOffsetTimes"),
    ({"SpecifiedOffsetTimes": "[1.5]"}, "InvalidSpecifiedOffsetTimes"),
    ({"SpecifiedOffsetTimes": "[true]"}, "InvalidSpecifiedOffsetTimes"),
    ({"SpecifiedOffsetTimes": "[1"}, "InvalidSpecifiedOffsetTimes"),
    ({"SpecifiedOffsetTimes": '{"a":1}'}, "InvalidSpecifiedOffsetTimes"),
    ({"SpecifiedOffsetTimes": "[" * 3000}, "InvalidSpecifiedOffsetTimes"),
    ({"SpecifiedOffsetTimes": json.dumps([*range(31)])}, "CountExceededMax"),
    ({"SpriteSnapshotConfig": "[]"}, "InvalidSpriteSnapshotConfig"),
    ({"SpriteSnapshotConfig": "sheet"}, "InvalidSpriteSnapshotConfig"),
    ({"SpriteSnapshotConfig": "{" * 9000}, "InvalidSpriteSnapshotConfig"),
    ({"SpriteSnapshotConfig": "{" * 20000}, "LengthExceededMax"),
    ({"SpriteSnapshotConfig": '{"Columns": 0}'}, "InvalidColumns"),
    ({"SpriteSnapshotConfig": '{"Lines": 10001}'}, "InvalidLines"),
    ({"SpriteSnapshotConfig": '{"CellWidth": NaN}'}, "InvalidSpriteSnapshotConfig"),
    ({"SpriteSnapshotConfig": '{"CellWidth": 1e999}'}, "InvalidCellWidth"),
    ({"SpriteSnapshotConfig": '{"CellWidth": 12.5}'}, "InvalidCellWidth"),
    ({"SpriteSnapshotConfig": '{"CellHeight": [1]}'}, "InvalidCellHeight"),
    ({"SpriteSnapshotConfig": '{"Padding": -1}'}, "InvalidPadding"),
    ({"SpriteSnapshotConfig": '{"Margin": true}'}, "InvalidMargin"),
    ({"SpriteSnapshotConfig": '{"Color": "no such colour"}'}, "InvalidColor"),
    ({"SpriteSnapshotConfig": '{"Color": 5}'}, "InvalidColor"),
    ({"SpriteSnapshotConfig": '{"KeepCellPic": "perhaps"}'}, "InvalidKeepCellPic"),
    ({"UserData": "[1]"}, "InvalidUserData"),
    ({"UserData": '{"Extend":"' + "x" * 513 + '"}'}, "LengthExceededMax"),
    ({"UserData": '{"Extend":"\\ud800"}'}, "IllegalCharacters"),
    ({"UserData": '{"MessageCallback":{"CallbackURL":"ftp://h"}}'}, "InvalidCallbackURL"),
    ({"UserData": '{"MessageCallback":{"CallbackURL":"http://"}}'}, "InvalidCallbackURL"),
    ({"UserData": '{"MessageCallback":{"CallbackURL":5}}'}, "InvalidCallbackURL"),
    ({"UserData": '{"MessageCallback":{"CallbackType":"mns"}}'}, "InvalidCallbackType"),
    ({"UserData": '{"MessageCallback":[]}'}, "InvalidMessageCallback"),
    ({"UserData": '{"MessageCallback":{"CallbackURL":"http://h/' + "x" * 256 + '"}}'},
     "LengthExceededMax"),
    ({"SnapshotTemplateId": NOBODY}, "NoSuchResource"),
    ({"SnapshotTemplateId": "a/b\n"}, "NoSuchResource"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "code"), SNAPSHOT_FAULTS)
def test_snapshot_parameters(desk: Desk, video: str, given: dict[str, str], code: str) -> None:
    status, found, message = desk.fault("SubmitSnapshotJob", VideoId=video, **given)
    assert found == code
    assert status == (404 if code == "NoSuchResource" else 400)
    if code.startswith("Invalid"):
        assert message == f"Specified parameter {code.removeprefix('Invalid')} is not valid."
    assert desk.service.jobs(PROJECT, asset_id=video, kinds=("snapshots",))[0] == 0


TEMPLATE_FAULTS = [
    ("not JSON", "InvalidTemplateConfig"),
    ("[]", "InvalidTemplateConfig"),
    ("{}", "MissingSnapshotType"),
    ('{"SnapshotType":"Normal"}', "InvalidSnapshotType"),
    ('{"SnapshotType":"NormalSnapshot","SnapshotConfig":[]}', "InvalidSnapshotConfig"),
    ('{"SnapshotType":"NormalSnapshot","SnapshotConfig":{"FrameType":"b"}}', "InvalidFrameType"),
    ('{"SnapshotType":"NormalSnapshot","SnapshotConfig":{"Count":0}}', "InvalidCount"),
    ('{"SnapshotType":"NormalSnapshot","SnapshotConfig":{"Width":5000}}', "InvalidWidth"),
    ('{"SnapshotType":"SpriteSnapshot","SnapshotConfig":{}}', "MissingSpriteSnapshotConfig"),
    ('{"SnapshotType":"WebVttSnapshot","SnapshotConfig":{"Format":"srt"}}', "InvalidFormat"),
    ('{"SnapshotType":"WebVttSnapshot","SnapshotConfig":{"SubOut":{"IsSptFrag":"x"}}}',
     "InvalidIsSptFrag"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), TEMPLATE_FAULTS)
def test_template_configurations(desk: Desk, text: str, code: str) -> None:
    given = {"Name": "t", "TemplateType": "Snapshot", "TemplateConfig": text}
    assert desk.fault("AddVodTemplate", **given)[:2] == (400, code)
    assert desk.ok("ListVodTemplate", TemplateType="Snapshot")["VodTemplateInfoList"] == []


OTHER_FAULTS: list[tuple[str, dict[str, str], int, str]] = [
    ("AddVodTemplate", {"Name": "x" * 129, "TemplateType": "Snapshot", "TemplateConfig": "{}"},
     400, "LengthExceededMax"),
    ("AddVodTemplate", {"Name": "x", "TemplateType": "DynamicImage", "TemplateConfig": "{}"},
     400, "InvalidTemplateType"),
    ("AddAITemplate", {"TemplateName": "x", "TemplateType": "AIImage",
                       "TemplateConfig": '{"Format":"bmp"}'}, 400, "InvalidFormat"),
    ("AddAITemplate", {"TemplateName": "x", "TemplateType": "AIMediaAudit",
                       "TemplateConfig": "{}"}, 400, "InvalidTemplateType"),
    ("DeleteVodTemplate", {"VodTemplateId": NOBODY}, 404, "NoSuchResource"),
    ("ListSnapshots", {"VideoId": NOBODY}, 404, "InvalidVideo.NotFound"),
    ("ListSnapshots", {"VideoId": "\x00"}, 404, "InvalidVideo.NotFound"),
    ("ListSnapshots", {"VideoId": "x" * 5000}, 404, "InvalidVideo.NotFound"),
    ("ListSnapshots", {"VideoId": "VIDEO"}, 404, "NoSuchResource"),
    ("ListSnapshots", {"VideoId": "VIDEO", "SnapshotType": "X"}, 400, "InvalidSnapshotType"),
    ("ListSnapshots", {"VideoId": "VIDEO", "PageNo": "0"}, 400, "InvalidPageNo"),
    ("ListSnapshots", {"VideoId": "VIDEO", "PageSize": "101"}, 400, "InvalidPageSize"),
    ("ListSnapshots", {"VideoId": "VIDEO", "PageSize": " 1"}, 400, "InvalidPageSize"),
    ("ListSnapshots", {"VideoId": "VIDEO", "AuthTimeout": "2592001"}, 400, "InvalidAuthTimeout"),
    ("ListSnapshots", {"VideoId": "VIDEO", "AuthTimeout": "-1"}, 400, "InvalidAuthTimeout"),
    ("GetJobDetail", {"JobId": NOBODY, "JobType": "Snapshot"}, 404, "NoSuchResource"),
    ("GetJobDetail", {"JobId": NOBODY, "JobType": "Walk"}, 400, "InvalidJobType"),
    ("ListJobInfo", {"MediaId": NOBODY, "JobType": "Snapshot"}, 404, "InvalidVideo.NotFound"),
    ("GetVideoInfo", {"VideoId": NOBODY}, 404, "InvalidVideo.NotFound"),
    ("GetVideoInfo", {"ReferenceId": "no-such-id"}, 404, "InvalidVideo.NotFound"),
    ("UpdateVideoInfo", {"VideoId": NOBODY, "Title": "a"}, 404, "InvalidVideo.NotFound"),
    ("UpdateVideoInfo", {"VideoId": "VIDEO", "Title": "x" * 129}, 400, "LengthExceededMax"),
    ("UpdateVideoInfo", {"VideoId": "VIDEO", "Title": "\x00"}, 400, "IllegalCharacters"),
    ("UpdateVideoInfo", {"VideoId": "VIDEO", "Description": "x" * 1025}, 400,
     "LengthExceededMax"),
    ("UpdateVideoInfo", {"VideoId": "VIDEO", "Tags": ",".join("abcdefghijklmnopq")}, 400,
     "TagsExceededMax"),
    ("UpdateVideoInfo", {"VideoId": "VIDEO", "Tags": "x" * 33}, 400, "LengthExceededMax"),
    ("UpdateVideoInfo", {"VideoId": "VIDEO", "CateId": "x"}, 400, "InvalidCateId"),
    ("UpdateVideoInfo", {"VideoId": "VIDEO", "CoverURL": "x.jpg"}, 400, "InvalidCoverURL"),
    ("UpdateVideoInfo", {"VideoId": "VIDEO", "CoverURL": "http://h/" + "x" * 1024}, 400,
     "LengthExceededMax"),
    ("UpdateVideoInfos", {"UpdateContent": json.dumps([{"VideoId": NOBODY}] * 21)}, 400,
     "CountExceededMax"),
    ("UpdateVideoInfos", {"UpdateContent": "[1]"}, 400, "InvalidUpdateContent"),
    ("UpdateVideoInfos", {"UpdateContent": '[{"Title":"a"}]'}, 400, "MissingVideoId"),
    ("DeleteVideo", {"VideoIds": NOBODY}, 404, "InvalidVideo.NotFound"),
    ("DeleteVideo", {"VideoIds": ",".join(map(str, range(21)))}, 400, "VideoIdsExceededMax"),
    ("RegisterMedia", {"RegisterMetadatas": '[{"Title":"a"}]'}, 400, "MissingFileURL"),
    ("RegisterMedia", {"RegisterMetadatas": '[{"FileURL":"http://h/a"}]'}, 400, "MissingTitle"),
    ("RegisterMedia", {"RegisterMetadatas": '[{"FileURL":"http://h/a","Title":"a",'
                       '"CoverURL":"nowhere"}]'}, 400, "InvalidCoverURL"),
    ("RegisterMedia", {"RegisterMetadatas": '[{"FileURL":"http://h/a","Title":"a",'
                       '"ReferenceId":"a b"}]'}, 400, "InvalidReferenceId"),
    ("RegisterMedia", {"RegisterMetadatas": json.dumps(
        [{"FileURL": "http://h/a", "Title": "a"}] * 11)}, 400, "CountExceededMax"),
    ("RegisterMedia", {"RegisterMetadatas": "{"}, 400, "InvalidRegisterMetadatas"),
    ("UploadMediaByURL", {"UploadURLs": "file:///etc/passwd"}, 400,
     "InvalidParameter.UploadURLs"),
    ("UploadMediaByURL", {"UploadURLs": "nowhere"}, 400, "InvalidParameter.UploadURLs"),
    ("UploadMediaByURL", {"UploadURLs": ",".join(f"http://h/{n}.mp4" for n in range(21))}, 400,
     "CountExceededMax"),
    ("CreateUploadVideo", {"Title": "a", "FileName": "film"}, 400, "InvalidFileName.Extension"),
    ("CreateUploadVideo", {"Title": "a", "FileName": "a.mp4", "FileSize": str(2**60)}, 400,
     "InvalidFileSize"),
    ("RefreshUploadVideo", {"VideoId": "VIDEO"}, 400, "Forbidden.IllegalStatus"),
    ("SubmitSnapshotJob", {"VideoId": "AWAITED"}, 400, "Forbidden.IllegalStatus"),
    ("ListSnapshots", {"VideoId": "AWAITED"}, 400, "Forbidden.IllegalStatus"),
    ("SetMessageCallback", {"CallbackURL": "nowhere"}, 400, "InvalidCallbackURL"),
    ("SetMessageCallback", {"CallbackURL": "http://h/ HTTP/1.1\r\nA: b"}, 400,
     "InvalidCallbackURL"),
    ("SetMessageCallback", {"CallbackURL": "http://h:99999/"}, 400, "InvalidCallbackURL"),
    ("SetMessageCallback", {"CallbackURL": "http://h/" + "x" * 256}, 400, "LengthExceededMax"),
    ("SetMessageCallback", {"CallbackURL": "http://h/", "CallbackType": "MNS"}, 400,
     "InvalidCallbackType"),
    ("SetMessageCallback", {"CallbackURL": "http://h/", "AuthSwitch": "on"}, 400,
     "MissingAuthKey"),
    ("SetMessageCallback", {"CallbackURL": "http://h/", "AuthSwitch": "on",
                            "AuthKey": "alllower1"}, 400, "InvalidAuthKey"),
    ("SetMessageCallback", {"CallbackURL": "http://h/", "AuthKey": "aA1" * 11}, 400,
     "LengthExceededMax"),
    ("SetMessageCallback", {"CallbackURL": "http://h/", "EventTypeList": "a b"}, 400,
     "InvalidEventTypeList"),
    ("GetMessageCallback", {}, 404, "NoSuchResource"),
    ("DeleteMessageCallback", {}, 404, "NoSuchResource"),
    ("SubmitAIImageJob", {"VideoId": "VIDEO", "AITemplateId": NOBODY}, 404, "NoSuchResource"),
    ("SubmitAIImageJob", {"VideoId": "VIDEO", "AITemplateId": NOBODY, "UserData": "x" * 513}, 400,
     "LengthExceededMax"),
    ("GetAIImageJobs", {"JobIds": ",".join(map(str, range(11)))}, 400, "CountExceededMax"),
    ("GetVideoList", {"SortBy": "Title"}, 400, "InvalidSortBy"),
    ("GetVideoList", {"StartTime": "2020"}, 400, "InvalidStartTime"),
    ("GetVideoList", {"EndTime": "2020-13-01T00:00:00Z"}, 400, "InvalidEndTime"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "given", "status", "code"), OTHER_FAULTS)
def test_other_parameters(
    desk: Desk, video: str, action: str, given: dict[str, str], status: int, code: str
) -> None:
    awaited = desk.ok("CreateUploadVideo", Title="a", FileName="a.mp4")["VideoId"]
    stand_ins = {"VIDEO": video, "AWAITED": awaited}
    given = {name: stand_ins.get(value, value) for name, value in given.items()}
    assert desk.fault(action, **given)[:2] == (status, code)


def test_sentences_name_the_parameter_and_its_limit(desk: Desk, video: str) -> None:
    def said(action: str, **given: str) -> str:
        return desk.fault(action, **given)[2]

    assert said("UpdateVideoInfo", VideoId=video, Title="x" * 129) == (
        "The specified Title length has exceeded 128 bytes."
    )
    assert said("UpdateVideoInfo", VideoId=video, Tags=",".join("abcdefghijklmnopq")) == (
        "The specified Tags count has exceeded 16."
    )
    assert said("GetVodTemplate", VodTemplateId=NOBODY) == (
        f"The specified resource {NOBODY} does not exist."
    )
    assert said("SubmitSnapshotJob", VideoId=video, SpecifiedOffsetTimes=str([*range(31)])) == (
        "The specified SpecifiedOffsetTimes count has exceeded 30."
    )


# -- the service's own state -----------------------------------------------------------------


def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    service = make_service(tmp_path, queue=3, tenant_queue=2)
    try:
        desk = Desk(service)
        video = register(desk, tmp_path)
        desk.ok("SubmitSnapshotJob", VideoId=video)
        said = desk.call("SubmitSnapshotJob", {"VideoId": video})
        assert said.fault == (
            400, "Throttling.User", "Request was denied due to user flow control."
        )  # fmt: skip
        assert int(said.answer.headers["x-acs-retry-after"]) >= 1
    finally:
        service.close()


@pytest.mark.parametrize("error", [ServiceUnavailable("it is away"), StoreError("it is full")])
def test_a_database_or_store_that_does_not_answer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def gone(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(desk.service.database, "assets", gone)
    assert desk.fault("GetVideoList") == (
        503,
        "ServiceUnAvailable",
        "The request has failed due to a temporary failure of the server.",
    )


def test_our_own_mistake_is_logged_and_not_shown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("/home/secret/path")

    monkeypatch.setattr(desk.service.database, "assets", broken)
    said = desk.call("GetVideoList")
    assert said.fault == (
        500, "InternalError", "The request processing has failed due to some unknown error."
    )  # fmt: skip
    assert b"secret" not in said.answer.body
    assert said.body["RequestId"] in caplog.text and "secret" in caplog.text


def leaves(root: type[SnapError]) -> list[type[SnapError]]:
    below = root.__subclasses__()
    return [root] if not below else [leaf for each in below for leaf in leaves(each)]


@pytest.mark.parametrize("kind", leaves(auth.AuthFailure) + leaves(domain.ServiceError))
def test_every_failure_has_a_word_that_is_no_internal_error(kind: type[SnapError]) -> None:
    fault = fault_of(kind("why", id="x"))
    assert isinstance(fault, Fault) and fault.code != "InternalError"
    assert "why" not in fault.message


def test_rows_that_no_call_here_can_reach() -> None:
    assert fault_of(CoverRefused("damaged")).code == "InvalidCoverURL"
    assert fault_of(TooMany("x", field="JobIds", allowed=10)).message == (
        "The specified JobIds count has exceeded 10."
    )
    unknown = fault_of(InvalidField.of("no_parameter", 1, "must be 2"))
    assert (unknown.code, unknown.message) == (
        "InvalidParameter", 'The specified parameter "no_parameter" is not valid.'
    )  # fmt: skip
    assert fault_of(InvalidField.of("title", "x", "must have at most 9", "length")).message == (
        "The specified Title length has exceeded 128 bytes."
    )
    assert fault_of(InvalidField.of("at", 99, "must be at most 30 times", "number")).message == (
        "The specified SpecifiedOffsetTimes count has exceeded 30."
    )


def test_the_second_key_works_too(desk: Desk) -> None:
    assert desk.call("GetVideoList", ak=AK2).status == 200
    assert look(desk.dialect.answer(rpc("GetVideoList", ak=AK2, sk=SK), "http://h")).code == (
        "SignatureDoesNotMatch"
    )
