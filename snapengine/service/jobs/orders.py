"""What a worker process is told, and what it answers.

An order goes to the worker pickled: it is ours. What comes back is JSON, read strictly: the worker
has decoded a stranger's video, so nothing it says is believed beyond its form.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, get_args

from ...model.limits import Limits
from ...model.network import Network
from ..domain.records import Facts, JobKind, JobRequest, MediaType, PictureKind
from ..domain.tracks import Mark

__all__ = ["Made", "MadeFile", "WorkOrder", "beside", "made_from_json", "made_to_json"]

_FRACTION: Final = re.compile(r"-?[0-9]{1,100}(?:/[0-9]{1,100})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """One job, with all that it takes.

    ``source``: an address, or the path of a file that may be read (checked again by the worker
    against ``roots``, since links may have changed). ``folder``: an empty one, for the files.

    ``memory_bytes``: the most that the worker may hold.

    ``track_pictures``: how a track names its pictures, relative to itself (see :func:`beside`);
    ``{number}`` and ``{name}`` stand for each one's. ``mark``: what parts that from the
    place in it.
    """

    job_id: str
    kind: JobKind
    source: str
    request: JobRequest
    folder: str
    roots: tuple[str, ...]
    network: Network
    limits: Limits
    threads: int
    quality: int
    memory_bytes: int = 4 << 30
    track_pictures: str = "track_picture-{number}.jpg"
    mark: Mark = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFile:
    """A file in the order's folder. ``number`` counts from 1 within its kind; see ``Picture``."""

    kind: PictureKind
    number: int
    name: str
    file: str
    media_type: MediaType
    width: int | None = None
    height: int | None = None
    requested: Fraction | None = None
    time: Fraction | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came of an order. ``cover``: kind and number of the file that becomes the cover.

    ``cover_problem``: why the cover that was given could not be taken, for ``Failure.message``.
    """

    facts: Facts
    files: tuple[MadeFile, ...] = ()
    cover: tuple[PictureKind, int] | None = None
    cover_problem: str | None = None


def beside(track: str, picture: str) -> str:
    """The public path (or pattern of one) of a picture, relative to that of its track."""
    return posixpath.relpath(picture, posixpath.dirname(track) or ".")


def made_to_json(made: Made) -> bytes:
    """:class:`Made` as JSON; fractions as ``"n/d"``."""
    return json.dumps(_plain(made)).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def made_from_json(data: bytes) -> Made:
    """Back again. Raises :class:`ValueError` for anything that :func:`made_to_json` cannot say."""
    try:
        raw = json.loads(data)
        facts = dict(raw["facts"])
        facts["duration"] = _seconds(facts["duration"])
        files = tuple(_file(item) for item in raw["files"])
        _check_numbers(files)
        cover = raw["cover"]
        if cover is not None:
            kind, number = cover
            cover = (_one_of(kind, get_args(PictureKind)), _whole(number))
            if cover not in {(file.kind, file.number) for file in files}:
                raise ValueError(f"a worker's cover {cover} is none of its files")
        problem = raw["cover_problem"]
        return Made(
            facts=_facts(facts),
            files=files,
            cover=cover,
            cover_problem=None if problem is None else str(problem)[:1000],
        )
    except (
        KeyError, TypeError, AttributeError, OverflowError, ZeroDivisionError, RecursionError,
    ) as exc:  # fmt: skip
        raise ValueError(f"a worker's answer that cannot be read: {exc!r}") from exc


def _check_numbers(files: tuple[MadeFile, ...]) -> None:
    """Each kind's files are numbered from 1, and no two are the same one."""
    counts = Counter(file.kind for file in files)
    numbers = {(file.kind, file.number) for file in files}
    wanted = {(kind, number + 1) for kind, count in counts.items() for number in range(count)}
    if numbers != wanted or len({file.file for file in files}) != len(files):
        raise ValueError("a worker's files are not numbered one by one")


def _facts(raw: dict[str, Any]) -> Facts:
    rate = raw["frame_rate"]
    return Facts(
        codec=str(raw["codec"])[:64],
        width=_whole(raw["width"]),
        height=_whole(raw["height"]),
        duration=raw["duration"],
        size=None if raw["size"] is None else _whole(raw["size"]),
        bit_rate=None if raw["bit_rate"] is None else _whole(raw["bit_rate"]),
        frame_rate=None if rate is None else _number(rate),
    )


def _file(raw: dict[str, Any]) -> MadeFile:
    name, file = str(raw["name"]), str(raw["file"])
    if not _is_plain(name) or not _is_plain(file):
        raise ValueError(f"a worker's file with the name {file[:80]!r}")
    score = raw["score"]
    return MadeFile(
        kind=_one_of(raw["kind"], get_args(PictureKind)),
        number=_whole(raw["number"]),
        name=name,
        file=file,
        media_type=_one_of(raw["media_type"], get_args(MediaType)),
        width=None if raw["width"] is None else _whole(raw["width"]),
        height=None if raw["height"] is None else _whole(raw["height"]),
        requested=_seconds(raw["requested"]),
        time=_seconds(raw["time"]),
        score=None if score is None else _number(score),
    )


def _is_plain(name: str) -> bool:
    return 0 < len(name) <= 100 and all(c.isascii() and (c.isalnum() or c in "_-.") for c in name) \
        and not name.startswith(".")  # fmt: skip


def _seconds(value: Any) -> Fraction | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _FRACTION.fullmatch(value):
        raise ValueError("a worker's time that is none")
    return Fraction(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError("a worker's number that is none")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a worker's number that is none")
    return float(value)


def _one_of(value: Any, words: tuple[Any, ...]) -> Any:
    if value not in words:
        raise ValueError(f"a worker's word {str(value)[:40]!r}")
    return value
