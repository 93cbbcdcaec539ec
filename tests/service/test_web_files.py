"""Pictures over HTTP: caching, conditions, ranges, signed links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.errors import StoreError
from snapengine.service.domain.records import Asset, Picture
from snapengine.service.facade import Service
from snapengine.service.links import LinkExpired, LinkRefused, Links
from snapengine.service.settings import Settings
from snapengine.service.store import PictureStore
from snapengine.service.web import files
from snapengine.service.web.app import make_app
from tests.service.web_kit import add_asset, add_picture, client, make_service, served

DATA = bytes(range(256)) * 4 + b"the end"
SIZE = len(DATA)
LASTING = "{asset}/covers/{job}-00001.jpg"
FIXED = "asset/{asset}/cover/Cover0.jpg"
MODIFIED = "Sat, 21 Nov 2026 09:08:07 GMT"


class Site:
    """A service that is served, and a client of it."""

    def __init__(self, service: Service, http: httpx.Client) -> None:
        self.service = service
        self.http = http
        self.asset: Asset = add_asset(service)

    def add(self, path: str = LASTING, data: bytes = DATA, **more: Any) -> Picture:
        return add_picture(self.service, self.asset, path, data, **more)

    def get(self, picture: Picture, method: str = "GET", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, f"/files/{picture.path}", headers=named)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        make_service(tmp_path_factory.mktemp("files")) as service,
        served(make_app(service, [])) as base,
        client(base) as http,
    ):
        yield Site(service, http)


@pytest.fixture
def site_with(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """A site with settings of its own."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make(**settings: Any) -> Site:
            service = stack.enter_context(make_service(tmp_path, **settings))
            base = stack.enter_context(served(make_app(service, [])))
            return Site(service, stack.enter_context(client(base)))

        yield make


# -- whole pictures -------------------------------------------------------------------------


def test_a_picture_comes_whole_and_may_be_kept_for_ever(site: Site) -> None:
    picture = site.add()
    answer = site.get(picture)
    assert (answer.status_code, answer.content) == (200, DATA)
    headers = answer.headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-length"] == str(SIZE)
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["etag"] == f'"{picture.digest[:40]}"'
    assert headers["last-modified"] == MODIFIED
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["access-control-allow-origin"] == "*"


def test_head_tells_the_same_without_the_bytes(site: Site) -> None:
    picture = site.add(data=DATA * 1000)
    whole, head = site.get(picture), site.get(picture, "HEAD")
    assert head.content == b""
    assert dict(head.headers) | {"date": ""} == dict(whole.headers) | {"date": ""}
    assert site.get(picture, "HEAD", range="bytes=0-1").status_code == 200  # RFC 9110 14.2


def test_a_name_that_stays_is_asked_for_again(site: Site) -> None:
    old = site.add(FIXED)
    first = site.get(old)
    assert first.headers["cache-control"] == "public, max-age=60, must-revalidate"
    assert site.get(old, if_none_match=first.headers["etag"]).status_code == 304
    new = site.add(FIXED, DATA[::-1])
    assert new.path == old.path
    second = site.get(new, if_none_match=first.headers["etag"])
    assert (second.status_code, second.content) == (200, DATA[::-1])


def test_a_large_picture_comes_in_pieces(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PIECE", 1000)
    large = DATA * 40
    picture = site.add(data=large)
    assert site.get(picture).content == large
    assert site.get(picture, range="bytes=1500-5099").content == large[1500:5100]


@pytest.mark.parametrize("media_type", ["image/png", "image/gif", "image/webp", "text/vtt"])
def test_types(site: Site, media_type: Any) -> None:
    assert site.get(site.add(media_type=media_type)).headers["content-type"] == media_type


@pytest.mark.parametrize(
    "path",
    ["", "nothing", "%2e%2e/%2e%2e/etc/passwd", "a%00b", "%ff", "a" * 3000,
     "ü", "..%5c..%5cx", "/etc/passwd", "{asset}"],
)  # fmt: skip
def test_what_is_not_there_is_not_there(site: Site, path: str) -> None:
    answer = site.http.get(f"/files/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_only_reading_is_allowed(site: Site) -> None:
    picture = site.add()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert site.get(picture, method).status_code == 405
    preflight = site.get(picture, "OPTIONS", origin="https://player", range="bytes=0-")
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "range" in preflight.headers["access-control-allow-headers"].lower()


# -- conditions -----------------------------------------------------------------------------

NEVER = 'W/"x", "y"'
TAG = "TAG"  # stands for the picture's own
OLD, SAME, NEW = (f"Sat, 21 Nov 2026 09:08:0{n} GMT" for n in (6, 7, 8))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": TAG}, 304),
        ({"if-none-match": f"W/{TAG}"}, 304),
        ({"if-none-match": f'"a", {TAG} ,"b"'}, 304),
        ({"if-none-match": f'"a,b",,{TAG}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": NEVER}, 200),
        ({"if-none-match": TAG[:-1]}, 200),
        ({"if-none-match": '"'}, 200),
        ({"if-none-match": '"a" "b"'}, 200),
        ({"if-none-match": ""}, 200),
        ({"if-none-match": ", " * 5000 + "x"}, 200),
        ({"if-modified-since": OLD}, 200),
        ({"if-modified-since": SAME}, 304),
        ({"if-modified-since": NEW}, 304),
        ({"if-modified-since": "Saturday, 21-Nov-26 09:08:07 GMT"}, 304),  # as RFC 850 wrote it
        ({"if-modified-since": "nonsense"}, 200),
        ({"if-modified-since": "Sat, 32 Nov 2026 09:08:07 GMT"}, 200),
        ({"if-modified-since": "Sat, 21 Nov 99999 09:08:07 GMT"}, 200),
        ({"if-none-match": NEVER, "if-modified-since": NEW}, 200),  # the tag decides alone
        ({"if-match": TAG}, 200),
        ({"if-match": f"W/{TAG}"}, 412),  # compared strongly
        ({"if-match": "*"}, 200),
        ({"if-match": NEVER}, 412),
        ({"if-unmodified-since": OLD}, 412),
        ({"if-unmodified-since": SAME}, 200),
        ({"if-match": TAG, "if-unmodified-since": OLD}, 200),
        ({"if-match": TAG, "if-none-match": TAG}, 304),
        ({"range": "bytes=0-4", "if-none-match": TAG}, 304),
        ({"range": "bytes=0-4", "if-range": TAG}, 206),
        ({"range": "bytes=0-4", "if-range": f"W/{TAG}"}, 200),
        ({"range": "bytes=0-4", "if-range": '"other"'}, 200),
        ({"range": "bytes=0-4", "if-range": SAME}, 206),
        ({"range": "bytes=0-4", "if-range": NEW}, 200),
        ({"range": "bytes=0-4", "if-range": "nonsense"}, 200),
        ({"range": "bytes=9999-", "if-range": '"other"'}, 200),
    ],
)
def test_conditions(site: Site, headers: dict[str, str], status: int) -> None:
    picture = site.add()
    tag = f'"{picture.digest[:40]}"'
    given = {name: value.replace(TAG, tag) for name, value in headers.items()}
    answer = site.http.get(f"/files/{picture.path}", headers=given)
    assert answer.status_code == status
    if status == 304:
        assert answer.content == b""
        assert "content-type" not in answer.headers
    if status in (200, 206):
        assert answer.content == (DATA if status == 200 else DATA[:5])
    assert answer.headers["etag"] == tag
    assert answer.headers["access-control-allow-origin"] == "*"


# -- ranges ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        (f"bytes=0-{SIZE - 1}", 0, SIZE),
        ("bytes=1000-99999999999", 1000, SIZE),
        ("bytes=1000-", 1000, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        ("bytes=-7", SIZE - 7, SIZE),
        ("bytes=-99999", 0, SIZE),
        ("BYTES = 5 - 9", None, None),
        ("Bytes= 5-9", 5, 10),
    ],
)
def test_ranges(site: Site, field: str, start: int | None, end: int | None) -> None:
    answer = site.get(site.add(), range=field)
    if start is None:
        assert (answer.status_code, answer.content) == (200, DATA)
        return
    assert answer.status_code == 206
    assert answer.content == DATA[start:end]
    assert end is not None
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("field", [f"bytes={SIZE}-", "bytes=99999-100000", "bytes=-0"])
def test_ranges_that_nothing_is_in(site: Site, field: str) -> None:
    answer = site.get(site.add(), range=field)
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "field",
    ["bytes=9-5", "bytes=-", "bytes=a-b", "lines=1-2", "bytes 1-2", "bytes=1-2,5-6", "bytes=",
     "bytes=1", "bytes=--5", "bytes=1-2-3", "bytes=0x1-0x2", "bytes=" + "9" * 500 + "-", ""],
)  # fmt: skip
def test_ranges_that_are_ignored(site: Site, field: str) -> None:
    assert (a := site.get(site.add(), range=field)).status_code == 200
    assert a.content == DATA


@given(st.from_regex(r"bytes=[0-9]{0,3}-[0-9]{0,3}", fullmatch=True), st.integers(1, 200))
def test_a_range_is_what_its_definition_says(field: str, size: int) -> None:
    """A naive twin: which positions does RFC 9110 section 14.1.2 name?"""
    first, _, last = field.removeprefix("bytes=").partition("-")
    found = files._part(field, size)
    if (not first and not last) or (first and last and int(last) < int(first)):
        assert found is None
        return
    if first:
        named = [i for i in range(size) if int(first) <= i and (not last or i <= int(last))]
    else:
        named = [i for i in range(size) if i >= size - int(last)]
    if not named:
        assert found == "none"
    else:
        assert found == (named[0], named[-1] + 1)


# -- stores ---------------------------------------------------------------------------------


def test_a_picture_in_another_store(
    site_with: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FAR_PIECE", 300)
    site = site_with(store="memory://files-test")
    picture = site.add()
    assert site.get(picture).content == DATA
    assert site.get(picture, range="bytes=250-900").content == DATA[250:901]
    assert site.get(picture, range="bytes=-1").content == DATA[-1:]
    assert site.get(picture, "HEAD").headers["content-length"] == str(SIZE)


def test_a_file_that_vanished_is_not_there(
    site_with: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    for store in ("", "memory://vanishing"):
        site = site_with(store=store)
        picture = site.add()
        site.service.store.delete([picture.blob])
        assert site.get(picture).status_code == 404
        assert picture.id in caplog.text


def test_a_store_that_does_not_answer_is_503(
    site_with: Callable[..., Site],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = site_with(store="memory://failing")
    picture = site.add()

    def fail(*_: object) -> int:
        raise StoreError("cannot look", stage="store")

    monkeypatch.setattr(PictureStore, "size", fail)
    answer = site.get(picture)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "cannot look" not in answer.text


def test_an_answer_that_cannot_be_finished_is_cut_off(
    site_with: Callable[..., Site],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(files, "FAR_PIECE", 300)
    site = site_with(store="memory://shrinking")
    picture = site.add()
    real = PictureStore.read

    def short(store: PictureStore, blob: str, start: int, end: int) -> bytes:
        return real(store, blob, start, end) if start < 600 else b""

    monkeypatch.setattr(PictureStore, "read", short)
    with pytest.raises(httpx.RemoteProtocolError):
        site.get(picture)


def test_links_may_lead_to_the_store_itself(
    site_with: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_with(store="memory://signing", store_urls=True)
    picture = site.add()
    assert site.get(picture).content == DATA  # this store signs nothing: we serve it
    monkeypatch.setattr(PictureStore, "sign", lambda store, blob, s: f"https://s/{blob}?s={s}")
    answer = site.get(picture)
    assert answer.status_code == 302
    assert answer.headers["location"] == f"https://s/{picture.blob}?s=3600"
    assert answer.headers["cache-control"] == "private, max-age=1800"
    assert answer.headers["access-control-allow-origin"] == "*"
    track = site.add("{asset}/{job}/x.vtt", b"WEBVTT\n", media_type="text/vtt")
    assert site.get(track).content == b"WEBVTT\n"  # the pictures it names lie beside it here


# -- signed links ---------------------------------------------------------------------------


def test_signed_links_hold_for_their_time(site_with: Callable[..., Site]) -> None:
    site = site_with(signed_urls=100)
    picture = site.add()
    assert site.get(picture).status_code == 403
    base = str(site.http.base_url).rstrip("/")
    link = site.service.links.make(picture.path, base)
    answer = site.http.get(link)
    assert answer.content == DATA
    kept = re.fullmatch(r"public, max-age=(\d+), immutable", answer.headers["cache-control"])
    assert kept and 90 <= int(kept[1]) <= 100
    assert site.http.get(site.service.links.make(picture.path, base, -1)).status_code == 403
    assert "expired" in site.http.get(site.service.links.make(picture.path, base, -1)).text
    other = site.add()
    swapped = link.replace(picture.path, other.path)
    assert site.http.get(swapped).status_code == 403
    assert site.http.get(link + "&x=1", headers={"range": "bytes=0-1"}).content == DATA[:2]


def test_a_signed_track_signs_its_pictures(site_with: Callable[..., Site]) -> None:
    site = site_with(signed_urls=100)
    shot = site.add("{asset}/covers/vtt/x/s-00001.jpg")
    track = (
        "WEBVTT\n\n00:00.000 --> 00:09.174\ns-00001.jpg?xywh=0,0,120,53\n\n"
        "00:09.174 --> 00:12.000\ns-00001.jpg#xywh=120,0,120,53\n\n"
        "00:12.000 --> 00:13.000\ns-00001.jpg\n"
    )
    path = shot.path.replace("s-00001.jpg", "track.vtt")
    picture = site.add(path, track.encode(), media_type="text/vtt")
    base = str(site.http.base_url).rstrip("/")
    answer = site.http.get(site.service.links.make(picture.path, base))
    assert answer.headers["content-type"].startswith("text/vtt")
    named = [line for line in answer.text.split("\n") if line.startswith("s-")]
    query = r"expires=\d+&sign=[0-9a-f]{64}"
    assert re.fullmatch(rf"s-00001\.jpg\?xywh=0,0,120,53&{query}", named[0])
    assert re.fullmatch(rf"s-00001\.jpg\?{query}#xywh=120,0,120,53", named[1])
    assert re.fullmatch(rf"s-00001\.jpg\?{query}", named[2])
    folder = f"{base}/files/{path.rpartition('/')[0]}"
    for line in named:
        assert site.http.get(f"{folder}/{line}").content == DATA
    assert "00:09.174 --> 00:12.000" in answer.text


NOW = 1_000_000


def links(seconds: int = 60, secret: str = "s", now: int = NOW) -> Links:
    return Links(secret, Settings(signed_urls=seconds), lambda: now)


def taken(link: str) -> tuple[str, str, str]:
    found = re.fullmatch(r"http://h/files/(.+)\?expires=(\d+)&sign=([0-9a-f]+)", link)
    assert found
    return found[1], found[2], found[3]


def test_a_link_is_good_until_it_ends() -> None:
    path, expires, sign = taken(links().make("a/b.jpg", "http://h"))
    assert links(now=NOW + 59).check(path, expires, sign) == 1
    with pytest.raises(LinkExpired):
        links(now=NOW + 60).check(path, expires, sign)
    assert taken(links().make("a/b.jpg", "http://h", 5))[1] == str(NOW + 5)


def test_nothing_of_a_link_can_be_changed() -> None:
    path, expires, sign = taken(links().make("a/b.jpg", "http://h"))
    for changed in [
        ("a/c.jpg", expires, sign),
        ("a/b.jpg/", expires, sign),
        (path, str(int(expires) + 1), sign),
        (path, f"0{expires}"[:12], sign[::-1]),
        (path, expires, sign.upper()),
        (path, expires, sign[:-1]),
        (path, expires, ""),
        (path, "", sign),
        (path, None, None),
        (path, "x", sign),
        (path, "-1", sign),
        (path, expires, "ü" * 64),
    ]:
        with pytest.raises(LinkRefused):
            links().check(*changed)
    with pytest.raises(LinkRefused):
        links(secret="other").check(path, expires, sign)


def test_without_signatures_links_hold_for_ever() -> None:
    plain = links(0)
    assert plain.make("a/b c.jpg", "http://h", 5) == "http://h/files/a/b%20c.jpg"
    assert plain.check("a", None, None) is None


def test_the_signature_of_a_pattern_holds_for_its_pictures() -> None:
    path, expires, sign = taken(links().make("a/covers/x-{SnapshotCount}.jpg", "http://h"))
    assert path == "a/covers/x-{SnapshotCount}.jpg"
    assert links().check("a/covers/x-00017.jpg", expires, sign) == 60
    for other in ("a/covers/y-00017.jpg", "a/covers/x-17.jpg", "b/covers/x-00017.jpg",
                  "a/covers/x-00017.png", "a/covers/x-000170.jpg"):  # fmt: skip
        with pytest.raises(LinkRefused):
            links().check(other, expires, sign)
    _, expires, sign = taken(links().make("s/sample/{name}.jpg", "http://h"))
    assert links().check("s/sample/8_2.jpg", expires, sign) == 60
    with pytest.raises(LinkRefused):
        links().check("s/other/8_2.jpg", expires, sign)
    # One picture's signature is that picture's alone.
    _, expires, sign = taken(links().make("a/covers/x-00001.jpg", "http://h"))
    with pytest.raises(LinkRefused):
        links().check("a/covers/x-00002.jpg", expires, sign)
