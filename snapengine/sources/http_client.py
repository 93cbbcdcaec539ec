"""Requests to one file's servers: which headers go where, redirects."""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ..errors import InvalidOption, SnapError, SourceBusy, SourceError, SourceTimeout
from ..model.network import Network
from .http_answer import WrongAnswer, content_length
from .http_connection import HeadTooLong
from .http_pool import ConnectionPool
from .http_task import Answer, Failed, Task
from .http_url import Location, Origin, follow

USER_AGENT = "snapengine/0.1.0"
_REDIRECTS = (301, 302, 303, 307, 308)
#: Bodies of redirects and errors up to this size are read, so that the connection stays usable.
_SMALL = 4 << 10
#: Headers that are ours: what a caller put there would make answers that we cannot judge.
_OURS = frozenset({
    "accept-encoding", "connection", "content-length", "host", "if-range", "range",
    "transfer-encoding",
})  # fmt: skip
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


class Start(NamedTuple):
    """Where an attempt begins. ``ours``: the caller's headers may be sent there. ``remembered``: a
    redirect led there before. ``generation``: how often the URL was renewed."""

    place: Location
    ours: bool
    remembered: bool
    generation: int


class HttpClient:
    """Asks for parts of one file over the connections of ``pool``. Thread-safe.

    ``name`` is the file's in messages. ``first``: the origin that the caller's headers belong to.
    """

    def __init__(self, name: str, first: Origin, network: Network, pool: ConnectionPool) -> None:
        self.name = name
        self.first = first
        self._network = network
        self._headers = _checked(network)
        self._pool = pool

    def error(self, kind: type[SourceError], what: str, **context: object) -> SourceError:
        return kind(f"{self.name}: {what}", stage="open", source=self.name, **context)

    def broke_off(self, missing: int) -> Failed:
        return Failed(self.error(SourceBusy, f"the answer ended {missing} bytes early"))

    @contextlib.contextmanager
    def follow(self, start: Start, task: Task) -> Iterator[Answer]:
        """The answer behind all redirects. Headers and credentials are not carried on as soon as
        one of them leaves the origin they belong to, even if another leads back."""
        place, ours = start.place, start.ours
        home, at_home = place.origin, True
        seen = {place.url}
        while True:
            with self._ask(place, ours, task) as answer:
                if answer.status not in _REDIRECTS:
                    yield answer
                    return
                after = follow(
                    place, answer.response.headers.get("Location"), self._network.schemes
                )
                self.discard(answer, task)
            if after.url in seen:
                raise self.error(SourceError, f"redirected in a loop, to {after.name}")
            if len(seen) > self._network.redirects:
                raise self.error(
                    SourceError, f"redirected more than {self._network.redirects} times"
                )
            seen.add(after.url)
            ours = ours and after.origin == self.first
            at_home = at_home and after.origin == home
            place = replace(after, authorization=place.authorization if at_home else None)

    def _ask(self, place: Location, ours: bool, task: Task) -> Answer:
        """Send the request for what ``task`` still wants; its answer's head has been read.

        An idle connection that the server has closed meanwhile is no failure: the request is sent
        once more at once, on a fresh one.
        """
        with self.guarded(task):
            while True:
                with contextlib.ExitStack() as stack:
                    connection = self._pool.take(place.origin, task.waiting)
                    stack.callback(self._pool.put_back, connection, task.waiting)
                    request = stack.enter_context(
                        task.meter.request(task.left, retry=task.again, least=task.least)
                    )
                    task.again = False
                    task.wanted = request.size
                    try:
                        response = connection.ask(self._head(place, ours, task), task.waiting)
                    except OSError as exc:
                        stale = connection.asked > 1 and not connection.received
                        if not stale or isinstance(exc, (TimeoutError, SnapError)):
                            raise
                        task.waiting.check("asking again")
                        task.again = True
                        self._pool.drop(place.origin)
                        continue
                    return Answer(
                        connection, response, request, task.meter, stack.pop_all(), place, ours
                    )

    def _head(self, place: Location, ours: bool, task: Task) -> bytes:
        headers = {
            "Host": place.host_header,
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Range": f"bytes={task.offset}-{task.offset + task.wanted - 1}",
        }
        if task.if_range is not None:
            headers["If-Range"] = task.if_range
        if place.authorization is not None:
            headers["Authorization"] = place.authorization
        if ours:
            given = {name.lower() for name in self._headers}
            headers = {n: v for n, v in headers.items() if n.lower() not in given}
            headers.update(self._headers)
        lines = [f"GET {place.target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def next_piece(self, answer: Answer, pieces: Iterator[bytes], task: Task) -> bytes:
        """Of a body, and told to the meter; empty at its end."""
        with self.guarded(task):
            piece = next(pieces, b"")
        if piece:
            answer.received(len(piece))
        return piece

    def discard(self, answer: Answer, task: Task) -> None:
        """Read a body that is of no use if that takes less than a new connection would."""
        with contextlib.suppress(Failed), self.guarded(task):
            length = content_length(answer.response)
            if length is not None and length <= _SMALL:
                answer.connection.hurry()
                for piece in answer.connection.pieces(answer.response, length):
                    answer.received(len(piece))

    @contextlib.contextmanager
    def guarded(self, task: Task) -> Iterator[None]:
        """What the network raises -> what the fetch raises or retries for."""
        try:
            yield
        except SnapError:
            raise
        except TimeoutError as exc:
            task.waiting.check("waiting")
            raise Failed(self.error(SourceTimeout, f"the server is silent ({exc})")) from exc
        except HeadTooLong as exc:
            raise self.error(SourceError, str(exc)) from exc
        except http.client.LineTooLong as exc:
            raise self.error(SourceError, "a line of its head is too long") from exc
        except OSError as exc:
            task.waiting.check("reading")
            why = exc.strerror or str(exc) or type(exc).__name__
            raise Failed(self.error(SourceBusy, f"the connection failed: {why}")) from exc
        except WrongAnswer as exc:
            raise Failed(self.error(SourceError, str(exc)), once=exc.once) from exc
        except (http.client.HTTPException, ValueError) as exc:
            task.waiting.check("reading")
            if type(exc) is http.client.HTTPException:  # it says so of too many headers only
                raise self.error(SourceError, str(exc)) from exc
            raise Failed(
                self.error(SourceError, f"the answer is no HTTP ({type(exc).__name__})")
            ) from exc


def _checked(network: Network) -> dict[str, str]:
    """The caller's headers; :class:`InvalidOption` for those that cannot be sent or are ours."""
    for name, text in network.headers.items():
        if not _TOKEN.fullmatch(name):
            raise InvalidOption(f"{name!r} is no name of a header", value=name)
        if name.lower() in _OURS:
            raise InvalidOption(f"the header {name!r} is set by the reader itself", value=name)
        try:
            text.encode("latin-1")
        except UnicodeEncodeError:
            raise InvalidOption(f"header {name!r} has characters beyond Latin-1") from None
    return dict(network.headers)
