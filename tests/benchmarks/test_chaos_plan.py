"""What a scenario schedules and when it strikes: the same for the same seed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from benchmarks.chaos.faults import moments
from benchmarks.chaos.plan import Planned, Window, expected_of, hostile_of, jobs_of
from benchmarks.chaos.sink import Manner
from chalicelib.scheduling.job import JobRef, firing_id
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Every, Once

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
WINDOW = Window(start=START, length=timedelta(minutes=2))
REF = JobRef(account_id="account", job_id="job")
JOBS = jobs_of("seed", 1_000, WINDOW)


def test_a_seed_says_it_all() -> None:
    assert jobs_of("seed", 1_000, WINDOW) == JOBS
    assert jobs_of("another", 1_000, WINDOW) != JOBS


def test_of_a_thousand_jobs_two_hundred_recur_and_half_of_them_make_up_for_every_time() -> None:
    recurring = [job for job in JOBS if isinstance(job.schedule, Every)]
    assert len(JOBS) == 1_000
    assert [len(recurring), sum(job.misfire is Misfire.ALL for job in recurring)] == [200, 100]


def test_every_job_is_due_in_the_window_first_and_the_earliest_is_made_first() -> None:
    firsts = [expected_of(job, REF, WINDOW)[0].due_at for job in JOBS]
    assert firsts == sorted(firsts)
    assert firsts[0] >= WINDOW.start
    assert firsts[-1] < WINDOW.end


def test_late_comers_are_made_three_to_thirty_seconds_before_they_are_due() -> None:
    notices = [job.schedule.at - job.made_at for job in JOBS if job.made_at and isinstance(job.schedule, Once)]
    assert len(notices) > 50
    assert min(notices) >= timedelta(seconds=3)
    assert max(notices) < timedelta(seconds=30)


@pytest.mark.parametrize("manner", Manner)
def test_every_manner_of_receiver_is_there(manner: Manner) -> None:
    assert sum(job.manner is manner for job in JOBS) > 50


def test_a_recurring_job_is_expected_until_the_window_ends() -> None:
    job = Planned(number=0, schedule=Every(start=START, period=timedelta(seconds=40)), manner=Manner.FAILS_ONCE)
    dues = [START + timedelta(seconds=second) for second in (0, 40, 80)]
    expected = expected_of(job, REF, WINDOW)
    assert [(one.due_at, one.firing) for one in expected] == [(due, firing_id(REF, due)) for due in dues]
    assert {(one.attempts, one.coalesces) for one in expected} == {(2, True)}


def test_a_job_that_makes_up_for_every_time_coalesces_none() -> None:
    schedule = Every(start=START, period=timedelta(seconds=40))
    [first, *_] = expected_of(Planned(number=0, schedule=schedule, misfire=Misfire.ALL), REF, WINDOW)
    assert (first.attempts, first.coalesces) == (1, False)


def test_hostile_jobs_run_into_each_address_as_often() -> None:
    urls = [url for _, url in hostile_of("seed", 6, WINDOW, ["a", "b", "c"])]
    assert sorted(urls) == ["a", "a", "b", "b", "c", "c"]


def test_strikes_are_in_the_window_and_as_far_apart_as_asked() -> None:
    found = [START, *moments(Random("seed"), WINDOW, between=(2.0, 8.0))]  # noqa: S311 - to be the same again, not to be secret
    gaps = [(after - before).total_seconds() for before, after in pairwise(found)]
    assert found[-1] < WINDOW.end
    assert min(gaps) >= 2
    assert max(gaps) <= 8
