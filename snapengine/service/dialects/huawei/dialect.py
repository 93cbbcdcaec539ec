"""The dialect itself: where it listens, who may call, and which operation answers.

The gate, in this order: is there such an API (404 APIGW.0101, as the vendor's gateway says it to
everybody: which ones there are is no secret), who calls (401), for whose project (403), then what
the operation says.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from ...auth import sdk_hmac, tokens
from ...auth.clock import Clock
from ...auth.keys import Key
from ...auth.wire import SignedRequest
from ...domain.failures import UnknownAsset
from ...domain.records import CallbackMessage, CallbackSettings, Event, Via
from ...web.reading import (
    BodyCutOff,
    BodyTooLarge,
    BodyTooSlow,
    base_url,
    call,
    raw_path,
    read_request,
)
from ..base import Draft
from . import assets, covers, details, events, iam, lists, thumbnails
from .calls import Call, Operation, Reply
from .faults import BODY_SLOW, NO_API, TENANT, TOO_LARGE, UNKNOWN, Fault, Refused, fault_of
from .naming import NAMING

if TYPE_CHECKING:
    from ...facade import Service

__all__ = ["HuaweiDialect"]

#: First segments of the vendor's paths; the newer operations have the second one. Both are taken
#: for all.
_VERSIONS: Final = (b"v1.0", b"v1")
_IAM: Final = b"v3"
#: What the vendor's other operations begin with: they are answered in its words, too.
_OTHERS: Final = (b"v1.1", b"v2", b"v2.0")

_Table = Mapping[str, Mapping[str, Operation]]
#: Below the project.
_OPERATIONS: Final[_Table] = {
    "asset": {"POST": assets.create, "PUT": assets.reupload, "DELETE": assets.delete},
    "asset/cover": {"PUT": covers.by_thumbnail},
    "asset/details": {"GET": details.details},
    "asset/info": {"GET": lists.metas, "PUT": assets.update},
    "asset/list": {"GET": lists.listing},
    "asset/process": {"POST": thumbnails.process},
    "asset/smart_cover": {"POST": covers.smart},
    "asset/status/uploaded": {"POST": assets.confirm},
    "asset/thumbnail/details": {"GET": thumbnails.details},
    "asset/thumbnails": {"GET": thumbnails.infos, "DELETE": thumbnails.delete},
    "asset/upload_by_url": {"POST": assets.pull},
}
_PROJECTS: Final = "projects"
_TOKENS: Final = "auth/tokens"


class HuaweiDialect:
    """Huawei Cloud VOD, with the part of IAM that its clients need. Thread-safe."""

    name: Final = "huawei"

    def __init__(self, service: Service, clock: Clock = time.time) -> None:
        self._service = service
        self._clock = clock
        self._targets = events.Targets.parse(service.settings.huawei_callback_url)
        self._tokens = iam.TokenDesk(service, clock)

    def routes(self) -> Sequence[BaseRoute]:
        """All methods of all paths below the vendor's versions."""
        return [_Below((*_VERSIONS, _IAM, *_OTHERS), self)]

    def via(self, base_url: str) -> Via:
        return Via(dialect=self.name, base_url=base_url, naming=NAMING, cover_choice="head")

    def drafts(self, event: Event, settings: CallbackSettings | None) -> Sequence[Draft]:
        return events.drafts(self._service, self._targets, event, settings)

    def signing_headers(self, message: CallbackMessage, now: float) -> dict[str, str]:
        return events.signing_headers(message, now)

    async def respond(self, request: Request) -> Response | None:
        """The answer to a request, whatever it is; ``None`` if nobody is there to read it."""
        id = uuid.uuid4().hex
        try:
            signed = await read_request(request)
        except BodyTooLarge:
            return _response(_refusal(TOO_LARGE, id), id)
        except BodyTooSlow:
            return _response(_refusal(BODY_SLOW, id), id)
        except BodyCutOff:
            return None
        base = base_url(request, self._service.settings)
        return _response(await call(self.answer, signed, base, id), id)

    def answer(self, request: SignedRequest, base: str, id: str) -> Reply:
        """The reply to a request. ``id``: the request's. Never raises."""
        try:
            return self._answer(request, base)
        # The last line of defence: what has no row of its own is logged there.
        except Exception as failure:  # noqa: BLE001 - a client gets an answer; fault_of logs the reason
            return _refusal(fault_of(failure), id)

    def _answer(self, request: SignedRequest, base: str) -> Reply:
        version, segments = _split(request.raw_path)
        if version == _IAM:
            path = _text(segments)
            if path == _TOKENS and request.method == "POST":
                return self._tokens.issue(request)
            if path == _PROJECTS and request.method == "GET":
                key = self._caller(request)
                return iam.projects(Call(self._service, key, self.via(base), request))
            raise Refused(NO_API)
        path = _text(segments[1:])
        operation = _OPERATIONS.get(path, {}).get(request.method)
        if version not in _VERSIONS or operation is None:
            raise Refused(NO_API)
        key = self._caller(request)
        if segments[0] != key.project_id.encode():
            raise Refused(TENANT)
        try:
            return operation(Call(self._service, key, self.via(base), request))
        except (UnknownAsset, Refused) as failure:
            fault = fault_of(failure)
            if operation is not thumbnails.process or fault != UNKNOWN:
                raise
            status = self._service.settings.process_status
            raise Refused(replace(fault, status=status)) from failure

    def _caller(self, request: SignedRequest) -> Key:
        """Who calls: by a signature where there is one, else by a token."""
        if not sdk_hmac.recognises(request):
            token = request.header(b"x-auth-token")
            if token:
                return tokens.verify(token, self._service.keys, self._clock)
        return sdk_hmac.verify(request, self._service.keys, self._clock)


class _Below(BaseRoute):
    """Every method of every path whose first segment is one of ``names``.

    By the path as it was sent, like signatures; patterns would miss a path with a line break.
    """

    def __init__(self, names: Sequence[bytes], dialect: HuaweiDialect) -> None:
        self._names = frozenset(names)
        self._dialect = dialect

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and _split(raw_path(scope))[0] in self._names:
            return Match.FULL, {}
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._dialect.respond(Request(scope, receive))
        if response is not None:
            await response(scope, receive, send)


def _split(raw_path: bytes) -> tuple[bytes, list[bytes]]:
    """The version and the segments below it, decoded one by one. A slash at the end is none."""
    parts = [unquote_to_bytes(part) for part in raw_path.split(b"/")[1:]]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts[0] if parts else b"", parts[1:] or [b""]


def _text(segments: Sequence[bytes]) -> str:
    """The path of segments, empty if one has a slash in it: that one is no slash of the path."""
    if any(b"/" in segment for segment in segments):
        return ""
    return b"/".join(segments).decode("latin-1")


def _refusal(fault: Fault, id: str) -> Reply:
    body = {"error_code": fault.code, "error_msg": fault.message}
    if fault.code.startswith("APIGW."):
        body["request_id"] = id
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return Reply(fault.status, body, headers)


def _response(reply: Reply, id: str) -> Response:
    text = "" if reply.body is None else json.dumps(reply.body, ensure_ascii=False)
    return Response(
        # No call lets in what UTF-8 cannot hold; should it be kept all the same, "?" is shown.
        text.encode("utf-8", "replace"),
        reply.status,
        headers={**reply.headers, "X-Request-Id": id, "X-Content-Type-Options": "nosniff"},
        media_type=None if reply.body is None else "application/json; charset=UTF-8",
    )
