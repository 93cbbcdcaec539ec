"""Blocks of remote files on disk, kept between calls and shared by processes.

One folder for each file (a hash of its key), one immutable file for each stored range: a checksum,
then the bytes. Files come into being under a temporary name and are renamed, so that nobody ever
sees half of one; any number of processes may read, write and evict at the same time. What is
damaged is deleted and counts as missing. Addresses are never written, only their hashes.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import InvalidOption
from .base import ByteRange

_MAGIC: Final = b"SNB1"
_DIGEST: Final = 16
_HEAD: Final = len(_MAGIC) + _DIGEST
#: No stored file is larger: reading any part of one reads all of it, for the checksum.
_MOST: Final = 1 << 20
#: Above this share of the bound blocks are evicted, down to the other: not one scan for each block
#: stored, and room for what others store meanwhile.
_FULL: Final = 15 / 16
_KEPT: Final = 7 / 8
#: Stored by one process between two scans, as a share of the bound.
_BETWEEN_SCANS: Final = 1 / 16
#: Seconds after which a temporary file belongs to nobody any more.
_ABANDONED: Final = 600.0

_FOLDER_NAME: Final = re.compile(r"[0-9a-f]{40}")
_BLOCK_NAME: Final = re.compile(r"([0-9a-f]{16})-([0-9a-f]{1,8})\.block")
_TEMPORARY_NAME: Final = re.compile(r"\.[0-9a-f]{16}\.part")
_FLAGS: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_FLAGS_BINARY: Final = _FLAGS | getattr(os, "O_BINARY", 0)


class CacheKey(NamedTuple):
    """One version of one remote file. ``name``: without credentials; never written as it is.

    ``validator``: a strong ETag or Last-Modified; without one there is nothing to tell versions
    apart, so that nothing may be stored. ``size``: of the file, in bytes.
    """

    name: str
    validator: str
    size: int


class DiskCache:
    """Stored ranges of remote files in ``folder``, about ``max_bytes`` in all. Thread-safe.

    The ranges that nobody used for longest go first. One process keeps the bound; each further one
    that stores at the same time may exceed it by a sixteenth for a moment. The folder is made if
    missing, readable by its owner only.

    Raises :class:`InvalidOption` if the folder is not a folder, belongs to somebody else or can be
    written by others: they could put pictures into this one's videos. A folder that cannot be
    written (read-only, disk full) is no error: one warning, then nothing is stored any more.
    """

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int) -> None:
        self._folder = Path(folder)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._about = 0  # bytes stored, as of the last scan and by this process since
        # From a random place on: of many processes that each store little, some scan.
        self._since_scan = secrets.randbelow(int(max_bytes * _BETWEEN_SCANS) + 1)
        self._quiet = False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as exc:
            raise self._refused("is not a folder") from exc
        except OSError as exc:
            self._be_quiet(exc)
            return
        self._check_owner()

    # -- what callers use -------------------------------------------------------------------

    def spans(self, key: CacheKey) -> list[ByteRange]:
        """What is stored of a file, by offset; ranges may touch and overlap, none is over 1 MiB.

        Another process may evict any of it before it is asked for.
        """
        return sorted(span for span, _ in self._blocks(self._of(key)) if _within(span, key.size))

    def get(self, key: CacheKey, offset: int, size: int) -> bytes | None:
        """These bytes, if all of them are stored and sound; else ``None``."""
        if size <= 0 or offset < 0:
            return b"" if size == 0 else None
        blocks = [
            (span, path)
            for span, path in self._blocks(self._of(key))
            if span.offset < offset + size and offset < span.offset + span.size
        ]
        out = bytearray()
        while len(out) < size:
            at = offset + len(out)
            fitting = [b for b in blocks if b[0].offset <= at < b[0].offset + b[0].size]
            if not fitting:
                return None
            best = max(fitting, key=lambda b: b[0].offset + b[0].size)
            data = self._read(key, *best)
            if data is None:
                blocks.remove(best)
                continue
            out += memoryview(data)[at - best[0].offset : at - best[0].offset + size - len(out)]
        return bytes(out)

    def put(self, key: CacheKey, offset: int, data: bytes) -> None:
        """Store ``data`` as the bytes from ``offset`` on. Never fails; see the class.

        Without a validator, or with more than fits, nothing is stored.
        """
        if self._quiet or not key.validator or not data or offset < 0:
            return
        if offset + len(data) > key.size or len(data) + _HEAD > self._max_bytes * _KEPT:
            return
        view = memoryview(data)
        count = -(-len(data) // _MOST)
        try:
            for i in range(count):
                low, high = len(data) * i // count, len(data) * (i + 1) // count
                self._write(key, offset + low, view[low:high])
            self._keep_bound()
        except OSError as exc:
            self._be_quiet(exc)

    # -- one block --------------------------------------------------------------------------

    def _of(self, key: CacheKey) -> Path:
        text = "\0".join((key.name, key.validator, str(key.size))).encode("utf-8", "surrogatepass")
        return self._folder / hashlib.blake2b(text, digest_size=20).hexdigest()

    def _blocks(self, folder: Path) -> Iterator[tuple[ByteRange, Path]]:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                match = _BLOCK_NAME.fullmatch(entry.name)
                if match:
                    yield ByteRange(int(match[1], 16), int(match[2], 16)), Path(entry.path)

    def _read(self, key: CacheKey, span: ByteRange, path: Path) -> bytes | None:
        """The bytes of one block, or ``None``; then it is gone."""
        try:
            fd = os.open(path, os.O_RDONLY | _FLAGS_BINARY)
        except OSError:  # evicted by another process, or not ours to read
            return None
        try:
            with open(fd, "rb") as file:
                head = file.read(_HEAD)
                data = file.read(span.size + 1)
        except OSError:  # a disk that gives up is like a block that is damaged
            head = data = b""
        if len(data) != span.size or head != _head(key, span.offset, data):
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):  # a read-only folder still serves
            os.utime(path)
        return data

    def _write(self, key: CacheKey, offset: int, data: memoryview) -> None:
        folder = self._of(key)
        path = folder / f"{offset:016x}-{len(data):x}.block"
        temporary = folder / f".{secrets.token_hex(8)}.part"
        with suppress(OSError):
            os.utime(path)  # the same bytes again: names are hashes of all that tells them apart
            return
        fd = self._create(temporary)
        try:
            with open(fd, "wb") as file:
                file.write(_head(key, offset, data))
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        with self._lock:
            self._since_scan += _HEAD + len(data)
            self._about += _HEAD + len(data)

    def _create(self, path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS_BINARY
        for _ in range(8):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                return os.open(path, flags, 0o600)
            except FileNotFoundError:  # the empty folder was swept away in between
                continue
        raise OSError(f"{self._folder} is being removed")

    # -- the bound --------------------------------------------------------------------------

    def _keep_bound(self) -> None:
        with self._lock:
            due = (
                self._about > self._max_bytes * _FULL
                or self._since_scan > self._max_bytes * _BETWEEN_SCANS
            )
            if due:
                self._since_scan = 0
        if due:
            total = self._sweep()
            with self._lock:
                self._about = total

    def _sweep(self) -> int:
        """Delete what is abandoned and, over the bound, what was not used for longest."""
        found: list[tuple[int, int, str]] = []
        total = 0
        long_ago = time.time() - _ABANDONED
        for folder in self._folders():
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    block = _BLOCK_NAME.fullmatch(entry.name)
                    if not block and not _TEMPORARY_NAME.fullmatch(entry.name):
                        continue
                    with suppress(OSError):  # another process was faster
                        status = entry.stat(follow_symlinks=False)
                        if block:
                            found.append((status.st_mtime_ns, status.st_size, entry.path))
                        elif status.st_mtime < long_ago:
                            os.unlink(entry.path)
                            continue
                        total += status.st_size
        if total > self._max_bytes * _FULL:
            for _, size, path in sorted(found):
                with suppress(OSError):
                    os.unlink(path)
                total -= size
                if total <= self._max_bytes * _KEPT:
                    break
        for folder in self._folders():
            with suppress(OSError):  # not empty: it stays
                os.rmdir(folder)
        return total

    def _folders(self) -> list[str]:
        with os.scandir(self._folder) as entries:
            return [
                entry.path
                for entry in entries
                if _FOLDER_NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]

    # -- whom the folder belongs to ---------------------------------------------------------

    def _check_owner(self) -> None:
        status = self._folder.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise self._refused("is not a folder")
        if not hasattr(os, "geteuid"):
            return  # elsewhere modes say nothing about who may write
        if status.st_uid != os.geteuid():
            raise self._refused("belongs to another user")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise self._refused("can be written by other users; chmod it to 0700")

    def _refused(self, why: str) -> InvalidOption:
        return InvalidOption(
            f"cache_folder {str(self._folder)!r} {why}", stage="open", value=str(self._folder)
        )

    def _be_quiet(self, error: OSError) -> None:
        with self._lock:
            was, self._quiet = self._quiet, True
        if not was:
            with suppress(RuntimeWarning):  # warnings may be errors; nobody waits for this one
                warnings.warn(
                    f"the cache in {str(self._folder)!r} is not written any more: "
                    f"{error.strerror or error}",
                    RuntimeWarning,
                    stacklevel=2,
                )


def _head(key: CacheKey, offset: int, data: bytes | memoryview) -> bytes:
    """What stands before the bytes; of the place too, so that a renamed block is a damaged one."""
    digest = hashlib.blake2b(data, digest_size=_DIGEST, salt=offset.to_bytes(16, "big"))
    digest.update("\0".join((key.name, key.validator)).encode("utf-8", "surrogatepass"))
    return _MAGIC + digest.digest()


def _within(span: ByteRange, size: int) -> bool:
    return span.offset + span.size <= size
