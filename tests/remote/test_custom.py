"""A caller's own byte source: asked for what is needed, and not believed."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.errors import (
    EngineClosed,
    InvalidOption,
    LimitExceeded,
    SourceBusy,
    SourceError,
    SourceTimeout,
)
from snapengine.sources.custom import CustomFetcher
from snapengine.sources.meter import Meter

DATA = bytes(i * 7 % 251 for i in range(200_000))


class Mine:
    """What a user writes."""

    def __init__(self, data: bytes = DATA, size: object = ..., most: int = 1 << 30) -> None:
        self.data = data
        self.size = len(data) if size is ... else size
        self.most = most
        self.asked: list[tuple[int, int]] = []
        self.closed = 0

    def read_at(self, offset: int, size: int) -> Any:
        self.asked.append((offset, size))
        return self.data[offset : offset + min(size, self.most)]

    def close(self) -> None:
        self.closed += 1


class Answers(Mine):
    """Answers by a function."""

    def __init__(self, answer: Callable[[int, int], Any], size: object = len(DATA)) -> None:
        super().__init__(size=size)
        self.answer = answer

    def read_at(self, offset: int, size: int) -> Any:
        self.asked.append((offset, size))
        return self.answer(offset, size)


def fetched(source: object, offset: int, size: int, meter: Meter | None = None) -> bytes:
    out = bytearray()
    CustomFetcher(source).fetch(offset, size, out.extend, meter or Meter())
    return bytes(out)


@given(offset=st.integers(0, len(DATA) + 10), size=st.integers(0, len(DATA) + 10))
def test_any_range(offset: int, size: int) -> None:
    mine, meter = Mine(), Meter()
    assert fetched(mine, offset, size, meter) == DATA[offset : offset + size]
    inside = max(0, min(size, len(DATA) - offset))
    assert mine.asked == ([(offset, inside)] if inside else [])
    assert (meter.requests, meter.bytes_fetched) == (len(mine.asked), inside)


@given(
    offset=st.integers(0, 2100), size=st.integers(0, 2100), most=st.integers(1, 3000)
)  # fmt: skip
def test_where_the_size_is_unknown_an_empty_answer_is_the_end(
    offset: int, size: int, most: int
) -> None:
    mine = Mine(DATA[:2000], size=None, most=most)
    assert fetched(mine, offset, size) == DATA[:2000][offset : offset + size]


def test_pieces_are_small() -> None:
    pieces: list[bytes] = []
    CustomFetcher(Mine()).fetch(0, len(DATA), pieces.append, Meter())
    assert b"".join(pieces) == DATA
    assert max(map(len, pieces)) <= 64 << 10


@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda b: array("B", b)])
def test_anything_with_bytes_in_it_will_do(kind: Callable[[bytes], Any]) -> None:
    assert fetched(Answers(lambda at, n: kind(DATA[at : at + n])), 5, 100) == DATA[5:105]


def test_a_short_answer_is_asked_for_again_once() -> None:
    mine, meter = Mine(most=60), Meter()
    assert fetched(mine, 1000, 100, meter) == DATA[1000:1100]
    assert mine.asked == [(1000, 100), (1060, 40)]
    assert (meter.requests, meter.retries, meter.bytes_fetched) == (2, 1, 100)


def test_one_that_stays_short_is_an_error() -> None:
    mine = Mine(most=30)
    with pytest.raises(SourceError, match=r"read_at\(1000, 100\) gave 60 of 100 bytes") as caught:
        fetched(mine, 1000, 100)
    assert caught.value.context["offset"] == 1000
    assert len(mine.asked) == 2


@pytest.mark.parametrize("wrong", [None, "text", 17, [1, 2]])
def test_what_is_no_bytes_is_an_error(wrong: object) -> None:
    with pytest.raises(SourceError, match=f"no bytes but {type(wrong).__name__}"):
        fetched(Answers(lambda *_: wrong), 0, 10)


def test_more_than_asked_for_is_an_error() -> None:
    with pytest.raises(SourceError, match="11 bytes, more than asked for"):
        fetched(Answers(lambda at, n: DATA[: n + 1]), 0, 10)


def raising(error: BaseException) -> Answers:
    def answer(*_: int) -> bytes:
        raise error

    return Answers(answer)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (OSError("disk on fire"), SourceError),
        (ConnectionResetError("gone"), SourceError),
        (TimeoutError("too long"), SourceTimeout),
        (KeyError("k"), SourceError),
        (ZeroDivisionError(), SourceError),
    ],
)
def test_what_their_code_raises_is_chained(theirs: Exception, ours: type[SourceError]) -> None:
    with pytest.raises(SourceError) as caught:
        fetched(raising(theirs), 0, 10)
    assert type(caught.value) is ours
    assert caught.value.__cause__ is theirs
    assert type(theirs).__name__ in str(caught.value)


@pytest.mark.parametrize("theirs", [SourceBusy("try later"), KeyboardInterrupt(), SystemExit(3)])
def test_what_passes_as_it_is(theirs: BaseException) -> None:
    with pytest.raises(type(theirs)) as caught:
        fetched(raising(theirs), 0, 10)
    assert caught.value is theirs


def test_the_meter_bounds_it() -> None:
    mine = Mine()
    with pytest.raises(LimitExceeded):
        fetched(mine, 0, 101, Meter(max_bytes=100))
    meter = Meter()
    meter.stop(EngineClosed("over"))
    with pytest.raises(EngineClosed):
        fetched(mine, 0, 10, meter)
    assert not mine.asked


@pytest.mark.parametrize("size", [-1, "12", 1.5, True, b""])
def test_a_size_that_is_none_is_refused(size: object) -> None:
    with pytest.raises(InvalidOption, match="size"):
        CustomFetcher(Mine(size=size))


def test_what_has_no_read_at_is_refused() -> None:
    with pytest.raises(InvalidOption, match="read_at"):
        CustomFetcher(object())


def test_names_are_for_messages() -> None:
    mine = Mine()
    assert CustomFetcher(mine).name == "<Mine>"
    mine.name = "clip 7"  # type: ignore[attr-defined]
    assert CustomFetcher(mine).name == "clip 7"


def test_closing() -> None:
    mine = Mine()
    fetcher = CustomFetcher(mine)
    fetcher.close()
    fetcher.close()
    assert mine.closed == 1
    with pytest.raises(EngineClosed):
        fetcher.fetch(0, 10, lambda _: None, Meter())

    class Bare:
        size = 3

        def read_at(self, offset: int, size: int) -> bytes:
            return b"abc"[offset : offset + size]

    CustomFetcher(Bare()).close()


def test_threads() -> None:
    mine, failed = Mine(), []
    fetcher = CustomFetcher(mine)

    def work(start: int) -> None:
        for offset in range(start, 100_000, 4000):
            out = bytearray()
            fetcher.fetch(offset, 1000, out.extend, Meter())
            if out != DATA[offset : offset + 1000]:
                failed.append(offset)

    threads = [threading.Thread(target=work, args=(i * 1000,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(mine.asked) == 100
