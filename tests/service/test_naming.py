"""Names of files and their public paths."""

from __future__ import annotations

from typing import get_args

import pytest

from snapengine.service.domain.records import DEFAULT_NAMING, MediaType, Naming, PictureKind
from snapengine.service.naming import blob_name, path_in, public_path, set_pattern, suffix_of


@pytest.mark.parametrize("kind", get_args(PictureKind))
def test_every_kind_has_a_name_of_its_own(kind: PictureKind) -> None:
    pattern = set_pattern(DEFAULT_NAMING, kind, "a1", "j1", "jpg")
    assert public_path(pattern, 7, "x") == f"a1/j1/{kind}-00007.jpg"


def test_a_dialect_names_some_and_the_rest_have_the_default() -> None:
    naming = Naming((("thumbnail", "asset/{asset}/sample/{name}.{suffix}"),))
    assert public_path(set_pattern(naming, "thumbnail", "a", "j", "jpg"), 3, "8_2") == (
        "asset/a/sample/8_2.jpg"
    )
    assert set_pattern(naming, "snapshot", "a", "j", "jpg") == "a/j/snapshot-{number}.jpg"


def test_every_type_has_a_suffix() -> None:
    assert {suffix_of(t) for t in get_args(MediaType)} == {"jpg", "png", "gif", "webp", "vtt"}


def test_tenants_lie_apart_whatever_their_names() -> None:
    names = ["a", "A", "../a", "a/b", "", "\ud800"]
    blobs = {blob_name(name, "asset", "job", "f.jpg") for name in names}
    assert len(blobs) == len(names)
    assert all(blob.isascii() and ".." not in blob for blob in blobs)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h/files/a/covers/j-00001.jpg", "a/covers/j-00001.jpg"),
        ("https://other:99/prefix/files/a/x.jpg?expires=1&sign=2#f", "a/x.jpg"),
        ("http://h/files/a%20b/%E4%BD%A0.jpg", "a b/你.jpg"),
        ("/files/a/x.jpg", "a/x.jpg"),
        ("a/x.jpg", "a/x.jpg"),
        ("http://h/other/x.jpg", None),
        ("http://h/files/", None),
        ("http://h/files/%ff.jpg", None),
        ("http://[::1", None),
        ("", None),
    ],
)
def test_the_path_in_a_link(url: str, path: str | None) -> None:
    assert path_in(url) == path
