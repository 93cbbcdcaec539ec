"""What the public verbs return: :class:`Snapshot`, :class:`SpriteSheet`, its pages."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidOption
from .imaging.encode import encode, format_of
from .imaging.jpeg import JPEG_QUALITY, encode_jpeg
from .imaging.scaler import (
    halved,
    jfif_planes,
    picture_rgb,
    render,
    render_rgb,
    render_rgba,
)
from .model.frame import U8, Picture, RawFrame
from .model.geometry import Size, View
from .model.result import Cue
from .model.stats import RunStats
from .outputs.spool import PageSpool
from .outputs.stores import write_file, write_files
from .outputs.webvtt import webvtt

if TYPE_CHECKING:
    from PIL.Image import Image


class _Encodable:
    """Things with pixels that can become files. Subclasses give RGB and a JFIF picture."""

    __slots__ = ()

    def to_ndarray(self) -> U8:
        """RGB samples: a new uint8 array of shape (height, width, 3)."""
        raise NotImplementedError

    def _jfif(self) -> Picture:
        raise NotImplementedError

    def _samples(self) -> U8:
        """What a format with an alpha channel is made of."""
        return self.to_ndarray()

    def to_image(self) -> Image:
        """The picture as a :class:`PIL.Image.Image`, mode RGB, or RGBA if it has alpha."""
        from PIL import Image as pil_image

        return pil_image.fromarray(self._samples())

    def jpeg(self, quality: int = JPEG_QUALITY, *, backend: str | None = None) -> bytes:
        """A JPEG file: chroma 4:2:0 unless the source has more; ``quality`` 1 to 100.

        ``backend``: "simplejpeg", "turbojpeg" or None for the first that loads. Raises
        :class:`~snapengine.errors.InvalidOption`, ``LayoutTooLarge``, ``EncodeError``.
        """
        return encode_jpeg(self._jfif(), quality, backend=backend)

    def encode(self, format: str, quality: int | None = None) -> bytes:
        """A complete file: "jpeg", "png", "webp" or "avif"; quality None is the format's own.

        All but JPEG keep the alpha of a picture that has it.
        """
        if format == "jpeg":
            return self.jpeg(JPEG_QUALITY if quality is None else quality)
        return encode(format, self._samples(), quality)  # type: ignore[arg-type]

    def save(self, path: str | os.PathLike[str], quality: int | None = None) -> Path:
        """Write ``path``, format by suffix (.jpg .png .webp .avif), atomically.

        Raises ``InvalidOption`` for the suffix before anything is encoded, ``StoreError`` when the
        file cannot be written. Returns the path.
        """
        return write_file(path, self.encode(format_of(path), quality))


class Snapshot(_Encodable):
    """One picture and the truth about it.

    ``index`` counts the times asked for, from 0. ``requested`` and ``time`` are seconds from the
    first shown frame: what was asked and the start of the frame delivered. ``pts`` is its stamp in
    the stream's ``time_base``. ``exact``: it is the frame a player shows at ``requested``.
    ``keyframe``: it is one. ``corrupt``: the decoder had to make parts of it up. ``replaced``: the
    frame that was meant could not be had, this is the nearest. ``stats``: the work of the call that
    made it, shared by all its pictures and still counting while they are being made.

    Immutable; safe to use from several threads.
    """

    __slots__ = (
        "_format", "_frame", "_picture", "_rgba", "_view", "corrupt", "exact", "index", "keyframe",
        "picture_type", "pts", "replaced", "requested", "stats", "time",
    )  # fmt: skip

    def __init__(
        self,
        *,
        index: int,
        requested: float,
        time: float,
        pts: int,
        exact: bool,
        replaced: bool,
        frame: RawFrame,
        view: View,
        stats: RunStats,
        corrupt: bool,
        picture: Picture | None = None,
        rgba: U8 | None = None,
    ) -> None:
        self.index = index
        self.requested = requested
        self.time = time
        self.pts = pts
        self.exact = exact
        self.replaced = replaced
        self.keyframe = frame.keyframe
        self.picture_type = frame.picture_type
        self.corrupt = corrupt
        self.stats = stats
        self._view = view
        self._format = frame.format
        # Full size: the decoder's own frame, untouched. Scaled: the small picture alone.
        self._picture = picture
        self._rgba = rgba
        self._frame = frame if picture is None else None

    @property
    def width(self) -> int:
        return self._view.size.width

    @property
    def height(self) -> int:
        return self._view.size.height

    @property
    def size(self) -> Size:
        return self._view.size

    @property
    def planes(self) -> tuple[NDArray[Any], ...]:
        """Read-only 2-D views of the samples, (height, width) each.

        Full size: the decoder's, bit by bit, in its own range and matrix, before orientation,
        cropping, deinterlacing and tone mapping (Y, Cb, Cr or R, G, B; uint8, or uint16 above 8
        bits). Scaled: full-range BT.601 YCbCr.
        """
        if self._frame is not None:
            return tuple(p.array() for p in self._frame.planes[: -1 if self.has_alpha else None])
        assert self._picture is not None
        return self._picture.planes

    @property
    def has_alpha(self) -> bool:
        """Whether the picture is transparent somewhere, or could be."""
        return self._format.alpha

    def to_ndarray(self, *, alpha: bool = False) -> U8:
        """RGB samples: a new uint8 array of shape (height, width, 3).

        A picture that has alpha is laid on the background colour; with ``alpha`` it is (height,
        width, 4) instead, straight. Without alpha of its own it is opaque.
        """
        if alpha:
            return self._samples_rgba()
        if self._frame is not None:
            return render_rgb(self._frame, self._view)
        assert self._picture is not None
        return picture_rgb(self._picture)

    def _samples(self) -> U8:
        return self._samples_rgba() if self.has_alpha else self.to_ndarray()

    def _samples_rgba(self) -> U8:
        if self._frame is not None:
            return render_rgba(self._frame, self._view)
        if self._rgba is not None:
            return self._rgba.copy()
        rgb = self.to_ndarray()
        return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])

    def _jfif(self) -> Picture:
        # Chroma as fine as the source's: small pictures are kept with all of it (the source has
        # enough when shrunk) for the sake of PNG and RGB; most JPEGs want a quarter.
        coarse = self._format.model == "gray" or self._format.log2_chroma_h > 0
        if self._picture is not None:
            return halved(self._picture) if coarse else self._picture
        assert self._frame is not None
        if self._view.is_unscaled and self._view.orientation.is_identity:
            return jfif_planes(self._frame, self._view.background)
        picture = Picture(*self._view.size, "420" if coarse else "444")
        render(self._frame, self._view, picture)
        return picture

    def __repr__(self) -> str:
        kind = "keyframe" if self.keyframe else "frame"
        how = "exact" if self.exact else "near"
        return (
            f"<Snapshot {self.width}x{self.height} {how} {kind} at {self.time:.3f} s "
            f"for {self.requested:.3f} s>"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one cell of a sheet shows. ``time`` and ``pts`` are ``None`` when it is blank.

    ``exact``, ``corrupt`` and ``replaced`` as in :class:`Snapshot`.
    """

    requested: float
    time: float | None
    pts: int | None
    exact: bool
    keyframe: bool
    corrupt: bool
    replaced: bool

    @property
    def is_damaged(self) -> bool:
        """Blank, or showing something else or less than was meant."""
        return self.pts is None or self.corrupt or self.replaced


class _SheetPicture(_Encodable):
    """A page of a sheet, or a cell; ``index`` counts from 0."""

    __slots__ = ("index", "size")

    def __init__(self, index: int, size: Size) -> None:
        self.index = index
        self.size = size

    @property
    def width(self) -> int:
        return self.size.width

    @property
    def height(self) -> int:
        return self.size.height

    def to_ndarray(self) -> U8:
        return picture_rgb(self._jfif())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.index} {self.width}x{self.height}>"


class SpritePage(_SheetPicture):
    """One picture of a sprite sheet."""

    __slots__ = ("_spool",)

    def __init__(self, index: int, size: Size, spool: PageSpool) -> None:
        super().__init__(index, size)
        self._spool = spool

    def _jfif(self) -> Picture:
        return self._spool.load(self.index)


class CellPicture(_SheetPicture):
    """One cell of a sheet as a picture of its own; ``index`` as in ``SpriteSheet.cells``."""

    __slots__ = ("_picture",)

    def __init__(self, index: int, picture: Picture) -> None:
        super().__init__(index, picture.size)
        self._picture = picture

    def _jfif(self) -> Picture:
        return self._picture


class SpriteSheet:
    """Pages of cells, the cues that say which cell stands for which stretch, and what it cost.

    ``cells[i]`` tells what cell i shows; ``missing`` lists the cells that could not be filled,
    ``damaged`` these and all whose frame could not be had whole.
    """

    def __init__(
        self,
        *,
        pages: Sequence[SpritePage],
        cues: Sequence[Cue],
        cells: Sequence[Cell],
        columns: int,
        rows: int,
        stats: RunStats,
    ) -> None:
        self.pages = list(pages)
        self.cues = list(cues)
        self.cells = list(cells)
        self.columns = columns
        self.rows = rows
        self.stats = stats

    @property
    def missing(self) -> list[int]:
        """Indices of blank cells."""
        return [i for i, cell in enumerate(self.cells) if cell.pts is None]

    @property
    def damaged(self) -> list[int]:
        """Indices of cells that are blank, or show something else or less than was meant."""
        return [i for i, cell in enumerate(self.cells) if cell.is_damaged]

    def cell_pictures(self) -> Iterator[CellPicture]:
        """The cells as pictures of their own, in order, without those that are blank.

        What is on the pages, sample by sample: nothing is decoded or scaled again. One page at a
        time is in memory.
        """
        for number, cues in itertools.groupby(enumerate(self.cues), lambda item: item[1].page):
            page = self.pages[number]._jfif()
            for index, cue in cues:
                if self.cells[index].pts is not None:
                    part = page.part(cue.x, cue.y, cue.width, cue.height)
                    yield CellPicture(index, part)

    def page_names(self, suffix: str = ".jpg") -> list[str]:
        """File names of the pages, in order."""
        digits = max(3, len(str(len(self.pages))))
        return [f"sprite-{i + 1:0{digits}d}{suffix}" for i in range(len(self.pages))]

    def webvtt(self, page_names: Sequence[str] | None = None, *, base: str = "") -> str:
        """The thumbnail track; see :func:`snapengine.outputs.webvtt.webvtt`."""
        return webvtt(self.cues, page_names or self.page_names(), base=base)

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        suffix: str = ".jpg",
        quality: int | None = None,
        vtt: str = "thumbnails.vtt",
        base: str = "",
    ) -> list[Path]:
        """Write all pages and the WebVTT track into ``folder``: all of them or none.

        The folder is made if it is missing. Returns the paths, the track last.
        """
        kind = format_of(suffix)
        if os.path.basename(vtt) != vtt or not vtt:
            raise InvalidOption(f"vtt must be a plain file name, not {vtt!r}")
        names = self.page_names(suffix)
        if vtt in names:
            raise InvalidOption(f"vtt must not have the name of a page: {vtt!r}")
        files: dict[str, bytes | Callable[[], bytes]] = {}
        for name, page in zip(names, self.pages, strict=True):
            files[name] = _timed(page, kind, quality, self.stats)
        files[vtt] = self.webvtt(names, base=base).encode()
        return write_files(folder, files)

    def __repr__(self) -> str:
        return (
            f"<SpriteSheet {len(self.cells)} cells, {self.columns}x{self.rows}, "
            f"{len(self.pages)} pages>"
        )


def _timed(
    page: SpritePage, kind: str, quality: int | None, stats: RunStats
) -> Callable[[], bytes]:
    def make() -> bytes:
        began = time.perf_counter()
        data = page.encode(kind, quality)
        stats.encode_seconds += time.perf_counter() - began
        return data

    return make
