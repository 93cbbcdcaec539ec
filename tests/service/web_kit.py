"""The service served on this machine, and things to find in it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from snapengine.service.domain.ids import new_id
from snapengine.service.domain.records import Asset, MediaType, NewAsset, Picture, PictureSet, Via
from snapengine.service.facade import Service
from snapengine.service.settings import Settings
from snapengine.service.web.serving import Listener, config_of

KEY = "SEone:secret-of-one-1:project-one"
TENANT = "project-one"
CREATED = datetime(2026, 11, 21, 9, 8, 7, 654321, tzinfo=UTC)


def make_service(folder: Path, **settings: Any) -> Service:
    """One without workers, which may connect to this machine."""
    given = {"keys": KEY, "workers": 0, "allow_private": True, **settings}
    return Service(Settings(data=str(folder / "data"), **given))


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """The address at which an application is served as ``snapengine serve`` would."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as there
        listening = threading.Event()
        server = Listener(config_of(app), listening.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="served")
        thread.start()
        try:
            assert listening.wait(20), "the application does not start"
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@contextlib.contextmanager
def client(base: str) -> Iterator[httpx.Client]:
    """One that goes nowhere but there, whatever the environment says of proxies."""
    with httpx.Client(base_url=base, trust_env=False, timeout=20) as found:
        yield found


def exchange(base: str, data: bytes, *, end: bool = False) -> bytes:
    """What a server answers to these very bytes until it closes; ``end``: we speak no more."""
    host, _, port = base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as sock:
        sock.sendall(data)
        if end:
            sock.shutdown(socket.SHUT_WR)
        answer = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                answer += piece
        return bytes(answer)


def add_asset(service: Service, tenant: str = TENANT, **more: Any) -> Asset:
    """An asset whose upload is awaited."""
    return service.create_upload(tenant, NewAsset(title="A", file_name="a.mp4", **more), Via())


def add_picture(
    service: Service,
    asset: Asset,
    path: str,
    data: bytes,
    media_type: MediaType = "image/jpeg",
    created: datetime = CREATED,
) -> Picture:
    """A picture that is served under ``path``; ``{asset}`` and ``{job}`` in it are replaced."""
    made = path.format(asset=asset.id, job=new_id())
    kept = PictureSet(
        id=new_id(), tenant=asset.tenant, asset_id=asset.id, job_id=None, kind="snapshot",
        pattern=made, count=1, created=created,
    )  # fmt: skip
    picture = Picture(
        id=new_id(), set_id=kept.id, tenant=asset.tenant, asset_id=asset.id, kind="snapshot",
        number=1, name="1", path=made, blob=f"blobs/{kept.id}", media_type=media_type,
        size=len(data), digest=hashlib.sha256(data).hexdigest(), created=created,
    )  # fmt: skip
    service.store.put_bytes(picture.blob, data)
    changed = service.database.change_asset(
        asset.tenant, asset.id, lambda found: found, pictures=[(kept, [picture])]
    )
    assert changed is not None
    return picture


def a_cover(width: int = 32, height: int = 18, kind: str = "JPEG") -> bytes:
    """The bytes of a picture."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(file, kind)
    return file.getvalue()
