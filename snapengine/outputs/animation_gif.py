"""Animated GIF (GIF89a; NETSCAPE2.0 for the loop): palettes, dithering and the file itself.

LZW is Pillow's. Its own animations leave palettes to the caller and cannot leave out pixels that
merely look the same; see :mod:`.animation` for the rules.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import EncodeError
from .animation_frames import U8, Change, Timed, find_change, saved, tolerance_of

__all__ = ["GIF_TICK", "encode_gif"]

#: Milliseconds per unit of a delay.
GIF_TICK: Final = 10
#: Frames of one palette wait for it as RGB; at most so many bytes of them.
_WAITING: Final = 64 << 20
#: A palette is made of about so many pixels; more do not change it visibly.
_SAMPLE: Final = 1 << 16
#: k-means ends when no more than so many of these pixels change their colour.
_SETTLED: Final = _SAMPLE // 100
#: How alike the colours of a frame and of its stretch must be (histogram intersection, 0 to 1) to
#: share a palette: nearly all frames of a shot have 0.7 and more, those of other scenes 0.1 to
#: 0.6; shots of one scene share.
_ALIKE: Final = 0.6
#: One index is kept for "as it was", so 255 are left for colours.
_MOST_COLOURS: Final = 255
#: Bayer's 4x4 matrix as thresholds between 0 and 1; larger ones cost bytes and look the same here.
_BAYER: Final = (
    np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) + 0.5
) / 16


def encode_gif(timed: Iterator[Timed], width: int, height: int, quality: int, loop: int) -> bytes:
    """Frames, their times in hundredths of a second, as one file."""
    return _Gif(width, height, quality).encode(timed, loop)


class _Part(NamedTuple):
    """One written frame: its delay, the index that stands for "as it was", its place, its LZW."""

    delay: int
    clear: int | None
    x: int
    y: int
    width: int
    height: int
    data: bytes


class _Gif:
    """A GIF being made: frames go in one by one, a stretch is written when its colours end."""

    def __init__(self, width: int, height: int, quality: int) -> None:
        self.width, self.height = width, height
        self.tolerance = tolerance_of(quality)
        self.colours = min(_MOST_COLOURS, 32 + 3 * quality)
        self.shown: U8 | None = None
        self.stretches: list[tuple[U8, list[_Part]]] = []

    def encode(self, timed: Iterator[Timed], loop: int) -> bytes:
        kept: U8 | None = None
        waiting: list[tuple[Change, int]] = []
        known: npt.NDArray[np.float64] | None = None
        for rgb, ticks in timed:
            lasting = (waiting[-1][1] + ticks) * GIF_TICK if waiting else 0
            change = find_change(kept, rgb, self.tolerance, lasting)
            if change is None:
                waiting[-1] = (waiting[-1][0], waiting[-1][1] + ticks)
                continue
            colours = _histogram(change.kept)
            if known is not None and (
                float(np.minimum(known, colours).sum()) < _ALIKE
                or len(waiting) * change.kept.nbytes > _WAITING
            ):
                self._write(waiting)
                waiting, known = [], None
            kept = change.kept
            waiting.append((change, ticks))
            known = colours if known is None else known + (colours - known) / len(waiting)
        self._write(waiting)
        return self._file(loop)

    def _write(self, waiting: list[tuple[Change, int]]) -> None:
        palette, exact = _palette([change.kept for change, _ in waiting], self.colours)
        parts = [self._part(change, ticks, palette, exact) for change, ticks in waiting]
        self.stretches.append((palette, parts))

    def _part(self, change: Change, delay: int, palette: U8, exact: bool) -> _Part:
        """The changed rectangle, with unchanged pixels left out where that makes it smaller."""
        x0, y0, x1, y1 = change.x0, change.y0, change.x1, change.y1
        box = np.s_[y0:y1, x0:x1]
        source = np.ascontiguousarray(change.kept[box])
        index = _exactly(source, palette) if exact else _dithered(source, palette, x0, y0)
        rgb, clear = palette[index], len(palette)
        data = _lzw(index)
        part = _Part(delay, None, x0, y0, x1 - x0, y1 - y0, data)
        if self.shown is None:
            self.shown = rgb
            return part
        below = self.shown[box]
        same = change.still[box] | (rgb == below).all(2)
        if same.any():
            cleared = _lzw(np.where(same, np.uint8(clear), index))
            if len(cleared) < len(data):
                part = part._replace(clear=clear, data=cleared)
                rgb = np.where(same[..., None], below, rgb)
        self.shown[box] = rgb
        return part

    def _file(self, loop: int) -> bytes:
        # The longest stretch has the table that need not be repeated with every frame.
        shared = max(range(len(self.stretches)), key=lambda i: len(self.stretches[i][1]))
        table = _table(self.stretches[shared][0])
        out = [b"GIF89a", struct.pack("<HHBBB", self.width, self.height, 0xF0 | _bits(table), 0, 0)]
        out.append(table)
        if loop != 1:
            # The file counts repetitions, not how often it is played; 0 is for ever in both.
            again = loop and loop - 1
            out.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", again, 0))
        for i, (palette, parts) in enumerate(self.stretches):
            own = b"" if i == shared else _table(palette)
            flags = 0x80 | _bits(own) if own else 0
            for part in parts:
                # Disposal 1: leave what was drawn.
                control = 4 | (part.clear is not None)
                out.append(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, control, part.delay,
                                       part.clear or 0, 0))  # fmt: skip
                out.append(struct.pack("<BHHHHB", 0x2C, part.x, part.y, part.width, part.height,
                                       flags))  # fmt: skip
                out += [own, part.data]
        out.append(b";")
        return b"".join(out)


def _table(palette: U8) -> bytes:
    """A colour table of 2, 4, ... 256 entries with room for one more than ``palette``."""
    size = max(2, 1 << len(palette).bit_length())
    return palette.tobytes().ljust(3 * size, b"\0")


def _bits(table: bytes) -> int:
    return (len(table) // 3).bit_length() - 2


def _histogram(rgb: U8) -> npt.NDArray[np.float64]:
    """Shares of 8x8x8 colours among about 20,000 pixels."""
    step = max(1, math.isqrt(rgb.shape[0] * rgb.shape[1] // 20_000))
    some = rgb[::step, ::step].astype(np.intp) >> 5
    bins = (some[..., 0] << 6) | (some[..., 1] << 3) | some[..., 2]
    return np.bincount(bins.ravel(), minlength=512) / bins.size


def _codes(rgb: U8) -> npt.NDArray[np.int32]:
    wide = rgb.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def _palette(frames: list[U8], colours: int) -> tuple[U8, bool]:
    """At most ``colours`` colours for these frames, and whether they are all that occur.

    Maximum coverage, refined by k-means: on film 1 to 2 dB PSNR better than octree at about the
    same bytes, 3 to 4 than coverage alone; median cut, refined too, costs a tenth more bytes.
    """
    from PIL import Image

    found = np.empty(0, np.int32)
    for frame in frames:
        found = np.union1d(found, _codes(frame))
        if len(found) > colours:
            break
    else:
        return np.stack([found >> 16, found >> 8 & 255, found & 255], -1).astype(np.uint8), True
    pixels = frames[0].shape[0] * frames[0].shape[1]
    step = max(1, math.ceil(pixels * len(frames) / _SAMPLE))
    some = np.concatenate([f.reshape(-1, 3)[i % step :: step] for i, f in enumerate(frames)])
    quantized = Image.fromarray(some[None]).quantize(
        colours, Image.Quantize.MAXCOVERAGE, kmeans=_SETTLED
    )
    listed = quantized.getpalette("RGB")
    assert listed is not None
    return np.array(listed, np.uint8).reshape(-1, 3)[:colours], False


def _exactly(rgb: U8, palette: U8) -> U8:
    """The index of each pixel's own colour; ``palette`` is sorted and has them all."""
    return np.searchsorted(_codes(palette), _codes(rgb)).astype(np.uint8)


def _dithered(rgb: U8, palette: U8, x0: int, y0: int) -> U8:
    """Indices whose colours have the right mean, by a pattern fixed to the canvas.

    The nearest colour or the one on the other side of the pixel, as often as the pixel is near to
    it: Yliluoma's ordered dithering with two candidates. Where the nearest colour is near enough
    that nothing lies on the other side, it is taken everywhere.
    """
    from PIL import Image

    table = Image.new("P", (1, 1))
    padded = np.concatenate([palette, np.repeat(palette[:1], 256 - len(palette), 0)])
    table.putpalette(padded.tobytes())

    def nearest(samples: U8) -> U8:
        found = Image.fromarray(samples).quantize(palette=table, dither=Image.Dither.NONE)
        index = np.array(found)
        index[index >= len(palette)] = 0
        return index

    near = nearest(rgb)
    colours = palette.astype(np.float32)
    error = rgb - colours[near]
    other = nearest(np.clip(rgb + error, 0, 255).round().astype(np.uint8))
    apart = colours[other] - colours[near]
    height, width = near.shape
    rows, columns = np.arange(y0, y0 + height) % 4, np.arange(x0, x0 + width) % 4
    threshold = _BAYER[rows[:, None], columns]
    beyond = (error * apart).sum(2) > threshold * (apart * apart).sum(2)
    return np.where(beyond, other, near)


def _lzw(index: U8) -> bytes:
    """The image data of a GIF: code size, blocks, end. Taken from a file that Pillow wrote."""
    from PIL import Image

    data = saved(Image.fromarray(index), "gif", optimize=False, interlace=0)
    at = 13 + (6 << (data[10] & 7) if data[10] & 0x80 else 0)
    if data[at] != 0x2C or data[at + 9] or data[-1] != 0x3B:
        raise EncodeError("Pillow wrote a GIF of an unexpected form", stage="encode")
    return data[at + 10 : -1]
