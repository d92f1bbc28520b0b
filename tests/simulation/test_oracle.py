"""What the oracle says to stories of a few events, each with one thing amiss."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.scheduling.execution import Attempt, Execution, ExecutionState
from chalicelib.scheduling.job import Claim, JobRef, Standing, firing_id
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Every
from tests.fakes import OK
from tests.simulation.history import Answered, Asked, Event, History, Recorded, Sent, Stood
from tests.simulation.loop import Process
from tests.simulation.oracle import Bounds, Broken, judged, stories_of
from tests.simulation.promises import PROMISES
from tests.simulation.weather import CALM, MINUTE, SECOND, Scenario
from tests.world import START

REF = JobRef(account_id="tenant-1", job_id="job-1")
PERIOD = timedelta(seconds=60)
SCHEDULE = Every(start=START + PERIOD, period=PERIOD)
SCENARIO = Scenario(name="told", weather=CALM, bad=10 * MINUTE, good=0, healed=5 * SECOND, punctual=True)
USER = Process("a user", ended_at=1)
NEW = Standing(schedule=SCHEDULE, due_at=START + PERIOD)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def worker(name: str, *, until: float | None) -> Process:
    return Process(name, ended_at=None if until is None else int(until * SECOND))


def stood(seconds: float, before: Standing | None, after: Standing | None, by: Process = USER) -> Stood:
    return Stood(at=int(seconds * SECOND), ref=REF, before=before, after=after, by=by)


def claimed(seconds: float, before: Standing, by: Process, *, due: float) -> Stood:
    mark = Claim(message_id="m", nonce=by.name, due_at=at(due), claimed_at=at(seconds))
    return stood(seconds, before, before.fired(mark), by)


def record(due: float, *, attempts: int = 1) -> Execution:
    attempt = Attempt(due_at=at(due), claimed_at=at(due), sent_at=at(due), answered_at=at(due), outcome=OK)
    return Execution(
        firing_id=firing_id(REF, at(due)),
        ref=REF,
        dialect="",
        key="",
        due_at=at(due),
        state=ExecutionState.DELIVERED,
        attempts=(attempt,) * attempts,
    )


def recorded(seconds: float, by: Process, *, due: float) -> Recorded:
    after = record(due)
    return Recorded(at=int(seconds * SECOND), ref=REF, firing_id=after.firing_id, before=None, after=after, by=by)


def sent(seconds: float, by: Process, *, due: float, known: Execution | None = None) -> Sent:
    name, owners = firing_id(REF, at(due)), frozenset({REF.account_id})
    return Sent(at=int(seconds * SECOND), ref=REF, firing_id=name, known=known, owners=owners, by=by)


ONE = worker("one", until=61)
TWO = worker("two", until=421)
CREATED = stood(1, None, NEW)
CLAIM = claimed(60, NEW, ONE, due=60)
SENT, RECORDED = sent(60.1, ONE, due=60), recorded(60.2, ONE, due=60)
FIRED: list[Event] = [CREATED, CLAIM, SENT, RECORDED]
END = 100.0


def broken(events: list[Event], *, end: float = END, scenario: Scenario = SCENARIO) -> list[Broken]:
    history = History(START)
    for event in events:
        history.add(event, line="")
    return judged(stories_of(history), Bounds(beginning=START, end=int(end * SECOND), scenario=scenario), PROMISES)


def test_a_firing_that_was_claimed_sent_and_recorded_breaks_nothing() -> None:
    assert broken(FIRED) == []


def paused_then_claimed() -> list[Event]:
    paused = NEW.paused()
    grasped = replace(paused, claim=Claim(message_id="m", nonce="one", due_at=at(60), claimed_at=at(60)))
    return [CREATED, stood(30, NEW, paused), stood(60, paused, grasped, ONE)]


STORIES = [
    pytest.param([CREATED], {"every due time is attempted"}, id="nobody claims it"),
    pytest.param([CREATED, CLAIM], {"every due time is attempted"}, id="it is claimed and not sent"),
    pytest.param([CREATED, CLAIM, SENT], {"every firing has its record"}, id="it is sent and not recorded"),
    pytest.param(
        [CREATED, CLAIM, RECORDED, sent(60.5, ONE, due=60)], {"a record tells the truth"}, id="recorded first"
    ),
    pytest.param(
        [*FIRED, sent(60.3, TWO, due=60, known=record(60))], {"no needless doubles"}, id="again when it is known"
    ),
    pytest.param([CREATED, CLAIM, SENT, sent(60.15, TWO, due=60), RECORDED], {"no needless doubles"}, id="two at once"),
    pytest.param([*FIRED, sent(61.5, TWO, due=61)], {"one id for one firing"}, id="an id that nobody knows"),
    pytest.param(
        [CREATED, CLAIM, replace(SENT, owners=frozenset({"tenant-1", "tenant-2"})), RECORDED],
        {"tenants do not see each other"},
        id="signed with another tenant's secret",
    ),
    pytest.param(paused_then_claimed(), {"cancelled is cancelled"}, id="claimed although it is paused"),
    pytest.param(
        [CREATED, CLAIM, sent(64, ONE, due=60), recorded(64.1, ONE, due=60)], {"on time"}, id="four seconds late"
    ),
    pytest.param(
        [CREATED, claimed(58, NEW, ONE, due=60), sent(59, ONE, due=60), recorded(59.1, ONE, due=60)],
        {"on time"},
        id="a second early",
    ),
    pytest.param(
        [*FIRED, Answered(asked_at=70_000, at=71_000, ref=REF, what=Asked.PAUSE)],
        {"answered is done"},
        id="a pause that was answered and not done",
    ),
]


@pytest.mark.parametrize(("events", "promises"), STORIES)
def test_what_is_amiss_is_named(events: list[Event], promises: set[str]) -> None:
    assert promises <= {one.promise for one in broken(events)}


BAD = replace(SCENARIO, punctual=False, bad=MINUTE, healed=2 * MINUTE)
EXCUSED = [
    pytest.param([CREATED, stood(30, NEW, NEW.paused())], 300, SCENARIO, id="it was paused before it was due"),
    pytest.param([CREATED, stood(61, NEW, None)], 300, SCENARIO, id="it was deleted before it was owed"),
    pytest.param([CREATED], 64, SCENARIO, id="it is not owed yet"),
    pytest.param(
        [CREATED, CLAIM, SENT, sent(420, TWO, due=60), recorded(420.1, TWO, due=60)], 150, BAD, id="its worker died"
    ),
]


@pytest.mark.parametrize(("events", "end", "scenario"), EXCUSED)
def test_what_is_excused_is_not_held_against_it(events: list[Event], end: float, scenario: Scenario) -> None:
    assert broken(events, end=end, scenario=scenario) == []


@pytest.mark.parametrize(
    ("misfire", "amiss"),
    [
        pytest.param(Misfire.LATEST, False, id="the latest stands for all that was missed"),
        pytest.param(Misfire.ALL, True, id="every one was asked for"),
    ],
)
def test_a_late_claim_stands_for_the_due_times_it_passed_unless_all_were_wanted(
    misfire: Misfire, *, amiss: bool
) -> None:
    new = replace(NEW, misfire=misfire)
    late = Claim(message_id="m", nonce="two", due_at=at(60), claimed_at=at(200))
    moved = replace(new, due_at=at(240), claim=late)
    then = worker("two", until=201)
    events: list[Event] = [
        stood(1, None, new),
        stood(200, new, moved, then),
        sent(200.1, then, due=60),
        recorded(200.2, then, due=60),
    ]
    found = broken(events, end=240, scenario=replace(BAD, healed=10 * SECOND, bad=200 * SECOND))
    assert ("every due time is attempted" in {one.promise for one in found}) is amiss
