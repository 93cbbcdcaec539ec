"""Over a real server: nginx, with and without TLS, ranges and validators."""

from __future__ import annotations

import http.client
import os
import random
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapengine.errors import RangesUnsupported, SourceChanged, SourceDenied, SourceNotFound
from snapengine.model.network import Network
from snapengine.sources.http import HttpFetcher
from snapengine.sources.meter import Meter
from tests.remote.nginx_server import NginxServer, need_nginx

DATA = random.Random(5).randbytes(300_000)
#: What gzip would make much smaller, and so wrong.
ZEROS = bytes(200_000)
INSIDE = Network(allow_private=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    (folder / "v.mp4").write_bytes(DATA)
    (folder / "zeros.mp4").write_bytes(ZEROS)
    (folder / "a b é+%.mp4").write_bytes(DATA[:1000])
    return folder


@pytest.fixture
def nginx(served: Path) -> Iterator[NginxServer]:
    need_nginx()
    with NginxServer(served) as server:
        yield server


def fetched(fetcher: HttpFetcher, offset: int, size: int, meter: Meter | None = None) -> bytes:
    out = bytearray()
    fetcher.fetch(offset, size, out.extend, meter or Meter())
    return bytes(out)


RANGES = [(0, 1), (0, 5000), (4096, 4096), (299_999, 1), (299_000, 5000), (0, 300_000)]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_any_range_over_one_connection(served: Path, tls: bool) -> None:
    need_nginx(tls=tls)
    meter = Meter()
    with NginxServer(served, tls=tls) as nginx:
        trusted = ssl.create_default_context(cafile=nginx.certificate) if tls else None
        fetcher = HttpFetcher(nginx.url("/v.mp4"), Network(allow_private=True, tls=trusted))
        for offset, size in RANGES:
            assert fetched(fetcher, offset, size, meter) == DATA[offset : offset + size]
        assert fetcher.size == len(DATA)
        assert fetcher.validator is not None
        fetcher.close()
    assert {line.connection for line in nginx.log} == {1}
    assert [line.status for line in nginx.log] == [206] * len(RANGES)
    assert meter.requests == len(nginx.log)
    assert meter.bytes_fetched == sum(line.sent for line in nginx.log)
    assert nginx.log[0].if_range == "-"
    assert all(line.if_range != "-" for line in nginx.log[1:])


def test_certificates_are_checked(served: Path) -> None:
    need_nginx(tls=True)
    with NginxServer(served, tls=True) as nginx:
        fetcher = HttpFetcher(nginx.url("/v.mp4"), Network(allow_private=True, retries=0))
        with pytest.raises(OSError, match="certificate"):
            fetched(fetcher, 0, 10)
        fetcher.close()


def test_bytes_come_as_they_are(served: Path) -> None:
    """The server compresses them for anybody who does not ask it not to."""
    need_nginx()
    with NginxServer(served) as nginx:
        other = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=10)
        other.request("GET", "/zeros.mp4", headers={"Accept-Encoding": "gzip"})
        answer = other.getresponse()
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.read()) < len(ZEROS) // 10
        other.close()
        fetcher = HttpFetcher(nginx.url("/zeros.mp4"), INSIDE)
        assert fetched(fetcher, 0, len(ZEROS)) == ZEROS
        fetcher.close()
    assert [line.encoding for line in nginx.log] == ["gzip", "identity"]
    assert nginx.log[1].sent == len(ZEROS)


def test_names_are_quoted(nginx: NginxServer) -> None:
    fetcher = HttpFetcher(nginx.url("/a b é+%25.mp4"), INSIDE)
    assert fetched(fetcher, 0, 5000) == DATA[:1000]
    fetcher.close()


def test_without_validators_the_size_tells(nginx: NginxServer) -> None:
    fetcher = HttpFetcher(nginx.url("/no-validators/v.mp4"), INSIDE)
    assert fetched(fetcher, 100, 100) == DATA[100:200]
    assert fetched(fetcher, 5000, 100) == DATA[5000:5100]
    assert fetcher.size == len(DATA)
    assert fetcher.validator is None
    fetcher.close()


def test_redirects_are_followed_once(served: Path) -> None:
    need_nginx()
    with NginxServer(served) as nginx:
        fetcher = HttpFetcher(nginx.url("/moved/v.mp4"), INSIDE)
        for offset in (0, 1000, 2000):
            assert fetched(fetcher, offset, 500) == DATA[offset : offset + 500]
        fetcher.close()
    assert [line.status for line in nginx.log] == [302, 206, 206, 206]


def test_a_slow_server_is_waited_for(served: Path) -> None:
    need_nginx()
    with NginxServer(served, rate=400_000) as nginx:
        fetcher = HttpFetcher(nginx.url("/slow/v.mp4"), INSIDE)
        assert fetched(fetcher, 0, 150_000) == DATA[:150_000]
        fetcher.close()


def test_pieces_arrive_while_it_sends(served: Path) -> None:
    """The first bytes are there long before the last ones: the sink may end it."""
    need_nginx()

    class Enough(Exception):
        pass

    def sink(piece: bytes) -> None:
        got.append(len(piece))
        if sum(got) > 1000:
            raise Enough

    got: list[int] = []
    with NginxServer(served, rate=1000) as nginx:  # five minutes for all of it
        fetcher = HttpFetcher(nginx.url("/slow/v.mp4"), INSIDE)
        with pytest.raises(Enough):
            fetcher.fetch(0, 300_000, sink, Meter())
        fetcher.close()
    assert sum(got) < 100_000


def test_without_ranges_is_an_error_or_a_stream(nginx: NginxServer) -> None:
    fetcher = HttpFetcher(nginx.url("/no-ranges/v.mp4"), INSIDE)
    with pytest.raises(RangesUnsupported, match="stream"):
        fetched(fetcher, 0, 1000)
    fetcher.close()
    streaming = Network(allow_private=True, without_ranges="stream")
    fetcher = HttpFetcher(nginx.url("/no-ranges/v.mp4"), streaming)
    for offset, size in RANGES[::-1]:
        assert fetched(fetcher, offset, size) == DATA[offset : offset + size]
    fetcher.close()


def test_what_is_not_there_and_what_is_refused(nginx: NginxServer) -> None:
    for path, kind in (("/none.mp4", SourceNotFound), ("/private/v.mp4", SourceDenied)):
        fetcher = HttpFetcher(nginx.url(path), INSIDE)
        with pytest.raises(kind):
            fetched(fetcher, 0, 10)
        fetcher.close()


def test_a_file_that_is_replaced_is_an_error(tmp_path: Path) -> None:
    need_nginx()
    path = tmp_path / "v.mp4"
    path.write_bytes(DATA)
    with NginxServer(tmp_path) as nginx:
        fetcher = HttpFetcher(nginx.url("/v.mp4"), INSIDE)
        assert fetched(fetcher, 0, 100) == DATA[:100]
        path.write_bytes(DATA[::-1])
        os.utime(path, (1_000_000_000, 1_000_000_000))
        with pytest.raises(SourceChanged):
            fetched(fetcher, 200, 100)
        fetcher.close()
