"""The command line with URLs: the same pictures, its options for remote files, and no secret in
what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.media.recipes import Recipe, build
from tests.remote.fault_server import FaultServer, answer, cut

SECRET = "S3cr3t"
FILM = Recipe(
    name="cli-remote", width=320, height=192, frames=100, gop=25, bframes=3, repeat=4,
    encoder_options=(("crf", "29"),),
)  # fmt: skip
"""Large enough (600 kB) not to come with the first request; 16 s."""


@pytest.fixture(scope="module")
def film() -> Path:
    return build(FILM)


@pytest.fixture
def server(film: Path) -> Iterator[FaultServer]:
    with FaultServer({"/a/film.mp4": film.read_bytes()}) as server:
        yield server


@pytest.fixture
def run(run: Any) -> Any:
    """The same, and no secret in what it says."""

    def call(*arguments: object) -> Any:
        ran = run(*arguments)
        assert SECRET not in ran.out + ran.err
        return ran

    return call


def secret_url(server: FaultServer) -> str:
    """One with everything in it that must not be shown."""
    url = server.url("/a/film.mp4", userinfo=f"me:{SECRET}")
    return f"{url}?signature={SECRET}#{SECRET}"


COMMANDS: tuple[tuple[object, ...], ...] = (
    ("info",),
    ("snapshot", "--at", 12, "--width", 64, "-o", "{name}.png"),
    ("sprite", "--count", 4, "--cell", "32x18", "-o", "{name}"),
    ("cover", "--width", 64, "-o", "{name}.png"),
    ("animate", "--width", 64, "--start", 1, "--length", 1, "-o", "{name}.gif"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_every_command_takes_a_url(
    run: Any, server: FaultServer, film: Path, tmp_path: Path, command: tuple[object, ...]
) -> None:
    verb, *options = (str(part) for part in command)
    said = {}
    for name, what in (("local", str(film)), ("remote", secret_url(server))):
        filled = [option.format(name=name) for option in options]
        ran = run(verb, what, *filled, "--allow-private", "--json")
        assert (ran.status, ran.err) == (0, "")
        said[name] = ran.json
    if verb == "info":
        assert said["local"] == said["remote"]
        return
    local, remote = (
        [p.read_bytes() for p in sorted(tmp_path.rglob(f"{name}*")) if p.is_file()]
        + [p.read_bytes() for p in sorted(tmp_path.glob(f"{name}/*"))]
        for name in said
    )
    assert local and local == remote
    whole = film.stat().st_size
    for name, least in (("opening", 1), ("stats", 0)):
        assert said["remote"][name]["requests"] >= least
        assert said["local"][name]["requests"] == said["local"][name]["bytes_fetched"] == 0
    assert sum(said["remote"][n]["requests"] for n in ("opening", "stats")) == len(server.requests)
    assert 0 < sum(said["remote"][n]["bytes_fetched"] for n in ("opening", "stats")) <= whole


def test_headers_are_sent(run: Any, server: FaultServer) -> None:
    ran = run(
        "info", server.url("/a/film.mp4"), "--allow-private",
        "--header", f"X-Token: {SECRET}", "--header", "X-Empty:",
    )  # fmt: skip
    assert ran.status == 0
    assert server.requests
    for request in server.requests:
        assert (request.headers["x-token"], request.headers["x-empty"]) == (SECRET, "")


@pytest.mark.parametrize(
    "line", [f"X-Token {SECRET}", f": {SECRET}", f"X Token: {SECRET}", f"X-Token: {SECRET}\r\nA: b"]
)
def test_a_header_that_is_none(run: Any, server: FaultServer, line: str) -> None:
    ran = run("info", server.url("/a/film.mp4"), "--allow-private", "--header", line)
    assert ran.status == 2
    assert ran.err.count("\n") == 1 and "header" in ran.err
    assert not server.requests


def test_a_header_given_twice(run: Any, server: FaultServer) -> None:
    two = ("--header", f"X-Token: {SECRET}", "--header", f"x-token: {SECRET}")
    ran = run("info", server.url("/a/film.mp4"), "--allow-private", *two)
    assert (ran.status, ran.err) == (2, "snapengine: header x-token is given twice\n")


def test_private_addresses_are_refused_unless_allowed(run: Any, server: FaultServer) -> None:
    ran = run("info", secret_url(server))
    assert ran.status == 1
    assert ran.err.count("\n") == 1 and "127.0.0.1" in ran.err
    assert not server.requests


def test_what_was_fetched_is_kept(run: Any, server: FaultServer, tmp_path: Path) -> None:
    take = ("snapshot", secret_url(server), "--at", 3, "--allow-private", "--json",
            "--cache", tmp_path / "kept")  # fmt: skip
    first = run(*take, "-o", "a.png")
    asked = len(server.requests)
    again = run(*take, "-o", "b.png")
    assert first.status == again.status == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert len(server.requests) - asked < asked
    kept = [p for p in (tmp_path / "kept").rglob("*") if p.is_file()]
    assert kept
    for path in kept:
        assert SECRET not in str(path) and SECRET.encode() not in path.read_bytes()


def test_a_timeout_ends_the_call(run: Any, server: FaultServer) -> None:
    server.faults.append(cut("status", "hang", times=None))
    ran = run("info", secret_url(server), "--allow-private", "--timeout", 0.2, "--json")
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert ran.json["error"]["code"] in ("limit_exceeded", "source_timeout")


def test_a_server_without_ranges(run: Any, server: FaultServer, film: Path) -> None:
    whole = answer(200, body=film.read_bytes(), times=None, Content_Range=None, Accept_Ranges=None)
    server.faults.append(whole)
    take = ("snapshot", secret_url(server), "--at", 1, "--allow-private", "--json")
    refused = run(*take, "-o", "a.png")
    assert (refused.status, refused.json["error"]["code"]) == (1, "ranges_unsupported")
    assert run(*take, "-o", "a.png", "--without-ranges", "stream").status == 0
    local = run("snapshot", film, "--at", 1, "-o", "b.png")
    assert local.status == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "source_denied"), (403, "source_denied"), (404, "source_not_found")],
)
def test_one_clear_line(run: Any, server: FaultServer, status: int, code: str) -> None:
    server.faults.append(answer(status, body=SECRET.encode(), times=None))
    ran = run("info", secret_url(server), "--allow-private", "--json")
    assert (ran.status, ran.json["error"]["code"]) == (1, code)
    assert ran.err.count("\n") == 1
    assert "/a/film.mp4" in ran.err and str(status) in ran.err


@pytest.mark.parametrize(
    "options",
    [
        ("--without-ranges", "maybe"),
        ("--timeout", "0"),
        ("--timeout", "-1"),
        ("--timeout", "nan"),
        ("--timeout", "soon"),
    ],
    ids=" ".join,
)
def test_wrong_options_are_told_before_any_request(
    run: Any, server: FaultServer, options: tuple[str, str]
) -> None:
    ran = run("info", secret_url(server), "--allow-private", *options)
    assert ran.status == 2
    assert not server.requests


@pytest.mark.parametrize(
    "url",
    [
        f"gopher://me:{SECRET}@host/a.mp4",
        f"https://me:{SECRET}@host:99999/a.mp4?x={SECRET}",
        f"https://me:{SECRET}@/a.mp4?x={SECRET}",
        f"https://ho st/a.mp4?x={SECRET}",
        f"s3://?x={SECRET}",
        f"https://host/a.mp4?x={SECRET}\x07",
    ],
)
def test_urls_that_are_none_show_no_secret(run: Any, url: str) -> None:
    ran = run("info", url, "--json")
    assert ran.status == 2
    assert ran.err.count("\n") == 1
