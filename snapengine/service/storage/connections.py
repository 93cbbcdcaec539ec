"""The way to the database: opening it, transactions, and its errors as ours."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, event, exc, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import QueuePool

from ...errors import BackendMissing, InvalidOption, InvariantBroken
from ..domain.failures import ServiceUnavailable
from .tables import METADATA, SCHEMA, SCHEMA_VERSION

__all__ = ["Connections"]

#: Seconds to wait for a connection, for a lock, and for the server.
_WAIT: Final = 10
#: Locks of PostgreSQL that no row stands for: the making of tables, the bounds of the queue.
_TABLES_LOCK: Final = 0x736E6170_0001
_QUEUE_LOCK: Final = 0x736E6170_0002
#: How to begin: SQLite takes the lock of writers at once, or a reader could not become one.
_WRITES: Final = {"snap_writes": True}
#: Errors that say nothing about what was asked, only that it was not done.
_UNAVAILABLE: Final = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,
    exc.TimeoutError,
    exc.PendingRollbackError,
    exc.ResourceClosedError,
)


class Connections:
    """A pool of connections. Thread-safe; in a thread, one transaction at a time.

    A memory database has one connection, so its transactions wait for each other.
    """

    def __init__(self, url: str) -> None:
        """Open the database and make its tables where they are missing.

        ``url``: ``sqlite:///folder/name.db``, ``sqlite://`` (in memory), or
        ``postgresql://user:password@host/name``. Raises :class:`InvalidOption` for another URL and
        for tables of a newer version, :class:`BackendMissing` without the driver,
        :class:`ServiceUnavailable` when the database cannot be opened.
        """
        self._url = _checked(url)
        self._lite = self._url.get_backend_name() == "sqlite"
        # Between threads a lock is fair and wakes at once; SQLite's own only tries again.
        self._one_writer = threading.Lock() if self._lite else None
        self._failed = 0.0
        self._inside = threading.local()
        self._closed = False
        self._engine = self._make_engine()
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Let go of the connections; what is called later raises :class:`ServiceUnavailable`."""
        self._closed = True
        self._engine.dispose()

    # -- transactions ---------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._transaction({}) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """What is written within is kept whole, or not at all if anything is raised."""
        with self._turn(), self._transaction(_WRITES) as connection:
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Of this process's threads one writes; the others wait, but not for ever: who is at it
        may be waiting for another process."""
        if self._one_writer is None:
            yield
            return
        came = time.monotonic()
        if not self._one_writer.acquire(timeout=_WAIT):
            raise ServiceUnavailable("the database is busy")
        try:
            if came < self._failed:
                # Who was here before has waited in vain meanwhile: not each after the other.
                raise ServiceUnavailable("the database is busy")
            try:
                yield
            except ServiceUnavailable:
                self._failed = time.monotonic()
                raise
        finally:
            self._one_writer.release()

    @contextmanager
    def _transaction(self, options: dict[str, Any]) -> Iterator[Connection]:
        if self._closed:
            raise ServiceUnavailable("the database is closed")
        if getattr(self._inside, "transaction", False):
            # With one connection, or one writer, it would wait for itself.
            raise InvariantBroken("a transaction within another one")
        self._inside.transaction = True
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(**options)
                with connection.begin():
                    yield connection
        except _UNAVAILABLE as error:
            raise ServiceUnavailable(f"the database does not answer ({_name(error)})") from error
        except exc.IntegrityError as error:
            raise InvariantBroken(f"the database refuses what would not fit: {_name(error)}") \
                from error  # fmt: skip
        finally:
            self._inside.transaction = False

    def _lock_queue(self, connection: Connection) -> None:
        """Until the end of the transaction nobody else counts who waits."""
        if not self._lite:
            connection.execute(select(func.pg_advisory_xact_lock(_QUEUE_LOCK)))

    # -- opening --------------------------------------------------------------------------

    def _make_engine(self) -> Engine:
        options: dict[str, Any] = {"pool_timeout": _WAIT, "poolclass": QueuePool}
        options["hide_parameters"] = True  # errors are logged, and values hold keys and credentials
        if not self._lite:
            options |= {"pool_size": 5, "max_overflow": 15, "pool_pre_ping": True}
            options |= {"connect_args": {"connect_timeout": _WAIT}}
        elif _in_memory(self._url):
            options |= {"pool_size": 1, "max_overflow": 0}
        else:
            options |= {"pool_size": 8, "max_overflow": 32}
            _make_private(Path(self._url.database or ""))
        if self._lite:
            options["connect_args"] = {"timeout": _WAIT, "check_same_thread": False}
        try:
            engine = sqlalchemy.create_engine(self._url, **options)
        except ImportError as error:
            raise BackendMissing(
                f"{self._url.drivername} needs a driver that is not installed: {error}; "
                "see the extra snapengine[postgres]",
                stage="request",
            ) from error
        if self._lite:
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            event.listen(engine, "connect", _set_up_postgres)
        return engine

    def _prepare(self) -> None:
        if self._lite and not _in_memory(self._url):
            self._switch_to_wal()
        with self._writing() as connection:
            if not self._lite:
                connection.execute(select(func.pg_advisory_xact_lock(_TABLES_LOCK)))
            METADATA.create_all(connection)
            version = connection.execute(select(func.max(SCHEMA.c.version))).scalar_one()
            if version is None:
                connection.execute(SCHEMA.insert().values(version=SCHEMA_VERSION))
            elif version > SCHEMA_VERSION:
                raise InvalidOption(
                    f"the database was made by a newer version (tables {version}, this one knows "
                    f"{SCHEMA_VERSION})",
                    value=version,
                )

    def _switch_to_wal(self) -> None:
        """Readers do not wait for writers then. Once is enough for a file; while another process
        does it SQLite refuses at once, whatever the timeout."""
        pause = threading.Event()
        for _ in range(100):
            connection = self._engine.raw_connection()
            try:
                mode = connection.cursor().execute("PRAGMA journal_mode=WAL").fetchone()
                if mode is not None and mode[0] == "wal":
                    return
            except self._engine.dialect.loaded_dbapi.OperationalError as error:
                if "locked" not in str(error):
                    raise ServiceUnavailable(f"the database cannot be opened: {error}") from error
            except self._engine.dialect.loaded_dbapi.DatabaseError as error:
                raise ServiceUnavailable(f"the database cannot be opened: {error}") from error
            finally:
                connection.close()
            pause.wait(0.1)
        raise ServiceUnavailable("the database is locked")


def _checked(url: str) -> URL:
    try:
        made = make_url(re.sub(r"\Apostgres(ql)?://", "postgresql+psycopg://", url))
    except (exc.ArgumentError, ValueError) as error:
        # The URL is not repeated: it may hold a password.
        raise InvalidOption("database must be an SQLAlchemy URL, like sqlite:///file.db") from error
    if made.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise InvalidOption(
            f"database must be sqlite:///... or postgresql://..., not {made.drivername}://"
        )
    return made


def _in_memory(url: URL) -> bool:
    return url.database in (None, "", ":memory:")


def _make_private(file: Path) -> None:
    """The file holds secrets (keys of callbacks, of the service): only its owner may read it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except (OSError, ValueError) as error:
        raise ServiceUnavailable(f"the database {file} cannot be opened: {error}") from error


def _set_up_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # no BEGIN but ours, see _begin_sqlite
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("snap_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgres(connection: Any, record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{_WAIT}s'")
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _name(error: Exception) -> str:
    """Its kind alone: the text has statements and values."""
    return type(getattr(error, "orig", None) or error).__name__
