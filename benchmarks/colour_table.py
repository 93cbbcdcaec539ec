"""How far the colours of a picture are from the true ones: the engine and the tools used instead.

    python -m benchmarks.colour_table [OUT.md]

Every chart of known colours is made into a picture by each tool in the way its documentation shows
first, and the middle of each patch is compared with the truth: mean CIEDE2000 over the patches, in
brackets the worst. 1 is about the least that anyone sees side by side; above 5 it is another
colour. For HDR the truth is the documented operator of this engine (ITU-R BT.2390 to 203 cd/m2):
there is no single right SDR picture, so read those rows as "mapped" or "not mapped at all".
Tools that are not installed are named as absent.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np

from tests.media import charts
from tests.media.charts import COLORS, Chart
from tests.reference import ciede2000, tone

__all__ = ["CASES", "TOOLS", "main", "table"]

_QP0 = (("qp", "0"), ("preset", "ultrafast"))
_X265 = (("x265-params", "lossless=1:log-level=none:pools=1:frame-threads=1"),)


def _read(data: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.float64)


# --- tools ----------------------------------------------------------------------------------------


def _engine(path: str) -> np.ndarray:
    import snapengine

    with snapengine.open(path) as video:
        return _read(video.snapshot(0).jpeg(95))


def _ffmpeg(path: str) -> np.ndarray:
    if not shutil.which("ffmpeg"):
        raise ImportError("no ffmpeg on the path")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-ss", "0", "-i", path, "-frames:v", "1"]
    command += ["-q:v", "2", "-f", "mjpeg", "pipe:1"]
    return _read(subprocess.run(command, capture_output=True, check=True).stdout)


def _ffmpegthumbnailer(path: str) -> np.ndarray:
    if not shutil.which("ffmpegthumbnailer"):
        raise ImportError("no ffmpegthumbnailer on the path")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.jpg")
        command = [
            "ffmpegthumbnailer",
            "-i",
            path,
            "-o",
            str(out),
            "-s",
            "0",
            "-t",
            "0",
            "-q",
            "10",
        ]
        subprocess.run(command, capture_output=True, check=True)
        return _read(out.read_bytes())


def _opencv(path: str) -> np.ndarray:
    import cv2

    good, picture = cv2.VideoCapture(path).read()
    if not good:
        raise RuntimeError("no frame")
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    return _read(bytes(data))


def _pyav(path: str) -> np.ndarray:
    import av

    out = io.BytesIO()
    with av.open(path) as container:
        next(container.decode(video=0)).to_image().save(out, "JPEG", quality=95)
    return _read(out.getvalue())


def _torchcodec(path: str) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder

    picture = VideoDecoder(path, dimension_order="NHWC")[0].numpy()
    return np.asarray(picture, np.float64)


def _decord(path: str) -> np.ndarray:
    import decord

    return np.asarray(decord.VideoReader(path)[0].asnumpy(), np.float64)


#: Name -> (how it is called, the call: path to R, G, B of the first frame at full size).
TOOLS: dict[str, tuple[str, Callable[[str], np.ndarray]]] = {
    "snapengine": ("snapshot(0).jpeg(95)", _engine),
    "ffmpeg": ("-ss 0 -i F -frames:v 1 -q:v 2 out.jpg", _ffmpeg),
    "ffmpegthumbnailer": ("-i F -o out.jpg -s 0 -q 10", _ffmpegthumbnailer),
    "OpenCV": ('VideoCapture(F).read(), imencode(".jpg")', _opencv),
    "PyAV": ("decode, frame.to_image(), save JPEG", _pyav),
    "torchcodec": ("VideoDecoder(F)[0]", _torchcodec),
    "decord": ("VideoReader(F)[0]", _decord),
}


# --- cases ----------------------------------------------------------------------------------------


def _sdr(matrix: str = "bt709", range: str = "limited", **how: object) -> Chart:
    chart = {
        "codec": "libx264", "container": "mp4", "pix_fmt": "yuv420p", "options": _QP0,
        "matrix": matrix, "meant_matrix": matrix, "range": range, "meant_range": range,
        "frames": 5,
    }  # fmt: skip
    return Chart(**(chart | how))  # type: ignore[arg-type]


def _hdr(transfer: str) -> Chart:
    """The colours at 60, 203, 500 and 950 cd/m2 in turn."""
    light = tone.srgb_light(COLORS / 255) @ tone.between("bt709", "bt2020").T
    light *= np.resize((60.0, 203.0, 500.0, 950.0), len(light))[:, None]
    made = []
    for nits in np.maximum(light, 0.0):
        if transfer == "pq":
            made.append(tuple(tone.pq_signal(v) for v in nits))
            continue
        luminance = float(tone.xyz("bt2020")[1] @ nits) / 1000
        scene = nits / 1000 * (luminance ** (1 / 1.2 - 1) if luminance > 0 else 0.0)
        made.append(tuple(tone.hlg_signal(min(v, 1.0)) for v in scene))
    return _sdr(
        "bt2020", codec="libx265", pix_fmt="yuv420p10le", options=_X265, primaries="bt2020",
        transfer=transfer, signals=tuple(made),
    )  # fmt: skip


CASES: dict[str, Chart] = {
    "BT.709, limited": _sdr(primaries="bt709", transfer="bt709"),
    "BT.709, full range": _sdr(range="full"),
    "BT.601, limited": _sdr("bt601"),
    "untagged, SD": _sdr(matrix="", range="", meant_matrix="bt601", meant_range="limited"),
    "untagged, 1280 wide": _sdr(
        matrix="", range="", meant_matrix="bt709", meant_range="limited", patch=160
    ),
    "SMPTE 240M matrix": _sdr("smpte240m"),
    "YCgCo": _sdr("ycgco", pix_fmt="yuv444p"),
    "RGB (libx264rgb)": _sdr(
        "rgb", "", codec="libx264rgb", pix_fmt="rgb24", meant_matrix="rgb", meant_range="full"
    ),
    "palette": Chart(codec="png", container="mov", pix_fmt="pal8", frames=5),
    "10 bit 4:2:2": _sdr(pix_fmt="yuv422p10le"),
    "EBU primaries (PAL)": _sdr("bt601", primaries="bt470bg", transfer="bt709"),
    "Display P3 primaries": _sdr(primaries="smpte432", transfer="bt709"),
    "BT.2020 primaries, SDR": _sdr("bt2020", primaries="bt2020", transfer="bt709"),
    "HDR: PQ": _hdr("pq"),
    "HDR: HLG": _hdr("hlg"),
}


def _truth(chart: Chart) -> np.ndarray:
    signal = charts.signal_of(chart)
    if chart.transfer in ("pq", "hlg"):
        return tone.shown(signal, chart.transfer, chart.primaries)
    return tone.shown(signal, "sdr", chart.primaries or "bt709")


def _cell(call: Callable[[str], np.ndarray], path: str, chart: Chart) -> str:
    try:
        picture = call(path)
    except ImportError:
        return "absent"
    except Exception as error:  # noqa: BLE001 - whatever way a tool fails is its result
        return f"fails ({type(error).__name__})"
    error = ciede2000.difference(charts.sample(picture, chart), _truth(chart))
    return f"{error.mean():.1f} ({error.max():.1f})"


def _version(name: str) -> str:
    package = {"OpenCV": "opencv-python-headless", "PyAV": "av"}.get(name, name)
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        pass
    if name == "snapengine":
        import snapengine

        return snapengine.__version__
    if not shutil.which(name):
        return "absent"
    flag = "-version" if name == "ffmpeg" else "-v"
    said = subprocess.run([name, flag], capture_output=True, text=True)
    return said.stdout.splitlines()[0].split("Copyright")[0].split("version")[-1].strip(": ")


def table() -> str:
    """The whole comparison as Markdown."""
    lines = ["| video | " + " | ".join(TOOLS) + " |", "|---" * (len(TOOLS) + 1) + "|"]
    for name, chart in CASES.items():
        path = str(charts.build(chart))
        cells = [_cell(call, path, chart) for _, call in TOOLS.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Mean CIEDE2000 of the patches, worst patch in brackets.", ""]
    lines += [f"- {name} {_version(name)}: `{how}`" for name, (how, _) in TOOLS.items()]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Print the table, or write it to the file named."""
    text = table()
    if arguments:
        Path(arguments[0]).write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
