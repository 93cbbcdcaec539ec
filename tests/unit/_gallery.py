"""Every drawn picture by name: those to keep, and those to reject by the kind of defect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from PIL import Image

from tests.unit import _cards as cards
from tests.unit import _scenes as draw
from tests.unit._scenes import BLACK, WHITE, Color

Maker = Callable[[], Image.Image]


def card(
    lines: Sequence[str], size: int, color: Color, ground: Color = BLACK, top: float | None = None
) -> Image.Image:
    return draw.written(draw.flat(ground), lines, size, color, top)


def faded(level: int, gain: float) -> Image.Image:
    return draw.leveled(draw.village(2), gain, level * (1 - gain))


def phone() -> Image.Image:
    return draw.boxed(draw.village(60).crop((220, 0, 420, 360)), (220, 0, 200, 360))


def subtitled() -> Image.Image:
    lines = ["Where have you been all night?", "- I told you."]
    return draw.written(draw.village(10), lines, 24, WHITE, top=285)


def second_part() -> Image.Image:
    ground = draw.gradient((10, 20, 60), (60, 120, 200))
    return draw.written(ground, ["Part II", "A new beginning"], 40, WHITE)


GOOD: dict[str, Maker] = {
    **{f"village {n}": partial(draw.village, n) for n in (1, 2, 3)},
    "grey film": partial(draw.village, 4, 0),
    "grey film with grain": lambda: draw.noisy(draw.village(4, 0), 12),
    **{f"night {n}": partial(draw.night, n) for n in (1, 2, 3)},
    **{f"snow {n}": partial(draw.snow, n) for n in (1, 2)},
    "fog": partial(draw.fog, 20),
    **{f"cartoon {n}": partial(draw.cartoon, n) for n in (1, 2, 3)},
    "balloon": draw.balloon,
    "portrait, dark hair": draw.portrait,
    "portrait, fair hair": partial(draw.portrait, hair=(190, 160, 110)),
    "portrait on grey": partial(draw.portrait, (238, 240, 243)),
    "sunset over the sea": draw.sea,
    "facade": draw.facade,
    **{f"shirt {n}": partial(draw.shirt, n) for n in (10, 16, 24)},
    "leaves": partial(draw.leaves, 5),
    **{f"grass {n}": partial(draw.grass, n) for n in (18, 50)},
    "document in a scene": draw.document,
    "subtitled": subtitled,
    "letterboxed": lambda: draw.boxed(draw.village(61), (0, 50, 640, 260)),
    "phone video": phone,
    "bars all around": lambda: draw.boxed(draw.village(62), (80, 80, 480, 200)),
}
GREY, LIGHT = (110, 110, 110), (230, 230, 230)
BAD: dict[str, list[tuple[str, Maker]]] = {
    "black": [
        ("black", partial(draw.flat, BLACK)),
        ("black of video, with noise", lambda: draw.noisy(draw.flat((16, 16, 16)), 4)),
        ("nearly black", lambda: draw.leveled(draw.village(1), 0.1, 0)),
        ("letterbox, empty", lambda: draw.boxed(draw.flat((18, 18, 20)), (0, 60, 640, 240))),
    ],
    "white": [
        ("white", partial(draw.flat, WHITE)),
        ("nearly white", lambda: draw.leveled(draw.village(1), 0.08, 235)),
    ],
    "flat": [
        ("grey", lambda: draw.noisy(draw.flat((128, 128, 128)), 2)),
        ("red", lambda: draw.noisy(draw.flat((200, 40, 40)), 2)),
        ("light grey", lambda: draw.noisy(draw.flat((210, 210, 210)), 2)),
        ("gradient", partial(draw.gradient, (10, 20, 90), (120, 160, 240))),
        ("letterbox, grey", lambda: draw.boxed(draw.flat((60, 60, 62)), (0, 60, 640, 240))),
    ],
    "faded": [
        (f"{gain} of the way from {level}", partial(faded, level, gain))
        for level in (0, 128, 255)
        for gain in (0.15, 0.2)
    ],
    "overexposed": [
        ("flash", lambda: draw.leveled(draw.village(3), 1.5, 120)),
        ("burnt", lambda: draw.leveled(draw.village(3), 3, 40)),
    ],
    "blurred": [
        *((f"by {s}", lambda s=s: draw.blurred(draw.village(4), s)) for s in (4, 6, 10, 16)),
        ("cartoon", lambda: draw.blurred(draw.cartoon(4), 6)),
        ("noisy", lambda: draw.noisy(draw.blurred(draw.village(4), 12), 2)),
        ("whip pan", lambda: draw.smeared(draw.village(4), 50, 1)),
        ("tilt", lambda: draw.smeared(draw.village(4), 50, 0)),
    ],
    "bars_only": [
        ("logo above", lambda: draw.noisy(cards.logo(560, 20, 40), 1)),
        ("logo in the middle", lambda: draw.noisy(cards.logo(290, 150, 60), 1)),
        ("logo below", lambda: draw.noisy(cards.logo(20, 300, 50), 1)),
    ],
    "test_card": [
        ("bars of 75 %", partial(cards.bars, 191)),
        ("bars of 100 %", partial(cards.bars, 255)),
        ("noisy bars", lambda: draw.noisy(cards.bars(191), 3)),
        ("bars with a name", lambda: draw.written(cards.bars(191), ["CHANNEL 7"], 40, WHITE)),
        ("grey chart", partial(cards.chart, (128, 128, 128), WHITE, 16)),
        ("blue chart", partial(cards.chart, (30, 60, 120), WHITE, 24)),
        ("black chart", partial(cards.chart, BLACK, WHITE, 16)),
        ("wedge", cards.wedge),
        ("leader 3", partial(cards.leader, 3, GREY, (20, 20, 20))),
        ("leader 2", partial(cards.leader, 2, (30, 30, 30), (220, 220, 220))),
    ],
    "text_only": [
        *(
            (f"credits of {s}", partial(card, cards.CREDITS[: 300 // s], s, LIGHT))
            for s in (14, 24)
        ),
        ("rolling credits", partial(card, cards.CREDITS * 2, 20, LIGHT, top=-17)),
        ("title", partial(card, ["CHAPTER ONE"], 64, WHITE, (20, 30, 90))),
        ("dark title", partial(card, ["THE END"], 80, (20, 20, 20), (240, 240, 240))),
        ("small title", partial(card, ["Three years later"], 30, (230, 200, 60), (90, 90, 90))),
        ("on a gradient", second_part),
        ("slide", partial(card, cards.SLIDE, 26, (30, 30, 30), WHITE)),
        ("figure", partial(card, ["4"], 240, LIGHT, (25, 25, 25))),
    ],
    "noise": [
        ("snow", partial(cards.static, 60, 1)),
        ("coarse snow", partial(cards.static, 60, 2)),
        ("faint snow", partial(cards.static, 25, 1)),
    ],
}


@cache
def good(name: str) -> Image.Image:
    """One of ``GOOD``, drawn once."""
    return GOOD[name]()
