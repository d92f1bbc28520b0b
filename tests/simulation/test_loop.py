"""Virtual time: what runs when, who dies with whom, and that nothing of it is left to chance."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random

import pytest

from tests.simulation.loop import Killed, Loop, Process


@contextmanager
def a_loop(seed: int = 1) -> Iterator[Loop]:
    loop = Loop(Random(seed))  # noqa: S311 - dice
    try:
        yield loop
    finally:
        loop.close()


def turns(seed: int) -> list[str]:
    """Three processes that wait for the same moments, in the order in which they went on."""
    said: list[str] = []

    def life(name: str, loop: Loop) -> None:
        for _ in range(3):
            loop.sleep(10)
            said.append(name)

    with a_loop(seed) as loop:
        for name in "abc":
            loop.spawn(Process(name), partial(life, name, loop))
        loop.sleep(100)
    return said


def test_what_waits_for_one_moment_goes_on_in_an_order_that_the_seed_decides() -> None:
    assert turns(1) == turns(1)
    assert len({tuple(turns(seed)) for seed in range(10)}) > 1
    assert {frozenset(turns(seed)[place : place + 3]) for seed in range(10) for place in (0, 3, 6)} == {
        frozenset("abc")
    }


def test_time_passes_only_where_somebody_waits() -> None:
    seen: list[int] = []

    def life() -> None:
        loop.sleep(50)
        seen.append(loop.now)

    with a_loop() as loop:
        loop.at(70, lambda: seen.append(loop.now))
        loop.spawn(Process("a"), life)
        loop.sleep(60)
        seen.append(loop.now)
        loop.sleep(1000)
    assert seen == [50, 60, 70]


def test_a_killed_process_does_nothing_any_more_and_nor_does_what_it_did_at_once() -> None:
    seen: list[str] = []
    process = Process("a")

    def one(name: str) -> str:
        loop.sleep(10)
        seen.append(name)
        loop.sleep(100)
        seen.append(name)
        return name

    with a_loop() as loop:
        loop.spawn(process, lambda: seen.extend(loop.map(one, ["first", "second"], hands=2)))
        loop.at(50, lambda: loop.end(process, killed=True))
        loop.sleep(1000)
    assert (sorted(seen), process.ended_at, process.dead) == (["first", "second"], 50, True)


def test_things_done_at_once_take_as_long_as_the_longest_and_come_back_in_their_order() -> None:
    def waited(millis: int) -> int:
        loop.sleep(millis)
        return millis

    with a_loop() as loop:
        assert loop.map(waited, [30, 10, 20], hands=3) == [30, 10, 20]
        assert loop.now == 30
        assert loop.map(waited, [30, 10, 20], hands=1) == [30, 10, 20]
        assert loop.now == 90


def test_what_goes_wrong_at_once_goes_wrong_for_whoever_asked() -> None:
    def fails(number: int) -> None:
        loop.sleep(number)
        raise ValueError(number)

    with a_loop() as loop, pytest.raises(ValueError, match="1"):
        loop.map(fails, [2, 1], hands=2)


def test_a_bug_in_a_process_ends_the_run() -> None:
    def fails() -> None:
        raise LookupError

    with a_loop() as loop:
        loop.spawn(Process("a"), fails)
        with pytest.raises(LookupError):
            loop.sleep(10)


def test_closing_ends_what_still_waits() -> None:
    ended: list[str] = []

    def life() -> None:
        try:
            loop.sleep(10_000)
        except Killed:
            ended.append("killed")
            raise

    with a_loop() as loop:
        loop.spawn(Process("a"), life)
        loop.sleep(10)
    assert ended == ["killed"]
