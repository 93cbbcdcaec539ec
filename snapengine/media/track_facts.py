"""What containers say of a video track and libavformat, or PyAV, does not pass on.

ISO BMFF: boxes of the sample entry (ISO/IEC 14496-12, 12.1; Dolby Vision Streams Within the ISO
Base Media File Format 2.1.2). Matroska: elements of the track entry (RFC 9559, 5.1.4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..model.color import LightLevels
from ..model.geometry import UPRIGHT, Crop, Orientation
from ..model.media import DolbyVision


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFacts:
    """One track's. ``encrypted``: its samples are (ISO/IEC 23001-7) or may be."""

    orientation: Orientation = UPRIGHT
    crop: Crop | None = None
    light: LightLevels | None = None
    dolby_vision: DolbyVision | None = None
    encrypted: bool = False


NO_FACTS = TrackFacts()

#: Bytes of a VisualSampleEntry before its boxes (ISO/IEC 14496-12, 12.1.3.2).
_VISUAL_ENTRY = 78
_DOLBY_VISION = (b"dvcC", b"dvvC", b"dvwC")


def parse_sample_entries(stsd: bytes) -> TrackFacts:
    """The body of ``stsd``: facts of its first entry; ``encrypted`` if any entry is."""
    facts: TrackFacts | None = None
    encrypted = False
    for kind, body in _boxes(stsd[8:]):
        children = dict(_boxes(body[_VISUAL_ENTRY:]))
        encrypted |= kind == b"encv" or b"sinf" in children
        if facts is None and len(body) >= _VISUAL_ENTRY:
            width, height = struct.unpack_from(">HH", body, 24)
            dolby = next((children[k] for k in _DOLBY_VISION if k in children), b"")
            facts = TrackFacts(
                crop=parse_clean_aperture(children.get(b"clap", b""), width, height),
                light=parse_light(children.get(b"mdcv"), children.get(b"clli")),
                dolby_vision=parse_dolby_vision(dolby),
            )
    return replace(facts or NO_FACTS, encrypted=encrypted)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if size < 8:
            return
        yield kind, data[position + 8 : position + size]
        position += size


def parse_dolby_vision(box: bytes) -> DolbyVision | None:
    """``dvcC``, ``dvvC`` or ``dvwC``: DOVIDecoderConfigurationRecord."""
    if len(box) < 5:
        return None
    bits = int.from_bytes(box[2:4], "big")
    return DolbyVision(
        profile=bits >> 9,
        level=bits >> 3 & 63,
        compatibility=box[4] >> 4,
    )


def parse_clean_aperture(box: bytes, width: int, height: int) -> Crop | None:
    """``clap``: a centred rectangle with an offset, in rationals; ``None`` if it cannot be."""
    if len(box) < 32:
        return None
    # Widths are positive; offsets are signed although the syntax table says otherwise.
    numbers = struct.unpack(">8i", box[:32])
    if any(d <= 0 for d in numbers[1::2]):
        return None
    w, h, x, y = (n / d for n, d in zip(numbers[::2], numbers[1::2], strict=True))
    crop = Crop((width - w) / 2 + x, (height - h) / 2 + y, w, h)
    return usable_crop(crop, width, height)


def usable_crop(crop: Crop, width: int, height: int) -> Crop | None:
    """The crop, or ``None`` when it takes nothing away, or does not lie within the frame."""
    x, y, w, h = crop
    if (x, y, w, h) == (0, 0, width, height):
        return None
    inside = x >= 0 and y >= 0 and w >= 1 and h >= 1 and x + w <= width and y + h <= height
    return crop if inside else None


def parse_light(mastering: bytes | None, content: bytes | None) -> LightLevels | None:
    """``mdcv`` (chromaticities, then maximum and minimum in 0.0001 cd/m2) and ``clli``."""
    low = high = most = average = None
    if mastering is not None and len(mastering) >= 24:
        top, bottom = struct.unpack_from(">II", mastering, 16)
        if top > bottom:
            low, high = bottom / 1e4, top / 1e4
    if content is not None and len(content) >= 4:
        most, average = (float(v) or None for v in struct.unpack_from(">HH", content))
    if not (high or most or average):
        return None
    return LightLevels(
        mastering_min=low, mastering_max=high, content_max=most, content_average=average
    )
