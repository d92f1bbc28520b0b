"""The firing path on a virtual clock: create, express lane, tick, claim, send, record."""

import json
from datetime import datetime, timedelta

import pytest

from chalicelib.delivery.queue import encode
from chalicelib.operations.jobs import Change, delete_job, edit_job
from chalicelib.ports import Due
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.errors import QuotaExceeded, Unavailable
from chalicelib.scheduling.execution import ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import Ending, Job, JobState, firing_id
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Cron, Every, Once
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import AwsKeys, Callback, Topic, Webhook
from tests.fakes import BROKEN, OK
from tests.operations.breaking import breaking
from tests.world import RULES, START, URL, VISIBILITY, World

DUE = START + timedelta(seconds=5)
TEN_SECONDS = timedelta(seconds=10)
RLATR_RETRY = RetryPolicy(waits=(TEN_SECONDS, timedelta(minutes=1), timedelta(minutes=10)))


def every_ten_seconds() -> Every:
    return Every(start=START + TEN_SECONDS, period=TEN_SECONDS)


def sent_at(world: World) -> list[datetime]:
    return [call.timestamp for call in world.receiver.calls]


def states(world: World, job: Job) -> list[ExecutionState]:
    return [execution.state for execution in world.executions(job)]


def test_a_job_due_in_five_seconds_fires_on_its_second_and_is_recorded(world: World) -> None:
    job = world.a_job()
    world.let_pass(seconds=10)
    [call] = world.receiver.calls
    assert (call.message_id, call.timestamp) == (firing_id(job.ref, DUE), DUE)
    [execution] = world.executions(job)
    assert execution.state is ExecutionState.DELIVERED
    [attempt] = execution.attempts
    assert (attempt.due_at, attempt.sent_at, attempt.outcome) == (DUE, DUE, OK)
    stored = world.job(job)
    assert stored
    assert stored.standing.state is JobState.FINISHED
    assert world.queue.messages == []


def test_a_firing_between_two_seconds_waits_for_its_fraction(world: World) -> None:
    due = START + timedelta(seconds=5, milliseconds=700)
    world.a_job(Once(at=due))
    world.let_pass(seconds=10)
    assert sent_at(world) == [due]


def test_a_job_every_ten_seconds_fires_every_ten_seconds(world: World) -> None:
    job = world.a_job(every_ten_seconds())
    world.let_pass(minutes=5)
    assert sent_at(world) == [START + TEN_SECONDS * number for number in range(1, 31)]
    assert states(world, job) == [ExecutionState.DELIVERED] * 30


def test_a_job_every_minute_fires_every_minute_however_ticks_and_express_lane_overlap(world: World) -> None:
    world.a_job(Cron(expression="* * * * *"))
    world.let_pass(minutes=30)
    first = START.replace(second=0) + timedelta(minutes=1)
    assert sent_at(world) == [first + timedelta(minutes=number) for number in range(30)]


def test_a_job_far_away_comes_by_the_tick(world: World) -> None:
    due = START + timedelta(hours=3, seconds=7)
    world.a_job(Once(at=due))
    assert world.queue.messages == []
    world.let_pass(hours=4)
    assert sent_at(world) == [due]
    assert len(world.queue.sent) == 1, "an entry is read once"


def test_t44_a_doubled_message_is_sent_once(world: World) -> None:
    job = world.a_job()
    for delay in (0, 5, 5, 300):
        world.queue.put(encode(Due(subject=job.ref, due_at=DUE, rev=1)), START + timedelta(seconds=delay))
    world.let_pass(minutes=15)
    assert world.receiver.ids == [firing_id(job.ref, DUE)]
    assert world.queue.messages == []


def test_a_message_that_comes_much_too_early_goes_back_for_the_rest_of_its_wait(world: World) -> None:
    due = START + timedelta(seconds=90)
    job = world.a_job(Once(at=due))
    world.queue.messages.clear()
    world.queue.put(encode(Due(subject=job.ref, due_at=due, rev=1)), START)
    world.run()
    assert world.receiver.calls == []
    world.let_pass(minutes=2)
    assert sent_at(world) == [due]


STEPS = [
    pytest.param("firings", "jobs", "dies before", id="dies before it reads"),
    pytest.param("firings", "claim", "dies before", id="dies before its claim"),
    pytest.param("firings", "claim", "dies after", id="dies after its claim"),
    pytest.param("queue", "send", "dies before", id="dies before it sends the next firing's message"),
    pytest.param("queue", "send", "dies after", id="dies after it sent the next firing's message"),
    pytest.param("webhooks", "send", "dies before", id="dies before the call"),
    pytest.param("firings", "claim", "loses the reply", id="loses the reply to its claim"),
    pytest.param("firings", "claim", "is away", id="cannot claim"),
    pytest.param("firings", "jobs", "is away", id="cannot read"),
    pytest.param("firings", "record", "dies after", id="dies after its record"),
]


@pytest.mark.parametrize(("port", "method", "how"), STEPS)
@pytest.mark.parametrize("recurring", [False, True], ids=["once", "every ten seconds"])
def test_t45_t46_whatever_breaks_every_firing_is_sent_once(
    world: World, port: str, method: str, how: str, *, recurring: bool
) -> None:
    job = world.a_job(every_ten_seconds() if recurring else Once(at=START + TEN_SECONDS))
    with breaking(world, port, method, how):
        world.run(until=START + TEN_SECONDS)
    world.let_pass(minutes=8)
    first, last = (firing_id(job.ref, START + TEN_SECONDS * number) for number in (1, 49))
    assert world.receiver.ids.count(first) == 1
    assert len(world.receiver.ids) == len(set(world.receiver.ids)), "nothing is doubled"
    assert states(world, job)[0] is ExecutionState.DELIVERED
    assert world.executions(job)[0].firing_id == first
    if recurring:
        assert world.receiver.ids[-1] == last, "and the job goes on"


@pytest.mark.parametrize(
    ("port", "method", "how"),
    [
        pytest.param("webhooks", "send", "dies after", id="dies between the call and its record"),
        pytest.param("firings", "record", "dies before", id="dies before its record"),
        pytest.param("firings", "record", "is away", id="cannot record"),
    ],
)
@pytest.mark.parametrize("recurring", [False, True], ids=["once", "every ten seconds"])
def test_t45_only_a_firing_nobody_recorded_is_sent_again_and_under_the_same_id(
    world: World, port: str, method: str, how: str, *, recurring: bool
) -> None:
    job = world.a_job(every_ten_seconds() if recurring else Once(at=START + TEN_SECONDS))
    with breaking(world, port, method, how):
        world.run(until=START + TEN_SECONDS)
    world.let_pass(minutes=8)
    first = firing_id(job.ref, START + TEN_SECONDS)
    assert world.receiver.ids.count(first) == 2
    assert len(world.receiver.ids) == len(set(world.receiver.ids)) + 1
    assert world.executions(job)[0].firing_id == first


def test_t50_while_a_slow_worker_may_be_alive_its_message_waits(world: World) -> None:
    job = world.a_job()
    world.clock.sleep_until(DUE)
    with breaking(world, "webhooks", "send", "dies before"):
        world.run()
    [message] = world.queue.messages
    message.visible_at = DUE + timedelta(seconds=59)
    world.run(until=DUE + timedelta(seconds=59))
    assert world.receiver.calls == []
    world.let_pass(minutes=7)
    assert world.receiver.ids == [firing_id(job.ref, DUE)]


def test_t46_a_lost_reply_to_the_message_that_follows_is_absorbed(world: World) -> None:
    job = world.a_job(every_ten_seconds())
    with breaking(world, "queue", "send", "loses the reply"):
        world.run(until=START + TEN_SECONDS)
    world.let_pass(minutes=5)
    assert len(world.receiver.ids) == len(set(world.receiver.ids)) == 31
    assert states(world, job) == [ExecutionState.DELIVERED] * 31


def test_t52_a_queue_that_was_down_for_two_hours_is_caught_up_with_one_firing(world: World) -> None:
    job = world.a_job(Cron(expression="* * * * *"))
    world.clock.forward(hours=2)
    world.let_pass(minutes=10)
    assert len(world.receiver.calls) == 11
    assert world.executions(job)[0].due_at == START.replace(second=0) + timedelta(minutes=1)
    assert len(world.executions(job)) == 11


def test_t52_skip_sends_nothing_late_and_says_what_was_missed(world: World) -> None:
    job = world.a_job(Cron(expression="* * * * *"), misfire=Misfire.SKIP)
    world.clock.forward(hours=2)
    world.let_pass(minutes=2)
    assert states(world, job) == [ExecutionState.MISSED, ExecutionState.DELIVERED, ExecutionState.DELIVERED]
    assert len(world.receiver.calls) == 2


def test_t52_all_sends_every_missed_firing_in_order(world: World) -> None:
    job = world.a_job(Cron(expression="* * * * *"), misfire=Misfire.ALL)
    world.clock.forward(hours=2)
    world.let_pass(minutes=5)
    first = START.replace(second=0) + timedelta(minutes=1)
    assert world.receiver.ids == [firing_id(job.ref, first + timedelta(minutes=number)) for number in range(125)]


def test_t51_a_failed_call_is_tried_after_10_s_1_min_and_10_min_and_then_failed(world: World) -> None:
    world.receiver.answers = lambda _webhook: BROKEN
    job = world.a_job(retry=RLATR_RETRY)
    world.let_pass(minutes=15)
    waits = [timedelta(0), TEN_SECONDS, timedelta(seconds=70), timedelta(seconds=670)]
    assert sent_at(world) == [DUE + wait for wait in waits]
    assert set(world.receiver.ids) == {firing_id(job.ref, DUE)}
    [execution] = world.executions(job)
    assert execution.state is ExecutionState.FAILED
    assert [attempt.outcome for attempt in execution.attempts] == [BROKEN] * 4
    assert [attempt.due_at - DUE for attempt in execution.attempts] == waits


def test_t51_a_retry_that_gets_through_is_the_last(world: World) -> None:
    answers = iter([BROKEN, OK])
    world.receiver.answers = lambda _webhook: next(answers)
    job = world.a_job(retry=RLATR_RETRY)
    world.let_pass(minutes=15)
    assert sent_at(world) == [DUE, DUE + TEN_SECONDS]
    assert states(world, job) == [ExecutionState.DELIVERED]


@pytest.mark.parametrize("how", ["dies before", "dies after", "loses the reply", "is away"])
def test_t45_a_retry_survives_its_claim(world: World, how: str) -> None:
    answers = iter([BROKEN, OK])
    world.receiver.answers = lambda _webhook: next(answers)
    job = world.a_job(retry=RLATR_RETRY)
    with breaking(world, "firings", "claim", how):
        world.run(until=DUE + TEN_SECONDS)
    world.let_pass(minutes=30)
    assert world.receiver.ids == [firing_id(job.ref, DUE)] * 2
    assert states(world, job) == [ExecutionState.DELIVERED]


def a_callback() -> Callback:
    return Callback(url="https://example.com/back", delivered=b"yes", failed=b"no")


@pytest.mark.parametrize(("answer", "body"), [(OK, b"yes"), (BROKEN, b"no")], ids=["delivered", "failed"])
def test_t51_the_callback_comes_once_after_the_last_attempt_and_is_not_repeated(
    world: World, answer: Outcome, body: bytes
) -> None:
    world.receiver.answers = lambda webhook: answer if webhook.url == URL else BROKEN
    job = world.a_job(retry=RLATR_RETRY, callback=a_callback())
    world.let_pass(minutes=30)
    *attempts, callback = world.receiver.calls
    assert {call.webhook.url for call in attempts} == {URL}
    assert (callback.webhook.url, callback.webhook.body, callback.webhook.redirects) == (a_callback().url, body, 0)
    [execution] = world.executions(job)
    assert execution.callback == BROKEN, "its outcome is kept with the execution"


def test_a_topic_is_published_to_with_the_job_s_own_keys_which_are_not_in_the_table(world: World) -> None:
    keys = AwsKeys(access_key_id="AKIACANARY", secret_access_key=Secret("canary-secret"))
    topic = Topic(arn="arn:aws:sns:us-east-1:123456789012:t", region="us-east-1", message="hello", keys=keys)
    job = world.a_job(target=topic)
    stored = world.table.get((f"{job.ref.account_id}#job-1", "definition"))
    assert b"canary" not in repr(stored).lower().encode()
    world.let_pass(seconds=10)
    [(published, used)] = world.topics.published
    assert (published.message, used) == ("hello", keys)


def test_the_secret_of_the_key_that_made_the_job_goes_with_the_call(world: World) -> None:
    owner, secret = world.open_account()
    world.a_job(owner=owner)
    world.let_pass(seconds=10)
    assert [call.secret for call in world.receiver.calls] == [secret]


def test_t38_secrets_moved_from_another_job_are_not_opened_and_nothing_is_sent(world: World) -> None:
    owner, _ = world.open_account()
    keys = AwsKeys(access_key_id="AKIA", secret_access_key=Secret("s"))
    topic = Topic(arn="arn:aws:sns:us-east-1:123456789012:t", region="us-east-1", message="hello", keys=keys)
    victim, thief = (world.a_job(target=topic, owner=owner, job_id=name) for name in ("victim", "thief"))
    stolen = world.table.get((f"{owner.account_id}#victim", "definition"))
    assert stolen
    world.table.put({**stolen, "pk": f"{owner.account_id}#thief", "job_id": "thief"})
    world.let_pass(seconds=10)
    assert [published.message for published, _ in world.topics.published] == ["hello"], "the victim's own"
    assert states(world, victim) == [ExecutionState.DELIVERED]
    [execution] = world.executions(thief)
    assert execution.attempts[0].outcome.kind is OutcomeKind.UNREADABLE
    assert len(world.events.of("tampered")) == 1


def test_t39_while_the_key_service_is_away_nothing_is_claimed_and_then_everything_is_sent(world: World) -> None:
    job = world.a_job(every_ten_seconds())
    world.clock.forward(minutes=6)
    world.kms.down = True
    world.run()
    stored = world.job(job)
    assert stored
    assert (world.receiver.calls, stored.standing.claim) == ([], None)
    world.kms.down = False
    world.let_pass(minutes=7)
    assert states(world, job)[0] is ExecutionState.DELIVERED
    assert len(world.receiver.ids) == len(set(world.receiver.ids))


def test_a_job_of_an_account_that_was_removed_is_not_sent_and_goes_after_it(world: World) -> None:
    owner, _ = world.open_account()
    job = world.a_job(every_ten_seconds(), owner=owner)
    account = world.services.accounts.account(owner.account_id)
    assert account
    world.services.accounts.remove(account)
    world.let_pass(minutes=1)
    assert (world.receiver.calls, world.job(job), world.queue.messages) == ([], None, [])


def test_a_retry_of_an_account_that_was_removed_leaves_the_index_at_once(world: World) -> None:
    owner, _ = world.open_account()
    world.receiver.answers = lambda _webhook: BROKEN
    job = world.a_job(owner=owner, retry=RLATR_RETRY)
    world.run(until=DUE)
    account = world.services.accounts.account(owner.account_id)
    assert account
    world.services.accounts.remove(account)
    world.run(until=DUE + TEN_SECONDS)
    assert (sent_at(world), world.job(job), states(world, job)) == ([DUE], None, [ExecutionState.CANCELLED])


def test_a_fired_job_is_purged_where_that_was_asked_after_its_record(world: World) -> None:
    job = world.a_job(ending=Ending.PURGE)
    world.let_pass(seconds=10)
    assert world.job(job) is None
    assert states(world, job) == [ExecutionState.DELIVERED]


def test_a_purge_that_a_worker_did_not_live_to_see_is_made_up_for(world: World) -> None:
    job = world.a_job(ending=Ending.PURGE)
    with breaking(world, "jobs", "remove", "dies before"):
        world.run(until=DUE)
    assert world.job(job)
    world.let_pass(minutes=7)
    assert world.job(job) is None
    assert len(world.receiver.calls) == 1


@pytest.mark.parametrize("change", ["deleted", "moved", "touched"])
def test_t59_what_was_cancelled_after_its_message_was_sent_does_not_fire(world: World, change: str) -> None:
    owner, _ = world.open_account()
    job = world.a_job(owner=owner)
    later = DUE + timedelta(minutes=30)
    match change:
        case "deleted":
            delete_job(world.services, owner, "job-1", dialect="test")
        case "moved":
            edit(world, owner, Once(at=later))
        case "touched":
            edit(world, owner, Once(at=DUE))
    world.let_pass(hours=1)
    expected = {"deleted": [], "moved": [later], "touched": [DUE]}[change]
    assert sent_at(world) == expected
    assert [execution.due_at for execution in world.executions(job)] == expected


def edit(world: World, owner: Principal, schedule: Once) -> None:
    edit_job(
        world.services,
        owner,
        "job-1",
        dialect="test",
        edit=lambda before: Change(definition=before.definition, schedule=schedule),
    )


def test_a_payload_edit_reaches_the_firing_that_is_already_under_way(world: World) -> None:
    owner, _ = world.open_account()
    world.a_job(owner=owner)

    def other_url(before: Job) -> Change:
        return Change(definition=replace_target(before, Webhook(url="https://example.com/new")))

    edit_job(world.services, owner, "job-1", dialect="test", edit=other_url)
    world.let_pass(seconds=10)
    assert [call.webhook.url for call in world.receiver.calls] == ["https://example.com/new"]
    assert len(world.queue.sent) == 1, "and costs no message"


def replace_target(job: Job, target: Webhook):  # type: ignore[no-untyped-def]  # noqa: ANN201
    from dataclasses import replace  # noqa: PLC0415

    return replace(job.definition, target=target)


def test_an_edit_of_the_time_cancels_the_retry_that_waits(world: World) -> None:
    owner, _ = world.open_account()
    answers = iter([BROKEN, OK])
    world.receiver.answers = lambda _webhook: next(answers)
    job = world.a_job(owner=owner, retry=RLATR_RETRY)
    world.run(until=DUE)
    edit(world, owner, Once(at=DUE + timedelta(minutes=2)))
    world.let_pass(minutes=15)
    assert sent_at(world) == [DUE, DUE + timedelta(minutes=2)]
    assert states(world, job) == [ExecutionState.CANCELLED, ExecutionState.DELIVERED]


def test_a_deleted_job_is_not_tried_again(world: World) -> None:
    owner, _ = world.open_account()
    world.receiver.answers = lambda _webhook: BROKEN
    job = world.a_job(owner=owner, retry=RLATR_RETRY)
    world.run(until=DUE)
    delete_job(world.services, owner, "job-1", dialect="test")
    world.let_pass(minutes=15)
    assert sent_at(world) == [DUE]
    assert states(world, job) == [ExecutionState.CANCELLED]


def test_t44_twins_in_one_batch_are_one_firing(world: World) -> None:
    job = world.a_job()
    world.queue.put(encode(Due(subject=job.ref, due_at=DUE, rev=1)), DUE)
    world.run(until=DUE)
    assert (world.receiver.ids, world.queue.messages) == ([firing_id(job.ref, DUE)], [])


def test_t48_one_broken_message_costs_the_others_nothing(world: World) -> None:
    owner, _ = world.open_account()
    jobs = [world.a_job(owner=owner, job_id=f"job-{number}") for number in range(9)]
    poison = world.queue.put(json.dumps({"v": 99}), DUE)
    world.run(until=DUE)
    assert sorted(world.receiver.ids) == sorted(firing_id(job.ref, DUE) for job in jobs)
    assert world.queue.messages == [poison]
    assert len(world.events.of("poison")) == 1


def test_t49_a_message_given_up_is_recorded_and_its_job_goes_on(world: World) -> None:
    job = world.a_job(every_ten_seconds(), callback=a_callback())
    with breaking(world, "firings", "claim", "is away", times=1000):
        world.run(until=START + VISIBILITY * 6)
    assert len(world.queue.dead) == 1
    world.park()
    assert world.queue.dead == []
    [execution] = world.executions(job)
    assert (execution.state, execution.due_at) == (ExecutionState.PARKED, START + TEN_SECONDS)
    assert [call.webhook.body for call in world.receiver.calls] == [b"no"], "its callback says so"
    world.let_pass(minutes=1)
    assert states(world, job)[1:] == [ExecutionState.DELIVERED] * 6


def test_t49_a_dead_letter_that_says_nothing_is_logged_and_gone(world: World) -> None:
    world.queue.dead.append(world.queue.put("gibberish", START))
    world.park()
    assert world.queue.dead == []
    assert len(world.events.of("dead_letter")) == 1


def test_an_edit_that_races_a_firing_is_applied_to_what_the_firing_left(world: World) -> None:
    owner, _ = world.open_account()
    job = world.a_job(every_ten_seconds(), owner=owner)
    looks: list[Job] = []

    def slowly(before: Job) -> Change:
        looks.append(before)
        if len(looks) == 1:
            world.run(until=START + TEN_SECONDS)
        return Change(definition=before.definition, schedule=Once(at=START + timedelta(hours=1)))

    edit_job(world.services, owner, "job-1", dialect="test", edit=slowly)
    assert len(looks) == 2
    world.let_pass(hours=2)
    assert sent_at(world) == [START + TEN_SECONDS, START + timedelta(hours=1)]
    assert len(world.executions(job)) == 2


def test_t60_a_create_that_the_queue_will_not_take_leaves_nothing(world: World) -> None:
    owner, _ = world.open_account()
    world.queue.down = True
    with pytest.raises(Unavailable):
        world.a_job(owner=owner)
    assert world.services.jobs.list(owner.account_id, "test") == []
    world.queue.down = False
    world.a_job(owner=owner)
    world.let_pass(seconds=10)
    assert sent_at(world) == [DUE]


def test_an_account_has_as_many_jobs_as_it_may(world: World) -> None:
    world.with_rules(jobs_per_account=1)
    owner, _ = world.open_account()
    world.a_job(owner=owner)
    with pytest.raises(QuotaExceeded):
        world.a_job(owner=owner, job_id="job-2")
    world.a_job(owner=world.open_account()[0])


@pytest.mark.parametrize(("lease", "expected"), [(60, (30, 15)), (10, (5, 2.5)), (300, (30, 15))])
def test_a_call_and_its_callback_end_before_the_worker_does(
    world: World, lease: int, expected: tuple[float, float]
) -> None:
    world.with_rules(lease=timedelta(seconds=lease))
    world.a_job(callback=a_callback())
    world.let_pass(seconds=10)
    assert [call.webhook.timeout.total_seconds() for call in world.receiver.calls] == list(expected)


def test_each_event_says_how_late_it_was(world: World) -> None:
    world.a_job()
    world.clock.sleep_until(DUE + timedelta(milliseconds=250))
    world.run()
    [fired] = world.events.of("fired")
    assert (fired["late_ms"], fired["outcome"], fired["attempt"]) == (250, "delivered", 1)
    assert RULES.lease == timedelta(seconds=60)
