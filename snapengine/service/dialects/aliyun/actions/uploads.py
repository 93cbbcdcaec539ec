"""New videos: by their address, or uploaded with credentials that are handed out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from .....errors import SnapError
from ....domain.failures import SourceRefused, UnknownAsset, UnknownJob
from ....domain.records import Asset, Job, JobKind
from ....source_rules import check_source
from ....web.tickets import oss_upload, upload_tickets
from .. import config
from ..calls import Action, Call, Reply, present, stamp
from ..faults import Fault, illegal_status, invalid, missing
from ..parameters import check_text, is_id
from ..replies import Value
from ..shapes import new_asset, title_of
from ..why import why_of

__all__ = ["UPLOADS"]

_MAX_REGISTERED: Final = 10
_MAX_URLS: Final = 20
_MAX_ASKED: Final = 10
#: Bytes.
_MAX_URL: Final = 1024
_MAX_USER_DATA: Final = 4096
_MAX_FILE_NAME: Final = 1024
#: Seconds that credentials hold, as the vendor's do.
_SECONDS: Final = 3000
_SUFFIX: Final = re.compile(r"[^/\\]\.[A-Za-z0-9]{1,10}$")
_INGEST: Final[tuple[JobKind, ...]] = ("ingest",)
_STATUS: Final = {"queued": "PENDING", "running": "PROCESSING", "succeeded": "SUCCESS"}


# -- by address -----------------------------------------------------------------------------


def register(call: Call) -> Reply:
    """``RegisterMedia``: a source that is known already gives back its asset."""
    text = call.given.required("RegisterMetadatas", 256 * 1024)
    items = config.items_of("RegisterMetadatas", text, _MAX_REGISTERED)
    if not items:
        raise missing("RegisterMetadatas")
    said = _user_data(call)
    first = call.given.flag("EnableFirstFrameCover")
    news = [
        new_asset(item, source=_url(item, "FileURL"), user_data=said, first_frame=first)
        for item in items
    ]
    registered: list[dict[str, Value]] = []
    failed: list[str] = []
    for new in news:
        assert new.source is not None
        try:
            asset, fresh = call.service.register(call.tenant, new, call.via)
        except SourceRefused:
            failed.append(new.source)
            continue
        registered.append({"FileURL": new.source, "MediaId": asset.id, "NewRegister": fresh})
    return {"RegisteredMediaList": registered, "FailedFileURLs": failed}


def upload_by_url(call: Call) -> Reply:
    """``UploadMediaByURL``: each address makes a new asset, and a job to ask for."""
    urls = call.given.urls("UploadURLs", _MAX_URLS)
    if not urls:
        raise missing("UploadURLs")
    said = _user_data(call)
    first = call.given.flag("EnableFirstFrameCover")
    described = _metadatas(call)
    news = []
    for url in urls:
        check_text("UploadURLs", url, _MAX_URL)
        _check_source(call, url)
        item = described.get(url, {})
        news.append(
            new_asset(item, source=url, title=title_of(url), user_data=said, first_frame=first)
        )
    made: list[Asset] = []
    try:
        for new in news:
            made.append(call.service.register(call.tenant, new, call.via, anew=True)[0])
    except SnapError:
        # The caller would never learn of those that were made, and ask for all of them again.
        for asset in made:
            call.service.delete(call.tenant, asset.id, call.via)
        raise
    jobs: list[dict[str, Value]] = [
        {"SourceURL": asset.source or "", "JobId": _ingest(call, asset).id} for asset in made
    ]
    return {"UploadJobs": jobs}


def _check_source(call: Call, url: str) -> None:
    try:
        check_source(url, call.service.settings)
    except SourceRefused:
        raise Fault(
            "InvalidParameter.UploadURLs", 400, "The specified parameter UploadURLs is not valid."
        ) from None


def _metadatas(call: Call) -> dict[str, Mapping[str, Any]]:
    """What is said of each address; of addresses that are not asked for nothing is wanted."""
    text = call.given.raw("UploadMetadatas")
    if not text:
        return {}
    described = {}
    for item in config.items_of("UploadMetadatas", text, _MAX_URLS):
        url = _url(item, "SourceURL")
        described[url if "://" in url else unquote(url)] = item
    return described


def _url(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if value is None or value == "":
        raise missing(name)
    return check_text(name, value, _MAX_URL)


def _user_data(call: Call) -> str | None:
    text = call.given.text("UserData", _MAX_USER_DATA) or None
    config.user_data(text)  # only whether it can be read
    return text


def _ingest(call: Call, asset: Asset) -> Job:
    _, jobs = call.service.jobs(call.tenant, asset_id=asset.id, kinds=_INGEST, limit=1)
    return jobs[0]


def upload_infos(call: Call) -> Reply:
    """``GetURLUploadInfos``: by ``JobIds``, else by ``UploadURLs``."""
    ids = call.given.ids("JobIds", _MAX_ASKED)
    urls = [] if ids else call.given.urls("UploadURLs", _MAX_ASKED)
    if not ids and not urls:
        raise missing("JobIds")
    found: list[dict[str, Value]] = []
    absent = []
    for asked in ids or urls:
        info = _info_of_job(call, asked) if ids else _info_of_url(call, asked)
        if info is None:
            absent.append(check_text("JobIds" if ids else "UploadURLs", asked, _MAX_URL))
        else:
            found.append(info)
    return {"URLUploadInfoList": found, "NonExists": absent}


def _info_of_job(call: Call, id: str) -> dict[str, Value] | None:
    try:
        job = call.service.job(call.tenant, id) if is_id(id) else None
        if job is None or job.kind != "ingest":
            return None
        asset = call.service.asset(call.tenant, job.asset_id)
        # What was uploaded has no address, only a place here that is nobody's business.
        return None if asset.file_name is not None else _info(job, asset)
    except (UnknownJob, UnknownAsset):
        return None


def _info_of_url(call: Call, url: str) -> dict[str, Value] | None:
    check_text("UploadURLs", url, _MAX_URL)
    asset = call.service.database.asset_by_source(call.tenant, url)
    return None if asset is None else _info(_ingest(call, asset), asset)


def _info(job: Job, asset: Asset) -> dict[str, Value]:
    size = None if asset.facts is None else asset.facts.size
    why = {} if job.failure is None else why_of(job.failure)
    return present(
        {
            "JobId": job.id,
            "MediaId": asset.id,
            "Status": _STATUS.get(job.status, "FAIL"),
            "UploadURL": asset.source,
            "CreationTime": stamp(job.created),
            "CompleteTime": None if job.finished is None else stamp(job.finished),
            "FileSize": None if size is None else str(size),
            "UserData": asset.user_data,
            **why,
        }
    )


# -- with credentials -----------------------------------------------------------------------


def create(call: Call) -> Reply:
    """``CreateUploadVideo``: an asset that waits for its video, and where to send it."""
    name = call.given.required("FileName", _MAX_FILE_NAME)
    if not _SUFFIX.search(name):
        raise Fault(
            "InvalidFileName.Extension", 400, "The specified FileName's extension is illegal."
        )
    size = call.given.whole("FileSize", 0)
    if size is not None and size > call.service.settings.max_upload_bytes:
        raise invalid("FileSize")
    first = call.given.flag("EnableFirstFrameCover")
    new = new_asset(call.given, file_name=name, first_frame=first)
    return _credentials(call, call.service.create_upload(call.tenant, new, call.via))


def refresh(call: Call) -> Reply:
    """``RefreshUploadVideo``: new credentials for an asset that still waits."""
    asset = call.asset()
    if asset.status != "awaited":
        raise illegal_status()
    return _credentials(call, asset)


def _credentials(call: Call, asset: Asset) -> Reply:
    tickets = upload_tickets(call.service)
    ticket = tickets.issue(call.tenant, asset.id, "video", _SECONDS)
    place = oss_upload(call.via.base_url, tickets, ticket, asset.file_name or "video")
    return {
        "VideoId": asset.id,
        "UploadAddress": _encoded(
            {
                "Endpoint": place.endpoint,
                "Bucket": place.bucket,
                "FileName": place.object_name,
            }
        ),
        "UploadAuth": _encoded(
            {
                "AccessKeyId": place.access_key_id,
                "AccessKeySecret": place.access_key_secret,
                "SecurityToken": place.security_token,
                "Expiration": str(_SECONDS),
                "ExpireUTCTime": stamp(datetime.fromtimestamp(place.expires, UTC)),
            }
        ),
    }


def _encoded(value: Mapping[str, str]) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


UPLOADS: Final = {
    "RegisterMedia": Action(register, ("RegisterMetadatas",)),
    "UploadMediaByURL": Action(upload_by_url, ("UploadURLs",)),
    "GetURLUploadInfos": Action(upload_infos, ("JobIds|UploadURLs",)),
    "CreateUploadVideo": Action(create, ("FileName", "Title")),
    "RefreshUploadVideo": Action(refresh, ("VideoId|ReferenceId",)),
}
