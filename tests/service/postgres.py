"""A throw-away PostgreSQL of the system's own binaries, for as long as the tests run.

It listens on a socket in its own folder only. Without binaries the tests that want it are skipped,
unless SNAPENGINE_REQUIRE names "postgres".
"""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.conftest import required

_USER = "snap"
_numbers = itertools.count(1)


def binaries() -> Path | None:
    """The folder of initdb and postgres, the newest one."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    named = shutil.which("postgres")
    return found[-1].parent if found else Path(named).resolve().parent if named else None


def new_database() -> str:
    """The SQLAlchemy URL of a new, empty database."""
    folder = _server()
    name = f"t{next(_numbers)}"
    with psycopg.connect(f"host={folder} user={_USER} dbname=postgres", autocommit=True) as link:
        link.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql://{_USER}@/{name}?host={quote(str(folder), safe='')}"


def new_schema() -> str:
    """The same as a schema of one database, which is made much sooner."""
    name = f"s{next(_numbers)}"
    url = _common()
    ask(url, f'CREATE SCHEMA "{name}"')
    return f"{url}&options=-csearch_path%3D{name}"


def ask(url: str, statement: str) -> list[Any]:
    """What a statement answers, past our own code."""
    name, _, host = url.partition("@/")[2].partition("?host=")
    folder = host.replace("%2F", "/")
    with psycopg.connect(f"host={folder} user={_USER} dbname={name}", autocommit=True) as link:
        cursor = link.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def require_postgres() -> None:
    """Skip the test, or fail it, where there is no PostgreSQL."""
    if binaries() is not None:
        return
    if required("postgres"):
        pytest.fail("no PostgreSQL: neither /usr/lib/postgresql/*/bin nor postgres in PATH")
    pytest.skip("no PostgreSQL here")


@cache
def _common() -> str:
    return new_database()


@cache
def _server() -> Path:
    """Start it; the folder in which it listens."""
    tools = binaries()
    assert tools is not None
    folder = Path(tempfile.mkdtemp(prefix="snap-pg-", dir="/tmp"))  # short: a socket lies in it
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    user: dict[str, Any] = {}
    if os.getuid() == 0:  # which PostgreSQL refuses to run as
        names = [each.pw_name for each in pwd.getpwall()]
        other = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
        user = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
        os.chown(folder, other.pw_uid, other.pw_gid)
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    data = folder / "data"
    made = subprocess.run(
        [tools / "initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
        env=environ, cwd="/", capture_output=True, text=True, check=False, **user,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off",
                "full_page_writes": "off", "max_connections": "200"}  # fmt: skip
    log = folder / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [tools / "postgres", "-D", data, *(f"--{k}={v}" for k, v in settings.items())],
            env=environ, cwd="/", stdout=output, stderr=output, **user,
        )  # fmt: skip
    atexit.register(_stop, process)
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            psycopg.connect(f"host={folder} user={_USER} dbname=postgres").close()
            return folder
        except psycopg.OperationalError:
            _pause(process)
    raise AssertionError(log.read_text())


def _pause(process: subprocess.Popen[bytes]) -> None:
    """A tenth of a second, or until the server has ended."""
    try:
        process.wait(0.1)
    except subprocess.TimeoutExpired:
        return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # "fast": without waiting for clients
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
