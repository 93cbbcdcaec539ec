"""Messages to deliver, where tenants want them, templates, and small values."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from sqlalchemy import Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ..domain.fields import whole
from ..domain.records import CallbackMessage, CallbackSettings, StoredTemplate
from .connections import Connections
from .rows import CALLBACK, MESSAGE, TEMPLATE
from .tables import CALLBACKS, MESSAGES, TEMPLATES, VALUES

__all__ = ["Messages"]


class Messages(Connections):
    """The part of :class:`~.database.Database` that keeps all this."""

    # -- templates ------------------------------------------------------------------------

    def add_template(self, template: StoredTemplate) -> None:
        with self._writing() as connection:
            TEMPLATE.insert(connection, template)

    def replace_template(self, template: StoredTemplate) -> bool:
        """Whether there was one with that id."""
        same = (TEMPLATES.c.tenant == template.tenant, TEMPLATES.c.id == template.id)
        with self._writing() as connection:
            return TEMPLATE.update(connection, template, *same)

    def template(self, tenant: str, id: str) -> StoredTemplate | None:
        with self._reading() as connection:
            return TEMPLATE.one(connection, tenant=tenant, id=id)

    def templates(self, tenant: str) -> list[StoredTemplate]:
        """All of a tenant's, the newest first."""
        query = TEMPLATE.newest(TEMPLATES.c.tenant == tenant)
        with self._reading() as connection:
            return [TEMPLATE.record(row) for row in connection.execute(query)]

    def delete_template(self, tenant: str, id: str) -> bool:
        own = (TEMPLATES.c.tenant == tenant, TEMPLATES.c.id == id)
        with self._writing() as connection:
            return connection.execute(TEMPLATES.delete().where(*own)).rowcount > 0

    # -- callbacks ------------------------------------------------------------------------

    def callback(self, tenant: str, dialect: str) -> CallbackSettings | None:
        with self._reading() as connection:
            return CALLBACK.one(connection, tenant=tenant, dialect=dialect)

    def set_callback(self, settings: CallbackSettings) -> None:
        """Keep them, in place of those there were."""
        row = CALLBACK.row(settings)
        insert = self._insert(CALLBACKS).values(**row)
        with self._writing() as connection:
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["tenant", "dialect"], set_={"data": row["data"]}
                )
            )

    def delete_callback(self, tenant: str, dialect: str) -> bool:
        own = (CALLBACKS.c.tenant == tenant, CALLBACKS.c.dialect == dialect)
        with self._writing() as connection:
            return connection.execute(CALLBACKS.delete().where(*own)).rowcount > 0

    # -- messages -------------------------------------------------------------------------

    def due_messages(
        self, now: datetime, lease: timedelta, limit: int = 20
    ) -> list[CallbackMessage]:
        """Messages that are due, the longest first. They are due again at ``now + lease``, so
        nobody else sends them meanwhile, and somebody will if the sender dies."""
        due = self.next_due()
        if due is None or due > now:
            return []
        later = now + lease
        query = (
            select(MESSAGES)
            .where(MESSAGES.c.due <= now)
            .order_by(MESSAGES.c.due, MESSAGES.c.seq)
            .limit(whole("limit", limit, 0))
            .with_for_update(skip_locked=True)
        )
        with self._writing() as connection:
            found = [MESSAGE.record(row) for row in connection.execute(query)]
            taken = MESSAGES.c.id.in_([message.id for message in found])
            connection.execute(MESSAGES.update().where(taken).values(due=later))
            return [dataclasses.replace(message, due=later) for message in found]

    def next_due(self) -> datetime | None:
        """When the next message is due."""
        with self._reading() as connection:
            due: datetime | None = connection.execute(select(func.min(MESSAGES.c.due))).scalar()
            return due

    def delivered(self, id: str) -> None:
        self.drop(id)

    def postpone(self, id: str, due: datetime, attempts: int) -> None:
        """Try again at ``due``; ``attempts`` have failed."""
        later = MESSAGES.update().where(MESSAGES.c.id == id).values(due=due, attempts=attempts)
        with self._writing() as connection:
            connection.execute(later)

    def drop(self, id: str) -> None:
        """Give it up."""
        with self._writing() as connection:
            connection.execute(MESSAGES.delete().where(MESSAGES.c.id == id))

    # -- small values ---------------------------------------------------------------------

    def value(self, name: str) -> str | None:
        query = select(VALUES.c.value).where(VALUES.c.name == name)
        with self._reading() as connection:
            found: str | None = connection.execute(query).scalar()
            return found

    def set_value_once(self, name: str, value: str) -> str:
        """Keep a value unless there is one; the one that is kept."""
        insert = self._insert(VALUES).values(name=name, value=value)
        with self._writing() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=["name"]))
        kept = self.value(name)
        return value if kept is None else kept

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        return sqlite.insert(table) if self._lite else postgresql.insert(table)
