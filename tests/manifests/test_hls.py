"""HLS: the frame of the sequential decode at every time, out of the segments that hold it."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import pytest

import snapengine
from snapengine.errors import (
    CorruptMedia,
    LimitExceeded,
    SnapError,
    SourceDenied,
    SourceError,
    SourceNotFound,
    UnsupportedCodec,
)
from snapengine.manifests import Rendition, read_manifest
from snapengine.sources import Meter
from tests.integration.common import is_shown
from tests.integration.exactness import check_times, times_of
from tests.manifests.segmented import (
    BASE,
    FILM,
    Host,
    hls_files,
    master,
    numbered,
    rendition,
    truth_of,
)
from tests.media.barcode import read_ordinal
from tests.media.oracle import Truth
from tests.media.recipes import Recipe

KINDS = {"mpegts": "ts", "fmp4": "m4s"}


def source_of(host: Host, name: str = "media.m3u8", **size: int | None) -> Any:
    manifest = read_manifest(host.open(BASE + name), BASE + name, host.open)
    assert manifest is not None
    return manifest.open(manifest.choose(size.get("width"), size.get("height")), Meter())


def open_video(host: Host, name: str = "media.m3u8") -> snapengine.Video:
    return snapengine.open(source_of(host, name), threads=1)


def joined(files: dict[str, bytes], kind: str, prefix: str = "") -> Truth:
    parts = [files[n] for n in numbered(files, KINDS[kind], prefix)]
    if kind == "fmp4":
        parts.insert(0, files[f"{prefix}init.mp4"])
    return truth_of(parts, "mp4" if kind == "fmp4" else "ts")


def ordinal(shot: Any) -> int:
    return read_ordinal(shot.to_ndarray())


def playlist(lines: Sequence[str], *, ended: bool = True) -> bytes:
    head = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:10"]
    return "\n".join([*head, *lines, *(["#EXT-X-ENDLIST"] if ended else [])]).encode()


def segments(kind: str, files: dict[str, bytes]) -> list[str]:
    return numbered(files, KINDS[kind])


def listed(names: Sequence[str], seconds: Sequence[object]) -> Iterator[str]:
    for name, length in zip(names, seconds, strict=True):
        yield f"#EXTINF:{length},"
        yield name


# -- pictures -------------------------------------------------------------------------------------

#: One GOP to a segment, or two; pictures that are shown before the keyframe they follow.
FILMS = {
    "two GOPs": (FILM, 2),
    "one GOP": (FILM, 1),
    "open GOPs": (Recipe(name="segmented-open", frames=150, gop=25, bframes=3, open_gop=True), 2),
    "hevc": (Recipe(name="segmented-hevc", codec="hevc", frames=100, gop=25, bframes=2), 2),
    "vfr": (Recipe(name="segmented-vfr", frames=150, gop=15, bframes=2, pattern="vfr"), 2),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("film", FILMS)
def test_every_frame_is_that_of_the_joined_segments(kind: str, film: str) -> None:
    recipe, seconds = FILMS[film]
    files = hls_files(kind, recipe, seconds)
    truth = joined(files, kind)
    with open_video(Host(files)) as video:
        check_times(truth, video, times_of(truth), kind)
        for time in times_of(truth, 2, 12):
            keys = truth.nearest_keyframes(time)
            assert is_shown(truth, video.snapshot(time, accuracy="keyframe"), keys)
            away = abs(truth.time_of(keys[0]) - time)
            near = video.snapshot(time, accuracy=float(away) + 0.002)
            assert is_shown(truth, near, (*keys, *truth.shown_at(time)))
        check_times(truth, video, sorted(map(truth.time_of, truth.frames)), "all")


@pytest.mark.parametrize("kind", KINDS)
def test_every_accuracy_in_any_order_one_by_one(kind: str) -> None:
    files = hls_files(kind, FILM)
    truth = joined(files, kind)
    with open_video(Host(files)) as video:
        for time in (7.3, 0.0, 11.99, 3.98, 4.0, 3.999, 1.98, 50.0, 6.5):
            shot = video.snapshot(time)
            assert ordinal(shot) == truth.frame_at(Fraction(repr(time))).index
            assert shot.exact
        for tenth in range(0, 125, 7):
            shot = video.snapshot(tenth / 10, accuracy="keyframe")
            nearest = truth.nearest_keyframes(Fraction(tenth, 10))
            assert ordinal(shot) in {key.index for key in nearest}


@pytest.mark.parametrize("kind", KINDS)
def test_an_audio_track_beside_it(kind: str) -> None:
    recipe = Recipe(name="segmented-sound", frames=100, gop=25, bframes=2, audio_seconds=4.0)
    files = hls_files(kind, recipe)
    truth = joined(files, kind)
    with open_video(Host(files)) as video:
        check_times(truth, video, times_of(truth, 4, 20), kind)


def test_stamps_that_wrap() -> None:
    """33 bits of 90 kHz end after 95443.7 s; the wrap lies in the middle of the film."""
    files = hls_files("mpegts", FILM, output_ts_offset="95438")
    truth = joined(hls_files("mpegts", FILM), "mpegts")
    with open_video(Host(files)) as video:
        for time in (0.0, 1.0, 5.5, 5.7, 6.1, 7.9, 11.99):
            shot = video.snapshot(time)
            assert ordinal(shot) == truth.frame_at(Fraction(repr(time))).index


# -- what is fetched ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("accuracy", ["exact", "keyframe"])
def test_only_the_segment_of_the_target_is_fetched(kind: str, accuracy: Any) -> None:
    files = hls_files(kind, FILM)
    names = segments(kind, files)
    for number, name in enumerate(names):
        host = Host(files)
        with open_video(host) as video:
            assert host.segments() == {names[0]}, "opening reads the first"
            video.snapshot(2 * number + 1.1, accuracy=accuracy)
        assert host.segments() == {names[0], name}
        assert all(host.fetched[n] == len(files[n]) for n in host.segments())
        assert max(host.opened.count(n) for n in host.segments()) == 1
        assert host.open_now == 1, "the manifest, which this test opened"


@pytest.mark.parametrize("kind", KINDS)
def test_a_sprite_fetches_each_segment_once(kind: str) -> None:
    host = Host(files := hls_files(kind, FILM))
    with open_video(host) as video:
        sheet = video.sprite(at=[0.5, 4.2, 4.9, 8.1, 8.2], cell=(64, None), accuracy="exact")
    assert len(sheet.cues) == 5
    wanted = {segments(kind, files)[i] for i in (0, 2, 4)}
    assert host.segments() == wanted
    assert all(host.opened.count(name) == 1 for name in wanted)


def test_the_duration_is_that_of_the_playlist() -> None:
    host = Host(files := hls_files("mpegts", FILM))
    with open_video(host) as video:
        assert video.info.duration == 12.0
        assert video.info.container == "hls"
        assert host.segments() == {segments("mpegts", files)[0]}


@pytest.mark.parametrize("kind", KINDS)
def test_byte_ranges_of_one_file(kind: str) -> None:
    files = hls_files(kind, FILM, hls_flags="single_file")
    assert b"#EXT-X-BYTERANGE" in files["media.m3u8"]
    truth = joined(hls_files(kind, FILM), kind)
    host = Host(files)
    with open_video(host) as video:
        assert ordinal(video.snapshot(7.3)) == truth.frame_at(7.3).index
        data = next(name for name in files if not name.endswith("m3u8"))
        ranges = re.findall(r"BYTERANGE[:=]\"?(\d+)", files["media.m3u8"].decode())
        sizes = [int(text) for text in ranges]
        used = sizes[0] + sizes[3] if kind == "mpegts" else sizes[0] + sizes[1] + sizes[4]
        assert host.fetched[data] == used
        assert host.opened.count(data) == 1
    assert host.open_now == 1


# -- renditions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "height"),
    [
        ({"width": 60}, 36), ({"width": 64}, 36), ({"width": 65}, 72), ({"height": 72}, 72),
        ({"width": 128, "height": 80}, 108), ({"width": 1000}, 108), ({}, 108),
    ],
)  # fmt: skip
def test_the_lowest_rendition_that_serves_is_read(size: dict[str, int], height: int) -> None:
    host = Host(files := master("fmp4"))
    source = source_of(host, "master.m3u8", **size)
    with snapengine.open(source, threads=1) as video:
        assert video.info.height == height
        assert ordinal(video.snapshot(7.3)) == 182
    touched = {name.split("/")[0] for name in host.opened}
    assert touched == {"master.m3u8", str(height)}, "no other playlist is read"
    assert len(host.segments()) == 2
    assert len(files) > 20


def test_sound_alone_is_no_rendition() -> None:
    host = Host(master("fmp4"))
    manifest = read_manifest(host.open(BASE + "master.m3u8"), BASE + "master.m3u8", host.open)
    assert manifest is not None
    sizes = [(r.width, r.height, r.bandwidth) for r in manifest.renditions]
    assert sizes == [(128, 72, 216000), (192, 108, 324000), (64, 36, 108000)]
    with pytest.raises(SnapError, match="not a rendition"):
        manifest.open(Rendition(width=1, height=1), Meter())


def test_a_file_that_is_no_manifest() -> None:
    host = Host({"a.m3u8": b"#EXTM3", "b": b"\0\0\0\x18ftypisom" + bytes(2000), "c": b"<html>"})
    for name in host.files:
        assert read_manifest(host.open(BASE + name), BASE + name, host.open) is None


# -- time lines that are not plain ----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [(1.9,) * 6, (2.1,) * 6, (2, 3, 2, 2, 1, 2), (2.4, 1.6) * 3])
def test_durations_that_are_not_quite_true(kind: str, lengths: Sequence[float]) -> None:
    """Playlists round; pictures go by their stamps all the same."""
    files = dict(hls_files(kind, FILM))
    truth = joined(files, kind)
    head = ['#EXT-X-MAP:URI="init.mp4"'] if kind == "fmp4" else []
    files["media.m3u8"] = playlist([*head, *listed(segments(kind, files), lengths)])
    with open_video(Host(files)) as video:
        check_times(truth, video, times_of(truth), kind)
        backwards = list(reversed(truth.frames[::7]))
        for shot, frame in zip(
            video.snapshots(at=[truth.time_of(f) for f in backwards]), backwards, strict=True
        ):
            assert shot.pts == frame.pts


def test_several_fragments_in_a_segment() -> None:
    """CMAF chunks: each segment has two ``moof`` boxes."""
    files = dict(hls_files("fmp4", FILM))
    names = segments("fmp4", files)
    truth = joined(files, "fmp4")
    for i in (0, 2, 4):
        files[f"pair{i}.m4s"] = files[names[i]] + files[names[i + 1]]
    pairs = [f"pair{i}.m4s" for i in (0, 2, 4)]
    files["media.m3u8"] = playlist(['#EXT-X-MAP:URI="init.mp4"', *listed(pairs, (4, 4, 4))])
    host = Host(files)
    with open_video(host) as video:
        check_times(truth, video, times_of(truth), "pairs")
    assert host.segments() == set(pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_stamps_that_begin_anew_are_put_where_the_playlist_says(kind: str) -> None:
    """The first 4 s of the film, then its seconds 2 to 6, then its beginning again."""
    files = dict(hls_files(kind, FILM))
    truth = joined(files, kind)
    order = [0, 1, 1, 2, 0]
    names = []
    for place, number in enumerate(order):
        names.append(f"part{place}.{KINDS[kind]}")
        files[names[-1]] = files[segments(kind, hls_files(kind, FILM))[number]]
    lines = list(listed(names, [2] * 5))
    lines.insert(8, "#EXT-X-DISCONTINUITY")
    lines.insert(4, "#EXT-X-DISCONTINUITY")
    head = ['#EXT-X-MAP:URI="init.mp4"'] if kind == "fmp4" else []
    files["media.m3u8"] = playlist([*head, *lines])
    first = {place: 50 * number for place, number in enumerate(order)}
    times = [k / 25 for k in range(0, 250, 3)]
    host = Host(files)
    with open_video(host) as video:
        assert video.info.duration == 10.0
        for time, shot in zip(times, video.snapshots(at=times), strict=True):
            place, within = divmod(round(time * 25), 50)
            assert ordinal(shot) == first[place] + within, time
            assert shot.time == pytest.approx(time)
    assert len(truth.frames) == 300
    host = Host(files)
    with open_video(host) as video:  # the last of a run is anchored by its first
        assert ordinal(video.snapshot(7.0)) == 125
    assert host.segments() == {names[0], names[2], names[3]}


def test_a_discontinuity_into_another_encoding() -> None:
    """Transport streams carry their parameters along; a second header must be the same."""
    small, large = rendition(64, 36), rendition(192, 108)
    one, two = hls_files("mpegts", small), hls_files("mpegts", large)
    files = {f"s{n}": one[n] for n in segments("mpegts", one)[:2]}
    files |= {f"l{n}": two[n] for n in segments("mpegts", two)[:2]}
    lines = list(listed([*files], [2] * 4))
    lines.insert(4, "#EXT-X-DISCONTINUITY")
    with open_video(Host({**files, "media.m3u8": playlist(lines)})) as video:
        for time, wanted in ((1.0, 25), (3.0, 75), (5.0, 25), (7.0, 75)):
            assert ordinal(video.snapshot(time)) == wanted
    one, two = hls_files("fmp4", small), hls_files("fmp4", large)
    files = {"s.m4s": one["media0.m4s"], "si": one["init.mp4"]}
    files |= {"l.m4s": two["media0.m4s"], "li": two["init.mp4"]}
    lines = [
        '#EXT-X-MAP:URI="si"', *listed(["s.m4s"], [2]), "#EXT-X-DISCONTINUITY",
        '#EXT-X-MAP:URI="li"', *listed(["l.m4s"], [2]),
    ]  # fmt: skip
    with open_video(Host({**files, "media.m3u8": playlist(lines)})) as video:
        assert ordinal(video.snapshot(1.0)) == 25
        with pytest.raises(UnsupportedCodec, match="segment 1"):
            video.snapshot(3.0)


def test_a_segment_that_does_not_exist() -> None:
    """EXT-X-GAP: the frame before it stays; nothing is asked for."""
    files = dict(hls_files("mpegts", FILM))
    lines = list(listed(segments("mpegts", files), [2] * 6))
    lines.insert(4, "#EXT-X-GAP")
    files["media.m3u8"] = playlist(lines)
    host = Host({n: d for n, d in files.items() if n != "media2.ts"})
    with open_video(host) as video:
        assert ordinal(video.snapshot(5.0)) == 99
        assert ordinal(video.snapshot(6.0)) == 150
    assert "media2.ts" not in host.opened


# -- what is refused ------------------------------------------------------------------------------

SEGMENT = ["#EXTINF:2,", "a.ts"]


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        (playlist(SEGMENT, ended=False), SourceError, "live"),
        (playlist(['#EXT-X-KEY:METHOD=AES-128,URI="k"', *SEGMENT]), SourceError, "encrypted"),
        (playlist(["#EXT-X-KEY:METHOD=SAMPLE-AES", *SEGMENT]), SourceError, "SAMPLE-AES"),
        (playlist(["#EXT-X-I-FRAMES-ONLY", *SEGMENT]), SourceError, "I-frames"),
        (playlist(["#EXT-X-SKIP:SKIPPED-SEGMENTS=3", *SEGMENT]), SourceError, "EXT-X-SKIP"),
        (playlist(["#EXTINF:2,", "{$path}/a.ts"]), SourceError, "variables"),
        (playlist([]), CorruptMedia, "no segments"),
        (playlist(["a.ts"]), CorruptMedia, "without EXTINF"),
        (playlist(["#EXTINF:x,", "a.ts"]), CorruptMedia, "no duration"),
        (playlist(["#EXTINF:-2,", "a.ts"]), CorruptMedia, "no duration"),
        (playlist(["#EXT-X-BYTERANGE:0@0", *SEGMENT]), CorruptMedia, "byte range"),
        (playlist(["#EXT-X-MAP:BYTERANGE=1@1", *SEGMENT]), CorruptMedia, "without a URI"),
        (playlist(["#EXTINF:999999999,", "a.ts"]), CorruptMedia, "longer"),
        (playlist(["#EXTINF:2,", "http://video.example/a.ts"]), SourceDenied, "not reached by"),
        (playlist(["#EXTINF:2,", "file:///etc/passwd"]), SourceDenied, "not reached by"),
        (playlist(["#EXTINF:2,", "data:,x"]), SourceDenied, "not reached by"),
        (playlist(["#EXTINF:2,", "https://u:p@video.example/a"]), SourceDenied, "credentials"),
        (b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", CorruptMedia, "no variant"),
        (b"#EXTM3U\n\xff\xfe", CorruptMedia, "UTF-8"),
        (b"#EXTM3U\n#" + bytes(5 << 20), CorruptMedia, "more than"),
        (playlist(SEGMENT * 100_001), CorruptMedia, "more than"),
    ],
)
def test_playlists_that_are_not_served(text: bytes, kind: type[SnapError], says: str) -> None:
    host = Host({"media.m3u8": text, "a.ts": b"x"})
    with pytest.raises(kind, match=says):
        source_of(host)
    assert not host.segments()


def test_playlists_within_playlists() -> None:
    host = Host({"m.m3u8": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nm.m3u8"})
    with pytest.raises(SourceError, match="within another"):
        source_of(host, "m.m3u8")
    host.files["m.m3u8"] += b"\n"
    host.files["n.m3u8"] = b"<html>"
    host.files["m.m3u8"] = host.files["m.m3u8"].replace(b"\nm.m3u8", b"\nn.m3u8")
    with pytest.raises(CorruptMedia, match="no playlist"):
        source_of(host, "m.m3u8")


def test_credentials_are_in_no_message() -> None:
    place = "https://user:secret@video.example/x/media.m3u8?sig=hidden"
    host = Host({"media.m3u8": playlist(["#EXTINF:2,", "//e:vil@other.example/a.ts?sig=hidden"])})
    with pytest.raises(SourceDenied) as caught:
        read_manifest(host.open(BASE + "media.m3u8"), place, host.open)
    assert not re.search("secret|hidden|vil", str(caught.value) + repr(caught.value.context))


@pytest.mark.parametrize("kind", KINDS)
def test_a_segment_that_is_gone_or_broken_is_named(kind: str) -> None:
    files = dict(hls_files(kind, FILM))
    name = segments(kind, files)[3]
    host = Host({n: d for n, d in files.items() if n != name})
    with open_video(host) as video:
        with pytest.raises(SourceNotFound, match="segment 3"):
            video.snapshot(7.0)
        assert ordinal(video.snapshot(9.0)) == 225, "the video stays usable"
    files[name] = b"no segment at all, only words" * 50
    with open_video(Host(files)) as video:
        try:
            shot = video.snapshot(7.0)
        except SnapError:
            return
        assert not shot.exact or ordinal(shot) == 149, "nothing was shown there"


def test_a_segment_that_is_too_large() -> None:
    from snapengine.manifests.hls import parse_media
    from snapengine.manifests.segmented_file import SegmentedFile
    from snapengine.sources.meter import Meter

    files = hls_files("mpegts", FILM)
    pieces = parse_media(files["media.m3u8"].decode(), BASE + "media.m3u8", "x")
    host = Host(files)
    source = SegmentedFile("x", "hls", pieces, host.open, max_segment=1000)
    with pytest.raises(LimitExceeded, match="more than 1000"):
        source.segment(1, Meter())
    assert host.open_now == 0


# -- threads and memory ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_calls_at_the_same_time(kind: str) -> None:
    host = Host(hls_files(kind, FILM))
    found: dict[int, list[int]] = {}
    with open_video(host) as video:

        def work(seed: int) -> None:
            times = [(seed * 7 + 13 * i) % 120 / 10 for i in range(12)]
            found[seed] = [ordinal(s) - round(s.time * 25) for s in video.snapshots(at=times)]

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {seed: [0] * 12 for seed in range(4)}
    assert host.open_now == 1


def test_what_is_kept_is_bounded() -> None:
    from snapengine.manifests.hls import parse_media
    from snapengine.manifests.segmented_file import SegmentedFile
    from snapengine.sources.meter import Meter

    files = hls_files("mpegts", FILM)
    pieces = parse_media(files["media.m3u8"].decode(), BASE + "media.m3u8", "x")
    host = Host(files)
    size = len(files["media1.ts"])
    source = SegmentedFile("x", "hls", pieces, host.open, keep_bytes=2 * size)
    meter = Meter()
    for number in (1, 1, 2, 1, 3, 4, 1):
        assert source.segment(number, meter) == files[f"media{number}.ts"]
    assert [host.opened.count(f"media{n}.ts") for n in (1, 2, 3, 4)] == [2, 1, 1, 1]
    source.close()
    with pytest.raises(SnapError, match="closed"):
        source.segment(1, meter)


def test_the_segments_of_a_plan_are_begun_ahead() -> None:
    from snapengine.manifests.hls import parse_media
    from snapengine.manifests.segmented_file import SegmentedFile
    from snapengine.sources.meter import Meter

    names = [f"{n}.ts" for n in range(40)]
    host = Host({name: bytes([n]) * 100 for n, name in enumerate(names)})
    pieces = parse_media(playlist(list(listed(names, [2] * 40))).decode(), BASE + "m", "x")
    source = SegmentedFile("x", "hls", pieces, host.open)
    meter = Meter()
    source.expect_segments(range(0, 40, 2), meter)
    assert host.opened == [f"{n}.ts" for n in range(0, 12, 2)]
    for number in range(0, 40, 2):
        assert source.segment(number, meter) == bytes([number]) * 100
        assert host.open_now <= 6
    assert host.opened == [f"{n}.ts" for n in range(0, 40, 2)]
    other = Meter()
    source.expect_segments([1, 3], meter)
    source.expect_segments([3], other)
    assert host.open_now == 2
    source.dismiss(meter)
    assert host.open_now == 1, "the other call still wants the one"
    source.dismiss(other)
    assert host.open_now == 0
    source.close()
    assert list(itertools.chain(source.segments))[1].start == 2
