"""Object stores: ``s3://bucket/key`` and the like, by the fsspec package of each store.

Where a store signs URLs (a local computation), its package only does that and everything is fetched
by our own :class:`HttpFetcher`: address policy, validators, retries and counts are those of any
https URL, and an expired signature is made anew. Elsewhere the package fetches, see
:mod:`.packaged`; its connections are its own then and the address policy cannot see them.
"""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from ..errors import BackendMissing, InvalidOption, SnapError, SourceDenied, SourceError
from ..model.network import Network
from .addresses import AddressPolicy
from .base import Fetcher
from .http import HttpFetcher
from .kept import forget, kept
from .meter import Meter
from .packaged import PackagedFetcher, translated

#: Scheme -> fsspec's protocol, the package that speaks it and the extra that brings it.
_STORES: Final = {
    "s3": ("s3", "s3fs", "s3"),
    "oss": ("oss", "ossfs", "oss"),
    "gs": ("gcs", "gcsfs", "gcs"),
    "gcs": ("gcs", "gcsfs", "gcs"),
    "abfs": ("abfs", "adlfs", "azure"),
    "abfss": ("abfs", "adlfs", "azure"),
    "az": ("abfs", "adlfs", "azure"),
}
#: Read local files, other URLs or archives within them, or run programs: refused even if asked for.
_NEVER: Final = frozenset({
    "", "file", "local", "asynclocal", "async_wrapper", "asyncwrapper", "reference", "generic",
    "zip", "tar", "libarchive", "dir", "cached", "blockcache", "filecache", "simplecache", "dask",
    "git", "github", "gist", "dvc", "jupyter", "jlab", "pyscript", "data", "http", "https",
})  # fmt: skip
#: The same by class, for what is registered under another name.
_NEVER_CLASSES: Final = frozenset({
    "LocalFileSystem", "AbstractArchiveFileSystem", "CachingFileSystem", "ReferenceFileSystem",
    "DirFileSystem", "GenericFileSystem", "AsyncFileSystemWrapper", "DaskWorkerFileSystem",
    "GitFileSystem", "HTTPFileSystem",
})  # fmt: skip
#: Options that are secret, and so belong to one host.
_SECRETS: Final = frozenset({
    "username", "user", "password", "passphrase", "pkey", "key_filename", "token", "acct",
})  # fmt: skip
#: Seconds a signature is good for; made anew when the server says that it is over.
_SIGNED_FOR: Final = 3600
#: How packages say that they cannot sign with these credentials, or at all.
_CANNOT_SIGN: Final = (AttributeError, ImportError, NotImplementedError, TypeError, ValueError)
#: Without it OSS answers a range that goes beyond the end with the whole object.
_OSS_HEADERS: Final = {"x-oss-range-behavior": "standard"}

_BUCKET: Final = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{0,254}", re.ASCII)
_ARN: Final = re.compile(r"arn:[A-Za-z0-9:._-]{1,250}", re.ASCII)
_AZURE_HOST: Final = re.compile(r"([a-z0-9]{3,24})\.(?:dfs|blob)\.core\.windows\.net", re.ASCII)


class _Place(NamedTuple):
    """Where the bytes are. ``name``: for messages. ``options``: what the URL itself says."""

    name: str
    path: str
    options: dict[str, Any]


def open_object(url: str, network: Network) -> Fetcher:
    """A fetcher for one object, of which nothing is fetched yet.

    ``network.storage_options`` are those of the store's fsspec package. An endpoint named there is
    subject to the address policy: one in a private network needs ``allow_networks``. ``headers``
    are not sent: they belong to http URLs.

    Raises :class:`InvalidOption` for a URL that cannot be meant or a scheme that is not allowed,
    :class:`BackendMissing` without the package, :class:`SourceDenied` without credentials.
    """
    scheme = url.partition("://")[0].lower()
    _check(url, scheme, network)
    protocol, package, extra = _STORES.get(scheme, (scheme, scheme, None))
    place = _object(url, scheme, network) if scheme in _STORES else None
    kind = _file_system(scheme, protocol, package, extra)
    if place is None:
        place = _elsewhere(url, kind, network)

    def make(**more: object) -> Any:
        options = {**place.options, **network.storage_options}
        if protocol == "s3":
            options = {**_s3_signing(options), **more}
        try:
            # An instance that fsspec kept would hold the credentials and listings of other calls.
            return kind(**options, skip_instance_cache=True)
        except ImportError as exc:
            raise _missing(scheme, package, extra) from exc
        except (TypeError, ValueError) as exc:
            raise _unusable(exc, place.name, network) from exc
        except Exception as exc:
            raise translated(exc, place.name) from exc

    def sign(fs: Any) -> str:
        return _sign(fs, protocol, place.path, network)

    keeps = {**place.options, **network.storage_options}
    # Making the others is cheap, or not known to be safe to share.
    fs = kept(kind, keeps, make) if protocol == "s3" else make()
    try:
        signed = None if _must_fetch_itself(fs, protocol) else sign(fs)
    except SnapError:
        raise
    except _CANNOT_SIGN:
        signed = None
    except Exception as exc:
        forget(kind, keeps)
        raise translated(exc, place.name) from exc
    if signed is None:
        own = make() if protocol == "s3" else fs
        return PackagedFetcher(own, place.path, place.name, network)

    def renew() -> str:
        forget(kind, keeps)
        return sign(make())

    elsewhere: Callable[[], str] | None = None
    if protocol == "s3" and not _says_region(network):
        # Signed for the default region; only if that is refused is the bucket's own looked up.
        def elsewhere() -> str:
            return sign(make(cache_regions=True))

    headers = _OSS_HEADERS if protocol == "oss" else {}
    return SignedFetcher(
        place.name, signed, renew, elsewhere,
        dataclasses.replace(network, headers=headers),
    )  # fmt: skip


class SignedFetcher:
    """An :class:`HttpFetcher` for a signed URL, under the name of the object.

    ``sign`` makes a fresh URL from fresh credentials; ``elsewhere`` another one if the store knows
    the first for wrong in a way that no retry mends (S3: the bucket's region).
    """

    def __init__(
        self,
        name: str,
        signed: str,
        sign: Callable[[], str],
        elsewhere: Callable[[], str] | None,
        network: Network,
    ) -> None:
        self._name = name
        self._elsewhere = elsewhere
        scheme = urlsplit(signed).scheme
        self._network = dataclasses.replace(
            network, renew=lambda _: sign(), schemes=frozenset({"https", scheme})
        )
        self._http = HttpFetcher(signed, self._network)

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int | None:
        return self._http.size

    @property
    def validator(self) -> str | None:
        return self._http.validator

    def fetch(self, offset: int, size: int, sink: Callable[[bytes], object], meter: Meter) -> None:
        """See :class:`Fetcher`."""
        http = self._http
        try:
            try:
                http.fetch(offset, size, sink, meter)
            except SourceError as exc:
                # Nothing was handed on: the store has not answered with any byte yet.
                if self._elsewhere is None or type(exc) is not SourceError or http.size is not None:
                    raise
                self._move(http)
                self._http.fetch(offset, size, sink, meter)
        except SourceError as exc:
            raise self._renamed(exc) from exc

    def close(self) -> None:
        """See :class:`Fetcher`."""
        self._elsewhere = None
        self._http.close()

    def _move(self, old: HttpFetcher) -> None:
        elsewhere, self._elsewhere = self._elsewhere, None
        if elsewhere is None:
            return
        try:
            signed = elsewhere()
        except Exception as exc:
            raise translated(exc, self._name) from exc
        self._http = HttpFetcher(signed, self._network)
        old.close()

    def _renamed(self, exc: SourceError) -> SourceError:
        message = exc.message.replace(self._http.name, self._name)
        return type(exc)(message, stage=exc.stage, **{**exc.context, "source": self._name})


# -- what the URL says --------------------------------------------------------------------------


def _check(url: str, scheme: str, network: Network) -> None:
    """Before anything is imported or asked."""
    if "://" not in url or scheme in _NEVER or scheme not in network.schemes:
        raise InvalidOption(
            f"URLs of the scheme {scheme[:20]!r} are not opened; those of Network(schemes=...) "
            f"are: {', '.join(sorted(network.schemes))}",
            stage="open",
            value=scheme,
        )
    if "::" in url:
        raise InvalidOption(f"chained URLs ({scheme}://...::...) are not opened", stage="open")
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in url):
        raise InvalidOption(f"unusable {scheme}:// URL: it has control characters", stage="open")


def _object(url: str, scheme: str, network: Network) -> _Place:
    """A bucket and a key; the key is taken as it is, nothing in it is an escape."""
    bucket, _, key = url.partition("://")[2].partition("/")
    options: dict[str, Any] = {}
    azure = _STORES[scheme][0] == "abfs"
    if azure and "@" in bucket:
        bucket, _, host = bucket.partition("@")
        account = _AZURE_HOST.fullmatch(host)
        given = network.storage_options.get("account_name")
        if account is None or given not in (None, account[1]):
            raise InvalidOption(
                f"{scheme}:// URL for the host {host!r}, which is not the account of "
                "storage_options" if given else f"{scheme}:// URL for a host that is no account",
                stage="open",
            )  # fmt: skip
        options["account_name"] = account[1]
    usable = _BUCKET.fullmatch(bucket) or (scheme == "s3" and _ARN.fullmatch(bucket))
    if not usable:
        # Not shown: there may be credentials in front of an "@".
        raise InvalidOption(f"unusable {scheme}:// URL: no name of a bucket", stage="open")
    mark = "?versionId=" if scheme == "s3" else "?versionid="
    if (azure or scheme == "s3") and mark in key:
        options["version_aware"] = True
    shown = key.partition(mark)[0] if options.get("version_aware") else key
    if not shown.strip("/"):
        raise InvalidOption(f"unusable {scheme}:// URL: no key after {bucket!r}", stage="open")
    return _Place(f"{scheme}://{bucket}/{shown}", f"{bucket}/{key}", options)


def _elsewhere(url: str, kind: Any, network: Network) -> _Place:
    """A URL of a scheme that the user allowed, as its file system understands it."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
        options = dict(kind._get_kwargs_from_urls(url))
        path = kind._strip_protocol(url)
    except (ValueError, KeyError):
        # What they say quotes the URL.
        raise InvalidOption("unusable URL: it cannot be read", stage="open") from None
    name = f"{parts.scheme}://{host}{parts.path}"
    given = network.storage_options.get("host")
    named = options.get("host")
    if named and given != named and (given or _SECRETS & {*network.storage_options}):
        raise InvalidOption(
            f"{name}: credentials of storage_options are for one host: name it there, too",
            stage="open",
        )
    if named:
        _check_host(str(named), name, network)
    return _Place(name, path, options)


def _check_host(host: str, name: str, network: Network) -> None:
    """The address policy for connections that are not ours: all that the name resolves to now."""
    policy = AddressPolicy(network)
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError as exc:
        raise SourceError(f"{name}: no address for {host!r}", stage="open", source=name) from exc
    for address in sorted(found):
        refusal = policy.refusal(address)
        if refusal is not None:
            raise SourceDenied(
                f"{name}: {host!r} has the address {address} ({refusal}); "
                "Network(allow_private=True) or allow_networks allows it",
                stage="open", source=name, address=address,
            )  # fmt: skip


# -- what the packages do -----------------------------------------------------------------------


def _file_system(scheme: str, protocol: str, package: str, extra: str | None) -> Any:
    import fsspec

    try:
        kind = fsspec.get_filesystem_class(protocol)
    except ImportError as exc:
        raise _missing(scheme, package, extra) from exc
    except ValueError as exc:
        raise InvalidOption(f"nothing opens {scheme}:// URLs", stage="open", value=scheme) from exc
    if _NEVER_CLASSES & {c.__name__ for c in kind.__mro__} or getattr(kind, "local_file", False):
        raise InvalidOption(
            f"{scheme}:// URLs lead to local files or other URLs and are not opened",
            stage="open", value=scheme,
        )  # fmt: skip
    return kind


def _missing(scheme: str, package: str, extra: str | None) -> BackendMissing:
    how = f'pip install "snapengine[{extra}]"' if extra else "see fsspec's list of protocols"
    what = f"the package {package}" if extra else "a package that is not installed"
    return BackendMissing(f"{scheme}:// URLs need {what}: {how}", stage="open")


def _unusable(error: Exception, name: str, network: Network) -> InvalidOption:
    """What a package says about its options, unless one of them is in it: they may be secret."""
    said = str(error)
    secret = any(str(value) in said for value in network.storage_options.values() if value)
    return InvalidOption(
        f"{name}: unusable storage_options: {type(error).__name__ if secret else said}",
        stage="open",
    )


def _s3_signing(options: dict[str, Any]) -> dict[str, Any]:
    """Version 4 unless the caller says otherwise: what botocore still takes for URLs is older, and
    newer regions refuse it."""
    config = dict(options.get("config_kwargs") or {})
    client = options.get("client_kwargs") or {}
    if options.get("anon") or "signature_version" in config or "config" in client:
        return options
    return {**options, "config_kwargs": {**config, "signature_version": "s3v4"}}


def _says_region(network: Network) -> bool:
    options = network.storage_options
    tables = [options, options.get("client_kwargs") or {}, options.get("config_kwargs") or {}]
    return any(
        isinstance(table, dict) and table.get(name)
        for table in tables
        for name in ("endpoint_url", "region_name")
    )


def _must_fetch_itself(fs: Any, protocol: str) -> bool:
    """Whether requests need headers of which a signed URL knows nothing."""
    if protocol != "s3":
        return False
    more = getattr(fs, "s3_additional_kwargs", None) or {}
    return bool(
        getattr(fs, "requester_pays", False)
        or any(name.startswith(("SSECustomer", "RequestPayer")) for name in more)
    )


def _sign(fs: Any, protocol: str, path: str, network: Network) -> str:
    """A URL for ``path``; what it raises when there can be none is for the caller to tell."""
    if protocol == "gcs" and network.storage_options.get("token") == "anon":
        # Signing would look for other credentials on this machine.
        return f"{fs._location}/{quote(path, safe='/')}"
    if protocol == "oss":
        if getattr(fs, "_endpoint", "") is None:
            raise InvalidOption('oss:// URLs need storage_options={"endpoint": ...}', stage="open")
        # ossfs has no way to sign; the client below it has.
        bucket, _, key = path.partition("/")
        client = fs._get_bucket(bucket, None)
        signed = client.sign_url(
            "GET", key, _SIGNED_FOR, headers=dict(_OSS_HEADERS), slash_safe=True
        )
    else:
        signed = fs.sign(path, expiration=_SIGNED_FOR)
    if not isinstance(signed, str):
        raise TypeError(f"a signed URL, not {type(signed).__name__}")
    return signed
