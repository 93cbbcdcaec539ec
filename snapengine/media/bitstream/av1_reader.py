"""AV1: which frames of a stream the wanted ones depend on.

A frame affects others only through the reference slots it is put into, and depends only on the
slots it names. With packets known in advance that gives exactly the frames that must be decoded;
of a packet that is seen alone, all but a frame that is shown and put into no slot. A temporal unit
often holds several frames, hidden ones and the one that is shown, so it may be needed in part.

Anything that is not understood is sent whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence as Series
from dataclasses import dataclass

from .av1 import (
    SEQUENCE,
    Picture,
    Sequence,
    configuration,
    leb128,
    obus,
    read_picture,
    read_sequence,
)
from .bits import Malformed

_DELIMITER, _FRAME_HEADER, _TILES, _METADATA, _FRAME = 2, 3, 4, 5, 6  # obu_type (6.2.2)
_REDUNDANT_HEADER, _PADDING = 7, 15
#: metadata_type of what belongs to the frame shown in this unit: ITU-T T.35 (HDR10+, captions) and
#: time codes. Others (light levels, mastering display) last until the next sequence.
_PASSING_METADATA = frozenset({4, 5})


@dataclass(slots=True)
class _Unit:
    """A temporal unit taken apart: its pictures, and for each OBU what it belongs to."""

    pictures: list[Picture]
    #: (begin, end, number of the picture, or one of the below)
    parts: list[tuple[int, int, int]]


_LASTING, _PASSING, _FRAMING = -1, -2, -3


def _take(packet: memoryview, unit: _Unit, keep: set[int]) -> memoryview | bytes:
    """The packet with only these pictures, and what goes with them; empty if nothing is left."""
    shown = any(unit.pictures[number].shown for number in keep)
    wanted = [
        (begin, end, number)
        for begin, end, number in unit.parts
        if number in keep or number in (_LASTING, _FRAMING) or (number == _PASSING and shown)
    ]
    if len(wanted) == len(unit.parts):
        return packet
    if all(number == _FRAMING for _, _, number in wanted):
        return b""
    return b"".join(packet[begin:end] for begin, end, _ in wanted)


def _resolve(units: list[tuple[_Unit, bool]]) -> list[set[int]]:
    """For each unit which of its pictures the wanted units depend on; of those themselves all.

    Raises :class:`Malformed` where a slot is used that nothing was put into since the beginning.
    """
    owner: list[tuple[int, int]] = []  # (unit, number in it) of every picture, in decode order
    needs: list[set[int]] = []  # the pictures it depends on
    keys: list[bool] = []
    slots: list[int | None] = [None] * 8
    for index, (unit, _) in enumerate(units):
        for number, picture in enumerate(unit.pictures):
            refs, refresh, key = picture.refs, picture.refresh, picture.key
            if picture.existing is not None:
                refs = frozenset((picture.existing,))
            found = {source for slot in refs if (source := slots[slot]) is not None}
            if len(found) < len({slots[slot] for slot in refs}):
                raise Malformed("a reference to before the beginning")
            if picture.existing is not None and keys[next(iter(found))]:
                refresh, key = 0xFF, True  # a key frame that is shown at last starts afresh (7.21)
            for slot in range(8):
                if refresh >> slot & 1:
                    slots[slot] = len(owner)
            owner.append((index, number))
            needs.append(found)
            keys.append(key)
    keep: list[set[int]] = [set() for _ in units]
    # The keyframe at the beginning is kept in any case: by its coming out a start is judged.
    wanted = {node for node, (index, _) in enumerate(owner) if index == 0 or units[index][1]}
    for node in reversed(range(len(owner))):
        if node in wanted:
            wanted |= needs[node]
            index, number = owner[node]
            keep[index].add(number)
    return keep


class Av1Reader:
    """Follows a stream's sequence headers and tells which frames need not be decoded.

    Not thread-safe: it sees the packets that one decoder gets, in the same order.
    """

    #: dav1d decides what it passes over when it is opened, so it must not see them
    withholds = True

    def __init__(self, extradata: bytes | None) -> None:
        self._sequence: Sequence | None = None
        #: of the packets to come: what they hold, which pictures to keep, the sequence after them
        self._ahead: deque[tuple[_Unit, set[int], Sequence | None]] = deque()
        try:
            for _, _, kind, _, data in obus(configuration(memoryview(extradata or b""))):
                if kind == SEQUENCE:
                    self._sequence = read_sequence(data)
        except Malformed:
            self._sequence = None

    def look_ahead(self, packets: Series[tuple[memoryview, bool]]) -> None:
        """Learn which packets come next, all from a keyframe on, and whether each is wanted.

        Then :meth:`part` gives for exactly these what the wanted ones depend on.
        """
        self._ahead.clear()
        before = self._sequence
        units: list[tuple[_Unit, bool]] = []
        sequences: list[Sequence | None] = []
        try:
            for packet, wanted in packets:
                units.append((self._take_apart(packet), wanted))
                sequences.append(self._sequence)
            keep = _resolve(units)
            self._ahead.extend(zip((unit for unit, _ in units), keep, sequences, strict=True))
        except Malformed:
            pass  # then each is judged alone
        finally:
            self._sequence = before

    def part(self, packet: memoryview) -> memoryview | bytes:
        """What of a packet must be decoded for the sake of others; the packet itself if all.

        To be asked of every packet that the decoder may get: some carry sequence headers.
        """
        if self._ahead:
            unit, keep, self._sequence = self._ahead.popleft()
            return _take(packet, unit, keep)
        try:
            unit = self._take_apart(packet)
        except Malformed:
            return packet
        keep = {
            number
            for number, picture in enumerate(unit.pictures)
            if picture.refresh or picture.existing is not None or not picture.shown
        }
        return _take(packet, unit, keep)

    def _take_apart(self, packet: memoryview) -> _Unit:
        unit = _Unit([], [])
        for begin, end, kind, (temporal, spatial), data in obus(packet):
            number = len(unit.pictures) - 1
            if kind == SEQUENCE:
                self._sequence = None
                self._sequence = read_sequence(data)
                number = _LASTING
            elif kind in (_FRAME, _FRAME_HEADER):
                if self._sequence is None:
                    raise Malformed("no sequence header yet")
                unit.pictures.append(read_picture(data, self._sequence, temporal, spatial))
                number += 1
            elif kind in (_TILES, _REDUNDANT_HEADER):
                if number < 0:
                    raise Malformed("tiles without a frame")
            elif kind == _METADATA:
                number = _PASSING if leb128(data, 0)[0] in _PASSING_METADATA else _LASTING
            elif kind in (_DELIMITER, _PADDING):
                number = _FRAMING
            else:
                raise Malformed(f"obu_type {kind}")
            unit.parts.append((begin, end, number))
        return unit
