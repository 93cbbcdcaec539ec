"""Independent truth: what a player shows when it plays the file from the beginning to the end.

One plain sequential decode with PyAV, one thread, no seeking, no skipping, nothing of snapengine.
Everything a test may ask about the right frame is answered from the resulting table.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from .recipes import cache_folder

__all__ = ["ShownFrame", "Truth", "hash_planes", "visible_planes"]

REMEMBER_BYTES = 300_000
"""Files from this size on keep their table on disk; generated ones are measured anew."""


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """One displayed frame. ``pts`` and ``duration`` are integers in the stream's time base."""

    index: int  # position in presentation order
    pts: int
    duration: int | None
    keyframe: bool  # the *packet* was flagged so: decoding can start here
    sha1: str
    width: int
    height: int
    pix_fmt: str
    corrupt: bool


def visible_planes(frame: Any) -> tuple[npt.NDArray[Any], ...]:
    """Each plane's visible samples, copied: 2-D uint8, or uint16 for more than 8 bits."""
    bits = frame.format.components[0].bits
    dtype = np.dtype("<u2") if bits > 8 else np.dtype(np.uint8)
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        planes.append(np.ascontiguousarray(rows[:, : plane.width * dtype.itemsize]).view(dtype))
    return tuple(planes)


def hash_planes(planes: Iterable[npt.NDArray[Any]]) -> str:
    """SHA-1 over shape, sample size and samples of every plane."""
    digest = hashlib.sha1(usedforsecurity=False)
    for plane in planes:
        digest.update(repr((plane.shape, plane.dtype.itemsize)).encode())
        digest.update(np.ascontiguousarray(plane).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Truth:
    """The table of one video stream, sorted by presentation time."""

    path: Path
    time_base: Fraction
    frames: tuple[ShownFrame, ...]
    packets: int
    decode_errors: int
    stamps_rebuilt: bool  # the frames' own pts are missing or run backwards (AVI, raw streams)

    @classmethod
    def of(cls, path: Path | str) -> Truth:
        return _truth(Path(path))

    @property
    def origin(self) -> int:
        return self.frames[0].pts

    def seconds(self, pts: int) -> Fraction:
        """Exact seconds of a pts, from the first shown frame."""
        return (pts - self.origin) * self.time_base

    def time_of(self, frame: ShownFrame) -> Fraction:
        return self.seconds(frame.pts)

    @property
    def end(self) -> Fraction:
        """Where the last frame stops being shown; its own duration, else the gap before it."""
        last = self.frames[-1]
        length = last.duration
        if not length:
            length = last.pts - self.frames[-2].pts if len(self.frames) > 1 else 0
        return self.seconds(last.pts + length)

    def frame_at(self, seconds: Fraction | float) -> ShownFrame:
        """pts <= t < next pts; before the first frame the first; at or after the end the last."""
        wanted = Fraction(seconds)
        position = bisect.bisect_right(self.frames, wanted, key=self.time_of)
        return self.frames[max(0, position - 1)]

    @property
    def keyframes(self) -> tuple[ShownFrame, ...]:
        return tuple(frame for frame in self.frames if frame.keyframe)

    def nearest_keyframes(self, seconds: Fraction | float) -> tuple[ShownFrame, ...]:
        """The keyframe nearest to t; two of them when t is exactly in the middle."""
        wanted = Fraction(seconds)
        best = min(abs(self.time_of(key) - wanted) for key in self.keyframes)
        return tuple(key for key in self.keyframes if abs(self.time_of(key) - wanted) == best)

    def gop_of(self, frame: ShownFrame) -> int:
        """Ordinal of the keyframe at or before this frame in presentation order."""
        return sum(key.pts <= frame.pts for key in self.keyframes) - 1


def _demuxed(container: Any, stream: Any) -> Iterator[Any]:
    """Every packet, then the empty one that drains the decoder."""
    drain: Any = av.Packet()
    try:
        yield from container.demux(stream)
    except IndexError:  # PyAV: a damaged transport stream grows a new stream on the way
        drain.stream = stream
        drain.time_base = stream.time_base
        yield drain


def _sequential(path: Path) -> tuple[Fraction, list[Any], list[tuple[int | None, ...]], int]:
    """(time base, decoded frames as records, packet stamps, errors)."""
    records: list[Any] = []
    packets: list[tuple[int | None, ...]] = []
    errors = 0
    with av.open(str(path), metadata_errors="replace") as container:
        stream: Any = container.streams.video[0]
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        time_base = Fraction(stream.time_base)
        for packet in _demuxed(container, stream):
            if packet.size or packet.dts is not None:
                packets.append((packet.pts, packet.dts, packet.duration, packet.is_keyframe))
            try:
                frames: Sequence[Any] = packet.decode()
            except av.error.InvalidDataError:
                errors += 1
                continue
            except av.error.EOFError:  # drained already
                break
            for frame in frames:
                records.append(
                    (
                        frame.pts,
                        hash_planes(visible_planes(frame)),
                        frame.width,
                        frame.height,
                        frame.format.name,
                        frame.is_corrupt,
                        frame.key_frame,
                        frame.duration,
                    )
                )
    return time_base, records, packets, errors


def _rebuilt_stamps(
    path: Path, records: list[Any], packets: list[tuple[int | None, ...]]
) -> list[int]:
    """Instants of frames whose own stamps are missing or run backwards.

    AVI stamps decode order only, and what the demuxer derives for B-frames runs backwards; a raw
    H.264 stream stamps nothing. Reordering permutes frames, never instants: the k-th frame shown
    has the k-th decode stamp, or without any stamp follows the durations of those before it.
    """
    stamps = sorted(packet[1] for packet in packets if packet[1] is not None)
    if not stamps:
        stamps, now = [], 0
        for record in records:
            stamps.append(now)
            now += record[7] or 0
    if len(stamps) != len(records) or len(set(stamps)) != len(stamps):
        raise ValueError(f"{path.name}: {len(records)} frames, {len(set(stamps))} stamps")
    return stamps


@functools.lru_cache(maxsize=256)
def _truth(path: Path) -> Truth:
    if path.stat().st_size < REMEMBER_BYTES:
        return _measured(path)
    # Real files take seconds to decode whole: remember the table, keyed by content and code.
    key = hashlib.sha256(path.read_bytes() + Path(__file__).read_bytes())
    key.update(repr((av.__version__, sorted(av.library_versions.items()))).encode())
    kept = cache_folder() / f"truth-{key.hexdigest()[:24]}.json"
    if kept.exists():
        data = json.loads(kept.read_text(encoding="utf-8"))
        data["time_base"] = Fraction(data["time_base"])
        data["frames"] = tuple(ShownFrame(*row) for row in data["frames"])
        return Truth(path=path, **data)
    truth = _measured(path)
    data = {f.name: getattr(truth, f.name) for f in fields(truth) if f.name != "path"}
    data["time_base"] = str(truth.time_base)
    data["frames"] = [astuple(frame) for frame in truth.frames]
    aside = kept.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(data), encoding="utf-8")
    os.replace(aside, kept)
    return truth


def _measured(path: Path) -> Truth:
    time_base, records, packets, errors = _sequential(path)
    if not records:
        raise ValueError(f"{path.name}: no frame decodes")
    # The decoder's output order is the presentation order, whatever the stamps say.
    shown = [record[0] for record in records]
    rebuilt = any(
        b is None or a is None or b <= a for a, b in zip([-(1 << 62), *shown], shown, strict=False)
    )
    keys: set[int | None]
    if rebuilt:
        stamps = _rebuilt_stamps(path, records, packets)
        records = [(stamp, *record[1:]) for stamp, record in zip(stamps, records, strict=True)]
        keys = {record[0] for record in records if record[6]}
        durations = {}
    else:
        keys = {packet[0] for packet in packets if packet[3]}
        durations = {packet[0]: packet[2] for packet in packets}
    frames = tuple(
        ShownFrame(
            index=index,
            pts=pts,
            duration=durations.get(pts) or duration or None,
            keyframe=pts in keys,
            sha1=sha1,
            width=width,
            height=height,
            pix_fmt=pix_fmt,
            corrupt=corrupt,
        )
        for index, (pts, sha1, width, height, pix_fmt, corrupt, _key, duration) in enumerate(
            records
        )
    )
    return Truth(
        path=path,
        time_base=time_base,
        frames=frames,
        packets=len(packets),
        decode_errors=errors,
        stamps_rebuilt=rebuilt,
    )
