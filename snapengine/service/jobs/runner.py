"""Who sees to jobs: takes them from the queue, has workers do them, tells how it ended.

::

    database ── claim ─> slot (thread) ── order ─> worker (process)
                           │  ^                        │
                 renew, progress                progress, result
                           v  │                        v
                       keeper (thread)            host.complete / host.fail

Each worker belongs to the thread that started it. Any number of services may share one queue: a job
belongs to the owner that claimed it while its lease is renewed; what a vanished one leaves behind
goes back into the queue.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from ...errors import SnapError
from ..domain.failures import ServiceUnavailable
from ..domain.ids import now
from ..domain.records import Asset, Failure, Job
from ..storage.database import Database
from .orders import Made, WorkOrder
from .process import BadAnswer, Progress, WorkerDied, WorkerProcess
from .workplace import Workplace

__all__ = ["JobHost", "JobRunner"]

_log = logging.getLogger(__name__)

#: How long a job stays with its owner without a word of it.
LEASE: Final = timedelta(seconds=30)
#: Seconds between two renewals: so soon a cancelled job ends, too.
_RENEWAL: Final = 1.0
#: Seconds between two looks for jobs that nobody here told of: other services', their leftovers.
_LOOK: Final = 1.0
_LOOK_FOR_LOST: Final = 5.0
#: After so many jobs a worker makes place for a fresh one: native libraries are not ours to trust.
_JOBS_OF_A_WORKER: Final = 200


class JobHost(Protocol):
    """What the runner needs of the service. Called from the threads of the runner."""

    def order(self, job: Job, asset: Asset, folder: Path) -> WorkOrder:
        """All that a worker needs to do ``job``, with its files in ``folder``."""
        ...

    def complete(self, job: Job, owner: str, made: Made, folder: Path) -> None:
        """Keep what was made; unless the job is not ``owner``'s any more."""
        ...

    def fail(self, job: Job, owner: str, failure: Failure) -> None:
        """The job ends without a result; unless it is not ``owner``'s any more."""
        ...


@dataclass(frozen=True, slots=True)
class _Left:
    """An attempt that was given up: the job is not ours any more, or (``closing``) we close."""

    closing: bool = False


class _NoWorker(Exception):
    """The system starts no process, now."""


class JobRunner:
    """Does the jobs of a database's queue with ``workers`` processes at a time.

    A job may take ``job_seconds``; one whose worker crashes is tried ``job_attempts`` times.
    ``folder``: for the files of jobs under way. With no worker it only puts back into the queue
    what vanished services left. :meth:`start` once; all methods are for any thread.
    """

    def __init__(
        self,
        database: Database,
        host: JobHost,
        *,
        workers: int,
        job_seconds: float,
        job_attempts: int,
        folder: Path,
        worker: Callable[[], WorkerProcess] = WorkerProcess,
    ) -> None:
        self._database = database
        self._host = host
        self._job_seconds = job_seconds
        self._job_attempts = job_attempts
        self._folder = folder
        self._start_worker = worker
        self._name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._changed = threading.Condition()
        self._calls = 0
        self._idle = 0
        self._closing = False
        self._workers: set[WorkerProcess] = set()
        #: Jobs whose results are being kept: no worker is left that would show they live.
        self._keeping: dict[str, str] = {}
        self._workplace: Workplace | None = None
        self._threads = [
            threading.Thread(
                target=self._work, args=(number,), name=f"snapengine-jobs-{number}", daemon=True
            )
            for number in range(workers)
        ]
        self._threads.append(
            threading.Thread(target=self._keep, name="snapengine-jobs-keeper", daemon=True)
        )

    def start(self) -> None:
        """Begin; removes what dead processes left in the folder."""
        self._workplace = Workplace(self._folder)
        for thread in self._threads:
            thread.start()

    def notify(self) -> None:
        """A job was queued: look at once."""
        with self._changed:
            self._calls += 1
            self._changed.notify_all()

    def close(self, seconds: float = 5.0) -> None:
        """End all workers; their jobs go back into the queue.

        Results that are being kept are waited for, ``seconds`` at most. More than once is no error.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            for worker in self._workers:
                worker.kill()
        end = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))
        if self._workplace is not None:
            self._workplace.close()

    # -- a slot -----------------------------------------------------------------------------

    def _work(self, number: int) -> None:
        owner = f"{self._name}:{number}"
        with contextlib.ExitStack() as stack:
            slot = _Slot(self, stack)
            with contextlib.suppress(_NoWorker):  # the first job will say so
                slot.worker()
            while (claimed := self._next(owner)) is not None:
                job, asset = claimed
                try:
                    self._do(job, asset, owner, slot)
                except SnapError as exc:
                    # The database is out of reach: the lease ends, and another attempt is made.
                    _log.warning("job %s is left as it is: %s", job.id, exc)
                    slot.drop()
                except Exception:  # noqa: BLE001 - a bug may cost a job, not the thread
                    _log.exception("job %s", job.id)
                    slot.drop()
                    self._fail_after_bug(job, owner)

    def _next(self, owner: str) -> tuple[Job, Asset] | None:
        """The next job, waited for; ``None`` when the runner closes."""
        while True:
            with self._changed:
                if self._closing:
                    return None
                calls = self._calls
            try:
                claimed = self._database.claim(owner, now() + LEASE)
            except SnapError as exc:
                _log.warning("no job can be claimed: %s", exc)
                claimed = None
            if claimed is not None:
                return claimed
            with self._changed:
                self._idle += 1
                self._changed.wait_for(  # called at once, so that "calls" is this round's
                    lambda: self._closing or self._calls != calls  # noqa: B023
                )
                self._idle -= 1

    def _do(self, job: Job, asset: Asset, owner: str, slot: _Slot) -> None:
        """See to one job until it has ended or is not ours any more."""
        assert self._workplace is not None
        end = time.monotonic() + self._job_seconds
        failure = Failure(code="worker_died", message="the job was begun too often")
        for attempt in range(job.attempts, self._job_attempts + 1):
            with self._workplace.folder() as folder:
                try:
                    order = self._host.order(job, asset, folder)
                    outcome = self._attempt(job, order, owner, slot, end)
                except WorkerDied as died:
                    slot.drop()
                    if self._is_closing():
                        self._database.release(job.id, owner)
                        return
                    failure = Failure(
                        code="worker_died",
                        message=f"the worker {died} in attempt {attempt}",
                    )
                    _log.warning("job %s: %s", job.id, failure.message)
                    continue
                except _NoWorker as exc:
                    _log.error("no worker can be started: %s", exc)
                    self._database.release(job.id, owner)
                    with self._changed:
                        self._changed.wait_for(lambda: self._closing, _LOOK)
                    return
                except BadAnswer as bad:
                    slot.drop()
                    _log.error("job %s: a worker's answer is none: %s", job.id, bad)
                    failure = Failure(code="bad_answer", message="the worker's answer is none")
                    break
                except SnapError as exc:  # the host's: the source may not be read any more
                    failure = Failure(code=exc.code, message=str(exc))
                    break
                if isinstance(outcome, _Left):
                    slot.drop()
                    if outcome.closing:
                        self._database.release(job.id, owner)
                elif isinstance(outcome, Failure):
                    self._fail(job, owner, outcome)
                else:
                    self._complete(job, owner, outcome, folder)
                return
        self._fail(job, owner, failure)

    def _attempt(
        self, job: Job, order: WorkOrder, owner: str, slot: _Slot, end: float
    ) -> Made | Failure | _Left:
        """One worker's result. Raises :class:`WorkerDied`, :class:`BadAnswer`."""
        worker = slot.worker()
        if worker is None:
            return _Left(closing=True)
        worker.send(order)
        share, due = 0.0, time.monotonic() + _RENEWAL
        while True:
            answer = worker.answer(min(due, end) - time.monotonic())
            if isinstance(answer, Progress):
                share = answer.share
            elif answer is not None:
                return answer
            if time.monotonic() >= end:
                slot.drop()
                return Failure(
                    code="limit_exceeded",
                    message=f"the job took more than {self._job_seconds:g} s",
                )
            if time.monotonic() >= due:
                due = time.monotonic() + _RENEWAL
                if not self._renew(job, owner, share):
                    return _Left()
            if self._is_closing():
                return _Left(closing=True)

    def _renew(self, job: Job, owner: str, share: float) -> bool:
        try:
            return self._database.renew(job.id, owner, now() + LEASE, share)
        except SnapError as exc:
            # The work goes on; if nobody hears of it for too long, it is another's.
            _log.warning("job %s: its lease cannot be renewed: %s", job.id, exc)
            return True

    def _complete(self, job: Job, owner: str, made: Made, folder: Path) -> None:
        with self._kept_alive(job, owner):
            try:
                self._host.complete(job, owner, made, folder)
            except ServiceUnavailable:
                raise  # nothing is kept: the lease ends, and another attempt is made
            except SnapError as exc:
                _log.error("job %s: its result cannot be kept: %s", job.id, exc)
                self._host.fail(job, owner, Failure(code=exc.code, message=str(exc)))

    def _fail(self, job: Job, owner: str, failure: Failure) -> None:
        with self._kept_alive(job, owner):
            self._host.fail(job, owner, failure)

    def _fail_after_bug(self, job: Job, owner: str) -> None:
        try:
            self._fail(job, owner, Failure(code="internal_error", message="see the service's log"))
        except Exception:  # noqa: BLE001 - the same bug, perhaps; then the lease ends
            _log.exception("job %s", job.id)

    @contextmanager
    def _kept_alive(self, job: Job, owner: str) -> Iterator[None]:
        """The lease is renewed by the keeper meanwhile."""
        with self._changed:
            self._keeping[job.id] = owner
        try:
            yield
        finally:
            with self._changed:
                del self._keeping[job.id]
                self._changed.notify_all()

    def _is_closing(self) -> bool:
        with self._changed:
            return self._closing

    # -- the keeper -------------------------------------------------------------------------

    def _keep(self) -> None:
        looked = -_LOOK_FOR_LOST
        while not self._is_over():
            try:
                self._look()
                if time.monotonic() - looked >= _LOOK_FOR_LOST and not self._is_closing():
                    looked = time.monotonic()
                    self._put_back()
            except SnapError as exc:
                _log.warning("the queue cannot be looked after, now: %s", exc)
            except Exception:  # noqa: BLE001 - the next look may find it well again
                _log.exception("the queue cannot be looked after, now")
            with self._changed:
                self._changed.wait_for(self._is_over, _LOOK)

    def _is_over(self) -> bool:
        """Whether we close, and no result is being kept any more."""
        with self._changed:
            return self._closing and not self._keeping

    def _look(self) -> None:
        """Renew what is being kept; wake idle slots for jobs that others queued."""
        with self._changed:
            keeping, idle = dict(self._keeping), self._idle
        for job_id, owner in keeping.items():
            self._database.renew(job_id, owner, now() + LEASE, 1.0)
        if idle and not self._is_closing() and self._database.waiting():
            self.notify()

    def _put_back(self) -> None:
        """Queue again what vanished services were at; fail what was begun too often."""
        for job in self._database.requeue_expired(now(), self._job_attempts):
            self._host.fail(
                job,
                "expired",
                Failure(
                    code="worker_died",
                    message=f"the service that did it vanished, {job.attempts} times",
                ),
            )


class _Slot:
    """The worker of one thread: started at once, reused, replaced when it is needed again."""

    def __init__(self, runner: JobRunner, stack: contextlib.ExitStack) -> None:
        self._runner = runner
        self._worker: WorkerProcess | None = None
        stack.callback(self.drop)

    def worker(self) -> WorkerProcess | None:
        """One that is alive; ``None`` when the runner closes."""
        worker, runner = self._worker, self._runner
        if worker is not None and (not worker.is_alive or worker.jobs >= _JOBS_OF_A_WORKER):
            self.drop()
            worker = None
        if worker is None:
            try:
                worker = self._worker = runner._start_worker()
            except OSError as exc:
                raise _NoWorker(str(exc)) from exc
            with runner._changed:
                runner._workers.add(worker)
        with runner._changed:
            return None if runner._closing else worker

    def drop(self) -> None:
        """End it; the next job gets a fresh one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            with self._runner._changed:
                self._runner._workers.discard(worker)
            worker.close()
