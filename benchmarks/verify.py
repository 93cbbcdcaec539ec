"""Is it the right frame? Every output is compared with a sequential decode before its time counts.

The loop each corpus file repeats is decoded once, from its first packet to its last, with the
decoder's defaults, and a small luma picture of every frame is kept. What a contestant shows for a
time is matched against the frames around the wanted one and the keyframes near it; it is *right*
when none of them fits better than the wanted one. Compared is luma, with the matrix (BT.601 or
BT.709) that fits the contestant best: the clip is untagged and tools differ in what they assume.

In a ranking the choice is the contestant's own. There a picture is right when of all frames of the
file none fits better than the one it says it is, and that one was not shown before.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.corpus import CorpusFile, FrameTable, _write
from benchmarks.jobs import CoverJob, Job, Outcome, RankingJob, SnapshotsJob, SpriteJob

__all__ = ["Verdict", "expected", "verify"]

CELL = (160, 90)
NEIGHBOURS = 4  # frames on each side of the wanted one that are told apart
# A frame counts as fitting better when it is closer by more than this, in levels of 255. Still
# pictures repeat almost exactly; JPEG and four kinds of scalers differ by about half a level.
TIE_LEVELS = 0.4
KEYFRAME_REACH_SECONDS = 25
# A picture further than this from the frame it says it is, is not made of that frame.
SAME_LEVELS = 2.0
UNLIKE_LEVELS = 10.0  # further than this from every candidate: not from around here at all
_LUMA = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722)}


@dataclass(kw_only=True, slots=True)
class Verdict:
    """What a contestant showed, over all cells of one job.

    ``off_frames`` counts shown frames minus wanted frames, for those that are wrong; ``covered``
    counts cells within half the spacing of the time asked; in a ranking, different pictures (the
    corpus repeats a clip, so different frames may look the same). ``difference`` is the mean
    absolute luma difference to the wanted frame, ``psnr`` the same in dB, at the size compared.
    """

    cells: int = 0
    right: int = 0
    covered: int = 0
    unlike: int = 0
    off_frames: list[int] = field(default_factory=list)
    difference_median: float | None = None
    difference_worst: float | None = None
    psnr_median: float | None = None
    psnr_worst: float | None = None
    matrix: str | None = None
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.right == self.cells and self.cells > 0

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok, "off_frames": self.off_frames[:20]}


def expected(table: FrameTable, job: Job) -> list[int]:
    """pts of the frame wanted for each time of the job, in the job's order."""
    if isinstance(job, CoverJob):
        return [table.keyframe_near(job.at)]
    if isinstance(job, RankingJob):
        return [table.keyframe_near(seconds) for seconds in job.times]
    if isinstance(job, SnapshotsJob) or job.accuracy == "exact":
        return [table.frame_at(seconds) for seconds in job.times]
    wanted = []
    for seconds in job.times:
        key = table.keyframe_near(seconds)
        near = job.accuracy == "keyframe" or _apart(table, key, seconds) <= float(job.accuracy)
        wanted.append(key if near else table.frame_at(seconds))
    return wanted


def _apart(table: FrameTable, pts: int, seconds: float) -> float:
    return abs(table.to_seconds(pts) - seconds)


def verify(file: CorpusFile, job: Job, outcome: Outcome) -> Verdict:
    """Compare what came out with what the file really shows at these times."""
    wanted = expected(file.table, job)
    times = [job.at] if isinstance(job, CoverJob) else list(job.times)
    if outcome.kind == "nothing":
        return _by_stamps(file.table, wanted, outcome)
    if isinstance(job, RankingJob):
        return _ranking(file, job, outcome)
    pictures = _pictures(job, outcome)
    verdict = Verdict(cells=len(wanted))
    if len(pictures) != len(wanted):
        verdict.note = f"{len(pictures)} pictures instead of {len(wanted)}"
        return verdict
    truth = _truth(file, job, wanted)
    small = [_small(picture) for picture in pictures]
    verdict.matrix = _matrix(small, wanted, truth)
    weights = _LUMA[verdict.matrix]
    differences = []
    for seconds, pts, picture in zip(times, wanted, small, strict=True):
        luma = _luma(picture, weights)
        around = _around(file.table, seconds, pts)
        levels = {other: _levels(luma, truth.small(other)) for other in around}
        best = min(levels, key=lambda other: levels[other])
        differences.append(levels[pts])
        if levels[best] > UNLIKE_LEVELS:
            verdict.unlike += 1
            continue
        shown = pts if levels[pts] <= levels[best] + TIE_LEVELS else best
        if shown == pts:
            verdict.right += 1
        else:
            verdict.off_frames.append(round((shown - pts) / file.table.frame_ticks))
        spacing = job.step / 2 if isinstance(job, SpriteJob) else 1.0
        verdict.covered += _apart(file.table, shown, seconds) <= max(spacing, 1.0)
    verdict.difference_median = round(float(np.median(differences)), 3)
    verdict.difference_worst = round(float(np.max(differences)), 3)
    _add_psnr(verdict, job, pictures, small, wanted, truth, weights)
    return verdict


def _ranking(file: CorpusFile, job: RankingJob, outcome: Outcome) -> Verdict:
    """Frames of the file, those they are said to be, and no frame twice."""
    verdict = Verdict(cells=job.count)
    pictures, said = [_decoded(jpeg) for jpeg in outcome.jpegs or []], outcome.shown or []
    if not len(pictures) == len(said) == job.count:
        verdict.note = f"{len(pictures)} pictures and {len(said)} times instead of {job.count}"
        return verdict
    sizes = {picture.shape[:2] for picture in pictures}
    height = round(job.width * file.recipe.height / file.recipe.width)
    if sizes != {(height, job.width)}:
        verdict.note = f"sizes {sizes} instead of {(height, job.width)}"
        return verdict
    table, truth = file.table, _truth(file, job, [])
    shown = [int(table.shown[np.abs(table.shown - table.to_pts(at)).argmin()]) for at in said]
    small = [_small(picture) for picture in pictures]
    verdict.matrix = _matrix(small, shown, truth)
    weights = _LUMA[verdict.matrix]
    differences = []
    for number, (at, pts, picture) in enumerate(zip(said, shown, small, strict=True)):
        levels = truth.levels(_luma(picture, weights))
        own = float(levels[truth.place(pts)])
        differences.append(own)
        verdict.unlike += bool(levels.min() > UNLIKE_LEVELS)
        is_it = own <= min(SAME_LEVELS, float(levels.min()) + TIE_LEVELS)
        on_time = _apart(table, pts, at) < table.frame_seconds / 2
        verdict.right += is_it and on_time and pts not in shown[:number]
    verdict.covered = len({truth.place(pts) for pts in shown})
    verdict.difference_median = round(float(np.median(differences)), 3)
    verdict.difference_worst = round(float(np.max(differences)), 3)
    _add_psnr(verdict, job, pictures, small, shown, truth, weights)
    if verdict.covered < job.count:
        verdict.note = f"{verdict.covered} of {job.count} different pictures"
    return verdict


def _by_stamps(table: FrameTable, wanted: list[int], outcome: Outcome) -> Verdict:
    """The limits throw pictures away: they are checked by the stamps of the frames that came."""
    shown = {round(table.to_pts(seconds)) for seconds in outcome.shown or []}
    need = set(wanted)
    right = len(need & shown)
    return Verdict(cells=len(need), right=right, covered=right, note="checked by pts")


# -- what came out -----------------------------------------------------------------------------


def _pictures(job: Job, outcome: Outcome) -> list[np.ndarray]:
    if outcome.pictures is not None:
        return outcome.pictures
    assert outcome.jpeg is not None
    page = _decoded(outcome.jpeg)
    if isinstance(job, CoverJob):
        return [page]
    assert isinstance(job, SpriteJob)
    width, height = job.cell
    cells = []
    for number in range(len(job.times)):
        row, column = divmod(number, job.columns)
        top, left = row * height, column * width
        cell = page[top : top + height, left : left + width]
        if cell.shape[:2] == (height, width):
            cells.append(cell)
    return cells


def _decoded(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def _small(picture: np.ndarray) -> np.ndarray:
    if picture.shape[:2] == (CELL[1], CELL[0]):
        return picture
    return np.asarray(Image.fromarray(picture).resize(CELL, Image.Resampling.BOX))


def _luma(picture: np.ndarray, weights: tuple[float, float, float]) -> np.ndarray:
    return picture.astype(np.float32) @ np.asarray(weights, np.float32)


def _levels(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.mean(np.abs(one - other.astype(np.float32))))


def _matrix(small: list[np.ndarray], wanted: list[int], truth: _Truth) -> str:
    """The matrix this contestant seems to have used: the one that gives the luma back."""

    def cost(name: str) -> float:
        return float(
            np.median(
                [
                    _levels(_luma(picture, _LUMA[name]), truth.small(pts))
                    for picture, pts in zip(small, wanted, strict=True)
                ]
            )
        )

    return min(_LUMA, key=cost)


def _add_psnr(
    verdict: Verdict,
    job: Job,
    pictures: list[np.ndarray],
    small: list[np.ndarray],
    wanted: list[int],
    truth: _Truth,
    weights: tuple[float, float, float],
) -> None:
    """At full size where the job delivers that, else at cell size."""
    values = []
    full = isinstance(job, SnapshotsJob)
    for number, pts in enumerate(wanted):
        if full:
            luma, other = _luma(pictures[number], weights), truth.full(pts)
            if luma.shape != other.shape:
                verdict.note = f"size {luma.shape} instead of {other.shape}"
                return
        else:
            luma, other = _luma(small[number], weights), truth.small(pts)
        error = float(np.mean((luma - other.astype(np.float32)) ** 2))
        values.append(99.0 if error < 1e-9 else min(99.0, 10 * np.log10(255**2 / error)))
    verdict.psnr_median = round(float(np.median(values)), 1)
    verdict.psnr_worst = round(float(np.min(values)), 1)


# -- the truth ---------------------------------------------------------------------------------


class _Truth:
    """Luma, full range, of the frames of one loop: small ones of all, full ones of those wanted."""

    def __init__(self, table: FrameTable, small: np.ndarray, full: dict[int, np.ndarray]) -> None:
        self._table, self._small, self._full = table, small, full

    def place(self, pts: int) -> int:
        return int(np.searchsorted(self._table.shown, pts)) % len(self._small)

    def small(self, pts: int) -> np.ndarray:
        picture: np.ndarray = self._small[self.place(pts)]
        return picture

    def full(self, pts: int) -> np.ndarray:
        return self._full[self.place(pts)]

    def levels(self, luma: np.ndarray) -> np.ndarray:
        """How far a small luma picture is from each frame of the loop, by place."""
        return np.array([_levels(luma, picture) for picture in self._small])


def _around(table: FrameTable, seconds: float, wanted: int) -> list[int]:
    """What may have been shown: neighbours of the wanted and the exact frame, keyframes near."""
    chosen = set()
    for pts in (wanted, table.frame_at(seconds)):
        place = int(np.searchsorted(table.shown, pts))
        chosen.update(table.shown[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1].tolist())
    keys = table.key_pts
    near = np.abs(keys - table.to_pts(seconds)) <= float(KEYFRAME_REACH_SECONDS / table.time_base)
    chosen.update(keys[near].tolist())
    return sorted(int(pts) for pts in chosen)


def _truth(file: CorpusFile, job: Job, wanted: list[int]) -> _Truth:
    """From the sequential decode, kept beside the corpus file for the next run."""
    loop = file.table.loop_frames()
    full: set[int] = set()
    if isinstance(job, SnapshotsJob):
        full = {int(np.searchsorted(file.table.shown, pts)) % loop for pts in wanted}
    said = json.dumps([loop, sorted(full), CELL, file.path.name, 3])
    digest = hashlib.sha256(said.encode()).hexdigest()[:12]
    note = file.path.with_suffix(f"{file.path.suffix}.truth-{digest}.npz")
    if not note.exists():
        _write(note, lambda part: _decode_truth(file, loop, full, part))
    with np.load(note) as kept:
        whole = dict(zip(kept["places"].tolist(), kept["full"], strict=True))
        return _Truth(file.table, kept["small"], whole)


def _decode_truth(file: CorpusFile, loop: int, full: set[int], part: Path) -> None:
    import av

    small, whole = [], {}
    with av.open(str(file.path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for place, frame in enumerate(container.decode(stream)):
            if place == loop:
                break
            assert frame.pts == file.table.shown[place], "a frame of the loop did not come out"
            luma = _full_range_luma(frame)
            image = Image.fromarray(luma).resize(CELL, Image.Resampling.BOX)
            small.append(np.asarray(image))
            if place in full:
                whole[place] = luma
    with part.open("wb") as out:
        np.savez(
            out,
            small=np.stack(small),
            places=np.array(list(whole), np.int64),
            full=np.stack(list(whole.values())) if whole else np.zeros((0, 1, 1), np.uint8),
        )


def _full_range_luma(frame: Any) -> np.ndarray:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height]
    luma = rows[:, : frame.width].astype(np.float32)
    return np.clip((luma - 16) * (255 / 219) + 0.5, 0, 255).astype(np.uint8)
