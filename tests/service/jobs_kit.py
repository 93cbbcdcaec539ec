"""Orders, and what was made of them, for the tests of jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from snapengine import Limits, Network
from snapengine.service.domain.records import (
    IngestRequest,
    JobKind,
    JobRequest,
    PictureKind,
    SmartCoverRequest,
)
from snapengine.service.domain.requests import SnapshotRequest, ThumbnailRequest
from snapengine.service.jobs.making import make
from snapengine.service.jobs.orders import Made, MadeFile, WorkOrder
from tests.media.barcode import draw_luma, read_ordinal
from tests.media.recipes import cache_folder

JOB: Final = "0123456789abcdef" * 2
NETWORK: Final = Network(allow_private=True, without_ranges="stream", retries=0)
_KINDS: Final[dict[type, JobKind]] = {
    IngestRequest: "ingest",
    SnapshotRequest: "snapshots",
    ThumbnailRequest: "thumbnails",
    SmartCoverRequest: "smart_cover",
}


def order(source: Path | str, request: JobRequest, folder: Path, **fields: Any) -> WorkOrder:
    """An order for a file, which lies below an allowed folder unless ``roots`` says otherwise."""
    given: dict[str, Any] = {
        "job_id": JOB,
        "kind": _KINDS[type(request)],
        "source": str(source),
        "request": request,
        "folder": str(folder),
        "roots": (str(Path(source).parent),) if "://" not in str(source) else (),
        "network": NETWORK,
        "limits": Limits(),
        "threads": 2,
        "quality": 90,
    }
    return WorkOrder(**(given | fields))


@dataclass(frozen=True)
class Work:
    """What was made, and where it lies."""

    made: Made
    folder: Path
    steps: list[float]

    def files(self, kind: PictureKind) -> list[MadeFile]:
        """Those of a kind, in order, numbered from 1 without gaps."""
        found = [file for file in self.made.files if file.kind == kind]
        assert [file.number for file in found] == list(range(1, len(found) + 1))
        return found

    def kinds(self) -> dict[PictureKind, int]:
        counts: dict[PictureKind, int] = {}
        for file in self.made.files:
            counts[file.kind] = counts.get(file.kind, 0) + 1
        return counts

    def pixels(self, file: MadeFile) -> npt.NDArray[np.uint8]:
        """Decoded by Pillow; it is of the size that was announced."""
        with Image.open(self.folder / file.file) as image:
            assert {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif"}[
                str(image.format)
            ] == file.media_type
            assert image.size == (file.width, file.height)
            return np.asarray(image.convert("RGB"))

    def ordinals(self, kind: PictureKind) -> list[int]:
        """The frame numbers that are seen in the pictures of a kind."""
        return [read_ordinal(self.pixels(file)) for file in self.files(kind)]

    def times(self, kind: PictureKind) -> list[Fraction | None]:
        return [file.requested for file in self.files(kind)]

    def text(self) -> str:
        """The track."""
        (track,) = self.files("track")
        assert track.media_type == "text/vtt" and track.width is None
        return (self.folder / track.file).read_text(encoding="utf-8")


def work(source: Path | str, request: JobRequest, folder: Path, **fields: Any) -> Work:
    """Make it; nothing but the files announced is in the folder."""
    folder.mkdir(exist_ok=True)
    steps: list[float] = []
    made = make(order(source, request, folder, **fields), steps.append)
    assert {path.name for path in folder.iterdir()} == {file.file for file in made.files}
    assert steps == sorted(steps) and steps[-1] == 1.0 and steps[0] > 0
    return Work(made, folder, steps)


def film(
    name: str,
    luma: Callable[[int], npt.NDArray[np.uint8]],
    *,
    frames: int,
    size: tuple[int, int] = (160, 96),
    gop: int = 12,
) -> Path:
    """A small H.264 file at 25 frames a second, of the luma of each frame."""
    path = cache_folder() / f"{name}.mp4"
    if path.exists():
        return path
    aside = path.with_suffix(".making.mp4")
    with av.open(str(aside), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25, options={"crf": "20", "g": str(gop)})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            planes = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
            planes[: size[1]] = luma(number)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")))
        out.mux(stream.encode(None))
    aside.replace(path)
    return path


def dark_start() -> Path:
    """Forty black frames, then forty with their number on them."""

    def luma(number: int) -> npt.NDArray[np.uint8]:
        return draw_luma(number, 160, 96) if number >= 40 else np.full((96, 160), 16, np.uint8)

    return film("service-dark-start", luma, frames=80)
