"""A file behind HTTP, range by range: our own connections, redirects, retries and distrust."""

from __future__ import annotations

import http.client
import random
import socket
import threading
from collections.abc import Callable

from ..errors import (
    EngineClosed,
    RangesUnsupported,
    SnapError,
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceNotFound,
)
from ..model.network import Network
from .http_answer import (
    Identity,
    check_plain,
    content_length,
    part_of,
    retry_after,
    size_unsatisfied,
    stated,
)
from .http_client import HttpClient, Start
from .http_connect import Resolve
from .http_connection import Waiting
from .http_pool import ConnectionPool
from .http_stream import Stream
from .http_task import Answer, Failed, Task
from .http_url import Location, parse_url
from .meter import Meter

_GONE = (404, 410)
_REFUSED = (401, 403)
#: Bytes that are worth a request of their own.
_LEAST = 16 << 10
#: Worth another try.
_BUSY = (408, 429, 500, 502, 503, 504)
#: Pauses between retries: up to ``pause`` seconds, doubled each time, at most so many.
_LONGEST_PAUSE = 8.0


class HttpFetcher:
    """A :class:`~snapengine.sources.base.Fetcher` for ``http`` and ``https``.

    ``resolve`` stands in for ``socket.getaddrinfo``, ``pause`` is the first retry's longest pause.
    ``pool``: connections that are shared with other files and not closed with this one; then its
    ``resolve`` is used.
    Raises :class:`~snapengine.errors.InvalidOption` for an unusable URL, before any I/O. Proxies
    named by the environment are not used: what they connect to could not be judged.

    Cookies are neither kept nor sent. The URL's query and credentials are in no message.
    """

    def __init__(
        self,
        url: str,
        network: Network | None = None,
        *,
        resolve: Resolve = socket.getaddrinfo,
        pause: float = 0.25,
        pool: ConnectionPool | None = None,
    ) -> None:
        self._network = network = network or Network()
        self._url = url
        self._place = parse_url(url, network.schemes)
        self._pool = pool or ConnectionPool(network, resolve)
        self._owns_pool = pool is None
        self._client = HttpClient(self._place.name, self._place.origin, network, self._pool)
        self._pause = pause
        self._identity = Identity(self._client.name)
        self._target: tuple[Location, bool] | None = None
        self._generation = 0
        self._active: set[Waiting] = set()
        self._stream: Stream | None = None
        self._ranged = False  # it has answered with a part
        self._closed = False
        self._lock = threading.Lock()
        self._renewing = threading.Lock()

    @property
    def name(self) -> str:
        return self._client.name

    @property
    def location(self) -> str:
        """Where redirects led to, without credentials. Secret: it has the query."""
        target = self._target
        return self._place.url if target is None else target[0].url

    @property
    def size(self) -> int | None:
        return self._identity.size

    @property
    def validator(self) -> str | None:
        return self._identity.validator

    def __repr__(self) -> str:
        return f"<HttpFetcher {self.name}>"

    def fetch(self, offset: int, size: int, sink: Callable[[bytes], object], meter: Meter) -> None:
        """See :meth:`Fetcher.fetch`. At most ``request_seconds``, unless the server is streamed."""
        waiting = Waiting(meter, self._network.request_seconds, self.name)
        with self._lock:
            if self._closed:
                raise EngineClosed(f"{self.name}: the source is closed")
            self._active.add(waiting)
        forget = meter.on_stop(waiting.wake)
        try:
            meter.check()
            task = Task(offset, size, sink, waiting)
            while task.left > 0:
                known = self._identity.size
                # A file of unknown size may have fewer bytes than are asked for, so that a limit
                # that is nearly reached is no reason yet not to ask.
                task.least = _LEAST if known is None else None
                if known is not None:
                    task.left = min(task.left, known - task.offset)
                    if task.left <= 0:
                        break
                try:
                    self._attempt(task)
                except Failed as failed:
                    self._wait(task, failed)
        finally:
            forget()
            with self._lock:
                self._active.discard(waiting)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            active = list(self._active)
            stream = self._stream
        for waiting in active:
            waiting.close()
        if stream is not None:
            stream.close()
        if self._owns_pool:
            self._pool.close()

    def share_pool(self) -> ConnectionPool:
        """Its connections, for other files too; from now on whoever has called this closes them."""
        self._owns_pool = False
        return self._pool

    # One attempt -------------------------------------------------------------------------------

    def _attempt(self, task: Task) -> None:
        """One request and where it is redirected to; hands on what comes. Raises ``Failed``."""
        stream = self._stream
        if stream is not None:
            stream.serve(task, lambda: self._request(task))
        else:
            self._request(task)

    def _request(self, task: Task) -> None:
        start = self._start()
        task.if_range = self._identity.if_range
        with self._client.follow(start, task) as answer:
            status = answer.status
            if status in (200, 206):
                self._remember(start, answer)
            if status == 206:
                self._take_part(answer, task)
            elif status == 200:
                self._take_whole(answer, task)
            elif status == 416:
                self._at_end(answer, task)
            else:
                self._refused(answer, start, task)

    # What answers mean -------------------------------------------------------------------------

    def _take_part(self, answer: Answer, task: Task) -> None:
        with self._client.guarded(task):
            part = part_of(answer.response, task.offset, task.wanted)
        answer.received.promised(part.size)
        self._identity.agree(stated(answer.response, part.total))
        self._ranged = True
        self._hand_on(answer, task, part.size)

    def _hand_on(self, answer: Answer, task: Task, size: int, skip: int = 0) -> None:
        """``size`` bytes of body, of which the first ``skip`` are there already."""
        pieces = answer.connection.pieces(answer.response, size)
        while piece := self._client.next_piece(answer, pieces, task):
            size -= len(piece)
            old = min(skip, len(piece))
            skip -= old
            if old < len(piece):
                task.give(piece[old:])
        if size:
            raise self._client.broke_off(size)

    def _take_whole(self, answer: Answer, task: Task) -> None:
        """200: the server ignored ``Range``, or the file is another one now."""
        response = answer.response
        with self._client.guarded(task):
            check_plain(response)
            length = content_length(response)
        answer.received.promised(task.wanted if length is None else length)
        says = stated(response, length)
        self._identity.agree(says)
        if task.if_range is not None and task.if_range not in (says.etag, says.modified):
            raise self._identity.changed("the server sends all of it instead of a part")
        if task.first == 0 and length is not None and length <= task.asked:
            # A small file, wanted from its beginning: that is all of it.
            self._hand_on(answer, task, length, task.offset)
            task.end()
            return
        unsupported = self._client.error(
            RangesUnsupported,
            "the server sends the whole file when asked for a part of it; "
            'Network(without_ranges="stream") (--without-ranges stream) takes it like that',
        )
        if self._ranged:
            raise Failed(unsupported)
        if self._network.without_ranges == "error":
            raise unsupported
        with self._lock:
            if self._closed:
                raise EngineClosed(f"{self.name}: the source is closed")
            stream = self._stream
            first = stream is None
            if stream is None:
                stream = self._stream = Stream(
                    self._client, self._identity, self._network.stream_bytes
                )
        if first:
            stream.feed_first(answer, length, task)
        elif stream.is_read_by_this_thread():
            stream.feed(answer, length, task)

    def _at_end(self, answer: Answer, task: Task) -> None:
        """416: what was asked for lies behind the end."""
        total = size_unsatisfied(answer.response)
        if total is None:
            known = self._identity.size
            inside = known is not None and task.offset < known
        else:
            self._identity.agree(stated(answer.response, total))
            inside = task.offset < total
        if inside:
            raise Failed(
                self._client.error(
                    SourceError,
                    f"asked for bytes from {task.offset} on, it says that there are none",
                )
            )
        if task.offset == 0 and total is None:
            self._identity.agree(stated(answer.response, 0))
        self._client.discard(answer, task)
        task.end()

    def _refused(self, answer: Answer, start: Start, task: Task) -> None:
        status = answer.status
        after = retry_after(answer.response)
        reason = f"{status} {http.client.responses.get(status, '')}".strip()
        self._client.discard(answer, task)
        if status in (*_REFUSED, *_GONE) and start.remembered and task.detours < 3:
            # Signed targets of redirects expire: the original URL gives a new one.
            self._forget(start)
            task.detours += 1
            task.again = True
            return
        if status in _REFUSED:
            self._renew(
                start, task, self._client.error(SourceDenied, f"refused: {reason}", status=status)
            )
            return
        if status in _GONE:
            raise self._client.error(SourceNotFound, f"not there: {reason}", status=status)
        if status in _BUSY:
            busy = self._client.error(SourceBusy, f"the server refused: {reason}", status=status)
            raise Failed(busy, after=after)
        raise self._client.error(SourceError, f"the server answered {reason}", status=status)

    # Between attempts --------------------------------------------------------------------------

    def _wait(self, task: Task, failed: Failed) -> None:
        """Pause before another attempt; raises if there is none."""
        task.failures += 1
        task.again = True
        with self._lock:
            self._target = None  # where it led may be down while another place is not
        if task.failures > (
            min(1, self._network.retries) if failed.once else self._network.retries
        ):
            raise failed.error from failed.__cause__
        longest = min(_LONGEST_PAUSE, self._pause * 2 ** (task.failures - 1))
        pause = random.uniform(0, longest)
        if failed.after is not None:
            pause += failed.after
            if not task.waiting.fits(pause):
                raise failed.error from failed.__cause__
        task.waiting.sleep(pause, f"waiting to ask again ({failed.error.message})")

    def _start(self) -> Start:
        with self._lock:
            if self._target is not None:
                return Start(*self._target, remembered=True, generation=self._generation)
            ours = self._place.origin == self._client.first
            return Start(self._place, ours, remembered=False, generation=self._generation)

    def _remember(self, start: Start, answer: Answer) -> None:
        with self._lock:
            if answer.place is not start.place and self._generation == start.generation:
                self._target = (answer.place, answer.ours)

    def _forget(self, start: Start) -> None:
        with self._lock:
            if self._target is not None and self._target[0] is start.place:
                self._target = None

    def _renew(self, start: Start, task: Task, denied: SourceError) -> None:
        """Get a fresh URL, once for all who were refused with the same one."""
        renew = self._network.renew
        if renew is None or task.renewed:
            raise denied
        task.renewed = task.again = True
        while not self._renewing.acquire(timeout=task.waiting.left(0.05)):
            task.waiting.check("waiting for a renewed URL")
        try:
            if self._generation != start.generation:
                return
            try:
                url = renew(self._url)
                place = parse_url(url, self._network.schemes)
            except Exception as exc:
                with self._lock:
                    self._generation += 1
                if isinstance(exc, SnapError):
                    raise
                raise denied from exc
            with self._lock:
                self._url, self._place, self._target = url, place, None
                self._generation += 1
        finally:
            self._renewing.release()
