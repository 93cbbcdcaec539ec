"""Everything there is to say about one picture, from its proxy."""

from __future__ import annotations

from dataclasses import dataclass

from .analysis import analyse
from .defects import defects
from .faces import FaceDetector, face_measure, face_parts
from .measures import measures, stillness
from .proxy import Proxy
from .saliency import measure as attention
from .score import NO_FACE, rejected_for
from .signature import Signature, signature
from .transitions import in_transition


@dataclass(frozen=True, slots=True)
class Judgement:
    """Measures (0..1, 1 is good), defects (severity 0..1), and what to compare pictures by."""

    measures: dict[str, float]
    defects: dict[str, float]
    signature: Signature


def judge(proxy: Proxy, detector: FaceDetector | None = None) -> Judgement:
    """Look at one picture. Pure, any thread; nothing in it depends on other pictures."""
    analysis = analyse(proxy)
    found = defects(analysis)
    told = {**measures(analysis), **attention(proxy)}
    # Captions are told by their small letters, cards by what is left without the text.
    told["textless"] = min(told["textless"], 1.0 - found["text_only"])
    # A rejected picture gains nothing by a face, and detectors find faces in anything.
    if detector is not None and not rejected_for(found):
        found_faces = detector.find(proxy)
        told.update({f"face_{name}": part for name, part in face_parts(found_faces).items()})
        measured = face_measure(found_faces)
        told["faces"] = NO_FACE if measured is None else measured
    return Judgement(told, found, signature(proxy))


def judge_motion(proxy: Proxy, later: Proxy) -> tuple[float, float]:
    """(stillness, severity of a transition) from a frame and one a few frames later."""
    return stillness(proxy, later), in_transition(proxy, later)
