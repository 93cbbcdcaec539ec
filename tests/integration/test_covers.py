"""Covers, end to end: which frames win, what it costs, and that every video gets an answer."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import os
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import snapengine
from snapengine.errors import InvalidOption, InvalidTime, NoFrameAtTarget
from snapengine.planning.candidates import first_round
from tests.media.recipes import Recipe, build, cache_folder

RATE = 10
WIDTH, HEIGHT = 320, 180


# -- films to order -------------------------------------------------------------------------


def landscape(seed: int, step: int = 0) -> np.ndarray:
    """A picture a person would accept: sky, hills, a bright thing with detail; it drifts."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    hue = rng.uniform(0, 6.28)
    sky = np.array([120 + 60 * np.cos(hue), 130 + 50 * np.cos(hue + 2), 170 + 60 * np.cos(hue + 4)])
    picture = sky + (y[..., None] / HEIGHT) * 50
    for layer in range(3):
        k = rng.uniform(0.01, 0.04)
        hill = HEIGHT * (0.45 + 0.15 * layer) + 25 * np.sin(k * x + rng.uniform(0, 6) + step * 0.01)
        tint = rng.uniform(20, 160, 3)
        texture = 18 * np.sin(0.7 * x + 3 * layer) * np.sin(0.9 * y)
        inside = y > hill
        picture[inside] = (tint + texture[..., None])[inside]
    cx, cy = WIDTH * rng.uniform(0.3, 0.7) + step * 0.3, HEIGHT * rng.uniform(0.3, 0.6)
    distance = np.hypot(x - cx, y - cy)
    tint = rng.uniform(60, 255, 3)
    ball = distance < 28
    picture[ball] = (tint * (1.2 - distance / 60)[..., None])[ball]
    return np.clip(picture, 0, 255).astype(np.uint8)


def frames_of(kind: str, count: int) -> Iterator[np.ndarray]:
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for i in range(count):
        if kind == "black":
            yield black
        elif kind == "white":
            yield black + 255
        elif kind == "fade":
            yield (landscape(7) * (i / count)).astype(np.uint8)
        elif kind == "mix":
            share = (i + 1) / (count + 1)
            yield (landscape(1) * (1 - share) + landscape(2) * share).astype(np.uint8)
        elif kind == "bars":
            colours = np.array([[c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(7, -1, -1)]) * 191
            yield np.repeat(np.repeat(colours[None], WIDTH // 8, 1), HEIGHT, 0).astype(np.uint8)
        else:
            yield landscape(int(kind), i)


def film(*scenes: tuple[str, float], gop: int = 10, container: str = "mp4") -> Path:
    """A film of (kind, seconds): a landscape's number, "black", "fade", "mix", ... at 10 fps."""
    key = repr((scenes, gop, container, inspect.getsource(landscape), inspect.getsource(frames_of)))
    path = cache_folder() / f"film-{hashlib.sha256(key.encode()).hexdigest()[:16]}.{container}"
    if path.exists():
        return path
    handle, aside = tempfile.mkstemp(prefix=".making-", suffix=f".{container}", dir=path.parent)
    os.close(handle)
    with av.open(aside, "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={
            "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0", "crf": "20",
            "preset": "veryfast",
        })  # fmt: skip
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        number = 0
        for kind, seconds in scenes:
            for picture in frames_of(kind, round(seconds * RATE)):
                frame = av.VideoFrame.from_ndarray(picture, "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                out.mux(stream.encode(frame))
                number += 1
        out.mux(stream.encode())
    os.replace(aside, path)
    return path


MIXED = (
    ("black", 3), ("fade", 2), ("7", 5), ("bars", 4), ("1", 5), ("mix", 3), ("2", 5), ("white", 2),
    ("3", 6), ("black", 5),
)  # fmt: skip
"""40 s; landscapes lie at 5-10, 14-19, 22-27 and 29-35 s."""


def kind_at(scenes: tuple[tuple[str, float], ...], time: float) -> str:
    end = 0.0
    for kind, seconds in scenes:
        end += seconds
        if time < end:
            return kind
    return scenes[-1][0]


# -- the choice -----------------------------------------------------------------------------


@pytest.mark.parametrize("gop", [5, 10, 37, 1000])
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_planted_pictures_are_passed_over(gop: int, container: str) -> None:
    with snapengine.open(film(*MIXED, gop=gop, container=container)) as video:
        covers = video.covers(count=3)
    kinds = [kind_at(MIXED, c.time) for c in covers]
    assert all(kind.isdigit() for kind in kinds), [(c.time, c.score, c.reasons) for c in covers]
    assert len(set(kinds)) == 3
    assert [c.index for c in covers] == [0, 1, 2]
    assert not any(c.is_rejected for c in covers)


def test_scores_reasons_and_numbers_are_told() -> None:
    with snapengine.open(film(*MIXED)) as video:
        cover = video.covers(count=1)[0]
    assert 0.4 < cover.score <= 1.0
    assert cover.reasons and all(isinstance(reason, str) for reason in cover.reasons)
    assert all(0.0 <= v <= 1.0 for v in {**cover.measures, **cover.defects}.values())
    assert {"sharpness", "stillness", "typical"} <= set(cover.measures)
    assert f"{cover.score:.2f}" in repr(cover)


def test_a_cover_is_the_snapshot_of_its_time() -> None:
    with snapengine.open(film(*MIXED)) as video:
        for cover in video.covers(count=3, width=100):
            shot = video.snapshot(Fraction(cover.time).limit_denominator(1000), width=100)
            assert (cover.pts, cover.time, cover.exact) == (shot.pts, shot.time, True)
            np.testing.assert_array_equal(cover.to_ndarray(), shot.to_ndarray())


def test_the_same_file_gives_the_same_answer_in_any_way_it_is_opened() -> None:
    path = film(*MIXED, gop=13)
    answers = []
    for source, threads in ((path, None), (path, 1), (path.read_bytes(), 2)):
        with snapengine.open(source, threads=threads) as video:
            list(video.snapshots(count=2))  # what was asked before does not matter
            answers.append([(c.pts, c.score, c.reasons) for c in video.covers(count=3)])
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("gop", [5, 10, 37])
def test_more_covers_are_the_same_first_ones_and_then_others(gop: int) -> None:
    with snapengine.open(film(*MIXED, gop=gop)) as video:
        answers = [[c.pts for c in video.covers(count=count)] for count in (1, 2, 3, 8)]
    for few, many in itertools.pairwise(answers):
        assert many[: len(few)] == few
    assert len(set(answers[-1])) == len(answers[-1]) > 3


def test_finalists_are_looked_at_closely_and_others_are_not() -> None:
    """In a film of nothing but good pictures, whose keyframes are candidates enough."""
    with snapengine.open(film(("4", 20), ("5", 20), ("6", 20), ("8", 20))) as video:
        covers = video.covers(count=3)
    assert all("stillness" in c.measures for c in covers)
    stats = covers[0].stats
    assert stats.frames_decoded > stats.seeks  # what follows the finalists
    assert stats.frames_decoded <= 60 + 12 * 4


def test_where_the_first_look_is_poor_there_is_another() -> None:
    """Black wherever the first round looks, with a keyframe right there; pictures between."""
    duration = 48
    looked = [float(t) for t in first_round(Fraction(duration))]
    scenes: list[tuple[str, float]] = []
    now = 0.0
    for number, instant in enumerate(looked):
        begin = round(instant - 0.4, 1)
        scenes += [(str(number % 5 + 1), round(begin - now, 1)), ("black", 0.8)]
        now = round(begin + 0.8, 1)
    scenes.append(("6", round(duration - now, 1)))
    path = film(*scenes, gop=2)
    with snapengine.open(path) as video:
        covers = video.covers(count=3)
        assert not any(c.is_rejected for c in covers)
        assert len(covers) == 3
        assert all(kind_at(tuple(scenes), c.time).isdigit() for c in covers)


def test_what_fills_the_video_is_preferred() -> None:
    with snapengine.open(film(("4", 54), ("5", 4), ("6", 2))) as video:
        covers = video.covers(count=3)
    share = {
        kind_at((("4", 54), ("5", 4), ("6", 2)), c.time): c.measures["typical"] for c in covers
    }
    assert share["4"] == 1.0
    assert all(value < 0.6 for kind, value in share.items() if kind != "4")


# -- what it costs --------------------------------------------------------------------------


def test_the_price_does_not_grow_with_the_length() -> None:
    """One GOP a second; 3, 24 and 96 minutes of it."""
    made = Recipe(name="covers-price", width=160, height=96, frames=300, gop=10, rate=10)
    for repeat in (6, 48, 192):
        with snapengine.open(build(Recipe(**{**_fields(made), "repeat": repeat}))) as video:
            stats = video.covers(count=3)[0].stats
        # Keyframes of the first look and of the second; three finalists, or up to twelve where
        # some turn out bad, with the three frames behind each.
        assert stats.frames_decoded <= 60 + 40 + 12 * 4
        assert stats.seeks <= 60 + 40 + 12
        assert stats.packets_sent <= stats.frames_decoded + 30


def _fields(made: Recipe) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


def test_a_plan_tells_the_first_look() -> None:
    with snapengine.open(film(*MIXED)) as video:
        plan = video.plan("covers")
        assert 12 <= len(plan.requested) <= 60
        assert all(run.kind == "keyframe" for run in plan.runs)
        assert len(video.plan("covers", choose="25%").requested) == 1
        assert len(video.plan("covers", choose="head").requested) == 1
        with pytest.raises(InvalidOption, match="'poster'"):
            video.plan("poster")


def test_progress_counts_candidates() -> None:
    seen: list[tuple[int, int]] = []
    with snapengine.open(film(*MIXED)) as video:
        video.covers(progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert all(done <= total for done, total in seen)


# -- the simple kinds -----------------------------------------------------------------------


@pytest.mark.parametrize("gop", [3, 25, 1000])
@pytest.mark.parametrize("container", ["mp4", "ts"])
@pytest.mark.parametrize("dark", [0.0, 0.1, 2.3, 17.0])
def test_head_is_the_first_frame_that_is_not_black(gop: int, container: str, dark: float) -> None:
    scenes = (("black", dark), ("4", 5.0)) if dark else (("4", 5.0),)
    with snapengine.open(film(*scenes, gop=gop, container=container)) as video:
        (cover,) = video.covers(choose="head")
    assert cover.time == pytest.approx(dark)
    assert cover.reasons[0] == "the first not black"


def test_head_of_nothing_but_black_is_black_and_says_so() -> None:
    with snapengine.open(film(("black", 6))) as video:
        (cover,) = video.covers(choose="head")
    assert cover.is_rejected
    assert any("black" in reason for reason in cover.reasons)


@pytest.mark.parametrize("where", ["0%", "33.3%", "100%"])
def test_at_a_percentage(where: str) -> None:
    with snapengine.open(film(*MIXED)) as video:
        (cover,) = video.covers(choose=where)
        assert cover.pts == video.snapshot(where).pts
    assert cover.reasons[0].startswith("at ")


def test_a_callable_decides() -> None:
    shapes: set[tuple[int, ...]] = set()

    def whitest(picture: np.ndarray) -> float:
        shapes.add(picture.shape)
        assert picture.dtype == np.uint8
        return float(picture.mean())

    with snapengine.open(film(*MIXED)) as video:
        first, *others = video.covers(choose=whitest)
    assert kind_at(MIXED, first.time) == "white"
    assert first.score > 250
    assert all(other.score < 250 for other in others)
    assert shapes == {(HEIGHT, WIDTH, 3)}


@pytest.mark.parametrize("offset", [-1000.0, 0.0, 1000.0])
def test_the_highest_number_wins_wherever_zero_is(offset: float) -> None:
    with snapengine.open(film(*MIXED)) as video:
        covers = video.covers(count=5, choose=lambda picture: float(picture.mean()) + offset)
        again = video.covers(count=5, choose=lambda picture: float(picture.mean()))
    assert [c.pts for c in covers] == [c.pts for c in again]
    assert covers[0].score == max(c.score for c in covers)


def test_what_the_callable_raises_comes_through() -> None:
    def broken(picture: np.ndarray) -> float:
        raise ZeroDivisionError("mine")

    with snapengine.open(film(*MIXED)) as video:
        with pytest.raises(ZeroDivisionError, match="mine"):
            video.covers(choose=broken)
        for bad in (lambda p: None, lambda p: float("nan"), lambda p: "much"):
            with pytest.raises(InvalidOption, match="number"):
                video.covers(choose=bad)
        assert video.covers(count=1)  # and the video is as good as before


# -- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["black", "white", "bars"])
def test_nothing_but_bad_pictures_still_gives_one(kind: str) -> None:
    with snapengine.open(film((kind, 20))) as video:
        covers = video.covers(count=3)
    assert len(covers) == 1  # they are all the same
    assert covers[0].score < 0.25
    assert covers[0].is_rejected
    assert covers[0].reasons


def test_one_frame_is_its_own_cover() -> None:
    with snapengine.open(film(("5", 0.1))) as video:
        (cover,) = video.covers(count=3)
    assert cover.time == 0.0
    assert cover.reasons


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"count": 0}, InvalidOption), ({"count": 51}, InvalidOption),
        ({"count": 2.5}, InvalidOption), ({"count": True}, InvalidOption),
        ({"choose": "best"}, InvalidOption),
        ({"choose": "12"}, InvalidOption), ({"choose": 5}, InvalidOption),
        ({"choose": None}, InvalidOption), ({"choose": "101%"}, InvalidOption),
        ({"choose": "head", "count": 2}, InvalidOption), ({"fit": "clever"}, InvalidOption),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(wrong: dict[str, Any], error: type[Exception]) -> None:
    with snapengine.open(film(("5", 0.1))) as video, pytest.raises(error) as caught:
        video.covers(**wrong)
    assert str(next(iter(wrong.values()))) in str(caught.value)


def test_nothing_decodable_is_an_error_that_says_so() -> None:
    whole = film(("5", 5.0)).read_bytes()
    at = whole.index(b"mdat") + 4
    end = whole.index(b"moov") - 4
    with snapengine.open(whole[:at] + bytes(end - at) + whole[end:]) as video:
        for choose in ("smart", "head", "50%"):
            with pytest.raises(NoFrameAtTarget):
                video.covers(choose=choose)


def test_a_percentage_of_an_unknown_length() -> None:
    """A stream cut from the middle of nowhere tells no length; only percentages need one."""
    raw = build(Recipe(name="covers-raw", container="h264", frames=30, codec="h264"))
    with snapengine.open(raw) as video:
        if video.info.duration is not None:
            assert video.covers(choose="50%")
        else:
            with pytest.raises(InvalidTime):
                video.covers(choose="50%")
        assert video.covers(count=1)


# -- the smart fit --------------------------------------------------------------------------


def one_sided(side: str) -> Path:
    """A plain ground with one detailed bright disc at the left or right."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    picture = np.full((HEIGHT, WIDTH, 3), 90.0)
    cx = WIDTH * (0.2 if side == "left" else 0.8)
    inside = np.hypot(x - cx, y - HEIGHT / 2) < 30
    picture[inside] = np.stack([230 - x % 9 * 8, 120 + y % 7 * 9, 40 + 0 * x], -1)[inside]
    path = cache_folder() / f"one-sided-{side}.mp4"
    if not path.exists():
        aside = path.with_name(f".making-{os.getpid()}-{path.name}")
        with av.open(str(aside), "w") as out:
            stream = out.add_stream("libx264", rate=RATE)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for number in range(20):
                frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
        os.replace(aside, path)
    return path


def _orange(rgb: np.ndarray) -> int:
    return int(((rgb[..., 0] > 150) & (rgb[..., 2] < 90)).sum())


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_smart_fit_keeps_the_subject(side: str) -> None:
    with snapengine.open(one_sided(side)) as video:
        whole = _orange(video.snapshot(1, width=WIDTH, height=HEIGHT).to_ndarray())
        box = {"width": 90, "height": HEIGHT}
        assert _orange(video.snapshot(1, **box, fit="cover").to_ndarray()) < 0.2 * whole
        assert _orange(video.snapshot(1, **box, fit="smart").to_ndarray()) > 0.95 * whole
        (cover,) = video.covers(count=1, **box, fit="smart")
        assert _orange(cover.to_ndarray()) > 0.95 * whole
        page = video.sprite(count=2, cell=(45, 90), fit="smart", columns=2).pages[0]
        assert _orange(page.to_ndarray()) > 0.95 * whole / 4 * 2


@pytest.mark.parametrize("box", [{"width": 90}, {"height": 90}, {}])
def test_the_smart_fit_crops_only_into_a_box(box: dict[str, int]) -> None:
    with snapengine.open(one_sided("left")) as video:
        smart = video.snapshot(1, **box, fit="smart")
        plain = video.snapshot(1, **box)
        np.testing.assert_array_equal(smart.to_ndarray(), plain.to_ndarray())
