"""From a results file: the table of the bars, tables of every comparison, and the chart.

    python -m benchmarks.report RESULTS.json                  # markdown on stdout
    python -m benchmarks.report RESULTS.json --chart OUT.svg
    python -m benchmarks.report RESULTS.json --readme README.md --chart benchmarks/results/full.svg

``--readme`` replaces what stands between ``<!-- bench:start -->`` and ``<!-- bench:end -->``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.bars import evaluate

__all__ = ["bars_table", "chart", "comparison_table", "readme_block"]

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
ENGINE = "snapengine"
CHARTED = (
    ("cover/h264-1080p-12min", "One keyframe cover"),
    ("snapshots-20/h264-1080p-12min", "20 scattered exact snapshots, full size"),
    ("sprite-keyframe/h264-1080p-12min", "Sprite of 100 cells, by keyframe"),
    ("sprite-exact/h264-1080p-12min", "Sprite of 100 cells, exact"),
)
# Variants of the limit explain the limit; in a chart they would only be noise.
NOT_CHARTED = ("limit, reading included", "limit, no frame skipped", "limit, no loop filter")


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if unit != "s" or value >= 1 else 3
    return f"{value:.{digits}f}{'' if unit == 'x' else ' '}{unit}"


def bars_table(results: dict[str, Any]) -> str:
    """The bars with what was measured, as markdown."""
    lines = [
        "| case | bar | measured (min to max) | by processor time | met |",
        "|---|---|---|---|---|",
    ]
    for bar in results["bars"]:
        unit = bar["unit"]
        most = bar["at_most"] is not None
        limit = _number(bar["at_most"] if most else bar["at_least"], unit)
        asked = f"at {'most' if most else 'least'} {limit} {bar['text']}"
        if bar["value"] is None:
            measured, met = "not run", "-"
        else:
            spread = f"{_number(bar['low'], unit)} to {_number(bar['high'], unit)}"
            against = f" against {bar['against']}" if bar["against"] else ""
            measured = f"**{_number(bar['value'], unit)}** ({spread}){against}"
            met = "yes" if bar["met"] else "**no**"
        cpu = _number(bar["by_processor_time"], unit)
        lines.append(f"| {bar['case']} | {asked} | {measured} | {cpu} | {met} |")
    return "\n".join(lines)


def comparison_table(comparison: dict[str, Any]) -> str:
    """One comparison: everyone, fastest first."""
    lines = [
        f"#### {comparison['title']}",
        "",
        "| contestant | median | x the engine (min to max) | processor time | right frames |",
        "|---|---|---|---|---|",
    ]
    contestants = comparison["contestants"]
    for name in sorted(contestants, key=lambda one: contestants[one]["median"] or 1e9):
        entry = contestants[name]
        if entry["median"] is None:
            lines.append(f"| {name} | {entry['failure']} | | | |")
            continue
        ratio = entry["times_the_engine"]
        told = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})" if ratio else ""
        verdict = entry["verified"] or {}
        frames = f"{verdict.get('right', '?')} of {verdict.get('cells', '?')}"
        shown = f"**{name}**" if name == ENGINE else name
        cpu = _number(entry["cpu_median"], "s")
        median = _number(entry["median"], "s")
        lines.append(f"| {shown} | {median} | {told} | {cpu} | {frames} |")
    if comparison["name"].startswith("ranking/"):
        lines += ["", *_ranking_notes(contestants)]
    return "\n".join(lines)


def _ranking_notes(contestants: dict[str, Any]) -> list[str]:
    """What a ranking cost and gave beyond its time: which frames is everyone's own choice."""
    decoded, different = [], []
    for name, entry in contestants.items():
        verdict = entry["verified"] or {}
        if (frames := entry["counters"].get("frames_decoded")) is not None:
            decoded.append(f"{name} {frames}")
        if verdict.get("matrix"):
            different.append(f"{name} {verdict['covered']} of {verdict['cells']}")
    return [
        f"Frames decoded: {'; '.join(decoded)}.",
        f"Different pictures among those chosen: {'; '.join(different)}.",
    ]


def conditions(results: dict[str, Any]) -> str:
    """Where and with what it was measured, in one sentence."""
    machine, versions = results["machine"], dict(results["versions"])
    for comparison in results["comparisons"]:
        for name, entry in comparison["contestants"].items():
            if entry["version"] and not name.startswith("limit"):
                versions[name.split()[0] if name.startswith("ffmpeg ") else name] = entry["version"]
    versions.pop("torchcodec x2", None)
    versions.pop("plain PyAV", None)
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    load = f"{results['load_before'][0]} before and {results['load_after'][0]} after"
    return (
        f"Measured {results['created'][:10]} on {machine['cores']} cores ({machine['cpu']}), "
        f"Python {machine['python']}, load {load}; {told}."
    )


def readme_block(results: dict[str, Any], chart_path: str | None) -> str:
    parts = []
    if chart_path:
        parts.append(f"![Time of each tool as a multiple of snapengine's]({chart_path})")
    parts += [bars_table(results), conditions(results)]
    if results.get("missing"):
        parts.append(f"Not installed in this run: {', '.join(sorted(results['missing']))}.")
    return "\n\n".join(parts)


# -- the chart ---------------------------------------------------------------------------------

_WIDTH, _LABEL, _BAR, _ROW, _VALUE = 860, 190, 16, 22, 150

# Colours read on white and on black alike; text takes the page's own scheme where it is told.
_STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 13px }
  .note, .value { fill: #59636e }
  .axis { stroke: #8b949e; stroke-width: 1 }
  .engine { fill: #0a7d5a } .limit { fill: #8b949e } .rival { fill: #4c7fc0 }
  .wrong { fill: #4c7fc0; fill-opacity: .45 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note, .value { fill: #9198a1 }
    .engine { fill: #2fbf8f } .rival { fill: #6ea0df } .wrong { fill: #6ea0df }
  }
"""


def chart(results: dict[str, Any]) -> str:
    """An SVG: per case a group of bars, time as a multiple of the engine's, on its own scale."""
    found = {one["name"]: one for one in results["comparisons"]}
    groups = []
    for name, title in CHARTED:
        if name in found:
            rows = _rows(found[name])
            if rows:
                groups.append((title, rows))
    y, parts = 44, []
    for title, rows in groups:
        parts.append(f'<text class="title" x="8" y="{y}">{escape(title)}</text>')
        y += 10
        longest = max(row[1] for row in rows)
        scale = (_WIDTH - _LABEL - _VALUE) / longest
        top = y
        for label, ratio, seconds, kind in rows:
            middle = y + _BAR / 2 + 4.5
            length = max(2.0, ratio * scale)
            parts.append(
                f'<text x="{_LABEL - 8}" y="{middle:.1f}" text-anchor="end">{escape(label)}</text>'
                f'<rect class="{kind}" x="{_LABEL}" y="{y}" width="{length:.1f}" '
                f'height="{_BAR}" rx="2"/>'
                f'<text class="value" x="{_LABEL + length + 6:.1f}" y="{middle:.1f}">'
                f"{_times(ratio)}  ·  {_seconds(seconds)}</text>"
            )
            y += _ROW
        parts.append(
            f'<line class="axis" x1="{_LABEL}" y1="{top - 3}" x2="{_LABEL}" y2="{y - 3}"/>'
        )
        y += 26
    machine = results["machine"]
    heading = "Time as a multiple of snapengine's in the same round (median), shorter is better"
    notes = (
        f"{machine['cores']} cores, {machine['cpu']}; 12-minute 1080p H.264. "
        "Pale: some pictures show another frame than the one asked for.",
        "Limit: libavcodec decoding the same packets on the same cores, frames thrown away.",
    )
    for note in notes:
        parts.append(f'<text class="note" x="8" y="{y}">{escape(note)}</text>')
        y += 17
    height = y - 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(heading)}">'
        f"<style>{_STYLE}</style>"
        f'<text class="note" x="8" y="18">{escape(heading)}</text>' + "".join(parts) + "</svg>\n"
    )


def _rows(comparison: dict[str, Any]) -> list[tuple[str, float, float, str]]:
    rows = []
    for name, entry in comparison["contestants"].items():
        ratio = entry["times_the_engine"]
        if not ratio or name in NOT_CHARTED:
            continue
        verdict = entry["verified"] or {}
        right = verdict.get("right") == verdict.get("cells")
        kind = "engine" if name == ENGINE else "limit" if name == "limit" else "rival"
        if kind == "rival" and not right:
            kind = "wrong"
        rows.append((name, ratio["median"], entry["median"], kind))
    order = {"engine": 0, "limit": 1}
    return sorted(rows, key=lambda row: (order.get(row[3], 2), row[1]))


def _times(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--chart", type=Path, help="write the SVG chart here")
    parser.add_argument("--readme", type=Path, help="replace the marked block in this file")
    parser.add_argument(
        "--add", type=Path, action="append", default=[], help="probes of another run of this tree"
    )
    options = parser.parse_args()
    results = json.loads(options.results.read_text())
    for other in options.add:
        results["probes"] |= json.loads(other.read_text())["probes"]
    results["bars"] = evaluate(results)
    if options.chart:
        options.chart.write_text(chart(results))
    if options.readme:
        text = options.readme.read_text()
        if START not in text or END not in text:
            print(f"{options.readme.name} has no {START} and {END}", file=sys.stderr)
            return 1
        beside = options.readme.resolve().parent
        where = os.path.relpath(options.chart.resolve(), beside) if options.chart else None
        before, rest = text.split(START, 1)
        after = rest.split(END, 1)[1]
        block = readme_block(results, where)
        options.readme.write_text(f"{before}{START}\n{block}\n{END}{after}")
    if not options.chart and not options.readme:
        print(bars_table(results))
        for comparison in results["comparisons"]:
            print(f"\n{comparison_table(comparison)}")
        print(f"\n{conditions(results)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
