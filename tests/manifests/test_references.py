"""Which files a manifest may refer to."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.errors import SnapError, SourceDenied
from snapengine.manifests.presentation import Rendition, choose
from snapengine.manifests.references import is_url, resolve, same_origin, shown


@pytest.mark.parametrize(
    ("base", "reference", "url"),
    [
        ("https://a/x/m.m3u8?s=1", "s.ts", "https://a/x/s.ts"),
        ("https://a/x/m.m3u8", "../s.ts?t=2", "https://a/s.ts?t=2"),
        ("https://a/x/m.m3u8", "/s.ts", "https://a/s.ts"),
        ("https://a/x/m.m3u8", "//b/s.ts", "https://b/s.ts"),
        ("https://a/x/m.m3u8", "https://b:8443/s.ts", "https://b:8443/s.ts"),
        ("http://a/x/m.m3u8", "https://b/s.ts", "https://b/s.ts"),
        ("http://u:p@a/x/m.m3u8", "s.ts", "http://u:p@a/x/s.ts"),
        ("https://a/x/m.m3u8", " s.ts\t", "https://a/x/s.ts"),
        ("https://a/x/m.m3u8", "a:b.ts", None),
        ("https://a", "s.ts", "https://a/s.ts"),
        ("https://a?x/y", "s.ts", "https://a/s.ts"),
    ],
)
def test_urls(base: str, reference: str, url: str | None) -> None:
    if url is None:
        with pytest.raises(SourceDenied):
            resolve(base, reference)
    else:
        assert resolve(base, reference) == url


@pytest.mark.parametrize(
    "reference",
    [
        "http://a/s.ts", "file:///etc/passwd", "ftp://a/s", "data:text/plain,x", "javascript:1",
        "s3://bucket/key", "https://u:p@a/s.ts", "https://u@b/s.ts", "concat:a|b", "a b.ts",
        "a\x00.ts", "https://[::1", "FILE:///x", "crypto:https://a/x", "a\\b.ts",
    ],
)  # fmt: skip
def test_urls_that_are_refused(reference: str) -> None:
    with pytest.raises(SourceDenied) as caught:
        resolve("https://a/x/m.m3u8", reference)
    assert ":p@" not in str(caught.value) + str(caught.value.context)


@pytest.mark.parametrize(
    "reference",
    [
        "/etc/passwd", "../x.ts", "a/../../x.ts", "http://a/x.ts", "file:x.ts", "file:///etc/x",
        "..", "%2e%2e/x.ts", "a/%2e%2e/%2e%2e/x", "%2Fetc/passwd", "a\\..\\x", "\\\\host\\x",
        "a\0b", "link.ts", "away/x.ts", "c:x.ts", "//host/x.ts",
    ],
)  # fmt: skip
def test_local_manifests_stay_in_their_folder(tmp_path: Path, reference: str) -> None:
    folder = tmp_path / "film"
    folder.mkdir()
    (tmp_path / "x.ts").write_bytes(b"x")
    (folder / "link.ts").symlink_to(tmp_path / "x.ts")
    (folder / "away").symlink_to(tmp_path)
    with pytest.raises(SourceDenied):
        resolve(str(folder / "m.m3u8"), reference)


def test_local_references(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "seen").symlink_to(tmp_path / "real")
    base = str(tmp_path / "seen" / "m.m3u8")
    for reference, name in (("a.ts", "a.ts"), ("b/a%20b.ts?x#y", "b/a b.ts"), ("./c", "c")):
        assert resolve(base, reference) == str(tmp_path / "real" / name)


@given(st.text(max_size=60))
def test_nothing_leads_out(reference: str) -> None:
    folder = "/nowhere/film"
    with contextlib.suppress(SnapError):
        assert resolve(f"{folder}/m.m3u8", reference).startswith(folder)
    with contextlib.suppress(SnapError):
        url = resolve("https://a/x/m.m3u8", reference)
        assert url.startswith("https://")
        assert "@" not in url.split("/")[2]


def test_origins() -> None:
    assert same_origin("https://a/x", "https://A:443/y")
    assert not same_origin("https://a/x", "https://a:444/x")
    assert not same_origin("https://a/x", "http://a/x")
    assert not same_origin("https://a/x", "https://b/x")


def test_what_is_shown() -> None:
    assert shown("https://u:p@a/x?sig=1#f") == "https://a/x"
    assert shown("film/a.ts") == "film/a.ts"
    assert is_url("https://a")
    assert not is_url("film/a:b")


# -- which rendition ------------------------------------------------------------------------------

LADDER = tuple(
    Rendition(width=w, height=h, bandwidth=b)
    for w, h, b in ((640, 360, 5), (1280, 720, 9), (1280, 720, 20), (1920, 1080, 50), (320, 180, 2))
)


@pytest.mark.parametrize(
    ("width", "height", "within", "height_and_rate"),
    [
        (160, 90, False, (180, 2)), (320, None, False, (180, 2)), (321, None, False, (360, 5)),
        (1280, None, False, (720, 20)), (None, 721, False, (1080, 50)),
        (9000, 1, False, (1080, 50)),
        (None, None, False, (1080, 50)), (300, 300, False, (360, 5)), (300, 300, True, (180, 2)),
        (330, 300, True, (360, 5)), (9000, 9000, True, (1080, 50)),
    ],
)  # fmt: skip
def test_choice(
    width: int | None, height: int | None, within: bool, height_and_rate: tuple[int, int]
) -> None:
    found = choose(LADDER, width, height, within=within)
    assert (found.height, found.bandwidth) == height_and_rate


def test_choice_without_sizes() -> None:
    ladder = (Rendition(bandwidth=5), Rendition(bandwidth=9), Rendition(bandwidth=1))
    assert choose(ladder, 100, None).bandwidth == 9
    assert choose((*ladder, Rendition(width=2, height=2)), 100, None).width == 2
    assert choose((Rendition(),), None, 5) == Rendition()
