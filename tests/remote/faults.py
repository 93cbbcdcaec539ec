"""What a :class:`~tests.remote.fault_server.FaultServer` can be told to do wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["connect", "status", "headers", "body", "middle"]
Act = Literal["reset", "close", "hang", "drip"]

STAGES: tuple[Stage, ...] = ("connect", "status", "headers", "body", "middle")
ACTS: tuple[Act, ...] = ("reset", "close", "hang", "drip")


@dataclass
class Request:
    """What came. ``headers``: names in lower case. ``range``: first and last byte asked for.

    ``number`` counts from 0 over the server, ``connection`` likewise. ``sent``: bytes of body.
    """

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    connection: int
    peer: tuple[str, int]
    range: tuple[int, int | None] | None = None
    status: int = 0
    sent: int = 0


@dataclass
class Served:
    """A file as it is served; ``None`` leaves the header out."""

    data: bytes
    etag: str | None = "auto"
    modified: str | None = "Sat, 01 Aug 2026 08:00:00 GMT"

    def __post_init__(self) -> None:
        if self.etag == "auto":
            self.etag = f'"{hashlib.sha1(self.data).hexdigest()[:16]}"'


@dataclass
class Reply:
    """What goes out. Faults change it.

    ``raw`` replaces everything. ``tail`` goes out behind the body. ``chunked``: the body in chunks
    of so many bytes. ``stop``: (stage, act, bytes of body before it; ``None`` is half).
    """

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes | None = None
    tail: bytes = b""
    chunked: int = 0
    close: bool = False
    stop: tuple[Stage, Act, int | None] | None = None
    pause: float = 0.05


@dataclass
class Fault:
    """One misbehaviour; see the functions below for the usual ones."""

    change: Callable[[Request, Reply], None]
    times: int | None = 1
    on: Callable[[Request], bool] | None = None
    connect: Act | None = None


def cut(
    stage: Stage,
    act: Act,
    *,
    after: int | None = None,
    times: int | None = 1,
    on: Callable[[Request], bool] | None = None,
    pause: float = 0.05,
) -> Fault:
    """Reset, close, hang or drip (a byte each ``pause`` seconds) from a stage on."""

    def change(request: Request, reply: Reply) -> None:
        reply.stop = (stage, act, after)
        reply.pause = pause

    return Fault(change, times, on, connect=act if stage == "connect" else None)


def answer(
    status: int | None = None,
    *,
    body: bytes | None = None,
    times: int | None = 1,
    on: Callable[[Request], bool] | None = None,
    **headers: str | None,
) -> Fault:
    """Another status, body or headers (``Content_Range="..."``; ``None`` leaves one out).

    ``Content-Length`` follows the body unless given.
    """

    def change(request: Request, reply: Reply) -> None:
        if status is not None:
            reply.status = status
        if body is not None:
            reply.body = body
            reply.headers["Content-Length"] = str(len(body))
        for name, text in headers.items():
            name = name.replace("_", "-")
            reply.headers.pop(name, None)
            if text is not None:
                reply.headers[name] = text

    return Fault(change, times, on)


def busy(status: int = 503, *, after: str | None = None, times: int | None = 1) -> Fault:
    return answer(status, body=b"busy", times=times, Retry_After=after, Content_Range=None)


def redirect(
    to: str,
    status: int = 302,
    *,
    times: int | None = None,
    on: Callable[[Request], bool] | None = None,
) -> Fault:
    return answer(status, body=b"", times=times, on=on, Location=to, Content_Range=None)


def raw(text: bytes, *, times: int | None = 1) -> Fault:
    """These bytes and then the end, whatever was asked."""

    def change(request: Request, reply: Reply) -> None:
        reply.raw = text

    return Fault(change, times)


def extra(text: bytes, *, times: int | None = 1) -> Fault:
    """More bytes than promised."""

    def change(request: Request, reply: Reply) -> None:
        reply.tail = text

    return Fault(change, times)


def chunked(size: int = 1000, *, times: int | None = 1) -> Fault:
    def change(request: Request, reply: Reply) -> None:
        reply.chunked = size
        del reply.headers["Content-Length"]
        reply.headers["Transfer-Encoding"] = "chunked"

    return Fault(change, times)


def shorter(size: int, *, times: int | None = 1) -> Fault:
    """A valid part, of fewer bytes than asked for."""

    def change(request: Request, reply: Reply) -> None:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\S+)", reply.headers.get("Content-Range", ""))
        if match and len(reply.body) > size:
            reply.body = reply.body[:size]
            first = int(match[1])
            reply.headers["Content-Range"] = f"bytes {first}-{first + size - 1}/{match[3]}"
            reply.headers["Content-Length"] = str(size)

    return Fault(change, times)
