"""What the packaged template promises, whatever its parameters. What they change: test_sizes.py and test_gateway.py."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from cfnlint import decode  # type: ignore[import-untyped]
from cfnlint.api import lint  # type: ignore[import-untyped]
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]

from infra.package import TEMPLATES
from tests.engine import ROOT
from tests.infra.reading import Reading, Template, named, read, walk

FUNCTIONS = {"APIHandler", "Tick", "Deliver", "Parked", "Reconcile"}


@pytest.fixture(scope="module")
def stack(template: Template) -> Reading:
    """The template with every default."""
    return read(template)


def test_cloudformation_has_nothing_to_say_against_it(template: Template) -> None:
    found = lint(json.dumps(template), config=ManualArgs(regions=["us-east-1"]))
    assert [str(match) for match in found] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_sources_of_the_template_lint_as_well(name: str) -> None:
    """Chalice's own part is missing there, so only their syntax can be read."""
    _, problems = decode.decode(str(ROOT / "infra" / name))
    assert problems == []


# --- queues -----------------------------------------------------------------------------------------------------------


def test_t48_every_queue_that_feeds_a_function_takes_partial_failures(stack: Reading) -> None:
    mappings = stack.all_of("AWS::Lambda::EventSourceMapping")
    assert {named(each["EventSourceArn"]) for each in mappings.values()} == set(stack.all_of("AWS::SQS::Queue"))
    for name, mapping in mappings.items():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_t50_every_message_is_invisible_for_six_times_the_time_a_batch_may_take(template: Template) -> None:
    for timeout in template["Parameters"]["WorkerTimeout"]["AllowedValues"]:
        stack = read(template, WorkerTimeout=timeout)
        functions, queues = stack.all_of("AWS::Serverless::Function"), stack.all_of("AWS::SQS::Queue")
        for name, mapping in stack.all_of("AWS::Lambda::EventSourceMapping").items():
            visibility = queues[named(mapping["EventSourceArn"])]["VisibilityTimeout"]
            assert int(visibility) == 6 * int(functions[named(mapping["FunctionName"])]["Timeout"]), name


def test_every_queue_but_the_last_has_a_dead_letter_queue(stack: Reading) -> None:
    queues = stack.all_of("AWS::SQS::Queue")
    last = {
        named(queue["RedrivePolicy"]["deadLetterTargetArn"]) for queue in queues.values() if "RedrivePolicy" in queue
    }
    assert last == {name for name, queue in queues.items() if "RedrivePolicy" not in queue}
    assert last == {"DeadLettersQueue"}


def test_a_dead_letter_is_kept_for_days_after_its_queue_would_have_dropped_it(stack: Reading) -> None:
    """SQS counts from the day a message was first sent, not from the day it was parked."""
    queues = stack.all_of("AWS::SQS::Queue")
    last = queues.pop("DeadLettersQueue")["MessageRetentionPeriod"]
    days = {name: (last - queue["MessageRetentionPeriod"]) / 86400 for name, queue in queues.items()}
    assert days == {"FiringsQueue": 10, "RetriesQueue": 10}


def test_only_our_own_queues_may_park_their_messages(stack: Reading) -> None:
    queues = stack.all_of("AWS::SQS::Queue")
    allowed = queues.pop("DeadLettersQueue")["RedriveAllowPolicy"]
    assert allowed["redrivePermission"] == "byQueue"
    names = [arn["Fn::Sub"].split(":")[-1] for arn in allowed["sourceQueueArns"]]
    assert names == [queue["QueueName"]["Fn::Sub"] for queue in queues.values()]


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_all_that_is_kept_is_encrypted(stack: Reading) -> None:
    assert all(queue["SqsManagedSseEnabled"] for queue in stack.all_of("AWS::SQS::Queue").values())
    assert all(table["SSESpecification"]["SSEEnabled"] for table in stack.all_of("AWS::DynamoDB::Table").values())
    assert all(key["EnableKeyRotation"] for key in stack.all_of("AWS::KMS::Key").values())


@pytest.mark.parametrize(("stage", "protected"), [("dev", False), ("prod", True), ("prod2", False)])
def test_production_tables_can_be_restored_and_not_be_deleted(
    template: Template, stage: str, *, protected: bool
) -> None:
    for name, table in read(template, Stage=stage).all_of("AWS::DynamoDB::Table").items():
        assert table["DeletionProtectionEnabled"] is protected, name
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is protected, name


def test_what_is_only_kept_for_a_time_expires(stack: Reading) -> None:
    expiring = {
        name: table.get("TimeToLiveSpecification") for name, table in stack.all_of("AWS::DynamoDB::Table").items()
    }
    assert set(expiring) == {"AccountsTable", "JobsTable"}
    assert all(each == {"AttributeName": "expires_at", "Enabled": True} for each in expiring.values())


def test_every_log_group_forgets(template: Template) -> None:
    groups = read(template, AccessLogs="on", LogRetentionDays="90").all_of("AWS::Logs::LogGroup")
    assert {group["RetentionInDays"] for group in groups.values()} == {"90"}


# --- who may do what --------------------------------------------------------------------------------------------------


def test_every_function_has_a_log_group_of_its_own(stack: Reading) -> None:
    functions = stack.all_of("AWS::Serverless::Function")
    used = [named(function["LoggingConfig"]["LogGroup"]) for function in functions.values()]
    assert sorted(used) == sorted(stack.all_of("AWS::Logs::LogGroup"))


def test_every_function_has_a_role_of_its_own(stack: Reading) -> None:
    used = [named(function["Role"]) for function in stack.all_of("AWS::Serverless::Function").values()]
    assert sorted(used) == sorted(stack.all_of("AWS::IAM::Role"))


def test_no_role_may_do_anything_to_everything(stack: Reading) -> None:
    for name, role in stack.all_of("AWS::IAM::Role").items():
        for statement in itertools.chain(*(policy["PolicyDocument"]["Statement"] for policy in role["Policies"])):
            said = json.dumps([statement["Action"], statement["Resource"]])
            assert "*" not in said, f"{name} {statement['Sid']}: {said}"
            assert statement["Effect"] == "Allow"


def test_nothing_is_open_to_everybody(template: Template) -> None:
    """But the API, whose callers prove themselves to the function behind it."""
    everything = read(template, AccessLogs="on-with-role", Capacity="provisioned").resources()
    spoken = [
        (name, each.get("Effect", "Allow"), _principals(each["Principal"]))
        for name, resource in everything.items()
        for each in walk(resource)
        if "Principal" in each
    ]
    assert [(name, effect) for name, effect, principals in spoken if "*" in principals] == [("TlsOnly", "Deny")]
    assert not [
        name for name, resource in everything.items() if resource["Type"].startswith(("AWS::S3::", "AWS::Lambda::Url"))
    ]
    assert not [name for name, each in everything.items() if "FunctionUrlConfig" in each["Properties"]]


def _principals(principal: Any) -> list[Any]:
    values = principal.values() if isinstance(principal, dict) else [principal]
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def test_a_service_invokes_a_function_for_one_resource_of_ours_only(stack: Reading) -> None:
    allowed = stack.all_of("AWS::Lambda::Permission").values()
    found = sorted((each["Principal"], named(each["FunctionName"])) for each in allowed)
    assert found == [
        ("apigateway.amazonaws.com", "APIHandler"),
        ("events.amazonaws.com", "Reconcile"),
        ("events.amazonaws.com", "Tick"),
    ]
    assert all(each["SourceArn"] for each in allowed)


def test_plain_http_is_refused_by_every_queue_on_aws(template: Template) -> None:
    stack = read(template)
    (policy,) = stack.all_of("AWS::SQS::QueuePolicy").values()
    assert sorted(map(named, policy["Queues"])) == sorted(stack.all_of("AWS::SQS::Queue"))
    assert read(template, LocalEndpoint="http://127.0.0.1:4566").some_of("AWS::SQS::QueuePolicy") == {}


# --- functions --------------------------------------------------------------------------------------------------------


def test_only_the_worker_may_follow_itself_for_ever(stack: Reading) -> None:
    loops = {name: each.get("RecursiveLoop") for name, each in stack.all_of("AWS::Serverless::Function").items()}
    assert {name for name, loop in loops.items() if loop == "Allow"} == {"Deliver"}


def test_every_function_learns_where_things_are(template: Template) -> None:
    assert set(template["Globals"]["Function"]["Environment"]["Variables"]) >= {
        "BELLTOWER_STAGE",
        "BELLTOWER_ACCOUNTS_TABLE",
        "BELLTOWER_JOBS_TABLE",
        "BELLTOWER_QUEUE_URL",
        "BELLTOWER_RETRY_QUEUE_URL",
        "BELLTOWER_KEY_ID",
        "BELLTOWER_SHARDS",
        "BELLTOWER_WORKER_TIMEOUT",
        "BELLTOWER_RETENTION_DAYS",
    }


def test_whoever_calls_webhooks_knows_the_host_of_the_api(stack: Reading) -> None:
    hosts = {name: _own(function).get("BELLTOWER_API_HOST") for name, function in _functions(stack).items()}
    host = {"Fn::Sub": "${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}"}
    assert hosts == {"APIHandler": None, "Tick": None, "Deliver": host, "Parked": host, "Reconcile": None}


def test_only_the_api_loads_what_requests_need(stack: Reading) -> None:
    told = {name for name, function in _functions(stack).items() if _own(function).get("BELLTOWER_SERVES_API") == "0"}
    assert told == FUNCTIONS - {"APIHandler"}


def _functions(stack: Reading) -> dict[str, Any]:
    functions = stack.all_of("AWS::Serverless::Function")
    assert set(functions) == FUNCTIONS
    return functions


def _own(function: dict[str, Any]) -> dict[str, Any]:
    """What it is told beyond what all are."""
    variables: dict[str, Any] = function.get("Environment", {}).get("Variables", {})
    return variables


@pytest.mark.parametrize("name", ["BELLTOWER_LOCAL", "BELLTOWER_AWS_ENDPOINT"])
def test_what_loosens_the_rules_on_this_machine_is_absent_on_aws(stack: Reading, name: str) -> None:
    variables = stack.value(stack.template["Globals"])["Function"]["Environment"]["Variables"]
    assert "BELLTOWER_STAGE" in variables
    assert name not in variables


def test_the_tick_comes_on_the_minute(stack: Reading) -> None:
    rules = {named(one["Targets"][0]["Arn"]): one for one in stack.all_of("AWS::Events::Rule").values()}
    assert {function: rule["ScheduleExpression"] for function, rule in rules.items()} == {
        "Tick": "cron(* * * * ? *)",
        "Reconcile": "cron(23 4 * * ? *)",
    }
