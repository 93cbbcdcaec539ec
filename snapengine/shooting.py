"""Decoded frames to pictures and proxies: what all verbs that show single pictures share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, TypeVar

from .imaging.scaler import color_ycc, render, render_rgba
from .media.decoder import Delivery
from .model.frame import U8, Picture, RawFrame
from .model.geometry import Size, View
from .model.stats import RunStats
from .model.time import to_seconds
from .request import OnMissing, PictureOptions
from .results import Snapshot
from .scoring.crop import focus
from .scoring.faces import load_detector
from .scoring.proxy import Proxy, proxy_size
from .session import Call, Session

#: From this shrink on, an H.264 or HEVC keyframe decoded alone may go without its loop filter:
#: every real clip we have then stays above 42 dB PSNR (luma) against the filtered cell; the tests
#: pin 38.
LOOP_FILTER_SHRINK: Final = 4.0
_PLAIN: Final = PictureOptions()

S = TypeVar("S", bound=Snapshot)


@dataclass(frozen=True, slots=True)
class Exposure:
    """A frame with the view it is shown in; ``picture`` and ``rgba`` when a size was asked for.

    Then the frame's samples are let go and only its description stays.
    """

    frame: RawFrame
    view: View
    picture: Picture | None
    rgba: U8 | None

    def facts(self, session: Session, delivery: Delivery) -> dict[str, Any]:
        """What :class:`Snapshot` wants to be told of the frame, whichever time it answers."""
        info = session.info
        return {
            "time": to_seconds(delivery.pts - info.start_pts, info.time_base),
            "pts": delivery.pts,
            "replaced": not delivery.exact,
            "corrupt": delivery.corrupt,
            "frame": self.frame,
            "view": self.view,
            "picture": self.picture,
            "rgba": self.rgba,
        }


def expose(
    session: Session, delivery: Delivery, options: PictureOptions, stats: RunStats
) -> Exposure:
    """Make the picture asked for of a delivered frame. Runs in the thread that decoded it."""
    frame = session.raw(delivery, options)
    view = aim(session, frame, options, stats)
    if options.box == (None, None):
        return Exposure(frame, view, None, None)
    began = time.perf_counter()
    picture = Picture(view.size.width, view.size.height, "444")
    if view.size != view.upright:
        picture.fill(color_ycc(options.background))
    render(frame, view, picture)
    rgba = render_rgba(frame, view) if frame.format.alpha else None
    stats.scale_seconds += time.perf_counter() - began
    return Exposure(replace(frame, planes=(), owner=None), view, picture, rgba)


def aim(
    session: Session, frame: RawFrame, options: PictureOptions, stats: RunStats, align: int = 1
) -> View:
    """The view of a frame; for the smart fit, around what matters in it."""
    if options.fit != "smart" or None in options.box:
        return session.view(frame.size, options, frame, align)
    width, height = options.box
    assert width is not None and height is not None
    proxy = make_proxy(session, frame, stats)
    began = time.perf_counter()
    detector = load_detector()
    # Small faces do not decide where to crop, and cost three times as much to find.
    faces = detector.find(proxy, large_only=True) if detector is not None else ()
    around = focus(proxy, width / height, faces)
    stats.score_seconds += time.perf_counter() - began
    return session.view(frame.size, options, frame, align, around)


def make_proxy(session: Session, frame: RawFrame, stats: RunStats) -> Proxy:
    """The small picture that measures look at."""
    began = time.perf_counter()
    shown = session.view(frame.size, _PLAIN, frame).size
    view = session.view(frame.size, proxy_options(shown), frame)
    picture = Picture(view.size.width, view.size.height, "444")
    render(frame, view, picture)
    stats.scale_seconds += time.perf_counter() - began
    return Proxy(picture)


def proxy_options(shown: Size) -> PictureOptions:
    """What to ask for to get the proxy of a picture of that size."""
    return PictureOptions(box=proxy_size(shown), fit="stretch")


def may_skip_loop_filter(session: Session, view: View) -> bool:
    """Whether keyframes decoded alone for this view may go without their loop filter."""
    return session.info.codec in ("h264", "hevc") and view.shrink >= LOOP_FILTER_SHRINK


def shoot(
    session: Session,
    call: Call,
    times: Sequence[Fraction],
    accuracy: str | Fraction,
    options: PictureOptions,
    policy: OnMissing,
    make: Callable[..., S],
    first: int = 0,
) -> Iterator[tuple[int, S]]:
    """(number, snapshot) for each of ``times`` that can be answered, in order of time.

    ``make``: the class of the results, or what makes them of its arguments. ``first``: what their
    own ``index`` counts from.
    """
    plan = session.plan(call, times, accuracy)
    small = may_skip_loop_filter(session, session.view(session.info.coded_size, options))

    def consume(delivery: Delivery, stats: RunStats) -> list[tuple[int, S]]:
        if policy != "nearest" and not delivery.is_sound:
            return []
        facts = expose(session, delivery, options, stats).facts(session, delivery)
        return [
            (
                number,
                make(
                    index=first + number,
                    requested=float(times[number]),
                    exact=delivery.answers(target) and session.tells_time,
                    stats=call.stats,
                    **facts,
                ),
            )
            for target in delivery.targets
            for number in target.requests
        ]

    for answer in call.pipeline.execute(
        plan, consume, call.stats, skip_loop_filter=small, neighbours=policy == "nearest"
    ):
        yield from answer.value
