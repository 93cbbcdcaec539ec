"""An asset's cover, however it comes by it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from snapengine.service.domain.failures import (
    CoverRefused,
    QueueFull,
    UnknownPicture,
)
from snapengine.service.domain.records import (
    AssetChanges,
    Cover,
    NewAsset,
    SmartCoverRequest,
    Via,
)
from snapengine.service.domain.requests import ThumbnailRequest
from snapengine.service.facade import Service
from snapengine.service.jobs.orders import Made
from snapengine.service.settings import Settings
from tests.remote.fault_server import FaultServer
from tests.remote.faults import cut
from tests.service.facade_kit import (
    FACTS,
    FIXED,
    ME,
    OTHER,
    VIA,
    add,
    claim,
    end,
    events,
    make,
    ready,
)
from tests.service.test_given_covers import picture

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


def test_slow_servers_of_one_tenant_hold_up_nobody_else(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    mine = ready(service, roots, tmp_path)
    theirs = ready(service, roots, tmp_path, tenant=OTHER)
    data = picture("JPEG")
    with FaultServer({"/slow.jpg": data, "/c.jpg": data}) as server, ThreadPoolExecutor(8) as pool:
        server.faults.append(cut("status", "hang", times=4, on=lambda r: r.path == "/slow.jpg"))
        slow = AssetChanges(cover_url=server.url("/slow.jpg"))
        waiting = [pool.submit(service.update, ME, mine.id, slow) for _ in range(4)]
        ends = time.monotonic() + 30
        while len(server.requests) < 4:
            assert time.monotonic() < ends
            threading.Event().wait(0.02)
        with pytest.raises(QueueFull):
            service.update(ME, mine.id, slow)
        fine = AssetChanges(cover_url=server.url("/c.jpg"))
        assert service.cover_picture(service.update(OTHER, theirs.id, fine)) is not None
        for each in waiting:
            each.result(60)
        assert service.cover_picture(service.update(ME, mine.id, fine)) is not None


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
    assert [kept.job_id for kept in service.sets(ME, kinds=["cover"])[1]] == [None]


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


def test_thumbnails_that_come_with_an_asset_leave_its_owners_cover(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    via = replace(VIA, naming=FIXED)
    wanted = ThumbnailRequest(rule="count", count=2)
    new = NewAsset(title="a", source=f"file://{roots}/a.mp4", own_cover=False, thumbnails=wanted)
    asset, _ = service.register(ME, new, via)
    mine = service.set_cover_bytes(ME, asset.id, picture("JPEG", 99, 33), via)
    end(service, tmp_path, claim(service), Made(facts=FACTS))
    made = Made(
        facts=FACTS,
        files=tuple(make(tmp_path, ("thumbnail", 1, picture("JPEG", 70)))),
        cover=("thumbnail", 1),
    )
    end(service, tmp_path, claim(service), made)
    after = service.asset(ME, asset.id)
    assert after.cover == mine.cover
    served = service.picture_at(f"asset/{asset.id}/cover/Cover0.jpg")
    assert served is not None and (served.width, served.height) == (99, 33)
    # Asked for later, they choose the cover.
    service.submit_thumbnails(ME, asset.id, wanted, via)
    end(service, tmp_path, claim(service), made)
    served = service.picture_at(f"asset/{asset.id}/cover/Cover0.jpg")
    assert served is not None and served.width == 64


def test_the_fixed_address_shows_what_another_dialect_has_set(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    fixed = replace(VIA, naming=FIXED)
    asset = ready(service, roots, tmp_path)
    service.set_cover_bytes(ME, asset.id, picture("JPEG", 99, 33), fixed)
    address = f"asset/{asset.id}/cover/Cover0.jpg"
    kept = service.latest(ME, asset.id, "candidate")
    assert kept is not None
    third = service.pictures(kept)[2]
    service.set_cover_picture(ME, service.link(third.path), VIA)
    served = service.picture_at(address)
    assert served == third
    service.set_cover_bytes(ME, asset.id, picture("PNG", 50, 40), fixed)
    served = service.picture_at(address)
    assert served is not None and served.media_type == "image/png"
    # Addresses with a job in them go on showing what they showed.
    assert service.picture_at(third.path) == third


def test_a_cover_set_while_the_given_one_is_fetched_stays(
    service: Service, roots: Path, tmp_path: Path
) -> None:
    asset = add(service, roots, cover_url="http://h/c.jpg")
    job = claim(service)
    mine = service.set_cover_bytes(ME, asset.id, picture("PNG", 20, 10))
    files = make(tmp_path, ("cover", 1, picture("JPEG", 70)))
    end(service, tmp_path, job, Made(facts=FACTS, files=tuple(files), cover=("cover", 1)))
    after = service.asset(ME, asset.id)
    assert (after.status, after.cover) == ("ready", mine.cover)
