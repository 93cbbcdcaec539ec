"""What making a picture of a decoded frame costs, beside decoding it: 10 bit, HDR, interlaced.

The clips are short and made like the corpus (``corpus.py``): the same pictures, tagged as what they
are to stand for. Their colours are then wrong to look at, which costs neither more nor less time.
"""

from __future__ import annotations

import statistics
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.corpus import RATE, _drawn_frames, _real_frames, _write, corpus_folder, real_clip

__all__ = ["KINDS", "conversion_clip", "conversion_cost"]

WIDTH, HEIGHT, SECONDS = 1920, 1080, 6
#: kind -> encoder, pixel format, its options, colour (primaries, transfer, matrix), interlaced
KINDS: dict[str, tuple[str, str, dict[str, str], tuple[int, int, int], bool]] = {
    "8-bit": ("libx265", "yuv420p", {}, (1, 1, 1), False),
    "10-bit": ("libx265", "yuv420p10le", {}, (1, 1, 1), False),
    "PQ": ("libx265", "yuv420p10le", {}, (9, 16, 9), False),
    "HLG": ("libx265", "yuv420p10le", {}, (9, 18, 9), False),
    "interlaced": ("libx264", "yuv420p", {"x264-params": "tff=1"}, (1, 1, 1), True),
}


def conversion_clip(kind: str, folder: Path | None = None) -> Path:
    """The clip of a kind, made now if it is not there."""
    clip = real_clip()
    where = folder or corpus_folder()
    where.mkdir(parents=True, exist_ok=True)
    path = where / f"conversion-{kind.lower()}-{'real' if clip else 'drawn'}-2.mp4"
    if not path.exists():
        _write(path, lambda part: _encode(kind, clip, part))
    return path


def _encode(kind: str, clip: Path | None, path: Path) -> None:
    import av

    encoder, pix_fmt, options, (primaries, transfer, matrix), interlaced = KINDS[kind]
    options = {"preset": "superfast", "crf": "26", **options}
    if encoder == "libx265":
        options["x265-params"] = f"log-level=error:keyint={2 * RATE}:open-gop=0"
    count = SECONDS * RATE
    frames = _real_frames(clip) if clip else _drawn_frames(WIDTH, HEIGHT, count)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(encoder, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        context = stream.codec_context
        context.gop_size = 2 * RATE
        context.color_primaries, context.color_trc = primaries, transfer
        context.colorspace, context.color_range = matrix, 1
        if interlaced:
            context.flags |= 0x20040000  # AV_CODEC_FLAG_INTERLACED_DCT | _ME
        for number, frame in enumerate(frames):
            if number == count:
                break
            frame = frame.reformat(WIDTH, HEIGHT, pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            frame.pict_type = av.video.frame.PictureType.NONE
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def conversion_cost(kind: str, accuracy: str, width: int | None, rounds: int) -> dict[str, Any]:
    """Seconds of making pictures per second of decoding them: median, least and most of all rounds.

    One decoder, one thread, so that both are counted on the same core. ``width`` ``None`` is full
    size, made into RGB.
    """
    import snapengine

    path = conversion_clip(kind)
    ratios, scaling, decoding = [], [], []
    with snapengine.open(path, threads=1) as video:
        for turn in range(rounds + 1):
            made = 0.0
            shots = video.snapshots(count=12, width=width, accuracy=accuracy)  # type: ignore[arg-type]
            for shot in shots:
                began = time.perf_counter()
                if width is None:
                    shot.to_ndarray()
                made += time.perf_counter() - began
                stats = shot.stats
            if turn == 0:
                continue  # kernels and pages are warm after the first
            if width is not None:
                made = stats.scale_seconds
            scaling.append(made)
            decoding.append(stats.decode_seconds)
            ratios.append(made / stats.decode_seconds)
    return {
        "median": statistics.median(ratios),
        "min": min(ratios),
        "max": max(ratios),
        "conversion_ms": round(statistics.median(scaling) / 12 * 1000, 3),
        "decoding_ms": round(statistics.median(decoding) / 12 * 1000, 3),
    }
