"""Samples are megabytes: no frame may wait for the garbage collector."""

from __future__ import annotations

import dataclasses
import gc

import pytest

import snapengine
from tests.media.atlas import recipe
from tests.media.recipes import Recipe, build

HDR = dataclasses.replace(
    recipe("hevc-mp4-10bit"), name="hevc-mp4-pq", matrix=9, primaries=9, transfer=16
)


def living() -> int:
    return sum(type(thing).__name__ == "VideoFrame" for thing in gc.get_objects())


@pytest.mark.parametrize(
    "made",
    [recipe("h264-mp4-bpyramid"), recipe("rotate90"), recipe("vp9-webm"), HDR],
    ids=lambda made: made.name,
)
def test_no_frame_outlives_its_picture(made: Recipe) -> None:
    with snapengine.open(build(made), threads=1) as video:

        def work() -> None:
            video.snapshot(0.4, width=64)
            video.snapshot(0.4).to_ndarray()
            video.sprite(count=3, cell=(64, 36), accuracy="exact")

        work()  # an open decoder keeps an empty frame for its next
        gc.collect()
        gc.disable()
        try:
            before = living()
            for _ in range(6):
                work()
            assert living() <= before
        finally:
            gc.enable()
