"""Where pictures lie: alike in a folder, in memory, behind renames, and in an object store."""

from __future__ import annotations

import os
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.errors import BackendMissing, InvalidOption, StoreError
from snapengine.service import store as module
from snapengine.service.store import PictureStore
from tests.remote.s3_server import ACCESS_KEY, SECRET_KEY, S3Server

from .kept import new_id

BLOB = "tenant/asset/job/snapshot-00001.jpg"
DATA = bytes(range(256)) * 40


@pytest.fixture(params=["folder", "file URL", "memory", "renaming"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PictureStore:
    if request.param == "folder":
        return PictureStore(str(tmp_path / "new" / "store"))
    if request.param == "file URL":
        return PictureStore(f"file://{tmp_path}/with%20blank")
    if request.param == "renaming":
        monkeypatch.setattr(module, "_WHOLE", frozenset[str]())
    return PictureStore(f"memory://{new_id()}/prefix")


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_what_is_put_is_there(store: PictureStore, tmp_path: Path) -> None:
    source = tmp_path / "made.jpg"
    source.write_bytes(DATA)
    store.put(BLOB, source)
    assert source.read_bytes() == DATA
    assert store.size(BLOB) == len(DATA)
    assert store.read(BLOB, 0, len(DATA)) == DATA
    assert store.read(BLOB, 255, 258) == b"\xff\x00\x01"
    assert store.read(BLOB, len(DATA) - 1, len(DATA) + 100) == b"\xff"
    assert store.read(BLOB, 5, 5) == b""
    assert store.read(BLOB, len(DATA), len(DATA) + 1) == b""
    assert store.read(BLOB, len(DATA) + 5, 2**40) == b""
    store.put_bytes(BLOB, b"new")
    assert store.read(BLOB, 0, 10) == b"new"
    assert store.size(BLOB) == 3


def test_empty_files_are_files(store: PictureStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    store.put(BLOB, tmp_path / "empty")
    store.put_bytes("other.vtt", b"")
    assert store.size(BLOB) == store.size("other.vtt") == 0
    assert store.read(BLOB, 0, 1) == b""


def test_what_is_not_there_is_not_there(store: PictureStore) -> None:
    assert store.size(BLOB) is None
    with pytest.raises(StoreError):
        store.read(BLOB, 0, 1)
    store.put_bytes(BLOB, DATA)
    assert store.size("tenant/asset") is None, "a folder is no blob"
    assert store.size(f"{BLOB}/below") is None
    with pytest.raises(StoreError):
        store.put("x.jpg", Path("/nothing/here.jpg"))
    assert store.size("x.jpg") is None


def test_deleting(store: PictureStore) -> None:
    for number in range(4):
        store.put_bytes(f"a/b/{number}.jpg", DATA)
    store.delete(["a/b/0.jpg", "a/b/9.jpg", "a/c/d/9.jpg", "a/b/0.jpg/x"])
    assert store.size("a/b/0.jpg") is None
    assert store.size("a/b/1.jpg") == len(DATA)
    store.delete(f"a/b/{number}.jpg" for number in range(4))
    assert store.size("a/b/1.jpg") is None
    store.delete([])


@pytest.mark.parametrize(
    "blob",
    ["", ".", "..", "/", "/etc/passwd", "../x", "a/../b", "a/..", "a//b", "a/", "a/./b", "a\\b",
     "..\\x", "C:/x", "c:x", "ä.jpg", "a\0b", "a\nb", "x" * 501, "\udc80"],
)  # fmt: skip
def test_bad_names_are_refused(store: PictureStore, tmp_path: Path, blob: str) -> None:
    before = files(tmp_path)
    for call in (
        lambda: store.put_bytes(blob, b"x"),
        lambda: store.local(blob) or store.size(blob),
        lambda: store.size(blob),
        lambda: store.read(blob, 0, 1),
        lambda: store.delete([blob]),
    ):
        with pytest.raises(InvalidOption):
            call()
    assert files(tmp_path) == before


@given(blob=st.text(max_size=20) | st.text("./\\a~", max_size=8))
def test_no_name_leads_out_of_the_folder(blob: str) -> None:
    folder = Path("/srv/store")
    try:
        path = PictureStore(str(folder)).local(blob)
    except InvalidOption:
        return
    assert path is not None
    assert os.path.normpath(path) == str(path)
    assert folder in path.parents


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 4), (-5, -1)])
def test_ranges_are_checked(store: PictureStore, start: int, end: int) -> None:
    store.put_bytes(BLOB, DATA)
    with pytest.raises(InvalidOption):
        store.read(BLOB, start, end)


def test_only_folders_have_paths(tmp_path: Path) -> None:
    folder = PictureStore(str(tmp_path / "s"))
    assert folder.local(BLOB) == tmp_path / "s" / BLOB
    assert folder.sign(BLOB, 60) is None
    memory = PictureStore("memory://x")
    assert memory.local(BLOB) is None
    assert memory.sign(BLOB, 60) is None


# -- a folder -------------------------------------------------------------------------------


def test_empty_folders_go_but_never_the_store_itself(tmp_path: Path) -> None:
    root = tmp_path / "s"
    store = PictureStore(str(root))
    store.put_bytes("a/b/c/1.jpg", DATA)
    store.put_bytes("a/2.jpg", DATA)
    store.delete(["a/b/c/1.jpg"])
    assert sorted(root.rglob("*")) == [root / "a", root / "a" / "2.jpg"]
    store.delete(["a/2.jpg"])
    assert list(root.iterdir()) == []
    store.put_bytes("1.jpg", DATA)
    store.delete(["1.jpg"])
    assert root.is_dir()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "s"
    store = PictureStore(str(root))
    store.put_bytes("a/1.jpg", b"old")

    def refuse(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    for blob in ("a/1.jpg", "b/c/2.jpg"):
        with pytest.raises(StoreError, match="No space left"):
            store.put_bytes(blob, DATA)
    assert files(tmp_path) == {"s/a/1.jpg"}
    assert store.read("a/1.jpg", 0, 9) == b"old"


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    store = PictureStore(str(tmp_path))
    store.put_bytes("a", b"x")
    with pytest.raises(StoreError):
        store.put_bytes("a/b.jpg", DATA)
    store.put_bytes("c/d.jpg", DATA)
    with pytest.raises(StoreError):
        store.put_bytes("c", DATA)
    with pytest.raises(StoreError) as info:
        store.delete(["c", "c/d.jpg"])
    assert info.value.context["blob"] == "c"
    assert store.size("c/d.jpg") is None, "the others are deleted all the same"


def test_folders_that_vanish_meanwhile_are_made_again(tmp_path: Path) -> None:
    """Threads that write and threads that delete the last file of a folder."""
    store = PictureStore(str(tmp_path))
    gate = threading.Barrier(4)

    def work(number: int) -> None:
        gate.wait(30)
        for _ in range(150):
            store.put_bytes(f"a/b/{number}.jpg", b"x")
            store.delete([f"a/b/{number}.jpg"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert list(tmp_path.iterdir()) == []


# -- other stores ---------------------------------------------------------------------------


class Failing:
    """A file system whose calls fail in a package's own way, with a secret in the text."""

    class NoCredentialsError(Exception):
        pass

    def __getattr__(self, name: str) -> Any:
        def fail(*given: object, **named: object) -> None:
            raise self.NoCredentialsError("https://u:secret@host/?Signature=secret")

        return fail


def test_errors_of_packages_are_ours_and_tell_no_secrets(tmp_path: Path) -> None:
    store = PictureStore("memory://x")
    store._fs = Failing()
    (tmp_path / "a.jpg").write_bytes(DATA)
    for call in (
        lambda: store.put(BLOB, tmp_path / "a.jpg"),
        lambda: store.put_bytes(BLOB, DATA),
        lambda: store.size(BLOB),
        lambda: store.read(BLOB, 0, 1),
        lambda: store.sign(BLOB, 1),
        lambda: store.delete([BLOB]),
    ):
        with pytest.raises(StoreError, match="NoCredentialsError") as info:
            call()
        assert "secret" not in str(info.value)
        assert info.value.retryable


def test_an_upload_that_breaks_off_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WHOLE", frozenset[str]())
    store = PictureStore(f"memory://{new_id()}")
    store.put_bytes(BLOB, b"old")

    def refuse(*given: object, **named: object) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(store._fs, "mv", refuse)
    with pytest.raises(StoreError, match="Connection reset"):
        store.put_bytes(BLOB, DATA)
    assert store.read(BLOB, 0, 9) == b"old"
    assert [path.rpartition("/")[2] for path in store._fs.find(store._root)] == [
        BLOB.rpartition("/")[2]
    ]


@pytest.mark.parametrize(
    "url", ["", "a\0b", "http://h/x", "https://h/x", "zip://a::memory://b", "nothing://x"]
)
def test_places_for_no_pictures_are_refused(url: str) -> None:
    with pytest.raises(InvalidOption):
        PictureStore(url)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(BackendMissing, match="gcs"):
        PictureStore("gs://bucket/prefix")


class Writable(S3Server):
    """Also checks signatures of requests that bring something."""

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        more = {f"HTTP_{n}": environ[n] for n in ("CONTENT_TYPE", "CONTENT_LENGTH") if n in environ}
        return super()._answer({**environ, **more}, start)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with Writable() as server:
        server.put("bucket", "there/already.txt", b"")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        yield server


def test_an_object_store(s3: S3Server, tmp_path: Path) -> None:
    """By its own credentials and with signatures that are checked; another process sees it all."""
    store, other = (PictureStore("s3://bucket/pictures/of") for _ in range(2))
    (tmp_path / "a.jpg").write_bytes(DATA)
    assert store.size(BLOB) is None
    store.put(BLOB, tmp_path / "a.jpg")
    assert other.size(BLOB) == len(DATA)
    assert other.read(BLOB, 100, 300) == DATA[100:300]
    assert other.read(BLOB, len(DATA) - 1, len(DATA) + 9) == DATA[-1:]
    assert other.read(BLOB, len(DATA), len(DATA) + 9) == b""
    other.put_bytes(BLOB, b"new")
    assert store.size(BLOB) == 3
    assert store.read(BLOB, 0, 9) == b"new"
    assert store.local(BLOB) is None
    url = store.sign(BLOB, 60)
    assert url is not None
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"new"
    other.delete([BLOB, "never/there.jpg"])
    assert store.size(BLOB) is None
    with pytest.raises(StoreError):
        store.read(BLOB, 0, 1)
    with pytest.raises(StoreError) as info:
        PictureStore("s3://no-bucket/x").put_bytes(BLOB, DATA)
    assert SECRET_KEY not in str(info.value)
