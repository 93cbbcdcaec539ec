"""Promise one: ask for t, get the frame a player shows at t, and be told which one it was.

Compared with a full sequential decode, sample for sample, over codecs, containers, reordering,
long and open GOPs, variable rates, edit lists, missing stamps.
"""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import snapengine
from tests.integration.common import asked, check_shot, delivered, expected
from tests.media.atlas import GEOMETRY, SHORT, STREAMS, recipe
from tests.media.barcode import read_ordinal
from tests.media.oracle import Truth
from tests.media.recipes import build, shown_size

streams = pytest.mark.parametrize("name", [r.name for r in (*STREAMS, *SHORT)])
long_streams = pytest.mark.parametrize("name", [r.name for r in STREAMS])
SEED = 20_260_321


def truth_of(name: str) -> Truth:
    return Truth.of(build(recipe(name)))


def first_ordinal(name: str) -> int:
    """The number drawn in the first frame that is shown (an edit list may hide some)."""
    return -min(0, recipe(name).start_frames)


@st.composite
def times(draw: st.DrawFn, truth: Truth) -> float | Fraction:
    """A time that can be asked: on, just beside or between frame starts, or past the end."""
    if draw(st.booleans()):
        frame = truth.frames[draw(st.integers(0, len(truth.frames) - 1))]
        ticks = draw(st.sampled_from([0, 0, -1, 1, Fraction(1, 2), Fraction(-1, 2)]))
        at = max(Fraction(0), truth.time_of(frame) + ticks * truth.time_base)
        return float(at) if ticks == 0 and draw(st.booleans()) else at
    return draw(st.floats(0, float(truth.end) * 1.2 + 0.5))


@streams
@settings(max_examples=12)
@given(data=st.data())
def test_any_time_gives_the_frame_shown_then(name: str, data: st.DataObject) -> None:
    truth = truth_of(name)
    wanted = data.draw(st.lists(times(truth), min_size=1, max_size=6))
    with snapengine.open(truth.path) as video:
        for at in wanted:
            shot = video.snapshot(at)
            check_shot(truth, shot, expected(truth, at), f"at {at!r} of {wanted!r}")
            assert shot.exact
            assert shot.requested == float(at)


@long_streams
def test_both_sides_of_every_boundary(name: str) -> None:
    truth = truth_of(name)
    tick = truth.time_base
    # Around every keyframe, and a few others: that is where runs of decoding meet.
    chosen = {0, 1, len(truth.frames) - 1, len(truth.frames) // 2}
    for key in truth.keyframes[:4]:
        chosen |= {key.index - 2, key.index - 1, key.index, key.index + 1, key.index + 2}
    at: list[Fraction] = []
    for index in sorted(chosen & set(range(len(truth.frames)))):
        start = truth.time_of(truth.frames[index])
        at += [t for t in (start - tick, start, start + tick) if t >= 0]
    with snapengine.open(truth.path) as video:
        shots = list(video.snapshots(at=at))
    assert len(shots) == len(at)
    for time, shot in zip(at, shots, strict=True):
        check_shot(truth, shot, truth.frame_at(time), f"at {time}")


@streams
def test_first_last_and_past_the_end(name: str) -> None:
    truth = truth_of(name)
    first, last = truth.frames[0], truth.frames[-1]
    with snapengine.open(truth.path) as video:
        check_shot(truth, video.snapshot(0), first)
        check_shot(truth, video.snapshot(truth.time_of(last)), last)
        for late in (truth.end, float(truth.end) + 0.001, float(truth.end) + 3600, 1e7):
            shot = video.snapshot(late)
            check_shot(truth, shot, last, f"at {late}")
            assert shot.exact
        check_shot(truth, video.snapshot(0.0), first, "back from the end")


@streams
def test_delivered_time_asked_again_gives_the_same_frame(name: str) -> None:
    truth = truth_of(name)
    with snapengine.open(truth.path) as video:
        for at in (0.0, float(truth.end) / 3, float(truth.end) / 2, float(truth.end)):
            once = video.snapshot(at)
            again = video.snapshot(once.time)
            assert (again.pts, again.time) == (once.pts, once.time)
            assert delivered(truth, again) == delivered(truth, once)


@long_streams
@pytest.mark.parametrize("order", ["forward", "reversed", "shuffled"])
def test_order_of_asking_does_not_matter(name: str, order: str) -> None:
    truth = truth_of(name)
    frames = list(truth.frames[:: max(1, len(truth.frames) // 15)])
    if order == "reversed":
        frames.reverse()
    elif order == "shuffled":
        print("shuffle seed", SEED)
        random.Random(SEED).shuffle(frames)
    with snapengine.open(truth.path) as video:
        for frame in frames:
            check_shot(truth, video.snapshot(truth.time_of(frame)), frame, order)


@long_streams
def test_batch_equals_single_calls(name: str) -> None:
    truth = truth_of(name)
    dice = random.Random(SEED)
    at = [dice.uniform(0, float(truth.end) * 1.05) for _ in range(12)]
    at += [at[3], at[0]]  # twice the same, far apart
    with snapengine.open(truth.path) as video:
        shots = list(video.snapshots(at=at))
    assert [shot.requested for shot in shots] == [float(t) for t in at]
    for time, shot in zip(at, shots, strict=True):
        check_shot(truth, shot, expected(truth, time), f"at {time}")
        assert shot.exact


@long_streams
def test_threads_change_nothing(name: str) -> None:
    truth = truth_of(name)
    at = [float(truth.end) * part / 9 for part in range(10)]
    for threads in (1, 2, 5):
        with snapengine.open(truth.path, threads=threads) as video:
            for time, shot in zip(at, video.snapshots(at=at), strict=True):
                check_shot(truth, shot, expected(truth, time), f"{threads} threads, at {time}")
            alone = video.snapshot(at[6])
            check_shot(truth, alone, expected(truth, at[6]), f"{threads} threads, alone")


@pytest.mark.parametrize("kind", ["bytes", "file", "path"])
@pytest.mark.parametrize("name", ["h264-mp4-bpyramid", "h264-ts", "vp9-webm", "mpeg4-avi"])
def test_every_kind_of_source_gives_the_same(name: str, kind: str) -> None:
    truth = truth_of(name)
    at = float(truth.end) * 0.7
    with truth.path.open("rb") as file:
        source: Any = {"bytes": truth.path.read_bytes(), "file": file, "path": str(truth.path)}[
            kind
        ]
        with snapengine.open(source) as video:
            check_shot(truth, video.snapshot(at), expected(truth, at))
            check_shot(truth, video.snapshot(0), truth.frames[0])


# --- targets -------------------------------------------------------------------------------------

SPREAD = ("h264-mp4-bpyramid", "h264-mkv-vfr", "h264-ts", "hevc-mp4-opengop", "vp9-webm",
          "mpeg4-avi", "one-frame-mp4", "last-long-mp4", "audio-longer-mkv")  # fmt: skip
spread = pytest.mark.parametrize("name", SPREAD)


@spread
def test_interval_takes_start_plus_multiples_before_the_end(name: str) -> None:
    truth = truth_of(name)
    with snapengine.open(truth.path) as video:
        duration = video.info.duration
        shots = list(video.snapshots(interval=0.3))
        wanted = [Fraction(3 * i, 10) for i in range(1000) if Fraction(3 * i, 10) < asked(duration)]
        assert [shot.requested for shot in shots] == pytest.approx([float(t) for t in wanted])
        for time, shot in zip(wanted, shots, strict=True):
            check_shot(truth, shot, truth.frame_at(time), f"at {time}")


def test_interval_with_start_end_and_limit() -> None:
    truth = truth_of("h264-mp4-bpyramid")
    with snapengine.open(truth.path) as video:
        part = list(video.snapshots(interval=0.5, start=1, end=3))
        assert [shot.requested for shot in part] == [1, 1.5, 2, 2.5]
        limited = list(video.snapshots(interval=0.5, start=1, limit=3))
        assert [shot.requested for shot in limited] == [1, 1.5, 2]
        for shot in (*part, *limited):
            check_shot(truth, shot, truth.frame_at(asked(shot.requested)))


@spread
@pytest.mark.parametrize("count", [1, 3, 10])
def test_count_takes_the_middle_of_equal_parts(name: str, count: int) -> None:
    truth = truth_of(name)
    with snapengine.open(truth.path) as video:
        duration = asked(video.info.duration)
        shots = list(video.snapshots(count=count))
    wanted = [duration * (2 * i + 1) / (2 * count) for i in range(count)]
    assert [shot.requested for shot in shots] == pytest.approx([float(t) for t in wanted])
    for time, shot in zip(wanted, shots, strict=True):
        # The duration is a float at the edge: a middle on a boundary may fall on either side.
        frames = {truth.frame_at(time - truth.time_base / 50), truth.frame_at(time),
                  truth.frame_at(time + truth.time_base / 50)}  # fmt: skip
        assert set(delivered(truth, shot)) & {frame.index for frame in frames}


def test_count_within_start_and_end() -> None:
    with snapengine.open(build(recipe("h264-mp4-bpyramid"))) as video:
        shots = list(video.snapshots(count=4, start=1, end=3))
    assert [shot.requested for shot in shots] == [1.25, 1.75, 2.25, 2.75]


@streams
def test_duration_is_that_of_the_shown_frames(name: str) -> None:
    """Not the audio's, not the container's: the last sprite cue and count= depend on it."""
    truth = truth_of(name)
    with snapengine.open(truth.path) as video:
        duration = video.info.duration
        if duration is None:
            assert name in ("vp9-webm-noduration", "h264-mkv-nocues", "h264-raw")
            return
    gap = max((b.pts - a.pts for a, b in itertools.pairwise(truth.frames)), default=0)
    # A container that does not store the last frame's length leaves a guess of about one frame.
    # MP4 stores lengths in decode order: exact unless frames are both reordered and irregular.
    stored = "mp4" in name and recipe(name).pattern == "cfr"
    slack = Fraction(1, 1000) if stored else max(gap * truth.time_base, Fraction(1, 20))
    assert abs(asked(duration) - truth.end) <= slack


# --- accuracy ------------------------------------------------------------------------------------


@streams
def test_keyframe_is_the_nearest_keyframe(name: str) -> None:
    truth = truth_of(name)
    dice = random.Random(SEED)
    at = [0.0, float(truth.end), *(dice.uniform(0, float(truth.end)) for _ in range(8))]
    with snapengine.open(truth.path) as video:
        for time in at:
            shot = video.snapshot(time, accuracy="keyframe")
            nearest = truth.nearest_keyframes(asked(time))
            frame = next((k for k in nearest if float(truth.time_of(k)) == shot.time), nearest[0])
            check_shot(truth, shot, frame, f"nearest to {time}")
            assert shot.keyframe or name == "h264-mp4-refresh"  # recovery points are no keyframes


@streams
def test_exact_flag_of_a_keyframe_is_the_truth(name: str) -> None:
    """True if and only if a player shows this frame at the requested time."""
    truth = truth_of(name)
    tick = truth.time_base
    key = truth.keyframes[-1]
    at = truth.time_of(key)
    with snapengine.open(truth.path) as video:
        for time in (at, at + tick / 2, at + tick, truth.end, truth.end + 9, truth.end / 3):
            shot = video.snapshot(time, accuracy="keyframe")
            shown = float(truth.time_of(truth.frame_at(time)))
            assert shot.exact == (shot.time == shown), (
                f"at {float(time)}, {shown} is shown: {shot!r}"
            )


@long_streams
def test_batch_of_keyframes_equals_single_calls(name: str) -> None:
    truth = truth_of(name)
    dice = random.Random(SEED)
    at = [dice.uniform(0, float(truth.end)) for _ in range(7)]
    with snapengine.open(truth.path) as video:
        batch = list(video.snapshots(at=at, accuracy="keyframe"))
        single = [video.snapshot(time, accuracy="keyframe") for time in at]
    assert [s.requested for s in batch] == at
    assert [(s.pts, delivered(truth, s)) for s in batch] == [
        (s.pts, delivered(truth, s)) for s in single
    ]


@long_streams
def test_tolerance_is_a_keyframe_if_near_else_exact(name: str) -> None:
    truth = truth_of(name)
    dice = random.Random(SEED)
    with snapengine.open(truth.path) as video:
        for _ in range(6):
            time = dice.uniform(0, float(truth.end))
            keys = truth.nearest_keyframes(asked(time))
            distance = float(abs(truth.time_of(keys[0]) - asked(time)))
            near = video.snapshot(time, accuracy=distance + 0.002)
            key = next((k for k in keys if float(truth.time_of(k)) == near.time), keys[0])
            check_shot(truth, near, key, f"{time} with a keyframe in reach")
            if distance > 0.004:
                far = video.snapshot(time, accuracy=distance - 0.002)
                check_shot(truth, far, expected(truth, time), f"{time} without one in reach")
                assert far.exact


@pytest.mark.parametrize("name", [r.name for r in STREAMS if r.name != "h264-mp4-refresh"])
def test_keyframe_flag_says_what_the_frame_is(name: str) -> None:
    truth = truth_of(name)
    key = truth.keyframes[len(truth.keyframes) // 2]
    with snapengine.open(truth.path) as video:
        assert video.snapshot(truth.time_of(key)).keyframe
        other = next((f for f in truth.frames[key.index + 1 :] if not f.keyframe), None)
        if other:
            assert not video.snapshot(truth.time_of(other)).keyframe


# --- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [r.name for r in (*STREAMS, *SHORT, *GEOMETRY)])
def test_picture_shows_the_number_of_its_frame(name: str) -> None:
    truth = truth_of(name)
    wanted = recipe(name)
    frame = truth.frames[len(truth.frames) * 2 // 3]
    ordinal = frame.index + first_ordinal(name)
    with snapengine.open(truth.path) as video:
        at = truth.time_of(frame)
        full = video.snapshot(at).to_ndarray()
        assert full.shape == (*shown_size(wanted)[::-1], 3)
        assert full.dtype.name == "uint8"
        assert read_ordinal(full) == ordinal
        small = video.snapshot(at, width=64)
        picture = small.to_ndarray()
        assert picture.shape[1] == 64
        assert abs(picture.shape[0] - 64 * full.shape[0] / full.shape[1]) <= 1
        assert read_ordinal(picture) == ordinal
        assert read_ordinal(video.snapshot(at, height=40).to_ndarray()) == ordinal
        assert small.to_image().size == picture.shape[1::-1]


@pytest.mark.parametrize("name", [r.name for r in GEOMETRY])
def test_planes_are_the_decoders_own_samples(name: str) -> None:
    """Turned, anamorphic, odd, full range: planes stay as decoded, the picture does not."""
    truth = truth_of(name)
    with snapengine.open(truth.path) as video:
        for index in (0, 13, 23):
            frame = truth.frames[index]
            check_shot(truth, video.snapshot(truth.time_of(frame)), frame)


def test_info_says_the_shown_size() -> None:
    for name in ("h264-mp4-bpyramid", "odd444", "rotate90", "sar16x11", "sar64x45", "sar8x9",
                 "sar-rotate90"):  # fmt: skip
        wanted = recipe(name)
        with snapengine.open(build(wanted)) as video:
            info = video.info
            assert (info.width, info.height) == shown_size(wanted), name
            assert (info.coded_width, info.coded_height) == (wanted.width, wanted.height)
            assert info.rotation % 360 == wanted.rotation
            assert info.sample_aspect_ratio == Fraction(*wanted.sar)
