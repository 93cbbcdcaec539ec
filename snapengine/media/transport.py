"""Where pictures begin in a transport stream, and when they are decoded, told by any place of it.

A transport packet that begins a picture says so; the head of the packetized stream in it has its
stamps, 33 bits of a 90 kHz clock that begins anew after 26.5 hours; the adaptation field, or what
the picture begins with, tells whether decoding may begin there (ISO/IEC 13818-1, 2.4.3.2 to
2.4.3.7).
"""

from __future__ import annotations

import re
from typing import Final

from ..sources.base import Source
from .places import Mark

_UNIT: Final = 188
#: Sizes of packets: plain, with a time code in front (M2TS), with parity behind.
_STRIDES: Final = (188, 192, 204)
#: So many in a row are no accident.
_IN_A_ROW: Final = 5
_CLOCK: Final = 1 << 33
#: Ticks before the start of the stream up to which stamps are not taken to be from behind the wrap
#: of the clock; libavformat's 60 s count from whichever stream it sees first.
_EARLY: Final = 60 * 90_000
#: What begins a picture from which decoding may begin: sequence parameters, or an IDR slice of
#: H.264; parameter sets, or IRAP slices of HEVC; a sequence header of MPEG-1/2.
_KEYS: Final = {
    "h264": re.compile(rb"\0\0\x01[\x05\x25\x45\x65\x07\x27\x47\x67]"),
    "hevc": re.compile(rb"\0\0\x01[\x20-\x2b\x40-\x43]"),
    "mpeg1video": re.compile(rb"\0\0\x01\xb3"),
    "mpeg2video": re.compile(rb"\0\0\x01\xb3"),
}


class TransportForm:
    """The marks of one PID's packets. ``start``: pts of the first picture, as libavformat counts.

    ``phase``: where the first packet begins, ``stride``: bytes from one to the next.
    """

    lead = 0

    def __init__(self, phase: int, stride: int, pid: int, codec: str, start: int) -> None:
        self.first = phase
        self.tail = _UNIT
        self._stride = stride
        high, low = pid >> 8, pid & 255
        heads = re.escape(bytes([0x40 | high, 0x60 | high]))
        self._begins = re.compile(b"\x47[" + heads + b"]" + re.escape(bytes([low])))
        self._key = _KEYS.get(codec)
        self._base = start - _EARLY

    @classmethod
    def of(cls, source: Source, pid: int, codec: str, start: int) -> TransportForm | None:
        """For the video of ``pid``; ``None`` where packets do not follow each other evenly."""
        head = source.read_at(0, _STRIDES[-1] * (_IN_A_ROW + 1))
        for stride in _STRIDES:
            for phase in range(stride):
                syncs = head[phase : phase + stride * _IN_A_ROW : stride]
                if syncs == b"\x47" * _IN_A_ROW:
                    return cls(phase, stride, pid, codec, start)
        return None

    def unwrapped(self, stamp: int) -> int:
        """A stamp of 33 bits on the one time line that begins with the stream."""
        return self._base + (stamp - self._base) % _CLOCK

    def marks(self, data: bytes, offset: int, begin: int, end: int) -> tuple[list[Mark], bool]:
        """See :class:`Form`."""
        step, found = self._stride, []
        skew = (self.first - offset) % step
        whole = min(len(data) - _UNIT + 1, end - offset)
        syncs = data[skew : max(0, whole) : step]
        sound = syncs == b"\x47" * len(syncs)
        for match in self._begins.finditer(data):
            at = match.start()
            if not begin - offset <= at < whole:
                continue
            if sound and (at - skew) % step:
                continue  # in the middle of a packet
            mark = self._mark(data[at : at + _UNIT], offset + at)
            if mark is not None:
                found.append(mark)
        return found, sound

    def _mark(self, unit: bytes, offset: int) -> Mark | None:
        if unit[3] & 0xC0 or not unit[3] & 0x10:
            return None  # scrambled, or without a payload
        body, access = 4, False
        if unit[3] & 0x20:
            body = 5 + unit[4]
            access = unit[4] > 0 and bool(unit[5] & 0x40)
        if body + 9 > _UNIT or unit[body : body + 3] != b"\0\0\1":
            return None
        flags, begins = unit[body + 7] >> 6, body + 9 + unit[body + 8]
        if flags < 2 or begins > _UNIT:
            return None
        shown = self.unwrapped(_stamp(unit, body + 9))
        clock = self.unwrapped(_stamp(unit, body + 14)) if flags == 3 else shown
        if not access and self._key is not None:
            access = self._key.search(unit, begins) is not None
        return Mark(offset, clock, shown if access else None)


def _stamp(unit: bytes, at: int) -> int:
    """Three parts of 3, 15 and 15 bits, each with a marker bit behind it."""
    middle = int.from_bytes(unit[at + 1 : at + 3], "big") >> 1
    last = int.from_bytes(unit[at + 3 : at + 5], "big") >> 1
    return (unit[at] >> 1 & 7) << 30 | middle << 15 | last
