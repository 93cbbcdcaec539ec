"""Where results go: names for pictures, checks before any work, progress on a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import InvalidOption


def naming(output: str, several: bool) -> Callable[[int, float], Path]:
    """File names from ``-o``: one file, a folder, or a pattern with {index} and {time}."""
    pattern = "{index" in output or "{time" in output
    if not pattern and not several:
        return lambda number, seconds: Path(output)
    if not pattern:
        if Path(output).suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".avif"):
            raise InvalidOption(
                f"several pictures need a folder or a name with {{index}} or {{time}}, "
                f"not {output!r}"
            )
        output = os.path.join(output.replace("{", "{{").replace("}", "}}"), "{index:04d}.jpg")
    for field in re.findall(r"\{[^{}]*\}", output.replace("{{", "").replace("}}", "")):
        if not re.fullmatch(r"\{(time|index(:0?[1-9]d)?)\}", field):
            raise InvalidOption(
                f"a name may hold {{index}}, {{index:04d}} and {{time}}, not {field}: {output!r}"
            )
    try:
        output.format(index=1, time="00-00-00.000")
    except (KeyError, IndexError, ValueError) as error:
        raise InvalidOption(f"cannot fill in {output!r}: {error}") from error

    def name(number: int, seconds: float) -> Path:
        from ..model.time import format_time

        clock = format_time(seconds).replace(":", "-")  # colons are not for file names
        return Path(output.format(index=number + 1, time=clock))

    return name


def check_writable(path: Path) -> None:
    """Refuse before any work what cannot be written after it: below a file, or no permission."""
    from ..errors import StoreError

    above = path if path.is_dir() else path.absolute().parent
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write {path}: {above} is no folder to write in", stage="store")


def make_folder(folder: Path) -> None:
    from ..errors import StoreError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write to {folder}: {error.strerror or error}", stage="store"
        ) from error


@contextlib.contextmanager
def progress_line() -> Iterator[Any]:
    """A line on stderr that counts up, erased at the end; ``None`` when nobody looks at it."""
    if not sys.stderr.isatty():
        yield None
        return
    shown = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= 0.1 or done == total:
            shown = now
            print(f"\r{done}/{total}", end="", file=sys.stderr, flush=True)

    try:
        yield progress
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
