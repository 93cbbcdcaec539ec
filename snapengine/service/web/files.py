"""Pictures over HTTP: ``GET`` and ``HEAD`` of ``/files/{path}`` (RFC 9110, 9111).

Whoever has a link may read: players and pages load pictures without credentials. A path with a job
in it never changes its content, so caches may keep it for ever; fixed names (a cover that is
replaced) are asked for again. Ranges: a single one; several are answered with the whole, as
RFC 9110 section 14.2 allows.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import anyio
from anyio.lowlevel import RunVar
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ...errors import StoreError
from ..domain.records import Picture
from ..links import PREFIX, LinkRefused
from ..naming import is_fixed
from .reading import call, in_thread

if TYPE_CHECKING:
    from ..facade import Service

__all__ = ["file_routes"]

#: Bytes handed on at a time of a file here, and of one elsewhere, where each piece is a request;
#: most pictures are one piece.
PIECE: Final = 256 << 10
FAR_PIECE: Final = 4 << 20
#: Threads that read files: a slow store holds up no call.
THREADS: Final = 16
#: A header field's value that is longer is not looked at.
_LONGEST: Final = 4096

_ALWAYS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT: Final = {
    **_ALWAYS,
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "*, Range, If-Range, If-None-Match, If-Modified-Since",
    "Access-Control-Max-Age": "86400",
}
_RANGE: Final = re.compile(r"[ \t]*bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.I)
_TAG: Final = re.compile(r'[ \t]*(?:(W/)?("[\x21\x23-\x7e\x80-\xff]*"))[ \t]*(?:,|$)|[ \t]*,')

#: A line of a track that names a picture beside it.
_NAMED: Final = re.compile(r"(?P<name>[\w.-]+\.[a-z]{3,4})(?:\?(?P<query>[^#]*))?(?P<rest>#.*)?")

_T = TypeVar("_T")
_log = logging.getLogger("snapengine.service.files")
_threads: RunVar[anyio.CapacityLimiter] = RunVar("snapengine service file threads")


def file_routes(service: Service) -> list[BaseRoute]:
    """The routes of ``/files/``."""
    server = _Files(service)
    path = f"{PREFIX}{{path:path}}"
    return [
        Route(path, server.get, methods=["GET", "HEAD"]),
        Route(path, server.preflight, methods=["OPTIONS"]),
    ]


class BodyVanished(OSError):
    """The bytes of a picture ended while they were sent."""


class _Files:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._links = service.links

    async def preflight(self, request: Request) -> Response:
        return Response(status_code=204, headers=_PREFLIGHT)

    async def get(self, request: Request) -> Response:
        try:
            return await self._get(request)
        except (StoreError, OSError) as error:
            _log.error("a picture cannot be read: %s", error)
            return _refusal(503, "the store of pictures does not answer", {"Retry-After": "5"})

    async def _get(self, request: Request) -> Response:
        path = str(request.path_params["path"])
        given = request.query_params
        try:
            left = self._links.check(path, given.get("expires"), given.get("sign"))
        except LinkRefused as refused:
            return _refusal(403, str(refused))
        picture = await call(self._service.picture_at, path)
        if picture is None:
            return _refusal(404, "there is no such picture")
        # Not a track: it names its pictures relatively, so they would be looked for in the store,
        # where nobody signs them.
        if self._service.settings.store_urls and picture.media_type != "text/vtt":
            seconds = left or 3600
            address = await _read(partial(self._service.store.sign, picture.blob, seconds))
            if address is not None:
                kept = {"Cache-Control": f"private, max-age={seconds // 2}"}
                return RedirectResponse(address, 302, {**_ALWAYS, **kept})
        if picture.media_type == "text/vtt" and left is not None:
            return await self._signed_track(request, picture, given["expires"])
        return await self._answer(request, picture, left)

    async def _answer(self, request: Request, picture: Picture, left: int | None) -> Response:
        tag = f'"{picture.digest[:40]}"'
        path = str(request.path_params["path"])
        # Under a fixed address an older picture may follow a newer one: dates would tell lies.
        changed = None if is_fixed(path, picture.asset_id) else _seconds(picture.created)
        dated = {} if changed is None else {"Last-Modified": format_datetime(changed, usegmt=True)}
        headers = {
            **_ALWAYS,
            **dated,
            "ETag": tag,
            "Cache-Control": _freshness(path, picture.asset_id, left),
        }
        verdict = _conditions(request, tag, changed)
        if verdict is not None:
            return Response(status_code=verdict, headers=headers)
        body = await _read(partial(self._open, picture))
        if body is None:
            _log.error("the file of picture %s is gone: %s", picture.id, picture.blob)
            return _refusal(404, "there is no such picture")
        headers |= {"Content-Type": picture.media_type, "Accept-Ranges": "bytes"}
        start, end, status = 0, body.size, 200
        if request.method == "GET" and _range_holds(request, tag, changed):
            part = _part(request.headers.get("range", ""), body.size)
            if part == "none":
                body.close()
                headers["Content-Range"] = f"bytes */{body.size}"
                return Response(status_code=416, headers=headers)
            if part is not None:
                start, end = part
                status = 206
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{body.size}"
        headers["Content-Length"] = str(end - start)
        if request.method == "HEAD":
            body.close()
            return Response(status_code=status, headers=headers)
        return _Streamed(body, start, end, status, headers)

    def _open(self, picture: Picture) -> _Body | None:
        """The bytes of a picture; ``None`` if they are gone. Blocking."""
        blob = picture.blob
        path = self._service.store.local(blob)
        if path is None:
            size = self._service.store.size(blob)
            return None if size is None else _Body(size, partial(self._service.store.read, blob))
        try:
            file = open(path, "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            return None
        # Open from here on, so a file that is deleted meanwhile is still served whole.
        return _Body(os.fstat(file.fileno()).st_size, partial(_stretch, file), file)

    async def _signed_track(self, request: Request, picture: Picture, expires: str) -> Response:
        """A track names its pictures relatively, and a query is not inherited: they get
        signatures of their own, good for as long as the track's."""
        body = await _read(partial(self._open, picture))
        if body is None:
            _log.error("the file of picture %s is gone: %s", picture.id, picture.blob)
            return _refusal(404, "there is no such picture")
        try:
            text = (await _read(body.whole)).decode("utf-8")
        finally:
            body.close()
        folder = picture.path.rpartition("/")[0]
        lines = [self._signed_line(line, folder, int(expires)) for line in text.split("\n")]
        headers = {**_ALWAYS, "Cache-Control": "private, no-cache"}
        return Response("\n".join(lines), headers=headers, media_type="text/vtt")

    def _signed_line(self, line: str, folder: str, until: int) -> str:
        found = _NAMED.fullmatch(line)
        if found is None:
            return line
        name, query, rest = found["name"], found["query"], found["rest"] or ""
        signature = self._links.signature(f"{folder}/{name}", until=until)
        return f"{name}?{query}&{signature}{rest}" if query else f"{name}?{signature}{rest}"


async def _read(function: Callable[[], _T]) -> _T:
    return await in_thread(_threads, THREADS, function)


@dataclass(frozen=True, slots=True)
class _Body:
    """The bytes of a picture; ``read`` gives those of [start, end), and blocks."""

    size: int
    read: Callable[[int, int], bytes]
    file: FileIO | None = None

    @property
    def piece(self) -> int:
        """Bytes to be read at a time."""
        return FAR_PIECE if self.file is None else PIECE

    def whole(self) -> bytes:
        pieces = []
        start = 0
        while start < self.size:
            piece = self.read(start, self.size)
            if not piece:
                break
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def _stretch(file: FileIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start) or b""


class _Streamed(Response):
    """Bytes [start, end) of a body, a piece at a time; closes it in any case."""

    def __init__(
        self, body: _Body, start: int, end: int, status: int, headers: dict[str, str]
    ) -> None:
        self._body = body
        self._start = start
        self._end = end
        self.status_code = status
        self.background = None
        self.init_headers(headers)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        # The type is the picture's own, and the length is that of the range: nothing is added.
        given = headers or {}
        self.raw_headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in given.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            start = self._start
            while start < self._end:
                stop = min(start + self._body.piece, self._end)
                piece = await _read(partial(self._body.read, start, stop))
                if not piece:
                    # Cutting the connection is all that can still tell the client.
                    raise BodyVanished(f"a picture ended {self._end - start} bytes too soon")
                start += len(piece)
                message = {"type": "http.response.body", "body": piece}
                await send({**message, "more_body": start < self._end})
            if self._start >= self._end:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._body.close()


def _refusal(status: int, why: str, more: Mapping[str, str] | None = None) -> Response:
    # What is missing now may be there soon: nobody should remember that it was not.
    headers = {**_ALWAYS, "Cache-Control": "no-store", **(more or {})}
    return JSONResponse({"error": why}, status, headers)


def _freshness(path: str, asset_id: str, left: int | None) -> str:
    """``Cache-Control``: a job's pictures never change. What is signed is kept no longer than its
    link holds."""
    lasting = not is_fixed(path, asset_id)
    seconds = 31536000 if lasting else 60
    if left is not None:
        seconds = min(seconds, left)
    return f"public, max-age={seconds}, {'immutable' if lasting else 'must-revalidate'}"


# -- conditions (RFC 9110 section 13) -------------------------------------------------------


def _conditions(request: Request, tag: str, changed: datetime | None) -> int | None:
    """412 or 304 where a condition says so, in the order of RFC 9110 section 13.2.2."""
    headers = request.headers
    if "if-match" in headers:
        if not _names(headers["if-match"], tag, weakly=False):
            return 412
    elif "if-unmodified-since" in headers:
        since = _date(headers["if-unmodified-since"])
        if since is not None and (changed is None or changed > since):
            return 412
    if "if-none-match" in headers:
        return (
            304 if _names(", ".join(headers.getlist("if-none-match")), tag, weakly=True) else None
        )
    since = _date(headers.get("if-modified-since", ""))
    return 304 if since is not None and changed is not None and changed <= since else None


def _names(field: str, tag: str, *, weakly: bool) -> bool:
    """Whether a list of entity tags names ours, by weak or strong comparison."""
    if len(field) > _LONGEST:
        return False
    if field.strip() == "*":
        return True
    at = 0
    while at < len(field):
        found = _TAG.match(field, at)
        if found is None:
            return False
        if found[2] == tag and (weakly or not found[1]):
            return True
        at = found.end()
    return False


def _date(field: str) -> datetime | None:
    """An HTTP date; ``None`` if it is none."""
    if not 0 < len(field) <= 64:
        return None
    try:
        found = parsedate_to_datetime(field)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _seconds(moment: datetime) -> datetime:
    """HTTP dates have whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _range_holds(request: Request, tag: str, changed: datetime | None) -> bool:
    """Whether there is a range to be answered: ``If-Range`` wants the file unchanged."""
    headers = request.headers
    if "range" not in headers:
        return False
    condition = headers.get("if-range")
    if condition is None:
        return True
    if condition.strip().startswith(('"', "W/")):
        return condition.strip() == tag
    return changed is not None and _date(condition) == changed


def _part(field: str, size: int) -> tuple[int, int] | Literal["none"] | None:
    """The bytes [start, end) of a single range; "none" if there are no such bytes; ``None``: the
    field is to be ignored."""
    found = _RANGE.fullmatch(field)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        return (size - length, size) if length else "none"
    start = int(found[1])
    if found[2] and int(found[2]) < start:
        return None
    if start >= size:
        return "none"
    return start, min(int(found[2]) + 1, size) if found[2] else size
