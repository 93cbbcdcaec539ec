"""python -m benchmarks [--quick] [-k WORDS] [--out FILE] [--strict]: run the suite and report."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest

from benchmarks.report import bars_table

_HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="12-min H.264 only, few rounds")
    parser.add_argument("-k", default="", help="only the cases that match (as with pytest)")
    parser.add_argument("--out", type=Path, help="results file")
    parser.add_argument("--strict", action="store_true", help="end with 1 when a bar is not met")
    options = parser.parse_args()
    out = options.out or _HERE / "results" / ("quick.json" if options.quick else "full.json")
    if options.k and not options.out:
        out = out.with_name("part.json")
    arguments = [str(_HERE), "-c", str(_HERE / "pytest.ini"), "--rootdir", str(_HERE.parent)]
    arguments += ["--out", str(out), "--benchmark-disable-gc", "--benchmark-columns=median,rounds"]
    if options.quick:
        arguments.append("--quick")
    if options.k:
        arguments += ["-k", options.k]
    out.unlink(missing_ok=True)
    status = int(pytest.main(arguments))
    if not out.exists():
        return status or 1
    results = json.loads(out.read_text())
    print()
    print(bars_table(results))
    missed = [bar for bar in results["bars"] if bar["met"] is False]
    return status or (1 if options.strict and missed else 0)


if __name__ == "__main__":
    sys.exit(main())
