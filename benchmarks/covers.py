"""Choosing covers: snapengine beside the tools used for it today, over the labelled cover set.

    python -m benchmarks.covers -o PAGE_DIR      # everything; the page shows every choice
    python -m benchmarks.covers -k blur flash    # only videos whose names hold one of these
    python -m benchmarks.covers --only snapengine parts
    python -m benchmarks.covers --tuning         # without the videos set aside
    python -m benchmarks.covers --renew snapengine   # the others' choices as they stand in the file
    python -m benchmarks.covers --again          # covers.md from covers.json

Results go to ``results/covers.json`` and ``results/covers.md``: figures only. The page has pictures
of real clips and is for looking at. Every contender chooses once per video, one after the other,
another one first each time; the labels, the judging and its rules are in ``tests/media/cover_set``
and ``cover_judge``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.cover_rivals import CONTENDERS, Answer, Contender, Facts, keyframe_count
from tests.media.cover_judge import Film, Verdict, film, judge, judge_times
from tests.media.cover_set import Labelled, build_all, labels, missing

__all__ = ["main", "report"]

RESULTS = Path(__file__).with_name("results")
RANDOM = "random"
_DRAWS = 200


def _choice(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {"at": round(at, 3), "label": span.label, "shot": span.shot, "good": span.good}
        for at, span in zip(verdict.at, verdict.spans, strict=True)
    ]


def _judged(video: Labelled, whole: Film, answer: Answer, seconds: float) -> dict[str, Any]:
    first = judge(video, whole, [answer.first])
    claimed = [at for at, _ in (answer.first, *(answer.three or ())) if at is not None]
    entry: dict[str, Any] = {
        "claimed": [round(at, 3) for at in claimed],
        "seconds": round(seconds, 3),
        "first": _choice(first)[0],
        "first_good": float(first.first_good),
        "three": None,
        "three_good": None,
    }
    if answer.three is not None:
        three = judge(video, whole, list(answer.three))
        entry |= {
            "three": _choice(three),
            "all_good": three.all_good,
            "different": three.enough_different,
            "three_good": float(three.passed),
        }
    if answer.scores:
        entry |= {"scores": list(answer.scores), "reasons": list(answer.reasons)}
    return entry


def _at_random(video: Labelled, whole: Film) -> dict[str, Any]:
    """What choosing frames blindly is worth: the share of good frames, and of so many draws."""
    times = [float(at) for at in whole.times]
    good = statistics.fmean(video.at(at).good for at in times)
    dice = random.Random(video.name)
    passed = statistics.fmean(
        judge_times(video, whole, tuple(dice.choices(times, k=3))).passed for _ in range(_DRAWS)
    )
    return {"seconds": 0.0, "first": None, "three": None, "first_good": good, "three_good": passed}


def _chosen(contender: Contender, path: Path, facts: Facts) -> tuple[Answer | str, float]:
    begin = time.perf_counter()
    try:
        answer: Answer | str = contender.choose(path, facts)
    except Exception as failure:  # noqa: BLE001  whatever one raises counts as a bad choice
        said = failure.stderr if isinstance(failure, subprocess.CalledProcessError) else failure
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        answer = (text.strip().splitlines() or [type(failure).__name__])[-1][:200]
    return answer, time.perf_counter() - begin


def _kept(entry: Any, video: Labelled, whole: Film) -> Any:
    """An earlier choice, judged by the labels of today."""
    if "failure" in entry:
        return entry
    first = judge_times(video, whole, (entry["first"]["at"],))
    again = entry | {"first": _choice(first)[0], "first_good": float(first.first_good)}
    if entry["three"] is not None:
        three = judge_times(video, whole, tuple(one["at"] for one in entry["three"]))
        again |= {
            "three": _choice(three),
            "all_good": three.all_good,
            "different": three.enough_different,
            "three_good": float(three.passed),
        }
    return again


def _still_valid(old: Any, name: str, file: str, contender: Contender, entry: Any) -> Any:
    """What an earlier run says of a contender and a video, if nothing has changed since."""
    before = old["videos"].get(name, {})
    if before.get("file") != file or old["contenders"].get(contender.name) != entry:
        return None
    return before["choices"].get(contender.name)


def run(
    names: list[str],
    contenders: list[Contender],
    told: Callable[[str, Any], None],
    old: Any = None,
) -> Any:
    """Every contender over every video of these names; of ``old`` results what still holds.

    ``told`` gets a line and the results so far after each video.
    """
    present, absent = [], {}
    entries: dict[str, Any] = {}
    for contender in contenders:
        try:
            version = contender.version()
        except ImportError as failure:
            absent[contender.name] = str(failure)
            continue
        present.append(contender)
        entries[contender.name] = {"version": version, "recipe": contender.recipe}
    entries[RANDOM] = {"version": "", "recipe": f"any frame; three of them, {_DRAWS} draws"}
    load_before = os.getloadavg()[0]
    began = time.perf_counter()
    paths = build_all()
    built = time.perf_counter() - began
    videos: dict[str, Any] = {}
    results = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": environment.describe(),
        "versions": environment.libraries(),
        "load": [round(load_before, 2), round(os.getloadavg()[0], 2)],
        "seconds_to_build": round(built, 1),
        "seconds_in_all": round(time.perf_counter() - began, 1),
        "left_out": missing(),
        "absent": absent,
        "contenders": entries,
        "videos": videos,
    }
    for turn, name in enumerate(one for one in names if one in paths):
        video, path = labels()[name], paths[name]
        whole = film(path)
        facts = Facts(tuple(float(at) for at in whole.times), keyframe_count(path))
        found: dict[str, Any] = {}
        start = turn % max(1, len(present))
        for contender in present[start:] + present[:start]:
            entry = entries[contender.name]
            kept = old and _still_valid(old, name, path.name, contender, entry)
            if kept:
                found[contender.name] = _kept(kept, video, whole)
                continue
            answer, seconds = _chosen(contender, path, facts)
            if isinstance(answer, str):
                found[contender.name] = {
                    "seconds": round(seconds, 3), "failure": answer, "first": None, "three": None,
                    "first_good": 0.0, "three_good": 0.0,
                }  # fmt: skip
            else:
                found[contender.name] = _judged(video, whole, answer, seconds)
        found[RANDOM] = _at_random(video, whole)
        videos[name] = {
            "file": path.name,
            "held_out": video.held_out,
            "real": bool(video.clip),
            "seconds": round(facts.seconds, 3),
            "frames": facts.frames,
            "different": video.different,
            "defects": sorted(video.defects),
            "choices": {one: found[one] for one in entries},
        }
        results["load"] = [round(load_before, 2), round(os.getloadavg()[0], 2)]
        results["seconds_in_all"] = round(time.perf_counter() - began, 1)
        line = ", ".join(f"{one} {said['first_good']:.2g}" for one, said in found.items())
        told(f"{name}: {line}", results)
    return results


# --- the figures ---------------------------------------------------------------------------------


def share(results: Any, name: str, key: str, keep: Callable[[Any], bool]) -> float | None:
    """Mean of ``first_good`` or ``three_good`` of a contender over the videos kept, 0..1."""
    values = [
        video["choices"][name][key]
        for video in results["videos"].values()
        if keep(video) and video["choices"][name][key] is not None
    ]
    return statistics.fmean(values) if values else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _table(results: Any, keep: Callable[[Any], bool]) -> list[str]:
    names = sorted(
        results["contenders"], key=lambda name: -(share(results, name, "first_good", keep) or 0)
    )
    lines = [
        "| contender | first choice good, % | three good and different, % | median s | failed |",
        "|---|---|---|---|---|",
    ]
    kept = [video for video in results["videos"].values() if keep(video)]
    for name in names:
        choices = [video["choices"][name] for video in kept]
        if not choices:
            continue
        spent = statistics.median(choice["seconds"] for choice in choices)
        failed = sum("failure" in choice for choice in choices)
        cells = [_percent(share(results, name, key, keep)) for key in ("first_good", "three_good")]
        time_told = f"{spent:.2f}" if spent else "-"
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {time_told} | {failed or ''} |")
    return lines


def _by_defect(results: Any) -> list[str]:
    kinds = sorted({kind for video in results["videos"].values() for kind in video["defects"]})
    names = list(results["contenders"])
    lines = [
        "| videos with | number | " + " | ".join(names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for kind in kinds:

        def keep(video: Any, kind: str = kind) -> bool:
            return kind in video["defects"]

        cells = []
        for name in names:
            pair = [share(results, name, key, keep) for key in ("first_good", "three_good")]
            cells.append(" / ".join("-" if one is None else f"{100 * one:.0f}" for one in pair))
        count = sum(map(keep, results["videos"].values()))
        lines.append(f"| {kind} | {count} | " + " | ".join(cells) + " |")
    return lines


def report(results: Any) -> str:
    """The figures as markdown."""
    videos = results["videos"].values()
    held = sum(video["held_out"] for video in videos)
    real = sum(video["real"] for video in videos)
    machine = results["machine"]
    lines = [
        "# Choosing covers",
        "",
        "Written by `python -m benchmarks.covers`. How the videos were made and labelled, and what",
        "good and different mean, is in `tests/media/cover_set.py`; the choices one by one are in",
        "`covers.json`. A choice is good when its frame is labelled so; three choices count when",
        "all are good and they are pairwise different (of a video with fewer than three different",
        "things: as many different ones as there are).",
        "",
        f"{len(videos)} videos, {real} of them real clips; {held} were set aside before anything "
        "was tuned.",
        "",
    ]
    parts: list[tuple[str, Callable[[Any], bool]]] = [
        ("All videos", lambda video: True),
        ("Set aside", lambda video: video["held_out"]),
        ("For tuning", lambda video: not video["held_out"]),
        ("Real clips", lambda video: video["real"]),
    ]
    for title, keep in parts:
        lines += [f"## {title} ({sum(map(keep, videos))})", "", *_table(results, keep), ""]
    lines += [
        "## By what is wrong in the video",
        "",
        "First choice good / three good and different, %.",
        "",
        *_by_defect(results),
        "",
        "## How they were called",
        "",
        "| contender | version | recipe |",
        "|---|---|---|",
    ]
    for name, entry in results["contenders"].items():
        recipe = entry["recipe"].replace("|", "\\|")
        lines.append(f"| {name} | {entry['version']} | `{recipe}` |")
    for name, why in results["absent"].items():
        lines.append(f"| {name} | absent | {why} |")
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines += [
        "",
        f"Measured {results['created'][:10]} on {machine['cores']} cores ({machine['cpu']}), "
        f"Python {machine['python']}, load {results['load'][0]} before and {results['load'][1]} "
        f"after; {versions}. {results['seconds_in_all']:.0f} s in all. Times are of one call and "
        "say little where the machine had other work.",
    ]
    if results["left_out"]:
        lines += ["", "Left out, no clip at hand: " + ", ".join(results["left_out"]) + "."]
    return "\n".join(lines) + "\n"


def _as_text(results: Any) -> str:
    """JSON with a line for each video and contender."""
    head = json.dumps(results | {"videos": {}}, indent=1).removesuffix("{}\n}")
    blocks = []
    for name, video in results["videos"].items():
        facts = json.dumps(video | {"choices": {}}).removesuffix("{}}")
        choices = (
            f"  {json.dumps(one)}: {json.dumps(said)}" for one, said in video["choices"].items()
        )
        blocks.append(f" {json.dumps(name)}: {facts}{{\n" + ",\n".join(choices) + "}}")
    return f"{head}{{\n" + ",\n".join(blocks) + "\n}}\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.covers")
    parser.add_argument("-o", metavar="DIR", type=Path, help="write the page with pictures here")
    parser.add_argument("-k", nargs="+", default=[], metavar="PART", help="videos by name")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="contenders by name")
    parser.add_argument("--tuning", action="store_true", help="not the videos set aside")
    parser.add_argument(
        "--renew", nargs="+", default=[], metavar="NAME",
        help="run these again; of the others keep what the results file holds and still is valid",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, default=RESULTS / "covers.json")
    parser.add_argument("--again", action="store_true", help="only write the tables and the page")
    asked = parser.parse_args(arguments)
    if asked.again:
        results = json.loads(asked.json.read_text())
    else:
        names = [one for one in labels() if not asked.k or any(part in one for part in asked.k)]
        if asked.tuning:
            names = [one for one in names if not labels()[one].held_out]
        old = json.loads(asked.json.read_text()) if asked.renew else None
        if old:
            for name in [one for one in old["contenders"] if one.startswith(tuple(asked.renew))]:
                del old["contenders"][name]
        contenders = [
            one for one in CONTENDERS if not asked.only or one.name.startswith(tuple(asked.only))
        ]

        def told(line: str, so_far: Any) -> None:
            print(line, flush=True)
            asked.json.write_text(_as_text(so_far))

        results = run(names, contenders, told, old)
    asked.json.with_suffix(".md").write_text(report(results))
    if asked.o:
        from benchmarks.cover_page import write_page

        write_page(results, asked.o)
    for part, keep in (("held out", True), ("tuning", False)):
        if not any(video["held_out"] == keep for video in results["videos"].values()):
            continue
        for name in results["contenders"]:
            pair = [
                _percent(share(results, name, key, lambda video, k=keep: video["held_out"] == k))
                for key in ("first_good", "three_good")
            ]
            print(f"{part:9} {name:28} first {pair[0]:>5}  three {pair[1]:>5}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
