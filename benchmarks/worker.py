"""One contestant in one process, waiting for jobs.

A process each, because the tools carry different builds of FFmpeg, their own thread pools and
their own ideas of memory. The clock runs here, around the job alone; a crash costs one contestant,
not the run. Started by :class:`Worker`; speaks over a socket pair whose number is its argument.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.jobs import Job, Outcome, Reply

__all__ = ["Worker", "WorkerError", "workers"]

JOB_TIMEOUT_SECONDS = 900


class WorkerError(Exception):
    """The contestant is missing, cannot do this, died or failed; the text says which."""


class Worker:
    """The parent's end. Makes the process at once; ``close`` ends it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = ""
        self.recipe = ""
        self.whole_file = False
        mine, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", str(theirs.fileno()), name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).resolve().parent.parent,
            )
        self._line = Connection(mine.detach())
        try:
            self.version, self.recipe, self.whole_file = self._receive(120)
        except WorkerError:
            self.close()
            raise

    def run(self, job: Job, *, keep: bool = False) -> Reply:
        """Do one job; what it made comes back only with ``keep``."""
        try:
            self._line.send((job, keep))
        except OSError as error:
            raise WorkerError(f"{self.name} is gone: {error}") from None
        reply: Reply = self._receive(JOB_TIMEOUT_SECONDS)
        return reply

    def rest(self) -> None:
        """Collect garbage now, so that it is not done inside the next clock."""
        with contextlib.suppress(WorkerError, OSError):
            self._line.send((None, False))
            self._receive(JOB_TIMEOUT_SECONDS)

    def _receive(self, timeout: float) -> Any:
        if not self._line.poll(timeout):
            self.close()
            raise WorkerError(f"no answer within {timeout:.0f} s")
        try:
            good, value = self._line.recv()
        except (EOFError, OSError):
            raise WorkerError(f"died with status {self._process.wait()}") from None
        if not good:
            raise WorkerError(value)
        return value

    def close(self) -> None:
        self._line.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def workers() -> Iterator[dict[str, Worker]]:
    """An empty dictionary for workers; whatever is in it at the end is closed."""
    started: dict[str, Worker] = {}
    try:
        yield started
    finally:
        for worker in started.values():
            worker.close()


def _cpu_seconds() -> float:
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def main() -> int:
    line = Connection(int(sys.argv[1]))
    try:
        from benchmarks.rivals import load

        contestant = load(sys.argv[2])
        line.send((True, (contestant.version(), contestant.recipe, contestant.whole_file)))
    except Exception as error:  # noqa: BLE001 - whatever stops it, the run goes on without it
        line.send((False, f"{type(error).__name__}: {str(error).splitlines()[0]}"))
        return 1
    from benchmarks.rivals.base import NotOffered

    kept_job, kept = None, None
    while True:
        try:
            job, keep = line.recv()
        except (EOFError, OSError):
            return 0
        if job is None:
            gc.collect()
            line.send((True, None))
            continue
        try:
            if job != kept_job:
                kept_job, kept = job, contestant.prepare(job)
            cpu, started = _cpu_seconds(), time.perf_counter()
            outcome = contestant.run(job, kept)
            seconds, cpu = time.perf_counter() - started, _cpu_seconds() - cpu
            reply = Reply(seconds=seconds, cpu_seconds=cpu)
            reply.outcome = outcome if keep else Outcome(counters=outcome.counters)
            line.send((True, reply))
            del outcome
        except NotOffered:
            kept_job = None
            line.send((False, "does not offer this"))
        except Exception as error:  # noqa: BLE001 - a failure is a result
            kept_job = None
            text = str(error).replace(job.path, Path(job.path).name).splitlines() or [""]
            line.send((False, f"{type(error).__name__}: {text[0]}"))


if __name__ == "__main__":
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    sys.exit(main())
