"""Whatever is asked of the whole application: an answer below 500, in a form of its own."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from snapengine.service.facade import Service
from snapengine.service.web.app import make_app
from snapengine.service.web.tickets import upload_tickets
from tests.service.web_kit import TENANT, add_asset, add_picture, make_service

EXAMPLES = 250


class Heard(logging.Handler):
    """Keeps what the last resort tells."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("random")
    with contextlib.closing(make_service(folder, max_upload_bytes=10_000)) as service:
        yield service


@pytest.fixture(scope="module")
def places(service: Service) -> list[str]:
    """Paths where something is."""
    asset = add_asset(service)
    picture = add_picture(service, asset, "{asset}/{job}/x-00001.jpg", b"x" * 300)
    tickets = upload_tickets(service)
    tokens = [tickets.issue(TENANT, asset.id, what, 9999).token for what in ("video", "cover")]
    return [
        "/", "/healthz", f"/files/{picture.path}", f"/upload/video/{asset.id}/a.mp4",
        f"/cover/{asset.id}/a.jpg", "/files/", "/v1.0/", f"/v1.0/{TENANT}/asset/details",
        "/v3/auth/tokens", f"/v1/{TENANT}/asset/thumbnails", *(f"/upload/{t}/a" for t in tokens),
    ]  # fmt: skip


METHOD = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "Q"])
NAMES = [
    b"range", b"if-range", b"if-none-match", b"if-match", b"if-modified-since", b"content-type",
    b"content-length", b"content-md5", b"authorization", b"x-oss-security-token", b"x-oss-date",
    b"date", b"x-auth-token", b"x-sdk-date", b"x-acs-action", b"x-acs-version", b"host",
    b"x-oss-content-sha256", b"expect", b"origin",
]  # fmt: skip
VALUES = [
    b"bytes=0-5", b"bytes=-3", b"bytes=900-", b"*", b'"a", W/"b"', b"application/json",
    b"application/x-www-form-urlencoded", b"text/xml", b"5", b"0", b"-1", b"99999999999999999999",
    b"OSS a:b", b"OSS4-HMAC-SHA256 Credential=a/20261121/cn/oss/aliyun_v4_request,Signature=b",
    b"SDK-HMAC-SHA256 Access=a, SignedHeaders=host;x-sdk-date, Signature=b",
    b"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=b", b"SubmitSnapshotJob",
    b"2017-03-21", b"Sat, 21 Nov 2026 09:08:07 GMT", b"20261121T090807Z", b"100-continue",
]  # fmt: skip
HEADERS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.binary(max_size=30)), max_size=6
)
QUERY = st.binary(max_size=40) | st.sampled_from(
    [b"uploads", b"uploadId=x&partNumber=1", b"Action=GetVideoInfo&Signature=x&Format=XML",
     b"expires=1&sign=" + b"0" * 64, b"Signature=x&Expires=99999999999&OSSAccessKeyId=a",
     b"%ff=%zz&a&a=1&=2", b"asset_id=1&offset=-1"]
)  # fmt: skip
BODY = st.binary(max_size=60) | st.sampled_from(
    [b"{}", b"[]", b"null", b"{" * 500, b'{"asset_id":' + b"[" * 2000, b"<a/>", b"Action=ListAIJob"]
)


@settings(max_examples=EXAMPLES)
@given(st.data(), METHOD, QUERY, HEADERS, BODY)
def test_any_request_is_answered(
    service: Service,
    places: list[str],
    data: st.DataObject,
    method: str,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    path = data.draw(st.sampled_from(places) | st.text(max_size=20).map(lambda text: f"/{text}"))
    path += data.draw(st.sampled_from(["", "", "/", "/../x", "%2f", "\0", "//a"]))
    raw = data.draw(st.sampled_from([path.encode("utf-8", "replace"), None]))
    heard = Heard()
    logging.getLogger("snapengine").addHandler(heard)
    try:
        status, answered, content = ask(
            make_app(service, service.dialects.values()), method, path, raw, query, headers, body
        )
    finally:
        logging.getLogger("snapengine").removeHandler(heard)
    assert status < 500, content
    assert heard.records == []
    kind = answered.get(b"content-type", b"").partition(b";")[0]
    if method == "HEAD" or not content:
        return
    if kind == b"application/json":
        json.loads(content)
    elif kind in (b"application/xml", b"text/xml"):
        ElementTree.fromstring(content)
    else:
        assert kind == b"image/jpeg"


def ask(
    app: Starlette,
    method: str,
    path: str,
    raw: bytes | None,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the answer, within ten seconds."""
    sent: list[Any] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": raw, "query_string": query, "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 9), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip

    def once() -> Callable[[], Any]:
        left = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return left.pop() if left else {"type": "http.disconnect"}

        return receive

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        with anyio.fail_after(10):
            await app(scope, once(), send)

    anyio.run(run)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), content
