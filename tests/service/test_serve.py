"""``snapengine serve``, as a process."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from snapengine.cli.arguments import make_parser
from snapengine.cli.serve import _ABOUT
from snapengine.service.settings import Settings, settings_from
from snapengine.service.web.serving import _bound
from tests.service.web_kit import KEY

ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("SNAPENGINE_")}
LISTENING = re.compile(r"snapengine: listening on (http://\S+)\n")


class Server:
    """The process, and what it said until it listened."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.process = process
        self.said = ""
        self.address = ""
        for line in process.stderr:
            self.said += line
            if found := LISTENING.fullmatch(line):
                self.address = found[1]
                return

    def get(self, path: str) -> httpx.Response:
        with httpx.Client(trust_env=False) as http:
            return http.get(f"{self.address}{path}")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit status, and the rest of what it said."""
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=30)
        return self.process.returncode, rest


@contextlib.contextmanager
def serving(*flags: str, **environ: str) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, "-m", "snapengine", "serve", "--port", "0", "--workers", "0", *flags],
        env={**ENVIRON, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield Server(process)
        finally:
            if process.poll() is None:
                process.kill()


def run(*flags: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = ["-c", code] if code else ["-m", "snapengine"]
    return subprocess.run(
        [sys.executable, *command, "serve", *flags], env=ENVIRON, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_the_first_start_makes_a_pair_and_shows_it_once(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with serving("--data", data) as server:
        assert server.get("/healthz").json() == {"status": "ok"}
        shown = re.search(
            r"key id +(SE\w+)\n +secret access key +(\w+)\n +project id +(\w+)\n", server.said
        )
        assert shown, server.said
        assert "SNAPENGINE_KEYS" in server.said
        status, rest = server.end()
    assert (status, rest) == (0, "")
    id, secret, project = shown.groups()
    with serving(SNAPENGINE_DATA=data) as server:
        assert id in server.said
        assert secret not in server.said
        assert server.end()[0] == 0
    # It is the same pair: a call signed with it would be answered.
    from snapengine.service.facade import Service

    with contextlib.closing(Service(Settings(data=data))) as service:
        (key,) = service.keys
        assert (key.id, key.secret, key.project_id) == (id, secret, project)


def test_keys_that_are_given_are_shown_to_nobody(tmp_path: Path) -> None:
    with serving("--data", str(tmp_path), SNAPENGINE_KEYS=KEY) as server:
        assert server.said == f"snapengine: listening on {server.address}\n"
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+", server.address)
        assert server.get("/nothing").status_code == 404
        status, rest = server.end(signal.SIGINT)
    assert (status, rest) == (130, "snapengine: interrupted\n")


def test_the_environment_says_where_to_listen(tmp_path: Path) -> None:
    told = {"SNAPENGINE_HOST": "127.0.0.2", "SNAPENGINE_KEYS": KEY}
    with serving("--data", str(tmp_path), **told) as server:
        assert re.fullmatch(r"http://127\.0\.0\.2:[1-9]\d+", server.address)
    bad = subprocess.run(
        [sys.executable, "-m", "snapengine", "serve", "--data", str(tmp_path)],
        env=ENVIRON | told | {"SNAPENGINE_PORT": "x"}, capture_output=True, check=False,
        text=True, timeout=60,
    )  # fmt: skip
    assert bad.returncode == 2
    assert "port" in bad.stderr


def test_answers_do_not_wait_for_their_clients_word() -> None:
    """TCP_NODELAY: else the body of each answer waits for the client to confirm its head."""
    with (
        _bound("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_what_is_under_way_is_ended_first(tmp_path: Path) -> None:
    with serving("--data", str(tmp_path), SNAPENGINE_KEYS=KEY) as server:
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as sock:
            sock.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n")
            sock.sendall(b"Expect: 100-continue\r\n\r\n")
            sock.settimeout(20)
            first = sock.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            if first.startswith(b"HTTP/1.1 100 "):  # it waits for the body
                sock.sendall(b"{}")
                first = sock.recv(65536)
            assert re.match(rb"HTTP/1.1 4\d\d ", first)
        assert server.process.wait(30) == 0


def test_an_address_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("--data", str(tmp_path), "--port", port, "--workers", "0", "--keys", KEY)
    assert done.returncode == 1
    assert re.fullmatch(rf"snapengine: cannot listen on 127\.0\.0\.1:{port}: .*\n", done.stderr)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "99999"], "port"),
        (["--port", "x"], "port"),
        (["--workers", "x"], "workers must be a number"),
        (["--keys", "very-secret"], "key 1 is not written"),
        (["--media-roots", "relative"], "absolute"),
        (["--cover", "best"], "cover must be one of"),
        (["--nonsense"], "nonsense"),
    ],
)
def test_bad_usage_is_told(tmp_path: Path, flags: list[str], said: str) -> None:
    done = run("--data", str(tmp_path), *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "very-secret" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "sqlalchemy"])
def test_without_the_extra_it_says_what_to_install(tmp_path: Path, package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from snapengine.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = run("--data", str(tmp_path), code=code)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'snapengine[service]'" in done.stderr


def test_each_setting_is_a_flag_and_the_flags_say_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in list(os.environ):
        if name.startswith("SNAPENGINE_"):
            monkeypatch.delenv(name)
    names = [field.name for field in dataclasses.fields(Settings)]
    assert list(_ABOUT) == names
    flags = [
        "--keys", KEY, "--data", "d", "--database", "sqlite://", "--store", "s3://b",
        "--public-url", "https://x", "--media-roots", f"/a{os.pathsep}/b", "--source-schemes",
        "https,s3", "--allow-private", "--workers", "0", "--queue", "5", "--tenant-queue", "4",
        "--job-seconds", "1.5", "--job-attempts", "3", "--max-pixels", "100",
        "--max-upload-bytes", "7", "--quality", "50", "--cover", "head", "--no-smart-cover",
        "--process-status", "400", "--signed-urls", "60", "--store-urls", "--callback-attempts",
        "2", "--huawei-callback-url", "http://u", "--huawei-callback-key", "k",
    ]  # fmt: skip
    parsed = make_parser().parse_args(["serve", *flags])
    found = settings_from(**{name: getattr(parsed, name) for name in names})
    assert found == Settings(
        keys=KEY, data="d", database="sqlite://", store="s3://b", public_url="https://x",
        media_roots=("/a", "/b"), source_schemes=("https", "s3"), allow_private=True, workers=0,
        queue=5, tenant_queue=4, job_seconds=1.5, job_attempts=3, max_pixels=100,
        max_upload_bytes=7, quality=50, cover="head", smart_cover=False, process_status=400,
        signed_urls=60, store_urls=True, callback_attempts=2, huawei_callback_url="http://u",
        huawei_callback_key="k",
    )  # fmt: skip
    untouched = make_parser().parse_args(["serve"])
    assert settings_from(**{name: getattr(untouched, name) for name in names}) == Settings()
