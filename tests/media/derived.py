"""Test videos made of others: joined, cut, their stamps moved, their headers patched.

For what no encoder or muxer writes by itself: clocks that wrap, broadcasts that jump, headers that
disagree with their data. Everything here works on bytes and packets; nothing of snapengine.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from .recipes import Recipe, build, cache_folder

__all__ = ["DERIVED", "Derived", "make", "rewritten"]

_TS = 188
_WRAP = 1 << 33


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A file made by ``maker`` from the files of ``parts``. ``jumps``: its stamps go back."""

    name: str
    container: str
    parts: tuple[Recipe, ...]
    maker: Callable[..., bytes]
    options: tuple[Any, ...] = ()
    jumps: bool = False


def make(derived: Derived) -> Path:
    """The file, made on first use and kept beside those of recipes."""
    text = repr((derived.name, [part.key for part in derived.parts], derived.options))
    key = hashlib.sha256(text.encode() + Path(__file__).read_bytes()).hexdigest()[:16]
    path = cache_folder() / f"{derived.name}-{key}.{derived.container}"
    if not path.exists():
        data = derived.maker(*(build(part) for part in derived.parts), *derived.options)
        handle, aside = tempfile.mkstemp(prefix=".making-", dir=path.parent)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        os.replace(aside, path)
    return path


# --- transport and program streams ---------------------------------------------------------------


def _moved_stamp(field: bytes, by: int) -> bytes:
    """A 33-bit stamp of a PES header (ISO/IEC 13818-1, 2.4.3.6), moved by 90 kHz ticks."""
    a, b, c, d, e = field
    stamp = (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
    stamp = (stamp + by) % _WRAP
    return bytes(
        (
            a & 0xF1 | (stamp >> 30) << 1,
            stamp >> 22 & 0xFF,
            (stamp >> 15 & 0x7F) << 1 | 1,
            stamp >> 7 & 0xFF,
            (stamp & 0x7F) << 1 | 1,
        )
    )


def _moved_ts(data: bytes, by: int) -> bytes:
    """PTS, DTS and PCR of every packet moved by 90 kHz ticks, around the end of the clock."""
    out = bytearray(data)
    for start in range(0, len(data) - _TS + 1, _TS):
        control = data[start + 3] >> 4 & 3
        body = start + 4
        if control & 2:
            length = data[body]
            if length and data[body + 1] & 0x10:
                base = int.from_bytes(data[body + 2 : body + 6], "big") << 1 | data[body + 6] >> 7
                base = (base + by) % _WRAP
                out[body + 2 : body + 6] = (base >> 1).to_bytes(4, "big")
                out[body + 6] = (base & 1) << 7 | data[body + 6] & 0x7F
            body += 1 + length
        begins = data[start + 1] & 0x40
        if control & 1 and begins and data[body : body + 3] == b"\0\0\1" and data[body + 3] >= 0xC0:
            stamps = (0, 0, 1, 2)[data[body + 7] >> 6]  # none, forbidden, pts, pts and dts
            for place in range(stamps):
                at = body + 9 + 5 * place
                out[at : at + 5] = _moved_stamp(data[at : at + 5], by)
    return bytes(out)


def wrapped_ts(path: Path, seconds_before: float) -> bytes:
    """The same stream, its clock starting so long before it runs over."""
    with av.open(str(path)) as container:
        first = container.streams.video[0].start_time or 0
    return _moved_ts(path.read_bytes(), _WRAP - int(seconds_before * 90_000) - first)


def joined_ts(first: Path, second: Path, seconds: float) -> bytes:
    """Two streams one after the other; the stamps of the second moved by ``seconds``."""
    return first.read_bytes() + _moved_ts(second.read_bytes(), int(seconds * 90_000))


def beheaded(path: Path, share: float, unit: int) -> bytes:
    """Without its beginning: a recording that starts anywhere. Whole units of so many bytes."""
    data = path.read_bytes()
    return data[int(len(data) * share) // unit * unit :]


def bla(path: Path) -> bytes:
    """HEVC Annex B: the second CRA (21) becomes a BLA_W_LP (16), as splicing leaves it."""
    data = bytearray(path.read_bytes())
    seen = 0
    position = data.find(b"\0\0\1")
    while position >= 0:
        if data[position + 3] >> 1 == 21:
            seen += 1
            if seen == 2:
                data[position + 3] = 16 << 1
                return bytes(data)
        position = data.find(b"\0\0\1", position + 3)
    raise ValueError(f"{path.name}: no second CRA")


# --- packets of several encodes in one file ------------------------------------------------------


def _packets(path: Path) -> tuple[Any, list[Any]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream, [p for p in container.demux(stream) if p.size]


def _muxed(container: str, tracks: list[list[Path]], options: dict[str, str]) -> bytes:
    """Each track the packets of its files one after the other; headers from the first file."""
    handle, aside = tempfile.mkstemp(suffix=f".{container}")
    os.close(handle)
    formats = {"mkv": "matroska", "ts": "mpegts"}
    try:
        with av.open(aside, "w", format=formats.get(container, container), options=options) as out:
            out.flags |= 0x0400
            merged = []
            for files in tracks:
                with av.open(str(files[0])) as like:
                    target: Any = out.add_stream_from_template(like.streams.video[0])
                begin = Fraction(0)
                for file in files:
                    stream, packets = _packets(file)
                    base = Fraction(stream.time_base)
                    origin = min(p.pts for p in packets)
                    end = max((p.pts - origin) + (p.duration or 1) for p in packets) * base
                    for packet in packets:
                        shift = int(begin / base) - origin
                        packet.pts, packet.dts = packet.pts + shift, (packet.dts or 0) + shift
                        merged.append((packet.dts * base, packet, target))
                    begin += end
            for _, packet, target in sorted(merged, key=lambda entry: entry[0]):
                packet.stream = target
                out.mux_one(packet)
        return Path(aside).read_bytes()
    finally:
        os.unlink(aside)


def one_track(*parts: Any) -> bytes:
    """One track of several encodes, whatever their size."""
    *files, container = parts
    return _muxed(container, [list(files)], {})


def two_tracks(first: Path, second: Path, container: str) -> bytes:
    """Two video tracks side by side."""
    return _muxed(container, [[first], [second]], {})


# --- boxes ---------------------------------------------------------------------------------------

_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        yield kind, data[position + 8 : position + size]
        position += size


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def rewritten(body: bytes, change: Callable[[bytes, bytes], bytes | None]) -> bytes:
    """Boxes with their bodies replaced by ``change(kind, body)``; ``None`` leaves one out."""
    out = b""
    for kind, inner in _boxes(body):
        deeper = rewritten(inner, change) if kind in _PARENTS else inner
        replaced = change(kind, deeper)
        if replaced is not None:
            out += _box(kind, replaced)
    return out


def edited(path: Path, movie_scale: int, entries: tuple[tuple[int, int, float], ...]) -> bytes:
    """MP4 with this edit list: (movie ticks, media time in track ticks or -1, rate).

    Needs a file whose ``moov`` comes last, so that nothing moves.
    """
    table = struct.pack(">4xI", len(entries)) + b"".join(
        struct.pack(">Iii", length, start, int(rate * 65536)) for length, start, rate in entries
    )

    def change(kind: bytes, body: bytes) -> bytes | None:
        if kind == b"edts":
            return None
        if kind == b"mvhd":
            return body[:12] + struct.pack(">I", movie_scale) + body[16:]
        if kind == b"trak":
            head, rest = body[: 8 + 84], body[8 + 84 :]
            return head + _box(b"edts", _box(b"elst", table)) + rest
        return body

    return rewritten(path.read_bytes(), change)


def two_entries(first: Path, second: Path) -> bytes:
    """MP4 of two encodes with a sample description each, a chunk per sample."""
    data = _muxed("mp4", [[first, second]], {})
    entry = b""

    def find(kind: bytes, body: bytes) -> bytes:
        nonlocal entry
        if kind == b"stsd":
            entry = body[8:]
        return body

    rewritten(second.read_bytes(), find)
    count = len(_packets(first)[1])
    position, offset = 0, 0
    for kind, body in _boxes(data):
        if kind == b"mdat":
            offset = position + 8
        position += len(body) + 8
    sizes: tuple[int, ...] = ()

    def change(kind: bytes, body: bytes) -> bytes:
        nonlocal sizes
        if kind == b"stsd":
            return struct.pack(">4xI", 2) + body[8:] + entry
        if kind == b"stsz":
            sizes = struct.unpack(f">{(len(body) - 12) // 4}I", body[12:])
        if kind == b"stsc":
            return struct.pack(">4xI6I", 2, 1, 1, 1, count + 1, 1, 2)
        if kind == b"stco":
            places = [offset + sum(sizes[:number]) for number in range(len(sizes))]
            return struct.pack(f">4xI{len(places)}I", len(places), *places)
        return body

    return rewritten(data, change)


# --- Matroska ------------------------------------------------------------------------------------


def lying_cues(path: Path) -> bytes:
    """Every CueTime (0xB3) two thirds of what it was: cues that point beside their keyframes."""
    data = bytearray(path.read_bytes())
    start = data.rfind(b"\x1c\x53\xbb\x6b")
    position = start + 5
    changed = 0
    while (position := data.find(b"\xb3", position)) >= 0:
        size = data[position + 1] & 0x7F
        if data[position - 2] == 0xBB and 0 < size <= 4:
            value = int.from_bytes(data[position + 2 : position + 2 + size], "big") * 2 // 3
            data[position + 2 : position + 2 + size] = value.to_bytes(size, "big")
            changed += 1
        position += 1
    if start < 0 or not changed:
        raise ValueError(f"{path.name}: no cues")
    return bytes(data)


def without_duration(path: Path) -> bytes:
    """The Duration (0x4489) becomes a Void element of the same size."""
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88")
    return data[:at] + b"\xec\x89" + data[at + 2 : at + 2] + bytes(9) + data[at + 11 :]


# --- AVI -----------------------------------------------------------------------------------------


def packed_avi(path: Path) -> bytes:
    """MPEG-4 B-frames the DivX way: each rides in the packet of the picture it needs, and an empty
    picture keeps its place (one B-frame between two others)."""
    stream, packets = _packets(path)
    extra = bytes(stream.codec_context.extradata) + b"\0\0\1\xb2DivX503b1393p"
    vops = [bytes(p) for p in packets]
    kinds = [data[data.index(b"\0\0\1\xb6") + 4] >> 6 for data in vops]
    chunks: list[tuple[bytes, bool]] = []
    number = 0
    while number < len(vops):
        if number + 1 < len(vops) and kinds[number] != 2 and kinds[number + 1] == 2:
            chunks.append((vops[number] + vops[number + 1], kinds[number] == 0))
            chunks.append((b"\0\0\1\xb6\x50\x00\x7f"[:5], False))
            number += 2
        else:
            chunks.append((vops[number], kinds[number] == 0))
            number += 1
    handle, aside = tempfile.mkstemp(suffix=".avi")
    os.close(handle)
    try:
        with av.open(aside, "w", format="avi") as out:
            out.flags |= 0x0400
            target: Any = out.add_stream("mpeg4", rate=25)
            context = target.codec_context
            context.width, context.height = stream.codec_context.width, stream.codec_context.height
            context.pix_fmt = "yuv420p"
            out.start_encoding()
            for place, (data, key) in enumerate(chunks):
                body = extra + data if key else data
                packet = av.Packet(body)
                packet.pts = packet.dts = place
                packet.time_base, packet.is_keyframe = Fraction(1, 25), key
                packet.stream = target
                out.mux_one(packet)
        return Path(aside).read_bytes()
    finally:
        os.unlink(aside)


# --- the list ------------------------------------------------------------------------------------

_TS_PART = Recipe(name="part-ts", container="ts", bframes=2, gop=20, frames=60)
_TS_OTHER = Recipe(
    name="other-ts", container="ts", bframes=2, gop=20, frames=60, width=96, height=64, still_from=0
)
_MP4_PART = Recipe(name="part-mp4", bframes=2, gop=20, frames=60)
_MP4_OTHER = dataclasses.replace(_MP4_PART, name="other-mp4", width=96, height=64)
_MKV_PART = Recipe(name="part-mkv", container="mkv", bframes=3, gop=20, frames=60)
_VP9 = Recipe(name="part-webm", codec="vp9", container="webm", gop=20, frames=50)
_VP9_OTHER = dataclasses.replace(_VP9, name="other-webm", width=96, height=64)
_PS = Recipe(name="part-ps", codec="mpeg2video", container="ps", bframes=2, gop=15, frames=60)
_HEVC = Recipe(
    name="part-hevc", codec="hevc", container="265", bframes=3, gop=20, frames=60, open_gop=True
)
_HEVC_TS = dataclasses.replace(_HEVC, name="part-hevc-ts", container="ts")
_ASP = Recipe(name="part-asp", codec="mpeg4", container="avi", bframes=1, gop=15, frames=60)

#: libx264 in MP4: 12800 ticks a second, 512 a frame; the first picture is at 1024 (two B-frames).
_FRAME, _FIRST = 512, 1024

DERIVED: tuple[Derived, ...] = (
    Derived(name="ts-wrap", container="ts", parts=(_TS_PART,), maker=wrapped_ts, options=(1.1,)),
    Derived(name="ts-wrap-early", container="ts", parts=(_TS_PART,), maker=wrapped_ts,
            options=(0.05,)),
    Derived(name="ts-jump-ahead", container="ts", parts=(_TS_PART, _TS_PART), maker=joined_ts,
            options=(60.0,)),
    Derived(name="ts-jump-back", container="ts", parts=(_TS_PART, _TS_OTHER), maker=joined_ts,
            options=(-1.0,), jumps=True),
    Derived(name="ts-joined", container="ts", parts=(_TS_PART, _TS_OTHER), maker=joined_ts,
            options=(0.0,), jumps=True),
    Derived(name="ts-new-size", container="ts", parts=(_TS_PART, _TS_OTHER), maker=joined_ts,
            options=(2.4,)),
    Derived(name="ts-midgop", container="ts", parts=(_TS_PART,), maker=beheaded,
            options=(0.2, _TS)),
    Derived(name="ps-midgop", container="ps", parts=(_PS,), maker=beheaded, options=(0.2, 2048)),
    Derived(name="hevc-ts-midgop", container="ts", parts=(_HEVC_TS,), maker=beheaded,
            options=(0.2, _TS)),
    Derived(name="hevc-bla", container="265", parts=(_HEVC,), maker=bla),
    Derived(name="webm-new-size", container="webm", parts=(_VP9, _VP9_OTHER), maker=one_track,
            options=("webm",)),
    Derived(name="mp4-two-entries", container="mp4", parts=(_MP4_PART, _MP4_OTHER),
            maker=two_entries),
    Derived(name="mp4-two-tracks", container="mp4", parts=(_MP4_PART, _MP4_OTHER),
            maker=two_tracks, options=("mp4",)),
    Derived(name="mkv-two-tracks", container="mkv", parts=(_MKV_PART, _MP4_OTHER),
            maker=two_tracks, options=("mkv",)),
    Derived(name="mp4-empty-edit", container="mp4", parts=(_MP4_PART,), maker=edited,
            options=(1000, ((700, -1, 1), (2400, _FIRST, 1)))),
    Derived(name="mp4-cut", container="mp4", parts=(_MP4_PART,), maker=edited,
            options=(1000, ((1000, _FIRST + 27 * _FRAME, 1),))),
    Derived(name="mp4-segments", container="mp4", parts=(_MP4_PART,), maker=edited,
            options=(1000, ((600, _FIRST + 33 * _FRAME, 1), (800, _FIRST + 4 * _FRAME, 1)))),
    Derived(name="mp4-repeat", container="mp4", parts=(_MP4_PART,), maker=edited,
            options=(1000, ((800, _FIRST, 1), (800, _FIRST, 1)))),
    Derived(name="mp4-rate", container="mp4", parts=(_MP4_PART,), maker=edited,
            options=(1000, ((2400, _FIRST, 0.5),))),
    Derived(name="mkv-lying-cues", container="mkv", parts=(_MKV_PART,), maker=lying_cues),
    Derived(name="mkv-noduration", container="mkv", parts=(_MKV_PART,), maker=without_duration),
    Derived(name="avi-packed", container="avi", parts=(_ASP,), maker=packed_avi),
)  # fmt: skip
"""Each trap once."""
