"""Delivery of callbacks: from the database to their addresses, until they are taken or given up.

A message is a success when it is answered with 200 within five seconds; the body of the answer and
redirects are ignored. Otherwise it is tried again after 1, 2, 4 ... seconds, each attempt signed
anew. Messages lie in the database until they are done with, so a restart loses none; one that was
under way when a process died is sent again, so receivers may see one twice.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ...errors import EngineClosed, InvalidOption, SnapError, SourceDenied
from ...model.network import Network
from ...sources.addresses import AddressPolicy
from ...sources.http_client import USER_AGENT
from ...sources.http_connect import Resolve, connect
from ...sources.http_connection import Connection, Waiting
from ...sources.http_url import Location, parse_url
from ...sources.meter import Meter
from ..auth.clock import Clock
from ..domain.failures import ServiceUnavailable
from ..domain.records import CallbackMessage
from .turns import AT_A_TIME, ATTEMPT_SECONDS, Turns

if TYPE_CHECKING:
    from ..dialects.base import Dialect
    from ..storage.database import Database

__all__ = ["Sender"]

#: Seconds between two attempts, at most.
LONGEST_PAUSE: Final = 600.0
#: How long a message is ours. Longer than those before it in its tenant's turn can take.
LEASE: Final = timedelta(seconds=60)
#: Seconds after which the database is looked at without being told to: others write to it, too.
POLL: Final = 5.0

_log = logging.getLogger("snapengine.service.callbacks")


class Sender:
    """Sends what is due, in threads of its own. ``clock`` tells what is due, in seconds since 1970;
    waiting itself is real."""

    def __init__(
        self,
        database: Database,
        dialects: Mapping[str, Dialect],
        network: Network,
        *,
        attempts: int,
        clock: Clock = time.time,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        self._database = database
        self._dialects = dialects
        self._post = _Post(network, resolve)
        self._attempts = attempts
        self._clock = clock
        self._threads = ThreadPoolExecutor(AT_A_TIME, "snapengine-callback")
        self._dispatcher = threading.Thread(
            target=self._dispatch, name="snapengine-callbacks", daemon=True
        )
        self._changed = threading.Condition()
        self._told = False
        self._closing = False
        self._turns = Turns()

    def start(self) -> None:
        """Begin. Once."""
        self._dispatcher.start()

    def notify(self) -> None:
        """There may be a message that is due."""
        with self._changed:
            self._told = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and wait until all threads have ended; attempts under way are broken off, and
        their messages stay due. More than once is no error."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._post.close()
        if self._dispatcher.is_alive():
            self._dispatcher.join()
        self._threads.shutdown()

    # -- the dispatcher's thread ------------------------------------------------------------

    def _dispatch(self) -> None:
        while True:
            try:
                pause = self._take_due()
            except ServiceUnavailable as error:
                if self._closing:
                    return
                _log.warning("callbacks wait for the database: %s", error.message)
                pause = POLL
            with self._changed:
                if not self._told and not self._closing:
                    self._changed.wait(pause)
                self._told = False
                if self._closing:
                    break
        for message in self._turns.rest():
            self._give_back(message, self._now())

    def _take_due(self) -> float:
        """Take what is due and let it be sent; seconds until it is worth while to look again."""
        while not self._closing:
            with self._changed:
                room = self._turns.room()
            if room <= 0:
                return POLL  # whoever ends an attempt wakes us
            due = self._database.due_messages(self._now(), LEASE, min(room, 20))
            if not due:
                following = self._database.next_due()
                if following is None:
                    return POLL
                return min(POLL, max(0.0, (following - self._now()).total_seconds()))
            for message in due:
                self._enqueue(message)
        return 0.0

    def _enqueue(self, message: CallbackMessage) -> None:
        with self._changed:
            later = self._turns.add(message, self._clock())
            ready = self._turns.ready()
        if later is not None:
            # Its tenant has enough waiting: back with it until its turn may come, so that
            # others' messages are not behind it.
            self._give_back(message, self._moment(later))
        self._begin(ready)

    def _begin(self, ready: list[CallbackMessage]) -> None:
        for message in ready:
            try:
                self._threads.submit(self._attempt, message)
            except RuntimeError:  # shut down meanwhile
                self._give_back(message, self._now())

    # -- the pool's threads -----------------------------------------------------------------

    def _attempt(self, message: CallbackMessage) -> None:
        begun = time.monotonic()
        try:
            self._send(message)
        except ServiceUnavailable as error:
            # What became of it cannot be written down: when its lease ends it is sent again.
            _log.warning("a callback's end could not be kept: %s", error.message)
        finally:
            with self._changed:
                self._turns.ended(message, time.monotonic() - begun)
                ready = [] if self._closing else self._turns.ready()
                self._told = True
                self._changed.notify_all()
            self._begin(ready)

    def _send(self, message: CallbackMessage) -> None:
        try:
            place = parse_url(message.url, frozenset({"http", "https"}))
            dialect = self._dialects.get(message.dialect)
            if dialect is None:
                raise InvalidOption(f"there is no dialect {message.dialect!r}")
            signature = dialect.signing_headers(message, self._clock())
            status = self._post.status(place, message, signature)
        except (InvalidOption, SourceDenied) as error:
            _log.warning("callback %s is dropped: %s", message.id, error.message)
            self._database.drop(message.id)
            return
        except EngineClosed:
            self._give_back(message, self._now())
            return
        except SnapError as error:
            problem = error.message
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = f"{place.name}: {str(error) or type(error).__name__}"
        except Exception:  # noqa: BLE001 - a dialect's mistake; it must not be repeated for ever
            _log.exception("callback %s cannot be signed", message.id)
            problem = "it cannot be signed"
        else:
            if status == 200:
                self._database.delivered(message.id)
                return
            problem = f"{place.name}: answered {status}"
        self._failed(message, problem)

    def _failed(self, message: CallbackMessage, problem: str) -> None:
        attempts = message.attempts + 1
        if attempts >= self._attempts:
            _log.warning("callback %s is given up after %d: %s", message.id, attempts, problem)
            self._database.drop(message.id)
            return
        # Spread, also the longest ones: what failed together should not come back together.
        pause = min(LONGEST_PAUSE / 1.25, 2.0 ** min(attempts - 1, 20)) * random.uniform(0.75, 1.25)
        due = self._moment(self._clock() + pause)
        _log.info("callback %s failed (%d): %s", message.id, attempts, problem)
        self._database.postpone(message.id, due, attempts)

    def _give_back(self, message: CallbackMessage, due: datetime) -> None:
        """It was not tried."""
        try:
            self._database.postpone(message.id, due, message.attempts)
        except ServiceUnavailable:
            _log.info("callback %s is due again when its lease ends", message.id)

    def _now(self) -> datetime:
        return self._moment(self._clock())

    def _moment(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, UTC)


class _Post:
    """Asks one host, by the engine's rules for where connections may go."""

    def __init__(self, network: Network, resolve: Resolve) -> None:
        self._network = network
        self._policy = AddressPolicy(network)
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = network.tls
        self._open: set[Waiting] = set()
        self._lock = threading.Lock()
        self._closed = False

    def status(
        self, place: Location, message: CallbackMessage, signature: Mapping[str, str]
    ) -> int:
        """The status of the answer. Raises :class:`SnapError`, :class:`OSError`,
        :class:`http.client.HTTPException`."""
        head = _head(place, message, signature)
        with self._waiting(place) as waiting:
            sock = connect(
                place.origin, self._policy, self._resolve, self._context, waiting, ATTEMPT_SECONDS
            )
            connection = Connection(sock, place.origin, ATTEMPT_SECONDS, 0)
            try:
                with connection.ask(head + message.body, waiting) as response:
                    return response.status
            except OSError:
                waiting.check("waiting for an answer")
                raise
            finally:
                connection.rest(waiting)
                connection.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            under_way = list(self._open)
        for waiting in under_way:
            waiting.close()

    @contextlib.contextmanager
    def _waiting(self, place: Location) -> Iterator[Waiting]:
        waiting = Waiting(Meter(), ATTEMPT_SECONDS, place.name)
        with self._lock:
            if self._closed:
                raise EngineClosed("closing")
            self._open.add(waiting)
        try:
            yield waiting
        finally:
            with self._lock:
                self._open.discard(waiting)

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
            return self._tls


def _head(place: Location, message: CallbackMessage, signature: Mapping[str, str]) -> bytes:
    headers = {
        "Host": place.host_header,
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Connection": "close",
        "Content-Type": message.content_type,
        "Content-Length": str(len(message.body)),
        **signature,  # as they are written: receivers look for "auth_sign", not "Auth-Sign"
    }
    if place.authorization is not None:
        headers["Authorization"] = place.authorization
    lines = [f"POST {place.target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
    if any(c in line for line in lines for c in "\r\n\0"):
        raise InvalidOption("a header of a callback has a line break in it")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
