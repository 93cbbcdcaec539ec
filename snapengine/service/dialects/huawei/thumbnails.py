"""Thumbnails: asked for with an asset or afterwards, listed and deleted by their task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, get_args

from ...domain.failures import UnknownJob
from ...domain.records import Job, Picture, PictureSet, Via
from ...domain.requests import MAX_THUMBNAILS, SIDE_LIMITS, ThumbnailRequest, ThumbnailRule
from .calls import Call, Reply, all_pictures
from .faults import UNKNOWN, Refused, illegal
from .reading import Body, asset_id

if TYPE_CHECKING:
    from ...facade import Service

__all__ = [
    "LISTS",
    "delete",
    "details",
    "infos",
    "process",
    "shown",
    "status_of",
    "thumbnail_info",
    "thumbnail_of",
]

#: The vendor's types, by our rules.
_RULES: Final[dict[ThumbnailRule, str]] = {"every": "time", "at": "dots", "count": "quantity"}
#: Where the pictures of a rule are listed.
LISTS: Final[dict[ThumbnailRule, str]] = {"every": "sample", "at": "dots", "count": "quantity"}
_TYPES: Final = tuple(_RULES.values())
_MAX_SECOND: Final = 2**31 - 1
_MAX_STEP: Final = 100
#: Tasks that one call deletes.
_MAX_TASKS: Final = 10
#: Sets, or tasks, looked through for the newest one of each kind.
_NEWEST: Final = 100
_WIDE: Final = (False, True)


def thumbnail_of(body: Body) -> ThumbnailRequest:
    """The ``thumbnail`` object of a request. Raises :class:`Refused`, which names its member."""
    rules = dict(zip(_TYPES, get_args(ThumbnailRule), strict=True))
    rule = rules[body.word("type", _TYPES)]
    body.whole("format", 1, 1)
    dots = body.wholes("dots", 0, _MAX_SECOND) or []
    if rule == "at" and not 1 <= len(dots) <= MAX_THUMBNAILS:
        raise Refused(illegal("dots"))
    quantity = body.whole("quantity", 1, MAX_THUMBNAILS)
    if rule == "count" and quantity is None:
        raise Refused(illegal("quantity"))
    given = {
        "every": body.whole("time", 0, _MAX_STEP),
        "cover_position": body.whole("cover_position", 1),
        "longest_side": body.whole("max_length", *SIDE_LIMITS),
    }
    return ThumbnailRequest(
        rule=rule,
        at=tuple(dots) if rule == "at" else (),  # type: ignore[arg-type]  # made exact there
        count=quantity,
        spacing=body.whole("quantity_time", 0, _MAX_SECOND),
        wide=_WIDE[body.whole("aspect_ratio", 0, 1) or 0],
        **{name: value for name, value in given.items() if value is not None},
    )


def para_of(request: ThumbnailRequest) -> dict[str, Any]:
    """The ``thumbnail`` object that says what a request says."""
    para: dict[str, Any] = {"type": _RULES[request.rule]}
    if request.rule == "every":
        para["time"] = request.every
    elif request.rule == "at":
        para["dots"] = [int(time) for time in request.at]
    else:
        para["quantity"] = request.count
        if request.spacing:
            para["quantity_time"] = request.spacing
    para["cover_position"] = request.cover_position
    para["format"] = 1
    para["aspect_ratio"] = int(request.wide)
    para["max_length"] = request.longest_side
    return para


def process(call: Call) -> Reply:
    """``CreateAssetProcessTask``: thumbnails; there is no transcoding, what is said of it is
    passed over as long as thumbnails are asked for, too."""
    id = asset_id(call.body.text("asset_id", 64))
    thumbnail = call.body.body("thumbnail")
    call.service.asset(call.tenant, id)
    if thumbnail is None:
        raise Refused(illegal("thumbnail"))
    job = call.service.submit_thumbnails(call.tenant, id, thumbnail_of(thumbnail), call.via)
    return Reply(202, {"asset_id": id, "thumbnail_task_id": job.id})


def infos(call: Call) -> Reply:
    """``ListThumbnailInfo``: tasks that made thumbnails, newest first."""
    asset, task = call.query.text("asset_id"), call.query.text("task_id")
    offset = call.query.whole("offset", 0, 20_000, 0)
    limit = call.query.whole("limit", 1, 100, 10)
    service, tenant = call.service, call.tenant
    if asset is not None:
        asset = service.asset(tenant, asset_id(asset)).id
    if task is not None:
        task = service.job(tenant, asset_id(task)).id
    total, sets = service.sets(
        tenant, asset_id=asset, job_id=task, kinds={"thumbnail"}, offset=offset, limit=limit
    )
    listed = []
    for made in sets:
        job = _job_of(service, made)
        if job is not None and isinstance(job.request, ThumbnailRequest):
            listed.append(
                {
                    "task_id": job.id,
                    "thumbnail_para": para_of(job.request),
                    "thumbnail_count": made.count,
                }
            )
    return Reply(200, {"total": total, "thumbnails": listed})


def details(call: Call) -> Reply:
    """``ListThumbnailDetails``: the thumbnails of one task."""
    offset = call.query.whole("offset", 0, 20_480, 0)
    limit = call.query.whole("limit", 1, 100, 20)
    task = asset_id(call.query.required("task_id"))
    made = _set_of(call, task)
    pictures = [] if made is None else call.service.pictures(made, offset=offset, limit=limit)
    return Reply(
        200,
        {
            "total": 0 if made is None else made.count,
            "thumbnail_result": shown(call.service, pictures, call.via),
        },
    )


def delete(call: Call) -> Reply:
    """``DeleteThumbnails``: those of some tasks, or all of an asset. One that is the asset's cover
    stays its cover."""
    service, tenant = call.service, call.tenant
    asset, tasks = call.query.text("asset_id"), call.query.many("task_id", _MAX_TASKS)
    if asset is not None:
        asset = service.asset(tenant, asset_id(asset)).id
    if tasks:
        return Reply(
            200, {"delete_result_array": [_delete_task(call, asset, task) for task in tasks]}
        )
    if asset is None:
        raise Refused(illegal("asset_id"))
    _, sets = service.sets(tenant, asset_id=asset, kinds={"thumbnail"}, limit=20_000)
    service.delete_sets(tenant, [made.id for made in sets])
    return Reply(200, {"delete_result_array": [_deleted(made) for made in sets]})


def _delete_task(call: Call, asset: str | None, task: str) -> dict[str, Any]:
    try:
        made = _set_of(call, asset_id(task))
    except (Refused, UnknownJob):
        made = None
    if made is None or asset not in (None, made.asset_id):
        return {"asset_id": asset, "task_id": task, "status": "FAILED"}
    gone = call.service.delete_sets(call.tenant, [made.id])
    return _deleted(made) if gone else {**_deleted(made), "status": "FAILED"}


def _deleted(made: PictureSet) -> dict[str, Any]:
    return {"asset_id": made.asset_id, "task_id": made.job_id, "status": "DELETED"}


def _set_of(call: Call, task: str) -> PictureSet | None:
    """What a thumbnail task made; ``None`` while it has not. Raises :class:`UnknownJob`."""
    job = call.service.job(call.tenant, task)
    if job.kind != "thumbnails":
        raise Refused(UNKNOWN)
    _, sets = call.service.sets(call.tenant, job_id=job.id, kinds={"thumbnail"}, limit=1)
    return sets[0] if sets else None


def _job_of(service: Service, made: PictureSet) -> Job | None:
    try:
        return None if made.job_id is None else service.job(made.tenant, made.job_id)
    except UnknownJob:  # deleted between two looks
        return None


def status_of(service: Service, tenant: str, id: str) -> tuple[str, Job | None]:
    """``thumbnail_status`` of an asset, and the newest of its thumbnail tasks; one that was given
    up is none."""
    _, jobs = service.jobs(tenant, asset_id=id, kinds={"thumbnails"}, limit=_NEWEST)
    job = next((job for job in jobs if job.status != "cancelled"), None)
    if job is None:
        return "UN_THUMBNAIL", None
    if job.status in ("queued", "running"):
        return "THUMBNAILING", job
    return ("THUMBNAIL_SUCCEED" if job.status == "succeeded" else "THUMBNAIL_FAILED"), job


def thumbnail_info(service: Service, tenant: str, id: str, via: Via) -> dict[str, Any] | None:
    """``thumbnail_info``: the newest thumbnails of each type. ``None`` unless the newest task has
    succeeded: the vendor shows none while it runs, nor when it failed."""
    status, _ = status_of(service, tenant, id)
    if status != "THUMBNAIL_SUCCEED":
        return None
    _, sets = service.sets(tenant, asset_id=id, kinds={"thumbnail"}, limit=_NEWEST)
    lists: dict[str, list[dict[str, Any]]] = {}
    for made in sets:
        job = _job_of(service, made)
        if job is None or not isinstance(job.request, ThumbnailRequest):
            continue
        name = LISTS[job.request.rule]
        if name not in lists:
            lists[name] = shown(service, all_pictures(service, made), via)
        if len(lists) == len(LISTS):
            break
    if not lists:  # deleted
        return None
    return {
        **{name: lists.get(name, []) for name in LISTS.values()},
        "thumbnail_status": status,
        "exec_desc": "Thumbnail success",
    }


def shown(service: Service, pictures: Iterable[Picture], via: Via) -> list[dict[str, Any]]:
    """Thumbnails as every list has them: the second, and the address."""
    return [
        {
            "offset": int(picture.name.partition("_")[0]),
            "url": service.link(picture.path, via),
        }
        for picture in pictures
    ]
