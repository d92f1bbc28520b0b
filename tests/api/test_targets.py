"""T18, T23, T24 and T25 at creation: what may not be called is refused by every API that takes a target, none kept."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.api import dialects
from chalicelib.scheduling.target import Webhook
from tests.api.client import Answer, Client, form, typed
from tests.api.tenants import MAKES, Tenant, a_tenant, later
from tests.scheduling.test_address import HIDDEN, NO_URLS, PORTS, REFUSED, in_url
from tests.world import World

FORM = typed("application/x-www-form-urlencoded")


def values(rows: Iterable[Any]) -> list[str]:
    """Of parameters of pytest's."""
    return [str(row.values[0]) for row in rows]


FORBIDDEN = {
    "T18 special addresses": [in_url(text) for text in REFUSED],
    "T18 hosts that hide one": [f"http://{host}/" for host in values(HIDDEN)],
    "T23 what is no plain URL": [url for url in values(NO_URLS) if url and url.encode(errors="ignore").decode() == url],
    "T24 ports": [f"http://example.com:{port}/" for port in PORTS],
}

Ask = Callable[[Tenant, str], Answer]


def rlatr(field: str) -> Ask:
    def ask(one: Tenant, url: str) -> Answer:
        fields = {"uri": "https://example.com/", "at": later(one.world)} | {field: url}
        headers = [FORM, *one.proofs("rlatr", "POST", "/api/v1ish/schedule")]
        return one.client.send("POST", "/api/v1ish/schedule", headers=headers, body=form(fields))

    return ask


def document(api: str, field: str) -> Ask:
    def ask(one: Tenant, url: str) -> Answer:
        method, path, given = MAKES[api](one)
        return one.ask(api, method, path, given | {field: url})

    return ask


def one_line(one: Tenant, url: str) -> Answer:
    return one.ask("job_scheduler", "POST", f"/1/jobs/0+15+10+%3F+*+*/{quote(url, safe='')}")


ASKING: dict[str, tuple[str, Ask]] = {
    "rlatr's uri": ("rlatr", rlatr("uri")),
    "rlatr's callback": ("rlatr", rlatr("callback_uri")),
    "the Job Scheduler's document": ("job_scheduler", document("job_scheduler", "url")),
    "the Job Scheduler's line": ("job_scheduler", one_line),
    "RunLater's url": ("runlater", document("runlater", "url")),
}


SPACED = {" http://example.com/", "http://example.com/\n", "http://example.com/\x85", "http://example.com/\u2028"}
REPAIRED: dict[str, set[str]] = {
    "the Job Scheduler's document": SPACED,
    "the Job Scheduler's line": SPACED | {"http:/example.com"},
}
"""What is taken for http://example.com/: white space around it, and the slash that proxies take out of a path."""


@pytest.fixture
def tenant(world: World) -> Tenant:
    return a_tenant(world, Client(lambda: world.services, *dialects.every()), "ada")


@pytest.mark.parametrize("kind", FORBIDDEN)
@pytest.mark.parametrize("where", ASKING)
def test_t18_t23_t24_what_no_webhook_may_call_is_refused_at_create(tenant: Tenant, where: str, kind: str) -> None:
    api, ask = ASKING[where]
    repaired = REPAIRED.get(where, set())
    refused = {url: ask(tenant, url).status for url in FORBIDDEN[kind] if url not in repaired}
    assert set(refused.values()) <= {400, 413}, refused
    assert tenant.world.services.jobs.list(tenant.account.account_id, api) == []


@pytest.mark.parametrize("where", REPAIRED)
def test_t23_what_the_job_scheduler_repairs_is_kept_repaired(tenant: Tenant, where: str) -> None:
    for url in REPAIRED[where]:
        assert ASKING[where][1](tenant, url).status == 201
    jobs = tenant.world.services.jobs.list(tenant.account.account_id, "job_scheduler")
    urls = {job.definition.target.url for job in jobs if isinstance(job.definition.target, Webhook)}
    assert urls <= {"http://example.com/", "http://example.com"}


@pytest.mark.parametrize("where", ASKING)
def test_t18_their_neighbours_are_taken(tenant: Tenant, where: str) -> None:
    """The same request with an address beside the forbidden ones: it was the address that was refused."""
    api, ask = ASKING[where]
    for url in ("http://100.63.255.254/", "http://172.32.0.1/", "https://hooks.example.com:8443/x?y"):
        assert ask(tenant, url).status in {200, 201}, url
    assert len(tenant.world.services.jobs.list(tenant.account.account_id, api)) == 3


TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"sns_region": "us-east-9"}, id="a region that is none"),
        pytest.param({"sns_region": "us-east-1.evil.example/"}, id="a region that is a host"),
        pytest.param({"sns_region": "eu-west-1"}, id="another region than the topic's"),
        pytest.param({"sns_topic": TOPIC.replace("us-east-1", "eu-west-1")}, id="a topic of another region"),
        pytest.param({"sns_topic": "arn:aws:sns:us-east-1:1234:topic"}, id="an account that is none"),
        pytest.param({"sns_topic": f"{TOPIC}:{'0' * 8}-0000-0000-0000-{'0' * 12}"}, id="a subscription"),
        pytest.param({"sns_topic": "arn:aws:sns:us-east-1:123456789012:endpoint/GCM/x/y"}, id="an endpoint"),
        pytest.param({"sns_topic": "arn:aws-cn:sns:us-east-1:123456789012:topic"}, id="another partition"),
        pytest.param({"sns_topic": "+15551234567"}, id="a telephone"),
        pytest.param({"sns_access_key_id": ""}, id="no key id"),
        pytest.param({"sns_secret_access_key": ""}, id="no secret"),
        pytest.param({"sns_access_key_id": "AKIA\r\nX-Evil: 1"}, id="a key id with a header in it"),
    ],
)
def test_t25_what_is_no_topic_of_the_owners_is_refused_at_create(tenant: Tenant, given: dict[str, object]) -> None:
    method, path, document = MAKES["cronally"](tenant)
    answer = tenant.ask("cronally", method, path, document | given)
    assert answer.status == 400, answer.body
    assert tenant.world.services.jobs.list(tenant.account.account_id, "cronally") == []
