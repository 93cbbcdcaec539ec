"""Why a job failed: in the words of the vendor's media engine, and in ours behind them."""

from __future__ import annotations

from typing import Final

from ...domain.records import Failure

__all__ = ["why_of"]

_NOT_FOUND: Final = ("InvalidParameter.ResourceNotFound", "The resource operated is not found")
_BAD: Final = ("InvalidParameter.ResourceContentBad", "The resource operated is bad")
_DENIED: Final = ("InvalidParameter.ResourceAccessDenied", "The resource operated cannot be read")
_PARAMETER: Final = ("InvalidParameter", "The specified parameter is not valid")
_LIMIT: Final = ("InvalidParameter.ResourceTooLarge", "The resource operated exceeds a limit")
_TIME: Final = ("JobTimeout", "The job has taken too long")
_INTERNAL: Final = ("InternalError", "The job has failed due to some unknown error")

#: Our codes -> the vendor's code and sentence.
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "source_not_found": _NOT_FOUND,
    "source_denied": _DENIED,
    "source_refused": _DENIED,
    "source_timeout": _NOT_FOUND,
    "source_busy": _NOT_FOUND,
    "source_changed": _BAD,
    "source_unavailable": _NOT_FOUND,
    "ranges_unsupported": _BAD,
    "unrecognized_container": _BAD,
    "no_video_stream": _BAD,
    "unsupported_codec": _BAD,
    "corrupt_media": _BAD,
    "media_unusable": _BAD,
    "seek_failed": _BAD,
    "no_frame_at_target": ("InvalidParameter.TimeOutOfRange", "No picture is in the times given"),
    "invalid_field": _PARAMETER,
    "invalid_time": _PARAMETER,
    "invalid_option": _PARAMETER,
    "invalid_geometry": _PARAMETER,
    "layout_too_large": _PARAMETER,
    "limit_exceeded": _LIMIT,
    "job_timeout": _TIME,
}


def why_of(failure: Failure) -> dict[str, str]:
    """``ErrorCode`` and ``ErrorMessage`` of a failed job."""
    code, sentence = _WORDS.get(failure.code, _INTERNAL)
    return {"ErrorCode": code, "ErrorMessage": f"{sentence}. ({failure.code}: {failure.message})"}
