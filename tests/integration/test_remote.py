"""Sources that are far away: the same pictures and facts, for the bytes that they need."""

from __future__ import annotations

import functools
import threading
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import snapengine
from snapengine.errors import SnapError
from snapengine.media.isobmff import read_header
from snapengine.sources.base import MeteredSource, SourceReader, Withheld
from snapengine.sources.local import LocalSource
from snapengine.sources.meter import Meter
from tests.integration.damaging import BASES
from tests.media.atlas import ATLAS
from tests.media.recipes import build

#: GOPs of noise that stands still: keyframes are large, what lies between is small.
GOP, RATE, WIDTH, HEIGHT = 12, 24, 320, 192
FIRST, GLIMPSE = 60 << 10, 40 << 10


class Far:
    """Somebody's source, that counts."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        self.name = str(path)
        self.size = len(self._data)
        self.asked: list[tuple[int, int]] = []
        self.threads: set[int] = set()

    def read_at(self, offset: int, size: int) -> bytes:
        self.asked.append((offset, size))
        self.threads.add(threading.get_ident())
        return self._data[offset : offset + size]

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.asked)


def look(source: object, flags: bool = True) -> Any:
    """What can be told of a video: facts and pictures, or the error. ``flags``: whether a picture
    is said to be damaged, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with snapengine.open(source) as video:
                found = []
                for how in ("keyframe", "exact"):
                    for shot in video.snapshots(count=4, accuracy=how):  # type: ignore[arg-type]
                        facts = (shot.pts, shot.time, shot.exact, shot.keyframe)
                        facts += (shot.corrupt, shot.replaced) if flags else ()
                        found.append((facts, shot.to_ndarray().tobytes()))
                first = video.snapshot(0)
                found.append((first.pts, first.to_ndarray().tobytes()))
                return video.info, found
        except SnapError as exc:
            return type(exc)


@pytest.mark.parametrize("name", sorted(ATLAS))
def test_the_same_as_of_the_local_file(name: str, media: Any) -> None:
    path = media(name)
    far = Far(path)
    # Behind a hole in Matroska what counts as doubtful depends on how far buffers had been filled.
    flags = not ATLAS[name].damage
    assert look(far, flags) == look(path, flags)
    assert far.asked


@pytest.mark.parametrize("name", sorted(BASES))
def test_damaged_files_the_same_as_local(name: str, tmp_path: Path) -> None:
    data = bytearray(build(BASES[name]).read_bytes())
    for start in (len(data) // 3, len(data) * 2 // 3):
        data[start : start + 3000] = bytes(3000)
    path = tmp_path / f"damaged.{BASES[name].container}"
    path.write_bytes(data)
    assert look(Far(path)) == look(path)


def write_film(path: Path, gops: int, **muxer: str) -> Path:
    """A film with sound, its index where ``muxer`` says."""
    dice = np.random.default_rng(7)
    with av.open(str(path), "w", options=muxer) as out:
        video = out.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.gop_size = GOP
        video.options = {"preset": "ultrafast", "bf": "2", "sc_threshold": "0", "crf": "20"}
        sound = out.add_stream("aac" if path.suffix != ".avi" else "mp3", rate=48000)
        for number in range(gops):
            samples = dice.integers(0, 255, (HEIGHT * 3 // 2, WIDTH), np.uint8)
            for _ in range(GOP):
                out.mux(video.encode(av.VideoFrame.from_ndarray(samples, format="yuv420p")))
            silence = np.zeros((1, 48000 * GOP // RATE), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, number * silence.shape[1]
            out.mux(sound.encode(frame))
        out.mux(video.encode())
        out.mux(sound.encode())
    return path


@functools.cache
def made(kind: str, gops: int, folder: Path) -> Path:
    """One of a kind for all tests of the module: "faststart", or the name of a container."""
    if kind == "faststart":
        return write_film(folder / f"first-{gops}.mp4", gops, movflags="+faststart")
    return write_film(folder / f"film-{gops}.{kind}", gops)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


def moov_size(path: Path) -> int:
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    return int.from_bytes(data[at : at + 4], "big")


@pytest.mark.parametrize("faststart", [True, False], ids=["moov first", "moov last"])
def test_a_keyframe_costs_its_own_bytes_and_the_index(faststart: bool, folder: Path) -> None:
    path = made("faststart" if faststart else "mp4", 40, folder)
    far = Far(path)
    with snapengine.open(far) as video:
        shot = video.snapshot("60%", accuracy="keyframe")
        opening = video.stats
    with av.open(str(path)) as container:
        key = next(p for p in container.demux(video=0) if p.pts == shot.pts)
        assert key.is_keyframe
        needed = moov_size(path) + key.size
    assert len(far.asked) <= (3 if faststart else 4)
    assert far.bytes <= 1.1 * needed + 64_000
    assert opening.requests + shot.stats.requests == len(far.asked)
    assert opening.bytes_fetched + shot.stats.bytes_fetched == far.bytes
    assert shot.stats.bytes_fetched == key.size


def test_opening_leaves_the_first_picture_where_it_is(folder: Path) -> None:
    path = made("faststart", 40, folder)
    far = Far(path)
    with av.open(str(path)) as container:
        first = next(p for p in container.demux(video=0) if p.size)
    assert first.size > GLIMPSE, "the film shows nothing"
    with snapengine.open(far) as video, snapengine.open(path) as local:
        end = max(offset + size for offset, size in far.asked)
        assert end < max(first.pos + GLIMPSE, FIRST + 1)
        assert video.info == local.info
        # The packet that was only glimpsed at must not be the one that is shown.
        for accuracy in ("exact", "keyframe"):
            ours, theirs = (v.snapshot(0, accuracy=accuracy) for v in (video, local))  # type: ignore[arg-type]
            assert np.array_equal(ours.to_ndarray(), theirs.to_ndarray())


def test_a_sprite_costs_its_keyframes(folder: Path) -> None:
    path = made("faststart", 40, folder)
    far = Far(path)
    with snapengine.open(far) as video:
        sheet = video.sprite(count=30, cell=(64, None), accuracy="keyframe")
        assert len(far.threads) > 1, "nothing was fetched in parallel"
    with av.open(str(path)) as container:
        wanted = {round(cue.time, 3) for cue in sheet.cues}
        sizes = [
            p.size
            for p in container.demux(video=0)
            if p.is_keyframe and round(float(p.pts * p.time_base), 3) in wanted
        ]
    assert len(sizes) == len(wanted) > 20
    assert far.bytes <= 1.1 * (moov_size(path) + sum(sizes)) + 256_000
    assert sheet.stats.bytes_fetched <= 1.1 * sum(sizes) + 32_768


def test_exact_pictures_cost_the_packets_that_are_decoded(folder: Path) -> None:
    path = made("faststart", 40, folder)
    far = Far(path)
    times = [0.3 + 0.97 * i for i in range(20)]
    with snapengine.open(far) as video, av.open(str(path)) as container:
        shots = list(video.snapshots(at=times))
        packets = [p for p in container.demux(video=0) if p.size]
        needed = 0
        for shot in shots:
            last = next(i for i, p in enumerate(packets) if p.pts == shot.pts)
            first = max(i for i, p in enumerate(packets[: last + 1]) if p.is_keyframe)
            needed += sum(p.size for p in packets[first : last + 1])
    assert all(shot.exact for shot in shots)
    assert shots[-1].stats.bytes_fetched <= 1.1 * needed + 32_768


def test_a_longer_film_costs_no_more(folder: Path) -> None:
    """But for its index."""
    costs = []
    for repeat in (40, 80):
        path = made("faststart", repeat, folder)
        far = Far(path)
        with snapengine.open(far) as video:
            video.sprite(count=10, cell=(64, None), accuracy="keyframe")
        costs.append((len(far.asked), far.bytes - moov_size(path)))
    (short, short_bytes), (long, long_bytes) = costs
    assert abs(long - short) <= 1
    assert long_bytes <= 1.3 * short_bytes


@pytest.mark.parametrize("container", ["mkv", "ts", "flv", "avi"])
def test_other_containers_are_not_read_through(container: str, folder: Path) -> None:
    path = made(container, 80, folder)
    far = Far(path)
    with snapengine.open(far) as video:
        video.snapshot("60%", accuracy="keyframe")
    assert far.bytes < path.stat().st_size / 3


def test_several_calls_at_a_time_count_their_own(folder: Path) -> None:
    path = made("faststart", 40, folder)
    far = Far(path)
    stats: list[snapengine.RunStats] = []
    with snapengine.open(far) as video:

        def work(number: int) -> None:
            stats.append(video.snapshot(3.0 * number + 1).stats)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        total = video.stats.snapshot()
    for one in stats:
        total.add(one)
    assert total.requests == len(far.asked)
    assert total.bytes_fetched == far.bytes


def test_limits_of_requests_and_bytes(folder: Path) -> None:
    path = made("faststart", 40, folder)
    far = Far(path)
    with snapengine.open(far, limits=snapengine.Limits(max_requests=5)) as video:
        opened = len(far.asked)
        with pytest.raises(snapengine.errors.LimitExceeded) as caught:
            video.sprite(count=30, cell=(64, None), accuracy="keyframe")
        assert caught.value.context["limit"] == "max_requests"
        assert len(far.asked) <= opened + 5
        video.snapshot(1.0)  # the next call has its own
    with (
        snapengine.open(far, limits=snapengine.Limits(max_bytes_read=2_000_000)) as video,
        pytest.raises(snapengine.errors.LimitExceeded),
    ):
        list(video.snapshots(count=60))


def test_leaving_early_ends_what_is_under_way(folder: Path) -> None:
    path = made("faststart", 40, folder)
    far = Far(path)
    with snapengine.open(far) as video:
        for _shot in video.snapshots(count=30):
            break
        video.snapshot(2.0)
    assert far.bytes < path.stat().st_size * 0.9
    assert not [t for t in threading.enumerate() if t.name == "snapengine-fetch"]


def test_what_is_withheld_is_never_shown_as_bytes_of_the_file(folder: Path) -> None:
    """The stretch that opening need not read lies in the media data, behind the first sample's
    beginning, and reading around it gives zeros only where they are thrown away."""
    path = made("faststart", 40, folder)
    source = LocalSource(path)
    header = read_header(source)
    assert header is not None and header.needless is not None
    begin, end = header.needless
    with av.open(str(path)) as container:
        first = next(p for p in container.demux(video=0) if p.size)
    assert first.pos < begin < first.pos + first.size <= end

    class Planned:
        name, size = "x", source.size

        def read_some(self, offset: int, size: int, meter: Meter) -> bytes:
            assert offset + size <= begin or offset >= end, "it was fetched"
            return source.read_at(offset, size)

        read_at = expect = dismiss = close = lambda *_: None

    reader = SourceReader(MeteredSource(Planned(), Meter()))  # type: ignore[arg-type]
    reader.withheld = Withheld(begin, end, 32768)
    data = path.read_bytes()
    for offset in (first.pos, first.pos + 100, begin - 1, begin, begin + 5000):
        reader.seek(offset)
        small = reader.read(32768)
        assert data[offset:].startswith(small)  # into AVIO's buffer: the file's bytes, or none
        reader.seek(offset)
        large = reader.read(60_000)
        assert len(large) == 60_000
        real = max(0, begin - offset)
        assert large[:real] == data[offset : offset + real]
        assert not any(large[real:])
