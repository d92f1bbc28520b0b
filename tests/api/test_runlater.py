"""RunLater's jobs, row by row of its protocol (numbers as in section 1), from outside: requests, receivers, the store.

Source: seeds/000; its own examples are in test_runlater_seed.py, its log in test_runlater_logs.py, users and keys in
test_runlater_users.py.
"""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.operations.accounts import NewAccount, open_account_with_key
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.job import JobState
from tests.api.client import typed
from tests.api.runlater import JSON, LABEL, URL, Caller, a_document, fired, later, signature, stamp
from tests.fakes import BROKEN
from tests.world import START, World

HMAC = {"error": "Invalid HMAC Hash"}
MISSING = {"error": "Missing required fields"}
UNKNOWN = {"error": "No Job Found"}
NO_ID = "0" * 24


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


@pytest.fixture
def asker(still: World) -> Caller:
    """Where no time passes: for what is answered at once."""
    return Caller(still)


@pytest.fixture(scope="module")
def empty(still: World) -> Caller:
    """One account for all that is refused: no job is ever in it."""
    return Caller(still)


def spelled(caller: Caller, key: str, proof: str, *, path: str = "/apikey/production/jobs/") -> list[tuple[str, str]]:
    return [(key, caller.key), (proof, signature(caller.secret, caller.base + path)), *JSON]


@pytest.mark.parametrize("key", ["runlaterkey", "runlater_key", "runlater-key", "Runlater_Key", "RUNLATER-KEY"])
def test_1_1_1_2_headers_are_taken_in_each_spelling(empty: Caller, key: str) -> None:
    for proof in ("runlaterhash", "runlater_hash", "runlater-hash", "RunLaterHash"):
        answer = empty.send("GET", "/apikey/production/jobs/", headers=spelled(empty, key, proof))
        assert (answer.status, answer.json) == (200, [])


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        pytest.param(lambda one: ("runlater_key", one.key), 200, id="the same key in two spellings"),
        pytest.param(lambda _one: ("runlater_key", "backup"), 400, id="two keys that differ"),
        pytest.param(lambda _one: ("runlaterkey", "backup"), 400, id="two keys that differ, spelt alike"),
        pytest.param(lambda _one: ("runlater-hash", "AAAA"), 400, id="two hashes that differ"),
        pytest.param(lambda _one: ("runlater-hash", ""), 400, id="a hash and an empty one"),
    ],
)
def test_1_1_two_headers_that_differ_are_refused(empty: Caller, extra: Any, status: int) -> None:
    headers = [*spelled(empty, "runlaterkey", "runlaterhash"), extra(empty)]
    answer = empty.send("GET", "/apikey/production/jobs/", headers=headers)
    assert answer.status == status
    assert status == 200 or answer.json["error"].startswith("Two values of runlater_")


def test_1_2_the_vector_of_the_original_client() -> None:
    assert signature("pizza", "2 hOurs") == "MU2BRka4KIkm4n0ApvfN5kziDpk="


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda proof: proof.rstrip("="), id="without padding"),
        pytest.param(lambda proof: proof + "\n", id="with a newline"),
        pytest.param(lambda proof: proof.lower(), id="in lower case"),
        pytest.param(lambda proof: f" {proof[:9]} {proof[9:]}", id="with spaces"),
        pytest.param(lambda proof: proof[:-2] + chr(ord(proof[-2]) + 1) + "=", id="with spare bits"),
        pytest.param(lambda _proof: "é" * 28, id="not ASCII"),
        pytest.param(lambda _proof: "A" * 1_000_000, id="1 MB"),
        pytest.param(lambda proof: f"{proof}, {proof}", id="two in one"),
        pytest.param(lambda _proof: "====", id="only padding"),
    ],
)
def test_1_2_t06_a_hash_is_standard_base64_or_refused(empty: Caller, change: Any) -> None:
    path = "/apikey/production/jobs/"
    headers = [("runlaterkey", empty.key), ("runlaterhash", change(signature(empty.secret, empty.base + path)))]
    answer = empty.send("GET", path, headers=headers)
    assert (answer.status, answer.json) == (400, HMAC)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_t02_every_change_of_a_single_bit_is_refused(empty: Caller, data: st.DataObject) -> None:
    body = json.dumps(a_document())
    values = {"body": body, "runlaterkey": empty.key, "runlaterhash": signature(empty.secret, body)}
    name = data.draw(st.sampled_from(sorted(values)))
    place, bit = data.draw(st.integers(0, len(values[name]) - 1)), data.draw(st.integers(0, 6))
    changed = values[name][:place] + chr(ord(values[name][place]) ^ 1 << bit) + values[name][place + 1 :]
    sent = values | {name: changed}
    headers = [(one, sent[one]) for one in ("runlaterkey", "runlaterhash")]
    answer = empty.send("PUT", "/jobs/", headers=headers, body=sent["body"])
    assert (answer.status, empty.jobs()) == (400, [])


@pytest.mark.parametrize(
    ("asked", "signed", "staged", "status"),
    [
        pytest.param("/jobs/", "/jobs/", False, 200, id="with the slash, as the original client does"),
        pytest.param("/jobs", "/jobs", False, 200, id="without the slash"),
        pytest.param("/jobs/", "/jobs", False, 200, id="signed without the slash"),
        pytest.param("/jobs/?_=1353585630", "/jobs/", False, 200, id="1.4 jQuery's query is not signed"),
        pytest.param("/jobs/?_=1", "/jobs/?_=1", False, 400, id="1.4 a query that was signed"),
        pytest.param("/jobs/", "/jobs/", True, 200, id="at the invoke URL, signed without the stage"),
        pytest.param("/jobs/", "/JOBS/", False, 400, id="another case"),
        pytest.param("/jobs/", "", False, 400, id="another path"),
    ],
)
def test_1_3_bodyless_calls_sign_the_path_as_sent(
    empty: Caller,
    asked: str,
    signed: str,
    staged: bool,  # noqa: FBT001 - where the request arrives
    status: int,
) -> None:
    path = f"{empty.base}/apikey/production"
    answer = empty.client.send("GET", path + asked, headers=empty.signed(path + signed), staged=staged)
    assert answer.status == status, answer.body


def test_1_3_the_stage_may_be_signed_where_it_is_seen(empty: Caller) -> None:
    path = f"{empty.base}/apikey/production/jobs/"
    headers = empty.signed("/api" + path)
    assert [empty.client.send("GET", path, headers=headers, staged=staged).status for staged in (True, False)] == [
        200,
        400,
    ]


def test_1_3_neither_host_nor_decoding_is_signed(empty: Caller) -> None:
    path = f"{empty.base.replace('-', '%2D')}/apikey/production/jobs/"
    as_sent, decoded, with_host = path, path.replace("%2D", "-"), f"http://localhost:5000{path}"
    answers = [empty.client.send("GET", path, headers=empty.signed(one)) for one in (as_sent, decoded, with_host)]
    assert [answer.status for answer in answers] == [200, 400, 400]


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        pytest.param("GET", "/apikey/production/jobs/", "", id="GET signs its empty body"),
        pytest.param("DELETE", f"/jobs/{NO_ID}", "", id="DELETE signs its empty body"),
        pytest.param("PUT", "/jobs/", "/jobs/", id="PUT signs its path"),
        pytest.param("POST", "/jobs/", "/jobs/", id="POST signs its path"),
    ],
)
def test_1_4_the_wrong_half_is_no_signature(empty: Caller, method: str, path: str, message: str) -> None:
    headers = empty.signed(empty.base + message if message else "")
    answer = empty.send(method, path, headers=headers, body=json.dumps(a_document()) if method[0] == "P" else "")
    assert (answer.status, answer.json, empty.jobs()) == (400, HMAC, [])


def test_1_4_t03_the_signature_of_a_get_deletes_too_which_tls_must_hide(asker: Caller) -> None:
    path = f"/jobs/{asker.created()['_id']}"
    headers = asker.signed(asker.base + path)
    assert asker.send("GET", path, headers=headers).status == 200
    assert asker.send("DELETE", path, headers=headers).status == 200
    assert asker.jobs() == []


def test_1_5_t04_there_is_no_nonce_the_same_create_twice_makes_two_jobs(asker: Caller) -> None:
    body = json.dumps(a_document())
    headers = asker.signed(body)
    answers = [asker.send("PUT", "/jobs/", headers=headers, body=body) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert len(asker.jobs()) == 2


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain", "application/x-www-form-urlencoded"])
def test_1_6_any_content_type_or_none_will_do(asker: Caller, content_type: str) -> None:
    body, extra = json.dumps(a_document()), [typed(content_type)] if content_type else []
    made = asker.send("PUT", "/jobs/", headers=[*asker.signed(body)[:2], *extra], body=body)
    path = f"/jobs/{made.json['_id']}"
    headers = [*asker.signed(asker.base + path)[:2], *extra]
    answers = [asker.send(method, path, headers=headers) for method in ("GET", "DELETE")]
    assert (made.status, [answer.status for answer in answers]) == (201, [200, 200])


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("path", ["/jobs/", "/jobs"])
def test_1_7_a_job_is_created_and_answered_in_full(asker: Caller, method: str, path: str) -> None:
    answer = asker.send(method, path, body=json.dumps(a_document()))
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert answer.json == asker.read(asker.job().ref.job_id)
    assert asker.job().standing.due_at == START + timedelta(seconds=5)


def test_1_8_the_list_is_a_bare_array_of_the_keys_jobs_in_order(caller: Caller) -> None:
    backup = Caller(caller.world, label="backup", account=caller.account)
    for name in ("z", "a", "m"):
        caller.created(name=name)
        backup.created(name=f"backup {name}")
        caller.world.clock.forward(milliseconds=1)
    assert [job["name"] for job in caller.listed()] == ["z", "a", "m"]
    assert [job["name"] for job in backup.listed("backup")] == ["backup z", "backup a", "backup m"]


def test_1_8_a_key_of_the_account_lists_the_jobs_of_another_one(asker: Caller) -> None:
    backup = Caller(asker.world, label="backup", account=asker.account)
    job = asker.created()
    assert (backup.listed(), backup.listed("backup"), backup.listed("nobody")) == ([job], [], [])


def test_1_8_t14_the_list_is_the_accounts_own(still: World) -> None:
    alice, bob = Caller(still), Caller(still)
    alice.created(name="hers")
    bob.created(name="his")
    assert [job["name"] for job in bob.listed()] == ["his"]
    crossed = f"{alice.base}/apikey/production/jobs/"
    answer = bob.client.send("GET", crossed, headers=bob.signed(crossed))
    assert (answer.status, answer.json) == (400, HMAC)


def test_1_9_a_job_is_read_by_its_account_and_key(asker: Caller) -> None:
    job = asker.created()
    assert asker.read(job["_id"]) == asker.read(job["_id"].upper()) == job


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_1_9_1_10_1_11_t13_anothers_job_is_answered_like_none(still: World, method: str) -> None:
    alice, bob = Caller(still), Caller(still)
    neighbour = Caller(still, label="neighbour", account=alice.account)
    job, before, body = alice.created(), alice.job(), json.dumps(a_document(name="taken"))
    for stranger in (bob, neighbour):
        theirs, nobodys = (stranger.send(method, f"/jobs/{ref}", body=body) for ref in (job["_id"], NO_ID))
        assert (theirs.status, theirs.body, theirs.headers) == (400, nobodys.body, nobodys.headers)
        expected = "Unable to delete, is the ID valid?" if method == "DELETE" else "No Job Found"
        assert theirs.json == {"error": expected}
    assert (alice.jobs(), bob.jobs()) == ([before], [])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_1_9_1_10_1_11_nobody_reaches_a_job_through_its_owners_path(still: World, method: str) -> None:
    alice, bob = Caller(still), Caller(still)
    path, body = f"{alice.base}/jobs/{alice.created()['_id']}", json.dumps(a_document(name="taken"))
    before = alice.jobs()
    headers = bob.signed(body if method == "PUT" else path)
    answer = bob.client.send(method, path, headers=headers, body=body)
    assert (answer.status, answer.json, alice.jobs()) == (400, HMAC, before)


@pytest.mark.parametrize("ref", ["1", "x" * 24, "%00", "a%2Fb", "..", "9" * 3000, "é", "0" * 23, "0" * 25])
def test_1_9_malformed_ids_are_400(asker: Caller, ref: str) -> None:
    asker.created()
    answers = [asker.send(method, f"/jobs/{ref}", body=json.dumps(a_document())) for method in ("GET", "PUT", "DELETE")]
    told = [(answer.status, answer.json["error"].partition("[")[0]) for answer in answers]
    malformed = (400, "invalid ObjectId ")
    assert told == [malformed, malformed, (400, "Unable to delete, is the ID valid?")]
    assert len(asker.jobs()) == 1


def test_1_9_a_job_of_another_api_is_none(asker: Caller) -> None:
    own = Principal(account_id=asker.account.account_id, key=f"{asker.account.name}/{LABEL}")
    stored = asker.world.a_job(owner=own, job_id="0" * 23 + "1")
    answer = asker.send("GET", f"/jobs/{stored.ref.job_id}")
    assert (answer.status, answer.json) == (400, UNKNOWN)


def test_1_10_an_update_replaces_the_whole_document(asker: Caller) -> None:
    job = asker.created(body="old", headers={"authid": 1}, interval="1 day")
    answer = asker.update(job["_id"], a_document(name="new", url="https://b.example/x", method="put"))
    changed = answer.json
    assert (answer.status, changed["editted"]) == (200, later())
    expected = {name: value for name, value in job.items() if name != "body"}
    expected |= {"name": "new", "url": "https://b.example/x", "method": "put", "headers": {}, "interval": {}}
    assert changed == expected | {"editted": later()} == asker.read(job["_id"])


def test_1_10_what_was_read_can_be_sent_back_and_keeps_the_schedule(asker: Caller) -> None:
    job = asker.created(interval="2 hOurs 30 minutes", headers={"authid": 7}, body="x")
    before = asker.job().standing
    answer = asker.update(job["_id"], job | {"name": "renamed", "editted": {}, "status": {}})
    assert (answer.status, answer.json) == (200, job | {"name": "renamed", "editted": later()})
    assert asker.job().standing == before


def test_1_10_t17_fields_that_are_the_servers_are_ignored(still: World) -> None:
    alice, bob = Caller(still), Caller(still)
    job = alice.created()
    theirs = {"userid": "0" * 24, "doctype": "user", "runlater_key": "other", "status": "completed", "editted": "x"}
    more = {"account": bob.account.account_id, "id": 7, "next": later(), "key": bob.key, "dialect": "rlatr"}
    answer = alice.update(job["_id"], job | theirs | more)
    assert (answer.status, answer.json) == (200, job | {"editted": later()})
    assert (alice.job().definition.key, bob.jobs()) == (f"{alice.account.name}/{LABEL}", [])


@pytest.mark.parametrize(("given", "status"), [(None, 400), ("0" * 24, 400), (7, 400), ("", 400), ([], 400)])
def test_1_10_the_id_in_the_body_is_that_of_the_url(asker: Caller, given: Any, status: int) -> None:
    job = asker.created()
    answer = asker.update(job["_id"], job | {"_id": given, "name": "new"})
    assert (answer.status, answer.json) == (status, {"error": "_id must be the id in the URL"})
    assert asker.read(job["_id"])["name"] == job["name"]


@pytest.mark.parametrize("name", ["name", "when", "interval", "url", "method", "headers"])
def test_1_10_an_update_needs_every_field(asker: Caller, name: str) -> None:
    job = asker.created()
    answer = asker.update(job["_id"], {key: value for key, value in job.items() if key != name})
    assert (answer.status, answer.json, asker.read(job["_id"])) == (400, MISSING, job)


def test_1_10_an_update_sends_a_completed_job_on_its_way_again(caller: Caller) -> None:
    job = caller.created()
    caller.world.let_pass(seconds=90)
    assert caller.read(job["_id"])["status"] == "completed"
    assert caller.update(job["_id"], job | {"when": later(seconds=120)}).json["status"] == "waiting"
    caller.world.let_pass(seconds=90)
    assert fired(caller.world) == [5, 120]


def test_1_10_a_completed_job_that_is_sent_back_as_it_is_fires_again_at_once(caller: Caller) -> None:
    job = caller.created()
    caller.world.let_pass(seconds=90)
    answer = caller.update(job["_id"], caller.read(job["_id"]))
    assert (answer.status, answer.json["when"], answer.json["status"]) == (200, job["when"], "waiting")
    caller.world.let_pass(seconds=30)
    assert fired(caller.world) == [5, 90]
    assert caller.read(job["_id"])["status"] == "completed"


def test_1_10_an_update_cancels_the_firing_that_waits(caller: Caller) -> None:
    job = caller.created()
    caller.update(job["_id"], job | {"when": later(seconds=50)})
    caller.world.let_pass(minutes=3)
    assert fired(caller.world) == [50]


def test_1_11_a_deletion_is_told_in_plain_text_and_cancels(caller: Caller) -> None:
    job = caller.created()
    answer = caller.send("DELETE", f"/jobs/{job['_id']}")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, f"Delete {job['_id']}", "text/plain")
    again = caller.send("DELETE", f"/jobs/{job['_id']}")
    assert (again.status, again.json) == (400, {"error": "Unable to delete, is the ID valid?"})
    caller.world.let_pass(minutes=2)
    assert (caller.jobs(), caller.world.receiver.calls) == ([], [])


@pytest.mark.parametrize("name", ["name", "when", "interval", "url", "method", "headers"])
@pytest.mark.parametrize("value", [None, "", "null"], ids=["left out", "empty", "null"])
def test_1_13_six_fields_are_required(asker: Caller, name: str, value: str | None) -> None:
    document = a_document(**{name: value}) if value != "null" else a_document() | {name: None}
    answer = asker.send("PUT", "/jobs/", body=json.dumps(document))
    if (name, value) == ("interval", ""):
        assert answer.status == 201
    else:
        assert (answer.status, answer.json, asker.jobs()) == (400, MISSING, [])


def test_1_13_an_id_may_not_be_chosen(empty: Caller) -> None:
    answer = empty.create(_id="50c2d4b33004a1f2abfaea10")
    assert (answer.status, answer.json, empty.jobs()) == (400, {"error": "Do not specify _id"}, [])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param("2026-11-23T06:15:42.215Z", "2026-11-23T06:15:42.215Z", id="the original's form"),
        pytest.param("2026-11-23T06:15:42Z", "2026-11-23T06:15:42.000Z", id="no fraction"),
        pytest.param("2026-11-23T06:15:42.215678Z", "2026-11-23T06:15:42.215Z", id="microseconds"),
        pytest.param("2026-11-23T01:15:42.215-05:00", "2026-11-23T06:15:42.215Z", id="an offset"),
        pytest.param("2026-11-23T06:15:42.215+0000", "2026-11-23T06:15:42.215Z", id="an offset without a colon"),
        pytest.param("20261123T061542Z", "2026-11-23T06:15:42.000Z", id="the basic form"),
        pytest.param("2026-11-23T06:15:42", "2026-11-23T06:15:42.000Z", id="no zone is UTC"),
        pytest.param("2012-05-06T06:15:42.215Z", "2012-05-06T06:15:42.215Z", id="a time that has passed"),
        pytest.param("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z", id="the earliest there is"),
        pytest.param("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z", id="the latest there is"),
    ],
)
def test_1_14_times_are_answered_in_one_form(asker: Caller, given: str, told: str) -> None:
    assert asker.created(when=given)["when"] == told == asker.listed()[0]["when"]


@pytest.mark.parametrize(
    "when",
    [
        *("tomorrow", "1353585630", "2026-11-31T12:00:00Z", "2026-11-23", "2026-11-23T24:00:00Z", "0001-01-01T00:00Z"),
        *("1969-12-31T23:59:59.999Z", "2026-W50-1T12:00:00Z", "9999-12-31T23:59:59-23:59", "2026-11-23T12:00:00Z\0"),
        *(1353585630, 1.5, True, [], {}, ["2026-11-23T12:00:00Z"], "\ud800", "9" * 100_000),
    ],
)
def test_1_14_what_is_no_time_is_refused(empty: Caller, when: Any) -> None:
    answer = empty.create(when=when)
    assert (answer.status, list(answer.json), empty.jobs()) == (400, ["error"], [])
    assert answer.json["error"].startswith("when ")


@pytest.mark.parametrize("interval", ["", "1 day"], ids=["once", "daily"])
def test_1_14_1_16_a_time_that_has_passed_fires_at_once_and_once(caller: Caller, interval: str) -> None:
    caller.created(when="2012-05-06T06:15:42.215Z", interval=interval)
    caller.world.let_pass(seconds=5)
    assert fired(caller.world) == [0]
    caller.world.let_pass(minutes=3)
    assert fired(caller.world) == [0]
    [job] = caller.listed()
    then = ("2012-05-06T06:15:42.215Z", "completed") if not interval else ("2026-11-23T06:15:42.215Z", "waiting")
    assert (job["when"], job["status"]) == then


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param("1 day", {"days": 1}, id="the seed's own"),
        pytest.param("2 hOurs", {"hours": 2}, id="any case"),
        pytest.param({"hours": 2, "minutes": 4}, {"hours": 2, "minutes": 4}, id="a map"),
        pytest.param("", {}, id="nothing"),
        pytest.param({}, {}, id="an empty map"),
        pytest.param("0 seconds", {}, id="the zero of the web form"),
    ],
)
def test_1_15_an_interval_is_answered_as_a_map(asker: Caller, given: Any, told: Any) -> None:
    job = asker.created(interval=given)
    assert job["interval"] == told == asker.read(job["_id"])["interval"]


@pytest.mark.parametrize(
    ("interval", "error"),
    [
        ("1 fortnight", "Invalid interval 1 fortnight"),
        ("day", "Invalid interval day"),
        ({"day": 1}, "Invalid interval map, no unit day"),
        ({"days": "1"}, "Invalid interval map, days must be a whole number from 0 to 1000000000"),
        (7, "Invalid interval, it must be words or a map"),
        (["1 day"], "Invalid interval, it must be words or a map"),
        ("1000000000 weeks", "Invalid interval, it is too long"),
    ],
)
def test_1_15_what_is_no_interval_is_refused(empty: Caller, interval: Any, error: str) -> None:
    answer = empty.create(interval=interval)
    assert (answer.status, answer.json, empty.jobs()) == (400, {"error": error}, [])


@pytest.mark.parametrize(
    ("when", "interval", "then"),
    [
        pytest.param("2026-11-22T12:01:00.000Z", "1 day", "2026-11-23T12:01:00.000Z", id="days"),
        pytest.param("2026-01-31T12:00:00.000Z", "1 month", "2026-11-30T12:00:00.000Z", id="calendar months"),
        pytest.param("2020-02-29T12:00:00.000Z", "1 year", "2027-02-28T12:00:00.000Z", id="years"),
        pytest.param("2026-11-22T12:00:31.500Z", {"minutes": 90}, "2026-11-22T13:30:31.500Z", id="a map"),
    ],
)
def test_1_16_when_moves_on_with_the_schedule(caller: Caller, when: str, interval: Any, then: str) -> None:
    job = caller.created(when=when, interval=interval)
    caller.world.let_pass(minutes=2)
    assert len(fired(caller.world)) == 1
    assert caller.read(job["_id"]) == job | {"when": then}


def test_1_16_a_recurring_job_fires_on_and_on(caller: Caller) -> None:
    caller.created(interval="20 seconds")
    caller.world.let_pass(seconds=70)
    assert fired(caller.world) == [5, 25, 45, 65]


def test_1_16_1_17_a_job_that_ran_once_stays_listed_as_completed(caller: Caller) -> None:
    job = caller.created()
    assert job["status"] == "waiting"
    caller.world.let_pass(minutes=3)
    assert caller.listed() == [job | {"status": "completed"}]
    assert caller.job().standing.state is JobState.FINISHED


@pytest.mark.parametrize("interval", ["", "1 day"], ids=["once", "daily"])
def test_1_17_a_job_is_running_while_it_is_sent(caller: Caller, interval: str) -> None:
    job = caller.created(interval=interval)
    seen: list[str] = []

    def answers(_webhook: object) -> Any:
        seen.append(caller.read(job["_id"])["status"])
        return BROKEN

    caller.world.receiver.answers = answers
    caller.world.let_pass(seconds=20)
    assert seen == ["running"]
    assert caller.read(job["_id"])["status"] == ("waiting" if interval else "completed")


def test_1_17_a_job_whose_worker_died_does_not_run_for_ever(caller: Caller) -> None:
    job = caller.created(interval="1 day")
    seen: list[str] = []

    def answers(_webhook: object) -> Any:
        caller.world.clock.forward(seconds=61)
        seen.append(caller.read(job["_id"])["status"])
        return BROKEN

    caller.world.receiver.answers = answers
    caller.world.let_pass(seconds=20)
    assert seen == ["waiting"]


@pytest.mark.parametrize("method", ["POST", "get", "Put", "dElEtE"])
def test_1_18_methods_come_in_any_case_and_are_answered_in_lower_case(caller: Caller, method: str) -> None:
    assert caller.created(method=method)["method"] == method.lower()
    caller.world.let_pass(seconds=10)
    [call] = caller.world.receiver.calls
    assert call.webhook.method == method.upper()


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "OPTIONS", "CONNECT", " GET", "GET\r\nX: y", "ß"])
def test_1_18_other_methods_are_refused(empty: Caller, method: str) -> None:
    answer = empty.create(method=method)
    assert (answer.status, empty.jobs()) == (400, [])
    assert answer.json == {"error": f"Invalid method :{method.lower()}"}


def test_1_19_numbers_in_headers_are_sent_as_text_and_answered_as_they_came(caller: Caller) -> None:
    headers = {"authid": 123456, "x-ratio": 1.5, "Content-Type": "text/csv", "x-flag": True}
    assert caller.created(headers=headers)["headers"] == headers
    caller.world.let_pass(seconds=10)
    [call] = caller.world.receiver.calls
    assert call.webhook.headers == (
        ("authid", "123456"),
        ("x-ratio", "1.5"),
        ("Content-Type", "text/csv"),
        ("x-flag", "true"),
    )


@pytest.mark.parametrize(
    "headers",
    [
        *("x", [], 7, {"a": None}, {"a": []}, {"a": {}}, {"a b": "c"}, {"a": "b\r\nX: y"}, {"a": "é"}, {"": "x"}),
        *({"Host": "evil"}, {"content-length": 1}, {"webhook-id": "x"}, {"a": "x" * 9000}, {"a": "\ud800"}),
        {f"x-{number}": number for number in range(51)},
    ],
    ids=lambda headers: repr(headers)[:40],
)
def test_1_19_headers_that_cannot_be_sent_are_refused(empty: Caller, headers: Any) -> None:
    answer = empty.create(headers=headers)
    assert (answer.status, list(answer.json), empty.jobs()) == (400, ["error"], [])
    assert answer.json["error"].startswith("headers ")


def test_1_20_a_job_has_the_documented_fields_and_no_other(asker: Caller) -> None:
    job = asker.created()
    assert set(job) == {
        *("name", "when", "interval", "url", "method", "headers", "status", "userid", "doctype", "runlater_key", "_id"),
    }
    assert (job["doctype"], job["runlater_key"]) == ("job", LABEL)
    assert set(asker.created(body="")) == {*job, "body"}
    assert set(asker.update(job["_id"], a_document()).json) == {*job, "editted"}


def test_1_21_ids_are_24_hex_digits(asker: Caller) -> None:
    other = Caller(asker.world)
    mine, again, theirs = asker.created(), asker.created(), other.created()
    for text in (mine["_id"], mine["userid"]):
        assert (len(text), set(text) - set("0123456789abcdef")) == (24, set())
    assert mine["_id"] != again["_id"]
    assert mine["userid"] == again["userid"] != theirs["userid"]


def test_1_23_the_request_is_sent_as_asked(caller: Caller) -> None:
    caller.created(url="http://MyApp.com/a?b=%7e&c=é", method="put", body='{"ä": 1}', headers={"authid": "x"})
    caller.world.let_pass(seconds=10)
    [call] = caller.world.receiver.calls
    sent = call.webhook
    assert (sent.url, sent.method, sent.body) == ("http://MyApp.com/a?b=%7e&c=é", "PUT", '{"ä": 1}'.encode())
    assert (sent.headers, sent.timeout, sent.redirects) == ((("authid", "x"),), timedelta(seconds=30), 0)


@pytest.mark.parametrize("body", ["", "x"])
def test_1_23_a_get_has_no_body_but_keeps_it(caller: Caller, body: str) -> None:
    job = caller.created(method="GET", body=body)
    assert (job["body"], caller.webhook().body, caller.webhook().redirects) == (body, b"", 5)
    assert caller.update(job["_id"], job).json["body"] == body


def test_1_23_nothing_is_tried_again(caller: Caller) -> None:
    caller.world.receiver.answers = lambda _webhook: BROKEN
    caller.created()
    caller.world.let_pass(minutes=5)
    assert fired(caller.world) == [5]


@pytest.mark.parametrize(
    "url",
    [
        *("www.google.com", "ftp://a.example/", "file:///etc/passwd", "http:", "http://u:p@a.example/", "http://a b/"),
        *("http://127.0.0.1/", "http://localhost/", "http://169.254.169.254/latest", "http://a.example:25/"),
        *("http://" + "a" * 9000, 7, [], {}, "http://\ud800/", "http://a.example/\nHost: b"),
    ],
)
def test_1_23_t23_urls_that_no_webhook_may_have_are_refused(empty: Caller, url: Any) -> None:
    answer = empty.create(url=url)
    assert (answer.status, list(answer.json), empty.jobs()) == (400, ["error"], [])
    assert answer.json["error"].startswith("url ")


def test_1_24_on_failure_is_taken_and_ignored_as_in_the_original(asker: Caller) -> None:
    assert "on_failure" not in asker.created(on_failure={"fail_on": [500], "email": "a@b.co", "trigger": NO_ID})


def test_1_25_t07_one_refusal_for_a_wrong_secret_and_an_unknown_key_or_account(still: World) -> None:
    alice = Caller(still)
    path = f"{alice.base}/apikey/production/jobs/"
    wrong = [("runlaterkey", LABEL), ("runlaterhash", signature("x", path))]
    unknown = [("runlaterkey", "nobody"), ("runlaterhash", signature("x", path))]
    elsewhere = "/users/nobody/apikey/production/jobs/"
    answers = [alice.client.send("GET", path, headers=headers) for headers in (wrong, unknown)]
    answers.append(alice.client.send("GET", elsewhere, headers=alice.signed(elsewhere)))
    assert {(answer.status, answer.body, *sorted(answer.headers.items())) for answer in answers} == {
        (400, json.dumps(HMAC), ("cache-control", "no-store"), ("content-type", "application/json"))
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("PUT", "/jobs/"), ("POST", "/jobs/"), ("GET", "/apikey/production/jobs/"), ("GET", f"/jobs/{NO_ID}")),
        *(("PUT", f"/jobs/{NO_ID}"), ("DELETE", f"/jobs/{NO_ID}"), ("GET", "/logs/production")),
    ],
)
def test_1_25_1_12_every_call_needs_key_and_hash(empty: Caller, method: str, path: str) -> None:
    body, account = json.dumps(a_document()), empty.account.name
    key, proof, *_ = empty.signed(body if method in {"PUT", "POST"} else empty.base + path)
    answers = [empty.send(method, path, body=body, headers=headers) for headers in ([], [proof], [key])]
    both = f"Must supply valid runlater_key and runlater_hash in headers {account}"
    errors = ["Must Specify runlater_key", "Must Specify runlater_key", both]
    assert [(one.status, one.json) for one in answers] == [(400, {"error": error}) for error in errors]
    assert empty.jobs() == []


@pytest.mark.parametrize("key", ["nobody/production", "production\0", "é", "../production", "a" * 5000, "{own}/x", " "])
def test_1_25_keys_that_are_none_are_refused(empty: Caller, key: str) -> None:
    path = "/apikey/production/jobs/"
    given = key.replace("{own}", empty.account.name)
    headers = [("runlaterkey", given), ("runlaterhash", signature(empty.secret, empty.base + path))]
    answer = empty.send("GET", path, headers=headers)
    assert (answer.status, answer.json) == (400, HMAC)


def test_1_25_a_key_of_another_account_opens_nothing_of_this_one(still: World) -> None:
    """Cronally's keys are UUIDs and unique everywhere: the account in the path must be theirs."""
    alice = Caller(still)
    bob, issued = open_account_with_key(still.services, NewAccount(email=f"{uuid.uuid4()}@example.com"))
    paths = [f"{alice.base}/apikey/production/jobs/", f"/users/{bob.account_id}/apikey/{issued.key.key}/jobs/"]
    headers = [
        [("runlater_key", issued.key.key), ("runlater_hash", signature(issued.secret.reveal(), path))] for path in paths
    ]
    answers = [alice.client.send("GET", path, headers=pair) for path, pair in zip(paths, headers, strict=True)]
    assert [(answer.status, answer.json) for answer in answers] == [(400, HMAC), (200, [])]


def test_1_25_an_account_of_cronally_schedules_with_its_uuid(world: World) -> None:
    account, issued = open_account_with_key(world.services, NewAccount(email="cron@example.com"))
    caller = Caller(world, account=account)
    caller.key, caller.secret = issued.key.key, issued.secret.reveal()
    job = caller.created()
    assert (job["runlater_key"], caller.listed(caller.key)) == (caller.key, [job])
    world.let_pass(seconds=10)
    [call] = world.receiver.calls
    assert call.secret == issued.secret
    assert [one["jobid"] for one in caller.logs(caller.key)] == [job["_id"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/jobs/"),
        ("GET", "/jobs/"),
        ("HEAD", f"/jobs/{NO_ID}"),
        ("POST", f"/jobs/{NO_ID}"),
        ("PUT", "/logs/x"),
    ],
)
def test_1_25_a_method_that_is_not_there_is_a_page_that_is_not(empty: Caller, method: str, path: str) -> None:
    answer = empty.send(method, path)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (404, "Page not found", "text/plain")


HOSTILE = [
    pytest.param(b"[" * 100_000, id="deep arrays"),
    pytest.param(b'{"a":' * 100_000, id="deep objects"),
    pytest.param(b'{"name": NaN}', id="NaN"),
    pytest.param(b'{"name": 1e999}', id="infinity"),
    pytest.param(b'{"name": "a", "name": "b"}', id="a name twice"),
    pytest.param(b"", id="empty"),
    pytest.param(b"[]", id="an array"),
    pytest.param(b"null", id="null"),
    pytest.param(b'"x"', id="a text"),
    pytest.param(b"{", id="broken"),
    pytest.param(b"name=x", id="a form"),
    pytest.param(b'{"name": "\xff"}', id="not UTF-8"),
    pytest.param(b'{"name": "' + b"x" * 1_100_000 + b'"}', id="over a megabyte"),
    pytest.param(b"9" * 100_000, id="a long number"),
]


@pytest.mark.parametrize("body", HOSTILE)
@pytest.mark.parametrize("path", ["/jobs/", f"/jobs/{NO_ID}"])
def test_t28_hostile_bodies_are_400_and_nothing_is_kept(empty: Caller, body: bytes, path: str) -> None:
    answer = empty.send("PUT", path, body=body)
    assert (answer.status, list(answer.json), empty.jobs()) == (400, ["error"], [])


@pytest.mark.parametrize("name", ["name", "when", "url", "method", "body"])
def test_t28_wrong_types_are_400_and_nothing_is_kept(empty: Caller, name: str) -> None:
    answers = [empty.create(**{name: value}) for value in (7, 1.5, True, [], {}, ["x"], {"a": 1}, "\ud800")]
    told = {(answer.status, answer.json["error"]) for answer in answers}
    assert (told, empty.jobs()) == ({(400, f"{name} must be a string of valid Unicode")}, [])


def test_t34_limits_are_told(asker: Caller) -> None:
    assert asker.create(name="x" * 1000, body="x" * 64 * 1024, headers={"a": "x" * 8000}).status == 201
    answers = [asker.create(name="x" * 1001), asker.create(body="ä" * 32 * 1024 + "x")]
    assert [(one.status, one.json["error"]) for one in answers] == [
        (400, "name must have at most 1000 bytes"),
        (400, "body must have at most 65536 bytes"),
    ]
    assert len(asker.jobs()) == 1


def test_the_quota_is_told_in_the_dialects_words(caller: Caller) -> None:
    caller.world.with_rules(jobs_per_account=1)
    caller.created()
    answer = caller.create()
    assert (answer.status, answer.json) == (400, {"error": "An account may have 1 jobs"})


def test_t60_a_queue_that_is_down_is_our_failure_and_nothing_is_kept(caller: Caller) -> None:
    caller.world.queue.down = True
    answer = caller.create()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert (answer.json, caller.jobs()) == ({"error": "the queue is unavailable, try again"}, [])


def test_the_helper_writes_times_as_the_seed_does() -> None:
    assert stamp(datetime.fromisoformat("2013-09-08T06:15:42.215+00:00")) == "2013-09-08T06:15:42.215Z"
    assert URL.startswith("http://joeswebapp.com/")
