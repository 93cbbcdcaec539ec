"""What an order may open: files below the allowed folders, whatever happens to their names."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from snapengine import Network
from snapengine.errors import SnapError, SourceDenied, SourceError, UnrecognizedContainer
from snapengine.service.domain.failures import SourceRefused
from snapengine.service.domain.records import IngestRequest
from snapengine.service.jobs import opening
from snapengine.service.jobs.opening import opened
from snapengine.service.jobs.orders import WorkOrder
from tests.manifests.segmented import hls_files, rendition
from tests.media.atlas import recipe
from tests.media.recipes import build
from tests.service.jobs_kit import order


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A folder with a video in it that may be read, and one beside it that may not."""
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        shutil.copy(build(recipe("sub-second-mp4")), tmp_path / name / "a film.mp4")
    return tmp_path / "open"


def told(roots: Path, source: Path | str) -> WorkOrder:
    return order(source, IngestRequest(), roots, roots=(str(roots), "/nowhere"))


def frames(told: WorkOrder) -> float | None:
    with opened(told) as video:
        return video.snapshot(0).time


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    "name",
    [
        "{root}/a film.mp4",
        "file://{root}/a%20film.mp4",
        "file://localhost{root}/a%20film.mp4",
        "{root}/../open/./a film.mp4",
    ],
)
def test_files_below_the_folders(name: str, roots: Path) -> None:
    before = descriptors()
    assert frames(told(roots, name.format(root=roots))) == 0
    assert descriptors() == before


def test_links_within_the_folders(roots: Path) -> None:
    (roots / "link.mp4").symlink_to(roots / "a film.mp4")
    assert frames(told(roots, roots / "link.mp4")) == 0


@pytest.mark.parametrize(
    "name",
    [
        "{root}/../closed/a film.mp4",
        "file://{root}/../closed/a%20film.mp4",
        "file://{root}/%2e%2e/closed/a%20film.mp4",
        "file://elsewhere{root}/a%20film.mp4",
        "{root}2/a film.mp4",
        "{root}/missing.mp4",
        "{root}",
        "{root}/",
        "{root}/nul\0.mp4",
        "relative.mp4",
        "",
        "/dev/zero",
        "/etc/passwd",
    ],
)
def test_everything_else_is_refused_in_the_same_words(name: str, roots: Path) -> None:
    """Whether a file lies outside of the folders is nobody's business."""
    before = descriptors()
    with pytest.raises(SourceRefused) as caught:
        frames(told(roots, name.format(root=roots)))
    assert str(roots) not in str(caught.value)
    assert descriptors() == before


def test_links_that_lead_out(roots: Path) -> None:
    (roots / "file.mp4").symlink_to(roots.parent / "closed" / "a film.mp4")
    (roots / "folder").symlink_to(roots.parent / "closed")
    (roots / "round").symlink_to(roots / "round")
    for name in ("file.mp4", "folder/a film.mp4", "round"):
        with pytest.raises(SourceRefused):
            frames(told(roots, roots / name))


def test_what_is_no_regular_file_is_not_waited_for(roots: Path) -> None:
    os.mkfifo(roots / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(roots / "s"))
        for name in ("pipe.mp4", "s"):
            with pytest.raises(SourceRefused):
                frames(told(roots, roots / name))


def _to_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent.parent / "closed" / "a film.mp4")


def _to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _to_nothing(path: Path) -> None:
    path.unlink()


def _folder_to_link(path: Path) -> None:
    path.parent.rename(path.parent.parent / "was")
    path.parent.symlink_to(path.parent.parent / "closed")


@pytest.mark.parametrize("change", [_to_link, _to_pipe, _to_nothing, _folder_to_link])
def test_a_file_that_changes_between_the_look_and_the_opening(
    change: Callable[[Path], None], roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = roots / "a film.mp4"
    looked = opening.readable

    def look_and_change(source: str, folders: tuple[str, ...]) -> str:
        found = looked(source, folders)
        change(path)
        return found

    monkeypatch.setattr(opening, "readable", look_and_change)
    before = descriptors()
    with pytest.raises((SourceRefused, SourceError)) as caught:
        frames(told(roots, path))
    assert str(roots) not in str(caught.value)
    assert descriptors() == before


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"<html>" * 500])
def test_messages_name_the_file_and_not_where_it_lies(data: bytes, roots: Path) -> None:
    (roots / "text.mp4").write_bytes(data)
    with pytest.raises(UnrecognizedContainer) as caught:
        frames(told(roots, roots / "text.mp4"))
    assert "text.mp4" in str(caught.value) and str(roots) not in str(caught.value)


def test_addresses_obey_the_network(roots: Path) -> None:
    for source in ("http://127.0.0.1:9/v.mp4", "http://[::1]/v.mp4", "http://169.254.169.254/v"):
        with pytest.raises(SourceDenied):
            frames(order(source, IngestRequest(), roots, network=Network()))
    with pytest.raises(SnapError):
        frames(order("gopher://host/v.mp4", IngestRequest(), roots))


def test_a_local_manifest_and_the_files_beside_it(roots: Path) -> None:
    """Of its own folder, never of others."""
    for name, data in hls_files("fmp4", rendition(64, 36)).items():
        (roots / name).write_bytes(data)
    with opened(told(roots, roots / "media.m3u8")) as video:
        assert video.info.duration == pytest.approx(12)
        assert video.snapshot(7).exact
    text = (roots / "media.m3u8").read_text(encoding="utf-8")
    (roots / "bad.m3u8").write_text(text.replace("media", "../closed/media"), encoding="utf-8")
    with pytest.raises(SnapError):
        frames(told(roots, roots / "bad.m3u8"))
