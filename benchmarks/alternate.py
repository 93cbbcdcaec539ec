"""Rounds of A B C, A B C, ...: contestants alternate, so a busy machine is unfair to all of them.

A ratio is taken inside one round, between runs seconds apart, and the report gives the median of
those ratios with the smallest and the largest. A round of slow contestants takes minutes, so each
of those is followed by a run of the engine that is only for its pair. Absolute seconds are
recorded and mean little.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.corpus import CorpusFile
from benchmarks.jobs import Job
from benchmarks.rivals import ENGINE
from benchmarks.verify import Verdict, verify
from benchmarks.worker import Worker, WorkerError

__all__ = ["Comparison", "Entry", "ratios"]

# A run this long gains nothing from a warm-up, so its verified first run counts as a round.
SLOW_SECONDS = 10.0


@dataclass(kw_only=True, slots=True)
class Entry:
    """One contestant in one comparison. ``seconds[n]`` is None where it sat out round ``n``."""

    name: str
    recipe: str = ""
    version: str = ""
    failure: str = ""
    whole_file: bool = False
    verdict: Verdict | None = None
    warm_up_seconds: float | None = None
    seconds: list[float | None] = field(default_factory=list)
    cpu_seconds: list[float | None] = field(default_factory=list)
    counters: dict[str, Any] = field(default_factory=dict)
    # Round -> seconds and processor time of the engine right after a slow contestant's run.
    beside: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def timed(self) -> list[float]:
        return [value for value in self.seconds if value is not None]

    @property
    def median(self) -> float | None:
        return statistics.median(self.timed) if self.timed else None


@dataclass(kw_only=True, slots=True)
class Comparison:
    """One job, everyone who can do it, some rounds: ``prepare``, ``round`` ..., ``as_json``."""

    name: str
    title: str
    file: CorpusFile
    job: Job
    say: Callable[[str], None]
    entries: dict[str, Entry] = field(default_factory=dict)
    load_before: float = 0.0
    # A contestant sits out further rounds after this many seconds of its own in the comparison.
    budget: float = 60.0

    def absent(self, name: str, why: str) -> None:
        """Keep a contestant that is not installed in the results, with the reason."""
        self.entries[name] = Entry(name=name, failure=f"not installed: {why}")

    def prepare(self, names: list[str], workers: dict[str, Worker]) -> None:
        """Warm everyone up and verify what they make, before anything is timed."""
        self.load_before = os.getloadavg()[0]
        self.say(f"{self.name}: {self.title}")
        for name in names:
            entry = self.entries[name] = Entry(name=name)
            try:
                if name not in workers:
                    workers[name] = Worker(name)
                worker = workers[name]
                entry.version, entry.recipe = worker.version, worker.recipe
                entry.whole_file = worker.whole_file
                reply = worker.run(self.job, keep=True)
                entry.warm_up_seconds = reply.seconds
                entry.verdict = verify(self.file, self.job, reply.outcome)
                entry.counters = reply.outcome.counters
                slow = reply.seconds > SLOW_SECONDS and name != ENGINE
                entry.seconds.append(reply.seconds if slow else None)
                entry.cpu_seconds.append(reply.cpu_seconds if slow else None)
                self._pair(entry, workers)
            except WorkerError as error:
                self._fail(entry, str(error), workers)
            if entry.failure == "does not offer this":
                del self.entries[name]
                continue
            self.say(f"  {name:26} {_told(entry)}")

    def round(self, workers: dict[str, Worker], *, skip: str | None = None, turn: int = 0) -> None:
        """One run of everyone (but ``skip``), starting with another one each turn."""
        names = [name for name in self.entries if name != skip]
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            self.rest(name, workers)
            self.run(name, workers)

    def rest(self, name: str, workers: dict[str, Worker]) -> None:
        """Before a timed run: garbage collected, the threads of the one before come to rest."""
        if name in workers:
            workers[name].rest()
        time.sleep(0.02)

    def run(self, name: str, workers: dict[str, Worker]) -> float | None:
        """One timed run of one contestant."""
        entry = self.entries[name]
        spent = sum(entry.timed)
        enough = (spent > self.budget or (entry.whole_file and spent > 0)) and name != ENGINE
        if entry.failure or enough:
            entry.seconds.append(None)
            entry.cpu_seconds.append(None)
            return None
        try:
            reply = workers[name].run(self.job)
        except WorkerError as error:
            self._fail(entry, str(error), workers)
            return None
        entry.seconds.append(reply.seconds)
        entry.cpu_seconds.append(reply.cpu_seconds)
        self._pair(entry, workers)
        return reply.seconds

    def _pair(self, entry: Entry, workers: dict[str, Worker]) -> None:
        """After a slow contestant, a run of the engine for it alone."""
        seconds = entry.seconds[-1]
        engine = self.entries.get(ENGINE)
        if entry.name == ENGINE or not seconds or seconds < SLOW_SECONDS:
            return
        if engine is None or engine.failure:
            return
        self.rest(ENGINE, workers)
        try:
            reply = workers[ENGINE].run(self.job)
        except WorkerError:
            return
        entry.beside[len(entry.seconds) - 1] = (reply.seconds, reply.cpu_seconds)

    def _fail(self, entry: Entry, why: str, workers: dict[str, Worker]) -> None:
        entry.failure = why
        entry.seconds.append(None)
        entry.cpu_seconds.append(None)
        if "died" in why or "gone" in why or "no answer" in why:
            workers.pop(entry.name).close() if entry.name in workers else None

    def as_json(self) -> dict[str, Any]:
        contestants = {}
        for name, entry in self.entries.items():
            contestants[name] = {
                "version": entry.version,
                "recipe": entry.recipe,
                "failure": entry.failure or None,
                "seconds": [_short(value) for value in entry.seconds],
                "cpu_seconds": [_short(value) for value in entry.cpu_seconds],
                "engine_right_after": {
                    str(number): _short(one) for number, (one, _) in entry.beside.items()
                },
                "warm_up_seconds": _short(entry.warm_up_seconds),
                "median": _short(entry.median),
                "cpu_median": _short(_median(entry.cpu_seconds)),
                "times_the_engine": ratios(entry, self.entries.get(ENGINE)),
                "cpu_times_the_engine": ratios(entry, self.entries.get(ENGINE), "cpu_seconds"),
                "verified": entry.verdict.as_json() if entry.verdict else None,
                "counters": entry.counters,
            }
        return {
            "name": self.name,
            "title": self.title,
            "file": self.file.recipe.name,
            "contestants": contestants,
            "load_before": round(self.load_before, 2),
            "load_after": round(os.getloadavg()[0], 2),
        }


def ratios(entry: Entry, base: Entry | None, of: str = "seconds") -> dict[str, Any] | None:
    """``of`` (``seconds`` or ``cpu_seconds``) of ``entry`` by that of ``base``, round by round.

    ``best`` is the shortest by the shortest: what is left when others used the machine meanwhile.
    """
    if base is None:
        return None
    pairs = []
    for number, (one, other) in enumerate(
        itertools.zip_longest(getattr(entry, of), getattr(base, of))
    ):
        if number in entry.beside:
            other = entry.beside[number][0 if of == "seconds" else 1]
        if one is not None and other:
            pairs.append((one, other))
    if not pairs:
        return None
    found = [one / other for one, other in pairs]
    best = min(one for one, _ in pairs) / min(other for _, other in pairs)
    return {
        "median": round(statistics.median(found), 4),
        "min": round(min(found), 4),
        "max": round(max(found), 4),
        "best": round(best, 4),
        "pairs": len(found),
    }


def _median(values: list[float | None]) -> float | None:
    kept = [value for value in values if value is not None]
    return statistics.median(kept) if kept else None


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _told(entry: Entry) -> str:
    if entry.failure:
        return f"-- {entry.failure}"
    verdict = entry.verdict
    assert verdict is not None and entry.warm_up_seconds is not None
    return f"{entry.warm_up_seconds:8.3f} s  {verdict.right}/{verdict.cells} right {verdict.note}"
