"""FFmpeg's errors -> ours, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import av.error

from ..errors import (
    CorruptMedia,
    MediaError,
    SnapError,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceTimeout,
    Stage,
    UnrecognizedContainer,
    UnsupportedCodec,
)

#: Most specific first; PyAV's classes inherit from the builtins.
_TABLE: tuple[tuple[type[BaseException], type[SnapError]], ...] = (
    (av.error.DecoderNotFoundError, UnsupportedCodec),
    (av.error.PatchWelcomeError, UnsupportedCodec),
    (av.error.DemuxerNotFoundError, UnrecognizedContainer),
    (av.error.InvalidDataError, CorruptMedia),
    (FileNotFoundError, SourceNotFound),
    (PermissionError, SourceDenied),
    (TimeoutError, SourceTimeout),
    (EOFError, CorruptMedia),
)


@contextmanager
def translating(stage: Stage, source: str) -> Iterator[None]:
    """Raise our error for any native one inside, the cause chained."""
    try:
        yield
    except SnapError:
        raise
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as exc:
        ours = next(
            (ours for native, ours in _TABLE if isinstance(exc, native)),
            SourceError if type(exc) is OSError else MediaError,
        )
        if ours is CorruptMedia and stage == "open":
            ours = UnrecognizedContainer
        reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        raise ours(f"{source}: {reason}", stage=stage, source=source) from exc
