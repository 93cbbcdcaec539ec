"""The package as text: its files, and what each of them imports. Nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PACKAGE", "ROOT", "Import", "imports_of", "layer_of", "module_name", "modules"]

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "snapengine"


@dataclass(frozen=True, slots=True)
class Import:
    """``module`` is absolute; ``name`` what is taken from it (``None``: ``import module``).

    ``typing_only``: inside ``if TYPE_CHECKING``, so nothing is loaded when the program runs.
    """

    module: str
    name: str | None
    line: int
    typing_only: bool = False

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def modules() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """``snapengine.media.index`` for its file; packages carry their ``__init__``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def layer_of(module: str) -> str:
    """The row of the code map: the folder or file right below the package, "" for itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports_of(source: str, module: str) -> Iterator[Import]:
    """Every import statement of a module, wherever it stands; relative ones resolved."""
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
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, parts, typing_only)
