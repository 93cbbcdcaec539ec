"""Colours of a sheet's gaps and empty cells: a keyword in any case, ``#RRGGBB`` or "random"."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from .fields import InvalidField

__all__ = ["COLOR_NAMES", "RANDOM", "check_color", "settle_color"]

#: The keyword for any colour at all.
RANDOM: Final = "random"
_HEX: Final = re.compile(r"#[0-9a-f]{6}", re.ASCII)

#: The keywords of CSS Color 4, section 6.1, which FFmpeg and the vendors' engines know as well.
_NAMES: Final = """
    aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet
    brown burlywood cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson cyan
    darkblue darkcyan darkgoldenrod darkgray darkgreen darkgrey darkkhaki darkmagenta darkolivegreen
    darkorange darkorchid darkred darksalmon darkseagreen darkslateblue darkslategray darkslategrey
    darkturquoise darkviolet deeppink deepskyblue dimgray dimgrey dodgerblue firebrick floralwhite
    forestgreen fuchsia gainsboro ghostwhite gold goldenrod gray green greenyellow grey honeydew
    hotpink indianred indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon lightblue
    lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon
    lightseagreen lightskyblue lightslategray lightslategrey lightsteelblue lightyellow lime
    limegreen linen magenta maroon mediumaquamarine mediumblue mediumorchid mediumpurple
    mediumseagreen mediumslateblue mediumspringgreen mediumturquoise mediumvioletred midnightblue
    mintcream mistyrose moccasin navajowhite navy oldlace olive olivedrab orange orangered orchid
    palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru pink plum
    powderblue purple rebeccapurple red rosybrown royalblue saddlebrown salmon sandybrown seagreen
    seashell sienna silver skyblue slateblue slategray slategrey snow springgreen steelblue tan teal
    thistle tomato turquoise violet wheat white whitesmoke yellow yellowgreen
"""
COLOR_NAMES: Final = frozenset(_NAMES.split())


def check_color(field: str, value: object) -> str:
    """The colour in lower case; :class:`InvalidField` for anything that is none."""
    if isinstance(value, str):
        color = value.strip().lower()
        if color in COLOR_NAMES or color == RANDOM or _HEX.fullmatch(color):
            return color
    raise InvalidField.of(field, value, "must be a colour keyword, #RRGGBB or random")


def settle_color(color: str, seed: str) -> str:
    """What to paint for a checked colour; ``random`` becomes one that ``seed`` decides.

    Seeded by the job, a sheet that is made again after a crash looks as it did.
    """
    if color != RANDOM:
        return color
    return f"#{hashlib.sha256(seed.encode()).hexdigest()[:6]}"
