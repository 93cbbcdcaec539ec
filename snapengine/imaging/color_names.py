"""Colours by name, for backgrounds, padding and margin."""

from __future__ import annotations

from ..errors import InvalidOption

__all__ = ["parse_color"]


def parse_color(value: object) -> tuple[int, int, int]:
    """Full-range sRGB (r, g, b), each 0 to 255, of a colour as callers write it.

    A CSS name ("black"), "#rgb", "#rrggbb", "rgb(r, g, b)", "rgb(r%, g%, b%)", "hsl(...)",
    "hsv(...)", or a sequence of three integers. A picture has no transparency, so a colour with an
    alpha that is not opaque is refused. Raises :class:`InvalidOption` with the value.

    Source: Pillow's ``ImageColor``, which follows CSS3.
    """
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, tuple | list) and len(value) == 3:
        r, g, b = value
        if _is_sample(r) and _is_sample(g) and _is_sample(b):
            return r, g, b
    raise _invalid(value)


def _parse_text(text: str) -> tuple[int, int, int]:
    from PIL import ImageColor  # at the first colour, not at import

    try:
        color = ImageColor.getrgb(text.strip())
    except ValueError as error:
        raise _invalid(text) from error
    if len(color) == 4 and color[3] != 255:
        raise InvalidOption(f"color must be opaque, not {text!r}", value=text)
    r, g, b = color[:3]
    # Pillow takes "rgb(300, 0, 0)" and "hsl(0, 0%, 900%)" as they come.
    if not (_is_sample(r) and _is_sample(g) and _is_sample(b)):
        raise _invalid(text)
    return r, g, b


def _is_sample(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _invalid(value: object) -> InvalidOption:
    return InvalidOption(
        f"color must be a CSS name, #rgb, #rrggbb, rgb(r, g, b) or three numbers from 0 to 255, "
        f"not {value!r}",
        value=value,
    )
