"""What the cover facade adds to the engine, and how many calls it answers.

    python -m benchmarks.service               # to results/service.json and service.md
    python -m benchmarks.service --quick -o FOLDER

*Jobs*: the same pictures by a job (queued, claimed, decoded in a worker process, stored, written to
the database) and by the engine in a warm process, in turns; the files must be the same bytes.
*Calls*: signed requests over kept connections to ``snapengine serve`` in a process of its own.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import snapengine
from benchmarks import environment
from benchmarks.corpus import ensure
from snapengine.service import PYTHON, NewAsset, Service, Settings, SnapshotRequest, SpriteRequest

RESULTS = Path(__file__).with_name("results")
FILE = "h264-1080p-12min"
KEY, SECRET, PROJECT = "BENCHKEY", "benchmark-secret", "benchmark-project"
Headers = dict[str, str]


# -- jobs -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Work:
    """One kind of job, and the same by the engine: gives the bytes of each file by its number."""

    title: str
    request: SnapshotRequest
    kind: str
    direct: Callable[[str], list[bytes]]


def _snapshots(path: str) -> list[bytes]:
    with snapengine.open(path) as video:
        shots = video.snapshots(at=range(30, 630, 30), width=640, fit="stretch")
        return [shot.jpeg(85) for shot in shots]


def _one(path: str) -> list[bytes]:
    with snapengine.open(path) as video:
        return [video.snapshot(300, width=640, accuracy="keyframe").jpeg(85)]


def _sprite(path: str) -> list[bytes]:
    with snapengine.open(path) as video:
        end = Fraction(video.info.duration_pts or 0) * video.info.time_base
        sheet = video.sprite(
            at=[end * n / 100 for n in range(100)], cell=(160, 90), full_pages=True,
            fit="stretch", accuracy="keyframe",
        )  # fmt: skip
        return [page.jpeg(85) for page in sheet.pages]


WORKS = (
    Work(
        title="one keyframe snapshot, 640 wide",
        request=SnapshotRequest(offset=Fraction(300), count=1, width=640, accuracy="keyframe"),
        kind="snapshot",
        direct=_one,
    ),
    Work(
        title="20 exact snapshots, 640 wide",
        request=SnapshotRequest(
            offset=Fraction(30), count=20, interval=Fraction(30), width=640, kind="normal"
        ),
        kind="snapshot",
        direct=_snapshots,
    ),
    Work(
        title="100-cell sprite, keyframes, cells not kept",
        request=SnapshotRequest(
            count=100,
            interval=Fraction(0),
            accuracy="keyframe",
            kind="sprite",
            sprite=SpriteRequest(cell_width=160, cell_height=90, keep_cells=False),
        ),
        kind="sprite",
        direct=_sprite,
    ),
)


def measure_jobs(path: Path, rounds: int) -> list[dict[str, Any]]:
    """Each of ``WORKS`` by a job and by the engine, in turns."""
    measured = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Service(Settings(data=folder, media_roots=(str(path.parent),))) as service,
    ):
        asset, _ = service.register(PYTHON, NewAsset(title="film", source=path.as_uri()))
        service.wait(PYTHON, service.jobs(PYTHON, asset_id=asset.id)[1][0].id)
        for work in WORKS:
            times: dict[str, list[float]] = {"job": [], "engine": []}
            for number in range(rounds + 1):
                began = time.perf_counter()
                job = service.submit_snapshots(PYTHON, asset.id, work.request)
                job = service.wait(PYTHON, job.id)
                middle = time.perf_counter()
                direct = work.direct(str(path))
                ended = time.perf_counter()
                if number:  # the first round warms both
                    times["job"].append(middle - began)
                    times["engine"].append(ended - middle)
                assert job.status == "succeeded", job.failure
                made = service.latest(PYTHON, asset.id, work.kind)  # type: ignore[arg-type]
                assert made is not None and made.job_id == job.id
                files = [service.read(p) for p in service.pictures(made, limit=1000)]
                assert files == direct, f"{work.title}: the pictures are not the same"
            ratios = [a / b for a, b in zip(times["job"], times["engine"], strict=True)]
            measured.append(
                {
                    "title": work.title,
                    "files": len(files),
                    "job_seconds": statistics.median(times["job"]),
                    "engine_seconds": statistics.median(times["engine"]),
                    "ratio": statistics.median(ratios),
                    "ratio_range": [min(ratios), max(ratios)],
                    "added_seconds": statistics.median(
                        a - b for a, b in zip(times["job"], times["engine"], strict=True)
                    ),
                }
            )
            _say(f"{work.title}: {measured[-1]['ratio']:.2f} x the engine alone")
    return measured


# -- calls ----------------------------------------------------------------------------------


def _enc(text: str) -> str:
    return quote(text, safe="-_.~")


def _rpc_v1(given: dict[str, str]) -> tuple[str, str, Headers]:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    given = given | {
        "AccessKeyId": KEY, "Format": "JSON", "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": secrets.token_hex(16), "SignatureVersion": "1.0", "Timestamp": now,
        "Version": "2017-03-21",
    }  # fmt: skip
    query = "&".join(f"{_enc(k)}={_enc(v)}" for k, v in sorted(given.items()))
    text = f"GET&%2F&{_enc(query)}"
    mac = hmac.new(f"{SECRET}&".encode(), text.encode(), hashlib.sha1).digest()
    return "GET", f"/?{query}&Signature={_enc(base64.b64encode(mac).decode())}", {}


def _acs3(action: str, given: dict[str, str], host: str) -> tuple[str, str, Headers]:
    query = "&".join(f"{_enc(k)}={_enc(v)}" for k, v in sorted(given.items()))
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": secrets.token_hex(16),
        "x-acs-version": "2017-03-21",
    }
    names = ";".join(headers)
    lines = "".join(f"{k}:{v}\n" for k, v in headers.items())
    canonical = f"POST\n/\n{query}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    mac = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders={names},Signature={mac}"
    )
    return "POST", f"/?{query}", headers


def _sdk_hmac(path: str, given: dict[str, str], host: str) -> tuple[str, str, Headers]:
    query = "&".join(f"{_enc(k)}={_enc(v)}" for k, v in sorted(given.items()))
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-sdk-date": now}
    names = ";".join(headers)
    lines = "".join(f"{k}:{v}\n" for k, v in headers.items())
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n{path}/\n{query}\n{lines}\n{names}\n{empty}"
    text = f"SDK-HMAC-SHA256\n{now}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    mac = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"SDK-HMAC-SHA256 Access={KEY}, SignedHeaders={names}, Signature={mac}"
    )
    return "GET", f"{path}?{query}", headers


@contextmanager
def _served(folder: str, roots: str) -> Iterator[tuple[str, subprocess.Popen[str], float]]:
    """``snapengine serve``: its host and port, its process, and the seconds until it answered."""
    environ = os.environ | {
        "SNAPENGINE_KEYS": f"{KEY}:{SECRET}:{PROJECT}", "SNAPENGINE_MEDIA_ROOTS": roots,
    }  # fmt: skip
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "snapengine", "serve", "--port", "0", "--data", folder],
        env=environ, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:
            found = re.search(r"listening on http://(\S+)", line)
            if found:
                host = found[1].rstrip("/")
                connection = http.client.HTTPConnection(host)
                connection.request("GET", "/healthz")
                assert connection.getresponse().status == 200
                yield host, process, time.perf_counter() - began
                return
        raise RuntimeError("the server ended before it listened")
    finally:
        process.terminate()
        process.wait(30)


def _ask(connection: http.client.HTTPConnection, call: tuple[str, str, Headers]) -> Any:
    method, target, headers = call
    connection.request(method, target, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body[:500]
    return json.loads(body) if body[:1] == b"{" else body


def _rate(host: str, make: Callable[[], tuple[str, str, Headers]], count: int, many: int) -> float:
    """Calls in a second by ``many`` connections."""

    def run() -> None:
        connection = http.client.HTTPConnection(host)
        for _ in range(count // many):
            _ask(connection, make())
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(many)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count // many * many / (time.perf_counter() - began)


def measure_calls(path: Path, count: int, rounds: int) -> dict[str, Any]:
    """How many calls a second are answered, of each kind."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _served(folder, str(path.parent)) as (host, process, started),
    ):
        connection = http.client.HTTPConnection(host)
        given = json.dumps([{"FileURL": path.as_uri(), "Title": "film"}])
        made = _ask(connection, _rpc_v1({"Action": "RegisterMedia", "RegisterMetadatas": given}))
        video = made["RegisteredMediaList"][0]["MediaId"]
        info = {"Action": "GetVideoInfo", "VideoId": video}
        while (found := _ask(connection, _rpc_v1(info)))["Video"]["Status"] == "UploadSucc":
            threading.Event().wait(0.1)  # the SDKs poll, too
        cover = found["Video"]["CoverURL"].partition(host)[2]
        details = f"/v1.0/{PROJECT}/asset/details"
        kinds: dict[str, Callable[[], tuple[str, str, Headers]]] = {
            "GetVideoInfo, signature v1": lambda: _rpc_v1(info),
            "GetVideoInfo, ACS3": lambda: _acs3("GetVideoInfo", {"VideoId": video}, host),
            "asset/details, SDK-HMAC": lambda: _sdk_hmac(details, {"asset_id": video}, host),
            "a cover's file": lambda: ("GET", cover, {}),
        }
        rates: dict[str, dict[str, list[float]]] = {k: {"1": [], "8": []} for k in kinds}
        for _ in range(rounds):
            for name, make in kinds.items():
                for many in (1, 8):
                    rates[name][str(many)].append(_rate(host, make, count, many))
        memory = _memory(process.pid)
    calls = {
        name: {many: statistics.median(each) for many, each in found.items()}
        for name, found in rates.items()
    }
    for name, found in calls.items():
        _say(f"{name}: {found['1']:.0f} a second by one connection, {found['8']:.0f} by eight")
    return {"start_seconds": started, "memory_bytes": memory, "calls_per_second": calls}


def _memory(pid: int) -> dict[str, int]:
    """Resident bytes of the server and its workers."""
    found = {"server": _resident(pid), "workers": 0}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found["workers"] += _resident(int(child))
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name != str(pid):
            for child in (task / "children").read_text().split():
                found["workers"] += _resident(int(child))
    return found


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- report ---------------------------------------------------------------------------------


def report(results: dict[str, Any]) -> str:
    """The results as a page."""
    machine, calls = results["machine"], results["calls"]
    lines = [
        "# The service",
        "",
        f"{results['date']}, {machine['cpu']}, {machine['cores']} cores, snapengine "
        f"{results['version']}. `python -m benchmarks.service`; 12-minute 1080p H.264.",
        "",
        "| job | by the service | by the engine alone | ratio (range) | added |",
        "|---|---|---|---|---|",
    ]
    for job in results["jobs"]:
        low, high = job["ratio_range"]
        lines.append(
            f"| {job['title']} | {job['job_seconds']:.3f} s | {job['engine_seconds']:.3f} s | "
            f"**{job['ratio']:.2f}x** ({low:.2f} to {high:.2f}) | "
            f"{1000 * job['added_seconds']:.0f} ms |"
        )
    lines += ["", "| call | a second, one connection | eight |", "|---|---|---|"]
    for name, found in calls["calls_per_second"].items():
        lines.append(f"| {name} | {found['1']:.0f} | {found['8']:.0f} |")
    memory = calls["memory_bytes"]
    lines += [
        "",
        f"From start to the first answer {calls['start_seconds']:.2f} s; resident afterwards "
        f"{memory['server'] >> 20} MiB the server, {memory['workers'] >> 20} MiB its worker. "
        "The client signs and reads on the same cores.",
        "",
    ]
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, metavar="FOLDER")
    options = parser.parse_args()
    path = ensure(FILE, _say).path.resolve()
    results = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "version": snapengine.__version__,
        "machine": environment.describe(),
        "libraries": environment.libraries(),
        "jobs": measure_jobs(path, 2 if options.quick else 7),
        "calls": measure_calls(path, 200 if options.quick else 800, 1 if options.quick else 3),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "service.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.output / "service.md").write_text(report(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
