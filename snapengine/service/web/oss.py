"""OSS on the wire, as far as an upload goes: signatures V1 and V4, and its XML.

Source: Alibaba Cloud OSS API reference, "Include signatures in the Authorization header", V1 and
V4, "Signed URLs" (V1), "PutObject", "Multipart upload"; the sub-resources are those that its SDKs
sign and that an upload can have.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ..auth.clock import TOLERANCE, Clock
from ..auth.failures import AuthFailure
from ..auth.wire import Pairs, SignedRequest, canonical_path, canonical_query
from ..domain.failures import UploadRefused
from .tickets import Ticket, UploadTickets

__all__ = ["OssError", "parts_of", "verify", "xml"]

_V4: Final = b"OSS4-HMAC-SHA256"
_SIGNED_QUERY: Final = frozenset(
    {
        b"acl", b"append", b"callback", b"callback-var", b"objectMeta", b"partNumber", b"position",
        b"response-content-type", b"security-token", b"sequential", b"symlink", b"tagging",
        b"uploadId", b"uploads", b"x-oss-process", b"x-oss-request-payer", b"x-oss-traffic-limit",
    }
)  # fmt: skip
_STAMP: Final = re.compile(rb"([0-9]{8})T[0-9]{6}Z")
_CREDENTIAL: Final = re.compile(
    rb"(?P<id>[^/]{1,128})/(?P<date>[0-9]{8})/(?P<region>[a-z0-9-]{0,64})"
    rb"/(?P<product>[a-z0-9-]{1,64})/aliyun_v4_request"
)
#: What no XML may hold, however it is escaped.
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: As many parts as OSS allows.
_MOST_PARTS: Final = 10_000


class OssError(Exception):
    """An answer in OSS's own words: a status, a code of its documents, and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def verify(
    request: SignedRequest, resource: bytes, tickets: UploadTickets, clock: Clock = time.time
) -> Ticket:
    """The ticket whose temporary key signed the request.

    ``resource`` is ``/bucket/object`` as the client knows it, decoded. The body is not signed, and
    not looked at. Raises :class:`OssError`.
    """
    try:
        query = dict(request.query())
        sent = request.header(b"authorization") or b""
        if sent.startswith(_V4 + b" "):
            return _v4(request, resource, sent, tickets, clock)
        if sent.startswith(b"OSS "):
            id, _, signature = sent[4:].strip().partition(b":")
            token = request.header(b"x-oss-security-token")
            date = request.header(b"x-oss-date") or request.header(b"date") or b""
            _near(_http_date(date), clock())
        elif b"Signature" in query:
            id, signature = query.get(b"OSSAccessKeyId", b""), query[b"Signature"]
            token = query.get(b"security-token") or request.header(b"x-oss-security-token")
            date = query.get(b"Expires", b"")
            if not re.fullmatch(rb"[0-9]{1,12}", date) or int(date) < clock():
                raise OssError(403, "AccessDenied", "Request has expired.")
        else:
            raise OssError(403, "AccessDenied", "The request is not signed.")
        ticket, secret = _secret(id, token, tickets)
        text = _text_v1(request, resource, query, date)
    except AuthFailure as failure:
        raise OssError(400, "InvalidArgument", failure.message) from failure
    mac = hmac.digest(secret.encode(), text, hashlib.sha1)
    if not hmac.compare_digest(base64.b64encode(mac), signature):
        raise _mismatch()
    return ticket


def _text_v1(
    request: SignedRequest, resource: bytes, query: Mapping[bytes, bytes], date: bytes
) -> bytes:
    named = sorted((name, value) for name, value in query.items() if name in _SIGNED_QUERY)
    parts = [name + b"=" + value if value else name for name, value in named]
    lines = [
        request.method.encode(),
        request.header(b"content-md5") or b"",
        request.header(b"content-type") or b"",
        date,
        *(name + b":" + value for name, value in _vendor_headers(request)),
        resource + (b"?" + b"&".join(parts) if parts else b""),
    ]
    return b"\n".join(lines)


def _v4(
    request: SignedRequest, resource: bytes, sent: bytes, tickets: UploadTickets, clock: Clock
) -> Ticket:
    given = dict(_named(part) for part in sent[len(_V4) :].split(b","))
    scope = _CREDENTIAL.fullmatch(given.get(b"Credential", b""))
    stamp = request.header(b"x-oss-date") or b""
    found = _STAMP.fullmatch(stamp)
    if scope is None or found is None or found[1] != scope["date"]:
        raise OssError(400, "InvalidArgument", "The Authorization header cannot be read.")
    try:
        moment = datetime.strptime(stamp.decode(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        moment = None
    _near(moment, clock())
    ticket, secret = _secret(scope["id"], request.header(b"x-oss-security-token"), tickets)

    extra = [name for name in given.get(b"AdditionalHeaders", b"").lower().split(b";") if name]
    usual = [b"content-md5", b"content-type"]
    others = [(n, v) for n in {*usual, *extra} if (v := request.header(n)) is not None]
    signed = sorted({*_vendor_headers(request), *others})
    canonical = b"\n".join(
        [
            request.method.encode(),
            canonical_path(_escaped(resource)).encode(),
            _query_v4(request.query()),
            b"".join(name + b":" + value + b"\n" for name, value in signed),
            b";".join(sorted(extra)),
            request.header(b"x-oss-content-sha256") or b"UNSIGNED-PAYLOAD",
        ]
    )
    names = [scope["date"], scope["region"], scope["product"], b"aliyun_v4_request"]
    key = b"aliyun_v4" + secret.encode()
    for name in names:
        key = hmac.digest(key, name, hashlib.sha256)
    digest = hashlib.sha256(canonical).hexdigest().encode()
    text = b"\n".join([_V4, stamp, b"/".join(names), digest])
    expected = hmac.new(key, text, hashlib.sha256).hexdigest().encode()
    if not hmac.compare_digest(expected, given.get(b"Signature", b"")):
        raise _mismatch()
    return ticket


def _query_v4(pairs: Pairs) -> bytes:
    """As everywhere, but what has no value has no ``=`` either."""
    return re.sub(r"=(?=&|$)", "", canonical_query(pairs)).encode()


def _escaped(resource: bytes) -> bytes:
    return resource.replace(b"%", b"%25")


def _named(part: bytes) -> tuple[bytes, bytes]:
    name, _, value = part.strip().partition(b"=")
    return name, value


def _vendor_headers(request: SignedRequest) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in request.headers if name.startswith(b"x-oss-")}
    return sorted((name, request.header(name) or b"") for name in names)


def _secret(id: bytes, token: bytes | None, tickets: UploadTickets) -> tuple[Ticket, str]:
    if not token:
        raise OssError(403, "AccessDenied", "The temporary key comes without its security token.")
    try:
        ticket = tickets.read(token.decode("latin-1"))
    except UploadRefused as refused:
        if refused.context.get("why") == "expired":
            raise OssError(403, "SecurityTokenExpired", "The security token has expired.") from None
        raise OssError(403, "InvalidSecurityToken", "The security token is not valid.") from None
    known, secret = tickets.oss_key(ticket.token)
    if not hmac.compare_digest(known.encode(), id):
        raise OssError(403, "InvalidAccessKeyId", "The access key is not that of the token.")
    return ticket, secret


def _http_date(value: bytes) -> datetime | None:
    if not 0 < len(value) <= 64:
        return None
    try:
        found = parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _near(moment: datetime | None, now: float) -> None:
    if moment is None:
        raise OssError(403, "AccessDenied", "The Date header cannot be read.")
    if abs(moment.timestamp() - now) > TOLERANCE:
        raise OssError(403, "RequestTimeTooSkewed", "The time is more than 15 minutes from ours.")


def _mismatch() -> OssError:
    return OssError(403, "SignatureDoesNotMatch", "The signature is not the one that we computed.")


def resource_of(raw_path: bytes) -> bytes:
    """``/bucket/object`` of a path in the style of IP endpoints."""
    return unquote_to_bytes(raw_path)


# -- XML ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedPart:
    """A part as the client says it sent it."""

    number: int
    etag: str


def parts_of(body: bytes) -> list[NamedPart]:
    """The parts that ``CompleteMultipartUpload`` lists. Raises :class:`OssError`."""
    malformed = OssError(400, "MalformedXML", "The list of parts cannot be read.")
    if b"<!" in body:  # a document type: entities that grow
        raise malformed
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError) as exc:
        raise malformed from exc
    parts = []
    for item in root:
        if item.tag.rpartition("}")[2] != "Part":
            continue
        found = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in item}
        number = found.get("PartNumber", "")
        if not re.fullmatch("[0-9]{1,5}", number) or "ETag" not in found:
            raise malformed
        parts.append(NamedPart(int(number), found["ETag"].strip('"').upper()))
    if not 0 < len(parts) <= _MOST_PARTS:
        raise malformed
    if any(a.number >= b.number for a, b in itertools.pairwise(parts)):
        raise OssError(400, "InvalidPartOrder", "The parts are not in the order of their numbers.")
    return parts


def xml(name: str, fields: Iterable[tuple[str, object]]) -> bytes:
    """An element with its fields; a field that is a list of pairs is an element itself."""
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + _element(name, list(fields)).encode()


def _element(name: str, value: object) -> str:
    if isinstance(value, list):
        return f"<{name}>{''.join(_element(*field) for field in value)}</{name}>"
    return f"<{name}>{escape(_NO_XML.sub('?', str(value)))}</{name}>"
