"""Drawn scenes for the cover set: pictures a person would accept as a cover.

Each drawing is 1280x720 with soft texture, so that neither a pan nor a zoom shows flat areas.
``DRAWINGS`` tells for each name whether it belongs to the held-out part.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

__all__ = ["DRAWINGS"]

_W, _H = 1280, 720
_Colour = tuple[int, int, int]


def _clouds(seed: int, cells: int) -> npt.NDArray[np.float32]:
    """Smooth noise in -1..1, four octaves, the coarsest with so many cells across."""
    dice = np.random.default_rng(seed)
    total = np.zeros((_H, _W), np.float32)
    for octave in range(4):
        across = cells << octave
        grid = dice.random((max(2, across * 9 // 16), across)).astype(np.float32)
        image = Image.fromarray(grid).resize((_W, _H), Image.Resampling.BICUBIC)
        total += (np.asarray(image) * 2 - 1) * 0.5**octave
    return total / 1.9


def _gradient(top: _Colour, bottom: _Colour) -> Image.Image:
    ramp = np.linspace(0, 1, _H, dtype=np.float32)[:, None, None]
    colours = np.array(top, np.float32) * (1 - ramp) + np.array(bottom, np.float32) * ramp
    return Image.fromarray(np.broadcast_to(colours, (_H, _W, 3)).astype(np.uint8))


def _textured(image: Image.Image, seed: int, strength: float) -> Image.Image:
    """Coarse and fine noise over everything: paper, leaves, sand."""
    dice = np.random.default_rng(seed)
    fine = np.asarray(
        Image.fromarray(dice.random((_H // 2, _W // 2)).astype(np.float32)).resize(
            (_W, _H), Image.Resampling.BILINEAR
        )
    )
    noise = strength * (_clouds(seed, 24) + 1.2 * (fine - 0.5))
    samples = np.asarray(image).astype(np.float32) + noise[:, :, None]
    return Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))


def _add_clouds(image: Image.Image, seed: int, colour: _Colour, until: int) -> Image.Image:
    cover = np.clip((_clouds(seed, 5) - 0.05) * 3, 0, 0.85)
    cover *= np.clip((until - np.arange(_H)) / 120, 0, 1)[:, None]
    base = np.asarray(image).astype(np.float32)
    mixed = base * (1 - cover[:, :, None]) + np.array(colour, np.float32) * cover[:, :, None]
    return Image.fromarray(mixed.astype(np.uint8))


def _ridge(seed: int, level: float, height: float, rough: float) -> list[tuple[float, float]]:
    dice = np.random.default_rng(seed)
    phases, x = dice.random(7) * 7, np.arange(0, _W + 8, 8)
    y = sum(np.sin(x / _W * math.tau * rough * 1.7**k + phases[k]) / 1.6**k for k in range(7))
    points = [(float(a), float(level - height * b / 2)) for a, b in zip(x, y, strict=True)]
    return [(0, _H), *points, (_W, _H)]


def _mountains() -> Image.Image:
    image = _add_clouds(_gradient((70, 120, 200), (250, 220, 190)), 3, (255, 245, 235), 330)
    draw = ImageDraw.Draw(image)
    draw.ellipse((900, 90, 1010, 200), fill=(255, 240, 180))
    for number, colour in enumerate(
        [(150, 160, 190), (105, 120, 150), (70, 95, 105), (50, 85, 60)]
    ):
        draw.polygon(_ridge(number, 300 + 90 * number, 150 - 25 * number, 1.5), fill=colour)
    dice = np.random.default_rng(5)
    for _ in range(60):
        x, y = dice.integers(0, _W), dice.integers(560, 730)
        tall = int((y - 480) * 0.55)
        for part in range(3):
            wide, top = tall * (0.2 + 0.1 * part), y - tall * (1 - 0.27 * part)
            shade = int(dice.integers(35, 75))
            draw.polygon(
                [(x, top), (x - wide, top + tall * 0.45), (x + wide, top + tall * 0.45)],
                fill=(shade // 2, shade + 15, shade // 2),
            )
    return _textured(image, 6, 22)


def _city() -> Image.Image:
    image = _add_clouds(_gradient((35, 40, 95), (245, 150, 95)), 8, (150, 90, 110), 420)
    draw, dice = ImageDraw.Draw(image), np.random.default_rng(9)
    draw.ellipse((180, 70, 270, 160), fill=(250, 245, 220))
    for row, (base, shade) in enumerate([(90, 75), (70, 52), (50, 30)]):
        x = -20
        while x < _W:
            wide, tall = int(dice.integers(60, 130)), int(dice.integers(160, 430) - row * 60)
            top = 640 - tall + row * 40
            draw.rectangle((x, top, x + wide, _H), fill=(shade, shade + 5, base))
            for wy in range(top + 14, 700, 22):
                for wx in range(x + 10, x + wide - 12, 18):
                    lit = dice.random() < 0.45
                    colour = (255, 215, 130) if lit else (shade + 25, shade + 30, base + 30)
                    draw.rectangle((wx, wy, wx + 8, wy + 11), fill=colour)
            x += wide + int(dice.integers(0, 16))
    return _textured(image, 10, 16)


def _sea() -> Image.Image:
    image = _add_clouds(_gradient((80, 160, 225), (215, 235, 245)), 12, (255, 255, 255), 350)
    samples = np.asarray(image).astype(np.float32)
    rows = np.arange(_H, dtype=np.float32)[:, None]
    depth = np.clip((rows - 380) / 340, 0, 1)
    waves = np.sin(rows**1.4 / 9 + 6 * _clouds(13, 12)) * (8 + 22 * depth)
    water = np.stack(
        [30 + 20 * depth + waves, 120 - 25 * depth + waves, 150 + waves + 0 * depth], 2
    )
    samples = np.where(rows[:, :, None] > 380, np.broadcast_to(water, samples.shape), samples)
    image = Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.polygon([(520, 430), (800, 430), (750, 490), (570, 490)], fill=(140, 55, 40))
    draw.rectangle((650, 170, 658, 430), fill=(90, 65, 45))
    draw.polygon([(662, 180), (790, 410), (662, 410)], fill=(250, 245, 235))
    draw.polygon([(646, 200), (560, 410), (646, 410)], fill=(225, 90, 60))
    for x, y in [(200, 140), (260, 180), (330, 120), (980, 160), (1050, 210)]:
        draw.arc((x, y, x + 34, y + 20), 190, 350, fill=(50, 60, 70), width=4)
        draw.arc((x + 32, y, x + 66, y + 20), 190, 350, fill=(50, 60, 70), width=4)
    return _textured(image, 14, 14)


def _balloons() -> Image.Image:
    image = _add_clouds(_gradient((60, 130, 220), (200, 225, 250)), 17, (255, 255, 255), 600)
    draw = ImageDraw.Draw(image)
    draw.polygon(_ridge(18, 640, 60, 1.0), fill=(110, 150, 70))
    palette = [(220, 60, 50), (250, 190, 40), (60, 150, 90), (240, 240, 235), (120, 60, 150)]
    for number, (x, y, r) in enumerate(
        [(250, 240, 130), (620, 180, 90), (930, 300, 150), (480, 450, 70), (1150, 140, 60)]
    ):
        for stripe in range(6):
            wide = r * math.cos(math.pi * stripe / 11)
            colour = palette[(number + stripe) % 5]
            draw.ellipse((x - wide, y - r, x + wide, y + r), fill=colour)
        draw.polygon([(x - r * 0.5, y + r * 0.85), (x + r * 0.5, y + r * 0.85),
                      (x + r * 0.15, y + r * 1.35), (x - r * 0.15, y + r * 1.35)],
                     fill=palette[number])  # fmt: skip
        draw.rectangle((x - r * 0.16, y + r * 1.45, x + r * 0.16, y + r * 1.7), fill=(110, 75, 40))
    return _textured(image, 19, 16)


def _street() -> Image.Image:
    image = _add_clouds(_gradient((120, 175, 230), (225, 235, 240)), 23, (255, 255, 255), 330)
    draw, dice = ImageDraw.Draw(image), np.random.default_rng(24)
    walls = [(205, 120, 90), (235, 215, 170), (150, 175, 160), (200, 160, 180), (170, 150, 120)]
    for number in range(5):
        x, top = number * 256, 190 + int(dice.integers(0, 80))
        draw.rectangle((x + 8, top, x + 248, 600), fill=walls[number])
        draw.polygon([(x, top), (x + 128, top - 100), (x + 256, top)], fill=(120, 60, 50))
        for wx in (x + 40, x + 155):
            for wy in (top + 40, top + 150):
                draw.rectangle((wx, wy, wx + 60, wy + 75), fill=(245, 245, 240))
                draw.rectangle((wx + 5, wy + 5, wx + 55, wy + 70), fill=(80, 110, 140))
        draw.rectangle((x + 105, 500, x + 150, 600), fill=(90, 50 + 20 * number, 40))
    draw.rectangle((0, 600, _W, _H), fill=(95, 95, 100))
    draw.rectangle((0, 600, _W, 622), fill=(175, 170, 160))
    for x in range(30, _W, 150):
        draw.rectangle((x, 668, x + 80, 676), fill=(235, 235, 225))
    draw.rounded_rectangle((420, 575, 720, 665), 30, fill=(200, 40, 45))
    draw.rounded_rectangle((480, 525, 660, 600), 30, fill=(170, 30, 40))
    draw.rectangle((500, 540, 565, 580), fill=(190, 220, 235))
    draw.rectangle((575, 540, 640, 580), fill=(190, 220, 235))
    for x in (470, 670):
        draw.ellipse((x - 32, 635, x + 32, 699), fill=(30, 30, 35))
    draw.rectangle((1010, 380, 1035, 610), fill=(95, 70, 45))
    for _ in range(140):
        x, y = dice.normal(1022, 55), dice.normal(330, 50)
        draw.ellipse((x - 16, y - 12, x + 16, y + 12), fill=(50, int(dice.integers(95, 160)), 45))
    return _textured(image, 25, 16)


def _desert() -> Image.Image:
    image = _gradient((230, 120, 70), (255, 215, 140))
    draw, dice = ImageDraw.Draw(image), np.random.default_rng(31)
    draw.ellipse((300, 180, 440, 320), fill=(255, 250, 215))
    for number, colour in enumerate([(190, 110, 90), (215, 150, 90), (230, 175, 105)]):
        draw.polygon(_ridge(32 + number, 400 + 100 * number, 90, 0.8), fill=colour)
    for x, y, tall in [(850, 640, 300), (1080, 590, 200), (180, 660, 220)]:
        thick = tall / 7
        for left, top, low in [(0, 0.0, 1.0), (-2.2, 0.3, 0.6), (2.2, 0.2, 0.5)]:
            at = x + left * thick
            draw.rounded_rectangle(
                (at - thick / 2, y - tall * (1 - top), at + thick / 2, y - tall * (1 - low)),
                thick / 2, fill=(45, 110, 60))  # fmt: skip
        draw.rectangle((x - 2.2 * thick, y - tall * 0.48, x + 2.2 * thick, y - tall * 0.4),
                       fill=(45, 110, 60))  # fmt: skip
    for _ in range(40):
        x, y, r = dice.integers(0, _W), dice.integers(600, 720), dice.integers(6, 26)
        shade = int(dice.integers(90, 150))
        draw.ellipse((x - r, y - r * 0.6, x + r, y + r * 0.6), fill=(shade, shade - 30, shade - 50))
    return _textured(image, 35, 20)


def _reef() -> Image.Image:
    image = _gradient((40, 160, 200), (10, 50, 95))
    draw, dice = ImageDraw.Draw(image), np.random.default_rng(41)
    for x in range(-200, _W, 170):
        draw.polygon([(x, 0), (x + 60, 0), (x + 330, _H), (x + 180, _H)], fill=(45, 140, 180))
    draw.polygon(_ridge(42, 630, 70, 1.2), fill=(190, 170, 120))
    corals = [(230, 90, 110), (240, 150, 60), (170, 90, 190), (240, 210, 90)]
    for number in range(12):
        x, colour = int(dice.integers(30, _W - 30)), corals[number % 4]
        for _ in range(14):
            y, r = dice.normal(600, 45), dice.integers(12, 30)
            at = x + dice.normal(0, 32)
            draw.ellipse((at - r, y - r, at + r, y + r), fill=colour)
    fishes = [(250, 200, 40), (240, 110, 50), (90, 220, 210), (245, 245, 245), (230, 80, 140)]
    for number in range(14):
        x, y, r = dice.integers(80, 1200), dice.integers(80, 520), dice.integers(26, 66)
        colour = fishes[number % 5]
        draw.ellipse((x - r, y - r * 0.5, x + r, y + r * 0.5), fill=colour)
        draw.polygon([(x - r * 0.8, y), (x - r * 1.5, y - r * 0.5), (x - r * 1.5, y + r * 0.5)],
                     fill=colour)  # fmt: skip
        draw.ellipse((x + r * 0.5, y - r * 0.2, x + r * 0.68, y), fill=(20, 20, 25))
        draw.rectangle((x - r * 0.2, y - r * 0.45, x, y + r * 0.45), fill=(40, 60, 90))
    return _textured(image, 43, 16)


def _portrait() -> Image.Image:
    image = Image.new("RGB", (_W, _H), (205, 190, 160))
    draw = ImageDraw.Draw(image)
    for x in range(0, _W, 80):
        draw.rectangle((x, 0, x + 30, _H), fill=(190, 165, 130))
    draw.rectangle((60, 90, 370, 330), fill=(110, 70, 40))
    draw.rectangle((80, 110, 350, 310), fill=(90, 150, 190))
    draw.polygon([(80, 310), (180, 180), (260, 260), (310, 220), (350, 310)], fill=(60, 110, 70))
    draw.rectangle((930, 250, 1250, 270), fill=(100, 65, 40))
    for number in range(11):
        colour = [(170, 50, 50), (50, 90, 130), (60, 110, 70), (200, 150, 60)][number % 4]
        draw.rectangle((945 + 27 * number, 140 + number % 3 * 14, 968 + 27 * number, 250),
                       fill=colour)  # fmt: skip
    draw.polygon([(330, 720), (430, 540), (850, 540), (950, 720)], fill=(60, 90, 140))
    draw.rectangle((580, 470, 700, 580), fill=(215, 160, 125))
    draw.ellipse((450, 110, 830, 500), fill=(75, 45, 30))
    draw.ellipse((480, 150, 800, 540), fill=(232, 182, 148))
    draw.pieslice((465, 110, 815, 400), 180, 360, fill=(75, 45, 30))
    for x in (560, 720):
        draw.ellipse((x - 38, 300, x + 38, 350), fill=(250, 250, 250))
        draw.ellipse((x - 18, 305, x + 18, 345), fill=(70, 100, 60))
        draw.ellipse((x - 8, 316, x + 8, 334), fill=(15, 15, 15))
        draw.arc((x - 45, 262, x + 45, 320), 200, 340, fill=(70, 40, 30), width=9)
    draw.polygon([(640, 330), (618, 410), (655, 412)], fill=(205, 150, 115))
    draw.chord((575, 410, 705, 485), 10, 170, fill=(175, 60, 65))
    return _textured(image, 53, 14)


def _kept(draw: Callable[[], Image.Image]) -> Callable[[], Image.Image]:
    return functools.cache(draw)


DRAWINGS: dict[str, tuple[bool, Callable[[], Image.Image]]] = {
    "mountains": (False, _kept(_mountains)),
    "city": (False, _kept(_city)),
    "sea": (False, _kept(_sea)),
    "balloons": (False, _kept(_balloons)),
    "street": (True, _kept(_street)),
    "desert": (True, _kept(_desert)),
    "reef": (True, _kept(_reef)),
    "portrait": (True, _kept(_portrait)),
}
"""Name: (is it of the held-out part, the function that draws it)."""
