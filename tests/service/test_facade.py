"""The domain calls without HTTP and without workers: jobs are ended by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from snapengine.service.completion import Completion
from snapengine.service.dialects.base import Draft
from snapengine.service.domain.failures import (
    CoverRefused,
    QueueFull,
    SourceRefused,
    UnknownAsset,
    UnknownJob,
    UnknownPicture,
    UnknownTemplate,
    WrongStatus,
)
from snapengine.service.domain.fields import InvalidField
from snapengine.service.domain.ids import now
from snapengine.service.domain.records import (
    Asset,
    AssetChanges,
    CallbackMessage,
    CallbackSettings,
    Cover,
    Event,
    Facts,
    Failure,
    Job,
    Naming,
    NewAsset,
    SmartCoverRequest,
    Via,
)
from snapengine.service.domain.requests import SnapshotRequest, Template, ThumbnailRequest
from snapengine.service.facade import Service
from snapengine.service.jobs.orders import Made, MadeFile
from snapengine.service.settings import Settings
from tests.remote.fault_server import FaultServer
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


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.mp4").write_bytes(b"not looked at here")
    return folder


@pytest.fixture
def service(tmp_path: Path, roots: Path) -> Iterator[Service]:
    service = Service(
        Settings(
            data=str(tmp_path / "data"), media_roots=(str(roots),), queue=5, tenant_queue=3,
            allow_private=True,
        ),
        dialects=lambda _: {"talker": Talker()},  # type: ignore[dict-item]
    )  # fmt: skip
    yield service
    service.close()


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


# -- assets ---------------------------------------------------------------------------------


def test_a_source_is_known_again(service: Service, roots: Path) -> None:
    new = NewAsset(title="a", source=f"file://{roots}/a.mp4")
    first, made = service.register(ME, new, VIA)
    again, remade = service.register(ME, new, VIA)
    other, theirs = service.register(OTHER, new, VIA)
    another, anew = service.register(ME, new, VIA, anew=True)
    assert (made, remade, theirs, anew) == (True, False, True, True)
    assert first.id == again.id
    assert len({first.id, other.id, another.id}) == 3


def test_what_may_not_be_read_is_no_asset(service: Service, roots: Path) -> None:
    for source in (f"file://{roots}/../data/snapengine.sqlite", "ftp://h/x", "/etc/passwd"):
        with pytest.raises(SourceRefused):
            service.register(ME, NewAsset(title="x", source=source), VIA)
    with pytest.raises(InvalidField):
        service.register(ME, NewAsset(title="x"), VIA)
    assert service.assets(ME) == (0, [])


def test_tenants_see_their_own_only(service: Service, roots: Path, tmp_path: Path) -> None:
    asset = ready(service, roots, tmp_path, reference_id="ref-0001")
    job = service.submit_snapshots(ME, asset.id, SnapshotRequest(), VIA)
    template = service.add_template(
        ME, "t", Template(name="t", request=SnapshotRequest()), "as given"
    )
    cover = service.cover_url(asset, VIA)
    assert cover is not None
    for attempt in (
        lambda: service.asset(OTHER, asset.id),
        lambda: service.asset_by_reference(OTHER, "ref-0001"),
        lambda: service.update(OTHER, asset.id, AssetChanges(title="mine"), VIA),
        lambda: service.delete(OTHER, asset.id, VIA),
        lambda: service.submit_snapshots(OTHER, asset.id, SnapshotRequest(), VIA),
        lambda: service.set_cover_bytes(OTHER, asset.id, picture("PNG"), VIA),
    ):
        with pytest.raises(UnknownAsset):
            attempt()
    for attempt in (lambda: service.job(OTHER, job.id), lambda: service.cancel(OTHER, job.id)):
        with pytest.raises(UnknownJob):
            attempt()
    with pytest.raises(UnknownPicture):
        service.set_cover_picture(OTHER, cover, VIA)
    for attempt in (
        lambda: service.template(OTHER, template.id),
        lambda: service.update_template(OTHER, template.id, name="x"),
        lambda: service.delete_template(OTHER, template.id),
    ):
        with pytest.raises(UnknownTemplate):
            attempt()
    assert service.assets(OTHER) == (0, [])
    assert service.jobs(OTHER) == (0, [])
    assert service.latest(OTHER, asset.id, "candidate") is None
    kept = service.latest(ME, asset.id, "candidate")
    assert kept is not None
    assert service.pictures(replace(kept, tenant=OTHER)) == []
    assert service.delete_sets(OTHER, [kept.id]) == 0
    assert service.asset(ME, asset.id).title == "a"


def test_an_upload_is_taken_once(service: Service, tmp_path: Path) -> None:
    asset = service.create_upload(ME, NewAsset(title="u", file_name="u.mp4"), VIA)
    assert asset.status == "awaited"
    with pytest.raises(WrongStatus):
        service.submit_snapshots(ME, asset.id, SnapshotRequest(), VIA)
    incoming = tmp_path / "incoming"
    incoming.write_bytes(b"video")
    arrived = service.receive_upload(ME, asset.id, incoming)
    assert arrived.status == "arrived"
    assert not incoming.exists()
    job = claim(service)
    assert (job.kind, job.asset_id) == ("ingest", asset.id)
    order = Completion(service).order(job, arrived, tmp_path)
    assert Path(order.source).read_bytes() == b"video"
    incoming.write_bytes(b"again")
    with pytest.raises(WrongStatus):
        service.receive_upload(ME, asset.id, incoming)
    assert Path(order.source).read_bytes() == b"video"
    service.delete(ME, asset.id, VIA)
    assert not Path(order.source).exists()


def test_deleting_removes_files_but_never_a_callers_own(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    asset = ready(service, roots, tmp_path)
    stored = [p for p in (tmp_path / "data/pictures").rglob("*") if p.is_file()]
    assert len(stored) == 3
    service.delete(ME, asset.id, VIA)
    assert not [p for p in (tmp_path / "data/pictures").rglob("*") if p.is_file()]
    assert (roots / "a.mp4").exists()
    assert service.database.garbage() == []
    assert events(service)[-1].kind == "asset_deleted"


def test_changes_leave_the_rest(service: Service, roots: Path, tmp_path: Path) -> None:
    asset = ready(service, roots, tmp_path, description="d", tags=("x",), category=3)
    changed = service.update(ME, asset.id, AssetChanges(title="new"), VIA)
    assert (changed.title, changed.description, changed.tags) == ("new", "d", ("x",))
    assert changed.cover == asset.cover
    assert changed.modified > asset.modified
    event = events(service)[-1]
    assert event.kind == "asset_changed"
    assert event.before is not None
    assert (event.before.title, event.asset.title) == ("a", "new")


# -- covers ---------------------------------------------------------------------------------


def test_the_candidate_the_worker_chose_is_the_cover(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    asset = ready(service, roots, tmp_path)
    assert asset.status == "ready"
    assert asset.facts == FACTS
    path = service.cover_path(asset)
    assert path is not None and path.endswith("candidate-00002.jpg")
    assert service.cover_url(asset, VIA) == f"http://me:1/files/{path}"
    done = events(service)[-1]
    assert (done.kind, done.cover_path, done.cover_path_before) == ("job_done", path, None)
    assert [p.number for p in done.pictures] == [1, 2, 3]


def test_any_of_its_pictures_by_its_link(service: Service, roots: Path, tmp_path: Path) -> None:
    asset = ready(service, roots, tmp_path)
    kept = service.latest(ME, asset.id, "candidate")
    assert kept is not None
    third = service.pictures(kept)[2]
    for url in (
        service.link(third.path, VIA),
        service.link(third.path, replace(VIA, base_url="https://cdn.example/x")) + "?expires=1",
    ):
        changed = service.set_cover_picture(ME, url, VIA)
        assert changed.cover == Cover(origin="picture", picture_id=third.id)
        assert service.update(ME, asset.id, AssetChanges(cover_url=url), VIA).cover == changed.cover
    event = events(service)[-2]
    assert event.cover_path == third.path
    for url in ("http://me:1/files/no/such.jpg", "http://me:1/", "", "\ud800"):
        with pytest.raises(UnknownPicture):
            service.set_cover_picture(ME, url, VIA)


def test_a_picture_of_another_asset_is_copied(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    one = ready(service, roots, tmp_path, "a")
    two = ready(service, roots, tmp_path, "b")
    link = service.cover_url(one, VIA)
    changed = service.update(ME, two.id, AssetChanges(cover_url=link), VIA)
    source = service.cover_picture(one)
    copy = service.cover_picture(changed)
    assert source is not None and copy is not None
    assert (copy.asset_id, copy.digest) == (two.id, source.digest)
    service.delete(ME, one.id, VIA)
    assert service.store.read(copy.blob, 0, copy.size)


def test_a_file_becomes_the_cover(service: Service, roots: Path, tmp_path: Path) -> None:
    asset = ready(service, roots, tmp_path)
    data = picture("PNG", 320, 200)
    changed = service.set_cover_bytes(ME, asset.id, data, VIA)
    kept = service.cover_picture(changed)
    assert kept is not None
    assert service.store.read(kept.blob, 0, kept.size) == data
    assert (kept.media_type, kept.width, kept.height) == ("image/png", 320, 200)
    with pytest.raises(CoverRefused):
        service.set_cover_bytes(ME, asset.id, b"no", VIA)
    assert service.asset(ME, asset.id).cover == changed.cover


def test_an_external_cover_is_checked_and_shown_as_given(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    asset = ready(service, roots, tmp_path)
    data = picture("JPEG", 100, 80)
    with FaultServer({"/c.jpg": data, "/no.jpg": b"no"}) as server:
        url = server.url("/c.jpg")
        changed = service.update(ME, asset.id, AssetChanges(cover_url=url), VIA)
        assert service.cover_url(changed, VIA) == url
        kept = service.cover_picture(changed)
        assert kept is not None
        assert service.store.read(kept.blob, 0, kept.size) == data
        with pytest.raises(CoverRefused):
            service.update(ME, asset.id, AssetChanges(cover_url=server.url("/no.jpg")), VIA)
        missing = server.url("/missing.jpg")
        changed = service.update(ME, asset.id, AssetChanges(cover_url=missing), VIA)
        assert changed.cover == Cover(origin="external", url=missing)
        assert service.cover_url(changed, VIA) == missing


def test_private_addresses_are_no_covers_unless_allowed(tmp_path: Path, roots: Path) -> None:
    with (
        Service(
            Settings(data=str(tmp_path / "d"), media_roots=(str(roots),), workers=0)
        ) as service,
        FaultServer({"/c.jpg": picture("JPEG")}) as server,
    ):
        asset = add(service, roots)
        with pytest.raises(CoverRefused) as caught:
            service.update(ME, asset.id, AssetChanges(cover_url=server.url("/c.jpg")), Via())
        assert caught.value.context["why"] == "address"
        assert server.requests == []


def test_a_given_cover_stays_while_the_asset_is_looked_at(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    given = add(service, roots, cover_url="http://h/c.jpg")
    job = claim(service)
    files = make(tmp_path, ("candidate", 1, picture("JPEG")), ("cover", 1, picture("JPEG", 70)))
    end(service, tmp_path, job, Made(facts=FACTS, files=tuple(files), cover=("cover", 1)))
    asset = service.asset(ME, given.id)
    assert service.cover_url(asset, VIA) == "http://h/c.jpg"
    kept = service.cover_picture(asset)
    assert kept is not None and kept.kind == "cover"

    refused = add(service, roots, cover_url="http://h/bad.jpg")
    made = Made(facts=FACTS, files=tuple(files[:1]), cover=("candidate", 1), cover_problem="bad")
    end(service, tmp_path, claim(service), made)
    asset = service.asset(ME, refused.id)
    assert asset.cover is not None and asset.cover.origin == "auto"

    unreachable = add(service, roots, cover_url="http://h/off.jpg")
    end(service, tmp_path, claim(service), Made(facts=FACTS, files=tuple(files[:1])))
    asset = service.asset(ME, unreachable.id)
    assert asset.cover == Cover(origin="external", url="http://h/off.jpg")


def test_a_cover_set_meanwhile_is_not_overwritten(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    via = replace(VIA, naming=FIXED)
    asset, _ = service.register(ME, NewAsset(title="a", source=f"file://{roots}/a.mp4"), via)
    job = claim(service)
    mine = service.set_cover_bytes(ME, asset.id, picture("JPEG", 99, 33), via)
    files = make(tmp_path, ("cover", 1, picture("JPEG", 70)))
    end(service, tmp_path, job, Made(facts=FACTS, files=tuple(files), cover=("cover", 1)))
    after = service.asset(ME, asset.id)
    assert after.status == "ready"
    assert after.cover == mine.cover
    path = service.cover_path(after)
    assert path == f"asset/{asset.id}/cover/Cover0.jpg"
    served = service.database.picture_at(path)
    assert served is not None and (served.width, served.height) == (99, 33)
    assert len([p for p in (tmp_path / "data/pictures").rglob("*") if p.is_file()]) == 1


def test_covers_of_one_address_follow_the_cover(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    via = replace(VIA, naming=FIXED)
    asset, _ = service.register(ME, NewAsset(title="a", source=f"file://{roots}/a.mp4"), via)
    files = make(tmp_path, *[("candidate", n, picture("JPEG", 60 + n)) for n in (1, 2)])
    end(service, tmp_path, claim(service),
        Made(facts=FACTS, files=tuple(files), cover=("candidate", 2)))  # fmt: skip
    address = f"asset/{asset.id}/cover/Cover0.jpg"
    assert service.cover_path(service.asset(ME, asset.id)) == address
    before = service.database.picture_at(address)
    kept = service.latest(ME, asset.id, "candidate")
    assert kept is not None and before is not None
    service.set_cover_picture(ME, service.link(service.pictures(kept)[0].path, via), via)
    after = service.database.picture_at(address)
    assert after is not None
    assert after.digest == service.pictures(kept)[0].digest != before.digest


@pytest.mark.parametrize("set_cover", [False, True])
def test_smart_covers_replace_the_cover_only_when_asked(
    service: Service, roots: Path, tmp_path: Path, set_cover: bool
) -> None:
    asset = ready(service, roots, tmp_path)
    service.submit_smart_cover(ME, asset.id, SmartCoverRequest(set_cover=set_cover), VIA)
    files = make(tmp_path, ("smart", 1, picture("JPEG", 77)))
    end(
        service, tmp_path, claim(service), Made(facts=FACTS, files=tuple(files), cover=("smart", 1))
    )
    cover = service.asset(ME, asset.id).cover
    assert cover is not None
    assert cover.origin == ("smart" if set_cover else "auto")


# -- jobs -----------------------------------------------------------------------------------


def test_the_queue_is_bounded(service: Service, roots: Path, tmp_path: Path) -> None:
    asset = ready(service, roots, tmp_path)
    other = ready(service, roots, tmp_path, tenant=OTHER)
    for _ in range(3):
        service.submit_snapshots(ME, asset.id, SnapshotRequest(), VIA)
    with pytest.raises(QueueFull) as caught:
        service.submit_snapshots(ME, asset.id, SnapshotRequest(), VIA)
    assert caught.value.retry_after >= 1
    for _ in range(2):
        service.submit_snapshots(OTHER, other.id, SnapshotRequest(), VIA)
    with pytest.raises(QueueFull):
        service.submit_snapshots(OTHER, other.id, SnapshotRequest(), VIA)


def test_a_failed_job_says_why(service: Service, roots: Path, tmp_path: Path) -> None:
    broken = add(service, roots)
    Completion(service).fail(claim(service), OWNER, Failure(code="no_video", message="none"))
    asset = service.asset(ME, broken.id)
    assert (asset.status, asset.failure) == ("failed", Failure(code="no_video", message="none"))
    done = events(service)[-1]
    assert done.job is not None and done.job.status == "failed"
    with pytest.raises(WrongStatus):
        service.submit_snapshots(ME, broken.id, SnapshotRequest(), VIA)

    fine = ready(service, roots, tmp_path, "b")
    job = service.submit_snapshots(ME, fine.id, SnapshotRequest(), VIA)
    Completion(service).fail(claim(service), OWNER, Failure(code="x", message="y"))
    assert service.job(ME, job.id).failure == Failure(code="x", message="y")
    assert service.asset(ME, fine.id).status == "ready"


def test_what_a_cancelled_job_made_is_not_kept(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    asset = ready(service, roots, tmp_path)
    submitted = service.submit_snapshots(ME, asset.id, SnapshotRequest(), VIA)
    job = claim(service)
    told = len(events(service))
    assert service.cancel(ME, submitted.id).status == "cancelled"
    files = make(tmp_path, ("snapshot", 1, picture("JPEG")))
    end(service, tmp_path, job, Made(facts=FACTS, files=tuple(files)))
    assert service.latest(ME, asset.id, "snapshot") is None
    assert len([p for p in (tmp_path / "data/pictures").rglob("*") if p.is_file()]) == 3
    assert len(events(service)) == told
    assert service.cancel(ME, submitted.id).status == "cancelled"


def test_a_file_that_the_worker_did_not_make_fails_the_job(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    asset = ready(service, roots, tmp_path)
    submitted = service.submit_snapshots(ME, asset.id, SnapshotRequest(), VIA)
    files = make(tmp_path, ("snapshot", 1, picture("JPEG")), ("snapshot", 2, b""))
    (tmp_path / files[1].file).unlink()
    (tmp_path / files[1].file).symlink_to("/etc/passwd")
    end(service, tmp_path, claim(service), Made(facts=FACTS, files=tuple(files)))
    job = service.job(ME, submitted.id)
    assert job.status == "failed" and job.failure is not None
    assert len([p for p in (tmp_path / "data/pictures").rglob("*") if p.is_file()]) == 3


def test_a_new_job_takes_the_place_of_the_old_one_whose_files_stay(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    asset = ready(service, roots, tmp_path)
    paths = []
    for width in (60, 70):
        service.submit_snapshots(ME, asset.id, SnapshotRequest(), VIA)
        files = make(tmp_path, ("snapshot", 1, picture("JPEG", width)))
        end(service, tmp_path, claim(service), Made(facts=FACTS, files=tuple(files)))
        kept = service.latest(ME, asset.id, "snapshot")
        assert kept is not None
        paths.append(service.pictures(kept)[0].path)
    assert len(set(paths)) == 2
    assert all(service.database.picture_at(path) is not None for path in paths)


def test_thumbnails_given_with_the_asset_follow(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    wanted = ThumbnailRequest(rule="count", count=2)
    asset = ready(service, roots, tmp_path, thumbnails=wanted)
    job = claim(service)
    assert (job.kind, job.asset_id, job.request) == ("thumbnails", asset.id, wanted)


def test_a_track_names_its_pictures_as_they_are_served(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    asset = ready(service, roots, tmp_path)
    naming = Naming(
        (("track", "{asset}/t/{job}.{suffix}"), ("track_picture", "{asset}/p/{job}-{number}.jpg"))
    )
    via = replace(VIA, naming=naming)
    job = service.submit_snapshots(ME, asset.id, SnapshotRequest(), via)
    order = Completion(service).order(job, asset, tmp_path)
    assert (order.track_pictures, order.mark) == (f"../p/{job.id}-{{number}}.jpg", "?")


def test_templates_replace_the_request(service: Service, roots: Path, tmp_path: Path) -> None:
    asset = ready(service, roots, tmp_path)
    request = SnapshotRequest(count=4, interval=Fraction(2))
    kept = service.add_template(ME, "t", Template(name="t", request=request), "{}")
    job = service.submit_template(ME, asset.id, kept.id, VIA)
    assert (job.request, job.template_id) == (request, kept.id)
    smart = service.add_template(ME, "s", SmartCoverRequest(), "{}")
    for unknown in (smart.id, "0" * 32):
        with pytest.raises(UnknownTemplate):
            service.submit_template(ME, asset.id, unknown, VIA)
    service.delete_template(ME, kept.id)
    assert [t.id for t in service.templates(ME)] == [smart.id]


def test_waiting_for_a_job(service: Service, roots: Path, tmp_path: Path) -> None:
    asset = ready(service, roots, tmp_path)
    job = service.submit_snapshots(ME, asset.id, SnapshotRequest())
    assert service.wait(ME, job.id, 0).status == "queued"
    files = make(tmp_path, ("snapshot", 1, picture("JPEG")))
    made = Made(facts=FACTS, files=tuple(files))
    ending = threading.Thread(target=lambda: end(service, tmp_path, claim(service), made))
    ending.start()
    assert service.wait(ME, job.id, 60).status == "succeeded"
    ending.join()
    kept = service.latest(ME, asset.id, "snapshot")
    assert kept is not None
    assert service.read(service.pictures(kept)[0]) == picture("JPEG")


# -- lifetime -------------------------------------------------------------------------------


def test_a_pair_is_made_once_and_kept(tmp_path: Path) -> None:
    with Service(Settings(data=str(tmp_path), workers=0)) as service:
        made = service.fresh_key
        assert made is not None
    with Service(Settings(data=str(tmp_path), workers=0)) as service:
        assert service.fresh_key is None
        assert [(k.id, k.secret) for k in service.keys] == [(made.id, made.secret)]


def test_closing_twice_and_starting_twice(tmp_path: Path) -> None:
    service = Service(Settings(data=str(tmp_path), workers=0))
    service.start()
    service.start()
    service.close()
    service.close()
