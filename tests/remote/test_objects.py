"""Object stores: S3 over the wire, and what the packages of the others do, by stand-ins."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

import botocore.auth
import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import (
    BackendMissing,
    InvalidOption,
    SourceBusy,
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceNotFound,
)
from snapengine.model.network import SCHEMES, Network
from snapengine.sources.base import Fetcher
from snapengine.sources.custom import CustomFetcher
from snapengine.sources.http import HttpFetcher
from snapengine.sources.meter import Meter
from snapengine.sources.objects import SignedFetcher, open_object
from snapengine.sources.packaged import PackagedFetcher
from tests.remote.s3_server import S3Server

DATA = random.Random(3).randbytes(200_000)
RANGES = [(0, 1000), (4096, 70_000), (199_999, 1), (199_000, 5000), (0, 200_000), (250_000, 10)]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as s3:
        s3.put("videos", "a/v.mp4", DATA)
        yield s3


@pytest.fixture
def s3(server: S3Server) -> Iterator[S3Server]:
    server.requests.clear()
    yield server
    server.ahead, server.anonymous = timedelta(), False
    server.refuse.clear()


def network(s3: S3Server, **options: Any) -> Network:
    return Network(allow_private=True, storage_options={**s3.options, **options})


def fetched(fetcher: Fetcher, offset: int, size: int, meter: Meter | None = None) -> bytes:
    out = bytearray()
    fetcher.fetch(offset, size, out.extend, meter or Meter())
    return bytes(out)


# -- S3 over the wire -----------------------------------------------------------------------------


def test_the_same_requests_as_over_http(s3: S3Server) -> None:
    class Mine:
        size = None

        def read_at(self, offset: int, size: int) -> bytes:
            return DATA[offset : offset + size]

    asked, meters = [], []
    s3.anonymous = True
    for fetcher in (
        open_object("s3://videos/a/v.mp4", network(s3)),
        HttpFetcher(f"{s3.endpoint}/videos/a/v.mp4", Network(allow_private=True)),
    ):
        s3.requests.clear()
        meter = Meter()
        for offset, size in RANGES:
            assert fetched(fetcher, offset, size, meter) == DATA[offset : offset + size]
        assert fetcher.size == len(DATA)
        assert fetcher.validator is not None
        fetcher.close()
        asked.append([(r.method, r.range, r.sent, r.headers.get("if-range")) for r in s3.requests])
        meters.append((meter.requests, meter.retries, meter.bytes_fetched))
    meter, mine = Meter(), CustomFetcher(Mine())
    for offset, size in RANGES[:3]:
        fetched(mine, offset, size, meter)
    assert meter.bytes_fetched == sum(sent for _, _, sent, _ in asked[0][:3])
    assert asked[0] == asked[1]
    assert meters[0] == meters[1]
    assert meters[0] == (len(asked[0]), 0, sum(sent for _, _, sent, _ in asked[0]))
    assert asked[0][0][:3] == ("GET", "bytes=0-999", 1000)


def test_the_name_has_no_signature(s3: S3Server) -> None:
    fetcher = open_object("s3://videos/a/v.mp4", network(s3))
    assert isinstance(fetcher, SignedFetcher)
    assert fetcher.name == "s3://videos/a/v.mp4"
    fetcher.close()


@settings(max_examples=15)
@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
        lambda key: "::" not in key and "?versionId=" not in key
        and not any(part in (".", "..", "") for part in key.split("/"))
        and not key.startswith("//") and key.strip() == key
    )
)  # fmt: skip
def test_any_key(server: S3Server, key: str) -> None:
    """The signature is checked against what arrives: nothing may be quoted anew on the way."""
    data = key.encode() * 3
    server.put("videos", key, data)
    fetcher = open_object(f"s3://videos/{key}", network(server))
    assert fetched(fetcher, 1, len(data)) == data[1:]
    fetcher.close()


def test_an_expired_signature_is_renewed(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_two_hours() -> datetime:
        return now() + timedelta(hours=2)

    now: Callable[[], datetime] = botocore.auth.get_current_datetime
    fetcher = open_object("s3://videos/a/v.mp4", network(s3))
    assert fetched(fetcher, 0, 100) == DATA[:100]
    s3.ahead = timedelta(hours=2)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", in_two_hours)
    meter = Meter()
    assert fetched(fetcher, 100, 100, meter) == DATA[100:200]
    assert [r.status for r in s3.requests] == [206, 403, 206]
    assert meter.requests == 2
    fetcher.close()


@pytest.mark.parametrize(
    ("url", "options", "kind"),
    [
        ("s3://videos/none.mp4", {}, SourceNotFound),
        ("s3://nobody/none.mp4", {}, SourceNotFound),
        ("s3://videos/a/v.mp4", {"secret": "guessed"}, SourceDenied),
        ("s3://videos/a/v.mp4", {"key": "AKIASOMEBODYELSE"}, SourceDenied),
        ("s3://videos/a/v.mp4", {"anon": True, "key": None, "secret": None}, SourceDenied),
    ],
)
@pytest.mark.parametrize("packaged", [False, True])
def test_what_is_wrong_is_told(
    s3: S3Server, url: str, options: dict[str, Any], kind: type[SourceError], packaged: bool
) -> None:
    fetcher = open_object(url, network(s3, **options, requester_pays=packaged))
    with pytest.raises(kind) as caught:
        fetched(fetcher, 0, 100)
    assert type(caught.value) is kind
    assert url in str(caught.value)
    assert caught.value.context["source"] == url
    for secret in ("Signature", "Amz", "guessed", "AKIA"):
        assert secret not in str(caught.value)
    fetcher.close()


def test_without_credentials(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(SourceDenied, match="NoCredentialsError"):
        open_object("s3://videos/a/v.mp4", network(s3, key=None, secret=None))


def test_public_objects_need_none(s3: S3Server) -> None:
    s3.anonymous = True
    fetcher = open_object("s3://videos/a/v.mp4", network(s3, anon=True, key=None, secret=None))
    assert fetched(fetcher, 5, 10) == DATA[5:15]
    assert not s3.requests[0].query
    fetcher.close()


def test_the_address_policy_holds_for_endpoints(s3: S3Server) -> None:
    options = s3.options
    fetcher = open_object("s3://videos/a/v.mp4", Network(storage_options=options))
    with pytest.raises(SourceDenied, match=r"127\.0\.0\.1"):
        fetched(fetcher, 0, 10)
    assert not s3.requests
    fetcher.close()
    allowed = Network(storage_options=options, allow_networks=("127.0.0.0/8",))
    fetcher = open_object("s3://videos/a/v.mp4", allowed)
    assert fetched(fetcher, 0, 10) == DATA[:10]
    fetcher.close()


def test_headers_for_http_do_not_go_there(s3: S3Server) -> None:
    ours = Network(
        allow_private=True, storage_options=s3.options, headers={"X-Secret": "1", "Range": "x"}
    )
    fetcher = open_object("s3://videos/a/v.mp4", ours)
    fetched(fetcher, 0, 10)
    assert "x-secret" not in s3.requests[0].headers
    fetcher.close()


def test_each_open_has_its_own_credentials(s3: S3Server) -> None:
    good = open_object("s3://videos/a/v.mp4", network(s3))
    bad = open_object("s3://videos/a/v.mp4", network(s3, secret="other"))
    with pytest.raises(SourceDenied):
        fetched(bad, 0, 1)
    assert fetched(good, 0, 1) == DATA[:1]
    good.close()
    bad.close()


def test_what_a_url_cannot_sign_the_package_fetches(s3: S3Server) -> None:
    fetcher = open_object("s3://videos/a/v.mp4", network(s3, requester_pays=True))
    assert isinstance(fetcher, PackagedFetcher)
    meter = Meter()
    for offset, size in RANGES:
        assert fetched(fetcher, offset, size, meter) == DATA[offset : offset + size]
    assert fetcher.size == len(DATA)
    assert fetcher.validator is not None
    gets = [r for r in s3.requests if r.method == "GET"]
    assert {r.headers["x-amz-request-payer"] for r in s3.requests} == {"requester"}
    assert meter.requests == len(s3.requests)
    assert meter.bytes_fetched == sum(r.sent for r in gets)
    fetcher.close()


@pytest.mark.parametrize("packaged", [False, True])
def test_an_object_that_is_replaced_is_an_error(s3: S3Server, packaged: bool) -> None:
    s3.put("videos", "changing", DATA)
    fetcher = open_object("s3://videos/changing", network(s3, requester_pays=packaged))
    assert fetched(fetcher, 0, 100) == DATA[:100]
    s3.put("videos", "changing", DATA[::-1])
    with pytest.raises(SourceChanged):
        fetched(fetcher, 100, 100)
    fetcher.close()


# -- URLs -----------------------------------------------------------------------------------------

_WIDE = SCHEMES | {
    "memory", "ftp", "file", "local", "", "zip", "tar", "simplecache", "filecache", "blockcache",
    "reference", "dir", "git", "github", "jupyter", "generic", "data", "libarchive", "nosuch",
}  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "s3://", "s3:///key", "s3://bucket", "s3://bucket/", "s3://bucket//",
        "s3://key:secret@bucket/key", "s3://bu cket/key", "s3://bucket/k\ney", "s3://bucket/\0",
        "s3://a/b::file:///etc/passwd", "simplecache::s3://bucket/key", "zip://a::s3://bucket/k",
        "s3://bucket/x::", "file:///etc/passwd", "local:///etc/passwd", "zip://etc/passwd",
        "tar://x", "libarchive://x", "simplecache://x", "filecache://x", "blockcache://x",
        "reference://x", "dir://etc/passwd", "git://x", "github://a:b@c/d", "jupyter://h/x",
        "generic://x", "data://x", "nosuch://x/y", "://x", "s3a://bucket/key", "hdfs://h/x",
        "http://example.com/v.mp4", "abfs://c@evil.example/v.mp4", "abfs://c@/v.mp4",
        "abfs://c@account.dfs.core.windows.net.evil.example/v.mp4",
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        open_object(url, Network(schemes=_WIDE))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["memory", "ftp"])
def test_other_schemes_only_when_asked_for(scheme: str) -> None:
    with pytest.raises(InvalidOption, match="not opened"):
        open_object(f"{scheme}://host/v.mp4", Network())


def test_local_files_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.local import LocalFileSystem

    class Disguised(LocalFileSystem):  # type: ignore[misc]
        protocol = "innocent"

    monkeypatch.setattr(fsspec, "get_filesystem_class", lambda _: Disguised)
    with pytest.raises(InvalidOption, match="local files"):
        open_object("innocent:///etc/passwd", Network(schemes=frozenset({"innocent"})))


@pytest.mark.parametrize(
    ("scheme", "package", "extra"),
    [
        ("s3", "s3fs", "s3"), ("oss", "ossfs", "oss"), ("gs", "gcsfs", "gcs"),
        ("gcs", "gcsfs", "gcs"), ("abfs", "adlfs", "azure"), ("abfss", "adlfs", "azure"),
        ("az", "adlfs", "azure"),
    ],
)  # fmt: skip
def test_a_missing_package_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, scheme: str, package: str, extra: str
) -> None:
    def missing(_: str) -> Any:
        raise ImportError("no such module")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(BackendMissing, match=rf'{package}: pip install "snapengine\[{extra}\]"'):
        open_object(f"{scheme}://bucket/key", Network())


def test_hosts_of_other_schemes_are_judged() -> None:
    ftp = frozenset({"ftp"})
    with pytest.raises(SourceDenied, match=r"127\.0\.0\.1 \(loopback\)"):
        open_object("ftp://user:secret@127.0.0.1:1/v.mp4", Network(schemes=ftp))
    # Credentials of the operator's go to the host that the operator names.
    for secrets in ({"password": "p"}, {"password": "p", "host": "127.0.0.2"}):
        with pytest.raises(InvalidOption, match="for one host"):
            open_object(
                "ftp://127.0.0.1:1/v.mp4",
                Network(schemes=ftp, allow_private=True, storage_options=secrets),
            )
    with pytest.raises(SourceBusy, match="ftp://127") as caught:  # allowed, and nobody is there
        open_object("ftp://u:secret@127.0.0.1:1/v.mp4", Network(schemes=ftp, allow_private=True))
    assert "secret" not in str(caught.value)


# -- what the packages of the others do -----------------------------------------------------------


class Signing:
    """A file system that signs, as adlfs and gcsfs do; ``where``: the URL of everything."""

    where: ClassVar[str]
    made: ClassVar[list[dict[str, Any]]]
    signs: ClassVar[list[tuple[str, int]]]

    def __init__(self, **options: Any) -> None:
        assert options.pop("skip_instance_cache") is True
        self.made.append(options)

    def sign(self, path: str, expiration: int) -> str:
        self.signs.append((path, expiration))
        return f"{self.where}?sig=very-secret"


@pytest.fixture
def signing(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> type[Signing]:
    class Ours(Signing):
        where = f"{s3.endpoint}/videos/a/v.mp4"
        made: ClassVar[list[dict[str, Any]]] = []
        signs: ClassVar[list[tuple[str, int]]] = []

    s3.anonymous = True
    monkeypatch.setattr(fsspec, "get_filesystem_class", lambda _: Ours)
    return Ours


@pytest.mark.parametrize(
    ("url", "path", "options"),
    [
        ("gs://bucket/a b#?.mp4", "bucket/a b#?.mp4", {}),
        ("az://box/v.mp4", "box/v.mp4", {}),
        ("abfss://box/v.mp4?versionid=7", "box/v.mp4?versionid=7", {"version_aware": True}),
        ("abfs://box@acc1.dfs.core.windows.net/d/v.mp4", "box/d/v.mp4", {"account_name": "acc1"}),
        ("s3://arn:aws:s3:eu-west-1:123:accesspoint/p/v.mp4",
         "arn:aws:s3:eu-west-1:123:accesspoint/p/v.mp4",
         {"config_kwargs": {"signature_version": "s3v4"}}),
        ("s3://bucket/v.mp4?versionId=x", "bucket/v.mp4?versionId=x",
         {"version_aware": True, "config_kwargs": {"signature_version": "s3v4"}}),
    ],
)  # fmt: skip
def test_what_the_package_is_told(
    signing: type[Signing], url: str, path: str, options: dict[str, Any]
) -> None:
    fetcher = open_object(url, Network(allow_private=True))
    assert signing.signs == [(path, 3600)]
    assert signing.made == [options]
    assert fetcher.name == url.replace("@acc1.dfs.core.windows.net", "").split("?versio")[0]
    assert fetched(fetcher, 10, 20) == DATA[10:30]
    assert "very-secret" not in repr(fetcher)
    fetcher.close()


def test_an_account_that_is_not_the_operators() -> None:
    with pytest.raises(InvalidOption, match="not the account"):
        open_object(
            "abfs://box@attacker.dfs.core.windows.net/v.mp4",
            Network(storage_options={"account_name": "mine", "credential": "sas"}),
        )


def test_public_objects_of_google(s3: S3Server, signing: type[Signing]) -> None:
    signing._location = s3.endpoint  # type: ignore[attr-defined]
    fetcher = open_object(
        "gs://videos/a/v.mp4", Network(allow_private=True, storage_options={"token": "anon"})
    )
    assert fetched(fetcher, 0, 10) == DATA[:10]
    assert not signing.signs
    fetcher.close()


def test_oss_is_signed_by_the_client_below(s3: S3Server, signing: type[Signing]) -> None:
    class Bucket:
        def sign_url(self, method: str, key: str, expires: int, **options: Any) -> str:
            asked.append((method, key, expires, options))
            return f"{s3.endpoint}/videos/{quote(key)}?Signature=x"

    asked: list[tuple[Any, ...]] = []
    signing._get_bucket = lambda self, name, timeout: Bucket()  # type: ignore[attr-defined]
    fetcher = open_object("oss://videos/a/v.mp4", Network(allow_private=True))
    assert fetched(fetcher, 0, 10) == DATA[:10]
    standard = {"x-oss-range-behavior": "standard"}
    assert asked == [("GET", "a/v.mp4", 3600, {"headers": standard, "slash_safe": True})]
    assert s3.requests[0].headers["x-oss-range-behavior"] == "standard"
    fetcher.close()


def test_oss_without_an_endpoint(signing: type[Signing]) -> None:
    signing._endpoint = None  # type: ignore[attr-defined]
    with pytest.raises(InvalidOption, match="endpoint"):
        open_object("oss://videos/a/v.mp4", Network())


def test_options_that_a_package_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    class Picky:
        def __init__(self, **options: Any) -> None:
            raise ValueError(f"no account, or a bad key: {options.get('key')}")

    monkeypatch.setattr(fsspec, "get_filesystem_class", lambda _: Picky)
    with pytest.raises(InvalidOption, match="no account"):
        open_object("az://box/v.mp4", Network())
    with pytest.raises(InvalidOption, match="unusable storage_options: ValueError") as caught:
        open_object("az://box/v.mp4", Network(storage_options={"key": "very-secret"}))
    assert "very-secret" not in str(caught.value)


def test_a_bucket_elsewhere_is_looked_up_once(s3: S3Server, signing: type[Signing]) -> None:
    """A signature for the wrong region is refused with 400; only then the region is asked for."""
    s3.refuse = [(400, "AuthorizationQueryParametersError")]
    fetcher = open_object("s3://videos/a/v.mp4", Network(allow_private=True))
    assert fetched(fetcher, 0, 10) == DATA[:10]
    assert fetched(fetcher, 50, 10) == DATA[50:60]
    assert [made.get("cache_regions") for made in signing.made] == [None, True]
    assert [r.status for r in s3.requests] == [400, 206, 206]
    s3.refuse = [(400, "BadRequest")]  # now it is another thing
    with pytest.raises(SourceError, match=r"s3://videos/a/v\.mp4: .*400"):
        fetched(fetcher, 0, 10)
    fetcher.close()

    s3.refuse = [(400, "BadRequest")]  # who names a region is believed
    region = {"client_kwargs": {"region_name": "eu-west-1"}}
    fetcher = open_object(
        "s3://videos/a/v.mp4", Network(allow_private=True, storage_options=region)
    )
    with pytest.raises(SourceError, match="400"):
        fetched(fetcher, 0, 10)
    fetcher.close()


def test_what_signs_is_kept_until_it_is_refused(
    s3: S3Server, signing: type[Signing], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(**options: Any) -> int:
        """How many file systems it took."""
        before = len(signing.made)
        network = Network(allow_private=True, storage_options=options)
        fetcher = open_object("s3://videos/a/v.mp4", network)
        assert fetched(fetcher, 0, 10) == DATA[:10]
        fetcher.close()
        return len(signing.made) - before

    assert [opened(), opened()] == [1, 0]
    assert [opened(key="a"), opened(key="b"), opened(key="a")] == [1, 1, 0]
    monkeypatch.setenv("AWS_PROFILE", "another")
    assert [opened(), opened()] == [1, 0]
    s3.refuse = [(403, "ExpiredToken")]
    assert opened() == 1  # the one that is kept was refused: signed by a fresh one
    assert [opened(), opened()] == [1, 0]
    monkeypatch.setattr("snapengine.sources.kept._SECONDS", 0.0)
    assert [opened(), opened()] == [1, 1]
