"""HLS playlists (RFC 8216, and its second edition in draft): only those that are complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from .presentation import (
    MAX_RENDITIONS,
    MAX_SECONDS,
    MAX_SEGMENTS,
    Piece,
    Rendition,
    Resource,
    bad,
    refused,
    shows_pictures,
)
from .references import resolve

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^,]*)(?:,|$)')
_DURATION = re.compile(r"\d{1,9}(?:\.\d{1,12})?")
_RANGE = re.compile(r"(\d{1,18})(?:@(\d{1,18}))?")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.IGNORECASE)
#: Tags that begin a variable, and uses of one.
_VARIABLE = re.compile(r"\{\$[A-Za-z0-9_-]+\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant(Rendition):
    """A rendition and the URL of its media playlist."""

    url: str


def is_playlist(head: bytes) -> bool:
    """Whether a file begins as playlists must."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U")


def is_master(text: str) -> bool:
    """Whether a playlist lists others."""
    return "#EXT-X-STREAM-INF:" in text


def parse_master(text: str, place: str, name: str) -> tuple[Variant, ...]:
    """Variants with pictures, in the order of the playlist. Raises a :class:`SnapError`."""
    found: list[Variant] = []
    waiting: dict[str, str] | None = None
    for tag, value in _lines(text, name):
        if tag == "#EXT-X-STREAM-INF":
            waiting = _attributes(value)
        elif not tag and waiting is not None:
            if len(found) >= MAX_RENDITIONS:
                raise bad(name, f"more than {MAX_RENDITIONS} variants")
            size = _SIZE.fullmatch(waiting.get("RESOLUTION", ""))
            rate = waiting.get("BANDWIDTH", "")
            codecs = waiting.get("CODECS")
            if shows_pictures(codecs) is not False or size is not None:
                found.append(
                    Variant(
                        width=int(size[1]) if size else None,
                        height=int(size[2]) if size else None,
                        bandwidth=int(rate) if rate.isdecimal() and len(rate) < 16 else None,
                        codecs=codecs,
                        number=len(found),
                        url=resolve(place, value),
                    )
                )
            waiting = None
    if any(v.width for v in found):
        # Beside variants that tell their size, one that does not is sound alone.
        found = [v for v in found if v.width or shows_pictures(v.codecs)]
    if not found:
        raise bad(name, "no variant with pictures")
    return tuple(found)


@dataclass(slots=True)
class _State:
    """What holds for the next segment."""

    duration: Fraction | None = None
    extent: tuple[int, int | None] | None = None
    init: Resource | None = None
    run: int = 0
    missing: bool = False


def parse_media(text: str, place: str, name: str, bandwidth: int | None = None) -> list[Piece]:
    """The segments of a media playlist. Raises a :class:`SnapError` for live and encrypted ones."""
    state = _State()
    pieces: list[Piece] = []
    ends: dict[str, int] = {}  # where the last byte range of a file ended
    clock = Fraction(0)
    complete = False
    for tag, value in _lines(text, name):
        if tag == "#EXTINF":
            state.duration = _duration(value, name)
        elif tag == "#EXT-X-BYTERANGE":
            state.extent = _extent(value, name)
        elif tag == "#EXT-X-MAP":
            state.init = _init(_attributes(value), place, name)
        elif tag == "#EXT-X-KEY":
            method = _attributes(value).get("METHOD", "NONE")
            if method != "NONE":
                raise refused(name, f"its segments are encrypted ({method})")
        elif tag == "#EXT-X-DISCONTINUITY":
            state.run += bool(pieces) and pieces[-1].run == state.run
        elif tag == "#EXT-X-GAP":
            state.missing = True
        elif tag == "#EXT-X-ENDLIST" or (tag == "#EXT-X-PLAYLIST-TYPE" and value == "VOD"):
            complete = True
        elif tag == "#EXT-X-I-FRAMES-ONLY":
            raise refused(name, "a playlist of single pictures (I-frames) is no video by itself")
        elif tag == "#EXT-X-SKIP":
            raise refused(name, "only part of a playlist (EXT-X-SKIP)")
        elif not tag:
            if state.duration is None:
                raise bad(name, f"a segment without EXTINF: {value[:80]!r}")
            if len(pieces) >= MAX_SEGMENTS:
                raise bad(name, f"more than {MAX_SEGMENTS} segments")
            url = resolve(place, value)
            offset, size = 0, None
            if state.extent is not None:
                size, at = state.extent
                offset = ends.get(url, 0) if at is None else at
                ends[url] = offset + size
            rate = int(state.duration * (bandwidth or 0) / 8)
            pieces.append(
                Piece(
                    resource=Resource(url, offset, size),
                    init=state.init,
                    start=clock,
                    duration=state.duration,
                    run=state.run,
                    missing=state.missing,
                    estimate=size or rate,
                )
            )
            clock += state.duration
            state.duration = state.extent = None
            state.missing = False
    if not complete:
        raise refused(name, "a live playlist (no EXT-X-ENDLIST): only complete ones can be opened")
    if not pieces or all(p.missing for p in pieces):
        raise bad(name, "no segments")
    if clock > MAX_SECONDS:
        raise bad(name, f"lasts longer than {MAX_SECONDS} seconds")
    return pieces


def _lines(text: str, name: str) -> Iterator[tuple[str, str]]:
    """(tag, value) of tags, ("", line) of URIs; comments and empty lines are left out."""
    for raw in text.splitlines():
        line = raw.strip()
        if not line:
            continue
        if not line.startswith("#"):
            if _VARIABLE.search(line):
                raise refused(name, "uses variables (EXT-X-DEFINE)")
            yield "", line
        elif line.startswith("#EXT"):
            tag, _, value = line.partition(":")
            yield tag, value.strip()


def _attributes(text: str) -> dict[str, str]:
    return {key: value.strip('"') for key, value in _ATTRIBUTE.findall(text)}


def _duration(value: str, name: str) -> Fraction:
    found = _DURATION.match(value)
    if found is None:
        raise bad(name, f"no duration: EXTINF:{value[:40]!r}")
    return Fraction(found[0])


def _extent(value: str, name: str) -> tuple[int, int | None]:
    found = _RANGE.fullmatch(value)
    if found is None or not int(found[1]):
        raise bad(name, f"no byte range: {value[:40]!r}")
    return int(found[1]), None if found[2] is None else int(found[2])


def _init(attributes: dict[str, str], place: str, name: str) -> Resource:
    uri = attributes.get("URI")
    if not uri or _VARIABLE.search(uri):
        raise bad(name, "EXT-X-MAP without a URI")
    url = resolve(place, uri)
    if "BYTERANGE" not in attributes:
        return Resource(url)
    size, at = _extent(attributes["BYTERANGE"], name)
    return Resource(url, at or 0, size)
