"""T33, T34 and T36: what an interval may be, what is just small enough and just too large, and how many there may be.

One tenant's ten thousand jobs of one minute (T36) are the lanes' matter: tests/operations/test_lanes.py. How many
requests a minute there may be is the gateway's.
"""

import json
from typing import Any

import pytest

from chalicelib.api import dialects
from chalicelib.storage.codec import definition_key, standing_key
from tests.api.client import Client
from tests.api.tenants import MAKES, Tenant, a_tenant, made
from tests.world import World

ARN, URL = "arn:aws:sns:us-east-1:123456789012:", "https://example.com/"
LARGEST_ITEM = 400 * 1024  # bytes, DynamoDB's


@pytest.fixture
def alice(world: World) -> Tenant:
    return a_tenant(world, Client(lambda: world.services, *dialects.served()), "alice")


def asked(tenant: Tenant, api: str, **changes: Any) -> tuple[int, str]:
    method, path, document = MAKES[api](tenant)
    answer = tenant.ask(api, method, path, {**document, **changes})
    return answer.status, answer.body


def kept(tenant: Tenant, api: str) -> int:
    return len(tenant.world.services.jobs.list(tenant.account.account_id, api))


INTERVALS: dict[str, tuple[Any, Any]] = {  # what is answered: the interval as it was understood, or the refusal
    "a day": ("1 day", {"days": 1}),
    "ninety minutes": ("90 minutes", {"minutes": 90}),
    "one and a half": ("1.5 hours", "Invalid interval 1.5 hours"),
    "a zero alone": ("0", "Invalid interval 0"),
    "no days: once": ("0 days", {}),
    "negative": ("-1 day", "Invalid interval -1 day"),
    "a thousand million days": ("1000000000 days", "Invalid interval, it is too long"),
    "more days than a number has room for": ("9" * 20 + " days", f"Invalid interval {'9' * 20} days"),
    "Arabic digits": ("\u0663 days", "Invalid interval \u0663 days"),
    "a month of the calendar": ("1 month", {"months": 1}),
    "a bare number": ("3600", "Invalid interval 3600"),
    "a number": (3600, "Invalid interval, it must be words or a map"),
    "the shortest": ("1 second", {"seconds": 1}),
    "below the shortest: once": ({"seconds": 0}, {}),
    "less than a second": (
        {"seconds": 0.5},
        "Invalid interval map, seconds must be a whole number from 0 to 1000000000",
    ),
}


@pytest.mark.parametrize("name", INTERVALS)
def test_t33_an_interval_is_understood_as_it_says_or_refused(alice: Tenant, name: str) -> None:
    given, expected = INTERVALS[name]
    status, body = asked(alice, "runlater", interval=given)
    if isinstance(expected, dict):
        assert (status, json.loads(body)["interval"], kept(alice, "runlater")) == (201, expected, 1)
    else:
        assert (status, json.loads(body), kept(alice, "runlater")) == (400, {"error": expected}, 0)


SECONDS: dict[str, tuple[Any, int]] = {
    "the shortest": (1, 201),
    "nothing": (0, 400),
    "negative": (-1, 400),
    "a century": (100 * 365 * 86400, 201),
    "more": (100 * 365 * 86400 + 1, 400),
    "a whole fraction": (3600.0, 201),
    "a fraction": (1.5, 400),
    "digits": ("3600", 201),
    "Arabic digits": ("\u0663", 400),
    "twenty digits": ("9" * 20, 400),
    "a number beyond a float": (10**400, 400),
    "true": (True, 400),
    "words": ("1 day", 400),
}


@pytest.mark.parametrize("name", SECONDS)
def test_t33_an_interval_in_seconds_is_a_whole_number(alice: Tenant, name: str) -> None:
    given, status = SECONDS[name]
    answer = asked(alice, "ndscheduler", trigger_params={"interval": given})
    assert (answer[0], kept(alice, "ndscheduler")) == (status, int(status == 201)), answer[1]


def long(size: int) -> str:
    return "x" * size


LIMITS: dict[str, tuple[str, dict[str, Any], dict[str, Any], int]] = {  # the largest that passes, and one more
    "rlatr's URL": ("rlatr", {"uri": URL + long(2028)}, {"uri": URL + long(2029)}, 400),
    "rlatr's callback": ("rlatr", {"callback_uri": URL + long(2028)}, {"callback_uri": URL + long(2029)}, 400),
    "the Job Scheduler's URL": ("job_scheduler", {"url": URL + long(2028)}, {"url": URL + long(2029)}, 413),
    "the Job Scheduler's payload": ("job_scheduler", {"data": long(2048)}, {"data": long(2049)}, 413),
    "its payload in bytes": ("job_scheduler", {"data": "é" * 1024}, {"data": "é" * 1024 + "x"}, 413),
    "RunLater's URL": ("runlater", {"url": URL + long(2028)}, {"url": URL + long(2029)}, 400),
    "RunLater's name": ("runlater", {"name": long(1000)}, {"name": long(1001)}, 400),
    "RunLater's body": ("runlater", {"body": long(65536)}, {"body": long(65537)}, 400),
    "RunLater's headers": (
        "runlater",
        {"headers": {f"x-{number}": "v" for number in range(50)}},
        {"headers": {f"x-{number}": "v" for number in range(51)}},
        400,
    ),
    "Cronally's name": ("cronally", {"name": long(255)}, {"name": long(256)}, 400),
    "an SNS message": ("cronally", {"sns_message": long(262144)}, {"sns_message": long(262145)}, 400),
    "an SNS message in bytes": ("cronally", {"sns_message": "é" * 131072}, {"sns_message": "é" * 131072 + "x"}, 400),
    "a topic": ("cronally", {"sns_topic": ARN + long(256)}, {"sns_topic": ARN + long(257)}, 400),
    "an AWS secret": ("cronally", {"sns_secret_access_key": long(255)}, {"sns_secret_access_key": long(256)}, 400),
    "ndscheduler's name": ("ndscheduler", {"name": long(255)}, {"name": long(256)}, 400),
    "ndscheduler's class": ("ndscheduler", {"job_class_string": long(255)}, {"job_class_string": long(256)}, 400),
    "ndscheduler's arguments": ("ndscheduler", {"pub_args": [long(32762)]}, {"pub_args": [long(32763)]}, 400),
    "all of them": ("ndscheduler", {"pub_args": [], "a": long(32757)}, {"pub_args": [], "a": long(32758)}, 400),
}


@pytest.mark.parametrize("name", LIMITS)
def test_t34_the_largest_is_kept_and_one_more_is_refused_with_nothing_kept(alice: Tenant, name: str) -> None:
    api, largest, over, status = LIMITS[name]
    refused = asked(alice, api, **over)
    assert (refused[0], kept(alice, api)) == (status, 0), refused[1][:200]
    passed = asked(alice, api, **largest)
    assert (passed[0] // 100, kept(alice, api)) == (2, 1), passed[1][:200]


@pytest.mark.parametrize("name", LIMITS)
def test_t34_the_largest_job_fits_into_its_items_and_its_message(alice: Tenant, name: str) -> None:
    api, largest, _, _ = LIMITS[name]
    asked(alice, api, **largest)
    [job] = alice.world.services.jobs.list(alice.account.account_id, api)
    items = [alice.world.table.get(key) for key in (standing_key(job.ref), definition_key(job.ref))]
    assert max(len(repr(item).encode()) for item in items) < LARGEST_ITEM


@pytest.mark.parametrize(("api", "status"), [(api, 400 if api == "runlater" else 403) for api in MAKES])
def test_t36_an_account_has_as_many_jobs_as_it_may_over_all_apis(alice: Tenant, api: str, status: int) -> None:
    for other in MAKES:
        made(alice, other)
    alice.world.with_rules(jobs_per_account=len(MAKES))
    bob = a_tenant(alice.world, alice.client, "bob")
    refused = asked(alice, api)
    assert refused[0] == status
    assert f"An account may have {len(MAKES)} jobs" in refused[1]
    assert kept(alice, api) == 1
    assert asked(bob, api)[0] // 100 == 2


def test_t36_a_job_that_is_deleted_makes_room(alice: Tenant) -> None:
    alice.world.with_rules(jobs_per_account=1)
    job_id = made(alice, "rlatr")
    assert asked(alice, "rlatr")[0] == 403
    assert alice.ask("rlatr", "DELETE", f"/api/v1ish/schedule/{job_id}").status == 200
    assert asked(alice, "rlatr")[0] == 200
