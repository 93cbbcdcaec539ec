"""Calls of Huawei's API as its clients send them, without a client and without a network."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.server
import json
import queue
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import uvicorn
from starlette.applications import Starlette

from snapengine.service.auth.keys import Key
from snapengine.service.auth.wire import SignedRequest
from snapengine.service.dialects.huawei import HuaweiDialect
from snapengine.service.dialects.huawei.calls import Reply
from tests.service.vectors import sign_huawei

KEY = Key("SEone", "secret-of-one-1", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")
OTHER = Key("SEtwo", "secret-of-two-2", "project-two")
KEYS = ",".join(f"{key.id}:{key.secret}:{key.project_id}" for key in (KEY, OTHER))
BASE = "http://videos.test"
Query = Sequence[tuple[str, str]]


def signed(
    method: str,
    path: str,
    query: Query = (),
    body: object = None,
    *,
    key: Key = KEY,
    content_type: str = "application/json",
    now: datetime | None = None,
    **extra: str,
) -> SignedRequest:
    """A request signed by a second implementation. ``path``: decoded; ``{p}`` is the project."""
    path = path.replace("{p}", key.project_id)
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": "videos.test", "x-sdk-date": stamp}
    if content_type:
        headers["content-type"] = content_type
    headers |= {name.replace("_", "-"): value for name, value in extra.items()}
    authorization = sign_huawei(key, method, path, query, headers, data)
    return plain(method, path, query, data, {**headers, "authorization": authorization})


def plain(
    method: str, path: str, query: Query = (), body: bytes = b"", headers: Mapping[str, str] = {}
) -> SignedRequest:
    """A request as it is, signed or not."""
    pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    return SignedRequest(
        method, quote(path, safe="/").encode(), urlencode(query).encode(), pairs, body
    )


def ask(dialect: HuaweiDialect, request: SignedRequest) -> Reply:
    return dialect.answer(request, BASE, "request-id")


def fault(reply: Reply) -> tuple[int, str]:
    """Status and code of a reply that is an error, once its form is right."""
    assert reply.body is not None, reply
    assert set(reply.body) - {"request_id"} == {"error_code", "error_msg"}, reply
    assert all(isinstance(value, str) and value for value in reply.body.values())
    assert ("request_id" in reply.body) == reply.body["error_code"].startswith("APIGW.")
    return reply.status, reply.body["error_code"]


def body(reply: Reply, status: int = 200) -> Mapping[str, Any]:
    assert reply.status == status, reply
    assert reply.body is not None
    return reply.body


# -- over a network -------------------------------------------------------------------------


class Receiver:
    """Takes what is POSTed: target, headers, body. Answers 200."""

    def __init__(self) -> None:
        self.got: queue.Queue[tuple[str, dict[str, str], bytes]] = queue.Queue()
        got = self.got

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                got.put((self.path, {k.lower(): v for k, v in self.headers.items()}, data))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/events"

    def __enter__(self) -> Receiver:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def event(self, key: str, asset_id: str, seconds: float = 30.0) -> dict[str, Any]:
        """The next event of an asset, once its signature holds; those of others are passed over."""
        ends = time.monotonic() + seconds
        while True:
            _, headers, data = self.got.get(timeout=max(0.0, ends - time.monotonic()))
            assert headers["content-type"].startswith("application/json")
            text = json.loads(data)["message"]
            whole = f"VOD_{headers['auth_timestamp']}_{text}".encode()
            signature = hmac.new(key.encode(), whole, hashlib.sha256).hexdigest()
            assert headers["auth_sign"] == signature
            event: dict[str, Any] = json.loads(text)
            (info,) = (event[name] for name in event if name.endswith("_info"))
            if info["asset_id"] == asset_id:
                return event


@contextlib.contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The address of an application that a real server serves."""
    config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            ends = time.monotonic() + 30
            while not server.started and thread.is_alive() and time.monotonic() < ends:
                threading.Event().wait(0.01)
            assert server.started
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
