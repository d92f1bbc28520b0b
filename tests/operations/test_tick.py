"""The tick: what it reads, what it sends, what it remembers, and what the sweep makes up for."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.operations.tick import behind, tick
from chalicelib.ports import Depth, Watermarks
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.job import Job, JobRef
from chalicelib.scheduling.lane import Lane
from chalicelib.scheduling.schedule import Once
from chalicelib.storage.jobs import DynamoNextFires, shard_of
from chalicelib.storage.tables import Table
from tests.operations.breaking import breaking
from tests.world import START, World

MINUTE = START.replace(second=0)
FAR = timedelta(minutes=10)


def at(moment: datetime, world: World, name: str) -> Job:
    return world.a_job(Once(at=moment), job_id=name)


def run(world: World, minute: datetime, *, seconds: float = 50) -> int:
    return tick(world.services, minute, until=world.clock.now() + timedelta(seconds=seconds))


def test_each_entry_is_sent_by_one_tick_two_minutes_ahead_at_most(world: World) -> None:
    for number in range(6):
        at(MINUTE + FAR + timedelta(seconds=20 * number), world, f"job-{number}")
    counts = []
    for minutes in range(7, 13):
        world.clock.sleep_until(MINUTE + timedelta(minutes=minutes))
        counts.append(run(world, MINUTE + timedelta(minutes=minutes)))
    assert counts == [0, 0, 3, 3, 0, 0]
    expected = [MINUTE + FAR + timedelta(seconds=20 * number) for number in range(6)]
    assert sorted(due.due_at for due in world.queue.sent) == expected


def test_t43_the_same_tick_twice_and_ticks_out_of_order_send_nothing_twice(world: World) -> None:
    job = at(MINUTE + FAR, world, "job-1")
    world.clock.sleep_until(MINUTE + FAR)
    for minutes in (10, 10, 8, 9, 10):
        run(world, MINUTE + timedelta(minutes=minutes))
    world.run()
    assert (len(world.queue.sent), len(world.receiver.calls)) == (1, 1)
    assert len(world.executions(job)) == 1


def test_t43_ticks_that_overlap_keep_the_later_mark_and_lose_nothing(world: World) -> None:
    at(MINUTE + FAR, world, "job-1")
    world.clock.sleep_until(MINUTE + timedelta(minutes=9))
    with breaking(world, "queue", "depth", "dies before"):
        run(world, MINUTE + timedelta(minutes=9))
    assert run(world, MINUTE + timedelta(minutes=9)) == 1, "a tick that died before it remembered is read again"
    ahead = world.services.next_fires.watermarks()
    stale = Watermarks(marks=dict.fromkeys(ahead.marks, MINUTE))
    assert not world.services.next_fires.advance(stale)
    run(world, MINUTE + timedelta(minutes=5))
    assert world.services.next_fires.watermarks().marks == ahead.marks, "marks never move back"


def test_after_an_outage_the_next_tick_covers_the_whole_gap(world: World) -> None:
    run(world, MINUTE)
    for number in range(5):
        at(MINUTE + timedelta(minutes=10 + 30 * number), world, f"job-{number}")
    world.clock.sleep_until(MINUTE + timedelta(hours=4))
    assert run(world, MINUTE + timedelta(hours=4)) == 5
    world.run()
    assert len(world.receiver.calls) == 5
    assert run(world, MINUTE + timedelta(hours=4, minutes=1)) == 0


def test_what_the_queue_does_not_take_is_read_again(world: World) -> None:
    at(MINUTE + FAR, world, "job-1")
    world.clock.sleep_until(MINUTE + FAR)
    world.queue.down = True
    assert run(world, MINUTE + FAR) == 0
    world.queue.down = False
    assert run(world, MINUTE + FAR) == 1


def test_a_tick_out_of_time_keeps_what_it_has_done(world: World) -> None:
    at(MINUTE + FAR, world, "job-1")
    world.clock.sleep_until(MINUTE + FAR)
    run(world, MINUTE + FAR, seconds=0)
    marks = world.services.next_fires.watermarks().marks
    assert max(marks.values()) == MINUTE + FAR, "no further than the last entry that was sent"
    [line] = world.events.of("tick")
    assert line["unfinished"] > 0
    run(world, MINUTE + FAR)
    assert set(world.services.next_fires.watermarks().marks.values()) == {MINUTE + FAR + timedelta(minutes=2)}


@pytest.mark.parametrize(("before", "after"), [(2, 8), (8, 2)], ids=["more shards", "fewer shards"])
def test_the_number_of_shards_may_change_under_waiting_jobs(world: World, before: int, after: int) -> None:
    jobs = [Once(at=MINUTE + FAR)] * 12
    world.services = replace(world.services, next_fires=DynamoNextFires(world.table, shards=before))
    world.services.jobs._shards = before  # type: ignore[attr-defined]  # noqa: SLF001 - as an older deployment wrote
    for number, schedule in enumerate(jobs):
        world.a_job(schedule, job_id=f"job-{number}")
    run(world, MINUTE)
    world.services = replace(world.services, next_fires=DynamoNextFires(world.table, shards=after))
    world.clock.sleep_until(MINUTE + FAR)
    assert run(world, MINUTE + FAR) == 12


def lost(world: World) -> Job:
    """A job whose only message was lost."""
    job = at(START + timedelta(seconds=20), world, "lost")
    world.queue.messages.clear()
    run(world, MINUTE)
    return job


def test_the_sweep_sends_again_what_is_overdue_once_at_each_age(world: World) -> None:
    job = lost(world)
    world.queue.messages.clear()
    world.queue.sent.clear()
    sent = []
    for minutes in range(1, 175):
        world.clock.sleep_until(MINUTE + timedelta(minutes=minutes))
        sent += [minutes] * run(world, MINUTE + timedelta(minutes=minutes))
        world.queue.messages.clear()
    assert sent == [6, 16, 46, 136]
    assert len(world.executions(job)) == 0


def test_a_job_made_long_after_its_time_whose_message_was_lost_is_found_at_the_full_hour(world: World) -> None:
    run(world, MINUTE)
    job = at(START - timedelta(days=4000), world, "past")
    world.queue.messages.clear()
    world.let_pass(minutes=59)
    assert world.receiver.calls == []
    world.let_pass(minutes=2)
    assert len(world.receiver.calls) == 1
    assert len(world.executions(job)) == 1


def test_what_the_sweep_sends_fires(world: World) -> None:
    job = lost(world)
    world.queue.messages.clear()
    world.let_pass(minutes=8)
    [execution] = world.executions(job)
    assert execution.due_at == START + timedelta(seconds=20)
    assert len(world.receiver.calls) == 1


def test_a_sweep_that_was_left_out_is_made_up_for(world: World) -> None:
    lost(world)
    world.queue.messages.clear()
    backlog = [world.queue.put("{}", START) for _ in range(50)]
    for minutes in range(1, 20):
        world.clock.sleep_until(MINUTE + timedelta(minutes=minutes))
        assert run(world, MINUTE + timedelta(minutes=minutes)) == 0, "the queue is behind"
    for message in backlog:
        world.queue.messages.remove(message)
    world.clock.sleep_until(MINUTE + timedelta(minutes=20))
    assert run(world, MINUTE + timedelta(minutes=20)) > 0


class Uncounted(DynamoNextFires):
    """The index, with shards that are away when they are counted."""

    def __init__(self, table: Table, *, shards: int, away: set[int]) -> None:
        super().__init__(table, shards=shards)
        self._away = away

    def overdue(self, shard: int, before: datetime) -> int:
        if shard in self._away:
            raise Unavailable("the database")
        return super().overdue(shard, before)


def test_what_was_due_five_minutes_ago_and_is_still_there_is_overdue_until_it_fires(world: World) -> None:
    lost(world)
    world.queue.messages.clear()
    for minutes in (5, 6, 7):
        world.clock.sleep_until(MINUTE + timedelta(minutes=minutes))
        run(world, MINUTE + timedelta(minutes=minutes))
    world.run()
    run(world, MINUTE + timedelta(minutes=8))
    assert [line["overdue"] for line in world.events.of("tick")] == [0, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("away", "expected"),
    [
        pytest.param({0}, 1, id="a shard that cannot be counted is left out"),
        pytest.param({0, 1}, None, id="where none can be counted it is unknown"),
    ],
)
def test_a_store_that_cannot_count_breaks_no_tick(world: World, away: set[int], expected: int | None) -> None:
    owner, _ = world.open_account()
    refs = [JobRef(account_id=owner.account_id, job_id=f"job-{number}") for number in range(100)]
    for ref in {shard_of(ref, 2): ref for ref in refs}.values():
        world.a_job(Once(at=START), owner=owner, job_id=ref.job_id)
    world.clock.sleep_until(MINUTE + FAR)
    world.services = replace(world.services, next_fires=Uncounted(world.table, shards=2, away=away))
    assert run(world, MINUTE + FAR) == 2
    [line] = world.events.of("tick")
    assert (line["overdue"], line["unfinished"]) == (expected, 0)


def test_a_tick_out_of_time_does_not_count(world: World) -> None:
    run(world, MINUTE, seconds=0)
    [line] = world.events.of("tick")
    assert (line["overdue"], line["took_ms"]) == (None, 0)


@pytest.mark.parametrize(
    ("backlog", "sent", "visible", "expected"),
    [
        pytest.param(None, 0, 0, False, id="an empty queue is never behind"),
        pytest.param(None, 0, 5, True, id="without a past, in doubt, it is"),
        pytest.param(0, 1000, 10, False, id="a few of many is no backlog"),
        pytest.param(0, 1000, 600, True, id="more than half of what came in is still there"),
        pytest.param(5000, 1000, 5900, True, id="it drains slowly"),
        pytest.param(5000, 1000, 1500, False, id="it drains fast"),
        pytest.param(50, 0, 50, True, id="it does not drain at all"),
    ],
)
@pytest.mark.parametrize("lane", Lane)
def test_a_lane_is_behind_by_what_it_lost_since_the_last_tick(
    lane: Lane, backlog: int | None, sent: int, visible: int, *, expected: bool
) -> None:
    [other] = {*Lane} - {lane}
    known = {} if backlog is None else {lane: backlog}
    before = Watermarks(marks={}, backlog={other: 10**6} | known, sent={lane: sent})
    assert behind(before, Depth(lanes={lane: visible, other: 10**6}), lane) is expected
