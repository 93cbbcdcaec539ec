"""The generated videos of the cover set: a script each, and what a script means frame by frame.

A script is segments joined by ``|``; a segment is what is shown, for how many seconds, or until
which second with ``@``, and ``!`` for a keyframe in its middle::

    black 2 | in:hill 1.5! | hill @6 | hill>bird 2! | sub:bird 3 | roll 4

``hill``         the scene itself (good)        ``sub:hill``       with subtitles (good)
``in: inw:``     fade in from black, white      ``out: outw:``     fade out to black, white
``a>b``          dissolve                       ``whip:a>b``       motion-blurred pan
``blur1..3:``    out of focus                   ``focus: defocus:`` focus found, lost
``flash:``       overexposed                    ``dark: torch: grainy:`` too dark, a spot, snow over
a name of CARDS  bars, titles, credits, black, ...

Where a change is gradual a fixed rule says when it starts to count as good: three quarters of the
picture in a fade, less than 12 % of the other picture in a dissolve, a Gauss of less than 0.6 % of
the height in a pulled focus.
"""

from __future__ import annotations

from dataclasses import dataclass

from .cover_defects import BLURS, CARDS
from .cover_scenes import SCENES, held_out

__all__ = ["VIDEOS", "Segment", "Video", "scene_clock"]

FADED, MINGLED, UNSHARP = 0.75, 0.12, 0.006
"""See above: least share of picture, most share of another, most blur of a good frame."""

Span = tuple[int, int, str, str]  # first frame, end, label, shot
PREFIXES = ("in", "inw", "out", "outw", "sub", "whip", "focus", "defocus", "flash", "dark",
            "torch", "grainy", *BLURS)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Segment:
    kind: str  # "scene", "mix", a prefix or a card
    scenes: tuple[str, ...]
    first: int  # frame
    frames: int
    key: bool

    def progress(self, number: int) -> float:
        """Where in the segment its frame ``number`` (0: its first) is, 0..1."""
        return (number + 0.5) / self.frames

    def focus(self, number: int) -> float:
        """Standard deviation of a pulled focus, as a share of the height."""
        away = 1 - self.progress(number) if self.kind == "focus" else self.progress(number)
        return 0.04 * away**1.5

    def seen(self, number: int) -> tuple[str, str]:
        """(label, shot) of one of its frames."""
        if self.kind in CARDS:
            return CARDS[self.kind][0], self.kind
        at, shot = self.progress(number), self.scenes[0]
        if self.kind == "scene":
            return "good", shot
        if self.kind == "sub":
            return "subtitled", shot
        if self.kind == "mix":
            shot = self.scenes[at >= 0.5]
            return ("dissolve" if min(at, 1 - at) >= MINGLED else "good"), shot
        if self.kind in ("in", "inw", "out", "outw"):
            share = at if self.kind.startswith("in") else 1 - at
            return ("good" if share >= FADED else "fade"), shot
        if self.kind in ("focus", "defocus"):
            return ("good" if self.focus(number) < UNSHARP else "blur"), shot
        if self.kind == "whip":
            return "motion", self.scenes[at >= 0.5]
        label = {"flash": "flash", "dark": "dark", "torch": "dark", "grainy": "noise"}
        return label.get(self.kind, "blur"), shot


@dataclass(frozen=True, slots=True)
class Video:
    """One generated video. ``size`` is what a player shows, upright and with square pixels."""

    name: str
    script: str
    rate: int = 15
    size: tuple[int, int] = (640, 360)
    gop: float = 2.0  # seconds
    codec: str = "h264"
    container: str = "mp4"
    boxed: bool = False  # letterboxed throughout, which is no fault
    rotation: int = 0
    sar: tuple[int, int] = (1, 1)

    @property
    def segments(self) -> tuple[Segment, ...]:
        found, now = [], 0
        for text in self.script.split("|"):
            what, length = text.split()
            key, length = length.endswith("!"), length.rstrip("!")
            if length.startswith("@"):
                frames = round(float(length[1:]) * self.rate) - now
            else:
                frames = round(float(length) * self.rate)
            if frames < 1:
                raise ValueError(f"{self.name}: {text.strip()!r} lasts {frames} frames")
            kind, _, rest = what.rpartition(":")
            scenes: tuple[str, ...] = tuple(rest.split(">"))
            if not kind and rest in CARDS:
                kind, scenes = rest, ()
            kind = kind or ("mix" if len(scenes) == 2 else "scene")
            if unknown := [name for name in scenes if name not in SCENES]:
                raise ValueError(f"{self.name}: {text.strip()!r}: no scene {unknown}")
            if kind not in (*PREFIXES, *CARDS, "mix", "scene"):
                raise ValueError(f"{self.name}: {text.strip()!r}: no kind {kind!r}")
            found.append(Segment(kind, scenes, now, frames, key))
            now += frames
        return tuple(found)

    @property
    def frames(self) -> int:
        last = self.segments[-1]
        return last.first + last.frames

    @property
    def scenes(self) -> set[str]:
        return {name for segment in self.segments for name in segment.scenes}

    @property
    def held_out(self) -> bool:
        parts = {held_out(name) for name in self.scenes}
        if len(parts) != 1:
            raise ValueError(f"{self.name}: scenes of both parts")
        return parts.pop()

    def spans(self) -> list[Span]:
        """What is seen from which frame to which."""
        spans: list[Span] = []
        for segment in self.segments:
            for number in range(segment.frames):
                label, shot = segment.seen(number)
                at = segment.first + number
                if spans and spans[-1][1:] == (at, label, shot):
                    spans[-1] = (spans[-1][0], at + 1, label, shot)
                else:
                    spans.append((at, at + 1, label, shot))
        return spans


def scene_clock(video: Video) -> dict[str, int]:
    """The frame in which each scene is first seen: its own time starts there."""
    clock: dict[str, int] = {}
    for segment in video.segments:
        for name in segment.scenes:
            clock.setdefault(name, segment.first)
    return clock


_PHONE = (270, 480)
_SMALL = (320, 240)
_LONG = (384, 216)

VIDEOS: tuple[Video, ...] = (
    # --- for tuning ---
    Video("black-ends", "black 3 | hill 4 | bird 4 | cave 4 | black 2"),
    Video("night-ends", "night 3 | parrot 4 | customer 4 | crest 3 | night 3", gop=3),
    Video("black-fades", "black 1.5 | in:meadow 2! | meadow 4 | out:meadow 1.5! | black 1 "
          "| in:grump 1.5! | grump 4"),
    Video("white-fades", "white 1 | inw:stream 2! | stream 3 | outw:stream 2! | butterfly 4 "
          "| white 1 | inw:sea 2! | sea 4"),
    Video("slow-fades", "in:mountains 4! | mountains 2 | out:mountains 4! | in:city 4! | city 2 "
          "| out:city 4! | in:balloons 3! | balloons 2", gop=1),
    Video("dissolves", "hill 2.5 | hill>bird 2.5! | bird 2.5 | bird>cave 2! | cave 2.5 "
          "| cave>grump 3! | grump 3"),
    Video("dissolves-on-keys", "mountains 3 | mountains>city 2 | city @7 | city>sea @9 | sea @11 "
          "| sea>balloons @13 | balloons @15 | balloons>mountains @17", gop=4),
    Video("dissolves-slow", "squirrel 2 | squirrel>smile 3! | smile 1.5 | smile>flowers 3! "
          "| flowers 1.5 | flowers>dog 3! | dog 2", gop=1.5),
    Video("blur-mild", "blur1:bird 3 | bird 2 | blur1:hill 3! | hill 3 | blur1:dog 2! | dog 2"),
    Video("blur-middling", "blur2:sea 4 | sea 2.5 | blur2:city 3! | city 2.5 | blur2:customer 3! "
          "| customer 3", gop=3),
    Video("blur-heavy", "blur3:cave 3 | cave 3 | blur3:reader 4! | reader 3 | blur3:bedroom 2! "
          "| bedroom 2"),
    Video("focus-pulls", "focus:grump 3! | grump 2.5 | defocus:grump 2! | focus:colleague 3! "
          "| colleague 3 | defocus:colleague 2 | focus:parrot 2! | parrot 2.5"),
    Video("whip-pans", "smile 2 | whip:smile>stream 0.8! | stream 2 | whip:stream>meadow 0.8! "
          "| meadow 2 | whip:meadow>squirrel 1! | squirrel 2 | whip:squirrel>smile 1!"),
    Video("flashes", "night 2 | hill 2 | flash:hill 0.14! | hill 1.5 | flash:hill 0.2! | bird 2 "
          "| flash:bird 0.34! | bird 1.5 | flash:bird 0.2! | cave 2.5 | flash:cave 0.34! | cave 1",
          gop=4),
    Video("flashes-on-keys", "flash:mountains 0.3 | mountains @2 | flash:mountains @2.3 | sea @4 "
          "| flash:sea @4.3 | sea @6 | flash:sea @6.3 | balloons @8 | flash:balloons @8.3 "
          "| balloons @10 | flash:balloons @10.3 | balloons @12 | night 2"),
    Video("smpte-lead", "smpte 6 | black 1 | dog 3 | meadow 4 | butterfly 3 | smpte 3"),
    Video("card-lead", "card 8 | leader 5 | city 3 | sea 3 | mountains 3", gop=1),
    Video("cards-between", "card 2 | stream 2.5 | smpte 2! | flowers 2.5 | card 2! | grump 2.5"),
    Video("credits-roll", "reader 4 | customer 4 | bedroom 3 | out:bedroom 1 | roll 12", gop=3),
    Video("credits-stand", "credits 5 | smile 3 | credits 4! | burrow 3 | credits 4! | bird 3"),
    Video("titles-flat", "title 4 | hill 3 | title 3! | parrot 3 | title 3! | city 3"),
    Video("titles-ramp", "intro 4 | butterfly 3 | intro 3! | sea 3 | intro 3! | colleague 3"),
    Video("leader", "leader 6 | in:cave 1 | cave 4 | meadow 4 | crest 3 | black 1", gop=1),
    Video("logo", "logo 6 | squirrel 3 | logo 3! | balloons 3 | logo 3! | reader 3"),
    Video("plain-frames", "plain 3 | bird 3 | gradient 3! | flowers 3 | grey 3! | mountains 3"),
    Video("dark", "dark:city 5 | city 2 | dark:bird 4! | bird 2.5 | dark:parrot 4! | parrot 2.5"),
    Video("torch", "torch:cave 5! | cave 2 | torch:mountains 5! | mountains 2 | torch:dog 3! "
          "| dog 3", gop=1),
    Video("snow", "snow 2 | grump 3 | grainy:grump 2! | snow 1! | hill 3 | grainy:hill 3! "
          "| sea 3"),
    Video("subtitles", "black 2 | sub:customer 4 | customer 3 | black 1 | sub:meadow 4 | meadow 3 "
          "| out:meadow 2! | sub:stream 3 | roll 4"),
    Video("trap-gop4", "black 1.4 | hill @3.9 | flash:hill @4.15 | hill @7.7 | whip:hill>bird @8.4 "
          "| bird @11.8 | blur2:bird @13 | bird @15.9 | snow @16.6 | cave @19.7 | black @20.6 "
          "| cave @22", gop=4),
    Video("trap-dissolve", "in:sea 1 | sea @3.2 | sea>parrot @4.8 | parrot @7.2 "
          "| parrot>reader @8.8 | reader @11.2 | reader>smile @12.8 | smile @15", gop=4),
    Video("trap-two", "title 0.8 | balloons @1.7 | blur3:balloons @2.5 | balloons @3.7 "
          "| card @4.4 | city @5.8 | out:city @6.6 | dog @7.7 | flash:dog @8.2 | dog @9.8 "
          "| smpte @10.3 | dog @12"),
    Video("one-shot", "black 4 | in:grump 2! | grump 4 | out:grump 2! | black 4"),
    Video("two-shots", "leader 5 | stream 4 | blur2:stream 2! | snow 2! | colleague 4 | roll 6"),
    Video("letterboxed", "black 2 | bird 3 | bird>meadow 2! | meadow 3 | blur2:cave 2! | cave 3 "
          "| roll 5", boxed=True),
    Video("phone", "blur2:parrot 2! | parrot 3 | whip:parrot>customer 1! | customer 3 "
          "| dark:customer 3! "
          "| smile 3 | out:smile 1!", size=_PHONE),
    Video("turned", "black 1 | colleague 3 | defocus:colleague 2! | bedroom 2 | flash:bedroom 0.3! "
          "| bird 3 | black 2", size=_PHONE, rotation=90),
    Video("tv-43", "smpte 4 | reader 4 | grainy:reader 3! | crest 3 | intro 3! | burrow 3",
          rate=25, size=(480, 360), codec="mpeg2video", container="ts", gop=1),
    Video("anamorphic", "card 3 | hill 3 | hill>sea 2! | sea 3 | black 2! | butterfly 3 "
          "| credits 3", sar=(4, 3)),
    Video("hevc", "intro 2 | mountains 3 | mountains>cave 2! | cave 3 | blur2:cave 2! "
          "| squirrel 3 | roll 4", codec="hevc", size=(480, 270)),
    Video("vp9", "black 2 | in:city 2! | city 3 | flash:city 0.4! | meadow 4 | logo 4! | dog 3",
          codec="vp9", container="webm", size=(480, 270)),
    Video("mpeg4", "snow 3 | balloons 3 | blur1:balloons 3! | grump 3 | title 3! | customer 3",
          codec="mpeg4", container="avi"),
    Video("ninety", "smpte 8 | leader 5 | hill 8 | dark:city 8! | city 6 | city>bird 3! | bird 8 "
          "| title 5! | sub:meadow 10 | meadow>cave 3! | cave 6 | roll 20", size=(480, 270),
          rate=12, gop=4),
    Video("five-minutes", "black 10 | intro 10 | meadow 40 | meadow>sea 3! | sea 30 | black 5 "
          "| dark:grump 40 | grump 30 | blur2:parrot 20! | parrot 20 | snow 12 | reader 30 "
          "| roll 50", size=_LONG, rate=10, gop=10),
    # --- held out: other clips, other drawings ---
    Video("h-black-ends", "night 3 | crossing 4 | cafe 4 | phone 4 | black 3", size=(480, 270)),
    Video("h-black-fades", "in:street 3! | street 3 | out:street 3! | black 1 | in:desert 2! "
          "| desert 3 | out:desert 2! | expert 4"),
    Video("h-white-fades", "white 2 | inw:reef 2! | reef 3 | outw:reef 2! | portrait 4 "
          "| outw:portrait 2! | white 1 | rooftop 3"),
    Video("h-dissolves", "gate 2.5 | gate>valley 3! | valley 2 | valley>bicycle 2.5! | bicycle 2 "
          "| bicycle>street 2! | street 2"),
    Video("h-dissolves-on-keys", "reef 3 | reef>desert 2 | desert @7 | desert>portrait @9 "
          "| portrait @11 | portrait>street @13 | street @15", gop=4),
    Video("h-blur", "blur1:expert 3 | expert 2.5 | blur2:gate 3! | gate 2.5 | blur3:desert 3! "
          "| desert 2.5", gop=3),
    Video("h-focus", "focus:portrait 4! | portrait 2.5 | defocus:portrait 2! | focus:bicycle 3! "
          "| bicycle 3 | blur1:rooftop 3! | rooftop 3"),
    Video("h-whip", "street 2 | whip:street>crossing 1! | crossing 2 | whip:crossing>selfie 0.8! "
          "| selfie 2 | whip:selfie>reef 1.2! | reef 2", gop=3),
    Video("h-flashes", "flash:cyclist 0.3 | cyclist 1.7 | flash:cyclist 0.3 | statue @4 "
          "| flash:statue @4.34 | statue @6 | flash:statue @6.2 | desert @8 | flash:desert @8.34 "
          "| desert @10 | black 1.5"),
    Video("h-bars", "ebu 6 | valley 3 | testsrc 4! | expert 4 | ebu 3! | reef 3", gop=1),
    Video("h-testsrc", "testsrc 8 | black 1 | portrait 3 | testsrc 3! | gate 3 | crossing 2"),
    Video("h-credits", "credits 4 | phone 4 | cafe 4 | out:cafe 1! | roll 10", size=_SMALL),
    Video("h-titles", "intro 4 | desert 3 | title 3! | selfie 3 | leader 5! | rooftop 3"),
    Video("h-logo-plain", "logo 4 | reef 3 | plain 3! | bicycle 3 | gradient 3! | street 3"),
    Video("h-dark", "dark:rooftop 4 | rooftop 2 | torch:reef 5! | reef 2 | dark:phone 4! | phone 3",
          size=(480, 270)),
    Video("h-snow", "snow 3 | street 3 | grainy:street 3! | couple 4 | snow 2! | valley 3",
          size=(480, 270), codec="mpeg4", container="avi"),
    Video("h-trap-gop4", "white 0.5 | portrait @3.8 | blur2:portrait @4.5 | portrait @7.8 "
          "| flash:portrait @8.14 | expert @11.9 | black @12.3 | expert @15.7 | title @16.5 "
          "| valley @19.8 | whip:valley>gate @20.6 | gate @23 | night 2", gop=4),
    Video("h-one-shot", "testsrc 4 | in:desert 2! | desert 3 | dark:desert 4! | black 3"),
    Video("h-letterboxed", "black 2 | sub:gate 4 | gate>reef 2! | reef 3 | credits 4! | bicycle 3",
          boxed=True),
    Video("h-phone", "blur2:selfie 3! | selfie 3 | whip:selfie>gate 1! | gate 3 | dark:gate 3! "
          "| expert 3", size=_PHONE, rotation=270, codec="hevc"),
    Video("h-tv", "ebu 4 | cafe 4 | grainy:cafe 2! | phone 4 | intro 3! | couple 4",
          rate=25, size=(480, 360), sar=(12, 11), codec="mpeg2video", container="ts", gop=1),
    Video("h-five-minutes", "testsrc 15 | black 5 | sub:expert 40 | expert 20 | expert>street 3! "
          "| street 30 | torch:street 30! | logo 15 | cafe 40 | blur1:desert 20! | desert 20 "
          "| snow 10 | roll 50", size=_LONG, rate=10, gop=10),
)  # fmt: skip
