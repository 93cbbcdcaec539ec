"""Colour description of samples: range, matrix, primaries, transfer.

Names follow ITU-T H.273 through FFmpeg's short forms. ``None`` means "the file does not say";
:meth:`ColorInfo.resolved` is the one place where that becomes a decision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

Range = Literal["limited", "full"]
Matrix = Literal["bt601", "bt709", "bt2020", "smpte240m", "fcc", "ycgco", "ipt-c2", "ictcp", "rgb"]
Subsampling = Literal["444", "422", "420", "440", "411", "410", "gray"]

#: Luma coefficients (Kr, Kb) of each matrix; ITU-T H.273 table 4.
LUMA_COEFFICIENTS: Final[dict[str, tuple[float, float]]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LightLevels:
    """How bright an HDR picture was made, in cd/m2; ``None`` where the file does not say.

    ``mastering_min``, ``mastering_max``: the display it was graded on (SMPTE ST 2086).
    ``content_max``, ``content_average``: MaxCLL and MaxFALL (CTA-861.3).
    """

    mastering_min: float | None = None
    mastering_max: float | None = None
    content_max: float | None = None
    content_average: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorInfo:
    """What the samples mean. Every field may be ``None``: the file does not say."""

    range: Range | None = None
    matrix: Matrix | None = None
    primaries: str | None = None
    transfer: str | None = None
    chroma_location: str | None = None

    @property
    def is_hdr(self) -> bool:
        """PQ (SMPTE ST 2084) or HLG (ARIB STD-B67) transfer."""
        return self.transfer in ("smpte2084", "arib-std-b67")

    def resolved(self, width: int, height: int) -> ColorInfo:
        """Fill in what the file does not say, by the rule that players use for untagged video.

        Limited range unless the file says full; IPT-C2 is always full range (RGB samples too, but
        only the pixel format tells them). Matrix by coded size: BT.709 when the frame is
        at least 1280 wide or more than 576 high, else BT.601 (the rule of mpv and VLC); BT.2020
        for PQ and HLG. Primaries: BT.2020 for PQ and HLG, else they stay unknown and are shown as
        the screen has them, without conversion. Chroma location "left" (MPEG-2, H.264, HEVC).
        """
        matrix: Matrix = self.matrix or (
            "bt2020" if self.is_hdr else "bt709" if width >= 1280 or height > 576 else "bt601"
        )
        return replace(
            self,
            range=self.range or ("full" if matrix == "ipt-c2" else "limited"),
            matrix=matrix,
            primaries=self.primaries or ("bt2020" if self.is_hdr else None),
            chroma_location=self.chroma_location or "left",
        )
