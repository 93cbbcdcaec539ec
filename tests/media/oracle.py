"""Independent truth: what a player shows when it plays the file from the beginning to the end.

One plain sequential decode with PyAV, one thread, no seeking, no skipping, nothing of snapengine.
Everything a test may ask about the right frame is answered from the resulting table.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
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
    sha1: str  # of its planes but alpha
    width: int
    height: int
    pix_fmt: str
    corrupt: bool  # flagged by the decoder itself
    suspect: bool  # corrupt, or after damage and before the next sound keyframe


#: Where R, G, B and A stand in a packed pixel of four or three bytes.
_PACKED = {
    "rgb24": (0, 1, 2), "bgr24": (2, 1, 0), "rgba": (0, 1, 2, 3), "bgra": (2, 1, 0, 3),
    "argb": (1, 2, 3, 0), "abgr": (3, 2, 1, 0), "rgb0": (0, 1, 2), "bgr0": (2, 1, 0),
}  # fmt: skip


def visible_planes(frame: Any) -> tuple[npt.NDArray[Any], ...]:
    """Each plane's visible samples, copied: 2-D uint8, or uint16 for more than 8 bits.

    Packed RGB and palettes come as planes R, G, B and A; planar RGB is not reordered.
    """
    name = frame.format.name
    if name == "pal8":
        numbers, palette = frame.to_ndarray()
        return tuple(np.ascontiguousarray(palette[numbers][..., part]) for part in (1, 2, 3, 0))
    if name in _PACKED:
        order = _PACKED[name]
        rows = np.frombuffer(frame.planes[0], np.uint8).reshape(frame.height, -1)
        size = 3 if name.endswith("24") else 4
        pixels = rows[:, : frame.width * size].reshape(frame.height, frame.width, size)
        return tuple(np.ascontiguousarray(pixels[..., part]) for part in order)
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
    jumps: bool  # the stamps go back somewhere: an instant may come twice

    @classmethod
    def of(cls, path: Path | str, stream: int = 0) -> Truth:
        """Of the ``stream``-th video stream, attached pictures not counted."""
        return _truth(Path(path), stream)

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
        return self.shown_at(seconds)[0]

    def shown_at(self, seconds: Fraction | float) -> tuple[ShownFrame, ...]:
        """Every frame with pts <= t < next pts: one, or several where the stamps go back.

        The frame before a step back is shown for its own duration. An instant that no frame covers
        is answered by the frames with the largest pts before it.
        """
        wanted = Fraction(seconds)
        if not self.jumps:
            position = bisect.bisect_right(self.frames, wanted, key=self.time_of)
            return (self.frames[max(0, position - 1)],)
        found = []
        for frame, following in zip(self.frames, [*self.frames[1:], None], strict=True):
            stop = None if following is None else following.pts
            if stop is None or stop <= frame.pts:
                stop = frame.pts + (frame.duration or 1)
            if self.time_of(frame) <= wanted < self.seconds(stop):
                found.append(frame)
        if not found:
            before = [f for f in self.frames if self.time_of(f) <= wanted] or [self.frames[0]]
            best = max(frame.pts for frame in before)
            found = [frame for frame in before if frame.pts == best]
        return tuple(found)

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


@dataclass(slots=True)
class _Decoded:
    """One sequential decode: frames as records, and what the packets said."""

    time_base: Fraction
    container: str
    records: list[Any]
    packets: list[tuple[int | None, ...]]
    errors: int = 0


def _colour_planes(frame: Any) -> tuple[npt.NDArray[Any], ...]:
    planes = visible_planes(frame)
    alpha = frame.format.name == "pal8" or any(c.is_alpha for c in frame.format.components)
    return planes[:-1] if alpha else planes


def _sequential(path: Path, number: int) -> _Decoded:
    records: list[Any] = []
    packets: list[tuple[int | None, ...]] = []
    errors = 0
    suspect = False
    with av.open(str(path), metadata_errors="replace") as container:
        attached = av.stream.Disposition.attached_pic
        videos: list[Any] = [s for s in container.streams.video if not s.disposition & attached]
        stream = videos[number]
        # libavcodec's own, also for VP8 and VP9 with alpha, which only libvpx decodes.
        decoder = stream.codec_context
        decoder.thread_type = "NONE"
        decoder.thread_count = 1
        time_base = Fraction(stream.time_base)
        if container.format.name == "mpegvideo":
            # Unless it was moved there, libavformat puts the first picture one frame too early.
            container.seek(0, stream=stream)
        for packet in _demuxed(container, stream):
            if packet.size or packet.dts is not None:
                key = packet.is_keyframe and not packet.is_discard
                packets.append((packet.pts, packet.dts, packet.duration, key))
            damaged = packet.is_corrupt
            try:
                frames: Sequence[Any] = decoder.decode(packet if packet.size else None)
            except av.error.InvalidDataError:
                errors += 1
                suspect = True
                continue
            except av.error.EOFError:  # drained already
                break
            for frame in frames:
                if frame.key_frame and not frame.is_corrupt:
                    suspect = False
                suspect |= frame.is_corrupt or damaged
                records.append(
                    (
                        frame.pts,
                        hash_planes(_colour_planes(frame)),
                        frame.width,
                        frame.height,
                        frame.format.name,
                        frame.is_corrupt,
                        frame.key_frame,
                        frame.duration,
                        suspect,
                    )
                )
        name = container.format.name
    return _Decoded(time_base, name, records, packets, errors)


def _rebuilt_stamps(
    path: Path, records: list[Any], packets: list[tuple[int | None, ...]]
) -> list[int]:
    """Instants of frames whose own stamps are missing or run backwards.

    AVI stamps decode order only, and what the demuxer derives for B-frames runs backwards; a raw
    H.264 stream stamps nothing. Reordering permutes frames, never instants: the k-th frame shown
    has the k-th decode stamp, or without any stamp follows the durations of those before it.
    """
    stamps = sorted(packet[1] for packet in packets if packet[1] is not None)
    if stamps and len(stamps) < len(records) and records[0][0] is not None:
        # A program stream stamps some of its pictures; those between follow their durations.
        stamps = [records[0][0]]
        for before, record in itertools.pairwise(records):
            stamps.append(record[0] if record[0] is not None else stamps[-1] + before[7])
    elif not stamps:
        stamps, now = [], 0
        for record in records:
            stamps.append(now)
            now += record[7] or 0
    if len(stamps) != len(records) or len(set(stamps)) != len(stamps):
        raise ValueError(f"{path.name}: {len(records)} frames, {len(set(stamps))} stamps")
    return stamps


@functools.lru_cache(maxsize=256)
def _truth(path: Path, stream: int) -> Truth:
    if path.stat().st_size < REMEMBER_BYTES:
        return _measured(path, stream)
    # Real files take seconds to decode whole: remember the table, keyed by content and code.
    key = hashlib.sha256(path.read_bytes() + Path(__file__).read_bytes())
    key.update(repr((av.__version__, sorted(av.library_versions.items()), stream)).encode())
    kept = cache_folder() / f"truth-{key.hexdigest()[:24]}.json"
    if kept.exists():
        data = json.loads(kept.read_text(encoding="utf-8"))
        data["time_base"] = Fraction(data["time_base"])
        data["frames"] = tuple(ShownFrame(*row) for row in data["frames"])
        return Truth(path=path, **data)
    truth = _measured(path, stream)
    data = {f.name: getattr(truth, f.name) for f in fields(truth) if f.name != "path"}
    data["time_base"] = str(truth.time_base)
    data["frames"] = [astuple(frame) for frame in truth.frames]
    aside = kept.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(data), encoding="utf-8")
    os.replace(aside, kept)
    return truth


def _measured(path: Path, stream: int) -> Truth:
    decoded = _sequential(path, stream)
    records, packets = decoded.records, decoded.packets
    if not records:
        raise ValueError(f"{path.name}: no frame decodes")
    # The decoder's output order is the presentation order, whatever the stamps say.
    shown = [record[0] for record in records]
    missing = any(pts is None for pts in shown)
    back = not missing and any(b <= a for a, b in itertools.pairwise(shown))
    rebuilt = missing or (back and decoded.container == "avi")
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
            suspect=suspect,
        )
        for index, (
            pts, sha1, width, height, pix_fmt, corrupt, _key, duration, suspect,
        ) in enumerate(records)
    )  # fmt: skip
    return Truth(
        path=path,
        time_base=decoded.time_base,
        frames=frames,
        packets=len(packets),
        decode_errors=decoded.errors,
        stamps_rebuilt=rebuilt,
        jumps=back and not rebuilt,
    )
