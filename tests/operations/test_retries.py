"""T51: when a failed call is tried again. The schedules are the APIs' own, and no answer of a receiver changes them.

Source: seeds/001, "at scheduled intervals: 10 seconds later, 1 minute later, and 10 minutes later"; the other APIs try
nothing again. So there is no schedule that a Retry-After could be weighed against, and a 410 is an answer like another:
it ends neither the attempts of a firing nor a recurring job, whose due times are all promised to be attempted.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.scheduling.execution import ExecutionState
from chalicelib.scheduling.retry import RetryPolicy
from chalicelib.scheduling.schedule import Every, Once
from chalicelib.scheduling.target import Webhook
from tests.api.test_rlatr import Caller
from tests.fakes import BROKEN
from tests.world import START, URL, World

WAITS = [5, 15, 75, 675]  # seconds: when it is due, then 10 s, 1 min and 10 min after each attempt before
ANSWERS = {
    "503, in a second": (503, "1"),
    "429, in an hour": (429, "3600"),
    "503, at a date": (503, "Sun, 22 Nov 2026 12:30:00 GMT"),
    "503, at no time": (503, "soon"),
    "503, in 30 years": (503, "1000000000"),
    "410": (410, ""),
}


@pytest.mark.parametrize(("status", "retry_after"), ANSWERS.values(), ids=ANSWERS)
def test_t51_rlatr_tries_again_on_its_own_schedule_whatever_the_receiver_says(
    world: World, status: int, retry_after: str
) -> None:
    headers = (("Retry-After", retry_after),) if retry_after else ()
    world.receiver.answers = lambda _webhook: replace(BROKEN, status=status, headers=headers)
    caller = Caller(world)
    caller.created()
    world.let_pass(hours=2)
    assert [(call.timestamp - START).total_seconds() for call in world.receiver.calls] == WAITS
    [execution] = world.executions(caller.job())
    assert (execution.state, len(execution.attempts)) == (ExecutionState.FAILED, 4)


def test_t51_a_recurring_job_goes_on_after_a_410(world: World) -> None:
    world.receiver.answers = lambda _webhook: replace(BROKEN, status=410)
    job = world.a_job(Every(start=START, period=timedelta(minutes=1)), target=Webhook(url=URL))
    world.let_pass(minutes=5)
    assert [one.state for one in world.executions(job)] == [ExecutionState.FAILED] * 6


def test_t51_what_has_no_schedule_is_not_tried_again(world: World) -> None:
    world.receiver.answers = lambda _webhook: BROKEN
    job = world.a_job(Once(at=START))
    world.let_pass(hours=1)
    assert len(world.receiver.calls) == 1
    assert [one.state for one in world.executions(job)] == [ExecutionState.FAILED]


def test_an_attempt_sends_no_message_about_the_next_firing_of_its_job(world: World) -> None:
    """Whoever claimed the first attempt sent it; each more would cost a message and a claim that is refused."""
    world.receiver.answers = lambda _webhook: BROKEN
    job = world.a_job(Every(start=START, period=timedelta(minutes=1)), retry=RetryPolicy(waits=(timedelta(seconds=5),)))
    world.run(until=START + timedelta(seconds=10))
    assert len(world.receiver.calls) == 2
    assert [due.due_at for due in world.queue.sent if due.subject == job.ref] == [START, START + timedelta(minutes=1)]
