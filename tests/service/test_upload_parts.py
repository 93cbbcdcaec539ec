"""What uploads are made of, without a server: tickets, OSS on the wire, files on their way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.service.auth.wire import SignedRequest
from snapengine.service.domain.failures import UploadRefused
from snapengine.service.web import incoming, oss
from snapengine.service.web.incoming import Incoming
from snapengine.service.web.oss import NamedPart, OssError, parts_of
from snapengine.service.web.tickets import UploadTickets, plain_name


def test_names_are_reduced_to_what_every_client_escapes_alike() -> None:
    assert plain_name("my film.mp4") == "my_film.mp4"
    assert plain_name("../../etc/passwd") == "passwd"
    assert plain_name("C:\\films\\ä.mp4") == "_.mp4"
    assert plain_name("") == plain_name("..") == plain_name("/") == "file"
    assert len(plain_name("x" * 500)) == 100


def test_tickets_say_what_they_are_for() -> None:
    now = [1000.0]
    tickets = UploadTickets("secret", lambda: now[0])
    made = tickets.issue('a"b\n', "id", "cover", 10)
    assert tickets.read(made.token) == made
    assert made.token not in repr(made)
    assert tickets.issue('a"b\n', "id", "cover", 10).token != made.token
    with pytest.raises(UploadRefused):
        UploadTickets("other", lambda: now[0]).read(made.token)
    now[0] = 1010.0
    with pytest.raises(UploadRefused) as caught:
        tickets.read(made.token)
    assert caught.value.context["why"] == "expired"


@given(st.data())
def test_no_changed_ticket_is_read(data: st.DataObject) -> None:
    tickets = UploadTickets("secret", lambda: 0.0)
    token = tickets.issue("tenant", "asset", "video", 10).token
    at = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.characters().filter(lambda c: c != token[at]))
    with pytest.raises(UploadRefused):
        tickets.read(token[:at] + sign + token[at + 1 :])


HEADER = st.sampled_from(
    [b"authorization", b"date", b"x-oss-date", b"x-oss-security-token", b"content-md5", b"host"]
)
TICKETS = UploadTickets("secret", lambda: 0.0)
TOKEN = TICKETS.issue("t", "a", "video", 10).token.encode()
VALUE = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"OSS a:b", b"OSS ", b"OSS4-HMAC-SHA256 Credential=a/20260101/r/oss/aliyun_v4_request,"
         b"Signature=x", b"OSS4-HMAC-SHA256 x", b"20260101T000000Z", b"20269901T000000Z", TOKEN,
         b"Thu, 01 Jan 1970 00:00:00 GMT"]
    ),
)  # fmt: skip


@given(
    st.lists(st.tuples(HEADER, VALUE), max_size=6),
    st.binary(max_size=40) | st.sampled_from([b"Signature=x&Expires=99&OSSAccessKeyId=y", b"a&a"]),
    st.binary(max_size=40),
)
def test_no_request_is_anything_but_refused(
    headers: list[tuple[bytes, bytes]], query: bytes, resource: bytes
) -> None:
    request = SignedRequest("PUT", b"/x", query, tuple(headers))
    with pytest.raises(OssError) as caught:
        oss.verify(request, resource, TICKETS, lambda: 0.0)
    assert caught.value.status in (400, 403)


def test_a_time_far_from_ours_is_refused() -> None:
    id = TICKETS.oss_key(TOKEN.decode())[0].encode()

    def refused(seconds: float) -> str:
        request = SignedRequest(
            "PUT", b"/x", b"",
            ((b"authorization", b"OSS " + id + b":x"), (b"x-oss-security-token", TOKEN),
             (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT")),
        )  # fmt: skip
        with pytest.raises(OssError) as caught:
            oss.verify(request, b"/upload/x", TICKETS, lambda: seconds)
        return caught.value.code

    assert refused(900.0) == "SignatureDoesNotMatch"
    assert refused(901.0) == "RequestTimeTooSkewed"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "MalformedXML"),
        (b"<x/>", "MalformedXML"),
        (b"<C><Part><PartNumber>1</PartNumber></Part></C>", "MalformedXML"),
        (b"<C><Part><PartNumber>x</PartNumber><ETag>a</ETag></Part></C>", "MalformedXML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><C>&b;</C>', "MalformedXML"),
        (b"<C>" + b"<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>" * 2 + b"</C>",
         "InvalidPartOrder"),
        (b"\xff\xfe<", "MalformedXML"),
    ],
)  # fmt: skip
def test_lists_of_parts_that_cannot_be(body: bytes, found: str) -> None:
    with pytest.raises(OssError) as caught:
        parts_of(body)
    assert caught.value.code == found


def test_a_list_of_parts_with_a_namespace() -> None:
    body = b'<C xmlns="u"><Part><ETag>"ab"</ETag><PartNumber>7</PartNumber></Part><Other/></C>'
    assert parts_of(body) == [NamedPart(7, "AB")]


def test_of_two_that_complete_an_upload_one_does(tmp_path: Path) -> None:
    there = Incoming(tmp_path / "tmp")
    id = there.start_parts("a")
    with there.begin() as file:
        file.write(b"data")
        etag = file.etag
        there.keep_part("a", id, 1, file, 100)
    done: list[Path | OssError] = []
    begin = threading.Barrier(4)

    def join() -> None:
        begin.wait(10)
        try:
            done.append(there.join("a", id, [NamedPart(1, etag)])[0])
        except OssError as error:
            done.append(error)

    threads = [threading.Thread(target=join) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = [path for path in done if isinstance(path, Path)]
    assert len(whole) == 1
    assert whole[0].read_bytes() == b"data"
    assert all(error.code == "NoSuchUpload" for error in done if isinstance(error, OssError))


def test_what_nobody_came_back_for_is_swept(tmp_path: Path) -> None:
    now = [0.0]
    there = Incoming(tmp_path / "tmp", lambda: now[0])
    there.sweep()  # nothing is there yet
    left = there.begin()
    left.finish()
    id = there.start_parts("a")
    now[0] = left.path.stat().st_mtime + incoming.STALE - 60
    there.sweep()
    assert left.path.exists()
    assert there.parts("a", id) == []
    now[0] += 120
    there.sweep()
    there.sweep()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_asset_has_so_many_uploads_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "MOST_OPEN", 3)
    there = Incoming(tmp_path)
    for _ in range(6):
        there.start_parts("a")
    assert len(list((tmp_path / "parts-a").iterdir())) == 3
