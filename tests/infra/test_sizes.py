"""The template's parameters: what each size, limit and choice comes to, and which the template refuses."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.infra.reading import Template, named, read, walk

TARGET, POLICY = "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"
JOBS, NEXT_FIRE, BY_JOB = "table/${JobsTable}", "table/${JobsTable}/index/next-fire", "table/${JobsTable}/index/by-job"
ACCOUNTS = "table/${AccountsTable}"
ENGINE = "http://127.0.0.1:4566"


# --- parameters -------------------------------------------------------------------------------------------------------


def test_every_parameter_says_what_it_is_for_and_has_a_default(template: Template) -> None:
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert "Default" in parameter, name


def test_every_parameter_is_used(template: Template) -> None:
    used = template | {"Parameters": {}, "Metadata": {}, "Rules": {}}
    found = {each["Ref"] for each in walk(used) if isinstance(each.get("Ref"), str)}
    found |= set(re.findall(r"\$\{(\w+)\}", json.dumps(used)))
    assert template["Parameters"].keys() - found == set()


def test_every_parameter_is_shown_in_one_group(template: Template) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(template["Parameters"])


def test_every_default_is_allowed(template: Template) -> None:
    for name, parameter in template["Parameters"].items():
        default = str(parameter["Default"])
        assert default in map(str, parameter.get("AllowedValues", [default])), name
        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), default), name
        if parameter["Type"] == "Number":
            assert parameter.get("MinValue", 0) <= int(default) <= parameter.get("MaxValue", int(default)), name


WINDOW = "A BatchSize of more than 10 needs a BatchWindow of at least 1."
POLLERS = "MinimumPollers and MaximumPollers are set together or not at all."
WARM = "WarmReadUnits and WarmWriteUnits are set together or not at all."


@pytest.mark.parametrize(
    ("parameters", "refusals"),
    [
        pytest.param({}, [], id="the defaults"),
        pytest.param({"BatchSize": "1"}, [], id="one message at a time"),
        pytest.param({"BatchSize": "10", "BatchWindow": "1"}, [], id="ten messages and a window"),
        pytest.param({"BatchSize": "11"}, [WINDOW], id="eleven messages without a window"),
        pytest.param({"BatchSize": "50", "BatchWindow": "1"}, [], id="fifty messages and a window"),
        pytest.param({"MinimumPollers": "2", "MaximumPollers": "20"}, [], id="both bounds of pollers"),
        pytest.param({"MinimumPollers": "2"}, [POLLERS], id="the least pollers alone"),
        pytest.param({"MaximumPollers": "20"}, [POLLERS], id="the most pollers alone"),
        pytest.param({"WarmReadUnits": "16000", "WarmWriteUnits": "64000"}, [], id="warm for both"),
        pytest.param({"WarmReadUnits": "16000"}, [WARM], id="warm for reads alone"),
        pytest.param({"WarmWriteUnits": "64000"}, [WARM], id="warm for writes alone"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    template: Template, parameters: dict[str, str], refusals: list[str]
) -> None:
    assert read(template, **parameters).refusals() == refusals


# --- tables -----------------------------------------------------------------------------------------------------------


def _tables(template: Template, wanted: str, **parameters: str) -> dict[str, Any]:
    """A property of the tables and of the indexes, by where scaling finds them."""
    tables = read(template, **parameters).all_of("AWS::DynamoDB::Table")
    (next_fire, by_job) = tables["JobsTable"]["GlobalSecondaryIndexes"]
    assert (next_fire["IndexName"], by_job["IndexName"]) == ("next-fire", "by-job")
    places = {JOBS: tables["JobsTable"], NEXT_FIRE: next_fire, BY_JOB: by_job, ACCOUNTS: tables["AccountsTable"]}
    return {place: properties.get(wanted) for place, properties in places.items()}


def test_tables_are_paid_by_request_unless_told_otherwise(template: Template) -> None:
    stack = read(template)
    assert {table["BillingMode"] for table in stack.all_of("AWS::DynamoDB::Table").values()} == {"PAY_PER_REQUEST"}
    assert set(_tables(template, "ProvisionedThroughput").values()) == {None}
    assert stack.some_of(TARGET) == {}


def test_provisioned_tables_and_indexes_start_with_the_units_asked_for(template: Template) -> None:
    chosen = {"Capacity": "provisioned", "ReadUnits": "30", "WriteUnits": "40"}
    tables = read(template, **chosen).all_of("AWS::DynamoDB::Table")
    units = {"ReadCapacityUnits": "30", "WriteCapacityUnits": "40"}
    few = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    assert {table["BillingMode"] for table in tables.values()} == {"PROVISIONED"}
    assert _tables(template, "ProvisionedThroughput", **chosen) == {
        JOBS: units,
        NEXT_FIRE: units,
        BY_JOB: units,
        ACCOUNTS: few,
    }


def test_provisioned_tables_and_indexes_grow_and_shrink_with_their_load(template: Template) -> None:
    chosen = {"Capacity": "provisioned", "ReadUnits": "30", "WriteUnits": "40"}
    targets = read(template, **chosen, MaxReadUnits="300", MaxWriteUnits="400").all_of(TARGET)
    bounds = {
        (target["ResourceId"]["Fn::Sub"], target["ScalableDimension"]): (target["MinCapacity"], target["MaxCapacity"])
        for target in targets.values()
    }
    assert bounds == {
        (JOBS, "dynamodb:table:ReadCapacityUnits"): ("30", "300"),
        (JOBS, "dynamodb:table:WriteCapacityUnits"): ("40", "400"),
        (NEXT_FIRE, "dynamodb:index:ReadCapacityUnits"): ("30", "300"),
        (NEXT_FIRE, "dynamodb:index:WriteCapacityUnits"): ("40", "400"),
        (BY_JOB, "dynamodb:index:ReadCapacityUnits"): ("30", "300"),
        (BY_JOB, "dynamodb:index:WriteCapacityUnits"): ("40", "400"),
        (ACCOUNTS, "dynamodb:table:ReadCapacityUnits"): (5, "300"),
        (ACCOUNTS, "dynamodb:table:WriteCapacityUnits"): (5, "400"),
    }


def test_each_capacity_is_kept_at_seventy_percent_by_a_policy_of_its_own(template: Template) -> None:
    stack = read(template, Capacity="provisioned")
    targets = stack.all_of(TARGET)
    kept = {}
    for policy in stack.all_of(POLICY).values():
        tracking = policy["TargetTrackingScalingPolicyConfiguration"]
        metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
        dimension = targets[named(policy["ScalingTargetId"])]["ScalableDimension"]
        assert metric.removesuffix("CapacityUtilization").removeprefix("DynamoDB") in dimension
        kept[named(policy["ScalingTargetId"])] = tracking["TargetValue"]
    assert kept == dict.fromkeys(targets, 70)


def test_the_engine_has_provisioned_tables_without_scaling(template: Template) -> None:
    assert read(template, Capacity="provisioned", LocalEndpoint=ENGINE).some_of(TARGET) == {}


def test_the_jobs_table_and_its_indexes_are_warmed_alike_and_on_request_only(template: Template) -> None:
    assert set(_tables(template, "WarmThroughput").values()) == {None}
    warm = {"ReadUnitsPerSecond": "16000", "WriteUnitsPerSecond": "64000"}
    chosen = _tables(template, "WarmThroughput", WarmReadUnits="16000", WarmWriteUnits="64000")
    assert chosen == {JOBS: warm, NEXT_FIRE: warm, BY_JOB: warm, ACCOUNTS: None}


# --- workers and functions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", ["FiringsToDeliver", "RetriesToDeliver"])
def test_batches_are_as_large_and_wait_as_long_as_asked(template: Template, queue: str) -> None:
    mapping = read(template, BatchSize="50", BatchWindow="2").all_of("AWS::Lambda::EventSourceMapping")[queue]
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == ("50", "2")


@pytest.mark.parametrize(
    ("parameters", "firings", "retries"),
    [
        pytest.param({}, ("50", None), ("50", None), id="as many workers for each queue"),
        pytest.param(
            {"MinimumPollers": "2", "MaximumPollers": "20", "MaximumConcurrency": "9"},
            (None, {"MinimumPollers": "2", "MaximumPollers": "20"}),
            ("9", None),
            id="pollers instead, for firings only",
        ),
    ],
)
def test_a_queue_has_a_limit_of_workers_or_pollers_of_its_own(
    template: Template, parameters: dict[str, str], firings: tuple[Any, Any], retries: tuple[Any, Any]
) -> None:
    mappings = read(template, **parameters).all_of("AWS::Lambda::EventSourceMapping")
    found = {
        name: (each.get("ScalingConfig", {}).get("MaximumConcurrency"), each.get("ProvisionedPollerConfig"))
        for name, each in mappings.items()
    }
    assert found == {"FiringsToDeliver": firings, "RetriesToDeliver": retries, "DeadLettersToParked": (2, None)}


def _functions(template: Template, wanted: str, **parameters: str) -> dict[str, Any]:
    functions = read(template, **parameters).all_of("AWS::Serverless::Function")
    return {name: function.get(wanted) for name, function in functions.items()}


def test_nothing_is_set_aside_unless_asked_for(template: Template) -> None:
    """A new account has so little concurrency that AWS would refuse."""
    assert set(_functions(template, "ReservedConcurrentExecutions").values()) == {None}


def test_what_is_set_aside_for_a_function_is_its_own(template: Template) -> None:
    chosen = {"ApiConcurrency": "20", "TickConcurrency": "2", "WorkerConcurrency": "100"}
    assert _functions(template, "ReservedConcurrentExecutions", **chosen) == {
        "APIHandler": "20",
        "Tick": "2",
        "Deliver": "100",
        "Parked": None,
        "Reconcile": None,
    }


def test_each_function_has_the_memory_and_the_time_asked_for(template: Template) -> None:
    memory = {"ApiMemory": "256", "TickMemory": "300", "WorkerMemory": "400", "ParkedMemory": "500"}
    memory |= {"ReconcileMemory": "600"}
    assert _functions(template, "MemorySize", **memory) == {
        "APIHandler": "256",
        "Tick": "300",
        "Deliver": "400",
        "Parked": "500",
        "Reconcile": "600",
    }
    assert _functions(template, "Timeout", ApiTimeout="10", TickTimeout="45", WorkerTimeout="120") == {
        "APIHandler": "10",
        "Tick": "45",
        "Deliver": "120",
        "Parked": "120",
        "Reconcile": 900,
    }
