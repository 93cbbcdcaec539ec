"""What the animated formats share: timed frames, and what of a frame must be written."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import EncodeError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["LONGEST", "U8", "Change", "Mask", "Timed", "find_change", "saved", "tolerance_of"]

#: Of one frame, merged or not; far below the 16 bits of a GIF and the 24 of a WebP.
LONGEST: Final = 60_000

U8: TypeAlias = npt.NDArray[np.uint8]
Mask: TypeAlias = npt.NDArray[np.bool_]


class Timed(NamedTuple):
    rgb: U8
    ticks: int


def tolerance_of(quality: int) -> int:
    """Largest difference of a channel that is not written again: 4 levels at quality 75."""
    return round((100 - quality) * 4 / 25)


class Change(NamedTuple):
    """``kept``: the source of every pixel as last written, this frame's included. ``still``: the
    pixels that need not be written. The rest lies in rows ``y0:y1``, columns ``x0:x1``."""

    kept: U8
    still: Mask
    x0: int
    y0: int
    x1: int
    y1: int


def find_change(kept: U8 | None, rgb: U8, tolerance: int, lasting: int) -> Change | None:
    """What of ``rgb`` must be written over ``kept``.

    ``None``: nothing, if the frame before may last ``lasting`` ms; else one pixel is written.
    """
    height, width, _ = rgb.shape
    if kept is None:
        return Change(rgb, np.zeros((height, width), np.bool_), 0, 0, width, height)
    far = np.maximum(rgb, kept) - np.minimum(rgb, kept) > tolerance
    moved = far[..., 0] | far[..., 1] | far[..., 2]
    rows, columns = np.flatnonzero(moved.any(1)), np.flatnonzero(moved.any(0))
    if not rows.size:
        if lasting <= LONGEST:
            return None
        moved[0, 0] = True
        rows = columns = np.zeros(1, np.intp)
    merged = np.where(moved[..., None], rgb, kept)
    return Change(
        merged, ~moved, int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    )


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    try:
        image.save(out, format=kind, **options)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise EncodeError(
            f"Pillow could not encode a {kind.upper()} of {image.width}x{image.height}: {error}",
            stage="encode", backend="pillow",
        ) from error  # fmt: skip
    return out.getvalue()
