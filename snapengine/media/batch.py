"""What a decoder can work on alone: packets from one keyframe on, and the targets they answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..model.plan import Target
from .demuxer import VideoPacket
from .selection import Action

#: Packets with what to do with each, in decode order.
Pairs = Iterator[tuple[VideoPacket, Action]]


@dataclass(slots=True)
class Batch:
    """Packets from one keyframe on, with what to do with each, and the targets they answer.

    ``rest`` streams further pairs when the batch is too large to be held; it must be consumed
    before the demuxer is used again. ``reliable``: stamps let every wanted packet be named; if not,
    the frames' own pts decide. ``from_start``: begins at the first packet of the stream. ``head``:
    no keyframe lies before it, so a decoder knows no more than at the start of the stream.
    ``truncated``: the data ended before the index does, so what follows the last frame is unknown.
    ``gaps``: pts of packets in front of which data is missing. ``cut``: dts of the last packet
    before the data ended early; of what is shown later anything may be missing.
    """

    targets: list[Target]
    items: list[tuple[VideoPacket, Action]] = field(default_factory=list)
    rest: Pairs | None = None
    reliable: bool = True
    from_start: bool = False
    head: bool = False
    key_only: bool = False
    truncated: bool = False
    gaps: list[int] = field(default_factory=list)
    cut: int | None = None
    bytes: int = 0

    def pairs(self) -> Pairs:
        yield from self.items
        if self.rest is not None:
            yield from self.rest


def lone_keyframe(
    packet: VideoPacket, companion: VideoPacket | None, targets: list[Target]
) -> Batch:
    """A keyframe to be decoded alone; ``companion``: its second field, in a packet of its own."""
    batch = Batch(targets=targets, key_only=True, items=[(packet, Action.WANT)])
    if companion is not None:
        batch.items.append((companion, Action.SEND))
    batch.bytes = sum(p.size for p, _ in batch.items)
    return batch
