"""A served application, and Huawei's own SDK to call it with."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkvod import v1 as vod
from PIL import Image

from snapengine.service import Service, Settings, create_app
from tests.media.barcode import read_ordinal
from tests.media.recipes import Recipe, build
from tests.remote.fault_server import FaultServer
from tests.service.huawei_kit import KEY, KEYS, Receiver, served

#: 5.2 s at 25 frames a second, the number of each frame in its pixels.
FILM = Recipe(name="huawei-film", width=320, height=192, frames=130, gop=25, bframes=2)
RATE, LAST = 25, 129
SIGNING = "key of the events"


@dataclass(frozen=True)
class Place:
    """A service, where it is, who receives its events, and where its videos are."""

    url: str
    service: Service
    receiver: Receiver
    films: FaultServer

    def client(self, ak: str = KEY.id, sk: str = KEY.secret, project: str = KEY.project_id) -> Any:
        credentials = BasicCredentials(ak, sk, project)
        return vod.VodClient.new_builder().with_credentials(credentials).with_endpoint(
            self.url
        ).build()  # fmt: skip

    def event(self, asset_id: str) -> dict[str, Any]:
        return self.receiver.event(SIGNING, asset_id)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    film = build(FILM).read_bytes()
    with (
        FaultServer({"/film.mp4": film, "/broken.mp4": b"no video at all" * 99}) as films,
        Receiver() as receiver,
    ):
        service = Service(
            Settings(
                keys=KEYS, data=str(tmp_path_factory.mktemp("huawei")), allow_private=True,
                huawei_callback_url=receiver.url, huawei_callback_key=SIGNING,
            )
        )  # fmt: skip
        with served(create_app(service)) as url:
            yield Place(url, service, receiver, films)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def wait_for(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What a client finds that asks again and again: there is no other way to know."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = look()
        if found:
            return found
        threading.Event().wait(0.05)
    raise AssertionError("it takes too long")


def pull(client: Any, url: str, **given: Any) -> str:
    item = vod.UploadMetaDataByUrl(**{"video_type": "MP4", "title": "影片", "url": url, **given})
    request = vod.UploadMetaDataByUrlReq(upload_metadatas=[item])
    reply = client.upload_meta_data_by_url(vod.UploadMetaDataByUrlRequest(body=request))
    (made,) = reply.upload_assets
    assert (made.error_code, made.error_msg, made.url) == (None, None, url)
    return str(made.asset_id)


def details(client: Any, asset_id: str, *categories: str) -> Any:
    return client.show_asset_detail(
        vod.ShowAssetDetailRequest(asset_id=asset_id, categories=list(categories) or None)
    )


def process(client: Any, asset_id: str, **thumbnail: Any) -> str:
    body = vod.AssetProcessReq(asset_id=asset_id, thumbnail=vod.Thumbnail(**thumbnail))
    reply = client.create_asset_process_task(vod.CreateAssetProcessTaskRequest(body=body))
    assert (reply.status_code, reply.asset_id) == (202, asset_id)
    return str(reply.thumbnail_task_id)


def ready(client: Any, asset_id: str) -> Any:
    """The base information, once the video has been looked at."""
    return wait_for(
        lambda: (info := details(client, asset_id).base_info).meta_data is not None and info
    )


def picture(url: str) -> tuple[int, tuple[int, int], bytes]:
    """The frame's number in a picture, its size, and its file."""
    reply = httpx.get(url)
    assert reply.status_code == 200, (url, reply)
    with Image.open(io.BytesIO(reply.content)) as image:
        return read_ordinal(np.asarray(image.convert("RGB"))), image.size, reply.content


def cover_of(client: Any, asset_id: str) -> str:
    (cover,) = details(client, asset_id, "base_info").base_info.cover_info_array
    return str(cover.cover_url)


def jpeg(number: int, format: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (number, 100, 200)).save(file, format)
    return file.getvalue()
