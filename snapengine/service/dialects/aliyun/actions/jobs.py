"""What became of jobs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from ....domain.records import Job, JobKind, SmartCoverRequest
from ....domain.requests import SnapshotRequest
from .. import config
from ..calls import Action, Call, Reply, present, stamp
from ..faults import no_such_resource
from ..parameters import is_id
from ..why import why_of

__all__ = ["JOBS", "job_status"]

#: How long the vendor remembers jobs, and the most that one answer lists.
_SIX_MONTHS: Final = timedelta(days=183)
_MOST: Final = 1000

#: ``JobType`` -> how an answer writes it, and our kinds.
_TYPES: Final[dict[str, tuple[str, tuple[JobKind, ...]]]] = {
    "snapshot": ("Snapshot", ("snapshots", "ingest")),
    "ai": ("AI", ("smart_cover",)),
    # Nothing is transcoded here, so there is never one.
    "transcode": ("Transcode", ()),
}


def job_status(job: Job) -> str:
    """The vendor's word: it knows no queue."""
    if job.status == "succeeded":
        return "Success"
    return "Processing" if job.status in ("queued", "running") else "Fail"


def detail(call: Call) -> Reply:
    """``GetJobDetail``. A job that failed also says why, which the vendor's never does."""
    shown, kinds = call.given.word("JobType", _TYPES)
    id = call.given.required("JobId", config.MAX_JSON)
    if not is_id(id):
        raise no_such_resource(id)
    job = call.service.job(call.tenant, id)
    if job.kind not in kinds:
        raise no_such_resource(id)
    more = {} if job.failure is None else why_of(job.failure)
    common: dict[str, str | None] = {
        "JobId": job.id,
        "Status": job_status(job),
        "CreateTime": stamp(job.created),
        "CompleteTime": None if job.finished is None else stamp(job.finished),
        "Trigger": "Auto" if job.kind == "ingest" else "Manual",
    }
    if shown == "AI":
        request = job.request
        assert isinstance(request, SmartCoverRequest)
        said: dict[str, str | None] = {
            **common,
            "MediaId": job.asset_id,
            "JobType": "AIImage",
            "TemplateConfig": config.ai_config(request),
            **more,
        }
        return {"JobType": shown, "AIJobDetail": present(said)}
    said = {**common, "VideoId": job.asset_id, **_configs(job), **more}
    detail = {**present(said), "UserId": _user_id(job)}
    return {"JobType": shown, "SnapshotJobDetail": detail}


def _user_id(job: Job) -> int:
    """An account is a number to the vendor, and its SDKs. Ours is a project: a number of its own,
    from which it cannot be told."""
    return int.from_bytes(hashlib.sha256(job.tenant.encode()).digest()[:6])


def _configs(job: Job) -> dict[str, str | None]:
    if not isinstance(job.request, SnapshotRequest):
        return {"NormalConfig": None, "SpriteConfig": None}
    sprite = job.request.sheets
    return {
        "NormalConfig": config.normal_config(job.request),
        "SpriteConfig": None if sprite is None else config.sprite_config(sprite),
    }


def listed(call: Call) -> Reply:
    """``ListJobInfo``: an asset's jobs of one type, newest first."""
    shown, kinds = call.given.word("JobType", _TYPES)
    asset = call.media()
    jobs: list[Job] = []
    if kinds:
        since = datetime.now(UTC) - _SIX_MONTHS
        _, jobs = call.service.jobs(
            call.tenant, asset_id=asset.id, kinds=kinds, since=since, limit=_MOST
        )
    return {
        "MediaId": asset.id,
        "JobType": shown,
        "JobInfoList": [
            {
                **present(
                    {
                        "JobId": job.id,
                        "Status": job_status(job),
                        "CreateTime": stamp(job.created),
                        "CompleteTime": None if job.finished is None else stamp(job.finished),
                    }
                ),
                "UserId": _user_id(job),
            }
            for job in jobs
        ],
    }


JOBS: Final = {
    "GetJobDetail": Action(detail, ("JobId", "JobType")),
    "ListJobInfo": Action(listed, ("MediaId", "JobType")),
}
