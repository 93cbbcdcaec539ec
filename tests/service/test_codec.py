"""Every record comes back from every database as it was, whatever its texts and numbers are."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.errors import InvariantBroken
from snapengine.service.domain.fields import MAX_WHOLE, InvalidField
from snapengine.service.domain.records import (
    Asset,
    CallbackMessage,
    CallbackSettings,
    Job,
    Picture,
    PictureSet,
    SmartCoverRequest,
    StoredTemplate,
    Via,
)
from snapengine.service.domain.requests import (
    JobNote,
    SnapshotRequest,
    SpriteRequest,
    Template,
    ThumbnailRequest,
)
from snapengine.service.storage.codec import dump, load, micros, moment, shape
from snapengine.service.storage.database import Database
from snapengine.service.storage.rows import ASSET, JOB, PICTURE, SET
from snapengine.service.storage.tables import Name

from .kept import DATABASES, LATER, NOW, asset, job, message, picture_set, url_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FRACTIONS = st.fractions(min_value=0, max_value=10**9)
ZONES = st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(1) / 3)]
)
MOMENTS = st.datetimes(
    datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES, allow_imaginary=False
)
SPRITES = st.builds(SpriteRequest, columns=st.integers(1, 10_000), keep_cells=st.booleans())
SNAPSHOTS = st.builds(
    SnapshotRequest,
    offset=FRACTIONS,
    at=st.lists(FRACTIONS, max_size=30).map(tuple),
    count=st.none() | st.integers(1, 10_000),
    interval=st.none() | FRACTIONS,
    sprite=st.none() | SPRITES,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(-MAX_WHOLE, MAX_WHOLE),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=100),
    Fraction: FRACTIONS,
    datetime: MOMENTS,
    SnapshotRequest: SNAPSHOTS,
    Template: st.builds(
        Template,
        name=TEXTS.filter(lambda text: 0 < len(text.encode()) <= 128),
        request=SNAPSHOTS.filter(lambda request: not request.at),
    ),
    ThumbnailRequest: st.builds(
        ThumbnailRequest, rule=st.just("at"), at=st.lists(FRACTIONS, min_size=1, max_size=10)
    ),
    JobNote: st.builds(JobNote, extend=st.none() | TEXTS, callback_url=st.none() | st.just("x:")),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that fits an annotation."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, items = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(items)
    if origin is tuple and items[1:] == (Ellipsis,):
        return st.lists(values(items[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, items))
    if origin is frozenset:
        return st.frozensets(values(items[0]), max_size=4)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values, items))
    if kind is types.NoneType:
        return st.none()
    return records(kind)


def records(kind: Any, **fixed: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    given = {name: hints[name] for name in (each.name for each in dataclasses.fields(kind))}
    return st.builds(kind, **{n: values(h) for n, h in given.items() if n not in fixed}, **{
        name: st.just(value) for name, value in fixed.items()
    })  # fmt: skip


KEPT = (Asset, Job, PictureSet, Picture, StoredTemplate, CallbackSettings, CallbackMessage)


@pytest.mark.parametrize("kind", KEPT, ids=lambda kind: kind.__name__)
def test_every_record_survives_json(kind: Any) -> None:
    @given(record=records(kind))
    @settings(max_examples=60)
    def survives(record: Any) -> None:
        text = dump(shape(kind).pack("", record))
        assert text.isascii()
        assert shape(kind).unpack("", load(text)) == record

    survives()


@pytest.fixture(scope="module", params=DATABASES)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    made = Database(url_of(request.param, tmp_path_factory.mktemp("kept")))
    yield made
    made.close()


IDS = st.uuids().map(lambda uuid: uuid.hex)
SHORT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(data=st.data(), id=IDS, tenant=SHORT, reference=st.none() | SHORT)
@settings(max_examples=40)
def test_every_asset_and_job_survives_the_database(
    database: Database, data: st.DataObject, id: str, tenant: str, reference: str | None
) -> None:
    made = data.draw(records(Asset, id=id, tenant=tenant, reference_id=reference, source="s:\0é"))
    work = data.draw(records(Job, id=id, tenant=tenant, asset_id=id, status="succeeded"))
    database.add_asset(made, job=work)
    try:
        assert database.asset(tenant, id) == made
        assert database.job(tenant, id) == work
        assert database.asset_by_source(tenant, "s:\0é") == made
        if reference is not None:
            assert database.asset_by_reference(tenant, reference) == made
    finally:
        assert database.delete_asset(tenant, id)


@given(data=st.data(), id=IDS, tenant=SHORT)
@settings(max_examples=40)
def test_every_picture_survives_the_database(
    database: Database, data: st.DataObject, id: str, tenant: str
) -> None:
    ids = {"id": id, "tenant": tenant, "asset_id": id}
    home = asset(tenant, id=id)
    made = data.draw(records(PictureSet, **ids))
    picture = data.draw(records(Picture, **ids, set_id=id))
    database.add_asset(home)
    try:
        database.change_asset(tenant, id, lambda it: it, pictures=[(made, [picture])])
        assert database.sets(tenant) == (1, [made])
        assert database.pictures(tenant, id) == [picture] == [database.picture(id)]
        assert database.picture_at(picture.path) == picture
    finally:
        assert database.delete_asset(tenant, id)
        assert f"blob:{picture.blob}" in database.garbage(1000)
        database.forget_garbage(database.garbage(1000))
        assert database.garbage() == []


@given(data=st.data(), tenant=SHORT, id=IDS)
@settings(max_examples=40)
def test_every_template_and_message_survives_the_database(
    database: Database, data: st.DataObject, tenant: str, id: str
) -> None:
    template = data.draw(records(StoredTemplate, id=id, tenant=tenant))
    wanted = data.draw(records(CallbackSettings, tenant=tenant))
    sent = data.draw(records(CallbackMessage, id=id))
    home = asset(tenant, id=id)
    database.add_template(template)
    database.set_callback(wanted)
    database.add_asset(home, messages=[sent])
    try:
        assert database.template(tenant, id) == template
        assert database.templates(tenant) == [template]
        assert database.callback(tenant, wanted.dialect) == wanted
        assert database.next_due() == sent.due
        (due,) = database.due_messages(max(sent.due, NOW), timedelta(days=1))
        assert dataclasses.replace(due, due=sent.due) == sent
    finally:
        database.delete_asset(tenant, id)
        database.delete_template(tenant, id)
        database.delete_callback(tenant, wanted.dialect)
        database.drop(id)


@given(moments=st.lists(MOMENTS, min_size=2, max_size=2))
def test_moments_are_exact_and_in_order(moments: list[datetime]) -> None:
    first, second = moments
    assert moment(micros(first)) == first
    assert moment(micros(first)).tzinfo is UTC
    assert (first < second) == (micros(first) < micros(second))


@given(texts=st.lists(st.text(), min_size=2, max_size=2))
def test_escaped_names_are_never_one_of_two(texts: list[str]) -> None:
    """Also of texts that no UTF-8 holds: they are asked for, and simply not there."""
    first, second = (Name().process_bind_param(text, None) for text in texts)  # type: ignore[arg-type]
    assert (first == second) == (texts[0] == texts[1])
    assert Name().process_result_value(first, None) == texts[0]  # type: ignore[arg-type]


HOME = asset()
SET_OF_HOME = picture_set(HOME)


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        (HOME, "title", "\ud800"),
        (HOME, "tags", ("a", "\udfff")),
        (HOME, "tags", ["a"]),
        (HOME, "category", 2**63),
        (HOME, "category", -(2**63) - 1),
        (HOME, "category", True),
        (HOME, "category", 1.0),
        (HOME, "title", None),
        (HOME, "status", "broken"),
        (HOME, "created", datetime(2026, 1, 1)),
        (HOME, "reference_id", "r" * 801),
        (job(HOME), "progress", float("nan")),
        (job(HOME), "progress", float("inf")),
        (job(HOME), "progress", 10**400),
        (job(HOME), "request", Via()),
        (SET_OF_HOME[0], "count", 2**64),
        (SET_OF_HOME[1][0], "time", Fraction(10**3000, 3)),
        (SET_OF_HOME[1][0], "time", 0.5),
        (SET_OF_HOME[1][0], "blob", "x" * 900),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(record: Any, field: str, value: object) -> None:
    kept = {Asset: ASSET, Job: JOB, PictureSet: SET, Picture: PICTURE}[type(record)]
    kept.row(record)
    with pytest.raises(InvalidField) as info:
        kept.row(dataclasses.replace(record, **{field: value}))
    assert info.value.field == field


def test_rows_from_before_a_field_was_added_get_its_default() -> None:
    work = job(HOME, template_id="x", request=SmartCoverRequest(count=7, set_cover=True))
    plain = shape(Job).pack("", work)
    del plain["template_id"], plain["request"]["set_cover"], plain["via"]["naming"]
    again = shape(Job).unpack("", plain)
    old = dataclasses.replace(work, template_id=None, request=SmartCoverRequest(count=7))
    assert again == old


@pytest.mark.parametrize(
    "broken",
    [
        lambda plain: plain.pop("pattern"),
        lambda plain: plain.update(novelty=1),
        lambda plain: plain.update(count="2"),
        lambda plain: plain.update(count=True),
        lambda plain: plain.update(pattern=None),
    ],
)
def test_rows_that_cannot_be_read_are_no_records(database: Database, broken: Any) -> None:
    home = asset(f"broken-{id(broken)}")
    made, pictures = picture_set(home)
    database.add_asset(home)
    database.change_asset(home.tenant, home.id, lambda it: it, pictures=[(made, pictures)])
    row = SET.row(made)
    plain = json.loads(row["data"])
    broken(plain)
    with database._writing() as connection:
        table = SET.table
        connection.execute(table.update().where(table.c.id == made.id).values(data=dump(plain)))
    with pytest.raises(InvariantBroken, match="PictureSet cannot be read"):
        database.sets(home.tenant)
    assert database.delete_asset(home.tenant, home.id)


def test_a_class_among_several_is_named() -> None:
    plain = shape(Job).pack("", job(HOME))
    assert plain["request"]["="] == "SnapshotRequest"
    plain["request"]["="] = "Via"
    with pytest.raises(ValueError, match="class"):
        shape(Job).unpack("", plain)


def test_types_that_no_record_has_are_refused() -> None:
    for kind in (dict[str, int], list[str], Path, str | int, complex):
        with pytest.raises(TypeError):
            shape(kind)


def test_messages_keep_every_byte(database: Database) -> None:
    sent = message(body=bytes(range(256)) * 100, due=LATER)
    home = asset("bytes")
    database.add_asset(home, messages=[sent])
    (found,) = database.due_messages(LATER, timedelta(0))
    assert found == sent
    database.delivered(sent.id)
    database.delete_asset("bytes", home.id)
