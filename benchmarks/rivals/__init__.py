"""The contestants: the engine, its limits, and every tool a user would pick instead.

Each is one adapter over :class:`benchmarks.rivals.base.Contestant`, and each tool enters at its
best: the settings are those that were fastest here while still showing the right frames. Where
several ways of calling a tool are in use, each is a contestant of its own. Nothing is imported
before :func:`load`, because every contestant runs in a process of its own.
"""

from __future__ import annotations

from importlib import import_module

from benchmarks.rivals.base import Contestant

__all__ = ["ENGINE", "LIMITS", "RIVALS", "Contestant", "load"]

ENGINE = "snapengine"

# name -> (module, class, arguments)
_CONTESTANTS: dict[str, tuple[str, str, dict[str, str]]] = {
    ENGINE: ("benchmarks.rivals.engine", "Engine", {}),
    "limit": ("benchmarks.limit", "Limit", {"variant": "engine"}),
    "limit, reading included": ("benchmarks.limit", "Limit", {"variant": "reading"}),
    "limit, no frame skipped": ("benchmarks.limit", "Limit", {"variant": "all-frames"}),
    "limit, no loop filter": ("benchmarks.limit", "Limit", {"variant": "no-loop-filter"}),
    "limit, candidates": ("benchmarks.limit", "Limit", {"variant": "candidates"}),
    "limit, everything decoded": ("benchmarks.limit", "Limit", {"variant": "decoded"}),
    "ffmpeg skip_frame nokey": ("benchmarks.rivals.ffmpeg_cli", "Ffmpeg", {"recipe": "nokey"}),
    "ffmpeg discard nokey x2": ("benchmarks.rivals.ffmpeg_cli", "Ffmpeg", {"recipe": "discard"}),
    "ffmpeg -ss inputs x2": ("benchmarks.rivals.ffmpeg_cli", "Ffmpeg", {"recipe": "inputs"}),
    "ffmpeg concat x2": ("benchmarks.rivals.ffmpeg_cli", "Ffmpeg", {"recipe": "concat"}),
    "ffmpeg fps,scale,tile": ("benchmarks.rivals.ffmpeg_cli", "Ffmpeg", {"recipe": "common"}),
    "ffmpeg thumbnail, keyframes": (
        "benchmarks.rivals.ffmpeg_cli",
        "Ffmpeg",
        {"recipe": "thumbnail"},
    ),
    "ffmpeg thumbnail, keyframes by thirds": (
        "benchmarks.rivals.ffmpeg_cli",
        "Ffmpeg",
        {"recipe": "thirds"},
    ),
    "ffmpeg thumbnail, all frames": (
        "benchmarks.rivals.ffmpeg_cli",
        "Ffmpeg",
        {"recipe": "thumbnail-all"},
    ),
    "ffmpegthumbnailer": ("benchmarks.rivals.ffmpegthumbnailer", "Ffmpegthumbnailer", {}),
    "OpenCV": ("benchmarks.rivals.opencv", "OpenCV", {}),
    "decord": ("benchmarks.rivals.decord_reader", "Decord", {}),
    "torchcodec": ("benchmarks.rivals.torchcodec_reader", "Torchcodec", {"decoders": "1"}),
    "torchcodec x2": ("benchmarks.rivals.torchcodec_reader", "Torchcodec", {"decoders": "2"}),
    "plain PyAV": ("benchmarks.rivals.pyav", "PlainPyAV", {}),
}
# Called another way for a URL; ``remote.py`` takes these and some of the above.
_OVER_HTTP: dict[str, tuple[str, str, dict[str, str]]] = {
    "snapengine, local file": ("benchmarks.rivals.engine", "Engine", {}),
    "ffmpeg -ss, URL": ("benchmarks.rivals.over_http", "FfmpegHttp", {"recipe": "one"}),
    "ffmpeg -ss inputs x2, URL": (
        "benchmarks.rivals.over_http",
        "FfmpegHttp",
        {"recipe": "inputs"},
    ),
    "ffmpeg -ss, 8 processes, URL": (
        "benchmarks.rivals.over_http",
        "FfmpegHttp",
        {"recipe": "each"},
    ),
    "PyAV, URL": ("benchmarks.rivals.over_http", "PyAVHttp", {}),
}

LIMITS = tuple(name for name in _CONTESTANTS if name.startswith("limit"))
RIVALS = tuple(name for name in _CONTESTANTS if name != ENGINE and name not in LIMITS)


def load(name: str) -> Contestant:
    """Import and make one contestant. Raises ImportError where its tool is not installed."""
    module, cls, arguments = (_CONTESTANTS | _OVER_HTTP)[name]
    contestant: Contestant = getattr(import_module(module), cls)(**arguments)
    return contestant
