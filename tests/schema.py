"""The tables as the templates in infra/ declare them: tests use what is deployed, on demand."""

from functools import cache
from typing import Any

import boto3

from infra.package import resources

KEYS = ("AttributeDefinitions", "KeySchema")
INDEX_KEYS = ("IndexName", "KeySchema", "Projection")


@cache
def _declared(logical: str) -> dict[str, Any]:
    found: dict[str, Any] = resources()["Resources"][logical]["Properties"]
    return found


def create_tables(suffix: str = "test", **client: Any) -> tuple[str, str]:
    """Creates the accounts and the jobs table; returns their names."""
    dynamodb = boto3.client("dynamodb", region_name="us-east-1", **client)
    names = []
    for logical in ("AccountsTable", "JobsTable"):
        declared = _declared(logical)
        name = declared["TableName"]["Fn::Sub"].replace("${Stage}", suffix)
        wanted = {key: declared[key] for key in KEYS}
        if indexes := declared.get("GlobalSecondaryIndexes"):
            wanted["GlobalSecondaryIndexes"] = [{key: index[key] for key in INDEX_KEYS} for index in indexes]
        dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **wanted)
        names.append(name)
    accounts, jobs = names
    return accounts, jobs
