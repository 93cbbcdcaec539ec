"""Sprite sheets: every cell shows the frame its cue says, every pixel is where it should be."""

from __future__ import annotations

import io
import itertools
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import snapengine
from snapengine.errors import InvalidGeometry, LayoutTooLarge
from snapengine.outputs import spool
from tests.conftest import real_media_folder, required
from tests.integration.common import asked
from tests.media.atlas import recipe
from tests.media.barcode import read_ordinal
from tests.media.oracle import Truth
from tests.media.recipes import Recipe, build

NEUTRAL = Recipe(name="sprite-neutral", frames=60, gop=20, bframes=2, neutral=True)
"""No colour: luma can be checked at odd positions, where 4:2:0 chroma would bleed."""

Pixels = npt.NDArray[np.uint8]


def cells_of(sheet: Any) -> list[Pixels]:
    """The pixels of each cue, cut out of the pages."""
    pages = [page.to_ndarray() for page in sheet.pages]
    return [pages[c.page][c.y : c.y + c.height, c.x : c.x + c.width] for c in sheet.cues]


def check_cues(sheet: Any, duration: float) -> None:
    """First starts at 0, each begins where the one before ended, the last ends with the video."""
    cues = sheet.cues
    assert cues[0].start == 0
    assert all(a.end == b.start for a, b in itertools.pairwise(cues))
    assert all(cue.start < cue.end for cue in cues)
    assert float(cues[-1].end) == pytest.approx(duration, abs=1e-9)


def check_numbers(sheet: Any, truth: Truth, hidden: int = 0) -> list[int]:
    """Each cell's bar code is the frame at its cue's time; returns the numbers."""
    numbers = [read_ordinal(cell) - hidden for cell in cells_of(sheet)]
    for cue, number in zip(sheet.cues, numbers, strict=True):
        assert float(truth.time_of(truth.frames[number])) == float(cue.time)
    return numbers


@pytest.mark.parametrize(
    "name",
    ["h264-mp4-bpyramid", "h264-mp4-longgop", "h264-mkv-vfr", "h264-ts-opengop", "h264-mp4-trimmed",
     "h264-mp4-start", "hevc-mp4-opengop", "vp9-webm-vfr", "av1-mp4", "mpeg4-avi", "mpeg2-ts",
     "last-long-mp4", "audio-longer-mkv", "rotate90", "sar16x11"],
)  # fmt: skip
@pytest.mark.parametrize("how", [{"interval": 0.3}, {"count": 9}], ids=["interval", "count"])
def test_every_cell_shows_the_frame_of_its_cue(name: str, how: dict[str, Any]) -> None:
    truth = Truth.of(build(recipe(name)))
    hidden = -min(0, recipe(name).start_frames)
    with snapengine.open(truth.path) as video:
        sheet = video.sprite(cell=(64, 40), columns=4, rows=3, fit="stretch", **how)
        duration = video.info.duration
    check_cues(sheet, duration)
    check_numbers(sheet, truth, hidden)
    if "count" in how:
        assert len(sheet.cues) == 9
    else:
        assert len(sheet.cues) == len(np.arange(0, duration - 1e-9, 0.3))
    # The frame in the cell is not further from what was asked than the default tolerance, or it is
    # the exact frame (whose start may lie further back when frames last long).
    spacing = duration / len(sheet.cues) if "count" in how else 0.3
    for i, cue in enumerate(sheet.cues):
        target = (i + 0.5) * spacing if "count" in how else i * spacing
        exact = truth.frame_at(asked(target))
        near = abs(float(cue.time) - target) <= spacing / 2 + 1e-6
        assert near or float(truth.time_of(exact)) == float(cue.time)


@pytest.mark.parametrize(
    "name",
    ["h264-mp4-longgop", "h264-mkv-longgop", "h264-mp4-bpyramid", "hevc-mp4-opengop", "mpeg4-avi"],
)
@pytest.mark.parametrize("cells", [5, 12, 30])
def test_no_two_cells_alike_while_the_video_has_more_frames(name: str, cells: int) -> None:
    truth = Truth.of(build(recipe(name)))
    with snapengine.open(truth.path) as video:
        sheet = video.sprite(count=cells, cell=(64, 36), fit="stretch")
        spaced = video.sprite(interval=0.1, cell=(64, 36), fit="stretch")
    numbers = check_numbers(sheet, truth)
    assert len(set(numbers)) == cells
    assert numbers == sorted(numbers)
    numbers = check_numbers(spaced, truth)
    assert len(set(numbers)) == len(numbers)


def test_exact_and_keyframe_cells() -> None:
    truth = Truth.of(build(recipe("h264-mp4-bpyramid")))
    keys = {frame.index for frame in truth.keyframes}
    with snapengine.open(truth.path) as video:
        exact = video.sprite(interval=0.5, cell=(64, 36), fit="stretch", accuracy="exact")
        coarse = video.sprite(interval=0.5, cell=(64, 36), fit="stretch", accuracy="keyframe")
    assert check_numbers(exact, truth) == [
        truth.frame_at(Fraction(i, 2)).index for i in range(len(exact.cues))
    ]
    assert set(check_numbers(coarse, truth)) <= keys


@pytest.mark.parametrize("name", ["sub-second-mp4", "one-frame-mp4", "sub-second-webm"])
def test_more_cells_than_frames(name: str) -> None:
    truth = Truth.of(build(recipe(name)))
    with snapengine.open(truth.path) as video:
        sheet = video.sprite(count=20, cell=(64, 36), columns=6, fit="stretch")
        duration = video.info.duration
    assert len(sheet.cues) == 20
    check_cues(sheet, duration)
    numbers = check_numbers(sheet, truth)
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(len(truth.frames)))


# --- geometry ------------------------------------------------------------------------------------

GRIDS = [
    # cell, columns, rows, padding, margin
    ((64, 36), 4, 3, 0, 0),
    ((64, 36), 4, 3, 2, 4),
    ((63, 35), 3, 2, 1, 1),
    ((65, 41), 5, 2, 3, 7),
    ((50, 50), 1, 4, 5, 0),
    ((64, 36), 11, 1, 1, 3),
]


@pytest.mark.parametrize("color", ["black", "white"])
@pytest.mark.parametrize(("cell", "columns", "rows", "padding", "margin"), GRIDS)
def test_geometry_to_the_pixel(
    cell: tuple[int, int], columns: int, rows: int, padding: int, margin: int, color: str
) -> None:
    truth = Truth.of(build(NEUTRAL))
    count, (w, h) = 11, cell
    with snapengine.open(truth.path) as video:
        sheet = video.sprite(
            count=count, cell=cell, columns=columns, rows=rows, padding=padding, margin=margin,
            color=color, fit="stretch",
        )  # fmt: skip
    assert [(c.page, c.x, c.y, c.width, c.height) for c in sheet.cues] == [
        (
            i // (columns * rows),
            margin + i % columns * (w + padding),
            margin + i % (columns * rows) // columns * (h + padding),
            w,
            h,
        )
        for i in range(count)
    ]
    per_page = columns * rows
    assert len(sheet.pages) == -(-count // per_page)
    check_numbers(sheet, truth)
    for number, page in enumerate(sheet.pages):
        pixels = page.to_ndarray().astype(int)
        used = -(-min(per_page, count - number * per_page) // columns)
        assert pixels.shape == (
            2 * margin + used * h + (used - 1) * padding,
            2 * margin + min(columns, count) * w + (min(columns, count) - 1) * padding,
            3,
        )
        outside = np.ones(pixels.shape[:2], bool)
        for cue in sheet.cues:
            if cue.page == number:
                outside[cue.y : cue.y + h, cue.x : cue.x + w] = False
        level = 0 if color == "black" else 255
        assert (np.abs(pixels[outside] - level) <= 1).all()
        # Every edge pixel of a cell is picture: darkest and lightest drawn luma stay inside.
        assert (np.abs(pixels[~outside] - level) > 2).all()


@pytest.mark.parametrize(("cell", "columns", "rows", "padding", "margin"), GRIDS)
def test_full_pages_show_the_same_cells_and_background_elsewhere(
    cell: tuple[int, int], columns: int, rows: int, padding: int, margin: int
) -> None:
    grid: dict[str, Any] = {
        "count": 11, "cell": cell, "columns": columns, "rows": rows, "padding": padding,
        "margin": margin, "color": "white", "fit": "stretch",
    }  # fmt: skip
    with snapengine.open(build(NEUTRAL)) as video:
        usual = video.sprite(**grid)
        full = video.sprite(**grid, full_pages=True)
    assert (full.columns, full.rows) == (columns, rows)
    assert len(full.pages) == -(-11 // (columns * rows))
    places = [(c.page, c.x, c.y, c.start, c.end, c.time) for c in full.cues]
    assert places == [(c.page, c.x, c.y, c.start, c.end, c.time) for c in usual.cues]
    for ours, other in zip(cells_of(full), cells_of(usual), strict=True):
        assert np.array_equal(ours, other)
    for number, page in enumerate(full.pages):
        pixels = page.to_ndarray()
        assert pixels.shape == (
            2 * margin + rows * cell[1] + (rows - 1) * padding,
            2 * margin + columns * cell[0] + (columns - 1) * padding,
            3,
        )
        for cue in full.cues:
            if cue.page == number:
                pixels[cue.y : cue.y + cell[1], cue.x : cue.x + cell[0]] = 255
        assert (pixels >= 254).all()


def test_full_pages_are_checked_before_any_work() -> None:
    with snapengine.open(build(NEUTRAL)) as video:
        with pytest.raises(LayoutTooLarge):
            video.sprite(count=1, cell=(640, 360), columns=40, rows=40, full_pages=True)
        with pytest.raises(InvalidGeometry):
            video.sprite(count=1, cell=(64, 36), rows=None, full_pages=True)


@pytest.mark.parametrize(("cell", "columns", "rows", "padding", "margin"), GRIDS)
def test_cells_as_pictures_are_those_on_the_pages(
    cell: tuple[int, int], columns: int, rows: int, padding: int, margin: int
) -> None:
    with snapengine.open(build(NEUTRAL)) as video:
        sheet = video.sprite(
            count=11, cell=cell, columns=columns, rows=rows, padding=padding, margin=margin
        )
    pictures = list(sheet.cell_pictures())
    assert [picture.index for picture in pictures] == list(range(11))
    for picture, on_page in zip(pictures, cells_of(sheet), strict=True):
        assert (picture.width, picture.height) == cell
        assert np.array_equal(picture.to_ndarray(), on_page)
        with Image.open(io.BytesIO(picture.jpeg(95))) as image:
            decoded = np.asarray(image.convert("RGB")).astype(int)
        assert 0 < np.abs(decoded - on_page).mean() < 4


def test_cells_as_pictures_when_pages_wait_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_PAGES_IN_MEMORY", 0)
    with snapengine.open(build(NEUTRAL)) as video:
        sheet = video.sprite(count=7, cell=(64, 36), columns=2, rows=1)
    for picture, on_page in zip(sheet.cell_pictures(), cells_of(sheet), strict=True):
        assert np.array_equal(picture.to_ndarray(), on_page)


def test_contain_draws_bars_of_the_colour_around_the_whole_picture() -> None:
    truth = Truth.of(build(NEUTRAL))  # 160x96: 5:3
    with snapengine.open(truth.path) as video:
        sheet = video.sprite(count=4, cell=(100, 100), columns=2, fit="contain", color="white")
        wide = video.sprite(count=4, cell=(200, 60), columns=2, fit="contain", color="white")
    for cell, number in zip(cells_of(sheet), [truth.frame_at(asked(float(c.time))).index
                                              for c in sheet.cues], strict=True):  # fmt: skip
        assert (cell[:19] >= 254).all()
        assert (cell[81:] >= 254).all()
        assert (cell[21:79] < 253).all()
        assert read_ordinal(cell[20:80]) == number
    for cell in cells_of(wide):
        assert (cell[:, :49] >= 254).all()
        assert (cell[:, 151:] >= 254).all()
        assert (cell[:, 51:149] < 253).all()
        read_ordinal(cell[:, 50:150])


def test_cover_fills_the_cell_and_keeps_the_middle() -> None:
    truth = Truth.of(build(NEUTRAL))
    with snapengine.open(truth.path) as video:
        sheet = video.sprite(count=3, cell=(60, 60), fit="cover", color="white")
        shots = list(video.snapshots(at=[c.time for c in sheet.cues], height=60))
    for cell, shot in zip(cells_of(sheet), shots, strict=True):
        assert (cell < 253).all()
        picture = shot.to_ndarray().astype(int)
        left = (picture.shape[1] - 60) // 2
        difference = np.abs(picture[:, left : left + 60] - cell.astype(int))
        assert difference.mean() < 4


def test_named_and_hex_colours() -> None:
    with snapengine.open(build(recipe("h264-mp4-bpyramid"))) as video:
        for color, rgb in (("red", (255, 0, 0)), ("#1020f0", (16, 32, 240))):
            sheet = video.sprite(count=2, cell=(64, 36), margin=16, padding=16, color=color)
            corner = sheet.pages[0].to_ndarray()[2:12, 2:12].reshape(-1, 3).astype(int)
            assert (np.abs(corner - rgb) <= 4).all()


# --- saving --------------------------------------------------------------------------------------


class Parsed(NamedTuple):
    start: Fraction
    end: Fraction
    uri: str
    box: tuple[int, int, int, int]


def parse_vtt(text: str) -> list[Parsed]:
    """A strict reader of our own: header, then cues of a timing line and one payload line."""
    assert text.startswith("WEBVTT")
    head, *blocks = re.split(r"\n\n+", text.strip())
    assert head == "WEBVTT"

    def seconds(stamp: str) -> Fraction:
        match = re.fullmatch(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})", stamp)
        assert match, stamp
        hours, minutes, secs, ms = map(int, match.groups())
        return Fraction((hours * 60 + minutes) * 60 + secs) + Fraction(ms, 1000)

    cues = []
    for block in blocks:
        *identifier, timing, payload = block.split("\n")
        assert len(identifier) <= 1
        start, _, end = timing.partition(" --> ")
        uri, _, box = payload.partition("#xywh=")
        x, y, w, h = map(int, box.split(","))
        cues.append(Parsed(seconds(start), seconds(end), uri, (x, y, w, h)))
    return cues


def test_save_writes_pages_and_a_track_that_reads_back(tmp_path: Path) -> None:
    truth = Truth.of(build(NEUTRAL))
    folder = tmp_path / "out"
    with snapengine.open(truth.path) as video:
        sheet = video.sprite(count=11, cell=(64, 36), columns=2, rows=2, padding=2, margin=4)
        sheet.save(folder)
        duration = video.info.duration
    parsed = parse_vtt((folder / "thumbnails.vtt").read_text(encoding="utf-8"))
    assert len(parsed) == 11
    assert parsed[0].start == 0
    assert all(a.end == b.start for a, b in itertools.pairwise(parsed))
    assert abs(float(parsed[-1].end) - duration) <= 0.0005 + 1e-9
    pages = {}
    for cue, read in zip(sheet.cues, parsed, strict=True):
        assert read.box == (cue.x, cue.y, cue.width, cue.height)
        if read.uri not in pages:
            with Image.open(folder / read.uri) as image:
                pages[read.uri] = np.asarray(image.convert("RGB"))
        x, y, w, h = read.box
        number = read_ordinal(pages[read.uri][y : y + h, x : x + w])
        assert float(truth.time_of(truth.frames[number])) == float(cue.time)
    assert len(pages) == 3
    assert {p.name for p in folder.iterdir()} == {*pages, "thumbnails.vtt"}, "nothing else is left"


def test_save_again_replaces(tmp_path: Path) -> None:
    with snapengine.open(build(NEUTRAL)) as video:
        video.sprite(count=11, cell=(64, 36), columns=2, rows=2).save(tmp_path)
        video.sprite(count=4, cell=(32, 18), columns=2, rows=2).save(tmp_path)
    parsed = parse_vtt((tmp_path / "thumbnails.vtt").read_text(encoding="utf-8"))
    assert len(parsed) == 4
    for read in parsed:
        with Image.open(tmp_path / read.uri) as image:
            assert image.size == (64, 36)


def test_page_jpeg_is_the_page() -> None:
    with snapengine.open(build(NEUTRAL)) as video:
        sheet = video.sprite(count=6, cell=(64, 36), columns=3, padding=2, margin=3)
    page = sheet.pages[0]
    with Image.open(io.BytesIO(page.jpeg(quality=95))) as image:
        assert image.format == "JPEG"
        decoded = np.asarray(image.convert("RGB")).astype(int)
    assert decoded.shape == page.to_ndarray().shape
    difference = np.abs(decoded - page.to_ndarray())
    assert 0 < difference.mean() < 4


@pytest.mark.parametrize("name", ["mkv_h264.mkv", "flv_h264.flv"])
def test_the_last_frame_has_a_length_where_the_file_says_one_tick(name: str) -> None:
    """Both claim 1000 frames a second; as many cells as frames must show every frame."""
    path = real_media_folder() / name
    if not path.exists() and not required("media"):
        pytest.skip("real media are not here (SNAPENGINE_REQUIRE=media makes this a failure)")
    with snapengine.open(path) as video:
        assert video.info.duration == pytest.approx(1.001, abs=0.001)
        assert len({cell.pts for cell in video.sprite(count=30, cell=(32, 20)).cells}) == 30
