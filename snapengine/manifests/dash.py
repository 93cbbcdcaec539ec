"""DASH manifests (ISO/IEC 23009-1): static ones, their pictures only.

Addressing by ``SegmentTemplate`` (numbers, or times of a ``SegmentTimeline``), ``SegmentList``, and
whole files (``SegmentBase`` or a bare ``BaseURL``, whose index is in the file itself).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from .dash_times import Times, duration_of, segment_times, whole_number
from .presentation import (
    MAX_RENDITIONS,
    MAX_SECONDS,
    Piece,
    Rendition,
    Resource,
    bad,
    refused,
    shows_pictures,
)
from .references import resolve
from .xml_tree import Element, parse_xml

_FIELD = re.compile(r"\$(?:(RepresentationID|Number|Time|Bandwidth)(?:%0(\d{1,2})d)?)?\$")
_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")
_ADDRESSING = ("SegmentTemplate", "SegmentList", "SegmentBase")
#: Properties that a client must know to be allowed to use what bears them; those that are harmless.
_HARMLESS = re.compile(r"urn:mpeg:mpegB:cicp:|urn:dvb:dash:fontdownload:")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Representation(Rendition):
    """A rendition and where to find its pieces, period by period."""

    places: tuple[_Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A representation within its period; times in seconds of the presentation."""

    period: Element
    group: Element
    element: Element
    base: str
    start: Fraction
    duration: Fraction | None


def is_mpd(head: bytes) -> bool:
    """Whether a file begins as DASH manifests do."""
    return re.search(rb"<(?:[A-Za-z_][\w.-]*:)?MPD[\s>]", head) is not None


def parse_mpd(data: bytes, place: str, name: str) -> tuple[Representation, ...]:
    """Its representations with pictures. Raises a :class:`SnapError` for live and encrypted ones.

    Of several periods, those representations that every period has, by size and bit rate.
    """
    mpd = parse_xml(data, name)
    if mpd.name != "MPD":
        raise bad(name, f"<{mpd.name}> where <MPD> should be")
    if mpd.get("type") == "dynamic":
        raise refused(name, 'a live manifest (type="dynamic"): only static ones can be opened')
    periods = list(_periods(mpd, place, name))
    if not periods:
        raise bad(name, "no period with pictures")
    first, *others = periods
    found = [
        Representation(
            width=whole_number(_inherited(spot, "width")),
            height=whole_number(_inherited(spot, "height")),
            bandwidth=whole_number(spot.element.get("bandwidth")),
            codecs=_inherited(spot, "codecs"),
            number=number,
            places=(spot, *(_matching(spot, period) for period in others)),
        )
        for number, spot in enumerate(first)
    ]
    return tuple(found)


def _periods(mpd: Element, place: str, name: str) -> Iterator[list[_Place]]:
    base = _base(place, mpd)
    total = duration_of(mpd.get("mediaPresentationDuration"), name)
    periods = list(mpd.all("Period"))
    clock = Fraction(0)
    count = 0
    for number, period in enumerate(periods):
        if period.get("href") is not None:
            raise refused(name, "a period is kept elsewhere (xlink)")
        start = duration_of(period.get("start"), name)
        start = clock if start is None else start
        length = duration_of(period.get("duration"), name)
        if length is None and number + 1 < len(periods):
            following = duration_of(periods[number + 1].get("start"), name)
            length = None if following is None else following - start
        elif length is None and total is not None:
            length = total - start
        if length is not None and (length <= 0 or length > MAX_SECONDS):
            continue  # early available periods, and nonsense
        inner = _base(base, period)
        places = [
            _Place(
                period=period,
                group=group,
                element=element,
                base=_base(_base(inner, group), element),
                start=start,
                duration=length,
            )
            for group in period.all("AdaptationSet")
            for element in group.all("Representation")
            if _is_video(group, element)
        ]
        if not places:
            raise bad(name, "a period without pictures")
        count += len(places)
        if count > MAX_RENDITIONS:
            raise bad(name, f"more than {MAX_RENDITIONS} representations")
        yield places
        if length is None and number + 1 < len(periods):
            raise bad(name, "a period without a duration")
        clock = start + (length or 0)


def _is_video(group: Element, element: Element) -> bool:
    for bearer in (group, element):
        for needed in bearer.all("EssentialProperty"):
            if not _HARMLESS.match(needed.get("schemeIdUri") or ""):
                return False  # trick modes, tiles, panoramas in several parts
    kind = group.get("contentType") or ""
    mime = element.get("mimeType") or group.get("mimeType") or ""
    if kind or mime:
        return "video" in (kind, mime.partition("/")[0])
    told = shows_pictures(element.get("codecs") or group.get("codecs"))
    return bool(told or element.get("width") or group.get("width"))


def _matching(spot: _Place, period: list[_Place]) -> _Place:
    """The representation of another period that goes on with this one."""

    def told(one: _Place, key: str) -> int:
        return whole_number(_inherited(one, key), default=0)

    def distance(other: _Place) -> list[int]:
        return [abs(told(other, key) - told(spot, key)) for key in ("width", "height", "bandwidth")]

    return min(period, key=distance)


def _inherited(spot: _Place, key: str) -> str | None:
    return spot.element.get(key) or spot.group.get(key)


def _base(base: str, element: Element) -> str:
    """The base of an element's references: its first ``BaseURL`` within that around it."""
    told = element.first("BaseURL")
    return base if told is None or not told.text.strip() else resolve(base, told.text)


# -- pieces -----------------------------------------------------------------------------------


def whole_file(rendition: Representation, name: str) -> Resource | None:
    """The one file that a representation is, ``None`` if it is in segments."""
    _check_clear(rendition, name)
    for spot in rendition.places:
        if any(_find(spot, kind) for kind in ("SegmentTemplate", "SegmentList")):
            continue
        if len(rendition.places) > 1:
            raise refused(name, "several periods of whole files")
        if spot.element.first("BaseURL") is None and spot.group.first("BaseURL") is None:
            raise bad(name, "a representation without segments or file")
        return Resource(spot.base)
    return None


def pieces_of(rendition: Representation, name: str) -> list[Piece]:
    """The segments of a representation, all periods one after the other."""
    _check_clear(rendition, name)
    found: list[Piece] = []
    clock = Fraction(0)
    for run, spot in enumerate(rendition.places):
        here: list[Piece] = []
        for piece in _pieces(spot, name, run, whole_number(spot.element.get("bandwidth")) or 0):
            here.append(piece._replace(start=piece.start + clock))
        if not here:
            raise bad(name, "no segments")
        found += here
        end = here[-1].start + here[-1].duration
        clock = end if spot.duration is None else clock + spot.duration
    return found


def _check_clear(rendition: Representation, name: str) -> None:
    for spot in rendition.places:
        if any(bearer.first("ContentProtection") for bearer in (spot.group, spot.element)):
            raise refused(name, "its segments are encrypted (ContentProtection)")


def _find(spot: _Place, kind: str) -> list[Element]:
    """Elements of one kind, the innermost first."""
    around = (spot.element, spot.group, spot.period)
    return [e for bearer in around if (e := bearer.first(kind)) is not None]


def _get(elements: list[Element], key: str) -> str | None:
    return next((v for e in elements if (v := e.get(key)) is not None), None)


def _child(elements: list[Element], kind: str) -> Element | None:
    return next((c for e in elements if (c := e.first(kind)) is not None), None)


def _pieces(spot: _Place, name: str, run: int, bandwidth: int) -> Iterator[Piece]:
    kind = next(k for k in ("SegmentTemplate", "SegmentList") if _find(spot, k))
    elements = _find(spot, kind)
    lists = [] if kind == "SegmentTemplate" else list(_listed(elements, spot, name))
    times = segment_times(
        Times(
            timescale=whole_number(_get(elements, "timescale")) or 1,
            duration=whole_number(_get(elements, "duration")),
            timeline=_child(elements, "SegmentTimeline"),
            number=whole_number(_get(elements, "startNumber"), default=1),
            last=whole_number(_get(elements, "endNumber")),
            offset=whole_number(_get(elements, "presentationTimeOffset"), default=0),
            length=spot.duration,
            count=len(lists) if lists else None,
        ),
        name,
    )
    init = _init(elements, kind, spot, bandwidth, name)
    media = _get(elements, "media")
    if kind == "SegmentTemplate" and media is None:
        raise bad(name, "a SegmentTemplate without media")
    for position, (number, stamp, start, duration) in enumerate(times):
        if lists:
            resource = lists[position]
        else:
            values = {"Number": number, "Time": stamp, "Bandwidth": bandwidth}
            resource = Resource(resolve(spot.base, _filled(media or "", spot, values, name)))
        yield Piece(
            resource, init, start, duration, run, estimate=int(duration * bandwidth / 8)
        )  # fmt: skip


def _init(
    elements: list[Element], kind: str, spot: _Place, bandwidth: int, name: str
) -> Resource | None:
    template = _get(elements, "initialization") if kind == "SegmentTemplate" else None
    if template is not None:
        filled = _filled(template, spot, {"Bandwidth": bandwidth}, name)
        return Resource(resolve(spot.base, filled))
    told = _child(elements, "Initialization")
    return None if told is None else _resource(told, "sourceURL", "range", spot, name)


def _listed(elements: list[Element], spot: _Place, name: str) -> Iterator[Resource]:
    urls = next((found for e in elements if (found := list(e.all("SegmentURL")))), [])
    if not urls:
        raise bad(name, "an empty SegmentList")
    for element in urls:
        yield _resource(element, "media", "mediaRange", spot, name)


def _resource(element: Element, url: str, extent: str, spot: _Place, name: str) -> Resource:
    place = element.get(url)
    resolved = spot.base if place is None else resolve(spot.base, place)
    told = element.get(extent)
    if told is None:
        return Resource(resolved)
    found = _RANGE.fullmatch(told.strip())
    if found is None or int(found[2]) < int(found[1]):
        raise bad(name, f"no byte range: {told[:40]!r}")
    return Resource(resolved, int(found[1]), int(found[2]) - int(found[1]) + 1)


def _filled(template: str, spot: _Place, values: dict[str, int], name: str) -> str:
    def value(found: re.Match[str]) -> str:
        key, width = found[1], int(found[2] or 1)
        if key is None:
            return "$"
        if key == "RepresentationID":
            return spot.element.get("id") or ""
        if key not in values:
            raise bad(name, f"${key}$ where it means nothing")
        return f"{values[key]:0{width}d}"

    return _FIELD.sub(value, template)
