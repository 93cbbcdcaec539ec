"""Worker processes: what they answer, what they keep to themselves, and when they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from snapengine import Network
from snapengine.service.domain.records import Failure, IngestRequest
from snapengine.service.domain.requests import SnapshotRequest, SpriteRequest
from snapengine.service.jobs.orders import Made, WorkOrder
from snapengine.service.jobs.process import BadAnswer, Progress, WorkerDied, WorkerProcess
from tests.media.atlas import recipe
from tests.media.recipes import build
from tests.remote.fault_server import FaultServer, cut
from tests.service.jobs_kit import order

FILM = "h264-mp4-bpyramid"
#: Far longer than anything here takes, on a machine however busy.
PATIENCE = 60.0


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    worker = WorkerProcess()
    yield worker
    worker.close()


@pytest.fixture
def hanging() -> Iterator[FaultServer]:
    """It answers, and then never goes on."""
    with FaultServer({"/v.mp4": build(recipe(FILM)).read_bytes()}) as server:
        server.faults.append(cut("body", "hang", times=None))
        yield server


def end_of(worker: WorkerProcess) -> Made | Failure:
    """The answer that ends an order; progress before it grows."""
    last, end = 0.0, time.monotonic() + PATIENCE
    while True:
        answer = worker.answer(end - time.monotonic())
        assert answer is not None
        if not isinstance(answer, Progress):
            return answer
        assert last <= answer.share <= 1
        last = answer.share


def until(true: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for something that nobody tells of."""
    end, never = time.monotonic() + seconds, threading.Event()
    while not true():
        assert time.monotonic() < end, "it never came"
        never.wait(0.01)


def film_order(folder: Path) -> WorkOrder:
    return order(build(recipe(FILM)), SnapshotRequest(count=2), folder)


def is_gone(pid: int) -> bool:
    """Ended, whether or not its parent knows."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_orders_are_carried_out_one_after_the_other(worker: WorkerProcess, tmp_path: Path) -> None:
    descriptors = []
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        worker.send(film_order(folder))
        made = end_of(worker)
        assert isinstance(made, Made)
        assert {file.file for file in made.files} == set(os.listdir(folder))
        descriptors.append(len(os.listdir(f"/proc/{worker.pid}/fd")))
    assert worker.is_alive and worker.jobs == 20
    assert descriptors[-1] <= descriptors[1], "none is left behind"


def test_failures_say_why_without_saying_where(worker: WorkerProcess, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_bytes(b"no film" * 100)
    late = build(recipe(FILM))
    cases = {
        "unrecognized_container": order(tmp_path / "text.mp4", IngestRequest(), tmp_path),
        "source_refused": order(tmp_path / "none.mp4", IngestRequest(), tmp_path),
        "no_frame_at_target": order(late, SnapshotRequest(offset=Fraction(100)), tmp_path),
        "store_failed": film_order(tmp_path / "not there"),
    }
    for code, wanted in cases.items():
        worker.send(wanted)
        failure = end_of(worker)
        assert isinstance(failure, Failure)
        assert failure.code == code
        assert failure.message and len(failure.message) <= 500
        assert str(tmp_path) not in failure.message
        assert os.path.dirname(wanted.source) not in failure.message
    worker.send(order("http://127.0.0.1:1/v.mp4?token=secret", IngestRequest(), tmp_path))
    failure = end_of(worker)
    assert isinstance(failure, Failure)
    assert failure.code == "source_busy" and "secret" not in failure.message


def test_what_a_name_leads_to_inside_is_not_told(worker: WorkerProcess, tmp_path: Path) -> None:
    for host in ("127.0.0.1", "localhost"):
        asked = order(f"http://{host}:1/v.mp4", IngestRequest(), tmp_path, network=Network())
        worker.send(asked)
        failure = end_of(worker)
        assert failure == Failure(
            code="source_denied", message="the address is not of the public Internet"
        )


def test_a_job_that_needs_too_much_memory_fails_and_the_next_one_does_not(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    """Dense sheets: every page of a group of frames is open at once."""
    sheets = SnapshotRequest(
        count=400, interval=Fraction(0), width=1000, height=1000, kind="sprite",
        sprite=SpriteRequest(columns=2, lines=2, keep_cells=False),
    )  # fmt: skip
    film = build(recipe(FILM))
    worker.send(order(film, sheets, tmp_path, memory_bytes=400 << 20))
    failure = end_of(worker)
    assert isinstance(failure, Failure), failure
    assert failure.code == "limit_exceeded" and "400 MiB" in failure.message
    assert not list(tmp_path.iterdir())
    worker.send(film_order(tmp_path))
    assert isinstance(end_of(worker), Made)


def scripted(*lines: str) -> WorkerProcess:
    """A worker that does something before it makes anything."""
    program = [
        "import os",
        "from snapengine.service.jobs import making, worker",
        "original = making.make",
        "def make(order, progress):",
        *(f"    {line}" for line in lines),
        "    return original(order, progress)",
        "making.make = make",
        "worker.main()",
    ]
    return WorkerProcess([sys.executable, "-c", "\n".join(program)])


def test_a_bug_of_ours_is_told_to_the_log_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = scripted("raise RuntimeError('the inside of it')")
    try:
        for _ in range(2):
            worker.send(film_order(tmp_path))
            failure = end_of(worker)
            assert isinstance(failure, Failure)
            assert failure.code == "internal_error"
            assert "inside" not in failure.message
    finally:
        worker.close()
    log = capfd.readouterr().err
    assert log.count("RuntimeError: the inside of it") == 2 and "Traceback" in log


def test_what_libraries_print_is_no_answer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = scripted(
        "print('from Python', flush=True)",
        "os.write(1, b'from C\\n')",
        "assert os.read(0, 1) == b''",
    )
    try:
        worker.send(film_order(tmp_path))
        assert isinstance(end_of(worker), Made)
    finally:
        worker.close()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "from Python" in captured.err and "from C" in captured.err


# -- ends -----------------------------------------------------------------------------------


def test_it_ends_with_its_orders(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.send(film_order(tmp_path))
    assert isinstance(end_of(worker), Made)
    worker._orders.close()
    until(lambda: not worker.is_alive)
    assert worker._process.returncode == 0


def test_it_ends_with_its_orders_in_the_middle_of_one(
    worker: WorkerProcess, hanging: FaultServer, tmp_path: Path
) -> None:
    worker.send(order(hanging.url("/v.mp4"), IngestRequest(), tmp_path))
    until(lambda: bool(hanging.requests))
    began = time.monotonic()
    worker._orders.close()
    until(lambda: not worker.is_alive)
    assert time.monotonic() - began < 2


PARENT = """
import sys
from tests.service.jobs_kit import order
from snapengine.service.domain.records import IngestRequest
from snapengine.service.jobs.process import WorkerProcess
worker = WorkerProcess()
worker.send(order(sys.argv[1], IngestRequest(), sys.argv[2]))
print(worker.pid, flush=True)
input()
"""


def test_it_ends_with_its_parent_in_the_middle_of_an_order(
    hanging: FaultServer, tmp_path: Path
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, hanging.url("/v.mp4"), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdin is not None and parent.stdout is not None
    with parent.stdin, parent.stdout:
        pid = int(parent.stdout.readline())
        until(lambda: bool(hanging.requests))
        assert not is_gone(pid)
        parent.kill()
        parent.wait()
        began = time.monotonic()
        until(lambda: is_gone(pid))
        assert time.monotonic() - began < 2


def test_it_ends_with_the_thread_that_started_it(tmp_path: Path) -> None:
    """A thread that ends without ending its worker leaves none behind (Linux)."""
    workers: list[WorkerProcess] = []

    def start() -> None:
        workers.append(WorkerProcess())
        workers[0].send(film_order(tmp_path))
        end_of(workers[0])

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(PATIENCE)
    until(lambda: not workers[0].is_alive)
    workers[0].close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_service_are_not_meant_for_it(
    number: signal.Signals, worker: WorkerProcess, tmp_path: Path
) -> None:
    assert os.getpgid(worker.pid) != os.getpgid(0), "not that of the terminal's"
    worker.send(film_order(tmp_path))
    end_of(worker)
    os.kill(worker.pid, number)
    worker.send(film_order(tmp_path))
    assert isinstance(end_of(worker), Made)


def test_where_memory_runs_out_it_goes_first(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.send(film_order(tmp_path))
    end_of(worker)
    ours = int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))
    its = int(Path(f"/proc/{worker.pid}/oom_score_adj").read_text(encoding="ascii"))
    assert its > ours


# -- as its parent sees it ------------------------------------------------------------------


def says(program: str) -> WorkerProcess:
    return WorkerProcess([sys.executable, "-S", "-c", "import os, sys, time\n" + program])


def test_a_worker_that_crashes_is_reported(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.kill()
    with pytest.raises(WorkerDied, match="SIGKILL"):
        worker.send(film_order(tmp_path))
        worker.answer(PATIENCE)
    crashing = says("os.read(0, 8); os.abort()")
    quitting = says("os.read(0, 8); sys.exit(3)")
    for other, how in ((crashing, "SIGABRT"), (quitting, "ended with 3")):
        other.send(film_order(tmp_path))
        with pytest.raises(WorkerDied, match=how):
            other.answer(PATIENCE)
        other.close()
        other.close()


def test_half_an_answer_is_none() -> None:
    half = says('os.write(1, b\'{"progress": 0.5}\\n{"progr\'); os._exit(0)')
    assert half.answer(PATIENCE) == Progress(0.5)
    with pytest.raises(WorkerDied):
        half.answer(PATIENCE)
    half.close()


def test_silence_is_not_waited_for_longer_than_asked() -> None:
    silent = says("time.sleep(600)")
    began = time.monotonic()
    assert silent.answer(0.05) is None
    assert silent.answer(-1.0) is None
    assert time.monotonic() - began < 5
    silent.close()


def test_an_answer_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from snapengine.service.jobs import process

    monkeypatch.setattr(process, "_MAX_ANSWER", 1 << 20)
    endless = says("while True: os.write(1, b' ' * 65536)")
    with pytest.raises(BadAnswer, match="bytes"):
        endless.answer(PATIENCE)
    assert len(endless._pieces) < 2 << 20
    endless.close()
