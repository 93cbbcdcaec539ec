"""What a server says about the file and the bytes it sends: read strictly, compared each time."""

from __future__ import annotations

import email.utils
import http.client
import re
import threading
import time
from typing import NamedTuple

from ..errors import SourceChanged

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII | re.IGNORECASE)
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,19})", re.ASCII | re.IGNORECASE)
_LENGTH = re.compile(r"\d{1,19}", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


class WrongAnswer(Exception):
    """The answer is not one to what was asked. ``once``: one more try tells enough."""

    def __init__(self, what: str, *, once: bool = False) -> None:
        super().__init__(what)
        self.once = once


class Stated(NamedTuple):
    """What an answer says about the whole file; ``None`` where it does not."""

    size: int | None
    etag: str | None
    modified: str | None


class Identity:
    """What is known about the file, from the first answer on. Thread-safe."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known = Stated(None, None, None)
        self._lock = threading.Lock()

    @property
    def size(self) -> int | None:
        return self._known.size

    @property
    def validator(self) -> str | None:
        """A strong ETag, or Last-Modified."""
        return self._strong or self._known.modified

    @property
    def if_range(self) -> str | None:
        """The value of ``If-Range``. RFC 9110 section 13.1.5: no weak ETag, and no date for a file
        that has an ETag."""
        found = self._known.modified if self._known.etag is None else self._strong
        # A server can fold lines into its headers; they may not get into ours.
        return found if found is not None and found.isprintable() else None

    @property
    def _strong(self) -> str | None:
        etag = self._known.etag
        return etag if etag and etag.startswith('"') else None

    def agree(self, stated: Stated) -> None:
        """Raise :class:`SourceChanged` if something is not what it was; remember what is new."""
        with self._lock:
            known = self._known
            for what, was, now in zip(
                ("size", "ETag", "Last-Modified"), known, stated, strict=True
            ):
                if was is not None and now is not None and was != now:
                    raise self.changed(f"its {what} was {was} and is {now}")
            self._known = Stated(
                stated.size if known.size is None else known.size,
                stated.etag if known.etag is None else known.etag,
                stated.modified if known.modified is None else known.modified,
            )

    def changed(self, how: str) -> SourceChanged:
        return SourceChanged(
            f"{self._name} changed while it was being read: {how}", stage="open", source=self._name
        )


class Part(NamedTuple):
    """The bytes that a 206 carries: ``size`` from ``offset`` on, of ``total`` if that is known."""

    offset: int
    size: int
    total: int | None


def stated(response: http.client.HTTPResponse, size: int | None) -> Stated:
    headers = response.headers
    return Stated(size, headers.get("ETag") or None, headers.get("Last-Modified") or None)


def content_length(response: http.client.HTTPResponse) -> int | None:
    """``None`` if there is none, or another framing. Raises :class:`WrongAnswer` for nonsense."""
    if response.chunked:
        return None
    found = {v.strip() for v in response.headers.get_all("Content-Length", [])}
    if not found:
        return None
    text = found.pop()
    if found or not _LENGTH.fullmatch(text):
        raise WrongAnswer("its Content-Length is no number")
    return int(text)


def check_plain(response: http.client.HTTPResponse) -> None:
    """The body must be the file's bytes as they are."""
    coding = ", ".join(response.headers.get_all("Content-Encoding", [])).strip().lower()
    if coding not in ("", "identity"):
        raise WrongAnswer(
            f"asked for the bytes as they are, it sent them as {coding[:40]!r}", once=True
        )
    transfer = ", ".join(response.headers.get_all("Transfer-Encoding", [])).strip().lower()
    if transfer not in ("", "identity", "chunked"):
        raise WrongAnswer(f"its Transfer-Encoding is {transfer[:40]!r}")


def part_of(response: http.client.HTTPResponse, offset: int, size: int) -> Part:
    """What a 206 carries, which must be a beginning of what was asked. :class:`WrongAnswer`."""
    check_plain(response)
    asked = f"asked for bytes {offset}-{offset + size - 1}"
    if response.headers.get_content_maintype() == "multipart":
        raise WrongAnswer(f"{asked}, it sent {response.headers.get_content_type()}")
    texts = response.headers.get_all("Content-Range", [])
    match = _CONTENT_RANGE.fullmatch(texts[0].strip()) if len(texts) == 1 else None
    if match is None:
        raise WrongAnswer(f"{asked}, it sent Content-Range {' and '.join(texts)[:80]!r}")
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    length = content_length(response)
    right = first == offset and first <= last < offset + size
    if not right or (total is not None and last >= total):
        raise WrongAnswer(f"{asked}, it sent Content-Range {texts[0][:80]!r}")
    if length is not None and length != last - first + 1:
        raise WrongAnswer(
            f"{asked}, it sent Content-Range {texts[0][:80]!r} with {length} bytes of content"
        )
    return Part(first, last - first + 1, total)


def size_unsatisfied(response: http.client.HTTPResponse) -> int | None:
    """The file's size as a 416 tells it."""
    match = _UNSATISFIED.fullmatch((response.headers.get("Content-Range") or "").strip())
    return int(match[1]) if match else None


def retry_after(response: http.client.HTTPResponse) -> float | None:
    """Seconds to wait, if the server says so in one of the two ways of RFC 9110."""
    text = (response.headers.get("Retry-After") or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
