"""Where pictures lie: laid out as in the vendor's samples, numbered with five digits."""

from __future__ import annotations

from typing import Final

from ...domain.records import Naming, PictureKind

__all__ = ["AI_IMAGE", "DIALECT", "NAMING", "SNAPSHOT_COUNT", "SNAPSHOT_TYPES"]

#: What ``Via.dialect`` has for this one.
DIALECT: Final = "aliyun"
#: The type of templates and jobs that choose covers.
AI_IMAGE: Final = "AIImage"

#: A track and its pictures share a folder: the text of the track names them without one.
NAMING: Final = Naming(
    (
        ("candidate", "{asset}/covers/auto/{job}-{number}.{suffix}"),
        ("snapshot", "{asset}/covers/{job}-{number}.{suffix}"),
        ("sprite", "{asset}/covers/sprite/{job}-{number}.{suffix}"),
        ("sprite_cell", "{asset}/covers/origin/{job}-{number}.{suffix}"),
        ("track", "{asset}/covers/vtt/{job}/{job}.{suffix}"),
        ("track_picture", "{asset}/covers/vtt/{job}/{job}-{number}.{suffix}"),
        ("thumbnail", "{asset}/covers/thumbnail/{job}-{name}.{suffix}"),
        ("smart", "{asset}/image/ai/{job}-{number}.{suffix}"),
        ("cover", "{asset}/covers/cover/{job}-{number}.{suffix}"),
    )
)

#: What stands for the number in the vendor's patterns.
SNAPSHOT_COUNT: Final = "{SnapshotCount}"

#: The vendor's ``SnapshotType`` -> our kind of picture.
SNAPSHOT_TYPES: Final[dict[str, PictureKind]] = {
    "CoverSnapshot": "candidate",
    "NormalSnapshot": "snapshot",
    "SpriteSnapshot": "sprite",
    "SpriteOriginSnapshot": "sprite_cell",
    "WebVttSnapshot": "track",
}
