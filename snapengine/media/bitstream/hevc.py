"""HEVC (ITU-T H.265): which pictures nothing refers to, and where chroma lies.

A picture whose NAL units are sub-layer non-reference (even types up to 14) is in no reference list
of a picture of the same temporal sub-layer (7.4.2.2), and one of a lower sub-layer never refers to
a higher one (8.3.2). So nothing refers to it if it is in the highest sub-layer that the stream may
have, ``sps_max_sub_layers_minus1``.

Two things are left to the decoder. A later picture may still name it among those it keeps without
using them (RefPicSetStFoll). That would gain an encoder nothing; where one did it, libavcodec would
not output that later picture (add_candidate_ref), and whoever waits for it decodes again with
everything. And SEI messages last longer than a picture, which is why packets are sent with the
order to pass over non-reference pictures instead of being kept back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from .bits import BitReader, Malformed
from .nal import MAX_UNITS, annex_b, length_prefixed, payload, uses_lengths
from .vui import chroma_location_of

_VPS, _SPS = 32, 33
_FIRST_NON_VCL = 32
_LAST_NON_REFERENCE = 14
_HVCC_ARRAYS = 23  # bytes of a hvcC record (ISO/IEC 14496-15, 8.3.3.1) before its arrays


def _layer(unit: memoryview) -> int:
    return (unit[0] & 1) << 5 | unit[1] >> 3


def _kind(unit: memoryview) -> int:
    return unit[0] >> 1 & 63


def _hvcc_units(record: memoryview) -> Iterator[memoryview]:
    at = _HVCC_ARRAYS
    for _ in range(record[_HVCC_ARRAYS - 1]):
        count = int.from_bytes(record[at + 1 : at + 3])
        at += 3
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2])
            at += 2
            if size == 0 or at + size > len(record):
                raise Malformed("a parameter set beyond the end of hvcC")
            yield record[at : at + size]
            at += size


def _units(data: memoryview) -> Iterator[memoryview]:
    """Those of extradata: a ``hvcC`` record or Annex B."""
    if uses_lengths(data):
        if len(data) < _HVCC_ARRAYS:
            raise Malformed("hvcC too short")
        return islice(_hvcc_units(data), MAX_UNITS)
    return annex_b(data)


class HevcReader:
    """Follows a stream's parameter sets and tells which packets may be passed over.

    Not thread-safe: it sees the packets that one decoder gets, in the same order.
    """

    #: the decoder passes over them: so it still reads SEI and parameter sets
    withholds = False

    def __init__(self, extradata: bytes | None) -> None:
        self._sub_layers = 0  # the most that any parameter set allows; 0 before the first
        self._length_size = 0  # 0: Annex B
        self._single_layer = True
        data = memoryview(extradata or b"")
        if uses_lengths(data):
            self._length_size = (data[21] & 3) + 1 if len(data) >= _HVCC_ARRAYS else 4
        try:
            for unit in _units(data):
                self._learn(unit)
        except Malformed:
            self._single_layer = False

    def _learn(self, unit: memoryview) -> None:
        if len(unit) < 4:
            return
        if _layer(unit):
            # Another layer (alpha, a second view) may be predicted from this one's pictures.
            self._single_layer = False
        elif _kind(unit) == _SPS:
            self._sub_layers = max(self._sub_layers, (unit[2] >> 1 & 7) + 1)
        elif _kind(unit) == _VPS and (unit[2] & 3 or unit[3] & 0xF0):  # vps_max_layers_minus1
            self._single_layer = False

    def look_ahead(self, packets: Sequence[tuple[memoryview, bool]]) -> None:
        """Of no use here: libavcodec takes a picture for lost when one that it names is missing,
        even if it is not used.
        """

    def part(self, packet: memoryview) -> memoryview | bytes:
        """What must be decoded for the sake of others: nothing of such pictures, else all.

        To be asked of every packet that the decoder gets: some carry parameter sets. Reads up to
        the first slice, all slices of a picture being of one type and sub-layer (7.4.2.2).
        """
        return b"" if self._unreferenced(packet) else packet

    def _unreferenced(self, packet: memoryview) -> bool:
        units = length_prefixed(packet, self._length_size) if self._length_size else annex_b(packet)
        for unit in units:
            if len(unit) < 2:
                return False
            if _kind(unit) < _FIRST_NON_VCL and not _layer(unit):
                return (
                    self._single_layer
                    and _kind(unit) <= _LAST_NON_REFERENCE
                    and _kind(unit) % 2 == 0
                    and unit[1] & 7 == self._sub_layers
                )
            self._learn(unit)
        return False


def chroma_location(data: memoryview) -> str | None:
    """The location told by the first sequence parameter set in extradata or in a packet.

    ``None``: there is none, or chroma is not subsampled, so that it lies nowhere else than luma.
    Raises :class:`Malformed`.
    """
    for unit in _units(data):
        if len(unit) < 2 or _layer(unit):
            continue
        if _kind(unit) < _FIRST_NON_VCL:
            break
        if _kind(unit) == _SPS:
            return _location_in(payload(unit, 2))
    return None


def _location_in(bits: BitReader) -> str | None:
    bits.skip(4)
    sub_layers = bits.u(3) + 1
    bits.skip(1)
    _skip_profile_tier_level(bits, sub_layers)
    bits.ue()  # sps_seq_parameter_set_id
    chroma = bits.ue()
    if chroma == 3:
        bits.skip(1)
    bits.ue()
    bits.ue()  # size
    if bits.flag():  # conformance_window
        for _ in range(4):
            bits.ue()
    bits.ue()
    bits.ue()  # bit depths
    order_bits = bits.ue() + 4
    for _ in range(sub_layers if bits.flag() else 1):
        for _ in range(3):
            bits.ue()
    for _ in range(6):
        bits.ue()  # block sizes and depths of the transform tree
    if bits.flag() and bits.flag():  # scaling_list_enabled, sps_scaling_list_data_present
        _skip_scaling_lists(bits)
    bits.skip(2)
    if bits.flag():  # pcm_enabled
        bits.skip(8)
        bits.ue()
        bits.ue()
        bits.skip(1)
    _skip_reference_sets(bits)
    if bits.flag():  # long_term_ref_pics
        for _ in range(bits.ue()):
            bits.skip(order_bits + 1)
    bits.skip(2)
    if chroma not in (1, 2):
        return None
    return chroma_location_of(bits) if bits.flag() else "left"


def _skip_profile_tier_level(bits: BitReader, sub_layers: int) -> None:
    bits.skip(88 + 8)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers - 1)]
    if sub_layers > 1:
        bits.skip(2 * (9 - sub_layers))
    for profile, level in present:
        bits.skip(88 * profile + 8 * level)


def _skip_scaling_lists(bits: BitReader) -> None:
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.flag():
                bits.ue()
                continue
            if size > 1:
                bits.se()
            for _ in range(min(64, 16 << (2 * size))):
                bits.se()


def _skip_reference_sets(bits: BitReader) -> None:
    """``st_ref_pic_set()`` (7.3.7) of all sets; the length of one depends on the one before."""
    count = bits.ue()
    if count > 64:
        raise Malformed(f"{count} reference picture sets")
    pictures = 0
    for index in range(count):
        if index and bits.flag():  # inter_ref_pic_set_prediction
            bits.skip(1)
            bits.ue()
            kept = 0
            for _ in range(pictures + 1):
                # used_by_curr_pic_flag, else use_delta_flag
                kept += bits.flag() or bits.flag()
            pictures = kept
        else:
            pictures = bits.ue() + bits.ue()
            if pictures > 16:
                raise Malformed(f"{pictures} reference pictures")
            for _ in range(pictures):
                bits.ue()
                bits.skip(1)
