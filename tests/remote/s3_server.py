"""An S3 server for tests: moto's, with signatures that are checked and requests that are counted.

moto answers whatever it is asked; a real store refuses a URL whose signature is wrong or over, so
that is done here, from the published definition of signature version 4 and not with the code that
makes them.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote

ACCESS_KEY = "AKIATESTSNAPENGINE"
SECRET_KEY = "secret/of+the=tests"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it. ``sent``: bytes of the body, counted as they left."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    status: int
    sent: int

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


@dataclass(slots=True)
class S3Server:
    """``with S3Server() as s3: s3.put("bucket", "key", data)``; then ``s3.options`` for readers.

    ``requests`` are those of readers (signed URLs and others), not what :meth:`put` sends.
    ``ahead``: how far this server's clock is ahead of the signers', to let signatures expire.
    ``anonymous``: whether unsigned requests are answered. ``refuse``: status and code of the next
    answers, whatever is asked.
    """

    requests: list[Asked] = field(default_factory=list)
    ahead: timedelta = timedelta()
    anonymous: bool = False
    refuse: list[tuple[int, str]] = field(default_factory=list)
    _backend: Any = None
    _server: Any = None
    _thread: threading.Thread | None = None
    _quiet: bool = False

    def __enter__(self) -> Self:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Handler(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"  # keeps connections, as stores do

            def log(self, *_: object) -> None:
                """Silent."""

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._backend = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=Handler
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        assert self._thread is not None
        self._thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def options(self) -> dict[str, object]:
        """``storage_options`` of somebody who may read."""
        return {
            "key": ACCESS_KEY,
            "secret": SECRET_KEY,
            "client_kwargs": {"endpoint_url": self.endpoint, "region_name": "us-east-1"},
        }

    @property
    def asked_ranges(self) -> list[str | None]:
        return [asked.range for asked in self.requests if asked.method == "GET"]

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Upload over the wire, as any client would; not among :attr:`requests`."""
        import boto3
        from botocore.config import Config

        client = boto3.client(
            "s3",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            config=Config(s3={"addressing_style": "path"}),
        )
        self._quiet = True
        try:
            if bucket not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
                client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key=key, Body=data, ACL="public-read")
        finally:
            self._quiet = False
            client.close()

    # -- a request ----------------------------------------------------------------------------

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if self._quiet:
            return self._backend(environ, start)  # type: ignore[no-any-return]
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        headers = {
            name[5:].replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        # REQUEST_URI is as it came; PATH_INFO has been unquoted.
        path = str(environ.get("REQUEST_URI", environ["PATH_INFO"])).partition("?")[0]
        fault = self._fault(environ["REQUEST_METHOD"], path, query, headers)
        state: dict[str, Any] = {}

        def remember(status: str, fields: list[tuple[str, str]], *rest: Any) -> Any:
            state["status"] = int(status.split(maxsplit=1)[0])
            return start(status, fields, *rest)

        body: Iterable[bytes]
        if fault is None:
            body = self._backend(environ, remember)
        else:
            code, text = fault
            page = f"<Error><Code>{text}</Code><Message>{text}</Message></Error>".encode()
            remember(
                f"{code} {text}",
                [("Content-Type", "application/xml"), ("Content-Length", str(len(page)))],
            )
            body = [page]
        return self._counted(body, environ["REQUEST_METHOD"], path, query, headers, state)

    def _counted(
        self,
        body: Iterable[bytes],
        method: str,
        path: str,
        query: dict[str, str],
        headers: dict[str, str],
        state: dict[str, Any],
    ) -> Iterator[bytes]:
        pieces = list(body)
        close = getattr(body, "close", None)
        if close is not None:
            close()
        sent = sum(map(len, pieces)) if method != "HEAD" else 0
        # Before the body leaves: whoever has read it finds the request here.
        self.requests.append(Asked(method, path, query, headers, state["status"], sent))
        yield from pieces

    def _fault(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str]
    ) -> tuple[int, str] | None:
        if self.refuse:
            return self.refuse.pop(0)
        if "authorization" in headers:
            fields = dict(re.findall(r"(\w+)=([^,\s]+)", headers["authorization"]))
            credential, names = fields["Credential"], fields["SignedHeaders"]
            signature, payload = fields["Signature"], headers["x-amz-content-sha256"]
            date_time = headers["x-amz-date"]
        elif "X-Amz-Signature" in query:
            credential, names = query["X-Amz-Credential"], query["X-Amz-SignedHeaders"]
            signature, payload = query["X-Amz-Signature"], "UNSIGNED-PAYLOAD"
            date_time = query["X-Amz-Date"]
            signed_at = datetime.strptime(date_time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            over = signed_at + timedelta(seconds=int(query["X-Amz-Expires"]))
            if datetime.now(UTC) + self.ahead > over:
                return 403, "AccessDenied"
        else:
            return None if self.anonymous else (403, "AccessDenied")
        key, date, region, service, _ = credential.split("/")
        if key != ACCESS_KEY:
            return 403, "InvalidAccessKeyId"
        pairs = sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in query.items())
        canonical = "\n".join([
            method,
            quote(unquote(path), safe="/-_.~"),
            "&".join(f"{n}={v}" for n, v in pairs if n != "X-Amz-Signature"),
            *(f"{name}:{headers[name].strip()}" for name in names.split(";")),
            "",
            names,
            payload,
        ])  # fmt: skip
        scope = f"{date}/{region}/{service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", date_time, scope, digest])
        secret = f"AWS4{SECRET_KEY}".encode()
        for part in (date, region, service, "aws4_request", text):
            secret = hmac.digest(secret, part.encode(), "sha256")
        right = hmac.compare_digest(secret.hex(), signature)
        return None if right else (403, "SignatureDoesNotMatch")
