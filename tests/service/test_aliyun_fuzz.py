"""Anything at all, said to Alibaba's dialect: every answer is well-formed, and none is a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.service.auth.wire import SignedRequest
from snapengine.service.dialects.aliyun.actions import ACTIONS
from tests.service.aliyun_wire import Desk, acs3, make_service, rpc
from tests.service.test_aliyun_requests import register

#: Every parameter that some action reads.
NAMES = (
    "VideoId", "ReferenceId", "MediaId", "VideoIds", "ReferenceIds", "JobId", "JobIds", "JobType",
    "SpecifiedOffsetTime", "SpecifiedOffsetTimes", "Count", "Interval", "Width", "Height",
    "SpriteSnapshotConfig", "SnapshotTemplateId", "UserData", "SnapshotType", "PageNo", "PageSize",
    "AuthTimeout", "Name", "TemplateType", "TemplateConfig", "VodTemplateId", "TemplateId",
    "TemplateName", "AITemplateId", "RegisterMetadatas", "UploadURLs", "UploadMetadatas",
    "UpdateContent", "FileName", "FileSize", "Title", "Tags", "Description", "CoverURL", "CateId",
    "CallbackType", "CallbackURL", "EventTypeList", "AuthSwitch", "AuthKey", "AppId", "SortBy",
    "Status", "StartTime", "EndTime", "Format", "EnableFirstFrameCover", "SpecifiedOffsetTimes.1",
)  # fmt: skip
#: Members of the configurations in them.
MEMBERS = (
    "FileURL", "SourceURL", "Title", "CoverURL", "Tags", "CateId", "UserData", "ReferenceId",
    "VideoId", "Description", "SnapshotType", "SnapshotConfig", "SpriteSnapshotConfig", "Count",
    "Interval", "SpecifiedOffsetTime", "Width", "Height", "FrameType", "Format", "SubOut",
    "IsSptFrag", "CellWidth", "CellHeight", "Columns", "Lines", "Padding", "Margin", "Color",
    "KeepCellPic", "IsKeepCellPic", "Extend", "MessageCallback", "CallbackURL", "CallbackType",
    "SetDefaultCover",
)  # fmt: skip
WORDS = (
    "", "0", "1", "-1", " 1", "9" * 30, "1e9", "NaN", "null", "true", "{}", "[]", "{", "[", "'",
    "\x00", "\ud7ff", "￿", "😀", "<![CDATA[", "]]>", "&amp;", "../../etc/passwd",
    "file:///etc/passwd", "http://", "http://[", "http://127.0.0.1:1/x.jpg", "http://10.0.0.1/a b",
    "http://h:99999/", "gopher://x/", "Snapshot", "AIImage", "NormalSnapshot", "SpriteSnapshot",
    "WebVttSnapshot", "CoverSnapshot", "HTTP", "on", "off", "ALL", "XML", "intra", "vtt", "png",
    "a.mp4", "random", "#123456", "x" * 2000, "%00", "%ff", "{number}", "{SnapshotCount}", ",,,",
    "2020-02-30T00:00:00Z", "VIDEO", "TEMPLATE", "AITEMPLATE",
)  # fmt: skip

leaves = st.one_of(
    st.sampled_from(WORDS), st.none(), st.booleans(), st.integers(-(2**70), 2**70),
    st.floats(), st.text(max_size=8),
)  # fmt: skip
objects: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
        # JSON within JSON, as the vendor's own members are.
        st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=3).map(json.dumps),
    ),
    max_leaves=12,
)
values = st.one_of(
    st.sampled_from(WORDS).map(lambda word: word.encode()),
    st.text(max_size=40).map(lambda text: text.encode()),
    st.binary(max_size=12),
    objects.map(lambda value: json.dumps(value).encode()),
    objects.map(lambda value: str(value).encode("utf-8", "surrogatepass")),
)
actions = st.sampled_from([*sorted(ACTIONS), "NoSuchAction", "", "\x00"])
calls = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)
members = st.dictionaries(st.sampled_from(MEMBERS), objects, max_size=6)
configs = st.one_of(members, st.lists(members, max_size=4), objects)

#: What gets a call past the gate: without these hardly any would be read further.
PLAUSIBLE = {
    "VideoId": "VIDEO", "MediaId": "VIDEO", "VideoIds": "VIDEO,x", "JobId": "JOB", "JobIds": "JOB",
    "JobType": "Snapshot", "Name": "n", "TemplateName": "n", "TemplateType": "Snapshot",
    "TemplateConfig": '{"SnapshotType":"NormalSnapshot"}', "VodTemplateId": "TEMPLATE",
    "TemplateId": "AITEMPLATE", "AITemplateId": "AITEMPLATE", "Title": "t", "FileName": "a.mp4",
    "RegisterMetadatas": '[{"FileURL":"https://10.0.0.1/a.mp4","Title":"t"}]',
    "UploadURLs": "http://h.invalid/a.mp4", "UpdateContent": '[{"VideoId":"x"}]',
    "CallbackURL": "http://h.invalid/",
}  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    # What is on this machine is out of reach, so no cover is waited for.
    service = make_service(tmp_path_factory.mktemp("fuzz"), allow_private=False, queue=10**6,
                           tenant_queue=10**6)  # fmt: skip
    yield Desk(service)
    service.close()


@pytest.fixture(scope="module")
def known(desk: Desk) -> dict[bytes, bytes]:
    """Ids that are there, for calls to get further than to what is not."""
    config = '{"SnapshotType":"NormalSnapshot"}'
    video = desk.service.settings.media_roots[0]
    made = {
        b"VIDEO": register(desk, Path(video)),
        b"TEMPLATE": desk.ok(
            "AddVodTemplate", Name="t", TemplateType="Snapshot", TemplateConfig=config
        )["VodTemplateId"],
        b"AITEMPLATE": desk.ok(
            "AddAITemplate", TemplateName="t", TemplateType="AIImage", TemplateConfig="{}"
        )["TemplateId"],
    }
    job = desk.ok("SubmitSnapshotJob", VideoId=made[b"VIDEO"])["SnapshotJob"]["JobId"]
    return {name: id.encode() for name, id in {**made, b"JOB": job}.items()}


def check(desk: Desk, request: SignedRequest) -> None:
    said = desk.send(request)  # which looks at its form
    assert said.status in (200, 400, 403, 404), said.body
    assert said.code != "InternalError"


@settings(max_examples=400)
@given(action=actions, given_=calls, by_header=st.booleans(), in_body=st.booleans())
def test_signed_calls(
    desk: Desk,
    known: dict[bytes, bytes],
    action: str,
    given_: dict[str, bytes],
    by_header: bool,
    in_body: bool,
) -> None:
    needed = [
        name.partition("|")[0] for name in (ACTIONS[action].required if action in ACTIONS else ())
    ]
    said = {name: PLAUSIBLE[name].encode() for name in needed} | given_
    if "AI" in action and "TemplateType" not in given_:
        said["TemplateType"] = b"AIImage"
    if not action.startswith("Delete"):  # what the other calls need must stay
        for word, id in known.items():
            said = {name: value.replace(word, id) for name, value in said.items()}
    if by_header:
        check(desk, acs3(action, said))
    else:
        check(desk, rpc(action, said, in_body=in_body))


@settings(max_examples=300)
@given(config=configs, name=st.sampled_from(
    [("SubmitSnapshotJob", "SpriteSnapshotConfig"), ("SubmitSnapshotJob", "UserData"),
     ("SubmitSnapshotJob", "SpecifiedOffsetTimes"), ("AddVodTemplate", "TemplateConfig"),
     ("UpdateVodTemplate", "TemplateConfig"), ("AddAITemplate", "TemplateConfig"),
     ("RegisterMedia", "RegisterMetadatas"), ("UpdateVideoInfos", "UpdateContent"),
     ("UploadMediaByURL", "UploadMetadatas"), ("CreateUploadVideo", "UserData")]))  # fmt: skip
def test_configurations(
    desk: Desk, known: dict[bytes, bytes], config: Any, name: tuple[str, str]
) -> None:
    action, parameter = name
    text = json.dumps(config).replace('"VIDEO"', json.dumps(known[b"VIDEO"].decode()))
    rest = {
        "VideoId": known[b"VIDEO"], "VodTemplateId": known[b"TEMPLATE"], "Name": "n",
        "TemplateName": "n", "Title": "t", "FileName": "a.mp4",
        "TemplateType": "AIImage" if "AI" in action else "Snapshot",
        "UploadURLs": "http://127.0.0.1:1/x.jpg",
    }  # fmt: skip
    check(desk, rpc(action, {**rest, parameter: text}))


wild = st.binary(max_size=60)
pairs = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from([b"Action", b"Version", b"AccessKeyId", b"Signature", b"Timestamp",
                             b"SignatureMethod", b"SignatureNonce", b"SignatureVersion",
                             b"Format", b"VideoId"]),
            wild,
        ),
        st.one_of(st.sampled_from([b"GetVideoInfo", b"2017-03-21", b"XML", b"HMAC-SHA1", b"1.0",
                                   b"2020-01-01T00:00:00Z", b"%", b"%zz", b"+"]), wild),
    ),
    max_size=12,
)  # fmt: skip
headers = st.lists(
    st.tuples(
        st.sampled_from([b"host", b"content-type", b"authorization", b"x-acs-action",
                         b"x-acs-version", b"x-acs-date", b"x-acs-signature-nonce",
                         b"x-acs-content-sha256", b"x-acs-security-token"]),
        st.one_of(
            st.sampled_from([b"application/x-www-form-urlencoded", b"GetVideoInfo", b"2017-03-21",
                             b"ACS3-HMAC-SHA256 ", b"ACS3-HMAC-SHA256 Credential=LTAItestKey1,"
                             b"SignedHeaders=host,Signature=x", b"127.0.0.1:1", b"http://h/"]),
            wild,
        ),
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=300)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "\x00", "get"]),
    query=st.one_of(pairs.map(lambda p: b"&".join(b"%b=%b" % each for each in p)), wild),
    sent=headers,
    body=wild,
)
def test_anything(
    desk: Desk, method: str, query: bytes, sent: list[tuple[bytes, bytes]], body: bytes
) -> None:
    said = desk.send(SignedRequest(method, b"/", query, tuple(sent), body))
    assert said.status in (400, 404), said.body
