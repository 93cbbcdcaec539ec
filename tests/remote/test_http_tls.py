"""HTTPS: certificates, breaks, and no way back to plain HTTP."""

from __future__ import annotations

import ssl

import pytest
import trustme

from snapengine.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
)

from .fault_server import (
    FaultServer,
    cut,
    redirect,
)
from .reader import DATA, PATH, Reader

pytestmark = pytest.mark.usefixtures("no_leftovers")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls(authority: trustme.CA) -> None:
    with (
        FaultServer({PATH: DATA}, tls=certified(authority, "127.0.0.1")) as server,
        Reader(server.url(PATH), tls=trusting(authority)) as reader,
    ):
        reader.check(0, 200_000)
        reader.check(5, 100)
        assert server.connections == 1
        server.drop_connections()
        reader.check(5, 100)
        server.faults.append(cut("middle", "close", after=50))
        server.faults.append(cut("body", "reset"))
        reader.check(10, 100)


def test_certificates_are_verified(authority: trustme.CA) -> None:
    with FaultServer({PATH: DATA}, tls=certified(authority, "other.test")) as server:
        for context in (None, trusting(authority)):
            with (
                Reader(server.url(PATH), tls=context) as reader,
                pytest.raises(SourceError, match="certificate"),
            ):
                reader.get(0, 100)
        assert server.connections == 2 and not server.requests


def test_tls_to_a_server_that_speaks_none(server: FaultServer) -> None:
    server.faults.append(cut("connect", "drip", times=None, pause=0.001))
    url = server.url(PATH).replace("http:", "https:")
    with Reader(url, retries=1) as reader, pytest.raises(SourceBusy):
        reader.get(0, 100)


def test_no_way_from_tls_to_plain(authority: trustme.CA, server: FaultServer) -> None:
    with FaultServer({PATH: DATA}, tls=certified(authority, "127.0.0.1")) as safe:
        safe.faults.append(redirect(server.url(PATH)))
        with (
            Reader(safe.url(PATH), tls=trusting(authority)) as reader,
            pytest.raises(SourceDenied, match="from https to http"),
        ):
            reader.get(0, 100)
        server.faults.append(redirect(safe.url("/b")))
        safe.faults.clear()
        safe.put("/b", DATA)
        with Reader(server.url(PATH), tls=trusting(authority)) as reader:
            reader.check(0, 100)
