"""Tickets for uploads: who may send which file where, in a text that only we can make.

Nothing is remembered of a ticket: it says itself what it is for, under an HMAC. It is the token of
a plain upload address, and the security token of temporary credentials in the manner of OSS.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, urlsplit

from ..auth.clock import Clock
from ..domain.failures import UploadRefused

if TYPE_CHECKING:
    from ..facade import Service

__all__ = [
    "PREFIX",
    "OssUpload",
    "Ticket",
    "UploadTickets",
    "UploadWhat",
    "oss_upload",
    "upload_tickets",
    "upload_url",
]

UploadWhat = Literal["video", "cover"]

#: Below the base URL.
PREFIX: Final = "/upload/"
#: Bytes of a token at most; ours have some 300.
_LONGEST: Final = 1024
_TOKEN: Final = re.compile(r"se1\.[A-Za-z0-9_-]+\.[0-9a-f]{64}")
_PURPOSE: Final = b"snapengine upload 1"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
#: Characters that some system or shell has its own ideas about become "_".
_UNPLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Leave to upload one file of one asset. ``token`` is the credential; ``expires``: seconds
    since 1970, no longer good from then on."""

    tenant: str
    asset_id: str
    what: UploadWhat
    expires: int
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OssUpload:
    """Where and with which temporary credentials an OSS SDK uploads the file of a ticket."""

    endpoint: str
    bucket: str
    object_name: str
    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(repr=False)
    expires: int


class UploadTickets:
    """Makes tickets, and reads those that come back. Immutable, thread-safe."""

    def __init__(self, secret: str, clock: Clock = time.time) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
        self._clock = clock

    def issue(self, tenant: str, asset_id: str, what: UploadWhat, seconds: int) -> Ticket:
        """A ticket that is good for so long."""
        expires = int(self._clock()) + seconds
        fields = [tenant, asset_id, what, expires, secrets.token_hex(8)]
        text = json.dumps(fields, separators=(",", ":")).encode()
        named = "se1." + base64.urlsafe_b64encode(text).rstrip(b"=").decode()
        token = f"{named}.{self._mac(named)}"
        return Ticket(tenant=tenant, asset_id=asset_id, what=what, expires=expires, token=token)

    def read(self, token: str) -> Ticket:
        """The ticket of a token.

        Raises :class:`UploadRefused`; ``context["why"]`` is "token" or "expired".
        """
        if len(token) > _LONGEST or not _TOKEN.fullmatch(token):
            raise _refused("the upload token is not valid", "token")
        named, _, mac = token.rpartition(".")
        if not hmac.compare_digest(self._mac(named), mac):
            raise _refused("the upload token is not valid", "token")
        text = named.partition(".")[2]
        try:
            # What we signed we wrote: this cannot fail unless the secret is known.
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            tenant, asset_id, what, expires, _ = json.loads(data)
        except (binascii.Error, ValueError, TypeError) as exc:
            raise _refused("the upload token is not valid", "token") from exc
        if self._clock() >= expires:
            raise _refused("the upload token has expired", "expired")
        return Ticket(tenant=tenant, asset_id=asset_id, what=what, expires=expires, token=token)

    def oss_key(self, token: str) -> tuple[str, str]:
        """Id and secret of the temporary access key that goes with a token."""
        whole = hmac.digest(self._key, b"oss\n" + token.encode(), hashlib.sha256)
        name = hashlib.sha256(token.encode()).digest()
        return f"STS.{_word(name)[:24]}", _word(whole)[:40]

    def _mac(self, named: str) -> str:
        return hmac.new(self._key, named.encode(), hashlib.sha256).hexdigest()


def _word(data: bytes) -> str:
    """Letters and digits, as access keys have them."""
    return base64.b32encode(data).decode().rstrip("=")


def _refused(message: str, why: str) -> UploadRefused:
    return UploadRefused(message, stage="request", why=why)


def upload_tickets(service: Service) -> UploadTickets:
    """Those of a service; its database keeps the secret."""
    return UploadTickets(service.database.set_value_once("upload_secret", secrets.token_hex(32)))


def plain_name(file_name: str) -> str:
    """The last part of a file name, in letters that every client escapes alike."""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    return _UNPLAIN.sub("_", last).lstrip(".")[-100:] or "file"


def upload_url(base: str, ticket: Ticket, file_name: str) -> str:
    """The address that takes the ticket's file by ``PUT``; it is a credential itself."""
    return f"{base}{PREFIX}{ticket.token}/{quote(plain_name(file_name))}"


def oss_upload(base: str, tickets: UploadTickets, ticket: Ticket, file_name: str) -> OssUpload:
    """The same for OSS SDKs, which know an endpoint, a bucket and an object.

    They drop a path in the endpoint, so the first part of ours is the bucket, and the others
    begin the object's name. Raises :class:`UploadRefused` where a prefix that the service is
    mounted at cannot be a bucket's name.
    """
    parts = urlsplit(base)
    rest = f"{ticket.what}/{ticket.asset_id}/{plain_name(file_name)}"
    path = f"{parts.path.strip('/')}{PREFIX}{rest}".lstrip("/")
    bucket, _, object_name = path.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise UploadRefused(
            f"no bucket can be named {bucket!r}: OSS uploads need another prefix", stage="request"
        )
    key, secret = tickets.oss_key(ticket.token)
    return OssUpload(
        endpoint=f"{parts.scheme}://{parts.netloc}", bucket=bucket, object_name=object_name,
        access_key_id=key, access_key_secret=secret, security_token=ticket.token,
        expires=ticket.expires,
    )  # fmt: skip
