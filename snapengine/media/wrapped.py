"""Videos inside of other files: motion photos, and animated WebP.

A **motion photo** is a JPEG or HEIF picture with an MP4 behind or inside of it: Google's Motion
Photo format 1.0 (XMP ``MicroVideoOffset``, or the length of the ``MotionPhoto`` item; in HEIF the
box ``mpvd``), Samsung's (the marker ``MotionPhoto_Data``). It is opened as that MP4.

An **animated WebP** is not decoded by libavcodec. Its pictures, each drawn over the one before, are
read once by Pillow and kept as lossless video (FFV1) in memory; from there on it is a video like
any other. That costs the whole animation, which even for one picture cannot be avoided by much.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np

from ..errors import CorruptMedia, LimitExceeded
from ..model.limits import Limits
from ..sources.base import Source
from ..sources.local import MemorySource

#: XMP stands at the head of a photo, in one or a few segments of 64 KiB.
_HEAD = 1 << 18
#: Where no header tells, the end of a photo is searched for its film: phones take a few seconds.
_SEARCHED = 64 << 20
_STEP = 1 << 20
#: Pixels of one picture of an animation (Pillow warns beyond 89 million), and of all together.
_MAX_CANVAS = 1 << 26
_MAX_ANIMATION = 1 << 28
_MAX_WEBP = 1 << 28
_SAMSUNG = b"MotionPhoto_Data"


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What to open in place of a source; ``kind`` names what it was, ``None`` for itself."""

    source: Source
    kind: str | None = None


class _Section:
    """The bytes of a source from ``start`` to ``end``; closing it closes the source."""

    def __init__(self, source: Source, start: int, end: int) -> None:
        self._source, self._start, self._end = source, start, end

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def size(self) -> int:
        return self._end - self._start

    def read_at(self, offset: int, size: int) -> bytes:
        size = min(size, self.size - offset)
        return self._source.read_at(self._start + offset, size) if size > 0 else b""

    def close(self) -> None:
        self._source.close()


def unwrap(source: Source, limits: Limits, check: Callable[[int], None]) -> Unwrapped:
    """The video inside, or the source itself. Reads twelve bytes of anything else.

    ``check`` is called with the bytes read so far and raises to stop. Raises
    :class:`LimitExceeded`, :class:`CorruptMedia`.
    """
    head = source.read_at(0, 12)
    size = source.size
    if size is None:
        return Unwrapped(source)
    if head[:3] == b"\xff\xd8\xff":
        start = _film_behind(source, size, check)
        return Unwrapped(source) if start is None else Unwrapped(_Section(source, start, size))
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        inside = _film_inside(source, size)
        return Unwrapped(source) if inside is None else Unwrapped(_Section(source, *inside))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and _is_animated(source):
        return Unwrapped(_WebpFilm(source, limits, check), "webp")
    return Unwrapped(source)


# -- motion photos --------------------------------------------------------------------------


def _film_behind(source: Source, size: int, check: Callable[[int], None]) -> int | None:
    """Offset of the MP4 behind a JPEG picture."""
    head = source.read_at(0, min(size, _HEAD))
    told = re.search(rb'MicroVideoOffset\s*=\s*"(\d{1,18})"', head)
    if told is None:
        told = re.search(
            rb'Semantic\s*=\s*"MotionPhoto"[^>]*?Length\s*=\s*"(\d{1,18})"', head
        ) or re.search(rb'Length\s*=\s*"(\d{1,18})"[^>]*?Semantic\s*=\s*"MotionPhoto"', head)
    if told is not None:
        start = size - int(told[1])
        if start > 0 and _is_film(source, start):
            return start
    begin = max(0, size - _SEARCHED)
    for position in range(begin, size, _STEP):
        check(position - begin)
        # A little of the next step, so that nothing is missed on the border.
        data = source.read_at(position, min(_STEP + 32, size - position))
        at = data.find(b"ftyp")
        while at >= 0:
            start = position + at - 4
            if start > 0 and _is_film(source, start):
                return start
            at = data.find(b"ftyp", at + 4)
    return None


def _is_film(source: Source, start: int) -> bool:
    """Whether an MP4 begins here: a ``ftyp`` box of likely size, and a box that may follow it."""
    size, kind = struct.unpack(">I4s", source.read_at(start, 8).ljust(8, b"\0"))
    if kind != b"ftyp" or not 16 <= size <= 256 or size % 4:
        return False
    return source.read_at(start + size + 4, 4) in (b"moov", b"mdat", b"free", b"wide", b"skip")


def _film_inside(source: Source, size: int) -> tuple[int, int] | None:
    """Begin and end of the MP4 in the box ``mpvd`` of a HEIF picture."""
    position = 0
    for _ in range(64):
        head = source.read_at(position, 16)
        if len(head) < 8:
            return None
        length, kind = struct.unpack_from(">I4s", head)
        body = position + 8
        if length == 1 and len(head) == 16:
            length, body = struct.unpack_from(">Q", head, 8)[0], body + 8
        elif length == 0:
            length = size - position
        if length < body - position:
            return None
        if kind == b"mpvd":
            return (body, min(position + length, size)) if _is_film(source, body) else None
        position += length
    return None


# -- animated WebP --------------------------------------------------------------------------


def _is_animated(source: Source) -> bool:
    """The animation flag of the extended header (WebP Container Specification, VP8X)."""
    extended = source.read_at(12, 9)
    return extended[:4] == b"VP8X" and len(extended) == 9 and bool(extended[8] & 0x02)


class _WebpFilm(MemorySource):
    """The animation as lossless video; closing it closes the file."""

    def __init__(self, source: Source, limits: Limits, check: Callable[[int], None]) -> None:
        super().__init__(_transcoded(source, limits, check), name=source.name)
        self._file = source

    def close(self) -> None:
        super().close()
        self._file.close()


def _transcoded(source: Source, limits: Limits, check: Callable[[int], None]) -> bytes:
    # Imported here: Pillow costs tens of milliseconds that no other container needs.
    from PIL import Image

    size = source.size or 0
    if size > _MAX_WEBP:
        raise LimitExceeded(
            f"{source.name}: an animated WebP of {size} bytes exceeds {_MAX_WEBP}",
            stage="open", limit="webp_bytes", allowed=_MAX_WEBP, seen=size,
        )  # fmt: skip
    check(0)
    data = source.read_at(0, size)
    # Canvas width and height less one, 24 bits each, before Pillow makes room for it.
    width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    _check_size(source, width, height, 1, limits)
    out = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as animation:
            width, height = animation.size
            count = getattr(animation, "n_frames", 1)
            _check_size(source, width, height, count, limits)
            with av.open(out, "w", format="matroska") as muxer:
                stream: Any = muxer.add_stream("ffv1", rate=1000)
                stream.width, stream.height, stream.pix_fmt = width, height, "bgra"
                stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
                now = 0
                for number in range(count):
                    check(len(data))
                    animation.seek(number)
                    picture = np.asarray(animation.convert("RGBA"))
                    length = max(1, int(animation.info.get("duration") or 0))
                    frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(
                        format="bgra"
                    )
                    frame.pts, frame.time_base, frame.duration = now, Fraction(1, 1000), length
                    for packet in stream.encode(frame):
                        packet.duration = length
                        muxer.mux(packet)
                    now += length
                muxer.mux(stream.encode(None))
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise CorruptMedia(f"{source.name}: damaged WebP: {error}", stage="open") from error
    return out.getvalue()


def _check_size(source: Source, width: int, height: int, count: int, limits: Limits) -> None:
    for name, seen, allowed in (
        ("max_pixels", width * height, limits.max_pixels),
        ("webp_canvas", width * height, _MAX_CANVAS),
        ("webp_pixels", width * height * count, _MAX_ANIMATION),
    ):
        if allowed is not None and seen > allowed:
            raise LimitExceeded(
                f"{source.name}: {count} pictures of {width}x{height}: {name} {seen} exceeds "
                f"{allowed}",
                stage="open", limit=name, allowed=allowed, seen=seen,
            )  # fmt: skip
