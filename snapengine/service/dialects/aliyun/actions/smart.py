"""Smart covers: pictures chosen for what they show, as AI image jobs."""

from __future__ import annotations

import json
from typing import Final

from ....domain.failures import UnknownJob
from ....domain.records import (
    Job,
    Picture,
    PictureKind,
    PictureSet,
    SmartCoverRequest,
    StoredTemplate,
)
from .. import config
from ..calls import Action, Call, Reply, stamp
from ..faults import no_such_resource
from ..naming import AI_IMAGE
from ..parameters import is_id
from ..why import why_of

__all__ = ["SMART"]

_MAX_NAME: Final = 128
_MAX_USER_DATA: Final = 512
#: Jobs that one call may ask for.
_MAX_JOBS: Final = 10
#: Sets, and pictures of one, that one answer lists.
_MOST: Final = 100
_SMART: Final[tuple[PictureKind, ...]] = ("smart",)
#: The only type that is understood.
_TYPES: Final = {"aiimage": AI_IMAGE}


# -- templates ------------------------------------------------------------------------------


def add_template(call: Call) -> Reply:
    """``AddAITemplate``."""
    name = call.given.required("TemplateName", _MAX_NAME)
    call.given.word("TemplateType", _TYPES)
    text = call.given.required("TemplateConfig", config.MAX_JSON)
    stored = call.service.add_template(call.tenant, name, config.ai_template(text), text)
    return {"TemplateId": stored.id}


def update_template(call: Call) -> Reply:
    """``UpdateAITemplate``: what is not given stays."""
    name = call.given.text("TemplateName", _MAX_NAME) or None
    text = call.given.text("TemplateConfig", config.MAX_JSON) or None
    request = None if text is None else config.ai_template(text)
    stored, _ = _stored(call, "TemplateId")
    call.service.update_template(call.tenant, stored.id, name=name, template=request, as_given=text)
    return {"TemplateId": stored.id}


def get_template(call: Call) -> Reply:
    """``GetAITemplate``."""
    return {"TemplateInfo": _info(_stored(call, "TemplateId")[0])}


def list_templates(call: Call) -> Reply:
    """``ListAITemplate``."""
    call.given.word("TemplateType", _TYPES)
    return {
        "TemplateInfoList": [
            _info(stored)
            for stored in call.service.templates(call.tenant)
            if isinstance(stored.template, SmartCoverRequest)
        ]
    }


def delete_template(call: Call) -> Reply:
    """``DeleteAITemplate``."""
    stored, _ = _stored(call, "TemplateId")
    call.service.delete_template(call.tenant, stored.id)
    return {"TemplateId": stored.id}


def _stored(call: Call, name: str) -> tuple[StoredTemplate, SmartCoverRequest]:
    id = call.given.required(name, config.MAX_JSON)
    if not is_id(id):
        raise no_such_resource(id)
    stored = call.service.template(call.tenant, id)
    if not isinstance(stored.template, SmartCoverRequest):
        raise no_such_resource(id)
    return stored, stored.template


def _info(stored: StoredTemplate) -> dict[str, str]:
    return {
        "TemplateId": stored.id,
        "TemplateName": stored.name,
        "TemplateType": AI_IMAGE,
        "TemplateConfig": stored.as_given,
        "Source": "Custom",
        "IsDefault": "Default" if stored.is_default else "NotDefault",
        "CreationTime": stamp(stored.created),
        "ModifyTime": stamp(stored.modified),
    }


# -- jobs and pictures ----------------------------------------------------------------------


def submit(call: Call) -> Reply:
    """``SubmitAIImageJob``."""
    note = config.user_data(call.given.text("UserData", _MAX_USER_DATA))
    asset = call.asset()
    stored, request = _stored(call, "AITemplateId")
    job = call.service.submit_smart_cover(
        call.tenant, asset.id, request, call.via, note=note, template_id=stored.id
    )
    return {"JobId": job.id}


def list_images(call: Call) -> Reply:
    """``ListAIImageInfo``: all smart pictures of an asset, those of the last job first."""
    asset = call.asset()
    _, sets = call.service.sets(call.tenant, asset_id=asset.id, kinds=_SMART, limit=_MOST)
    return {
        "AIImageInfoList": [
            _image(call, found, picture)
            for found in sets
            for picture in call.service.pictures(found, limit=_MOST)
        ]
    }


def _image(call: Call, found: PictureSet, picture: Picture) -> dict[str, str]:
    return {
        "AIImageInfoId": picture.id,
        "VideoId": picture.asset_id,
        "JobId": found.job_id or "",
        "FileURL": call.service.link(picture.path, call.via),
        "Format": picture.path.rpartition(".")[2],
        "Score": _score(picture),
        "Version": "1",
        "CreationTime": stamp(picture.created),
    }


def _score(picture: Picture) -> str:
    return "0" if picture.score is None else f"{picture.score:.6g}"


def get_jobs(call: Call) -> Reply:
    """``GetAIImageJobs``; ids that nothing has are left out, for want of a place for them."""
    jobs = []
    for id in call.given.ids("JobIds", _MAX_JOBS):
        job = _job(call, id)
        if job is not None:
            jobs.append(_job_info(call, job))
    return {"AIImageJobList": jobs}


def _job(call: Call, id: str) -> Job | None:
    try:
        job = call.service.job(call.tenant, id) if is_id(id) else None
    except UnknownJob:
        return None
    return job if job is not None and job.kind == "smart_cover" else None


def _job_info(call: Call, job: Job) -> dict[str, str]:
    assert isinstance(job.request, SmartCoverRequest)
    status = {"queued": "processing", "running": "processing", "succeeded": "success"}
    why = {} if job.failure is None else why_of(job.failure)
    done = job.status == "succeeded"
    said = {
        "JobId": job.id,
        "VideoId": job.asset_id,
        "Status": status.get(job.status, "fail"),
        "Code": "Success" if done else why.get("ErrorCode"),
        "Message": "OK" if done else why.get("ErrorMessage"),
        "CreationTime": stamp(job.created),
        "TemplateId": job.template_id,
        "TemplateConfig": config.ai_config(job.request),
        "UserData": config.note_text(job.note),
        "AIImageResult": _result(call, job) if done else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _result(call: Call, job: Job) -> str:
    _, sets = call.service.sets(call.tenant, job_id=job.id, kinds=_SMART, limit=1)
    pictures = [p for found in sets for p in call.service.pictures(found, limit=_MOST)]
    return json.dumps(
        [{"Score": p.score, "Url": call.service.link(p.path, call.via)} for p in pictures]
    )


SMART: Final = {
    "AddAITemplate": Action(add_template, ("TemplateName", "TemplateType", "TemplateConfig")),
    "UpdateAITemplate": Action(update_template, ("TemplateId",)),
    "GetAITemplate": Action(get_template, ("TemplateId",)),
    "ListAITemplate": Action(list_templates, ("TemplateType",)),
    "DeleteAITemplate": Action(delete_template, ("TemplateId",)),
    "SubmitAIImageJob": Action(submit, ("VideoId", "AITemplateId")),
    "ListAIImageInfo": Action(list_images, ("VideoId",)),
    "GetAIImageJobs": Action(get_jobs, ("JobIds",)),
}
