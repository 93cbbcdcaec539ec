"""The dialect: from a request to an answer, and from an event to messages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ....errors import SnapError
from ...auth import acs3, rpc_v1
from ...auth.keys import Key
from ...auth.wire import Pairs, SignedRequest
from ...domain.records import CallbackMessage, CallbackSettings, Event, Via
from ...web.reading import BodyTooLarge, BodyUnread, base_url, call, read_request
from ..base import Draft
from . import events
from .actions import ACTIONS
from .calls import Action, Call
from .faults import (
    Fault,
    fault_of,
    internal,
    invalid,
    missing,
    not_unicode,
    too_long,
    unknown_action,
)
from .naming import DIALECT, NAMING
from .parameters import Parameters
from .replies import Answer, Format, failure, host_id, new_request_id, success

if TYPE_CHECKING:
    from ...facade import Service

__all__ = ["AliyunDialect"]

VERSION: Final = "2017-03-21"
#: Bytes of a form.
MAX_BODY: Final = 1 << 20
_METHODS: Final = ("GET", "POST")

_log = logging.getLogger("snapengine.service.aliyun")


class AliyunDialect:
    """Alibaba Cloud VOD, answering at ``/``. Thread-safe."""

    name = DIALECT

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> Sequence[BaseRoute]:
        """One, which takes every method: a wrong one is answered in the vendor's words."""
        return [Route("/", endpoint=_Endpoint(self, self._service), name=DIALECT)]

    def via(self, base_url: str) -> Via:
        """How a call that reached the service at ``base_url`` came."""
        return Via(dialect=DIALECT, base_url=base_url, naming=NAMING, cover_choice="middle")

    def drafts(self, event: Event, settings: CallbackSettings | None) -> Sequence[Draft]:
        """The messages of an event; none unless the tenant wants them."""
        return events.drafts(event, settings, lambda path: self._service.link(path, event.via))

    def signing_headers(self, message: CallbackMessage, now: float) -> dict[str, str]:
        """Headers that sign a message."""
        return events.signing_headers(message, now)

    # -- calls ------------------------------------------------------------------------------

    def answer(self, request: SignedRequest, base: str) -> Answer:
        """The answer to a request, whatever it is. ``base``: what links begin with.

        Looked at in this order: action and version, key, time, nonce, signature, parameters that
        must be there, all values, and only then what they are about.
        """
        request_id = new_request_id()
        form: Format = "json"
        try:
            if request.method not in _METHODS:
                raise unknown_action()
            pairs = request.parameters()
            signed_by_header = acs3.recognises(request)
            if not signed_by_header:
                form = _format(pairs)
            name, action = _action(request, pairs, signed_by_header)
            key = self._authentic(request, signed_by_header)
            given = Parameters(pairs)
            _require(action, given)
            said = action.run(Call(self._service, key.project_id, self.via(base), given))
            return success(name, said, request_id, form)
        except Fault as fault:
            return failure(fault, request_id, _host(request), form)
        except SnapError as exc:
            turned = fault_of(exc)
            if turned.status >= 500:
                _log.error("request %s: %s", request_id, exc)
            return failure(turned, request_id, _host(request), form)
        except Exception:  # noqa: BLE001 - a client gets an answer, the log gets the reason
            _log.exception("request %s", request_id)
            return failure(internal(), request_id, _host(request), form)

    def unread(self, problem: BodyUnread, host: bytes) -> Answer:
        """The answer to a request whose body was not read."""
        fault = too_long("Body", MAX_BODY) if isinstance(problem, BodyTooLarge) else not_unicode()
        return failure(fault, new_request_id(), host_id(host))

    def _authentic(self, request: SignedRequest, by_header: bool) -> Key:
        service = self._service
        verify = acs3.verify if by_header else rpc_v1.verify
        return verify(request, service.keys, service.nonces)


class _Endpoint:
    """As an ASGI application: Starlette would answer methods that it does not know."""

    def __init__(self, dialect: AliyunDialect, service: Service) -> None:
        self._dialect = dialect
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        base = base_url(request, self._service.settings)
        try:
            signed = await read_request(request, MAX_BODY)
        except BodyUnread as problem:
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            answer = self._dialect.unread(problem, hosts[0] if hosts else b"")
        else:
            answer = await call(self._dialect.answer, signed, base)
        response = Response(
            answer.body,
            status_code=answer.status,
            headers={**answer.headers, "Content-Type": answer.content_type},
        )
        await response(scope, receive, send)


def _host(request: SignedRequest) -> str:
    return host_id(next((value for name, value in request.headers if name == b"host"), b""))


def _format(pairs: Pairs) -> Format:
    """JSON for everything but ``XML``, even where nothing is said: no SDK wants XML then."""
    return "xml" if dict(pairs).get(b"Format", b"").upper() == b"XML" else "json"


def _action(request: SignedRequest, pairs: Pairs, by_header: bool) -> tuple[str, Action]:
    """The action asked for, from where the signature covers it."""
    if by_header:
        name, version = request.header(b"x-acs-action"), request.header(b"x-acs-version")
    else:
        given = dict(pairs)
        name, version = given.get(b"Action"), given.get(b"Version")
    if not name:
        raise missing("Action")
    shown = name.decode("latin-1")
    action = ACTIONS.get(shown)
    if action is None:
        raise unknown_action()
    if not version:
        raise missing("Version")
    if version.decode("latin-1") != VERSION:
        raise invalid("Version")
    return shown, action


def _require(action: Action, given: Parameters) -> None:
    for names in action.required:
        either = names.split("|")
        if not any(given.has(name) for name in either):
            raise missing(either[0])
