"""What workers say is read strictly: they have decoded a stranger's video."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.service.domain.records import Facts, Failure, MediaType, PictureKind
from snapengine.service.jobs.orders import Made, MadeFile, made_from_json, made_to_json
from snapengine.service.jobs.process import BadAnswer, Progress, read_answer

FACTS = Facts(codec="h264", width=640, height=360, duration=Fraction(1001, 30), size=123,
              bit_rate=None, frame_rate=29.97)  # fmt: skip
GOOD = Made(
    facts=FACTS,
    files=(
        MadeFile(kind="candidate", number=1, name="1", file="a.jpg", media_type="image/jpeg",
                 width=1, height=2, requested=Fraction(1, 3), time=Fraction(0), score=0.5),
        MadeFile(kind="candidate", number=2, name="8_2", file="b.jpg", media_type="image/jpeg"),
        MadeFile(kind="cover", number=1, name="1", file="c.png", media_type="image/png"),
    ),
    cover=("candidate", 2),
    cover_problem="no picture",
)  # fmt: skip

seconds = st.none() | st.fractions(0, 10**9)
numbers = st.none() | st.integers(0, 2**63 - 1)


@st.composite
def all_made(draw: st.DrawFn) -> Made:
    kinds = draw(st.lists(st.sampled_from(get_args(PictureKind)), max_size=6))
    files = tuple(
        MadeFile(
            kind=kind,
            number=kinds[:index].count(kind) + 1,
            name=draw(st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True)),
            file=f"{index}.jpg",
            media_type=draw(st.sampled_from(get_args(MediaType))),
            width=draw(numbers),
            height=draw(numbers),
            requested=draw(seconds),
            time=draw(seconds),
            score=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        )
        for index, kind in enumerate(kinds)
    )
    chosen = draw(st.none() | st.sampled_from(files)) if files else None
    facts = Facts(
        codec=draw(st.text(max_size=20)), width=draw(st.integers(0, 10**6)), height=1,
        duration=draw(seconds), size=draw(numbers), bit_rate=draw(numbers),
        frame_rate=draw(st.none() | st.floats(0, 500)),
    )  # fmt: skip
    return Made(
        facts=facts,
        files=files,
        cover=None if chosen is None else (chosen.kind, chosen.number),
        cover_problem=draw(st.none() | st.text(max_size=50)),
    )


@given(all_made())
def test_what_was_made_comes_over_whole(made: Made) -> None:
    line = made_to_json(made)
    assert b"\n" not in line
    assert read_answer(line) == made


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(made_to_json(GOOD)) | fields).encode()


def with_file(**fields: Any) -> bytes:
    raw = json.loads(made_to_json(GOOD))
    raw["files"][1] |= fields
    return json.dumps(raw).encode()


def with_facts(**fields: Any) -> bytes:
    raw = json.loads(made_to_json(GOOD))
    raw["facts"] |= fields
    return json.dumps(raw).encode()


HOSTILE = {
    "nothing": b"",
    "noise": bytes(range(256)),
    "no json": b"made",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "a deep one": b"[" * 100_000,
    "a huge number": b'{"progress": ' + b"9" * 10_000 + b"}",
    "progress nan": b'{"progress": NaN}',
    "progress true": b'{"progress": true}',
    "too much progress": b'{"progress": 1.5}',
    "progress and more": b'{"progress": 0.5, "failure": null}',
    "failure without words": b'{"failure": {"code": "x"}}',
    "failure of a wrong code": b'{"failure": {"code": "A B", "message": ""}}',
    "failure with more": b'{"failure": {"code": "x", "message": "", "more": 1}}',
    "failure of a list": b'{"failure": []}',
    "not utf-8": b'{"failure": {"code": "x", "message": "\xff"}}',
    "no facts": b'{"files": [], "cover": null, "cover_problem": null}',
    "facts of a list": changed(facts=[]),
    "width negative": with_facts(width=-1),
    "width a float": with_facts(width=1.0),
    "width true": with_facts(width=True),
    "width too large": with_facts(width=2**63),
    "rate nan": with_facts(frame_rate=float("nan")),
    "rate a text": with_facts(frame_rate="30"),
    "rate too large": with_facts(frame_rate=10**400),
    "duration a number": with_facts(duration=3),
    "duration with an exponent": with_facts(duration="1e999999999"),
    "duration over zero": with_facts(duration="1/0"),
    "duration too long": with_facts(duration="1" * 150),
    "files null": changed(files=None),
    "a file null": changed(files=[None]),
    "a file above": with_file(file="../b.jpg"),
    "a file of the system": with_file(file="/etc/passwd"),
    "a hidden file": with_file(file=".b"),
    "a file without a name": with_file(file=""),
    "a file with nul": with_file(file="b\0.jpg"),
    "a name that is a path": with_file(name="a/b"),
    "one file twice": with_file(file="a.jpg"),
    "one number twice": with_file(number=1),
    "a number left out": with_file(number=3),
    "a kind of its own": with_file(kind="virus"),
    "a kind that cannot be hashed": with_file(kind=[]),
    "a type of its own": with_file(media_type="text/html"),
    "a score infinite": with_file(score=float("inf")),
    "a cover that is no file": changed(cover=["candidate", 3]),
    "a cover of a wrong form": changed(cover="candidate"),
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_else_is_said_is_no_answer(line: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_answer(line)


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["facts", "files", "cover", "cover_problem", "progress", "failure",
                         "code", "message"]) | st.text(), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_else_comes_of_any_words(line: bytes) -> None:
    with contextlib.suppress(BadAnswer):
        read_answer(line)


def test_failures() -> None:
    line = json.dumps({"failure": {"code": "corrupt_media", "message": "a\0b\ud800" + "x" * 5000}})
    failure = read_answer(line.encode())
    assert isinstance(failure, Failure)
    assert failure.code == "corrupt_media" and len(failure.message) == 1000
    assert "\0" not in failure.message
    failure.message.encode()


@given(st.floats(0, 1))
def test_progress(share: float) -> None:
    assert read_answer(json.dumps({"progress": share}).encode()) == Progress(share)


def test_long_words_are_cut() -> None:
    long = dataclasses.replace(GOOD, cover_problem="x" * 5000)
    made = made_from_json(made_to_json(long))
    assert made.cover_problem == "x" * 1000
