"""What jobs make: the pictures of every rule against a sequential decode of the whole file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import snapengine
from snapengine import Limits, Video
from snapengine.errors import LimitExceeded, NoFrameAtTarget
from snapengine.service.domain.fields import InvalidField
from snapengine.service.domain.records import IngestRequest, SmartCoverRequest
from snapengine.service.domain.requests import SnapshotRequest, SpriteRequest, ThumbnailRequest
from snapengine.service.jobs import making
from snapengine.service.jobs.facts import facts_of
from snapengine.service.jobs.orders import made_from_json, made_to_json
from tests.media.atlas import recipe
from tests.media.barcode import read_ordinal
from tests.media.oracle import Truth
from tests.media.recipes import Recipe, build, shown_size
from tests.remote.fault_server import FaultServer
from tests.service.jobs_kit import dark_start, work
from tests.service.test_given_covers import picture

F = Fraction
FILMS = ["h264-mp4-bpyramid", "h264-mp4-longgop", "h264-mkv-vfr", "h264-ts-opengop",
         "h264-mp4-start", "hevc-mp4-opengop", "vp9-webm-vfr", "mpeg2-ts"]  # fmt: skip
each_film = pytest.mark.parametrize("name", FILMS)


def path_of(name: str) -> Path:
    return build(recipe(name))


def shown(name: str, times: list[Fraction]) -> list[int]:
    """The frames a player shows at these times."""
    truth = Truth.of(path_of(name))
    return [truth.frame_at(time).index for time in times]


# -- new videos -----------------------------------------------------------------------------


@each_film
def test_facts_of_a_new_video(name: str, tmp_path: Path) -> None:
    facts = work(path_of(name), IngestRequest(), tmp_path).made.facts
    truth = Truth.of(path_of(name))
    with av.open(str(path_of(name))) as container:
        stream = container.streams.video[0]
        assert facts.codec == stream.codec_context.name.replace("lib", "").partition("-")[0]
        rate = stream.average_rate
    assert (facts.width, facts.height) == shown_size(recipe(name))
    assert facts.duration is not None and abs(facts.duration - truth.end) <= F(1, 25)
    assert facts.size == path_of(name).stat().st_size
    assert facts.bit_rate is not None and 0 < facts.bit_rate <= facts.size * 8 / facts.duration + 1
    assert facts.frame_rate == pytest.approx(float(rate)) or rate > 480


@pytest.mark.parametrize(
    ("told", "size", "length", "rate"),
    [
        (5000, 10**6, F(4), 5000),
        (None, 10**6, F(4), 2 * 10**6),
        (None, None, F(4), None),
        (None, 10**6, None, None),
        (None, 10**12, F(1, 2**32), None),
        (-1, 10**6, F(4), None),
    ],
)
def test_the_bit_rate(
    told: int | None, size: int | None, length: Fraction | None, rate: int | None
) -> None:
    with snapengine.open(path_of(FILMS[0])) as video:
        info = replace(video.info, bit_rate=told, size_bytes=size)
    assert facts_of(info, length).bit_rate == rate


@pytest.mark.parametrize(("rate", "kept"), [(F(30000, 1001), 30000 / 1001), (F(1000), None)])
def test_the_rate_of_a_clock_is_none_of_frames(rate: Fraction, kept: float | None) -> None:
    with snapengine.open(path_of(FILMS[0])) as video:
        info = replace(video.info, average_rate=rate)
    assert facts_of(info, F(4)).frame_rate == kept


@pytest.mark.parametrize("name", ["rotate90", "sar16x11", "sar-rotate90", "odd444"])
def test_sizes_are_as_shown(name: str, tmp_path: Path) -> None:
    done = work(path_of(name), IngestRequest(), tmp_path)
    facts = done.made.facts
    assert (facts.width, facts.height) == shown_size(recipe(name))
    for file in done.files("candidate"):
        assert done.pixels(file).shape[:2] == (facts.height, facts.width)


@each_film
def test_candidates_are_the_nearest_keyframes_each_once(name: str, tmp_path: Path) -> None:
    done = work(path_of(name), IngestRequest(), tmp_path)
    truth = Truth.of(path_of(name))
    duration = done.made.facts.duration
    assert duration is not None
    first = F(5, 1000)
    wanted: list[set[int]] = []
    for k in range(8):
        near = truth.nearest_keyframes(first + k * (duration - first) / 8)
        answers = {frame.index for frame in near}
        if not wanted or not answers & wanted[-1]:
            wanted.append(answers)
    seen = done.ordinals("candidate")
    assert len(seen) == len(wanted)
    assert all(number in answers for number, answers in zip(seen, wanted, strict=True))
    assert done.made.cover == ("candidate", len(seen) // 2 + 1)
    for file, number in zip(done.files("candidate"), seen, strict=True):
        assert file.time is not None
        assert float(file.time) == float(truth.time_of(truth.frames[number]))


@pytest.mark.parametrize("accuracy", ["exact", "keyframe"])
def test_many_large_pictures_come_in_several_passes(
    accuracy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files; of those in memory together there are as many as fit."""
    path = path_of(FILMS[0])
    request = SnapshotRequest(count=23, interval=F(0), width=96, accuracy=accuracy)  # type: ignore[arg-type]
    whole = work(path, request, tmp_path / "whole")
    asked: list[int] = []
    real = snapengine.Video.snapshots

    def counting(video: snapengine.Video, **options: Any) -> Any:
        asked.append(len(options["at"]))
        return real(video, **options)

    monkeypatch.setattr(snapengine.Video, "snapshots", counting)
    size = whole.files("snapshot")[0]
    assert size.width is not None and size.height is not None
    monkeypatch.setattr(making, "_HELD", 5 * 3 * size.width * size.height + 1)
    parts = work(path, request, tmp_path / "parts")
    assert asked == [5, 5, 5, 5, 3]
    assert parts.made == whole.made
    for file in whole.files("snapshot"):
        assert (tmp_path / "parts" / file.file).read_bytes() == (
            tmp_path / "whole" / file.file
        ).read_bytes()


def test_eight_candidates_where_there_are_keyframes_enough(tmp_path: Path) -> None:
    many = Recipe(name="service-many-keys", frames=200, gop=5)
    done = work(build(many), IngestRequest(), tmp_path)
    assert len(done.files("candidate")) == 8
    assert done.made.cover == ("candidate", 5)


@pytest.mark.parametrize("name", ["one-frame-mp4", "one-frame-mkv", "sub-second-webm"])
def test_the_shortest_videos_have_a_cover(name: str, tmp_path: Path) -> None:
    done = work(path_of(name), IngestRequest(), tmp_path)
    assert done.ordinals("candidate") == [0]
    assert done.made.cover == ("candidate", 1)


def test_a_video_that_does_not_tell_its_length(tmp_path: Path) -> None:
    """The length is looked for at its end."""
    done = work(path_of("vp9-webm-noduration"), IngestRequest(), tmp_path)
    assert done.made.facts.duration == pytest.approx(2.0, abs=0.05)
    assert len(done.files("candidate")) > 1


def test_the_first_picture_that_is_not_black(tmp_path: Path) -> None:
    done = work(dark_start(), IngestRequest(cover_choice="head"), tmp_path)
    assert done.made.cover == ("cover", 1)
    (number,) = done.ordinals("cover")
    assert 40 <= number < 52, "before the next keyframe"
    black = work(dark_start(), IngestRequest(), tmp_path / "middle")
    assert black.pixels(black.files("candidate")[0]).max() < 20, "there was something to avoid"


def test_no_cover_of_our_own_if_one_will_be_uploaded(tmp_path: Path) -> None:
    done = work(path_of(FILMS[0]), IngestRequest(own_cover=False), tmp_path)
    assert done.made.cover is None
    assert set(done.kinds()) == {"candidate"}


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_cover_that_was_given(form: str, tmp_path: Path) -> None:
    data = picture(form, 320, 200)
    with FaultServer({"/c": data}) as server:
        request = IngestRequest(cover_url=server.url("/c"))
        done = work(path_of(FILMS[0]), request, tmp_path)
    assert done.made.cover == ("cover", 1) and done.made.cover_problem is None
    (cover,) = done.files("cover")
    assert (done.folder / cover.file).read_bytes() == data
    assert (cover.width, cover.height) == (320, 200)
    assert cover.file.endswith({"JPEG": ".jpg", "PNG": ".png"}[form])
    assert done.files("candidate")


def test_a_cover_that_is_none_is_replaced_by_our_own(tmp_path: Path) -> None:
    with FaultServer({"/c": b"<html>"}) as server:
        done = work(path_of(FILMS[0]), IngestRequest(cover_url=server.url("/c")), tmp_path)
    assert done.made.cover == ("candidate", 3)
    assert done.made.cover_problem is not None and "JPEG" in done.made.cover_problem


def test_a_cover_that_cannot_be_had_now_is_left_to_its_address(tmp_path: Path) -> None:
    with FaultServer({}) as server:
        done = work(path_of(FILMS[0]), IngestRequest(cover_url=server.url("/c")), tmp_path)
    assert done.made.cover is None and done.made.cover_problem is None


# -- pictures -------------------------------------------------------------------------------

RULES: list[tuple[dict[str, Any], list[Fraction]]] = [
    ({}, [F(0)]),
    ({"offset": F(3, 2)}, [F(3, 2)]),
    ({"count": 1, "interval": F(1, 2), "offset": F(1)}, [F(1)]),
    ({"count": 3, "offset": F(1, 5)}, [F(1, 5), F(6, 5), F(11, 5)]),
    ({"count": 3, "interval": F(1, 4)}, [F(0), F(1, 4), F(1, 2)]),
    ({"count": 4, "interval": F(0), "offset": F(2, 5)}, [F(2, 5) + k * F(9, 10) for k in range(4)]),
    ({"interval": F(7, 10)}, [k * F(7, 10) for k in range(6)]),
    ({"count": 100, "interval": F(1)}, [F(0), F(1), F(2), F(3)]),
    ({"at": (F(39, 10), F(1, 10), F(2), F(4), F(9))}, [F(1, 10), F(2), F(39, 10)]),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "times"), RULES)
def test_every_rule_gives_the_frames_shown_then(
    asked: dict[str, Any], times: list[Fraction], tmp_path: Path
) -> None:
    """Of four seconds: points beyond the end are dropped."""
    done = work(path_of("h264-mp4-bpyramid"), SnapshotRequest(**asked), tmp_path)
    assert done.times("snapshot") == times
    assert done.ordinals("snapshot") == shown("h264-mp4-bpyramid", times)
    assert done.kinds() == {"snapshot": len(times)}
    assert done.made.cover is None


@each_film
def test_exact_pictures_of_every_kind_of_file(name: str, tmp_path: Path) -> None:
    request = SnapshotRequest(interval=F(13, 100), width=80)
    done = work(path_of(name), request, tmp_path)
    times = [k * F(13, 100) for k in range(len(done.files("snapshot")))]
    assert times[-1] + F(13, 100) >= (done.made.facts.duration or 0)
    assert done.times("snapshot") == times
    assert done.ordinals("snapshot") == shown(name, times)
    truth = Truth.of(path_of(name))
    for file in done.files("snapshot"):
        assert file.requested is not None and file.time is not None
        assert float(file.time) == float(truth.time_of(truth.frame_at(file.requested)))


@pytest.mark.parametrize(
    ("asked", "size"),
    [({}, (160, 96)), ({"width": 80}, (80, 48)), ({"height": 60}, (100, 60)),
     ({"width": 64, "height": 64}, (64, 64)), ({"width": 640}, (640, 384))],
)  # fmt: skip
def test_sizes_asked_for(asked: dict[str, Any], size: tuple[int, int], tmp_path: Path) -> None:
    done = work(path_of("h264-mp4-bpyramid"), SnapshotRequest(count=2, **asked), tmp_path)
    for file in done.files("snapshot"):
        assert (file.width, file.height) == size
    assert done.ordinals("snapshot") == [0, 25], "stretched, not cut or barred"


@pytest.mark.parametrize("name", ["rotate90", "sar16x11"])
def test_one_side_follows_the_aspect_that_is_shown(name: str, tmp_path: Path) -> None:
    width, height = shown_size(recipe(name))
    done = work(path_of(name), SnapshotRequest(width=120), tmp_path)
    assert (done.files("snapshot")[0].height) == round(120 * height / width)
    assert done.ordinals("snapshot") == [0]


def test_keyframes_count_once_where_they_are_spread_evenly(tmp_path: Path) -> None:
    spread = SnapshotRequest(count=20, interval=F(0), accuracy="keyframe")
    path = path_of("h264-mp4-bpyramid")
    done = work(path, spread, tmp_path)
    assert done.ordinals("snapshot") == [0, 25, 50, 75]
    # The first of those that it answers is what was asked for.
    assert done.times("snapshot") == [F(0), F(3, 5), F(8, 5), F(13, 5)]
    apart = SnapshotRequest(count=4, interval=F(1, 2), accuracy="keyframe")
    assert work(path, apart, tmp_path / "apart").ordinals("snapshot") in (
        [0, 0, 25, 25], [0, 0, 25, 50], [0, 25, 25, 50], [0, 25, 25, 25],
    )  # fmt: skip
    named = SnapshotRequest(at=(F(0), F(1, 10), F(2)), accuracy="keyframe")
    assert work(path, named, tmp_path / "named").ordinals("snapshot") == [0, 0, 50]


def test_no_time_within_the_video(tmp_path: Path) -> None:
    for request in (SnapshotRequest(offset=F(4)), SnapshotRequest(at=(F(5),))):
        with pytest.raises(NoFrameAtTarget):
            work(path_of("h264-mp4-bpyramid"), request, tmp_path)
    thumbnails = ThumbnailRequest(rule="at", at=(F(100),))
    with pytest.raises(NoFrameAtTarget):
        work(path_of("h264-mp4-bpyramid"), thumbnails, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_quality_of_the_order(tmp_path: Path) -> None:
    sizes = []
    for quality in (20, 90):
        done = work(path_of(FILMS[0]), SnapshotRequest(), tmp_path / str(quality), quality=quality)
        sizes.append((done.folder / "snapshot-00001.jpg").stat().st_size)
        with Image.open(done.folder / "snapshot-00001.jpg") as image:
            # libjpeg's scale of the tables in the JPEG standard, annex K; the first entry is 16.
            scale = 5000 / quality if quality < 50 else 200 - 2 * quality
            assert image.quantization[0][0] == max(1, int(16 * scale + 50) // 100)  # type: ignore[attr-defined]
    assert sizes[0] < sizes[1]


def test_limits_hold(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded):
        work(path_of(FILMS[0]), IngestRequest(), tmp_path, limits=Limits(max_pixels=1000))
    with pytest.raises(InvalidField):
        work(path_of(FILMS[0]), SnapshotRequest(interval=F(1, 10**6)), tmp_path)


@st.composite
def requests(draw: st.DrawFn) -> SnapshotRequest:
    seconds = st.fractions(0, 6, max_denominator=100)
    return SnapshotRequest(
        offset=draw(seconds),
        at=tuple(draw(st.lists(seconds, max_size=4))),
        count=draw(st.none() | st.integers(1, 9)),
        interval=draw(st.none() | st.just(F(0)) | st.fractions(F(1, 4), 3, max_denominator=50)),
        width=draw(st.none() | st.integers(30, 60)),
        accuracy=draw(st.sampled_from(["exact", "keyframe"])),
        kind=draw(st.sampled_from(["normal", "webvtt"])),
        sprite=draw(
            st.none()
            | st.builds(
                SpriteRequest,
                columns=st.integers(1, 4),
                lines=st.integers(1, 3),
                padding=st.integers(0, 3),
                margin=st.integers(0, 3),
                keep_cells=st.booleans(),
                cell_width=st.none() | st.integers(30, 50),
            )
        ),
    )


@given(request=requests())
@settings(max_examples=60)
def test_any_request(request: SnapshotRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As many pictures as times within the video, in order; what is said survives the way back."""
    name = "h264-mp4-bpyramid"
    try:
        done = work(path_of(name), request, tmp_path_factory.mktemp("any"))
    except NoFrameAtTarget:
        assert all(time >= 4 for time in request.at) and (request.at or request.offset >= 4)
        return
    assert made_from_json(made_to_json(done.made)) == done.made
    kind = "snapshot" if request.kind == "normal" else "track_picture"
    times = [time for time in done.times(kind) if time is not None]
    assert times == sorted(times) and all(time < 4 for time in times) and times
    if request.accuracy == "exact":
        assert done.ordinals(kind) == shown(name, times)
    if request.sheets is not None:
        cells = request.sheets.columns * request.sheets.lines
        assert len(done.files("sprite")) == -(-len(times) // cells)
        assert len(done.files("sprite_cell")) == len(times) * request.sheets.keep_cells


# -- thumbnails -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "times", "names"),
    [
        ({"rule": "every", "every": 1}, [0, 1, 2, 3, 4], ["0", "1", "2", "3", "4"]),
        ({"rule": "every"}, [0, 4], ["0", "4"]),
        ({"rule": "at", "at": (F(3), F(1), F(3, 2), F(8))}, [1, F(3, 2), 3], ["1", "1_2", "3"]),
        ({"rule": "count", "count": 3}, [0, F(4, 3), F(8, 3)], ["0", "1", "2"]),
        ({"rule": "count", "count": 9, "spacing": 2}, [0, 2], ["0", "2"]),
    ],
)
def test_thumbnails(
    asked: dict[str, Any], times: list[Fraction], names: list[str], tmp_path: Path
) -> None:
    name = "h264-mp4-bpyramid"
    done = work(path_of(name), ThumbnailRequest(**asked), tmp_path)
    assert done.times("thumbnail") == times
    assert [file.name for file in done.files("thumbnail")] == names
    assert done.ordinals("thumbnail") == shown(name, times)
    assert {(f.width, f.height) for f in done.files("thumbnail")} == {(480, 288)}
    assert done.made.cover == ("thumbnail", 1)


@pytest.mark.parametrize(("position", "number"), [(1, 1), (3, 3), (5, 5), (6, 5), (10**9, 5)])
def test_the_position_of_the_cover(position: int, number: int, tmp_path: Path) -> None:
    request = ThumbnailRequest(rule="every", every=1, cover_position=position)
    done = work(path_of("h264-mp4-bpyramid"), request, tmp_path)
    assert done.made.cover == ("thumbnail", number)


@pytest.mark.parametrize(
    ("name", "asked", "size"),
    [("rotate90", {}, (288, 480)), ("rotate90", {"wide": True}, (480, 270)),
     ("h264-mp4-bpyramid", {"longest_side": 100}, (100, 60))],
)  # fmt: skip
def test_sizes_of_thumbnails(
    name: str, asked: dict[str, Any], size: tuple[int, int], tmp_path: Path
) -> None:
    done = work(path_of(name), ThumbnailRequest(rule="count", count=1, **asked), tmp_path)
    (file,) = done.files("thumbnail")
    assert (file.width, file.height) == size
    assert done.ordinals("thumbnail") == [0]


# -- smart covers ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jpg", "png"])
def test_smart_covers_are_the_engines(form: Any, tmp_path: Path) -> None:
    request = SmartCoverRequest(format=form, count=2, set_cover=form == "png")
    done = work(dark_start(), request, tmp_path)
    with snapengine.open(dark_start()) as video:
        covers = video.covers(count=2)
    files = done.files("smart")
    assert [file.score for file in files] == [cover.score for cover in covers]
    assert [float(file.time or 0) for file in files] == [cover.time for cover in covers]
    for file, cover in zip(files, covers, strict=True):
        difference = np.abs(done.pixels(file).astype(int) - cover.to_ndarray()).mean()
        assert difference == 0 if form == "png" else 0 < difference < 4
    assert done.made.cover == (("smart", 1) if form == "png" else None)


def test_a_moving_cover(tmp_path: Path) -> None:
    done = work(dark_start(), SmartCoverRequest(format="gif", set_cover=True), tmp_path)
    (file,) = done.files("smart")
    assert done.pixels(file).max() < 20, "a video this short is shown whole"
    with Image.open(done.folder / file.file) as image:
        image.seek(image.n_frames - 1)  # type: ignore[attr-defined]
        assert 40 <= read_ordinal(np.asarray(image.convert("RGB"))) < 80
    assert done.made.cover == ("smart", 1)


# -- cost -----------------------------------------------------------------------------------


def test_a_video_is_opened_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened = []
    init = Video.__init__

    def count(self: Video, *args: Any, **given: Any) -> None:
        opened.append(self)
        init(self, *args, **given)

    monkeypatch.setattr(Video, "__init__", count)
    work(dark_start(), IngestRequest(cover_choice="head"), tmp_path)
    assert len(opened) == 1
