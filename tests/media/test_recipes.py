"""The fixtures and the oracle are themselves under test: a wrong ruler measures nothing."""

from __future__ import annotations

import dataclasses
import io
import itertools
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.media.atlas import ATLAS, DAMAGED, GEOMETRY, SHORT, STREAMS, WIDER, recipe
from tests.media.barcode import MAX_ORDINAL, BarCodeError, draw_luma, read_ordinal
from tests.media.derived import DERIVED, make
from tests.media.oracle import Truth, hash_planes, visible_planes
from tests.media.recipes import MAX_BYTES, Recipe, build, cache_folder, shown_size

WHOLE = (*STREAMS, *SHORT, *GEOMETRY)
names = pytest.mark.parametrize("name", [r.name for r in WHOLE])


def decoded(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def packets_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


# --- bar code ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(160, 96), (64, 36), (64, 48), (33, 21), (321, 241), (48, 80)])
def test_every_number_is_read_back(size: tuple[int, int]) -> None:
    for ordinal in (*range(64), 255, 256, 511, 512, 767, MAX_ORDINAL):
        assert read_ordinal(draw_luma(ordinal, *size)) == ordinal


def test_neighbours_differ_beyond_coding_noise() -> None:
    for ordinal in range(40):
        a, b = (draw_luma(n, 160, 96).astype(int) for n in (ordinal, ordinal + 1))
        assert np.abs(a - b).max() > 100


def test_number_survives_range_gamma_and_noise() -> None:
    plane = draw_luma(345, 160, 96).astype(float)
    noise = np.random.default_rng(1).normal(0, 12, plane.shape)
    assert read_ordinal((plane / 255) ** 2.2 * 255 + noise) == 345
    assert read_ordinal(plane * 4 + 3) == 345
    assert read_ordinal(plane * 0.4 + 70) == 345


def test_blends_grey_and_turned_pictures_are_refused() -> None:
    one, two = (draw_luma(n, 160, 96).astype(float) for n in (85, 90))
    for wrong in ((one + two) / 2, np.full((96, 160), 128.0), np.zeros((96, 160))):
        with pytest.raises(BarCodeError):
            read_ordinal(wrong)
    for ordinal in range(64):
        plane = draw_luma(ordinal, 160, 96)
        for turned in (plane[::-1], plane[::-1, ::-1], np.rot90(plane), np.rot90(plane, 3)):
            try:
                assert read_ordinal(turned) != ordinal
            except BarCodeError:
                continue


# --- recipes -------------------------------------------------------------------------------------


@names
def test_recipe_shows_the_frames_it_says(name: str) -> None:
    wanted = recipe(name)
    path = build(wanted)
    assert path.stat().st_size <= MAX_BYTES
    shown = []
    for frame in decoded(path):
        assert (frame.width, frame.height) == (wanted.width, wanted.height)
        assert frame.format.name.replace("yuvj", "yuv") == wanted.pix_fmt.replace("yuvj", "yuv")
        luma = visible_planes(frame)[0]
        # np.rot90 turns counter-clockwise; undo what the player would do.
        shown.append(read_ordinal(np.rot90(luma, -(wanted.rotation // 90))))
    skipped = -min(0, wanted.start_frames)
    assert shown == list(range(skipped, wanted.frames))


@names
def test_recipe_times_are_those_written(name: str) -> None:
    wanted, truth = recipe(name), Truth.of(build(recipe(name)))
    tick, ticks = wanted.pts_in_ticks()
    ticks = [t for t in ticks if t >= 0]
    assert len(truth.frames) == len(ticks)
    # Containers with a coarse clock (Matroska: 1 ms) round each stamp on its own.
    slack = truth.time_base if Fraction(1) % truth.time_base or truth.time_base > tick else 0
    slack = max(slack, Fraction(1, 1000) if wanted.container in ("mkv", "webm", "flv") else 0)
    for frame, pts in zip(truth.frames, ticks, strict=True):
        assert abs(truth.time_of(frame) - (pts - ticks[0]) * tick) <= slack
    assert truth.frames[0].keyframe or wanted.start_frames < 0
    assert truth.decode_errors == 0
    assert not any(frame.corrupt for frame in truth.frames)


def test_building_again_gives_the_same_file_and_parallel_builders_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = recipe("sub-second-mp4")
    first = build(wanted).read_bytes()
    monkeypatch.setenv("SNAPENGINE_MEDIA_CACHE", str(tmp_path / "fresh"))
    again = build(wanted)
    assert again.parent == cache_folder() == tmp_path / "fresh"
    assert again.read_bytes() == first
    assert [p.name for p in again.parent.iterdir()] == [again.name], "nothing half-made stays"
    assert dataclasses.replace(wanted, gop=3).key != wanted.key


def test_failed_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPENGINE_MEDIA_CACHE", str(tmp_path / "fresh"))
    with pytest.raises(ValueError, match="limit"):
        build(Recipe(name="too-big", frames=60, codec="mjpeg", container="avi", width=640,
                     height=480, pix_fmt="yuvj420p", full_range=True))  # fmt: skip
    assert list((tmp_path / "fresh").iterdir()) == []


def test_repeat_is_the_same_packets_later() -> None:
    once = recipe("h264-mp4-bpyramid")
    one, two = Truth.of(build(once)), Truth.of(build(dataclasses.replace(once, repeat=2)))
    assert len(two.frames) == 2 * len(one.frames)
    assert [f.sha1 for f in two.frames] == 2 * [f.sha1 for f in one.frames]
    assert two.end == 2 * one.end


# --- the traps are really in the files ------------------------------------------------------------


def leading(path: Path) -> int:
    """Packets that follow a keyframe in decode order and are shown before it."""
    count, key = 0, -(1 << 62)
    for packet in packets_of(path):
        if packet.is_keyframe:
            key = packet.pts
        count += packet.pts < key
    return count


@pytest.mark.parametrize("name", [r.name for r in STREAMS if r.open_gop])
def test_open_gops_have_leading_pictures(name: str) -> None:
    assert leading(build(recipe(name))) > 4


def test_closed_gops_have_none() -> None:
    assert leading(build(recipe("h264-mp4-bpyramid"))) == 0
    assert leading(build(recipe("hevc-mp4"))) == 0


@pytest.mark.parametrize("name", [r.name for r in STREAMS if r.bframes and r.container != "avi"])
def test_b_frames_are_reordered(name: str) -> None:
    stamps = [packet.pts for packet in packets_of(build(recipe(name)))]
    assert sum(a > b for a, b in itertools.pairwise(stamps)) > 5


@pytest.mark.parametrize("name", [r.name for r in STREAMS if r.pattern == "vfr"])
def test_vfr_gaps_are_irregular(name: str) -> None:
    frames = Truth.of(build(recipe(name))).frames
    gaps = {b.pts - a.pts for a, b in itertools.pairwise(frames)}
    assert len(gaps) >= 3
    assert max(gaps) >= 4 * min(gaps)


def test_refresh_keyframes_do_not_show_a_whole_picture() -> None:
    """Intra refresh: decoding from a later "keyframe" gives wrong pixels at first."""
    path = build(recipe("h264-mp4-refresh"))
    truth = Truth.of(path)
    packets = packets_of(path)
    start = [i for i, packet in enumerate(packets) if packet.is_keyframe][2]
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        context.thread_type = "NONE"
        out = []
        for packet in (*packets[start:], None):
            out += context.decode(packet)
    by_pts = {frame.pts: frame.sha1 for frame in truth.frames}
    first: Any = out[0]
    complete_at_once = first.pts == packets[start].pts and by_pts[first.pts] == hash_planes(
        visible_planes(first)
    )
    assert not complete_at_once


def test_container_traps() -> None:
    def index_length(name: str) -> int:
        with av.open(str(build(recipe(name)))) as container:
            return len(container.streams.video[0].index_entries)

    assert index_length("h264-ts") == 0
    assert index_length("h264-mkv-nocues") <= 1
    assert index_length("h264-mp4-bpyramid") == 100
    trimmed = Truth.of(build(recipe("h264-mp4-trimmed")))
    assert trimmed.packets == 70
    assert not trimmed.frames[0].keyframe
    assert Truth.of(build(recipe("h264-mp4-start"))).origin > 0
    assert Truth.of(build(recipe("h264-avi-bframes"))).stamps_rebuilt
    assert Truth.of(build(recipe("h264-raw"))).stamps_rebuilt
    with av.open(str(build(recipe("vp9-webm-noduration")))) as container:
        assert container.duration is None
    with av.open(str(build(recipe("audio-longer-mp4")))) as container:
        assert (container.duration or 0) / av.time_base > 3
    faststart, usual = (build(recipe(f"h264-{n}")).read_bytes() for n in ("mp4-faststart", "mov"))
    assert faststart.index(b"moov") < faststart.index(b"mdat")
    assert usual.index(b"mdat") < usual.index(b"moov")
    assert build(recipe("h264-mp4-fragmented")).read_bytes().count(b"moof") >= 3


def test_last_frame_lasts_long() -> None:
    truth = Truth.of(build(recipe("last-long-mp4")))
    assert truth.end - truth.time_of(truth.frames[-1]) == 4


def test_picture_traps() -> None:
    turns = {"rotate90": -90, "rotate180": 180, "rotate270": 90}
    for name, rotation in turns.items():
        assert (decoded(build(recipe(name)))[0].rotation - rotation) % 360 == 0
    for name in ("sar16x11", "sar64x45", "sar8x9"):
        with av.open(str(build(recipe(name)))) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(*recipe(name).sar)
    assert shown_size(recipe("sar-rotate90")) == (144, 256)
    assert int(decoded(build(recipe("full-range")))[0].color_range) == 2
    assert int(decoded(build(recipe("bt709")))[0].colorspace) == 1
    assert decoded(build(recipe("mpeg2-ts-interlaced")))[0].interlaced_frame


@pytest.mark.parametrize("name", [r.name for r in DAMAGED])
def test_damage_differs_from_the_whole(name: str) -> None:
    broken = recipe(name)
    whole = build(dataclasses.replace(broken, damage=""))
    assert build(broken).read_bytes() != whole.read_bytes()
    assert Truth.of(build(broken)).frames  # the beginning still shows something


@pytest.mark.parametrize(
    "name", [r.name for r in WIDER if r.codec not in ("gif", "apng", "dnxhd", "rawvideo", "ffv1")]
)
def test_wider_recipe_shows_the_frames_it_says(name: str) -> None:
    shown = [read_ordinal(visible_planes(frame)[0]) for frame in decoded(build(recipe(name)))]
    assert shown == list(range(recipe(name).frames))


@pytest.mark.parametrize("made", DERIVED, ids=lambda made: made.name)
def test_derived_file_is_small_and_shows_something(made: Any) -> None:
    path = make(made)
    assert path.stat().st_size <= MAX_BYTES
    truth = Truth.of(path)
    assert len(truth.frames) > 20
    assert truth.jumps == made.jumps
    assert make(made) == path


def test_packed_frames_come_out_in_order_and_the_clock_wraps() -> None:
    """The two derived files whose making is more than joining: read back by their bar codes."""
    for name in ("avi-packed", "ts-wrap"):
        made = next(d for d in DERIVED if d.name == name)
        shown = [read_ordinal(visible_planes(frame)[0]) for frame in decoded(make(made))]
        assert shown == list(range(60))


def test_atlas_names_are_unique() -> None:
    assert len(ATLAS) == sum(map(len, (STREAMS, WIDER, SHORT, GEOMETRY, DAMAGED)))
    assert len({made.name for made in DERIVED}) == len(DERIVED)


# --- the oracle ----------------------------------------------------------------------------------


@names
def test_oracle_agrees_with_a_frame_threaded_decode_from_memory(name: str) -> None:
    """A second decode on another path: bytes instead of a file, frame threads, other hashing."""
    path = build(recipe(name))
    truth = Truth.of(path)
    with av.open(io.BytesIO(path.read_bytes()), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "FRAME"
        stream.codec_context.thread_count = 2
        second = list(container.decode(stream))
    assert len(second) == len(truth.frames)
    for frame, known in zip(second, truth.frames, strict=True):
        if not truth.stamps_rebuilt:
            assert frame.pts == known.pts
        planes = visible_planes(frame)
        assert hash_planes(planes) == known.sha1
    if second[-1].format.name in ("yuv420p", "yuvj420p") and second[-1].width % 4 == 0:
        flat = np.concatenate([plane.ravel() for plane in visible_planes(second[-1])])
        assert np.array_equal(second[-1].to_ndarray().ravel(), flat)


@pytest.mark.parametrize(
    "name",
    ["h264-mp4-bpyramid", "h264-mp4-vfr", "hevc-mp4", "vp9-webm", "av1-mp4", "mpeg4-mkv"],
)
def test_oracle_agrees_with_shuffled_seeks(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    order = list(truth.frames)
    random.Random(20).shuffle(order)
    with av.open(str(truth.path)) as container:
        stream = container.streams.video[0]
        for known in order[:25]:
            # One GOP early: the index may hold decode stamps.
            container.seek(known.pts - 100 * int(Fraction(1, 1000) / truth.time_base or 1),
                           stream=stream, backward=True)  # fmt: skip
            frame = next(f for f in container.decode(stream) if (f.pts or 0) >= known.pts)
            assert (frame.pts, hash_planes(visible_planes(frame))) == (known.pts, known.sha1)


def test_frame_at_is_half_open() -> None:
    truth = Truth.of(build(recipe("h264-mp4-vfr")))
    tick = truth.time_base
    for frame in truth.frames:
        at = truth.time_of(frame)
        assert truth.frame_at(at) == frame
        assert truth.frame_at(at + tick / 2) == frame
        assert truth.frame_at(at - tick / 2).index == max(0, frame.index - 1)
    assert truth.frame_at(-5) == truth.frames[0]
    assert truth.frame_at(truth.end) == truth.frame_at(10**9) == truth.frames[-1]


def test_nearest_keyframe_is_nearest() -> None:
    truth = Truth.of(build(recipe("h264-mp4-bpyramid")))
    assert [f.index for f in truth.keyframes] == [0, 25, 50, 75]
    assert [f.index for f in truth.nearest_keyframes(Fraction(13, 25))] == [25]
    assert [f.index for f in truth.nearest_keyframes(Fraction(1, 2))] == [0, 25]
    assert [f.index for f in truth.nearest_keyframes(99)] == [75]
