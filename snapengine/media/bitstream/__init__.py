"""Reading bitstreams just enough: what may be passed over, and what libavcodec keeps to itself.

Nothing here decodes, and nothing here raises for broken data: what is not understood may not be
passed over, and says nothing.

Codecs without a reader, and why. **VP9**: a frame that refreshes no slot still leaves behind its
motion vectors (UsePrevFrameMvs), its segmentation map, its loop filter deltas and perhaps its
probabilities, which the next frame takes over whatever it refers to; only a next frame in error
resilient mode would not, and encoders write such pairs for conferences alone (libvpx's files and
the real ones at hand have no frame at all that refreshes no slot). **VP8**: segmentation
map, loop filter deltas and probabilities (unless ``refresh_entropy_probs`` is 0) carry over in the
same way. **Theora** has no frame that is not referred to. **VC-1, WMV3, RealVideo** have B frames,
but no encoder to prove with that passing over them changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from .av1_reader import Av1Reader
from .chroma import chroma_location
from .hevc import HevcReader
from .mpeg4 import Mpeg4Reader

__all__ = ["READERS", "PacketReader", "chroma_location"]


class PacketReader(Protocol):
    """Tells of each packet of one stream what of it other pictures depend on."""

    @property
    def withholds(self) -> bool:
        """Whether the decoder gets no more than is needed. Otherwise it gets the whole packet, with
        the order to pass over non-reference pictures (``skip_frame``)."""

    def look_ahead(self, packets: Sequence[tuple[memoryview, bool]]) -> None:
        """Be told which packets come next, and whether each is wanted for itself."""

    def part(self, packet: memoryview) -> memoryview | bytes:
        """What of a packet must be decoded for the sake of others: itself if all, or less."""


#: By libavcodec's canonical codec name; each is made from the stream's extradata.
READERS: Mapping[str, Callable[[bytes | None], PacketReader]] = MappingProxyType(
    {"av1": Av1Reader, "hevc": HevcReader, "mpeg4": Mpeg4Reader}
)
