"""What an answer says of an asset, and what a call may say of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ...domain.records import Asset, AssetChanges, NewAsset
from ...domain.times import COVER_CANDIDATES
from .calls import Call, present, stamp
from .config import user_data as read_user_data
from .faults import Fault, invalid, missing, too_many
from .parameters import Parameters, check_text, check_url, is_id, whole_of
from .replies import Value

__all__ = [
    "changes_of",
    "cover_snapshots",
    "member",
    "new_asset",
    "title_of",
    "video_info",
    "video_status",
]

#: Bytes.
_MAX_TITLE: Final = 128
_MAX_DESCRIPTION: Final = 1024
_MAX_TAG: Final = 32
_MAX_COVER: Final = 1024
_MAX_USER_DATA: Final = 4096
_MAX_TAGS: Final = 16

_STATUS: Final = {
    "awaited": "Uploading",
    "arrived": "UploadSucc",
    "ready": "Normal",
    "failed": "UploadFail",
}

#: Gives a member of a call, or of an object within one: a text, a number, ``None`` if absent.
_Get = Callable[[str], Any]


def member(given: Parameters | Mapping[str, Any]) -> _Get:
    """How to get at what is given; a number in JSON counts as its digits."""
    if isinstance(given, Parameters):
        return given.raw

    def get(name: str) -> Any:
        value = given.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, bool):
            return str(value).lower()
        return value

    return get


def _text(get: _Get, name: str, most: int) -> str | None:
    value = get(name)
    return None if value is None else check_text(name, value, most)


def _tags(get: _Get) -> tuple[str, ...] | None:
    text = get("Tags")
    if text is None:
        return None
    if not isinstance(text, str):
        raise invalid("Tags")
    tags = tuple(tag for tag in (piece.strip() for piece in text.split(",")) if tag)
    if len(tags) > _MAX_TAGS:
        raise too_many("Tags", _MAX_TAGS)
    for tag in tags:
        check_text("Tags", tag, _MAX_TAG)
    return tags


def _category(get: _Get) -> int | None:
    value = get("CateId")
    return None if value in (None, "") else whole_of("CateId", value, -1)


def changes_of(given: Parameters | Mapping[str, Any]) -> AssetChanges:
    """What to change: what is given, even if blank, except a title and a cover."""
    get = member(given)
    return AssetChanges(
        title=_text(get, "Title", _MAX_TITLE) or None,
        description=_text(get, "Description", _MAX_DESCRIPTION),
        tags=_tags(get),
        category=_category(get),
        user_data=_user_data(get),
        cover_url=_text(get, "CoverURL", _MAX_COVER) or None,
    )


def new_asset(
    given: Parameters | Mapping[str, Any],
    *,
    source: str | None = None,
    title: str | None = None,
    user_data: str | None = None,
    file_name: str | None = None,
    first_frame: bool = False,
) -> NewAsset:
    """A new asset. ``title``: where none is given; ``user_data``: of the call, likewise."""
    get = member(given)
    changes = changes_of(given)
    if changes.cover_url is not None:
        check_url("CoverURL", changes.cover_url, _MAX_COVER)
    named = changes.title or title
    if not named:
        raise missing("Title")
    reference = _text(get, "ReferenceId", 1024) or None
    if reference is not None and not (6 <= len(reference) <= 64 and is_id(reference)):
        raise invalid("ReferenceId")
    return NewAsset(
        title=named,
        source=source,
        description=changes.description or "",
        tags=changes.tags or (),
        category=changes.category,
        user_data=changes.user_data or user_data,
        reference_id=reference,
        cover_url=changes.cover_url,
        cover_choice="head" if first_frame else None,
        file_name=file_name,
    )


def _user_data(get: _Get) -> str | None:
    text = _text(get, "UserData", _MAX_USER_DATA)
    read_user_data(text)  # only whether it can be
    return text


def title_of(url: str) -> str:
    """A title for what has none: the file's name, as much of it as a title may have."""
    try:
        name = os.path.basename(unquote(urlsplit(url).path, errors="strict"))
        check_text("Title", name, _MAX_COVER)
    except (ValueError, Fault):  # the name is only a courtesy
        name = ""
    cut = name.encode()[:_MAX_TITLE].decode(errors="ignore")
    return cut or "video"


def video_status(asset: Asset) -> str:
    """The vendor's ``Status``."""
    return _STATUS[asset.status]


def video_info(call: Call, asset: Asset) -> dict[str, Value]:
    """What ``GetVideoInfo`` says of an asset, its ``Snapshots`` apart. What is not known yet is
    left out: 0 would be a length."""
    facts = asset.facts
    duration = None if facts is None or facts.duration is None else facts.duration
    return present(
        {
            "VideoId": asset.id,
            "Title": asset.title,
            "Description": asset.description,
            "Status": video_status(asset),
            "CoverURL": call.service.cover_url(asset, call.via),
            "Duration": None if duration is None else round(float(duration), 4),
            "Size": None if facts is None else facts.size,
            "CateId": asset.category,
            "Tags": ",".join(asset.tags),
            "UserData": asset.user_data,
            "ReferenceId": asset.reference_id,
            "CreationTime": stamp(asset.created),
            "ModificationTime": stamp(asset.modified),
            "AuditStatus": "Normal",
            "AppId": "app-1000000",
            "StorageLocation": "",
            "RegionId": "cn-shanghai",
            "TemplateGroupId": "",
        }
    )


def cover_snapshots(call: Call, asset: Asset) -> list[str]:
    """Links to the pictures that the asset got when it came."""
    found = call.service.latest(call.tenant, asset.id, "candidate")
    if found is None:
        return []
    pictures = call.service.pictures(found, limit=COVER_CANDIDATES)
    return [call.service.link(picture.path, call.via) for picture in pictures]
