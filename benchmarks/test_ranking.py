"""The three covers that stand best for a video, as JPEGs, the file opened fresh."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.jobs import RankingJob, Stretch

COUNT, WIDTH = 3, 640
CONTESTANTS = [
    "limit, candidates",
    "limit, everything decoded",
    "ffmpeg thumbnail, keyframes",
    "ffmpeg thumbnail, keyframes by thirds",
    "ffmpeg thumbnail, all frames",
]


def _job(file: Any, monkeypatch: pytest.MonkeyPatch) -> RankingJob:
    times, decoded = _noted(file, monkeypatch)
    return RankingJob(
        path=str(file.path),
        times=times,
        decoded=decoded,
        keyframes=int(file.table.key.sum()),
        frames=len(file.table.shown),
        seconds=file.table.seconds,
        count=COUNT,
        width=WIDTH,
    )


def _noted(
    file: Any, monkeypatch: pytest.MonkeyPatch
) -> tuple[tuple[float, ...], tuple[Stretch, ...]]:
    """The engine's candidates, from its plan, and all it decodes, from a run in this process.

    The same file gives the same covers, so what was decoded here is decoded in every timed run.
    """
    import snapengine
    from snapengine.media import decoder

    stretches: list[Noting] = []

    class Noting(decoder.Picker):  # type: ignore[misc]
        """Sees every packet that a decoder is handed, one object for each stretch."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.stamps: list[int] = []
            stretches.append(self)

        def sent(self, packet: Any, **named: Any) -> None:
            self.stamps.append(packet.pts)
            super().sent(packet, **named)

    with monkeypatch.context() as patch, snapengine.open(file.path) as video:
        plan = video.plan("covers", count=COUNT)
        patch.setattr(decoder, "Picker", Noting)
        video.covers(count=COUNT, width=WIDTH)
    place = {int(pts): number for number, pts in enumerate(file.table.pts)}
    decoded = []
    for one in stretches:
        places = [place[pts] for pts in one.stamps]
        assert places == list(range(places[0], places[-1] + 1)), "packets were left out"
        decoded.append(
            Stretch(first=one.stamps[0], last=one.stamps[-1], wanted=tuple(sorted(one.wanted)))
        )
    times = tuple(float(seconds) for seconds in plan.requested)
    candidates = {file.table.keyframe_near(seconds) for seconds in times}
    assert candidates <= {pts for one in decoded for pts in one.wanted}, "not all were looked at"
    return times, tuple(sorted(decoded, key=lambda one: place[one.first]))


def test_ranking(suite: Any, benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = suite.file("h264-1080p-12min")
    suite.compare(
        benchmark,
        name="ranking/h264-1080p-12min",
        title="ranking 3 covers, JPEGs 640 wide, file opened fresh, 12-min 1080p H.264",
        file=file,
        job=_job(file, monkeypatch),
        contestants=CONTESTANTS,
        rounds=suite.rounds(quick=3, full=9),
    )
    made = suite.results["comparisons"][-1]["contestants"]
    verified = made["snapengine"]["verified"]
    assert verified["covered"] == COUNT, "the engine chose the same picture twice"
    # The limit that is said to decode what the engine decodes has to be sent as much.
    engine, limit = (
        made[name]["counters"].get("packets_sent")
        for name in ("snapengine", "limit, everything decoded")
    )
    assert engine == limit, f"the engine's decoders get {engine} packets, its limit's {limit}"
