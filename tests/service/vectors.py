"""Signed requests whose signatures others computed, and a second implementation of the signers.

Published: from the vendors' own pages. Recorded: what their SDKs sent to a recorder, with keys
that were made up for it; ``SNAPENGINE_RECORDED`` names the folder, without it
``../shared/recorded`` next to the repository is tried. The signers here are written from the
vendors' pages and share no code with the package: text and ``quote`` where the package has bytes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, quote

from snapengine.service.auth import acs3, rpc_v1, sdk_hmac
from snapengine.service.auth.keys import Key, KeyRing
from snapengine.service.auth.nonces import Nonces
from snapengine.service.auth.wire import SignedRequest

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMES = ("rpc", "acs3", "huawei")
EMPTY = hashlib.sha256(b"").hexdigest()
#: What tests of their own sign with, and when, as each vendor writes it.
KEY = Key("SEkey", "a-secret-of-tests", "project")
NOW = datetime(2026, 11, 21, 9, 9, 58, tzinfo=UTC).timestamp()
ALI_TIME, HUAWEI_TIME = "2026-11-21T09:09:58Z", "20261121T090958Z"


@dataclass(frozen=True)
class Signed:
    """A request with the key that signed it and a time at which it is in time."""

    name: str
    scheme: str
    request: SignedRequest
    key: Key
    now: float


def verify(signed: Signed, request: SignedRequest | None = None, *, nonces: Nonces | None = None,
           key: Key | None = None, now: float | None = None) -> Key:  # fmt: skip
    """The package's verdict; whatever is not given is as in ``signed``."""
    at = signed.now if now is None else now
    asked = signed.request if request is None else request
    ring = KeyRing([signed.key if key is None else key])
    if signed.scheme == "huawei":
        return sdk_hmac.verify(asked, ring, lambda: at)
    memory = Nonces(clock=lambda: at) if nonces is None else nonces
    module = rpc_v1 if signed.scheme == "rpc" else acs3
    return module.verify(asked, ring, memory, lambda: at)


def request_of(
    method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes = b""
) -> SignedRequest:
    """As a server hands it over: names in lower case, everything bytes."""
    path, _, query = target.partition("?")
    lowered = tuple((name.lower().encode(), value.encode()) for name, value in headers)
    return SignedRequest(method, path.encode(), query.encode(), lowered, body)


def time_of(request: SignedRequest) -> float:
    """What the request itself says, whichever scheme it is of."""
    headers = dict(request.headers)
    given = headers.get(b"x-sdk-date") or headers.get(b"x-acs-date")
    if given is None:
        both = request.raw_query.decode() + "&" + request.body.decode()
        given = dict(parse_qsl(both))["Timestamp"].encode()
    digits = re.sub("[^0-9]", "", given.decode())
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()


def scheme_of(request: SignedRequest) -> str:
    said = dict(request.headers).get(b"authorization", b"").decode().partition(" ")[0]
    return {"ACS3-HMAC-SHA256": "acs3", "SDK-HMAC-SHA256": "huawei", "": "rpc"}[said]


def _signed(name: str, request: SignedRequest, id: str, secret: str) -> Signed:
    key = Key(id, secret, "project")
    return Signed(name, scheme_of(request), request, key, time_of(request))


#: Alibaba VOD, "Request signatures": GetVideoPlayAuth.
VOD = _signed(
    "vod",
    request_of("GET", "/?AccessKeyId=testAccessKeyId&Action=GetVideoPlayAuth&Format=JSON"
    "&SignatureMethod=HMAC-SHA1&SignatureNonce=8f8a035d-6496-4268-afd4-67c22837e38d"
    "&SignatureVersion=1.0&Timestamp=2017-10-10T12%3A02%3A54Z&Version=2017-03-21"
    "&VideoId=5aed81b74ba84920be578cdfe004af4b&Signature=Ibgh7y8Vp47LBuAsf5Xhi1SvDss%3D", ()),
    "testAccessKeyId", "testAccessKeySecret",
)  # fmt: skip
#: Alibaba ECS, "Request signatures": DescribeRegions.
ECS = _signed(
    "ecs",
    request_of("GET", "/?SignatureVersion=1.0&Action=DescribeRegions&Format=XML"
    "&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&Version=2014-05-26&AccessKeyId=testid"
    "&Signature=OLeaidS1JvxuMvnyHOwuJ+uX5qY=".replace("+", "%2B") +
    "&SignatureMethod=HMAC-SHA1&Timestamp=2016-02-23T12%3A46%3A24Z", ()),
    "testid", "testsecret",
)  # fmt: skip
#: Alibaba, "V3 request syntax and signature": RunInstances.
RUN_INSTANCES = _signed(
    "run-instances",
    request_of("POST", "/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"
    "&RegionId=cn-shanghai", (
        ("host", "ecs.cn-shanghai.aliyuncs.com"),
        ("x-acs-action", "RunInstances"),
        ("x-acs-content-sha256", EMPTY),
        ("x-acs-date", "2023-10-26T10:22:32Z"),
        ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
        ("x-acs-version", "2014-05-26"),
        ("Authorization", "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;"
         "x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
         "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"),
    )),
    "YourAccessKeyId", "YourAccessKeySecret",
)  # fmt: skip
#: Huawei, "AK/SK signing and authentication algorithm".
VPCS = _signed(
    "vpcs",
    request_of("GET", "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs"
    "?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0", (
        ("Host", "service.region.example.com"),
        ("Content-Type", "application/json"),
        ("X-Sdk-Date", "20191115T033655Z"),
        ("Authorization", "SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, "
         "SignedHeaders=content-type;host;x-sdk-date, "
         "Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"),
    )),
    "QTWAOYTTINDUT2QVKYUC", "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc",
)  # fmt: skip

_ID, _SECRET = "LTAI5tMadeUpKeyId0001", "MadeUpSecret0000000000000000001"
_NEW = (
    ("host", "127.0.0.1:33817"),
    ("x-acs-version", "2017-03-21"),
    ("x-acs-action", "SubmitSnapshotJob"),
    ("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2"),
    ("accept", "application/json"),
    ("x-acs-content-sha256", EMPTY),
    ("x-acs-credentials-provider", "static_ak"),
)
_NEW_SIGNED = (
    "SignedHeaders=accept;host;user-agent;x-acs-action;x-acs-content-sha256;"
    "x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version"
)
#: A blank parameter is signed (the old Python SDK's SignatureType).
BLANK = _signed(
    "blank",
    request_of("POST", "/?VideoId=d3e680e618708efbf2cae7cc93100001"
    "&SpecifiedOffsetTimes=%5B0%2C%201500%2C%209000%5D&Version=2017-03-21"
    "&Action=SubmitSnapshotJob&Format=JSON&RegionId=cn-shanghai"
    "&Timestamp=2026-11-21T09%3A09%3A58Z&SignatureMethod=HMAC-SHA1&SignatureType="
    "&SignatureVersion=1.0&SignatureNonce=8648cc4dcd6bebd3bfa304cc66cd40d1"
    "&AccessKeyId=LTAI5tMadeUpKeyId0001&Signature=ngwsKHhOm%2FnYl4vzImSvpPQfhjY%3D", ()),
    _ID, _SECRET,
)  # fmt: skip
#: Sends ``+`` and raw ``: , * /`` where it signs escapes (the new SDK's asyncio client).
RAW_SIGNS = _signed(
    "raw-signs",
    request_of("POST", "/?SpriteSnapshotConfig=%7B%22CellWidth%22:+120,+%22CellHeight%22:+68,"
    "+%22Columns%22:+3,+%22Lines%22:+10,+%22Padding%22:+20,+%22Margin%22:+50,"
    "+%22KeepCellPic%22:+%22keep%22,+%22Color%22:+%22tomato%22%7D"
    "&UserData=%7B%22a%22:%22x+y*~/%2B%E4%B8%AD%22%7D&VideoId=d3e680e618708efbf2cae7cc93100001", (
        *_NEW,
        ("x-acs-date", "2026-11-21T09:20:13Z"),
        ("x-acs-signature-nonce", "a77619d2b229bf69589c9e0c300dbf24"),
        ("Authorization", f"ACS3-HMAC-SHA256 Credential={_ID},{_NEW_SIGNED},Signature="
         "d3beaca90270264378fa6604ca665c983630d2139609c49ae06e735c2e62867e"),
        ("Content-Type", "application/octet-stream"),
    )),
    _ID, _SECRET,
)  # fmt: skip
#: A body ``{}`` with GET, repeated parameters, a User-Agent that is not signed (Node).
BODY_ON_GET = _signed(
    "body-on-get",
    request_of("GET", "/v1.0/0a1b2c3d4e5f60718293a4b5c6d7e8f9/asset/details"
    "?asset_id=41cff636d5b12a51e7eb2838bbf45201&categories=base_info&categories=thumbnail_info", (
        ("Content-Type", "application/json"),
        ("User-Agent", "huaweicloud-usdk-nodejs/3.0"),
        ("X-Project-Id", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"),
        ("X-Sdk-Date", "20261121T091057Z"),
        ("host", "127.0.0.1:41833"),
        ("Authorization", f"SDK-HMAC-SHA256 Access={_ID}, "
         "SignedHeaders=content-type;host;x-project-id;x-sdk-date, "
         "Signature=62844521213e3625e32aa7b5f877bd80c4e5bc8b58bbc340e321c1a81f54ff50"),
    ), b"{}"),
    _ID, _SECRET,
)  # fmt: skip
#: Temporary keys: a signed X-Security-Token.
TEMPORARY = _signed(
    "temporary",
    request_of("PUT", "/v1.0/p1/asset/cover", (
        ("User-Agent", "huaweicloud-usdk-python/3.0; os/Linux##1_SMP_PREEMPT_DYNAMIC_@0#x86_64 "
         "python/3.11.7 impl/CPython; app/eb005ad3-4a28-4da7-94df-67b2fc673a4d"),
        ("Content-Type", "application/json"),
        ("X-Project-Id", "p1"),
        ("X-Security-Token", "MadeUpToken"),
        ("X-Sdk-Date", "20261121T092013Z"),
        ("Host", "127.0.0.1:33817"),
        ("Authorization", f"SDK-HMAC-SHA256 Access={_ID}, SignedHeaders=content-type;host;"
         "user-agent;x-project-id;x-sdk-date;x-security-token, "
         "Signature=dcc3ad8b2507991e811fab9f228d1491c500ab809bd693dfef9d3557ef4f3b2d"),
    ), b'{"thumbnailUrl": "u"}'),
    _ID, _SECRET,
)  # fmt: skip

PUBLISHED = (VOD, ECS, RUN_INSTANCES, VPCS)
CAPTURED = (BLANK, RAW_SIGNS, BODY_ON_GET, TEMPORARY)


def recorded_folder() -> Path:
    named = os.environ.get("SNAPENGINE_RECORDED")
    return Path(named) if named else ROOT.parent / "shared" / "recorded"


def recorded_files() -> list[Path]:
    folder = recorded_folder()
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def recorded(path: Path) -> list[Signed]:
    """The requests of one recording."""
    told = json.loads(path.read_text(encoding="utf-8"))
    id, secret = told["keys"]["AccessKeyId/AK"], told["keys"]["AccessKeySecret/SK"]
    return [
        _signed(
            path.stem,
            request_of(r["method"], r["target"], [(n, v) for n, v in r["headers"]],
                       r["body"].encode()),
            id, secret,
        )
        for r in told["requests"]
    ]  # fmt: skip


# The second implementation. Parameters are text; what is sent is spelled by the caller.


def enc(text: str) -> str:
    return quote(text, safe="-_.~")


def sign_rpc(key: Key, method: str, parameters: Mapping[str, str]) -> str:
    """The value of ``Signature``."""
    joined = "&".join(f"{enc(k)}={enc(v)}" for k, v in sorted(parameters.items()))
    text = f"{method}&%2F&{enc(joined)}"
    mac = hmac.new((key.secret + "&").encode(), text.encode(), "sha1")
    return base64.b64encode(mac.digest()).decode()


def sign_acs3(
    key: Key, method: str, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]
) -> str:
    """The value of ``Authorization``; ``headers``: those to sign, with the body's digest."""
    names = sorted(headers)
    canonical = "\n".join((
        method, path, "&".join(f"{enc(k)}={enc(v)}" for k, v in sorted(query)),
        "".join(f"{n}:{headers[n].strip()}\n" for n in names), ";".join(names),
        headers["x-acs-content-sha256"],
    ))  # fmt: skip
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    mac = hmac.new(key.secret.encode(), text.encode(), "sha256").hexdigest()
    return f"ACS3-HMAC-SHA256 Credential={key.id},SignedHeaders={';'.join(names)},Signature={mac}"


def sign_huawei(key: Key, method: str, path: str, query: Sequence[tuple[str, str]],
                headers: Mapping[str, str], body: bytes) -> str:  # fmt: skip
    """The value of ``Authorization``; ``path`` without escapes, ``headers``: those to sign."""
    names = sorted(headers)
    digest = headers.get("x-sdk-content-sha256") or hashlib.sha256(body).hexdigest()
    canonical = "\n".join((
        method, "/".join(enc(s) for s in path.split("/")) + ("" if path.endswith("/") else "/"),
        "&".join(f"{enc(k)}={enc(v)}" for k, v in sorted(query)),
        "".join(f"{n}:{headers[n].strip()}\n" for n in names), ";".join(names), digest,
    ))  # fmt: skip
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"SDK-HMAC-SHA256\n{headers['x-sdk-date']}\n{hashed}"
    mac = hmac.new(key.secret.encode(), text.encode(), "sha256").hexdigest()
    return f"SDK-HMAC-SHA256 Access={key.id}, SignedHeaders={';'.join(names)}, Signature={mac}"
