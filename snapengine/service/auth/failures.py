"""Why a call is turned away. The tree is closed: a dialect has one row for each leaf.

::

    AuthFailure                     .code  .parameter  .string_to_sign
    |- Missing                      a credential, or a parameter that goes with it, is absent
    |- Malformed                    it is there and cannot be read, or exceeds a bound
    |- SchemeUnsupported            another algorithm or version than the one verified here
    |- UnknownKey  DisabledKey
    |- TimeMalformed  TimeExpired
    |- NonceUsed*  NoncesExhausted*
    |- SignatureMismatch            carries the string that we signed
    |- TokenInvalid  TokenExpired

``*`` of the schemes with a nonce only. No message and no context ever holds a secret.
"""

from __future__ import annotations

from ...errors import SnapError

__all__ = [
    "AuthFailure",
    "DisabledKey",
    "Malformed",
    "Missing",
    "NonceUsed",
    "NoncesExhausted",
    "SchemeUnsupported",
    "SignatureMismatch",
    "TimeExpired",
    "TimeMalformed",
    "TokenExpired",
    "TokenInvalid",
    "UnknownKey",
]


class AuthFailure(SnapError):
    """Root of the tree; only its leaves are raised."""

    code = "not_authenticated"

    @property
    def parameter(self) -> str | None:
        """The parameter or header concerned, by its name on the wire."""
        return self._text("parameter")

    @property
    def string_to_sign(self) -> str | None:
        """What we signed, ASCII. Clients compare it with theirs, and vendors' errors quote it."""
        return self._text("string_to_sign")

    def _text(self, name: str) -> str | None:
        found = self.context.get(name)
        return found if isinstance(found, str) else None


class Missing(AuthFailure):
    """``parameter`` is absent."""

    code = "credential_missing"


class Malformed(AuthFailure):
    """``parameter`` cannot be read, is given twice, is not signed, or exceeds a bound."""

    code = "credential_malformed"


class SchemeUnsupported(AuthFailure):
    """``parameter`` asks for an algorithm or a version that is not verified here."""

    code = "scheme_unsupported"


class UnknownKey(AuthFailure):
    """No such access key."""

    code = "unknown_key"


class DisabledKey(AuthFailure):
    """The access key exists and is switched off."""

    code = "disabled_key"


class TimeMalformed(AuthFailure):
    """The time of the request is not written as its scheme wants it."""

    code = "time_malformed"


class TimeExpired(AuthFailure):
    """The time of the request is too far from ours, on either side."""

    code = "time_expired"


class NonceUsed(AuthFailure):
    """The same key has used this nonce already: a replay."""

    code = "nonce_used"


class NoncesExhausted(AuthFailure):
    """More calls of one key than can be remembered. Forgetting would allow replays."""

    code = "nonces_exhausted"
    retryable = True


class SignatureMismatch(AuthFailure):
    """The signature, or the digest of the body under it, is not what we compute."""

    code = "signature_mismatch"


class TokenInvalid(AuthFailure):
    """Not a token of ours, or of a key that no longer counts."""

    code = "token_invalid"


class TokenExpired(AuthFailure):
    """A token of ours that has run out."""

    code = "token_expired"
