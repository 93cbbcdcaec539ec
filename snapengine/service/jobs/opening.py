"""Opening what an order names: an address, or a file below the folders that may be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ... import Video
from ... import open as open_video
from ...errors import SourceDenied, SourceError
from ...sources import FileObjectSource
from ..domain.failures import SourceRefused
from ..source_rules import readable
from .orders import WorkOrder

__all__ = ["is_address", "opened", "shown_name"]

#: Manifests name files beside them, which the engine finds by the manifest's own path.
_MANIFESTS: Final = (".m3u8", ".m3u", ".mpd")
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def is_address(source: str) -> bool:
    """Whether a source lies elsewhere: a URL, not a path or ``file://`` address."""
    return "://" in source and not source.startswith(("file:", "/"))


def shown_name(source: str) -> str:
    """What messages may call a file: its own name, without the folders above."""
    return os.path.basename(source.rstrip("/")) or "the file"


@contextmanager
def opened(order: WorkOrder) -> Iterator[Video]:
    """The video of an order, closed at the end.

    A file is checked and opened in one go: what is read is the file that was found below
    ``order.roots``, whatever becomes of its name meanwhile. Raises :class:`SourceRefused` for what
    may not be read, and as :func:`snapengine.open`.
    """
    if is_address(order.source):
        with open_video(
            order.source, threads=order.threads, limits=order.limits, network=order.network
        ) as video:
            yield video
        return
    path = readable(order.source, order.roots)
    if path.lower().endswith(_MANIFESTS):
        with open_video(path, threads=order.threads, limits=order.limits) as video:
            yield video
        return
    with (
        os.fdopen(_open_file(path), "rb", buffering=0) as file,
        open_video(
            FileObjectSource(file, shown_name(path)), threads=order.threads, limits=order.limits
        ) as video,
    ):
        yield video


def _open_file(path: str) -> int:
    """A descriptor of the regular file at a real path. Never waits, as opening a pipe would."""
    name = shown_name(path)
    try:
        descriptor = os.open(path, _FLAGS | os.O_NOFOLLOW)
    except PermissionError as exc:
        raise SourceDenied(f"may not be read: {name!r}", stage="open") from exc
    except OSError as exc:
        raise SourceError(f"cannot open {name!r}: {exc.strerror}", stage="open") from exc
    if not _is_still(path, descriptor):
        os.close(descriptor)
        raise SourceRefused(f"{name!r} was replaced while it was opened", stage="open")
    return descriptor


def _is_still(path: str, descriptor: int) -> bool:
    """Whether it is the regular file at that real path. The folders above may have become links to
    others since they were looked at."""
    status = os.fstat(descriptor)
    try:
        same = os.path.realpath(path) == path and os.path.samestat(status, os.stat(path))
    except OSError:
        return False
    return same and stat.S_ISREG(status.st_mode)
