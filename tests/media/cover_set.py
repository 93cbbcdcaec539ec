"""The cover set: videos with their good and bad moments labelled, to judge a choice of covers by.

    python -m tests.media.cover_set -o DIR     # one sheet per video, its frames framed by label
    python -m tests.media.cover_set --write    # labels of the generated videos, from their scripts

``cover_labels.json`` holds the labels. Those of real clips were made by eye and are edited there;
those of generated videos follow from the scripts in ``cover_recipes.py``, a test compares. Times
are seconds after the first frame that comes out of a sequential decode; spans are half-open.

Rules the labels follow:

- What is not clearly bad is good. Bad is: black, blur, motion, flash, fade, dissolve, bars, text,
  plain, logo, dark, noise. A good picture with subtitles or a title over it is "subtitled" and
  counts as good.
- ``shot`` names what is seen. Two good choices are different when their shots differ, or when
  their thumbnails do (:func:`tests.media.cover_judge.differ`).
- ``different`` is how many different good things the video has, at most three: so many different
  ones are asked of three choices. A single shot of one thing counts once, however the camera moves.
- ``held_out`` videos show none of what the others show (the scene or clip decides, see
  ``cover_scenes.SCENES``; all clips of one film are on one side). Nothing may be tuned to them.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from . import cover_film
from .cover_recipes import VIDEOS, Video
from .cover_scenes import SCENES, Excerpt, media_folder, prepare

__all__ = [
    "BAD", "GOOD", "LABELS_FILE", "Labelled", "Span", "build_all", "labels", "missing", "path",
]  # fmt: skip

LABELS_FILE = Path(__file__).with_name("cover_labels.json")
GOOD = frozenset({"good", "subtitled"})
BAD = frozenset({"black", "blur", "motion", "flash", "fade", "dissolve", "bars", "text", "plain",
                 "logo", "dark", "noise"})  # fmt: skip

_SCRIPTS = {video.name: video for video in VIDEOS}


@dataclass(frozen=True, slots=True)
class Span:
    start: float
    end: float
    label: str
    shot: str

    @property
    def good(self) -> bool:
        return self.label in GOOD


@dataclass(frozen=True, slots=True)
class Labelled:
    """One video of the set. ``clip`` is its file in the media folder, empty if generated."""

    name: str
    clip: str
    held_out: bool
    different: int
    spans: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        return self.spans[-1].end

    @property
    def defects(self) -> frozenset[str]:
        return frozenset(span.label for span in self.spans) - GOOD

    def at(self, seconds: float) -> Span:
        """What is seen at a time; before the first and after the last frame: those."""
        for span in self.spans:
            # Labels are rounded to milliseconds, times of frames are not.
            if seconds + 0.0006 < span.end:
                return span
        return self.spans[-1]


@functools.cache
def labels() -> dict[str, Labelled]:
    """Every video of the set, in the order of the file."""
    found = {}
    for name, entry in json.loads(LABELS_FILE.read_text())["videos"].items():
        spans = tuple(Span(*one) for one in entry["spans"])
        found[name] = Labelled(
            name, entry.get("clip", ""), entry["held_out"], entry["different"], spans
        )
    return found


def _clips(name: str) -> set[str]:
    """The real files a video is or is made from."""
    if name not in _SCRIPTS:
        return {labels()[name].clip}
    scenes = (SCENES[scene] for scene in _SCRIPTS[name].scenes)
    return {scene.file for scene in scenes if isinstance(scene, Excerpt)}


def missing() -> list[str]:
    """The videos that cannot be had here because a real clip is not at hand."""
    folder = media_folder()
    return [
        name
        for name in labels()
        if any(folder is None or not (folder / clip).exists() for clip in _clips(name))
    ]


def path(name: str) -> Path:
    """The file of a video, made if need be. FileNotFoundError if a real clip is missing."""
    if name in _SCRIPTS:
        return cover_film.build(_SCRIPTS[name])
    folder = media_folder()
    clip = labels()[name].clip
    if folder is None or not (folder / clip).exists():
        raise FileNotFoundError(f"{clip}: no such clip")
    return folder / clip


def build_all(workers: int = 2) -> dict[str, Path]:
    """Every file that can be had, by name. New ones are made by so many processes."""
    names = [name for name in labels() if name not in set(missing())]
    prepare({
        scene
        for name in names
        if name in _SCRIPTS and not cover_film.film_path(_SCRIPTS[name]).exists()
        for scene in _SCRIPTS[name].scenes
    })  # fmt: skip
    # Long ones first, so that no process is left alone with one.
    order = sorted(names, key=lambda name: -labels()[name].seconds)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        made = dict(zip(order, pool.map(path, order), strict=True))
    return {name: made[name] for name in names}


# --- the labels file -----------------------------------------------------------------------------


def spans_of(video: Video) -> list[list[Any]]:
    """The labels of a generated video, as the file holds them."""

    def second(frame: int) -> float:
        return round(float(Fraction(frame, video.rate)), 3)

    return [[second(a), second(b), label, shot] for a, b, label, shot in video.spans()]


def entry_of(video: Video) -> dict[str, Any]:
    """A generated video's whole entry in the labels file."""
    spans = spans_of(video)
    shots = {shot for _, _, label, shot in spans if label in GOOD}
    return {"held_out": video.held_out, "different": min(3, len(shots)), "spans": spans}


def write_labels() -> None:
    """Put the entries of the generated videos into the file; those of real clips stay."""
    document = json.loads(LABELS_FILE.read_text())
    real = {name: entry for name, entry in document["videos"].items() if entry.get("clip")}
    document["videos"] = real | {video.name: entry_of(video) for video in VIDEOS}
    LABELS_FILE.write_text(_as_text(document))


def _as_text(document: dict[str, Any]) -> str:
    """JSON with a line for each span, to be read and edited by people."""
    blocks = []
    for name, entry in document["videos"].items():
        head = {key: value for key, value in entry.items() if key != "spans"}
        spans = ",\n".join(f"    {json.dumps(span)}" for span in entry["spans"])
        blocks.append(f'  "{name}": {json.dumps(head)[:-1]}, "spans": [\n{spans}\n  ]}}')
    notes = json.dumps(document["about"])
    return f'{{\n"about": {notes},\n"videos": {{\n' + ",\n".join(blocks) + "\n}\n}\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", metavar="DIR", type=Path, help="write a sheet per video here")
    parser.add_argument("--write", action="store_true", help="labels of generated videos anew")
    parser.add_argument("names", nargs="*", help="only these videos")
    asked = parser.parse_args(arguments)
    if asked.write:
        write_labels()
        labels.cache_clear()
    if asked.o:
        from .cover_sheets import write_sheet

        asked.o.mkdir(parents=True, exist_ok=True)
        for name in asked.names or [one for one in labels() if one not in set(missing())]:
            write_sheet(labels()[name], path(name), asked.o / f"{name}.jpg")
    for name in missing():
        print(f"left out, no clip: {name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
