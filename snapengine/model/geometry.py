"""Sizes, rectangles, orientation and fit: how a coded frame becomes an upright picture.

Sizes are always ``(width, height)`` in pixels. Everything here is pure arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isfinite
from numbers import Integral
from typing import Final, Literal, NamedTuple, get_args

from ..errors import InvalidGeometry, InvalidOption, LayoutTooLarge

Fit = Literal["stretch", "contain", "cover", "smart"]
FITS: Final[tuple[str, ...]] = get_args(Fit)

#: Largest side of a JPEG that libjpeg writes (``JPEG_MAX_DIMENSION``).
JPEG_MAX_SIDE: Final = 65500


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


class Rect(NamedTuple):
    """A rectangle: left, top, width, height in pixels."""

    x: int
    y: int
    width: int
    height: int


class Crop(NamedTuple):
    """The part of a coded frame that is meant to be seen: left, top, width, height in luma samples.

    May be fractional: a clean aperture (ISO/IEC 14496-12, 12.1.4) is given in rationals.
    """

    x: float
    y: float
    width: float
    height: float

    def fitted(self, coded: Size) -> Crop:
        """What of it lies within a frame of ``coded`` size.

        All of the frame when that is less than one sample, or when a number is not finite: then it
        was meant for another frame (a stream may change its size) or for none.
        """
        whole = Crop(0.0, 0.0, float(coded.width), float(coded.height))
        if not all(map(isfinite, self)):
            return whole
        left, top = max(0.0, float(self.x)), max(0.0, float(self.y))
        width = min(whole.width, float(self.x) + float(self.width)) - left
        height = min(whole.height, float(self.y) + float(self.height)) - top
        return Crop(left, top, width, height) if width >= 1 and height >= 1 else whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """One of the eight ways to put a picture upright: mirror left-right first, then turn.

    ``rotation`` is clockwise, in degrees: 0, 90, 180 or 270.
    """

    rotation: int = 0
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.rotation not in (0, 90, 180, 270):
            raise InvalidGeometry(f"rotation must be 0, 90, 180 or 270, not {self.rotation!r}")

    @property
    def swaps_sides(self) -> bool:
        return self.rotation in (90, 270)

    @property
    def is_identity(self) -> bool:
        return self.rotation == 0 and not self.mirror


UPRIGHT: Final = Orientation()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How to make one picture of one coded frame.

    Take ``crop`` (x, y, width, height in luma samples of the coded frame; may be fractional),
    scale it to ``scaled``, put it upright, and place its top left corner at (``x``, ``y``) of a
    picture of ``size``; what it does not cover is background. So is what is seen through a frame
    with transparency. ``window`` holds every sample that may be looked at: filters do not reach
    beyond it, so that what is hidden around it leaves no rim. ``None``: all of the frame.
    ``background`` is R, G, B in 0..255.
    """

    coded: Size
    crop: tuple[float, float, float, float]
    scaled: Size
    orientation: Orientation
    size: Size
    x: int = 0
    y: int = 0
    window: Crop | None = None
    background: tuple[int, int, int] = (0, 0, 0)

    @property
    def upright(self) -> Size:
        """Size of the scaled part after orientation."""
        w, h = self.scaled
        return Size(h, w) if self.orientation.swaps_sides else Size(w, h)

    @property
    def is_unscaled(self) -> bool:
        """Whether samples are taken one to one (orientation aside)."""
        return self.crop == (0.0, 0.0, *map(float, self.coded)) and self.scaled == self.coded

    @property
    def shrink(self) -> float:
        """The smaller of the two shrink factors: 4.0 means at least four samples to one."""
        return min(self.crop[2] / self.scaled.width, self.crop[3] / self.scaled.height)


def display_size(
    coded: Size, sar: Fraction, orientation: Orientation, crop: Crop | None = None
) -> Size:
    """Size as a player shows it: cropped, square pixels, upright.

    The larger of width and height is kept or grows, so that no line of the video is thrown away
    (SAR >= 1 widens, SAR < 1 heightens). A fractional crop is rounded at the end.
    """
    wide, high = (Fraction(coded.width), Fraction(coded.height))
    if crop is not None:
        wide, high = map(Fraction, crop.fitted(coded)[2:])
    if sar > 1:
        wide *= sar
    elif 0 < sar < 1:
        high /= sar
    w, h = max(1, round(wide)), max(1, round(high))
    return Size(h, w) if orientation.swaps_sides else Size(w, h)


def check_side(name: str, value: object, limit: int = JPEG_MAX_SIDE) -> int:
    """A usable side length in pixels, or :class:`InvalidGeometry` / :class:`LayoutTooLarge`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InvalidGeometry(f"{name} must be a whole number of pixels, not {value!r}")
    value = int(value)  # numpy's whole numbers are as good as Python's
    if value < 1:
        raise InvalidGeometry(f"{name} must be at least 1, not {value}")
    if value > limit:
        raise LayoutTooLarge(f"{name} must be at most {limit}, not {value}")
    return value


def check_fit(fit: object) -> Fit:
    """One of :data:`FITS`, or :class:`InvalidOption`."""
    if fit not in FITS:
        raise InvalidOption(f"fit must be one of {', '.join(FITS)}, not {fit!r}")
    return fit  # type: ignore[return-value]


@lru_cache(maxsize=64)
def make_view(
    coded: Size,
    sar: Fraction,
    orientation: Orientation,
    *,
    width: int | None = None,
    height: int | None = None,
    fit: Fit = "contain",
    align: int = 1,
    crop: Crop | None = None,
    background: tuple[int, int, int] = (0, 0, 0),
    focus: tuple[float, float] = (0.5, 0.5),
) -> View:
    """The view that shows a frame of ``coded`` size in ``width`` x ``height``.

    One of them alone keeps the display aspect; neither gives the display size; both obey ``fit``:
    ``stretch`` distorts, ``contain`` shows all of the frame on a background, ``cover`` fills the
    box and crops what hangs over, ``smart`` does so around ``focus`` instead of the middle: x and y
    in fractions of the upright display picture, moved as little as keeps the crop within it. With
    ``align`` 2 a picture that does not fill its box gets even size and place, so that it sits on
    the chroma grid of a 4:2:0 canvas.

    ``crop`` is what of the frame is meant to be seen, before pixel shape and orientation. The part
    of it outside of the frame does not count (:meth:`Crop.fitted`); who knows that a frame has
    another size than the one the crop was meant for passes none.
    """
    whole = Crop(0.0, 0.0, float(coded.width), float(coded.height))
    part = whole if crop is None else crop.fitted(coded)
    window = None if part == whole else part
    left, top, full_w, full_h = part
    shown = display_size(coded, sar, orientation, window)
    if width is None and height is None:
        size = shown
    elif height is None:
        assert width is not None
        size = Size(width, max(1, round(width * shown.height / shown.width)))
    elif width is None:
        size = Size(max(1, round(height * shown.width / shown.height)), height)
    else:
        size = Size(width, height)
    both = width is not None and height is not None

    inner = size
    crop_w, crop_h = float(shown.width), float(shown.height)
    away = (0.0, 0.0)  # of the crop's centre from the picture's, as displayed, in its sides
    if both and fit == "contain":
        scale = min(Fraction(size.width, shown.width), Fraction(size.height, shown.height))
        inner = Size(
            _fitted(shown.width * scale, size.width, align),
            _fitted(shown.height * scale, size.height, align),
        )
    elif both and fit in ("cover", "smart"):
        scale = max(Fraction(size.width, shown.width), Fraction(size.height, shown.height))
        crop_w = min(crop_w, float(size.width / scale))
        crop_h = min(crop_h, float(size.height / scale))
        if fit == "smart":
            away = (_away(focus[0], crop_w / shown.width), _away(focus[1], crop_h / shown.height))

    # Back from the upright display picture to coded samples: turn back, then undo pixel shape.
    if orientation.swaps_sides:
        crop_w, crop_h = crop_h, crop_w
        scaled = Size(inner.height, inner.width)
        shown = Size(shown.height, shown.width)
    else:
        scaled = inner
    crop_w *= full_w / shown.width
    crop_h *= full_h / shown.height
    right, down = _turned_back(away, orientation)
    crop_x = left + (full_w - crop_w) / 2 + right * full_w
    crop_y = top + (full_h - crop_h) / 2 + down * full_h
    return View(
        coded=coded,
        crop=(crop_x, crop_y, crop_w, crop_h),
        scaled=scaled,
        orientation=orientation,
        size=size,
        x=(size.width - inner.width) // 2 // align * align,
        y=(size.height - inner.height) // 2 // align * align,
        window=window,
        background=background,
    )


def _away(centre: float, share: float) -> float:
    """How far a window of ``share`` of a side goes from the middle towards ``centre``, at most to
    the edge."""
    room = (1 - share) / 2
    return min(max(centre - 0.5, -room), room)


def _turned_back(step: tuple[float, float], orientation: Orientation) -> tuple[float, float]:
    """A step to the right and down in the upright picture, as one in the coded frame."""
    x, y = step
    if orientation.rotation == 90:
        x, y = y, -x
    elif orientation.rotation == 180:
        x, y = -x, -y
    elif orientation.rotation == 270:
        x, y = -y, x
    return (-x if orientation.mirror else x), y


def _fitted(side: Fraction, box: int, align: int) -> int:
    """A side rounded to the grid, unless it fills the box."""
    whole = round(side)
    if whole >= box:
        return box
    return min(box, max(align, round(side / align) * align))


def orientation_of_matrix(matrix: tuple[int, ...]) -> Orientation:
    """The nearest of the eight orientations to a display matrix.

    ``matrix`` is the 3x3 matrix of an ISO BMFF track header (ISO/IEC 14496-12, 8.3.2) or of
    FFmpeg's ``AV_FRAME_DATA_DISPLAYMATRIX``: row-major, a b u c d v x y w, with
    x' = a x + c y and y' = b x + d y, y pointing down. Unusable matrices give upright.
    """
    a, b, _, c, d = matrix[:5]
    if a * d == b * c:
        return UPRIGHT
    mirror = a * d - b * c < 0
    if mirror:
        # Undo "x -> -x first": what remains is a pure turn.
        a, b = -a, -b
    if abs(a) >= abs(b):
        rotation = 0 if a > 0 else 180
    else:
        rotation = 90 if b > 0 else 270
    return Orientation(rotation=rotation, mirror=mirror)
