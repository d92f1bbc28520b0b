"""The five APIs as their clients use them: a job that calls, publishes or runs a class at a time, and what came of it.

Each function speaks one API's own words; what it signs with is the user's affair.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.runlater import a_document, stamp
from tests.story.conftest import Sink, Subscriber, User

Said = tuple[int, Any]
"""A status and a document."""


@dataclass(frozen=True, kw_only=True)
class Receivers:
    """Where the five jobs go: a web server, and for Cronally a topic with a subscriber."""

    sink: Sink
    subscriber: Subscriber

    def arrivals(self, door: str) -> list[datetime]:
        """When each call or message came. The subscriber's messages are told once."""
        if door == "cronally":
            return [datetime.fromisoformat(one["Timestamp"]) for one in self.subscriber.messages()]
        return [datetime.fromtimestamp(one.at, UTC) for one in self.sink.at(f"door-{door}")]


@dataclass(frozen=True, kw_only=True)
class Door:
    """An API: how a job is made through it, and what it says of the job once it fired.

    `status` answers a creation, `refusal` one with another secret; `id_in` finds the id in the answer's document.
    """

    name: str
    status: int
    refusal: int
    make: Callable[[User, datetime, Receivers], Said]
    id_in: Callable[[Any], str]
    result: Callable[[User, str], object]
    expected: object


def make_runlater(user: User, due: datetime, to: Receivers) -> Said:
    document = a_document(when=stamp(due), url=to.sink.url("door-runlater"))
    return user.runlater("PUT", "/jobs/", **document)


def make_rlatr(user: User, due: datetime, to: Receivers) -> Said:
    return user.rlatr("POST", at=due.isoformat(), uri=to.sink.url("door-rlatr"))


def make_job_scheduler(user: User, due: datetime, to: Receivers) -> Said:
    return user.job_scheduler("POST", url=to.sink.url("door-job_scheduler"), when=due.isoformat(), data="testing")


def make_cronally(user: User, due: datetime, to: Receivers) -> Said:
    return user.cronally(
        "POST",
        "/cronjob/",
        name="once a day",
        cron=f"{due.minute} {due.hour} * * *",
        sns_topic=to.subscriber.topic,
        sns_message="good morning",
        sns_region="us-east-1",
        sns_access_key_id="test",
        sns_secret_access_key="test",
    )


def make_ndscheduler(user: User, due: datetime, to: Receivers) -> Said:
    return user.ndscheduler(
        "POST",
        "/jobs",
        name="a call",
        job_class_string="simple_scheduler.jobs.curl_job.CurlJob",
        pub_args=[to.sink.url("door-ndscheduler"), "GET"],
        trigger="date",
        trigger_params={"run_date": due.isoformat()},
    )


def runs_logged(user: User, job_id: str) -> object:
    """RunLater: the job and the log of its key."""
    _, job = user.runlater("GET", f"/jobs/{job_id}")
    _, log = user.runlater("GET", f"/logs/{user.key}")
    return job["status"], [run["result"]["status"] for run in log if run["jobid"] == job_id]


def edit_refused(user: User, job_id: str) -> object:
    """rlatr has nothing to GET; an edit says whether a job has completed."""
    return user.rlatr("PUT", f"/{job_id}", method="post")


def still_there(user: User, job_id: str) -> object:
    """The Job Scheduler API: a job is gone after its last firing."""
    return user.job_scheduler("GET", f"/{job_id}")[0]


def jobs_listed(user: User, job_id: str) -> object:
    """Cronally tells no results: the job stays, and is counted."""
    (_, listed), (_, account) = (user.cronally("GET", path) for path in ("/cronjobs/", "/account/"))
    return [one["cronjob_id"] for one in listed["response"]] == [job_id], account["response"]["cronjob_count"]


def executions_listed(user: User, job_id: str) -> object:
    """ndscheduler: its executions."""
    _, listed = user.ndscheduler("GET", "/executions")
    return [one["state"] for one in listed["executions"] if one["job"]["job_id"] == job_id]


DOORS = (
    Door(
        name="runlater",
        status=201,
        refusal=400,
        make=make_runlater,
        id_in=lambda said: said["_id"],
        result=runs_logged,
        expected=("completed", [200]),
    ),
    Door(
        name="rlatr",
        status=200,
        refusal=401,
        make=make_rlatr,
        id_in=lambda said: str(said["success"]["id"]),
        result=edit_refused,
        expected=(400, {"fail": {"errors": ["Request has already been completed"]}}),
    ),
    Door(
        name="job_scheduler",
        status=201,
        refusal=401,
        make=make_job_scheduler,
        id_in=lambda said: said["id"],
        result=still_there,
        expected=404,
    ),
    Door(
        name="cronally",
        status=200,
        refusal=401,
        make=make_cronally,
        id_in=lambda said: said["response"]["cronjob_id"],
        result=jobs_listed,
        expected=(True, 1),
    ),
    Door(
        name="ndscheduler",
        status=201,
        refusal=401,
        make=make_ndscheduler,
        id_in=lambda said: said["job_id"],
        result=executions_listed,
        expected=["succeeded"],
    ),
)
each_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
