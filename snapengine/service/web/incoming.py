"""Files on their way in: bytes go to a temporary file, and nothing is left of what breaks off.

All of it blocks. Everything lies in one folder, on the file system where the files will stay, so
the last step is a rename.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from ..auth.clock import Clock
from .oss import NamedPart, OssError

__all__ = ["Arriving", "Incoming", "PartFile"]

#: Seconds after which what nobody has touched is forgotten: longer than any ticket holds.
STALE: Final = 26 * 60 * 60
#: Multipart uploads that one asset may have open; the oldest gives way.
MOST_OPEN: Final = 16
_UPLOAD_ID: Final = re.compile("[0-9A-F]{32}")
_PART: Final = re.compile("([0-9]{5})-([0-9A-F]{32})")
_PLAIN: Final = re.compile("[A-Za-z0-9_-]{1,64}")


class Arriving:
    """One file that is being received. Used by one thread at a time; deleted unless kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115
        self._kept = False

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        self._md5.update(rest)
        self.size += len(rest)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]

    @property
    def digest(self) -> bytes:
        """MD5 of what has come."""
        return self._md5.digest()

    @property
    def etag(self) -> str:
        """The same as OSS writes it."""
        return self._md5.hexdigest().upper()

    def close(self) -> None:
        """No more comes. The file is deleted unless it has been moved."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def finish(self) -> Path:
        """All has come: the closed file, which is the caller's to move."""
        self._file.close()
        return self.path

    def __enter__(self) -> Arriving:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class PartFile:
    """A part that has come. ``modified``: seconds since 1970."""

    number: int
    etag: str
    path: Path
    size: int
    modified: float


class Incoming:
    """The folder of what arrives. Thread-safe; several processes may share it."""

    def __init__(self, folder: Path, clock: Clock = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def begin(self) -> Arriving:
        """A new file."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Arriving(self._folder / f"file-{secrets.token_hex(16)}")

    # -- multipart --------------------------------------------------------------------------

    def start_parts(self, asset_id: str) -> str:
        """The id of a new multipart upload."""
        id = secrets.token_hex(16).upper()
        folder = self._parts(asset_id, id)
        folder.mkdir(parents=True, mode=0o700)
        opened = sorted(folder.parent.iterdir(), key=_age)
        for old in opened[: max(0, len(opened) - MOST_OPEN)]:
            shutil.rmtree(old, ignore_errors=True)
        return id

    def parts(self, asset_id: str, upload_id: str) -> list[PartFile]:
        """Those that have come, by number. Raises :class:`OssError`."""
        folder = self._parts(asset_id, upload_id)
        parts = []
        try:
            for path in folder.iterdir():
                name = _PART.fullmatch(path.name)
                if name is not None:
                    facts = path.stat()
                    parts.append(
                        PartFile(int(name[1]), name[2], path, facts.st_size, facts.st_mtime)
                    )
        except FileNotFoundError:
            raise _no_upload() from None
        return sorted(parts, key=lambda part: (part.number, part.modified))

    def keep_part(
        self, asset_id: str, upload_id: str, number: int, file: Arriving, most: int
    ) -> None:
        """Take a part that has come whole; an earlier one with its number gives way.

        ``most``: bytes that all parts together may have. Raises :class:`OssError`.
        """
        before = self.parts(asset_id, upload_id)
        size = file.size + sum(part.size for part in before if part.number != number)
        if size > most:
            raise OssError(400, "EntityTooLarge", f"The parts have more than {most} bytes.")
        target = self._parts(asset_id, upload_id) / f"{number:05}-{file.etag}"
        try:
            os.replace(file.finish(), target)
        except FileNotFoundError:  # aborted or completed meanwhile
            raise _no_upload() from None
        for part in before:
            if part.number == number and part.path != target:
                part.path.unlink(missing_ok=True)

    def join(self, asset_id: str, upload_id: str, named: list[NamedPart]) -> tuple[Path, str]:
        """One file of the parts that are named, and its entity tag; the upload ends.

        The file is the caller's to move or delete. Raises :class:`OssError`.
        """
        have = {(part.number, part.etag) for part in self.parts(asset_id, upload_id)}
        for wanted in named:
            if (wanted.number, wanted.etag) not in have:
                if not self._parts(asset_id, upload_id).is_dir():
                    raise _no_upload()  # somebody else has just completed it
                raise OssError(400, "InvalidPart", f"Part {wanted.number} has not come like that.")
        # Whoever renames the folder has the upload to itself: of two that complete it one fails.
        claimed = self._folder / f"joining-{secrets.token_hex(16)}"
        try:
            os.rename(self._parts(asset_id, upload_id), claimed)
        except FileNotFoundError:
            raise _no_upload() from None
        whole = self._folder / f"file-{secrets.token_hex(16)}"
        try:
            first, *others = [claimed / f"{part.number:05}-{part.etag}" for part in named]
            with open(first, "ab") as target:
                for path in others:
                    with open(path, "rb") as part:
                        shutil.copyfileobj(part, target, 1 << 20)
                    path.unlink()
            os.rename(first, whole)
        finally:
            shutil.rmtree(claimed, ignore_errors=True)
        tags = b"".join(bytes.fromhex(part.etag) for part in named)
        joined = hashlib.md5(tags, usedforsecurity=False).hexdigest().upper()
        return whole, f"{joined}-{len(named)}"

    def abort(self, asset_id: str, upload_id: str) -> None:
        """Forget an upload. Raises :class:`OssError` if there is none."""
        folder = self._parts(asset_id, upload_id)
        if not folder.is_dir():
            raise _no_upload()
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what was left by clients that never came back, and by processes that ended."""
        limit = self._clock() - STALE
        try:
            found = [*self._folder.iterdir(), *self._folder.glob("parts-*/*")]
        except FileNotFoundError:
            return
        for path in found:
            if path.name.startswith("parts-"):
                _remove_if_empty(path)
            elif _age(path) < limit:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def _parts(self, asset_id: str, upload_id: str) -> Path:
        if not _UPLOAD_ID.fullmatch(upload_id) or not _PLAIN.fullmatch(asset_id):
            raise _no_upload()
        return self._folder / f"parts-{asset_id}" / upload_id


def _age(path: Path) -> float:
    """When it was last written to, seconds since 1970; a folder changes when a part comes."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove_if_empty(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        return  # it is not


def _no_upload() -> OssError:
    return OssError(404, "NoSuchUpload", "There is no such upload, or it has ended.")
