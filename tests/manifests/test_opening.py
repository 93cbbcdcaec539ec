"""Manifests through the front door: ``snapengine.open`` of a path or URL, every verb."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import snapengine
from snapengine import Limits, Network
from snapengine.errors import (
    LimitExceeded,
    SnapError,
    SourceDenied,
    SourceError,
    UnrecognizedContainer,
)
from tests.manifests.segmented import SIZES, dash_files, hls_files, master, rendition
from tests.media.barcode import read_ordinal
from tests.remote.fault_server import FaultServer, answer, busy, cut, redirect
from tests.remote.films import settled

LOCAL = Network(allow_private=True)


def ordinal(shot: Any) -> int:
    return read_ordinal(shot.to_ndarray())


def served(files: dict[str, bytes], folder: str = "/films/") -> dict[str, bytes]:
    return {folder + name: data for name, data in files.items()}


@pytest.fixture(params=["mpegts", "fmp4"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(served(master(request.param))) as running:
        yield running


def segments(server: FaultServer) -> set[str]:
    endings = (".ts", ".m4s")
    return {r.path for r in server.requests if r.path.endswith(endings) and r.sent}


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


# -- local ----------------------------------------------------------------------------------------


def test_a_folder_with_a_master_playlist(tmp_path: Path) -> None:
    put(tmp_path, master("fmp4"))
    with snapengine.open(tmp_path / "master.m3u8") as video:
        assert (video.info.width, video.info.height) == (192, 108)
        assert video.info.container == "hls"
        assert ordinal(video.snapshot(7.3)) == 182
        small = video.snapshot(7.3, width=60)
        assert (small.width, ordinal(small)) == (60, 182)
        sheet = video.sprite(interval=1, cell=(60, None))
        assert len(sheet.cues) == 12
        assert video.covers(width=64)
        out = io.BytesIO()
        assert video.animate(out, format="gif", width=64).frames
        assert len(video.plan("sprite", interval=3).requested) == 4
    with pytest.raises(SnapError):
        video.snapshot(1)


def test_a_dash_manifest_beside_its_segments(tmp_path: Path) -> None:
    put(tmp_path, dash_files(tuple(rendition(*size) for size in SIZES)))
    (tmp_path / "manifest.mpd").rename(tmp_path / "no suffix")
    with snapengine.open(str(tmp_path / "no suffix")) as video:
        assert video.info.container == "dash"
        assert ordinal(video.snapshot("50%", width=64)) == 150


@pytest.mark.parametrize("reference", ["../secret.ts", "/etc/hostname", "file:///etc/hostname"])
def test_a_local_manifest_stays_in_its_folder(tmp_path: Path, reference: str) -> None:
    text = f"#EXTM3U\n#EXTINF:2,\n{reference}\n#EXT-X-ENDLIST\n"
    put(tmp_path, {"film/m.m3u8": text.encode(), "secret.ts": b"x"})
    with pytest.raises(SourceDenied):
        snapengine.open(tmp_path / "film" / "m.m3u8")


def test_without_a_place_nothing_can_be_referred_to() -> None:
    with pytest.raises((UnrecognizedContainer, SourceDenied)):
        snapengine.open(hls_files("fmp4", rendition(64, 36))["media.m3u8"])


# -- over HTTP ------------------------------------------------------------------------------------


def test_only_what_is_needed_of_the_lowest_rendition(server: FaultServer) -> None:
    with snapengine.open(server.url("/films/master.m3u8"), network=LOCAL) as video:
        opened = len(server.requests)
        shot = video.snapshot(7.3, width=60)
        assert ordinal(shot) == 182
        assert shot.stats.requests == len(server.requests) - opened == 1
        assert shot.stats.bytes_fetched == server.requests[-1].sent
        assert video.stats.requests <= opened
    names = {path.split("/")[2] for path in segments(server)}
    assert names == {"36"}
    assert len(segments(server)) == 2
    assert not any(r.path.startswith(("/films/72", "/films/108")) for r in server.requests)
    assert settled(lambda: server.open_connections == 0)


def test_the_rendition_follows_the_size(server: FaultServer) -> None:
    with snapengine.open(server.url("/films/master.m3u8"), network=LOCAL) as video:
        for width, folder in ((60, "36"), (100, "72"), (150, "108"), (None, "108")):
            server.requests.clear()
            shot = video.snapshot(9.5, width=width)
            assert ordinal(shot) == 237
            assert {path.split("/")[2] for path in segments(server)} <= {folder}


def test_a_sprite_fetches_each_segment_once(server: FaultServer) -> None:
    with snapengine.open(server.url("/films/master.m3u8"), network=LOCAL) as video:
        sheet = video.sprite(interval=0.5, cell=(64, None))
        assert len(sheet.cues) == 24
        asked = [r.path for r in server.requests if r.path in segments(server)]
        assert len(asked) == len(set(asked)) == 6


def test_keyframes_of_the_next_segment_are_fetched_ahead(server: FaultServer) -> None:
    """Those nearer than half a GOP; the others' segments are left alone."""
    with snapengine.open(server.url("/films/master.m3u8"), network=LOCAL) as video:
        server.requests.clear()
        shots = list(video.snapshots(at=[3.2, 5.6, 10.4], width=60, accuracy="keyframe"))
        assert [shot.time for shot in shots] == [3.0, 6.0, 10.0]
        names = [r.path.rpartition("/")[2].partition(".")[0] for r in server.requests]
        assert sorted(names) == ["media1", "media2", "media3", "media5"]
        assert server.connections <= LOCAL.connections


def test_references_are_relative_to_where_redirects_lead(server: FaultServer) -> None:
    server.put("/latest", b"")
    server.faults.append(
        redirect(server.url("/films/master.m3u8"), times=None, on=lambda r: r.path == "/latest")
    )
    with snapengine.open(server.url("/latest"), network=LOCAL) as video:
        assert ordinal(video.snapshot(7.3, width=60)) == 182


def test_headers_go_to_the_manifests_own_origin() -> None:
    files = hls_files("fmp4", rendition(64, 36))
    with FaultServer(served(files)) as other:
        text = files["media.m3u8"].decode()
        for name in files:
            text = text.replace(f"\n{name}", "\n" + other.url(f"/films/{name}"))
        text = text.replace('URI="init.mp4"', 'URI="own.mp4"')
        with FaultServer({"/m": text.encode(), "/own.mp4": files["init.mp4"]}) as own:
            network = Network(allow_private=True, headers={"X-Key": "secret"})
            with snapengine.open(own.url("/m", userinfo="me:pw@"), network=network) as video:
                assert ordinal(video.snapshot(7.3)) == 182
            assert all(r.headers["x-key"] == "secret" for r in own.requests)
            assert all("authorization" in r.headers for r in own.requests)
            assert {r.path for r in own.requests} == {"/m", "/own.mp4"}
        assert other.requests
        for request in other.requests:
            assert not {"x-key", "authorization"} & set(request.headers)


def test_addresses_are_checked_for_each_reference() -> None:
    files = dict(hls_files("fmp4", rendition(64, 36)))
    with FaultServer({}) as server:
        inside = server.url("/init.mp4", host="127.0.0.2")
        files["media.m3u8"] = files["media.m3u8"].replace(b"init.mp4", inside.encode())
        for name, data in files.items():
            server.put(f"/{name}", data)
        with pytest.raises(SourceDenied, match=r"127\.0\.0\.2"):
            snapengine.open(
                server.url("/media.m3u8"), network=Network(allow_networks=("127.0.0.1/32",))
            )
        assert {r.path for r in server.requests} <= {"/media.m3u8", "/media0.m4s"}


def test_trouble_on_the_way_is_got_over(server: FaultServer) -> None:
    with snapengine.open(server.url("/films/master.m3u8"), network=LOCAL) as video:
        server.faults.append(busy(503, after="0"))
        server.faults.append(cut("middle", "reset"))
        assert ordinal(video.snapshot(7.3, width=60)) == 182
        server.faults.append(answer(404, times=None, on=lambda r: "media5" in r.path))
        with pytest.raises(SourceError, match="segment 5"):
            video.snapshot(11.0, width=60)
        assert ordinal(video.snapshot(9.0, width=60)) == 225


def test_limits_hold(server: FaultServer) -> None:
    url = server.url("/films/master.m3u8")
    with pytest.raises(LimitExceeded, match="requests"):
        snapengine.open(url, network=LOCAL, limits=Limits(max_requests=1))
    assert len(server.requests) <= 2
    with snapengine.open(url, network=LOCAL, limits=Limits(max_requests=4)) as video:
        before = len(server.requests)
        with pytest.raises(LimitExceeded, match="requests"):
            list(video.snapshots(at=[1, 3, 5, 7, 9, 11], width=60))
        assert len(server.requests) <= before + 4
        assert ordinal(video.snapshot(7.3, width=60)) == 182
    whole = sum(len(file.data) for path, file in server.files.items() if "/108/" in path)
    with snapengine.open(url, network=LOCAL, limits=Limits(max_bytes_read=whole // 2)) as video:
        _ = video.info
        server.requests.clear()
        with pytest.raises(LimitExceeded, match="bytes"):
            list(video.snapshots(at=[1, 3, 5, 7, 9, 11], width=192))
        assert server.bytes_sent <= whole // 2
