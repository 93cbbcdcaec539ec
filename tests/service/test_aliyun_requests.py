"""What Alibaba's calls ask the service for, with parameters as the vendor's samples write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from snapengine.service.domain.records import Job, SmartCoverRequest
from snapengine.service.domain.requests import JobNote, SnapshotRequest, SpriteRequest
from tests.service.aliyun_wire import AK2, PROJECT, Desk, acs3, look, make_service, rpc

#: As its page writes it: single quotes, a colour keyword, numbers.
QUOTED = (
    "{'CellWidth': 120, 'CellHeight': 68, 'Columns': 3,'Lines': 10, 'Padding': 20, 'Margin': 50}"
)
SHEET = SpriteRequest(cell_width=120, cell_height=68, columns=3, lines=10, padding=20, margin=50)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    service = make_service(tmp_path)
    yield Desk(service)
    service.close()


@pytest.fixture
def video(desk: Desk, tmp_path: Path) -> str:
    return register(desk, tmp_path)


def register(desk: Desk, folder: Path, name: str = "a.mp4", **more: object) -> str:
    (folder / name).write_bytes(b"not looked at here")
    item = {"FileURL": (folder / name).as_uri(), "Title": "A", **more}
    body = desk.ok("RegisterMedia", RegisterMetadatas=json.dumps([item]))
    assert body["FailedFileURLs"] == []
    [media] = body["RegisteredMediaList"]
    return str(media["MediaId"])


def submitted(desk: Desk, **given: str) -> Job:
    body = desk.ok("SubmitSnapshotJob", **given)
    return desk.service.job(PROJECT, body["SnapshotJob"]["JobId"])


def test_no_parameters_mean_one_picture_at_the_beginning(desk: Desk, video: str) -> None:
    job = submitted(desk, VideoId=video)
    assert (job.asset_id, job.request, job.note) == (video, SnapshotRequest(), JobNote())


def test_every_parameter_of_a_snapshot_job_arrives(desk: Desk, video: str) -> None:
    job = submitted(
        desk,
        VideoId=video,
        SpecifiedOffsetTime="1501",
        Count="7",
        Interval="3",
        Width="640",
        Height="360",
        SpriteSnapshotConfig=QUOTED,
        UserData=json.dumps({"Extend": {"a": "b c"}, "MessageCallback": {
            "CallbackURL": "http://h/cb"}}),
    )  # fmt: skip
    assert job.request == SnapshotRequest(
        offset=Fraction(1501, 1000), count=7, interval=Fraction(3), width=640, height=360,
        sprite=SHEET,
    )  # fmt: skip
    assert job.note == JobNote(extend='{"a":"b c"}', callback_url="http://h/cb")


@pytest.mark.parametrize("text", ["[0, 1500]", "[0,1500]", "[1500,0]", '["0","1500"]'])
def test_explicit_times_as_each_sdk_writes_them(desk: Desk, video: str, text: str) -> None:
    job = submitted(desk, VideoId=video, SpecifiedOffsetTimes=text, Count="1", Interval="9")
    assert isinstance(job.request, SnapshotRequest)
    assert job.request.at == (0, Fraction(3, 2))


def test_times_numbered_one_by_one(desk: Desk, video: str) -> None:
    said = desk.call(
        "SubmitSnapshotJob",
        {"VideoId": video, "SpecifiedOffsetTimes.1": "0", "SpecifiedOffsetTimes.2": "40"},
    )
    job = desk.service.job(PROJECT, said.body["SnapshotJob"]["JobId"])
    assert isinstance(job.request, SnapshotRequest)
    assert job.request.at == (0, Fraction(1, 25))


@pytest.mark.parametrize(
    ("text", "sheet"),
    [
        ("{}", SpriteRequest()),
        (QUOTED, SHEET),
        ('{"CellWidth": "120", "Columns": "3", "Lines": "2", "Color": "Tomato"}',
         SpriteRequest(cell_width=120, columns=3, lines=2, color="tomato")),
        ('{"CellHeight": 90.0, "KeepCellPic": "delete", "Color": "#FF8800"}',
         SpriteRequest(cell_height=90, keep_cells=False, color="#ff8800")),
        ('{"IsKeepCellPic": false, "Padding": "", "Color": null}', SpriteRequest(keep_cells=False)),
        ('{"KeepCellPic": "keep", "Unknown": [1]}', SpriteRequest()),
    ],
)  # fmt: skip
def test_sheets_as_samples_write_them(
    desk: Desk, video: str, text: str, sheet: SpriteRequest
) -> None:
    job = submitted(desk, VideoId=video, Count="4", SpriteSnapshotConfig=text)
    assert isinstance(job.request, SnapshotRequest)
    assert (job.request.sprite, job.request.kind) == (sheet, "normal")


def test_a_blank_sheet_is_none(desk: Desk, video: str) -> None:
    job = submitted(desk, VideoId=video, SpriteSnapshotConfig="", Width="", Count="")
    assert job.request == SnapshotRequest()


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('{"Extend":"plain"}', JobNote(extend="plain")),
        ('{"Extend":{"localId":"x y*~中","n":1}}', JobNote(extend='{"localId":"x y*~中","n":1}')),
        ('{"Extend":"{\\"localId\\":\\"x\\"}"}', JobNote(extend='{"localId":"x"}')),
        ('{"Extend":5}', JobNote(extend="5")),
        ('{"MessageCallback":"{\\"CallbackURL\\":\\"http://h/a b\\"}"}',
         JobNote(callback_url="http://h/a b")),
        # Its page has the inner quotes unescaped.
        ('{"MessageCallback":"{"CallbackURL":"http://test.test.com"}", '
         '"Extend":"{"localId":"xxx", "test":"www"}"}',
         JobNote(callback_url="http://test.test.com", extend='{"localId":"xxx","test":"www"}')),
        ('{"AccelerateConfig":{"Type":"oss"}}', JobNote()),
        ("{}", JobNote()),
        ("", JobNote()),
    ],
)  # fmt: skip
def test_user_data_in_every_form(desk: Desk, video: str, text: str, note: JobNote) -> None:
    assert submitted(desk, VideoId=video, UserData=text).note == note


def test_a_template_takes_the_place_of_all_else(desk: Desk, video: str) -> None:
    config = {"SnapshotType": "NormalSnapshot", "SnapshotConfig": {"Count": 10, "Interval": 1,
              "SpecifiedOffsetTime": 2000, "Width": "1280", "FrameType": "intra"}}  # fmt: skip
    added = desk.ok(
        "AddVodTemplate", Name="t", TemplateType="Snapshot", TemplateConfig=json.dumps(config)
    )
    job = submitted(
        desk,
        VideoId=video,
        SnapshotTemplateId=added["VodTemplateId"],
        Count="nonsense",
        Width="1",
        SpriteSnapshotConfig="{",
        UserData="not JSON",
        SpecifiedOffsetTimes="[[",
    )
    assert job.request == SnapshotRequest(
        count=10, interval=Fraction(1), offset=Fraction(2), width=1280, accuracy="keyframe"
    )
    assert (job.note, job.template_id) == (JobNote(), added["VodTemplateId"])


@pytest.mark.parametrize(
    ("config", "request_"),
    [
        ({"SnapshotType": "NormalSnapshot"}, SnapshotRequest()),
        # The sample of its page, without FrameType.
        ({"SnapshotConfig": {"Count": 10, "SpecifiedOffsetTime": 0, "Interval": 1},
          "SnapshotType": "NormalSnapshot"}, SnapshotRequest(count=10, interval=Fraction(1))),
        ({"SnapshotType": "SpriteSnapshot", "SnapshotConfig": {
            "FrameType": "normal", "Count": "30", "Interval": "0",
            "SpriteSnapshotConfig": {"CellWidth": "120", "CellHeight": 68, "Columns": 3,
                                     "Lines": "10", "Padding": 20, "Margin": "50"}}},
         SnapshotRequest(kind="sprite", count=30, interval=Fraction(0), sprite=SHEET)),
        ({"SnapshotType": "SpriteSnapshot", "SnapshotConfig": {"SpriteSnapshotConfig": QUOTED}},
         SnapshotRequest(kind="sprite", sprite=SHEET)),
        ({"SnapshotType": "WebVttSnapshot", "SnapshotConfig": {
            "Interval": 5, "Format": "vtt", "SubOut": {"IsSptFrag": "true"},
            "SpriteSnapshotConfig": {"Columns": 4}}},
         SnapshotRequest(kind="webvtt", interval=Fraction(5), tiled=True,
                         sprite=SpriteRequest(columns=4))),
        ({"SnapshotType": "WebVttSnapshot", "SnapshotConfig": {
            "Interval": 5, "Format": "VTT", "SubOut": "{\"IsSptFrag\": false}"}},
         SnapshotRequest(kind="webvtt", interval=Fraction(5))),
    ],
)  # fmt: skip
def test_template_configurations(
    desk: Desk, video: str, config: dict[str, object], request_: SnapshotRequest
) -> None:
    text = json.dumps(config)
    added = desk.ok("AddVodTemplate", Name="t", TemplateType="Snapshot", TemplateConfig=text)
    id = added["VodTemplateId"]
    assert submitted(desk, VideoId=video, SnapshotTemplateId=id).request == request_
    info = desk.ok("GetVodTemplate", VodTemplateId=id)["VodTemplateInfo"]
    assert info["TemplateConfig"] == text  # as it was given, and a text
    assert (info["Name"], info["TemplateType"], info["IsDefault"]) == (
        "t",
        "Snapshot",
        "NotDefault",
    )


def test_a_template_lives_and_goes(desk: Desk, video: str) -> None:
    first = '{"SnapshotType":"NormalSnapshot","SnapshotConfig":{"Count":2}}'
    second = '{"SnapshotType":"NormalSnapshot","SnapshotConfig":{"Count":3}}'
    id = desk.ok("AddVodTemplate", Name="a", TemplateType="Snapshot", TemplateConfig=first)[
        "VodTemplateId"
    ]
    assert desk.ok("UpdateVodTemplate", VodTemplateId=id, Name="b")["VodTemplateId"] == id
    [info] = desk.ok("ListVodTemplate", TemplateType="Snapshot")["VodTemplateInfoList"]
    assert (info["Name"], info["TemplateConfig"], info["AppId"]) == ("b", first, "app-1000000")
    desk.ok("UpdateVodTemplate", VodTemplateId=id, TemplateConfig=second)
    assert submitted(desk, VideoId=video, SnapshotTemplateId=id).request == SnapshotRequest(count=3)
    assert (
        desk.call("ListVodTemplate", {"TemplateType": "Snapshot"}, ak=AK2).body[
            "VodTemplateInfoList"
        ]
        == []
    )
    desk.ok("DeleteVodTemplate", VodTemplateId=id)
    assert desk.fault("GetVodTemplate", VodTemplateId=id)[:2] == (404, "NoSuchResource")


def test_smart_covers_are_asked_for_by_template(desk: Desk, video: str) -> None:
    text = '{"Format":"gif","SetDefaultCover":"true"}'
    given = {"TemplateName": "c", "TemplateType": "AIImage", "TemplateConfig": text}
    id = desk.ok("AddAITemplate", **given)["TemplateId"]
    job_id = desk.ok("SubmitAIImageJob", VideoId=video, AITemplateId=id, UserData='{"Extend":"e"}')[
        "JobId"
    ]
    job = desk.service.job(PROJECT, job_id)
    assert job.request == SmartCoverRequest(format="gif", set_cover=True)
    assert job.note == JobNote(extend="e")
    [info] = desk.ok("GetAIImageJobs", JobIds=f"{job_id},{'0' * 32}")["AIImageJobList"]
    assert info == {
        "JobId": job_id, "VideoId": video, "Status": "processing", "TemplateId": id,
        "TemplateConfig": text, "UserData": '{"Extend":"e"}', "CreationTime": info["CreationTime"],
    }  # fmt: skip
    assert desk.ok("ListAIImageInfo", VideoId=video)["AIImageInfoList"] == []
    detail = desk.ok("GetJobDetail", JobId=job_id, JobType="AI")
    assert detail["AIJobDetail"]["Status"] == "Processing"
    # A template of the other sort is no template of this one.
    assert desk.fault("SubmitSnapshotJob", VideoId=video, SnapshotTemplateId=id)[1] == (
        "NoSuchResource"
    )
    assert desk.fault("GetVodTemplate", VodTemplateId=id)[1] == "NoSuchResource"
    assert desk.ok("ListVodTemplate", TemplateType="Snapshot")["VodTemplateInfoList"] == []
    desk.ok("UpdateAITemplate", TemplateId=id, TemplateName="d", TemplateConfig="{}")
    [shown] = desk.ok("ListAITemplate", TemplateType="AIImage")["TemplateInfoList"]
    assert (shown["TemplateName"], shown["TemplateConfig"]) == ("d", "{}")
    assert desk.ok("GetAITemplate", TemplateId=id)["TemplateInfo"] == shown
    desk.ok("DeleteAITemplate", TemplateId=id)
    assert desk.ok("ListAITemplate", TemplateType="AIImage")["TemplateInfoList"] == []


# -- ways to send the same ------------------------------------------------------------------


def test_the_same_call_by_get_by_form_and_by_header(desk: Desk, video: str) -> None:
    given = {"VideoId": video, "SpecifiedOffsetTimes": "[0,1500]", "UserData": '{"Extend":"a+b c"}'}
    for request in (
        rpc("SubmitSnapshotJob", given),
        rpc("SubmitSnapshotJob", given, method="GET"),
        rpc("SubmitSnapshotJob", given, in_body=True),
        acs3("SubmitSnapshotJob", given),
    ):
        said = desk.send(request)
        assert said.status == 200, said.body
        job = desk.service.job(PROJECT, said.body["SnapshotJob"]["JobId"])
        assert job.note.extend == "a+b c"
        assert isinstance(job.request, SnapshotRequest) and len(job.request.at) == 2


def test_unknown_parameters_are_no_matter(desk: Desk, video: str) -> None:
    given = {"VideoId": video, "OwnerId": "x", "RegionId": "cn-shanghai", "Odd": "\x00"}
    assert desk.call("SubmitSnapshotJob", given).status == 200


@pytest.mark.parametrize("word", ["None", "json", "", "other"])
def test_all_formats_but_xml_are_json(desk: Desk, word: str) -> None:
    answer = desk.dialect.answer(rpc("GetVideoList", {"Format": word}), "http://h")
    assert answer.content_type == "application/json;charset=utf-8"


def test_xml_repeats_the_elements_of_lists(desk: Desk, video: str) -> None:
    answer = desk.dialect.answer(
        rpc("GetVideoInfo", {"Format": "xml", "VideoId": video}), "http://h"
    )
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?><GetVideoInfoResponse>')
    assert b"<Video><VideoId>%b</VideoId>" % video.encode() in answer.body
    assert look(answer).status == 200
    for name in ("a&b", "<c>"):
        desk.ok("AddVodTemplate", Name=name, TemplateType="Snapshot",
                TemplateConfig='{"SnapshotType":"NormalSnapshot"}')  # fmt: skip
    answer = desk.dialect.answer(
        rpc("ListVodTemplate", {"Format": "XML", "TemplateType": "Snapshot"}), "http://h"
    )
    assert answer.content_type == "text/xml;charset=utf-8"
    assert answer.body.count(b"<VodTemplateInfoList>") == 2
    assert b"<Name>a&amp;b</Name>" in answer.body and b"<Name>&lt;c&gt;</Name>" in answer.body


def test_characters_that_xml_has_no_way_to_write(desk: Desk, tmp_path: Path) -> None:
    id = register(desk, tmp_path, Title="a\ufffe\tb")
    answer = desk.dialect.answer(rpc("GetVideoInfo", {"Format": "XML", "VideoId": id}), "http://h")
    assert "<Title>a?\tb</Title>" in answer.body.decode()
    assert desk.ok("GetVideoInfo", VideoId=id)["Video"]["Title"] == "a\ufffe\tb"


def test_an_error_in_xml(desk: Desk) -> None:
    said = desk.send(rpc("GetVideoInfo", {"Format": "XML", "VideoId": "0" * 32}))
    assert said.fault == (404, "InvalidVideo.NotFound", "The video does not exist.")
    assert said.answer.body.startswith(b"<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>")


def test_only_who_signs_by_parameter_gets_xml(desk: Desk) -> None:
    said = desk.send(acs3("GetVideoList", {"Format": "XML"}))
    assert said.answer.content_type == "application/json;charset=utf-8"
