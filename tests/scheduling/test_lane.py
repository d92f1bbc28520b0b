"""Shares: what of an account's firings travels by the first lane."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chalicelib.scheduling.lane import REST, Holds, Lane, Share
from tests.world import START

NEXT = START + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("limit", "asked", "expected"),
    [
        pytest.param(2, ["a"], ["first"], id="less than the share"),
        pytest.param(2, ["a", "a"], ["first", "first"], id="the share"),
        pytest.param(2, ["a", "a", "a", "a"], ["first", "first", "second", "second"], id="what is beyond it"),
        pytest.param(1, ["a", "a", "b", "b"], ["first", "second", "first", "second"], id="each account has its own"),
        pytest.param(None, ["a"] * 3, ["first"] * 3, id="no limit"),
    ],
)
def test_an_account_has_its_share_of_a_minute(limit: int | None, asked: list[str], expected: list[str]) -> None:
    share = Share(limit)
    assert [share.lane(account, START) for account in asked] == expected


def test_another_minute_begins_a_new_count() -> None:
    share = Share(1)
    asked = [(START, 2), (NEXT, 2)]
    assert [share.lane("a", minute) for minute, times in asked for _ in range(times)] == ["first", "second"] * 2


def test_threads_count_together() -> None:
    share = Share(500)
    with ThreadPoolExecutor(8) as pool:
        lanes = list(pool.map(lambda _: share.lane("a", START), range(2000)))
    assert lanes.count(Lane.FIRST) == 500


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        pytest.param([], False, id="no slow call"),
        pytest.param([["a", "a"]], False, id="too few"),
        pytest.param([["a", "b", "a", "b", "a"]], True, id="several"),
        pytest.param([["b", "b", "b"]], False, id="another account's"),
        pytest.param([["a", "a"], ["a", "a"]], False, id="in several batches"),
        pytest.param([["a", "a", "a"], ["b"]], True, id="and a batch without"),
    ],
)
def test_an_account_holds_a_process_with_several_calls_of_one_batch(
    batches: list[list[str]], *, expected: bool
) -> None:
    holds = Holds()
    for batch in batches:
        holds.note(batch, START)
    assert holds.closed("a", START) is expected


def test_the_first_lane_is_open_again_after_a_while() -> None:
    holds = Holds()
    holds.note(["a"] * 3, START)
    moments = [START + REST - timedelta(milliseconds=1), START + REST]
    assert [holds.closed("a", moment) for moment in moments] == [True, False]
