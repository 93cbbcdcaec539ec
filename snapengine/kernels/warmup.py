"""Compile, or load from the cache, every kernel: for service start and for building images."""

from __future__ import annotations

from . import convert, deinterlace, full, resize, survey, tone  # noqa: F401 - importing a module registers its kernels
from ._jit import REGISTRY


def warm() -> int:
    """Make every kernel ready to run; the number of them. Idempotent; any thread."""
    for kernel in REGISTRY:
        kernel.load()
    return len(REGISTRY)
