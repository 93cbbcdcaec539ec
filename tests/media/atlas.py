"""The named test videos: every trap of the field once, as small as it can be."""

from __future__ import annotations

from .recipes import Recipe

__all__ = ["ATLAS", "DAMAGED", "GEOMETRY", "SHORT", "STREAMS", "WIDER", "recipe"]

_BASELINE = (("profile", "baseline"),)
_REFRESH = (
    (
        "x264-params",
        "intra-refresh=1:keyint=20:min-keyint=20:scenecut=0:bframes=0:threads=1:ref=1:mbtree=0",
    ),
)
_FRAGMENTED = (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)
_FASTSTART = (("movflags", "faststart"),)
_LIVE = (("live", "1"),)

STREAMS: tuple[Recipe, ...] = (
    # H.264: reference structures x containers.
    Recipe(name="h264-mp4-bpyramid", bframes=3, gop=25, frames=100),
    Recipe(name="h264-mp4-opengop", bframes=3, gop=20, frames=90, open_gop=True),
    Recipe(name="h264-mp4-longgop", bframes=3, gop=250, frames=280),
    Recipe(name="h264-mp4-vfr", bframes=3, gop=24, frames=80, pattern="vfr"),
    Recipe(name="h264-mp4-baseline", gop=15, frames=60, encoder_options=_BASELINE),
    Recipe(name="h264-mp4-refresh", gop=20, frames=90, encoder_options=_REFRESH),
    Recipe(name="h264-mp4-start", bframes=2, gop=20, frames=60, start_frames=75),
    Recipe(name="h264-mp4-trimmed", bframes=3, gop=20, frames=70, start_frames=-13),
    Recipe(name="h264-mp4-fragmented", bframes=3, gop=20, frames=80, muxer_options=_FRAGMENTED),
    Recipe(name="h264-mp4-faststart", bframes=3, gop=20, frames=60, muxer_options=_FASTSTART),
    Recipe(name="h264-mp4-10bit", bframes=2, gop=20, frames=40, pix_fmt="yuv420p10le"),
    Recipe(name="h264-mov", bframes=3, gop=20, frames=60, container="mov"),
    Recipe(name="h264-mkv-longgop", bframes=3, gop=250, frames=280, container="mkv"),
    Recipe(
        name="h264-mkv-vfr", bframes=3, gop=24, frames=80, pattern="vfr", container="mkv",
        open_gop=True,
    ),
    Recipe(
        name="h264-mkv-nocues", bframes=3, gop=20, frames=80, container="mkv", muxer_options=_LIVE
    ),
    Recipe(name="h264-ts", bframes=3, gop=25, frames=100, container="ts"),
    Recipe(name="h264-ts-opengop", bframes=3, gop=20, frames=90, container="ts", open_gop=True),
    Recipe(name="h264-ts-vfr", bframes=2, gop=20, frames=60, container="ts", pattern="vfr"),
    Recipe(name="h264-avi", gop=20, frames=60, container="avi"),
    Recipe(name="h264-avi-bframes", bframes=2, gop=20, frames=60, container="avi"),
    Recipe(name="h264-flv", bframes=2, gop=20, frames=60, container="flv"),
    Recipe(name="h264-raw", gop=20, frames=60, container="h264"),
    # HEVC.
    Recipe(name="hevc-mp4", codec="hevc", bframes=3, gop=24, frames=72),
    Recipe(name="hevc-mp4-opengop", codec="hevc", bframes=3, gop=20, frames=70, open_gop=True),
    Recipe(name="hevc-mp4-vfr", codec="hevc", bframes=3, gop=24, frames=60, pattern="vfr"),
    Recipe(name="hevc-mp4-10bit", codec="hevc", bframes=2, gop=20, frames=40,
           pix_fmt="yuv420p10le"),
    Recipe(name="hevc-mkv-opengop", codec="hevc", bframes=3, gop=20, frames=70, open_gop=True,
           container="mkv"),
    Recipe(name="hevc-ts", codec="hevc", bframes=3, gop=20, frames=60, open_gop=True,
           container="ts"),
    # VP8, VP9, AV1.
    Recipe(name="vp8-webm", codec="vp8", container="webm", gop=20, frames=60),
    Recipe(name="vp9-webm", codec="vp9", container="webm", gop=30, frames=70),
    Recipe(name="vp9-webm-vfr", codec="vp9", container="webm", gop=20, frames=60, pattern="vfr"),
    Recipe(name="vp9-webm-noduration", codec="vp9", container="webm", gop=20, frames=50,
           muxer_options=_LIVE),
    Recipe(name="vp9-mp4", codec="vp9", gop=20, frames=50),
    Recipe(name="vp9-mkv-odd", codec="vp9", container="mkv", gop=20, frames=40, width=161,
           height=97),
    Recipe(name="av1-mp4", codec="av1", gop=20, frames=60),
    Recipe(name="av1-mkv-vfr", codec="av1", container="mkv", gop=20, frames=50, pattern="vfr"),
    Recipe(name="av1-webm-10bit", codec="av1", container="webm", gop=20, frames=40,
           pix_fmt="yuv420p10le"),
    # MPEG-4 ASP and MPEG-2 with B-frames.
    Recipe(name="mpeg4-avi", codec="mpeg4", container="avi", bframes=2, gop=15, frames=70),
    Recipe(name="mpeg4-mp4-vfr", codec="mpeg4", bframes=2, gop=15, frames=60, pattern="vfr"),
    Recipe(name="mpeg4-mkv", codec="mpeg4", container="mkv", bframes=2, gop=15, frames=60),
    Recipe(name="mpeg2-ts", codec="mpeg2video", container="ts", bframes=2, gop=15, frames=70),
    Recipe(name="mpeg2-mkv-vfr", codec="mpeg2video", container="mkv", bframes=2, gop=12,
           frames=60, pattern="vfr"),
    Recipe(name="mpeg2-mp4", codec="mpeg2video", bframes=2, gop=15, frames=60),
    Recipe(name="mpeg2-ts-interlaced", codec="mpeg2video", container="ts", bframes=2, gop=12,
           frames=40, interlaced=True),
    # Every frame a keyframe.
    Recipe(name="mjpeg-avi", codec="mjpeg", container="avi", frames=30, pix_fmt="yuvj420p",
           full_range=True),
    Recipe(name="prores-mov", codec="prores", container="mov", frames=8, pix_fmt="yuv422p10le"),
)  # fmt: skip
"""Streams long enough to have several runs of decoding: the matrix of the exactness tests."""

_DASH = (("movflags", "dash+frag_keyframe+global_sidx"),)
_NO_MFRA = (("movflags", "frag_keyframe+empty_moov+default_base_moof+skip_trailer"),)
_M2TS = (("mpegts_m2ts_mode", "1"),)
_FLV_INDEX = (("flvflags", "add_keyframe_index"),)

WIDER: tuple[Recipe, ...] = (
    # Program and transport streams.
    Recipe(name="mpeg2-ps", codec="mpeg2video", container="ps", bframes=2, gop=12, frames=60),
    Recipe(name="mpeg1-ps", codec="mpeg1video", container="ps", bframes=2, gop=12, frames=60,
           audio_seconds=2.0),
    Recipe(name="h264-ps", container="ps", bframes=2, gop=20, frames=60),
    Recipe(name="h264-m2ts", container="m2ts", bframes=2, gop=20, frames=60, audio_seconds=2.0,
           muxer_options=_M2TS),
    # Older families.
    Recipe(name="vp8-ogg", codec="vp8", container="ogg", gop=20, frames=60),
    Recipe(name="wmv2-wmv", codec="wmv2", container="wmv", gop=15, frames=60),
    Recipe(name="msmpeg4-wmv", codec="msmpeg4", container="wmv", gop=15, frames=60),
    Recipe(name="h263-3gp", codec="h263", container="3gp", gop=15, frames=45, width=176,
           height=144),
    Recipe(name="flv1-flv", codec="flv", container="flv", gop=15, frames=60),
    Recipe(name="h264-flv-index", container="flv", bframes=2, gop=20, frames=60,
           muxer_options=_FLV_INDEX),
    Recipe(name="hevc-flv", codec="hevc", container="flv", bframes=2, gop=20, frames=60),
    Recipe(name="av1-flv", codec="av1", container="flv", gop=20, frames=40),
    Recipe(name="mpeg4-avi-qpel", codec="mpeg4", container="avi", bframes=2, gop=20, frames=60,
           encoder_options=(("flags", "+qpel"),)),
    # Elementary streams and simple wrappers.
    Recipe(name="hevc-raw", codec="hevc", container="265", bframes=3, gop=20, frames=60),
    Recipe(name="hevc-raw-opengop", codec="hevc", container="265", bframes=3, gop=20, frames=60,
           open_gop=True),
    Recipe(name="vp8-ivf", codec="vp8", container="ivf", gop=20, frames=60),
    Recipe(name="vp9-ivf", codec="vp9", container="ivf", gop=20, frames=60),
    Recipe(name="av1-ivf", codec="av1", container="ivf", gop=20, frames=40),
    Recipe(name="av1-obu", codec="av1", container="obu", gop=20, frames=40),
    Recipe(name="mpeg2-raw", codec="mpeg2video", container="m2v", bframes=2, gop=12, frames=60),
    Recipe(name="mpeg1-raw", codec="mpeg1video", container="m1v", bframes=2, gop=12, frames=60),
    Recipe(name="mpeg4-raw", codec="mpeg4", container="m4v", bframes=2, gop=12, frames=60),
    Recipe(name="mjpeg-raw", codec="mjpeg", container="mjpeg", frames=20, pix_fmt="yuvj420p",
           full_range=True),
    Recipe(name="y4m", codec="rawvideo", container="y4m", frames=12, width=96, height=64),
    Recipe(name="gif", codec="gif", container="gif", frames=20, width=96, height=64,
           pix_fmt="gray"),
    Recipe(name="apng", codec="apng", container="apng", frames=20, width=96, height=64,
           pix_fmt="gray"),
    # Editing formats.
    Recipe(name="mpeg2-mxf", codec="mpeg2video", container="mxf", bframes=2, gop=12, frames=60),
    Recipe(name="dnxhr-mxf", codec="dnxhd", container="mxf", frames=6, width=256, height=128,
           pix_fmt="yuv422p"),
    Recipe(name="dnxhr-mov", codec="dnxhd", container="mov", frames=6, width=256, height=128,
           pix_fmt="yuv422p"),
    Recipe(name="ffv1-mkv", codec="ffv1", container="mkv", frames=8, width=96, height=64),
    # Fields in one frame (MBAFF).
    Recipe(name="h264-mp4-mbaff", interlaced=True, bframes=2, gop=20, frames=60),
    Recipe(name="h264-mkv-mbaff", interlaced=True, bframes=2, gop=20, frames=60, container="mkv"),
    Recipe(name="h264-ts-mbaff", interlaced=True, bframes=2, gop=20, frames=60, container="ts"),
    # Headers of MP4 and Matroska.
    Recipe(name="h264-mp4-dash", bframes=3, gop=20, frames=80, muxer_options=_DASH),
    Recipe(name="h264-mp4-nomfra", bframes=3, gop=20, frames=80, muxer_options=_NO_MFRA),
    Recipe(name="h264-mkv-cuesfront", bframes=3, gop=20, frames=80, container="mkv",
           muxer_options=(("cues_to_front", "1"),)),
    Recipe(name="h264-mkv-late", bframes=3, gop=20, frames=60, container="mkv", start_frames=75),
)  # fmt: skip
"""The rest of what users upload. Checked against the oracle, not by every other test."""

SHORT: tuple[Recipe, ...] = (
    Recipe(name="one-frame-mp4", frames=1),
    Recipe(name="one-frame-mkv", frames=1, container="mkv", codec="hevc"),
    Recipe(name="sub-second-mp4", frames=7, bframes=2),
    Recipe(name="sub-second-webm", frames=5, codec="vp8", container="webm"),
    Recipe(name="last-long-mp4", frames=20, bframes=2, last_frames=100),
    Recipe(name="audio-longer-mp4", frames=30, bframes=2, audio_seconds=4.0),
    Recipe(name="audio-longer-mkv", frames=30, bframes=2, audio_seconds=4.0, container="mkv"),
    Recipe(name="audio-longer-avi", frames=30, audio_seconds=4.0, container="avi",
           codec="mpeg4"),
)  # fmt: skip
"""Videos whose end or length is the trap."""

GEOMETRY: tuple[Recipe, ...] = (
    Recipe(name="rotate90", rotation=90, frames=24),
    Recipe(name="rotate180", rotation=180, frames=24),
    Recipe(name="rotate270", rotation=270, frames=24),
    Recipe(name="sar16x11", sar=(16, 11), width=176, height=144, frames=24),
    Recipe(name="sar64x45", sar=(64, 45), width=160, height=128, frames=24, bframes=3),
    Recipe(name="sar8x9", sar=(8, 9), width=160, height=96, frames=24, container="mkv"),
    Recipe(name="sar-rotate90", sar=(16, 11), width=176, height=144, frames=24, rotation=90),
    Recipe(name="odd444", width=321, height=241, pix_fmt="yuv444p", frames=24),
    Recipe(name="full-range", full_range=True, frames=24, pix_fmt="yuvj420p"),
    Recipe(name="bt709", matrix=1, primaries=1, transfer=1, frames=24),
)
"""Pictures whose shape or colour is the trap."""

DAMAGED: tuple[Recipe, ...] = tuple(
    Recipe(name=f"{base}-{label}", damage=damage, bframes=2, gop=20, frames=60, **fields)  # type: ignore[arg-type]
    for base, fields in (
        ("faststart", {"muxer_options": _FASTSTART}),
        ("mkv", {"container": "mkv"}),
        ("ts", {"container": "ts"}),
        ("webm", {"container": "webm", "codec": "vp9"}),
        ("avi", {"container": "avi", "codec": "mpeg4"}),
    )
    for label, damage in (
        ("cut20", "truncate:0.2"),
        ("cut60", "truncate:0.6"),
        ("cut97", "truncate:0.97"),
        ("flips", "flip:40:7"),
        ("hole", "hole:0.4:0.55"),
    )
)
"""Whole files, then broken on purpose."""

ATLAS: dict[str, Recipe] = {r.name: r for r in (*STREAMS, *WIDER, *SHORT, *GEOMETRY, *DAMAGED)}


def recipe(name: str) -> Recipe:
    """A named test video."""
    return ATLAS[name]
