"""Sheets and tracks that jobs make: every pixel where it belongs, every cue over its cell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from snapengine import Video
from snapengine.service.domain.colors import COLOR_NAMES, settle_color
from snapengine.service.domain.requests import SnapshotRequest, SpriteRequest
from snapengine.service.jobs.orders import beside
from tests.media.atlas import recipe
from tests.media.barcode import draw_luma, read_ordinal
from tests.media.oracle import Truth
from tests.media.recipes import Recipe, build
from tests.service.jobs_kit import JOB, Work, film, work

F = Fraction
FILM = "h264-mp4-bpyramid"
NEUTRAL = Recipe(name="service-neutral", frames=100, gop=25, bframes=2, neutral=True)
"""No colour, so that JPEG's chroma does not bleed from gaps into cells and back."""
Pixels = npt.NDArray[np.uint8]


def path_of(name: str) -> Path:
    return build(recipe(name))


def shown(times: Sequence[Fraction], film: Recipe | None = None) -> list[int]:
    truth = Truth.of(build(film or recipe(FILM)))
    return [truth.frame_at(time).index for time in times]


def cells(
    pages: Sequence[Pixels], sprite: SpriteRequest, cell: tuple[int, int], count: int
) -> list[Pixels]:
    """Cut out where the vendors' words put them: row by row, page by page."""
    (w, h), found = cell, []
    for number in range(count):
        page, on_page = divmod(number, sprite.columns * sprite.lines)
        line, column = divmod(on_page, sprite.columns)
        x = sprite.margin + column * (w + sprite.padding)
        y = sprite.margin + line * (h + sprite.padding)
        found.append(pages[page][y : y + h, x : x + w])
    return found


def pages_of(done: Work, kind: Any = "sprite") -> list[Pixels]:
    return [done.pixels(file) for file in done.files(kind)]


def test_the_vendors_own_example(tmp_path: Path) -> None:
    """Fifty cells of 120x68, three by ten, 20 between them and 50 around: two sheets of 500x960,
    thirty cells on the first and twenty on the second."""
    sprite = SpriteRequest(
        cell_width=120, cell_height=68, columns=3, lines=10, padding=20, margin=50, color="white"
    )
    times = [k * F(4, 50) for k in range(50)]
    request = SnapshotRequest(count=50, interval=F(0), kind="sprite", sprite=sprite)
    done = work(build(NEUTRAL), request, tmp_path, quality=95)
    assert done.kinds() == {"sprite": 2, "sprite_cell": 50}
    pages = pages_of(done)
    assert [page.shape for page in pages] == [(960, 500, 3)] * 2
    on_pages = cells(pages, sprite, (120, 68), 50)
    assert [read_ordinal(cell) for cell in on_pages] == shown(times, NEUTRAL)
    assert done.ordinals("sprite_cell") == shown(times, NEUTRAL)
    # Between, around and where no cell is: the colour.
    for number, page in enumerate(pages):
        outside = np.ones(page.shape[:2], bool)
        for line in range(10):
            for column in range(3):
                if number * 30 + line * 3 + column < 50:
                    x, y = 50 + column * 140, 50 + line * 88
                    outside[y : y + 68, x : x + 120] = False
        # JPEG rings within the blocks of eight that a cell's edge cuts.
        assert np.median(page[outside]) >= 254
        assert np.quantile(page[outside], 0.02) > 200
    assert (pages[1][50 + 7 * 88 :] > 250).all(), "the last three lines are empty"


@pytest.mark.parametrize(
    ("asked", "sprite", "cell"),
    [
        ({}, {}, (160, 96)),
        ({"width": 80}, {}, (80, 48)),
        ({"width": 80}, {"cell_width": 40}, (40, 24)),
        ({"width": 64, "height": 64}, {"cell_height": 32}, (32, 32)),
        ({}, {"cell_width": 50, "cell_height": 50}, (50, 50)),
        ({}, {"cell_width": 33}, (33, 20)),
    ],
)
def test_sizes_of_cells(
    asked: dict[str, Any], sprite: dict[str, Any], cell: tuple[int, int], tmp_path: Path
) -> None:
    config = SpriteRequest(columns=2, lines=2, padding=3, margin=5, **sprite)
    request = SnapshotRequest(count=5, interval=F(0), kind="sprite", sprite=config, **asked)
    done = work(path_of(FILM), request, tmp_path)
    expected = (2 * 5 + 2 * cell[0] + 3, 2 * 5 + 2 * cell[1] + 3)
    assert [(f.width, f.height) for f in done.files("sprite")] == [expected] * 2
    assert {(f.width, f.height) for f in done.files("sprite_cell")} == {cell}
    times = [k * F(4, 5) for k in range(5)]
    on_pages = cells(pages_of(done), config, cell, 5)
    assert [read_ordinal(one) for one in on_pages] == shown(times)
    assert done.ordinals("sprite_cell") == shown(times)
    assert done.times("sprite_cell") == times


def test_cells_as_files_are_the_cells_on_the_sheets(tmp_path: Path) -> None:
    config = SpriteRequest(columns=2, lines=2, cell_width=80)
    request = SnapshotRequest(count=4, kind="sprite", sprite=config)
    done = work(path_of(FILM), request, tmp_path, quality=100)
    for file, cell in zip(
        done.files("sprite_cell"), cells(pages_of(done), config, (80, 48), 4), strict=True
    ):
        # Both went through JPEG, in blocks that begin at different places.
        assert np.abs(done.pixels(file).astype(int) - cell).mean() < 2


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("cell_width", [None, 40])
def test_sheets_beside_pictures(keep: bool, cell_width: int | None, tmp_path: Path) -> None:
    config = SpriteRequest(columns=2, lines=1, keep_cells=keep, cell_width=cell_width)
    request = SnapshotRequest(count=3, width=80, sprite=config)
    done = work(path_of(FILM), request, tmp_path)
    assert done.kinds() == {"snapshot": 3, "sprite": 2} | ({"sprite_cell": 3} if keep else {})
    assert done.ordinals("snapshot") == [0, 25, 50]
    assert done.times("snapshot") == [F(0), F(1), F(2)]
    assert {(f.width, f.height) for f in done.files("snapshot")} == {(80, 48)}
    if keep:
        assert done.ordinals("sprite_cell") == [0, 25, 50]
        size = (80, 48) if cell_width is None else (40, 24)
        assert {(f.width, f.height) for f in done.files("sprite_cell")} == {size}


@pytest.mark.parametrize("asked", [{}, {"width": 80}])
def test_sheets_beside_pictures_of_their_size_cost_no_decoding(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    request = SnapshotRequest(count=3, sprite=SpriteRequest(columns=2, lines=1), **asked)
    alone = work(path_of(FILM), SnapshotRequest(count=3, **asked), tmp_path / "alone")
    monkeypatch.delattr(Video, "snapshots")
    done = work(path_of(FILM), request, tmp_path / "both")
    for file, other in zip(done.files("snapshot"), alone.files("snapshot"), strict=True):
        assert (file.time, file.requested, file.width) == (other.time, other.requested, other.width)
        difference = done.pixels(file).astype(int) - alone.pixels(other)
        assert np.abs(difference).mean() < 1  # of colour, averaged in another order


def test_keyframes_count_once_on_sheets_too(tmp_path: Path) -> None:
    config = SpriteRequest(columns=3, lines=1)
    request = SnapshotRequest(
        count=20, interval=F(0), accuracy="keyframe", kind="sprite", sprite=config, width=80
    )
    done = work(path_of(FILM), request, tmp_path)
    assert done.ordinals("sprite_cell") == [0, 25, 50, 75]
    assert done.times("sprite_cell") == [F(0), F(3, 5), F(8, 5), F(13, 5)]
    pages = pages_of(done)
    assert len(pages) == 2
    assert [read_ordinal(c) for c in cells(pages, config, (80, 48), 4)] == [0, 25, 50, 75]


def test_the_defaults_on_a_large_video_make_sheets_that_fit(tmp_path: Path) -> None:
    """Ten by ten cells in the size of the video are more than a picture can be."""

    def luma(number: int) -> Pixels:
        return np.kron(draw_luma(number, 240, 135), np.ones((8, 8), np.uint8))

    large = film("service-large", luma, frames=12, size=(1920, 1080))
    request = SnapshotRequest(interval=F(1, 25), kind="sprite", sprite=SpriteRequest())
    done = work(large, request, tmp_path, quality=30)
    (page,) = pages_of(done)
    assert page.shape == (2 * 1080, 10 * 1920, 3)
    # Small enough to be read: every cell where it belongs.
    small = page[::8, ::8]
    found = [small[n // 10 * 135 :, n % 10 * 240 :][:135, :240] for n in range(12)]
    assert [read_ordinal(cell) for cell in found] == list(range(12))
    assert (page[1080:, 2 * 1920 + 16 :] < 4).all()


@pytest.mark.parametrize("color", ["red", "#1e90ff", "random"])
def test_colours(color: str, tmp_path: Path) -> None:
    config = SpriteRequest(columns=2, lines=2, margin=16, color=color, cell_width=64)
    request = SnapshotRequest(count=1, kind="sprite", sprite=config)
    (page,) = pages_of(work(build(NEUTRAL), request, tmp_path / "a", quality=95))
    meant = {"red": "#ff0000"}.get(color, settle_color(color, JOB))
    rgb = [int(meant[i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(page[-24:, -48:].reshape(-1, 3).astype(int) - rgb).max() <= 4
    if color == "random":
        (again,) = pages_of(work(build(NEUTRAL), request, tmp_path / "b", quality=95))
        assert np.array_equal(page, again)
        other = work(build(NEUTRAL), request, tmp_path / "c", quality=95, job_id="f" * 32)
        assert not np.array_equal(page[-1, -1], pages_of(other)[0][-1, -1])


@pytest.mark.parametrize("name", sorted(COLOR_NAMES))
def test_every_colour_keyword_is_one_of_the_engines(name: str) -> None:
    from snapengine.imaging.color_names import parse_color

    assert len(parse_color(name)) == 3


# -- tracks ---------------------------------------------------------------------------------


class Read(NamedTuple):
    """A cue as a player reads it."""

    start: Fraction
    end: Fraction
    name: str
    mark: str
    numbers: list[int]


def read_track(text: str) -> list[Read]:
    assert text.startswith("WEBVTT\n\n") and text.endswith("\n")
    cues = []
    for block in text.strip().split("\n\n")[1:]:
        timing, payload = block.split("\n")
        start, end = (
            sum(F(part) * 60**power for power, part in enumerate(reversed(stamp.split(":"))))
            for stamp in timing.split(" --> ")
        )
        match = re.fullmatch(r"(\S+?)([?#])(?:xywh|wh)=([0-9,]+)", payload)
        assert match, payload
        cues.append(
            Read(F(start), F(end), match[1], match[2], [int(n) for n in match[3].split(",")])
        )
    return cues


def check_cues(cues: list[Read], times: Sequence[Fraction], end: Fraction) -> None:
    assert [cue.start for cue in cues] == list(times)
    assert [cue.end for cue in cues] == [*times[1:], end]


def test_a_track_of_single_pictures(tmp_path: Path) -> None:
    request = SnapshotRequest(interval=F(1, 2), kind="webvtt", width=80)
    done = work(path_of(FILM), request, tmp_path)
    assert done.kinds() == {"track_picture": 8, "track": 1}
    cues = read_track(done.text())
    check_cues(cues, [F(k, 2) for k in range(8)], F(4))
    for cue, file in zip(cues, done.files("track_picture"), strict=True):
        assert (cue.name, cue.mark, cue.numbers) == (file.file, "?", [80, 48])
    assert done.ordinals("track_picture") == shown([F(k, 2) for k in range(8)])


def test_a_track_of_full_size_pictures(tmp_path: Path) -> None:
    done = work(path_of("rotate90"), SnapshotRequest(kind="webvtt"), tmp_path)
    (cue,) = read_track(done.text())
    (file,) = done.files("track_picture")
    assert cue.numbers == [file.width, file.height] == [96, 160]


def test_a_track_of_sheets(tmp_path: Path) -> None:
    config = SpriteRequest(columns=3, lines=2, padding=4, margin=2, cell_width=80)
    request = SnapshotRequest(
        interval=F(2, 5), kind="webvtt", tiled=True, sprite=config, offset=F(1, 5)
    )
    done = work(path_of(FILM), request, tmp_path, mark="#", track_pictures="{job}x-{number}.jpg")
    times = [F(1, 5) + k * F(2, 5) for k in range(10)]
    assert done.kinds() == {"track_picture": 2, "track": 1}
    cues = read_track(done.text())
    check_cues(cues, times, F(4))
    pages = {
        "%7Bjob%7Dx-00001.jpg": done.pixels(done.files("track_picture")[0]),
        "%7Bjob%7Dx-00002.jpg": done.pixels(done.files("track_picture")[1]),
    }
    seen = []
    for cue in cues:
        x, y, w, h = cue.numbers
        assert (w, h) == (80, 48) and cue.mark == "#"
        seen.append(read_ordinal(pages[cue.name][y : y + h, x : x + w]))
    assert seen == shown(times)


def test_a_track_of_keyframes_covers_the_whole_video(tmp_path: Path) -> None:
    request = SnapshotRequest(
        count=16, interval=F(0), accuracy="keyframe", kind="webvtt", tiled=True, width=80
    )
    done = work(path_of(FILM), request, tmp_path)
    cues = read_track(done.text())
    assert len(cues) == 4
    assert cues[0].start == 0 and cues[-1].end == 4
    assert all(a.end == b.start for a, b in itertools.pairwise(cues))


@pytest.mark.parametrize(
    ("track", "picture", "relative"),
    [
        ("{asset}/{job}/track-{number}.vtt", "{asset}/{job}/p-{number}.jpg", "p-{number}.jpg"),
        ("a/vtt/j/t.vtt", "a/pictures/j/{number}.jpg", "../../pictures/j/{number}.jpg"),
        ("t.vtt", "p/{number}.jpg", "p/{number}.jpg"),
    ],
)
def test_names_beside_a_track(track: str, picture: str, relative: str) -> None:
    assert beside(track, picture) == relative
