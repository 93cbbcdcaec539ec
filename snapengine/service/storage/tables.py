"""The tables. What is asked for by value has a column, the rest of a record is JSON (``data``).

Both databases behave alike: moments are whole microseconds, texts in columns are escaped to ASCII
(PostgreSQL takes no NUL, and its encoding may be any), what may be long is found by its SHA-256
(PostgreSQL's indexes take 2700 bytes). Every table counts its rows in ``seq``: of what was created
in the same microsecond, the later row is the newer.

A job, set or picture refers to its asset together with the tenant, so the database itself keeps
tenants apart.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from .codec import micros, moment

__all__ = [
    "ASSETS",
    "CALLBACKS",
    "GARBAGE",
    "JOBS",
    "MESSAGES",
    "METADATA",
    "PICTURES",
    "REFERENCE",
    "SCHEMA",
    "SCHEMA_VERSION",
    "SETS",
    "TEMPLATES",
    "VALUES",
    "digest",
]

#: Grows when tables change in a way that older programs cannot work with.
SCHEMA_VERSION: Final = 1
METADATA: Final = MetaData()
#: The constraint that two assets of a tenant with one reference id break.
REFERENCE: Final = "snap_assets_reference"


def digest(text: str) -> str:
    """What a long text is found by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Name(TypeDecorator[str]):
    """Any text, as ASCII: the escapes of Python, which never make one text of two."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.encode("unicode_escape").decode("ascii")

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(value).encode("ascii").decode("unicode_escape")


class Moment(TypeDecorator[datetime]):
    """An aware moment, as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else moment(int(value))


def _table(name: str, *parts: Any) -> Table:
    # SQLite counts rows only in a column that is exactly INTEGER.
    seq = Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    return Table(f"snap_{name}", METADATA, seq, *parts)


def _name(name: str, **options: Any) -> Column[Any]:
    return Column(name, Name, **{"nullable": False, **options})


def _moment(name: str, **options: Any) -> Column[Any]:
    return Column(name, Moment, **{"nullable": False, **options})


def _data() -> Column[Any]:
    return Column("data", Text, nullable=False)


def _of_asset() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant", "asset_id"], ["snap_assets.tenant", "snap_assets.id"], ondelete="CASCADE"
    )


SCHEMA: Final = _table("schema", Column("version", Integer, nullable=False))

#: ``cover_picture``: the id in the cover; ``source_key``: the digest of the source.
ASSETS: Final = _table(
    "assets",
    _name("id", unique=True),
    _name("tenant"),
    _name("reference_id", nullable=True),
    _moment("created"),
    _name("source_key", nullable=True),
    _name("cover_picture", nullable=True),
    _data(),
    UniqueConstraint("tenant", "id"),
    UniqueConstraint("tenant", "reference_id", name=REFERENCE),
    Index("snap_assets_newest", "tenant", "created", "seq"),
    Index("snap_assets_source", "tenant", "source_key", "created", "seq"),
    Index("snap_assets_cover", "cover_picture"),
)

#: ``owner``, ``lease``: who works on it, and until when without another word. ``turn``: the place
#: in the queue, in which tenants take turns. ``bounded``: counts against the bounds of the queue.
JOBS: Final = _table(
    "jobs",
    _name("id", unique=True),
    _name("tenant"),
    _name("asset_id"),
    _name("kind"),
    _name("status"),
    Column("progress", Double, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    _moment("created"),
    _moment("started", nullable=True),
    _moment("finished", nullable=True),
    _name("owner", nullable=True),
    _moment("lease", nullable=True),
    Column("turn", BigInteger, nullable=False),
    Column("bounded", Boolean, nullable=False),
    _data(),
    _of_asset(),
    Index("snap_jobs_newest", "tenant", "created", "seq"),
    Index("snap_jobs_of_asset", "tenant", "asset_id", "created", "seq"),
    Index("snap_jobs_queue", "status", "turn", "seq"),
    Index("snap_jobs_turn", "tenant", "status", "turn"),
    Index("snap_jobs_waiting", "status", "bounded", "tenant"),
    Index("snap_jobs_lease", "status", "lease"),
)

SETS: Final = _table(
    "sets",
    _name("id", unique=True),
    _name("tenant"),
    _name("asset_id"),
    _name("job_id", nullable=True),
    _name("kind"),
    _moment("created"),
    _data(),
    _of_asset(),
    Index("snap_sets_newest", "tenant", "created", "seq"),
    Index("snap_sets_of_asset", "tenant", "asset_id", "created", "seq"),
    Index("snap_sets_of_kind", "tenant", "asset_id", "kind", "created", "seq"),
    Index("snap_sets_of_job", "tenant", "job_id", "created", "seq"),
)

#: A picture may outlive its set, while it is a cover. ``path_key``: the digest of the path.
PICTURES: Final = _table(
    "pictures",
    _name("id", unique=True),
    _name("set_id"),
    _name("tenant"),
    _name("asset_id"),
    Column("number", BigInteger, nullable=False),
    _name("path_key"),
    _name("blob"),
    _moment("created"),
    _data(),
    _of_asset(),
    Index("snap_pictures_of_set", "set_id", "number"),
    Index("snap_pictures_of_asset", "tenant", "asset_id"),
    Index("snap_pictures_path", "path_key", "created", "seq"),
    Index("snap_pictures_blob", "blob"),
)

TEMPLATES: Final = _table(
    "templates",
    _name("id"),
    _name("tenant"),
    _moment("created"),
    _data(),
    UniqueConstraint("tenant", "id"),
    Index("snap_templates_newest", "tenant", "created", "seq"),
)

CALLBACKS: Final = _table(
    "callbacks",
    _name("tenant"),
    _name("dialect"),
    _data(),
    UniqueConstraint("tenant", "dialect"),
)

MESSAGES: Final = _table(
    "messages",
    _name("id", unique=True),
    Column("body", LargeBinary, nullable=False),
    _moment("due"),
    Column("attempts", BigInteger, nullable=False),
    _data(),
    Index("snap_messages_due", "due", "seq"),
)

#: Files that nothing refers to from ``due`` on, for somebody to delete.
GARBAGE: Final = _table(
    "garbage",
    _name("name"),
    _name("key"),
    _moment("due"),
    Index("snap_garbage_key", "key"),
    Index("snap_garbage_due", "due", "seq"),
)

VALUES: Final = _table("values", _name("name", unique=True), _name("value"))
