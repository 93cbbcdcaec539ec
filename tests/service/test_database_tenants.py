"""What others have is neither seen, nor changed, nor paid for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from snapengine.service.domain.failures import UnknownAsset, UnknownPicture
from snapengine.service.domain.records import Asset, CallbackSettings, Cover, StoredTemplate
from snapengine.service.domain.requests import SnapshotRequest, Template
from snapengine.service.storage.database import Database, Settled

from .kept import DATABASES, LATER, NOW, asset, job, message, new_id, picture_set, url_of

SECOND = timedelta(seconds=1)
MANY = {"most": 10_000, "most_per_tenant": 10_000}


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = Database(url_of(request.param, tmp_path))
    yield made
    made.close()


def template(tenant: str) -> StoredTemplate:
    return StoredTemplate(
        id=new_id(), tenant=tenant, name="n", as_given="{}", created=NOW, modified=NOW,
        template=Template(name="n", request=SnapshotRequest()),
    )  # fmt: skip


def dump(database: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    with database._reading() as connection:
        tables = [
            "assets", "jobs", "sets", "pictures", "templates", "callbacks", "messages", "garbage",
        ]  # fmt: skip
        return {
            name: list(connection.exec_driver_sql(f"SELECT * FROM snap_{name} ORDER BY seq").all())
            for name in tables
        }


def test_no_method_touches_another_tenants_things(database: Database) -> None:
    home = asset("t1", reference_id="Ref-1234")
    made, pictures = picture_set(home, job_id="j")
    work, wish = job(home), template("t1")
    database.add_asset(home)
    database.change_asset("t1", home.id, lambda it: it, pictures=[(made, pictures)])
    database.add_job(work, **MANY)
    database.add_template(wish)
    database.set_callback(CallbackSettings(tenant="t1", dialect="aliyun", url="http://a/"))
    before, fail = dump(database), pytest.fail
    for thief in ("t2", "", "T1", "t1 ", "t1\0", "%", "_1", "t1' OR '1'='1", "\ud800"):
        assert database.asset(thief, home.id) is None
        assert database.asset_by_reference(thief, "Ref-1234") is None
        assert home.source is not None
        assert database.asset_by_source(thief, home.source) is None
        assert database.assets(thief) == (0, [])
        assert database.change_asset(thief, home.id, lambda it: fail("seen")) is None
        assert not database.delete_asset(thief, home.id, [message()])
        with pytest.raises(UnknownAsset):
            database.add_job(job(replace(home, tenant="t2")), **MANY)
        assert database.job(thief, work.id) is None
        assert database.jobs(thief) == database.jobs(thief, asset_id=home.id) == (0, [])
        assert database.cancel(thief, work.id, LATER) is None
        assert database.latest_set(thief, home.id, "snapshot") is None
        assert database.sets(thief) == database.sets(thief, asset_id=home.id) == (0, [])
        assert database.sets(thief, job_id="j") == (0, [])
        assert database.pictures(thief, made.id) == []
        assert database.delete_sets(thief, [made.id]) == 0
        assert database.template(thief, wish.id) is None
        assert database.templates(thief) == []
        assert not database.replace_template(replace(wish, tenant="t2", name="x"))
        assert not database.delete_template(thief, wish.id)
        assert database.callback(thief, "aliyun") is None
        assert not database.delete_callback(thief, "aliyun")
        assert dump(database) == before
    database.claim("w", LATER)
    stolen = replace(work, tenant="t2", status="succeeded")
    assert not database.finish(stolen, "w", lambda it: fail("seen"))


def test_a_cover_is_a_picture_of_ones_own(database: Database) -> None:
    home, theirs = asset("t1"), asset("t2")
    database.add_asset(home)
    database.add_asset(theirs)
    made, pictures = picture_set(theirs)
    database.change_asset("t2", theirs.id, lambda it: it, pictures=[(made, pictures)])
    cover = Cover(origin="picture", picture_id=pictures[0].id)
    with pytest.raises(UnknownPicture):
        database.change_asset("t1", home.id, lambda it: replace(it, cover=cover))


@pytest.mark.parametrize("text", ["'", '"; DROP TABLE snap_assets; --', "%", "\\", "\0", ":a", "?"])
def test_values_are_never_statements(database: Database, text: str) -> None:
    home = asset(text, id=text, title=text, source=text, reference_id=text)
    database.add_asset(home)
    work = job(home, id=text)
    database.add_job(work, **MANY)
    assert database.asset(text, text) == home
    assert database.asset_by_reference(text, text) == home
    assert database.asset_by_source(text, text) == home
    assert database.job(text, text) == work
    assert database.claim(text, LATER) is not None
    assert database.renew(text, text, LATER, 0.5)
    assert database.set_value_once(text, text) == text
    assert database.delete_asset(text, text)
    assert database.assets(text) == (0, [])


# -- what a call costs ----------------------------------------------------------------------


def fill(database: Database, tenant: str, assets: int) -> None:
    """Assets with all that may belong to them, of jobs that ended."""
    for _ in range(assets):
        home = asset(tenant, source=f"http://a.test/{new_id()}")
        ended = job(home, status="succeeded")
        database.add_asset(home, job=ended, messages=[message(tenant, due=LATER + 9 * SECOND)])
        sets = [picture_set(home, 2, job_id=ended.id)]
        cover = Cover(origin="picture", picture_id=sets[0][1][0].id)
        database.change_asset(
            tenant, home.id, lambda it, cover=cover: replace(it, cover=cover), pictures=sets
        )
        database.add_template(template(tenant))
        other = CallbackSettings(tenant=home.id, dialect="aliyun", url="http://a/")
        database.set_callback(other)


def calls(database: Database) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every call of a tenant that has one of each thing."""
    home = asset("own", reference_id="Ref-1234")
    made, pictures = picture_set(home, job_id="j")
    other, others = picture_set(home)
    work, wish = job(home), template("own")
    sent = message("own", due=NOW)
    owned = CallbackSettings(tenant="own", dialect="aliyun", url="http://a/")
    cover = Cover(origin="picture", picture_id=others[0].id)

    def settle(it: Asset) -> Settled:
        return Settled(asset=replace(it, cover=cover), sets=[(other, others)], follow=job(it))

    yield "add_asset", lambda: database.add_asset(home, messages=[sent])
    yield (
        "change_asset",
        lambda: database.change_asset(
            "own", home.id, lambda it: replace(it, title="x"), pictures=[(made, pictures)]
        ),
    )
    yield "asset", lambda: database.asset("own", home.id)
    yield "reference", lambda: database.asset_by_reference("own", "Ref-1234")
    yield "source", lambda: database.asset_by_source("own", str(home.source))
    yield "assets", lambda: database.assets("own")
    yield "add_job", lambda: database.add_job(work, **MANY)
    yield "waiting", database.waiting
    yield "claim", lambda: database.claim("w", LATER)
    yield "renew", lambda: database.renew(work.id, "w", LATER, 0.5)
    yield "expired", lambda: database.requeue_expired(NOW, 2)
    yield "finish", lambda: database.finish(replace(work, status="succeeded"), "w", settle)
    yield "no claim", lambda: database.cancel("own", new_id(), LATER)
    yield "job", lambda: database.job("own", work.id)
    yield "jobs", lambda: database.jobs("own", since=NOW, kinds=["snapshots"])
    yield "asset's jobs", lambda: database.jobs("own", asset_id=home.id)
    yield "latest", lambda: database.latest_set("own", home.id, "snapshot")
    yield "sets", lambda: database.sets("own", kinds=["snapshot"])
    yield "asset's sets", lambda: database.sets("own", asset_id=home.id)
    yield "job's sets", lambda: database.sets("own", job_id="j")
    yield "pictures", lambda: database.pictures("own", made.id)
    yield "picture", lambda: database.picture(pictures[0].id)
    yield "picture_at", lambda: database.picture_at(pictures[0].path)
    yield "add_template", lambda: database.add_template(wish)
    yield "replace_template", lambda: database.replace_template(wish)
    yield "template", lambda: database.template("own", wish.id)
    yield "templates", lambda: database.templates("own")
    yield "delete_template", lambda: database.delete_template("own", wish.id)
    yield "set_callback", lambda: database.set_callback(owned)
    yield "callback", lambda: database.callback("own", "aliyun")
    yield "delete_callback", lambda: database.delete_callback("own", "aliyun")
    yield "next_due", database.next_due
    yield "due", lambda: database.due_messages(NOW, 99 * SECOND)
    yield "postpone", lambda: database.postpone(sent.id, NOW, 1)
    yield "delivered", lambda: database.delivered(sent.id)
    yield "delete_sets", lambda: database.delete_sets("own", [made.id, other.id])
    yield "value", lambda: database.set_value_once("a", "b")
    yield "delete_asset", lambda: database.delete_asset("own", home.id)
    yield "garbage", lambda: database.garbage(3)
    yield "forget", lambda: database.forget_garbage(["blob:x"])


#: What belongs to all of a tenant's things; a page of them, or their number, costs as many steps.
LISTS = {"assets", "jobs", "sets", "templates"}


@pytest.mark.parametrize("tenant", ["other", "own"])
def test_no_call_costs_more_when_there_is_much_else(tenant: str) -> None:
    """SQLite tells how many steps of its machine a call takes: as many among many as alone.

    Of one's own things only the lists of all of them cost more.
    """
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def measured(assets: int) -> dict[str, int]:
        nonlocal steps
        database = Database("sqlite://")
        fill(database, tenant, assets)
        with database._reading() as connection:
            raw = connection.connection.dbapi_connection
            assert isinstance(raw, sqlite3.Connection)
        raw.set_progress_handler(count, 1)
        taken = {}
        for name, call in calls(database):
            steps = 0
            call()
            taken[name] = steps
        raw.set_progress_handler(None, 0)
        database.close()
        return taken

    few, many = measured(2), measured(150)
    assert min(few.values()) > 5, "every call is counted"
    dearer = {name for name in few if many[name] > few[name] * 1.2 + 20}
    assert dearer == (LISTS if tenant == "own" else set())


def test_every_statement_has_its_index() -> None:
    """SQLite says what it would scan or sort; PostgreSQL has the same indexes."""
    database = Database("sqlite://")
    seen: dict[str, Any] = {}

    def keep(connection: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        seen.setdefault(statement, parameters)

    fill(database, "other", 3)
    event.listen(database._engine, "before_cursor_execute", keep)
    for _, call in calls(database):
        call()
    event.remove(database._engine, "before_cursor_execute", keep)
    plans: dict[str, str] = {}
    with database._reading() as connection:
        for statement, parameters in seen.items():
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                given = parameters[0] if isinstance(parameters, list) else parameters
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
                plans[statement] = "; ".join(str(row[3]) for row in rows)
    assert len(plans) > 30
    wrong = {s: p for s, p in plans.items() if "SCAN snap_" in p or "TEMP B-TREE" in p}
    # The list of garbage is read from its begin, in the order of its rows.
    assert all("FROM snap_garbage ORDER BY" in statement for statement in wrong), wrong
    database.close()
