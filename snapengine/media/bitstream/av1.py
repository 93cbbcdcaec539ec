"""AV1 (AV1 Bitstream & Decoding Process Specification): what sequence and frame headers tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .bits import BitReader, Malformed

SEQUENCE = 1  # obu_type (6.2.2)
_KEY, _INTER, _INTRA_ONLY, _SWITCH = range(4)  # frame_type (6.8.2)
_ALL_SLOTS = frozenset(range(8))
_SELECT = 2  # SELECT_SCREEN_CONTENT_TOOLS, SELECT_INTEGER_MV
_SEQUENCE_BYTES, _HEADER_BYTES = 1024, 192
#: A temporal unit is a few frames, each of at most some hundreds of tile groups.
_MAX_UNITS = 4096
#: ``chroma_sample_position`` (6.4.2) by FFmpeg's names: CSP_VERTICAL, CSP_COLOCATED.
_LOCATIONS = {1: "left", 2: "topleft"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence header: what the reading of frame headers depends on, and the chroma location."""

    reduced: bool
    presentation_bits: int  # of temporal_point_info; 0: there is none
    removal_bits: int | None  # of buffer_removal_time; None: no decoder model
    points: tuple[tuple[int, bool], ...]  # operating_point_idc, decoder_model_present_for_this_op
    frame_ids: bool
    screen_content: int
    integer_mv: int
    order_bits: int
    chroma_location: str | None

    @property
    def spatial_layers(self) -> bool:
        return any((idc >> 8).bit_count() > 1 for idc, _ in self.points)


def leb128(data: memoryview, at: int) -> tuple[int, int]:
    """A number (4.10.5) and where it ends. Raises :class:`Malformed`."""
    value = 0
    for index in range(8):
        if at + index >= len(data):
            break
        byte = data[at + index]
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, at + index + 1
    raise Malformed("leb128 does not end")


def obus(data: memoryview) -> Iterator[tuple[int, int, int, tuple[int, int], memoryview]]:
    """(begin, end, type, (temporal id, spatial id), payload) of every unit (5.3); copies nothing.

    Raises :class:`Malformed`.
    """
    at = 0
    for _ in range(_MAX_UNITS):
        if at >= len(data):
            return
        start = at
        header = data[at]
        if header & 0x80:
            raise Malformed("obu_forbidden_bit")
        at += 1
        layers = 0
        if header & 4:
            if at >= len(data):
                raise Malformed("an OBU header ends early")
            layers = data[at]
            at += 1
        if header & 2:
            size, at = leb128(data, at)
        else:
            size = len(data) - at
        if at + size > len(data):
            raise Malformed("an OBU ends early")
        layer = layers >> 5, layers >> 3 & 3
        yield start, at + size, header >> 3 & 15, layer, data[at : at + size]
        at += size
    raise Malformed("too many OBUs")


def configuration(extradata: memoryview) -> memoryview:
    """The OBUs in extradata: behind the four bytes of an ``av1C`` record, or bare."""
    return extradata[4:] if len(extradata) >= 4 and extradata[0] == 0x81 else extradata


def read_sequence(data: memoryview) -> Sequence:
    """``sequence_header_obu()`` (5.5). Raises :class:`Malformed`."""
    bits = BitReader(bytes(data[:_SEQUENCE_BYTES]))
    profile = bits.u(3)
    bits.skip(1)
    reduced = bits.flag()
    presentation, removal = 0, None
    points: list[tuple[int, bool]] = [(0, False)]
    if reduced:
        bits.skip(5)
    else:
        delay_bits = 0
        if bits.flag():  # timing_info
            bits.skip(64)
            equal = bits.flag()
            if equal:
                bits.ue()
            if bits.flag():  # decoder_model_info
                delay_bits = bits.u(5) + 1
                bits.skip(32)
                removal = bits.u(5) + 1
                length = bits.u(5) + 1
                presentation = 0 if equal else length
        points = _read_points(bits, delay_bits)
    bits.skip(bits.u(4) + 1 + bits.u(4) + 1)  # the size, behind its two lengths
    frame_ids = not reduced and bits.flag()
    if frame_ids:
        bits.skip(7)
    bits.skip(3)
    screen_content = integer_mv = _SELECT
    order_bits = 0
    if not reduced:
        bits.skip(4)
        ordered = bits.flag()
        if ordered:
            bits.skip(2)
        if not bits.flag():
            screen_content = bits.u(1)
        if screen_content and not bits.flag():
            integer_mv = bits.u(1)
        if ordered:
            order_bits = bits.u(3) + 1
    bits.skip(3)
    return Sequence(
        reduced=reduced,
        presentation_bits=presentation,
        removal_bits=removal,
        points=tuple(points),
        frame_ids=frame_ids,
        screen_content=screen_content,
        integer_mv=integer_mv,
        order_bits=order_bits,
        chroma_location=_read_color_config(bits, profile),
    )


def _read_points(bits: BitReader, delay_bits: int) -> list[tuple[int, bool]]:
    points = []
    display_delay = bits.flag()
    for _ in range(bits.u(5) + 1):
        idc = bits.u(12)
        if bits.u(5) > 7:
            bits.skip(1)
        modelled = delay_bits > 0 and bits.flag()
        if modelled:
            bits.skip(2 * delay_bits + 1)
        if display_delay and bits.flag():
            bits.skip(4)
        points.append((idc, modelled))
    return points


def _read_color_config(bits: BitReader, profile: int) -> str | None:
    """``color_config()`` (5.5.2): the chroma location, ``None`` unless 4:2:0 and told."""
    high = bits.flag()
    deepest = profile == 2 and high and bits.flag()
    mono = profile != 1 and bits.flag()
    described = (bits.u(8), bits.u(8), bits.u(8)) if bits.flag() else (2, 2, 2)
    if mono or described == (1, 13, 0):  # sRGB is never subsampled
        return None
    bits.skip(1)
    if profile == 2:
        halved = deepest and bits.flag() and bits.flag()
    else:
        halved = profile == 0
    return _LOCATIONS.get(bits.u(2)) if halved else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A frame header: which reference slots the frame depends on and which it is put into.

    ``existing``: it only shows what is in that slot.
    """

    shown: bool
    key: bool = False
    refs: frozenset[int] = frozenset()
    refresh: int = 0  # one bit for each slot
    existing: int | None = None


def read_picture(data: memoryview, seq: Sequence, temporal: int, spatial: int) -> Picture:
    """``uncompressed_header()`` (5.9.2) up to ``ref_frame_idx``. Raises :class:`Malformed`.

    Everything that a frame takes over from another it takes from one of these slots: samples,
    motion vectors, probabilities, loop filter deltas, segmentation, film grain (7.20, 7.21).
    """
    bits = BitReader(bytes(data[:_HEADER_BYTES]))
    if seq.reduced or seq.frame_ids or seq.spatial_layers:
        raise Malformed("a kind of stream that is left alone")
    if bits.flag():  # show_existing_frame
        return Picture(shown=True, existing=bits.u(3))
    kind = bits.u(2)
    shown = bits.flag()
    bits.skip(seq.presentation_bits if shown else 1)  # else showable_frame
    whole = kind == _SWITCH or (kind == _KEY and shown)
    resilient = whole or bits.flag()
    bits.skip(1)
    screen_content = bits.u(1) if seq.screen_content == _SELECT else seq.screen_content
    if screen_content and seq.integer_mv == _SELECT:
        bits.skip(1)
    if kind != _SWITCH:
        bits.skip(1)  # frame_size_override_flag
    bits.skip(seq.order_bits)
    intra = kind in (_KEY, _INTRA_ONLY)
    if not intra and not resilient:
        bits.skip(3)  # primary_ref_frame
    if seq.removal_bits is not None and bits.flag():
        for idc, modelled in seq.points:
            mine = idc == 0 or (idc >> temporal & 1 and idc >> (spatial + 8) & 1)
            if modelled and mine:
                bits.skip(seq.removal_bits)
    refresh = 0xFF if whole else bits.u(8)
    refs: frozenset[int] = frozenset()
    if resilient and seq.order_bits and not (intra and refresh == 0xFF):
        # ref_order_hint: a decoder may replace what is in any slot. Short signalling: the slots are
        # chosen by what is in all of them (7.8).
        refs = _ALL_SLOTS
    elif not intra:
        short = seq.order_bits and bits.flag()
        refs = _ALL_SLOTS if short else frozenset(bits.u(3) for _ in range(7))
    return Picture(shown=shown, key=kind == _KEY, refs=refs, refresh=refresh)


def chroma_location(data: memoryview) -> str | None:
    """``chroma_sample_position`` of the first sequence header in extradata or in a packet.

    ``None``: unknown, not 4:2:0, or no such header. Raises :class:`Malformed`.
    """
    for _, _, kind, _, unit in obus(configuration(data)):
        if kind == SEQUENCE:
            return read_sequence(unit).chroma_location
    return None
