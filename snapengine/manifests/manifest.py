"""A manifest as a choice of sources. It is recognised by its content, never by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..errors import InvalidOption
from ..sources.base import MeteredSource, PlannedSource, Source
from ..sources.meter import Meter
from . import dash, hls
from .presentation import MAX_BYTES, Piece, Rendition, Resource, bad, choose, refused
from .references import shown
from .segmented_file import SegmentedFile

#: A manifest shows within so many bytes that it is one.
_HEAD: Final = 1024
_STEP: Final = 256 << 10

OpenReference = Callable[[str], Source]
#: What a rendition consists of: its segments, or the one file that holds all of it.
Contents = Callable[[Rendition, Meter], "Sequence[Piece] | Resource"]


class Manifest:
    """The renditions of one video. Thread-safe.

    ``kind``: "hls" or "dash". What it opened must be closed by itself, and before it.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        renditions: Sequence[Rendition],
        contents: Contents,
        open_reference: OpenReference,
        *,
        keep_bytes: int,
        on_close: Callable[[], object] | None,
    ) -> None:
        self.kind = kind
        self.renditions = tuple(renditions)
        self._name = name
        self._contents = contents
        self._open_reference = open_reference
        self._keep_bytes = keep_bytes
        self._on_close = on_close

    def choose(self, width: int | None, height: int | None, *, within: bool = False) -> Rendition:
        """See :func:`~snapengine.manifests.presentation.choose`."""
        return choose(self.renditions, width, height, within=within)

    def open(self, rendition: Rendition, meter: Meter) -> Source:
        """A :class:`~snapengine.sources.segments.SegmentedSource`, or the one file that holds the
        whole rendition. Reads its media playlist where there is one, on behalf of ``meter``'s call.

        Raises a :class:`SourceError` where it is live or encrypted, ``CorruptMedia`` where it makes
        no sense, and what fetching raises.
        """
        if not any(known is rendition for known in self.renditions):
            raise InvalidOption("not a rendition of this manifest", value=rendition)
        found = self._contents(rendition, meter)
        if isinstance(found, Resource):
            return self._open_reference(found.url)
        return SegmentedFile(
            self._name, self.kind, found, self._open_reference, keep_bytes=self._keep_bytes
        )

    def close(self) -> None:
        """After all that was opened."""
        if self._on_close is not None:
            self._on_close()


def read_manifest(
    source: Source,
    place: str,
    open_reference: OpenReference,
    *,
    keep_bytes: int = 64 << 20,
    on_close: Callable[[], object] | None = None,
) -> Manifest | None:
    """The manifest that ``source`` is, ``None`` when it is none (told by its first KiB).

    ``place``: its URL after redirects, or its path: what its references are relative to.
    ``open_reference`` opens a URL or path that is allowed to be referred to (see
    :mod:`~snapengine.manifests.references`); schemes, addresses and credentials are its affair. It
    is not called before :meth:`Manifest.open` is, ``on_close`` by :meth:`Manifest.close`.
    ``keep_bytes``: how much of a rendition's segments is kept in memory.

    Raises ``CorruptMedia`` for what is too large or makes no sense, a :class:`SourceError` for what
    cannot be served: live and encrypted videos.
    """
    name = source.name
    head = source.read_at(0, _HEAD)
    kind = "hls"
    renditions: Sequence[Rendition]
    contents: Contents
    if hls.is_playlist(head):
        text = _text(_whole(source), name)
        if hls.is_master(text):
            renditions, contents = hls.parse_master(text, place, name), _listed(open_reference)
        else:
            pieces = hls.parse_media(text, place, name)
            renditions, contents = (Rendition(),), lambda *_: pieces
    elif dash.is_mpd(head):
        kind = "dash"
        renditions, contents = dash.parse_mpd(_whole(source), place, name), _described(name)
    else:
        return None
    return Manifest(
        name, kind, renditions, contents, open_reference, keep_bytes=keep_bytes, on_close=on_close
    )


def _listed(open_reference: OpenReference) -> Contents:
    """The segments that a variant's media playlist lists."""

    def contents(variant: Rendition, meter: Meter) -> Sequence[Piece]:
        assert isinstance(variant, hls.Variant)
        name = shown(variant.url)
        playlist = open_reference(variant.url)
        try:
            view: Source = playlist
            if isinstance(playlist, PlannedSource):
                view = MeteredSource(playlist, meter)
            if not hls.is_playlist(view.read_at(0, _HEAD)):
                raise bad(name, "no playlist")
            text = _text(_whole(view), name)
            place = getattr(playlist, "location", None) or variant.url
        finally:
            playlist.close()
        if hls.is_master(text):
            raise refused(name, "a playlist of playlists within another one")
        return hls.parse_media(text, place, name, variant.bandwidth)

    return contents


def _described(name: str) -> Contents:
    """What a DASH manifest tells of its representations."""

    def contents(found: Rendition, _: Meter) -> Sequence[Piece] | Resource:
        assert isinstance(found, dash.Representation)
        return dash.whole_file(found, name) or dash.pieces_of(found, name)

    return contents


def _whole(source: Source) -> bytes:
    """All bytes of a manifest."""
    parts: list[bytes] = []
    got = 0
    while data := source.read_at(got, _STEP):
        parts.append(data)
        got += len(data)
        if got > MAX_BYTES:
            raise bad(source.name, f"a manifest of more than {MAX_BYTES} bytes")
    return b"".join(parts)


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise bad(name, "a playlist that is not UTF-8") from exc
