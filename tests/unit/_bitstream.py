"""Bitstream headers written the slow and obvious way, bit by bit, for readers to be tried on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Bits:
    """Writes what :class:`BitReader` reads, the slow and obvious way."""

    text: str = ""

    def u(self, count: int, value: int) -> Bits:
        assert 0 <= value < 1 << count
        self.text += f"{value:0{count}b}" if count else ""
        return self

    def ue(self, value: int) -> Bits:
        digits = f"{value + 1:b}"
        self.text += "0" * (len(digits) - 1) + digits
        return self

    def se(self, value: int) -> Bits:
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def data(self) -> bytes:
        padded = self.text + "1"
        padded += "0" * (-len(padded) % 8)
        return int(padded, 2).to_bytes(len(padded) // 8)


# -- AV1 -----------------------------------------------------------------------------------------


def leb128(value: int) -> bytes:
    out = b""
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def obu(kind: int, body: bytes = b"", layers: tuple[int, int] | None = None) -> bytes:
    head = bytes([kind << 3 | 2 | (4 if layers else 0)])
    return (
        head
        + (bytes([layers[0] << 5 | layers[1] << 3]) if layers else b"")
        + leb128(len(body))
        + body
    )


@dataclass
class Sequence:
    """The choices of a sequence header that move what follows in it and in frame headers."""

    profile: int = 0
    timing: bool = False
    equal: bool = False
    model: bool = False
    lengths: tuple[int, int, int] = (5, 6, 7)
    display: bool = False
    points: list[tuple[int, int, bool]] = field(default_factory=lambda: [(0, 8, True)])
    screen: int = 2
    integer_mv: int = 2
    order_bits: int = 7
    ids: bool = False

    def bytes(self) -> bytes:
        bits = Bits().u(3, self.profile).u(2, 0).u(1, self.timing)
        if self.timing:
            bits.u(32, 1).u(32, 50).u(1, self.equal)
            if self.equal:
                bits.ue(0)
            bits.u(1, self.model)
            if self.model:
                delay, removal, presentation = self.lengths
                bits.u(5, delay - 1).u(32, 9).u(5, removal - 1).u(5, presentation - 1)
        bits.u(1, self.display).u(5, len(self.points) - 1)
        for idc, level, modelled in self.points:
            bits.u(12, idc).u(5, level)
            if level > 7:
                bits.u(1, 0)
            if self.timing and self.model:
                bits.u(1, modelled)
                if modelled:
                    bits.u(self.lengths[0], 0).u(self.lengths[0], 1).u(1, 0)
            if self.display:
                bits.u(1, 1).u(4, 3)
        bits.u(4, 10).u(4, 9).u(11, 1919).u(10, 1000).u(1, self.ids)
        if self.ids:
            bits.u(4, 2).u(3, 3)
        bits.u(3, 5).u(4, 10).u(1, self.order_bits > 0)
        if self.order_bits:
            bits.u(2, 1)
        bits.u(1, self.screen == 2)
        if self.screen != 2:
            bits.u(1, self.screen)
        if self.screen:
            bits.u(1, self.integer_mv == 2)
            if self.integer_mv != 2:
                bits.u(1, self.integer_mv)
        if self.order_bits:
            bits.u(3, self.order_bits - 1)
        bits.u(3, 0).u(1, 0)
        if self.profile != 1:
            bits.u(1, 0)
        bits.u(1, 1).u(8, 1).u(8, 1).u(8, 1).u(1, 0)
        if self.profile == 0:
            bits.u(2, 1)
        return obu(1, bits.u(1, 0).u(1, 0).data())


@dataclass
class Frame:
    """The choices of a frame header that move ``refresh_frame_flags``."""

    kind: int = 1
    show: bool = True
    resilient: bool = False
    screen: bool = True
    removal: bool = True
    refresh: int = 0
    layers: tuple[int, int] | None = None
    refs: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    short: bool = False
    existing: int | None = None
    number: int = 0

    def bytes(self, seq: Sequence) -> bytes:
        tail = b"\xff" * 20 + self.number.to_bytes(2)
        if self.existing is not None:
            return obu(3, Bits().u(1, 1).u(3, self.existing).data() + tail)
        bits = Bits().u(1, 0).u(2, self.kind).u(1, self.show)
        model = seq.timing and seq.model
        if self.show and model and not seq.equal:
            bits.u(seq.lengths[2], 1)
        if not self.show:
            bits.u(1, 1)
        resilient = self.kind == 3 or (self.kind == 0 and self.show) or self.resilient
        if not (self.kind == 3 or (self.kind == 0 and self.show)):
            bits.u(1, self.resilient)
        bits.u(1, 1)
        screen = seq.screen
        if screen == 2:
            screen = int(self.screen)
            bits.u(1, screen)
        if screen and seq.integer_mv == 2:
            bits.u(1, 1)
        if self.kind != 3:
            bits.u(1, 1)
        bits.u(seq.order_bits, (1 << seq.order_bits) - 1)
        if self.kind not in (0, 2) and not resilient:
            bits.u(3, 5)
        if model:
            bits.u(1, self.removal)
            temporal, spatial = self.layers or (0, 0)
            for idc, _, modelled in seq.points if self.removal else []:
                inside = idc == 0 or (idc >> temporal & 1 and idc >> (spatial + 8) & 1)
                if modelled and inside:
                    bits.u(seq.lengths[1], 1)
        if not (self.kind == 3 or (self.kind == 0 and self.show)):
            bits.u(8, self.refresh)
        if resilient and seq.order_bits and self.kind != 0:
            bits.u(8 * seq.order_bits, 0)
        if self.kind in (1, 3):
            if seq.order_bits:
                bits.u(1, self.short)
            if not (seq.order_bits and self.short):
                for slot in self.refs:
                    bits.u(3, slot)
        return obu(6, bits.data() + tail, self.layers)


DELIMITER = obu(2)
AV1C = b"\x81\x00\x00\x00"
