"""A sheet of a labelled video, to check its labels by eye: see ``cover_set``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .cover_set import Labelled

__all__ = ["write_sheet"]

_COLUMNS, _WIDTH, _ROWS = 8, 190, 7
_GREEN, _RED = (60, 190, 90), (220, 60, 60)


def _wanted(video: Labelled, times: list[float]) -> list[int]:
    """Frames evenly over the time, and the first, middle and last of every span."""
    count = len(times)
    room = _COLUMNS * _ROWS
    spread = {int((number + 0.5) * count / (room // 2)) for number in range(room // 2)}
    edges: set[int] = set()
    for span in video.spans:
        inside = [
            number for number, at in enumerate(times)
            if span.start - 0.0006 <= at and at + 0.0006 < span.end
        ]  # fmt: skip
        if inside:
            edges |= {inside[0], inside[len(inside) // 2], inside[-1]}
    return sorted(number for number in spread | edges if number < count)


def write_sheet(video: Labelled, path: Path, out: Path) -> None:
    """A JPEG of the video's frames with their times and labels, framed green or red."""
    times: list[float] = []
    with av.open(str(path), metadata_errors="replace") as container:
        for frame in container.decode(container.streams.video[0]):
            times.append(float(frame.time))
    first = times[0]
    wanted = _wanted(video, [at - first for at in times])
    cells: list[tuple[float, bool, Image.Image]] = []
    with av.open(str(path), metadata_errors="replace") as container:
        sar = float(container.streams.video[0].sample_aspect_ratio or 1)
        for number, frame in enumerate(container.decode(container.streams.video[0])):
            if number in wanted:
                image = _upright(frame, sar)
                cells.append((float(frame.time) - first, frame.key_frame, image))
    tall = max(image.height for _, _, image in cells) + 22
    rows = math.ceil(len(cells) / _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * (_WIDTH + 8), rows * tall), (24, 24, 26))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for number, (at, key, image) in enumerate(cells):
        x, y = number % _COLUMNS * (_WIDTH + 8), number // _COLUMNS * tall
        span = video.at(at)
        colour = _GREEN if span.good else _RED
        draw.rectangle((x, y + 14, x + image.width + 5, y + 19 + image.height), fill=colour)
        sheet.paste(image, (x + 3, y + 17))
        told = f"{at:.2f}{' K' if key else ''} {span.label}: {span.shot}"
        draw.text((x + 3, y), told, font=font, fill=colour)
    sheet.save(out, "JPEG", quality=82)


def _upright(frame: Any, sar: float) -> Image.Image:
    turned = frame.rotation % 180 != 0
    wide, high = frame.width * sar, float(frame.height)
    if turned:
        wide, high = high, wide
    # Portrait pictures get the same area, not the same width.
    scale = min(_WIDTH / wide, _WIDTH * 1.2 / high)
    size = max(2, round(wide * scale)), max(2, round(high * scale))
    samples = frame.to_ndarray(
        format="rgb24",
        width=size[1] if turned else size[0],
        height=size[0] if turned else size[1],
        interpolation="AREA",
    )
    # frame.rotation counts counter-clockwise, and so does rot90.
    return Image.fromarray(np.ascontiguousarray(np.rot90(samples, round(frame.rotation / 90))))
