"""Faces in a picture, where the optional detector is installed (``snapengine[faces]``).

The detector is dlib's: histograms of oriented gradients under five linear filters for faces seen
from the front and a little from the side. Its filters are compiled into the library; no model file
is read and nothing is downloaded. Sources: D. King, "Max-Margin Object Detection", arXiv:1502.00046
(2015); P. Felzenszwalb et al., "Object Detection with Discriminatively Trained Part-Based Models",
IEEE TPAMI 32(9), 2010 (the features).
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np

from .proxy import Proxy

_log = logging.getLogger("snapengine.scoring")

#: The filters are 80 samples high. Enlarged by this much, a proxy shows them faces from 44 samples
#: on (a quarter of the height of 320x180). Smaller ones were half false on real films.
_ENLARGE: Final = 1.7
#: Lowest accepted score. Of 349 frames of real films without a human face none reached it (a
#: cartoon rabbit's 0.18, a bicycle 0.14); of 49 human faces it saw, 47 did. A false face hurts more
#: than a missed one.
_LEAST: Final = 0.2
#: How fast confidence grows with the score: 0.65 for the least, 0.95 at 1.
_STEEP: Final = 3.0
#: Share of the shorter side that a face has in a medium long shot and in a medium close-up: from
#: nothing to all of "large".
_SMALL, _LARGE = 0.1, 0.3
#: What belongs to a head around the box from brows to chin, in its sides: beside, above, below.
_BESIDE, _ABOVE, _BELOW = 0.15, 0.35, 0.15
#: A head of which less than this is within the picture counts as cut altogether.
_HALF_CUT: Final = 0.7


class Face(NamedTuple):
    """A face: a box from brows to chin, in fractions of the picture (the box may hang over).

    ``confidence`` is 0..1. ``eyes``: how many open eyes were found, 0 to 2; None when the detector
    cannot tell.
    """

    x: float
    y: float
    width: float
    height: float
    confidence: float
    eyes: int | None = None


class FaceDetector:
    """Finds faces. Any thread: each call works with a native detector of its own, kept for later
    calls, as dlib's are not to be shared."""

    def __init__(self) -> None:
        """Load the library and one detector: ImportError, OSError or AttributeError without it."""
        self._dlib: Any = import_module("dlib")
        native = self._dlib.get_frontal_face_detector()
        # Unpacking its filters takes dlib 0.2 s; a copy of the result takes 1 ms.
        self._copy = pickle.dumps(native)
        self._idle: list[Any] = [native]

    def find(self, proxy: Proxy, *, large_only: bool = False) -> tuple[Face, ...]:
        """The faces in a picture, the largest first; none is no error.

        ``large_only``: those of at least 74 samples (two fifths of the height of 320x180), in a
        third of the time. Turned by more than 30 degrees, in profile or blurred they are missed.
        """
        luma = np.ascontiguousarray(proxy.y)
        if not large_only:
            rows, columns = (max(1, round(side * _ENLARGE)) for side in luma.shape)
            luma = self._dlib.resize_image(luma, rows, columns)
        try:
            native = self._idle.pop()
        except IndexError:
            native = pickle.loads(self._copy)
        try:
            boxes, scores, _ = native.run(luma, 0, _LEAST)
        finally:
            self._idle.append(native)
        high, wide = luma.shape
        faces = [
            Face(
                box.left() / wide,
                box.top() / high,
                box.width() / wide,
                box.height() / high,
                float(1 / (1 + np.exp(-_STEEP * score))),
            )
            for box, score in zip(boxes, scores, strict=True)
        ]
        return tuple(sorted(faces, key=lambda face: (-face.width * face.height, face)))


@lru_cache(maxsize=1)
def load_detector() -> FaceDetector | None:
    """The detector of this process; None when the extra is not installed. Any thread."""
    try:
        return FaceDetector()
    except (ImportError, OSError, AttributeError) as error:
        _log.debug("no face detector: %s", error)
        return None


def face_parts(faces: Sequence[Face]) -> dict[str, float]:
    """What speaks for the largest face, each 0..1; nothing when there is none.

    ``present``: the detector's confidence. ``large``: 0 from a tenth of the shorter side down, 1
    from three tenths up (medium long shot to medium close-up). ``whole``: 1 when all of the head is
    in the picture, 0 when 30 % of it are not. ``open``: the share of open eyes, where the detector
    tells.
    """
    if not faces:
        return {}
    face = max(faces, key=lambda face: face.width * face.height)
    # Boxes are square: the larger fraction is that of the shorter side.
    large = (max(face.width, face.height) - _SMALL) / (_LARGE - _SMALL)
    parts = {
        "present": face.confidence,
        "large": min(1.0, max(0.0, large)),
        "whole": max(0.0, (_seen(face) - _HALF_CUT) / (1 - _HALF_CUT)),
    }
    if face.eyes is not None:
        parts["open"] = min(2, max(0, face.eyes)) / 2
    return parts


def face_measure(faces: Sequence[Face]) -> float | None:
    """How well a picture shows its largest face, 0..1: the mean of the parts that tell how, times
    ``present``. None when there is no face: that is for the caller to judge."""
    parts = face_parts(faces)
    if not parts:
        return None
    present = parts.pop("present")
    return present * sum(parts.values()) / len(parts)


def _seen(face: Face) -> float:
    """How much of the head, with hair, ears and chin, is within the picture."""
    return _within(face.x, face.width, _BESIDE, _BESIDE) * _within(
        face.y, face.height, _ABOVE, _BELOW
    )


def _within(start: float, size: float, before: float, after: float) -> float:
    first, end = start - before * size, start + size * (1 + after)
    if not end > first:
        return 0.0
    return max(0.0, min(1.0, end) - max(0.0, first)) / (end - first)
