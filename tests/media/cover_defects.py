"""What no cover should show, for the cover set: cards, credits, fades, blur, flashes, snow.

Every function gives RGB samples of shape (height, width, 3), uint8. Pictures that are degraded come
in as such an array; cards are drawn for a size and a seed. Strengths are chosen so that a person
sees the fault at once on a picture 480 pixels wide.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = [
    "BLURS", "CARDS", "blurred", "credits", "dark", "flashed", "grainy", "letterboxed", "mixed",
    "subtitled", "tinted", "torch", "whipped",
]  # fmt: skip

RGB = npt.NDArray[np.uint8]
Size = tuple[int, int]

BLURS = {"blur1": 0.010, "blur2": 0.017, "blur3": 0.034}
"""Standard deviation of a Gauss, as a share of the picture's height."""

_WORDS = (
    "Anna Bergman", "Piotr Nowak", "Lucia Ferri", "Sam Okoro", "Mei Tanaka", "Jon Hale",
    "Rosa Lind", "Ivan Petrov", "Carla Diaz", "Tom Weber", "Nora Quist", "Ali Demir",
)  # fmt: skip
_JOBS = ("Director", "Camera", "Sound", "Editor", "Music", "Producer", "Colour", "Script")


@functools.cache
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=max(8, pixels))


def _flat(size: Size, colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", size, colour)


def _centred(
    image: Image.Image, text: str, y: float, pixels: int, fill: tuple[int, int, int]
) -> None:
    draw = ImageDraw.Draw(image)
    draw.text((image.width / 2, y), text, font=_font(pixels), fill=fill, anchor="mm")


# --- pictures made worse -------------------------------------------------------------------------


def mixed(first: RGB, second: RGB, share: float) -> RGB:
    """``share`` of the second over the first."""
    return np.asarray(Image.blend(Image.fromarray(first), Image.fromarray(second), share))


def tinted(picture: RGB, level: int, share: float) -> RGB:
    """``share`` of the picture over a flat grey of this level."""
    return np.round(picture * np.float32(share) + np.float32(level * (1 - share))).astype(np.uint8)


def blurred(picture: RGB, share_of_height: float) -> RGB:
    sigma = share_of_height * picture.shape[0]
    if sigma < 0.3:
        return picture
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma)))


def whipped(picture: RGB, share_of_width: float, moved: float) -> RGB:
    """Motion blur of a fast pan: each row smeared over a share of the width, and moved."""
    width = picture.shape[1]
    length = max(3, int(width * share_of_width))
    turned = np.roll(picture, int(moved * width), axis=1).astype(np.int32)
    padded = np.pad(turned, ((0, 0), (length // 2 + 1, length - length // 2), (0, 0)), "wrap")
    sums = np.cumsum(padded, axis=1)
    return ((sums[:, length : length + width] - sums[:, :width]) // length).astype(np.uint8)


def flashed(picture: RGB, strength: float) -> RGB:
    """Overexposed: 1 leaves nearly nothing but white."""
    return np.clip(picture * (1 + strength) + 190 * strength, 0, 255).astype(np.uint8)


def dark(picture: RGB) -> RGB:
    """Seven per cent of the signal: something is there, nothing can be told."""
    return np.clip(picture * 0.07 + 2, 0, 255).astype(np.uint8)


def torch(picture: RGB, progress: float) -> RGB:
    """Dark, but for a spot of light a tenth of the height wide."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    away = np.hypot(x - width * (0.2 + 0.6 * progress), y - height * 0.55) / height
    light = 0.04 + 0.7 * np.exp(-((away / 0.06) ** 2))
    return (picture * light[:, :, None]).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def _noise(size: Size) -> list[RGB]:
    dice = np.random.default_rng(7)
    grids = dice.integers(0, 256, (4, size[1] // 2, size[0] // 2), np.uint8)
    return [
        np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.NEAREST).convert("RGB"))
        for grid in grids
    ]


def grainy(picture: RGB, number: int) -> RGB:
    """Reception nearly lost: more snow than picture."""
    height, width = picture.shape[:2]
    return mixed(picture, _noise((width, height))[number % 4], 0.62)


def subtitled(picture: RGB, seed: int) -> RGB:
    image = Image.fromarray(picture)
    lines = ("I told you we should have", "taken the other road."), ("And then?", "Nothing at all.")
    for number, line in enumerate(lines[seed % 2]):
        draw = ImageDraw.Draw(image)
        place = (image.width / 2, image.height * (0.85 + 0.075 * number))
        draw.text(place, line, font=_font(image.height // 16), fill=(255, 255, 255), anchor="mm",
                  stroke_width=2, stroke_fill=(0, 0, 0))  # fmt: skip
    return np.asarray(image)


def letterboxed(picture: RGB, share: float = 0.12) -> RGB:
    """Black bars above and below; the picture itself is cut, not squeezed."""
    out = picture.copy()
    rows = int(picture.shape[0] * share)
    out[:rows] = out[-rows:] = 0
    return out


# --- cards ---------------------------------------------------------------------------------------


def _grey(level: int) -> Callable[[Size, int, float], RGB]:
    def card(size: Size, seed: int, progress: float) -> RGB:
        return np.full((size[1], size[0], 3), level, np.uint8)

    return card


def _noisy_black(size: Size, seed: int, progress: float) -> RGB:
    return (_noise(size)[int(progress * 40) % 4] // 28).astype(np.uint8)


def _plain(size: Size, seed: int, progress: float) -> RGB:
    colour = [
        (40, 60, 150), (150, 40, 50), (30, 110, 70), (200, 160, 60),
        (25, 25, 30), (90, 50, 120), (215, 215, 205), (20, 110, 130),
    ][seed % 8]  # fmt: skip
    return np.asarray(_flat(size, colour))


def _ramp(size: Size, seed: int) -> Image.Image:
    first, last = [
        ((20, 30, 90), (90, 140, 220)), ((90, 20, 60), (240, 150, 90)),
        ((10, 60, 50), (120, 200, 150)), ((60, 60, 70), (180, 180, 190)),
    ][seed % 4]  # fmt: skip
    along = np.linspace(0, 1, size[1], dtype=np.float32)[:, None, None]
    colours = np.array(first) * (1 - along) + np.array(last) * along
    return Image.fromarray(np.broadcast_to(colours, (size[1], size[0], 3)).astype(np.uint8))


def _gradient(size: Size, seed: int, progress: float) -> RGB:
    return np.asarray(_ramp(size, seed))


def _title(size: Size, seed: int, progress: float) -> RGB:
    image = Image.fromarray(_plain(size, seed, 0).copy())
    name = ("The Long Way Home", "Chapter Two", "Winter Report", "A Small Affair")[seed % 4]
    ink = (35, 35, 40) if image.getpixel((0, 0)) == (215, 215, 205) else (245, 245, 240)
    _centred(image, name, size[1] * 0.45, size[1] // 9, ink)
    _centred(image, "a film by " + _WORDS[seed % 12], size[1] * 0.6, size[1] // 20, ink)
    return np.asarray(image)


def _title_on_ramp(size: Size, seed: int, progress: float) -> RGB:
    image = _ramp(size, seed)
    _centred(image, ("Episode 4", "Part One", "Act III", "Subscribe!")[seed % 4], size[1] * 0.42,
             size[1] // 7, (255, 255, 255))  # fmt: skip
    _centred(image, "www.example.org", size[1] * 0.66, size[1] // 18, (240, 240, 240))
    return np.asarray(image)


def _logo(size: Size, seed: int, progress: float) -> RGB:
    image = _flat(size, (0, 0, 0))
    draw, high = ImageDraw.Draw(image), size[1]
    x, y = (size[0] * 0.86, high * 0.1) if seed // 2 % 2 else (size[0] / 2, high / 2)
    r = high * 0.05
    draw.ellipse((x - r, y - r, x + r, y + r), outline=(210, 210, 215), width=max(2, high // 90))
    draw.text((x, y), "TV" if seed // 2 % 2 else "S", font=_font(high // 20), fill=(210, 60, 60),
              anchor="mm")  # fmt: skip
    return np.asarray(image)


def _leader(size: Size, seed: int, progress: float) -> RGB:
    image = _flat(size, (105, 100, 95))
    draw, (w, h) = ImageDraw.Draw(image), size
    count = 5 * progress
    box = (w / 2 - h * 0.36, h * 0.14, w / 2 + h * 0.36, h * 0.86)
    draw.pieslice(box, -90, -90 + 360 * (count % 1), fill=(75, 72, 68))
    for grow in (0.0, 0.05):
        g = grow * h
        draw.ellipse((box[0] + g, box[1] + g, box[2] - g, box[3] - g), outline=(225, 225, 220),
                     width=3)  # fmt: skip
    draw.line((0, h / 2, w, h / 2), fill=(20, 20, 20), width=2)
    draw.line((w / 2, 0, w / 2, h), fill=(20, 20, 20), width=2)
    _centred(image, str(max(1, 5 - int(count))), h / 2, h // 2, (20, 20, 20))
    return np.asarray(image)


def _columns(
    image: Image.Image, colours: Sequence[tuple[int, ...]], top: float, low: float
) -> None:
    draw, wide = ImageDraw.Draw(image), image.width / len(colours)
    for number, colour in enumerate(colours):
        box = (number * wide, image.height * top, (number + 1) * wide, image.height * low)
        draw.rectangle(box, fill=colour)


def _smpte(size: Size, seed: int, progress: float) -> RGB:
    image, full, off = _flat(size, (0, 0, 0)), 191, 0
    bars = [(full * (n >> 1 & 1), full * (n >> 2 & 1), full * (n & 1)) for n in range(7, 0, -1)]
    _columns(image, bars, 0, 0.67)
    castellation = [bars[6], (off,) * 3, bars[4], (19,) * 3, bars[2], (off,) * 3, bars[0]]
    _columns(image, castellation, 0.67, 0.75)
    low = [(0, 33, 76), (255, 255, 255), (50, 0, 106), (19, 19, 19), (9, 9, 9), (29, 29, 29)]
    _columns(image, low, 0.75, 1)
    return np.asarray(image)


def _ebu(size: Size, seed: int, progress: float) -> RGB:
    image, level = _flat(size, (0, 0, 0)), 191
    bars = [(level * (n >> 1 & 1), level * (n >> 2 & 1), level * (n & 1)) for n in range(7, -1, -1)]
    _columns(image, [(235, 235, 235), *bars[1:]], 0, 1)
    return np.asarray(image)


def _testsrc(size: Size, seed: int, progress: float) -> RGB:
    image = _flat(size, (0, 0, 0))
    w, h = size
    colours = [(255 * (n & 1), 255 * (n >> 1 & 1), 255 * (n >> 2 & 1)) for n in range(8)]
    _columns(image, colours, 0, 1)
    hues = Image.new("HSV", (w, 1))
    hues.putdata([(int(255 * x / w), 255, 255) for x in range(w)])
    image.paste(hues.convert("RGB").resize((w, h // 8)), (0, int(h * 0.6)))
    draw = ImageDraw.Draw(image)
    x = w * (0.1 + 0.6 * progress)
    draw.rectangle((x, h * 0.15, x + h * 0.16, h * 0.31), fill=(128, 128, 128))
    draw.rectangle((w * 0.62, h * 0.78, w * 0.95, h * 0.96), fill=(0, 0, 0))
    draw.text((w * 0.65, h * 0.8), f"{progress * 10:05.2f}", font=_font(h // 8), fill=(255, 160, 0))
    return np.asarray(image)


def _test_card(size: Size, seed: int, progress: float) -> RGB:
    w, h = size
    image = _flat(size, (128, 128, 128))
    draw, cell = ImageDraw.Draw(image), h / 12
    for n in range(int(w / cell) + 1):
        draw.line((n * cell, 0, n * cell, h), fill=(245, 245, 245), width=2)
    for n in range(13):
        draw.line((0, n * cell, w, n * cell), fill=(245, 245, 245), width=2)
    inner = _flat(size, (0, 0, 0))
    bars = [(191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191)]
    _columns(inner, bars, 0.1, 0.5)
    _columns(inner, [(v, v, v) for v in (0, 51, 102, 153, 204, 255)], 0.5, 0.72)
    mask = Image.new("L", size, 0)
    r = h * 0.42
    ImageDraw.Draw(mask).ellipse((w / 2 - r, h / 2 - r, w / 2 + r, h / 2 + r), fill=255)
    image.paste(inner, (0, 0), mask)
    draw.ellipse((w / 2 - r, h / 2 - r, w / 2 + r, h / 2 + r), outline=(255, 255, 255), width=3)
    _centred(image, "TEST " + str(seed % 9), h * 0.81, h // 14, (255, 255, 255))
    return np.asarray(image)


def _snow(size: Size, seed: int, progress: float) -> RGB:
    return _noise(size)[int(progress * 997) % 4]


def credits(size: Size, seed: int, progress: float, rolling: bool) -> RGB:
    """Names on black, rolling upwards or standing."""
    image = _flat(size, (0, 0, 0))
    w, h = size
    draw, line = ImageDraw.Draw(image), h // 9
    start = h * (1.0 - 2.2 * progress) if rolling else h * 0.16
    for number in range(16 if rolling else 6):
        y = start + number * line * 1.1
        if -line < y < h + line:
            job, name = _JOBS[(number + seed) % 8], _WORDS[(number * 5 + seed) % 12]
            draw.text((w * 0.47, y), job, font=_font(line // 2), fill=(170, 170, 170), anchor="rm")
            draw.text((w * 0.53, y), name, font=_font(line // 2), fill=(240, 240, 240), anchor="lm")
    return np.asarray(image)


def _credits(rolling: bool) -> Callable[[Size, int, float], RGB]:
    def card(size: Size, seed: int, progress: float) -> RGB:
        return credits(size, seed, progress, rolling)

    return card


CARDS: dict[str, tuple[str, Callable[[Size, int, float], RGB]]] = {
    "black": ("black", _grey(0)),
    "night": ("black", _noisy_black),
    "white": ("plain", _grey(255)),
    "grey": ("plain", _grey(118)),
    "plain": ("plain", _plain),
    "gradient": ("plain", _gradient),
    "logo": ("logo", _logo),
    "title": ("text", _title),
    "intro": ("text", _title_on_ramp),
    "leader": ("text", _leader),
    "roll": ("text", _credits(True)),
    "credits": ("text", _credits(False)),
    "smpte": ("bars", _smpte),
    "ebu": ("bars", _ebu),
    "testsrc": ("bars", _testsrc),
    "card": ("bars", _test_card),
    "snow": ("noise", _snow),
}
"""Kind of segment: (label, function of size, seed and progress 0..1)."""
