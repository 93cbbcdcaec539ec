"""Callbacks are delivered as they are, again where that failed, never where it is not allowed."""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from snapengine.model.network import Network
from snapengine.service.callbacks import delivery
from snapengine.service.callbacks.delivery import Sender
from snapengine.service.callbacks.turns import PER_HOST, PER_TENANT, WAITING, Turns
from snapengine.service.domain.failures import ServiceUnavailable
from snapengine.service.domain.ids import new_id
from snapengine.service.domain.records import CallbackMessage
from tests.service.delivery_kit import HERE, OK, START, Office, Receiver

pytestmark = pytest.mark.usefixtures("no_leftovers")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with contextlib.closing(Office(tmp_path)) as office:
        yield office


# -- what is sent ---------------------------------------------------------------------------


def test_a_message_goes_out_as_it_is(office: Office) -> None:
    with Receiver() as receiver:
        office.add(receiver.url("/hook?a=b%20c"), content_type="text/x; charset=utf-8")
        office.sender()
        lines, body = receiver.next()
        assert office.database.end()[0] == "delivered"
    assert lines[0] == "POST /hook?a=b%20c HTTP/1.1"
    assert body == b'{"a": "\xc3\xa4"}'
    assert set(lines[1:]) == {
        f"Host: 127.0.0.1:{receiver.port}", "User-Agent: snapengine/0.1.0", "Accept: */*",
        "Connection: close", "Content-Type: text/x; charset=utf-8", "Content-Length: 11",
        "auth_timestamp: 1800000000", "X-VOD-SIGNATURE: key",
    }  # fmt: skip
    assert office.left() == []


def test_credentials_of_the_address_are_sent_and_not_logged(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver(b"HTTP/1.1 403 No\r\n\r\n") as receiver, caplog.at_level(logging.INFO):
        office.add(receiver.url("/h?token=hidden").replace("127", "user:pass@127"))
        office.sender()
        lines, _ = receiver.next()
        office.database.end()
    assert "Authorization: Basic dXNlcjpwYXNz" in lines
    assert "answered 403" in caplog.text
    assert not re.search("hidden|pass|dXNl", caplog.text)


def test_one_that_is_added_later_goes_at_once(office: Office) -> None:
    with Receiver() as receiver:
        sender = office.sender()
        for _ in range(3):
            (message,) = office.add(receiver.url())
            sender.notify()
            receiver.next()
            assert office.database.end()[:2] == ("delivered", message.id)


# -- what counts as a failure ---------------------------------------------------------------


ANSWERS: dict[str, bytes] = {
    "201": b"HTTP/1.1 201 Created\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "302": b"HTTP/1.1 302 Found\r\nLocation: /hook\r\n\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\n\r\n",
    "500": b"HTTP/1.1 500 Oops\r\n\r\n",
    "999": b"HTTP/1.1 999 \xff\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a line": b"HTTP/1.1 20",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000,
    "long line": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_only_200_is_success(office: Office, name: str) -> None:
    with Receiver(ANSWERS[name]) as receiver:
        (message,) = office.add(receiver.url())
        sender = office.sender()
        receiver.next()
        how, id, due, attempts = office.database.end()
        sender.close()
        assert receiver.got.empty()  # no redirect was followed, nothing was tried at once
    assert (how, id, attempts) == ("postponed", message.id, 1)
    assert due is not None
    assert 0.75 <= due.timestamp() - START <= 1.25
    (left,) = office.left()
    assert (left.id, left.attempts, left.body) == (message.id, 1, message.body)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nsome", b"HTTP/1.0 200 OK\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"],
)  # fmt: skip
def test_what_follows_the_head_does_not_matter(office: Office, answer: bytes) -> None:
    with Receiver(answer) as receiver:
        office.add(receiver.url())
        office.sender()
        assert office.database.end()[0] == "delivered"


def test_a_receiver_that_is_silent_is_not_waited_for(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "ATTEMPT_SECONDS", 0.3)
    with Receiver(None) as receiver:
        office.add(receiver.url())
        office.sender()
        receiver.next()
        assert office.database.end()[0] == "postponed"


def test_nobody_there(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    def resolve(host: str, port: int, **_: object) -> Sequence[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with caplog.at_level(logging.INFO):
        office.add(f"http://127.0.0.1:{port}/")
        first = office.sender()
        assert office.database.end()[::3] == ("postponed", 1)
        first.close()
        office.add("http://nowhere.test/")
        office.sender(resolve=resolve)
        assert office.database.end()[::3] == ("postponed", 1)
    assert "nowhere.test" in caplog.text


def test_certificates_are_checked(office: Office) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with Receiver(tls=server) as receiver:
        url = receiver.url().replace("http:", "https:")
        office.add(url)
        first = office.sender()  # the system trusts no such authority
        assert office.database.end()[::3] == ("postponed", 1)
        first.close()
        office.now += 10
        office.sender(Network(allow_private=True, tls=trusting))
        assert office.database.end()[0] == "delivered"


# -- again ----------------------------------------------------------------------------------


def test_it_is_tried_again_with_growing_pauses_and_signed_anew(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    stamps = []
    with Receiver(b"HTTP/1.1 503 Busy\r\n\r\n") as receiver, caplog.at_level(logging.INFO):
        (message,) = office.add(receiver.url())
        sender = office.sender(attempts=4)
        for number in range(1, 4):
            lines, _ = receiver.next()
            stamps += [line for line in lines if line.startswith("auth_timestamp")]
            how, _, due, attempts = office.database.end()
            assert (how, attempts) == ("postponed", number)
            assert due is not None
            pause = 2.0 ** (number - 1)
            assert 0.75 * pause <= due.timestamp() - office.now <= 1.25 * pause
            office.now = due.timestamp() - 0.01
            sender.notify()  # too early: nothing is sent
            office.now = due.timestamp()
            sender.notify()
        receiver.next()
        assert office.database.end()[:2] == ("dropped", message.id)
        assert receiver.got.empty()
    assert office.left() == []
    assert len(set(stamps)) == 3
    assert "given up after 4" in caplog.text


def test_no_pause_is_longer_than_ten_minutes(office: Office) -> None:
    with Receiver(ANSWERS["500"]) as receiver:
        office.add(receiver.url(), count=5, attempts=5000)
        office.sender(attempts=10_000)
        pauses = []
        for _ in range(5):
            how, _, due, attempts = office.database.end()
            assert (how, attempts) == ("postponed", 5001)
            assert due is not None
            pauses.append(due.timestamp() - START)
    assert max(pauses) <= 600.0
    assert min(pauses) >= 360.0
    assert len(set(pauses)) > 1  # not all at the same moment


def test_one_attempt_may_be_all(office: Office) -> None:
    with Receiver(ANSWERS["500"]) as receiver:
        office.add(receiver.url())
        office.sender(attempts=1)
        assert office.database.end()[0] == "dropped"


def test_what_was_under_way_is_sent_after_a_restart(office: Office) -> None:
    with Receiver(None, OK) as receiver:
        (message,) = office.add(receiver.url())
        sender = office.sender()
        receiver.next()
        sender.close()  # returns although nobody answers
        how, id, due, attempts = office.database.end()
        assert (how, id, attempts) == ("postponed", message.id, 0)  # it does not count as tried
        assert due is not None
        assert due.timestamp() == START
        office.sender()
        receiver.next()
        assert office.database.end()[:2] == ("delivered", message.id)


def test_what_a_process_took_that_died_is_sent_when_its_lease_ends(office: Office) -> None:
    with Receiver() as receiver:
        (message,) = office.add(receiver.url())
        at = datetime.fromtimestamp(office.now, UTC)
        assert office.database.due_messages(at, delivery.LEASE)  # and it dies
        sender = office.sender()
        (second,) = office.add(receiver.url())
        sender.notify()
        assert office.database.end()[:2] == ("delivered", second.id)
        office.now += delivery.LEASE.total_seconds()
        sender.notify()
        assert office.database.end()[:2] == ("delivered", message.id)


# -- where nothing is sent ------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254",
     "0.0.0.0", "public.test"],
)  # fmt: skip
def test_private_addresses_are_refused_unless_allowed(
    office: Office, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    def resolve(name: str, port: int, **more: Any) -> Sequence[Any]:
        name = "127.0.0.1" if name == "public.test" else name
        return socket.getaddrinfo(name, port, **more)

    with Receiver() as receiver:
        (message,) = office.add(receiver.url(host=host))
        office.sender(Network(), resolve=resolve)
        assert office.database.end()[:2] == ("dropped", message.id)
        assert receiver.got.empty()
    assert message.id in caplog.text
    assert "not of the public Internet" in caplog.text
    assert office.left() == []


@pytest.mark.parametrize(
    "url", ["ftp://h/", "http://", "http://a b/", "//h/", "", "file:///etc/passwd", "http://h:x/"]
)
def test_what_is_no_address_is_dropped(office: Office, url: str) -> None:
    office.add(url)
    office.sender()
    assert office.database.end()[0] == "dropped"


def test_no_header_can_end_its_line(office: Office) -> None:
    office.dialect.headers = lambda message, now: {"auth_sign": "x\r\nHost: elsewhere"}
    with Receiver() as receiver:
        office.add(receiver.url())
        office.sender()
        assert office.database.end()[0] == "dropped"
        assert receiver.got.empty()


def test_a_dialect_that_fails_is_not_asked_for_ever(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: CallbackMessage, now: float) -> dict[str, str]:
        raise RuntimeError("a mistake")

    office.dialect.headers = fail
    office.add("http://127.0.0.1:1/")
    sender = office.sender()
    assert office.database.end()[::3] == ("postponed", 1)
    assert "a mistake" in caplog.text
    (gone,) = office.add("http://127.0.0.1:1/", dialect="gone")
    sender.notify()
    assert office.database.end()[:2] == ("dropped", gone.id)


# -- many -----------------------------------------------------------------------------------


def test_a_slow_receiver_holds_up_nobody_else(office: Office) -> None:
    with Receiver(None) as slow, Receiver() as quick:
        held = office.add(slow.url(), count=100, tenant="slow")
        sender = office.sender()
        for _ in range(PER_HOST):
            slow.next()
        for number in range(5):
            (message,) = office.add(quick.url(), tenant=f"quick {number}")
            sender.notify()
            quick.next()
        ends: list[str] = []
        while len(ends) < 5:
            how, id, _, _ = office.database.end()
            if how == "delivered":
                ends.append(id)
        assert slow.most_at_once == PER_HOST
        assert message.id in ends
        sender.close()
        slow.release()
    left = office.left()
    assert {m.id for m in left} == {m.id for m in held}
    assert all(m.attempts == 0 for m in left)


def test_a_tenant_with_many_hosts_holds_up_nobody_else(office: Office) -> None:
    with Receiver(None) as slow, Receiver() as quick:
        for number in range(20):
            office.add(slow.url(host=f"127.0.0.{number + 1}").replace("127.0.0.1:", "localhost:"),
                       tenant="slow")  # fmt: skip

        def resolve(name: str, port: int, **more: Any) -> Sequence[Any]:
            return socket.getaddrinfo("127.0.0.1", port, **more)

        sender = office.sender(resolve=resolve)
        for _ in range(PER_TENANT):
            slow.next()
        office.add(quick.url(), tenant="quick")
        sender.notify()
        quick.next()
        assert slow.most_at_once == PER_TENANT
        sender.close()


def test_many_messages_are_each_sent_once(office: Office) -> None:
    with Receiver() as receiver:
        made = [
            message
            for number in range(200)
            for message in office.add(receiver.url(), tenant=f"t{number % 3}", body=b"%d" % number)
        ]
        sender = office.sender()
        got = []
        ends: set[str] = set()
        while len(ends) < len(made):
            how, id, due, attempts = office.database.end()
            assert attempts == 0
            if how == "delivered":
                ends.add(id)
            else:  # put back until its tenant's turn comes
                assert due is not None
                office.now = max(office.now, due.timestamp())
                sender.notify()
        sender.close()
        while not receiver.got.empty():
            got.append(int(receiver.next()[1]))
    assert sorted(got) == list(range(200))
    assert ends == {message.id for message in made}
    assert receiver.most_at_once <= PER_HOST


def test_two_senders_share_the_work(office: Office) -> None:
    with Receiver() as receiver:
        office.add(receiver.url(), count=40)
        office.sender()
        office.sender()
        delivered: set[str] = set()
        while len(delivered) < 40:
            how, id, due, _ = office.database.end()
            if how == "delivered":
                assert id not in delivered
                delivered.add(id)
            elif due is not None:
                office.now = max(office.now, due.timestamp())
        assert receiver.got.qsize() == 40


def test_a_database_that_is_away_for_a_while(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery, "POLL", 0.05)
    real, calls = office.database.due_messages, itertools.count()

    def away(*given: Any) -> list[CallbackMessage]:
        if next(calls) < 3:
            raise ServiceUnavailable("the database is away")
        return real(*given)

    monkeypatch.setattr(office.database, "due_messages", away)
    with Receiver() as receiver:
        office.add(receiver.url())
        office.sender()
        assert office.database.end()[0] == "delivered"
    assert "the database is away" in caplog.text


def test_closing_is_quick_and_may_be_repeated(office: Office) -> None:
    sender = office.sender()
    sender.close()
    sender.close()
    unused = Sender(office.database, {}, HERE, attempts=1)
    unused.close()


# -- turns, without threads -----------------------------------------------------------------


def waiting(tenant: str, host: str = "h") -> CallbackMessage:
    at = datetime.fromtimestamp(START, UTC)
    return CallbackMessage(
        id=new_id(), tenant=tenant, dialect="d", url=f"http://{host}/", body=b"",
        content_type="x", created=at, due=at,
    )  # fmt: skip


def test_turns() -> None:
    turns = Turns()
    for number in range(4):
        assert turns.add(waiting("a", f"h{number // 3}"), START) is None
    first = turns.ready()
    assert len(first) == 3  # two to the one host, one to the other
    assert turns.ready() == []
    turns.ended(first[0], 1.0)
    assert len(turns.ready()) == 1
    assert turns.room() == WAITING


def test_who_has_enough_waiting_comes_again_later_each_a_little_more() -> None:
    turns = Turns()
    times = [turns.add(waiting("a"), START) for _ in range(40)]
    kept_here = [time for time in times if time is None]
    later = [time for time in times if time is not None]
    assert 0 < len(kept_here) < 20
    assert all(a < b for a, b in itertools.pairwise(later))
    assert later[0] > START
    assert turns.add(waiting("b"), START) is None  # others have their own
    assert len(list(turns.rest())) == len(kept_here) + 1
