"""T11: how long the next login waits after some have failed, and whose."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.scheduling.throttle import Failures, place_of, respects, wait

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WHAT = respects("alice", "192.0.2.1")


def seconds(count: int, *, of: str = WHAT.account_from_here, ago: float = 0.0) -> float:
    known = {of: Failures(count=count, last=NOW - timedelta(seconds=ago))}
    return wait(known, WHAT, NOW).total_seconds()


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, 0), (9, 0), (10, 1), (11, 2), (12, 4), (15, 32), (19, 512), (20, 900), (21, 900), (10**9, 900)],
)
def test_t11_after_ten_failures_each_wait_is_twice_as_long_up_to_a_quarter_of_an_hour(
    count: int, expected: float
) -> None:
    assert seconds(count) == expected


@pytest.mark.parametrize(("count", "expected"), [(10, 0), (99, 0), (100, 1), (103, 8), (110, 900)])
def test_t11_a_place_has_a_hundred_failures_for_all_accounts(count: int, expected: float) -> None:
    assert seconds(count, of=WHAT.anything_from_here) == expected


@pytest.mark.parametrize(("ago", "expected"), [(0, 8), (3, 5), (7.999, 0.001), (8, 0), (3600, 0)])
def test_t11_a_wait_is_counted_from_the_last_failure(ago: float, expected: float) -> None:
    assert seconds(13, ago=ago) == expected


def test_t11_the_longer_of_two_waits_counts_and_none_where_nothing_failed() -> None:
    known = {name: Failures(count=count, last=NOW) for name, count in zip(WHAT.names, (11, 103), strict=True)}
    assert wait(known, WHAT, NOW) == timedelta(seconds=8)
    assert wait({}, WHAT, NOW) == timedelta(0)


@pytest.mark.parametrize(
    ("source", "place"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", id="an IPv4 address is a place of its own"),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="IPv6 counts by what one customer has"),
        pytest.param("2001:db8:1:2::1", "2001:db8:1:2::/64", id="the same customer's other machine"),
        pytest.param("2001:db8:1:3::1", "2001:db8:1:3::/64", id="the next customer"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", id="IPv4 in the clothes of IPv6"),
        pytest.param("", "nowhere", id="no address"),
        pytest.param("x" * 5000, "nowhere", id="what is no address, however long"),
    ],
)
def test_a_place_is_what_an_address_stands_for(source: str, place: str) -> None:
    assert place_of(source) == place


def test_no_account_has_the_failures_of_another_or_of_another_place() -> None:
    named = [respects(account, source) for account in ("alice", "bob") for source in ("192.0.2.1", "192.0.2.2", "")]
    assert len({one.account_from_here for one in named}) == 6
    assert {one.anything_from_here for one in named} == {"192.0.2.1", "192.0.2.2", "nowhere"}
