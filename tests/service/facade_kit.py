"""What tests of the domain calls share: a dialect that listens, and jobs that are ended by hand."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from pathlib import Path

from snapengine.service.completion import Completion
from snapengine.service.dialects.base import Draft
from snapengine.service.domain.ids import now
from snapengine.service.domain.records import (
    Asset,
    CallbackMessage,
    CallbackSettings,
    Event,
    Facts,
    Job,
    Naming,
    NewAsset,
    Via,
)
from snapengine.service.facade import Service
from snapengine.service.jobs.orders import Made, MadeFile
from tests.service.test_given_covers import picture

ME, OTHER = "me", "other"
OWNER = "this test"
FACTS = Facts(
    codec="h264", width=640, height=360, duration=Fraction(10), size=1000, bit_rate=800,
    frame_rate=25.0,
)  # fmt: skip
FIXED = Naming((("cover", "asset/{asset}/cover/Cover0.{suffix}"),))


class Talker:
    """A dialect that tells every event, as what it was told of it."""

    name = "talker"

    def __init__(self) -> None:
        self.events: list[Event] = []

    def routes(self) -> list[object]:
        return []

    def drafts(self, event: Event, settings: CallbackSettings | None) -> list[Draft]:
        self.events.append(event)
        return [Draft(url="http://h/", body=event.kind.encode())]

    def signing_headers(self, message: CallbackMessage, now: float) -> dict[str, str]:
        return {}


VIA = Via(dialect="talker", base_url="http://me:1")


def events(service: Service) -> list[Event]:
    return service.dialects["talker"].events  # type: ignore[attr-defined, no-any-return]


def add(service: Service, roots: Path, name: str = "a", tenant: str = ME, **more: object) -> Asset:
    new = NewAsset(title=name, source=f"file://{roots}/{name}.mp4", **more)  # type: ignore[arg-type]
    return service.register(tenant, new, VIA, anew=True)[0]


def claim(service: Service) -> Job:
    found = service.database.claim(OWNER, now() + timedelta(seconds=60))
    assert found is not None
    return found[0]


def make(folder: Path, *files: tuple[str, int, bytes]) -> list[MadeFile]:
    made = []
    for kind, number, data in files:
        name = f"{kind}-{number:05d}.jpg"
        (folder / name).write_bytes(data)
        made.append(
            MadeFile(
                kind=kind, number=number, name=str(number), file=name, media_type="image/jpeg",  # type: ignore[arg-type]
                width=64, height=48, requested=Fraction(number), time=Fraction(number),
            )
        )  # fmt: skip
    return made


def end(service: Service, folder: Path, job: Job, made: Made) -> None:
    Completion(service).complete(job, OWNER, made, folder)


def ready(service: Service, roots: Path, folder: Path, name: str = "a", **more: object) -> Asset:
    """An asset that has been looked at, with three candidates and the second as its cover."""
    asset = add(service, roots, name, **more)
    files = make(folder, *[("candidate", n, picture("JPEG", 64 + n, 48)) for n in (1, 2, 3)])
    end(service, folder, claim(service),
        Made(facts=FACTS, files=tuple(files), cover=("candidate", 2)))  # fmt: skip
    return service.asset(asset.tenant, asset.id)
