"""Drawn scenes that would make a cover, and what can be done to them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from snapengine.model.frame import Picture
from snapengine.scoring.proxy import Proxy

RGB = NDArray[np.uint8]
Color = tuple[int, int, int]
#: Pictures are drawn at twice the size and shrunk, as a decoder's are.
WIDTH, HEIGHT = 640, 360
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
#: Kernels as plain Python are a thousand times slower: smaller pictures then.
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
MOST = 12 if INTERPRETED else 60


def planes(least: int = 1, most: int = MOST) -> st.SearchStrategy[np.ndarray]:
    """Three planes of any size: noise, few levels, or flat."""
    shapes = st.tuples(st.just(3), st.integers(least, most), st.integers(least, most))
    levels = st.sampled_from(
        [st.integers(0, 255), st.sampled_from([0, 16, 128, 235, 255]), st.integers(120, 124)]
    )
    return st.tuples(shapes, levels).flatmap(
        lambda both: hnp.arrays(np.uint8, both[0], elements=both[1])
    )


def proxy_of(picture: Image.Image | RGB) -> Proxy:
    """A proxy of R'G'B' of the same size."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    planes = np.asarray(image.convert("YCbCr"))
    made = Picture(image.width, image.height, "444")
    for plane, source in zip(made.planes, planes.transpose(2, 0, 1), strict=True):
        plane[:] = source
    return Proxy(made)


def proxy_of_planes(y: RGB, cb: RGB | None = None, cr: RGB | None = None) -> Proxy:
    """A proxy of given samples; chroma is grey where it is not given."""
    made = Picture(y.shape[1], y.shape[0], "444")
    grey = np.full_like(y, 128)
    for plane, source in zip(
        made.planes, (y, grey if cb is None else cb, grey if cr is None else cr), strict=True
    ):
        plane[:] = source
    return Proxy(made)


def shrunk(image: Image.Image) -> Image.Image:
    """At the size of a proxy."""
    return image.reduce(2)


def flat(color: Color) -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), color)


def gradient(top: Color, bottom: Color) -> Image.Image:
    t = np.linspace(0, 1, HEIGHT)[:, None]
    rows = np.array(top) * (1 - t) + np.array(bottom) * t
    return Image.fromarray(np.repeat(rows[:, None], WIDTH, axis=1).astype(np.uint8))


def texture(rng: np.random.Generator, octaves: int, amplitude: float) -> NDArray[np.float64]:
    """Noise of all scales, coarse ones stronger: what surfaces look like."""
    total = np.zeros((HEIGHT, WIDTH))
    for octave in range(octaves):
        size = 1 << octave
        part = rng.normal(size=(max(2, HEIGHT // size), max(2, WIDTH // size))).astype(np.float32)
        total += (
            np.asarray(Image.fromarray(part).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
            * size**0.9
        )
    return total / total.std() * amplitude


def textured(
    image: Image.Image,
    rng: np.random.Generator,
    octaves: int,
    amplitude: float,
    mask: NDArray[np.bool_] | None = None,
) -> Image.Image:
    change = texture(rng, octaves, amplitude)
    if mask is not None:
        change = change * mask
    return added(image, change[..., None])


def added(image: Image.Image, change: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(image) + change, 0, 255).astype(np.uint8))


def noisy(image: Image.Image, sigma: float, seed: int = 1) -> Image.Image:
    """Grey noise."""
    rng = np.random.default_rng(seed)
    return added(image, rng.normal(0, sigma, (image.height, image.width, 1)))


def blurred(image: Image.Image, sigma: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(sigma))


def smeared(image: Image.Image, length: int, axis: int) -> Image.Image:
    """Motion blur along the row (axis 1) or the column (axis 0)."""
    a = np.asarray(image).astype(np.float64)
    sums = np.cumsum(
        np.pad(a, [(length, 0) if k == axis else (0, 0) for k in range(3)], "edge"), axis
    )
    shape = list(a.shape)
    take = [slice(length, None) if k == axis else slice(None) for k in range(3)]
    give = [slice(None, shape[axis]) if k == axis else slice(None) for k in range(3)]
    return Image.fromarray(((sums[tuple(take)] - sums[tuple(give)]) / length).astype(np.uint8))


def leveled(image: Image.Image, gain: float, offset: float) -> Image.Image:
    return added(image, np.asarray(image) * (gain - 1.0) + offset)


def written(
    image: Image.Image,
    lines: Sequence[str],
    size: int,
    color: Color,
    top: float | None = None,
    gap: float = 1.4,
) -> Image.Image:
    """Centred lines of text."""
    image = image.copy()
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    y = HEIGHT / 2 - len(lines) * size * gap / 2 if top is None else top
    for line in lines:
        draw.text(((WIDTH - draw.textlength(line, font=font)) / 2, y), line, fill=color, font=font)
        y += size * gap
    return image


# --- good pictures --------------------------------------------------------------------------------


def village(seed: int, saturation: float = 1.0) -> Image.Image:
    """Houses and bushes before a sky."""
    rng = np.random.default_rng(seed)
    image = textured(gradient((110, 160, 230), (200, 220, 245)), rng, 7, 4)
    draw = ImageDraw.Draw(image)
    horizon = int(rng.integers(150, 230))
    draw.rectangle((0, horizon, WIDTH, HEIGHT), fill=(80, 120, 50))
    ground = np.zeros((HEIGHT, WIDTH), bool)
    ground[horizon:] = True
    image = textured(image, rng, 5, 22, ground)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = int(rng.integers(0, 600)), int(rng.integers(horizon - 90, horizon))
        w, h = int(rng.integers(40, 120)), int(rng.integers(60, 140))
        r, g, b = (int(v) for v in rng.integers(40, 220, 3))
        draw.rectangle((x, y, x + w, y + h), fill=(r, g, b))
        for k in range(2):
            left = x + 8 + k * w // 2
            draw.rectangle(
                (left, y + 10, left + w // 5, y + 10 + h // 4), fill=(r // 2, g // 2, b // 2)
            )
    for _ in range(5):
        x, y, s = (
            int(rng.integers(0, WIDTH)),
            int(rng.integers(horizon, HEIGHT)),
            int(rng.integers(15, 50)),
        )
        draw.ellipse(
            (x - s, y - s, x + s, y + s), fill=tuple(int(v) for v in rng.integers(20, 230, 3))
        )
    image = textured(image, rng, 4, 7)
    a = np.asarray(image).astype(np.float64)
    grey = a.mean(axis=2, keepdims=True)
    return Image.fromarray(np.clip(grey + (a - grey) * saturation, 0, 255).astype(np.uint8))


def night(seed: int) -> Image.Image:
    """Dark houses with lit windows."""
    rng = np.random.default_rng(seed)
    image = textured(gradient((2, 3, 10), (10, 10, 18)), rng, 5, 2)
    draw = ImageDraw.Draw(image)
    x = 0
    while x < WIDTH:
        w, h = int(rng.integers(30, 90)), int(rng.integers(60, 230))
        draw.rectangle(
            (x, HEIGHT - h, x + w, HEIGHT), fill=tuple(int(v) for v in rng.integers(4, 20, 3))
        )
        for top in range(HEIGHT - h + 8, HEIGHT - 6, 14):
            for left in range(x + 6, x + w - 6, 11):
                if rng.random() < 0.35:
                    lit = (
                        int(rng.integers(180, 255)),
                        int(rng.integers(140, 230)),
                        int(rng.integers(60, 160)),
                    )
                    draw.rectangle((left, top, left + 5, top + 7), fill=lit)
        x += w + int(rng.integers(0, 15))
    return noisy(image, 2)


def snow(seed: int) -> Image.Image:
    """White slopes with a few firs."""
    rng = np.random.default_rng(seed)
    image = textured(gradient((205, 215, 232), (240, 243, 248)), rng, 6, 5)
    draw = ImageDraw.Draw(image)
    slopes = [(0, 200), (150, 110), (300, 190), (450, 90), (640, 180), (640, 360), (0, 360)]
    draw.polygon(slopes, fill=(236, 240, 247))
    image = textured(image, rng, 5, 6)
    draw = ImageDraw.Draw(image)
    for _ in range(8):
        x, y, s = int(rng.integers(20, 620)), int(rng.integers(190, 320)), int(rng.integers(10, 30))
        draw.polygon([(x, y - 2 * s), (x - s // 2, y), (x + s // 2, y)], fill=(70, 90, 80))
    return image


def fog(seed: int) -> Image.Image:
    return leveled(village(seed), 0.45, 120)


def cartoon(seed: int) -> Image.Image:
    """Flat colours and black outlines."""
    rng = np.random.default_rng(seed)
    image = flat(tuple(int(v) for v in rng.integers(120, 240, 3)))  # type: ignore[arg-type]
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 230, WIDTH, HEIGHT), fill=tuple(int(v) for v in rng.integers(60, 200, 3)))
    draw.ellipse((480, 30, 560, 110), fill=(255, 230, 80))
    for k in range(3):
        x, y = int(100 + k * 180 + rng.integers(-30, 30)), int(200 + rng.integers(-20, 20))
        coat = tuple(int(v) for v in rng.integers(60, 255, 3))
        draw.ellipse((x - 45, y - 20, x + 45, y + 120), fill=coat, outline=BLACK, width=4)
        draw.ellipse((x - 38, y - 80, x + 38, y), fill=(250, 210, 170), outline=BLACK, width=4)
        for eye in (x - 14, x + 14):
            draw.ellipse((eye - 8, y - 52, eye + 8, y - 34), fill=WHITE, outline=BLACK, width=2)
            draw.ellipse((eye - 3, y - 46, eye + 3, y - 40), fill=BLACK)
        draw.arc((x - 18, y - 35, x + 18, y - 10), 20, 160, fill=BLACK, width=3)
    return image


def balloon() -> Image.Image:
    """A small subject before the sky."""
    image = textured(gradient((70, 130, 220), (170, 205, 245)), np.random.default_rng(0), 7, 2)
    draw = ImageDraw.Draw(image)
    draw.ellipse((255, 105, 345, 195), fill=(210, 50, 40))
    draw.polygon([(280, 192), (320, 192), (300, 225)], fill=(160, 40, 30))
    draw.rectangle((290, 225, 310, 242), fill=(90, 60, 30))
    draw.ellipse((285, 105, 315, 195), fill=(240, 200, 60))
    return image


def portrait(ground: Color = (252, 252, 252), hair: Color = (90, 60, 40)) -> Image.Image:
    """A face on a plain ground."""
    image = flat(ground)
    draw = ImageDraw.Draw(image)
    draw.ellipse((180, 240, 460, 520), fill=(230, 228, 235))
    draw.ellipse((255, 70, 385, 250), fill=(244, 222, 208))
    draw.pieslice((245, 50, 395, 220), 175, 365, fill=hair)
    for eye in (290, 350):
        draw.ellipse((eye - 10, 140, eye + 10, 150), fill=WHITE)
        draw.ellipse((eye - 5, 140, eye + 5, 150), fill=(40, 30, 30))
    draw.arc((295, 180, 345, 220), 20, 160, fill=(180, 70, 70), width=4)
    image = blurred(image, 1.2)
    drawn = np.abs(np.asarray(image).astype(int) - ground).max(axis=2) > 4
    return textured(image, np.random.default_rng(3), 5, 4, drawn)


def sea() -> Image.Image:
    """A sunset over level waves: next to nothing in it stands upright."""
    rng = np.random.default_rng(1)
    image = textured(gradient((240, 140, 60), (255, 220, 150)), rng, 7, 2)
    draw = ImageDraw.Draw(image)
    draw.ellipse((290, 180, 350, 240), fill=(255, 250, 220))
    draw.rectangle((0, 232, WIDTH, HEIGHT), fill=(80, 50, 65))
    small = Image.fromarray(texture(rng, 5, 14)[:, : WIDTH // 4].astype(np.float32))
    waves = np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).copy()
    waves[:232] = 0
    return added(image, waves[..., None].astype(np.float64))


def facade() -> Image.Image:
    rng = np.random.default_rng(8)
    image = flat((170, 165, 155))
    draw = ImageDraw.Draw(image)
    for y in range(10, HEIGHT, 44):
        for x in range(8, WIDTH, 40):
            pane = tuple(int(v) for v in rng.integers(30, 120, 3))
            draw.rectangle((x, y, x + 26, y + 30), fill=pane, outline=(220, 220, 215), width=2)
    return textured(image, rng, 5, 6)


def shirt(size: int) -> Image.Image:
    """Somebody in a checkered shirt."""
    image = village(40)
    draw = ImageDraw.Draw(image)
    for y in range(100, HEIGHT, size):
        for x in range(160, 480, size):
            red = (x // size + y // size) % 2
            draw.rectangle(
                (x, y, x + size - 1, y + size - 1), fill=(180, 30, 30) if red else (240, 235, 230)
            )
    draw.ellipse((260, 10, 380, 130), fill=(225, 180, 150))
    turned = image.rotate(3, resample=Image.Resampling.BICUBIC).crop((10, 10, 630, 350))
    return noisy(turned.resize((WIDTH, HEIGHT)), 3)


def leaves(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = flat((30, 50, 20))
    draw = ImageDraw.Draw(image)
    for _ in range(1500):
        x, y, s = (
            int(rng.integers(0, WIDTH)),
            int(rng.integers(0, HEIGHT)),
            int(rng.integers(5, 18)),
        )
        g, a = int(rng.integers(40, 220)), float(rng.uniform(0, 6.3))
        tip = (x + s * np.cos(a), y + s * np.sin(a))
        side = (x + s * np.cos(a + 1.2) * 0.6, y + s * np.sin(a + 1.2) * 0.6)
        draw.polygon([(x, y), tip, side], fill=(int(g * 0.6), g, int(g * 0.3)))
    return image


def grass(amplitude: float) -> Image.Image:
    return textured(flat((80, 120, 50)), np.random.default_rng(60), 5, amplitude)


def document() -> Image.Image:
    """A printed page that lies in a scene."""
    page = Image.new("RGB", (220, 280), (245, 243, 238))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for i in range(16):
        draw.text((14, 10 + i * 16), "lorem ipsum dolor sit amet", fill=(30, 30, 30), font=font)
    image = village(31)
    page = page.rotate(7, expand=True, fillcolor=(120, 100, 80), resample=Image.Resampling.BICUBIC)
    image.paste(page, (210, 30))
    return image


def boxed(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The picture between black bars: x, y, width, height."""
    frame = flat(BLACK)
    frame.paste(image.resize(box[2:]), box[:2])
    return frame
