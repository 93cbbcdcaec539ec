"""Where the finished pages of a sheet wait until somebody wants them."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ..model.frame import Picture

__all__ = ["PageSpool"]

#: Finished sprite pages beyond this many bytes wait in an unnamed temporary file, not in memory.
_PAGES_IN_MEMORY = 24 << 20


class PageSpool:
    """Finished pages: the first few in memory, the rest in a file without a name.

    A sheet of any number of pages then takes bounded memory, and nothing is left behind whatever
    happens to the process. Not thread-safe while pages are still being added.
    """

    def __init__(self) -> None:
        self._held: dict[int, Picture] = {}
        self._bytes = 0
        self._file: Any = None
        self._places: dict[int, tuple[int, int, int, str]] = {}

    def add(self, index: int, picture: Picture) -> None:
        size = picture.buffer.nbytes
        if self._bytes + size <= _PAGES_IN_MEMORY or not self._held:
            self._held[index] = picture
            self._bytes += size
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="snapengine-")  # noqa: SIM115 - lives on
        self._file.seek(0, os.SEEK_END)
        place = self._file.tell()
        self._file.write(picture.buffer.data)
        self._places[index] = (place, picture.width, picture.height, picture.subsampling)

    def load(self, index: int) -> Picture:
        if index in self._held:
            return self._held[index]
        place, width, height, subsampling = self._places[index]
        picture = Picture(width, height, subsampling)  # type: ignore[arg-type]
        self._file.seek(place)
        self._file.readinto(picture.buffer.data)
        return picture

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()
