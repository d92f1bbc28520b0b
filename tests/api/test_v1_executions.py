"""Belltower's own history: what became of every firing and how late it was, in pages that are nobody else's (T16)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.api import dialects
from chalicelib.scheduling.retry import RetryPolicy
from chalicelib.scheduling.schedule import Every, Once
from chalicelib.scheduling.target import Webhook
from tests.api.client import Answer, Client, basic
from tests.fakes import BROKEN, OK
from tests.world import START, World, a_world

MINUTE = timedelta(minutes=1)


class Reader:
    """One who reads an account's history with its key."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.principal, self.secret = world.open_account()
        self.client = Client(lambda: self.world.services, *dialects.every())

    def ask(self, **query: Any) -> Answer:
        asked = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        headers = [basic(self.principal.key, self.secret.reveal())]
        return self.client.send("GET", f"/v1/executions?{asked}", headers=headers)

    def read(self, **query: Any) -> Any:
        answer = self.ask(**query)
        assert answer.status == 200, answer.body
        return answer.json

    def pages(self, **query: Any) -> list[list[str]]:
        """The firing ids of page after page."""
        found, token = [], ""
        while True:
            page = self.read(**query, **({"page": token} if token else {}))
            found.append([one["firing_id"] for one in page["executions"]])
            token = page["next"]
            if not token:
                return found


def a_minutely_job(reader: Reader, job_id: str = "job-1") -> None:
    """It fires on each full minute."""
    schedule = Every(start=START + timedelta(seconds=30), period=MINUTE)
    reader.world.a_job(schedule, owner=reader.principal, job_id=job_id)


@pytest.fixture
def reader(world: World) -> Reader:
    return Reader(world)


@pytest.fixture(scope="module")
def history() -> Reader:
    """Five firings of each of two jobs, and those of another account beside them."""
    world = a_world()
    one, other = Reader(world), Reader(world)
    for reader, job_id in ((one, "job-1"), (one, "job-2"), (other, "job-1")):
        a_minutely_job(reader, job_id)
    world.let_pass(minutes=4, seconds=30)
    return one


def test_a_firing_is_told_with_its_times_and_what_came_of_it(reader: Reader) -> None:
    world = reader.world
    due, policy = START + timedelta(seconds=5), RetryPolicy(waits=(timedelta(seconds=10),))
    outcomes = iter([BROKEN, OK])
    world.receiver.answers = lambda _webhook: next(outcomes)
    job = world.a_job(Once(at=due), owner=reader.principal, retry=policy)
    world.run(until=due + timedelta(milliseconds=1500))
    [waiting] = reader.read()["executions"]
    assert (waiting["state"], waiting["retry_at"]) == ("waiting", "2026-11-22T12:00:45.000Z")
    world.let_pass(minutes=1)
    page = reader.read()
    attempt = {
        "due_at": "2026-11-22T12:00:35.000Z",
        "claimed_at": "2026-11-22T12:00:35.000Z",
        "sent_at": "2026-11-22T12:00:35.000Z",
        "answered_at": "2026-11-22T12:00:35.000Z",
        "late_ms": 0,
        "outcome": "refused",
        "status": 500,
        "detail": None,
    }
    times = ("due_at", "claimed_at", "sent_at", "answered_at")
    again = attempt | dict.fromkeys(times, "2026-11-22T12:00:45.000Z") | {"outcome": "delivered", "status": 200}
    assert page["executions"] == [
        {
            "firing_id": world.executions(job)[0].firing_id,
            "job": "job-1",
            "dialect": "test",
            "key": reader.principal.key,
            "due_at": "2026-11-22T12:00:35.000Z",
            "state": "delivered",
            "reason": None,
            "retry_at": None,
            "attempts": [attempt, again],
        }
    ]
    assert page["lateness"] == {"count": 2, "p50_ms": 0, "p99_ms": 0, "max_ms": 0}


@pytest.mark.parametrize("asked", [{}, {"job": "job-1"}], ids=["of the account", "of a job"])
def test_lateness_is_how_late_what_is_shown_was_sent(reader: Reader, asked: dict[str, str]) -> None:
    world = reader.world
    for number, late in enumerate([0.0, 2.5, 40.0]):
        due = world.clock.now() + timedelta(minutes=2)
        job = world.a_job(Once(at=due), owner=reader.principal, job_id=f"job-{number if not asked else 1}")
        world.clock.sleep_until(due + timedelta(seconds=late))
        world.tick()
        world.run()
        world.services.jobs.remove(job)
    page = reader.read(**asked)
    assert [one["attempts"][0]["late_ms"] for one in page["executions"]] == [40_000, 2_500, 0]
    assert page["lateness"] == {"count": 3, "p50_ms": 2_500, "p99_ms": 40_000, "max_ms": 40_000}
    newest = reader.read(**asked, limit=1)
    assert newest["lateness"] == {"count": 1, "p50_ms": 40_000, "p99_ms": 40_000, "max_ms": 40_000}


def test_nothing_has_no_lateness(reader: Reader) -> None:
    nothing = {"count": 0, "p50_ms": None, "p99_ms": None, "max_ms": None}
    assert reader.read() == {"executions": [], "lateness": nothing, "next": None}


def minutes_of(page: Any) -> list[int]:
    return [int(one["due_at"][14:16]) for one in page["executions"]]


@pytest.mark.parametrize(
    ("query", "minutes"),
    [
        pytest.param({}, [5, 4, 3, 2, 1], id="everything, the latest first"),
        pytest.param({"from": "2026-11-22T12:02:00Z"}, [5, 4, 3, 2], id="from a time that belongs to it"),
        pytest.param({"to": "2026-11-22T12:04:00Z"}, [4, 3, 2, 1], id="to a time that belongs to it"),
        pytest.param({"from": "2026-11-22T13:02:00+01:00", "to": "2026-11-22T12:03:59.999Z"}, [3, 2], id="in any zone"),
        pytest.param({"from": "2026-11-22T12:04:00Z", "to": "2026-11-22T12:02:00Z"}, [], id="backwards"),
        pytest.param({"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T00:00:00Z"}, [5, 4, 3, 2, 1], id="all time"),
        pytest.param({"limit": "2"}, [5, 4], id="as many as are asked for"),
        pytest.param({"limit": "1000"}, [5, 4, 3, 2, 1], id="as many as may be asked for"),
        pytest.param({"limit": ""}, [5, 4, 3, 2, 1], id="an empty field is none"),
    ],
)
def test_a_range_of_due_times_the_latest_first(history: Reader, query: dict[str, str], minutes: list[int]) -> None:
    assert minutes_of(history.read(job="job-2", **query)) == minutes
    everything = history.read(**query)
    expected = [minute for minute in minutes for _ in range(2)]
    assert minutes_of(everything) == (expected if "limit" not in query else expected[: int(query["limit"] or 100)])
    assert {one["job"] for one in everything["executions"]} <= {"job-1", "job-2"}


@pytest.mark.parametrize(
    ("query", "error"),
    [
        *(({"limit": text}, "limit must be a whole number from 1 to 1000") for text in ("0", "1001", "-1", "1.5", "x")),
        *(
            ({"limit": text}, "limit must be a whole number from 1 to 1000")
            for text in ("1e2", " 5", "\u0665", "9" * 5000)
        ),
        ({"from": "yesterday"}, "from must be an ISO 8601 date and time, such as 2026-07-26T20:34:56-05:00"),
        ({"to": "2026-02-30T00:00:00Z"}, "to is no date and time that exists"),
        ({"job": "x" * 256}, "job is no job's id"),
        *(({"page": text}, "page is no page of this query") for text in ("x", "=", "é", "AAAA", "A" * 5000)),
    ],
)
def test_queries_that_are_refused(history: Reader, query: dict[str, str], error: str) -> None:
    answer = history.ask(**query)
    assert (answer.status, answer.json) == (400, {"error": error})


def test_a_field_that_is_given_twice_is_refused(history: Reader) -> None:
    headers = [basic(history.principal.key, history.secret.reveal())]
    answer = history.client.send("GET", "/v1/executions?limit=1&limit=2", headers=headers)
    assert answer.status == 400


@pytest.mark.parametrize("limit", [1, 3, 9, 10, 11])
@pytest.mark.parametrize("asked", [{}, {"job": "job-1"}], ids=["of the account", "of a job"])
def test_pages_have_everything_once_and_in_order(history: Reader, limit: int, asked: dict[str, str]) -> None:
    whole = [one["firing_id"] for one in history.read(**asked)["executions"]]
    pages = history.pages(limit=limit, **asked)
    assert [one for page in pages for one in page] == whole
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert 1 <= len(pages[-1]) <= limit


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"job": "job-1"}, id="of a job"),
        pytest.param({"from": "2026-11-22T12:00:00Z"}, id="of another range"),
        pytest.param({"to": "2026-11-22T12:04:00Z"}, id="with another end"),
    ],
)
def test_t16_a_page_opens_for_its_own_query_alone(history: Reader, query: dict[str, str]) -> None:
    token = history.read(limit=2)["next"]
    assert history.ask(page=token).status == 200, "its length is free"
    answer = history.ask(page=token, **query)
    assert (answer.status, answer.json) == (400, {"error": "page is no page of this query"})


def test_t16_a_page_opens_for_its_own_account_alone(history: Reader) -> None:
    token = history.read(limit=2)["next"]
    answer = Reader(history.world).ask(page=token)
    assert (answer.status, answer.json) == (400, {"error": "page is no page of this query"})


def test_t16_a_page_that_was_changed_opens_for_nobody(history: Reader) -> None:
    token = history.read(limit=2)["next"]
    for place in range(0, len(token), 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert history.ask(page=changed).status == 400


def test_t14_nothing_of_another_account_s_is_shown(history: Reader) -> None:
    stranger = Reader(history.world)
    for query in ({}, {"job": "job-1"}, {"job": f"{history.principal.account_id}#job-1"}):
        assert stranger.read(**query)["executions"] == []
    assert {one["key"] for one in history.read()["executions"]} == {history.principal.key}


def test_a_job_s_history_outlives_it(reader: Reader) -> None:
    a_minutely_job(reader)
    reader.world.let_pass(minutes=2, seconds=-30)
    [job] = reader.world.services.jobs.list(reader.principal.account_id, "test")
    before = reader.read(job="job-1")["executions"]
    reader.world.services.jobs.remove(job)
    assert len(before) == 2
    assert reader.read(job="job-1")["executions"] == before


def test_where_executions_are_not_kept_by_job_that_is_said(reader: Reader) -> None:
    reader.world.with_rules(history_by_job=False)
    answer = reader.ask(job="job-1")
    assert (answer.status, answer.json) == (400, {"error": "job cannot be asked for: HistoryByJob is 0 here"})
    assert reader.ask().status == 200


def test_every_api_s_firings_are_shown_together(reader: Reader) -> None:
    world = reader.world
    for dialect in ("rlatr", "job_scheduler"):
        asked = world.a_job(owner=reader.principal, job_id=f"of-{dialect}", target=Webhook(url="https://example.com/"))
        world.services.jobs.remove(asked)
        definition = replace(asked.definition, dialect=dialect)
        world.services.jobs.add(replace(asked, definition=definition))
    world.let_pass(minutes=1)
    assert {one["dialect"] for one in reader.read()["executions"]} == {"rlatr", "job_scheduler"}
