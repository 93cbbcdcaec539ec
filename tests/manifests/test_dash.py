"""DASH: every way of naming segments, and what may not be in a manifest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import snapengine
from snapengine.errors import CorruptMedia, SnapError, SourceDenied, SourceError
from snapengine.manifests import read_manifest
from snapengine.manifests.dash import parse_mpd, pieces_of
from snapengine.manifests.presentation import Piece
from snapengine.sources import Meter
from tests.integration.exactness import check_times, times_of
from tests.manifests.segmented import BASE, SIZES, Host, dash_files, numbered, rendition, truth_of
from tests.media.barcode import read_ordinal
from tests.media.recipes import Recipe

ALL = tuple(rendition(*size) for size in SIZES)
WAYS: dict[str, dict[str, str]] = {
    "timeline": {"use_timeline": "1"},
    "numbers": {"use_timeline": "0", "use_template": "1"},
    "list": {"use_timeline": "0", "use_template": "0"},
}


def open_video(host: Host, name: str = "manifest.mpd", **size: int) -> snapengine.Video:
    manifest = read_manifest(host.open(BASE + name), BASE + name, host.open)
    assert manifest is not None
    chosen = manifest.choose(size.get("width"), size.get("height"))
    return snapengine.open(manifest.open(chosen, Meter()), threads=1)


def ordinal(shot: Any) -> int:
    return read_ordinal(shot.to_ndarray())


def mpd(inside: str, **attributes: str) -> bytes:
    told = {"type": "static", "mediaPresentationDuration": "PT12S", **attributes}
    text = " ".join(f'{key}="{value}"' for key, value in told.items())
    return f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" {text}>{inside}</MPD>'.encode()


def one(addressing: str, more: str = "", **attributes: str) -> bytes:
    """A manifest of one representation."""
    return mpd(
        f'<Period><AdaptationSet contentType="video">{more}'
        f'<Representation id="v" bandwidth="8000" width="64" height="36">{addressing}'
        "</Representation></AdaptationSet></Period>",
        **attributes,
    )


def pieces(data: bytes) -> list[Piece]:
    (found,) = parse_mpd(data, BASE + "m.mpd", "m.mpd")
    return pieces_of(found, "m.mpd")


# -- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_naming_segments(way: str) -> None:
    files = dash_files(ALL, **WAYS[way])
    parts = [files["init-stream1.m4s"]]
    parts += [files[name] for name in numbered(files, ".m4s", "chunk-stream1")]
    truth = truth_of(parts, "mp4")
    host = Host(files)
    with open_video(host, width=100) as video:
        assert (video.info.width, video.info.duration) == (128, 12.0)
        assert video.info.container == "dash"
        check_times(truth, video, times_of(truth), way)
        assert host.open_now == 1
    host = Host(files)
    with open_video(host, width=60) as video:
        assert ordinal(video.snapshot(7.3)) == 182
    assert host.segments() == {"chunk-stream0-00001.m4s", "chunk-stream0-00004.m4s"}


def test_ranges_of_one_file_for_each_rendition() -> None:
    files = dash_files(ALL, single_file="1")
    host = Host(files)
    with open_video(host, width=100) as video:
        assert ordinal(video.snapshot(7.3)) == 182
    text = files["manifest.mpd"].decode().split("<Representation")[2]
    ranges = re.findall(r'(?:range|mediaRange)="(\d+)-(\d+)"', text)
    sizes = [int(last) - int(first) + 1 for first, last in ranges]
    assert host.segments() == {"manifest-stream1.mp4"}
    assert host.fetched["manifest-stream1.mp4"] == sizes[0] + sizes[1] + sizes[4]


def test_webm() -> None:
    recipe = Recipe(name="segmented-vp9", codec="vp9", container="webm", frames=75, gop=25)
    files = dash_files((recipe,), seg_duration="1", dash_segment_type="webm")
    parts = [files[n] for n in numbered(files, ".webm", "init")]
    parts += [files[n] for n in numbered(files, ".webm", "chunk")]
    truth = truth_of(parts, "webm")
    host = Host(files)
    with open_video(host) as video:
        check_times(truth, video, times_of(truth, 4, 20), "webm")


def test_a_whole_file() -> None:
    """SegmentBase, or a bare BaseURL: the file has its own index."""
    from tests.media.recipes import build

    data = build(ALL[1]).read_bytes()
    for inside in (
        "<BaseURL>film.mp4</BaseURL>",
        '<BaseURL>film.mp4</BaseURL><SegmentBase indexRange="1-2"/>',
    ):
        host = Host({"manifest.mpd": one(inside), "film.mp4": data})
        with open_video(host) as video:
            assert ordinal(video.snapshot(7.3)) == 182


def test_periods_follow_each_other() -> None:
    """The second plays seconds 4 to 8 of the film, the third its beginning; not in order of ids."""
    files = dash_files(ALL, **WAYS["numbers"])

    def period(number: int, offset: int, length: str) -> str:
        sets = "".join(
            f'<Representation id="{i}" bandwidth="{9000 + i}" width="{w}" height="{h}">'
            f'<SegmentTemplate timescale="1" duration="2" startNumber="{number}"'
            f' presentationTimeOffset="{offset}" initialization="init-stream$RepresentationID$.m4s"'
            f' media="chunk-stream$RepresentationID$-$Number%05d$.m4s"/></Representation>'
            for i, (w, h) in enumerate(SIZES)
        )
        return (
            f'<Period {length}><AdaptationSet mimeType="video/mp4">{sets}</AdaptationSet></Period>'
        )

    text = (
        period(1, 0, 'duration="PT4S"') + period(3, 4, 'start="PT4S"')
        + period(1, 0, 'start="PT8S" duration="PT2S"')
    )  # fmt: skip
    host = Host({**files, "manifest.mpd": mpd(text, mediaPresentationDuration="PT10S")})
    with open_video(host, height=72) as video:
        assert video.info.duration == 10.0
        times = [k / 25 for k in range(0, 250, 3)]
        for time, shot in zip(times, video.snapshots(at=times), strict=True):
            number = round(time * 25)
            assert ordinal(shot) == (number if number < 200 else number - 200)


# -- names and times of segments ------------------------------------------------------------------


def test_templates() -> None:
    found = pieces(one(
        '<SegmentTemplate timescale="10" startNumber="7" presentationTimeOffset="5"'
        ' media="$RepresentationID$/$$/$Number%03d$-$Time$-$Bandwidth$.m4s"'
        ' initialization="$RepresentationID$.mp4">'
        '<SegmentTimeline><S t="5" d="20" r="2"/><S d="10"/><S t="90" d="35"/></SegmentTimeline>'
        "</SegmentTemplate>"
    ))  # fmt: skip
    assert [p.resource.url.removeprefix(BASE) for p in found] == [
        "v/$/007-5-8000.m4s", "v/$/008-25-8000.m4s", "v/$/009-45-8000.m4s", "v/$/010-65-8000.m4s",
        "v/$/011-90-8000.m4s",
    ]  # fmt: skip
    assert [(p.start, p.duration) for p in found] == [
        (0, 2), (2, 2), (4, 2), (6, 1), (Fraction(17, 2), Fraction(7, 2)),
    ]  # fmt: skip
    assert all(p.init is not None and p.init.url == BASE + "v.mp4" for p in found)


def test_repeats_to_the_end_and_inheritance() -> None:
    found = pieces(mpd(
        '<BaseURL>a/</BaseURL><Period><BaseURL>b/</BaseURL><SegmentTemplate timescale="2"/>'
        '<AdaptationSet contentType="video"><BaseURL>c/</BaseURL><SegmentTemplate media="$Time$">'
        '<SegmentTimeline><S d="5" r="-1"/></SegmentTimeline></SegmentTemplate>'
        "<Representation><BaseURL>d/</BaseURL></Representation></AdaptationSet></Period>"
    ))  # fmt: skip
    assert [p.resource.url.removeprefix(BASE) for p in found] == [
        f"a/b/c/d/{t}" for t in (0, 5, 10, 15, 20)
    ]
    assert found[-1].start == 10


@pytest.mark.parametrize(
    ("attributes", "count"),
    [({}, 4), ({"mediaPresentationDuration": "PT12.1S"}, 5), ({"endNumber": "3"}, 3)],
)
def test_numbers(attributes: dict[str, str], count: int) -> None:
    last = attributes.pop("endNumber", None)
    told = f' endNumber="{last}"' if last else ""
    data = one(f'<SegmentTemplate duration="3" media="$Number$"{told}/>', **attributes)
    assert [p.resource.url.removeprefix(BASE) for p in pieces(data)] == [
        str(n) for n in range(1, count + 1)
    ]


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 4)), min_size=1, max_size=8),
    st.integers(1, 1000),
    st.integers(0, 10**12),
)
def test_timelines_add_up(entries: Sequence[tuple[int, int]], timescale: int, begin: int) -> None:
    text = "".join(f'<S d="{d}" r="{r}"/>' for d, r in entries).replace("<S", f'<S t="{begin}"', 1)
    found = pieces(one(
        f'<SegmentTemplate timescale="{timescale}" presentationTimeOffset="{begin}" media="$Time$">'
        f"<SegmentTimeline>{text}</SegmentTimeline></SegmentTemplate>"
    ))  # fmt: skip
    lengths = [d for d, r in entries for _ in range(r + 1)]
    assert [p.duration * timescale for p in found] == lengths
    assert [p.start * timescale for p in found] == [sum(lengths[:i]) for i in range(len(lengths))]


def test_pictures_only() -> None:
    data = mpd(
        '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="a"/></AdaptationSet>'
        '<AdaptationSet><Representation codecs="mp4a.40.2"/></AdaptationSet>'
        '<AdaptationSet contentType="video"><EssentialProperty '
        'schemeIdUri="http://dashif.org/guidelines/trickmode"/><Representation width="9"/>'
        '</AdaptationSet><AdaptationSet contentType="text"><Representation/></AdaptationSet>'
        '<AdaptationSet width="7" height="5"><Representation codecs="av01.0.04M.08"/>'
        "</AdaptationSet></Period>"
    )
    assert [(r.width, r.height) for r in parse_mpd(data, BASE + "m", "m")] == [(7, 5)]


# -- what is refused ------------------------------------------------------------------------------

TEMPLATE = '<SegmentTemplate duration="2" media="$Number$.m4s"/>'


def entity_bomb() -> bytes:
    bomb = b'<!DOCTYPE MPD [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>'
    return bomb + one(TEMPLATE)


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (one(TEMPLATE, type="dynamic"), SourceError, "live"),
        (one(TEMPLATE, "<ContentProtection/>"), SourceError, "encrypted"),
        (mpd('<Period xmlns:x="http://www.w3.org/1999/xlink" x:href="y"/>'), SourceError, "xlink"),
        (entity_bomb(), CorruptMedia, "document type"),
        (b'<?xml version="1.0"?><!DOCTYPE MPD SYSTEM "x">' + one(TEMPLATE), CorruptMedia, "type"),
        (one(TEMPLATE)[:-3], CorruptMedia, "not usable as XML"),
        (one("<a>" * 40 + "</a>" * 40), CorruptMedia, "too deep"),
        (b"<html><MPD></MPD></html>", CorruptMedia, "<html>"),
        (mpd(""), CorruptMedia, "no period"),
        (mpd("<Period/>"), CorruptMedia, "without pictures"),
        (one(""), CorruptMedia, "without segments"),
        (one('<SegmentTemplate media="$Number$"/>'), CorruptMedia, "without a duration"),
        (one('<SegmentTemplate duration="2"/>'), CorruptMedia, "without media"),
        (one(TEMPLATE, mediaPresentationDuration="P1Y"), CorruptMedia, "no duration"),
        (
            one('<SegmentTemplate duration="1" timescale="1000000" media="$Number$"/>'),
            CorruptMedia,
            "more than",
        ),
        (one("<SegmentList duration='1'/>"), CorruptMedia, "empty"),
        (
            one(
                "<SegmentList duration='1'><SegmentURL mediaRange='9-2'/></SegmentList>"
            ),
            CorruptMedia,
            "byte range",
        ),
        (
            one('<SegmentTemplate duration="2" media="http://video.example/$Number$"/>'),
            SourceDenied,
            "not reached by",
        ),
        (
            one("<BaseURL>file:///etc/</BaseURL>" + TEMPLATE), SourceDenied, "not reached by",
        ),
        (mpd("<Period/>") + b" " * (4 << 20), CorruptMedia, "more than"),
        (
            one(
                '<SegmentTemplate media="$Number$"><SegmentTimeline><S d="0"/></SegmentTimeline>'
                "</SegmentTemplate>"
            ),
            CorruptMedia,
            "no duration",
        ),
        (
            one(
                '<SegmentTemplate media="$Number$"><SegmentTimeline><S d="1" r="999999999"/>'
                "</SegmentTimeline></SegmentTemplate>"
            ),
            CorruptMedia,
            "more than",
        ),
    ],
)  # fmt: skip
def test_manifests_that_are_not_served(data: bytes, kind: type[SnapError], says: str) -> None:
    host = Host({"manifest.mpd": data})
    with pytest.raises(kind, match=says):
        open_video(host)
    assert host.opened == ["manifest.mpd"]


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 400))
def test_damaged_manifests_are_errors_or_manifests(junk: bytes, at: int, cut: int) -> None:
    data = one(TEMPLATE)
    data = data[:at] + junk + data[at + cut :]
    host = Host({"manifest.mpd": data})
    try:
        manifest = read_manifest(host.open(BASE + "manifest.mpd"), BASE + "manifest.mpd", host.open)
        if manifest is not None:
            manifest.open(manifest.choose(None, None), Meter()).close()
    except SnapError:
        pass
