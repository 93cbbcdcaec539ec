"""The limit: libavcodec decoding the packets a job needs, on the same cores, frames thrown away.

Nothing that delivers these frames can be faster with these decoder settings. One single-threaded
decoder per core takes one GOP after the other from a common queue. Packets are in memory before
the clock starts, so reading, seeking and opening are free; the variant ``reading`` pays for them.

The packets: for a keyframe job the nearest keyframe to each time, each once. For an exact one,
every packet from the keyframe to the wanted frame in decode order, then the decoder is drained.
Before the wanted frame non-reference frames are skipped (``skip_frame=NONREF`` changes no wanted
pixel); ``all-frames`` is the same without that. The loop filter stays on, as by default, except in
the variant named after it.

A ranking has two limits of its own: ``candidates`` are the keyframes the engine chooses from,
``decoded`` is everything it decodes, the closer look at its finalists and the covers included.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.corpus import FrameTable, _table
from benchmarks.jobs import CoverJob, Job, Outcome, RankingJob
from benchmarks.rivals.base import Contestant, NotOffered, cores

__all__ = ["Limit"]

# Codecs whose decoder heeds skip_frame from packet to packet (libdav1d reads it once, at opening).
_SKIPPABLE = {"h264", "hevc"}
_RECIPES = {
    "engine": "packets in memory, one decoder per core, NONREF before the target",
    "reading": "the same, with opening, seeking and reading inside the clock",
    "all-frames": "packets in memory, one decoder per core, every frame decoded",
    "no-loop-filter": "packets in memory, one decoder per core, NONREF, skip_loop_filter=all",
    "candidates": "packets in memory, one decoder per core, the engine's candidates",
    "decoded": "packets in memory, one decoder per core, all the packets the engine sends",
}
_OF_RANKING = ("candidates", "decoded")


@dataclass(frozen=True, slots=True)
class _Run:
    """Packets ``first`` to ``last`` in decode order; ``wanted`` pts among them."""

    first: int
    last: int
    wanted: frozenset[int]


class Limit(Contestant):
    def __init__(self, variant: str) -> None:
        self.variant = variant
        self.recipe = _RECIPES[variant]

    def version(self) -> str:
        codec = av.library_versions["libavcodec"]
        return f"libavcodec {'.'.join(map(str, codec))}"

    def prepare(self, job: Job) -> Any:
        if isinstance(job, RankingJob) != (self.variant in _OF_RANKING):
            raise NotOffered
        table = _table(Path(job.path))
        if isinstance(job, CoverJob):
            if self.variant != "engine":
                raise NotOffered
            return table
        if isinstance(job, RankingJob):
            runs = self._of_ranking(table, job)
        else:
            accuracy = getattr(job, "accuracy", "exact")
            if accuracy != "exact" and self.variant == "all-frames":
                raise NotOffered
            runs = _runs(table, job.times, accuracy)
        if self.variant == "reading":
            return table, runs
        with av.open(job.path) as container:
            stream = container.streams.video[0]
            work = [(run, list(_read(container, stream, table, run))) for run in runs]
        return table, work

    def run(self, job: Job, prepared: Any) -> Outcome:
        if isinstance(job, CoverJob):
            return self._cover(job, prepared)
        table, work = prepared
        queue = iter(list(work))
        lock = threading.Lock()
        shown: list[int] = []
        counts = {"packets_sent": 0, "frames_decoded": 0}

        def decode() -> None:
            with av.open(job.path) as container:
                stream = container.streams.video[0]
                skip = stream.codec_context.name in _SKIPPABLE and self.variant != "all-frames"
                self._set(stream)
                while True:
                    with lock:
                        item = next(queue, None)
                    if item is None:
                        return
                    if self.variant == "reading":
                        run, packets = item, _read(container, stream, table, item)
                    else:
                        run, packets = item
                    sent, frames, hits = _decode(stream.codec_context, run, packets, skip)
                    with lock:
                        shown.extend(hits)
                        counts["packets_sent"] += sent
                        counts["frames_decoded"] += frames

        threads = [threading.Thread(target=decode) for _ in range(cores())]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if isinstance(job, RankingJob):
            # Only the candidates are checked by their stamps later on.
            missing = {pts for run, _ in work for pts in run.wanted} - set(shown)
            assert not missing, f"{len(missing)} frames did not come out"
        return Outcome(shown=[table.to_seconds(pts) for pts in sorted(shown)], counters=counts)

    def _of_ranking(self, table: FrameTable, job: RankingJob) -> list[_Run]:
        if self.variant == "candidates":
            return _runs(table, job.times, "keyframe")
        place = {int(pts): number for number, pts in enumerate(table.pts)}
        return [_Run(place[s.first], place[s.last], frozenset(s.wanted)) for s in job.decoded]

    def _set(self, stream: Any) -> None:
        stream.codec_context.thread_count = 1
        stream.codec_context.thread_type = "NONE"
        if self.variant == "no-loop-filter":
            stream.codec_context.options = {"skip_loop_filter": "all"}

    def _cover(self, job: CoverJob, table: FrameTable) -> Outcome:
        """Open + decode of that frame alone: here opening and reading are always inside."""
        wanted = table.keyframe_near(job.at)
        where = int(np.flatnonzero(table.pts == wanted)[0])
        run = _Run(where, where, frozenset([wanted]))
        with av.open(job.path) as container:
            stream = container.streams.video[0]
            self._set(stream)
            packets = _read(container, stream, table, run)
            sent, frames, hits = _decode(stream.codec_context, run, packets, False)
        shown = [table.to_seconds(pts) for pts in hits]
        return Outcome(shown=shown, counters={"packets_sent": sent, "frames_decoded": frames})


def _runs(table: FrameTable, times: tuple[float, ...], accuracy: Any) -> list[_Run]:
    """What has to be decoded for these times."""
    place = {int(pts): number for number, pts in enumerate(table.pts)}
    keys = np.flatnonzero(table.key)
    if accuracy != "exact":
        wanted = sorted({_near(table, seconds, accuracy) for seconds in times})
    else:
        wanted = sorted({table.frame_at(seconds) for seconds in times})
    groups: dict[int, list[int]] = {}
    for pts in wanted:
        key = int(keys[np.searchsorted(keys, place[pts], side="right") - 1])
        groups.setdefault(key, []).append(pts)
    return [
        _Run(key, max(place[pts] for pts in group), frozenset(group))
        for key, group in sorted(groups.items())
    ]


def _near(table: FrameTable, seconds: float, accuracy: Any) -> int:
    """The frame a keyframe job or a tolerance asks for."""
    key = table.keyframe_near(seconds)
    if accuracy == "keyframe" or abs(table.to_seconds(key) - seconds) <= accuracy:
        return key
    return table.frame_at(seconds)


def _read(container: Any, stream: Any, table: FrameTable, run: _Run) -> Iterator[Any]:
    """The packets of one run; asserts that the seek landed on its first."""
    container.seek(int(table.dts[run.first]), stream=stream)
    left = run.last - run.first + 1
    for packet in container.demux(stream):
        if packet.pts == table.pts[run.first] or left <= run.last - run.first:
            yield packet
            left -= 1
        if not left:
            return
    raise AssertionError(f"{left} packets of {run} are missing")


def _decode(context: Any, run: _Run, packets: Any, skip: bool) -> tuple[int, int, list[int]]:
    sent, frames, hits = 0, 0, []
    for packet in packets:
        if skip:
            context.skip_frame = "DEFAULT" if packet.pts in run.wanted else "NONREF"
        sent += 1
        for frame in context.decode(packet):
            frames += 1
            if frame.pts in run.wanted:
                hits.append(frame.pts)
    for frame in context.decode(None):
        frames += 1
        if frame.pts in run.wanted:
            hits.append(frame.pts)
    context.flush_buffers()
    return sent, frames, hits
