"""Pictures that carry their own frame number: a bar code in the luma plane.

Layout, in fractions of the upright picture (so it survives scaling, anamorphic pixels and bars
that the caller crops away)::

    +----+----+----+----+----+
    | b0 | b1 | b2 | b3 | b4 |   row 0   0.00 .. 0.19
    | b5 | b6 | b7 | b8 | b9 |   row 1
    |!b0 |!b1 |!b2 |!b3 |!b4 |   row 2   the same bits inverted
    |!b5 |!b6 |!b7 |!b8 |!b9 |   row 3        .. 0.76
    |   moving texture only  |           0.76 .. 1.00
    +----+----+----+----+----+

A bit is read by comparing its block with its inverse, so range, gamma and tone mapping do not
matter; two frames blended into one, a grey picture and a picture turned the wrong way have pairs
without contrast and are refused instead of being misread.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_ORDINAL", "BarCodeError", "draw_luma", "read_ordinal"]

BITS = 10
COLUMNS = 5
ROWS = 4
BAND = 0.76
"""Fraction of the height that holds the code; the rest is texture."""

MAX_ORDINAL = (1 << BITS) - 1
MIN_CONTRAST = 0.25
"""Least difference of a bit and its inverse, as a fraction of the picture's own range.

Drawn at about 0.75 of the range; lossy coding at 64 px keeps more than 0.5; a 50/50 blend of two
frames has 0 in every bit that differs.
"""


class BarCodeError(ValueError):
    """The picture does not carry a readable frame number."""


def _edges(parts: int, length: float) -> list[int]:
    return [round(i * length / parts) for i in range(parts + 1)]


def draw_luma(ordinal: int, width: int, height: int, *, seed: int = 0) -> npt.NDArray[np.uint8]:
    """One upright luma plane in the video range 16..235, shape (height, width)."""
    if not 0 <= ordinal <= MAX_ORDINAL:
        raise ValueError(f"ordinal {ordinal} does not fit {BITS} bits")
    y = np.arange(height, dtype=np.float64)[:, None]
    x = np.arange(width, dtype=np.float64)[None, :]
    # Two waves drifting in different directions: motion search finds vectors, residuals remain.
    wave = np.sin((x + 3 * ordinal) / 7.0 + seed) + np.sin((y - 2 * ordinal + x / 3) / 5.0)
    plane = 126.0 + 45.0 * wave
    bits = [(ordinal >> i) & 1 for i in range(BITS)]
    bits += [1 - bit for bit in bits]
    rows, columns = _edges(ROWS, height * BAND), _edges(COLUMNS, width)
    for i, bit in enumerate(bits):
        row, column = divmod(i, COLUMNS)
        block = (
            slice(rows[row], rows[row + 1]),
            slice(columns[column], columns[column + 1]),
        )
        plane[block] = (205.0 if bit else 45.0) + 8.0 * wave[block]
    return np.clip(plane, 16, 235).astype(np.uint8)


def read_ordinal(picture: npt.NDArray[np.generic]) -> int:
    """The number drawn in an upright picture: (H, W) luma or (H, W, 3) RGB, any depth.

    Works from about 30x16 pixels up. Raises BarCodeError when any bit is doubtful.
    """
    luma = np.asarray(picture, dtype=np.float64)
    if luma.ndim == 3:
        luma = luma.mean(axis=2)
    height, width = luma.shape
    means: list[float] = []
    block_w, block_h = width / COLUMNS, height * BAND / ROWS
    for i in range(2 * BITS):
        row, column = divmod(i, COLUMNS)
        # The middle half of the block: ringing and resampling stay outside.
        y0, x0 = int((row + 0.25) * block_h), int((column + 0.25) * block_w)
        y1 = max(y0 + 1, round((row + 0.75) * block_h))
        x1 = max(x0 + 1, round((column + 0.75) * block_w))
        means.append(float(luma[y0:y1, x0:x1].mean()))
    spread = max(means) - min(means)
    value = 0
    for bit in range(BITS):
        difference = means[bit] - means[bit + BITS]
        if spread < 8 or abs(difference) < MIN_CONTRAST * spread:
            raise BarCodeError(
                f"bit {bit}: {means[bit]:.0f} against inverse {means[bit + BITS]:.0f} "
                f"in a picture of {width}x{height}"
            )
        if difference > 0:
            value |= 1 << bit
    return value
