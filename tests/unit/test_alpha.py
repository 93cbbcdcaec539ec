"""Transparency: no hidden colour shows, and what is behind shows through, as float64 says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.imaging import scaler
from snapengine.imaging.alpha import is_opaque, without_alpha
from snapengine.model.frame import Picture, RawFrame
from snapengine.model.geometry import Orientation, View
from tests.reference import alpha as book
from tests.reference import colour
from tests.reference import scale as twin
from tests.unit._frames import EIGHT, frame, oriented, plane, view

BEHIND = (200, 30, 90)


def with_alpha(source: RawFrame, opacity: np.ndarray) -> RawFrame:
    """``opacity``: codes of the frame's depth."""
    format = source.format
    return replace(
        source,
        planes=(*source.planes, plane(opacity << format.shift, 3)),
        format=replace(format, alpha=True),
    )


def random_frame(
    seed: int, width: int, height: int, depth: int = 8, shift: int = 0, model: str = "rgb"
) -> tuple[RawFrame, np.ndarray, np.ndarray]:
    """A frame with alpha; its colour (height, width, 3) in 0..255 and opacity in 0..1."""
    rng = np.random.default_rng(seed)
    kind, top = (np.uint8 if depth == 8 else np.uint16), (1 << depth) - 1
    cell = int(rng.integers(1, 5))

    def noise(w: int, h: int) -> np.ndarray:
        small = rng.integers(0, top + 1, (-(-h // cell), -(-w // cell)))
        return small.astype(kind).repeat(cell, 0).repeat(cell, 1)[:h, :w]

    opacity = noise(width, height)
    opacity[rng.random(opacity.shape) < 0.2] = 0
    opacity[rng.random(opacity.shape) < 0.2] = top
    if model == "rgb":
        planes = [noise(width, height) for _ in range(3)]
        source = frame(planes, model="rgb", depth=depth, shift=shift, range="full")
        rgb = np.moveaxis(colour.rgb_codes(*planes, depth, True), 0, -1)
    elif model == "gray":
        planes = [noise(width, height)]
        source = frame(planes, model="gray", depth=depth, shift=shift, range="full")
        rgb = np.moveaxis(colour.rgb_codes(*planes * 3, depth, True), 0, -1)
    else:
        half = ((width + 1) // 2, (height + 1) // 2)
        planes = [noise(width, height), noise(*half), noise(*half)]
        source = frame(
            planes, log2_chroma=(1, 1), depth=depth, shift=shift, matrix="bt709", range="limited"
        )
        if depth == 8:  # one to one, chroma is blended as JPEG decoders do
            sites = ((1, width, -1), (0, height, 0))
            chroma = planes[1:]
            for axis, length, site in sites:
                chroma = [colour.blend(c, axis, length, site) for c in chroma]
            rgb = np.moveaxis(colour.to_rgb(planes[0], *chroma, 8, False, "bt709"), 0, -1)
        else:
            rgb = twin.rgb(
                planes, log2=(1, 1), site=(-1, 0), depth=depth, full=False, matrix="bt709",
                crop=(0, 0, width, height), scaled=(width, height),
            )  # fmt: skip
        rgb = rgb.clip(0, 255)
    return with_alpha(source, opacity), rgb, opacity / top


KINDS = [
    ("rgb", 8, 0),
    ("rgb", 12, 0),
    ("gray", 8, 0),
    ("yuv", 8, 0),
    ("yuv", 10, 0),
    ("yuv", 10, 6),
]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("model", "depth", "shift"), KINDS)
def test_blending_is_that_of_the_twin(model: str, depth: int, shift: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, h, tw, th = (int(v) for v in rng.integers(8, 70, 4))
    source, rgb, opacity = random_frame(seed, w, h, depth, shift, model)
    crop = (0.0, 0.0, float(w), float(h)) if seed % 2 else (0.2 * w, 0.1 * h, 0.7 * w, 0.8 * h)
    shown = replace(view(source, tw, th, crop=crop), background=BEHIND)
    premultiplied, alpha = book.scaled(rgb, opacity, crop, (tw, th))
    want = book.over(premultiplied, alpha, BEHIND)
    # Full-size colour is rounded once more than in the twin, and so is the result: a step at most,
    # and a little for what a sharp filter makes of roundings.
    assert np.abs(scaler.render_rgb(source, shown) - want).max() <= 1.3
    rgba = scaler.render_rgba(source, shown)
    assert np.abs(rgba[..., 3] - 255 * alpha).max() <= 0.55
    seen = rgba[..., :3] * (rgba[..., 3:] / 255.0)
    assert np.abs(seen - premultiplied).max() <= 1.8
    picture = Picture(tw, th, "444")
    scaler.render(source, shown, picture)
    for got, exact in zip(picture.planes, colour.to_jfif(np.moveaxis(want, -1, 0)), strict=True):
        assert np.abs(got - exact.clip(0, 255)).max() <= 1.8


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_hidden_colours_do_not_bleed(factor: int) -> None:
    """A white disc whose surroundings are stored as pure green: no green anywhere."""
    y, x = np.mgrid[0:120, 0:160]
    inside = (x - 80) ** 2 + (y - 60) ** 2 < 50**2
    white = np.where(inside, 255, 0).astype(np.uint8)
    source = frame([white, np.full_like(white, 255), white], model="rgb", range="full")
    source = with_alpha(source, white)
    shown = replace(view(source, 160 // factor, 120 // factor), background=(128, 128, 128))
    rgb = scaler.render_rgb(source, shown).astype(int)
    assert np.abs(rgb - rgb[..., :1]).max() <= 1
    assert rgb.min() >= 127  # nor is the edge darker than both sides
    rgba = scaler.render_rgba(source, shown)
    assert rgba[..., 3].max() == 255 and rgba[..., 3].min() == 0
    assert (rgba[rgba[..., 3] > 0][:, :3] >= 254).all()
    assert (rgba[rgba[..., 3] == 0] == 0).all()


@pytest.mark.parametrize(("model", "depth", "shift"), KINDS)
@pytest.mark.parametrize("size", [(64, 40), (33, 21), (130, 90)])
def test_opaque_frames_are_as_if_without_alpha(
    model: str, depth: int, shift: int, size: tuple[int, int]
) -> None:
    source, _, _ = random_frame(3, 64, 40, depth, shift, model)
    solid = np.full((40, 64), (1 << depth) - 1, np.uint8 if depth == 8 else np.uint16)
    source = with_alpha(without_alpha(source), solid)
    assert is_opaque(source)
    shown = replace(view(source, *size), background=BEHIND)
    plain = scaler.render_rgb(without_alpha(source), shown)
    assert np.array_equal(scaler.render_rgb(source, shown), plain)
    rgba = scaler.render_rgba(source, shown)
    assert np.array_equal(rgba[..., :3], plain) and (rgba[..., 3] == 255).all()
    # One sample less than opaque takes the long way, and gives the same to a step.
    solid[0, 0] -= 1
    nearly = with_alpha(without_alpha(source), solid)
    assert not is_opaque(nearly)
    if size == (64, 40) or model != "yuv":  # elsewhere chroma goes straight to its place
        assert np.abs(scaler.render_rgb(nearly, shown).astype(int) - plain).max() <= 1


def test_nothing_at_all_is_background() -> None:
    source, _, _ = random_frame(5, 50, 30)
    source = with_alpha(without_alpha(source), np.zeros((30, 50), np.uint8))
    shown = replace(view(source, 20, 12), background=BEHIND)
    assert (scaler.render_rgb(source, shown) == BEHIND).all()
    assert not scaler.render_rgba(source, shown).any()
    assert (scaler.render_rgb(source, view(source, 20, 12)) == 0).all()


@pytest.mark.parametrize("orientation", EIGHT)
@settings(deadline=None, max_examples=8)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 1000),
    subsampling=st.sampled_from(["420", "444"]),
)
def test_turned_like_any_picture(
    orientation: Orientation, size: tuple[int, int], seed: int, subsampling: Any
) -> None:
    source, _, _ = random_frame(seed, 31, 23, model="yuv")
    flat = replace(view(source, *size), background=BEHIND)
    turned = replace(view(source, *size, orientation=orientation), background=BEHIND)
    for draw in (scaler.render_rgb, scaler.render_rgba):
        assert np.array_equal(draw(source, turned), oriented(draw(source, flat), orientation))
    picture, upright = Picture(*turned.size, subsampling), Picture(*flat.size, "444")
    scaler.render(source, turned, picture)
    scaler.render(source, flat, upright)
    assert np.array_equal(picture.y, oriented(upright.y, orientation))


def test_margins_are_background_or_transparent() -> None:
    source, _, _ = random_frame(9, 40, 40)
    box = View(
        coded=source.size, crop=(0.0, 0.0, 40.0, 40.0), scaled=source.size,
        orientation=Orientation(), size=source.size._replace(width=60), x=10, background=BEHIND,
    )  # fmt: skip
    rgb, rgba = scaler.render_rgb(source, box), scaler.render_rgba(source, box)
    for margin in (np.s_[:, :10], np.s_[:, 50:]):
        assert (rgb[margin] == BEHIND).all() and not rgba[margin].any()
    assert rgba[:, 10:50, 3].any()
    opaque = scaler.render_rgba(without_alpha(source), box)
    assert (opaque[:, 10:50, 3] == 255).all() and not opaque[:, :10].any()


def test_interlaced_alpha_shows_one_instant() -> None:
    """A hole that moves between the fields has its first place, without teeth."""
    y, x = np.mgrid[0:96, 0:160]
    holes = [np.where((x > left) & (x < left + 40), 0, 255).astype(np.uint8) for left in (30, 70)]
    woven = np.where(y % 2 == 0, holes[0], holes[1])
    white = np.full((96, 160), 255, np.uint8)
    source = with_alpha(frame([white] * 3, model="rgb", range="full"), woven)
    source = replace(source, field_order="top")
    for factor in (1, 2, 4):
        shown = view(source, 160 // factor, 96 // factor)
        first = with_alpha(without_alpha(source), holes[0])
        want = scaler.render_rgb(replace(first, field_order="progressive"), shown)
        got = scaler.render_rgb(source, shown)
        assert np.abs(got.astype(int) - want).max() <= 2
