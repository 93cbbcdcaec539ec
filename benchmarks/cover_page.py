"""The page of the cover comparison: every video's choices beside each other, to be looked at.

``write_page(results, folder)`` writes ``index.html`` and the pictures beside it. Pictures are the
frames the judge found for the choices, from one sequential decode of each video.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from tests.media.cover_set import Labelled, labels, path

__all__ = ["write_page"]

_WIDTH = 176

_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; background: #f6f7f8; color: #1f2328 }
section { background: #fff; border: 1px solid #d8dee4; border-radius: 8px; padding: .8rem 1rem;
          margin: 0 0 1.2rem }
h2 { font-size: 1rem; margin: 0 0 .4rem } .note { color: #59636e; font-weight: normal }
.line { display: flex; height: 12px; border-radius: 3px; overflow: hidden; margin: 0 0 .8rem }
.line i { display: block; height: 100% } .line .good { background: #4caf6d }
.line .bad { background: #d9534f }
.all { display: flex; flex-wrap: wrap; gap: .6rem 1.2rem } .one { min-width: 0 }
.one b { display: block; font-size: .85rem }
.one.yes b::after { content: " \\2713"; color: #2e8b4f }
.one.no b::after { content: " \\2717"; color: #c9302c }
figure { display: inline-block; margin: 0 4px 0 0; border: 4px solid #c9302c; border-radius: 4px;
         vertical-align: top } figure.good { border-color: #3aa55d }
figure img { display: block; height: 76px } figcaption { font-size: 11px; padding: 0 3px }
.alone { margin-right: 14px; outline: 2px dotted #8b949e; outline-offset: 2px }
"""


def write_page(results: Any, folder: Path) -> Path:
    """``index.html`` in the folder, which is made if need be."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    known = labels()
    sections = []
    for name, video in results["videos"].items():
        _write_pictures(name, video, pictures)
        sections.append(_section(known[name], video))
    page = folder / "index.html"
    page.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Covers</title>"
        f"<style>{_STYLE}</style><h1>Choosing covers</h1>"
        "<p>Green frame: a good frame by its label. A tick: all choices good and different enough. "
        "Dotted: the first choice, where it comes from a call of its own. The bar under each name "
        "shows the labels over time.</p>" + "".join(sections) + "</html>",
        encoding="utf-8",
    )
    return page


def _all_choices(choice: Any) -> list[Any]:
    return [one for one in (choice["first"], *(choice["three"] or ())) if one]


def _file(name: str, at: float) -> str:
    return f"{name}-{round(at * 1000):07}.jpg"


def _write_pictures(name: str, video: Any, pictures: Path) -> None:
    wanted = {
        _file(name, one["at"]): one["at"]
        for choice in video["choices"].values()
        for one in _all_choices(choice)
    }
    left = sorted((at, file) for file, at in wanted.items() if not (pictures / file).exists())
    if not left:
        return
    source = path(name)
    with av.open(str(source), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        sar = float(stream.sample_aspect_ratio or 1)
        stream.thread_type = "AUTO"
        first = None
        for frame in container.decode(stream):
            first = frame.time if first is None else first
            while left and frame.time - first >= left[0][0] - 0.0006:
                _upright(frame, sar).save(pictures / left.pop(0)[1], "JPEG", quality=80)
            if not left:
                break


def _upright(frame: Any, sar: float) -> Image.Image:
    turned = frame.rotation % 180 != 0
    wide, high = _WIDTH, round(_WIDTH * frame.height / (frame.width * sar))
    if turned:
        wide, high = round(_WIDTH * frame.width * sar / frame.height), _WIDTH
    samples = frame.to_ndarray(format="rgb24", width=wide, height=high, interpolation="AREA")
    return Image.fromarray(np.ascontiguousarray(np.rot90(samples, round(frame.rotation / 90))))


def _section(video: Labelled, entry: Any) -> str:
    bar = "".join(
        f'<i class="{"good" if span.good else "bad"}" title="{escape(span.label)}: '
        f'{escape(span.shot)}" style="flex:{max(0.001, span.end - span.start):.3f}"></i>'
        for span in video.spans
    )
    part = "set aside" if entry["held_out"] else "for tuning"
    head = (
        f"<h2>{escape(video.name)} <span class=note>{entry['seconds']:.1f} s, {part}, "
        f"{', '.join(entry['defects']) or 'nothing bad'}; asked for {entry['different']} "
        "different</span></h2>"
    )
    blocks = "".join(_block(video.name, name, one) for name, one in entry["choices"].items())
    return f"<section>{head}<div class=line>{bar}</div><div class=all>{blocks}</div></section>"


def _block(video: str, name: str, choice: Any) -> str:
    if "failure" in choice:
        return f'<div class="one no"><b>{escape(name)}</b>{escape(choice["failure"])}</div>'
    if choice["first"] is None:
        told = f"first {choice['first_good']:.0%}, three {choice['three_good']:.0%}"
        return f"<div class=one><b>{escape(name)}</b>{told}</div>"
    three = choice["three"] or []
    figures = []
    if not three or three[0] != choice["first"]:
        figures.append(_figure(video, choice["first"], "alone", "first"))
    for number, one in enumerate(three):
        score = f"{choice['scores'][number]:.3g}" if choice.get("scores") else ""
        figures.append(_figure(video, one, "", score))
    passed = choice["three_good"] if three else choice["first_good"]
    mark = "yes" if passed and choice["first_good"] else "no"
    return f'<div class="one {mark}"><b>{escape(name)}</b>{"".join(figures)}</div>'


def _figure(video: str, one: Any, style: str, note: str) -> str:
    good = "good" if one["good"] else "bad"
    told = f"{one['at']:.2f} s {one['label']} {note}"
    source = f"pictures/{_file(video, one['at'])}"
    return (
        f'<figure class="{good} {style}"><img loading=lazy src="{source}" '
        f'alt="{escape(one["shot"])}"><figcaption>{escape(told)}</figcaption></figure>'
    )
