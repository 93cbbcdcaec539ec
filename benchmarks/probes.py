"""Measurements that need a process of their own: peak memory, import time, cold command line."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["cold_command_line", "import_time", "peak_memory"]

_ROOT = Path(__file__).resolve().parent.parent

# VmHWM is set back after the imports (5 > clear_refs), so what is left is the engine's own.
_MEMORY = """
import json, sys
path, what, count, load_kernels = json.loads(sys.argv[1])
import av, numba, numpy, simplejpeg, PIL.Image
import snapengine, snapengine.engine

def status(name):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024

def work():
    with snapengine.open(path) as video:
        if what == "open":
            return
        if what == "snapshots":
            for shot in video.snapshots(count=count, accuracy="exact"):
                shot.jpeg()
            return
        sheet = video.sprite(count=count, cell=(160, 90), columns=10, rows=10, accuracy=what)
        for page in sheet.pages:
            page.jpeg()

if load_kernels:
    work()
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = status("VmRSS")
work()
print(json.dumps({"base": before, "peak": status("VmHWM"), "after": status("VmRSS")}))
"""

_IMPORT = """
import time
started = time.perf_counter()
import snapengine
print(time.perf_counter() - started)
"""


def peak_memory(
    path: Path, what: str, count: int, *, rounds: int = 3, load_kernels: bool = False
) -> dict[str, Any]:
    """Peak resident memory above the imported libraries, in bytes, median of fresh processes.

    Shapes: ``what`` is ``"open"``, ``"snapshots"`` or the accuracy of a sprite. With
    ``load_kernels`` the job is done once before measuring starts.
    """
    runs = []
    for _ in range(rounds):
        job = json.dumps([str(path), what, count, load_kernels])
        done = _python(["-c", _MEMORY, job])
        runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
    above = [run["peak"] - run["base"] for run in runs]
    return {
        "above_libraries": int(statistics.median(above)),
        "lowest": min(above),
        "highest": max(above),
        "libraries": int(statistics.median(run["base"] for run in runs)),
        "rounds": rounds,
    }


def import_time(rounds: int = 9) -> dict[str, Any]:
    """Seconds of ``import snapengine`` in a fresh process, measured inside it."""
    _python(["-c", _IMPORT])
    values = [float(_python(["-c", _IMPORT]).stdout) for _ in range(rounds)]
    return _summary(values)


def cold_command_line(path: Path, rounds: int = 9) -> dict[str, Any]:
    """Seconds from starting the command to its end, with the kernels' cache filled before."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "shot.jpg"
        command = ["-m", "snapengine", "snapshot", str(path), "--at", "60", "-o", str(out)]
        _python(command)
        values = []
        for _ in range(rounds):
            out.unlink(missing_ok=True)
            started = time.perf_counter()
            _python(command)
            values.append(time.perf_counter() - started)
            assert out.stat().st_size > 0
    return _summary(values)


def _summary(values: list[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
        "rounds": len(values),
        "seconds": [round(value, 4) for value in values],
    }


def _python(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=_ROOT, timeout=600
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise RuntimeError(lines[-1])
    return done
