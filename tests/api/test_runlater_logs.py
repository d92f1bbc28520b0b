"""RunLater's log, row by row of its protocol (numbers as in section 1). Source: seeds/000, "View logs"."""

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.operations.history import latest_executions
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from tests.api.runlater import LABEL, Caller, fired, later, stamp
from tests.fakes import BROKEN
from tests.world import World

MILLIS_5 = timedelta(milliseconds=5)


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


def test_1_12_1_22_a_run_is_logged_with_its_times_and_what_came_back(caller: Caller) -> None:
    headers = (("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2"))
    answer = Outcome(kind=OutcomeKind.DELIVERED, took=MILLIS_5, status=201, body=b"made \xff \xc3\xa4", headers=headers)
    caller.world.receiver.answers = lambda _webhook: answer
    job = caller.created()
    caller.world.let_pass(seconds=10)
    [entry] = caller.logs()
    assert entry == {
        "_id": entry["_id"],
        "jobid": job["_id"],
        "userid": job["userid"],
        "runlater_key": LABEL,
        "result": {
            "status": 201,
            "headers": {"content-type": "text/plain", "set-cookie": "a=1, b=2"},
            "body": "made \ufffd ä",
        },
        "began": later(seconds=5),
        "scheduled": job["when"],
        "ended": later(seconds=5),
    }
    assert (len(entry["_id"]), set(entry["_id"]) - set("0123456789abcdef")) == (24, set())
    assert caller.webhook().keeps_headers


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        pytest.param(
            BROKEN, {"status": 500, "headers": {}, "body": "broken", "error": "refused"}, id="an error of the server"
        ),
        pytest.param(
            Outcome(kind=OutcomeKind.TIMED_OUT, took=MILLIS_5, detail="no complete answer in time"),
            {"status": None, "headers": {}, "body": "", "error": "no complete answer in time"},
            id="no answer",
        ),
    ],
)
def test_1_22_a_run_that_failed_tells_why_in_its_result(caller: Caller, outcome: Outcome, result: Any) -> None:
    caller.world.receiver.answers = lambda _webhook: outcome
    caller.created()
    caller.world.let_pass(seconds=10)
    assert [entry["result"] for entry in caller.logs()] == [result]


def test_1_22_runs_are_listed_in_order_each_with_the_when_it_had(caller: Caller) -> None:
    job = caller.created(interval="20 seconds")
    caller.world.let_pass(seconds=50)
    entries = caller.logs()
    assert [entry["scheduled"] for entry in entries] == [later(seconds=5 + 20 * k) for k in range(3)]
    assert {entry["jobid"] for entry in entries} == {job["_id"]}
    assert len({entry["_id"] for entry in entries}) == 3


def test_1_22_a_run_of_2012_is_logged_when_it_was_sent(caller: Caller) -> None:
    caller.created(when=later(seconds=2))
    caller.world.let_pass(seconds=5)
    old = caller.created(when="2012-05-06T06:15:42.215Z")
    caller.world.let_pass(seconds=5)
    entries = caller.logs()
    assert [entry["began"] for entry in entries] == [later(seconds=2), later(seconds=5)]
    assert (entries[1]["jobid"], entries[1]["scheduled"]) == (old["_id"], "2012-05-06T06:15:42.215Z")


def test_1_22_a_run_that_was_never_sent_is_logged_without_times(caller: Caller) -> None:
    caller.created()
    [message] = caller.world.queue.messages
    caller.world.queue.messages, caller.world.queue.dead = [], [message]
    caller.world.clock.forward(minutes=10)
    caller.world.park()
    [entry] = caller.logs()
    assert (entry["began"], entry["ended"], entry["scheduled"]) == (None, None, later(seconds=5))
    assert (entry["result"]["status"], bool(entry["result"]["error"])) == (None, True)


def test_1_12_the_log_is_that_of_one_key_of_ones_own_account(world: World) -> None:
    alice, bob = Caller(world), Caller(world)
    backup = Caller(world, label="backup", account=alice.account)
    mine, theirs = alice.created(), backup.created()
    bob.created()
    world.let_pass(seconds=10)
    assert len(fired(world)) == 3
    assert [entry["jobid"] for entry in alice.logs()] == [mine["_id"]]
    assert [entry["jobid"] for entry in alice.logs("backup")] == [theirs["_id"]]
    assert alice.logs("nobody") == []
    crossed = f"{alice.base}/logs/production"
    answer = bob.client.send("GET", crossed, headers=bob.signed(crossed))
    assert (answer.status, answer.json) == (400, {"error": "Invalid HMAC Hash"})


def test_1_12_the_log_outlives_the_job(caller: Caller) -> None:
    job = caller.created()
    caller.world.let_pass(seconds=10)
    caller.send("DELETE", f"/jobs/{job['_id']}")
    assert [entry["jobid"] for entry in caller.logs()] == [job["_id"]]


def test_1_12_an_empty_log_is_an_array(caller: Caller) -> None:
    assert caller.send("GET", "/logs/production/").json == []


def test_1_12_the_log_has_the_last_hundred_runs(caller: Caller) -> None:
    caller.created(interval="1 second")
    caller.world.let_pass(seconds=110)
    began = [entry["began"] for entry in caller.logs()]
    assert began == [later(seconds=second) for second in range(11, 111)]


def test_latest_executions_are_looked_for_as_far_back_as_needed(caller: Caller) -> None:
    principal = Principal(account_id=caller.account.account_id, key="any")
    for name in ("first", "second", "third"):
        caller.created(name=name, when=stamp(caller.world.clock.now() + timedelta(seconds=1)))
        caller.world.run(until=caller.world.clock.now() + timedelta(seconds=5))
        caller.world.clock.forward(days=3)

    def latest(most: int) -> int:
        return len(
            latest_executions(caller.world.services, principal, dialect="runlater", keep=lambda _one: True, most=most)
        )

    assert [latest(most) for most in (1, 2, 3, 9)] == [1, 2, 3, 3]


def test_1_22_an_answer_is_json_whatever_the_receiver_said(caller: Caller) -> None:
    caller.world.receiver.answers = lambda _webhook: Outcome(
        kind=OutcomeKind.DELIVERED, took=MILLIS_5, status=200, body=bytes(range(256)), headers=(("X-É", "\x80"),)
    )
    caller.created()
    caller.world.let_pass(seconds=10)
    [entry] = caller.logs()
    assert entry["result"]["body"].encode().startswith(bytes(range(128)))
    assert json.loads(json.dumps(entry)) == entry
