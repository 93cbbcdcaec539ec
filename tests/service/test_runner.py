"""The runner: jobs of a real queue, workers that work, crash, lie, hang; nothing is left behind."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from snapengine import Limits
from snapengine.errors import StoreError
from snapengine.service.domain.failures import ServiceUnavailable, SourceRefused
from snapengine.service.domain.ids import now
from snapengine.service.domain.records import Asset, Failure, IngestRequest, Job
from snapengine.service.jobs import runner as runner_module
from snapengine.service.jobs.orders import Made, WorkOrder, made_to_json
from snapengine.service.jobs.process import WorkerProcess
from snapengine.service.jobs.runner import JobRunner
from snapengine.service.storage.database import Database, Settled
from tests.media.atlas import recipe
from tests.media.recipes import build
from tests.remote.fault_server import FaultServer, cut
from tests.service import kept
from tests.service.jobs_kit import order
from tests.service.test_answers import FACTS, HOSTILE
from tests.service.test_worker import PATIENCE, is_gone, until

FILM = "h264-mp4-bpyramid"
Workers = Callable[[], WorkerProcess]


class Host:
    """Keeps what the runner tells it; ``broken`` is raised by what it names."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.broken: dict[str, Exception] = {}
        self.completing: Callable[[Job, str], None] = lambda job, owner: None
        self.files: dict[str, set[str]] = {}
        self.folders: list[Path] = []

    def order(self, job: Job, asset: Asset, folder: Path) -> WorkOrder:
        self._break("order")
        assert not list(folder.iterdir())
        self.folders.append(folder)
        assert asset.source is not None
        return order(asset.source, job.request, folder, job_id=job.id, limits=Limits())

    def complete(self, job: Job, owner: str, made: Made, folder: Path) -> None:
        self._break("complete")
        self.files[job.id] = set(os.listdir(folder))
        self.completing(job, owner)
        ended = replace(job, status="succeeded", finished=now())
        self.database.finish(
            ended, owner, lambda asset: Settled(asset=replace(asset, facts=made.facts))
        )

    def fail(self, job: Job, owner: str, failure: Failure) -> None:
        self._break("fail")
        ended = replace(job, status="failed", failure=failure, finished=now())
        self.database.finish(ended, owner, lambda asset: Settled(asset=asset))

    def _break(self, what: str) -> None:
        if what in self.broken:
            raise self.broken[what]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def children() -> set[int]:
    """Of this process, dead ones that nobody waited for included."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        found.update(map(int, (task / "children").read_text(encoding="ascii").split()))
    return found


class Bench:
    """A queue, a host, and runners that end with the test without leaving anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.url = f"sqlite:///{folder / 'queue.sqlite'}"
        self.database = Database(self.url)
        self.host = Host(self.database)
        self.runners: list[JobRunner] = []

    def run(
        self,
        workers: int = 1,
        *,
        worker: Workers | None = None,
        seconds: float = PATIENCE,
        attempts: int = 2,
    ) -> JobRunner:
        made = JobRunner(
            self.database,
            self.host,
            workers=workers,
            job_seconds=seconds,
            job_attempts=attempts,
            folder=self.folder,
            worker=worker or WorkerProcess,
        )
        self.runners.append(made)
        made.start()
        return made

    def asset(self, source: Path | str | None = None) -> Asset:
        asset = kept.asset("t", source=str(source or build(recipe(FILM))))
        self.database.add_asset(asset)
        return asset

    def queue(self, asset: Asset, *, tell: bool = True) -> str:
        job = kept.job(asset, kind="ingest", request=IngestRequest())
        self.database.add_job(job, most=10**6, most_per_tenant=10**6)
        if tell:
            for runner in self.runners:
                runner.notify()
        return job.id

    def job(self, id: str) -> Job:
        job = self.database.job("t", id)
        assert job is not None
        return job

    def ended(self, id: str) -> Job:
        until(lambda: self.job(id).status not in ("queued", "running"))
        return self.job(id)

    def failed(self, id: str) -> str:
        job = self.ended(id)
        assert job.status == "failed" and job.failure is not None
        return job.failure.code


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Afterwards there is no thread, process, folder or open file that was not there before."""
    before = (children(), descriptors(), sorted(t.name for t in threading.enumerate()))
    bench = Bench(tmp_path)
    yield bench
    for runner in bench.runners:
        runner.close()
    bench.database.close()
    after = (children(), descriptors(), sorted(t.name for t in threading.enumerate()))
    assert after == before
    assert not bench.folder.exists() or not list(bench.folder.iterdir())


def says(program: str) -> Workers:
    """Workers that do something for each order, without the engine."""
    lines = (
        "import os, sys, time, signal",
        "def order():",
        "    size = os.read(0, 8)",
        "    if not size: os._exit(0)",
        "    os.read(0, int.from_bytes(size, 'big'))",
        "def say(text): os.write(1, text.encode() + b'\\n')",
        f"def succeed(): say({made_to_json(Made(facts=FACTS)).decode()!r})",
        'def refuse(): say(\'{"failure": {"code": "no_video_stream", "message": "none"}}\')',
        "while True:",
        "    order()",
        *(f"    {line}" for line in program.splitlines()),
    )
    return lambda: WorkerProcess([sys.executable, "-S", "-c", "\n".join(lines)])


# -- work -----------------------------------------------------------------------------------


def test_twenty_jobs_by_two_workers_leave_nothing(bench: Bench) -> None:
    runner = bench.run(2)
    asset = bench.asset()
    ids = [bench.queue(asset) for _ in range(20)]
    for id in ids:
        job = bench.ended(id)
        assert (job.status, job.attempts, job.failure) == ("succeeded", 1, None)
        assert bench.host.files[id] == {f"candidate-{n:05d}.jpg" for n in range(1, 5)}
    assert len(runner._workers) <= 2, "they are used again"
    until(lambda: not any(folder.exists() for folder in bench.host.folders))


def test_threads_have_names(bench: Bench) -> None:
    bench.run(2)
    names = {thread.name for thread in threading.enumerate()}
    assert {"snapengine-jobs-0", "snapengine-jobs-1", "snapengine-jobs-keeper"} <= names


def test_jobs_that_somebody_else_queued_are_found(bench: Bench) -> None:
    bench.run(worker=says("refuse()"))
    until(lambda: bench.runners[0]._idle == 1)
    assert bench.failed(bench.queue(bench.asset(), tell=False)) == "no_video_stream"


def test_failures_of_the_engine_are_the_jobs(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no film" * 100)
    bench.run()
    assert bench.failed(bench.queue(bench.asset(tmp_path / "no.mp4"))) == "unrecognized_container"
    assert bench.ended(bench.queue(bench.asset())).status == "succeeded"


def test_progress_is_kept(bench: Bench) -> None:
    bench.run(worker=says("say('{\"progress\": 0.25}')\ntime.sleep(600)"))
    id = bench.queue(bench.asset())
    until(lambda: bench.job(id).progress == 0.25)
    assert bench.job(id).status == "running"


def test_no_worker_does_nothing_but_put_back(bench: Bench) -> None:
    asset = bench.asset()
    id = bench.queue(asset)
    past = now() - timedelta(seconds=1)
    assert bench.database.claim("dead", past) is not None
    bench.run(workers=0)
    until(lambda: bench.job(id).status == "queued")
    assert not bench.runners[0]._workers


# -- crashes and lies -----------------------------------------------------------------------


def test_a_crash_is_tried_again_and_no_more_than_allowed(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "log"
    begun = f"open({str(log)!r}, 'a').write('x')"
    bench.run(worker=says(f"{begun}\nos.kill(os.getpid(), signal.SIGKILL)"), attempts=3)
    id = bench.queue(bench.asset())
    assert bench.failed(id) == "worker_died"
    assert log.read_text(encoding="ascii") == "xxx"
    failure = bench.job(id).failure
    assert failure is not None and "SIGKILL" in failure.message


def test_a_second_attempt_may_succeed_in_a_folder_of_its_own(bench: Bench) -> None:
    """The first is ended from outside in the middle of its work."""
    with FaultServer({"/v.mp4": build(recipe(FILM)).read_bytes()}) as server:
        server.faults.append(cut("body", "hang"))
        bench.run()
        id = bench.queue(bench.asset(server.url("/v.mp4")))
        until(lambda: bool(server.requests))
        (worker,) = bench.runners[0]._workers
        os.kill(worker.pid, 9)
        assert bench.ended(id).status == "succeeded"
        assert len(set(bench.host.folders)) == 2
        assert is_gone(worker.pid)


def test_a_worker_that_died_in_between_costs_no_attempt(bench: Bench) -> None:
    bench.run(worker=says("succeed()"), attempts=1)
    asset = bench.asset()
    assert bench.ended(bench.queue(asset)).status == "succeeded"
    (worker,) = bench.runners[0]._workers
    os.kill(worker.pid, 9)
    until(lambda: is_gone(worker.pid))
    assert bench.ended(bench.queue(asset)).status == "succeeded"


@pytest.mark.parametrize("what", ["nothing", "noise", "a deep one", "a file above"])
def test_lies_fail_the_job_and_nothing_else(what: str, bench: Bench, tmp_path: Path) -> None:
    """Which lies there are, :mod:`tests.service.test_answers` tells."""
    lie, told = tmp_path / "lie", tmp_path / "told"
    lie.write_bytes(HOSTILE[what] + b"\n")
    bench.run(
        worker=says(
            f"data = open({str(lie)!r}, 'rb').read()\n"
            f"if os.path.exists({str(told)!r}): refuse(); data = b''\n"
            f"open({str(told)!r}, 'w').close()\n"
            "while data: data = data[os.write(1, data):]"
        )
    )
    asset = bench.asset()
    assert bench.failed(bench.queue(asset)) == "bad_answer"
    assert bench.failed(bench.queue(asset)) == "no_video_stream", "the next one is well"


def test_an_answer_without_an_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from snapengine.service.jobs import process

    monkeypatch.setattr(process, "_MAX_ANSWER", 1 << 20)
    bench.run(worker=says("while True: os.write(1, b'x' * 65536)"))
    assert bench.failed(bench.queue(bench.asset())) == "bad_answer"


def test_endless_progress_ends_with_the_time(bench: Bench) -> None:
    bench.run(worker=says("while True: say('{\"progress\": 0.5}')"), seconds=0.3)
    assert bench.failed(bench.queue(bench.asset())) == "limit_exceeded"


# -- ends -----------------------------------------------------------------------------------


def test_an_endless_job_ends_with_its_time(bench: Bench) -> None:
    """A server that sends a byte now and then never ends, and never is silent."""
    with FaultServer({"/v.mp4": build(recipe(FILM)).read_bytes()}) as server:
        server.faults.append(cut("body", "drip", times=None))
        bench.run(seconds=1.0)
        id = bench.queue(bench.asset(server.url("/v.mp4")))
        assert bench.failed(id) == "limit_exceeded"
        job = bench.job(id)
        assert job.started is not None and job.finished is not None
        assert 1.0 <= (job.finished - job.started).total_seconds() < 3.0


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_a_cancelled_job_ends_within_two_seconds(how: str, bench: Bench) -> None:
    bench.run(worker=says("say('{\"progress\": 0.5}')\ntime.sleep(600)"))
    asset = bench.asset()
    id = bench.queue(asset)
    until(lambda: bench.job(id).progress == 0.5)
    (worker,) = bench.runners[0]._workers
    if how == "cancel":
        bench.database.cancel("t", id, now())
    else:
        bench.database.delete_asset("t", asset.id)
    until(lambda: is_gone(worker.pid), 2.0)
    if how == "cancel":
        assert bench.job(id).status == "cancelled"
    until(lambda: bench.runners[0]._idle == 1)
    assert not any(folder.exists() for folder in bench.host.folders)


def test_closing_puts_jobs_under_way_back(bench: Bench) -> None:
    bench.run(2, worker=says("say('{\"progress\": 0.5}')\ntime.sleep(600)"))
    ids = [bench.queue(bench.asset()) for _ in range(3)]
    until(lambda: sum(bench.job(id).progress == 0.5 for id in ids) == 2)
    pids = [worker.pid for worker in bench.runners[0]._workers]
    bench.runners[0].close()
    assert all(map(is_gone, pids))
    for id in ids:
        job = bench.job(id)
        assert (job.status, job.attempts, job.progress) == ("queued", 0, 0.0)
    bench.runners[0].close()
    bench.run(2, worker=says("refuse()"))
    for id in ids:
        bench.failed(id)


def test_closing_at_once_and_without_a_start(bench: Bench) -> None:
    bench.run(2).close()
    never = JobRunner(
        bench.database, bench.host, workers=1, job_seconds=1, job_attempts=1, folder=bench.folder
    )
    never.close()


def test_a_result_that_is_being_kept_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes, nobody else takes the job meanwhile."""
    monkeypatch.setattr(runner_module, "LEASE", timedelta(seconds=1.5))
    owners: list[str] = []
    renewed = threading.Event()
    renew = bench.database.renew

    def spy(job_id: str, owner: str, *args: object) -> bool:
        found = renew(job_id, owner, *args)  # type: ignore[arg-type]
        if owners and found:
            renewed.set()
        return found

    def wait(job: Job, owner: str) -> None:
        owners.append(owner)
        assert renewed.wait(PATIENCE)

    monkeypatch.setattr(bench.database, "renew", spy)
    bench.host.completing = wait
    bench.run(worker=says("succeed()"))
    id = bench.queue(bench.asset())
    until(lambda: bool(owners))
    bench.runners[0].close(PATIENCE)
    assert bench.job(id).status == "succeeded"


# -- others ---------------------------------------------------------------------------------


def test_what_a_vanished_service_left_is_done(bench: Bench) -> None:
    id = bench.queue(bench.asset())
    assert bench.database.claim("dead", now() - timedelta(seconds=1)) is not None
    bench.run(worker=says("refuse()"))
    assert bench.failed(id) == "no_video_stream"
    assert bench.job(id).attempts == 2


def test_what_was_begun_too_often_fails(bench: Bench) -> None:
    id = bench.queue(bench.asset())
    assert bench.database.claim("dead", now() - timedelta(seconds=1)) is not None
    bench.run(worker=says("refuse()"), attempts=1)
    assert bench.failed(id) == "worker_died"


def test_attempts_of_a_vanished_service_count(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "log"
    begun = f"open({str(log)!r}, 'a').write('x')"
    id = bench.queue(bench.asset())
    assert bench.database.claim("dead", now() - timedelta(seconds=1)) is not None
    bench.run(worker=says(f"{begun}\nos.kill(os.getpid(), signal.SIGKILL)"), attempts=2)
    assert bench.failed(id) == "worker_died"
    assert log.read_text(encoding="ascii") == "x"


def test_a_worker_makes_place_for_a_fresh_one(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "_JOBS_OF_A_WORKER", 2)
    log = tmp_path / "log"
    bench.run(worker=says(f"open({str(log)!r}, 'a').write(f'{{os.getpid()}} ')\nrefuse()"))
    asset = bench.asset()
    for _ in range(5):
        bench.ended(bench.queue(asset))
    pids = log.read_text(encoding="ascii").split()
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 2, 1]


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(bench: Bench) -> None:
    dead = bench.folder / "run-0123456789abcdef"
    (dead / "files").mkdir(parents=True)
    (dead / "files" / "candidate-00001.jpg").write_bytes(b"x")
    (dead / "lock").touch()
    bench.run(0)
    assert not dead.exists()
    (living,) = bench.folder.iterdir()
    bench.run(0)
    assert living.exists() and len(list(bench.folder.iterdir())) == 2


def test_two_services_share_a_queue(bench: Bench) -> None:
    bench.run(2, worker=says("refuse()"))
    bench.run(2, worker=says("refuse()"))
    asset = bench.asset()
    ids = [bench.queue(asset) for _ in range(30)]
    for id in ids:
        assert bench.failed(id) == "no_video_stream"
        assert bench.job(id).attempts == 1


# -- a host that fails ----------------------------------------------------------------------


def test_an_order_that_the_host_refuses(bench: Bench) -> None:
    bench.host.broken["order"] = SourceRefused("not any more")
    bench.run(worker=says("refuse()"))
    assert bench.failed(bench.queue(bench.asset())) == "source_refused"


def test_a_result_that_cannot_be_kept(bench: Bench) -> None:
    bench.host.broken["complete"] = StoreError("the disk is full")
    bench.run(worker=says("succeed()"))
    assert bench.failed(bench.queue(bench.asset())) == "store_failed"


def test_a_result_that_meets_a_busy_database_is_made_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "LEASE", timedelta(seconds=3))
    monkeypatch.setattr(runner_module, "_LOOK_FOR_LOST", 0.2)
    bench.host.broken["complete"] = ServiceUnavailable("it is locked")
    left = threading.Event()
    release = bench.host._break

    def once(what: str) -> None:
        try:
            release(what)
        finally:
            if what == "complete":
                bench.host.broken.clear()
                left.set()

    monkeypatch.setattr(bench.host, "_break", once)
    bench.run(worker=says("succeed()"))
    id = bench.queue(bench.asset())
    assert left.wait(PATIENCE)
    job = bench.ended(id)
    assert (job.status, job.attempts) == ("succeeded", 2)


@pytest.mark.parametrize("what", ["order", "complete"])
def test_a_bug_costs_a_job_and_not_the_thread(
    what: str, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.host.broken[what] = RuntimeError("a bug")
    bench.run(worker=says("succeed()"))
    assert bench.failed(bench.queue(bench.asset())) == "internal_error"
    assert "a bug" in caplog.text
    bench.host.broken.clear()
    assert bench.ended(bench.queue(bench.asset())).status == "succeeded"


def test_a_job_is_begun_again_when_no_worker_could_be_started(bench: Bench) -> None:
    refusals = iter([OSError("no process"), OSError("no process")])
    good = says("refuse()")

    def start() -> WorkerProcess:
        for refusal in refusals:
            raise refusal
        return good()

    bench.run(worker=start)
    id = bench.queue(bench.asset())
    assert bench.failed(id) == "no_video_stream"
    assert bench.job(id).attempts == 1
