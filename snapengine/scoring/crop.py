"""Where to crop: the window of a wanted shape that keeps what matters in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .faces import Face
from .proxy import Proxy
from .saliency import saliency

F64 = NDArray[np.float64]

#: Places that are tried along the free axis; an odd number has the middle among them.
_PLACES: Final = 193
#: Share of the window, at either end, over which what it holds counts for less and less: of all
#: windows that hold a subject, the one with the subject in its middle wins, and there is only one.
_TAPER: Final = 0.3
#: What it costs when the window's edge runs through the most salient place of the picture.
_CUT: Final = 0.15
#: What the outermost place costs: the preference for the middle.
_AWAY: Final = 0.12
#: Mass that every picture is taken to have spread evenly: what little there is in a flat picture
#: cannot move the window.
_EVEN: Final = 0.05
#: A place less salient than this, in the mean along the other axis, is not worth much care.
_WEAK: Final = 0.5
#: Narrowest window, as a share of the axis.
_LEAST: Final = 1e-6
#: Faces of which less of the picture is seen than this do not count.
_SPECK: Final = 1e-6
#: How much of a face is seen around it: hair, chin and ears lie outside of a detector's box.
_AROUND: Final = 0.25
#: What keeping the largest face whole is worth; smaller ones by their area.
_FACE: Final = 2.0
#: Where the eyes of the largest face are best in a window that moves up and down, from its top.
_EYES_AT: Final = 0.4
#: Where eyes are in a face's box, from its top.
_EYES_IN: Final = 0.4
#: What being off that line by all of the window costs.
_HEADROOM: Final = 6.0


def focus(proxy: Proxy, aspect: float, faces: Sequence[Face] = ()) -> tuple[float, float]:
    """The centre of the window to crop to, in fractions of the picture's width and height.

    ``aspect`` is width by height of the window in display pixels; the window is the largest of that
    shape that fits. It lies where it holds the most salient mass (cumulative sums of
    :func:`snapengine.scoring.saliency.saliency`), weighted towards its middle so that the subject
    is not at its edge, with edges where little is cut. Faces are kept whole when they fit, larger
    ones before smaller ones, and eyes above the middle. A flat picture gives the middle. Any
    thread.
    """
    shape = proxy.width / proxy.height
    if not aspect > 0 or aspect == shape:
        return 0.5, 0.5
    across = aspect < shape
    share = max(_LEAST, aspect / shape if across else shape / aspect)
    mass = saliency(proxy).mean(axis=0 if across else 1, dtype=np.float64)
    at = _place(
        mass, share, [head for face in faces if (head := _Head.of(face, across)).area > _SPECK]
    )
    return (at, 0.5) if across else (0.5, at)


class _Head:
    """A face along one axis: from where to where, where its eyes are best seen, what it weighs."""

    __slots__ = ("area", "end", "eyes", "start")

    def __init__(self, start: float, end: float, eyes: float | None, area: float) -> None:
        self.start, self.end, self.eyes, self.area = start, end, eyes, area

    @classmethod
    def of(cls, face: Face, across: bool) -> _Head:
        """``area`` is what of the box lies within the picture."""
        wide = min(1.0, face.x + face.width) - max(0.0, face.x)
        high = min(1.0, face.y + face.height) - max(0.0, face.y)
        start, size = (face.x, face.width) if across else (face.y, face.height)
        end = min(1.0, start + size * (1 + _AROUND))
        eyes = None if across else start + size * _EYES_IN
        return cls(max(0.0, start - size * _AROUND), end, eyes, max(0.0, wide) * max(0.0, high))


def _place(mass: F64, share: float, heads: Sequence[_Head]) -> float:
    """The best centre, 0..1, of a window of ``share`` of an axis along which ``mass`` lies."""
    half = share / 2
    steps = np.linspace(-1, 1, _PLACES)
    centres = 0.5 + steps * (0.5 - half)
    total = mass.mean() + _EVEN
    held = _window(mass.size, share) @ ((mass + _EVEN) / total)
    # An edge cuts what it runs through, unless it is the picture's own.
    middles = (np.arange(mass.size) + 0.5) / mass.size
    peak = max(float(mass.max()), _WEAK)
    left = np.interp(centres - half, middles, mass) / peak
    right = np.interp(centres + half, middles, mass) / peak
    left[0] = right[-1] = 0
    score = held - _CUT * (left + right) / 2 - _AWAY * np.square(steps)
    if heads:
        largest = max(head.area for head in heads)
        for head in heads:
            score = score + _FACE * head.area / largest * _shown(head, centres, half)
            if head.eyes is not None and head.area == largest:
                line = (head.eyes - (centres - half)) / share
                score = score - _HEADROOM * np.square(line - _EYES_AT)
    return float(centres[score.argmax()])


def _shown(head: _Head, centres: F64, half: float) -> F64:
    """How much of a face each window holds; a face cut in two is worth less than its part."""
    kept = np.minimum(head.end, centres + half) - np.maximum(head.start, centres - half)
    part = np.clip(kept / min(head.end - head.start, 2 * half), 0, 1)
    shown: F64 = part * part
    return shown


@lru_cache(maxsize=32)
def _window(cells: int, share: float) -> F64:
    """What each cell counts in each window: (places, cells); each row sums to its share."""
    half = share / 2
    ends = np.arange(cells + 1) / cells
    centres = 0.5 + np.linspace(-1, 1, _PLACES) * (0.5 - half)
    table = np.diff(_held((ends - centres[:, None]) / half), axis=1)
    made: F64 = table / table.sum(axis=1, keepdims=True) * share
    return made


def _held(at: F64) -> F64:
    """Integral of the window's weight from its start (-1) to ``at``: flat, with cosine ends."""
    x = np.clip(np.abs(at), 0, 1)
    flat = 1 - 2 * _TAPER
    bend = np.maximum(x - flat, 0)
    area = np.minimum(x, flat) + bend / 2 + _TAPER / np.pi * np.sin(np.pi * bend / (2 * _TAPER))
    signed: F64 = np.sign(at) * area
    return signed
