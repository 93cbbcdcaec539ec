"""Covers that callers bring: checked by decoding, fetched within bounds."""

from __future__ import annotations

import io
import time
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from snapengine import Network
from snapengine.errors import SourceError
from snapengine.service.covers import MAX_BYTES, check_cover, check_url, fetch_cover
from snapengine.service.domain.failures import CoverRefused
from tests.remote.fault_server import FaultServer
from tests.remote.faults import cut, redirect

PRIVATE = Network(allow_private=True)


def picture(kind: str, width: int = 64, height: int = 48, mode: str = "RGB") -> bytes:
    """A picture with some structure in it."""
    x = np.linspace(0, 255, width)[None, :, None]
    y = np.linspace(0, 255, height)[:, None, None]
    rgb = np.concatenate([x + 0 * y, 0 * x + y, (x + y) / 2], axis=2).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(out, kind)
    return out.getvalue()


def noise(width: int, height: int) -> bytes:
    """A PNG that cannot be compressed."""
    raw = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(raw).save(out, "PNG")
    return out.getvalue()


def why(data: bytes) -> object:
    with pytest.raises(CoverRefused) as caught:
        check_cover(data)
    return caught.value.context["why"]


@pytest.mark.parametrize(
    ("kind", "mode", "media_type"),
    [("JPEG", "RGB", "image/jpeg"), ("JPEG", "L", "image/jpeg"), ("JPEG", "CMYK", "image/jpeg"),
     ("PNG", "RGB", "image/png"), ("PNG", "RGBA", "image/png"), ("PNG", "P", "image/png")],
)  # fmt: skip
def test_jpeg_and_png_are_covers(kind: str, mode: str, media_type: str) -> None:
    data = picture(kind, 1920, 1080, mode)
    checked = check_cover(data)
    assert (checked.media_type, checked.width, checked.height) == (media_type, 1920, 1080)
    assert checked.data == data


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "TIFF", "ICO", "PPM"])
def test_other_pictures_are_not(kind: str) -> None:
    assert why(picture(kind)) == "format"


@pytest.mark.parametrize("size", [(1921, 10), (10, 1081), (1080, 1920)])
def test_larger_ones_are_not(size: tuple[int, int]) -> None:
    assert why(picture("PNG", *size)) == "size"


def test_at_most_a_megabyte() -> None:
    data = picture("JPEG")
    full = data + bytes(MAX_BYTES - len(data))  # trailing bytes are none of the picture's business
    assert check_cover(full).data == full
    assert why(full + b"\0") == "bytes"
    large = noise(800, 600)
    assert len(large) > MAX_BYTES
    assert why(large) == "bytes"


def test_half_a_picture_is_none() -> None:
    for kind in ("JPEG", "PNG"):
        data = picture(kind, 640, 480)
        assert why(data[: len(data) // 2]) == "damaged"
    assert why(b"") == "format"
    assert why(b"<svg/>") == "format"


def test_a_bomb_is_told_by_its_size_before_it_is_unpacked() -> None:
    head = b"\x89PNG\r\n\x1a\n"

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
        )

    size = (60000).to_bytes(4, "big")
    bomb = (
        head
        + chunk(b"IHDR", size + size + b"\x08\x02\0\0\0")
        + chunk(b"IDAT", zlib.compress(b"\0"))
    )
    assert why(bomb + chunk(b"IEND", b"")) == "size"


@given(st.data())
def test_no_byte_can_do_more_than_refuse(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG"]))
    whole = bytearray(picture(kind))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        checked = check_cover(bytes(whole[:cut]))
    except CoverRefused as exc:
        assert exc.context["why"] in ("format", "damaged", "size")
    else:
        assert checked.width <= 1920 and checked.height <= 1080


@pytest.mark.parametrize(
    "url", ["", "x.jpg", "ftp://h/x", "file:///etc/passwd", "http://h/" + "x" * 1020, "http://h/\n"]
)
def test_addresses_that_a_cover_cannot_have(url: str) -> None:
    with pytest.raises(CoverRefused) as caught:
        check_url(url)
    assert caught.value.context["why"] == "url"


# -- fetched --------------------------------------------------------------------------------


def test_a_cover_is_fetched(no_leftovers: None) -> None:
    data = picture("JPEG", 640, 360)
    with FaultServer({"/a%20b.jpg": data}) as server:
        assert fetch_cover(server.url("/a%20b.jpg"), PRIVATE).data == data
        assert fetch_cover(server.url("/a b.jpg"), PRIVATE).data == data


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 30 << 20])
def test_a_large_file_is_refused_and_not_read_through(size: int, no_leftovers: None) -> None:
    data = bytes(size)
    with FaultServer({"/x.jpg": data}) as server:
        with pytest.raises(CoverRefused) as caught:
            fetch_cover(server.url("/x.jpg"), PRIVATE)
        assert caught.value.context["why"] == "bytes"
        assert server.bytes_sent < 3 << 20


def test_private_addresses_are_refused_without_a_request() -> None:
    with FaultServer({"/x.jpg": picture("JPEG")}) as server:
        with pytest.raises(CoverRefused) as caught:
            fetch_cover(server.url("/x.jpg"), Network())
        assert caught.value.context["why"] == "address"
        assert server.requests == []


def test_what_is_no_picture_is_refused() -> None:
    with FaultServer({"/x.jpg": b"<html>no</html>"}) as server, pytest.raises(CoverRefused):
        fetch_cover(server.url("/x.jpg"), PRIVATE)


def test_what_is_not_there_is_an_error_of_the_source(no_leftovers: None) -> None:
    with FaultServer({}) as server:
        with pytest.raises(SourceError):
            fetch_cover(server.url("/x.jpg"), PRIVATE)
        gone = server.url("/x.jpg")
    with pytest.raises(SourceError):
        fetch_cover(gone, PRIVATE)
    with pytest.raises(SourceError):
        fetch_cover("http://no-such-host.invalid/x.jpg", PRIVATE)


@pytest.mark.parametrize(("hops", "found"), [(3, True), (4, False)])
def test_a_few_redirects_are_followed(hops: int, found: bool, no_leftovers: None) -> None:
    data = picture("JPEG")
    with FaultServer({f"/{n}.jpg": data for n in range(hops + 1)}) as server:
        for n in range(hops):
            server.faults.append(
                redirect(f"/{n + 1}.jpg", times=None, on=lambda r, n=n: r.path == f"/{n}.jpg")
            )
        if found:
            assert fetch_cover(server.url("/0.jpg"), PRIVATE).data == data
        else:
            with pytest.raises(SourceError):
                fetch_cover(server.url("/0.jpg"), PRIVATE)


def test_a_server_that_hangs_costs_some_seconds_at_most(no_leftovers: None) -> None:
    with FaultServer({"/x.jpg": picture("JPEG")}) as server:
        server.faults.append(cut("status", "hang", times=None))
        began = time.monotonic()
        with pytest.raises(SourceError):
            fetch_cover(server.url("/x.jpg"), PRIVATE)
        assert time.monotonic() - began < 15
