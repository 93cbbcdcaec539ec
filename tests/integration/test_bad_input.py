"""Whatever comes in: a picture or a SnapError. Never a hang, a crash or another exception."""

from __future__ import annotations

import faulthandler
import gc
import io
import math
import random
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snapengine
from snapengine import SnapError
from snapengine.errors import NoVideoStream
from tests.media.atlas import DAMAGED, recipe
from tests.media.oracle import Truth
from tests.media.recipes import build

HANG_SECONDS = 60
"""A single test of this module takes well under a second."""

FORMATS = ("h264-mp4-faststart", "h264-mkv-nocues", "h264-ts", "vp9-webm", "mpeg4-avi",
           "h264-mp4-fragmented", "av1-mp4", "h264-flv", "mpeg2-ts", "hevc-mp4")  # fmt: skip


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """A hang ends the run with every thread's stack instead of stopping it for ever."""
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module")
def good() -> Path:
    return build(recipe("h264-mp4-bpyramid"))


def picture_or_error(source: Any, *times: float) -> str:
    """What came of it: "picture" or the error's class. Anything else propagates."""
    outcome = "picture"
    try:
        with snapengine.open(source) as video:
            for time in times or (0.0, 1.1, 99.0):
                pixels = video.snapshot(time, width=64).to_ndarray()
                assert pixels.ndim == 3
                assert pixels.shape[1] == 64
                assert pixels.dtype == np.uint8
            for shot in video.snapshots(count=4, width=64, accuracy="keyframe"):
                assert shot.to_ndarray().shape[1] == 64
    except SnapError as error:
        assert str(error)
        assert error.code
        outcome = type(error).__name__
    return outcome


# --- not a video ---------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SnapError) as caught:
        snapengine.open(tmp_path / "nothing.mp4")
    assert isinstance(caught.value, OSError)
    assert "nothing.mp4" in str(caught.value)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(SnapError):
        snapengine.open(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"hello, this is no video\n" * 50, b"<html></html>", bytes(100_000),
     b"\xff" * 5000, random.Random(1).randbytes(50_000), b"RIFF\x10\0\0\0AVI LIST",
     b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", b"\x1aE\xdf\xa3", b"G" * 188 * 20],
    ids=["empty", "one byte", "text", "html", "zeros", "ones", "noise", "avi head", "mp4 head",
         "mkv head", "ts sync"],
)  # fmt: skip
def test_not_a_video(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "thing.mp4"
    path.write_bytes(data)
    for source in (path, data):
        with pytest.raises(SnapError), snapengine.open(source) as video:
            video.snapshot(0)


def test_playlist_does_not_reach_other_files(good: Path, tmp_path: Path) -> None:
    """FFmpeg's concat and HLS readers open what the text names; an upload must not."""
    concat = tmp_path / "list.txt"
    concat.write_text(f"ffconcat version 1.0\nfile '{good}'\n")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:4,\n{good}\n#EXT-X-ENDLIST\n")
    for path in (concat, playlist):
        for source in (path, path.read_bytes()):
            with pytest.raises(SnapError), snapengine.open(source) as video:
                video.snapshot(0)
    for text in (f"concat:{good}", f"subfile,,start,0,end,0,,:{good}", "http://[::1"):
        with pytest.raises(SnapError):
            snapengine.open(text)


def test_audio_only(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16_000))
    with pytest.raises(NoVideoStream), snapengine.open(path) as video:
        video.snapshot(0)


@pytest.mark.parametrize("source", [None, 5, 1.5, ["a.mp4"], object(), io.StringIO("text")])
def test_wrong_kind_of_source(source: Any) -> None:
    with pytest.raises((SnapError, TypeError)):
        snapengine.open(source)


# --- broken videos -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_truncated_anywhere(name: str) -> None:
    data = build(recipe(name)).read_bytes()
    dice = random.Random(name)
    cuts = sorted(
        {0, 1, 7, 8, 40, 100, len(data) - 1, *(dice.randrange(len(data)) for _ in range(16))}
    )
    outcomes = [picture_or_error(data[:cut]) for cut in cuts]
    assert "picture" in outcomes[-1:] or name.startswith(("av1", "hevc"))


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bits_anywhere(name: str) -> None:
    """The head too: sizes, counts and offsets that lie."""
    data = build(recipe(name)).read_bytes()
    for seed in range(14):
        dice = random.Random(f"{name}:{seed}")
        broken = bytearray(data)
        region = min(len(data), 1500) if seed % 2 else len(data)
        for _ in range(1 + seed * 3):
            broken[dice.randrange(region)] ^= 1 << dice.randrange(8)
        picture_or_error(bytes(broken))


@pytest.mark.parametrize("name", [r.name for r in DAMAGED])
def test_damaged_file_still_shows_its_sound_part(name: str) -> None:
    path = build(recipe(name))
    truth = Truth.of(path)
    with snapengine.open(path) as video:
        shot = video.snapshot(0)
        assert shot.time == 0
        if not truth.frames[0].corrupt:
            assert shot.to_ndarray().shape[2] == 3
        for time in (0.5, 1.4, 2.3, 30.0):
            try:
                near = video.snapshot(time)
                # The nearest frame that is left may be one behind, and then says so.
                assert 0 <= near.time <= time or (near.replaced and not near.exact)
            except SnapError:
                continue


def test_real_broken_file_gives_picture_or_error(real_file: Path) -> None:
    picture_or_error(real_file, 0.0, 1.0, 1e6)


test_real_broken_file_gives_picture_or_error.real_file_wanted = (  # type: ignore[attr-defined]
    lambda path: path.name.startswith(("broken", "encrypted", "audio"))
)


# --- arguments -----------------------------------------------------------------------------------

NOT_TIMES = [math.nan, math.inf, -math.inf, -1, -0.001, "", "abc", "1:99", "101%", None, [1], b"1",
             True, 1j]  # fmt: skip


@pytest.mark.parametrize("time", NOT_TIMES, ids=repr)
def test_time_that_is_none(good: Path, time: Any) -> None:
    with snapengine.open(good) as video:
        with pytest.raises(SnapError) as caught:
            video.snapshot(time)
        assert isinstance(caught.value, ValueError)
        with pytest.raises(SnapError):
            list(video.snapshots(at=[0.5, time]))


@pytest.mark.parametrize(
    "time", [0, 1, 1.5, "1.5", "00:00:01.500", "50%", np.float64(1.5)], ids=repr
)
def test_time_that_is_one(good: Path, time: Any) -> None:
    with snapengine.open(good) as video:
        assert 0 <= video.snapshot(time).time < 4


WRONG: list[tuple[str, dict[str, Any]]] = [
    *[("snapshot", {"time": 1, "width": w}) for w in (0, -1, 10**9, 1.5, "64", math.nan, True)],
    *[("snapshot", {"time": 1, "height": h}) for h in (0, -1, 10**9, 1.5)],
    ("snapshot", {"time": 1, "width": 64, "height": 64, "fit": "weird"}),
    ("snapshot", {"time": 1, "width": 64, "height": 64, "fit": None}),
    *[("snapshot", {"time": 1, "accuracy": a}) for a in ("weird", -1, math.nan, None, True, [])],
    *[("snapshots", {"interval": i}) for i in (0, -1, math.nan, math.inf, "x", None)],
    *[("snapshots", {"count": c}) for c in (0, -1, 1.5, "x", True)],
    ("snapshots", {}),
    ("snapshots", {"count": 3, "interval": 1}),
    ("snapshots", {"at": [1], "count": 1}),
    ("snapshots", {"at": 5}),
    ("snapshots", {"count": 3, "start": 3, "end": 1}),
    ("snapshots", {"count": 3, "start": -1}),
    ("snapshots", {"interval": 1, "limit": -1}),
    *[("sprite", {"count": 4, "cell": c}) for c in ((0, 10), (10,), (-1, 5), "x", (1.5, 2), 7)],
    *[("sprite", {"count": 4, "columns": c}) for c in (0, -1, 1.5)],
    *[("sprite", {"count": 4, "rows": r}) for r in (0, -1, 1.5)],
    *[("sprite", {"count": 4, "padding": p}) for p in (-1, 1.5, "x")],
    *[("sprite", {"count": 4, "margin": m}) for m in (-1, 1.5, "x")],
    ("sprite", {"count": 4, "color": "no such colour"}),
    ("sprite", {"count": 4, "fit": "weird"}),
    ("sprite", {"count": 4, "cell": (70_000, 10)}),
    ("sprite", {"count": 0}),
    ("sprite", {"interval": 0}),
    ("sprite", {}),
    ("plan", {"at": [-1]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "options"), WRONG, ids=lambda v: v if isinstance(v, str) else repr(v)
)
def test_wrong_argument_raises_before_any_read(
    good: Path, verb: str, options: dict[str, Any]
) -> None:
    class Counted(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            return super().read(size)

        def readinto(self, buffer: Any, /) -> int:
            self.reads += 1
            return super().readinto(buffer)

    file = Counted(good.read_bytes())
    options = dict(options)
    positional = [options.pop("time")] if "time" in options else []
    with snapengine.open(file) as video:
        before = file.reads
        with pytest.raises(SnapError) as caught:
            result = getattr(video, verb)(*positional, **options)
            if verb == "snapshots":
                list(result)
        assert isinstance(caught.value, ValueError)
        assert file.reads == before
        assert video.snapshot(1).time == 1, "still usable"


@pytest.mark.parametrize("quality", [0, -1, 101, 1.5, "x", None, True])
def test_wrong_quality(good: Path, quality: Any) -> None:
    with snapengine.open(good) as video, pytest.raises(SnapError):
        video.snapshot(1, width=64).jpeg(quality=quality)


# --- outputs -------------------------------------------------------------------------------------


def test_unwritable_output(good: Path, tmp_path: Path) -> None:
    """Below a regular file nothing can be made, not even by root."""
    (tmp_path / "file").write_text("x")
    blocked = tmp_path / "file" / "below"
    with snapengine.open(good) as video:
        shot = video.snapshot(1, width=64)
        with pytest.raises(SnapError):
            shot.save(blocked / "cover.jpg")
        with pytest.raises(SnapError):
            shot.save(blocked)
        with pytest.raises(SnapError):
            shot.save(tmp_path / "cover.unknown")
        with pytest.raises(SnapError):
            shot.save(tmp_path)
        sheet = video.sprite(count=4, cell=(32, 18))
        with pytest.raises(SnapError):
            sheet.save(blocked)
        with pytest.raises(SnapError):
            sheet.save(tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".png", ".webp"])
def test_save_by_suffix_leaves_only_the_file(good: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cover{suffix}"
    with snapengine.open(good) as video:
        video.snapshot(1, width=64).save(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    from PIL import Image

    with Image.open(path) as image:
        assert image.width == 64
        assert image.format == {".png": "PNG", ".webp": "WEBP"}.get(suffix.lower(), "JPEG")


# --- sources that are not files -------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [bytes, bytearray, memoryview, io.BytesIO], ids=lambda m: m.__name__
)
def test_memory_sources(good: Path, make: Callable[[bytes], Any]) -> None:
    truth = Truth.of(good)
    with snapengine.open(make(good.read_bytes())) as video:
        shot = video.snapshot(2.5)
        assert shot.time == float(truth.time_of(truth.frame_at(2.5)))


class OneWay(io.RawIOBase):
    """A pipe: reads forward only."""

    def __init__(self, data: bytes) -> None:
        self.inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.inner.readinto(buffer)

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")


@pytest.mark.parametrize("name", ["h264-mp4-faststart", "h264-mov", "h264-ts"])
def test_source_that_cannot_seek(name: str) -> None:
    data = build(recipe(name)).read_bytes()
    assert picture_or_error(OneWay(data))


def test_file_object_failing_midway(good: Path) -> None:
    class Failing(io.BytesIO):
        left = 6

        def read(self, size: int | None = -1, /) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise OSError("the cable was pulled")
            return super().read(min(size, 4096) if size and size > 0 else 4096)

        def readinto(self, buffer: Any, /) -> int:
            got = self.read(len(buffer))
            buffer[: len(got)] = got
            return len(got)

    with pytest.raises(SnapError), snapengine.open(Failing(good.read_bytes())) as video:
        list(video.snapshots(interval=0.1))


def test_callers_file_stays_open(good: Path) -> None:
    with good.open("rb") as file:
        with snapengine.open(file) as video:
            video.snapshot(1)
        assert not file.closed


# --- life ----------------------------------------------------------------------------------------


def test_used_after_close(good: Path) -> None:
    with snapengine.open(good) as video:
        shot = video.snapshot(1, width=64)
        waiting = video.snapshots(interval=0.2, width=64)
    assert shot.to_ndarray().shape[1] == 64, "a result outlives its video"
    assert shot.jpeg()
    for call in (
        lambda: video.snapshot(1),
        lambda: list(video.snapshots(count=2)),
        lambda: list(waiting),
        lambda: video.sprite(count=2),
        lambda: video.plan(count=2),
    ):
        with pytest.raises(SnapError):
            call()
    video.close()  # again: no matter


def native_threads() -> int | None:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else None


def test_abandoned_generator_leaves_no_threads(good: Path) -> None:
    def abandon(after: int) -> None:
        with snapengine.open(good, threads=2) as video:
            shots = iter(video.snapshots(interval=0.1, width=64))
            for _ in range(after):
                next(shots)
            del shots
        gc.collect()

    abandon(3)  # whatever is started once per process has started now
    known, native = set(threading.enumerate()), native_threads()
    for after in (1, 5, 17, 2):
        abandon(after)
    for thread in set(threading.enumerate()) - known:
        thread.join(timeout=5)
        assert not thread.is_alive(), thread.name
    if native is not None:
        left = native_threads()
        assert left is not None
        assert left <= native + 2


def test_abandoned_generator_in_an_open_video(good: Path) -> None:
    with snapengine.open(good, threads=2) as video:
        shots = iter(video.snapshots(interval=0.1, width=64))
        next(shots)
        other = video.snapshot(3.0)  # in between
        assert other.time == 3.0
        assert next(shots).requested == pytest.approx(0.1)
        del shots
        assert video.snapshot(1.0).time == 1.0


def test_one_video_used_from_several_threads(good: Path) -> None:
    """Right pictures or a SnapError; never a crash or another thread's frame."""
    truth = Truth.of(good)
    problems: list[str] = []

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(8):
            at = dice.uniform(0, 3.9)
            try:
                shot = video.snapshot(at)
            except SnapError:
                continue
            if shot.time != float(truth.time_of(truth.frame_at(at))):
                problems.append(f"{at}: {shot.time}")

    with snapengine.open(good, threads=2) as video:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=HANG_SECONDS / 2)
    assert not any(thread.is_alive() for thread in threads)
    assert problems == []


def test_many_opens_leave_no_file_open(good: Path) -> None:
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        for _ in range(30):
            picture_or_error(good, 1.0)
        return
    picture_or_error(good, 1.0)
    before = len(list(handles.iterdir()))
    for _ in range(30):
        picture_or_error(good, 1.0)
        picture_or_error(good.read_bytes()[:5000])
    gc.collect()
    assert len(list(handles.iterdir())) <= before


def test_a_side_that_follows_from_the_other_is_bounded_too() -> None:
    with (
        snapengine.open(build(recipe("h264-mp4-baseline"))) as video,
        pytest.raises(snapengine.errors.LayoutTooLarge, match="65000x"),
    ):
        video.snapshot(0, width=65000)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    with snapengine.open(build(recipe("h264-mp4-baseline"))) as video:
        assert video.snapshot(0, width=np.int64(64)).width == 64
        assert len(list(video.snapshots(count=np.int32(3), width=64))) == 3
        sheet = video.sprite(count=np.uint8(4), cell=(np.int16(32), 18), columns=np.int64(2))
        assert (sheet.columns, len(sheet.cells)) == (2, 4)


def test_closing_in_the_middle_of_an_iteration_says_so() -> None:
    with snapengine.open(build(recipe("h264-mp4-longgop"))) as video:
        shots = video.snapshots(interval=0.5, width=64)
        next(shots)
    with pytest.raises(snapengine.errors.EngineClosed):
        list(shots)


@pytest.mark.parametrize("time", [1e300, 10**400, "99999999999999999999999999"])
def test_a_time_no_video_reaches_is_refused(time: object) -> None:
    with (
        snapengine.open(build(recipe("h264-mp4-baseline"))) as video,
        pytest.raises(snapengine.errors.InvalidTime, match="at most"),
    ):
        video.snapshot(time)


def test_a_long_time_past_the_end_is_the_last_frame() -> None:
    with snapengine.open(build(recipe("h264-mp4-baseline"))) as video:
        assert video.snapshot(10**14).pts == video.snapshot("100%").pts


def test_a_session_description_opens_no_socket(tmp_path: Path) -> None:
    """libavformat's SDP demuxer would bind the ports that the text names, and wait for packets."""
    text = (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5555 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )
    path = tmp_path / "x.mp4"
    path.write_text(text)
    bound: list[str] = []

    class Watching(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            bound.extend(line for line in _udp_ports() if line.endswith(":15B3"))
            return super().read(size)

    with pytest.raises(SnapError):
        snapengine.open(Watching(text.encode()))
    with pytest.raises(SnapError):
        snapengine.open(path)
    assert bound == []


def _udp_ports() -> list[str]:
    table = Path("/proc/net/udp")
    lines = table.read_text().splitlines()[1:] if table.exists() else []
    return [line.split()[1] for line in lines]


def test_the_track_never_takes_the_place_of_a_page(tmp_path: Path) -> None:
    with snapengine.open(build(recipe("h264-mp4-baseline"))) as video:
        sheet = video.sprite(count=2, cell=(32, 18))
    with pytest.raises(snapengine.errors.InvalidOption, match="name of a page"):
        sheet.save(tmp_path / "out", vtt="sprite-001.jpg")
    assert not (tmp_path / "out").exists()


def test_a_file_cut_off_before_its_index_is_told_apart(tmp_path: Path) -> None:
    whole = build(recipe("h264-mp4-baseline")).read_bytes()
    assert whole.find(b"moov") > whole.find(b"mdat"), "this recipe has its index at the end"
    with pytest.raises(snapengine.errors.UnrecognizedContainer, match="cut off"):
        snapengine.open(whole[: whole.find(b"moov") - 8])
    with pytest.raises(snapengine.errors.UnrecognizedContainer) as raised:
        snapengine.open(b"this is a text and no video at all " * 20)
    assert "cut off" not in str(raised.value)
