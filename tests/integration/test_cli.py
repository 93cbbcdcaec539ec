"""The command line: what it writes, what it says, its exit status, and that it never tracebacks.

Most cases call ``main`` in this process; a few start an interpreter, as a user does.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import snapengine
from tests.media.atlas import recipe
from tests.media.barcode import read_ordinal
from tests.media.oracle import Truth
from tests.media.recipes import build

NAME = "h264-mp4-bpyramid"  # 100 frames at 25 per second: 4 s
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def film() -> str:
    return str(build(recipe(NAME)))


def ordinal(path: Path) -> int:
    with Image.open(path) as image:
        return read_ordinal(np.asarray(image.convert("RGB")))


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*"))


# -- info -----------------------------------------------------------------------------------


def test_info_for_people(run: Any, film: str) -> None:
    ran = run("info", film)
    assert (ran.status, ran.err) == (0, "")
    facts = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in ran.out.splitlines())
    assert (facts["codec"], facts["width"], facts["height"]) == ("h264", "160", "96")
    assert facts["duration"] == "4.0"
    assert facts["color"] == "chroma_location left"
    assert "None" not in ran.out
    assert "matrix bt709" in run("info", build(recipe("bt709"))).out


def test_info_for_programs(run: Any, film: str) -> None:
    ran = run("info", film, "--json")
    assert (ran.status, ran.err) == (0, "")
    facts = ran.json
    assert (facts["codec"], facts["width"], facts["duration"]) == ("h264", 160, 4.0)
    assert Fraction(facts["time_base"]) > 0
    assert facts["size_bytes"] == os.path.getsize(film)
    assert set(facts["color"]) >= {"range", "matrix", "primaries", "transfer"}


# -- snapshot -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "frame"),
    [("1", 25), ("1.99", 49), ("00:00:02.04", 51), ("50%", 50), ("0", 0), ("100%", 99), ("99", 99)],
)
def test_one_picture_is_the_frame_asked_for(run: Any, film: str, at: str, frame: int) -> None:
    ran = run("snapshot", film, "--at", at, "-o", "a.png")
    assert (ran.status, ran.err) == (0, "")
    assert ordinal(Path("a.png")) == frame
    assert ran.out == f"a.png  160x96  {frame / 25:.3f} s (exact)\n"
    assert names(Path()) == ["a.png"]


def test_options_of_a_picture(run: Any, film: str) -> None:
    for options, size in (
        (["--width", 80], (80, 48)),
        (["--height", 24], (40, 24)),
        (["--width", 50, "--height", 50], (50, 50)),
        (["--width", 50, "--height", 50, "--fit", "cover"], (50, 50)),
    ):
        assert run("snapshot", film, "--at", 1, *options, "-o", "a.jpg").status == 0
        with Image.open("a.jpg") as image:
            assert image.size == size
    run("snapshot", film, "--at", 1, "--quality", 5, "-o", "low.jpg")
    run("snapshot", film, "--at", 1, "--quality", 95, "-o", "high.jpg")
    assert os.path.getsize("low.jpg") < os.path.getsize("high.jpg")
    run("snapshot", film, "--at", 1, "--width", 96, "--height", 96, "--color", "#ff0000",
        "-o", "red.png")  # fmt: skip
    with Image.open("red.png") as image:
        red, green, blue = image.convert("RGB").getpixel((48, 1))  # type: ignore[misc]
    assert red > 240 and green < 16 and blue < 16


@pytest.mark.parametrize(
    ("suffix", "kind"), [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("avif", "AVIF")]
)
def test_the_suffix_is_the_format(run: Any, film: str, suffix: str, kind: str) -> None:
    assert run("snapshot", film, "--at", 1, "--width", 64, "-o", f"a.{suffix}").status == 0
    with Image.open(f"a.{suffix}") as image:
        assert image.format == kind


def test_accuracy(run: Any, film: str) -> None:
    truth = Truth.of(film)
    for accuracy, wanted in (
        ("exact", 30),
        ("keyframe", truth.keyframes[1].index),
        ("0.3", truth.keyframes[1].index),
        ("0.1", 30),
        ("00:00.1", 30),
    ):
        ran = run("snapshot", film, "--at", "1.2", "--accuracy", accuracy, "-o", "a.png", "--json")
        assert ordinal(Path("a.png")) == wanted, accuracy
        (picture,) = ran.json["pictures"]
        assert picture["exact"] is (wanted == 30)
        assert picture["requested"] == 1.2


def test_json_of_pictures(run: Any, film: str) -> None:
    ran = run("snapshot", film, "--at", 0, "--at", 2, "--width", 80, "-o", "out", "--json")
    assert (ran.status, ran.err) == (0, "")
    assert [p["path"] for p in ran.json["pictures"]] == ["out/0001.jpg", "out/0002.jpg"]
    assert [p["time"] for p in ran.json["pictures"]] == [0.0, 2.0]
    assert {p["width"] for p in ran.json["pictures"]} == {80}
    assert ran.json["stats"]["frames_used"] == 2


@pytest.mark.parametrize(
    ("output", "written"),
    [
        ("out", ["0001.jpg", "0002.jpg", "0003.jpg"]),
        ("out/", ["0001.jpg", "0002.jpg", "0003.jpg"]),
        ("out/a-{index}.png", ["a-1.png", "a-2.png", "a-3.png"]),
        ("out/{index:02d}.jpg", ["01.jpg", "02.jpg", "03.jpg"]),
        ("out/t{time}.jpg", ["t00-00-00.500.jpg", "t00-00-01.500.jpg", "t00-00-02.500.jpg"]),
        ("out/{index}_{time}.jpg",
         ["1_00-00-00.500.jpg", "2_00-00-01.500.jpg", "3_00-00-02.500.jpg"]),
    ],
)  # fmt: skip
def test_names_of_several_pictures(run: Any, film: str, output: str, written: list[str]) -> None:
    ran = run("snapshot", film, "--interval", 1, "--start", "0.5", "--limit", 3, "-o", output)
    assert (ran.status, ran.err) == (0, "")
    assert names(Path("out")) == written
    assert [line.split()[0] for line in ran.out.splitlines()] == [f"out/{n}" for n in written]
    assert sorted(ordinal(p) for p in Path("out").iterdir()) == [12, 37, 62]


def test_a_pattern_serves_one_picture_too(run: Any, film: str) -> None:
    assert run("snapshot", film, "--at", "1.5", "-o", "s{time}.png").status == 0
    assert names(Path()) == ["s00-00-01.500.png"]


def test_a_folder_with_braces_in_its_name(run: Any, film: str) -> None:
    assert run("snapshot", film, "--count", 2, "-o", "a{b}c").status == 0
    assert names(Path("a{b}c")) == ["0001.jpg", "0002.jpg"]


# -- sprite ---------------------------------------------------------------------------------


def test_sprite(run: Any, film: str) -> None:
    ran = run("sprite", film, "--count", 6, "--cell", "80x48", "--columns", 2, "--rows", 2,
              "--padding", 2, "--margin", 3, "-o", "sheet")  # fmt: skip
    assert (ran.status, ran.err) == (0, "")
    assert names(Path("sheet")) == ["sprite-001.jpg", "sprite-002.jpg", "thumbnails.vtt"]
    assert ran.out.splitlines() == [
        "sheet/sprite-001.jpg  168x104",
        "sheet/sprite-002.jpg  168x54",
        "sheet/thumbnails.vtt  6 cues",
    ]
    with Image.open("sheet/sprite-001.jpg") as image:
        assert image.size == (168, 104)
    track = Path("sheet/thumbnails.vtt").read_text()
    assert track.startswith("WEBVTT")
    assert track.count("-->") == 6
    assert "sprite-002.jpg#xywh=3,3,80,48" in track


def test_sprite_for_programs(run: Any, film: str) -> None:
    ran = run("sprite", film, "--interval", 1, "--cell", "64x", "-o", "sheet", "--json")
    told = ran.json
    assert (ran.status, ran.err) == (0, "")
    assert [Path(p["path"]).exists() for p in told["pages"]] == [True]
    assert Path(told["track"]).name == "thumbnails.vtt"
    assert [c["start"] for c in told["cells"]] == [0, 1, 2, 3]
    assert told["missing"] == []
    assert told["stats"]["frames_used"] == 4


# -- usage ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["info"],
        ["snapshot", "FILM", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1"],
        ["snapshot", "FILM", "--at", "1", "--count", "2", "-o", "x"],
        ["snapshot", "FILM", "--at", "soon", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "-1", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "101%", "-o", "a.jpg"],
        ["snapshot", "FILM", "--count", "0", "-o", "x"],
        ["snapshot", "FILM", "--count", "two", "-o", "x"],
        ["snapshot", "FILM", "--interval", "0", "-o", "x"],
        ["snapshot", "FILM", "--interval", "1", "--start", "9", "-o", "x"],
        ["snapshot", "FILM", "--at", "1", "--start", "1", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1", "--width", "0", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1", "--width", "99999", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1", "--fit", "fill", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1", "--color", "blurple", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1", "--accuracy", "fast", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1", "--accuracy", "1/0", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1", "--accuracy", "-1", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1", "--quality", "0", "-o", "a.jpg"],
        ["snapshot", "FILM", "--at", "1", "--quality", "101", "-o", "a.webp"],
        ["snapshot", "FILM", "--at", "1", "-o", "a.gif"],
        ["snapshot", "FILM", "--at", "1", "-o", "a"],
        ["snapshot", "FILM", "--at", "1", "-o", ""],
        ["snapshot", "FILM", "--at", "1", "--stream", "7", "-o", "a.jpg"],
        ["snapshot", "FILM", "--count", "3", "-o", "a.jpg"],
        ["snapshot", "FILM", "--count", "3", "-o", "{index}{nothing}.jpg"],
        ["snapshot", "FILM", "--count", "3", "-o", "{index}.jpg{"],
        ["snapshot", "FILM", "--count", "3", "-o", "{index:zz}.jpg"],
        ["snapshot", "FILM", "--count", "3", "-o", "{index}"],
        ["sprite", "FILM", "--at", "1", "-o", "x"],
        ["sprite", "FILM", "--count", "3", "--cell", "80", "-o", "x"],
        ["sprite", "FILM", "--count", "3", "--cell", "x", "-o", "x"],
        ["sprite", "FILM", "--count", "3", "--cell", "0x9", "-o", "x"],
        ["sprite", "FILM", "--count", "3", "--columns", "0", "-o", "x"],
        ["sprite", "FILM", "--count", "3", "--padding", "-1", "-o", "x"],
        ["sprite", "FILM", "--count", "3", "--quality", "500", "-o", "x"],
        ["sprite", "FILM", "--count", "3", "--accuracy", "nan", "-o", "x"],
    ],
    ids=" ".join,
)
def test_bad_usage_is_2_and_leaves_nothing(run: Any, film: str, arguments: list[str]) -> None:
    ran = run(*[film if a == "FILM" else a for a in arguments])
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.strip()
    assert names(Path()) == []
    if ran.err.startswith("snapengine: "):
        assert ran.err.count("\n") == 1, "one line"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["info", "--help"],
        ["sprite", "--help"],
        ["snapshot", "--help"],
    ],
)
def test_help_is_a_success(run: Any, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.status, ran.err) == (0, "")
    assert "snapengine" in ran.out


# -- failures -------------------------------------------------------------------------------


@pytest.fixture
def bad_files(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path.parent / f"{tmp_path.name}-input"
    folder.mkdir()
    (folder / "empty.mp4").touch()
    (folder / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    (folder / "two\nlines.mp4").write_bytes(b"no video")
    return {p.stem: p for p in folder.iterdir()} | {"gone": folder / "gone.mp4", "folder": folder}


@pytest.mark.parametrize("what", ["gone", "empty", "noise", "folder", "two\nlines"])
@pytest.mark.parametrize("verb", ["info", "snapshot", "sprite"])
def test_unusable_files_are_1_with_one_line(
    run: Any, bad_files: dict[str, Path], verb: str, what: str
) -> None:
    rest = {
        "info": [],
        "snapshot": ["--at", "1", "-o", "a.jpg"],
        "sprite": ["--count", "2", "-o", "x"],
    }
    ran = run(verb, bad_files[what], *rest[verb])
    assert (ran.status, ran.out) == (1, "")
    assert re.fullmatch(r"snapengine: [^\n]+\n", ran.err)
    assert names(Path()) == []
    ran = run(verb, bad_files[what], *rest[verb], "--json")
    assert ran.status == 1
    assert ran.json["error"]["code"] in (
        "source_not_found", "source_unavailable", "unrecognized_container",
    )  # fmt: skip
    assert ran.json["error"]["message"] and ran.err.count("\n") == 1


def test_a_url_of_another_kind_is_refused(run: Any) -> None:
    ran = run("info", "gopher://example.invalid/a.mp4")
    assert ran.status == 2
    assert "gopher" in ran.err


@pytest.mark.parametrize("verb", ["one", "several", "sprite"])
def test_where_nothing_can_be_written(run: Any, film: str, verb: str) -> None:
    Path("taken").write_text("a file")
    if verb == "one":
        ran = run("snapshot", film, "--at", 1, "-o", "taken/a.jpg")
    elif verb == "several":
        ran = run("snapshot", film, "--count", 2, "-o", "taken")
    else:
        ran = run("sprite", film, "--count", 2, "-o", "taken")
    assert (ran.status, ran.out) == (1, "")
    assert re.fullmatch(r"snapengine: cannot write [^\n]*taken[^\n]*\n", ran.err)
    assert names(Path()) == ["taken"]
    assert Path("taken").read_text() == "a file"


def test_a_folder_that_is_missing(run: Any, film: str) -> None:
    ran = run("snapshot", film, "--at", 1, "-o", "missing/a.jpg")
    assert ran.status == 1
    assert "missing" in ran.err and ran.err.count("\n") == 1
    assert names(Path()) == []


def test_a_failure_half_way_leaves_whole_pictures_only(
    run: Any, film: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = os.replace
    calls = 0

    def full(source: Any, target: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(28, "No space left on device")
        made(source, target)

    monkeypatch.setattr(os, "replace", full)
    ran = run("snapshot", film, "--count", 5, "-o", "out")
    assert ran.status == 1
    assert "No space left" in ran.err and ran.err.count("\n") == 1
    assert names(Path()) == ["0001.jpg", "0002.jpg", "out"]
    for path in Path("out").iterdir():
        assert ordinal(path) >= 0
    calls = 0
    ran = run("sprite", film, "--count", 9, "--columns", 1, "--rows", 1, "-o", "out")
    assert ran.status == 1
    assert names(Path()) == ["0001.jpg", "0002.jpg", "out"], "a sheet is whole or not at all"


def test_interrupted(run: Any, film: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(snapengine.Snapshot, "save", stop)
    ran = run("snapshot", film, "--at", 1, "-o", "a.jpg")
    assert (ran.status, ran.out, ran.err) == (130, "", "snapengine: interrupted\n")
    assert names(Path()) == []


# -- processes ------------------------------------------------------------------------------


def started(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "snapengine", *arguments],
        text=True, cwd=ROOT, timeout=60, check=False, **options,
    )  # fmt: skip


def test_as_a_program(film: str, tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    done = started("snapshot", film, "--at", "2", "--json", "-o", str(out), capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["pictures"][0]["pts"] == Truth.of(film).frames[50].pts
    assert ordinal(out) == 50


def test_a_failing_program(tmp_path: Path) -> None:
    done = started("info", str(tmp_path / "gone.mp4"), capture_output=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"snapengine: [^\n]*gone\.mp4[^\n]*\n", done.stderr)


def test_a_reader_that_leaves_is_no_traceback(film: str) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = started("info", film, "--json", stdout=write, stderr=subprocess.PIPE)
    finally:
        os.close(write)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == 1


def test_progress_on_a_terminal_only(film: str, tmp_path: Path) -> None:
    import pty

    command = ["snapshot", film, "--count", "20", "--width", "32", "-o", str(tmp_path / "out")]
    terminal, end = pty.openpty()
    try:
        done = started(*command, stdout=subprocess.PIPE, stderr=end)
        os.close(end)
        shown = b""
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:  # Linux: the other end is closed
            pass
    finally:
        os.close(terminal)
    assert done.returncode == 0
    assert b"20/20" in shown
    assert shown.endswith(b"\r\x1b[K"), "the line is erased at the end"
    assert b"\n" not in shown
    assert len(done.stdout.splitlines()) == 20
    assert "/20" not in started(*command, capture_output=True).stderr


# -- damage and looks -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def torn() -> str:
    """Four seconds whose third is zeros."""
    return str(build(recipe("faststart-hole")))


def test_damage_is_named_and_policies_are_obeyed(run: Any, torn: str) -> None:
    filled = run("sprite", torn, "--count", 12, "--cell", "40x24", "-o", "a", "--json").json
    assert filled["damaged"]
    assert filled["missing"] == []
    blank = run(
        "sprite", torn, "--count", 12, "--cell", "40x24", "--on-missing", "blank", "-o", "b",
        "--json",
    ).json  # fmt: skip
    assert blank["missing"] == filled["damaged"]
    failed = run("sprite", torn, "--count", 12, "--on-missing", "fail", "-o", "c")
    assert (failed.status, failed.err.count("\n")) == (1, 1)
    assert not Path("c").exists() or not names(Path("c"))
    told = run("sprite", torn, "--count", 12, "--cell", "40x24", "-o", "d")
    assert "cells with damage: " in told.err


def test_policies_and_looks_are_checked(run: Any, film: str) -> None:
    ran = run("snapshot", film, "--at", 1, "--on-missing", "ignore", "-o", "a.png")
    assert ran.status == 2
    assert "nearest, blank, fail" in ran.err


def test_tone_mapping_can_be_switched_off(run: Any) -> None:
    hdr = dataclasses.replace(
        recipe("hevc-mp4-10bit"), name="hevc-mp4-pq", matrix=9, primaries=9, transfer=16
    )
    film = str(build(hdr))
    assert run("info", film, "--json").json["is_hdr"]
    assert run("snapshot", film, "--at", 0.5, "-o", "a.png").status == 0
    assert run("snapshot", film, "--at", 0.5, "--no-tone-map", "-o", "b.png").status == 0
    assert Path("a.png").read_bytes() != Path("b.png").read_bytes()


def test_deinterlacing_can_be_switched_off(run: Any, tmp_path: Path) -> None:
    film = tmp_path / "fields.mkv"
    with av.open(str(film), "w") as out:
        options = {"crf": "8", "x264-params": "tff=1"}
        stream: Any = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        lines = np.full((72, 64), 128, np.uint8)
        lines[:48:2, :32], lines[1:48:2, 32:] = 40, 220  # a comb no picture has
        frame = av.VideoFrame.from_ndarray(lines, format="yuv420p")
        frame.pts = 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    woven = run("snapshot", film, "--at", 0, "--no-deinterlace", "-o", "a.png")
    assert (woven.status, run("snapshot", film, "--at", 0, "-o", "b.png").status) == (0, 0)
    assert Path("a.png").read_bytes() != Path("b.png").read_bytes()
