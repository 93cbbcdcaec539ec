"""nginx as a server of files for tests: one process of its own, nothing of the machine's touched.

The port is bound here and handed over as an open socket, so that it is surely free, and surely
answers, when nginx has not even begun to run.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.conftest import required

#: ``gzip`` is on, and for everything: a client that does not say ``identity`` gets it compressed.
_CONFIG: Final = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 128; }}
http {{
    log_format ours '$connection $request_method $uri $status $body_bytes_sent "$http_range" '
                    '"$http_accept_encoding" "$http_if_range"';
    access_log {folder}/access.log ours;
    client_body_temp_path {folder}/t1;
    proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4;
    scgi_temp_path {folder}/t5;
    default_type application/octet-stream;
    types {{ video/mp4 mp4; video/x-matroska mkv; video/mp2t ts; }}
    gzip on;
    gzip_types *;
    gzip_min_length 1;
    server {{
        listen 127.0.0.1:{port}{tls};
        {certificate}
        location / {{ root {served}; }}
        location /no-ranges/ {{ alias {served}/; max_ranges 0; }}
        location /slow/ {{ alias {served}/; limit_rate {rate}; limit_rate_after 4k; }}
        location /no-validators/ {{ alias {served}/; etag off; add_header Last-Modified ""; }}
        location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
        location /private/ {{ return 403; }}
    }}
}}
"""
_LINE: Final = re.compile(
    r'(?P<connection>\d+) (?P<method>\S+) (?P<path>.+) (?P<status>\d+) (?P<sent>\d+) '
    r'"(?P<range>[^"]*)" "(?P<encoding>[^"]*)" "(?P<if_range>[^"]*)"'
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Logged:
    """A line of nginx's log. ``sent``: bytes of the body that left, headers not counted."""

    connection: int
    method: str
    path: str
    status: int
    sent: int
    range: str
    encoding: str
    if_range: str


class NginxServer:
    """``with NginxServer(folder) as nginx: ... nginx.url("/v.mp4")``, serving what is in a folder.

    Also under ``/no-ranges/``, ``/slow/`` (``rate`` bytes a second), ``/no-validators/``,
    ``/moved/`` (302) and ``/private/`` (403). With ``tls``, https with a certificate made for it:
    ``certificate`` is the file to trust. :attr:`log` is there after the ``with`` block.
    """

    def __init__(self, served: Path, *, tls: bool = False, rate: int = 200_000) -> None:
        self._served = served
        self._tls = tls
        self._rate = rate
        self.log: list[Logged] = []

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="nginx-")
        folder = Path(self._temporary.name)
        self.certificate = folder / "certificate.pem"
        if self._tls:
            _make_certificate(self.certificate, folder / "key.pem")
        sock = socket.socket()
        try:
            sock.bind(("127.0.0.1", 0))
            sock.listen(64)
            self.port = sock.getsockname()[1]
            config = folder / "nginx.conf"
            config.write_text(
                _CONFIG.format(
                    folder=folder,
                    # Started by root, it would serve as somebody who may not read what is served.
                    user="user root root;" if os.geteuid() == 0 else "",
                    port=self.port,
                    served=self._served,
                    rate=self._rate,
                    tls=" ssl" if self._tls else "",
                    certificate=(
                        f"ssl_certificate {self.certificate};"
                        f"ssl_certificate_key {folder / 'key.pem'};"
                        if self._tls
                        else ""
                    ),
                )
            )
            self._process = subprocess.Popen(
                [_nginx(), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")],
                env={**os.environ, "NGINX": f"{sock.fileno()};"},
                pass_fds=[sock.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except BaseException:
            self._temporary.cleanup()
            raise
        finally:
            sock.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        folder = Path(self._temporary.name)
        try:
            died = self._process.poll() is not None
            self._process.terminate()
            _, said = self._process.communicate(timeout=10)
            log = folder / "access.log"
            if log.exists():
                self.log = [_parsed(line) for line in log.read_text().splitlines()]
            if died:
                told = (folder / "error.log").read_text() + said.decode(errors="replace")
                raise RuntimeError(f"nginx did not run: {told}")
        finally:
            self._temporary.cleanup()

    def url(self, path: str) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"


def need_nginx(*, tls: bool = False) -> None:
    """Skip the test where there is none, unless SNAPENGINE_REQUIRE names ``nginx``."""
    missing = [
        name
        for name, found in (("nginx", _nginx()), ("openssl", shutil.which("openssl") or not tls))
        if not found
    ]
    if not missing:
        return
    message = f"not installed: {', '.join(missing)}"
    if required("nginx"):
        pytest.fail(message)
    pytest.skip(message)


def _nginx() -> str:
    # Debian's place is not in the PATH of ordinary users.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or ""


def _parsed(line: str) -> Logged:
    match = _LINE.fullmatch(line)
    assert match is not None, line
    return Logged(
        int(match["connection"]), match["method"], match["path"], int(match["status"]),
        int(match["sent"]), match["range"], match["encoding"], match["if_range"],
    )  # fmt: skip


def _make_certificate(certificate: Path, key: Path) -> None:
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
