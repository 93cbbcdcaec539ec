"""Connections that files share: few, kept, and as safe as those of one file."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from snapengine.errors import SourceDenied
from snapengine.model.network import Network
from snapengine.sources.http import HttpFetcher
from snapengine.sources.http_pool import ConnectionPool

from .fault_server import FaultServer, cut, leftovers, redirect
from .reader import DATA, PATH, QUICK, get

LOCAL = Network(**QUICK)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = leftovers()
    yield
    assert leftovers() == before


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer({PATH: DATA, "/other": DATA[::-1]}) as running:
        yield running


def test_a_connection_serves_one_file_after_the_other(server: FaultServer) -> None:
    pool = ConnectionPool(LOCAL)
    for path, data in ((PATH, DATA), ("/other", DATA[::-1]), (PATH, DATA)):
        file = HttpFetcher(server.url(path), LOCAL, pool=pool)
        assert get(file, 5, 1000) == data[5:1005]
        file.close()
    assert server.connections == 1
    pool.close()


def test_it_leads_to_the_address_that_was_judged(server: FaultServer) -> None:
    """A name that later leads elsewhere is not looked up again; a new connection is judged anew."""
    network = Network(**{**QUICK, "allow_private": False, "allow_networks": ("127.0.0.1/32",)})
    found = ["127.0.0.1"]

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found[0], port))]

    asked: list[str] = []
    pool = ConnectionPool(network, resolve)
    first = HttpFetcher(server.url(PATH, host="film.test"), network, pool=pool)
    assert get(first, 0, 100) == DATA[:100]
    found[0] = "127.0.0.2"
    second = HttpFetcher(server.url("/other", host="film.test"), network, pool=pool)
    assert get(second, 0, 100) == DATA[::-1][:100]
    assert asked == ["film.test"]
    server.drop_connections()
    with pytest.raises(SourceDenied, match=r"127\.0\.0\.2"):
        get(second, 100, 100)
    # The same address under another name is another origin.
    with pytest.raises(SourceDenied):
        get(HttpFetcher(server.url(PATH, host="other.test"), network, pool=pool), 0, 100)
    pool.close()


def test_headers_stay_with_their_file(server: FaultServer) -> None:
    pool = ConnectionPool(LOCAL)
    ours = Network(**QUICK, headers={"X-Key": "secret"})
    get(HttpFetcher(server.url(PATH, userinfo="me:pw"), ours, pool=pool), 0, 10)
    get(HttpFetcher(server.url("/other"), LOCAL, pool=pool), 0, 10)
    pool.close()
    first, second = server.requests
    assert first.connection == second.connection
    assert {"x-key", "authorization"} <= set(first.headers)
    assert not {"x-key", "authorization"} & set(second.headers)


def test_never_more_open_than_allowed(server: FaultServer) -> None:
    """Those kept for one origin make room for another one's."""
    network = Network(**QUICK, connections=1)
    pool = ConnectionPool(network)
    with FaultServer({PATH: DATA}) as other:
        server.faults.append(redirect(other.url(PATH)))
        for one in (server, other, server, other):
            get(HttpFetcher(one.url(PATH), network, pool=pool), 0, 1000)
        assert (server.connections, other.connections) == (2, 2)
        pool.close()


def test_a_file_that_is_closed_takes_its_own_fetch_along_only(server: FaultServer) -> None:
    pool = ConnectionPool(LOCAL)
    one, two = (HttpFetcher(server.url(path), LOCAL, pool=pool) for path in (PATH, "/other"))
    get(one, 0, 10)
    one.close()
    server.faults.append(cut("middle", "reset"))
    assert get(two, 0, 1000) == DATA[::-1][:1000]
    pool.close()


def test_one_that_is_put_back_late_is_closed(server: FaultServer) -> None:
    pool = ConnectionPool(LOCAL)
    file = HttpFetcher(server.url(PATH), LOCAL, pool=pool)
    get(file, 0, 10)
    pool.close()
    assert get(file, 10, 10) == DATA[10:20]
    file.close()
