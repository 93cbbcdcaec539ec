"""What goes wrong, in the vendor's codes: one table for our failures, one word for each fault.

Codes, statuses and sentences are the vendor's where a page or a live answer shows them. A parameter
``X`` that is missing or wrong makes ``MissingX`` and ``InvalidX``, as its gateway does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ....errors import SnapError, StoreError
from ...auth import failures as auth
from ...domain import failures as domain
from ...domain.fields import InvalidField

__all__ = [
    "Fault",
    "fault_of",
    "illegal_characters",
    "illegal_status",
    "internal",
    "invalid",
    "missing",
    "no_such_resource",
    "no_such_video",
    "not_unicode",
    "too_long",
    "too_many",
    "unknown_action",
]

#: Characters of a signed text that an answer repeats; a client compares it with its own.
_MAX_ECHO: Final = 16 * 1024
_UNSHOWN: Final = re.compile(r"[^ -~]")


class Fault(Exception):
    """An answer that says no: ``code``, HTTP ``status`` and ``message`` are the vendor's.

    ``retry_after``: seconds, sent as ``x-acs-retry-after``.
    """

    def __init__(
        self, code: str, status: int, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.message = message
        self.retry_after = retry_after


# -- parameters -----------------------------------------------------------------------------


def missing(name: str) -> Fault:
    """A parameter that must be given is not."""
    return Fault(f"Missing{name}", 400, f"{name} is mandatory for this action.")


def missing_header(name: str) -> Fault:
    """The same of a header: its name would make no code."""
    return Fault(
        "MissingParameter",
        400,
        f'The input parameter "{name}" that is mandatory for processing this request'
        " is not supplied.",
    )


def invalid(name: str) -> Fault:
    """A parameter, or a member of one, has a value that it may not have."""
    return Fault(f"Invalid{name}", 400, f"Specified parameter {name} is not valid.")


def not_unicode() -> Fault:
    """Something cannot be read as what it must be."""
    return Fault("InvalidParameter.Format", 400, "Specified parameter format is not valid.")


def illegal_characters(name: str) -> Fault:
    """A text that no record can keep."""
    return Fault(
        "IllegalCharacters",
        400,
        f"The specified {name} contains illegal emoticon or special characters.",
    )


def too_long(name: str, most: int) -> Fault:
    """A text has more than ``most`` bytes."""
    return Fault(
        "LengthExceededMax", 400, f"The specified {name} length has exceeded {most} bytes."
    )


def too_many(name: str, most: int) -> Fault:
    """A list has more than ``most`` items."""
    if name == "Tags":
        return Fault("TagsExceededMax", 400, f"The specified Tags count has exceeded {most}.")
    if name == "VideoIds":
        return Fault("VideoIdsExceededMax", 400, "The VideoIds exceeded maximum.")
    return Fault("CountExceededMax", 400, f"The specified {name} count has exceeded {most}.")


# -- business -------------------------------------------------------------------------------


def unknown_action() -> Fault:
    """No such operation, or none by this method."""
    return Fault(
        "InvalidAction.NotFound",
        404,
        "Specified api is not found, please check your url and method.",
    )


def no_such_video() -> Fault:
    """The asset is not there, or not this tenant's."""
    return Fault("InvalidVideo.NotFound", 404, "The video does not exist.")


def no_such_resource(what: object) -> Fault:
    """A template, job, picture or setting is not there. ``what`` was asked for."""
    shown = _UNSHOWN.sub("?", str(what))[:128]
    return Fault("NoSuchResource", 404, f"The specified resource {shown} does not exist.")


def illegal_status() -> Fault:
    """The asset's status does not allow it."""
    return Fault("Forbidden.IllegalStatus", 400, "Status of the video is illegal.")


def throttled(seconds: int) -> Fault:
    """Too much at once; again after ``seconds``."""
    return Fault(
        "Throttling.User",
        400,
        "Request was denied due to user flow control.",
        retry_after=max(1, seconds),
    )


def internal() -> Fault:
    """Our own mistake."""
    return Fault(
        "InternalError", 500, "The request processing has failed due to some unknown error."
    )


def unavailable() -> Fault:
    """The service is closing, or something that it needs does not answer."""
    return Fault(
        "ServiceUnAvailable",
        503,
        "The request has failed due to a temporary failure of the server.",
    )


# -- from our failures ----------------------------------------------------------------------

#: Our fields -> the vendor's parameter, and the bytes that it may have.
_FIELDS: Final[dict[str, tuple[str, int]]] = {
    "at": ("SpecifiedOffsetTimes", 0),
    "cell_height": ("CellHeight", 0),
    "cell_width": ("CellWidth", 0),
    "callback_url": ("CallbackURL", 256),
    "category": ("CateId", 0),
    "color": ("Color", 0),
    "columns": ("Columns", 0),
    "count": ("Count", 0),
    "cover_url": ("CoverURL", 1024),
    "description": ("Description", 1024),
    "extend": ("Extend", 512),
    "file_name": ("FileName", 1024),
    "height": ("Height", 0),
    "interval": ("Interval", 0),
    "keep_cells": ("KeepCellPic", 0),
    "kind": ("SnapshotType", 0),
    "lines": ("Lines", 0),
    "margin": ("Margin", 0),
    "name": ("Name", 128),
    "offset": ("SpecifiedOffsetTime", 0),
    "padding": ("Padding", 0),
    "reference_id": ("ReferenceId", 64),
    "source": ("FileURL", 1024),
    "sprite": ("SpriteSnapshotConfig", 0),
    "tags": ("Tags", 32),
    "tiled": ("IsSptFrag", 0),
    "title": ("Title", 128),
    "user_data": ("UserData", 2048),
    "width": ("Width", 0),
}


def _of_field(exc: InvalidField) -> Fault:
    name, most = _FIELDS.get(exc.field, ("", 0))
    if not name:
        return Fault(
            "InvalidParameter", 400, f'The specified parameter "{exc.field}" is not valid.'
        )
    if exc.why == "missing":
        return missing(name)
    if exc.why == "length":
        return too_long(name, most)
    if exc.why == "number":
        return too_many(name, _most_of(exc))
    return invalid(name)


def _most_of(exc: InvalidField) -> int:
    found = re.search(r"at most ([0-9]+)", exc.message)
    return int(found[1]) if found else 0


def _of_missing(exc: auth.AuthFailure) -> Fault:
    name = exc.parameter or "Signature"
    return missing(name) if name[:1].isupper() else missing_header(name)


def _of_malformed(exc: auth.AuthFailure) -> Fault:
    if exc.parameter in ("authorization", "SignedHeaders"):
        return Fault(
            "IncompleteSignature",
            400,
            "The request signature does not conform to Aliyun standards.",
        )
    return not_unicode()


def _of_scheme(exc: auth.AuthFailure) -> Fault:
    if exc.parameter == "SignatureVersion":
        return invalid("SignatureVersion")
    return Fault("InvalidSignatureMethod", 400, "Specified signature method is not valid.")


def _of_mismatch(exc: auth.AuthFailure) -> Fault:
    # Without the colon and a text behind it the old Python SDK fails with an IndexError.
    signed = (exc.string_to_sign or "")[:_MAX_ECHO]
    return Fault(
        "SignatureDoesNotMatch",
        400,
        "Specified signature is not matched with our calculation."
        f" server string to sign is:{signed}",
    )


def _said(code: str, status: int, message: str) -> Callable[[SnapError], Fault]:
    return lambda _: Fault(code, status, message)


#: Our failures -> the vendor's; the first class that fits counts.
_AUTH: Final[tuple[tuple[type[auth.AuthFailure], Callable[[auth.AuthFailure], Fault]], ...]] = (
    (auth.Missing, _of_missing),
    (auth.Malformed, _of_malformed),
    (auth.SchemeUnsupported, _of_scheme),
    (
        auth.UnknownKey,
        _said("InvalidAccessKeyId.NotFound", 404, "Specified access key is not found."),
    ),
    (
        auth.DisabledKey,
        _said("InvalidAccessKeyId.Inactive", 400, "Specified access key is disabled."),
    ),
    (
        auth.TimeMalformed,
        _said(
            "InvalidTimeStamp.Format",
            400,
            "Specified time stamp or date value is not well formatted.",
        ),
    ),
    (
        auth.TimeExpired,
        _said("InvalidTimeStamp.Expired", 400, "Specified time stamp or date value is expired."),
    ),
    (
        auth.NonceUsed,
        _said("SignatureNonceUsed", 400, "Specified signature nonce was used already."),
    ),
    (auth.NoncesExhausted, lambda _: throttled(60)),
    (auth.SignatureMismatch, _of_mismatch),
    # Temporary keys are not issued here, so neither is met; the table has a row for each leaf.
    (
        auth.TokenInvalid,
        _said("InvalidSecurityToken.Malformed", 400, "Specified SecurityToken is malformed."),
    ),
    (
        auth.TokenExpired,
        _said("InvalidSecurityToken.Expired", 400, "Specified SecurityToken is expired."),
    ),
)


def fault_of(exc: SnapError) -> Fault:
    """The vendor's word for a failure of ours."""
    if isinstance(exc, auth.AuthFailure):
        for kind, turn in _AUTH:
            if isinstance(exc, kind):
                return turn(exc)
    if isinstance(exc, InvalidField):
        return _of_field(exc)
    if isinstance(exc, domain.UnknownAsset):
        return no_such_video()
    if isinstance(exc, domain.NotFound):
        return no_such_resource(exc.context.get("id", ""))
    if isinstance(exc, domain.WrongStatus | domain.UploadRefused):
        return illegal_status()
    if isinstance(exc, domain.TooMany):
        return too_many(str(exc.context.get("field", "")), _allowed(exc))
    if isinstance(exc, domain.QueueFull):
        return throttled(exc.retry_after)
    if isinstance(exc, domain.SourceRefused):
        return invalid("FileURL")
    if isinstance(exc, domain.CoverRefused):
        return invalid("CoverURL")
    if isinstance(exc, domain.ServiceUnavailable | StoreError):
        return unavailable()
    return internal()


def _allowed(exc: SnapError) -> int:
    allowed = exc.context.get("allowed", 0)
    return allowed if isinstance(allowed, int) else 0
