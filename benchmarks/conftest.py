"""Options, shared workers, and the results file."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import environment
from benchmarks.alternate import Comparison
from benchmarks.bars import evaluate
from benchmarks.corpus import CorpusFile, ensure
from benchmarks.jobs import Job
from benchmarks.rivals import ENGINE, RIVALS
from benchmarks.worker import Worker, WorkerError, workers

RESULTS = Path(__file__).resolve().parent / "results"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("snapengine benchmarks")
    group.addoption("--quick", action="store_true", help="the 12-minute H.264 cases, few rounds")
    group.addoption("--out", default=None, help="results file (default: benchmarks/results/)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: left out with --quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        skip = pytest.mark.skip(reason="left out with --quick")
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(skip)


class Suite:
    """One run of the suite: the workers it keeps warm and the results it collects."""

    def __init__(self, config: pytest.Config, started: dict[str, Worker]) -> None:
        self.quick = bool(config.getoption("--quick"))
        self.workers = started
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self.files: dict[str, CorpusFile] = {}
        self.missing: dict[str, str] = {}
        self.results: dict[str, Any] = {
            "schema": 1,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "quick": self.quick,
            "machine": environment.describe(),
            "load_before": [round(value, 2) for value in os.getloadavg()],
            "versions": environment.libraries(),
            "comparisons": [],
            "probes": {},
        }

    def say(self, line: str) -> None:
        """Progress, past pytest's capture: a full run takes half an hour."""
        capture = self._capture
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            print(f"\n{line}" if not line.startswith(" ") else line, file=sys.stderr, flush=True)

    def file(self, name: str) -> CorpusFile:
        if name not in self.files:
            self.files[name] = ensure(name, say=self.say)
        return self.files[name]

    def rounds(self, quick: int, full: int) -> int:
        return quick if self.quick else full

    def worker(self, name: str) -> Worker:
        if name not in self.workers:
            self.workers[name] = Worker(name)
        return self.workers[name]

    def compare(
        self,
        benchmark: Any,
        *,
        name: str,
        title: str,
        file: CorpusFile,
        job: Job,
        contestants: list[str],
        rounds: int,
    ) -> None:
        """Alternate the contestants; the engine's runs are also pytest-benchmark's."""
        comparison = Comparison(
            name=name,
            title=title,
            file=file,
            job=job,
            say=self.say,
            budget=10.0 if self.quick else 60.0,
        )
        present = [one for one in contestants if one not in self.missing]
        comparison.prepare([ENGINE, *present], self.workers)
        for one in contestants:
            if one in self.missing:
                comparison.absent(one, self.missing[one])
        engine = comparison.entries[ENGINE]
        turns = iter(range(rounds))
        if engine.failure:
            for turn in turns:
                comparison.round(self.workers, skip=ENGINE, turn=turn)
        else:

            def everyone_else() -> None:
                comparison.round(self.workers, skip=ENGINE, turn=next(turns, 0))
                comparison.rest(ENGINE, self.workers)

            benchmark.pedantic(
                lambda: comparison.run(ENGINE, self.workers),
                setup=everyone_else,
                rounds=rounds,
                iterations=1,
            )
        result = comparison.as_json()
        self.results["comparisons"].append(result)
        benchmark.extra_info["comparison"] = name
        for one, entry in result["contestants"].items():
            ratio = entry["times_the_engine"]
            if ratio and one != ENGINE:
                benchmark.extra_info[one] = ratio["median"]
                told = f"{ratio['median']:7.2f} x ({ratio['min']:.2f} to {ratio['max']:.2f})"
                self.say(f"  {one:26} {entry['median']:8.3f} s  {told}")
            elif entry["median"]:
                self.say(f"  {one:26} {entry['median']:8.3f} s")
        assert not engine.failure, engine.failure
        assert engine.verdict is not None
        assert engine.verdict.ok, f"the engine showed wrong frames: {engine.verdict}"

    def probe(self, name: str, value: dict[str, Any]) -> None:
        self.results["probes"][name] = value
        shown = {key: entry for key, entry in value.items() if key not in ("seconds", "pairs")}
        self.say(f"{name}: {shown}")

    def close(self) -> dict[str, Any]:
        self.results["missing"] = self.missing
        self.results["load_after"] = [round(value, 2) for value in os.getloadavg()]
        self.results["corpus"] = {name: file.facts() for name, file in self.files.items()}
        self.results["bars"] = evaluate(self.results)
        return self.results


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> Iterator[Suite]:
    with workers() as started:
        run = Suite(request.config, started)
        for name in RIVALS:
            try:
                started[name] = Worker(name)
            except WorkerError as error:
                run.missing[name] = str(error)
                run.say(f"  {name}: not installed ({error})")
        if run.missing and "rivals" in os.environ.get("SNAPENGINE_REQUIRE", "").split(","):
            pytest.fail(f"rivals are required and missing: {sorted(run.missing)}")
        yield run
        if not run.results["comparisons"] and not run.results["probes"]:
            return
        results = run.close()
        name = "quick.json" if run.quick else "full.json"
        out = Path(request.config.getoption("--out") or RESULTS / name)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(results, indent=1) + "\n")
        run.say(f"results: {out.name}")
