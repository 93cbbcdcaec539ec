"""Names of files: where the store keeps them, and the paths they are served under."""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import unquote, urlsplit

from .domain.records import MediaType, Naming, PictureKind
from .domain.tracks import numbered

__all__ = [
    "FILES", "blob_name", "has_fixed_covers", "is_fixed", "path_in", "public_path", "set_pattern",
    "suffix_of",
]  # fmt: skip

#: Between the service's address and a public path.
FILES: Final = "/files/"
_ID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_SUFFIXES: Final[dict[MediaType, str]] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "text/vtt": "vtt",
}


def suffix_of(media_type: MediaType) -> str:
    """Without a dot."""
    return _SUFFIXES[media_type]


def blob_name(tenant: str, asset_id: str, job_id: str, file: str) -> str:
    """Where the store keeps a file. Tenants apart, whatever letters their names have."""
    whose = hashlib.sha256(tenant.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{whose}/{asset_id}/{job_id}/{file}"


def set_pattern(naming: Naming, kind: PictureKind, asset_id: str, job_id: str, suffix: str) -> str:
    """The public path of a set's pictures, ``{number}`` or ``{name}`` still in it."""
    return (
        naming.pattern(kind)
        .replace("{asset}", asset_id)
        .replace("{job}", job_id)
        .replace("{suffix}", suffix)
    )


def has_fixed_covers(naming: Naming) -> bool:
    """Whether an asset's cover has one address whatever picture it is: then each cover is kept as
    a picture of its own, under that address."""
    pattern = naming.pattern("cover")
    return not any(part in pattern for part in ("{job}", "{number}", "{name}"))


def is_fixed(path: str, asset_id: str) -> bool:
    """Whether a public path of an asset's is the same for every job, so that what lies there may be
    another picture tomorrow."""
    return _ID.search(path.replace(asset_id, "")) is None


def public_path(pattern: str, number: int, name: str) -> str:
    """The public path of one picture of a set."""
    return pattern.replace("{number}", numbered(number)).replace("{name}", name)


def path_in(url: str) -> str | None:
    """The public path in a link of ours, whatever host and prefix it begins with (the service may
    be known under several); ``None`` if there is none. A bare public path is one, too."""
    try:
        path = unquote(urlsplit(url).path, errors="strict")
    except ValueError:
        return None
    if url.startswith(("http://", "https://")) or path.startswith("/"):
        _, found, rest = path.partition(FILES)
        return rest if found and rest else None
    return path or None
