"""Calls of Alibaba's dialect as clients send them, signed by code of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from snapengine.service.auth.wire import SignedRequest
from snapengine.service.dialects.aliyun import AliyunDialect
from snapengine.service.dialects.aliyun.replies import Answer
from snapengine.service.facade import Service
from snapengine.service.settings import Settings

AK, SK, PROJECT = "LTAItestKey1", "SecretOfTheFirstKey", "projectone"
AK2, SK2, PROJECT2 = "LTAItestKey2", "SecretOfTheSecondKey", "projecttwo"
KEYS = f"{AK}:{SK}:{PROJECT},{AK2}:{SK2}:{PROJECT2}"
SECRETS = {AK: SK, AK2: SK2}
HOST = "127.0.0.1:8080"
BASE = f"http://{HOST}"
VERSION = "2017-03-21"

_UUID = re.compile(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")
_count = itertools.count()

Given = Mapping[str, str | bytes]


def enc(value: str | bytes) -> str:
    return quote(value, safe="-_.~")


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nonce() -> str:
    return f"nonce-{next(_count)}-{id(_count)}"


def query(given: Given) -> str:
    return "&".join(f"{enc(k)}={enc(v)}" for k, v in given.items())


def rpc(
    action: str | None,
    given: Given | None = None,
    *,
    method: str = "POST",
    in_body: bool = False,
    ak: str = AK,
    sk: str | None = None,
    common: Mapping[str, str | None] | None = None,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> SignedRequest:
    """A call signed by v1. ``common``: other common parameters, ``None`` leaves one out."""
    all_given: dict[str, str | bytes] = {
        "AccessKeyId": ak,
        "Version": VERSION,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureType": "",
        "SignatureNonce": nonce(),
        "Timestamp": stamp(),
        "Format": "JSON",
        **(given or {}),
    }
    if action is not None:
        all_given["Action"] = action
    for name, value in (common or {}).items():
        if value is None:
            all_given.pop(name, None)
        else:
            all_given[name] = value
    if (common or {}).get("Signature", "") is not None:
        pairs = sorted(
            ((k.encode(), v if isinstance(v, bytes) else v.encode()) for k, v in all_given.items())
        )
        canonical = "&".join(f"{enc(k)}={enc(v)}" for k, v in pairs if k != b"Signature")
        text = f"{method}&%2F&{enc(canonical)}"
        secret = f"{SECRETS.get(ak, 'x') if sk is None else sk}&"
        mac = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
        all_given.setdefault("Signature", base64.b64encode(mac).decode())
    sent = query(all_given)
    kind = (b"content-type", b"application/x-www-form-urlencoded")
    return SignedRequest(
        method=method,
        raw_path=b"/",
        raw_query=b"" if in_body else sent.encode(),
        headers=((b"host", HOST.encode()), *((kind,) if in_body else ()), *headers),
        body=sent.encode() if in_body else b"",
    )


def acs3(
    action: str,
    given: Given | None = None,
    *,
    ak: str = AK,
    sk: str | None = None,
    version: str = VERSION,
    body: bytes = b"",
    more: Mapping[str, str] | None = None,
) -> SignedRequest:
    """A call signed by ACS3-HMAC-SHA256."""
    signed = {
        "host": HOST,
        "x-acs-action": action,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-acs-date": stamp(),
        "x-acs-signature-nonce": nonce(),
        "x-acs-version": version,
        **(more or {}),
    }
    names = sorted(signed)
    pairs = sorted(
        (k.encode(), v if isinstance(v, bytes) else v.encode()) for k, v in (given or {}).items()
    )
    canonical = "&".join(f"{enc(k)}={enc(v)}" for k, v in pairs)
    lines = "".join(f"{name}:{signed[name]}\n" for name in names)
    request = "\n".join(
        ("POST", "/", canonical, lines, ";".join(names), signed["x-acs-content-sha256"])
    )
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    secret = SECRETS.get(ak, "x") if sk is None else sk
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    authorization = (
        f"ACS3-HMAC-SHA256 Credential={ak},SignedHeaders={';'.join(names)},Signature={mac}"
    )
    headers = [(name.encode(), value.encode()) for name, value in signed.items()]
    return SignedRequest(
        method="POST",
        raw_path=b"/",
        raw_query=canonical.encode(),
        headers=(*headers, (b"authorization", authorization.encode())),
        body=body,
    )


@dataclass
class Said:
    """An answer, looked at."""

    answer: Answer
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def code(self) -> str | None:
        return self.body.get("Code")

    @property
    def fault(self) -> tuple[int, str, str]:
        return self.status, self.body["Code"], self.body["Message"]


def look(answer: Answer) -> Said:
    """Read an answer; it must be well-formed, whatever it says."""
    if answer.content_type == "application/json;charset=utf-8":
        body = json.loads(answer.body)
    else:
        assert answer.content_type == "text/xml;charset=utf-8"
        root = ElementTree.fromstring(answer.body)
        body = {each.tag: each.text or "" for each in root}
        assert answer.status == 200 or root.tag == "Error"
    assert _UUID.fullmatch(body["RequestId"])
    assert answer.headers["x-acs-request-id"] == body["RequestId"]
    if answer.status != 200:
        assert set(body) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", body["Code"])
    else:
        assert "Code" not in body
    return Said(answer, body)


class Desk:
    """The dialect of a service that does no jobs: what is asked for stays in its queue."""

    def __init__(self, service: Service) -> None:
        self.service = service
        dialect = service.dialects["aliyun"]
        assert isinstance(dialect, AliyunDialect)
        self.dialect = dialect

    def send(self, request: SignedRequest) -> Said:
        return look(self.dialect.answer(request, BASE))

    def call(self, action: str, given: Given | None = None, ak: str = AK) -> Said:
        return self.send(rpc(action, given, ak=ak))

    def ok(self, action: str, **given: str) -> dict[str, Any]:
        said = self.call(action, given)
        assert said.status == 200, said.body
        return said.body

    def fault(self, action: str, **given: str) -> tuple[int, str, str]:
        said = self.call(action, given)
        assert said.status != 200, said.body
        return said.fault


def make_service(folder: Path, **more: Any) -> Service:
    roots = (str(folder),)
    given: dict[str, Any] = {"media_roots": roots, "workers": 0, "allow_private": True, **more}
    return Service(Settings(data=str(folder / "data"), keys=KEYS, **given))
