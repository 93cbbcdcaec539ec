"""What is kept of a video that has been opened."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from ... import VideoInfo
from ..domain.fields import MAX_WHOLE
from ..domain.records import Facts

__all__ = ["facts_of"]

#: A stream's rate above this is that of its clock.
_FASTEST: Final = 480


def facts_of(info: VideoInfo, duration: Fraction | None) -> Facts:
    """What is kept of a video. A bit rate that the file does not tell is that of all its bytes."""
    rate, size = info.bit_rate, info.size_bytes
    if rate is None and size is not None and duration:
        rate = round(size * 8 / duration)
    if rate is not None and not 0 < rate <= MAX_WHOLE:
        rate = None  # no rate of this world, whatever the header says
    frames = info.average_rate
    return Facts(
        codec=info.codec,
        width=info.width,
        height=info.height,
        duration=duration,
        size=size,
        bit_rate=rate,
        frame_rate=float(frames) if frames and frames <= _FASTEST else None,
    )
