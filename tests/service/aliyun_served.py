"""Alibaba's SDKs against the service, served on this machine with a real video."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from snapengine.service import Service, Settings, create_app
from tests.media.barcode import read_ordinal
from tests.media.recipes import Recipe, build
from tests.service.aliyun_wire import AK, KEYS, SK
from tests.service.web_kit import a_cover, client, served

#: 10 s at 25 frames a second, a keyframe each second, the number of each frame in its pixels.
FILM = Recipe(name="aliyun-film", width=160, height=96, frames=250, rate=25, gop=25, bframes=2)
RATE, SIZE = 25, (160, 96)
AUTH_KEY = "Test1234"
#: Seconds that anything here may take.
PATIENCE = 60.0


Picture = np.ndarray[Any, np.dtype[Any]]

#: For every module that uses the SDKs.
SDK_MARKS = [
    pytest.mark.usefixtures("no_proxies"),
]


# -- SDKs ------------------------------------------------------------------------------------


class SdkError(Exception):
    """What a user of an SDK sees: ``code``, HTTP ``status``, the exception's own ``kind``."""

    def __init__(self, code: str, status: int, kind: str, said: str) -> None:
        super().__init__(f"{kind} {code} {status} {said}")
        self.code, self.status, self.kind, self.said = code, status, kind, said


class OldSdk:
    """``aliyun-python-sdk-vod``: RPC v1, answers as they are."""

    def __init__(self, host: str, ak: str = AK, sk: str = SK) -> None:
        from aliyunsdkcore.client import AcsClient

        self._client = AcsClient(ak, sk, "cn-shanghai")
        self._client.add_endpoint("cn-shanghai", "vod", host)

    def __call__(self, action: str, **given: Any) -> dict[str, Any]:
        from importlib import import_module

        from aliyunsdkcore.acs_exception.exceptions import ServerException

        name = f"{action}Request"
        module = import_module(f"aliyunsdkvod.request.v20170321.{name}")
        request = getattr(module, name)()
        for parameter, value in given.items():
            getattr(request, f"set_{parameter}")(value)
        try:
            return dict(json.loads(self._client.do_action_with_exception(request)))
        except ServerException as error:
            raise SdkError(
                error.get_error_code(), error.get_http_status(), "ServerException",
                error.get_error_msg(),
            ) from error  # fmt: skip


class NewSdk:
    """``alibabacloud-vod20170321``: ACS3, or RPC v1 with ``signature`` "v2"; answers go through its
    models, so a list in the wrong place is an error, and what the models do not know is lost."""

    def __init__(self, host: str, ak: str = AK, sk: str = SK, signature: str | None = None) -> None:
        from alibabacloud_tea_openapi.models import Config
        from alibabacloud_vod20170321 import models
        from alibabacloud_vod20170321.client import Client

        self._models = models
        self._client = Client(
            Config(
                access_key_id=ak, access_key_secret=sk, endpoint=host, protocol="http",
                signature_algorithm=signature,
            )
        )  # fmt: skip
        self._verbs = {
            name.replace("_", "").lower(): name
            for name in dir(self._client)
            if not name.endswith(("_async", "_options"))
        }

    def __call__(self, action: str, **given: Any) -> dict[str, Any]:
        from alibabacloud_tea_openapi.exceptions import AlibabaCloudException

        request = getattr(self._models, f"{action}Request")().from_map(given)
        try:
            reply = getattr(self._client, self._verbs[action.lower()])(request)
        except AlibabaCloudException as error:
            raise SdkError(
                str(error.code), int(error.status_code or 0), type(error).__name__, error.message
            ) from error
        return dict(reply.body.to_map())


Sdk = OldSdk | NewSdk
SDKS: dict[str, Callable[..., Sdk]] = {
    "old": OldSdk,
    "new": NewSdk,
    "new-v2": lambda *given, **more: NewSdk(*given, signature="v2", **more),
}


# -- the outside -----------------------------------------------------------------------------


class Outside:
    """Somebody else's server: keeps what is POSTed, and has some pictures."""

    def __init__(self) -> None:
        self.got: queue.Queue[tuple[str, dict[str, str], bytes]] = queue.Queue()
        self.files = {
            "/a%20cover.jpg?x=1&y=2": a_cover(64, 36),
            "/other.png": a_cover(48, 48, "PNG"),
            "/text.jpg": b"no picture at all",
        }
        outside = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                outside.got.put((self.path, {k.lower(): v for k, v in self.headers.items()}, data))
                self._answer(200, b"")

            def do_GET(self) -> None:
                data = outside.files.get(self.path)
                self._answer(404 if data is None else 200, data or b"")

            def _answer(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._kept: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    def event(self, **members: Any) -> tuple[str, dict[str, str], dict[str, Any]]:
        """The first event, come or to come, with these members: its path, headers and body."""
        end = time.monotonic() + PATIENCE
        seen = 0
        while True:
            for found in self._kept[seen:]:
                if all(found[2].get(name) == value for name, value in members.items()):
                    return found
            seen = len(self._kept)
            path, headers, data = self.got.get(timeout=max(0.01, end - time.monotonic()))
            self._kept.append((path, headers, json.loads(data)))

    def __enter__(self) -> Outside:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


# -- the service -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """The service, where it is, what lies around it."""

    base: str
    service: Service
    outside: Outside
    folder: Path
    film: Path

    @property
    def host(self) -> str:
        return self.base.removeprefix("http://")

    def sdk(self, kind: str = "new", **more: str) -> Sdk:
        return SDKS[kind](self.host, **more)

    def fetch(self, url: str, media_type: str = "image/jpeg") -> bytes:
        """What lies behind a link; it must be told to last."""
        with client(self.base) as http_client:
            found: httpx.Response = http_client.get(url)
        assert found.status_code == 200, (url, found.status_code)
        assert found.headers["content-type"].partition(";")[0] == media_type
        return found.content

    def picture(self, url: str) -> Picture:
        with Image.open(io.BytesIO(self.fetch(url))) as image:
            assert image.format == "JPEG"
            return np.asarray(image.convert("RGB"))

    def number(self, url: str) -> int:
        """The number of the frame that a picture shows."""
        return read_ordinal(self.picture(url))

    # -- calls --------------------------------------------------------------------------------

    def register(self, sdk: Sdk, film: Path | None = None, **more: Any) -> str:
        """A new asset of a copy of the film, its own source."""
        copy = self.folder / f"{time.monotonic_ns()}.mp4"
        copy.symlink_to(film or self.film)
        return self.register_url(sdk, copy.as_uri(), **more)

    def register_url(self, sdk: Sdk, url: str, **more: Any) -> str:
        item = {"FileURL": url, "Title": "A film", **more}
        body = sdk("RegisterMedia", RegisterMetadatas=json.dumps([item]))
        assert body["FailedFileURLs"] == []
        return str(body["RegisteredMediaList"][0]["MediaId"])

    def video(self, sdk: Sdk, id: str) -> dict[str, Any]:
        """An asset once it has been looked at."""

        def looked_at() -> dict[str, Any] | None:
            video = sdk("GetVideoInfo", VideoId=id)["Video"]
            return None if video["Status"] in ("Uploading", "UploadSucc") else dict(video)

        return until(looked_at)

    def done(self, sdk: Sdk, job: str, kind: str = "Snapshot") -> dict[str, Any]:
        """A job once it has ended."""
        name = "AIJobDetail" if kind == "AI" else "SnapshotJobDetail"

        def ended() -> dict[str, Any] | None:
            detail = sdk("GetJobDetail", JobId=job, JobType=kind)[name]
            return None if detail["Status"] == "Processing" else dict(detail)

        return until(ended)

    def snap(self, sdk: Sdk, id: str, **given: Any) -> dict[str, Any]:
        """Submit a job and wait for its end."""
        job = sdk("SubmitSnapshotJob", VideoId=id, **given)["SnapshotJob"]["JobId"]
        return self.done(sdk, job)

    def urls(self, sdk: Sdk, id: str, kind: str) -> list[str]:
        """Links to all pictures of a kind, in their order."""
        found = sdk("ListSnapshots", VideoId=id, SnapshotType=kind, PageSize="100")
        snapshot = found["MediaSnapshot"]
        listed = snapshot["Snapshots"]["Snapshot"]
        assert [one["Index"] for one in listed] == [*range(1, snapshot["Total"] + 1)]
        regular = snapshot["Regular"]
        assert [one["Url"] for one in listed] == [
            regular.replace("{SnapshotCount}", f"{one['Index']:05d}") for one in listed
        ]
        return [one["Url"] for one in listed]


def until(look: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """What ``look`` finds, once it does."""
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while (found := look()) is None:
        assert time.monotonic() < end, "nothing has come"
        pause.wait(0.05)
    return found


def signature(url: str, timestamp: str) -> str:
    return hashlib.md5(f"{url}|{timestamp}|{AUTH_KEY}".encode()).hexdigest()


@contextlib.contextmanager
def a_place(folder: Path, **settings: Any) -> Iterator[Place]:
    """The service, served; it looks at videos in ``folder`` and where test films are."""
    film = build(FILM)
    videos = folder / "videos"
    videos.mkdir()
    given: dict[str, Any] = {
        "data": str(folder / "data"), "keys": KEYS, "allow_private": True, "workers": 1,
        "media_roots": (str(videos), str(film.parent)), **settings,
    }  # fmt: skip
    with Outside() as outside:
        service = Service(Settings(**given))
        with served(create_app(service)) as base:
            yield Place(base, service, outside, videos, film)


@pytest.fixture(scope="module")
def no_proxies() -> Iterator[None]:
    """The SDKs would send calls of this machine to a proxy, whatever NO_PROXY says."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One for all tests of a module."""
    with a_place(tmp_path_factory.mktemp("aliyun")) as place:
        yield place


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest, place: Place) -> Sdk:
    """Each SDK in turn."""
    return place.sdk(request.param)


@pytest.fixture(scope="module")
def video(place: Place) -> str:
    """An asset of the film that has been looked at already."""
    id = place.register(place.sdk())
    assert place.video(place.sdk(), id)["Status"] == "Normal"
    return id
