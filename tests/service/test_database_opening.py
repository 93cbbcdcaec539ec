"""Opening a database: what is refused, what is private, and what happens when it goes away."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from snapengine.errors import BackendMissing, InvalidOption
from snapengine.service.domain.failures import ServiceUnavailable
from snapengine.service.storage import connections
from snapengine.service.storage.database import Database

from .kept import asset, url_of
from .postgres import ask, new_database, require_postgres

SHARED = ("file", "postgres")


@pytest.fixture
def postgres() -> Iterator[str]:
    require_postgres()
    yield new_database()


@pytest.mark.parametrize("kind", SHARED)
def test_what_was_kept_is_there_again(kind: str, tmp_path: Path) -> None:
    url = url_of(kind, tmp_path)
    home = asset()
    first = Database(url)
    first.add_asset(home)
    second = Database(url)
    assert second.asset("t1", home.id) == home
    first.close()
    assert second.delete_asset("t1", home.id)
    second.close()


@pytest.mark.parametrize("kind", ["file", "memory", "postgres"])
def test_a_closed_database_is_unavailable(kind: str, tmp_path: Path) -> None:
    database = Database(url_of(kind, tmp_path))
    database.close()
    database.close()
    with pytest.raises(ServiceUnavailable, match="closed"):
        database.asset("t1", "x")


@pytest.mark.parametrize("kind", SHARED)
def test_tables_of_a_newer_version_are_left_alone(kind: str, tmp_path: Path) -> None:
    url = url_of(kind, tmp_path)
    database = Database(url)
    with database._writing() as connection:
        connection.exec_driver_sql("UPDATE snap_schema SET version = version + 1")
    database.close()
    with pytest.raises(InvalidOption, match="newer version"):
        Database(url)


@pytest.mark.parametrize(
    "url",
    ["", "x", "mysql://u:secret@h/d", "sqlite+aiosqlite://", "http://secret@h/", "sqlite//x.db",
     "postgresql+psycopg2://u:secret@h/d", "postgresql://h:port/d"],
)  # fmt: skip
def test_other_urls_are_refused_without_telling_their_secrets(url: str) -> None:
    with pytest.raises(InvalidOption) as info:
        Database(url)
    assert "secret" not in str(info.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(BackendMissing, match=r"snapengine\[postgres\]"):
        Database("postgresql://user:secret@127.0.0.1:1/name")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(ServiceUnavailable) as info:
        Database("postgresql://user:secret@127.0.0.1:1/name")
    assert "secret" not in str(info.value)


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "kept.db"
    database = Database(f"sqlite:///{path}")
    database.add_asset(asset())
    for name in os.listdir(path.parent):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600, name
    database.close()


def test_what_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is a text, not a database" * 100)
    (tmp_path / "file").write_text("")
    for name in ("text.db", "", "file/x.db"):
        with pytest.raises(ServiceUnavailable):
            Database(f"sqlite:///{tmp_path}/{name}")
    assert (tmp_path / "text.db").read_text().startswith("this is a text")


def test_a_locked_file_is_unavailable_for_writers_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_WAIT", 0.05)
    database = Database(f"sqlite:///{tmp_path}/kept.db")
    home = asset()
    database.add_asset(home)
    other = sqlite3.connect(tmp_path / "kept.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServiceUnavailable) as info:
        database.delete_asset("t1", home.id)
    assert info.value.retryable
    assert database.asset("t1", home.id) == home
    assert database.claim("w", home.created) is None
    other.execute("ROLLBACK")
    other.close()
    assert database.delete_asset("t1", home.id)
    database.close()


def test_many_writers_of_a_locked_file_wait_together_not_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_WAIT", 0.5)
    database = Database(f"sqlite:///{tmp_path}/kept.db")
    other = sqlite3.connect(tmp_path / "kept.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def write(_: int) -> None:
        with pytest.raises(ServiceUnavailable):
            database.add_asset(asset())

    began = time.monotonic()
    with ThreadPoolExecutor(24) as pool:
        list(pool.map(write, range(24)))
    assert time.monotonic() - began < 5, "twelve seconds, one after the other"
    other.execute("ROLLBACK")
    other.close()
    database.close()


def test_a_locked_row_is_unavailable_in_the_end(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_WAIT", 1)
    first, second = Database(postgres), Database(postgres)
    home = asset()
    first.add_asset(home)

    def change(it: object) -> None:
        with pytest.raises(ServiceUnavailable) as info:
            second.delete_asset("t1", home.id)
        assert "LockNotAvailable" in str(info.value)
        raise KeyError

    with pytest.raises(KeyError):
        first.change_asset("t1", home.id, change)  # type: ignore[arg-type]
    assert second.delete_asset("t1", home.id)
    first.close()
    second.close()


def test_connections_that_broke_are_made_anew(postgres: str) -> None:
    database = Database(postgres)
    home = asset()
    database.add_asset(home)
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    )
    assert ask(postgres, f"{end} AND pid <> pg_backend_pid()") == [(True,)]
    assert database.asset("t1", home.id) == home

    def change(it: object) -> None:
        ask(postgres, f"{end} AND pid <> pg_backend_pid()")
        raise KeyError

    with pytest.raises((KeyError, ServiceUnavailable)):
        database.change_asset("t1", home.id, change)  # type: ignore[arg-type]
    assert database.asset("t1", home.id) == home
    database.close()


def test_a_server_that_goes_is_unavailable(postgres: str) -> None:
    database = Database(postgres)
    name = postgres.partition("@/")[2].partition("?")[0]
    ask(postgres.replace(f"@/{name}?", "@/postgres?"), f'DROP DATABASE "{name}" WITH (FORCE)')
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            database.asset("t1", "x")
        with pytest.raises(ServiceUnavailable):
            database.add_asset(asset())
    database.close()


def test_the_tables_are_alike_in_both(postgres: str, tmp_path: Path) -> None:
    """Same columns, and the same indexes: what SQLite's plans prove holds for both."""
    lite, big = Database(f"sqlite:///{tmp_path}/kept.db"), Database(postgres)
    import sqlalchemy

    def shape(database: Database) -> dict[str, object]:
        look = sqlalchemy.inspect(database._engine)
        return {
            table: (
                [(column["name"], column["nullable"]) for column in look.get_columns(table)],
                sorted(
                    tuple(str(name) for name in index["column_names"])
                    for index in look.get_indexes(table)
                    if not index.get("duplicates_constraint")
                ),
                sorted(tuple(u["column_names"]) for u in look.get_unique_constraints(table)),
                sorted(tuple(f["constrained_columns"]) for f in look.get_foreign_keys(table)),
            )
            for table in sorted(look.get_table_names())
        }

    assert len(shape(big)) == 10
    assert shape(lite) == shape(big)
    lite.close()
    big.close()
