"""What the packaged template promises, whatever the app in it."""

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

Template = dict[str, Any]


def _of(template: Template, kind: str) -> dict[str, Any]:
    found = {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}
    assert found, f"no {kind}"
    return found


def _default(template: Template, value: object) -> str:
    """What a value comes to with the default parameters."""
    match value:
        case {"Ref": name} if name in template["Parameters"]:
            return str(template["Parameters"][name]["Default"])
        case {"Fn::FindInMap": [table, key, column]}:
            return str(template["Mappings"][table][_default(template, key)][column])
        case _:
            return str(value)


def _named(reference: object) -> str:
    """The resource a reference means."""
    match reference:
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
        case _:
            return str(reference)


def test_cloudformation_has_nothing_to_say_against_it(template: Template) -> None:
    found = lint(json.dumps(template), config=ManualArgs(regions=["us-east-1"]))
    assert [str(match) for match in found] == []


def test_every_queue_that_feeds_a_function_takes_partial_failures(template: Template) -> None:
    for name, mapping in _of(template, "AWS::Lambda::EventSourceMapping").items():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_every_message_is_invisible_for_six_times_the_time_a_batch_may_take(template: Template) -> None:
    functions, queues = _of(template, "AWS::Serverless::Function"), _of(template, "AWS::SQS::Queue")
    for name, mapping in _of(template, "AWS::Lambda::EventSourceMapping").items():
        timeout = int(_default(template, functions[_named(mapping["FunctionName"])]["Timeout"]))
        visibility = int(_default(template, queues[_named(mapping["EventSourceArn"])]["VisibilityTimeout"]))
        assert visibility >= 6 * timeout, name


def test_the_table_of_visibility_is_six_times_each_timeout_one_may_choose(template: Template) -> None:
    table = {int(timeout): int(row["Seconds"]) for timeout, row in template["Mappings"]["Visibility"].items()}
    allowed = map(int, template["Parameters"]["WorkerTimeout"]["AllowedValues"])
    assert {timeout: 6 * timeout for timeout in allowed} == table


def test_every_queue_but_the_last_has_a_dead_letter_queue(template: Template) -> None:
    queues = _of(template, "AWS::SQS::Queue")
    last = {
        _named(queue["RedrivePolicy"]["deadLetterTargetArn"]) for queue in queues.values() if "RedrivePolicy" in queue
    }
    assert last == {name for name, queue in queues.items() if "RedrivePolicy" not in queue}
    assert last == {"DeadLettersQueue"}


def test_all_that_is_kept_is_encrypted(template: Template) -> None:
    assert all(queue["SqsManagedSseEnabled"] for queue in _of(template, "AWS::SQS::Queue").values())
    assert all(table["SSESpecification"]["SSEEnabled"] for table in _of(template, "AWS::DynamoDB::Table").values())
    assert all(key["EnableKeyRotation"] for key in _of(template, "AWS::KMS::Key").values())


def test_production_tables_can_be_restored_and_not_be_deleted(template: Template) -> None:
    only_prod = {"Fn::If": ["IsProd", True, False]}
    for name, table in _of(template, "AWS::DynamoDB::Table").items():
        assert table["DeletionProtectionEnabled"] == only_prod, name
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == only_prod, name


def test_every_function_logs_to_a_group_that_forgets(template: Template) -> None:
    groups = _of(template, "AWS::Logs::LogGroup")
    assert all("RetentionInDays" in group for group in groups.values())
    used = [_named(each["LoggingConfig"]["LogGroup"]) for each in _of(template, "AWS::Serverless::Function").values()]
    assert sorted(used) == sorted(groups)


def test_every_function_has_a_role_of_its_own(template: Template) -> None:
    used = [_named(function["Role"]) for function in _of(template, "AWS::Serverless::Function").values()]
    assert sorted(used) == sorted(_of(template, "AWS::IAM::Role"))


def test_no_role_may_do_anything_to_everything(template: Template) -> None:
    for name, role in _of(template, "AWS::IAM::Role").items():
        for statement in itertools.chain(*(policy["PolicyDocument"]["Statement"] for policy in role["Policies"])):
            said = json.dumps([statement["Action"], statement["Resource"]])
            assert "*" not in said, f"{name} {statement['Sid']}: {said}"
            assert statement["Effect"] == "Allow"


def test_only_the_worker_may_follow_itself_for_ever(template: Template) -> None:
    loops = {name: each.get("RecursiveLoop") for name, each in _of(template, "AWS::Serverless::Function").items()}
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
        "BELLTOWER_VISIBILITY",
        "BELLTOWER_WORKER_TIMEOUT",
        "BELLTOWER_RETENTION_DAYS",
    }


@pytest.mark.parametrize("name", ["BELLTOWER_LOCAL", "BELLTOWER_AWS_ENDPOINT"])
def test_what_loosens_the_rules_on_this_machine_is_absent_on_aws(template: Template, name: str) -> None:
    condition, _, otherwise = template["Globals"]["Function"]["Environment"]["Variables"][name]["Fn::If"]
    assert (condition, otherwise) == ("IsLocal", {"Ref": "AWS::NoValue"})
    assert template["Parameters"]["LocalEndpoint"]["Default"] == ""


def test_the_tick_comes_on_the_minute(template: Template) -> None:
    (rule,) = _of(template, "AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "cron(* * * * ? *)"
    assert _named(rule["Targets"][0]["Arn"]) == "Tick"


def test_each_level_of_a_path_has_one_variable_name(template: Template) -> None:
    """API Gateway refuses the deploy otherwise."""
    names: dict[str, set[str]] = {}
    for path in template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]:
        parts = path.strip("/").split("/")
        for level, part in enumerate(parts):
            if part.startswith("{"):
                names.setdefault("/".join(parts[:level]), set()).add(part)
    assert {parent: found for parent, found in names.items() if len(found) > 1} == {}


def test_an_unknown_route_is_json_and_404(template: Template) -> None:
    responses = template["Resources"]["RestAPI"]["Properties"]["GatewayResponses"]
    missing = responses["MISSING_AUTHENTICATION_TOKEN"]
    assert (missing["StatusCode"], json.loads(missing["ResponseTemplates"]["application/json"])) == (
        404,
        {"message": "Not found"},
    )


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_sources_of_the_template_lint_as_well(name: str) -> None:
    """Chalice's own part is missing there, so only their syntax can be read."""
    _, problems = decode.decode(str(ROOT / "infra" / name))
    assert problems == []
