"""What a file holds: :class:`VideoInfo` and the keyframe index the planner asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from .color import ColorInfo, LightLevels
from .frame import FieldOrder
from .geometry import Crop, Orientation, Size


@dataclass(frozen=True, slots=True, kw_only=True)
class DolbyVision:
    """What a Dolby Vision stream says of itself. ``compatibility``: how its base layer looks to
    other players: 0 not at all (profile 5), 1 HDR10, 2 SDR, 4 HLG."""

    profile: int
    level: int
    compatibility: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedPicture:
    """A picture that travels with a file: cover art. ``data`` is a whole file of ``codec``
    ("mjpeg" is JPEG, "png" ...); ``title`` says what it shows where the file does."""

    codec: str
    width: int
    height: int
    data: bytes
    title: str | None = None

    def __repr__(self) -> str:
        size = f"{self.width}x{self.height}, {len(self.data)} bytes"
        return f"<AttachedPicture {self.codec} {size}{'' if not self.title else ' ' + self.title}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """The video stream of a file, from its header. What the file does not say is ``None``.

    ``width`` and ``height`` are as displayed: upright, with square pixels. ``coded_width`` and
    ``coded_height`` are the stored samples after the codec's own cropping, ``crop`` the part of
    them that the container says is meant to be seen. ``rotation`` is the
    clockwise turn in degrees that puts the stored picture upright. ``duration`` is in seconds, from
    the first shown frame to the end of the last; ``duration_pts`` is the same, exact, and
    ``start_pts`` the stamp of that first frame, both in ticks of ``time_base`` seconds.
    ``warnings``: what pictures of this stream cannot show truthfully, a sentence each.
    """

    container: str
    codec: str
    profile: str | None
    pix_fmt: str | None
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    mirrored: bool
    sample_aspect_ratio: Fraction
    average_rate: Fraction | None
    duration: float | None
    duration_pts: int | None
    start_pts: int
    time_base: Fraction
    frames: int | None
    bit_rate: int | None
    color: ColorInfo
    is_hdr: bool
    field_order: FieldOrder
    has_alpha: bool
    crop: Crop | None
    light: LightLevels | None
    dolby_vision: DolbyVision | None
    encrypted: bool
    stream_index: int
    video_streams: int
    attached_pictures: tuple[AttachedPicture, ...]
    size_bytes: int | None
    indexed: bool
    warnings: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict, compare=False, hash=False)

    @property
    def interlaced(self) -> bool:
        """Whether the header says that frames are woven from two fields."""
        return self.field_order != "progressive"

    @property
    def display_size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def coded_size(self) -> Size:
        return Size(self.coded_width, self.coded_height)

    @property
    def orientation(self) -> Orientation:
        return Orientation(rotation=self.rotation, mirror=self.mirrored)

    @property
    def display_aspect_ratio(self) -> Fraction:
        return Fraction(self.width, self.height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """A place where decoding may start, as an index knows it.

    ``pts`` is the best knowledge before the packet is seen: containers may index dts, the ``stamp``
    of the index entry. ``pos`` and ``size`` are bytes, ``None`` if unknown.
    ``shown`` is false where an edit list discards it: decoding may start there all the same.
    """

    pts: int
    stamp: int
    pos: int | None = None
    size: int | None = None
    shown: bool = True


class KeyframeIndex(Protocol):
    """Where decoding may start. Asked by search, never walked."""

    @property
    def complete(self) -> bool:
        """Whether every keyframe is listed (MP4), or seeking has to find out (MPEG-TS, FLV)."""
        ...

    def floor(self, pts: int) -> Keyframe | None:
        """The last keyframe with ``pts`` at or before this, ``None`` before the first."""
        ...

    def ceil(self, pts: int) -> Keyframe | None:
        """The first keyframe with ``pts`` at or after this, ``None`` after the last."""
        ...

    def shown_until(self, key: Keyframe, pts: int) -> bool | None:
        """Whether ``key`` is the frame shown at ``pts``; ``None`` if the index cannot tell."""
        ...

    def bytes_between(self, key: Keyframe, stop: int) -> int | None:
        """Bytes of the packets from ``key`` to ``stop`` (pts), estimated; ``None`` if unknown."""
        ...
