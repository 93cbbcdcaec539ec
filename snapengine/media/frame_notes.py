"""What frames carry beside their samples (``AVFrame.side_data``), read once per stream.

PyAV ties a frame to its side data in a cycle: a frame whose side data was looked at keeps its
samples until the garbage collector comes by, which at some megabytes each is too late. So it is
looked at in as few frames as possible: what the first one says holds for the stream.
"""

from __future__ import annotations

import struct
from typing import Any

from av.video.frame import VideoFrame

from ..model.color import LightLevels
from ..model.geometry import Orientation, orientation_of_matrix


class FrameNotes:
    """Of one stream. Thread-safe: two threads may look twice, and find the same."""

    def __init__(self, codec: str = "") -> None:
        self._orientations: dict[int, Orientation | None] = {}
        self._light: list[LightLevels | None] = []
        #: known at once of codecs that Dolby Vision profile 5 does not use
        self._ipt: bool | None = None if codec in ("hevc", "av1") else False

    def orientation(self, frame: VideoFrame) -> Orientation | None:
        """From the frame's own display matrix (an SEI message), ``None`` when it has none."""
        rotation = frame.rotation
        if not rotation:
            return None
        if rotation not in self._orientations:
            data = _side_data(frame, "DISPLAYMATRIX", 36)
            self._orientations[rotation] = (
                None if data is None else orientation_of_matrix(struct.unpack_from("=9i", data))
            )
        return self._orientations[rotation]

    def light(self, frame: VideoFrame) -> LightLevels | None:
        """Of the first HDR frame: AVMasteringDisplayMetadata and AVContentLightMetadata
        (libavutil), ``None`` without both."""
        if not self._light:
            mastering = _side_data(frame, "MASTERING_DISPLAY_METADATA", 88)
            self._light.append(_light(mastering, _side_data(frame, "CONTENT_LIGHT_LEVEL", 8)))
        return self._light[0]

    def is_ipt(self, frame: VideoFrame) -> bool:
        """Whether the stream is the base layer of Dolby Vision profile 5, from its own metadata
        (AVDOVIMetadata, libavutil/dovi_meta.h): ``vdr_rpu_profile`` is 0 there and nowhere else."""
        if self._ipt is None:
            data = _side_data(frame, "DOVI_METADATA", 64)
            self._ipt = False
            if data is not None:
                header: int = struct.unpack_from("@N", data)[0]
                self._ipt = header + 5 <= len(data) and data[header + 4] == 0
        return self._ipt


def _light(mastering: bytes | None, content: bytes | None) -> LightLevels | None:
    low = high = most = average = None
    if mastering is not None:
        *luminance, _, known = struct.unpack_from("=4i2i", mastering, 64)
        if known and luminance[1] > 0 and luminance[3] > 0:
            low, high = luminance[0] / luminance[1], luminance[2] / luminance[3]
    if content is not None:
        most, average = (float(v) or None for v in struct.unpack_from("=2I", content))
    if not (high or most or average):
        return None
    return LightLevels(
        mastering_min=low, mastering_max=high, content_max=most, content_average=average
    )


def _side_data(frame: VideoFrame, name: str, size: int) -> bytes | None:
    try:
        data: Any = frame.side_data.get(name)
    except ValueError:  # PyAV cannot name a newer kind of side data beside it
        return None
    raw = b"" if data is None else bytes(data)
    return raw if len(raw) >= size else None
