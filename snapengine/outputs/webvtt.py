"""WebVTT thumbnail tracks: which cell of which sprite page to show when.

Read by JW Player, Video.js plugins, Plyr, Shaka, Fluid and others. Two rules of theirs shape this
file: some require ``#xywh=`` on every cue, and they differ in what a relative URL is relative to
(the track, the page, the site), hence ``base``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final
from urllib.parse import quote

from ..errors import InvalidOption, InvalidTime
from ..model.result import Cue
from ..model.time import exact_seconds, format_milliseconds, to_milliseconds

__all__ = ["webvtt"]

#: Cues nearer than this were meant to touch; what parts them is rounding in their seconds.
_TOUCHING: Final = Fraction(1, 1000)
#: What no URL holds unescaped, and what would end or split a cue.
_NOT_IN_BASE: Final = re.compile(r"[\s<>\"#\x00-\x1f]")


def webvtt(cues: Iterable[Cue], page_names: Sequence[str], *, base: str = "") -> str:
    """The text of a WebVTT file that maps each cue's stretch of time to its cell.

    ``page_names`` are the file names of the sprite pages, in order, not quoted ("a/b.jpg": a path).
    ``base`` goes before each name: a folder URL, with or without its last slash, absolute,
    root-relative or relative (default: the page lies beside the track); or, for signed URLs, a
    template that holds ``{name}``. It must be quoted already.

    Times are rounded to milliseconds once, as integers. Cues come out in order of start; one that
    reaches to the next (within a millisecond, or beyond) ends exactly where that starts; none is
    empty, so cues less than a millisecond apart get one millisecond each.

    Raises :class:`InvalidTime` for a cue that ends before it starts and :class:`InvalidOption` for
    a page without a name or an unusable base or name.
    """
    if _NOT_IN_BASE.search(base):
        raise InvalidOption(f"base must be a URL without spaces or fragment, not {base!r}")
    urls = [_url(name, base) for name in page_names]
    ordered = sorted(cues, key=lambda cue: exact_seconds(cue.start))
    lines = ["WEBVTT", ""]
    for cue, (start, end) in zip(ordered, _milliseconds(ordered), strict=True):
        if not 0 <= cue.page < len(urls):
            raise InvalidOption(f"a cue points to page {cue.page} of {len(urls)}", value=cue.page)
        lines += [
            f"{format_milliseconds(start)} --> {format_milliseconds(end)}",
            f"{urls[cue.page]}#xywh={cue.x},{cue.y},{cue.width},{cue.height}",
            "",
        ]
    return "\n".join(lines)


def _milliseconds(ordered: Sequence[Cue]) -> list[tuple[int, int]]:
    """Start and end of each cue, in order; start < end <= next start."""
    starts: list[int] = []
    for cue in ordered:
        start = to_milliseconds(cue.start)
        starts.append(max(start, starts[-1] + 1) if starts else start)
    spans: list[tuple[int, int]] = []
    for index, cue in enumerate(ordered):
        exact_end = exact_seconds(cue.end)
        if exact_end < exact_seconds(cue.start):
            raise InvalidTime(f"a cue from {cue.start} to {cue.end} ends before it starts")
        start, end = starts[index], to_milliseconds(cue.end)
        if index + 1 < len(ordered):
            following = starts[index + 1]
            touches = exact_seconds(ordered[index + 1].start) - exact_end < _TOUCHING
            end = following if touches else min(end, following)
        spans.append((start, max(end, start + 1)))
    return spans


def _url(name: str, base: str) -> str:
    if not name or name.startswith("/"):
        raise InvalidOption(f"a page name must be a relative path, not {name!r}", value=name)
    quoted = quote(name)  # also ":", which would make "a:b.jpg" a URL of scheme "a"
    if "{name}" in base:
        return base.replace("{name}", quoted)
    if base and not base.endswith("/"):
        base += "/"
    return base + quoted
