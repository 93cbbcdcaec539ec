"""Sample tables and edit lists of MP4 that say things in unusual ways."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import pytest

import snapengine
from tests.media.atlas import recipe
from tests.media.derived import rewritten
from tests.media.oracle import Truth
from tests.media.recipes import build


def expanded(body: bytes) -> list[int]:
    (runs,) = struct.unpack_from(">I", body, 4)
    pairs = struct.iter_unpack(">Ii", body[8 : 8 + 8 * runs])
    return [value for count, value in pairs for _ in range(count)]


def table(values: Sequence[int]) -> bytes:
    pairs = b"".join(struct.pack(">Ii", 1, value) for value in values)
    return struct.pack(">BxxxI", 0, len(values)) + pairs


def mp4(name: str, tmp_path: Path, change: Callable[[bytes, bytes], bytes]) -> Path:
    path = tmp_path / "changed.mp4"
    path.write_bytes(rewritten(build(recipe(name)).read_bytes(), change))
    return path


@pytest.mark.parametrize("name", ["h264-mp4-bpyramid", "h264-mp4-opengop", "h264-mp4-vfr"])
def test_many_targets_in_a_few_frames(name: str) -> None:
    """A frame shown earlier may be decoded later than those that most targets mean."""
    truth = Truth.of(build(recipe(name)))
    for last in range(8, 30):
        frames = truth.frames[last - 6 : last]
        at = [truth.time_of(f) + Fraction(k, 2000) for f in frames for k in range(40)]
        at = [t for t in at if t < truth.time_of(truth.frames[last])]
        with snapengine.open(truth.path) as video:
            shots = list(video.snapshots(at=sorted(at), width=16))
        wanted = [truth.frame_at(t).pts for t in sorted(at)]
        assert [shot.pts for shot in shots] == wanted


@pytest.mark.parametrize("group", [2, 3])
def test_samples_decoded_at_one_instant(group: int, tmp_path: Path) -> None:
    """Deltas of 0 in ``stts``: the stamp of a packet does not tell which one it is."""
    shown: list[int] = []

    def change(kind: bytes, body: bytes) -> bytes:
        if kind == b"stts":
            deltas = expanded(body)
            for number in range(5, len(deltas) - group, 5):
                moved = deltas[number : number + group - 1]
                deltas[number : number + group - 1] = [0] * (group - 1)
                deltas[number + group - 1] += sum(moved)
            for delta in expanded(body):
                shown.append(delta - deltas[len(shown)])
            return table(deltas)
        if kind == b"ctts":
            # What is decoded earlier by that much is shown so much later.
            late, offsets = 0, []
            for offset, moved in zip(expanded(body), shown, strict=True):
                offsets.append(offset + late)
                late += moved
            return table(offsets)
        return body

    path = mp4("h264-mp4-bpyramid", tmp_path, change)
    truth = Truth.of(path)
    assert len(shown) == len(truth.frames)
    with snapengine.open(path) as video:
        for frame in truth.frames:
            at = truth.time_of(frame)
            for shot in (video.snapshot(at), *video.snapshots(at=[at, at + truth.time_base])):
                assert shot.pts == frame.pts, float(at)


@pytest.mark.parametrize("less", [Fraction(1, 4), Fraction(1, 2), Fraction(9, 10), 0])
@pytest.mark.parametrize("scale", [1000, 12800])
def test_the_edit_list_says_how_long_it_is(less: Fraction, scale: int, tmp_path: Path) -> None:
    """Also where it ends within the last frame, and where the media header claims more."""
    length: list[Fraction] = []

    def change(kind: bytes, body: bytes) -> bytes:
        if kind == b"mvhd":
            return body[:12] + struct.pack(">I", scale) + body[16:]
        if kind == b"mdhd":
            return body[:16] + struct.pack(">I", struct.unpack_from(">I", body, 16)[0] + 700)
        if kind == b"elst":
            frames, rate = 100, 25
            ticks = round((frames - less) / rate * scale)
            length.append(Fraction(ticks, scale))
            return body[:8] + struct.pack(">I", ticks) + body[12:]
        return body

    path = mp4("h264-mp4-bpyramid", tmp_path, change)
    with snapengine.open(path) as video:
        assert video.info.duration == pytest.approx(float(length[0]), abs=1 / scale)
        whole = Truth.of(build(recipe("h264-mp4-bpyramid")))
        last = video.snapshot(length[0] - Fraction(1, 1000))
        assert last.pts - video.info.start_pts == whole.frames[-1].pts - whole.frames[0].pts
