"""Where transport streams were joined: their counters jump there although nothing is missing.

HLS segments and broadcasts put one after the other begin their counters anew. libavformat takes
that for a loss. A loss takes part of a picture, or whole ones; a joint does neither, which shows in
the transport packets (ISO/IEC 13818-1, 2.4.3).
"""

from __future__ import annotations

from ..sources.base import Source

_UNIT = 188
#: Bytes looked through at once, and in all: a picture or two.
_CHUNK = _UNIT * 1024
_MAX_BYTES = 4 << 20
_PAYLOAD = 0x10
#: Extensions an adaptation field may hold besides a PCR; who uses them is not judged.
_EXTENDED = 0x0F
_CLOCK = 1 << 33


def is_joint(source: Source, position: int, frame: int) -> bool:
    """Whether the first jump of the counter behind ``position`` is a joint without loss.

    ``position``: of a transport packet of the video, 188 bytes each or 4 more in front of each.
    ``frame``: how long a picture is decoded, in 90 kHz ticks. True when the picture before is whole
    (its last transport packet is filled up), a picture begins right behind the jump, and none is
    missing between: its decode stamp follows, or goes back.
    """
    lead, step = 0, _UNIT
    data = source.read_at(position, _CHUNK)
    if data[4:5] == b"\x47" and data[:1] != b"\x47":
        lead, step = 4, _UNIT + 4
    pid: int | None = None
    counter, filled, stamp = -1, False, None
    done = 0
    while data and done < _MAX_BYTES:
        for at in range(lead, len(data) - _UNIT + 1, step):
            unit = data[at : at + _UNIT]
            if unit[0] != 0x47:
                return False
            number = (unit[1] & 31) << 8 | unit[2]
            pid = number if pid is None else pid
            if number != pid or not unit[3] & _PAYLOAD:
                continue
            now = unit[3] & 15
            if counter >= 0 and now not in (counter, (counter + 1) & 15):
                following = _decode_stamp(unit)
                if not filled or following is None or stamp is None:
                    return False
                ahead = (following - stamp) % _CLOCK
                return ahead <= 1.5 * frame or ahead > _CLOCK // 2
            counter, filled = now, _is_filled_up(unit)
            stamp = _decode_stamp(unit) if unit[1] & 0x40 else stamp
        done += len(data) // step * step
        data = source.read_at(position + done, _CHUNK // _UNIT * step)
    return False


def _body(unit: bytes) -> int:
    return 5 + unit[4] if unit[3] & 0x20 else 4


def _is_filled_up(unit: bytes) -> bool:
    """Whether stuffing makes the packet full: only the last one of a picture needs that."""
    if not unit[3] & 0x20 or not unit[4]:
        return bool(unit[3] & 0x20)  # a field of no bytes is one byte of stuffing
    flags = unit[5]
    used = 6 + (6 if flags & 0x10 else 0)
    return not flags & _EXTENDED and used < _body(unit) <= _UNIT


def _decode_stamp(unit: bytes) -> int | None:
    """The decode stamp of the picture that begins in the packet; ``None`` if none begins."""
    at = _body(unit)
    if not unit[1] & 0x40 or unit[at : at + 3] != b"\0\0\1" or at + 19 > _UNIT:
        return None
    kind = unit[at + 7] >> 6
    if kind < 2:
        return None
    a, b, c, d, e = unit[at + 14 : at + 19] if kind == 3 else unit[at + 9 : at + 14]
    return (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
