"""The cover set's labels are consistent, and generated videos show what their labels say."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.conftest import real_media_folder, required

from . import cover_set
from .cover_defects import CARDS
from .cover_judge import DIFFERENT, Film, film, judge, judge_times
from .cover_recipes import VIDEOS, Video
from .cover_scenes import DRAWINGS
from .cover_set import BAD, GOOD, Labelled, Span, labels

RGB = npt.NDArray[np.uint8]

DRAWN = [video for video in VIDEOS if video.scenes <= set(DRAWINGS)]
"""What can be made without any real clip."""


def _video(name: str) -> Video:
    return next(video for video in DRAWN if video.name == name)


def test_there_are_enough_videos_and_a_third_is_set_aside() -> None:
    every = labels().values()
    held = [video for video in every if video.held_out]
    assert len(every) >= 72
    assert sum(bool(video.clip) for video in every) >= 14
    assert 0.3 <= len(held) / len(every) <= 0.4


@pytest.mark.parametrize("held_out", [False, True])
def test_both_parts_hold_every_kind_of_defect(held_out: bool) -> None:
    part = [video for video in labels().values() if video.held_out is held_out]
    seen = {kind for video in part for kind in video.defects}
    assert seen == BAD
    for kind in BAD:
        assert sum(kind in video.defects for video in part) >= 2, kind


@pytest.mark.parametrize("name", list(labels()))
def test_labels_are_consistent(name: str) -> None:
    video = labels()[name]
    assert video.spans[0].start == 0
    for first, second in itertools.pairwise(video.spans):
        assert first.end == second.start
    for span in video.spans:
        assert span.end > span.start
        assert span.label in GOOD | BAD
        assert span.shot
    good = [span for span in video.spans if span.good]
    assert good, "nothing to choose"
    assert 1 <= video.different <= 3


@pytest.mark.parametrize("video", VIDEOS, ids=lambda video: video.name)
def test_the_file_says_what_the_script_says(video: Video) -> None:
    entry = json.loads(cover_set.LABELS_FILE.read_text())["videos"][video.name]
    assert entry == cover_set.entry_of(video), "python -m tests.media.cover_set --write"
    good = sum(end - start for start, end, label, _ in video.spans() if label in GOOD)
    assert 0.2 <= 1 - good / video.frames <= 0.8, "a fifth to four fifths is bad"


@pytest.mark.parametrize("name", [name for name, video in labels().items() if video.clip])
def test_labels_of_a_clip_end_where_it_ends(name: str) -> None:
    video = labels()[name]
    path = real_media_folder() / video.clip
    if not path.exists():
        if required("media"):
            pytest.fail(f"{video.clip} is not in {real_media_folder()} (see SNAPENGINE_MEDIA)")
        pytest.skip(f"no {video.clip}")
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        shown = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
    # Frames that cannot be decoded before the first whole one, and an edit list, shorten it.
    length = float((max(shown) - min(shown)) * stream.time_base)
    assert video.spans[-1].start < length
    assert length - 1.3 < video.seconds < length + 1.2


def test_no_scene_is_in_both_parts() -> None:
    shown: dict[bool, set[str]] = {False: set(), True: set()}
    for video in VIDEOS:
        shown[video.held_out] |= video.scenes
    clips = {part: set().union(*map(_clips, shown[part])) for part in (False, True)}
    for video in labels().values():
        if video.clip:
            clips[video.held_out].add(video.clip)
    assert not clips[False] & clips[True]


def _clips(scene: str) -> set[str]:
    entry = cover_set.SCENES[scene]
    return {entry} if isinstance(entry, str) else {entry.file}


def test_without_the_clips_the_drawn_videos_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cover_set, "media_folder", lambda: None)
    left = set(labels()) - set(cover_set.missing())
    assert left == {video.name for video in DRAWN}
    with pytest.raises(FileNotFoundError):
        cover_set.path("real-dog")


def test_the_labels_file_is_as_the_writer_leaves_it() -> None:
    text = cover_set.LABELS_FILE.read_text()
    assert cover_set._as_text(json.loads(text)) == text


def test_a_sheet_shows_good_and_bad_frames(tmp_path: Path) -> None:
    assert cover_set.main(["-o", str(tmp_path), "flashes-on-keys"]) == 0
    with Image.open(tmp_path / "flashes-on-keys.jpg") as image:
        sheet = np.asarray(image.convert("RGB")).astype(int)
    red = (sheet[:, :, 0] > 180) & (sheet[:, :, 1:].max(axis=2) < 110)
    green = (sheet[:, :, 1] > 150) & (sheet[:, :, 0] < 100) & (sheet[:, :, 2] < 130)
    assert red.sum() > 5_000 and green.sum() > 5_000


# --- what is really to be seen -------------------------------------------------------------------


def _shown(name: str) -> Iterator[tuple[Span, RGB, bool]]:
    """(label, picture, keyframe?) of every frame, decoded one after the other."""
    video = labels()[name]
    with av.open(str(cover_set.path(name))) as container:
        for frame in container.decode(video=0):
            yield video.at(float(frame.time)), frame.to_ndarray(format="rgb24"), frame.key_frame


def _edges(picture: RGB) -> float:
    """Mean size of the steps between neighbours: falls with blur."""
    grey = picture.astype(np.float64).mean(axis=2)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())


def test_flashes_are_white_and_lie_on_keyframes() -> None:
    levels: dict[str, list[float]] = {}
    keys = []
    for span, picture, key in _shown("flashes-on-keys"):
        levels.setdefault(span.label, []).append(float(picture.mean()))
        if key:
            keys.append(span.label)
    assert min(levels["flash"]) > 225
    assert max(levels["black"]) < 8
    assert min(levels["good"]) > 60 and max(levels["good"]) < 200
    assert keys.count("flash") == 6 and "good" not in keys


def test_dissolves_hold_both_pictures_and_their_keyframes() -> None:
    video = labels()["dissolves-on-keys"]
    frames = list(_shown("dissolves-on-keys"))
    assert {span.label for span, _, key in frames if key} == {"good", "dissolve"}
    number = next(
        number for number, (span, _, key) in enumerate(frames) if key and span.label == "dissolve"
    )
    span = frames[number][0]
    place = video.spans.index(span)
    before = next(p for s, p, _ in frames if s == video.spans[place - 1])
    after = next(p for s, p, _ in frames if s == video.spans[place + 2])
    middle = (before.astype(np.float64) + after) / 2
    # Both pictures move a little on the way, so the mixture is near the mean, and far from either.
    away = [
        float(np.abs(frames[number][1] - other.astype(np.float64)).mean())
        for other in (middle, before, after)
    ]
    assert away[0] < 0.6 * min(away[1:])


def test_a_fade_counts_as_good_from_three_quarters_on() -> None:
    video = _video("slow-fades")
    levels = [float(picture.mean()) for _, picture, _ in _shown("slow-fades")]
    spans = labels()["slow-fades"].spans
    first = round(spans[0].end * video.rate)  # the first good frame
    full = max(levels[: round(5 * video.rate)])
    assert levels[0] < 5
    assert 0.68 < levels[first] / full < 0.82
    assert spans[0].label == "fade" and spans[1].label == "good"


@pytest.mark.parametrize("kind", ["blur1", "blur2", "blur3", "whip"])
def test_blur_takes_the_edges_away(kind: str) -> None:
    from . import cover_defects as worse
    from .cover_scenes import picture

    sharp = picture("city", 1.0, (480, 270))
    soft = worse.whipped(sharp, 0.16, 0.3) if kind == "whip" else None
    soft = worse.blurred(sharp, worse.BLURS[kind]) if soft is None else soft
    assert _edges(soft) < 0.5 * _edges(sharp)
    assert abs(float(soft.mean()) - float(sharp.mean())) < 6


@pytest.mark.parametrize("kind", list(CARDS))
def test_cards_have_their_size_and_are_never_a_scene(kind: str) -> None:
    label, card = CARDS[kind]
    picture = card((320, 180), 1, 0.4)
    assert picture.shape == (180, 320, 3) and picture.dtype == np.uint8
    assert label in BAD
    if label == "black":
        assert picture.max() < 12
    if label == "bars":
        assert np.ptp(picture.reshape(-1, 3).astype(int), axis=1).max() > 150  # saturated


# --- the judge -----------------------------------------------------------------------------------


def _toy(different: int = 2) -> tuple[Labelled, Film]:
    """Ten frames, one a second: black, then one shot that changes, then another shot."""
    spans = (Span(0, 4, "black", "black"), Span(4, 8, "good", "a"), Span(8, 10, "good", "b"))
    thumbs = np.zeros((10, 18, 32, 3), np.uint8)
    thumbs[:, :, :, 1:] = 128
    for number, level in enumerate([0, 0, 0, 0, 60, 60, 70, 90, 92, 92]):
        thumbs[number, :, :, 0] = level
    return Labelled("toy", "", False, different, spans), Film(np.arange(10.0), thumbs, False)


@pytest.mark.parametrize(
    ("at", "good", "enough"),
    [
        ((4.0, 8.0, 5.0), True, True),  # two shots are two things
        ((4.0, 5.0, 4.0), True, False),  # one picture three times
        ((4.0, 7.0, 5.0), True, True),  # one shot, but changed by 10 on average
        ((4.0, 6.0, 5.0), True, False),  # changed by 3.3: the same
        ((7.0, 8.0), True, True),  # alike, but of two shots
        ((4.0,), True, False),
        ((4.0, 8.0, 3.0), False, True),
    ],
)
def test_three_choices_are_judged(at: tuple[float, ...], good: bool, enough: bool) -> None:
    video, whole = _toy()
    verdict = judge_times(video, whole, at)
    assert (verdict.all_good, verdict.enough_different) == (good, enough)
    assert verdict.passed == (good and enough)


def test_a_choice_is_known_by_its_picture_when_its_time_is_wrong() -> None:
    video, whole = _toy()
    grey = np.full((40, 60, 3), 60, np.uint8)
    assert judge(video, whole, [(0.0, grey)]).at == (4.0,)  # the clock was off by four seconds
    assert judge(video, whole, [(5.2, grey)]).at == (5.0,)  # of two alike the one it names
    assert judge(video, whole, [(9.4, None)]).spans[0].shot == "b"
    assert 3.4 < DIFFERENT < 10


def test_a_film_holds_every_frame() -> None:
    video = _video("flashes-on-keys")
    whole = film(cover_set.path(video.name))
    assert len(whole.times) == video.frames
    assert not whole.turned
    assert whole.times[0] == 0 and np.all(np.diff(whole.times) > 0)
