"""What remote reading has promised, checked against a results file of :mod:`benchmarks.remote`."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from typing import Any

__all__ = ["PUBLISHED", "evaluate"]

ENGINE = "snapengine"
CONNECTIONS = 8  # of one video, by default
# Recipes found in guides and answers: those that read the file from end to end, which the bar was
# written for, and one input per picture. Eight processes at a time was built for this suite.
WHOLE_FILE = ("ffmpeg skip_frame nokey", "ffmpeg discard nokey x2")
PUBLISHED = (*WHOLE_FILE, "ffmpeg -ss inputs x2, URL")
# Header, rest of the index, frame: each can only be asked for when the one before has been read.
# With the index behind, the header says where it begins and the answer how long the file is.
COVER_TRIPS = 3
KILOBYTE = 1000

Row = dict[str, Any]


def evaluate(results: Row) -> list[Row]:
    """One row per bar: what was promised, what was measured, whether it is met."""
    found = {one["name"]: one for one in results["comparisons"]}
    rows: list[Row] = []
    for where, requests in (("first", 3), ("last", 4)):
        if (one := found.get(f"cover-moov-{where}")) is not None:
            rows += _cover(results, one, f"keyframe cover, moov {where}", requests)
    if (one := found.get("sprite")) is not None:
        rows += _sprite(results, one, "100-cell sprite, keyframes")
    if (one := found.get("exact")) is not None:
        allowed = 1.1 * one["needed"]["packets"]
        rows.append(_bytes(one, "20 exact snapshots", "1.1 x the packets decoded", allowed))
    for one in found.values():
        if "identical_to_local" in one:
            same, agreed = one["identical_to_local"], one["agreement"]
            rows.append(_fact(one["name"], "picture identical to that of the local file", same))
            counts = agreed["requests"] and agreed["bytes"]
            said = "requests / bytes by the server and by the engine: {} / {} and {} / {}"
            server, engine, server_bytes, engine_bytes = [*agreed["odd"], agreed["last"]][0]
            text = said.format(server, server_bytes, engine, engine_bytes)
            rows.append(_fact(one["name"], "stats are what the server counted", counts, text))
    for one in results.get("same", []):
        text = "; ".join(
            f"{way} {count['requests']} requests, {count['bytes']} bytes"
            for way, count in one["counts"].items()
        )
        rows.append(_fact(one["name"], "the same bytes over HTTP, S3 and read_at", one["ok"], text))
    return rows


def limit_seconds(results: Row, one: Row, decode: float) -> float:
    """The shortest a case can take, given how long decoding alone took in the same round."""
    server, need = results["server"], one["needed"]
    rate = server["megabits"] * 1e6 / 8
    if one["name"].startswith("cover"):
        transfer = (need["index"] + need["packets"]) / rate
        trips = COVER_TRIPS * server["latency_seconds"] + server["connect_seconds"]
        return float(trips + transfer + decode)
    return max(decode, (need["index"] + need["packets"]) / (CONNECTIONS * rate))


def _cover(results: Row, one: Row, case: str, requests: int) -> list[Row]:
    need = one["needed"]
    allowed = 1.1 * (need["index"] + need["packets"]) + 64 * KILOBYTE
    rows = [_requests(one, case, requests)]
    rows.append(_bytes(one, case, "1.1 x (index + frame) + 64 kB", allowed))
    for name in ("ffmpeg -ss, URL", "ffmpegthumbnailer"):
        rows.append(_faster(one, case, [name], 1.0))
    text = f"the {COVER_TRIPS} round trips, transfer and decoding"
    rows.append(_against_limit(results, one, case, text, 1.25, lambda limit: limit))
    return rows


def _sprite(results: Row, one: Row, case: str) -> list[Row]:
    need = one["needed"]
    allowed = 1.1 * (need["index"] + need["packets"]) + 256 * KILOBYTE
    trips = 6 * results["server"]["latency_seconds"]
    return [
        _bytes(one, case, "1.1 x needed + 256 kB", allowed),
        _faster(one, case, list(WHOLE_FILE), 15.0, "the best ffmpeg recipe that reads the file"),
        _faster(one, case, list(PUBLISHED), 15.0, "the best of those and one input per picture"),
        _faster(one, case, ["PyAV, URL"], 6.0),
        _against_limit(
            results,
            one,
            case,
            "(1.3 x max(decode limit, transfer limit) + 6 round trips)",
            1.0,
            lambda limit: 1.3 * limit + trips,
        ),
    ]


def _row(case: str, text: str, **more: Any) -> Row:
    blank = {"value": None, "low": None, "high": None, "unit": "", "against": "", "met": None}
    return {"case": case, "text": text, **blank, **more}


def _fact(case: str, text: str, met: bool, against: str = "") -> Row:
    return _row(case, text, met=met, against=against)


def _requests(one: Row, case: str, most: int) -> Row:
    row = _row(case, f"at most {most} requests", unit="requests", limit=most)
    traffic = one["contestants"].get(ENGINE, {}).get("traffic")
    if traffic:
        value = traffic["most_requests"]
        row |= {"value": value, "low": traffic["requests"], "high": value, "met": value <= most}
    return row


def _bytes(one: Row, case: str, text: str, allowed: float) -> Row:
    row = _row(case, f"at most {text}: {allowed:.0f} bytes", unit="bytes", limit=round(allowed))
    traffic = one["contestants"].get(ENGINE, {}).get("traffic")
    if traffic:
        value = traffic["most_body_bytes"]
        row |= {"value": value, "low": traffic["body_bytes"], "high": value}
        row["met"] = value <= allowed
    return row


def _faster(one: Row, case: str, names: list[str], times: float, label: str = "") -> Row:
    """The fastest of these by the engine's time, round by round."""
    asked = f"at least {times:g} x faster than" if times > 1 else "faster than"
    row = _row(case, f"{asked} {label or names[0]}", unit="x", limit=times)
    found = {
        name: one["contestants"][name]
        for name in names
        if one["contestants"].get(name, {}).get("times_the_engine")
    }
    if found:
        best = min(found, key=lambda name: found[name]["times_the_engine"]["median"])
        ratio = found[best]["times_the_engine"]
        row |= {"value": ratio["median"], "low": ratio["min"], "high": ratio["max"]}
        row |= {"against": best, "met": ratio["median"] >= times and ratio["median"] > 1}
    return row


def _against_limit(
    results: Row, one: Row, case: str, text: str, most: float, of: Callable[[float], float]
) -> Row:
    row = _row(case, f"at most {most:g} x {text}", unit="x", limit=most)
    engine = one["contestants"].get(ENGINE, {}).get("seconds", [])
    limit = one["contestants"].get("limit", {}).get("seconds", [])
    ratios, floors = [], []
    for mine, decode in itertools.zip_longest(engine, limit):
        if mine is not None and decode is not None:
            floors.append(of(limit_seconds(results, one, decode)))
            ratios.append(mine / floors[-1])
    if ratios:
        value = statistics.median(ratios)
        row |= {"value": round(value, 3), "low": round(min(ratios), 3)}
        row |= {"high": round(max(ratios), 3), "met": value <= most}
        row["against"] = f"{statistics.median(floors):.3f} s"
    return row
