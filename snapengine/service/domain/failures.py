"""Why the service refuses a call: our reasons, which a dialect turns into its vendor's codes.

A broken limit of one field is an :class:`InvalidField`; bad credentials are the failures of
``service/auth``. What is refused because of a tenant's other things looks like what is not there:
nobody learns what others have.
"""

from __future__ import annotations

from ...errors import SnapError

__all__ = [
    "CoverRefused",
    "NotFound",
    "QueueFull",
    "ServiceError",
    "ServiceUnavailable",
    "SourceRefused",
    "TooMany",
    "UnknownAsset",
    "UnknownCallback",
    "UnknownJob",
    "UnknownPicture",
    "UnknownTemplate",
    "UploadRefused",
    "WrongStatus",
]


class ServiceError(SnapError):
    """Root of what the service refuses. ``context`` has the values concerned."""

    code = "service_error"


class NotFound(ServiceError):
    """Nothing of this tenant's has that name. ``context["id"]`` is what was asked for."""

    code = "not_found"


class UnknownAsset(NotFound):
    """No such asset."""

    code = "unknown_asset"


class UnknownJob(NotFound):
    """No such job."""

    code = "unknown_job"


class UnknownTemplate(NotFound):
    """No such template."""

    code = "unknown_template"


class UnknownPicture(NotFound):
    """No such picture, or no picture of that kind yet."""

    code = "unknown_picture"


class UnknownCallback(NotFound):
    """No callback is configured."""

    code = "unknown_callback"


class WrongStatus(ServiceError):
    """The asset's status does not allow it. ``context``: ``id``, ``status``."""

    code = "wrong_status"


class TooMany(ServiceError):
    """More items than one call may have. ``context``: ``field``, ``seen``, ``allowed``."""

    code = "too_many"


class QueueFull(ServiceError):
    """As many jobs wait as may. ``retry_after``: seconds after which asking again makes sense."""

    code = "queue_full"
    retryable = True

    @property
    def retry_after(self) -> int:
        return int(str(self.context.get("retry_after", 1)))


class SourceRefused(ServiceError):
    """A source that may not be read: its scheme, or a file outside of the allowed folders."""

    code = "source_refused"


class CoverRefused(ServiceError):
    """A picture that cannot be a cover: ``context["why"]`` is "format", "bytes", "size",
    "damaged", "address" or "url"."""

    code = "cover_refused"


class UploadRefused(ServiceError):
    """An upload that is not awaited, too large, or whose credential does not hold."""

    code = "upload_refused"


class ServiceUnavailable(ServiceError):
    """The service is closing, or its database does not answer."""

    code = "service_unavailable"
    retryable = True
