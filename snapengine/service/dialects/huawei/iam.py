"""The two calls of Huawei's IAM that clients of VOD make: their project's id, and a token.

A token is given for what the service knows, an access key with its secret: in the body
(``hw_ak_sk``; ``password`` takes the key's id as the user's name), or by a signature. Guesses are
slowed down for each key; what has no key here takes as long as what has one.
"""

from __future__ import annotations

import hmac
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ...auth import sdk_hmac, tokens
from ...auth.clock import Clock
from ...auth.failures import DisabledKey, UnknownKey
from ...auth.keys import Key, KeyRing
from ...auth.wire import SignedRequest
from .calls import Call, Reply
from .faults import TOO_LARGE, Fault, Refused, illegal
from .reading import Body, body_of

if TYPE_CHECKING:
    from ...facade import Service

__all__ = ["TokenDesk", "projects"]

_MAX_BODY: Final = 16 * 1024
_MAX_WORD: Final = 256
#: Wrong secrets of one key within so many seconds.
_GUESSES: Final = 10
_WINDOW: Final = 60.0
_REFUSED: Final = Fault(401, "IAM.0001", "The access key or its secret is wrong.")
_SCOPE: Final = Fault(401, "IAM.0001", "The project is not that of the access key.")
_METHOD: Final = Fault(
    400, "IAM.0011", "The authentication method is not one of hw_ak_sk and password."
)
_TOO_OFTEN: Final = Fault(429, "APIGW.0308", "The throttling threshold has been reached.", 60)
#: What a key that does not exist is compared with.
_NOBODY: Final = Key(id="nobody", secret="-" * 40, project_id="nobody")


def projects(call: Call) -> Reply:
    """``KeystoneListProjects``: the key's project, by whatever region it is asked for."""
    name = call.query.text("name")
    return Reply(
        200,
        {
            "projects": [_project(call.key, name or call.key.project_id)],
            "links": {"self": f"{call.via.base_url}/v3/projects", "next": None, "previous": None},
        },
    )


def _project(key: Key, name: str) -> dict[str, Any]:
    return {
        "id": key.project_id,
        "name": name,
        "domain_id": key.project_id,
        "parent_id": key.project_id,
        "is_domain": False,
        "enabled": True,
        "description": "",
    }


class _Guesses:
    """Counts wrong secrets of the keys that exist. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def check(self, id: str) -> None:
        """Raise :class:`Refused` when there were too many of late."""
        with self._lock:
            since = self._clock() - _WINDOW
            recent = [at for at in self._wrong.get(id, ()) if at > since]
            self._wrong[id] = recent
            if len(recent) >= _GUESSES:
                raise Refused(_TOO_OFTEN)

    def count(self, id: str) -> None:
        with self._lock:
            self._wrong.setdefault(id, []).append(self._clock())


class TokenDesk:
    """``POST /v3/auth/tokens``. Thread-safe."""

    def __init__(self, service: Service, clock: Clock = time.time) -> None:
        self._service = service
        self._clock = clock
        self._guesses = _Guesses(clock)

    def issue(self, request: SignedRequest) -> Reply:
        """A token for a key's project, in ``X-Subject-Token``.

        Raises :class:`Refused`, or an :class:`~snapengine.service.auth.failures.AuthFailure` of a
        signed request.
        """
        if len(request.body) > _MAX_BODY:
            raise Refused(TOO_LARGE)
        keys = self._service.keys
        if sdk_hmac.recognises(request):
            key, method = sdk_hmac.verify(request, keys, self._clock), "hw_ak_sk"
            auth = body_of(request).body("auth") if request.body else None
        else:
            auth = body_of(request).body("auth")
            key, method = self._identify(auth, keys)
        _check_scope(auth, key)
        token = tokens.issue(key, self._clock)
        return Reply(201, _described(key, method, token), {"X-Subject-Token": token.value})

    def _identify(self, auth: Body | None, keys: KeyRing) -> tuple[Key, str]:
        identity = None if auth is None else auth.body("identity")
        if identity is None:
            raise Refused(illegal("identity"))
        found = identity.body("hw_ak_sk")
        if found is not None:
            method, (id, secret) = "hw_ak_sk", _pair(found)
        else:
            found = identity.body("password")
            user = None if found is None else found.body("user")
            if user is None:
                raise Refused(_METHOD)
            method = "password"
            name = "id" if "id" in user else "name"
            id, secret = user.text(name, _MAX_WORD), user.text("password", _MAX_WORD)
        return self._checked(id, secret, keys), method

    def _checked(self, id: str, secret: str, keys: KeyRing) -> Key:
        try:
            key = keys.find(id.encode(), parameter="access")
        except (UnknownKey, DisabledKey):
            key = _NOBODY
        self._guesses.check(key.id)
        right = hmac.compare_digest(key.secret.encode(), secret.encode())
        if not right or key is _NOBODY:
            self._guesses.count(key.id)
            raise Refused(_REFUSED)
        return key


def _pair(given: Body) -> tuple[str, str]:
    """The pair, in either of the two spellings that clients use."""
    access, secret = given.body("access"), given.body("secret")
    if access is not None and secret is not None:
        return access.text("key", _MAX_WORD), secret.text("key", _MAX_WORD)
    return given.text("access_key", _MAX_WORD), given.text("secret_key", _MAX_WORD)


def _check_scope(auth: Body | None, key: Key) -> None:
    """A project's name is a region's, and there is one project for all regions here."""
    scope = None if auth is None else auth.body("scope")
    project = None if scope is None else scope.body("project")
    if project is not None and "id" in project:
        given = project.text("id", _MAX_WORD)
        if not hmac.compare_digest(given.encode(), key.project_id.encode()):
            raise Refused(_SCOPE)


def _described(key: Key, method: str, token: tokens.Token) -> dict[str, Any]:
    whose = {"id": key.project_id, "name": key.project_id}
    return {
        "token": {
            "methods": [method],
            "issued_at": _moment(token.expires - tokens.LIFETIME),
            "expires_at": _moment(token.expires),
            "project": {**whose, "domain": whose},
            "user": {"id": key.id, "name": key.id, "domain": whose},
            "roles": [],
            "catalog": [],
        }
    }


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
