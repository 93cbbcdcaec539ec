"""Who may import whom: the code map of ARCHITECTURE.md, read from the source without running it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "snapengine"
#: What users start from stands in the package and is no part of it: it knows the vendors' SDKs.
EXAMPLES = PACKAGE / "service" / "examples"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if EXAMPLES not in p.parents)

_VALUES = {"errors", "model"}
#: Layer -> layers of ours it may import besides itself.
OURS: dict[str, set[str]] = {
    "errors": set(),
    "model": {"errors"},
    "planning": _VALUES,
    "sources": _VALUES,
    "manifests": {*_VALUES, "sources"},
    "media": {*_VALUES, "cancelling", "sources"},
    "kernels": set(),
    "imaging": {*_VALUES, "kernels"},
    "outputs": _VALUES,
    "budget": {"errors"},
    "cancelling": {"errors"},
    "pipeline": {*_VALUES, "budget", "cancelling", "media"},
    "results": {*_VALUES, "imaging", "outputs"},
    # It paints a layout, and is told of frames by media's value for that (see MEDIA_VALUES).
    "sheet": {*_VALUES, "imaging", "media", "outputs", "planning", "results"},
    "request": {*_VALUES, "imaging"},
    "session": {
        *_VALUES, "budget", "cancelling", "media", "pipeline", "planning", "request", "sources",
    },
    "renditions": {*_VALUES, "manifests", "request", "session", "sources"},
    "scoring": {*_VALUES, "kernels"},
    # Both are told of frames by media's value for that (see MEDIA_VALUES).
    "shooting": {*_VALUES, "imaging", "media", "request", "results", "scoring", "session"},
    "covers": {*_VALUES, "results", "scoring"},
    "inspection": {
        *_VALUES, "cancelling", "covers", "media", "pipeline", "request", "scoring", "session",
        "shooting",
    },
    "cover_search": {
        *_VALUES, "covers", "inspection", "planning", "request", "scoring", "session", "shooting",
    },
    "animating": {
        *_VALUES, "cancelling", "cover_search", "outputs", "planning", "request", "results",
        "scoring", "session", "shooting",
    },
    "engine": {
        *_VALUES, "animating", "cover_search", "covers", "imaging", "inspection", "manifests",
        "media", "outputs", "pipeline", "planning", "renditions", "request", "results", "session",
        "sheet", "shooting", "sources",
    },
    "aio": {*_VALUES, "cancelling", "engine", "results"},
    # Worker processes use the public names, like anybody else.
    "service": {"", *_VALUES, "outputs", "planning", "sources"},
    "cli": {"", "errors", "service"},
    "demo": {"", "errors"},
    "__main__": {"cli"},
    # What the package offers, from where it lives.
    "": {*_VALUES, "aio", "animating", "budget", "covers", "engine", "results"},
}  # fmt: skip
#: Layer -> packages of others it may import; nobody may import any that is not here.
OTHERS: dict[str, set[str]] = {
    "model": {"numpy"},
    "sources": {"fsspec"},
    "media": {"PIL", "av", "numpy"},
    "kernels": {"llvmlite", "numba", "numpy"},
    "imaging": {"PIL", "numpy", "simplejpeg", "turbojpeg"},
    "scoring": {"dlib", "numpy"},
    "outputs": {"PIL", "numpy"},
    "animating": {"numpy"},
    "cover_search": {"numpy"},
    "results": {"PIL", "numpy"},
    "service": {"PIL", "anyio", "fsspec", "sqlalchemy", "starlette", "uvicorn"},
}
#: Modules outside of media that know one of its values, and which.
MEDIA_VALUES = {m: {"Delivery"} for m in ("engine", "inspection", "sheet", "shooting")}
#: (module, what it imports) -> why the rule gives way here.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("snapengine.cli.commands", "imaging"): "checks --quality and the suffix before any work",
    ("snapengine.cli.commands", "model"): "--accuracy is a word or a time, read as everywhere else",
    ("snapengine.cli.output", "model"): "{time} in a file name is written as everywhere else",
    ("snapengine.service.jobs.worker", "kernels"): "loads them before the first order comes",
    ("snapengine.demo", "outputs"): "writes its clip whole or not at all, like a result",
}
#: Layers that decide and hold, and never touch the world.
PURE = ("errors", "model", "planning")
_WORLD = {
    "asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "pathlib", "random",
    "shutil", "signal", "socket", "subprocess", "tempfile", "time",
}  # fmt: skip
_THREADS = {"_thread", "asyncio", "concurrent", "multiprocessing"}
#: What ``threading`` offers that starts nothing.
_LOCKS = {"Condition", "Event", "Lock", "RLock", "get_ident", "local"}
#: The modules that start threads.
THREADED = ("aio", "pipeline", "service")
#: Modules that import by a table of names.
TABLES = ("snapengine.__init__", "snapengine.service.__init__")
#: The one that starts those of the network.
FETCHING = "snapengine.sources.remote"


@dataclass(frozen=True, slots=True)
class Import:
    """``module`` is absolute; ``name`` is what is taken from it (``None``: ``import module``).

    ``typing_only``: inside ``if TYPE_CHECKING``, so nothing is loaded when the program runs.
    """

    module: str
    name: str | None
    line: int
    typing_only: bool = False

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    @property
    def layer(self) -> str:
        """The row of the code map, if it is ours: the file or folder below the package."""
        parts = [*self.module.split("."), *([self.name] if self.name else [])]
        return parts[1] if len(parts) > 1 and f"{parts[1]}" in _layers() else ""


@cache
def _layers() -> frozenset[str]:
    return frozenset(
        p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    ) - {"__init__"}


def module_name(path: Path) -> str:
    """``snapengine.media.index`` for its file; a package's own is ``snapengine.media.__init__``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def layer_of(module: str) -> str:
    """The row of the code map that a module belongs to; "" is the package itself."""
    second = module.split(".")[1]
    return "" if second == "__init__" else second


def imports_of(source: str, module: str) -> Iterator[Import]:
    """Every import of a module, wherever it stands; relative ones resolved."""
    yield from _walk(ast.parse(source), module.split("."), False)


def _walk(node: ast.AST, parts: list[str], typing_only: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, None, node.lineno, typing_only)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            if node.level >= len(parts):
                raise ValueError(f"line {node.lineno} imports from outside of the package")
            base = ".".join([*parts[: len(parts) - node.level], *filter(None, [node.module])])
        for alias in node.names:
            yield Import(base, alias.name, node.lineno, typing_only)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test).split("."):
        for child in node.body:
            yield from _walk(child, parts, True)
        for child in node.orelse:
            yield from _walk(child, parts, typing_only)
    else:
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "__import__") and node.args:
                what = node.args[0]
                named = isinstance(what, ast.Constant) and isinstance(what.value, str)
                yield Import(what.value if named else "?", None, node.lineno, typing_only)  # type: ignore[attr-defined]
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, parts, typing_only)


def wrong_imports(source: str, module: str) -> list[str]:
    """What is against the table, one line each."""
    layer = layer_of(module)
    wrong = []
    for found in imports_of(source, module):
        where = f"{module}:{found.line} imports {found.module}"
        if found.top == "snapengine":
            other = found.layer
            if other == layer or (module, other) in EXCEPTIONS:
                continue
            if other not in OURS[layer]:
                wrong.append(f"{where}, and {layer or 'the package'} may not know {other}")
            elif other == "media" and found.name not in MEDIA_VALUES.get(layer, {found.name}):
                wrong.append(f"{where}, of which it may only know {MEDIA_VALUES[layer]}")
        elif found.top == "?":
            # Packages look their public names up in a table of their own; test_public reads it.
            if module not in TABLES:
                wrong.append(f"{where}: nobody can tell what that is")
        elif found.typing_only:
            continue
        elif found.top not in sys.stdlib_module_names:
            if found.top not in OTHERS.get(layer, set()):
                wrong.append(f"{where}, and {layer or 'the package'} may not")
        elif layer in PURE and found.top in _WORLD:
            wrong.append(f"{where}, and {layer} touches nothing outside of itself")
    return wrong


def threads_in(source: str, module: str) -> list[str]:
    """Where a module could start a thread or a process: lines."""
    wrong = []
    for found in imports_of(source, module):
        if found.top in _THREADS or (found.module == "threading" and found.name):
            wrong.append(f"{module}:{found.line} imports {found.module} {found.name or ''}")
        if found.top == "threading" and found.module != "threading":
            wrong.append(f"{module}:{found.line} imports {found.module}")
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "threading"
            and node.attr not in _LOCKS
        ):
            wrong.append(f"{module}:{node.lineno} uses threading.{node.attr}")
    return wrong


each_module = pytest.mark.parametrize("path", MODULES, ids=module_name)


@each_module
def test_imports_follow_the_code_map(path: Path) -> None:
    assert not wrong_imports(path.read_text(encoding="utf-8"), module_name(path))


@each_module
def test_only_the_pipeline_makes_threads(path: Path) -> None:
    if layer_of(module_name(path)) in THREADED or module_name(path) == FETCHING:
        return
    assert not threads_in(path.read_text(encoding="utf-8"), module_name(path))


@pytest.mark.parametrize("layer", PURE)
def test_pure_layers_open_nothing(layer: str) -> None:
    paths = [p for p in MODULES if layer_of(module_name(p)) == layer]
    assert paths
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            opens = isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "print")
            assert not opens, f"{path.name}:{node.lineno}"  # type: ignore[attr-defined]


def test_every_layer_is_in_the_code_map() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    code_map = text.partition("## Code map")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in code_map.splitlines() if row.startswith("| `")]
    named = {
        name.removesuffix(".py") for row in rows for name in re.findall(r"`(\w+(?:\.py)?)/?`", row)
    }
    assert _layers() - {"__main__"} <= named
    assert _layers() | {""} == set(OURS), "a new layer needs its row here and in ARCHITECTURE.md"


def test_exceptions_are_still_needed() -> None:
    used = {
        (module, found.layer)
        for path in MODULES
        for module in [module_name(path)]
        for found in imports_of(path.read_text(encoding="utf-8"), module)
        if found.top == "snapengine"
    }
    assert set(EXCEPTIONS) <= used


def test_native_libraries_have_one_home_each() -> None:
    homes: dict[str, set[str]] = {}
    for path in MODULES:
        for found in imports_of(path.read_text(encoding="utf-8"), module_name(path)):
            homes.setdefault(found.top, set()).add(layer_of(module_name(path)))
    assert homes["av"] == {"media"}
    assert homes["numba"] == homes["llvmlite"] == {"kernels"}
    assert homes["simplejpeg"] == {"imaging"}
    assert not homes.keys() & {"tests", "benchmarks", "bindings"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("snapengine.engine", "import av"),
        ("snapengine.results", "from av.video.frame import VideoFrame"),
        ("snapengine.imaging.scaler", "def f():\n    import numba"),
        ("snapengine.imaging.scaler", "from ..media import planes"),
        ("snapengine.imaging.scaler", "from ..media.planes import raw_frame"),
        ("snapengine.media.index", "from .. import imaging"),
        ("snapengine.media.index", "from ..pipeline import Pipeline"),
        ("snapengine.kernels.resize", "from ..model.geometry import Size"),
        ("snapengine.kernels.resize", "from ..errors import SnapError"),
        ("snapengine.model.plan", "from ..planning import planner"),
        ("snapengine.model.plan", "import os"),
        ("snapengine.planning.planner", "import numpy as np"),
        ("snapengine.planning.planner", "if True:\n    from pathlib import Path"),
        ("snapengine.planning.planner", "from typing import TYPE_CHECKING\n"
         "if TYPE_CHECKING:\n    from ..media.index import ContainerIndex"),
        ("snapengine.sources.local", "import av.error"),
        ("snapengine.outputs.stores", "import importlib\nimportlib.import_module('av')"),
        ("snapengine.outputs.stores", "from importlib import import_module\nimport_module(name)"),
        ("snapengine.pipeline", "from .imaging.scaler import render"),
        ("snapengine.sheet", "from .media.decoder import Decoder"),
        ("snapengine.errors", "from .model import plan"),
        ("snapengine.engine", "import tests.media.recipes"),
        ("snapengine.engine", "from benchmarks import corpus"),
        ("snapengine.__init__", "import numpy"),
        ("snapengine.cli", "from .engine import Video"),
        ("snapengine.cli", "from snapengine.media import opener"),
    ],
)  # fmt: skip
def test_the_check_sees(module: str, source: str) -> None:
    assert wrong_imports(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("snapengine.media.index", "import av.index\nfrom ..sources.base import Source"),
        ("snapengine.engine", "from typing import TYPE_CHECKING\n"
         "if TYPE_CHECKING:\n    import numpy"),
        ("snapengine.sheet", "from .media.decoder import Delivery"),
        ("snapengine.imaging.jpeg", "from . import _simplejpeg\nfrom ..kernels.full import x"),
        ("snapengine.media.__init__", "from .index import ContainerIndex"),
    ],
)  # fmt: skip
def test_the_check_lets_pass(module: str, source: str) -> None:
    assert not wrong_imports(source, module)


@pytest.mark.parametrize(
    "source",
    [
        "import threading\nthreading.Thread(target=f).start()",
        "import threading\nthreading.Timer(1, f)",
        "from threading import Thread",
        "from concurrent.futures import ThreadPoolExecutor",
        "import concurrent.futures",
        "import multiprocessing",
        "def f():\n    import _thread",
    ],
)
def test_the_check_sees_threads(source: str) -> None:
    assert threads_in(source, "snapengine.engine")
    assert not threads_in("import threading\nlock = threading.Lock()", "snapengine.engine")


def test_leaving_the_package_is_an_error() -> None:
    with pytest.raises(ValueError, match="outside"):
        list(imports_of("from ... import secrets", "snapengine.engine"))
