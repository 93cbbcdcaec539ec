"""Local stores: whole files and whole sets, whatever fails and whenever."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from snapengine.errors import InvalidOption, LayoutTooLarge, SourceNotFound, StoreError
from snapengine.outputs import stores
from snapengine.outputs.stores import write_file, write_files

FILES = {"a.jpg": b"new a", "b.jpg": b"new b", "thumbnails.vtt": b"new track"}


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below ``folder``: names to bytes, folders to None."""
    return {
        str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes()
        for p in sorted(folder.rglob("*"))
    }


class Saboteur:
    """Makes the n-th operation that changes a folder fail, once: open, mkdir, rename or link.

    Works through Python's audit events, so it needs no knowledge of how the store works.
    """

    def __init__(self) -> None:
        self.fire_at = 0
        self.seen: list[str] = []
        self.folder = ""
        self.error: BaseException = OSError()
        sys.addaudithook(self)  # stays for good; unarmed it costs one comparison

    def arm(self, folder: Path, fire_at: int, error: BaseException) -> None:
        self.folder, self.fire_at, self.error, self.seen = str(folder), fire_at, error, []

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.fire_at or event not in ("open", "os.mkdir", "os.rename", "os.link"):
            return
        if event == "open" and not (isinstance(args[1], str) and set(args[1]) & set("wxa+")):
            return  # read only, or by os.open
        if not str(args[0]).startswith(self.folder):
            return
        self.seen.append(event)
        if len(self.seen) == self.fire_at:
            self.fire_at = 0
            raise self.error


SABOTEUR = Saboteur()


@pytest.fixture
def saboteur() -> Iterator[Saboteur]:
    yield SABOTEUR
    SABOTEUR.fire_at = 0


def fails_cleanly_at_each_step(
    saboteur: Saboteur, folder: Path, act: Callable[[], object], done: dict[str, bytes | None]
) -> int:
    """Run ``act`` with a failure at step 1, 2, ...; returns how many steps there are."""
    before = tree(folder)
    errors: list[BaseException] = [
        OSError(errno.ENOSPC, "No space left on device"),
        KeyboardInterrupt(),
    ]
    for step in range(1, 100):
        for error in errors:
            saboteur.arm(folder, step, error)
            failure: BaseException | None = None
            try:
                act()
            except (StoreError, KeyboardInterrupt) as raised:
                failure = raised
            assert tree(folder) == (before if failure else done), (step, saboteur.seen)
            if isinstance(failure, StoreError):
                assert failure.__cause__ is error
                assert "No space left on device" in str(failure)
            elif failure:
                assert failure is error
            elif len(saboteur.seen) < step:  # nothing was left to fail
                saboteur.fire_at = 0
                return step - 1
            else:  # the store had another way (a copy in place of a link): undo, next step
                for name, content in before.items():
                    if content is not None:
                        (folder / name).write_bytes(content)
                for name in set(done) - set(before):
                    (folder / name).unlink()
    raise AssertionError("endless")


# --- one file ----------------------------------------------------------------------------------


def test_write_file(tmp_path: Path) -> None:
    target = tmp_path / "cover.jpg"
    assert write_file(target, b"one") == target
    assert write_file(str(target), memoryview(b"two")) == target
    assert tree(tmp_path) == {"cover.jpg": b"two"}


@pytest.mark.parametrize("old", [None, b"old"])
def test_write_file_failure_at_each_step(
    tmp_path: Path, saboteur: Saboteur, old: bytes | None
) -> None:
    target = tmp_path / "cover.jpg"
    if old:
        target.write_bytes(old)
    steps = fails_cleanly_at_each_step(
        saboteur, tmp_path, lambda: write_file(target, b"new"), {"cover.jpg": b"new"}
    )
    assert steps == 2  # open, rename


def test_write_file_with_parents_failure_at_each_step(tmp_path: Path, saboteur: Saboteur) -> None:
    steps = fails_cleanly_at_each_step(
        saboteur,
        tmp_path,
        lambda: write_file(tmp_path / "x" / "y" / "c.jpg", b"new", parents=True),
        {"x": None, "x/y": None, "x/y/c.jpg": b"new"},
    )
    assert steps == 4


def test_parents_are_made_only_when_asked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        write_file(tmp_path / "x" / "c.jpg", b"new")
    assert tree(tmp_path) == {}


def test_a_disk_that_fills_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the bytes arrive, then the write fails."""

    class Full:
        def __init__(self, path: Any, mode: str) -> None:
            self.file = open(path, mode)  # noqa: SIM115

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_error: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> None:
            self.file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stores, "open", Full, raising=False)
    (tmp_path / "c.jpg").write_bytes(b"old")
    with pytest.raises(StoreError, match="No space left"):
        write_file(tmp_path / "c.jpg", b"new content")
    assert tree(tmp_path) == {"c.jpg": b"old"}


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_file(tmp_path / "x" / "c.jpg", b"1", parents=True)
        write_files(tmp_path / "set", FILES)
    finally:
        os.umask(before)
    for path, full in (("x/c.jpg", 0o666), ("set/a.jpg", 0o666), ("x", 0o777), ("set", 0o777)):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == full & ~umask, path


@pytest.mark.parametrize("write", [write_file, lambda p, _d: write_files(p, FILES)])
def test_unwritable_place_names_path_and_reason(tmp_path: Path, write: Any) -> None:
    (tmp_path / "file").write_bytes(b"a regular file")
    for path in (tmp_path / "file" / "x", tmp_path / "file" / "x" / "y"):
        with pytest.raises(StoreError, match="Not a directory") as caught:
            write(path, b"new")
        assert str(tmp_path / "file") in str(caught.value)
        assert isinstance(caught.value.__cause__, NotADirectoryError)
        assert caught.value.stage == "store"
    assert tree(tmp_path) == {"file": b"a regular file"}


@pytest.mark.parametrize("write", [write_file, lambda p, _d: write_files(p, FILES)])
def test_impossible_paths_are_store_errors(tmp_path: Path, write: Any) -> None:
    for name in ("x\0y", "x" * 300):
        with pytest.raises(StoreError):
            write(tmp_path / name, b"new")
    assert tree(tmp_path) == {}


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.jpg").mkdir()
    with pytest.raises(StoreError, match="directory"):
        write_file(tmp_path / "c.jpg", b"new")
    assert tree(tmp_path) == {"c.jpg": None}


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "c.jpg").write_bytes(b"old")
    (tmp_path / "c.jpg").symlink_to(tmp_path / "real" / "c.jpg")
    write_file(tmp_path / "c.jpg", b"new")
    assert (tmp_path / "c.jpg").is_symlink()
    assert (tmp_path / "real" / "c.jpg").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(pipe.read_bytes)
        write_file(pipe, b"through")
        assert reader.result(5) == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_readers_see_whole_files_only(tmp_path: Path) -> None:
    target = tmp_path / "c.jpg"
    write_file(target, b"0" * 300_000)
    stop = threading.Event()

    def write(tag: bytes) -> None:
        while not stop.is_set():
            write_file(target, tag * 300_000)

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, tag) for tag in (b"1", b"2", b"3")]
        seen: set[int] = set()
        until = time.monotonic() + 5
        while time.monotonic() < until and len(seen) < 3:
            content = target.read_bytes()
            assert len(content) == 300_000
            assert len(set(content)) == 1
            seen.add(content[0])
        stop.set()
        for writer in writers:
            writer.result()
    assert len(seen) >= 2
    assert list(tree(tmp_path)) == ["c.jpg"]


# --- sets of files -----------------------------------------------------------------------------


@pytest.mark.parametrize("exists", [False, True])
def test_write_files(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "out" / "deep"
    if exists:
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_bytes(b"old a")
        (folder / "other").write_bytes(b"stays")
    paths = write_files(folder, FILES | {"b.jpg": lambda: b"made"})
    assert paths == [folder / name for name in FILES]
    expected = FILES | {"b.jpg": b"made"} | ({"other": b"stays"} if exists else {})
    assert tree(folder) == expected
    assert set(tree(tmp_path)) == {"out", "out/deep", *(f"out/deep/{n}" for n in expected)}


def test_a_new_set_fails_cleanly_at_each_step(tmp_path: Path, saboteur: Saboteur) -> None:
    done: dict[str, bytes | None] = {"x": None, "x/y": None}
    done |= {f"x/y/{name}": data for name, data in FILES.items()}
    steps = fails_cleanly_at_each_step(
        saboteur, tmp_path, lambda: write_files(tmp_path / "x" / "y", FILES), done
    )
    assert steps == 6  # the parent, the staging, three files, one rename


def test_a_set_in_an_existing_folder_fails_cleanly_at_each_step(
    tmp_path: Path, saboteur: Saboteur
) -> None:
    (tmp_path / "b.jpg").write_bytes(b"old b")
    (tmp_path / "thumbnails.vtt").write_bytes(b"old track")
    (tmp_path / "other").write_bytes(b"stays")
    done: dict[str, bytes | None] = {**FILES, "other": b"stays"}
    steps = fails_cleanly_at_each_step(
        saboteur, tmp_path, lambda: write_files(tmp_path, FILES), done
    )
    assert steps == 10  # two folders, three files, two kept, three renames


def test_a_filesystem_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a.jpg").write_bytes(b"old a")
    (tmp_path / "b.jpg").write_bytes(b"old b")
    replace = os.replace

    def fail_at_b(source: Any, target: Any) -> None:
        if Path(target) == tmp_path / "b.jpg":
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", fail_at_b)
        with pytest.raises(StoreError, match="Input/output"):
            write_files(tmp_path, FILES)
    assert tree(tmp_path) == {"a.jpg": b"old a", "b.jpg": b"old b"}
    write_files(tmp_path, FILES)
    assert tree(tmp_path) == FILES


def test_a_folder_that_comes_into_being_meanwhile(tmp_path: Path) -> None:
    def other_process() -> bytes:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "other").write_bytes(b"stays")
        return b"mine"

    write_files(tmp_path / "out", {"a.jpg": other_process})
    assert tree(tmp_path) == {"out": None, "out/other": b"stays", "out/a.jpg": b"mine"}


def test_a_folder_in_the_way_stops_all(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"old a")
    (tmp_path / "thumbnails.vtt").mkdir()
    before = tree(tmp_path)
    with pytest.raises(StoreError, match="directory"):
        write_files(tmp_path, FILES)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("encoder"),
        LayoutTooLarge("a ValueError"),
        SourceNotFound("an OSError"),
        OSError(errno.ENOENT, "of the caller"),
        KeyboardInterrupt(),
    ],
)
@pytest.mark.parametrize("folder", ["", "new/deep"])
def test_what_a_callable_raises_passes_unchanged(
    tmp_path: Path, error: BaseException, folder: str
) -> None:
    def fail() -> bytes:
        raise error

    (tmp_path / "a.jpg").write_bytes(b"old a")
    with pytest.raises(type(error)) as caught:
        write_files(tmp_path / folder, {"a.jpg": b"new", "b.jpg": fail})
    assert caught.value is error
    assert tree(tmp_path) == {"a.jpg": b"old a"}


def test_callables_run_one_by_one_in_order(tmp_path: Path) -> None:
    """The bytes of one are on disk before the next is made."""
    on_disk: list[int] = []

    def make(tag: bytes) -> Callable[[], bytes]:
        def made() -> bytes:
            on_disk.append(sum(p.is_file() for p in tmp_path.rglob("*")))
            return tag

        return made

    write_files(tmp_path / "out", {name: make(name.encode()) for name in ("z", "a", "m")})
    assert on_disk == [0, 1, 2]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "../a", "a\\b", "a\0b"])
def test_only_plain_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidOption, match="plain file name"):
        write_files(tmp_path / "out", {"ok": b"1", name: b"2"})
    assert tree(tmp_path) == {}


def test_sets_of_several_threads_never_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def slow(source: Any, target: Any) -> None:
        replace(source, target)
        time.sleep(0.001)  # lets the other threads in between two moves

    monkeypatch.setattr(os, "replace", slow)
    for folder in (tmp_path / "old", tmp_path / "new"):
        if folder.name == "old":
            folder.mkdir()
        for _ in range(5):
            with ThreadPoolExecutor(6) as pool:
                jobs = [
                    pool.submit(write_files, folder, dict.fromkeys(FILES, b"%d" % tag))
                    for tag in range(6)
                ]
                for job in jobs:
                    job.result()
            assert set(tree(folder)) == set(FILES)
            assert len(set(tree(folder).values())) == 1
