"""``snapengine cover`` and ``snapengine animate``: what they write, say and refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.integration.test_covers import MIXED, film, kind_at


def test_one_cover_is_a_file(run: Any) -> None:
    ran = run("cover", film(*MIXED), "-o", "best.png", "--width", 100)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("best.png  100x56  ")
    with Image.open("best.png") as image:
        assert image.size == (100, 56)


def test_several_covers_are_a_folder(run: Any) -> None:
    ran = run("cover", film(*MIXED), "--count", 3, "-o", "out", "--json")
    told = ran.json
    assert ran.status == 0
    assert sorted(p.name for p in Path("out").iterdir()) == ["0001.jpg", "0002.jpg", "0003.jpg"]
    assert [p["path"] for p in told["pictures"]] == [f"out/000{n}.jpg" for n in (1, 2, 3)]
    scores = [p["score"] for p in told["pictures"]]
    assert all(0.4 < score <= 1 for score in scores)
    for picture in told["pictures"]:
        assert kind_at(MIXED, picture["time"]).isdigit()
        assert picture["reasons"] and picture["measures"] and picture["defects"]
    assert told["stats"]["frames_decoded"] > 0


@pytest.mark.parametrize(("how", "time"), [("head", 3.1), ("50%", 20.0)])
def test_other_ways_to_choose(run: Any, how: str, time: float) -> None:
    ran = run("cover", film(*MIXED), "--choose", how, "-o", "a.jpg", "--json")
    assert ran.status == 0
    assert ran.json["pictures"][0]["time"] == pytest.approx(time, abs=0.5)


def test_a_range_moves(run: Any) -> None:
    ran = run(
        "animate", film(*MIXED), "--start", 5, "--length", "1.5", "--rate", "8", "--width", 96,
        "-o", "a.webp", "--json",
    )  # fmt: skip
    assert (ran.status, ran.err) == (0, "")
    told = ran.json
    assert told["moments"] == [{"start": 5.0, "end": 6.5}]
    assert len(told["frames"]) == 12
    assert told["duration"] == 1.5
    assert told["bytes"] == Path("a.webp").stat().st_size
    with Image.open("a.webp") as image:
        assert image.size == (96, 54)
        assert image.n_frames > 5


def test_the_best_moments_move(run: Any) -> None:
    ran = run("animate", film(*MIXED), "--length", 2, "-o", "a.gif")
    assert ran.status == 0
    assert ran.out.startswith("a.gif  320x180  2.00 s")
    assert Path("a.gif").read_bytes()[:6] == b"GIF89a"


@pytest.mark.parametrize(
    "arguments",
    [
        ("cover", "--count", 0, "-o", "a.jpg"),
        ("cover", "--count", 2, "-o", "a.jpg"),
        ("cover", "--choose", "nicest", "-o", "a.jpg"),
        ("cover", "--choose", "head", "--count", 2, "-o", "out"),
        ("cover", "-o", "a.mp4"),
        ("cover", "-o", "a.jpg", "--quality", 0),
        ("cover",),
        ("animate", "-o", "a.jpg"),
        ("animate", "-o", "a.gif", "--rate", 99),
        ("animate", "-o", "a.gif", "--length", "0"),
        ("animate", "-o", "a.gif", "--start", "9", "--end", "8"),
        ("animate", "-o", "a.gif", "--fit", "clever"),
        ("animate",),
    ],
)
def test_bad_usage_is_2_and_leaves_nothing(run: Any, arguments: tuple[object, ...]) -> None:
    verb, *others = arguments
    ran = run(verb, film(*MIXED), *others)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("verb", ["cover", "animate"])
def test_unusable_files_are_1_with_one_line(run: Any, verb: str) -> None:
    Path("text.mp4").write_text("no video")
    ran = run(verb, "text.mp4", "-o", "a.webp")
    assert (ran.status, ran.out) == (1, "")
    assert len(ran.err.splitlines()) == 1
    assert [p.name for p in Path().iterdir()] == ["text.mp4"]
    ran = run(verb, film(("4", 2.0)), "-o", "text.mp4/a.webp")
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (1, "", 1)
