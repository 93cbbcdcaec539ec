"""The one door to numba: functions that compile, or load from the cache, at their first call.

Importing a kernel module imports no numba. A kernel has exactly one signature, so that exactly one
machine-code version of it exists, and a process pays only for the kernels it calls.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

_log = logging.getLogger("snapengine.kernels")

#: Every kernel of the process, in order of definition; ``warmup.warm`` walks it.
REGISTRY: Final[list[Kernel]] = []

# Shorthand of the signatures: flat, contiguous, aligned buffers and plain scalars.
# The ``_IN`` ones also take read-only buffers (a decoder's memory may be).
U8 = "uint8[::1]"
I16 = "int16[::1]"
F32 = "float32[::1]"
U8_IN = "Array(uint8, 1, 'C', readonly=True)"
U16_IN = "Array(uint16, 1, 'C', readonly=True)"
I32_IN = "Array(int32, 1, 'C', readonly=True)"
F32_IN = "Array(float32, 1, 'C', readonly=True)"
INT = "int64"
FLOAT = "float32"


class Kernel:
    """A sample loop with one explicit signature.

    Threads: callable from any thread, releases the GIL; the first call compiles under a lock.
    """

    __slots__ = ("__name__", "_function", "_lock", "_run", "signature")

    def __init__(self, function: Callable[..., None], signature: str) -> None:
        self.__name__ = function.__name__
        self.signature = signature
        self._function = function
        self._lock = threading.Lock()
        self._run: Callable[..., None] | None = None

    def __call__(self, *args: Any) -> None:
        (self._run or self.load())(*args)

    def load(self) -> Callable[..., None]:
        """Compile it, or load it from numba's cache, unless that is done."""
        with self._lock:
            if self._run is None:
                self._run = _compile(self._function, self.signature)
            return self._run

    def __repr__(self) -> str:
        return f"<Kernel {self.__name__} {self.signature}>"


def kernel(*types: str) -> Callable[[Callable[..., None]], Kernel]:
    """Make a kernel of a function that takes these types and returns nothing."""
    signature = f"void({', '.join(types)})"

    def wrap(function: Callable[..., None]) -> Kernel:
        made = Kernel(function, signature)
        REGISTRY.append(made)
        return made

    return wrap


def _compile(function: Callable[..., None], signature: str) -> Callable[..., None]:
    # numba costs 0.3 s to import: only a process that runs a kernel pays it.
    import numba

    options: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
    try:
        made: Callable[..., None] = numba.njit(signature, cache=True, **options)(function)
    except Exception as error:
        # No writable cache directory, a full disk or a damaged cache file: slower to start, but
        # not a failure. A fault of the kernel itself raises again below.
        _log.warning("kernel %s is compiled without a cache: %s", function.__name__, error)
        made = numba.njit(signature, cache=False, **options)(function)
    return made
