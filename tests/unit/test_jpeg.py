"""JPEG encoding: one suite, run on every backend, checked with an independent decoder (Pillow)."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snapengine.errors import BackendMissing, EncodeError, InvalidOption, LayoutTooLarge
from snapengine.imaging import jpeg
from snapengine.imaging.jpeg import encode_jpeg, jpeg_encoder
from snapengine.model.frame import Picture
from tests.conftest import required

SIZES = [(1, 1), (1, 7), (7, 1), (2, 3), (3, 2), (16, 16), (17, 16), (64, 48), (321, 241)]
#: Measured on the picture of `smooth` (320x240), both backends, less 1 dB of reserve.
PSNR = {30: 34.0, 60: 37.0, 85: 41.0, 95: 45.0}


@pytest.fixture(autouse=True)
def fresh_choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test chooses its backend anew."""
    monkeypatch.delenv(jpeg.JPEG_BACKEND_VARIABLE, raising=False)
    yield
    jpeg._load.cache_clear()
    jpeg._first_that_loads.cache_clear()


@pytest.fixture(params=jpeg.JPEG_BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    try:
        jpeg_encoder(name)
    except BackendMissing as error:
        if required(name):
            pytest.fail(f"SNAPENGINE_REQUIRE names {name}: {error}")
        pytest.skip(str(error))
    return name


def smooth(width: int, height: int, subsampling: str = "420", seed: int = 7) -> Picture:
    """Random, but band-limited, so that subsampling and quantisation are fair."""
    rng = np.random.default_rng(seed)
    picture = Picture(width, height, subsampling)  # type: ignore[arg-type]
    for plane in picture.planes:
        h, w = plane.shape
        coarse = rng.integers(40, 216, (-(-h // 8) + 1, -(-w // 8) + 1), dtype=np.uint8)
        plane[:] = np.asarray(Image.fromarray(coarse).resize((w, h), Image.Resampling.BICUBIC))
    return picture


def decoded(data: bytes, mode: str = "YCbCr") -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    image.draft(mode, image.size)
    assert image.mode == mode
    return np.asarray(image).astype(np.int64)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.mean((a.astype(float) - b.astype(float)) ** 2))
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def test_flat_colors_come_back_in_every_size_and_subsampling(backend: str) -> None:
    for subsampling in ("420", "444"):
        for width, height in SIZES:
            picture = Picture(width, height, subsampling)
            picture.fill((76, 85, 255))  # red in full-range BT.601, as JFIF defines it
            rgb = decoded(encode_jpeg(picture, backend=backend), "RGB")
            assert rgb.shape == (height, width, 3)
            assert np.abs(rgb - (254, 0, 0)).max() <= 3, (subsampling, width, height)


@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("size", [(320, 240), (321, 241), (33, 17)])
def test_quality_in_decibels(backend: str, subsampling: str, size: tuple[int, int]) -> None:
    picture = smooth(*size, subsampling)
    previous = 0.0
    for quality, least in PSNR.items():
        seen = decoded(encode_jpeg(picture, quality, backend=backend))
        luma = psnr(seen[..., 0], picture.y)
        assert np.abs(seen[..., 0] - picture.y).mean() > 0  # lossy, so not our own input
        assert luma > least
        assert luma > previous
        previous = luma


@pytest.mark.parametrize("subsampling", ["420", "444"])
def test_chroma_comes_back_in_its_place(backend: str, subsampling: str) -> None:
    picture = smooth(320, 240, subsampling)
    seen = decoded(encode_jpeg(picture, 95, backend=backend))
    for index, plane in ((1, picture.u), (2, picture.v)):
        chroma = seen[..., index].astype(float)
        if subsampling == "420":
            chroma = chroma.reshape(120, 2, 160, 2).mean((1, 3))
        assert np.abs(chroma - plane).mean() > 0
        assert psnr(chroma, plane) > 38.0
        # The same plane one sample off, or the other plane, must be told apart.
        assert psnr(np.roll(chroma, 1, 1), plane) < 35.0
    assert psnr(seen[..., 1], seen[..., 2]) < 25.0


def test_file_says_its_subsampling_and_jfif(backend: str) -> None:
    for subsampling, factors in (("420", (2, 2)), ("444", (1, 1))):
        image = Image.open(io.BytesIO(encode_jpeg(smooth(40, 30, subsampling), backend=backend)))
        assert [c[1:3] for c in image.layer] == [factors, (1, 1), (1, 1)]  # type: ignore[attr-defined]
        assert "jfif" in image.info
        assert not image.info.get("progressive")


def test_a_cell_of_a_bigger_picture_stays_in_its_place(backend: str) -> None:
    sheet = Picture(96, 80)
    sheet.fill((128, 128, 128))
    cell = smooth(32, 16)
    sheet.y[32:48, 16:48] = cell.y
    sheet.u[16:24, 8:24] = cell.u
    sheet.v[16:24, 8:24] = cell.v
    seen = decoded(encode_jpeg(sheet, 95, backend=backend))
    assert psnr(seen[32:48, 16:48, 0], cell.y) > 43.0
    seen[32:48, 16:48, 0] = 128
    assert np.abs(seen[..., 0] - 128).max() <= 1


@pytest.mark.parametrize("size", [(5, 4), (4, 5), (5, 5), (1, 1), (321, 241)])
def test_padding_never_shows(backend: str, size: tuple[int, int]) -> None:
    files = []
    for rubbish in (0, 255):
        picture = Picture(*size)
        picture.buffer[:] = rubbish
        for plane, content in zip(picture.planes, smooth(*size).planes, strict=True):
            plane[:] = content
        files.append(encode_jpeg(picture, 90, backend=backend))
        for plane, content in zip(picture.planes, smooth(*size).planes, strict=True):
            assert np.array_equal(plane, content)  # what is visible is not touched
    assert files[0] == files[1]


@pytest.mark.parametrize("size", [(5, 4), (4, 5), (17, 17)])
def test_padding_repeats_the_edge(backend: str, size: tuple[int, int]) -> None:
    """A flat picture has nothing but a mean, so however coarse the quality it comes back flat."""
    picture = Picture(*size)
    picture.buffer[:] = 0
    for plane in picture.planes:
        plane[:] = 200
    assert np.ptp(decoded(encode_jpeg(picture, 20, backend=backend))[..., 0]) == 0


def test_backends_agree() -> None:
    try:
        jpeg_encoder("turbojpeg")
    except BackendMissing as error:
        if required("turbojpeg"):
            raise
        pytest.skip(str(error))
    for subsampling in ("420", "444"):
        picture = smooth(321, 241, subsampling)
        # From quality 96 both use the accurate DCT; below it simplejpeg takes the fast one.
        one, other = (encode_jpeg(picture, 96, backend=b) for b in jpeg.JPEG_BACKENDS)
        assert one == other
        one, other = (encode_jpeg(picture, 85, backend=b) for b in jpeg.JPEG_BACKENDS)
        assert (
            abs(psnr(decoded(one)[..., 0], picture.y) - psnr(decoded(other)[..., 0], picture.y))
            < 0.5
        )


def test_quality_changes_the_file_and_85_is_the_default(backend: str) -> None:
    picture = smooth(64, 64)
    sizes = [len(encode_jpeg(picture, q, backend=backend)) for q in (1, 50, 85, 100)]
    assert sizes == sorted(set(sizes))
    assert encode_jpeg(picture, backend=backend) == encode_jpeg(picture, 85, backend=backend)


@pytest.mark.parametrize("quality", [0, -1, 101, 85.0, "85", None, True, np.float32(85)])
def test_bad_quality_is_named(backend: str, quality: object) -> None:
    with pytest.raises(InvalidOption, match="quality") as caught:
        encode_jpeg(Picture(2, 2), quality, backend=backend)  # type: ignore[arg-type]
    assert repr(quality) in str(caught.value)


def test_side_limit(backend: str) -> None:
    picture = Picture(65500, 1, "444")
    picture.fill((90, 128, 128))
    assert decoded(encode_jpeg(picture, backend=backend)).shape == (1, 65500, 3)
    for size in ((65501, 1), (1, 65501)):
        with pytest.raises(LayoutTooLarge, match=r"65500.*65501"):
            encode_jpeg(Picture(*size, "444"), backend=backend)


def test_native_refusal_is_an_encode_error_with_its_cause(backend: str) -> None:
    picture = Picture(16, 16)
    picture.u = picture.u[:3]
    picture.buffer = picture.buffer[:-5]
    with pytest.raises(EncodeError, match=backend) as caught:
        encode_jpeg(picture, backend=backend)
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.stage == "encode"


def test_threads_share_pictures(backend: str) -> None:
    pictures = [smooth(321, 241, seed=s) for s in range(3)]
    expected = [encode_jpeg(p, backend=backend) for p in pictures]
    assert len(set(expected)) == 3
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            jobs = [pool.submit(encode_jpeg, p, backend=backend) for p in pictures * 4]
            assert [j.result() for j in jobs] == expected * 4


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_stays_flat(backend: str) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    picture = Picture(160, 96)
    picture.buffer[:] = np.random.default_rng(1).integers(0, 256, picture.buffer.size)
    for _ in range(100):
        size = len(encode_jpeg(picture, backend=backend))
    before = resident()
    for _ in range(2000):
        encode_jpeg(picture, backend=backend)
    leak_of_one_file_per_call = 2000 * size
    assert leak_of_one_file_per_call > 20e6
    assert resident() - before < leak_of_one_file_per_call / 4


# --- choice of backend -------------------------------------------------------------------------


class FakeTurboJPEG(types.ModuleType):
    """Stands for PyTurboJPEG: records what it is given."""

    TJSAMP_420, TJSAMP_444 = 2, 0

    def __init__(self) -> None:
        super().__init__("turbojpeg")
        self.calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
        self.error: Exception | None = None

    def TurboJPEG(self) -> FakeTurboJPEG:  # their name
        return self

    def encode_from_yuv(self, *args: object, **options: object) -> bytes:
        self.calls.append((args, options))
        if self.error:
            raise self.error
        return b"fake"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTurboJPEG:
    jpeg._load.cache_clear()
    module = FakeTurboJPEG()
    monkeypatch.setitem(sys.modules, "turbojpeg", module)
    return module


def test_turbojpeg_gets_the_packed_buffer_itself(fake: FakeTurboJPEG) -> None:
    picture = Picture(5, 3)
    assert encode_jpeg(picture, 71, backend="turbojpeg") == b"fake"
    args, options = fake.calls[-1]
    assert args[0] is picture.buffer
    assert args[1:] == (3, 5, 71)
    assert options == {"jpeg_subsample": 2, "align": 1}


def test_automatic_is_simplejpeg_then_whatever_loads(
    fake: FakeTurboJPEG, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jpeg_encoder().name == "simplejpeg"
    jpeg._load.cache_clear()
    jpeg._first_that_loads.cache_clear()
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert jpeg_encoder().name == "turbojpeg"
    with pytest.raises(BackendMissing, match="simplejpeg"):
        jpeg_encoder("simplejpeg")


def test_no_backend_at_all_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg._load.cache_clear()
    for name in jpeg.JPEG_BACKENDS:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendMissing, match=r"simplejpeg.*snapengine\[turbojpeg\]"):
        encode_jpeg(Picture(2, 2))


def test_environment_chooses_and_the_argument_wins(
    fake: FakeTurboJPEG, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPENGINE_JPEG", "turbojpeg")
    assert jpeg_encoder().name == "turbojpeg"
    assert jpeg_encoder("simplejpeg").name == "simplejpeg"
    monkeypatch.setenv("SNAPENGINE_JPEG", "")
    assert jpeg_encoder().name == "simplejpeg"
    monkeypatch.setenv("SNAPENGINE_JPEG", "mozjpeg")
    with pytest.raises(InvalidOption, match=r"SNAPENGINE_JPEG.*'mozjpeg'"):
        jpeg_encoder()
    with pytest.raises(InvalidOption, match=r"backend.*'SimpleJPEG'"):
        jpeg_encoder("SimpleJPEG")


@pytest.mark.parametrize(
    "error", [OSError("no library"), RuntimeError("requires 3.0"), TypeError("align")]
)
def test_turbojpeg_that_does_not_fit_names_the_extra(fake: FakeTurboJPEG, error: Exception) -> None:
    fake.error = error
    with pytest.raises(BackendMissing, match=r"snapengine\[turbojpeg\]") as caught:
        jpeg_encoder("turbojpeg")
    assert caught.value.__cause__ is error
    fake.error = None
    assert jpeg_encoder("turbojpeg").name == "turbojpeg"  # a failure is not remembered


def test_turbojpeg_error_is_chained(fake: FakeTurboJPEG) -> None:
    jpeg_encoder("turbojpeg")
    fake.error = OSError("Bogus input")
    with pytest.raises(EncodeError, match="Bogus input") as caught:
        encode_jpeg(Picture(2, 2), backend="turbojpeg")
    assert caught.value.__cause__ is fake.error


def test_nothing_native_is_imported_before_the_first_picture() -> None:
    code = (
        "import sys, snapengine.imaging.encode, snapengine.imaging.color_names;"
        "sys.exit(', '.join({'simplejpeg', 'turbojpeg', 'PIL'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
