"""The command line: ``snapengine info | snapshot | sprite``.

Exit status 0 on success, 2 on bad usage, 1 on a failure with one line on stderr. With ``--json``
the result goes to stdout as one JSON object; progress goes to stderr, and only to a terminal.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from . import __version__
from .errors import InvalidOption, PictureWarning, RequestError, SnapError

_LISTS = ("attached_pictures", "warnings")
_TIMES = "T is seconds, HH:MM:SS.mmm or a percentage such as 37.5%%"  # argparse formats it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Never raises for what a user can do wrong."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after bad usage
        return stop.code if isinstance(stop.code, int) else 2
    if arguments.run is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        result = arguments.run(arguments)
        if arguments.json:
            print(json.dumps(result, indent=2))
        if sys.stdout is not None:  # closed by whoever started us
            sys.stdout.flush()
        return 0
    except RequestError as error:
        return _fail(arguments, error, 2)
    except SnapError as error:
        return _fail(arguments, error, 1)
    except OSError as error:
        # Our own output: its reader left (`| head`) or its disk is full. Python would complain
        # again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"snapengine: cannot write the result: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("snapengine: interrupted", file=sys.stderr)
        return 130


def _fail(arguments: argparse.Namespace, error: SnapError, status: int) -> int:
    message = " ".join(error.message.split())
    if arguments.json:
        told = {"error": {"code": error.code, "stage": error.stage, "message": message}}
        print(json.dumps(told, indent=2))
    print(f"snapengine: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="snapengine",
        description="Pictures of a video: the right frame, at the cost of the needed frames only.",
    )
    parser.add_argument("--version", action="version", version=f"snapengine {__version__}")
    parser.set_defaults(run=None, json=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    _command(commands, "info", _info, "what a file holds, from its header")

    shot = _command(commands, "snapshot", _snapshot, "single pictures")
    _times(shot, at=True)
    shot.add_argument("--width", type=int, metavar="W", help="pixels; alone it keeps the aspect")
    shot.add_argument("--height", type=int, metavar="H", help="pixels; alone it keeps the aspect")
    _looks(shot)
    shot.add_argument(
        "--accuracy",
        default="exact",
        metavar="A",
        help="exact (default), keyframe (the nearest), or a tolerance in seconds",
    )
    shot.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a file (.jpg .png .webp .avif); for several pictures a folder, or a name with "
        "{index} or {time} in it",
    )

    sprite = _command(commands, "sprite", _sprite, "sprite sheets and their WebVTT track")
    _times(sprite, at=False)
    sprite.add_argument("--cell", metavar="WxH", help="size of a cell (default: 160 wide)")
    sprite.add_argument("--columns", type=int, default=10, metavar="C")
    sprite.add_argument("--rows", type=int, default=10, metavar="R")
    sprite.add_argument("--padding", type=int, default=0, metavar="P", help="between cells")
    sprite.add_argument("--margin", type=int, default=0, metavar="M", help="around the grid")
    _looks(sprite)
    sprite.add_argument(
        "--accuracy",
        metavar="A",
        help="exact, keyframe, or a tolerance in seconds (default: half the spacing)",
    )
    sprite.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to fill")
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], Any], about: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="a machine-readable result on stdout")
    parser.add_argument("--stream", type=int, metavar="N", help="which video stream, from 0")
    parser.set_defaults(run=run)
    return parser


def _times(parser: argparse.ArgumentParser, *, at: bool) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    if at:
        which.add_argument(
            "--at", action="append", metavar="T", help=f"this time; repeatable. {_TIMES}"
        )
    which.add_argument("--count", type=int, metavar="N", help="the middles of N equal parts")
    which.add_argument("--interval", metavar="S", help="every S seconds")
    parser.add_argument("--start", metavar="T", help="begin of the stretch for count and interval")
    parser.add_argument("--end", metavar="T", help="end of that stretch")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many pictures")


def _looks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fit", default="contain", metavar="F", help="contain (default), cover or stretch"
    )
    parser.add_argument("--color", default="black", metavar="C", help="background (default black)")
    parser.add_argument("--quality", type=int, metavar="Q", help="1 to 100, of lossy formats")
    parser.add_argument(
        "--on-missing",
        default="nearest",
        metavar="P",
        help="for frames lost to damage: nearest (default), blank (left out) or fail",
    )
    parser.add_argument(
        "--no-deinterlace", dest="deinterlace", action="store_false", help="keep both fields woven"
    )
    parser.add_argument(
        "--no-tone-map", dest="tone_map", action="store_false", help="show HDR as if it were SDR"
    )


def _look(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        name: getattr(arguments, name)
        for name in ("fit", "color", "on_missing", "deinterlace", "tone_map")
    }


def _sampling(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        name: getattr(arguments, name, None)
        for name in ("at", "count", "interval", "start", "end", "limit")
    }


def _accuracy(text: str | None) -> Any:
    if text is None or text in ("exact", "keyframe"):
        return text
    from .model.time import Percent, parse_time

    try:
        seconds = parse_time(text)
    except RequestError:
        seconds = Percent(Fraction(0))
    if isinstance(seconds, Percent):
        raise InvalidOption(
            f"accuracy must be exact, keyframe or a number of seconds, not {text[:64]!r}"
        )
    return seconds


# -- commands -------------------------------------------------------------------------------


def _info(arguments: argparse.Namespace) -> dict[str, Any]:
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

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", PictureWarning)
        video = snapengine.open(arguments.file, stream=arguments.stream)
    for warning in found:
        print(f"snapengine: warning: {warning.message}", file=sys.stderr)
    return video


def _snapshot(arguments: argparse.Namespace) -> dict[str, Any]:
    from .imaging.encode import check_encodable, format_of

    request = _sampling(arguments)
    several = (
        (request["at"] is not None and len(request["at"]) > 1)
        or request["interval"] is not None
        or (request["count"] or 1) > 1
    )
    name = _naming(arguments.output, several)
    if arguments.quality is not None:
        check_encodable(format_of(name(0, 0.0)), 1, 1, arguments.quality)
    else:
        format_of(name(0, 0.0))
    first = name(0, 0.0)
    _check_writable(first.parent if several else first)
    written: list[dict[str, Any]] = []
    asked = 0
    with (
        _open(arguments) as video,
        _progress() as shown,
    ):

        def progress(done: int, total: int) -> None:
            nonlocal asked
            asked = total
            if shown is not None:
                shown(done, total)

        shots = video.snapshots(
            **request,
            width=arguments.width,
            height=arguments.height,
            **_look(arguments),
            accuracy=_accuracy(arguments.accuracy),
            progress=progress,
        )
        stats = None
        for shot in shots:
            path = name(shot.index, shot.requested)
            if several:
                _make_folder(path.parent)
            shot.save(path, arguments.quality)
            stats = shot.stats
            written.append(
                {
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
            )
    if not arguments.json:
        for item in written:
            kind = "exact" if item["exact"] else "near"
            print(
                f"{item['path']}  {item['width']}x{item['height']}  {item['time']:.3f} s ({kind})"
            )
    missing = sorted(set(range(asked)) - {item["index"] for item in written})
    if missing and not arguments.json:
        print(f"no picture for times number {', '.join(map(str, missing))}", file=sys.stderr)
    return {
        "pictures": written,
        "missing": missing,
        "stats": stats.as_dict() if stats else {},
    }


def _naming(output: str, several: bool) -> Callable[[int, float], Path]:
    """File names from ``-o``: one file, a folder, or a pattern with {index} and {time}."""
    pattern = "{index" in output or "{time" in output
    if not pattern and not several:
        return lambda number, seconds: Path(output)
    if not pattern:
        if Path(output).suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".avif"):
            raise InvalidOption(
                f"several pictures need a folder or a name with {{index}} or {{time}}, "
                f"not {output!r}"
            )
        output = os.path.join(output.replace("{", "{{").replace("}", "}}"), "{index:04d}.jpg")
    for field in re.findall(r"\{[^{}]*\}", output.replace("{{", "").replace("}}", "")):
        if not re.fullmatch(r"\{(time|index(:0?[1-9]d)?)\}", field):
            raise InvalidOption(
                f"a name may hold {{index}}, {{index:04d}} and {{time}}, not {field}: {output!r}"
            )
    try:
        output.format(index=1, time="00-00-00.000")
    except (KeyError, IndexError, ValueError) as error:
        raise InvalidOption(f"cannot fill in {output!r}: {error}") from error

    def name(number: int, seconds: float) -> Path:
        from .model.time import format_time

        clock = format_time(seconds).replace(":", "-")  # colons are not for file names
        return Path(output.format(index=number + 1, time=clock))

    return name


def _check_writable(path: Path) -> None:
    """Refuse before any work what cannot be written after it: below a file, or no permission."""
    from .errors import StoreError

    above = path if path.is_dir() else path.absolute().parent
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write {path}: {above} is no folder to write in", stage="store")


def _make_folder(folder: Path) -> None:
    from .errors import StoreError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write to {folder}: {error.strerror or error}", stage="store"
        ) from error


def _sprite(arguments: argparse.Namespace) -> dict[str, Any]:
    from .imaging.jpeg import check_quality

    if arguments.quality is not None:
        check_quality(arguments.quality)
    cell = None if arguments.cell is None else _size(arguments.cell)
    _check_writable(Path(arguments.output))
    with _open(arguments) as video:
        with _progress() as progress:
            sheet = video.sprite(
                **{k: v for k, v in _sampling(arguments).items() if k != "at"},
                cell=cell,
                columns=arguments.columns,
                rows=arguments.rows,
                padding=arguments.padding,
                margin=arguments.margin,
                **_look(arguments),
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
        "stats": sheet.stats.as_dict(),
    }  # fmt: skip


def _size(text: str) -> tuple[int | None, int | None]:
    width, cross, height = text.lower().partition("x")
    try:
        sides = (int(width) if width else None, int(height) if height else None)
    except ValueError:
        sides = (None, None)
    if not cross or sides == (None, None):
        raise InvalidOption(f"cell must be WxH, such as 160x90 or 160x, not {text!r}")
    return sides


# -- progress -------------------------------------------------------------------------------


@contextlib.contextmanager
def _progress() -> Any:
    """A line on stderr that counts up, erased at the end; ``None`` when nobody looks at it."""
    if not sys.stderr.isatty():
        yield None
        return
    shown = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= 0.1 or done == total:
            shown = now
            print(f"\r{done}/{total}", end="", file=sys.stderr, flush=True)

    try:
        yield progress
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
