"""T15 to T17: what a key opens, ids that cannot be guessed, and fields that are nobody's to send.

T15 for Belltower's own API, and T16's page tokens, are in test_v1_keys.py and test_v1_executions.py. T13, T14 and the
creations of T17 go over every route in test_matrix.py.
"""

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from chalicelib.api import dialects
from chalicelib.operations.accounts import add_key, remove_key
from chalicelib.scheduling.job import Job
from tests.api.client import Client, basic
from tests.api.runlater import Caller
from tests.api.tenants import MAKES, Tenant, a_tenant, made
from tests.world import World

READS = {  # with which a second key of the account finds a job that the first one made
    "rlatr": ("DELETE", "/api/v1ish/schedule/{ref}"),
    "cronally": ("DELETE", "/cronjob/{ref}/"),
    "job_scheduler": ("GET", "/1/jobs/{ref}"),
    "ndscheduler": ("GET", "/api/v1/jobs/{ref}"),
}
EDITS = {
    "rlatr": "/api/v1ish/schedule/{ref}",
    "job_scheduler": "/1/jobs/{ref}",
    "ndscheduler": "/api/v1/jobs/{ref}",
    "runlater": "/users/alice/jobs/{ref}",
}


@pytest.fixture
def alice(world: World) -> Tenant:
    return a_tenant(world, Client(lambda: world.services, *dialects.served()), "alice")


@pytest.fixture
def bob(alice: Tenant) -> Tenant:
    return a_tenant(alice.world, alice.client, "bob")


@pytest.fixture
def backup(alice: Tenant) -> Tenant:
    """Another key of Alice's account."""
    return replace(alice, issued=add_key(alice.world.services, alice.account, "backup"))


def only(tenant: Tenant, api: str) -> Job:
    [job] = tenant.world.services.jobs.list(tenant.account.account_id, api)
    return job


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_t15_runlater_s_keys_have_jobs_of_their_own(world: World, method: str) -> None:
    production = Caller(world)
    backup = Caller(world, label="backup", account=production.account)
    job = production.created(name="of production")
    body = json.dumps({name: job[name] for name in ("name", "when", "interval", "url", "method", "headers")})
    answer = backup.send(method, f"/jobs/{job['_id']}", body=body if method == "PUT" else b"")
    words = "Unable to delete, is the ID valid?" if method == "DELETE" else "No Job Found"
    assert (answer.status, answer.json) == (400, {"error": words})
    assert production.read(job["_id"]) == job


def test_t15_any_key_of_an_account_may_list_another_s_jobs_as_their_path_says(world: World) -> None:
    production = Caller(world)
    backup = Caller(world, label="backup", account=production.account)
    job = production.created()
    assert (backup.listed("backup"), backup.listed("production")) == ([], [job])


@pytest.mark.parametrize("api", READS)
def test_t15_elsewhere_a_key_opens_the_whole_account(alice: Tenant, backup: Tenant, api: str) -> None:
    """Their documents know an account and its keys, and no job of a key."""
    method, path = READS[api]
    answer = backup.ask(api, method, path.replace("{ref}", made(alice, api)))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/apikeys"), ("PUT", "/apikeys/more"), ("DELETE", "/apikeys/x")],
)
def test_t15_a_key_manages_neither_keys_nor_users(alice: Tenant, method: str, path: str) -> None:
    where = f"/users/alice{path}"
    before = alice.world.services.keys.of(alice.account.account_id)
    for proofs in (alice.proofs("runlater", method, where, b"{}"), [basic(alice.key, alice.secret)]):
        answer = alice.client.send(method, where, headers=[*proofs, ("runlater_password", alice.secret)], body="{}")
        assert (answer.status, answer.json) == (400, {"error": "Unable to find user"})
    assert alice.world.services.keys.of(alice.account.account_id) == before


def test_t16_rlatr_s_ids_are_53_random_bits_exact_in_every_json_parser(alice: Tenant) -> None:
    ids = [int(made(alice, "rlatr")) for _ in range(24)]
    assert {one.bit_length() for one in ids} == {53}
    assert [int(float(one)) for one in ids] == ids
    gaps = {later - earlier for earlier, later in pairwise(ids)}
    assert len(gaps) == 23
    assert sorted(ids) != ids
    assert min(abs(gap) for gap in gaps) > 2**20


@pytest.mark.parametrize("api", [api for api in MAKES if api != "rlatr"])
def test_t16_the_other_ids_have_96_random_bits_or_more(alice: Tenant, api: str) -> None:
    ids = [made(alice, api).replace("-", "") for _ in range(16)]
    assert {len(one) for one in ids} <= {24, 32}
    for place in range(4):  # of UUIDs the version is no random digit, further behind
        assert len({one[place * 2 : place * 2 + 2] for one in ids}) > 8


@pytest.mark.parametrize("api", EDITS)
def test_t17_an_edit_moves_no_job_and_sets_nothing_that_is_not_its_callers(
    alice: Tenant, bob: Tenant, backup: Tenant, api: str
) -> None:
    made(alice, api)
    before, (_, _, document) = only(alice, api), MAKES[api](alice)
    owners = dict.fromkeys(("account", "account_id", "tenant", "userid", "owner"), bob.account.account_id)
    keys = {"key": backup.key, "api_key": backup.key, "runlater_key": "backup", "dialect": "rlatr"}
    states = {"next": "2031-01-01T00:00:00Z", "state": "finished", "status": "completed", "run_count": "7", "rev": "99"}
    path = EDITS[api].replace("{ref}", before.ref.job_id)
    for extra in ({name: value} for name, value in (owners | keys | states).items()):
        answer = alice.ask(api, "PUT", path, {**document, **extra})
        assert answer.status in ({400} if api == "ndscheduler" else {200}), answer.body
    after = only(alice, api)
    assert after.ref == before.ref
    assert after.definition.created_at == before.definition.created_at
    assert (after.definition.key, after.definition.dialect) == (before.definition.key, before.definition.dialect)
    assert after.standing == before.standing
    assert alice.world.services.jobs.list(bob.account.account_id, api) == []


def test_every_api_that_makes_jobs_is_here() -> None:
    assert {*READS} | {"runlater"} == {*MAKES} == {*EDITS} | {"cronally"}  # which has no edit


@pytest.mark.parametrize("api", sorted(EDITS.keys() - {"runlater"}))
def test_t15_what_a_key_edited_is_signed_with_that_key(alice: Tenant, backup: Tenant, api: str) -> None:
    """Else one key's calls, to wherever it likes, would bear another's signature. RunLater's edit their own alone."""
    ref = made(alice, api)
    before = only(alice, api)
    _, _, document = MAKES[api](backup)
    answer = backup.ask(api, "PUT", EDITS[api].format(ref=ref), document)
    assert answer.status == 200, answer.body
    assert (before.definition.key, only(alice, api).definition.key) == (alice.key, backup.key)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_t15_a_runlater_job_whose_key_was_revoked_is_any_key_s(world: World, method: str) -> None:
    """Else it would go on firing, and nobody could stop it."""
    production = Caller(world)
    backup = Caller(world, label="backup", account=production.account)
    job = production.created(name="of production")
    assert backup.send(method, f"/jobs/{job['_id']}").status == 400
    remove_key(world.services, production.account, f"{production.account.name}/production")
    assert backup.send(method, f"/jobs/{job['_id']}").status == 200
