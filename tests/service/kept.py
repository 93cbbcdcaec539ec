"""Records for the tests of what is kept, and databases of each kind to keep them in."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from snapengine.service.domain.records import (
    Asset,
    CallbackMessage,
    Facts,
    Job,
    Picture,
    PictureSet,
)
from snapengine.service.domain.requests import SnapshotRequest

from .postgres import new_schema, require_postgres

DATABASES: Final = ("file", "memory", "postgres")
NOW: Final = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC)
LATER: Final = NOW + timedelta(minutes=5)
FACTS: Final = Facts(
    codec="h264", width=640, height=360, duration=Fraction(1001, 30), size=123_456,
    bit_rate=29_000, frame_rate=29.97,
)  # fmt: skip
_numbers = itertools.count(1)


def url_of(kind: str, folder: Path) -> str:
    """A new, empty database."""
    if kind == "postgres":
        require_postgres()
        return new_schema()
    return "sqlite://" if kind == "memory" else f"sqlite:///{folder}/kept {next(_numbers)}.db"


def new_id() -> str:
    return f"{next(_numbers):032x}"


def asset(tenant: str = "t1", **fields: Any) -> Asset:
    given = {"id": new_id(), "title": "film", "status": "ready", "source": "http://a.test/v.mp4",
             "created": NOW, "modified": NOW}  # fmt: skip
    return Asset(tenant=tenant, **{**given, **fields})


def job(of: Asset, **fields: Any) -> Job:
    given = {"id": new_id(), "kind": "snapshots", "request": SnapshotRequest(count=2),
             "created": NOW}  # fmt: skip
    return Job(tenant=of.tenant, asset_id=of.id, **{**given, **fields})


def picture_set(of: Asset, count: int = 2, **fields: Any) -> tuple[PictureSet, list[Picture]]:
    given = {"id": new_id(), "kind": "snapshot", "pattern": "{number}.jpg", "job_id": None,
             "created": NOW}  # fmt: skip
    made = PictureSet(tenant=of.tenant, asset_id=of.id, count=count, **{**given, **fields})
    pictures = [
        Picture(
            id=new_id(), set_id=made.id, tenant=of.tenant, asset_id=of.id, kind=made.kind,
            number=number, name=str(number), path=f"{made.id}/{number}.jpg",
            blob=f"blobs/{made.id}/{number}.jpg", media_type="image/jpeg", size=100,
            digest="00" * 32, width=64, height=36, time=Fraction(number, 3), created=made.created,
        )
        for number in range(1, count + 1)
    ]  # fmt: skip
    return made, pictures


def message(tenant: str = "t1", **fields: Any) -> CallbackMessage:
    given = {"id": new_id(), "dialect": "aliyun", "url": "http://c.test/", "body": b"{}",
             "content_type": "application/json", "created": NOW, "due": NOW}  # fmt: skip
    return CallbackMessage(tenant=tenant, **{**given, **fields})
