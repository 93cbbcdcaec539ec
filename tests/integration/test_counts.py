"""Promise three, proved by counting: cost grows with the pictures asked for, not with the video."""

from __future__ import annotations

import dataclasses
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

import snapengine
from tests.integration.common import asked, check_shot, expected, total
from tests.media.atlas import STREAMS, recipe
from tests.media.oracle import Truth
from tests.media.recipes import Recipe, build

BIG = Recipe(
    name="counts-mp4", width=320, height=192, frames=100, gop=25, bframes=3,
    encoder_options=(("crf", "29"),),
)  # fmt: skip
"""Large enough (about 150 kB) that reads of a cell and reads of the file differ."""

CONTAINERS = ("mp4", "mkv", "ts")
READ_BLOCK = 64 * 1024
"""A demuxer reads ahead by its buffer; one per seek is not growth with the length of the video."""

LOOK_AHEAD = 1
"""Packets a run over several targets may send past the last one; a single target has none."""

exact_streams = pytest.mark.parametrize(
    "name", [r.name for r in STREAMS if r.name not in ("h264-mp4-refresh",)]
)
closed = pytest.mark.parametrize(
    "name",
    ["h264-mp4-bpyramid", "h264-mp4-vfr", "h264-mp4-faststart", "h264-mkv-nocues", "h264-ts",
     "hevc-mp4", "vp8-webm", "vp9-webm", "av1-mp4", "av1-mkv-vfr"],
)  # fmt: skip


def long_and_short(container: str) -> tuple[Path, Path]:
    """The same packets four and eight times: same pictures, twice the length."""
    made = dataclasses.replace(BIG, name=f"counts-{container}", container=container)
    return tuple(build(dataclasses.replace(made, repeat=n)) for n in (4, 8))  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True)
class DecodeOrder:
    """Packets as the demuxer gives them: what the least work for a frame is."""

    pts: list[int]
    keys: list[int]  # positions in decode order

    @classmethod
    def of(cls, path: Path) -> DecodeOrder:
        with av.open(str(path)) as container:
            packets = [p for p in container.demux(video=0) if p.size]
        return cls([p.pts for p in packets], [i for i, p in enumerate(packets) if p.is_keyframe])

    @property
    def has_leading(self) -> bool:
        """Whether pictures follow a keyframe that are shown before it (or nobody can know)."""
        if None in self.pts:
            return True
        stops = [*self.keys[1:], len(self.pts)]
        return any(
            pts < self.pts[key]
            for key, stop in zip(self.keys, stops, strict=True)
            for pts in self.pts[key:stop]
        )

    def least_packets(self, pts: int) -> int:
        """From the last keyframe that allows this picture to its own packet, drain not counted."""
        position = self.pts.index(pts)
        start = max(k for k in self.keys if k <= position and self.pts[k] <= pts)
        return position - start + 1


@pytest.mark.parametrize("name", [r.name for r in STREAMS if r.name != "h264-mp4-refresh"])
def test_keyframe_snapshot_sends_one_packet(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    with snapengine.open(truth.path) as video:
        for at in (0.0, float(truth.end) / 2, float(truth.end)):
            stats = video.snapshot(at, accuracy="keyframe").stats
            # Interlaced: two packets may be one frame, only the next one tells.
            most = 2 if recipe(name).interlaced else 1
            assert 1 <= stats.packets_sent <= most, f"at {at}"
            assert stats.frames_decoded == 1


@pytest.mark.parametrize("container", CONTAINERS)
def test_keyframe_cells_cost_the_same_in_a_video_twice_as_long(container: str) -> None:
    cost = []
    for path in long_and_short(container):
        with snapengine.open(path) as video:
            shots = list(video.snapshots(count=10, accuracy="keyframe", width=64))
            cost.append(
                {
                    name: total(shots, name)
                    for name in ("packets_sent", "packets_read", "frames_decoded", "bytes_read")
                }
            )
    short, long = cost
    assert short["packets_sent"] == long["packets_sent"] == 10
    assert short["frames_decoded"] == long["frames_decoded"] == 10
    if container != "ts":  # no index: the distance to the next keyframe is found by reading
        assert long["packets_read"] <= short["packets_read"] + 2
        assert long["packets_read"] <= 1.2 * short["packets_read"] + 10
    # Around each cell: the rest of one GOP, and as far again to be sure that no keyframe is nearer.
    assert long["packets_read"] <= 10 * 3 * BIG.gop
    if container == "ts":  # each place is found by a bisection: so many blocks, whatever the length
        assert long["bytes_read"] <= 10 * 6 * READ_BLOCK
    else:
        assert long["bytes_read"] <= short["bytes_read"] + READ_BLOCK
        assert long["bytes_read"] < long_and_short(container)[1].stat().st_size * 0.8


@pytest.mark.parametrize("container", CONTAINERS)
def test_one_picture_reads_little_of_a_long_video(container: str) -> None:
    path = long_and_short(container)[1]
    size = path.stat().st_size
    with snapengine.open(path) as video:
        keyframe = video.snapshot(20.0, accuracy="keyframe").stats
        exact = video.snapshot(20.9).stats
    assert 0 < keyframe.bytes_read < size / 3
    assert 0 < exact.bytes_read < size / 3


@closed
def test_exact_sends_nothing_after_the_target(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    order = DecodeOrder.of(truth.path)
    dice = random.Random(5)
    for frame in dice.sample(truth.frames, 10):
        with snapengine.open(truth.path, threads=1) as video:
            shot = video.snapshot(truth.time_of(frame))
        check_shot(truth, shot, frame)
        assert shot.stats.packets_sent <= order.least_packets(frame.pts), f"frame {frame.index}"
        assert shot.stats.frames_decoded <= shot.stats.packets_sent


@closed
def test_several_targets_in_one_gop_decode_it_once(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    order = DecodeOrder.of(truth.path)
    first, second = truth.keyframes[1].index, truth.keyframes[1].index + 10
    frames = truth.frames[first:second]
    at = [truth.time_of(frame) for frame in frames]
    with snapengine.open(truth.path, threads=1) as video:
        shots = list(video.snapshots(at=at))
    for frame, shot in zip(frames, shots, strict=True):
        check_shot(truth, shot, frame)
    most = max(order.least_packets(frame.pts) for frame in frames) + LOOK_AHEAD
    assert total(shots, "packets_sent") <= most
    assert total(shots, "frames_decoded") <= most
    # Matroska loads its cues by a seek of its own; without an index one may have to be repeated.
    assert total(shots, "seeks") <= (1 if truth.path.suffix == ".mp4" else 3)


@closed
def test_duplicates_decode_once(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    at = float(truth.end) * 0.6
    with snapengine.open(truth.path, threads=1) as video:
        one = list(video.snapshots(at=[at]))
    with snapengine.open(truth.path, threads=1) as video:
        five = list(video.snapshots(at=[at, at, asked(at), at, at]))
    assert len(five) == 5
    for counter in ("packets_sent", "frames_decoded", "seeks"):
        assert total(five, counter) == total(one, counter), counter


@closed
def test_two_times_within_one_frame_decode_once(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    frame = truth.frames[len(truth.frames) // 2 + 3]
    start = truth.time_of(frame)
    with snapengine.open(truth.path, threads=1) as video:
        one = list(video.snapshots(at=[start]))
    with snapengine.open(truth.path, threads=1) as video:
        two = list(video.snapshots(at=[start, start + Fraction(1, 1000)]))
    assert two[0].pts == two[1].pts == one[0].pts
    assert total(two, "packets_sent") == total(one, "packets_sent")


@exact_streams
def test_a_full_pass_is_not_dearer_than_a_sequential_decode(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    at = [truth.time_of(frame) for frame in truth.frames]
    with snapengine.open(truth.path, threads=1) as video:
        shots = list(video.snapshots(at=at))
    assert [shot.time for shot in shots] == [float(t) for t in at]
    # Leading pictures need the GOP before theirs: runs that start anew overlap by one GOP.
    allowed = 2 if DecodeOrder.of(truth.path).has_leading else 1.05
    assert total(shots, "packets_sent") <= truth.packets * allowed


@closed
def test_close_targets_in_succession_do_not_start_over(name: str) -> None:
    """Sorted targets of one GOP given in any order cost one pass."""
    truth = Truth.of(build(recipe(name)))
    frames = list(truth.frames[truth.keyframes[1].index :][:8])
    random.Random(3).shuffle(frames)
    with snapengine.open(truth.path, threads=1) as video:
        shots = list(video.snapshots(at=[truth.time_of(frame) for frame in frames]))
    order = DecodeOrder.of(truth.path)
    assert [shot.pts for shot in shots] == [frame.pts for frame in frames]
    assert total(shots, "packets_sent") <= LOOK_AHEAD + max(
        order.least_packets(f.pts) for f in frames
    )


def test_counters_add_up() -> None:
    truth = Truth.of(build(recipe("h264-mp4-bpyramid")))
    with snapengine.open(truth.path) as video:
        stats = video.snapshot(2.3).stats
        # A file this small may have been read whole by opening it.
        assert video.stats.bytes_read + stats.bytes_read > 0
    assert stats.seeks + stats.seeks_skipped >= 1
    assert stats.packets_read >= stats.packets_sent >= stats.frames_decoded >= 1
    assert stats.decode_seconds > 0


def test_sprite_carries_its_stats() -> None:
    truth = Truth.of(build(recipe("h264-mp4-bpyramid")))
    with snapengine.open(truth.path) as video:
        sheet = video.sprite(count=4, cell=(64, 36), accuracy="keyframe")
        assert sheet.stats.packets_sent == 4
        assert sheet.stats.frames_decoded == 4


# --- the dry run ---------------------------------------------------------------------------------

PLAN_FACTOR = 3.0
"""Estimates come from the index, which does not tell the pictures nobody refers to: with three
B-frames up to half of the packets need not be sent."""

REQUESTS: tuple[dict[str, Any], ...] = (
    {"at": [2.3]},
    {"at": [0.1, 0.2, 3.9, 1.7]},
    {"count": 10},
    {"interval": 0.5},
    {"count": 4, "accuracy": "keyframe"},
    {"interval": 0.5, "accuracy": 0.25},
)


@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
@pytest.mark.parametrize("name", ["h264-mp4-bpyramid", "hevc-mp4", "av1-mp4"])
def test_plan_decodes_nothing_and_is_near_the_truth(name: str, request_: dict[str, Any]) -> None:
    with snapengine.open(build(recipe(name)), threads=1) as video:
        plan = video.plan(**request_)
        again = video.plan(**request_)
        shots = list(video.snapshots(**request_))
    assert again == plan
    assert str(plan)
    assert total(shots, "packets_sent") <= plan.packets * PLAN_FACTOR
    handled = total(shots, "packets_sent") + total(shots, "packets_skipped")
    assert plan.packets / PLAN_FACTOR <= handled
    # How many frames can be passed over is seen in the packets only.
    assert len({shot.pts for shot in shots}) <= total(shots, "frames_decoded")
    assert total(shots, "frames_decoded") <= plan.frames * PLAN_FACTOR
    assert total(shots, "seeks") <= plan.seeks + 1  # reading on may be cheaper than a seek
    assert len(plan.requested) == len(shots)
    assert [float(t) for t in plan.requested] == [float(shot.requested) for shot in shots]


def test_plan_reads_almost_nothing() -> None:
    data = build(dataclasses.replace(BIG, repeat=8)).read_bytes()

    class Counted:
        """A binary file object that counts."""

        def __init__(self) -> None:
            self.at = self.count = 0

        def read(self, size: int = -1) -> bytes:
            end = len(data) if size < 0 else min(len(data), self.at + size)
            out, self.at = data[self.at : end], end
            self.count += len(out)
            return out

        def seek(self, offset: int, whence: int = 0) -> int:
            self.at = offset + (0, self.at, len(data))[whence]
            return self.at

        def tell(self) -> int:
            return self.at

        def seekable(self) -> bool:
            return True

        def readable(self) -> bool:
            return True

    file = Counted()
    with snapengine.open(file) as video:
        opened = file.count
        video.plan(count=20)
        assert file.count - opened < 0.1 * len(data)
        planned = file.count
        shot = video.snapshot(20.9)
        # What the engine reports is what the caller's own file saw.
        assert shot.stats.bytes_read == pytest.approx(file.count - planned, abs=READ_BLOCK)


def test_exactness_of_the_counted_file() -> None:
    """The counting fixture itself: eight times over, the right frame still comes."""
    truth = Truth.of(build(dataclasses.replace(BIG, repeat=8)))
    with snapengine.open(truth.path) as video:
        for at in (0.5, 13.37, 31.9):
            check_shot(truth, video.snapshot(at), expected(truth, at))
