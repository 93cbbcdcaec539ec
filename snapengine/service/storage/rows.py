"""Records as rows and back, pages of them, and the writes that several calls have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_type_hints

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, func, select

from ...errors import InvariantBroken
from ..domain.failures import QueueFull
from ..domain.fields import InvalidField, whole
from ..domain.ids import now
from ..domain.records import (
    Asset,
    CallbackMessage,
    CallbackSettings,
    Job,
    Picture,
    PictureSet,
    StoredTemplate,
)
from .codec import Shape, dump, load, shape
from .tables import (
    ASSETS,
    CALLBACKS,
    GARBAGE,
    JOBS,
    MESSAGES,
    PICTURES,
    SETS,
    TEMPLATES,
    digest,
)

__all__ = [
    "ASSET",
    "CALLBACK",
    "JOB",
    "MESSAGE",
    "PICTURE",
    "SET",
    "TEMPLATE",
    "Kept",
    "Pictures",
    "discard",
    "insert_job",
    "insert_messages",
    "insert_sets",
    "Bounds",
    "check_room",
    "parts",
    "upload_of",
]

#: Sets, each with all of its pictures.
Pictures = Sequence[tuple[PictureSet, Sequence[Picture]]]
#: Bytes of a text in a column, escaped: two of them and more fit into an entry of an index.
_MAX_NAME: Final = 800
#: Values in one statement.
_MANY: Final = 500

_Record = TypeVar("_Record")

#: Seconds after which a full queue may be asked again.
_RETRY_AFTER: Final = 5


class Bounds(NamedTuple):
    """How many jobs may wait: in all, and of one tenant."""

    all: int
    of_tenant: int


_Item = TypeVar("_Item")


class Kept(Generic[_Record]):
    """How records of one class lie in a table: some fields in columns, the others as JSON.

    ``more``: columns that follow from a record.
    """

    def __init__(
        self,
        record: type[_Record],
        table: Table,
        columns: Sequence[str],
        more: Callable[[_Record], dict[str, Any]] | None = None,
    ) -> None:
        hints = get_type_hints(record)
        names = [each.name for each in dataclasses.fields(record)]  # type: ignore[arg-type]
        self.table = table
        self._record = record
        self._shapes: dict[str, Shape] = {name: shape(hints[name]) for name in names}
        self._columns = tuple(columns)
        self._more = more

    def row(self, record: _Record) -> dict[str, Any]:
        """The columns of a record. Raises :class:`InvalidField` for what cannot be kept."""
        plain = {n: each.pack(n, getattr(record, n)) for n, each in self._shapes.items()}
        row: dict[str, Any] = {}
        for name in self._columns:
            value = getattr(record, name)
            if isinstance(value, str) and len(value.encode("unicode_escape")) > _MAX_NAME:
                raise InvalidField.of(name, value, f"must have at most {_MAX_NAME} bytes", "length")
            row[name] = value
            del plain[name]
        row["data"] = dump(plain)
        return row | (self._more(record) if self._more else {})

    def record(self, row: Row[Any]) -> _Record:
        """The record of a row. Raises :class:`InvariantBroken` for one that cannot be read."""
        columns = row._mapping
        plain = load(columns["data"])
        try:
            values = {name: self._shapes[name].unpack(name, each) for name, each in plain.items()}
            return self._record(**values, **{name: columns[name] for name in self._columns})
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise InvariantBroken(f"a kept {self._record.__name__} cannot be read: {exc}") from exc

    # -- asking ---------------------------------------------------------------------------

    def first(self, connection: Connection, query: Select[Any]) -> _Record | None:
        """The first record of a query, if there is one."""
        row = connection.execute(query.limit(1)).first()
        return None if row is None else self.record(row)

    def one(self, connection: Connection, **columns: object) -> _Record | None:
        """The record with these values."""
        return self.first(connection, select(self.table).where(*self._same(columns)))

    def newest(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        """The query of records, the newest first."""
        table = self.table
        query = select(table).where(*conditions)
        return query.order_by(table.c.created.desc(), table.c.seq.desc())

    def page(
        self, connection: Connection, *conditions: ColumnElement[bool], offset: int, limit: int
    ) -> tuple[int, list[_Record]]:
        """How many records there are, and a page of them, the newest first."""
        offset, limit = whole("offset", offset, 0), whole("limit", limit, 0)
        count = select(func.count()).select_from(self.table).where(*conditions)
        total = connection.execute(count).scalar_one()
        if not limit or offset >= total:  # some databases take no limit of 64 bits
            return total, []
        query = self.newest(*conditions).offset(offset).limit(min(limit, total))
        return total, [self.record(row) for row in connection.execute(query)]

    # -- writing --------------------------------------------------------------------------

    def insert(self, connection: Connection, record: _Record, **more: object) -> None:
        """A new row; ``more``: columns that are not the record's."""
        connection.execute(self.table.insert().values(**self.row(record), **more))

    def insert_all(self, connection: Connection, records: Iterable[_Record]) -> None:
        rows = [self.row(record) for record in records]
        if rows:
            connection.execute(self.table.insert(), rows)

    def update(
        self,
        connection: Connection,
        record: _Record,
        *conditions: ColumnElement[bool],
        **more: object,
    ) -> bool:
        """Replace the rows that meet the conditions; whether there is one."""
        # In one statement: PostgreSQL checks the references of a row that one transaction changes
        # twice, and locks what is referred to.
        values = self.row(record) | more
        statement = self.table.update().where(*conditions).values(values)
        return connection.execute(statement).rowcount > 0

    def _same(self, columns: Mapping[str, object]) -> list[ColumnElement[bool]]:
        return [self.table.c[name] == value for name, value in columns.items()]


def _asset_more(asset: Asset) -> dict[str, Any]:
    return {
        "source_key": None if asset.source is None else digest(asset.source),
        "cover_picture": None if asset.cover is None else asset.cover.picture_id,
    }


ASSET: Final = Kept(Asset, ASSETS, ("id", "tenant", "reference_id", "created"), _asset_more)
JOB: Final = Kept(
    Job,
    JOBS,
    (
        "id", "tenant", "asset_id", "kind", "status", "progress", "attempts", "created",
        "started", "finished",
    ),
)  # fmt: skip
SET: Final = Kept(PictureSet, SETS, ("id", "tenant", "asset_id", "job_id", "kind", "created"))
PICTURE: Final = Kept(
    Picture,
    PICTURES,
    ("id", "set_id", "tenant", "asset_id", "number", "blob", "created"),
    lambda picture: {"path_key": digest(picture.path)},
)
TEMPLATE: Final = Kept(StoredTemplate, TEMPLATES, ("id", "tenant", "created"))
CALLBACK: Final = Kept(CallbackSettings, CALLBACKS, ("tenant", "dialect"))
MESSAGE: Final = Kept(CallbackMessage, MESSAGES, ("id", "body", "due", "attempts"))


def parts(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Lists that fit into one statement."""
    given = list(items)
    for start in range(0, len(given), _MANY):
        yield given[start : start + _MANY]


def check_room(connection: Connection, tenant: str, bounds: Bounds) -> None:
    """Raise :class:`QueueFull` unless one more job may wait. The queue must be locked."""
    of_tenant = JOBS.c.tenant == tenant
    for bound, conditions in ((bounds.of_tenant, [of_tenant]), (bounds.all, [])):
        if _count_waiting(connection, bound, *conditions) >= bound:
            raise QueueFull(f"{bound} jobs wait already", retry_after=_RETRY_AFTER, allowed=bound)


def _count_waiting(connection: Connection, most: int, *conditions: ColumnElement[bool]) -> int:
    """How many jobs wait that the bounds are for; not counted further than ``most``."""
    queued = (JOBS.c.status == "queued", JOBS.c.bounded.is_(True))
    rows = select(JOBS.c.seq).where(*queued, *conditions).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(rows)).scalar_one())


def insert_job(connection: Connection, job: Job, *, bounded: bool) -> None:
    """A queued job. Its turn comes after those of its tenant that wait already, but not after
    all of somebody else's."""
    jobs = JOBS.c
    waiting = select(jobs.turn).where(jobs.status == "queued").order_by(jobs.turn).limit(1)
    turn = connection.execute(waiting).scalar()
    own = (
        select(jobs.turn)
        .where(jobs.tenant == job.tenant, jobs.status == "queued")
        .order_by(jobs.turn.desc())
        .limit(1)
    )
    last = connection.execute(own).scalar()
    turn = max(turn or 0, 0 if last is None else last + 1)
    JOB.insert(connection, job, bounded=bounded, turn=turn)


def insert_sets(connection: Connection, asset: Asset, sets: Pictures) -> None:
    """Sets of an asset, with their pictures."""
    for made, pictures in sets:
        owner = (asset.tenant, asset.id)
        if (made.tenant, made.asset_id) != owner:
            raise InvariantBroken("a set of another asset")
        if any((p.tenant, p.asset_id, p.set_id) != (*owner, made.id) for p in pictures):
            raise InvariantBroken("pictures of another set")
        SET.insert(connection, made)
        PICTURE.insert_all(connection, pictures)
        for some in parts([f"blob:{picture.blob}" for picture in pictures]):
            keys = [digest(name) for name in some]
            connection.execute(GARBAGE.delete().where(GARBAGE.c.key.in_(keys)))


def insert_messages(connection: Connection, messages: Iterable[CallbackMessage]) -> None:
    """Messages to be delivered."""
    MESSAGE.insert_all(connection, messages)


def discard(connection: Connection, names: Iterable[str], due: datetime | None = None) -> None:
    """Put files onto the list of garbage, for now or for then."""
    due = due or now()
    rows = [{"name": name, "key": digest(name), "due": due} for name in names]
    if rows:
        connection.execute(GARBAGE.insert(), rows)


def upload_of(asset: Asset) -> str | None:
    """What the list of garbage calls the asset's upload; ``None`` if it has none."""
    source = asset.source
    return None if source is None or "://" in source else f"upload:{source}"
