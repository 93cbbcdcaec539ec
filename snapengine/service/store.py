"""Where pictures lie: a folder, or anything that fsspec can write to."""

from __future__ import annotations

import mmap
import os
import secrets
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ..errors import BackendMissing, InvalidOption, SnapError, StoreError
from ..outputs.stores import write_file

__all__ = ["PictureStore"]

#: Their files appear whole, or not at all; elsewhere a file is written beside and then renamed.
_WHOLE: Final = frozenset({
    "s3", "s3a", "gs", "gcs", "oss", "az", "abfs", "abfss", "adl", "memory",
})  # fmt: skip
#: Not places where pictures can be kept, though fsspec opens them.
_NEVER: Final = frozenset({
    "http", "https", "data", "reference", "zip", "tar", "git", "github", "cached", "blockcache",
    "filecache", "simplecache",
})  # fmt: skip
_MAX_BLOB: Final = 500
#: Times that a folder may vanish, emptied by another process, between its making and its use.
_TRIES: Final = 20


class PictureStore:
    """Files by name ("blobs"). Thread-safe; other processes may use the same place.

    A blob's name is relative, of plain ASCII without a backslash, and has no part that is empty,
    "." or ".."; others raise :class:`InvalidOption`. What the place refuses raises
    :class:`StoreError`, whose text never has credentials.
    """

    def __init__(self, url: str) -> None:
        """``url``: a folder (made when it is first needed), ``file://``, or an fsspec URL such as
        ``s3://bucket/prefix``. Raises :class:`InvalidOption` for a URL that is not understood,
        :class:`BackendMissing` without the package that it takes."""
        if not url or "\0" in url:
            raise InvalidOption("store must be a folder or a URL")
        protocol, separator, _ = url.partition("://")
        self._emptying = threading.Lock()
        self._folder: Path | None = None
        self._fs: Any = None
        self._protocol = protocol.lower()
        if not separator:
            self._folder = Path(url).absolute()
        elif self._protocol in ("file", "local"):
            self._folder = Path(unquote(urlsplit(url).path)).absolute()
        else:
            self._fs, self._root = _opened(url, self._protocol)

    def put(self, blob: str, file: Path) -> None:
        """Copy a file there, whole or not at all; one of that name is replaced."""
        try:
            with open(file, "rb") as source:
                if not source.seek(0, 2):
                    return self.put_bytes(blob, b"")
                with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    if self._folder is None:
                        return self._upload(blob, file)
                    with memoryview(mapped) as view:
                        return self._write(blob, view)
        except OSError as error:
            raise _failed("read", file.name, error) from error

    def put_bytes(self, blob: str, data: bytes) -> None:
        """The same with what is in memory."""
        if self._folder is not None:
            return self._write(blob, data)
        self._appear(blob, lambda path: self._fs.pipe_file(path, data))

    def local(self, blob: str) -> Path | None:
        """Where it lies, or would lie, in a folder; ``None`` for other stores."""
        path = self._path(blob)
        return path if isinstance(path, Path) else None

    def size(self, blob: str) -> int | None:
        """Bytes; ``None`` if there is no such blob."""
        path = self._path(blob)
        try:
            if isinstance(path, Path):
                return path.stat().st_size if path.is_file() else None
            info = self._fs.info(path)
            return int(info["size"]) if info.get("type") == "file" else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:
            raise _failed("look at", blob, error) from error

    def read(self, blob: str, start: int, end: int) -> bytes:
        """The bytes from ``start`` up to ``end``, as far as there are any.

        Raises :class:`StoreError` when there is no such blob."""
        if not 0 <= start <= end:
            raise InvalidOption(f"bytes {start} to {end} of a blob")
        path = self._path(blob)
        try:
            if isinstance(path, Path):
                with open(path, "rb") as file:
                    end = min(end, os.fstat(file.fileno()).st_size)
                    file.seek(start)
                    return file.read(max(0, end - start))
            known = self.size(blob)
            if known is None:
                raise FileNotFoundError(blob)
            end = min(end, known)  # not every store takes a range that begins or ends behind it
            if start >= end:
                return b""
            data = self._fs.cat_file(path, start=start, end=end)
            return bytes(data[: end - start])  # ossfs counts the end in
        except SnapError:
            raise
        except Exception as error:
            raise _failed("read", blob, error) from error

    def sign(self, blob: str, seconds: int) -> str | None:
        """An address of the store's own, good for ``seconds``; ``None`` if it makes none."""
        path = self._path(blob)
        if isinstance(path, Path):
            return None
        try:
            return str(self._fs.sign(path, expiration=seconds))
        except NotImplementedError:
            return None
        except Exception as error:
            raise _failed("sign", blob, error) from error

    def delete(self, blobs: Iterable[str]) -> None:
        """Delete them; those already gone are no error. In a folder, the folders that become empty
        go as well. All are tried before :class:`StoreError` is raised for the first that failed."""
        first: StoreError | None = None
        for blob in blobs:
            try:
                self._delete(blob)
            except StoreError as error:
                first = first or error
        if first is not None:
            raise first

    def _path(self, blob: str) -> Path | str:
        """Where it lies; the path in the file system if that is no folder of ours."""
        parts = _parts(blob)
        if self._folder is not None:
            return self._folder.joinpath(*parts)
        return "/".join((self._root, *parts) if self._root else parts)

    # -- a folder -------------------------------------------------------------------------

    def _write(self, blob: str, data: bytes | memoryview) -> None:
        path = self.local(blob)
        assert path is not None
        for tried in range(_TRIES):
            try:
                # Whoever deletes the last blob of a folder may take it away between its making and
                # its use: after the first time threads wait for each other.
                with self._emptying if tried else nullcontext():
                    write_file(path, data, parents=True)
                return
            except StoreError as error:
                vanished = isinstance(error.__cause__, FileNotFoundError | FileExistsError)
                if not vanished or tried == _TRIES - 1:
                    raise _failed("write", blob, error.__cause__ or error) from error

    def _delete(self, blob: str) -> None:
        path = self._path(blob)
        try:
            if not isinstance(path, Path):
                self._fs.rm_file(path)
                return
            path.unlink(missing_ok=True)
        except (FileNotFoundError, NotADirectoryError):
            return
        except Exception as error:
            raise _failed("delete", blob, error) from error
        with self._emptying, suppress(OSError):  # not empty
            for parent in list(path.parents)[: len(_parts(blob)) - 1]:
                parent.rmdir()

    # -- other stores ---------------------------------------------------------------------

    def _upload(self, blob: str, file: Path) -> None:
        self._appear(blob, lambda path: self._fs.put_file(str(file), path))

    def _appear(self, blob: str, write: Callable[[str], object]) -> None:
        path = str(self._path(blob))
        at_once = self._protocol in _WHOLE
        temporary = path if at_once else f"{path}.{secrets.token_hex(8)}.part"
        try:
            if at_once:
                write(path)
                return
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                write(temporary)
                self._fs.mv(temporary, path)
            except BaseException:
                with suppress(OSError):
                    self._fs.rm_file(temporary)
                raise
        except Exception as error:
            raise _failed("write", blob, error) from error


def _opened(url: str, protocol: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it."""
    if protocol in _NEVER or "::" in url:
        raise InvalidOption(f"pictures cannot be kept at {protocol}:// addresses")
    import fsspec

    # Nothing of what others write is hidden by a listing made before.
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if protocol in ("s3", "s3a"):  # the package's default is a kind that S3 takes no more
        options["config_kwargs"] = {"signature_version": "s3v4"}
    try:
        found, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        raise BackendMissing(
            f"{protocol}:// needs a package that is not installed: {error}", stage="store"
        ) from error
    except ValueError as error:
        raise InvalidOption(f"store: {protocol}:// is nothing that fsspec knows") from error
    return found, str(root).rstrip("/")


def _parts(blob: str) -> tuple[str, ...]:
    parts = tuple(blob.split("/"))
    plain = blob.isascii() and blob.isprintable() and "\\" not in blob and ":" not in blob
    if not plain or len(blob) > _MAX_BLOB or not {"", ".", ".."}.isdisjoint(parts):
        raise InvalidOption(f"{blob[:80]!r} is no name of a blob")
    return parts


def _failed(verb: str, name: str, error: BaseException) -> StoreError:
    """The name and the system's reason; the texts of packages may have addresses with secrets."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else None
    said = reason or type(error).__name__
    return StoreError(f"cannot {verb} {name}: {said}", stage="store", blob=name)
