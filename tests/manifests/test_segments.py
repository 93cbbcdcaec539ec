"""Segments taken apart: our reading of fragments against libavformat's, damage, odd time lines."""

from __future__ import annotations

import random
import struct
from typing import Any

import av
import pytest

import snapengine
from snapengine.errors import CorruptMedia, SnapError, UnsupportedCodec
from snapengine.media.fragments import has_fragments, read_samples, read_tracks
from tests.integration.exactness import check_times, times_of
from tests.manifests.segmented import FILM, Host, hls_files
from tests.manifests.test_hls import KINDS, joined, listed, open_video, ordinal, playlist, segments
from tests.media.recipes import Recipe, build

FLAGS = {
    "as players want it": "frag_keyframe+empty_moov+default_base_moof",
    "offsets within the file": "frag_keyframe+empty_moov",
    "no offsets": "frag_keyframe+empty_moov+omit_tfhd_offset",
    "negative offsets": "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets",
    "every frame": "frag_every_frame+empty_moov+default_base_moof",
    "with an edit list": "frag_keyframe+delay_moov+default_base_moof",
}


def fragmented(name: str, **more: Any) -> Recipe:
    return Recipe(
        name=f"fragments-{sorted(FLAGS).index(name)}", frames=60, gop=20, bframes=2,
        muxer_options=(("movflags", FLAGS[name]),), **more,
    )  # fmt: skip


def split(data: bytes) -> tuple[bytes, bytes]:
    at = data.index(b"moof") - 4
    return data[:at], data[at:]


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("sound", [0.0, 2.4])
def test_samples_are_those_of_libavformat(name: str, sound: float) -> None:
    path = build(fragmented(name, audio_seconds=sound))
    header, body = split(path.read_bytes())
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size]
        number, time_base = stream.id, stream.time_base
    track = read_tracks(header, "x")[number]
    samples = read_samples(body, number, track, "x")
    assert has_fragments(body)
    assert time_base is not None
    assert track.timescale == 1 / time_base
    assert [body[s.offset : s.offset + s.size] for s in samples] == [bytes(p) for p in packets]
    assert [s.key for s in samples] == [p.is_keyframe for p in packets]
    # libavformat applies the edit list.
    begin, theirs = samples[0].pts, packets[0].pts or 0
    assert [s.pts - begin for s in samples] == [(p.pts or 0) - theirs for p in packets]


@pytest.mark.parametrize("name", FLAGS)
def test_pictures_of_whatever_fragments(name: str) -> None:
    data = build(fragmented(name)).read_bytes()
    header, body = split(data)
    end = body.index(b"mfra") - 4 if b"mfra" in body else len(body)
    text = playlist(['#EXT-X-MAP:URI="init"', *listed(["body"], [2.4])])
    host = Host({"init": header, "body": body[:end], "media.m3u8": text})
    truth = joined({"init.mp4": header, "media0.m4s": body[:end]}, "fmp4")
    with open_video(host) as video:
        check_times(truth, video, times_of(truth, 4, 10), name)


@pytest.mark.parametrize("kind", KINDS)
def test_interlaced(kind: str) -> None:
    recipe = Recipe(name="segmented-fields", frames=100, gop=25, bframes=2, interlaced=True)
    files = hls_files(kind, recipe)
    truth = joined(files, kind)
    with open_video(Host(files)) as video:
        check_times(truth, video, times_of(truth, 4, 20), kind)


@pytest.mark.parametrize("codec", ["av1", "vp9"])
def test_other_codecs(codec: str) -> None:
    files = hls_files("fmp4", Recipe(name=f"segmented-{codec}", codec=codec, frames=75, gop=25), 1)
    truth = joined(files, "fmp4")
    with open_video(Host(files)) as video:
        check_times(truth, video, times_of(truth, 4, 20), codec)


# -- time lines -----------------------------------------------------------------------------------


def moved(data: bytes, ticks: int) -> bytes:
    """A fragment whose ``tfdt`` is so many ticks later."""
    at = data.index(b"tfdt") + 8
    assert data[at - 4] == 1
    (time,) = struct.unpack_from(">Q", data, at)
    return data[:at] + struct.pack(">Q", time + ticks) + data[at + 8 :]


def test_stamps_that_begin_anew_untold() -> None:
    """Every segment begins at 0, and the playlist does not say so."""
    files = dict(hls_files("fmp4", FILM))
    for number, name in enumerate(segments("fmp4", files)):
        files[name] = moved(files[name], -25600 * number)
    with open_video(Host(files)) as video:
        times = [k / 25 for k in range(0, 300, 7)]
        for time, shot in zip(times, video.snapshots(at=times), strict=True):
            assert ordinal(shot) == round(time * 25)


@pytest.mark.parametrize(("told", "most"), [(3, 4), (1.3, 5)])
def test_durations_that_are_ever_more_wrong(told: float, most: int) -> None:
    """120 segments of 2 s that a playlist rounds badly: found by few looks all the same."""
    one = hls_files("fmp4", FILM)
    names = segments("fmp4", one)
    files = {"init.mp4": one["init.mp4"]}
    for number in range(120):
        source = one[names[number % 6]]
        files[f"s{number}.m4s"] = moved(source, 153600 * (number // 6))
    lines = listed([n for n in files if n != "init.mp4"], [told] * 120)
    files["media.m3u8"] = playlist(['#EXT-X-MAP:URI="init.mp4"', *lines])
    for second in (3, 60, 117, 200, 238):
        host = Host(files)
        with open_video(host) as video:
            shot = video.snapshot(second + 0.5)
            assert ordinal(shot) == int((second + 0.5) * 25) % 300
        assert len(host.segments()) <= most, second


def test_fragments_without_their_time() -> None:
    files = dict(hls_files("fmp4", FILM))
    name = segments("fmp4", files)[2]
    files[name] = files[name].replace(b"tfdt", b"free")
    with open_video(Host(files)) as video:
        assert ordinal(video.snapshot(7.0)) == 175
        with pytest.raises(CorruptMedia, match="tfdt"):
            video.snapshot(5.0)


def test_segments_that_are_whole_files() -> None:
    data = build(FILM).read_bytes()
    host = Host({"a.mp4": data, "media.m3u8": playlist(list(listed(["a.mp4"], [12])))})
    with pytest.raises(UnsupportedCodec, match="kind mov"):
        open_video(host)


def test_encrypted_fragments() -> None:
    files = dict(hls_files("fmp4", FILM))
    files["init.mp4"] = files["init.mp4"].replace(b"avc1\0", b"encv\0", 1)
    with pytest.raises(SnapError):
        open_video(Host(files))


# -- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_an_error_or_marked(kind: str) -> None:
    """Flips, holes and cuts in one segment: its neighbours are as they were."""
    whole = hls_files(kind, FILM)
    name = segments(kind, whole)[3]
    dice = random.Random(5)
    for round_ in range(30):
        data = bytearray(whole[name])
        if round_ % 3 == 0:
            for _ in range(dice.choice([1, 5, 50])):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        elif round_ % 3 == 1:
            del data[dice.randrange(len(data)) :]
        else:
            begin = dice.randrange(len(data))
            data[begin : begin + 3000] = bytes(len(data[begin : begin + 3000]))
        files = {**whole, name: bytes(data)}
        with open_video(Host(files)) as video:
            for time in (1.5, 5.0, 9.0, 11.0):
                assert ordinal(video.snapshot(time)) == int(time * 25)
            try:
                video.snapshot(7.0)
            except SnapError:
                continue


def test_damaged_headers_are_errors() -> None:
    whole = hls_files("fmp4", FILM)
    dice = random.Random(7)
    for _ in range(60):
        data = bytearray(whole["init.mp4"])
        for _ in range(dice.choice([1, 3, 30])):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        try:
            with open_video(Host({**whole, "init.mp4": bytes(data)})) as video:
                video.snapshot(3.0)
        except SnapError:
            continue


def test_a_video_of_segments_can_be_opened_by_many() -> None:
    """Demuxers of one session share what was learned of runs."""
    host = Host(hls_files("fmp4", FILM))
    with open_video(host) as video:
        shots = video.snapshots(at=[1.0, 5.0, 9.0])
        assert ordinal(next(shots)) == 25
        assert ordinal(video.snapshot(7.0)) == 175
        assert [ordinal(s) for s in shots] == [125, 225]
    with pytest.raises(snapengine.errors.EngineClosed):
        video.snapshot(1.0)
