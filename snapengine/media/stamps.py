"""Packets' place in time where containers do not tell it, or only in the order of decoding.

AVI stamps decode order, elementary streams nothing, program streams blocks of bytes that may hold
several pictures. Then packets get stamps in decode order, pts is dts, and the decoder gives the
k-th frame shown the k-th stamp, counted from the start or from a keyframe that nothing is shown
before.

Where stamps jump: libavformat unwraps the 33 bits of MPEG clocks, so a film across the wrap has
one time line. Stamps that a broadcast or a joined file moves ahead leave a gap in which the frame
before it stays. Stamps that go back make an instant come twice; players go by pts, and so do we:
the answer is a frame whose pts says that instant, from whichever part a seek by pts finds.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from av.packet import Packet

from .bitstream.nal import annex_b, length_prefixed, uses_lengths

if TYPE_CHECKING:
    from av.video.stream import VideoStream

#: User data of DivX encoders (``decode_user_data`` in libavcodec), a picture's start code.
_PACKED = re.compile(rb"\x00\x00\x01\xb2DivX\d+(?:Build|b)\d+p")
_VOP = re.compile(rb"\x00\x00\x01\xb6")


class Stamper:
    """Stamps the packets of one demuxer as they are read. Not thread-safe."""

    def __init__(self, stream: VideoStream, *, rebuilds_pts: bool) -> None:
        self._codec = stream.codec_context.name
        rate = Fraction(stream.guessed_rate or 25)
        assert stream.time_base is not None
        self._exact_frame = 1 / rate / stream.time_base
        self._frame = max(1, int(self._exact_frame))
        extradata = memoryview(stream.codec_context.extradata or b"")
        #: bytes of the lengths before NAL units, 0: start codes (ISO/IEC 14496-15, avcC and hvcC)
        self._lengths = 0
        if self._codec in ("h264", "hevc") and uses_lengths(extradata):
            at = 4 if self._codec == "h264" else 21
            self._lengths = (extradata[at] & 3) + 1 if len(extradata) > at else 4
        #: whether pts is dts, see above
        self.rebuilds_pts = rebuilds_pts
        #: whether no packet has a stamp; known from the first one
        self.stampless: bool | None = None
        #: pts - dts at the start, where most packets are unstamped (H.264 in program streams)
        self.sparse: int | None = None
        self._packed = False
        self._ordinal = 0

    def restart(self) -> None:
        """The first packet of an unstamped stream comes next."""
        self._ordinal = 0

    def count_from(self, delay: int) -> None:
        """Only some packets are stamped; ``delay`` is pts - dts of the first."""
        self.sparse = delay
        self.rebuilds_pts = True

    def lacks_stamps(self, packet: Packet[VideoStream]) -> bool:
        """Whether a packet is a picture without stamps, and not a second field (half as long)."""
        whole = 2 * (packet.duration or self._frame) > self._frame
        return packet.pts is None and packet.dts is None and whole

    def stamp(self, packet: Packet[VideoStream], clock: int | None) -> None:
        """Give a packet its place. ``clock``: dts of the one before, ``None`` after a seek."""
        if self.stampless is None:
            self.stampless = packet.dts is None and packet.pts is None
            self._packed = is_packed(bytes(packet), self._codec)
            self.rebuilds_pts |= self.stampless or self._packed
        if self.stampless:
            length = packet.duration or self._frame
            # Whole ticks would add up to seconds where a frame is none (30 a second in Matroska).
            exact = self._exact_frame if abs(length - self._exact_frame) < 1 else length
            packet.dts = int(self._ordinal * exact)
            packet.duration = length
            self._ordinal += 1
        if self.sparse is not None:
            if packet.dts is not None:
                packet.dts += self.sparse
            elif clock is not None and self.lacks_stamps(packet):
                packet.dts = clock + (packet.duration or self._frame)
            packet.is_keyframe &= packet.dts is not None
        if self.rebuilds_pts:
            packet.pts = packet.dts
            if packet.is_keyframe:
                self._place_keyframe(packet)

    def _place_keyframe(self, packet: Packet[VideoStream]) -> None:
        if not starts_closed(bytes(packet), self._codec, self._lengths):
            packet.is_keyframe = False  # nobody says how many pictures are shown before it
        elif self._packed and packet.pts is not None:
            packet.pts += packed_before(bytes(packet)) * (packet.duration or self._frame)


def starts_closed(data: bytes, codec: str, lengths: int = 0) -> bool:
    """Whether no picture behind this keyframe is shown before it: H.264 IDR (nal_unit_type 5) and
    HEVC IDR (19, 20), keyframes of other codecs. ``lengths``: bytes of the lengths before NAL
    units, 0 for start codes (Annex B)."""
    if codec not in ("h264", "hevc"):
        return True
    view = memoryview(data)
    for unit in length_prefixed(view, lengths) if lengths else annex_b(view):
        if codec == "h264" and len(unit) and unit[0] & 31 in (1, 5):
            return unit[0] & 31 == 5
        if codec == "hevc" and len(unit) and unit[0] >> 1 & 63 < 32:
            return unit[0] >> 1 & 63 in (19, 20)
    return True


def is_packed(data: bytes, codec: str) -> bool:
    """Whether MPEG-4 B-frames ride in the packet of a later picture, the DivX way for AVI: then
    packets are stamped in the order of decoding only. The encoder says so in its user data."""
    return codec == "mpeg4" and _PACKED.search(data) is not None


def packed_before(data: bytes) -> int:
    """How many pictures of a packed packet are shown before its keyframe: its B-VOPs."""
    return sum(data[vop.end()] >> 6 == 2 for vop in _VOP.finditer(data) if vop.end() < len(data))
