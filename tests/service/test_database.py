"""What the service remembers: the same answers from SQLite in a file, in memory, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from snapengine.errors import InvariantBroken
from snapengine.service.domain.failures import (
    UnknownPicture,
)
from snapengine.service.domain.fields import MAX_WHOLE, InvalidField
from snapengine.service.domain.records import (
    Asset,
    CallbackSettings,
    Cover,
    Picture,
    PictureSet,
    StoredTemplate,
)
from snapengine.service.domain.requests import SnapshotRequest, Template
from snapengine.service.storage.database import Database

from .kept import (
    DATABASES,
    LATER,
    NOW,
    asset,
    job,
    message,
    new_id,
    picture_set,
    url_of,
)

SECOND = timedelta(seconds=1)


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = Database(url_of(request.param, tmp_path))
    yield made
    made.close()


def template(tenant: str = "t1", **fields: Any) -> StoredTemplate:
    given = {"id": new_id(), "name": "n", "template": Template(name="n", request=SnapshotRequest()),
             "as_given": "{}", "created": NOW, "modified": NOW}  # fmt: skip
    return StoredTemplate(tenant=tenant, **{**given, **fields})


def with_pictures(
    database: Database, tenant: str = "t1", count: int = 3, **fields: Any
) -> tuple[Asset, PictureSet, list[Picture]]:
    home = asset(tenant, **fields)
    made, pictures = picture_set(home, count)
    database.add_asset(home)
    assert database.change_asset(tenant, home.id, lambda it: it, pictures=[(made, pictures)])
    return home, made, pictures


def cover_of(home: Asset, picture: Picture | None) -> Callable[[Asset], Asset]:
    cover = None if picture is None else Cover(origin="picture", picture_id=picture.id)
    return lambda it: replace(it, cover=cover)


def blobs(pictures: list[Picture]) -> set[str]:
    return {f"blob:{picture.blob}" for picture in pictures}


# -- assets ---------------------------------------------------------------------------------


def test_assets_are_listed_newest_first_and_in_pages(database: Database) -> None:
    made = [asset(created=NOW + (k // 2) * SECOND) for k in range(6)]
    for each in made:
        database.add_asset(each)
    newest = made[::-1]
    assert database.assets("t1") == (6, newest)
    assert database.assets("t1", offset=2, limit=3) == (6, newest[2:5])
    assert database.assets("t1", offset=6) == (6, [])
    assert database.assets("t1", limit=0) == (6, [])
    assert database.assets("t1", offset=MAX_WHOLE, limit=MAX_WHOLE) == (6, [])
    assert database.assets("t1", offset=1, limit=MAX_WHOLE) == (6, newest[1:])
    for bad in ({"offset": -1}, {"limit": -1}, {"offset": 2**63}, {"limit": 2**64}):
        with pytest.raises(InvalidField):
            database.assets("t1", **bad)


def test_a_reference_id_belongs_to_one_asset_of_a_tenant(database: Database) -> None:
    first = asset(reference_id="Ref-1234")
    other = asset("t2", reference_id="Ref-1234")
    database.add_asset(first)
    database.add_asset(other)
    with pytest.raises(InvalidField) as info:
        database.add_asset(asset(reference_id="Ref-1234"), messages=[message()])
    assert (info.value.field, info.value.why) == ("reference_id", "value")
    assert database.next_due() is None, "nothing of the refused call stays"
    assert database.asset_by_reference("t1", "Ref-1234") == first
    assert database.asset_by_reference("t2", "Ref-1234") == other
    assert database.asset_by_reference("t1", "ref-1234") is None
    third = asset()
    database.add_asset(third)
    with pytest.raises(InvalidField, match="reference_id"):
        database.change_asset("t1", third.id, lambda it: replace(it, reference_id="Ref-1234"))
    assert database.asset("t1", third.id) == third


def test_assets_are_found_by_their_source_whatever_it_is(database: Database) -> None:
    source = "http://h.test/" + "ä\0%\\'\";--" * 2000
    first, second = asset(source=source), asset(source=source, created=LATER)
    database.add_asset(second)
    database.add_asset(first)
    assert database.asset_by_source("t1", source) == second
    assert database.asset_by_source("t1", source[:-1]) is None
    database.change_asset("t1", second.id, lambda it: replace(it, source=source[:-1]))
    assert database.asset_by_source("t1", source) == first
    assert database.asset_by_source("t1", source[:-1]) is not None


def test_a_change_sees_what_is_and_keeps_all_of_it(database: Database) -> None:
    home = asset()
    database.add_asset(home)
    made, pictures = picture_set(home)
    work = job(home)
    told: list[tuple[Asset, Asset]] = []
    sent = message()

    def tell(before: Asset, after: Asset) -> list[Any]:
        told.append((before, after))
        return [sent]

    wanted = replace(home, title="new", cover=Cover(origin="picture", picture_id=pictures[0].id))
    both = database.change_asset(
        "t1", home.id, lambda it: wanted, job=work, pictures=[(made, pictures)], messages=tell
    )
    assert both == (home, wanted) == told[0]
    assert database.asset("t1", home.id) == wanted
    assert database.job("t1", work.id) == work
    assert database.pictures("t1", made.id) == pictures
    assert database.due_messages(NOW, SECOND) == [replace(sent, due=NOW + SECOND)]
    assert database.change_asset("t1", new_id(), lambda it: it) is None


@pytest.mark.parametrize("where", ["change", "messages", "cover", "id", "job", "picture"])
def test_a_change_that_fails_keeps_nothing(database: Database, where: str) -> None:
    home, other = asset(), asset()
    database.add_asset(home)
    database.add_asset(other)
    made, pictures = picture_set(other if where == "picture" else home)
    cover = Cover(origin="picture", picture_id=new_id())

    def fail(*given: object) -> Any:
        raise KeyError("ours")

    changes: dict[str, Callable[[Asset], Asset]] = {
        "change": fail,
        "cover": lambda it: replace(it, cover=cover),
        "id": lambda it: replace(it, id=other.id),
    }
    expected = {"change": KeyError, "messages": KeyError, "cover": UnknownPicture}
    with pytest.raises(expected.get(where, InvariantBroken)):
        database.change_asset(
            "t1",
            home.id,
            changes.get(where, lambda it: replace(it, title="new")),
            job=job(other if where == "job" else home),
            pictures=[(made, pictures)],
            messages=fail if where == "messages" else lambda before, after: [message()],
        )
    assert database.asset("t1", home.id) == home
    assert database.sets("t1") == (0, [])
    assert database.jobs("t1") == (0, [])
    assert database.next_due() is None


def test_a_call_from_within_a_change_is_our_mistake_and_does_not_hang(database: Database) -> None:
    home = asset()
    database.add_asset(home)
    with pytest.raises(InvariantBroken, match="within"):
        database.change_asset("t1", home.id, lambda it: database.asset("t1", it.id) or it)
    assert database.asset("t1", home.id) == home


def test_deleting_an_asset_takes_all_of_it(database: Database) -> None:
    home, _, pictures = with_pictures(database, source="/data/uploads/v.mp4")
    work = job(home)
    database.add_job(work, most=9, most_per_tenant=9)
    kept, kept_set, _ = with_pictures(database)
    assert database.claim("w", LATER) is not None
    assert database.delete_asset("t1", home.id, [message()])
    assert database.asset("t1", home.id) is None
    assert database.job("t1", work.id) is None
    assert database.sets("t1") == (1, [kept_set])
    assert database.picture(pictures[0].id) is None
    assert database.picture_at(pictures[0].path) is None
    assert not database.renew(work.id, "w", LATER, 0.5)
    ended = replace(work, status="succeeded")
    assert not database.finish(ended, "w", lambda it: pytest.fail("called for no asset"))
    garbage = database.garbage()
    assert set(garbage) == blobs(pictures) | {"upload:/data/uploads/v.mp4"}
    assert database.next_due() == NOW
    database.forget_garbage(garbage[:2])
    assert database.garbage() == garbage[2:]
    assert database.garbage(1) == garbage[2:3]
    assert not database.delete_asset("t1", home.id)
    assert database.asset("t1", kept.id) == kept


def test_another_upload_makes_garbage_of_the_first(database: Database) -> None:
    home = asset(source="/up/1", status="awaited")
    database.add_asset(home)
    database.change_asset("t1", home.id, lambda it: replace(it, title="x"))
    assert database.garbage() == []
    database.change_asset("t1", home.id, lambda it: replace(it, source="/up/2"))
    assert database.garbage() == ["upload:/up/1"]
    remote = asset(source="file:///media/v.mp4")
    database.add_asset(remote)
    assert database.delete_asset("t1", remote.id)
    assert database.garbage() == ["upload:/up/1"], "what was not uploaded is not ours to delete"


# -- pictures -------------------------------------------------------------------------------


def test_sets_are_found_by_what_they_belong_to(database: Database) -> None:
    home, other = asset(), asset()
    database.add_asset(home)
    database.add_asset(other)
    made = [
        picture_set(home, kind="snapshot", job_id="j1"),
        picture_set(home, kind="sprite", job_id="j1", created=NOW + SECOND),
        picture_set(home, kind="snapshot", job_id="j2", created=NOW - SECOND),
        picture_set(home, kind="snapshot", job_id=None),
    ]
    database.change_asset("t1", home.id, lambda it: it, pictures=made)
    elsewhere = picture_set(other, kind="snapshot", job_id="j3")
    database.change_asset("t1", other.id, lambda it: it, pictures=[elsewhere])
    one, two, three, four = (each for each, _ in made)
    assert database.sets("t1", asset_id=home.id) == (4, [two, four, one, three])
    assert database.sets("t1", job_id="j1") == (2, [two, one])
    assert database.sets("t1", kinds=["sprite", "cover"]) == (1, [two])
    assert database.sets("t1", kinds=[]) == (0, [])
    assert database.sets("t1", offset=1, limit=2) == (5, [elsewhere[0], four])
    assert database.latest_set("t1", home.id, "snapshot") == four
    assert database.latest_set("t1", home.id, "cover") is None


def test_pictures_come_by_number(database: Database) -> None:
    _, made, pictures = with_pictures(database, count=12)
    assert database.pictures("t1", made.id) == pictures
    assert database.pictures("t1", made.id, offset=9, limit=2) == pictures[9:11]
    assert database.pictures("t1", made.id, offset=MAX_WHOLE, limit=MAX_WHOLE) == []
    assert database.pictures("t1", new_id()) == []


def test_of_one_path_the_newest_picture_is_served(database: Database) -> None:
    home = asset()
    database.add_asset(home)
    made = []
    for created in (NOW, NOW + SECOND, NOW - SECOND):
        one, pictures = picture_set(home, 1, created=created)
        made.append((one, [replace(pictures[0], path="asset/a/cover/Cover0.jpg")]))
    database.change_asset("t1", home.id, lambda it: it, pictures=made)
    assert database.picture_at("asset/a/cover/Cover0.jpg") == made[1][1][0]
    assert database.delete_sets("t1", [made[1][0].id]) == 1
    assert database.picture_at("asset/a/cover/Cover0.jpg") == made[0][1][0]


def test_a_cover_outlives_its_set_until_there_is_another(database: Database) -> None:
    home, made, pictures = with_pictures(database)
    database.change_asset("t1", home.id, cover_of(home, pictures[1]))
    assert database.delete_sets("t1", [made.id, made.id, new_id()]) == 1
    assert database.sets("t1") == (0, [])
    assert database.pictures("t1", made.id) == []
    assert database.picture(pictures[1].id) == pictures[1] == database.picture_at(pictures[1].path)
    assert set(database.garbage()) == blobs([pictures[0], pictures[2]])
    assert database.delete_sets("t1", [made.id]) == 0
    other, others = picture_set(home)
    database.change_asset("t1", home.id, cover_of(home, others[0]), pictures=[(other, others)])
    assert database.picture(pictures[1].id) is None
    assert set(database.garbage()) == blobs(pictures)
    database.change_asset("t1", home.id, cover_of(home, None))
    assert database.picture(others[0].id) == others[0], "its set is still there"


def test_a_file_that_two_pictures_have_is_no_garbage_before_both_are_gone(
    database: Database,
) -> None:
    home, made, pictures = with_pictures(database, count=1)
    twin, (twins, *_) = picture_set(home)
    twins = replace(twins, blob=pictures[0].blob)
    database.change_asset("t1", home.id, lambda it: it, pictures=[(twin, [twins])])
    assert database.delete_sets("t1", [made.id]) == 1
    assert database.garbage() == []
    assert database.delete_sets("t1", [twin.id]) == 1
    assert set(database.garbage()) == blobs(pictures)


def test_many_sets_go_in_one_call(database: Database) -> None:
    home = asset()
    database.add_asset(home)
    made = [picture_set(home, 1) for _ in range(1203)]
    database.change_asset("t1", home.id, lambda it: it, pictures=made)
    assert database.delete_sets("t1", [each.id for each, _ in made]) == 1203
    assert len(database.garbage(5000)) == 1203
    database.forget_garbage(database.garbage(5000))
    assert database.garbage() == []


# -- templates, callbacks, messages, values -------------------------------------------------


def test_templates(database: Database) -> None:
    first, second = template(), template(created=LATER)
    database.add_template(first)
    database.add_template(second)
    assert database.templates("t1") == [second, first]
    changed = replace(first, name="other", is_default=True, modified=LATER)
    assert database.replace_template(changed)
    assert database.template("t1", first.id) == changed
    assert not database.replace_template(template())
    assert database.delete_template("t1", first.id)
    assert not database.delete_template("t1", first.id)
    assert database.templates("t1") == [second]


def test_callback_settings_are_one_for_each_dialect(database: Database) -> None:
    first = CallbackSettings(tenant="t1", dialect="aliyun", url="http://a/", key="k")
    other = replace(first, dialect="huawei", events=frozenset({"a", "b"}), key=None)
    changed = replace(first, url="http://b/", as_given="x")
    for each in (first, other, changed):
        database.set_callback(each)
    assert database.callback("t1", "aliyun") == changed
    assert database.callback("t1", "huawei") == other
    assert database.delete_callback("t1", "aliyun")
    assert not database.delete_callback("t1", "aliyun")
    assert database.callback("t1", "aliyun") is None


def test_a_due_message_is_one_senders_until_its_lease_is_over(database: Database) -> None:
    sent = [message(due=NOW + k * SECOND) for k in (2, 0, 1, 3)]
    database.add_asset(asset(), messages=sent)
    assert database.next_due() == NOW
    assert database.due_messages(NOW - SECOND, SECOND) == []
    lease = timedelta(minutes=1)
    taken = database.due_messages(NOW + 2 * SECOND, lease, limit=2)
    assert taken == [replace(sent[k], due=NOW + 2 * SECOND + lease) for k in (1, 2)]
    rest = database.due_messages(NOW + 2 * SECOND, lease)
    assert [each.id for each in rest] == [sent[0].id]
    database.delivered(taken[0].id)
    database.postpone(taken[1].id, LATER, 3)
    database.drop(rest[0].id)
    again = database.due_messages(LATER, SECOND)
    assert [(each.id, each.attempts) for each in again] == [(sent[3].id, 0), (taken[1].id, 3)]
    assert database.next_due() == LATER + SECOND


def test_of_several_values_the_first_is_kept(database: Database) -> None:
    assert database.value("pair") is None
    assert database.set_value_once("pair", "a\0:ß") == "a\0:ß"
    assert database.set_value_once("pair", "other") == "a\0:ß" == database.value("pair")
