"""What the command line takes: its commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from .. import __version__
from . import commands
from .serve import add_serve

_TIMES = "T is seconds, HH:MM:SS.mmm or a percentage such as 37.5%%"  # argparse formats it


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="snapengine",
        description="Pictures of a video: the right frame, at the cost of the needed frames only.",
    )
    parser.add_argument("--version", action="version", version=f"snapengine {__version__}")
    parser.set_defaults(run=None, json=False)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    _command(verbs, "info", commands.info, "what a file holds, from its header")

    shot = _command(verbs, "snapshot", commands.snapshot, "single pictures")
    _times(shot, at=True)
    _sides(shot)
    _looks(shot)
    _missing(shot)
    shot.add_argument(
        "--accuracy",
        default="exact",
        metavar="A",
        help="exact (default), keyframe (the nearest), or a tolerance in seconds",
    )
    _output(shot)

    sprite = _command(verbs, "sprite", commands.sprite, "sprite sheets and their WebVTT track")
    _times(sprite, at=False)
    sprite.add_argument("--cell", metavar="WxH", help="size of a cell (default: 160 wide)")
    sprite.add_argument("--columns", type=int, default=10, metavar="C")
    sprite.add_argument("--rows", type=int, default=10, metavar="R")
    sprite.add_argument("--padding", type=int, default=0, metavar="P", help="between cells")
    sprite.add_argument("--margin", type=int, default=0, metavar="M", help="around the grid")
    _looks(sprite)
    _missing(sprite)
    sprite.add_argument(
        "--accuracy",
        metavar="A",
        help="exact, keyframe, or a tolerance in seconds (default: half the spacing)",
    )
    sprite.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to fill")

    cover = _command(verbs, "cover", commands.cover, "the pictures that stand best for a video")
    cover.add_argument("--count", type=int, metavar="N", help="so many different ones (default 1)")
    cover.add_argument(
        "--choose",
        default="smart",
        metavar="HOW",
        help="smart (default), head (the first frame that is not black), or a percentage",
    )
    _sides(cover)
    _looks(cover)
    _output(cover)

    moving = _command(verbs, "animate", commands.animate, "an animated cover of the best moments")
    moving.add_argument(
        "--start", metavar="T", help="show this stretch instead of the best moments"
    )
    moving.add_argument("--end", metavar="T", help="end of that stretch")
    moving.add_argument("--length", metavar="S", help="seconds (default 4)")
    moving.add_argument("--rate", type=float, metavar="R", help="pictures per second (default 10)")
    moving.add_argument(
        "--loop", type=int, metavar="N", help="times it is played (default for ever)"
    )
    _sides(moving)
    _looks(moving)
    moving.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="the file: .gif .webp .avif"
    )

    add_serve(verbs)
    return parser


def _command(
    verbs: Any, name: str, run: Callable[[argparse.Namespace], Any], about: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=about, description=about)
    parser.add_argument("file", metavar="FILE", help="a path, or a URL: https, s3, oss, gs, abfs")
    parser.add_argument("--json", action="store_true", help="a machine-readable result on stdout")
    parser.add_argument("--stream", type=int, metavar="N", help="which video stream, from 0")
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="the longest a call may take"
    )
    _remote(parser)
    parser.set_defaults(run=run)
    return parser


def _remote(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("URLs")
    group.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="sent to the URL's own host, never to where it redirects; repeatable",
    )
    group.add_argument(
        "--allow-private",
        action="store_true",
        help="addresses that are not of the public Internet may be connected to",
    )
    group.add_argument("--cache", metavar="DIR", help="a folder where what was fetched is kept")
    group.add_argument(
        "--without-ranges",
        default="error",
        metavar="W",
        help="a server that gives whole files only: error (default), or stream (read all of it)",
    )


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
        "--fit", default="contain", metavar="F", help="contain (default), cover, smart or stretch"
    )
    parser.add_argument("--color", default="black", metavar="C", help="background (default black)")
    parser.add_argument("--quality", type=int, metavar="Q", help="1 to 100, of lossy formats")
    parser.add_argument(
        "--no-deinterlace", dest="deinterlace", action="store_false", help="keep both fields woven"
    )
    parser.add_argument(
        "--no-tone-map", dest="tone_map", action="store_false", help="show HDR as if it were SDR"
    )


def _sides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--width", type=int, metavar="W", help="pixels; alone it keeps the aspect")
    parser.add_argument("--height", type=int, metavar="H", help="pixels; alone it keeps the aspect")


def _missing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--on-missing",
        default="nearest",
        metavar="P",
        help="for frames lost to damage: nearest (default), blank (left out) or fail",
    )


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a file (.jpg .png .webp .avif); for several pictures a folder, or a name with "
        "{index} or {time} in it",
    )
