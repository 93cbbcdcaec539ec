"""Animated pictures: GIF, WebP and AVIF of a few seconds, for covers that move.

======  ================  =======  ==============================================================
format  by                default  what is ours
======  ================  =======  ==============================================================
gif     Pillow's LZW      75       palettes, dithering, what of a frame is written, the file
webp    Pillow's frames   75       what of a frame is written, the file (RFC 9649)
avif    Pillow (libaom)   60       times only; it is a film with real motion compensation
======  ================  =======  ==============================================================

Three rules make GIF and WebP small without drift or shimmer:

- A pixel is written again only when its source differs by more than a tolerance from the source
  it was *last written from*. Noise of still areas costs nothing, and the error stays below the
  tolerance however slowly a picture fades. libwebp's own animation encoder compares with the
  frame before instead: a fade of one level per frame never arrives (measured: 10 dB PSNR).
- A GIF gets a palette per stretch of like colours, so a cut brings a new one. One for all costs
  up to 3 dB when the moments differ; one per frame gains half a dB for a tenth more bytes and
  several times the time.
- Dithering is ordered and lies between the two palette colours around a pixel, never further: a
  still area stays still, flat areas stay flat. Error diffusion would change with every noisy
  pixel before it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from numbers import Real
from typing import Final, Literal, get_args

import numpy as np

from ..errors import BackendMissing, EncodeError, InvalidOption, LayoutTooLarge
from .animation_frames import LONGEST, U8, Timed, saved
from .animation_gif import GIF_TICK, encode_gif
from .animation_webp import encode_webp

__all__ = [
    "ANIMATION_FORMATS",
    "ANIMATION_MEDIA_TYPES",
    "AnimationFormat",
    "animation_format_of",
    "check_animation",
    "encode_animation",
]

AnimationFormat = Literal["gif", "webp", "avif"]
ANIMATION_FORMATS: Final[tuple[AnimationFormat, ...]] = get_args(AnimationFormat)
ANIMATION_MEDIA_TYPES: Final[dict[AnimationFormat, str]] = {
    kind: f"image/{kind}" for kind in ANIMATION_FORMATS
}
#: For 33 to 39 dB PSNR of ordinary film; what the numbers mean is each encoder's own.
DEFAULT_QUALITY: Final[dict[AnimationFormat, int]] = {"gif": 75, "webp": 75, "avif": 60}
#: Largest side in pixels. GIF: 16 bits (GIF89a, 18); WebP: 14 bits of a VP8 frame (RFC 6386, 9.1);
#: AVIF: what libavif reads by default.
_MAX_SIDE: Final[dict[AnimationFormat, int]] = {"gif": 65535, "webp": 16383, "avif": 32768}
#: Milliseconds per unit of time in the file.
_TICK: Final[dict[AnimationFormat, int]] = {"gif": GIF_TICK, "webp": 1, "avif": 1}
#: Browsers show a GIF frame of less than 2 hundredths for 10 of them.
_SHORTEST: Final[dict[AnimationFormat, int]] = {"gif": 20, "webp": 1, "avif": 1}
_MAX_LOOP: Final = 65535


def animation_format_of(path_or_suffix: str | os.PathLike[str]) -> AnimationFormat:
    """The format that a file name or suffix (".gif", "out/Cover.WEBP") stands for.

    Raises :class:`InvalidOption`, listing the known suffixes, for any other or none.
    """
    text = os.fspath(path_or_suffix)
    name = text.replace("\\", "/").rpartition("/")[2]
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    for known in ANIMATION_FORMATS:
        if suffix == known:
            return known
    names = ", ".join(f".{kind}" for kind in ANIMATION_FORMATS)
    raise InvalidOption(f"an animation must end in one of {names}, not {text!r}", value=text)


def check_animation(
    format: str, width: int, height: int, quality: int | None = None, loop: int = 0
) -> int:
    """Everything that can be refused before there is a frame; returns the quality to use.

    Raises :class:`InvalidOption` (format, quality, loop) or :class:`LayoutTooLarge`.
    """
    for known in ANIMATION_FORMATS:
        if format == known:
            break
    else:
        names = ", ".join(ANIMATION_FORMATS)
        raise InvalidOption(f"format must be one of {names}, not {format!r}", value=format)
    used = _whole("quality", DEFAULT_QUALITY[known] if quality is None else quality, 1, 100)
    if _whole("loop", loop, 0, _MAX_LOOP) and known == "avif":
        raise InvalidOption("an AVIF is played for ever; loop must be 0", value=loop)
    side, limit = max(width, height), _MAX_SIDE[known]
    if side > limit:
        raise LayoutTooLarge(
            f"a side of an animated {known.upper()} may have at most {limit} pixels, not {side} "
            f"({width}x{height})",
            stage="encode", limit="side", allowed=limit, seen=side,
        )  # fmt: skip
    return used


def _whole(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidOption(f"{name} must be a whole number, not {value!r}", value=value)
    if not least <= value <= most:
        raise InvalidOption(f"{name} must be {least} to {most}, not {value}", value=value)
    return int(value)


def encode_animation(
    frames: Iterable[U8],
    durations: Iterable[float | Fraction],
    format: AnimationFormat,
    *,
    quality: int | None = None,
    loop: int = 0,
    threads: int = 1,
) -> bytes:
    """Frames as one complete file of ``format``.

    ``frames``: RGB samples, uint8 of shape (height, width, 3), any strides, all of one size. They
    are taken one by one and copied, so one buffer may be reused; WebP keeps two, AVIF what libaom
    looks ahead, GIF those of one palette (64 MiB of them at most). ``durations``: milliseconds of
    each, at least 1 (GIF 20: faster than 50 frames a second is not shown), at most 60,000; they may
    be fractions. Times in the file are rounded, whole hundredths of a second in a GIF, so that
    each frame ends as near as possible to its true end and nothing adds up. In GIF and WebP, frames
    that do not differ are written once, for the sum of their times.

    ``quality`` 1 to 100, ``None`` for the format's default. GIF: number of colours and tolerance;
    a stretch that has no more colours than that keeps them as they are. ``loop``: how many times
    it is played, 0 for ever. ``threads`` bounds what AVIF may use. Same input and library versions,
    same bytes (AVIF: for the same ``threads``).

    Ownership: reads only. Threads: any; nothing is shared. Whatever ``frames`` raises comes through
    as it is. Raises :class:`InvalidOption`, :class:`LayoutTooLarge`, :class:`BackendMissing`,
    :class:`EncodeError`.
    """
    from PIL import features

    checked = iter(_checked(frames, format, quality, loop))
    first = next(checked, None)
    if first is None:
        raise InvalidOption("an animation needs at least one frame", stage="encode")
    height, width, _ = first.shape
    used = check_animation(format, width, height, quality, loop)
    if format != "gif" and not features.check(format):
        raise BackendMissing(
            f"this build of Pillow has no {format.upper()}; install snapengine's own requirement "
            f"from its wheel",
            stage="encode", backend="pillow",
        )  # fmt: skip
    if format == "avif":
        known = list(durations)
        return _avif(_timed(first, checked, iter(known), format), len(known), used, threads)
    timed = _timed(first, checked, iter(durations), format)
    if format == "gif":
        return encode_gif(timed, width, height, used, loop)
    return encode_webp(timed, width, height, used, loop)


def _checked(frames: Iterable[U8], format: str, quality: int | None, loop: int) -> Iterator[U8]:
    """The frames, copied, once each is known to be one and of the size of the first."""
    check_animation(format, 1, 1, quality, loop)
    shape: tuple[int, ...] | None = None
    for frame in frames:
        seen = np.asarray(frame)
        if seen.dtype != np.uint8 or seen.ndim != 3 or seen.shape[2] != 3 or not seen.size:
            raise InvalidOption(
                f"frames must be uint8 of shape (height, width, 3), not {seen.dtype} of shape "
                f"{seen.shape}",
                stage="encode",
            )
        if shape is not None and seen.shape != shape:
            raise InvalidOption(
                f"all frames must be of one size: {shape[1]}x{shape[0]}, then "
                f"{seen.shape[1]}x{seen.shape[0]}",
                stage="encode",
            )
        shape = seen.shape
        yield np.array(seen, order="C")


def _timed(
    first: U8,
    others: Iterator[U8],
    durations: Iterator[float | Fraction],
    format: AnimationFormat,
) -> Iterator[Timed]:
    """Frames that differ from the one before, with whole ticks; one frame is looked ahead.

    Of an AVIF all: how many must be known before, and a repeated one is a few bytes.
    """
    tick, shortest = _TICK[format], _SHORTEST[format]
    waiting: U8 | None = None
    start = end = 0
    exact = Fraction(0)
    frame: U8 | None = first
    while frame is not None:
        exact += _duration(next(durations, None), shortest)
        reached = math.floor(exact / tick + Fraction(1, 2))
        if waiting is not None and (
            format == "avif"
            or (reached - start) * tick > LONGEST
            or not np.array_equal(waiting, frame)
        ):
            yield Timed(waiting, end - start)
            start, waiting = end, None
        waiting = frame if waiting is None else waiting
        end = reached
        frame = next(others, None)
    if next(durations, None) is not None:
        raise InvalidOption("there are more durations than frames", stage="encode")
    assert waiting is not None
    yield Timed(waiting, end - start)


def _duration(value: float | Fraction | None, shortest: int) -> Fraction:
    if value is None:
        raise InvalidOption("there are fewer durations than frames", stage="encode")
    if (
        isinstance(value, bool)
        or not isinstance(value, Real)
        or not math.isfinite(value)
        or not shortest <= value <= LONGEST
    ):
        raise InvalidOption(
            f"a frame may last {shortest} to {LONGEST} milliseconds, not {value!r}",
            stage="encode", value=value,
        )  # fmt: skip
    return Fraction(value) if isinstance(value, int | Fraction) else Fraction(float(value))


# -- AVIF (AV1 Image File Format, image sequences) ----------------------------------------------

#: 0 (small) to 10 (fast): 6 saves a fifth of the bytes, and takes 6 to 20 times as long as 8.
_AVIF_SPEED: Final = 8


def _avif(timed: Iterator[Timed], count: int, quality: int, threads: int) -> bytes:
    from PIL import Image

    durations: list[int] = []

    class Reel(Image.Image):
        """Frames as Pillow's own readers give them, so that it asks for one at a time."""

        is_animated = count > 1
        n_frames = count
        failure: BaseException | None = None

        def __init__(self) -> None:
            super().__init__()
            self.at = -1
            self.seek(0)

        def tell(self) -> int:
            return self.at

        def seek(self, frame: int) -> None:
            if frame <= self.at:
                return  # Pillow goes back where it began when it is done
            try:
                rgb, ticks = next(timed)
            except StopIteration:
                raise EOFError from None
            except BaseException as error:
                self.failure = error
                raise
            image = Image.fromarray(rgb)
            self.im, self._mode, self._size = image.im, image.mode, image.size
            durations.append(ticks)
            self.at = frame

    reel, data = Reel(), b""
    try:
        data = saved(
            reel, "avif", save_all=True, duration=durations, quality=quality,
            speed=_AVIF_SPEED, max_threads=threads,
        )  # fmt: skip
    except EncodeError:
        if reel.failure is None:
            raise
    if reel.failure is not None:
        raise reel.failure
    return _timeless(data)


def _timeless(file: bytes) -> bytes:
    """The file without the time of day at which libavif wrote it: same input, same bytes.

    Creation and modification time of movie, track and media headers (ISO 14496-12, 8.2.2, 8.3.2,
    8.4.2) become 0, not known.
    """
    out = bytearray(file)
    within = [(0, len(file))]
    while within:
        at, end = within.pop()
        while at + 8 <= end:
            size, name = int.from_bytes(file[at : at + 4], "big"), file[at + 4 : at + 8]
            if not 8 <= size <= end - at:
                break  # to the end of the file, or of 64 bits: the samples
            if name in (b"moov", b"trak", b"mdia"):
                within.append((at + 8, at + size))
            elif name in (b"mvhd", b"tkhd", b"mdhd"):
                both = 16 if file[at + 8] else 8
                out[at + 12 : at + 12 + both] = bytes(both)
            at += size
    return bytes(out)
