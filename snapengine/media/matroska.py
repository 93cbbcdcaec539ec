"""Facts of a Matroska or WebM track that libavformat or PyAV keeps to itself (RFC 9559, 5.1.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ..model.color import LightLevels
from ..model.geometry import UPRIGHT, Crop, Orientation
from ..model.media import DolbyVision
from ..sources.base import Source
from .ebml import top_level
from .track_facts import TrackFacts, parse_dolby_vision, usable_crop

_TRACKS, _TRACK_ENTRY, _TRACK_TYPE, _VIDEO = 0x1654AE6B, 0xAE, 0x83, 0xE0
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xB0, 0xBA
_CROP_BOTTOM, _CROP_TOP, _CROP_LEFT, _CROP_RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD
_PROJECTION, _POSE_YAW, _POSE_ROLL = 0x7670, 0x7673, 0x7675
_COLOUR, _MAX_CLL, _MAX_FALL = 0x55B0, 0x55BC, 0x55BD
_MASTERING, _LUMINANCE_MAX, _LUMINANCE_MIN = 0x55D0, 0x55D9, 0x55DA
_ADDITION_MAPPING, _ADDITION_TYPE, _ADDITION_DATA = 0x41E4, 0x41E7, 0x41ED
_ENCODINGS, _ENCODING, _ENCODING_TYPE = 0x6D80, 0x6240, 0x5033
_VIDEO_TRACK = 1
_DOLBY_VISION = (int.from_bytes(b"dvcC"), int.from_bytes(b"dvvC"), int.from_bytes(b"dvwC"))
#: A track list is some hundred bytes; private data of a codec may make it some ten thousand.
_MAX_TRACKS = 1 << 20


def read_tracks(source: Source) -> tuple[TrackFacts, ...]:
    """Those of the video tracks, in file order; empty for other files and damaged headers."""
    for kind, start, size in top_level(source):
        if kind == _TRACKS:
            if size is None or size > _MAX_TRACKS:
                return ()
            return tuple(_video_tracks(source.read_at(start, size)))
    return ()


def _video_tracks(data: bytes) -> Iterator[TrackFacts]:
    for kind, entry in _elements(data):
        if kind != _TRACK_ENTRY:
            continue
        children = dict(_elements(entry))
        if _number(children.get(_TRACK_TYPE)) == _VIDEO_TRACK:
            yield _facts(children, list(_elements(entry)))


def _facts(track: dict[int, bytes], elements: list[tuple[int, bytes]]) -> TrackFacts:
    video = dict(_elements(track.get(_VIDEO, b"")))
    encodings = _elements(track.get(_ENCODINGS, b""))
    return TrackFacts(
        orientation=_orientation(dict(_elements(video.get(_PROJECTION, b"")))),
        crop=_crop(video),
        light=_light(dict(_elements(video.get(_COLOUR, b"")))),
        dolby_vision=_dolby_vision(body for kind, body in elements if kind == _ADDITION_MAPPING),
        # Type 1 is encryption; 0, compression, is the default.
        encrypted=any(
            kind == _ENCODING and _number(dict(_elements(body)).get(_ENCODING_TYPE)) == 1
            for kind, body in encodings
        ),
    )


def _crop(video: dict[int, bytes]) -> Crop | None:
    width, height = _number(video.get(_PIXEL_WIDTH)), _number(video.get(_PIXEL_HEIGHT))
    left, right = _number(video.get(_CROP_LEFT)), _number(video.get(_CROP_RIGHT))
    top, bottom = _number(video.get(_CROP_TOP)), _number(video.get(_CROP_BOTTOM))
    return usable_crop(Crop(left, top, width - left - right, height - top - bottom), width, height)


def _orientation(projection: dict[int, bytes]) -> Orientation:
    """From the pose in degrees, as libavformat writes and reads it: the roll turns
    counter-clockwise, a yaw of half a turn mirrors left and right before that."""
    roll, yaw = (_real(projection.get(k)) or 0.0 for k in (_POSE_ROLL, _POSE_YAW))
    if not (-360 <= roll <= 360 and -360 <= yaw <= 360) or roll % 90 or yaw % 180:
        return UPRIGHT
    return Orientation(rotation=-round(roll) % 360, mirror=abs(yaw) == 180)


def _light(colour: dict[int, bytes]) -> LightLevels | None:
    mastering = dict(_elements(colour.get(_MASTERING, b"")))
    high, low = _real(mastering.get(_LUMINANCE_MAX)), _real(mastering.get(_LUMINANCE_MIN))
    most, average = _number(colour.get(_MAX_CLL)), _number(colour.get(_MAX_FALL))
    if not (high or most or average):
        return None
    return LightLevels(
        mastering_min=low,
        mastering_max=high or None,
        content_max=float(most) or None,
        content_average=float(average) or None,
    )


def _dolby_vision(mappings: Iterator[bytes]) -> DolbyVision | None:
    for mapping in mappings:
        children = dict(_elements(mapping))
        if _number(children.get(_ADDITION_TYPE)) in _DOLBY_VISION:
            return parse_dolby_vision(children.get(_ADDITION_DATA, b""))
    return None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(id, body) of the elements in a master element; stops at the first that is not sound."""
    position = 0
    while position < len(data):
        first = data[position]
        length = 9 - first.bit_length()
        if length > 4:
            return
        kind = int.from_bytes(data[position : position + length], "big")
        position += length
        if position >= len(data) or not data[position]:
            return
        length = 9 - data[position].bit_length()
        size = int.from_bytes(data[position : position + length], "big") & ((1 << 7 * length) - 1)
        position += length
        if size > len(data) - position:
            return
        yield kind, data[position : position + size]
        position += size


def _number(body: bytes | None) -> int:
    return int.from_bytes(body or b"", "big")


def _real(body: bytes | None) -> float | None:
    if body is None or len(body) not in (4, 8):
        return None
    (value,) = struct.unpack(">f" if len(body) == 4 else ">d", body)
    return float(value) if value == value else None
