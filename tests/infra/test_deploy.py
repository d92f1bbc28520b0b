"""`make deploy` and `make destroy`, as an operator runs them: on an engine of their own, with the app itself."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from infra.command import main, parameters_in, region_of
from infra.local.stack import deploy_locally
from infra.stacks import DeployError
from tests.engine import RunningEngine, an_engine
from tests.infra.conftest import HTTP, the_deployment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.package import Artifact

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with an_engine(tmp_path_factory.mktemp("deploy")) as running:
        yield running


def deployed(aws: RunningEngine, *arguments: str) -> tuple[int, str]:
    """The exit code of a deploy of stage alice, and what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = main(["deploy", "--stage", "alice", "--endpoint", aws.endpoint, *arguments])
    return code, printed.getvalue()


@pytest.fixture(scope="module")
def first(aws: RunningEngine) -> str:
    code, printed = deployed(aws, "--parameters", "Shards=8")
    assert code == 0
    return printed


@pytest.mark.parametrize(
    "said",
    [
        "stage alice: account 000000000000, us-east-1, http://127.0.0.1:",
        "stack       belltower-alice: will be created",
        "on x86_64, ",
        "Shards=8 (default 16)",
        "a month: computed from list prices (us-east-1, ",
        "free tier not counted",
        "deploy: creating belltower-alice",
        "smoke: passed, the job was ",
    ],
)
def test_a_deploy_says_what_it_does_and_shows_that_it_works(first: str, said: str) -> None:
    assert said in first


def test_the_address_it_prints_and_tries_has_the_stage_in_its_path(first: str) -> None:
    [line] = [line for line in first.splitlines() if line.startswith("deployed: the API is at ")]
    assert re.search(r" http://127\.0\.0\.1:\d+/_aws/execute-api/\w+/alice/$", line)


@pytest.mark.usefixtures("first")
def test_the_front_stays_with_the_stage_that_has_it(aws: RunningEngine) -> None:
    """`make run` serves its own stage there, and a deploy beside it must not take that away."""
    assert HTTP.request("GET", f"{aws.front}/users").status == 404


@pytest.mark.usefixtures("first")
def test_a_second_deploy_changes_nothing_keeps_what_was_set_and_tries_again(aws: RunningEngine) -> None:
    code, printed = deployed(aws)
    lines = printed.splitlines()
    assert (code, "package: unchanged" in lines, "deploy: unchanged" in lines) == (0, True, True)
    assert "Shards=8 (default 16)" in printed
    assert lines[-1].startswith("smoke: passed")


@pytest.mark.usefixtures("first")
def test_what_was_made_to_try_it_is_gone_afterwards(aws: RunningEngine) -> None:
    dynamodb = aws.client("dynamodb")
    assert dynamodb.scan(TableName="belltower-accounts-alice")["Items"] == []
    assert dynamodb.scan(TableName="belltower-jobs-alice", IndexName="next-fire")["Items"] == []


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        pytest.param("Shard=8", "PARAMETERS names Shard, which is none to be set", id="an unknown parameter"),
        pytest.param("Stage=prod", "PARAMETERS names Stage, which is none to be set", id="the stage as a parameter"),
        pytest.param("Shards", "'Shards' is no parameter", id="no value"),
        pytest.param("=8", "'=8' is no parameter", id="no name"),
        pytest.param("Shards='8", "PARAMETERS cannot be read", id="an open quote"),
        pytest.param("Shards=0", "CloudFormation refuses: Parameter 'Shards'", id="a value out of bounds"),
        pytest.param("BatchSize=20", "needs a BatchWindow", id="a rule of the template"),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_one_line(
    aws: RunningEngine, capsys: pytest.CaptureFixture[str], parameters: str, refusal: str
) -> None:
    code = main(["deploy", "--stage", "bob", "--endpoint", aws.endpoint, "--parameters", parameters])
    said = capsys.readouterr().err.splitlines()
    assert (code, len(said), refusal in said[0]) == (1, 1, True), said


@pytest.mark.parametrize("stage", ["Alice", "1st", "a-b", "", "averylongstagename"])
def test_what_cannot_name_a_stage_is_refused(capsys: pytest.CaptureFixture[str], stage: str) -> None:
    assert main(["deploy", f"--stage={stage}"]) == 1
    assert capsys.readouterr().err.startswith(f"STAGE={stage} cannot name a stage")


def test_where_nothing_answers_it_says_what_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "--endpoint", "http://127.0.0.1:1"]) == 1
    assert "Check the network and REGION, or ENDPOINT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "environment", "endpoint", "region"),
    [
        pytest.param("eu-west-1", {"AWS_REGION": "us-west-2"}, "", "eu-west-1", id="what is asked for"),
        pytest.param("", {"AWS_REGION": "us-west-2"}, "", "us-west-2", id="the environment's"),
        pytest.param("", {"AWS_DEFAULT_REGION": "sa-east-1"}, "", "sa-east-1", id="the environment's default"),
        pytest.param("", {"AWS_REGION": "us-west-2"}, "http://127.0.0.1:1", "us-east-1", id="the engine's own"),
    ],
)
def test_the_region_is(asked: str, environment: dict[str, str], endpoint: str, region: str) -> None:
    assert region_of(asked, environment, endpoint=endpoint) == region


def test_values_are_quoted_as_in_a_shell() -> None:
    text = "Shards=32 OwnHosts='a.example.com, b.example.com' AlarmEmail="
    assert parameters_in(text) == {"Shards": "32", "OwnHosts": "a.example.com, b.example.com", "AlarmEmail": ""}


# --- destroy ----------------------------------------------------------------------------------------------------------


def a_stack(aws: RunningEngine, artifact: Artifact, stage: str) -> list[str]:
    """Deploys the stand-in as a stage. The arguments of its removal."""
    deploy_locally(replace(the_deployment(aws, artifact), stage=stage, say=lambda _: None))
    return ["destroy", "--stage", stage, "--endpoint", aws.endpoint]


def stacks(aws: RunningEngine) -> set[str]:
    found = aws.client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"] for stack in found if stack["StackStatus"] != "DELETE_COMPLETE"}


@pytest.fixture
def carol(aws: RunningEngine, artifact: Artifact) -> list[str]:
    return a_stack(aws, artifact, "carol")


@pytest.mark.parametrize(
    ("typed", "confirmed", "refusal"),
    [
        pytest.param(None, "", "nobody is there to be asked. Say make destroy STAGE=carol CONFIRM=carol", id="nobody"),
        pytest.param(None, "alice", "nothing was removed: 'alice' is not 'carol'", id="another on the command line"),
        pytest.param("yes\n", "", "nothing was removed: 'yes' is not 'carol'", id="yes"),
        pytest.param("\n", "", "nothing was removed: '' is not 'carol'", id="an empty line"),
    ],
)
def test_nothing_is_removed_unless_the_stage_is_named(  # noqa: PLR0917 - the table's columns
    aws: RunningEngine,
    carol: list[str],
    capsys: pytest.CaptureFixture[str],
    typed: str | None,
    confirmed: str,
    refusal: str,
) -> None:
    ask = None if typed is None else lambda: typed
    assert main([*carol, "--confirm", confirmed], ask=ask) == 1
    printed = capsys.readouterr()
    assert "  table belltower-jobs-carol, about 0 items" in printed.out.splitlines()
    assert refusal in printed.err
    assert "belltower-carol" in stacks(aws)


@pytest.mark.parametrize(("typed", "confirmed"), [("carol\n", ""), (None, "carol")], ids=["typed", "on the line"])
def test_a_stage_that_is_named_is_removed_with_its_tables(
    aws: RunningEngine,
    carol: list[str],
    capsys: pytest.CaptureFixture[str],
    typed: str | None,
    confirmed: str,
) -> None:
    ask = None if typed is None else lambda: typed
    assert main([*carol, "--confirm", confirmed], ask=ask) == 0
    assert "belltower-carol is gone" in capsys.readouterr().out
    assert "belltower-carol" not in stacks(aws)
    assert [name for name in aws.client("dynamodb").list_tables()["TableNames"] if "carol" in name] == []


def test_prod_stays_until_its_protection_is_lifted(
    aws: RunningEngine, artifact: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*a_stack(aws, artifact, "prod"), "--confirm", "prod"]
    assert main(command) == 1
    refusal = capsys.readouterr().err
    tables = ("belltower-accounts-prod", "belltower-jobs-prod")
    lifting = [f"update-table --table-name {name} --no-deletion-protection-enabled" for name in tables]
    assert [line in refusal for line in lifting] == [True, True]
    for name in tables:
        aws.client("dynamodb").update_table(TableName=name, DeletionProtectionEnabled=False)
    assert main(command) == 0
    assert "belltower-prod" not in stacks(aws)


def test_what_is_not_there_needs_no_removal(aws: RunningEngine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["destroy", "--stage", "nobody", "--endpoint", aws.endpoint]) == 0
    assert "there is no belltower-nobody in account 000000000000" in capsys.readouterr().out


def test_a_failed_creation_is_told_with_its_reason_and_the_next_deploy_starts_afresh(
    aws: RunningEngine, artifact: Artifact, tmp_path: Path
) -> None:
    said: list[str] = []
    erin = replace(the_deployment(aws, artifact), stage="erin", say=said.append)
    template = erin.template()
    nothing = {"TargetFunctionArn": "no-such-function", "AuthType": "NONE"}
    template["Resources"]["Broken"] = {"Type": "AWS::Lambda::Url", "DependsOn": "JobsTable", "Properties": nothing}
    (tmp_path / "template.json").write_text(json.dumps(template))
    broken = replace(erin, artifact=replace(artifact, template=tmp_path / "template.json"))
    with pytest.raises(DeployError, match=r"belltower-erin is ROLLBACK_COMPLETE: Broken: .*no-such-function"):
        deploy_locally(broken)
    assert any(line.startswith("deploy: failed: Broken: ") for line in said)
    assert deploy_locally(erin)["StackStatus"] == "CREATE_COMPLETE"
    assert "deploy: removing the remains of a failed creation" in said
