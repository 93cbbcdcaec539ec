"""The bars: what the engine has promised to reach, checked against a results file.

A bar reads one number from the results, the median of ratios taken within one run, and compares
it. Names of comparisons are those of the ``test_*.py`` beside this file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["BARS", "Bar", "Measured", "evaluate"]

MEGABYTE = 1_000_000
LIBRARIES = ("torchcodec", "torchcodec x2", "decord", "OpenCV")
# The same without the contestant that drives two decoders by hand, as a tutorial shows it.
ONE_CALL = ("torchcodec", "decord", "OpenCV")
# Recipes found in guides and answers. "ffmpeg concat x2" is not among them: it was built for this
# suite, decodes exactly the packets the engine decodes, and is reported beside them.
PUBLISHED = ("ffmpeg skip_frame nokey", "ffmpeg discard nokey x2", "ffmpeg -ss inputs x2")
KEYFRAME = "sprite-keyframe/h264-1080p-12min"
EXACT = "sprite-exact/h264-1080p-12min"
SCATTERED = "snapshots-20/h264-1080p-12min"
COVER = "cover/h264-1080p-12min"
RANKING = "ranking/h264-1080p-12min"
# The guides' spelling and the fastest one we found; a bar takes whichever is faster.
THUMBNAIL_KEYFRAMES = ("ffmpeg thumbnail, keyframes", "ffmpeg thumbnail, keyframes by thirds")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A value with its spread within the run, and against whom it was taken.

    ``cpu`` is the same ratio by processor time. It is not what a user waits for, but it hardly
    moves when something else runs on the machine: where the two disagree the machine was busy.
    """

    value: float
    low: float
    high: float
    against: str = ""
    cpu: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """``at_most`` or ``at_least`` is the limit; ``read`` finds the value, or None if not run."""

    case: str
    text: str
    unit: str
    read: Callable[[dict[str, Any]], Measured | None]
    at_most: float | None = None
    at_least: float | None = None

    def met(self, value: float) -> bool:
        if self.at_most is not None:
            return value <= self.at_most
        assert self.at_least is not None
        return value >= self.at_least


def _by_limit(comparison: str, limit: str = "limit") -> Callable[[dict[str, Any]], Measured | None]:
    """Engine's time by the limit's time."""

    def read(results: dict[str, Any]) -> Measured | None:
        ratio = _ratio(results, comparison, limit)
        if ratio is None:
            return None
        return Measured(
            value=1 / ratio["median"],
            low=1 / ratio["max"],
            high=1 / ratio["min"],
            against=limit,
            cpu=1 / cpu if (cpu := _cpu(results, comparison, limit)) else None,
        )

    return read


def _by_fastest(
    comparison: str, rivals: tuple[str, ...], *, covering: bool = False
) -> Callable[[dict[str, Any]], Measured | None]:
    """The fastest of these rivals' time by the engine's time.

    Those that show wrong frames stay in (a wrong frame is not slower to make), except that with
    ``covering`` a rival has to show something within half the spacing of every time asked.
    """

    def read(results: dict[str, Any]) -> Measured | None:
        found = []
        for rival in rivals:
            ratio = _ratio(results, comparison, rival)
            verdict = (_contestant(results, comparison, rival) or {}).get("verified") or {}
            if ratio and not (covering and verdict.get("covered") != verdict.get("cells")):
                found.append((ratio["median"], ratio, rival))
        if not found:
            return None
        _, ratio, rival = min(found, key=lambda entry: entry[0])
        return Measured(
            value=ratio["median"],
            low=ratio["min"],
            high=ratio["max"],
            against=rival,
            cpu=_cpu(results, comparison, rival),
        )

    return read


def _probe(name: str, *keys: str, by: float = 1.0) -> Callable[[dict[str, Any]], Measured | None]:
    def read(results: dict[str, Any]) -> Measured | None:
        probe = results.get("probes", {}).get(name)
        if not probe or probe.get("failure"):
            return None
        value, low, high = (probe[key] / by for key in keys)
        return Measured(value=value, low=low, high=high)

    return read


def _contestant(results: dict[str, Any], comparison: str, name: str) -> dict[str, Any] | None:
    for one in results.get("comparisons", []):
        if one["name"] == comparison:
            found: dict[str, Any] | None = one["contestants"].get(name)
            return found
    return None


def _ratio(results: dict[str, Any], comparison: str, name: str) -> dict[str, Any] | None:
    contestant = _contestant(results, comparison, name) or {}
    ratio: dict[str, Any] | None = contestant.get("times_the_engine")
    return ratio


def _cpu(results: dict[str, Any], comparison: str, name: str) -> float | None:
    ratio = (_contestant(results, comparison, name) or {}).get("cpu_times_the_engine") or {}
    value: float | None = ratio.get("median")
    return value


_KEYFRAME_CASE = "100-cell sprite, keyframe accuracy, 12-min 1080p H.264"
_EXACT_CASE = "the same, exact"
_SCATTERED_CASE = "20 scattered exact snapshots at full size"
_COVER_CASE = "one keyframe cover, file opened fresh, process warm"
_RANKING_CASE = "ranking 3 covers, 12-min 1080p H.264, file opened fresh"
_LENGTH_CASE = "the same sprite from a 2 h file as from a 12-min file"
_EVERYONE = ("ffmpeg -ss inputs x2", "ffmpegthumbnailer", "OpenCV", "decord", "torchcodec")

BARS: tuple[Bar, ...] = (
    Bar(
        case=_KEYFRAME_CASE,
        text="of the limit (the decoder alone, default settings)",
        unit="x",
        at_most=1.0,
        read=_by_limit(KEYFRAME),
    ),
    Bar(
        case=_KEYFRAME_CASE,
        text="faster than the best published ffmpeg recipe covering the same times",
        unit="x",
        at_least=5.0,
        read=_by_fastest(KEYFRAME, PUBLISHED, covering=True),
    ),
    Bar(
        case=_EXACT_CASE,
        text="of its limit",
        unit="x",
        at_most=1.05,
        read=_by_limit(EXACT),
    ),
    Bar(
        case=_EXACT_CASE,
        text="faster than ffmpeg fps=1/N,scale,tile",
        unit="x",
        at_least=6.0,
        read=_by_fastest(EXACT, ("ffmpeg fps,scale,tile",)),
    ),
    Bar(
        case=_EXACT_CASE,
        text="faster than the fastest of torchcodec, decord and OpenCV",
        unit="x",
        at_least=1.9,
        read=_by_fastest(EXACT, LIBRARIES),
    ),
    Bar(
        case=_EXACT_CASE,
        text="for comparison, no promised bar: each library by one call with its own threads",
        unit="x",
        at_least=1.9,
        read=_by_fastest(EXACT, ONE_CALL),
    ),
    Bar(
        case=_SCATTERED_CASE,
        text="faster than the fastest of torchcodec, decord and OpenCV",
        unit="x",
        at_least=1.8,
        read=_by_fastest(SCATTERED, LIBRARIES),
    ),
    Bar(
        case=_SCATTERED_CASE,
        text="for comparison, no promised bar: each library by one call with its own threads",
        unit="x",
        at_least=1.8,
        read=_by_fastest(SCATTERED, ONE_CALL),
    ),
    Bar(
        case=_COVER_CASE,
        text="of open + decode of that frame alone",
        unit="x",
        at_most=1.25,
        read=_by_limit(COVER),
    ),
    Bar(
        case=_COVER_CASE,
        text="faster than every rival",
        unit="x",
        at_least=1.0,
        read=_by_fastest(COVER, (*_EVERYONE, "plain PyAV")),
    ),
    Bar(
        case=_RANKING_CASE,
        text="of decoding its candidates alone",
        unit="x",
        at_most=1.3,
        read=_by_limit(RANKING, "limit, candidates"),
    ),
    Bar(
        case=_RANKING_CASE,
        text="faster than ffmpeg's thumbnail filter over the keyframes",
        unit="x",
        at_least=5.0,
        read=_by_fastest(RANKING, THUMBNAIL_KEYFRAMES),
    ),
    Bar(
        case=_RANKING_CASE,
        text="faster than ffmpeg's thumbnail filter over all frames",
        unit="x",
        at_least=30.0,
        read=_by_fastest(RANKING, ("ffmpeg thumbnail, all frames",)),
    ),
    Bar(
        case=_LENGTH_CASE,
        text="of the time",
        unit="x",
        at_most=1.15,
        read=_probe("length-time", "median", "min", "max"),
    ),
    Bar(
        case=_LENGTH_CASE,
        text="of the memory (peak of the whole process)",
        unit="x",
        at_most=1.05,
        read=_probe("length-memory", "median", "min", "max"),
    ),
    Bar(
        case="peak memory above the imported libraries, 1080p",
        text="the worst of all jobs measured",
        unit="MB",
        at_most=120.0,
        read=_probe("memory-worst", "median", "min", "max", by=MEGABYTE),
    ),
    *(
        Bar(
            case=f"320-wide picture of a {kind} frame, {accuracy} accuracy, 1080p",
            text="of decoding it",
            unit="x",
            at_most=0.1,
            read=_probe(f"conversion-{accuracy}/{kind}", "median", "min", "max"),
        )
        for kind in ("10-bit", "PQ", "HLG", "interlaced")
        for accuracy in ("exact", "keyframe")
    ),
    Bar(
        case="import snapengine",
        text="in a fresh process",
        unit="s",
        at_most=0.15,
        read=_probe("import", "median", "min", "max"),
    ),
    Bar(
        case="first snapshot from a cold process by the command line",
        text="compiled kernels cached",
        unit="s",
        at_most=0.9,
        read=_probe("command-line", "median", "min", "max"),
    ),
)


def evaluate(results: dict[str, Any]) -> list[dict[str, Any]]:
    """One record per bar, in the order of the table; ``met`` is None where it was not run."""
    records = []
    for bar in BARS:
        measured = bar.read(results)
        records.append(
            {
                "case": bar.case,
                "text": bar.text,
                "unit": bar.unit,
                "at_most": bar.at_most,
                "at_least": bar.at_least,
                "value": round(measured.value, 3) if measured else None,
                "low": round(measured.low, 3) if measured else None,
                "high": round(measured.high, 3) if measured else None,
                "by_processor_time": round(measured.cpu, 3) if measured and measured.cpu else None,
                "against": measured.against if measured else "",
                "met": bar.met(measured.value) if measured else None,
            }
        )
    return records
