"""The programs in examples/, run as a user would run them. Those of SDKs are run by their tests."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
from PIL import Image

import snapengine.service
from snapengine.service import PYTHON, NewAsset, Service, Settings

EXAMPLES = Path(snapengine.service.__file__).parent / "examples"


def test_embedded(tmp_path: Path, media: Callable[[str], Path]) -> None:
    film = media("h264-mp4-opengop")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SNAPENGINE_")}
    ran = subprocess.run(
        [sys.executable, EXAMPLES / "embedded.py", film.parent, film.name],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    files = re.findall(r"^(\S+\.jpg) (\d+)x(\d+)", ran.stdout, re.MULTILINE)
    assert [name for name, *_ in files if name.startswith("snapshot")] == [
        f"snapshot-{n:02d}.jpg" for n in range(1, 11)
    ]
    sheets = [(name, width) for name, width, _ in files if name.startswith("sprite-")]
    assert sheets == [("sprite-01.jpg", "800")]
    for name, width, height in files:
        with Image.open(tmp_path / name) as image:
            assert image.size == (int(width), int(height))


def test_the_mounted_application_answers(tmp_path: Path) -> None:
    namespace: dict[str, object] = {"__name__": "embedded"}
    exec(compile((EXAMPLES / "embedded.py").read_text(), "embedded.py", "exec"), namespace)
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"x")
    settings = Settings(data=str(tmp_path / "d"), media_roots=(str(folder),), workers=0)
    with Service(settings) as service:
        service.register(PYTHON, NewAsset(title="A", source=(folder / "a.mp4").as_uri()))
        application = namespace["application"](service)  # type: ignore[operator]

        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
                urls = ("/films", "/vod/healthz", "/vod/?Action=GetVideoInfo")
                return [await client.get(url) for url in urls]

        films, health, refused = asyncio.run(ask())
    assert films.json() == {"total": 1, "titles": ["A"]}
    assert health.status_code == 200
    assert refused.status_code == 400
    assert refused.json()["Code"]
