"""Uploads that Huawei's own SDK begins: a video, its own cover, another cover; and prefixes."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkvod import v1 as vod
from starlette.applications import Starlette
from starlette.routing import Mount

from snapengine.service import Service, Settings, create_app
from tests.media.recipes import build
from tests.service.huawei_kit import KEY, KEYS, served
from tests.service.huawei_place import (
    FILM,
    Place,
    cover_of,
    details,
    jpeg,
    no_proxies,
    place,
    process,
    ready,
)

__all__ = ["no_proxies", "place"]


def test_an_upload_with_its_own_cover(place: Place) -> None:
    client = place.client()
    request = vod.CreateAssetByFileUploadReq(
        title="Mine", video_name="my film", video_type="MP4", cover_type="PNG"
    )
    made = client.create_asset_by_file_upload(vod.CreateAssetByFileUploadRequest(body=request))
    assert made.status_code == 200
    confirm = vod.ConfirmAssetUploadReq(asset_id=made.asset_id, status="CREATED")
    with pytest.raises(ClientRequestException) as caught:  # nothing has come yet
        client.confirm_asset_upload(vod.ConfirmAssetUploadRequest(body=confirm))
    assert (caught.value.status_code, caught.value.error_code) == (400, "VOD.10083")
    with pytest.raises(ClientRequestException) as caught:
        process(client, made.asset_id, type="time")
    assert (caught.value.status_code, caught.value.error_code) == (400, "VOD.10083")

    film = build(FILM).read_bytes()
    put = httpx.put(made.video_upload_url, content=film, headers={"content-type": "video/mp4"})
    assert put.is_success, put
    reply = client.confirm_asset_upload(vod.ConfirmAssetUploadRequest(body=confirm))
    assert reply.asset_id == made.asset_id
    info = ready(client, made.asset_id)
    assert (info.video_name, info.video_type, info.video_url) == ("my film.mp4", "MP4", None)
    assert info.cover_info_array == []  # a cover is announced, so none is made

    first = jpeg(1, "PNG")
    put = httpx.put(made.cover_upload_url, content=first, headers={"content-type": "image/png"})
    assert put.is_success, put
    cover = cover_of(client, made.asset_id)
    assert cover == f"{place.url}/files/asset/{made.asset_id}/cover/Cover0.png"
    assert httpx.get(cover).content == first

    body = vod.UploadAssetReq(asset_id=made.asset_id, cover_id=0, cover_type="JPG")
    again = client.update_asset(vod.UpdateAssetRequest(body=body))
    second = jpeg(2)
    assert httpx.put(again.cover_upload_url, content=second).is_success
    cover = cover_of(client, made.asset_id)
    assert cover.endswith("/cover/Cover0.jpg")
    assert httpx.get(cover).content == second
    assert httpx.put(again.cover_upload_url, content=b"no picture").status_code == 400

    body = vod.UploadAssetReq(asset_id=made.asset_id, video_type="TS")
    with pytest.raises(ClientRequestException) as caught:
        client.update_asset(vod.UpdateAssetRequest(body=body))
    assert (caught.value.status_code, caught.value.error_code) == (400, "VOD.10053")


def test_an_upload_that_is_given_up(place: Place) -> None:
    client = place.client()
    request = vod.CreateAssetByFileUploadReq(title="A", video_name="a.mp4", video_type="MP4")
    made = client.create_asset_by_file_upload(vod.CreateAssetByFileUploadRequest(body=request))
    assert made.cover_upload_url is None
    confirm = vod.ConfirmAssetUploadReq(asset_id=made.asset_id, status="CANCELLED")
    client.confirm_asset_upload(vod.ConfirmAssetUploadRequest(body=confirm))
    with pytest.raises(ClientRequestException):
        details(client, made.asset_id)
    assert not httpx.put(made.video_upload_url, content=b"x").is_success


def test_mounted_in_another_application_with_links_that_expire(tmp_path: Path) -> None:
    """The SDK drops a path in its endpoint, so only raw HTTP comes there; its links lead there."""
    service = Service(Settings(keys=KEYS, data=str(tmp_path), workers=0, signed_urls=600))
    outer = Starlette(routes=[Mount("/vod", create_app(service))])
    try:
        with served(outer) as url:
            given = {
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {"user": {"name": KEY.id, "password": KEY.secret}},
                    }
                }
            }
            reply = httpx.post(f"{url}/vod/v3/auth/tokens", json=given)
            token = {"X-Auth-Token": reply.headers["X-Subject-Token"]}
            api = f"{url}/vod/v1.0/{KEY.project_id}/asset"
            new = {"title": "A", "video_name": "a", "video_type": "MP4", "cover_type": "JPG"}
            made = httpx.post(api, json=new, headers=token).json()
            assert httpx.put(made["cover_upload_url"], content=jpeg(3)).is_success
            query = {"asset_id": made["asset_id"], "categories": "base_info"}
            found = httpx.get(f"{api}/details", params=query, headers=token).json()
            (cover,) = found["base_info"]["cover_info_array"]
            assert cover["cover_url"].startswith(f"{url}/vod/files/asset/")
            assert httpx.get(cover["cover_url"]).content == jpeg(3)
            assert httpx.get(cover["cover_url"].partition("?")[0]).status_code == 403
            given = {"thumbnailUrl": cover["cover_url"]}
            assert httpx.put(f"{api}/cover", json=given, headers=token).status_code == 204
    finally:
        service.close()
