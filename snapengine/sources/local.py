"""Sources on this machine: a file, a buffer, somebody's open file object."""

from __future__ import annotations

import os
import stat
import threading
from typing import BinaryIO

from ..errors import EngineClosed, SourceDenied, SourceError, SourceNotFound, UnrecognizedContainer


class LocalSource:
    """A regular file, read with ``pread``: no shared position, so threads do not meet."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._name = os.fspath(path)
        try:
            self._fd = os.open(self._name, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError as exc:
            raise SourceNotFound(f"no such file: {self._name!r}", stage="open") from exc
        except PermissionError as exc:
            raise SourceDenied(f"may not be read: {self._name!r}", stage="open") from exc
        except (OSError, ValueError) as exc:
            raise SourceError(f"cannot open {self._name!r}: {exc}", stage="open") from exc
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._fd)
            self._fd = -1
            raise SourceError(f"not a regular file: {self._name!r}", stage="open")
        self._size = status.st_size
        if self._size == 0:
            self.close()
            raise UnrecognizedContainer(f"the file is empty: {self._name!r}", stage="open")

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int | None:
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        if self._fd < 0:
            raise EngineClosed(f"{self._name}: the video is closed")
        try:
            data = os.pread(self._fd, size, offset)
            # A pread may be cut short (signals, 2 GiB limit); only the end of the file ends a read.
            while len(data) < size and offset + len(data) < self._size:
                more = os.pread(self._fd, size - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as exc:
            raise SourceError(f"cannot read {self._name!r}: {exc}", stage="open") from exc
        return data

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()


class MemorySource:
    """A buffer in memory, not copied."""

    def __init__(self, data: bytes | bytearray | memoryview, name: str = "<bytes>") -> None:
        self._view = memoryview(data).cast("B")
        self._name = name
        if not self._view.nbytes:
            raise UnrecognizedContainer(f"no data: {name} is empty", stage="open")

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int | None:
        return self._view.nbytes

    def read_at(self, offset: int, size: int) -> bytes:
        return bytes(self._view[offset : offset + size])

    def close(self) -> None:
        """Nothing to release: the buffer belongs to the caller."""


class FileObjectSource:
    """A caller's seekable binary file object. Never closed by us; its position is moved."""

    def __init__(self, file: BinaryIO, name: str | None = None) -> None:
        self._file = file
        self._name = name or str(getattr(file, "name", "<file object>"))
        self._lock = threading.Lock()
        try:
            if not file.seekable():
                raise SourceError(
                    f"{self._name} is not seekable; read it into bytes first", stage="open"
                )
            self._size = file.seek(0, os.SEEK_END)
        except (AttributeError, OSError, ValueError) as exc:
            if isinstance(exc, SourceError):
                raise
            raise SourceError(f"cannot read {self._name}: {exc}", stage="open") from exc
        if self._size == 0:
            raise UnrecognizedContainer(f"no data: {self._name} is empty", stage="open")

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int | None:
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        with self._lock:
            try:
                self._file.seek(offset)
                data = self._file.read(size) or b""
                while len(data) < size:
                    more = self._file.read(size - len(data))
                    if not more:
                        break
                    data += more
            except (OSError, ValueError) as exc:
                raise SourceError(f"cannot read {self._name}: {exc}", stage="open") from exc
        if not isinstance(data, bytes):
            raise SourceError(f"{self._name} is not a binary file", stage="open")
        return data

    def close(self) -> None:
        """The file object belongs to the caller."""
