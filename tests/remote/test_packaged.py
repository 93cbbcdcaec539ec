"""Object stores whose URLs cannot be signed: their packages fetch, we check."""

from __future__ import annotations

import asyncio
import errno
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from snapengine.errors import (
    EngineClosed,
    LimitExceeded,
    SourceBusy,
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceTimeout,
)
from snapengine.model.network import Network
from snapengine.sources.base import Fetcher
from snapengine.sources.meter import Meter
from snapengine.sources.objects import open_object
from snapengine.sources.packaged import PackagedFetcher, translated

DATA = random.Random(3).randbytes(200_000)
RANGES = [(0, 1000), (4096, 70_000), (199_999, 1), (199_000, 5000), (0, 200_000), (250_000, 10)]


def fetched(fetcher: Fetcher, offset: int, size: int, meter: Meter | None = None) -> bytes:
    out = bytearray()
    fetcher.fetch(offset, size, out.extend, meter or Meter())
    return bytes(out)


# -- fetched by the package -----------------------------------------------------------------------


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    fs = MemoryFileSystem(skip_instance_cache=True)
    fs.store.clear()
    fs.pipe_file("/v.mp4", DATA)
    yield fs
    fs.store.clear()


def test_memory_when_allowed(memory: MemoryFileSystem) -> None:
    fetcher = open_object("memory://v.mp4", Network(schemes=frozenset({"memory"})))
    meter = Meter()
    for offset, size in RANGES:
        assert fetched(fetcher, offset, size, meter) == DATA[offset : offset + size]
    assert meter.bytes_fetched == sum(len(DATA[o : o + n]) for o, n in RANGES)
    memory.pipe_file("/v.mp4", DATA[::-1])
    with pytest.raises(SourceChanged):
        fetched(fetcher, 0, 10)
    fetcher.close()
    with pytest.raises(EngineClosed):
        fetched(fetcher, 0, 10)


class Store:
    """A synchronous file system that answers by a script."""

    def __init__(self, *script: object) -> None:
        self.script = list(script)
        self.info_now: dict[str, Any] = {"size": len(DATA), "type": "file", "etag": "1"}
        self.inside = self.most_inside = 0

    def invalidate_cache(self) -> None:
        pass

    def info(self, path: str) -> dict[str, Any]:
        return dict(self.info_now)

    def cat_file(self, path: str, start: int, end: int) -> object:
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        try:
            step = self.script.pop(0) if self.script else None
            if isinstance(step, BaseException):
                raise step
            return step(start, end) if callable(step) else DATA[start:end]
        finally:
            self.inside -= 1


def packaged(store: Any, **options: Any) -> PackagedFetcher:
    return PackagedFetcher(store, "b/v.mp4", "x://b/v.mp4", Network(**options))


def test_a_store_that_counts_the_end_in() -> None:
    """ossfs gives one byte more than fsspec says."""
    store = Store(lambda start, end: DATA[start : end + 1])
    assert fetched(packaged(store), 100, 50) == DATA[100:150]


def test_too_few_bytes_are_asked_for_again() -> None:
    store, meter = Store(lambda start, end: DATA[start : end - 1]), Meter()
    assert fetched(packaged(store), 100, 50, meter) == DATA[100:150]
    assert meter.retries == 1
    short: list[object] = [lambda start, end: DATA[start : end - 1]] * 9
    with pytest.raises(SourceBusy, match="49 of 50 bytes came from 100 on"):
        fetched(packaged(Store(*short), retries=1), 100, 50)


@pytest.mark.parametrize(
    "passing", [TimeoutError(), ConnectionResetError(), OSError(errno.EIO, "")]
)
def test_what_may_pass_is_tried_again(passing: Exception) -> None:
    meter = Meter()
    assert fetched(packaged(Store(passing)), 0, 10, meter) == DATA[:10]
    assert (meter.requests, meter.retries) == (4, 1)
    with pytest.raises(SourceError) as caught:
        fetched(packaged(Store(passing, passing), retries=1), 0, 10)
    assert caught.value.retryable
    assert caught.value.__cause__ is passing


@pytest.mark.parametrize(
    "lasting",
    [FileNotFoundError(), PermissionError(), ValueError("secret"), OSError(errno.EINVAL, "")],
)
def test_what_lasts_is_not(lasting: Exception) -> None:
    meter = Meter()
    with pytest.raises(SourceError) as caught:
        fetched(packaged(Store(lasting)), 0, 10, meter)
    assert meter.retries == 0
    assert caught.value.__cause__ is lasting
    assert "secret" not in str(caught.value)


def test_retries_end_with_the_time_for_one_range() -> None:
    endless = Store(*[TimeoutError()] * 1000)
    began = time.monotonic()
    with pytest.raises(SourceTimeout):
        fetched(packaged(endless, retries=1000, request_seconds=0.3), 0, 10)
    assert time.monotonic() - began < 5


def test_a_change_during_the_fetch_is_seen_before_anything_is_handed_on() -> None:
    def change(start: int, end: int) -> bytes:
        store.info_now = {**store.info_now, "etag": "2"}
        return DATA[start:end]

    store = Store(change)
    got: list[bytes] = []
    with pytest.raises(SourceChanged):
        packaged(store).fetch(0, 100, got.append, Meter())
    assert not got


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        ({"type": "directory", "size": 0}, SourceNotFound),
        (None, SourceError),
        ({"size": "?"}, None),
    ],
)
def test_what_stores_tell(info: Any, kind: type[SourceError] | None) -> None:
    store = Store()
    store.info = lambda path: info  # type: ignore[method-assign]
    fetcher = packaged(store)
    if kind is None:
        assert fetched(fetcher, 199_990, 100) == DATA[199_990:]
        assert fetcher.size is None
    else:
        with pytest.raises(kind):
            fetched(fetcher, 0, 100)


def test_one_thread_at_a_time_where_there_may_be_one_connection() -> None:
    store = Store(*[lambda start, end: (time.sleep(0), DATA[start:end])[1]] * 40)
    fetcher = packaged(store)
    threads = [
        threading.Thread(target=lambda: [fetched(fetcher, i, 9) for i in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.most_inside == 1


def test_limits_hold() -> None:
    with pytest.raises(LimitExceeded):
        fetched(packaged(Store()), 0, 1000, Meter(max_bytes=999))
    with pytest.raises(LimitExceeded):
        fetched(packaged(Store()), 0, 1000, Meter(max_requests=1))


class Silent(AsyncFileSystem):  # type: ignore[misc]
    """Answers ``info`` and never ``cat_file``."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.cancelled = threading.Event()

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"size": len(DATA), "type": "file", "etag": "1"}

    async def _cat_file(self, path: str, **_: Any) -> bytes:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_wait_ends_at_once(how: str) -> None:
    store = Silent()
    fetcher, meter = packaged(store), Meter()
    caught: list[BaseException] = []

    def work() -> None:
        try:
            fetched(fetcher, 0, 10, meter)
        except EngineClosed as exc:
            caught.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    assert store.asked.wait(10)
    began = time.monotonic()
    if how == "stop":
        meter.stop(EngineClosed("over"))
    else:
        fetcher.close()
    thread.join(10)
    assert time.monotonic() - began < 2
    assert len(caught) == 1
    assert store.cancelled.is_set()


def test_a_wait_ends_with_its_time() -> None:
    store = Silent()
    with pytest.raises(SourceTimeout):
        fetched(packaged(store, request_seconds=0.2, retries=0), 0, 10)
    assert store.cancelled.wait(10)


def test_a_wait_ends_with_the_call() -> None:
    store = Silent()
    with pytest.raises(LimitExceeded):
        fetched(packaged(store, retries=0), 0, 10, Meter(deadline=time.monotonic() + 0.2))


# -- errors ---------------------------------------------------------------------------------------


def named(name: str, **attributes: Any) -> Exception:
    """An error of a package's that is not installed."""
    error: Exception = type(name, (Exception,), attributes)("https://x/?sig=secret")
    return error


def botocore_error(status: int) -> Exception:
    return named("ClientError", response={"ResponseMetadata": {"HTTPStatusCode": status}})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (FileNotFoundError(), SourceNotFound),
        (IsADirectoryError(), SourceNotFound),
        (PermissionError(), SourceDenied),
        (TimeoutError(), SourceTimeout),
        (ConnectionRefusedError(), SourceBusy),
        (OSError(errno.EIO, "io"), SourceBusy),
        (OSError(errno.EINVAL, "bad"), SourceError),
        (KeyError("x"), SourceError),
        (named("NoCredentialsError"), SourceDenied),
        (named("EndpointConnectionError"), SourceBusy),
        (named("ReadTimeoutError"), SourceTimeout),
        (named("ResourceNotFoundError", status_code=404), SourceNotFound),
        (named("HttpError", code=403), SourceDenied),
        (named("HttpError", code="503"), SourceBusy),
        (named("HttpResponseError", status_code=429), SourceBusy),
        (named("Whatever", code=17), SourceError),
        (botocore_error(403), SourceDenied),
        (botocore_error(404), SourceNotFound),
        (botocore_error(503), SourceBusy),
        (botocore_error(400), SourceError),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_errors_of_packages_become_ours(theirs: Exception, ours: type[SourceError]) -> None:
    error = translated(theirs, "x://b/k")
    assert type(error) is ours
    assert "x://b/k" in str(error)
    assert type(theirs).__name__ in str(error)
    assert "secret" not in str(error)
