"""Jobs: a queue with bounds, in which tenants take turns, and leases for those who work on it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select

from ...errors import InvariantBroken
from ..domain.failures import UnknownAsset
from ..domain.records import Asset, CallbackMessage, Job, JobKind
from .assets import locked_asset, write_asset
from .connections import Connections
from .rows import ASSET, JOB, Bounds, Pictures, check_room, insert_job, insert_messages, insert_sets
from .tables import ASSETS, JOBS

__all__ = ["Jobs", "Settled"]

#: Owner of a job that was tried too often, until somebody fails it ...
_EXPIRED: Final = "expired"
#: ... for which there is this much time, before it is handed out again.
_TO_FAIL: Final = timedelta(minutes=1)
_ENDED: Final = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What follows from a job that ended: its asset, what was made, what is to be told, and a job
    to do next (queued whatever the queue's bounds are)."""

    asset: Asset
    sets: Pictures = ()
    messages: Sequence[CallbackMessage] = ()
    follow: Job | None = None


class Jobs(Connections):
    """The part of :class:`~.database.Database` that keeps jobs."""

    def add_job(self, job: Job, *, most: int, most_per_tenant: int) -> None:
        """Queue a job. Raises :class:`QueueFull` when ``most`` wait, or ``most_per_tenant`` of this
        tenant, and :class:`UnknownAsset` when its asset is gone. The bounds hold however many
        threads and processes add. Jobs that follow others are not counted."""
        with self._writing() as connection:
            self._lock_queue(connection)
            check_room(connection, job.tenant, Bounds(most, most_per_tenant))
            # Locked against deletion, so that the reference holds.
            asset = select(ASSETS.c.id).where(
                ASSETS.c.tenant == job.tenant, ASSETS.c.id == job.asset_id
            )
            if connection.execute(asset.with_for_update(read=True, key_share=True)).first() is None:
                raise UnknownAsset(f"there is no asset {job.asset_id!r}", id=job.asset_id)
            insert_job(connection, job, bounded=True)

    def job(self, tenant: str, id: str) -> Job | None:
        with self._reading() as connection:
            return JOB.one(connection, tenant=tenant, id=id)

    def jobs(
        self,
        tenant: str,
        *,
        asset_id: str | None = None,
        kinds: Collection[JobKind] | None = None,
        since: datetime | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[int, list[Job]]:
        """How many there are, and a page of them, the newest first. ``since``: created then or
        later."""
        conditions: list[ColumnElement[bool]] = [JOBS.c.tenant == tenant]
        if asset_id is not None:
            conditions.append(JOBS.c.asset_id == asset_id)
        if kinds is not None:
            conditions.append(JOBS.c.kind.in_(kinds))
        if since is not None:
            conditions.append(JOBS.c.created >= since)
        with self._reading() as connection:
            return JOB.page(connection, *conditions, offset=offset, limit=limit)

    def claim(self, owner: str, until: datetime) -> tuple[Job, Asset] | None:
        """The next queued job, now running for ``owner``, who has to renew it before ``until``.

        Nobody else gets it. Tenants take turns; of one tenant the oldest comes first.
        """
        jobs = JOBS.c
        if self._lite and not self._any(jobs.status == "queued"):
            return None  # without taking the lock of writers
        query = select(JOBS).where(jobs.status == "queued").order_by(jobs.turn, jobs.seq)
        with self._writing() as connection:
            found = JOB.first(connection, query.with_for_update(skip_locked=True))
            if found is None:
                return None
            job = dataclasses.replace(
                found,
                status="running",
                attempts=found.attempts + 1,
                progress=0.0,
                started=datetime.now(UTC),
            )
            self._set(
                connection,
                jobs.id == job.id,
                status=job.status,
                attempts=job.attempts,
                progress=job.progress,
                started=job.started,
                owner=owner,
                lease=until,
            )
            asset = ASSET.one(connection, tenant=job.tenant, id=job.asset_id)
            if asset is None:
                raise InvariantBroken(f"job {job.id} without its asset")
            return job, asset

    def renew(self, job_id: str, owner: str, until: datetime, progress: float) -> bool:
        """Say that it is still being worked on. ``False``: cancelled, deleted, or somebody else's
        by now, so the work is for nothing."""
        progress = min(1.0, max(0.0, progress)) if math.isfinite(progress) else 0.0
        with self._writing() as connection:
            return self._set(connection, *_ours(job_id, owner), lease=until, progress=progress)

    def finish(self, job: Job, owner: str, settle: Callable[[Asset], Settled]) -> bool:
        """Keep the end of a job and what follows from it, in one transaction.

        ``job``: as it shall be kept, succeeded or failed. ``settle`` is given the asset as it is;
        what it raises passes through, and it may not call the database. ``False``: the job is not
        ``owner``'s any more (cancelled, deleted, its lease lost), and nothing is kept.
        """
        if job.status not in _ENDED:
            raise InvariantBroken(f"a job that ends as {job.status!r}")
        with self._writing() as connection:
            # Always the asset first and then its jobs, so that no two wait for each other.
            asset = locked_asset(connection, job.tenant, job.asset_id)
            if asset is None:
                return False
            query = select(JOBS).where(*_ours(job.id, owner), JOBS.c.asset_id == job.asset_id)
            if JOB.first(connection, query.with_for_update()) is None:
                return False
            settled = settle(asset)
            insert_sets(connection, asset, settled.sets)
            write_asset(connection, asset, settled.asset)
            JOB.update(connection, job, JOBS.c.id == job.id, owner=None, lease=None)
            if settled.follow is not None:
                if settled.follow.tenant != job.tenant:
                    raise InvariantBroken("a job of another tenant follows")
                insert_job(connection, settled.follow, bounded=False)
            insert_messages(connection, settled.messages)
            return True

    def release(self, job_id: str, owner: str) -> None:
        """Back into the queue, as if it had not been begun."""
        with self._writing() as connection:
            self._set(
                connection,
                *_ours(job_id, owner),
                status="queued",
                attempts=JOBS.c.attempts - 1,
                progress=0.0,
                started=None,
                owner=None,
                lease=None,
            )

    def cancel(self, tenant: str, id: str, now: datetime) -> Job | None:
        """Cancel a job that is queued or running; one that has ended stays as it is. The job as it
        is then, ``None`` if there is none."""
        query = select(JOBS).where(JOBS.c.tenant == tenant, JOBS.c.id == id)
        with self._writing() as connection:
            job = JOB.first(connection, query.with_for_update())
            if job is None or job.status in _ENDED:
                return job
            job = dataclasses.replace(job, status="cancelled", finished=now)
            JOB.update(connection, job, JOBS.c.id == job.id, owner=None, lease=None)
            return job

    def requeue_expired(self, now: datetime, most_attempts: int) -> list[Job]:
        """Queue the jobs again whose workers have not been heard of in time.

        Those begun ``most_attempts`` times are returned instead, running for the owner "expired",
        for the caller to ``finish``. If nobody does, they are returned again a minute later.
        """
        jobs = JOBS.c
        expired = (jobs.status == "running", jobs.lease < now)
        if self._lite and not self._any(*expired):
            return []
        query = select(JOBS).where(*expired).order_by(jobs.lease).limit(100)
        with self._writing() as connection:
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            given_up = []
            for job in map(JOB.record, rows):
                if job.attempts < most_attempts:
                    again: dict[str, Any] = {"status": "queued", "progress": 0.0, "started": None}
                    self._set(connection, jobs.id == job.id, **again, owner=None, lease=None)
                else:
                    until = now + _TO_FAIL
                    self._set(connection, jobs.id == job.id, owner=_EXPIRED, lease=until)
                    given_up.append(job)
            return given_up

    def waiting(self) -> int:
        """How many jobs are queued."""
        query = select(func.count()).select_from(JOBS).where(JOBS.c.status == "queued")
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def _any(self, *conditions: ColumnElement[bool]) -> bool:
        with self._reading() as connection:
            return connection.execute(select(JOBS.c.seq).where(*conditions).limit(1)).first() \
                is not None  # fmt: skip

    def _set(
        self, connection: Connection, *conditions: ColumnElement[bool], **values: object
    ) -> bool:
        return connection.execute(JOBS.update().where(*conditions).values(**values)).rowcount > 0


def _ours(job_id: str, owner: str) -> tuple[ColumnElement[bool], ...]:
    return (JOBS.c.id == job_id, JOBS.c.owner == owner, JOBS.c.status == "running")
