"""Folders for work under way, which go away whatever becomes of the process."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["Workplace"]

_log = logging.getLogger(__name__)
_PREFIX: Final = "run-"
_LOCK: Final = "lock"


class Workplace:
    """A folder of this process's own below ``folder``, locked while it lives; those that nobody
    locks any more are removed. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._own = folder / f"{_PREFIX}{secrets.token_hex(8)}"
        # Not seen by others before it is locked: they would take it for a dead one's.
        aside = folder / f".{self._own.name}"
        aside.mkdir(mode=0o700)
        self._lock = _locked(aside / _LOCK)
        aside.rename(self._own)
        self._remove_dead(folder)

    def _remove_dead(self, folder: Path) -> None:
        for other in folder.glob(f"{_PREFIX}*"):
            if other == self._own:
                continue
            lock = _locked(other / _LOCK)
            if lock is not None:
                _log.info("removing what a dead process left: %s", other.name)
                shutil.rmtree(other, ignore_errors=True)
                os.close(lock)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder, removed at the end with all that is in it."""
        made = self._own / secrets.token_hex(8)
        made.mkdir(mode=0o700)
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def close(self) -> None:
        """Remove it. More than once is no error."""
        shutil.rmtree(self._own, ignore_errors=True)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock of a file; ``None`` if somebody else does, or nobody can."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
