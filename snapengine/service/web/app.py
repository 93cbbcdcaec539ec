"""The ASGI application: what the dialects listen to, pictures, uploads, health."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Final

import anyio
from anyio.lowlevel import RunVar
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..auth.wire import MAX_HEADERS, MAX_PATH
from ..domain.failures import ServiceUnavailable
from .files import file_routes
from .reading import ROOT, BodyCutOff, BodyUnread, call, in_thread, to_origin_form
from .uploads import upload_routes

if TYPE_CHECKING:
    from ..dialects.base import Dialect
    from ..facade import Service

__all__ = ["make_app"]

#: Bytes of all headers together.
MAX_HEAD: Final = 128 << 10
#: Bytes of a query. A dialect has its own bound below this one.
MAX_QUERY: Final = 256 << 10

_log = logging.getLogger("snapengine.service")


def make_app(service: Service, dialects: Iterable[Dialect]) -> Starlette:
    """The application of a service.

    Its lifespan starts and closes the service. Mounted in another application it has none: then
    the service starts with the first request, and whoever made it closes it (``state.service``).
    """
    routes: list[BaseRoute] = [
        Route("/healthz", _Health(service).get, methods=["GET"]),
        *file_routes(service),
        *upload_routes(service),
    ]
    for dialect in dialects:
        routes += dialect.routes()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await call(service.start)
        try:
            yield
        finally:
            await call(service.close)

    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, service=service)],
        exception_handlers={HTTPException: _plainly},
        lifespan=lifespan,
    )
    # A call that is signed for one path is not sent to another.
    app.router.redirect_slashes = False
    app.state.service = service
    return app


_health_thread: RunVar[anyio.CapacityLimiter] = RunVar("snapengine service health thread")


class _Health:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def get(self, request: Request) -> Response:
        """200 while calls can be answered, 503 otherwise."""
        kept = {"Cache-Control": "no-store"}
        try:
            # In a thread of its own: whoever asks wants to know when the others are all taken.
            await in_thread(_health_thread, 1, self._service.database.waiting)
        except ServiceUnavailable:
            return JSONResponse({"status": "unavailable"}, 503, kept)
        return JSONResponse({"status": "ok"}, headers=kept)


async def _plainly(request: Request, error: Exception) -> Response:
    """Paths and methods that nobody listens to."""
    assert isinstance(error, HTTPException)
    return _error(error.status_code, str(error.detail), dict(error.headers or {}))


def _error(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": why}, status, headers)


class Guard:
    """Around everything: bounds of the head, the start of a mounted service, and the last resort
    for errors that nobody expected, which a client learns nothing of."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[ROOT] = scope.get("root_path", "")
        to_origin_form(scope)
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        answer: Response
        try:
            refusal = _too_much(scope)
            if refusal is None:
                if not self._started:
                    await call(self._service.start)
                    self._started = True
                await self._app(scope, receive, watched)
                return
            answer = refusal
        except (BodyCutOff, ClientDisconnect):
            return
        except BodyUnread as error:
            answer = _error(error.status, str(error))
        except ServiceUnavailable as error:
            answer = _error(503, error.message, {"Retry-After": "5"})
        except Exception:  # noqa: BLE001 - the last resort, logged
            _log.exception("an error that nobody expected, at %s", scope["path"])
            answer = _error(500, "internal error")
        if begun:
            # Half an answer is out. Only cutting the connection tells that it is not whole.
            raise ConnectionAbortedError("the answer could not be finished")
        await answer(scope, receive, send)


def _too_much(scope: Scope) -> Response | None:
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEAD:
        return _error(431, "the headers are too large")
    raw = scope.get("raw_path") or b""
    if len(raw) > MAX_PATH or len(scope["path"]) > MAX_PATH:
        return _error(414, "the path is too long")
    if len(scope.get("query_string", b"")) > MAX_QUERY:
        return _error(414, "the query is too long")
    return None
