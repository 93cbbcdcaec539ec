"""Which parts of a remote file are at hand, on their way, or wished for."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from typing import Literal

from .base import ByteRange
from .meter import Meter

State = Literal["waiting", "coming", "here", "failed"]


class Block:
    """A range of the file and what has arrived of it so far (``filled`` bytes from its start).

    ``order`` numbers what was planned, so that reading one block tells that those before it are
    not needed any more; 0 where nobody planned it. ``unread``: whoever wanted it has not come for
    it yet.
    """

    __slots__ = (
        "data", "error", "filled", "meter", "offset", "order", "size", "state", "unread", "used",
    )  # fmt: skip

    def __init__(self, offset: int, size: int, meter: Meter, order: int = 0) -> None:
        self.offset = offset
        self.size = size
        self.meter = meter
        self.order = order
        self.state: State = "waiting"
        self.data = bytearray()
        self.filled = 0
        self.unread = True
        self.used = 0
        self.error: BaseException | None = None

    @property
    def end(self) -> int:
        return self.offset + self.size

    def __repr__(self) -> str:
        return f"<Block {self.offset}+{self.filled}/{self.size} {self.state}>"


class Blocks:
    """Blocks of one file, none overlapping another. The caller locks."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._starts: list[int] = []
        self._blocks: list[Block] = []
        self._clock = 0
        #: bytes of finished blocks
        self.held = 0

    def __iter__(self) -> Iterator[Block]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def at(self, offset: int) -> Block | None:
        """The block that holds the byte at ``offset``."""
        number = bisect.bisect_right(self._starts, offset) - 1
        if number >= 0 and offset < self._blocks[number].end:
            return self._blocks[number]
        return None

    def missing(self, offset: int, size: int) -> list[ByteRange]:
        """The parts of a range that no block holds."""
        found: list[ByteRange] = []
        end = offset + size
        number = max(0, bisect.bisect_right(self._starts, offset) - 1)
        while offset < end:
            block = self._blocks[number] if number < len(self._blocks) else None
            if block is None or block.offset >= end:
                found.append(ByteRange(offset, end - offset))
                break
            if block.offset > offset:
                found.append(ByteRange(offset, block.offset - offset))
            offset = max(offset, block.end)
            number += 1
        return found

    def add(self, block: Block) -> None:
        """Enter a block over a range of which nothing is held."""
        number = bisect.bisect_right(self._starts, block.offset)
        self._starts.insert(number, block.offset)
        self._blocks.insert(number, block)
        if block.state == "here":
            self.held += block.size

    def remove(self, block: Block) -> None:
        number = bisect.bisect_left(self._starts, block.offset)
        if number < len(self._blocks) and self._blocks[number] is block:
            del self._starts[number], self._blocks[number]
            if block.state == "here":
                self.held -= block.size

    def finish(self, block: Block) -> None:
        """All that can be had of a block is here; it may be less than was asked for."""
        block.size = block.filled
        block.state = "here"
        self.held += block.size
        if not block.size:
            self.remove(block)

    def use(self, block: Block) -> None:
        """Note that a block was read."""
        self._clock += 1
        block.used = self._clock

    def shrink(self) -> None:
        """Forget the blocks that were not used for longest until the bound holds. Those that are
        still to be read stay."""
        if self.held <= self.max_bytes:
            return
        idle = [b for b in self._blocks if b.state == "here" and not b.unread]
        idle.sort(key=lambda b: b.used)
        # A little more than asked for, so that not each read has to look; somebody is in the middle
        # of the newest.
        for block in idle[:-1]:
            if self.held <= self.max_bytes - self.max_bytes // 8:
                return
            self.remove(block)


def pieces(whole: ByteRange, most: int) -> list[ByteRange]:
    """A range in parts of about the same size, none larger than ``most``."""
    count = -(-whole.size // most)
    edges = [whole.offset + whole.size * i // count for i in range(count + 1)]
    return [ByteRange(a, b - a) for a, b in itertools.pairwise(edges)]
