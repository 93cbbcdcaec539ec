"""Animated covers, end to end: what is shown, when, and that files are whole."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

import snapengine
from snapengine.errors import (
    InvalidGeometry,
    InvalidOption,
    InvalidTime,
    LayoutTooLarge,
    NoFrameAtTarget,
    StoreError,
)
from tests.integration.test_covers import MIXED, film, kind_at

FORMATS = ("gif", "webp", "avif")


def played(path: Path | io.BytesIO) -> list[tuple[np.ndarray, int]]:
    """(RGB, milliseconds) of each frame, by another library."""
    with Image.open(path) as image:
        return [
            (np.asarray(frame.convert("RGB")), int(frame.info["duration"]))
            for frame in ImageSequence.Iterator(image)
        ]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_given_range_shows_the_frames_a_player_shows(kind: str, tmp_path: Path) -> None:
    out = tmp_path / f"cover.{kind}"
    with snapengine.open(film(*MIXED)) as video:
        made = video.animate(out, start=5.5, end=8, rate=5, width=160)
        shots = list(video.snapshots(interval=Fraction(1, 5), start=5.5, end=8, width=160))
    frames = played(out)
    assert made.path == out
    assert out.stat().st_size == made.size_bytes
    assert [f.pts for f in made.frames] == [s.pts for s in shots]
    assert [f.shown for f in made.frames] == [0.2] * 12 + [0.1]  # the range ends at 8
    assert all(f.exact for f in made.frames)
    assert (made.width, made.height) == (160, 90)
    assert made.duration == pytest.approx(2.5)
    assert sum(ms for _, ms in frames) == 2500
    for (rgb, _), shot in zip(frames, shots, strict=True):
        error = np.abs(rgb.astype(int) - shot.to_ndarray()).mean()
        assert error < 6


@pytest.mark.parametrize("kind", FORMATS)
def test_the_best_moments_are_good_ones_and_never_cross_a_cut(kind: str, tmp_path: Path) -> None:
    with snapengine.open(film(*MIXED, gop=37)) as video:
        made = video.animate(tmp_path / f"a.{kind}")
    assert made.duration == pytest.approx(4.0)
    assert made.width == 320
    assert 2 <= len(made.moments) <= 4
    for moment in made.moments:
        inside = [f for f in made.frames if moment.start <= f.time < moment.end]
        # The end of the fade-in, up to the shot it leads to, is a picture.
        kinds = {kind_at(MIXED, f.time + 0.01) for f in inside if not 4.2 < f.time < 5}
        assert len(kinds) == 1 and kinds.pop().isdigit(), (moment, kinds)
    starts = [m.start for m in made.moments]
    assert starts == sorted(starts)


def test_a_short_video_is_shown_whole(tmp_path: Path) -> None:
    with snapengine.open(film(("4", 2.0))) as video:
        made = video.animate(tmp_path / "a.webp")
        longer = video.animate(tmp_path / "b.webp", start=1.5, length=3)
    assert [(m.start, m.end) for m in made.moments] == [(0.0, 2.0)]
    assert made.duration == 2.0
    assert longer.duration == 0.5


def test_nothing_good_still_moves(tmp_path: Path) -> None:
    with snapengine.open(film(("black", 6))) as video:
        made = video.animate(tmp_path / "a.gif", length=2)
    frames = played(tmp_path / "a.gif")
    assert made.duration == pytest.approx(2.0)
    assert len(frames) == 1  # equal frames are one


def test_written_to_a_file_object() -> None:
    out = io.BytesIO()
    with snapengine.open(film(("4", 2.0))) as video:
        made = video.animate(out, format="gif", width=80)
    assert made.path is None
    assert made.size_bytes == len(out.getvalue())
    assert out.getvalue()[:6] == b"GIF89a"
    assert sum(ms for _, ms in played(io.BytesIO(out.getvalue()))) == 2000


def test_the_same_request_gives_the_same_bytes() -> None:
    made = []
    for threads in (1, 2):
        out = io.BytesIO()
        with snapengine.open(film(*MIXED), threads=threads) as video:
            video.animate(out, format="webp", length=2)
        made.append(out.getvalue())
    assert made[0] == made[1]


def test_the_plan_of_a_range_and_of_the_best(tmp_path: Path) -> None:
    with snapengine.open(film(*MIXED)) as video:
        plan = video.plan("animate", start=5, end=7, rate=5)
        assert len(plan.requested) == 10
        assert video.plan("animate").requested == video.plan("covers").requested


def test_progress_counts_frames(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with snapengine.open(film(("4", 2.0))) as video:
        video.animate(tmp_path / "a.gif", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 20) for n in range(1, 21)]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"rate": 0}, InvalidOption), ({"rate": 51}, InvalidOption), ({"rate": "x"}, InvalidOption),
        ({"length": 0}, InvalidTime), ({"length": 0.01}, InvalidTime),
        ({"length": 61}, InvalidTime), ({"start": -1}, InvalidTime),
        ({"start": 9, "end": 9}, InvalidTime), ({"start": 1000}, InvalidTime),
        ({"quality": 0}, InvalidOption), ({"quality": 101}, InvalidOption),
        ({"loop": -1}, InvalidOption), ({"width": 0}, InvalidGeometry),
        ({"format": "mp4"}, InvalidOption), ({"format": 3}, InvalidOption),
        ({"width": 20000}, LayoutTooLarge), ({"width": 9000, "rate": 50}, LayoutTooLarge),
    ],
)  # fmt: skip
def test_bad_arguments_leave_nothing_behind(
    wrong: dict[str, Any], error: type[Exception], tmp_path: Path
) -> None:
    with snapengine.open(film(*MIXED)) as video, pytest.raises(error):
        video.animate(tmp_path / "a.webp", **wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.mp4", "a", "a.png", ".gif.txt"])
def test_a_name_that_tells_no_format(name: str, tmp_path: Path) -> None:
    with (
        snapengine.open(film(("4", 2.0))) as video,
        pytest.raises(InvalidOption, match="animation"),
    ):
        video.animate(tmp_path / name)


def test_a_file_object_needs_a_format() -> None:
    with (
        snapengine.open(film(("4", 2.0))) as video,
        pytest.raises(InvalidOption, match="format="),
    ):
        video.animate(io.BytesIO())


@pytest.mark.parametrize("out", [5, None, object()])
def test_something_that_cannot_be_written_to(out: object) -> None:
    with (
        snapengine.open(film(("4", 2.0))) as video,
        pytest.raises(InvalidOption, match="out must be"),
    ):
        video.animate(out, format="gif")


class _Slow(io.RawIOBase):
    """Takes a thousand bytes at a time, as a raw file may."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.taken += bytes(data[:1000])
        return min(1000, len(data))


def test_file_objects_that_take_parts_or_nothing() -> None:
    slow, closed = _Slow(), io.BytesIO()
    closed.close()
    with snapengine.open(film(("4", 2.0))) as video:
        made = video.animate(slow, format="gif", width=160)
        assert len(slow.taken) == made.size_bytes > 1000
        for bad in (closed, io.StringIO()):
            with pytest.raises(StoreError):
                video.animate(bad, format="gif", width=160)


def test_a_moment_at_the_begin_of_a_shot_shows_nothing_of_the_one_before(tmp_path: Path) -> None:
    """Cuts between alike shots, each beginning with a keyframe."""
    scenes = tuple((str(n), 3.0) for n in (1, 2, 3, 4, 5, 6, 8))
    with snapengine.open(film(*scenes, gop=30)) as video:
        made = video.animate(tmp_path / "a.webp")
    for moment in made.moments:
        inside = [f for f in made.frames if moment.start <= f.time < moment.end]
        assert len({kind_at(scenes, f.time + 0.01) for f in inside}) == 1, moment


def test_failures_leave_nothing_behind(tmp_path: Path) -> None:
    with snapengine.open(film(("4", 2.0))) as video:
        with pytest.raises(StoreError):
            video.animate(tmp_path / "no" / "such" / "folder" / "a.gif")

        def stop(done: int, total: int) -> None:
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            video.animate(tmp_path / "a.gif", progress=stop)
        assert list(tmp_path.iterdir()) == []
        assert video.animate(tmp_path / "a.gif").path is not None
    whole = film(("5", 5.0)).read_bytes()
    at, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
    with snapengine.open(whole[:at] + bytes(end - at) + whole[end:]) as video:
        for how in ({}, {"start": 1}):
            with pytest.raises(NoFrameAtTarget):
                video.animate(tmp_path / "b.gif", **how)
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]
