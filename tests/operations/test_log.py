"""What an operator reads after a bad day: each metric moved, each event told with its ids, and no secret among them."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app as functions
from chalicelib import wiring
from chalicelib.api.dialect import Dialect, answer
from chalicelib.api.dialects import cronally
from chalicelib.delivery.queue import encode
from chalicelib.observability import METRICS, JsonEvents, MeteredLog
from chalicelib.operations.jobs import Change, delete_job, edit_job, pause_job, resume_job, run_now
from chalicelib.operations.reconcile import reconcile
from chalicelib.operations.tick import tick
from chalicelib.ports import Due
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.claiming import floor_to_minute
from chalicelib.scheduling.execution import OutcomeKind
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Every, Once
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import AwsKeys, Topic, Webhook
from chalicelib.storage.ledger import DynamoLedger
from tests.fakes import OK
from tests.operations.breaking import breaking
from tests.world import START, VISIBILITY, World, a_world

QUERIES = sorted((Path(__file__).parents[2] / "infra" / "queries").glob("*.txt"))
WORDS = {"fields", "filter", "sort", "stats", "limit", "by", "and", "or", "in", "as", "asc", "desc"}
FUNCTIONS = {"count", "pct", "max", "latest"}
DUE = START + timedelta(seconds=5)
ONCE_MORE = RetryPolicy(waits=(timedelta(seconds=10),))
KEYS = AwsKeys(access_key_id="AKIACANARY", secret_access_key=Secret("canary-of-the-job"))
TOPIC = Topic(arn="arn:aws:sns:us-east-1:123456789012:t", region="us-east-1", message="hello", keys=KEYS)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Log:
    """All lines of a bad day as they were printed, and the secret of the account that had it."""

    text: str
    secret: Secret

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def values(self, metric: str) -> list[float]:
        return [value for line in self.lines for value in line.get(metric, [])]


@pytest.fixture(scope="module")
def log() -> Log:
    """Everything that may happen, once."""
    stream = io.StringIO()
    world = a_world()
    world.services = replace(world.services, events=JsonEvents(MeteredLog("test", stream)))
    owner, secret = world.open_account()
    for happens in (fires, is_changed, breaks, is_tampered_with, is_given_up, is_overdue, loses_its_message, is_asked):
        happens(world, owner)
    return Log(text=stream.getvalue(), secret=secret)


def fires(world: World, owner: Principal) -> None:
    """Delivered, refused and tried again, timed out, no connection; doubled; missed."""
    kinds = {
        "ok": OutcomeKind.DELIVERED,
        "no": OutcomeKind.REFUSED,
        "slow": OutcomeKind.TIMED_OUT,
        "off": OutcomeKind.TLS,
    }
    world.receiver.answers = lambda webhook: replace(OK, kind=kinds[webhook.url.rpartition("/")[2]])
    for name in kinds:
        job = world.a_job(owner=owner, job_id=name, target=Webhook(url=f"https://example.com/{name}"), retry=ONCE_MORE)
    world.a_job(owner=owner, job_id="topic", target=TOPIC)
    world.queue.put(encode(Due(subject=job.ref, due_at=DUE, rev=1)), DUE + 2 * SECOND)
    world.run(until=DUE + 30 * SECOND)
    world.receiver.answers = lambda _webhook: OK
    world.a_job(owner=owner, job_id="skipped", misfire=Misfire.SKIP)
    world.clock.forward(minutes=2)
    world.run()


def is_changed(world: World, owner: Principal) -> None:
    later = Once(at=world.clock.now() + timedelta(days=1))
    world.a_job(later, owner=owner, job_id="changed")
    edit_job(world.services, owner, "changed", dialect="test", edit=lambda job: Change(definition=job.definition))
    for change in (pause_job, resume_job, run_now, delete_job):
        change(world.services, owner, "changed", dialect="test")
    world.run()


def breaks(world: World, owner: Principal) -> None:
    """The webhook's sender has a bug, the database takes no record, the queue no next firing, and nothing is read."""
    for port, method in (("webhooks", "send"), ("firings", "record"), ("firings", "jobs")):
        world.a_job(owner=owner, job_id=f"{port}-{method}")
        with breaking(world, port, method, "is away"):
            world.run(until=world.clock.now() + 6 * SECOND)
    world.run(until=world.clock.now() + VISIBILITY)
    period = timedelta(minutes=1)
    world.a_job(Every(start=world.clock.now() + SECOND, period=period), owner=owner, job_id="unsent")
    world.clock.forward(seconds=1)
    world.queue.down = True
    world.run()
    world.queue.down = False
    delete_job(world.services, owner, "unsent", dialect="test")


def is_tampered_with(world: World, owner: Principal) -> None:
    thief = world.a_job(owner=owner, job_id="thief", target=TOPIC)
    stolen = world.table.get((f"{owner.account_id}#topic", "definition"))
    assert stolen
    world.table.put({**stolen, "pk": f"{owner.account_id}#{thief.ref.job_id}", "job_id": thief.ref.job_id})
    world.run(until=world.clock.now() + 6 * SECOND)


def is_given_up(world: World, owner: Principal) -> None:
    """A job that cannot be claimed, and a message that says nothing."""
    world.a_job(owner=owner, job_id="given-up")
    world.queue.put("gibberish", world.clock.now())
    with breaking(world, "firings", "claim", "is away", times=1000):
        world.run(until=world.clock.now() + VISIBILITY * 6)
    world.park()


def is_overdue(world: World, owner: Principal) -> None:
    """Its message was lost; a tick finds it, one that has no time left does not, and the queue is behind by then."""
    far = Once(at=world.clock.now() + timedelta(minutes=10))
    world.a_job(far, owner=owner, job_id="overdue")
    for minutes in (1, 10, 7):
        world.clock.forward(minutes=minutes)
        world.tick()
        world.queue.messages.clear()
    world.queue.put("gibberish", world.clock.now())
    now = world.clock.now()
    tick(world.services, floor_to_minute(now) + timedelta(minutes=1), until=now)


def loses_its_message(world: World, owner: Principal) -> None:
    """Its worker died, and the queue was purged."""
    world.a_job(owner=owner, job_id="lost")
    with breaking(world, "firings", "claim", "dies after"):
        world.run(until=world.clock.now() + 6 * SECOND)
    world.queue.messages.clear()
    now = world.clock.forward(hours=7)
    reconcile(world.services, DynamoLedger(world.accounts, world.table, shards=2), until=now)


def is_asked(world: World, _owner: Principal) -> None:
    """An answer, a refusal, and an error."""
    asked(world, "POST", body="email=a@example.com")
    asked(world, "POST", body="email=none")
    with breaking(world, "accounts", "add", "is away"):
        asked(world, "POST", body="email=b@example.com")


def asked(world: World, method: str, *, body: str, dialect: Dialect = cronally.DIALECT) -> None:
    path = "/account"
    context = {"httpMethod": method, "resourcePath": path, "path": path, "requestId": "r-1"}
    headers = {"content-type": ["application/x-www-form-urlencoded"]}
    event = {"requestContext": context, "path": path, "body": body, "multiValueHeaders": headers}
    answer(dialect, dialect.routes[path], lambda: world.services, event)


COUNTED = [name for name, metric in METRICS.items() if metric.unit == "Count"]
TIMED = [name for name, metric in METRICS.items() if metric.unit == "Milliseconds"]


@pytest.mark.parametrize("name", COUNTED)
def test_what_happens_is_counted(log: Log, name: str) -> None:
    assert sum(log.values(name)) > 0


@pytest.mark.parametrize("name", TIMED)
def test_what_takes_time_is_measured(log: Log, name: str) -> None:
    assert log.values(name)


def test_every_line_with_metrics_is_a_valid_emf_document(log: Log) -> None:
    documents = [line for line in log.lines if "_aws" in line]
    assert {line["event"] for line in documents} == {"tick", "batch", "parked_batch", "reconciled", "request"}
    for line in documents:
        assert line["_aws"].keys() == {"Timestamp", "CloudWatchMetrics"}
        assert isinstance(line["_aws"]["Timestamp"], int)
        told = [name for directive in line["_aws"]["CloudWatchMetrics"] for name in declared(line, directive)]
        assert sorted(told) == sorted(METRICS.keys() & line.keys())


def declared(line: Mapping[str, Any], directive: Mapping[str, Any]) -> list[str]:
    """The metrics of one directive, each as METRICS has it and with its values and dimensions in the line."""
    assert directive["Namespace"] == "Belltower"
    assert all(line[name] and isinstance(line[name], str) for names in directive["Dimensions"] for name in names)
    for metric in directive["Metrics"]:
        known, values = METRICS[metric["Name"]], line[metric["Name"]]
        assert metric == {"Name": metric["Name"], "Unit": known.unit}
        assert directive["Dimensions"] == [list(names) for names in known.dimensions]
        assert 1 <= len(values) <= 100
        assert all(isinstance(value, int | float) for value in values)
    return [metric["Name"] for metric in directive["Metrics"]]


def test_no_secret_is_in_the_log(log: Log) -> None:
    assert [canary for canary in ("canary-of-the-job", "AKIACANARY", log.secret.reveal()) if canary in log.text] == []


def test_no_event_is_told_twice_about_a_message_in_one_batch(log: Log) -> None:
    """One line for each message that is not sent, at each receipt: the given-up one was received five times."""
    about = [line for line in log.lines if line.get("job") == "given-up" and "message" in line]
    assert [line["event"] for line in about] == ["claim_failed"] * 5 + ["dead_letter"]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        pytest.param("ok", ["job_added", "fired"], id="delivered"),
        pytest.param("no", ["job_added", "fired", "fired"], id="tried again"),
        pytest.param("off", ["job_added", "fired", "dropped", "fired"], id="doubled"),
        pytest.param("skipped", ["job_added", "missed"], id="missed"),
        pytest.param(
            "changed",
            [*("job_added", "job_modified", "job_paused", "job_resumed", "job_run", "job_deleted"), "dropped"],
            id="changed",
        ),
        pytest.param("webhooks-send", ["job_added", "fault", "fired"], id="fired into a bug"),
        pytest.param("firings-jobs", ["job_added", "left", "fired"], id="left and fired later"),
        pytest.param("given-up", ["job_added", *["claim_failed"] * 5, "dead_letter", "parked"], id="given up"),
    ],
)
def test_what_happened_to_a_job_is_found_by_its_id(log: Log, job: str, expected: list[str]) -> None:
    told = [line for line in log.lines if line.get("job") == job]
    assert [line["event"] for line in told] == expected
    assert len({line["account"] for line in told}) == 1


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_asks_for_what_events_say(log: Log, path: Path) -> None:
    comment, query = path.read_text().split("\n", 1)
    assert comment.startswith("# ")
    assert "#" not in query
    bare = re.sub(r'"[^"]*"', "", query)
    aliases = set(re.findall(r"\bas (\w+)", bare))
    fields = set(re.findall(r"(?<![@\w])[a-z]\w*", bare)) - WORDS - FUNCTIONS - aliases
    assert fields
    assert fields - {name for line in log.lines for name in line} == set()
    told = set(re.findall(r'"([a-z_]+)"', query)) - {kind.value for kind in OutcomeKind}
    assert told - {line["event"] for line in log.lines} == set()


@pytest.mark.parametrize(
    ("function", "event", "closing"),
    [
        pytest.param("tick", {"time": "2026-11-22T12:00:00Z"}, "tick", id="tick"),
        pytest.param("deliver", {"Records": []}, "batch", id="deliver"),
        pytest.param("parked", {"Records": []}, "parked_batch", id="parked"),
    ],
)
def test_an_invocation_s_id_is_on_its_lines(
    world: World, monkeypatch: pytest.MonkeyPatch, function: str, event: dict[str, Any], closing: str
) -> None:
    monkeypatch.setattr(wiring, "worker_services", lambda: world.services)
    context = SimpleNamespace(aws_request_id="r-7", get_remaining_time_in_millis=lambda: 60_000)
    getattr(functions, function)(event, context)
    assert [facts["request"] for facts in world.events.of(closing)] == ["r-7"]


def test_a_request_s_id_is_on_its_lines(log: Log) -> None:
    told = [(line["event"], line.get("api"), line["request"]) for line in log.lines if "request" in line]
    assert told == [("account_opened", None, "r-1"), *[("request", "cronally", "r-1")] * 3]
