"""Jobs: asking for pictures, and asking what became of it."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime
from typing import Final

from ..domain.failures import UnknownJob, WrongStatus
from ..domain.ids import now
from ..domain.records import HERE, Job, JobKind, JobRequest, SmartCoverRequest, Via
from ..domain.requests import JobNote, SnapshotRequest, Template, ThumbnailRequest
from .kept import KeptCalls, unknown_template

__all__ = ["JobCalls"]

#: Seconds between two looks at a job that is waited for.
_LOOK: Final = 1.0


class JobCalls(KeptCalls):
    """Work on assets."""

    def submit_snapshots(
        self,
        tenant: str,
        asset_id: str,
        request: SnapshotRequest,
        via: Via = HERE,
        *,
        note: JobNote | None = None,
        template_id: str | None = None,
    ) -> Job:
        """Queue pictures of an asset.

        Raises :class:`UnknownAsset`, :class:`WrongStatus` for an asset without a usable video,
        :class:`QueueFull`.
        """
        return self._submit(tenant, asset_id, "snapshots", request, via, note, template_id)

    def submit_template(
        self,
        tenant: str,
        asset_id: str,
        template_id: str,
        via: Via = HERE,
        *,
        note: JobNote | None = None,
    ) -> Job:
        """:meth:`submit_snapshots` with what the template says. Raises :class:`UnknownTemplate`."""
        asset = self.asset(tenant, asset_id)
        template = self.template(tenant, template_id).template
        if not isinstance(template, Template):
            raise unknown_template(template_id)
        return self.submit_snapshots(
            tenant, asset.id, template.request, via, note=note, template_id=template_id
        )

    def submit_thumbnails(
        self, tenant: str, asset_id: str, request: ThumbnailRequest, via: Via = HERE
    ) -> Job:
        """Queue thumbnails, one of which becomes the cover. Raises as
        :meth:`submit_snapshots`."""
        return self._submit(tenant, asset_id, "thumbnails", request, via)

    def submit_smart_cover(
        self,
        tenant: str,
        asset_id: str,
        request: SmartCoverRequest,
        via: Via = HERE,
        *,
        note: JobNote | None = None,
        template_id: str | None = None,
    ) -> Job:
        """Queue the search for the best pictures. Raises as :meth:`submit_snapshots`."""
        return self._submit(tenant, asset_id, "smart_cover", request, via, note, template_id)

    def job(self, tenant: str, id: str) -> Job:
        """Raises :class:`UnknownJob`."""
        job = self.database.job(tenant, id)
        if job is None:
            raise UnknownJob("there is no such job", stage="request", id=id)
        return job

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
        """How many there are, and those from ``offset`` on, newest first."""
        return self.database.jobs(
            tenant, asset_id=asset_id, kinds=kinds, since=since, offset=offset, limit=limit
        )

    def wait(self, tenant: str, id: str, seconds: float | None = None) -> Job:
        """Wait until a job has ended, at most ``seconds``; the job as it is then.

        Raises :class:`UnknownJob`."""
        ends = None if seconds is None else time.monotonic() + seconds
        while True:
            seen = self.ended.count
            job = self.job(tenant, id)
            left = _LOOK if ends is None else min(_LOOK, ends - time.monotonic())
            if job.status not in ("queued", "running") or left <= 0:
                return job
            # Another process may have done it: nobody tells of that, so look now and then.
            self.ended.wait(seen, left)

    def cancel(self, tenant: str, id: str) -> Job:
        """Give a job up: one that waits at once, one under way within a second or two. One that
        has ended stays as it is. Raises :class:`UnknownJob`."""
        job = self.database.cancel(tenant, id, now())
        if job is None:
            raise UnknownJob("there is no such job", stage="request", id=id)
        self.notify()
        self.ended.tell()
        return job

    def _submit(
        self,
        tenant: str,
        asset_id: str,
        kind: JobKind,
        request: JobRequest,
        via: Via,
        note: JobNote | None = None,
        template_id: str | None = None,
    ) -> Job:
        asset = self.asset(tenant, asset_id)
        if asset.status not in ("arrived", "ready"):
            raise WrongStatus(
                f"the asset is {asset.status}", stage="request", id=asset_id, status=asset.status
            )
        job = self._job(asset, kind, request, via, note, template_id)
        self.database.add_job(
            job, most=self.settings.queue, most_per_tenant=self.settings.tenant_queue
        )
        self.notify()
        return job
