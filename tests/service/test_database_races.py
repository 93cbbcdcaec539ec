"""Many at once, and processes that die: everything is done once, and whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import event

from snapengine.service.domain.failures import QueueFull, UnknownPicture
from snapengine.service.domain.fields import InvalidField
from snapengine.service.domain.records import Asset, Cover, Job
from snapengine.service.storage.database import Database, Settled

from .kept import DATABASES, FACTS, LATER, NOW, asset, job, message, picture_set, url_of

ROOT = Path(__file__).resolve().parent.parent.parent
THREADS = 8
SHARED = ("file", "postgres")
_Result = TypeVar("_Result")


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = Database(url_of(request.param, tmp_path))
    yield made
    made.close()


def at_once(do: Callable[[int], _Result], threads: int = THREADS) -> list[_Result]:
    """What each of so many threads gets, which all begin at the same moment."""
    gate = threading.Barrier(threads)

    def run(number: int) -> _Result:
        gate.wait(30)
        return do(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def claim_all(database: Database, owner: str) -> list[str]:
    """Claim and finish until there is nothing left."""
    done = []
    while (found := database.claim(owner, LATER)) is not None:
        work = replace(found[0], status="succeeded", finished=LATER)
        assert database.finish(work, owner, lambda it: Settled(asset=it))
        done.append(work.id)
    return done


def fill(database: Database, count: int) -> list[str]:
    homes = [asset(f"t{number}") for number in range(3)]
    for home in homes:
        database.add_asset(home)
    jobs = [job(homes[number % 3]) for number in range(count)]
    for each in jobs:
        database.add_job(each, most=1000, most_per_tenant=1000)
    return [each.id for each in jobs]


def start(task: str, url: str) -> subprocess.Popen[str]:
    """This module as another process, see :func:`main`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.service.test_database_races", task, url],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_threads_claim_each_job_once(database: Database) -> None:
    ids = fill(database, 80)
    done = at_once(lambda number: claim_all(database, f"w{number}"))
    assert Counter(id for each in done for id in each) == Counter(ids)
    assert database.waiting() == 0


@pytest.mark.parametrize("kind", SHARED)
def test_processes_claim_each_job_once(kind: str, tmp_path: Path) -> None:
    """They also make the tables, all three at once."""
    url = url_of(kind, tmp_path)
    workers = [start("claim", url) for _ in range(3)]
    for each in workers:
        assert each.stdout is not None
        assert each.stdout.readline() == "open\n"
    database = Database(url)
    ids = fill(database, 120)
    done: list[str] = []
    for each in workers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    answers = [each.communicate(timeout=60)[0] for each in workers]
    for each, answer in zip(workers, answers, strict=True):
        assert each.returncode == 0
        done += json.loads(answer)
    assert Counter(done) == Counter(ids)
    assert database.waiting() == 0
    database.close()


def test_the_bounds_of_the_queue_are_exact(database: Database) -> None:
    homes = [asset(f"t{number}") for number in range(4)]
    for home in homes:
        database.add_asset(home)

    def add(number: int) -> Counter[str]:
        added: Counter[str] = Counter()
        for home in homes[number % 4 :] + homes[: number % 4]:
            for _ in range(4):
                try:
                    database.add_job(job(home), most=17, most_per_tenant=6)
                    added[home.tenant] += 1
                except QueueFull:
                    continue
        return added

    total = sum(at_once(add), Counter[str]())
    assert total.total() == 17 == database.waiting()
    assert max(total.values()) <= 6


def test_no_change_is_lost(database: Database) -> None:
    home = asset(title="")
    database.add_asset(home)

    def append(mark: str) -> None:
        changed = database.change_asset(
            "t1", home.id, lambda it: replace(it, title=it.title + mark)
        )
        assert changed is not None
        before, after = changed
        assert after.title == before.title + mark

    def append_some(number: int) -> None:
        for turn in range(5):
            append(f"<{number}.{turn}>")

    at_once(append_some)
    kept = database.asset("t1", home.id)
    assert kept is not None
    assert all(f"<{n}.{t}>" in kept.title for n in range(THREADS) for t in range(5))


def test_one_reference_id_has_one_asset(database: Database) -> None:
    def add(number: int) -> str | None:
        made = asset(reference_id="Ref-1234")
        try:
            database.add_asset(made)
        except InvalidField as error:
            assert error.field == "reference_id"
            return None
        return made.id

    made = [id for id in at_once(add) if id is not None]
    found = database.asset_by_reference("t1", "Ref-1234")
    assert found is not None
    assert made == [found.id]
    assert database.assets("t1")[0] == 1


def test_of_values_set_at_once_one_is_everybodys(database: Database) -> None:
    kept = at_once(lambda number: database.set_value_once("secret", str(number)))
    assert set(kept) == {database.value("secret")}


def test_each_message_is_one_senders(database: Database) -> None:
    sent = [message() for _ in range(40)]
    database.add_asset(asset(), messages=sent)

    def send(number: int) -> list[str]:
        taken = []
        while found := database.due_messages(NOW, timedelta(minutes=1), limit=3):
            taken += [each.id for each in found]
        return taken

    taken = [id for each in at_once(send) for id in each]
    # One who finds others at work on all that is due comes again later.
    taken += [each.id for each in database.due_messages(NOW, timedelta(minutes=1), limit=40)]
    assert Counter(taken) == Counter(each.id for each in sent)


@pytest.mark.parametrize("turn", range(10))
def test_an_ended_job_ended_in_one_way(database: Database, turn: int) -> None:
    """Finished by its worker, cancelled, deleted with its asset: one of these, whole."""
    home = asset()
    work = job(home)
    database.add_asset(home, job=work)
    assert database.claim("w", LATER) is not None
    made = picture_set(home)
    ended = replace(work, status="succeeded")
    ends: list[Callable[[], Any]] = [
        lambda: database.finish(ended, "w", lambda it: Settled(asset=it, sets=[made])),
        lambda: database.cancel("t1", work.id, LATER),
        lambda: database.delete_asset("t1", home.id),
        lambda: database.renew(work.id, "w", LATER, 0.9),
        lambda: database.delete_sets("t1", [made[0].id]),
        lambda: database.requeue_expired(NOW, 1),
        lambda: database.change_asset("t1", home.id, lambda it: replace(it, title="x")),
    ]
    ends = ends[turn % 7 :] + ends[: turn % 7]
    answers = at_once(lambda n: ends[n](), len(ends))
    finished, cancelled, deleted, *_ = answers[-(turn % 7) :] + answers[: -(turn % 7)]
    assert deleted
    assert database.sets("t1") == (0, [])
    assert database.job("t1", work.id) is None
    if finished and cancelled is not None:
        assert cancelled.status == "succeeded"
    assert set(database.garbage()) == ({f"blob:{p.blob}" for p in made[1]} if finished else set())


@pytest.mark.parametrize("turn", range(5))
def test_covers_and_deletions_of_sets_do_not_cross(database: Database, turn: int) -> None:
    home = asset()
    database.add_asset(home)
    made, pictures = picture_set(home)
    database.change_asset("t1", home.id, lambda it: it, pictures=[(made, pictures)])
    cover = Cover(origin="picture", picture_id=pictures[0].id)

    def choose() -> bool:
        try:
            database.change_asset("t1", home.id, lambda it: replace(it, cover=cover))
        except UnknownPicture:
            return False
        return True

    ends = [choose, lambda: database.delete_sets("t1", [made.id]) == 1]
    chosen, deleted = at_once(lambda n: ends[n](), 2)
    assert deleted
    assert (database.picture(pictures[0].id) is not None) == chosen


# -- dying ----------------------------------------------------------------------------------


def outcome(database: Database, work: Job) -> tuple[object, ...]:
    """What there is of the end of a job."""
    kept = database.job("t1", work.id)
    home = database.asset("t1", work.asset_id)
    assert kept is not None
    assert home is not None
    sets, pictures = database.sets("t1", job_id=work.id)
    count = sum(len(database.pictures("t1", each.id)) for each in pictures)
    jobs = database.jobs("t1", asset_id=home.id)[0]
    return kept.status, home.facts is not None, home.cover is not None, sets, count, jobs


@pytest.mark.parametrize("kind", SHARED)
def test_a_killed_process_leaves_all_or_nothing(kind: str, tmp_path: Path) -> None:
    """Killed before each statement in turn, in the middle of the caller's own part, before and
    after the commit."""
    url = url_of(kind, tmp_path)
    database = Database(url)
    killer = start("die", url)
    assert killer.stdin is not None
    assert killer.stdout is not None
    ends = []
    for moment in ("settle", "commit", *map(str, range(1, 40))):
        home = asset()
        work = job(home)
        database.add_asset(home, job=work)
        found = database.claim("w", LATER)
        assert found is not None
        before = outcome(database, found[0])
        killer.stdin.write(f"{moment} {work.id}\n")
        killer.stdin.flush()
        ends.append(int(killer.stdout.readline()))
        after = outcome(database, found[0])
        if ends[-1] == 0:
            assert after == ("succeeded", True, True, 1, 2, 2)
            assert len(database.due_messages(NOW, timedelta(days=1))) == 1
            break
        assert ends[-1] == -signal.SIGKILL
        assert after == before == ("running", False, False, 0, 0, 1), moment
        assert database.next_due() is None
        assert database.renew(work.id, "w", LATER, 0.5), "nothing is locked"
        assert database.delete_asset("t1", home.id)
    assert ends[-1] == 0, "the last one was through before its moment came"
    assert len(ends) > 12
    killer.communicate(timeout=60)
    assert killer.returncode == 0
    database.close()


def die(url: str) -> None:
    """For each line of input, finish a job in a child that is killed at some moment of it."""
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            finish(Database(url), *line.split())
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def finish(database: Database, moment: str, id: str) -> None:
    made = 0

    def kill(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def count(*given: object) -> None:
        nonlocal made
        made += 1
        if str(made) == moment:
            kill()

    def settle(it: Asset) -> Settled:
        if moment == "settle":
            kill()
        one, pictures = picture_set(it, job_id=id, id=f"set-{id}")
        pictures = [replace(each, id=f"{id}-{each.number}", set_id=one.id) for each in pictures]
        cover = Cover(origin="auto", picture_id=pictures[0].id)
        return Settled(
            asset=replace(it, facts=FACTS, cover=cover),
            sets=[(one, pictures)],
            messages=[message(id=f"message-{id}")],
            follow=job(it, id=f"follow-{id}"),
        )

    work = database.job("t1", id)
    assert work is not None
    event.listen(database._engine, "before_cursor_execute", count)
    if moment == "commit":
        event.listen(database._engine, "commit", kill)
    assert database.finish(replace(work, status="succeeded"), "w", settle)


def main(task: str, url: str) -> None:
    if task == "die":
        return die(url)
    database = Database(url)
    print("open", flush=True)
    assert input() == "go"
    print(json.dumps(claim_all(database, f"process {os.getpid()}")))
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
