"""The service as a server of its own: uvicorn with a bound on every wait."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..domain.failures import ServiceUnavailable
from ..facade import Service
from .app import MAX_HEAD, MAX_QUERY, make_app

__all__ = ["Listener", "config_of", "serve"]

#: Seconds until a request's head must be there, once its connection is.
HEAD_SECONDS: Final = 30.0
#: Seconds without a request after which a connection is closed.
IDLE_SECONDS: Final = 15
#: Seconds that a client may leave what it was sent unread.
UNREAD_SECONDS: Final = 60.0
#: Seconds that calls under way get to end.
GRACE_SECONDS: Final = 10
#: Connections at a time; more are answered with 503.
CONNECTIONS: Final = 1000


class CarefulProtocol(H11Protocol):
    """Closes connections whose clients do not speak, or do not listen.

    uvicorn bounds only the time between requests: a head that never ends, an answer that is never
    read and a body that goes on behind its answer would each keep a connection for ever.
    """

    _silent: asyncio.TimerHandle | None = None
    _deaf: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self._busy() and self._silent is not None:
            self._silent.cancel()
            self._silent = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._busy() and not self.transport.is_closing():
            self._expect_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deaf = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._deaf is not None:
            self._deaf.cancel()
            self._deaf = None

    def _busy(self) -> bool:
        """Whether a request is being answered."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete

    def _expect_head(self) -> None:
        if self._silent is not None:
            self._silent.cancel()
        self._silent = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget(self) -> None:
        for timer in (self._silent, self._deaf):
            if timer is not None:
                timer.cancel()


def config_of(app: ASGIApp) -> uvicorn.Config:
    """How an application is served."""
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=CarefulProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=MAX_HEAD + MAX_QUERY,
    )


class Listener(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()


def serve(service: Service, host: str, port: int, tell: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; then end what is under way and close the service.

    ``tell`` is given the address once calls are answered there; ``port`` 0 takes a free one.
    SIGTERM raises :class:`SystemExit` with 0, SIGINT :class:`KeyboardInterrupt`. Only for the main
    thread. Raises :class:`ServiceUnavailable` if nobody can listen there.
    """
    before = signal.signal(signal.SIGTERM, _end)
    try:
        with service, _bound(host, port) as sock:
            shown = f"[{host}]" if ":" in host else host
            address = f"http://{shown}:{sock.getsockname()[1]}"
            config = config_of(make_app(service, service.dialects.values()))
            # uvicorn takes the signals over, and raises them again once it has ended.
            Listener(config, lambda: tell(address)).run(sockets=[sock])
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise SystemExit(0)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        sock = socket.create_server((host, port), family=family, backlog=1024)
        # Connections inherit it. asyncio sets it only on sockets whose protocol is named, which
        # these are not: each answer's body would wait 40 ms for the client to confirm its head.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    except (OSError, OverflowError, UnicodeError) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise ServiceUnavailable(f"cannot listen on {host}:{port}: {why}", stage="open") from error
