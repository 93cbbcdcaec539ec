"""Links to pictures: where they are served, and signatures that let them end.

Without ``signed_urls`` a link does not expire; ids of 128 random bits in it guard the picture. With
it a link carries ``expires`` (seconds since 1970) and ``sign``, an HMAC-SHA256 over path and end.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import Final
from urllib.parse import quote

from .auth.clock import Clock
from .settings import Settings

__all__ = ["PREFIX", "LinkExpired", "LinkRefused", "Links"]

#: Below the base URL.
PREFIX: Final = "/files/"

#: Keeps the secret's use here apart from its other uses.
_PURPOSE: Final = b"snapengine link 1"
_PLACE: Final = re.compile(r"\{[A-Za-z]+\}")
_NUMBER: Final = re.compile(r"[0-9]{5}(?=\.[A-Za-z0-9]+$)")
_STEM: Final = re.compile(r"[^/]+(?=\.[A-Za-z0-9]+$)")
_WHOLE: Final = re.compile(r"[0-9]{1,12}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class LinkRefused(Exception):
    """The link is not signed, or not by us for this path."""


class LinkExpired(LinkRefused):
    """It was signed by us, and has ended."""


class Links:
    """Makes links, and checks those that come back. Immutable, thread-safe."""

    def __init__(self, secret: str, settings: Settings, clock: Clock = time.time) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
        self._seconds = settings.signed_urls
        self._clock = clock

    @property
    def signed(self) -> bool:
        """Whether links must be signed."""
        return self._seconds > 0

    def make(self, path: str, base_url: str, seconds: int | None = None) -> str:
        """The link to a path below ``/files/``; signed for ``seconds``, or as the settings say.

        Where signatures are not wanted, ``seconds`` changes nothing. In a pattern, ``{number}``
        and its like stay; its signature holds for every picture that it names.
        """
        link = f"{base_url}{PREFIX}{quote(path, safe='/{}')}"
        return f"{link}?{self.signature(path, seconds)}" if self.signed else link

    def signature(self, path: str, seconds: int | None = None, *, until: int | None = None) -> str:
        """The query that signs ``path``, for so long or ``until`` then (seconds since 1970)."""
        if until is None:
            until = int(self._clock()) + (self._seconds if seconds is None else seconds)
        return f"expires={until}&sign={self._sign(_PLACE.sub('*', path), until)}"

    def check(self, path: str, expires: str | None, sign: str | None) -> int | None:
        """Seconds that a link is good for; ``None``: it does not end.

        Raises :class:`LinkRefused`, :class:`LinkExpired`.
        """
        if not self.signed:
            return None
        if not expires or not sign or not _WHOLE.fullmatch(expires) or not _HEX.fullmatch(sign):
            raise LinkRefused("the link is not signed")
        until = int(expires)
        # The picture's own link, or one made of the pattern of its set.
        forms = (path, _NUMBER.sub("*", path), _STEM.sub("*", path))
        held = [hmac.compare_digest(self._sign(form, until), sign) for form in forms]
        if not any(held):
            raise LinkRefused("the link's signature does not match")
        left = until - int(self._clock())
        if left <= 0:
            raise LinkExpired("the link has expired")
        return left

    def _sign(self, form: str, until: int) -> str:
        text = f"{until}\n{form}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
