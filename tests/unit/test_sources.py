"""Bytes in: the three local sources alike, the reader over them, patches at every overlap."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import (
    EngineClosed,
    InvalidOption,
    LimitExceeded,
    SourceDenied,
    SourceError,
    SourceNotFound,
    UnrecognizedContainer,
)
from snapengine.sources import (
    FileObjectSource,
    LocalSource,
    MemorySource,
    Source,
    SourceReader,
    open_source,
)

DATA = bytes(range(256)) * 5 + b"end"
Maker = Callable[[bytes], Source]


@pytest.fixture(params=["local", "memory", "view", "file", "buffer", "stingy"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A function that makes a source of bytes; files are closed at the end of the test."""
    opened: list[Any] = []

    def local(data: bytes) -> Source:
        path = tmp_path / f"data{len(opened)}"
        path.write_bytes(data)
        source = LocalSource(path)
        opened.append(source)
        return source

    def file(data: bytes) -> Source:
        path = tmp_path / f"data{len(opened)}"
        path.write_bytes(data)
        handle = path.open("rb")
        opened.append(handle)
        return FileObjectSource(handle)

    yield {
        "local": local,
        "memory": MemorySource,
        "view": lambda data: MemorySource(memoryview(bytearray(data))),
        "file": file,
        "buffer": lambda data: FileObjectSource(io.BytesIO(data)),
        "stingy": lambda data: FileObjectSource(Stingy(data)),
    }[request.param]
    for thing in opened:
        thing.close()


class Stingy(io.BytesIO):
    """Gives at most seven bytes at a time, as pipes and decompressors may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7, size) if size is not None and size >= 0 else 7)


def test_read_at_gives_what_a_slice_gives(make: Maker) -> None:
    source = make(DATA)
    assert source.size == len(DATA)
    assert isinstance(source.name, str) and source.name
    end = len(DATA)
    for offset in (0, 1, 255, 700, end - 3, end - 1, end, end + 5):
        for size in (0, 1, 2, 16, 700, end, end + 100):
            found = source.read_at(offset, size)
            assert type(found) is bytes
            assert found == DATA[offset : offset + size], (offset, size)


def test_read_at_from_several_threads(make: Maker) -> None:
    source = make(DATA)
    with ThreadPoolExecutor(4) as pool:
        offsets = list(range(0, len(DATA), 3)) * 3
        found = list(pool.map(lambda o: source.read_at(o, 50), offsets))
    assert found == [DATA[o : o + 50] for o in offsets]


def test_nothing_in_it_is_told(make: Maker) -> None:
    with pytest.raises(UnrecognizedContainer, match="empty"):
        make(b"")


# -- files ----------------------------------------------------------------------------------


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="gone") as caught:
        LocalSource(tmp_path / "gone")
    assert caught.value.stage == "open"
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(SourceDenied):
        LocalSource(path)


def test_denied_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "no")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceDenied, match="secret"):
        LocalSource("secret")


def test_things_that_are_not_regular_files(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="regular"):
        LocalSource(tmp_path)
    with pytest.raises(SourceError, match="regular"):
        LocalSource("/dev/null")
    with pytest.raises(SourceError, match="cannot open"):
        LocalSource("a\0b")


def test_refused_files_leave_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    before = sorted(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    for path in (tmp_path, tmp_path / "empty", tmp_path / "gone"):
        with pytest.raises((SourceError, UnrecognizedContainer)):
            LocalSource(path)
    if before is not None:
        assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_closed_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(DATA)
    source = LocalSource(path)
    source.close()
    source.close()
    with pytest.raises(EngineClosed, match="closed"):
        source.read_at(0, 4)


def test_a_short_pread_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(DATA)
    source, whole = LocalSource(path), os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: whole(fd, min(size, 100), at))
    assert source.read_at(3, 1000) == DATA[3:1003]
    assert source.read_at(1200, 1000) == DATA[1200:]
    source.close()


def test_a_file_that_shrank_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(DATA)
    source = LocalSource(path)
    os.truncate(path, 10)
    assert source.read_at(5, 100) == DATA[5:10]
    source.close()


# -- file objects ---------------------------------------------------------------------------


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False


class Text:
    """Reads text, as a file opened without "b"."""

    def seekable(self) -> bool:
        return True

    def seek(self, *_: int) -> int:
        return 5

    def read(self, size: int) -> str:
        return "hello"[:size]


class Failing(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("the cable")


def closed_file() -> io.BytesIO:
    file = io.BytesIO(b"x")
    file.close()
    return file


@pytest.mark.parametrize(
    ("file", "told"),
    [(Unseekable(b"x"), "seekable"), (closed_file(), "cannot read"), (object(), "cannot read")],
)
def test_unusable_file_objects(file: Any, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        FileObjectSource(file)


def test_text_is_refused_when_read() -> None:
    source = FileObjectSource(Text())  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="binary"):
        source.read_at(0, 5)


def test_a_failing_read_is_told() -> None:
    with pytest.raises(SourceError, match="the cable") as caught:
        FileObjectSource(Failing(b"xyz")).read_at(0, 2)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_file_object_is_the_callers() -> None:
    file = io.BytesIO(DATA)
    source = FileObjectSource(file, name="mine")
    assert source.name == "mine"
    source.close()
    assert not file.closed
    assert source.read_at(0, 3) == DATA[:3]


# -- what open takes ------------------------------------------------------------------------


def test_open_source_by_kind(tmp_path: Path) -> None:
    path = tmp_path / "a b%20ü.bin"
    path.write_bytes(DATA)
    assert isinstance(open_source(os.fsencode(path)), MemorySource)  # bytes are data, not a path
    there = path.as_uri().removeprefix("file://")
    for what in (path, str(path), f"file://{there}", f"FILE://localhost{there}"):
        source = open_source(what)
        assert isinstance(source, LocalSource)
        assert source.read_at(0, 9) == DATA[:9]
        source.close()
    assert isinstance(open_source(bytearray(DATA)), MemorySource)
    assert isinstance(open_source(memoryview(DATA)), MemorySource)
    assert isinstance(open_source(io.BytesIO(DATA)), FileObjectSource)
    own = MemorySource(DATA)
    assert open_source(own) is own


@pytest.mark.parametrize(
    "what", [None, 5, ["a"], object(), "concat+x://a", "RTMP://h/a", "ftp://h/a", "reference://a",
             "https:/host/a.mp4", Path("s3://bucket/a.mp4"), "file://elsewhere/a.mp4"]
)  # fmt: skip
def test_open_source_refuses(what: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        open_source(what)
    text = str(what) if isinstance(what, (str, Path)) else None
    named = type(what).__name__ if text is None else text.partition(":")[0].lower()
    assert named in str(caught.value)


@pytest.mark.parametrize("name", ["concat:a.mp4|b.mp4", "pipe:0", "subfile,,start,0,end,9,,:a"])
def test_protocols_of_ffmpeg_are_names_of_files_here(name: str) -> None:
    with pytest.raises(SourceNotFound):
        open_source(name)


# -- the reader -----------------------------------------------------------------------------


@settings(max_examples=80)
@given(data=st.data())
def test_the_reader_behaves_like_a_file(data: st.DataObject) -> None:
    reader, twin = SourceReader(MemorySource(DATA)), io.BytesIO(DATA)
    got = 0
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.booleans()):
            whence = data.draw(st.sampled_from([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END]))
            offset = data.draw(st.integers(-len(DATA) - 9, len(DATA) + 9))
            base = {io.SEEK_SET: 0, io.SEEK_CUR: twin.tell(), io.SEEK_END: len(DATA)}[whence]
            if base + offset < 0:
                with pytest.raises(OSError, match="seek"):
                    reader.seek(offset, whence)
            else:
                assert reader.seek(offset, whence) == twin.seek(base + offset)
        else:
            size = data.draw(st.integers(-1, len(DATA) + 9))
            found = reader.read(size)
            assert found == twin.read(size)
            got += len(found)
        assert reader.tell() == min(twin.tell(), reader.tell())
        twin.seek(reader.tell())
    assert reader.bytes_read == got


def test_the_reader_says_what_it_can() -> None:
    reader = SourceReader(MemorySource(DATA, name="x"))
    assert (reader.name, reader.size) == ("x", len(DATA))
    assert reader.readable() and reader.seekable() and not reader.writable()


def test_an_unknown_size_has_no_end_to_seek_from() -> None:
    class Endless(MemorySource):
        @property
        def size(self) -> int | None:
            return None

    reader = SourceReader(Endless(DATA))
    with pytest.raises(OSError, match="unknown"):
        reader.seek(0, io.SEEK_END)
    assert reader.read(5) == DATA[:5]


def test_every_byte_is_counted_before_the_next_read() -> None:
    told: list[int] = []
    reader = SourceReader(MemorySource(DATA), on_read=told.append)
    reader.read(10)
    reader.seek(0)
    reader.read(10)
    reader.seek(-2, io.SEEK_END)
    reader.read(100)
    assert told == [0, 10, 20]
    assert reader.bytes_read == 22


def test_a_limit_stops_the_read() -> None:
    def stop(read: int) -> None:
        if read >= 10:
            raise LimitExceeded("enough")

    reader = SourceReader(MemorySource(DATA), on_read=stop)
    assert len(reader.read(10)) == 10
    with pytest.raises(LimitExceeded):
        reader.read(1)
    assert (reader.tell(), reader.bytes_read) == (10, 10)


def test_patches_at_every_overlap() -> None:
    plain = bytes(range(12))
    for offset in range(12):
        for length in range(4):
            patch = b"\xaa\xbb\xcc"[:length]
            whole = bytearray(plain + bytes(4))
            whole[offset : offset + length] = patch
            shown = bytes(whole[:12])
            reader = SourceReader(MemorySource(plain), patches=[(offset, patch)])
            for start in range(13):
                for size in range(14):
                    reader.seek(start)
                    assert reader.read(size) == shown[start : start + size], (offset, start, size)
            assert plain == bytes(range(12))


@settings(max_examples=80)
@given(
    patches=st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=6)), max_size=4),
    reads=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), min_size=1, max_size=6),
)
def test_several_patches(patches: list[tuple[int, bytes]], reads: list[tuple[int, int]]) -> None:
    plain = bytes(i % 251 for i in range(64))
    whole = bytearray(plain + bytes(10))
    for offset, patch in sorted(patches):
        whole[offset : offset + len(patch)] = patch
    shown = bytes(whole[:64])
    reader = SourceReader(MemorySource(plain), patches=patches)
    for start, size in reads:
        reader.seek(start)
        assert reader.read(size) == shown[start : start + size]


def test_a_file_object_is_read_by_one_thread_at_a_time() -> None:
    pause = threading.Event()

    class Watched(io.BytesIO):
        inside = 0
        most = 0

        def seek(self, *args: Any) -> int:
            Watched.inside += 1
            Watched.most = max(Watched.most, Watched.inside)
            return super().seek(*args)

        def read(self, size: int | None = -1, /) -> bytes:
            pause.wait(0.001)  # lets other threads run between seek and read
            Watched.inside -= 1
            return super().read(size)

    source = FileObjectSource(Watched(DATA))
    Watched.inside = Watched.most = 0
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda o: source.read_at(o, 1), range(40)))
    assert found == [DATA[i : i + 1] for i in range(40)]
    assert Watched.most == 1
