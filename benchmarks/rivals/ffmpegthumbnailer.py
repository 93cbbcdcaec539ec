"""ffmpegthumbnailer: one picture per call, at the keyframe its seek lands on."""

from __future__ import annotations

import shutil
import subprocess

from benchmarks.jobs import CoverJob, Outcome
from benchmarks.rivals.base import Contestant

__all__ = ["Ffmpegthumbnailer"]


class Ffmpegthumbnailer(Contestant):
    recipe = "ffmpegthumbnailer -i F -o - -c jpeg -s WIDTH -t TIME -q 9"

    def version(self) -> str:
        if not shutil.which("ffmpegthumbnailer"):
            raise ImportError("no ffmpegthumbnailer on the path")
        said = subprocess.run(["ffmpegthumbnailer", "-v"], capture_output=True, text=True)
        return said.stdout.split(":")[-1].strip()

    def cover(self, job: CoverJob) -> Outcome:
        minutes, seconds = divmod(int(job.at), 60)
        hours, minutes = divmod(minutes, 60)
        command = ["ffmpegthumbnailer", "-i", job.path, "-o", "-", "-c", "jpeg", "-q", "9"]
        command += ["-s", str(job.width), "-t", f"{hours:02}:{minutes:02}:{seconds:02}"]
        return Outcome(jpeg=subprocess.run(command, capture_output=True, check=True).stdout)
