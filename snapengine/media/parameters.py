"""What a decoder must know of a stream, and of a packet, before it gets them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

from av.video.stream import VideoStream

from .demuxer import VideoPacket

#: libavcodec's own decoders of VP8 and VP9 drop the alpha that travels beside the pictures
#: (matroska BlockAdditional); libvpx's give the same samples and the alpha.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecParameters:
    """What a decoder must know before its first packet (``AVCodecParameters``)."""

    decoder: str
    codec: str
    extradata: bytes | None
    width: int
    height: int
    pix_fmt: str | None
    codec_tag: str
    bits_per_coded_sample: int
    reorder_depth: int
    color: tuple[int, int, int, int]
    field_order: int
    time_base: Fraction
    sample_aspect_ratio: Fraction | None
    rebuilds_pts: bool = False
    encrypted: bool = False

    @classmethod
    def of(
        cls, stream: VideoStream, *, rebuilds_pts: bool = False, encrypted: bool = False
    ) -> CodecParameters:
        """Those of a stream. ``rebuilds_pts``: its packets are stamped in decode order only;
        ``encrypted``: they may be, each says whether it is."""
        context = stream.codec_context
        assert stream.time_base is not None
        decoder = context.codec.name
        if has_alpha_stream(stream):
            decoder = _WITH_ALPHA.get(decoder, decoder)
        return cls(
            decoder=decoder,
            codec=context.codec.canonical_name,
            extradata=context.extradata,
            width=context.width,
            height=context.height,
            pix_fmt=context.pix_fmt,
            codec_tag=context.codec_tag,
            bits_per_coded_sample=context.bits_per_coded_sample,
            reorder_depth=context.reorder_depth,
            color=(
                context.color_range,
                context.colorspace,
                context.color_primaries,
                context.color_trc,
            ),
            field_order=context.field_order,
            time_base=stream.time_base,
            sample_aspect_ratio=context.sample_aspect_ratio,
            rebuilds_pts=rebuilds_pts,
            encrypted=encrypted,
        )


def has_alpha_stream(stream: VideoStream) -> bool:
    """Whether a second stream of alpha travels in the packets (Matroska's ``AlphaMode``, or the tag
    of that name that ffmpeg's users are told to write; libavformat makes it upper case)."""
    return any(k.lower() == "alpha_mode" and v == "1" for k, v in stream.metadata.items())


def is_encrypted(packet: VideoPacket) -> bool:
    """Whether any of its bytes are (AV_PKT_DATA_ENCRYPTION_INFO, libavutil/encryption_info.h).

    Clear samples of an encrypted track come without a vector and without encrypted parts.
    """
    if not packet.has_sidedata("encryption_info"):
        return False
    info = bytes(packet.get_sidedata("encryption_info"))
    if len(info) < 24:
        return True
    key, vector, parts = struct.unpack_from(">3I", info, 12)
    return parts > 0 or any(info[24 + key : 24 + key + vector])
