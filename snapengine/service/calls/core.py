"""What all domain calls share: what is kept, links, and messages about what happened."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..auth.keys import KeyRing
from ..auth.nonces import Nonces
from ..domain.failures import QueueFull, UnknownAsset
from ..domain.ids import new_id, now
from ..domain.records import (
    HERE,
    Asset,
    CallbackMessage,
    CallbackSettings,
    Event,
    Job,
    JobKind,
    JobRequest,
    Via,
)
from ..domain.requests import JobNote
from ..links import Links
from ..settings import Settings
from ..storage.database import Database
from ..store import PictureStore

if TYPE_CHECKING:
    from ..dialects.base import Dialect

__all__ = ["STORING", "Core", "Ended", "Places", "unknown_asset"]


#: In so long files that are being stored have found their way into the database, or never will.
STORING: Final = timedelta(hours=6)


class Ended:
    """Tells those who wait that some job has ended. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.count = 0

    def tell(self) -> None:
        """A job has ended."""
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Wait for a job to end since :attr:`count` was ``seen``, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self.count != seen, seconds)


class Places:
    """So many at a time may do something slow, and so many of one tenant. Thread-safe."""

    def __init__(self, all: int, of_tenant: int) -> None:
        self._all, self._of_tenant = all, of_tenant
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def place(self, tenant: str) -> Iterator[None]:
        """Hold one of the places. Raises :class:`QueueFull` when none is free: who waits for a
        stranger's server must not keep others from being answered."""
        with self._lock:
            if self._taken.total() >= self._all or self._taken[tenant] >= self._of_tenant:
                raise QueueFull("too many covers are being fetched", retry_after=5)
            self._taken[tenant] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[tenant] -= 1
                self._taken += Counter()  # forgets who has none


class Core(ABC):
    """What the calls work with. :class:`~snapengine.service.facade.Service` makes it."""

    settings: Settings
    database: Database
    store: PictureStore
    links: Links
    keys: KeyRing
    nonces: Nonces
    uploads: Path
    dialects: dict[str, Dialect]
    ended: Ended
    registering: threading.Lock
    fetching: Places

    @abstractmethod
    def notify(self) -> None:
        """There may be something to do for those who work in the background."""

    @abstractmethod
    def clear_garbage(self) -> None:
        """Remove the files of what was deleted."""

    def asset(self, tenant: str, id: str) -> Asset:
        """Raises :class:`UnknownAsset`."""
        asset = self.database.asset(tenant, id)
        if asset is None:
            raise unknown_asset(id)
        return asset

    def link(self, path: str, via: Via = HERE, *, seconds: int | None = None) -> str:
        """The address of a public path. ``seconds``: how long it holds, where links expire."""
        return self.links.make(path, via.base_url or self.settings.public_url, seconds)

    def messages(self, event: Event) -> list[CallbackMessage]:
        """What an event makes the dialect of its call say, ready to be stored."""
        return self.messages_of(event, self.callback_of(event.asset.tenant, event.via))

    def callback_of(self, tenant: str, via: Via) -> CallbackSettings | None:
        """The tenant's settings for the dialect of a call."""
        return None if via.dialect is None else self.database.callback(tenant, via.dialect)

    def messages_of(self, event: Event, settings: CallbackSettings | None) -> list[CallbackMessage]:
        """:meth:`messages` without a look into the database, for use within a transaction."""
        dialect = self.dialects.get(event.via.dialect or "")
        if dialect is None:
            return []
        at = now()
        return [
            CallbackMessage(
                id=new_id(), tenant=event.asset.tenant, dialect=dialect.name, url=draft.url,
                body=draft.body, content_type=draft.content_type, key=draft.key, created=at,
                due=at,
            )
            for draft in dialect.drafts(event, settings)
        ]  # fmt: skip

    def _job(
        self,
        asset: Asset,
        kind: JobKind,
        request: JobRequest,
        via: Via,
        note: JobNote | None = None,
        template_id: str | None = None,
    ) -> Job:
        return Job(
            id=new_id(), tenant=asset.tenant, asset_id=asset.id, kind=kind, request=request,
            note=note or JobNote(), via=via, template_id=template_id, created=now(),
        )  # fmt: skip


def unknown_asset(id: str) -> UnknownAsset:
    return UnknownAsset("there is no such asset", stage="request", id=id)
