"""Where chroma lies, read from streams that encoders were told to write so."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.media.bitstream import chroma_location
from tests.media.recipes import Recipe, build

NAMES = ("left", "center", "topleft", "top", "bottomleft", "bottom")
X265 = "log-level=none:pools=1:frame-threads=1"


def made(codec: str, tag: str, params: str, **how: object) -> Path:
    """Four frames from one encoder with these parameters."""
    key = {"h264": "x264-params", "hevc": "x265-params", "av1": "svtav1-params"}[codec]
    options = ((key, params),)
    return build(
        Recipe(
            name=f"chroma-{codec}-{tag}", codec=codec, frames=4, encoder_options=options, **how  # type: ignore[arg-type]
        )
    )  # fmt: skip


def told(path: Path) -> tuple[str | None, str | None]:
    """What extradata and what the first packet say."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        first = next(p for p in container.demux(video=0) if p.size)
        codec = context.codec.canonical_name
        return (
            chroma_location(codec, context.extradata),
            chroma_location(codec, memoryview(first)),
        )


@pytest.mark.parametrize("kind", range(6))
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_every_location_is_read_from_extradata(codec: str, kind: int) -> None:
    params = f"chromaloc={kind}:{'threads=1' if codec == 'h264' else X265}"
    assert told(made(codec, str(kind), params))[0] == NAMES[kind]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_transport_stream_tells_in_its_first_packet(codec: str) -> None:
    params = f"chromaloc=2:{'threads=1' if codec == 'h264' else X265}"
    assert told(made(codec, "ts", params, container="ts"))[1] == "topleft"


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(
    ("pix_fmt", "expected"),
    [("yuv420p10le", "left"), ("yuv422p", "left"), ("yuv444p", None)],
)
def test_unsaid_is_left_where_chroma_is_subsampled(
    codec: str, pix_fmt: str, expected: str | None
) -> None:
    params = "threads=1" if codec == "h264" else X265
    path = made(codec, f"unsaid-{pix_fmt}", params, pix_fmt=pix_fmt)
    assert told(path)[0] == expected


def test_the_location_is_found_behind_everything_before_it() -> None:
    """Colour, pixel shape, overscan, cropping, field coding, scaling lists, sub-layers."""
    common = "chromaloc=3:videoformat=pal:overscan=show"
    path = made(
        "h264", "rich", f"{common}:cqm=jvt:threads=1", width=178, height=98, sar=(16, 11),
        matrix=1, primaries=1, transfer=1,
    )  # fmt: skip
    assert told(path)[0] == "top"
    path = made(
        "hevc", "rich", f"{X265}:{common}:scaling-list=default:temporal-layers=3:hrd=1:"
        "vbv-maxrate=500:vbv-bufsize=500", width=178, height=98, sar=(16, 11),
        matrix=9, primaries=9, transfer=16, pix_fmt="yuv420p10le",
    )  # fmt: skip
    assert told(path)[0] == "top"


@pytest.mark.parametrize(
    ("value", "expected"), [("unknown", None), ("vertical", "left"), ("colocated", "topleft")]
)
def test_av1(value: str, expected: str | None) -> None:
    path = made("av1", value, f"chroma-sample-position={value}:lp=1")
    assert told(path) == (expected, expected)


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("mjpeg", "center"), ("mpeg1video", "center"), ("theora", "center"), ("h263", "center"),
        ("mpeg2video", "left"), ("mpeg4", "left"), ("dvvideo", "topleft"),
        ("vp8", None), ("vp9", None), ("prores", None), ("h264", None), ("av1", None),
    ],
)  # fmt: skip
def test_without_data_the_standard_decides(codec: str, expected: str | None) -> None:
    assert chroma_location(codec, None) == expected


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@given(data=st.binary(max_size=300))
def test_any_bytes_give_a_name_or_nothing(codec: str, data: bytes) -> None:
    assert chroma_location(codec, data) in (None, *NAMES)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@given(data=st.data())
def test_damaged_extradata_gives_a_name_or_nothing(codec: str, data: st.DataObject) -> None:
    """Real extradata with bytes changed and its end cut off: the parser gets far into it."""
    params = {"h264": "threads=1", "hevc": X265, "av1": "lp=1"}[codec]
    with av.open(str(made(codec, "fuzz", params))) as container:
        good = bytearray(container.streams.video[0].codec_context.extradata or b"")
    assert len(good) > 10
    for _ in range(data.draw(st.integers(0, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    assert chroma_location(codec, bytes(good[:cut])) in (None, *NAMES)
