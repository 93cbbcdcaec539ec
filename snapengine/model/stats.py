"""What a call did and what it cost. Counted, not estimated."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class RunStats:
    """Work done by one call (or, added up, by several).

    ``seeks``: demuxer seeks. ``seeks_skipped``: avoided because reading on was cheaper.
    ``packets_read``: video packets out of the demuxer. ``packets_sent``: given to a decoder.
    ``packets_skipped``: those whose picture the decoder was told to pass over unless referenced, or
    (AV1) never got because nothing wanted depends on it; the ones kept back whole are not sent.
    ``frames_decoded``: frames that came out of a decoder. ``frames_used``: those that became
    pictures. ``decode_errors``: packets the decoder refused. ``false_keyframes``: packets marked as
    keyframes that were none. ``retries``: segments decoded again.
    ``bytes_read``: bytes out of the source. Of remote sources alone: ``requests`` sent, and
    ``request_retries`` among them; ``bytes_fetched``, what came of bodies (what caches held did
    not); ``wait_seconds``, how long readers waited for it. Other ``*_seconds``: thread time inside
    a stage, added over threads; ``wall_seconds`` is the time of the call.
    """

    seeks: int = 0
    seeks_skipped: int = 0
    packets_read: int = 0
    packets_sent: int = 0
    packets_skipped: int = 0
    frames_decoded: int = 0
    frames_used: int = 0
    decode_errors: int = 0
    false_keyframes: int = 0
    retries: int = 0
    bytes_read: int = 0
    requests: int = 0
    request_retries: int = 0
    bytes_fetched: int = 0
    wait_seconds: float = 0.0
    demux_seconds: float = 0.0
    decode_seconds: float = 0.0
    scale_seconds: float = 0.0
    score_seconds: float = 0.0
    encode_seconds: float = 0.0
    wall_seconds: float = 0.0
    _lock: threading.Lock = field(
        default_factory=threading.Lock, repr=False, compare=False, init=False
    )

    def add(self, other: RunStats) -> None:
        """Add the counts of another run; safe from several threads."""
        with self._lock:
            for name in COUNTERS:
                setattr(self, name, getattr(self, name) + getattr(other, name))

    def snapshot(self) -> RunStats:
        """An independent copy of the counts so far."""
        copy = RunStats()
        copy.add(self)
        return copy

    def as_dict(self) -> dict[str, int | float]:
        return {name: getattr(self, name) for name in COUNTERS}


COUNTERS: tuple[str, ...] = tuple(f.name for f in fields(RunStats) if not f.name.startswith("_"))
