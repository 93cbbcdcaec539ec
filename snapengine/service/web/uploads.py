"""Uploads: what ``CreateUploadVideo`` and its like hand out leads here.

Two ways to send the same file. ``PUT {base}/upload/{token}/{name}`` takes whatever comes: the
address is the credential. ``{base}/upload/{what}/{asset}/{name}`` is an object of OSS, which its
SDKs reach as bucket ``upload`` with the temporary keys of a ticket, in one piece or in parts.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import anyio
from anyio.lowlevel import RunVar
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...errors import StoreError
from ..auth.wire import SignedRequest
from ..covers import MAX_BYTES
from ..domain.failures import (
    CoverRefused,
    ServiceUnavailable,
    UnknownAsset,
    UploadRefused,
    WrongStatus,
)
from . import oss
from .incoming import Arriving, Incoming
from .oss import OssError
from .reading import (
    BodyCutOff,
    BodyTooLarge,
    BodyTooSlow,
    base_url,
    body_pieces,
    call,
    in_thread,
    raw_path,
)
from .tickets import Ticket, upload_tickets

if TYPE_CHECKING:
    from ..facade import Service

__all__ = ["upload_routes"]

#: Seconds in which at least :data:`LEAST_RATE` bytes a second must come.
PATIENCE: Final = 30.0
LEAST_RATE: Final = 1024
#: Bytes that are collected before they are written.
_PIECE: Final = 1 << 20
#: Threads that write; a disk that is slow holds up no call.
_THREADS: Final = 8
#: Bytes of the list of parts.
_LIST: Final = 2 << 20
#: Bytes of a part, as in OSS.
_MOST_PART: Final = 5 << 30
_PARTS_SHOWN: Final = 1000

_ALWAYS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, x-oss-request-id",
    "Cache-Control": "no-store",
}
_PREFLIGHT: Final = {
    **_ALWAYS,
    "Access-Control-Allow-Methods": "PUT, POST, GET, HEAD, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "86400",
}

_T = TypeVar("_T")
_log = logging.getLogger("snapengine.service.uploads")
_threads: RunVar[anyio.CapacityLimiter] = RunVar("snapengine service upload threads")


def upload_routes(service: Service) -> list[BaseRoute]:
    """The routes of ``/upload/``, and of OSS clients that put the bucket before the host."""
    taking = _Uploads(service)
    methods = ["PUT", "POST", "GET", "HEAD", "DELETE"]
    routes: list[BaseRoute] = []
    for path in ("/upload/video/{asset}/{name}", "/upload/cover/{asset}/{name}"):
        routes.append(Route(path, _Answering(service, taking.object), methods=methods))
        routes.append(Route(path, _preflight, methods=["OPTIONS"]))
    for path in ("/video/{asset}/{name}", "/cover/{asset}/{name}"):
        routes.append(Route(path, _Answering(service, taking.hosted_object), methods=methods))
        routes.append(Route(path, _preflight, methods=["OPTIONS"]))
    plain = "/upload/{token}/{name}"
    routes.append(Route(plain, _Answering(service, taking.plain), methods=["PUT"]))
    routes.append(Route(plain, _preflight, methods=["OPTIONS"]))
    return routes


async def _preflight(request: Request) -> Response:
    return Response(status_code=204, headers=_PREFLIGHT)


class _Answering:
    """An endpoint whose refusals are told as OSS (and its like) tells them."""

    def __init__(
        self, service: Service, function: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> None:
        self._settings = service.settings
        self._function = function

    def _refusal(self, request: Request, error: OssError, id: str) -> Response:
        host = urlsplit(base_url(request, self._settings)).hostname or ""
        fields = [("Code", error.code), ("Message", error.message), ("RequestId", id),
                  ("HostId", host)]  # fmt: skip
        return Response(oss.xml("Error", fields), error.status, media_type="application/xml")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        id = secrets.token_hex(12).upper()
        try:
            answer = await self._function(request)
        except OssError as error:
            answer = self._refusal(request, error, id)
        except BodyCutOff:
            raise
        except BodyTooLarge as error:
            answer = self._refusal(request, OssError(400, "EntityTooLarge", str(error)), id)
        except BodyTooSlow as error:
            answer = self._refusal(request, OssError(400, "RequestTimeout", str(error)), id)
        except UploadRefused as error:
            answer = self._refusal(request, OssError(403, "AccessDenied", error.message), id)
        except UnknownAsset as error:
            answer = self._refusal(request, OssError(404, "NoSuchKey", error.message), id)
        except WrongStatus as error:
            answer = self._refusal(request, OssError(409, "FileAlreadyExists", error.message), id)
        except CoverRefused as error:
            answer = self._refusal(request, OssError(400, "InvalidArgument", error.message), id)
        except ServiceUnavailable as error:
            answer = self._refusal(request, OssError(503, "ServiceUnavailable", error.message), id)
        except (OSError, StoreError) as error:
            _log.error("an upload cannot be kept: %s", error)
            full = OssError(503, "ServiceUnavailable", "The file cannot be kept, now.")
            answer = self._refusal(request, full, id)
        for name, value in _ALWAYS.items():
            answer.headers[name] = value
        answer.headers["x-oss-request-id"] = id
        await answer(scope, receive, send)


class _Uploads:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._tickets = upload_tickets(service)
        self._incoming = Incoming(service.uploads / "tmp")
        self._swept = False

    # -- ways in ----------------------------------------------------------------------------

    async def plain(self, request: Request) -> Response:
        """The whole file, for whoever has the address."""
        ticket = self._tickets.read(str(request.path_params["token"]))
        etag = await self._take(request, ticket)
        return Response(headers={"ETag": f'"{etag}"'})

    async def object(self, request: Request) -> Response:
        """An object of a bucket, named by the path."""
        whole = raw_path({**request.scope, "snapengine.root": ""})
        return await self._object(request, oss.resource_of(whole))

    async def hosted_object(self, request: Request) -> Response:
        """An object of the bucket that the host's first part names."""
        host = request.headers.get("host", "")
        if not host.startswith("upload."):
            raise OssError(404, "NoSuchBucket", "There is no such bucket.")
        return await self._object(request, b"/upload" + oss.resource_of(raw_path(request.scope)))

    async def _object(self, request: Request, resource: bytes) -> Response:
        signed = SignedRequest(
            method=request.method,
            raw_path=raw_path(request.scope),
            raw_query=bytes(request.scope.get("query_string", b"")),
            headers=tuple((bytes(n).lower(), bytes(v)) for n, v in request.scope["headers"]),
        )
        ticket = oss.verify(signed, resource, self._tickets)
        what, asset_id, _ = resource.decode("utf-8", "replace").split("/")[-3:]
        if (what, asset_id) != (ticket.what, ticket.asset_id):
            raise OssError(403, "AccessDenied", "The temporary key is for another object.")
        bucket, _, key = resource.decode("utf-8", "replace").lstrip("/").partition("/")
        query = {n.decode("latin-1"): v.decode("latin-1") for n, v in signed.query()}
        method, upload_id = request.method, query.get("uploadId")
        place = [("Bucket", bucket), ("Key", key)]
        if method == "PUT" and upload_id is None and "partNumber" not in query:
            _only_for("a plain PUT", query, {"acl", "append", "symlink", "tagging", "callback"})
            etag = await self._take(request, ticket)
            return Response(headers={"ETag": f'"{etag}"', "Content-MD5": _base64(etag)})
        if method == "POST" and "uploads" in query:
            await self._check(ticket)
            id = await _in_thread(partial(self._incoming.start_parts, asset_id))
            return _xml("InitiateMultipartUploadResult", [*place, ("UploadId", id)])
        if upload_id is None or ticket.what != "video":
            raise OssError(501, "NotImplemented", "Uploads are all that is done here.")
        if method == "PUT":
            return await self._part(request, ticket, upload_id, query.get("partNumber", ""))
        if method == "POST":
            return await self._complete(request, ticket, upload_id, place)
        if method == "DELETE":
            await _in_thread(partial(self._incoming.abort, asset_id, upload_id))
            return Response(status_code=204)
        if method == "GET":
            return await self._list(ticket, upload_id, place, query)
        raise OssError(405, "MethodNotAllowed", "The method is not allowed here.")

    # -- what is done -----------------------------------------------------------------------

    async def _check(self, ticket: Ticket) -> None:
        """Refuse before anything is sent what would be refused afterwards."""
        asset = await call(self._service.asset, ticket.tenant, ticket.asset_id)
        if ticket.what == "video" and asset.status != "awaited":
            raise WrongStatus("the asset's video is there already", stage="request", id=asset.id)
        if not self._swept:
            self._swept = True
            await _in_thread(self._incoming.sweep)

    async def _take(self, request: Request, ticket: Ticket) -> str:
        """Receive the ticket's file; its MD5 in hexadecimal."""
        await self._check(ticket)
        cover = ticket.what == "cover"
        most = MAX_BYTES if cover else self._service.settings.max_upload_bytes
        with ExitStack() as arriving:
            file = await self._receive(request, most, arriving)
            if cover:
                await call(self._set_cover, ticket, await _in_thread(file.path.read_bytes))
            else:
                await self._hand_over(ticket, file.finish())
            return file.etag

    def _set_cover(self, ticket: Ticket, data: bytes) -> None:
        via = self._service.asset(ticket.tenant, ticket.asset_id).via
        self._service.set_cover_bytes(ticket.tenant, ticket.asset_id, data, via)

    async def _hand_over(self, ticket: Ticket, path: Path) -> None:
        await call(self._service.receive_upload, ticket.tenant, ticket.asset_id, path)

    async def _receive(self, request: Request, most: int, arriving: ExitStack) -> Arriving:
        """The body as a file, which ``arriving`` deletes unless it has been moved."""
        wanted = _content_md5(request)
        file = arriving.enter_context(await _in_thread(self._incoming.begin))
        waiting = bytearray()
        async for piece in body_pieces(request, most, PATIENCE, LEAST_RATE):
            waiting += piece
            if len(waiting) >= _PIECE:
                await _in_thread(partial(file.write, bytes(waiting)))
                waiting.clear()
        await _in_thread(partial(file.write, bytes(waiting)))
        if wanted is not None and not hmac.compare_digest(wanted, file.digest):
            raise OssError(400, "InvalidDigest", "The Content-MD5 is not that of the body.")
        return file

    async def _part(self, request: Request, ticket: Ticket, id: str, number: str) -> Response:
        if not (number.isascii() and number.isdigit() and 1 <= int(number[:6]) <= 10_000):
            raise OssError(400, "InvalidArgument", "partNumber must be from 1 to 10000.")
        most = self._service.settings.max_upload_bytes
        await _in_thread(partial(self._incoming.parts, ticket.asset_id, id))  # is there such an id
        with ExitStack() as arriving:
            file = await self._receive(request, min(most, _MOST_PART), arriving)
            keep = partial(self._incoming.keep_part, ticket.asset_id, id, int(number), file, most)
            await _in_thread(keep)
            return Response(headers={"ETag": f'"{file.etag}"'})

    async def _complete(
        self, request: Request, ticket: Ticket, id: str, place: list[tuple[str, str]]
    ) -> Response:
        body = bytearray()
        async for piece in body_pieces(request, _LIST, PATIENCE):
            body += piece
        named = oss.parts_of(bytes(body))
        await self._check(ticket)
        path, etag = await _in_thread(partial(self._incoming.join, ticket.asset_id, id, named))
        try:
            await self._hand_over(ticket, path)
        finally:
            await _in_thread(partial(path.unlink, missing_ok=True))
        base = base_url(request, self._service.settings)
        location = f"{base}{raw_path(request.scope).decode('latin-1')}"
        fields = [("Location", location), *place, ("ETag", f'"{etag}"')]
        answer = _xml("CompleteMultipartUploadResult", fields)
        answer.headers["ETag"] = f'"{etag}"'
        return answer

    async def _list(
        self, ticket: Ticket, id: str, place: list[tuple[str, str]], query: dict[str, str]
    ) -> Response:
        parts = await _in_thread(partial(self._incoming.parts, ticket.asset_id, id))
        after = _number(query, "part-number-marker", 0, 10_000)
        most = _number(query, "max-parts", _PARTS_SHOWN, _PARTS_SHOWN)
        left = [part for part in parts if part.number > after]
        shown = left[:most]
        fields: list[tuple[str, object]] = [
            *place,
            ("UploadId", id),
            ("PartNumberMarker", after),
            ("NextPartNumberMarker", shown[-1].number if shown else after),
            ("MaxParts", most),
            ("IsTruncated", "true" if len(left) > len(shown) else "false"),
        ]
        for part in shown:
            at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(part.modified))
            facts = [("PartNumber", part.number), ("LastModified", at),
                     ("ETag", f'"{part.etag}"'), ("Size", part.size)]  # fmt: skip
            fields.append(("Part", facts))
        return _xml("ListPartsResult", fields)


async def _in_thread(function: Callable[[], _T]) -> _T:
    return await in_thread(_threads, _THREADS, function)


def _only_for(what: str, query: dict[str, str], refused: set[str]) -> None:
    for name in sorted(refused & query.keys()):
        raise OssError(501, "NotImplemented", f"{what} with {name} is not done here.")


def _number(query: dict[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= most):
        raise OssError(400, "InvalidArgument", f"{name} must be a number up to {most}.")
    return int(text[:6])


def _content_md5(request: Request) -> bytes | None:
    """The MD5 that the client gives of the body."""
    text = request.headers.get("content-md5")
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise OssError(400, "InvalidDigest", "The Content-MD5 cannot be read.")
    return digest


def _base64(etag: str) -> str:
    return base64.b64encode(bytes.fromhex(etag)).decode()


def _xml(name: str, fields: list[Any]) -> Response:
    return Response(oss.xml(name, fields), media_type="application/xml")
