"""The tables and queues of infra/resources.yaml, as the stand-in wants them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from benchmarks.standin.queue import QueueSchema
from benchmarks.standin.store import IndexSchema, TableSchema

RESOURCES = Path(__file__).parent.parent.parent / "infra" / "resources.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a stage's tables and queues are called."""

    accounts: str
    jobs: str
    firings: str
    retries: str
    dead_letters: str


def names(stage: str) -> Names:
    """As CloudFormation would make them."""
    return Names(
        accounts=_named("AccountsTable", "TableName", stage),
        jobs=_named("JobsTable", "TableName", stage),
        firings=_named("FiringsQueue", "QueueName", stage),
        retries=_named("RetriesQueue", "QueueName", stage),
        dead_letters=_named("DeadLettersQueue", "QueueName", stage),
    )


def tables(stage: str) -> tuple[TableSchema, TableSchema]:
    """The accounts table and the jobs table."""
    named = names(stage)
    declared = _resources()
    return (
        table_schema(named.accounts, declared["AccountsTable"]["Properties"]),
        table_schema(named.jobs, declared["JobsTable"]["Properties"]),
    )


def queues(stage: str, *, visibility: int, most_receives: int) -> tuple[QueueSchema, ...]:
    """The three queues: what two of them cannot deliver goes to the third. Seconds, and receives."""
    named = names(stage)
    feeding = (
        QueueSchema(name=name, visibility=visibility, dead_letters=named.dead_letters, most_receives=most_receives)
        for name in (named.firings, named.retries)
    )
    return (*feeding, QueueSchema(name=named.dead_letters, visibility=visibility))


def table_schema(name: str, declared: Mapping[str, Any]) -> TableSchema:
    """A table as CreateTable takes it. Both it and its indexes must have a range key."""
    hash_key, range_key = (part["AttributeName"] for part in declared["KeySchema"])
    kinds = {one["AttributeName"]: one["AttributeType"] for one in declared["AttributeDefinitions"]}
    indexes = tuple(_index(index) for index in declared.get("GlobalSecondaryIndexes", ()))
    return TableSchema(name=name, hash=hash_key, range=range_key, kinds=kinds, indexes=indexes)


def _index(declared: Mapping[str, Any]) -> IndexSchema:
    hash_key, range_key = (part["AttributeName"] for part in declared["KeySchema"])
    projection = declared["Projection"]
    everything = projection["ProjectionType"] == "ALL"
    projected = None if everything else frozenset(projection.get("NonKeyAttributes", ()))
    return IndexSchema(name=declared["IndexName"], hash=hash_key, range=range_key, projected=projected)


def _named(resource: str, attribute: str, stage: str) -> str:
    name: str = _resources()[resource]["Properties"][attribute]
    return name.replace("${Stage}", stage)


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as the values behind them."""


def _untagged(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:  # noqa: ANN401 - whatever stands there
    match node:
        case yaml.ScalarNode():
            return loader.construct_scalar(node)
        case yaml.SequenceNode():
            return loader.construct_sequence(node)
        case yaml.MappingNode():
            return loader.construct_mapping(node)
    raise TypeError(node)


_Loader.add_multi_constructor("!", _untagged)


@cache
def _resources() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.load(RESOURCES.read_text(), _Loader)["Resources"]  # noqa: S506 - a safe loader
    return found
