"""Damage on purpose: where the packets of a file lie, and bytes changed there. Not snapengine's."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import Any

import av

from tests.media.recipes import Recipe, build

__all__ = ["BASES", "KINDS", "Layout", "damaged", "layout_of", "noise", "zeros"]

_FASTSTART = (("movflags", "faststart"),)
_FRAGMENTED = (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)


def _base(name: str, codec: str = "h264", container: str = "mp4", **more: Any) -> Recipe:
    more = {"frames": 100, "gop": 10, **more}
    return Recipe(name=f"damage-{name}", codec=codec, container=container, **more)


#: Ten GOPs of ten frames each, small enough for hundreds of trials.
BASES: dict[str, Recipe] = {
    "mp4": _base("mp4", bframes=2, muxer_options=_FASTSTART),
    "mp4-last": _base("mp4-last", bframes=2),
    "mp4-fragments": _base("mp4-fragments", bframes=2, muxer_options=_FRAGMENTED),
    "hevc": _base("hevc", "hevc", bframes=2, muxer_options=_FASTSTART),
    "mkv": _base("mkv", container="mkv", bframes=2),
    "mkv-nocues": _base("mkv-nocues", container="mkv", bframes=2, muxer_options=(("live", "1"),)),
    "webm": _base("webm", "vp9", "webm"),
    "webm-vp8": _base("webm-vp8", "vp8", "webm"),
    "av1": _base("av1", "av1", muxer_options=_FASTSTART),
    "avi": _base("avi", "mpeg4", "avi"),
    "flv": _base("flv", container="flv", bframes=2),
    "ts": _base("ts", container="ts", bframes=2),
    "ts-mpeg2": _base("ts-mpeg2", "mpeg2video", "ts", bframes=2),
    "mpeg4": _base("mpeg4", "mpeg4", bframes=2, muxer_options=_FASTSTART),
    "mjpeg": _base("mjpeg", "mjpeg", "avi", pix_fmt="yuvj420p", full_range=True, frames=40),
}

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """``payload[i]``: byte ranges of packet i (decode order); ``keys``: numbers of keyframes."""

    data: bytes
    payload: tuple[tuple[Span, ...], ...]
    keys: tuple[int, ...]

    def gop(self, number: int) -> range:
        """The packets of GOP ``number``."""
        stop = self.keys[number + 1] if number + 1 < len(self.keys) else len(self.payload)
        return range(self.keys[number], stop)

    def spans(self, packets: range) -> list[Span]:
        return [span for packet in packets for span in self.payload[packet]]


@functools.cache
def layout_of(name: str) -> Layout:
    path = build(BASES[name])
    data = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [
            (packet.pos, bytes(packet), packet.is_keyframe)
            for packet in container.demux(container.streams.video[0])
            if packet.size
        ]
    keys = tuple(i for i, (_, _, key) in enumerate(packets) if key)
    if path.suffix == ".ts":
        starts = [pos for pos, _, _ in packets if pos is not None]
        return Layout(data, tuple(_transport(data, starts)), keys)
    payload, at = [], 0
    for _, body, _ in packets:
        at = data.index(body, at)
        payload.append(((at, at + len(body)),))
        at += len(body)
    return Layout(data, tuple(payload), keys)


def _transport(data: bytes, starts: list[int]) -> list[tuple[Span, ...]]:
    """What transport packets of one PID carry behind their headers (ISO/IEC 13818-1, 2.4.3)."""

    def pid(at: int) -> int:
        return (data[at + 1] & 31) << 8 | data[at + 2]

    found = []
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        spans = []
        for at in range(start, stop, 188):
            if pid(at) != pid(starts[0]) or not data[at + 3] & 16:
                continue
            body = at + 4 + (1 + data[at + 4] if data[at + 3] & 32 else 0)
            if data[at + 1] & 64:  # a PES header begins here
                body += 9 + data[body + 8]
            if body < at + 188:
                spans.append((body, at + 188))
        found.append(tuple(spans))
    return found


def noise(data: bytes, spans: list[Span], dice: random.Random) -> bytes:
    out = bytearray(data)
    for start, stop in spans:
        out[start:stop] = dice.randbytes(stop - start)
    return bytes(out)


def zeros(data: bytes, start: int, stop: int) -> bytes:
    return data[:start] + bytes(stop - start) + data[stop:]


#: "key": a keyframe is noise. "hole": two GOPs or so are zeros, wherever they begin and end.
#: "first": the first GOP is noise. "cut": the end is missing. "frame": any one packet is noise.
#: "all": every packet is noise. "lost" (transport streams): packets are missing. "flip": one bit.
KINDS = ("key", "hole", "first", "cut", "frame", "all", "lost", "flip")


def damaged(name: str, kind: str, seed: object = 0) -> bytes:
    """One of :data:`BASES`, damaged; the same for the same arguments."""
    layout = layout_of(name)
    data, dice = layout.data, random.Random(f"{name}:{kind}:{seed}")
    payload, keys = layout.payload, layout.keys
    if kind == "key":
        return noise(data, list(payload[dice.choice(keys[1:-1])]), dice)
    if kind == "hole":
        first = dice.randrange(1, len(keys) - 3)
        start = payload[keys[first]][0][0] + dice.randrange(60)
        return zeros(data, start, payload[keys[first + 2]][0][0] + dice.randrange(400))
    if kind == "first":
        return noise(data, layout.spans(layout.gop(0)), dice)
    if kind == "cut":
        return data[: int(len(data) * dice.uniform(0.55, 0.75))]
    if kind == "frame":
        return noise(data, list(payload[dice.randrange(1, len(payload))]), dice)
    if kind == "all":
        return noise(data, layout.spans(range(len(payload))), dice)
    if kind == "lost":
        start = payload[keys[dice.randrange(2, 6)]][0][0] // 188 * 188 + 188
        return data[:start] + data[start + 188 * dice.choice([1, 5, 31, 43]) :]
    if kind == "flip":
        start, stop = dice.choice(payload[dice.randrange(len(payload))])
        out = bytearray(data)
        out[dice.randrange(start, stop)] ^= 1 << dice.randrange(8)
        return bytes(out)
    raise ValueError(f"unknown damage {kind!r}")
