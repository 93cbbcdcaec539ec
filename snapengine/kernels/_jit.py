"""The one door to numba: sample loops that become machine code, or load it, at their first call.

numba serves as a compiler only. Its result, self-contained object code, is stored; a later process
loads that through llvmlite in 0.05 s, where importing numba and starting its runtime takes 0.35 s.
A kernel has exactly one signature, so exactly one version of it exists, and a process pays only for
the kernels it calls. ``NUMBA_DISABLE_JIT=1`` runs them as the plain Python they are.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final

_log = logging.getLogger("snapengine.kernels")

#: Every kernel whose module has been imported; ``warmup.warm`` walks it.
REGISTRY: Final[list[Kernel]] = []

# Types of the signatures: flat contiguous buffers (``_IN``: may be read-only) and plain scalars.
U8, U8_IN = "uint8[:]", "const uint8[:]"
U16_IN = "const uint16[:]"
I16 = "int16[:]"
I32_IN = "const int32[:]"
F32, F32_IN = "float32[:]", "const float32[:]"
INT = "int64"
FLOAT = "float32"


class Kernel:
    """A sample loop with one explicit signature; takes arrays, Python ints and floats.

    Threads: callable from any thread, without the GIL; the first call compiles under a lock.
    Raises: ctypes.ArgumentError for an argument of another type than the signature's.
    """

    __slots__ = ("__name__", "_lock", "_run", "function", "signature")

    def __init__(self, function: Callable[..., None], signature: tuple[str, ...]) -> None:
        self.__name__ = function.__name__
        self.signature = signature
        self.function = function
        self._lock = threading.Lock()
        self._run: Callable[..., None] | None = None

    def __call__(self, *args: Any) -> None:
        (self._run or self.load())(*args)

    def load(self) -> Callable[..., None]:
        """Compile it, or load what was compiled before, unless that is done."""
        with self._lock:
            if self._run is None:
                self._run = self._make()
            return self._run

    def _make(self) -> Callable[..., None]:
        if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            return self.function
        # llvmlite costs 0.05 s to import: only a process that runs a kernel pays it.
        from . import _native

        try:
            return _native.load(self.function, self.signature)
        except _native.NotSelfContained as error:
            _log.warning("kernel %s runs inside numba: %s", self.__name__, error)
        import numba

        options: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
        made: Callable[..., None] = numba.njit(**options)(self.function)
        return made

    def __repr__(self) -> str:
        return f"<Kernel {self.__name__}({', '.join(self.signature)})>"


def kernel(*types: str) -> Callable[[Callable[..., None]], Kernel]:
    """Make a kernel of a function that takes these types and returns nothing."""

    def wrap(function: Callable[..., None]) -> Kernel:
        made = Kernel(function, types)
        REGISTRY.append(made)
        return made

    return wrap
