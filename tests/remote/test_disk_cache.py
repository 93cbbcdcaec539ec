"""Blocks on disk: what comes back is what was stored or nothing, and never more than allowed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from snapengine.errors import InvalidOption
from snapengine.sources.base import ByteRange
from snapengine.sources.disk_cache import CacheKey, DiskCache

ROOT = Path(__file__).resolve().parents[2]
KEY = CacheKey("https://example.com/v.mp4", '"v1"', 1 << 30)
LARGE = 1 << 30


def content(key: CacheKey, offset: int, size: int) -> bytes:
    """Bytes that tell file and place: no two ranges of no two files are alike."""
    seed = sum(key.name.encode()) + 31 * sum(key.validator.encode()) + key.size
    return bytes((at * 167 + (at >> 8) * 59 + seed) & 0xFF for at in range(offset, offset + size))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in files(folder))


def test_what_was_stored_comes_back_in_any_part(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", LARGE)
    cache.put(KEY, 1000, content(KEY, 1000, 500))
    cache.put(KEY, 1500, content(KEY, 1500, 300))
    cache.put(KEY, 5000, content(KEY, 5000, 10))
    assert cache.get(KEY, 1000, 800) == content(KEY, 1000, 800)
    assert cache.get(KEY, 1499, 2) == content(KEY, 1499, 2)
    assert cache.get(KEY, 1799, 1) == content(KEY, 1799, 1)
    assert cache.get(KEY, 1000, 0) == b""
    for offset, size in ((999, 2), (1799, 2), (1000, 5000), (0, 1), (5000, 11)):
        assert cache.get(KEY, offset, size) is None
    assert cache.spans(KEY) == [ByteRange(1000, 500), ByteRange(1500, 300), ByteRange(5000, 10)]


def test_other_processes_find_it(tmp_path: Path) -> None:
    DiskCache(tmp_path / "c", LARGE).put(KEY, 7, content(KEY, 7, 1000))
    assert DiskCache(tmp_path / "c", LARGE).get(KEY, 7, 1000) == content(KEY, 7, 1000)


def test_versions_and_files_are_kept_apart(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    cache.put(KEY, 0, b"first")
    others = (
        KEY._replace(validator='"v2"'),
        KEY._replace(size=KEY.size - 1),
        KEY._replace(name=KEY.name + "x"),
        # The same text with the border between name and validator elsewhere.
        CacheKey(KEY.name + '"', 'v1"', KEY.size),
    )
    for other in others:
        assert cache.get(other, 0, 5) is None
        assert not cache.spans(other)


def test_without_a_validator_nothing_is_stored(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    cache.put(KEY._replace(validator=""), 0, b"data")
    cache.put(KEY, KEY.size - 2, b"behind the end")
    cache.put(KEY, 0, b"")
    assert not files(tmp_path)


def test_no_address_is_written_anywhere(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    key = CacheKey("https://example.com/private/holiday.mp4", '"etag-of-it"', 1000)
    cache.put(key, 0, b"x" * 100)
    for path in files(tmp_path):
        written = path.read_bytes() + str(path.relative_to(tmp_path)).encode()
        for secret in (b"holiday", b"example", b"etag"):
            assert secret not in written


def test_long_ranges_are_stored_in_parts_that_are_read_alone(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    data = os.urandom(2_500_001)
    cache.put(KEY, 10, data)
    assert len(files(tmp_path)) == 3
    spans = cache.spans(KEY)
    assert max(span.size for span in spans) <= 1 << 20
    assert spans[0].offset == 10
    assert sum(span.size for span in spans) == len(data)
    assert cache.get(KEY, 10, len(data)) == data
    assert cache.get(KEY, 1_000_000, 20) == data[999_990:1_000_010]


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "c"
    DiskCache(folder, LARGE).put(KEY, 0, b"data")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (path,) = files(folder)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777, 0o720])
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(InvalidOption, match="other users"):
        DiskCache(folder, LARGE)


def test_a_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(InvalidOption, match="another user"):
        DiskCache(tmp_path, LARGE)


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"")
    with pytest.raises(InvalidOption, match="not a folder"):
        DiskCache(tmp_path / "c", LARGE)


# -- damage ---------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def flip_head(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[7] ^= 0x80
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, lengthen, flip, flip_head, empty])
def test_what_is_damaged_is_missing_and_goes(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    cache.put(KEY, 0, content(KEY, 0, 1000))
    (path,) = files(tmp_path)
    damage(path)
    assert cache.get(KEY, 10, 10) is None
    assert not path.exists()
    cache.put(KEY, 0, content(KEY, 0, 1000))
    assert cache.get(KEY, 10, 10) == content(KEY, 10, 10)


def test_a_sound_range_stands_in_for_a_damaged_one(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    cache.put(KEY, 0, content(KEY, 0, 1000))
    (path,) = files(tmp_path)
    cache.put(KEY, 0, content(KEY, 0, 400))
    flip(path)
    assert cache.get(KEY, 10, 20) == content(KEY, 10, 20)
    assert cache.get(KEY, 10, 900) is None


def test_a_block_in_another_place_is_damaged(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    cache.put(KEY, 0, content(KEY, 0, 100))
    (path,) = files(tmp_path)
    path.rename(path.with_name(f"{4096:016x}-{100:x}.block"))
    assert cache.get(KEY, 4096, 100) is None

    other = KEY._replace(validator='"v2"')
    cache.put(KEY, 0, content(KEY, 0, 100))
    (path,) = files(tmp_path)
    cache.put(other, 0, content(other, 0, 100))
    (theirs,) = set(files(tmp_path)) - {path}
    path.replace(theirs)
    assert cache.get(other, 0, 100) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    cache.put(KEY, 0, content(KEY, 0, 100))
    (path,) = files(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.get(KEY, 0, 100) is None


def test_what_a_crash_left_is_swept_away(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 10_000)
    cache.put(KEY, 0, b"x" * 100)
    (path,) = files(tmp_path)
    old, young = path.with_name(f".{'0' * 16}.part"), path.with_name(f".{'1' * 16}.part")
    for left in (old, young):
        left.write_bytes(b"half of a block")
    long_ago = time.time() - 3600
    os.utime(old, (long_ago, long_ago))
    assert cache.spans(KEY) == [ByteRange(0, 100)]
    cache.put(KEY, 100, b"x" * 700)
    assert young.exists(), "somebody may still be writing it"
    assert not old.exists()


def test_dying_while_writing_leaves_no_half_block(tmp_path: Path) -> None:
    """A process killed at any call of the system between creating and renaming."""
    program = """if 1:
        import os, sys
        from snapengine.sources.disk_cache import CacheKey, DiskCache
        cache = DiskCache(sys.argv[1], 1 << 30)
        key = CacheKey("n", "v", 1 << 20)
        os.replace = lambda *_: os._exit(9)
        cache.put(key, 0, b"x" * 100_000)
    """
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "c")], cwd=ROOT, check=False
    )
    assert done.returncode == 9
    cache = DiskCache(tmp_path / "c", 1 << 30)
    key = CacheKey("n", "v", 1 << 20)
    assert len(files(tmp_path)) == 1
    assert not cache.spans(key)
    assert cache.get(key, 0, 1) is None


# -- the bound ------------------------------------------------------------------------------------


def test_what_was_used_last_stays(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 100_000)
    for i in range(8):
        cache.put(KEY, 10_000 * i, content(KEY, 10_000 * i, 10_000))
    for path in files(tmp_path):  # as if long ago, in the order they were stored
        at = int(path.name.partition("-")[0], 16)
        os.utime(path, ns=(at, at))
    assert cache.get(KEY, 0, 1) is not None
    for i in range(8, 12):
        cache.put(KEY, 10_000 * i, content(KEY, 10_000 * i, 10_000))
    left = {span.offset // 10_000 for span in cache.spans(KEY)}
    assert 0 in left
    assert 1 not in left
    assert 11 in left
    assert stored(tmp_path) <= 100_000


def test_the_bound_holds_over_everything_stored(tmp_path: Path) -> None:
    bound = 200_000
    cache = DiskCache(tmp_path / "c", bound)
    most = 0
    for i in range(300):
        key = KEY._replace(validator=f'"{i % 37}"')
        cache.put(key, 3000 * i, bytes(1500 + 11 * i))
        most = max(most, stored(tmp_path))
    assert bound // 2 < most <= bound
    folders = [path for path in (tmp_path / "c").iterdir() if not any(path.iterdir())]
    assert not folders, "empty folders go, too"


def test_many_short_lives_keep_the_bound(tmp_path: Path) -> None:
    """Each stores little, as a process that makes one picture does; none knows of the others."""
    bound = 100_000
    most = 0
    for i in range(300):
        DiskCache(tmp_path / "c", bound).put(KEY, 2000 * i, bytes(1500))
        most = max(most, stored(tmp_path))
    assert most <= 2 * bound  # by chance, and surely not 450 000


def test_what_cannot_fit_is_not_stored(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 10_000)
    cache.put(KEY, 0, bytes(2000))
    cache.put(KEY, 5000, bytes(10_000))
    assert cache.spans(KEY) == [ByteRange(0, 2000)]


def test_storing_does_not_look_through_the_cache_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = DiskCache(tmp_path / "c", 1_000_000)
    scans = 0
    sweep = DiskCache._sweep

    def counted(self: DiskCache) -> int:
        nonlocal scans
        scans += 1
        return sweep(self)

    monkeypatch.setattr(DiskCache, "_sweep", counted)
    for i in range(1000):
        cache.put(KEY, 1000 * i, bytes(980))
    assert 15 <= scans <= 17


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir(mode=0o700)
    mine = [folder / "notes.txt", folder / "sub" / "film.block", folder / ("a" * 40) / "readme"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(50_000))
        os.utime(path, (1, 1))
    cache = DiskCache(folder, 20_000)
    for i in range(30):
        cache.put(KEY, 2000 * i, bytes(2000))
    assert all(path.exists() for path in mine)


# -- what goes wrong ------------------------------------------------------------------------------


def test_a_full_disk_makes_it_quiet_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    cache.put(KEY, 0, b"before")
    real = os.replace

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(RuntimeWarning, match="No space left") as caught:
        cache.put(KEY, 100, b"data")
        cache.put(KEY, 200, b"data")
    assert len(caught) == 1
    assert len(files(tmp_path)) == 1, "nothing half-written stays"
    assert cache.get(KEY, 0, 6) == b"before"
    monkeypatch.setattr(os, "replace", real)
    cache.put(KEY, 300, b"data")  # stays quiet
    assert cache.get(KEY, 300, 4) is None


def test_a_folder_that_cannot_be_made_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.warns(RuntimeWarning, match="Read-only"):
        cache = DiskCache(tmp_path / "c", LARGE)
    cache.put(KEY, 0, b"data")
    assert cache.get(KEY, 0, 4) is None
    assert not cache.spans(KEY)


def test_the_folder_may_be_removed_meanwhile(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", LARGE)
    cache.put(KEY, 0, b"data")
    (path,) = files(tmp_path)
    path.unlink()
    path.parent.rmdir()
    assert cache.get(KEY, 0, 4) is None
    cache.put(KEY, 0, b"data")
    assert cache.get(KEY, 0, 4) == b"data"


# -- many at once ---------------------------------------------------------------------------------

_WRITER = """if 1:
    import random, sys
    from tests.remote.test_disk_cache import KEY, content
    from snapengine.sources.disk_cache import DiskCache
    rng = random.Random(int(sys.argv[2]))
    cache = DiskCache(sys.argv[1], 150_000)
    print("ready", flush=True)
    sys.stdin.readline()
    hits = 0
    for _ in range(600):
        key = KEY._replace(validator=str(rng.randrange(3)))
        offset, size = 500 * rng.randrange(200), rng.randrange(1, 4000)
        data = cache.get(key, offset, size)
        if data is None:
            cache.put(key, offset, content(key, offset, size))
        else:
            hits += 1
            assert data == content(key, offset, size)
    print(hits)
"""


def test_two_processes_share_it(tmp_path: Path) -> None:
    """Both read, store and evict in one folder: right bytes or none, and nobody fails."""
    folder = tmp_path / "c"
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _WRITER, str(folder), str(seed)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for seed in (1, 2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    hits = []
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        hits.append(int(out))
    assert min(hits) > 50
    assert stored(folder) <= 150_000 * (1 + 1 / 16)
    assert not [path for path in files(folder) if path.suffix == ".part"]


def test_threads_share_one(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c", 60_000)
    failed: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for i in range(150):
                offset, size = 997 * ((i * seed) % 50), 900
                cache.put(KEY, offset, content(KEY, offset, size))
                data = cache.get(KEY, offset, size)
                assert data in (None, content(KEY, offset, size))
        except BaseException as exc:  # noqa: BLE001 - raised below
            failed.append(exc)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    assert stored(tmp_path) <= 60_000 * (1 + 1 / 16)


# -- any sequence ---------------------------------------------------------------------------------

_KEYS = [KEY._replace(size=6000), KEY._replace(size=6000, validator="2")]
_ranges = st.tuples(st.sampled_from(_KEYS), st.integers(0, 5999), st.integers(1, 3000))


class Model(RuleBasedStateMachine):
    """Against a set of the bytes that were ever stored: the cache may forget, never invent."""

    @initialize(bound=st.sampled_from([4_000, 15_000, LARGE]))
    def begin(self, bound: int) -> None:
        self._temporary = _temporary()
        self.folder = next(self._temporary)
        self.bound = bound
        self.cache = DiskCache(self.folder, bound)
        self.known: set[tuple[CacheKey, int]] = set()
        self.damaged = False
        self.lives = 1

    def teardown(self) -> None:
        next(self._temporary, None)

    @rule(place=_ranges)
    def put(self, place: tuple[CacheKey, int, int]) -> None:
        key, offset, size = place
        size = min(size, key.size - offset)
        self.cache.put(key, offset, content(key, offset, size))
        self.known |= {(key, at) for at in range(offset, offset + size)}

    @rule(place=_ranges)
    def get(self, place: tuple[CacheKey, int, int]) -> None:
        key, offset, size = place
        data = self.cache.get(key, offset, size)
        known = all((key, at) in self.known for at in range(offset, offset + size))
        if data is not None:
            assert known
            assert data == content(key, offset, size)
        elif self.bound == LARGE and not self.damaged:
            assert not known

    @rule(key=st.sampled_from(_KEYS))
    def spans(self, key: CacheKey) -> None:
        spans = self.cache.spans(key)
        assert spans == sorted(spans)
        listed = {(key, at) for offset, size in spans for at in range(offset, offset + size)}
        known = {entry for entry in self.known if entry[0] == key}
        assert listed <= known
        if self.bound == LARGE and not self.damaged:
            assert listed == known

    @rule()
    def begin_again(self) -> None:
        self.lives += 1
        self.cache = DiskCache(self.folder, self.bound)

    @rule(which=st.integers(0, 100), how=st.sampled_from([cut, flip, flip_head, empty]))
    def damage(self, which: int, how: Callable[[Path], None]) -> None:
        found = [path for path in files(self.folder) if path.stat().st_size]
        if found:
            how(found[which % len(found)])
            self.damaged = True

    @invariant()
    def bounded(self) -> None:
        # Each life may store a sixteenth before it looks what there is.
        assert stored(self.folder) <= self.bound * (15 + self.lives) / 16


def _temporary() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        yield Path(folder)


Model.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
test_any_sequence = Model.TestCase
