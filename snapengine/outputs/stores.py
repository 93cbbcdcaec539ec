"""Writing results to local files so that nobody ever sees half of one.

A file appears complete or not at all, and so does a set of files. Whatever goes wrong - a full
disk, an exception, Ctrl-C - the folder is as it was before. Data is not forced to the disk: results
can be made again, and an fsync per picture would cost more than the picture.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InvalidOption, StoreError

__all__ = ["write_file", "write_files"]

Data = bytes | bytearray | memoryview
#: Two sets moved into one folder at the same time would end up mixed: pages of one, track of other.
_moving = threading.Lock()


def write_file(path: str | os.PathLike[str], data: Data, *, parents: bool = False) -> Path:
    """Write ``data`` to ``path``, atomically; an existing file is replaced in one step.

    The bytes go to a new file beside it, which is then renamed. A symbolic link is followed; a
    device or pipe (``/dev/stdout``) is written to, not replaced. Permissions are those of any new
    file (umask). ``parents`` also creates missing folders, and removes them again on failure.

    Threads and processes: any number may write the same path; one of them wins whole.
    Raises :class:`StoreError` with the path and the system's reason.
    """
    target = Path(path)
    if _is_special(target):
        with _translating(target):
            target.write_bytes(data)
        return target
    with _translating(target):
        final = Path(os.path.realpath(target))
    with _folders(final.parent if parents else None), _translating(target):
        temporary = final.parent / _temporary_name()
        try:
            with open(temporary, "xb") as file:
                file.write(data)
            os.replace(temporary, final)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    return target


def write_files(
    folder: str | os.PathLike[str], files: Mapping[str, Data | Callable[[], Data]]
) -> list[Path]:
    """Write a set of files into ``folder``, all or none; returns their paths in order.

    A value may be a callable that makes the bytes; each is called once, in order, and its bytes are
    on disk before the next is called, so one page at a time is in memory. Everything is written to
    a hidden folder first. A ``folder`` that does not exist yet appears complete, by one rename; in
    an existing one the files are moved in at the end, in order, and if a move fails the files that
    were there before are put back.

    ``folder`` is created if missing, with its parents; on failure what was created is removed.
    Threads: sets written to one folder by several threads never mix. Raises
    :class:`InvalidOption` for a name that is not a plain file name, :class:`StoreError` for what
    the system refuses; what a callable raises passes through unchanged.
    """
    target = Path(folder)
    for name in files:
        if name in ("", ".", "..") or Path(name).name != name or "\\" in name or "\0" in name:
            raise InvalidOption(f"a result must have a plain file name, not {name!r}", value=name)
    exists = os.path.exists(target)  # unlike Path.exists, False where it may not look
    # In an existing folder the staging lies inside: surely the same filesystem, and writable.
    base = Path(os.path.realpath(target)) if exists else target.absolute().parent
    with _folders(None if exists else base), _staging(base) as staging:
        for name, value in files.items():
            data = value() if callable(value) else value
            with _translating(target / name):
                (staging / name).write_bytes(data)
        with _translating(target), _moving:
            if exists or not _appear(staging, target):
                _move_in(staging, target, list(files))
    return [target / name for name in files]


@contextmanager
def _translating(path: Path) -> Iterator[None]:
    """Around our own system calls only: what a caller's callable raises is not a failed write."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise StoreError(f"cannot write {path}: {reason}", stage="store", path=str(path)) from error


@contextmanager
def _folders(folder: Path | None) -> Iterator[None]:
    """Create ``folder`` and its missing parents; remove on failure those that were created."""
    missing: list[Path] = []
    while folder is not None and not os.path.exists(folder) and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    try:
        for part in reversed(missing):
            with _translating(part):
                part.mkdir(exist_ok=True)
        yield
    except BaseException:
        for part in missing:
            with suppress(OSError):  # not empty: somebody else is using it by now
                part.rmdir()
        raise


@contextmanager
def _staging(base: Path) -> Iterator[Path]:
    folder = base / _temporary_name()
    try:
        with _translating(base):
            folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _appear(staging: Path, target: Path) -> bool:
    """Rename the whole folder into place; False when ``target`` came into being meanwhile."""
    try:
        os.rename(staging, target)
    except OSError:
        if target.is_dir():
            return False
        raise
    return True


def _move_in(staging: Path, target: Path, names: list[str]) -> None:
    """Move files into an existing folder; on any failure put back what was there before."""
    saved = staging / _temporary_name()
    saved.mkdir()
    try:
        for name in names:
            if (target / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
            if os.path.lexists(target / name):
                _keep(target / name, saved / name)
        for name in names:
            os.replace(staging / name, target / name)
    except BaseException:
        for name in names:
            if (staging / name).exists():
                continue  # not moved yet: the old file is still in its place
            with suppress(OSError):  # one that cannot be put back must not keep the others
                if os.path.lexists(saved / name):
                    os.replace(saved / name, target / name)
                else:
                    (target / name).unlink()
        raise


def _keep(file: Path, copy: Path) -> None:
    try:
        os.link(file, copy, follow_symlinks=False)  # a second name costs nothing
    except OSError:
        shutil.copy2(file, copy, follow_symlinks=False)  # a filesystem without hard links


def _is_special(path: Path) -> bool:
    """Whether something other than a file or folder is there: device, pipe, socket."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # the write itself will tell
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _temporary_name() -> str:
    return f".snapengine-{secrets.token_hex(8)}"
