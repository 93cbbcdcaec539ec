"""What decoders are told once: every keyframe gets it, as our decoders start at any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from av.packet import PacketSideData

from .opener import OpenedContainer

if TYPE_CHECKING:
    from av.packet import PktSideDataT

    from .demuxer import VideoPacket

#: Codecs of up to 256 colours, whose palette may travel outside of the packets.
_PALETTED = frozenset(
    {"8bps", "aasc", "cinepak", "flic", "msrle", "msvideo1", "qtrle", "rawvideo", "smc", "tscc"}
)


class Carried:
    """Side data of one demuxer's packets; same thread rule."""

    def __init__(self, opened: OpenedContainer) -> None:
        track = opened.iso_track
        self._kinds: tuple[PktSideDataT, ...] = ()
        if track is not None and track.descriptions > 1:
            self._kinds += ("new_extradata",)
        if opened.stream.codec_context.codec.canonical_name in _PALETTED:
            self._kinds += ("palette",)
        self._latest: dict[PktSideDataT, PacketSideData] = {}

    def carry(self, packet: VideoPacket) -> None:
        """The parameter sets of a keyframe's sample entry (``AV_PKT_DATA_NEW_EXTRADATA``), its
        palette (``AV_PKT_DATA_PALETTE``).

        libavformat sends them along where they change, or at the start, and not when it is moved
        there a second time.
        """
        for kind in self._kinds:
            if packet.has_sidedata(kind):
                self._latest[kind] = packet.get_sidedata(kind)
            elif packet.is_keyframe and kind in self._latest:
                packet.set_sidedata(self._latest[kind])
