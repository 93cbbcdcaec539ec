"""Animated WebP (RFC 9649): each frame a still WebP of what changed; the file is put together here.

Not libwebp's animation encoder, which compares each frame with the one before and so never shows
what changes slowly.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from .animation_frames import U8, Mask, Timed, find_change, saved, tolerance_of

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["encode_webp"]

#: 0 (fast) to 6 (small): 6 saves 4 % of the bytes and takes several times as long.
_METHOD: Final = 4
#: Blocks of so many pixels a side are left out when nothing in them changed. The codec's own are
#: 16, yet 8 leaves fewer bytes.
_BLOCK: Final = 8


def encode_webp(timed: Iterator[Timed], width: int, height: int, quality: int, loop: int) -> bytes:
    """Frames, their times in milliseconds, as one file."""
    tolerance = tolerance_of(quality)
    kept: U8 | None = None
    parts: list[tuple[int, bytes, bytes]] = []
    transparent = False
    for rgb, ticks in timed:
        lasting = parts[-1][0] + ticks if parts else 0
        change = find_change(kept, rgb, tolerance, lasting)
        if change is None:
            parts[-1] = (lasting, *parts[-1][1:])
            continue
        kept = change.kept
        # Offsets are stored halved.
        x0, y0 = change.x0 & ~1, change.y0 & ~1
        box = np.s_[y0 : change.y1, x0 : change.x1]
        data, blended = _frame(kept[box], change.still[box], quality)
        transparent |= blended
        place = b"".join(
            value.to_bytes(3, "little")
            for value in (x0 // 2, y0 // 2, change.x1 - x0 - 1, change.y1 - y0 - 1)
        )
        # Second bit: overwrite instead of blending.
        parts.append((ticks, place, bytes([0 if blended else 2]) + data))
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = _chunk(b"VP8X", bytes([0x12 if transparent else 0x02, 0, 0, 0]) + size)
    # The background is never seen; transparent is what libwebp's tools write.
    body += _chunk(b"ANIM", struct.pack("<IH", 0, loop))
    body += b"".join(
        _chunk(b"ANMF", place + ticks.to_bytes(3, "little") + data) for ticks, place, data in parts
    )
    return _chunk(b"RIFF", b"WEBP" + body)


def _frame(rgb: U8, still: Mask, quality: int) -> tuple[bytes, bool]:
    """The chunks of one rectangle, and whether it must be blended: the smaller of both ways."""
    from PIL import Image

    def chunks(samples: U8) -> bytes:
        image = Image.fromarray(np.ascontiguousarray(samples))
        return _frame_chunks(_saved(image, quality))

    data = chunks(rgb)
    height, width = still.shape
    down, across = -(-height // _BLOCK), -(-width // _BLOCK)
    whole = np.ones((down * _BLOCK, across * _BLOCK), np.bool_)
    whole[:height, :width] = still
    blocks = np.pad(
        whole.reshape(down, _BLOCK, across, _BLOCK).all((1, 3)), 1, constant_values=True
    )
    inner = blocks.copy()
    for rows, columns in itertools.product((-1, 0, 1), repeat=2):
        inner &= np.roll(blocks, (rows, columns), (0, 1))
    inner = inner[1:-1, 1:-1]
    if not inner.any():
        return data, False

    def pixels(of: Mask) -> Mask:
        return of.repeat(_BLOCK, 0).repeat(_BLOCK, 1)[:height, :width, None]

    # A ring of blocks around what is seen keeps its colours: the codec's deblocking and chroma
    # interpolation reach over the edge of what is left out, and would show as lines.
    alpha = np.where(pixels(blocks[1:-1, 1:-1]), np.uint8(0), np.uint8(255))
    colour = np.where(pixels(inner), rgb[~still].mean(0).astype(np.uint8), rgb)
    with_holes = chunks(np.concatenate([colour, alpha], 2))
    return (with_holes, True) if len(with_holes) < len(data) else (data, False)


def _saved(image: Image.Image, quality: int) -> bytes:
    # exact: what is seen through holes is ours to choose, see above.
    return saved(image, "webp", quality=quality, method=_METHOD, exact=True)


def _frame_chunks(file: bytes) -> bytes:
    """What of a still WebP file goes into a frame of an animation: alpha and bitstream."""
    found, at = [], 12
    while at + 8 <= len(file):
        name, size = file[at : at + 4], int.from_bytes(file[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        if name in (b"ALPH", b"VP8 ", b"VP8L"):
            found.append(file[at:end])
        at = end
    return b"".join(found)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
