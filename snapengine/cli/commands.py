"""What each command does: run a verb, write its pictures, tell what was made."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import InvalidOption, PictureWarning, RequestError
from .output import check_writable, make_folder, naming, progress_line

_LISTS = ("attached_pictures", "warnings")


def info(arguments: argparse.Namespace) -> dict[str, Any]:
    with _open(arguments) as video:
        facts = _facts(video.info)
    if not arguments.json:
        width = max(map(len, facts))
        for name, value in facts.items():
            if value in ([], None) and name in ("crop", "light", "dolby_vision", *_LISTS):
                value = "none"
            elif isinstance(value, dict):
                value = ", ".join(f"{k} {v}" for k, v in value.items() if v is not None) or None
            print(f"{name:<{width}}  {'unknown' if value is None else value}")
    return facts


def _facts(info: Any) -> dict[str, Any]:
    names = [n for n in type(info).__slots__ if n != "metadata"]
    return {name: _plain(getattr(info, name)) for name in names}


def _plain(value: Any) -> Any:
    """A fact as JSON knows it; of attached pictures their size instead of their bytes."""
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _open(arguments: argparse.Namespace) -> Any:
    """The file as a video; warnings are lines on stderr."""
    import snapengine

    network = snapengine.Network(
        headers=_headers(arguments.header),
        allow_private=arguments.allow_private,
        cache_folder=arguments.cache,
        without_ranges=arguments.without_ranges,
    )
    limits = snapengine.Limits(deadline_seconds=arguments.timeout)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", PictureWarning)
        video = snapengine.open(
            arguments.file, stream=arguments.stream, limits=limits, network=network
        )
    for warning in found:
        print(f"snapengine: warning: {warning.message}", file=sys.stderr)
    return video


def _headers(lines: list[str]) -> dict[str, str]:
    """``NAME: VALUE`` each. A value may be a secret, so messages show the name at most."""
    headers: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise InvalidOption(f"header number {number} is not of the form 'NAME: VALUE'")
        if name.lower() in (known.lower() for known in headers):
            raise InvalidOption(f"header {name} is given twice")
        headers[name] = value.strip()
    return headers


def snapshot(arguments: argparse.Namespace) -> dict[str, Any]:
    request = _sampling(arguments)
    several = (
        (request["at"] is not None and len(request["at"]) > 1)
        or request["interval"] is not None
        or (request["count"] or 1) > 1
    )
    name = _checked_names(arguments, several)
    written: list[dict[str, Any]] = []
    asked = 0
    with (
        _open(arguments) as video,
        progress_line() as shown,
    ):

        def progress(done: int, total: int) -> None:
            nonlocal asked
            asked = total
            if shown is not None:
                shown(done, total)

        shots = video.snapshots(
            **request,
            **_sides(arguments),
            **_look(arguments),
            on_missing=arguments.on_missing,
            accuracy=_accuracy(arguments.accuracy),
            progress=progress,
        )
        stats = None
        for shot in shots:
            written.append(_save(shot, name(shot.index, shot.requested), several, arguments))
            stats = shot.stats
    if not arguments.json:
        for item in written:
            kind = "exact" if item["exact"] else "near"
            print(f"{_line(item)} ({kind})")
    missing = sorted(set(range(asked)) - {item["index"] for item in written})
    if missing and not arguments.json:
        print(f"no picture for times number {', '.join(map(str, missing))}", file=sys.stderr)
    return {
        "pictures": written,
        "missing": missing,
        "opening": video.stats.as_dict(),
        "stats": stats.as_dict() if stats else {},
    }


def _checked_names(arguments: argparse.Namespace, several: bool) -> Callable[[int, float], Path]:
    """How to name pictures; refuses before any work what could not be written after it."""
    from ..imaging.encode import check_encodable, format_of

    name = naming(arguments.output, several)
    first = name(0, 0.0)
    kind = format_of(first)
    if arguments.quality is not None:
        check_encodable(kind, 1, 1, arguments.quality)
    check_writable(first.parent if several else first)
    return name


def _save(shot: Any, path: Path, several: bool, arguments: argparse.Namespace) -> dict[str, Any]:
    if several:
        make_folder(path.parent)
    shot.save(path, arguments.quality)
    return {
        "path": str(path),
        "index": shot.index,
        "requested": shot.requested,
        "time": shot.time,
        "pts": shot.pts,
        "exact": shot.exact,
        "keyframe": shot.keyframe,
        "corrupt": shot.corrupt,
        "replaced": shot.replaced,
        "width": shot.width,
        "height": shot.height,
    }


def _line(item: dict[str, Any]) -> str:
    return f"{item['path']}  {item['width']}x{item['height']}  {item['time']:.3f} s"


def cover(arguments: argparse.Namespace) -> dict[str, Any]:
    several = arguments.count is not None and arguments.count > 1
    name = _checked_names(arguments, several)
    written: list[dict[str, Any]] = []
    with _open(arguments) as video:
        with progress_line() as progress:
            covers = video.covers(
                count=1 if arguments.count is None else arguments.count,
                choose=arguments.choose,
                **_sides(arguments),
                **_look(arguments),
                progress=progress,
            )
        for found in covers:
            item = _save(found, name(found.index, found.time), several, arguments)
            written.append(
                {
                    **item,
                    "score": found.score,
                    "reasons": list(found.reasons),
                    "measures": dict(found.measures),
                    "defects": dict(found.defects),
                }
            )
    if not arguments.json:
        for item in written:
            print(f"{_line(item)}  {item['score']:.2f}: {', '.join(item['reasons'])}")
    return {
        "pictures": written,
        "opening": video.stats.as_dict(),
        "stats": covers[0].stats.as_dict() if covers else {},
    }


def animate(arguments: argparse.Namespace) -> dict[str, Any]:
    check_writable(Path(arguments.output))
    options = {
        name: value
        for name in ("start", "end", "length", "rate", "quality", "loop")
        if (value := getattr(arguments, name)) is not None
    }
    with _open(arguments) as video, progress_line() as progress:
        made = video.animate(
            arguments.output,
            **options,
            **_sides(arguments),
            **_look(arguments),
            progress=progress,
        )
    if not arguments.json:
        print(
            f"{made.path}  {made.width}x{made.height}  {made.duration:.2f} s, "
            f"{len(made.frames)} frames from "
            + ", ".join(f"{m.start:.2f}-{m.end:.2f} s" for m in made.moments)
        )
    return {
        "path": str(made.path),
        "format": made.format,
        "width": made.width,
        "height": made.height,
        "duration": made.duration,
        "bytes": made.size_bytes,
        "moments": [{"start": m.start, "end": m.end} for m in made.moments],
        "frames": [
            {"time": f.time, "pts": f.pts, "exact": f.exact, "shown": f.shown} for f in made.frames
        ],
        "opening": video.stats.as_dict(),
        "stats": made.stats.as_dict(),
    }


def sprite(arguments: argparse.Namespace) -> dict[str, Any]:
    from ..imaging.jpeg import check_quality

    if arguments.quality is not None:
        check_quality(arguments.quality)
    cell = None if arguments.cell is None else _size(arguments.cell)
    check_writable(Path(arguments.output))
    with _open(arguments) as video:
        with progress_line() as progress:
            sheet = video.sprite(
                **{k: v for k, v in _sampling(arguments).items() if k != "at"},
                cell=cell,
                columns=arguments.columns,
                rows=arguments.rows,
                padding=arguments.padding,
                margin=arguments.margin,
                **_look(arguments),
                on_missing=arguments.on_missing,
                accuracy=_accuracy(arguments.accuracy),
                progress=progress,
            )
        *pages, track = sheet.save(arguments.output, quality=arguments.quality)
    if not arguments.json:
        for path, page in zip(pages, sheet.pages, strict=True):
            print(f"{path}  {page.width}x{page.height}")
        print(f"{track}  {len(sheet.cues)} cues")
        if sheet.missing:
            print(f"blank cells: {', '.join(map(str, sheet.missing))}", file=sys.stderr)
        damaged = [i for i in sheet.damaged if i not in set(sheet.missing)]
        if damaged:
            print(f"cells with damage: {', '.join(map(str, damaged))}", file=sys.stderr)
    return {
        "pages": [
            {"path": str(path), "width": page.width, "height": page.height}
            for path, page in zip(pages, sheet.pages, strict=True)
        ],
        "track": str(track),
        "cells": [
            {
                "start": cue.start, "end": cue.end, "page": cue.page,
                "x": cue.x, "y": cue.y, "width": cue.width, "height": cue.height,
                "requested": cell.requested, "time": cell.time, "pts": cell.pts,
                "exact": cell.exact, "keyframe": cell.keyframe, "corrupt": cell.corrupt,
                "replaced": cell.replaced,
            }
            for cue, cell in zip(sheet.cues, sheet.cells, strict=True)
        ],
        "missing": sheet.missing,
        "damaged": sheet.damaged,
        "opening": video.stats.as_dict(),
        "stats": sheet.stats.as_dict(),
    }  # fmt: skip


def _look(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("fit", "color", "deinterlace", "tone_map")}


def _sides(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"width": arguments.width, "height": arguments.height}


def _sampling(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        name: getattr(arguments, name, None)
        for name in ("at", "count", "interval", "start", "end", "limit")
    }


def _accuracy(text: str | None) -> Any:
    if text is None or text in ("exact", "keyframe"):
        return text
    from ..model.time import Percent, parse_time

    try:
        seconds = parse_time(text)
    except RequestError:
        seconds = Percent(Fraction(0))
    if isinstance(seconds, Percent):
        raise InvalidOption(
            f"accuracy must be exact, keyframe or a number of seconds, not {text[:64]!r}"
        )
    return seconds


def _size(text: str) -> tuple[int | None, int | None]:
    width, cross, height = text.lower().partition("x")
    try:
        sides = (int(width) if width else None, int(height) if height else None)
    except ValueError:
        sides = (None, None)
    if not cross or sides == (None, None):
        raise InvalidOption(f"cell must be WxH, such as 160x90 or 160x, not {text!r}")
    return sides
