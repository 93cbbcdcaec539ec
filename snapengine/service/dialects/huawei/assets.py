"""Assets: pulled by URL, announced for an upload, changed, listed, deleted."""

from __future__ import annotations

from typing import Any, Final

from ....errors import SnapError
from ...domain.failures import UnknownAsset
from ...domain.records import Asset, AssetChanges, NewAsset
from ...web.tickets import UploadWhat, upload_tickets, upload_url
from .calls import Call, Reply
from .faults import UNSUPPORTED, WRONG_STATUS, Refused, fault_of, illegal
from .naming import AUDIO, VIDEO, file_name, last_name, media_type
from .reading import Body, asset_id
from .thumbnails import thumbnail_of

__all__ = ["confirm", "create", "delete", "pull", "reupload", "update"]

#: Characters, or how many.
_MAX_TITLE: Final = 128
_MAX_DESCRIPTION: Final = 1024
_MAX_NAME: Final = 128
_MAX_TAG: Final = 16
_MAX_TAGS: Final = 16
_MAX_URL: Final = 4096
_MAX_CATEGORY: Final = 2**31 - 1
#: Assets that one call pulls, and deletes.
_MAX_PULLED: Final = 16
_MAX_DELETED: Final = 10
#: Seconds that an address for an upload is good for.
_UPLOAD_SECONDS: Final = 24 * 3600
_COVERS: Final = ("JPG", "PNG")
#: What a client says of its upload.
_CREATED: Final = "CREATED"
_STATES: Final = (_CREATED, "FAILED", "CANCELLED")


def pull(call: Call) -> Reply:
    """``UploadMetaDataByUrl``. What is wrong with one asset is told with it: the others come."""
    made = []
    for item in call.body.bodies("upload_metadatas", _MAX_PULLED):
        # The caller tells its assets apart by the address, so one that has none ends the call.
        url = item.text("url", _MAX_URL)
        answer: dict[str, Any] = {
            "url": url, "asset_id": None, "error_code": None, "error_msg": None,
        }  # fmt: skip
        try:
            new = _new_asset(item, last_name(url) or "video", source=url)
            answer["asset_id"] = call.service.register(call.tenant, new, call.via, anew=True)[0].id
        except (SnapError, Refused) as failure:
            fault = fault_of(failure)
            answer["error_code"], answer["error_msg"] = fault.code, fault.message
        made.append(answer)
    return Reply(200, {"upload_assets": made})


def create(call: Call) -> Reply:
    """``CreateAssetByFileUpload``: an asset, and where to PUT its video and its cover."""
    body = call.body
    name = body.text("video_name", _MAX_NAME)
    cover = _cover_type(body)
    new = _new_asset(body, name, source=None)
    asset = call.service.create_upload(call.tenant, new, call.via)
    answer: dict[str, Any] = {
        "asset_id": asset.id,
        "video_upload_url": _upload(call, asset, "video", asset.file_name or name),
        "subtitle_upload_urls": [],
        "target": {
            "bucket": "upload", "location": "", "object": f"{asset.id}/{asset.file_name or name}",
        },
    }  # fmt: skip
    if cover is not None:
        answer["cover_upload_url"] = _upload(call, asset, "cover", f"Cover0.{cover.lower()}")
    return Reply(200, answer)


def reupload(call: Call) -> Reply:
    """``UpdateAsset``: where to PUT another cover. A video cannot be replaced here."""
    asset = call.service.asset(call.tenant, asset_id(call.body.text("asset_id", 64)))
    for name in ("video_name", "video_type", "video_md5", "subtitles"):
        if name in call.body:
            raise Refused(illegal(name))
    call.body.whole("cover_id", 0, 0)
    cover = call.body.word("cover_type", _COVERS)
    url = _upload(call, asset, "cover", f"Cover0.{cover.lower()}")
    return Reply(200, {"asset_id": asset.id, "cover_upload_url": url, "subtitle_upload_urls": []})


def confirm(call: Call) -> Reply:
    """``ConfirmAssetUpload``. The video is taken in when its upload ends, so success needs no
    word; an upload that was given up leaves no asset behind."""
    id = asset_id(call.body.text("asset_id", 64))
    state = call.body.word("status", _STATES)
    awaited = call.service.asset(call.tenant, id).status == "awaited"
    if awaited == (state == _CREATED):
        raise Refused(WRONG_STATUS)
    if awaited:
        call.service.delete(call.tenant, id, call.via)
    return Reply(200, {"asset_id": id})


def update(call: Call) -> Reply:
    """``UpdateAssetMeta``: what is not given stays."""
    body = call.body
    id = asset_id(body.text("asset_id", 64))
    changes = AssetChanges(
        title=body.text("title", _MAX_TITLE) if "title" in body else None,
        description=body.text_or("description", _MAX_DESCRIPTION),
        tags=_tags(body) if "tags" in body else None,
        category=body.whole("category_id", -1, _MAX_CATEGORY),
    )
    call.service.update(call.tenant, id, changes, call.via)
    return Reply(204)


def delete(call: Call) -> Reply:
    """``DeleteAssets``: each with all that was made of it."""
    if call.query.text("delete_type") is not None:  # "origin" would keep what was made of it
        raise Refused(illegal("delete_type"))
    ids = call.query.many("asset_id", _MAX_DELETED)
    if not ids:
        raise Refused(illegal("asset_id"))
    return Reply(200, {"delete_result_array": [_delete(call, id) for id in ids]})


def _delete(call: Call, id: str) -> dict[str, Any]:
    try:
        call.service.delete(call.tenant, asset_id(id), call.via)
    except (UnknownAsset, Refused):
        return {"asset_id": id, "status": "FAILED"}
    return {"asset_id": id, "status": "DELETED"}


def _cover_type(body: Body) -> str | None:
    """The suffix of the cover that the caller will upload, if any: then none is made."""
    return body.word("cover_type", _COVERS) if body.text_or("cover_type", 8) else None


def _new_asset(body: Body, name: str, *, source: str | None) -> NewAsset:
    title = body.text("title", _MAX_TITLE)
    kind = body.text("video_type", 16).upper()
    if kind in AUDIO:
        raise Refused(UNSUPPORTED)
    if kind not in VIDEO:
        raise Refused(illegal("video_type"))
    if media_type(name) in AUDIO:  # the type is what the caller says, not what the suffix says
        name = f"{name}.{kind.lower()}"
    thumbnail = body.body("thumbnail")
    category = body.whole("category_id", -1, _MAX_CATEGORY, -1)
    return NewAsset(
        title=title,
        source=source,
        description=body.text_or("description", _MAX_DESCRIPTION) or "",
        tags=_tags(body),
        category=None if category == -1 else category,
        own_cover=_cover_type(body) is None,
        thumbnails=None if thumbnail is None else thumbnail_of(thumbnail),
        file_name=file_name(name, kind),
    )


def _tags(body: Body) -> tuple[str, ...]:
    given = body.text_or("tags", _MAX_TAGS * (_MAX_TAG + 1)) or ""
    tags = tuple(dict.fromkeys(tag.strip() for tag in given.split(",") if tag.strip()))
    if len(tags) > _MAX_TAGS or any(len(tag) > _MAX_TAG for tag in tags):
        raise Refused(illegal("tags"))
    return tags


def _upload(call: Call, asset: Asset, what: UploadWhat, name: str) -> str:
    tickets = upload_tickets(call.service)
    ticket = tickets.issue(call.tenant, asset.id, what, _UPLOAD_SECONDS)
    return upload_url(call.via.base_url, ticket, name)
