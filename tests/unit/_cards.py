"""Drawn pictures that are no covers: credits, bars, charts, countdowns, logos, snow."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tests.unit._scenes import BLACK, HEIGHT, WHITE, WIDTH, Color, flat

CREDITS = (
    "Directed by", "Anna Maria Larsson", "", "Written by", "John K. Petersen", "",
    "Director of Photography", "Wei Zhang", "", "Edited by", "Miguel Alvarez Costa",
)  # fmt: skip
SLIDE = (
    "Quarterly results", "- Revenue grew by 12 percent", "- Costs were down slightly",
    "- New markets: Japan, Brazil", "- Outlook remains positive",
)  # fmt: skip


def bars(level: int) -> Image.Image:
    """White, yellow, cyan, green, magenta, red, blue, black."""
    a = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for i in range(8):
        on = [not i & 2, not i & 4, not i & 1]
        a[:, i * 80 : (i + 1) * 80] = [level * v for v in on]
    return Image.fromarray(a)


def chart(ground: Color, line: Color, cells: int) -> Image.Image:
    """A grid, a circle, a wedge and a name."""
    image = flat(ground)
    draw, step = ImageDraw.Draw(image), WIDTH // cells
    for x in range(step // 2, WIDTH, step):
        draw.line((x, 0, x, HEIGHT), fill=line, width=2)
    for y in range(10, HEIGHT, step):
        draw.line((0, y, WIDTH, y), fill=line, width=2)
    draw.ellipse((160, 20, 480, 340), outline=line, width=3)
    for i in range(8):
        draw.rectangle((200 + i * 30, 190, 230 + i * 30, 230), fill=(i * 36,) * 3)
    draw.rectangle((250, 240, 390, 275), fill=BLACK)
    draw.text((270, 245), "TEST 01", fill=WHITE, font=ImageFont.load_default(24))
    return image


def leader(number: int, ground: Color, line: Color) -> Image.Image:
    """A film's countdown."""
    image = flat(ground)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(170)
    sweep = tuple(int(v * 0.8) for v in ground)
    draw.pieslice((-200, -340, WIDTH + 200, HEIGHT + 340), -90, 80 * number - 90, fill=sweep)
    draw.line((0, HEIGHT / 2, WIDTH, HEIGHT / 2), fill=line, width=3)
    draw.line((WIDTH / 2, 0, WIDTH / 2, HEIGHT), fill=line, width=3)
    for r in (120, 150):
        draw.ellipse(
            (WIDTH / 2 - r, HEIGHT / 2 - r, WIDTH / 2 + r, HEIGHT / 2 + r), outline=line, width=4
        )
    text = str(number)
    draw.text((WIDTH / 2 - draw.textlength(text, font=font) / 2, 75), text, fill=line, font=font)
    return image


def wedge() -> Image.Image:
    """Steps of grey."""
    row = np.repeat(np.linspace(0, 255, 10).astype(np.uint8), WIDTH // 10)
    return Image.fromarray(np.repeat(row[None], HEIGHT, axis=0)).convert("RGB")


def logo(x: int, y: int, size: int) -> Image.Image:
    """A channel's sign on black."""
    image = flat(BLACK)
    draw = ImageDraw.Draw(image)
    draw.ellipse((x, y, x + size, y + size), fill=(200, 30, 40))
    third = size // 3
    draw.rectangle((x + third, y + third, x + 2 * third, y + 2 * third), fill=WHITE)
    return image


def static(sigma: float, grain: int) -> Image.Image:
    """TV snow of grains so large (samples of the drawn picture)."""
    rng = np.random.default_rng(9)
    a = np.clip(rng.normal(115, sigma, (HEIGHT // grain, WIDTH // grain)), 0, 255).astype(np.uint8)
    return Image.fromarray(a).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).convert("RGB")
