"""A caller's own byte source as a :class:`Fetcher`: whatever has ``read_at(offset, size)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..errors import EngineClosed, InvalidOption, SnapError, SourceError, SourceTimeout
from .meter import Meter

#: Handed on in parts of this size, like what comes from the network.
_PIECE: Final = 64 << 10


class CustomFetcher:
    """Asks a caller's object, checks every answer.

    ``source.read_at(offset, size)`` returns a bytes-like object of at most ``size`` bytes, fewer
    only at the end, and may be called from several threads at once. ``source.size`` is the number
    of bytes, or ``None`` or missing where that cannot be known. ``source.name`` (for messages) and
    ``source.close()`` (called once) are optional.

    What its code raises becomes a :class:`SourceError` with the cause chained (``TimeoutError`` a
    :class:`SourceTimeout`); a :class:`SnapError` passes as it is, and so does what is no
    :class:`Exception` (``KeyboardInterrupt``, cancellation). Such a source retries by itself, if at
    all: only an answer that is too short is asked for again, once.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        name = getattr(source, "name", None)
        self._name = name if isinstance(name, str) and name else f"<{type(source).__name__}>"
        self._closed = False
        if not callable(getattr(source, "read_at", None)):
            raise InvalidOption(
                f"{self._name} has no read_at(offset, size)", stage="open", value=self._name
            )
        size = self._ask("size", lambda: getattr(source, "size", None))
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
            raise InvalidOption(
                f"{self._name}: size must be a number of bytes or None, not {size!r}",
                stage="open",
                value=size,
            )
        self._size: int | None = size

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int | None:
        return self._size

    @property
    def validator(self) -> str | None:
        """Nothing tells versions of it apart: it is never kept on disk."""
        return None

    def fetch(self, offset: int, size: int, sink: Callable[[bytes], object], meter: Meter) -> None:
        """See :class:`Fetcher`."""
        if self._size is not None:
            size = min(size, self._size - offset)
        if size <= 0:
            return
        got = more = self._part(offset, size, sink, meter, retry=False)
        if self._size is None:
            while more and got < size:  # only an empty answer is the end
                more = self._part(offset + got, size - got, sink, meter, retry=True)
                got += more
            return
        if got < size:
            got += self._part(offset + got, size - got, sink, meter, retry=True)
        if got < size:
            raise SourceError(
                f"{self._name}: read_at({offset}, {size}) gave {got} of {size} bytes, "
                f"and the end is at {self._size}",
                stage="open", source=self._name, offset=offset, asked=size, got=got,
            )  # fmt: skip

    def close(self) -> None:
        """Close the caller's object, if it can be closed."""
        if self._closed:
            return
        self._closed = True
        close = getattr(self._source, "close", None)
        if callable(close):
            self._ask("close()", close)

    def _part(
        self, offset: int, size: int, sink: Callable[[bytes], object], meter: Meter, *, retry: bool
    ) -> int:
        """One call of theirs; how many bytes it gave."""
        if self._closed:
            raise EngineClosed(f"{self._name}: the video is closed")
        call = f"read_at({offset}, {size})"
        with meter.request(size, retry=retry) as received:
            answer = self._ask(call, lambda: self._source.read_at(offset, size))
            try:
                data = bytes(memoryview(answer))
            except TypeError as exc:
                raise SourceError(
                    f"{self._name}: {call} gave no bytes but {type(answer).__name__}",
                    stage="open", source=self._name,
                ) from exc  # fmt: skip
            if len(data) > size:
                raise SourceError(
                    f"{self._name}: {call} gave {len(data)} bytes, more than asked for",
                    stage="open", source=self._name, offset=offset, asked=size, got=len(data),
                )  # fmt: skip
            for at in range(0, len(data), _PIECE):
                piece = data[at : at + _PIECE]
                received(len(piece))
                sink(piece)
        return len(data)

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:
        """Run the caller's code."""
        try:
            return call()
        except SnapError:
            raise
        except Exception as exc:
            kind = SourceTimeout if isinstance(exc, TimeoutError) else SourceError
            raise kind(
                f"{self._name}: {what} failed: {type(exc).__name__}: {exc}",
                stage="open", source=self._name,
            ) from exc  # fmt: skip
