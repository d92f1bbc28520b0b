"""Hands for what is done at once."""

import threading

import pytest

from chalicelib.delivery.threads import Threads


def test_as_many_are_at_it_as_there_are_hands_and_the_results_keep_their_order() -> None:
    met = threading.Barrier(3, timeout=5)

    def meet(number: int) -> int:
        met.wait()
        return -number

    assert Threads().map(meet, [1, 2, 3], hands=3) == [-1, -2, -3]


@pytest.mark.parametrize(
    ("things", "hands"), [([1], 8), ([1, 2], 1), ([], 8)], ids=["a single thing", "one pair of hands", "nothing"]
)
def test_what_leaves_nothing_to_share_is_done_by_the_caller(things: list[int], hands: int) -> None:
    me = threading.get_ident()
    assert Threads().map(lambda _thing: threading.get_ident(), things, hands=hands) == [me] * len(things)


def test_a_failure_is_the_caller_s() -> None:
    with pytest.raises(ZeroDivisionError):
        Threads().map(lambda number: 1 // number, [1, 0], hands=2)
