"""snapengine itself, called as its documentation says."""

from __future__ import annotations

from typing import Any

from benchmarks.jobs import CoverJob, Outcome, RankingJob, SnapshotsJob, SpriteJob
from benchmarks.rivals.base import Contestant

__all__ = ["Engine"]


class Engine(Contestant):
    recipe = "snapengine.open(path), defaults"

    def version(self) -> str:
        import snapengine

        return str(getattr(snapengine, "__version__", "unreleased"))

    def cover(self, job: CoverJob) -> Outcome:
        with _open(job.path) as video:
            shot = video.snapshot(job.at, width=job.width, accuracy="keyframe")
            jpeg = shot.jpeg(quality=job.quality)
        return Outcome(jpeg=jpeg, shown=[float(shot.time)], counters=_counters(video, shot))

    def snapshots(self, job: SnapshotsJob) -> Outcome:
        pictures, shown = [], []
        shot = None
        with _open(job.path) as video:
            for shot in video.snapshots(at=list(job.times)):
                pictures.append(shot.to_ndarray())
                shown.append(float(shot.time))
        return Outcome(pictures=pictures, shown=shown, counters=_counters(video, shot))

    def sprite(self, job: SpriteJob) -> Outcome:
        with _open(job.path) as video:
            sheet = video.sprite(
                at=list(job.times),
                cell=job.cell,
                columns=job.columns,
                rows=job.rows,
                accuracy=job.accuracy,
            )
            jpeg = sheet.pages[0].jpeg(quality=job.quality)
        shown = [float(cue.time) for cue in sheet.cues]
        return Outcome(jpeg=jpeg, shown=shown, counters=_counters(video, sheet))

    def ranking(self, job: RankingJob) -> Outcome:
        with _open(job.path) as video:
            covers = video.covers(count=job.count, width=job.width)
            jpegs = [cover.jpeg(quality=job.quality) for cover in covers]
        shown = [float(cover.time) for cover in covers]
        return Outcome(jpegs=jpegs, shown=shown, counters=_counters(video, covers[0]))


def _open(path: str) -> Any:
    """A file, or a URL of this machine: those are refused unless allowed."""
    import snapengine

    if "://" in path:
        return snapengine.open(path, network=snapengine.Network(allow_private=True))
    return snapengine.open(path)


def _counters(video: Any, result: Any) -> dict[str, Any]:
    """The counters the engine reports with a result, as plain numbers.

    What came over the network includes what opening fetched, which ``video.stats`` has.
    """
    stats = getattr(result, "stats", None)
    if stats is None:
        return {}
    counters = dict(stats.as_dict())
    for name in ("requests", "bytes_fetched"):
        counters[name] += getattr(video.stats, name)
    return counters
