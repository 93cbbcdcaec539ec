"""PQ and HLG video comes out as the stated operator says, computed again in float64 from signals.

Charts are encoded without loss, or nearly, so what differs is rounding: 10 bits, 8 bits, JPEG.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import snapengine
from tests.media import charts
from tests.media.charts import COLORS, Chart
from tests.reference import ciede2000, tone

MEAN, MOST = 1.5, 4.0
#: cd/m2 of the brightest channel of patch i is that of ``NITS[i % 4]`` times its sRGB light.
NITS = (60.0, 203.0, 500.0, 950.0)
X265 = "lossless=1:log-level=none:pools=1:frame-threads=1"
MASTER = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L({0}0000,50)"


def light() -> np.ndarray:
    """cd/m2 of R, G, B of BT.2020 for each patch; the last ones leave the screen's colours."""
    inside = tone.srgb_light(COLORS / 255) @ tone.between("bt709", "bt2020").T
    inside *= np.resize(NITS, len(inside))[:, None]
    beyond = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0.1, 0), (0.1, 1, 0.3), (0, 0.2, 1)])
    return np.maximum(np.vstack([inside, 150.0 * beyond, (0.05, 0.05, 0.05), (5, 5, 5)]), 0.0)


def signals(transfer: str) -> tuple[tuple[float, float, float], ...]:
    """The signals of these lights."""
    made = []
    for nits in light():
        if transfer == "pq":
            made.append([tone.pq_signal(v) for v in nits])
            continue
        display = nits / 1000
        luminance = float(tone.xyz("bt2020")[1] @ display)
        scene = display * (luminance ** (1 / 1.2 - 1) if luminance > 0 else 0)
        made.append([tone.hlg_signal(min(v, 1.0)) for v in scene])
    return tuple((float(r), float(g), float(b)) for r, g, b in made)


def hdr(transfer: str, **how: Any) -> Chart:
    defaults: dict[str, Any] = {
        "pix_fmt": "yuv420p10le", "matrix": "bt2020", "meant_matrix": "bt2020", "range": "limited",
        "primaries": "bt2020", "transfer": transfer, "signals": signals(transfer),
    }  # fmt: skip
    return Chart(**(defaults | how))


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.float64)


def check(path: Path, chart: Chart, truth: np.ndarray) -> None:
    with snapengine.open(path) as video:
        for shot in (video.snapshot(0), video.snapshot(0, width=chart.size[0] // 2)):
            for data in (shot.jpeg(95), shot.encode("png")):
                error = ciede2000.difference(charts.sample(opened(data), chart), truth)
                assert error.mean() < MEAN and error.max() < MOST, (
                    f"{shot}: {error.mean():.2f}, {error.max():.2f} at {error.argmax()}"
                )


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
@pytest.mark.parametrize(
    ("codec", "container", "pix_fmt", "options"),
    [
        ("ffv1", "mkv", "yuv444p10le", ()),
        ("ffv1", "mkv", "gbrp12le", ()),
        ("libx265", "mp4", "yuv420p10le", (("x265-params", X265),)),
        ("libx265", "mp4", "yuv422p12le", (("x265-params", X265),)),
        ("libsvtav1", "mp4", "yuv420p10le", (("preset", "8"), ("svtav1-params", "crf=1:lp=1"))),
    ],
)
def test_hdr_becomes_sdr(
    transfer: str, codec: str, container: str, pix_fmt: str, options: Any
) -> None:
    rgb = pix_fmt.startswith("gbr")
    chart = hdr(
        transfer, codec=codec, container=container, pix_fmt=pix_fmt, options=options,
        matrix="rgb" if rgb else "bt2020", range="full" if rgb else "limited",
    )  # fmt: skip
    truth = tone.shown(charts.signal_of(chart), transfer, "bt2020")
    check(charts.build(chart), chart, truth)


def test_untagged_primaries_of_hdr_are_bt2020() -> None:
    chart = hdr("pq", codec="ffv1", primaries="", matrix="")
    check(charts.build(chart), chart, tone.shown(charts.signal_of(chart), "pq", "bt2020"))


def test_primaries_of_hdr_are_minded() -> None:
    """P3 in PQ, as Apple and the cinema have it."""
    chart = hdr("pq", codec="ffv1", primaries="smpte432")
    truth = tone.shown(charts.signal_of(chart), "pq", "smpte432")
    other = tone.shown(charts.signal_of(chart), "pq", "bt2020")
    assert ciede2000.difference(truth, other).mean() > 2
    check(charts.build(chart), chart, truth)


@pytest.mark.parametrize(
    ("params", "peak"),
    [
        (f"{MASTER.format(1000)}:max-cll=400,100", 400),
        (f"{MASTER.format(4000)}", 4000),
        (f"{MASTER.format(4000)}:max-cll=2000,400", 2000),
        (f"{MASTER.format(10000)}:max-cll=0,0", 10000),
        # Lies: nothing, next to nothing, more than PQ can hold, less than its own average.
        ("max-cll=0,0", 1000),
        ("max-cll=1,1", 1000),
        (f"{MASTER.format(600)}:max-cll=65535,65535", 600),
        (f"{MASTER.format(1)}:max-cll=300,500", 1000),
    ],
)
def test_light_levels_in_the_file_set_the_peak(params: str, peak: int) -> None:
    chart = hdr(
        "pq", codec="libx265", container="mp4",
        options=(("x265-params", f"{X265}:hdr10=1:{params}"),),
    )  # fmt: skip
    truth = tone.shown(charts.signal_of(chart), "pq", "bt2020", peak)
    if peak != 1000:
        usual = tone.shown(charts.signal_of(chart), "pq", "bt2020")
        assert np.abs(truth - usual).max() > 5
    check(charts.build(chart), chart, truth)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_sprites_are_toned(transfer: str) -> None:
    chart = hdr(
        transfer, codec="libx265", container="mp4", frames=6, options=(("x265-params", X265),)
    )
    truth = tone.shown(charts.signal_of(chart), transfer, "bt2020")
    cell = (chart.size[0] // 2, chart.size[1] // 2)
    with snapengine.open(charts.build(chart)) as video:
        sheet = video.sprite(count=4, cell=cell, columns=2, padding=2, margin=4)
        page = sheet.pages[0]
        for data in (page.jpeg(95), page.encode("png")):
            picture = opened(data)
            for cue in sheet.cues:
                part = picture[cue.y : cue.y + cue.height, cue.x : cue.x + cue.width]
                error = ciede2000.difference(charts.sample(part, chart), truth)
                assert error.mean() < MEAN and error.max() < MOST


@pytest.mark.filterwarnings("ignore:.*dynamic metadata")
def test_ipt_c2_is_not_shown_green() -> None:
    """The base layer of Dolby Vision profile 5, without the reshaping that its metadata add."""
    chart = hdr(
        "pq", codec="ffv1", pix_fmt="yuv444p10le", matrix="ipt-c2", meant_matrix="ipt-c2",
        range="full", meant_range="full",
    )  # fmt: skip
    check(charts.build(chart), chart, tone.shown(charts.signal_of(chart), "pq", "bt2020"))


def test_sdr_white_in_hdr_is_bright_and_black_is_black() -> None:
    """By number: reference white becomes light grey-white, 1000 cd/m2 white, greys stay grey."""
    nits = (0.0, 10.0, 100.0, 203.0, 1000.0)
    grey = tuple((tone.pq_signal(n),) * 3 for n in nits)
    chart = hdr("pq", codec="ffv1", signals=grey, columns=len(nits))
    with snapengine.open(charts.build(chart)) as video:
        found = charts.sample(video.snapshot(0).to_ndarray().astype(float), chart)
    assert np.ptp(found, axis=1).max() <= 1
    assert found[:, 1].tolist() == pytest.approx([0, 63, 186, 229, 255], abs=1.5)
