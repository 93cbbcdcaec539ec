"""Who is calling: signatures of three schemes, access keys, nonces and tokens.

Nothing here knows a web framework or a dialect's error codes. A verifier takes a
:class:`~snapengine.service.auth.wire.SignedRequest` and gives the key that signed it, or raises an
:class:`~snapengine.service.auth.failures.AuthFailure`, and nothing else, whatever the bytes are.
"""
