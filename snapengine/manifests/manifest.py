"""A manifest as a choice of sources. It is recognised by its content, never by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from ..errors import InvalidOption
from ..sources.base import Source
from . import dash, hls
from .presentation import MAX_BYTES, Piece, Rendition, bad, choose, refused
from .references import shown
from .segmented_file import SegmentedFile

#: A manifest shows within so many bytes that it is one.
_HEAD: Final = 1024
_STEP: Final = 256 << 10

OpenReference = Callable[[str], Source]


class Manifest(Protocol):
    """The renditions of one video. Thread-safe; what it opened must be closed by itself."""

    @property
    def kind(self) -> str:
        """ "hls" or "dash"."""
        ...

    @property
    def renditions(self) -> Sequence[Rendition]: ...

    def choose(self, width: int | None, height: int | None, *, within: bool = False) -> Rendition:
        """See :func:`~snapengine.manifests.presentation.choose`."""
        ...

    def open(self, rendition: Rendition) -> Source:
        """A :class:`~snapengine.sources.segments.SegmentedSource`, or the one file that holds the
        whole rendition. Reads its media playlist where there is one.

        Raises a :class:`SourceError` where it is live or encrypted, ``CorruptMedia`` where it makes
        no sense, and what fetching raises.
        """
        ...


def read_manifest(
    source: Source, place: str, open_reference: OpenReference, *, keep_bytes: int = 64 << 20
) -> Manifest | None:
    """The manifest that ``source`` is, ``None`` when it is none (told by its first KiB).

    ``place``: its URL after redirects, or its path: what its references are relative to.
    ``open_reference`` opens a URL or path that is allowed to be referred to (see
    :mod:`~snapengine.manifests.references`); schemes, addresses and credentials are its affair.
    ``keep_bytes``: how much of a rendition's segments is kept in memory.

    Raises ``CorruptMedia`` for what is too large or makes no sense, a :class:`SourceError` for what
    cannot be served: live and encrypted videos.
    """
    head = source.read_at(0, _HEAD)
    if hls.is_playlist(head):
        text = _text(_whole(source), source.name)
        if hls.is_master(text):
            variants = hls.parse_master(text, place, source.name)
            return _HlsManifest(source.name, variants, open_reference, keep_bytes)
        pieces = hls.parse_media(text, place, source.name)
        return _SinglePlaylist(source.name, pieces, open_reference, keep_bytes)
    if dash.is_mpd(head):
        found = dash.parse_mpd(_whole(source), place, source.name)
        return _DashManifest(source.name, found, open_reference, keep_bytes)
    return None


class _Renditions:
    kind = ""

    def __init__(
        self,
        name: str,
        renditions: Sequence[Rendition],
        open_reference: OpenReference,
        keep_bytes: int,
    ) -> None:
        self._name = name
        self.renditions = tuple(renditions)
        self._open_reference = open_reference
        self._keep_bytes = keep_bytes

    def choose(self, width: int | None, height: int | None, *, within: bool = False) -> Rendition:
        return choose(self.renditions, width, height, within=within)

    def _own(self, rendition: Rendition) -> int:
        for number, known in enumerate(self.renditions):
            if known is rendition:
                return number
        raise InvalidOption("not a rendition of this manifest", value=rendition)

    def _segments(self, name: str, pieces: Sequence[Piece]) -> SegmentedFile:
        return SegmentedFile(
            name, self.kind, pieces, self._open_reference, keep_bytes=self._keep_bytes
        )


class _HlsManifest(_Renditions):
    kind = "hls"

    def __init__(
        self, name: str, variants: Sequence[hls.Variant], opener: OpenReference, keep_bytes: int
    ) -> None:
        super().__init__(name, variants, opener, keep_bytes)
        self._variants = variants

    def open(self, rendition: Rendition) -> Source:
        variant = self._variants[self._own(rendition)]
        name = shown(variant.url)
        playlist = self._open_reference(variant.url)
        try:
            if not hls.is_playlist(playlist.read_at(0, _HEAD)):
                raise bad(name, "no playlist")
            text = _text(_whole(playlist), name)
        finally:
            playlist.close()
        if hls.is_master(text):
            raise refused(name, "a playlist of playlists within another one")
        pieces = hls.parse_media(text, variant.url, name, variant.bandwidth)
        return self._segments(self._name, pieces)


class _SinglePlaylist(_Renditions):
    kind = "hls"

    def __init__(
        self, name: str, pieces: Sequence[Piece], opener: OpenReference, keep_bytes: int
    ) -> None:
        super().__init__(name, (Rendition(),), opener, keep_bytes)
        self._pieces = pieces

    def open(self, rendition: Rendition) -> Source:
        self._own(rendition)
        return self._segments(self._name, self._pieces)


class _DashManifest(_Renditions):
    kind = "dash"

    def __init__(
        self,
        name: str,
        found: Sequence[dash.Representation],
        opener: OpenReference,
        keep_bytes: int,
    ) -> None:
        super().__init__(name, found, opener, keep_bytes)
        self._found = found

    def open(self, rendition: Rendition) -> Source:
        representation = self._found[self._own(rendition)]
        whole = dash.whole_file(representation, self._name)
        if whole is not None:
            return self._open_reference(whole.url)
        return self._segments(self._name, dash.pieces_of(representation, self._name))


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
