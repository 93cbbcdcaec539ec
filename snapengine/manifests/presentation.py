"""What a manifest says: renditions, and the pieces that one of them is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, TypeVar

from ..errors import CorruptMedia, SourceError

#: Bytes of a manifest. One of a day in segments of two seconds has about 3 MB.
MAX_BYTES = 4 << 20
#: Renditions and segments of one manifest.
MAX_RENDITIONS = 256
MAX_SEGMENTS = 100_000
#: Seconds that anything may last, so that no number of a manifest runs out of 64-bit stamps.
MAX_SECONDS = 10**7

#: First part of RFC 6381 codec names of pictures; what begins with none of them is sound or text.
_VIDEO = (
    "avc", "hvc", "hev", "dvh", "dva", "dvav", "dav", "av01", "vp8", "vp08", "vp9", "vp09", "mp4v",
    "vvc", "vvi", "mjpg", "theora",
)  # fmt: skip


class Resource(NamedTuple):
    """A file, or ``size`` bytes from ``offset`` of it; ``size`` ``None``: to its end."""

    url: str
    offset: int = 0
    size: int | None = None


class Piece(NamedTuple):
    """One segment: where its bytes are, when it is shown (seconds), which run it belongs to.

    ``estimate``: about how many bytes, from the bit rate.
    """

    resource: Resource
    init: Resource | None
    start: Fraction
    duration: Fraction
    run: int = 0
    missing: bool = False
    estimate: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One encoding of the video, as the manifest announces it; ``None`` where it does not say."""

    width: int | None = None
    height: int | None = None
    bandwidth: int | None = None
    codecs: str | None = None
    number: int = field(default=0, repr=False)

    @property
    def size(self) -> tuple[int, int, int]:
        """What to sort by."""
        return self.width or 0, self.height or 0, self.bandwidth or 0


R = TypeVar("R", bound=Rendition)


def choose(
    renditions: Sequence[R], width: int | None, height: int | None, *, within: bool = False
) -> R:
    """The smallest rendition at least as large as wanted in both directions that are given.

    ``within``: in one of them is enough, as for pictures that are to fit into a box. Without a
    size, or where none is large enough: the largest. Those that do not tell their size are ordered
    by bit rate and taken only where none tells it. Of one size the highest bit rate.
    """
    known = [r for r in renditions if r.width and r.height]
    largest = max(known or renditions, key=lambda r: r.size)
    if width is None and height is None:
        return largest

    def is_enough(one: R) -> bool:
        wanted = ((width, one.width or 0), (height, one.height or 0))
        sides = [have >= side for side, have in wanted if side is not None]
        return any(sides) if within else all(sides)

    enough = [r for r in known if is_enough(r)]
    if not enough:
        return largest
    return min(enough, key=lambda r: (r.width or 0, r.height or 0, -(r.bandwidth or 0)))


def shows_pictures(codecs: str | None) -> bool | None:
    """Whether a list of RFC 6381 names has pictures in it; ``None`` where there is no list."""
    if not codecs:
        return None
    names = [name.strip().lower() for name in codecs.split(",")]
    return any(name.startswith(_VIDEO) for name in names)


def bad(name: str, problem: str) -> CorruptMedia:
    """A manifest that does not make sense."""
    return CorruptMedia(f"{name}: {problem}", stage="open", source=name)


def refused(name: str, problem: str) -> SourceError:
    """A manifest that makes sense and cannot be served."""
    return SourceError(f"{name}: {problem}", stage="open", source=name)
