"""Which sources may be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snapengine.service.domain.failures import SourceRefused
from snapengine.service.settings import Settings
from snapengine.service.source_rules import check_source, readable


@pytest.fixture
def roots(tmp_path: Path) -> tuple[str, ...]:
    for name in ("in", "in/deep", "out"):
        (tmp_path / name).mkdir()
    for name in ("in/a b.mp4", "in/deep/b.mp4", "out/c.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "in/link.mp4").symlink_to(tmp_path / "out/c.mp4")
    (tmp_path / "in/loop.mp4").symlink_to(tmp_path / "in/loop.mp4")
    (tmp_path / "in/inner.mp4").symlink_to(tmp_path / "in/deep/b.mp4")
    (tmp_path / "in/folder").symlink_to(tmp_path / "out")
    os.mkfifo(tmp_path / "in/pipe")
    return (str(tmp_path / "in"),)


@pytest.mark.parametrize(
    ("tail", "real"),
    [("a%20b.mp4", "a b.mp4"), ("deep/../a%20b.mp4", "a b.mp4"), ("inner.mp4", "deep/b.mp4")],
)
def test_files_below_a_root(roots: tuple[str, ...], tail: str, real: str) -> None:
    assert readable(f"file://{roots[0]}/{tail}", roots) == f"{roots[0]}/{real}"
    assert readable(f"file://localhost{roots[0]}/{tail}", roots) == f"{roots[0]}/{real}"


@pytest.mark.parametrize(
    "tail",
    ["../out/c.mp4", "link.mp4", "loop.mp4", "folder/c.mp4", "pipe", "", "deep", "missing.mp4",
     "%2e%2e/out/c.mp4", "a%20b.mp4/x", "a%00.mp4"],
)  # fmt: skip
def test_all_other_files_are_refused_in_the_same_words(roots: tuple[str, ...], tail: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        readable(f"file://{roots[0]}/{tail}", roots)
    assert str(caught.value) == "no such file in the folders that may be read (media_roots)"


def test_a_root_that_begins_like_another_is_another(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab/x.mp4").write_bytes(b"x")
    with pytest.raises(SourceRefused):
        readable(f"file://{tmp_path}/ab/x.mp4", (str(tmp_path / "a"),))


def test_without_roots_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"x")
    with pytest.raises(SourceRefused):
        readable(f"file://{tmp_path}/x.mp4", ())


@pytest.mark.parametrize("source", ["file://other/x.mp4", "file:x.mp4", "file://./x.mp4"])
def test_files_of_other_machines(source: str) -> None:
    with pytest.raises(SourceRefused):
        readable(source, ("/",))


@pytest.mark.parametrize(
    "source",
    [
        "", "x", "ftp://h/x", "gopher://h/x", "data:video/mp4;base64,AA==", "http://", "http:///x",
        "concat:/etc/passwd", "http://127.0.0.1/x", "http://[::1]/x", "https://10.0.0.1:99/x",
        "http://169.254.169.254/latest", "http://0.0.0.0/x", "http://[::ffff:127.0.0.1]/x",
        "http://h/\nx", "http://h/" + "x" * 5000, "http://[::1", "s3://bucket/x", "\ud800://x/",
    ],
)  # fmt: skip
def test_addresses_that_may_not_be_named(source: str) -> None:
    with pytest.raises(SourceRefused):
        check_source(source, Settings())


@pytest.mark.parametrize("source", ["http://h/x.mp4", "https://93.184.216.34/x?y=z", "HTTP://H/x"])
def test_addresses_that_may(source: str) -> None:
    check_source(source, Settings())


def test_settings_widen_it() -> None:
    check_source("http://127.0.0.1:8000/x.mp4", Settings(allow_private=True))
    check_source("s3://bucket/x.mp4", Settings(source_schemes=("s3",)))
    with pytest.raises(SourceRefused):
        check_source("http://h/x.mp4", Settings(source_schemes=("s3",)))
