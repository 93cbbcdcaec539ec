"""What the package shows to others, and habits that a reader of its code may rely on."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import snapengine
from snapengine import errors

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "snapengine"
SOURCES = sorted(PACKAGE.rglob("*.py"))
OURS = [
    p for name in ("snapengine", "tests", "benchmarks") for p in sorted((ROOT / name).rglob("*.py"))
]
HEAVY = ("av", "numpy", "numba", "llvmlite", "PIL", "simplejpeg", "turbojpeg")

#: Longer than a reader likes; each with its reason.
LONG_LINES, TOO_LONG_LINES = 400, 600
LONG = {
    "snapengine/engine.py": "the public verbs: half of it is what their callers read",
    "snapengine/media/demuxer.py": "one reader's state; each seek rule needs all of it",
    "snapengine/media/batching.py": "one state of one demuxer; its cutting rules are read together",
}
#: Methods and properties whose name and type say all there is to say.
SELF_EVIDENT = {
    "Cover.height",
    "Cover.size",
    "Cover.width",
    "Plan.seeks",
    "RunStats.as_dict",
    "Snapshot.height",
    "Snapshot.size",
    "Snapshot.width",
    "SpritePage.height",
    "SpritePage.width",
    "VideoInfo.coded_size",
    "VideoInfo.display_aspect_ratio",
    "VideoInfo.display_size",
    "VideoInfo.orientation",
}

all_errors = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.SnapError)
]
each_error = pytest.mark.parametrize("kind", all_errors, ids=lambda kind: kind.__name__)


def fresh(code: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return done.stdout


# -- names ----------------------------------------------------------------------------------


def test_all_is_sorted_and_complete() -> None:
    assert snapengine.__all__ == sorted(set(snapengine.__all__))
    offered = {n for n in dir(snapengine) if not n.startswith("_")}
    # Folders and modules become attributes when something imports them; they are not offered.
    modules = {p.stem for p in PACKAGE.iterdir()}
    helpers = {"TYPE_CHECKING", "Any", "annotations", "importlib"}
    assert offered - helpers - (modules - {"aio", "errors"}) == set(snapengine.__all__) - {
        "__version__"
    }


@pytest.mark.parametrize("name", snapengine.__all__)
def test_every_name_resolves(name: str) -> None:
    value = getattr(snapengine, name)
    if isinstance(value, (type, FunctionType)):
        assert value.__name__ == name
        assert value.__module__.startswith("snapengine.")


def test_every_name_comes_through_a_star() -> None:
    names = set(fresh("from snapengine import *; print(*(n for n in dir()))").split())
    assert set(snapengine.__all__) <= names


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        snapengine.nonsense  # noqa: B018


@pytest.mark.parametrize("statement", ["import snapengine", "import snapengine.cli"])
def test_importing_is_cheap(statement: str) -> None:
    loaded = fresh(f"import sys; {statement}; print(*sys.modules)").split()
    assert "snapengine.errors" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)


def test_type_checkers_are_told_the_same_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If))
    told = {
        alias.name: node.module or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == snapengine._HOMES


# -- docstrings -----------------------------------------------------------------------------


def parts(name: str) -> dict[str, Any]:
    """A public name and the public methods and properties that instances of it have."""
    value = getattr(snapengine, name)
    found = {name: value}
    if isinstance(value, type) and not issubclass(value, errors.SnapError):
        for member in dir(value):
            raw = inspect.getattr_static(value, member)
            if not member.startswith("_") and isinstance(
                raw, (FunctionType, property, classmethod, staticmethod)
            ):
                found[f"{name}.{member}"] = raw
    elif value is errors:
        found |= {f"{name}.{kind.__name__}": kind for kind in all_errors}
    elif inspect.ismodule(value):
        for member in value.__all__:
            found |= {f"{name}.{member}": getattr(value, member)}
    return found


PARTS = {k: v for n in snapengine.__all__ if n != "__version__" for k, v in parts(n).items()}


def undocumented(part: str) -> bool:
    owner, _, member = part.partition(".")
    if isinstance(PARTS[part], (FunctionType, classmethod, staticmethod)) and member:
        return not inspect.getdoc(getattr(getattr(snapengine, owner), member))
    return not (PARTS[part].__doc__ or "").strip()


def test_everything_public_is_documented() -> None:
    assert len(PARTS) > 60
    assert {part for part in PARTS if undocumented(part)} == SELF_EVIDENT


def test_every_module_says_what_it_is() -> None:
    for path in SOURCES:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert text, path
        assert text[0].isupper() or text[0] in "`:" or text.startswith("snapengine"), path


# -- errors ---------------------------------------------------------------------------------


def told_tree(text: str) -> dict[str, tuple[str, str | None, bool]]:
    """Name -> (parent, builtin base, retryable), read from the drawing in the docstring."""
    found: dict[str, tuple[str, str | None, bool]] = {}
    root = branch = ""
    for line in text.partition("::\n")[2].partition("``*``")[0].splitlines():
        depth = line.count("|")
        columns = re.split(r"\s{2,}", line.replace("|-", "").replace("|", "").strip())
        names = [m for c in columns if (m := re.fullmatch(r"([A-Z]\w+)(\*?)(?: \((\w+)\))?", c))]
        if not names:
            continue
        if depth == 0:
            root = branch = names[0][1]
            found[root] = ("", names[0][3], False)
            continue
        for place, match in enumerate(names):
            parent = root if depth == 1 and place == 0 else branch
            found[match[1]] = (parent, match[3], bool(match[2]))
            if depth == 1 and place == 0:
                branch = match[1]
    return found


def test_the_drawn_error_tree_is_the_real_one() -> None:
    told = told_tree(errors.__doc__ or "")
    assert len(told) > 20
    real = {}
    for kind in all_errors:
        ours = [b for b in kind.__bases__ if issubclass(b, errors.SnapError)]
        builtin = [b.__name__ for b in kind.__bases__ if b not in ours and b is not Exception]
        real[kind.__name__] = (
            ours[0].__name__ if ours else "",
            builtin[0] if builtin else None,
            kind.retryable,
        )
    assert told == real


def test_errors_offers_all_errors() -> None:
    assert errors.__all__ == sorted(
        {*(kind.__name__ for kind in all_errors), "PictureWarning", "Stage"}
    )


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [vars(kind).get("code") for kind in all_errors]
    assert all(isinstance(c, str) and re.fullmatch(r"[a-z]+(_[a-z]+)*", c) for c in codes)
    assert len(set(codes)) == len(codes)


@each_error
def test_errors_cross_processes_whole(kind: type[errors.SnapError]) -> None:
    error = kind("what went wrong", stage="decode", source="a.mp4", time=1.5, limit="pixels")
    for again in (
        *(pickle.loads(pickle.dumps(error, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy(error),
    ):
        assert type(again) is kind
        assert (str(again), again.message) == ("what went wrong", "what went wrong")
        assert (again.stage, again.context) == (error.stage, error.context)
        assert again.args == error.args


@each_error
def test_errors_are_documented_and_plain(kind: type[errors.SnapError]) -> None:
    assert (kind.__doc__ or "").strip()
    assert kind("no stage").stage is None
    with pytest.raises(errors.SnapError, match="no stage"):
        raise kind("no stage")


# -- habits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_library_does_not_print(path: Path) -> None:
    if path.parent.name in ("cli", "examples"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "print",
            "logging.basicConfig",
        ):
            pytest.fail(f"{path.name}:{node.lineno} speaks for the program it is part of")


@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_grows_out_of_hand(path: Path) -> None:
    name, lines = str(path.relative_to(ROOT)), len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= TOO_LONG_LINES, f"{name} has {lines} lines"
    if path.is_relative_to(PACKAGE):
        assert lines <= LONG_LINES or name in LONG, f"{name} has {lines} lines: cut it, or say why"


def test_nothing_is_left_for_later() -> None:
    marks = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")))
    left = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in OURS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert not left


def decorated(path: Path) -> dict[str, list[str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name: [ast.unparse(d) for d in node.decorator_list]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


KERNEL_FILES = sorted(
    p for p in (PACKAGE / "kernels").glob("[!_]*.py") if p.name not in ("__init__.py", "warmup.py")
)


@pytest.mark.parametrize("path", KERNEL_FILES, ids=lambda p: p.stem)
def test_kernels_come_through_the_one_door(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "numba" not in {n.partition(".")[0] for n in re.findall(r"import (\S+)", text)}
    for name, decorators in decorated(path).items():
        if not name.startswith("_"):
            assert any(d.startswith("kernel(") for d in decorators), f"{path.stem}.{name}"


def test_every_kernel_is_registered_with_its_contract() -> None:
    from snapengine.kernels import warmup
    from snapengine.kernels._jit import REGISTRY

    ours = [k for k in REGISTRY if k.function.__module__.startswith("snapengine.")]
    homes = {kernel.function.__module__.rpartition(".")[2] for kernel in ours}
    assert homes == {path.stem for path in KERNEL_FILES}, "warmup must import each module"
    assert warmup.REGISTRY is REGISTRY
    for kernel in ours:
        text = inspect.getdoc(kernel.function) or ""
        for heading in ("Shapes:", "Units:", "Ownership:", "Threads:"):
            assert heading in text, f"{kernel!r}: {heading}"
