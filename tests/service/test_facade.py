"""The domain calls without HTTP and without workers: jobs are ended by hand."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from snapengine.errors import StoreError
from snapengine.service.completion import Completion
from snapengine.service.domain.failures import (
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
    AssetChanges,
    Failure,
    Naming,
    NewAsset,
    SmartCoverRequest,
)
from snapengine.service.domain.requests import SnapshotRequest, Template, ThumbnailRequest
from snapengine.service.facade import Service
from snapengine.service.jobs.orders import Made
from snapengine.service.settings import Settings
from snapengine.service.storage import pictures as pictures_module
from tests.service.facade_kit import (
    FACTS,
    ME,
    OTHER,
    OWNER,
    VIA,
    add,
    claim,
    end,
    events,
    make,
    ready,
)
from tests.service.test_given_covers import picture

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


def test_a_source_that_failed_is_tried_again(service: Service, roots: Path) -> None:
    new = NewAsset(title="a", source=f"file://{roots}/a.mp4")
    asset, _ = service.register(ME, new)
    Completion(service).fail(claim(service), OWNER, Failure(code="x", message="y"))
    assert service.asset(ME, asset.id).status == "failed"
    again, made = service.register(ME, new)
    assert (again.id, again.status, again.failure, made) == (asset.id, "arrived", None, False)
    job = claim(service)
    assert (job.kind, job.asset_id) == ("ingest", asset.id)


def test_two_at_once_make_one_asset_of_a_source(service: Service, roots: Path) -> None:
    new = NewAsset(title="a", source=f"file://{roots}/a.mp4")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: service.register(ME, new), range(16)))
    assert len({asset.id for asset, _ in found}) == 1
    assert sum(made for _, made in found) == 1


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


def test_one_file_that_stays_does_not_keep_the_others(
    service: Service, roots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = ready(service, roots, tmp_path)
    real = service.store.delete

    def stubborn(blobs: list[str]) -> None:
        if "00002" in blobs[0]:
            raise StoreError("it is held", stage="store")
        real(blobs)

    with monkeypatch.context() as patch:
        patch.setattr(service.store, "delete", stubborn)
        service.delete(ME, asset.id)
    assert [p.name[-9:] for p in (tmp_path / "data/pictures").rglob("*.jpg")] == ["00002.jpg"]
    assert len(service.database.garbage()) == 1
    service.clear_garbage()
    assert not list((tmp_path / "data/pictures").rglob("*.jpg"))


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


def test_the_queue_is_bounded_for_new_assets_too(service: Service, roots: Path) -> None:
    for name in "abc":
        add(service, roots, name)
    with pytest.raises(QueueFull):
        add(service, roots)
    assert service.assets(ME)[0] == 3
    add(service, roots, tenant=OTHER)
    claim(service)
    add(service, roots)


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


def test_a_late_attempt_takes_nothing_from_the_one_that_was_kept(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    asset = ready(service, roots, tmp_path)
    service.submit_snapshots(ME, asset.id, SnapshotRequest())
    job = claim(service)
    assert service.database.requeue_expired(now() + timedelta(hours=1), 5) == []
    again = service.database.claim("another", now() + timedelta(seconds=60))
    assert again is not None and again[0].id == job.id
    data = picture("JPEG", 88)
    made = Made(facts=FACTS, files=tuple(make(tmp_path, ("snapshot", 1, data))))
    Completion(service).complete(again[0], "another", made, tmp_path)
    end(service, tmp_path, job, made)
    kept = service.latest(ME, asset.id, "snapshot")
    assert kept is not None
    assert service.read(service.pictures(kept)[0]) == data
    assert service.sets(ME, kinds=["snapshot"])[0] == 1


def test_only_uploads_are_removed_with_their_asset(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    """Whatever a database says: nothing outside of the folder of uploads is deleted."""
    theirs = tmp_path / "theirs.mp4"
    theirs.write_bytes(b"x")
    asset = replace(add(service, roots), id="f" * 32, source=str(theirs))
    service.database.add_asset(asset)
    service.delete(ME, asset.id)
    assert service.database.garbage() == []
    assert theirs.exists()


def test_what_a_killed_service_stored_is_garbage_later(
    service: Service, roots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored, and then nothing: as if the process had been killed before it wrote the database."""
    asset = ready(service, roots, tmp_path)
    service.submit_snapshots(ME, asset.id, SnapshotRequest())
    job = claim(service)
    made = Made(facts=FACTS, files=tuple(make(tmp_path, ("snapshot", 1, picture("JPEG")))))
    with monkeypatch.context() as patch:
        patch.setattr(service.database, "finish", lambda *_: pytest.fail("not reached"))
        patch.setattr(Completion, "_finish", lambda *_: True)
        end(service, tmp_path, job, made)
    stored = [p for p in (tmp_path / "data/pictures").rglob("*.jpg") if "snapshot" in p.name]
    assert len(stored) == 1
    assert service.database.garbage() == []
    monkeypatch.setattr(pictures_module, "now", lambda: now() + timedelta(hours=7))
    service.clear_garbage()
    assert not stored[0].exists()
    kept = service.cover_picture(service.asset(ME, asset.id))
    assert kept is not None and service.read(kept)


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
