"""Uploads: the vendor's own SDK sends files here, and so does a plain PUT."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gc
import hashlib
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from snapengine.errors import StoreError
from snapengine.service.domain.failures import UploadRefused
from snapengine.service.domain.records import Asset
from snapengine.service.facade import Service
from snapengine.service.web import uploads
from snapengine.service.web.app import make_app
from snapengine.service.web.tickets import (
    OssUpload,
    Ticket,
    UploadWhat,
    oss_upload,
    upload_tickets,
    upload_url,
)
from tests.service.web_kit import TENANT, a_cover, add_asset, client, exchange, make_service, served

with warnings.catch_warnings():  # it escapes what needs no escape, and imports what is old
    warnings.simplefilter("ignore")
    import oss2
    import oss2.auth

pytestmark = [
    pytest.mark.usefixtures("no_leftovers", "settled"),
    pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning"),
]

VIDEO = bytes(range(256)) * 2000


class Site:
    """A service that is served, and what it hands out."""

    def __init__(self, service: Service, base: str, http: httpx.Client) -> None:
        self.service = service
        self.base = base
        self.http = http
        self.tickets = upload_tickets(service)
        self.asset = add_asset(service)

    def ticket(self, what: UploadWhat = "video", seconds: int = 600, **more: Any) -> Ticket:
        tenant, asset = more.get("tenant", TENANT), more.get("asset", self.asset)
        return self.tickets.issue(tenant, asset.id, what, seconds)

    def url(self, what: UploadWhat = "video", seconds: int = 600, **more: Any) -> str:
        return upload_url(self.base, self.ticket(what, seconds, **more), "my film.mp4")

    def oss(self, ticket: Ticket | None = None) -> OssUpload:
        return oss_upload(self.base, self.tickets, ticket or self.ticket(), "my film.mp4")

    def arrived(self, asset: Asset | None = None) -> bytes:
        """The video that has come."""
        found = self.service.asset(TENANT, (asset or self.asset).id)
        assert found.status == "arrived"
        assert found.source is not None
        return Path(found.source).read_bytes()

    def left(self) -> list[str]:
        """Files that are still on their way."""
        folder = self.service.uploads / "tmp"
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def site_with(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> Site:
            service = stack.enter_context(make_service(tmp_path, **settings))
            base = stack.enter_context(served(make_app(service, [])))
            return Site(service, base, stack.enter_context(client(base)))

        yield make
    gc.collect()  # the SDK leaves connections to it whose answers it did not read


@pytest.fixture
def site(site_with: Callable[..., Site]) -> Site:
    return site_with()


@contextlib.contextmanager
def bucket(found: OssUpload, kind: str = "v1", **more: Any) -> Iterator[oss2.Bucket]:
    """The SDK as a program of a user's makes it of what the cloud hands out."""
    auth = oss2.StsAuth(
        found.access_key_id, found.access_key_secret, found.security_token, auth_version=kind
    )
    session = oss2.Session()
    session.session.trust_env = False  # a proxy would be asked for this machine
    more = {"region": "cn-shanghai", **more} if kind == "v4" else more
    yield oss2.Bucket(auth, found.endpoint, found.bucket, session=session, **more)
    session.session.close()


def code(answer: httpx.Response) -> tuple[int, str]:
    found = re.search(r"<Code>(\w+)</Code>", answer.text)
    assert found, answer.text
    assert answer.headers["content-type"] == "application/xml"
    assert "<RequestId>" in answer.text
    return answer.status_code, found[1]


# -- OSS, by its own SDK --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["v1", "v4"])
def test_the_sdk_puts_an_object(site: Site, kind: str) -> None:
    found = site.oss()
    with bucket(found, kind) as there:
        result = there.put_object(found.object_name, VIDEO, headers={"x-oss-meta-a": "b  c"})
    assert result.status == 200
    assert result.etag == hashlib.md5(VIDEO).hexdigest().upper()
    assert site.arrived() == VIDEO
    assert site.left() == []


@pytest.mark.parametrize("kind", ["v1", "v4"])
def test_the_sdk_uploads_in_parts(site: Site, kind: str, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(VIDEO)
    found = site.oss()
    with bucket(found, kind) as there:
        result = oss2.resumable_upload(
            there, found.object_name, str(film), multipart_threshold=100 << 10,
            part_size=100 << 10, num_threads=3, store=oss2.ResumableStore(str(tmp_path)),
        )  # fmt: skip
    digests = b"".join(
        hashlib.md5(VIDEO[i : i + (100 << 10)]).digest() for i in range(0, len(VIDEO), 100 << 10)
    )
    assert result.etag == f"{hashlib.md5(digests).hexdigest().upper()}-5"
    assert site.arrived() == VIDEO
    assert site.left() == []


def test_parts_by_hand_replaced_listed_and_aborted(site: Site) -> None:
    found = site.oss()
    with bucket(found) as there:
        first = there.init_multipart_upload(found.object_name).upload_id
        second = there.init_multipart_upload(found.object_name).upload_id
        there.upload_part(found.object_name, first, 2, b"two")
        there.upload_part(found.object_name, first, 1, b"wrong")
        there.upload_part(found.object_name, first, 1, b"one,")
        parts = there.list_parts(found.object_name, first).parts
        assert [(p.part_number, p.size) for p in parts] == [(1, 4), (2, 3)]
        some = there.list_parts(found.object_name, first, marker="1", max_parts=1)
        assert [p.part_number for p in some.parts] == [2]
        assert not some.is_truncated
        there.upload_part(found.object_name, second, 1, b"given up")
        there.abort_multipart_upload(found.object_name, second)
        with pytest.raises(oss2.exceptions.NoSuchUpload):
            there.upload_part(found.object_name, second, 2, b"x")
        there.complete_multipart_upload(found.object_name, first, parts)
        with pytest.raises(oss2.exceptions.OssError) as caught:
            there.complete_multipart_upload(found.object_name, first, parts)
        assert caught.value.status == 409
    assert site.arrived() == b"one,two"
    assert site.left() == []


def test_parts_that_did_not_come_like_that(site: Site) -> None:
    found = site.oss()
    info = oss2.models.PartInfo
    with bucket(found) as there:
        id = there.init_multipart_upload(found.object_name).upload_id
        etag = there.upload_part(found.object_name, id, 1, b"one").etag
        there.upload_part(found.object_name, id, 2, b"two")
        for parts, name in [
            ([info(1, "0" * 32)], "InvalidPart"),
            ([info(1, etag), info(3, etag)], "InvalidPart"),
            ([info(1, "../../x")], "InvalidPart"),
        ]:
            with pytest.raises(oss2.exceptions.OssError) as caught:
                there.complete_multipart_upload(found.object_name, id, parts)
            assert (caught.value.status, caught.value.code) == (400, name)
        for number in (0, 10001, -1):
            with pytest.raises(oss2.exceptions.OssError) as caught:
                there.upload_part(found.object_name, id, number, b"x")
            assert caught.value.code == "InvalidArgument"
        for strange in ("../" * 8, "0" * 32, "x", "%00"):
            with pytest.raises(oss2.exceptions.NoSuchUpload):
                there.upload_part(found.object_name, strange, 1, b"x")
        assert there.complete_multipart_upload(found.object_name, id, [info(1, etag)]).status == 200
    assert site.arrived() == b"one"


def test_a_signed_url_of_the_sdk(site: Site) -> None:
    found = site.oss()
    with bucket(found) as there:
        url = there.sign_url("PUT", found.object_name, 60, slash_safe=True)
        late = there.sign_url("PUT", found.object_name, -1, slash_safe=True)
    assert code(site.http.put(late, content=VIDEO)) == (403, "AccessDenied")
    assert code(site.http.put(url + "x", content=VIDEO)) == (403, "SignatureDoesNotMatch")
    assert site.http.put(url, content=VIDEO).status_code == 200
    assert site.arrived() == VIDEO


def test_a_cover_goes_the_same_way(site: Site) -> None:
    found = site.oss(site.ticket("cover"))
    assert "/cover/" in f"/{found.object_name}"
    data = a_cover()
    with bucket(found) as there:
        assert there.put_object(found.object_name, data).status == 200
        with pytest.raises(oss2.exceptions.OssError) as caught:
            there.put_object(found.object_name, b"no picture")
        assert caught.value.status == 400
        with pytest.raises(oss2.exceptions.OssError) as caught:
            there.put_object(found.object_name, b"x" * (1 << 20) + b"y")
        assert caught.value.code == "EntityTooLarge"
    picture = site.service.cover_picture(site.service.asset(TENANT, site.asset.id))
    assert picture is not None
    assert site.http.get(f"/files/{picture.path}").content == data
    assert site.service.asset(TENANT, site.asset.id).status == "awaited"  # its video is not here
    assert site.left() == []


def test_a_host_name_gets_the_bucket_before_it(site: Site) -> None:
    """What SDKs do with endpoints that are no IP address; here the name is not looked up."""
    base = "http://videos.test"
    found = oss_upload(base, site.tickets, site.ticket(), "a.mp4")
    with bucket(found) as there:
        url = there.sign_url("PUT", found.object_name, 60, slash_safe=True)
    assert url.startswith("http://upload.videos.test/video/")
    here = url.replace("http://upload.videos.test", site.base)
    elsewhere = site.http.put(here, content=VIDEO, headers={"host": "other.videos.test"})
    assert code(elsewhere) == (404, "NoSuchBucket")
    answer = site.http.put(here, content=VIDEO, headers={"host": "upload.videos.test"})
    assert answer.status_code == 200
    assert site.arrived() == VIDEO


@pytest.mark.parametrize("prefix", ["/vod", "/vod/x-y"])
def test_mounted_in_another_application(tmp_path: Path, prefix: str) -> None:
    with make_service(tmp_path) as service:
        app = Starlette(routes=[Mount(prefix, make_app(service, []))])
        with served(app) as base, client(base) as http:
            site = Site(service, base + prefix, http)
            found = site.oss()
            assert found.endpoint == base
            with bucket(found) as there:
                assert there.put_object(found.object_name, VIDEO).status == 200
            assert site.arrived() == VIDEO
            other = add_asset(service)
            assert http.put(site.url(asset=other), content=b"x").status_code == 200
        gc.collect()


def test_a_prefix_that_no_bucket_can_have_is_told(site: Site) -> None:
    with pytest.raises(UploadRefused, match="'A_b'"):
        oss_upload("http://h/A_b", site.tickets, site.ticket(), "a.mp4")


def test_what_a_temporary_key_is_not_for(site: Site) -> None:
    found = site.oss()
    other = add_asset(site.service)
    theirs = found.object_name.replace(site.asset.id, other.id)
    cover = found.object_name.replace("video/", "cover/")
    changed = [
        (dataclasses.replace(found, access_key_secret="x" * 40), "SignatureDoesNotMatch"),
        (dataclasses.replace(found, access_key_id="STS.X"), "InvalidAccessKeyId"),
        (dataclasses.replace(found, security_token=found.security_token + "0"),
         "InvalidSecurityToken"),
    ]  # fmt: skip
    for kind in ("v1", "v4"):
        with bucket(found, kind) as there:
            for name in (theirs, cover):
                with pytest.raises(oss2.exceptions.OssError) as caught:
                    there.put_object(name, b"x")
                assert (caught.value.status, caught.value.code) == (403, "AccessDenied")
            for call in (
                lambda: there.get_object(found.object_name),
                lambda: there.delete_object(found.object_name),
                lambda: there.append_object(found.object_name, 0, b"x"),
                lambda: there.put_object_acl(found.object_name, "public-read"),
            ):
                with pytest.raises(oss2.exceptions.OssError) as caught:
                    call()
                assert caught.value.status == 501
        for wrong, name in changed:
            with bucket(wrong, kind) as there, pytest.raises(oss2.exceptions.OssError) as caught:
                there.put_object(found.object_name, b"x")
            assert (caught.value.status, caught.value.code) == (403, name)
    late = site.oss(site.ticket(seconds=-1))
    with bucket(late) as there, pytest.raises(oss2.exceptions.OssError) as caught:
        there.put_object(late.object_name, b"x")
    assert caught.value.code == "SecurityTokenExpired"
    assert site.service.asset(TENANT, site.asset.id).status == "awaited"
    assert site.left() == []


# -- plain ----------------------------------------------------------------------------------


def test_a_plain_put_takes_a_video(site: Site) -> None:
    answer = site.http.put(site.url(), content=VIDEO, headers={"content-type": "video/mp4"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["etag"] == f'"{hashlib.md5(VIDEO).hexdigest().upper()}"'
    assert site.arrived() == VIDEO
    again = site.http.put(site.url(), content=b"other")
    assert code(again) == (409, "FileAlreadyExists")
    assert site.arrived() == VIDEO


def test_a_video_larger_than_what_is_collected(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_PIECE", 1000)
    chunked = (VIDEO[i : i + 777] for i in range(0, len(VIDEO), 777))
    assert site.http.put(site.url(), content=chunked).status_code == 200
    assert site.arrived() == VIDEO


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), StoreError("full")])
def test_a_full_disk_is_told_in_the_stores_words(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(site.service, "receive_upload", full)
        answer = site.http.put(site.url(), content=VIDEO)
    assert code(answer) == (503, "ServiceUnavailable")
    assert b"No space" not in answer.content
    assert site.http.put(site.url(), content=VIDEO).status_code == 200


def test_a_cover_is_checked(site: Site) -> None:
    url = site.url("cover")
    for data in (a_cover(), a_cover(kind="PNG"), a_cover(1920, 1080)):
        assert site.http.put(url, content=data).status_code == 200
        picture = site.service.cover_picture(site.service.asset(TENANT, site.asset.id))
        assert picture is not None
        assert site.http.get(f"/files/{picture.path}").content == data
    for data in (b"", b"GIF89a", a_cover(kind="GIF"), a_cover(1921, 1080), a_cover()[:-200]):
        assert code(site.http.put(url, content=data)) == (400, "InvalidArgument")
    assert site.left() == []


def test_digests_are_checked(site: Site) -> None:
    right = base64.b64encode(hashlib.md5(VIDEO).digest()).decode()
    wrong = base64.b64encode(bytes(16)).decode()
    for field in (wrong, "x", right[:-4], "", right + "!"):
        answer = site.http.put(site.url(), content=VIDEO, headers={"content-md5": field})
        assert code(answer) == (400, "InvalidDigest")
    assert site.left() == []
    assert site.http.put(site.url(), content=VIDEO, headers={"content-md5": right}).is_success


def test_more_than_is_allowed(site_with: Callable[..., Site]) -> None:
    site = site_with(max_upload_bytes=1000)
    for body in (VIDEO[:1001], iter([VIDEO[:600], VIDEO[:401]])):
        answer = site.http.put(site.url(), content=body)
        assert code(answer) == (400, "EntityTooLarge")
    found = site.oss()
    with bucket(found) as there:
        id = there.init_multipart_upload(found.object_name).upload_id
        there.upload_part(found.object_name, id, 1, b"x" * 600)
        with pytest.raises(oss2.exceptions.OssError) as caught:
            there.upload_part(found.object_name, id, 2, b"x" * 401)
        assert caught.value.code == "EntityTooLarge"
        there.upload_part(found.object_name, id, 1, b"x" * 700)  # in place of the first
        there.upload_part(found.object_name, id, 2, b"x" * 300)
        there.abort_multipart_upload(found.object_name, id)
    assert site.left() == []
    assert site.http.put(site.url(), content=VIDEO[:1000]).is_success


def test_tokens_that_do_not_hold(site: Site) -> None:
    url = site.url()
    token = url.split("/")[-2]
    deleted = add_asset(site.service)
    late = site.url(asset=deleted)
    site.service.delete(TENANT, deleted.id, deleted.via)
    strangers = site.url(tenant="someone-else")
    assert code(site.http.put(late, content=b"x")) == (404, "NoSuchKey")
    assert code(site.http.put(strangers, content=b"x")) == (404, "NoSuchKey")
    assert code(site.http.put(site.url(seconds=0), content=b"x")) == (403, "AccessDenied")
    for wrong in (
        token[:-1],
        token + "0",
        token.upper(),
        "x",
        "%00",
        "a" * 3000,
        "se1.e30." + "0" * 64,
    ):
        assert code(site.http.put(url.replace(token, wrong), content=b"x")) == (403, "AccessDenied")
    for method in ("GET", "POST", "DELETE"):
        assert site.http.request(method, url).status_code == 405
    assert site.service.asset(TENANT, site.asset.id).status == "awaited"


def test_a_connection_that_breaks_off_leaves_nothing(site: Site) -> None:
    path = site.url().removeprefix(site.base)
    head = f"PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n".encode()
    assert exchange(site.base, head + VIDEO[:300000], end=True) == b""
    chunked = f"PUT {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = exchange(site.base, chunked + b"5\r\nabcde\r\nzz\r\n")
    assert answer == b"" or b" 400 " in answer.partition(b"\r\n")[0]
    assert site.http.put(site.url(), content=VIDEO).is_success  # and by now both are cleared up
    assert site.left() == []
    assert site.arrived() == VIDEO


def test_a_body_that_trickles_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PATIENCE", 0.2)
    path = site.url().removeprefix(site.base)
    head = f"PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\nConnection: close\r\n\r\nabc"
    answer = exchange(site.base, head.encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>RequestTimeout</Code>" in answer
    assert site.left() == []


def test_of_two_at_once_one_wins(site: Site) -> None:
    """Both pass the first look and send to their end; then one is taken, the other refused."""
    path = site.url().removeprefix(site.base)
    host, port = site.base.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(2):
            sock = stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
            head = f"PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
            sock.sendall(head.encode() + b"Expect: 100-continue\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 100 ")  # its body is being read
            socks.append(sock)
        for sock, body in zip(socks, (b"aa", b"bb"), strict=True):
            sock.sendall(body)
        answers = [sock.recv(65536).split(b" ")[1] for sock in socks]
    assert sorted(answers) == [b"200", b"409"]
    assert site.arrived() == (b"aa" if answers[0] == b"200" else b"bb")
    assert site.left() == []


def test_browsers_may_upload(site: Site) -> None:
    for url in (site.url(), f"{site.base}/upload/video/{site.asset.id}/a.mp4"):
        asked = site.http.options(url, headers={"origin": "https://page"})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == "*"
        assert "PUT" in asked.headers["access-control-allow-methods"]
    answer = site.http.put(site.url(), content=b"x", headers={"origin": "https://page"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "ETag" in answer.headers["access-control-expose-headers"]
