"""Our failures in the vendor's words: one row for each of its errors that can be met here.

Where its pages disagree on a status, see ``Settings.process_status``; otherwise it is that of the
operation's own page.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from ....errors import SnapError, StoreError
from ...auth.failures import (
    AuthFailure,
    DisabledKey,
    SignatureMismatch,
    TimeExpired,
    TimeMalformed,
    TokenExpired,
    TokenInvalid,
    UnknownKey,
)
from ...domain.failures import (
    CoverRefused,
    NotFound,
    QueueFull,
    ServiceUnavailable,
    SourceRefused,
    TooMany,
    UploadRefused,
    WrongStatus,
)
from ...domain.fields import InvalidField

__all__ = [
    "BODY_SLOW",
    "CONTENT_TYPE",
    "HEAD_COVER",
    "ILLEGAL",
    "INTERNAL",
    "NOT_DOWNLOADED",
    "NO_API",
    "OFFLINE",
    "SNAPSHOT",
    "TENANT",
    "TOO_LARGE",
    "UNKNOWN",
    "UNSUPPORTED",
    "WRONG_STATUS",
    "Fault",
    "Refused",
    "fault_of",
    "illegal",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer that is an error. ``retry_after``: seconds."""

    status: int
    code: str
    message: str
    retry_after: int | None = None


class Refused(Exception):
    """A call that ends with a fault; for use within this dialect only."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


_ILLEGAL: Final = "The request parameter is illegal"
_IAM: Final = "Incorrect IAM authentication information"

NO_API: Final = Fault(
    404, "APIGW.0101", "The API does not exist or has not been published in the environment."
)
TOO_LARGE: Final = Fault(413, "APIGW.0201", "Request entity too large.")
BODY_SLOW: Final = Fault(408, "APIGW.0201", "The request body did not arrive in time.")
TOKEN: Final = Fault(401, "APIGW.0307", "The token must be updated.")
#: Of thumbnail jobs and of covers, in events only.
SNAPSHOT: Final = Fault(403, "VOD.10104", "The snapshot task failed.")
HEAD_COVER: Final = Fault(400, "VOD.10013", "The cover could not be generated.")
INTERNAL: Final = Fault(500, "VOD.10051", "Internal system error.")
UNAVAILABLE: Final = Fault(
    403, "VOD.10052", "The internal communication of the service is abnormal."
)
USER_STATE: Final = Fault(403, "VOD.10056", "The user is in an abnormal state.")
TENANT: Final = Fault(403, "VOD.10057", "Tenant ID verification failed.")
CONTENT_TYPE: Final = Fault(403, "VOD.10059", "The requested content type is incorrect.")
NOT_DOWNLOADED: Final = Fault(
    403, "VOD.10060", "Media asset is not downloaded successfully or not released, please check."
)
UNKNOWN: Final = Fault(400, "VOD.10062", "Media asset or resource does not exist, please check.")
UNSUPPORTED: Final = Fault(403, "VOD.10063", "The media asset type is not supported.")
ILLEGAL: Final = Fault(400, "VOD.10081", "The request parameters are illegal, please check.")
WRONG_STATUS: Final = Fault(
    400, "VOD.10083", "The current media asset status does not support this operation."
)
OFFLINE: Final = Fault(403, "VOD.10136", "The function has been taken offline.")

#: Our fields by the vendor's names, where they differ.
_FIELDS: Final = {
    "at": "dots",
    "category": "category_id",
    "count": "quantity",
    "every": "time",
    "longest_side": "max_length",
    "rule": "type",
    "source": "url",
    "spacing": "quantity_time",
    "wide": "aspect_ratio",
}


def illegal(field: str) -> Fault:
    """A parameter that breaks a limit, by the vendor's name of it."""
    return Fault(400, "VOD.10053", f"{_ILLEGAL}, illegal field: {{{field}}}.")


def fault_of(failure: Exception) -> Fault:
    """The fault that a failure of ours is. What is no failure of a caller is logged."""
    if isinstance(failure, Refused):
        return failure.fault
    if isinstance(failure, AuthFailure):
        return _auth(failure)
    if isinstance(failure, InvalidField):
        return illegal(_FIELDS.get(failure.field, failure.field))
    if isinstance(failure, NotFound):
        return UNKNOWN
    if isinstance(failure, WrongStatus):
        return NOT_DOWNLOADED if failure.context.get("status") == "failed" else WRONG_STATUS
    if isinstance(failure, SourceRefused):
        return illegal("url")
    if isinstance(failure, CoverRefused | UploadRefused | TooMany):
        return ILLEGAL
    if isinstance(failure, QueueFull):
        return Fault(
            429, "APIGW.0308", "The throttling threshold has been reached.", failure.retry_after
        )
    if isinstance(failure, ServiceUnavailable | StoreError):
        _log.error("a call failed: %s", failure)
        return UNAVAILABLE
    kind = "a failure without a row" if isinstance(failure, SnapError) else "an unexpected error"
    _log.error("%s", kind, exc_info=failure)
    return INTERNAL


def _auth(failure: AuthFailure) -> Fault:
    if isinstance(failure, TokenInvalid | TokenExpired):
        return TOKEN
    if isinstance(failure, DisabledKey):
        return USER_STATE
    if isinstance(failure, SignatureMismatch):
        why = "verify aksk signature fail"
    elif isinstance(failure, UnknownKey):
        why = "ak not exist"
    elif isinstance(failure, TimeExpired | TimeMalformed):
        why = "verify aksk signature fail, x-sdk-date is not a time near the present"
    elif failure.parameter == "authorization" and failure.code == "credential_missing":
        why = "x-auth-token not found"
    else:
        why = f"verify aksk signature fail, {failure.message}"
    return Fault(401, "APIGW.0301", f"{_IAM}: {why}")
