"""The tables as infra/resources.yaml declares them: tests use what is deployed."""

from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml

RESOURCES = Path(__file__).parent.parent / "infra" / "resources.yaml"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as plain values."""


def _plain(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    match node:
        case yaml.ScalarNode():
            return loader.construct_scalar(node)
        case yaml.SequenceNode():
            return loader.construct_sequence(node)
        case yaml.MappingNode():
            return loader.construct_mapping(node)
    raise TypeError(node)


_Loader.add_multi_constructor("!", _plain)


@cache
def _resources() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(RESOURCES.read_text(), _Loader)["Resources"]  # noqa: S506 - a safe loader
    return found


def create_tables(suffix: str = "test", **client: Any) -> tuple[str, str]:
    """Creates the accounts and the jobs table; returns their names."""
    dynamodb = boto3.client("dynamodb", region_name="us-east-1", **client)
    resources, names = _resources(), []
    for logical in ("AccountsTable", "JobsTable"):
        declared = resources[logical]["Properties"]
        name = declared["TableName"].replace("${Stage}", suffix)
        wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        dynamodb.create_table(TableName=name, **{key: declared[key] for key in wanted if key in declared})
        names.append(name)
    accounts, jobs = names
    return accounts, jobs
