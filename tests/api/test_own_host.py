"""T24: no webhook may call the API that it was made through, under any of its names."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.api.dialects import job_scheduler, rlatr
from chalicelib.scheduling.address import AddressPolicy, Reach
from tests.api.client import Answer, Client, basic, form, typed
from tests.world import World

FORM = typed("application/x-www-form-urlencoded")
HERE = "jobs.example.com"


def scheduled(world: World, uri: str, *, host: str = HERE, policy: AddressPolicy | None = None) -> Answer:
    """rlatr's answer to a job for `uri`, made through `host`."""
    rules = replace(world.services.rules, addresses=policy or AddressPolicy(own_hosts=frozenset({"told.example.com"})))
    client = Client(lambda: replace(world.services, rules=rules), rlatr.DIALECT)
    principal, secret = world.open_account()
    fields = {"uri": uri, "at": (world.clock.now() + timedelta(hours=1)).isoformat()}
    headers = [FORM, basic(principal.key, secret.reveal())]
    return client.send("POST", "/api/v1ish/schedule", headers=headers, body=form(fields), host=host)


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param(f"https://{HERE}/1/jobs", id="the host of the request"),
        pytest.param(f"https://{HERE.upper()}/1/jobs", id="in upper case"),
        pytest.param(f"https://{HERE}:443/1/jobs", id="with its port"),
        pytest.param(f"http://{HERE}/1/jobs", id="over http"),
        pytest.param(f"https://{HERE}./1/jobs", id="with the root's dot"),
        pytest.param(f"https://me@{HERE}/1/jobs", id="with a user"),
        pytest.param("https://told.example.com/1/jobs", id="a name that the operator told"),
        pytest.param("https://Told.Example.com/1/jobs", id="the same in mixed case"),
    ],
)
def test_t24_a_job_for_our_own_api_is_refused_at_create(world: World, uri: str) -> None:
    assert scheduled(world, uri).status == 400
    assert scheduled(world, uri, host=HERE.upper()).status == 400


def test_t24_another_host_is_not_ours_because_another_request_came_to_it(world: World) -> None:
    assert scheduled(world, f"https://{HERE}/", host="other.example.com").status == 200
    assert scheduled(world, "https://other.example.com/").status == 200


def test_t24_on_a_developers_machine_other_servers_have_the_same_name(world: World) -> None:
    assert (
        scheduled(world, "http://127.0.0.1:9000/", host="127.0.0.1", policy=AddressPolicy(reach=Reach.LOCAL)).status
        == 200
    )


def test_t24_the_job_scheduler_s_one_line_form_is_held_to_it_too(world: World) -> None:
    client = Client(lambda: world.services, job_scheduler.DIALECT)
    principal, secret = world.open_account()
    path = f"/1/jobs/0+15+10+%3F+*+*/https%3A%2F%2F{HERE}%2F"
    headers = [basic(principal.key, secret.reveal())]
    assert client.send("POST", path, headers=headers, host=HERE).status == 400
    assert client.send("POST", path, headers=headers, host="other.example.com").status in {200, 201}
