"""Requests, bytes and connections of videos in segments: few, and all of them in some stats."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import snapengine
from snapengine import Limits, Network
from snapengine.errors import EngineClosed, LimitExceeded
from tests.manifests.segmented import SIZES, dash_files, hls_files, master, rendition
from tests.media.barcode import read_ordinal
from tests.remote.fault_server import FaultServer, cut, leftovers, redirect

LOCAL = Network(allow_private=True)


def films() -> dict[str, bytes]:
    """The same under three roofs; ``/films/index`` is the manifest."""
    found: dict[str, bytes] = {}
    for kind in ("mpegts", "fmp4"):
        files = dict(master(kind))
        files["index"] = files.pop("master.m3u8")
        found |= {f"/{kind}/{name}": data for name, data in files.items()}
    files = dict(dash_files(tuple(rendition(*size) for size in SIZES)))
    files["index"] = files.pop("manifest.mpd")
    return found | {f"/dash/{name}": data for name, data in files.items()}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    before = leftovers()
    with FaultServer(films()) as running:
        yield running
    assert leftovers() == before


@pytest.fixture(params=["mpegts", "fmp4", "dash"])
def url(request: pytest.FixtureRequest, server: FaultServer) -> str:
    return server.url(f"/{request.param}/index")


def ordinal(shot: Any) -> int:
    return read_ordinal(shot.to_ndarray())


@pytest.mark.parametrize("connections", [1, 2, 4])
def test_few_connections_for_many_segments(url: str, server: FaultServer, connections: int) -> None:
    network = Network(allow_private=True, connections=connections)
    with snapengine.open(url, network=network) as video:
        sheet = video.sprite(count=20, cell=(64, None))
        assert len(sheet.cues) == 20
        assert len(server.requests) > 6
        # From the manifest on: its connection is used for the rest as well.
        assert server.connections <= connections
        video.snapshot(5.0, width=190)
    assert server.connections <= connections


def test_every_request_is_in_the_stats(url: str, server: FaultServer) -> None:
    """Also those for playlists of renditions that are opened in the middle."""
    with snapengine.open(url, network=LOCAL) as video:
        done = [
            video.snapshot(7.3, width=60).stats,
            video.sprite(interval=1, cell=(64, None)).stats,
            video.snapshot(9.0, width=120).stats,
            video.animate(io.BytesIO(), format="gif", width=190, start=0, end=2).stats,
        ]
        assert video.info.width == 192
        done.append(video.stats)
    assert sum(stats.requests for stats in done) == len(server.requests)
    assert sum(stats.bytes_fetched for stats in done) == server.bytes_sent


@pytest.mark.parametrize("over", [0, 1, 20_000])
def test_a_limit_that_is_just_enough_is_enough(url: str, server: FaultServer, over: int) -> None:
    """Sizes of segments are not known before; what is asked for too much is not held against it."""
    times = [0.5, 2.5, 4.5, 6.5, 8.5, 10.5]

    def pictures(limits: Limits) -> list[int]:
        with snapengine.open(url, network=LOCAL, limits=limits) as video:
            _ = video.info
            server.requests.clear()
            return [ordinal(shot) for shot in video.snapshots(at=times, width=190)]

    whole = pictures(Limits())
    assert whole == [round(time * 25 - 0.5) for time in times]
    needed, asked = server.bytes_sent, len(server.requests)
    assert pictures(Limits(max_bytes_read=needed + over)) == whole
    with pytest.raises(LimitExceeded, match="bytes"):
        pictures(Limits(max_bytes_read=needed - 1))
    assert server.bytes_sent < needed
    assert len(server.requests) <= 2 * asked


def test_a_generous_limit_costs_no_request(url: str, server: FaultServer) -> None:
    counts = []
    for limits in (Limits(), Limits(max_bytes_read=64 << 20)):
        server.requests.clear()
        with snapengine.open(url, network=LOCAL, limits=limits) as video:
            video.sprite(count=20, cell=(190, None))
        counts.append((len(server.requests), server.bytes_sent))
    assert counts[0] == counts[1]


# -- renditions that are opened in the middle ----------------------------------------------------


def hanging(server: FaultServer) -> None:
    server.faults.append(
        cut("status", "hang", times=None, on=lambda r: r.path.endswith("108/media.m3u8"))
    )


def test_the_deadline_holds_for_playlists(server: FaultServer) -> None:
    url = server.url("/fmp4/index")
    with snapengine.open(url, network=LOCAL, limits=Limits(deadline_seconds=0.4)) as video:
        hanging(server)
        begun = time.monotonic()
        with pytest.raises(LimitExceeded, match="deadline"):
            video.snapshot(3.0, width=190)
        assert time.monotonic() - begun < 1.4
        assert ordinal(video.snapshot(3.0, width=60)) == 75
        server.faults.clear()
        assert ordinal(video.snapshot(3.0, width=190)) == 75


def test_closing_ends_the_opening_of_a_rendition(server: FaultServer) -> None:
    """And nobody who wants another rendition waits for it meanwhile."""
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            video.snapshot(3.0, width=190)
        except EngineClosed as exc:
            errors.append(exc)

    with snapengine.open(server.url("/fmp4/index"), network=LOCAL) as video:
        hanging(server)
        threads = [threading.Thread(target=wait) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert ordinal(video.snapshot(3.0, width=60)) == 75
        assert ordinal(video.snapshot(3.0, width=120)) == 75
    for thread in threads:
        thread.join(5)
    assert len(errors) == 2


def test_references_of_a_playlist_are_relative_to_where_it_was_found(server: FaultServer) -> None:
    playlist = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\nlatest\n"
    server.put("/some/where", playlist)
    server.put("/some/latest", b"")
    for name, data in hls_files("fmp4", rendition(64, 36)).items():
        server.put(f"/else/{name}", data)
    there = server.url("/else/media.m3u8")
    server.faults.append(redirect(there, times=None, on=lambda r: r.path == "/some/latest"))
    with snapengine.open(server.url("/some/where"), network=LOCAL) as video:
        assert ordinal(video.snapshot(7.3)) == 182
