"""Damaged files: the right frame, a neighbour or a damaged frame that says so, or a clear error.

Truth is the full sequential decode of the file before it was damaged.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import snapengine
from snapengine import SnapError
from snapengine.errors import InvalidOption, NoFrameAtTarget
from tests.integration.common import expected
from tests.integration.damaging import BASES, damaged, layout_of, noise, zeros
from tests.media.oracle import ShownFrame, Truth, hash_planes
from tests.media.recipes import build

TIMES = [0.02 + 0.1 * i for i in range(40)]
"""Two or three to a GOP of 0.4 s, at all places in it."""


@functools.cache
def truth_of(name: str) -> Truth:
    return Truth.of(build(BASES[name]))


def wanted(name: str, video: Any, time: float) -> ShownFrame:
    """The undamaged frame at ``time``. A transport stream begins where its first packet is left."""
    truth = truth_of(name)
    late = 0.0
    if name.startswith("ts"):
        late = float((video.info.start_pts - truth.origin) * truth.time_base)
    return expected(truth, round(time + late, 6))


def is_right(name: str, video: Any, shot: Any, time: float) -> bool:
    return hash_planes(shot.planes) == wanted(name, video, time).sha1


def is_marked(shot: Any) -> bool:
    return shot.corrupt or not shot.exact


def shots_of(video: Any, times: list[float], **options: Any) -> dict[float, Any]:
    """By the time asked for; empty when there is not a single picture."""
    try:
        return {shot.requested: shot for shot in video.snapshots(at=times, **options)}
    except NoFrameAtTarget:
        return {}


# --- the promise ---------------------------------------------------------------------------------

#: Damage that nobody can overlook: the data is not there, or what lies in its place breaks the
#: rules (lengths of NAL units, start codes). Other noise and flipped bits may be a legal stream;
#: without checksums nobody can tell, so nothing is promised about them but an end.
CERTAIN = [
    *[(name, kind) for name in ("mp4", "hevc", "webm", "webm-vp8", "av1", "mpeg4")
      for kind in ("hole", "first")],
    ("mkv", "first"),
    *[(name, "cut") for name in ("mp4", "mkv", "webm", "webm-vp8")],
    *[(name, "key") for name in ("mp4", "hevc", "mkv", "mpeg4")],
    ("avi", "hole"),
    ("flv", "first"),
]  # fmt: skip


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), time=st.floats(0, 3.99))
@pytest.mark.parametrize(("name", "kind"), CERTAIN, ids=lambda v: v)
def test_right_or_marked_or_an_error(name: str, kind: str, seed: int, time: float) -> None:
    times = sorted({round(time, 3), 0.0, 1.0, 2.21, 3.5})
    try:
        with snapengine.open(damaged(name, kind, seed), threads=1) as video:
            for at, shot in shots_of(video, times).items():
                assert is_marked(shot) or is_right(name, video, shot, at), (
                    f"{at}: {shot} is not frame {wanted(name, video, at).index} and does not say so"
                )
    except SnapError as error:
        assert str(error)


LOCAL = [
    (name, kind)
    for name in ("mp4", "hevc", "mkv", "webm", "ts", "flv", "mjpeg", "ts-mpeg2")
    for kind in ("hole", "lost", "key", "cut", "flip", "frame")
    # Behind a hole libavformat finds Matroska's next cluster only, which holds several GOPs.
    if (kind != "lost" or name.startswith("ts")) and (kind != "hole" or name not in ("mkv", "webm"))
]


@pytest.mark.parametrize(("name", "kind"), LOCAL, ids=lambda v: v)
def test_damage_stays_in_its_gops(name: str, kind: str) -> None:
    """GOPs are closed here, so frames of sound ones are delivered, right and unmarked."""
    layout, truth = layout_of(name), truth_of(name)
    data = damaged(name, kind, "gops")
    bounds = [layout.payload[key][0][0] for key in layout.keys] + [len(layout.data)]
    same = min(len(data), len(layout.data))
    first = next((i for i in range(same) if data[i] != layout.data[i]), same)
    behind = len(layout.data)
    if len(data) == len(layout.data):
        behind = next(i for i in reversed(range(same)) if data[i] != layout.data[i])
    length = float(truth.end) / len(layout.keys)
    # A transport stream's packet ends where the next begins, so damage reaches one GOP farther.
    sound = [
        number for number in range(len(layout.keys))
        if bounds[number + 1] <= first - 600 or bounds[number] > behind + 600
    ]  # fmt: skip
    assert sound
    with snapengine.open(data) as video:
        times = [round((number + 0.32) * length, 3) for number in sound]
        found = shots_of(video, times)
        for at in times:
            shot = found[at]
            assert is_right(name, video, shot, at), (at, shot)
            assert not is_marked(shot), (at, shot)


# --- on_missing ----------------------------------------------------------------------------------

POLICY_CASES = [
    (name, kind)
    for name in ("mp4", "mp4-last", "mkv", "mkv-nocues", "ts", "avi", "webm", "hevc")
    for kind in ("hole", "key", "first", "cut")
    # Without its end the one does not open, and the other is whole: a recording that just ends.
    if (name, kind) not in (("mp4-last", "cut"), ("mkv-nocues", "cut"))
]


#: Noise in a transport stream may swallow the packets around it, AVI's stamps of B-frames are
#: guessed from what is left: which picture comes is not promised there.
def is_told_by_content(name: str) -> bool:
    return not name.startswith(("ts", "avi"))


@pytest.mark.parametrize(("name", "kind"), POLICY_CASES, ids=lambda v: v)
def test_every_policy_keeps_its_word(name: str, kind: str) -> None:
    with snapengine.open(damaged(name, kind, "policy"), threads=1) as video:
        nearest = shots_of(video, TIMES)
        assert list(nearest) == TIMES, "there is always something near"
        for at, shot in nearest.items():
            assert shot.replaced is not shot.exact
            if is_told_by_content(name) and not is_marked(shot):
                assert is_right(name, video, shot, at)
        blank = shots_of(video, TIMES, on_missing="blank")
        assert blank
        for at, shot in blank.items():
            assert not is_marked(shot)
            if is_told_by_content(name):
                assert is_right(name, video, shot, at)
        if len(blank) == len(TIMES):
            assert list(shots_of(video, TIMES, on_missing="fail")) == TIMES
            return
        lost = [at for at in TIMES if at not in blank]
        with pytest.raises(NoFrameAtTarget) as caught:
            list(video.snapshots(at=TIMES, on_missing="fail"))
        named = caught.value.context["times"]
        assert named == pytest.approx(lost[: len(named)])
    assert is_marked(nearest[lost[len(lost) // 2]])


@pytest.mark.parametrize(("name", "kind"), POLICY_CASES, ids=lambda v: v)
def test_a_sheet_is_made_and_names_the_cells(name: str, kind: str) -> None:
    """Cells that are not named look exactly as on the sheet of the undamaged file."""
    options: dict[str, Any] = {
        "at": TIMES, "cell": (50, 30), "columns": 8, "padding": 4, "accuracy": "exact",
    }  # fmt: skip
    with snapengine.open(build(BASES[name])) as video:
        good = video.sprite(**options)
    assert good.damaged == good.missing == []
    with snapengine.open(damaged(name, kind, "policy"), threads=1) as video:
        sheet = video.sprite(**options)
        blank = video.sprite(**options, on_missing="blank", color="red")
    assert sheet.missing == []
    assert blank.missing == blank.damaged
    assert bool(blank.missing) == bool(sheet.damaged)
    whole, some, empty = (s.pages[0].to_ndarray().astype(int) for s in (good, sheet, blank))
    for number, cue in enumerate(sheet.cues):
        # Chroma at a half of the resolution reaches over the edge of a cell.
        box = np.s_[cue.y + 2 : cue.y + cue.height - 2, cue.x + 2 : cue.x + cue.width - 2]
        cell = sheet.cells[number]
        assert (number in sheet.damaged) == (cell.corrupt or cell.replaced)
        if number in blank.missing:
            # Red as JPEG's full-range YCbCr has it, within rounding.
            assert abs(empty[box] - (254, 0, 0)).max() <= 2
        elif is_told_by_content(name):
            assert np.array_equal(empty[box], whole[box]), number
        if number not in sheet.damaged and is_told_by_content(name):
            assert cell.exact
            assert np.array_equal(some[box], whole[box]), number


@pytest.mark.parametrize("name", ["mp4", "mkv", "webm", "hevc", "flv"])
def test_before_a_destroyed_start_comes_what_is_behind(name: str) -> None:
    """Times keep counting from where the file began; the first GOP's are answered from behind."""
    truth = truth_of(name)
    with snapengine.open(damaged(name, "first")) as video:
        assert video.info.start_pts == truth.origin
        assert video.info.duration == pytest.approx(4.0)
        found = shots_of(video, [0.0, 0.1, 0.39, 0.4, 0.45])
        for at in (0.0, 0.1, 0.39):
            assert found[at].replaced and not found[at].exact
            assert found[at].time == pytest.approx(0.4)
            assert hash_planes(found[at].planes) == expected(truth, 0.4).sha1
        for at in (0.4, 0.45):
            assert is_right(name, video, found[at], at) and found[at].exact
        assert not is_marked(video.snapshot(0.85))


@pytest.mark.parametrize("name", ["mp4", "hevc"])
def test_the_nearer_side_of_a_hole(name: str) -> None:
    """Three GOPs (1.2 s to 2.4 s) are zeros: up to half a second behind the last frame before it
    that frame is shown, later the keyframe behind if that is nearer."""
    layout, truth = layout_of(name), truth_of(name)
    start, stop = (layout.payload[layout.keys[n]][0][0] for n in (3, 6))
    with snapengine.open(zeros(layout.data, start, stop)) as video:
        for at, near in ((1.25, 1.16), (1.5, 1.16), (1.84, 2.4), (2.35, 2.4)):
            shot = video.snapshot(at)
            # The decoder may keep the last frames before the damage to itself.
            assert near - 0.13 < shot.time <= near + 1e-6, at
            assert shot.replaced and not shot.exact
            assert hash_planes(shot.planes) == expected(truth, shot.time).sha1
        assert not is_marked(video.snapshot(1.16))
        assert not is_marked(video.snapshot(2.4))


@pytest.mark.parametrize("name", ["mp4", "mkv", "webm"])
def test_behind_the_cut_the_last_frame_is_a_neighbour(name: str) -> None:
    """Cut inside the last GOP that is left: what decodes before it, and it is marked."""
    layout = layout_of(name)
    packet = layout.gop(6)[4]
    data = layout.data[: layout.payload[packet][0][0] + 40]
    with snapengine.open(data) as video:
        for at in (2.77, 3.5):
            shot = video.snapshot(at)
            assert is_marked(shot)
            assert 2.3 <= shot.time <= 2.77
        assert not is_marked(video.snapshot(2.1))


@pytest.mark.parametrize("name", ["flv", "mp4-fragments"])
def test_few_frames_before_the_damage_are_enough(name: str) -> None:
    """The way back ends at the start of the file after one step, and yet the nearest is taken."""
    layout = layout_of(name)
    data = zeros(layout.data, layout.payload[layout.gop(4)[3]][0][0], len(layout.data))
    with snapengine.open(data) as video:
        shot = video.snapshot(1.9)
        assert is_marked(shot) or shot.time == pytest.approx(video.info.duration, abs=0.2)
        assert 1.4 <= shot.time <= 1.9


def test_two_counts_of_the_same_loss() -> None:
    layout = layout_of("mp4")
    data = zeros(layout.data, *(layout.payload[layout.keys[n]][0][0] for n in (2, 4)))
    with snapengine.open(data) as video:
        sheet = video.sprite(count=20, columns=5, cell=(48, 28), accuracy="exact")
        seen = [i for i, cell in enumerate(sheet.cells) if 0.8 <= cell.requested < 1.6]
        assert sheet.damaged == seen
        assert sheet.stats.retries >= 1
        quick = video.sprite(count=10, columns=5, cell=(48, 28), accuracy="keyframe")
        assert all(cell.is_damaged or cell.keyframe for cell in quick.cells)
        assert [c.is_damaged for c in quick.cells] == [n in (2, 3) for n in range(10)]


@pytest.mark.parametrize("policy", ["nearest", "blank", "fail"])
@pytest.mark.parametrize("name", ["mp4", "mkv", "ts", "webm", "hevc", "avi", "flv"])
def test_nothing_left_is_an_error(name: str, policy: Any) -> None:
    data = damaged(name, "all")
    for call in (
        lambda video: video.snapshot(1.0, on_missing=policy),
        lambda video: list(video.snapshots(count=3, on_missing=policy)),
        lambda video: video.sprite(count=4, on_missing=policy),
    ):
        with pytest.raises(SnapError) as caught, snapengine.open(data) as video:
            call(video)
        assert caught.value.stage in ("open", "probe", "decode")


@pytest.mark.parametrize("policy", ["", "NEAREST", None, 1, "skip"])
def test_unknown_policy(policy: Any) -> None:
    with snapengine.open(build(BASES["mp4"])) as video:
        for verb in (video.snapshot, video.sprite):
            with pytest.raises(InvalidOption):
                verb(**{"at": 1 if verb == video.snapshot else [1]}, on_missing=policy)
        with pytest.raises(InvalidOption):
            video.snapshots(count=1, on_missing=policy)


# --- the work of it ------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["mp4"])
def test_the_work_does_not_grow_with_what_is_destroyed(container: str) -> None:
    """A thousand keyframes, all noise but the first: a sheet reads each packet a few times."""
    data, count = _mostly_destroyed(container)
    with snapengine.open(data) as video:
        sheet = video.sprite(count=50, cell=(32, 20))
        assert len(sheet.damaged) == 50
        assert sheet.stats.packets_read < 8 * count
        assert sheet.stats.packets_sent < 4 * count


def _mostly_destroyed(container: str) -> tuple[bytes, int]:
    recipe = BASES["mp4"]
    many = build(type(recipe)(name="damage-many", gop=4, frames=100, repeat=40))
    import av

    whole, at, spans = many.read_bytes(), 0, []
    with av.open(str(many)) as opened:
        for packet in opened.demux(opened.streams.video[0]):
            if packet.size:
                at = whole.index(bytes(packet), at)
                spans.append((at, at + packet.size))
                at += packet.size
    import random

    return noise(whole, spans[4:], random.Random(container)), len(spans)


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""
