"""Looking at frames for their own sake: decoded, judged by their small pictures, remembered."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from . import cancelling
from .covers import Candidate
from .errors import InvalidOption
from .media.decoder import Delivery
from .model.frame import U8
from .model.plan import Plan
from .model.stats import RunStats
from .pipeline import Answer
from .request import PictureOptions
from .scoring.faces import FaceDetector, load_detector
from .scoring.judge import judge, judge_motion
from .scoring.proxy import Proxy
from .session import Call, Session
from .shooting import expose, make_proxy, may_skip_loop_filter, proxy_options

#: What a caller's own choice is made by: a small RGB picture in, a number out.
Scorer = Callable[[U8], float]
Progress = Callable[[int, int], None]

#: A frame looked at closely is compared with the one shown this many seconds later.
LATER: Final = Fraction(3, 10)
#: Samples that a search may decode on top of keyframes, where those are too few or poor: some 400
#: frames of 1080p.
_EXTRA_SAMPLES: Final = 400 * 1920 * 1080
#: Samples of pictures that wait until it is known which of them are wanted; some 50 MB.
_KEPT_SAMPLES: Final = 1 << 24
#: Proxies judged one after the other: judging is a thousand small steps, which take half the time
#: when nothing has pushed them out of the caches since the last one.
_TOGETHER: Final = 8
#: How bad it is that a decoder made parts of a frame up.
_DAMAGED: Final = 0.6


@dataclass(frozen=True, slots=True)
class _Look:
    """What a worker leaves of one frame: its samples are gone."""

    pts: int
    is_sound: bool
    proxy: Proxy
    requests: tuple[int, ...]
    picture: dict[str, Any] | None = None


class Inspector:
    """Looks at frames and keeps what it made of them, by pts, in ``seen``.

    Belongs to one call and one thread, which judges (and asks a ``scorer`` of the caller's own)
    while workers decode and shrink. ``faces``: whether to look for them, where a detector is
    installed; it costs more than all the rest of judging.
    """

    def __init__(
        self,
        session: Session,
        call: Call,
        options: PictureOptions,
        scorer: Scorer | None = None,
        progress: Progress | None = None,
        *,
        faces: bool = True,
    ) -> None:
        self._session = session
        self._call = call
        self._options = options
        self._scorer = scorer
        self._progress = progress
        self._asked = 0
        self.seen: dict[int, Candidate] = {}
        #: how many frames may still be decoded on top of keyframes
        self.affordable_frames = max(
            1, _EXTRA_SAMPLES // max(1, session.info.coded_width * session.info.coded_height)
        )
        self._detector: FaceDetector | None = load_detector() if faces else None
        coded = session.info.coded_size
        shown = session.view(coded, PictureOptions()).size
        self._small = may_skip_loop_filter(session, session.view(coded, proxy_options(shown)))
        self._small_pictures = may_skip_loop_filter(session, session.view(coded, options))
        #: what snapshots of frames that were looked at closely are made of, by pts
        self.pictures: dict[int, dict[str, Any]] = {}

    def look(
        self,
        plan: Plan,
        *,
        neighbours: bool = False,
        until: Callable[[Candidate], bool] | None = None,
    ) -> None:
        """Judge every frame of a plan that is not known; stop at the first ``until`` accepts.

        Damaged frames are passed over, unless ``neighbours`` asks for anything that can be had.
        """
        self._asked += len(plan.requested)

        waiting: list[_Look] = []
        at_once = _TOGETHER if until is None else 1
        with contextlib.closing(
            self._execute(plan, self._shrunk, self._small, neighbours)
        ) as answers:
            for answer in answers:
                if answer.value.is_sound or neighbours:
                    waiting.append(answer.value)
                if len(waiting) < at_once:
                    continue
                judged = [self._keep(look) for look in waiting]
                waiting.clear()
                if until is not None and any(map(until, judged)):
                    break
        for look in waiting:
            self._keep(look)

    def look_closely(
        self, instants: Sequence[Fraction], duration: Fraction | None, *, keep: bool = False
    ) -> None:
        """Judge the frames shown at ``instants``, each together with the one a moment later.

        Motion and transitions show in what changes; one frame does not tell. ``keep``: they may
        win; make the pictures asked for at once, unless they are too large to wait in ``pictures``.
        """
        size = self._session.view(self._session.info.coded_size, self._options).size
        keep = keep and len(instants) * size.width * size.height <= _KEPT_SAMPLES
        skip = self._small and (not keep or self._small_pictures)
        times: list[Fraction] = []
        for instant in instants:
            later = instant + LATER
            if duration is not None and later >= duration:
                later = max(Fraction(0), instant - LATER)
            times += [instant, later]
        self._asked += len(instants)

        def consume(delivery: Delivery, stats: RunStats) -> _Look:
            look = self._shrunk(delivery, stats)
            if not keep or all(n % 2 for n in look.requests):
                return look
            facts = expose(self._session, delivery, self._options, stats)
            return replace(look, picture=facts.facts(self._session, delivery))

        frames: dict[int, _Look] = {}
        plan = self._session.plan(self._call, times, "exact")
        with contextlib.closing(self._execute(plan, consume, skip)) as answers:
            for answer in answers:
                frames.update(dict.fromkeys(answer.value.requests, answer.value))
        for number in range(0, len(times), 2):
            here, later_one = frames.get(number), frames.get(number + 1)
            if here is None or not here.is_sound:
                continue
            candidate = self._keep(here)
            if here.picture is not None:
                self.pictures[here.pts] = here.picture
            measures, defects = {}, {}
            if later_one is not None and later_one.pts != here.pts:
                still, transition = judge_motion(here.proxy, later_one.proxy)
                measures["stillness"], defects["transition"] = still, transition
            self.seen[here.pts] = candidate.told(measures, defects, confirmed=True)

    def affordable(self, instants: Sequence[Fraction]) -> tuple[Fraction, ...]:
        """Instants moved towards their keyframes, until decoding up to them costs no more than is
        left of a fixed number of frames, however long GOPs are."""
        plan = self._session.plan(self._call, instants, "exact")
        allowed = self.affordable_frames
        self.affordable_frames = max(0, allowed - plan.frames)
        if not allowed:
            return ()
        if plan.frames <= allowed:
            return tuple(instants)
        moved: set[Fraction] = set()
        for run in plan.runs:
            share = max(1, allowed // len(plan.runs))
            if run.keyframe is None:
                kept = [seconds(plan, t.pts) for t in run.targets]
                moved.update(kept[:: max(1, math.ceil(run.frames / share))])
                continue
            begin = seconds(plan, run.keyframe.pts)
            pull = min(Fraction(1), Fraction(share, run.frames))
            for target in run.targets:
                behind = (seconds(plan, target.pts) - begin) * pull
                moved.add(begin + max(self._session.typical_frame, behind))
        return tuple(sorted(moved))

    # -- one frame --------------------------------------------------------------------------

    def _execute(
        self,
        plan: Plan,
        consume: Callable[[Delivery, RunStats], _Look],
        skip_loop_filter: bool,
        neighbours: bool = False,
    ) -> Generator[Answer[_Look], None, None]:
        return self._call.pipeline.execute(
            plan,
            consume,
            self._call.stats,
            skip_loop_filter=skip_loop_filter,
            neighbours=neighbours,
        )

    def _shrunk(self, delivery: Delivery, stats: RunStats) -> _Look:
        """Runs in the thread that decoded the frame; only the proxy stays of it."""
        proxy = make_proxy(self._session, self._session.raw(delivery, self._options), stats)
        requests = tuple(n for t in delivery.targets for n in t.requests)
        return _Look(delivery.pts, delivery.is_sound, proxy, requests)

    def _keep(self, look: _Look) -> Candidate:
        """The candidate that a frame is; judged unless it is known."""
        cancelling.check()
        known = self.seen.get(look.pts)
        if known is not None:
            return known
        began = time.perf_counter()
        judgement = judge(look.proxy, self._detector)
        if not look.is_sound:
            judgement = replace(judgement, defects={**judgement.defects, "damaged": _DAMAGED})
        given = None if self._scorer is None else _number(self._scorer(look.proxy.rgb))
        self._call.stats.score_seconds += time.perf_counter() - began
        info = self._session.info
        candidate = Candidate(
            pts=look.pts,
            time=(look.pts - info.start_pts) * info.time_base,
            judgement=judgement,
            given=given,
        )
        self.seen[look.pts] = candidate
        if self._progress is not None:
            self._progress(len(self.seen), max(self._asked, len(self.seen)))
        return candidate


def seconds(plan: Plan, pts: int) -> Fraction:
    """A stamp as seconds from the first shown frame."""
    return max(Fraction(0), (pts - plan.start_pts) * plan.time_base)


def _number(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InvalidOption(f"choose must return a number, not {value!r}") from error
    if not math.isfinite(number):
        raise InvalidOption(f"choose must return a finite number, not {number}")
    return number
