"""Pictures attached to a file are not the video, and are offered as what they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

import snapengine
from snapengine.errors import InvalidOption, NoVideoStream


def picture(shade: int, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((24, 32, 3), (shade, 30, 40), np.uint8)).save(out, kind)
    return out.getvalue()


def add_video(out: Any) -> Any:
    stream = out.add_stream("libx264", rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    return stream


def write_video(out: Any, stream: Any) -> None:
    for number in range(3):
        frame = av.VideoFrame.from_ndarray(
            np.full((72, 64), 40 + number * 50, np.uint8), format="yuv420p"
        )
        frame.pts = number
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def mp4_with_covers(path: Path, *covers: tuple[str, bytes]) -> None:
    with av.open(str(path), "w") as out:
        stream = add_video(out)
        beside = []
        for codec, data in covers:
            cover: Any = out.add_stream(codec, rate=1)
            cover.width, cover.height = 32, 24
            cover.pix_fmt = "yuvj420p" if codec == "mjpeg" else "rgb24"
            cover.disposition = Disposition.attached_pic
            beside.append((cover, data))
        out.start_encoding()
        for cover, data in beside:
            packet: Any = av.Packet(data)
            packet.stream, packet.pts, packet.dts = cover, 0, 0
            packet.time_base = cover.time_base
            out.mux_one(packet)
        write_video(out, stream)


def mp3_with_cover(path: Path, data: bytes) -> None:
    """An ID3v2.3 tag with an APIC frame (id3.org, 4.15), then silence."""
    sound = io.BytesIO()
    with av.open(sound, "w", format="mp3", options={"id3v2_version": "0"}) as out:
        stream: Any = out.add_stream("libmp3lame", rate=44100, layout="mono")
        for number in range(20):
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 1152), np.float32), format="fltp", layout="mono"
            )
            silence.sample_rate, silence.pts = 44100, number * 1152
            out.mux(stream.encode(silence))
        out.mux(stream.encode(None))
    body = b"\x00image/jpeg\x00\x03front\x00" + data
    frame = b"APIC" + len(body).to_bytes(4, "big") + b"\x00\x00" + body
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\x00\x00" + size + frame + sound.getvalue())


def test_cover_of_an_mp4_is_offered_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    mp4_with_covers(path, ("mjpeg", picture(200)))
    with snapengine.open(path) as video:
        assert video.info.video_streams == 1
        assert (video.info.codec, video.info.width) == ("h264", 64)
        (cover,) = video.info.attached_pictures
        assert (cover.codec, cover.width, cover.height) == ("mjpeg", 32, 24)
        assert cover.data == picture(200)
        assert [shot.pts for shot in video.snapshots(at=[0, 0.04, 0.08])] == sorted(
            {shot.pts for shot in video.snapshots(at=[0, 0.04, 0.08])}
        )
        with pytest.raises(InvalidOption):
            snapengine.open(path, stream=1)


def test_several_covers_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    mp4_with_covers(path, ("mjpeg", picture(10)), ("png", picture(90, "PNG")))
    with snapengine.open(path) as video:
        found = [(p.codec, p.data) for p in video.info.attached_pictures]
    assert found == [("mjpeg", picture(10)), ("png", picture(90, "PNG"))]


def test_matroska_attachment(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as out:
        stream = add_video(out)
        out.add_attachment("cover.jpg", "image/jpeg", picture(77))
        write_video(out, stream)
    with snapengine.open(path) as video:
        (cover,) = video.info.attached_pictures
        assert cover.data == picture(77)
        assert video.snapshot(0).width == 64


def test_music_with_a_cover_has_no_video_and_hands_the_cover_over(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    mp3_with_cover(path, picture(123))
    with pytest.raises(NoVideoStream) as caught:
        snapengine.open(path)
    (cover,) = caught.value.attached_pictures
    assert (cover.codec, cover.data) == ("mjpeg", picture(123))
    assert "attached" in str(caught.value).lower()
