"""Films to be read over a bad line, what is done with them, and whether anything is left behind."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np

import snapengine
from tests.manifests.segmented import dash_files, hls_files, rendition

from .fault_server import Fault, FaultServer, Reply, Request, Served

#: Kind -> format, and how it is told where the index belongs.
_CONTAINERS: dict[str, tuple[str, dict[str, str]]] = {
    "mp4": ("mp4", {"movflags": "faststart"}),
    "mp4-moov-last": ("mp4", {}),
    "mp4-fragmented": ("mp4", {"movflags": "frag_keyframe+empty_moov"}),
    "mkv": ("matroska", {}),
    "ts": ("mpegts", {}),
}
#: Each kind of source whose bytes are found in another way.
KINDS = (*_CONTAINERS, "hls", "dash")
_GOPS, _GOP, _RATE, _SIZE = 16, 6, 6, (128, 96)
_PAGE = 12_000


def _written(format: str, options: Mapping[str, str], fill: Callable[[Any], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        with av.open(str(path), "w", format=format, options=dict(options)) as container:
            container.flags |= 0x0400
            fill(container)
        return path.read_bytes()


@functools.cache
def film(kind: str) -> bytes:
    """16 s, a keyframe of 20 kB each second: most calls need little of it."""
    format, options = _CONTAINERS[kind]

    def fill(container: Any) -> None:
        dice = np.random.default_rng(7)
        stream = container.add_stream("libx264", rate=_RATE)
        stream.width, stream.height = _SIZE
        stream.pix_fmt, stream.gop_size = "yuv420p", _GOP
        stream.options = {"preset": "ultrafast", "sc_threshold": "0", "crf": "20", "threads": "1"}
        for _ in range(_GOPS):
            samples = dice.integers(16, 235, (_SIZE[1] * 3 // 2, _SIZE[0]), np.uint8)
            for _ in range(_GOP):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(samples, format="yuv420p")))
        container.mux(stream.encode())

    return _written(format, options, fill)


@functools.cache
def pages(seed: int, extra: int = 0) -> bytes:
    """40 pictures of 12 000 bytes each, the index last. Whatever ``seed``, everything lies in the
    same place: bytes of two such films mixed give sound pictures of both. ``extra`` more bytes at
    the end belong to nothing."""

    def fill(container: Any) -> None:
        dice = np.random.default_rng(seed)
        stream = container.add_stream("mjpeg", rate=4)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for number in range(40):
            samples = dice.integers(0, 255, (96, 96), np.uint8)
            frame = av.VideoFrame.from_ndarray(samples, format="yuvj420p")
            frame.pts = number
            for packet in stream.encode(frame):
                data = bytes(packet)
                assert len(data) <= _PAGE
                padded = av.Packet(data + bytes(_PAGE - len(data)))
                padded.pts = padded.dts = packet.pts
                padded.time_base, padded.is_keyframe = packet.time_base, True
                padded.stream = stream
                container.mux(padded)

    free = (8 + extra).to_bytes(4, "big") + b"free" + bytes(extra) if extra else b""
    return _written("mp4", {}, fill) + free


def served(kind: str) -> tuple[str, dict[str, bytes | Served]]:
    """The path to be opened, and all files."""
    if kind in _CONTAINERS:
        return "/film", {"/film": film(kind), "/again": film(kind)}
    if kind == "hls":
        files = hls_files("mpegts", rendition(64, 36))
        return "/media.m3u8", {f"/{name}": data for name, data in files.items()}
    files = dash_files((rendition(64, 36),))
    return "/manifest.mpd", {f"/{name}": data for name, data in files.items()}


# -- what is done ---------------------------------------------------------------------------------


def _snapshot(video: snapengine.Video) -> list[bytes]:
    return [video.snapshot(7.3).to_ndarray().tobytes()]


def _snapshots(video: snapengine.Video) -> list[bytes]:
    return [shot.to_ndarray().tobytes() for shot in video.snapshots(at=[1.2, 5.6, 9.9, 3.3])]


def _sprite(video: snapengine.Video) -> list[bytes]:
    sheet = video.sprite(count=6, cell=(48, None), columns=3, accuracy="keyframe")
    return [page.to_ndarray().tobytes() for page in sheet.pages]


def _covers(video: snapengine.Video) -> list[bytes]:
    return [cover.to_ndarray().tobytes() for cover in video.covers(count=2, width=64)]


def _animate(video: snapengine.Video) -> list[bytes]:
    out = io.BytesIO()
    video.animate(out, format="gif", start=3, end=6, rate=2, width=48)
    return [out.getvalue()]


def begun(video: snapengine.Video) -> Generator[snapengine.Snapshot, None, None]:
    """Pictures of which the first needs nothing that opening has not fetched."""
    shots = video.snapshots(at=[0, 4, 7, 10, 13], accuracy="keyframe", width=48)
    assert isinstance(shots, Generator)
    return shots


def _leave(video: snapengine.Video) -> list[bytes]:
    shots = begun(video)
    try:
        return [next(shots).to_ndarray().tobytes()]
    finally:
        shots.close()


VERBS: dict[str, Callable[[snapengine.Video], list[bytes]]] = {
    "snapshot": _snapshot, "snapshots": _snapshots, "sprite": _sprite, "covers": _covers,
    "animate": _animate, "leave": _leave,
}  # fmt: skip


@functools.cache
def local(kind: str) -> dict[str, list[bytes]]:
    """What each verb gives of the file on this machine."""
    path, files = served(kind)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            assert isinstance(data, bytes)
            Path(folder + name).write_bytes(data)
        with snapengine.open(folder + path) as video:
            return {name: verb(video) for name, verb in VERBS.items()}


# -- what is left ---------------------------------------------------------------------------------


def settled(happened: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether something that other threads are about to do has come true."""
    pause, ends = threading.Event(), time.monotonic() + seconds
    while not happened():
        if time.monotonic() > ends:
            return False
        pause.wait(0.002)
    return True


def fetching() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "snapengine-fetch"]


def _held() -> set[tuple[str, str]]:
    """Each descriptor with what it is, and each thread, those of native code too."""
    held = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the listing itself
            held.add((number, os.readlink(f"/proc/self/fd/{number}")))
    lasting = ("snapengine-aio", "fsspec")  # pools that serve the next call, too
    kept = {str(t.native_id) for t in threading.enumerate() if t.name.startswith(lasting)}
    return held | {(task, "thread") for task in os.listdir("/proc/self/task") if task not in kept}


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """No descriptor, socket or thread is there that was not there before, one by one: what ends
    meanwhile, of earlier calls, makes no place for another."""
    before = _held()
    yield
    # Threads that have been told to end take a moment.
    settled(lambda: _held() <= before)
    assert _held() <= before


# -- what goes wrong ------------------------------------------------------------------------------


class Trap:
    """Puts a fault into a server so that it strikes behind the next ``skip`` requests."""

    def __init__(self, server: FaultServer, fault: Fault, skip: int = 0) -> None:
        self.struck = threading.Event()
        self._skip = skip
        self._change, self._on = fault.change, fault.on
        fault.change, fault.on = self._strike, self._is_due
        server.faults.append(fault)

    def _is_due(self, request: Request) -> bool:
        if self._skip:
            self._skip -= 1
            return False
        return self._on is None or self._on(request)

    def _strike(self, request: Request, reply: Reply) -> None:
        self._change(request, reply)
        self.struck.set()
