"""What a deploy says: of errors, of states, of progress, of prices. No engine needed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ProfileNotFound

from infra import prices
from infra.advice import advice
from infra.command import main
from infra.deploy import Deployment
from infra.package import Artifact
from infra.plan import parameters, plan
from infra.stacks import DeployError, Interrupted, Progress, Stack, follow, refusal
from infra.values import defaults, holds, value_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Template = dict[str, Any]


def refused(code: str, message: str = "said AWS") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateStack")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(NoCredentialsError(), "there are no AWS credentials. Set AWS_ACCESS_KEY_ID", id="no credentials"),
        pytest.param(ProfileNotFound(profile="x"), "AWS_PROFILE names a profile", id="an unknown profile"),
        pytest.param(refused("ExpiredToken"), "the credentials have expired. Sign in again", id="an expired token"),
        pytest.param(refused("ExpiredTokenException"), "the credentials have expired.", id="the same, spelt otherwise"),
        pytest.param(refused("InvalidClientTokenId"), "AWS does not know these credentials", id="an unknown key"),
        pytest.param(refused("SignatureDoesNotMatch"), "the secret does not fit the key", id="a wrong secret"),
        pytest.param(
            refused("AccessDenied", "no"), "these credentials may not CreateStack: no. Deploying takes", id="no right"
        ),
        pytest.param(refused("ValidationError", "no"), "CloudFormation refuses: no", id="a refused template"),
        pytest.param(refused("Odd"), "An error occurred (Odd)", id="what nobody foresaw is told as it is"),
        pytest.param(
            EndpointConnectionError(endpoint_url="http://x"),
            'endpoint URL: "http://x". Check the network',
            id="silence",
        ),
    ],
)
def test_an_error_says_what_to_do(error: Exception, said: str) -> None:
    assert said in advice(error)


def test_a_region_that_nobody_set_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    assert main(["deploy"]) == 1
    assert capsys.readouterr().err == "no region is set. Say which one: make deploy REGION=us-east-1\n"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("CREATE_COMPLETE", None),
        ("UPDATE_COMPLETE", None),
        ("UPDATE_ROLLBACK_COMPLETE", None),
        ("CREATE_FAILED", "make destroy STAGE=dev"),
        ("ROLLBACK_FAILED", "make destroy STAGE=dev"),
        ("DELETE_FAILED", "make destroy STAGE=dev"),
        ("REVIEW_IN_PROGRESS", "make destroy STAGE=dev"),
        ("UPDATE_ROLLBACK_FAILED", "Continue update rollback"),
        ("UPDATE_IN_PROGRESS", "Wait until that is done"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "Wait until that is done"),
    ],
)
def test_a_stack_that_cannot_be_updated_says_what_to_do(status: str, said: str | None) -> None:
    why = refusal(status, "dev")
    assert why is None if said is None else said in (why or "")


# --- progress ---------------------------------------------------------------------------------------------------------


def event(name: str, status: str, reason: str = "") -> dict[str, str]:
    said = {"EventId": f"{name} {status}", "LogicalResourceId": name, "ResourceStatus": status}
    return said | ({"ResourceStatusReason": reason} if reason else {})


A_DONE = event("A", "CREATE_COMPLETE")
B_DONE = event("B", "CREATE_COMPLETE")
STACK_DONE = event("belltower-dev", "CREATE_COMPLETE")


@pytest.mark.parametrize(
    ("polls", "said"),
    [
        pytest.param([(4.0, [A_DONE])], ["1 resources done, the last A"], id="what is done is told"),
        pytest.param([(1.0, [A_DONE])], [], id="but not in the first seconds"),
        pytest.param(
            [(4.0, [A_DONE]), (5.0, [B_DONE, A_DONE]), (9.0, [event("C", "CREATE_COMPLETE"), B_DONE, A_DONE])],
            ["1 resources done, the last A", "3 resources done, the last C"],
            id="once in a while, and each counts",
        ),
        pytest.param([(4.0, [A_DONE]), (9.0, [A_DONE])], ["1 resources done, the last A"], id="nothing is told twice"),
        pytest.param(
            [(4.0, [event("A", "CREATE_IN_PROGRESS")]), (8.0, [STACK_DONE])], [], id="the stack is no resource"
        ),
        pytest.param(
            [(0.1, [event("B", "CREATE_FAILED", "Resource creation cancelled"), event("A", "CREATE_FAILED", "taken")])],
            ["failed: A: taken"],
            id="a failure is told at once, what was cancelled by it is not",
        ),
    ],
)
def test_progress(polls: list[tuple[float, list[dict[str, str]]]], said: list[str]) -> None:
    progress = Progress("belltower-dev", seen=[event("old", "UPDATE_FAILED", "long ago")])
    old = event("old", "UPDATE_FAILED", "long ago")
    assert [line for at, events in polls for line in progress.told([*events, old], at)] == said


@dataclass
class CloudFormation:
    """As far as `follow` asks it: the stack's states, one after the other, and its events."""

    states: list[Callable[[], str]]
    events: list[dict[str, str]] = field(default_factory=list)

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{"StackName": "belltower-dev", "StackId": "id", "StackStatus": self.states.pop(0)()}]}

    def describe_stack_events(self, **_: str) -> dict[str, Any]:
        return {"StackEvents": self.events}


def control_c() -> str:
    raise KeyboardInterrupt


BUSY = Stack(name="belltower-dev", identifier="id", status="UPDATE_IN_PROGRESS")


def followed(*states: Callable[[], str], events: list[dict[str, str]] | None = None) -> Stack | None:
    aws = CloudFormation(states=list(states), events=events or [])
    return follow(aws, BUSY, before=[], pause=0, say=lambda _: None)


def test_a_stack_is_followed_until_it_is_done() -> None:
    done = followed(lambda: "UPDATE_IN_PROGRESS", lambda: "UPDATE_IN_PROGRESS", lambda: "UPDATE_COMPLETE")
    assert done
    assert done.status == "UPDATE_COMPLETE"


def test_control_c_says_that_cloudformation_goes_on() -> None:
    with pytest.raises(Interrupted, match="CloudFormation goes on with belltower-dev"):
        followed(lambda: "UPDATE_IN_PROGRESS", control_c)


def test_an_update_that_was_rolled_back_says_what_failed() -> None:
    events = [event("B", "UPDATE_FAILED", "Resource update cancelled"), event("A", "UPDATE_FAILED", "too large")]
    with pytest.raises(DeployError, match=r"^belltower-dev is UPDATE_ROLLBACK_COMPLETE: A: too large$"):
        followed(lambda: "UPDATE_ROLLBACK_COMPLETE", events=events)


# --- parameters and prices --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "has", "becomes"),
    [
        pytest.param({}, {}, "16", id="the default"),
        pytest.param({}, {"Shards": "8"}, "8", id="what the stack has"),
        pytest.param({"Shards": "32"}, {"Shards": "8"}, "32", id="what is given"),
    ],
)
def test_a_parameter_is(template: Template, given: dict[str, str], has: dict[str, str], becomes: str) -> None:
    found = Stack(name="belltower-dev", identifier="id", status="CREATE_COMPLETE", parameters=has)
    assert parameters(template, given=given, found=found)["Shards"] == becomes


@pytest.mark.parametrize(
    ("runtime", "endpoint", "warned"),
    [
        pytest.param("python3.11", None, True, id="3.11 on AWS"),
        pytest.param("python3.13", None, False, id="3.13 on AWS"),
        pytest.param("python3.11", "http://127.0.0.1:1", False, id="3.11 on the engine"),
    ],
)
def test_a_runtime_at_the_end_of_its_life_is_warned_of(
    template: Template,
    tmp_path: Path,
    runtime: str,
    endpoint: str | None,
    warned: bool,  # noqa: FBT001 - the table's column
) -> None:
    code, packaged = tmp_path / "code.zip", tmp_path / "template.json"
    code.write_bytes(b"zip")
    packaged.write_text(re.sub(r"python3\.\d+", runtime, json.dumps(template)))
    deployment = Deployment(artifact=Artifact(template=packaged, code=code), endpoint=endpoint)
    lines = plan(deployment, account="123456789012", found=None)
    assert f"  functions   {runtime} on x86_64, 0.0 MB" in lines
    assert ("make clean, then make deploy PYTHON=python3.13" in lines[-1]) is warned


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({"Fn::Equals": [{"Ref": "Stage"}, "prod"]}, True),
        ({"Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, "prod"]}]}, False),
        ({"Fn::And": [{"Condition": "IsProd"}, {"Condition": "IsProd"}]}, True),
        ({"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Condition": "IsProd"}]}, True),
        ({"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Fn::Not": [{"Condition": "IsProd"}]}]}, False),
    ],
)
def test_a_condition_is_met(condition: dict[str, Any], met: bool) -> None:  # noqa: FBT001 - the table's column
    template = {"Conditions": {"IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}}}
    assert holds(template, {"Stage": "prod"}, condition) is met


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Ref": "Size"}, "60"),
        ({"Ref": "AWS::NoValue"}, None),
        ({"Ref": "Table"}, {"Ref": "Table"}),
        ({"Fn::FindInMap": ["Twice", {"Ref": "Size"}, "Is"]}, "120"),
        ({"Fn::If": ["IsBig", {"A": {"Ref": "Size"}}, "small"]}, {"A": "60"}),
        ([{"Ref": "Size"}, 1], ["60", 1]),
    ],
)
def test_an_expression_comes_to(expression: object, value: object) -> None:
    template = {"Mappings": {"Twice": {"60": {"Is": "120"}}}, "Conditions": {"IsBig": {"Fn::Equals": ["a", "a"]}}}
    assert value_of(template, {"Size": "60"}, expression) == value


def bill(template: Template, **given: str) -> dict[str, float]:
    return {item.what: item.dollars for item in prices.idle(template, defaults(template) | given)}


def test_the_bill_of_an_idle_stack_is_computed_from_what_it_has(template: Template) -> None:
    """Done by hand for the defaults: 43,200 ticks of 512 MB, 16 shards with six queries each, three queues."""
    told = bill(template)
    assert told["Lambda, the tick"] == pytest.approx(43_200 * (0.5 * 0.5 * 0.0000166667 + 0.0000002))
    assert told["DynamoDB, the tick"] == pytest.approx(43_200 * (49 * 0.125 + 1 * 0.625) / 1e6)
    assert told["SQS, asked for messages"] == pytest.approx(43_200 * 47 * 0.4 / 1e6)
    assert told["KMS"] == pytest.approx(1 + 2 * 8_640 * 0.000003)
    assert told["CloudWatch, dashboard"] == 3


@pytest.mark.parametrize(
    ("what", "given", "by"),
    [
        pytest.param("DynamoDB, the tick", {"Shards": "32"}, 43_200 * 48 * 0.125 / 1e6, id="more shards, more reads"),
        pytest.param(
            "DynamoDB, the tick", {"Capacity": "provisioned"}, None, id="provisioned units are paid by the hour"
        ),
        pytest.param("Lambda, the tick", {"TickMemory": "1024"}, 43_200 * 0.5 * 0.5 * 0.0000166667, id="more memory"),
    ],
)
def test_what_is_set_is_paid_for(template: Template, what: str, given: dict[str, str], by: float | None) -> None:
    before, after = bill(template)[what], bill(template, **given)[what]
    units = 5 + 3 * 25
    assert after == pytest.approx(before + by if by is not None else 720 * units * (0.00013 + 0.00065))


def test_arm_is_a_fifth_cheaper_by_the_second(template: Template) -> None:
    arm = {**template, "Resources": dict(template["Resources"])}
    tick = arm["Resources"]["Tick"]
    arm["Resources"]["Tick"] = {**tick, "Properties": {**tick["Properties"], "Architectures": ["arm64"]}}
    saved = bill(template)["Lambda, the tick"] - bill(arm)["Lambda, the tick"]
    assert saved == pytest.approx(43_200 * 0.5 * 0.5 * 0.0000166667 * 0.2, rel=1e-4)
