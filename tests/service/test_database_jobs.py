"""The queue: turns, leases, bounds and ends of jobs, alike in every database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapengine.errors import InvariantBroken
from snapengine.service.domain.failures import QueueFull, UnknownAsset, UnknownPicture
from snapengine.service.domain.records import Asset, Cover, Failure, Job
from snapengine.service.storage.database import Database, Settled

from .kept import DATABASES, FACTS, LATER, NOW, asset, job, message, new_id, picture_set, url_of

SECOND = timedelta(seconds=1)
MANY = {"most": 100, "most_per_tenant": 100}


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = Database(url_of(request.param, tmp_path))
    yield made
    made.close()


def queued(database: Database, tenant: str = "t1", count: int = 1, **fields: Any) -> list[Job]:
    home = asset(tenant)
    database.add_asset(home)
    made = [job(home, **fields) for _ in range(count)]
    for each in made:
        database.add_job(each, **MANY)
    return made


def claimed(database: Database, owner: str = "w") -> Job:
    found = database.claim(owner, LATER)
    assert found is not None
    return found[0]


def nothing(it: Asset) -> Settled:
    return Settled(asset=it)


def test_a_claimed_job_runs_for_its_owner(database: Database) -> None:
    assert database.claim("w", LATER) is None
    (work,) = queued(database)
    assert database.waiting() == 1
    before = datetime.now(UTC)
    found = database.claim("w", LATER)
    assert found is not None
    running, home = found
    assert home == database.asset("t1", work.asset_id)
    assert running.started is not None
    assert before <= running.started <= datetime.now(UTC)
    assert running == replace(work, status="running", attempts=1, started=running.started)
    assert database.job("t1", work.id) == running
    assert database.waiting() == 0
    assert database.claim("w", LATER) is None


def test_jobs_are_listed_newest_first(database: Database) -> None:
    home, other = asset(), asset()
    database.add_asset(home)
    database.add_asset(other)
    first = job(home, created=NOW)
    second = job(home, created=NOW + SECOND, kind="thumbnails")
    third = job(other, created=NOW + 2 * SECOND)
    for each in (third, first, second):
        database.add_job(each, **MANY)
    assert database.jobs("t1") == (3, [third, second, first])
    assert database.jobs("t1", offset=1, limit=1) == (3, [second])
    assert database.jobs("t1", asset_id=home.id) == (2, [second, first])
    assert database.jobs("t1", kinds=["snapshots", "ingest"]) == (2, [third, first])
    assert database.jobs("t1", since=NOW + SECOND) == (2, [third, second])
    assert database.jobs("t1", since=NOW + SECOND, kinds=["snapshots"]) == (1, [third])


def test_tenants_take_turns(database: Database) -> None:
    many = queued(database, "many", 5)
    few = queued(database, "few", 2)
    one = queued(database, "one", 1)
    order = [claimed(database).id for _ in range(4)]
    assert order == [many[0].id, few[0].id, one[0].id, many[1].id]
    late = queued(database, "late", 1)
    order = [claimed(database).id for _ in range(5)]
    assert order == [few[1].id, late[0].id, many[2].id, many[3].id, many[4].id]
    # Who had much done is not behind for it.
    again, new = queued(database, "many", 1), queued(database, "new", 3)
    order = [claimed(database).id for _ in range(4)]
    assert order == [again[0].id, *(each.id for each in new)]


def test_renewing_keeps_a_lease_and_its_progress(database: Database) -> None:
    (work,) = queued(database)
    claimed(database)
    until = LATER + timedelta(hours=1)
    assert database.renew(work.id, "w", until, 0.25)
    found = database.job("t1", work.id)
    assert found is not None
    assert found.progress == 0.25
    assert database.requeue_expired(until, 1) == []
    for given, kept in ((1.5, 1.0), (-1.0, 0.0), (float("nan"), 0.0)):
        assert database.renew(work.id, "w", until, given)
        found = database.job("t1", work.id)
        assert found is not None
        assert found.progress == kept
    assert not database.renew(work.id, "other", until, 0.5)
    assert not database.renew(new_id(), "w", until, 0.5)


def test_finishing_keeps_all_that_follows(database: Database) -> None:
    (work,) = queued(database)
    running = claimed(database)
    ended = replace(running, status="succeeded", progress=1.0, finished=LATER)
    sent = message()
    seen: list[Asset] = []
    home = database.asset("t1", work.asset_id)
    assert home is not None
    made, pictures = picture_set(home, job_id=work.id)
    follow = job(home, kind="thumbnails")

    def settle(it: Asset) -> Settled:
        seen.append(it)
        cover = Cover(origin="auto", picture_id=pictures[0].id)
        return Settled(
            asset=replace(it, facts=FACTS, cover=cover),
            sets=[(made, pictures)],
            messages=[sent],
            follow=follow,
        )

    database.change_asset("t1", home.id, lambda it: replace(it, title="changed meanwhile"))
    assert not database.finish(ended, "other", settle)
    assert database.finish(ended, "w", settle)
    assert not database.finish(ended, "w", settle), "it has ended"
    assert [each.title for each in seen] == ["changed meanwhile"]
    assert database.job("t1", work.id) == ended
    kept = database.asset("t1", home.id)
    assert kept is not None
    assert (kept.title, kept.facts) == ("changed meanwhile", FACTS)
    assert database.pictures("t1", made.id) == pictures
    assert database.next_due() == NOW
    assert claimed(database).id == follow.id
    assert not database.renew(work.id, "w", LATER, 0.5)


def test_a_failure_is_kept(database: Database) -> None:
    (work,) = queued(database)
    failure = Failure(code="corrupt_media", message="nothing\0in it \U0001f3ac")
    ended = replace(claimed(database), status="failed", failure=failure, finished=LATER)
    assert database.finish(ended, "w", nothing)
    assert database.job("t1", work.id) == ended


@pytest.mark.parametrize("where", ["raises", "cover", "tenant", "status"])
def test_an_end_that_fails_keeps_nothing(database: Database, where: str) -> None:
    (work,) = queued(database)
    running = claimed(database)
    other = asset("t2")
    database.add_asset(other)

    def settle(it: Asset) -> Settled:
        made = picture_set(it)
        if where == "raises":
            raise KeyError("ours")
        cover = Cover(origin="auto", picture_id=new_id() if where == "cover" else made[1][0].id)
        follow = job(other if where == "tenant" else it)
        changed = replace(it, title="new", cover=cover)
        return Settled(asset=changed, sets=[made], messages=[message()], follow=follow)

    expected = {"raises": KeyError, "cover": UnknownPicture}
    ended = replace(running, status="running" if where == "status" else "succeeded")
    with pytest.raises(expected.get(where, InvariantBroken)):
        database.finish(ended, "w", settle)
    assert database.job("t1", work.id) == running
    home = database.asset("t1", work.asset_id)
    assert home is not None
    assert home.title == "film"
    assert database.sets("t1") == (0, [])
    assert database.waiting() == 0
    assert database.next_due() is None
    assert database.renew(work.id, "w", LATER, 0.5), "it is still being worked on"


def test_a_released_job_was_never_begun(database: Database) -> None:
    first, second = queued(database, count=2)
    claimed(database)
    database.release(first.id, "other")
    assert database.waiting() == 1
    database.release(first.id, "w")
    assert database.job("t1", first.id) == first
    assert claimed(database).id == first.id, "in its old place"
    assert claimed(database).id == second.id


def test_a_cancelled_job_is_over_for_its_worker(database: Database) -> None:
    running, waits = queued(database, count=2)
    claimed(database)
    for work in (running, waits):
        cancelled = database.cancel("t1", work.id, LATER)
        assert cancelled is not None
        assert (cancelled.status, cancelled.finished) == ("cancelled", LATER)
        assert database.job("t1", work.id) == cancelled
        assert database.cancel("t1", work.id, LATER + SECOND) == cancelled
    assert not database.renew(running.id, "w", LATER, 0.5)
    ended = replace(running, status="succeeded")
    assert not database.finish(ended, "w", lambda it: pytest.fail("called for nothing"))
    database.release(running.id, "w")
    assert database.claim("w", LATER) is None
    assert database.requeue_expired(LATER + SECOND, 1) == []
    assert database.cancel("t1", new_id(), LATER) is None


def test_a_lost_lease_means_another_attempt_and_then_the_end(database: Database) -> None:
    (work,) = queued(database)
    assert claimed(database, "first").attempts == 1
    assert database.requeue_expired(LATER, 2) == [], "not before it is over"
    assert database.requeue_expired(LATER + SECOND, 2) == []
    waits = database.job("t1", work.id)
    assert waits is not None
    assert (waits.status, waits.attempts, waits.started) == ("queued", 1, None)
    assert not database.renew(work.id, "first", LATER, 0.5)
    assert claimed(database, "second").attempts == 2
    ended = replace(work, status="succeeded")
    assert not database.finish(ended, "first", lambda it: pytest.fail("its lease is lost"))

    (given_up,) = database.requeue_expired(LATER + SECOND, 2)
    assert (given_up.id, given_up.status, given_up.attempts) == (work.id, "running", 2)
    assert not database.renew(work.id, "second", LATER, 0.5)
    assert not database.finish(ended, "second", nothing)
    assert database.requeue_expired(LATER + SECOND, 2) == [], "somebody is failing it"
    # ... who dies as well.
    assert database.requeue_expired(LATER + timedelta(minutes=3), 2) == [given_up]
    failed = replace(given_up, status="failed", failure=Failure(code="worker_died", message="x"))
    assert database.finish(failed, "expired", nothing)
    assert database.job("t1", work.id) == failed
    assert database.requeue_expired(LATER + timedelta(days=1), 2) == []


def test_the_queue_is_bounded_in_all_and_for_each_tenant(database: Database) -> None:
    homes = {tenant: asset(tenant) for tenant in ("t1", "t2", "t3")}
    for home in homes.values():
        # What comes with an asset is not counted.
        database.add_asset(home, job=job(home, kind="ingest", created=NOW - SECOND))
    bounds = {"most": 3, "most_per_tenant": 2}
    for tenant in ("t1", "t1", "t2"):
        database.add_job(job(homes[tenant]), **bounds)
    for tenant in ("t1", "t2", "t3"):
        with pytest.raises(QueueFull) as info:
            database.add_job(job(homes[tenant]), **bounds)
        assert info.value.retry_after >= 1
        assert info.value.retryable
    assert database.waiting() == 6
    with pytest.raises(QueueFull):
        database.add_job(job(homes["t1"]), most=10, most_per_tenant=2)
    database.add_job(job(homes["t2"]), most=4, most_per_tenant=2)
    for _ in range(6):
        claimed(database)  # who runs does not wait
    database.add_job(job(homes["t1"]), **bounds)


def test_there_is_no_job_without_an_asset(database: Database) -> None:
    home = asset()
    with pytest.raises(UnknownAsset) as info:
        database.add_job(job(home), **MANY)
    assert info.value.context["id"] == home.id
    database.add_asset(home)
    with pytest.raises(UnknownAsset):
        database.add_job(replace(job(home), tenant="t2"), **MANY)
    assert database.waiting() == 0
