"""A service that records what Huawei's dialect asks it for."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from snapengine.service.auth.keys import KeyRing
from snapengine.service.dialects.huawei import HuaweiDialect
from snapengine.service.domain.records import Asset, Cover, Facts, Job, Picture, PictureSet
from snapengine.service.domain.requests import ThumbnailRequest
from snapengine.service.settings import Settings
from tests.service.huawei_kit import BASE, KEY, KEYS

ID, TASK = "a" * 32, "b" * 32
AT = datetime(2026, 11, 21, 9, 10, 11, tzinfo=UTC)
ASSET = Asset(
    id=ID, tenant=KEY.project_id, title="Avatar 阿凡达", status="ready", description="Science",
    source="https://videos.test/in/Avatar%20480P.mp4?sign=1", tags=("one", "two"),
    facts=Facts(codec="h264", width=1280, height=720, duration=Fraction(1319, 10),
                size=4_942_645, bit_rate=299_776, frame_rate=29.97),
    cover=Cover(origin="auto", picture_id="c" * 32), created=AT, modified=AT,
)  # fmt: skip
JOB = Job(id=TASK, tenant=KEY.project_id, asset_id=ID, kind="thumbnails", created=AT,
          request=ThumbnailRequest(rule="every", every=5), status="succeeded")  # fmt: skip
SET = PictureSet(id="d" * 32, tenant=KEY.project_id, asset_id=ID, job_id=TASK, kind="thumbnail",
                 pattern="x", count=2, created=AT)  # fmt: skip


def picture(number: int, name: str) -> Picture:
    return Picture(
        id=str(number), set_id=SET.id, tenant=SET.tenant, asset_id=ID, kind="thumbnail",
        number=number, name=name, path=f"asset/{ID}/snapshot/sample/{name}.jpg", blob="b",
        media_type="image/jpeg", size=1, digest="0", created=AT,
    )  # fmt: skip


class Recorder:
    """Says what it was asked for; raises what ``failures`` has for a call."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(keys=KEYS, **settings)
        self.keys = KeyRing.parse(KEYS)
        self.asked: list[tuple[str, tuple[object, ...], dict[str, object]]] = []
        self.failures: dict[str, Exception] = {}
        self.results: dict[str, object] = {
            "asset": ASSET, "submit_thumbnails": JOB, "submit_smart_cover": JOB, "job": JOB,
            "sets": (1, [SET]), "jobs": (1, [JOB]), "register": (ASSET, True),
            "pictures": [picture(1, "0"), picture(2, "5_2")], "delete_sets": 1,
            "assets": (1, [ASSET]),
            "cover_url": f"{BASE}/files/asset/{ID}/cover/Cover0.jpg",
        }  # fmt: skip

    def link(self, path: str, via: Any, *, seconds: int | None = None) -> str:
        return f"{via.base_url}/files/{path}"

    def __getattr__(self, name: str) -> Any:
        def record(*args: object, **given: object) -> object:
            self.asked.append((name, args, given))
            if name in self.failures:
                raise self.failures[name]
            return self.results.get(name)

        return record

    def only(self, name: str) -> tuple[object, ...]:
        """The arguments of the one call of that name."""
        (found,) = [args for asked, args, _ in self.asked if asked == name]
        return found


def dialect(service: Recorder) -> HuaweiDialect:
    return HuaweiDialect(service)  # type: ignore[arg-type]  # it only looks like one
