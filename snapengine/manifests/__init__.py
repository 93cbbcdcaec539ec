"""HLS playlists and DASH manifests: which renditions there are, and the bytes of one of them."""

from __future__ import annotations

from .manifest import Manifest, read_manifest
from .presentation import Rendition
from .references import is_url, same_origin, with_credentials

__all__ = [
    "Manifest",
    "Rendition",
    "is_url",
    "read_manifest",
    "same_origin",
    "with_credentials",
]
