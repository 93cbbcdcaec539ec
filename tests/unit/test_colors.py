"""Colours by name."""

from __future__ import annotations

import pytest

from snapengine.errors import InvalidOption
from snapengine.imaging.color_names import parse_color


@pytest.mark.parametrize(
    ("value", "rgb"),
    [
        ("black", (0, 0, 0)),
        ("White", (255, 255, 255)),
        (" rebeccapurple ", (102, 51, 153)),
        ("#f80", (255, 136, 0)),
        ("#FF8000", (255, 128, 0)),
        ("#ff8000ff", (255, 128, 0)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
        ("rgb(0%,100%,50%)", (0, 255, 128)),
        ("hsl(120, 100%, 50%)", (0, 255, 0)),
        ((1, 2, 3), (1, 2, 3)),
        ([255, 0, 7], (255, 0, 7)),
    ],
)
def test_colors(value: object, rgb: tuple[int, int, int]) -> None:
    assert parse_color(value) == rgb


@pytest.mark.parametrize(
    "value",
    [
        "",
        "blakc",
        "#12",
        "#12345",
        "#gggggg",
        "rgb(1,2)",
        "rgb(256,0,0)",
        "rgba(1,2,3,4)",
        "#ff800080",
        "x" * 500,
        (1, 2),
        (1, 2, 3, 4),
        (1, 2, 256),
        (-1, 2, 3),
        (1.0, 2, 3),
        (True, 2, 3),
        None,
        7,
        b"black",
    ],
)
def test_garbage_is_refused_with_its_value(value: object) -> None:
    with pytest.raises(InvalidOption, match="color") as caught:
        parse_color(value)
    assert repr(value) in str(caught.value)
