"""``snapengine cover`` and ``snapengine animate``: what they write, say and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from snapengine.cli import main
from tests.integration.test_covers import MIXED, film, kind_at


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        status = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return status, out, err

    return call


def test_one_cover_is_a_file(run: Any) -> None:
    status, out, err = run("cover", film(*MIXED), "-o", "best.png", "--width", 100)
    assert (status, err) == (0, "")
    assert out.startswith("best.png  100x56  ")
    with Image.open("best.png") as image:
        assert image.size == (100, 56)


def test_several_covers_are_a_folder(run: Any) -> None:
    status, out, _ = run("cover", film(*MIXED), "--count", 3, "-o", "out", "--json")
    told = json.loads(out)
    assert status == 0
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
    status, out, _ = run("cover", film(*MIXED), "--choose", how, "-o", "a.jpg", "--json")
    assert status == 0
    assert json.loads(out)["pictures"][0]["time"] == pytest.approx(time, abs=0.5)


def test_a_range_moves(run: Any) -> None:
    status, out, err = run(
        "animate", film(*MIXED), "--start", 5, "--length", "1.5", "--rate", "8", "--width", 96,
        "-o", "a.webp", "--json",
    )  # fmt: skip
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["moments"] == [{"start": 5.0, "end": 6.5}]
    assert len(told["frames"]) == 12
    assert told["duration"] == 1.5
    assert told["bytes"] == Path("a.webp").stat().st_size
    with Image.open("a.webp") as image:
        assert image.size == (96, 54)
        assert image.n_frames > 5


def test_the_best_moments_move(run: Any) -> None:
    status, out, _ = run("animate", film(*MIXED), "--length", 2, "-o", "a.gif")
    assert status == 0
    assert out.startswith("a.gif  320x180  2.00 s")
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
    status, out, err = run(verb, film(*MIXED), *others)
    assert (status, out) == (2, "")
    assert err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("verb", ["cover", "animate"])
def test_unusable_files_are_1_with_one_line(run: Any, verb: str) -> None:
    Path("text.mp4").write_text("no video")
    status, out, err = run(verb, "text.mp4", "-o", "a.webp")
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert [p.name for p in Path().iterdir()] == ["text.mp4"]
    status, out, err = run(verb, film(("4", 2.0)), "-o", "text.mp4/a.webp")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
