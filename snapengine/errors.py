"""The exception tree. Every failure of the library is a :class:`SnapError`.

::

    SnapError                        .code  .stage  .retryable  .context   __cause__ = native error
    |- RequestError (ValueError)     the caller's fault; raised before any I/O
    |    |- InvalidTime  InvalidGeometry  InvalidOption  LayoutTooLarge
    |- SourceError (OSError)         the bytes are not available
    |    |- SourceNotFound  SourceDenied  SourceTimeout*  SourceBusy*  SourceChanged
    |    |- RangesUnsupported
    |- MediaError                    bytes were read and cannot be used
    |    |- UnrecognizedContainer  NoVideoStream  UnsupportedCodec  CorruptMedia
    |    |- SeekFailed  NoFrameAtTarget (LookupError)
    |- LimitExceeded                 pixels, bytes, packets or deadline; names limit and value
    |- EncodeError                   a picture could not be encoded
    |- StoreError*                   a result could not be written
    |- EngineError (RuntimeError)    EngineClosed  Cancelled  BackendMissing  InvariantBroken

``*`` retryable. The class says why; :attr:`SnapError.stage` says where:
open, probe, index, plan, decode, scale, compose, encode or store.
"""

from __future__ import annotations

from typing import Literal

Stage = Literal[
    "request", "open", "probe", "index", "plan", "decode", "scale", "compose", "encode", "store"
]

__all__ = [
    "BackendMissing",
    "Cancelled",
    "CorruptMedia",
    "EncodeError",
    "EngineClosed",
    "EngineError",
    "InvalidGeometry",
    "InvalidOption",
    "InvalidTime",
    "InvariantBroken",
    "LayoutTooLarge",
    "LimitExceeded",
    "MediaError",
    "NoFrameAtTarget",
    "NoVideoStream",
    "PictureWarning",
    "RangesUnsupported",
    "RequestError",
    "SeekFailed",
    "SnapError",
    "SourceBusy",
    "SourceChanged",
    "SourceDenied",
    "SourceError",
    "SourceNotFound",
    "SourceTimeout",
    "Stage",
    "StoreError",
    "UnrecognizedContainer",
    "UnsupportedCodec",
]


class SnapError(Exception):
    """Root of the tree.

    ``code`` is a stable slug for programs, ``stage`` where it happened,
    ``context`` the values concerned (``source``, ``stream``, ``time``, ``value`` ...).
    """

    code = "error"
    retryable = False

    def __init__(self, message: str, *, stage: Stage | None = None, **context: object) -> None:
        super().__init__(message)
        self.message = message
        self.stage = stage
        self.context = context

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.stage, self.context))


def _rebuild(
    kind: type[SnapError], message: str, stage: Stage | None, context: dict[str, object]
) -> SnapError:
    """Unpickle: errors cross process boundaries whole (the service decodes in workers)."""
    return kind(message, stage=stage, **context)


class RequestError(SnapError, ValueError):
    """The request cannot be meant seriously; raised before any I/O."""

    code = "invalid_request"


class InvalidTime(RequestError):
    """A time, interval or count that is not usable."""

    code = "invalid_time"


class InvalidGeometry(RequestError):
    """A size, grid, padding or margin that is not usable."""

    code = "invalid_geometry"


class InvalidOption(RequestError):
    """An option whose value is not one of those offered."""

    code = "invalid_option"


class LayoutTooLarge(RequestError):
    """A single cell or picture is larger than the output format allows."""

    code = "layout_too_large"


class SourceError(SnapError, OSError):
    """The bytes are not available."""

    code = "source_unavailable"


class SourceNotFound(SourceError):
    """Nothing is there."""

    code = "source_not_found"


class SourceDenied(SourceError):
    """It is there and may not be read, or a file asked for another one."""

    code = "source_denied"


class SourceTimeout(SourceError):
    """The bytes did not come in time."""

    code = "source_timeout"
    retryable = True


class SourceBusy(SourceError):
    """The server refused for now (429, 5xx, resets), however often it was asked."""

    code = "source_busy"
    retryable = True


class RangesUnsupported(SourceError):
    """The server does not serve parts of files; ``Network(without_ranges="stream")`` reads all."""

    code = "ranges_unsupported"


class SourceChanged(SourceError):
    """The bytes changed while they were being read."""

    code = "source_changed"


class MediaError(SnapError):
    """Bytes were read, and no picture can be made of them."""

    code = "media_unusable"


class UnrecognizedContainer(MediaError):
    """Not a video file, or one whose header is destroyed."""

    code = "unrecognized_container"


class NoVideoStream(MediaError):
    """A media file without moving pictures. ``attached_pictures``: its cover art, as in
    :attr:`~snapengine.VideoInfo.attached_pictures`."""

    code = "no_video_stream"

    @property
    def attached_pictures(self) -> tuple[object, ...]:
        found = self.context.get("attached_pictures", ())
        return found if isinstance(found, tuple) else ()


class UnsupportedCodec(MediaError):
    """No decoder for this codec."""

    code = "unsupported_codec"


class CorruptMedia(MediaError):
    """Damaged so that no picture can be decoded."""

    code = "corrupt_media"


class SeekFailed(MediaError):
    """The container could not be positioned."""

    code = "seek_failed"


class NoFrameAtTarget(MediaError, LookupError):
    """No frame could be decoded for this time."""

    code = "no_frame_at_target"


class LimitExceeded(SnapError):
    """A limit was reached. ``context`` holds ``limit``, ``allowed`` and ``seen``."""

    code = "limit_exceeded"


class PictureWarning(UserWarning):
    """Pictures of this video cannot be shown as they were meant. No error: issued by ``warnings``
    when the video is opened, and kept in :attr:`~snapengine.VideoInfo.warnings`."""


class EncodeError(SnapError):
    """A picture could not be encoded."""

    code = "encode_failed"


class StoreError(SnapError):
    """A result could not be written."""

    code = "store_failed"
    retryable = True


class EngineError(SnapError, RuntimeError):
    """The library itself."""

    code = "engine_error"


class EngineClosed(EngineError):
    """Used after ``close()``."""

    code = "closed"


class Cancelled(EngineError):
    """The call was given up by its caller; what awaits it sees ``asyncio.CancelledError``."""

    code = "cancelled"


class BackendMissing(EngineError):
    """An optional package is needed; the message names the extra that brings it."""

    code = "backend_missing"


class InvariantBroken(EngineError):
    """A bug of ours; please report it."""

    code = "invariant_broken"
