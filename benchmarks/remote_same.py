"""The same jobs over HTTP, S3 and a plain ``read_at``: the bytes fetched have to be the same.

S3 is moto's server, in a process of its own, counted at its door (WSGI), without latency: what is
compared are counts. Its file is uploaded with boto3 first.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.throttled_server import ThrottledServer

__all__ = ["CountedFile", "MotoServer", "compare"]

BUCKET = "films"
_KEY = {"key": "benchmark", "secret": "benchmark"}


class CountedFile:
    """A byte source of the user's own: ``size`` and ``read_at``, counting what it is asked."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._lock = threading.Lock()
        self.size = path.stat().st_size
        self.name = path.name
        self.requests = self.bytes = 0

    def read_at(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(offset)
            data = self._file.read(size)
            self.requests += 1
            self.bytes += len(data)
        return data

    def close(self) -> None:
        self._file.close()


class MotoServer:
    """moto's S3 in a process of its own; ``counts`` all requests, and the bytes of all answers."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.remote_same", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parent.parent,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError(f"moto ended with status {self._process.wait()}")

    @property
    def storage_options(self) -> dict[str, object]:
        return {
            **_KEY,
            "client_kwargs": {"endpoint_url": self.endpoint, "region_name": "us-east-1"},
        }

    def upload(self, path: Path) -> str:
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=_KEY["key"],
            aws_secret_access_key=_KEY["secret"],
        )
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET)
        with path.open("rb") as file:
            client.put_object(Bucket=BUCKET, Key=path.name, Body=file)
        return f"s3://{BUCKET}/{path.name}"

    def counts(self) -> dict[str, int]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.endpoint}/-/counts", timeout=10) as answer:
            counts: dict[str, int] = json.loads(answer.read())
        return counts

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def __enter__(self) -> MotoServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def compare(cases: list[Any], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Each case once over each way. A way that cannot be had is named with the reason."""
    try:
        import boto3  # noqa: F401
        import moto  # noqa: F401
    except ImportError as error:
        say(f"S3 is left out: {error}")
        return [{"name": "S3", "ok": False, "counts": {}, "error": str(error)}]
    rows = []
    paths = {case.file.path: "" for case in cases}
    folder = next(iter(paths)).parent
    with ThrottledServer(folder, latency=0.0, megabits=10000) as web, MotoServer() as moto_server:
        for path in paths:
            paths[path] = moto_server.upload(path)
        for case in cases:
            rows.append(_one(case, web, moto_server, paths[case.file.path]))
            say(f"same-{rows[-1]['name']}: {rows[-1]['counts']}")
    return rows


def _one(case: Any, web: ThrottledServer, s3: MotoServer, address: str) -> dict[str, Any]:
    import snapengine

    counts: dict[str, dict[str, int]] = {}
    allowed = snapengine.Network(allow_private=True)
    web.reset()
    with snapengine.open(web.url(case.file.path.name), network=allowed) as video:
        made = [_do(video, case)]
    seen = web.counts()
    counts["HTTP"] = {"requests": seen["requests"], "bytes": seen["body_bytes"]}
    before = s3.counts()
    stored = snapengine.Network(allow_private=True, storage_options=s3.storage_options)
    with snapengine.open(address, network=stored) as video:
        made.append(_do(video, case))
    counts["S3"] = {name: value - before[name] for name, value in s3.counts().items()}
    own = CountedFile(case.file.path)
    with snapengine.open(own) as video:
        made.append(_do(video, case))
    counts["read_at"] = {"requests": own.requests, "bytes": own.bytes}
    own.close()
    ok = len({count["bytes"] for count in counts.values()}) == 1
    return {
        "name": case.name,
        "ok": ok and made[0] == made[1] == made[2],
        "same_pictures": made[0] == made[1] == made[2],
        "counts": counts,
    }


def _do(video: Any, case: Any) -> list[bytes]:
    from benchmarks.jobs import CoverJob, SpriteJob

    job = case.job
    if isinstance(job, CoverJob):
        return [video.snapshot(job.at, width=job.width, accuracy="keyframe").jpeg()]
    if isinstance(job, SpriteJob):
        sheet = video.sprite(
            at=list(job.times), cell=job.cell, columns=job.columns, rows=job.rows,
            accuracy="keyframe",
        )  # fmt: skip
        return [sheet.pages[0].jpeg()]
    return [shot.to_ndarray().tobytes() for shot in video.snapshots(at=list(job.times))]


# -- moto's process ----------------------------------------------------------------------------


class _Counting:
    """A WSGI application around another one."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.requests, self.bytes = inner, 0, 0
        self.lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        if environ["PATH_INFO"] == "/-/counts":
            body = json.dumps({"requests": self.requests, "bytes": self.bytes}).encode()
            start("200 OK", [("Content-Length", str(len(body)))])
            return iter([body])
        return self.counted(self.inner(environ, start))

    def counted(self, pieces: Any) -> Iterator[bytes]:
        with self.lock:
            self.requests += 1
        for piece in pieces:
            with self.lock:
                self.bytes += len(piece)
            yield piece


def main() -> int:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Kept(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *said: Any) -> None:
            """Nothing."""

    app = _Counting(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=Kept)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
