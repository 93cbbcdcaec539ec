"""Every generated video against the full sequential decode: the frame of any time, in any order.

:mod:`tests.integration.test_exact` goes deep on the matrix of codecs; this goes wide, over every
container, structure and trap of the atlas.
"""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import snapengine
from tests.integration.common import is_shown
from tests.integration.exactness import check_accuracies, check_every_order, check_times, times_of
from tests.media.atlas import DAMAGED, GEOMETRY, SHORT, STREAMS, WIDER, recipe
from tests.media.derived import DERIVED, Derived, make
from tests.media.oracle import Truth, hash_planes, visible_planes
from tests.media.recipes import Recipe, build

TRACKS = [d for d in DERIVED if d.name.endswith("two-tracks")]
ONE_TRACK = [d for d in DERIVED if d not in TRACKS]

#: Open GOPs without stamps: the keyframes behind the first are not offered as such, because how
#: many pictures are shown before them is not known without decoding.
UNPLACED_KEYFRAMES = {"hevc-raw-opengop", "hevc-bla"}


def derived(name: str) -> Derived:
    return next(d for d in DERIVED if d.name == name)


@pytest.mark.parametrize("name", [r.name for r in (*STREAMS, *WIDER, *SHORT, *GEOMETRY)])
def test_generated_video_in_every_order(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    assert truth.decode_errors == 0
    check_every_order(truth, times_of(truth))
    if name not in UNPLACED_KEYFRAMES:
        check_accuracies(truth)


@pytest.mark.parametrize("made", ONE_TRACK, ids=lambda d: d.name)
def test_derived_video_in_every_order(made: Derived) -> None:
    truth = Truth.of(make(made))
    assert truth.jumps == made.jumps
    check_every_order(truth, times_of(truth))
    if made.name not in UNPLACED_KEYFRAMES:
        check_accuracies(truth)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("made", TRACKS, ids=lambda d: d.name)
def test_each_video_track_by_its_number(made: Derived, number: int) -> None:
    truth = Truth.of(make(made), number)
    other = Truth.of(make(made), 1 - number)
    assert (truth.frames[0].width, other.frames[0].width) in ((160, 96), (96, 160))
    check_every_order(truth, times_of(truth), stream=number)
    check_accuracies(truth, stream=number)
    with snapengine.open(truth.path, stream=number) as video:
        assert (video.info.stream_index, video.info.video_streams) == (number, 2)


# --- stamps that jump ----------------------------------------------------------------------------


def test_a_clock_that_wraps_is_unwrapped() -> None:
    whole = Truth.of(build(derived("ts-wrap").parts[0]))
    wrapped = Truth.of(make(derived("ts-wrap")))
    assert [f.sha1 for f in wrapped.frames] == [f.sha1 for f in whole.frames]
    # libavformat counts from below zero when the clock starts that near its end.
    assert wrapped.frames[0].pts < 0 < wrapped.frames[-1].pts
    with snapengine.open(wrapped.path) as video:
        assert video.info.duration == float(whole.end)


def test_a_gap_in_the_stamps_shows_the_frame_before_it() -> None:
    truth = Truth.of(make(derived("ts-jump-ahead")))
    last = max(
        (f for f in truth.frames[:-1] if truth.frames[f.index + 1].pts - f.pts > 90_000),
        key=lambda f: f.index,
    )
    start = truth.time_of(last)
    check_every_order(truth, [start, start + 1, start + 20, start + 40, start + 55])


def test_stamps_that_go_back_are_gone_by_and_never_hang() -> None:
    """Two halves claim the same second: either's frame, and the one delivered says its pts."""
    truth = Truth.of(make(derived("ts-joined")))
    assert any(len(truth.shown_at(Fraction(n, 25))) == 2 for n in range(60))
    with snapengine.open(truth.path) as video:
        for at in times_of(truth):
            shot = video.snapshot(at)
            assert shot.exact
            assert shot.stats.packets_read < 4 * truth.packets


@pytest.mark.parametrize("name", ["ts-joined", "ts-new-size"])
def test_joined_streams_have_lost_nothing(name: str) -> None:
    """Counters begin anew at the joint, which libavformat takes for a loss."""
    truth = Truth.of(make(derived(name)))
    with snapengine.open(truth.path) as video:
        for frame in truth.frames:
            at = truth.time_of(frame) + Fraction(1, 100)
            shot = video.snapshot(at)
            assert shot.exact and not shot.corrupt, f"{shot!r}"
            assert is_shown(truth, shot, truth.shown_at(at))


@pytest.mark.parametrize("lost", ["end of the first", "beginning of the second", "a picture"])
def test_a_loss_at_a_joint_is_told(lost: str) -> None:
    made = derived("ts-new-size")
    first = build(made.parts[0]).read_bytes()
    joined = bytearray(make(made).read_bytes())
    at = len(first)  # the tables of the second stream, then its first picture
    pid = (first[-187] & 31) << 8 | first[-186]
    of_video = [
        place
        for place in range(0, len(joined), 188)
        if (joined[place + 1] & 31) << 8 | joined[place + 2] == pid
    ]
    starts = [place for place in of_video if joined[place + 1] & 0x40]
    before = [place for place in of_video if place < at]
    if lost == "end of the first":
        del joined[before[-1] : before[-1] + 188]
    elif lost == "beginning of the second":
        start = next(place for place in starts if place >= at)
        del joined[start : start + 188]
    else:
        start = [place for place in starts if place < at][-1]
        for place in reversed([place for place in before if place >= start]):
            del joined[place : place + 188]
    with snapengine.open(bytes(joined)) as video:
        around = [video.snapshot(Fraction(n, 50)) for n in range(110, 135)]
    assert not all(shot.exact and not shot.corrupt for shot in around)


# --- Matroska that begins before 0 ---------------------------------------------------------------

#: What cutting without decoding leaves behind: libavformat gives blocks before 0 no stamps.
BEFORE_ZERO = [
    Recipe(
        name=f"before-zero-{codec}", codec=codec, container="mkv", bframes=2, gop=20, frames=60,
        open_gop=codec == "hevc", start_frames=-17, muxer_options=options,
    )
    for codec in ("hevc", "h264")
    for options in ((), (("live", "1"),))
]  # fmt: skip


@pytest.mark.parametrize("made", BEFORE_ZERO, ids=lambda r: f"{r.codec}{r.muxer_options}")
def test_blocks_before_zero_are_found_again_in_any_order(made: Recipe) -> None:
    path = build(made)
    with av.open(str(path)) as container:
        first = next(container.demux(video=0))
        assert first.pts is None and first.dts is None
        container.streams.video[0].codec_context.thread_type = "NONE"
        frames = [
            *container.streams.video[0].codec_context.decode(first),
            *container.decode(video=0),
        ]
        played = [hash_planes(visible_planes(frame)) for frame in frames]
    assert len(played) == made.frames

    def shown(shot: snapengine.Snapshot) -> tuple[str, int, bool]:
        planes = [np.asarray(plane) for plane in shot.planes]
        return hash_planes(planes), shot.pts, shot.exact

    def wanted(number: int) -> tuple[str, int, bool]:
        return played[number], number * 40, True

    for before in (False, True):
        with snapengine.open(path) as video:
            if before:
                assert video.info.duration == made.frames / 25
            for number in (25, 0, 25, 59, 24, 59, 0, 40, 12):
                assert shown(video.snapshot(number / 25)) == wanted(number)
            assert video.info.duration == made.frames / 25
            numbers = range(made.frames)[::7]
            forward = list(video.snapshots(at=[n / 25 for n in numbers]))
            assert [shown(shot) for shot in forward] == [wanted(n) for n in numbers]
            for shot in video.snapshots(at=[0.4], accuracy="keyframe"):
                assert shown(video.snapshot(1)) == wanted(25), "a call within a call"
                assert shown(shot)[0] == played[shot.pts // 40] and shot.keyframe


# --- two sample entries --------------------------------------------------------------------------


def test_sizes_change_with_the_sample_entry_whatever_came_before() -> None:
    truth = Truth.of(make(derived("mp4-two-entries")))
    first, second = truth.frames[30], truth.frames[90]
    assert (first.width, second.width) == (160, 96)
    for threads in (1, 2):
        with snapengine.open(truth.path, threads=threads) as video:
            for frame in (second, first, second, second, first, first, second):
                at = truth.time_of(frame)
                check_times(truth, video, [at], f"{threads} threads")
                shot = video.snapshot(at)
                assert (shot.width, shot.height) == (frame.width, frame.height)


# --- damage --------------------------------------------------------------------------------------

#: The demuxer gives up at the hole when it reads on, not when it is sent behind it by the index.
BETTER_THAN_PLAYED = {"avi-hole"}


@pytest.mark.parametrize("name", [r.name for r in DAMAGED if r.name not in BETTER_THAN_PLAYED])
def test_damaged_video_is_the_frame_or_says_that_it_is_not(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    if recipe(name).container not in ("mkv", "webm"):
        check_every_order(truth, times_of(truth))
        return
    # Matroska tells of missing blocks what the sequential decode does not notice: beside them the
    # right frame may be called near, never a wrong one exact.
    times = times_of(truth)
    with snapengine.open(truth.path) as video:
        shots = list(video.snapshots(at=times))
    assert len(shots) == len(times)
    for shot in shots:
        right = is_shown(truth, shot, truth.shown_at(times[shot.index]))
        assert right or shot.corrupt or not shot.exact, f"{name}: {shot!r}"
    assert sum(shot.exact for shot in shots) > len(shots) / 2


@pytest.mark.parametrize(
    "made",
    [
        Recipe(name="h264-wmv", container="wmv", bframes=2, gop=20, frames=40),
        Recipe(name="mpeg4-ps", codec="mpeg4", container="ps", bframes=2, gop=15, frames=40),
    ],
    ids=lambda r: r.name,
)
def test_containers_that_misstamp_a_codec_never_say_exact(made: Recipe) -> None:
    """Nothing gives wrong stamps away, so these pictures are never more than near."""
    with snapengine.open(build(made)) as video:
        for at in (0, 0.5, 1.1):
            assert not video.snapshot(at).exact
        assert not any(cell.exact for cell in video.sprite(count=4).cells)


# --- no hang -------------------------------------------------------------------------------------


def test_derived_files_end_soon_in_a_fresh_process() -> None:
    """Jumping stamps must not make a search run forever."""
    paths = [str(make(d)) for d in DERIVED if d.name.startswith("ts-")]
    code = (
        "import json, sys, snapengine\n"
        "out = []\n"
        "for path in json.loads(sys.argv[1]):\n"
        "    with snapengine.open(path) as video:\n"
        "        out.append([s.pts for s in video.snapshots(count=3)])\n"
        "        video.sprite(count=4, cell=(32, None))\n"
        "print(len(out))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(paths)],
        capture_output=True, text=True, timeout=60, check=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == str(len(paths))


def sizes_of(shots: list[Any]) -> set[tuple[int, int]]:
    return {(shot.width, shot.height) for shot in shots}


@pytest.mark.parametrize("name", ["ts-new-size", "webm-new-size", "mp4-two-entries"])
def test_a_new_size_in_mid_stream_is_the_size_of_its_pictures(name: str) -> None:
    truth = Truth.of(make(derived(name)))
    with snapengine.open(truth.path) as video:
        shots = list(video.snapshots(count=8))
        small = list(video.snapshots(count=8, width=64))
    assert sizes_of(shots) == {(160, 96), (96, 64)}
    assert all(shot.width == 64 for shot in small)
