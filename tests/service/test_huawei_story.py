"""Huawei's own SDK against a served application, with a real video, from the pull to the cover."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkvod import v1 as vod
from huaweicloudsdkvod.v1.region.vod_region import VodRegion

import snapengine.service
from tests.media.recipes import build
from tests.service.huawei_kit import KEY, OTHER
from tests.service.huawei_place import (
    FILM,
    LAST,
    RATE,
    Place,
    cover_of,
    details,
    no_proxies,
    picture,
    place,
    process,
    pull,
    ready,
    wait_for,
)

__all__ = ["no_proxies", "place"]

EXAMPLE = Path(snapengine.service.__file__).parent / "examples" / "huawei_sdk.py"


# -- the story ------------------------------------------------------------------------------


def test_the_example_runs_as_it_is(place: Place) -> None:
    arguments = [place.url, KEY.id, KEY.secret, KEY.project_id, place.films.url("/film.mp4")]
    done = subprocess.run(
        [sys.executable, EXAMPLE, *arguments], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    shown = [int(line.split()[1]) for line in lines if line.startswith("thumbnail")]
    assert shown == [0, 1, 2, 3, 4, 5, 5]
    covers = [line for line in lines if line.startswith("cover")]
    assert len(covers) == 2
    assert covers[0] == covers[1]
    assert covers[0].endswith("/cover/Cover0.jpg")
    assert lines[-2:] == [covers[1], "error 400 VOD.10062"]
    assert "total 7" in lines


def test_a_pulled_film_gets_its_cover_and_thumbnails(place: Place) -> None:
    client = place.client()
    url = place.films.url("/film.mp4")
    asset_id = pull(client, url, description="d", tags="a,b", category_id=5)
    info = ready(client, asset_id)
    assert (info.title, info.video_name, info.video_type) == ("影片", "film.mp4", "MP4")
    assert (info.description, info.tags, info.category_id) == ("d", "a,b", 5)
    assert info.video_url == url
    meta = info.meta_data
    assert (meta.codec, meta.width, meta.height, meta.hight) == ("H.264", 320, 192, 192)
    assert (meta.duration, meta.duration_ms, meta.frame_rate) == (5, 5200, RATE)
    assert meta.video_size == len(build(FILM).read_bytes())
    assert details(client, asset_id).thumbnail_info is None

    event = place.event(asset_id)
    cover = cover_of(client, asset_id)
    assert cover == f"{place.url}/files/asset/{asset_id}/cover/Cover0.jpg"
    assert event == {
        "event_type": "coverComplete",
        "cover_info": {
            "status": "SUCCEED", "title": "影片", "asset_id": asset_id,
            "cover_type": "HEAD_FRAME_COVER", "cover_urls": [{"offset": 0, "url": cover}],
        },
    }  # fmt: skip
    head, size, _ = picture(cover)
    assert (head, size) == (0, (320, 192))

    task = process(client, asset_id, type="time", time=2, cover_position=3, max_length=160)
    thumbnails = wait_for(lambda: details(client, asset_id, "thumbnail_info").thumbnail_info)
    assert thumbnails.thumbnail_status == "THUMBNAIL_SUCCEED"
    assert (thumbnails.dots, thumbnails.quantity) == ([], [])
    shots = [(shot.offset, *picture(shot.url)[:2]) for shot in thumbnails.sample]
    small = (160, 96)
    assert shots == [
        (0, 0, small), (2, 2 * RATE, small), (4, 4 * RATE, small), (5, LAST, small),
    ]  # fmt: skip
    event = place.event(asset_id)
    assert event["event_type"] == "thumbnailComplete"
    told = event["thumbnail_info"]
    assert (told["status"], told["dots"]) == ("SUCCEED", [])
    assert told["sample"] == [{"offset": s.offset, "url": s.url} for s in thumbnails.sample]
    assert cover_of(client, asset_id) == cover
    assert picture(cover)[0] == 4 * RATE

    listed = client.list_thumbnail_info(vod.ListThumbnailInfoRequest(asset_id=asset_id))
    (one,) = listed.thumbnails
    assert (listed.total, one.task_id, one.thumbnail_count) == (1, task, 4)
    para = one.thumbnail_para
    assert (para.type, para.time, para.cover_position, para.max_length) == ("time", 2, 3, 160)
    page = client.list_thumbnail_details(
        vod.ListThumbnailDetailsRequest(task_id=task, offset=1, limit=2)
    )
    assert (page.total, [shot.offset for shot in page.thumbnail_result]) == (4, [2, 4])

    chosen = thumbnails.sample[1].url
    for given in (chosen, chosen.replace(place.url + "/files", "https://cdn.test/shield")):
        request = vod.UpdateCoverByThumbnailReq(thumbnail_url=given)
        reply = client.update_cover_by_thumbnail(vod.UpdateCoverByThumbnailRequest(body=request))
        assert reply.status_code == 204
        assert cover_of(client, asset_id) == cover
        assert picture(cover)[0] == 2 * RATE

    # The cover's own address leads to a picture of the asset, too.
    request = vod.UpdateCoverByThumbnailReq(thumbnail_url=cover)
    client.update_cover_by_thumbnail(vod.UpdateCoverByThumbnailRequest(body=request))
    assert picture(cover)[0] == 2 * RATE

    gone = client.delete_thumbnails(vod.DeleteThumbnailsRequest(task_id=[task]))
    assert [one.status for one in gone.delete_result_array] == ["DELETED"]
    assert details(client, asset_id).thumbnail_info is None
    assert picture(cover)[0] == 2 * RATE
    assert httpx.get(chosen).status_code == 404


def test_dots_and_numbers_of_pictures(place: Place) -> None:
    client = place.client()
    dots = vod.Thumbnail(type="dots", dots=[3, 1], cover_position=1, aspect_ratio=1)
    asset_id = pull(client, place.films.url("/film.mp4"), thumbnail=dots)
    info = wait_for(lambda: details(client, asset_id, "thumbnail_info").thumbnail_info)
    assert [(shot.offset, *picture(shot.url)[:2]) for shot in info.dots] == [
        (1, RATE, (480, 270)), (3, 3 * RATE, (480, 270)),
    ]  # fmt: skip
    assert info.sample == []
    # Of a new asset with thumbnails only theirs is told of, and the cover is theirs.
    assert place.event(asset_id)["event_type"] == "thumbnailComplete"
    assert picture(cover_of(client, asset_id))[0] == RATE

    process(client, asset_id, type="quantity", quantity=2)
    info = wait_for(
        lambda: (found := details(client, asset_id).thumbnail_info) and found.quantity and found
    )
    assert [(s.offset, picture(s.url)[0]) for s in info.quantity] == [(0, 0), (2, 65)]
    assert len(info.dots) == 2
    listed = client.list_thumbnail_info(vod.ListThumbnailInfoRequest(asset_id=asset_id))
    assert [one.thumbnail_para.type for one in listed.thumbnails] == ["quantity", "dots"]
    gone = client.delete_thumbnails(vod.DeleteThumbnailsRequest(asset_id=asset_id))
    assert len(gone.delete_result_array) == 2


def test_meta_data_and_lists(place: Place) -> None:
    client = place.client()
    asset_id = pull(client, place.films.url("/film.mp4"), title="To be found 一二三")
    ready(client, asset_id)
    request = vod.UpdateAssetMetaReq(asset_id=asset_id, title="Renamed 一二三", tags="t1,t2")
    reply = client.update_asset_meta(vod.UpdateAssetMetaRequest(body=request))
    assert reply.status_code == 204
    listed = client.list_asset_list(vod.ListAssetListRequest(query_string="renamed 一二"))
    (one,) = listed.assets
    assert (listed.total, one.asset_id, one.title, one.duration) == (
        1, asset_id, "Renamed 一二三", 5,
    )  # fmt: skip
    assert (one.asset_status, one.thumbnail_status) == ("PUBLISHED", "UN_THUMBNAIL")
    assert one.covers[0].cover_url == cover_of(client, asset_id)
    meta = client.show_asset_meta(vod.ShowAssetMetaRequest(asset_id=[asset_id]))
    (info,) = meta.asset_info_array
    assert (meta.total, meta.is_truncated, info.status) == (1, 0, "PUBLISHED")
    assert info.base_info.meta_data.width == 320
    named = vod.ListAssetListRequest(asset_id=[asset_id], status=["PUBLISHED"], media_type=["MP4"])
    assert client.list_asset_list(named).total == 1
    assert place.client(OTHER.id, OTHER.secret, OTHER.project_id).list_asset_list(
        vod.ListAssetListRequest()
    ).total == 0  # fmt: skip
    gone = client.delete_assets(vod.DeleteAssetsRequest(asset_id=[asset_id, "x" * 32]))
    assert [(one.asset_id, one.status) for one in gone.delete_result_array] == [
        (asset_id, "DELETED"), ("x" * 32, "FAILED"),
    ]  # fmt: skip


def test_a_smart_cover_by_raw_http_with_a_token(place: Place) -> None:
    client = place.client()
    asset_id = pull(client, place.films.url("/film.mp4"))
    ready(client, asset_id)
    identity = {
        "methods": ["hw_ak_sk"],
        "hw_ak_sk": {"access": {"key": KEY.id}, "secret": {"key": KEY.secret}},
    }
    reply = httpx.post(f"{place.url}/v3/auth/tokens", json={"auth": {"identity": identity}})
    assert reply.status_code == 201
    token = {"X-Auth-Token": reply.headers["X-Subject-Token"]}
    api = f"{place.url}/v1.0/{KEY.project_id}"
    reply = httpx.post(f"{api}/asset/smart_cover", json={"asset_id": asset_id}, headers=token)
    assert (reply.status_code, reply.content) == (204, b"")
    assert len(reply.headers["X-Request-Id"]) == 32
    wait_for(lambda: (c := place.service.asset(KEY.project_id, asset_id).cover)
             and c.origin == "smart")  # fmt: skip
    cover = cover_of(client, asset_id)
    assert cover.endswith(f"/asset/{asset_id}/cover/Cover0.jpg")
    assert picture(cover)[1] == (320, 192)

    reply = httpx.get(f"{api}/asset/details", params={"asset_id": asset_id}, headers=token)
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"
    assert reply.json()["base_info"]["title"] == "影片"
    reply = httpx.post(f"{api}/asset/smart_cover", json={"asset_id": "f" * 32}, headers=token)
    assert (reply.status_code, reply.json()) == (400, {
        "error_code": "VOD.10062",
        "error_msg": "Media asset or resource does not exist, please check.",
    })  # fmt: skip


def test_a_region_whose_endpoint_the_environment_names(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_REGION_VOD_CN_NORTH_4", place.url)
    monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", place.url)
    credentials = BasicCredentials(KEY.id, KEY.secret)  # the project is asked for
    client = (
        vod.VodClient.new_builder()
        .with_credentials(credentials)
        .with_region(VodRegion.value_of("cn-north-4"))
        .build()
    )
    assert client.list_asset_list(vod.ListAssetListRequest(size=1)).status_code == 200
    assert credentials.project_id == KEY.project_id


def test_temporary_keys_and_the_asynchronous_client(place: Place) -> None:
    credentials = BasicCredentials(KEY.id, KEY.secret, KEY.project_id).with_security_token("sts")
    for kind in (vod.VodClient, vod.VodAsyncClient):
        client = kind.new_builder().with_credentials(credentials).with_endpoint(place.url).build()
        request = vod.ListAssetListRequest(size=1)
        if kind is vod.VodClient:
            reply = client.list_asset_list(request)
        else:
            reply = client.list_asset_list_async(request).result()
        assert reply.status_code == 200


# -- failures -------------------------------------------------------------------------------


def test_failures_are_told_of(place: Place) -> None:
    client = place.client()
    asset_id = pull(client, place.films.url("/broken.mp4"))
    event = place.event(asset_id)
    assert event["event_type"] == "coverComplete"
    info = event["cover_info"]
    assert (info["status"], info["error_code"]) == ("FAILED", "VOD.10013")
    assert info["error_msg"]
    assert "cover_urls" not in info
    with pytest.raises(ClientRequestException) as caught:
        process(client, asset_id, type="time")
    assert (caught.value.status_code, caught.value.error_code) == (403, "VOD.10060")
    (one,) = client.list_asset_list(vod.ListAssetListRequest(asset_id=[asset_id])).assets
    assert one.asset_status == "FAILED"

    asset_id = pull(client, place.films.url("/film.mp4"))
    assert place.event(asset_id)["event_type"] == "coverComplete"
    process(client, asset_id, type="dots", dots=[60])
    event = place.event(asset_id)
    assert event["event_type"] == "thumbnailComplete"
    info = event["thumbnail_info"]
    assert (info["status"], info["error_code"]) == ("FAILED", "VOD.10104")
    assert "sample" not in info
    assert details(client, asset_id).thumbnail_info is None
    (one,) = client.list_asset_list(vod.ListAssetListRequest(asset_id=[asset_id])).assets
    assert one.thumbnail_status == "THUMBNAIL_FAILED"


def test_what_the_sdk_makes_of_refusals(place: Place) -> None:
    wrong = [
        (place.client(sk="not-the-secret"), 401, "APIGW.0301"),
        (place.client(ak="SEnobody"), 401, "APIGW.0301"),
        (place.client(project="another"), 403, "VOD.10057"),
        (place.client(), 400, "VOD.10062"),
    ]
    for client, status, code in wrong:
        with pytest.raises(ClientRequestException) as caught:
            details(client, "f" * 32)
        error = caught.value
        assert (error.status_code, error.error_code) == (status, code)
        assert error.error_msg
        assert len(error.request_id) == 32
    with pytest.raises(ClientRequestException) as caught:
        process(place.client(), "f" * 32, type="time")
    assert (caught.value.status_code, caught.value.error_code) == (403, "VOD.10062")
    with pytest.raises(ClientRequestException) as caught:
        place.client().list_asset_category(vod.ListAssetCategoryRequest(id=0))
    assert (caught.value.status_code, caught.value.error_code) == (404, "APIGW.0101")


def test_an_address_that_cannot_be_read_is_told_with_the_others(place: Place) -> None:
    urls = ["http://[::1", "ftp://h/a.mp4", "file:///etc/passwd", place.films.url("/film.mp4")]
    items = [vod.UploadMetaDataByUrl(video_type="MP4", title="A", url=url) for url in urls]
    request = vod.UploadMetaDataByUrlReq(upload_metadatas=items)
    reply = place.client().upload_meta_data_by_url(vod.UploadMetaDataByUrlRequest(body=request))
    codes = [one.error_code for one in reply.upload_assets]
    assert codes == ["VOD.10053", "VOD.10053", "VOD.10053", None]
    assert [one.url for one in reply.upload_assets] == urls


def test_nobody_sees_what_is_anothers(place: Place) -> None:
    mine, other = place.client(), place.client(OTHER.id, OTHER.secret, OTHER.project_id)
    asset_id = pull(mine, place.films.url("/film.mp4"))
    ready(mine, asset_id)
    task = process(mine, asset_id, type="dots", dots=[1])
    shot = wait_for(lambda: details(mine, asset_id).thumbnail_info).dots[0].url
    cover = vod.UpdateCoverByThumbnailReq(thumbnail_url=shot)
    calls: list[Callable[[], object]] = [
        lambda: details(other, asset_id),
        lambda: process(other, asset_id, type="time"),
        lambda: other.update_cover_by_thumbnail(vod.UpdateCoverByThumbnailRequest(body=cover)),
        lambda: other.list_thumbnail_details(vod.ListThumbnailDetailsRequest(task_id=task)),
        lambda: other.list_thumbnail_info(vod.ListThumbnailInfoRequest(asset_id=asset_id)),
    ]
    for call in calls:
        with pytest.raises(ClientRequestException) as caught:
            call()
        assert caught.value.error_code == "VOD.10062"
    gone = other.delete_assets(vod.DeleteAssetsRequest(asset_id=[asset_id]))
    assert [one.status for one in gone.delete_result_array] == ["FAILED"]
    gone = other.delete_thumbnails(vod.DeleteThumbnailsRequest(task_id=[task]))
    assert [one.status for one in gone.delete_result_array] == ["FAILED"]
    assert details(mine, asset_id).asset_id == asset_id
