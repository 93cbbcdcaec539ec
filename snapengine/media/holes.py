"""Holes in packets: stretches of zeros where data was never written, or was lost and made up.

Interrupted downloads, sparse files and recovered disks have them. Few decoders notice: zeros are a
legal stream of an arithmetic decoder.
"""

from __future__ import annotations

from .demuxer import VideoPacket

#: Codecs that compress so well that long runs of zero bytes do not occur within a picture, and how
#: long a run is none of theirs. H.264 and HEVC never have three in a row (emulation prevention;
#: more may pad the end of a NAL unit). The arithmetic coders of VP8, VP9 and AV1 write zeros for
#: what is most likely, a few hundred for a large still picture.
_LONGEST = {"h264": 16, "hevc": 16, "vp8": 512, "vp9": 512, "av1": 512}


def has_hole(packet: VideoPacket, codec: str) -> bool:
    """Whether zeros stand in the middle of a packet, or make up most of it.

    Encoders of a constant rate pad with zeros, behind a picture or before the next start code.
    """
    longest = _LONGEST.get(codec)
    if longest is None or packet.size <= longest:
        return False
    data = bytes(packet)
    zeros = bytes(longest)
    begin = data.find(zeros)
    while begin >= 0:
        end = begin + longest
        while data.startswith(zeros, end):
            end += longest
        while end < len(data) and not data[end]:
            end += 1
        padding = end == len(data) or (codec in ("h264", "hevc") and data[end] == 1)
        if not padding or end - begin > len(data) // 2:
            return True
        begin = data.find(zeros, end)
    return False
