"""Remote videos: the cases of ``bars`` over a server that is 40 ms and 50 Mbit/s away.

    python -m benchmarks.remote                       # to results/remote.json and remote.md
    python -m benchmarks.remote --quick -o FOLDER     # few rounds, no tool that takes a minute
    python -m benchmarks.remote -k cover --only "ffmpegthumbnailer"
    python -m benchmarks.remote --again               # remote.md from remote.json

Contestants alternate as in the rest of the suite and are verified the same way; they get a URL of
:mod:`benchmarks.throttled_server`, which counts for each run what it was asked and what it sent.
The limits decode the same packets from the local file, in the same rounds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.alternate import Comparison
from benchmarks.corpus import CorpusFile, ensure
from benchmarks.jobs import CoverJob, Job, Outcome, Reply, SnapshotsJob, SpriteJob
from benchmarks.remote_bars import PUBLISHED, evaluate
from benchmarks.remote_files import index_last, moov_first, needed
from benchmarks.remote_report import report
from benchmarks.remote_same import compare
from benchmarks.rivals import ENGINE
from benchmarks.throttled_server import LATENCY_SECONDS, MEGABITS, ThrottledServer
from benchmarks.worker import Worker, WorkerError

RESULTS = Path(__file__).with_name("results")
CELLS, SNAPSHOTS = 100, 20
WHOLE_FILE = ("ffmpeg skip_frame nokey", "decord")
LOCAL = ("limit", "snapengine, local file")
COVER = (*LOCAL, "ffmpeg -ss, URL", "ffmpegthumbnailer", "PyAV, URL", "torchcodec", "OpenCV")
SPRITE = (*LOCAL, *PUBLISHED, "ffmpeg -ss, 8 processes, URL", "PyAV, URL")
EXACT = (*LOCAL, "PyAV, URL", "torchcodec", "torchcodec x2", "OpenCV", "decord")


@dataclass(kw_only=True)
class Watched:
    """A contestant whose runs the server counts; those of ``LOCAL`` get the file itself."""

    worker: Worker
    server: ThrottledServer
    local: str
    runs: list[dict[str, Any]] = field(default_factory=list)
    last: Outcome | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.worker, name)

    def run(self, job: Job, *, keep: bool = False) -> Reply:
        if self.worker.name in LOCAL:
            return self.worker.run(replace(job, path=self.local), keep=keep)
        self.server.reset()
        reply = self.worker.run(job, keep=keep)
        counts = self.server.counts()
        del counts["ranges"]
        counts["counters"] = reply.outcome.counters
        self.runs.append(counts)
        if keep:
            self.last = reply.outcome
        return reply


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    name: str
    title: str
    file: CorpusFile
    job: CoverJob | SpriteJob | SnapshotsJob
    contestants: tuple[str, ...]
    rounds: int


def _cases(quick: bool) -> list[Case]:
    file = ensure("h264-1080p-12min", say=_say)
    table, recipe = file.table, file.recipe
    assert index_last(file), "made without faststart"
    cover = CoverJob(path="", at=table.middle_of(table.typical_keyframe()))
    sprite = SpriteJob(
        path="",
        times=tuple(table.spread(CELLS)),
        accuracy="keyframe",
        step=table.seconds / CELLS,
        frame_seconds=table.frame_seconds,
    )
    exact = SnapshotsJob(
        path="",
        times=tuple(table.scatter(SNAPSHOTS)),
        frame_seconds=table.frame_seconds,
        width=recipe.width,
        height=recipe.height,
    )
    first = moov_first(file)
    rounds = (3, 2, 2) if quick else (15, 5, 5)

    def case(name: str, title: str, at: CorpusFile, what: Any, who: tuple[str, ...]) -> Case:
        kind = ("cover", "sprite", "exact").index(name.split("-", maxsplit=1)[0])
        title += ", 12-min 1080p H.264 over HTTP"
        return Case(name=name, title=title, file=at, job=what, contestants=who, rounds=rounds[kind])

    return [
        case("cover-moov-first", "one keyframe cover, moov first", first, cover, COVER),
        case("cover-moov-last", "one keyframe cover, moov last", file, cover, COVER),
        case("sprite", "100-cell sprite by keyframe, moov first", first, sprite, SPRITE),
        case("exact", "20 exact snapshots, moov first", first, exact, EXACT),
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _run(case: Case, server: ThrottledServer, started: dict[str, Worker], skip: set[str]) -> Any:
    """One comparison: prepared, verified, alternated, with what the server saw of each."""
    local = str(case.file.path)
    job = replace(case.job, path=server.url(case.file.path.name))
    # The truth is that of the corpus file: the same packets under another name.
    comparison = Comparison(
        name=case.name,
        title=case.title,
        file=ensure(case.file.recipe.name),
        job=job,
        say=_say,
        budget=60.0,
    )
    watched: dict[str, Any] = {}
    for name in (ENGINE, *case.contestants):
        if name in skip:
            continue
        try:
            if name not in started:
                started[name] = Worker(name)
        except WorkerError as error:
            comparison.absent(name, str(error))
            continue
        watched[name] = Watched(worker=started[name], server=server, local=local)
    comparison.prepare(list(watched), watched)
    for turn in range(case.rounds):
        comparison.round(watched, turn=turn)
    for name in [name for name in started if name not in watched]:
        if name in comparison.entries:
            del started[name]  # it died; the comparison has closed it
    result = comparison.as_json()
    for name, entry in result["contestants"].items():
        if name in watched and watched[name].runs:
            entry["traffic"] = _traffic(watched[name].runs)
            _say(f"  {name:30} {_told(entry)}")
    engine = watched.get(ENGINE)
    if engine is not None and engine.runs and engine.last is not None:
        result["identical_to_local"] = _identical(engine, case)
        result["agreement"] = _agreement(engine.runs)
    need = needed(case.file, case.job)
    result["needed"] = {"index": need.index, "packets": need.packets, "count": need.count}
    result["rounds"] = case.rounds
    return result


def _told(entry: dict[str, Any]) -> str:
    traffic, median = entry["traffic"], entry["median"]
    seconds = f"{median:8.3f} s" if median else f"{entry['failure']}"
    return f"{seconds}  {traffic['requests']:6} requests  {traffic['body_bytes'] / 1e6:8.2f} MB"


def _traffic(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over all runs, and the most of what bars are about."""
    names = ("requests", "connections", "most_connections", "body_bytes", "asked_bytes", "cut")
    said: dict[str, Any] = {
        name: round(statistics.median(run[name] for run in runs)) for name in names
    }
    said |= {f"most_{name}": max(run[name] for run in runs) for name in ("requests", "body_bytes")}
    said["server_cpu_seconds"] = round(statistics.median(run["cpu_seconds"] for run in runs), 4)
    return said


def _agreement(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Do the engine's counts of requests and bytes say what the server's say?"""
    rows = [
        (run["requests"], run["counters"].get("requests"), run["body_bytes"],
         run["counters"].get("bytes_fetched"))
        for run in runs
    ]  # fmt: skip
    return {
        "requests": all(server == engine for server, engine, _, _ in rows),
        "bytes": all(server == engine for _, _, server, engine in rows),
        "last": rows[-1],
        "odd": [row for row in rows if row[0] != row[1] or row[2] != row[3]],
    }


def _identical(engine: Watched, case: Case) -> bool:
    """The same picture from the URL as from the local file, to the byte."""
    local = engine.worker.run(replace(case.job, path=engine.local), keep=True).outcome
    remote = engine.last
    assert remote is not None
    if local.pictures is not None and remote.pictures is not None:
        pairs = zip(local.pictures, remote.pictures, strict=True)
        return all(bool((one == other).all()) for one, other in pairs)
    return local.jpeg is not None and local.jpeg == remote.jpeg


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    cases = _cases(options.quick)
    results: dict[str, Any] = {
        "schema": 1,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "quick": options.quick,
        "machine": environment.describe(),
        "load_before": [round(value, 2) for value in os.getloadavg()],
        "versions": environment.libraries(),
        "server": {
            "latency_seconds": options.latency,
            "megabits": options.megabits,
            "connect_seconds": options.connect,
        },
        "comparisons": [],
    }
    for case in cases:  # no run waits for the disk
        with case.file.path.open("rb") as file:
            while file.read(1 << 24):
                pass
    if not options.k or "same" in options.k:
        results["same"] = compare(cases, _say)
    started: dict[str, Worker] = {}
    skip = set(WHOLE_FILE) if options.quick else set()
    if options.only:
        skip = {name for name in (*COVER, *SPRITE, *EXACT) if name not in options.only}
    folder = cases[0].file.path.parent
    way = {name: getattr(options, name) for name in ("latency", "megabits", "connect")}
    try:
        with ThrottledServer(folder, **way) as server:
            for case in cases:
                if not options.k or any(part in case.name for part in options.k):
                    results["comparisons"].append(_run(case, server, started, skip))
    finally:
        for worker in started.values():
            worker.close()
    results["load_after"] = [round(value, 2) for value in os.getloadavg()]
    results["corpus"] = cases[-1].file.facts()
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remote", description=__doc__)
    parser.add_argument("-k", nargs="*", default=[], help="parts of names of cases, or same")
    parser.add_argument("--only", nargs="*", default=[], help="these contestants beside ours")
    parser.add_argument("--quick", action="store_true", help="few rounds, no whole-file tools")
    parser.add_argument("--again", action="store_true", help="the page from the results at hand")
    parser.add_argument("--latency", type=float, default=LATENCY_SECONDS, help="seconds")
    parser.add_argument("--megabits", type=float, default=MEGABITS, help="per connection")
    parser.add_argument("--connect", type=float, default=0.0, help="seconds per connection")
    parser.add_argument("-o", "--out", type=Path, default=RESULTS, help="folder for the results")
    options = parser.parse_args()
    data = options.out / "remote.json"
    results = json.loads(data.read_text()) if options.again else _measure(options)
    results["bars"] = evaluate(results)
    options.out.mkdir(parents=True, exist_ok=True)
    data.write_text(json.dumps(results, indent=1) + "\n")
    data.with_suffix(".md").write_text(report(results))
    for row in results["bars"]:
        met = {None: "not run", True: "met", False: "NOT MET"}[row["met"]]
        value = "" if row["value"] is None else f"{row['value']} {row['unit']}"
        print(f"{met:8} {row['case']}: {row['text']}: {value} {row['against']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
