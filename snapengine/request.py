"""What a call asks for, apart from the times: checked before any I/O."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Final, Literal, get_args

from .errors import InvalidOption, InvalidTime, LayoutTooLarge
from .imaging.color_names import parse_color
from .model.frame import U8
from .model.geometry import Fit, Size, check_fit, check_side
from .model.time import Percent, parse_time

#: What to do about a picture whose frame cannot be had whole.
OnMissing = Literal["nearest", "blank", "fail"]
ON_MISSING: Final[tuple[str, ...]] = get_args(OnMissing)

#: Which cover is wanted: see :meth:`snapengine.engine.Video.covers`.
Choice = Literal["smart", "head"] | Percent | Callable[[U8], float]
#: More covers than this are no choice any more; there are no more candidates either.
MAX_COVERS: Final = 50

#: Largest picture that will be made, in pixels.
MAX_PICTURE_PIXELS: Final = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """How pictures are to look. ``box``: width and height as asked for; ``background``: RGB."""

    box: tuple[int | None, int | None] = (None, None)
    fit: Fit = "contain"
    background: tuple[int, int, int] = (0, 0, 0)
    deinterlace: bool = True
    tone_map: bool = True


def check_picture_options(
    *,
    width: object = None,
    height: object = None,
    fit: object = "contain",
    color: object = "black",
    deinterlace: object = True,
    tone_map: object = True,
) -> PictureOptions:
    """Raises ``InvalidGeometry``, ``LayoutTooLarge``, ``InvalidOption``."""
    return PictureOptions(
        box=(
            None if width is None else check_side("width", width),
            None if height is None else check_side("height", height),
        ),
        fit=check_fit(fit),
        background=parse_color(color),
        deinterlace=_check_flag("deinterlace", deinterlace),
        tone_map=_check_flag("tone_map", tone_map),
    )


def _check_flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption(f"{name} must be True or False, not {value!r}")
    return value


def check_on_missing(policy: object) -> OnMissing:
    """One of :data:`ON_MISSING`, or :class:`InvalidOption`."""
    if policy not in ON_MISSING:
        raise InvalidOption(f"on_missing must be one of {', '.join(ON_MISSING)}, not {policy!r}")
    return policy  # type: ignore[return-value]


def check_choice(choose: object) -> Choice:
    """How covers are chosen: "smart", "head", a percentage, a callable; else ``InvalidOption``."""
    if callable(choose):
        return choose
    if choose == "smart":
        return "smart"
    if choose == "head":
        return "head"
    if isinstance(choose, str):
        with contextlib.suppress(InvalidTime):
            parsed = parse_time(choose)
            if isinstance(parsed, Percent):
                return parsed
    raise InvalidOption(
        f"choose must be 'smart', 'head', a percentage such as '25%' or a callable, not {choose!r}"
    )


def check_count(count: object) -> int:
    """How many covers: 1 to :data:`MAX_COVERS`."""
    if isinstance(count, bool) or not isinstance(count, Integral):
        raise InvalidOption(f"count must be a whole number, not {count!r}")
    if not 1 <= int(count) <= MAX_COVERS:
        raise InvalidOption(f"count must be 1 to {MAX_COVERS} covers, not {count}")
    return int(count)


def check_pixels(size: Size) -> None:
    """Refuse pictures that are too large, also where one side follows from the other."""
    if size.width * size.height > MAX_PICTURE_PIXELS:
        raise LayoutTooLarge(
            f"{size.width}x{size.height} is more than {MAX_PICTURE_PIXELS} pixels",
            limit="pixels", allowed=MAX_PICTURE_PIXELS, seen=size.width * size.height,
        )  # fmt: skip
