"""The renditions of a video: one for a file, several behind a manifest, opened when wanted."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import EngineClosed
from .manifests import (
    Manifest,
    Rendition,
    is_url,
    read_manifest,
    same_origin,
    with_credentials,
)
from .model.limits import Limits
from .model.network import Network
from .model.stats import RunStats
from .request import PictureOptions
from .session import Session, new_meter
from .sources import LocalSource, Meter, MeteredSource, PlannedSource, Source, open_remote
from .sources.gate import Gate
from .sources.resolve import pool_behind

if TYPE_CHECKING:
    from .sources.http_pool import ConnectionPool


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
    view.read_at(0, 1)  # only an answer tells where redirects lead
    found = getattr(source, "location", None) or place
    references = _References(place, network)
    manifest = read_manifest(
        view, found, references, keep_bytes=network.cache_bytes, on_close=references.close
    )
    if manifest is not None:
        references.pool = pool_behind(source, network)
    return manifest


class _References:
    """Opens what the manifest at ``place`` refers to, all over the same few connections.

    Credentials go along to the manifest's own origin only. ``pool`` must be set before.
    """

    pool: ConnectionPool

    def __init__(self, place: str, network: Network) -> None:
        self._place = place
        self._network, self._stranger = network, replace(network, headers={})
        self._gate = Gate(network.connections)

    def __call__(self, url: str) -> Source:
        network = self._stranger
        if same_origin(url, self._place):
            url, network = with_credentials(url, self._place), self._network
        return open_remote(url, network, self._gate, self.pool)

    def close(self) -> None:
        """After all that was opened."""
        self.pool.close()


class Renditions:
    """Sessions by the size of picture they are to serve. Thread-safe.

    Without a manifest all of them are the same. Of a manifest the smallest is opened at once, which
    tells whether it can be opened at all; the others when they are first wanted, each on a meter of
    its own, as opening a video is. ``meter`` is that of the first.
    """

    def __init__(
        self,
        source: Source,
        manifest: Manifest | None,
        open_session: Callable[[Source, Meter], Session],
        limits: Limits,
        meter: Meter,
    ) -> None:
        self._manifest = manifest
        self._open_session = open_session
        self._limits = limits
        self._lock = threading.Lock()
        self._sessions: dict[Rendition | None, Session] = {}
        self._turns: dict[Rendition, Gate] = {}
        self._opening: set[Meter] = set()
        self._closed = False
        if manifest is None:
            self.first = self._sessions[None] = open_session(source, meter)
            return
        try:
            source.close()
            self.first = self._open(manifest, manifest.choose(1, 1), meter)
        except BaseException:
            manifest.close()
            raise

    def best(self) -> Session:
        """The largest rendition's."""
        if self._manifest is None:
            return self.first
        return self._open(self._manifest, self._manifest.choose(None, None))

    @property
    def width(self) -> int:
        """Of the largest, as far as that is announced."""
        if self._manifest is not None and (told := self._manifest.choose(None, None).width):
            return told
        return self.best().info.width

    def serving(self, options: PictureOptions) -> Session:
        """That of the smallest rendition which need not be enlarged."""
        manifest = self._manifest
        if manifest is None:
            return self.first
        chosen = manifest.choose(*options.box, within=options.fit == "contain")
        return self._open(manifest, chosen)

    @property
    def open_stats(self) -> RunStats:
        """What opening cost, of all that have been opened."""
        with self._lock:
            sessions = list(self._sessions.values())
        stats = sessions[0].open_stats
        for session in sessions[1:]:
            stats.add(session.open_stats)
        return stats

    def close(self) -> None:
        """Close all. Calls under way end with ``EngineClosed``."""
        with self._lock:
            self._closed = True
            sessions, opening = list(self._sessions.values()), list(self._opening)
        for meter in opening:
            meter.stop(EngineClosed(f"{self.first.name}: the video is closed"))
        for session in sessions:
            session.close()
        if self._manifest is not None:
            self._manifest.close()

    def _open(
        self, manifest: Manifest, rendition: Rendition, meter: Meter | None = None
    ) -> Session:
        with self._lock:
            if rendition in self._sessions:
                return self._sessions[rendition]
            turn = self._turns.setdefault(rendition, Gate(1))
        meter = meter or new_meter(self._limits)
        with turn.passing(meter):
            with self._lock:
                if rendition in self._sessions:
                    return self._sessions[rendition]
                if self._closed:
                    self.first.check_open()
                self._opening.add(meter)
            try:
                source = manifest.open(rendition, meter)
                try:
                    session = self._open_session(source, meter)
                except BaseException:
                    source.close()
                    raise
            finally:
                with self._lock:
                    self._opening.discard(meter)
            with self._lock:
                self._sessions[rendition] = session
                closed = self._closed
            if closed:
                session.close()
            return session
