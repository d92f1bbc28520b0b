"""Each role allows what its function calls, no more and no less.

The calls are measured, not listed: the functions run as deployed, behind a proxy that hears them. The roles are read
from the packaged template. So a new call without its permission fails here, and so does a permission that nothing needs
any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from infra.package import resources
from tests.infra import scenarios
from tests.infra.calls import Call, calls_of
from tests.infra.deployed import Deployed, deployed
from tests.infra.grants import Gap, Permission, calls_by_lambda, compared, permissions_of, roles_of
from tests.infra.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.engine import RunningEngine
    from tests.infra.reading import Template

FUNCTIONS = {name: f"{name}Role" for name in ("Tick", "Deliver", "Parked", "Reconcile")} | {"APIHandler": "ApiRole"}
WORKERS = ("Deliver", "Parked")
WRITTEN = {function: permissions_of(resources(), role) for function, role in FUNCTIONS.items()}
EACH = [(function, permission) for function, permissions in WRITTEN.items() for permission in permissions]
REFUSING = {  # as their originals did
    ("GET", "/users"): 400,
    ("DELETE", "/api/v1/executions/{ref}"): 501,
    ("DELETE", "/api/v2/executions/{ref}"): 501,
}


@pytest.fixture(scope="module")
def on(engine: RunningEngine, template: Template) -> Iterator[Deployed]:
    """The functions, after all that they may have to do."""
    with deployed(engine, template) as one:
        statuses = scenarios.ask_every_route(one)
        assert {route: status for route, status in statuses.items() if status >= 400} == REFUSING
        assert scenarios.ask_for_what_is_due_soon(one) == 200
        assert scenarios.delete_what_waits_for_a_retry(one) == 200
        assert scenarios.fail_to_log_in(one) == 401
        for worker in WORKERS:
            scenarios.receive_every_story(one, worker)
        assert scenarios.tick_over_a_job_and_a_retry(one) >= 2
        assert scenarios.reconcile_what_was_lost(one) == 3
        yield one


@pytest.fixture(scope="module")
def calls(on: Deployed, template: Template) -> Mapping[str, frozenset[Call]]:
    """What each function does as its role, and what Lambda does for it."""
    return {function: on.calls(function) | {*calls_by_lambda(template, function)} for function in FUNCTIONS}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_allows_what_its_function_calls_and_nothing_else(
    calls: Mapping[str, frozenset[Call]], template: Template, function: str
) -> None:
    role = roles_of(template)[function]
    assert compared(permissions_of(template, role), calls[function]) == Gap()


def test_the_packaged_roles_are_the_ones_written(template: Template) -> None:
    assert roles_of(template) == FUNCTIONS
    assert {function: permissions_of(template, role) for function, role in FUNCTIONS.items()} == WRITTEN


def test_nothing_else_gives_a_role_anything(template: Template) -> None:
    made = read(template).resources()
    identities = {name for name, each in made.items() if each["Type"].startswith("AWS::IAM::")}
    assert identities == set(FUNCTIONS.values())
    functions = [template["Resources"][function]["Properties"] for function in FUNCTIONS]
    assert not [function for function in functions if function.keys() & {"Policies", "Events", "Connectors"}]


@pytest.mark.parametrize("role", FUNCTIONS.values())
def test_only_lambda_takes_a_role_on(template: Template, role: str) -> None:
    [statement] = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    service = {"Service": "lambda.amazonaws.com"}
    assert statement == {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(("function", "permission"), EACH, ids=str)
def test_a_permission_less_is_missed(
    calls: Mapping[str, frozenset[Call]], function: str, permission: Permission
) -> None:
    gap = compared([one for one in WRITTEN[function] if one != permission], calls[function])
    assert {(call.action, call.resource) for call in gap.lacking} == {(permission.action, permission.resource)}
    assert gap.idle == ()


MORE = [
    ("APIHandler", Permission(action="sns:Publish", resource="AlarmTopic")),
    ("APIHandler", Permission(action="dynamodb:Scan", resource="AccountsTable")),
    ("APIHandler", Permission(action="dynamodb:Query", resource="JobsTable/index/next-fire")),
    ("APIHandler", Permission(action="sqs:ReceiveMessage", resource="FiringsQueue")),
    ("Reconcile", Permission(action="dynamodb:Scan", resource="AccountsTable", keys="password,pk,sk")),
    ("Reconcile", Permission(action="kms:Decrypt", resource="Key", keys="account")),
    ("Tick", Permission(action="kms:Decrypt", resource="Key")),
    ("Tick", Permission(action="dynamodb:Query", resource="JobsTable")),
    ("Deliver", Permission(action="kms:GenerateDataKey", resource="Key", keys="account")),
    ("Deliver", Permission(action="sqs:ChangeMessageVisibility", resource="FiringsQueue")),
    ("Deliver", Permission(action="dynamodb:GetItem", resource="AccountsTable", keys="password#*")),
    ("Parked", Permission(action="sqs:SendMessage", resource="DeadLettersQueue")),
]


@pytest.mark.parametrize(("function", "permission"), MORE, ids=str)
def test_a_permission_more_is_named(
    calls: Mapping[str, frozenset[Call]], function: str, permission: Permission
) -> None:
    assert compared([*WRITTEN[function], permission], calls[function]) == Gap(idle=(permission,))


def test_a_permission_that_stands_twice_is_named(calls: Mapping[str, frozenset[Call]]) -> None:
    first = WRITTEN["Tick"][0]
    assert compared([*WRITTEN["Tick"], first], calls["Tick"]) == Gap(idle=(first, first))


GET, PUT, WRITE = "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:BatchWriteItem"
NEVER = {
    "a worker reads a password": (WORKERS, Call(action=GET, resource="AccountsTable", key="password#1")),
    "a worker looks somebody up by name": (WORKERS, Call(action=GET, resource="AccountsTable", key="name#alice")),
    "a worker writes over a job": (WORKERS, Call(action=WRITE, resource="JobsTable", key="1#job")),
    "a worker writes over the audit log": (WORKERS, Call(action=WRITE, resource="JobsTable", key="1#audit")),
    "the API writes over a job past its conditions": (
        ("APIHandler",),
        Call(action=WRITE, resource="JobsTable", key="1#job"),
    ),
    "the API alters an entry of the audit log": (
        ("APIHandler",),
        Call(action="dynamodb:UpdateItem", resource="JobsTable", key="1#audit"),
    ),
    "the API alters an account past its conditions": (
        ("APIHandler",),
        Call(action="dynamodb:UpdateItem", resource="AccountsTable", key="account#1"),
    ),
    "the reconciliation reads more of an account than its key": (
        ("Reconcile",),
        Call(action="dynamodb:Scan", resource="AccountsTable", key="all"),
    ),
    "the reconciliation writes over a job": (("Reconcile",), Call(action=PUT, resource="JobsTable", key="1#job")),
    "the tick reads a job": (("Tick",), Call(action=GET, resource="JobsTable", key="1#job")),
    "the tick writes a job": (("Tick",), Call(action=PUT, resource="JobsTable", key="1#job")),
    "a data key is made for no account": (
        tuple(FUNCTIONS),
        Call(action="kms:GenerateDataKey", resource="Key"),
    ),
    "a data key is opened for no account": (tuple(FUNCTIONS), Call(action="kms:Decrypt", resource="Key")),
    "a data key is opened for something else": (
        tuple(FUNCTIONS),
        Call(action="kms:Decrypt", resource="Key", key="tenant"),
    ),
}


@pytest.mark.parametrize(("function", "permission"), [one for one in EACH if one[1].keys != "*"], ids=str)
def test_a_condition_keeps_something_from_happening(function: str, permission: Permission) -> None:
    without = replace(permission, keys="*")
    assert any(function in functions and without.covers(call) for functions, call in NEVER.values())


@pytest.mark.parametrize("what", NEVER)
def test_it_never_happens_that(template: Template, what: str) -> None:
    functions, call = NEVER[what]
    for function in functions:
        allowed = permissions_of(template, roles_of(template)[function])
        assert [permission for permission in allowed if permission.covers(call)] == [], function


def test_topics_are_reached_with_the_job_s_own_keys_alone(on: Deployed) -> None:
    published = {(heard.function, heard.signer) for heard in on.recorder.heard if heard.call.action == "sns:Publish"}
    assert published == {("Deliver", scenarios.OWNER)}
    assert {heard.signer for heard in on.recorder.heard} == {on.role, scenarios.OWNER}


# --- the readers ------------------------------------------------------------------------------------------------------

AN_ITEM = {"pk": {"S": "one"}, "sk": {"S": "standing"}}
IN_A = {"TableName": "table"}

REQUESTS: dict[str, tuple[str, dict[str, Any], list[Call]]] = {
    "a query of an index is of the index, and its key the index's": (
        "dynamodb.Query",
        IN_A
        | {
            "IndexName": "next-fire",
            "KeyConditionExpression": "(#0 = :0 AND #1 BETWEEN :1 AND :2)",
            "ExpressionAttributeValues": {":0": {"N": "7"}, ":1": {"N": "1"}, ":2": {"N": "2"}},
        },
        [Call(action="dynamodb:Query", resource="table/index/next-fire", key="7")],
    ),
    "each part of a transaction is what it does": (
        "dynamodb.TransactWriteItems",
        {
            "TransactItems": [
                {"Put": IN_A | {"Item": AN_ITEM}},
                {"Update": IN_A | {"Key": AN_ITEM}},
                {"Delete": IN_A | {"Key": AN_ITEM}},
                {"ConditionCheck": IN_A | {"Key": AN_ITEM}},
            ]
        },
        [
            Call(action="dynamodb:PutItem", resource="table", key="one"),
            Call(action="dynamodb:UpdateItem", resource="table", key="one"),
            Call(action="dynamodb:DeleteItem", resource="table", key="one"),
            Call(action="dynamodb:ConditionCheckItem", resource="table", key="one"),
        ],
    ),
    "a batch of writes is one action, whatever it writes": (
        "dynamodb.BatchWriteItem",
        {"RequestItems": {"table": [{"PutRequest": {"Item": AN_ITEM}}, {"DeleteRequest": {"Key": AN_ITEM}}]}},
        [Call(action=WRITE, resource="table", key="one")] * 2,
    ),
    "a statement of PartiQL is an action of its own": (
        "dynamodb.BatchExecuteStatement",
        {
            "Statements": [
                {"Statement": 'UPDATE "table" SET due_at = ? WHERE pk = ? AND sk = ?'},
                {"Statement": 'SELECT * FROM "table"."next-fire" WHERE shard = ?'},
                {"Statement": "INSERT INTO \"table\" VALUE {'pk': ?}"},
                {"Statement": 'DELETE FROM "table" WHERE pk = ?'},
            ]
        },
        [
            Call(action="dynamodb:PartiQLUpdate", resource="table"),
            Call(action="dynamodb:PartiQLSelect", resource="table/index/next-fire"),
            Call(action="dynamodb:PartiQLInsert", resource="table"),
            Call(action="dynamodb:PartiQLDelete", resource="table"),
        ],
    ),
    "a data key without a context has no name": (
        "kms.Decrypt",
        {"KeyId": "key", "CiphertextBlob": ""},
        [Call(action="kms:Decrypt", resource="key")],
    ),
    "a scan is known by what it sees": (
        "dynamodb.Scan",
        IN_A | {"Select": "SPECIFIC_ATTRIBUTES", "ProjectionExpression": "pk, sk"},
        [Call(action="dynamodb:Scan", resource="table", key="pk,sk")],
    ),
    "a scan that names no attributes sees all": (
        "dynamodb.Scan",
        IN_A,
        [Call(action="dynamodb:Scan", resource="table", key="all")],
    ),
    "an operation that nobody reads is a call that nobody allows": (
        "dynamodb.DescribeTable",
        IN_A,
        [Call(action="dynamodb:DescribeTable", resource="of an operation without a reader")],
    ),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_in_a_request(what: str) -> None:
    operation, body, expected = REQUESTS[what]
    assert list(calls_of(operation, body)) == expected


def a_role(**changes: Any) -> Template:
    statement = {"Sid": "Read", "Effect": "Allow", "Action": GET, "Resource": {"Fn::GetAtt": ["JobsTable", "Arn"]}}
    policies = [{"PolicyName": "one", "PolicyDocument": {"Statement": [statement | changes]}}]
    role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": policies}}
    return {"Parameters": {}, "Resources": {"Role": role}}


UNREADABLE: dict[str, dict[str, Any]] = {
    "a refusal": {"Effect": "Deny"},
    "all but some actions": {"NotAction": GET},
    "all but some resources": {"NotResource": "arn:aws:s3:::bucket"},
    "another condition": {"Condition": {"StringLike": {"dynamodb:LeadingKeys": "*"}}},
    "a condition beside one that is known": {
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "*", "dynamodb:Attributes": "*"}}
    },
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_role_may_not_hold(what: str) -> None:
    with pytest.raises(ValueError, match=r"not read here|has the effect"):
        permissions_of(a_role(**UNREADABLE[what]), "Role")


def test_what_a_role_allows_is_read_from_its_statements() -> None:
    keys = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["account#*", "key#*"]}}
    found = permissions_of(a_role(Condition=keys), "Role")
    one = Permission(action=GET, resource="JobsTable", keys="account#*")
    assert found == [one, replace(one, keys="key#*")]
