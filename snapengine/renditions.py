"""The renditions of a video: one for a file, several behind a manifest, opened when wanted."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace

from .manifests import (
    Manifest,
    Rendition,
    is_url,
    read_manifest,
    same_origin,
    with_credentials,
)
from .model.network import Network
from .request import PictureOptions
from .session import Session
from .sources import LocalSource, Meter, MeteredSource, PlannedSource, Source, open_remote
from .sources.gate import Gate


def find_manifest(what: object, source: Source, network: Network, meter: Meter) -> Manifest | None:
    """The manifest that was opened as ``source``, ``None`` for anything else.

    Only what has a place - a path or a URL - can refer to other files. Credentials go along to the
    manifest's own origin only; addresses are checked for each reference. Raises what
    :func:`~snapengine.manifests.read_manifest` does.
    """
    if not isinstance(what, (str, os.PathLike)):
        return None
    place = os.fsdecode(what)
    view: Source = MeteredSource(source, meter) if isinstance(source, PlannedSource) else source
    if isinstance(source, LocalSource):
        return read_manifest(view, source.name, LocalSource)
    if not is_url(place):
        return None
    stranger, gate = replace(network, headers={}), Gate(network.connections)

    def open_reference(url: str) -> Source:
        if not same_origin(url, place):
            return open_remote(url, stranger, gate)
        return open_remote(with_credentials(url, place), network, gate)

    view.read_at(0, 1)  # only an answer tells where redirects lead
    found = getattr(source, "location", None) or place
    return read_manifest(view, found, open_reference, keep_bytes=network.cache_bytes)


class Renditions:
    """Sessions by the size of picture they are to serve. Thread-safe.

    Without a manifest all of them are the same. Of a manifest the smallest is opened at once, which
    tells whether it can be opened at all; the others when they are first wanted.
    """

    def __init__(
        self,
        source: Source,
        manifest: Manifest | None,
        open_session: Callable[[Source], Session],
    ) -> None:
        self._manifest = manifest
        self._open_session = open_session
        self._lock = threading.Lock()
        self._sessions: dict[Rendition | None, Session] = {}
        self._closed = False
        if manifest is None:
            self.first = self._sessions[None] = open_session(source)
        else:
            source.close()
            self.first = self._open(manifest.choose(1, 1))

    def best(self) -> Session:
        """The largest rendition's."""
        if self._manifest is None:
            return self.first
        return self._open(self._manifest.choose(None, None))

    @property
    def width(self) -> int:
        """Of the largest, as far as that is announced."""
        if self._manifest is not None and (told := self._manifest.choose(None, None).width):
            return told
        return self.best().info.width

    def serving(self, options: PictureOptions) -> Session:
        """That of the smallest rendition which need not be enlarged."""
        if self._manifest is None:
            return self.first
        return self._open(self._manifest.choose(*options.box, within=options.fit == "contain"))

    def close(self) -> None:
        """Close all. Calls under way end with ``EngineClosed``."""
        with self._lock:
            self._closed = True
            sessions = list(self._sessions.values())
        for session in sessions:
            session.close()

    def _open(self, rendition: Rendition) -> Session:
        assert self._manifest is not None
        with self._lock:
            session = self._sessions.get(rendition)
            if session is None:
                if self._closed:
                    self.first.check_open()
                source = self._manifest.open(rendition)
                try:
                    session = self._sessions[rendition] = self._open_session(source)
                except BaseException:
                    source.close()
                    raise
            return session
