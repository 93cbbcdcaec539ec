"""Kernels as object code: compile with numba, store, load with llvmlite, call with ctypes.

The code of a kernel must not refer to anything outside of itself (no runtime of numba, no Python),
which holds because kernels neither allocate nor raise; :class:`NotSelfContained` otherwise.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import llvmlite  # type: ignore[import-untyped]
import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numpy as np

_log = logging.getLogger("snapengine.kernels")

#: Changes when the way of compiling does, so that old files are not used any more.
_FORMAT: Final = "2"
_SYMBOL: Final = "snapengine_kernel"
#: Buffers have no end inside a kernel: its sizes say how far it goes. A number that never wraps.
_ENDLESS: Final = 1 << 62

_engines: list[Any] = []  # own the machine code; must live as long as the process


class NotSelfContained(Exception):
    """The compiler left calls to functions that would not be there when the code is loaded."""


def load(function: Callable[..., None], signature: tuple[str, ...]) -> Callable[..., None]:
    """The compiled ``function``: stored machine code if there is any, else compiled and stored.

    Threads: the result runs without the GIL in any of them; arrays must not overlap where the
    kernel's text says so.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = _machine()
    name = f"{function.__name__}-{_key(function, signature)}.o"
    code = _read(name)
    if code is None:
        code = _compile(function, signature, machine)
        _write(name, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    run = ctypes.CFUNCTYPE(None)(engine.get_function_address(_SYMBOL))
    run.argtypes = [_ARGUMENTS[name] for name in signature]
    return run


# --- compiling ------------------------------------------------------------------------------------


def _machine() -> Any:
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="default",
        codemodel="jitdefault",
        jit=True,
    )


def _compile(function: Callable[..., None], signature: tuple[str, ...], machine: Any) -> bytes:
    import numba as typed

    numba: Any = typed  # its annotations cover a part of it
    types = numba.types
    inner = numba.njit(nogil=True, boundscheck=False, error_model="numpy")(function)
    kinds, parameters, arguments = [], [], []
    for i, text in enumerate(signature):
        kind = getattr(types, text.removeprefix("const ").removesuffix("[:]"))
        buffer = text.endswith("[:]")
        kinds.append(types.CPointer(kind) if buffer else kind)
        parameters.append(f"a{i}")
        arguments.append(f"carray(a{i}, ({_ENDLESS},))" if buffer else f"a{i}")
    names: dict[str, Any] = {"inner": inner, "carray": numba.carray}
    exec(f"def entry({', '.join(parameters)}):\n    inner({', '.join(arguments)})\n", names)
    entry = numba.cfunc(types.void(*kinds), error_model="numpy")(names["entry"])

    # Everything but the entry becomes private; after inlining, what reports errors and counts
    # references to arrays has no user left and goes away. The loops are optimised already: doing
    # it all again undoes good vectors (measured: horizontal filter 25 % slower), so level 1.
    module = llvm.parse_assembly(entry.inspect_llvm())
    for item in (*module.functions, *module.global_variables):
        if not item.is_declaration and item.name != entry.native_name:
            item.linkage = "internal"
    module.get_function(entry.native_name).name = _SYMBOL
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    builder.getModulePassManager().run(module, builder)
    missing = [
        item.name
        for item in (*module.functions, *module.global_variables)
        if item.is_declaration and not item.name.startswith("llvm.")
    ]
    if missing:
        raise NotSelfContained(f"{function.__name__} needs {', '.join(missing)}")
    code: bytes = machine.emit_object(module)
    return code


# --- storing --------------------------------------------------------------------------------------


def _key(function: Callable[..., None], signature: tuple[str, ...]) -> str:
    """Hash of all that decides what the machine code is."""
    code = function.__code__
    facts = (
        _FORMAT, signature, code.co_code, code.co_consts, code.co_names, code.co_varnames,
        sys.version_info[:2], llvmlite.__version__, llvm.get_process_triple(),
        llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(),
    )  # fmt: skip
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


def _folders() -> Iterator[Path]:
    """Where machine code may lie, best first."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen)
        return
    yield Path(__file__).with_name("__pycache__")
    try:
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snapengine"
    except RuntimeError:  # no home
        return


def _read(name: str) -> bytes | None:
    """Stored machine code; None when there is none that can be trusted.

    It is about to run: so nobody but the owner of the process or root may have written it, and a
    file that is damaged or cut short does not pass for whole.
    """
    for folder in _folders():
        try:
            with (folder / name).open("rb") as file:
                found = os.fstat(file.fileno())
                stored = file.read()
        except OSError:
            continue
        if hasattr(os, "getuid") and (
            found.st_uid not in (0, os.getuid()) or found.st_mode & 0o022
        ):
            _log.warning("kernel file %s is not used: others may write it", folder / name)
            continue
        digest, code = stored[:32], stored[32:]
        if hashlib.sha256(code).digest() == digest:
            return code
        _log.warning("kernel file %s is damaged and is made again", folder / name)
    return None


def _write(name: str, code: bytes) -> None:
    """Store machine code in the first folder that takes it, whole or not at all."""
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=name)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(code).digest() + code)
                # Not only for its owner: a container image is built by another user than runs it.
                os.chmod(temporary, 0o644)
                os.replace(temporary, folder / name)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError:
            continue
        return
    _log.warning("no folder takes kernel %s: it will be compiled again by each process", name)


# --- calling --------------------------------------------------------------------------------------


def _data_offset() -> int | None:
    """Where an array object holds the address of its samples, or None if not where expected.

    It is the first field after the object head in numpy's C ABI. Reading it takes a third of the
    time of ``array.ctypes.data``, and a small picture needs fifty.
    """
    probe = np.zeros(1, np.uint8)
    offset = object.__basicsize__
    found = ctypes.c_void_p.from_address(id(probe) + offset).value
    return offset if found == probe.ctypes.data else None


_OFFSET: Final = _data_offset()


def _buffer(text: str) -> type:
    """An argument type for ctypes: a flat contiguous array of one kind of samples."""
    dtype = np.dtype(text.removeprefix("const ").removesuffix("[:]"))
    written = not text.startswith("const ")
    offset = _OFFSET
    at = ctypes.c_void_p.from_address

    class Buffer:
        @staticmethod
        def from_param(array: Any) -> ctypes.c_void_p:
            if array.dtype != dtype or array.ndim != 1 or not array.flags.c_contiguous:
                raise TypeError(f"flat {dtype} samples are needed, not {array.dtype}")
            if written and not array.flags.writeable:
                raise TypeError("this buffer is written and must not be read-only")
            if offset is None:
                return ctypes.c_void_p(array.ctypes.data)
            return at(id(array) + offset)

    return Buffer


_ARGUMENTS: Final[dict[str, Any]] = {
    **{
        const + kind + "[:]": _buffer(const + kind + "[:]")
        for kind in ("uint8", "uint16", "int16", "int32", "float32")
        for const in ("", "const ")
    },
    "int64": ctypes.c_int64,
    "float32": ctypes.c_float,
}
