"""A fetcher as the tests use it, and the file that it reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from snapengine.model.network import Network
from snapengine.sources.http import HttpFetcher
from snapengine.sources.meter import Meter

from .fault_server import FaultServer

PATH = "/v.mp4"
DATA = bytes((i * 7 + i // 251) % 256 for i in range(300_000))
#: Another file of the same size.
OTHER = bytes(reversed(DATA))


#: Seconds; longer than this and something waits that should not.
PROMPT = 1.0
#: Little patience, for servers that hang; and much, for waits that something else must end.
QUICK: dict[str, Any] = {
    "allow_private": True, "connect_seconds": 1, "silence_seconds": 0.2, "least_rate": 1000,
    "request_seconds": 5, "retries": 3,
}  # fmt: skip
PATIENT: dict[str, Any] = {"silence_seconds": 30, "request_seconds": 30, "connect_seconds": 30}


class Reader:
    """A fetcher with a short temper, and one meter for all its fetches."""

    def __init__(self, url: str, meter: Meter | None = None, **options: Any) -> None:
        options.setdefault("allow_private", True)
        self.fetcher = HttpFetcher(url, Network(**options), pause=0.01)
        self.meter = meter or Meter()
        self.pieces: list[int] = []

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.fetcher.close()

    def get(self, offset: int, size: int) -> bytes:
        got = bytearray()

        def sink(piece: bytes) -> None:
            assert type(piece) is bytes
            self.pieces.append(len(piece))
            got.extend(piece)

        self.fetcher.fetch(offset, size, sink, self.meter)
        return bytes(got)

    def check(self, offset: int, size: int) -> None:
        assert self.get(offset, size) == DATA[offset : offset + size]


@contextlib.contextmanager
def fetcher(server: FaultServer, *, pause: float = 0.005, **options: Any) -> Iterator[HttpFetcher]:
    found = HttpFetcher(server.url(PATH), Network(**{**QUICK, **options}), pause=pause)
    try:
        yield found
    finally:
        found.close()


def get(fetcher: HttpFetcher, offset: int, size: int, meter: Meter | None = None) -> bytes:
    got = bytearray()
    fetcher.fetch(offset, size, got.extend, meter or Meter())
    return bytes(got)
