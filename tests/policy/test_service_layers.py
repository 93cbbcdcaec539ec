"""Inside the service: which part may know which, and where a vendor's words may stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.policy.test_layers import EXAMPLES, PACKAGE, Import, imports_of, module_name

SERVICE = PACKAGE / "service"
MODULES = sorted(p for p in SERVICE.rglob("*.py") if EXAMPLES not in p.parents)

#: Part -> parts it may import besides itself. "dialects/base" is the seam, each folder beside it a
#: dialect.
PARTS: dict[str, set[str]] = {
    "__init__": {"domain", "facade", "settings", "web"},
    "auth": set(),
    "domain": set(),
    "settings": {"auth", "domain"},
    "naming": {"domain"},
    "links": {"auth", "settings"},
    "source_rules": {"domain", "settings"},
    "covers": {"domain"},
    "storage": {"domain"},
    "store": set(),
    "jobs": {"covers", "domain", "source_rules", "storage"},
    "callbacks": {"auth", "dialects/base", "domain", "storage"},
    "calls": {
        "auth", "covers", "dialects/base", "domain", "links", "naming", "settings",
        "source_rules", "storage", "store",
    },
    "completion": {"calls", "domain", "jobs", "naming", "storage"},
    "facade": {
        "auth", "callbacks", "calls", "completion", "dialects/base", "dialects/known", "domain",
        "jobs", "links", "settings", "storage", "store",
    },
    "web": {"auth", "covers", "dialects/base", "domain", "facade", "links", "naming", "settings"},
    "dialects/__init__": set(),
    "dialects/base": {"domain"},
    "dialects/known": {"dialects/aliyun", "dialects/base", "dialects/huawei", "facade"},
    "dialects/aliyun": {
        "auth", "dialects/base", "domain", "facade", "naming", "settings", "source_rules", "web",
    },
    "dialects/huawei": {"auth", "dialects/base", "domain", "facade", "naming", "settings", "web"},
}  # fmt: skip
#: Libraries -> the only parts that know them.
HOMES = {
    "sqlalchemy": {"storage"},
    "fsspec": {"store"},
    "starlette": {"__init__", "dialects/aliyun", "dialects/base", "dialects/huawei", "web"},
    "PIL": {"covers"},
    "subprocess": {"jobs"},
}
#: A vendor's spellings, and its name.
WIRE = re.compile(
    r"\b(VideoId|CoverURL|SnapshotType|asset_process|thumbnailUrl|VOD\.\d+|APIGW|X-VOD|x-acs|X-Sdk|"
    r"SnapshotJob|coverComplete)\b"
)


def part_of(path: Path) -> str:
    """The key of :data:`PARTS` that a module belongs to."""
    parts = path.relative_to(SERVICE).with_suffix("").parts
    return "/".join(parts[:2]) if parts[0] == "dialects" else parts[0]


def imported(found: Import) -> str | None:
    """The part that an import takes something from; ``None``: it is none of the service's."""
    parts = [*found.module.split("."), *([found.name] if found.name else [])][2:]
    if not found.module.startswith("snapengine.service") or not parts:
        return None
    if parts[0] == "dialects" and len(parts) > 1:
        return "/".join(parts[:2])
    return parts[0]


each_module = pytest.mark.parametrize("path", MODULES, ids=module_name)


@each_module
def test_parts_know_what_they_may(path: Path) -> None:
    mine = part_of(path)
    assert mine in PARTS, "a new part needs its row here"
    for found in imports_of(path.read_text(encoding="utf-8"), module_name(path)):
        other = imported(found)
        if other is not None and other != mine:
            assert other in PARTS[mine], f"{path.name}:{found.line}: {mine} may not know {other}"


@each_module
def test_libraries_have_one_home(path: Path) -> None:
    for found in imports_of(path.read_text(encoding="utf-8"), module_name(path)):
        if found.typing_only:
            continue
        assert part_of(path) in HOMES.get(found.top, {part_of(path)}), f"{path.name}:{found.line}"


@each_module
def test_wire_names_stay_in_their_dialect(path: Path) -> None:
    # The schemes of signatures are wire formats themselves.
    if part_of(path) in ("auth", "dialects/aliyun", "dialects/huawei"):
        return
    found = WIRE.findall(path.read_text(encoding="utf-8"))
    assert not found, f"{path.name} says {found}"


def test_dialects_do_not_know_each_other() -> None:
    names = {part for part in PARTS if part.startswith("dialects/")}
    vendors = names - {"dialects/__init__", "dialects/base", "dialects/known"}
    assert len(vendors) >= 2
    for vendor in vendors:
        assert not PARTS[vendor] & vendors
        assert not {"storage", "store", "jobs", "calls"} & PARTS[vendor]
