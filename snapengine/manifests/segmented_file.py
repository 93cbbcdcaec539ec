"""The segments of one rendition as a source: each fetched whole, some of them ahead."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final

from ..errors import EngineClosed, LimitExceeded, SourceError, SourceNotFound
from ..sources.base import ByteRange, PlannedSource, Source
from ..sources.meter import Meter
from ..sources.segments import Segment
from .presentation import Piece, Resource
from .references import shown

#: So many segments are fetched ahead of the one that is being read.
_AHEAD: Final = 6
#: What is asked for first of a file whose size nobody knows, at least and at most.
_LEAST: Final = 16 << 10
_STEP: Final = 1 << 20
#: About the size of an initialization segment.
_INIT: Final = 4 << 10
#: Files that hold several segments each and stay open.
_OPEN: Final = 8


class _Loading:
    """One segment on its way. ``users``: threads that wait for it."""

    def __init__(self, source: Source, shared: bool) -> None:
        self.source = source
        self.shared = shared
        self.users = 0


class SegmentedFile:
    """A :class:`~snapengine.sources.segments.SegmentedSource` over the pieces of a manifest.

    ``open_reference`` gives a source for a URL. ``keep_bytes``: so much of what was fetched is
    kept; ``max_segment``: no segment may be larger. Thread-safe.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        pieces: Sequence[Piece],
        open_reference: Callable[[str], Source],
        *,
        keep_bytes: int = 64 << 20,
        max_segment: int = 256 << 20,
    ) -> None:
        self._name = name
        self._kind = kind
        self._pieces = pieces
        self._open = open_reference
        self._keep_bytes, self._max_segment = keep_bytes, max_segment
        inits: dict[Resource | None, int] = {}
        self._segments = tuple(
            Segment(p.start, p.duration, p.run, inits.setdefault(p.init, len(inits)), p.missing)
            for p in pieces
        )
        self._estimates = {p.init: _INIT for p in pieces if p.init is not None}
        self._estimates.update((p.resource, p.estimate) for p in pieces)
        self._anchors: dict[int, int] = {}
        self._lock = threading.RLock()
        self._kept: OrderedDict[Resource, bytes] = OrderedDict()
        self._loading: dict[Resource, _Loading] = {}
        self._shared: OrderedDict[str, Source] = OrderedDict()
        self._wished: dict[Meter, deque[Resource]] = {}
        self._closed = False

    # -- facts ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int | None:
        return None

    @property
    def kind(self) -> str:
        return self._kind

    @property
    def segments(self) -> Sequence[Segment]:
        return self._segments

    @property
    def anchors(self) -> dict[int, int]:
        return self._anchors

    # -- as segments ------------------------------------------------------------------------

    def init(self, number: int, meter: Meter) -> bytes:
        """See :class:`SegmentedSource`."""
        resource = self._pieces[number].init
        return b"" if resource is None else self._fetch(resource, _INIT, meter)

    def segment(self, number: int, meter: Meter) -> bytes:
        """See :class:`SegmentedSource`. Raises what fetching raises; a segment that does not exist
        is named."""
        piece = self._pieces[number]
        if piece.missing:
            return b""
        try:
            return self._fetch(piece.resource, piece.estimate, meter)
        except SourceNotFound as exc:
            raise SourceNotFound(
                f"{self._name}: segment {number} is not there: {exc}", stage="open",
                source=self._name, segment=number,
            ) from exc  # fmt: skip

    def expect_segments(self, numbers: Sequence[int], meter: Meter) -> None:
        """See :class:`SegmentedSource`. A few at a time: each that was read lets another start."""
        with self._lock:
            self._check()
            wished = self._wished.setdefault(meter, deque())
            for number in numbers:
                piece = self._pieces[number]
                if piece.init is not None and piece.init not in wished:
                    wished.append(piece.init)
                if not piece.missing and piece.resource not in wished:
                    wished.append(piece.resource)
            self._start_wished(meter)

    # -- as a plain source ------------------------------------------------------------------

    def read_at(self, offset: int, size: int) -> bytes:
        return self.read_some(offset, size, Meter())

    def read_some(self, offset: int, size: int, meter: Meter) -> bytes:
        """Of the first segment with what stands before it; both are fetched at the same time."""
        number = next(i for i, s in enumerate(self._segments) if not s.missing)
        self.expect_segments([number], meter)
        data = self.init(number, meter)
        if offset + size > len(data):
            data += self.segment(number, meter)
        return data[offset : offset + size]

    def expect(self, ranges: Sequence[ByteRange], meter: Meter) -> None:
        """Nothing: what is going to be read is told as segments."""

    def dismiss(self, meter: Meter) -> None:
        with self._lock:
            self._wished.pop(meter, None)
            sources = [one.source for one in self._loading.values()] + list(self._shared.values())
            wished = {resource for others in self._wished.values() for resource in others}
            idle = [r for r, one in self._loading.items() if not one.users and r not in wished]
            forgotten = [self._loading.pop(resource) for resource in idle]
        for source in sources:
            if isinstance(source, PlannedSource):
                source.dismiss(meter)
        for one in forgotten:
            if not one.shared:
                one.source.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            sources = [one.source for one in self._loading.values()] + list(self._shared.values())
            self._loading.clear()
            self._shared.clear()
            self._kept.clear()
            self._wished.clear()
        for source in sources:
            source.close()

    # -- fetching ---------------------------------------------------------------------------

    def _check(self) -> None:
        if self._closed:
            raise EngineClosed(f"{self._name}: the video is closed")

    def _fetch(self, resource: Resource, estimate: int, meter: Meter) -> bytes:
        with self._lock:
            self._check()
            if resource in self._kept:
                self._kept.move_to_end(resource)
                self._start_wished(meter, resource)
                return self._kept[resource]
            loading = self._begin(resource, estimate, meter)
            loading.users += 1
        data: bytes | None = None
        try:
            data = self._read(loading.source, resource, meter)
        finally:
            with self._lock:
                loading.users -= 1
                if data is not None:
                    self._keep(resource, data)
                self._end(resource, loading, arrived=data is not None)
        with self._lock:
            self._start_wished(meter, resource)
        return data

    def _begin(self, resource: Resource, estimate: int, meter: Meter) -> _Loading:
        """Open the file and ask for the first bytes of the segment. With the lock held."""
        loading = self._loading.get(resource)
        if loading is None:
            shared = resource.size is not None
            source = self._shared.pop(resource.url, None) if shared else None
            if source is None:
                source = self._open(resource.url)
            if shared:
                self._shared[resource.url] = source
                self._close_spare()
            loading = self._loading[resource] = _Loading(source, shared)
            _announce(source, resource, estimate, meter)
        return loading

    def _close_spare(self) -> None:
        used = {id(one.source) for one in self._loading.values()}
        for url in list(self._shared)[:-_OPEN]:
            if id(self._shared[url]) not in used:
                self._shared.pop(url).close()

    def _end(self, resource: Resource, loading: _Loading, *, arrived: bool) -> None:
        """One thread has done with a segment, or given up. With the lock held."""
        if (arrived or not loading.users) and self._loading.get(resource) is loading:
            del self._loading[resource]
        if not loading.users and not loading.shared:
            loading.source.close()

    def _keep(self, resource: Resource, data: bytes) -> None:
        self._kept[resource] = data
        self._kept.move_to_end(resource)
        held = sum(map(len, self._kept.values()))
        while held > self._keep_bytes and len(self._kept) > 1:
            held -= len(self._kept.popitem(last=False)[1])

    def _start_wished(self, meter: Meter, read: Resource | None = None) -> None:
        """Begin with what is wished for next, as far as little enough is on its way."""
        wished = self._wished.get(meter)
        if wished is None:
            return
        if read in wished:
            # What was wished for before it is not going to be read any more.
            while wished.popleft() != read:
                pass
        for resource in list(wished)[:_AHEAD]:
            if resource not in self._kept and resource not in self._loading:
                try:
                    self._begin(resource, self._estimates.get(resource, 0), meter)
                except SourceError:
                    return  # whoever reads it will be told

    def _read(self, source: Source, resource: Resource, meter: Meter) -> bytes:
        parts: list[bytes] = []
        got, allowed = 0, self._max_segment
        wanted = resource.size
        announced = False
        while wanted is None or got < wanted:
            left = _STEP if wanted is None else wanted - got
            if not isinstance(source, PlannedSource):
                data = source.read_at(resource.offset + got, left)
            else:
                if got and wanted is None and not announced and source.size is not None:
                    # Now that its size is known, the rest may come over several connections.
                    rest = source.size - resource.offset - got
                    source.expect([ByteRange(resource.offset + got, rest)], meter)
                    announced = True
                data = source.read_some(resource.offset + got, left, meter)
            if not data:
                break
            parts.append(data)
            got += len(data)
            if got > allowed:
                raise LimitExceeded(
                    f"{shown(resource.url)}: a segment of more than {allowed} bytes",
                    stage="open", limit="max_segment", allowed=allowed, seen=got,
                )  # fmt: skip
        if wanted is not None and got < wanted:
            raise SourceNotFound(
                f"{shown(resource.url)}: ends before byte {resource.offset + wanted}",
                stage="open", source=shown(resource.url),
            )  # fmt: skip
        return b"".join(parts)


def _announce(source: Source, resource: Resource, estimate: int, meter: Meter) -> None:
    if isinstance(source, PlannedSource):
        size = resource.size
        if size is None:
            # More than there is costs nothing; bit rates are often the highest of all segments'.
            size = min(max(_LEAST, estimate + estimate // 4), _STEP) if estimate else _STEP
        source.expect([ByteRange(resource.offset, size)], meter)
