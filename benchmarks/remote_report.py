"""The results of :mod:`benchmarks.remote` as a page of tables."""

from __future__ import annotations

from typing import Any

from benchmarks.remote_bars import ENGINE

__all__ = ["report"]


def report(results: dict[str, Any]) -> str:
    machine, server = results["machine"], results["server"]
    versions = dict(results["versions"])
    for one in results["comparisons"]:
        for name, entry in one["contestants"].items():
            if entry["version"] and not name.startswith("limit"):
                versions[name.split(",")[0].split(" -")[0]] = entry["version"]
    told = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    parts = [
        "# Remote videos",
        f"`python -m benchmarks.remote`{' --quick' if results['quick'] else ''}, "
        f"{results['created'][:10]}, {machine['cores']} cores ({machine['cpu']}), Python "
        f"{machine['python']}; load {results['load_before'][0]} before and "
        f"{results['load_after'][0]} after. A local server answers each request after "
        f"{server['latency_seconds'] * 1000:.0f} ms and sends {server['megabits']:g} Mbit/s on "
        f"each connection; connecting costs {server['connect_seconds'] * 1000:.0f} ms. It shares "
        "the cores with the contestants.",
        _bars(results["bars"]),
    ]
    for one in results["comparisons"]:
        parts += [f"## {one['title']}", _needed(one), _table(one)]
    parts.append(f"Versions: {told}.")
    return "\n\n".join(parts) + "\n"


def _bars(rows: list[dict[str, Any]]) -> str:
    lines = ["| case | bar | measured (least to most) | met |", "|---|---|---|---|"]
    for row in rows:
        measured = "not run"
        if row["value"] is not None:
            spread = f"{_number(row, 'low')} to {_number(row, 'high')}"
            measured = f"**{_number(row, 'value')}** ({spread})"
            if row["against"]:
                measured += f" against {row['against']}"
        elif row["met"] is not None:
            measured = row["against"] or "compared byte by byte"
        met = "-" if row["met"] is None else "yes" if row["met"] else "**no**"
        lines.append(f"| {row['case']} | {row['text']} | {measured} | {met} |")
    return "\n".join(lines)


def _number(row: dict[str, Any], name: str) -> str:
    value = row[name]
    return f"{value:.2f} x" if row["unit"] == "x" else f"{value:,} {row['unit']}"


def _needed(one: dict[str, Any]) -> str:
    need = one["needed"]
    return (
        f"Needed: {need['index']:,} bytes of index and {need['packets']:,} bytes in "
        f"{need['count']} packets."
    )


def _table(one: dict[str, Any]) -> str:
    lines = [
        "| contestant | median | x the engine (min to max) | requests | connections | MB "
        "| processor time | right frames |",
        "|---|---|---|---|---|---|---|---|",
    ]
    contestants = one["contestants"]
    for name in sorted(contestants, key=lambda name: contestants[name]["median"] or 1e9):
        entry = contestants[name]
        if entry["median"] is None:
            lines.append(f"| {name} | {entry['failure'] or 'not timed'} | | | | | | |")
            continue
        ratio, traffic = entry["times_the_engine"], entry.get("traffic")
        told = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})" if ratio else ""
        seen = "local file | | " if traffic is None else (
            f"{traffic['requests']} | {traffic['connections']} "
            f"| {traffic['body_bytes'] / 1e6:.2f}"
        )  # fmt: skip
        verdict = entry["verified"] or {}
        frames = f"{verdict.get('right', '?')} of {verdict.get('cells', '?')}"
        shown = f"**{name}**" if name == ENGINE else name
        cpu = f"{entry['cpu_median']:.3f} s" if entry["cpu_median"] else ""
        lines.append(f"| {shown} | {entry['median']:.3f} s | {told} | {seen} | {cpu} | {frames} |")
    return "\n".join(lines)
