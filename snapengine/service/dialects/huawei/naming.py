"""What Huawei calls its files, and how it writes times and codecs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from ...domain.records import Naming

__all__ = ["AUDIO", "NAMING", "VIDEO", "codec_name", "file_name", "last_name", "media_type",
           "picture_path", "stamp"]  # fmt: skip

#: Thumbnails are named by their second and a cover has one name, so their addresses stay when they
#: are made anew: the newest file of an address is the one that is served.
NAMING: Final = Naming(
    (
        ("thumbnail", "asset/{asset}/snapshot/sample/{name}.{suffix}"),
        ("cover", "asset/{asset}/cover/Cover0.{suffix}"),
        ("smart", "asset/{asset}/cover/smart/{job}-{number}.{suffix}"),
        ("candidate", "asset/{asset}/cover/auto/{job}-{number}.{suffix}"),
    )
)

#: Values of ``video_type``, by what they hold.
VIDEO: Final = frozenset(
    (
        "MP4", "TS", "MOV", "MXF", "MPG", "FLV", "WMV", "AVI", "M4V", "F4V", "MPEG", "3GP", "ASF",
        "MKV", "WEBM", "M3U8", "HLS",
    )
)  # fmt: skip
AUDIO: Final = frozenset(
    (
        "MP3", "OGG", "WAV", "WMA", "APE", "FLAC", "AAC", "AC3", "MMF", "AMR", "M4A", "M4R", "WV",
        "MP2",
    )
)  # fmt: skip
#: File suffixes of the types that are not called like theirs.
_SUFFIX: Final = {"HLS": "m3u8"}
_CODECS: Final = {
    "h264": "H.264",
    "hevc": "H.265",
    "mpeg1video": "MPEG-1",
    "mpeg2video": "MPEG-2",
    "mpeg4": "MPEG-4",
    "wmv1": "WMV",
    "wmv2": "WMV",
    "wmv3": "WMV",
}
#: What our own paths are made of, and nothing else.
_OWN_PATH: Final = re.compile(r"(?:.*/)?(asset/[0-9a-f]{32}/[A-Za-z0-9._/-]+)", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_MAX_NAME: Final = 128


def picture_path(url: str) -> str | None:
    """The public path in the address of a picture: from ``asset/{id}/`` on.

    Whatever is before it may be another's: a CDN's host, or a prefix such as the ``shield/`` of
    the vendor's samples. ``None``: no address of a picture.
    """
    try:
        path = unquote(urlsplit(url).path, errors="strict")
    except ValueError:
        return None
    found = _OWN_PATH.fullmatch(path)
    return None if found is None else found[1]


def stamp(time: datetime) -> str:
    """``yyyyMMddHHmmss``, UTC."""
    return time.strftime("%Y%m%d%H%M%S")


def codec_name(codec: str) -> str:
    """The vendor's name of a codec; one that it has none for, by its own in capitals."""
    return _CODECS.get(codec, codec.upper())


def last_name(url: str) -> str:
    """The name of the file that an address leads to, fit to be shown; empty if it has none."""
    try:
        name = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
    except ValueError:
        return ""
    return _CONTROL.sub("_", name)[-_MAX_NAME:]


def file_name(name: str, kind: str) -> str:
    """``name``, with the suffix of its type where it has none."""
    if media_type(name) is not None:
        return name
    return f"{name}.{_SUFFIX.get(kind, kind.lower())}"


def media_type(name: str | None) -> str | None:
    """The ``video_type`` that the suffix of a file's name tells."""
    _, dot, suffix = (name or "").rpartition(".")
    found = suffix.upper()
    return found if dot and found in VIDEO | AUDIO else None
