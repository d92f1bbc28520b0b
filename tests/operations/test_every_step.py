"""T45, T46: whatever an action asks of the outside, it may be the last thing its process does, or not be answered.

The steps are not listed here: each scene is played once to see which calls it makes, and then again for every one of
them and every way in which a call goes wrong. Afterwards time passes, as it would, and everything due was attempted;
twice only what was sent and could not be recorded, and then under the same id.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest

from chalicelib.operations.jobs import Change, create_job, delete_job, edit_job, pause_job, resume_job, run_now
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.errors import NotFound, Taken, Unavailable
from chalicelib.scheduling.execution import ExecutionState
from chalicelib.scheduling.job import Ending, Job, firing_id
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Every, Once
from chalicelib.scheduling.target import Callback
from tests.fakes import BROKEN, OK
from tests.operations.breaking import breaking
from tests.operations.steps import DEATHS, OUTSIDE, WAYS, Calls, Step, a_watched_world
from tests.world import START, URL, VISIBILITY, World

TEN_SECONDS = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
DUE = START + TEN_SECONDS
RHYTHM = Every(start=DUE, period=MINUTE)
ELSEWHERE = Every(start=DUE + TEN_SECONDS, period=MINUTE)
CALLBACK = Callback(url="https://example.com/back", delivered=b"yes", failed=b"no")
RECOVERY = 8  # minutes: a message has come back, and the sweep has looked at what was five minutes old


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`begin` makes what is there before, `act` is the process to which something happens.

    `attempts`: how often each firing is attempted when nothing happens. `ends`: what stands in the end.
    """

    begin: Callable[[World], Job]
    act: Callable[[World, Job], object]
    attempts: int = 1
    ends: Callable[[World, Job], object] = lambda _world, _job: None


def owner_of(job: Job) -> Principal:
    return Principal(account_id=job.ref.account_id, key=job.definition.key)


def once(world: World) -> Job:
    return world.a_job(Once(at=DUE))


def recurring(world: World) -> Job:
    return world.a_job(RHYTHM, misfire=Misfire.ALL)


def purged(world: World) -> Job:
    return world.a_job(Once(at=DUE), ending=Ending.PURGE)


def called_back(world: World) -> Job:
    return world.a_job(Once(at=DUE), callback=CALLBACK)


def failed_once(world: World) -> Job:
    answers = [BROKEN]
    world.receiver.answers = lambda _webhook: answers.pop() if answers else OK
    job = world.a_job(Once(at=START), retry=RetryPolicy(waits=(TEN_SECONDS,)))
    world.run()
    return job


def asked_to_run(world: World) -> Job:
    job = world.a_job(Once(at=START + timedelta(days=1)))
    run_now(world.services, owner_of(job), job.ref.job_id, dialect="test")
    return job


def taken_by_the_dead(world: World) -> Job:
    """A firing that was claimed by a worker which died."""
    job = once(world)
    with breaking(world, "firings", "claim", "dies after"):
        delivers(world, job)
    return job


def far_away(world: World) -> Job:
    job = world.a_job(Once(at=START + timedelta(minutes=10)))
    world.clock.forward(minutes=9)
    return job


def lost(world: World) -> Job:
    job = once(world)
    world.queue.messages.clear()
    world.tick()
    world.clock.forward(minutes=6)
    return job


def delivers(world: World, _job: Job) -> None:
    world.run(until=DUE)


def delivers_again(world: World, _job: Job) -> None:
    world.run(until=DUE + VISIBILITY)


def ticks(world: World, _job: Job) -> None:
    world.tick()


def is_gone(world: World, job: Job) -> None:
    assert world.job(job) is None


SCENES = {
    "a job that fires once": Scene(begin=once, act=delivers),
    "a job that recurs": Scene(begin=recurring, act=delivers),
    "a job that goes after its firing": Scene(begin=purged, act=delivers, ends=is_gone),
    "a job that calls back": Scene(begin=called_back, act=delivers),
    "a retry": Scene(begin=failed_once, act=delivers, attempts=2),
    "a run that was asked for": Scene(begin=asked_to_run, act=delivers),
    "a dead worker's firing": Scene(begin=taken_by_the_dead, act=delivers_again),
    "a tick": Scene(begin=far_away, act=ticks),
    "a sweep": Scene(begin=lost, act=ticks),
}


def steps_of(prepare: Callable[[World], Job], act: Callable[[World, Job], object]) -> Iterator[Step]:
    """The calls that an action makes when nothing goes wrong."""
    calls = Calls()
    world = a_watched_world(calls)
    job = prepare(world)
    with calls.fated(None):
        act(world, job)
    return (Step(name=name, number=one + 1) for name in sorted(calls.made) for one in range(calls.made[name]))


def fates(prepare: Callable[[World], Job], act: Callable[[World, Job], object]) -> Iterator[tuple[str, Step]]:
    for step in steps_of(prepare, act):
        for how in DEATHS if step.name in OUTSIDE else WAYS:
            yield how, step


@pytest.mark.parametrize(
    ("scene", "how", "step"),
    [
        pytest.param(scene, how, step, id=f"{name} {how} {step}")
        for name, scene in SCENES.items()
        for how, step in fates(scene.begin, scene.act)
    ],
)
def test_t45_t46_whatever_breaks_everything_due_is_attempted(scene: Scene, how: str, step: Step) -> None:
    calls = Calls()
    world = a_watched_world(calls)
    job = scene.begin(world)
    with calls.fated(step, how):
        scene.act(world, job)
    unrecorded = Counter(firings_sent(world)) - recorded(world, job)
    world.let_pass(minutes=RECOVERY)
    expected = Counter(dict.fromkeys(due_of(world, job), scene.attempts)) + unrecorded
    assert Counter(firings_sent(world)) == expected
    assert {one.state for one in world.executions(job)} == {ExecutionState.DELIVERED}
    assert [one for one in world.queue.messages if one.receives] == [], "no message is left"
    scene.ends(world, job)


def firings_sent(world: World) -> list[str]:
    return [call.message_id for call in world.receiver.calls if call.webhook.url == URL]


def recorded(world: World, job: Job) -> Counter[str]:
    """How many attempts stand in the record, by firing."""
    return Counter({one.firing_id: len(one.attempts) for one in world.executions(job)})


def due_of(world: World, job: Job) -> list[str]:
    """The ids of all that was due so far; that of a run which was asked for is not to be computed."""
    if job.standing.schedule == RHYTHM:
        count = (world.clock.now() - DUE) // MINUTE + 1
        return [firing_id(job.ref, DUE + MINUTE * number) for number in range(count)]
    assert job.standing.due_at
    if job.standing.due_at > world.clock.now():
        return [one.firing_id for one in world.executions(job)][:1]
    return [firing_id(job.ref, job.standing.due_at)]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a user asks for, from what was there, and the schedule that holds once it was granted: None, and nothing.

    `granted`: the refusals that say so, when it is asked for again because the first answer did not come.
    """

    begin: Callable[[World], Job]
    ask: Callable[[World, Job], object]
    schedule: Every | None
    granted: tuple[type[Exception], ...] = ()


def unmade(world: World) -> Job:
    """What a job will be, in an account that has none yet."""
    job = recurring(world)
    delete_job(world.services, owner_of(job), job.ref.job_id, dialect="test")
    world.queue.messages.clear()
    return job


def paused(world: World) -> Job:
    job = recurring(world)
    pause_job(world.services, owner_of(job), job.ref.job_id, dialect="test")
    return job


def create(world: World, job: Job) -> None:
    create_job(world.services, job.definition, RHYTHM, misfire=Misfire.ALL)


def edit(world: World, job: Job) -> None:
    def elsewhere(before: Job) -> Change:
        return Change(definition=before.definition, schedule=ELSEWHERE)

    edit_job(world.services, owner_of(job), job.ref.job_id, dialect="test", edit=elsewhere)


def move(do: Callable[..., object]) -> Callable[[World, Job], object]:
    return lambda world, job: do(world.services, owner_of(job), job.ref.job_id, dialect="test")


WISHES = {
    "a creation": Wish(begin=unmade, ask=create, schedule=RHYTHM, granted=(Taken,)),
    "an edit": Wish(begin=recurring, ask=edit, schedule=ELSEWHERE),
    "a pause": Wish(begin=recurring, ask=move(pause_job), schedule=None),
    "a resumption": Wish(begin=paused, ask=move(resume_job), schedule=RHYTHM),
    "a deletion": Wish(begin=recurring, ask=move(delete_job), schedule=None, granted=(NotFound,)),
}


@pytest.mark.parametrize(
    ("wish", "how", "step"),
    [
        pytest.param(wish, how, step, id=f"{name} {how} {step}")
        for name, wish in WISHES.items()
        for how, step in fates(wish.begin, wish.ask)
    ],
)
def test_t45_t60_what_is_asked_for_until_it_is_answered_holds(wish: Wish, how: str, step: Step) -> None:
    calls = Calls()
    world = a_watched_world(calls)
    job = wish.begin(world)
    answered = False
    with calls.fated(step, how), suppress(Unavailable):
        wish.ask(world, job)
        answered = True
    if not answered:
        with suppress(*wish.granted):
            wish.ask(world, job)
    world.let_pass(minutes=RECOVERY)
    assert [call.message_id for call in world.receiver.calls] == due_by(wish.schedule, world, job)
    assert [one.firing_id for one in world.executions(job)] == due_by(wish.schedule, world, job)


def a_day_away(world: World) -> Job:
    return world.a_job(Once(at=START + timedelta(days=1)))


@pytest.mark.parametrize(
    ("how", "step"),
    [pytest.param(how, step, id=f"{how} {step}") for how, step in fates(a_day_away, move(run_now))],
)
def test_t45_t60_a_run_that_was_refused_does_not_happen_and_one_that_was_answered_does(how: str, step: Step) -> None:
    calls, answers = Calls(), list[str]()
    world = a_watched_world(calls)
    job = a_day_away(world)
    with calls.fated(step, how):
        answers.append(asked_for(world, job))
    if "" in answers or not answers:
        answers.append(asked_for(world, job))
    world.let_pass(minutes=RECOVERY)
    answered = set(filter(None, answers))
    assert answered <= set(world.receiver.ids)
    assert len(world.receiver.ids) == len(set(world.receiver.ids)) <= len(answered) + how.startswith("dies")


def asked_for(world: World, job: Job) -> str:
    """The id of the run, or nothing where that was refused."""
    try:
        return run_now(world.services, owner_of(job), job.ref.job_id, dialect="test").firing_id
    except Unavailable:
        return ""


def given_up(world: World) -> Job:
    """A job whose first firing the queue has received too often."""
    job = recurring(world)
    world.tick()
    world.clock.sleep_until(DUE)
    world.queue.dead, world.queue.messages = world.queue.messages[:1], []
    return job


def parks(world: World, _job: Job) -> None:
    world.park()


@pytest.mark.parametrize(
    ("how", "step"), [pytest.param(how, step, id=f"{how} {step}") for how, step in fates(given_up, parks)]
)
def test_t45_t49_a_dead_letter_is_recorded_as_given_up_and_its_job_goes_on(how: str, step: Step) -> None:
    calls = Calls()
    world = a_watched_world(calls)
    job = given_up(world)
    with calls.fated(step, how):
        parks(world, job)
    world.let_pass(minutes=2)
    parks(world, job)
    world.let_pass(minutes=RECOVERY)
    first, *others = due_by(RHYTHM, world, job)
    assert world.receiver.ids == others
    states = {one.firing_id: one.state for one in world.executions(job)}
    assert states == {first: ExecutionState.PARKED} | dict.fromkeys(others, ExecutionState.DELIVERED)
    assert world.queue.dead == []


def due_by(schedule: Every | None, world: World, job: Job) -> list[str]:
    """The ids of all that a schedule has had so far, in order."""
    if schedule is None:
        return []
    count = (world.clock.now() - schedule.start) // schedule.period + 1
    return [firing_id(job.ref, schedule.start + schedule.period * number) for number in range(count)]
