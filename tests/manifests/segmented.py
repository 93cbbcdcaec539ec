"""Segmented videos for the tests: cut from recipes by libavformat's muxers, served from memory.

Truth is one sequential decode of all segments of a rendition, one behind the other.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av

from snapengine.errors import SourceNotFound
from snapengine.sources.base import ByteRange
from snapengine.sources.meter import Meter
from tests.media.oracle import Truth
from tests.media.recipes import Recipe, build, cache_folder

BASE = "https://video.example/films/one/"
#: 12 s: 300 frames, a keyframe each second.
FILM = Recipe(name="segmented", width=192, height=108, frames=300, gop=25, bframes=2)
SIZES = ((64, 36), (128, 72), (192, 108))


def rendition(width: int, height: int) -> Recipe:
    return replace(FILM, name=f"segmented-{height}", width=width, height=height)


@functools.cache
def hls_files(kind: str, recipe: Recipe, seconds: int = 2, **options: str) -> dict[str, bytes]:
    """``media.m3u8`` and its segments; ``kind``: "mpegts" or "fmp4"."""
    told = {
        "hls_time": str(seconds), "hls_segment_type": kind, "hls_playlist_type": "vod",
        "hls_list_size": "0", **options,
    }  # fmt: skip
    return _muxed("hls", "media.m3u8", (recipe,), tuple(sorted(told.items())))


@functools.cache
def dash_files(recipes: tuple[Recipe, ...], **options: str) -> dict[str, bytes]:
    """``manifest.mpd`` and its segments."""
    told = {"seg_duration": "2", "format_options": "", **options}
    told.pop("format_options")
    return _muxed("dash", "manifest.mpd", recipes, tuple(sorted(told.items())))


def _muxed(
    muxer: str, name: str, recipes: Sequence[Recipe], options: tuple[tuple[str, str], ...]
) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        sources = [av.open(str(build(recipe))) for recipe in recipes]
        out: Any = av.open(f"{folder}/{name}", "w", format=muxer, options=dict(options))
        with out:
            out.flags |= 0x0400
            packets: list[Any] = []
            for source in sources:
                stream = out.add_stream_from_template(source.streams.video[0], opaque=True)
                for packet in source.demux(source.streams.video[0]):
                    if packet.dts is not None:
                        packet.stream = stream
                        packets.append(packet)
            for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
                out.mux_one(packet)
        for source in sources:
            source.close()
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@functools.cache
def master(kind: str, **options: str) -> dict[str, bytes]:
    """All renditions under folders named by their heights, and ``master.m3u8``."""
    files: dict[str, bytes] = {}
    lines = ["#EXTM3U", "#EXT-X-VERSION:7"]
    # The largest neither first nor last, sound alone among them.
    for width, height in (SIZES[1], SIZES[2], SIZES[0]):
        for name, data in hls_files(kind, rendition(width, height), **options).items():
            files[f"{height}/{name}"] = data
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={height * 3000},RESOLUTION={width}x{height},"
            'CODECS="avc1.64001f,mp4a.40.2"'
        )
        lines.append(f"{height}/media.m3u8")
    lines.append('#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"\naudio/media.m3u8')
    files["master.m3u8"] = "\n".join(lines).encode()
    return files


def truth_of(parts: Sequence[bytes], suffix: str) -> Truth:
    """What a player shows of these bytes, one behind the other."""
    data = b"".join(parts)
    path = cache_folder() / f"joined-{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"
    if not path.exists():
        path.write_bytes(data)
    return Truth.of(path)


def numbered(files: dict[str, bytes], suffix: str, prefix: str = "") -> list[str]:
    """Names of the segments in order of their numbers."""
    names = [n for n in files if n.startswith(prefix) and n.endswith(suffix)]
    return sorted(names, key=lambda n: int("".join(filter(str.isdigit, n.rpartition("/")[2]))))


@dataclass
class Host:
    """Files by URL, and what was fetched of each. As a source: all bytes, in short reads."""

    files: dict[str, bytes]
    base: str = BASE
    fetched: Counter[str] = field(default_factory=Counter)
    opened: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    open_now: int = 0

    def open(self, url: str) -> HostedFile:
        assert url.startswith(self.base), url
        name = url.removeprefix(self.base)
        if name not in self.files:
            raise SourceNotFound(f"no {name}")
        with self.lock:
            self.opened.append(name)
            self.open_now += 1
        return HostedFile(self, name)

    def segments(self) -> set[str]:
        """Names of the segments that were fetched, without playlists and headers."""
        return {
            name
            for name, count in self.fetched.items()
            if count and not name.endswith((".m3u8", ".mpd")) and "init" not in name
        }


class HostedFile:
    """A file of a :class:`Host`: a PlannedSource whose size is known with the first answer."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self.name = host.base + name
        self._name = name
        self._data = host.files[name]
        self._seen: list[tuple[int, int]] = []
        self._closed = False

    @property
    def size(self) -> int | None:
        return len(self._data) if self._seen else None

    def read_at(self, offset: int, size: int) -> bytes:
        assert not self._closed
        data = self._data[offset : offset + size]
        with self._host.lock:
            begin = max([offset, *(end for start, end in self._seen if start <= offset <= end)])
            self._host.fetched[self._name] += max(0, offset + len(data) - begin)
            self._seen.append((offset, offset + len(data)))
        return data

    def read_some(self, offset: int, size: int, meter: Meter) -> bytes:
        return self.read_at(offset, min(size, 50_000))

    def expect(self, ranges: Sequence[ByteRange], meter: Meter) -> None:
        pass

    def dismiss(self, meter: Meter) -> None:
        pass

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            with self._host.lock:
                self._host.open_now -= 1
