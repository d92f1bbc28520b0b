"""Deploys into the embedded engine: the artifact that goes to AWS, and two calls more.

The front is a custom domain, so the deployed API is mapped to it. And MiniStack's CloudFormation does not switch on a
table's time to live, so that is done by hand.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.deploy import Deployment, deploy
from infra.local.gateway import DOMAIN

LOCAL_CONCURRENCY: Final = "4"
"""Worker processes for each queue: this machine is no fleet."""


def localized(deployment: Deployment) -> Deployment:
    """With the parameters that the engine needs, unless they are given."""
    if deployment.endpoint is None:
        raise ValueError("a local deployment has an endpoint")
    parameters = {"LocalEndpoint": deployment.endpoint, "MaximumConcurrency": LOCAL_CONCURRENCY}
    return replace(deployment, parameters=parameters | dict(deployment.parameters))


def deploy_locally(deployment: Deployment) -> dict[str, str]:
    """Deploys and opens the front. The stack's outputs."""
    outputs = deploy_beside(deployment)
    _map_front(deployment.client("apigateway"), outputs["RestAPIId"], deployment.stage)
    return outputs


def deploy_beside(deployment: Deployment) -> dict[str, str]:
    """Deploys, and leaves the front to the stage that has it. The stack's outputs."""
    outputs = deploy(localized(deployment))
    _expire(deployment.client("dynamodb"), outputs["JobsTableName"])
    return outputs


def _map_front(apigateway: Any, api_id: str, stage: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
    domains = {domain["domainName"] for domain in apigateway.get_domain_names()["items"]}
    if DOMAIN not in domains:
        apigateway.create_domain_name(domainName=DOMAIN)
    for mapping in apigateway.get_base_path_mappings(domainName=DOMAIN).get("items", []):
        if (mapping["restApiId"], mapping["stage"]) == (api_id, stage):
            return
        apigateway.delete_base_path_mapping(domainName=DOMAIN, basePath=mapping["basePath"])
    apigateway.create_base_path_mapping(domainName=DOMAIN, restApiId=api_id, stage=stage)


def _expire(dynamodb: Any, table: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
    live = {"AttributeName": "expires_at", "Enabled": True}
    try:
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=live)
    except ClientError as error:
        if "already enabled" not in str(error):
            raise
