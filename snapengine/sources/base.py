"""The source protocol and the file-like reader that demuxers get."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from .meter import Meter


class Source(Protocol):
    """Random access to the bytes of one file.

    ``read_at`` returns at most ``size`` bytes from ``offset``; fewer only at the end. Safe to call
    from several threads. ``size`` is ``None`` when it cannot be known.
    """

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int | None: ...

    def read_at(self, offset: int, size: int) -> bytes: ...

    def close(self) -> None: ...


class Fetcher(Protocol):
    """Fetches ranges of one immutable remote file. Thread-safe; every call blocks its thread.

    ``name`` is for messages: without credentials and query. ``size`` and ``validator`` (a strong
    ETag, or Last-Modified) are ``None`` until the first :meth:`fetch` has been answered, and where
    the server does not tell.
    """

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int | None: ...

    @property
    def validator(self) -> str | None: ...

    def fetch(self, offset: int, size: int, sink: Callable[[bytes], object], meter: Meter) -> None:
        """Hand the bytes from ``offset`` on to ``sink``, in order, piece by piece as they arrive.

        Exactly ``size`` bytes, fewer only at the end of the file, none behind it. Retries go on
        where the bytes ended, so none comes twice. Asks ``meter`` before each request and after
        each piece. Raises a :class:`SourceError`, or what ``meter`` or ``sink`` raise; then the
        connection concerned is closed.
        """
        ...

    def close(self) -> None:
        """Close idle connections. Fetches under way end with an error."""
        ...


class ByteRange(NamedTuple):
    """``size`` bytes from ``offset`` on."""

    offset: int
    size: int


@runtime_checkable
class PlannedSource(Source, Protocol):
    """A source whose bytes cost round trips, so that it wants to know what will be read.

    ``meter`` is the one of the call on whose behalf bytes are fetched. Thread-safe.
    """

    def read_some(self, offset: int, size: int, meter: Meter) -> bytes:
        """Up to ``size`` bytes: what is at hand from ``offset`` on, at least one; none at the end.

        Fewer than asked for is no sign of the end: bytes behind what is at hand may never be
        needed.
        """
        ...

    def expect(self, ranges: Sequence[ByteRange], meter: Meter) -> None:
        """These are going to be read, about in this order: begin to fetch them. Does not block."""
        ...

    def dismiss(self, meter: Meter) -> None:
        """The call is over: what it expected and nobody has read need not come any more."""
        ...


class MeteredSource:
    """A :class:`PlannedSource` on behalf of one call at a time: that of ``meter``."""

    def __init__(self, source: PlannedSource, meter: Meter) -> None:
        self._source = source
        self.meter = meter

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def size(self) -> int | None:
        return self._source.size

    def read_at(self, offset: int, size: int) -> bytes:
        """All of a range; fewer bytes only at the end of the file."""
        parts: list[bytes] = []
        got = 0
        while got < size and (data := self.read_some(offset + got, size - got)):
            if not got and size - len(data) > len(data):
                self.expect([ByteRange(offset, size)])
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def read_some(self, offset: int, size: int) -> bytes:
        """What is at hand, see :class:`PlannedSource`."""
        return self._source.read_some(offset, size, self.meter)

    def expect(self, ranges: Sequence[ByteRange]) -> None:
        """What is going to be read, see :class:`PlannedSource`."""
        self._source.expect(ranges, self.meter)

    def close(self) -> None:
        """Nothing: it is only lent."""


def expect(source: Source, ranges: Sequence[ByteRange]) -> None:
    """Tell a source that wants to know it what is going to be read; others do not care."""
    if isinstance(source, MeteredSource):
        source.expect(ranges)


class Withheld(NamedTuple):
    """From ``begin`` to ``end`` nothing is read for now. ``buffer``: bytes of AVIO's buffer.
    ``filler``: what stands there instead of zeros, and where."""

    begin: int
    end: int
    buffer: int
    filler: tuple[int, bytes] = (0, b"")


class SourceReader(io.RawIOBase):
    """A seekable stream over a :class:`Source`, as ``AVIOContext`` wants it. One per demuxer.

    ``bytes_read`` counts what came out of the source. ``on_read`` is called with that count before
    each read and raises to stop it (limits, deadlines). ``patches`` overlay a few bytes, so that a
    demuxer can be shown a header without the tracks that nobody asked for. After an error it is at
    its end: whoever reads gets the error once. ``withheld`` is a
    stretch that need not be fetched while a demuxer only learns what it deals with.
    """

    def __init__(
        self,
        source: Source,
        *,
        on_read: Callable[[int], None] | None = None,
        patches: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        super().__init__()
        self._source = source
        # Of a remote file what is at hand is enough: what lies behind may never be needed.
        self._read = source.read_some if isinstance(source, MeteredSource) else source.read_at
        #: what is not to be read for now
        self.withheld: Withheld | None = None
        self._position = 0
        self._on_read = on_read
        self._patches = sorted(patches)
        self._patched_until = max((o + len(b) for o, b in patches), default=0)
        self._patched_from = min((o for o, _ in patches), default=0)
        self.bytes_read = 0
        self._failed = False

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def size(self) -> int | None:
        """Bytes of the whole source, ``None`` if unknown."""
        return self._source.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._failed:
            return b""
        try:
            return self._read_on(size)
        except BaseException:
            # libavformat may read on; PyAV would print each further error to stderr.
            self._failed = True
            raise

    def _read_on(self, size: int) -> bytes:
        if self._on_read is not None:
            self._on_read(self.bytes_read)
        if size < 0:
            size = max(0, (self._source.size or 0) - self._position)
        start = self._position
        if self.withheld is None:
            data = self._read(start, size)
            self.bytes_read += len(data)
        else:
            data = self._read_around(start, size, self.withheld)
        self._position = start + len(data)
        if start < self._patched_until and self._position > self._patched_from:
            data = self._patch(start, data)
        return data

    def _read_around(self, start: int, size: int, withheld: Withheld) -> bytes:
        """Read without fetching anything of what is withheld.

        What is larger than AVIO's buffer goes past it, straight into a packet that is going to be
        thrown away: it is filled up, so that the lengths in it hold. Into the buffer, where it
        would stay, go only bytes that are the file's.
        """
        begin, end, buffer, (at, filler) = withheld
        wanted = size if start >= end else min(size, max(0, begin - start))
        real = self._read(start, wanted) if wanted else b""
        self.bytes_read += len(real)
        if start >= end or start + len(real) < begin or size <= buffer:
            return real
        made_up = bytearray(min(size, end - start) - len(real))
        first = at - start - len(real)
        if filler and 0 <= first <= len(made_up) - len(filler):
            made_up[first : first + len(filler)] = filler
        return real + made_up

    def _patch(self, start: int, data: bytes) -> bytes:
        out = bytearray(data)
        for offset, replacement in self._patches:
            low, high = max(offset, start), min(offset + len(replacement), start + len(out))
            if low < high:
                out[low - start : high - start] = replacement[low - offset : high - offset]
        return bytes(out)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            size = self._source.size
            if size is None:
                raise OSError("size unknown: cannot seek from the end")
            offset += size
        if offset < 0:
            raise OSError(f"cannot seek to {offset}")
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position
