"""Configurations that come as JSON in a text, read as leniently as the vendor's samples need.

Samples have numbers where the type says string, single quotes, members that are JSON in a string
again, and strings whose inner quotes nobody escaped. All of these are understood; what they hold is
then checked as strictly as anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, Literal, TypeVar

from ...domain.fields import MAX_WHOLE
from ...domain.records import SmartCoverRequest
from ...domain.requests import Accuracy, JobNote, SnapshotKind, SnapshotRequest, SpriteRequest
from .faults import Fault, invalid, missing, too_long, too_many
from .parameters import check_text, check_url, whole_of

__all__ = [
    "MAX_JSON",
    "ai_config",
    "ai_template",
    "items_of",
    "kept_note",
    "milliseconds",
    "normal_config",
    "note_text",
    "offsets_of",
    "read_json",
    "snapshot_template",
    "sprite_config",
    "sprite_request",
    "user_data",
]

#: Bytes of one configuration.
MAX_JSON: Final = 16 * 1024
_MAX_CALLBACK_URL: Final = 256
_MAX_EXTEND: Final = 512

_Named = TypeVar("_Named")

_TYPES: Final[dict[str, SnapshotKind]] = {
    "normalsnapshot": "normal",
    "spritesnapshot": "sprite",
    "webvttsnapshot": "webvtt",
}
_FRAMES: Final[dict[str, Accuracy]] = {"normal": "exact", "intra": "keyframe"}
_KEEP: Final = {"keep": True, "true": True, "delete": False, "false": False}
_FLAGS: Final = {"true": True, "false": False}
_FORMATS: Final[dict[str, Literal["png", "gif"]]] = {"png": "png", "gif": "gif"}


# -- JSON -----------------------------------------------------------------------------------


def read_json(name: str, text: str, most: int = MAX_JSON) -> Any:
    """What ``text`` says, as JSON or nearly."""
    check_text(name, text, most)
    attempts = [text, text.replace('"{', "{").replace('}"', "}")]
    if '"' not in text:
        attempts.append(text.replace("'", '"'))
    for attempt in attempts:
        try:
            return json.loads(attempt, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            continue
    raise invalid(name)


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _object(name: str, value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        value = read_json(name, value)
    if not isinstance(value, dict):
        raise invalid(name)
    return value


def items_of(name: str, text: str, most: int) -> list[Mapping[str, Any]]:
    """A list of objects, or one alone."""
    found = read_json(name, text, 256 * 1024)
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise invalid(name)
    if len(found) > most:
        raise too_many(name, most)
    return found


def _given(config: Mapping[str, Any], name: str) -> Any:
    """A member; ``None`` for one that is absent, null or blank."""
    value = config.get(name)
    return None if value is None or value == "" else value


def _whole(config: Mapping[str, Any], name: str, most: int = MAX_WHOLE) -> int | None:
    value = _given(config, name)
    return None if value is None else whole_of(name, value, 0, most)


def _word(
    config: Mapping[str, Any], name: str, words: Mapping[str, _Named], default: str
) -> _Named:
    value = _given(config, name)
    word = default if value is None else str(value).strip().lower()
    if word not in words:
        raise invalid(name)
    return words[word]


# -- snapshots ------------------------------------------------------------------------------


def milliseconds(value: int | None) -> Fraction | None:
    """Milliseconds as exact seconds."""
    return None if value is None else Fraction(value, 1000)


def offsets_of(name: str, values: Sequence[object], most: int) -> tuple[Fraction, ...]:
    """Milliseconds, as exact seconds."""
    if len(values) > most:
        raise too_many(name, most)
    return tuple(Fraction(whole_of(name, value, 0), 1000) for value in values)


def sprite_request(value: object) -> SpriteRequest:
    """``SpriteSnapshotConfig``; ``{}`` is one with all defaults. Raises also
    :class:`InvalidField`."""
    config = _object("SpriteSnapshotConfig", value)
    color = _given(config, "Color")
    columns, lines = _whole(config, "Columns"), _whole(config, "Lines")
    keep = "KeepCellPic" if "KeepCellPic" in config else "IsKeepCellPic"
    return SpriteRequest(
        cell_width=_whole(config, "CellWidth"),
        cell_height=_whole(config, "CellHeight"),
        padding=_whole(config, "Padding") or 0,
        margin=_whole(config, "Margin") or 0,
        color="black" if color is None else color,
        columns=10 if columns is None else columns,
        lines=10 if lines is None else lines,
        keep_cells=_word(config, keep, _KEEP, "keep"),
    )


def snapshot_template(text: str) -> SnapshotRequest:
    """``TemplateConfig`` of a snapshot template. Raises also :class:`InvalidField`.

    Without ``FrameType`` the very frames are taken, as a job without a template does.
    """
    given = _object("TemplateConfig", text)
    if _given(given, "SnapshotType") is None:
        raise missing("SnapshotType")
    kind = _word(given, "SnapshotType", _TYPES, "")
    inner = _given(given, "SnapshotConfig")
    config = {} if inner is None else _object("SnapshotConfig", inner)
    sprite = _given(config, "SpriteSnapshotConfig")
    if kind == "sprite" and sprite is None:
        raise missing("SpriteSnapshotConfig")
    tiled = False
    if kind == "webvtt":
        _word(config, "Format", {"vtt": "vtt"}, "vtt")
        sub_out = _given(config, "SubOut")
        if sub_out is not None:
            tiled = _word(_object("SubOut", sub_out), "IsSptFrag", _FLAGS, "false")
    return SnapshotRequest(
        offset=milliseconds(_whole(config, "SpecifiedOffsetTime")) or Fraction(0),
        count=_whole(config, "Count"),
        interval=_seconds(config),
        width=_whole(config, "Width"),
        height=_whole(config, "Height"),
        accuracy=_word(config, "FrameType", _FRAMES, "normal"),
        kind=kind,
        sprite=None if sprite is None else sprite_request(sprite),
        tiled=tiled,
    )


def _seconds(config: Mapping[str, Any]) -> Fraction | None:
    value = _whole(config, "Interval")
    return None if value is None else Fraction(value)


def normal_config(request: SnapshotRequest) -> str:
    """What a job was asked for, in the vendor's words, as JSON."""
    said: dict[str, object] = {
        "SpecifiedOffsetTime": int(request.offset * 1000),
        "FrameType": "intra" if request.accuracy == "keyframe" else "normal",
    }
    if request.at:
        said["SpecifiedOffsetTimes"] = [int(time * 1000) for time in request.at]
    for name, value in (
        ("Count", request.count),
        ("Interval", None if request.interval is None else int(request.interval)),
        ("Width", request.width),
        ("Height", request.height),
    ):
        if value is not None:
            said[name] = value
    return _compact(said)


def sprite_config(sprite: SpriteRequest) -> str:
    """The same of its sheets."""
    said: dict[str, object] = {
        "Columns": sprite.columns,
        "Lines": sprite.lines,
        "Padding": sprite.padding,
        "Margin": sprite.margin,
        "Color": sprite.color,
        "KeepCellPic": "keep" if sprite.keep_cells else "delete",
    }
    for name, value in (("CellWidth", sprite.cell_width), ("CellHeight", sprite.cell_height)):
        if value is not None:
            said[name] = value
    return _compact(said)


# -- others ---------------------------------------------------------------------------------


def ai_template(text: str) -> SmartCoverRequest:
    """``TemplateConfig`` of an ``AIImage`` template."""
    config = _object("TemplateConfig", text)
    return SmartCoverRequest(
        format=_word(config, "Format", _FORMATS, "png"),
        set_cover=_word(config, "SetDefaultCover", _FLAGS, "false"),
    )


def ai_config(request: SmartCoverRequest) -> str:
    """The same in the vendor's words."""
    flag = "true" if request.set_cover else "false"
    return _compact({"Format": request.format, "SetDefaultCover": flag})


def user_data(text: str | None) -> JobNote:
    """``UserData``: what comes back in the event, and where that goes."""
    if not text:
        return JobNote()
    given = _object("UserData", text)
    extend = _given(given, "Extend")
    if extend is not None and not isinstance(extend, str):
        extend = _compact(extend)
    if extend is not None:
        check_text("Extend", extend, _MAX_EXTEND)
    url = None
    callback = _given(given, "MessageCallback")
    if callback is not None:
        settings = _object("MessageCallback", callback)
        _word(settings, "CallbackType", {"http": "http"}, "http")
        named = _given(settings, "CallbackURL")
        if named is not None:
            url = check_url("CallbackURL", named, _MAX_CALLBACK_URL)
    return JobNote(extend=extend, callback_url=url)


def note_text(note: JobNote) -> str | None:
    """``UserData`` that says the same; ``None`` if it says nothing."""
    said: dict[str, object] = {}
    if note.callback_url is not None:
        said["MessageCallback"] = {"CallbackURL": note.callback_url}
    if note.extend is not None:
        said["Extend"] = note.extend
    return _compact(said) if said else None


def kept_note(text: str | None) -> JobNote:
    """:func:`user_data` of an asset, which was checked when it came."""
    try:
        return user_data(text)
    except Fault:
        return JobNote()


def _compact(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_JSON:  # a number may grow when it is written out
        raise too_long("UserData", MAX_JSON)
    return text
