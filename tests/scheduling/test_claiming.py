"""Every case of the decision a worker takes, as a table."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.scheduling.claiming import Verdict, horizon, judge
from chalicelib.scheduling.job import Claim

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
DUE, LEASE = NOW - timedelta(seconds=1), timedelta(seconds=60)


def a_claim(message: str = "m", nonce: str = "n", *, due_in: float = 0, ago: float = 0) -> Claim:
    due_at = DUE + timedelta(seconds=due_in)
    return Claim(message_id=message, nonce=nonce, due_at=due_at, claimed_at=NOW - timedelta(seconds=ago))


ROWS = [
    pytest.param(True, True, None, Verdict.CLAIM, id="it stands there and nobody ever claimed"),
    pytest.param(
        True, True, a_claim("x", "x", due_in=-60), Verdict.CLAIM, id="it stands there after an earlier firing"
    ),
    pytest.param(False, True, None, Verdict.DROP, id="it stands elsewhere and nobody claimed it"),
    pytest.param(False, True, a_claim(), Verdict.HELD, id="my nonce: my reply was lost"),
    pytest.param(False, False, a_claim(), Verdict.HELD, id="my nonce, and an edit since: I had it before the edit"),
    pytest.param(False, True, a_claim("x"), Verdict.DROP, id="another message has it"),
    pytest.param(False, True, a_claim("x", ago=9999), Verdict.DROP, id="another message has it, however long ago"),
    pytest.param(False, True, a_claim(nonce="x", ago=59), Verdict.BUSY, id="my message, and its worker may be alive"),
    pytest.param(False, True, a_claim(nonce="x", ago=60), Verdict.TAKE_OVER, id="my message, and its worker is dead"),
    pytest.param(False, False, a_claim(nonce="x", ago=60), Verdict.DROP, id="my message, dead, and edited since"),
    pytest.param(False, True, a_claim("x", due_in=10), Verdict.CHECK, id="a later firing was claimed since"),
    pytest.param(False, True, a_claim(nonce="x", due_in=10), Verdict.CHECK, id="a later one, by my own message's name"),
    pytest.param(False, False, a_claim("x", due_in=10), Verdict.DROP, id="a later firing, and edited since"),
    pytest.param(False, True, a_claim("x", due_in=-10), Verdict.DROP, id="only an earlier firing: mine was cancelled"),
]


@pytest.mark.parametrize(("stands", "current", "held", "expected"), ROWS)
def test_a_worker_decides(*, stands: bool, current: bool, held: Claim | None, expected: Verdict) -> None:
    assert judge(a_claim(), stands=stands, current=current, held=held, lease=LEASE) is expected


@pytest.mark.parametrize(
    ("second", "expected"), [(0, 120), (49, 120), (49.999, 120), (50, 180), (59, 180)], ids=lambda value: f"{value} s"
)
def test_the_horizon_moves_ten_seconds_before_the_minute(second: float, expected: int) -> None:
    minute = NOW.replace(second=0)
    assert horizon(minute + timedelta(seconds=second)) == minute + timedelta(seconds=expected)
