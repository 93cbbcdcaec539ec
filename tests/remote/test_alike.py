"""Wherever the bytes are, the pictures are the local file's, and the same bytes are asked for."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import snapengine
from snapengine.errors import SnapError
from snapengine.model.network import Network
from tests.remote.nginx_server import NginxServer, need_nginx
from tests.remote.s3_server import S3Server

#: Of each container, and each place an index can be in.
GENERATED = [
    "h264-mp4-faststart", "h264-mp4-longgop", "h264-mp4-fragmented", "h264-mkv-longgop",
    "h264-mkv-nocues", "h264-ts", "h264-flv", "h264-avi", "vp9-webm-noduration", "hevc-mp4-vfr",
]  # fmt: skip


class Mine:
    """A caller's own source."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        self.size = len(self._data)
        self.requests = 0
        self.bytes = 0

    def read_at(self, offset: int, size: int) -> bytes:
        data = self._data[offset : offset + size]
        self.requests += 1
        self.bytes += len(data)
        return data


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a video gave: pictures, or the error; requests and bytes by its own count."""

    pictures: tuple[bytes, ...]
    error: str
    requests: int
    bytes_fetched: int


def look(source: object, network: Network) -> Outcome:
    """A keyframe cover, exact snapshots and a sprite, one after the other."""
    pictures: list[bytes] = []
    requests = bytes_fetched = 0
    error = ""

    def count(stats: snapengine.RunStats) -> None:
        nonlocal requests, bytes_fetched
        requests += stats.requests
        bytes_fetched += stats.bytes_fetched

    try:
        with contextlib.closing(snapengine.open(source, network=network)) as video:
            count(video.stats)
            cover = video.snapshot("30%", accuracy="keyframe", width=160)
            count(cover.stats)
            pictures.append(cover.to_ndarray().tobytes())
            for shot in video.snapshots(count=2, width=320):
                pictures.append(shot.to_ndarray().tobytes())
            count(shot.stats)
            sprite = video.sprite(count=6, columns=3, cell=(96, None), accuracy="keyframe")
            count(sprite.stats)
            pictures += [page.to_ndarray().tobytes() for page in sprite.pages]
    except SnapError as exc:
        error = type(exc).__name__
    return Outcome(tuple(pictures), error, requests, bytes_fetched)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@contextlib.contextmanager
def serving(path: Path, folder: Path, s3: S3Server) -> Iterator[dict[str, Any]]:
    """The same file ``local``, over ``http`` and ``s3``, as ``mine``; the server is ``nginx``."""
    need_nginx()
    shutil.copyfile(path, folder / "v.bin")
    s3.put("videos", "v.bin", path.read_bytes())
    s3.requests.clear()
    with NginxServer(folder) as nginx:
        yield {
            "local": path,
            "http": nginx.url("/v.bin"),
            "s3": "s3://videos/v.bin",
            "mine": Mine(path),
            "nginx": nginx,
        }


def seen_everywhere(
    path: Path, folder: Path, s3: S3Server, hows: Sequence[str] = ("http", "s3", "mine")
) -> tuple[dict[str, Outcome], Any]:
    """What each place gave, all of them the same pictures; and the places."""
    network = Network(allow_private=True, storage_options=s3.options)
    with serving(path, folder, s3) as places:
        seen = {how: look(places[how], network) for how in ("local", *hows)}
    local = seen.pop("local")
    assert local.requests == local.bytes_fetched == 0
    for how, outcome in seen.items():
        assert outcome.error == local.error, how
        assert outcome.pictures == local.pictures, how
    return seen, places


@pytest.mark.parametrize("name", GENERATED)
def test_generated(name: str, media: Callable[[str], Path], tmp_path: Path, s3: S3Server) -> None:
    seen_everywhere(media(name), tmp_path, s3)


def test_real_media(real_file: Path, tmp_path: Path, s3: S3Server) -> None:
    seen_everywhere(real_file, tmp_path, s3, ["http"])


@pytest.mark.parametrize("moov", ["first", "last"])
def test_what_is_planned_is_the_same_everywhere(moov: str, tmp_path: Path, s3: S3Server) -> None:
    """Where an index tells what to fetch, the same bytes are fetched wherever they are, and what
    the servers counted is what the statistics say."""
    path = tmp_path / "long.mp4"
    write_long_video(path, faststart=moov == "first")
    (tmp_path / "served").mkdir()
    seen, places = seen_everywhere(path, tmp_path / "served", s3)
    assert not seen["http"].error
    assert len({outcome.bytes_fetched for outcome in seen.values()}) == 1, seen
    told = seen["mine"].bytes_fetched
    assert told < path.stat().st_size // 2
    assert places["mine"].requests == seen["mine"].requests
    assert places["mine"].bytes == told
    assert len(places["nginx"].log) == seen["http"].requests
    assert len(s3.requests) == seen["s3"].requests


def test_the_disk_cache_saves_what_is_known(tmp_path: Path, s3: S3Server) -> None:
    """A second process asks only whether it is still the same file."""
    path = tmp_path / "long.mp4"
    write_long_video(path, faststart=True)
    (tmp_path / "served").mkdir()
    network = Network(
        allow_private=True, storage_options=s3.options, cache_folder=tmp_path / "cache"
    )
    with serving(path, tmp_path / "served", s3) as places:
        for how in ("http", "s3"):
            first, second = look(places[how], network), look(places[how], network)
            assert first.pictures == second.pictures
            assert first.bytes_fetched > 2 * second.bytes_fetched
            assert second.requests == 1


def write_long_video(path: Path, *, faststart: bool) -> None:
    """Some megabytes of noise, a keyframe each second, so that most of it is not needed."""
    noise = np.random.default_rng(4).integers(0, 256, (12, 180, 320, 3), dtype=np.uint8)
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.gop_size = 5
        stream.bit_rate = 1_000_000
        for number in range(200):
            frame = av.VideoFrame.from_ndarray(noise[number % len(noise)], format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
