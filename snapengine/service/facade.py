"""The domain calls: what every dialect, and Python without HTTP, asks of the service."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final

from ..errors import InvalidOption
from .auth.keys import Key, KeyRing, fresh_key
from .auth.nonces import Nonces
from .calls.assets import AssetCalls
from .calls.core import Ended, Places
from .calls.jobs import JobCalls
from .completion import Completion
from .domain.failures import ServiceUnavailable
from .links import Links
from .settings import Settings
from .storage.database import Database
from .store import PictureStore

if TYPE_CHECKING:
    from .callbacks.delivery import Sender
    from .dialects.base import Dialect
    from .jobs.runner import JobRunner

__all__ = ["PYTHON", "Service"]

_log = logging.getLogger(__name__)
#: Covers that are fetched while their callers wait: in all, and of one tenant.
_FETCHING: Final = 8
_FETCHING_OF_TENANT: Final = 4

#: The tenant of calls in Python, where no key tells one.
PYTHON: Final = "python"


class Service(AssetCalls, JobCalls):
    """Assets, their covers, jobs and pictures, kept in a database and a store of pictures.

    Every call names the ``tenant`` on whose behalf it is made (a key's project id), and sees and
    changes that tenant's things only. Thread-safe; all calls block, a few milliseconds mostly:
    those that take an address of a cover may wait for its server some seconds.

    ``dialects``: makes those it speaks, by name; ``None``: all there are.

    Jobs are done in the background once :meth:`start` has been called; ``with`` does it::

        with Service(Settings(data="covers", media_roots=("/srv/videos",))) as service:
            asset, _ = service.register(PYTHON, NewAsset(title="A", source="file:///srv/videos/a.mp4"))
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        dialects: Callable[[Service], Mapping[str, Dialect]] | None = None,
    ) -> None:
        self.settings = settings or Settings()
        folder = self.settings.data_folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise InvalidOption(f"data: {folder} cannot be made: {exc.strerror}") from exc
        for root in self.settings.media_roots:
            if not os.path.isdir(root):
                _log.warning("media_roots: there is no folder %s, now", root)
        self.uploads = folder / "uploads"
        self.database = Database(
            self.settings.database or f"sqlite:///{folder / 'snapengine.sqlite'}"
        )
        self.store = PictureStore(self.settings.store or str(folder / "pictures"))
        self.nonces = Nonces()
        #: The pair that was made just now, because none was given and none was kept.
        self.fresh_key: Key | None = None
        self.keys = self._keys()
        self.links = Links(
            self.database.set_value_once("link_secret", secrets.token_hex(32)), self.settings
        )
        if dialects is None:
            from .dialects.known import make_dialects

            dialects = make_dialects
        self.dialects: dict[str, Dialect] = dict(dialects(self))
        self.ended = Ended()
        self.registering = threading.Lock()
        self.fetching = Places(_FETCHING, _FETCHING_OF_TENANT)
        self._completion = Completion(self)
        self._runner: JobRunner | None = None
        self._sender: Sender | None = None
        self._starting = threading.Lock()
        self._closed = False

    # -- lifetime ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to do jobs and to deliver messages. More than once is no error."""
        with self._starting:
            if self._closed:
                raise ServiceUnavailable("the service is closed")
            if self._runner is not None:
                return
            from .callbacks.delivery import Sender
            from .jobs.runner import JobRunner

            self._completion.clear_garbage()
            self._sender = Sender(
                self.database,
                self.dialects,
                self.settings.network,
                attempts=self.settings.callback_attempts,
            )
            self._sender.start()
            self._runner = JobRunner(
                self.database,
                self._completion,
                workers=self.settings.workers,
                job_seconds=self.settings.job_seconds,
                job_attempts=self.settings.job_attempts,
                folder=self.settings.data_folder / "work",
            )
            self._runner.start()

    def close(self) -> None:
        """Stop the work and close the database. Jobs under way go back into the queue, messages
        not delivered yet stay. More than once is no error."""
        with self._starting:
            if self._closed:
                return
            self._closed = True
        if self._runner is not None:
            self._runner.close()
        if self._sender is not None:
            self._sender.close()
        self.database.close()

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _keys(self) -> KeyRing:
        if self.settings.keys:
            return KeyRing.parse(self.settings.keys)
        made = fresh_key()
        text = f"{made.id}:{made.secret}:{made.project_id}"
        kept = self.database.set_value_once("key", text)
        if kept == text:
            self.fresh_key = made
        return KeyRing.parse(kept)

    def notify(self) -> None:
        if self._runner is not None:
            self._runner.notify()
        if self._sender is not None:
            self._sender.notify()

    def clear_garbage(self) -> None:
        """Remove the files of what was deleted; what cannot be removed now is tried again."""
        self._completion.clear_garbage()
