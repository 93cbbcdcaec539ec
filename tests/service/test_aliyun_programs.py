"""Uploads, real films, whole programs and errors with Alibaba's own SDKs, on the wire."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import re
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

import av
import httpx
import numpy as np
import pytest
from PIL import Image

import snapengine.service
from tests.integration.test_real_media import real
from tests.service.aliyun_served import (
    SDK_MARKS,
    SDKS,
    Picture,
    Place,
    Sdk,
    SdkError,
    a_place,
    no_proxies,
    place,
    sdk,
    until,
    video,
)
from tests.service.aliyun_wire import AK, PROJECT, SK, rpc

__all__ = ["no_proxies", "place", "sdk", "video"]

pytestmark = SDK_MARKS

EXAMPLES = Path(snapengine.service.__file__).parent / "examples"


# -- uploads ----------------------------------------------------------------------------------


def put_object(address: dict[str, str], auth: dict[str, str], data: bytes) -> httpx.Response:
    """OSS's own way: PUT of an object, signed with the temporary key (OSS, "Header signature")."""
    date, kind = formatdate(usegmt=True), "application/octet-stream"
    token = auth["SecurityToken"]
    resource = f"/{address['Bucket']}/{address['FileName']}"
    text = f"PUT\n\n{kind}\n{date}\nx-oss-security-token:{token}\n{resource}"
    mac = hmac.digest(auth["AccessKeySecret"].encode(), text.encode(), "sha1")
    headers = {
        "Authorization": f"OSS {auth['AccessKeyId']}:{base64.b64encode(mac).decode()}",
        "Content-Type": kind, "Date": date, "x-oss-security-token": token,
    }  # fmt: skip
    url = address["Endpoint"] + resource
    return httpx.put(url, content=data, headers=headers, trust_env=False, timeout=30)


def opened(body: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Address and credentials of an upload."""
    return tuple(  # type: ignore[return-value]
        json.loads(base64.b64decode(body[name])) for name in ("UploadAddress", "UploadAuth")
    )


def test_an_upload_with_its_own_cover(place: Place, sdk: Sdk) -> None:
    given = f"{place.outside.url}/other.png"
    body = sdk("CreateUploadVideo", Title="Up", FileName="my film.mp4", CoverURL=given)
    id = body["VideoId"]
    assert sdk("GetVideoInfo", VideoId=id)["Video"]["Status"] == "Uploading"
    with pytest.raises(SdkError, match=r"Forbidden\.IllegalStatus"):
        sdk("SubmitSnapshotJob", VideoId=id)
    address, auth = opened(body)
    wrong = put_object(address, {**auth, "AccessKeySecret": "x" * 40}, b"no")
    assert wrong.status_code == 403
    _, fresh = opened(sdk("RefreshUploadVideo", VideoId=id))
    sent = put_object(address, fresh, place.film.read_bytes())
    assert sent.status_code == 200, sent.text
    video = place.video(sdk, id)
    assert (video["Status"], video["Title"], video["CoverURL"]) == ("Normal", "Up", given)
    place.snap(sdk, id, SpecifiedOffsetTime=4000)
    assert [place.number(url) for url in place.urls(sdk, id, "NormalSnapshot")] == [100]
    assert len(place.urls(sdk, id, "CoverSnapshot")) == 8


def test_an_upload_by_address(place: Place) -> None:
    sdk = place.sdk()
    place.outside.files["/film.mp4"] = place.film.read_bytes()
    url = f"{place.outside.url}/film.mp4"
    [job] = sdk("UploadMediaByURL", UploadURLs=quote(url, safe=""))["UploadJobs"]

    def arrived() -> dict[str, str] | None:
        [info] = sdk("GetURLUploadInfos", JobIds=job["JobId"])["URLUploadInfoList"]
        return None if info["Status"] in ("PENDING", "PROCESSING") else dict(info)

    info = until(arrived)
    assert (info["Status"], info["UploadURL"]) == ("SUCCESS", url)
    video = place.video(sdk, info["MediaId"])
    assert (video["Title"], video["Status"]) == ("film.mp4", "Normal")


# -- real videos, real programs ---------------------------------------------------------------


def luma(picture: Picture) -> Picture:
    return np.asarray(Image.fromarray(picture).convert("L"), dtype=float)


def test_a_real_film(tmp_path_factory: pytest.TempPathFactory) -> None:
    film = real("h264_640x272_multishot_10s.mp4")
    with av.open(str(film)) as container:
        frames = [
            (frame.time, luma(frame.reformat(160, 68, "rgb24", interpolation="AREA").to_ndarray()))
            for frame in container.decode(container.streams.video[0])
        ]
    folder = tmp_path_factory.mktemp("real")
    with a_place(folder, media_roots=(str(film.parent),)) as place:
        sdk = place.sdk()
        id = place.register_url(sdk, film.as_uri())
        assert place.video(sdk, id)["Status"] == "Normal"
        given = {"Count": 6, "Interval": 0, "Width": "160", "SpriteSnapshotConfig": "{'Lines': 1}"}
        assert place.snap(sdk, id, **given)["Status"] == "Success"
        urls = place.urls(sdk, id, "NormalSnapshot")
        facts = place.service.asset(PROJECT, id).facts
        assert facts is not None and facts.duration is not None and len(urls) == 6
        for number, url in enumerate(urls):
            at = float(facts.duration) * number / 6 + frames[0][0]
            shown = max(n for n, (time, _) in enumerate(frames) if time <= at + 1e-6)
            made = luma(place.picture(url))
            far = [float(np.abs(made - picture).mean()) for _, picture in frames]
            # The frame shown is like none so much as that one, but for what compression blurs.
            assert far[shown] < 4 and far[shown] <= min(far) + 0.2
        assert place.picture(place.urls(sdk, id, "SpriteSnapshot")[0]).shape == (68, 1600, 3)


@pytest.mark.parametrize("name", ["aliyun_new_sdk", "aliyun_old_sdk"])
@pytest.mark.parametrize("signature", ["", "v2"])
def test_the_programs_of_the_examples(place: Place, name: str, signature: str) -> None:
    if signature and "old" in name:
        return  # it has one signature only
    environ = {
        key: value for key, value in os.environ.items()
        if not key.lower().endswith("_proxy") and not key.startswith("SNAPENGINE_")
    }  # fmt: skip
    environ |= {"ENDPOINT": place.host, "ACCESS_KEY_ID": AK, "ACCESS_KEY_SECRET": SK}
    if signature:
        environ["SIGNATURE_ALGORITHM"] = signature
    copy = place.folder / f"{name}{signature}.mp4"
    copy.symlink_to(place.film)
    ran = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", copy.as_uri()],
        env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    pictures, before, after = (
        re.search(pattern, ran.stdout, re.MULTILINE)
        for pattern in (r"^NormalSnapshot ([0-9]+) (.*)$", r"cover (\S+)$", r"^cover (\S+)$")
    )
    assert pictures and before and after, ran.stdout
    urls = pictures[2].split()
    if "new" in name:
        assert [place.number(url) for url in urls] == [0, 50, 100]
        assert re.search(r"^WebVttSnapshot 1 http\S+\.vtt$", ran.stdout, re.MULTILINE)
        assert after[1] == urls[1]
    else:
        assert len(urls) == 5 and after[1] == urls[4]
        assert "gone 404 InvalidVideo.NotFound" in ran.stdout
    assert before[1] != after[1]


# -- errors -----------------------------------------------------------------------------------


def test_errors_as_a_user_sees_them(place: Place, sdk: Sdk, video: str) -> None:
    def seen(action: str, **given: str) -> tuple[str, int]:
        with pytest.raises(SdkError) as error:
            sdk(action, **given)
        assert error.value.kind in ("ServerException", "ClientException")
        return error.value.code, error.value.status

    assert seen("GetVideoInfo", VideoId="0" * 32) == ("InvalidVideo.NotFound", 404)
    assert seen("SubmitSnapshotJob", VideoId=video, Width="7") == ("InvalidWidth", 400)
    assert seen("GetVodTemplate", VodTemplateId="0" * 32) == ("NoSuchResource", 404)
    assert seen("UpdateVideoInfo", VideoId=video, Title="x" * 129) == ("LengthExceededMax", 400)
    assert seen("AddVodTemplate", Name="x") == ("MissingTemplateType", 400)
    assert seen("RegisterMedia", RegisterMetadatas="[") == ("InvalidRegisterMetadatas", 400)


@pytest.mark.parametrize("kind", SDKS)
def test_a_wrong_secret(place: Place, kind: str) -> None:
    sdk = place.sdk(kind, sk="SecretOfNobodyAtAll")
    with pytest.raises(SdkError) as error:
        sdk("GetVideoList")
    # The old one compares the text that we signed with its own, and concludes.
    expected = "InvalidAccessKeySecret" if kind == "old" else "SignatureDoesNotMatch"
    assert (error.value.code, error.value.status) == (expected, 400)
    with pytest.raises(SdkError) as error:
        place.sdk(kind, ak="LTAIofNobody")("GetVideoList")
    assert (error.value.code, error.value.status) == ("InvalidAccessKeyId.NotFound", 404)


@pytest.mark.parametrize("kind", SDKS)
def test_an_endpoint_with_its_scheme(place: Place, kind: str) -> None:
    """Then the newer SDK sends the whole of it as ``Host``."""
    sdk = SDKS[kind](place.base)
    id = place.register(sdk)
    assert place.video(sdk, id)["CoverURL"].startswith(f"{place.base}/files/")


def test_the_newer_sdk_in_asyncio(place: Place, video: str) -> None:
    """It leaves ``: , * /`` as they are on the wire, and sends an empty body of another type."""
    from alibabacloud_tea_openapi.models import Config
    from alibabacloud_vod20170321 import models
    from alibabacloud_vod20170321.client import Client

    config = Config(access_key_id=AK, access_key_secret=SK, endpoint=place.host, protocol="http")
    request = models.SubmitSnapshotJobRequest(
        video_id=video, specified_offset_times=[0, 40], user_data='{"Extend":"a:b,c*d/e ~+%"}'
    )
    reply = asyncio.run(Client(config).submit_snapshot_job_async(request))
    job = place.service.job(PROJECT, reply.body.snapshot_job.job_id)
    assert job.note.extend == "a:b,c*d/e ~+%"


def test_a_request_of_the_older_sdk_made_by_hand(place: Place, video: str) -> None:
    """Half of its parameters in the query, half in a form."""
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    request = CommonRequest(
        domain=place.host, version="2017-03-21", action_name="SubmitSnapshotJob"
    )
    request.set_method("POST")
    request.set_accept_format("JSON")
    request.add_query_param("VideoId", video)
    request.add_body_params("UserData", '{"Extend":"a b*~"}')
    reply = json.loads(AcsClient(AK, SK, "cn-shanghai").do_action_with_exception(request))
    job = place.service.job(PROJECT, reply["SnapshotJob"]["JobId"])
    assert job.note.extend == "a b*~"


def test_throttling(tmp_path_factory: pytest.TempPathFactory) -> None:
    with a_place(tmp_path_factory.mktemp("full"), workers=0, queue=3, tenant_queue=2) as place:
        for kind in SDKS:
            sdk = place.sdk(kind)
            if kind == "old":
                id = place.register(sdk)
                sdk("SubmitSnapshotJob", VideoId=id)
            with pytest.raises(SdkError) as error:
                sdk("SubmitSnapshotJob", VideoId=id)
            assert error.value.code == "Throttling.User"
            assert error.value.kind == {"old": "ServerException"}.get(kind, "ThrottlingException")


def test_by_hand_in_xml_and_by_get(place: Place, video: str) -> None:
    request = rpc("GetVideoInfo", {"VideoId": video, "Format": "XML"}, method="GET")
    found = httpx.get(f"{place.base}/?{request.raw_query.decode()}", trust_env=False)
    assert found.status_code == 200
    assert found.headers["content-type"] == "text/xml;charset=utf-8"
    assert f"<VideoId>{video}</VideoId>" in found.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "FOO", "HEAD"])
def test_other_methods(place: Place, method: str) -> None:
    found = httpx.request(method, place.base, trust_env=False)
    assert found.status_code == 404
    if method != "HEAD":
        assert found.json()["Code"] == "InvalidAction.NotFound"


def test_a_body_that_is_too_large(place: Place) -> None:
    found = httpx.post(place.base, content=b"x" * (1 << 20) + b"y", trust_env=False)
    assert (found.status_code, found.json()["Code"]) == (400, "LengthExceededMax")
