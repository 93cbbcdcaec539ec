"""Objects that an fsspec package fetches itself, because it cannot sign URLs."""

from __future__ import annotations

import errno
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import (
    EngineClosed,
    SnapError,
    SourceBusy,
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceTimeout,
)
from ..model.network import Network
from .meter import Meter

#: Handed on in parts of this size, like what comes from our own connections.
_PIECE: Final = 64 << 10
#: Seconds of the first pause before a retry; doubled each time, and the actual one is random.
_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 8.0
#: What packages call the facts that change with the bytes, the most telling ones first.
_FACTS: Final = (
    "ETag", "etag", "e_tag", "generation", "VersionId", "version_id", "md5Hash", "content_md5",
    "checksum", "LastModified", "last_modified", "mtime", "modified", "updated", "modify",
    "created",
)  # fmt: skip
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_STATUS: Final[dict[int, type[SourceError]]] = {
    401: SourceDenied,
    403: SourceDenied,
    404: SourceNotFound,
    410: SourceNotFound,
}
#: Errors of packages that are no builtin ones, by the names of their classes. They are not imported
#: here: none of the packages need be there.
_BY_NAME: Final[dict[str, type[SourceError]]] = {
    "NoCredentialsError": SourceDenied,
    "PartialCredentialsError": SourceDenied,
    "ProfileNotFound": SourceDenied,
    "DefaultCredentialsError": SourceDenied,
    "RefreshError": SourceDenied,
    "ClientAuthenticationError": SourceDenied,
    "ResourceNotFoundError": SourceNotFound,
    "NoSuchKey": SourceNotFound,
    "NoSuchBucket": SourceNotFound,
    "ReadTimeoutError": SourceTimeout,
    "ConnectTimeoutError": SourceTimeout,
    "EndpointConnectionError": SourceBusy,
    "ConnectionClosedError": SourceBusy,
    "HTTPClientError": SourceBusy,
    "ClientConnectionError": SourceBusy,
    "ClientPayloadError": SourceBusy,
    "ServiceRequestError": SourceBusy,
    "RequestError": SourceBusy,
}  # fmt: skip
_MEANING: Final = {
    SourceDenied: "may not be read",
    SourceNotFound: "nothing is there",
    SourceTimeout: "the store did not answer in time",
    SourceBusy: "the store did not answer",
    SourceError: "the store failed",
}
_BUSY_NUMBERS: Final = frozenset({errno.EIO, errno.EBUSY, errno.EAGAIN, errno.ENETUNREACH})


class PackagedFetcher:
    """Ranges of one object through an fsspec file system: ``info`` once, ``cat_file`` for each.

    Thread-safe: file systems that are not asynchronous inside may hold one connection, so they are
    asked by one thread at a time. Whether the object is still the same is asked after each range,
    before anything of it is handed on; that costs one more request for each. A call of
    :meth:`Meter.stop` or :meth:`close` ends a wait at once where the file system is asynchronous
    (S3, GCS, Azure); elsewhere the package's own time limits hold.
    """

    def __init__(self, file_system: Any, path: str, name: str, network: Network) -> None:
        self._fs = file_system
        self._path = path
        self._name = name
        self._network = network
        self._lock = threading.Lock()
        self._alone = threading.Lock()
        self._facts: tuple[int | None, str | None] | None = None
        self._closed = threading.Event()
        self._ends: set[Callable[[], None]] = set()

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int | None:
        return self._facts[0] if self._facts else None

    @property
    def validator(self) -> str | None:
        return self._facts[1] if self._facts else None

    def fetch(self, offset: int, size: int, sink: Callable[[bytes], object], meter: Meter) -> None:
        """See :class:`~.base.Fetcher`."""
        until = time.monotonic() + self._network.request_seconds
        tries = 0
        while True:
            try:
                data = self._try(offset, size, meter, until, retry=tries > 0)
                break
            except SourceError as exc:
                tries += 1
                if not exc.retryable or tries > self._network.retries:
                    raise
                pause = min(_LONGEST_PAUSE, _PAUSE * 2 ** (tries - 1)) * random.random()
                if time.monotonic() + pause >= until:
                    raise
                self._pause(pause, meter)
        for at in range(0, len(data), _PIECE):
            meter.check()
            sink(data[at : at + _PIECE])

    def close(self) -> None:
        """See :class:`~.base.Fetcher`."""
        self._closed.set()
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            end()

    def _try(self, offset: int, size: int, meter: Meter, until: float, *, retry: bool) -> bytes:
        facts = self._facts
        if facts is None:
            facts = self._look(meter, until, retry)
            with self._lock:
                if self._facts is None:
                    self._facts = facts
                facts = self._facts
        whole = facts[0]
        if whole is not None:
            size = min(size, whole - offset)
        if size <= 0:
            return b""
        with meter.request(size, retry=retry) as received:
            data = self._ask("cat_file", meter, until, start=offset, end=offset + size)
            if not isinstance(data, bytes):
                raise self._failed(f"gave no bytes but {type(data).__name__}")
            received(len(data))
        self._same(facts, self._look(meter, until, False))
        # ossfs counts the end in: bytes behind what was asked for are right, only too many.
        data = data[:size]
        if len(data) < size and whole is not None:
            raise SourceBusy(
                f"{self._name}: {len(data)} of {size} bytes came from {offset} on",
                stage="open", source=self._name, offset=offset,
            )  # fmt: skip
        return data

    def _look(self, meter: Meter, until: float, retry: bool) -> tuple[int | None, str | None]:
        with meter.request(0, retry=retry):
            info = self._ask("info", meter, until)
        if not isinstance(info, Mapping):
            raise self._failed("told nothing about the object")
        if info.get("type") == "directory":
            raise SourceNotFound(
                f"{self._name}: a folder, not an object", stage="open", source=self._name
            )
        size = info.get("size")
        known = next((f"{fact}={info[fact]}" for fact in _FACTS if info.get(fact)), None)
        return (size if isinstance(size, int) and size >= 0 else None), known

    def _same(self, was: tuple[int | None, str | None], now: tuple[int | None, str | None]) -> None:
        if was != now:
            raise SourceChanged(
                f"{self._name} changed while it was being read", stage="open", source=self._name
            )

    def _ask(self, method: str, meter: Meter, until: float, **arguments: object) -> Any:
        """One call of the file system, bounded in time; its errors become ours."""
        self._check(meter)
        seconds = meter.remaining(max(0.001, until - time.monotonic()))
        try:
            if method == "info":  # else some answer from a listing that was made before
                self._fs.invalidate_cache()
            if getattr(self._fs, "async_impl", False):
                answer = self._ask_loop(method, meter, seconds, arguments)
            else:
                with self._alone:
                    answer = getattr(self._fs, method)(self._path, **arguments)
        except SnapError:
            raise
        except Exception as exc:
            self._check(meter)
            raise translated(exc, self._name) from exc
        self._check(meter)
        return answer

    def _ask_loop(
        self, method: str, meter: Meter, seconds: float, arguments: Mapping[str, object]
    ) -> Any:
        """In fsspec's own thread, where it can be cancelled."""
        from fsspec.asyn import sync

        loop = self._fs.loop

        async def run() -> Any:
            task = loop.create_task(getattr(self._fs, f"_{method}")(self._path, **arguments))

            def end() -> None:
                loop.call_soon_threadsafe(task.cancel)

            forget = meter.on_stop(end)
            with self._lock:
                self._ends.add(end)
            try:
                if self._closed.is_set():
                    task.cancel()
                return await task
            finally:
                forget()
                with self._lock:
                    self._ends.discard(end)

        return sync(loop, run, timeout=seconds)

    def _check(self, meter: Meter) -> None:
        if self._closed.is_set():
            raise EngineClosed(f"{self._name}: the video is closed")
        meter.check()

    def _pause(self, seconds: float, meter: Meter) -> None:
        woken = threading.Event()
        forget = meter.on_stop(woken.set)
        with self._lock:
            self._ends.add(woken.set)
        try:
            if not self._closed.is_set():
                woken.wait(meter.remaining(seconds))
        finally:
            forget()
            with self._lock:
                self._ends.discard(woken.set)
        self._check(meter)

    def _failed(self, why: str) -> SourceError:
        return SourceError(f"{self._name}: its store {why}", stage="open", source=self._name)


def translated(error: Exception, name: str) -> SourceError:
    """One of ours for what a package raised, to be raised from it.

    Its text is not repeated: URLs with signatures may be in it. The cause has it.
    """
    status = _status(error)
    kind = _STATUS.get(status) if status else None
    if kind is None and status in _BUSY:
        kind = SourceBusy
    if kind is None:
        kind = next(
            (_BY_NAME[c.__name__] for c in type(error).__mro__ if c.__name__ in _BY_NAME), None
        )
    if kind is None:
        if isinstance(error, (FileNotFoundError, IsADirectoryError)):
            kind = SourceNotFound
        elif isinstance(error, PermissionError):
            kind = SourceDenied
        elif isinstance(error, TimeoutError):
            kind = SourceTimeout
        elif isinstance(error, ConnectionError) or (
            isinstance(error, OSError) and error.errno in _BUSY_NUMBERS
        ):
            kind = SourceBusy
        else:
            kind = SourceError
    said = f"{type(error).__name__}, status {status}" if status else type(error).__name__
    more = {"status": status} if status else {}
    return kind(f"{name}: {_MEANING[kind]} ({said})", stage="open", source=name, **more)


def _status(error: Exception) -> int | None:
    """The HTTP status, wherever a package keeps it."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        response = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    for found in (response, *(getattr(error, n, None) for n in ("status_code", "status", "code"))):
        if isinstance(found, str) and found.isdigit():
            found = int(found)
        if isinstance(found, int) and 400 <= found < 600:
            return found
    return None
