"""What a result has to say about where it was measured, and nothing that names the machine."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["describe", "libraries"]

_PACKAGES = ("av", "numpy", "numba", "simplejpeg", "Pillow", "pytest-benchmark")


def describe() -> dict[str, Any]:
    """Processor, cores, memory, system and Python."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "cores_of_machine": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
    }


def libraries() -> dict[str, str]:
    """Versions of what the engine stands on; contestants report their own."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    try:
        import av

        found["libavcodec (PyAV)"] = ".".join(map(str, av.library_versions["libavcodec"]))
    except ImportError:
        pass
    return found


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
