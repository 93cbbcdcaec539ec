"""Where redirects and renewed URLs lead, and what goes there; refusals."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator

import pytest

from snapengine.errors import InvalidOption, SnapError, SourceDenied, SourceError, SourceNotFound
from snapengine.model.network import Network
from snapengine.sources.http import HttpFetcher

from .fault_server import FaultServer, Request, answer, leftovers, redirect
from .reader import DATA, PATH, Reader


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = leftovers()
    yield
    assert leftovers() == before


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer({PATH: DATA}) as server:
        yield server


@pytest.fixture
def other() -> Iterator[FaultServer]:
    with FaultServer({PATH: DATA, "/signed": DATA}) as server:
        yield server


def test_the_redirect_is_remembered(server: FaultServer, other: FaultServer) -> None:
    server.faults.append(redirect(other.url("/signed?sig=1")))
    with Reader(server.url(PATH)) as reader:
        reader.check(0, 100)
        reader.check(100, 100)
        reader.check(200, 100)
        assert reader.meter.requests == 4
    assert len(server.requests) == 1
    assert [r.path for r in other.requests] == ["/signed"] * 3


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_expired_redirect_is_asked_for_anew(
    server: FaultServer, other: FaultServer, status: int
) -> None:
    server.faults.append(redirect(other.url("/signed?sig=1"), times=1))
    server.faults.append(redirect(other.url("/signed?sig=2")))
    with Reader(server.url(PATH), retries=0) as reader:
        reader.check(0, 100)
        other.faults.append(answer(status, body=b"expired", on=lambda r: r.query == "sig=1",
                                   times=None))  # fmt: skip
        reader.check(100, 100)
        reader.check(200, 100)
    assert [r.query for r in other.requests] == ["sig=1", "sig=1", "sig=2", "sig=2"]
    assert len(server.requests) == 2


def test_headers_and_credentials_stay_at_home(server: FaultServer, other: FaultServer) -> None:
    """They follow a redirect within the origin, are dropped when one leaves it, and do not come
    back with one that returns."""
    server.faults.append(redirect("/second", on=lambda r: r.path == PATH))
    server.faults.append(redirect(other.url("/there"), on=lambda r: r.path == "/second"))
    other.faults.append(redirect(server.url("/back"), on=lambda r: r.path == "/there"))
    server.put("/back", DATA)
    url = server.url(PATH, userinfo="us%40er:p%3Aw")
    with Reader(url, headers={"X-Token": "t", "user-agent": "mine"}) as reader:
        reader.check(0, 100)
        reader.check(100, 100)
        assert reader.fetcher.name == f"http://127.0.0.1:{server.port}{PATH}"
    basic = "Basic " + base64.b64encode(b"us@er:p:w").decode()
    for request in server.requests[:2]:
        assert request.headers["x-token"] == "t"
        assert request.headers["authorization"] == basic
        assert request.headers["user-agent"] == "mine"
    for request in [*other.requests, *server.requests[2:]]:
        assert "x-token" not in request.headers and "authorization" not in request.headers
        assert request.headers["user-agent"].startswith("snapengine/")
    assert [r.path for r in server.requests] == [PATH, "/second", "/back", "/back"]


def test_another_port_is_another_origin(server: FaultServer, other: FaultServer) -> None:
    server.faults.append(redirect(other.url(PATH)))
    with Reader(server.url(PATH), headers={"Authorization": "Bearer t"}) as reader:
        reader.check(0, 100)
    assert server.requests[0].headers["authorization"] == "Bearer t"
    assert "authorization" not in other.requests[0].headers


def test_redirects_in_a_loop(server: FaultServer) -> None:
    server.faults.append(redirect("/b", on=lambda r: r.path == PATH))
    server.faults.append(redirect(PATH, on=lambda r: r.path == "/b"))
    with Reader(server.url(PATH)) as reader, pytest.raises(SourceError, match="loop"):
        reader.get(0, 100)
    assert len(server.requests) == 2


@pytest.mark.parametrize("most", [0, 3])
def test_too_many_redirects(server: FaultServer, most: int) -> None:
    for i in range(5):
        server.faults.append(redirect(f"/{i}", times=1))
    with (
        Reader(server.url(PATH), redirects=most) as reader,
        pytest.raises(SourceError, match=f"more than {most} times"),
    ):
        reader.get(0, 100)
    assert len(server.requests) == most + 1


def test_as_many_redirects_as_allowed(server: FaultServer) -> None:
    server.put("/2", DATA)
    for i in range(3):
        server.faults.append(redirect(f"/{i}", times=1))
    with Reader(server.url(PATH), redirects=3) as reader:
        reader.check(0, 100)
    assert server.connections == 1


@pytest.mark.parametrize(
    "headers",
    [{"Range": "bytes=0-"}, {"host": "x"}, {"Accept-Encoding": "gzip"}, {"If-Range": "x"},
     {"a b": "c"}, {"": "c"}, {"X": "\u2603"}],
)  # fmt: skip
def test_headers_that_cannot_be_the_callers(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidOption):
        HttpFetcher("http://a/", Network(headers=headers))


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, SourceDenied), (403, SourceDenied), (404, SourceNotFound), (410, SourceNotFound),
     (400, SourceError), (405, SourceError), (304, SourceError), (204, SourceError),
     (451, SourceError), (505, SourceError), (299, SourceError)],
)  # fmt: skip
def test_refusals_are_told_at_once(
    server: FaultServer, status: int, error: type[SnapError]
) -> None:
    body = b"" if status in (204, 304) else b"no"
    server.faults.append(answer(status, body=body, times=None))
    with Reader(server.url(PATH + "?sig=secret")) as reader:
        with pytest.raises(error, match=str(status)) as info:
            reader.get(0, 100)
        assert type(info.value) is error
        assert info.value.context["status"] == status
        assert info.value.stage == "open"
        assert "secret" not in str(info.value)
    assert len(server.requests) == 1


def expiring(request: Request) -> bool:
    return request.query == "sig=1"


def test_a_renewed_url(server: FaultServer) -> None:
    asked = []

    def renew(url: str) -> str:
        asked.append(url)
        return server.url(PATH + "?sig=2")

    with Reader(server.url(PATH + "?sig=1"), renew=renew, headers={"X-Token": "t"}) as reader:
        reader.check(0, 100)
        server.faults.append(answer(403, body=b"expired", on=expiring, times=None))
        reader.check(100, 100)
        reader.check(200, 100)
        assert reader.meter.retries == 1
    assert asked == [server.url(PATH + "?sig=1")]
    assert [r.query for r in server.requests] == ["sig=1", "sig=1", "sig=2", "sig=2"]
    assert all(r.headers["x-token"] == "t" for r in server.requests)


def test_all_who_were_refused_share_one_renewal(server: FaultServer) -> None:
    asked = []
    server.faults.append(answer(403, body=b"expired", on=expiring, times=None))
    together = threading.Barrier(6)

    def renew(url: str) -> str:
        asked.append(url)
        return server.url(PATH + "?sig=2")

    with Reader(server.url(PATH + "?sig=1"), renew=renew) as reader:
        results: list[bytes] = []

        def work() -> None:
            got = bytearray()
            together.wait(5)
            reader.fetcher.fetch(0, 1000, got.extend, reader.meter)
            results.append(bytes(got))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert results == [DATA[:1000]] * 6
    assert len(asked) == 1


def test_a_renewal_that_does_not_help(server: FaultServer) -> None:
    asked = []

    def renew(url: str) -> str:
        asked.append(url)
        return url

    server.faults.append(answer(403, body=b"no", times=None))
    with Reader(server.url(PATH), renew=renew) as reader, pytest.raises(SourceDenied):
        reader.get(0, 100)
    assert len(asked) == 1 and len(server.requests) == 2


@pytest.mark.parametrize("fresh", ["ftp://a/b", "http://", "http://127.0.0.1:1\r\n/"])
def test_a_renewed_url_is_checked_like_the_first(server: FaultServer, fresh: str) -> None:
    server.faults.append(answer(403, body=b"no", times=None))
    with Reader(server.url(PATH), renew=lambda url: fresh) as reader:
        with pytest.raises(InvalidOption):
            reader.get(0, 100)
        assert len(server.requests) == 1


def test_a_renewal_that_fails(server: FaultServer) -> None:
    def renew(url: str) -> str:
        raise LookupError("no more")

    server.faults.append(answer(403, body=b"no", times=1))
    with Reader(server.url(PATH), renew=renew) as reader:
        with pytest.raises(SourceDenied) as info:
            reader.get(0, 100)
        assert isinstance(info.value.__cause__, LookupError)
        reader.check(0, 100)


def test_a_renewed_url_elsewhere_gets_no_headers(server: FaultServer, other: FaultServer) -> None:
    server.faults.append(answer(401, body=b"no", times=None))
    url = server.url(PATH, userinfo="u:p")
    renewed = other.url(PATH, userinfo="new:one")
    with Reader(url, renew=lambda url: renewed, headers={"X-Token": "t"}) as reader:
        reader.check(0, 100)
    assert "x-token" not in other.requests[0].headers
    assert other.requests[0].headers["authorization"].split()[1] == "bmV3Om9uZQ=="
