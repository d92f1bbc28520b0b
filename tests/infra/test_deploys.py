"""The template on the embedded engine, with parameters other than the defaults."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from infra.local.stack import deploy_locally
from tests.engine import an_engine, eventually
from tests.infra.conftest import Standin, the_deployment

if TYPE_CHECKING:
    from pathlib import Path

    from infra.package import Artifact

pytestmark = pytest.mark.engine


def _environment(standin: Standin, output: str) -> dict[str, str]:
    function = standin.engine.client("lambda").get_function_configuration(FunctionName=standin.outputs[output])
    variables: dict[str, str] = function["Environment"]["Variables"]
    return variables


@pytest.mark.parametrize("output", ["DeliverName", "ParkedName"])
def test_a_worker_knows_the_host_of_the_api_besides_what_all_know(standin: Standin, output: str) -> None:
    own = {
        "BELLTOWER_API_HOST": f"{standin.outputs['RestAPIId']}.execute-api.us-east-1.amazonaws.com",
        "BELLTOWER_SERVES_API": "0",
    }
    assert _environment(standin, output) == _environment(standin, "APIHandlerName") | own


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        pytest.param({"BatchSize": "11"}, "needs a BatchWindow", id="a large batch without a window"),
        pytest.param({"MinimumPollers": "2"}, "set together", id="half of the pollers' bounds"),
    ],
)
def test_a_rule_refuses_the_deploy(
    standin: Standin, artifact: Artifact, parameters: dict[str, str], refusal: str
) -> None:
    plain = the_deployment(standin.engine, artifact)
    with pytest.raises(ClientError, match=refusal):
        deploy_locally(replace(plain, parameters={**plain.parameters, **parameters}))


def test_a_deployment_with_everything_set_is_accepted_and_changed_in_place(artifact: Artifact, tmp_path: Path) -> None:
    with an_engine(tmp_path) as engine:
        plain = the_deployment(engine, artifact)
        full = {"Capacity": "provisioned", "WriteUnits": "40", "AccessLogs": "on-with-role", "TickConcurrency": "2"}
        outputs = deploy_locally(replace(plain, parameters={**plain.parameters, **full}))
        assert _write_units(engine.client("dynamodb"), outputs["JobsTableName"]) == ["40", "40", "40"]
        changed = full | {"WriteUnits": "50", "BatchSize": "20", "BatchWindow": "1", "MaximumConcurrency": "3"}
        again = deploy_locally(replace(plain, parameters={**plain.parameters, **changed}))
        assert again == outputs | {"StackStatus": "UPDATE_COMPLETE"}
        assert _write_units(engine.client("dynamodb"), outputs["JobsTableName"]) == ["50", "50", "50"]
        deployed = Standin(engine=engine, outputs=outputs)
        deployed.send({"name": "after"})
        eventually(lambda: deployed.delivered("after"))


def _write_units(dynamodb: Any, table: str) -> list[str]:
    """Of the table and its indexes."""
    found = dynamodb.describe_table(TableName=table)["Table"]
    places = [found, *found["GlobalSecondaryIndexes"]]
    return [str(place["ProvisionedThroughput"]["WriteCapacityUnits"]) for place in places]
